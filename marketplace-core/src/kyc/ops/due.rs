//! What time brings: approvals end, erased files are deleted, and objects that no row knows are swept.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Notice, Record, lock_account, mail_subject, notify, record, set_standing, tell};
use crate::{
    accounts::model::Account,
    app::App,
    base::{
        error::{Error, Result},
        ids::{AttemptId, UserId},
        principal::Principal,
    },
    kyc::{attempt::UserKyc, status::KycStatus, store},
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction},
        events::EventKind,
        mail::{self, Template},
        target::TargetKind,
    },
    timers::{self, Queue, Timer},
};

/// Rows that one call works on at most.
const BATCH: i64 = 100;
/// Objects that are deleted at the same time.
const TOGETHER: usize = 8;
/// The pause after the first try to delete an object, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_hours(1));
/// How long the file store may take to tell of more objects.
const LISTING: Duration = Duration::from_mins(1);
/// A submission takes seconds: an object so old without a row belongs to none.
const ORPHAN_AFTER: Duration = Duration::from_hours(1);

/// Ends approvals whose time is over. Doing it twice, or on two servers, does nothing more. Returns how many ended.
pub(crate) async fn expire_due(app: &App) -> Result<u64> {
    let woken = wake_due(app).await?;
    let limit = BATCH + crate::scheduled::resting(app, Timer::KycExpiry);
    let mut reader = app.db.read().await?;
    let users = store::expired_users(&mut reader.conn(), app.now(), limit).await?;
    drop(reader);
    // A unit each, as accounts are locked before the audit log's head, always; side by side, so that they commit together.
    Ok(woken + crate::scheduled::each(app, Timer::KycExpiry, users, |user| expire_one(app, user)).await?)
}

/// Puts cases back in their lanes that were set aside until a time that is over. Returns how many.
async fn wake_due(app: &App) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let any = store::any_due(&mut reader.conn(), app.now()).await?;
    let oldest = store::oldest(&mut reader.conn()).await?;
    drop(reader);
    app.timers.set_oldest(Queue::Kyc, oldest);
    if !any {
        return Ok(0);
    }
    Operation::system(app).write(unit!(|op, conn| { store::wake(conn, op.now(), BATCH).await })).await
}

async fn expire_one(app: &App, user: UserId) -> Result<u64> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let account = lock_account(conn, user).await?;
            let Some(attempt) = expire(&op, conn, &account).await? else { return Ok(0) };
            let notice = Notice { attempt, template: Template::KycExpired, comment: None, not_before: op.now() };
            notify(&op, conn, &account, notice).await?;
            Ok(1)
        }))
        .await
}

/// Ends the approval of a locked account if its time is over; returns the attempt that it belonged to.
pub(super) async fn expire(op: &Operation, conn: &mut Conn<'_>, account: &Account) -> Result<Option<AttemptId>> {
    let now = op.now();
    if account.kyc_expires_at.is_none_or(|end| now < end) {
        return Ok(None);
    }
    let expired =
        UserKyc { status: KycStatus::Expired, prior: KycStatus::Expired, effective_at: None, expires_at: None };
    set_standing(conn, account.id, expired, now).await?;
    let Some(id) = store::expire_attempt(conn, account.id).await? else {
        let entry = audit::Entry {
            action: AuditAction::KycExpire,
            target_kind: TargetKind::User,
            target: account.id.to_string(),
            reason: None,
            metadata: serde_json::json!({}),
        };
        audit::append(op, conn, entry).await?;
        return Ok(None);
    };
    let attempt = store::get(conn, id).await?;
    let what =
        Record { action: AuditAction::KycExpire, event: EventKind::KycExpired, reason: None, fence: attempt.fence };
    record(op, conn, &attempt, what).await?;
    tell(op, conn, &attempt, KycStatus::Expired, now).await?;
    Ok(Some(id))
}

/// Takes everything personal out of a user's identity checks, inside the transaction that deletes the user. Their files
/// cannot be decrypted from then on, in backups neither; the objects themselves go soon after ([`delete_due_objects`]).
pub(crate) async fn erase(app: &App, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    for attempt in store::of_user(conn, user, BATCH).await? {
        mail::cancel(conn, &mail_subject(attempt.id)).await?;
    }
    store::clear_claim_label(conn, &Principal::user(user)).await?;
    store::erase(conn, user, app.now()).await
}

/// Deletes objects that no row needs any more, a bounded number at a time. One that cannot be deleted is tried again after a
/// pause that grows, and stops no other. Returns how many went.
pub(crate) async fn delete_due_objects(app: &App) -> Result<u64> {
    let now = app.now();
    let mut reader = app.db.read().await?;
    let due = store::due_deletions(&mut reader.conn(), now, BATCH).await?;
    drop(reader);
    let mut tries = stream::iter(due)
        .map(async |due| {
            let done = app.files.delete(&due.object_key).await;
            (due, done)
        })
        .buffer_unordered(TOGETHER);
    let (mut gone, mut later, mut failure) = (Vec::new(), Vec::new(), None);
    while let Some((due, done)) = tries.next().await {
        match done {
            Ok(()) => gone.push(due.object_key),
            Err(error) => {
                let pause = timers::pause(due.attempts + 1, PAUSES.0, PAUSES.1);
                later.push((due.object_key, now + pause));
                failure = Some(error);
            }
        }
    }
    drop(tries);
    if gone.is_empty() && later.is_empty() {
        return Ok(0);
    }
    let done = gone.len() as u64;
    let failed = later.len();
    Operation::system(app)
        .write(unit!(|op, conn| {
            store::deleted(conn, &gone).await?;
            store::delete_later(conn, &later).await
        }))
        .await?;
    match failure {
        // Not one: that is the store, not the object.
        Some(error) if done == 0 => Err(error),
        Some(error) => {
            app.timers.count_failure(Timer::FileDeletions, format!("{failed} objects: {error:?}"), now);
            Ok(done)
        }
        None => Ok(done),
    }
}

/// Looks now and then for objects that no row knows, and deletes them: they come from programs that died in the middle of a
/// submission. Returns how many went.
pub(crate) async fn sweep_objects(app: &App) -> Result<u64> {
    /// Keys that one statement looks up.
    const CHUNK: usize = 500;
    if !app.files.sweep_is_due(app.now()) {
        return Ok(0);
    }
    let (mut done, mut failure) = (0, None);
    let mut chunks = app.files.list_before(app.now() - ORPHAN_AFTER)?.try_chunks(CHUNK);
    let silent = |late| Error::unavailable("the file store does not list its objects", late);
    while let Some(keys) =
        tokio::time::timeout(LISTING, chunks.try_next()).await.map_err(silent)?.map_err(|stopped| stopped.1)?
    {
        let mut reader = app.db.read().await?;
        let orphans = store::unknown_objects(&mut reader.conn(), &keys).await?;
        drop(reader);
        for key in orphans {
            match app.files.delete(&key).await {
                Ok(()) => done += 1,
                Err(error) => failure = Some(error),
            }
        }
    }
    if done > 0 {
        tracing::warn!(done, "swept files of submissions that were never finished");
    }
    failure.map_or(Ok(done), Err)
}
