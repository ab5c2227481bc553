//! What a store can do that all servers share.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::base::error::Result;

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
pub(crate) trait ClusterStore: fmt::Debug + Send + Sync {
    /// One more call under a key that may have `burst` at once and gets one back every `refill` (GCRA).
    async fn spend(&self, key: &str, refill: Duration, burst: u32) -> Result<Spent>;
    /// Counts a try to log in as failed. Returns how long to wait when there were too many.
    async fn try_login(&self, login: &Login, penalties: &Penalties) -> Result<Option<Duration>>;
    /// It came to no verdict: it counts no longer.
    async fn take_back(&self, login: &Login) -> Result<()>;
    /// It was none that failed.
    async fn logged_in(&self, login: &Login, penalties: &Penalties) -> Result<()>;
    /// Tells the other servers to look.
    async fn wake(&self) -> Result<()>;
    /// Calls `woken` whenever another server says so, until the connection breaks.
    async fn listen(&self, woken: &(dyn Fn() + Send + Sync)) -> Result<()>;
}
