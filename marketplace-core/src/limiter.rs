//! Limits on tries, by client address and by account, in memory (GCRA, through governor).
//!
//! Failed logins count against the pair of address and account: an attacker locks out the attacker, not the victim. A
//! second, wider limit per account slows down many addresses that try one account.

use std::{fmt, hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use crate::{
    config::Limits,
    error::{Error, Result},
};

/// The limits of one program.
pub struct Limiter {
    by_ip: DefaultKeyedRateLimiter<IpAddr>,
    failures: Failures<(IpAddr, String)>,
    account_failures: Failures<String>,
    mails: DefaultKeyedRateLimiter<String>,
}

/// `count` at once, refilled evenly over `period`.
fn quota(count: u32, period: Duration) -> Quota {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period / count.get()).unwrap_or_else(|| Quota::per_second(count)).allow_burst(count)
}

impl Limiter {
    /// From the configuration.
    pub fn new(limits: &Limits) -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            by_ip: RateLimiter::keyed(quota(limits.auth_per_ip_minute, minutes(1))),
            failures: Failures::new(limits.failed_logins, minutes(15)),
            account_failures: Failures::new(limits.failed_logins_account_hour, minutes(60)),
            mails: RateLimiter::keyed(quota(limits.mails_per_account_hour, minutes(60))),
        }
    }

    /// One more call of a route that needs no login.
    pub fn call(&self, ip: IpAddr) -> Result<()> {
        check(&self.by_ip, &network(ip))
    }

    /// Counts one try to log in as failed, before the password is looked at: many at once do not slip through.
    pub fn try_login(&self, ip: IpAddr, email: &str) -> Result<()> {
        self.failures.count((network(ip), email.to_owned()))?;
        self.account_failures.count(email.to_owned())
    }

    /// The try was a success: what failed before from that address is forgotten, and this try was no failure.
    pub fn logged_in(&self, ip: IpAddr, email: &str) {
        self.failures.0.invalidate(&(network(ip), email.to_owned()));
        self.account_failures.forgive(email.to_owned());
    }

    /// Whether one more mail may go to an address. Silent: the caller's answer must not depend on it.
    pub fn may_mail(&self, email: &str) -> bool {
        self.mails.check_key(&email.to_owned()).is_ok()
    }

    /// Forgets keys whose quota is full again.
    pub fn prune(&self) {
        self.by_ip.retain_recent();
        self.mails.retain_recent();
    }
}

/// Failures that are remembered, of each kind.
const REMEMBERED: u64 = 100_000;

/// Counts failures; each starts the wait anew.
struct Failures<K: Hash + Eq + Send + Sync + 'static>(moka::sync::Cache<K, u32>, u32, Duration);

impl<K: Hash + Eq + Send + Sync + 'static> Failures<K> {
    fn new(limit: u32, wait: Duration) -> Self {
        Self(moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(wait).build(), limit, wait)
    }
    fn count(&self, key: K) -> Result<()> {
        let tries =
            self.0.entry(key).and_upsert_with(|tries| tries.map_or(1, |tries| tries.into_value().saturating_add(1)));
        if tries.into_value() > self.1 { Err(Error::rate_limited(self.2)) } else { Ok(()) }
    }
    fn forgive(&self, key: K) {
        self.0.entry(key).and_upsert_with(|tries| tries.map_or(0, |tries| tries.into_value().saturating_sub(1)));
    }
}

/// A home has a whole IPv6 /64: its addresses count as one (RFC 6177).
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| IpAddr::V6(std::net::Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))), IpAddr::V4),
    }
}

fn check<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<()> {
    limiter.check_key(key).map_err(|until| Error::rate_limited(until.wait_time_from(limiter.clock().now())))
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn an_attacker_locks_out_the_attacker_only() {
        let limiter = Limiter::new(&Limits { failed_logins: 3, ..Limits::default() });
        let (attacker, victim) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..3 {
            limiter.try_login(attacker, "ada@example.org").unwrap();
        }
        let refused = limiter.try_login(attacker, "ada@example.org").unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        assert!(refused.retry_after_hint().unwrap() >= Duration::from_secs(1));
        limiter.try_login(victim, "ada@example.org").unwrap();
        limiter.try_login(attacker, "other@example.org").unwrap();
    }

    #[test]
    fn only_failures_count() {
        let limiter = Limiter::new(&Limits { failed_logins: 3, failed_logins_account_hour: 3, ..Limits::default() });
        let ip = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..20 {
            limiter.try_login(ip, "ada@example.org").unwrap();
            limiter.logged_in(ip, "ada@example.org");
        }
    }

    #[test]
    fn addresses_of_one_home_count_as_one() {
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
    }
}
