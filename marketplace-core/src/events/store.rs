//! The event log's SQL.

use super::{Event, EventCursor, Raw};
use crate::{
    db::{Conn, PRUNE_BATCH},
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

#[derive(sqlx::FromRow)]
struct RawRow {
    tx: i64,
    seq: i64,
    kind: String,
    target: String,
    user_id: Option<UserId>,
    peer_id: Option<UserId>,
}

/// Like [`after`], with all whom it concerns.
pub(super) async fn tail(conn: &mut Conn<'_>, cursor: EventCursor, limit: i64) -> Result<Vec<Raw>> {
    let rows = q!(conn => all RawRow, [
        sqlite: "SELECT tx, seq, kind, target, user_id, peer_id FROM events WHERE (tx, seq) > ($1, $2) ORDER BY tx, seq LIMIT $3",
        pg: "SELECT tx, seq, kind, target, user_id, peer_id FROM events WHERE (tx, seq) > ($1, $2) \
             AND tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY tx, seq LIMIT $3",
    ], cursor.tx, cursor.seq, limit)?;
    let raw = |row: RawRow| Raw {
        cursor: EventCursor { tx: row.tx, seq: row.seq },
        kind: row.kind,
        target: row.target,
        users: [row.user_id, row.peer_id],
    };
    Ok(rows.into_iter().map(raw).collect())
}

/// Up to where the log was forgotten.
pub(super) async fn mark(conn: &mut Conn<'_>) -> Result<EventCursor> {
    let mark = q!(conn => opt (i64, i64), "SELECT tx, seq FROM event_marks WHERE id = 1")?;
    Ok(mark.map_or(EventCursor { tx: 0, seq: 0 }, |(tx, seq)| EventCursor { tx, seq }))
}

/// Where the log ends now, for readers who want only what comes.
pub(super) async fn end(conn: &mut Conn<'_>) -> Result<EventCursor> {
    let last = q!(conn => opt (i64, i64), [
        sqlite: "SELECT tx, seq FROM events ORDER BY tx DESC, seq DESC LIMIT 1",
        pg: "SELECT tx, seq FROM events WHERE tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY tx DESC, seq DESC LIMIT 1",
    ])?;
    match last {
        Some((tx, seq)) => Ok(EventCursor { tx, seq }),
        // All forgotten.
        None => mark(conn).await,
    }
}

/// Forgets a batch of what is older than `before`. Returns how many rows.
pub(super) async fn prune(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    let gone = q!(conn => all (i64, i64),
        "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < $1 ORDER BY at LIMIT ($2 + 0)) RETURNING tx, seq",
        before, PRUNE_BATCH)?;
    let Some((tx, seq)) = gone.iter().max() else { return Ok(0) };
    q!(conn => exec,
        "INSERT INTO event_marks (id, tx, seq) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET tx = excluded.tx, seq = excluded.seq \
         WHERE (event_marks.tx, event_marks.seq) < (excluded.tx, excluded.seq)",
        tx, seq)?;
    Ok(gone.len() as u64)
}
