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
    /// Returns how a sentence names whoever it is: by a name, if that is known, with the last digits of the id, which tell two of one
    /// name apart.
    pub fn named(&self, name: Option<&str>) -> String {
        let with_id = |id: &str, other| {
            let digits = id.get(id.len().saturating_sub(8)..).unwrap_or(id);
            format!("{} (…{digits})", name.unwrap_or(other))
        };
        match self.0.split_once(':') {
            Some(("user", id)) => with_id(id, "a colleague"),
            Some(("token", id)) => with_id(id, "a token"),
            Some(("local", who)) => name.unwrap_or(who).to_owned(),
            _ => name.unwrap_or(&self.0).to_owned(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_people_by_their_names() {
        let named = |principal: &str, name| Principal(principal.to_owned()).named(name);
        let lea = "user:0199c6c1-d95d-70aa-b45a-0aebdafb9414";
        assert_eq!(named(lea, Some("Lea Roux")), "Lea Roux (…dafb9414)");
        assert_eq!(named(lea, None), "a colleague (…dafb9414)");
        assert_eq!(named("token:0199c6c1-d95d-70aa-b45a-0aebdafb9415", Some("Lea (ci)")), "Lea (ci) (…dafb9415)");
        assert_eq!(named("token:0199c6c1-d95d-70aa-b45a-0aebdafb9415", None), "a token (…dafb9415)");
        assert_eq!(
            (named("local:lea@host", None), named("local:lea@host", Some("lea"))),
            ("lea@host".into(), "lea".into())
        );
        assert_eq!(named("system", None), "system");
    }
}
