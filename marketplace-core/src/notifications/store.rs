//! Queries for notifications and settings.

use serde_json::{Value, json};

use super::model::{NotificationKind, NotificationSettings};
use crate::{
    base::{
        error::{Error, Result},
        ids::{NotificationId, ThreadId, UserId, first_uuid_v7},
        language::Language,
        time::Timestamp,
    },
    platform::db::Conn,
};

/// Bound at which the count of unread ones stops.
const CAP: i64 = 1_000;

/// A stored notification.
#[derive(Debug, Clone, sqlx_macros::FromRow)]
pub(crate) struct Row {
    pub id: NotificationId,
    pub kind: NotificationKind,
    pub target: String,
    pub at: Timestamp,
    pub read_at: Option<Timestamp>,
}

pub(super) async fn insert(
    conn: &mut Conn<'_>,
    user: UserId,
    id: NotificationId,
    kind: NotificationKind,
    target: &str,
    at: Timestamp,
    (mail_at, announce_at): (Option<Timestamp>, Option<Timestamp>),
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO notifications (user_id, id, kind, target, at, mail_at, announce_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        user, id, kind, target, at, mail_at, announce_at)?;
    Ok(())
}

/// Deletes a user's notifications about `target` whose time has not come: their ids come after those of the present.
pub(super) async fn cancel(conn: &mut Conn<'_>, user: UserId, target: &str, now: Timestamp) -> Result<()> {
    q!(conn => exec, "DELETE FROM notifications WHERE user_id = $1 AND id >= $2 AND target = $3 AND at > $4",
        user, first_uuid_v7(now), target, now)?;
    Ok(())
}

/// Returns a page before an id, newest first.
pub(super) async fn page(
    conn: &mut Conn<'_>,
    user: UserId,
    only_unread: bool,
    before: NotificationId,
    limit: i64,
) -> Result<Vec<Row>> {
    Ok(if only_unread {
        q!(conn => all Row, "SELECT id, kind, target, at, read_at FROM notifications \
            WHERE user_id = $1 AND id < $2 AND read_at IS NULL ORDER BY id DESC LIMIT ($3 + 0)", user, before, limit)?
    } else {
        q!(conn => all Row, "SELECT id, kind, target, at, read_at FROM notifications \
            WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT ($3 + 0)", user, before, limit)?
    })
}

/// Counts the unread ones before an id, up to [`CAP`].
pub(super) async fn unread(conn: &mut Conn<'_>, user: UserId, before: NotificationId) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM notifications WHERE user_id = $1 AND read_at IS NULL AND id < $2 \
         LIMIT ($3 + 0)) AS capped", user, before, CAP)?)
}

/// Marks one as read. Nobody is mailed what they have read.
pub(super) async fn mark(conn: &mut Conn<'_>, user: UserId, id: NotificationId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE notifications SET read_at = $3, mail_at = NULL WHERE user_id = $1 AND id = $2 AND read_at IS NULL AND at <= $3",
        user, id, now)?;
    Ok(())
}

/// Marks one and all before it as read.
pub(super) async fn mark_until(conn: &mut Conn<'_>, user: UserId, id: NotificationId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE notifications SET read_at = $3, mail_at = NULL WHERE user_id = $1 AND id <= $2 AND read_at IS NULL AND at <= $3",
        user, id, now)?;
    Ok(())
}

/// Marks what tells a user of unread messages in a thread as read.
pub(crate) async fn read_thread(conn: &mut Conn<'_>, user: UserId, thread: ThreadId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE notifications SET read_at = $3, mail_at = NULL \
         WHERE user_id = $1 AND target = $2 AND kind = 'message' AND read_at IS NULL", user, thread.to_string(), now)?;
    Ok(())
}

/// Marks what tells a user of something that they have done meanwhile as read.
pub(crate) async fn done(
    conn: &mut Conn<'_>,
    user: UserId,
    kind: NotificationKind,
    target: impl std::fmt::Display,
    now: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE notifications SET read_at = $4, mail_at = NULL \
         WHERE user_id = $1 AND read_at IS NULL AND kind = ($2 || '') AND target = $3", user, kind, target.to_string(), now)?;
    Ok(())
}

/// One of which a mail, or the announcement, is due.
#[derive(Debug, Clone, Copy, sqlx_macros::FromRow)]
pub(super) struct Due {
    pub user_id: UserId,
    pub id: NotificationId,
}

pub(super) async fn due(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<Due>> {
    Ok(q!(conn => all Due,
        "SELECT user_id, id FROM notifications WHERE mail_at IS NOT NULL AND mail_at <= $1 ORDER BY mail_at LIMIT ($2 + 0)",
        now, limit)?)
}

/// Returns those whose time has come, and that were not announced yet.
pub(super) async fn unannounced(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<Due>> {
    Ok(q!(conn => all Due,
        "SELECT user_id, id FROM notifications WHERE announce_at IS NOT NULL AND announce_at <= $1 ORDER BY announce_at LIMIT ($2 + 0)",
        now, limit)?)
}

/// Takes the announcement: of two that try, one gets it.
pub(super) async fn take_announcement(conn: &mut Conn<'_>, due: Due, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE notifications SET announce_at = NULL WHERE user_id = $1 AND id = $2 AND announce_at IS NOT NULL AND announce_at <= $3",
        due.user_id, due.id, now)?
        == 1)
}

/// Takes the making of a mail: of two that try, one gets the notification.
pub(super) async fn take(conn: &mut Conn<'_>, due: Due, now: Timestamp) -> Result<Option<Row>> {
    Ok(q!(conn => opt Row,
        "UPDATE notifications SET mail_at = NULL WHERE user_id = $1 AND id = $2 AND mail_at IS NOT NULL AND mail_at <= $3 \
         RETURNING id, kind, target, at, read_at", due.user_id, due.id, now)?)
}

/// Counts a user's unread messages in a thread.
pub(super) async fn unread_messages(conn: &mut Conn<'_>, user: UserId, thread: &str) -> Result<i64> {
    let thread: ThreadId = thread.parse().map_err(Error::internal)?;
    let count = q!(conn => optval i64,
        "SELECT CASE WHEN client_id = $2 THEN client_unread ELSE worker_unread END FROM threads WHERE id = $1", thread, user)?;
    Ok(count.unwrap_or(0))
}

/// Deletes a batch of those from before a time.
pub(super) async fn prune(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM notifications WHERE (user_id, id) IN \
         (SELECT user_id, id FROM notifications WHERE at < $1 ORDER BY at LIMIT 500)", before)?)
}

/// Returns a user's settings; those who never changed them have the first ones.
pub(super) async fn settings(conn: &mut Conn<'_>, user: UserId) -> Result<NotificationSettings> {
    let row = q!(conn => opt (Language, String, i64),
        "SELECT language, muted, version FROM notification_settings WHERE user_id = $1", user)?;
    let Some((language, muted, version)) = row else {
        return Ok(NotificationSettings::new(Language::default(), &[], 0));
    };
    // A kind of a newer release is left alone.
    let muted: Vec<Value> = serde_json::from_str(&muted).map_err(Error::internal)?;
    let muted: Vec<NotificationKind> = muted.into_iter().filter_map(|kind| serde_json::from_value(kind).ok()).collect();
    Ok(NotificationSettings::new(language, &muted, version))
}

/// Stores a user's settings. Returns their new version.
pub(super) async fn put_settings(
    conn: &mut Conn<'_>,
    user: UserId,
    settings: &NotificationSettings,
    now: Timestamp,
) -> Result<i64> {
    let muted = serde_json::to_string(&settings.muted()).map_err(Error::internal)?;
    Ok(q!(conn => val i64,
        "INSERT INTO notification_settings (user_id, language, muted, version, updated_at) VALUES ($1, $2, $3, 1, $4) \
         ON CONFLICT (user_id) DO UPDATE SET language = excluded.language, muted = excluded.muted, \
         version = notification_settings.version + 1, updated_at = excluded.updated_at RETURNING version",
        user, settings.language, muted, now)?)
}

/// Deletes a user's notifications and settings.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM notifications WHERE user_id = $1", user)?;
    q!(conn => exec, "DELETE FROM notification_settings WHERE user_id = $1", user)?;
    Ok(())
}

/// Returns what is stored of a user, for their export: the settings, and the newest 1,000 notifications.
pub(crate) async fn told(conn: &mut Conn<'_>, user: UserId) -> Result<Value> {
    let settings = settings(conn, user).await?;
    let rows = page(conn, user, false, NotificationId(uuid::Uuid::max()), CAP).await?;
    let rows = rows
        .into_iter()
        .map(|row| json!({ "kind": row.kind, "target": row.target, "at": row.at, "read_at": row.read_at }));
    Ok(json!({ "settings": settings, "notifications": rows.collect::<Vec<_>>() }))
}
