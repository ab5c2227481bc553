//! Services: a worker's own, and the public search.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use marketplace_core::{
    base::permission::Permission,
    ids::{PhotoId, ServiceId, UserId},
    kyc,
    page::{Page, PageRequest},
    platform::files::MAX_FILE,
    services::{
        self,
        model::{
            CategoryInfo, FoundServices, NewService, OwnService, OwnServices, PhotoOrder, PhotoSize, PublicService,
            SearchFilter, ServiceCard, SuggestFilter, Suggestions, UpdateService,
        },
    },
    staff::PhotoQuery,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, NoInput, profiles::Viewer, public_picture, versioned};
use crate::{
    body,
    ctx::Ctx,
    extract::{Anybody, Asked, Caller, Id, IfMatch, Input, List, Nth, Params},
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
        .routes(routes!(put_service_photo, delete_service_photo))
        .routes(routes!(order_service_photos))
        .routes(routes!(get_photo))
        .routes(routes!(list_own_services))
        .routes(routes!(get_own_service))
        .routes(routes!(list_worker_services))
        .routes(routes!(list_categories))
}

/// Find services. Those with every word of `q` come first, then those that lack some.
#[utoipa::path(get, path = "/v1/services", tag = "market", security(()), params(SearchFilter, PageRequest),
    responses((status = 200, description = "A page", body = FoundServices)))]
pub(crate) async fn list_services(
    Anybody(ctx): Anybody,
    List(filter, page): List<SearchFilter>,
) -> Answer<Json<FoundServices>> {
    Ok(Json(services::search(&ctx.app, &filter, &page).await?))
}

/// What may be meant by the beginning of a query: words of services, and categories.
#[utoipa::path(get, path = "/v1/services/suggest", tag = "market", security(()), params(SuggestFilter),
    responses((status = 200, description = "Suggestions, best first", body = Suggestions)))]
pub(crate) async fn suggest_services(
    Anybody(ctx): Anybody,
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

/// What a photo shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AltQuery {
    /// For people who do not see it, up to 250 characters.
    #[serde(default)]
    alt: String,
}

/// Put a photo at a place of a service: the file itself as the body, JPEG, PNG or WebP by its content, at most 10 MiB. It
/// replaces the one that is there; at the place after the last it is one more, up to 10. Only its pixels are kept.
#[utoipa::path(put, path = "/v1/services/{id}/photos/{n}", tag = "services",
    request_body(content = String, content_type = "application/octet-stream",
        description = "The file; another `Content-Type`, such as `image/jpeg`, will do too"),
    params(("id" = ServiceId, Path), ("n" = i64, Path, description = "The place: 1 is the first, which lists show"), AltQuery,
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The service", body = OwnService, headers(("etag" = String))),
        (status = 409, description = "It has 10 photos")))]
pub(crate) async fn put_service_photo(
    State(ctx): State<Ctx>,
    Caller(actor): Caller,
    Id(id): Id<ServiceId>,
    Nth(place): Nth,
    Params(AltQuery { alt }): Params<AltQuery>,
    if_match: IfMatch,
    request: Request,
) -> Answer<Response> {
    // Checked first, so that 10 MiB are not read for nothing.
    actor.require_own(Permission::Trade)?;
    let came = body::received(request, &actor, MAX_FILE, &ctx).await?;
    let permit = kyc::submit_permit(&ctx.app.by(&actor)).await?;
    let op = if_match.at(&ctx.app.by(&actor));
    let service = services::put_photo(&op, id, place, &alt, came.into_bytes().await?).await?;
    drop(permit);
    Ok(versioned(service.version, service))
}

/// Delete the photo at a place of a service; those behind it move up.
#[utoipa::path(delete, path = "/v1/services/{id}/photos/{n}", tag = "services",
    params(("id" = ServiceId, Path), ("n" = i64, Path, description = "The place: 1 is the first"),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete_service_photo(
    Asked(op): Asked,
    Id(id): Id<ServiceId>,
    Nth(place): Nth,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    services::delete_photo(&if_match.at(&op), id, place).await?;
    Ok(DONE)
}

/// Put the photos of a service in order, with what they show. Those that are left out are deleted.
#[utoipa::path(put, path = "/v1/services/{id}/photos", tag = "services", request_body = PhotoOrder,
    params(("id" = ServiceId, Path),
        ("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The service", body = OwnService, headers(("etag" = String)))))]
pub(crate) async fn order_service_photos(
    Asked(op): Asked,
    Id(id): Id<ServiceId>,
    if_match: IfMatch,
    Input(order): Input<PhotoOrder>,
) -> Answer<Response> {
    let service = services::order_photos(&if_match.at(&op), id, order).await?;
    Ok(versioned(service.version, service))
}

/// A photo of a service that everybody sees, or of one's own.
#[utoipa::path(get, path = "/v1/photos/{id}", tag = "market", security((), ("bearer" = []), ("cookie" = [])), params(("id" = PhotoId, Path), PhotoQuery),
    responses((status = 200, description = "The photo, which never changes", content_type = "image/jpeg",
        headers(("cache-control" = String)))))]
pub(crate) async fn get_photo(
    State(ctx): State<Ctx>,
    Id(id): Id<PhotoId>,
    Params(PhotoQuery { size }): Params<PhotoQuery>,
    Viewer(viewer): Viewer,
) -> Answer<Response> {
    let file = services::photo(&ctx.app, viewer.as_ref(), id, size.unwrap_or(PhotoSize::Full)).await?;
    public_picture(file, viewer.is_some())
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
    Anybody(ctx): Anybody,
    Id(id): Id<UserId>,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<ServiceCard>>> {
    Ok(Json(services::of_worker(&ctx.app, id, &page).await?))
}

/// The kinds of services there are, in order, with their names in the reader's language.
#[utoipa::path(get, path = "/v1/categories", tag = "market", security(()),
    params(("accept-language" = Option<String>, Header, description = "For `name`, as browsers send it: `de-AT, fr;q=0.8`")),
    responses((status = 200, description = "All of them", body = Vec<CategoryInfo>)))]
pub(crate) async fn list_categories(State(ctx): State<Ctx>, headers: HeaderMap) -> Answer<Response> {
    let languages = accepted_languages(&headers);
    let categories = services::categories(&ctx.app).await?;
    let named: Vec<CategoryInfo> = categories.iter().map(|category| category.named_in(&languages)).collect();
    Ok(([(header::VARY, "accept-language")], Json(named)).into_response())
}

/// Returns the languages that a request accepts, in lower case, the best first (RFC 9110 §12.5.4). English ends them: names there
/// are there anyway.
fn accepted_languages(headers: &HeaderMap) -> Vec<String> {
    /// Languages that are looked at: nobody reads more.
    const MOST: usize = 20;
    let texts = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let range = |part: &str| {
        let (range, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
        let range = range.trim().to_ascii_lowercase();
        (!range.is_empty() && range != "*" && weight > 0.0).then_some((range, weight))
    };
    let mut ranges: Vec<(String, f32)> = texts.flat_map(|text| text.split(',')).take(MOST).filter_map(range).collect();
    ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    ranges.into_iter().map(|(range, _)| range).collect()
}
