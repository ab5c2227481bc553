//! Accounts as lists show them.

use serde::{Deserialize, Serialize};

use super::model::{Account, Status, mask_email, mask_name, mask_phone};
use crate::{
    base::{
        change::RestrictionReason, count::Count, ids::UserId, permission::Role, principal::Principal, time::Timestamp,
    },
    kyc::status::KycStatus,
};

/// Which users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct UserFilter {
    /// Beginnings of words of the name; a whole address (with `@`), a whole number (international, or as it is written in its
    /// country), or a whole id. With `users:reveal`, beginnings of addresses and numbers, the last digits of a number (at least 4), and
    /// `@` with the beginning of a domain as well. Searches for contact data are audited. Case and accents do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only of this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub role: Option<Role>,
    /// Only of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<Status>,
    /// Shows personal data in full; needs `users:reveal`, and is audited page by page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reveal: bool,
}

/// A user in a list. Name, address and number are masked unless they were revealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserSummary {
    /// The account.
    pub id: UserId,
    /// What it is.
    pub role: Role,
    /// What it may do at large.
    pub status: Status,
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
    /// Whether the address was confirmed.
    pub email_verified: bool,
    /// Number, E.164.
    pub phone: Option<String>,
    /// Where the identity check stands, as staff see it.
    pub kyc_status: KycStatus,
    /// When it signed up.
    pub created_at: Timestamp,
    /// Counts changes.
    pub version: i64,
}

impl UserSummary {
    /// Personal data in full.
    pub fn revealed(account: Account) -> Self {
        Self {
            id: account.id,
            role: account.role,
            status: account.status,
            name: account.name,
            email: account.email,
            email_verified: account.email_verified,
            phone: account.phone,
            kyc_status: account.kyc_status,
            created_at: account.created_at,
            version: account.version,
        }
    }
    /// Personal data masked. Colleagues know each other by name, as claims and records name them.
    pub fn masked(account: Account) -> Self {
        let named = account.status == Status::Deleted || account.role.is_staff();
        let mut user = Self::revealed(account);
        if !named {
            user.name = mask_name(&user.name);
        }
        user.email = mask_email(&user.email);
        user.phone = user.phone.as_deref().map(mask_phone);
        user
    }
}

/// The restriction that an account is under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restriction {
    /// Why.
    pub reason: RestrictionReason,
    /// Who.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// When it ends by itself; none for one that staff end.
    pub until: Option<Timestamp>,
}

/// How many users have a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusCount {
    /// The status.
    pub status: Status,
    /// How many.
    pub count: Count,
}
