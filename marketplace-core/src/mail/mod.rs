//! Mails: recorded in the transaction that causes them, sent after it, each by itself. What waits is encrypted, as there may
//! be a token in it.
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
mod ops;
#[cfg(feature = "smtp")]
mod queue;
#[cfg(feature = "smtp")]
mod send;
#[cfg(feature = "smtp")]
mod smtp;
mod store;
mod template;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

#[cfg(feature = "smtp")]
pub(crate) use self::send::send_due;
pub(crate) use self::{model::Mail, store::enqueue};
pub(crate) use self::{
    ops::prune,
    store::{cancel, waiting},
};
pub use self::{
    ops::{list, retry},
    store::{Backlog, backlog},
    template::Template,
};
use crate::{
    app::App,
    config::Config,
    error::{Error, Result},
    ids::UserId,
    slots::Slots,
};

/// Mails that one program sends at the same time: one that is slow does not stop the others.
const TOGETHER: u32 = 8;
/// How long one try may take in all: connecting, the greeting, every reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// The mails of one program that are under way, and how many there are in all.
#[derive(Debug)]
pub(crate) struct Mailer {
    places: Arc<Semaphore>,
    stopping: AtomicBool,
    sent: AtomicU64,
    waiting: AtomicI64,
    failed: AtomicI64,
    folder: PathBuf,
    disk: Slots,
    #[cfg(feature = "smtp")]
    post: send::Post,
}

impl Mailer {
    /// As the configuration says. `invalid` for an `smtp_url` or a `mail_from` that nobody can send by.
    #[cfg_attr(not(feature = "smtp"), expect(clippy::unnecessary_wraps, reason = "as the one that sends"))]
    pub fn open(config: &Config) -> Result<Self> {
        Ok(Self {
            places: Arc::new(Semaphore::new(usize::try_from(TOGETHER).unwrap_or(1))),
            stopping: AtomicBool::default(),
            sent: AtomicU64::default(),
            waiting: AtomicI64::default(),
            failed: AtomicI64::default(),
            folder: config.mail_dir(),
            disk: Slots::new(4, PATIENCE, "the folder of mails does not answer"),
            #[cfg(feature = "smtp")]
            post: send::Post::open(config)?,
        })
    }

    /// Waits until no mail is under way. Returns how many were sent since the last call.
    pub async fn idle(&self) -> u64 {
        // Never closed.
        let all = self.places.acquire_many(TOGETHER).await;
        drop(all);
        self.sent.swap(0, Ordering::Relaxed)
    }
}

impl App {
    /// Lets the mails that are under way end, and begins no more.
    pub async fn finish_mails(&self) {
        self.mailer.stopping.store(true, Ordering::Relaxed);
        self.mailer.idle().await;
    }

    /// Returns how many mails waited and how many had failed a moment ago; each count stops at 10,000.
    pub fn mail_counts(&self) -> (i64, i64) {
        (self.mailer.waiting.load(Ordering::Relaxed), self.mailer.failed.load(Ordering::Relaxed))
    }
}

/// Deletes what was written to the folder of mails about an account. Returns how many.
pub(crate) async fn forget_written(app: &App, user: UserId) -> Result<u64> {
    let folder = app.mailer.folder.clone();
    // The folder's own fault, not that of something that comes back by itself: the others' mails go all the same.
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
