//! The accept loops: connections, and stopping without breaking what is in flight.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{
    Request, Version,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use marketplace_core::{app::App, error::Result};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    background,
    connection::{Activity, Answer, ClientStream, Crowd, Member},
    ctx::{Ctx, Ending, Network, Peer},
    live,
    options::Options,
    router,
    stop::Stop,
    tls,
};

/// Bytes of a request's head at most, over HTTP/1 (hyper's buffer) and HTTP/2.
const HEAD_LIMIT: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// Bytes in the kernel that are not sent yet, above which it takes no more: what a client does not take shows soon, and takes
/// little memory.
const UNSENT: u32 = 128 * 1024;
/// Connections at once to the listener for whoever runs the server.
const OPERATORS: usize = 256;
/// What a client is told when no connection of its own, or of anybody, could go for its sake.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody.
    pub public: TcpListener,
    /// For whoever runs it: counters and health, over plain HTTP.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(public: TcpListener) -> Self {
        Self { public, metrics: None }
    }
}

/// Serves `app` on `listeners` until it is told to stop and what is in flight has ended, or its time is up.
///
/// Runs due work meanwhile. Does not close `app`. Fails only before it begins: on a certificate or an origin that cannot be used.
pub async fn serve(app: App, listeners: impl Into<Listeners>, options: Options, stop: impl Into<Stop>) -> Result<()> {
    let listeners = listeners.into();
    let acceptor = tls::acceptor(&app.config.tls)?;
    let ending = Ending::default();
    let (router, ctx) = router::with_options(app, options, ending.clone())?;
    let timers = tokio::spawn(background::run(ctx.clone()));
    let tail = tokio::spawn(live::run(ctx.clone()));
    let (app, stopped) = (ctx.app.clone(), ending.stopping.clone());
    tokio::spawn(async move { stopped.run_until_cancelled(app.hear_others()).await });
    let led = tokio::spawn(stop.into().lead(ending.clone(), options.drain));
    let operators = listeners.metrics.map(|listener| {
        let server = Server::new(ctx.clone(), router::for_operators(&ctx), None, Crowd::new(OPERATORS, OPERATORS));
        // Until the very end: somebody may want to see how it goes.
        let over = ending.over.clone();
        tokio::spawn(async move { server.accept(listener, &over).await })
    });
    let crowd = ctx.crowd.clone();
    let server = Server::new(ctx.clone(), router, acceptor, crowd);
    Arc::clone(&server).accept(listeners.public, &ending.stopping).await;
    led.abort();
    finish(&ctx, &server).await;
    if let Err(failure) = tail.await {
        tracing::error!(%failure, "following the log of events ended badly");
    }
    if let Some(operators) = operators {
        // Its connections end with the program.
        operators.abort();
    }
    // Due work that is under way may wait for a mail server; what it has not recorded it does after the next start.
    let abort = timers.abort_handle();
    match tokio::time::timeout(options.shutdown_grace, timers).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::error!(%failure, "due work ended badly"),
        Err(_) => abort.abort(),
    }
    Ok(())
}

/// Sends sockets away, little by little, and waits for what is in flight; cuts off what takes too long.
async fn finish(ctx: &Ctx, server: &Server) {
    let grace = ctx.options.shutdown_grace;
    let requests = async {
        if tokio::time::timeout(grace, server.tracker.wait()).await.is_err() {
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
        if tokio::time::timeout(grace, gone).await.is_err() {
            tracing::warn!("time is up; sockets are cut off");
        }
    };
    server.tracker.close();
    tokio::join!(requests, sockets);
    ctx.ending.over.cancel();
}

fn builder(options: &Options) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_LIMIT)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_LIMIT).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

struct Server {
    ctx: Ctx,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    builder: auto::Builder<TokioExecutor>,
    crowd: Crowd,
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl Server {
    fn new(ctx: Ctx, router: Router, acceptor: Option<TlsAcceptor>, crowd: Crowd) -> Arc<Self> {
        let builder = builder(&ctx.options);
        Arc::new(Self {
            ctx,
            router,
            acceptor,
            builder,
            crowd,
            tracker: TaskTracker::new(),
            abort: CancellationToken::new(),
        })
    }

    /// Accepts connections until `stopping`. It waits for nothing but the next one.
    async fn accept(self: Arc<Self>, listener: TcpListener, stopping: &CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                // Out of file descriptors, or the peer went away meanwhile: neither ends the server.
                Err(error) => {
                    let has_room = self.crowd.make_room();
                    tracing::warn!(%error, has_room, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // A proxy stands for many, which are counted by the addresses that it names.
        let address = (!self.ctx.trusts(peer.ip())).then(|| Network::of(peer.ip()));
        let Ok(member) = self.crowd.enter(address, &Activity::new()) else {
            self.ctx.metrics.connections_refused.increment(1);
            if self.acceptor.is_none() {
                // Whoever does not hear it sees the connection closed.
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
                () = activity.ended() => server.ctx.metrics.connections_shed.increment(1),
            }
            server.ctx.metrics.connections.decrement(1);
        });
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, member: Member) {
        let socket = socket2::SockRef::from(&stream);
        if let Err(error) = socket.set_tcp_nodelay(true).and_then(|()| set_unsent(&socket)) {
            tracing::debug!(%error, "a connection's options cannot be set");
        }
        let Some(acceptor) = &self.acceptor else { return self.http(stream, peer, member).await };
        let handshake = tokio::time::timeout(self.ctx.options.header_timeout, acceptor.accept(stream));
        tokio::select! {
            () = self.ctx.ending.stopping.cancelled() => {}
            outcome = handshake => match outcome {
                Ok(Ok(stream)) => self.http(stream, peer, member).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
        }
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        member: Member,
    ) {
        let activity = Arc::clone(member.activity());
        let options = &self.ctx.options;
        let stream = ClientStream::new(stream, member, options.idle_timeout, options.body_rate);
        let closing = &self.ctx.ending.closing;
        let of_requests = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let is_http2 = request.version() == Version::HTTP_2;
            let exchange = of_requests.begin(is_http2);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(Arc::clone(&exchange));
            let (answer, ctx) = (self.router.clone().call(request), self.ctx.clone());
            async move {
                answer.await.map(|mut response| {
                    if ctx.ending.closing.is_cancelled() && !is_http2 {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    response.map(|body| Answer::new(body, exchange))
                })
            }
        });
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // HTTP/2 has a word for it; over HTTP/1 the next answer says so, and an idle connection may still ask for it.
        let ends = async {
            closing.cancelled().await;
            if !activity.is_http2() {
                self.ctx.ending.stopping.cancelled().await;
            }
        };
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = ends => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = self.abort.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
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
