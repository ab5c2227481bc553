//! Services: a worker's own, and the public search.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use marketplace_core::{
    ids::{ServiceId, UserId},
    page::{Page, PageRequest},
    services::{
        self,
        model::{
            CategoryInfo, FoundServices, NewService, OwnService, OwnServices, PublicService, SearchFilter, ServiceCard,
            SuggestFilter, Suggestions, UpdateService,
        },
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, NoInput, versioned};
use crate::{
    ctx::Ctx,
    extract::{Asked, Id, IfMatch, Input, List, Params},
    idempotency::IdempotentRequest,
    openapi::IdempotencyKey,
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_services, create_service))
        .routes(routes!(suggest_services))
        .routes(routes!(get_service, update_service, delete_service))
        .routes(routes!(publish_service))
        .routes(routes!(close_service))
        .routes(routes!(list_own_services))
        .routes(routes!(get_own_service))
        .routes(routes!(list_worker_services))
        .routes(routes!(list_categories))
}

/// Find services. Those with every word of `q` come first, then those that lack some.
#[utoipa::path(get, path = "/v1/services", tag = "market", security(()), params(SearchFilter, PageRequest),
    responses((status = 200, description = "A page", body = FoundServices)))]
pub(crate) async fn list_services(
    State(ctx): State<Ctx>,
    List(filter, page): List<SearchFilter>,
) -> Answer<Json<FoundServices>> {
    Ok(Json(services::search(&ctx.app, &filter, &page).await?))
}

/// What may be meant by the beginning of a query: words of services, and categories.
#[utoipa::path(get, path = "/v1/services/suggest", tag = "market", security(()), params(SuggestFilter),
    responses((status = 200, description = "Suggestions, best first", body = Suggestions)))]
pub(crate) async fn suggest_services(
    State(ctx): State<Ctx>,
    Params(filter): Params<SuggestFilter>,
) -> Answer<Json<Suggestions>> {
    Ok(Json(services::suggest(&ctx.app, &filter).await?))
}

/// A published service, with its worker.
#[utoipa::path(get, path = "/v1/services/{id}", tag = "market", security(()), params(("id" = ServiceId, Path)),
    responses((status = 200, description = "The service", body = PublicService, headers(("etag" = String)))))]
pub(crate) async fn get_service(State(ctx): State<Ctx>, Id(id): Id<ServiceId>) -> Answer<Response> {
    let service = services::get(&ctx.app, id).await?;
    Ok(versioned(service.version, service))
}

/// Write a service: a draft, until it is published.
#[utoipa::path(post, path = "/v1/services", tag = "services", request_body = NewService,
    params(IdempotencyKey),
    responses((status = 201, description = "The draft", body = OwnService)))]
pub(crate) async fn create_service(command: IdempotentRequest<NewService>) -> Answer<Response> {
    command.run(|op, new| async move { services::create(&op, new).await.map(|made| (StatusCode::CREATED, made)) }).await
}

/// Change what a service says. A field that is left out stays, `null` takes away.
#[utoipa::path(patch, path = "/v1/services/{id}", tag = "services", request_body = UpdateService,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The service", body = OwnService, headers(("etag" = String)))))]
pub(crate) async fn update_service(
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
    responses((status = 204, description = "Deleted"),
        (status = 409, description = "A job about it is under way")))]
pub(crate) async fn delete_service(Asked(op): Asked, Id(id): Id<ServiceId>, if_match: IfMatch) -> Answer<StatusCode> {
    services::delete(&if_match.at(&op), id).await?;
    Ok(DONE)
}

/// Show a draft or a closed service to everybody. Needs a confirmed identity.
#[utoipa::path(post, path = "/v1/services/{id}/publish", tag = "services", request_body = NoInput,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for"),
        IdempotencyKey),
    responses((status = 200, description = "The service", body = OwnService)))]
pub(crate) async fn publish_service(Id(id): Id<ServiceId>, command: IdempotentRequest<NoInput>) -> Answer<Response> {
    command
        .run(move |op, _| async move { services::publish(&op, id).await.map(|service| (StatusCode::OK, service)) })
        .await
}

/// Take a published service back.
#[utoipa::path(post, path = "/v1/services/{id}/close", tag = "services", request_body = NoInput,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for"),
        IdempotencyKey),
    responses((status = 200, description = "The service", body = OwnService)))]
pub(crate) async fn close_service(Id(id): Id<ServiceId>, command: IdempotentRequest<NoInput>) -> Answer<Response> {
    command
        .run(move |op, _| async move { services::close(&op, id).await.map(|service| (StatusCode::OK, service)) })
        .await
}

/// One's own services, newest first, drafts and closed ones among them.
#[utoipa::path(get, path = "/v1/me/services", tag = "services", params(OwnServices, PageRequest),
    responses((status = 200, description = "A page", body = Page<OwnService>)))]
pub(crate) async fn list_own_services(
    Asked(op): Asked,
    List(filter, page): List<OwnServices>,
) -> Answer<Json<Page<OwnService>>> {
    Ok(Json(services::own(&op, &filter, &page).await?))
}

/// One of one's own services, in any state.
#[utoipa::path(get, path = "/v1/me/services/{id}", tag = "services", params(("id" = ServiceId, Path)),
    responses((status = 200, description = "The service", body = OwnService, headers(("etag" = String)))))]
pub(crate) async fn get_own_service(Asked(op): Asked, Id(id): Id<ServiceId>) -> Answer<Response> {
    let service = services::own_one(&op, id).await?;
    Ok(versioned(service.version, service))
}

/// What a worker offers, newest first.
#[utoipa::path(get, path = "/v1/workers/{id}/services", tag = "market", security(()), params(("id" = UserId, Path), PageRequest),
    responses((status = 200, description = "A page", body = Page<ServiceCard>)))]
pub(crate) async fn list_worker_services(
    State(ctx): State<Ctx>,
    Id(id): Id<UserId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<ServiceCard>>> {
    Ok(Json(services::of_worker(&ctx.app, id, &page).await?))
}

/// The kinds of services there are.
#[utoipa::path(get, path = "/v1/categories", tag = "market", security(()),
    responses((status = 200, description = "All of them", body = Vec<CategoryInfo>)))]
pub(crate) async fn list_categories() -> Json<Vec<CategoryInfo>> {
    Json(services::categories())
}
