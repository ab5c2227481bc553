//! Limits that stop whom they are meant for, and nobody else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use marketplace_tests::{Answer, Engine, Server, people::PASSWORD, stories};
use reqwest::Method;
use serde_json::json;

stories![
    failed_logins_lock_out_the_attacker_alone,
    a_made_up_forwarded_address_is_not_believed,
    limits_of_calls_are_not_keyed_on_the_proxy,
    many_logins_at_once_starve_nobody,
];

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

async fn limits_of_calls_are_not_keyed_on_the_proxy(engine: Engine) {
    let settings: Vec<_> = BEHIND_A_PROXY.iter().copied().chain([("LIMITS__PUBLIC_PER_IP_MINUTE", "4")]).collect();
    let app = Server::start_with(engine, &settings).await;
    let ask = async |address: &str| {
        let request = app.as_nobody().request(Method::GET, "/v1/categories").header("x-forwarded-for", address);
        Answer::of(request).await
    };
    let mut limited = false;
    for _ in 0..12 {
        let answer = ask("203.0.113.7").await;
        let field =
            |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        assert_eq!(field("ratelimit-policy"), "\"public\";q=4;w=60");
        assert!(field("ratelimit").starts_with("\"public\";r="), "{}", field("ratelimit"));
        if answer.status.as_u16() == 429 {
            answer.refused(429, "rate_limited");
            assert!(field("retry-after").parse::<u64>().unwrap() > 0);
            limited = true;
            break;
        }
        answer.ok();
    }
    assert!(limited, "one address has a limit");
    ask("198.51.100.9").await.ok();
    ask("2001:db8:1::1").await.ok();
    // A home with IPv6 has more addresses than anybody can count: they are one.
    for n in 2..12 {
        limited = ask(&format!("2001:db8:1::{n}")).await.status.as_u16() == 429;
    }
    assert!(limited, "a network of one home has a limit");
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
