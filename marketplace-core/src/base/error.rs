//! The error type of every operation. Its [`ErrorCode`] is stable and crosses the wire and back; its public text says
//! what went wrong and what to do; the internal cause is kept apart, for the log only.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::base::{rate::Allowance, text_enum::text_enum};

/// The result of every operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

text_enum! {
    /// The stable name of a kind of error.
    pub enum ErrorCode {
        /// The input breaks a rule; `errors` says which field and how.
        Invalid = "invalid",
        /// No credential, or one that is not or no longer valid.
        Unauthenticated = "unauthenticated",
        /// The caller is known and may not do this.
        Forbidden = "forbidden",
        /// There is no such thing, or none that the caller may know of.
        NotFound = "not_found",
        /// Somebody else was first, or the thing is in another state; `current` says which.
        Conflict = "conflict",
        /// `If-Match` named another version.
        PreconditionFailed = "precondition_failed",
        /// Too many requests; `retry_after` says when to come back.
        RateLimited = "rate_limited",
        /// The body or a file is larger than allowed.
        TooLarge = "too_large",
        /// The content is of a type that is not taken here.
        UnsupportedMedia = "unsupported_media",
        /// Too much work at once; the same call may go through shortly.
        Busy = "busy",
        /// Something that is needed cannot be reached.
        Unavailable = "unavailable",
        /// A fault of ours; the log has it under the request id.
        Internal = "internal",
    }
}

impl ErrorCode {
    /// Whether the same call may succeed later without anything being changed in it.
    pub fn retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Busy | Self::Unavailable)
    }
}

text_enum! {
    /// What is wrong about the second factor of a login.
    pub enum SecondFactor {
        /// The password was right, and a code is needed as well.
        Required = "required",
        /// The code is wrong, was used before, or is too old.
        Wrong = "wrong",
        /// Staff need one: until it is enrolled, the login is good for nothing else.
        Enrol = "enrol",
    }
}

/// One field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the input.
    pub pointer: String,
    /// What is wrong with it, and what is allowed.
    pub detail: String,
}

impl FieldError {
    /// Creates the error of one field, with `pointer` as in RFC 6901 (`/email`).
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// What went wrong: a code and a text for the caller, and apart from them the cause for the log.
pub struct Error(Box<Inner>);

struct Inner {
    code: ErrorCode,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    current: Option<serde_json::Value>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    allowance: Option<Allowance>,
    second_factor: Option<SecondFactor>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error of any code with its public text; the constructors below are more specific.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            current: None,
            retry_after: None,
            request_id: None,
            allowance: None,
            second_factor: None,
            source: None,
        }))
    }
    /// Creates an `invalid` error of one field that breaks a rule, with `pointer` as in RFC 6901 (`/email`).
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        FieldError::new(pointer, detail).into()
    }
    /// Creates an `invalid` error of several fields that break rules.
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let detail = fields
            .iter()
            .map(|field| format!("{} {}", field.pointer.trim_start_matches('/').replace('/', "."), field.detail))
            .collect::<Vec<_>>()
            .join("; ");
        let mut error = Self::new(ErrorCode::Invalid, detail);
        error.0.fields = fields;
        error
    }
    /// Creates an error for a call without a valid credential.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Unauthenticated, detail)
    }
    /// Creates an error for a caller who is known and may not do this.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Forbidden, detail)
    }
    /// Creates an error that says that there is no such `what`, or none that the caller may know of.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("no such {what}"))
    }
    /// Creates an error for a subject in another state than the operation needs; `current` is that state.
    pub fn conflict(detail: impl Into<Cow<'static, str>>, current: impl Serialize) -> Self {
        let mut error = Self::new(ErrorCode::Conflict, detail);
        error.0.current = serde_json::to_value(current).ok().filter(|value| !value.is_null());
        error
    }
    /// Creates an error for a resource at another version than `If-Match` named.
    pub fn stale(current_version: i64) -> Self {
        let mut error = Self::new(
            ErrorCode::PreconditionFailed,
            format!("it was changed meanwhile and is at version {current_version}; load it again"),
        );
        error.0.current = Some(serde_json::json!({ "version": current_version }));
        error
    }
    /// Creates an error for too many calls; the wait is rounded up to whole seconds.
    pub fn rate_limited(retry_after: Duration) -> Self {
        let wait = Duration::from_secs(
            retry_after.as_secs().max(1) + u64::from(retry_after.subsec_nanos() > 0 && retry_after.as_secs() > 0),
        );
        Self::new(ErrorCode::RateLimited, format!("too many tries; wait {} s", wait.as_secs())).retry_after(wait)
    }
    /// Creates an error for content larger than `limit` bytes.
    pub fn too_large(what: &str, limit: u64) -> Self {
        Self::new(ErrorCode::TooLarge, format!("{what} is larger than {limit} bytes"))
    }
    /// Creates an error for too much work at once, to be tried again after one second.
    pub fn busy(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Busy, detail).retry_after(Duration::from_secs(1))
    }
    /// Creates an error for a dependency that cannot be reached. `source` is for the log.
    pub fn unavailable(
        detail: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let mut error = Self::new(ErrorCode::Unavailable, detail).retry_after(Duration::from_secs(1));
        error.0.source = Some(source.into());
        error
    }
    /// Creates an error for a fault of ours. `source` is for the log; the caller does not see it.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(ErrorCode::Internal, "something went wrong on our side; it is in the log");
        error.0.source = Some(source.into());
        error
    }

    /// Returns the error with its internal cause, for the log.
    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns the error with the time after which the call may be repeated.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }
    /// Returns the error with the state that the subject is in.
    #[must_use]
    pub fn with_current(mut self, current: Option<serde_json::Value>) -> Self {
        self.0.current = current;
        self
    }
    /// Returns the error with the fields that break rules.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.0.fields = fields;
        self
    }
    /// Returns the error with the id under which a server logged the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<String>) -> Self {
        self.0.request_id = id;
        self
    }

    /// Returns the error with the limit that was exceeded.
    #[must_use]
    pub(crate) fn limited_by(mut self, allowance: Allowance) -> Self {
        self.0.allowance = Some(allowance);
        self
    }

    /// Returns the error with what is wrong about the second factor.
    #[must_use]
    pub fn second_factor(mut self, what: SecondFactor) -> Self {
        self.0.second_factor = Some(what);
        self
    }

    /// Returns a copy for another caller who waited for the same work; its internal cause is kept as text.
    pub(crate) fn duplicate(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            code: inner.code,
            detail: inner.detail.clone(),
            fields: inner.fields.clone(),
            current: inner.current.clone(),
            retry_after: inner.retry_after,
            request_id: inner.request_id.clone(),
            allowance: inner.allowance,
            second_factor: inner.second_factor,
            source: self.internal_text().map(Into::into),
        }))
    }

    /// Returns what is wrong about the second factor, if that is the reason.
    pub fn second_factor_hint(&self) -> Option<SecondFactor> {
        self.0.second_factor
    }
    /// Returns the stable code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }
    /// Returns the public text.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    /// Returns the fields that break rules.
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }
    /// Returns the state that the subject is in, on a conflict.
    pub fn current(&self) -> Option<&serde_json::Value> {
        self.0.current.as_ref()
    }
    /// Returns the time after which the call may be repeated.
    pub fn retry_after_hint(&self) -> Option<Duration> {
        self.0.retry_after
    }
    /// Returns the limit that was exceeded, if it is one that callers can see.
    pub fn allowance(&self) -> Option<Allowance> {
        self.0.allowance
    }
    /// Returns the server's request id, when the error came over the wire.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
    /// Returns the internal cause as text, for the log only.
    pub fn internal_text(&self) -> Option<String> {
        let mut source: Option<&(dyn std::error::Error + 'static)> = self.0.source.as_deref().map(|source| source as _);
        let mut text: Option<String> = None;
        while let Some(error) = source {
            let this = error.to_string();
            text = Some(text.map_or(this.clone(), |text| format!("{text}: {this}")));
            source = error.source();
        }
        text
    }
}

impl From<FieldError> for Error {
    fn from(field: FieldError) -> Self {
        Self::invalid_fields(vec![field])
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)?;
        match self.internal_text() {
            Some(inside) => write!(f, " ({inside})"),
            None => Ok(()),
        }
    }
}
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_text_says_nothing_of_the_inside() {
        let error = Error::internal("table users is on fire");
        assert!(!error.to_string().contains("fire"));
        assert_eq!(error.internal_text().unwrap(), "table users is on fire");
        assert!(format!("{error:?}").contains("fire"));
    }

    #[test]
    fn codes_cross_the_wire_and_back() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse::<ErrorCode>().unwrap(), *code);
        }
    }
}
