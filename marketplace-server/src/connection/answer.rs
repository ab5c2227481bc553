//! A response body that tracks when the client has received it.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};

use super::{Exchange, Working};

/// A response body that counts its request as in progress until the last byte has reached the kernel, not only one of
/// our buffers.
pub(crate) struct Answer {
    body: Body,
    exchange: Arc<Exchange>,
    /// A body without a known length is produced while it is sent, so the server is working on it.
    _working: Option<Working>,
}

impl Answer {
    /// Creates the body of the response in `exchange`.
    pub fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        let working = body.size_hint().exact().is_none().then(|| exchange.work());
        Self { body, exchange, _working: working }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = <UnsyncBoxBody<Bytes, axum::Error> as HttpBody>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let tracked = |frame: Frame<Bytes>| frame.map_data(|bytes| Piece::track(bytes, &self.exchange));
        Poll::Ready(frame.map(|frame| frame.map(tracked)))
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes that hyper holds for the client.
struct Piece {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl Piece {
    fn track(bytes: Bytes, exchange: &Arc<Exchange>) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        exchange.activity.answers.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Self { bytes, exchange: Arc::clone(exchange) })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.exchange.activity.answers.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
