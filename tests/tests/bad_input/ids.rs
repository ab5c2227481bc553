//! Ids, versions and fencing numbers that are unknown, stale, or somebody else's.

use marketplace_tests::{Answer, Engine, Server, stories, tokens};
use reqwest::Method;
use serde_json::{Value, json};

use crate::refused;

stories![unknown_ids_and_ids_that_are_none, stale_fences_and_versions, other_peoples_things,];

pub(crate) const UNKNOWN: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";

async fn unknown_ids_and_ids_that_are_none(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let before = app.fingerprint().await;
    let calls = |id: &str| {
        let mut calls = vec![
            (Method::GET, format!("/v1/admin/kyc/{id}"), Value::Null),
            (Method::GET, format!("/v1/admin/kyc/{id}/files/document"), Value::Null),
            (Method::GET, format!("/v1/admin/users/{id}"), Value::Null),
            (Method::GET, format!("/v1/admin/users/{id}/notes"), Value::Null),
            (Method::DELETE, format!("/v1/admin/users/{id}"), json!({ "reason": "fraud" })),
            (Method::DELETE, format!("/v1/auth/sessions/{id}"), json!({})),
        ];
        for verb in ["claim", "release", "undo", "approve"] {
            calls.push((Method::POST, format!("/v1/admin/kyc/{id}/{verb}"), json!({})));
        }
        for verb in ["retry", "reject", "revoke"] {
            calls.push((Method::POST, format!("/v1/admin/kyc/{id}/{verb}"), json!({ "reasons": ["other"] })));
        }
        for verb in ["freeze", "unfreeze", "ban", "unban", "revoke-sessions"] {
            calls.push((Method::POST, format!("/v1/admin/users/{id}/{verb}"), json!({ "reason": "fraud" })));
        }
        calls.push((Method::POST, format!("/v1/admin/users/{id}/reveal"), json!({})));
        calls.push((Method::POST, format!("/v1/admin/users/{id}/role"), json!({ "role": "worker" })));
        calls.push((Method::POST, format!("/v1/admin/users/{id}/notes"), json!({ "body": "hello" })));
        calls
    };
    for (method, path, body) in calls(UNKNOWN) {
        Answer::of(lea.request(method, &path).json(&body)).await.refused(404, "not_found");
    }
    for id in [
        "1",
        "null",
        "undefined",
        "'%20OR%201=1--",
        "019a8f3e",
        "%00",
        "%ff%fe",
        "..",
        "00000000-0000-0000-0000-00000000000g",
    ] {
        for (method, path, body) in calls(id) {
            refused(&Answer::of(lea.request(method, &path).json(&body)).await);
        }
    }
    assert_eq!(app.fingerprint().await, before);
}

async fn stale_fences_and_versions(engine: Engine) {
    let app = Server::start(engine).await;
    let (sam, lea) = (app.as_staff("support").await, app.as_staff("support").await);
    let ada = app.as_worker().await;
    let attempt = ada.submit_good(1).await;
    let old = sam.claim(&attempt).await;
    sam.post(&format!("/v1/admin/kyc/{attempt}/release"), json!({})).await.ok();
    let newer = lea.claim(&attempt).await;
    assert!(newer > old);
    let before = app.fingerprint().await;
    for fence in [old, newer, 0, -1, i64::MAX, newer + 1] {
        let problem = sam.decide(&attempt, "approve", json!({ "fence": fence })).await.refused(409, "conflict");
        assert!(problem["current"].is_object(), "the holder is named: {problem}");
    }
    lea.decide(&attempt, "approve", json!({ "fence": old })).await.refused(409, "conflict");
    sam.decide(&attempt, "approve", json!({})).await.refused(409, "conflict");
    sam.post(&format!("/v1/admin/kyc/{attempt}/claim"), json!({})).await.refused(409, "conflict");
    for version in ["\"0\"", "\"999\""] {
        let approve =
            lea.request(Method::POST, &format!("/v1/admin/kyc/{attempt}/approve")).header("if-match", version);
        Answer::of(approve.json(&json!({ "fence": newer }))).await.refused(412, "precondition_failed");
    }
    for version in ["nonsense", "\"x\"", "W/"] {
        let approve =
            lea.request(Method::POST, &format!("/v1/admin/kyc/{attempt}/approve")).header("if-match", version);
        refused(&Answer::of(approve.json(&json!({ "fence": newer }))).await);
    }
    assert_eq!(app.fingerprint().await, before);
    lea.decide(&attempt, "approve", json!({ "fence": newer })).await.ok();
    let problem =
        sam.decide(&attempt, "reject", json!({ "fence": old, "reasons": ["other"] })).await.refused(409, "conflict");
    assert!(problem["current"].is_object(), "the decision is named: {problem}");
}

async fn other_peoples_things(engine: Engine) {
    let app = Server::start(engine).await;
    let (ada, eve) = (app.as_worker().await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let sid = tokens::claims(ada.http.token.as_deref().unwrap()).sid;
    let before = app.fingerprint().await;
    // What one may not know of is not there.
    eve.delete(&format!("/v1/auth/sessions/{sid}"), json!({})).await.refused(404, "not_found");
    for path in ["/v1/admin/kyc", "/v1/admin/users", "/v1/admin/audit", "/v1/admin/stats", "/v1/admin/events"] {
        eve.get(path).await.refused(403, "forbidden");
        app.as_nobody().get(path).await.refused(401, "unauthenticated");
    }
    for path in [
        format!("/v1/admin/kyc/{attempt}"),
        format!("/v1/admin/kyc/{attempt}/files/selfie"),
        format!("/v1/admin/users/{}", ada.id),
    ] {
        eve.get(&path).await.refused(403, "forbidden");
        ada.get(&path).await.refused(403, "forbidden");
    }
    eve.decide(&attempt, "approve", json!({})).await.refused(403, "forbidden");
    ada.decide(&attempt, "approve", json!({})).await.refused(403, "forbidden");
    assert_eq!(app.fingerprint().await, before);
    assert!(eve.get("/v1/me/kyc").await.ok()["attempts"].as_array().unwrap().is_empty());
    // A member of staff who was a worker once does not decide about their own papers.
    let lea = app.as_staff("admin").await;
    lea.post(&format!("/v1/admin/users/{}/role", ada.id), json!({ "role": "admin" })).await.ok();
    let ada = app.person(&ada.email).await;
    let before = app.fingerprint().await;
    ada.decide(&attempt, "approve", json!({})).await.refused(403, "forbidden");
    for verb in ["freeze", "ban"] {
        let path = format!("/v1/admin/users/{}/{verb}", ada.id);
        ada.post(&path, json!({ "reason": "other" })).await.refused(403, "forbidden");
    }
    ada.post(&format!("/v1/admin/users/{}/role", ada.id), json!({ "role": "auditor" })).await.refused(403, "forbidden");
    assert_eq!(app.fingerprint().await, before);
}
