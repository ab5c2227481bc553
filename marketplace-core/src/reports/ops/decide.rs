//! Decisions about reports and about appeals, and undoing the former.

use super::{Notice, Record, actions, lock_case, mail_subject, notify, record, require_handler, tell_webhooks, view};
use crate::{
    auth::OneTime,
    base::{
        change::{Change, Changed},
        error::Result,
        ids::CaseId,
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    kyc::model::{CLAIM, UNDO},
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
    reports::{
        model::{
            APPEAL, AppealVerdict, Deciding, ReportAction, ReportCase, ReportEventKind, ReportReason, ReportStatus,
            Verdict,
        },
        row::{Case, Outcome, held, stored},
        store::{self, AppealDecided, Decided, NewClaim},
    },
};

/// Returns the operation for the unit: what it does to others is for its own reason, and at any version of theirs.
fn acting(op: &Operation, reason: Option<ReportReason>) -> Operation {
    op.with(Change { reason: reason.map(ReportReason::restriction), if_version: None, ..op.change().clone() })
}

/// Resolves with actions, or dismisses. The change's note is the internal one.
///
/// The actions are taken in the same transaction, each under its own permission. The two sides are told after [`UNDO`], and
/// until then see the state before. The same decision again by its maker changes nothing.
///
/// # Errors
/// `conflict` with the claim of somebody else, with the newer state when the fencing number is old, or with the decision that
/// was made; `forbidden` where [`claim`](super::claim) is, and for an action that the caller may not take; `invalid` for one
/// that does not fit; `precondition_failed` at another version.
pub async fn decide(op: &Operation, id: CaseId, decision: &Deciding) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;
    let decision = decision.clone().checked()?;
    let note = op.note()?;
    let reason = if let Verdict::Resolve { reasons, .. } = &decision.verdict { reasons.first().copied() } else { None };
    let expected = op.clone();

    acting(op, reason)
        .write(unit!(|op, conn| {
            let about = store::get(conn, id).await?;
            actions::lock(conn, &about, decision.verdict.actions()).await?;
            let case = lock_case(&op, conn, id).await?;
            let outcome = case.deciding(op.now(), &op.actor().principal(), &decision);
            if matches!(outcome, Ok(Outcome::Unchanged)) {
                return Ok(Changed { changed: false, item: view(&op, conn, id).await? });
            }
            require_handler(&op, conn, &case).await?;
            expected.check_version(case.version)?;
            if let Outcome::Decided { fence } = outcome? {
                apply(&op, conn, &case, CheckedDecision { decision, reason, note, fence }).await?;
            }
            Ok(Changed { changed: true, item: view(&op, conn, id).await? })
        }))
        .await
}

/// A decision that passed the checks.
struct CheckedDecision {
    decision: Deciding,
    reason: Option<ReportReason>,
    note: Option<String>,
    fence: i64,
}

async fn apply(op: &Operation, conn: &mut Conn<'_>, case: &Case, made: CheckedDecision) -> Result<()> {
    let (now, effective_at) = (op.now(), op.now() + UNDO);
    let CheckedDecision { decision, reason, note, fence } = made;
    let Deciding { verdict, comment_to_reporter, .. } = decision;
    let asked = verdict.actions();
    let taken = match reason {
        Some(reason) => actions::take(op, conn, case, &verdict, reason, note.as_deref()).await?,
        None => Vec::new(),
    };
    let reasons = verdict.reasons();
    let comment_to_subject = verdict.comment_to_subject().map(str::to_owned);
    let who = op.actor().principal();
    let decided = Decided {
        by: Some(who.clone()),
        user: op.actor().user_id(),
        at: Some(now),
        effective_at: Some(effective_at),
        reasons: Some(stored(&reasons)?),
        actions: Some(stored(&taken)?),
        comment_to_reporter: comment_to_reporter.clone(),
        comment_to_subject: comment_to_subject.clone(),
        note: note.clone(),
    };
    store::set_decision(conn, case, verdict.status(), fence, decided).await?;
    count(conn, case, verdict.status(), (&who, now), 1).await?;
    let (template, action, kind) = match verdict {
        Verdict::Resolve { .. } => (Template::ReportResolved, AuditAction::ReportsResolve, ReportEventKind::Resolved),
        Verdict::Dismiss { .. } => (Template::ReportDismissed, AuditAction::ReportsDismiss, ReportEventKind::Dismissed),
    };
    if asked.contains(&ReportAction::Ban) {
        mail::postpone(conn, &OneTime::OwnData.mail_subject(case.subject_id), effective_at).await?;
    }
    for reporter in store::reporters(conn, case.id).await? {
        let comment = comment_to_reporter.clone();
        notify(op, conn, reporter, Notice { case, template, comment, not_before: effective_at }).await?;
    }
    if !asked.is_empty() {
        let comment = Some(to_subject(case, asked, comment_to_subject, effective_at));
        let template = Template::ReportDecision;
        notify(op, conn, case.subject_id, Notice { case, template, comment, not_before: effective_at }).await?;
    }
    store::record(conn, case.id, now, &who, kind, note.as_deref(), None).await?;
    let done = taken.iter().map(|taken| taken.action).collect();
    tell_webhooks(op, conn, case, (verdict.status(), done), effective_at).await?;
    let metadata = serde_json::json!({ "fence": fence, "reports": case.reports, "actions": taken });
    let reason = Some(reasons.join(","));
    record(op, conn, case, Record { action, event: EventKind::ReportDecided, reason, metadata }).await
}

/// Returns what the subject is told: why, what was done, and how to appeal.
fn to_subject(case: &Case, actions: &[ReportAction], comment: Option<String>, effective_at: Timestamp) -> String {
    let mut lines: Vec<String> = comment.into_iter().collect();
    lines.extend(actions.iter().map(|action| action.to_subject().to_owned()));
    let until = (effective_at + APPEAL).date();
    lines.push(format!(
        "If you do not agree, you can appeal once, until {until}. The decision's number is {}.",
        case.id
    ));
    lines.join("\n")
}

/// Takes the caller's own decision about reports back within [`UNDO`], with what it did as far as that can be taken back: the
/// case is claimed by them again, under a new fencing number. The mails are never sent. Reports that came meanwhile join the
/// case again.
///
/// # Errors
/// `conflict` with the decision once it has taken effect, when there is none, or when a colleague is looking at what came
/// meanwhile; `forbidden` for another's.
pub async fn undo(op: &Operation, id: CaseId) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;
    let expected = op.clone();

    acting(op, None)
        .write(unit!(|op, conn| {
            let about = store::get(conn, id).await?;
            let done: Vec<ReportAction> = about.actions().into_iter().map(|taken| taken.action).collect();
            actions::lock(conn, &about, &done).await?;
            let case = lock_case(&op, conn, id).await?;
            require_handler(&op, conn, &case).await?;
            expected.check_version(case.version)?;
            let changed = case.undoing(op.now(), &op.actor().principal())?;
            if changed {
                restore(&op, conn, &case).await?;
            }
            Ok(Changed { changed, item: view(&op, conn, id).await? })
        }))
        .await
}

/// Counts a decision, or one that is taken back: what it was, and how long the case waited.
async fn count(
    conn: &mut Conn<'_>,
    case: &Case,
    status: ReportStatus,
    (who, at): (&Principal, Timestamp),
    by: i64,
) -> Result<()> {
    let happened = Happened { at, who: Some(who), to: case.id.0, by };
    let (kind, since) = match status {
        ReportStatus::Dismissed => (SeriesKind::ReportsDismissed, Some(case.opened_at)),
        ReportStatus::Upheld => (SeriesKind::ReportsUpheld, case.appealed_at),
        ReportStatus::Reversed => (SeriesKind::ReportsReversed, case.appealed_at),
        _ => (SeriesKind::ReportsResolved, Some(case.opened_at)),
    };
    series::count(conn, kind, happened).await?;
    if by < 0 {
        series::count(conn, SeriesKind::ReportsUndone, Happened { by: 1, ..happened }).await?;
    }
    let waited = at.since(since.unwrap_or(at));
    series::measure(conn, SeriesKind::ReportsWaited, waited, happened).await
}

async fn restore(op: &Operation, conn: &mut Conn<'_>, case: &Case) -> Result<()> {
    let (now, who, fence) = (op.now(), op.actor().principal(), case.fence + 1);
    let restored = actions::take_back(op, conn, case).await?;
    for reporter in store::reporters(conn, case.id).await? {
        mail::cancel(conn, &mail_subject(case, reporter)).await?;
        notifications::cancel(conn, reporter, case.id, now).await?;
    }
    mail::cancel(conn, &mail_subject(case, case.subject_id)).await?;
    notifications::cancel(conn, case.subject_id, case.id, now).await?;
    webhooks::cancel(conn, case.id, now).await?;
    join_later(op, conn, case).await?;
    store::set_decision(conn, case, ReportStatus::Open, fence, Decided::default()).await?;
    let claim = NewClaim { holder: &who, label: &op.actor().label(), expires_at: now + CLAIM, fence };
    store::set_claim(conn, case.id, &claim).await?;
    if let Some(decided_at) = case.decided_at {
        count(conn, case, case.status, (&who, decided_at), -1).await?;
    }
    store::record(conn, case.id, now, &who, ReportEventKind::Undone, None, None).await?;
    let metadata = serde_json::json!({ "fence": fence, "restored": restored });
    let what = Record { action: AuditAction::ReportsUndo, event: EventKind::ReportUndone, reason: None, metadata };
    record(op, conn, case, what).await
}

/// Takes into a case the reports that came since its decision, and that began another one.
async fn join_later(op: &Operation, conn: &mut Conn<'_>, case: &Case) -> Result<()> {
    let target =
        store::Target { kind: case.target_kind, id: case.target_id, thread: case.thread_id, subject: case.subject_id };
    let Some(later) = store::lock_open(conn, &target).await? else { return Ok(()) };
    if let Some(claim) = later.claim(op.now(), &op.actor().principal()).filter(|claim| !claim.mine) {
        return Err(held(&claim));
    }
    let mut reasons = case.reasons();
    reasons.extend(later.reasons());
    reasons.sort_unstable();
    reasons.dedup();
    store::merge(conn, later.id, case.id).await?;
    store::recount(conn, case.id, &stored(&reasons)?).await
}

/// Decides about an appeal: the decision stays, or what was done is taken back as far as it can be. Its subject is told at once,
/// and of what is taken back the reporters too; this cannot be undone. The change's note is the internal one. The same again by its maker changes nothing.
///
/// # Errors
/// Those of [`decide`]; `forbidden` for who made the decision, and without the permission to take back what was done.
pub async fn decide_appeal(op: &Operation, id: CaseId, verdict: &AppealVerdict) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;
    let verdict = verdict.clone().checked()?;
    let note = op.note()?;
    let expected = op.clone();

    acting(op, None)
        .write(unit!(|op, conn| {
            let about = store::get(conn, id).await?;
            let done: Vec<ReportAction> = about.actions().into_iter().map(|taken| taken.action).collect();
            actions::lock(conn, &about, &done).await?;
            let case = lock_case(&op, conn, id).await?;
            let outcome = case.deciding_appeal(op.now(), &op.actor().principal(), &verdict);
            if matches!(outcome, Ok(Outcome::Unchanged)) {
                return Ok(Changed { changed: false, item: view(&op, conn, id).await? });
            }
            require_handler(&op, conn, &case).await?;
            expected.check_version(case.version)?;
            if let Outcome::Decided { fence } = outcome? {
                apply_appeal(&op, conn, &case, &verdict, note, fence).await?;
            }
            Ok(Changed { changed: true, item: view(&op, conn, id).await? })
        }))
        .await
}

async fn apply_appeal(
    op: &Operation,
    conn: &mut Conn<'_>,
    case: &Case,
    verdict: &AppealVerdict,
    note: Option<String>,
    fence: i64,
) -> Result<()> {
    let (now, who) = (op.now(), op.actor().principal());
    let restored = if verdict.reverse { actions::take_back(op, conn, case).await? } else { Vec::new() };
    let decided = AppealDecided {
        status: verdict.status(),
        fence,
        by: &who,
        at: now,
        comment: verdict.comment.as_deref(),
        note: note.as_deref(),
    };
    store::set_appeal_decision(conn, case, &decided).await?;
    count(conn, case, verdict.status(), (&who, now), 1).await?;
    let (template, action, kind) = if verdict.reverse {
        (Template::AppealReversed, AuditAction::ReportsReverse, ReportEventKind::Reversed)
    } else {
        (Template::AppealUpheld, AuditAction::ReportsUphold, ReportEventKind::Upheld)
    };
    // What was not sent of the decision so far is out of date.
    mail::cancel(conn, &mail_subject(case, case.subject_id)).await?;
    let notice = Notice { case, template, comment: verdict.comment.clone(), not_before: now };
    notify(op, conn, case.subject_id, notice).await?;
    if verdict.reverse {
        // They were told that something was done.
        for reporter in store::reporters(conn, case.id).await? {
            let notice = Notice { case, template: Template::ReportReversed, comment: None, not_before: now };
            notify(op, conn, reporter, notice).await?;
        }
    }
    store::record(conn, case.id, now, &who, kind, note.as_deref(), None).await?;
    tell_webhooks(op, conn, case, (verdict.status(), Vec::new()), now).await?;
    let metadata = serde_json::json!({ "fence": fence, "restored": restored });
    record(op, conn, case, Record { action, event: EventKind::ReportDecided, reason: None, metadata }).await
}
