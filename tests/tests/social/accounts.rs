//! Whose account somebody at a provider is. (Accounts that somebody made beforehand: `pitfalls/social.rs`.)

use marketplace_core::{
    testing::totp_code,
    time::{Clock, SystemClock},
};
use marketplace_tests::{
    Engine,
    people::PASSWORD,
    provider::{Browser, Provider, location, parameter, person_of, server_with},
    stories,
};
use reqwest::Method;
use serde_json::json;

stories![
    an_address_counts_only_when_both_sides_confirmed_it,
    restrictions_hold_whatever_the_way_in,
    a_second_factor_is_asked_for_behind_a_provider_too,
    staff_have_no_other_way_in,
    an_erased_account_is_not_found_again,
];

async fn an_address_counts_only_when_both_sides_confirmed_it(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    let jon = app.as_client().await;
    let before = app.fingerprint().await;
    let mut person = person_of(&jon.email, false);
    for verified in [json!(false), json!("no"), json!(1), json!(null)] {
        person["email_verified"] = verified;
        provider.knows(person.clone());
        Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
    }
    // Nor does anybody get an account with an address that nobody vouches for.
    provider.knows_somebody(false);
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
    provider.knows(json!({ "sub": "1", "email_verified": true }));
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
    provider.knows(json!({ "sub": "1", "email": "not an address", "email_verified": true }));
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
    assert_eq!(app.fingerprint().await, before);
    // Both have: whatever the spelling, it is Jon, who is told; and the password works as before.
    let mut person = person_of(&jon.email.to_uppercase(), true);
    provider.knows(person.clone());
    let tokens = Browser::new(&app).log_in("house", "role=worker").await.ok();
    let me = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
    assert_eq!((&me["id"], &me["role"], &me["email"]), (&json!(jon.id), &json!("client"), &json!(jon.email)));
    assert!(app.mail(&jon.email, 2).await.subject.contains("another way"));
    app.log_in(&jon.email).await.ok();
    // From then on the address does not matter: it is the provider's name for him that counts.
    person["email"] = json!("elsewhere@example.org");
    person["email_verified"] = json!(false);
    provider.knows(person);
    let tokens = Browser::new(&app).log_in("house", "").await.ok();
    let again = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
    assert_eq!((&again["id"], &again["email"]), (&json!(jon.id), &json!(jon.email)));
}

async fn restrictions_hold_whatever_the_way_in(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[("CORS_ORIGINS", "https://app.example")]).await;
    let lea = app.as_staff("admin").await;
    let email = provider.knows_somebody(true);
    let tokens = Browser::new(&app).log_in("house", "").await.ok();
    let kim = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    let id = kim.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    lea.post(&format!("/v1/admin/users/{id}/freeze"), json!({ "reason": "other" })).await.ok();
    Browser::new(&app).log_in("house", "").await.ok();
    // A ban in between the code and its exchange wins. (The challenge is RFC 7636's example.)
    let query = "redirect=https%3A%2F%2Fapp.example%2F&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let answer = Browser::new(&app).log_in("house", query).await;
    let page = location(&answer);
    let code = parameter(&page, "code").unwrap();
    lea.post(&format!("/v1/admin/users/{id}/ban"), json!({ "reason": "fraud" })).await.ok();
    let body = json!({ "code": code, "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" });
    // It drops what was prepared under the account, so the code is none any more.
    app.as_nobody().post("/v1/auth/oidc/exchange", body).await.refused(422, "invalid");
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
    kim.get("/v1/me").await.refused(401, "unauthenticated");
    // Nor through another provider's name for the same address.
    provider.knows(person_of(&email, true));
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
}

async fn a_second_factor_is_asked_for_behind_a_provider_too(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[("CORS_ORIGINS", "https://app.example")]).await;
    let jon = app.as_client().await;
    let begun = jon.post("/v1/auth/totp", json!({ "password": PASSWORD })).await.ok();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let code = totp_code(&secret, SystemClock.now());
    let codes = jon.post("/v1/auth/totp/confirm", json!({ "code": code })).await.ok();
    let recovery = codes["recovery_codes"][0].as_str().unwrap().to_owned();
    provider.knows(person_of(&jon.email, true));
    // Whoever has no page to ask on is turned away.
    Browser::new(&app).log_in("house", "").await.refused(401, "unauthenticated");
    // A page gets a code, and the code alone opens nothing. (The challenge is RFC 7636's example.)
    let query = "redirect=https%3A%2F%2Fapp.example%2F&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let page = location(&Browser::new(&app).log_in("house", query).await);
    let code = parameter(&page, "code").unwrap();
    let exchange = async |more: serde_json::Value| {
        let mut body = json!({ "code": code, "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.as_nobody().post("/v1/auth/oidc/exchange", body).await
    };
    let problem = exchange(json!({})).await.refused(401, "unauthenticated");
    assert_eq!(problem["second_factor"], "required", "{problem}");
    let problem = exchange(json!({ "totp": "000000" })).await.refused(401, "unauthenticated");
    assert_eq!(problem["second_factor"], "wrong", "{problem}");
    let tokens = exchange(json!({ "recovery_code": recovery })).await.ok();
    let kim = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    assert_eq!(kim.get("/v1/me").await.ok()["id"], json!(jon.id));
    // That was its one session.
    exchange(json!({ "recovery_code": recovery })).await.refused(422, "invalid");
}

async fn staff_have_no_other_way_in(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    let lea = app.as_staff("admin").await;
    provider.knows(person_of(&lea.email, true));
    for role in ["client", "worker"] {
        Browser::new(&app).log_in("house", &format!("role={role}")).await.refused(403, "forbidden");
    }
    // Who becomes staff loses the way in that they had.
    provider.knows_somebody(true);
    let tokens = Browser::new(&app).log_in("house", "").await.ok();
    let kim = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    let id = kim.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    lea.post(&format!("/v1/admin/users/{id}/role"), json!({ "role": "support" })).await.ok();
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
    // An account that staff made and that waits for its owner is nobody's yet.
    let email = marketplace_tests::people::address("new");
    let body = json!({ "role": "client", "email": email, "name": "New" });
    lea.post("/v1/admin/users", body).await.ok();
    provider.knows(person_of(&email, true));
    Browser::new(&app).log_in("house", "").await.refused(403, "forbidden");
}

async fn an_erased_account_is_not_found_again(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    let lea = app.as_staff("admin").await;
    provider.knows_somebody(true);
    let me = async || {
        let tokens = Browser::new(&app).log_in("house", "").await.ok();
        let http = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
        http.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned()
    };
    let first = me().await;
    let erase = lea.request(Method::DELETE, &format!("/v1/admin/users/{first}"));
    marketplace_tests::Answer::of(erase.json(&json!({ "reason": "user_request" }))).await.ok();
    let db = app.db().await;
    for table in ["SELECT CAST(count(*) AS BIGINT) FROM identities", "SELECT CAST(count(*) AS BIGINT) FROM oidc_codes"]
    {
        assert_eq!(marketplace_tests::server::number(&db, table).await, 0);
    }
    db.close().await;
    // The same person begins anew, as anybody may.
    assert_ne!(me().await, first);
}
