//! The only place where an [`Error`] becomes HTTP: `application/problem+json` (RFC 9457), with the status of its code.
//!
//! A handler returns `Err(Problem)`. [`crate::middleware`], which knows the request id, writes the body and logs the internal
//! details.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use marketplace_core::{
    base::rate::Allowance,
    error::{Error, ErrorCode, FieldError, SecondFactor},
    limiter::Full,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limit_headers;

/// An error that becomes a response.
#[derive(Debug)]
pub(crate) struct Problem {
    error: Error,
    status: StatusCode,
}

/// The result of every handler.
pub(crate) type Answer<T> = Result<T, Problem>;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status_of(error.code());
        Self { error, status }
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        Error::from(full).into()
    }
}

impl Problem {
    /// Creates a problem with another status than its code's.
    pub fn with_status(status: StatusCode, error: Error) -> Self {
        Self { error, status }
    }
    /// Creates a problem for text that cannot be parsed, before any rule is checked: 400 instead of 422.
    pub fn malformed(error: Error) -> Self {
        Self::with_status(StatusCode::BAD_REQUEST, error)
    }
    /// Creates the problem for a method that the path does not have.
    pub fn method_not_allowed() -> Self {
        Self {
            error: Error::new(
                ErrorCode::Invalid,
                "this path does not take that method; the header Allow lists those it does",
            ),
            status: StatusCode::METHOD_NOT_ALLOWED,
        }
    }
    /// Creates the problem for an error status without a text of ours.
    pub fn bare(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::UNAUTHORIZED => ErrorCode::Unauthenticated,
            StatusCode::FORBIDDEN => ErrorCode::Forbidden,
            StatusCode::NOT_FOUND => return Self { error: Error::not_found("path"), status },
            StatusCode::CONFLICT => ErrorCode::Conflict,
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMedia,
            status if status.is_client_error() => ErrorCode::Invalid,
            _ => return Self { error: Error::internal(format!("a bare status {status}")), status },
        };
        Self { error: Error::new(code, status.canonical_reason().unwrap_or("refused").to_lowercase()), status }
    }
    /// Returns the error itself.
    pub fn error(&self) -> &Error {
        &self.error
    }
    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }
    /// Returns the document to be written; `request_id` is filled in where it is known.
    pub fn document(&self) -> Document {
        let error = &self.error;
        Document {
            kind: "about:blank".into(),
            title: title_of(error.code()).into(),
            status: self.status.as_u16(),
            code: error.code(),
            detail: error.detail().into(),
            request_id: None,
            errors: error.fields().to_vec(),
            current: error.current().cloned(),
            second_factor: error.second_factor_hint(),
        }
    }
}

/// Returns the HTTP status of an error code.
pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::Busy | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Invalid => "Invalid input",
        ErrorCode::Unauthenticated => "Not signed in",
        ErrorCode::Forbidden => "Not allowed",
        ErrorCode::NotFound => "Not found",
        ErrorCode::Conflict => "Conflict",
        ErrorCode::PreconditionFailed => "Changed meanwhile",
        ErrorCode::RateLimited => "Too many requests",
        ErrorCode::TooLarge => "Too large",
        ErrorCode::UnsupportedMedia => "Unsupported type of content",
        ErrorCode::Busy => "Busy",
        ErrorCode::Unavailable => "Unavailable",
        ErrorCode::Internal => "Internal error",
    }
}

/// A problem as it crosses the wire.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// Always `about:blank`: `code` says what kind of problem this is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code, for people.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// The stable name of the kind of error.
    pub code: ErrorCode,
    /// What went wrong and what to do.
    pub detail: String,
    /// The id under which the server's log has this request.
    pub request_id: Option<String>,
    /// The fields that break rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// On a conflict, the state that the thing is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<serde_json::Value>,
    /// At a login, what is wrong about the second factor; told only to whoever knows the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub second_factor: Option<SecondFactor>,
}

/// A problem that is attached to a response without a body until the middleware writes it.
#[derive(Clone)]
pub(crate) struct PendingProblem {
    document: Document,
    retry_after: Option<u64>,
    /// The limit that was reached.
    allowance: Option<Allowance>,
    /// The internal cause, for the log.
    pub inside: Option<Arc<str>>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        PendingProblem {
            document: self.document(),
            retry_after: self.error.retry_after_hint().map(|after| after.as_secs().max(1)),
            allowance: self.error.allowance(),
            inside: self.error.internal_text().map(Into::into),
        }
        .into_response()
    }
}

impl From<Document> for PendingProblem {
    /// Converts a stored problem for repetition under the new request's id.
    fn from(document: Document) -> Self {
        Self { document, retry_after: None, allowance: None, inside: None }
    }
}

impl IntoResponse for PendingProblem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(self.document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

impl PendingProblem {
    /// Writes the body and the headers that belong to it.
    pub fn write(mut self, response: &mut Response, request_id: &HeaderValue) {
        self.document.request_id = request_id.to_str().ok().map(str::to_owned);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.document.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            match self.allowance {
                Some(allowance) => limit_headers::tell(headers, allowance),
                None if self.document.code == ErrorCode::RateLimited => limit_headers::tell_to_wait(headers, seconds),
                None => {}
            }
        }
        // A document of strings, numbers and JSON values always serialises.
        let body = serde_json::to_vec(&self.document).unwrap_or_default();
        *response.body_mut() = Body::from(body);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_code_has_a_status_of_its_kind() {
        for code in ErrorCode::ALL {
            let status = status_of(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert_eq!(
                status.is_server_error(),
                matches!(code, ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Internal)
            );
        }
    }

    #[test]
    fn what_is_written_says_nothing_of_the_inside() {
        let mut response = Problem::from(Error::internal("the table users is on fire")).into_response();
        let unwritten = response.extensions_mut().remove::<PendingProblem>().unwrap();
        assert_eq!(unwritten.inside.as_deref(), Some("the table users is on fire"));
        let text = serde_json::to_string(&unwritten.document).unwrap();
        assert!(!text.contains("fire"), "{text}");
    }

    #[test]
    fn waiting_is_told_in_seconds() {
        let mut response = Problem::from(Error::rate_limited(Duration::from_secs(30))).into_response();
        let unwritten = response.extensions_mut().remove::<PendingProblem>().unwrap();
        unwritten.write(&mut response, &HeaderValue::from_static("id"));
        assert_eq!(response.headers()[RETRY_AFTER], "30");
        assert_eq!(response.headers()["ratelimit"], "\"penalty\";r=0;t=30");
    }
}
