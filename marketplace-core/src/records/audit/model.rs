//! Rows of the audit log, and what a check of it finds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    base::{
        error::{Error, Result},
        principal::Principal,
        text_enum::{Name, text_enum},
        time::Timestamp,
    },
    records::target::TargetKind,
};

text_enum! {
    /// What the audit log says that was done.
    pub enum AuditAction {
        /// An attempt was claimed.
        KycClaim = "kyc.claim",
        /// A claim was given back.
        KycRelease = "kyc.release",
        /// An attempt was put behind the others, for one reviewer.
        KycSkip = "kyc.skip",
        /// An attempt was set aside until a time.
        KycSnooze = "kyc.snooze",
        /// An attempt was given to a colleague, or back to everybody.
        KycAssign = "kyc.assign",
        /// An attempt was given to the admins.
        KycEscalate = "kyc.escalate",
        /// A file was looked at.
        KycView = "kyc.view",
        /// An identity was approved.
        KycApprove = "kyc.approve",
        /// Another attempt was asked for.
        KycRetry = "kyc.retry",
        /// An identity was refused for good.
        KycReject = "kyc.reject",
        /// An approval was taken back.
        KycRevoke = "kyc.revoke",
        /// A decision was taken back.
        KycUndo = "kyc.undo",
        /// An approval expired.
        KycExpire = "kyc.expire",
        /// Files were deleted, as their time was over.
        KycFilesDeleted = "kyc.files_deleted",
        /// People were searched for by an address or a number.
        UsersSearch = "users.search",
        /// Personal data was looked at.
        UsersReveal = "users.reveal",
        /// All that is stored of a person was taken away.
        UsersExport = "users.export",
        /// An account was created.
        UsersCreate = "users.create",
        /// A note was written.
        UsersNote = "users.note",
        /// An account was frozen.
        UsersFreeze = "users.freeze",
        /// An account was unfrozen.
        UsersUnfreeze = "users.unfreeze",
        /// An account was banned.
        UsersBan = "users.ban",
        /// A ban was lifted.
        UsersUnban = "users.unban",
        /// A person was erased.
        UsersDelete = "users.delete",
        /// A role was changed.
        UsersRole = "users.role",
        /// Somebody's sessions were ended.
        UsersRevokeSessions = "users.revoke_sessions",
        /// A second factor was removed.
        UsersResetTotp = "users.reset_totp",
        /// A name, an address or a number was put right.
        UsersEdit = "users.edit",
        /// A person was warned.
        UsersWarn = "users.warn",
        /// The mail that confirms an address was sent again.
        UsersResendVerification = "users.resend_verification",
        /// A mail with which a password can be set was sent.
        UsersSendPasswordReset = "users.send_password_reset",
        /// Everybody's sessions were ended.
        AuthEndAllSessions = "auth.end_all_sessions",
        /// A new key signs access tokens.
        AuthRotateKeys = "auth.rotate_keys",
        /// A job was called off.
        JobsCancel = "jobs.cancel",
        /// A job was ended well.
        JobsFinalize = "jobs.finalize",
        /// A conversation was read.
        ThreadsRead = "threads.read",
        /// A file of a conversation was looked at.
        ThreadsView = "threads.view",
        /// A thread was closed.
        ThreadsClose = "threads.close",
        /// A thread was reopened.
        ThreadsReopen = "threads.reopen",
        /// A notice was posted.
        ThreadsNotice = "threads.notice",
        /// A message was removed.
        MessagesRemove = "messages.remove",
        /// A removed message shows again.
        MessagesRestore = "messages.restore",
        /// A service was closed by staff.
        ServicesClose = "services.close",
        /// A service that staff closed can be published again.
        ServicesReopen = "services.reopen",
        /// A photo of a service was removed.
        ServicesRemovePhoto = "services.remove_photo",
        /// A photo that was removed is one of its service's again.
        ServicesRestorePhoto = "services.restore_photo",
        /// A review's flags were dismissed.
        ReviewsDismiss = "reviews.dismiss",
        /// A review was removed.
        ReviewsRemove = "reviews.remove",
        /// A review was restored.
        ReviewsRestore = "reviews.restore",
        /// Reports were claimed.
        ReportsClaim = "reports.claim",
        /// A claim on reports was given back.
        ReportsRelease = "reports.release",
        /// Reports were put behind the others.
        ReportsSkip = "reports.skip",
        /// Reports were put off.
        ReportsSnooze = "reports.snooze",
        /// Reports were given to a colleague.
        ReportsAssign = "reports.assign",
        /// An admin shall decide about reports.
        ReportsEscalate = "reports.escalate",
        /// Reports were acted on.
        ReportsResolve = "reports.resolve",
        /// Reports were not acted on.
        ReportsDismiss = "reports.dismiss",
        /// A decision about reports was taken back.
        ReportsUndo = "reports.undo",
        /// Somebody appealed against a decision.
        ReportsAppeal = "reports.appeal",
        /// A decision was left as it is.
        ReportsUphold = "reports.uphold",
        /// What a decision did was taken back.
        ReportsReverse = "reports.reverse",
        /// A category was added.
        CategoriesCreate = "categories.create",
        /// A category was changed.
        CategoriesUpdate = "categories.update",
        /// A category was merged into another one.
        CategoriesMerge = "categories.merge",
        /// A rule was made.
        RulesCreate = "rules.create",
        /// A rule was changed.
        RulesEdit = "rules.edit",
        /// A rule was tried on what people wrote, and some of that was shown.
        RulesTest = "rules.test",
        /// A rule was taken away.
        RulesDelete = "rules.delete",
        /// A webhook was made.
        WebhooksCreate = "webhooks.create",
        /// A webhook was changed, switched off or on.
        WebhooksUpdate = "webhooks.update",
        /// A webhook was deleted.
        WebhooksDelete = "webhooks.delete",
        /// A webhook got a new secret.
        WebhooksRotate = "webhooks.rotate",
        /// A webhook was tried out.
        WebhooksTest = "webhooks.test",
        /// Things were sent to a webhook again.
        WebhooksRedeliver = "webhooks.redeliver",
        /// A webhook that does not work was switched off.
        WebhooksDisable = "webhooks.disable",
        /// A token for scripts was created.
        TokensCreate = "tokens.create",
        /// A token for scripts was ended.
        TokensRevoke = "tokens.revoke",
        /// A mail is tried again.
        MailRetry = "mail.retry",
        /// The database was backed up.
        DbBackup = "db.backup",
        /// A backup was put in the place of the database.
        DbRestore = "db.restore",
        /// The database was copied.
        DbCopy = "db.copy",
        /// Made-up people were added.
        DbSeed = "db.seed",
    }
}

/// What is recorded.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What was done, such as `kyc.approve`.
    pub action: AuditAction,
    /// What it was done to.
    pub target_kind: TargetKind,
    /// The id of the target.
    pub target: String,
    /// Why, as a code.
    pub reason: Option<String>,
    /// Ids, codes and numbers.
    pub metadata: serde_json::Value,
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
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>))]
    pub action: Option<Name<AuditAction>>,
    /// Only about this user, attempt, job, thread, message, review, service or report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl AuditFilter {
    /// Refuses what no row can fit, which is misspelt.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(Name::Other(action)) = &self.action {
            let noun = action.split('.').next().unwrap_or_default();
            let alike: Vec<&str> =
                AuditAction::NAMES.iter().copied().filter(|name| name.split('.').next() == Some(noun)).collect();
            let alike = if alike.is_empty() { AuditAction::NAMES.to_vec() } else { alike };
            return Err(Error::invalid("/action", format!("`{action}` is none; it can be {}", alike.join(", "))));
        }
        if let Some(Principal(actor)) = &self.actor {
            let is_one = match actor.split_once(':') {
                Some(("user" | "token", id)) => id.parse::<uuid::Uuid>().is_ok(),
                Some(("local", place)) => {
                    place.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
                }
                _ => actor == "system",
            };
            if !is_one {
                return Err(Error::invalid("/actor", "must be user:ID, token:ID, local:USER@HOST or system"));
            }
        }
        if self.target.as_deref().is_some_and(|target| target.trim().is_empty()) {
            return Err(Error::invalid("/target", "must not be empty; without it, all are listed"));
        }
        Ok(())
    }
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
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub action: Name<AuditAction>,
    /// `user`, `token`, `key`, `attempt`, `job`, `thread`, `message`, `service`, `review`, `report`, `category`, `rule`, `mail`, `webhook`
    /// or `database`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub target_kind: Name<TargetKind>,
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
