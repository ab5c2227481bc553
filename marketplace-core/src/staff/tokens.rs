//! Tokens for scripts.

use serde::{Deserialize, Serialize};

use super::{input::PlainInput, operation::ListQuery};
use crate::{
    base::{
        change::{Change, Changed},
        ids::{TokenId, UserId},
        page::Page,
        permission::Permission,
    },
    tokens::{
        self,
        model::{ApiToken, CreatedToken, NewToken, TokenFilter},
    },
};

/// A token that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewTokenInput {
    /// What it is for; 1 to 100 characters.
    pub name: String,
    /// What it may do: permissions such as `kyc:read`, all of which its owner's role must give.
    pub scopes: Vec<Permission>,
    /// Seconds until it ends: 60 to 31,536,000 (365 days).
    #[cfg_attr(feature = "openapi", schema(minimum = 60, maximum = 31_536_000))]
    pub expires_in: u64,
    /// The active member of staff to whom it belongs; the caller unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<UserId>,
    /// What only staff see, at most 4,000 characters; kept with the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been, without a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Not for tokens: there is nothing yet that has a version.
    #[serde(skip)]
    pub if_version: Option<i64>,
}

bodies! {
    NewTokenInput: note dry_run if_version;
}

impl NewTokenInput {
    /// Returns a token that is wanted as a body.
    pub fn new(new: NewToken, change: Change) -> Self {
        let NewToken { name, scopes, expires_in, owner_id } = new;
        let Change { note, dry_run, if_version, .. } = change;
        Self { name, scopes, expires_in, owner_id, note, dry_run, if_version }
    }

    fn new_token(self) -> NewToken {
        NewToken { name: self.name, scopes: self.scopes, expires_in: self.expires_in, owner_id: self.owner_id }
    }
}

operations! { "admin tokens":
    /// Tokens for scripts, newest first; never their secrets.
    ListTokens = GET "/v1/admin/tokens" needs TokensRead,
    (op, (): (), list: ListQuery<TokenFilter>, (): ()) -> Page<ApiToken> as "A page" {
        tokens::list(op, &list.filter, &list.page).await
    }

    /// Make a token for scripts. Its secret is in this answer and never again.
    CreateToken = POST "/v1/admin/tokens" needs TokensWrite,
    (op, (): (), (): (), input: NewTokenInput) -> Changed<CreatedToken> as "Made"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been made (`dry_run`)");
        // It would be stored, and the secret with it.
        const KEEPS_RESPONSE: bool = false; } {
        tokens::create(op, &input.new_token()).await
    }

    /// End a token at once.
    RevokeToken = DELETE "/v1/admin/tokens/{id}" needs TokensWrite,
    (op, id: TokenId, (): (), _: PlainInput) -> Changed<ApiToken> as "The token, as it is now" {
        tokens::revoke(op, id).await
    }
}
