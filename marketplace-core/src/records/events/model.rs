//! Events, and where a reader of the log stands.

use serde::{Deserialize, Serialize};

use crate::base::{ids::UserId, page::Cursor, time::Timestamp};

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
    pub user_id: Option<UserId>,
}

/// Events, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// Oldest first.
    pub items: Vec<Event>,
    /// Pass as `after` next time.
    pub cursor: String,
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

/// The target of the event that says that everybody's sessions ended.
pub(crate) const EVERYBODY: &str = "everybody";

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
        DELIVERED.contains(&self.kind.as_str())
    }
    /// Whether it may have ended somebody's login, or their right to be here.
    pub fn may_end_logins(&self) -> bool {
        matches!(self.kind.as_str(), "session.revoked" | "user.changed")
    }
    /// Whether it ended everybody's.
    pub fn ends_all_logins(&self) -> bool {
        self.kind == "session.revoked" && self.target == EVERYBODY
    }
}

/// The kinds of events that those whom they concern are told of.
pub(crate) const DELIVERED: [&str; 5] = ["message", "message.removed", "read", "thread", "job"];
