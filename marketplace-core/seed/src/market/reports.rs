//! What people reported, what staff decided, and appeals: cases about some of what the market already has.

use std::{collections::BTreeSet, time::Duration};

use marketplace_core::{
    app::App,
    base::{
        error::{Error, Result},
        ids::UserId,
        permission::Role,
        time::Timestamp,
    },
    kyc::model::UNDO,
    notifications::model::NotificationKind,
    platform::db::bulk::Value,
    q,
    records::{
        audit::{AuditAction, Entry},
        target::TargetKind,
    },
    reports::model::{DismissReason, ReportReason, ReportTarget, ReportedContent, ReportedMessage},
};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use uuid::Uuid;

use super::plan_index::{Purpose, rng, uuid};
use crate::{
    history::PastAction,
    notices::{NOTIFICATIONS, Notices},
    tables::{self, Table},
    users::Users,
};

/// One case for so many conversations.
const EVERY: u64 = 25;
/// The most cases.
const MOST: u64 = 2_000;

const CASES: &[&str] = &[
    "id",
    "target_kind",
    "target_id",
    "thread_id",
    "subject_id",
    "status",
    "reasons",
    "reports",
    "opened_at",
    "queued_at",
    "fence",
    "decided_by",
    "decided_user",
    "decided_at",
    "effective_at",
    "decision_reasons",
    "actions",
    "comment_to_reporter",
    "comment_to_subject",
    "note",
    "undo_queued_at",
    "appeal_text",
    "appealed_at",
    "appeal_by",
    "appeal_decided_at",
    "appeal_comment",
    "closed_at",
    "version",
];
const REPORTS: &[&str] = &["id", "case_id", "reporter_id", "reason", "text", "content", "created_at"];
const HISTORY: &[&str] = &["case_id", "n", "at", "actor", "kind", "note"];

/// What people write, by reason.
const SAID: &[(ReportReason, &[&str])] = &[
    (
        ReportReason::Scam,
        &["Wanted half of the money before coming, by bank transfer.", "The price doubled once I had agreed."],
    ),
    (
        ReportReason::OffPlatformPayment,
        &["Asks me to pay outside the site.", "Sends a phone number and wants to deal without the site."],
    ),
    (ReportReason::Spam, &["The same text in every message.", "This is an advertisement for something else."]),
    (ReportReason::Harassment, &["Insulted me when I said no.", "Keeps writing although I asked them to stop."]),
    (
        ReportReason::Impersonation,
        &["This is not the person in the picture.", "Uses the name of a company they do not work for."],
    ),
    (
        ReportReason::Other,
        &["They never came, and do not answer any more.", "Something is wrong here, please have a look."],
    ),
];
const APPEALS: &[&str] = &[
    "It was a misunderstanding: I only gave the number so that they could find the house.",
    "I was angry because nobody came. It will not happen again.",
    "I did not write this. Somebody else used my phone.",
];
const NOTES: &[&str] =
    &["Second time this month.", "Clear from the messages before.", "New account; benefit of the doubt."];

/// Something that can be reported.
struct Candidate {
    kind: ReportTarget,
    id: Uuid,
    thread: Option<Uuid>,
    subject: UserId,
    reporter: UserId,
    content: ReportedContent,
    at: Timestamp,
}

#[derive(Default)]
struct Rows {
    cases: Vec<Vec<Value>>,
    reports: Vec<Vec<Value>>,
    history: Vec<Vec<Value>>,
    notifications: Vec<Vec<Value>>,
    past_actions: Vec<PastAction>,
}

/// Files reports about a few of what there is, and decides some of them. Returns the past actions of staff, in a
/// demonstration.
pub(super) async fn run(app: &App, cast: &Users, threads: u64) -> Result<Vec<PastAction>> {
    let (seed, _, demo) = cast.plan();
    let wanted = (threads / EVERY).clamp(5, MOST);
    let now = app.now();
    let mut rows = Rows::default();
    for (number, candidate) in (0..).zip(candidates(app, wanted).await?) {
        let mut rng = rng(seed, Purpose::Reports, number);
        case(cast, &candidate, (number, now, demo), &mut rows, &mut rng)?;
    }
    let tables = vec![
        Table::new("report_cases", CASES, rows.cases),
        Table::new("reports", REPORTS, rows.reports),
        Table::new("report_history", HISTORY, rows.history),
        Table::new("notifications", NOTIFICATIONS, rows.notifications),
    ];
    tables::write(app, tables, BTreeSet::new(), &|_| ()).await?;
    Ok(rows.past_actions)
}

type Said = (Uuid, Uuid, Uuid, Uuid, Uuid, i64, String, Timestamp);
type Offered = (Uuid, Uuid, String, String, Timestamp);
type Reviewed = (Uuid, Uuid, Uuid, i64, String, Timestamp);

/// Returns the newest of each kind, in turn.
async fn candidates(app: &App, wanted: u64) -> Result<Vec<Candidate>> {
    let each = i64::try_from(wanted.div_ceil(5)).unwrap_or(i64::MAX);
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let said = q!(&mut conn => all Said,
        "SELECT t.id, t.client_id, t.worker_id, m.id, m.sender_id, m.seq, m.content, m.created_at FROM threads t \
         JOIN messages m ON m.thread_id = t.id AND m.seq = t.last_seq \
         WHERE m.sender_id IS NOT NULL AND m.removed_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM report_cases c WHERE c.subject_id = m.sender_id) ORDER BY t.last_at DESC, t.id DESC LIMIT ($1 + 0)",
        each * 3)?;
    let offered = q!(&mut conn => all Offered,
        "SELECT id, worker_id, title, description, created_at FROM services WHERE status = 'published' \
         AND NOT EXISTS (SELECT 1 FROM report_cases c WHERE c.subject_id = services.worker_id) ORDER BY number DESC LIMIT ($1 + 0)",
        each)?;
    let reviewed = q!(&mut conn => all Reviewed,
        "SELECT id, author_id, subject_id, rating, content, created_at FROM reviews WHERE status = 'published' \
         AND NOT EXISTS (SELECT 1 FROM report_cases c WHERE c.subject_id = reviews.author_id) ORDER BY created_at DESC, id DESC LIMIT ($1 + 0)",
        each)?;
    drop(reader);
    let mut all = Vec::new();
    // Each with a time at which they were there.
    let clients: Vec<(Uuid, Timestamp)> = said.iter().map(|row| (row.1, row.7)).collect();
    for (at, (thread, client, worker, message, sender, seq, text, written)) in said.into_iter().enumerate() {
        let (subject, reporter) = (sender, if sender == client { worker } else { client });
        let said = ReportedMessage { seq, sender_id: Some(UserId(sender)), content: text.clone(), at: written };
        let content = |text| ReportedContent { text, messages: vec![said.clone()], ..ReportedContent::default() };
        let (kind, id, thread, content) = match at % 3 {
            0 => (ReportTarget::Message, message, Some(thread), content(text)),
            1 => (ReportTarget::Thread, thread, Some(thread), content(String::new())),
            _ => (ReportTarget::User, subject, None, ReportedContent::default()),
        };
        let (subject, reporter) = (UserId(subject), UserId(reporter));
        all.push(Candidate { kind, id, thread, subject, reporter, content, at: written });
    }
    for ((id, worker, title, text, at), (client, there)) in offered.into_iter().zip(clients.iter().cycle()) {
        let content = ReportedContent { title: Some(title), text, ..ReportedContent::default() };
        let (subject, reporter) = (UserId(worker), UserId(*client));
        let at = at.max(*there);
        all.push(Candidate { kind: ReportTarget::Service, id, thread: None, subject, reporter, content, at });
    }
    for (id, author, subject, rating, text, at) in reviewed {
        let content = ReportedContent { text, rating: Some(rating), ..ReportedContent::default() };
        let (subject, reporter) = (UserId(author), UserId(subject));
        all.push(Candidate { kind: ReportTarget::Review, id, thread: None, subject, reporter, content, at });
    }
    // One case for each person, so that no two are about the same thing.
    let mut seen = BTreeSet::new();
    all.retain(|candidate| candidate.subject != candidate.reporter && seen.insert(candidate.subject));
    Ok(all)
}

/// How a case ended, if it did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Dismissed,
    Resolved,
    Appealed,
    Upheld,
    Reversed,
}

impl End {
    fn of(number: u64) -> Self {
        match number % 10 {
            0 | 1 | 3 | 5 | 6 => Self::Open,
            2 => Self::Appealed,
            4 => Self::Dismissed,
            7 => Self::Resolved,
            8 => Self::Reversed,
            _ => Self::Upheld,
        }
    }
}

fn stored(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_string(value).map(Value::Text).map_err(Error::internal)
}

fn case(
    cast: &Users,
    about: &Candidate,
    (number, now, demo): (u64, Timestamp, bool),
    rows: &mut Rows,
    rng: &mut StdRng,
) -> Result<()> {
    let end = End::of(number);
    // What waits came in the last two days; what is decided, in the weeks before.
    let age = if end == End::Open { rng.random_range(5..2_880) } else { rng.random_range(4_320..30_000) };
    let opened = (now - Duration::from_secs(60 * age)).max(about.at + Duration::from_mins(2)).min(now);
    let id = uuid(opened, rng);
    let Some((reason, texts)) = SAID.choose(rng) else { return Ok(()) };
    let text = texts.choose(rng).copied().unwrap_or_default();
    rows.reports.push(vec![
        Value::Id(uuid(opened, rng)),
        Value::Id(id),
        Value::Id(about.reporter.0),
        Value::Word(reason.as_str()),
        Value::Word(text),
        stored(&about.content)?,
        Value::Time(opened),
    ]);
    let by = cast.some_staff(Role::Support, rng);
    let staff = cast.staff(by);
    let decided = (end != End::Open).then(|| (opened + Duration::from_mins(rng.random_range(20..600))).min(now));
    let appealed = matches!(end, End::Appealed | End::Upheld | End::Reversed)
        .then(|| decided.map(|at| (at + Duration::from_hours(rng.random_range(2..40))).min(now)));
    let appealed = appealed.flatten();
    let other = cast.staff(cast.some_staff(Role::Admin, rng));
    let answered = matches!(end, End::Upheld | End::Reversed);
    let answered = appealed.filter(|_| answered).map(|at| (at + Duration::from_hours(5)).min(now));
    let acts = !matches!(end, End::Open | End::Dismissed);
    let dismissal = DismissReason::ALL.choose(rng).copied().unwrap_or(DismissReason::NoViolation);
    let (status, code) = match end {
        End::Open => ("open", reason.as_str()),
        End::Dismissed => ("dismissed", dismissal.as_str()),
        End::Resolved => ("resolved", reason.as_str()),
        End::Appealed => ("appealed", reason.as_str()),
        End::Upheld => ("upheld", reason.as_str()),
        End::Reversed => ("reversed", reason.as_str()),
    };
    let answer = if end == End::Reversed {
        "A colleague looked at it anew: you were right, and the warning is taken back."
    } else {
        "A colleague looked at it anew, and the decision stays."
    };
    let queued = if decided.is_none() { Some(opened) } else { appealed.filter(|_| answered.is_none()) };
    let closed = answered.or(if appealed.is_some() { None } else { decided });
    let note = NOTES.choose(rng).copied().filter(|_| decided.is_some());
    let to_reporter =
        if acts { "Thank you for telling us. We looked at it and took action." } else { dismissal.to_reporter() };
    let actions = if acts { json!([{ "action": "warn", "changed": true }]) } else { json!([]) };
    rows.cases.push(vec![
        Value::Id(id),
        Value::Word(about.kind.as_str()),
        Value::Id(about.id),
        Value::or_null(about.thread, Value::Id),
        Value::Id(about.subject.0),
        Value::Word(status),
        stored(&[reason])?,
        Value::Int(1),
        Value::Time(opened),
        Value::or_null(queued, Value::Time),
        Value::Int(i64::from(decided.is_some()) + i64::from(answered.is_some())),
        Value::or_null(decided, |_| Value::Text(staff.to_string())),
        Value::or_null(decided.and(staff.user_id()), |user| Value::Id(user.0)),
        Value::or_null(decided, Value::Time),
        Value::or_null(decided, |at| Value::Time(at + Duration::from_secs(10))),
        if decided.is_some() { stored(&[code])? } else { Value::Null },
        if decided.is_some() { stored(&actions)? } else { Value::Null },
        Value::or_null(decided, |_| Value::Word(to_reporter)),
        Value::or_null(decided.filter(|_| acts), |_| Value::Word(reason.to_subject())),
        Value::or_null(note, Value::Word),
        Value::or_null(decided, |_| Value::Time(opened)),
        Value::or_null(appealed.and(APPEALS.choose(rng)), |text| Value::Word(text)),
        Value::or_null(appealed, Value::Time),
        Value::or_null(answered, |_| Value::Text(other.to_string())),
        Value::or_null(answered, Value::Time),
        Value::or_null(answered, |_| Value::Word(answer)),
        Value::or_null(closed, Value::Time),
        Value::Int(1 + i64::from(decided.is_some()) + i64::from(appealed.is_some()) + i64::from(answered.is_some())),
    ]);
    let events = [
        (decided, staff.to_string(), if acts { "resolved" } else { "dismissed" }, note),
        (appealed, format!("user:{}", about.subject), "appealed", None),
        (answered, other.to_string(), status, None),
    ];
    let happened = events.into_iter().filter_map(|(at, who, kind, note)| at.map(|at| (at, who, kind, note)));
    for (n, (at, who, kind, note)) in (1..).zip(happened) {
        rows.history.push(vec![
            Value::Id(id),
            Value::Int(n),
            Value::Time(at),
            Value::Text(who),
            Value::Word(kind),
            Value::or_null(note, Value::Word),
        ]);
    }
    notify(about, id, (end, now), (decided, answered), rows, rng);
    if let Some(at) = decided.filter(|_| demo) {
        let action = if acts { AuditAction::ReportsResolve } else { AuditAction::ReportsDismiss };
        let metadata = json!({ "subject": about.subject, (about.kind.as_str()): about.id });
        let (target, reason) = (id.to_string(), Some(code.to_owned()));
        let entry = Entry { action, target_kind: TargetKind::Report, target, reason, metadata };
        rows.past_actions.push(PastAction::of_staff(at, by, entry));
    }
    Ok(())
}

/// Adds what the two sides of a decided case were notified of.
fn notify(
    about: &Candidate,
    case: Uuid,
    (end, now): (End, Timestamp),
    (decided, answered): (Option<Timestamp>, Option<Timestamp>),
    rows: &mut Rows,
    rng: &mut StdRng,
) {
    use NotificationKind as K;
    let notices = Notices { now };
    let told = decided.map(|at| at + UNDO).filter(|at| *at <= now);
    let acts = end != End::Dismissed;
    let reporter = if acts { K::ReportResolved } else { K::ReportDismissed };
    let reversed = end == End::Reversed;
    let to_subject = if reversed { K::AppealReversed } else { K::AppealUpheld };
    let all = [
        (told, about.reporter, reporter),
        (told.filter(|_| acts), about.subject, K::ReportDecision),
        (answered, about.subject, to_subject),
        (answered.filter(|_| reversed), about.reporter, K::ReportReversed),
    ];
    for (at, user, kind) in all {
        // Whoever appealed has read the decision.
        let done = answered.filter(|_| kind == K::ReportDecision);
        rows.notifications.extend(at.and_then(|at| notices.row((user, kind, case), at, done, rng)));
    }
}
