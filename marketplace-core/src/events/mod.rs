//! The event log: what changed, in order, written inside the transaction that changed it. Whoever follows it resumes by
//! cursor, so a lost notification loses nothing: the bus only says "look".

use serde::{Deserialize, Serialize};

use crate::{page::Cursor, time::Timestamp};

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
/// the transaction comes first there: a reader sees only what finished before every running transaction began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The transaction's number on PostgreSQL, 0 on SQLite.
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
