//! Connections: how many there are, what each of them waits for, and which are closed when there are too many.
//!
//! hyper limits only the head of an HTTP/1 request. [`ClientStream`] closes connections that send nothing, that idle
//! between requests, and that do not read their responses. [`Crowd`] limits the number of connections of one address, and
//! closes those that have waited longest for their client, so that there is always a place for a new one.

mod answer;
mod crowd;
mod stream;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use marketplace_core::limiter::Place;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    answer::Answer,
    crowd::{Crowd, HTTP2, Member},
    stream::ClientStream,
};
use crate::network::Network;

/// What the stream, the requests and the crowd of one connection know.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests that came, and whose answers are not wholly in the kernel's hands.
    requests: AtomicUsize,
    /// Those of them that wait for the server and not for the client.
    working: AtomicUsize,
    /// Bytes of answers that the client has not taken.
    answers: AtomicUsize,
    /// Since when all that is under way waits for the client, in milliseconds since `opened`.
    waiting_since: AtomicU64,
    /// When the client last took a good piece of an answer, likewise.
    took_at: AtomicU64,
    /// Whether bytes came that no request was made of yet.
    has_unread: AtomicBool,
    /// Whether the client does not take what there is for it at present.
    is_stuck: AtomicBool,
    /// Ends the connection.
    end: CancellationToken,
}

/// What a connection is to whoever has to choose between them; the first ones go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// No request is under way, since then.
    Idle(Duration),
    /// Requests wait for their client, since then: for their bodies, or for their answers to be taken.
    Waiting(Duration),
    /// The server works for it.
    Busy,
}

impl Activity {
    /// Of a connection that was just accepted.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            waiting_since: AtomicU64::new(0),
            took_at: AtomicU64::new(0),
            has_unread: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            end: CancellationToken::new(),
        })
    }

    /// A request begins; it ends when the guard and all of its answer's bytes are gone.
    pub fn begin(self: &Arc<Self>) -> Arc<Exchange> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.has_unread.store(false, Ordering::Relaxed);
        Arc::new(Exchange { activity: Arc::clone(self), place: OnceLock::new(), memory: OnceLock::new() })
    }

    /// Waits until nothing has happened for so long: no request is under way, none has begun to come, and every byte of the
    /// last answer is in the kernel's hands.
    pub async fn quiet(&self, time: Duration) {
        loop {
            tokio::time::sleep(time).await;
            let busy = self.has_unread.load(Ordering::Relaxed) || self.is_stuck.load(Ordering::Relaxed);
            if !busy && self.idle_since().is_some_and(|since| since.elapsed() >= time) {
                return;
            }
        }
    }

    /// Waits until somebody else needs the place.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn waits(&self) {
        self.waiting_since.store(self.millis(), Ordering::Relaxed);
    }

    fn standing(&self, epoch: Instant) -> Standing {
        let since = || {
            let since = self.opened + Duration::from_millis(self.waiting_since.load(Ordering::Relaxed));
            since.saturating_duration_since(epoch)
        };
        if self.working.load(Ordering::Relaxed) > 0 {
            Standing::Busy
        } else if self.requests.load(Ordering::Relaxed) > 0 {
            Standing::Waiting(since())
        } else {
            Standing::Idle(since())
        }
    }

    /// Since when no request is under way.
    fn idle_since(&self) -> Option<Instant> {
        (self.requests.load(Ordering::Relaxed) == 0 && self.working.load(Ordering::Relaxed) == 0)
            .then(|| self.opened + Duration::from_millis(self.waiting_since.load(Ordering::Relaxed)))
    }
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    activity: Arc<Activity>,
    /// Its place among all that is under way.
    place: OnceLock<Place<Network>>,
    /// Its answer's place in memory.
    memory: OnceLock<Place<Network>>,
}

impl Exchange {
    /// The connection that it came over.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Has its place among all that is under way from now on.
    pub fn placed(&self, place: Place<Network>) {
        // A request is placed once.
        let _ = self.place.set(place);
    }

    /// Has its answer's place in memory from now on.
    pub fn remembered(&self, memory: Place<Network>) {
        let _ = self.memory.set(memory);
    }

    /// The server works on it until the guard goes.
    pub fn work(&self) -> Working {
        self.activity.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(&self.activity))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Its body was read; what came behind it hyper gives back.
        self.activity.has_unread.store(false, Ordering::Relaxed);
        self.activity.waits();
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that the server works on.
#[derive(Debug)]
pub(crate) struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.waits();
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}
