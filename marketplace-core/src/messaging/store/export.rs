//! What somebody takes away of their threads.

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

/// All threads of a user's, oldest first.
pub(crate) async fn threads_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<ThreadId>> {
    let mut threads = q!(conn => vals ThreadId,
        "SELECT id FROM threads WHERE client_id = $1 UNION ALL SELECT id FROM threads WHERE worker_id = $1", user)?;
    threads.sort_unstable();
    Ok(threads)
}

/// One of them, as the user sees it.
pub(crate) async fn summary_of(conn: &mut Conn<'_>, user: UserId, thread: ThreadId) -> Result<Option<ThreadSummary>> {
    store::get(conn, user, thread).await
}

/// Messages of one of them after a number, as the user sees them.
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

/// The files that a user uploaded to a thread of theirs, sent or not.
pub(crate) async fn files_sent(conn: &mut Conn<'_>, user: UserId, thread: ThreadId) -> Result<Vec<AttachmentId>> {
    Ok(q!(conn => vals AttachmentId,
        "SELECT id FROM attachments WHERE thread_id = $1 AND user_id = $2 ORDER BY id",
        thread, user)?)
}
