//! The log of denied requests: who tried what. It is bounded, so that nobody can fill a disk with denied requests; the
//! number of omitted entries is in the next line, and the metrics count them all.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Method, StatusCode};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use marketplace_core::ids::UserId;

/// Lines per second, and in one burst.
const LINES: std::num::NonZeroU32 = std::num::NonZeroU32::new(50).unwrap();

/// The log of refused requests of one server, limited in rate.
pub(crate) struct DenialLog {
    lines: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

impl std::fmt::Debug for DenialLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DenialLog")
    }
}

impl Default for DenialLog {
    fn default() -> Self {
        Self { lines: RateLimiter::direct(Quota::per_second(LINES)), left_out: AtomicU64::new(0) }
    }
}

impl DenialLog {
    /// Writes a line for a response that refuses something; none for what merely does not exist or came too late.
    pub fn log(&self, status: StatusCode, id: &str, method: &Method, route: &str, user: Option<UserId>) {
        if !is_refusal(status) {
            return;
        }
        if self.lines.check().is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        tracing::info!(
            request_id = id,
            %method,
            route,
            status = status.as_u16(),
            user = user.map(tracing::field::display),
            left_out = (left_out > 0).then_some(left_out),
            "refused"
        );
    }
}

/// Returns whether a status concerns who is calling, what they may do, how often, or what they sent: the statuses that
/// an attacker who probes the server meets.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 408 | 413 | 415 | 422 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_and_not_written() {
        let refusals = DenialLog::default();
        for _ in 0..200 {
            refusals.log(StatusCode::FORBIDDEN, "a", &Method::GET, "/v1/me", None);
        }
        assert!(refusals.left_out.load(Ordering::Relaxed) >= 100);
        refusals.log(StatusCode::NOT_FOUND, "a", &Method::GET, "/v1/me", None);
        let of = |status: StatusCode| is_refusal(status);
        assert!(of(StatusCode::UNAUTHORIZED) && of(StatusCode::TOO_MANY_REQUESTS) && !of(StatusCode::NOT_FOUND));
        assert!(!of(StatusCode::OK) && !of(StatusCode::CONFLICT) && !of(StatusCode::SERVICE_UNAVAILABLE));
    }
}
