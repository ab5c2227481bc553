//! How records identify who did something.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::ids::{TokenId, UserId};

/// Who did something, in records: `user:<id>`, `token:<id>`, `local:<os user>@<host>` or `system`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx_macros::Type)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Principal(pub String);

impl Principal {
    /// Returns the principal of the program itself.
    pub fn system() -> Self {
        Self("system".into())
    }
    /// Returns the principal of an account.
    pub fn user(id: UserId) -> Self {
        Self(format!("user:{id}"))
    }
    /// Returns the principal of a token for scripts.
    pub fn token(id: TokenId) -> Self {
        Self(format!("token:{id}"))
    }
    /// Returns the account's id, if the principal is an account.
    pub fn user_id(&self) -> Option<UserId> {
        self.0.strip_prefix("user:")?.parse().ok()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
