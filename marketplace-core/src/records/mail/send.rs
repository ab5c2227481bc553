//! Sending: by SMTP when configured, otherwise into files that any mail program opens. Each mail is sent
//! independently, a few at a time; the result of one does not affect the others.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    layout,
    model::Mail,
    queue,
    store::{self, Waiting},
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{MailId, UserId},
        text,
        time::Timestamp,
    },
    platform::{
        folders::make_private_folder,
        health::Component,
        mailer::{LaidOut, TOGETHER, smtp::Failure},
    },
    timers::Timer,
};

/// Time between two counts of the mails, in microseconds.
const COUNT_EVERY: i64 = 5_000_000;

/// Starts tasks that send due mails, as far as there are places. Each goes on until nothing is due any more.
pub(crate) async fn send_due(app: &App) -> Result<u64> {
    let now = app.now();
    count(app, now).await?;
    let mut reader = app.db.read().await?;
    let due = queue::due(&mut reader.conn(), now, TOGETHER).await?;
    drop(reader);
    for _ in 0..due {
        let Ok(place) = Arc::clone(&app.mailer.places).try_acquire_owned() else { break };
        tokio::spawn(send_while_due(app.clone(), place));
    }
    // Each task counts a mail when it has sent it.
    Ok(0)
}

/// Counts waiting and failed mails, at most once every [`COUNT_EVERY`].
async fn count(app: &App, now: Timestamp) -> Result<()> {
    let mailer = &app.mailer;
    if now.micros().saturating_sub(mailer.post.counted_at.load(Ordering::Relaxed)) >= COUNT_EVERY {
        let counted = store::backlog(&app.db).await?;
        mailer.waiting.store(counted.waiting, Ordering::Relaxed);
        mailer.failed.store(counted.failed, Ordering::Relaxed);
        mailer.oldest.store(counted.oldest_at.map_or(0, Timestamp::micros), Ordering::Relaxed);
        mailer.post.counted_at.store(now.micros(), Ordering::Relaxed);
    }
    Ok(())
}

async fn send_while_due(app: App, _place: OwnedSemaphorePermit) {
    while !app.mailer.stopping.load(Ordering::Relaxed) {
        // Mails are claimed from both ends in turn: many that hang delay neither those before nor those after them.
        let newest = app.mailer.post.newest_next.fetch_xor(true, Ordering::Relaxed);
        let done = match queue::take(&app, newest).await {
            Ok(Some(waiting)) => {
                let trying = AssertUnwindSafe(send_one(&app, waiting)).catch_unwind().await;
                trying.unwrap_or_else(|_| Err(Error::internal("sending a mail panicked")))
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // The database is usually away: the next round reports it, and starts again.
            app.timers.count_failure(Timer::Mail, format!("{error:?}"), app.now());
            return;
        }
    }
}

/// Tries one mail, and records the result.
async fn send_one(app: &App, waiting: Waiting) -> Result<()> {
    let id = waiting.id;
    // A mail that cannot be laid out, whatever is in it, is itself at fault.
    let laid_out = catch_unwind(AssertUnwindSafe(|| lay_out(app, &waiting)))
        .unwrap_or_else(|_| Err(Error::internal("laying it out panicked")))
        .map_err(|error| Failure::Final(format!("it cannot be laid out: {}", inside(&error))));
    let (is_tried, recoveries) = (laid_out.is_ok(), app.health.recoveries(Component::Mail));
    let outcome = match (laid_out, &app.mailer.post.relay) {
        (Err(failure), _) => Err(failure),
        (Ok((message, _)), Some(relay)) => relay.send(&message).await.map(|()| None),
        (Ok((message, user)), None) => write(app, id, user, message).await.map(Some),
    };
    match &outcome {
        Err(Failure::Away(reason)) => app.health.failed_since(Component::Mail, recoveries, fit_to_keep(reason)),
        // Whatever the server says about this mail, it responds.
        _ if is_tried => app.health.succeeded(Component::Mail),
        _ => {}
    }
    match outcome {
        Ok(written) => {
            // The mail was cancelled meanwhile: a mail cancelled before it was sent must not stay.
            if !queue::sent(app, id).await?
                && let Some(path) = written
            {
                app.mailer.disk.run_blocking(move || std::fs::remove_file(path).map_err(Error::internal)).await?;
            }
            app.mailer.sent.fetch_add(1, Ordering::Relaxed);
        }
        Err(failure) => {
            let (is_final, reason) = match failure {
                Failure::Final(reason) => (true, reason),
                Failure::Later(reason) | Failure::Away(reason) => (false, reason),
            };
            let reason = fit_to_keep(&reason);
            app.timers.count_failure(Timer::Mail, reason.clone(), app.now());
            if queue::not_sent(app, id, reason.clone(), is_final).await? {
                tracing::warn!(mail = %id, attempts = waiting.attempts, reason, "a mail is given up");
            } else {
                tracing::debug!(mail = %id, attempts = waiting.attempts, reason, "a mail was not sent; it is tried again");
            }
        }
    }
    Ok(())
}

fn lay_out(app: &App, waiting: &Waiting) -> Result<(LaidOut, Option<UserId>)> {
    let mail: Mail = waiting.open(app)?;
    let laid_out = layout::lay_out(app, &mail, waiting.id, waiting.created_at)?;
    Ok((laid_out, mail.user))
}

fn inside(error: &Error) -> String {
    error.internal_text().unwrap_or_else(|| error.detail().to_owned())
}

/// Removes the recipient's address, which is stored only encrypted, from the text of a mail server, which often
/// contains it.
fn fit_to_keep(reason: &str) -> String {
    let without: Vec<&str> =
        reason.split_whitespace().map(|word| if word.contains('@') { "<address>" } else { word }).collect();
    text::clean_line(&without.join(" "), 300).unwrap_or_default()
}

/// Writes a mail to a file, named by its id and the id of the user whom it is about, as a whole or not at all.
async fn write(app: &App, id: MailId, user: Option<UserId>, message: LaidOut) -> Result<PathBuf, Failure> {
    let folder = app.mailer.folder.clone();
    let name = user.map_or_else(|| id.to_string(), |user| format!("{id}.{user}"));
    let written = app.mailer.disk.run_blocking(move || write_to(&folder, &name, &message.bytes)).await;
    written.map_err(|error| Failure::Away(inside(&error)))
}

fn write_to(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    make_private_folder(folder)?;
    let (draft, path) = (folder.join(format!("{name}.tmp")), folder.join(format!("{name}.eml")));
    let written =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(
            |mut file| {
                file.write_all(bytes)?;
                std::fs::rename(&draft, &path)
            },
        );
    let failed = |error| Error::unavailable(format!("mails cannot be written to {}", folder.display()), error);
    written.map_err(failed)?;
    Ok(path)
}
