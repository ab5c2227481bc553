//! The single writer of SQLite: many units of work, each in a savepoint, in one transaction with one fsync.
//!
//! A connection on which anything of that failed is thrown away. From then on units are refused at once, in words that say
//! why, and a tiny commit is tried twice a second: when it is durable, everything goes on.

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

/// How long the tiny commit waits for a lock that another program holds.
const PROBE_PATIENCE: Duration = Duration::from_millis(200);
/// A failure so soon after the last one ends only with the next probe: a disk that is full to the brim takes one unit and
/// refuses the next.
const SETTLING: Duration = Duration::from_secs(1);
/// A commit that takes so long is a failure, though it may end well: nobody else waits for it.
const SLOW: Duration = Duration::from_secs(5);
/// How long the tiny commit may take.
const PROBING: Duration = Duration::from_secs(2);

/// A unit of work, and whom to tell once its fate is known.
pub(super) struct Unit {
    work: Work,
    preview: bool,
    after: AfterCommit,
    answer: oneshot::Sender<Result<()>>,
}

/// A unit that ran: what came of it, and whom to tell after the commit.
struct Ran {
    result: Result<()>,
    after: Option<AfterCommit>,
    answer: oneshot::Sender<Result<()>>,
}

/// Hands a unit to the writer and waits for the commit that holds it.
pub(super) async fn submit(queue: &mpsc::Sender<Unit>, preview: bool, work: Work, after: AfterCommit) -> Result<()> {
    let (answer, answered) = oneshot::channel();
    queue.try_send(Unit { work, preview, after, answer }).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::busy("too many writes wait already; try again"),
        mpsc::error::TrySendError::Closed(_) => Error::unavailable("the database is closed", "the writer has ended"),
    })?;
    let unknown = "the database does not say what became of the change; look before you try again";
    answered.await.unwrap_or_else(|_| Err(Error::unavailable(unknown, "the writer dropped the unit")))
}

/// Whoever runs the units of one database.
pub(super) struct Writer {
    connections: Connections,
    units: mpsc::Receiver<Unit>,
    /// Units committed together at most.
    batch: usize,
    health: Health,
    failing: Option<Failing>,
    failed_at: Option<Instant>,
}

/// Why nothing is written just now.
struct Failing {
    /// What every unit is answered.
    error: Error,
    /// When it is tried next.
    probe_at: Instant,
}

impl Writer {
    /// Writes on the only one of `connections`.
    pub fn new(connections: Connections, units: mpsc::Receiver<Unit>, batch: usize, health: Health) -> Self {
        Self { connections, units, batch, health, failing: None, failed_at: None }
    }

    /// Runs units until nobody can send one any more.
    pub async fn run(mut self) {
        loop {
            match AssertUnwindSafe(self.step()).catch_unwind().await {
                Ok(true) => {}
                Ok(false) => return,
                // Of ours, or of whoever writes the log: the units of others must not suffer.
                Err(_) => self.health.failed(Component::DatabaseWrites, "the writer panicked"),
            }
        }
    }

    /// Waits for units and commits them; refuses them, or probes, while nothing can be written. `false` at the end.
    async fn step(&mut self) -> bool {
        if self.connections.is_closed() {
            // Nothing is probed any more, and each unit is told so.
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

    /// Commits a unit together with those that wait, and tells them.
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
                // SQLite rolls all back by itself when a statement cannot write; what fails then is only what follows.
                let mut own = done.iter().rev().filter_map(|ran| ran.result.as_ref().err());
                let error = own.find_map(DbError::storage).unwrap_or(error);
                Some(self.failed(error, lent).await)
            }
        };
        for Ran { result, after, answer } in done {
            if let (None, Some(after)) = (&failure, after) {
                after();
            }
            // Also of one that failed by itself: what it met may have been another's that is not there now. The caller may
            // have gone away: its unit is kept all the same.
            let _ = answer.send(failure.as_ref().map_or(result, |error| Err(error.duplicate())));
        }
        if let (Some(unit), Some(error)) = (next, failure) {
            let _ = unit.answer.send(Err(error));
        }
    }

    /// Each hop to sqlx's SQLite thread costs about 25 µs, so BEGIN and SAVEPOINT go in one text, RELEASE and SAVEPOINT in
    /// one and only between units, and COMMIT releases the last savepoint.
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

    /// Throws the connection away, records the failure, and returns what the units are told.
    async fn failed(&mut self, error: DbError, lent: Option<Lent>) -> Error {
        if self.connections.is_closed() {
            return Error::unavailable("the database is closed", error);
        }
        let now = Instant::now();
        let is_first = self.failed_at.replace(now).is_none_or(|before| before + SETTLING < now);
        let told = self.refuse(error);
        // At once, and before anybody is told that nothing was changed: when a sync failed, the whole transaction is in the
        // log's file and would be found after a crash. The next commit is written over it, durable or not.
        match self.probe(lent).await {
            Err(error) => drop(self.refuse(error)),
            Ok(()) if is_first => self.go_on(),
            Ok(()) => {}
        }
        told
    }

    /// From now on units are refused. Returns how.
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

    /// From now on units are committed.
    fn go_on(&mut self) {
        self.failing = None;
        self.health.succeeded(Component::DatabaseWrites);
    }

    /// Tries a tiny commit on a new connection. It is opened before `failed` is closed: as long as somebody has the
    /// database open, SQLite does not read its log again.
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
            // A log that was copied into the database begins anew, in the room that it has: so a disk that is full takes
            // writes again even if nobody empties it. Whether that went well the commit tells.
            let _ = sqlx::query("PRAGMA wal_checkpoint").execute(&mut fresh).await;
            tiny_commit(&mut fresh).await
        };
        let outcome = timeout(PROBING, work).await.unwrap_or_else(|_| Err(hanging()));
        close(fresh).await;
        outcome
    }
}

/// The disk neither fails nor comes back.
fn hanging() -> DbError {
    DbError::Storage("the disk does not answer", sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
}

/// Changes nothing, and writes a page to the log all the same.
async fn tiny_commit(connection: &mut SqliteConnection) -> Result<(), DbError> {
    Ok(sqlx::query("PRAGMA user_version = 0").execute(connection).await.map(drop)?)
}
