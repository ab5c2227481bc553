//! SQL queries for the event log.

use super::{Event, EventCursor, EventKind, Raw};
use crate::{
    base::{
        error::Result,
        ids::{ThreadId, UserId},
        page::Cursor,
        text_enum::Name,
        time::Timestamp,
    },
    operation::Operation,
    platform::db::{Conn, DbError, PRUNE_BATCH},
};

#[derive(sqlx_macros::FromRow)]
struct Row {
    tx: i64,
    seq: i64,
    at: Timestamp,
    kind: Name<EventKind>,
    target: String,
    user_id: Option<UserId>,
}

/// A change to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct New<'a> {
    /// Kind of the change, such as `message`.
    pub kind: EventKind,
    /// Id of what changed.
    pub target: &'a str,
    /// User whom it concerns.
    pub user_id: Option<UserId>,
    /// Other user whom it concerns.
    pub peer_id: Option<UserId>,
    /// Thread in which it happened.
    pub thread_id: Option<ThreadId>,
    /// Number that came with the change: a message's or a read pointer's.
    pub n: Option<i64>,
}

/// Records a change that concerns both members of a thread, inside the transaction that makes the change.
pub(crate) async fn record(op: &Operation, conn: &mut Conn<'_>, new: &New<'_>) -> Result<()> {
    op.has_event();
    let now = op.now();
    q!(conn => exec,
        "INSERT INTO events (at, kind, target, user_id, peer_id, thread_id, n) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        now, new.kind, new.target, new.user_id, new.peer_id, new.thread_id, new.n)?;
    Ok(())
}

/// Records a change, inside the transaction that makes it.
///
/// # Errors
/// Errors of the database.
pub async fn append(
    op: &Operation,
    conn: &mut Conn<'_>,
    kind: EventKind,
    target: &str,
    user_id: Option<UserId>,
) -> Result<()> {
    record(op, conn, &New { kind, target, user_id, peer_id: None, thread_id: None, n: None }).await
}

/// Maximum number of events that one batch publishes.
pub(crate) const BATCH: i64 = 1_000;

/// Publishes up to [`BATCH`] committed events: assigns them their place in the log. Returns how many. Does nothing on
/// SQLite, where the only writer writes events in their order.
///
/// PostgreSQL commits transactions in another order than that in which their rows got numbers, so a reader that went
/// by those numbers would skip rows that are committed late. A reader could wait until all older transactions have
/// ended, but would then wait for any open transaction in the cluster. Instead rows are ordered by the batch that
/// published them, and **what becomes visible to anybody has a higher batch than all that was visible before**:
///
/// - A batch gets its number under the lock, which it holds until its rows are visible to everybody (PostgreSQL
///   releases a transaction's locks after that). The number of a later batch is drawn afterwards, and is higher. It is
///   the time in microseconds unless the clock was set back, by which the table is divided into days: to publish a row
///   is to move it from the first range to that of the day.
/// - So of two batches the one with the lower number is visible whenever the other is, and each is visible as a whole.
///   A reader that continues after the last (batch, number) that it saw therefore skips nothing, and sees nothing
///   twice.
/// - A row is published once. The statement sees rows as they were when it began, which may be before it got the lock;
///   a row that another batch moved meanwhile is there no more when it is to be moved.
/// - Within a thread events keep their order: a writer to the thread holds the thread's row until the commit, so an
///   event that is committed earlier has a lower number as well, and the lowest numbers are published first.
///
/// Writers neither take the lock nor wait for it. Publishing is this one statement: the server completes it by itself,
/// even when the program that sent it is stopped.
pub(crate) async fn publish(conn: &mut Conn<'_>) -> Result<i64> {
    if matches!(conn, Conn::Sqlite(_)) {
        return Ok(0);
    }
    // The lock is taken before the first row is, and not at all when there are none. The number is drawn once for all rows.
    let published = q!(conn => exec, [
        sqlite: "UPDATE events SET tx = tx WHERE tx < 0 AND seq IN (SELECT seq FROM events WHERE tx < 0 ORDER BY seq LIMIT ($1 + 0))",
        pg: "WITH published AS (DELETE FROM events WHERE tx < 0 AND seq IN (SELECT seq FROM events WHERE tx < 0 ORDER BY seq LIMIT ($1 + 0)) \
               AND (SELECT CASE WHEN EXISTS (SELECT 1 FROM events WHERE tx < 0) \
                 THEN pg_advisory_xact_lock(hashtext('marketplace.events')) IS NOT NULL ELSE false END) \
               RETURNING seq, at, kind, target, user_id, peer_id, thread_id, n) \
             INSERT INTO events (tx, seq, at, kind, target, user_id, peer_id, thread_id, n) \
             SELECT (SELECT setval('event_batches', greatest(nextval('event_batches'), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint))), \
               seq, at, kind, target, user_id, peer_id, thread_id, n FROM published",
    ], BATCH)?;
    if let Conn::Pg(conn) = conn
        && published > 0
    {
        // Visible to everybody, and the lock free, before anything else is done.
        conn.keep_what_was_read().await.map_err(DbError::from)?;
    }
    Ok(i64::try_from(published).unwrap_or(i64::MAX))
}

/// Returns events after a cursor, in an order that later commits cannot change.
pub(crate) async fn after(conn: &mut Conn<'_>, cursor: EventCursor, limit: i64) -> Result<Vec<Event>> {
    let rows = q!(conn => all Row, [
        sqlite: "SELECT tx, seq, at, kind, target, user_id FROM events WHERE tx >= 0 AND (tx, seq) > ($1, $2) ORDER BY tx, seq LIMIT ($3 + 0)",
        // with the bound by which days before the cursor are not looked at
        pg: "SELECT tx, seq, at, kind, target, user_id FROM events WHERE tx >= 0 AND tx >= $1 AND (tx, seq) > ($1, $2) \
             ORDER BY tx, seq LIMIT ($3 + 0)",
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

#[derive(sqlx_macros::FromRow)]
struct RawRow {
    tx: i64,
    seq: i64,
    at: Timestamp,
    kind: Name<EventKind>,
    target: String,
    user_id: Option<UserId>,
    peer_id: Option<UserId>,
}

/// Returns events like [`after`], with all users whom each concerns.
pub(crate) async fn tail(conn: &mut Conn<'_>, cursor: EventCursor, limit: i64) -> Result<Vec<Raw>> {
    let rows = q!(conn => all RawRow, [
        sqlite: "SELECT tx, seq, at, kind, target, user_id, peer_id FROM events WHERE tx >= 0 AND (tx, seq) > ($1, $2) ORDER BY tx, seq LIMIT ($3 + 0)",
        pg: "SELECT tx, seq, at, kind, target, user_id, peer_id FROM events WHERE tx >= 0 AND tx >= $1 AND (tx, seq) > ($1, $2) \
             ORDER BY tx, seq LIMIT ($3 + 0)",
    ], cursor.tx, cursor.seq, limit)?;
    let raw = |row: RawRow| Raw {
        cursor: EventCursor { tx: row.tx, seq: row.seq },
        at: row.at,
        kind: row.kind,
        target: row.target,
        users: [row.user_id, row.peer_id],
    };
    Ok(rows.into_iter().map(raw).collect())
}

/// The part of the log that can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Position up to which the log was pruned: a reader with a cursor before this has missed events.
    pub mark: EventCursor,
    /// Current end of the log, for readers that want only new events.
    pub end: EventCursor,
}

impl Bounds {
    /// Returns whether a cursor belongs to this log and no event after it was pruned.
    pub fn hold(self, cursor: EventCursor) -> bool {
        (self.mark..=self.end).contains(&cursor)
    }
}

/// Returns the part of the log that can be read now.
pub(crate) async fn bounds(conn: &mut Conn<'_>) -> Result<Bounds> {
    let found = q!(conn => one (Option<i64>, Option<i64>, Option<i64>, Option<i64>),
        "SELECT (SELECT tx FROM event_marks WHERE id = 1), (SELECT seq FROM event_marks WHERE id = 1), \
           (SELECT tx FROM events WHERE tx >= 0 ORDER BY tx DESC, seq DESC LIMIT 1), \
           (SELECT seq FROM events WHERE tx >= 0 ORDER BY tx DESC, seq DESC LIMIT 1)")?;
    let cursor = |tx: Option<i64>, seq: Option<i64>| EventCursor { tx: tx.unwrap_or(0), seq: seq.unwrap_or(0) };
    let (mark, end) = (cursor(found.0, found.1), cursor(found.2, found.3));
    // The whole log may have been pruned.
    Ok(Bounds { mark, end: end.max(mark) })
}

/// Returns the identifier of the database in which the log was last written; empty for one that was never opened.
pub(crate) async fn place(conn: &mut Conn<'_>) -> Result<String> {
    Ok(q!(conn => optval String, "SELECT place FROM event_marks WHERE id = 1")?.unwrap_or_default())
}

/// Restarts the log in `place`, unless that was done before. From then on numbers are higher than any ever assigned in
/// this database or in those that it was copied from, and every earlier cursor is older than what is kept. Returns
/// whether this call restarted the log.
pub(crate) async fn begin_anew(conn: &mut Conn<'_>, place: &str, now: Timestamp) -> Result<bool> {
    q!(conn => exec, "INSERT INTO event_marks (id, tx, seq) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING")?;
    let moved = q!(conn => exec, "UPDATE event_marks SET place = $1 WHERE id = 1 AND place <> $1", place)?;
    if moved == 0 {
        return Ok(false);
    }
    // Unpublished events belong to the history as well.
    while publish(conn).await? == BATCH {}
    // Numbers rise by one with each batch or event, and time by a million a second. So every number that was assigned
    // elsewhere, in a history that this database does not know, is lower.
    q!(conn => exec, [
        sqlite: "UPDATE event_marks SET tx = 0, seq = max($1, seq, coalesce((SELECT max(seq) FROM events), 0)) WHERE id = 1",
        pg: "UPDATE event_marks SET tx = setval('event_batches', greatest($1, nextval('event_batches'))), seq = 0 WHERE id = 1",
    ], now.micros())?;
    if let Conn::Sqlite(conn) = conn {
        // In SQLite the next number can be set only by writing to the table in which it keeps the last one.
        let go_on = "DELETE FROM sqlite_sequence WHERE name = 'events'; \
                     INSERT INTO sqlite_sequence (name, seq) SELECT 'events', seq FROM event_marks WHERE id = 1";
        sqlx::raw_sql(go_on).execute(&mut **conn).await?;
    }
    Ok(true)
}

/// Drops the days of events that ended before `before`, on PostgreSQL. Returns how many of them had any events.
pub(crate) async fn drop_days(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    let gone = q!(conn => all (i64, i64), [
        sqlite: "SELECT tx, seq FROM events WHERE seq < 0 AND seq > $1",
        pg: "SELECT tx, seq FROM drop_event_partitions($1)",
    ], before.micros())?;
    mark(conn, &gone).await
}

/// Deletes a batch of events older than `before`. Returns how many rows. On PostgreSQL this is for those that no day has which
/// goes as a whole: from the time before the days, or published by a clock that was ahead.
pub(crate) async fn prune(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    // Events that a server left unpublished when it stopped have no place in the log yet, and could not be reported as
    // missing.
    publish(conn).await?;
    let gone = q!(conn => all (i64, i64), [
        sqlite: "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < $1 AND tx >= 0 ORDER BY at LIMIT ($2 + 0)) RETURNING tx, seq",
        pg: "DELETE FROM events WHERE tx >= 0 AND (tx, seq) IN ( \
               (SELECT tx, seq FROM events_first WHERE at < $1 AND tx >= 0 ORDER BY at LIMIT ($2 + 0)) \
               UNION ALL \
               (SELECT tx, seq FROM events WHERE at < $1::timestamptz - interval '1 day' AND tx >= 0 ORDER BY at LIMIT ($2 + 0))) \
             RETURNING tx, seq",
    ], before, PRUNE_BATCH)?;
    mark(conn, &gone).await
}

/// Records up to where the log is gone. Returns how many of its rows these are.
async fn mark(conn: &mut Conn<'_>, gone: &[(i64, i64)]) -> Result<u64> {
    let Some((tx, seq)) = gone.iter().max() else { return Ok(0) };
    q!(conn => exec,
        "INSERT INTO event_marks (id, tx, seq) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET tx = excluded.tx, seq = excluded.seq \
         WHERE (event_marks.tx, event_marks.seq) < (excluded.tx, excluded.seq)",
        tx, seq)?;
    Ok(gone.len() as u64)
}
