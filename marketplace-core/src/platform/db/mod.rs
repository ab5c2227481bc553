//! The only code that knows there are two engines.
//!
//! - [`Db::read`] lends a connection; [`Db::write`] runs a closure as one unit of work in one transaction.
//! - [`Db::point`] reads one row by its key, together with those of others who wait: see [`batch`].
//! - `q!(conn => json Vec<Row>, …)` reads a page as one row of JSON: see [`json`].
//! - `q!` runs one SQL text with its binds on either engine. Every text registers itself, and the test
//!   `every_sql_prepares` prepares each on both: that replaces compile-time checking.
//! - A bound number of rows is `LIMIT ($n + 0)`: a bare `LIMIT $n` makes SQLite prepare the text at every execution, as does
//!   a bind that the condition of a partial index is compared with. `no_sql_is_prepared_anew_when_it_runs_again` finds both.
//! - A unit does no I/O but SQL, and never calls `write` again: that would wait for itself.

// First: its macros are used by all that follow.
#[macro_use]
mod query;

pub mod batch;
pub mod bulk;
mod conn;
mod connections;
mod error;
pub mod json;
mod lossy;
mod place;
mod postgres;
mod prune;
mod queues;
#[doc(hidden)]
pub mod run;
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod tally;
mod work;
mod writer;

pub use conn::{Conn, Reader};
pub use error::DbError;
pub(crate) use lossy::Lossy;
pub use postgres::{PgConn, PgLease};
pub(crate) use prune::PRUNE_BATCH;
pub use query::max_placeholder;
#[cfg(any(test, feature = "testing"))]
pub use query::{ALL_SQL, SqlText};
pub use queues::PointRead;
pub use schema::SchemaState;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use connections::{Connections, LOCK_PATIENCE};
use futures::{FutureExt, future::BoxFuture};
use sqlx::postgres::PgConnectOptions;
use sqlx::{
    ConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::mpsc;

use self::{
    postgres::Limits,
    work::{AfterCommit, Work, attempt},
};
use crate::{
    base::error::{Error, Result},
    platform::{
        folders::make_private_folder,
        health::{Component, Health},
        limiter::Key,
    },
};

/// Units that may wait for the writer of SQLite; more are answered `busy`.
const QUEUE: usize = 4_096;
/// Units committed together at most: bounds how long the first of them waits.
const BATCH: usize = 256;
/// Pages of SQLite's journal that are copied into the database at once: 32 MB. Each copy costs two syncs, and a page that
/// was written many times is copied once; SQLite's own 1,000 took a third of the rate of messages sent.
const CHECKPOINT: u32 = 8_000;
/// How long emptying SQLite's log waits for those who read: nobody writes meanwhile.
const EMPTYING: Duration = Duration::from_millis(100);
/// How often a unit that lost a deadlock on PostgreSQL is run again.
const RETRIES: u32 = 5;
/// Before it is run again on another connection.
const BREATH: Duration = Duration::from_millis(50);
/// Connections to PostgreSQL for work that takes long.
const PATIENT: u32 = 2;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded; one writer.
    Sqlite,
    /// A server.
    Postgres,
}

/// An open database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Inner, queues::Queues, Health);

#[derive(Clone, Debug)]
enum Inner {
    Sqlite {
        read: Connections,
        write: Connections,
        queue: mpsc::Sender<writer::Unit>,
    },
    /// Connections for what people wait for, and those of [`Db::patient`], with longer limits.
    Postgres {
        pool: postgres::Pool,
        patient: postgres::Pool,
        /// One by which it is found out how the database is, however much there is to do.
        apart: postgres::Pool,
    },
}

/// How a database is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Connections that read (SQLite) or all connections (PostgreSQL), at most.
    pub connections: u32,
    /// Whether units that wait are committed together; without, for measuring what it brings, each has its own fsync.
    pub group_commit: bool,
    /// Memory for pages that each connection that reads SQLite keeps, in KiB.
    pub cache_kib: u32,
    /// Whether a missing SQLite database is made; without, a mistyped path makes nothing.
    pub create: bool,
}

impl OpenOptions {
    /// For a program that one person uses on a marketplace that is there: few connections, little memory.
    #[must_use]
    pub fn for_one() -> Self {
        Self { connections: 3, cache_kib: 4 * 1024, create: false, ..Self::default() }
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { connections: 8, group_commit: true, cache_kib: 8 * 1024, create: true }
    }
}

impl Db {
    /// Opens a connection to PostgreSQL besides those of the pool; none with SQLite.
    pub(crate) async fn connect_apart(&self) -> Result<Option<PgConn>, DbError> {
        match &self.0 {
            Inner::Postgres { pool, .. } => pool.connect_apart().await.map(Some),
            Inner::Sqlite { .. } => Ok(None),
        }
    }

    /// Opens `sqlite://PATH` or `postgres://…`. Brings nothing up to date: see [`Db::migrate`].
    ///
    /// # Errors
    /// `unavailable` when there is none and it is not to be made, when the file is another program's, or when it cannot be
    /// reached; `invalid` for another URL.
    pub async fn open(url: &str, options: OpenOptions) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            Self::open_sqlite(Path::new(path), options).await
        } else {
            Self::open_postgres(url, options).await
        }
    }

    async fn open_sqlite(path: &Path, options: OpenOptions) -> Result<Self> {
        let opening = |error| error::opening(&path.display().to_string(), error);
        if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            if !is_ours(path).await.map_err(opening)? {
                return Err(Error::unavailable(
                    format!("{} is the database of another program: name another file", path.display()),
                    "it has tables, and none of a marketplace's",
                ));
            }
        } else if options.create {
            if let Some(folder) = path.parent() {
                make_private_folder(folder)?;
            }
            make_private_file(path);
        } else {
            return Err(Error::unavailable(
                format!(
                    "there is no database at {}; name another, or make it with `marketplace db migrate`",
                    path.display()
                ),
                "the file is missing",
            ));
        }
        let base = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(options.create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(LOCK_PATIENCE)
            .statement_cache_capacity(512)
            // Nothing is mapped: each connection would count the file again as the program's memory, and an error of the disk
            // would be a signal that ends the program.
            .pragma("mmap_size", "0")
            .pragma("wal_autocheckpoint", CHECKPOINT.to_string())
            .pragma("temp_store", "memory")
            // What is deleted is overwritten: somebody who is erased leaves nothing in free pages.
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let health = Health::default();
        let writing = base.clone().pragma("cache_size", bulk::WRITER_CACHE);
        // Whether the database can be opened is to be known now.
        let first = connections::connect(&writing).await.map_err(opening)?;
        let write = Connections::new(writing, 1, health.clone()).with(first);
        let cache = format!("-{}", options.cache_kib);
        let readers = base.create_if_missing(false).pragma("cache_size", cache).pragma("query_only", "ON");
        let read = Connections::new(readers, options.connections, health.clone());
        let (queue, units) = mpsc::channel(QUEUE);
        let batch = if options.group_commit { BATCH } else { 1 };
        tokio::spawn(writer::Writer::new(write.clone(), units, batch, health.clone()).run());
        Ok(Self(Inner::Sqlite { read, write, queue }, queues::Queues::default(), health))
    }

    async fn open_postgres(url: &str, options: OpenOptions) -> Result<Self> {
        let connect: PgConnectOptions = url.parse().map_err(|_| {
            Error::invalid("/database_url", "must be sqlite://PATH or postgres://user:password@host/database")
        })?;
        let place = format!("{}:{}/{}", connect.get_host(), connect.get_port(), connect.get_database().unwrap_or(""));
        let connect = connect.statement_cache_capacity(512).disable_statement_logging();
        let health = Health::default();
        let prober = postgres::Prober::default();
        let pool = |limits, size| postgres::Pool::new(connect.clone(), limits, size, prober.clone(), health.clone());
        let (pool, patient, apart) =
            (pool(Limits::USUAL, options.connections), pool(Limits::LONG, PATIENT), pool(Limits::USUAL, 1));
        // Whether it can be reached at all is told here.
        drop(apart.acquire().await.map_err(|error| error::opening(&place, error))?);
        Ok(Self(Inner::Postgres { pool, patient, apart }, queues::Queues::default(), health))
    }

    /// Where failures of the database are recorded, and those of all else that an [`App`](crate::app::App) over it uses.
    pub fn health(&self) -> &Health {
        &self.2
    }

    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        match self.0 {
            Inner::Sqlite { .. } => Engine::Sqlite,
            Inner::Postgres { .. } => Engine::Postgres,
        }
    }

    /// Lends a connection for reading. On SQLite each statement sees its own snapshot.
    pub async fn read(&self) -> Result<Reader> {
        Ok(match &self.0 {
            Inner::Sqlite { read, .. } => Reader::Sqlite(read.acquire().await.map_err(DbError::from)?),
            Inner::Postgres { pool, .. } => Reader::Pg(pool.acquire().await?),
        })
    }

    /// The same database with statements that may take minutes, on connections apart from those that people wait for: for work
    /// on much at once.
    #[must_use]
    pub fn patient(&self) -> Self {
        let mut patient = self.clone();
        if let Inner::Postgres { pool, patient: longer, .. } = &mut patient.0 {
            *pool = longer.clone();
        }
        patient
    }

    /// The same database by a connection that nothing else uses.
    fn apart(&self) -> Self {
        let mut apart = self.clone();
        if let Inner::Postgres { pool, apart: alone, .. } = &mut apart.0 {
            *pool = alone.clone();
        }
        apart
    }

    /// Runs `unit` in one transaction, durable when this answers `Ok`; on `Err` nothing of it stays.
    ///
    /// SQLite: queued to the single writer, which commits many units with one fsync and answers each after it.
    /// PostgreSQL: its own transaction, run again when it lost a deadlock. A dropped caller does not stop a unit.
    pub async fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        self.write_or_preview(false, unit).await
    }

    /// Like [`Db::write`]; with `preview`, everything is rolled back at the end: the result is what would have been.
    pub async fn write_or_preview<T, F>(&self, preview: bool, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        self.write_then(preview, unit, || {}).await
    }

    /// Like [`Db::write_or_preview`]; `after` runs once the unit is committed, also when its caller has gone away, and not
    /// when nothing of it stays.
    pub(crate) async fn write_then<T, F>(
        &self,
        preview: bool,
        unit: F,
        after: impl FnOnce() + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        // One way for every unit, whatever it returns: only what a unit does itself is compiled for each.
        let answer = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&answer);
        let work: Work = Box::new(move |conn| {
            let (unit, kept) = (unit.clone(), Arc::clone(&kept));
            Box::pin(async move {
                let value = unit(conn).await?;
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            })
        });
        self.run(preview, work, Box::new(after)).await?;
        let value = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::internal("a unit of work was committed and has no answer"))
    }

    async fn run(&self, preview: bool, mut work: Work, after: AfterCommit) -> Result<()> {
        match &self.0 {
            Inner::Sqlite { queue, .. } => writer::submit(queue, preview, work, after).await,
            Inner::Postgres { pool, .. } => {
                let (pool, writer) = (pool.clone(), postgres::Pool::writer());
                // Runs to its end even when the caller goes away.
                let task = tokio::spawn(async move {
                    let outcome = postgres_retrying(&pool, writer, preview, &mut work).await;
                    if outcome.is_ok() && !preview {
                        after();
                    }
                    outcome
                });
                task.await.unwrap_or_else(|failure| Err(Error::internal(failure)))
            }
        }
    }

    /// Empties the write-ahead log of SQLite, in which rows stand that were deleted since. `false` when somebody reads and it
    /// is to be tried again. PostgreSQL's log is its operator's to keep or to recycle.
    pub async fn empty_log(&self) -> Result<bool> {
        let Inner::Sqlite { write, .. } = &self.0 else { return Ok(true) };
        let mut connection = write.open_another(EMPTYING).await.map_err(DbError::from)?;
        let busy = sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        connections::close(connection).await;
        Ok(busy.map_err(DbError::from)? == 0)
    }

    /// What is wrong with the structure of SQLite's file, if anything is.
    pub(crate) async fn quick_check(&self) -> Result<Option<String>> {
        let Inner::Sqlite { read, .. } = &self.0 else { return Ok(None) };
        let mut reader = read.acquire().await.map_err(DbError::from)?;
        let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_all(&mut *reader).await;
        let found = found.map_err(DbError::from)?;
        Ok((found != ["ok"]).then(|| found.join("; ")))
    }

    /// Closes every connection, after the units under way.
    pub async fn close(&self) {
        match &self.0 {
            Inner::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Inner::Postgres { pool, patient, apart } => {
                for pool in [pool, patient, apart] {
                    pool.close().await;
                }
            }
        }
    }

    /// Tries whether PostgreSQL takes writes again, after one failed: nobody else may try meanwhile.
    pub(crate) async fn try_writes(&self) {
        if self.engine() == Engine::Postgres && !self.health().works(Component::DatabaseWrites) {
            let apart = self.apart();
            let unit = apart.write(|conn| {
                async move { Ok(q!(conn => exec, "UPDATE event_marks SET place = place WHERE id = 1")?) }.boxed()
            });
            // What came of it is recorded.
            let _ = unit.await;
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        // It may have been lost, when the server has no more to give; then those in use tell.
        let mut reader = match self.apart().read().await {
            Ok(reader) => reader,
            Err(_) => self.read().await?,
        };
        q!(&mut reader.conn() => val i64, "SELECT CAST(1 AS BIGINT)")?;
        Ok(())
    }
}

/// Whether a SQLite file is a marketplace's, or can become one because nothing is in it. Nothing is changed in it.
async fn is_ours(path: &Path) -> Result<bool, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(LOCK_PATIENCE);
    let mut connection = connections::connect(&options.disable_statement_logging()).await?;
    let found = sqlx::query_scalar::<_, bool>(
        "SELECT count(*) = 0 OR count(*) FILTER (WHERE name = '_sqlx_migrations') > 0 FROM sqlite_schema WHERE type = 'table'",
    );
    let found = found.fetch_one(&mut connection).await;
    connections::close(connection).await;
    found
}

/// Makes the file when it is missing, for its owner only: SQLite gives its journal the same permissions. Whether it can be
/// made SQLite tells, when it opens it.
fn make_private_file(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// Runs a unit until something else than a race or a lost connection comes of it.
async fn postgres_retrying(pool: &postgres::Pool, writer: Option<Key>, preview: bool, work: &mut Work) -> Result<()> {
    let mut tries = 0;
    loop {
        let (outcome, nothing_done) = postgres_unit(pool, writer, preview, work).await;
        match outcome {
            Err(error) if tries < RETRIES && error::lost_a_race(&error) => tries += 1,
            // Its connection broke; there is another one, or will be in a moment.
            Err(error) if tries < RETRIES && (nothing_done || (tries > 0 && error::is_away(&error))) => {
                tries += 1;
                tokio::time::sleep(BREATH).await;
            }
            outcome => return outcome,
        }
    }
}

/// What came of a unit, and whether it is certain that nothing of it was done because its connection broke before the end.
async fn postgres_unit(
    pool: &postgres::Pool,
    writer: Option<Key>,
    preview: bool,
    work: &mut Work,
) -> (Result<()>, bool) {
    let lent = async { pool.acquire_for_unit(pool.turn(writer).await?).await };
    let mut conn = match lent.await {
        Ok(conn) => conn,
        Err(error) => return (Err(error), false),
    };
    let mut outcome = match conn.begin().await.map_err(DbError::from) {
        Ok(()) => attempt(work, &mut Conn::Pg(&mut conn)).await,
        Err(error) => Err(error.into()),
    };
    if outcome.is_ok() && !preview {
        outcome = conn.commit().await.map_err(|error| DbError::from(error).into());
        if conn.is_committing() {
            pool.doubt_writes();
        }
        pool.wrote(outcome.as_ref().err());
        return (outcome, false);
    }
    let broke = conn.is_broken() && outcome.as_ref().is_err_and(error::is_away);
    // A connection that cannot is not lent again, and its transaction ends with it.
    let _ = conn.rollback().await;
    if let Err(error) = &outcome {
        pool.wrote(Some(error));
    }
    (outcome, broke)
}

#[cfg(test)]
mod tests;
