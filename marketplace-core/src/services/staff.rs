//! The staff's use cases about services.

use uuid::Uuid;

use super::{
    content_terms::{self, Sought},
    model::{ServiceDetail, ServiceFilter, ServiceStatus, ServiceSummary},
    ops::changed,
    store::{self, Service},
};
use crate::{
    accounts::{self, keep_note, model::Account},
    base::{
        change::Changed,
        error::{Error, Result},
        ids::ServiceId,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        time::Timestamp,
    },
    messaging::model::RemovalReason,
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        mail::{self, Mail, Template},
        target::TargetKind,
    },
};

/// Returns services, newest first; workers' names are masked.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn staff_list(op: &Operation, filter: &ServiceFilter, page: &PageRequest) -> Result<Page<ServiceSummary>> {
    op.actor().require(Permission::ServicesRead)?;
    let limit = page.checked_limit()?;
    let newest = TimeCursor { at: Timestamp::MAX, id: Uuid::max() };
    let before = page.cursor_in::<TimeCursor>("services")?.unwrap_or(newest);
    let sought = match &filter.q {
        Some(q) => Some(content_terms::sought(op, q).await?),
        None => None,
    };
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let rows = match sought {
        Some(sought) => found(&mut conn, &sought, filter, before, limit + 1).await?,
        None => store::staff_page(&mut conn, filter, before, limit + 1).await?,
    };
    let position = |row: &store::StaffService| TimeCursor { at: row.service.created_at, id: row.service.id.0 };
    let found = Page::of_list("services", rows, limit, position);
    let items = found.items.iter().map(store::StaffService::summary).collect::<Result<_>>()?;
    Ok(Page { items, next: found.next })
}

/// Returns the services of the people, and those with the words in the title, that pass the filter, newest first.
async fn found(
    conn: &mut Conn<'_>,
    sought: &Sought,
    filter: &ServiceFilter,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<store::StaffService>> {
    let mut rows = Vec::new();
    for worker in sought.people.iter().filter(|person| filter.worker_id.is_none_or(|worker| worker == **person)) {
        let theirs = ServiceFilter { worker_id: Some(*worker), ..filter.clone() };
        rows.extend(store::staff_page(conn, &theirs, before, limit).await?);
    }
    if let Some(words) = &sought.words {
        rows.extend(store::staff_page_by_words(conn, words, filter, before, limit).await?);
    }
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.service.created_at, row.service.id)));
    rows.dedup_by_key(|row| row.service.id);
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(rows)
}

/// Returns one service, in any state.
///
/// # Errors
/// `not_found` when there is no such service; `forbidden` without the permission.
pub async fn staff_show(op: &Operation, id: ServiceId) -> Result<ServiceDetail> {
    op.actor().require(Permission::ServicesRead)?;
    let mut reader = op.db.read().await?;
    detail(&mut reader.conn(), id).await
}

pub(super) async fn detail(conn: &mut Conn<'_>, id: ServiceId) -> Result<ServiceDetail> {
    store::staff_find(conn, id).await?.ok_or_else(|| Error::not_found("service"))?.detail()
}

/// Closes a service, whose worker is told why and cannot publish it again. One that staff closed before is unchanged.
///
/// # Errors
/// `not_found` when there is no such service; `conflict` for a deleted one; `forbidden` without the permission, and about
/// one's own; `precondition_failed` at another version.
pub async fn staff_close(op: &Operation, id: ServiceId, reason: RemovalReason) -> Result<Changed<ServiceDetail>> {
    act(op, id, Some(reason)).await
}

/// Takes staff's closing of a service back: its worker is told, and can publish it again.
///
/// # Errors
/// Those of [`staff_close`].
pub async fn staff_reopen(op: &Operation, id: ServiceId) -> Result<Changed<ServiceDetail>> {
    act(op, id, None).await
}

async fn act(op: &Operation, id: ServiceId, reason: Option<RemovalReason>) -> Result<Changed<ServiceDetail>> {
    op.actor().require(Permission::ServicesWrite)?;
    let note = op.note()?;
    op.write(unit!(|op, conn| {
        let changed = act_in(&op, conn, id, reason, note).await?;
        Ok(Changed { changed, item: detail(conn, id).await? })
    }))
    .await
}

/// Closes a service for a reason, or takes that back. Returns whether anything changed.
async fn act_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: ServiceId,
    reason: Option<RemovalReason>,
    note: Option<String>,
) -> Result<bool> {
    let (account, service) = lock_any(op, conn, id).await?;
    if service.closed_reason.is_some() == reason.is_some() {
        return Ok(false);
    }
    if service.status == ServiceStatus::Deleted {
        let current = serde_json::json!({ "status": service.status });
        return Err(Error::conflict("the service is deleted for good", current));
    }
    store::close_for(conn, id, reason, op.now()).await?;
    changed(op, conn, id, account.id, ServiceStatus::Closed).await?;
    let (action, template) = match reason {
        Some(_) => (AuditAction::ServicesClose, Template::ServiceClosed),
        None => (AuditAction::ServicesReopen, Template::ServiceReopened),
    };
    let metadata = serde_json::json!({ "from": service.status, "worker": account.id });
    tell(op, conn, (&account, &service), (action, template, reason), metadata, note).await?;
    Ok(true)
}

/// Locks a service of somebody else, in any state, and its worker before it.
pub(super) async fn lock_any(op: &Operation, conn: &mut Conn<'_>, id: ServiceId) -> Result<(Account, Service)> {
    let missing = || Error::not_found("service");
    let worker = store::find(conn, id).await?.ok_or_else(missing)?.worker_id;
    op.actor().require_other(worker)?;
    // The account before its service, as everywhere.
    let account = accounts::store::lock(conn, worker).await?.ok_or_else(missing)?;
    let service = store::lock(conn, id).await?.ok_or_else(missing)?;
    op.check_version(service.version)?;
    Ok((account, service))
}

/// Notifies the worker of what was done to a service and why, and records it with the note.
pub(super) async fn tell(
    op: &Operation,
    conn: &mut Conn<'_>,
    (account, service): (&Account, &Service),
    (action, template, reason): (AuditAction, Template, Option<RemovalReason>),
    mut metadata: serde_json::Value,
    note: Option<String>,
) -> Result<()> {
    let note = keep_note(op, conn, account.id, note).await?;
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("note".to_owned(), serde_json::json!(note));
    }
    let reason = reason.map(|reason| reason.to_string());
    if account.status.may_log_in() {
        let title = service.content()?.title;
        let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {}", reason.replace('_', " ")));
        let mail = Mail { comment: Some(format!("“{title}”{why}")), ..Mail::to_owner(account, template) };
        mail::enqueue(op, conn, &format!("user:{}", account.id), op.now(), &mail).await?;
    }
    let entry = Entry { action, target_kind: TargetKind::Service, target: service.id.to_string(), reason, metadata };
    audit::append(op, conn, entry).await
}
