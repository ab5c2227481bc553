//! Connections to PostgreSQL, lent in turn.
//!
//! Not sqlx's pool: that one asks each connection that comes back whether it lives, which is a round trip for every read, and
//! waits for that answer without an end, so that a connection which died silently keeps its place for ever.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::Connection;
use sqlx::postgres::PgConnectOptions;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{CONNECT, Limits, PgConn, State};
use crate::{
    base::error::Error,
    platform::{
        db::{DbError, error::cannot_write},
        health::{Component, Health},
    },
};

/// For a place among the connections.
const PATIENCE: Duration = Duration::from_secs(3);
/// A connection that was not used for so long is asked whether it lives, which costs a round trip. With much to do none is at
/// rest for as long, and nobody pays; with little to do nobody minds.
const TRUSTED: Duration = Duration::from_millis(5);
/// For the answer to that.
const ALIVE: Duration = Duration::from_millis(400);
/// For a connection to answer whose caller went away.
const SETTLE: Duration = Duration::from_secs(2);
/// While the server cannot be reached one caller tries so long after the last one that failed, and the others are told at once.
const PAUSE: Duration = Duration::from_millis(250);
/// And so long after the last one that has not ended: what is tried again arrives before what waits.
const PROBE: Duration = Duration::from_secs(1);
/// Without a failure for so long, writes work again.
const STEADY: Duration = Duration::from_secs(1);
/// No connection is kept longer: after a failover, and behind a balancer, they spread again.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// The connections to one server; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    limits: Limits,
    size: u32,
    places: Arc<Semaphore>,
    /// As many places again, for connections that are overdue: while some hang, others are served.
    aside: Arc<Semaphore>,
    /// The one that came back last is lent first.
    idle: Mutex<Vec<Idle>>,
    /// While it cannot be reached: when to try again.
    again: Mutex<Option<Instant>>,
    /// When a write failed last because the server could not.
    refused: Mutex<Option<Instant>>,
    health: Health,
}

#[derive(Debug)]
struct Idle {
    conn: Box<PgConn>,
    since: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// At most `size` at once, and as many that are overdue; each is made when it is needed first.
    pub(in crate::platform::db) fn new(options: PgConnectOptions, limits: Limits, size: u32, health: Health) -> Self {
        let size = size.max(1);
        let places = || Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(1)));
        let (places, aside) = (places(), places());
        let (idle, again, refused) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { options, limits, size, places, aside, idle, again, refused, health }))
    }

    /// Lends a connection that works, as far as is known.
    pub(in crate::platform::db) async fn acquire(&self) -> Result<PgLease, DbError> {
        let place = match timeout(PATIENCE, Arc::clone(&self.0.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(DbError::Unreachable(sqlx::Error::PoolClosed)),
            Err(_) => return Err(DbError::Busy(sqlx::Error::PoolTimedOut)),
        };
        let mut conn = self.known().await;
        if conn.is_none() {
            conn = Some(Box::new(self.connect().await?));
        }
        if let Some(conn) = &mut conn {
            conn.watch.place = Some(place);
            conn.watch.aside = Some(Arc::clone(&self.0.aside));
        }
        Ok(PgLease { conn, pool: self.clone() })
    }

    /// One that was used before and lives.
    async fn known(&self) -> Option<Box<PgConn>> {
        loop {
            let Idle { mut conn, since } = lock(&self.0.idle).pop()?;
            if since.elapsed() < TRUSTED || conn.settles(ALIVE).await {
                return Some(conn);
            }
            self.distrust();
        }
    }

    async fn connect(&self) -> Result<PgConn, DbError> {
        let tries_again = {
            let mut again = lock(&self.0.again);
            if let Some(at) = *again {
                if Instant::now() < at {
                    let refused = std::io::Error::other("it could not be reached a moment ago");
                    return Err(DbError::Unreachable(refused.into()));
                }
                *again = Some(Instant::now() + PROBE);
            }
            again.is_some()
        };
        let made = PgConn::connect(&self.0.options, Some(self.0.limits)).await;
        let mut again = lock(&self.0.again);
        match &made {
            Ok(_) => {
                *again = None;
                self.0.health.succeeded(Component::Database);
            }
            // Somebody who tried later was there first.
            Err(_) if tries_again && again.is_none() => {}
            Err(error) => {
                *again = Some(Instant::now() + PAUSE);
                self.0.health.failed(Component::Database, error.in_full());
            }
        }
        drop(again);
        made
    }

    /// Records how a unit went.
    pub(in crate::platform::db) fn wrote(&self, error: Option<&Error>) {
        if let Some(why) = error.and_then(cannot_write) {
            *lock(&self.0.refused) = Some(Instant::now());
            self.0.health.failed(Component::DatabaseWrites, why);
        } else if error.is_none() && !self.0.health.works(Component::DatabaseWrites) {
            // On a full disk small writes succeed between large ones that fail: that is one state, not many.
            let steady = lock(&self.0.refused).is_none_or(|at| at.elapsed() >= STEADY);
            if steady {
                self.0.health.succeeded(Component::DatabaseWrites);
            }
        }
    }

    /// A connection of its own, for as long as its work takes; the limits are the server's.
    pub(crate) async fn connect_apart(&self) -> Result<PgConn, DbError> {
        PgConn::connect(&self.0.options, None).await
    }

    /// One connection broke: those beside it may have as well, and are made anew.
    fn distrust(&self) {
        lock(&self.0.idle).clear();
    }

    fn put_back(&self, mut conn: Box<PgConn>) {
        let place = conn.watch.place.take();
        if conn.born.elapsed() < LIFE && !self.0.places.is_closed() {
            let mut idle = lock(&self.0.idle);
            if idle.len() < usize::try_from(self.0.size).unwrap_or(1) {
                idle.push(Idle { conn, since: Instant::now() });
            }
        }
        // Whoever waits for it finds the connection.
        drop(place);
    }

    /// Waits until all came back, and closes them.
    pub(in crate::platform::db) async fn close(&self) {
        // What hangs is given up.
        let all = timeout(CONNECT + SETTLE, self.0.places.acquire_many(self.0.size)).await;
        self.0.places.close();
        drop(all);
        let idle = std::mem::take(&mut *lock(&self.0.idle));
        for Idle { conn, .. } in idle {
            // It is going away in any case.
            let _ = timeout(ALIVE, conn.raw.close()).await;
        }
    }
}

/// A connection lent by the pool; goes back when dropped, if it can be lent again.
#[derive(Debug)]
pub struct PgLease {
    /// Some until dropped.
    conn: Option<Box<PgConn>>,
    pool: Pool,
}

impl Drop for PgLease {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        if conn.is_clean() {
            self.pool.put_back(conn);
        } else if conn.watch.state == State::Broken {
            // Dropped without a farewell, which could hang as well.
            self.pool.distrust();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Somebody did not wait for an answer, or for the end of a transaction.
            let pool = self.pool.clone();
            runtime.spawn(async move {
                if conn.settles(SETTLE).await {
                    pool.put_back(conn);
                } else {
                    pool.distrust();
                }
            });
        }
    }
}

#[expect(clippy::expect_used, reason = "it is taken out only when this is dropped")]
impl Deref for PgLease {
    type Target = PgConn;
    fn deref(&self) -> &PgConn {
        self.conn.as_ref().expect("lent until dropped")
    }
}

#[expect(clippy::expect_used, reason = "it is taken out only when this is dropped")]
impl DerefMut for PgLease {
    fn deref_mut(&mut self) -> &mut PgConn {
        self.conn.as_mut().expect("lent until dropped")
    }
}
