//! Effects of a job on its thread.

use super::{
    model::{HistoryRow, JobAction, JobReason, Side},
    row::Job,
};
use crate::{
    base::{error::Result, money::Money},
    messaging::{self, Draft, model::JobNotice},
    operation::Operation,
    platform::db::Conn,
};

/// Posts the notice of a transition in the job's thread, which the unit of work has locked. A rejected job closes the
/// thread.
pub(super) async fn tell(op: &Operation, conn: &mut Conn<'_>, job: &Job, row: &HistoryRow) -> Result<()> {
    let notice = JobNotice {
        id: job.id,
        action: row.action,
        from: row.from,
        to: row.to,
        side: row.side,
        revision: row.revision,
        reason: row.reason,
    };
    let cause = match row.side {
        Side::Client => Some(job.client_id),
        Side::Worker => Some(job.worker_id),
        Side::Staff | Side::System => None,
    };
    messaging::append(op, conn, job.thread_id, Draft::job(text(job, row), notice, cause)).await?;
    if row.action == JobAction::Reject {
        messaging::close_for_job(op, conn, job.thread_id).await?;
    }
    Ok(())
}

/// Returns the notice as text, for clients that do not know the codes.
fn text(job: &Job, row: &HistoryRow) -> String {
    notice((row.side, row.action), row.revision, &job.offer().price, row.reason)
}

/// Returns the text of a notice about a transition: who did what, on which offer, and why.
pub fn notice((side, action): (Side, JobAction), revision: i64, price: &Money, reason: Option<JobReason>) -> String {
    let who = match side {
        Side::Client => "The client",
        Side::Worker => "The worker",
        Side::Staff => "The marketplace's staff",
        Side::System => "The marketplace",
    };
    let because = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    match action {
        JobAction::Create => format!("{who} began a job with the offer {revision}: {price}."),
        JobAction::Offer => format!("{who} made the offer {revision}: {price}."),
        JobAction::Accept => format!("{who} accepted the offer {revision}: {price}."),
        JobAction::Reject => format!("{who} rejected the job{because}."),
        JobAction::Cancel => format!("{who} cancelled the job{because}."),
        JobAction::Complete => format!("{who} completed the work."),
        JobAction::RequestChanges => format!("{who} asked for changes."),
        JobAction::Finalize => format!("{who} finalized the job."),
    }
}
