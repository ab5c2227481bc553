//! The caller's own account.

use axum::{extract::State, http::StatusCode, response::Response};
use marketplace_core::{
    export,
    users::{Me, UpdateMe},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{DONE, PasswordInput, download, versioned};
use crate::{
    ctx::Ctx,
    extract::{Asked, IfMatch, Input},
    problem::Answer,
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(get_me, update_me, delete_me)).routes(routes!(export_me))
}

/// One's own account.
#[utoipa::path(get, path = "/v1/me", tag = "me",
    responses((status = 200, description = "The account", body = Me, headers(("etag" = String)))))]
pub(crate) async fn get_me(Asked(op): Asked) -> Answer<Response> {
    let me = marketplace_core::users::me(&op)?;
    Ok(versioned(me.version, me))
}

/// Change name or number. A field that is left out stays; `phone: null` takes the number away.
#[utoipa::path(patch, path = "/v1/me", tag = "me", request_body = UpdateMe,
    params(("if-match" = Option<String>, Header, description = "ETag of the version that the change is meant for")),
    responses((status = 200, description = "The account", body = Me, headers(("etag" = String))),
        (status = 409, description = "The number is somebody else's")))]
pub(crate) async fn update_me(Asked(op): Asked, if_match: IfMatch, Input(input): Input<UpdateMe>) -> Answer<Response> {
    let me = marketplace_core::users::update_me(&if_match.at(&op), input).await?;
    Ok(versioned(me.version, me))
}

/// Delete the account for good: personal data and files go.
#[utoipa::path(delete, path = "/v1/me", tag = "me", request_body = PasswordInput,
    responses((status = 204, description = "Deleted"),
        (status = 409, description = "A job of one's own is under way")))]
pub(crate) async fn delete_me(Asked(op): Asked, Input(input): Input<PasswordInput>) -> Answer<StatusCode> {
    marketplace_core::users::delete_me(&op, &input.password).await?;
    Ok(DONE)
}

/// Everything that is stored of you: a ZIP archive with a JSON file for each subject, and your own files.
#[utoipa::path(get, path = "/v1/me/export", tag = "me",
    responses((status = 200, description = "The archive", content_type = "application/zip")))]
pub(crate) async fn export_me(State(ctx): State<Ctx>, Asked(op): Asked) -> Answer<Response> {
    download(&ctx, export::own(&op)).await
}
