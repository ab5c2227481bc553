//! A stored case, and what is possible with it at a point in time. Pure: no SQL, no I/O.
//!
//! A claim is live until its end passes; nothing has to run for it to end, nor for a case that was put off to come back.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{
    APPEAL, ActionTaken, Appeal, AppealVerdict, Deciding, OwnDecision, ReportAction, ReportAppeal, ReportBrief,
    ReportDecision, ReportReason, ReportStatus, ReportSummary, ReportTarget,
};
use crate::{
    accounts::model::{Status, mask_name},
    base::{
        error::{Error, Result},
        ids::{CaseId, ThreadId, UserId},
        principal::Principal,
        time::Timestamp,
    },
    kyc::model::Claim,
    platform::db::json,
};

/// A row of `report_cases` with the name and status of its subject.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow, Deserialize)]
pub(super) struct Case {
    pub id: CaseId,
    pub target_kind: ReportTarget,
    pub target_id: Uuid,
    pub thread_id: Option<ThreadId>,
    pub subject_id: UserId,
    pub status: ReportStatus,
    pub reasons: String,
    pub reports: i64,
    #[serde(deserialize_with = "json::micros")]
    pub opened_at: Timestamp,
    #[serde(deserialize_with = "json::opt_micros")]
    pub queued_at: Option<Timestamp>,
    pub claim_holder: Option<Principal>,
    pub claim_label: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub claim_expires_at: Option<Timestamp>,
    pub fence: i64,
    pub assignee: Option<Principal>,
    pub assignee_label: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub escalated_at: Option<Timestamp>,
    pub decided_by: Option<Principal>,
    pub decided_user: Option<UserId>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub decided_at: Option<Timestamp>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub effective_at: Option<Timestamp>,
    pub decision_reasons: Option<String>,
    pub actions: Option<String>,
    pub comment_to_reporter: Option<String>,
    pub comment_to_subject: Option<String>,
    pub note: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub undo_queued_at: Option<Timestamp>,
    pub appeal_text: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub appealed_at: Option<Timestamp>,
    pub appeal_by: Option<Principal>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub appeal_decided_at: Option<Timestamp>,
    pub appeal_comment: Option<String>,
    pub appeal_note: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub closed_at: Option<Timestamp>,
    pub version: i64,
    pub subject_name: String,
    pub subject_status: Status,
    /// The name of who decided last, where an error may need it.
    #[sqlx(skip)]
    #[serde(skip)]
    pub decider: Option<String>,
}

/// The outcome of claiming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claiming {
    /// A new claim, with the next fencing number.
    New { fence: i64 },
    /// The caller's own claim is renewed.
    Renewed,
}

/// The outcome of deciding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The case is decided, under this fencing number.
    Decided { fence: i64 },
    /// The same caller made the same decision before.
    Unchanged,
}

impl Case {
    /// Returns the claim that is live at `now`, as `viewer` sees it.
    pub fn claim(&self, now: Timestamp, viewer: &Principal) -> Option<Claim> {
        let expires_at = self.claim_expires_at.filter(|end| now < *end)?;
        let holder = self.claim_holder.clone()?;
        let label = self.claim_label.clone().unwrap_or_else(|| holder.named(None));
        let mine = holder == *viewer;
        Some(Claim { holder, label, mine, fence: self.fence, expires_at })
    }

    /// Returns the outcome of a claim by `who` now, or an error when they may not claim the case.
    pub fn claiming(&self, now: Timestamp, who: &Principal) -> Result<Claiming> {
        self.require_waiting()?;
        match self.claim(now, who) {
            None => Ok(Claiming::New { fence: self.fence + 1 }),
            Some(claim) if claim.mine => Ok(Claiming::Renewed),
            Some(claim) => Err(held(&claim)),
        }
    }

    /// Returns the outcome of a decision about the reports by `who` now, or an error when they may not decide. The rules of
    /// fencing numbers are those of identity checks.
    pub fn deciding(&self, now: Timestamp, who: &Principal, decision: &Deciding) -> Result<Outcome> {
        if self.repeats(who, decision) {
            return Ok(Outcome::Unchanged);
        }
        if self.status != ReportStatus::Open {
            return Err(self.in_the_way());
        }
        if let Some(wrong) = decision.verdict.actions().iter().find(|action| !action.fits(self.target_kind)) {
            let known: Vec<&str> = ReportAction::of(self.target_kind).map(ReportAction::as_str).collect();
            let detail =
                format!("{wrong} is nothing to do about a {}; it can be {}", self.target_kind, known.join(", "));
            return Err(Error::invalid("/actions", detail));
        }
        self.fenced(now, who, decision.fence)
    }

    /// Returns the outcome of a decision about the appeal by `who` now, or an error when they may not decide.
    pub fn deciding_appeal(&self, now: Timestamp, who: &Principal, verdict: &AppealVerdict) -> Result<Outcome> {
        if self.appeal_by.as_ref() == Some(who)
            && self.status == verdict.status()
            && self.appeal_comment == verdict.comment
        {
            return Ok(Outcome::Unchanged);
        }
        if self.status != ReportStatus::Appealed {
            return Err(self.in_the_way());
        }
        self.fenced(now, who, verdict.fence)
    }

    fn fenced(&self, now: Timestamp, who: &Principal, fence: Option<i64>) -> Result<Outcome> {
        let claim = self.claim(now, who);
        match (fence, claim) {
            (_, Some(claim)) if !claim.mine => Err(held(&claim)),
            (Some(fence), _) if fence == self.fence && self.claim_holder.as_ref() == Some(who) => {
                Ok(Outcome::Decided { fence })
            }
            (Some(fence), claim) => Err(Error::conflict(
                format!("the claim number {fence} is no longer the newest; claim the case again"),
                claim.map_or_else(|| self.state(), |claim| serde_json::json!(claim)),
            )),
            (None, Some(_)) => Ok(Outcome::Decided { fence: self.fence }),
            (None, None) => Ok(Outcome::Decided { fence: self.fence + 1 }),
        }
    }

    /// Returns whether there is a decision that `who` can undo now; false when it was undone before.
    pub fn undoing(&self, now: Timestamp, who: &Principal) -> Result<bool> {
        if self.status == ReportStatus::Open {
            return match self.claim(now, who) {
                Some(claim) if claim.mine => Ok(false),
                Some(claim) => Err(Error::conflict("there is no decision to undo", claim)),
                None => Err(self.in_the_way()),
            };
        }
        let Some(made) = self.decision() else { return Err(self.in_the_way()) };
        if made.by != *who {
            return Err(Error::forbidden("only who made a decision can undo it"));
        }
        if self.status != made.status {
            return Err(self.in_the_way());
        }
        if now >= made.undo_until {
            return Err(Error::conflict(
                format!("the decision took effect at {}; it cannot be undone any more", made.undo_until),
                made,
            ));
        }
        Ok(true)
    }

    /// Returns the decision about the reports, if one was made.
    pub fn decision(&self) -> Option<ReportDecision> {
        let status =
            if self.status == ReportStatus::Dismissed { ReportStatus::Dismissed } else { ReportStatus::Resolved };
        Some(ReportDecision {
            status,
            reasons: list(self.decision_reasons.as_deref()),
            actions: self.actions(),
            comment_to_reporter: self.comment_to_reporter.clone(),
            comment_to_subject: self.comment_to_subject.clone(),
            note: self.note.clone(),
            by: self.decided_by.clone()?,
            at: self.decided_at?,
            undo_until: self.effective_at?,
        })
    }

    /// Returns what was done.
    pub fn actions(&self) -> Vec<ActionTaken> {
        list(self.actions.as_deref())
    }

    /// Returns what the reports say.
    pub fn reasons(&self) -> Vec<ReportReason> {
        known(Some(&self.reasons))
    }

    /// Returns the appeal as staff see it.
    pub fn appeal(&self) -> Option<ReportAppeal> {
        let Appeal { text, at, decided_at, comment } = self.own_appeal()?;
        Some(ReportAppeal { text, at, decided_at, comment, by: self.appeal_by.clone(), note: self.appeal_note.clone() })
    }

    fn own_appeal(&self) -> Option<Appeal> {
        Some(Appeal {
            text: self.appeal_text.clone(),
            at: self.appealed_at?,
            decided_at: self.appeal_decided_at,
            comment: self.appeal_comment.clone(),
        })
    }

    /// Returns the case as a row of the queue.
    pub fn summary(&self, now: Timestamp, viewer: &Principal) -> ReportSummary {
        let claim = self.claim(now, viewer);
        ReportSummary {
            id: self.id,
            status: self.shown(now, claim.is_some()),
            target_kind: self.target_kind,
            target_id: self.target_id,
            thread_id: self.thread_id,
            subject_id: self.subject_id,
            subject_name: shown_name(&self.subject_name, self.subject_status),
            reasons: self.reasons(),
            reports: self.reports,
            opened_at: self.opened_at,
            queued_at: self.queued_at,
            closed_at: self.closed_at,
            claim,
            assignee: self.assignee.clone(),
            assignee_name: self.assignee_label.clone(),
            escalated: self.escalated_at.is_some(),
            appealed: self.appealed_at.is_some(),
            version: self.version,
        }
    }

    /// Returns the case in brief.
    pub fn brief(&self, now: Timestamp) -> ReportBrief {
        ReportBrief {
            id: self.id,
            target_kind: self.target_kind,
            status: self.shown(now, self.claim_expires_at.is_some_and(|end| now < end)),
            reasons: self.reasons(),
            actions: self.actions().into_iter().map(|taken| taken.action).collect(),
            opened_at: self.opened_at,
        }
    }

    /// Returns the decision as its subject sees it; none of a dismissal, and none before it can no longer be undone.
    pub fn own(&self, now: Timestamp) -> Option<OwnDecision> {
        let made = self.decision().filter(|made| made.undo_until <= now)?;
        if self.status == ReportStatus::Dismissed || self.status == ReportStatus::Open {
            return None;
        }
        let appeal = self.own_appeal();
        let until = made.undo_until + APPEAL;
        Some(OwnDecision {
            id: self.id,
            target_kind: self.target_kind,
            target_id: self.target_id,
            status: self.status,
            reasons: known(self.decision_reasons.as_deref()),
            actions: made.actions.into_iter().map(|taken| taken.action).collect(),
            comment: made.comment_to_subject,
            decided_at: made.at,
            appeal_until: (appeal.is_none() && now < until).then_some(until),
            appeal,
        })
    }

    fn shown(&self, now: Timestamp, claimed: bool) -> ReportStatus {
        match self.status {
            status if !status.is_waiting() => status,
            _ if claimed => ReportStatus::InReview,
            _ if self.queued_at.is_some_and(|at| now < at) => ReportStatus::Snoozed,
            status => status,
        }
    }

    /// Returns whether `who` has already made exactly this decision: repeating it, after a lost response, is harmless.
    fn repeats(&self, who: &Principal, decision: &Deciding) -> bool {
        let made = self.decision();
        made.is_some_and(|made| {
            made.by == *who
                && self.status == decision.verdict.status()
                && made.reasons == decision.verdict.reasons()
                && made.actions.iter().map(|taken| taken.action).eq(decision.verdict.actions().iter().copied())
                && made.actions.iter().find_map(|taken| taken.photo) == decision.verdict.photo()
                && made.comment_to_reporter == decision.comment_to_reporter
                && made.comment_to_subject.as_deref() == decision.verdict.comment_to_subject()
        })
    }

    /// Checks that the case waits for a decision.
    pub fn require_waiting(&self) -> Result<()> {
        if self.status.is_waiting() { Ok(()) } else { Err(self.in_the_way()) }
    }

    /// Returns who decided last: about the appeal, or about the reports.
    pub fn decided_last(&self) -> Option<&Principal> {
        self.appeal_by.as_ref().or(self.decided_by.as_ref())
    }

    /// Returns a conflict that names the decision, or the state if there is no decision.
    pub fn in_the_way(&self) -> Error {
        match self.decision() {
            Some(made) => {
                let by = self.decided_last().unwrap_or(&made.by).named(self.decider.as_deref());
                Error::conflict(format!("it is {} already, decided by {by}", self.status), made)
            }
            None => Error::conflict(format!("it is {}", self.status), self.state()),
        }
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({ "status": self.status })
    }
}

/// Returns a conflict that names who is looking at a case.
pub(super) fn held(claim: &Claim) -> Error {
    Error::conflict(format!("{} is looking at it, until {} at the latest", claim.named(), claim.expires_at), claim)
}

/// Returns a name as lists show it.
pub(super) fn shown_name(name: &str, status: Status) -> String {
    if status == Status::Deleted { name.to_owned() } else { mask_name(name) }
}

fn list<T: for<'de> Deserialize<'de>>(text: Option<&str>) -> Vec<T> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Returns a list of codes, without those of a later version.
fn known<T: std::str::FromStr>(text: Option<&str>) -> Vec<T> {
    list::<String>(text).iter().filter_map(|code| code.parse().ok()).collect()
}

/// Returns a value as it is stored.
pub(super) fn stored(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
