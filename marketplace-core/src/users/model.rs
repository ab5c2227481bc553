//! A person as staff see them.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::{
        model::Note,
        summary::{Restriction, UserSummary},
    },
    base::{ids::UserId, time::Timestamp},
    kyc::model::AttemptBrief,
};

/// A user, with what staff need to decide what to do. Masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserDetail {
    /// The row of the list.
    pub user: UserSummary,
    /// What restricts it, if anything does.
    pub restriction: Option<Restriction>,
    /// Sessions that are alive.
    pub sessions: i64,
    /// When it was last used.
    pub last_seen_at: Option<Timestamp>,
    /// Identity checks, newest first, 20 at most.
    pub kyc: Vec<AttemptBrief>,
    /// Staff notes, newest first, 20 at most.
    pub notes: Vec<Note>,
}

/// Personal data in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonalData {
    /// Whose.
    pub id: UserId,
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
    /// Number, E.164.
    pub phone: Option<String>,
}

/// What an end of everybody's sessions ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndedSessions {
    /// Sessions that lived.
    pub sessions: u64,
    /// Tokens for scripts that worked.
    pub tokens: u64,
}
