//! Jobs, for clients and workers. The rules in the descriptions come from core's table of transitions.

use axum::{Json, http::StatusCode, response::Response};
use marketplace_core::{
    ids::JobId,
    jobs::{
        self,
        model::{
            AcceptOffer, ChangeRequest, CounterOffer, EndJob, HistoryRow, JobAction, JobView, NewJob, OwnJobFilter,
        },
        transitions::rules,
    },
    page::{Page, PageRequest},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{NoInput, versioned};
use crate::{
    ctx::Ctx,
    extract::{Asked, Id, List, Params},
    idempotency::IdempotentRequest,
    openapi::IdempotencyKey,
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(create_job))
        .routes(routes!(list_own_jobs))
        .routes(routes!(get_job))
        .routes(routes!(list_job_history))
        .routes(routes!(make_offer))
        .routes(routes!(accept_offer))
        .routes(routes!(reject_job))
        .routes(routes!(cancel_job))
        .routes(routes!(complete_job))
        .routes(routes!(request_job_changes))
        .routes(routes!(finalize_job))
}

/// Begin a job with the first offer.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", description = rules(JobAction::Create), request_body = NewJob,
    params(IdempotencyKey),
    responses((status = 201, description = "The job", body = JobView),
        (status = 404, description = "The caller has no such thread")))]
pub(crate) async fn create_job(command: IdempotentRequest<NewJob>) -> Answer<Response> {
    command.run(|op, new| async move { Ok((StatusCode::CREATED, jobs::create(&op, new).await?)) }).await
}

/// One's own jobs, newest first, each with its latest offer.
#[utoipa::path(get, path = "/v1/me/jobs", tag = "me", params(OwnJobFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<JobView>)))]
pub(crate) async fn list_own_jobs(
    Asked(op): Asked,
    List(filter, page): List<OwnJobFilter>,
) -> Answer<Json<Page<JobView>>> {
    Ok(Json(jobs::own(&op, &filter, &page).await?))
}

/// One of one's own jobs, with its offers and what can be done with it now.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "The job", body = JobView, headers(("etag" = String)))))]
pub(crate) async fn get_job(Asked(op): Asked, Id(id): Id<JobId>) -> Answer<Response> {
    let job = jobs::get(&op, id).await?;
    Ok(versioned(job.version, job))
}

/// A job's history, oldest first. What staff wrote is not in it.
#[utoipa::path(get, path = "/v1/jobs/{id}/history", tag = "jobs", params(("id" = JobId, Path), PageRequest),
    responses((status = 200, description = "A page", body = Page<HistoryRow>)))]
pub(crate) async fn list_job_history(
    Asked(op): Asked,
    Id(id): Id<JobId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<HistoryRow>>> {
    Ok(Json(jobs::history(&op, id, &page).await?))
}

/// Make another offer.
#[utoipa::path(post, path = "/v1/jobs/{id}/offers", tag = "jobs", description = rules(JobAction::Offer),
    request_body = CounterOffer, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn make_offer(Id(id): Id<JobId>, command: IdempotentRequest<CounterOffer>) -> Answer<Response> {
    command.run(move |op, counter| async move { Ok((StatusCode::OK, jobs::offer(&op, id, counter).await?)) }).await
}

/// Agree to the other side's latest offer.
#[utoipa::path(post, path = "/v1/jobs/{id}/accept", tag = "jobs", description = rules(JobAction::Accept),
    request_body = AcceptOffer, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn accept_offer(Id(id): Id<JobId>, command: IdempotentRequest<AcceptOffer>) -> Answer<Response> {
    command
        .run(move |op, input| async move { Ok((StatusCode::OK, jobs::accept(&op, id, input.revision).await?)) })
        .await
}

/// Decline the job.
#[utoipa::path(post, path = "/v1/jobs/{id}/reject", tag = "jobs", description = rules(JobAction::Reject),
    request_body = EndJob, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn reject_job(Id(id): Id<JobId>, command: IdempotentRequest<EndJob>) -> Answer<Response> {
    command.run(move |op, why| async move { Ok((StatusCode::OK, jobs::reject(&op, id, why).await?)) }).await
}

/// Call the job off.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", description = rules(JobAction::Cancel),
    request_body = EndJob, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn cancel_job(Id(id): Id<JobId>, command: IdempotentRequest<EndJob>) -> Answer<Response> {
    command.run(move |op, why| async move { Ok((StatusCode::OK, jobs::cancel(&op, id, why).await?)) }).await
}

/// Say that the work is done.
#[utoipa::path(post, path = "/v1/jobs/{id}/complete", tag = "jobs", description = rules(JobAction::Complete),
    request_body = NoInput, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn complete_job(Id(id): Id<JobId>, command: IdempotentRequest<NoInput>) -> Answer<Response> {
    command.run(move |op, NoInput {}| async move { Ok((StatusCode::OK, jobs::complete(&op, id).await?)) }).await
}

/// Ask for changes to completed work.
#[utoipa::path(post, path = "/v1/jobs/{id}/request-changes", tag = "jobs",
    description = rules(JobAction::RequestChanges), request_body = ChangeRequest, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn request_job_changes(
    Id(id): Id<JobId>,
    command: IdempotentRequest<ChangeRequest>,
) -> Answer<Response> {
    command.run(move |op, what| async move { Ok((StatusCode::OK, jobs::request_changes(&op, id, what).await?)) }).await
}

/// Say that completed work is as agreed.
#[utoipa::path(post, path = "/v1/jobs/{id}/finalize", tag = "jobs", description = rules(JobAction::Finalize),
    request_body = NoInput, params(("id" = JobId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that it is meant for"), IdempotencyKey),
    responses((status = 200, description = "The job, as it is now", body = JobView)))]
pub(crate) async fn finalize_job(Id(id): Id<JobId>, command: IdempotentRequest<NoInput>) -> Answer<Response> {
    command.run(move |op, NoInput {}| async move { Ok((StatusCode::OK, jobs::finalize(&op, id).await?)) }).await
}
