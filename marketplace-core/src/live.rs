//! A user's own log: the events that concern them, each once, in order, rendered as their subject is now. And the end of
//! the whole log, for a server that dispatches new events to its listeners.

use crate::{
    app::App,
    base::{
        error::Result,
        ids::UserId,
        page::{Cursor, PageRequest},
    },
    messaging::{self, UserEvent},
    records::events::{EventCursor, Raw, settle, store},
};

/// A page of a user's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPage {
    /// Oldest first.
    pub items: Vec<UserEvent>,
    /// The cursor to continue from.
    pub cursor: EventCursor,
    /// Whether there may be more events already.
    pub more: bool,
    /// Whether the cursor is older than what is kept, or is no cursor of this log: events may be missing, so the reader has
    /// to reload what it shows. There are no items then, and `cursor` is the end of the log.
    pub resync_required: bool,
}

/// Returns the events that concern a user, after a cursor; without one, only the end of the log.
///
/// # Errors
/// `invalid` for a limit out of range.
pub async fn own_since(app: &App, user: UserId, after: Option<&str>, limit: u16) -> Result<OwnPage> {
    let limit = PageRequest::first(limit).checked_limit()?;
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let ended = |cursor, resync_required| OwnPage { items: Vec::new(), cursor, more: false, resync_required };
    store::publish(&mut conn).await?;
    let Some(after) = after else { return Ok(ended(store::bounds(&mut conn).await?.end, false)) };
    let Some(cursor) = EventCursor::parse(after) else {
        return Ok(ended(store::bounds(&mut conn).await?.end, true));
    };
    let found = messaging::delivered(app, &mut conn, user, cursor, limit).await?;
    // Afterwards: what was forgotten before the look shows here.
    let bounds = store::bounds(&mut conn).await?;
    if !bounds.hold(cursor) {
        return Ok(ended(bounds.end, true));
    }
    let last = found.last.unwrap_or(cursor);
    Ok(OwnPage { items: found.events, cursor: last, more: found.rows == limit, resync_required: false })
}

/// Returns the end of the log.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn end(app: &App) -> Result<EventCursor> {
    let mut reader = app.db.read().await?;
    Ok(store::bounds(&mut reader.conn()).await?.end)
}

/// Returns up to `limit` events after a cursor, oldest first, whomever they concern; for servers, which dispatch them.
/// Publishes first what was committed since.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn tail(app: &App, after: EventCursor, limit: i64) -> Result<Vec<Raw>> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    store::publish(&mut conn).await?;
    store::tail(&mut conn, after, limit).await
}

/// Returns whether a cursor is one of this log's, with nothing missing after it; for servers, which follow the log for a
/// long time. Checks first that the database is still the one in which the log was written, and restarts the log if not.
///
/// # Errors
/// `unavailable` when the database cannot be used.
pub async fn is_current(app: &App, cursor: EventCursor) -> Result<bool> {
    settle(app).await?;
    let mut reader = app.db.read().await?;
    Ok(store::bounds(&mut reader.conn()).await?.hold(cursor))
}

/// Renders events of [`tail`], in one statement, in order. Those whose subject no longer exists are left out.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn rendered(app: &App, events: &[EventCursor]) -> Result<Vec<UserEvent>> {
    let (Some(first), Some(last)) = (events.iter().min(), events.iter().max()) else { return Ok(Vec::new()) };
    let seqs: Vec<i64> = events.iter().map(|cursor| cursor.seq).collect();
    let mut reader = app.db.read().await?;
    messaging::rendered(app, &mut reader.conn(), &seqs, first.tx..=last.tx).await
}
