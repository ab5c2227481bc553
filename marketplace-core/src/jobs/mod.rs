//! Jobs: a client and a worker agree on price, schedule and scope, the worker does it, the client is content.
//!
//! | to read about | open |
//! |---|---|
//! | states, actions, reasons | [`model`] |

pub mod model;
mod store;

pub(crate) use store::counts;

use model::{HistoryRow, JobDetail, JobFilter, JobSummary, StaffJobAction};

use crate::{
    actor::{Actor, Permission},
    admin::{Change, Changed},
    app::App,
    error::{Error, Result},
    ids::JobId,
    page::{Page, PageRequest},
};

/// Jobs, newest first, as staff see them.
pub async fn staff_list(
    _app: &App,
    actor: &Actor,
    _filter: &JobFilter,
    _page: &PageRequest,
) -> Result<Page<JobSummary>> {
    actor.require(Permission::JobsRead)?;
    Err(Error::unavailable("not built yet", "jobs"))
}
/// One job, as staff see it.
pub async fn staff_show(_app: &App, actor: &Actor, _id: JobId) -> Result<JobDetail> {
    actor.require(Permission::JobsRead)?;
    Err(Error::unavailable("not built yet", "jobs"))
}
/// A job's history, oldest first.
pub async fn staff_history(_app: &App, actor: &Actor, _id: JobId, _page: &PageRequest) -> Result<Page<HistoryRow>> {
    actor.require(Permission::JobsRead)?;
    Err(Error::unavailable("not built yet", "jobs"))
}
/// Staff cancel or finalize a job.
pub async fn staff_act(
    _app: &App,
    actor: &Actor,
    _id: JobId,
    _action: &StaffJobAction,
    _change: &Change,
) -> Result<Changed<JobDetail>> {
    actor.require(Permission::JobsWrite)?;
    Err(Error::unavailable("not built yet", "jobs"))
}
