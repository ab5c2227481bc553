//! Reading jobs, for their two sides.

use super::{OFFERS_SHOWN, expire, full_view, lock_job};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{JobId, UserId},
        page::{Page, PageRequest, SeqCursor, TimeCursor},
        permission::Permission,
        principal::Principal,
    },
    jobs::{
        model::{HistoryRow, JobView, OwnJobFilter, Side},
        row::Job,
        store,
    },
    operation::Operation,
    platform::db::Conn,
};

/// Returns one of the caller's jobs. A transition that is due is made first.
///
/// # Errors
/// `not_found` for other people's jobs.
pub async fn get(op: &Operation, id: JobId) -> Result<JobView> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let mut reader = op.db.read().await?;
    let (job, side) = own_one(&mut reader.conn(), id, me).await?;
    if !job.is_due(op.now()) {
        return full_view(&mut reader.conn(), &job, side).await;
    }
    drop(reader);
    settle(op, id).await?;
    let mut reader = op.db.read().await?;
    let (job, side) = own_one(&mut reader.conn(), id, me).await?;
    full_view(&mut reader.conn(), &job, side).await
}

/// Makes a transition of a job that is due, without waiting for the timer.
pub(super) async fn settle(app: &App, id: JobId) -> Result<bool> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let Some(job) = lock_job(conn, id).await? else { return Ok(false) };
            Ok(expire(&op, conn, &job).await?.is_some())
        }))
        .await
}

async fn own_one(conn: &mut Conn<'_>, id: JobId, me: UserId) -> Result<(Job, Side)> {
    let job = store::get(conn, id).await?;
    job.and_then(|job| job.side_of(me).map(|side| (job, side))).ok_or_else(|| Error::not_found("job"))
}

/// Returns a job as one of its two sides sees it, to be sent to sockets; none for everybody else.
///
/// # Errors
/// `unavailable` when the database cannot be read.
pub async fn view_for(conn: &mut Conn<'_>, id: JobId, user: UserId) -> Result<Option<JobView>> {
    let Some(job) = store::get(conn, id).await? else { return Ok(None) };
    let Some(side) = job.side_of(user) else { return Ok(None) };
    let mut view = job.view(side);
    if job.revision > 1 {
        view.offers = store::offers(conn, id, job.revision, OFFERS_SHOWN).await?;
    }
    Ok(Some(view))
}

/// Returns the history of one of the caller's jobs, oldest first. Staff appear as `staff`, and what they wrote is not shown.
///
/// # Errors
/// `not_found` for other people's jobs.
pub async fn history(op: &Operation, id: JobId, page: &PageRequest) -> Result<Page<HistoryRow>> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let limit = page.checked_limit()?;
    let after = page.cursor::<SeqCursor>()?.map_or(0, |cursor| cursor.0);
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    own_one(&mut conn, id, me).await?;
    let rows = store::history(&mut conn, id, after, limit + 1).await?;
    Ok(Page::from_rows(rows, limit, |row| SeqCursor(row.entry)).map(masked_history))
}

/// A job as it stands in the export of one of its two sides.
#[derive(serde::Serialize)]
pub(crate) struct Told {
    /// The job with its offers.
    #[serde(flatten)]
    pub job: JobView,
    /// All of its history, oldest first.
    history: Vec<HistoryRow>,
}

/// Returns a person's jobs, newest first, on either side.
pub(crate) async fn told(
    conn: &mut Conn<'_>,
    user: UserId,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<Vec<Told>> {
    let mut all = Vec::new();
    for job in store::of_user(conn, user, None, None, before, limit).await? {
        let view = full_view(conn, &job, job.side_of(user).unwrap_or(Side::Client)).await?;
        let history = store::history(conn, job.id, 0, i64::MAX).await?.into_iter().map(masked_history).collect();
        all.push(Told { job: view, history });
    }
    Ok(all)
}

/// Returns a row of a history as the two sides see it.
fn masked_history(mut row: HistoryRow) -> HistoryRow {
    if row.side == Side::Staff {
        row.actor = Principal("staff".into());
        row.comment = None;
    }
    row
}

/// Returns the caller's jobs, newest first, on either side.
///
/// # Errors
/// `forbidden` for a caller without an account of their own; `invalid` for a limit or cursor that is not valid.
pub async fn own(op: &Operation, filter: &OwnJobFilter, page: &PageRequest) -> Result<Page<JobView>> {
    let me = op.actor().require_own(Permission::Trade)?.account.id;
    let limit = page.checked_limit()?;
    let before = page.cursor::<TimeCursor>()?;
    let mut reader = op.db.read().await?;
    let rows = store::of_user(&mut reader.conn(), me, filter.status, filter.thread_id, before, limit + 1).await?;
    let page = Page::from_rows(rows, limit, |job| TimeCursor { at: job.created_at, id: job.id.0 });
    Ok(page.map(|job| job.view(job.side_of(me).unwrap_or(Side::Client))))
}
