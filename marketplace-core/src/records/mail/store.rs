//! The outbox's SQL.

use super::model::{KEPT_FOR, Mail, MailStatus, pause_after};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::MailId,
        time::Timestamp,
    },
    platform::{
        db::{Conn, Db},
        mailer::PATIENCE,
    },
};

/// Where counts stop.
const CAP: i64 = 10_000;

/// Records a mail that is to be sent at `not_before`. `subject` says what it is about, so that it can be taken back.
pub(crate) async fn enqueue(
    app: &App,
    conn: &mut Conn<'_>,
    subject: &str,
    not_before: Timestamp,
    mail: &Mail,
) -> Result<()> {
    let now = app.now();
    let id = MailId::new(now, app.random.as_ref());
    let plain = serde_json::to_vec(mail).map_err(Error::internal)?;
    let sealed = app.keys.seal(id.0.as_bytes(), &plain, app.random.as_ref())?;
    q!(conn => exec,
        "INSERT INTO mail_outbox (id, subject, sealed, not_before, attempts, created_at) VALUES ($1, $2, $3, $4, 0, $5)",
        id, subject, sealed, not_before, now)?;
    Ok(())
}

/// Takes back the mails about `subject` that were not sent yet.
pub(crate) async fn cancel(conn: &mut Conn<'_>, subject: &str) -> Result<()> {
    q!(conn => exec, "DELETE FROM mail_outbox WHERE subject = $1", subject)?;
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

/// The columns of [`Waiting`].
macro_rules! columns {
    () => {
        "id, sealed, not_before, attempts, created_at, failed_at, failure"
    };
}
#[cfg(feature = "smtp")]
pub(crate) use columns;

impl Waiting {
    /// Whether its last try began so recently that it may not have ended.
    pub fn may_be_under_way(&self, now: Timestamp) -> bool {
        self.attempts > 0
            && self.failed_at.is_none()
            && now.since(self.not_before - pause_after(self.attempts)) < PATIENCE * 2
    }

    /// What it says; fails when it was encrypted with another key, or altered.
    pub fn open(&self, app: &App) -> Result<Mail> {
        let plain = app.keys.open_sealed(self.id.0.as_bytes(), &self.sealed)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }
}

/// Forgets those that failed long ago.
pub(crate) async fn prune(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec, "DELETE FROM mail_outbox WHERE failed_at IS NOT NULL AND failed_at < $1", now - KEPT_FOR)?)
}

/// Newest first.
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

/// One of them; nobody else changes it before the transaction ends.
pub(crate) async fn lock(conn: &mut Conn<'_>, id: MailId) -> Result<Option<Waiting>> {
    Ok(q!(conn => opt Waiting, [
        sqlite: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE id = $1"),
        pg: concat!("SELECT ", columns!(), " FROM mail_outbox WHERE id = $1 FOR UPDATE"),
    ], id)?)
}

/// It is tried now, and its time begins anew.
pub(crate) async fn try_again(conn: &mut Conn<'_>, id: MailId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE mail_outbox SET attempts = 0, not_before = $2, failed_at = NULL, retried_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// How many mails wait, up to `cap`.
pub(crate) async fn waiting(conn: &mut Conn<'_>, cap: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NULL LIMIT ($1 + 0)) AS capped", cap)?)
}

/// How many mails are not sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx_macros::FromRow)]
pub struct Backlog {
    /// Those that wait, up to 10,000.
    pub waiting: i64,
    /// Those among them whose first try failed, up to 10,000.
    pub retried: i64,
    /// Those that could not be sent, up to 10,000.
    pub failed: i64,
    /// Since when the oldest of those that wait does.
    pub oldest_at: Option<Timestamp>,
}

/// Returns how many mails are not sent yet.
pub async fn backlog(db: &Db) -> Result<Backlog> {
    let mut reader = db.read().await?;
    Ok(q!(&mut reader.conn() => one Backlog,
        "SELECT (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NULL LIMIT ($1 + 0)) AS w) AS waiting, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NULL AND attempts > 0 LIMIT ($1 + 0)) AS r) AS retried, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox WHERE failed_at IS NOT NULL LIMIT ($1 + 0)) AS f) AS failed, \
         (SELECT created_at FROM mail_outbox WHERE failed_at IS NULL ORDER BY id LIMIT 1) AS oldest_at",
        CAP)?)
}
