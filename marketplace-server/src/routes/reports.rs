//! Reports, what became of them, and appeals.

use axum::{Json, http::StatusCode, response::Response};
use marketplace_core::{
    ids::CaseId,
    page::{Page, PageRequest},
    reports::{
        self,
        model::{NewAppeal, NewReport, OwnDecision, OwnReport},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ctx::Ctx,
    extract::{Asked, Id, Params},
    idempotency::IdempotentRequest,
    openapi::IdempotencyKey,
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(file_report))
        .routes(routes!(list_own_reports))
        .routes(routes!(list_own_decisions))
        .routes(routes!(appeal_decision))
}

/// Report a person, a service, a message, a thread or a review that the caller can see. What it says is kept with the report.
///
/// The same report again, while it is open, changes nothing.
#[utoipa::path(post, path = "/v1/reports", tag = "reports", request_body = NewReport, params(IdempotencyKey),
    responses((status = 201, description = "The report", body = OwnReport),
        (status = 200, description = "The report, as it was filed before", body = OwnReport),
        (status = 404, description = "There is no such thing, or the caller does not see it"),
        (status = 409, description = "The caller has another open report about it, which is `current`")))]
pub(crate) async fn file_report(command: IdempotentRequest<NewReport>) -> Answer<Response> {
    command
        .run(move |op, new| async move {
            let (report, is_new) = reports::file(&op, new).await?;
            Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, report))
        })
        .await
}

/// One's own reports, newest first, and what became of them.
#[utoipa::path(get, path = "/v1/me/reports", tag = "me", params(PageRequest),
    responses((status = 200, description = "A page", body = Page<OwnReport>)))]
pub(crate) async fn list_own_reports(
    Asked(op): Asked,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<OwnReport>>> {
    Ok(Json(reports::own(&op, &page).await?))
}

/// What staff decided about the caller after reports, newest first. Who reported is not told.
#[utoipa::path(get, path = "/v1/me/decisions", tag = "me",
    responses((status = 200, description = "The newest 200", body = Page<OwnDecision>)))]
pub(crate) async fn list_own_decisions(Asked(op): Asked) -> Answer<Json<Page<OwnDecision>>> {
    Ok(Json(reports::decisions(&op).await?))
}

/// Appeal against a decision about the caller, once and within 14 days. Somebody else than who made it decides.
#[utoipa::path(post, path = "/v1/reports/{id}/appeal", tag = "reports", request_body = NewAppeal,
    params(("id" = CaseId, Path, description = "The decision's number, from the mail or from `GET /v1/me/decisions`"),
        IdempotencyKey),
    responses((status = 200, description = "The decision with the appeal", body = OwnDecision),
        (status = 409, description = "There is another appeal, or the time is over")))]
pub(crate) async fn appeal_decision(Id(id): Id<CaseId>, command: IdempotentRequest<NewAppeal>) -> Answer<Response> {
    command.run(move |op, new| async move { Ok((StatusCode::OK, reports::appeal(&op, id, &new).await?)) }).await
}
