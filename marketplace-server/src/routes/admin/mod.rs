//! What staff can do: core's `AdminApi` over HTTP, method by method. The wire format is the one that the command line's
//! remote client speaks.

mod audit;
mod events;
mod kyc;
mod users;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use marketplace_core::{
    admin::{AdminApi, Change, Direct, Identity, Stats},
    error::Result,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ctx::Ctx,
    extract::Caller,
    problem::{Answer, Problem},
};

/// Every admin route.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(whoami))
        .routes(routes!(stats))
        .merge(kyc::routes())
        .merge(users::routes())
        .merge(audit::routes())
        .merge(events::routes())
}

/// The operations, as the caller may use them.
#[derive(Debug)]
pub(crate) struct Admin(pub Direct);

impl FromRequestParts<Ctx> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let Caller(actor) = Caller::from_request_parts(parts, ctx).await?;
        Ok(Self(Direct::new(ctx.app.clone(), actor)))
    }
}

/// A change together with the version from `If-Match`.
fn at_version(change: Change, if_version: Option<i64>) -> Change {
    Change { if_version, ..change }
}

fn ok<T>(value: T) -> (StatusCode, T) {
    (StatusCode::OK, value)
}

/// As whom you are calling, and what you may do.
#[utoipa::path(get, path = "/v1/admin/whoami", tag = "admin",
    responses((status = 200, description = "You", body = Identity)))]
pub(crate) async fn whoami(Admin(admin): Admin) -> Answer<Json<Identity>> {
    Ok(Json(admin.whoami().await?))
}

/// The dashboard's numbers.
#[utoipa::path(get, path = "/v1/admin/stats", tag = "admin",
    responses((status = 200, description = "Counts, up to 10,000 each", body = Stats)))]
pub(crate) async fn stats(Admin(admin): Admin) -> Answer<Json<Stats>> {
    Ok(Json(admin.stats().await?))
}
