//! All SQL queries for reports.
//!
//! Each list uses one index: waiting cases by `(queued_at, id)`, decided ones by `(status, closed_at, id)`, those about a
//! person by `(subject_id, opened_at, id)`, claimed ones by the end of the claim, and a reporter's own reports by
//! `(reporter_id, created_at, id)`.

use std::time::Duration;

use uuid::Uuid;

use super::{
    model::{ReportEvent, ReportEventKind, ReportReason, ReportStatus, ReportTarget},
    row::Case,
};
use crate::{
    accounts::model::Status,
    base::{
        count::Count,
        error::{Error, Result},
        ids::{CaseId, ReportId, RuleId, ThreadId, UserId},
        page::TimeCursor,
        principal::Principal,
        time::Timestamp,
    },
    platform::db::Conn,
    rules::Hit,
};

/// Expands to the columns of [`Case`].
macro_rules! case_columns {
    ($form:ident) => {
        $crate::column_list!($form: id "c.id", text "c.target_kind", id "c.target_id", opt_id "c.thread_id" => "thread_id",
            id "c.subject_id", text "c.status", text "c.reasons", int "c.reports", time "c.opened_at", time "c.queued_at",
            text "c.claim_holder", text "c.claim_label", time "c.claim_expires_at", int "c.fence", text "c.assignee",
            text "c.assignee_label", time "c.escalated_at", text "c.decided_by", opt_id "c.decided_user" => "decided_user",
            time "c.decided_at", time "c.effective_at", text "c.decision_reasons", text "c.actions",
            text "c.comment_to_reporter", text "c.comment_to_subject", text "c.note", time "c.undo_queued_at",
            text "c.appeal_text", time "c.appealed_at", text "c.appeal_by", time "c.appeal_decided_at",
            text "c.appeal_comment", text "c.appeal_note", time "c.closed_at", int "c.version",
            text "u.name" => "subject_name", text "u.status" => "subject_status")
    };
}

/// Expands to the rows that [`case_columns`] are read from, with a condition.
macro_rules! cases {
    ($rest:literal) => {
        concat!("FROM report_cases c JOIN users u ON u.id = c.subject_id WHERE ", $rest)
    };
}

/// Expands to a query of whole cases.
macro_rules! case {
    ($rest:literal) => {
        concat!("SELECT ", case_columns!(rows), " ", cases!($rest))
    };
}

fn none(id: CaseId) -> Error {
    Error::not_found(format_args!("report {id}"))
}

/// Returns one case.
pub(super) async fn get(conn: &mut Conn<'_>, id: CaseId) -> Result<Case> {
    q!(conn => opt Case, case!("c.id = $1"), id)?.ok_or_else(|| none(id))
}

/// Returns one case, and locks it until the end of the transaction.
pub(super) async fn lock(conn: &mut Conn<'_>, id: CaseId) -> Result<Case> {
    q!(conn => opt Case, [sqlite: case!("c.id = $1"), pg: case!("c.id = $1 FOR UPDATE OF c")], id)?
        .ok_or_else(|| none(id))
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub kind: ReportTarget,
    pub id: Uuid,
    pub thread: Option<ThreadId>,
    pub subject: UserId,
}

/// Stores a case about a target, unless there is an open one. Returns whether it did.
pub(super) async fn open(conn: &mut Conn<'_>, id: CaseId, about: &Target, now: Timestamp) -> Result<bool> {
    let made = q!(conn => exec,
        "INSERT INTO report_cases (id, target_kind, target_id, thread_id, subject_id, status, reasons, reports, opened_at, \
           queued_at, fence, version) VALUES ($1, $2, $3, $4, $5, 'open', '[]', 0, $6, $6, 0, 0) \
         ON CONFLICT (target_kind, target_id, subject_id) WHERE decided_at IS NULL DO NOTHING",
        id, about.kind, about.id, about.thread, about.subject, now)?;
    Ok(made == 1)
}

/// Returns the open case about a target, and locks it until the end of the transaction.
pub(super) async fn lock_open(conn: &mut Conn<'_>, about: &Target) -> Result<Option<Case>> {
    Ok(q!(conn => opt Case, [
        sqlite: case!("c.target_kind = $1 AND c.target_id = $2 AND c.subject_id = $3 AND c.decided_at IS NULL"),
        pg: case!("c.target_kind = $1 AND c.target_id = $2 AND c.subject_id = $3 AND c.decided_at IS NULL FOR UPDATE OF c"),
    ], about.kind, about.id, about.subject)?)
}

/// A report to be stored.
pub(super) struct NewRow<'a> {
    pub id: ReportId,
    pub case: CaseId,
    /// None for the system.
    pub reporter: Option<UserId>,
    /// Of the system, the rule that it stands for.
    pub rule: Option<RuleId>,
    pub reason: ReportReason,
    pub text: &'a str,
    pub content: Option<&'a str>,
    pub now: Timestamp,
}

/// Stores a report, and counts it in its case. Returns `false` when the reporter has one there.
pub(super) async fn add(conn: &mut Conn<'_>, new: &NewRow<'_>, reasons: &str) -> Result<bool> {
    let made = q!(conn => exec,
        "INSERT INTO reports (id, case_id, reporter_id, reason, text, content, created_at, rule_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (case_id, reporter_id) DO NOTHING",
        new.id, new.case, new.reporter, new.reason, new.text, new.content, new.now, new.rule)?;
    if made == 1 {
        q!(conn => exec,
            "UPDATE report_cases SET reports = reports + 1, reasons = $2, version = version + 1 WHERE id = $1",
            new.case, reasons)?;
    }
    Ok(made == 1)
}

/// Returns the waiting case about messages of one side of a thread that rules opened, if there is one.
pub(super) async fn caught_in(conn: &mut Conn<'_>, thread: ThreadId, subject: UserId) -> Result<Option<CaseId>> {
    Ok(q!(conn => optval CaseId,
        "SELECT c.id FROM report_cases c WHERE c.thread_id = $1 AND c.subject_id = $2 AND c.thread_id IS NOT NULL \
         AND c.decided_at IS NULL AND c.target_kind || '' = 'message' \
         AND EXISTS (SELECT 1 FROM reports r WHERE r.case_id = c.id AND r.reporter_id IS NULL) ORDER BY c.opened_at LIMIT 1",
        thread, subject)?)
}

/// Returns how many reports of the system a case has, and whether one stands for a rule about the same content.
pub(super) async fn caught_before(
    conn: &mut Conn<'_>,
    case: CaseId,
    rule: RuleId,
    content: &str,
) -> Result<(i64, bool)> {
    Ok(q!(conn => one (i64, bool),
        "SELECT (SELECT count(*) FROM reports WHERE case_id = $1 AND reporter_id IS NULL), \
         EXISTS (SELECT 1 FROM reports WHERE case_id = $1 AND rule_id = $2 AND content = $3)",
        case, rule, content)?)
}

/// Returns whether staff dismissed what a rule caught of a thing, word for word: it is not brought up again.
pub(super) async fn dismissed_before(conn: &mut Conn<'_>, hit: &Hit) -> Result<bool> {
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM report_cases c JOIN reports r ON r.case_id = c.id \
         WHERE c.subject_id = $1 AND c.target_kind = $2 AND c.target_id = $3 AND c.status = 'dismissed' \
         AND r.reporter_id IS NULL AND r.rule_id = $4 AND r.content = $5)",
        hit.subject_id, hit.target_kind, hit.target_id, hit.rule_id, &hit.content)?)
}

/// Returns all that is kept with a case's reports.
pub(super) async fn contents(conn: &mut Conn<'_>, case: CaseId) -> Result<Vec<String>> {
    Ok(q!(conn => vals String, "SELECT content FROM reports WHERE case_id = $1 AND content IS NOT NULL", case)?)
}

/// Returns the newest content that is kept with a case's reports.
pub(super) async fn newest_content(conn: &mut Conn<'_>, case: CaseId) -> Result<Option<String>> {
    Ok(q!(conn => optval String,
        "SELECT content FROM reports WHERE case_id = $1 AND content IS NOT NULL ORDER BY id DESC LIMIT 1", case)?)
}

/// A row of `reports` with the name of its reporter.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct ReportRow {
    pub id: ReportId,
    pub reporter_id: Option<UserId>,
    pub name: Option<String>,
    pub status: Option<Status>,
    pub reason: ReportReason,
    pub text: Option<String>,
    pub content: Option<String>,
    pub created_at: Timestamp,
}

/// Returns the reports of a case, oldest first.
pub(super) async fn reports(conn: &mut Conn<'_>, case: CaseId, limit: i64) -> Result<Vec<ReportRow>> {
    Ok(q!(conn => all ReportRow,
        "SELECT r.id, r.reporter_id, u.name, u.status, r.reason, r.text, r.content, r.created_at FROM reports r \
         LEFT JOIN users u ON u.id = r.reporter_id WHERE r.case_id = $1 ORDER BY r.id LIMIT ($2 + 0)",
        case, limit)?)
}

/// Returns who reported in a case.
pub(super) async fn reporters(conn: &mut Conn<'_>, case: CaseId) -> Result<Vec<UserId>> {
    Ok(q!(conn => vals UserId,
        "SELECT reporter_id FROM reports WHERE case_id = $1 AND reporter_id IS NOT NULL ORDER BY id", case)?)
}

/// Returns whether somebody reported in a case.
pub(super) async fn has_reported(conn: &mut Conn<'_>, case: CaseId, user: UserId) -> Result<bool> {
    Ok(
        q!(conn => val bool, "SELECT EXISTS (SELECT 1 FROM reports WHERE case_id = $1 AND reporter_id = $2)", case, user)?,
    )
}

/// A report of one's own, with what became of its case.
#[derive(Debug, Clone, sqlx_macros::FromRow)]
pub(super) struct OwnRow {
    pub id: ReportId,
    pub target_kind: ReportTarget,
    pub target_id: Uuid,
    pub reason: ReportReason,
    pub text: Option<String>,
    pub created_at: Timestamp,
    pub status: ReportStatus,
    pub comment_to_reporter: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub effective_at: Option<Timestamp>,
}

/// Returns somebody's reports, newest first.
pub(super) async fn own(conn: &mut Conn<'_>, user: UserId, before: TimeCursor, limit: i64) -> Result<Vec<OwnRow>> {
    Ok(q!(conn => all OwnRow,
        "SELECT r.id, c.target_kind, c.target_id, r.reason, r.text, r.created_at, c.status, c.comment_to_reporter, \
           c.decided_at, c.effective_at FROM reports r JOIN report_cases c ON c.id = r.case_id \
         WHERE r.reporter_id = $1 AND (r.created_at, r.id) < ($2, $3) ORDER BY r.created_at DESC, r.id DESC LIMIT ($4 + 0)",
        user, before.at, before.id, limit)?)
}

/// Returns somebody's report in a case.
pub(super) async fn own_in(conn: &mut Conn<'_>, user: UserId, case: CaseId) -> Result<Option<OwnRow>> {
    Ok(q!(conn => opt OwnRow,
        "SELECT r.id, c.target_kind, c.target_id, r.reason, r.text, r.created_at, c.status, c.comment_to_reporter, \
           c.decided_at, c.effective_at FROM reports r JOIN report_cases c ON c.id = r.case_id \
         WHERE r.case_id = $1 AND r.reporter_id = $2",
        case, user)?)
}

/// Selects among the waiting cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// All that are not put off.
    All,
    /// Those of a state that nobody has claimed.
    Unclaimed(ReportStatus),
    Claimed,
    Snoozed,
    /// Those that wait for an admin, and are not put off.
    Escalated,
}

/// Returns the queue, oldest first.
pub(super) async fn queue(
    conn: &mut Conn<'_>,
    which: Waiting,
    kind: Option<ReportTarget>,
    now: Timestamp,
    after: TimeCursor,
    limit: i64,
) -> Result<Vec<Case>> {
    let (at, id) = (after.at, after.id);
    Ok(match which {
        Waiting::All => q!(conn => page Case, case_columns,
            cases!("c.queued_at IS NOT NULL AND c.queued_at <= $4 AND (c.queued_at, c.id) > ($1, $2) \
                    AND (c.target_kind = $3 OR $3 IS NULL) ORDER BY c.queued_at, c.id LIMIT ($5 + 0)"),
            at, id, kind, now, limit)?,
        Waiting::Unclaimed(status) => q!(conn => page Case, case_columns,
            cases!("c.queued_at IS NOT NULL AND c.queued_at <= $4 AND (c.queued_at, c.id) > ($1, $2) \
                    AND (c.target_kind = $3 OR $3 IS NULL) AND c.status || '' = $6 \
                    AND (c.claim_expires_at IS NULL OR c.claim_expires_at <= $4) ORDER BY c.queued_at, c.id LIMIT ($5 + 0)"),
            at, id, kind, now, limit, status)?,
        Waiting::Escalated => q!(conn => page Case, case_columns,
            cases!("c.queued_at IS NOT NULL AND c.queued_at <= $4 AND (c.queued_at, c.id) > ($1, $2) \
                    AND (c.target_kind = $3 OR $3 IS NULL) AND c.escalated_at IS NOT NULL \
                    ORDER BY c.queued_at, c.id LIMIT ($5 + 0)"),
            at, id, kind, now, limit)?,
        // There are no more live claims than reviewers; so this query sorts them without an index.
        Waiting::Claimed => q!(conn => page Case, case_columns,
            cases!("c.claim_expires_at > $4 AND (c.queued_at, c.id) > ($1, $2) AND (c.target_kind = $3 OR $3 IS NULL) \
                    ORDER BY c.queued_at, c.id LIMIT ($5 + 0)"),
            at, id, kind, now, limit)?,
        Waiting::Snoozed => q!(conn => page Case, case_columns,
            cases!("c.queued_at IS NOT NULL AND c.queued_at > $4 AND (c.queued_at, c.id) > ($1, $2) \
                    AND (c.target_kind = $3 OR $3 IS NULL) ORDER BY c.queued_at, c.id LIMIT ($5 + 0)"),
            at, id, kind, now, limit)?,
    })
}

/// Returns decided cases of one state, newest decision first.
pub(super) async fn decided(
    conn: &mut Conn<'_>,
    status: ReportStatus,
    kind: Option<ReportTarget>,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<Case>> {
    Ok(q!(conn => page Case, case_columns,
        cases!("c.closed_at IS NOT NULL AND c.status = $1 AND (c.closed_at, c.id) < ($2, $3) \
                AND (c.target_kind = $4 OR $4 IS NULL) ORDER BY c.closed_at DESC, c.id DESC LIMIT ($5 + 0)"),
        status, before.at, before.id, kind, limit)?)
}

/// Returns the cases about a person, newest first.
pub(super) async fn about(conn: &mut Conn<'_>, subject: UserId, before: TimeCursor, limit: i64) -> Result<Vec<Case>> {
    Ok(q!(conn => page Case, case_columns,
        cases!("c.subject_id = $1 AND (c.opened_at, c.id) < ($2, $3) ORDER BY c.opened_at DESC, c.id DESC LIMIT ($4 + 0)"),
        subject, before.at, before.id, limit)?)
}

/// Who looks for a case.
pub(super) struct Seeker<'a> {
    pub who: &'a Principal,
    pub user: UserId,
    /// Whether they may take what was escalated.
    pub admin: bool,
    pub now: Timestamp,
}

/// Expands to the condition that a case `c` is free for the reviewer `$1` (a principal) and `$2` (their account): they have
/// nothing to do with it, and nobody holds it.
macro_rules! is_free {
    () => {
        "c.queued_at IS NOT NULL AND c.queued_at <= $3 AND (c.claim_expires_at IS NULL OR c.claim_expires_at <= $3) \
         AND c.subject_id <> $2 AND ($4 OR c.escalated_at IS NULL) \
         AND (c.status || '' = 'open' OR (c.decided_by <> $1 AND (c.decided_user IS NULL OR c.decided_user <> $2))) \
         AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.case_id = c.id AND r.reporter_id = $2)"
    };
}

/// Expands to both texts of a query for the first free case.
macro_rules! first_free {
    ($from:literal, $condition:literal, $order:literal) => {
        [
            concat!("SELECT c.id FROM ", $from, " WHERE ", is_free!(), $condition, " ORDER BY ", $order, " LIMIT 1"),
            concat!(
                "SELECT c.id FROM ",
                $from,
                " WHERE ",
                is_free!(),
                $condition,
                " ORDER BY ",
                $order,
                " LIMIT 1 FOR UPDATE OF c SKIP LOCKED"
            ),
        ]
    };
}

/// Returns the case that a reviewer takes next: the oldest that is theirs by assignment, else the oldest that is nobody's,
/// else the one that they skipped longest ago. PostgreSQL also locks it, and skips cases that others have locked.
pub(super) async fn next(conn: &mut Conn<'_>, seeker: &Seeker<'_>) -> Result<Option<CaseId>> {
    const ASSIGNED: [&str; 2] = first_free!(
        "report_cases c",
        " AND c.assignee = $1 AND NOT EXISTS (SELECT 1 FROM report_skips s WHERE s.case_id = c.id AND s.principal = $1)",
        "c.queued_at, c.id"
    );
    const NOBODYS: [&str; 2] = first_free!(
        "report_cases c",
        " AND c.assignee IS NULL AND NOT EXISTS (SELECT 1 FROM report_skips s WHERE s.case_id = c.id AND s.principal = $1)",
        "c.queued_at, c.id"
    );
    const SKIPPED: [&str; 2] = first_free!(
        "report_skips s JOIN report_cases c ON c.id = s.case_id",
        " AND s.principal = $1 AND (c.assignee IS NULL OR c.assignee = $1)",
        "s.at, c.id"
    );
    let Seeker { who, user, admin, now } = *seeker;
    if let Some(id) = q!(&mut *conn => optval CaseId, [sqlite: ASSIGNED[0], pg: ASSIGNED[1]], who, user, now, admin)? {
        return Ok(Some(id));
    }
    if let Some(id) = q!(&mut *conn => optval CaseId, [sqlite: NOBODYS[0], pg: NOBODYS[1]], who, user, now, admin)? {
        return Ok(Some(id));
    }
    Ok(q!(conn => optval CaseId, [sqlite: SKIPPED[0], pg: SKIPPED[1]], who, user, now, admin)?)
}

/// A claim to be stored.
pub(super) struct NewClaim<'a> {
    pub holder: &'a Principal,
    pub label: &'a str,
    pub expires_at: Timestamp,
    pub fence: i64,
}

/// Stores a claim.
pub(super) async fn set_claim(conn: &mut Conn<'_>, id: CaseId, claim: &NewClaim<'_>) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET claim_holder = $2, claim_label = $3, claim_expires_at = $4, fence = $5, version = version + 1 \
         WHERE id = $1",
        id, claim.holder, claim.label, claim.expires_at, claim.fence)?;
    Ok(())
}

/// Moves the end of a live claim. This does not count as a change of the case: its version stays.
pub(super) async fn renew_claim(
    conn: &mut Conn<'_>,
    id: CaseId,
    holder: &Principal,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET claim_expires_at = $4 WHERE id = $1 AND claim_holder = $2 AND claim_expires_at > $3",
        id, holder, now, expires_at)?;
    Ok(())
}

/// Ends a claim.
pub(super) async fn clear_claim(conn: &mut Conn<'_>, id: CaseId) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET claim_holder = NULL, claim_label = NULL, claim_expires_at = NULL, version = version + 1 \
         WHERE id = $1",
        id)?;
    Ok(())
}

/// Returns who holds live claims, once for each.
pub(crate) async fn holders(conn: &mut Conn<'_>, now: Timestamp) -> Result<Vec<Principal>> {
    Ok(q!(conn => vals Principal,
        "SELECT claim_holder FROM report_cases WHERE claim_expires_at > $1 AND claim_holder IS NOT NULL", now)?)
}

/// Returns the cases that somebody holds a live claim on. There are no more live claims than reviewers.
pub(super) async fn held_by(conn: &mut Conn<'_>, holder: &Principal, now: Timestamp) -> Result<Vec<CaseId>> {
    Ok(q!(conn => vals CaseId,
        "SELECT id FROM report_cases WHERE claim_expires_at > $2 AND claim_holder = $1", holder, now)?)
}

/// Records that a reviewer would rather take other cases first.
pub(super) async fn skip(conn: &mut Conn<'_>, id: CaseId, who: &Principal, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO report_skips (case_id, principal, at) VALUES ($1, $2, $3) \
         ON CONFLICT (case_id, principal) DO UPDATE SET at = excluded.at",
        id, who, now)?;
    Ok(())
}

/// Moves a case to another place in the queue.
pub(super) async fn set_place(conn: &mut Conn<'_>, id: CaseId, queued_at: Timestamp) -> Result<()> {
    q!(conn => exec, "UPDATE report_cases SET queued_at = $2, version = version + 1 WHERE id = $1", id, queued_at)?;
    Ok(())
}

/// Stores who shall look at a case.
pub(super) async fn set_assignee(
    conn: &mut Conn<'_>,
    id: CaseId,
    assignee: Option<&Principal>,
    label: Option<&str>,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET assignee = $2, assignee_label = $3, version = version + 1 WHERE id = $1",
        id, assignee, label)?;
    Ok(())
}

/// Stores that an admin shall decide.
pub(super) async fn escalate(conn: &mut Conn<'_>, id: CaseId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET escalated_at = $2, assignee = NULL, assignee_label = NULL, version = version + 1 WHERE id = $1",
        id, now)?;
    Ok(())
}

/// Adds to the history of a case.
pub(super) async fn record(
    conn: &mut Conn<'_>,
    id: CaseId,
    now: Timestamp,
    actor: &Principal,
    kind: ReportEventKind,
    note: Option<&str>,
    until: Option<Timestamp>,
) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO report_history (case_id, n, at, actor, kind, note, until) \
         VALUES ($1, (SELECT coalesce(max(n), 0) + 1 FROM report_history WHERE case_id = $1), $2, $3, $4, $5, $6)",
        id, now, actor, kind, note, until)?;
    Ok(())
}

/// Returns the history of a case, newest first.
pub(super) async fn history(conn: &mut Conn<'_>, id: CaseId, limit: i64) -> Result<Vec<ReportEvent>> {
    Ok(q!(conn => all ReportEvent,
        "SELECT at, actor, kind, note, until FROM report_history WHERE case_id = $1 ORDER BY n DESC LIMIT ($2 + 0)", id, limit)?)
}

/// A decision to be stored; all fields are `None` when there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Decided {
    pub by: Option<Principal>,
    pub user: Option<UserId>,
    pub at: Option<Timestamp>,
    pub effective_at: Option<Timestamp>,
    pub reasons: Option<String>,
    pub actions: Option<String>,
    pub comment_to_reporter: Option<String>,
    pub comment_to_subject: Option<String>,
    pub note: Option<String>,
}

fn once(changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::conflict("it was changed meanwhile; load it again", ())) }
}

/// Stores a state with its decision, and ends the claim, unless the case has changed since it was read. A case without a
/// decision goes back to its place in the queue.
pub(super) async fn set_decision(
    conn: &mut Conn<'_>,
    read: &Case,
    status: ReportStatus,
    fence: i64,
    decided: Decided,
) -> Result<()> {
    let queued_at = if decided.at.is_none() { read.undo_queued_at } else { None };
    let undo_queued_at = if decided.at.is_some() { read.queued_at } else { None };
    once(q!(conn => exec,
        "UPDATE report_cases SET status = $3, fence = $4, decided_by = $5, decided_user = $6, decided_at = $7, closed_at = $7, \
         effective_at = $8, decision_reasons = $9, actions = $10, comment_to_reporter = $11, comment_to_subject = $12, note = $13, \
         queued_at = $14, undo_queued_at = $15, claim_holder = NULL, claim_label = NULL, claim_expires_at = NULL, \
         version = version + 1 WHERE id = $1 AND version = $2",
        read.id, read.version, status, fence, decided.by, decided.user, decided.at, decided.effective_at, decided.reasons,
        decided.actions, decided.comment_to_reporter, decided.comment_to_subject, decided.note, queued_at, undo_queued_at)?)
}

/// Stores an appeal: the case is in the queue again, for whoever has not decided it.
pub(super) async fn set_appeal(conn: &mut Conn<'_>, read: &Case, text: &str, now: Timestamp) -> Result<()> {
    once(q!(conn => exec,
        "UPDATE report_cases SET status = 'appealed', appeal_text = $3, appealed_at = $4, queued_at = $4, closed_at = NULL, \
         assignee = NULL, assignee_label = NULL, version = version + 1 WHERE id = $1 AND version = $2",
        read.id, read.version, text, now)?)
}

/// A decision about an appeal to be stored.
pub(super) struct AppealDecided<'a> {
    pub status: ReportStatus,
    pub fence: i64,
    pub by: &'a Principal,
    pub at: Timestamp,
    pub comment: Option<&'a str>,
    pub note: Option<&'a str>,
}

/// Stores the decision about an appeal, and ends the claim, unless the case has changed since it was read.
pub(super) async fn set_appeal_decision(conn: &mut Conn<'_>, read: &Case, decided: &AppealDecided<'_>) -> Result<()> {
    once(q!(conn => exec,
        "UPDATE report_cases SET status = $3, fence = $4, appeal_by = $5, appeal_decided_at = $6, closed_at = $6, \
         appeal_comment = $7, appeal_note = $8, queued_at = NULL, claim_holder = NULL, claim_label = NULL, \
         claim_expires_at = NULL, version = version + 1 WHERE id = $1 AND version = $2",
        read.id, read.version, decided.status, decided.fence, decided.by, decided.at, decided.comment, decided.note)?)
}

/// Moves the reports of a later case into an earlier one about the same target, and removes the later one.
pub(super) async fn merge(conn: &mut Conn<'_>, from: CaseId, into: CaseId) -> Result<()> {
    q!(conn => exec,
        "DELETE FROM reports WHERE case_id = $1 AND reporter_id IN (SELECT reporter_id FROM reports WHERE case_id = $2)",
        from, into)?;
    q!(conn => exec, "UPDATE reports SET case_id = $2 WHERE case_id = $1", from, into)?;
    q!(conn => exec, "DELETE FROM report_cases WHERE id = $1", from)?;
    Ok(())
}

/// Counts the reports of a case anew, after others came into it.
pub(super) async fn recount(conn: &mut Conn<'_>, id: CaseId, reasons: &str) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET reports = (SELECT count(*) FROM reports WHERE case_id = $1), reasons = $2 WHERE id = $1",
        id, reasons)?;
    Ok(())
}

/// Returns since when the first case in the queue waits.
pub(super) async fn oldest(conn: &mut Conn<'_>, now: Timestamp) -> Result<Option<Timestamp>> {
    Ok(q!(conn => optval Timestamp,
        "SELECT queued_at FROM report_cases WHERE queued_at <= $1 ORDER BY queued_at, id LIMIT 1", now)?)
}

/// Counts for the dashboard. They stop one above [`Count::CAP`], so that they cost the same on any number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx_macros::FromRow)]
pub(crate) struct ReportCounts {
    /// Waiting cases that are not put off, including claimed ones.
    pub open: i64,
    /// Claimed cases.
    pub in_review: i64,
    /// Since when the first in the queue waits.
    pub oldest_at: Option<Timestamp>,
    /// Cases decided in the last 24 hours.
    pub decided_24h: i64,
}

/// Returns the counts for the dashboard.
pub(crate) async fn counts(conn: &mut Conn<'_>, now: Timestamp) -> Result<ReportCounts> {
    let (yesterday, cap) = (now - Duration::from_hours(24), Count::CAP + 1);
    Ok(q!(conn => one ReportCounts,
        "SELECT (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM report_cases WHERE queued_at <= $1 LIMIT ($3 + 0)) AS capped_open) AS open, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM report_cases WHERE claim_expires_at > $1 LIMIT ($3 + 0)) AS capped_claimed) AS in_review, \
         (SELECT queued_at FROM report_cases WHERE queued_at <= $1 ORDER BY queued_at, id LIMIT 1) AS oldest_at, \
         (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM report_cases WHERE closed_at > $2 LIMIT ($3 + 0)) AS capped_decided) AS decided_24h",
        now, yesterday, cap)?)
}

/// Returns the cases in which a person reported, or that are about them.
pub(super) async fn cases_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<CaseId>> {
    Ok(q!(conn => vals CaseId,
        "SELECT id FROM report_cases WHERE subject_id = $1 UNION SELECT case_id FROM reports WHERE reporter_id = $1", user)?)
}

/// Returns the open cases about a person.
pub(super) async fn open_about(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<CaseId>> {
    Ok(q!(conn => vals CaseId,
        "SELECT id FROM report_cases WHERE subject_id = $1 AND status || '' IN ('open', 'appealed')", user)?)
}

/// Returns the reports of threads by or about a person that keep messages.
pub(super) async fn thread_contents(conn: &mut Conn<'_>, reporter: UserId) -> Result<Vec<(ReportId, String)>> {
    Ok(q!(conn => all (ReportId, String),
        "SELECT r.id, r.content FROM report_cases c JOIN reports r ON r.case_id = c.id WHERE c.target_kind || '' = 'thread' \
         AND r.content IS NOT NULL AND c.id IN (SELECT case_id FROM reports WHERE reporter_id = $1)",
        reporter)?)
}

/// Stores what is left of what was reported.
pub(super) async fn set_content(conn: &mut Conn<'_>, id: ReportId, content: &str) -> Result<()> {
    q!(conn => exec, "UPDATE reports SET content = $2 WHERE id = $1", id, content)?;
    Ok(())
}

/// Deletes what a person wrote in reports and appeals, what they said when it was reported, what others said of them in
/// reports, and what staff wrote about it.
pub(super) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "UPDATE reports SET text = NULL WHERE reporter_id = $1", user)?;
    q!(conn => exec,
        "UPDATE reports SET text = NULL, content = NULL WHERE case_id IN (SELECT id FROM report_cases WHERE subject_id = $1)",
        user)?;
    q!(conn => exec,
        "UPDATE report_history SET note = NULL WHERE case_id IN (SELECT id FROM report_cases WHERE subject_id = $1)", user)?;
    q!(conn => exec,
        "UPDATE report_cases SET comment_to_reporter = NULL, comment_to_subject = NULL, note = NULL, appeal_text = NULL, \
         appeal_comment = NULL, appeal_note = NULL, version = version + 1 WHERE subject_id = $1",
        user)?;
    Ok(())
}

/// Takes the name of an erased member of staff from the cases that they hold, and from those that were assigned to them.
pub(super) async fn clear_labels(conn: &mut Conn<'_>, who: &Principal) -> Result<()> {
    q!(conn => exec,
        "UPDATE report_cases SET claim_label = NULL WHERE claim_expires_at IS NOT NULL AND claim_holder = $1", who)?;
    q!(conn => exec,
        "UPDATE report_cases SET assignee = NULL, assignee_label = NULL WHERE assignee IS NOT NULL AND assignee = $1", who)?;
    q!(conn => exec, "DELETE FROM report_skips WHERE principal = $1", who)?;
    Ok(())
}
