//! Rate limits by client address and by account (GCRA): in memory through governor, or in Redis for all servers. While
//! Redis is away each server counts by itself, so that there is always a limit and no caller is locked out.

mod failures;
mod places;
#[cfg(test)]
mod tests;
mod turns;

use std::{fmt, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use self::failures::Failures;
pub use self::{
    places::{Full, Place, Places},
    turns::{Turn, Turns},
};
use crate::{
    base::{
        call_context::record,
        error::{Error, ErrorCode, Result},
        ids::UserId,
        rate::{Allowance, Class},
    },
    platform::{
        cluster::{Cluster, Spent},
        config::Limits,
    },
};

/// Searches per hour for complete addresses and numbers, by staff who may not see them in full: enough for answering calls,
/// and too few to guess one.
const CONTACT_SEARCHES: u32 = 300;
/// Reports per hour by one account: enough for a bad day, and too few to bury the queue.
const REPORTS: u32 = 30;
const HOUR: Duration = Duration::from_hours(1);
/// Factor by which the limits of staff are higher: their work consists of lists, and batches of decisions.
const STAFF: u32 = 10;

/// What calls are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Address(IpAddr),
    Account(UserId),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(f),
            Self::Account(id) => id.fmt(f),
        }
    }
}

type Keyed<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// Creates a limit of `count` at once, refilled evenly over `period`.
fn keyed<K: std::hash::Hash + Eq + Clone>(count: NonZeroU32, period: Duration) -> Keyed<K> {
    let quota = Quota::with_period(period / count.get()).unwrap_or_else(|| Quota::per_second(count)).allow_burst(count);
    RateLimiter::keyed(quota).with_middleware()
}

/// A limit: a number of calls at once, refilled evenly over a period.
struct Bucket<K: std::hash::Hash + Eq + Clone> {
    quota: u32,
    refill: Duration,
    local: Keyed<K>,
}

impl<K: std::hash::Hash + Eq + Clone + fmt::Display> Bucket<K> {
    /// Creates a limit. Returns `None` for 0, which means no limit.
    fn new(count: u32, period: Duration) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        Some(Self { quota: count.get(), refill: period / count.get(), local: keyed(count, period) })
    }

    /// Counts one call, together with the other servers if there are any.
    async fn spend(&self, shared: &Cluster, name: &str, key: &K) -> Spent {
        if let Some(remote) = shared.remote()
            && let Ok(spent) = remote.spend(&format!("{name}:{key}"), self.refill, self.quota).await
        {
            return spent;
        }
        match self.local.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let reset = self.refill * self.quota.saturating_sub(remaining);
                Spent { allowed: true, remaining, wait: Duration::ZERO, reset }
            }
            Err(until) => {
                let wait = until.wait_time_from(self.local.clock().now());
                Spent { allowed: false, remaining: 0, wait, reset: self.refill * self.quota }
            }
        }
    }
}

/// A limit for users, and a higher one for staff.
struct Each {
    people: Option<Bucket<Key>>,
    staff: Option<Bucket<Key>>,
}

impl Each {
    fn new(count: u32) -> Self {
        let staff = Bucket::new(count.saturating_mul(STAFF), Allowance::WINDOW);
        Self { people: Bucket::new(count, Allowance::WINDOW), staff }
    }
    fn of(&self, is_staff: bool) -> Option<&Bucket<Key>> {
        if is_staff { self.staff.as_ref() } else { self.people.as_ref() }
    }
}

/// The limits of one program.
pub struct Limiter {
    shared: Cluster,
    auth: Option<Bucket<Key>>,
    public: Option<Bucket<Key>>,
    search: Option<Bucket<Key>>,
    read: Each,
    write: Each,
    upload: Each,
    mails: Option<Bucket<String>>,
    contact_searches: Option<Bucket<Key>>,
    reports: Option<Bucket<Key>>,
    failures: Failures,
}

impl Limiter {
    /// Creates the limits of a configuration.
    pub(crate) fn new(limits: &Limits, shared: Cluster) -> Self {
        let minute = |count| Bucket::new(count, Allowance::WINDOW);
        Self {
            // At least one, as a server on which nobody can log in is useless.
            auth: minute(limits.auth_per_ip_minute.max(1)),
            public: minute(limits.public_per_ip_minute),
            search: minute(limits.searches_per_ip_minute),
            read: Each::new(limits.reads_per_account_minute),
            write: Each::new(limits.writes_per_account_minute),
            upload: Each::new(limits.uploads_per_account_minute),
            mails: Bucket::new(limits.mails_per_account_hour.max(1), HOUR),
            contact_searches: Bucket::new(CONTACT_SEARCHES, HOUR),
            reports: Bucket::new(REPORTS, HOUR),
            failures: Failures::new(limits),
            shared,
        }
    }

    /// Counts one more call of a class.
    pub(crate) async fn pass(&self, class: Class, key: Key, is_staff: bool) -> Result<()> {
        let bucket = match class {
            Class::Auth => self.auth.as_ref(),
            Class::Public => self.public.as_ref(),
            Class::Search => self.search.as_ref(),
            Class::Read => self.read.of(is_staff),
            Class::Write => self.write.of(is_staff),
            Class::Upload => self.upload.of(is_staff),
        };
        let Some(bucket) = bucket else { return Ok(()) };
        let spent = bucket.spend(&self.shared, class.as_str(), &key).await;
        let allowance = Allowance { class, quota: bucket.quota, remaining: spent.remaining, reset: spent.reset };
        record(|context| context.allowance = Some(allowance));
        if spent.allowed { Ok(()) } else { Err(Error::rate_limited(spent.wait).limited_by(allowance)) }
    }

    /// Counts one more call of a route that needs no login.
    pub async fn call(&self, ip: IpAddr) -> Result<()> {
        self.pass(Class::Auth, Key::Address(network(ip)), false).await
    }

    /// Counts one login attempt as failed, before the password is checked, so that concurrent attempts cannot bypass the
    /// limit.
    ///
    /// Failures count against the pair of address and account: an attacker locks out only the attacker, not the victim. A
    /// second, higher limit per account slows down many addresses that try one account; it does not apply to an address
    /// from which the account was logged in to before.
    pub async fn try_login(&self, ip: IpAddr, email: &str) -> Result<()> {
        self.failures.count(&self.shared, network(ip), email).await
    }

    /// Counts an attempt like [`try_login`](Self::try_login), and takes the count back when the check of the secret fails
    /// because of an error on our side: that says nothing about the secret, and must not lock anyone out.
    pub async fn attempt<T>(&self, ip: IpAddr, email: &str, check: impl Future<Output = Result<T>>) -> Result<T> {
        self.try_login(ip, email).await?;
        let checked = check.await;
        if let Err(error) = &checked
            && matches!(error.code(), ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Internal)
        {
            self.failures.take_back(&self.shared, network(ip), email).await;
        }
        checked
    }

    /// Records that an attempt succeeded: forgets earlier failures from that address, and does not count this attempt as
    /// one.
    pub async fn logged_in(&self, ip: IpAddr, email: &str) {
        self.failures.forgive(&self.shared, network(ip), email).await;
    }

    /// Counts one more mail of a kind that anyone can trigger, and returns whether it may be sent. Reports no error, as the
    /// response must not depend on it. Call it before the unit of work, for addresses with and without an account alike.
    pub async fn may_mail(&self, email: &str) -> bool {
        self.mail(&[email]).await.is_none_or(|spent| spent.allowed)
    }

    /// Counts one more notice to the caller's own address about changes to their account. Returns `rate_limited` when there
    /// are too many. Counted separately from mails that strangers can trigger, so that those cannot keep a user from
    /// securing an account.
    pub async fn notice(&self, email: &str) -> Result<()> {
        match self.mail(&["notice", email]).await {
            Some(spent) if !spent.allowed => Err(Error::rate_limited(spent.wait)),
            _ => Ok(()),
        }
    }

    async fn mail(&self, key: &[&str]) -> Option<Spent> {
        // Where others may read it, an address appears only as a hash.
        let key = hex::encode(failures::digest(key));
        match &self.mails {
            Some(bucket) => Some(bucket.spend(&self.shared, "mail", &key).await),
            None => None,
        }
    }

    /// Counts one search for a complete address or number by an account that may not see them in full. Returns
    /// `rate_limited` when there are too many.
    pub async fn contact_search(&self, account: UserId) -> Result<()> {
        let Some(bucket) = &self.contact_searches else { return Ok(()) };
        let spent = bucket.spend(&self.shared, "contact_search", &Key::Account(account)).await;
        if spent.allowed { Ok(()) } else { Err(Error::rate_limited(spent.wait)) }
    }

    /// Counts one report by an account. Returns `rate_limited` when there are too many.
    pub async fn report(&self, account: UserId) -> Result<()> {
        let Some(bucket) = &self.reports else { return Ok(()) };
        let spent = bucket.spend(&self.shared, "report", &Key::Account(account)).await;
        if spent.allowed { Ok(()) } else { Err(Error::rate_limited(spent.wait)) }
    }

    /// Removes keys whose quota is full again.
    pub fn prune(&self) {
        let by_account =
            [&self.read, &self.write, &self.upload].into_iter().flat_map(|each| [&each.people, &each.staff]);
        for bucket in [&self.auth, &self.public, &self.search].into_iter().chain(by_account).flatten() {
            bucket.local.retain_recent();
        }
        for bucket in [&self.contact_searches, &self.reports].into_iter().flatten() {
            bucket.local.retain_recent();
        }
        if let Some(mails) = &self.mails {
            mails.local.retain_recent();
        }
    }
}

/// Returns the network by which an address is counted: a home has a whole IPv6 /64, whose addresses count as one (RFC
/// 6177).
pub fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| IpAddr::V6(std::net::Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))), IpAddr::V4),
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}
