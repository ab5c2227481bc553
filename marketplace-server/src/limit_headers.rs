//! Response headers that tell how much of a rate limit is left
//! (draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy: "read";q=6000;w=60`, `RateLimit: "read";r=5999;t=1`).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use marketplace_core::base::rate::Allowance;

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Adds the fields that state the remaining allowance, unless they are there already.
pub(crate) fn tell(headers: &mut HeaderMap, allowance: Allowance) {
    let Allowance { class, quota, remaining, reset } = allowance;
    let window = Allowance::WINDOW.as_secs();
    // Rounded up: a second that has begun is not over.
    let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
    let fields = [
        (&POLICY, format!("\"{class}\";q={quota};w={window}")),
        (&LEFT, format!("\"{class}\";r={remaining};t={reset}")),
    ];
    for (name, text) in fields {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.entry(name).or_insert(value);
        }
    }
}

/// Adds the field for a caller who has to wait for a reason other than a rate limit.
pub(crate) fn tell_to_wait(headers: &mut HeaderMap, seconds: u64) {
    if let Ok(value) = HeaderValue::try_from(format!("\"penalty\";r=0;t={seconds}")) {
        headers.insert(&LEFT, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use marketplace_core::base::rate::Class;

    use super::*;

    #[test]
    fn fields_are_structured() {
        let mut headers = HeaderMap::new();
        let reset = Duration::from_millis(1_001);
        tell(&mut headers, Allowance { class: Class::Read, quota: 600, remaining: 599, reset });
        assert_eq!(headers["ratelimit-policy"], "\"read\";q=600;w=60");
        assert_eq!(headers["ratelimit"], "\"read\";r=599;t=2");
        // The first call takes precedence.
        tell(&mut headers, Allowance { class: Class::Write, quota: 1, remaining: 0, reset });
        assert_eq!(headers["ratelimit"], "\"read\";r=599;t=2");
    }
}
