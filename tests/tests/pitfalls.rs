//! Each failure in this file was seen on a running marketplace of this kind. Each test shows that it does not happen here.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use marketplace_tests::{
    Answer, Engine, Http, Server,
    people::{PASSWORD, address},
    pictures, server, stories, tokens,
};
use reqwest::Method;
use serde_json::{Value, json};

stories![
    signup_makes_no_staff,
    a_banned_or_deleted_user_does_not_log_in,
    lifting_a_restriction_revives_no_deleted_account,
    a_reset_token_works_once_and_only_the_newest,
    a_password_reset_ends_every_session,
    logout_trusts_no_unchecked_signature,
    a_logged_out_token_stays_so_after_a_crash,
    without_its_database_nothing_is_let_through,
    failed_logins_lock_out_the_attacker_alone,
    a_made_up_forwarded_address_is_not_believed,
    no_cookies_so_no_forged_requests,
    every_route_asks_who_is_calling,
    passwords_count_to_their_last_character,
    a_mixed_case_address_logs_in,
    many_logins_at_once_starve_nobody,
    answers_do_not_tell_which_addresses_exist,
    of_racing_decisions_exactly_one_wins,
    a_decided_case_is_not_decided_again,
    a_revoked_approval_is_no_longer_shown,
    a_fresh_worker_has_a_profile_and_a_check_of_none,
    an_unverified_or_frozen_worker_starts_nothing_new,
    huge_and_empty_texts_are_not_stored,
    duplicate_numbers_and_concurrent_signups_are_no_fault,
    the_last_admin_stays_and_nobody_acts_on_themselves,
    a_stolen_refresh_token_ends_the_session,
    a_lost_refresh_answer_logs_nobody_out,
    the_same_key_does_a_thing_once,
    deep_pages_hold_every_row_once,
];

async fn signup_makes_no_staff(engine: Engine) {
    let app = Server::start(engine).await;
    let before = app.fingerprint().await;
    for role in ["admin", "support", "auditor", "system", "operator", "Admin", ""] {
        let body = json!({ "role": role, "email": address("eve"), "password": PASSWORD, "name": "Eve" });
        let answer = app.as_nobody().post("/v1/auth/signup", body).await;
        assert!(answer.status.is_client_error(), "{role}: {}", answer.text());
        answer.problem();
    }
    for (key, value) in
        [("is_admin", json!(true)), ("permissions", json!(["users:admin"])), ("kyc_status", json!("approved"))]
    {
        let mut body = json!({ "role": "client", "email": address("eve"), "password": PASSWORD, "name": "Eve" });
        body[key] = value;
        assert!(app.as_nobody().post("/v1/auth/signup", body).await.status.is_client_error(), "{key}");
    }
    assert_eq!(app.fingerprint().await, before);
    let eve = app.as_client().await;
    for body in [json!({ "role": "admin" }), json!({ "name": "Eve", "role": "admin" })] {
        assert!(eve.patch("/v1/me", body).await.status.is_client_error());
    }
    eve.post(&format!("/v1/admin/users/{}/role", eve.id), json!({ "role": "admin" })).await.refused(403, "forbidden");
}

async fn a_banned_or_deleted_user_does_not_log_in(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    for (method, path, reason) in [(Method::POST, "/ban", "fraud"), (Method::DELETE, "", "user_request")] {
        let jon = app.as_client().await;
        let other_session = app.person(&jon.email).await;
        let act = lea.request(method, &format!("/v1/admin/users/{}{path}", jon.id));
        Answer::of(act.json(&json!({ "reason": reason }))).await.ok();
        // Who knows the password is told that the account is closed; nobody else learns even that.
        let told = app.log_in(&jon.email).await;
        assert!(told.status.is_client_error() && told.json()["access_token"].is_null(), "{}", told.text());
        let guess = json!({ "email": jon.email, "password": "not the password" });
        app.as_nobody().post("/v1/auth/login", guess).await.refused(401, "unauthenticated");
        for session in [&jon, &other_session] {
            session.get("/v1/me").await.refused(401, "unauthenticated");
            let body = json!({ "refresh_token": session.refresh_token });
            app.as_nobody().post("/v1/auth/refresh", body).await.refused(401, "unauthenticated");
        }
        // Nor through a new password.
        let mails = app.mails(&jon.email).len();
        app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": jon.email })).await.ok();
        tokio::time::sleep(Duration::from_secs(2)).await;
        for mail in app.mails(&jon.email).iter().skip(mails).filter(|mail| mail.subject.contains("password")) {
            let body = json!({ "token": mail.token(), "password": PASSWORD });
            assert!(app.as_nobody().post("/v1/auth/password/reset", body).await.status.is_client_error());
        }
        assert!(app.log_in(&jon.email).await.status.is_client_error());
    }
}

async fn lifting_a_restriction_revives_no_deleted_account(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let jon = app.as_client().await;
    let user = format!("/v1/admin/users/{}", jon.id);
    lea.post(&format!("{user}/freeze"), json!({ "reason": "other" })).await.ok();
    lea.delete(&user, json!({ "reason": "user_request" })).await.ok();
    for verb in ["unfreeze", "unban", "freeze", "ban", "role", "revoke-sessions"] {
        let body = match verb {
            "role" => json!({ "role": "client" }),
            _ => json!({ "reason": "other" }),
        };
        lea.post(&format!("{user}/{verb}"), body).await;
        assert_eq!(lea.get(&user).await.ok()["user"]["status"], "deleted", "after {verb}");
    }
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    app.log_in(&jon.email).await.refused(401, "unauthenticated");
    // A ban outlives an unfreeze, and a freeze an unban.
    let bea = app.as_client().await;
    let user = format!("/v1/admin/users/{}", bea.id);
    lea.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.ok();
    lea.post(&format!("{user}/unfreeze"), json!({})).await;
    assert_eq!(lea.get(&user).await.ok()["user"]["status"], "banned");
    // Lifting a ban from somebody who never confirmed the address confirms nothing.
    let email = app.sign_up("client", "Cleo").await;
    let cleo = app.person(&email).await;
    let user = format!("/v1/admin/users/{}", cleo.id);
    lea.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.ok();
    let lifted = lea.post(&format!("{user}/unban"), json!({})).await.ok();
    assert_eq!(lifted["item"]["user"]["status"], "unverified");
}

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

/// A request as if a proxy had passed it on from `address`.
async fn log_in_from(app: &Server, address: &str, email: &str, password: &str) -> Answer {
    let request = app.as_nobody().request(Method::POST, "/v1/auth/login").header("x-forwarded-for", address);
    Answer::of(request.json(&json!({ "email": email, "password": password }))).await
}

const BEHIND_A_PROXY: &[(&str, &str)] =
    &[("TRUSTED_PROXIES", "127.0.0.1"), ("LIMITS__AUTH_PER_IP_MINUTE", "1000"), ("LIMITS__FAILED_LOGINS", "5")];

async fn failed_logins_lock_out_the_attacker_alone(engine: Engine) {
    let app = Server::start_with(engine, BEHIND_A_PROXY).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    let mut limited = false;
    for _ in 0..8 {
        let answer = log_in_from(&app, "203.0.113.7", &jon.email, "a wrong guess").await;
        limited |= answer.status.as_u16() == 429;
        if limited {
            answer.refused(429, "rate_limited");
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
            break;
        }
        answer.refused(401, "unauthenticated");
    }
    assert!(limited, "guessing has a limit");
    // Not even the right password from there; but the owner elsewhere, and everybody else there, log in.
    log_in_from(&app, "203.0.113.7", &jon.email, PASSWORD).await.refused(429, "rate_limited");
    log_in_from(&app, "198.51.100.9", &jon.email, PASSWORD).await.ok();
    log_in_from(&app, "203.0.113.7", &bea.email, PASSWORD).await.ok();
    // Upper case and blanks are the same account.
    log_in_from(&app, "203.0.113.7", &format!(" {} ", jon.email.to_uppercase()), PASSWORD)
        .await
        .refused(429, "rate_limited");
}

async fn a_made_up_forwarded_address_is_not_believed(engine: Engine) {
    let app =
        Server::start_with(engine, &[("LIMITS__AUTH_PER_IP_MINUTE", "1000"), ("LIMITS__FAILED_LOGINS", "5")]).await;
    let jon = app.as_client().await;
    let mut limited = false;
    for n in 0..10 {
        limited |=
            log_in_from(&app, &format!("203.0.113.{n}"), &jon.email, "a wrong guess").await.status.as_u16() == 429;
    }
    assert!(limited, "without a trusted proxy the header means nothing");
    // Behind a proxy, what the client itself put in front means nothing either: the proxy's own entry is the last.
    let app = Server::start_with(engine, BEHIND_A_PROXY).await;
    let jon = app.as_client().await;
    let mut limited = false;
    for n in 0..10 {
        let header = format!("198.51.100.{n}, 203.0.113.7");
        limited |= log_in_from(&app, &header, &jon.email, "a wrong guess").await.status.as_u16() == 429;
    }
    assert!(limited, "the address that counts is the one that the proxy saw");
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
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let http = app.as_nobody().with_token(&token);
        let answer = http.post_raw("/v1/auth/logout-all", content_type, "{}").await;
        assert!(answer.status.is_client_error() || app.as_nobody().get("/v1/me").await.status.as_u16() == 401);
    }
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
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
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
                let id = if &real[start..=end] == "{kind}" { "selfie" } else { "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d" };
                real.replace_range(start..=end, id);
            }
            let body = match path.rsplit('/').next().unwrap() {
                "users" => json!({ "role": "worker", "email": address("made"), "name": "Made" }),
                "role" => json!({ "role": "worker" }),
                "notes" => json!({ "body": "a note" }),
                "retry" | "reject" | "revoke" => json!({ "reasons": ["other"] }),
                _ => json!({}),
            };
            let ask = |http: &Http| Answer::of(http.request(method.clone(), &real).json(&body));
            ask(&app.as_nobody()).await.refused(401, "unauthenticated");
            ask(&app.as_nobody().with_token("e30.e30.e30")).await.refused(401, "unauthenticated");
            if path.starts_with("/v1/admin/") && path != "/v1/admin/whoami" {
                ask(&jon).await.refused(403, "forbidden");
                ask(&ada).await.refused(403, "forbidden");
                // Auditors read everything, and change nothing.
                if method != Method::GET && !path.ends_with("/reveal") {
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
    let body = json!({ "email": email, "password": "пароль — für Ünï 🐴" });
    app.as_nobody().post("/v1/auth/login", body).await.ok();
}

async fn a_mixed_case_address_logs_in(engine: Engine) {
    let app = Server::start(engine).await;
    let email = address("Mixed.Case");
    let sign_up = |email: String| {
        let http = app.as_nobody();
        async move {
            let body = json!({ "role": "client", "email": email, "password": PASSWORD, "name": "M" });
            http.post("/v1/auth/signup", body).await.ok();
        }
    };
    sign_up(email.clone()).await;
    for spelling in [email.clone(), email.to_lowercase(), email.to_uppercase(), format!("  {email} ")] {
        app.log_in(&spelling).await.ok();
    }
    // And another spelling is the same account: no second one comes to be.
    let count = "SELECT CAST(count(*) AS BIGINT) FROM users";
    let db = app.db().await;
    assert_eq!(server::number(&db, count).await, 1);
    sign_up(email.to_uppercase()).await;
    assert_eq!(server::number(&db, count).await, 1);
}

async fn many_logins_at_once_starve_nobody(engine: Engine) {
    // Hashes so dear that logins take seconds in all.
    let settings =
        [("ARGON2__ITERATIONS", "40"), ("LIMITS__AUTH_PER_IP_MINUTE", "1000"), ("LIMITS__FAILED_LOGINS", "1000")];
    let app = Server::start_with(engine, &settings).await;
    let jon = app.as_client().await;
    let ended = Arc::new(AtomicUsize::new(0));
    let logins: Vec<_> = (0..16)
        .map(|_| {
            let (http, ended) = (app.as_nobody(), ended.clone());
            let body = json!({ "email": jon.email, "password": PASSWORD });
            tokio::spawn(async move {
                let answer = http.post("/v1/auth/login", body).await;
                ended.fetch_add(1, Ordering::SeqCst);
                answer
            })
        })
        .collect();
    for _ in 0..5 {
        jon.get("/v1/me").await.ok();
    }
    assert!(ended.load(Ordering::SeqCst) < 16, "other requests are answered while logins wait");
    for login in logins {
        let answer = login.await.unwrap();
        assert!(answer.status.is_success() || answer.refused(503, "busy").is_object());
    }
}

async fn answers_do_not_tell_which_addresses_exist(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let stranger = address("nobody");
    let same = |here: &Answer, there: &Answer| {
        assert_eq!(here.status, there.status, "{}", here.asked);
        let plain = |answer: &Answer| {
            let mut body = answer.json();
            if let Some(body) = body.as_object_mut() {
                body.remove("request_id");
            }
            body
        };
        assert_eq!(plain(here), plain(there), "{}", here.asked);
    };
    let http = app.as_nobody();
    for path in ["/v1/auth/password/forgot", "/v1/auth/verify-email/resend"] {
        same(
            &http.post(path, json!({ "email": jon.email })).await,
            &http.post(path, json!({ "email": stranger })).await,
        );
    }
    let log_in = |email: &str| json!({ "email": email, "password": "not the password at all" });
    same(&http.post("/v1/auth/login", log_in(&jon.email)).await, &http.post("/v1/auth/login", log_in(&stranger)).await);
    let sign_up =
        |email: &str| json!({ "role": "worker", "email": email, "password": "another password", "name": "Eve" });
    same(
        &http.post("/v1/auth/signup", sign_up(&jon.email)).await,
        &http.post("/v1/auth/signup", sign_up(&stranger)).await,
    );
    // Whoever owns the address is told, and the account is as it was.
    assert!(app.mail(&jon.email, 3).await.text.contains("account"));
    app.log_in(&jon.email).await.ok();
    assert_eq!(jon.get("/v1/me").await.ok()["role"], "client");
}

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

async fn duplicate_numbers_and_concurrent_signups_are_no_fault(engine: Engine) {
    let app = Server::start(engine).await;
    let email = address("many");
    let users = "SELECT CAST(count(*) AS BIGINT) FROM users";
    let db = app.db().await;
    // One address, twenty times at once: one account, and everybody is answered alike.
    let answers = join_all((0..20).map(|_| {
        let (http, body) =
            (app.as_nobody(), json!({ "role": "client", "email": email, "password": PASSWORD, "name": "M" }));
        async move { http.post("/v1/auth/signup", body).await }
    }))
    .await;
    for answer in &answers {
        assert!(answer.status.is_success() || answer.refused(503, "busy").is_object(), "{}", answer.text());
    }
    assert_eq!(server::number(&db, users).await, 1);
    // One number, ten addresses at once: one of them has it.
    join_all((0..10).map(|n| {
        let body = json!({ "role": "client", "email": address(&format!("p{n}")), "password": PASSWORD, "name": "P", "phone": "+44 20 7183 8750" });
        let http = app.as_nobody();
        async move {
            let answer = http.post("/v1/auth/signup", body).await;
            assert!(!answer.status.is_server_error() || answer.status.as_u16() == 503, "{}", answer.text());
        }
    }))
    .await;
    let with_number = "SELECT CAST(count(*) AS BIGINT) FROM users WHERE phone = '+442071838750'";
    assert_eq!(server::number(&db, with_number).await, 1);
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    jon.patch("/v1/me", json!({ "phone": "+33142685300" })).await.ok();
    bea.patch("/v1/me", json!({ "phone": "+33 1 42 68 53 00" })).await.refused(409, "conflict");
    assert_eq!(bea.get("/v1/me").await.ok()["phone"], Value::Null);
}

async fn the_last_admin_stays_and_nobody_acts_on_themselves(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, mia) = (app.as_staff("admin").await, app.as_staff("admin").await);
    let user = |person: &str, verb: &str| format!("/v1/admin/users/{person}{verb}");
    for (verb, body) in [
        ("/freeze", json!({ "reason": "other" })),
        ("/ban", json!({ "reason": "other" })),
        ("/role", json!({ "role": "auditor" })),
    ] {
        lea.post(&user(&lea.id, verb), body).await.refused(403, "forbidden");
    }
    lea.delete(&user(&lea.id, ""), json!({ "reason": "other" })).await.refused(403, "forbidden");
    // Both at once against each other: one of them is left.
    let (one, other) = (user(&lea.id, "/role"), user(&mia.id, "/role"));
    let (first, second) =
        tokio::join!(lea.post(&other, json!({ "role": "auditor" })), mia.post(&one, json!({ "role": "auditor" })),);
    let won = [&first, &second].iter().filter(|answer| answer.status.is_success()).count();
    assert!(won <= 1, "{} {}", first.text(), second.text());
    let db = app.db().await;
    let admins = "SELECT CAST(count(*) AS BIGINT) FROM users WHERE role = 'admin' AND status = 'active'";
    assert!(server::number(&db, admins).await >= 1);
    let cli = marketplace_tests::cli::Cli::direct(&app);
    for id in [&lea.id, &mia.id] {
        cli.run(&["users", "ban", id, "--reason", "other", "--yes"]).await;
    }
    assert_eq!(server::number(&db, admins).await, 1, "the last one stays, whoever asks");
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
    // The old one again, after the new one was used: somebody else has it.
    refresh(&app, &jon.refresh_token).await.refused(401, "unauthenticated");
    http.get("/v1/me").await.refused(401, "unauthenticated");
    refresh(&app, tokens["refresh_token"].as_str().unwrap()).await.refused(401, "unauthenticated");
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
