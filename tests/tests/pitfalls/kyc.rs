//! Identity checks: one decision a case, and what is shown of it.

use std::time::Duration;

use marketplace_tests::{Answer, Engine, Server, pictures, stories};
use serde_json::{Value, json};

stories![
    of_racing_decisions_exactly_one_wins,
    a_decided_case_is_not_decided_again,
    a_revoked_approval_is_no_longer_shown,
    a_fresh_worker_has_a_profile_and_a_check_of_none,
    an_unverified_or_frozen_worker_starts_nothing_new,
];

async fn of_racing_decisions_exactly_one_wins(engine: Engine) {
    let app = Server::start(engine).await;
    let (sam, lea) = (app.as_staff("support").await, app.as_staff("admin").await);
    for round in 0..10 {
        let ada = app.as_worker().await;
        let attempt = ada.submit_good(round).await;
        let reject = json!({ "reasons": ["other"] });
        let (a, b, c, d) = tokio::join!(
            sam.decide(&attempt, "approve", json!({})),
            lea.decide(&attempt, "reject", reject.clone()),
            sam.decide(&attempt, "retry", reject.clone()),
            lea.decide(&attempt, "approve", json!({})),
        );
        let answers = [a, b, c, d];
        let winners: Vec<&Answer> =
            answers.iter().filter(|answer| answer.status.is_success() && answer.json()["changed"] == true).collect();
        assert_eq!(winners.len(), 1, "{answers:#?}");
        for answer in &answers {
            if !answer.status.is_success() {
                assert!(answer.refused(409, "conflict")["current"].is_object(), "{}", answer.text());
            }
        }
        let status = winners[0].json()["item"]["attempt"]["status"].clone();
        assert_eq!(sam.get(&format!("/v1/admin/kyc/{attempt}")).await.ok()["attempt"]["status"], status);
    }
    assert_eq!(sam.get("/v1/admin/audit/verify?from=1&limit=1000").await.ok()["broken"], Value::Null);
}

async fn a_decided_case_is_not_decided_again(engine: Engine) {
    let app = Server::start(engine).await;
    let sam = app.as_staff("support").await;
    let ada = app.as_worker().await;
    let attempt = ada.submit_good(1).await;
    let reasons = json!({ "reasons": ["other"] });
    sam.decide(&attempt, "revoke", reasons.clone()).await.refused(409, "conflict");
    sam.decide(&attempt, "reject", reasons.clone()).await.ok();
    for decision in ["approve", "retry", "revoke"] {
        let body = if decision == "approve" { json!({}) } else { reasons.clone() };
        let problem = sam.decide(&attempt, decision, body).await.refused(409, "conflict");
        assert!(problem["current"].is_object(), "it says what was decided: {problem}");
    }
    sam.post(&format!("/v1/admin/kyc/{attempt}/claim"), json!({})).await.refused(409, "conflict");
    assert_eq!(sam.decide(&attempt, "reject", reasons).await.ok()["changed"], false, "the same again is harmless");
}

async fn a_revoked_approval_is_no_longer_shown(engine: Engine) {
    let app = Server::start(engine).await;
    let sam = app.as_staff("support").await;
    let ada = app.as_worker().await;
    let attempt = ada.submit_good(1).await;
    sam.decide(&attempt, "approve", json!({})).await.ok();
    let shows = async |status: &str| {
        for _ in 0..300 {
            if ada.get("/v1/me/kyc").await.ok()["status"] == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{status} never shows");
    };
    shows("approved").await;
    ada.submit(pictures::jpeg(1), pictures::jpeg(2)).await.refused(409, "conflict");
    sam.decide(&attempt, "revoke", json!({ "reasons": ["document_expired"] })).await.ok();
    shows("revoked").await;
    // A new attempt leaves it revoked until that one is approved itself.
    let second = ada.submit_good(3).await;
    shows("pending").await;
    sam.decide(&attempt, "approve", json!({})).await.refused(409, "conflict");
    assert_eq!(sam.get(&format!("/v1/admin/kyc/{second}")).await.ok()["attempt"]["status"], "pending");
}

async fn a_fresh_worker_has_a_profile_and_a_check_of_none(engine: Engine) {
    let app = Server::start(engine).await;
    let email = app.sign_up("worker", "Fresh").await;
    let fresh = app.person(&email).await;
    assert_eq!(fresh.get("/v1/me").await.ok()["name"], "Fresh");
    let ada = app.as_worker().await;
    let own = ada.get("/v1/me/kyc").await.ok();
    assert_eq!((own["status"].as_str(), own["may_submit"].as_bool()), (Some("none"), Some(true)));
    assert_eq!(own["attempts"], json!([]));
}

async fn an_unverified_or_frozen_worker_starts_nothing_new(engine: Engine) {
    let app = Server::start(engine).await;
    let sam = app.as_staff("support").await;
    let email = app.sign_up("worker", "Unverified").await;
    let unverified = app.person(&email).await;
    unverified.submit(pictures::jpeg(1), pictures::jpeg(2)).await.refused(403, "forbidden");
    let jon = app.as_client().await;
    jon.submit(pictures::jpeg(1), pictures::jpeg(2)).await.refused(403, "forbidden");
    assert_eq!(sam.get("/v1/admin/kyc").await.ok()["items"], json!([]));
}
