//! A person as staff see them.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::{
        model::Note,
        summary::{Restriction, UserSummary},
    },
    base::{ids::UserId, patch::Patch, time::Timestamp},
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

/// What staff put right. What is left out stays; `null` takes the number away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditUser {
    /// 1 to 100 characters.
    pub name: Patch<String>,
    /// The new address, which takes effect when it is confirmed.
    pub email: Patch<String>,
    /// E.164; an empty text takes the number away too.
    pub phone: Patch<String>,
}

/// How a user's sessions are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct SessionFilter {
    /// Shows IP addresses in full; needs `users:reveal`, and is audited.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reveal: bool,
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
