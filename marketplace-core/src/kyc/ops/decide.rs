//! Decisions, and undoing them.

use std::time::Duration;

use super::{
    Notice, Record, case, lock_account, lock_attempt, mail_subject, notify, record,
    review::{require_level, set_claim},
    set_standing, tell,
};
use crate::{
    accounts::model::Account,
    base::{
        change::Changed,
        error::{Error, Result},
        ids::AttemptId,
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    kyc::{
        attempt::{Attempt, Deciding, Undo, Undoing, UserKyc},
        model::{Decision, DecisionKind, DecisionMade, KycCase, UNDO},
        status::KycStatus,
        store::{self, Decided},
    },
    notifications,
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::AuditAction,
        events::EventKind,
        mail::{self, Template},
        series::{self, Happened, SeriesKind},
        webhooks,
    },
};

/// Approves, asks again, rejects or revokes. The change's note is the internal one.
///
/// Takes effect after [`UNDO`]: until then the worker and the public see the state before, and the mail waits. The same
/// decision again by its maker changes nothing.
///
/// # Errors
/// `conflict` with the claim of somebody else, with the newer state when the fencing number is old, or with the
/// decision that was made; `forbidden` about oneself; `precondition_failed` at another version.
pub async fn decide(op: &Operation, id: AttemptId, decision: &Decision) -> Result<Changed<KycCase>> {
    op.actor().require(Permission::KycWrite)?;
    let decision = decision.clone().checked()?;
    let note = op.note()?;

    op.write(unit!(|op, conn| {
        let subject = store::subject(conn, id).await?;
        op.actor().require_other(subject)?;
        let account = lock_account(conn, subject).await?;
        let mut attempt = lock_attempt(&op, conn, id).await?;
        op.check_version(attempt.version)?;
        require_level(&op, &attempt)?;
        let changed = match attempt.deciding(op.now(), &op.actor().principal(), &decision)? {
            Deciding::Unchanged => false,
            Deciding::Decided { fence } => {
                if decision.kind == DecisionKind::Revoke {
                    require_current_approval(conn, op.now(), &account, &attempt).await?;
                }
                apply(&op, conn, &account, &attempt, CheckedDecision { decision, note, fence }).await?;
                attempt = store::get(conn, id).await?;
                true
            }
        };
        Ok(Changed { changed, item: case(&op, conn, &attempt).await? })
    }))
    .await
}

/// A decision that passed the checks.
struct CheckedDecision {
    decision: Decision,
    note: Option<String>,
    fence: i64,
}

/// Checks that an approval can be revoked: it is the user's newest attempt, and has not expired.
async fn require_current_approval(
    conn: &mut Conn<'_>,
    now: Timestamp,
    account: &Account,
    attempt: &Attempt,
) -> Result<()> {
    if store::latest(conn, attempt.user_id).await? != Some(attempt.id) {
        return Err(Error::conflict("the user has submitted a newer attempt", attempt.decision()));
    }
    match account.visible_kyc(now) {
        KycStatus::Approved => Ok(()),
        status => Err(Error::conflict(
            format!("the approval does not hold any more: it is {status}"),
            serde_json::json!({ "status": status }),
        )),
    }
}

async fn apply(
    op: &Operation,
    conn: &mut Conn<'_>,
    account: &Account,
    attempt: &Attempt,
    made: CheckedDecision,
) -> Result<()> {
    let now = op.now();
    let effective_at = now + UNDO;
    let CheckedDecision { decision, note, fence } = made;
    let status = decision.kind.status();
    let before = UserKyc {
        status: account.kyc_status,
        prior: account.kyc_prior,
        effective_at: account.kyc_effective_at,
        expires_at: account.kyc_expires_at,
    };
    let undo = Undo { user: before, approval: attempt.decision() };
    let decided = Decided {
        by: Some(op.actor().principal()),
        at: Some(now),
        effective_at: Some(effective_at),
        reasons: Some(json(&decision.reasons)?),
        comment: decision.comment.clone(),
        note,
        undo: Some(json(&undo)?),
    };
    store::set_decision(conn, attempt, status, fence, decided).await?;
    let held = attempt.claim_holder.as_ref() == Some(&op.actor().principal()) && decision.kind != DecisionKind::Revoke;
    let claimed_at = attempt.claimed_at.filter(|_| held && attempt.fence == fence);
    store::set_claimed_at(conn, attempt.id, claimed_at).await?;
    count(conn, attempt, status, &op.actor().principal(), (now, claimed_at), 1).await?;
    let days = u64::from(op.config.retention.kyc_approval_days);
    let after = UserKyc {
        status,
        prior: account.kyc_status,
        effective_at: Some(effective_at),
        expires_at: (status == KycStatus::Approved).then(|| effective_at + Duration::from_secs(days * 86_400)),
    };
    set_standing(conn, account.id, after, now).await?;
    let (template, action) = match decision.kind {
        DecisionKind::Approve => (Template::KycApproved, AuditAction::KycApprove),
        DecisionKind::Retry => (Template::KycRetry, AuditAction::KycRetry),
        DecisionKind::Reject => (Template::KycRejected, AuditAction::KycReject),
        DecisionKind::Revoke => (Template::KycRevoked, AuditAction::KycRevoke),
    };
    let notice = Notice { attempt: attempt.id, template, comment: decision.comment, not_before: effective_at };
    notify(op, conn, account, notice).await?;
    tell(op, conn, attempt, status, effective_at).await?;
    let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
    let reason = (!codes.is_empty()).then(|| codes.join(","));
    record(op, conn, attempt, Record { action, event: EventKind::KycDecided, reason, fence }).await
}

/// Counts a decision, or one that is taken back: what it was, how long the person waited, and how long the reviewer took.
async fn count(
    conn: &mut Conn<'_>,
    attempt: &Attempt,
    status: KycStatus,
    who: &Principal,
    (at, claimed_at): (Timestamp, Option<Timestamp>),
    by: i64,
) -> Result<()> {
    let happened = Happened { at, who: Some(who), to: attempt.id.0, by };
    let kind = match status {
        KycStatus::Approved => SeriesKind::KycApproved,
        KycStatus::Retry => SeriesKind::KycRetry,
        KycStatus::Rejected => SeriesKind::KycRejected,
        // Nothing waits for a revocation.
        _ => return series::count(conn, SeriesKind::KycRevoked, happened).await,
    };
    series::count(conn, kind, happened).await?;
    if by < 0 {
        let undone = Happened { by: 1, ..happened };
        series::count(conn, SeriesKind::KycUndone, undone).await?;
    }
    series::measure(conn, SeriesKind::KycWaited, at.since(attempt.submitted_at), happened).await?;
    match claimed_at {
        Some(claimed_at) => series::measure(conn, SeriesKind::KycWorked, at.since(claimed_at), happened).await,
        None => Ok(()),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// Takes the caller's own decision back within [`UNDO`]: the attempt is claimed by them again, under a new fencing number,
/// or approved again after a revocation. The mail is never sent.
///
/// # Errors
/// `conflict` with the decision once it has taken effect, or when there is none; `forbidden` for another's.
pub async fn undo(op: &Operation, id: AttemptId) -> Result<Changed<KycCase>> {
    op.actor().require(Permission::KycWrite)?;

    op.write(unit!(|op, conn| {
        let subject = store::subject(conn, id).await?;
        op.actor().require_other(subject)?;
        lock_account(conn, subject).await?;
        let mut attempt = lock_attempt(&op, conn, id).await?;
        op.check_version(attempt.version)?;
        let changed = match attempt.undoing(op.now(), &op.actor().principal())? {
            Undoing::Unchanged => false,
            Undoing::Undone(undo) => {
                restore(&op, conn, &attempt, *undo).await?;
                attempt = store::get(conn, id).await?;
                true
            }
        };
        Ok(Changed { changed, item: case(&op, conn, &attempt).await? })
    }))
    .await
}

async fn restore(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, undo: Undo) -> Result<()> {
    let fence = attempt.fence + 1;
    if let Some(made) = attempt.decision() {
        count(conn, attempt, made.status, &made.by, (made.at, attempt.claimed_at), -1).await?;
    }
    match undo.approval {
        None => {
            store::set_decision(conn, attempt, KycStatus::Pending, fence, Decided::default()).await?;
            set_claim(op, conn, attempt, fence).await?;
        }
        Some(approval) => {
            let DecisionMade { status, reasons, comment, note, by, at, undo_until } = approval;
            let decided = Decided {
                by: Some(by),
                at: Some(at),
                effective_at: Some(undo_until),
                reasons: Some(json(&reasons)?),
                comment,
                note,
                undo: None,
            };
            store::set_decision(conn, attempt, status, fence, decided).await?;
        }
    }
    set_standing(conn, attempt.user_id, undo.user, op.now()).await?;
    mail::cancel(conn, &mail_subject(attempt.id)).await?;
    notifications::cancel(conn, attempt.user_id, attempt.id, op.now()).await?;
    webhooks::cancel(conn, attempt.id, op.now()).await?;
    let what = Record { action: AuditAction::KycUndo, event: EventKind::KycUndone, reason: None, fence };
    record(op, conn, attempt, what).await
}
