//! HTTP over one stream, by hyper: protocol version, lifetime and shutdown.
//!
//! hyper holds about 20 kB for an HTTP/1 connection, even an idle one. A connection that has been idle for a while releases
//! that memory: its stream waits for the next bytes alone, and is passed to hyper again when they arrive.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response as Routed};
use hyper::{
    Request, Response, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::{
    connection::{Activity, Answer, ClientStream, HTTP2},
    ctx::{Ctx, Peer},
    options::Options,
};

/// Upper limit of the bytes of a request's head, over HTTP/1 (hyper's buffer) and HTTP/2.
const HEAD_LIMIT: usize = 32 * 1024;
/// Concurrent requests on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// How long an HTTP/1 connection is quiet before it gives back what hyper holds for it.
const QUIET: Duration = Duration::from_secs(3);
/// How long a stopping server waits for the first bytes of a connection that it has accepted.
pub(crate) const FIRST: Duration = Duration::from_millis(500);

/// The HTTP protocol on the connections of one listener.
pub(crate) struct Http {
    ctx: Ctx,
    router: Router,
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
    /// Aborts what does not end by itself.
    abort: CancellationToken,
}

impl Http {
    /// Creates the protocol with `router` as its handler.
    pub fn new(ctx: Ctx, router: Router, abort: CancellationToken) -> Self {
        let (one, two) = (one(&ctx.options), two());
        Self { ctx, router, one, two, abort }
    }

    /// Serves one connection to its end. `is_http2` says whether HTTP/2 was negotiated beforehand.
    pub async fn serve<S>(
        &self,
        mut stream: ClientStream<S>,
        peer: SocketAddr,
        activity: &Arc<Activity>,
        is_http2: bool,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ending = &self.ctx.ending;
        let is_http2 = is_http2 || {
            let patience = self.ctx.options.header_timeout;
            // A client that connected before the listener closed has sent its first request by now, or is about to.
            match ending.wait(stream.begins_http2(patience), FIRST).await {
                Some(Ok(told)) => told,
                Some(Err(_)) | None => return,
            }
        };
        // Kept on the heap while it is needed.
        if is_http2 {
            stream.member().weighs(HTTP2);
            return Box::pin(self.serve_two(stream, peer, activity)).await;
        }
        while let Some(quiet) = Box::pin(self.serve_one(stream, peer, activity)).await {
            stream = quiet;
            match ending.wait(stream.wakes(), Duration::ZERO).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    /// Serves HTTP/1 until the connection ends or is quiet; a quiet connection's stream is returned.
    async fn serve_one<S>(
        &self,
        stream: ClientStream<S>,
        peer: SocketAddr,
        activity: &Arc<Activity>,
    ) -> Option<ClientStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = self.one.serve_connection(TokioIo::new(stream), self.service(peer, activity));
        let mut connection = connection.with_upgrades();
        tokio::select! {
            biased;
            ended = &mut connection => {
                log(ended);
                return None;
            }
            () = activity.quiet(QUIET) => {
                let parts = connection.into_parts()?;
                let mut stream = parts.io.into_inner();
                stream.put_back(&parts.read_buf);
                return Some(stream);
            }
            () = self.ctx.ending.stopping.cancelled() => {}
        }
        Pin::new(&mut connection).graceful_shutdown();
        if let Some(ended) = self.abort.run_until_cancelled(&mut connection).await {
            log(ended);
        }
        None
    }

    async fn serve_two<S>(&self, stream: ClientStream<S>, peer: SocketAddr, activity: &Arc<Activity>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = self.two.serve_connection(TokioIo::new(stream), self.service(peer, activity));
        tokio::select! {
            biased;
            ended = &mut connection => return log(ended),
            // HTTP/2 has a frame for this; over HTTP/1 the next response says so, and an idle connection may still send
            // a request.
            () = self.ctx.ending.closing.cancelled() => {}
        }
        Pin::new(&mut connection).graceful_shutdown();
        if let Some(ended) = self.abort.run_until_cancelled(&mut connection).await {
            log(ended);
        }
    }

    fn service<'s>(
        &'s self,
        peer: SocketAddr,
        activity: &Arc<Activity>,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Answer>,
        Error = std::convert::Infallible,
        Future = impl Future<Output = Result<Response<Answer>, std::convert::Infallible>> + Send + use<>,
    > + use<'s> {
        let activity = Arc::clone(activity);
        service_fn(move |request: Request<Incoming>| {
            let is_http2 = request.version() == Version::HTTP_2;
            let exchange = activity.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(Arc::clone(&exchange));
            let (answer, ctx) = (self.router.clone().call(request), self.ctx.clone());
            async move {
                answer.await.map(|mut response: Routed| {
                    let ends = ctx.ending.closing.is_cancelled() && !is_http2;
                    // A socket continues, and is notified of the shutdown in its own frames.
                    if ends && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    response.map(|body| Answer::new(body, exchange))
                })
            }
        })
    }
}

fn one(options: &Options) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_LIMIT)
        .keep_alive(true);
    builder
}

fn two() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
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

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
