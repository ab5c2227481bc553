//! What time brings: approvals end, erased files are deleted, and objects that no row knows are swept.

use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};

use super::{Notice, Record, lock_account, mail_subject, notify, record, retention, set_standing};
use crate::{
    accounts::model::Account,
    actor::{Actor, Principal},
    app::App,
    audit,
    db::Conn,
    error::Result,
    ids::{AttemptId, UserId},
    kyc::{attempt::UserKyc, model::KycStatus, store},
    mail::{self, Template},
};

/// Rows that one call works on at most.
const BATCH: i64 = 100;
/// Units that are under way at the same time.
const TOGETHER: usize = 8;
/// A submission takes seconds: an object so old without a row belongs to none.
const ORPHAN_AFTER: Duration = Duration::from_hours(1);

/// Ends approvals whose time is over, deletes files whose time is over or that were erased, and now and then sweeps objects without a row. Doing it twice,
/// or on two servers, does nothing more. Answers how many things were done.
pub async fn run_due(app: &App) -> Result<u64> {
    Ok(expire_due(app).await? + retention::delete_due(app).await? + delete_erased(app).await? + sweep(app).await?)
}

async fn expire_due(app: &App) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let users = store::expired_users(&mut reader.conn(), app.now(), BATCH).await?;
    drop(reader);
    if users.is_empty() {
        return Ok(0);
    }
    // A unit each, as accounts are locked before the audit log's head, always; side by side, so that they commit together.
    let done = stream::iter(users)
        .map(|user| expire_one(app, user))
        .buffer_unordered(TOGETHER)
        .try_fold(0, |done, one| future::ready(Ok(done + one)))
        .await?;
    if done > 0 {
        app.wake();
    }
    Ok(done)
}

async fn expire_one(app: &App, user: UserId) -> Result<u64> {
    let unit = app.clone();
    app.db
        .write(move |conn| {
            async move {
                let account = lock_account(conn, user).await?;
                let Some(attempt) = expire(&unit, conn, &account).await? else { return Ok(0) };
                let notice = Notice { attempt, template: Template::KycExpired, comment: None, not_before: unit.now() };
                notify(&unit, conn, &account, notice).await?;
                Ok(1)
            }
            .boxed()
        })
        .await
}

/// Ends the approval of a locked account if its time is over; answers the attempt that it belonged to.
pub(super) async fn expire(app: &App, conn: &mut Conn<'_>, account: &Account) -> Result<Option<AttemptId>> {
    let now = app.now();
    if account.kyc_expires_at.is_none_or(|end| now < end) {
        return Ok(None);
    }
    let expired =
        UserKyc { status: KycStatus::Expired, prior: KycStatus::Expired, effective_at: None, expires_at: None };
    set_standing(conn, account.id, expired, now).await?;
    let Some(id) = store::expire_attempt(conn, account.id).await? else {
        let entry = audit::Entry {
            action: "kyc.expire",
            target_kind: "user",
            target: account.id.to_string(),
            reason: None,
            metadata: serde_json::json!({}),
        };
        audit::append(&app.keys, conn, now, &Actor::System, entry).await?;
        return Ok(None);
    };
    let attempt = store::get(conn, id).await?;
    let what = Record { action: "kyc.expire", event: "kyc.expired", reason: None, fence: attempt.fence };
    record(&app.keys, conn, now, &Actor::System, &attempt, what).await?;
    Ok(Some(id))
}

/// Takes everything personal out of a user's identity checks, inside the transaction that deletes the user. Their files
/// cannot be decrypted from then on, in backups neither; the objects themselves go soon after ([`run_due`]).
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    for attempt in store::of_user(conn, user, BATCH).await? {
        mail::cancel(conn, &mail_subject(attempt.id)).await?;
    }
    store::unlabel(conn, &Principal::user(user)).await?;
    store::erase(conn, user, app.now()).await
}

/// Deletes the objects of what was erased, a bounded number at a time. Answers how many.
pub(crate) async fn delete_erased(app: &App) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let keys = store::deletions(&mut reader.conn(), BATCH).await?;
    drop(reader);
    if keys.is_empty() {
        return Ok(0);
    }
    for key in &keys {
        app.files.delete(key).await?;
    }
    let done = keys.len() as u64;
    app.db.write(move |conn| async move { store::deleted(conn, &keys).await }.boxed()).await?;
    Ok(done)
}

async fn sweep(app: &App) -> Result<u64> {
    /// Keys that one statement looks up.
    const CHUNK: usize = 500;
    if !app.files.sweep_is_due(app.now()) {
        return Ok(0);
    }
    let mut done = 0;
    let mut chunks = app.files.list_before(app.now() - ORPHAN_AFTER)?.try_chunks(CHUNK);
    while let Some(keys) = chunks.try_next().await.map_err(|stopped| stopped.1)? {
        let mut reader = app.db.read().await?;
        let orphans = store::unknown_objects(&mut reader.conn(), &keys).await?;
        drop(reader);
        for key in orphans {
            app.files.delete(&key).await?;
            done += 1;
        }
    }
    if done > 0 {
        tracing::warn!(done, "swept files of submissions that were never finished");
    }
    Ok(done)
}
