//! Database access: the only code that knows that there are two engines.
//!
//! - [`Db::read`] lends a connection; [`Db::write`] runs a closure as one unit of work in one transaction.
//! - [`Db::point`] reads one row by its key, in one statement with other pending reads of the same kind: see [`batch`].
//! - [`Db::read_lagging`] reads lists that may lag behind, on a replica if there is one.
//! - `q!(conn => json Vec<Row>, …)` reads a page as one row of JSON: see [`json`].
//! - `q!` runs one SQL text with its binds on either engine. Every text registers itself, and the test `every_sql_prepares`
//!   prepares each on both engines; this replaces compile-time checking.
//! - Write a bound number of rows as `LIMIT ($n + 0)`. With a bare `LIMIT $n`, SQLite prepares the text again at every
//!   execution; it does the same for a bind that is compared with the condition of a partial index. The test
//!   `no_sql_is_prepared_anew_when_it_runs_again` finds both.
//! - A unit of work does no I/O except SQL, and never calls `write` itself: that would be a deadlock.

// Must come first: the modules below use its macros.
#[macro_use]
mod query;

mod applied;
pub mod batch;
pub mod bulk;
mod conn;
mod connections;
mod error;
pub mod json;
mod lossy;
mod online;
mod place;
mod postgres;
mod prune;
mod queues;
#[doc(hidden)]
pub mod run;
pub(crate) mod schema;
mod sqlite_file;
#[cfg(test)]
pub(crate) mod tally;
mod work;
mod writer;

pub use conn::{Conn, Reader};
pub use error::DbError;
pub(crate) use lossy::Lossy;
pub use postgres::{PgConn, PgLease, ReplicaOptions};
pub(crate) use postgres::{connect_plain, single_urls};
pub(crate) use prune::PRUNE_BATCH;
pub use query::max_placeholder;
#[cfg(any(test, feature = "testing"))]
pub use query::{ALL_SQL, SqlText};
pub use queues::PointRead;
pub use schema::SchemaState;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use connections::Connections;
use futures::{FutureExt, future::BoxFuture};
use log::LevelFilter;
use sqlx::{
    ConnectOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::mpsc;
use tracing::Instrument;

use self::{
    postgres::{Limits, Target},
    sqlite_file::{Access, Contents},
    work::{AfterCommit, Work, attempt},
};
use crate::{
    base::{
        call_context::caller,
        error::{Error, Result},
    },
    platform::{
        cluster::Cluster,
        config::Secret,
        folders::make_private_folder,
        health::{Component, Health},
        limiter::Key,
        load::DatabaseLoad,
        spans::part,
        sqlite_url::{Mode, SqliteUrl},
    },
};

/// Maximum number of units that may wait for SQLite's writer; further units fail with `busy`.
const QUEUE: usize = 4_096;
/// Maximum number of units committed together. This bounds how long the first of them waits.
const BATCH: usize = 256;
/// How long emptying SQLite's log waits for readers. No write can run during this time.
const EMPTYING: Duration = Duration::from_millis(100);
/// How many times a unit that lost a deadlock on PostgreSQL is retried.
const RETRIES: u32 = 5;
/// Pause before a unit is retried on another connection.
const BREATH: Duration = Duration::from_millis(50);
/// Number of PostgreSQL connections for long-running work.
const PATIENT: u32 = 2;

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite: embedded, with a single writer.
    Sqlite,
    /// PostgreSQL: a server.
    Postgres,
}

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Inner, queues::Queues, Health, Option<postgres::Replica>);

#[derive(Clone, Debug)]
enum Inner {
    Sqlite {
        read: Connections,
        write: Connections,
        queue: mpsc::Sender<writer::Unit>,
        /// Whether it is only read.
        is_kept: bool,
    },
    /// The connections for interactive requests, and those of [`Db::patient`], which have longer time limits.
    Postgres {
        pool: postgres::Pool,
        patient: postgres::Pool,
        /// A separate connection for checking the state of the database, available however busy the others are.
        apart: postgres::Pool,
    },
}

/// Options for opening a database.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Maximum number of read connections (SQLite) or of all connections (PostgreSQL).
    pub connections: u32,
    /// Whether waiting units are committed together. When `false`, each unit has its own fsync, which is useful for
    /// measuring the gain.
    pub group_commit: bool,
    /// Page cache of all SQLite read connections together, in KiB.
    pub cache_kib: u32,
    /// Whether a missing SQLite database is created. When `false`, a mistyped path creates nothing.
    pub create: bool,
    /// Statements that take longer are logged, with their text and without what was bound.
    pub slow: Option<Duration>,
}

impl OpenOptions {
    /// Returns options for a program used by one person on an existing marketplace: few connections and little memory.
    #[must_use]
    pub fn for_one() -> Self {
        Self { connections: 3, cache_kib: 12 * 1024, create: false, ..Self::default() }
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { connections: 8, group_commit: true, cache_kib: 64 * 1024, create: true, slow: None }
    }
}

impl Db {
    /// Opens a connection to PostgreSQL outside the pool. Returns `None` on SQLite.
    pub(crate) async fn connect_apart(&self) -> Result<Option<PgConn>, DbError> {
        match &self.0 {
            Inner::Postgres { pool, .. } => pool.connect_apart().await.map(Some),
            Inner::Sqlite { .. } => Ok(None),
        }
    }

    /// Opens `sqlite://PATH` (see [`SqliteUrl`]) or `postgres://…`. Does not run migrations: see [`Db::migrate`].
    ///
    /// # Errors
    /// Returns `unavailable` when the database does not exist and is not to be created, when the file belongs to another
    /// program, or when the database cannot be reached, and `invalid` for any other URL.
    pub async fn open(url: &str, options: OpenOptions) -> Result<Self> {
        match SqliteUrl::parse(url)? {
            Some(at) => Self::open_sqlite(&at, options).await,
            None => Self::open_postgres(url, options).await,
        }
    }

    async fn open_sqlite(at: &SqliteUrl, options: OpenOptions) -> Result<Self> {
        let path = at.path.as_path();
        let opening = |error| error::opening(&path.display().to_string(), error);
        let is_created = options.create && at.mode == Mode::Create;
        sqlite_file::require_place(path)?;
        let access = sqlite_file::access(at);
        match sqlite_file::contents(path, access).await.map_err(opening)? {
            Contents::Ours => {}
            Contents::Nothing | Contents::Empty if is_created => {
                if let Some(folder) = path.parent() {
                    make_private_folder(folder)?;
                }
                sqlite_file::make_private_file(path);
            }
            other => return Err(sqlite_file::missing(path, other)),
        }
        let health = Health::default();
        if access != Access::Write {
            if options.create {
                return Err(sqlite_file::kept());
            }
            return Self::open_kept(sqlite_file::options(path, access), options, health).await.map_err(opening);
        }
        let base = sqlite_file::options(path, access);
        let base = logging_slow(base, options.slow)
            .create_if_missing(is_created)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .statement_cache_capacity(512)
            // No memory mapping: every connection would count the file again as memory of the process, and a disk error
            // would be a signal that ends the program.
            .pragma("mmap_size", "0")
            .pragma("wal_autocheckpoint", bulk::CHECKPOINT.to_string())
            .pragma("temp_store", "memory")
            // Overwrite deleted content, so that an erased person's data does not remain in free pages.
            .pragma("secure_delete", "ON");
        let writing = base.clone().pragma("cache_size", bulk::WRITER_CACHE);
        // Connect now, to find out whether the database can be opened.
        let first = connections::connect(&writing).await.map_err(opening)?;
        let write = Connections::new(writing, 1, health.clone()).with(first);
        let cache = format!("-{}", options.cache_kib / options.connections.max(1));
        let readers = base.create_if_missing(false).pragma("cache_size", cache).pragma("query_only", "ON");
        let read = Connections::new(readers, options.connections, health.clone());
        let (queue, units) = mpsc::channel(QUEUE);
        let batch = if options.group_commit { BATCH } else { 1 };
        tokio::spawn(writer::Writer::new(write.clone(), units, batch, health.clone()).run());
        Ok(Self(Inner::Sqlite { read, write, queue, is_kept: false }, queues::Queues::default(), health, None))
    }

    /// Opens a SQLite database that is only read.
    async fn open_kept(base: SqliteConnectOptions, options: OpenOptions, health: Health) -> Result<Self, sqlx::Error> {
        let cache = format!("-{}", options.cache_kib);
        let base = base.statement_cache_capacity(512).pragma("mmap_size", "0").pragma("cache_size", cache);
        let first = connections::connect(&base).await?;
        let read = Connections::new(base.clone(), options.connections, health.clone()).with(first);
        let write = Connections::new(base, 1, health.clone());
        let (queue, _) = mpsc::channel(1);
        Ok(Self(Inner::Sqlite { read, write, queue, is_kept: true }, queues::Queues::default(), health, None))
    }

    /// Fails when the database is only read; call it before anything is done that the database has to record.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn require_writable(&self) -> Result<()> {
        if self.is_kept() { Err(sqlite_file::kept()) } else { Ok(()) }
    }

    /// Returns whether this is a SQLite database that is only read: it was asked for, or it cannot be written.
    pub fn is_kept(&self) -> bool {
        matches!(self.0, Inner::Sqlite { is_kept: true, .. })
    }

    async fn open_postgres(url: &str, options: OpenOptions) -> Result<Self> {
        let slow = options.slow;
        let target = Target::new(url, false, |options| prepared(options, slow))?;
        let health = Health::default();
        let prober = postgres::Prober::default();
        let pool = |limits, size| postgres::Pool::new(target.clone(), limits, size, prober.clone(), health.clone());
        let (pool, patient, apart) =
            (pool(Limits::USUAL, options.connections), pool(Limits::LONG, PATIENT), pool(Limits::USUAL, 1));
        // Reports here whether the server can be reached at all.
        drop(apart.acquire().await.map_err(|error| match target.refused_by_pooler(&error) {
            Some(error) => error,
            None => error::opening(&target.place(), error),
        })?);
        target.require_fit().await?;
        Ok(Self(Inner::Postgres { pool, patient, apart }, queues::Queues::default(), health, None))
    }

    /// Returns the same database with a replica, on which [`Db::read_lagging`] reads. Does not wait for it. `cluster` tells
    /// other servers who wrote something. Does nothing on SQLite.
    ///
    /// # Errors
    /// `invalid` for an invalid URL.
    pub(crate) fn with_replica(
        mut self,
        replica: &ReplicaOptions,
        options: OpenOptions,
        cluster: &Cluster,
    ) -> Result<Self> {
        if let Inner::Postgres { apart, .. } = &self.0 {
            let prepare = |to| prepared(to, options.slow);
            let with = (cluster, &self.2);
            self.3 = Some(postgres::Replica::follow(replica, options.connections, apart.clone(), with, prepare)?);
        }
        Ok(self)
    }

    /// Returns the health record for failures of the database and of everything else that an [`App`](crate::app::App) on it
    /// uses.
    pub fn health(&self) -> &Health {
        &self.2
    }

    /// Returns how busy it is.
    pub fn load(&self) -> DatabaseLoad {
        match &self.0 {
            Inner::Sqlite { read, write, queue, .. } => DatabaseLoad {
                pools: vec![read.load("read"), write.load("write")],
                units_waiting: queue.max_capacity() - queue.capacity(),
            },
            Inner::Postgres { pool, patient, .. } => {
                let ((usual, waiting), (long, long_waiting)) = (pool.load("usual"), patient.load("long"));
                let pools = [usual, long].into_iter().chain(self.3.as_ref().map(postgres::Replica::load)).collect();
                DatabaseLoad { pools, units_waiting: waiting + long_waiting }
            }
        }
    }

    /// Returns the engine of this database.
    pub fn engine(&self) -> Engine {
        match self.0 {
            Inner::Sqlite { .. } => Engine::Sqlite,
            Inner::Postgres { .. } => Engine::Postgres,
        }
    }

    /// Returns the name of the engine in spans, by OpenTelemetry's semantic conventions.
    fn system(&self) -> &'static str {
        match self.engine() {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgresql",
        }
    }

    /// Borrows a connection for reading. On SQLite each statement sees its own snapshot.
    pub async fn read(&self) -> Result<Reader> {
        let span = part!("db.read", otel.kind = "client", db.system.name = self.system());
        Ok(match &self.0 {
            Inner::Sqlite { read, .. } => Reader::Sqlite(read.acquire().await.map_err(DbError::from)?, span),
            Inner::Postgres { pool, .. } => Reader::Pg(pool.acquire_to_read().await?, span),
        })
    }

    /// Returns how many bytes a replica lags behind, for operators; `None` on SQLite.
    ///
    /// # Errors
    /// `invalid` for an invalid URL; `unavailable` when it cannot be reached, and for what is no replica of this database.
    pub(crate) async fn replica_lag(&self, url: &Secret) -> Result<Option<u64>> {
        match &self.0 {
            Inner::Postgres { apart, .. } => {
                postgres::Replica::examine(url, apart, |options| prepared(options, None)).await.map(Some)
            }
            Inner::Sqlite { .. } => Ok(None),
        }
    }

    /// Returns whether there is a replica, in use or not.
    pub fn has_replica(&self) -> bool {
        self.3.is_some()
    }

    /// Runs `read`, which may miss what others changed a few seconds ago: on the replica, unless there is none, it lags too much,
    /// or the caller wrote something a short time ago. What fails there is run again on the primary.
    pub async fn read_lagging<T, F>(&self, read: F) -> Result<T>
    where
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone,
    {
        if let Some(replica) = &self.3
            && let Some(outcome) = replica.read(read.clone()).await
        {
            return outcome;
        }
        let mut reader = self.read().await?;
        read(&mut reader.conn()).await
    }

    /// Returns the same database for statements that may take minutes, such as work on much data at once. It uses
    /// connections separate from those for interactive requests.
    #[must_use]
    pub fn patient(&self) -> Self {
        let mut patient = self.clone();
        if let Inner::Postgres { pool, patient: longer, .. } = &mut patient.0 {
            *pool = longer.clone();
        }
        patient
    }

    /// Returns the same database on a connection that nothing else uses.
    fn apart(&self) -> Self {
        let mut apart = self.clone();
        if let Inner::Postgres { pool, apart: alone, .. } = &mut apart.0 {
            *pool = alone.clone();
        }
        apart
    }

    /// Runs `unit` in one transaction. When this returns `Ok`, the result is durable; on `Err`, everything is rolled back.
    ///
    /// On SQLite the unit is queued for the single writer, which commits many units with one fsync and returns each result
    /// after it. On PostgreSQL each unit has its own transaction, which is retried after a lost deadlock. Dropping the
    /// returned future does not stop a unit.
    pub async fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        self.write_or_preview(false, unit).await
    }

    /// Runs `unit` like [`Db::write`]. With `preview`, everything is rolled back at the end, and the result shows what
    /// would have happened.
    pub async fn write_or_preview<T, F>(&self, preview: bool, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        self.write_then(preview, unit, || {}).await
    }

    /// Runs `unit` like [`Db::write_or_preview`], and calls `after` once the unit is committed, even when the caller has
    /// gone away. `after` is not called when the unit is rolled back.
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
        // All units share one code path regardless of their return type, so that only the unit itself is compiled for each
        // type.
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
        let span = part!("db.write", otel.kind = "client", db.system.name = self.system());
        self.run(preview, work, Box::new(after)).instrument(span).await?;
        let value = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::internal("a unit of work was committed and has no answer"))
    }

    async fn run(&self, preview: bool, mut work: Work, after: AfterCommit) -> Result<()> {
        match &self.0 {
            Inner::Sqlite { is_kept: true, .. } => Err(sqlite_file::kept()),
            Inner::Sqlite { queue, .. } => writer::submit(queue, preview, work, after).await,
            Inner::Postgres { pool, .. } => {
                let (pool, writer) = (pool.clone(), postgres::Pool::writer());
                let (replica, account) = (self.3.clone(), caller());
                // Runs to its end even when the caller goes away.
                let task = tokio::spawn(async move {
                    let outcome = postgres_retrying(&pool, writer, preview, &mut work).await;
                    if outcome.is_ok() && !preview {
                        if let Some(replica) = replica {
                            replica.wrote(account).await;
                        }
                        after();
                    }
                    outcome
                });
                task.await.unwrap_or_else(|failure| Err(Error::internal(failure)))
            }
        }
    }

    /// Empties SQLite's write-ahead log, which may still hold rows that were deleted since. Returns `false` when a reader
    /// prevents it and it has to be retried. Keeping or recycling PostgreSQL's log is left to its operator.
    pub async fn empty_log(&self) -> Result<bool> {
        let Inner::Sqlite { write, is_kept: false, .. } = &self.0 else { return Ok(true) };
        let mut connection = write.open_another(EMPTYING).await.map_err(DbError::from)?;
        let busy = sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        connections::close(connection).await;
        Ok(busy.map_err(DbError::from)? == 0)
    }

    /// Checks the structure of SQLite's file. Returns a description of the problem, if there is one.
    pub(crate) async fn quick_check(&self) -> Result<Option<String>> {
        let Inner::Sqlite { read, .. } = &self.0 else { return Ok(None) };
        let mut reader = read.acquire().await.map_err(DbError::from)?;
        let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_all(&mut *reader).await;
        let found = found.map_err(DbError::from)?;
        Ok((found != ["ok"]).then(|| found.join("; ")))
    }

    /// Closes all connections after the units in progress have finished.
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
                if let Some(replica) = &self.3 {
                    replica.close().await;
                }
            }
        }
    }

    /// Checks whether PostgreSQL accepts writes again after one failed, as no other caller may try in the meantime.
    pub(crate) async fn try_writes(&self) {
        if self.engine() == Engine::Postgres && !self.health().works(Component::DatabaseWrites) {
            let apart = self.apart();
            let unit = apart.write(|conn| {
                async move { Ok(q!(conn => exec, "UPDATE event_marks SET place = place WHERE id = 1")?) }.boxed()
            });
            // The outcome is already recorded.
            let _ = unit.await;
        }
    }

    /// Checks whether the database responds.
    pub async fn ping(&self) -> Result<()> {
        // The separate connection may be lost while the server accepts no more; then the connections in use show the state.
        let mut reader = match self.apart().read().await {
            Ok(reader) => reader,
            Err(_) => self.read().await?,
        };
        q!(&mut reader.conn() => val i64, "SELECT CAST(1 AS BIGINT)")?;
        Ok(())
    }
}

/// Completes the options of a connection to PostgreSQL.
fn prepared(options: PgConnectOptions, slow: Option<Duration>) -> PgConnectOptions {
    logging_slow(options.statement_cache_capacity(512).disable_statement_logging(), slow)
}

/// Logs statements that take longer than `limit`.
fn logging_slow<O: ConnectOptions>(options: O, limit: Option<Duration>) -> O {
    match limit {
        Some(limit) => options.log_slow_statements(LevelFilter::Warn, limit),
        None => options,
    }
}

/// Returns how a connection to the file at a URL is opened: to write if it can be written, otherwise to read.
pub(crate) fn sqlite_options(at: &SqliteUrl) -> SqliteConnectOptions {
    sqlite_file::options(&at.path, sqlite_file::access(at))
}

/// Runs a unit, and retries it as long as it fails because of a lost race or a lost connection.
async fn postgres_retrying(pool: &postgres::Pool, writer: Option<Key>, preview: bool, work: &mut Work) -> Result<()> {
    let mut tries = 0;
    loop {
        let (outcome, nothing_done) = postgres_unit(pool, writer, preview, work).await;
        match outcome {
            Err(error) if tries < RETRIES && error::lost_a_race(&error) => tries += 1,
            // Its connection broke; another one exists, or will soon.
            Err(error) if tries < RETRIES && (nothing_done || (tries > 0 && error::is_away(&error))) => {
                tries += 1;
                tokio::time::sleep(BREATH).await;
            }
            outcome => return outcome,
        }
    }
}

/// Runs a unit once. Returns its result, and whether its connection broke early enough that certainly nothing was done.
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
    // A connection that cannot roll back is not lent again, and its transaction ends with it.
    let _ = conn.rollback().await;
    if let Err(error) = &outcome {
        pool.wrote(Some(error));
    }
    (outcome, broke)
}

#[cfg(test)]
mod tests;
