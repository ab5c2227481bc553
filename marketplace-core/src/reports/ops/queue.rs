//! The reviewers' side up to the decision: queue, claims, and who takes a case when.

use std::time::Duration;

use super::{NEWEST, Record, account, lock_case, record, require_handler, view};
use crate::{
    accounts::model::Status,
    app::App,
    base::{
        change::Changed,
        error::{Error, Result},
        ids::{CaseId, UserId},
        page::{Page, PageRequest, TimeCursor},
        permission::{Permission, permissions},
        principal::Principal,
        time::Timestamp,
    },
    kyc::model::CLAIM,
    messaging::{self, model::AccessReason},
    operation::Operation,
    platform::db::Conn,
    records::{audit::AuditAction, events::EventKind},
    reports::{
        model::{LONGEST_SNOOZE, ReportCase, ReportEventKind, ReportFilter, ReportStatus, ReportSummary, ReportTarget},
        row::{Case, Claiming, held},
        store::{self, NewClaim, Seeker, Waiting},
    },
    timers::Queue,
};

/// Records since when the oldest case waits, for the metrics.
pub(crate) async fn note_oldest(app: &App) -> Result<()> {
    let mut reader = app.db.read().await?;
    let oldest = store::oldest(&mut reader.conn(), app.now()).await?;
    drop(reader);
    app.timers.set_oldest(Queue::Reports, oldest);
    Ok(())
}

/// The age from which looking at a case renews its claim, so that most looks write nothing.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// Returns the queue, oldest first; or decided cases, newest decision first. Without a state, all that wait and are not put
/// off. About one person: their cases of every state, newest first.
///
/// # Errors
/// `invalid` for a limit or cursor that is not valid; `forbidden` without `reports:read`.
pub async fn list(op: &Operation, filter: &ReportFilter, page: &PageRequest) -> Result<Page<ReportSummary>> {
    op.actor().require(Permission::ReportsRead)?;
    let limit = page.checked_limit()?;
    let filter = &filter.settled()?;
    let (now, viewer) = (op.now(), &op.actor().principal());
    let is_colleagues = |case: &ReportSummary| {
        let is = |who: Option<&Principal>, wanted: Option<UserId>| {
            wanted.is_none_or(|wanted| who == Some(&Principal::user(wanted)))
        };
        is(case.assignee.as_ref(), filter.assigned_to)
            && is(case.claim.as_ref().map(|claim| &claim.holder), filter.claimed_by)
            && (!filter.escalated || (case.escalated && case.status.is_waiting()))
    };
    let cursor = page.cursor_in::<TimeCursor>("reports")?;
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    if let Some(subject) = filter.subject_id {
        let rows = store::about(&mut conn, subject, cursor.unwrap_or(NEWEST), limit + 1).await?;
        let page = Page::of_list("reports", rows, limit, |case| TimeCursor { at: case.opened_at, id: case.id.0 });
        let mut page = page.map(|case| case.summary(now, viewer));
        // A person has few, so a page may hold fewer than it could.
        page.items.retain(|case| {
            filter.status.is_none_or(|status| case.status == status)
                && filter.target_kind.is_none_or(|kind| case.target_kind == kind)
                && is_colleagues(case)
        });
        return Ok(page);
    }
    let waiting = match filter.status {
        // There are no more live claims than reviewers.
        None if filter.claimed_by.is_some() => Some(Waiting::Claimed),
        None if filter.escalated => Some(Waiting::Escalated),
        None => Some(Waiting::All),
        Some(ReportStatus::InReview) => Some(Waiting::Claimed),
        Some(ReportStatus::Snoozed) => Some(Waiting::Snoozed),
        Some(status @ (ReportStatus::Open | ReportStatus::Appealed)) => Some(Waiting::Unclaimed(status)),
        Some(_) => None,
    };
    let rows = if let Some(which) = waiting {
        let start = TimeCursor { at: Timestamp::EPOCH, id: uuid::Uuid::nil() };
        store::queue(&mut conn, which, filter.target_kind, now, cursor.unwrap_or(start), limit + 1).await?
    } else {
        let status = filter.status.unwrap_or(ReportStatus::Resolved);
        store::decided(&mut conn, status, filter.target_kind, cursor.unwrap_or(NEWEST), limit + 1).await?
    };
    let position = |case: &Case| TimeCursor {
        at: if waiting.is_some() { case.queued_at } else { case.closed_at }.unwrap_or(Timestamp::MAX),
        id: case.id.0,
    };
    let mut page = Page::of_list("reports", rows, limit, position).map(|case| case.summary(now, viewer));
    page.items.retain(is_colleagues);
    Ok(page)
}

/// Returns one case with everything that is needed to decide. Renews the caller's own claim. Without one, looking at what two
/// people wrote to each other is on record like reading their thread.
///
/// # Errors
/// `not_found` when there is no such case; `forbidden` without `reports:read`.
pub async fn show(op: &Operation, id: CaseId) -> Result<ReportCase> {
    op.actor().require(Permission::ReportsRead)?;

    let mut reader = op.db.read().await?;
    let mut shown = view(op, &mut reader.conn(), id).await?;
    drop(reader);
    let case = &mut shown.case;
    let is_private = matches!(case.target_kind, ReportTarget::Message | ReportTarget::Thread);
    match case.claim.as_mut().filter(|claim| claim.mine) {
        Some(claim) if op.now() + CLAIM >= claim.expires_at + RENEW_AFTER => {
            let holder = claim.holder.clone();
            claim.expires_at = op.now() + CLAIM;
            let unit =
                op.write(unit!(|op, conn| { store::renew_claim(conn, id, &holder, op.now(), op.now() + CLAIM).await }));
            unit.await?;
        }
        None if is_private && op.actor().may(Permission::ThreadsRead) => {
            if let Some(thread) = case.thread_id {
                messaging::record_reading(op, thread, AccessReason::Complaint).await?;
            }
        }
        _ => {}
    }
    Ok(shown)
}

/// Claims the case that the caller takes next: the oldest that is assigned to them, else the oldest that is nobody's, else the
/// one that they skipped longest ago; never one with which they have to do. Returns none when there is none.
///
/// # Errors
/// `forbidden` without `reports:write`.
pub async fn next(op: &Operation) -> Result<Option<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;

    op.write(unit!(|op, conn| {
        let seeker = Seeker {
            who: &op.actor().principal(),
            user: op.actor().user_id().unwrap_or(UserId(uuid::Uuid::nil())),
            admin: op.actor().may(Permission::UsersAdmin),
            now: op.now(),
        };
        let Some(id) = store::next(conn, &seeker).await? else { return Ok(None) };
        let case = store::lock(conn, id).await?;
        take(&op, conn, &case, case.fence + 1).await?;
        view(&op, conn, id).await.map(Some)
    }))
    .await
}

/// Claims a case, or renews the caller's claim: then the fencing number stays, and `changed` is false.
///
/// # Errors
/// `conflict` with the claim of somebody else, or with the decision that was made; `forbidden` about oneself, about what one
/// reported, about an appeal against one's own decision, and of what was escalated without being an admin.
pub async fn claim(op: &Operation, id: CaseId) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;

    op.write(unit!(|op, conn| {
        let case = locked(&op, conn, id).await?;
        let changed = match case.claiming(op.now(), &op.actor().principal())? {
            Claiming::New { fence } => {
                take(&op, conn, &case, fence).await?;
                true
            }
            Claiming::Renewed => {
                store::renew_claim(conn, id, &op.actor().principal(), op.now(), op.now() + CLAIM).await?;
                false
            }
        };
        Ok(Changed { changed, item: view(&op, conn, id).await? })
    }))
    .await
}

/// Locks a case that the caller may handle and that is at the version that they expect.
async fn locked(op: &Operation, conn: &mut Conn<'_>, id: CaseId) -> Result<Case> {
    let case = lock_case(op, conn, id).await?;
    require_handler(op, conn, &case).await?;
    op.check_version(case.version)?;
    Ok(case)
}

/// Stores a new claim, with its records.
async fn take(op: &Operation, conn: &mut Conn<'_>, case: &Case, fence: i64) -> Result<()> {
    let new =
        NewClaim { holder: &op.actor().principal(), label: &op.actor().label(), expires_at: op.now() + CLAIM, fence };
    store::set_claim(conn, case.id, &new).await?;
    let metadata = serde_json::json!({ "fence": fence });
    record(
        op,
        conn,
        case,
        Record { action: AuditAction::ReportsClaim, event: EventKind::ReportClaimed, reason: None, metadata },
    )
    .await
}

/// Releases the caller's claim, which returns the case to the queue; changes nothing when they have none.
///
/// # Errors
/// `precondition_failed` at another version.
pub async fn release(op: &Operation, id: CaseId) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;

    op.write(unit!(|op, conn| {
        let case = locked(&op, conn, id).await?;
        let changed = give_back(&op, conn, &case).await?;
        Ok(Changed { changed, item: view(&op, conn, id).await? })
    }))
    .await
}

/// Ends the caller's claim, with its records. Returns `false` when they have none.
async fn give_back(op: &Operation, conn: &mut Conn<'_>, case: &Case) -> Result<bool> {
    if !case.claim(op.now(), &op.actor().principal()).is_some_and(|claim| claim.mine) {
        return Ok(false);
    }
    store::clear_claim(conn, case.id).await?;
    let metadata = serde_json::json!({ "fence": case.fence });
    let what = Record { action: AuditAction::ReportsRelease, event: EventKind::ReportReleased, reason: None, metadata };
    record(op, conn, case, what).await?;
    Ok(true)
}

/// What is done to the place of a case in the queue.
#[derive(Debug, Clone)]
enum Move {
    Skip,
    /// Until a time; none takes it up again.
    Snooze(Option<Timestamp>),
    Assign(Option<UserId>),
    Escalate,
}

impl Move {
    fn records(&self) -> (AuditAction, ReportEventKind) {
        match self {
            Self::Skip => (AuditAction::ReportsSkip, ReportEventKind::Skipped),
            Self::Snooze(_) => (AuditAction::ReportsSnooze, ReportEventKind::Snoozed),
            Self::Assign(_) => (AuditAction::ReportsAssign, ReportEventKind::Assigned),
            Self::Escalate => (AuditAction::ReportsEscalate, ReportEventKind::Escalated),
        }
    }
}

/// Puts a case behind the others for the caller, and gives their claim back. The change's note is kept in its history.
///
/// # Errors
/// `conflict` with the decision that was made.
pub async fn skip(op: &Operation, id: CaseId) -> Result<Changed<ReportCase>> {
    shift(op, id, Move::Skip).await
}

/// Puts a case off until a time, 30 days away at most, and gives the caller's claim back. At that time it is in its place in the
/// queue. Without a time, a case that was put off is where it was before. The change's note is kept in its history.
///
/// # Errors
/// `invalid` for a time that is not ahead or too far; `conflict` with the claim of somebody else, or with the decision.
pub async fn snooze(op: &Operation, id: CaseId, until: Option<Timestamp>) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;
    if until.is_some_and(|until| until <= op.now() || until > op.now() + LONGEST_SNOOZE) {
        return Err(Error::invalid("/until", "must be ahead, and 30 days away at most"));
    }
    shift(op, id, Move::Snooze(until)).await
}

/// Gives a case to a colleague who may handle it, or to nobody, and gives the caller's claim back. The change's note is kept in
/// its history.
///
/// # Errors
/// `invalid` for somebody who may not handle it; `conflict` with the claim of somebody else, or with the decision.
pub async fn assign(op: &Operation, id: CaseId, to: Option<UserId>) -> Result<Changed<ReportCase>> {
    shift(op, id, Move::Assign(to)).await
}

/// Has an admin decide: nobody else can claim the case from then on. The change's note, which tells why, is needed, and kept in
/// its history.
///
/// # Errors
/// `invalid` without a note; `conflict` with the claim of somebody else, or with the decision.
pub async fn escalate(op: &Operation, id: CaseId) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;
    if op.note()?.is_none() {
        return Err(Error::invalid("/note", "is needed: why an admin shall decide"));
    }
    shift(op, id, Move::Escalate).await
}

async fn shift(op: &Operation, id: CaseId, to: Move) -> Result<Changed<ReportCase>> {
    op.actor().require(Permission::ReportsWrite)?;
    let note = op.note()?;

    op.write(unit!(|op, conn| {
        let now = op.now();
        let case = locked(&op, conn, id).await?;
        case.require_waiting()?;
        let who = op.actor().principal();
        if let Some(claim) = case.claim(now, &who).filter(|claim| !claim.mine)
            && !matches!(to, Move::Skip)
        {
            return Err(held(&claim));
        }
        let mut metadata = serde_json::json!({ "note": note.is_some() });
        let changed = match &to {
            Move::Skip => {
                store::skip(conn, id, &who, now).await?;
                true
            }
            Move::Snooze(until) => {
                let is_off = case.queued_at.is_some_and(|at| at > now);
                let place = until.unwrap_or_else(|| case.appealed_at.unwrap_or(case.opened_at));
                let changed = if until.is_some() { case.queued_at != Some(place) } else { is_off };
                if changed {
                    store::set_place(conn, id, place).await?;
                }
                metadata = serde_json::json!({ "until": until, "note": note.is_some() });
                changed
            }
            Move::Assign(colleague) => {
                let chosen = match colleague {
                    Some(user) => Some(handler(conn, &case, *user).await?),
                    None => None,
                };
                let (assignee, label) = chosen.unzip();
                store::set_assignee(conn, id, assignee.as_ref(), label.as_deref()).await?;
                metadata = serde_json::json!({ "to": assignee, "note": note.is_some() });
                case.assignee != assignee
            }
            Move::Escalate => {
                store::escalate(conn, id, now).await?;
                case.escalated_at.is_none()
            }
        };
        give_back(&op, conn, &case).await?;
        if changed {
            let (action, kind) = to.records();
            let until = if let Move::Snooze(until) = to { until } else { None };
            store::record(conn, id, now, &who, kind, note.as_deref(), until).await?;
            record(&op, conn, &case, Record { action, event: EventKind::ReportMoved, reason: None, metadata }).await?;
        }
        Ok(Changed { changed, item: view(&op, conn, id).await? })
    }))
    .await
}

/// Returns a colleague to whom a case can be given.
async fn handler(conn: &mut Conn<'_>, case: &Case, user: UserId) -> Result<(Principal, String)> {
    let refuse = |why: &'static str| Err(Error::invalid("/assignee", why));
    let colleague = account(conn, user).await?;
    if colleague.status != Status::Active || !permissions(colleague.role).contains(&Permission::ReportsWrite) {
        return refuse("must be an active colleague who may decide about reports");
    }
    if case.subject_id == user || store::has_reported(conn, case.id, user).await? {
        return refuse("has to do with it");
    }
    if case.appealed_at.is_some() && case.decided_user == Some(user) {
        return refuse("made the decision that is appealed against");
    }
    if case.escalated_at.is_some() && !permissions(colleague.role).contains(&Permission::UsersAdmin) {
        return refuse("must be an admin: the case was escalated");
    }
    Ok((Principal::user(user), colleague.name))
}
