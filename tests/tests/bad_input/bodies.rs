//! Bodies that are no JSON, are not what the route takes, or are too large.

use marketplace_tests::{Answer, Engine, Server, people::PASSWORD, pictures, stories};
use reqwest::Method;
use serde_json::{Value, json};

use crate::refused;

stories![wrong_types_and_broken_json, huge_bodies, nul_bytes_and_control_characters,];

async fn wrong_types_and_broken_json(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let before = app.fingerprint().await;
    let user = format!("/v1/admin/users/{}", ada.id);
    let sign_up = |key: &str, value: Value| {
        let mut body = json!({ "role": "client", "email": "x@example.org", "password": PASSWORD, "name": "X" });
        body[key] = value;
        body
    };
    for body in [
        sign_up("role", json!("emperor")),
        sign_up("role", json!(1)),
        sign_up("email", json!(["x@example.org"])),
        sign_up("email", json!("x@")),
        sign_up("email", json!("x@example.org\r\nBcc: everybody@example.org")),
        sign_up("email", json!("x".repeat(300) + "@example.org")),
        sign_up("password", json!(12_345_678)),
        sign_up("password", json!("short")),
        sign_up("password", json!("password1")),
        sign_up("password", json!("x".repeat(129))),
        sign_up("name", json!("")),
        sign_up("name", json!("  ")),
        sign_up("name", json!("x".repeat(101))),
        sign_up("phone", json!("12")),
        sign_up("phone", json!(442_071_838_750_i64)),
        sign_up("status", json!("active")),
        sign_up("email_verified", json!(true)),
        json!([]),
        json!("x"),
        json!(null),
        json!({}),
    ] {
        refused(&app.as_nobody().post("/v1/auth/signup", body).await);
    }
    let json_type = "application/json";
    for broken in ["", "{", "{\"email\":}", "{\"email\":\"a\",}", "nonsense", "\u{0}", "{\"email\":\"\\ud800\"}"] {
        refused(&app.as_nobody().post_raw("/v1/auth/login", json_type, broken).await);
    }
    refused(&app.as_nobody().post_raw("/v1/auth/login", json_type, vec![0xFF, 0xFE, 0x00]).await);
    refused(&app.as_nobody().post_raw("/v1/auth/login", "text/plain", "{}").await);
    refused(&app.as_nobody().post_raw("/v1/auth/login", json_type, "[".repeat(50_000)).await);
    for (path, body) in [
        (format!("{user}/freeze"), json!({ "reason": "because" })),
        (format!("{user}/freeze"), json!({ "reason": 7 })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "note": 7 })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "note": "x".repeat(4_001) })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "dry_run": "yes" })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "nonsense": 1 })),
        (format!("{user}/role"), json!({ "role": "emperor" })),
        (format!("{user}/role"), json!({})),
        (format!("{user}/notes"), json!({ "body": "" })),
        (format!("{user}/notes"), json!({ "body": "   " })),
        (format!("{user}/notes"), json!({ "body": "x".repeat(4_001) })),
        (format!("{user}/notes"), json!({})),
        ("/v1/admin/users".to_owned(), json!({ "role": "worker", "email": "no", "name": "N" })),
        (format!("/v1/admin/kyc/{attempt}/approve"), json!({ "fence": "one" })),
        (format!("/v1/admin/kyc/{attempt}/approve"), json!({ "reasons": ["other"] })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": [] })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": ["because"] })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": ["other"], "comment": "x".repeat(1_001) })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": "other" })),
    ] {
        refused(&lea.post(&path, body).await);
    }
    refused(&ada.patch("/v1/me", json!({ "role": "admin" })).await);
    refused(&ada.patch("/v1/me", json!({ "status": "active", "kyc_status": "approved" })).await);
    assert_eq!(app.fingerprint().await, before);
    assert_eq!(ada.get("/v1/me").await.ok()["role"], "worker");
}

async fn huge_bodies(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let before = app.fingerprint().await;
    let mebi = 1024 * 1024;
    let note = format!("/v1/admin/users/{}/notes", ada.id);
    // Refused from its length, before it is read, or while it is read: a connection may be closed on the sender.
    for (path, size) in [(note.as_str(), 20 * mebi), ("/v1/auth/login", 3 * mebi)] {
        let body = format!("{{\"body\":\"{}\"}}", "x".repeat(size));
        let sent = lea.request(Method::POST, path).header("content-type", "application/json").body(body);
        if let Ok(answer) = Answer::try_of(sent).await {
            answer.refused(413, "too_large");
        }
    }
    let mut big = pictures::jpeg(1);
    big.resize(10 * mebi + 1, 0);
    ada.submit(big, pictures::jpeg(2)).await.refused(413, "too_large");
    if let Ok(answer) = {
        let form = reqwest::multipart::Form::new()
            .text("document_type", "passport")
            .part("document", reqwest::multipart::Part::bytes(vec![0; 40 * mebi]).file_name("d.jpg"));
        Answer::try_of(ada.request(Method::POST, "/v1/me/kyc").multipart(form)).await
    } {
        answer.refused(413, "too_large");
    }
    let picture = ada.request(Method::PUT, "/v1/me/picture").header("content-type", "image/jpeg");
    if let Ok(answer) = Answer::try_of(picture.body(vec![0xFF; 10 * mebi + 1])).await {
        answer.refused(413, "too_large");
    }
    assert_eq!(app.fingerprint().await, before);
    ada.submit_good(1).await;
}

async fn nul_bytes_and_control_characters(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let before = app.fingerprint().await;
    let nul = "a\u{0}b";
    let user = format!("/v1/admin/users/{}", ada.id);
    for (person, path, body) in [
        (
            &ada,
            "/v1/auth/signup".to_owned(),
            json!({ "role": "client", "email": "a\u{0}@example.org", "password": PASSWORD, "name": "A" }),
        ),
        (
            &ada,
            "/v1/auth/signup".to_owned(),
            json!({ "role": "client", "email": "nul@example.org", "password": PASSWORD, "name": nul }),
        ),
        (&lea, format!("{user}/notes"), json!({ "body": nul })),
        (&lea, format!("{user}/freeze"), json!({ "reason": "spam", "note": nul })),
        (&lea, format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": ["other"], "comment": nul })),
        (&lea, format!("/v1/admin/kyc/{attempt}/approve"), json!({ "note": nul })),
        (&lea, "/v1/admin/users".to_owned(), json!({ "role": "worker", "email": "n@example.org", "name": nul })),
    ] {
        refused(&person.post(&path, body).await);
    }
    refused(&ada.patch("/v1/me", json!({ "name": nul })).await);
    refused(&app.as_nobody().post("/v1/auth/verify-email", json!({ "token": nul })).await);
    refused(&app.as_nobody().post("/v1/auth/password/reset", json!({ "token": nul, "password": PASSWORD })).await);
    refused(&app.as_nobody().post("/v1/auth/refresh", json!({ "refresh_token": nul })).await);
    // Searching for it finds nothing, or is refused; logging in with it fails like any other wrong address.
    for path in [
        "/v1/admin/users?q=a%00b",
        "/v1/admin/audit?action=a%00b",
        "/v1/admin/audit?target=%00",
        "/v1/admin/audit?actor=%00",
    ] {
        let answer = lea.get(path).await;
        if answer.status.is_success() {
            assert!(answer.json()["items"].as_array().unwrap().is_empty(), "{}", answer.text());
        } else {
            refused(&answer);
        }
    }
    refused(&app.log_in("a\u{0}b@example.org").await);
    let forgot = app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": "a\u{0}b@example.org" })).await;
    assert!(!forgot.status.is_server_error(), "{}", forgot.text());
    assert_eq!(app.fingerprint().await, before);
}
