//! Tokens for scripts and second factors, over the wire.

use std::time::Duration;

use marketplace_core::{
    accounts::model::{Status, UserAction},
    base::permission::Role,
    testing::{self, totp_code},
};
use marketplace_server::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, expect, problem, server, server_with, servers};

async fn made(server: &Server, admin: &str, body: Value) -> Value {
    expect(server.post("/v1/admin/tokens").bearer_auth(admin).json(&body), 201).await
}

#[tokio::test]
async fn a_token_is_made_used_listed_and_revoked() {
    for server in servers().await {
        let (id, admin) = server.user(Role::Admin, Status::Active).await;
        let wish = json!({"name": "Night job", "scopes": ["users:read", "kyc:read"], "expires_in": 7_776_000});
        let created = made(&server, &admin, wish).await;
        let (token, secret) = (&created["item"]["token"], created["item"]["secret"].as_str().unwrap());
        assert_eq!(token["owner_id"], id.to_string());
        assert_eq!(token["scopes"], json!(["kyc:read", "users:read"]));
        let path = format!("/v1/admin/tokens/{}", token["id"].as_str().unwrap());

        let me = expect(server.get("/v1/admin/whoami").bearer_auth(secret), 200).await;
        assert_eq!(me["principal"], format!("token:{}", token["id"].as_str().unwrap()));
        assert_eq!((&me["permissions"], &me["expires_at"]), (&token["scopes"], &token["expires_at"]));
        expect(server.get("/v1/admin/users").bearer_auth(secret), 200).await;
        problem(server.get("/v1/admin/stats").bearer_auth(secret), 403, "forbidden").await;
        for own in ["/v1/me", "/v1/auth/sessions"] {
            problem(server.get(own).bearer_auth(secret), 403, "forbidden").await;
        }
        let password = json!({"password": testing::PASSWORD});
        problem(server.post("/v1/auth/totp").bearer_auth(secret).json(&password), 403, "forbidden").await;
        problem(server.post("/v1/auth/logout").bearer_auth(secret), 403, "forbidden").await;
        problem(
            server
                .post("/v1/admin/tokens")
                .bearer_auth(secret)
                .json(&json!({"name": "x", "scopes": ["kyc:read"], "expires_in": 60})),
            403,
            "forbidden",
        )
        .await;

        let list = expect(server.get("/v1/admin/tokens").bearer_auth(&admin), 200).await;
        assert_eq!(list["items"][0]["status"], "active");
        assert!(list["items"][0]["last_used_at"].is_string());
        assert!(!list.to_string().contains(secret));
        let revoked = expect(server.request(Method::DELETE, &path).bearer_auth(&admin), 200).await;
        assert_eq!((&revoked["changed"], &revoked["item"]["status"]), (&json!(true), &json!("revoked")));
        problem(server.get("/v1/admin/whoami").bearer_auth(secret), 401, "unauthenticated").await;
        let again = expect(server.request(Method::DELETE, &path).bearer_auth(&admin), 200).await;
        assert_eq!(again["changed"], false);
        server.stop().await;
    }
}

/// An answer under an idempotency key is stored; this one holds a secret.
#[tokio::test]
async fn no_key_makes_a_secret_stay() {
    let server = server().await;
    let admin = server.token(Role::Admin).await;
    let wish = json!({"name": "Night job", "scopes": ["kyc:read"], "expires_in": 60});
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let request = server.post("/v1/admin/tokens").bearer_auth(&admin).header("idempotency-key", "once").json(&wish);
        secrets.push(expect(request, 201).await["item"]["secret"].clone());
    }
    assert_ne!(secrets[0], secrets[1]);
    server.stop().await;
}

#[tokio::test]
async fn what_no_token_can_be_is_told_by_field() {
    let server = server().await;
    let admin = server.token(Role::Admin).await;
    for (pointer, body) in [
        ("/name", json!({"name": "", "scopes": ["kyc:read"], "expires_in": 60})),
        ("/scopes", json!({"name": "x", "scopes": [], "expires_in": 60})),
        ("/scopes", json!({"name": "x", "scopes": ["own_account"], "expires_in": 60})),
        ("/scopes/0", json!({"name": "x", "scopes": ["everything"], "expires_in": 60})),
        ("/expires_in", json!({"name": "x", "scopes": ["kyc:read"], "expires_in": 31_536_001})),
        ("/expires_in", json!({"name": "x", "scopes": ["kyc:read"], "expires_in": -1})),
    ] {
        let answer = problem(server.post("/v1/admin/tokens").bearer_auth(&admin).json(&body), 422, "invalid").await;
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{answer}");
    }
    let forever = json!({"name": "x", "scopes": ["kyc:read"]});
    problem(server.post("/v1/admin/tokens").bearer_auth(&admin).json(&forever), 422, "invalid").await;
    server.stop().await;
}

fn login(server: &Server, email: &str, more: &Value) -> reqwest::RequestBuilder {
    let mut body = json!({"email": email, "password": testing::PASSWORD});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/v1/auth/login").json(&body)
}

#[tokio::test]
async fn a_second_factor_from_enrolment_to_removal() {
    for server in servers().await {
        let (id, token) = server.user(Role::Support, Status::Active).await;
        let email =
            marketplace_core::users::reveal(&server.test.app().by(&testing::OPERATOR), id, None).await.unwrap().email;
        let password = json!({"password": testing::PASSWORD});
        let begun = expect(server.post("/v1/auth/totp").bearer_auth(&token).json(&password), 200).await;
        // The machine's clock: this step's code and the next one's are good, also when the next step begins meanwhile.
        let now = server.test.app().now();
        let code = |ahead: u64| totp_code(begun["secret"].as_str().unwrap(), now + Duration::from_secs(ahead));
        let confirm =
            |code: String| server.post("/v1/auth/totp/confirm").bearer_auth(&token).json(&json!({"code": code}));
        problem(confirm("12345".into()), 422, "invalid").await;
        let codes = expect(confirm(code(0)), 200).await;
        let recovery = codes["recovery_codes"][0].as_str().unwrap();

        let wrong = json!({"email": email, "password": "not the password"});
        let answer = problem(server.post("/v1/auth/login").json(&wrong), 401, "unauthenticated").await;
        assert_eq!(answer.get("second_factor"), None);
        let answer = problem(login(&server, &email, &json!({})), 401, "unauthenticated").await;
        assert_eq!(answer["second_factor"], "required");
        let answer = problem(login(&server, &email, &json!({"totp": code(0)})), 401, "unauthenticated").await;
        assert_eq!(answer["second_factor"], "wrong", "this code was used to confirm");
        problem(login(&server, &email, &json!({"totp": "1", "recovery_code": "2"})), 422, "invalid").await;
        expect(login(&server, &email, &json!({"recovery_code": recovery})), 200).await;
        problem(login(&server, &email, &json!({"recovery_code": recovery})), 401, "unauthenticated").await;
        expect(login(&server, &email, &json!({"totp": code(30)})), 200).await;

        let remove = |body: Value| server.request(Method::DELETE, "/v1/auth/totp").bearer_auth(&token).json(&body);
        problem(remove(password.clone()), 422, "invalid").await;
        expect(remove(json!({"password": testing::PASSWORD, "recovery_code": codes["recovery_codes"][1]})), 204).await;
        expect(login(&server, &email, &json!({})), 200).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn staff_who_must_enrol_can_do_nothing_else() {
    let server = server_with(|config| config.require_staff_totp = true, Options::default()).await;
    let token = server.token(Role::Admin).await;
    for path in ["/v1/me", "/v1/admin/users", "/v1/admin/stats", "/v1/auth/sessions"] {
        let answer = problem(server.get(path).bearer_auth(&token), 403, "forbidden").await;
        assert_eq!(answer["second_factor"], "enrol");
    }
    let password = json!({"password": testing::PASSWORD});
    let begun = expect(server.post("/v1/auth/totp").bearer_auth(&token).json(&password), 200).await;
    let code = totp_code(begun["secret"].as_str().unwrap(), server.test.app().now());
    expect(server.post("/v1/auth/totp/confirm").bearer_auth(&token).json(&json!({"code": code})), 200).await;
    expect(server.get("/v1/admin/users").bearer_auth(&token), 200).await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let server = server().await;
    let (id, admin) = server.user(Role::Admin, Status::Active).await;
    let created = made(&server, &admin, json!({"name": "Watch", "scopes": ["stats:read"], "expires_in": 3_600})).await;
    let secret = created["item"]["secret"].as_str().unwrap();
    let request = server.get("/v1/admin/events").bearer_auth(secret).header("accept", "text/event-stream");
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    marketplace_core::users::act(&server.test.app().by(&testing::OPERATOR), id, &UserAction::RevokeSessions)
        .await
        .unwrap();
    let ended = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the stream ends");
    server.stop().await;
}
