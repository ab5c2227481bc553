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
/// The pause of each connection between a response and the next request: latency is measured here, not throughput.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures reads while nobody logs in, and while there is one login for each connection.
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
        cpu_us: None,
        vs: None,
        vs_cpu: None,
    };
    Ok((case(&idle, None), case(&busy, Some(loud / quiet.max(f64::EPSILON)))))
}

/// Counts only reads that happen while the whole crowd is logging in.
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
