//! Jobs.

use super::{
    connection::Connection,
    input::{PlainInput, ReasonedInput},
    operation::ListQuery,
};
use crate::{
    base::{
        change::{Change, Changed},
        error::Result,
        ids::JobId,
        page::{Page, PageRequest},
    },
    jobs::{
        self,
        model::{HistoryRow, JobDetail, JobFilter, JobReason, JobSummary, StaffJobAction},
    },
};

operations! { "admin jobs":
    /// Jobs, newest first. Names are masked.
    ListJobs = GET "/v1/admin/jobs" needs JobsRead,
    (op, (): (), list: ListQuery<JobFilter>, (): ()) -> Page<JobSummary> as "A page" {
        jobs::staff_list(op, &list.filter, &list.page).await
    }

    /// One job, with its offers and its history.
    ShowJob = GET "/v1/admin/jobs/{id}" needs JobsRead,
    (op, id: JobId, (): (), (): ()) -> JobDetail as "The job"
    with { const VERSION: Option<fn(&JobDetail) -> i64> = Some(|detail| detail.job.version); } {
        jobs::staff_show(op, id).await
    }

    /// A job's history, oldest first.
    ListJobHistory = GET "/v1/admin/jobs/{id}/history" needs JobsRead,
    (op, id: JobId, page: PageRequest, (): ()) -> Page<HistoryRow> as "A page"
    with { const ID: &'static str = "ListAnyJobHistory"; } {
        jobs::staff_history(op, id, &page).await
    }

    /// Call a job off. One that the worker has completed needs an admin.
    CancelJob = POST "/v1/admin/jobs/{id}/cancel" needs JobsWrite,
    (op, id: JobId, (): (), input: ReasonedInput<JobReason>) -> Changed<JobDetail> as "The job, as it is now"
    with { const ID: &'static str = "CancelAnyJob"; } {
        jobs::staff_act(op, id, &StaffJobAction::Cancel { reason: input.reason }).await
    }

    /// End well a job that the worker has completed.
    FinalizeJob = POST "/v1/admin/jobs/{id}/finalize" needs JobsWrite,
    (op, id: JobId, (): (), _: PlainInput) -> Changed<JobDetail> as "The job, as it is now"
    with { const ID: &'static str = "FinalizeAnyJob"; } {
        jobs::staff_act(op, id, &StaffJobAction::Finalize).await
    }
}

/// Does something to a job that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn act_on_job(
    connection: &Connection,
    id: JobId,
    action: &StaffJobAction,
    change: Change,
) -> Result<Changed<JobDetail>> {
    match action {
        StaffJobAction::Cancel { reason } => {
            connection.call::<CancelJob>(id, (), ReasonedInput::new(*reason, change)).await
        }
        StaffJobAction::Finalize => connection.call::<FinalizeJob>(id, (), change.into()).await,
    }
}
