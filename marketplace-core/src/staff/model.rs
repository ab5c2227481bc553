//! Who is asking, and the dashboard's numbers.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::summary::StatusCount,
    actor::Actor,
    base::{
        count::Count,
        ids::TokenId,
        permission::{Permission, Role},
        principal::Principal,
        time::Timestamp,
    },
    jobs::model::JobCount,
};

/// As whom calls are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// As records name them.
    pub principal: Principal,
    /// As colleagues see them.
    pub name: String,
    /// Whose permissions apply.
    pub role: Role,
    /// All that they may do.
    pub permissions: Vec<Permission>,
    /// The token for scripts that was used, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// When the session ends unless it is used, or when the token ends; the local operator has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// Of an actor.
    pub fn of(actor: &Actor) -> Self {
        Self {
            principal: actor.principal(),
            name: actor.label(),
            role: actor.role(),
            permissions: Permission::ALL.iter().copied().filter(|permission| actor.may(*permission)).collect(),
            token_id: if let Actor::Token(token) = actor { Some(token.id) } else { None },
            expires_at: match actor {
                Actor::User(user) => Some(user.expires_at),
                Actor::Token(token) => Some(token.expires_at),
                Actor::Operator(_) | Actor::System => None,
            },
        }
    }
}

/// The dashboard's numbers. Counts stop at 10,000, so that they cost the same on any number of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// When they were taken.
    pub at: Timestamp,
    /// Attempts that wait, claimed ones among them.
    pub kyc_pending: Count,
    /// Attempts that somebody has claimed.
    pub kyc_in_review: Count,
    /// When the oldest of those that wait was submitted.
    pub kyc_oldest_at: Option<Timestamp>,
    /// Attempts decided in the last 24 hours.
    pub kyc_decided_24h: Count,
    /// Users of each status.
    pub users: Vec<StatusCount>,
    /// Accounts made in the last 24 hours.
    pub signups_24h: Count,
    /// Services that searches find.
    pub services_visible: Count,
    /// Jobs of each state.
    pub jobs: Vec<JobCount>,
    /// Messages of the last hour.
    pub messages_1h: Count,
    /// Reviews with flags that nobody has dismissed.
    pub reviews_flagged: Count,
    /// Reports and appeals that wait, by case, claimed ones among them and those that are put off not.
    pub reports_open: Count,
    /// Cases of reports that somebody has claimed.
    pub reports_in_review: Count,
    /// Since when the first of those that wait is in the queue.
    pub reports_oldest_at: Option<Timestamp>,
    /// Cases of reports, and appeals, decided in the last 24 hours.
    pub reports_decided_24h: Count,
    /// Mails that wait to be sent.
    pub mails_waiting: Count,
    /// The newest row of the audit log.
    pub audit_seq: i64,
}
