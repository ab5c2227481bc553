//! Connections that read SQLite, lent in turn.
//!
//! Not sqlx's pool: that one asks a connection whether it lives each time it comes back, which is one more hop to its
//! thread for every read.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a connection that comes back is asked whether it lives: its thread could have ended.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The connections of one database; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: SqliteConnectOptions,
    count: u32,
    permits: Arc<Semaphore>,
    /// The one that came back last is lent first: its pages are at hand.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: SqliteConnection,
    checked: Instant,
}

impl Readers {
    /// At most `count` at once; each is opened when it is needed first.
    pub fn new(options: SqliteConnectOptions, count: u32) -> Self {
        let count = count.max(1);
        let permits = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        Self(Arc::new(Shared { options, count, permits, idle: Mutex::default() }))
    }

    /// One of them.
    pub async fn acquire(&self) -> Result<SqliteReader, sqlx::Error> {
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
            None => Idle { connection: self.0.options.connect().await?, checked: Instant::now() },
        };
        Ok(SqliteReader { lent: Some(lent), readers: self.clone(), permit: Some(permit) })
    }

    /// Waits until all came back, and closes them.
    pub async fn close(&self) {
        // Refused only when they are closed already.
        let all = self.0.permits.acquire_many(self.0.count).await;
        self.0.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.0.idle());
        for reader in idle {
            // It is going away in any case.
            let _ = reader.connection.close().await;
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection lent for reading; goes back when dropped.
#[derive(Debug)]
pub struct SqliteReader {
    /// Some until dropped.
    lent: Option<Idle>,
    readers: Readers,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for SqliteReader {
    fn drop(&mut self) {
        let Some(mut idle) = self.lent.take() else { return };
        let (readers, permit) = (self.readers.clone(), self.permit.take());
        if idle.checked.elapsed() < CHECK_EVERY {
            readers.0.idle().push(idle);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if idle.connection.ping().await.is_ok() {
                    idle.checked = Instant::now();
                    readers.0.idle().push(idle);
                }
                drop(permit);
            });
        }
    }
}

#[expect(clippy::expect_used, reason = "it is taken out only when this is dropped")]
impl Deref for SqliteReader {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.lent.as_ref().expect("lent until dropped").connection
    }
}

#[expect(clippy::expect_used, reason = "it is taken out only when this is dropped")]
impl DerefMut for SqliteReader {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.lent.as_mut().expect("lent until dropped").connection
    }
}
