//! What people report, what they are told of it, and appeals of those about whom was decided.

use super::{NEWEST, Record, record, tell};
use crate::{
    accounts::model::Status,
    actor::SignedIn,
    base::{
        error::{Error, Result},
        ids::{CaseId, MessageId, ReportId, ReviewId, ServiceId, ThreadId, UserId},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        principal::Principal,
        text::check_text,
        time::Timestamp,
    },
    messaging,
    operation::Operation,
    platform::db::Conn,
    profiles,
    records::{
        audit::AuditAction,
        events::EventKind,
        series::{self, Happened, SeriesKind},
    },
    reports::{
        model::{
            MAX_REPORTS, MAX_TEXT, NewAppeal, NewReport, OwnDecision, OwnReport, ReportEventKind, ReportOutcome,
            ReportStatus, ReportTarget, ReportedContent, ReportedMessage,
        },
        row::{Case, stored},
        store::{self, NewRow, OwnRow, Target},
    },
    reviews, services,
};

/// Decisions about a person that they see.
pub(super) const MOST_DECISIONS: i64 = 200;
/// Messages of a reported thread that are kept.
const KEPT: i64 = 20;

fn reporter(op: &Operation) -> Result<&SignedIn> {
    let me = op.actor().require_own(Permission::OwnAccount)?;
    if me.account.status == Status::Unverified {
        return Err(Error::forbidden("confirm your address first: the link is in the mail that we sent"));
    }
    Ok(me)
}

/// Reports something that the caller can see. The same report again changes nothing. Returns the report, and whether it is new.
///
/// # Errors
/// `not_found` for what the caller cannot see; `forbidden` for what is their own; `conflict` with the caller's open report when
/// it says something else; `rate_limited` after many.
pub async fn file(op: &Operation, new: NewReport) -> Result<(OwnReport, bool)> {
    let me = reporter(op)?.account.id;
    let new = new.checked()?;
    op.limiter.report(me).await?;

    op.write(unit!(|op, conn| { file_in(&op, conn, me, &new).await })).await
}

/// Opens a case about a target unless one waits, and locks it until the end of the transaction.
pub(super) async fn open(op: &Operation, conn: &mut Conn<'_>, about: &Target) -> Result<Case> {
    /// Another one may decide the case while this one waits for it.
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        let id = CaseId::new(op.now(), op.random.as_ref());
        if store::open(conn, id, about, op.now()).await? {
            series::count(conn, SeriesKind::ReportsOpened, Happened::now(op.now(), id.0)).await?;
        }
        if let Some(case) = store::lock_open(conn, about).await? {
            return Ok(case);
        }
    }
    Err(Error::busy("others work on the same case; try again"))
}

async fn file_in(op: &Operation, conn: &mut Conn<'_>, me: UserId, new: &NewReport) -> Result<(OwnReport, bool)> {
    let now = op.now();
    let (about, content) = look(op, conn, me, new).await?;
    if about.subject == me {
        return Err(Error::forbidden("nobody reports themselves"));
    }
    let case = open(op, conn, &about).await?;
    if let Some(before) = store::own_in(conn, me, case.id).await? {
        let is_same = before.reason == new.reason && before.text.as_deref() == Some(&new.text);
        let before = shown(before, now);
        if is_same {
            return Ok((before, false));
        }
        return Err(Error::conflict("you have reported this already, and it is not decided yet", before));
    }
    if case.reports >= MAX_REPORTS {
        let detail = "many people have reported this already; staff will look at it";
        return Err(Error::conflict(detail, serde_json::json!({ "most": MAX_REPORTS })));
    }
    let mut reasons = case.reasons();
    if !reasons.contains(&new.reason) {
        reasons.push(new.reason);
    }
    let content = stored(&content)?;
    let is_known = store::newest_content(conn, case.id).await?.as_ref() == Some(&content);
    let row = NewRow {
        id: ReportId::new(now, op.random.as_ref()),
        case: case.id,
        reporter: Some(me),
        rule: None,
        reason: new.reason,
        text: &new.text,
        content: (!is_known).then_some(content.as_str()),
        now,
    };
    store::add(conn, &row, &stored(&reasons)?).await?;
    if new.target_kind == ReportTarget::Service {
        services::keep_photos(conn, ServiceId(new.target_id)).await?;
    }
    tell(op, conn, &case, EventKind::ReportFiled).await?;
    let made = store::own_in(conn, me, case.id).await?.ok_or_else(|| Error::not_found("report"))?;
    Ok((shown(made, now), true))
}

/// Returns what is reported, as the reporter sees it now.
async fn look(op: &Operation, conn: &mut Conn<'_>, me: UserId, new: &NewReport) -> Result<(Target, ReportedContent)> {
    let (kind, id, now) = (new.target_kind, new.target_id, op.now());
    let target = |thread, subject| Target { kind, id, thread, subject };
    Ok(match kind {
        ReportTarget::User => {
            let user = UserId(id);
            let may_see =
                me == user || profiles::shows(conn, now, user).await? || messaging::have_thread(conn, me, user).await?;
            let person = if may_see { profiles::presented(conn, user).await? } else { None };
            let (name, text) = person.ok_or_else(|| Error::not_found("user"))?;
            (target(None, user), ReportedContent { title: Some(name), text, ..ReportedContent::default() })
        }
        ReportTarget::Service => {
            let seen = services::seen(conn, now, ServiceId(id), me).await?;
            let (worker, title, text, photos) = seen.ok_or_else(|| Error::not_found("service"))?;
            (target(None, worker), ReportedContent { title: Some(title), text, photos, ..ReportedContent::default() })
        }
        ReportTarget::Message => {
            let seen = messaging::seen_message(conn, me, MessageId(id)).await?;
            let (thread, message) = seen.ok_or_else(|| Error::not_found("message"))?;
            let sender =
                message.sender_id.ok_or_else(|| Error::forbidden("a notice is nobody's; report the thread"))?;
            let messages = vec![reported(&message)];
            let text = message.content;
            (target(Some(thread), sender), ReportedContent { text, messages, ..ReportedContent::default() })
        }
        ReportTarget::Thread => {
            let thread = ThreadId(id);
            let seen = messaging::seen_thread(conn, me, thread, KEPT).await?;
            let (other, messages) = seen.ok_or_else(|| Error::not_found("thread"))?;
            let messages = messages.iter().map(reported).collect();
            (target(Some(thread), other), ReportedContent { messages, ..ReportedContent::default() })
        }
        ReportTarget::Review => {
            let seen = reviews::seen(conn, now, ReviewId(id), me).await?;
            let (author, rating, text) = seen.ok_or_else(|| Error::not_found("review"))?;
            (target(None, author), ReportedContent { text, rating: Some(rating), ..ReportedContent::default() })
        }
    })
}

fn reported(message: &messaging::model::Message) -> ReportedMessage {
    ReportedMessage { seq: message.seq, sender_id: message.sender_id, content: message.content.clone(), at: message.at }
}

/// Returns a report as its reporter sees it.
pub(super) fn shown(row: OwnRow, now: Timestamp) -> OwnReport {
    let is_told = row.effective_at.is_some_and(|at| at <= now);
    let status = match row.status {
        _ if !is_told => ReportOutcome::Open,
        ReportStatus::Dismissed => ReportOutcome::Dismissed,
        ReportStatus::Reversed => ReportOutcome::Reversed,
        _ => ReportOutcome::Resolved,
    };
    OwnReport {
        id: row.id,
        target_kind: row.target_kind,
        target_id: row.target_id,
        reason: row.reason,
        text: row.text.unwrap_or_default(),
        status,
        comment: row.comment_to_reporter.filter(|_| is_told),
        created_at: row.created_at,
        decided_at: row.decided_at.filter(|_| is_told),
    }
}

/// Returns the caller's reports, newest first.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn own(op: &Operation, page: &PageRequest) -> Result<Page<OwnReport>> {
    let me = op.actor().require_own(Permission::OwnAccount)?.account.id;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?.unwrap_or(NEWEST);
    let mut reader = op.db.read().await?;
    let rows = store::own(&mut reader.conn(), me, before, limit + 1).await?;
    let now = op.now();
    Ok(Page::from_rows(rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }).map(|row| shown(row, now)))
}

/// Returns what was decided about the caller, newest first, as far as it has taken effect. People have few, and see the
/// newest 200.
///
/// # Errors
/// `forbidden` for a caller without an account of their own.
pub async fn decisions(op: &Operation) -> Result<Page<OwnDecision>> {
    let me = op.actor().require_own(Permission::OwnAccount)?.account.id;
    let mut reader = op.db.read().await?;
    let cases = store::about(&mut reader.conn(), me, NEWEST, MOST_DECISIONS).await?;
    Ok(Page { items: cases.iter().filter_map(|case| case.own(op.now())).collect(), next: None })
}

/// Appeals against a decision about the caller, once and within [`APPEAL`](super::super::model::APPEAL): the case is in the
/// queue again, for somebody else than who decided it. The same appeal again changes nothing.
///
/// # Errors
/// `not_found` for what is no decision about the caller; `conflict` when there is another appeal, or the time is over.
pub async fn appeal(op: &Operation, id: CaseId, new: &NewAppeal) -> Result<OwnDecision> {
    let me = op.actor().require_own(Permission::OwnAccount)?.account.id;
    let text = check_text("/text", new.text.trim(), 1, MAX_TEXT)?;

    op.write(unit!(|op, conn| { appeal_in(&op, conn, me, id, text).await })).await
}

/// Appeals for a person, inside a transaction.
pub(super) async fn appeal_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    me: UserId,
    id: CaseId,
    text: String,
) -> Result<OwnDecision> {
    let now = op.now();
    // In the same words as for one that is not there: a stranger learns nothing.
    let none = || Error::not_found(format_args!("report {id}"));
    let case = store::lock(conn, id).await?;
    let made = case.own(now).filter(|_| case.subject_id == me).ok_or_else(none)?;
    if made.appeal_until.is_none() {
        return match &made.appeal {
            Some(appeal) if appeal.text.as_ref() == Some(&text) => Ok(made),
            Some(_) => Err(Error::conflict("there is one appeal against a decision, and it was made", made)),
            None => Err(Error::conflict("the time for an appeal is over", made)),
        };
    }
    store::set_appeal(conn, &case, &text, now).await?;
    series::count(conn, SeriesKind::ReportsAppealed, Happened::now(now, id.0)).await?;
    store::record(conn, id, now, &Principal::user(me), ReportEventKind::Appealed, None, None).await?;
    let what = Record {
        action: AuditAction::ReportsAppeal,
        event: EventKind::ReportAppealed,
        reason: None,
        metadata: serde_json::json!({}),
    };
    record(op, conn, &case, what).await?;
    store::get(conn, id).await?.own(now).ok_or_else(none)
}
