//! What a marketplace is put through on a bad day, with real faults: one failure stops nothing but itself, and nobody gets
//! in through the side doors.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod audit;
mod bystanders;
mod clients;
mod copying;
mod disk;
mod doctor;
mod drill;
mod due;
mod files;
mod follow;
mod hostile;
mod keys;
mod ledger;
mod mail;
mod moving;
mod postgres;
mod redis;
mod replica;
mod start;
mod stopping;

use std::time::{Duration, Instant};

use marketplace_tests::{Person, Server, server};

/// Within it others are answered, whatever fails: a second, and what a loaded machine adds.
const PROMPT: Duration = Duration::from_secs(3);

/// The public pages, and a log-in by somebody who has nothing to do with the fault.
async fn others_are_served(server: &Server, somebody: &Person) {
    let begin = Instant::now();
    server.as_nobody().get("/v1/services").await.ok();
    assert!(begin.elapsed() < PROMPT, "services: {:?}", begin.elapsed());
    let begin = Instant::now();
    server.log_in(&somebody.email).await.ok();
    assert!(begin.elapsed() < PROMPT, "a log-in: {:?}", begin.elapsed());
    server.as_nobody().get("/readyz").await.ok();
}

/// Waits until something is so, for half a minute at most.
async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(Duration::from_secs(30), what, &mut is_so).await;
}

async fn within(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The value of a line of `/metrics`, by its name and labels as they are written there.
async fn metric(server: &Server, name: &str) -> Option<f64> {
    let text = server.metrics().await;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Returns the one number that a query finds.
async fn number(server: &Server, sql: &'static str) -> i64 {
    let db = server.db().await;
    let number = server::number(&db, sql).await;
    db.close().await;
    number
}

async fn execute(server: &Server, sql: &'static str) -> u64 {
    let db = server.db().await;
    let rows = server::execute(&db, sql).await;
    db.close().await;
    rows
}
