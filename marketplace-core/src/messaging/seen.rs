//! What one of the two sees of a thread, for other features.

use super::{model::Message, store};
use crate::{
    base::{
        error::Result,
        ids::{MessageId, ThreadId, UserId},
    },
    platform::db::Conn,
};

/// Returns a message that a person sees, and its thread; none when they do not see it, or when it was removed.
pub(crate) async fn seen_message(
    conn: &mut Conn<'_>,
    viewer: UserId,
    id: MessageId,
) -> Result<Option<(ThreadId, Message)>> {
    let Some(place) = store::place(conn, id).await? else { return Ok(None) };
    let window = store::messages(conn, place.thread_id, Some(viewer), Some(place.seq - 1), None, 1).await?;
    let Some(mut window) = window else { return Ok(None) };
    let message = window.rows.pop().map(|row| window.message(row, viewer));
    Ok(message.filter(|message| !message.removed).map(|message| (place.thread_id, message)))
}

/// Returns the message of a number in a thread.
pub(crate) async fn message_at(conn: &mut Conn<'_>, thread: ThreadId, seq: i64) -> Result<Option<MessageId>> {
    Ok(q!(conn => optval MessageId, "SELECT id FROM messages WHERE thread_id = $1 AND seq = $2", thread, seq)?)
}

/// Returns the other one of a person's thread, and its newest messages, oldest first, without removed ones; none when it is
/// not theirs.
pub(crate) async fn seen_thread(
    conn: &mut Conn<'_>,
    viewer: UserId,
    id: ThreadId,
    limit: i64,
) -> Result<Option<(UserId, Vec<Message>)>> {
    let Some(mut window) = store::messages(conn, id, Some(viewer), None, None, limit).await? else { return Ok(None) };
    let other = if window.client.id == viewer { window.worker.id } else { window.client.id };
    let rows = std::mem::take(&mut window.rows);
    let shown = rows.into_iter().map(|row| window.message(row, viewer)).filter(|message| !message.removed);
    Ok(Some((other, shown.collect())))
}
