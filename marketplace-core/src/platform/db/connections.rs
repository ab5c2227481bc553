//! The pool of SQLite connections: those for reading, and the one for writing.
//!
//! This replaces sqlx's pool, which checks each returned connection for liveness: one more hop to its thread for every
//! read. In addition, a connection that was lent while the disk failed is not reused, because its state cannot be trusted.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{DbError, error::storage_failures};
use crate::platform::{
    health::{Component, Health},
    load::{PoolLoad, Waits},
};

/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a statement waits for a lock held by another program. Also applies to opening, where SQLite itself does not
/// wait.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Interval at which a returned connection is checked for liveness, as its thread could have ended.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Interval at which a database that could not be read is checked again.
pub(super) const PROBE_EVERY: Duration = Duration::from_millis(500);
/// Time limit for closing a connection, as a statement may hang in the operating system.
const CLOSING: Duration = Duration::from_secs(1);

/// The connections of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Cluster>);

#[derive(Debug)]
struct Cluster {
    options: SqliteConnectOptions,
    count: u32,
    permits: Arc<Semaphore>,
    /// Idle connections. The last one returned is lent first, as its pages are in memory.
    idle: Mutex<Vec<Idle>>,
    health: Health,
    waits: Waits,
    /// Whether a task is checking if the database can be read again.
    is_suspected: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    connection: SqliteConnection,
    checked: Instant,
}

impl Connections {
    /// Creates a pool of at most `count` connections, each opened when first needed.
    pub fn new(options: SqliteConnectOptions, count: u32, health: Health) -> Self {
        let count = count.max(1);
        let permits = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        let (is_suspected, waits) = (AtomicBool::new(false), Waits::default());
        Self(Arc::new(Cluster { options, count, permits, idle: Mutex::default(), health, waits, is_suspected }))
    }

    /// Adds a connection that is already open.
    pub fn with(self, connection: SqliteConnection) -> Self {
        self.0.idle().push(Idle { connection, checked: Instant::now() });
        self
    }

    /// Borrows a connection.
    pub async fn acquire(&self) -> Result<Lent, sqlx::Error> {
        let permits = &self.0.permits;
        let permit = if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            permit
        } else {
            let since = Instant::now();
            let permit = tokio::time::timeout(PATIENCE, Arc::clone(permits).acquire_owned()).await;
            self.0.waits.over(since, !matches!(permit, Ok(Ok(_))));
            permit.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?
        };
        let known = self.0.idle().pop();
        let lent = match known {
            Some(lent) => lent,
            None => match connect(&self.0.options).await {
                Ok(connection) => Idle { connection, checked: Instant::now() },
                Err(error) => {
                    self.suspect();
                    return Err(error);
                }
            },
        };
        Ok(Lent { lent: Some(lent), connections: self.clone(), permit: Some(permit), failures: storage_failures() })
    }

    /// Returns how busy they are.
    pub fn load(&self, pool: &'static str) -> PoolLoad {
        let limit = usize::try_from(self.0.count).unwrap_or(1);
        let busy = limit.saturating_sub(self.0.permits.available_permits());
        PoolLoad { pool, limit, busy, idle: self.0.idle().len(), waited: self.0.waits.so_far() }
    }

    /// Opens an additional connection for the caller alone, which waits up to `patience` for locks.
    pub async fn open_another(&self, patience: Duration) -> Result<SqliteConnection, sqlx::Error> {
        if self.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        connect(&self.0.options.clone().busy_timeout(patience)).await
    }

    /// Returns whether [`Connections::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.0.permits.is_closed()
    }

    /// Waits until all connections have been returned, and closes them.
    pub async fn close(&self) {
        // Fails only when the pool is already closed.
        let all = self.0.permits.acquire_many(self.0.count).await;
        self.0.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.0.idle());
        for reader in idle {
            close(reader.connection).await;
        }
    }

    /// Handles a failure that is not the statement's own fault: checks whether the database can be read, and reports it,
    /// until it can.
    fn suspect(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.0.is_suspected.swap(true, Ordering::Relaxed) {
            return;
        }
        let connections = self.clone();
        runtime.spawn(async move {
            while !connections.is_closed() {
                match connections.read_a_page().await {
                    Ok(()) => {
                        connections.0.health.succeeded(Component::Database);
                        break;
                    }
                    Err(error) => connections.0.health.failed(Component::Database, DbError::from(error).in_full()),
                }
                tokio::time::sleep(PROBE_EVERY).await;
            }
            connections.0.is_suspected.store(false, Ordering::Relaxed);
        });
    }

    /// Reads a page on a new connection, which has none in memory.
    async fn read_a_page(&self) -> Result<(), sqlx::Error> {
        let mut fresh = self.open_another(LOCK_PATIENCE).await?;
        let read = sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut fresh).await;
        close(fresh).await;
        read.map(drop)
    }
}

/// Opens a connection. When several programs create a database at once, one changes its mode, and SQLite reports to the
/// others at once that it is locked, instead of waiting; this function then retries.
pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let begun = Instant::now();
    loop {
        match options.connect().await {
            Err(error) if DbError::is_lock(&error) && begun.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Closes a connection and waits until its thread has ended and its locks are released, unless it hangs.
pub(super) async fn close(connection: SqliteConnection) {
    // The connection is discarded in any case.
    let _ = tokio::time::timeout(CLOSING, connection.close()).await;
}

impl Cluster {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A borrowed connection, returned to the pool when dropped.
#[derive(Debug)]
pub struct Lent {
    /// `Some` until dropped.
    lent: Option<Idle>,
    connections: Connections,
    permit: Option<OwnedSemaphorePermit>,
    /// Number of known disk failures when the connection was lent.
    failures: u64,
}

impl Lent {
    /// Discards the connection; another is opened in its place.
    pub async fn discard(mut self) {
        if let Some(idle) = self.lent.take() {
            close(idle.connection).await;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut idle) = self.lent.take() else { return };
        let (connections, permit) = (self.connections.clone(), self.permit.take());
        let is_trusted = self.failures == storage_failures();
        if is_trusted && idle.checked.elapsed() < CHECK_EVERY {
            connections.0.idle().push(idle);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if !is_trusted {
                    connections.suspect();
                    close(idle.connection).await;
                } else if idle.connection.ping().await.is_ok() {
                    idle.checked = Instant::now();
                    connections.0.idle().push(idle);
                }
                drop(permit);
            });
        }
    }
}

#[expect(clippy::expect_used, reason = "it is taken out only when this is dropped")]
impl Deref for Lent {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.lent.as_ref().expect("lent until dropped").connection
    }
}

#[expect(clippy::expect_used, reason = "it is taken out only when this is dropped")]
impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.lent.as_mut().expect("lent until dropped").connection
    }
}
