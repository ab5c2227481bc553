//! Services: a worker's own, and the public search.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use marketplace_core::{
    ids::{ServiceId, UserId},
    page::{Page, PageRequest},
    services::{
        self,
        model::{
            CategoryInfo, NewService, OwnService, OwnServices, PublicService, SearchFilter, ServiceCard, UpdateService,
        },
    },
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, versioned};
use crate::{
    ctx::Ctx,
    extract::{Asked, Id, IfMatch, Input, List, Params},
    idempotency::IdempotentRequest,
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(search, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(publish))
        .routes(routes!(close))
        .routes(routes!(own))
        .routes(routes!(own_one))
        .routes(routes!(of_worker))
        .routes(routes!(categories))
}

/// Nothing needs to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoInput {}

/// Find services. Every word of `q` must be in the title, the description, the tags or the worker's name.
#[utoipa::path(get, path = "/v1/services", tag = "market", security(()), params(SearchFilter, PageRequest),
    responses((status = 200, description = "A page", body = Page<ServiceCard>)))]
pub(crate) async fn search(
    State(ctx): State<Ctx>,
    List(filter, page): List<SearchFilter>,
) -> Answer<Json<Page<ServiceCard>>> {
    Ok(Json(services::search(&ctx.app, &filter, &page).await?))
}

/// A published service, with its worker.
#[utoipa::path(get, path = "/v1/services/{id}", tag = "market", security(()), params(("id" = ServiceId, Path)),
    responses((status = 200, description = "The service", body = PublicService, headers(("etag" = String)))))]
pub(crate) async fn show(State(ctx): State<Ctx>, Id(id): Id<ServiceId>) -> Answer<Response> {
    let service = services::get(&ctx.app, id).await?;
    Ok(versioned(service.version, service))
}

/// Write a service: a draft, until it is published.
#[utoipa::path(post, path = "/v1/services", tag = "services", request_body = NewService,
    params(("idempotency-key" = Option<String>, Header, description = "Makes sending it again harmless, for 24 h")),
    responses((status = 201, description = "The draft", body = OwnService)))]
pub(crate) async fn create(command: IdempotentRequest<NewService>) -> Answer<Response> {
    command.run(|op, new| async move { services::create(&op, new).await.map(|made| (StatusCode::CREATED, made)) }).await
}

/// Change what a service says. A field that is left out stays, `null` takes away.
#[utoipa::path(patch, path = "/v1/services/{id}", tag = "services", request_body = UpdateService,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The service", body = OwnService, headers(("etag" = String)))))]
pub(crate) async fn update(
    Asked(op): Asked,
    Id(id): Id<ServiceId>,
    if_match: IfMatch,
    Input(input): Input<UpdateService>,
) -> Answer<Response> {
    let service = services::update(&if_match.at(&op), id, input).await?;
    Ok(versioned(service.version, service))
}

/// Delete a service for good, unless a job about it is under way.
#[utoipa::path(delete, path = "/v1/services/{id}", tag = "services",
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(Asked(op): Asked, Id(id): Id<ServiceId>, if_match: IfMatch) -> Answer<StatusCode> {
    services::delete(&if_match.at(&op), id).await?;
    Ok(DONE)
}

/// Show a draft or a closed service to everybody. Needs a confirmed identity.
#[utoipa::path(post, path = "/v1/services/{id}/publish", tag = "services", request_body = NoInput,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for"),
        ("idempotency-key" = Option<String>, Header, description = "Makes sending it again harmless, for 24 h")),
    responses((status = 200, description = "The service", body = OwnService)))]
pub(crate) async fn publish(Id(id): Id<ServiceId>, command: IdempotentRequest<NoInput>) -> Answer<Response> {
    command
        .run(move |op, _| async move { services::publish(&op, id).await.map(|service| (StatusCode::OK, service)) })
        .await
}

/// Take a published service back.
#[utoipa::path(post, path = "/v1/services/{id}/close", tag = "services", request_body = NoInput,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for"),
        ("idempotency-key" = Option<String>, Header, description = "Makes sending it again harmless, for 24 h")),
    responses((status = 200, description = "The service", body = OwnService)))]
pub(crate) async fn close(Id(id): Id<ServiceId>, command: IdempotentRequest<NoInput>) -> Answer<Response> {
    command
        .run(move |op, _| async move { services::close(&op, id).await.map(|service| (StatusCode::OK, service)) })
        .await
}

/// One's own services, newest first, drafts and closed ones among them.
#[utoipa::path(get, path = "/v1/me/services", tag = "services", params(OwnServices, PageRequest),
    responses((status = 200, description = "A page", body = Page<OwnService>)))]
pub(crate) async fn own(Asked(op): Asked, List(filter, page): List<OwnServices>) -> Answer<Json<Page<OwnService>>> {
    Ok(Json(services::own(&op, &filter, &page).await?))
}

/// One of one's own services, in any state.
#[utoipa::path(get, path = "/v1/me/services/{id}", tag = "services", params(("id" = ServiceId, Path)),
    responses((status = 200, description = "The service", body = OwnService, headers(("etag" = String)))))]
pub(crate) async fn own_one(Asked(op): Asked, Id(id): Id<ServiceId>) -> Answer<Response> {
    let service = services::own_one(&op, id).await?;
    Ok(versioned(service.version, service))
}

/// What a worker offers, newest first.
#[utoipa::path(get, path = "/v1/workers/{id}/services", tag = "market", security(()), params(("id" = UserId, Path), PageRequest),
    responses((status = 200, description = "A page", body = Page<ServiceCard>)))]
pub(crate) async fn of_worker(
    State(ctx): State<Ctx>,
    Id(id): Id<UserId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<ServiceCard>>> {
    Ok(Json(services::of_worker(&ctx.app, id, &page).await?))
}

/// The kinds of services there are.
#[utoipa::path(get, path = "/v1/categories", tag = "market", security(()),
    responses((status = 200, description = "All of them", body = Vec<CategoryInfo>)))]
pub(crate) async fn categories() -> Json<Vec<CategoryInfo>> {
    Json(services::categories())
}
