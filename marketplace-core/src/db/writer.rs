//! The single writer of SQLite: many units of work, each in a savepoint, in one transaction with one fsync.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, future::BoxFuture};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::sync::{mpsc, oneshot};

use super::{Conn, DbError};
use crate::error::{Error, Result};

/// Answers a caller once the fate of its unit is known.
type Done = Box<dyn FnOnce(Result<()>) + Send>;
/// Runs inside its own savepoint; `true` keeps the changes.
pub(super) type Unit = Box<dyn for<'a> FnOnce(&'a mut SqliteConnection) -> BoxFuture<'a, (bool, Done)> + Send>;

pub(super) fn panicked() -> Error {
    Error::internal("a unit of work panicked")
}

/// Hands a unit to the writer and waits for the commit that holds it.
pub(super) async fn submit<T, F>(queue: &mpsc::Sender<Unit>, preview: bool, unit: F) -> Result<T>
where
    T: Send + 'static,
    F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Send + 'static,
{
    let (answer, answered) = oneshot::channel::<Result<T>>();
    let boxed: Unit = Box::new(move |connection| {
        async move {
            let mut conn = Conn::Sqlite(connection);
            let result = AssertUnwindSafe(unit(&mut conn)).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
            let keep = result.is_ok() && !preview;
            let done: Done = Box::new(move |committed| {
                // The caller may have gone away: its unit is kept all the same.
                let _ = answer.send(match (result, committed) {
                    (Ok(_), Err(error)) => Err(error),
                    (result, _) => result,
                });
            });
            (keep, done)
        }
        .boxed()
    });
    queue.try_send(boxed).map_err(|refused| match refused {
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
        let mut done: Vec<Done> = Vec::new();
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
        for answer in done {
            answer(match &failure {
                None => Ok(()),
                Some(text) => {
                    Err(Error::unavailable("the database could not commit; nothing was changed", text.clone()))
                }
            });
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
    done: &mut Vec<Done>,
) -> Result<(), DbError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE; SAVEPOINT unit").await?;
    let mut next = Some(first);
    while let Some(unit) = next.take() {
        let (keep, answer) = unit(&mut tx).await;
        done.push(answer);
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
