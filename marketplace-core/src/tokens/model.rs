//! What tokens for scripts are.

use serde::{Deserialize, Serialize};

use crate::base::{
    ids::{TokenId, UserId},
    permission::Permission,
    principal::Principal,
    text_enum::text_enum,
    time::Timestamp,
};

/// How every token begins, so that it is known for one: in logs, in a repository, to a scanner of secrets.
pub const PREFIX: &str = "mkt_";
/// The shortest life of a token, in seconds: a minute.
pub const SHORTEST: u64 = 60;
/// The longest life of a token, in seconds: 365 days.
pub const LONGEST: u64 = 365 * 86_400;

text_enum! {
    /// Whether a token still works, as far as it itself goes; its owner's account must be active as well.
    pub enum TokenStatus {
        /// It does.
        Active = "active",
        /// Its time has come.
        Expired = "expired",
        /// Somebody ended it, or something that ends all of its owner's tokens.
        Revoked = "revoked",
    }
}

/// A token that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for; 1 to 100 characters.
    pub name: String,
    /// What it may do: permissions such as `kyc:read`, all of which its owner's role must give.
    pub scopes: Vec<Permission>,
    /// Seconds until it ends: a minute to 365 days.
    pub expires_in: u64,
    /// The active member of staff to whom it belongs; the caller unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<UserId>,
}

/// A token for scripts, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiToken {
    /// The token; its calls are recorded as `token:<id>`.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub owner_id: UserId,
    /// Whether it still works.
    pub status: TokenStatus,
    /// What it may do, if its owner still may.
    pub scopes: Vec<Permission>,
    /// Who made it.
    pub created_by: Principal,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to about ten minutes.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Who revoked it.
    pub revoked_by: Option<Principal>,
}

/// A new token, with its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token.
    pub token: ApiToken,
    /// For the header `Authorization: Bearer`. Shown this once; none on a dry run.
    pub secret: Option<String>,
}

impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Which tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct TokenFilter {
    /// Only this owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<UserId>,
}

/// As the database has them: names with blanks between.
pub(super) fn scopes_text(scopes: &[Permission]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Back from [`scopes_text`]. A name that this program does not know allows nothing.
pub(super) fn parse_scopes(text: &str) -> Vec<Permission> {
    text.split(' ').filter_map(|name| name.parse().ok()).filter(|scope: &Permission| scope.is_scope()).collect()
}
