//! Request bodies: read within limits of size and time, and drained when nobody read them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header::EXPECT,
};
use futures::Stream;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use marketplace_core::error::{Error, ErrorCode};

use crate::problem::{Answer, Problem};

/// Bodies up to this many bytes are in the connection's buffer with the head, or nearly; nothing is done to drain them.
const SMALL: u64 = 16 * 1024;
/// Bytes that are read and thrown away at most, so that a client that is still sending gets to see its answer.
const DISCARD: usize = 32 * 1024 * 1024;

type Slot = Arc<Mutex<Option<Body>>>;

/// A body of which whatever a handler left unread can be thrown away afterwards.
///
/// A server that answers 401 to an upload and closes makes the client see a reset connection instead of the answer.
pub(crate) struct Unread(Slot);

struct Shared(Slot);

/// Splits a large body so; small ones stay as they are.
pub(crate) fn recoverable(request: Request) -> (Request, Option<Unread>) {
    let body = request.body();
    // A client that waits to be told to go on (`Expect`) has not begun to send.
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
    /// Reads what is left, as long as it comes without a pause, is not too much, and has come by the end of `patience`: a
    /// client that trickles is cut off.
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
        // In time or not, the answer is sent.
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

/// The body took too long.
fn too_slow() -> Problem {
    Problem::malformed(Error::new(ErrorCode::Invalid, "the body did not come to its end in time"))
}

/// The connection broke, or the body was not what its head said.
pub(crate) fn truncated() -> Problem {
    Problem::malformed(Error::new(ErrorCode::Invalid, "the body ended before it was whole"))
}

/// Reads a whole body of at most `limit` bytes within `timeout`.
pub(crate) async fn read(body: Body, limit: usize, timeout: Duration) -> Answer<Bytes> {
    let too_large = || Problem::from(Error::too_large("the body", limit as u64));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let limited = http_body_util::Limited::new(body, limit);
    match tokio::time::timeout(timeout, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(truncated()),
        Err(_) => Err(too_slow()),
    }
}

/// A body piece by piece, with at most `pause` between two.
pub(crate) fn pieces(body: Body, pause: Duration) -> impl Stream<Item = Result<Bytes, PieceError>> + Send {
    futures::stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        loop {
            return match tokio::time::timeout(pause, body.frame()).await {
                Err(_) => Some((Err(PieceError::Slow), None)),
                Ok(None) => None,
                Ok(Some(Err(_))) => Some((Err(PieceError::Broken), None)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some((Ok(data), Some(body))),
                    // Trailers say nothing here.
                    Err(_) => continue,
                },
            };
        }
    })
}

/// Why a piece did not come.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum PieceError {
    /// Nothing came for too long.
    #[error("the body did not come to its end in time")]
    Slow,
    /// The connection broke.
    #[error("the body ended before it was whole")]
    Broken,
}
