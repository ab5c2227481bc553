//! The operations of a store that all servers share.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{base::error::Result, platform::load::Waited};

/// What other servers sent.
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "nobody is heard without a store"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// There may be something new in the log.
    Look,
    /// A note, as it was sent.
    Note(&'a str),
}

/// The result of counting one call against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Whether the call is allowed.
    pub allowed: bool,
    /// Number of calls that may follow at once.
    pub remaining: u32,
    /// Time until the next call is allowed, when this one is not.
    pub wait: Duration,
    /// Time until the full quota is available again.
    pub reset: Duration,
}

/// A login attempt, identified by hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// Hash of address and account.
    pub pair: String,
    /// Hash of the account.
    pub account: String,
}

/// How many failed logins are too many, and for how long they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Penalties {
    /// For one address with one account.
    pub pair: (u32, Duration),
    /// For one account, over all addresses that never logged in.
    pub account: (u32, Duration),
    /// For how long an address that logged in is remembered.
    pub known: Duration,
}

/// A store outside this process that all servers use. Every call ends within a quarter of a second, with an error when the
/// store is unusable; the caller then continues without it.
#[async_trait]
pub(crate) trait ClusterStore: fmt::Debug + Send + Sync {
    /// Counts a call under a key that may make `burst` calls at once and regains one every `refill` (GCRA).
    async fn spend(&self, key: &str, refill: Duration, burst: u32) -> Result<Spent>;
    /// Counts a login attempt as failed. Returns how long to wait when there were too many.
    async fn try_login(&self, login: &Login, penalties: &Penalties) -> Result<Option<Duration>>;
    /// Takes back an attempt that had no result.
    async fn take_back(&self, login: &Login) -> Result<()>;
    /// Records that an attempt succeeded.
    async fn logged_in(&self, login: &Login, penalties: &Penalties) -> Result<()>;
    /// Remembers a key for a while.
    async fn mark(&self, key: &str, time: Duration) -> Result<()>;
    /// Returns whether a key is remembered.
    async fn is_marked(&self, key: &str) -> Result<bool>;
    /// Tells the other servers to look.
    async fn wake(&self) -> Result<()>;
    /// Sends a note to the other servers that listen now.
    async fn pass(&self, note: &str) -> Result<()>;
    /// Calls `heard` on each wake-up and note of another server, until the connection breaks.
    async fn listen(&self, heard: &(dyn for<'n> Fn(Heard<'n>) + Send + Sync)) -> Result<()>;
    /// Returns how many requests were sent, how long they took, and how many failed.
    fn requests(&self) -> Waited {
        Waited::default()
    }
}
