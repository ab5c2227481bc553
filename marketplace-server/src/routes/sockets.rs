//! Opening a WebSocket; see `live` for its protocol.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue,
        header::{AUTHORIZATION, HOST, ORIGIN},
    },
    response::{IntoResponse, Response},
};
use marketplace_core::{
    actor::Actor,
    auth::{self, SocketTicket},
    base::{permission::Permission, rate::Class},
    config::Config,
    error::Error,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    connection::Exchange,
    ctx::Ctx,
    extract::{Asked, Params, address_of, bearer},
    live::{self, Handshake},
    problem::{Answer, Problem},
};

/// Returns this feature's routes.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(create_socket_ticket)).routes(routes!(open_socket))
}

/// A one-use ticket for a socket, good for 30 seconds: browsers cannot send the `Authorization` header with one.
#[utoipa::path(post, path = "/v1/ws/ticket", tag = "threads",
    responses((status = 200, description = "The ticket", body = SocketTicket)))]
pub(crate) async fn create_socket_ticket(Asked(op): Asked) -> Answer<Json<SocketTicket>> {
    Ok(Json(auth::issue_ticket(&op).await?))
}

/// How a socket is opened.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    /// A ticket of `POST /v1/ws/ticket`, for callers without an `Authorization` header.
    ticket: Option<String>,
}

/// All that happens in one's threads, live, and sending and reading in them, over one WebSocket (RFC 6455).
///
/// Frames are JSON objects with a `type`. The client begins with `hello {cursor}`: with the last `cursor` that it was told it
/// gets each missed event once, in order; without one, what happens from now on.
///
/// | client says | |
/// |---|---|
/// | `hello {cursor?}` | once, first |
/// | `send {thread_id, client_msg_id, content, attachments?}` | answered by `ack` or `error` |
/// | `read {thread_id, seq}` | moves the read pointer |
/// | `typing {thread_id}` | told to the other one, at most once a second; not stored |
/// | `ping {}` | answered by `pong` |
///
/// | server says | |
/// |---|---|
/// | `ready {cursor}` | after `hello`; what was missed follows |
/// | `resync_required {cursor}` | the cursor is unknown or older than 7 days: load anew what is shown; `ready` follows |
/// | `message {message, cursor}` | new, or removed: then `removed` is true and it says nothing any more |
/// | `read {thread_id, user_id, seq, cursor}` | one of the two has read so far |
/// | `thread {thread, cursor}` | opened, closed or reopened |
/// | `job {job, cursor}` | begun or moved |
/// | `notification {notification, unread, cursor}` | something that concerns this person, and how much of it is unread |
/// | `typing {thread_id, user_id}` | the other one is writing |
/// | `ack {thread_id, client_msg_id, seq, message_id}` | a message is stored |
/// | `error {code, detail, thread_id?, client_msg_id?, errors?, current?}` | a frame came to nothing |
/// | `pong {cursor?}` | with how far this socket was told |
///
/// Frames are text of at most 65,536 bytes. Every 30 seconds the server pings; a client that is silent for twice as long is
/// gone. Each frame counts as a change does over HTTP: one too many is answered by `error` (`rate_limited`), and a hundred such
/// end the socket. Closing codes: 1001 the server stops, 1003 bytes instead of text, 1008 not the protocol (no `hello` within 30
/// seconds, or far too many frames), 1002 not WebSocket, 1007 text that is not UTF-8, 1009 too large, 1013 too slow or the database is
/// away (resume by cursor), 4401 the login has ended.
#[utoipa::path(get, path = "/v1/ws", tag = "threads", security(("bearer" = []), ("ticket" = [])), params(Opening),
    responses(
        (status = 101, description = "The connection is a WebSocket from here on"),
        (status = 426, description = "This is no request for a WebSocket of version 13"),
        (status = 429, description = "The caller has too many sockets")))]
pub(crate) async fn open_socket(
    State(ctx): State<Ctx>,
    Params(opening): Params<Opening>,
    request: Request,
) -> Answer<Response> {
    let (mut parts, _) = request.into_parts();
    // Before anything is asked of the caller: whoever comes by mistake is told what this is, and keeps their ticket.
    let handshake = match Handshake::of(&mut parts) {
        Ok(handshake) => handshake,
        Err(none) => return Ok(none.into_response()),
    };
    check_origin(&parts.headers, &ctx.app.config)?;
    // Anybody can try to guess tickets.
    if opening.ticket.is_some() {
        ctx.app.admit_address(Class::Public, address_of(&parts.extensions, &parts.headers, &ctx)).await?;
    }
    let actor = caller(&ctx, &parts.headers, opening.ticket.as_deref()).await?;
    ctx.app.admit(Class::Read, &actor).await?;
    actor.require_own(Permission::Trade)?;
    let exchange = parts.extensions.get::<Arc<Exchange>>();
    let in_use = exchange.map(|exchange| exchange.work()).ok_or_else(|| Error::internal("no connection"))?;
    Ok(live::serve(ctx, actor, handshake, in_use).await?)
}

/// Returns the caller that the header identifies, otherwise the owner of the ticket.
async fn caller(ctx: &Ctx, headers: &HeaderMap, ticket: Option<&str>) -> Answer<Actor> {
    match ticket {
        Some(ticket) if !headers.contains_key(AUTHORIZATION) => Ok(auth::redeem_ticket(&ctx.app, ticket).await?),
        _ => Ok(auth::authenticate(&ctx.app, bearer(headers)?).await?),
    }
}

/// Checks the page that opens a socket. Browsers state it, and permit every page to open one: only our own may.
///
/// With a token in a header it is no page of a browser's, and may name the address that it connects to, as libraries do.
fn check_origin(headers: &HeaderMap, config: &Config) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let is_ours = |origin: &str| {
        // The server may not know whether a proxy in front of it speaks TLS.
        let address = ["https://", "http://"].iter().find_map(|scheme| origin.strip_prefix(scheme)).map(str::as_bytes);
        let named = headers.contains_key(AUTHORIZATION) && address == headers.get(HOST).map(HeaderValue::as_bytes);
        named || config.is_own_origin(origin)
    };
    if origin.to_str().is_ok_and(is_ours) {
        Ok(())
    } else {
        Err(Error::forbidden("pages of this origin open no sockets here").into())
    }
}
