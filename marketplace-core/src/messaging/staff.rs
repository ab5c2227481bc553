//! What staff see of threads, and do to them.

use std::time::Duration;

use futures::FutureExt;
use uuid::Uuid;

use super::{
    append::{Draft, append, hold},
    model::{
        AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
        ThreadStatus, check_content,
    },
    ops::{changed, paged, window},
    store,
};
use crate::{
    actor::Actor,
    app::App,
    base::{
        change::{Change, Changed},
        error::{Error, Result},
        ids::{MessageId, ThreadId},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    platform::{db::Conn, keys::Keys},
    records::{
        audit::{self, Entry},
        events,
    },
};

/// Reading on, for the same reason, is one row of the audit log in so long a time.
pub(super) const AUDIT_EVERY: Duration = Duration::from_mins(10);

/// Threads, newest activity first, as staff see them.
pub async fn staff_list(
    app: &App,
    actor: &Actor,
    filter: &ThreadFilter,
    page: &PageRequest,
) -> Result<Page<ThreadInfo>> {
    actor.require(Permission::ThreadsRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let mut reader = app.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter, before, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |row| TimeCursor { at: row.last_at, id: row.id.0 }))
}

/// One thread, without its content.
pub async fn staff_show(app: &App, actor: &Actor, id: ThreadId) -> Result<ThreadInfo> {
    actor.require(Permission::ThreadsRead)?;
    let mut reader = app.db.read().await?;
    info(&mut reader.conn(), id).await
}

async fn info(conn: &mut Conn<'_>, id: ThreadId) -> Result<ThreadInfo> {
    store::show(conn, id).await?.ok_or_else(|| Error::not_found("thread"))
}

/// A thread's content, for a reason. The audit row is committed before anything is answered; reading on for the same reason
/// within ten minutes is no new row.
pub async fn staff_messages(
    app: &App,
    actor: &Actor,
    id: ThreadId,
    reason: AccessReason,
    query: &MessagesQuery,
) -> Result<MessagePage<StaffMessage>> {
    actor.require(Permission::ThreadsRead)?;
    let mut reader = app.db.read().await?;
    // What cannot be answered is not recorded as read.
    let window = window(&mut reader.conn(), id, None, query).await?;
    let read_at = store::read_at(&mut reader.conn(), &actor.principal(), id, reason.as_str()).await?;
    drop(reader);
    if read_at.is_none_or(|at| app.now().since(at) >= AUDIT_EVERY) {
        let (keys, now, actor) = (app.keys.clone(), app.now(), actor.clone());
        app.db
            .write(move |conn| async move { record_read(&keys, conn, now, &actor, id, reason).await }.boxed())
            .await?;
    }
    Ok(paged(window, query, super::store::Window::staff))
}

async fn record_read(
    keys: &Keys,
    conn: &mut Conn<'_>,
    now: Timestamp,
    actor: &Actor,
    id: ThreadId,
    reason: AccessReason,
) -> Result<()> {
    if !store::note_read(conn, &actor.principal(), id, reason.as_str(), now, now - AUDIT_EVERY).await? {
        return Ok(());
    }
    let entry = entry("threads.read", id, Some(reason.to_string()), serde_json::json!({}));
    audit::append(keys, conn, now, actor, entry).await.map(drop)
}

fn entry(action: &'static str, id: ThreadId, reason: Option<String>, metadata: serde_json::Value) -> Entry {
    Entry { action, target_kind: "thread", target: id.to_string(), reason, metadata }
}

/// The thread as it is, when the change may be made to it.
async fn subject(conn: &mut Conn<'_>, actor: &Actor, id: ThreadId, change: &Change) -> Result<ThreadInfo> {
    hold(conn, id).await?;
    let thread = info(conn, id).await?;
    for party in [thread.client_id, thread.worker_id] {
        actor.require_other(party)?;
    }
    match change.if_version {
        Some(version) if version != thread.version => Err(Error::stale(thread.version)),
        _ => Ok(thread),
    }
}

/// Closes or reopens a thread. The change's note stays with the thread, for staff only.
pub async fn staff_act(
    app: &App,
    actor: &Actor,
    id: ThreadId,
    action: &ThreadAction,
    change: &Change,
) -> Result<Changed<ThreadInfo>> {
    actor.require(Permission::ThreadsWrite)?;
    let note = change.checked_note()?;
    let (unit, actor, action, asked) = (app.clone(), actor.clone(), action.clone(), change.clone());
    let done = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let thread = subject(conn, &actor, id, &asked).await?;
                let (name, status, reason) = match action {
                    ThreadAction::Close { reason } => ("threads.close", ThreadStatus::Closed, Some(reason)),
                    ThreadAction::Reopen => ("threads.reopen", ThreadStatus::Open, None),
                };
                if !store::set_status(conn, id, status, reason, note.as_deref()).await? {
                    return Ok(Changed { changed: false, item: thread });
                }
                let now = unit.now();
                changed(conn, now, id, thread.client_id, thread.worker_id).await?;
                let metadata = serde_json::json!({ "from": thread.status });
                let entry = entry(name, id, reason.map(|reason| reason.to_string()), metadata);
                audit::append(&unit.keys, conn, now, &actor, entry).await?;
                Ok(Changed { changed: true, item: info(conn, id).await? })
            }
            .boxed()
        })
        .await?;
    Ok(woken(app, change, done))
}

fn woken<T>(app: &App, change: &Change, done: Changed<T>) -> Changed<T> {
    if done.changed && !change.dry_run {
        app.wake();
    }
    done
}

/// Posts a notice of the staff's, 1 to 4,000 characters, in a thread; a closed one too. The change's note stays with the
/// thread, for staff only.
pub async fn staff_notice(
    app: &App,
    actor: &Actor,
    id: ThreadId,
    content: &str,
    change: &Change,
) -> Result<Changed<StaffMessage>> {
    actor.require(Permission::ThreadsWrite)?;
    let content = check_content(content, false)?;
    let note = change.checked_note()?;
    let (unit, actor, asked) = (app.clone(), actor.clone(), change.clone());
    let done = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                subject(conn, &actor, id, &asked).await?;
                let posted = append(&unit, conn, id, Draft::notice(content)).await?;
                if let Some(note) = &note {
                    store::set_note(conn, id, note).await?;
                }
                let metadata = serde_json::json!({ "message": posted.id, "seq": posted.seq });
                let entry = entry("threads.notice", id, None, metadata);
                audit::append(&unit.keys, conn, posted.at, &actor, entry).await?;
                Ok(Changed { changed: true, item: message(conn, id, posted.seq).await? })
            }
            .boxed()
        })
        .await?;
    Ok(woken(app, change, done))
}

/// One message, as staff see it.
async fn message(conn: &mut Conn<'_>, thread: ThreadId, seq: i64) -> Result<StaffMessage> {
    let mut window =
        store::messages(conn, thread, None, Some(seq - 1), None, 1).await?.ok_or_else(|| Error::not_found("thread"))?;
    let row = window.rows.pop().ok_or_else(|| Error::not_found("message"))?;
    Ok(window.staff(row))
}

/// Takes a message from the two's view; staff still see it. The change's note stays with the message, for staff only.
pub async fn staff_remove(
    app: &App,
    actor: &Actor,
    id: MessageId,
    reason: RemovalReason,
    change: &Change,
) -> Result<Changed<StaffMessage>> {
    actor.require(Permission::ThreadsWrite)?;
    let note = change.checked_note()?;
    let mut reader = app.db.read().await?;
    let place = store::place(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("message"))?;
    drop(reader);
    let (unit, actor, asked) = (app.clone(), actor.clone(), change.clone());
    let done = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let thread = subject(conn, &actor, place.thread_id, &asked).await?;
                let now = unit.now();
                let taken = store::remove(conn, &place, reason, note.as_deref(), now).await?;
                if taken {
                    removed(conn, now, &thread, id, place.seq).await?;
                    let entry = Entry {
                        action: "messages.remove",
                        target_kind: "message",
                        target: id.to_string(),
                        reason: Some(reason.to_string()),
                        metadata: serde_json::json!({ "thread": thread.id, "seq": place.seq }),
                    };
                    audit::append(&unit.keys, conn, now, &actor, entry).await?;
                }
                Ok(Changed { changed: taken, item: message(conn, thread.id, place.seq).await? })
            }
            .boxed()
        })
        .await?;
    Ok(woken(app, change, done))
}

/// Tells the two that a message is a tombstone now.
async fn removed(conn: &mut Conn<'_>, now: Timestamp, thread: &ThreadInfo, id: MessageId, seq: i64) -> Result<()> {
    let target = id.to_string();
    let event = events::New {
        kind: "message.removed",
        target: &target,
        user_id: Some(thread.client_id),
        peer_id: Some(thread.worker_id),
        thread_id: Some(thread.id),
        n: Some(seq),
    };
    events::record(conn, now, &event).await
}
