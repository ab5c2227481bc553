//! The use cases of jobs, one function each.
//!
//! Every unit of work begins by locking the job's thread (`lock_job`), so that of two at once the second sees the result of
//! the first; and it stores by compare-and-set, so that even a unit that forgot the lock could not overwrite the first.

mod due;
mod list;
mod party;
mod staff;

pub use due::run_due;
pub(crate) use due::{any_live, cancel_live_of, erase, lock_live_threads_of};
pub(crate) use list::told;
pub use list::{get, history, own, view_for};
pub use party::{accept, cancel, complete, create, finalize, offer, reject, request_changes};
pub use staff::{staff_act, staff_history, staff_list, staff_show};

use super::{
    model::{JobAction, JobStatus, JobView, Side},
    notify,
    row::{Details, Job},
    store, thread,
    transitions::{self, Asked, Caller, Refusal, Transition},
};
use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::JobId,
        principal::Principal,
    },
    messaging,
    operation::Operation,
    platform::db::Conn,
    records::{
        events::{self, EventKind},
        series::{self, Happened, SeriesKind},
        webhooks::{self, model::WebhookKind},
    },
};

/// Offers that are shown with a job.
const OFFERS_SHOWN: i64 = 50;

/// Returns one job, locked until the end of the transaction. Called before every other write.
async fn lock_job(conn: &mut Conn<'_>, id: JobId) -> Result<Option<Job>> {
    let Some(held) = store::thread_of(conn, id).await? else { return Ok(None) };
    messaging::lock_thread(conn, held).await?;
    store::get(conn, id).await
}

/// Returns a job's version when the call came in. Somebody who cancels what they negotiate does not mean to cancel what the
/// other side agrees to at the same moment, although either could be done: of two at once, only one goes through.
async fn seen(app: &App, id: JobId) -> Result<i64> {
    let mut reader = app.db.read().await?;
    store::version_of(&mut reader.conn(), id).await?.ok_or_else(|| Error::not_found("job"))
}

/// Creates the conflict of a call that another one overtook.
fn overtaken(current: impl serde::Serialize) -> Error {
    Error::conflict("somebody else was faster; look at what the job is now", current)
}

/// Stores a transition with its records: the history's entry, the notice in the thread, the event. Returns the job as it
/// is then.
async fn apply(
    op: &Operation,
    conn: &mut Conn<'_>,
    job: &Job,
    row: &Transition,
    by: (Side, Principal),
    details: &Details,
) -> Result<Job> {
    let (side, actor) = by;
    let next = job.after(row, side, details, op.now());
    if !store::advance(conn, job.status, job.version, &next).await? {
        return Err(overtaken(()));
    }
    record(op, conn, &next, row, (side, actor), details).await?;
    Ok(next)
}

/// Stores the history entry of a transition, with its notice and event.
async fn record(
    op: &Operation,
    conn: &mut Conn<'_>,
    job: &Job,
    row: &Transition,
    by: (Side, Principal),
    details: &Details,
) -> Result<()> {
    if details.offer.is_some() {
        store::add_offer(conn, job).await?;
    }
    let entry = job.entry(row, by.0, by.1, details);
    store::add_history(conn, job.id, &entry).await?;
    thread::tell(op, conn, job, &entry).await?;
    notify::tell(op, conn, job, row.action, by.0).await?;
    let kind = match job.status {
        JobStatus::Finalized => Some(SeriesKind::JobsFinalized),
        JobStatus::Cancelled | JobStatus::Rejected => Some(SeriesKind::JobsCancelled),
        _ if job.entries == 1 => Some(SeriesKind::JobsBegun),
        _ => None,
    };
    if let Some(kind) = kind {
        series::count(conn, kind, Happened::now(op.now(), job.id.0)).await?;
    }
    let data = serde_json::json!({
        "job_id": job.id, "status": job.status, "action": row.action, "by": by.0, "revision": job.revision, "version": job.version,
        "thread_id": job.thread_id, "client_id": job.client_id, "worker_id": job.worker_id,
    });
    webhooks::emit(op, conn, WebhookKind::JobChanged, job.id, data, op.now()).await?;
    let event = events::New {
        kind: EventKind::Job,
        target: &job.id.to_string(),
        user_id: Some(job.client_id),
        peer_id: Some(job.worker_id),
        thread_id: Some(job.thread_id),
        n: Some(job.entries),
    };
    events::record(op, conn, &event).await
}

/// Makes a transition of a job that is due: nobody can act on an expired job because no timer ran yet.
async fn expire(op: &Operation, conn: &mut Conn<'_>, job: &Job) -> Result<Option<Job>> {
    let Some(asked) = transitions::when_due(job.status).filter(|_| job.is_due(op.now())) else { return Ok(None) };
    by_system(op, conn, job, &asked).await.map(Some)
}

/// Makes a transition of a job as the system.
async fn by_system(op: &Operation, conn: &mut Conn<'_>, job: &Job, asked: &Asked) -> Result<Job> {
    let row = transitions::decide(&job.facts(), Caller::System, asked)
        .map_err(|refusal| Error::internal(format!("the table refuses the system {refusal:?}")))?;
    let details = Details { reason: asked.reason, ..Details::default() };
    apply(op, conn, job, row, (Side::System, Principal::system()), &details).await
}

/// Converts a refusal to an error. `current` is the job as the caller sees it.
fn refused(refusal: Refusal, asked: &Asked, current: impl serde::Serialize) -> Error {
    let action = asked.action;
    match refusal {
        Refusal::Side(row) | Refusal::Standing(row) => {
            Error::forbidden(format!("{action} is not for you: {}", row.rule))
        }
        Refusal::NoReason => Error::invalid("/reason", "is required"),
        Refusal::State => {
            Error::conflict(format!("{action} is not possible as the job stands. {}", rules(action)), current)
        }
        Refusal::StaleRevision => Error::conflict("there is a newer offer than the one that this answers", current),
        Refusal::OwnOffer => Error::conflict("the latest offer is your own: the other side answers it", current),
        Refusal::NoChangesLeft => Error::conflict(
            format!("changes were asked for {} times, which is the most", transitions::MAX_CHANGE_REQUESTS),
            current,
        ),
        Refusal::OtherSideGone => {
            Error::conflict("the worker cannot work any more; finalize the job, or ask the staff", current)
        }
    }
}

/// Returns the rules of an action in one line.
fn rules(action: JobAction) -> String {
    let rows = transitions::TRANSITIONS.iter().filter(|row| row.action == action);
    rows.map(|row| row.rule).collect::<Vec<_>>().join(" ")
}

/// Returns the job as a side sees it, with all its offers.
async fn full_view(conn: &mut Conn<'_>, job: &Job, side: Side) -> Result<JobView> {
    let mut view = job.view(side);
    if job.revision > 1 {
        view.offers = store::offers(conn, job.id, job.revision, OFFERS_SHOWN).await?;
    }
    Ok(view)
}

#[cfg(test)]
pub(crate) mod tests;
