//! The same POST twice.

use marketplace_core::base::permission::Role;
use serde_json::{Value, json};

use crate::harness::{Server, expect, problem, servers};

fn create(server: &Server, token: &str, key: &str, email: &str) -> reqwest::RequestBuilder {
    server
        .post("/v1/admin/users")
        .bearer_auth(token)
        .header("idempotency-key", key)
        .json(&json!({"role": "client", "email": email, "name": "Twice"}))
}

#[tokio::test]
async fn happens_once_and_answers_twice() {
    for server in servers().await {
        let token = server.token(Role::Admin).await;
        let first = create(&server, &token, "k1", "twice@example.org").send().await.unwrap();
        assert_eq!(first.status(), 201);
        assert!(first.headers().get("idempotency-replayed").is_none());
        let first: Value = first.json().await.unwrap();
        let again = create(&server, &token, "k1", "twice@example.org").send().await.unwrap();
        assert_eq!(again.status(), 201);
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.headers()["content-type"], "application/json");
        assert_eq!(again.json::<Value>().await.unwrap(), first);
        // The key is bound to what was asked, and to who asked.
        problem(create(&server, &token, "k1", "other@example.org"), 422, "invalid").await;
        let colleague = server.token(Role::Admin).await;
        expect(create(&server, &colleague, "k1", "colleague@example.org"), 201).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_is_answered_again_under_its_own_request_id() {
    for server in servers().await {
        let token = server.token(Role::Admin).await;
        expect(create(&server, &token, "a", "taken@example.org"), 201).await;
        let first = problem(create(&server, &token, "b", "taken@example.org"), 409, "conflict").await;
        let again = problem(create(&server, &token, "b", "taken@example.org"), 409, "conflict").await;
        assert_eq!(first["detail"], again["detail"]);
        assert_ne!(first["request_id"], again["request_id"]);
        server.stop().await;
    }
}

/// Whoever corrects a typo keeps the key.
#[tokio::test]
async fn invalid_input_does_not_use_up_a_key() {
    for server in servers().await {
        let token = server.token(Role::Admin).await;
        problem(create(&server, &token, "k", "nonsense"), 422, "invalid").await;
        expect(create(&server, &token, "k", "corrected@example.org"), 201).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn of_many_at_once_one_happens() {
    for server in servers().await {
        let token = server.token(Role::Admin).await;
        let calls = (0..8).map(|_| create(&server, &token, "race", "race@example.org").send());
        let mut made = 0;
        for answer in futures::future::join_all(calls).await {
            let answer = answer.unwrap();
            let replayed = answer.headers().contains_key("idempotency-replayed");
            match answer.status().as_u16() {
                201 if !replayed => made += 1,
                201 => {}
                409 => {
                    assert!(answer.headers().contains_key("retry-after"));
                    assert!(answer.text().await.unwrap().contains("still running"));
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!(made, 1);
        server.stop().await;
    }
}

#[tokio::test]
async fn keys_of_people_who_may_not_are_not_kept() {
    for server in servers().await {
        let token = server.token(Role::Support).await;
        problem(create(&server, &token, "k", "made@example.org"), 403, "forbidden").await;
        let again = create(&server, &token, "k", "made@example.org").send().await.unwrap();
        assert_eq!(again.status(), 403);
        assert!(again.headers().get("idempotency-replayed").is_none());
        server.stop().await;
    }
}
