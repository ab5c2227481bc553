//! The single writer of SQLite: many units of work, each in a savepoint, in one transaction with one fsync.

use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::sync::{mpsc, oneshot};

use super::{Conn, DbError, Work, attempt};
use crate::error::{Error, Result};

/// A unit of work, and whom to tell once its fate is known.
pub(super) struct Unit {
    work: Work,
    preview: bool,
    answer: oneshot::Sender<Result<()>>,
}

/// A unit that ran: what came of it, and whom to tell after the commit.
type Ran = (Result<()>, oneshot::Sender<Result<()>>);

/// Hands a unit to the writer and waits for the commit that holds it.
pub(super) async fn submit(queue: &mpsc::Sender<Unit>, preview: bool, work: Work) -> Result<()> {
    let (answer, answered) = oneshot::channel();
    queue.try_send(Unit { work, preview, answer }).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::busy("too many writes wait already; try again"),
        mpsc::error::TrySendError::Closed(_) => Error::unavailable("the database is closed", "the writer has ended"),
    })?;
    answered.await.unwrap_or_else(|_| Err(Error::unavailable("the database is closed", "the unit was dropped")))
}

/// Each hop to sqlx's SQLite thread costs about 25 µs, so BEGIN and SAVEPOINT go in one text, RELEASE and SAVEPOINT in
/// one and only between units, and COMMIT releases the last savepoint.
///
/// The connection is kept while units wait: coming back to the pool costs it a hop as well.
pub(super) async fn run(pool: SqlitePool, mut units: mpsc::Receiver<Unit>, batch: usize) {
    let mut kept = None;
    while let Some(first) = next_unit(&mut units, &mut kept).await {
        let mut done: Vec<Ran> = Vec::new();
        let outcome = match kept.take() {
            Some(connection) => Ok(connection),
            None => pool.acquire().await.map_err(DbError::from),
        };
        let outcome = match outcome {
            Ok(mut connection) => {
                let outcome = commit_together(&mut connection, first, &mut units, batch, &mut done).await;
                kept = outcome.is_ok().then_some(connection);
                outcome
            }
            // The unit is dropped, which tells its caller.
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, units = done.len(), "group commit failed");
        }
        let failure = outcome.err().map(|error| error.to_string());
        for (result, answer) in done {
            let fate = match &failure {
                Some(text) if result.is_ok() => {
                    Err(Error::unavailable("the database could not commit; nothing was changed", text.clone()))
                }
                _ => result,
            };
            // The caller may have gone away: its unit is kept all the same.
            let _ = answer.send(fate);
        }
    }
}

/// The unit that waits, else the next to come; `kept` goes back before the wait.
async fn next_unit(units: &mut mpsc::Receiver<Unit>, kept: &mut Option<PoolConnection<Sqlite>>) -> Option<Unit> {
    if let Ok(unit) = units.try_recv() {
        return Some(unit);
    }
    *kept = None;
    units.recv().await
}

async fn commit_together(
    connection: &mut SqliteConnection,
    first: Unit,
    units: &mut mpsc::Receiver<Unit>,
    batch: usize,
    done: &mut Vec<Ran>,
) -> Result<(), DbError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE; SAVEPOINT unit").await?;
    let mut next = Some(first);
    while let Some(mut unit) = next.take() {
        let result = attempt(&mut unit.work, &mut Conn::Sqlite(&mut tx)).await;
        let keep = result.is_ok() && !unit.preview;
        done.push((result, unit.answer));
        if done.len() < batch {
            next = units.try_recv().ok();
        }
        if !keep {
            sqlx::query("ROLLBACK TO unit").execute(&mut *tx).await?;
        } else if next.is_some() {
            sqlx::query("RELEASE unit; SAVEPOINT unit").execute(&mut *tx).await?;
        }
    }
    Ok(tx.commit().await?)
}
