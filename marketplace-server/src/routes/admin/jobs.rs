//! Jobs.

use axum::{Json, response::Response};
use marketplace_core::{
    admin::AdminApi,
    base::change::Changed,
    ids::JobId,
    jobs::model::{HistoryRow, JobDetail, JobFilter, JobReason, JobSummary, StaffJobAction},
    page::{Page, PageRequest},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, PlainInput, ReasonedInput, ok};
use crate::{
    ctx::Ctx,
    extract::{Id, List, Params},
    idempotency::Command,
    problem::Answer,
    routes::versioned,
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(history))
        .routes(routes!(cancel))
        .routes(routes!(finalize))
}

/// Jobs, newest first. Names are masked.
#[utoipa::path(get, path = "/v1/admin/jobs", tag = "admin jobs", params(JobFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<JobSummary>)))]
pub(crate) async fn list(Admin(admin): Admin, List(filter, page): List<JobFilter>) -> Answer<Json<Page<JobSummary>>> {
    Ok(Json(admin.jobs_list(&filter, &page).await?))
}

/// One job, with its offers and its history.
#[utoipa::path(get, path = "/v1/admin/jobs/{id}", tag = "admin jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "The job", body = JobDetail, headers(("etag" = String)))))]
pub(crate) async fn show(Admin(admin): Admin, Id(id): Id<JobId>) -> Answer<Response> {
    let detail = admin.jobs_show(id).await?;
    Ok(versioned(detail.job.version, detail))
}

/// A job's history, oldest first.
#[utoipa::path(get, path = "/v1/admin/jobs/{id}/history", tag = "admin jobs",
    params(("id" = JobId, Path), PageRequest),
    responses((status = 200, description = "A page", body = Page<HistoryRow>)))]
pub(crate) async fn history(
    Admin(admin): Admin,
    Id(id): Id<JobId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<HistoryRow>>> {
    Ok(Json(admin.jobs_history(id, &page).await?))
}

/// Call a job off. One that the worker has completed needs an admin.
#[utoipa::path(post, path = "/v1/admin/jobs/{id}/cancel", tag = "admin jobs", request_body = ReasonedInput<JobReason>,
    params(("id" = JobId, Path)),
    responses((status = 200, description = "The job, as it is now", body = Changed<JobDetail>)))]
pub(crate) async fn cancel(Id(id): Id<JobId>, command: Command<ReasonedInput<JobReason>>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            let (reason, change) = input.split(if_version);
            admin.jobs_act(id, &StaffJobAction::Cancel { reason }, &change).await.map(ok)
        })
        .await
}

/// End well a job that the worker has completed.
#[utoipa::path(post, path = "/v1/admin/jobs/{id}/finalize", tag = "admin jobs", request_body = PlainInput,
    params(("id" = JobId, Path)),
    responses((status = 200, description = "The job, as it is now", body = Changed<JobDetail>)))]
pub(crate) async fn finalize(Id(id): Id<JobId>, command: Command<PlainInput>) -> Answer<Response> {
    command
        .run(move |admin, input, if_version| async move {
            admin.jobs_act(id, &StaffJobAction::Finalize, &input.change(if_version)).await.map(ok)
        })
        .await
}
