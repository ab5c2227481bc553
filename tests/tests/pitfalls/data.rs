//! What is sent and what is stored.

use futures::future::join_all;
use marketplace_tests::{Answer, Engine, Server, stories};
use reqwest::Method;
use serde_json::json;

stories![huge_and_empty_texts_are_not_stored, the_same_key_does_a_thing_once, deep_pages_hold_every_row_once,];

async fn huge_and_empty_texts_are_not_stored(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let before = app.fingerprint().await;
    let notes = format!("/v1/admin/users/{}/notes", ada.id);
    for body in [String::new(), " \n\t ".into(), "x".repeat(4_001), "é".repeat(4_001), "x".repeat(900_000)] {
        let answer = lea.post(&notes, json!({ "body": body })).await;
        assert!(answer.status.is_client_error(), "{}", answer.text());
        answer.problem();
    }
    let comment = json!({ "reasons": ["other"], "comment": "x".repeat(1_001) });
    lea.decide(&attempt, "reject", comment).await.refused(422, "invalid");
    for name in ["", "   ", "x".repeat(101).as_str()] {
        ada.patch("/v1/me", json!({ "name": name })).await.refused(422, "invalid");
    }
    assert_eq!(app.fingerprint().await, before);
    lea.post(&notes, json!({ "body": "é".repeat(4_000) })).await.ok();
}

async fn the_same_key_does_a_thing_once(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, jon) = (app.as_staff("admin").await, app.as_client().await);
    let notes = format!("/v1/admin/users/{}/notes", jon.id);
    let send = |key: &str, body: &str| {
        let request = lea.request(Method::POST, &notes).header("idempotency-key", key.to_owned());
        Answer::of(request.json(&json!({ "body": body })))
    };
    let (first, second) = tokio::join!(send("k1", "called"), send("k1", "called"));
    let third = send("k1", "called").await.ok();
    for answer in [&first, &second] {
        assert!(answer.status.is_success() || answer.status.as_u16() == 409, "{}", answer.text());
    }
    send("k1", "another body").await.problem();
    assert_eq!(lea.get(&notes).await.ok()["items"].as_array().unwrap().len(), 1);
    assert_eq!(third["item"]["body"], "called");
    send("k2", "called").await.ok();
    assert_eq!(lea.get(&notes).await.ok()["items"].as_array().unwrap().len(), 2);
    // Somebody else's key is another key.
    let sam = app.as_staff("support").await;
    let request = sam.request(Method::POST, &notes).header("idempotency-key", "k1");
    Answer::of(request.json(&json!({ "body": "from Sam" }))).await.ok();
    assert_eq!(lea.get(&notes).await.ok()["items"].as_array().unwrap().len(), 3);
}

async fn deep_pages_hold_every_row_once(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let count = 45;
    join_all((0..count).map(|n| {
        let (app, name) = (&app, format!("Person {n}"));
        async move { app.sign_up(if n % 3 == 0 { "worker" } else { "client" }, &name).await }
    }))
    .await;
    let mut late = 0;
    for (query, expected) in
        [("", count + 1), ("role=worker", count / 3), ("status=unverified", count + 1), ("q=person", count)]
    {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = lea.get(&format!("/v1/admin/users?limit=7&{query}{after}")).await.ok();
            seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            // What comes in meanwhile disturbs no page.
            if late == 0 {
                app.sign_up("client", "Late Comer").await;
                late = 1;
            }
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((seen.len(), all), (expected, expected), "{query}");
    }
}
