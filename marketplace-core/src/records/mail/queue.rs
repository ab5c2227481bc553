//! SQL queries for sending: a mail is claimed, and then its result is stored.

use std::time::Duration;

use futures::FutureExt;

use super::{
    model::pause_after,
    store::{Waiting, columns},
};
use crate::{
    app::App,
    base::{error::Result, ids::MailId, time::Timestamp},
    platform::db::Conn,
};

/// How long a mail is tried.
const TRIED_FOR: Duration = Duration::from_hours(72);

/// Counts the mails that are due, up to `cap`.
pub(super) async fn due(conn: &mut Conn<'_>, now: Timestamp, cap: u32) -> Result<usize> {
    let due = q!(conn => vals MailId,
        "SELECT id FROM mail_outbox WHERE failed_at IS NULL AND not_before <= $1 ORDER BY not_before LIMIT ($2 + 0)",
        now, i64::from(cap))?;
    Ok(due.len())
}

/// Claims one due mail from one end of the queue. The try counts from now on, whatever its result, and nobody else can
/// claim the mail until its next try.
pub(super) async fn take(app: &App, newest: bool) -> Result<Option<Waiting>> {
    let now = app.now();
    app.db
        .write(move |c| {
            async move {
                let due = if newest {
                    q!(c => opt Waiting, [
                        sqlite: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE failed_at IS NULL AND not_before <= $1 \
                                 ORDER BY not_before DESC LIMIT 1"),
                        pg: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE failed_at IS NULL AND not_before <= $1 \
                             ORDER BY not_before DESC LIMIT 1 FOR UPDATE SKIP LOCKED"),
                    ], now)?
                } else {
                    q!(c => opt Waiting, [
                        sqlite: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE failed_at IS NULL AND not_before <= $1 \
                                 ORDER BY not_before LIMIT 1"),
                        pg: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE failed_at IS NULL AND not_before <= $1 \
                             ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED"),
                    ], now)?
                };
                let Some(mut mail) = due else { return Ok(None) };
                mail.attempts += 1;
                let next = now + pause_after(mail.attempts);
                q!(c => exec, "UPDATE mail_outbox SET attempts = $2, not_before = $3 WHERE id = $1",
                    mail.id, mail.attempts, next)?;
                Ok(Some(mail))
            }
            .boxed()
        })
        .await
}

/// Removes a mail that was sent. Returns `false` when it was cancelled before.
pub(super) async fn sent(app: &App, id: MailId) -> Result<bool> {
    app.db
        .write(move |c| async move { Ok(q!(c => exec, "DELETE FROM mail_outbox WHERE id = $1", id)? == 1) }.boxed())
        .await
}

/// Records that a mail was not sent. It is given up when the failure is final, or when it was tried for long enough.
/// Returns whether it was given up.
pub(super) async fn not_sent(app: &App, id: MailId, reason: String, is_final: bool) -> Result<bool> {
    let now = app.now();
    let since = if is_final { Timestamp::MAX } else { now - TRIED_FOR };
    app.db
        .write(move |c| {
            async move {
                q!(c => exec, "UPDATE mail_outbox SET failure = $2 WHERE id = $1", id, reason)?;
                let given_up = q!(c => exec,
                    "UPDATE mail_outbox SET failed_at = $2 WHERE id = $1 AND coalesce(retried_at, created_at) <= $3",
                    id, now, since)?;
                Ok(given_up == 1)
            }
            .boxed()
        })
        .await
}
