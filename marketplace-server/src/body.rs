//! Request bodies: read within limits of size and rate, and drained when no handler reads them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{StatusCode, header::EXPECT},
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use marketplace_core::{
    actor::Actor,
    error::{Error, ErrorCode},
    limiter::{Full, Place},
    platform::files::Spool,
};
use tokio::time::Instant;

use crate::{
    ctx::Ctx,
    network::Network,
    options::{JSON_LIMIT, Options},
    problem::{Answer, Problem},
    slot,
};

/// Bodies up to this many bytes arrive with the head in the connection's buffer, or nearly so; they need not be
/// drained.
const SMALL: u64 = 16 * 1024;
/// Bodies up to this many bytes are not counted while they arrive: there is at most one for each request in progress.
const UNCOUNTED: usize = 4 * 1024;
/// Upper limit of the bytes that are read and discarded so that a client that is still sending sees its response.
const DISCARD: usize = 32 * 1024 * 1024;

type Slot = Arc<Mutex<Option<Body>>>;

/// A body whose unread rest can be discarded after the handler has run.
///
/// If a server responds 401 to an upload and closes, the client sees a reset connection instead of the response.
pub(crate) struct Unread(Slot);

struct Shared(Slot);

/// Splits a large body in this way; small ones are returned unchanged.
pub(crate) fn recoverable(request: Request) -> (Request, Option<Unread>) {
    let body = request.body();
    // A client that waits for `100 Continue` (`Expect`) has not begun to send.
    if request.headers().contains_key(EXPECT)
        || body.is_end_stream()
        || body.size_hint().upper().is_some_and(|size| size <= SMALL)
    {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let slot = Arc::new(Mutex::new(Some(body)));
    (Request::from_parts(parts, Body::new(Shared(Arc::clone(&slot)))), Some(Unread(slot)))
}

impl Unread {
    /// Reads the rest, provided it arrives without a pause, is not too large, and is complete before `patience` has
    /// passed: a client that trickles is cut off.
    pub async fn discard(self, patience: Duration) {
        let Some(mut body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut left = DISCARD;
        let pause = patience.min(Duration::from_secs(2));
        let reading = async {
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(pause, body.frame()).await {
                let size = frame.data_ref().map_or(0, Bytes::len);
                let Some(less) = left.checked_sub(size) else { return };
                left = less;
            }
        };
        // The response is sent whether or not this timed out.
        let _ = tokio::time::timeout(patience, reading).await;
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.as_mut() {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }
    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(HttpBody::is_end_stream)
    }
    fn size_hint(&self) -> SizeHint {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

/// Returns the problem for a body that arrived too slowly (RFC 9110 §15.5.9).
fn too_slow() -> Problem {
    let text = "the body came too slowly; send it again over a faster connection";
    Problem::with_status(StatusCode::REQUEST_TIMEOUT, Error::new(ErrorCode::Invalid, text))
}

/// Returns the problem for a broken connection, or a body that differs from what its head said.
pub(crate) fn truncated() -> Problem {
    Problem::malformed(Error::new(ErrorCode::Invalid, "the body ended before it was whole"))
}

/// A body that must arrive at a minimum rate: slow and steady is accepted, anything less is not. Only time spent
/// waiting for the client counts.
struct Paced {
    body: Body,
    window: Duration,
    least: u64,
    /// Time waited in this window so far.
    waited: Duration,
    came: u64,
}

impl Paced {
    fn new(body: Body, options: &Options) -> Self {
        let window = options.body_window;
        let least =
            u64::try_from(window.as_millis()).unwrap_or(u64::MAX).saturating_mul(options.body_rate.into()) / 1_000;
        Self { body, window, least, waited: Duration::ZERO, came: 0 }
    }

    /// Returns the next bytes, or `None` at the end.
    async fn next(&mut self) -> Answer<Option<Bytes>> {
        loop {
            let began = Instant::now();
            let Ok(frame) = tokio::time::timeout(self.window.saturating_sub(self.waited), self.body.frame()).await
            else {
                if self.came < self.least {
                    return Err(too_slow());
                }
                (self.waited, self.came) = (Duration::ZERO, 0);
                continue;
            };
            let waited = began.elapsed();
            if self.waited + waited >= self.window {
                // Either it arrived just in time or nobody polled for a while: if the machine was suspended, that is
                // not the client's fault.
                (self.waited, self.came) = (Duration::ZERO, 0);
            } else {
                self.waited += waited;
            }
            let Some(frame) = frame else { return Ok(None) };
            // Trailers are ignored.
            if let Ok(data) = frame.map_err(|_| truncated())?.into_data() {
                self.came += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }
}

/// Reads the whole body, at most [`JSON_LIMIT`] bytes, into memory, and returns the request with its share of that
/// memory.
pub(crate) async fn arrived(request: Request, client: Network, ctx: &Ctx) -> Answer<(Request, Option<Place<Network>>)> {
    let (parts, body) = request.into_parts();
    let too_large = || Problem::from(Error::too_large("the body", JSON_LIMIT as u64));
    let size = body.size_hint();
    if size.lower() > JSON_LIMIT as u64 {
        return Err(too_large());
    }
    let at_most = size.upper().and_then(|size| usize::try_from(size).ok()).unwrap_or(JSON_LIMIT).min(JSON_LIMIT);
    let memory = counted(ctx, client, at_most).map_err(Error::from)?;
    let mut body = Paced::new(body, &ctx.options);
    // Nearly all bodies are one piece, which is not copied.
    let first = body.next().await?.unwrap_or_default();
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await? {
        if first.len().max(whole.len()) + piece.len() > JSON_LIMIT {
            return Err(too_large());
        }
        if whole.is_empty() {
            whole.reserve_exact(at_most);
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
    }
    let whole = if whole.is_empty() { first } else { whole.into() };
    if whole.len() > JSON_LIMIT {
        return Err(too_large());
    }
    Ok((Request::from_parts(parts, Body::from(whole)), memory))
}

fn counted(ctx: &Ctx, client: Network, size: usize) -> Result<Option<Place<Network>>, Full> {
    if size <= UNCOUNTED { Ok(None) } else { ctx.places.bodies.take(client, size).map(Some) }
}

/// Returns the bytes of a body: for JSON, those that [`arrived`] has already read; for any other, up to the limit.
pub(crate) async fn whole(body: Body) -> Answer<Bytes> {
    let limited = http_body_util::Limited::new(body, JSON_LIMIT);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Error::too_large("the body", JSON_LIMIT as u64).into())
        }
        Err(_) => Err(truncated()),
    }
}

/// Receives an upload of at most `limit` bytes. It is not held in memory, and does not occupy a place among the
/// requests that are being handled.
///
/// Fails with `rate_limited` when this account, or this address, already sends too many uploads at once.
pub(crate) async fn received(request: Request, actor: &Actor, limit: u64, ctx: &Ctx) -> Answer<Spool> {
    let body = request.into_body();
    let too_large = || Problem::from(Error::too_large("the body", limit));
    if body.size_hint().lower() > limit {
        return Err(too_large());
    }
    let _account = actor.user_id().map(|user| ctx.places.incoming_of.take(user, 1)).transpose().map_err(Error::from)?;
    let client = slot::client();
    let _address = client.map(|client| ctx.places.incoming.take(client, 1)).transpose().map_err(Error::from)?;
    slot::released(ctx, async {
        let mut spool = ctx.app.spool();
        let mut body = Paced::new(body, &ctx.options);
        while let Some(piece) = body.next().await? {
            if spool.len() + piece.len() as u64 > limit {
                return Err(too_large());
            }
            spool.push(&piece).await?;
        }
        Ok(spool)
    })
    .await
}
