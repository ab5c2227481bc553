//! Notifications: what concerns a person, written in the transaction that causes it. A person reads them in a list; due work
//! makes mails of them, each once, unless the person has switched that kind off or has read it meanwhile.
//!
//! A notification of the future, such as the reminder that a negotiation lapses, is written with its cause and removed with it.
//! Of unread messages there is one notification for each thread (written by `messaging::store`): its mail waits for ten minutes.
//!
//! Each notification is an event of its recipient's, so that their sockets receive it. One of the future is announced by due work
//! when its time has come.
//!
//! | to read about | open |
//! |---|---|
//! | the kinds, and which of them are mailed | [`model`] |
//! | how one is written | `tell`, `cancel` |
//! | the list, the settings, switching off without a login | `ops.rs` |
//! | making mails, and announcing what has become due | `due.rs` |

mod due;
pub mod model;
mod ops;
mod store;

pub(crate) use due::{prune, run_due};
pub(crate) use ops::{delivered, present, speak};
pub use ops::{list, mark_read, settings, unread, unsubscribe, update_settings};
pub(crate) use store::{Row, done, erase, read_thread, told};

use crate::{
    base::{
        error::Result,
        ids::{NotificationId, UserId},
        time::Timestamp,
    },
    operation::Operation,
    platform::{config::Config, db::Conn},
    records::events::{self, EventKind},
};
use model::{NotificationKind, Place};

/// Writes what concerns a user, to be shown, delivered to their sockets and mailed at a time, now or later.
pub(crate) async fn tell(
    op: &Operation,
    conn: &mut Conn<'_>,
    user: UserId,
    kind: NotificationKind,
    target: impl std::fmt::Display,
    at: Timestamp,
) -> Result<()> {
    let id = NotificationId::new(at, op.random.as_ref());
    let mail_at = kind.is_mailed_here().then_some(at + kind.mail_waits());
    let announce_at = (at > op.now()).then_some(at);
    store::insert(conn, user, id, kind, &target.to_string(), at, (mail_at, announce_at)).await?;
    if announce_at.is_none() {
        announce(op, conn, user, id).await?;
    }
    Ok(())
}

/// Appends the event that a user was notified.
async fn announce(op: &Operation, conn: &mut Conn<'_>, user: UserId, id: NotificationId) -> Result<()> {
    events::append(op, conn, EventKind::Notification, &id.to_string(), Some(user)).await
}

/// Returns the address of the page that a notification leads to.
fn link(config: &Config, kind: NotificationKind, target: &str) -> String {
    let links = &config.links;
    let (pattern, page) = match kind.place() {
        Place::Thread => (&links.thread, "threads/{id}"),
        Place::Job => (&links.job, "jobs/{id}"),
        Place::Review => (&links.review, "reviews/{id}"),
        Place::Kyc => (&links.kyc, "kyc"),
        Place::Account => (&links.account, "account"),
    };
    pattern.clone().unwrap_or_else(|| format!("{}/{page}", config.issuer())).replace("{id}", target)
}

/// Removes a user's notifications about something whose time has not come.
pub(crate) async fn cancel(
    conn: &mut Conn<'_>,
    user: UserId,
    target: impl std::fmt::Display,
    now: Timestamp,
) -> Result<()> {
    store::cancel(conn, user, &target.to_string(), now).await
}

#[cfg(test)]
mod tests;
