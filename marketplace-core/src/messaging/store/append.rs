//! Appending a message to a thread, and finding out why it was refused.

use crate::{
    accounts::model::Status,
    base::{
        error::Result,
        ids::{MessageId, NotificationId, ThreadId, UserId},
        time::Timestamp,
    },
    jobs::model::job_is_live,
    messaging::model::{MessageKind, ThreadStatus},
    platform::db::Conn,
    profiles::one_blocks_the_other,
};

/// Waits for the lock of a thread and takes it until the transaction ends. The lock's number comes from the thread's
/// id, a UUIDv7, which ends in random bits; so threads rarely share a lock. SQLite has one writer and needs no lock.
pub(in crate::messaging) async fn take(conn: &mut Conn<'_>, thread: ThreadId) -> Result<()> {
    if matches!(conn, Conn::Sqlite(_)) {
        return Ok(());
    }
    let key = i64::from_ne_bytes(thread.0.as_u64_pair().1.to_ne_bytes());
    q!(conn => exec, [sqlite: "SELECT $1", pg: "SELECT pg_advisory_xact_lock($1)"], key)?;
    Ok(())
}

/// A message to be stored.
pub(in crate::messaging) struct NewRow<'a> {
    pub thread: ThreadId,
    pub id: MessageId,
    pub kind: MessageKind,
    pub sender: Option<UserId>,
    /// For whom it is nothing new: who wrote it, or did what it is about.
    pub cause: Option<UserId>,
    pub content: &'a str,
    pub client_msg_id: Option<&'a str>,
    pub fingerprint: Option<&'a [u8]>,
    pub data: Option<String>,
    pub at: Timestamp,
    pub guarded: bool,
    /// Id of the notification of the other side, for a message of one of the two.
    pub notification: Option<NotificationId>,
    /// When a mail is made of it.
    pub mail_at: Timestamp,
}

/// Expands to the condition that the two members of a thread `t` have a live job there.
macro_rules! has_live_job {
    () => {
        concat!("EXISTS (SELECT 1 FROM jobs j WHERE j.thread_id = t.id AND ", job_is_live!("j.status"), ")")
    };
}

/// Expands to the condition that thread `t` accepts a message. Any thread does when no check is requested ($11).
/// Otherwise the thread must be open and one of the sender's ($4), and the sender must be active with no block between
/// the two members, or at least not banned while the two have a live job.
macro_rules! takes_it {
    () => {
        concat!(
            "(NOT $11 OR (t.status = 'open' AND EXISTS (SELECT 1 FROM users u WHERE u.id = $4 \
               AND (u.id = t.client_id OR u.id = t.worker_id) AND ((u.status = 'active' AND NOT ",
            one_blocks_the_other!("t.client_id", "t.worker_id"),
            ") OR (u.status IN ('active', 'frozen') AND ",
            has_live_job!(),
            ")))))"
        )
    };
}

/// Stores a message, updates the counters, notifies the other side and records the events at once: four statements in one
/// trip to SQLite's thread, one statement on PostgreSQL. Returns the message's number, or `None` when the thread does not
/// accept it or it was sent before.
pub(in crate::messaging) async fn append(conn: &mut Conn<'_>, new: &NewRow<'_>) -> Result<Option<i64>> {
    Ok(q!(conn => optval i64, [
        sqlite: concat!(
            "INSERT INTO messages (thread_id, seq, id, kind, sender_id, content, client_msg_id, fingerprint, data, created_at) \
               SELECT t.id, t.last_seq + 1, $2, $3, $4, $5, $6, $7, $8, $9 FROM threads t WHERE t.id = $1 AND ", takes_it!(), " \
               ON CONFLICT (sender_id, client_msg_id) WHERE client_msg_id IS NOT NULL DO NOTHING; \
             UPDATE threads SET last_seq = last_seq + 1, last_at = $9, \
               client_unread = client_unread + (client_id IS NOT $12), worker_unread = worker_unread + (worker_id IS NOT $12) \
               WHERE id = $1 AND EXISTS (SELECT 1 FROM messages m WHERE m.thread_id = $1 AND m.seq = threads.last_seq + 1); \
             INSERT INTO notifications (user_id, id, kind, target, at, mail_at) \
               SELECT CASE WHEN t.client_id = $4 THEN t.worker_id ELSE t.client_id END, $13, 'message', $15, $9, $14 FROM threads t \
               WHERE t.id = $1 AND $13 IS NOT NULL AND EXISTS (SELECT 1 FROM messages m WHERE m.id = $2) \
               ON CONFLICT (user_id, target) WHERE kind = 'message' AND read_at IS NULL DO NOTHING; \
             INSERT INTO events (at, kind, target, user_id, peer_id, thread_id, n) \
               SELECT $9, 'message', $10, t.client_id, t.worker_id, t.id, t.last_seq FROM threads t \
               WHERE t.id = $1 AND EXISTS (SELECT 1 FROM messages m WHERE m.id = $2) \
               UNION ALL SELECT $9, 'notification', $16, n.user_id, NULL, NULL, t.last_seq FROM threads t JOIN notifications n \
                 ON n.user_id = CASE WHEN t.client_id = $4 THEN t.worker_id ELSE t.client_id END AND n.id = $13 \
               WHERE t.id = $1 RETURNING n"),
        pg: concat!(
            "WITH m AS (INSERT INTO messages (thread_id, seq, id, kind, sender_id, content, client_msg_id, fingerprint, data, created_at) \
               SELECT t.id, t.last_seq + 1, $2, $3, $4, $5, $6, $7, $8, $9 FROM threads t WHERE t.id = $1 AND ", takes_it!(), " \
               ON CONFLICT (sender_id, client_msg_id) WHERE client_msg_id IS NOT NULL DO NOTHING RETURNING thread_id, seq), \
             t AS (UPDATE threads t SET last_seq = m.seq, last_at = $9, \
               client_unread = client_unread + CASE WHEN client_id = $12 THEN 0 ELSE 1 END, \
               worker_unread = worker_unread + CASE WHEN worker_id = $12 THEN 0 ELSE 1 END \
               FROM m WHERE t.id = m.thread_id RETURNING t.id, t.client_id, t.worker_id, t.last_seq), \
             n AS (INSERT INTO notifications (user_id, id, kind, target, at, mail_at) \
               SELECT CASE WHEN t.client_id = $4 THEN t.worker_id ELSE t.client_id END, $13::uuid, 'message', $15, $9, $14 \
               FROM t WHERE $13::uuid IS NOT NULL \
               ON CONFLICT (user_id, target) WHERE kind = 'message' AND read_at IS NULL DO NOTHING RETURNING user_id) \
             INSERT INTO events (at, kind, target, user_id, peer_id, thread_id, n) \
               SELECT $9::timestamptz, 'message', $10::text, t.client_id, t.worker_id, t.id, t.last_seq FROM t \
               UNION ALL SELECT $9::timestamptz, 'notification', $16::text, n.user_id, NULL::uuid, NULL::uuid, t.last_seq FROM t CROSS JOIN n \
             RETURNING n"),
    ], new.thread, new.id, new.kind, new.sender, new.content, new.client_msg_id, new.fingerprint, new.data.as_deref(),
        new.at, new.id.to_string(), new.guarded, new.cause, new.notification, new.mail_at, new.thread.to_string(),
        new.notification.map(|id| id.to_string()))?)
}

/// A message that was already sent with the same client id.
#[derive(Clone, sqlx_macros::FromRow)]
pub(in crate::messaging) struct Sent {
    pub thread_id: ThreadId,
    pub seq: i64,
    pub fingerprint: Option<Vec<u8>>,
}

/// Returns the message that the sender sent with a client id of theirs.
pub(in crate::messaging) async fn sent(
    conn: &mut Conn<'_>,
    sender: UserId,
    client_msg_id: &str,
) -> Result<Option<Sent>> {
    Ok(q!(conn => opt Sent,
        "SELECT thread_id, seq, fingerprint FROM messages WHERE sender_id = $1 AND client_msg_id = $2",
        sender, client_msg_id)?)
}

/// A user's membership of a thread of theirs.
#[derive(sqlx_macros::FromRow)]
pub(in crate::messaging) struct Membership {
    pub status: ThreadStatus,
    pub account: Status,
    pub client_id: UserId,
    pub worker_id: UserId,
    /// Whether one of the two members has blocked the other.
    pub blocked: bool,
    /// Whether the two members have a live job in the thread.
    pub live_job: bool,
}

/// Returns a user's membership of a thread; `None` when the thread is not theirs.
pub(in crate::messaging) async fn membership(
    conn: &mut Conn<'_>,
    thread: ThreadId,
    user: UserId,
) -> Result<Option<Membership>> {
    Ok(q!(conn => opt Membership,
        concat!("SELECT t.status, u.status AS account, t.client_id, t.worker_id, ",
            one_blocks_the_other!("t.client_id", "t.worker_id"), " AS blocked, ", has_live_job!(), " AS live_job \
            FROM threads t JOIN users u ON u.id = $2 WHERE t.id = $1 AND (t.client_id = $2 OR t.worker_id = $2)"),
        thread, user)?)
}
