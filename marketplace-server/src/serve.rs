//! The accept loop: connections, their limits, and stopping without breaking what is in flight.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use marketplace_core::{app::App, error::Result};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    background,
    connection::{Activity, IdleStream, Tracked},
    ctx::{Ctx, Peer},
    live,
    options::Options,
    router, tls,
};

/// Bytes of a request's head at most, over HTTP/1 (hyper's buffer) and HTTP/2.
const HEAD_LIMIT: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;

/// Serves `app` on `listener` until `shutdown` is cancelled and what is in flight has ended, or its time is up.
///
/// Runs due work meanwhile. Does not close `app`. Fails only before it begins: on a certificate or an origin that cannot be used.
pub async fn serve(app: App, listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<()> {
    let acceptor = tls::acceptor(&app.config.tls)?;
    let (router, ctx) = router::with_options(app, options, shutdown.clone())?;
    let timers = tokio::spawn(background::run(ctx.clone()));
    let tail = tokio::spawn(live::run(ctx.clone()));
    let (app, stopped) = (ctx.app.clone(), shutdown.clone());
    tokio::spawn(async move { stopped.run_until_cancelled(app.hear_others()).await });
    let hub = Arc::clone(&ctx.hub);
    let abort = CancellationToken::new();
    let tracker = TaskTracker::new();
    let server = Arc::new(Server { ctx, router, acceptor, builder: builder(&options), abort: abort.clone() });
    let places = Arc::new(Semaphore::new(options.connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        // The semaphore is never closed.
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let server = Arc::clone(&server);
                tracker.spawn(async move {
                    server.ctx.metrics.connections.increment(1);
                    server.connection(stream, peer).await;
                    server.ctx.metrics.connections.decrement(1);
                    drop(place);
                });
            }
            // Out of file descriptors, or the peer went away meanwhile: neither ends the server.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(options.shutdown_grace, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "time is up; connections are cut off");
        abort.cancel();
        tracker.wait().await;
    }
    if tokio::time::timeout(options.shutdown_grace, hub.ended()).await.is_err() {
        tracing::warn!("time is up; sockets are cut off");
    }
    if let Err(failure) = tail.await {
        tracing::error!(%failure, "following the log of events ended badly");
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
    abort: CancellationToken,
}

impl Server {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
        let Some(acceptor) = &self.acceptor else { return self.http(stream, peer).await };
        let handshake = tokio::time::timeout(self.ctx.options.header_timeout, acceptor.accept(stream));
        tokio::select! {
            () = self.ctx.shutdown.cancelled() => {}
            outcome = handshake => match outcome {
                Ok(Ok(stream)) => self.http(stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
        }
    }

    async fn http(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let activity = Activity::new();
        let stream = IdleStream::new(stream, Arc::clone(&activity), self.ctx.options.idle_timeout);
        let service = service_fn(move |request: Request<Incoming>| {
            let under_way = activity.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            // A socket keeps the connection in use after its request has ended.
            request.extensions_mut().insert(Arc::clone(&activity));
            let answer = self.router.clone().call(request);
            async move { answer.await.map(|response| response.map(|body| Tracked::new(body, under_way))) }
        });
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.ctx.shutdown.cancelled() => {
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
