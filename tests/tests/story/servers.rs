//! Two servers on one PostgreSQL and one Redis are one marketplace; and what they need may go away for a while.
//!
//! Told on PostgreSQL alone: a second server for a SQLite file makes no sense.

use std::time::{Duration, Instant};

use marketplace_tests::{
    Answer, Engine, Http, Market, Redis, Server, Socket,
    people::PASSWORD,
    server::{Beside, ROOMY},
};
use reqwest::Method;
use serde_json::{Value, json};

/// How long what the servers need is away: longer than any of their timeouts.
const AWAY: Duration = Duration::from_secs(10);

/// Settings that go over those of every story.
fn with<'a>(settings: &[(&'a str, &'a str)], redis: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = ROOMY.iter().copied().filter(|(key, _)| settings.iter().all(|(own, _)| own != key)).collect();
    all.extend(settings);
    all.push(("REDIS_URL", redis));
    all
}

fn can_be_told() -> bool {
    Engine::Postgres.is_here() && Redis::is_here()
}

/// Two servers, and the Redis between them.
async fn two(settings: &[(&str, &str)]) -> (Server, Beside, Redis) {
    let redis = Redis::start().await;
    let one = Server::start_with(Engine::Postgres, &with(settings, &redis.url())).await;
    let other = one.beside().await;
    (one, other, redis)
}

/// Asks until the answer is a success: whatever was away is back, and nobody was started again.
async fn comes_back(http: &Http, path: &str) {
    let mut last = String::new();
    for _ in 0..300 {
        let answer = http.get(path).await;
        if answer.status.is_success() {
            return;
        }
        last = answer.text();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} does not come back: {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logged_out_on_one_server_is_logged_out_on_the_other() {
    if !can_be_told() {
        return;
    }
    let (one, other, _redis) = two(&[]).await;
    let (jon, bea) = (one.as_client().await, one.as_client().await);
    for person in [&jon, &bea] {
        person.get("/v1/me").await.ok();
        other.as_seen(person).get("/v1/me").await.ok();
    }
    // When the answer is in, it is so everywhere: there is nothing to wait for.
    other.as_seen(&jon).post("/v1/auth/logout", json!({})).await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    other.as_seen(&jon).get("/v1/me").await.refused(401, "unauthenticated");
    bea.get("/v1/me").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_refresh_token_ends_the_session_on_every_server() {
    if !can_be_told() {
        return;
    }
    let (one, other, _redis) = two(&[]).await;
    let jon = one.as_client().await;
    let refresh =
        async |url: &str, token: &str| Http::new(url).post("/v1/auth/refresh", json!({ "refresh_token": token })).await;
    let next = refresh(&other.url, &jon.refresh_token).await.ok();
    let (access, next) = (next["access_token"].as_str().unwrap(), next["refresh_token"].as_str().unwrap());
    for url in [&one.url, &other.url] {
        Http::new(url).with_token(access).get("/v1/me").await.ok();
    }
    let mut ear = Socket::connect(&Http::new(&other.url).with_token(access), None).await;
    // For 15 seconds the one before is no theft: two tabs, a lost answer.
    refresh(&one.url, &jon.refresh_token).await.ok();
    tokio::time::sleep(Duration::from_secs(16)).await;
    refresh(&one.url, &jon.refresh_token).await.refused(401, "unauthenticated");
    for url in [&one.url, &other.url] {
        Http::new(url).with_token(access).get("/v1/me").await.refused(401, "unauthenticated");
        refresh(url, next).await.refused(401, "unauthenticated");
    }
    ear.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_shared_by_the_servers() {
    if !can_be_told() {
        return;
    }
    let settings = [
        ("LIMITS__FAILED_LOGINS", "6"),
        ("LIMITS__READS_PER_ACCOUNT_MINUTE", "20"),
        ("LIMITS__PUBLIC_PER_IP_MINUTE", "10"),
    ];
    let (one, other, _redis) = two(&settings).await;
    let jon = one.as_client().await;
    let there = Http::new(&other.url);
    // As many tries as one server would allow by itself are too many for the two together.
    let guess = json!({ "email": jon.email, "password": "a wrong guess" });
    for n in 0..6 {
        let http = if n % 2 == 0 { one.as_nobody() } else { there.clone() };
        http.post("/v1/auth/login", guess.clone()).await.refused(401, "unauthenticated");
    }
    for http in [&one.as_nobody(), &there] {
        let right = json!({ "email": jon.email, "password": PASSWORD });
        http.post("/v1/auth/login", right).await.refused(429, "rate_limited");
    }
    both_refuse("by account", &jon, &other.as_seen(&jon), "/v1/me", 20).await;
    both_refuse("by address", &one.as_nobody(), &there, "/v1/categories", 10).await;
}

/// A limit of `quota` is met after hardly more calls than that, and then on both servers.
async fn both_refuse(what: &str, here: &Http, there: &Http, path: &str, quota: u32) {
    for n in 0..4 * quota {
        let answer = if n % 2 == 0 { here } else { there }.get(path).await;
        if answer.status.as_u16() != 429 {
            answer.ok();
            continue;
        }
        answer.refused(429, "rate_limited");
        assert!(
            answer.headers.contains_key("retry-after") && answer.headers.contains_key("ratelimit-policy"),
            "{what}"
        );
        // Two limits of their own would allow twice as many.
        assert!(n < 2 * quota, "{what}: {n}");
        return;
    }
    panic!("{what}: no limit is met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_sent_on_one_server_reaches_sockets_on_the_other() {
    if !can_be_told() {
        return;
    }
    let redis = Redis::start().await;
    let market = Market::open_with(Engine::Postgres, &with(&[], &redis.url())).await;
    let other = market.app.beside().await;
    let mut hers = Socket::connect(&other.as_seen(&market.ada), None).await;
    let mut his = Socket::connect(&market.jon, None).await;
    for n in 1..=10 {
        let (text, name) = (format!("number {n}"), format!("m{n}"));
        let told = |by: &str| {
            let wanted = json!([by, text]);
            move |frame: &Value| json!([frame["message"]["sender_id"], frame["message"]["content"]]) == wanted
        };
        market.jon.message(&market.thread, &name, &text).await.ok();
        hers.wait_for("message", told(&market.jon.id)).await;
        let path = format!("/v1/threads/{}/messages", market.thread);
        let reply = json!({ "client_msg_id": name, "content": text });
        other.as_seen(&market.ada).post(&path, reply).await.ok();
        his.wait_for("answer", told(&market.ada.id)).await;
    }
    // And so does that somebody is typing, which is stored nowhere.
    his.say(json!({ "type": "typing", "thread_id": market.thread })).await;
    let typing = hers.frame("typing").await;
    assert_eq!(json!([typing["thread_id"], typing["user_id"]]), json!([market.thread, market.jon.id]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_goes_away_and_comes_back() {
    if !can_be_told() {
        return;
    }
    let redis = Redis::start().await;
    let (one, mut wire) = Server::start_over_a_wire(&with(&[], &redis.url())).await;
    let other = one.beside().await;
    let (jon, bea) = (one.as_client().await, one.as_client().await);
    let mut ear = Socket::connect(&other.as_seen(&jon), None).await;
    wire.cut().await;
    let since = Instant::now();
    while since.elapsed() < AWAY {
        for http in [&jon.http, &other.as_seen(&jon)] {
            http.get("/v1/me").await.refused(503, "unavailable");
            assert_eq!(http.get("/readyz").await.status.as_u16(), 503);
            http.get("/healthz").await.ok();
        }
        let answer = one.log_in(&jon.email).await;
        assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Nothing that was not done is said to be done.
    assert_eq!(bea.post("/v1/auth/logout", json!({})).await.status.as_u16(), 503);
    wire.mend().await;
    for http in [&jon.http, &other.as_seen(&jon), &bea.http] {
        comes_back(http, "/v1/me").await;
    }
    one.log_in(&jon.email).await.ok();
    // Due work and the log of events go on too: a mail goes out, and a socket ends with its log-in.
    let ask = one.as_nobody().request(Method::POST, "/v1/auth/password/forgot");
    Answer::of(ask.json(&json!({ "email": jon.email }))).await.ok();
    one.mail(&jon.email, 2).await;
    jon.post("/v1/auth/logout", json!({})).await.ok();
    ear.end().await;
    other.as_seen(&jon).get("/v1/me").await.refused(401, "unauthenticated");
}
