//! The routes. A handler extracts, calls one operation of core, and wraps the result; it contains no rules.
//!
//! To add a route: a handler with `#[utoipa::path]` in the file of its feature (with `security(())` when it is to be
//! public, that is without an access token), its name in that file's `routes()`, and a row in the table of
//! `tests/http/access.rs` (the test fails until it is there). Its name begins with a verb, and is its `operationId` in camel
//! case.

pub(crate) mod auth;
pub(crate) mod docs;
pub(crate) mod jobs;
pub(crate) mod kyc;
pub(crate) mod me;
pub(crate) mod notifications;
pub(crate) mod oidc;
pub(crate) mod ops;
pub(crate) mod pages;
pub(crate) mod profiles;
pub(crate) mod reports;
pub(crate) mod reviews;
pub(crate) mod services;
pub(crate) mod sockets;
pub(crate) mod staff;
pub(crate) mod threads;

use axum::{
    Json,
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use marketplace_core::{
    accounts::model::Password,
    error::{Error, Result},
    export::Export,
    kyc::model::FileContent,
    messaging::AttachmentFile,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ctx::Ctx, problem::Answer, slot};

/// Nothing needs to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoInput {}

/// The present password, again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordInput {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    pub password: Password,
}

/// Returns a file to be shown inline under a name of ours: its owner's name for it is private.
pub(crate) fn shown_file(file: FileContent, name: &str) -> Answer<Response> {
    let ending = match file.media_type.as_str() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        _ => "bin",
    };
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(file.media_type).map_err(Error::internal)?);
    let disposition = format!("inline; filename=\"{name}.{ending}\"");
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Error::internal)?);
    Ok(response)
}

/// Returns a picture that everybody sees or, when the caller is `known`, that perhaps only they see.
pub(crate) fn public_picture(file: FileContent, known: bool) -> Answer<Response> {
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(file.media_type).map_err(Error::internal)?);
    // A changed picture has another id. Cached for a limited time, because a banned user's picture must disappear.
    let cache = if known {
        "private, max-age=3600, must-revalidate, immutable"
    } else {
        "public, max-age=3600, must-revalidate, immutable"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    Ok(response)
}

/// Returns a file of a message, to be shown inline, in whole or in parts. Its two readers may keep it for a while; a removed one
/// disappears from caches soon.
pub(crate) fn shown_attachment(file: AttachmentFile) -> Answer<Response> {
    let AttachmentFile { name, content } = file;
    let mut response = Response::new(Body::from(content.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(content.media_type).map_err(Error::internal)?);
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(inline(&name)).map_err(Error::internal)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600, must-revalidate"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

/// Returns a `Content-Disposition` with a name of any characters (RFC 6266, RFC 8187).
fn inline(name: &str) -> String {
    use std::fmt::Write as _;

    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let mut text = format!("inline; filename=\"{fallback}\"");
    if fallback != name {
        text.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                // Writing to a text does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// Returns a versioned resource: JSON with its `ETag`.
pub(crate) fn versioned(version: i64, value: impl Serialize) -> Response {
    let mut response = Json(value).into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Returns an archive to be saved, sent while it is created. When creating it fails, the connection is aborted, so that
/// nobody mistakes a part for the whole.
///
/// One address can occupy some of the concurrent exports, but never the last one.
pub(crate) async fn download(ctx: &Ctx, export: impl Future<Output = Result<Export>>) -> Answer<Response> {
    let place = slot::client().map(|client| ctx.places.exports.take(client, 1)).transpose()?;
    let export = export.await?;
    let disposition = format!("attachment; filename=\"{}\"", export.file_name);
    let body = export.body.inspect(move |_| {
        let _held = &place;
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Error::internal)?);
    Ok(response)
}

/// Success without a body.
pub(crate) const DONE: StatusCode = StatusCode::NO_CONTENT;
/// Accepted; the result is not visible in the response.
pub(crate) const TAKEN: StatusCode = StatusCode::ACCEPTED;

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn names_of_files_survive_the_header() {
        assert_eq!(inline("plan.pdf"), "inline; filename=\"plan.pdf\"");
        assert_eq!(
            inline("Küche \"neu\" 100%.jpg"),
            "inline; filename=\"K_che _neu_ 100_.jpg\"; filename*=UTF-8''K%C3%BCche%20%22neu%22%20100%25.jpg"
        );
    }
}
