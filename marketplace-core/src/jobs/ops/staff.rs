//! The staff's use cases about jobs.

use super::{OFFERS_SHOWN, apply, expire, lock_job, overtaken, refused, seen};
use crate::{
    base::{
        change::Changed,
        error::{Error, Result},
        ids::JobId,
        page::{Page, PageRequest, SeqCursor, TimeCursor},
        permission::Permission,
    },
    jobs::{
        model::{HistoryRow, JobAction, JobDetail, JobFilter, JobReason, JobStatus, JobSummary, Side, StaffJobAction},
        row::{Details, Job, staff},
        store,
        transitions::{self, Asked},
    },
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction},
        target::TargetKind,
    },
    services::content_terms::{self, Kind, Sought},
};

/// Rows of the history that are shown with a job.
const HISTORY_SHOWN: i64 = 200;

/// Returns jobs, newest first, as staff see them.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn staff_list(op: &Operation, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobSummary>> {
    op.actor().require(Permission::JobsRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("jobs")?;
    let sought = match &filter.q {
        Some(q) => Some(content_terms::sought(op, q).await?),
        None => None,
    };
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let rows = match (filter.user_id, filter.thread_id) {
        _ if let Some(sought) = sought => found(&mut conn, sought, filter, before, limit + 1).await?,
        (Some(user), thread) => store::of_user(&mut conn, user, filter.status, thread, before, limit + 1).await?,
        (None, Some(thread)) => store::of_thread(&mut conn, thread, filter.status, before, limit + 1).await?,
        (None, None) => store::page(&mut conn, filter.status, before, limit + 1).await?,
    };
    let page = Page::of_list("jobs", rows, limit, |job| TimeCursor { at: job.created_at, id: job.id.0 });
    Ok(page.map(|job| job.summary()))
}

/// Services at most by whose titles jobs are found.
const MOST_SERVICES: i64 = 1_000;

/// Returns the jobs of the people, those about services with the words in the title, and those with the end of an id that was
/// looked for, that pass the filter, newest first.
async fn found(
    conn: &mut Conn<'_>,
    sought: Sought,
    filter: &JobFilter,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for person in sought.people {
        jobs.extend(store::of_user(conn, person, filter.status, filter.thread_id, before, limit).await?);
    }
    if let Some(words) = sought.words {
        if words.are_in_more_than(conn, Kind::Service, MOST_SERVICES).await? {
            let why = format!("finds more than {MOST_SERVICES} services: write more of the title");
            return Err(Error::invalid("/q", why));
        }
        for id in store::by_titles(conn, &words, filter, before, limit).await? {
            jobs.extend(store::get(conn, id).await?);
        }
    }
    let letters: String = filter.q.iter().flat_map(|q| q.trim().chars()).filter(|c| *c != '-').collect();
    if letters.len() >= store::ENDING && letters.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        for id in store::by_ending(conn, &letters.to_ascii_lowercase(), limit).await? {
            jobs.extend(store::get(conn, id).await?);
        }
    }
    let is_after = |job: &Job| before.is_none_or(|before| (job.created_at, job.id.0) < (before.at, before.id));
    jobs.retain(|job| {
        is_after(job)
            && filter.status.is_none_or(|status| job.status == status)
            && filter.thread_id.is_none_or(|thread| job.thread_id == thread)
            && filter.user_id.is_none_or(|user| job.side_of(user).is_some())
    });
    jobs.sort_unstable_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
    jobs.dedup_by_key(|job| job.id);
    jobs.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(jobs)
}

/// Returns one job, as staff see it.
///
/// # Errors
/// `not_found` when there is no such job; `forbidden` without the permission.
pub async fn staff_show(op: &Operation, id: JobId) -> Result<JobDetail> {
    op.actor().require(Permission::JobsRead)?;
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let job = store::get(&mut conn, id).await?.ok_or_else(|| Error::not_found(format_args!("job {id}")))?;
    detail(op, &mut conn, &job).await
}

async fn detail(op: &Operation, conn: &mut Conn<'_>, job: &Job) -> Result<JobDetail> {
    let mut history = store::history(conn, job.id, 0, HISTORY_SHOWN).await?;
    // What came while this was read belongs to the next version.
    history.retain(|row| row.entry <= job.entries);
    Ok(JobDetail {
        job: job.summary(),
        change_requests: job.change_requests,
        offers: store::offers(conn, job.id, job.revision, OFFERS_SHOWN).await?,
        history,
        actions: transitions::possible(&job.facts(), staff(op.actor())),
    })
}

/// Returns a job's history, oldest first.
///
/// # Errors
/// `not_found` when there is no such job; `forbidden` without the permission.
pub async fn staff_history(op: &Operation, id: JobId, page: &PageRequest) -> Result<Page<HistoryRow>> {
    op.actor().require(Permission::JobsRead)?;
    let limit = page.checked_limit()?;
    let after = page.cursor_in::<SeqCursor>("history")?.map_or(0, |cursor| cursor.0);
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    store::thread_of(&mut conn, id).await?.ok_or_else(|| Error::not_found(format_args!("job {id}")))?;
    let rows = store::history(&mut conn, id, after, limit + 1).await?;
    Ok(Page::of_list("history", rows, limit, |row| SeqCursor(row.entry)))
}

impl StaffJobAction {
    fn asked(&self) -> Asked {
        match self {
            Self::Cancel { reason } => Asked { action: JobAction::Cancel, revision: None, reason: Some(*reason) },
            Self::Finalize => Asked { action: JobAction::Finalize, revision: None, reason: None },
        }
    }

    fn goal(&self) -> JobStatus {
        match self {
            Self::Cancel { .. } => JobStatus::Cancelled,
            Self::Finalize => JobStatus::Finalized,
        }
    }

    fn audit_name(&self) -> AuditAction {
        match self {
            Self::Cancel { .. } => AuditAction::JobsCancel,
            Self::Finalize => AuditAction::JobsFinalize,
        }
    }
}

/// Cancels or finalizes a job, as staff. The change's note stands in the history, for staff only. A job that already is
/// cancelled, or finalized, is unchanged.
///
/// # Errors
/// `conflict` with the [`JobSummary`] as `current` when the job is in another state.
pub async fn staff_act(op: &Operation, id: JobId, action: &StaffJobAction) -> Result<Changed<JobDetail>> {
    op.actor().require(Permission::JobsWrite)?;
    let note = op.note()?;
    let seen = seen(op, id).await?;
    let action = action.clone();
    op.write(unit!(|op, conn| { act_in(&op, conn, (id, seen), &action, note).await })).await?
}

/// Acts on a job. The inner result is a refusal after which a due transition of the job stays.
async fn act_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    (id, seen): (JobId, i64),
    action: &StaffJobAction,
    note: Option<String>,
) -> Result<Result<Changed<JobDetail>>> {
    let job = lock_job(conn, id).await?.ok_or_else(|| Error::not_found(format_args!("job {id}")))?;
    // A staff member who once traded decides nothing about their own.
    op.actor().require_other(job.client_id)?;
    op.actor().require_other(job.worker_id)?;
    op.check_version(job.version)?;
    let lapsed = expire(op, conn, &job).await?;
    let job = lapsed.as_ref().unwrap_or(&job);
    if job.status == action.goal() {
        return Ok(Ok(Changed { changed: false, item: detail(op, conn, job).await? }));
    }
    if seen != job.version && lapsed.is_none() {
        return Err(overtaken(job.summary()));
    }
    let asked = action.asked();
    let row = match transitions::decide(&job.facts(), staff(op.actor()), &asked) {
        Ok(row) => row,
        Err(refusal) => return Ok(Err(refused(refusal, &asked, job.summary()))),
    };
    let noted = note.is_some();
    let details = Details { reason: asked.reason, comment: note, offer: None };
    let next = apply(op, conn, job, row, (Side::Staff, op.actor().principal()), &details).await?;
    let entry = audit::Entry {
        action: action.audit_name(),
        target_kind: TargetKind::Job,
        target: id.to_string(),
        reason: asked.reason.as_ref().map(JobReason::to_string),
        metadata: serde_json::json!({
            "from": job.status, "client": job.client_id, "worker": job.worker_id, "entry": next.entries, "note": noted,
        }),
    };
    audit::append(op, conn, entry).await?;
    Ok(Ok(Changed { changed: true, item: detail(op, conn, &next).await? }))
}
