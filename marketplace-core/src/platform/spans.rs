//! Spans: parts of a trace, each with the time that it took. They name what was done, and hold no data of anybody.
//!
//! Nothing is recorded, and next to no time is spent, unless a subscriber wants spans of these targets.

use std::sync::OnceLock;

/// Target of spans that begin a trace, or go on with that of a caller.
pub const ROOT: &str = "spans::root";
/// Target of spans inside another one; outside, they are of no interest.
pub const PART: &str = "spans";

/// Returns what names the current span to a server that is called (`traceparent` of W3C Trace Context).
pub type Outgoing = fn() -> Option<String>;

static OUTGOING: OnceLock<Outgoing> = OnceLock::new();

/// Sets how requests to others name the span that they belong to. Only the first call counts.
pub fn set_outgoing(outgoing: Outgoing) {
    let _ = OUTGOING.set(outgoing);
}

#[cfg_attr(not(any(feature = "oidc", feature = "webhooks")), expect(dead_code, reason = "nobody is called"))]
/// Returns the value of `traceparent` for a request to another server, when the current span is recorded.
pub(crate) fn traceparent() -> Option<String> {
    OUTGOING.get().and_then(|outgoing| outgoing())
}

/// Creates a span inside the current one; without one, it is of no interest.
macro_rules! part {
    ($name:literal $(, $($field:tt)*)?) => {
        tracing::trace_span!(target: $crate::platform::spans::PART, $name $(, $($field)*)?)
    };
}
pub(crate) use part;
