//! A stored attempt, and the actions that are possible with it at a point in time. Pure: no SQL, no I/O.
//!
//! A claim is live until its end passes; nothing has to run for it to end. An attempt that is stored as `pending` is
//! shown as `in_review` while a claim is live.

use serde::{Deserialize, Serialize};

use super::model::{
    Assignee, AttemptBrief, Claim, Decision, DecisionKind, DecisionMade, DocumentType, KycReason, KycSummary,
    OwnAttempt, Triage,
};
use crate::{
    accounts::model::{Status, mask_name},
    base::{
        error::{Error, Result},
        ids::{AttemptId, UserId},
        principal::Principal,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    platform::db::json,
};

/// A row of `kyc_attempts` with the name and status of its user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow, Deserialize)]
pub(super) struct Attempt {
    pub id: AttemptId,
    pub user_id: UserId,
    pub number: i64,
    pub document_type: DocumentType,
    pub status: KycStatus,
    #[serde(deserialize_with = "json::micros")]
    pub submitted_at: Timestamp,
    pub claim_holder: Option<Principal>,
    pub claim_label: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub claim_expires_at: Option<Timestamp>,
    pub fence: i64,
    pub decided_by: Option<Principal>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub decided_at: Option<Timestamp>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub effective_at: Option<Timestamp>,
    pub reasons: Option<String>,
    pub comment: Option<String>,
    pub note: Option<String>,
    pub undo: Option<String>,
    pub version: i64,
    #[serde(deserialize_with = "json::opt_micros")]
    pub files_deleted_at: Option<Timestamp>,
    pub name: String,
    pub user_status: Status,
    #[serde(deserialize_with = "json::opt_micros")]
    pub snoozed_until: Option<Timestamp>,
    pub assigned_to: Option<UserId>,
    #[serde(deserialize_with = "json::opt_micros")]
    pub escalated_at: Option<Timestamp>,
    pub assignee_name: Option<String>,
    /// Since when the claim is held, or was held under which it was decided.
    #[serde(deserialize_with = "json::opt_micros")]
    pub claimed_at: Option<Timestamp>,
    /// The name of who decided it, where an error may need it.
    #[sqlx(skip)]
    #[serde(skip)]
    pub decider: Option<String>,
}

/// The lane of the cases that anybody may take.
pub(super) const OPEN: &str = "open";
/// The lane of the cases that wait for an admin.
pub(super) const ESCALATED: &str = "escalated";
/// The lane of the cases that are set aside.
pub(super) const SNOOZED: &str = "snoozed";

/// Returns the lane of the cases that were given to somebody.
pub(super) fn lane_of(user: UserId) -> String {
    Principal::user(user).0
}

/// Returns the lane of a case that is not set aside.
pub(super) fn lane(assigned_to: Option<UserId>, escalated: bool) -> String {
    match assigned_to {
        Some(user) => lane_of(user),
        None if escalated => ESCALATED.into(),
        None => OPEN.into(),
    }
}

/// What is to be stored of a case that was set aside, given to somebody, or taken up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub snoozed_until: Option<Timestamp>,
    pub assigned_to: Option<UserId>,
    pub escalated_at: Option<Timestamp>,
}

impl Placed {
    /// Returns the lane that follows.
    pub fn lane(&self) -> String {
        if self.snoozed_until.is_some() {
            return SNOOZED.into();
        }
        lane(self.assigned_to, self.escalated_at.is_some())
    }
}

/// The columns of an account that belong to its identity check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UserKyc {
    pub status: KycStatus,
    pub prior: KycStatus,
    pub effective_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

/// The data that an undo restores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Undo {
    /// The account's identity check before the decision.
    pub user: UserKyc,
    /// The approval that was revoked; `None` when the attempt was open.
    pub approval: Option<DecisionMade>,
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
pub(super) enum Deciding {
    /// The attempt is decided, under this fencing number.
    Decided { fence: i64 },
    /// The same caller made the same decision before.
    Unchanged,
}

/// The outcome of undoing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undoing {
    /// The decision is undone.
    Undone(Box<Undo>),
    /// The decision was undone before.
    Unchanged,
}

impl Attempt {
    /// Returns the claim that is live at `now`, as `viewer` sees it.
    pub fn claim(&self, now: Timestamp, viewer: &Principal) -> Option<Claim> {
        let expires_at = self.claim_expires_at.filter(|end| now < *end)?;
        let holder = self.claim_holder.clone()?;
        let label = self.claim_label.clone().unwrap_or_else(|| holder.named(None));
        let mine = holder == *viewer;
        Some(Claim { holder, label, mine, fence: self.fence, expires_at })
    }

    /// Returns the outcome of a claim by `who` now, or an error when they may not claim the attempt.
    pub fn claiming(&self, now: Timestamp, who: &Principal) -> Result<Claiming> {
        self.require_open()?;
        match self.claim(now, who) {
            None => Ok(Claiming::New { fence: self.fence + 1 }),
            Some(claim) if claim.mine => Ok(Claiming::Renewed),
            Some(claim) => Err(held(&claim)),
        }
    }

    /// Returns the outcome of a decision by `who` now, or an error when they may not decide.
    ///
    /// A fencing number is valid for as long as nobody else has claimed the attempt since, even after the claim's end:
    /// only the newest claim has it. Without a number, the caller's own claim counts, or a new one if nobody holds the
    /// attempt.
    pub fn deciding(&self, now: Timestamp, who: &Principal, decision: &Decision) -> Result<Deciding> {
        if self.repeats(who, decision) {
            return Ok(Deciding::Unchanged);
        }
        if decision.kind == DecisionKind::Revoke {
            if self.status != KycStatus::Approved {
                return Err(self.in_the_way());
            }
            if self.effective_at.is_some_and(|at| now < at) {
                return Err(Error::conflict(
                    "the approval can still be undone by its maker; revoke it once it has taken effect",
                    self.decision(),
                ));
            }
            return match decision.fence {
                Some(fence) if fence != self.fence => Err(self.in_the_way()),
                _ => Ok(Deciding::Decided { fence: self.fence }),
            };
        }
        self.require_open()?;
        let claim = self.claim(now, who);
        match (decision.fence, claim) {
            (_, Some(claim)) if !claim.mine => Err(held(&claim)),
            (Some(fence), _) if fence == self.fence && self.claim_holder.as_ref() == Some(who) => {
                Ok(Deciding::Decided { fence })
            }
            (Some(fence), claim) => Err(Error::conflict(
                format!("the claim number {fence} is no longer the newest; claim the attempt again"),
                claim.map_or_else(|| self.state(), |claim| serde_json::json!(claim)),
            )),
            (None, Some(_)) => Ok(Deciding::Decided { fence: self.fence }),
            (None, None) => Ok(Deciding::Decided { fence: self.fence + 1 }),
        }
    }

    /// Returns the outcome of an undo by `who` now, or an error when they may not undo the decision.
    pub fn undoing(&self, now: Timestamp, who: &Principal) -> Result<Undoing> {
        let (Some(made), Some(undo)) = (self.decision(), &self.undo) else {
            return match self.claim(now, who) {
                Some(claim) if claim.mine && self.status.is_open() => Ok(Undoing::Unchanged),
                Some(claim) => Err(Error::conflict("there is no decision to undo", claim)),
                None => Err(self.in_the_way()),
            };
        };
        if made.by != *who {
            return Err(Error::forbidden("only who made a decision can undo it"));
        }
        if now >= made.undo_until {
            return Err(Error::conflict(
                format!("the decision took effect at {}; it cannot be undone any more", made.undo_until),
                made,
            ));
        }
        serde_json::from_str(undo).map(|undo| Undoing::Undone(Box::new(undo))).map_err(|error| {
            Error::internal(format!("kyc_attempts: the undo of attempt {} does not parse: {error}", self.id))
        })
    }

    /// Returns the lane that the attempt is in, or returns to once it is no longer set aside.
    pub fn lane(&self) -> String {
        lane(self.assigned_to, self.escalated_at.is_some())
    }

    /// Checks that `who` may do something with the case before its decision: it is open, and no colleague holds it. Whether
    /// a colleague holds it makes no difference to a skip, which concerns only whoever skips.
    pub fn require_free(&self, now: Timestamp, who: &Principal, triage: Triage) -> Result<()> {
        self.require_open()?;
        match self.claim(now, who) {
            Some(claim) if !claim.mine && triage != Triage::Skip => Err(held(&claim)),
            _ => Ok(()),
        }
    }

    /// Returns what is to be stored after `triage` by `who`; none when nothing changes. Their claim ends, which is a change too.
    pub fn placed(&self, now: Timestamp, who: &Principal, triage: Triage) -> Option<Placed> {
        let before = Placed {
            snoozed_until: self.snoozed_until.filter(|until| now < *until),
            assigned_to: self.assigned_to,
            escalated_at: self.escalated_at,
        };
        let after = match triage {
            Triage::Skip => before.clone(),
            Triage::Snooze { until } => Placed { snoozed_until: until, ..before.clone() },
            Triage::Assign { to } => Placed { snoozed_until: None, assigned_to: to, escalated_at: None },
            Triage::Escalate => {
                Placed { snoozed_until: None, assigned_to: None, escalated_at: Some(self.escalated_at.unwrap_or(now)) }
            }
        };
        (after != before || self.claim(now, who).is_some()).then_some(after)
    }

    /// Returns the decision, if one was made.
    pub fn decision(&self) -> Option<DecisionMade> {
        Some(DecisionMade {
            status: self.status,
            reasons: self.reasons(),
            comment: self.comment.clone(),
            note: self.note.clone(),
            by: self.decided_by.clone()?,
            at: self.decided_at?,
            undo_until: self.effective_at?,
        })
    }

    /// Returns the attempt as a row of the queue.
    pub fn summary(&self, now: Timestamp, viewer: &Principal) -> KycSummary {
        let claim = self.claim(now, viewer);
        KycSummary {
            id: self.id,
            user_id: self.user_id,
            name: if self.user_status == Status::Deleted { self.name.clone() } else { mask_name(&self.name) },
            number: self.number,
            document_type: self.document_type,
            status: self.shown(claim.is_some()),
            submitted_at: self.submitted_at,
            decided_at: self.decided_at,
            claim,
            snoozed_until: self.snoozed_until.filter(|until| now < *until),
            assignee: self.assigned_to.map(|id| Assignee { id, name: self.assignee_name.clone().unwrap_or_default() }),
            escalated_at: self.escalated_at.filter(|_| self.status.is_open()),
            version: self.version,
        }
    }

    /// Returns the attempt in brief, for staff.
    pub fn brief(&self, now: Timestamp) -> AttemptBrief {
        AttemptBrief {
            id: self.id,
            number: self.number,
            document_type: self.document_type,
            status: self.shown(self.claim_expires_at.is_some_and(|end| now < end)),
            submitted_at: self.submitted_at,
            decision: self.decision(),
        }
    }

    /// Returns the attempt as its subject sees it: a decision is shown once it can no longer be undone, and a claim
    /// never.
    pub fn own(&self, now: Timestamp) -> OwnAttempt {
        let effective = self.effective_at.is_none_or(|at| at <= now);
        let before = match self.undo.as_deref().map(serde_json::from_str::<Undo>) {
            Some(Ok(Undo { approval: Some(_), .. })) => KycStatus::Approved,
            _ => KycStatus::Pending,
        };
        OwnAttempt {
            id: self.id,
            number: self.number,
            document_type: self.document_type,
            status: if effective { self.status } else { before },
            submitted_at: self.submitted_at,
            reasons: if effective { self.reasons() } else { Vec::new() },
            comment: if effective { self.comment.clone() } else { None },
        }
    }

    fn shown(&self, claimed: bool) -> KycStatus {
        if claimed && self.status == KycStatus::Pending { KycStatus::InReview } else { self.status }
    }

    fn reasons(&self) -> Vec<KycReason> {
        // This program writes the codes from the enum; a code that a later version added and this one does not know is
        // left out.
        let codes: Vec<String> =
            self.reasons.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        codes.iter().filter_map(|code| code.parse().ok()).collect()
    }

    /// Returns whether `who` has already made exactly this decision: repeating it, after a lost response, is harmless.
    fn repeats(&self, who: &Principal, decision: &Decision) -> bool {
        self.decided_by.as_ref() == Some(who)
            && self.status == decision.kind.status()
            && self.reasons() == decision.reasons
            && self.comment == decision.comment
    }

    fn require_open(&self) -> Result<()> {
        if self.status.is_open() { Ok(()) } else { Err(self.in_the_way()) }
    }

    /// Returns a conflict that names the decision, or the state if there is no decision.
    fn in_the_way(&self) -> Error {
        match self.decision() {
            Some(made) => {
                let by = made.by.named(self.decider.as_deref());
                Error::conflict(format!("it is {} already, decided by {by}", made.status), made)
            }
            None => Error::conflict(format!("it is {}", self.status), self.state()),
        }
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({ "status": self.status })
    }
}

fn held(claim: &Claim) -> Error {
    Error::conflict(format!("{} is looking at it, until {} at the latest", claim.named(), claim.expires_at), claim)
}

#[cfg(test)]
mod tests;
