//! Decisions, and taking them back.

use std::time::Duration;

use futures::FutureExt;

use super::{Notice, Record, case, lock_account, mail_subject, notify, record, set_standing};
use crate::{
    accounts::model::Account,
    actor::Actor,
    app::App,
    base::{
        change::{Change, Changed},
        error::{Error, Result},
        ids::AttemptId,
        permission::Permission,
        time::Timestamp,
    },
    kyc::{
        attempt::{Attempt, Deciding, Undo, Undoing, UserKyc},
        model::{CLAIM, Decision, DecisionKind, DecisionMade, KycCase, UNDO},
        status::KycStatus,
        store::{self, Decided, NewClaim},
    },
    platform::{db::Conn, keys::Keys},
    records::mail::{self, Template},
};

/// Approves, asks again, rejects or revokes. The change's note is the internal one.
///
/// Takes effect after [`UNDO`]: until then the worker and the public see the state before, and the mail waits. The same
/// decision again by its maker changes nothing.
///
/// Errors: `conflict` with the claim of somebody else, with the newer state when the fencing number is old, or with the
/// decision that was made; `forbidden` about oneself; `precondition_failed` at another version.
pub async fn decide(
    app: &App,
    actor: &Actor,
    id: AttemptId,
    decision: &Decision,
    change: &Change,
) -> Result<Changed<KycCase>> {
    actor.require(Permission::KycWrite)?;
    let decision = decision.clone().checked()?;
    let note = change.checked_note()?;
    let (unit, now, by, if_version) = (app.clone(), app.now(), actor.clone(), change.if_version);
    let answer = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let subject = store::subject(conn, id).await?;
                by.require_other(subject)?;
                let account = lock_account(conn, subject).await?;
                let mut attempt = store::lock(conn, id).await?;
                attempt.check_version(if_version)?;
                let changed = match attempt.deciding(now, &by.principal(), &decision)? {
                    Deciding::Unchanged => false,
                    Deciding::Decided { fence } => {
                        if decision.kind == DecisionKind::Revoke {
                            require_current_approval(conn, now, &account, &attempt).await?;
                        }
                        apply(&unit, conn, &by, &account, &attempt, Made { decision, note, fence }).await?;
                        attempt = store::get(conn, id).await?;
                        true
                    }
                };
                Ok(Changed { changed, item: case(conn, now, &by, &attempt).await? })
            }
            .boxed()
        })
        .await?;
    if answer.changed && !change.dry_run {
        app.wake();
    }
    Ok(answer)
}

/// A decision that may be made.
struct Made {
    decision: Decision,
    note: Option<String>,
    fence: i64,
}

/// An approval can be revoked while it is the one that counts: the user's newest attempt, not expired.
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
    app: &App,
    conn: &mut Conn<'_>,
    by: &Actor,
    account: &Account,
    attempt: &Attempt,
    made: Made,
) -> Result<()> {
    let now = app.now();
    let effective_at = now + UNDO;
    let Made { decision, note, fence } = made;
    let status = decision.kind.status();
    let before = UserKyc {
        status: account.kyc_status,
        prior: account.kyc_prior,
        effective_at: account.kyc_effective_at,
        expires_at: account.kyc_expires_at,
    };
    let undo = Undo { user: before, approval: attempt.decision() };
    let decided = Decided {
        by: Some(by.principal()),
        at: Some(now),
        effective_at: Some(effective_at),
        reasons: Some(json(&decision.reasons)?),
        comment: decision.comment.clone(),
        note,
        undo: Some(json(&undo)?),
    };
    store::set_decision(conn, attempt, status, fence, decided).await?;
    let days = u64::from(app.config.retention.kyc_approval_days);
    let after = UserKyc {
        status,
        prior: account.kyc_status,
        effective_at: Some(effective_at),
        expires_at: (status == KycStatus::Approved).then(|| effective_at + Duration::from_secs(days * 86_400)),
    };
    set_standing(conn, account.id, after, now).await?;
    let (template, action) = match decision.kind {
        DecisionKind::Approve => (Template::KycApproved, "kyc.approve"),
        DecisionKind::Retry => (Template::KycRetry, "kyc.retry"),
        DecisionKind::Reject => (Template::KycRejected, "kyc.reject"),
        DecisionKind::Revoke => (Template::KycRevoked, "kyc.revoke"),
    };
    let notice = Notice { attempt: attempt.id, template, comment: decision.comment, not_before: effective_at };
    notify(app, conn, account, notice).await?;
    let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
    let reason = (!codes.is_empty()).then(|| codes.join(","));
    record(&app.keys, conn, now, by, attempt, Record { action, event: "kyc.decided", reason, fence }).await
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// Takes the caller's own decision back within [`UNDO`]: the attempt is claimed by them again, under a new fencing number,
/// or approved again after a revocation. The mail is never sent.
///
/// Errors: `conflict` with the decision once it has taken effect, or when there is none; `forbidden` for another's.
pub async fn undo(app: &App, actor: &Actor, id: AttemptId, change: &Change) -> Result<Changed<KycCase>> {
    actor.require(Permission::KycWrite)?;
    let (keys, now, by, if_version) = (app.keys.clone(), app.now(), actor.clone(), change.if_version);
    let answer = app
        .db
        .write_or_preview(change.dry_run, move |conn| {
            async move {
                let subject = store::subject(conn, id).await?;
                by.require_other(subject)?;
                lock_account(conn, subject).await?;
                let mut attempt = store::lock(conn, id).await?;
                attempt.check_version(if_version)?;
                let changed = match attempt.undoing(now, &by.principal())? {
                    Undoing::Unchanged => false,
                    Undoing::Undone(undo) => {
                        restore(&keys, conn, now, &by, &attempt, *undo).await?;
                        attempt = store::get(conn, id).await?;
                        true
                    }
                };
                Ok(Changed { changed, item: case(conn, now, &by, &attempt).await? })
            }
            .boxed()
        })
        .await?;
    if answer.changed && !change.dry_run {
        app.wake();
    }
    Ok(answer)
}

async fn restore(
    keys: &Keys,
    conn: &mut Conn<'_>,
    now: Timestamp,
    by: &Actor,
    attempt: &Attempt,
    undo: Undo,
) -> Result<()> {
    let fence = attempt.fence + 1;
    match undo.approval {
        None => {
            store::set_decision(conn, attempt, KycStatus::Pending, fence, Decided::default()).await?;
            let claim = NewClaim { holder: &by.principal(), label: &by.label(), expires_at: now + CLAIM, fence };
            store::set_claim(conn, attempt.id, &claim).await?;
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
    set_standing(conn, attempt.user_id, undo.user, now).await?;
    mail::cancel(conn, &mail_subject(attempt.id)).await?;
    let what = Record { action: "kyc.undo", event: "kyc.undone", reason: None, fence };
    record(keys, conn, now, by, attempt, what).await
}
