//! Connections to PostgreSQL, lent in turn.
//!
//! Not sqlx's pool: that one asks each connection that comes back whether it lives, which is a round trip for every read, and
//! waits for that answer without an end, so that a connection which died silently keeps its place for ever.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use sqlx::Connection;
use sqlx::postgres::PgConnectOptions;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{CONNECT, Limits, PgConn, Prober, State};
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
/// For the answer to COMMIT, when nobody waits for it any more: the server goes on with it for as long as it takes, and its
/// place is not another's meanwhile, or there would be ever more of them.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// Units that may wait for a turn.
const QUEUE: usize = 4_096;
/// One part in so many of the places is for reading only, and as many are for the program's own work.
const PART: u32 = 8;
/// Between two looks for a connection that came back, when the server has none more to give.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// While the server cannot be reached one caller tries so long after the last one that failed, and the others are told at once.
const PAUSE: Duration = Duration::from_millis(250);
/// And so long after the last one that has not ended: what is tried again arrives before what waits.
const PROBE: Duration = Duration::from_secs(1);
/// Without a failure for so long, writes work again.
const STEADY: Duration = Duration::from_secs(1);
/// Without one that did not come for so long, locks come again.
const LOCKS_COME: Duration = Duration::from_secs(10);
/// No connection is kept longer: after a failover, and behind a balancer, they spread again.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// The connections to one server; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Cluster>);

#[derive(Debug)]
struct Cluster {
    options: PgConnectOptions,
    limits: Limits,
    size: u32,
    places: Arc<Semaphore>,
    /// As many places again, for connections that are overdue: while some hang, others are served.
    aside: Arc<Semaphore>,
    /// Those who write take turns before they take a place, each caller for their own: whoever asks for much at once, or for
    /// what is locked, waits behind themselves. What is left of the places is for reading.
    callers: Turns<Option<Key>>,
    /// And due work, which no caller waits for.
    own: Turns<Option<Key>>,
    prober: Prober,
    /// The one that came back last is lent first.
    idle: Mutex<Vec<Idle>>,
    /// When a lock did not come last.
    locked: Mutex<Option<Instant>>,
    /// While it cannot be reached: when to try again.
    again: Mutex<Option<Instant>>,
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

/// Whether the server has as many connections as it may.
fn is_refused_for_number(error: &DbError) -> bool {
    let DbError::Unreachable(error) = error else { return false };
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("53300")
}

impl Pool {
    /// At most `size` at once, and as many that are overdue; each is made when it is needed first.
    pub(in crate::platform::db) fn new(
        options: PgConnectOptions,
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
            options,
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
        }))
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
            conn = Some(self.another().await?);
        }
        if let Some(conn) = &mut conn {
            conn.watch.place = Some(place);
            conn.watch.aside = Some(Arc::clone(&self.0.aside));
        }
        Ok(PgLease { conn, pool: self.clone() })
    }

    /// Lends a connection for a unit, when it is its turn.
    pub(in crate::platform::db) async fn acquire_for_unit(&self, turn: UnitTurn) -> Result<PgLease, Error> {
        let mut lease = self.acquire().await?;
        lease.watch.turn = Some(turn);
        Ok(lease)
    }

    /// Waits for a turn at writing.
    ///
    /// # Errors
    /// `busy` when too many wait; `unavailable` while what is written is not confirmed.
    pub(in crate::platform::db) async fn turn(&self, of: Option<Key>) -> Result<UnitTurn, Error> {
        self.0.prober.admit()?;
        let turns = if of.is_some() { &self.0.callers } else { &self.0.own };
        let waiting = turns.take(of, "the database has too much to do; try again");
        let turn = timeout(PATIENCE, waiting).await.map_err(|_| DbError::Busy(sqlx::Error::PoolTimedOut))??;
        // It may have fallen silent meanwhile.
        self.0.prober.admit()?;
        Ok(turn)
    }

    /// Returns for whom the work is done that is under way.
    pub(in crate::platform::db) fn writer() -> Option<Key> {
        caller().map(Key::Account).or_else(|| caller_address().map(|ip| Key::Address(network(ip))))
    }

    /// Whether the server still works on the COMMIT of one of its processes.
    async fn is_worked_on(&self, pid: i32) -> Result<bool, DbError> {
        let mut lease = self.acquire().await?;
        let found = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query = 'COMMIT')",
        );
        Ok(found.bind(pid).fetch_one(&mut *lease).await?)
    }

    /// COMMIT was not answered: is none?
    pub(in crate::platform::db) fn doubt_writes(&self) {
        let pool = self.clone();
        let is_worked_on = move |pid| {
            let pool = pool.clone();
            async move { pool.is_worked_on(pid).await.unwrap_or(false) }.boxed()
        };
        self.0.prober.start(Box::new(is_worked_on), &self.0.options, &self.0.health);
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

    /// One more, or one that came back meanwhile when the server has none more to give.
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

    /// Whether the server has no more connections for us, besides those that are in use.
    fn is_crowded(&self, error: &DbError) -> bool {
        // Our own place is one of those that are taken.
        let others = self.0.places.available_permits() + 1 < usize::try_from(self.0.size).unwrap_or(1);
        is_refused_for_number(error) && (others || !lock(&self.0.idle).is_empty())
    }

    async fn connect(&self) -> Result<PgConn, DbError> {
        {
            let mut again = lock(&self.0.again);
            if let Some(at) = *again {
                if Instant::now() >= at {
                    *again = Some(Instant::now() + PROBE);
                    // Nobody waits for what probably fails.
                    tokio::spawn(self.clone().reconnect());
                }
                let refused = std::io::Error::other("it could not be reached a moment ago");
                return Err(DbError::Unreachable(refused.into()));
            }
        }
        let made = PgConn::connect(&self.0.options, Some(self.0.limits)).await;
        match &made {
            Ok(_) => self.reached(),
            // A pool of one has no others, and says nothing of those of other pools.
            Err(error) if self.is_crowded(error) || (self.0.size == 1 && is_refused_for_number(error)) => {}
            Err(error) => self.failed(error),
        }
        made
    }

    /// Tries whether the server can be reached again.
    async fn reconnect(self) {
        match PgConn::connect(&self.0.options, Some(self.0.limits)).await {
            Ok(conn) => {
                self.reached();
                self.put_back(Box::new(conn));
            }
            // Somebody who tried later was there first.
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

    /// Records how a unit went.
    pub(in crate::platform::db) fn wrote(&self, error: Option<&Error>) {
        self.note_lock(error);
        if self.0.prober.is_silent() {
            // Only COMMIT that is answered tells something, and not every unit has something to commit.
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

    /// A lock that somebody holds for long stops only those who need it, and nothing else tells of it.
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

    /// A connection of its own, for as long as its work takes; the limits are the server's.
    pub(crate) async fn connect_apart(&self) -> Result<PgConn, DbError> {
        PgConn::connect(&self.0.options, None).await
    }

    /// One connection broke: those beside it may have as well, and are made anew.
    fn distrust(&self) {
        lock(&self.0.idle).clear();
    }

    fn put_back(&self, mut conn: Box<PgConn>) {
        let (place, turn) = (conn.watch.place.take(), conn.watch.turn.take());
        if conn.born.elapsed() < LIFE && !self.0.places.is_closed() {
            let mut idle = lock(&self.0.idle);
            if idle.len() < usize::try_from(self.0.size).unwrap_or(1) {
                idle.push(Idle { conn, since: Instant::now() });
            }
        }
        // Whoever waits for it finds the connection.
        drop((place, turn));
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

/// A turn at writing.
pub(in crate::platform::db) type UnitTurn = Turn<Option<Key>>;

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
            let within = if conn.is_committing { GIVEN_UP } else { SETTLE };
            // Nobody of the same caller has to wait for that.
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
