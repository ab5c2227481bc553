//! A physical replica of the database, for reads that may lag.
//!
//! How far it lags is measured without writing anything. Four times a second a task reads how far the primary's log is flushed,
//! and then how far the replica has replayed it. Whatever was committed before the newest position that the replica has
//! reached can be read there. A replica that stops replaying, cannot be reached, or whose task hangs, therefore falls behind by
//! itself, and is left out until it has caught up.
//!
//! Nobody misses what they wrote themselves: for [`OWN`] after an account wrote, it reads the primary. Servers that share a
//! Redis tell each other who wrote; while it is away, every account reads the primary.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use moka::sync::Cache;
use sqlx::{Row, postgres::PgConnectOptions};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use super::{Limits, Pool, Prober, Target};
use crate::{
    base::{
        call_context::{self, Reader},
        error::{Error, ErrorCode, Result},
        ids::UserId,
    },
    platform::{
        cluster::Cluster,
        config::Secret,
        db::{Conn, DbError, error::opening},
        health::{Component, Health},
        load::PoolLoad,
    },
};

/// How long an account that wrote something reads the primary. Longer than any replica that is used lags.
const OWN: Duration = Duration::from_secs(5);
/// An account that writes without a pause is not announced to other servers more often than this.
const AGAIN: Duration = Duration::from_secs(1);
/// Pause between two measurements.
const SAMPLE: Duration = Duration::from_millis(250);
/// Time limit of a read; after it the primary is read. What is read there takes some milliseconds.
const READ: Duration = Duration::from_secs(2);
/// Time limit of one reading of a position.
const PATIENCE: Duration = Duration::from_secs(1);
/// Number of positions that are remembered: more than those of the longest lag that may be allowed.
const SAMPLES: usize = 64;
/// The cluster and the database, and the position in the log: on a primary what is flushed, on a standby what is replayed.
const POSITION: &str = "SELECT (SELECT system_identifier FROM pg_control_system()) || ':' || \
    (SELECT oid FROM pg_database WHERE datname = current_database()), \
    ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END) - '0/0'::pg_lsn)::text";

/// What is wrong about a server that has other things, or the same ones from elsewhere.
const NO_REPLICA: &str = "it is no physical replica of the database that database_url names";

/// Where a replica is, and how far it may lag.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// `postgres://user:password@host/database`, with several hosts if there are several replicas.
    pub url: Secret,
    /// A replica that lags more is left out. Less than the time for which those who wrote something read the primary.
    pub max_lag: Duration,
}

/// A replica; see the [module](self). Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::platform::db) struct Replica(Arc<Inner>, AbortHandle);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    max_lag: Duration,
    born: Instant,
    /// Milliseconds from `born` to the time of which everything committed can be read on the replica; 0 for none.
    level: AtomicU64,
    /// Accounts that wrote something here a short time ago, and when that was announced to other servers.
    wrote: Cache<UserId, Option<Instant>>,
    cluster: Cluster,
    health: Health,
}

/// The names of a cluster and a database, and a position in the log.
type Position = (String, u64);

impl Replica {
    /// Opens at most so many connections to a replica, each when it is needed, and starts to measure how far it lags behind the
    /// server of `primary`. Through `cluster`, servers tell each other who wrote something.
    ///
    /// # Errors
    /// `invalid` for an invalid URL.
    pub fn follow(
        options: &ReplicaOptions,
        connections: u32,
        primary: Pool,
        (cluster, health): (&Cluster, &Health),
        prepare: impl Fn(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<Self> {
        let target = Target::new(options.url.expose(), true, prepare)?;
        // Its health is not the database's.
        let pool = Pool::new(target, Limits::USUAL, connections, Prober::default(), Health::quiet());
        let inner = Arc::new(Inner {
            pool,
            max_lag: options.max_lag,
            born: Instant::now(),
            level: AtomicU64::new(0),
            wrote: Cache::builder().time_to_live(OWN + AGAIN).build(),
            cluster: cluster.clone(),
            health: health.clone(),
        });
        let measuring = tokio::spawn(measure(Arc::downgrade(&inner), primary));
        Ok(Self(inner, measuring.abort_handle()))
    }

    /// Returns how many bytes of the log of `primary` the replica at a URL has not replayed.
    ///
    /// # Errors
    /// `invalid` for an invalid URL; `unavailable` when one of them cannot be reached, and for what is no replica of it.
    pub async fn examine(
        url: &Secret,
        primary: &Pool,
        prepare: impl Fn(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<u64> {
        let target = Target::new(url.expose(), true, prepare)?;
        let place = target.place();
        let pool = Pool::new(target, Limits::USUAL, 1, Prober::default(), Health::quiet());
        let (of, at) = position(primary).await?;
        let replica = position(&pool).await.map_err(|error| opening(&place, error));
        pool.close().await;
        match replica? {
            (found, replayed) if found == of => Ok(at.saturating_sub(replayed)),
            _ => Err(Error::unavailable(format!("the replica at {place} cannot be used"), NO_REPLICA)),
        }
    }

    /// Returns what `read` does on the replica; `None` when the primary has to be read: because the replica lags, is away, does
    /// not answer in time or fails, or because the caller wrote something a short time ago.
    pub async fn read<T, F>(&self, read: F) -> Option<Result<T>>
    where
        F: for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>>,
    {
        if !self.0.is_level() || self.is_writer().await {
            return None;
        }
        let reading = async {
            let mut lease = self.0.pool.acquire_to_read().await?;
            read(&mut Conn::Pg(&mut lease)).await
        };
        match timeout(READ, reading).await {
            Ok(Err(error)) if error.code() == ErrorCode::Unavailable => self.0.leave_out(error),
            // Too much to do there, or a query that a standby has to cancel.
            Ok(Err(error)) if matches!(error.code(), ErrorCode::Busy | ErrorCode::Internal) => {}
            Ok(outcome) => return Some(outcome),
            Err(_) => self.0.leave_out(format!("no answer within {} s", READ.as_secs())),
        }
        None
    }

    /// Records that an account committed something, before it is told so.
    pub async fn wrote(&self, account: Option<UserId>) {
        let Some(account) = account else { return };
        let now = Instant::now();
        if self.0.wrote.get(&account).flatten().is_some_and(|told| now - told < AGAIN) {
            return;
        }
        let told = match self.0.cluster.remote() {
            // While a server cannot tell, the others usually cannot ask either, and read the primary.
            Some(remote) => remote.mark(&key(account), OWN + AGAIN).await.is_ok(),
            None => true,
        };
        self.0.wrote.insert(account, told.then_some(now));
    }

    /// Returns whether the caller wrote something a short time ago, as far as it is known.
    async fn is_writer(&self) -> bool {
        let call = call_context::current();
        let account = match (call.user, call.reader) {
            (Some(account), _) | (None, Reader::Account(account)) => account,
            (None, Reader::Unknown) => return true,
            (None, Reader::Nobody) => return false,
        };
        if self.0.wrote.contains_key(&account) {
            return true;
        }
        match self.0.cluster.remote() {
            Some(remote) => remote.is_marked(&key(account)).await.unwrap_or(true),
            None => false,
        }
    }

    /// Returns how busy its connections are.
    pub fn load(&self) -> PoolLoad {
        self.0.pool.load("replica").0
    }

    /// Closes its connections.
    pub async fn close(&self) {
        self.1.abort();
        self.0.pool.close().await;
    }
}

fn key(account: UserId) -> String {
    format!("wrote:{account}")
}

impl Inner {
    fn since_born(&self, at: Instant) -> u64 {
        u64::try_from((at - self.born).as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns how far it lags; `None` when that is unknown.
    fn lag(&self) -> Option<Duration> {
        let level = self.level.load(Ordering::Relaxed);
        (level > 0).then(|| Duration::from_millis(self.since_born(Instant::now()).saturating_sub(level)))
    }

    /// Leaves it out until the next measurement that reaches it.
    fn leave_out(&self, why: impl fmt::Display) {
        self.level.store(0, Ordering::Relaxed);
        self.health.failed(Component::Replica, why);
    }

    fn is_level(&self) -> bool {
        self.lag().is_some_and(|lag| lag <= self.max_lag)
    }
}

/// Measures how far a replica lags, until nobody uses it any more.
async fn measure(replica: Weak<Inner>, primary: Pool) {
    let mut samples = Samples::default();
    loop {
        sleep(SAMPLE).await;
        let Some(inner) = replica.upgrade() else { return };
        let at = Instant::now();
        // Without the primary's position nothing new can be known, and the lag grows.
        if let Ok(position) = position(&primary).await {
            samples.add(at, position);
        }
        match position(&inner.pool).await {
            Ok(position) => {
                match samples.reached(&position) {
                    Ok(Some(at)) => inner.level.store(inner.since_born(at).max(1), Ordering::Relaxed),
                    Ok(None) => {}
                    Err(why) => {
                        inner.leave_out(why);
                        continue;
                    }
                }
                if inner.is_level() {
                    inner.health.succeeded(Component::Replica);
                } else if inner.born.elapsed() > inner.max_lag {
                    let lag = inner.lag().map_or("an unknown time".to_owned(), |lag| format!("{} s", lag.as_secs()));
                    inner.health.failed(Component::Replica, format!("it lags by {lag}"));
                }
            }
            Err(error) => inner.leave_out(error.in_full()),
        }
    }
}

async fn position(pool: &Pool) -> Result<Position, DbError> {
    let silent = || DbError::Unreachable(super::silent(PATIENCE));
    let reading = async {
        let mut lease = pool.acquire().await?;
        // As text, in one round, as behind a pooler a second round may reach another connection.
        let row = sqlx::raw_sql(POSITION).fetch_one(&mut *lease).await?;
        let (cluster, position): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let position = position.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((cluster, position))
    };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(silent()))
}

/// Positions of the primary, and when they were read.
#[derive(Debug, Default)]
struct Samples {
    cluster: String,
    of: VecDeque<(Instant, u64)>,
}

impl Samples {
    fn add(&mut self, at: Instant, (cluster, position): Position) {
        if self.cluster != cluster || self.of.back().is_some_and(|(_, last)| *last > position) {
            // Another server, or one that lost something.
            self.of.clear();
        }
        self.cluster = cluster;
        // An unchanged position is reached at its newest time.
        if self.of.back().is_some_and(|(_, last)| *last == position) {
            self.of.pop_back();
        }
        self.of.push_back((at, position));
        if self.of.len() > SAMPLES {
            self.of.pop_front();
        }
    }

    /// Returns the newest time before which everything committed is there at `position`.
    ///
    /// # Errors
    /// Fails for a server that is no replica of the primary.
    fn reached(&mut self, (cluster, position): &Position) -> Result<Option<Instant>, &'static str> {
        if self.of.is_empty() {
            return Ok(None);
        }
        if *cluster != self.cluster {
            return Err(NO_REPLICA);
        }
        let count = self.of.iter().take_while(|(_, sample)| sample <= position).count();
        // The last one that was reached stays, in case nothing more is written.
        let newest = count.checked_sub(1).and_then(|last| self.of.get(last)).map(|(at, _)| *at);
        self.of.drain(..count.saturating_sub(1));
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_newest_time_whose_position_was_reached() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let here = |position| ("a".to_owned(), position);
        let mut samples = Samples::default();
        assert_eq!(samples.reached(&here(5)), Ok(None), "nothing is known");
        samples.add(at(1), here(10));
        samples.add(at(2), here(20));
        assert_eq!(samples.reached(&here(9)), Ok(None));
        assert_eq!(samples.reached(&here(10)), Ok(Some(at(1))));
        assert_eq!(samples.reached(&here(19)), Ok(Some(at(1))), "it did not reach the next one");
        samples.add(at(3), here(20));
        assert_eq!(samples.reached(&here(25)), Ok(Some(at(3))), "nothing was written since");
        samples.add(at(4), here(20));
        assert_eq!(samples.reached(&here(20)), Ok(Some(at(4))));
        assert!(samples.reached(&("b".to_owned(), 99)).is_err(), "another cluster");
        // A primary that lost something after a failover: what was reached before says nothing.
        samples.add(at(5), here(15));
        assert_eq!(samples.reached(&here(14)), Ok(None));
    }

    #[test]
    fn only_so_many_positions_are_remembered() {
        let mut samples = Samples::default();
        for position in 0..1_000 {
            samples.add(Instant::now(), ("a".to_owned(), position));
        }
        assert_eq!(samples.of.len(), SAMPLES);
    }
}
