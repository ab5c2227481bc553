//! Queries with which staff read and moderate threads.

use crate::{
    accounts::model::mask_name,
    base::{
        error::Result,
        ids::{MessageId, ServiceId, ThreadId, UserId},
        page::TimeCursor,
        principal::Principal,
        time::Timestamp,
    },
    messaging::model::{CloseReason, RemovalReason, ThreadFilter, ThreadInfo, ThreadStatus},
    platform::db::{Conn, PRUNE_BATCH},
};

/// Counts messages since a time, up to `limit`.
pub(crate) async fn count_since(conn: &mut Conn<'_>, since: Timestamp, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM messages WHERE created_at > $1 LIMIT ($2 + 0)) AS capped",
        since, limit)?)
}

/// Counts messages of a span of time.
pub(in crate::messaging) async fn count_between(conn: &mut Conn<'_>, from: Timestamp, until: Timestamp) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM messages WHERE created_at >= $1 AND created_at < $2", from, until)?)
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: ThreadId,
    service_id: ServiceId,
    title: String,
    client_id: UserId,
    client_name: String,
    client_deleted: bool,
    worker_id: UserId,
    worker_name: String,
    worker_deleted: bool,
    status: ThreadStatus,
    closed_reason: Option<CloseReason>,
    note: Option<String>,
    last_seq: i64,
    last_at: Timestamp,
    created_at: Timestamp,
    version: i64,
}

impl From<Row> for ThreadInfo {
    fn from(row: Row) -> Self {
        let shown = |name: String, deleted| if deleted { name } else { mask_name(&name) };
        Self {
            id: row.id,
            service_id: row.service_id,
            title: row.title,
            client_id: row.client_id,
            client_name: shown(row.client_name, row.client_deleted),
            worker_id: row.worker_id,
            worker_name: shown(row.worker_name, row.worker_deleted),
            status: row.status,
            closed_reason: row.closed_reason,
            note: row.note,
            last_seq: row.last_seq,
            last_at: row.last_at,
            created_at: row.created_at,
            version: row.version,
        }
    }
}

macro_rules! info {
    (columns) => {
        "SELECT t.id, t.service_id, s.title, t.client_id, c.name AS client_name, c.status = 'deleted' AS client_deleted, \
         t.worker_id, w.name AS worker_name, w.status = 'deleted' AS worker_deleted, t.status, t.closed_reason, t.note, t.last_seq, \
         t.last_at, t.created_at, t.version FROM "
    };
    (joins) => {
        " t JOIN services s ON s.id = t.service_id JOIN users c ON c.id = t.client_id JOIN users w ON w.id = t.worker_id "
    };
}

/// Returns one thread.
pub(in crate::messaging) async fn show(conn: &mut Conn<'_>, id: ThreadId) -> Result<Option<ThreadInfo>> {
    let row = q!(conn => opt Row, concat!(info!(columns), "threads", info!(joins), "WHERE t.id = $1"), id)?;
    Ok(row.map(ThreadInfo::from))
}

/// Returns threads before a position, newest activity first. Each filter walks an index; of two filters, the second is
/// tested row by row. Each status has its own index, so a list of all threads merges the newest of both.
pub(in crate::messaging) async fn page(
    conn: &mut Conn<'_>,
    filter: &ThreadFilter,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<ThreadInfo>> {
    const ORDER: &str = " ORDER BY last_at DESC, id DESC LIMIT (";
    // Written as literal text: from a bound value the planner cannot tell which index applies.
    let status = match filter.status {
        Some(ThreadStatus::Open) => " AND status = 'open'",
        Some(ThreadStatus::Closed) => " AND status = 'closed'",
        None => "",
    };
    let parts: &[&str] = if filter.user_id.is_some() {
        &[" AND client_id = ", " AND worker_id = "]
    } else if filter.service_id.is_some() || filter.status.is_some() {
        &[""]
    } else {
        &[" AND status = 'open'", " AND status = 'closed'"]
    };
    let rows = on!(conn, |x, Engine| {
        let mut sql = sqlx::QueryBuilder::<Engine>::new(info!(columns));
        sql.push("(SELECT * FROM (");
        for (n, part) in parts.iter().enumerate() {
            sql.push(if n == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
            sql.push("SELECT * FROM threads WHERE (last_at, id) < (").push_bind(before.at);
            sql.push(", ").push_bind(before.id).push(")").push(*part);
            if let Some(user) = filter.user_id {
                sql.push_bind(user);
            }
            sql.push(status);
            if let Some(service) = filter.service_id {
                sql.push(" AND service_id = ").push_bind(service);
            }
            sql.push(ORDER).push_bind(limit).push(" + 0)) AS one");
        }
        sql.push(") AS found").push(ORDER).push_bind(limit).push(" + 0))").push(info!(joins));
        sql.build_query_as::<Row>().fetch_all(x).await
    })?;
    let mut threads: Vec<ThreadInfo> = rows.into_iter().map(ThreadInfo::from).collect();
    threads.sort_unstable_by_key(|thread| std::cmp::Reverse((thread.last_at, thread.id)));
    Ok(threads)
}

/// Opens or closes a thread.
pub(in crate::messaging) async fn set_status(
    conn: &mut Conn<'_>,
    id: ThreadId,
    status: ThreadStatus,
    reason: Option<CloseReason>,
    note: Option<&str>,
) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE threads SET status = $2, closed_reason = $3, note = $4, version = version + 1 WHERE id = $1 AND status <> $2",
        id, status, reason, note)?
        == 1)
}

/// Returns the two members of a thread.
pub(in crate::messaging) async fn parties(conn: &mut Conn<'_>, id: ThreadId) -> Result<Option<(UserId, UserId)>> {
    Ok(q!(conn => opt (UserId, UserId), "SELECT client_id, worker_id FROM threads WHERE id = $1", id)?)
}

/// Returns when a member of staff last read a thread's content for the given reason.
pub(in crate::messaging) async fn read_at(
    conn: &mut Conn<'_>,
    who: &Principal,
    thread: ThreadId,
    reason: &str,
) -> Result<Option<Timestamp>> {
    Ok(q!(conn => optval Timestamp,
        "SELECT at FROM thread_reads WHERE principal = $1 AND thread_id = $2 AND reason = $3", who, thread, reason)?)
}

/// Records that a member of staff reads a thread's content. Returns `false` when they already did so after `since`.
pub(in crate::messaging) async fn note_read(
    conn: &mut Conn<'_>,
    who: &Principal,
    thread: ThreadId,
    reason: &str,
    now: Timestamp,
    since: Timestamp,
) -> Result<bool> {
    Ok(q!(conn => exec,
        "INSERT INTO thread_reads (principal, thread_id, reason, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (principal, thread_id, reason) DO UPDATE SET at = excluded.at WHERE thread_reads.at <= $5",
        who, thread, reason, now, since)?
        == 1)
}

/// Deletes a batch of records of who read what before `before`; the audit log keeps these facts.
pub(in crate::messaging) async fn prune_reads(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM thread_reads WHERE (principal, thread_id, reason) IN \
         (SELECT principal, thread_id, reason FROM thread_reads WHERE at < $1 ORDER BY at LIMIT ($2 + 0))",
        before, PRUNE_BATCH)?)
}

/// Position of a message: its thread and its number.
#[derive(Clone, sqlx_macros::FromRow)]
pub(in crate::messaging) struct Place {
    pub thread_id: ThreadId,
    pub seq: i64,
}

pub(in crate::messaging) async fn place(conn: &mut Conn<'_>, id: MessageId) -> Result<Option<Place>> {
    Ok(q!(conn => opt Place, "SELECT thread_id, seq FROM messages WHERE id = $1", id)?)
}

/// Hides a message from both members. Returns `false` when it was already removed.
pub(in crate::messaging) async fn remove(
    conn: &mut Conn<'_>,
    place: &Place,
    reason: RemovalReason,
    note: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE messages SET removed_reason = $3, removed_note = $4, removed_at = $5 WHERE thread_id = $1 AND seq = $2 AND removed_at IS NULL",
        place.thread_id, place.seq, reason, note, now)?
        == 1)
}

/// Shows a removed message to both members again. Returns `false` when it was not removed, or has no content any more.
pub(in crate::messaging) async fn restore(conn: &mut Conn<'_>, place: &Place) -> Result<bool> {
    Ok(q!(conn => exec,
        "UPDATE messages SET removed_reason = NULL, removed_note = NULL, removed_at = NULL \
         WHERE thread_id = $1 AND seq = $2 AND removed_at IS NOT NULL AND (content <> '' OR data IS NOT NULL)",
        place.thread_id, place.seq)?
        == 1)
}

/// Returns whether two people have a thread.
pub(crate) async fn have_thread(conn: &mut Conn<'_>, a: UserId, b: UserId) -> Result<bool> {
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM threads WHERE client_id = $1 AND worker_id = $2) \
             OR EXISTS (SELECT 1 FROM threads WHERE client_id = $2 AND worker_id = $1)", a, b)?)
}

/// Deletes the content of a user's messages, and all that staff wrote about those and the user's threads; the
/// messages' positions stay.
pub(in crate::messaging) async fn tombstone(conn: &mut Conn<'_>, user: UserId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE messages SET content = '', client_msg_id = NULL, fingerprint = NULL, data = NULL, removed_note = NULL, \
           removed_reason = coalesce(removed_reason, $2), removed_at = coalesce(removed_at, $3) \
         WHERE sender_id = $1 AND thread_id IN \
           (SELECT id FROM threads WHERE client_id = $1 UNION ALL SELECT id FROM threads WHERE worker_id = $1)",
        user, RemovalReason::PersonalData, now)?;
    q!(conn => exec,
        "UPDATE threads SET note = NULL WHERE note IS NOT NULL AND (client_id = $1 OR worker_id = $1)", user)?;
    Ok(())
}

/// Stores the note that staff write when they act on a thread; only staff can read it.
pub(in crate::messaging) async fn set_note(conn: &mut Conn<'_>, id: ThreadId, note: &str) -> Result<()> {
    q!(conn => exec, "UPDATE threads SET note = $2, version = version + 1 WHERE id = $1", id, note)?;
    Ok(())
}
