//! The log of events, in pages or as a stream.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, header::ACCEPT},
    response::{IntoResponse, Response},
};
use marketplace_core::{
    admin::{AdminApi, Direct},
    base::permission::Permission,
    error::{Error, ErrorCode},
    events::EventPage,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    cookies::credential,
    ctx::Ctx,
    extract::{Caller, Params},
    live,
    problem::{Answer, Problem},
};

/// This feature's routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct After {
    /// The `cursor` of the page before. Without one: no events, and the newest cursor.
    after: Option<String>,
    /// Events at most, 1 to 200. A stream takes no notice of it.
    #[param(minimum = 1, maximum = 200, default = 100)]
    limit: u16,
}

impl Default for After {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

/// What changed, oldest first; with `Accept: text/event-stream`, as a stream that goes on.
///
/// A stream begins after `Last-Event-ID`, else after `after`, else now. It ends when the caller is no longer signed in.
#[utoipa::path(get, path = "/v1/admin/events", tag = "admin",
    params(After, ("last-event-id" = Option<String>, Header, description = "Cursor to resume a stream from")),
    responses((status = 200, description = "A page, or a stream of server-sent events", content(
        (EventPage = "application/json"), (String = "text/event-stream")))))]
pub(crate) async fn events(
    State(ctx): State<Ctx>,
    Caller(actor): Caller,
    Params(start): Params<After>,
    headers: HeaderMap,
) -> Answer<Response> {
    let wants_stream = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/event-stream"));
    if !wants_stream {
        let admin = Direct::new(ctx.app.clone(), actor);
        return Ok(Json(admin.events(start.after.as_deref(), start.limit).await?).into_response());
    }
    actor.require(Permission::StatsRead)?;
    let resume = match headers.get("last-event-id") {
        Some(value) => Some(value.to_str().map_err(|_| not_a_cursor())?.to_owned()),
        None => start.after,
    };
    let token = credential(&ctx.app, &Method::GET, &headers)?.to_owned();
    live::stream(ctx, actor, token, resume).await
}

fn not_a_cursor() -> Problem {
    Problem::malformed(Error::new(ErrorCode::Invalid, "Last-Event-ID is not a cursor that was given out"))
}
