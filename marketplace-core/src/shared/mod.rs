//! What the servers of one marketplace share besides its database: which sessions were ended, how often somebody tried,
//! and that there is something new. Without `redis_url` there is one server, and all of it is in this process.
//!
//! | | one server | several, with Redis |
//! |---|---|---|
//! | ended sessions | the database says so | Redis says so as well, and no call passes while it cannot be asked |
//! | limits, failed logins | counted here | counted in Redis; here while it is away |
//! | "look, there is something new" | a channel | a channel, and Redis carries it to the others |
//!
//! The database is the truth about sessions, and the log in it about events: what is lost in Redis brings no session back
//! and hides no event. Nothing in Redis names a person: keys are ids and hashes, and each has an end.

mod bus;
#[cfg(feature = "redis")]
mod redis;
mod revocation;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;

use self::revocation::Asking;
use crate::{
    config::Config,
    error::{Error, Result},
};

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

/// A store outside this process that all servers ask. Every call ends within about a second, with `unavailable` when the
/// store is away.
#[async_trait]
pub(crate) trait Remote: fmt::Debug + Send + Sync {
    /// Whether it answers.
    async fn ping(&self) -> Result<()>;
    /// Keeps in mind that these logins were ended, for as long as access tokens live: sessions and API tokens, by id.
    async fn revoke(&self, logins: &[Uuid]) -> Result<()>;
    /// Which of these were ended, in their order.
    async fn revoked(&self, logins: &[Uuid]) -> Result<Vec<bool>>;
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
    asking: Arc<Asking>,
    bus: bus::Bus,
}

impl Shared {
    /// As configured. Does not wait for Redis: it may come later.
    ///
    /// `invalid` for a URL that cannot be one, and for any URL in a program that was built without the feature `redis`.
    pub fn open(config: &Config, random: &dyn crate::random::Random) -> Result<Self> {
        let Some(url) = &config.redis_url else { return Ok(Self::default()) };
        #[cfg(feature = "redis")]
        return redis::Redis::new(url, random).map(|redis| Self::over(Arc::new(redis)));
        #[cfg(not(feature = "redis"))]
        {
            let _ = (url, random);
            Err(Error::invalid("/redis_url", "is set, and this program was built without Redis (feature `redis`)"))
        }
    }

    /// With this store.
    #[cfg(any(test, feature = "redis"))]
    pub fn over(remote: Arc<dyn Remote>) -> Self {
        let asking = Arc::new(Asking::new(Arc::clone(&remote)));
        Self(Some(Arc::new(Several { remote, asking, bus: bus::Bus::default() })))
    }

    /// Whether there are other servers to tell.
    pub fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// The store, when there is one.
    pub fn remote(&self) -> Option<&Arc<dyn Remote>> {
        self.0.as_deref().map(|several| &several.remote)
    }

    /// What `read` answers, unless the login (a session, an API token) was ended; the two are asked at once.
    ///
    /// `unavailable` while the store cannot be asked: an ended login must not come to life again.
    pub async fn unless_revoked<T>(&self, login: Uuid, read: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(several) = self.0.as_deref() else { return read.await };
        let (answer, revoked) = tokio::try_join!(read, several.asking.is_revoked(login))?;
        if revoked { Err(Error::unauthenticated("this login has ended; log in again")) } else { Ok(answer) }
    }

    /// Tells the store that logins were ended, after the commit that ended them. While the store is away that is tried
    /// again, for as long as it matters; meanwhile no call passes anyway.
    pub async fn revoke(&self, sessions: Vec<Uuid>) {
        let Some(several) = self.0.as_deref().filter(|_| !sessions.is_empty()) else { return };
        if several.remote.revoke(&sessions).await.is_ok() {
            return;
        }
        let remote = Arc::clone(&several.remote);
        tokio::spawn(async move {
            for _ in 0..crate::auth::token::ACCESS.as_secs() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if remote.revoke(&sessions).await.is_ok() {
                    return;
                }
            }
        });
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

    /// Whether the store answers; always when there is none.
    pub async fn ready(&self) -> Result<()> {
        match self.remote() {
            Some(remote) => remote.ping().await,
            None => Ok(()),
        }
    }
}
