//! What the servers of one marketplace share besides its database: how often somebody tried, and that there is something
//! new. Without `redis_url` there is one server, and all of it is in this process.
//!
//! | | one server | several, with Redis |
//! |---|---|---|
//! | limits, failed logins | counted here | counted in Redis; here while it is away |
//! | "look, there is something new" | a channel | a channel, and Redis carries it to the others |
//!
//! Nothing fails without it. The database is the truth about sessions, which every call asks, and the log in it about
//! events: what is lost in Redis brings no session back and hides no event. Nothing in Redis names a person: keys are
//! hashes and addresses, and each has an end.

mod bus;
#[cfg(feature = "redis")]
mod redis;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{config::Config, error::Result, health::Health};

/// What a limit said to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Whether the call may go on.
    pub allowed: bool,
    /// Calls that may follow at once.
    pub remaining: u32,
    /// Until the next one may follow, when this one may not.
    pub wait: Duration,
    /// Until all of them may follow at once.
    pub reset: Duration,
}

/// Who tries to log in to what, as hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// Address and account.
    pub pair: String,
    /// Account.
    pub account: String,
}

/// How many failed logins are too many, and for how long they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Penalties {
    /// Of one address with one account.
    pub pair: (u32, Duration),
    /// Of one account, over all addresses that never got in.
    pub account: (u32, Duration),
    /// For how long an address that got in is known.
    pub known: Duration,
}

/// A store outside this process that all servers ask. Every call ends within a quarter of a second; with an error when the
/// store is of no use, and then whoever asks goes on without it.
#[async_trait]
pub(crate) trait Remote: fmt::Debug + Send + Sync {
    /// One more call under a key that may have `burst` at once and gets one back every `refill` (GCRA).
    async fn spend(&self, key: &str, refill: Duration, burst: u32) -> Result<Spent>;
    /// Counts a try to log in as failed; answers how long to wait when there were too many.
    async fn try_login(&self, login: &Login, penalties: &Penalties) -> Result<Option<Duration>>;
    /// It was none that failed.
    async fn logged_in(&self, login: &Login, penalties: &Penalties) -> Result<()>;
    /// Tells the other servers to look.
    async fn wake(&self) -> Result<()>;
    /// Calls `woken` whenever another server says so, until the connection breaks.
    async fn listen(&self, woken: &(dyn Fn() + Send + Sync)) -> Result<()>;
}

/// See the [module](self); cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Option<Arc<Several>>);

/// With others.
#[derive(Debug)]
struct Several {
    remote: Arc<dyn Remote>,
    bus: bus::Bus,
}

impl Shared {
    /// As configured. Does not wait for Redis: it may come later.
    ///
    /// `invalid` for a URL that cannot be one, and for any URL in a program that was built without the feature `redis`.
    pub fn open(config: &Config, random: &dyn crate::random::Random, health: &Health) -> Result<Self> {
        let Some(url) = &config.redis_url else { return Ok(Self::default()) };
        #[cfg(feature = "redis")]
        return redis::Redis::new(url, random, health).map(|redis| Self::over(Arc::new(redis)));
        #[cfg(not(feature = "redis"))]
        {
            let _ = (url, random, health);
            Err(crate::error::Error::invalid(
                "/redis_url",
                "is set, and this program was built without Redis (feature `redis`)",
            ))
        }
    }

    /// With this store.
    #[cfg(any(test, feature = "redis"))]
    pub fn over(remote: Arc<dyn Remote>) -> Self {
        Self(Some(Arc::new(Several { remote, bus: bus::Bus::default() })))
    }

    /// The store, when there is one.
    pub fn remote(&self) -> Option<&Arc<dyn Remote>> {
        self.0.as_deref().map(|several| &several.remote)
    }

    /// Tells the other servers to look, soon. Many at once are one.
    pub fn wake(&self) {
        if let Some(several) = self.0.as_deref() {
            several.bus.wake();
        }
    }

    /// Carries wake-ups to the others and from them, for ever. Outlives outages: what was missed meanwhile is in the log.
    pub async fn carry(&self, woken: impl Fn() + Send + Sync) {
        match self.0.as_deref() {
            Some(several) => several.bus.carry(several.remote.as_ref(), &woken).await,
            None => std::future::pending().await,
        }
    }
}
