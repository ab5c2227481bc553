//! A provider that lies, and people who want in as somebody else.

use marketplace_core::time::{Clock as _, SystemClock};
use marketplace_tests::{
    Engine, Server,
    provider::{Browser, Lie, Provider, Signature, server_with},
    server, stories,
};
use serde_json::{Map, Value, json};

stories![
    what_an_id_token_says_wrongly_is_not_believed,
    what_comes_back_must_be_what_was_asked_for,
    a_login_is_its_browsers_alone_and_happens_once,
    providers_are_not_mixed_up,
    a_provider_that_names_another_issuer_is_not_used,
];

fn lie(claims: Value) -> Lie {
    Lie { claims: object(claims), ..Lie::default() }
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// No session and no account come of it.
async fn comes_to_nothing(app: &Server, provider: &Provider, what: &str, lie: Lie) {
    let before = app.fingerprint().await;
    provider.lies(lie);
    let answer = Browser::new(app).log_in("house", "role=client").await;
    assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
    answer.refused(401, "unauthenticated");
    assert_eq!(app.fingerprint().await, before, "{what}");
}

async fn what_an_id_token_says_wrongly_is_not_believed(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    provider.knows_somebody(true);
    for signature in [Signature::None, Signature::Hs256, Signature::Foreign, Signature::Rs512] {
        comes_to_nothing(&app, &provider, &format!("{signature:?}"), Lie { signature, ..Lie::default() }).await;
    }
    let now = SystemClock.now().unix_seconds();
    for claims in [
        json!({ "iss": "https://accounts.google.com" }),
        json!({ "iss": format!("{}/", provider.issuer) }),
        json!({ "aud": "another client" }),
        json!({ "aud": ["market", "another client"] }),
        json!({ "azp": "another client" }),
        json!({ "nonce": "another login's" }),
        json!({ "nonce": null }),
        json!({ "exp": now - 120 }),
        json!({ "iat": now + 3_600, "exp": now + 7_200 }),
        json!({ "iat": now - 86_400 }),
        json!({ "sub": "" }),
        json!({ "sub": null }),
        json!({ "exp": null }),
    ] {
        comes_to_nothing(&app, &provider, &claims.to_string(), lie(claims.clone())).await;
    }
    provider.lies(Lie::default());
    Browser::new(&app).log_in("house", "role=client").await.ok();
}

async fn what_comes_back_must_be_what_was_asked_for(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    provider.knows_somebody(true);
    for back in [
        json!({ "state": "guessed" }),
        json!({ "state": null }),
        json!({ "code": "guessed" }),
        json!({ "code": null }),
        json!({ "code": "x".repeat(5_000) }),
        json!({ "code": null, "error": "access_denied" }),
        json!({ "error": "server_error" }),
        // RFC 9207: it says that it names itself, so it has to.
        json!({ "iss": "https://accounts.google.com" }),
        json!({ "iss": null }),
    ] {
        let lie = Lie { back: object(back.clone()), ..Lie::default() };
        comes_to_nothing(&app, &provider, &back.to_string(), lie).await;
    }
    // Nobody asks to be staff, and nothing is begun for whoever does.
    for role in ["admin", "support", "auditor"] {
        Browser::new(&app).ask("house", &format!("role={role}")).await.refused(400, "invalid");
    }
    for query in ["role=emperor", "role=", "admin=true", "role=client&role=worker"] {
        Browser::new(&app).ask("house", query).await.refused(400, "invalid");
    }
}

async fn a_login_is_its_browsers_alone_and_happens_once(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    provider.knows_somebody(true);
    let (mut ours, mut theirs) = (Browser::new(&app), Browser::new(&app));
    let back = ours.visit("house", "").await;
    // A link that somebody prepared logs nobody else in: without a cookie, and with that of another login.
    theirs.come_back(&back).await.refused(401, "unauthenticated");
    theirs.visit("house", "").await;
    theirs.come_back(&back).await.refused(401, "unauthenticated");
    // That did not use it up; coming back does.
    ours.come_back(&back).await.ok();
    ours.come_back(&back).await.refused(401, "unauthenticated");
    // A code that was used, in a login of one's own.
    let other = ours.visit("house", "").await;
    let used = marketplace_tests::provider::parameter(&back, "code").unwrap();
    let state = marketplace_tests::provider::parameter(&other, "state").unwrap();
    let mut mixed = other.clone();
    mixed
        .query_pairs_mut()
        .clear()
        .append_pair("state", &state)
        .append_pair("code", &used)
        .append_pair("iss", &provider.issuer);
    ours.come_back(&mixed).await.refused(401, "unauthenticated");
    // And that login is over, too.
    ours.come_back(&other).await.refused(401, "unauthenticated");
    // Of two at once, one.
    let back = ours.visit("house", "").await;
    let (one, two) = tokio::join!(ours.come_back(&back), ours.come_back(&back));
    assert_eq!([&one, &two].iter().filter(|answer| answer.status.is_success()).count(), 1);
    // After its ten minutes it is nobody's.
    let back = ours.visit("house", "").await;
    let db = app.db().await;
    server::execute(&db, "UPDATE oidc_logins SET expires_at = (SELECT min(created_at) FROM users)").await;
    ours.come_back(&back).await.refused(401, "unauthenticated");
    // What is stored would help nobody.
    ours.visit("house", "").await;
    let cookie = ours.cookie.as_deref().unwrap().split_once('=').unwrap().1.to_owned();
    let plain =
        "SELECT CAST(count(*) AS BIGINT) FROM oidc_logins WHERE length(browser_hash) <> 32 OR length(state_hash) <> 32";
    assert_eq!(server::number(&db, plain).await, 0);
    db.close().await;
    if engine == Engine::Sqlite {
        let bytes = std::fs::read(app.data().join("marketplace.db")).unwrap();
        assert!(!bytes.windows(cookie.len()).any(|part| part == cookie.as_bytes()));
    }
}

async fn providers_are_not_mixed_up(engine: Engine) {
    let (house, other) = (Provider::start().await, Provider::start_as(false).await);
    let settings = other.settings("other");
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let app = server_with(engine, &house, &settings).await;
    house.knows_somebody(true);
    other.knows_somebody(true);
    let before = app.fingerprint().await;
    // An answer of one, at the other's door.
    for (begun, door) in [("house", "other"), ("other", "house")] {
        let mut browser = Browser::new(&app);
        let mut back = browser.visit(begun, "").await;
        back.set_path(&format!("/v1/auth/oidc/{door}/callback"));
        browser.come_back(&back).await.refused(401, "unauthenticated");
        // It was used up: the second try fails at the right door as well.
        back.set_path(&format!("/v1/auth/oidc/{begun}/callback"));
        browser.come_back(&back).await.refused(401, "unauthenticated");
    }
    // A token of one, given out by the other.
    other.lies(lie(json!({ "iss": house.issuer })));
    Browser::new(&app).log_in("other", "").await.refused(401, "unauthenticated");
    // One that names the other on the way back.
    other.lies(Lie { back: object(json!({ "iss": house.issuer })), ..Lie::default() });
    Browser::new(&app).log_in("other", "").await.refused(401, "unauthenticated");
    assert_eq!(app.fingerprint().await, before);
    // The same name at two providers is two people.
    other.lies(Lie::default());
    let (first, second) = (marketplace_tests::people::address("a"), marketplace_tests::people::address("b"));
    house.knows(json!({ "sub": "1", "email": first, "email_verified": true }));
    other.knows(json!({ "sub": "1", "email": second, "email_verified": true }));
    let mut ids = Vec::new();
    for name in ["house", "other"] {
        let tokens = Browser::new(&app).log_in(name, "").await.ok();
        let me = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
        ids.push(me["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

async fn a_provider_that_names_another_issuer_is_not_used(engine: Engine) {
    let provider = Provider::start().await;
    provider.lies(Lie { issuer: Some("https://accounts.google.com".into()), ..Lie::default() });
    let app = server_with(engine, &provider, &[]).await;
    Browser::new(&app).ask("house", "").await.refused(503, "unavailable");
    // Nor is one that is away; everything else goes on, and so does this when it is back.
    provider.lies(Lie::default());
    provider.knows_somebody(true);
    Browser::new(&app).log_in("house", "").await.ok();
    app.as_client().await.get("/v1/me").await.ok();
}
