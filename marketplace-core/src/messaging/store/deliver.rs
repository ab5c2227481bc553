//! Events joined with the data that they are about, read as one row of JSON.

use std::ops::RangeInclusive;

use serde::Deserialize;
use uuid::Uuid;

use super::pages::{MessageRow, Window};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{JobId, NotificationId, ServiceId, ThreadId, UserId},
        language::Language,
        time::Timestamp,
    },
    jobs::model::JobStatus,
    messaging::{
        deliver::{Delivery, JobBrief, ThreadBrief, UserEvent},
        model::{CloseReason, Counterpart, ThreadStatus},
    },
    notifications,
    platform::db::Conn,
    records::events::EventCursor,
};

#[derive(Deserialize)]
struct EventRow {
    tx: i64,
    seq: i64,
    at: i64,
    kind: String,
    user_id: Option<Uuid>,
    peer_id: Option<Uuid>,
    n: Option<i64>,
    thread: Option<ThreadPart>,
    message: Option<MessageRow>,
    job: Option<JobPart>,
    notification: Option<NotificationPart>,
}

#[derive(Deserialize)]
struct ThreadPart {
    id: Uuid,
    service_id: Uuid,
    client_id: Uuid,
    client_name: String,
    worker_id: Uuid,
    worker_name: String,
    status: ThreadStatus,
    closed_reason: Option<CloseReason>,
    last_seq: i64,
    version: i64,
}

#[derive(Deserialize)]
struct JobPart {
    id: Uuid,
    status: JobStatus,
    revision: i64,
    version: i64,
}

#[derive(Deserialize)]
struct NotificationPart {
    id: Uuid,
    /// Of a newer release it may be none that is known here.
    kind: String,
    target: String,
    at: i64,
    read_at: Option<i64>,
    language: Option<Language>,
    unread: i64,
}

impl NotificationPart {
    fn delivery(self, app: &App) -> Option<Delivery> {
        let row = notifications::Row {
            id: NotificationId(self.id),
            kind: self.kind.parse().ok()?,
            target: self.target,
            at: Timestamp::from_micros(self.at),
            read_at: self.read_at.map(Timestamp::from_micros),
        };
        let notification = notifications::delivered(app, self.language.unwrap_or_default(), row).ok()?;
        Some(Delivery::Notification { notification, unread: self.unread })
    }
}

impl EventRow {
    fn cursor(&self) -> EventCursor {
        EventCursor { tx: self.tx, seq: self.seq }
    }

    /// Returns the event, or `None` when the data that it is about no longer exists.
    fn event(self, app: &App) -> Option<UserEvent> {
        let (cursor, at) = (self.cursor(), Timestamp::from_micros(self.at));
        let users = [self.user_id.map(UserId), self.peer_id.map(UserId)];
        let what = match self.notification {
            Some(notification) => notification.delivery(app)?,
            None => self.of_thread()?,
        };
        Some(UserEvent { cursor, at, users, what })
    }

    fn of_thread(self) -> Option<Delivery> {
        let thread = self.thread?;
        let thread_id = ThreadId(thread.id);
        Some(match self.kind.as_str() {
            "read" => Delivery::Read { thread_id, user_id: UserId(self.user_id?), seq: self.n? },
            "thread" => Delivery::Thread {
                thread: ThreadBrief {
                    id: thread_id,
                    service_id: ServiceId(thread.service_id),
                    client_id: UserId(thread.client_id),
                    worker_id: UserId(thread.worker_id),
                    status: thread.status,
                    closed_reason: thread.closed_reason,
                    last_seq: thread.last_seq,
                    version: thread.version,
                },
            },
            "job" => {
                let JobPart { id, status, revision, version } = self.job?;
                Delivery::Job { job: JobBrief { id: JobId(id), thread_id, status, revision, version } }
            }
            _ => {
                let window = Window {
                    thread: thread_id,
                    client: Counterpart { id: UserId(thread.client_id), name: thread.client_name, picture: None },
                    worker: Counterpart { id: UserId(thread.worker_id), name: thread.worker_name, picture: None },
                    last_seq: thread.last_seq,
                    rows: Vec::new(),
                };
                Delivery::Message { message: window.told(self.message?) }
            }
        })
    }
}

/// Expands to the query of the data that an event `e` is about, as a JSON list which [`EventRow`] reads. `$present` is the
/// parameter of the id before which notifications are of the past.
macro_rules! rendered {
    (sqlite $present:literal) => {
        concat!(        "SELECT json_group_array(json_array(e.tx, e.seq, e.at, e.kind, nullif(lower(hex(e.user_id)), ''), nullif(lower(hex(e.peer_id)), ''), e.n, \
           CASE WHEN t.id IS NULL THEN NULL ELSE json_array(lower(hex(t.id)), lower(hex(t.service_id)), lower(hex(t.client_id)), \
             (SELECT name FROM users WHERE id = t.client_id), lower(hex(t.worker_id)), (SELECT name FROM users WHERE id = t.worker_id), \
             t.status, t.closed_reason, t.last_seq, t.version) END, \
           CASE WHEN m.id IS NULL THEN NULL ELSE json_array(m.seq, lower(hex(m.id)), m.kind, \
             CASE WHEN m.sender_id IS NULL THEN NULL WHEN m.sender_id = t.client_id THEN 'client' ELSE 'worker' END, \
             m.content, m.client_msg_id, json(m.data), m.removed_reason, m.created_at) END, \
           CASE WHEN j.id IS NULL THEN NULL ELSE json_array(lower(hex(j.id)), j.status, j.revision, j.version) END, \
           CASE WHEN nt.id IS NULL THEN NULL ELSE json_array(lower(hex(nt.id)), nt.kind, nt.target, nt.at, nt.read_at, ns.language, \
             (SELECT count(*) FROM (SELECT 1 FROM notifications x WHERE x.user_id = nt.user_id AND x.read_at IS NULL AND x.id < ", $present,
             " LIMIT 1000) AS capped)) END)) FROM ")
    };
    (sqlite joins) => {
        " AS e LEFT JOIN threads t ON t.id = e.thread_id \
          LEFT JOIN messages m ON m.thread_id = e.thread_id AND m.seq = e.n AND e.kind IN ('message', 'message.removed') \
          LEFT JOIN jobs j ON e.kind = 'job' AND j.id = unhex(e.target, '-') \
          LEFT JOIN notifications nt ON e.kind = 'notification' AND nt.user_id = e.user_id AND nt.id = unhex(e.target, '-') \
          LEFT JOIN notification_settings ns ON ns.user_id = nt.user_id"
    };
    (pg $present:literal) => {
        concat!(        "SELECT COALESCE(json_agg(json_build_array(e.tx, e.seq, (extract(epoch FROM e.at) * 1000000)::bigint, e.kind, e.user_id, e.peer_id, e.n, \
           CASE WHEN t.id IS NULL THEN NULL ELSE json_build_array(t.id, t.service_id, t.client_id, \
             (SELECT name FROM users WHERE id = t.client_id), t.worker_id, (SELECT name FROM users WHERE id = t.worker_id), \
             t.status, t.closed_reason, t.last_seq, t.version) END, \
           CASE WHEN m.id IS NULL THEN NULL ELSE json_build_array(m.seq, m.id, m.kind, \
             CASE WHEN m.sender_id IS NULL THEN NULL WHEN m.sender_id = t.client_id THEN 'client' ELSE 'worker' END, \
             m.content, m.client_msg_id, m.data::json, m.removed_reason, (extract(epoch FROM m.created_at) * 1000000)::bigint) END, \
           CASE WHEN j.id IS NULL THEN NULL ELSE json_build_array(j.id, j.status, j.revision, j.version) END, \
           CASE WHEN nt.id IS NULL THEN NULL ELSE json_build_array(nt.id, nt.kind, nt.target, (extract(epoch FROM nt.at) * 1000000)::bigint, \
             (extract(epoch FROM nt.read_at) * 1000000)::bigint, ns.language, \
             (SELECT count(*) FROM (SELECT 1 FROM notifications x WHERE x.user_id = nt.user_id AND x.read_at IS NULL AND x.id < ", $present,
             " LIMIT 1000) AS capped)) END)), '[]'::json)::text FROM ")
    };
    (pg joins) => {
        " AS e LEFT JOIN threads t ON t.id = e.thread_id \
          LEFT JOIN messages m ON m.thread_id = e.thread_id AND m.seq = e.n AND e.kind IN ('message', 'message.removed') \
          LEFT JOIN jobs j ON j.id = CASE WHEN e.kind = 'job' THEN e.target::uuid END \
          LEFT JOIN notifications nt ON nt.user_id = e.user_id AND nt.id = CASE WHEN e.kind = 'notification' THEN e.target::uuid END \
          LEFT JOIN notification_settings ns ON ns.user_id = nt.user_id"
    };
}

/// A batch of events that was read.
pub(crate) struct Delivered {
    /// Events in order, without those whose data no longer exists.
    pub events: Vec<UserEvent>,
    /// Position of the last event that was read.
    pub last: Option<EventCursor>,
    /// Number of events that were read.
    pub rows: i64,
}

/// Returns the first `limit` events in order. When `found` joins two lists that each hold their own first `limit`, the
/// result is the first of both.
fn read(app: &App, found: &str, limit: i64) -> Result<Delivered> {
    let mut rows: Vec<EventRow> = serde_json::from_str(found).map_err(Error::internal)?;
    rows.sort_unstable_by_key(EventRow::cursor);
    rows.truncate(usize::try_from(limit).unwrap_or(0));
    let (last, count) = (rows.last().map(EventRow::cursor), rows.len());
    let events = rows.into_iter().filter_map(|row| row.event(app)).collect();
    Ok(Delivered { events, last, rows: i64::try_from(count).unwrap_or(i64::MAX) })
}

/// Returns up to `limit` events that concern a user, after a cursor.
pub(crate) async fn delivered(
    app: &App,
    conn: &mut Conn<'_>,
    user: UserId,
    after: EventCursor,
    limit: i64,
) -> Result<Delivered> {
    let found = q!(conn => val String, [
        sqlite: concat!(rendered!(sqlite "$5"), "( \
                SELECT * FROM (SELECT * FROM events WHERE user_id = $1 AND (tx, seq) > ($2, $3) \
                  AND kind IN ('message', 'message.removed', 'read', 'thread', 'job', 'notification') ORDER BY tx, seq LIMIT ($4 + 0)) \
                UNION ALL \
                SELECT * FROM (SELECT * FROM events WHERE peer_id = $1 AND (tx, seq) > ($2, $3) \
                  AND kind IN ('message', 'message.removed', 'read', 'thread', 'job', 'notification') ORDER BY tx, seq LIMIT ($4 + 0)))", rendered!(sqlite joins)),
        pg: concat!(rendered!(pg "$5"), "( \
                (SELECT * FROM events WHERE user_id = $1 AND tx >= 0 AND tx >= $2 AND (tx, seq) > ($2, $3) \
                  AND kind IN ('message', 'message.removed', 'read', 'thread', 'job', 'notification') ORDER BY tx, seq LIMIT ($4 + 0)) \
                UNION ALL \
                (SELECT * FROM events WHERE peer_id = $1 AND tx >= 0 AND tx >= $2 AND (tx, seq) > ($2, $3) \
                  AND kind IN ('message', 'message.removed', 'read', 'thread', 'job', 'notification') ORDER BY tx, seq LIMIT ($4 + 0)))", rendered!(pg joins)),
    ], user, after.tx, after.seq, limit, notifications::present(app.now()))?;
    let mut delivered = read(app, &found, limit)?;
    for event in &mut delivered.events {
        event.what = event.what.clone().told_to(user);
    }
    Ok(delivered)
}

/// Returns events by their numbers, which batches of this range published, in order.
pub(crate) async fn rendered(
    app: &App,
    conn: &mut Conn<'_>,
    seqs: &[i64],
    batches: RangeInclusive<i64>,
) -> Result<Vec<UserEvent>> {
    let seqs = serde_json::to_string(seqs).map_err(Error::internal)?;
    let found = q!(conn => val String, [
        sqlite: concat!(rendered!(sqlite "$2"), "(SELECT * FROM events WHERE seq IN (SELECT value FROM json_each($1)) AND +tx BETWEEN $3 AND $4)", rendered!(sqlite joins)),
        pg: concat!(rendered!(pg "$2"), "(SELECT * FROM events WHERE tx BETWEEN $3 AND $4 \
              AND seq IN (SELECT s.value::bigint FROM json_array_elements_text($1::json) AS s (value)))", rendered!(pg joins)),
    ], seqs, notifications::present(app.now()), batches.start(), batches.end())?;
    Ok(read(app, &found, i64::MAX)?.events)
}
