//! Due work, closing threads of rejected jobs, and erasure.

use std::time::Duration;

use futures::FutureExt;

use super::{
    model::{CloseReason, ThreadStatus},
    ops::changed,
    staff::AUDIT_EVERY,
    store,
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{ThreadId, UserId},
    },
    operation::Operation,
    platform::db::Conn,
};

/// How long a file may wait for a message.
const LOOSE_FOR: Duration = Duration::from_hours(24);

/// Closes the thread of a rejected job. The unit has called `lock_thread` before.
pub(crate) async fn close_for_job(op: &Operation, conn: &mut Conn<'_>, thread: ThreadId) -> Result<()> {
    let (client, worker) = store::parties(conn, thread).await?.ok_or_else(|| Error::not_found("thread"))?;
    if store::set_status(conn, thread, ThreadStatus::Closed, Some(CloseReason::JobRejected), None).await? {
        changed(op, conn, thread, client, worker).await?;
    }
    Ok(())
}

/// Removes a user's texts and files from their threads, inside the transaction that deletes the user. Their messages stay as
/// tombstones, so that numbers have no gaps and the other side sees that something was said, by "Deleted user"; what staff
/// wrote about the threads goes as well.
pub(crate) async fn erase(op: &Operation, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    let now = op.now();
    store::delete_files_of(conn, user, now).await?;
    store::tombstone(conn, user, now).await?;
    for thread in store::threads_of(conn, user).await? {
        if let Some((client, worker)) = store::parties(conn, thread).await? {
            changed(op, conn, thread, client, worker).await?;
        }
    }
    Ok(())
}

/// Deletes files that have waited a day for a message. Returns how many.
pub(crate) async fn run_due(app: &App) -> Result<u64> {
    let now = app.now();
    let before = now - LOOSE_FOR;
    let mut reader = app.db.read().await?;
    if !store::loose(&mut reader.conn(), before).await? {
        return Ok(0);
    }
    drop(reader);
    Operation::system(app).write(unit!(|op, conn| { store::delete_loose(conn, before, op.now()).await })).await
}

/// Deletes the records of which staff read which thread: the audit log has them.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let now = app.now();
    app.db.prune_in_batches(move |conn| async move { store::prune_reads(conn, now - AUDIT_EVERY).await }.boxed()).await
}
