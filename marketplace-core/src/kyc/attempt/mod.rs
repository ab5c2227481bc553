//! A stored attempt, and what may be done with it at a point in time. Pure: no SQL, no I/O.
//!
//! A claim is live until its end passes; nothing has to run for it to end. What is stored as `pending` shows as
//! `in_review` while a claim is live.

use serde::{Deserialize, Serialize};

use super::model::{
    AttemptBrief, Claim, Decision, DecisionKind, DecisionMade, DocumentType, KycReason, KycSummary, OwnAttempt,
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
};

/// A row of `kyc_attempts` with the name and status of its user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow)]
pub(super) struct Attempt {
    pub id: AttemptId,
    pub user_id: UserId,
    pub number: i64,
    pub document_type: DocumentType,
    pub status: KycStatus,
    pub submitted_at: Timestamp,
    pub claim_holder: Option<Principal>,
    pub claim_label: Option<String>,
    pub claim_expires_at: Option<Timestamp>,
    pub fence: i64,
    pub decided_by: Option<Principal>,
    pub decided_at: Option<Timestamp>,
    pub effective_at: Option<Timestamp>,
    pub reasons: Option<String>,
    pub comment: Option<String>,
    pub note: Option<String>,
    pub undo: Option<String>,
    pub version: i64,
    pub files_deleted_at: Option<Timestamp>,
    pub name: String,
    pub user_status: Status,
}

/// The identity check's columns of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UserKyc {
    pub status: KycStatus,
    pub prior: KycStatus,
    pub effective_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

/// What an undo restores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Undo {
    /// The account as it was.
    pub user: UserKyc,
    /// The approval that was revoked; none when the attempt was open.
    pub approval: Option<DecisionMade>,
}

/// What claiming leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claiming {
    /// A new claim, with the next fencing number.
    New { fence: i64 },
    /// The caller's own claim goes on.
    Renewed,
}

/// What deciding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deciding {
    /// It is decided, under this fencing number.
    Decided { fence: i64 },
    /// The same caller decided the same before.
    Unchanged,
}

/// What undoing leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undoing {
    /// It is taken back.
    Undone(Box<Undo>),
    /// It was taken back before.
    Unchanged,
}

impl Attempt {
    /// The claim that is live at `now`, as `viewer` sees it.
    pub fn claim(&self, now: Timestamp, viewer: &Principal) -> Option<Claim> {
        let expires_at = self.claim_expires_at.filter(|end| now < *end)?;
        let holder = self.claim_holder.clone()?;
        let label = self.claim_label.clone().unwrap_or_else(|| holder.to_string());
        let mine = holder == *viewer;
        Some(Claim { holder, label, mine, fence: self.fence, expires_at })
    }

    /// `Err` with the current version unless it is the one asked for.
    pub fn check_version(&self, if_version: Option<i64>) -> Result<()> {
        match if_version {
            Some(version) if version != self.version => Err(Error::stale(self.version)),
            _ => Ok(()),
        }
    }

    /// Whether `who` may claim it now.
    pub fn claiming(&self, now: Timestamp, who: &Principal) -> Result<Claiming> {
        self.require_open()?;
        match self.claim(now, who) {
            None => Ok(Claiming::New { fence: self.fence + 1 }),
            Some(claim) if claim.mine => Ok(Claiming::Renewed),
            Some(claim) => Err(held(&claim)),
        }
    }

    /// Whether `who` may decide this now.
    ///
    /// A fencing number holds as long as nobody else has claimed since, even when the claim's time is over: only the
    /// newest claim has it. Without a number the caller's own claim counts, or a new one if nobody holds the attempt.
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

    /// Whether `who` may take the decision back now.
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

    /// The decision that was made, if one was.
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

    /// The row of the queue.
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
            version: self.version,
        }
    }

    /// In brief, for staff.
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

    /// As its subject sees it: a decision shows once it cannot be undone any more, and a claim never.
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
        // Written by us from the enum; a code that a later version knows and this one does not is left out.
        let codes: Vec<String> =
            self.reasons.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        codes.iter().filter_map(|code| code.parse().ok()).collect()
    }

    /// Whether `who` decided exactly this already: repeating it, after a lost answer, is harmless.
    fn repeats(&self, who: &Principal, decision: &Decision) -> bool {
        self.decided_by.as_ref() == Some(who)
            && self.status == decision.kind.status()
            && self.reasons() == decision.reasons
            && self.comment == decision.comment
    }

    fn require_open(&self) -> Result<()> {
        if self.status.is_open() { Ok(()) } else { Err(self.in_the_way()) }
    }

    /// The conflict with the decision that was made, or with the state if none was.
    fn in_the_way(&self) -> Error {
        match self.decision() {
            Some(made) => Error::conflict(format!("it is {} already, decided by {}", made.status, made.by), made),
            None => Error::conflict(format!("it is {}", self.status), self.state()),
        }
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({ "status": self.status })
    }
}

fn held(claim: &Claim) -> Error {
    Error::conflict(format!("{} is looking at it, until {} at the latest", claim.label, claim.expires_at), claim)
}

#[cfg(test)]
mod tests;
