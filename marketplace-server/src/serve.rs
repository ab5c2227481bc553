//! The accept loops, and graceful shutdown.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use marketplace_core::{app::App, error::Result};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    background,
    connection::{Activity, ClientStream, Crowd, Member},
    ctx::{Ctx, Ending},
    http::{FIRST, Http},
    live,
    network::Network,
    options::Options,
    router, service_manager,
    stop::Stop,
    tls,
};

/// Upper limit of unsent bytes in the kernel: a client that does not read is noticed soon, and uses little memory.
const UNSENT: u32 = 128 * 1024;
/// Connections that wait to be accepted at most, as the runtime's listeners ask of the system.
const WAITING: usize = 1024;
/// Concurrent connections to the operators' listener.
const OPERATORS: usize = 256;
/// The response to a client for which no connection, of its own address or any other, could be closed.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// The listeners of a server.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody.
    pub public: TcpListener,
    /// For its operators: counters and health, over plain HTTP.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(public: TcpListener) -> Self {
        Self { public, metrics: None }
    }
}

/// Serves `app` on `listeners` until `stop` is triggered and what is in flight has ended, or its time is up.
///
/// Runs scheduled work meanwhile. Does not close `app`.
///
/// # Errors
/// Fails only before it begins: on a certificate or an origin that cannot be used.
pub async fn serve(app: App, listeners: impl Into<Listeners>, options: Options, stop: impl Into<Stop>) -> Result<()> {
    let listeners = listeners.into();
    let acceptor = tls::Acceptor::new(&app.config.tls)?;
    let stop = stop.into();
    let ending = Ending::default();
    let (router, ctx) = router::with_options(app, options, ending.clone())?;
    let timers = tokio::spawn(background::run(ctx.clone()));
    let dispatcher = tokio::spawn(live::run(ctx.clone()));
    let (app, stopped) = (ctx.app.clone(), ending.stopping.clone());
    tokio::spawn(async move { stopped.run_until_cancelled(app.hear_others()).await });
    let reloads = tokio::spawn(reload(stop.clone(), acceptor.clone(), ctx.clone()));
    let led = tokio::spawn(stop.lead(ending.clone(), options.drain));
    let operators = listeners.metrics.map(|listener| {
        let server = Server::new(ctx.clone(), router::for_operators(&ctx), None, Crowd::new(OPERATORS, OPERATORS));
        // Until the very end, so that operators can watch the shutdown.
        let over = ending.over.clone();
        tokio::spawn(async move { server.accept(listener, &over).await })
    });
    let crowd = ctx.crowd.clone();
    let server = Server::new(ctx.clone(), router, acceptor, crowd);
    Arc::clone(&server).accept(listeners.public, &ending.stopping).await;
    led.abort();
    reloads.abort();
    finish(&ctx, &server).await;
    if let Err(failure) = dispatcher.await {
        tracing::error!(%failure, "following the log of events ended badly");
    }
    if let Some(operators) = operators {
        // Its connections end with the program.
        operators.abort();
    }
    // Running scheduled work may wait for a mail server; what it has not recorded is done after the next start.
    let abort = timers.abort_handle();
    match timeout(options.shutdown_grace, timers).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::error!(%failure, "due work ended badly"),
        Err(_) => abort.abort(),
    }
    Ok(())
}

/// Reads the certificate again whenever that is wanted.
async fn reload(stop: Stop, acceptor: Option<tls::Acceptor>, ctx: Ctx) {
    loop {
        stop.reload_wanted().await;
        service_manager::reloading();
        if let Some(acceptor) = &acceptor {
            acceptor.reload(&ctx.app.config.tls);
        }
        service_manager::ready();
    }
}

/// Ends sockets gradually, waits for what is in flight, and aborts what takes too long.
async fn finish(ctx: &Ctx, server: &Server) {
    let grace = ctx.options.shutdown_grace;
    let requests = async {
        if timeout(grace, server.tracker.wait()).await.is_err() {
            tracing::warn!(connections = server.tracker.len(), "time is up; connections are cut off");
            server.abort.cancel();
            server.tracker.wait().await;
        }
    };
    let sockets = async {
        let gone = async {
            ctx.hub.dismiss(grace / 2).await;
            ctx.hub.ended().await;
        };
        if timeout(grace, gone).await.is_err() {
            tracing::warn!("time is up; sockets are cut off");
        }
    };
    server.tracker.close();
    tokio::join!(requests, sockets);
    ctx.ending.over.cancel();
}

struct Server {
    ctx: Ctx,
    http: Http,
    acceptor: Option<tls::Acceptor>,
    crowd: Crowd,
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl Server {
    fn new(ctx: Ctx, router: Router, acceptor: Option<tls::Acceptor>, crowd: Crowd) -> Arc<Self> {
        let abort = CancellationToken::new();
        let http = Http::new(ctx.clone(), router, abort.clone());
        Arc::new(Self { ctx, http, acceptor, crowd, tracker: TaskTracker::new(), abort })
    }

    /// Accepts connections until `stopping`, and then those that are waiting: closing the listener would refuse them, with
    /// requests that they may have sent. It waits only for the next connection.
    async fn accept(self: Arc<Self>, listener: TcpListener, stopping: &CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                // Out of file descriptors, or the peer disconnected meanwhile: neither ends the server.
                Err(error) => {
                    let has_room = self.crowd.make_room();
                    tracing::warn!(%error, has_room, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        // It does not block, as the runtime's listeners don't.
        let Ok(listener) = listener.into_std() else { return };
        for (stream, peer) in std::iter::from_fn(|| listener.accept().ok()).take(WAITING) {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.take(stream, peer);
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // A proxy stands for many clients, which are counted by the addresses that it reports.
        let address = (!self.ctx.trusts(peer.ip())).then(|| Network::of(peer.ip()));
        let Ok(member) = self.crowd.enter(address, &Activity::new()) else {
            self.ctx.metrics.connections_refused.happened();
            if self.acceptor.is_none() {
                // A client that misses this text still sees the connection closed.
                let _ = stream.try_write(NO_PLACE);
            }
            return;
        };
        let server = Arc::clone(self);
        self.tracker.spawn(async move {
            server.ctx.metrics.connections.increment(1);
            let activity = Arc::clone(member.activity());
            tokio::select! {
                () = server.connection(stream, peer, member) => {}
                () = activity.ended() => server.ctx.metrics.connections_shed.happened(),
            }
            server.ctx.metrics.connections.decrement(1);
        });
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, member: Member) {
        let socket = socket2::SockRef::from(&stream);
        if let Err(error) = socket.set_tcp_nodelay(true).and_then(|()| set_unsent(&socket)) {
            tracing::debug!(%error, "a connection's options cannot be set");
        }
        let activity = Arc::clone(member.activity());
        let options = &self.ctx.options;
        let Some(acceptor) = &self.acceptor else {
            let stream = ClientStream::new(stream, member, options.idle_timeout, options.body_rate);
            return self.http.serve(stream, peer, &activity, false).await;
        };
        let handshake = timeout(options.header_timeout, acceptor.current().accept(stream));
        match self.ctx.ending.wait(handshake, FIRST).await {
            Some(Ok(Ok(stream))) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let stream = ClientStream::new(stream, member, options.idle_timeout, options.body_rate);
                self.http.serve(stream, peer, &activity, is_http2).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%error, "TLS handshake failed"),
            Some(Err(_)) => tracing::debug!("TLS handshake took too long"),
            None => {}
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_unsent(socket: &socket2::SockRef<'_>) -> std::io::Result<()> {
    socket.set_tcp_notsent_lowat(UNSENT)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_unsent(_socket: &socket2::SockRef<'_>) -> std::io::Result<()> {
    Ok(())
}
