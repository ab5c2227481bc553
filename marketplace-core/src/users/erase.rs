//! Erasure (GDPR art. 17): personal fields and files go; what other people need stays.

use super::{rights::end_reviews, tell::tell};
use crate::{
    accounts::{
        model::{Account, Status},
        store,
    },
    app::App,
    auth,
    base::{
        change::RestrictionReason,
        error::{Error, Result},
        ids::UserId,
    },
    jobs, kyc, messaging, notifications,
    operation::Operation,
    platform::db::Conn,
    profiles,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        idempotency, mail,
        target::TargetKind,
    },
    reports, reviews, rules, services,
    timers::Timer,
    tokens,
};

/// Erases an account, inside the transaction that decided to. The row stays, without anything personal in it.
///
/// # Errors
/// `conflict` while jobs of theirs are live.
pub(crate) async fn erase(
    op: &Operation,
    conn: &mut Conn<'_>,
    account: &Account,
    reason: Option<RestrictionReason>,
) -> Result<()> {
    let (id, now) = (account.id, op.now());
    if jobs::any_live(conn, id).await? {
        return Err(Error::conflict("there are jobs under way; end them first", ()));
    }
    end_reviews(op, conn, account, None).await?;
    kyc::erase(op, conn, id).await?;
    jobs::erase(conn, id).await?;
    profiles::erase(op, conn, id).await?;
    services::erase(op, conn, id).await?;
    messaging::erase(op, conn, id).await?;
    reviews::erase(op, conn, id).await?;
    rules::erase(conn, id).await?;
    reports::erase(op, conn, id).await?;
    auth::store::erase(conn, id).await?;
    auth::drop_tickets(conn, id).await?;
    tokens::erase(conn, id).await?;
    notifications::erase(conn, id).await?;
    auth::identities::erase(conn, id).await?;
    mail::cancel(conn, &format!("user:{id}")).await?;
    let notes = store::note_ids(conn, id).await?;
    idempotency::erase(conn, now, id, &notes).await?;
    store::note_erasure(conn, id, now).await?;
    store::anonymise(conn, id, now).await?;
    tell(op, conn, id, account.role, Status::Deleted).await?;
    let metadata = serde_json::json!({ "from": account.status, "role": account.role });
    let reason = reason.map(|reason| reason.to_string());
    audit::append(
        op,
        conn,
        Entry {
            action: AuditAction::UsersDelete,
            target_kind: TargetKind::User,
            target: id.to_string(),
            reason,
            metadata,
        },
    )
    .await?;
    events::append(op, conn, EventKind::SessionRevoked, &id.to_string(), Some(id)).await?;
    events::append(op, conn, EventKind::UserChanged, &id.to_string(), Some(id)).await
}

/// Deletes what erasures leave beside the rows that they deleted: mails in the folder, words in the search index, and rows in
/// the write-ahead log; files go by themselves. A server does it within a second; whatever stops it, the next one goes on.
pub(crate) async fn sweep(app: &App) -> Result<u64> {
    /// Erasures of one round.
    const ROUND: i64 = 100;
    let now = app.now();
    let rests = |user: &UserId| app.timers.rests(Timer::Erasures, user, now);
    let mut reader = app.db.read().await?;
    let mut erased =
        store::erasures(&mut reader.conn(), ROUND + crate::scheduled::resting(app, Timer::Erasures)).await?;
    drop(reader);
    crate::scheduled::each(app, Timer::Erasures, erased.clone(), async |user| mail::forget_written(app, user).await)
        .await?;
    erased.retain(|user| !rests(user));
    if erased.is_empty() {
        return Ok(0);
    }
    services::sweep_index(app).await?;
    if !app.db.empty_log().await? {
        return Ok(0);
    }
    let done = erased.len() as u64;
    Operation::system(app).write(unit!(|op, conn| { store::forget_erasures(conn, &erased).await })).await?;
    Ok(done)
}
