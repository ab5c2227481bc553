//! Sending: by SMTP when configured, else into files that any mail program opens.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf, time::Duration};

use futures::FutureExt;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
};

use super::{Mail, Waiting, layout, take_due};
use crate::{
    accounts::model::deliverable_email,
    app::{App, make_private_folder},
    error::{Error, Result},
    ids::{MailId, UserId},
};

/// Mails sent in one round.
const ROUND: i64 = 50;
/// How long a mail belongs to the program that took it.
const LEASE: Duration = Duration::from_secs(120);
/// After so many tries a mail is given up.
const TRIES: i64 = 10;

/// Sends what is due; a mail that cannot be sent is tried again later, ten times.
pub(crate) async fn send_due(app: &App) -> Result<u64> {
    let due = take_due(app, app.now() + LEASE, ROUND).await?;
    let mut sent = 0;
    for waiting in due {
        let Waiting { id, sealed, attempts } = waiting;
        match send_one(app, id, &sealed).await {
            Ok(written) => {
                // Taken back meanwhile: what is not sent by then must not stay.
                if !forget(app, id).await?
                    && let Some(path) = written
                {
                    let _ = std::fs::remove_file(path);
                }
                sent += 1;
            }
            Err(error) if attempts >= TRIES => {
                tracing::error!(mail = %id, attempts, error = ?error, "mail given up");
                forget(app, id).await?;
            }
            Err(error) => tracing::warn!(mail = %id, attempts, error = ?error, "mail not sent; it is tried again"),
        }
    }
    Ok(sent)
}

/// Answers the file, when it was written to one.
async fn send_one(app: &App, id: MailId, sealed: &[u8]) -> Result<Option<PathBuf>> {
    let plain = app.keys.open_sealed(id.0.as_bytes(), sealed)?;
    let mail: Mail = serde_json::from_slice(&plain).map_err(Error::internal)?;
    let message = message(app, &mail)?;
    match &app.config.smtp_url {
        Some(url) => {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
                .map_err(|error| Error::unavailable("smtp_url is not a URL of a mail server", error))?
                .timeout(Some(Duration::from_secs(20)))
                .build();
            let sent = transport.send(message).await;
            sent.map(|_| None).map_err(|error| Error::unavailable("the mail server does not take the mail", error))
        }
        None => write(app, id, mail.user, &message.formatted()).map(Some),
    }
}

fn message(app: &App, mail: &Mail) -> Result<Message> {
    let rendered = layout::render(mail)?;
    let from: Mailbox = app.config.mail_from.parse().map_err(Error::internal)?;
    let to = Mailbox::new(Some(mail.name.clone()), deliverable_email(&mail.to).parse().map_err(Error::internal)?);
    Message::builder()
        .from(from)
        .to(to)
        .subject(rendered.subject)
        .multipart(MultiPart::alternative_plain_html(rendered.plain, rendered.html))
        .map_err(Error::internal)
}

/// Under its id and that of whom it is about, whole or not at all.
fn write(app: &App, id: MailId, user: Option<UserId>, bytes: &[u8]) -> Result<PathBuf> {
    let dir = app.config.mail_dir();
    make_private_folder(&dir)?;
    let name = user.map_or_else(|| id.to_string(), |user| format!("{id}.{user}"));
    let (draft, path) = (dir.join(format!("{name}.tmp")), dir.join(format!("{name}.eml")));
    let written =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(
            |mut file| {
                file.write_all(bytes)?;
                std::fs::rename(&draft, &path)
            },
        );
    let failed = |error| Error::unavailable(format!("mails cannot be written to {}", dir.display()), error);
    written.map_err(failed)?;
    Ok(path)
}

/// `false` when it was taken back before.
async fn forget(app: &App, id: MailId) -> Result<bool> {
    app.db
        .write(move |c| async move { Ok(q!(c => exec, "DELETE FROM mail_outbox WHERE id = $1", id)? == 1) }.boxed())
        .await
}
