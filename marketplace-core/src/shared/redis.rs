//! The store that is Redis (7, or what speaks like it: scripts, pub/sub, expiry).
//!
//! One connection carries all questions. A question that is not answered within [`PATIENCE`] is answered `unavailable`, the
//! connection is given up, and for a quarter of a second nobody waits for Redis at all: while it is away calls are refused at once, or
//! are served without it, and it is asked again four times a second.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::StreamExt;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Script, aio::MultiplexedConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Login, Penalties, Remote, Spent};
use crate::{
    auth::token::ACCESS,
    config::Secret,
    error::{Error, Result},
    random::{self, Random},
};

/// Redis answers in well under a millisecond; whoever waits for it this long waits in vain.
const PATIENCE: Duration = Duration::from_millis(800);
/// After a failure nobody asks for so long, in microseconds.
const PAUSE_MICROS: u64 = 250_000;
/// A subscription on which nothing was heard for so long is made anew: the other end may be gone without a word.
const QUIET: Duration = Duration::from_secs(30);
/// Before every key, for those who share a Redis with other programs.
const PREFIX: &str = "marketplace:";

/// GCRA, after Brandur Leach's redis-cell: one time is kept for each key, at which it will have all of its calls back.
static SPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local refill = tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
local next = full + refill
local from = next - refill * burst
if from > now then return {0, 0, from - now, full - now} end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)
return {1, math.floor((now - from) / refill), 0, next - now}",
    )
});

/// Counts a try before its password is looked at, so that many at once do not slip through. An address that got in before
/// is not kept out by what others do to its account.
static TRY_LOGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local tries = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if tries > tonumber(ARGV[1]) then return tonumber(ARGV[2]) end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[3]) then
  return math.max(1, redis.call('TTL', KEYS[2]))
end
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 0",
    )
});

/// What failed before from that address is forgotten, and this try was no failure of the account's.
static LOGGED_IN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 0 and tonumber(redis.call('GET', KEYS[2]) or '0') > 0 then
  redis.call('DECR', KEYS[2])
end
redis.call('SET', KEYS[3], '1', 'EX', ARGV[1])
return 0",
    )
});

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Redis {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    /// When it may be asked again, in microseconds since `born`; 0 while it answers.
    again_at: AtomicU64,
    born: Instant,
    channel: String,
    /// This server's name among those that wake each other.
    name: String,
}

impl Redis {
    /// Checks the URL; connects when first asked.
    pub(super) fn new(url: &Secret, random: &dyn Random) -> Result<Self> {
        // The crate's own text may repeat the URL, password and all.
        let client = Client::open(url.expose()).map_err(|_| {
            Error::invalid("/redis_url", "must be redis://user:password@host:6379/0, or rediss:// for TLS")
        })?;
        // Numbered databases of one Redis have their own keys, and share channels.
        let database = url::Url::parse(url.expose()).map(|url| url.path().trim_matches('/').to_owned());
        Ok(Self {
            client,
            connection: Mutex::new(None),
            again_at: AtomicU64::new(0),
            born: Instant::now(),
            channel: format!("{PREFIX}{}:look", database.unwrap_or_default()),
            name: hex::encode(random::bytes::<8>(random)),
        })
    }

    /// Asks, unless it was in vain a moment ago.
    async fn ask<T>(&self, question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>) -> Result<T> {
        self.may_ask()?;
        let asked = async {
            let connection = self.connection().await?;
            question(connection).await.map_err(|error| self.failed(error))
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => {
                if self.again_at.swap(0, Ordering::Relaxed) != 0 {
                    tracing::info!("Redis answers again");
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(self.failed(elapsed)),
        }
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        // Patience is ours to lose: one time for connecting and asking.
        let settings = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&settings).await;
        let made = made.map_err(|error| self.failed(error))?;
        Ok(connection.insert(made).clone())
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// While it is away one caller asks from time to time, and the others know without waiting.
    fn may_ask(&self) -> Result<()> {
        let again_at = self.again_at.load(Ordering::Relaxed);
        let now = self.micros();
        let first =
            || self.again_at.compare_exchange(again_at, now + PAUSE_MICROS, Ordering::Relaxed, Ordering::Relaxed);
        if again_at == 0 || (again_at <= now && first().is_ok()) {
            return Ok(());
        }
        Err(unavailable("Redis did not answer a moment ago"))
    }

    /// Gives the connection up: the next question makes another.
    fn failed(&self, why: impl std::error::Error + Send + Sync + 'static) -> Error {
        if self.again_at.swap(self.micros() + PAUSE_MICROS, Ordering::Relaxed) == 0 {
            tracing::warn!(error = %why, "Redis does not answer");
        }
        // Somebody who has it locked is making another one already.
        if let Ok(mut connection) = self.connection.try_lock() {
            *connection = None;
        }
        unavailable(why)
    }
}

fn unavailable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("what the servers share cannot be reached just now; try again", why)
}

fn revoked_key(session: Uuid) -> String {
    format!("{PREFIX}ended:{session}")
}

fn login_keys(login: &Login) -> [String; 3] {
    [
        format!("{PREFIX}tries:{}", login.pair),
        format!("{PREFIX}tries:{}", login.account),
        format!("{PREFIX}known:{}", login.pair),
    ]
}

#[async_trait]
impl Remote for Redis {
    async fn ping(&self) -> Result<()> {
        self.ask(async |mut redis| redis::cmd("PING").query_async::<()>(&mut redis).await).await
    }

    async fn revoke(&self, sessions: &[Uuid]) -> Result<()> {
        let mut pipeline = redis::pipe();
        for session in sessions {
            pipeline.set_ex(revoked_key(*session), 1, ACCESS.as_secs()).ignore();
        }
        self.ask(async |mut redis| pipeline.query_async::<()>(&mut redis).await).await
    }

    async fn revoked(&self, sessions: &[Uuid]) -> Result<Vec<bool>> {
        let keys: Vec<String> = sessions.iter().map(|session| revoked_key(*session)).collect();
        let found: Vec<Option<u8>> =
            self.ask(async |mut redis| redis::cmd("MGET").arg(&keys).query_async(&mut redis).await).await?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    async fn spend(&self, key: &str, refill: Duration, burst: u32) -> Result<Spent> {
        let mut script = SPEND.key(format!("{PREFIX}limit:{key}"));
        script.arg(u64::try_from(refill.as_micros()).unwrap_or(u64::MAX).max(1)).arg(burst);
        let (allowed, remaining, wait, reset): (bool, u32, u64, u64) =
            self.ask(async |mut redis| script.invoke_async(&mut redis).await).await?;
        Ok(Spent { allowed, remaining, wait: Duration::from_micros(wait), reset: Duration::from_micros(reset) })
    }

    async fn try_login(&self, login: &Login, penalties: &Penalties) -> Result<Option<Duration>> {
        let [pair, account, known] = login_keys(login);
        let mut script = TRY_LOGIN.key(pair);
        script.key(account).key(known);
        for (limit, wait) in [penalties.pair, penalties.account] {
            script.arg(limit).arg(wait.as_secs().max(1));
        }
        let seconds: u64 = self.ask(async |mut redis| script.invoke_async(&mut redis).await).await?;
        Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
    }

    async fn logged_in(&self, login: &Login, penalties: &Penalties) -> Result<()> {
        let [pair, account, known] = login_keys(login);
        let mut script = LOGGED_IN.key(pair);
        script.key(account).key(known).arg(penalties.known.as_secs().max(1));
        self.ask(async |mut redis| script.invoke_async::<()>(&mut redis).await).await
    }

    async fn wake(&self) -> Result<()> {
        let publish = redis::cmd("PUBLISH").arg(&self.channel).arg(&self.name).to_owned();
        self.ask(async |mut redis| publish.query_async::<()>(&mut redis).await).await
    }

    async fn listen(&self, woken: &(dyn Fn() + Send + Sync)) -> Result<()> {
        let connecting = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(&self.channel).await?;
            Ok::<_, RedisError>(subscription)
        };
        let mut subscription =
            tokio::time::timeout(PATIENCE, connecting).await.map_err(unavailable)?.map_err(unavailable)?;
        // Something may have happened before.
        woken();
        let mut messages = subscription.on_message();
        while let Ok(next) = tokio::time::timeout(QUIET, messages.next()).await {
            let message = next.ok_or_else(|| unavailable("the subscription ended"))?;
            if message.get_payload_bytes() != self.name.as_bytes() {
                woken();
            }
        }
        Ok(())
    }
}
