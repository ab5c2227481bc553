//! Delivery of mails: to a mail server, or into a folder.

mod message;
#[cfg(feature = "smtp")]
pub(crate) mod smtp;
mod texts;

#[cfg(feature = "smtp")]
pub(crate) use message::LaidOut;
pub(crate) use message::PATIENCE;
pub(crate) use texts::Texts;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;

#[cfg(feature = "smtp")]
use lettre::message::Mailbox;

#[cfg(feature = "smtp")]
use self::smtp::Relay;
use crate::{
    base::error::Result,
    platform::{config::Config, slots::Slots},
};

/// Number of mails that one program sends concurrently, so that a slow one does not delay the others.
pub(crate) const TOGETHER: u32 = 8;

/// The mails that one program is sending, with the numbers of sent, waiting and failed mails.
#[derive(Debug)]
pub(crate) struct Mailer {
    pub places: Arc<Semaphore>,
    pub stopping: AtomicBool,
    pub sent: AtomicU64,
    pub waiting: AtomicI64,
    pub failed: AtomicI64,
    /// When the oldest waiting one was queued, in microseconds; 0 for none.
    pub oldest: AtomicI64,
    pub folder: PathBuf,
    pub texts: Texts,
    pub disk: Slots,
    #[cfg(feature = "smtp")]
    pub post: Post,
}

impl Mailer {
    /// Creates a mailer from the configuration.
    ///
    /// # Errors
    /// Returns `invalid` for an `smtp_url`, a `mail_from` or `mail_texts` that cannot be used.
    pub fn open(config: &Config) -> Result<Self> {
        Ok(Self {
            places: Arc::new(Semaphore::new(usize::try_from(TOGETHER).unwrap_or(1))),
            stopping: AtomicBool::default(),
            sent: AtomicU64::default(),
            waiting: AtomicI64::default(),
            failed: AtomicI64::default(),
            oldest: AtomicI64::default(),
            folder: config.mail_dir(),
            texts: Texts::load(config.mail_texts.as_deref())?,
            disk: Slots::new(4, PATIENCE, "the folder of mails does not answer"),
            #[cfg(feature = "smtp")]
            post: Post::open(config)?,
        })
    }

    /// Waits until no mail is being sent. Returns how many were sent since the last call.
    pub async fn idle(&self) -> u64 {
        // The semaphore is never closed.
        let all = self.places.acquire_many(TOGETHER).await;
        drop(all);
        self.sent.swap(0, Ordering::Relaxed)
    }
}

/// The sender of mails, and how they are delivered.
#[cfg(feature = "smtp")]
#[derive(Debug)]
pub(crate) struct Post {
    pub from: Mailbox,
    /// The mail server. Without one, mails are written to a folder.
    pub relay: Option<Relay>,
    /// Whether the newest waiting mail is next, or the oldest.
    pub newest_next: AtomicBool,
    /// When mails were last counted, in microseconds.
    pub counted_at: AtomicI64,
}

#[cfg(feature = "smtp")]
impl Post {
    pub fn open(config: &Config) -> Result<Self> {
        let wrong = |_| {
            crate::base::error::Error::invalid(
                "/mail_from",
                "must be an address, such as Marketplace <no-reply@example.org>",
            )
        };
        let from = config.mail_from.parse().map_err(wrong)?;
        let relay = config.smtp_url.as_ref().map(|url| Relay::parse(url.expose())).transpose()?;
        Ok(Self { from, relay, newest_next: AtomicBool::default(), counted_at: AtomicI64::new(i64::MIN) })
    }
}
