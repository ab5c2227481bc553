//! The routes. A handler extracts, calls one operation of core, and wraps the answer; it decides nothing.
//!
//! To add a route: a handler with `#[utoipa::path]` in the file of its feature, its name in that file's `routes()`, and a
//! row in the table of `tests/http/access.rs` (the test fails until it is there).

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod docs;
pub(crate) mod jobs;
pub(crate) mod kyc;
pub(crate) mod me;
pub(crate) mod ops;
pub(crate) mod pages;
pub(crate) mod profiles;
pub(crate) mod reviews;
pub(crate) mod services;
pub(crate) mod sockets;
pub(crate) mod threads;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::ETAG},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A versioned resource: JSON with its `ETag`.
pub(crate) fn versioned(version: i64, value: impl Serialize) -> Response {
    let mut response = Json(value).into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Done, and there is nothing to say.
pub(crate) const DONE: StatusCode = StatusCode::NO_CONTENT;
/// Taken; what comes of it does not show here.
pub(crate) const TAKEN: StatusCode = StatusCode::ACCEPTED;
