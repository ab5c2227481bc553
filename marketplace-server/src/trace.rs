//! The trace that a request belongs to (W3C Trace Context), and its span.

use axum::http::{HeaderMap, Method, StatusCode};
use marketplace_core::platform::spans::ROOT;
#[cfg(feature = "otlp")]
use marketplace_core::random;
use tracing::Span;

use crate::ctx::Ctx;

/// The span of whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller<'h> {
    /// The id of the trace.
    pub trace: &'h str,
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "spans have it as their parent"))]
    parent: &'h str,
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "it decides about spans"))]
    is_sampled: bool,
}

/// Returns the caller's span, when its `traceparent` is valid.
pub(crate) fn caller(headers: &HeaderMap) -> Option<Caller<'_>> {
    let mut given = headers.get_all("traceparent").iter();
    let (Some(parent), None) = (given.next(), given.next()) else { return None };
    let mut parts = parent.to_str().ok()?.splitn(5, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    // What later versions add stands behind; version 0 has no more, and there will be no version ff.
    let is_whole = version != "ff" && (version != "00" || parts.next().is_none());
    let is_valid = is_whole && is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
    (is_valid && is_set(trace) && is_set(span)).then_some(Caller { trace, parent: span, is_sampled })
}

/// Creates the span of a request, which is a part of its caller's trace, if there is one. Only callers behind a trusted proxy
/// (`decides`) say whether it is recorded: otherwise anybody could have everything recorded.
pub(crate) fn span(caller: Option<Caller<'_>>, decides: bool, method: &Method, route: Option<&str>, ctx: &Ctx) -> Span {
    // What a caller made up is no name (OpenTelemetry, "Semantic conventions for HTTP spans").
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let (method, name) = if known.contains(method) { (method.as_str(), method.as_str()) } else { ("_OTHER", "HTTP") };
    let span = tracing::trace_span!(
        target: ROOT,
        "request",
        otel.name = tracing::field::Empty,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        marketplace.request_id = tracing::field::Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{name} {}", route.unwrap_or("unmatched")));
    }
    #[cfg(feature = "otlp")]
    if let Some(Caller { trace, parent, is_sampled }) = caller.filter(|_| !span.is_disabled()) {
        let is_sampled = if decides { is_sampled } else { is_drawn(ctx) };
        crate::otlp::continue_trace(&span, (trace, parent), is_sampled);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (caller, decides, ctx);
    span
}

/// Returns whether one more trace belongs to the share that is recorded.
#[cfg(feature = "otlp")]
fn is_drawn(ctx: &Ctx) -> bool {
    let drawn = f64::from(u32::from_le_bytes(random::bytes(&*ctx.app.random)));
    drawn / (f64::from(u32::MAX) + 1.0) < ctx.app.config.traces.sample
}

/// Returns the id of the trace that a span belongs to, when it is recorded.
pub(crate) fn id_of(span: &Span) -> Option<String> {
    #[cfg(feature = "otlp")]
    return crate::otlp::trace_id(span);
    #[cfg(not(feature = "otlp"))]
    {
        let _ = span;
        None
    }
}

/// Records how a request ended.
pub(crate) fn ended(span: &Span, request_id: &str, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    span.record("marketplace.request_id", request_id);
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_parent_counts() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (given, is_valid) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("01-{trace}-00f067aa0ba902b7-01-more"), true),
            (format!("00-{trace}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), false),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{trace}"), false),
            ("canary@example.org".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("traceparent", given.parse().unwrap());
            assert_eq!(caller(&headers).map(|caller| caller.trace), is_valid.then_some(trace), "{given}");
            headers.append("traceparent", given.parse().unwrap());
            assert_eq!(caller(&headers).map(|caller| caller.trace), None);
        }
    }
}
