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

/// State that the stream, the requests and the crowd of one connection share.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests that arrived and whose responses are not completely in the kernel's hands.
    requests: AtomicUsize,
    /// Those of them that wait for the server and not for the client.
    working: AtomicUsize,
    /// Response bytes that the client has not read.
    answers: AtomicUsize,
    /// The time since when everything in progress waits for the client, in milliseconds since `opened`.
    waiting_since: AtomicU64,
    /// The time when the client last read a sizeable piece of a response, in milliseconds since `opened`.
    took_at: AtomicU64,
    /// Whether bytes arrived that are not yet part of a request.
    has_unread: AtomicBool,
    /// Whether the client currently does not read what is ready for it.
    is_stuck: AtomicBool,
    /// Ends the connection.
    end: CancellationToken,
}

/// How expendable a connection is when one must be closed; lower values are closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// No request has been in progress since then.
    Idle(Duration),
    /// All requests have been waiting for their client since then: for their bodies, or for their responses to be read.
    Waiting(Duration),
    /// The server is working for it.
    Busy,
}

impl Activity {
    /// Creates the activity of a connection that was just accepted.
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

    /// Registers a new request; it ends when the guard and all bytes of its response are gone.
    pub fn begin(self: &Arc<Self>) -> Arc<Exchange> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.has_unread.store(false, Ordering::Relaxed);
        Arc::new(Exchange { activity: Arc::clone(self), place: OnceLock::new(), memory: OnceLock::new() })
    }

    /// Waits until nothing has happened for `time`: no request is in progress, none has begun to arrive, and every byte
    /// of the last response is in the kernel's hands.
    pub async fn quiet(&self, time: Duration) {
        loop {
            tokio::time::sleep(time).await;
            let busy = self.has_unread.load(Ordering::Relaxed) || self.is_stuck.load(Ordering::Relaxed);
            if !busy && self.idle_since().is_some_and(|since| since.elapsed() >= time) {
                return;
            }
        }
    }

    /// Waits until another connection needs the place.
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

    /// Returns the time since when no request is in progress.
    fn idle_since(&self) -> Option<Instant> {
        (self.requests.load(Ordering::Relaxed) == 0 && self.working.load(Ordering::Relaxed) == 0)
            .then(|| self.opened + Duration::from_millis(self.waiting_since.load(Ordering::Relaxed)))
    }
}

/// A request and its response.
#[derive(Debug)]
pub(crate) struct Exchange {
    activity: Arc<Activity>,
    /// Its place among all requests in progress.
    place: OnceLock<Place<Network>>,
    /// Its response's share of memory.
    memory: OnceLock<Place<Network>>,
}

impl Exchange {
    /// Returns the connection that it arrived over.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Stores its place among all requests in progress.
    pub fn placed(&self, place: Place<Network>) {
        // A request is given a place only once.
        let _ = self.place.set(place);
    }

    /// Stores its response's share of memory.
    pub fn remembered(&self, memory: Place<Network>) {
        let _ = self.memory.set(memory);
    }

    /// Marks the request as being worked on until the guard is dropped.
    pub fn work(&self) -> Working {
        self.activity.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(&self.activity))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Its body has been read; hyper gives back whatever followed it.
        self.activity.has_unread.store(false, Ordering::Relaxed);
        self.activity.waits();
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Guard of a request that the server is working on.
#[derive(Debug)]
pub(crate) struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.waits();
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}
