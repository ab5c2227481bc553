//! Reports: what can be reported and why, what staff decide, what each side is told. No SQL, no I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    accounts::summary::UserSummary,
    base::{
        change::RestrictionReason,
        error::{Error, Result},
        ids::{CaseId, MessageId, PhotoId, ReportId, ThreadId, UserId},
        principal::Principal,
        text::check_text,
        text_enum::text_enum,
        time::Timestamp,
    },
    kyc::model::Claim,
    messaging::model::{CloseReason, RemovalReason},
    services::model::Photo,
};

/// How long the person about whom was decided can appeal.
pub const APPEAL: Duration = Duration::from_hours(14 * 24);
/// How far a case can be put off.
pub const LONGEST_SNOOZE: Duration = Duration::from_hours(30 * 24);
/// Reports that one case takes: staff know by then.
pub const MAX_REPORTS: i64 = 500;
/// Characters of a report, and of an appeal.
pub const MAX_TEXT: usize = 2_000;
/// Characters of what somebody is told of a decision.
const MAX_COMMENT: usize = 1_000;

text_enum! {
    /// What can be reported.
    pub enum ReportTarget {
        /// A person.
        User = "user",
        /// A service.
        Service = "service",
        /// A message.
        Message = "message",
        /// A conversation: the other one in it.
        Thread = "thread",
        /// A review.
        Review = "review",
    }
}

text_enum! {
    /// Why something is reported, and why staff act on it.
    pub enum ReportReason {
        /// Unwanted advertising.
        Spam = "spam",
        /// Deceives others for gain.
        Scam = "scam",
        /// Insults, threatens or pesters somebody.
        Harassment = "harassment",
        /// Attacks people for what they are.
        Hate = "hate",
        /// Sexual content or advances.
        Sexual = "sexual",
        /// Violence, or the threat of it.
        Violence = "violence",
        /// Asks to pay or to meet outside the marketplace.
        OffPlatformPayment = "off_platform_payment",
        /// Pretends to be somebody else.
        Impersonation = "impersonation",
        /// Against the law.
        Illegal = "illegal",
        /// See the text.
        Other = "other",
    }
}

impl ReportReason {
    /// What the subject is told unless the reviewer writes something else.
    pub fn to_subject(self) -> &'static str {
        match self {
            Self::Spam => "Unwanted advertising is not allowed here.",
            Self::Scam => "What you wrote or did misleads others about what they get or pay.",
            Self::Harassment => "Insults, threats and pestering are not allowed here.",
            Self::Hate => "Content that attacks people for what they are is not allowed here.",
            Self::Sexual => "Sexual content and advances are not allowed here.",
            Self::Violence => "Violence and threats of violence are not allowed here.",
            Self::OffPlatformPayment => {
                "Asking others to pay or to get in touch outside the marketplace is not allowed before a job is agreed."
            }
            Self::Impersonation => "Pretending to be somebody else is not allowed here.",
            Self::Illegal => "What you wrote or did is against the law.",
            Self::Other => "What you wrote or did is against our rules.",
        }
    }

    /// Why an account is restricted for it.
    pub(crate) fn restriction(self) -> RestrictionReason {
        match self {
            Self::Spam => RestrictionReason::Spam,
            Self::Scam | Self::OffPlatformPayment => RestrictionReason::Fraud,
            Self::Harassment | Self::Hate | Self::Sexual | Self::Violence => RestrictionReason::Abuse,
            Self::Impersonation => RestrictionReason::Identity,
            Self::Illegal | Self::Other => RestrictionReason::Other,
        }
    }

    /// Why a message or a review is removed for it.
    pub(crate) fn removal(self) -> RemovalReason {
        match self {
            Self::Spam => RemovalReason::Spam,
            Self::Scam | Self::Impersonation => RemovalReason::Fraud,
            Self::OffPlatformPayment => RemovalReason::ContactDetails,
            Self::Harassment | Self::Hate | Self::Sexual | Self::Violence => RemovalReason::Abuse,
            Self::Illegal | Self::Other => RemovalReason::Other,
        }
    }

    /// Why a thread is closed for it.
    pub(crate) fn closing(self) -> CloseReason {
        match self {
            Self::Spam => CloseReason::Spam,
            Self::Scam | Self::OffPlatformPayment | Self::Impersonation => CloseReason::Fraud,
            Self::Harassment | Self::Hate | Self::Sexual => CloseReason::Abuse,
            Self::Violence => CloseReason::Safety,
            Self::Illegal | Self::Other => CloseReason::Other,
        }
    }
}

text_enum! {
    /// Why staff do not act on reports.
    pub enum DismissReason {
        /// It breaks no rule.
        NoViolation = "no_violation",
        /// It cannot be told whether it does.
        NotEnoughInformation = "not_enough_information",
        /// It was dealt with before.
        AlreadyHandled = "already_handled",
        /// The two have to settle it themselves.
        Dispute = "dispute",
        /// Reporting was misused.
        Misuse = "misuse",
        /// See the comment.
        Other = "other",
    }
}

impl DismissReason {
    /// What the reporter is told unless the reviewer writes something else.
    pub fn to_reporter(self) -> &'static str {
        match self {
            Self::NoViolation => "We looked at it and found nothing that breaks our rules.",
            Self::NotEnoughInformation => {
                "We could not tell whether it breaks our rules. If you can tell us more, please report it again."
            }
            Self::AlreadyHandled => "It has been dealt with already.",
            Self::Dispute => "This is between the two of you. Please talk to each other in your thread first.",
            Self::Misuse => "Please report only what you believe breaks our rules.",
            Self::Other => "We looked at it and decided to leave it as it is.",
        }
    }
}

text_enum! {
    /// Where a case stands.
    pub enum ReportStatus {
        /// Waits in the queue.
        Open = "open",
        /// Somebody has claimed it.
        InReview = "in_review",
        /// Put off until a time.
        Snoozed = "snoozed",
        /// Staff acted on it.
        Resolved = "resolved",
        /// Staff did not act on it.
        Dismissed = "dismissed",
        /// Staff acted on it, and its subject does not agree: a colleague decides.
        Appealed = "appealed",
        /// A colleague decided that it stays so.
        Upheld = "upheld",
        /// A colleague took back what was done.
        Reversed = "reversed",
    }
}

impl ReportStatus {
    /// Returns whether a case that is stored so waits for a decision.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Open | Self::InReview | Self::Snoozed | Self::Appealed)
    }
}

text_enum! {
    /// What staff do about a case.
    pub enum ReportAction {
        /// The message is removed.
        RemoveMessage = "remove_message",
        /// The review is removed.
        RemoveReview = "remove_review",
        /// A photo of the service is removed: the one that is named.
        RemovePhoto = "remove_photo",
        /// The service is closed, and stays so.
        CloseService = "close_service",
        /// The thread is closed.
        CloseThread = "close_thread",
        /// The person is told to keep to the rules.
        Warn = "warn",
        /// The account is frozen.
        Freeze = "freeze",
        /// The account is banned.
        Ban = "ban",
    }
}

impl ReportAction {
    /// Returns whether the action can be taken about a target of this kind.
    pub fn fits(self, target: ReportTarget) -> bool {
        match self {
            Self::RemoveMessage => target == ReportTarget::Message,
            Self::RemoveReview => target == ReportTarget::Review,
            Self::RemovePhoto | Self::CloseService => target == ReportTarget::Service,
            Self::CloseThread => matches!(target, ReportTarget::Message | ReportTarget::Thread),
            Self::Warn | Self::Freeze | Self::Ban => true,
        }
    }

    /// Returns the actions that can be taken about a target, the mildest first.
    pub fn of(target: ReportTarget) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |action| action.fits(target))
    }

    /// What the subject is told that was done.
    pub fn to_subject(self) -> &'static str {
        match self {
            Self::RemoveMessage => "Your message was removed.",
            Self::RemoveReview => "Your review was removed.",
            Self::RemovePhoto => "A photo of your service was removed.",
            Self::CloseService => "Your service was closed.",
            Self::CloseThread => "The conversation was closed.",
            Self::Warn => "This is a warning.",
            Self::Freeze => "Your account was frozen: you can finish what is under way, and begin nothing new.",
            Self::Ban => "Your account was closed.",
        }
    }
}

/// A report to be filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewReport {
    /// What kind of thing.
    pub target_kind: ReportTarget,
    /// Which one.
    pub target_id: Uuid,
    /// Why.
    pub reason: ReportReason,
    /// In the reporter's words, at most 2,000 characters; needed for the reason `other`.
    #[serde(default)]
    pub text: String,
}

impl NewReport {
    pub(crate) fn checked(mut self) -> Result<Self> {
        let least = usize::from(self.reason == ReportReason::Other);
        self.text = check_text("/text", self.text.trim(), least, MAX_TEXT)?;
        Ok(self)
    }
}

text_enum! {
    /// What became of a report, as its reporter sees it.
    pub enum ReportOutcome {
        /// Nothing yet.
        Open = "open",
        /// Staff acted on it.
        Resolved = "resolved",
        /// Staff did not act on it.
        Dismissed = "dismissed",
        /// Staff acted on it, and took that back after an appeal.
        Reversed = "reversed",
    }
}

/// A report as its reporter sees it. Says nothing of who handles it, and nothing of a decision that can still be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnReport {
    /// The report.
    pub id: ReportId,
    /// What kind of thing it is about.
    pub target_kind: ReportTarget,
    /// Which one.
    pub target_id: Uuid,
    /// Why.
    pub reason: ReportReason,
    /// In the reporter's words.
    pub text: String,
    /// What became of it.
    pub status: ReportOutcome,
    /// What staff wrote.
    pub comment: Option<String>,
    /// When it was filed.
    pub created_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
}

/// What was decided about the caller. Says nothing of who reported, and nothing of a decision that can still be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnDecision {
    /// The case.
    pub id: CaseId,
    /// What kind of thing it is about.
    pub target_kind: ReportTarget,
    /// Which one.
    pub target_id: Uuid,
    /// `resolved`, `appealed`, `upheld` or `reversed`.
    pub status: ReportStatus,
    /// Which rules were broken.
    pub reasons: Vec<ReportReason>,
    /// What was done.
    pub actions: Vec<ReportAction>,
    /// What staff wrote.
    pub comment: Option<String>,
    /// When.
    pub decided_at: Timestamp,
    /// Until when an appeal can be made; none once there is one.
    pub appeal_until: Option<Timestamp>,
    /// The caller's appeal.
    pub appeal: Option<Appeal>,
}

/// An appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Appeal {
    /// Why the decision is wrong; none once erased.
    pub text: Option<String>,
    /// When it was made.
    pub at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// What staff wrote about it.
    pub comment: Option<String>,
}

/// An appeal to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAppeal {
    /// Why the decision is wrong, 1 to 2,000 characters.
    pub text: String,
}

/// A message within what was reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportedMessage {
    /// Its number in the thread.
    pub seq: i64,
    /// Who wrote it; none for notices.
    pub sender_id: Option<UserId>,
    /// What it said.
    pub content: String,
    /// When it was written.
    pub at: Timestamp,
}

/// What was reported, as it stood then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportedContent {
    /// The person's name, or the service's title.
    pub title: Option<String>,
    /// What it said.
    pub text: String,
    /// The stars of a review.
    pub rating: Option<i64>,
    /// Of a thread, its newest messages, oldest first, 20 at most.
    #[serde(default)]
    pub messages: Vec<ReportedMessage>,
    /// The photos of a service, which stay for staff when their worker deletes them.
    #[serde(default)]
    pub photos: Vec<Photo>,
}

impl ReportedContent {
    /// A person or a service of whom nothing but the name is known.
    pub(crate) fn titled(title: &str) -> Self {
        Self { title: Some(title.to_owned()), ..Self::default() }
    }
}

/// A row of the queue: everything that was reported about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportSummary {
    /// The case.
    pub id: CaseId,
    /// Where it stands; `in_review` while claimed.
    pub status: ReportStatus,
    /// What kind of thing it is about.
    pub target_kind: ReportTarget,
    /// Which one.
    pub target_id: Uuid,
    /// The thread that it is, or is in.
    pub thread_id: Option<ThreadId>,
    /// Whose it is.
    pub subject_id: UserId,
    /// Their name, masked.
    pub subject_name: String,
    /// What the reports say.
    pub reasons: Vec<ReportReason>,
    /// How many reports there are.
    pub reports: i64,
    /// When the first came.
    pub opened_at: Timestamp,
    /// Its place in the queue: since when it waits, or until when it is put off. None once decided.
    pub queued_at: Option<Timestamp>,
    /// When it was last decided.
    pub closed_at: Option<Timestamp>,
    /// Who is looking at it.
    pub claim: Option<Claim>,
    /// Who shall look at it.
    pub assignee: Option<Principal>,
    /// Their name, for colleagues.
    pub assignee_name: Option<String>,
    /// Whether an admin shall decide.
    pub escalated: bool,
    /// Whether its subject appealed.
    pub appealed: bool,
    /// Counts changes.
    pub version: i64,
}

/// One report of a case, as staff see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FiledReport {
    /// The report.
    pub id: ReportId,
    /// Who reported; none for the system.
    pub reporter_id: Option<UserId>,
    /// Their name, masked.
    pub reporter_name: Option<String>,
    /// Why.
    pub reason: ReportReason,
    /// In their words; none once erased.
    pub text: Option<String>,
    /// What they saw; none once erased, where the report before has the same, and for who may not read threads.
    pub content: Option<ReportedContent>,
    /// When.
    pub created_at: Timestamp,
}

text_enum! {
    /// What happened to a case.
    pub enum ReportEventKind {
        /// It goes behind the others for somebody.
        Skipped = "skipped",
        /// It was put off.
        Snoozed = "snoozed",
        /// It was given to a colleague, or to nobody.
        Assigned = "assigned",
        /// An admin shall decide.
        Escalated = "escalated",
        /// Staff acted on it.
        Resolved = "resolved",
        /// Staff did not act on it.
        Dismissed = "dismissed",
        /// The decision was taken back.
        Undone = "undone",
        /// The subject appealed.
        Appealed = "appealed",
        /// It stays so.
        Upheld = "upheld",
        /// What was done was taken back.
        Reversed = "reversed",
    }
}

/// Something that happened to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx_macros::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportEvent {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Principal,
    /// What.
    pub kind: ReportEventKind,
    /// What they wrote, for staff only.
    pub note: Option<String>,
    /// Until when it was put off.
    pub until: Option<Timestamp>,
}

/// An action that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActionTaken {
    /// Which.
    pub action: ReportAction,
    /// Whether it changed anything: what was so before is not taken back.
    pub changed: bool,
    /// Whether the service was published before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_published: bool,
    /// The messages that it removed: all of the person's that the reports of the case are about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageId>,
    /// The photo that was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<PhotoId>,
}

/// What was decided about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportDecision {
    /// `resolved` or `dismissed`.
    pub status: ReportStatus,
    /// Why: codes of reports' reasons, or of reasons to dismiss.
    pub reasons: Vec<String>,
    /// What was done.
    pub actions: Vec<ActionTaken>,
    /// What the reporters are told.
    pub comment_to_reporter: Option<String>,
    /// What the subject is told.
    pub comment_to_subject: Option<String>,
    /// What only staff see.
    pub note: Option<String>,
    /// Who decided.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// Until when its maker can undo it; the two sides are told then.
    pub undo_until: Timestamp,
}

/// An appeal and what was decided about it, as staff see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportAppeal {
    /// Why the decision is wrong; none once erased.
    pub text: Option<String>,
    /// When it was made.
    pub at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// What the subject is told.
    pub comment: Option<String>,
    /// Who decided about it.
    pub by: Option<Principal>,
    /// What only staff see.
    pub note: Option<String>,
}

/// Another case about the same person, in brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportBrief {
    /// The case.
    pub id: CaseId,
    /// What kind of thing it is about.
    pub target_kind: ReportTarget,
    /// Where it stands.
    pub status: ReportStatus,
    /// What its reports say.
    pub reasons: Vec<ReportReason>,
    /// What was done.
    pub actions: Vec<ReportAction>,
    /// When the first report came.
    pub opened_at: Timestamp,
}

/// Everything that is needed to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportCase {
    /// The row of the queue.
    pub case: ReportSummary,
    /// Its reports, oldest first, 50 at most.
    pub reports: Vec<FiledReport>,
    /// Whose it is, masked.
    pub subject: UserSummary,
    /// Other cases about them, newest first, 20 at most.
    pub others: Vec<ReportBrief>,
    /// What was decided, if anything was.
    pub decision: Option<ReportDecision>,
    /// The subject's appeal, if there is one.
    pub appeal: Option<ReportAppeal>,
    /// What happened, oldest first, the newest 50 of it.
    pub history: Vec<ReportEvent>,
}

/// Which cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct ReportFilter {
    /// Only in this state; without one, all that wait for a decision and are not put off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<ReportStatus>,
    /// Only about this kind of thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub target_kind: Option<ReportTarget>,
    /// Only about this person: of every state unless one is named, newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<UserId>,
    /// Only those that were given to this member of staff; a page can hold fewer than it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<UserId>,
    /// Only those that this member of staff holds a claim on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<UserId>,
    /// Only those that are put off until a time: the same as the state `snoozed`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub snoozed: bool,
    /// Only those that wait for an admin; a page can hold fewer than it could.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
}

impl ReportFilter {
    /// Returns the filter in which what stands for a state is that state.
    ///
    /// # Errors
    /// `invalid` for what no case can be at once.
    pub(crate) fn settled(&self) -> Result<Self> {
        let mut settled = self.clone();
        if self.snoozed {
            if self.escalated || self.status.is_some_and(|status| status != ReportStatus::Snoozed) {
                return Err(Error::invalid("/snoozed", "is a state: it does not go with `status` or `escalated`"));
            }
            settled.status = Some(ReportStatus::Snoozed);
        }
        if self.escalated && self.status.is_some_and(|status| !status.is_waiting()) {
            return Err(Error::invalid("/escalated", "is asked of cases that wait, and this state is of decided ones"));
        }
        Ok(settled)
    }
}

/// A decision as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The reports are right, and something is done.
    Resolve {
        /// Which rules were broken; at least one.
        reasons: Vec<ReportReason>,
        /// What is done; at least one.
        actions: Vec<ReportAction>,
        /// What the subject is told, at most 1,000 characters. Without one, the reasons' texts.
        comment_to_subject: Option<String>,
        /// The photo that is removed, if one is.
        photo: Option<PhotoId>,
    },
    /// Nothing is done. Its subject does not hear of it.
    Dismiss {
        /// Why; at least one.
        reasons: Vec<DismissReason>,
    },
}

/// A verdict, with the claim that it is made under and what the reporters are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deciding {
    /// The claim's fencing number; without one the case is claimed and decided at once, if nobody else holds it.
    pub fence: Option<i64>,
    /// What is decided.
    pub verdict: Verdict,
    /// What the reporters are told, at most 1,000 characters. Without one, the texts of the decision.
    pub comment_to_reporter: Option<String>,
}

/// What the reporters are told when something was done.
const THANKS: &str = "Thank you for telling us. We looked at it and took action.";

fn comment(pointer: &str, text: Option<String>, else_: impl FnOnce() -> String) -> Result<String> {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(check_text(pointer, &text, 1, MAX_COMMENT)?),
        None => Ok(else_()),
    }
}

fn codes<T: Ord>(reasons: &mut Vec<T>, names: &[&str]) -> Result<()> {
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() {
        return Err(Error::invalid("/reasons", format!("needs at least one of {}", names.join(", "))));
    }
    Ok(())
}

impl Deciding {
    /// Checks reasons, actions and comments, and fills in the comments.
    ///
    /// # Errors
    /// `invalid` with the field that breaks a rule.
    pub fn checked(mut self) -> Result<Self> {
        let to_reporter = match &mut self.verdict {
            Verdict::Resolve { reasons, actions, comment_to_subject, photo } => {
                codes(reasons, ReportReason::NAMES)?;
                actions.sort_unstable();
                actions.dedup();
                if actions.is_empty() {
                    let known = ReportAction::NAMES.join(", ");
                    return Err(Error::invalid("/actions", format!("needs at least one of {known}")));
                }
                if actions.contains(&ReportAction::Ban) && actions.contains(&ReportAction::Freeze) {
                    return Err(Error::invalid("/actions", "an account is frozen or banned, not both"));
                }
                match (actions.contains(&ReportAction::RemovePhoto), &photo) {
                    (true, None) => return Err(Error::invalid("/photo", "is needed for remove_photo: which one")),
                    (false, Some(_)) => return Err(Error::invalid("/photo", "is only for remove_photo")),
                    _ => {}
                }
                let texts = || reasons.iter().map(|reason| reason.to_subject()).collect::<Vec<_>>().join(" ");
                *comment_to_subject = Some(comment("/comment_to_subject", comment_to_subject.take(), texts)?);
                THANKS.to_owned()
            }
            Verdict::Dismiss { reasons } => {
                codes(reasons, DismissReason::NAMES)?;
                reasons.iter().map(|reason| reason.to_reporter()).collect::<Vec<_>>().join(" ")
            }
        };
        self.comment_to_reporter = Some(comment("/comment_to_reporter", self.comment_to_reporter, || to_reporter)?);
        Ok(self)
    }
}

impl Verdict {
    /// The state that it leads to.
    pub fn status(&self) -> ReportStatus {
        match self {
            Self::Resolve { .. } => ReportStatus::Resolved,
            Self::Dismiss { .. } => ReportStatus::Dismissed,
        }
    }

    /// The reasons' names.
    pub fn reasons(&self) -> Vec<&'static str> {
        match self {
            Self::Resolve { reasons, .. } => reasons.iter().map(|reason| reason.as_str()).collect(),
            Self::Dismiss { reasons } => reasons.iter().map(|reason| reason.as_str()).collect(),
        }
    }

    /// What the subject is told.
    pub fn comment_to_subject(&self) -> Option<&str> {
        match self {
            Self::Resolve { comment_to_subject, .. } => comment_to_subject.as_deref(),
            Self::Dismiss { .. } => None,
        }
    }

    /// The photo that is removed.
    pub fn photo(&self) -> Option<PhotoId> {
        match self {
            Self::Resolve { photo, .. } => *photo,
            Self::Dismiss { .. } => None,
        }
    }

    /// What is done.
    pub fn actions(&self) -> &[ReportAction] {
        match self {
            Self::Resolve { actions, .. } => actions,
            Self::Dismiss { .. } => &[],
        }
    }
}

/// What is decided about an appeal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppealVerdict {
    /// The claim's fencing number; without one the case is claimed and decided at once, if nobody else holds it.
    pub fence: Option<i64>,
    /// Whether what was done is taken back.
    pub reverse: bool,
    /// What the subject is told, at most 1,000 characters. Without one, a text of ours.
    pub comment: Option<String>,
}

impl AppealVerdict {
    /// Checks the comment, and fills it in.
    ///
    /// # Errors
    /// `invalid` when the comment breaks a rule.
    pub fn checked(mut self) -> Result<Self> {
        let text = if self.reverse {
            "A colleague looked at it anew. You were right, and we took back what we had done as far as we could."
        } else {
            "A colleague looked at it anew, and the decision stays."
        };
        self.comment = Some(comment("/comment", self.comment, || text.to_owned())?);
        Ok(self)
    }

    /// The state that it leads to.
    pub fn status(&self) -> ReportStatus {
        if self.reverse { ReportStatus::Reversed } else { ReportStatus::Upheld }
    }
}
