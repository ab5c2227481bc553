//! SQL queries for the outbox.

use super::model::{KEPT_FOR, Mail, MailStatus, pause_after};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::MailId,
        language::Language,
        time::Timestamp,
    },
    platform::{
        db::{Conn, Db},
        mailer::PATIENCE,
    },
};

/// Bound at which counts stop.
const CAP: i64 = 10_000;

/// Queues a mail to be sent at `not_before`, in the language of the account that it is about. `subject` names what the mail is about, so that it can be cancelled.
pub(crate) async fn enqueue(
    app: &App,
    conn: &mut Conn<'_>,
    subject: &str,
    not_before: Timestamp,
    mail: &Mail,
) -> Result<()> {
    let now = app.now();
    let id = MailId::new(now, app.random.as_ref());
    let language = match mail.user {
        Some(user) => {
            q!(conn => optval Language, "SELECT language FROM notification_settings WHERE user_id = $1", user)?
        }
        None => None,
    };
    let mail = &Mail { language: language.unwrap_or(mail.language), ..mail.clone() };
    let plain = serde_json::to_vec(mail).map_err(Error::internal)?;
    let sealed = app.keys.seal(id.0.as_bytes(), &plain, app.random.as_ref())?;
    q!(conn => exec,
        "INSERT INTO mail_outbox (id, subject, sealed, not_before, attempts, created_at) VALUES ($1, $2, $3, $4, 0, $5)",
        id, subject, sealed, not_before, now)?;
    Ok(())
}

/// Cancels the unsent mails about `subject`.
pub(crate) async fn cancel(conn: &mut Conn<'_>, subject: &str) -> Result<()> {
    q!(conn => exec, "DELETE FROM mail_outbox WHERE subject = $1", subject)?;
    Ok(())
}

/// Holds the mails about `subject` that were not tried yet until a time.
pub(crate) async fn postpone(conn: &mut Conn<'_>, subject: &str, until: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE mail_outbox SET not_before = $2 WHERE subject = $1 AND attempts = 0 AND not_before < $2", subject, until)?;
    Ok(())
}

/// A mail that waits, or failed.
#[derive(Debug, sqlx_macros::FromRow)]
pub(crate) struct Waiting {
    pub id: MailId,
    pub sealed: Vec<u8>,
    pub not_before: Timestamp,
    pub attempts: i64,
    pub created_at: Timestamp,
    pub failed_at: Option<Timestamp>,
    pub failure: Option<String>,
}

/// Expands to the columns of [`Waiting`].
macro_rules! columns {
    () => {
        "id, sealed, not_before, attempts, created_at, failed_at, failure"
    };
}
#[cfg(feature = "smtp")]
pub(crate) use columns;

impl Waiting {
    /// Returns whether its last try began so recently that it may still be running.
    pub fn may_be_under_way(&self, now: Timestamp) -> bool {
        self.attempts > 0
            && self.failed_at.is_none()
            && now.since(self.not_before - pause_after(self.attempts)) < PATIENCE * 2
    }

    /// Decrypts the mail. Fails when it was encrypted with another key, or was altered.
    pub fn open(&self, app: &App) -> Result<Mail> {
        let plain = app.keys.open_sealed(self.id.0.as_bytes(), &self.sealed)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }
}

/// Deletes mails that failed long ago.
pub(crate) async fn prune(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec, "DELETE FROM mail_outbox WHERE failed_at IS NOT NULL AND failed_at < $1", now - KEPT_FOR)?)
}

/// Returns a page of unsent mails, newest first.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    status: Option<MailStatus>,
    before: MailId,
    limit: i64,
) -> Result<Vec<Waiting>> {
    Ok(match status {
        None => q!(conn => all Waiting,
            concat!("SELECT ", columns!(), " FROM mail_outbox WHERE id < $1 ORDER BY id DESC LIMIT ($2 + 0)"), before, limit)?,
        Some(MailStatus::Waiting) => q!(conn => all Waiting, concat!("SELECT ", columns!(),
            " FROM mail_outbox WHERE failed_at IS NULL AND id < $1 ORDER BY id DESC LIMIT ($2 + 0)"), before, limit)?,
        Some(MailStatus::Failed) => q!(conn => all Waiting, concat!("SELECT ", columns!(),
            " FROM mail_outbox WHERE failed_at IS NOT NULL AND id < $1 ORDER BY id DESC LIMIT ($2 + 0)"), before, limit)?,
    })
}

/// Returns one mail.
pub(crate) async fn find(conn: &mut Conn<'_>, id: MailId) -> Result<Option<Waiting>> {
    Ok(q!(conn => opt Waiting, concat!("SELECT ", columns!(), " FROM mail_outbox WHERE id = $1"), id)?)
}

/// Returns one mail, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut Conn<'_>, id: MailId) -> Result<Option<Waiting>> {
    Ok(q!(conn => opt Waiting, [
        sqlite: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE id = $1"),
        pg: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE id = $1 FOR UPDATE"),
    ], id)?)
}

/// Makes a mail due now, and restarts the time for which it is tried.
pub(crate) async fn try_again(conn: &mut Conn<'_>, id: MailId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE mail_outbox SET attempts = 0, not_before = $2, failed_at = NULL, retried_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// Counts the waiting mails, up to `cap`.
pub(crate) async fn waiting(conn: &mut Conn<'_>, cap: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NULL LIMIT ($1 + 0)) AS capped", cap)?)
}

/// Counts of unsent mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx_macros::FromRow)]
pub struct Backlog {
    /// Waiting mails, up to 10,000.
    pub waiting: i64,
    /// Waiting mails whose first try failed, up to 10,000.
    pub retried: i64,
    /// Mails that could not be sent, up to 10,000.
    pub failed: i64,
    /// When the oldest waiting mail was queued.
    pub oldest_at: Option<Timestamp>,
}

/// Returns the counts of unsent mails.
pub async fn backlog(db: &Db) -> Result<Backlog> {
    let mut reader = db.read().await?;
    Ok(q!(&mut reader.conn() => one Backlog,
        "SELECT (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NULL LIMIT ($1 + 0)) AS w) AS waiting, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NULL AND attempts > 0 LIMIT ($1 + 0)) AS r) AS retried, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NOT NULL LIMIT ($1 + 0)) AS f) AS failed, \
         (SELECT created_at FROM mail_outbox WHERE failed_at IS NULL ORDER BY id LIMIT 1) AS oldest_at",
        CAP)?)
}
