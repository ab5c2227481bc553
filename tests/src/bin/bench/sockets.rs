//! A thousand open sockets: what they cost, and how soon a message is on the other one's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use marketplace_tests::{
    Server,
    socket::{Heard, Socket},
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Pace, cases::Talk, load::Seen, report::Case};

/// Open sockets.
const SOCKETS: usize = 1_000;
/// Time between two messages: moderate load.
const BETWEEN: Duration = Duration::from_millis(10);
/// Messages that arrive later than this count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The times of messages that were sent and not received yet, by content.
type Sent = Arc<Mutex<HashMap<String, Instant>>>;

/// Opens the sockets, sends messages by REST at a steady rate, and measures from a request's first byte to the frame at
/// the other participant's socket, including the commit. Also returns the memory that each socket adds, in kB.
pub async fn fan_out(
    server: &Server,
    talks: &[Talk],
    memory: impl Fn() -> Result<f64>,
    pace: Pace,
) -> Result<(Case, f64)> {
    // Opened twice: what the first time allocates for all, such as statements and caches, must not count for a socket,
    // and the work makes the allocator return what the start needed.
    drop(open(server, talks).await?);
    let before = settled(&memory).await?;
    let sockets = open(server, talks).await?;
    let socket_kb = (settled(&memory).await? - before) * 1_000.0 / f64::from(u32::try_from(SOCKETS)?);

    let sent = Sent::default();
    let mut listeners = JoinSet::new();
    let until = Instant::now() + pace.stretch * pace.rounds + PATIENCE;
    for (n, socket) in sockets.into_iter().enumerate() {
        // The first socket of each worker is the one that is timed; the others receive the messages as well.
        let timed = n % 2 == 0 && n / 2 < talks.len();
        listeners.spawn(listen(socket, timed.then(|| Arc::clone(&sent)), until));
    }
    let begun = Instant::now();
    let count = say(server, talks, &sent, pace.stretch * pace.rounds).await?;
    let elapsed = begun.elapsed();
    let mut seen = Seen::default();
    while seen.latencies.len() < count {
        let Some(heard) = listeners.join_next().await else { break };
        seen.latencies.extend(heard??);
    }
    ensure!(seen.latencies.len() == count, "{} of {count} messages arrived", seen.latencies.len());
    seen.elapsed = elapsed;
    let case = Case {
        rps: seen.rps(),
        p50_ms: seen.percentile(0.50),
        p99_ms: seen.percentile(0.99),
        ratio: None,
        cpu_us: None,
        vs: None,
        vs_cpu: None,
    };
    Ok((case, socket_kb))
}

/// Each user has several sockets, for several devices.
async fn open(server: &Server, talks: &[Talk]) -> Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(SOCKETS);
    for n in 0..SOCKETS {
        let talk = talks.get(n / 2 % talks.len().max(1)).context("nobody talks")?;
        let token = if n % 2 == 0 { &talk.worker } else { &talk.client };
        let mut http = server.as_nobody();
        http.token = Some(token.clone());
        let socket = Socket::try_connect(&http, None).await;
        sockets.push(socket.map_err(|status| anyhow::anyhow!("socket {n} is refused: {status}"))?);
    }
    Ok(sockets)
}

/// Returns the memory once it no longer shrinks after earlier work; after five seconds, in any case.
async fn settled(memory: &impl Fn() -> Result<f64>) -> Result<f64> {
    const STILL_MB: f64 = 0.1;
    let mut last = memory()?;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = memory()?;
        if (now - last).abs() < STILL_MB {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

/// Receives until the end, or until nothing more is expected. Returns microseconds.
async fn listen(mut socket: Socket, timed: Option<Sent>, until: Instant) -> Result<Vec<u32>> {
    let mut latencies = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match socket.heard(left).await {
            Heard::Frame(frame) => {
                let Some(sent) = &timed else { continue };
                let content = frame.pointer("/message/content").and_then(|content| content.as_str());
                let at =
                    content.and_then(|content| sent.lock().unwrap_or_else(PoisonError::into_inner).remove(content));
                latencies.extend(at.map(|at| u32::try_from(at.elapsed().as_micros()).unwrap_or(u32::MAX)));
            }
            Heard::Nothing => return Ok(latencies),
            Heard::End(end) => anyhow::bail!("a socket ended: {end:?}"),
        }
    }
}

/// Sends messages at a steady rate, regardless of latency. Returns how many were stored.
async fn say(server: &Server, talks: &[Talk], sent: &Sent, duration: Duration) -> Result<usize> {
    let begun = Instant::now();
    let mut beat = tokio::time::interval(BETWEEN);
    let mut requests = JoinSet::new();
    let mut count = 0;
    while begun.elapsed() < duration {
        beat.tick().await;
        let talk = talks.get(count % talks.len().max(1)).context("nobody talks")?;
        let content = format!("fan out {count}");
        let mut http = server.as_nobody();
        http.token = Some(talk.client.clone());
        let body = json!({ "client_msg_id": format!("fan-{count}"), "content": &content });
        let path = format!("/v1/threads/{}/messages", talk.thread);
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert(content, Instant::now());
        requests.spawn(async move { http.post(&path, body).await.status });
        count += 1;
    }
    while let Some(status) = requests.join_next().await {
        let status = status?;
        ensure!(status.is_success(), "a message is refused: {status}");
    }
    Ok(count)
}
