//! Identity checks: states, reasons, what a claim and a decision are. No SQL, no I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        error::{Error, Result},
        ids::{AttemptId, Named, UserId},
        principal::Principal,
        text::check_text,
        text_enum::text_enum,
        time::Timestamp,
    },
    kyc::status::KycStatus,
};

/// How long a claim lasts without activity.
pub const CLAIM: Duration = Duration::from_secs(10 * 60);
/// How long a case can be set aside.
pub const MAX_SNOOZE: Duration = Duration::from_secs(30 * 86_400);
/// How long a decision can be taken back, and its effects wait.
pub const UNDO: Duration = Duration::from_secs(10);

text_enum! {
    /// The document on the picture.
    pub enum DocumentType {
        /// Passport.
        Passport = "passport",
        /// National identity card.
        NationalId = "national_id",
        /// Driving licence.
        DrivingLicence = "driving_licence",
        /// Residence permit.
        ResidencePermit = "residence_permit",
    }
}

text_enum! {
    /// Which file of an attempt.
    pub enum FileKind {
        /// The identity document.
        Document = "document",
        /// The person's face.
        Selfie = "selfie",
    }
}

text_enum! {
    /// What staff decide about an attempt.
    pub enum DecisionKind {
        /// The person is who they say.
        Approve = "approve",
        /// Ask for another attempt; reasons needed.
        Retry = "retry",
        /// Refuse for good; reasons needed.
        Reject = "reject",
        /// Take an approval back; reasons needed.
        Revoke = "revoke",
    }
}

impl DecisionKind {
    /// The state that it leads to.
    pub fn status(self) -> KycStatus {
        match self {
            Self::Approve => KycStatus::Approved,
            Self::Retry => KycStatus::Retry,
            Self::Reject => KycStatus::Rejected,
            Self::Revoke => KycStatus::Revoked,
        }
    }
}

text_enum! {
    /// Why an attempt was not approved, or an approval revoked.
    pub enum KycReason {
        /// The document is out of date.
        DocumentExpired = "document_expired",
        /// It cannot be read.
        DocumentUnreadable = "document_unreadable",
        /// It is somebody else's, or not the one named.
        DocumentMismatch = "document_mismatch",
        /// The face is another one.
        SelfieMismatch = "selfie_mismatch",
        /// It looks altered.
        SuspectedForgery = "suspected_forgery",
        /// The person is not of age.
        Underage = "underage",
        /// This kind of document is not taken.
        UnsupportedDocument = "unsupported_document",
        /// See the comment.
        Other = "other",
    }
}

impl KycReason {
    /// What the worker is told unless the reviewer writes something else; empty for an approval. Who may try again is told
    /// what to send; who may not is told why, and nothing that asks for more.
    pub fn template(self, kind: DecisionKind) -> &'static str {
        match kind {
            DecisionKind::Approve => "",
            DecisionKind::Retry => self.ask_again(),
            DecisionKind::Reject | DecisionKind::Revoke => self.refuse(),
        }
    }

    fn ask_again(self) -> &'static str {
        match self {
            Self::DocumentExpired => "Your document is out of date. Please send one that is still valid.",
            Self::DocumentUnreadable => {
                "We could not read your document. Please photograph it in good light, with all four corners in view."
            }
            Self::DocumentMismatch => {
                "The document does not match the details of your account. Please correct them, or send a document that matches."
            }
            Self::SelfieMismatch => {
                "The photo of you does not match the document. Please take a new one, facing the camera."
            }
            Self::SuspectedForgery => {
                "We could not confirm that the document is genuine. Please photograph the original, not a copy or a screen."
            }
            Self::Underage => {
                "The document does not show that you are of age. Please send one with a readable date of birth."
            }
            Self::UnsupportedDocument => {
                "We do not take this kind of document. Please send a passport, a national identity card, a driving licence or a residence permit."
            }
            Self::Other => "We could not confirm your identity with what you sent. Please try again.",
        }
    }

    fn refuse(self) -> &'static str {
        match self {
            Self::DocumentExpired => "The document that you sent is out of date.",
            Self::DocumentUnreadable => "The document that you sent cannot be read.",
            Self::DocumentMismatch => "The document that you sent does not match the details of your account.",
            Self::SelfieMismatch => "The photo of you does not match the document that you sent.",
            Self::SuspectedForgery => "We could not establish that the document is genuine.",
            Self::Underage => "You must be of age to offer services here.",
            Self::UnsupportedDocument => "We do not take the kind of document that you sent.",
            Self::Other => "We could not confirm your identity with what you sent.",
        }
    }
}

text_enum! {
    /// What was done with a case before its decision.
    pub enum TriageAct {
        /// Somebody has put it behind the others, for themselves.
        Skipped = "skipped",
        /// It was set aside until a time.
        Snoozed = "snoozed",
        /// It was given to a colleague, or back to everybody.
        Assigned = "assigned",
        /// It was given to the admins.
        Escalated = "escalated",
        /// It came back to the queue, because who held it or had it lost the right to decide it.
        Returned = "returned",
    }
}

/// Something that is to be done with a case before its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triage {
    /// Put it behind the others, for the caller alone.
    Skip,
    /// Set it aside until a time; without one, take it up again.
    Snooze {
        /// At most [`MAX_SNOOZE`] away.
        until: Option<Timestamp>,
    },
    /// Give it to a colleague; to nobody, back to everybody.
    Assign {
        /// Who may decide identity checks.
        to: Option<UserId>,
    },
    /// Give it to the admins, with a note.
    Escalate,
}

impl Triage {
    /// Returns what the history says of it.
    pub fn act(self) -> TriageAct {
        match self {
            Self::Skip => TriageAct::Skipped,
            Self::Snooze { .. } => TriageAct::Snoozed,
            Self::Assign { .. } => TriageAct::Assigned,
            Self::Escalate => TriageAct::Escalated,
        }
    }

    /// Checks the time of a snooze, and that admins are told why they are asked.
    ///
    /// # Errors
    /// `invalid` with what is wrong.
    pub(crate) fn check(self, now: Timestamp, note: Option<&str>) -> Result<()> {
        match self {
            Self::Snooze { until: Some(until) } if until <= now => {
                Err(Error::invalid("/until", "must be in the future"))
            }
            Self::Snooze { until: Some(until) } if now + MAX_SNOOZE < until => {
                Err(Error::invalid("/until", "must be at most 30 days away"))
            }
            Self::Escalate if note.is_none() => {
                Err(Error::invalid("/note", "is needed: what the admins should look at"))
            }
            _ => Ok(()),
        }
    }
}

/// A member of staff to whom a case was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Assignee {
    /// Their account.
    pub id: UserId,
    /// Their name, for colleagues.
    pub name: String,
}

/// A row of a case's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriageEntry {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Principal,
    /// What.
    pub act: TriageAct,
    /// Until when it was set aside.
    pub until: Option<Timestamp>,
    /// To whom it was given.
    pub assignee: Option<Assignee>,
    /// What only staff see.
    pub note: Option<String>,
}

/// A decision as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What.
    pub kind: DecisionKind,
    /// The claim's fencing number; without one the attempt is claimed and decided at once, if nobody else holds it.
    pub fence: Option<i64>,
    /// Why; at least one unless approving.
    pub reasons: Vec<KycReason>,
    /// What the worker is told, at most 1,000 characters. Without one, the reasons' templates.
    pub comment: Option<String>,
}

impl Decision {
    /// An approval.
    pub fn approve(fence: Option<i64>) -> Self {
        Self { kind: DecisionKind::Approve, fence, reasons: vec![], comment: None }
    }

    /// Checks reasons and comment, and fills in the comment.
    pub fn checked(mut self) -> Result<Self> {
        self.reasons.sort_unstable();
        self.reasons.dedup();
        if self.kind == DecisionKind::Approve {
            if !self.reasons.is_empty() {
                return Err(Error::invalid("/reasons", "an approval has none"));
            }
        } else if self.reasons.is_empty() {
            return Err(Error::invalid("/reasons", format!("needs at least one of {}", KycReason::NAMES.join(", "))));
        }
        self.comment = match self.comment.filter(|comment| !comment.trim().is_empty()) {
            Some(comment) => Some(check_text("/comment", &comment, 1, 1_000)?),
            None if self.reasons.is_empty() => None,
            None => Some(self.reasons.iter().map(|reason| reason.template(self.kind)).collect::<Vec<_>>().join(" ")),
        };
        Ok(self)
    }
}

/// Who is looking at an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Claim {
    /// Who holds it.
    pub holder: Principal,
    /// The holder's name, for colleagues.
    pub label: String,
    /// Whether the caller is the holder.
    pub mine: bool,
    /// The fencing number: a decision must carry it.
    pub fence: i64,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
}

impl Claim {
    /// Returns how a sentence names its holder.
    pub(crate) fn named(&self) -> String {
        // A label without a name has the digits already.
        let is_named = self.label != self.holder.named(None);
        self.holder.named(is_named.then_some(&self.label))
    }
}

/// A row of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KycSummary {
    /// The attempt.
    pub id: AttemptId,
    /// Whose it is.
    pub user_id: UserId,
    /// Their name, masked.
    pub name: String,
    /// 1 for the first attempt of this user.
    pub number: i64,
    /// What was submitted.
    pub document_type: DocumentType,
    /// Where it stands; `in_review` while claimed.
    pub status: KycStatus,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Who is looking at it.
    pub claim: Option<Claim>,
    /// Until when it is set aside.
    pub snoozed_until: Option<Timestamp>,
    /// Whose it is to decide, if it was given to somebody.
    pub assignee: Option<Assignee>,
    /// Since when it waits for an admin.
    pub escalated_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
}

/// What is known of a stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx_macros::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileInfo {
    /// Which.
    pub kind: FileKind,
    /// `image/jpeg`, `image/png`, `image/webp` or `application/pdf`, by content.
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    /// Pixels; none for a PDF.
    pub width: Option<i64>,
    /// Pixels; none for a PDF.
    pub height: Option<i64>,
}

impl Named for FileKind {
    const NAME: &'static str = "file";
}

/// A stored file, decrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Its type, by content.
    pub media_type: String,
    /// The bytes.
    pub bytes: bytes::Bytes,
}
impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileContent({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionMade {
    /// The state that it led to.
    pub status: KycStatus,
    /// Why.
    pub reasons: Vec<KycReason>,
    /// What the worker is told.
    pub comment: Option<String>,
    /// What only staff see.
    pub note: Option<String>,
    /// Who decided.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// Until when its maker can undo it; it takes effect then.
    pub undo_until: Timestamp,
}

/// One of a user's attempts, in brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttemptBrief {
    /// The attempt.
    pub id: AttemptId,
    /// 1 for the first.
    pub number: i64,
    /// What was submitted.
    pub document_type: DocumentType,
    /// Where it stands.
    pub status: KycStatus,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// What was decided, if anything was.
    pub decision: Option<DecisionMade>,
}

/// Everything a reviewer needs to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KycCase {
    /// The row of the queue.
    pub attempt: KycSummary,
    /// Its files, as far as they are kept.
    pub files: Vec<FileInfo>,
    /// When its files were deleted because their time was over (`retention.kyc_files_…`).
    pub files_deleted_at: Option<Timestamp>,
    /// What was decided, if anything was.
    pub decision: Option<DecisionMade>,
    /// What was done with it before its decision, oldest first, the latest 50.
    pub history: Vec<TriageEntry>,
    /// The user's other attempts, newest first, 20 at most.
    pub others: Vec<AttemptBrief>,
    /// The person, masked.
    pub user: crate::accounts::summary::UserSummary,
}

/// One's own identity check, as its subject sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnKyc {
    /// Where it stands.
    pub status: KycStatus,
    /// Whether a new attempt can be submitted.
    pub may_submit: bool,
    /// Every attempt, newest first, 20 at most.
    pub attempts: Vec<OwnAttempt>,
}

/// One's own attempt. Says nothing of who looked at it, and nothing of a decision that can still be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnAttempt {
    /// The attempt.
    pub id: AttemptId,
    /// 1 for the first.
    pub number: i64,
    /// What was submitted.
    pub document_type: DocumentType,
    /// Where it stands.
    pub status: KycStatus,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Why it was not approved.
    pub reasons: Vec<KycReason>,
    /// What staff wrote.
    pub comment: Option<String>,
}

/// Which attempts. Without `assigned_to`, `snoozed`, `escalated` and `all`, those that wait are the caller's queue: nothing that is set
/// aside or given to somebody else, and what was escalated for admins only. Who decides nothing sees all that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct KycFilter {
    /// Only of people whom this finds, as in the list of users: beginnings of words of the name, a whole address, number or id.
    /// Finds cases wherever they wait. Needs `users:read`; more than 100 people are too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
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
    /// Only those that wait and were given to this member of staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<UserId>,
    /// Only those that this member of staff holds a claim on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<UserId>,
    /// Only those that are set aside until a time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub snoozed: bool,
    /// Only those that wait for an admin.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
    /// All that wait, what is set aside or for somebody else among them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

impl KycFilter {
    /// Checks that what is asked of waiting cases is asked of nothing else, and of one lane.
    ///
    /// # Errors
    /// `invalid` with the parameter.
    pub(crate) fn check_triage(&self) -> Result<()> {
        let asked = [
            ("/assigned_to", self.assigned_to.is_some()),
            ("/snoozed", self.snoozed),
            ("/escalated", self.escalated),
            ("/all", self.all),
        ];
        let mut asked = asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name);
        let (first, second) = (asked.next(), asked.next());
        match (first, second) {
            (Some(_), Some(name)) => {
                Err(Error::invalid(name, "goes with none of assigned_to, snoozed, escalated and all"))
            }
            (Some(name), None) if !matches!(self.status, None | Some(KycStatus::Pending)) => {
                Err(Error::invalid(name, "goes with no status but pending"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_approval_has_no_reason() {
        let decision = |kind, reasons: &[KycReason]| {
            Decision { kind, fence: None, reasons: reasons.to_vec(), comment: None }.checked()
        };
        assert!(decision(DecisionKind::Approve, &[]).is_ok());
        assert!(decision(DecisionKind::Approve, &[KycReason::Other]).is_err());
        for kind in [DecisionKind::Retry, DecisionKind::Reject, DecisionKind::Revoke] {
            assert!(decision(kind, &[]).is_err());
            let checked = decision(kind, &[KycReason::Other, KycReason::Underage, KycReason::Other]).unwrap();
            assert_eq!(checked.reasons, [KycReason::Underage, KycReason::Other]);
            assert!(checked.comment.unwrap().starts_with(KycReason::Underage.template(kind)));
        }
    }

    #[test]
    fn only_who_may_try_again_is_asked_to() {
        for reason in KycReason::ALL {
            let [ask, reject, revoke] =
                [DecisionKind::Retry, DecisionKind::Reject, DecisionKind::Revoke].map(|kind| reason.template(kind));
            assert!(ask.to_lowercase().contains("please"), "{reason}: {ask}");
            for text in [reject, revoke] {
                assert!(!text.is_empty() && text != ask && !text.to_lowercase().contains("please"), "{reason}: {text}");
            }
            assert_eq!(reason.template(DecisionKind::Approve), "");
        }
    }
}
