//! One call over HTTP: built, sent, and its answer or error read.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use marketplace_core::{
    error::{Error, ErrorCode, FieldError, Result, SecondFactor},
    export::Export,
    kyc::model::FileContent,
};
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, DATE, HeaderMap, IF_MATCH, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::output::plain;

/// Upper limit of a response: a page of 200 rows, or a file of 10 MiB, is smaller. A larger one is not from our server.
const MAX_ANSWER: u64 = 32 * 1024 * 1024;

/// What is said of a response that no server of ours gives.
const NOT_OURS: &str = "the server's answer makes no sense: is this a marketplace server of this version?";

/// The time limit for a response that contains all data of a user.
const LONG: Duration = Duration::from_hours(6);

/// A request to a server.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<String>,
    body: Option<Value>,
    bytes: Option<bytes::Bytes>,
    headers: HeaderMap,
    if_version: Option<i64>,
    pub(super) anonymous: bool,
    long: bool,
}

impl Call {
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            bytes: None,
            headers: HeaderMap::new(),
            if_version: None,
            anonymous: false,
            long: false,
        }
    }
    /// Adds to the query string; values that cannot be serialized are left out.
    pub(super) fn query(mut self, query: &(impl Serialize + ?Sized)) -> Self {
        let part = serde_urlencoded(query);
        if !part.is_empty() {
            self.query.push(part);
        }
        self
    }
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
    /// Sends these bytes as the body.
    pub(super) fn bytes(mut self, bytes: bytes::Bytes) -> Self {
        self.bytes = Some(bytes);
        self
    }
    /// Sends these headers, in place of those that the call would have.
    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }
    pub(super) fn if_version(mut self, version: Option<i64>) -> Self {
        self.if_version = version;
        self
    }
    /// Lifts the time limit: the response may take long, as long as data keeps arriving.
    pub(super) fn long(mut self) -> Self {
        self.long = true;
        self
    }
    /// Sends the request without a token.
    pub(super) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// Encodes a flat object or a list of pairs as a query string; nulls are left out.
fn serde_urlencoded(query: &(impl Serialize + ?Sized)) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    let mut add = |key: &str, value: &Value| {
        if !value.is_null() {
            out.append_pair(key, &plain(value));
        }
    };
    match serde_json::to_value(query) {
        Ok(Value::Object(map)) => map.iter().for_each(|(key, value)| add(key, value)),
        Ok(Value::Array(pairs)) => {
            for pair in &pairs {
                if let Some([Value::String(key), value]) = pair.as_array().map(Vec::as_slice) {
                    add(key, value);
                }
            }
        }
        _ => {}
    }
    out.finish()
}

/// A successful response.
#[derive(Debug)]
pub(super) struct Answer(Response);

impl Answer {
    /// Parses the body as JSON.
    pub(super) async fn json<T: serde::de::DeserializeOwned>(self) -> Result<T> {
        let bytes = body(self.0).await?;
        serde_json::from_slice(&bytes).map_err(not_ours)
    }
    /// Returns nothing, as the response has nothing to say: it is empty, or JSON.
    pub(super) fn done(self) -> Result<()> {
        if self.0.status() == StatusCode::NO_CONTENT { Ok(()) } else { self.require(&["application/json"]) }
    }

    /// Returns the body, which must be of one of these media types.
    pub(super) async fn content_of(self, media_types: &[&str]) -> Result<FileContent> {
        self.require(media_types)?;
        self.content().await
    }

    /// Fails unless the response is of one of these media types: a page of another program is not to be taken for a file.
    fn require(&self, media_types: &[&str]) -> Result<()> {
        let found = self.0.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let found = found.split(';').next().unwrap_or("").trim();
        if media_types.iter().any(|one| one.eq_ignore_ascii_case(found)) {
            return Ok(());
        }
        Err(Error::unavailable(NOT_OURS, format!("a response of type `{found}`")))
    }

    /// Returns the body unchanged.
    pub(super) async fn content(self) -> Result<FileContent> {
        let media_type =
            self.0.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        Ok(FileContent { media_type, bytes: body(self.0).await? })
    }
    /// Returns the body as a stream.
    pub(super) fn export(self) -> Result<Export> {
        self.require(&["application/zip"])?;
        let name = self.0.headers().get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok()).unwrap_or("");
        let file_name = name.split('"').nth(1).unwrap_or("marketplace-data.zip").to_owned();
        let body = self.0.bytes_stream().map_err(|error| unreachable(&error)).boxed();
        Ok(Export { file_name, body })
    }
    /// Returns whether the response repeats that to an earlier request with the same key.
    pub(super) fn is_repeated(&self) -> bool {
        self.0.headers().get("idempotency-replayed").is_some_and(|value| value == "true")
    }
    /// Returns the `Date` of the response, in seconds since the epoch.
    pub(super) fn date(&self) -> Option<i64> {
        let text = self.0.headers().get(DATE)?.to_str().ok()?;
        let format = time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        time::PrimitiveDateTime::parse(text, format).ok().map(|at| at.assume_utc().unix_timestamp())
    }
}

fn not_ours(error: serde_json::Error) -> Error {
    Error::unavailable(NOT_OURS, error)
}

async fn body(mut response: Response) -> Result<bytes::Bytes> {
    let mut all = bytes::BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if (all.len() + chunk.len()) as u64 > MAX_ANSWER {
            return Err(Error::unavailable("the server's answer has no end", "answer too large"));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// Converts reqwest's error, without the path and query of the address, which may contain personal data.
fn unreachable(error: &reqwest::Error) -> Error {
    let mut cause = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        cause = error.to_string();
        source = error.source();
    }
    let place = error.url().map(|url| format!(" at {}", url.origin().ascii_serialization())).unwrap_or_default();
    let detail = if error.is_connect() {
        format!("the server{place} cannot be reached")
    } else if error.is_timeout() {
        format!("the server{place} did not answer in time")
    } else {
        format!("the connection to the server{place} broke")
    };
    if cause.is_empty() {
        cause = "no more is known".into();
    }
    Error::unavailable(detail, cause)
}

/// A server, and connections to it.
#[derive(Clone)]
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    pub(super) base: Url,
}

impl Http {
    /// Sends a call once, with a token if there is one.
    pub(super) async fn send(&self, call: &Call, token: Option<&str>) -> Result<Response> {
        let mut url = self.base.clone();
        let (path, own_query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let query = std::iter::once(own_query).filter(|own| !own.is_empty());
        let query = query.chain(call.query.iter().map(String::as_str)).collect::<Vec<_>>().join("&");
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));

        let mut request = self.client.request(call.method.clone(), url).header(ACCEPT, "application/json, */*;q=0.5");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(version) = call.if_version {
            request = request.header(IF_MATCH, format!("\"{version}\""));
        }
        if call.long {
            request = request.timeout(LONG);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(bytes) = &call.bytes {
            request = request.header(CONTENT_TYPE, "application/json").body(bytes.clone());
        }
        // Replaces those above, and keeps several of one name.
        request = request.headers(call.headers.clone());
        let begun = std::time::Instant::now();
        let answered = request.send().await;
        let took_ms = begun.elapsed().as_millis();
        // Without the query, which may hold personal data.
        if let Ok(answer) = &answered {
            let id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("-");
            tracing::info!(took_ms, id, "{} {path}: {}", call.method, answer.status().as_u16());
        } else {
            tracing::info!(took_ms, "{} {path}: no answer", call.method);
        }
        answered.map_err(|error| unreachable(&error))
    }
}

/// A problem document (RFC 9457), with our own members.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    request_id: Option<String>,
    errors: Vec<FieldError>,
    current: Option<Value>,
    second_factor: Option<String>,
}

/// A response as it came, of any status.
#[derive(Debug)]
pub struct RawAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub bytes: bytes::Bytes,
}

impl RawAnswer {
    pub(super) async fn read(response: Response) -> Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { status, headers, bytes: body(response).await? })
    }

    /// Returns the media type, without its parameters.
    pub fn media_type(&self) -> &str {
        let text = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        text.split(';').next().unwrap_or("").trim()
    }

    /// Returns the error that the response stands for, if it does.
    pub fn error(&self) -> Option<Error> {
        (!self.status.is_success()).then(|| refused(self.status, &self.headers, &self.bytes))
    }
}

pub(super) async fn read(response: Response) -> Result<Answer> {
    let status = response.status();
    if status.is_success() {
        return Ok(Answer(response));
    }
    let headers = response.headers().clone();
    let bytes = if status.is_redirection() { bytes::Bytes::new() } else { body(response).await.unwrap_or_default() };
    Err(refused(status, &headers, &bytes))
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    if status.is_redirection() {
        let to = headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or("elsewhere").to_owned();
        return Error::unavailable(format!("the server sends us to {to}; use that address"), "redirect");
    }
    rebuild(status, headers, body)
}

/// Rebuilds core's error from the response. What is not ours (a proxy's page, for example) is classified by its status.
fn rebuild(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let request_id = problem.request_id.or_else(|| text("x-request-id").map(str::to_owned));
    let code = match problem.code.parse::<ErrorCode>() {
        Ok(code) => code,
        // From a newer server of ours.
        Err(_) if !problem.code.is_empty() => by_status(status),
        Err(_) => return foreign(status, headers),
    };
    let detail = if problem.detail.is_empty() {
        format!("the server answered {} without saying more", status.as_u16())
    } else {
        problem.detail
    };
    let mut error =
        Error::new(code, detail).with_fields(problem.errors).with_current(problem.current).with_request_id(request_id);
    if let Some(what) = problem.second_factor.and_then(|what| what.parse::<SecondFactor>().ok()) {
        error = error.second_factor(what);
    }
    if let Some(seconds) = text(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok()) {
        error = error.retry_after(Duration::from_secs(seconds));
    }
    error
}

/// Returns the error for a response that is no problem document of ours: a proxy's page, or one of another program. It
/// says nothing about what was asked for, so that "not found" is not "no such user".
fn foreign(status: StatusCode, headers: &HeaderMap) -> Error {
    let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let error = match status.as_u16() {
        413 => Error::new(ErrorCode::TooLarge, "something before the server takes no request as large as this"),
        429 => Error::new(ErrorCode::RateLimited, "something before the server takes no more requests just now"),
        other => Error::unavailable(
            format!("what answered ({other}) is no marketplace server: is the address right, and the server running?"),
            "the response is no problem document of ours",
        ),
    };
    match wait {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

fn by_status(status: StatusCode) -> ErrorCode {
    match status.as_u16() {
        400 | 422 => ErrorCode::Invalid,
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        404 | 405 | 410 => ErrorCode::NotFound,
        409 => ErrorCode::Conflict,
        412 => ErrorCode::PreconditionFailed,
        413 => ErrorCode::TooLarge,
        415 => ErrorCode::UnsupportedMedia,
        429 => ErrorCode::RateLimited,
        502..=504 => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_back_as_they_left() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let body = br#"{"type":"about:blank","title":"Conflict","status":409,"code":"conflict","detail":"lea has it",
            "request_id":"r-1","errors":[{"pointer":"/fence","detail":"is old"}],"current":{"holder":"lea"}}"#;
        let error = rebuild(StatusCode::CONFLICT, &headers, body);
        assert_eq!(
            (error.code(), error.detail(), error.request_id()),
            (ErrorCode::Conflict, "lea has it", Some("r-1"))
        );
        assert_eq!(error.fields(), [FieldError { pointer: "/fence".into(), detail: "is old".into() }]);
        assert_eq!(error.current(), Some(&serde_json::json!({"holder": "lea"})));
        assert_eq!(error.retry_after_hint(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_page_of_another_program_says_nothing_about_what_was_asked() {
        for status in [400, 401, 403, 404, 405, 409, 412, 500, 502, 503] {
            for body in ["<html>nope</html>", "", r#"{"error":"not found"}"#, "[]", "null"] {
                let error = rebuild(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
                assert_eq!(error.code(), ErrorCode::Unavailable, "{status} {body}");
                assert!(error.detail().contains(&status.to_string()) && !error.detail().contains("html"));
            }
        }
        for (status, code) in [(413, ErrorCode::TooLarge), (429, ErrorCode::RateLimited)] {
            assert_eq!(rebuild(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), b"").code(), code);
        }
        let newer = rebuild(StatusCode::NOT_FOUND, &HeaderMap::new(), br#"{"code":"vanished","detail":"it is gone"}"#);
        assert_eq!((newer.code(), newer.detail()), (ErrorCode::NotFound, "it is gone"));
    }

    #[test]
    fn queries_leave_out_what_is_not_asked() {
        let filter = marketplace_core::accounts::summary::UserFilter {
            q: Some("ada & co".into()),
            reveal: true,
            ..Default::default()
        };
        assert_eq!(serde_urlencoded(&filter), "q=ada+%26+co&reveal=true");
        assert_eq!(serde_urlencoded(&[("after", None::<&str>)]), "");
        assert_eq!(serde_urlencoded(&[("from", 1), ("limit", 2)]), "from=1&limit=2");
    }
}
