//! The event log: what changed, in order, written inside the transaction that changed it. Whoever follows it resumes by
//! cursor, so a lost notification loses nothing: the bus only says "look".

mod own;
mod store;

pub(crate) use own::settle;
pub use own::{OwnPage, Raw, end, is_current, own_since, rendered, tail};

use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use crate::{
    actor::{Actor, Permission},
    admin::EventPage,
    app::App,
    error::{Error, Result},
    page::{Cursor, PageRequest},
    time::Timestamp,
};

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Resume after this one with this text.
    pub cursor: String,
    /// When.
    pub at: Timestamp,
    /// What, such as `kyc.submitted`, `kyc.claimed`, `kyc.decided`, `user.changed`, `session.revoked`.
    pub kind: String,
    /// The id of what changed.
    pub target: String,
    /// The user whom it concerns, if any.
    pub user_id: Option<crate::ids::UserId>,
}

/// Where a reader of the log stands. PostgreSQL hands out sequence numbers before transactions commit, so the number of
/// the batch in which an event was published comes first there: see `store::publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The batch on PostgreSQL, 0 on SQLite.
    pub tx: i64,
    /// The row's number.
    pub seq: i64,
}

impl Cursor for EventCursor {
    fn text(&self) -> String {
        format!("{}.{}", self.tx, self.seq)
    }
    fn parse(text: &str) -> Option<Self> {
        let (tx, seq) = text.split_once('.')?;
        Some(Self { tx: tx.parse().ok()?, seq: seq.parse().ok()? })
    }
}

/// Records that something changed, inside the transaction that changed it.
pub(crate) use store::{New, append, record};

/// Events after a cursor, oldest first; without one, none but where the log ends now.
///
/// # Errors
/// `conflict` when the cursor is older than what is kept, or from before a restore: load anew what is shown, and begin
/// without one.
pub async fn since(app: &App, actor: &Actor, after: Option<&str>, limit: u16) -> Result<EventPage> {
    actor.require(Permission::StatsRead)?;
    let limit = PageRequest::first(limit).checked_limit()?;
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    store::publish(&mut conn).await?;
    let Some(after) = after else {
        return Ok(EventPage { items: Vec::new(), cursor: store::bounds(&mut conn).await?.end.text() });
    };
    let cursor =
        EventCursor::parse(after).ok_or_else(|| Error::invalid("/after", "is not a cursor that this list gave out"))?;
    let items = store::after(&mut conn, cursor, limit).await?;
    // Afterwards: what was forgotten before the look shows here.
    let bounds = store::bounds(&mut conn).await?;
    if !bounds.hold(cursor) {
        let current = serde_json::json!({ "cursor": bounds.end.text() });
        return Err(Error::conflict(
            "events after this cursor may be missing; load anew, and begin without one",
            current,
        ));
    }
    let cursor = items.last().map_or_else(|| after.to_owned(), |event| event.cursor.clone());
    Ok(EventPage { items, cursor })
}

/// Forgets events older than the retention, and notes up to where: a reader whose cursor is older starts anew from the lists.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let before = app.now() - Duration::from_secs(u64::from(app.config.retention.event_days) * 86_400);
    app.db.prune_in_batches(move |conn| async move { store::prune(conn, before).await }.boxed()).await
}

#[cfg(test)]
mod tests;
