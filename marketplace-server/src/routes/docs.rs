//! The OpenAPI description, and an interactive reference that needs no external resources.

use axum::{Router, body::Bytes, http::header::CONTENT_TYPE, routing::get};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::ctx::Ctx;

/// Paths that are served here and are not part of the description.
pub(crate) const PATHS: [&str; 4] = ["/openapi.json", "/docs", "/docs/", "/docs/{*rest}"];

/// Returns the routes `/openapi.json`, serialized once, and `/docs`.
pub(crate) fn routes(description: &OpenApi) -> marketplace_core::error::Result<Router<Ctx>> {
    let json = Bytes::from(serde_json::to_vec(description).map_err(marketplace_core::error::Error::internal)?);
    let page = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]).try_it_out_enabled(true));
    Ok(Router::new()
        .route("/openapi.json", get(async move || ([(CONTENT_TYPE, "application/json")], json.clone())))
        .merge(page))
}
