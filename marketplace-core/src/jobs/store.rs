//! All SQL queries for jobs.
//!
//! Each list uses one index: all jobs by `(created_at, id)`, jobs of a status by `(status, created_at, id)`, and jobs
//! of a thread, a client or a worker by an index of their own; due jobs by `due_at`.

use super::{
    model::{HistoryRow, JobAction, JobFilter, JobReason, JobStatus, OfferView, Side, job_is_live},
    row::Job,
};
use crate::{
    accounts::model::Account,
    base::{
        count::Count,
        error::{Error, Result},
        ids::{JobId, ServiceId, ThreadId, UserId},
        money::Money,
        page::TimeCursor,
        principal::Principal,
        time::Timestamp,
    },
    jobs::model::JobCount,
    platform::db::Conn,
    profiles::shown_picture,
    services::content_terms::{Words, has_word},
};

/// Expands to the columns of [`Job`].
macro_rules! job_columns {
    ($form:ident) => {
        $crate::column_list!($form: id "j.id", id "j.thread_id", id "j.service_id", id "j.client_id", id "j.worker_id", text "j.status",
            int "j.revision", text "j.offered_by", int "j.price_amount", text "j.price_currency", int "j.change_requests",
            int "j.entries", time "j.due_at", time "j.finalized_at", int "j.version", time "j.created_at", time "j.updated_at",
            text "o.schedule", text "o.scope", time "o.created_at" => "offered_at", text "s.title",
            text "c.name" => "client_name", text "c.status" => "client_status",
            text "w.name" => "worker_name", text "w.status" => "worker_status",
            opt_id shown_picture!("c") => "client_picture", opt_id shown_picture!("w") => "worker_picture")
    };
}

/// Expands to the rows that [`job_columns`] are read from, with a condition.
macro_rules! jobs {
    ($rest:expr) => {
        concat!(
            "FROM jobs j JOIN job_offers o ON o.job_id = j.id AND o.revision = j.revision JOIN services s ON s.id = j.service_id \
             JOIN users c ON c.id = j.client_id JOIN users w ON w.id = j.worker_id WHERE ",
            $rest
        )
    };
}

/// Expands to a query of whole jobs.
macro_rules! job {
    ($rest:expr) => {
        concat!("SELECT ", job_columns!(rows), " ", jobs!($rest))
    };
}

const NEWEST: TimeCursor = TimeCursor { at: Timestamp::MAX, id: uuid::Uuid::max() };

/// Returns one job.
pub(super) async fn get(conn: &mut Conn<'_>, id: JobId) -> Result<Option<Job>> {
    Ok(q!(conn => opt Job, job!("j.id = $1"), id)?)
}

/// Letters of the end of an id at least; the index is of so many.
pub(super) const ENDING: usize = 8;

/// Returns jobs whose ids end with these hexadecimal letters, in lower case.
pub(super) async fn by_ending(conn: &mut Conn<'_>, letters: &str, limit: i64) -> Result<Vec<JobId>> {
    let end = letters.get(letters.len().saturating_sub(ENDING)..).unwrap_or_default();
    Ok(q!(conn => vals JobId, [
        sqlite: "SELECT id FROM jobs WHERE substr(hex(id), -8) = upper($1) AND lower(hex(id)) LIKE '%' || $2 LIMIT ($3 + 0)",
        pg: "SELECT id FROM jobs WHERE right(id::text, 8) = $1 AND replace(id::text, '-', '') LIKE '%' || $2 LIMIT ($3 + 0)",
    ], end, letters, limit)?)
}

/// Returns jobs about services with these words in the title, newest first.
pub(super) async fn by_titles(
    conn: &mut Conn<'_>,
    words: &Words,
    filter: &JobFilter,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<JobId>> {
    let before = before.unwrap_or(NEWEST);
    let [first, second, third, fourth] = words.json()?;
    macro_rules! by_titles {
        ($engine:ident, $terms:literal, $join:literal) => {
            concat!(
                "SELECT j.id FROM (SELECT DISTINCT t.id FROM ", $terms, " AND ", has_word!($engine "2"), " AND ", has_word!($engine "3"),
                " AND ", has_word!($engine "4"), ") AS capped ", $join, " jobs j ON j.service_id = capped.id \
                 WHERE (j.created_at, j.id) < ($5, $6) AND (j.status = $7 OR $7 IS NULL) AND (j.thread_id = $8 OR $8 IS NULL) \
                 AND (j.client_id = $9 OR j.worker_id = $9 OR $9 IS NULL) ORDER BY j.created_at DESC, j.id DESC LIMIT ($10 + 0)"
            )
        };
    }
    Ok(q!(conn => vals JobId, [
        sqlite: by_titles!(sqlite, "json_each($1) AS w CROSS JOIN content_terms t ON t.kind = 'service' AND t.term = w.value WHERE TRUE", "CROSS JOIN"),
        pg: by_titles!(pg, "json_array_elements_text($1::json) AS w (value) CROSS JOIN LATERAL (SELECT kind, created_at, id FROM content_terms \
            WHERE kind = 'service' AND term = w.value COLLATE \"C\" OFFSET 0) t WHERE TRUE", "JOIN"),
    ], first, second, third, fourth, before.at, before.id, filter.status, filter.thread_id, filter.user_id, limit)?)
}

/// Returns the thread of a job, which never changes.
pub(super) async fn thread_of(conn: &mut Conn<'_>, id: JobId) -> Result<Option<ThreadId>> {
    Ok(q!(conn => optval ThreadId, "SELECT thread_id FROM jobs WHERE id = $1", id)?)
}

/// Returns the version of a job.
pub(super) async fn version_of(conn: &mut Conn<'_>, id: JobId) -> Result<Option<i64>> {
    Ok(q!(conn => optval i64, "SELECT version FROM jobs WHERE id = $1", id)?)
}

/// Returns the live job of a thread.
pub(super) async fn live_in(conn: &mut Conn<'_>, thread: ThreadId) -> Result<Option<Job>> {
    Ok(q!(conn => opt Job,
        job!(concat!("j.thread_id = $1 AND ", job_is_live!("j.status"))), thread)?)
}

/// Returns whether a thread has a live job.
pub async fn live_in_thread(conn: &mut Conn<'_>, thread: ThreadId) -> Result<bool> {
    Ok(q!(conn => optval i64,
        concat!("SELECT CAST(1 AS BIGINT) FROM jobs WHERE thread_id = $1 AND ", job_is_live!("status")), thread)?
    .is_some())
}

/// Returns a user's jobs, as client or worker, newest first.
pub(super) async fn of_user(
    conn: &mut Conn<'_>,
    user: UserId,
    status: Option<JobStatus>,
    thread: Option<ThreadId>,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Job>> {
    let before = before.unwrap_or(NEWEST);
    if let Some(thread) = thread {
        return Ok(q!(conn => page Job, job_columns,
            jobs!("j.thread_id = $1 AND (j.client_id = $2 OR j.worker_id = $2) AND (j.status = $3 OR $3 IS NULL) \
                 AND (j.created_at, j.id) < ($4, $5) ORDER BY j.created_at DESC, j.id DESC LIMIT ($6 + 0)"),
            thread, user, status, before.at, before.id, limit)?);
    }
    // Each query follows the order of its index, so that neither sorts more rows than the page shows.
    let mut jobs = q!(conn => page Job, job_columns,
        jobs!("j.client_id = $1 AND (j.status = $2 OR $2 IS NULL) AND (j.created_at, j.id) < ($3, $4) \
             ORDER BY j.created_at DESC, j.id DESC LIMIT ($5 + 0)"),
        user, status, before.at, before.id, limit)?;
    let works = q!(conn => page Job, job_columns,
        jobs!("j.worker_id = $1 AND (j.status = $2 OR $2 IS NULL) AND (j.created_at, j.id) < ($3, $4) \
             ORDER BY j.created_at DESC, j.id DESC LIMIT ($5 + 0)"),
        user, status, before.at, before.id, limit)?;
    jobs.extend(works);
    jobs.sort_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
    jobs.truncate(usize::try_from(limit).unwrap_or(0));
    Ok(jobs)
}

/// Returns jobs of all users, newest first.
pub(super) async fn page(
    conn: &mut Conn<'_>,
    status: Option<JobStatus>,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Job>> {
    let before = before.unwrap_or(NEWEST);
    Ok(match status {
        None => q!(conn => page Job, job_columns,
            jobs!("(j.created_at, j.id) < ($1, $2) ORDER BY j.created_at DESC, j.id DESC LIMIT ($3 + 0)"),
            before.at, before.id, limit)?,
        Some(status) => q!(conn => page Job, job_columns,
            jobs!("j.status = $4 AND (j.created_at, j.id) < ($1, $2) ORDER BY j.created_at DESC, j.id DESC LIMIT ($3 + 0)"),
            before.at, before.id, limit, status)?,
    })
}

/// Returns a thread's jobs, newest first.
pub(super) async fn of_thread(
    conn: &mut Conn<'_>,
    thread: ThreadId,
    status: Option<JobStatus>,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Job>> {
    let before = before.unwrap_or(NEWEST);
    Ok(q!(conn => page Job, job_columns,
        jobs!("j.thread_id = $1 AND (j.status = $2 OR $2 IS NULL) AND (j.created_at, j.id) < ($3, $4) \
             ORDER BY j.created_at DESC, j.id DESC LIMIT ($5 + 0)"),
        thread, status, before.at, before.id, limit)?)
}

/// The data of a thread that a new job needs.
#[derive(Debug, sqlx_macros::FromRow)]
pub(super) struct Place {
    pub service_id: ServiceId,
    pub client_id: UserId,
    pub worker_id: UserId,
    pub status: crate::messaging::model::ThreadStatus,
}

/// Returns the data of the thread in which a job is to be agreed.
pub(super) async fn place(conn: &mut Conn<'_>, thread: ThreadId) -> Result<Option<Place>> {
    Ok(q!(conn => opt Place, "SELECT service_id, client_id, worker_id, status FROM threads WHERE id = $1", thread)?)
}

/// Returns an account, and locks it against restriction until the transaction ends.
pub(super) async fn steady_account(conn: &mut Conn<'_>, id: UserId) -> Result<Account> {
    use crate::accounts::store::account_columns;
    q!(conn => opt Account, [
        sqlite: concat!("SELECT ", account_columns!(rows), " FROM users u WHERE u.id = $1"),
        pg: concat!("SELECT ", account_columns!(rows), " FROM users u WHERE u.id = $1 FOR SHARE"),
    ], id)?
    .ok_or_else(|| Error::not_found("user"))
}

/// Returns a service's status, and locks it against changes until the transaction ends; `None` when the service is
/// gone.
pub(super) async fn steady_service(conn: &mut Conn<'_>, id: ServiceId) -> Result<Option<String>> {
    Ok(q!(conn => optval String, [
        sqlite: "SELECT status FROM services WHERE id = $1",
        pg: "SELECT status FROM services WHERE id = $1 FOR SHARE",
    ], id)?)
}

/// Stores a new job. Returns `false` when the thread has a live one.
pub(super) async fn insert(conn: &mut Conn<'_>, job: &Job) -> Result<bool> {
    let made = q!(conn => exec,
        "INSERT INTO jobs (id, thread_id, service_id, client_id, worker_id, status, revision, offered_by, price_amount, \
         price_currency, change_requests, entries, due_at, finalized_at, version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING",
        job.id, job.thread_id, job.service_id, job.client_id, job.worker_id, job.status, job.revision, job.offered_by,
        job.price_amount, &job.price_currency, job.change_requests, job.entries, job.due_at, job.finalized_at, job.version,
        job.created_at, job.updated_at)?;
    Ok(made == 1)
}

/// Stores the new state of a job. Returns `false` when the job has changed since `from` and `version` were read.
pub(super) async fn advance(conn: &mut Conn<'_>, from: JobStatus, version: i64, job: &Job) -> Result<bool> {
    let changed = q!(conn => exec,
        "UPDATE jobs SET status = $4, revision = $5, offered_by = $6, price_amount = $7, price_currency = $8, \
         change_requests = $9, entries = $10, due_at = $11, finalized_at = $12, version = $13, updated_at = $14 \
         WHERE id = $1 AND status = $2 AND version = $3",
        job.id, from, version, job.status, job.revision, job.offered_by, job.price_amount, &job.price_currency,
        job.change_requests, job.entries, job.due_at, job.finalized_at, job.version, job.updated_at)?;
    Ok(changed == 1)
}

/// Stores the latest offer of a job.
pub(super) async fn add_offer(conn: &mut Conn<'_>, job: &Job) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO job_offers (job_id, revision, offered_by, price_amount, price_currency, schedule, scope, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        job.id, job.revision, job.offered_by, job.price_amount, &job.price_currency, &job.schedule, &job.scope,
        job.offered_at)?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct OfferRow {
    revision: i64,
    offered_by: Side,
    price_amount: i64,
    price_currency: String,
    schedule: String,
    scope: String,
    created_at: Timestamp,
}

/// Returns a job's offers up to a revision, newest first.
pub(super) async fn offers(conn: &mut Conn<'_>, id: JobId, up_to: i64, limit: i64) -> Result<Vec<OfferView>> {
    let rows = q!(conn => all OfferRow,
        "SELECT revision, offered_by, price_amount, price_currency, schedule, scope, created_at FROM job_offers \
         WHERE job_id = $1 AND revision <= $2 ORDER BY revision DESC LIMIT ($3 + 0)",
        id, up_to, limit)?;
    let view = |row: OfferRow| OfferView {
        revision: row.revision,
        by: row.offered_by,
        price: Money::new(row.price_amount, row.price_currency),
        schedule: row.schedule,
        scope: row.scope,
        at: row.created_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Appends an entry to a job's history.
pub(super) async fn add_history(conn: &mut Conn<'_>, id: JobId, row: &HistoryRow) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO job_history (job_id, entry, action, from_status, to_status, side, actor, revision, reason, comment, version, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        id, row.entry, row.action, row.from, row.to, row.side, &row.actor, row.revision, row.reason, &row.comment,
        row.version, row.at)?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct EntryRow {
    entry: i64,
    action: JobAction,
    from_status: Option<JobStatus>,
    to_status: JobStatus,
    side: Side,
    actor: Principal,
    revision: i64,
    reason: Option<JobReason>,
    comment: Option<String>,
    version: i64,
    at: Timestamp,
}

/// Returns a job's history after an entry, oldest first.
pub(super) async fn history(conn: &mut Conn<'_>, id: JobId, after: i64, limit: i64) -> Result<Vec<HistoryRow>> {
    let rows = q!(conn => all EntryRow,
        "SELECT entry, action, from_status, to_status, side, actor, revision, reason, comment, version, at FROM job_history \
         WHERE job_id = $1 AND entry > $2 ORDER BY entry LIMIT ($3 + 0)",
        id, after, limit)?;
    let row = |row: EntryRow| HistoryRow {
        entry: row.entry,
        action: row.action,
        from: row.from_status,
        to: row.to_status,
        side: row.side,
        actor: row.actor,
        revision: row.revision,
        reason: row.reason,
        comment: row.comment,
        version: row.version,
        at: row.at,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Returns jobs that are due, longest due first.
pub(super) async fn due(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<JobId>> {
    Ok(q!(conn => vals JobId,
        "SELECT id FROM jobs WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT ($2 + 0)", now, limit)?)
}

/// A live job of a user.
#[derive(Debug, Clone, Copy, sqlx_macros::FromRow)]
pub(super) struct Live {
    pub id: JobId,
    pub thread_id: ThreadId,
    pub status: JobStatus,
}

/// Returns a user's live jobs, as client or worker, in the order of their threads.
pub(super) async fn live_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<Live>> {
    let mut live = q!(conn => all Live,
        concat!("SELECT id, thread_id, status FROM jobs WHERE client_id = $1 AND ", job_is_live!("status"),
            " UNION ALL SELECT id, thread_id, status FROM jobs WHERE worker_id = $1 AND ", job_is_live!("status")),
        user)?;
    live.sort_by_key(|job| job.thread_id);
    Ok(live)
}

/// Deletes from a user's jobs what nobody else needs: the texts in the history that they wrote or that staff wrote
/// about them, and offers of theirs that were never agreed to.
pub(super) async fn erase(conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    for side in [Side::Client, Side::Worker] {
        q!(conn => exec,
            "UPDATE job_history SET comment = NULL WHERE comment IS NOT NULL AND (side = $2 OR side = 'staff') AND job_id IN \
             (SELECT id FROM jobs WHERE (client_id = $1 AND $2 = 'client') OR (worker_id = $1 AND $2 = 'worker'))",
            user, side)?;
        q!(conn => exec,
            "UPDATE job_offers SET schedule = '', scope = '' WHERE offered_by = $2 AND job_id IN \
             (SELECT id FROM jobs WHERE (client_id = $1 AND $2 = 'client') OR (worker_id = $1 AND $2 = 'worker')) \
             AND NOT EXISTS (SELECT 1 FROM job_history h WHERE h.job_id = job_offers.job_id \
             AND h.action = 'accept' AND h.revision = job_offers.revision)",
            user, side)?;
    }
    Ok(())
}

/// Counts the jobs of each status; each count stops at its bound.
pub(crate) async fn counts(conn: &mut Conn<'_>) -> Result<Vec<JobCount>> {
    let mut counts = Vec::with_capacity(JobStatus::ALL.len());
    for status in JobStatus::ALL {
        let rows = q!(conn => val i64,
            "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM jobs WHERE status = $1 LIMIT ($2 + 0)) AS capped",
            status, Count::CAP + 1)?;
        counts.push(JobCount { status: *status, count: Count::bounded(rows) });
    }
    Ok(counts)
}
