//! Mails: recorded in the transaction that causes them and sent after it, one at a time. Waiting mails are encrypted,
//! as they may contain a token.
//!
//! | to read about | open |
//! |---|---|
//! | which mails there are, what waits, what staff see of it | [`model`], `template.rs` |
//! | what they say | `layout.rs` |
//! | when they are tried, and how often | `send.rs`, `queue.rs` |
//! | the conversation with a mail server | `smtp.rs` |

#[cfg(feature = "smtp")]
mod layout;
pub mod model;
#[cfg(feature = "smtp")]
mod queue;
#[cfg(feature = "smtp")]
mod send;
pub(crate) mod store;
mod template;

use std::sync::atomic::Ordering;

pub(crate) use self::store::{cancel, postpone, waiting};
#[cfg(feature = "smtp")]
pub(crate) use self::{layout::check_texts, send::send_due};
pub(crate) use self::{model::Mail, store::enqueue};
pub use self::{
    store::{Backlog, backlog},
    template::Template,
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::UserId,
        time::Timestamp,
    },
};

impl App {
    /// Waits until the mails that are being sent are finished, and starts no more.
    pub async fn finish_mails(&self) {
        self.mailer.stopping.store(true, Ordering::Relaxed);
        self.mailer.idle().await;
    }

    /// Returns how many mails were waiting and how many had failed at the latest count, a moment ago; each count stops
    /// at 10,000.
    pub fn mail_counts(&self) -> (i64, i64) {
        (self.mailer.waiting.load(Ordering::Relaxed), self.mailer.failed.load(Ordering::Relaxed))
    }

    /// Returns when the oldest waiting mail was queued, as of the latest count.
    pub fn oldest_mail(&self) -> Option<Timestamp> {
        Some(self.mailer.oldest.load(Ordering::Relaxed)).filter(|micros| *micros > 0).map(Timestamp::from_micros)
    }
}

/// Deletes the files of mails about an account that were written to the folder. Returns how many.
pub(crate) async fn forget_written(app: &App, user: UserId) -> Result<u64> {
    let folder = app.mailer.folder.clone();
    // An `internal` error: the folder itself is at fault, not a component that recovers by itself, so the mails of other
    // users are deleted all the same.
    let cannot = |error: std::io::Error| Error::internal(format!("the folder of mails cannot be swept: {error}"));
    let sweep = move || {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(cannot)?,
        };
        let theirs = format!(".{user}.");
        let mut done = 0;
        for entry in entries {
            let entry = entry.map_err(cannot)?;
            if entry.file_name().to_string_lossy().contains(&theirs) {
                match std::fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
                    _ => done += 1,
                }
            }
        }
        Ok(done)
    };
    app.mailer.disk.run_blocking(sweep).await
}

/// Without the feature `smtp` this program sends nothing: mails wait for a server.
#[cfg(not(feature = "smtp"))]
#[expect(clippy::unused_async, reason = "as the one that sends")]
pub(crate) async fn send_due(_app: &App) -> Result<u64> {
    Ok(0)
}

#[cfg(test)]
mod tests;
