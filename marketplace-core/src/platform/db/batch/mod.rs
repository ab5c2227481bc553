//! Batches pending point reads into one statement.
//!
//! Reading one row by its key costs SQLite about 3 µs, and the round trip 25 µs: a hop to its thread, a snapshot, a
//! wake-up. With many concurrent callers, that cost is paid once for all who are waiting:
//!
//! ```ignore
//! struct Brief;
//! impl PointRead for Brief {
//!     type Key = ServiceId;
//!     type Row = Arc<BriefRow>;
//!     async fn load(conn: &mut Conn<'_>, keys: &[ServiceId]) -> Result<Vec<(ServiceId, Arc<BriefRow>)>> {
//!         let rows = q!(conn => json Vec<BriefRow>, [
//!             sqlite: "SELECT json_group_array(json_array(lower(hex(s.id)), s.title)) \
//!                      FROM json_each($1) k CROSS JOIN services s ON s.id = unhex(k.value, '-')",
//!             pg: "SELECT json_agg(json_build_array(s.id, s.title)) \
//!                  FROM json_array_elements_text($1::json) k(value) JOIN services s ON s.id = k.value::uuid",
//!         ], json::keys(keys))?;
//!         Ok(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect())
//!     }
//! }
//! let row = app.db.point::<Brief>(id).await?; // None: there is no such row
//! ```
//!
//! - **No added delay.** Without concurrent callers a read starts at once. Reads that arrive while a statement runs form
//!   the next one.
//! - **Fresh.** A read never joins a statement that has already started, so a read that starts after a commit sees it. Rows
//!   are not cached.
//! - **Isolated.** A caller that goes away does not affect the others. An error or a panic in `load` reaches all callers of
//!   its statement; the next statement is unaffected.
//! - A key that is requested twice is read once. `Row` is cloned, so put large values in an `Arc`.
//! - `load` makes no decisions: who may see a row, and the current time, differ from caller to caller.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::{
    Conn, Db, Reader,
    queues::{Asked, PointRead, Queue},
};
use crate::{
    base::error::{Error, Result},
    platform::spans::part,
};

/// Time without a response after which a read by key is assumed to be stuck; it normally takes microseconds.
const SILENCE: Duration = Duration::from_millis(500);

impl Db {
    /// Returns the row of a key, read in one statement with other pending reads; see [`batch`](super::batch).
    pub async fn point<P: PointRead>(&self, key: P::Key) -> Result<Option<P::Row>> {
        let queue = self.1.of::<P>();
        let (answer, answered) = oneshot::channel();
        if queue.push((key, answer)) {
            // In a task of its own, as any caller may go away, including the first.
            tokio::spawn(run(self.clone(), queue));
        }
        let gone = |_| Err(Error::unavailable("the database does not answer; try again", "the read was dropped"));
        let span = part!("db.read", otel.kind = "client", db.system.name = self.system());
        answered.instrument(span).await.unwrap_or_else(gone)
    }
}

/// Runs statements until no caller is waiting.
async fn run<P: PointRead>(db: Db, queue: Arc<Queue<P>>) {
    let mut lent = None;
    loop {
        // Let callers that are about to ask join first.
        tokio::task::yield_now().await;
        // Connect before taking the keys, so that reads that arrive while all connections are in use still join.
        let connected = match lent.take() {
            Some(reader) => Ok(reader),
            None => db.read().await,
        };
        let mut batch = queue.take();
        if batch.is_empty() {
            return;
        }
        batch.retain(|(_, answer)| !answer.is_closed());
        let outcome = match connected {
            Ok(reader) => {
                let (rows, reader) = read::<P>(&db, reader, &batch).await;
                // A connection on which something failed may be broken, so it goes back to the pool, which checks it.
                lent = reader.filter(|_| rows.is_ok());
                rows
            }
            Err(error) => Err(error),
        };
        answer::<P>(batch, outcome);
    }
}

/// Runs the statement, and runs it once more on another connection when there is no response for too long: a connection
/// that died silently must not delay every later caller.
async fn read<P: PointRead>(
    db: &Db,
    mut reader: Reader,
    batch: &[Asked<P>],
) -> (Result<HashMap<P::Key, P::Row>>, Option<Reader>) {
    let first = tokio::time::timeout(SILENCE, rows_of::<P>(&mut reader.conn(), batch)).await;
    if let Ok(rows) = first {
        return (rows, Some(reader));
    }
    drop(reader);
    match db.read().await {
        Ok(mut reader) => (rows_of::<P>(&mut reader.conn(), batch).await, Some(reader)),
        Err(error) => (Err(error), None),
    }
}

async fn rows_of<P: PointRead>(conn: &mut Conn<'_>, batch: &[Asked<P>]) -> Result<HashMap<P::Key, P::Row>> {
    let mut keys: Vec<P::Key> = Vec::with_capacity(batch.len());
    let mut seen = std::collections::HashSet::with_capacity(batch.len());
    keys.extend(batch.iter().map(|(key, _)| key).filter(|key| seen.insert(*key)).cloned());
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let panicked = |_| Err(Error::internal("a batched read panicked"));
    let rows = AssertUnwindSafe(P::load(conn, &keys)).catch_unwind().await.unwrap_or_else(panicked)?;
    Ok(rows.into_iter().collect())
}

/// Sends each caller its row or the error. A caller that has gone away does not receive it, which is fine.
fn answer<P: PointRead>(batch: Vec<Asked<P>>, outcome: Result<HashMap<P::Key, P::Row>>) {
    match outcome {
        Ok(mut rows) => {
            let asked_once = rows.len() == batch.len();
            for (key, answer) in batch {
                let row = if asked_once { rows.remove(&key) } else { rows.get(&key).cloned() };
                let _ = answer.send(Ok(row));
            }
        }
        Err(error) => {
            for (_, answer) in batch {
                let _ = answer.send(Err(error.duplicate()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
