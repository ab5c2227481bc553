//! Sending: by SMTP when configured, else into files that any mail program opens.

use std::{io::Write, os::unix::fs::OpenOptionsExt, time::Duration};

use futures::FutureExt;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
};

use super::{Mail, Waiting, layout, take_due};
use crate::{
    app::{App, make_private_folder},
    error::{Error, Result},
    ids::MailId,
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
            Ok(()) => {
                forget(app, id).await?;
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

async fn send_one(app: &App, id: MailId, sealed: &[u8]) -> Result<()> {
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
            sent.map(drop).map_err(|error| Error::unavailable("the mail server does not take the mail", error))
        }
        None => write(app, id, &message.formatted()),
    }
}

fn message(app: &App, mail: &Mail) -> Result<Message> {
    let rendered = layout::render(mail)?;
    let from: Mailbox = app.config.mail_from.parse().map_err(Error::internal)?;
    let to = Mailbox::new(Some(mail.name.clone()), mail.to.parse().map_err(Error::internal)?);
    Message::builder()
        .from(from)
        .to(to)
        .subject(rendered.subject)
        .multipart(MultiPart::alternative_plain_html(rendered.plain, rendered.html))
        .map_err(Error::internal)
}

/// Under its id, whole or not at all.
fn write(app: &App, id: MailId, bytes: &[u8]) -> Result<()> {
    let dir = app.config.mail_dir();
    make_private_folder(&dir)?;
    let draft = dir.join(format!("{id}.tmp"));
    let written =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(
            |mut file| {
                file.write_all(bytes)?;
                std::fs::rename(&draft, dir.join(format!("{id}.eml")))
            },
        );
    written.map_err(|error| Error::unavailable(format!("mails cannot be written to {}", dir.display()), error))
}

async fn forget(app: &App, id: MailId) -> Result<()> {
    app.db
        .write(move |c| {
            async move {
                q!(c => exec, "DELETE FROM mail_outbox WHERE id = $1", id)?;
                Ok(())
            }
            .boxed()
        })
        .await
}
