//! The pool of connections to PostgreSQL.
//!
//! This replaces sqlx's pool, which checks each returned connection for liveness, a round trip for every read, and waits
//! for that response without a time limit, so that a connection that died silently keeps its place forever.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use sqlx::Connection;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{CONNECT, Limits, PgConn, Pooling, Prober, State, Target};
use crate::{
    base::{
        call_context::{caller, caller_address},
        error::Error,
    },
    platform::{
        db::{
            DbError,
            error::{cannot_write, lock_did_not_come},
        },
        health::{Component, Health},
        limiter::{Key, Turn, Turns, network},
        load::{PoolLoad, Waits},
    },
};

/// How long a caller waits for a place among the connections.
const PATIENCE: Duration = Duration::from_secs(3);
/// Idle time after which a connection is checked for liveness, which costs a round trip. Under load no connection is idle
/// for so long, so the check costs nothing; without load the cost does not matter.
const TRUSTED: Duration = Duration::from_millis(5);
/// Time limit for the response to that check.
const ALIVE: Duration = Duration::from_millis(400);
/// How long an abandoned connection may take to respond.
const SETTLE: Duration = Duration::from_secs(2);
/// How long an abandoned COMMIT may take to be answered. The server continues it for as long as it takes, and its place
/// stays taken meanwhile; otherwise such connections would accumulate.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// Maximum number of units that may wait for a turn.
const QUEUE: usize = 4_096;
/// One place in this many is reserved for reading, and as many are for the program's own work.
const PART: u32 = 8;
/// Interval between checks for a returned connection while the server accepts no more.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// While the server cannot be reached, one caller retries this long after the last failed attempt; the others fail at once.
const PAUSE: Duration = Duration::from_millis(250);
/// A new attempt starts this long after an attempt that has not ended: the new one arrives before the one that hangs.
const PROBE: Duration = Duration::from_secs(1);
/// Time without a failure after which writes count as working again.
const STEADY: Duration = Duration::from_secs(1);
/// Time without a failed wait for a lock after which locks count as available again.
const LOCKS_COME: Duration = Duration::from_secs(10);
/// Maximum lifetime of a connection, so that connections are redistributed after a failover and behind a load balancer.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// The connections to one server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Cluster>);

#[derive(Debug)]
struct Cluster {
    target: Target,
    limits: Limits,
    size: u32,
    places: Arc<Semaphore>,
    /// The same number of extra places, for overdue connections: while some hang, other callers are served.
    aside: Arc<Semaphore>,
    /// Turns of the writers, taken before a place among the connections. Each caller has a queue of its own, so that a
    /// caller with many units, or with units that wait for a lock, delays only itself. The remaining places are for
    /// reading.
    callers: Turns<Option<Key>>,
    /// Turns of due work, for which no caller waits.
    own: Turns<Option<Key>>,
    prober: Prober,
    /// Idle connections. The last one returned is lent first.
    idle: Mutex<Vec<Idle>>,
    /// When a lock was last not obtained.
    locked: Mutex<Option<Instant>>,
    /// When to retry while the server cannot be reached.
    again: Mutex<Option<Instant>>,
    health: Health,
    waits: Waits,
}

#[derive(Debug)]
struct Idle {
    conn: Box<PgConn>,
    since: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether the server has reached its maximum number of connections.
fn is_refused_for_number(error: &DbError) -> bool {
    let DbError::Unreachable(error) = error else { return false };
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("53300")
}

impl Pool {
    /// Creates a pool of at most `size` connections, plus as many overdue ones. Each is opened when first needed.
    pub(in crate::platform::db) fn new(
        target: Target,
        limits: Limits,
        size: u32,
        prober: Prober,
        health: Health,
    ) -> Self {
        let size = size.max(1);
        let count = |places: u32| usize::try_from(places.max(1)).unwrap_or(1);
        let places = || Arc::new(Semaphore::new(count(size)));
        let (places, aside) = (places(), places());
        let kept = (size / PART).max(1);
        let callers = size.saturating_sub(2 * kept).max(1);
        let own = Turns::new(count(kept), count(kept), QUEUE);
        let callers = Turns::new(count(callers), count(callers / PART), QUEUE);
        let (idle, locked, again) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Cluster {
            target,
            limits,
            size,
            places,
            aside,
            callers,
            own,
            prober,
            idle,
            locked,
            again,
            health,
            waits: Waits::default(),
        }))
    }

    /// Borrows a connection that works, as far as is known.
    pub(in crate::platform::db) async fn acquire(&self) -> Result<PgLease, DbError> {
        let place = match Arc::clone(&self.0.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.place().await?,
        };
        let mut conn = self.known().await;
        if conn.is_none() {
            conn = Some(self.another().await?);
        }
        if let Some(conn) = &mut conn {
            conn.watch.place = Some(place);
            conn.watch.aside = Some(Arc::clone(&self.0.aside));
        }
        Ok(PgLease { conn, pool: self.clone() })
    }

    /// Waits for a place.
    async fn place(&self) -> Result<OwnedSemaphorePermit, DbError> {
        let since = std::time::Instant::now();
        let place = timeout(PATIENCE, Arc::clone(&self.0.places).acquire_owned()).await;
        self.0.waits.over(since, !matches!(place, Ok(Ok(_))));
        match place {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(DbError::Unreachable(sqlx::Error::PoolClosed)),
            Err(_) => Err(DbError::Busy(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Returns how busy the connections are, and how many units wait for a turn to write.
    pub(in crate::platform::db) fn load(&self, pool: &'static str) -> (PoolLoad, usize) {
        let limit = usize::try_from(self.0.size).unwrap_or(1);
        let busy = limit.saturating_sub(self.0.places.available_permits());
        let load = PoolLoad { pool, limit, busy, idle: lock(&self.0.idle).len(), waited: self.0.waits.so_far() };
        (load, self.0.callers.waiting() + self.0.own.waiting())
    }

    /// Borrows a connection for reading. Behind a pooler what is read is a transaction of its own, as each statement is
    /// prepared and run in two rounds, which have to reach the same connection; it is rolled back when the lease ends.
    pub(in crate::platform::db) async fn acquire_to_read(&self) -> Result<PgLease, DbError> {
        let mut lease = self.acquire().await?;
        if self.0.target.is_pooled() {
            lease.begin().await?;
            lease.pooling = Pooling::Reading;
        }
        Ok(lease)
    }

    /// Borrows a connection for a unit that has its turn.
    pub(in crate::platform::db) async fn acquire_for_unit(&self, turn: UnitTurn) -> Result<PgLease, Error> {
        let mut lease = self.acquire().await?;
        lease.watch.turn = Some(turn);
        Ok(lease)
    }

    /// Waits for a turn to write.
    ///
    /// # Errors
    /// Returns `busy` when too many units wait, and `unavailable` while commits are not confirmed.
    pub(in crate::platform::db) async fn turn(&self, of: Option<Key>) -> Result<UnitTurn, Error> {
        self.0.prober.admit()?;
        let turns = if of.is_some() { &self.0.callers } else { &self.0.own };
        let waiting = turns.take(of, "the database has too much to do; try again");
        let turn = timeout(PATIENCE, waiting).await.map_err(|_| DbError::Busy(sqlx::Error::PoolTimedOut))??;
        // Commits may have stopped being confirmed in the meantime.
        self.0.prober.admit()?;
        Ok(turn)
    }

    /// Returns the caller on whose behalf the current work is done.
    pub(in crate::platform::db) fn writer() -> Option<Key> {
        caller().map(Key::Account).or_else(|| caller_address().map(|ip| Key::Address(network(ip))))
    }

    /// Returns whether the server is still working on the COMMIT of one of its processes.
    async fn is_worked_on(&self, pid: i32) -> Result<bool, DbError> {
        let mut lease = self.acquire_to_read().await?;
        let found = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query = 'COMMIT')",
        );
        Ok(found.bind(pid).fetch_one(&mut *lease).await?)
    }

    /// Starts checking, after one COMMIT without a response, whether any COMMIT is answered.
    pub(in crate::platform::db) fn doubt_writes(&self) {
        let pool = self.clone();
        let is_worked_on = move |pid| {
            let pool = pool.clone();
            async move { pool.is_worked_on(pid).await.unwrap_or(false) }.boxed()
        };
        self.0.prober.start(Box::new(is_worked_on), &self.0.target, &self.0.health);
    }

    /// Returns an idle connection that is alive.
    async fn known(&self) -> Option<Box<PgConn>> {
        loop {
            let Idle { mut conn, since } = lock(&self.0.idle).pop()?;
            if since.elapsed() < TRUSTED || conn.settles(ALIVE).await {
                return Some(conn);
            }
            self.distrust();
        }
    }

    /// Opens a connection, or returns one that was given back meanwhile when the server accepts no more.
    async fn another(&self) -> Result<Box<PgConn>, DbError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let error = match self.connect().await {
                Ok(conn) => return Ok(Box::new(conn)),
                Err(error) => error,
            };
            if !self.is_crowded(&error) || Instant::now() >= until {
                return Err(error);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Some(conn) = self.known().await {
                return Ok(conn);
            }
        }
    }

    /// Returns whether the server accepts no more connections besides those of this pool in use.
    fn is_crowded(&self, error: &DbError) -> bool {
        // This caller's own place is among those taken.
        let others = self.0.places.available_permits() + 1 < usize::try_from(self.0.size).unwrap_or(1);
        is_refused_for_number(error) && (others || !lock(&self.0.idle).is_empty())
    }

    async fn connect(&self) -> Result<PgConn, DbError> {
        {
            let mut again = lock(&self.0.again);
            if let Some(at) = *again {
                if Instant::now() >= at {
                    *again = Some(Instant::now() + PROBE);
                    // In a task, so that no caller waits for an attempt that probably fails.
                    tokio::spawn(self.clone().reconnect());
                }
                let refused = std::io::Error::other("it could not be reached a moment ago");
                return Err(DbError::Unreachable(refused.into()));
            }
        }
        let made = self.0.target.connect(Some(self.0.limits)).await;
        match &made {
            Ok(_) => self.reached(),
            // A pool of one has no other connections, and knows nothing of those of other pools.
            Err(error) if self.is_crowded(error) || (self.0.size == 1 && is_refused_for_number(error)) => {}
            Err(error) => self.failed(error),
        }
        made
    }

    /// Checks whether the server can be reached again.
    async fn reconnect(self) {
        match self.0.target.connect(Some(self.0.limits)).await {
            Ok(conn) => {
                self.reached();
                self.put_back(Box::new(conn));
            }
            // A later attempt succeeded first.
            Err(_) if lock(&self.0.again).is_none() => {}
            Err(error) => self.failed(&error),
        }
    }

    fn reached(&self) {
        *lock(&self.0.again) = None;
        self.0.health.succeeded(Component::Database);
    }

    fn failed(&self, error: &DbError) {
        *lock(&self.0.again) = Some(Instant::now() + PAUSE);
        self.0.health.failed(Component::Database, error.in_full());
    }

    /// Records the outcome of a unit.
    pub(in crate::platform::db) fn wrote(&self, error: Option<&Error>) {
        self.note_lock(error);
        if self.0.prober.is_silent() {
            // Only an answered COMMIT is conclusive, and not every unit has something to commit.
            return;
        }
        if let Some(why) = error.and_then(cannot_write) {
            *lock(self.0.prober.refused()) = Some(Instant::now());
            self.0.health.failed(Component::DatabaseWrites, why);
        } else if error.is_none() && !self.0.health.works(Component::DatabaseWrites) {
            // On a full disk small writes succeed between large ones that fail: that is one state, not many.
            let steady = lock(self.0.prober.refused()).is_none_or(|at| at.elapsed() >= STEADY);
            if steady {
                self.0.health.succeeded(Component::DatabaseWrites);
            }
        }
    }

    /// Records a lock that is held for long: it stops only the callers that need it, and nothing else reports it.
    fn note_lock(&self, error: Option<&Error>) {
        let mut locked = lock(&self.0.locked);
        if error.is_some_and(lock_did_not_come) {
            if locked.replace(Instant::now()).is_none() {
                tracing::warn!("somebody holds a lock in the database for long, see pg_locks; who needs it is refused");
            }
        } else if locked.is_some_and(|at| at.elapsed() >= LOCKS_COME) {
            *locked = None;
            tracing::info!("locks in the database come again");
        }
    }

    /// Opens a connection outside the pool, for as long as its work takes. Only the server's own limits apply.
    pub(crate) async fn connect_apart(&self) -> Result<PgConn, DbError> {
        self.0.target.connect(None).await
    }

    /// Distrusts the idle connections after one broke: others may have broken as well, so they are replaced.
    fn distrust(&self) {
        lock(&self.0.idle).clear();
    }

    fn put_back(&self, mut conn: Box<PgConn>) {
        let (place, turn) = (conn.watch.place.take(), conn.watch.turn.take());
        if conn.pooling == Pooling::Reading {
            conn.pooling = Pooling::Transaction;
        }
        if conn.born.elapsed() < LIFE && !self.0.places.is_closed() {
            let mut idle = lock(&self.0.idle);
            if idle.len() < usize::try_from(self.0.size).unwrap_or(1) {
                idle.push(Idle { conn, since: Instant::now() });
            }
        }
        // Released last, so that the next caller in line finds the connection.
        drop((place, turn));
    }

    /// Waits until all connections have been returned, and closes them.
    pub(in crate::platform::db) async fn close(&self) {
        // Connections that hang are given up.
        let all = timeout(CONNECT + SETTLE, self.0.places.acquire_many(self.0.size)).await;
        self.0.places.close();
        drop(all);
        let idle = std::mem::take(&mut *lock(&self.0.idle));
        for Idle { conn, .. } in idle {
            // The connection is discarded in any case.
            let _ = timeout(ALIVE, conn.raw.close()).await;
        }
    }
}

/// A turn to write.
pub(in crate::platform::db) type UnitTurn = Turn<Option<Key>>;

/// A borrowed connection, returned to the pool when dropped if it is still usable.
#[derive(Debug)]
pub struct PgLease {
    /// `Some` until dropped.
    conn: Option<Box<PgConn>>,
    pool: Pool,
}

impl Drop for PgLease {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        if conn.is_clean() {
            self.pool.put_back(conn);
        } else if conn.watch.state == State::Broken {
            // Dropped without closing it properly, which could hang as well.
            self.pool.distrust();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The caller did not wait for a response, or for the end of a transaction.
            let pool = self.pool.clone();
            let within = if conn.is_committing { GIVEN_UP } else { SETTLE };
            // Other units of the same caller do not have to wait for that.
            conn.watch.turn = None;
            runtime.spawn(async move {
                if conn.settles(within).await {
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
