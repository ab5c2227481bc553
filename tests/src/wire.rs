//! A wire to a server that can be cut and mended: while it is cut, connections are refused, as if that server were stopped.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Passes on what is sent to [`Wire::address`]; ends with this.
#[derive(Debug)]
pub struct Wire {
    /// Where to connect.
    pub address: SocketAddr,
    is_whole: watch::Sender<bool>,
    is_listening: watch::Receiver<bool>,
    end: CancellationToken,
}

impl Wire {
    /// To the server at `host:port`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_whole, whole) = watch::channel(true);
        let (listening, is_listening) = watch::channel(true);
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(run(listener, server.into(), whole, listening)));
        Self { address, is_whole, is_listening, end }
    }

    /// Ends all connections; new ones are refused when this answers.
    pub async fn cut(&mut self) {
        self.is_whole.send_replace(false);
        self.is_listening.wait_for(|listening| !listening).await.unwrap();
    }

    /// Connections are taken again when this answers.
    pub async fn mend(&mut self) {
        self.is_whole.send_replace(true);
        self.is_listening.wait_for(|listening| *listening).await.unwrap();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn run(
    mut listener: TcpListener,
    server: Arc<str>,
    mut whole: watch::Receiver<bool>,
    listening: watch::Sender<bool>,
) {
    let address = listener.local_addr().unwrap();
    loop {
        let connections = CancellationToken::new();
        let ends = connections.clone().drop_guard();
        while *whole.borrow_and_update() {
            tokio::select! {
                _ = whole.changed() => {}
                Ok((near, _)) = listener.accept() => {
                    tokio::spawn(connections.clone().run_until_cancelled_owned(pass(near, Arc::clone(&server))));
                }
            }
        }
        drop((listener, ends));
        listening.send_replace(false);
        if whole.wait_for(|whole| *whole).await.is_err() {
            return;
        }
        // Ours a moment ago; whoever took it meanwhile gives it back soon, or the test fails.
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        };
        listening.send_replace(true);
    }
}

async fn pass(mut near: TcpStream, server: Arc<str>) {
    if let Ok(mut far) = TcpStream::connect(&*server).await {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
