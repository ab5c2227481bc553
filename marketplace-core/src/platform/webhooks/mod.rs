//! Requests to the operator's own systems, and how many of them run. Each endpoint has places of its own: one that is slow,
//! silent or gone delays nobody else.

pub(crate) mod address;
#[cfg(feature = "webhooks")]
pub(crate) mod client;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    base::{ids::WebhookId, time::Timestamp},
    platform::config::Config,
};

/// Number of requests to one endpoint that one program has under way.
pub(crate) const TOGETHER: usize = 4;
/// More than all endpoints together can have.
const ALL: u32 = 1_024;
/// Failures in a row after which an endpoint is tried by one request at a time, with pauses between.
const MANY: u32 = 5;
/// The first of these pauses, which doubles, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How many things wait and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Waiting ones of endpoints that are switched on, up to 1,000 each.
    pub waiting: i64,
    /// Failed ones that are kept for a while, up to 1,000 each.
    pub failed: i64,
    /// Since when the oldest waits at an endpoint that is switched on.
    pub oldest_at: Option<Timestamp>,
    /// Endpoints that were switched off because they do not work.
    pub disabled: i64,
}

/// What one program is sending.
#[derive(Debug)]
pub(crate) struct Webhooks {
    all: Arc<Semaphore>,
    lanes: Mutex<HashMap<WebhookId, Lane>>,
    pub stopping: AtomicBool,
    pub sent: AtomicU64,
    /// The latest count, and when it was made.
    pub backlog: Mutex<(Backlog, Option<Timestamp>)>,
    #[cfg(feature = "webhooks")]
    pub client: client::Client,
}

/// What one program is sending to one endpoint.
#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    /// Failures in a row.
    failures: u32,
    rests_until: Option<Timestamp>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(TOGETHER)), failures: 0, rests_until: None }
    }
}

impl Webhooks {
    /// Creates it from the configuration; sends nothing yet.
    pub fn open(config: &Config) -> Self {
        #[cfg(not(feature = "webhooks"))]
        let _ = config;
        Self {
            all: Arc::new(Semaphore::new(usize::try_from(ALL).unwrap_or(TOGETHER))),
            lanes: Mutex::default(),
            stopping: AtomicBool::default(),
            sent: AtomicU64::default(),
            backlog: Mutex::default(),
            #[cfg(feature = "webhooks")]
            client: client::Client::new(&config.webhooks, Arc::new(client::SystemLookup), TOGETHER),
        }
    }

    fn with_lane<T>(&self, id: WebhookId, work: impl FnOnce(&mut Lane) -> T) -> T {
        work(self.lanes.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default())
    }

    /// Returns a place for a request to an endpoint; none when it has enough of them, or rests.
    pub fn place(&self, id: WebhookId, now: Timestamp) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let place = self.with_lane(id, |lane| {
            let is_busy = lane.failures >= MANY && lane.places.available_permits() < TOGETHER;
            let rests = lane.rests_until.is_some_and(|until| now < until);
            if is_busy || rests { None } else { Arc::clone(&lane.places).try_acquire_owned().ok() }
        })?;
        Some((place, Arc::clone(&self.all).try_acquire_owned().ok()?))
    }

    /// Notes how a request went. Returns whether the next may follow at once.
    pub fn went(&self, id: WebhookId, well: bool, now: Timestamp) -> bool {
        self.with_lane(id, |lane| {
            lane.failures = if well { 0 } else { lane.failures.saturating_add(1) };
            let doublings = lane.failures.saturating_sub(MANY).min(10);
            let pause = PAUSES.0.saturating_mul(1 << doublings).min(PAUSES.1);
            lane.rests_until = (lane.failures >= MANY).then(|| now + pause);
            lane.failures < MANY
        })
    }

    /// Waits until nothing is being sent. Returns how much was sent since the last call.
    pub async fn idle(&self) -> u64 {
        // The semaphore is never closed.
        let all = self.all.acquire_many(ALL).await;
        drop(all);
        self.sent.swap(0, Ordering::Relaxed)
    }
}
