//! How busy the database and Redis are, for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Counts of something that callers wait for.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    count: AtomicU64,
    micros: AtomicU64,
    failed: AtomicU64,
}

/// What was counted since the program started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// How often somebody waited, whatever came of it.
    pub count: u64,
    /// For how long, all together.
    pub time: Duration,
    /// How often it was in vain.
    pub failed: u64,
}

impl Waits {
    /// Counts a wait that began at `since`.
    pub fn over(&self, since: Instant, in_vain: bool) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if in_vain {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the counts.
    pub fn so_far(&self) -> Waited {
        Waited {
            count: self.count.load(Ordering::Relaxed),
            time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

/// The connections of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLoad {
    /// What they are for: `read`, `write` (SQLite), `usual`, `long`, `replica` (PostgreSQL).
    pub pool: &'static str,
    /// How many there may be.
    pub limit: usize,
    /// How many are lent.
    pub busy: usize,
    /// How many are open and not lent.
    pub idle: usize,
    /// Callers that found all of them lent.
    pub waited: Waited,
}

/// How busy a database is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DatabaseLoad {
    /// Its pools.
    pub pools: Vec<PoolLoad>,
    /// Units of work that wait for their turn to write.
    pub units_waiting: usize,
}
