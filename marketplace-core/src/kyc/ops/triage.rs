//! What reviewers do with a case before its decision: skip, set aside, assign, escalate.

use super::{Record, case, lock_attempt, record, review::require_level};
use crate::{
    accounts::{self, model::Status},
    base::{
        change::Changed,
        error::{Error, Result},
        ids::{AttemptId, UserId},
        permission::{Permission, permissions},
        principal::Principal,
    },
    kyc::{
        attempt::Attempt,
        model::{KycCase, Triage, TriageAct},
        store::{self, NewTriage},
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction},
        events::{self, EventKind},
        target::TargetKind,
    },
};

/// Skips a case, sets it aside, assigns or escalates it; the change's note stands in its history. The caller's claim on it
/// ends. What is so already stays unchanged.
///
/// # Errors
/// `conflict` with the claim of somebody else, or with the decision that was made; `forbidden` about oneself, and about what was
/// escalated unless the caller is an admin; `invalid` for a time or a colleague that is not possible; `precondition_failed` at
/// another version.
pub async fn triage(op: &Operation, id: AttemptId, what: Triage) -> Result<Changed<KycCase>> {
    op.actor().require(Permission::KycWrite)?;
    let note = op.note()?;
    what.check(op.now(), note.as_deref())?;

    op.write(unit!(|op, conn| {
        let assignee = match what {
            // Locked before the attempt, as accounts always are: they keep the right to decide until this commits.
            Triage::Assign { to: Some(to) } => Some(require_reviewer(conn, to).await?),
            _ => None,
        };
        let mut attempt = lock_attempt(&op, conn, id).await?;
        op.actor().require_other(attempt.user_id)?;
        op.check_version(attempt.version)?;
        require_level(&op, &attempt)?;
        let caller = op.actor().principal();
        attempt.require_free(op.now(), &caller, what)?;
        if assignee == Some(attempt.user_id) {
            return Err(Error::invalid("/to", "nobody decides about their own account"));
        }
        let changed = if what == Triage::Skip {
            skip(&op, conn, &attempt, &caller).await?
        } else if let Some(placed) = attempt.placed(op.now(), &caller, what) {
            store::place(conn, id, &placed).await?;
            true
        } else {
            false
        };
        if changed {
            tell(&op, conn, &attempt, what, note.as_deref()).await?;
            attempt = store::get(conn, id).await?;
        }
        Ok(Changed { changed, item: case(&op, conn, &attempt).await? })
    }))
    .await
}

/// Returns the account of somebody who may decide identity checks, locked.
async fn require_reviewer(conn: &mut Conn<'_>, id: UserId) -> Result<UserId> {
    let account = accounts::store::lock(conn, id).await?;
    let may = |role| permissions(role).contains(&Permission::KycWrite);
    match account.filter(|account| account.status == Status::Active && may(account.role)) {
        Some(account) => Ok(account.id),
        None => Err(Error::invalid("/to", "must be an active member of staff who may decide identity checks")),
    }
}

/// Puts a case behind the others for the caller, and ends their claim. Returns whether that changed anything.
async fn skip(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, caller: &Principal) -> Result<bool> {
    let is_held = attempt.claim(op.now(), caller).is_some_and(|claim| claim.mine);
    if !is_held && store::is_skipped(conn, attempt.id, caller).await? {
        return Ok(false);
    }
    store::skip(conn, attempt.id, caller).await?;
    if is_held {
        store::clear_claim(conn, attempt.id).await?;
    }
    Ok(true)
}

/// Appends the row of the history, the audit row and the event.
async fn tell(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, what: Triage, note: Option<&str>) -> Result<()> {
    let (action, until, assigned_to) = match what {
        Triage::Skip => (AuditAction::KycSkip, None, None),
        Triage::Snooze { until } => (AuditAction::KycSnooze, until, None),
        Triage::Assign { to } => (AuditAction::KycAssign, None, to),
        Triage::Escalate => (AuditAction::KycEscalate, None, None),
    };
    let by = &op.actor().principal();
    store::append(conn, attempt.id, op.now(), &NewTriage { act: what.act(), by, until, assigned_to, note }).await?;
    events::append(op, conn, EventKind::KycTriaged, &attempt.id.to_string(), Some(attempt.user_id)).await?;
    let (user, number) = (attempt.user_id, attempt.number);
    let metadata = match what {
        Triage::Snooze { until } => serde_json::json!({ "user": user, "number": number, "until": until }),
        Triage::Assign { to } => serde_json::json!({ "user": user, "number": number, "to": to }),
        Triage::Skip | Triage::Escalate => serde_json::json!({ "user": user, "number": number }),
    };
    let entry = audit::Entry {
        action,
        target_kind: TargetKind::Attempt,
        target: attempt.id.to_string(),
        reason: None,
        metadata,
    };
    audit::append(op, conn, entry).await.map(drop)
}

/// Ends what somebody holds who loses the right to decide: their claims, with those of their tokens, and unless they only lose
/// a part of their rights, what was given to them. Each case is back in the queue at once, and its history says so.
pub(crate) async fn end_rights(
    op: &Operation,
    conn: &mut Conn<'_>,
    user: UserId,
    tokens: Vec<Principal>,
    is_assignable: bool,
) -> Result<()> {
    let by = &op.actor().principal();
    let holders: Vec<Principal> = tokens.into_iter().chain([Principal::user(user)]).collect();
    end_claims(op, conn, &holders).await?;
    if !is_assignable {
        store::unassign(conn, user, by, op.now()).await?;
    }
    Ok(())
}

/// Ends what these hold, who can no longer go on with it: each case is back in the queue at once, and its history says so.
pub(crate) async fn end_claims(op: &Operation, conn: &mut Conn<'_>, holders: &[Principal]) -> Result<()> {
    let by = &op.actor().principal();
    for holder in holders {
        for id in store::held_by(conn, holder, op.now()).await? {
            let attempt = store::get(conn, id).await?;
            store::clear_claim(conn, id).await?;
            let row = NewTriage { act: TriageAct::Returned, by, until: None, assigned_to: None, note: None };
            store::append(conn, id, op.now(), &row).await?;
            let what = Record {
                action: AuditAction::KycRelease,
                event: EventKind::KycReleased,
                reason: None,
                fence: attempt.fence,
            };
            record(op, conn, &attempt, what).await?;
        }
    }
    Ok(())
}
