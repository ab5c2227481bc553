//! Freezes that end by themselves.

use super::tell::tell;
use crate::{
    accounts::{model::Status, store},
    app::App,
    base::{error::Result, ids::UserId},
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        events::{self, EventKind},
        target::TargetKind,
    },
    scheduled, services,
    timers::Timer,
};

/// Lifts freezes whose end has come. Returns how many.
pub(crate) async fn lift_due(app: &App) -> Result<u64> {
    /// Freezes of one round.
    const ROUND: i64 = 100;
    let mut reader = app.db.read().await?;
    let limit = ROUND + scheduled::resting(app, Timer::Freezes);
    let due = store::due_freezes(&mut reader.conn(), app.now(), limit).await?;
    drop(reader);
    let lift_one = |user| {
        let op = Operation::system(app);
        async move { op.write(unit!(|op, conn| { lift(&op, conn, user).await })).await.map(u64::from) }
    };
    scheduled::each(app, Timer::Freezes, due, lift_one).await
}

/// Lifts a freeze whose end has come. Returns whether it was one.
async fn lift(op: &Operation, conn: &mut Conn<'_>, id: UserId) -> Result<bool> {
    let now = op.now();
    let Some(account) = store::lock(conn, id).await? else { return Ok(false) };
    let until = store::restriction(conn, id).await?.and_then(|restriction| restriction.until);
    if account.status != Status::Frozen || until.is_none_or(|until| until > now) {
        return Ok(false);
    }
    let status = Status::unrestricted(account.email_verified);
    store::set_status(conn, id, status, None, now).await?;
    tell(op, conn, id, account.role, status).await?;
    services::worker_changed(conn, now, id).await?;
    let metadata = serde_json::json!({ "from": account.status, "until": until });
    let (action, target_kind) = (AuditAction::UsersUnfreeze, TargetKind::User);
    audit::append(op, conn, Entry { action, target_kind, target: id.to_string(), reason: None, metadata }).await?;
    events::append(op, conn, EventKind::UserChanged, &id.to_string(), Some(id)).await?;
    Ok(true)
}
