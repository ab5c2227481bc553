//! Notifications and the settings of a person. No SQL, no I/O.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::base::{
    error::{Error, FieldError, Result},
    ids::NotificationId,
    language::Language,
    patch::Patch,
    text_enum::text_enum,
    time::Timestamp,
};

/// Ids that one call marks at most.
pub const MAX_IDS: usize = 200;

text_enum! {
    /// What a notification is about. The mail of the same name has its words.
    pub enum NotificationKind {
        /// There are unread messages in a thread.
        Message = "message",
        /// A client made an offer.
        Offer = "offer",
        /// The other side made another offer.
        CounterOffer = "counter_offer",
        /// The other side accepted.
        OfferAccepted = "offer_accepted",
        /// The worker rejected.
        JobRejected = "job_rejected",
        /// A job was cancelled.
        JobCancelled = "job_cancelled",
        /// The worker completed the work.
        JobCompleted = "job_completed",
        /// The client asked for changes.
        ChangesRequested = "changes_requested",
        /// A job was finalized.
        JobFinalized = "job_finalized",
        /// A negotiation ends in 24 hours.
        NegotiationLapses = "negotiation_lapses",
        /// Completed work finalizes itself in three days.
        WorkFinalizes = "work_finalizes",
        /// The other side of a job can be reviewed.
        ReviewDue = "review_due",
        /// A review about the person shows.
        ReviewPublished = "review_published",
        /// A review of the person's was answered.
        ReviewReply = "review_reply",
        /// The identity was confirmed.
        KycApproved = "kyc_approved",
        /// Another attempt is asked for.
        KycRetry = "kyc_retry",
        /// The identity was not confirmed.
        KycRejected = "kyc_rejected",
        /// An approval was taken back.
        KycRevoked = "kyc_revoked",
        /// An approval has come to its end.
        KycExpired = "kyc_expired",
        /// What the person reported was acted on.
        ReportResolved = "report_resolved",
        /// What the person reported was not acted on.
        ReportDismissed = "report_dismissed",
        /// What was done about the person's report was taken back.
        ReportReversed = "report_reversed",
        /// Something was decided about the person.
        ReportDecision = "report_decision",
        /// The person's appeal changed nothing.
        AppealUpheld = "appeal_upheld",
        /// The person's appeal was right.
        AppealReversed = "appeal_reversed",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// A second factor was enrolled.
        SecondFactorOn = "second_factor_on",
        /// The second factor was removed.
        SecondFactorOff = "second_factor_off",
        /// Another address was asked for.
        EmailChanging = "email_changing",
        /// A login through a provider was added.
        IdentityLinked = "identity_linked",
    }
}

/// What kind of thing a notification leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Thread,
    Job,
    Review,
    Kyc,
    Account,
}

impl NotificationKind {
    pub(super) fn place(self) -> Place {
        match self {
            Self::Message => Place::Thread,
            Self::Offer
            | Self::CounterOffer
            | Self::OfferAccepted
            | Self::JobRejected
            | Self::JobCancelled
            | Self::JobCompleted
            | Self::ChangesRequested
            | Self::JobFinalized
            | Self::NegotiationLapses
            | Self::WorkFinalizes
            | Self::ReviewDue => Place::Job,
            Self::ReviewPublished | Self::ReviewReply => Place::Review,
            Self::KycApproved | Self::KycRetry | Self::KycRejected | Self::KycRevoked | Self::KycExpired => Place::Kyc,
            Self::ReportResolved
            | Self::ReportDismissed
            | Self::ReportReversed
            | Self::ReportDecision
            | Self::AppealUpheld
            | Self::AppealReversed
            | Self::PasswordChanged
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::EmailChanging
            | Self::IdentityLinked => Place::Account,
        }
    }

    /// Returns whether its mail is made here and can be switched off. Those about identity checks, reports and the security of an
    /// account are sent by what causes them, always.
    pub fn is_mailed_here(self) -> bool {
        !matches!(self.place(), Place::Kyc | Place::Account)
    }

    /// Returns how long its mail waits, for the person to see or do it before.
    pub(crate) fn mail_waits(self) -> Duration {
        match self {
            Self::Message => Duration::from_mins(10),
            Self::ReviewDue => Duration::from_hours(24),
            _ => Duration::ZERO,
        }
    }
}

/// Something that concerns a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// What it is about.
    pub kind: NotificationKind,
    /// The same in words, in the person's language.
    pub title: String,
    /// The id of the thread, job, review, attempt, case or account.
    pub target: String,
    /// The page that it leads to, by the marketplace's settings.
    pub link: String,
    /// When it happened.
    pub at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}

/// Which notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct NotificationFilter {
    /// Only unread ones.
    pub unread: bool,
}

/// What was read: these, or all up to one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NotificationsRead {
    /// These; at most 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 200))]
    pub ids: Vec<NotificationId>,
    /// This one and all older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<NotificationId>,
}

impl NotificationsRead {
    pub(super) fn checked(self) -> Result<Self> {
        if self.ids.len() > MAX_IDS {
            return Err(Error::invalid("/ids", format!("must be at most {MAX_IDS}")));
        }
        if self.ids.is_empty() && self.until.is_none() {
            return Err(Error::invalid("/ids", "is required, or until"));
        }
        Ok(self)
    }
}

/// How many notifications are unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unread {
    /// Their number; it stops at 1,000.
    pub unread: i64,
}

/// How a person wants to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationSettings {
    /// Language of mails and titles.
    pub language: Language,
    /// Whether a mail is sent, for each kind that can be switched off.
    pub mail: BTreeMap<NotificationKind, bool>,
    /// Changes with every change; 0 for settings that were never changed.
    pub version: i64,
}

impl NotificationSettings {
    pub(super) fn new(language: Language, muted: &[NotificationKind], version: i64) -> Self {
        let kinds = NotificationKind::ALL.iter().copied().filter(|kind| kind.is_mailed_here());
        Self { language, mail: kinds.map(|kind| (kind, !muted.contains(&kind))).collect(), version }
    }

    pub(super) fn muted(&self) -> Vec<NotificationKind> {
        self.mail.iter().filter(|(_, on)| !**on).map(|(kind, _)| *kind).collect()
    }
}

/// A change of how a person wants to be told, as a merge patch (RFC 7396).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateNotificationSettings {
    /// Language of mails and titles.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Language))]
    pub language: Patch<Language>,
    /// Whether a mail is sent, for the kinds that are named; `null` puts a kind back to what it is at first, on.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<NotificationKind, Option<bool>>))]
    pub mail: Patch<BTreeMap<NotificationKind, Option<bool>>>,
}

impl UpdateNotificationSettings {
    pub(super) fn apply(self, to: &mut NotificationSettings) -> Result<()> {
        if let Some(language) = self.language.required("/language")? {
            to.language = language;
        }
        for (kind, on) in self.mail.required("/mail")?.unwrap_or_default() {
            let kept = to.mail.get_mut(&kind).ok_or_else(|| {
                FieldError::new(
                    format!("/mail/{kind}"),
                    "cannot be switched off: it is about the safety of the account",
                )
            })?;
            *kept = on.unwrap_or(true);
        }
        Ok(())
    }
}

/// The proof that a mail was received: whoever has it may switch off mails of its kind.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    /// The token of the mail's link.
    pub token: String,
}

impl std::fmt::Debug for Unsubscribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unsubscribe")
    }
}
