//! Mails: recorded in the transaction that causes them, sent after it. What waits is encrypted, as there may be a token in it.

#[cfg(feature = "smtp")]
mod layout;
#[cfg(feature = "smtp")]
mod send;
mod template;

pub use template::Template;

#[cfg(feature = "smtp")]
use futures::FutureExt;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    db::Conn,
    error::{Error, Result},
    ids::{MailId, UserId},
    time::Timestamp,
};

/// A mail as it waits.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    /// Recipient's address.
    pub to: String,
    /// Recipient's name.
    pub name: String,
    /// Which text.
    pub template: Template,
    /// Where its link goes, if it has one.
    pub link: Option<String>,
    /// What somebody wrote for the recipient, if anything.
    pub comment: Option<String>,
    /// Whose account it is about: with it goes what was written of it to the folder.
    #[serde(default)]
    pub user: Option<UserId>,
}

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

/// Deletes what was written to the folder of mails about an account.
pub(crate) fn forget_written(app: &App, user: UserId) -> Result<()> {
    let cannot = |error: std::io::Error| Error::unavailable("the folder of mails cannot be swept", error);
    let entries = match std::fs::read_dir(app.config.mail_dir()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(cannot)?,
    };
    let theirs = format!(".{user}.");
    for entry in entries {
        let entry = entry.map_err(cannot)?;
        if entry.file_name().to_string_lossy().contains(&theirs) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// How many mails wait, up to `cap`.
pub(crate) async fn waiting(conn: &mut Conn<'_>, cap: i64) -> Result<i64> {
    Ok(q!(conn => val i64, "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM mail_outbox LIMIT $1) AS capped", cap)?)
}

#[cfg(feature = "smtp")]
pub(crate) use send::send_due;

/// Without the feature `smtp` this program sends nothing: mails wait for a server.
#[cfg(not(feature = "smtp"))]
#[expect(clippy::unused_async, reason = "as the one that sends")]
pub(crate) async fn send_due(_app: &App) -> Result<u64> {
    Ok(0)
}

#[derive(sqlx::FromRow)]
#[cfg(feature = "smtp")]
struct Waiting {
    id: MailId,
    sealed: Vec<u8>,
    attempts: i64,
}

/// Takes mails that are due for this program: nobody else gets them before `until`.
#[cfg(feature = "smtp")]
async fn take_due(app: &App, until: Timestamp, limit: i64) -> Result<Vec<Waiting>> {
    let now = app.now();
    let mut reader = app.db.read().await?;
    // The cheap look first: this runs every second.
    if q!(&mut reader.conn() => optval MailId, "SELECT id FROM mail_outbox WHERE not_before <= $1 LIMIT 1", now)?
        .is_none()
    {
        return Ok(Vec::new());
    }
    drop(reader);
    app.db
        .write(move |c| {
            async move {
                Ok(q!(c => all Waiting, [
                    sqlite: "UPDATE mail_outbox SET not_before = $2, attempts = attempts + 1 WHERE id IN \
                             (SELECT id FROM mail_outbox WHERE not_before <= $1 ORDER BY not_before LIMIT $3) RETURNING id, sealed, attempts",
                    pg: "UPDATE mail_outbox SET not_before = $2, attempts = attempts + 1 WHERE id IN \
                         (SELECT id FROM mail_outbox WHERE not_before <= $1 ORDER BY not_before LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id, sealed, attempts",
                ], now, until, limit)?)
            }
            .boxed()
        })
        .await
}
