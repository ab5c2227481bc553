//! Queries with which the two members of a thread read their threads and messages, and store how far they have read.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    base::{
        error::{Error, Result},
        ids::{MessageId, PictureId, ServiceId, ThreadId, UserId},
        page::TimeCursor,
        permission::TraderRole,
        time::Timestamp,
    },
    messaging::model::{
        Attachment, CloseReason, Counterpart, JobNotice, Message, MessageKind, Preview, RemovalReason, StaffMessage,
        ThreadStatus, ThreadSummary,
    },
    platform::db::Conn,
    profiles::{model::small_picture, shown_picture, worker_is_public},
};

/// Data of a message besides its text, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::messaging) struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobNotice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl Data {
    /// Returns the data as JSON; `None` when there is nothing to store.
    pub fn text(&self) -> Result<Option<String>> {
        if *self == Self::default() {
            return Ok(None);
        }
        serde_json::to_string(self).map(Some).map_err(Error::internal)
    }
}

/// A message as a page of JSON holds it: a JSON list, in this order.
#[derive(Debug, Deserialize)]
pub(in crate::messaging) struct MessageRow {
    pub seq: i64,
    id: Uuid,
    kind: MessageKind,
    sender: Option<TraderRole>,
    content: String,
    client_msg_id: Option<String>,
    data: Option<Data>,
    removed: Option<RemovalReason>,
    at: i64,
}

/// Messages of a thread, and the data that they share.
pub(in crate::messaging) struct Window {
    pub thread: ThreadId,
    pub client: Counterpart,
    pub worker: Counterpart,
    pub last_seq: i64,
    /// Messages in the order of their numbers.
    pub rows: Vec<MessageRow>,
}

impl Window {
    fn sender(&self, party: Option<TraderRole>) -> (Option<UserId>, Option<String>) {
        let person = match party {
            None => return (None, None),
            Some(TraderRole::Client) => &self.client,
            Some(TraderRole::Worker) => &self.worker,
        };
        (Some(person.id), Some(person.name.clone()))
    }

    /// Returns a message as the member `viewer` sees it.
    pub fn message(&self, row: MessageRow, viewer: UserId) -> Message {
        let mut message = self.told(row);
        message.client_msg_id = message.client_msg_id.filter(|_| message.sender_id == Some(viewer));
        message
    }

    /// Returns a message as both members see it, with the sender's client id for it, which only the sender may see.
    pub fn told(&self, row: MessageRow) -> Message {
        let (sender_id, sender_name) = self.sender(row.sender);
        let removed = row.removed.is_some();
        let data = row.data.filter(|_| !removed).unwrap_or_default();
        Message {
            id: MessageId(row.id),
            thread_id: self.thread,
            seq: row.seq,
            kind: row.kind,
            sender_id,
            sender_name,
            content: if removed { String::new() } else { row.content },
            attachments: data.attachments,
            job: data.job,
            removed,
            client_msg_id: row.client_msg_id,
            at: Timestamp::from_micros(row.at),
        }
    }

    /// Returns a message as staff see it.
    pub fn staff(&self, row: MessageRow) -> StaffMessage {
        let (sender_id, sender_name) = self.sender(row.sender);
        StaffMessage {
            id: MessageId(row.id),
            thread_id: self.thread,
            seq: row.seq,
            kind: row.kind,
            sender_id,
            sender_name,
            content: row.content,
            attachments: row.data.unwrap_or_default().attachments,
            removed: row.removed,
            at: Timestamp::from_micros(row.at),
        }
    }
}

#[derive(Deserialize)]
struct RawWindow {
    client: Uuid,
    client_name: String,
    worker: Uuid,
    worker_name: String,
    last_seq: i64,
    rows: Vec<MessageRow>,
}

/// Returns up to `limit` messages of a thread: after a number, the newest before one, or the newest of all. With
/// `viewer`, only of a thread of theirs; without, of any thread. Numbers have no gaps, so each page is a range of the
/// primary key. Returns `None` when there is no such thread.
pub(in crate::messaging) async fn messages(
    conn: &mut Conn<'_>,
    thread: ThreadId,
    viewer: Option<UserId>,
    after: Option<i64>,
    before: Option<i64>,
    limit: i64,
) -> Result<Option<Window>> {
    let found = q!(conn => optval String, [
        sqlite: "SELECT json_array(lower(hex(t.client_id)), (SELECT name FROM users WHERE id = t.client_id), \
                   lower(hex(t.worker_id)), (SELECT name FROM users WHERE id = t.worker_id), t.last_seq, \
                   (SELECT json_group_array(json_array(m.seq, lower(hex(m.id)), m.kind, \
                      CASE WHEN m.sender_id IS NULL THEN NULL WHEN m.sender_id = t.client_id THEN 'client' ELSE 'worker' END, \
                      m.content, m.client_msg_id, json(m.data), m.removed_reason, m.created_at)) FROM messages m \
                    WHERE m.thread_id = t.id AND m.seq > COALESCE($3, min(COALESCE($4 - 1, t.last_seq), t.last_seq) - $5) \
                      AND m.seq <= COALESCE($3 + $5, $4 - 1, t.last_seq))) \
                 FROM threads t WHERE t.id = $1 AND ($2 IS NULL OR t.client_id = $2 OR t.worker_id = $2)",
        pg: "SELECT json_build_array(t.client_id, (SELECT name FROM users WHERE id = t.client_id), \
               t.worker_id, (SELECT name FROM users WHERE id = t.worker_id), t.last_seq, \
               COALESCE((SELECT json_agg(json_build_array(m.seq, m.id, m.kind, \
                  CASE WHEN m.sender_id IS NULL THEN NULL WHEN m.sender_id = t.client_id THEN 'client' ELSE 'worker' END, \
                  m.content, m.client_msg_id, m.data::json, m.removed_reason, (extract(epoch FROM m.created_at) * 1000000)::bigint)) FROM messages m \
                WHERE m.thread_id = t.id AND m.seq > COALESCE($3::bigint, least(COALESCE($4::bigint - 1, t.last_seq), t.last_seq) - $5::bigint) \
                  AND m.seq <= COALESCE($3::bigint + $5::bigint, $4::bigint - 1, t.last_seq)), '[]'::json))::text \
             FROM threads t WHERE t.id = $1 AND ($2::uuid IS NULL OR t.client_id = $2 OR t.worker_id = $2)",
    ], thread, viewer, after, before, limit)?;
    let Some(found) = found else { return Ok(None) };
    let mut raw: RawWindow = serde_json::from_str(&found).map_err(Error::internal)?;
    raw.rows.sort_unstable_by_key(|row| row.seq);
    Ok(Some(Window {
        thread,
        client: Counterpart { id: UserId(raw.client), name: raw.client_name, picture: None },
        worker: Counterpart { id: UserId(raw.worker), name: raw.worker_name, picture: None },
        last_seq: raw.last_seq,
        rows: raw.rows,
    }))
}

/// A thread as one of its two members sees it: a JSON list, in this order.
#[derive(Deserialize)]
struct ThreadRow {
    id: Uuid,
    service_id: Uuid,
    title: String,
    party: TraderRole,
    other_id: Uuid,
    other_name: String,
    other_picture: Option<Uuid>,
    own_id: Uuid,
    status: ThreadStatus,
    closed_reason: Option<CloseReason>,
    last_seq: i64,
    last_at: i64,
    unread: i64,
    read: i64,
    other_read: i64,
    created_at: i64,
    version: i64,
    kind: Option<MessageKind>,
    sender: Option<TraderRole>,
    text: Option<String>,
    files: Option<i64>,
    removed: Option<RemovalReason>,
}

impl From<ThreadRow> for ThreadSummary {
    fn from(row: ThreadRow) -> Self {
        let sender_id = row.sender.map(|sender| UserId(if sender == row.party { row.own_id } else { row.other_id }));
        let removed = row.removed.is_some();
        let last = row.kind.map(|kind| Preview {
            kind,
            sender_id,
            text: row.text.filter(|_| !removed).unwrap_or_default(),
            attachments: row.files.filter(|_| !removed).unwrap_or(0),
            removed,
        });
        Self {
            id: ThreadId(row.id),
            service_id: ServiceId(row.service_id),
            title: row.title,
            party: row.party,
            counterpart: Counterpart {
                id: UserId(row.other_id),
                name: row.other_name,
                picture: row.other_picture.map(|id| small_picture(PictureId(id))),
            },
            status: row.status,
            closed_reason: row.closed_reason,
            last_seq: row.last_seq,
            last_at: Timestamp::from_micros(row.last_at),
            last,
            unread: row.unread,
            read_seq: row.read,
            counterpart_read_seq: row.other_read,
            created_at: Timestamp::from_micros(row.created_at),
            version: row.version,
        }
    }
}

/// Expands to the query of a thread `t` as `$1` sees it, with its service, the other member and the newest message.
macro_rules! summary {
    (sqlite) => {
        concat!("json_array(lower(hex(t.id)), lower(hex(t.service_id)), s.title, CASE WHEN t.client_id = $1 THEN 'client' ELSE 'worker' END, \
           lower(hex(o.id)), o.name, nullif(lower(hex(", shown_picture!("o"), ")), ''), lower(hex($1)), t.status, t.closed_reason, t.last_seq, t.last_at, \
           CASE WHEN t.client_id = $1 THEN t.client_unread ELSE t.worker_unread END, \
           CASE WHEN t.client_id = $1 THEN t.client_read ELSE t.worker_read END, \
           CASE WHEN t.client_id = $1 THEN t.worker_read ELSE t.client_read END, \
           t.created_at, t.version, m.kind, CASE WHEN m.sender_id IS NULL THEN NULL WHEN m.sender_id = t.client_id THEN 'client' ELSE 'worker' END, \
           substr(m.content, 1, 140), COALESCE(json_array_length(m.data, '$.attachments'), 0), m.removed_reason)")
    };
    (pg) => {
        concat!("json_build_array(t.id, t.service_id, s.title, CASE WHEN t.client_id = $1 THEN 'client' ELSE 'worker' END, \
           o.id, o.name, ", shown_picture!("o"), ", $1::uuid, t.status, t.closed_reason, t.last_seq, (extract(epoch FROM t.last_at) * 1000000)::bigint, \
           CASE WHEN t.client_id = $1 THEN t.client_unread ELSE t.worker_unread END, \
           CASE WHEN t.client_id = $1 THEN t.client_read ELSE t.worker_read END, \
           CASE WHEN t.client_id = $1 THEN t.worker_read ELSE t.client_read END, \
           (extract(epoch FROM t.created_at) * 1000000)::bigint, t.version, m.kind, \
           CASE WHEN m.sender_id IS NULL THEN NULL WHEN m.sender_id = t.client_id THEN 'client' ELSE 'worker' END, \
           substr(m.content, 1, 140), COALESCE(json_array_length(m.data::json -> 'attachments'), 0), m.removed_reason)")
    };
    (joins) => {
        " JOIN services s ON s.id = t.service_id JOIN users o ON o.id = CASE WHEN t.client_id = $1 THEN t.worker_id ELSE t.client_id END \
          LEFT JOIN messages m ON m.thread_id = t.id AND m.seq = t.last_seq "
    };
}

/// Returns a user's threads before a position, newest activity first.
pub(in crate::messaging) async fn list(
    conn: &mut Conn<'_>,
    user: UserId,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<ThreadSummary>> {
    let found = q!(conn => val String, [
        sqlite: concat!("SELECT json_group_array(", summary!(sqlite), ") FROM ( \
                SELECT * FROM (SELECT * FROM threads WHERE client_id = $1 AND (last_at, id) < ($2, $3) ORDER BY last_at DESC, id DESC LIMIT ($4 + 0)) \
                UNION ALL \
                SELECT * FROM (SELECT * FROM threads WHERE worker_id = $1 AND (last_at, id) < ($2, $3) ORDER BY last_at DESC, id DESC LIMIT ($4 + 0))) AS t", summary!(joins)),
        pg: concat!("SELECT COALESCE(json_agg(", summary!(pg), "), '[]'::json)::text FROM ( \
                (SELECT * FROM threads WHERE client_id = $1 AND (last_at, id) < ($2, $3) ORDER BY last_at DESC, id DESC LIMIT ($4 + 0)) \
                UNION ALL \
                (SELECT * FROM threads WHERE worker_id = $1 AND (last_at, id) < ($2, $3) ORDER BY last_at DESC, id DESC LIMIT ($4 + 0))) AS t", summary!(joins)),
    ], user, before.at, before.id, limit)?;
    let rows: Vec<ThreadRow> = serde_json::from_str(&found).map_err(Error::internal)?;
    let mut threads: Vec<ThreadSummary> = rows.into_iter().map(ThreadSummary::from).collect();
    // Each side contributed its newest threads; the newest of both are kept.
    threads.sort_unstable_by_key(|thread| std::cmp::Reverse((thread.last_at, thread.id)));
    threads.truncate(usize::try_from(limit).unwrap_or(0));
    Ok(threads)
}

/// Returns one thread of a user; `None` when it is not theirs.
pub(in crate::messaging) async fn get(
    conn: &mut Conn<'_>,
    user: UserId,
    thread: ThreadId,
) -> Result<Option<ThreadSummary>> {
    let found = q!(conn => optval String, [
        sqlite: concat!("SELECT ", summary!(sqlite), " FROM threads t", summary!(joins), "WHERE t.id = $2 AND (t.client_id = $1 OR t.worker_id = $1)"),
        pg: concat!("SELECT ", summary!(pg), "::text FROM threads t", summary!(joins), "WHERE t.id = $2 AND (t.client_id = $1 OR t.worker_id = $1)"),
    ], user, thread)?;
    let row: Option<ThreadRow> = found.map(|row| serde_json::from_str(&row)).transpose().map_err(Error::internal)?;
    Ok(row.map(ThreadSummary::from))
}

/// Returns the client's thread about a service.
pub(in crate::messaging) async fn of_service(
    conn: &mut Conn<'_>,
    client: UserId,
    service: ServiceId,
) -> Result<Option<ThreadId>> {
    Ok(q!(conn => optval ThreadId, "SELECT id FROM threads WHERE client_id = $1 AND service_id = $2", client, service)?)
}

/// Returns the worker of a service that is public now: published, by a worker whom the public sees.
pub(in crate::messaging) async fn offered(
    conn: &mut Conn<'_>,
    service: ServiceId,
    now: Timestamp,
) -> Result<Option<UserId>> {
    Ok(q!(conn => optval UserId,
        concat!("SELECT s.worker_id FROM services s JOIN users u ON u.id = s.worker_id \
            WHERE s.id = $1 AND s.status = 'published' AND ", worker_is_public!("$2")),
        service, now)?)
}

pub(in crate::messaging) struct NewThread {
    pub id: ThreadId,
    pub service: ServiceId,
    pub client: UserId,
    pub worker: UserId,
    pub at: Timestamp,
}

/// Stores a new thread. Returns `false` when the client already has one about the service.
pub(in crate::messaging) async fn insert_thread(conn: &mut Conn<'_>, new: &NewThread) -> Result<bool> {
    Ok(q!(conn => exec,
        "INSERT INTO threads (id, service_id, client_id, worker_id, status, last_seq, last_at, client_read, worker_read, client_unread, \
           worker_unread, version, created_at) VALUES ($1, $2, $3, $4, 'open', 0, $5, 0, 0, 0, 0, 1, $5) \
         ON CONFLICT (client_id, service_id) DO NOTHING",
        new.id, new.service, new.client, new.worker, new.at)?
        == 1)
}

/// Returns a reader's pointer, the number of unread messages after it, and the newest message's number.
pub(in crate::messaging) async fn pointer(
    conn: &mut Conn<'_>,
    thread: ThreadId,
    user: UserId,
) -> Result<Option<(i64, i64, i64)>> {
    Ok(q!(conn => opt (i64, i64, i64),
        "SELECT CASE WHEN client_id = $2 THEN client_read ELSE worker_read END, \
                CASE WHEN client_id = $2 THEN client_unread ELSE worker_unread END, last_seq \
         FROM threads WHERE id = $1 AND (client_id = $2 OR worker_id = $2)",
        thread, user)?)
}

/// Expands to the condition that a message `m` is nothing that reader `$2`, the `side` of a thread, wrote or caused.
macro_rules! is_news {
    (sqlite, $side:literal) => {
        concat!("m.sender_id IS NOT $2 AND (m.kind <> 'job' OR json_extract(m.data, '$.job.side') IS NOT '", $side, "')")
    };
    (pg, $side:literal) => {
        concat!("m.sender_id IS DISTINCT FROM $2 AND (m.kind <> 'job' OR (m.data::json -> 'job' ->> 'side') IS DISTINCT FROM '", $side, "')")
    };
}

/// Expands to the statement that moves a reader's pointer forward and counts what is news after it.
macro_rules! advance {
    ($engine:ident) => {
        concat!(
            "UPDATE threads SET client_read = CASE WHEN client_id = $2 THEN $3 ELSE client_read END, \
               worker_read = CASE WHEN client_id = $2 THEN worker_read ELSE $3 END, \
               client_unread = CASE WHEN client_id = $2 THEN (SELECT count(*) FROM messages m WHERE m.thread_id = $1 AND m.seq > $3 AND ",
            is_news!($engine, "client"),
            ") ELSE client_unread END, \
               worker_unread = CASE WHEN client_id = $2 THEN worker_unread ELSE (SELECT count(*) FROM messages m WHERE m.thread_id = $1 AND m.seq > $3 AND ",
            is_news!($engine, "worker"),
            ") END \
             WHERE id = $1 AND last_seq >= $3 AND ((client_id = $2 AND client_read < $3) OR (worker_id = $2 AND worker_read < $3)) \
             RETURNING CASE WHEN client_id = $2 THEN worker_id ELSE client_id END"
        )
    };
}

/// Moves a reader's pointer forward. Returns the id of the other member, or `None` when the pointer does not move.
pub(in crate::messaging) async fn advance(
    conn: &mut Conn<'_>,
    thread: ThreadId,
    user: UserId,
    seq: i64,
) -> Result<Option<UserId>> {
    Ok(q!(conn => optval UserId, [sqlite: advance!(sqlite), pg: advance!(pg)],
        thread, user, seq)?)
}
