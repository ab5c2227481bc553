//! Webhooks: the operator's own systems are told of what happens, by Standard Webhooks 1.0. What they are told is recorded in
//! the transaction that causes it, like mails, and sent after it.
//!
//! - What is about the same thing is sent in order: a later one waits until the earlier one is taken or given up. Different
//!   things do not wait for each other, and different endpoints never do.
//! - Everything is sent at least once. Before a program sends something it moves the time of its queue on, so that no other
//!   program sends it meanwhile; when it dies, another one goes on after that time.
//! - Bodies have ids and states, and nothing that a person wrote: there is nothing in them to erase.
//! - Recording asks the table of endpoints in the same transaction, so that no server goes by a copy that is out of date. That
//!   is one statement, and only for what webhooks can be told of: messages are not among it.
//!
//! | to read about | open |
//! |---|---|
//! | what there is to be told of, secrets, signatures, pauses | [`model`] |
//! | recording, and the SQL of endpoints | `store.rs` |
//! | whose turn it is | `queue.rs` |
//! | sending | `send.rs`, `platform/webhooks` |
//! | what staff do | [`crate::operations::webhooks`] |

#[cfg_attr(not(feature = "webhooks"), expect(dead_code, reason = "what sends uses it"))]
pub mod model;
#[cfg(feature = "webhooks")]
mod queue;
#[cfg(feature = "webhooks")]
mod send;
pub(crate) mod store;

use std::{
    fmt::Display,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt;
use serde_json::Value;

use self::model::WebhookKind;
#[cfg(feature = "webhooks")]
pub(crate) use self::send::send_due;
pub use crate::platform::webhooks::Backlog;
use crate::{
    app::App,
    base::{
        error::Result,
        ids::{DeliveryId, WebhookId},
        time::Timestamp,
    },
    operation::Operation,
    platform::db::Conn,
};

/// Records that something happened to `subject`, inside the transaction that causes it, to be sent at `not_before`.
pub(crate) async fn emit(
    op: &Operation,
    conn: &mut Conn<'_>,
    kind: WebhookKind,
    subject: impl Display,
    data: Value,
    not_before: Timestamp,
) -> Result<()> {
    let new =
        store::New { id: new_id(op), kind, subject: subject.to_string(), body: body(op, kind, &data), not_before };
    store::insert(conn, &new, op.now()).await
}

/// Removes the deliveries about `subject` that are not due yet.
pub(crate) async fn cancel(conn: &mut Conn<'_>, subject: impl Display, now: Timestamp) -> Result<()> {
    store::cancel(conn, &subject.to_string(), now).await
}

pub(crate) fn new_id(op: &Operation) -> DeliveryId {
    DeliveryId::new(op.now(), op.random.as_ref())
}

/// Returns what is sent.
pub(crate) fn body(op: &Operation, kind: WebhookKind, data: &Value) -> String {
    serde_json::json!({ "type": kind, "timestamp": op.now(), "data": data }).to_string()
}

/// Returns the context that a webhook's secrets are sealed for.
pub(crate) fn context(id: WebhookId) -> Vec<u8> {
    [b"webhook:".as_slice(), id.0.as_bytes()].concat()
}

/// Deletes what is older than the retention, a bounded number at a time.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let before = app.now() - Duration::from_secs(u64::from(app.config.retention.webhook_days) * 86_400);
    let done = app.db.prune_in_batches(move |conn| async move { store::prune(conn, before).await }.boxed()).await?;
    app.db.write(move |conn| async move { store::prune_queues(conn, before).await }.boxed()).await?;
    Ok(done)
}

impl App {
    /// Waits until what is being sent to webhooks is finished, and sends no more.
    pub async fn finish_webhooks(&self) {
        self.webhooks.stopping.store(true, Ordering::Relaxed);
        self.webhooks.idle().await;
    }

    /// Returns how much waits for webhooks, and how much failed, at the latest count, a moment ago.
    pub fn webhook_counts(&self) -> Backlog {
        self.webhooks.backlog.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Without the feature `webhooks` this program sends nothing: what was recorded waits for a server.
#[cfg(not(feature = "webhooks"))]
#[expect(clippy::unused_async, reason = "as the one that sends")]
pub(crate) async fn send_due(_app: &App) -> Result<u64> {
    Ok(0)
}

#[cfg(feature = "webhooks")]
#[cfg(test)]
mod tests;
