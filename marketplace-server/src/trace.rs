//! The trace that a request belongs to (W3C Trace Context), so that lines of the log are found from the traces of whoever called.

use axum::http::HeaderMap;

/// Returns the id of the caller's trace, when its `traceparent` is valid.
pub(crate) fn id(headers: &HeaderMap) -> Option<&str> {
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
    (is_valid && is_set(trace) && is_set(span)).then_some(trace)
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
            assert_eq!(id(&headers), is_valid.then_some(trace), "{given}");
            headers.append("traceparent", given.parse().unwrap());
            assert_eq!(id(&headers), None);
        }
    }
}
