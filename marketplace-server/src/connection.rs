//! What a connection may take its time for. hyper limits the head of an HTTP/1 request and nothing else; this closes
//! connections that say nothing, that idle between requests, and that do not take their answer.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// What both the stream and the requests of one connection know.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests that came and whose answer is not wholly handed to the connection.
    under_way: AtomicUsize,
    /// When the last of them ended, in milliseconds since `opened`.
    ended: AtomicU64,
}

impl Activity {
    /// Of a connection that was just accepted.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { opened: Instant::now(), under_way: AtomicUsize::new(0), ended: AtomicU64::new(0) })
    }
    /// A request begins; it ends when the guard goes.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }
    fn idle_since(&self) -> Option<Instant> {
        (self.under_way.load(Ordering::Relaxed) == 0)
            .then(|| self.opened + Duration::from_millis(self.ended.load(Ordering::Relaxed)))
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.ended.store(now, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body, with the request that it belongs to.
pub(crate) struct Tracked {
    body: Body,
    _request: UnderWay,
}

impl Tracked {
    /// The request is under way until `body` is sent or given up.
    pub fn new(body: Body, request: UnderWay) -> Self {
        Self { body, _request: request }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = <UnsyncBoxBody<Bytes, axum::Error> as HttpBody>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that fails with `TimedOut` when its connection idles for too long, from its first moment on, or when the peer
/// takes no bytes for that long.
///
/// The timer is not moved at every byte: when it fires it looks how much time is left, so traffic costs nothing.
pub(crate) struct IdleStream<S> {
    inner: S,
    activity: Arc<Activity>,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    write_stuck_since: Option<Instant>,
}

impl<S> IdleStream<S> {
    /// `limit` counts from when the connection was accepted.
    pub fn new(inner: S, activity: Arc<Activity>, limit: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(activity.opened + limit));
        Self { inner, activity, limit, timer, write_stuck_since: None }
    }

    /// Ready when the connection has to go.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let since = match self.write_stuck_since {
                Some(since) => since,
                None => self.activity.idle_since().unwrap_or(now),
            };
            let end = since + self.limit;
            if end <= now {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(end);
        }
    }

    fn after_write<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.write_stuck_since = None;
            return outcome;
        }
        self.write_stuck_since.get_or_insert_with(Instant::now);
        self.poll_expired(cx).map(Err)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            Poll::Pending => self.poll_expired(cx).map(Err),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.after_write(cx, outcome)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.after_write(cx, outcome)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.after_write(cx, outcome)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.after_write(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends() {
        let (near, _far) = tokio::io::duplex(64);
        let mut stream = IdleStream::new(near, Activity::new(), LIMIT);
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_keeps_it_and_idling_counts_from_its_end() {
        let (near, _far) = tokio::io::duplex(64);
        let activity = Activity::new();
        let request = activity.begin();
        let mut stream = IdleStream::new(near, Arc::clone(&activity), LIMIT);
        assert!(tokio::time::timeout(LIMIT * 5, stream.read_u8()).await.is_err());
        drop(request);
        assert!(tokio::time::timeout(LIMIT * 9 / 10, stream.read_u8()).await.is_err());
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (near, _far) = tokio::io::duplex(4);
        let activity = Activity::new();
        let _request = activity.begin();
        let mut stream = IdleStream::new(near, activity, LIMIT);
        let error = stream.write_all(b"more than four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
