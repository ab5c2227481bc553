//! For whoever runs the server: is it alive, is it ready, what does it do.

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use marketplace_core::error::{Error, ErrorCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ctx::Ctx, problem::Answer};

/// This feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`; anything else is a problem.
    #[schema(value_type = String)]
    status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "ops", responses((status = 200, description = "Alive", body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    OK
}

/// Whether requests can be served: the database answers, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "ops", responses((status = 200, description = "Ready", body = Health)))]
pub(crate) async fn readyz(State(ctx): State<Ctx>) -> Answer<Json<Health>> {
    if ctx.shutdown.is_cancelled() {
        return Err(Error::new(ErrorCode::Unavailable, "the server is stopping").into());
    }
    ctx.app.ready().await?;
    Ok(OK)
}

/// Counters, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "ops",
    responses((status = 200, description = "Text exposition format 0.0.4", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(ctx): State<Ctx>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], ctx.metrics.render()).into_response()
}
