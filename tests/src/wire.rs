//! A wire to a server that can be cut and mended, and that can fall silent: while it is cut, connections are refused, as if
//! that server were stopped; while it is silent, nothing arrives and nothing ends, as if packets were dropped.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Forwards what is sent to [`Wire::address`]; dropping this ends it.
#[derive(Debug)]
pub struct Wire {
    /// The address to connect to.
    pub address: SocketAddr,
    is_whole: watch::Sender<bool>,
    is_listening: watch::Receiver<bool>,
    /// The server that it leads to, of the two.
    server: watch::Sender<Arc<str>>,
    /// The server that it leads to after a turn.
    other: Arc<str>,
    /// Connections with lower numbers than this are silent.
    silent: watch::Sender<u64>,
    /// The number of the next connection.
    next: watch::Receiver<u64>,
    end: CancellationToken,
}

impl Wire {
    /// Creates a wire to the server at `host:port`.
    pub async fn to(server: &str) -> Self {
        Self::to_either(server, server).await
    }

    /// Creates a wire to the first of two servers, and after each [`Wire::turn`] to the other one.
    pub async fn to_either(server: &str, other: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_whole, whole) = watch::channel(true);
        let (listening, is_listening) = watch::channel(true);
        let (silent, hush) = watch::channel(0);
        let (count, next) = watch::channel(0);
        let end = CancellationToken::new();
        let (server, leads_to) = watch::channel(Arc::<str>::from(server));
        let running = run(listener, leads_to, whole, listening, (hush, count));
        tokio::spawn(end.clone().run_until_cancelled_owned(running));
        Self { address, is_whole, is_listening, server, other: other.into(), silent, next, end }
    }

    /// Creates a wire to the server of a URL with a user and a path, and returns that URL over this wire.
    pub async fn to_url(url: &str) -> (Self, String) {
        let (before, after) = url.split_once('@').expect("a URL with a user");
        let (host, path) = after.split_once('/').expect("a URL with a path");
        let wire = Self::to(host).await;
        let over = format!("{before}@{}/{path}", wire.address);
        (wire, over)
    }

    /// Ends all connections; on return, new ones lead to the other server.
    pub async fn turn(&mut self) {
        self.cut().await;
        let now = std::mem::replace(&mut self.other, self.server.borrow().clone());
        self.server.send_replace(now);
        self.mend().await;
    }

    /// Ends all connections; on return, new ones are refused.
    pub async fn cut(&mut self) {
        self.is_whole.send_replace(false);
        self.is_listening.wait_for(|listening| !listening).await.unwrap();
    }

    /// Accepts connections again on return.
    pub async fn mend(&mut self) {
        self.is_whole.send_replace(true);
        self.is_listening.wait_for(|listening| *listening).await.unwrap();
    }

    /// Blocks all data in both directions, without ending connections; new ones are accepted, and blocked too.
    pub fn silence(&self) {
        self.silent.send_replace(u64::MAX);
    }

    /// Blocks the existing connections for ever; new ones work.
    pub fn silence_old(&self) {
        self.silent.send_replace(*self.next.borrow());
    }

    /// Delivers what was held back, and resumes.
    pub fn speak(&self) {
        self.silent.send_replace(0);
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> u64 {
        *self.next.borrow()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn run(
    mut listener: TcpListener,
    server: watch::Receiver<Arc<str>>,
    mut whole: watch::Receiver<bool>,
    listening: watch::Sender<bool>,
    (silent, next): (watch::Receiver<u64>, watch::Sender<u64>),
) {
    let address = listener.local_addr().unwrap();
    loop {
        let connections = CancellationToken::new();
        let ends = connections.clone().drop_guard();
        while *whole.borrow_and_update() {
            tokio::select! {
                _ = whole.changed() => {}
                Ok((near, _)) = listener.accept() => {
                    let number = *next.borrow();
                    next.send_replace(number + 1);
                    let passing = pass(near, server.borrow().clone(), silent.clone(), number);
                    tokio::spawn(connections.clone().run_until_cancelled_owned(passing));
                }
            }
        }
        drop((listener, ends));
        listening.send_replace(false);
        if whole.wait_for(|whole| *whole).await.is_err() {
            return;
        }
        // The port was ours a moment ago; a process that has taken it meanwhile frees it soon, or the test fails.
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        };
        listening.send_replace(true);
    }
}

async fn pass(near: TcpStream, server: Arc<str>, silent: watch::Receiver<u64>, number: u64) {
    if let Ok(far) = TcpStream::connect(&*server).await {
        // Requests and responses are small: each is sent at once.
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        let there = carry(from_near, to_far, silent.clone(), number);
        let back = carry(from_far, to_near, silent, number);
        tokio::join!(there, back);
    }
}

async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut silent: watch::Receiver<u64>,
    number: u64,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        // The end of a connection is blocked too.
        if silent.wait_for(|silent| number >= *silent).await.is_err()
            || read == 0
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
