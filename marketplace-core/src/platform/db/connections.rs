//! Connections to SQLite, lent in turn: those that read, and the one that writes.
//!
//! Not sqlx's pool: that one asks a connection whether it lives each time it comes back, which is one more hop to its
//! thread for every read. And what was lent while the disk failed is not lent again: whether its state is right nobody knows.

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
use crate::platform::health::{Component, Health};

/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a statement waits for a lock that another program holds; and opening, where SQLite itself does not wait.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How often a connection that comes back is asked whether it lives: its thread could have ended.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a database works again that could not be read.
pub(super) const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How long closing may take: a statement may hang in the system.
const CLOSING: Duration = Duration::from_secs(1);

/// The connections of one database; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Cluster>);

#[derive(Debug)]
struct Cluster {
    options: SqliteConnectOptions,
    count: u32,
    permits: Arc<Semaphore>,
    /// The one that came back last is lent first: its pages are at hand.
    idle: Mutex<Vec<Idle>>,
    health: Health,
    /// Somebody looks whether the database can be read again.
    is_suspected: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    connection: SqliteConnection,
    checked: Instant,
}

impl Connections {
    /// At most `count` at once; each is opened when it is needed first.
    pub fn new(options: SqliteConnectOptions, count: u32, health: Health) -> Self {
        let count = count.max(1);
        let permits = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        let is_suspected = AtomicBool::new(false);
        Self(Arc::new(Cluster { options, count, permits, idle: Mutex::default(), health, is_suspected }))
    }

    /// With one that is open already.
    pub fn with(self, connection: SqliteConnection) -> Self {
        self.0.idle().push(Idle { connection, checked: Instant::now() });
        self
    }

    /// One of them.
    pub async fn acquire(&self) -> Result<Lent, sqlx::Error> {
        let permits = &self.0.permits;
        let permit = match Arc::clone(permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(PATIENCE, Arc::clone(permits).acquire_owned())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)?
                .map_err(|_| sqlx::Error::PoolClosed)?,
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

    /// One more, for its caller alone, which waits so long for locks.
    pub async fn open_another(&self, patience: Duration) -> Result<SqliteConnection, sqlx::Error> {
        if self.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        connect(&self.0.options.clone().busy_timeout(patience)).await
    }

    /// Whether [`Connections::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.0.permits.is_closed()
    }

    /// Waits until all came back, and closes them.
    pub async fn close(&self) {
        // Refused only when they are closed already.
        let all = self.0.permits.acquire_many(self.0.count).await;
        self.0.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.0.idle());
        for reader in idle {
            close(reader.connection).await;
        }
    }

    /// Something failed that is not a statement's own fault: finds out whether the database can be read, and reports it,
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

    /// On a connection that has none in memory.
    async fn read_a_page(&self) -> Result<(), sqlx::Error> {
        let mut fresh = self.open_another(LOCK_PATIENCE).await?;
        let read = sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut fresh).await;
        close(fresh).await;
        read.map(drop)
    }
}

/// Opens a connection. Of programs that make a database at once, one changes its mode, and SQLite tells the others at once
/// that it is locked instead of waiting.
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

/// Closes a connection for real: its thread has ended and its locks are free, unless it hangs.
pub(super) async fn close(connection: SqliteConnection) {
    // It is going away in any case.
    let _ = tokio::time::timeout(CLOSING, connection.close()).await;
}

impl Cluster {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is lent; goes back when dropped.
#[derive(Debug)]
pub struct Lent {
    /// Some until dropped.
    lent: Option<Idle>,
    connections: Connections,
    permit: Option<OwnedSemaphorePermit>,
    /// Failures of disks that were known when it was lent.
    failures: u64,
}

impl Lent {
    /// Throws it away; another is opened in its place.
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
