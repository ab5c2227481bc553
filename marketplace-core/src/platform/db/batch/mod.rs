//! Point reads that wait are answered by one statement.
//!
//! A read of one row by its key costs SQLite about 3 µs, and getting there and back 25 µs: a hop to its thread, a snapshot,
//! a wake-up. With many callers at once that is paid once for all who wait:
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
//! - **Nobody waits for company.** Without others a read begins at once. Those who come while a statement runs form the
//!   next one.
//! - **Fresh.** A read never joins a statement that has begun, so one that starts after a commit sees it. Rows are kept
//!   for nobody.
//! - **Apart.** Who goes away takes nothing from the others; an error, or a panic in `load`, reaches all of its statement,
//!   and the next begins anew.
//! - A key that is asked for twice is read once; `Row` is cloned, so put what is large in an `Arc`.
//! - `load` decides nothing: who may see a row, and what time it is, differs from caller to caller.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::sync::oneshot;

use super::{
    Conn, Db, Reader,
    queues::{Asked, PointRead, Queue},
};
use crate::base::error::{Error, Result};

/// A read by key takes microseconds, and so long when something is wrong.
const SILENCE: Duration = Duration::from_millis(500);

impl Db {
    /// The row of a key, read in one statement with those of others who wait; see [`batch`](super::batch).
    pub async fn point<P: PointRead>(&self, key: P::Key) -> Result<Option<P::Row>> {
        let queue = self.1.of::<P>();
        let (answer, answered) = oneshot::channel();
        if queue.push((key, answer)) {
            // A task of its own: callers may go away, also the first.
            tokio::spawn(run(self.clone(), queue));
        }
        let gone = |_| Err(Error::unavailable("the database does not answer; try again", "the read was dropped"));
        answered.await.unwrap_or_else(gone)
    }
}

/// Answers until nobody waits.
async fn run<P: PointRead>(db: Db, queue: Arc<Queue<P>>) {
    let mut lent = None;
    loop {
        // Whoever is about to ask does so first.
        tokio::task::yield_now().await;
        // Before the keys are taken: who comes while all connections are in use is in time.
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
                // A connection on which something failed may be broken: the pool looks at it.
                lent = reader.filter(|_| rows.is_ok());
                rows
            }
            Err(error) => Err(error),
        };
        answer::<P>(batch, outcome);
    }
}

/// Reads, and once more on another connection when nothing is heard for long: one that died silently must not have everybody
/// wait who comes after.
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

/// A caller that has gone away hears nothing, which is fine.
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
