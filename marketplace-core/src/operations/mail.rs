//! What staff see of mails that were not sent yet, and how they have one tried again.

use futures::FutureExt;
use uuid::Uuid;

use crate::{
    accounts::{self, model::mask_email},
    actor::Actor,
    app::App,
    base::{
        change::{Change, Changed},
        error::{Error, Result},
        ids::MailId,
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
    },
    records::{
        audit::{self, Entry},
        mail::{
            model::{MailFilter, MailStatus, MailSummary},
            store::{self, Waiting},
        },
    },
};

/// Mails that were not sent yet, newest first; addresses are masked.
pub async fn list(app: &App, actor: &Actor, filter: &MailFilter, page: &PageRequest) -> Result<Page<MailSummary>> {
    actor.require(Permission::UsersRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?.map_or(Uuid::max(), |cursor| cursor.id);
    let mut reader = app.db.read().await?;
    let rows = store::page(&mut reader.conn(), filter.status, MailId(before), limit + 1).await?;
    let rows = Page::from_rows(rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 });
    Ok(rows.map(|row| summary(app, row)))
}

/// Has a mail tried now that could not be sent, or whose last try failed; its three days begin anew. One that was not tried
/// yet stays as it is: it may wait for a decision to become final.
///
/// # Errors
/// `not_found` for a mail that is not there any more; `conflict` for one that may be under way just now: it would be sent twice.
pub async fn retry(app: &App, actor: &Actor, id: MailId, change: &Change) -> Result<Changed<MailSummary>> {
    actor.require(Permission::UsersWrite)?;
    let note = change.checked_note()?;
    let (unit, actor) = (app.clone(), actor.clone());
    app.db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let now = unit.now();
                let found = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("mail"))?;
                if found.failed_at.is_none() && found.attempts == 0 {
                    return Ok(Changed { changed: false, item: summary(&unit, found) });
                }
                if found.may_be_under_way(now) {
                    return Err(Error::conflict("the mail is being sent just now; look again in a minute", ()));
                }
                store::try_again(conn, id, now).await?;
                let found = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("mail"))?;
                let item = summary(&unit, found);
                let note = match item.user_id {
                    Some(user) => accounts::keep_note(&unit, conn, &actor, user, note).await?,
                    None => None,
                };
                let metadata = serde_json::json!({ "user": item.user_id, "template": item.template, "note": note });
                let entry =
                    Entry { action: "mail.retry", target_kind: "mail", target: id.to_string(), reason: None, metadata };
                audit::append(&unit.keys, conn, now, &actor, entry).await?;
                Ok(Changed { changed: true, item })
            }
            .boxed()
        })
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

/// Forgets mails that failed long ago.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let now = app.now();
    app.db.write(move |conn| async move { store::prune(conn, now).await }.boxed()).await
}
