//! Queries for the part of a user's data export that is about threads.

use crate::{
    base::{
        error::Result,
        ids::{AttachmentId, ThreadId, UserId},
    },
    messaging::{
        model::{Message, ThreadSummary},
        store,
    },
    platform::db::Conn,
};

/// Returns all threads of a user, oldest first.
pub(crate) async fn threads_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<ThreadId>> {
    let mut threads = q!(conn => vals ThreadId,
        "SELECT id FROM threads WHERE client_id = $1 UNION ALL SELECT id FROM threads WHERE worker_id = $1", user)?;
    threads.sort_unstable();
    Ok(threads)
}

/// Returns one thread of a user, as the user sees it.
pub(crate) async fn summary_of(conn: &mut Conn<'_>, user: UserId, thread: ThreadId) -> Result<Option<ThreadSummary>> {
    store::get(conn, user, thread).await
}

/// Returns messages of one of a user's threads, after a number, as the user sees them.
pub(crate) async fn messages_of(
    conn: &mut Conn<'_>,
    user: UserId,
    thread: ThreadId,
    after: i64,
    limit: i64,
) -> Result<Vec<Message>> {
    let Some(mut window) = store::messages(conn, thread, Some(user), Some(after), None, limit).await? else {
        return Ok(Vec::new());
    };
    let rows = std::mem::take(&mut window.rows);
    Ok(rows.into_iter().map(|row| window.message(row, user)).collect())
}

/// Returns the files that a user uploaded to a thread of theirs, sent or not.
pub(crate) async fn files_sent(conn: &mut Conn<'_>, user: UserId, thread: ThreadId) -> Result<Vec<AttachmentId>> {
    Ok(q!(conn => vals AttachmentId,
        "SELECT id FROM attachments WHERE thread_id = $1 AND user_id = $2 ORDER BY id",
        thread, user)?)
}
