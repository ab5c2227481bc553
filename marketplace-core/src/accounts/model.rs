//! Accounts: roles' statuses, what each forbids, and the rules of names, addresses and passwords. No SQL, no I/O.

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

pub use super::contact::{EMAIL_LIMIT, check_email, check_phone, deliverable_email, normalise_email};
use crate::{
    base::{
        error::{Error, FieldError, Result},
        ids::{NoteId, UserId},
        language::Language,
        permission::{Role, TraderRole},
        principal::Principal,
        text_enum::text_enum,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    platform::db::json,
};

text_enum! {
    /// What an account may do at large; apart from whether its address is verified.
    pub enum Status {
        /// The address was never confirmed.
        Unverified = "unverified",
        /// All is well.
        Active = "active",
        /// May log in and finish what is under way; nothing new.
        Frozen = "frozen",
        /// May not log in.
        Banned = "banned",
        /// Gone for good; only an anonymous row is left.
        Deleted = "deleted",
    }
}

impl Status {
    /// Whether a password or a refresh token of such an account gives a session.
    pub fn may_log_in(self) -> bool {
        matches!(self, Self::Unverified | Self::Active | Self::Frozen)
    }
    /// The status of an account from which every restriction is lifted.
    pub fn unrestricted(email_verified: bool) -> Self {
        if email_verified { Self::Active } else { Self::Unverified }
    }
}

/// An account as the operations see it. As JSON only within a row that a database made (`account_columns!`).
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// What it is.
    pub role: Role,
    /// What it may do at large.
    pub status: Status,
    /// Address as typed; empty when deleted.
    pub email: String,
    /// Whether that address was confirmed.
    #[serde(deserialize_with = "json::flag")]
    pub email_verified: bool,
    /// Display name.
    pub name: String,
    /// E.164.
    pub phone: Option<String>,
    /// Where the identity check stands, as staff see it.
    pub kyc_status: KycStatus,
    /// Where it stood before the latest decision.
    pub kyc_prior: KycStatus,
    /// When the latest decision takes effect for everybody else.
    #[serde(deserialize_with = "json::opt_micros")]
    pub kyc_effective_at: Option<Timestamp>,
    /// When an approval ends.
    #[serde(deserialize_with = "json::opt_micros")]
    pub kyc_expires_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
    /// When it signed up.
    #[serde(deserialize_with = "json::micros")]
    pub created_at: Timestamp,
}

impl Account {
    /// The identity check as the subject and the public see it: a decision shows once it can no longer be undone.
    pub fn visible_kyc(&self, now: Timestamp) -> KycStatus {
        match self.kyc_effective_at {
            Some(at) if now < at => self.kyc_prior,
            _ if self.kyc_status == KycStatus::Approved && self.kyc_expires_at.is_some_and(|end| end <= now) => {
                KycStatus::Expired
            }
            _ => self.kyc_status,
        }
    }
}

/// What an admin or support person can do to a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum UserAction {
    /// No new work; a reason is needed.
    Freeze,
    /// Back to what the account was.
    Unfreeze,
    /// No log-in; sessions end; a reason is needed.
    Ban,
    /// Back to what the account was.
    Unban,
    /// Erases personal data for good; a reason is needed.
    Delete,
    /// Changes the role.
    SetRole {
        /// The new role.
        role: Role,
    },
    /// Ends every session, and every token for scripts.
    RevokeSessions,
    /// Removes the second factor of somebody who lost it.
    ResetTotp,
}

impl UserAction {
    /// Its name in the audit log, in routes and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Delete => "delete",
            Self::SetRole { .. } => "role",
            Self::RevokeSessions => "revoke-sessions",
            Self::ResetTotp => "reset-totp",
        }
    }
    /// Restrictions commit with a reason code.
    pub fn needs_reason(&self) -> bool {
        matches!(self, Self::Freeze | Self::Ban | Self::Delete)
    }
}

/// A new account, by its future owner.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// What it shall be; staff are made by staff.
    pub role: TraderRole,
    /// Where mail reaches them.
    #[cfg_attr(feature = "openapi", schema(max_length = 254))]
    pub email: String,
    /// 8 to 128 characters.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 8, max_length = 128))]
    pub password: Password,
    /// 1 to 100 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100))]
    pub name: String,
    /// E.164, `+442071838750`. It becomes the account's when the address is confirmed, unless it is another account's by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Language of mails and notifications; without it, the first one of `Accept-Language` that there is, or English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

/// A new account, made by an admin. Its owner sets the password through the mail that it sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Any role.
    pub role: Role,
    /// Where mail reaches them.
    pub email: String,
    /// 1 to 100 characters.
    pub name: String,
    /// E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// A staff note on a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx_macros::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// Who wrote it.
    pub author: Principal,
    /// 1 to 4,000 characters.
    pub body: String,
    /// When.
    pub created_at: Timestamp,
}

/// A password on its way to being hashed; never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Bytes above which no text can be anybody's password: 128 characters, however they are composed.
    pub const LIMIT: usize = 4_096;

    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text as it was sent.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// The text as it is compared: blanks of any script as U+0020, and in NFC (RFC 8265 §4.2, `OpaqueString`). Keyboards and
    /// systems differ in how they compose what looks the same.
    pub fn prepared(&self) -> String {
        let is_blank =
            |c| matches!(c, '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}');
        self.0.chars().map(|c| if is_blank(c) { ' ' } else { c }).nfc().collect()
    }
    /// Checks a password that is about to be set: length in characters, not common, not the address, and not only words of this
    /// place, which is reached at `site`.
    ///
    /// 8 to 128 characters, any Unicode, no composition rules: NIST SP 800-63B §3.1.1.2, OWASP ASVS 5 §6.2.
    pub fn check(&self, email: &str, site: &str) -> Result<(), FieldError> {
        let wrong = |detail: &str| Err(FieldError { pointer: "/password".into(), detail: detail.into() });
        let prepared = self.prepared();
        let length = prepared.chars().count();
        if !(8..=128).contains(&length) {
            return wrong("must have 8 to 128 characters");
        }
        let lower = prepared.to_lowercase();
        let local = email.split('@').next().unwrap_or(email);
        if lower == email.trim().to_lowercase() || lower == local.to_lowercase() {
            return wrong("must not be the email address");
        }
        if super::common::is_common(&lower) {
            return wrong("is among the most common passwords; choose another");
        }
        if super::common::is_of_this_place(&lower, email, site) {
            return wrong("is made of words that anybody here would try; choose another");
        }
        Ok(())
    }
}
impl Serialize for Password {
    /// Clients send passwords; nothing else ever serialises one.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}
impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}
impl std::fmt::Debug for SignUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignUp").field("role", &self.role).finish_non_exhaustive()
    }
}

/// A word as search sees it: lower case, without accents.
pub fn fold(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// What a user can be found by, the address apart: the words of the name, and the number. At most 9.
pub fn search_terms(name: &str, phone: Option<&str>) -> Vec<String> {
    let mut terms: Vec<String> = fold(name)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(8)
        .map(str::to_owned)
        .collect();
    terms.extend(phone.map(str::to_owned));
    terms.retain(|term| !term.is_empty());
    terms.sort();
    terms.dedup();
    terms
}

/// `Ada Obi` → `Ada O•••`: enough to talk about somebody, not enough to find them.
pub fn mask_name(name: &str) -> String {
    let mut words = name.split_whitespace();
    let first = words.next().unwrap_or("");
    match words.next_back().and_then(|last| last.chars().next()) {
        Some(initial) => format!("{first} {initial}•••"),
        None => match first.chars().next() {
            Some(initial) => format!("{initial}•••"),
            None => String::new(),
        },
    }
}

/// `ada@example.org` → `a••@•••.org`.
pub fn mask_email(email: &str) -> String {
    let Some((local, domain)) = email.split_once('@') else { return String::new() };
    let initial = local.chars().next().unwrap_or('•');
    let ending = domain.rsplit('.').next().unwrap_or("");
    format!("{initial}••@•••.{ending}")
}

/// `+442071838750` → `+44•••50`.
pub fn mask_phone(phone: &str) -> String {
    let start: String = phone.chars().take(3).collect();
    let end: String = phone.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{start}•••{end}")
}

/// Gathers the errors of several fields, so that a caller sees them all at once.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    /// Keeps the value, or the error.
    pub fn take<T>(&mut self, checked: Result<T, FieldError>) -> Option<T> {
        checked.map_err(|error| self.0.push(error)).ok()
    }
    /// `Ok` when nothing was wrong.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid_fields(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let check = |text: &str| {
            Password::new(text).check("ada.obi@example.org", "basel.example").map_err(|error| error.detail)
        };
        assert!(check("correct horse battery").is_ok());
        assert!(check("пароль для Ады 🐴").is_ok());
        assert!(check(&"é".repeat(128)).is_ok());
        assert!(check(&"é".repeat(129)).is_err());
        assert!(check("short").is_err() && check("7 chars").is_err() && check("8 chars!").is_ok());
        // Whatever the mixture, and however it is composed: 64 letters with their marks apart are 64.
        assert!(check("ALL CAPS IT IS").is_ok() && check("tell no one of it").is_ok() && check("9 8 7 1 2 3").is_ok());
        assert!(check(&"e\u{301}".repeat(128)).is_ok());
        assert!(check("Password1").unwrap_err().contains("common"));
        assert!(check("ADA.OBI@example.org").unwrap_err().contains("address"));
        for guess in ["Marketplace#2026", "Basel-Admin-1", "AdaObi1985"] {
            assert!(check(guess).unwrap_err().contains("anybody here"), "{guess}");
        }
        assert_eq!(format!("{:?}", Password::new("hunter22")), "Password(…)");
    }

    #[test]
    fn masks_keep_little() {
        assert_eq!(mask_name("Ada Grace Obi"), "Ada O•••");
        assert_eq!(mask_name("Ada"), "A•••");
        assert_eq!(mask_email("ada@mail.example.org"), "a••@•••.org");
        assert_eq!(mask_phone("+442071838750"), "+44•••50");
    }

    #[test]
    fn search_sees_words_without_accents() {
        assert_eq!(search_terms("Núria O’Brien", Some("+44123")), ["+44123", "brien", "nuria", "o"]);
    }
}
