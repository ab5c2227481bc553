//! What a rule is. No SQL, no I/O.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::{check_email, normalise_email},
    base::{error::FieldError, ids::RuleId, principal::Principal, text_enum::text_enum, time::Timestamp},
};

text_enum! {
    /// What a rule is about.
    pub enum RuleKind {
        /// Addresses of this domain and its subdomains are refused.
        BlockedDomain = "blocked_domain",
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx_macros::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What it is about.
    pub kind: RuleKind,
    /// The domain, in its ASCII form.
    pub value: String,
    /// Who made it.
    pub created_by: Principal,
    /// When.
    pub created_at: Timestamp,
}

/// A new rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// What it is about.
    pub kind: RuleKind,
    /// The domain.
    pub value: String,
}

impl NewRule {
    /// Returns the rule with its value as it is compared.
    pub(crate) fn checked(&self) -> Result<Self, FieldError> {
        let address = format!("a@{}", self.value.trim().trim_start_matches('@'));
        let bad = |_| FieldError::new("/value", "must be a domain, such as example.org");
        let value = domain(&check_email(&address).map_err(bad)?);
        Ok(Self { kind: self.kind, value })
    }
}

/// Which rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct RuleFilter {
    /// Only of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub kind: Option<RuleKind>,
}

/// Returns the domain of an address, as it is compared.
fn domain(email: &str) -> String {
    normalise_email(email).rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default()
}

/// Returns the domain of an address and those that it is part of.
pub(super) fn domains(email: &str) -> Vec<String> {
    let domain = domain(email);
    let ends = std::iter::successors(Some(domain.as_str()), |rest| rest.split_once('.').map(|(_, end)| end));
    ends.filter(|end| end.contains('.')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_compared_in_one_form() {
        let checked = |value: &str| NewRule { kind: RuleKind::BlockedDomain, value: value.into() }.checked();
        for value in ["xn--mnchen-3ya.example", "MÜNCHEN.example", " @münchen.example "] {
            assert_eq!(checked(value).unwrap().value, "xn--mnchen-3ya.example");
        }
        for bad in ["", "example", "a b.example", "127.0.0.1", "x@example.org"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        assert_eq!(domains("Ada@a.B.example.org"), ["a.b.example.org", "b.example.org", "example.org"]);
    }
}
