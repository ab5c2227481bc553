//! Redis, which makes things cheaper and is needed for nothing: away, hung, full, read-only, forbidden, silent.

use std::time::{Duration, Instant};

use futures::future::join_all;
use marketplace_tests::{
    Engine, Http, Redis, RedisCluster, Server, Socket, Wire,
    people::{PASSWORD, Person},
    server::{Beside, ROOMY},
};
use serde_json::json;

use crate::bystanders::{SOON, changes_of, component_is, others_are_served, timed};

fn with<'a>(settings: &[(&'a str, &'a str)], redis: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = ROOMY.iter().copied().filter(|(key, _)| settings.iter().all(|(own, _)| own != key)).collect();
    all.extend(settings);
    all.push(("REDIS_URL", redis));
    all
}

/// What holds whatever Redis does: all of it, and in no time.
async fn nothing_is_missing(app: &Server, other: &Beside, jon: &Person) {
    let begun = Instant::now();
    for answer in join_all((0..30).map(|_| jon.get("/v1/me"))).await {
        answer.ok();
    }
    // The first find out, all at once; nobody waits after them.
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for _ in 0..20 {
        let (answer, took) = timed(jon.get("/v1/me")).await;
        answer.ok();
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    others_are_served(app, &jon.email).await;
    other.as_seen(jon).get("/v1/me").await.ok();
    // Whoever logs out here is out there, at once.
    let gone = app.person(&jon.email).await;
    other.as_seen(&gone).get("/v1/me").await.ok();
    gone.post("/v1/auth/logout", json!({})).await.ok();
    other.as_seen(&gone).get("/v1/me").await.refused(401, "unauthenticated");
    gone.get("/v1/me").await.refused(401, "unauthenticated");
    // Guessing is limited all the same.
    let guess = json!({ "email": jon.email, "password": "a wrong guess" });
    // At once, so that a slow machine gives nobody time to guess again.
    let server = Http::new(&other.url);
    let answers = join_all((0..25).map(|_| server.post("/v1/auth/login", guess.clone()))).await;
    assert!(answers.iter().any(|answer| answer.status == 429), "{:?}", answers.last());
    let nobody = app.as_nobody();
    component_is(app, "redis", false).await;
    let ready = nobody.get("/readyz").await.ok();
    assert_eq!(ready, json!({ "status": "degraded", "degraded": ["redis"] }));
    nobody.get("/healthz").await.ok();
    nobody.get("/v1/categories").await.ok();
}

/// `changes` were told before it broke.
async fn is_well_again(app: &Server, since: Instant, changes: usize) {
    component_is(app, "redis", true).await;
    // The other server writes into the same log, if it needed what was broken.
    let told = || changes_of(app, "redis") - changes;
    while told() % 2 == 1 && since.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(since.elapsed() < SOON + Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(app.as_nobody().get("/readyz").await.ok(), json!({ "status": "ok" }));
    assert!([2, 4].contains(&told()), "one line for each change of state: {}", told());
}

/// Two servers, and somebody with a log-in.
async fn two(url: &str) -> (Server, Beside, Person) {
    let settings = [("LIMITS__FAILED_LOGINS", "20")];
    let app = Server::start_with(Engine::Postgres, &with(&settings, url)).await;
    let other = app.beside().await;
    let jon = app.as_client().await;
    component_is(&app, "redis", true).await;
    (app, other, jon)
}

fn can_be_told() -> bool {
    Engine::Postgres.is_here() && Redis::is_here()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_or_hung_it_costs_nobody_anything() {
    if !can_be_told() {
        return;
    }
    let mut redis = Redis::start().await;
    let (app, other, jon) = two(&redis.url()).await;
    let before = changes_of(&app, "redis");
    redis.kill();
    nothing_is_missing(&app, &other, &jon).await;
    redis.come_back().await;
    is_well_again(&app, Instant::now(), before).await;
    // It came back empty; the next one hangs.
    let before = changes_of(&app, "redis");
    let next = app.as_client().await;
    redis.hang();
    nothing_is_missing(&app, &other, &next).await;
    redis.go_on();
    is_well_again(&app, Instant::now(), before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_read_only_or_forbidden_it_costs_nobody_anything() {
    if !can_be_told() {
        return;
    }
    let redis = Redis::start().await;
    let (app, other, _) = two(&redis.url()).await;
    for (breaks, mends) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("ACL SETUSER default -eval -evalsha", "ACL SETUSER default +@all"),
        ("ACL SETUSER default -publish", "ACL SETUSER default +@all"),
        ("CLIENT PAUSE 6000 WRITE", "CLIENT UNPAUSE"),
    ] {
        let jon = app.as_client().await;
        let before = changes_of(&app, "redis");
        assert_eq!(redis.tell(breaks), "+OK", "{breaks}");
        nothing_is_missing(&app, &other, &jon).await;
        assert_eq!(redis.tell(mends), "+OK", "{mends}");
        is_well_again(&app, Instant::now(), before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_falls_silent_is_given_up_and_another_one_made() {
    if !can_be_told() {
        return;
    }
    let redis = Redis::start().await;
    let wire = Wire::to(redis.url().trim_start_matches("redis://")).await;
    let url = format!("redis://{}", wire.address);
    let (app, other, jon) = two(&url).await;
    let before = changes_of(&app, "redis");
    wire.silence();
    nothing_is_missing(&app, &other, &jon).await;
    wire.speak();
    is_well_again(&app, Instant::now(), before).await;
    // Connections that never speak again, while new ones do.
    let made = wire.connections();
    wire.silence_old();
    let bea = app.as_client().await;
    let begun = Instant::now();
    while wire.connections() < made + 2 {
        bea.get("/v1/me").await.ok();
        other.as_seen(&bea).get("/v1/me").await.ok();
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    component_is(&app, "redis", true).await;
}

/// Whatever happens until the other nodes know that one is gone, nobody waits for it.
async fn are_served_until_it_is_known(jon: &Person, other: &Redis) {
    let begun = Instant::now();
    while !other.tell_all("CLUSTER INFO", 2).contains("cluster_state:fail") {
        let (answer, took) = timed(jon.get("/v1/me")).await;
        answer.ok();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "the cluster is well");
    }
}

/// The keys of a cluster are on several nodes, and those of one log-in on one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_counts_for_all_and_costs_nobody_anything() {
    if !can_be_told() {
        return;
    }
    let mut cluster = RedisCluster::start().await;
    let (app, other, jon) = two(&cluster.url()).await;
    let servers = [app.as_nobody(), Http::new(&other.url)];
    for _ in 0..2 {
        let kim = app.as_client().await;
        let guess = json!({ "email": kim.email, "password": "a wrong guess" });
        for turn in 0..20 {
            servers[turn % 2].post("/v1/auth/login", guess.clone()).await.refused(401, "unauthenticated");
        }
        for server in &servers {
            server.post("/v1/auth/login", guess.clone()).await.refused(429, "rate_limited");
        }
    }
    // A node goes away, and comes back empty. While the others find that out, it may look well for a moment.
    cluster.nodes[0].kill();
    are_served_until_it_is_known(&jon, &cluster.nodes[1]).await;
    nothing_is_missing(&app, &other, &jon).await;
    cluster.nodes[0].come_back().await;
    cluster.is_whole().await;
    component_is(&app, "redis", true).await;
    // Another one hangs.
    let next = app.as_client().await;
    cluster.nodes[2].hang();
    are_served_until_it_is_known(&next, &cluster.nodes[1]).await;
    nothing_is_missing(&app, &other, &next).await;
    cluster.nodes[2].go_on();
    cluster.is_whole().await;
    component_is(&app, "redis", true).await;
}

/// Not by itself: for most keys it only says which other node has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_is_used_with_all_others_only() {
    if !can_be_told() {
        return;
    }
    let cluster = RedisCluster::start().await;
    let app = Server::start_with(Engine::Postgres, &with(&[], &cluster.nodes[0].url())).await;
    let jon = app.as_client().await;
    for _ in 0..20 {
        jon.get("/v1/me").await.ok();
    }
    component_is(&app, "redis", false).await;
    assert_eq!(changes_of(&app, "redis"), 1);
    assert!(app.output().contains("use redis+cluster://"), "{}", app.output());
}

/// One key that holds something else concerns nobody but whom it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strange_key_concerns_its_owner_alone() {
    if !can_be_told() {
        return;
    }
    let redis = Redis::start().await;
    let (app, _other, jon) = two(&redis.url()).await;
    let before = changes_of(&app, "redis");
    redis.tell(&format!("DEL marketplace:limit:read:{}", jon.id));
    assert!(redis.tell(&format!("LPUSH marketplace:limit:read:{} x", jon.id)).starts_with(':'));
    for _ in 0..20 {
        jon.get("/v1/me").await.ok();
    }
    assert_eq!(app.as_nobody().get("/readyz").await.ok(), json!({ "status": "ok" }));
    assert_eq!(changes_of(&app, "redis"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_begin_without_it_and_find_it_later() {
    if !can_be_told() {
        return;
    }
    let mut redis = Redis::start().await;
    let url = redis.url();
    redis.kill();
    let app = Server::start_with(Engine::Postgres, &with(&[], &url)).await;
    let jon = app.as_client().await;
    jon.get("/v1/me").await.ok();
    component_is(&app, "redis", false).await;
    let mut ear = Socket::connect(&jon, None).await;
    redis.come_back().await;
    component_is(&app, "redis", true).await;
    ear.is_quiet().await;
    let body = json!({ "email": jon.email, "password": PASSWORD });
    app.as_nobody().post("/v1/auth/login", body).await.ok();
}
