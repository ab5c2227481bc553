//! All routes, with their middleware.

use std::convert::Infallible;

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method,
        header::{
            ACCEPT_RANGES, AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
            IF_NONE_MATCH, IF_RANGE, LOCATION, ORIGIN, RANGE, RETRY_AFTER, VARY,
        },
        request::Parts,
    },
    middleware::Next,
    response::Response,
};
use marketplace_core::{
    app::App,
    config::origins,
    error::{Error, Result},
};
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    cookies::{X_CSRF_TOKEN, X_SESSION_MODE},
    ctx::{Ctx, Ending},
    limits::ByAddress,
    metrics::Metrics,
    middleware::{MiddlewareLayer, X_REQUEST_ID},
    openapi,
    options::Options,
    problem::Problem,
    routes,
};

/// Returns the whole server as a service, for an accept loop or for a test.
pub fn router(app: App) -> Result<Router> {
    let options = Options::from(&*app.config);
    with_options(app, options, Ending::default()).map(|(router, _)| router)
}

/// Returns the description that `/openapi.json` serves.
#[must_use]
pub fn description() -> utoipa::openapi::OpenApi {
    api().1
}

fn api() -> (Router<Ctx>, utoipa::openapi::OpenApi) {
    let (router, mut description) = OpenApiRouter::with_openapi(openapi::Base::openapi())
        .merge(routes::auth::routes())
        .merge(routes::oidc::routes())
        .merge(routes::me::routes())
        .merge(routes::kyc::routes())
        .merge(routes::threads::routes())
        .merge(routes::sockets::routes())
        .merge(routes::jobs::routes())
        .merge(routes::notifications::routes())
        .merge(routes::reviews::routes())
        .merge(routes::reports::routes())
        .merge(routes::profiles::routes())
        .merge(routes::services::routes())
        .merge(routes::staff::routes())
        .merge(routes::ops::routes())
        .split_for_parts();
    openapi::complete(&mut description);
    (router, description)
}

pub(crate) fn with_options(app: App, options: Options, ending: Ending) -> Result<(Router, Ctx)> {
    let (api, description) = api();
    let paths = description.paths.paths.keys().cloned();
    let others = routes::docs::PATHS.into_iter().chain(routes::pages::PATHS).chain([routes::ops::METRICS]);
    let metrics = Metrics::new(paths.chain(others.map(str::to_owned)), app.now());
    let cors = cors(&app.config.cors_origins, app.config.cookies)?;
    let ctx = Ctx::new(app, options, ByAddress::new(&description), metrics, ending);
    let mut router = api
        .merge(routes::docs::routes(&description)?)
        .merge(routes::pages::routes())
        .fallback(async || Problem::from(Error::not_found("path")))
        .method_not_allowed_fallback(async || Problem::method_not_allowed());
    // Inside, so that the middleware also sees what browsers ask in advance.
    if let Some(cors) = &cors {
        router = router.layer(cors.clone());
    }
    router = router.layer(MiddlewareLayer::new(ctx.clone()));
    if let Some(cors) = cors {
        router = router.layer(axum::middleware::from_fn_with_state(cors, permit_refusals));
    }
    Ok((router.with_state(ctx.clone()), ctx))
}

/// Returns the routes for the server's operators.
pub(crate) fn for_operators(ctx: &Ctx) -> Router {
    routes::ops::for_operators()
        .fallback(async || Problem::from(Error::not_found("path")))
        .layer(MiddlewareLayer::new(ctx.clone()))
        .with_state(ctx.clone())
}

/// Lets pages read the answers that the middleware gives itself, such as those to too many requests.
async fn permit_refusals(State(cors): State<CorsLayer>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let response = next.run(request).await;
    let has_passed = response.headers().get_all(VARY).iter().any(|names| names.as_bytes().starts_with(b"origin"));
    let Some(origin) = origin.filter(|_| !has_passed) else { return response };
    let mut asked = axum::http::Request::new(());
    asked.headers_mut().insert(ORIGIN, origin);
    let mut response = Some(response);
    let given =
        tower::service_fn(move |_| std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let Ok(response) = cors.layer(given).oneshot(asked).await;
    response
}

/// Permits browsers on pages of these origins to call the API; with credentials only where sessions may be in cookies.
fn cors(origins: &[String], cookies: bool) -> Result<Option<CorsLayer>> {
    if origins.is_empty() {
        return Ok(None);
    }
    if let Some(odd) = origins.iter().find(|origin| !origins::is_valid(origin)) {
        return Err(Error::invalid("/cors_origins", format!("`{odd}` is no origin")));
    }
    let ours = origins.to_vec();
    let is_ours = move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| ours.iter().any(|entry| origins::covers(entry, origin)))
    };
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_ours))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            IF_RANGE,
            RANGE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            X_CSRF_TOKEN.clone(),
            X_REQUEST_ID.clone(),
            X_SESSION_MODE.clone(),
        ])
        .allow_credentials(cookies)
        .expose_headers([
            ACCEPT_RANGES,
            CONTENT_DISPOSITION,
            CONTENT_RANGE,
            ETAG,
            LOCATION,
            RETRY_AFTER,
            HeaderName::from_static("idempotency-replayed"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            X_REQUEST_ID.clone(),
        ])
        .max_age(std::time::Duration::from_mins(10));
    Ok(Some(layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked() {
        assert!(cors(&[], true).unwrap().is_none());
        assert!(cors(&["https://app.example.org".into(), "http://localhost:5173".into()], true).unwrap().is_some());
        for bad in ["*", "app.example.org", "https://app.example.org/", "https://app.example.org/x", "null"] {
            assert!(cors(&[bad.into()], false).is_err(), "{bad}");
        }
    }
}
