//! The staff's use cases about mails that were not sent yet: list them, and try one again.

use futures::FutureExt;
use uuid::Uuid;

use crate::{
    accounts::{self, model::mask_email},
    app::App,
    base::{
        change::Changed,
        error::{Error, Result},
        ids::MailId,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
    },
    operation::Operation,
    records::{
        audit::{self, AuditAction, Entry},
        mail::{
            model::{MailFilter, MailStatus, MailSummary},
            store::{self, Waiting},
        },
        target::TargetKind,
    },
};

/// Returns mails that were not sent yet, newest first; addresses are masked.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, filter: &MailFilter, page: &PageRequest) -> Result<Page<MailSummary>> {
    op.actor().require(Permission::UsersRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("mail")?.map_or(Uuid::max(), |cursor| cursor.id);
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter.status, MailId(before), limit + 1).await?;
    let rows = Page::of_list("mail", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 });
    Ok(rows.map(|row| summary(op, row)))
}

/// Returns one mail that was not sent yet.
///
/// # Errors
/// `not_found` for a mail that is not there any more; `forbidden` without the permission.
pub async fn show(op: &Operation, id: MailId) -> Result<MailSummary> {
    op.actor().require(Permission::UsersRead)?;
    let mut reader = op.db.read().await?;
    let found = store::find(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("mail"))?;
    Ok(summary(op, found))
}

/// Has a mail tried now that could not be sent, or whose last try failed; its three days begin anew. One that was not tried
/// yet stays as it is: it may wait for a decision to become final.
///
/// # Errors
/// `not_found` for a mail that is not there any more; `conflict` for one that may be under way just now: it would be sent twice.
pub async fn retry(op: &Operation, id: MailId) -> Result<Changed<MailSummary>> {
    op.actor().require(Permission::UsersWrite)?;
    let note = op.note()?;

    op.write(unit!(|op, conn| {
        let found = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("mail"))?;
        if found.failed_at.is_none() && found.attempts == 0 {
            return Ok(Changed { changed: false, item: summary(&op, found) });
        }
        if found.may_be_under_way(op.now()) {
            return Err(Error::conflict("the mail is being sent just now; look again in a minute", ()));
        }
        store::try_again(conn, id, op.now()).await?;
        let found = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("mail"))?;
        let item = summary(&op, found);
        let note = match item.user_id {
            Some(user) => accounts::keep_note(&op, conn, user, note).await?,
            None => None,
        };
        let metadata = serde_json::json!({ "user": item.user_id, "template": item.template, "note": note });
        let entry = Entry {
            action: AuditAction::MailRetry,
            target_kind: TargetKind::Mail,
            target: id.to_string(),
            reason: None,
            metadata,
        };
        audit::append(&op, conn, entry).await?;
        Ok(Changed { changed: true, item })
    }))
    .await
}

fn summary(app: &App, row: Waiting) -> MailSummary {
    let mail = row.open(app).ok();
    MailSummary {
        id: row.id,
        status: if row.failed_at.is_some() { MailStatus::Failed } else { MailStatus::Waiting },
        template: mail.as_ref().map(|mail| mail.template),
        to: mail.as_ref().map(|mail| mask_email(&mail.to)),
        user_id: mail.and_then(|mail| mail.user),
        attempts: row.attempts,
        failure: row.failure,
        next_try_at: row.failed_at.is_none().then_some(row.not_before),
        failed_at: row.failed_at,
        created_at: row.created_at,
    }
}

/// Deletes mails that failed long ago.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let now = app.now();
    app.db.write(move |conn| async move { store::prune(conn, now).await }.boxed()).await
}
