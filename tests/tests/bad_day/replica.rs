//! A replica that lists are read from: one that lags, falls behind, goes away and comes back.

use std::time::{Duration, Instant};

use marketplace_tests::{Cluster, Http, Market, Redis, Server, Wire, cli::Cli, server::ROOMY};
use serde_json::Value;

use crate::{
    bystanders::{changes_of, component_is},
    soon,
};

/// Returns whether a search shows a service of Ada's.
async fn finds(who: &Http, id: &str) -> bool {
    let found = who.get("/v1/services?limit=100").await.ok();
    found["items"].as_array().is_some_and(|items: &Vec<Value>| items.iter().any(|item| item["id"] == id))
}

/// Has a standby apply everything so much later.
async fn delay(standby: &Cluster, setting: &'static str) {
    standby.run(&[setting, "SELECT pg_reload_conf()"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_from_a_replica_that_lags_little_and_nobody_misses_what_they_wrote() {
    if !Redis::is_here() {
        eprintln!("skipped: two servers need a Redis to tell each other who wrote");
        return;
    }
    let Some(cluster) = Cluster::start().await else { return };
    let redis = Redis::start().await;
    let mut market = Market::on(Server::start_on(&cluster, ROOMY).await).await;
    let mut standby = cluster.standby().await;
    delay(&standby, "ALTER SYSTEM SET recovery_min_apply_delay = '2s'").await;
    let (_, name) = market.app.database.url.rsplit_once('/').unwrap();
    let at_standby = |name: &str| format!("{}/{name}", standby.url().rsplit_once('/').unwrap().0);
    let (wire, replica) = Wire::to_url(&at_standby(name)).await;
    let not_its_replica = at_standby("postgres");
    market.app.kill();
    market.app.set("DATABASE_READ_URL", &replica);
    market.app.set("REDIS_URL", &redis.url());
    market.app.run().await;
    let other = market.app.beside().await;
    let ada = market.app.still(&market.ada);
    let (nobody, ada_there) = (market.app.as_nobody(), other.as_seen(&ada));
    soon("a list shows what was there before", async || finds(&nobody, &market.service).await).await;

    // Strangers see it when the replica has it, Ada at once, whichever server she asks.
    let mut lagged = 0;
    // It is read as soon as it is known how far it lags, which takes as long as it lags.
    for round in 0..20 {
        let service = ada.publish(&format!("Lessons, round {round}")).await;
        let published = Instant::now();
        while !finds(&nobody, &service).await {
            lagged += 1;
            assert!(finds(&ada, &service).await && finds(&ada_there, &service).await, "one's own is missing");
            assert!(published.elapsed() < Duration::from_secs(10), "strangers never see it");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if lagged == 0 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        }
        // What Ada wrote is on the replica before she reads from it again.
        while published.elapsed() < Duration::from_secs(7) {
            assert!(finds(&ada, &service).await && finds(&ada_there, &service).await, "one's own is gone again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        break;
    }
    assert!(lagged > 0, "the replica was never read");

    // Without Redis nobody can know who wrote at the other server: who is logged in reads the primary.
    drop(redis);
    let service = ada.publish("Lessons without Redis").await;
    assert!(finds(&ada, &service).await && finds(&ada_there, &service).await, "one's own is missing");

    // A replica that falls behind is left out until it has caught up.
    delay(&standby, "ALTER SYSTEM SET recovery_min_apply_delay = '1h'").await;
    ada.patch("/v1/me", serde_json::json!({ "name": "Ada Later" })).await.ok();
    component_is(&market.app, "replica", false).await;
    let service = ada.publish("Lessons while it is behind").await;
    assert!(finds(&nobody, &service).await, "a replica that is behind was read");
    delay(&standby, "ALTER SYSTEM RESET recovery_min_apply_delay").await;
    component_is(&market.app, "replica", true).await;

    // One that freezes holds nobody up for long, and fails nobody.
    wire.silence();
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(4) {
        let begun = Instant::now();
        nobody.get("/v1/services").await.ok();
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
    component_is(&market.app, "replica", false).await;
    wire.speak();
    component_is(&market.app, "replica", true).await;

    // One that goes away is missed by nobody, also by those who are reading.
    let reading = tokio::spawn({
        let nobody = market.app.as_nobody();
        async move {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(3) {
                nobody.get("/v1/services?q=lessons").await.ok();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    standby.stop();
    reading.await.unwrap();
    component_is(&market.app, "replica", false).await;
    nobody.get("/readyz").await.ok();
    standby.come_back().await;
    component_is(&market.app, "replica", true).await;
    assert!(changes_of(&market.app, "replica") <= 12, "a line for each change of state, of two servers");
    assert_eq!(changes_of(&market.app, "database"), 0, "the database itself never failed");

    // The doctor looks at it, and knows another database of the same server from it.
    for (url, verdict) in [(&replica, "ok"), (&not_its_replica, "failed")] {
        market.app.set("DATABASE_READ_URL", url);
        let said = Cli::direct(&market.app).run(&["doctor"]).await.stdout;
        let rows = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = rows.into_iter().find(|row| row["name"] == "replica").expect("a row about the replica");
        assert_eq!(row["status"], verdict, "{row}");
    }
    // No server tells at its end that what it closed itself is away.
    let before = changes_of(&market.app, "replica");
    market.app.stop().await;
    assert_eq!(changes_of(&market.app, "replica"), before);
}
