//! As it should go.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use marketplace_tests::{
    Engine,
    provider::{Browser, Lie, Provider, Signature, location, parameter, server_with},
    stories,
};
use serde_json::json;

stories![
    a_first_login_makes_an_account_and_the_next_finds_it,
    a_page_gets_a_code_for_its_secret,
    the_address_may_have_to_be_asked_for,
    ways_in_are_listed_and_closed_but_for_the_last,
];

/// A secret of a page, and its hash.
fn proof() -> (String, String) {
    let secret = marketplace_tests::people::address("secret");
    let digest = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
    (secret, URL_SAFE_NO_PAD.encode(digest))
}

async fn a_first_login_makes_an_account_and_the_next_finds_it(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    let list = app.as_nobody().get("/v1/auth/oidc").await.ok();
    assert_eq!(list, json!({ "items": [{ "name": "house" }], "next": null }));
    let email = provider.knows_somebody(true);
    let mut browser = Browser::new(&app);
    browser.languages = Some("da, fr-CH;q=0.9, de;q=0.8");
    let begun = browser.ask("house", "role=worker").await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap().to_owned();
    // The secret is the browser's alone: the provider sees hashes of it only.
    let (name, rest) = cookie.split_once('=').unwrap();
    let (secret, attributes) = rest.split_once("; ").unwrap();
    assert_eq!((name, attributes), ("marketplace-login", "HttpOnly; SameSite=Lax; Path=/; Max-Age=600"));
    let page = location(&begun);
    assert!(secret.len() >= 43 && !page.as_str().contains(secret));
    assert_eq!(parameter(&page, "scope").as_deref(), Some("openid email profile"));
    let callback = parameter(&page, "redirect_uri").unwrap();
    assert!(callback.ends_with("/v1/auth/oidc/house/callback"), "{callback}");
    let answer = browser.log_in("house", "role=worker").await;
    let tokens = answer.ok();
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("marketplace-login=; "), "the cookie goes");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let kim = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    assert_eq!(kim.get("/v1/me/notification-settings").await.ok()["language"], "fr");
    let me = kim.get("/v1/me").await.ok();
    assert_eq!(
        (&me["email"], &me["role"], &me["status"], &me["email_verified"], &me["name"]),
        (&json!(email), &json!("worker"), &json!("active"), &json!(true), &json!("Kim Park"))
    );
    // Whatever it asks for the next time, and whatever key signs, it is the same account.
    for signature in [Signature::EdDsa, Signature::Es256, Signature::Rs256] {
        provider.lies(Lie { signature, ..Lie::default() });
        let tokens = Browser::new(&app).log_in("house", "role=client").await.ok();
        let again = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
        assert_eq!((&again["id"], &again["role"]), (&me["id"], &json!("worker")), "{signature:?}");
    }
    // And it can be refreshed and ended like any other.
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    let next = app.as_nobody().post("/v1/auth/refresh", refresh).await.ok();
    let kim = app.as_nobody().with_token(next["access_token"].as_str().unwrap());
    kim.post("/v1/auth/logout", json!({})).await.ok();
    kim.get("/v1/me").await.refused(401, "unauthenticated");
    app.as_nobody().get("/v1/auth/oidc/nowhere/login").await.refused(404, "not_found");
}

async fn a_page_gets_a_code_for_its_secret(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[("CORS_ORIGINS", "https://app.example")]).await;
    provider.knows_somebody(true);
    let http = app.as_nobody();
    let exchange = |code: &str, secret: &str| {
        let (http, body) = (http.clone(), json!({ "code": code, "code_verifier": secret }));
        async move { http.post("/v1/auth/oidc/exchange", body).await }
    };
    let (secret, hash) = proof();
    let query = format!("role=client&redirect=https%3A%2F%2Fapp.example%2Fdone%3Fx%3D1&code_challenge={hash}");
    let page = location(&Browser::new(&app).log_in("house", &query).await);
    assert!(page.as_str().starts_with("https://app.example/done?x=1&code="), "{page}");
    assert_eq!(page.query_pairs().count(), 2, "no token stands in an address: {page}");
    let code = parameter(&page, "code").unwrap();
    let tokens = exchange(&code, &secret).await.ok();
    http.with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
    exchange(&code, &secret).await.refused(422, "invalid");
    // A wrong secret uses the code up: whoever has seen the address has one guess, and the owner sees that something is wrong.
    let page = location(&Browser::new(&app).log_in("house", &query).await);
    let code = parameter(&page, "code").unwrap();
    exchange(&code, &hash).await.refused(422, "invalid");
    exchange(&code, &secret).await.refused(422, "invalid");
    // A failure comes back to the page as well.
    provider.lies(Lie {
        back: json!({ "code": null, "error": "access_denied" }).as_object().unwrap().clone(),
        ..Lie::default()
    });
    let page = location(&Browser::new(&app).log_in("house", &query).await);
    assert_eq!(parameter(&page, "error").as_deref(), Some("unauthenticated"));
    assert_eq!((page.host_str(), parameter(&page, "code")), (Some("app.example"), None));
    // Nowhere else.
    for bad in ["https%3A%2F%2Fevil.example%2F", "%2F%2Fevil.example%2F", "javascript%3Aalert(1)"] {
        let asked = Browser::new(&app).ask("house", &format!("redirect={bad}&code_challenge={hash}")).await;
        asked.refused(422, "invalid");
    }
    let bare = Browser::new(&app).ask("house", "redirect=https%3A%2F%2Fapp.example%2F").await;
    bare.refused(422, "invalid");
}

async fn the_address_may_have_to_be_asked_for(engine: Engine) {
    let provider = Provider::start_as(false).await;
    let app = server_with(engine, &provider, &[]).await;
    let email = provider.knows_somebody(true);
    // An answer about somebody else is not believed.
    provider.lies(Lie { userinfo: Some("somebody else".into()), ..Lie::default() });
    Browser::new(&app).log_in("house", "").await.refused(401, "unauthenticated");
    provider.lies(Lie { userinfo: Some(String::new()), ..Lie::default() });
    let tokens = Browser::new(&app).log_in("house", "").await.ok();
    let me = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
    assert_eq!((&me["email"], &me["role"]), (&json!(email), &json!("client")));
}

async fn ways_in_are_listed_and_closed_but_for_the_last(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    let email = provider.knows_somebody(true);
    let tokens = Browser::new(&app).log_in("house", "").await.ok();
    let kim = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    let list = kim.get("/v1/me/identities").await.ok();
    assert_eq!(
        (&list["items"][0]["provider"], &list["items"][0]["issuer"]),
        (&json!("house"), &json!(provider.issuer))
    );
    let path = format!("/v1/me/identities/{}", list["items"][0]["id"].as_str().unwrap());
    kim.delete(&path, json!({})).await.refused(409, "conflict");
    // It is nobody else's, either.
    let jon = app.as_client().await;
    jon.delete(&path, json!({})).await.refused(404, "not_found");
    assert_eq!(jon.get("/v1/me/identities").await.ok()["items"], json!([]));
    // With a password it is not the last one.
    app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": email })).await.ok();
    let token = app.mail(&email, 1).await.token();
    let body = json!({ "token": token, "password": marketplace_tests::people::PASSWORD });
    app.as_nobody().post("/v1/auth/password/reset", body).await.ok();
    let kim = app.person(&email).await;
    kim.delete(&path, json!({})).await.ok();
    kim.delete(&path, json!({})).await.refused(404, "not_found");
    assert_eq!(kim.get("/v1/me/identities").await.ok()["items"], json!([]));
}
