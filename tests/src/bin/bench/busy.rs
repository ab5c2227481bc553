//! What those who are here already notice of a crowd that logs in: the same reads with and without it, in turn.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use marketplace_tests::Server;

use crate::{
    Pace,
    cases::Crowd,
    load::{Ask, CONNECTIONS, Seen, drive, drive_at_ease},
    report::Case,
};

/// Connections that read.
const READERS: usize = 8;
/// Between an answer and the next question of each: it is how long answers take that counts, not how many there are.
const PAUSE: Duration = Duration::from_millis(5);

/// Reads while nobody logs in, and while as many do as there are connections.
pub async fn compare(server: &Server, crowd: Crowd, pace: Pace) -> Result<(Case, Case)> {
    let address: SocketAddr = server.url.trim_start_matches("http://").parse()?;
    let (reads, logins) = (Arc::new(crowd.reads), Arc::new(crowd.logins));
    let read = |time| drive_at_ease(address, &reads, READERS, time, PAUSE);
    read(pace.stretch / 2).await?;
    let (mut idle, mut busy) = (Seen::default(), Seen::default());
    for _ in 0..pace.rounds {
        idle.add(read(pace.stretch).await?);
        busy.add(read_in_a_crowd(address, &reads, &logins, pace.stretch).await?);
    }
    let (quiet, loud) = (idle.percentile(0.99), busy.percentile(0.99));
    let case = |seen: &Seen, ratio| Case {
        rps: seen.rps(),
        p50_ms: seen.percentile(0.50),
        p99_ms: seen.percentile(0.99),
        ratio,
    };
    Ok((case(&idle, None), case(&busy, Some(loud / quiet.max(f64::EPSILON)))))
}

/// Only what is read while all of the crowd is logging in counts.
async fn read_in_a_crowd(
    address: SocketAddr,
    reads: &Arc<Vec<Ask>>,
    logins: &Arc<Vec<Ask>>,
    stretch: Duration,
) -> Result<Seen> {
    let warming = Duration::from_millis(300);
    let logins = Arc::clone(logins);
    let crowd = tokio::spawn(async move { drive(address, &logins, CONNECTIONS, stretch + warming * 2).await });
    tokio::time::sleep(warming).await;
    let seen = drive_at_ease(address, reads, READERS, stretch, PAUSE).await?;
    crowd.await?.context("logging in")?;
    Ok(seen)
}
