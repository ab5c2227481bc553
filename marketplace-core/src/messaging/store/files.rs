//! Queries for the files of messages.

use std::iter;

use super::Data;
use crate::{
    base::{
        error::{Error, Result},
        ids::{AttachmentId, ThreadId, UserId},
        time::Timestamp,
    },
    messaging::model::Attachment,
    platform::db::Conn,
};

/// A stored file.
#[derive(sqlx_macros::FromRow)]
pub(in crate::messaging) struct File {
    pub thread_id: ThreadId,
    pub user_id: UserId,
    pub message_seq: Option<i64>,
    /// Whether staff removed its message.
    pub removed: bool,
    pub object_key: String,
    /// Where its small rendering lies; `None` for what is no picture, and for pictures that were stored before there was one.
    pub thumb_key: Option<String>,
    /// The file's encrypted key; `None` for a file that was stored before files were sealed.
    pub wrapped_key: Option<Vec<u8>>,
    pub media_type: String,
    pub name: Option<String>,
    pub size: i64,
    pub width: Option<i64>,
    pub height: Option<i64>,
}

impl File {
    pub fn attachment(&self, id: AttachmentId) -> Attachment {
        let media_type = self.media_type.clone();
        let name = self.name.clone();
        Attachment { id, media_type, name, size: self.size, width: self.width, height: self.height }
    }
}

/// Locations of a sealed file in the store.
#[derive(Clone)]
pub(in crate::messaging) struct Stored {
    pub object_key: String,
    pub thumb_key: Option<String>,
    pub wrapped_key: Vec<u8>,
}

pub(in crate::messaging) async fn insert_file(
    conn: &mut Conn<'_>,
    file: &Attachment,
    thread: ThreadId,
    user: UserId,
    stored: &Stored,
    at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO attachments (id, thread_id, user_id, message_seq, object_key, wrapped_key, media_type, size, width, height, created_at, name, thumb_key) \
         VALUES ($1, $2, $3, NULL, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        file.id, thread, user, &stored.object_key, &stored.wrapped_key, &file.media_type, file.size, file.width, file.height,
        at, file.name.as_deref(), stored.thumb_key.as_deref())?;
    Ok(())
}

pub(in crate::messaging) async fn file(conn: &mut Conn<'_>, id: AttachmentId) -> Result<Option<File>> {
    Ok(q!(conn => opt File,
        "SELECT a.thread_id, a.user_id, a.message_seq, m.removed_at IS NOT NULL AS removed, a.object_key, a.thumb_key, a.wrapped_key, a.media_type, a.name, a.size, a.width, a.height \
         FROM attachments a LEFT JOIN messages m ON m.thread_id = a.thread_id AND m.seq = a.message_seq WHERE a.id = $1",
        id)?)
}

/// Attaches a file to a message. Returns `false` unless it is a file of the sender's in this thread that no message
/// carries.
pub(in crate::messaging) async fn claim(
    conn: &mut Conn<'_>,
    id: AttachmentId,
    thread: ThreadId,
    user: UserId,
    seq: i64,
) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE attachments SET message_seq = $4 WHERE id = $1 AND thread_id = $2 AND user_id = $3 AND message_seq IS NULL",
        id, thread, user, seq)?
        == 1)
}

/// Counts the files of a user that no message carries.
pub(in crate::messaging) async fn loose_of_user(conn: &mut Conn<'_>, user: UserId) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM attachments WHERE user_id = $1 AND message_seq IS NULL", user)?)
}

/// Returns whether there are files that were uploaded before `before` and that no message carries.
pub(in crate::messaging) async fn loose(conn: &mut Conn<'_>, before: Timestamp) -> Result<bool> {
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM attachments WHERE message_seq IS NULL AND created_at < $1)", before)?)
}

/// Deletes a bounded number of files that were uploaded before `before` and that no message carries; their objects are
/// deleted soon after.
pub(in crate::messaging) async fn delete_loose(conn: &mut Conn<'_>, before: Timestamp, now: Timestamp) -> Result<u64> {
    let keys = q!(conn => all Keys,
        "DELETE FROM attachments WHERE message_seq IS NULL AND id IN \
           (SELECT id FROM attachments WHERE message_seq IS NULL AND created_at < $1 ORDER BY created_at LIMIT 100) RETURNING object_key, thumb_key",
        before)?;
    to_delete(conn, keys, now).await
}

/// Deletes the rows of all files that a user uploaded, sent or not; their objects are deleted soon after.
pub(in crate::messaging) async fn delete_files_of(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<u64> {
    let keys = q!(conn => all Keys,
        "DELETE FROM attachments WHERE user_id = $1 AND thread_id IN \
           (SELECT id FROM threads WHERE client_id = $1 UNION ALL SELECT id FROM threads WHERE worker_id = $1) RETURNING object_key, thumb_key",
        user)?;
    to_delete(conn, keys, now).await
}

/// A file that is stored unencrypted.
#[derive(sqlx_macros::FromRow)]
pub(in crate::messaging) struct ClearFile {
    pub id: AttachmentId,
    pub object_key: String,
    pub media_type: String,
    pub width: Option<i64>,
    pub height: Option<i64>,
}

/// Returns files that are stored unencrypted, after an id.
pub(in crate::messaging) async fn clear_files(
    conn: &mut Conn<'_>,
    after: uuid::Uuid,
    limit: i64,
) -> Result<Vec<ClearFile>> {
    Ok(q!(conn => all ClearFile,
        "SELECT id, object_key, media_type, width, height FROM attachments WHERE wrapped_key IS NULL AND id > $1 ORDER BY id LIMIT ($2 + 0)",
        after, limit)?)
}

/// Replaces an unencrypted file with a sealed one, queues the old object for deletion, and updates the description of
/// the file in its message. Returns `false` when the old file no longer exists.
pub(in crate::messaging) async fn seal_file(
    conn: &mut Conn<'_>,
    before: &str,
    file: &Attachment,
    stored: &Stored,
    now: Timestamp,
) -> Result<bool> {
    let message = q!(conn => opt (ThreadId, Option<i64>),
        "UPDATE attachments SET object_key = $3, wrapped_key = $4, media_type = $5, size = $6, width = $7, height = $8, thumb_key = $9 \
         WHERE id = $1 AND object_key = $2 AND wrapped_key IS NULL RETURNING thread_id, message_seq",
        file.id, before, &stored.object_key, &stored.wrapped_key, &file.media_type, file.size, file.width, file.height,
        stored.thumb_key.as_deref())?;
    let Some((thread, seq)) = message else { return Ok(false) };
    to_delete(conn, vec![(before.to_owned(), None)], now).await?;
    let data =
        q!(conn => optval Option<String>, "SELECT data FROM messages WHERE thread_id = $1 AND seq = $2", thread, seq)?;
    if let Some(old) = data.flatten() {
        let mut data: Data = serde_json::from_str(&old).map_err(Error::internal)?;
        for one in data.attachments.iter_mut().filter(|one| one.id == file.id) {
            one.clone_from(file);
        }
        q!(conn => exec, "UPDATE messages SET data = $4 WHERE thread_id = $1 AND seq = $2 AND data = $3",
            thread, seq, old, data.text()?)?;
    }
    Ok(true)
}

/// The objects of a file: as it was sent, and small.
type Keys = (String, Option<String>);

/// Queues the objects of files for deletion. Returns how many files they are.
async fn to_delete(conn: &mut Conn<'_>, files: Vec<Keys>, now: Timestamp) -> Result<u64> {
    let count = files.len() as u64;
    for key in files.into_iter().flat_map(|(object, thumb)| iter::once(object).chain(thumb)) {
        q!(conn => exec,
            "INSERT INTO file_deletions (object_key, created_at) VALUES ($1, $2) ON CONFLICT (object_key) DO NOTHING", key, now)?;
    }
    Ok(count)
}
