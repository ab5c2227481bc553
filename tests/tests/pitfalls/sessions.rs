//! Passwords, tokens, sessions, and every route asking for them.

use std::time::Duration;

use futures::future::join_all;
use marketplace_tests::{
    Answer, Engine, Http, Redis, Server,
    cli::Cli,
    people::{PASSWORD, address},
    server::{self, ROOMY},
    socket::{End, Socket},
    stories, tokens,
};
use reqwest::Method;
use serde_json::json;

stories![
    a_reset_token_works_once_and_only_the_newest,
    a_password_reset_ends_every_session,
    logout_trusts_no_unchecked_signature,
    a_logged_out_token_stays_so_after_a_crash,
    without_its_database_nothing_is_let_through,
    without_redis_logged_out_stays_out_and_all_is_served,
    no_cookies_so_no_forged_requests,
    every_route_asks_who_is_calling,
    passwords_count_to_their_last_character,
    a_stolen_refresh_token_ends_the_session,
    a_lost_refresh_answer_logs_nobody_out,
    two_tabs_that_refresh_at_once_stay_logged_in,
    staff_end_the_sessions_of_one_and_of_all,
    nothing_prepared_survives_the_owners_answer,
];

async fn a_reset_token_works_once_and_only_the_newest(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let forgot = json!({ "email": jon.email });
    app.as_nobody().post("/v1/auth/password/forgot", forgot.clone()).await.ok();
    let first = app.mail(&jon.email, 2).await.token();
    app.as_nobody().post("/v1/auth/password/forgot", forgot).await.ok();
    let second = app.mail(&jon.email, 3).await.token();
    assert_ne!(first, second);
    let reset = |token: &str, password: &str| json!({ "token": token, "password": password });
    let path = "/v1/auth/password/reset";
    assert!(app.as_nobody().post(path, reset(&first, "another long phrase")).await.status.is_client_error());
    // A token of one kind is none of another; a password that is refused costs no token.
    let verify = app.as_nobody().post("/v1/auth/verify-email", json!({ "token": second })).await;
    assert!(verify.status.is_client_error(), "{}", verify.text());
    app.as_nobody().post(path, reset(&second, "short")).await.refused(422, "invalid");
    // Of many at once, one works.
    let tries = join_all((0..8).map(|n| {
        let (http, body) = (app.as_nobody(), reset(&second, &format!("the {n}th long phrase")));
        async move { http.post(path, body).await }
    }))
    .await;
    assert_eq!(tries.iter().filter(|answer| answer.status.is_success()).count(), 1);
    for answer in tries.iter().filter(|answer| !answer.status.is_success()) {
        assert!(answer.status.is_client_error(), "{}", answer.text());
    }
    assert!(app.as_nobody().post(path, reset(&second, PASSWORD)).await.status.is_client_error());
    app.log_in(&jon.email).await.refused(401, "unauthenticated");
}

async fn a_password_reset_ends_every_session(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let elsewhere = app.person(&jon.email).await;
    app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": jon.email })).await.ok();
    let token = app.mail(&jon.email, 2).await.token();
    let body = json!({ "token": token, "password": "an entirely new phrase" });
    app.as_nobody().post("/v1/auth/password/reset", body).await.ok();
    for session in [&jon, &elsewhere] {
        session.get("/v1/me").await.refused(401, "unauthenticated");
        let body = json!({ "refresh_token": session.refresh_token });
        app.as_nobody().post("/v1/auth/refresh", body).await.refused(401, "unauthenticated");
    }
    app.log_in(&jon.email).await.refused(401, "unauthenticated");
}

async fn logout_trusts_no_unchecked_signature(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let before = app.fingerprint().await;
    for (what, forged) in tokens::forgeries(jon.http.token.as_deref().unwrap()) {
        let stranger = app.as_nobody().with_token(&forged);
        for path in ["/v1/auth/logout", "/v1/auth/logout-all"] {
            let answer = stranger.post(path, json!({})).await;
            assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
        }
        jon.get("/v1/me").await.ok();
    }
    assert_eq!(app.fingerprint().await, before, "strangers fill no store");
    jon.post("/v1/auth/logout", json!({})).await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
}

async fn a_logged_out_token_stays_so_after_a_crash(engine: Engine) {
    let mut app = Server::start(engine).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    jon.post("/v1/auth/logout", json!({})).await.ok();
    app.kill();
    app.run().await;
    let as_before = |token: &Option<String>| app.as_nobody().with_token(token.clone().unwrap());
    as_before(&jon.http.token).get("/v1/me").await.refused(401, "unauthenticated");
    as_before(&bea.http.token).get("/v1/me").await.ok();
    let body = json!({ "refresh_token": jon.refresh_token });
    app.as_nobody().post("/v1/auth/refresh", body).await.refused(401, "unauthenticated");
}

/// Only a server of databases can be away while ours runs; a file cannot.
async fn without_its_database_nothing_is_let_through(engine: Engine) {
    let app = Server::start(engine).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    jon.post("/v1/auth/logout", json!({})).await.ok();
    if !app.database.cut_off().await {
        return;
    }
    for person in [&jon, &bea] {
        let answer = person.get("/v1/me").await;
        assert_eq!(answer.status.as_u16(), 503, "it fails closed: {}", answer.text());
        let problem = answer.refused(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        assert!(!problem.to_string().to_lowercase().contains("postgres"), "the inside stays inside: {problem}");
    }
    assert_eq!(app.as_nobody().get("/readyz").await.status.as_u16(), 503);
    for path in ["/healthz", "/openapi.json"] {
        assert!(app.as_nobody().get(path).await.status.is_success(), "{path} needs no database");
    }
    app.database.reconnect().await;
    for _ in 0..100 {
        if bea.get("/v1/me").await.status.is_success() {
            jon.get("/v1/me").await.refused(401, "unauthenticated");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server does not come back with its database");
}

async fn without_redis_logged_out_stays_out_and_all_is_served(engine: Engine) {
    if !Redis::is_here() {
        return;
    }
    let mut redis = Redis::start().await;
    let url = redis.url();
    let settings: Vec<_> = ROOMY.iter().copied().chain([("REDIS_URL", url.as_str())]).collect();
    let app = Server::start_with(engine, &settings).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    jon.post("/v1/auth/logout", json!({})).await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    redis.kill();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    bea.get("/v1/me").await.ok();
    for path in ["/v1/services", "/v1/categories", "/readyz"] {
        app.as_nobody().get(path).await.ok();
    }
    bea.post("/v1/auth/logout-all", json!({})).await.ok();
    redis.come_back().await;
    for person in [&jon, &bea] {
        person.get("/v1/me").await.refused(401, "unauthenticated");
    }
}

async fn no_cookies_so_no_forged_requests(engine: Engine) {
    let app = Server::start(engine).await;
    let email = app.sign_up("client", "Jon").await;
    let answer = app.log_in(&email).await;
    let token = answer.ok()["access_token"].as_str().unwrap().to_owned();
    assert!(!answer.headers.contains_key("set-cookie"));
    for cookie in [format!("access_token={token}"), format!("Authorization=Bearer {token}"), format!("session={token}")]
    {
        let ask = app.as_nobody().request(Method::GET, "/v1/me").header("cookie", cookie);
        Answer::of(ask).await.refused(401, "unauthenticated");
    }
    app.as_nobody().get(&format!("/v1/me?access_token={token}")).await.refused(401, "unauthenticated");
    // A page of somebody else's gets no leave to read answers, and a form cannot send JSON.
    let ask =
        app.as_nobody().with_token(&token).request(Method::GET, "/v1/me").header("origin", "https://evil.example");
    assert!(!Answer::of(ask).await.headers.contains_key("access-control-allow-origin"));
    // What a browser sends along by itself, a form of somebody else's or not, begins, uses and ends no session.
    let live = "SELECT CAST(count(*) AS BIGINT) FROM sessions WHERE revoked_at IS NULL";
    let before = server::number(&app.db().await, live).await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json"] {
        for path in ["/v1/auth/logout-all", "/v1/auth/logout", "/v1/auth/refresh", "/v1/auth/login"] {
            let forged = app.as_nobody().request(Method::POST, path).header("content-type", content_type);
            let forged = forged.header("cookie", format!("access_token={token}; refresh_token={token}"));
            let answer = Answer::of(forged.header("origin", "https://evil.example").body("{}")).await;
            assert!(answer.status.is_client_error(), "{path} {content_type}: {}", answer.text());
            assert!(!answer.headers.contains_key("set-cookie"), "{path} {content_type}");
        }
    }
    app.as_nobody().with_token(&token).get("/v1/me").await.ok();
    assert_eq!(server::number(&app.db().await, live).await, before);
}

/// What may be asked without a token. A route that is new and open must be added here, by somebody who thought about it.
const OPEN: &[&str] = &[
    "POST /v1/auth/signup",
    "POST /v1/auth/verify-email",
    "POST /v1/auth/verify-email/resend",
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "POST /v1/auth/password/forgot",
    "POST /v1/auth/password/reset",
    "POST /v1/auth/email/confirm",
    // With the one-time link of a mail.
    "POST /v1/auth/own-data/delete",
    "POST /v1/auth/own-data/export",
    "POST /v1/auth/own-data/appeal",
    // The way through a provider.
    "GET /v1/auth/oidc",
    "GET /v1/auth/oidc/{provider}/login",
    "GET /v1/auth/oidc/{provider}/callback",
    "POST /v1/auth/oidc/exchange",
    "GET /.well-known/jwks.json",
    // What the public finds.
    "GET /v1/categories",
    "GET /v1/services",
    "GET /v1/services/suggest",
    "GET /v1/services/{id}",
    "GET /v1/workers/{id}",
    "GET /v1/workers/{id}/services",
    "GET /v1/workers/{id}/reviews",
    "GET /v1/workers/{id}/rating",
    "GET /v1/clients/{id}",
    "GET /v1/pictures/{id}",
    "GET /v1/photos/{id}",
    // Its address is signed, for one person and five minutes.
    "GET /v1/attachments/{id}",
    // What a mail has is the proof.
    "POST /v1/unsubscribe",
    "GET /healthz",
    "GET /readyz",
];

async fn every_route_asks_who_is_calling(engine: Engine) {
    let app = Server::start(engine).await;
    let (jon, ada, bob) = (app.as_client().await, app.as_worker().await, app.as_staff("auditor").await);
    let description = app.as_nobody().get("/openapi.json").await.ok();
    let mut seen = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| ["get", "post", "put", "patch", "delete"].contains(&key.as_str()))
        {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            if OPEN.contains(&format!("{method} {path}").as_str()) {
                continue;
            }
            seen += 1;
            let mut real = path.clone();
            while let (Some(start), Some(end)) = (real.find('{'), real.find('}')) {
                let id = match &real[start..=end] {
                    "{kind}" => "selfie",
                    "{key}" => "drones",
                    "{n}" => "1",
                    _ => "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d",
                };
                real.replace_range(start..=end, id);
            }
            let body = match path.rsplit('/').next().unwrap() {
                "users" => json!({ "role": "worker", "email": address("made"), "name": "Made" }),
                "tokens" => json!({ "name": "Made", "scopes": ["kyc:read"], "expires_in": 60 }),
                "role" => json!({ "role": "worker" }),
                "notes" => json!({ "body": "a note" }),
                "retry" if path.contains("/mail/") => json!({}),
                "retry" | "reject" | "revoke" => json!({ "reasons": ["other"] }),
                "cancel" | "close" | "remove" => json!({ "reason": "other" }),
                "snooze" => json!({ "until": "2099-01-01T00:00:00Z" }),
                "test" if path.contains("/rules/") => json!({ "kind": "words", "value": "scam" }),
                "merge" => json!({ "into": "photography" }),
                "categories" => json!({ "key": "drones", "names": { "en": "Drones" } }),
                "webhooks" => json!({ "url": "https://hooks.example", "kinds": ["job.changed"] }),
                "redeliver" => json!({ "since": "2026-01-01T00:00:00Z" }),
                "rules" => json!({ "kind": "blocked_domain", "value": "blocked.example" }),
                "viewers" => json!({ "viewed": { "kind": "user", "id": "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d" } }),
                "notice" => json!({ "content": "Hello from the staff" }),
                _ => json!({}),
            };
            if path.starts_with("/v1/admin/threads/{id}/") && method == Method::GET {
                real += "?reason=quality";
            }
            let ask = |http: &Http| {
                let mut request = http.request(method.clone(), &real).json(&body);
                if path == "/v1/ws" {
                    let opening = [
                        ("connection", "upgrade"),
                        ("upgrade", "websocket"),
                        ("sec-websocket-version", "13"),
                        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                    ];
                    request = opening.into_iter().fold(request, |request, (name, value)| request.header(name, value));
                }
                Answer::of(request)
            };
            ask(&app.as_nobody()).await.refused(401, "unauthenticated");
            ask(&app.as_nobody().with_token("e30.e30.e30")).await.refused(401, "unauthenticated");
            if path.starts_with("/v1/admin/") && path != "/v1/admin/whoami" {
                ask(&jon).await.refused(403, "forbidden");
                ask(&ada).await.refused(403, "forbidden");
                // Auditors read everything, and change nothing.
                if method != Method::GET && !["/reveal", "/viewers"].iter().any(|read| path.ends_with(read)) {
                    ask(&bob).await.refused(403, "forbidden");
                }
            }
        }
    }
    assert!(seen > 30, "only {seen} routes were found");
}

async fn passwords_count_to_their_last_character(engine: Engine) {
    let app = Server::start(engine).await;
    let email = address("long");
    let password = format!("{}END", "x".repeat(125));
    let body = json!({ "role": "client", "email": email, "password": password, "name": "Long" });
    app.as_nobody().post("/v1/auth/signup", body).await.ok();
    let log_in = |password: &str| {
        let (http, body) = (app.as_nobody(), json!({ "email": email, "password": password }));
        async move { http.post("/v1/auth/login", body).await }
    };
    log_in(&password[..72]).await.refused(401, "unauthenticated");
    log_in(&password[..127]).await.refused(401, "unauthenticated");
    log_in(&format!("{}EnD", "x".repeat(125))).await.refused(401, "unauthenticated");
    log_in(&password).await.ok();
    let email = address("umlaut");
    let body = json!({ "role": "client", "email": email, "password": "пароль — für Ünï 🐴", "name": "U" });
    app.as_nobody().post("/v1/auth/signup", body).await.ok();
    // Another keyboard composes it otherwise, and has another blank.
    for typed in ["пароль — für Ünï 🐴", "пароль — fu\u{308}r U\u{308}ni\u{308} 🐴", "пароль\u{A0}— für Ünï 🐴"]
    {
        let body = json!({ "email": email, "password": typed });
        app.as_nobody().post("/v1/auth/login", body).await.ok();
    }
    let other = json!({ "email": email, "password": "пароль — fur Uni 🐴" });
    app.as_nobody().post("/v1/auth/login", other).await.refused(401, "unauthenticated");
}

async fn refresh(app: &Server, token: &str) -> Answer {
    app.as_nobody().post("/v1/auth/refresh", json!({ "refresh_token": token })).await
}

async fn a_stolen_refresh_token_ends_the_session(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let tokens = refresh(&app, &jon.refresh_token).await.ok();
    let http = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    http.get("/v1/me").await.ok();
    // Long after its first use, the old one again: somebody else has it.
    server::execute(&app.db().await, "UPDATE sessions SET refresh_uses = '[0]'").await;
    refresh(&app, &jon.refresh_token).await.refused(401, "unauthenticated");
    http.get("/v1/me").await.refused(401, "unauthenticated");
    refresh(&app, tokens["refresh_token"].as_str().unwrap()).await.refused(401, "unauthenticated");
    assert!(app.output().contains("an old refresh token was used again"), "it is logged");
    app.log_in(&jon.email).await.ok();
}

async fn a_lost_refresh_answer_logs_nobody_out(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    refresh(&app, &jon.refresh_token).await.ok();
    let again = refresh(&app, &jon.refresh_token).await.ok();
    let http = app.as_nobody().with_token(again["access_token"].as_str().unwrap());
    http.get("/v1/me").await.ok();
    refresh(&app, again["refresh_token"].as_str().unwrap()).await.ok();
}

/// Each of them at once, again and again, and with what the other got.
async fn two_tabs_that_refresh_at_once_stay_logged_in(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let mut newest = jon.refresh_token.clone();
    for _ in 0..5 {
        let tabs = join_all((0..8).map(|_| async {
            let tokens = refresh(&app, &newest).await.ok();
            app.as_nobody().with_token(tokens["access_token"].as_str().unwrap()).get("/v1/me").await.ok();
            tokens["refresh_token"].as_str().unwrap().to_owned()
        }))
        .await;
        assert!(tabs.iter().all(|token| token == &tabs[0]), "one successor for all");
        newest.clone_from(&tabs[0]);
    }
    // The slowest tab still has the first token.
    refresh(&app, &jon.refresh_token).await.ok();
    refresh(&app, &newest).await.ok();
    assert_eq!(server::number(&app.db().await, "SELECT CAST(count(*) AS BIGINT) FROM refresh_tokens").await, 0);
}

async fn staff_end_the_sessions_of_one_and_of_all(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, jon, ada) = (app.as_staff("admin").await, app.as_client().await, app.as_worker().await);
    let mut sockets = [Socket::connect(&jon, None).await, Socket::connect(&ada, None).await];
    lea.post(&format!("/v1/admin/users/{}/revoke-sessions", jon.id), json!({})).await.ok();
    let (End::Closed(code), _) = sockets[0].end().await else { panic!("it is closed with a code") };
    assert_eq!(code, 4401);
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    ada.get("/v1/me").await.ok();
    // Nobody's without a reason, and not on a preview.
    lea.post("/v1/admin/sessions/revoke-all", json!({})).await.refused(422, "invalid");
    let preview = json!({ "reason": "security", "dry_run": true });
    assert_eq!(lea.post("/v1/admin/sessions/revoke-all", preview).await.ok(), json!({ "sessions": 2, "tokens": 0 }));
    let ended = Cli::direct(&app).json(&["auth", "revoke-all", "--reason", "security", "--yes"]).await;
    assert_eq!(ended, json!({ "sessions": 2, "tokens": 0 }));
    for person in [&lea, &ada] {
        person.get("/v1/me").await.refused(401, "unauthenticated");
        refresh(&app, &person.refresh_token).await.refused(401, "unauthenticated");
    }
    sockets[1].end().await;
    app.person(&ada.email).await.get("/v1/me").await.ok();
}

/// Links that somebody asked for who had the password for a while.
async fn nothing_prepared_survives_the_owners_answer(engine: Engine) {
    let app = Server::start(engine).await;
    for how in ["reset", "change"] {
        let jon = app.as_client().await;
        let theirs = address("theirs");
        let wanted = json!({ "email": theirs, "password": PASSWORD });
        jon.post("/v1/auth/email/change", wanted).await.ok();
        let link = app.mail(&theirs, 1).await.token();
        let new = "an entirely new phrase";
        if how == "reset" {
            app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": jon.email })).await.ok();
            let token = app.mail(&jon.email, 3).await.token();
            app.as_nobody().post("/v1/auth/password/reset", json!({ "token": token, "password": new })).await.ok();
        } else {
            let change = json!({ "current_password": PASSWORD, "password": new });
            jon.post("/v1/auth/password/change", change).await.ok();
        }
        app.as_nobody().post("/v1/auth/email/confirm", json!({ "token": link })).await.refused(422, "invalid");
    }
    // And a link to the old address is of no use once there is a new one.
    let bea = app.as_client().await;
    app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": bea.email })).await.ok();
    let reset = app.mail(&bea.email, 2).await.token();
    let new = address("bea.new");
    bea.post("/v1/auth/email/change", json!({ "email": new, "password": PASSWORD })).await.ok();
    let confirm = app.mail(&new, 1).await.token();
    app.as_nobody().post("/v1/auth/email/confirm", json!({ "token": confirm })).await.ok();
    let late = json!({ "token": reset, "password": "somebody else's phrase" });
    app.as_nobody().post("/v1/auth/password/reset", late).await.refused(422, "invalid");
    app.log_in(&new).await.ok();
}
