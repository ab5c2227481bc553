//! The event log's SQL.

use super::{Event, EventCursor};
use crate::{
    db::Conn,
    error::Result,
    ids::{ThreadId, UserId},
    page::Cursor,
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
struct Row {
    tx: i64,
    seq: i64,
    at: Timestamp,
    kind: String,
    target: String,
    user_id: Option<UserId>,
}

/// Something that changed, as it is recorded.
#[derive(Debug, Clone)]
pub(crate) struct New<'a> {
    /// What, such as `message`.
    pub kind: &'a str,
    /// The id of what changed.
    pub target: &'a str,
    /// Whom it concerns.
    pub user_id: Option<UserId>,
    /// Who else it concerns.
    pub peer_id: Option<UserId>,
    /// Where it happened.
    pub thread_id: Option<ThreadId>,
    /// The number that it brought: a message's, a read pointer's.
    pub n: Option<i64>,
}

/// Records what concerns the two sides of a thread, inside the transaction that changed it.
pub(crate) async fn record(conn: &mut Conn<'_>, now: Timestamp, new: &New<'_>) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO events (at, kind, target, user_id, peer_id, thread_id, n) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        now, new.kind, new.target, new.user_id, new.peer_id, new.thread_id, new.n)?;
    Ok(())
}

/// Records that something changed, inside the transaction that changed it.
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    now: Timestamp,
    kind: &str,
    target: &str,
    user_id: Option<UserId>,
) -> Result<()> {
    q!(conn => exec, "INSERT INTO events (at, kind, target, user_id) VALUES ($1, $2, $3, $4)", now, kind, target, user_id)?;
    Ok(())
}

/// Events after a cursor, in an order that later commits cannot change.
pub(super) async fn after(conn: &mut Conn<'_>, cursor: EventCursor, limit: i64) -> Result<Vec<Event>> {
    let rows = q!(conn => all Row, [
        sqlite: "SELECT tx, seq, at, kind, target, user_id FROM events WHERE (tx, seq) > ($1, $2) ORDER BY tx, seq LIMIT $3",
        pg: "SELECT tx, seq, at, kind, target, user_id FROM events WHERE (tx, seq) > ($1, $2) \
             AND tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY tx, seq LIMIT $3",
    ], cursor.tx, cursor.seq, limit)?;
    let event = |row: Row| Event {
        cursor: EventCursor { tx: row.tx, seq: row.seq }.text(),
        at: row.at,
        kind: row.kind,
        target: row.target,
        user_id: row.user_id,
    };
    Ok(rows.into_iter().map(event).collect())
}

/// Where the log ends now, for readers who want only what comes.
pub(super) async fn end(conn: &mut Conn<'_>) -> Result<EventCursor> {
    let last = q!(conn => opt (i64, i64), [
        sqlite: "SELECT tx, seq FROM events ORDER BY tx DESC, seq DESC LIMIT 1",
        pg: "SELECT tx, seq FROM events WHERE tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY tx DESC, seq DESC LIMIT 1",
    ])?;
    Ok(last.map_or(EventCursor { tx: 0, seq: 0 }, |(tx, seq)| EventCursor { tx, seq }))
}

/// Forgets what is older than `before`, a bounded number of rows at a time.
pub(super) async fn prune(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(
        q!(conn => exec, "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < $1 ORDER BY at LIMIT 1000)", before)?,
    )
}
