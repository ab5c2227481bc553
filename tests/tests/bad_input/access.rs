//! Tokens that are not ours.

use marketplace_tests::{Answer, Engine, Server, stories, tokens};
use reqwest::Method;
use serde_json::json;

stories![tokens_that_are_not_ours,];

/// No call gets past these tokens, on any kind of route.
async fn gets_nowhere(app: &Server, what: &str, token: &str) {
    let http = app.as_nobody().with_token(token);
    for path in ["/v1/me", "/v1/me/kyc", "/v1/auth/sessions", "/v1/admin/kyc", "/v1/admin/audit"] {
        let answer = http.get(path).await;
        assert_eq!(answer.status.as_u16(), 401, "{what}: {} → {}", answer.asked, answer.text());
        answer.refused(401, "unauthenticated");
        assert!(answer.headers.contains_key("www-authenticate"), "{what}");
    }
    http.post("/v1/auth/logout", json!({})).await.refused(401, "unauthenticated");
    http.post("/v1/auth/logout-all", json!({})).await.refused(401, "unauthenticated");
}

async fn tokens_that_are_not_ours(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let before = app.fingerprint().await;
    for person in [&lea, &ada] {
        let token = person.http.token.as_deref().unwrap();
        for (what, forged) in tokens::forgeries(token) {
            gets_nowhere(&app, what, &forged).await;
        }
        gets_nowhere(&app, "expired", &tokens::expired(&app, token)).await;
        // Our signature under a role that the account does not have gives no more than the account.
        let mut claims = tokens::claims(token);
        claims.sid = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap();
        gets_nowhere(&app, "a session that never was", &tokens::resigned(&app, &claims)).await;
        // A refresh token is no access token, and the other way round.
        gets_nowhere(&app, "a refresh token", &person.refresh_token).await;
        let body = json!({ "refresh_token": token });
        app.as_nobody().post("/v1/auth/refresh", body).await.refused(401, "unauthenticated");
    }
    for scheme in ["Basic YTpi", "Bearer", "bearer  ", "Token x", ""] {
        let ask = app.as_nobody().request(Method::GET, "/v1/me").header("authorization", scheme);
        Answer::of(ask).await.refused(401, "unauthenticated");
    }
    assert_eq!(app.fingerprint().await, before, "nobody was logged out by a stranger");
    lea.get("/v1/me").await.ok();
    // Banned people's tokens, from the moment of the ban.
    lea.post(&format!("/v1/admin/users/{}/ban", ada.id), json!({ "reason": "fraud" })).await.ok();
    gets_nowhere(&app, "banned", ada.http.token.as_deref().unwrap()).await;
    let refresh = json!({ "refresh_token": ada.refresh_token });
    app.as_nobody().post("/v1/auth/refresh", refresh).await.refused(401, "unauthenticated");
}
