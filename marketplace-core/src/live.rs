//! A user's own log: what concerns them, each once, in order, rendered as it is now. And the log's end, for a server that
//! hands out what comes to all who listen.

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

/// A piece of a user's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPage {
    /// Oldest first.
    pub items: Vec<UserEvent>,
    /// Where to go on.
    pub cursor: EventCursor,
    /// Whether to go on at once.
    pub more: bool,
    /// The cursor is older than what is kept, or none that this log gave out: events may be missing, so that the reader has
    /// to load anew what it shows. There are no items then, and `cursor` is where the log ends now.
    pub resync_required: bool,
}

/// What concerns a user, after a cursor; without one, nothing but where the log ends now.
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
    let found = messaging::delivered(&mut conn, user, cursor, limit).await?;
    // Afterwards: what was forgotten before the look shows here.
    let bounds = store::bounds(&mut conn).await?;
    if !bounds.hold(cursor) {
        return Ok(ended(bounds.end, true));
    }
    let last = found.last.unwrap_or(cursor);
    Ok(OwnPage { items: found.events, cursor: last, more: found.rows == limit, resync_required: false })
}

/// Where the log ends now.
pub async fn end(app: &App) -> Result<EventCursor> {
    let mut reader = app.db.read().await?;
    Ok(store::bounds(&mut reader.conn()).await?.end)
}

/// Up to `limit` events of anybody's after a cursor, oldest first; for servers, which hand them on to whom they concern.
/// Publishes first what was committed since.
pub async fn tail(app: &App, after: EventCursor, limit: i64) -> Result<Vec<Raw>> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    store::publish(&mut conn).await?;
    store::tail(&mut conn, after, limit).await
}

/// Whether nothing after a cursor is missing, and it is one of this log's; for servers, which follow it for long. Looks first
/// whether the database is still the one in which the log was written, and lets it begin anew if not.
pub async fn is_current(app: &App, cursor: EventCursor) -> Result<bool> {
    settle(app).await?;
    let mut reader = app.db.read().await?;
    Ok(store::bounds(&mut reader.conn()).await?.hold(cursor))
}

/// Renders events of [`tail`], in one statement, in order. Those of which nothing is left are left out.
pub async fn rendered(app: &App, events: &[EventCursor]) -> Result<Vec<UserEvent>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<i64> = events.iter().map(|cursor| cursor.seq).collect();
    let mut reader = app.db.read().await?;
    messaging::rendered(&mut reader.conn(), &seqs).await
}
