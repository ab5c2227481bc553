//! Sessions, and the tokens that belong to them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::{ids::SessionId, language::Language, time::Timestamp};

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's own address, not a proxy's.
    pub ip: IpAddr,
    /// Its `User-Agent`; shown in the list of sessions, cut at 200 characters.
    pub user_agent: String,
    /// The language that it prefers, of those that there are.
    pub language: Option<Language>,
}

impl ClientInfo {
    /// Returns the part of the `User-Agent` that is stored.
    pub(crate) fn agent(&self) -> String {
        self.user_agent.chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

/// What a login gives.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// JWT, for the `Authorization: Bearer` header.
    pub access_token: String,
    /// Gives the next pair; used up by it, but for the 15 seconds in which it gives the same next refresh token again.
    pub refresh_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// One of one's own sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// The session.
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// What the client called itself.
    pub user_agent: String,
    /// Where the login came from.
    pub ip: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_used_at: Timestamp,
    /// When it ends unless used.
    pub expires_at: Timestamp,
}
