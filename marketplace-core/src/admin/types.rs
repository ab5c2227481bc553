//! The types that cross [`super::AdminApi`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    accounts::model::{Account, IdentityProof, Note, RestrictionReason, Status, mask_email, mask_name, mask_phone},
    actor::{Actor, Permission, Principal, Role},
    error::{Error, FieldError, Result},
    ids::{TokenId, UserId},
    jobs::model::JobStatus,
    kyc::model::{AttemptBrief, DocumentType, KycStatus},
    text::{MAX_NOTE, check_text},
    time::Timestamp,
};

/// How a change is asked for. All of it is optional, but restrictions need a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Why, as a code; goes to the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RestrictionReason>,
    /// How it was made sure who asks. Needed to remove somebody's second factor; goes to the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<IdentityProof>,
    /// Free text that only staff see, at most 4,000 characters; kept with the subject and erased with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Goes through everything and changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses with `precondition_failed` unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl Change {
    /// The note, checked; none when there is nothing in it.
    pub(crate) fn checked_note(&self) -> std::result::Result<Option<String>, FieldError> {
        let note = self.note.as_deref().filter(|note| !note.trim().is_empty());
        note.map(|note| check_text("/note", note, 1, MAX_NOTE)).transpose()
    }
}

/// What a change led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changed<T> {
    /// False when the subject already was as asked: repeating a change is harmless.
    pub changed: bool,
    /// The subject, as it is now.
    pub item: T,
}

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

/// A count that stops counting: `capped` means "at least this many".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Count {
    /// Rows, up to 10,000.
    pub value: i64,
    /// Whether there are more.
    pub capped: bool,
}

impl Count {
    /// Where counting stops: an index scan of so many rows takes about a millisecond.
    pub const CAP: i64 = 10_000;
    /// From a count that was limited to `CAP + 1` rows.
    pub fn bounded(rows: i64) -> Self {
        Self { value: rows.min(Self::CAP), capped: rows > Self::CAP }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.capped { write!(f, "{}+", self.value) } else { write!(f, "{}", self.value) }
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
    /// Mails that wait to be sent.
    pub mails_waiting: Count,
    /// The newest row of the audit log.
    pub audit_seq: i64,
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

/// How many jobs have a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobCount {
    /// The state.
    pub status: JobStatus,
    /// How many.
    pub count: Count,
}

/// Which attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct KycFilter {
    /// Only in this state; without one, all that wait for a decision (`pending` and `in_review`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<KycStatus>,
    /// Only of this kind of document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub document_type: Option<DocumentType>,
    /// Only of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// Which users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct UserFilter {
    /// Beginnings of words of the name; a whole address (with `@`), a whole number (with `+`), or a whole id. With
    /// `users:reveal`, beginnings of addresses and numbers as well, and then the search is audited. Case and accents do not count.
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
    /// Personal data masked.
    pub fn masked(account: Account) -> Self {
        let deleted = account.status == Status::Deleted;
        let mut user = Self::revealed(account);
        if !deleted {
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
}

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

/// Which rows of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct AuditFilter {
    /// Only by this principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>))]
    pub actor: Option<Principal>,
    /// Only this action, such as `users.ban`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only about this user, attempt, job, thread, message or review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRow {
    /// 1 for the first; without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Principal,
    /// What, such as `kyc.approve`.
    pub action: String,
    /// `user`, `token`, `key`, `attempt`, `job`, `thread`, `message`, `review` or `database`.
    pub target_kind: String,
    /// The id of the target.
    pub target: String,
    /// Why, as a code.
    pub reason: Option<String>,
    /// An object of ids, codes and numbers, never personal text.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: serde_json::Value,
    /// HMAC-SHA-256 of this row and the previous row's tag, under a key that is not in the database; hexadecimal. Rows from
    /// before there was a key have a plain SHA-256 of the same.
    pub tag: String,
}

/// What the audit log ends with: the newest row's number and tag, written `sequence:tag`. Kept elsewhere, it tells later
/// whether the log still has that row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// The newest row; 0 when there is none.
    pub seq: i64,
    /// Its tag; zeros when there is none.
    pub tag: String,
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.tag)
    }
}

impl FromStr for AuditHead {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.trim().split_once(':').and_then(|(seq, tag)| Some((seq.parse().ok()?, tag)));
        match parts {
            Some((seq, tag)) if seq >= 0 && tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Self { seq, tag: tag.to_ascii_lowercase() })
            }
            _ => Err(Error::invalid("/expect", "must be what `audit verify` printed as the head: sequence:tag")),
        }
    }
}

impl Serialize for AuditHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditVerification {
    /// Rows that were checked.
    pub checked: i64,
    /// Where to go on; none at the end of the log.
    pub next: Option<i64>,
    /// At the end of a whole log, what it ends with, as `sequence:tag`. Keep it apart from the database: with it, a later
    /// walk tells whether the log was cut off or rebuilt.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub head: Option<AuditHead>,
    /// The first row that is edited or missing, and how it shows.
    pub broken: Option<BrokenLink>,
}

/// Where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BrokenLink {
    /// The row.
    pub seq: i64,
    /// What is wrong with it.
    pub detail: String,
}
