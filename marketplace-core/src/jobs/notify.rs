//! What the two sides of a job are told of.

use std::time::Duration;

use super::{
    model::{JobAction, JobStatus, Side},
    row::Job,
};
use crate::{
    base::error::Result,
    notifications::{self, model::NotificationKind},
    operation::Operation,
    platform::db::Conn,
};

/// How long before a negotiation lapses both sides are reminded.
const BEFORE_LAPSE: Duration = Duration::from_hours(24);
/// How long before work finalizes itself the client is reminded.
const BEFORE_FINALIZED: Duration = Duration::from_hours(3 * 24);

/// Tells those who did not make a transition of it, and replaces the reminders of what time will bring.
pub(super) async fn tell(op: &Operation, conn: &mut Conn<'_>, job: &Job, action: JobAction, by: Side) -> Result<()> {
    let now = op.now();
    let (client, worker) = ((Side::Client, job.client_id), (Side::Worker, job.worker_id));
    let kind = match action {
        JobAction::Create => NotificationKind::Offer,
        JobAction::Offer => NotificationKind::CounterOffer,
        JobAction::Accept => NotificationKind::OfferAccepted,
        JobAction::Reject => NotificationKind::JobRejected,
        JobAction::Cancel => NotificationKind::JobCancelled,
        JobAction::Complete => NotificationKind::JobCompleted,
        JobAction::RequestChanges => NotificationKind::ChangesRequested,
        JobAction::Finalize => NotificationKind::JobFinalized,
    };
    for (side, user) in [client, worker] {
        notifications::cancel(conn, user, job.id, now).await?;
        if side != by {
            notifications::tell(op, conn, user, kind, job.id, now).await?;
        }
        if job.status == JobStatus::Finalized {
            notifications::tell(op, conn, user, NotificationKind::ReviewDue, job.id, now).await?;
        }
        let reminder = match (job.status, job.due_at) {
            (JobStatus::Negotiating, Some(due)) => Some((NotificationKind::NegotiationLapses, due - BEFORE_LAPSE)),
            (JobStatus::Completed, Some(due)) if side == Side::Client => {
                Some((NotificationKind::WorkFinalizes, due - BEFORE_FINALIZED))
            }
            _ => None,
        };
        if let Some((kind, at)) = reminder {
            notifications::tell(op, conn, user, kind, job.id, at).await?;
        }
    }
    Ok(())
}
