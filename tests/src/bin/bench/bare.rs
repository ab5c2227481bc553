//! The measure of things: hyper with nothing behind it, as a process of its own, under the same load.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// The responder's process; dropping this ends it.
#[derive(Debug)]
pub struct Bare {
    process: Child,
    /// The address that it listens on.
    pub address: SocketAddr,
}

impl Bare {
    /// Starts this program again, as the responder.
    pub fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--bare")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the bare responder")?;
        let mut line = String::new();
        let stdout = process.stdout.take().context("the bare responder has an output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("the bare responder says where it listens")?;
        Ok(Self { process, address })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Responds to `/N` with N bytes, until killed.
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?)?;
    stdout.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    static BYTES: &[u8] = &[b'x'; 1 << 20];
    let size: usize = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
    // The request body is read, as the real server reads it.
    let _ = request.into_body().collect().await;
    let body = Bytes::from_static(BYTES.get(..size).unwrap_or(BYTES));
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}
