//! A user's own log: what concerns them, each once, in order, rendered as it is now. And the log's end, for a server that
//! hands out what comes to all who listen.

use futures::FutureExt;

use super::{EventCursor, store};
use crate::{
    app::App,
    auth,
    error::Result,
    ids::UserId,
    messaging::{self, UserEvent},
    page::{Cursor, PageRequest},
    time::Timestamp,
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

/// An event by what it is about, not yet rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its place.
    pub cursor: EventCursor,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The id of what it happened to.
    pub target: String,
    /// Whom it concerns.
    pub users: [Option<UserId>; 2],
}

impl Raw {
    /// Whether it is delivered to those whom it concerns.
    pub fn is_delivered(&self) -> bool {
        messaging::DELIVERED.contains(&self.kind.as_str())
    }
    /// Whether it may have ended somebody's login, or their right to be here.
    pub fn may_end_logins(&self) -> bool {
        matches!(self.kind.as_str(), "session.revoked" | "user.changed")
    }
    /// Whether it ended everybody's.
    pub fn ends_all_logins(&self) -> bool {
        self.kind == "session.revoked" && self.target == auth::EVERYBODY
    }
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

/// Lets the log begin anew when this is another database than the one in which it was written: one that was restored, copied,
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

/// Renders events of [`tail`], in one statement, in order. Those of which nothing is left are left out.
pub async fn rendered(app: &App, events: &[EventCursor]) -> Result<Vec<UserEvent>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<i64> = events.iter().map(|cursor| cursor.seq).collect();
    let mut reader = app.db.read().await?;
    messaging::rendered(&mut reader.conn(), &seqs).await
}
