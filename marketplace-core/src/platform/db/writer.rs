//! The single writer of SQLite: runs many units of work, each in a savepoint, in one transaction with one fsync.
//!
//! When the transaction itself fails, its connection is discarded. From then on units are refused at once with an error
//! that gives the reason, and a small probe commit is tried twice a second. Once a probe is durable, normal operation
//! resumes.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use sqlx::{Connection, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    Conn, DbError,
    connections::{Connections, Lent, PROBE_EVERY, close},
    work::{AfterCommit, Work, attempt},
};
use crate::{
    base::error::{Error, Result},
    platform::health::{Component, Health},
};

/// How long the probe commit waits for a lock held by another program.
const PROBE_PATIENCE: Duration = Duration::from_millis(200);
/// A failure within this time after the last one ends only with the next probe: a disk that is almost full accepts one unit
/// and refuses the next.
const SETTLING: Duration = Duration::from_secs(1);
/// A commit that takes longer than this counts as failed, even though it may still succeed, so that later units are not
/// kept waiting.
const SLOW: Duration = Duration::from_secs(5);
/// Time limit of the probe commit.
const PROBING: Duration = Duration::from_secs(2);

/// A unit of work, with the channel on which its outcome is reported.
pub(super) struct Unit {
    work: Work,
    preview: bool,
    after: AfterCommit,
    answer: oneshot::Sender<Result<()>>,
}

/// A unit that ran, with its result and the channel on which it is reported after the commit.
struct Ran {
    result: Result<()>,
    after: Option<AfterCommit>,
    answer: oneshot::Sender<Result<()>>,
}

/// Sends a unit to the writer and waits for the commit that contains it.
pub(super) async fn submit(queue: &mpsc::Sender<Unit>, preview: bool, work: Work, after: AfterCommit) -> Result<()> {
    let (answer, answered) = oneshot::channel();
    queue.try_send(Unit { work, preview, after, answer }).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::busy("too many writes wait already; try again"),
        mpsc::error::TrySendError::Closed(_) => Error::unavailable("the database is closed", "the writer has ended"),
    })?;
    let unknown = "the database does not say what became of the change; look before you try again";
    answered.await.unwrap_or_else(|_| Err(Error::unavailable(unknown, "the writer dropped the unit")))
}

/// The task that runs the units of one database.
pub(super) struct Writer {
    connections: Connections,
    units: mpsc::Receiver<Unit>,
    /// Maximum number of units committed together.
    batch: usize,
    health: Health,
    failing: Option<Failing>,
    failed_at: Option<Instant>,
}

/// Why writes currently fail.
struct Failing {
    /// The error returned for every unit.
    error: Error,
    /// When the next probe is due.
    probe_at: Instant,
}

impl Writer {
    /// Creates a writer on the only connection of `connections`.
    pub fn new(connections: Connections, units: mpsc::Receiver<Unit>, batch: usize, health: Health) -> Self {
        Self { connections, units, batch, health, failing: None, failed_at: None }
    }

    /// Runs units until every sender is gone.
    pub async fn run(mut self) {
        loop {
            match AssertUnwindSafe(self.step()).catch_unwind().await {
                Ok(true) => {}
                Ok(false) => return,
                // A panic of this module or of the log writer: units of other callers must not suffer from it.
                Err(_) => self.health.failed(Component::DatabaseWrites, "the writer panicked"),
            }
        }
    }

    /// Waits for units and commits them; while nothing can be written, refuses or probes instead. Returns `false` at the
    /// end.
    async fn step(&mut self) -> bool {
        if self.connections.is_closed() {
            // Probing stops now, and each remaining unit gets its own error.
            self.failing = None;
        }
        let Some(Failing { error, probe_at }) = &self.failing else {
            let Some(first) = self.units.recv().await else { return false };
            self.commit(first).await;
            return true;
        };
        if *probe_at <= Instant::now() {
            match self.probe(None).await {
                Ok(()) => self.go_on(),
                Err(error) => drop(self.refuse(error)),
            }
            return true;
        }
        match timeout_at(*probe_at, self.units.recv()).await {
            Ok(Some(unit)) => drop(unit.answer.send(Err(error.duplicate()))),
            Ok(None) => return false,
            Err(_) => {}
        }
        true
    }

    /// Commits a unit together with those that are waiting, and reports their outcomes.
    async fn commit(&mut self, first: Unit) {
        let (mut next, mut done) = (Some(first), Vec::<Ran>::new());
        let outcome = match self.connections.acquire().await {
            Ok(mut lent) => match self.commit_together(&mut lent, &mut next, &mut done).await {
                Ok(()) => Ok(()),
                Err(error) => Err((DbError::from(error), Some(lent))),
            },
            Err(error) => Err((DbError::from(error), None)),
        };
        let failure = match outcome {
            Ok(()) => {
                self.go_on();
                None
            }
            Err((error, lent)) => {
                // SQLite rolls everything back by itself when a statement cannot write; later failures are only
                // consequences.
                let mut own = done.iter().rev().filter_map(|ran| ran.result.as_ref().err());
                let error = own.find_map(DbError::storage).unwrap_or(error);
                Some(self.failed(error, lent).await)
            }
        };
        for Ran { result, after, answer } in done {
            if let (None, Some(after)) = (&failure, after) {
                after();
            }
            // Also for a unit that failed by itself: it may have failed because of another unit's row that no longer
            // exists. The caller may have gone away; its unit is kept all the same.
            let _ = answer.send(failure.as_ref().map_or(result, |error| Err(error.duplicate())));
        }
        if let (Some(unit), Some(error)) = (next, failure) {
            let _ = unit.answer.send(Err(error));
        }
    }

    /// Runs units and commits them in one transaction. Each hop to sqlx's SQLite thread costs about 25 µs, so BEGIN and
    /// SAVEPOINT are sent in one text, RELEASE and SAVEPOINT in one text and only between units, and COMMIT releases the
    /// last savepoint.
    async fn commit_together(
        &mut self,
        connection: &mut SqliteConnection,
        next: &mut Option<Unit>,
        done: &mut Vec<Ran>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE; SAVEPOINT unit").await?;
        while let Some(mut unit) = next.take() {
            let result = attempt(&mut unit.work, &mut Conn::Sqlite(&mut tx)).await;
            let keep = result.is_ok() && !unit.preview;
            done.push(Ran { result, after: keep.then_some(unit.after), answer: unit.answer });
            if done.len() < self.batch {
                *next = self.units.try_recv().ok();
            }
            if !keep {
                sqlx::query("ROLLBACK TO unit").execute(&mut *tx).await?;
            } else if next.is_some() {
                sqlx::query("RELEASE unit; SAVEPOINT unit").execute(&mut *tx).await?;
            }
        }
        let mut commit = std::pin::pin!(tx.commit());
        if let Ok(outcome) = timeout(SLOW, commit.as_mut()).await {
            return outcome;
        }
        self.refuse(hanging());
        loop {
            tokio::select! {
                outcome = commit.as_mut() => return outcome,
                Some(unit) = self.units.recv() => drop(unit.answer.send(Err(self.refuse(hanging())))),
            }
        }
    }

    /// Discards the connection, records the failure, and returns the error for the units.
    async fn failed(&mut self, error: DbError, lent: Option<Lent>) -> Error {
        if self.connections.is_closed() {
            return Error::unavailable("the database is closed", error);
        }
        let now = Instant::now();
        let is_first = self.failed_at.replace(now).is_none_or(|before| before + SETTLING < now);
        let told = self.refuse(error);
        // Probe at once, before any caller learns that nothing was changed: when a sync failed, the whole transaction is in
        // the log file and would be found after a crash. The next commit overwrites it, durable or not.
        match self.probe(lent).await {
            Err(error) => drop(self.refuse(error)),
            Ok(()) if is_first => self.go_on(),
            Ok(()) => {}
        }
        told
    }

    /// Refuses units from now on. Returns the error they get.
    fn refuse(&mut self, error: DbError) -> Error {
        self.health.failed(Component::DatabaseWrites, error.in_full());
        let told = match error {
            DbError::Busy(_) => Error::from(error),
            error => {
                let advice = error.advice();
                Error::unavailable(format!("the database could not commit; nothing was changed: {advice}"), error)
            }
        };
        self.failing = Some(Failing { error: told.duplicate(), probe_at: Instant::now() + PROBE_EVERY });
        told
    }

    /// Resumes committing units.
    fn go_on(&mut self) {
        self.failing = None;
        self.health.succeeded(Component::DatabaseWrites);
    }

    /// Tries a small commit on a new connection. The new connection is opened before `failed` is closed: as long as any
    /// connection to the database is open, SQLite does not read its log again.
    async fn probe(&mut self, failed: Option<Lent>) -> Result<(), DbError> {
        let fresh = self.connections.open_another(PROBE_PATIENCE).await;
        if let Some(failed) = failed {
            failed.discard().await;
        }
        let mut fresh = fresh?;
        let work = async {
            let outcome = tiny_commit(&mut fresh).await;
            if outcome.is_ok() {
                return outcome;
            }
            // A log that was copied into the database restarts in the space it already has, so that a full disk accepts
            // writes again even if nobody frees space. The commit shows whether this succeeded.
            let _ = sqlx::query("PRAGMA wal_checkpoint").execute(&mut fresh).await;
            tiny_commit(&mut fresh).await
        };
        let outcome = timeout(PROBING, work).await.unwrap_or_else(|_| Err(hanging()));
        close(fresh).await;
        outcome
    }
}

/// Returns the error for a disk that neither fails nor responds.
fn hanging() -> DbError {
    DbError::Storage("the disk does not answer", sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
}

/// Commits without changing anything, but still writes a page to the log.
async fn tiny_commit(connection: &mut SqliteConnection) -> Result<(), DbError> {
    Ok(sqlx::query("PRAGMA user_version = 0").execute(connection).await.map(drop)?)
}
