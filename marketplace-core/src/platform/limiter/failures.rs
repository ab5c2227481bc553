//! Counts failed logins, so that only the one who guesses passwords has to wait.

use std::{net::IpAddr, time::Duration};

use sha2::{Digest as _, Sha256};

use crate::{
    base::error::{Error, Result},
    platform::{
        cluster::{Cluster, Login, Penalties},
        config::Limits,
    },
};

/// Maximum number of failures that are remembered, of each kind.
const REMEMBERED: u64 = 100_000;
/// How long failures of one address with one account count; each failure restarts the time.
const PAIR: Duration = Duration::from_secs(15 * 60);
/// How long failures of one account count.
const ACCOUNT: Duration = Duration::from_secs(60 * 60);
/// How long an address that logged in is remembered.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// Failed logins, counted in this process or for all servers.
pub(super) struct Failures {
    penalties: Penalties,
    pairs: Counts,
    accounts: Counts,
    /// Addresses from which an account was logged in to before.
    known: moka::sync::Cache<Digest, ()>,
}

/// A fixed-size digest of a text that a stranger chose, so that long texts cannot fill the memory.
type Digest = [u8; 16];

/// Counts that expire some time after they last increased.
struct Counts(moka::sync::Cache<Digest, u32>);

impl Counts {
    fn new(wait: Duration) -> Self {
        Self(moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(wait).build())
    }
    fn add(&self, key: Digest) -> u32 {
        self.0
            .entry(key)
            .and_upsert_with(|count| count.map_or(1, |count| count.into_value().saturating_add(1)))
            .into_value()
    }
    fn take(&self, key: Digest) {
        self.0.entry(key).and_upsert_with(|count| count.map_or(0, |count| count.into_value().saturating_sub(1)));
    }
}

impl Failures {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            penalties: Penalties {
                pair: (limits.failed_logins, PAIR),
                account: (limits.failed_logins_account_hour, ACCOUNT),
                known: KNOWN,
            },
            pairs: Counts::new(PAIR),
            accounts: Counts::new(ACCOUNT),
            known: moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(KNOWN).build(),
        }
    }

    /// Counts one more attempt, which counts as failed until it is forgiven.
    pub(super) async fn count(&self, shared: &Cluster, ip: IpAddr, email: &str) -> Result<()> {
        let (pair, account) = digests(ip, email);
        let wait = match shared.remote() {
            None => self.count_here(pair, account),
            Some(remote) => match remote.try_login(&login(pair, account), &self.penalties).await {
                Ok(wait) => wait,
                Err(_) => self.count_here(pair, account),
            },
        };
        wait.map_or(Ok(()), |wait| Err(Error::rate_limited(wait)))
    }

    fn count_here(&self, pair: Digest, account: Digest) -> Option<Duration> {
        let is_known = self.known.contains_key(&pair);
        if self.pairs.add(pair) > self.penalties.pair.0 {
            return Some(self.penalties.pair.1);
        }
        // An attempt that is refused here does not count and does not prolong the wait.
        if !is_known && self.accounts.0.get(&account).unwrap_or_default() >= self.penalties.account.0 {
            return Some(self.penalties.account.1);
        }
        if !is_known {
            self.accounts.add(account);
        }
        None
    }

    /// Takes back the last attempt, which had no result.
    pub(super) async fn take_back(&self, shared: &Cluster, ip: IpAddr, email: &str) {
        let (pair, account) = digests(ip, email);
        if let Some(remote) = shared.remote()
            && remote.take_back(&login(pair, account)).await.is_ok()
        {
            return;
        }
        self.pairs.take(pair);
        if !self.known.contains_key(&pair) {
            self.accounts.take(account);
        }
    }

    /// Records that the last attempt succeeded.
    pub(super) async fn forgive(&self, shared: &Cluster, ip: IpAddr, email: &str) {
        let (pair, account) = digests(ip, email);
        if let Some(remote) = shared.remote()
            && remote.logged_in(&login(pair, account), &self.penalties).await.is_ok()
        {
            return;
        }
        self.pairs.0.invalidate(&pair);
        if !self.known.contains_key(&pair) {
            self.accounts.take(account);
            self.known.insert(pair, ());
        }
    }
}

/// Returns the hashes for an external store; none of them identifies a person.
fn login(pair: Digest, account: Digest) -> Login {
    Login { pair: hex::encode(pair), account: hex::encode(account) }
}

/// Returns the digests of an address with an account, and of the account.
fn digests(ip: IpAddr, email: &str) -> (Digest, Digest) {
    (digest(&[&ip.to_string(), email]), digest(&[email]))
}

/// Returns 128 bits of a hash over parts that contain no line breaks.
pub(super) fn digest(parts: &[&str]) -> Digest {
    let mut short = Digest::default();
    for (to, from) in short.iter_mut().zip(Sha256::digest(parts.join("\n").as_bytes())) {
        *to = from;
    }
    short
}
