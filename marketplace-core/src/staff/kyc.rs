//! The queue of identity checks.

use serde::{Deserialize, Serialize};

use super::{
    connection::Connection,
    input::PlainInput,
    operation::{FileOf, ListQuery},
};
use crate::{
    base::{
        change::{Change, Changed},
        error::Result,
        ids::{AttemptId, UserId},
        page::Page,
        time::Timestamp,
    },
    kyc::{
        self,
        model::{Decision, DecisionKind, FileContent, KycCase, KycFilter, KycReason, KycSummary, Triage},
    },
};

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecisionInput {
    /// The claim's fencing number; without one the attempt is claimed and decided at once, if nobody else holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<i64>,
    /// Why; at least one unless approving.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<KycReason>,
    /// What the worker is told, at most 1,000 characters. Without one, the reasons' templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What only staff see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the attempt is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// Until when a case is set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SnoozeInput {
    /// Until when, at most 30 days away. Without it, the case is back in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the attempt is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// To whom a case is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AssignInput {
    /// A member of staff who may decide identity checks. Without it, the case is for everybody again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the attempt is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

bodies! {
    DecisionInput: note dry_run if_version;
    SnoozeInput: note dry_run if_version;
    AssignInput: note dry_run if_version;
}

impl DecisionInput {
    /// Returns a decision as a body; its kind is the operation.
    pub fn new(decision: Decision, change: Change) -> Self {
        let Decision { kind: _, fence, reasons, comment } = decision;
        let Change { note, dry_run, if_version, .. } = change;
        Self { fence, reasons, comment, note, dry_run, if_version }
    }

    fn decision(self, kind: DecisionKind) -> Decision {
        Decision { kind, fence: self.fence, reasons: self.reasons, comment: self.comment }
    }
}

operations! { "admin kyc":
    /// The caller's queue, oldest first; decided attempts, newest first, when a decided status is asked for.
    ListAttempts = GET "/v1/admin/kyc" needs KycRead,
    (op, (): (), list: ListQuery<KycFilter>, (): ()) -> Page<KycSummary> as "A page" {
        kyc::list(op, &list.filter, &list.page).await
    }

    /// Claim the next attempt that nobody holds: first what was given to the caller, then what was escalated if they are an admin,
    /// then the oldest; what they skipped comes last. `null` when the queue is empty.
    ClaimNextAttempt = POST "/v1/admin/kyc/next" needs KycWrite,
    (op, (): (), (): (), _: Change) -> Option<KycCase> as "The attempt, claimed" {
        kyc::next(op).await
    }

    /// One attempt with all that is needed to decide. Renews the caller's own claim.
    ShowAttempt = GET "/v1/admin/kyc/{id}" needs KycRead,
    (op, id: AttemptId, (): (), (): ()) -> KycCase as "The attempt"
    with { const VERSION: Option<fn(&KycCase) -> i64> = Some(|case| case.attempt.version); } {
        kyc::show(op, id).await
    }

    /// One file. Audited before the first byte leaves.
    ViewAttemptFile = GET "/v1/admin/kyc/{id}/files/{kind}" needs KycRead,
    (op, of: FileOf<AttemptId>, (): (), (): ()) -> FileContent as "The file" {
        kyc::file(op, of.0, of.1).await
    }

    /// Claim an attempt for 10 minutes, or renew one's claim.
    ClaimAttempt = POST "/v1/admin/kyc/{id}/claim" needs KycWrite,
    (op, id: AttemptId, (): (), _: Change) -> Changed<KycCase> as "Claimed" {
        kyc::claim(op, id).await
    }

    /// Give one's claim back to the queue.
    ReleaseAttempt = POST "/v1/admin/kyc/{id}/release" needs KycWrite,
    (op, id: AttemptId, (): (), _: Change) -> Changed<KycCase> as "Released" {
        kyc::release(op, id).await
    }

    /// Put a case behind the others, for the caller alone; their claim on it ends.
    SkipAttempt = POST "/v1/admin/kyc/{id}/skip" needs KycWrite,
    (op, id: AttemptId, (): (), _: PlainInput) -> Changed<KycCase> as "Skipped" {
        kyc::triage(op, id, Triage::Skip).await
    }

    /// Set a case aside until a time, when it comes back by itself; the caller's claim on it ends.
    SnoozeAttempt = POST "/v1/admin/kyc/{id}/snooze" needs KycWrite,
    (op, id: AttemptId, (): (), input: SnoozeInput) -> Changed<KycCase> as "Set aside" {
        kyc::triage(op, id, Triage::Snooze { until: input.until }).await
    }

    /// Give a case to a colleague, to whom it comes first and to others not; the caller's claim on it ends.
    AssignAttempt = POST "/v1/admin/kyc/{id}/assign" needs KycWrite,
    (op, id: AttemptId, (): (), input: AssignInput) -> Changed<KycCase> as "Given" {
        kyc::triage(op, id, Triage::Assign { to: input.to }).await
    }

    /// Give a case to the admins, with a note; the caller's claim on it ends. An admin can assign it again.
    EscalateAttempt = POST "/v1/admin/kyc/{id}/escalate" needs KycWrite,
    (op, id: AttemptId, (): (), _: PlainInput) -> Changed<KycCase> as "Escalated" {
        kyc::triage(op, id, Triage::Escalate).await
    }

    /// Approve.
    ApproveAttempt = POST "/v1/admin/kyc/{id}/approve" needs KycWrite,
    (op, id: AttemptId, (): (), input: DecisionInput) -> Changed<KycCase> as "Decided" {
        kyc::decide(op, id, &input.decision(DecisionKind::Approve)).await
    }

    /// Ask for another attempt.
    RetryAttempt = POST "/v1/admin/kyc/{id}/retry" needs KycWrite,
    (op, id: AttemptId, (): (), input: DecisionInput) -> Changed<KycCase> as "Decided" {
        kyc::decide(op, id, &input.decision(DecisionKind::Retry)).await
    }

    /// Refuse for good.
    RejectAttempt = POST "/v1/admin/kyc/{id}/reject" needs KycWrite,
    (op, id: AttemptId, (): (), input: DecisionInput) -> Changed<KycCase> as "Decided" {
        kyc::decide(op, id, &input.decision(DecisionKind::Reject)).await
    }

    /// Take an approval back.
    RevokeApproval = POST "/v1/admin/kyc/{id}/revoke" needs KycWrite,
    (op, id: AttemptId, (): (), input: DecisionInput) -> Changed<KycCase> as "Decided" {
        kyc::decide(op, id, &input.decision(DecisionKind::Revoke)).await
    }

    /// Take one's own decision back, within 10 s of it.
    UndoDecision = POST "/v1/admin/kyc/{id}/undo" needs KycWrite,
    (op, id: AttemptId, (): (), _: Change) -> Changed<KycCase> as "Undone" {
        kyc::undo(op, id).await
    }
}

/// Does something with a case before its decision that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn triage(connection: &Connection, id: AttemptId, what: Triage, change: Change) -> Result<Changed<KycCase>> {
    let Change { note, dry_run, if_version, .. } = change;
    let plain = PlainInput { note: note.clone(), dry_run, if_version };
    match what {
        Triage::Skip => connection.call::<SkipAttempt>(id, (), plain).await,
        Triage::Snooze { until } => {
            connection.call::<SnoozeAttempt>(id, (), SnoozeInput { until, note, dry_run, if_version }).await
        }
        Triage::Assign { to } => {
            connection.call::<AssignAttempt>(id, (), AssignInput { to, note, dry_run, if_version }).await
        }
        Triage::Escalate => connection.call::<EscalateAttempt>(id, (), plain).await,
    }
}

/// Makes a decision of a kind that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn decide(
    connection: &Connection,
    id: AttemptId,
    decision: Decision,
    change: Change,
) -> Result<Changed<KycCase>> {
    let (kind, input) = (decision.kind, DecisionInput::new(decision, change));
    match kind {
        DecisionKind::Approve => connection.call::<ApproveAttempt>(id, (), input).await,
        DecisionKind::Retry => connection.call::<RetryAttempt>(id, (), input).await,
        DecisionKind::Reject => connection.call::<RejectAttempt>(id, (), input).await,
        DecisionKind::Revoke => connection.call::<RevokeApproval>(id, (), input).await,
    }
}
