//! SQL queries for rules.
//!
//! What a rule is tried on is read by id, which sorts by time: each part begins where the one before ended, whatever the size
//! of the table.

use uuid::Uuid;

use super::model::{Rule, RuleAction, RuleKind};
use crate::{
    base::{
        error::{Error, Result},
        ids::{JobId, MessageId, ReportId, ReviewId, RuleId, ServiceId, ThreadId, UserId},
        page::TimeCursor,
        principal::Principal,
        time::Timestamp,
    },
    messaging::model::MessageKind,
    platform::db::{Conn, json},
    reports::model::{ReportReason, ReportTarget},
};

macro_rules! columns {
    () => {
        "id, kind, value, action, places, reason, enabled, note, created_by, created_at, version"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM rules WHERE ", $rest)
    };
}

/// A row of `rules`.
#[derive(Debug, sqlx_macros::FromRow)]
struct Row {
    id: RuleId,
    kind: RuleKind,
    value: String,
    action: RuleAction,
    places: String,
    reason: ReportReason,
    enabled: bool,
    note: Option<String>,
    created_by: Principal,
    created_at: Timestamp,
    version: i64,
}

impl From<Row> for Rule {
    fn from(row: Row) -> Self {
        let Row { id, kind, value, action, places, reason, enabled, note, created_by, created_at, version } = row;
        // Without those of a later version.
        let places: Vec<String> = serde_json::from_str(&places).unwrap_or_default();
        let places = places.iter().filter_map(|place| place.parse().ok()).collect();
        Self { id, kind, value, action, places, reason, enabled, note, created_by, created_at, reports: 0, version }
    }
}

fn rules(rows: Vec<Row>) -> Vec<Rule> {
    rows.into_iter().map(Rule::from).collect()
}

/// Returns rules, newest first.
pub(super) async fn page(
    conn: &mut Conn<'_>,
    kind: Option<RuleKind>,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<Rule>> {
    Ok(rules(q!(conn => all Row,
        select!("(created_at, id) < ($1, $2) AND (kind = $3 OR $3 IS NULL) ORDER BY created_at DESC, id DESC LIMIT ($4 + 0)"),
        before.at, RuleId(before.id), kind, limit)?))
}

/// Fills in how many reports rules opened.
pub(super) async fn count_reports(conn: &mut Conn<'_>, rules: &mut [Rule]) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let ids: Vec<RuleId> = rules.iter().map(|rule| rule.id).collect();
    let counts = q!(conn => all (String, i64), [
        sqlite: "SELECT k.value, (SELECT count(*) FROM (SELECT 1 FROM reports r WHERE r.rule_id = unhex(k.value, '-') LIMIT 1000)) \
                 FROM json_each($1) AS k",
        pg: "SELECT k.value, (SELECT count(*) FROM (SELECT 1 FROM reports r WHERE r.rule_id = k.value::uuid LIMIT 1000) AS r) \
             FROM json_array_elements_text($1::json) AS k (value)",
    ], json::keys(&ids))?;
    for rule in rules {
        let id = rule.id.to_string();
        rule.reports = counts.iter().find(|(of, _)| *of == id).map_or(0, |(_, count)| *count);
    }
    Ok(())
}

/// Returns those that hold, of the kinds that are compiled.
pub(super) async fn compiled(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Rule>> {
    Ok(rules(q!(conn => all Row,
        select!("kind IN ('contact_details', 'ip_range', 'words') AND enabled ORDER BY kind, value LIMIT ($1 + 0)"),
        limit)?))
}

/// Returns how many hold of the kinds that are compiled.
pub(super) async fn count_compiled(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT count(*) FROM rules WHERE kind IN ('contact_details', 'ip_range', 'words') AND enabled")?)
}

/// Returns a number that differs after each change of a rule.
pub(super) async fn version(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(q!(conn => optval i64, "SELECT n FROM rules_version WHERE one = 1")?.unwrap_or_default())
}

/// Increments the version of the rules. Concurrent changes wait for one another here.
pub(super) async fn note_change(conn: &mut Conn<'_>) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO rules_version (one, n) VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET n = rules_version.n + 1")?;
    Ok(())
}

pub(super) async fn get(conn: &mut Conn<'_>, id: RuleId) -> Result<Rule> {
    let row = q!(conn => opt Row, select!("id = $1"), id)?;
    row.map(Rule::from).ok_or_else(|| Error::not_found("rule"))
}

pub(super) async fn find(conn: &mut Conn<'_>, kind: RuleKind, value: &str) -> Result<Option<Rule>> {
    Ok(q!(conn => opt Row, select!("kind = $1 AND value = $2"), kind, value)?.map(Rule::from))
}

/// Stores a rule. Returns `false` when there is one like it.
pub(super) async fn insert(conn: &mut Conn<'_>, rule: &Rule) -> Result<bool> {
    Ok(q!(conn => exec,
        concat!("INSERT INTO rules (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                 ON CONFLICT (kind, value) DO NOTHING"),
        rule.id, rule.kind, &rule.value, rule.action, json::keys(&rule.places), rule.reason, rule.enabled,
        rule.note.as_deref(), &rule.created_by, rule.created_at, rule.version)?
        == 1)
}

/// Stores what changed of a rule.
pub(super) async fn update(conn: &mut Conn<'_>, rule: &Rule) -> Result<()> {
    q!(conn => exec,
        "UPDATE rules SET action = $2, places = $3, reason = $4, enabled = $5, note = $6, version = version + 1 WHERE id = $1",
        rule.id, rule.action, json::keys(&rule.places), rule.reason, rule.enabled, rule.note.as_deref())?;
    Ok(())
}

/// Deletes a rule, and returns it as it was.
pub(super) async fn remove(conn: &mut Conn<'_>, id: RuleId) -> Result<Option<Rule>> {
    Ok(q!(conn => opt Row, concat!("DELETE FROM rules WHERE id = $1 RETURNING ", columns!()), id)?.map(Rule::from))
}

/// Returns the rules that hold about one of these domains.
pub(super) async fn of_domains(conn: &mut Conn<'_>, domains: &[String]) -> Result<Vec<Rule>> {
    let values = serde_json::to_string(domains).map_err(Error::internal)?;
    Ok(rules(q!(conn => all Row, [
        sqlite: select!("kind = 'blocked_domain' AND value IN (SELECT value FROM json_each($1)) AND enabled"),
        pg: select!("kind = 'blocked_domain' AND value IN (SELECT json_array_elements_text($1::json)) AND enabled"),
    ], values)?))
}

/// Something that a rule caught.
#[derive(Debug, sqlx_macros::FromRow)]
pub(crate) struct Hit {
    /// The report that becomes of it.
    pub id: ReportId,
    pub rule_id: RuleId,
    pub target_kind: ReportTarget,
    pub target_id: Uuid,
    pub thread_id: Option<ThreadId>,
    pub subject_id: UserId,
    pub reason: ReportReason,
    pub text: String,
    pub content: String,
}

pub(super) async fn insert_hit(conn: &mut Conn<'_>, hit: &Hit) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO rule_hits (id, rule_id, target_kind, target_id, thread_id, subject_id, reason, text, content) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        hit.id, hit.rule_id, hit.target_kind, hit.target_id, hit.thread_id, hit.subject_id, hit.reason, &hit.text,
        &hit.content)?;
    Ok(())
}

/// Returns what waits to become reports, oldest first.
pub(crate) async fn hits(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<ReportId>> {
    Ok(q!(conn => vals ReportId, "SELECT id FROM rule_hits ORDER BY id LIMIT ($1 + 0)", limit)?)
}

/// Removes and returns something that a rule caught; `None` when somebody else did.
pub(crate) async fn take_hit(conn: &mut Conn<'_>, id: ReportId) -> Result<Option<Hit>> {
    Ok(q!(conn => opt Hit,
        "DELETE FROM rule_hits WHERE id = $1 \
         RETURNING id, rule_id, target_kind, target_id, thread_id, subject_id, reason, text, content", id)?)
}

/// Deletes what rules caught of a person and what is no report yet.
pub(crate) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    q!(conn => exec, "DELETE FROM rule_hits WHERE subject_id = $1", user)?;
    Ok(())
}

/// Returns whether a job was agreed in a thread.
pub(super) async fn is_agreed(conn: &mut Conn<'_>, thread: ThreadId) -> Result<bool> {
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM jobs j JOIN job_history h ON h.job_id = j.id \
         WHERE j.thread_id = $1 AND h.to_status = 'accepted')", thread)?)
}

/// Returns since when a job is agreed in each of these threads.
pub(super) async fn agreed(conn: &mut Conn<'_>, threads: &[ThreadId]) -> Result<Vec<(ThreadId, Timestamp)>> {
    Ok(q!(conn => all (ThreadId, Timestamp), [
        sqlite: "SELECT j.thread_id, min(h.at) FROM jobs j JOIN job_history h ON h.job_id = j.id \
                 WHERE j.thread_id IN (SELECT unhex(value, '-') FROM json_each($1)) AND h.to_status = 'accepted' GROUP BY j.thread_id",
        pg: "SELECT j.thread_id, min(h.at) FROM jobs j JOIN job_history h ON h.job_id = j.id \
             WHERE j.thread_id IN (SELECT value::uuid FROM json_array_elements_text($1::json)) AND h.to_status = 'accepted' \
             GROUP BY j.thread_id",
    ], json::keys(threads))?)
}

/// A message that a rule is tried on.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct TriedMessage {
    pub id: MessageId,
    pub thread_id: ThreadId,
    pub kind: MessageKind,
    pub sender_id: Option<UserId>,
    pub content: String,
    pub created_at: Timestamp,
}

pub(super) async fn messages(conn: &mut Conn<'_>, after: Uuid, limit: i64) -> Result<Vec<TriedMessage>> {
    Ok(q!(conn => all TriedMessage,
        "SELECT id, thread_id, kind, sender_id, content, created_at FROM messages WHERE id > $1 ORDER BY id LIMIT ($2 + 0)",
        after, limit)?)
}

/// A service that a rule is tried on.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct TriedService {
    pub id: ServiceId,
    pub worker_id: UserId,
    pub title: String,
    pub description: String,
    pub tags: String,
}

pub(super) async fn services(conn: &mut Conn<'_>, after: Uuid, limit: i64) -> Result<Vec<TriedService>> {
    Ok(q!(conn => all TriedService,
        "SELECT id, worker_id, title, description, tags FROM services WHERE id > $1 ORDER BY id LIMIT ($2 + 0)",
        after, limit)?)
}

/// A review that a rule is tried on.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct TriedReview {
    pub id: ReviewId,
    pub author_id: UserId,
    pub content: String,
    pub reply: Option<String>,
}

pub(super) async fn reviews(conn: &mut Conn<'_>, after: Uuid, limit: i64) -> Result<Vec<TriedReview>> {
    Ok(q!(conn => all TriedReview,
        "SELECT id, author_id, content, reply FROM reviews WHERE id > $1 ORDER BY id LIMIT ($2 + 0)", after, limit)?)
}

/// Returns the last of the next jobs.
pub(super) async fn last_job(conn: &mut Conn<'_>, after: Uuid, limit: i64) -> Result<Option<JobId>> {
    Ok(q!(conn => vals JobId, "SELECT id FROM jobs WHERE id > $1 ORDER BY id LIMIT ($2 + 0)", after, limit)?.pop())
}

/// What somebody wrote about a job, that a rule is tried on.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct TriedOffer {
    pub thread_id: ThreadId,
    pub author_id: UserId,
    pub at: Timestamp,
    pub first: Option<String>,
    pub second: Option<String>,
}

/// Returns the offers and the comments of the two sides of the jobs after one, up to another.
pub(super) async fn offers(conn: &mut Conn<'_>, after: Uuid, upto: JobId) -> Result<Vec<TriedOffer>> {
    Ok(q!(conn => all TriedOffer,
        "SELECT j.thread_id, CASE WHEN o.offered_by = 'client' THEN j.client_id ELSE j.worker_id END AS author_id, \
           o.created_at AS at, o.schedule AS first, o.scope AS second \
         FROM jobs j JOIN job_offers o ON o.job_id = j.id WHERE j.id > $1 AND j.id <= $2 \
         UNION ALL \
         SELECT j.thread_id, CASE WHEN h.side = 'client' THEN j.client_id ELSE j.worker_id END, h.at, h.comment, NULL \
         FROM jobs j JOIN job_history h ON h.job_id = j.id WHERE j.id > $1 AND j.id <= $2 \
         AND h.comment IS NOT NULL AND h.side IN ('client', 'worker')",
        after, upto)?)
}

/// An account that a rule is tried on.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct TriedUser {
    pub id: UserId,
    pub name: String,
    pub email: Option<String>,
    pub headline: Option<String>,
    pub about: Option<String>,
    /// From where they first logged in, as far as that is known.
    pub ip: Option<String>,
}

pub(super) async fn users(conn: &mut Conn<'_>, after: Uuid, limit: i64) -> Result<Vec<TriedUser>> {
    Ok(q!(conn => all TriedUser,
        "SELECT u.id, u.name, u.email_norm AS email, w.headline, coalesce(w.about, c.about) AS about, \
           (SELECT s.ip FROM sessions s WHERE s.user_id = u.id ORDER BY s.created_at, s.id LIMIT 1) AS ip \
         FROM users u LEFT JOIN worker_profiles w ON w.user_id = u.id LEFT JOIN client_profiles c ON c.user_id = u.id \
         WHERE u.id > $1 ORDER BY u.id LIMIT ($2 + 0)",
        after, limit)?)
}
