//! What staff can do: core's `AdminApi` over HTTP, method by method. The wire format is the one that the command line's
//! remote client speaks.

mod audit;
mod events;
mod jobs;
mod kyc;
mod mail;
mod reviews;
mod sessions;
mod threads;
mod tokens;
mod users;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use marketplace_core::{
    admin::{AdminApi, Direct, Identity, Stats},
    base::change::Change,
    error::Result,
};
use serde::Deserialize;
use utoipa::ToSchema;
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
        .merge(jobs::routes())
        .merge(threads::routes())
        .merge(reviews::routes())
        .merge(audit::routes())
        .merge(tokens::routes())
        .merge(mail::routes())
        .merge(events::routes())
        .merge(sessions::routes())
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

/// The status of something that was made, or would have been.
fn made<T>(dry_run: bool) -> impl FnOnce(T) -> (StatusCode, T) {
    move |value| (if dry_run { StatusCode::OK } else { StatusCode::CREATED }, value)
}

/// A change that needs no reason.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PlainInput {
    /// What only staff see, at most 4,000 characters.
    note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    dry_run: bool,
}

impl PlainInput {
    fn change(self, if_version: Option<i64>) -> Change {
        Change { note: self.note, dry_run: self.dry_run, if_version, ..Change::default() }
    }
}

/// A change that needs a reason of its own kind.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonedInput<R> {
    /// Why, as a code.
    reason: R,
    /// What only staff see, at most 4,000 characters.
    #[serde(default)]
    note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default)]
    dry_run: bool,
}

impl<R> ReasonedInput<R> {
    fn split(self, if_version: Option<i64>) -> (R, Change) {
        (self.reason, Change { note: self.note, dry_run: self.dry_run, if_version, ..Change::default() })
    }
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
