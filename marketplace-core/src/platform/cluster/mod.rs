//! State that the servers of one marketplace share besides its database: counts for limits, and wake-ups for new events.
//! Without `redis_url` there is one server, and all of it is in this process.
//!
//! | | one server | several, with Redis |
//! |---|---|---|
//! | limits, failed logins | counted here | counted in Redis; here while it is away |
//! | "look, there is something new" | a channel | a channel, and Redis carries it to the others |
//! | who is typing | a channel | a channel, and Redis carries it to the others |
//!
//! Nothing fails without Redis. The database is authoritative for sessions, which every call checks there, and its log for
//! events: a loss in Redis restores no session and hides no event. Nothing in Redis names a person: keys are hashes and
//! addresses, and each one expires; notes have ids.

mod bus;
#[cfg(feature = "redis")]
mod redis;
mod remote;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::remote::{ClusterStore, Heard, Login, Penalties, Spent};
use crate::{
    base::error::Result,
    platform::{config::Config, health::Health, load::Waited},
};

/// The shared state; see the [module](self). Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster(Option<Arc<Peers>>);

/// The connection to the other servers.
#[derive(Debug)]
struct Peers {
    remote: Arc<dyn ClusterStore>,
    bus: bus::Bus,
}

impl Cluster {
    /// Opens the shared state as configured. Does not wait for Redis, which may become available later.
    ///
    /// # Errors
    /// Returns `invalid` for an invalid URL, and for any URL in a program built without the feature `redis`.
    pub fn open(config: &Config, random: &dyn crate::base::random::Random, health: &Health) -> Result<Self> {
        let Some(url) = &config.redis_url else { return Ok(Self::default()) };
        #[cfg(feature = "redis")]
        return redis::Redis::new(url, random, health).map(|redis| Self::over(Arc::new(redis)));
        #[cfg(not(feature = "redis"))]
        {
            let _ = (url, random, health);
            Err(crate::base::error::Error::invalid(
                "/redis_url",
                "is set, and this program was built without Redis (feature `redis`)",
            ))
        }
    }

    /// Creates the shared state on a given store.
    #[cfg(any(test, feature = "redis"))]
    pub fn over(remote: Arc<dyn ClusterStore>) -> Self {
        Self(Some(Arc::new(Peers { remote, bus: bus::Bus::default() })))
    }

    /// Returns the store, if there is one.
    pub fn remote(&self) -> Option<&Arc<dyn ClusterStore>> {
        self.0.as_deref().map(|several| &several.remote)
    }

    /// Returns the requests to the store, if there is one.
    pub fn requests(&self) -> Option<Waited> {
        self.remote().map(|remote| remote.requests())
    }

    /// Tells the other servers to look, soon. Several calls in quick succession are merged into one.
    pub fn wake(&self) {
        if let Some(several) = self.0.as_deref() {
            several.bus.wake();
        }
    }

    /// Sends a note to the other servers. Nothing happens when they cannot be reached.
    pub async fn pass(&self, note: &str) {
        if let Some(several) = self.0.as_deref() {
            let _ = several.remote.pass(note).await;
        }
    }

    /// Carries wake-ups to the other servers and from them, and passes on their notes, forever. Survives outages: what the
    /// wake-ups that were missed meanwhile were about is in the log.
    pub async fn carry(&self, heard: impl Fn(Heard<'_>) + Send + Sync) {
        match self.0.as_deref() {
            Some(several) => several.bus.carry(several.remote.as_ref(), &heard).await,
            None => std::future::pending().await,
        }
    }
}
