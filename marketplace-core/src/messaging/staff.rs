//! The staff's use cases about threads.

use std::time::Duration;

use uuid::Uuid;

use super::{
    append::{Draft, append, lock_thread},
    model::{
        AccessReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
        ThreadStatus, check_content,
    },
    ops::{AttachmentSize, changed, paged, shown, window},
    store,
};
use crate::{
    accounts,
    base::{
        change::Changed,
        error::{Error, Result},
        ids::{AttachmentId, MessageId, ThreadId},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    kyc::model::FileContent,
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        target::TargetKind,
    },
};

/// Reading on, for the same reason, is one row of the audit log in so long a time.
pub(super) const AUDIT_EVERY: Duration = Duration::from_mins(10);

/// Returns threads, newest activity first, as staff see them.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn staff_list(op: &Operation, filter: &ThreadFilter, page: &PageRequest) -> Result<Page<ThreadInfo>> {
    op.actor().require(Permission::ThreadsRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("threads")?.unwrap_or(TimeCursor { at: Timestamp::MAX, id: Uuid::max() });
    let people = match &filter.q {
        Some(q) => accounts::matching(op, q).await?.into_iter().map(Some).collect(),
        None => vec![filter.user_id],
    };
    let mut reader = op.db.read().await?;
    let mut rows = Vec::new();
    for user_id in people.into_iter().filter(|id| filter.user_id.is_none_or(|wanted| *id == Some(wanted))) {
        let filter = ThreadFilter { user_id, ..filter.clone() };
        rows.extend(store::page(&mut reader.conn(), &filter, before, limit + 1).await?);
    }
    // Both sides of a thread may have been found.
    rows.sort_unstable_by_key(|thread| std::cmp::Reverse((thread.last_at, thread.id)));
    rows.dedup_by_key(|thread| thread.id);
    Ok(Page::of_list("threads", rows, limit, |row| TimeCursor { at: row.last_at, id: row.id.0 }))
}

/// Returns one thread, without its content.
///
/// # Errors
/// `not_found` when there is no such thread; `forbidden` without the permission.
pub async fn staff_show(op: &Operation, id: ThreadId) -> Result<ThreadInfo> {
    op.actor().require(Permission::ThreadsRead)?;
    let mut reader = op.db.read().await?;
    info(&mut reader.conn(), id).await
}

async fn info(conn: &mut Conn<'_>, id: ThreadId) -> Result<ThreadInfo> {
    store::show(conn, id).await?.ok_or_else(|| Error::not_found("thread"))
}

/// Returns a thread's content, for a reason. The audit row is committed before anything is returned; reading on for the same
/// reason within ten minutes adds no row.
pub async fn staff_messages(
    op: &Operation,
    id: ThreadId,
    reason: AccessReason,
    query: &MessagesQuery,
) -> Result<MessagePage<StaffMessage>> {
    op.actor().require(Permission::ThreadsRead)?;
    let mut reader = op.db.read().await?;
    // What cannot be answered is not recorded as read.
    let window = window(&mut reader.conn(), id, None, query).await?;
    drop(reader);
    record_reading(op, id, reason).await?;
    Ok(paged(window, query, super::store::Window::staff))
}

/// Records that the caller reads what the two of a thread wrote, for a reason, unless that is on record for the last ten minutes.
pub(crate) async fn record_reading(op: &Operation, id: ThreadId, reason: AccessReason) -> Result<()> {
    let mut reader = op.db.read().await?;
    let read_at = store::read_at(&mut reader.conn(), &op.actor().principal(), id, reason.as_str()).await?;
    drop(reader);
    if read_at.is_none_or(|at| op.now().since(at) >= AUDIT_EVERY) {
        op.write(unit!(|op, conn| { record_read(&op, conn, id, reason).await })).await?;
    }
    Ok(())
}

/// Returns a file of a message, of a removed one too, for a reason. Each view is on the audit log before the first byte.
///
/// # Errors
/// `not_found` when the thread has no such file; `forbidden` without the permission.
pub async fn staff_attachment(
    op: &Operation,
    id: ThreadId,
    attachment: AttachmentId,
    reason: AccessReason,
) -> Result<FileContent> {
    op.actor().require(Permission::ThreadsRead)?;
    let mut reader = op.db.read().await?;
    let file = store::file(&mut reader.conn(), attachment).await?;
    drop(reader);
    let file = file.filter(|file| file.thread_id == id && file.message_seq.is_some());
    let file = file.ok_or_else(|| Error::not_found("attachment"))?;
    op.write(unit!(|op, conn| {
        let metadata = serde_json::json!({ "attachment": attachment });
        audit::append(&op, conn, entry(AuditAction::ThreadsView, id, Some(reason.to_string()), metadata)).await
    }))
    .await?;
    Ok(shown(op, attachment, file, AttachmentSize::Full).await?.content)
}

async fn record_read(op: &Operation, conn: &mut Conn<'_>, id: ThreadId, reason: AccessReason) -> Result<()> {
    if !store::note_read(conn, &op.actor().principal(), id, reason.as_str(), op.now(), op.now() - AUDIT_EVERY).await? {
        return Ok(());
    }
    let entry = entry(AuditAction::ThreadsRead, id, Some(reason.to_string()), serde_json::json!({}));
    audit::append(op, conn, entry).await.map(drop)
}

fn entry(action: AuditAction, id: ThreadId, reason: Option<String>, metadata: serde_json::Value) -> Entry {
    Entry { action, target_kind: TargetKind::Thread, target: id.to_string(), reason, metadata }
}

/// Locks and returns the thread, after checking that the actor is neither side and that it is at the expected version.
async fn subject(op: &Operation, conn: &mut Conn<'_>, id: ThreadId) -> Result<ThreadInfo> {
    lock_thread(conn, id).await?;
    let thread = info(conn, id).await?;
    for party in [thread.client_id, thread.worker_id] {
        op.actor().require_other(party)?;
    }
    op.check_version(thread.version)?;
    Ok(thread)
}

/// Closes or reopens a thread. The change's note stays with the thread, for staff only.
///
/// # Errors
/// `not_found` when there is no such thread; `forbidden` without the permission, and for one's own thread;
/// `precondition_failed` at another version.
pub async fn staff_act(op: &Operation, id: ThreadId, action: &ThreadAction) -> Result<Changed<ThreadInfo>> {
    let note = op.note()?;
    let action = action.clone();
    op.write(unit!(|op, conn| { staff_act_in(&op, conn, id, action, note).await })).await
}

/// Like [`staff_act`], inside a transaction.
pub(crate) async fn staff_act_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: ThreadId,
    action: ThreadAction,
    note: Option<String>,
) -> Result<Changed<ThreadInfo>> {
    op.actor().require(Permission::ThreadsWrite)?;
    let thread = subject(op, conn, id).await?;
    let (name, status, reason) = match action {
        ThreadAction::Close { reason } => (AuditAction::ThreadsClose, ThreadStatus::Closed, Some(reason)),
        ThreadAction::Reopen => (AuditAction::ThreadsReopen, ThreadStatus::Open, None),
    };
    if !store::set_status(conn, id, status, reason, note.as_deref()).await? {
        return Ok(Changed { changed: false, item: thread });
    }

    changed(op, conn, id, thread.client_id, thread.worker_id).await?;
    let metadata = serde_json::json!({ "from": thread.status });
    let entry = entry(name, id, reason.map(|reason| reason.to_string()), metadata);
    audit::append(op, conn, entry).await?;
    Ok(Changed { changed: true, item: info(conn, id).await? })
}

/// Posts a notice of the staff's, 1 to 4,000 characters, in a thread; a closed one too. The change's note stays with the
/// thread, for staff only.
pub async fn staff_notice(op: &Operation, id: ThreadId, content: &str) -> Result<Changed<StaffMessage>> {
    op.actor().require(Permission::ThreadsWrite)?;
    let content = check_content(content, false)?;
    let note = op.note()?;

    op.write(unit!(|op, conn| {
        subject(&op, conn, id).await?;
        let posted = append(&op, conn, id, Draft::notice(content)).await?;
        if let Some(note) = &note {
            store::set_note(conn, id, note).await?;
        }
        let metadata = serde_json::json!({ "message": posted.id, "seq": posted.seq });
        let entry = entry(AuditAction::ThreadsNotice, id, None, metadata);
        audit::append(&op, conn, entry).await?;
        Ok(Changed { changed: true, item: message(conn, id, posted.seq).await? })
    }))
    .await
}

/// Returns one message, as staff see it.
async fn message(conn: &mut Conn<'_>, thread: ThreadId, seq: i64) -> Result<StaffMessage> {
    let mut window =
        store::messages(conn, thread, None, Some(seq - 1), None, 1).await?.ok_or_else(|| Error::not_found("thread"))?;
    let row = window.rows.pop().ok_or_else(|| Error::not_found("message"))?;
    Ok(window.staff(row))
}

/// Removes a message from the view of the two sides; staff still see it. The change's note stays with the message, for staff
/// only.
pub async fn staff_remove(op: &Operation, id: MessageId, reason: RemovalReason) -> Result<Changed<StaffMessage>> {
    let note = op.note()?;
    op.write(unit!(|op, conn| { staff_remove_in(&op, conn, id, reason, note).await })).await
}

/// Like [`staff_remove`], inside a transaction.
pub(crate) async fn staff_remove_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: MessageId,
    reason: RemovalReason,
    note: Option<String>,
) -> Result<Changed<StaffMessage>> {
    op.actor().require(Permission::ThreadsWrite)?;
    let place = store::place(conn, id).await?.ok_or_else(|| Error::not_found("message"))?;
    let thread = subject(op, conn, place.thread_id).await?;

    let taken = store::remove(conn, &place, reason, note.as_deref(), op.now()).await?;
    if taken {
        removed(op, conn, &thread, id, place.seq).await?;
        let metadata = serde_json::json!({ "thread": thread.id, "seq": place.seq });
        let entry = message_entry(AuditAction::MessagesRemove, id, Some(reason.to_string()), metadata);
        audit::append(op, conn, entry).await?;
    }
    Ok(Changed { changed: taken, item: message(conn, thread.id, place.seq).await? })
}

/// Shows a removed message to the two sides again, inside a transaction. Returns `false` when it shows already, or when its
/// content is gone.
pub(crate) async fn staff_restore_in(op: &Operation, conn: &mut Conn<'_>, id: MessageId) -> Result<bool> {
    op.actor().require(Permission::ThreadsWrite)?;
    let Some(place) = store::place(conn, id).await? else { return Ok(false) };
    let thread = subject(op, conn, place.thread_id).await?;
    if !store::restore(conn, &place).await? {
        return Ok(false);
    }
    removed(op, conn, &thread, id, place.seq).await?;
    let metadata = serde_json::json!({ "thread": thread.id, "seq": place.seq });
    audit::append(op, conn, message_entry(AuditAction::MessagesRestore, id, None, metadata)).await?;
    Ok(true)
}

fn message_entry(action: AuditAction, id: MessageId, reason: Option<String>, metadata: serde_json::Value) -> Entry {
    Entry { action, target_kind: TargetKind::Message, target: id.to_string(), reason, metadata }
}

/// Appends the event that a message is a tombstone now, or shows again: those who are told read it as it is.
async fn removed(op: &Operation, conn: &mut Conn<'_>, thread: &ThreadInfo, id: MessageId, seq: i64) -> Result<()> {
    let target = id.to_string();
    let event = events::New {
        kind: EventKind::MessageRemoved,
        target: &target,
        user_id: Some(thread.client_id),
        peer_id: Some(thread.worker_id),
        thread_id: Some(thread.id),
        n: Some(seq),
    };
    events::record(op, conn, &event).await
}
