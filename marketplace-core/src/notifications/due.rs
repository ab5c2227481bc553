//! Due work on notifications: those whose time has come are announced, mails are made of them, and old ones go.

use std::{fmt, time::Duration};

use futures::FutureExt;

use super::{
    link,
    model::NotificationKind,
    ops::unsubscribe_token,
    store::{self, Due},
};
use crate::{
    accounts::{self, model::Status},
    app::App,
    base::{
        error::{Error, Result},
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
    records::mail::{self, Mail, Template},
    timers::Timer,
};

/// Notifications that one call works on at most.
const BATCH: i64 = 200;

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Announces the notifications whose time has come, and makes mails of those whose mail is due. Doing it twice, or on two servers,
/// does neither a second time. Returns how many things were done.
///
/// # Errors
/// `unavailable` when the database cannot be used.
pub(crate) async fn run_due(app: &App) -> Result<u64> {
    let limit = BATCH + crate::scheduled::resting(app, Timer::Notifications);
    let mut reader = app.db.read().await?;
    let unannounced = store::unannounced(&mut reader.conn(), app.now(), limit).await?;
    let due = store::due(&mut reader.conn(), app.now(), limit).await?;
    drop(reader);
    let announced = async |due| announce_one(app, due).await.map(u64::from);
    let announced = crate::scheduled::each(app, Timer::Notifications, unannounced, announced).await?;
    let mailed = async |due| mail_one(app, due).await.map(u64::from);
    Ok(announced + crate::scheduled::each(app, Timer::Notifications, due, mailed).await?)
}

async fn announce_one(app: &App, due: Due) -> Result<bool> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let is_ours = store::take_announcement(conn, due, op.now()).await?;
            if is_ours {
                super::announce(&op, conn, due.user_id, due.id).await?;
            }
            Ok(is_ours)
        }))
        .await
}

async fn mail_one(app: &App, due: Due) -> Result<bool> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let now = op.now();
            let Some(row) = store::take(conn, due, now).await? else { return Ok(false) };
            if row.read_at.is_none() {
                enqueue(&op, conn, due, &row, now).await?;
            }
            Ok(true)
        }))
        .await
}

/// Queues the mail of a notification, unless its recipient does not want it, or may not get any.
async fn enqueue(op: &Operation, conn: &mut Conn<'_>, due: Due, row: &store::Row, now: Timestamp) -> Result<()> {
    let Some(account) = accounts::store::get(conn, due.user_id).await? else { return Ok(()) };
    if !account.email_verified || !matches!(account.status, Status::Active | Status::Frozen) {
        return Ok(());
    }
    let settings = store::settings(conn, account.id).await?;
    if settings.mail.get(&row.kind) != Some(&true) {
        return Ok(());
    }
    let count = match row.kind {
        NotificationKind::Message => Some(store::unread_messages(conn, account.id, &row.target).await?),
        _ => None,
    };
    if count == Some(0) {
        return Ok(());
    }
    let template: Template = row.kind.as_str().parse().map_err(Error::internal)?;
    let mail = Mail {
        link: Some(link(&op.config, row.kind, &row.target)),
        count,
        unsubscribe: Some(unsubscribe_token(op, account.id, row.kind)),
        ..Mail::to_owner(&account, template)
    };
    mail::enqueue(op, conn, &format!("user:{}", account.id), now, &mail).await
}

/// Deletes notifications that are older than the retention.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let before = app.now() - Duration::from_secs(u64::from(app.config.retention.notification_days) * 86_400);
    app.db.prune_in_batches(move |conn| async move { store::prune(conn, before).await }.boxed()).await
}
