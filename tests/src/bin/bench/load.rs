//! The load: connections that each send the next request when the answer to the last one is in.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, task::JoinSet};

/// Concurrent connections.
pub const CONNECTIONS: usize = 64;

/// The request that one connection repeats.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ask {
    /// Whether it is a POST request; otherwise it is a GET request.
    pub post: bool,
    /// Path and query.
    pub path: String,
    /// Access token.
    pub token: Option<String>,
    /// JSON body; empty for none. `{n}` in it is another number each time.
    pub body: String,
    /// Whether there is a `{n}` to be replaced.
    pub numbered: bool,
}

impl Ask {
    /// Creates a GET request with a token.
    pub fn get(path: impl Into<String>, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..Self::public(path) }
    }

    /// Creates a GET request without a token.
    pub fn public(path: impl Into<String>) -> Self {
        Self { post: false, path: path.into(), token: None, body: String::new(), numbered: false }
    }

    /// Creates a POST request.
    pub fn post(path: impl Into<String>, token: Option<String>, body: &serde_json::Value) -> Self {
        let text = body.to_string();
        let numbered = text.contains("{n}");
        Self { post: true, path: path.into(), token, body: text, numbered }
    }

    /// Returns the same request for the bare responder, with a response of `size` bytes.
    pub fn to_bare(&self, size: usize) -> Self {
        Self { path: format!("/{size}"), ..self.clone() }
    }

    fn method(&self) -> Method {
        if self.post { Method::POST } else { Method::GET }
    }

    fn numbered_body(&self) -> Bytes {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if !self.numbered {
            return self.body.clone().into();
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        self.body.replace("{n}", &number).into()
    }

    fn request(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(self.method()).uri(&self.path).header(header::HOST, "bench");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !self.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        Ok(request.body(Full::new(self.numbered_body()))?)
    }
}

/// The measurements of a period of load.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Microseconds of each response.
    pub latencies: Vec<u32>,
    /// The length of the period.
    pub elapsed: Duration,
    /// Bytes of a response's body.
    pub size: usize,
}

impl Seen {
    /// Returns responses per second.
    pub fn rps(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate, shown with a few digits")]
        let count = self.latencies.len() as f64;
        count / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// Adds another period of the same load.
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
        self.size = other.size;
    }

    /// Returns the latency that `share` of the responses did not exceed, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into the sorted latencies"
        )]
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// Puts load on a server for `duration` with `count` connections, each with its own task; `asks` are distributed over
/// them.
pub async fn drive(server: SocketAddr, asks: &Arc<Vec<Ask>>, count: usize, duration: Duration) -> Result<Seen> {
    drive_at_ease(server, asks, count, duration, Duration::ZERO).await
}

/// Like [`drive`], with a pause on each connection after each response.
pub async fn drive_at_ease(
    server: SocketAddr,
    asks: &Arc<Vec<Ask>>,
    count: usize,
    duration: Duration,
    pause: Duration,
) -> Result<Seen> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(server).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        connections.push(sender);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (index, mut sender) in connections.into_iter().enumerate() {
        let asks = Arc::clone(asks);
        tasks.spawn(async move {
            let mut seen = Seen::default();
            // When there are fewer connections than requests, each connection sends all of them in turn.
            let mut turn = index;
            while begun.elapsed() < duration {
                let ask = asks.get(turn % asks.len().max(1)).context("nothing to ask")?;
                turn += count;
                let asked = Instant::now();
                sender.ready().await?;
                let answer = sender.send_request(ask.request()?).await?;
                let status = answer.status();
                let body = answer.into_body().collect().await?.to_bytes();
                ensure!(
                    status.is_success(),
                    "{} {}: {status} {}",
                    ask.method(),
                    ask.path,
                    String::from_utf8_lossy(&body)
                );
                seen.size = body.len();
                seen.latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
                if pause > Duration::ZERO {
                    tokio::time::sleep(pause).await;
                }
            }
            Ok(seen)
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        all.add(seen??);
    }
    all.elapsed = begun.elapsed();
    Ok(all)
}
