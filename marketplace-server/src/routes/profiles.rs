//! Profiles, pictures, favourites and blocks.

use axum::{
    Json,
    extract::{FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use marketplace_core::{
    actor::Actor,
    base::permission::Permission,
    ids::{PictureId, UserId},
    kyc,
    page::{Page, PageRequest},
    platform::files::MAX_FILE,
    profiles::{
        self,
        model::{
            Blocked, ClientProfile, Picture, PictureSize, PublicClient, PublicWorker, UpdateClientProfile,
            UpdateWorkerProfile, WorkerProfile,
        },
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, public_picture, versioned};
use crate::{
    body,
    ctx::Ctx,
    extract::{Asked, Caller, Id, IfMatch, Input, Params},
    problem::{Answer, Problem},
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(get_client_profile, update_client_profile))
        .routes(routes!(get_worker_profile, update_worker_profile))
        .routes(routes!(set_picture, delete_picture))
        .routes(routes!(list_favorites))
        .routes(routes!(add_favorite, remove_favorite))
        .routes(routes!(list_blocks))
        .routes(routes!(block_user, unblock_user))
        .routes(routes!(get_worker))
        .routes(routes!(get_client))
        .routes(routes!(get_picture))
}

/// One's own profile as a client.
#[utoipa::path(get, path = "/v1/me/client-profile", tag = "me",
    responses((status = 200, description = "The profile", body = ClientProfile, headers(("etag" = String)))))]
pub(crate) async fn get_client_profile(Asked(op): Asked) -> Answer<Response> {
    let profile = profiles::client(&op).await?;
    Ok(versioned(profile.version, profile))
}

/// Change one's own profile as a client. A field that is left out stays, `null` takes away.
#[utoipa::path(patch, path = "/v1/me/client-profile", tag = "me", request_body = UpdateClientProfile,
    params(("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The profile", body = ClientProfile, headers(("etag" = String)))))]
pub(crate) async fn update_client_profile(
    Asked(op): Asked,
    if_match: IfMatch,
    Input(input): Input<UpdateClientProfile>,
) -> Answer<Response> {
    let profile = profiles::update_client(&if_match.at(&op), input).await?;
    Ok(versioned(profile.version, profile))
}

/// One's own profile as a worker.
#[utoipa::path(get, path = "/v1/me/worker-profile", tag = "me",
    responses((status = 200, description = "The profile", body = WorkerProfile, headers(("etag" = String)))))]
pub(crate) async fn get_worker_profile(Asked(op): Asked) -> Answer<Response> {
    let profile = profiles::worker(&op).await?;
    Ok(versioned(profile.version, profile))
}

/// Change one's own profile as a worker. A field that is left out stays, `null` takes away.
#[utoipa::path(patch, path = "/v1/me/worker-profile", tag = "me", request_body = UpdateWorkerProfile,
    params(("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The profile", body = WorkerProfile, headers(("etag" = String)))))]
pub(crate) async fn update_worker_profile(
    Asked(op): Asked,
    if_match: IfMatch,
    Input(input): Input<UpdateWorkerProfile>,
) -> Answer<Response> {
    let profile = profiles::update_worker(&if_match.at(&op), input).await?;
    Ok(versioned(profile.version, profile))
}

/// Put a picture in place of the one before: the file itself as the body, JPEG, PNG or WebP by its content, at most
/// 10 MiB. Only its pixels are kept.
#[utoipa::path(put, path = "/v1/me/picture", tag = "me",
    request_body(content = String, content_type = "application/octet-stream",
        description = "The file; another `Content-Type`, such as `image/jpeg`, will do too"),
    responses((status = 200, description = "The picture", body = Picture)))]
pub(crate) async fn set_picture(
    State(ctx): State<Ctx>,
    Caller(actor): Caller,
    request: Request,
) -> Answer<Json<Picture>> {
    // Checked first, so that 10 MiB are not read for nothing.
    actor.require_own(Permission::Trade)?;
    let came = body::received(request, &actor, MAX_FILE, &ctx).await?;
    let permit = kyc::submit_permit(&ctx.app.by(&actor)).await?;
    let picture = profiles::set_picture(&ctx.app.by(&actor), came.into_bytes().await?).await?;
    drop(permit);
    Ok(Json(picture))
}

/// Take one's own picture away.
#[utoipa::path(delete, path = "/v1/me/picture", tag = "me", responses((status = 204, description = "There is none any more")))]
pub(crate) async fn delete_picture(Asked(op): Asked) -> Answer<StatusCode> {
    profiles::remove_picture(&op).await?;
    Ok(DONE)
}

/// One's favourite workers, newest first.
#[utoipa::path(get, path = "/v1/me/favorites", tag = "me", params(PageRequest),
    responses((status = 200, description = "A page", body = Page<PublicWorker>)))]
pub(crate) async fn list_favorites(
    Asked(op): Asked,
    Params(page): Params<PageRequest>,
) -> Answer<Json<Page<PublicWorker>>> {
    Ok(Json(profiles::favorites(&op, &page).await?))
}

/// Make a worker a favourite.
#[utoipa::path(put, path = "/v1/me/favorites/{id}", tag = "me", params(("id" = UserId, Path, description = "The worker")),
    responses((status = 204, description = "They are one")))]
pub(crate) async fn add_favorite(Asked(op): Asked, Id(id): Id<UserId>) -> Answer<StatusCode> {
    profiles::favorite(&op, id, true).await?;
    Ok(DONE)
}

/// Make a worker no favourite any more.
#[utoipa::path(delete, path = "/v1/me/favorites/{id}", tag = "me",
    params(("id" = UserId, Path, description = "The worker")), responses((status = 204, description = "They are none")))]
pub(crate) async fn remove_favorite(Asked(op): Asked, Id(id): Id<UserId>) -> Answer<StatusCode> {
    profiles::favorite(&op, id, false).await?;
    Ok(DONE)
}

/// Whom one blocks.
#[utoipa::path(get, path = "/v1/me/blocks", tag = "me", params(PageRequest),
    responses((status = 200, description = "A page", body = Page<Blocked>)))]
pub(crate) async fn list_blocks(Asked(op): Asked, Params(page): Params<PageRequest>) -> Answer<Json<Page<Blocked>>> {
    Ok(Json(profiles::blocks(&op, &page).await?))
}

/// Block somebody: no new threads between the two, and messages only while a job of theirs is live.
#[utoipa::path(put, path = "/v1/me/blocks/{id}", tag = "me", params(("id" = UserId, Path)),
    responses((status = 204, description = "They are blocked")))]
pub(crate) async fn block_user(Asked(op): Asked, Id(id): Id<UserId>) -> Answer<StatusCode> {
    profiles::block(&op, id, true).await?;
    Ok(DONE)
}

/// Block somebody no more.
#[utoipa::path(delete, path = "/v1/me/blocks/{id}", tag = "me", params(("id" = UserId, Path)),
    responses((status = 204, description = "They are not blocked")))]
pub(crate) async fn unblock_user(Asked(op): Asked, Id(id): Id<UserId>) -> Answer<StatusCode> {
    profiles::block(&op, id, false).await?;
    Ok(DONE)
}

/// A worker, as everybody sees them: active, and their identity confirmed.
#[utoipa::path(get, path = "/v1/workers/{id}", tag = "market", security(()), params(("id" = UserId, Path)),
    responses((status = 200, description = "The worker", body = PublicWorker)))]
pub(crate) async fn get_worker(State(ctx): State<Ctx>, Id(id): Id<UserId>) -> Answer<Json<PublicWorker>> {
    Ok(Json(profiles::public_worker(&ctx.app, id).await?))
}

/// A client, as everybody sees them.
#[utoipa::path(get, path = "/v1/clients/{id}", tag = "market", security(()), params(("id" = UserId, Path)),
    responses((status = 200, description = "The client", body = PublicClient)))]
pub(crate) async fn get_client(State(ctx): State<Ctx>, Id(id): Id<UserId>) -> Answer<Json<PublicClient>> {
    Ok(Json(profiles::public_client(&ctx.app, id).await?))
}

/// The caller, if the request identifies one.
#[derive(Debug)]
pub(crate) struct Viewer(pub Option<Actor>);

impl FromRequestParts<Ctx> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        // A caller who cannot be identified sees what everybody sees.
        let caller = Caller::from_request_parts(parts, ctx).await.ok();
        Ok(Self(caller.map(|Caller(actor)| actor)))
    }
}

/// Which rendering.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PictureParams {
    /// `full` (1,024 pixels a side at most), or `thumb` (a square of 256 at most).
    #[param(inline)]
    size: Option<PictureSize>,
}

/// A profile picture: of somebody whom everybody sees, or one's own.
#[utoipa::path(get, path = "/v1/pictures/{id}", tag = "market", security((), ("bearer" = []), ("cookie" = [])), params(("id" = PictureId, Path), PictureParams),
    responses((status = 200, description = "The picture, which never changes", content_type = "image/jpeg",
        headers(("cache-control" = String)))))]
pub(crate) async fn get_picture(
    State(ctx): State<Ctx>,
    Id(id): Id<PictureId>,
    Params(PictureParams { size }): Params<PictureParams>,
    Viewer(viewer): Viewer,
) -> Answer<Response> {
    let size = size.unwrap_or(PictureSize::Full);
    let known = viewer.is_some();
    let file = profiles::picture(&ctx.app, viewer.as_ref(), id, size).await?;
    public_picture(file, known)
}
