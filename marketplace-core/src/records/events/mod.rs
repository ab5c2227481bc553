//! The event log: what changed, in order, written inside the transaction that changed it. Readers resume by
//! cursor, so a lost notification loses nothing: the bus only says "look".

mod model;
pub(crate) mod store;

pub(crate) use model::EVERYBODY;
pub use model::{Event, EventCursor, EventKind, EventPage, Raw};

use std::time::Duration;

use futures::FutureExt;

use crate::{
    app::App,
    base::{
        error::{Error, Result},
        page::{Cursor, PageRequest},
        permission::Permission,
    },
    operation::Operation,
};

/// Records that something changed, inside the transaction that changed it.
pub use store::append;
pub(crate) use store::{New, record};

/// Returns events after a cursor, oldest first; without one, only the end of the log.
///
/// # Errors
/// `conflict` when the cursor is older than what is kept, or from before a restore: reload what is shown, and begin
/// without one.
pub async fn since(op: &Operation, after: Option<&str>, limit: u16) -> Result<EventPage> {
    op.actor().require(Permission::StatsRead)?;
    let limit = PageRequest::first(limit).checked_limit()?;
    let mut reader = op.db.read().await?;
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

/// Deletes events older than the retention, on PostgreSQL whole days of them, and records up to which: a reader whose cursor is older reloads the lists.
pub(crate) async fn prune(app: &App) -> Result<u64> {
    let before = app.now() - Duration::from_secs(u64::from(app.config.retention.event_days) * 86_400);
    let days = app.db.write(move |conn| async move { store::drop_days(conn, before).await }.boxed()).await?;
    Ok(days + app.db.prune_in_batches(move |conn| async move { store::prune(conn, before).await }.boxed()).await?)
}

#[cfg(test)]
mod tests;

/// Restarts the log when this is another database than the one in which it was written: one that was restored, copied,
/// or that took over from one that was lost and may have known more. Cursors from before are then too old to go on from.
pub(crate) async fn settle(app: &App) -> Result<()> {
    // In this order: what is restored meanwhile is seen by the second if it was by the first.
    let mut reader = app.db.read().await?;
    let known = store::place(&mut reader.conn()).await?;
    drop(reader);
    let place = app.db.place().await?;
    if known == place {
        return Ok(());
    }
    let now = app.now();
    let begun = app.db.write(move |conn| async move { store::begin_anew(conn, &place, now).await }.boxed()).await?;
    if begun && !known.is_empty() {
        tracing::warn!(
            "this is another database than the log of events was written in; whoever follows it begins anew"
        );
    }
    Ok(())
}
