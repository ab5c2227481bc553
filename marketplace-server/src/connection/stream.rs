//! The stream below a connection, with its timeouts.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{Activity, Member};

/// The first bytes from a client that speaks HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The number of bytes that the client must read at once to count as a sizeable piece.
const PIECE: usize = 1024;

/// A stream that fails with `TimedOut` when its connection idles for too long, from its first moment on, or when the
/// peer reads too slowly what is ready for it.
///
/// The timer is not moved at every byte: when it fires it checks how much time is left, so traffic costs nothing.
pub(crate) struct ClientStream<S> {
    inner: S,
    activity: Arc<Activity>,
    limit: Duration,
    /// The least number of bytes that the peer must read within `limit`.
    least: u64,
    timer: Pin<Box<Sleep>>,
    written: u64,
    is_stuck: bool,
    /// Bytes that were read and put back; they are read next.
    again: Vec<u8>,
    /// The time since when there is something that the peer does not read, and how much had been written until then.
    behind: Option<(Instant, u64)>,
    /// The owner of the stream has the place, even after the connection has stopped being HTTP.
    member: Member,
}

impl<S> ClientStream<S> {
    /// Creates a stream; `limit` counts from when the connection was accepted, `rate` is in bytes per second.
    pub fn new(inner: S, member: Member, limit: Duration, rate: u32) -> Self {
        let activity = Arc::clone(member.activity());
        let timer = Box::pin(tokio::time::sleep_until(activity.opened + limit));
        let least = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).saturating_mul(rate.into()) / 1_000;
        Self {
            inner,
            activity,
            limit,
            least,
            timer,
            written: 0,
            is_stuck: false,
            again: Vec::new(),
            behind: None,
            member,
        }
    }

    /// Returns the connection's place.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// Puts back bytes that were read from it.
    pub fn put_back(&mut self, bytes: &[u8]) {
        self.again.splice(..0, bytes.iter().copied());
    }

    fn set_stuck(&mut self, is_stuck: bool) {
        if self.is_stuck != is_stuck {
            self.is_stuck = is_stuck;
            self.activity.is_stuck.store(is_stuck, Ordering::Relaxed);
        }
    }

    /// Ready when the connection must be closed.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let idle = self.activity.idle_since();
            if !self.is_stuck && self.activity.answers.load(Ordering::Relaxed) == 0 {
                self.behind = None;
            }
            let (since, may_end) = match (self.behind, idle) {
                (Some((since, before)), _) => (since, self.written - before < self.least),
                (None, Some(since)) => (since, true),
                (None, None) => {
                    // Data that waits for the client from this moment is judged next time.
                    self.behind = Some((now, self.written));
                    (now, false)
                }
            };
            let end = since + self.limit;
            if end <= now {
                if may_end {
                    return Poll::Ready(io::ErrorKind::TimedOut.into());
                }
                self.behind = Some((now, self.written));
                self.timer.as_mut().reset(now + self.limit);
            } else {
                self.timer.as_mut().reset(end);
            }
        }
    }

    fn after_write(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(taken)) => {
                self.set_stuck(false);
                self.written += taken as u64;
                if taken >= PIECE {
                    self.activity.took_at.store(self.activity.millis(), Ordering::Relaxed);
                }
                outcome
            }
            Poll::Ready(Err(_)) => outcome,
            Poll::Pending => {
                self.set_stuck(true);
                self.fall_behind();
                self.poll_expired(cx).map(Err)
            }
        }
    }

    fn fall_behind(&mut self) {
        if self.behind.is_none() {
            let now = Instant::now();
            self.behind = Some((now, self.written));
            // The timer may already be set to the end of the next idle period.
            if self.timer.deadline() > now + self.limit {
                self.timer.as_mut().reset(now + self.limit);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> ClientStream<S> {
    /// Returns whether the client speaks HTTP/2 from the first byte, as it may with prior knowledge. `patience` limits
    /// the time for the whole preface, once it has begun.
    pub async fn begins_http2(&mut self, patience: Duration) -> io::Result<bool> {
        self.wakes().await?;
        let rest = async {
            while self.again.len() < PREFACE.len() && PREFACE.starts_with(&self.again) {
                self.read_more().await?;
            }
            Ok(self.again.starts_with(PREFACE))
        };
        tokio::time::timeout(patience, rest).await?
    }

    /// Waits until there is something to read.
    pub async fn wakes(&mut self) -> io::Result<()> {
        while self.again.is_empty() {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> io::Result<()> {
        let mut some = [0; PREFACE.len()];
        let before = std::mem::take(&mut self.again);
        let read = self.read(&mut some).await;
        self.again = before;
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.again.extend(some.iter().take(length));
                Ok(())
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.again.is_empty() {
            self.activity.has_unread.store(true, Ordering::Relaxed);
            let again = std::mem::take(&mut self.again);
            let (now, later) = again.split_at(again.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.again.extend_from_slice(later);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            Poll::Pending => self.poll_expired(cx).map(Err),
            ready @ Poll::Ready(_) => {
                if buffer.filled().len() > before {
                    self.activity.has_unread.store(true, Ordering::Relaxed);
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
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
        let outcome = Pin::new(&mut self.inner).poll_flush(cx).map_ok(|()| 0);
        self.after_write(cx, outcome).map_ok(|_| ())
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx).map_ok(|()| 0);
        self.after_write(cx, outcome).map_ok(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::connection::{Answer, Crowd};

    const LIMIT: Duration = Duration::from_secs(30);
    const RATE: u32 = 100;

    fn stream(pipe: usize) -> (ClientStream<tokio::io::DuplexStream>, tokio::io::DuplexStream, Arc<Activity>) {
        let (near, far) = tokio::io::duplex(pipe);
        let activity = Activity::new();
        let member = Crowd::new(9, 9).enter(None, &activity).unwrap();
        (ClientStream::new(near, member, LIMIT, RATE), far, activity)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends() {
        let (mut stream, _far, _) = stream(64);
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_keeps_it_and_idling_counts_from_its_end() {
        let (mut stream, _far, activity) = stream(64);
        let request = activity.begin();
        assert!(tokio::time::timeout(LIMIT * 5, stream.read_u8()).await.is_err());
        drop(request);
        assert!(tokio::time::timeout(LIMIT * 9 / 10, stream.read_u8()).await.is_err());
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mut stream, _far, activity) = stream(4);
        let _request = activity.begin();
        let error = stream.write_all(b"more than four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_little_is_given_up_and_a_slow_one_is_not() {
        for (each_second, given_up) in [(RATE / 2, true), (RATE * 2, false)] {
            let (mut stream, mut far, activity) = stream(16);
            let _request = activity.begin();
            let reader = tokio::spawn(async move {
                let mut buffer = vec![0; each_second as usize];
                while far.read_exact(&mut buffer).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
            let sent = stream.write_all(&vec![7; 20_000]).await;
            assert_eq!(sent.is_err(), given_up, "{each_second} a second: {sent:?}");
            drop(stream);
            reader.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stays_with_us_ends_the_connection() {
        use http_body_util::BodyExt;
        let (mut stream, _far, activity) = stream(64);
        let mut answer = Answer::new("an answer".into(), activity.begin());
        let piece = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        drop(answer);
        // Nothing is written, because the client grants no window for it.
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(activity.idle_since().is_none());
        drop(piece);
        assert!(activity.idle_since().is_some());
    }
}
