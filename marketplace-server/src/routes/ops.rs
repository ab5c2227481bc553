//! For operators: liveness, readiness, metrics, and the public keys of access tokens.

use axum::{
    Json, Router,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use marketplace_core::{
    error::{Error, ErrorCode},
    health::Component,
    keys::Jwk,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ctx::Ctx, metrics::Core, problem::Answer};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(get_health)).routes(routes!(get_readiness)).routes(routes!(get_keys))
}

/// Returns the routes of the operators' listener; the counters are nowhere else.
pub(crate) fn for_operators() -> Router<Ctx> {
    Router::new().route("/healthz", get(get_health)).route("/readyz", get(get_readiness)).route(METRICS, get(metrics))
}

/// The path of the counters.
pub(crate) const METRICS: &str = "/metrics";

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `degraded` when something fails without which requests are served; anything else is a problem.
    #[schema(value_type = String)]
    status: &'static str,
    /// What fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    degraded: Vec<Component>,
}

impl Health {
    fn of(degraded: Vec<Component>) -> Json<Self> {
        Json(Self { status: if degraded.is_empty() { "ok" } else { "degraded" }, degraded })
    }
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "ops", security(()), responses((status = 200, description = "Alive", body = Health)))]
pub(crate) async fn get_health() -> Json<Health> {
    Health::of(Vec::new())
}

/// Whether requests can be served: the database answers, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "ops", security(()), responses((status = 200, description = "Ready", body = Health)))]
pub(crate) async fn get_readiness(State(ctx): State<Ctx>) -> Answer<Json<Health>> {
    if ctx.ending.begun.is_cancelled() {
        return Err(Error::new(ErrorCode::Unavailable, "the server is stopping").into());
    }
    Ok(Health::of(ctx.app.ready().await?))
}

/// Returns the counters, for Prometheus.
async fn metrics(State(ctx): State<Ctx>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], ctx.metrics.render(&Core::of(&ctx.app)))
        .into_response()
}

/// The public halves of the keys that sign access tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct Jwks {
    /// By age; the last one signs.
    keys: Vec<Jwk>,
}

/// The keys that verify access tokens (RFC 7517). A valid signature is not all: the session may have ended since, so ask
/// `GET /v1/me` where that matters.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "ops", security(()),
    responses((status = 200, description = "Public keys", body = Jwks)))]
pub(crate) async fn get_keys(State(ctx): State<Ctx>) -> Response {
    // Short: after a rotation, verifiers must get the new key before they see many tokens signed with it.
    ([(CACHE_CONTROL, "public, max-age=60, must-revalidate")], Json(Jwks { keys: ctx.app.keys.public() }))
        .into_response()
}
