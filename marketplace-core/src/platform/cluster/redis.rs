//! The store in Redis (version 7, or a compatible server with scripts, pub/sub and expiry), one or a cluster.
//!
//! One connection carries all requests, in a cluster one to each node. Failures are classified: a broken connection, a request without a response within
//! [`PATIENCE`], or a reply that shows that this Redis is unusable in its current state (full, read-only, loading, not
//! permitted). After such a failure no request is sent and no caller waits: one task checks four times a second whether
//! everything needed works again. An error reply about one key affects only that call.
//!
//! This replaces the crate's `ConnectionManager`: its callers wait while it connects, and it keeps a connection that died
//! silently, since it does not reconnect because of a request without a reply. Measured with redis 1.8.1 behind a proxy
//! that swallows what the first connection carries and serves all others: in 20 s, 79 of 79 requests failed, each after 253
//! ms, and no second connection was made. Here one request fails after [`PATIENCE`], and the next ones get a new connection
//! or an error at once.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt, future::try_join_all};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisFuture, RedisResult, Script, ServerErrorKind,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};
use tokio::{sync::watch, time::timeout};

use super::remote::{ClusterStore, Heard, Login, Penalties, Spent};
use crate::{
    base::{
        error::{Error, Result},
        random::{self, Random},
    },
    platform::{
        config::Secret,
        health::{Component, Health},
        load::{Waited, Waits},
        redis_url::{self, RedisUrl, Sentinels},
    },
};

/// Time limit of a request. Redis responds in well under a millisecond; after one such timeout no further caller waits.
const PATIENCE: Duration = Duration::from_millis(250);
/// Time limit for a new connection and for everything that is tested on it.
const CONNECT: Duration = Duration::from_secs(1);
/// Pause between two attempts while Redis is unusable.
const AGAIN: Duration = Duration::from_millis(250);
/// Number of keys that are asked for to find a node of a cluster that is away; they are on all nodes, as good as certainly.
const PROBES: u32 = 128;
/// How often a request to a cluster is sent again, where it is said to have moved or not to be answered just now.
const RETRIES: u32 = 2;
/// Time without a message after which a subscription is renewed: the other end may be gone silently.
const QUIET: Duration = Duration::from_secs(30);
/// Prefix of every key, for a Redis shared with other programs.
const PREFIX: &str = "marketplace:";

/// GCRA, after Brandur Leach's redis-cell: for each key one time is stored, at which its full quota is available again.
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

/// Counts an attempt before its password is checked, so that concurrent attempts cannot bypass the limit. An address that
/// logged in before is not locked out by what others do to its account.
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

/// Takes back the last attempt, which had no result. Expiry times stay unchanged.
static TAKE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local counted = redis.call('EXISTS', KEYS[3]) == 0 and 2 or 1
for n = 1, counted do
  if tonumber(redis.call('GET', KEYS[n]) or '0') > 0 then redis.call('DECR', KEYS[n]) end
end
return 0",
    )
});

/// Forgets earlier failures from that address, and does not count this attempt as a failure of the account.
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

/// The store; see the [module](self). Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Redis(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Server,
    link: watch::Sender<Link>,
    channel: String,
    /// The name of this server in wake-ups.
    name: String,
    health: Health,
    requests: Waits,
}

/// Where Redis is.
#[derive(Debug)]
enum Server {
    /// At one address.
    Fixed(Client),
    /// Where sentinels say.
    Watched(Watched),
    /// On the nodes of a cluster; also those that are configured.
    Cluster(Box<ClusterClient>, Vec<Client>),
}

impl Server {
    /// Connects to where Redis is now.
    async fn connect(&self) -> RedisResult<Connection> {
        let client = match self {
            Self::Fixed(client) => client.clone(),
            Self::Watched(watched) => watched.find().await?,
            Self::Cluster(client, _) => {
                let connection = client.get_async_connection().await?;
                // Each node that has keys: while one is away, some keys are, and nobody can tell which. Only keys lead to it for certain:
                // what has none is answered by another node instead.
                try_join_all((0..PROBES).map(|number| {
                    let mut connection = connection.clone();
                    let mut question = redis::cmd("EXISTS");
                    question.arg(format!("{PREFIX}probe:{number}"));
                    async move { question.query_async::<()>(&mut connection).await }
                }))
                .await?;
                return Ok(Connection::Cluster(connection));
            }
        };
        let mut connection = client.get_multiplexed_async_connection_with_config(&unlimited()).await?;
        // One that may not be asked is no node of a cluster, as far as anybody knows.
        let about: String = redis::cmd("INFO").arg("cluster").query_async(&mut connection).await.unwrap_or_default();
        if about.contains("cluster_enabled:1") {
            return Err((ErrorKind::InvalidClientConfig, "it is a node of a cluster; use redis+cluster://").into());
        }
        Ok(Connection::One(connection))
    }

    /// Connects to where Redis was when it was connected to last, to hear of messages. In a cluster, each node passes on those of all
    /// others.
    async fn hear(&self) -> RedisResult<PubSub> {
        let nodes = match self {
            Self::Fixed(client) => return client.get_async_pubsub().await,
            Self::Watched(watched) => return watched.known().await?.get_async_pubsub().await,
            Self::Cluster(_, nodes) => nodes,
        };
        let mut failed = nowhere();
        for node in nodes {
            match timeout(PATIENCE, node.get_async_pubsub()).await {
                Ok(Ok(subscription)) => return Ok(subscription),
                Ok(Err(error)) => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }
}

/// A Redis that sentinels watch.
#[derive(Debug)]
struct Watched {
    sentinels: Sentinels,
    clients: Vec<Client>,
    /// The one that was connected to last.
    known: Mutex<Option<Client>>,
}

impl Watched {
    /// Asks the sentinels where Redis is now.
    async fn find(&self) -> RedisResult<Client> {
        let mut failed = nowhere();
        for client in &self.clients {
            let asking = async {
                let mut connection = client.get_multiplexed_async_connection_with_config(&unlimited()).await?;
                let mut question = redis::cmd("SENTINEL");
                question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.sentinels.service);
                question.query_async::<Option<(String, u16)>>(&mut connection).await
            };
            match timeout(PATIENCE, asking).await {
                Ok(Ok(Some((host, port)))) => {
                    let client = Client::open(self.sentinels.server(&host, port).expose())?;
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
                    return Ok(client);
                }
                Ok(Err(error)) => failed = error,
                Ok(Ok(None)) | Err(_) => {}
            }
        }
        Err(failed)
    }

    /// Returns where Redis was when it was connected to last.
    async fn known(&self) -> RedisResult<Client> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(client) => Ok(client),
            None => self.find().await,
        }
    }
}

fn nowhere() -> RedisError {
    RedisError::from((ErrorKind::Io, "nobody knows where Redis is"))
}

/// A connection for all requests.
#[derive(Clone)]
enum Connection {
    /// To one Redis.
    One(MultiplexedConnection),
    /// To the nodes of a cluster.
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a redis::Cmd) -> RedisFuture<'a, redis::Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<redis::Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Returns settings of connections on which each request has its own time limit.
fn unlimited() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

/// The state of the connection.
#[derive(Debug, Clone)]
enum Link {
    /// Not tried yet.
    New,
    /// Connected, with the number of the connection.
    Up(Connection, u64),
    /// Disconnected; a task is trying to reconnect.
    Down,
}

impl Redis {
    /// Checks the URL and starts connecting.
    pub(super) fn new(url: &Secret, random: &dyn Random, health: &Health) -> Result<Self> {
        // The crate's own message may repeat the URL, including the password.
        let bad = |_| Error::invalid("/redis_url", "must be redis://user:password@host:6379/0, or rediss:// for TLS");
        let clients = |urls: &[redis_url::Secret]| {
            urls.iter().map(|url| Client::open(url.expose())).collect::<RedisResult<Vec<_>>>().map_err(bad)
        };
        // Numbered databases of one Redis have separate keys but share channels.
        let (server, database) = match RedisUrl::parse(url.expose())? {
            RedisUrl::Single => {
                let database = url::Url::parse(url.expose()).map(|url| url.path().trim_matches('/').to_owned());
                (Server::Fixed(Client::open(url.expose()).map_err(bad)?), database.unwrap_or_default())
            }
            RedisUrl::Watched(sentinels) => {
                let (clients, database) = (clients(&sentinels.urls)?, sentinels.database.clone());
                (Server::Watched(Watched { sentinels, clients, known: Mutex::default() }), database)
            }
            RedisUrl::Cluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes.iter().map(redis_url::Secret::expose))
                    .connection_timeout(PATIENCE)
                    .overall_response_timeout(Some(PATIENCE))
                    .retries(RETRIES)
                    .build()
                    .map_err(bad)?;
                (Server::Cluster(Box::new(client), clients(&nodes)?), String::new())
            }
        };
        let inner = Arc::new(Inner {
            server,
            link: watch::channel(Link::New).0,
            channel: format!("{PREFIX}{database}:look"),
            name: hex::encode(random::bytes::<8>(random)),
            health: health.clone(),
            requests: Waits::default(),
        });
        tokio::spawn(restore(Arc::downgrade(&inner), 0));
        Ok(Self(inner))
    }

    /// Sends a request, unless Redis is known to be unusable.
    async fn ask<T>(&self, question: impl AsyncFnOnce(Connection) -> RedisResult<T>) -> Result<T> {
        let mut link = self.0.link.subscribe();
        // Only the very first connection is worth waiting for.
        let known = timeout(PATIENCE, link.wait_for(|link| !matches!(link, Link::New)));
        let Ok(Ok(Link::Up(connection, number))) = known.await.map(|link| link.map(|link| link.clone())) else {
            return Err(unavailable("Redis is of no use just now"));
        };
        let since = Instant::now();
        let answer = timeout(PATIENCE, question(connection)).await;
        self.0.requests.over(since, !matches!(answer, Ok(Ok(_))));
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_of_no_use(&error) {
                    self.down(number, &error);
                }
                Err(unavailable(error))
            }
            Err(elapsed) => {
                self.down(number, "no answer");
                Err(unavailable(elapsed))
            }
        }
    }

    /// Gives a connection up, unless that has already been done.
    fn down(&self, number: u64, why: impl std::fmt::Display) {
        let given_up = self.0.link.send_if_modified(|link| {
            let is_this = matches!(link, Link::Up(_, current) if *current == number);
            if is_this {
                *link = Link::Down;
            }
            is_this
        });
        if given_up {
            self.0.health.failed(Component::Redis, why);
            tokio::spawn(restore(Arc::downgrade(&self.0), number + 1));
        }
    }
}

/// Retries until everything needed works. Ends when its `Redis` is dropped.
async fn restore(redis: Weak<Inner>, number: u64) {
    while let Some(inner) = redis.upgrade() {
        let tried = timeout(CONNECT, inner.connect()).await;
        let why = match tried {
            Ok(Ok(connection)) => {
                inner.link.send_replace(Link::Up(connection, number));
                inner.health.succeeded(Component::Redis);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        inner.link.send_if_modified(|link| {
            let first = matches!(link, Link::New);
            if first {
                *link = Link::Down;
            }
            first
        });
        inner.health.failed(Component::Redis, why);
        drop(inner);
        tokio::time::sleep(AGAIN).await;
    }
}

impl Inner {
    /// Opens a connection and checks that everything this program needs works on it.
    async fn connect(&self) -> RedisResult<Connection> {
        let mut connection = self.server.connect().await?;
        let mut spend = SPEND.key(format!("{PREFIX}limit:try"));
        spend.arg(1).arg(1_000_000).invoke_async::<()>(&mut connection).await?;
        self.message("").query_async::<()>(&mut connection).await?;
        Ok(connection)
    }

    /// Returns a message of this server: its name, and a note; a wake-up without.
    fn message(&self, note: &str) -> redis::Cmd {
        redis::cmd("PUBLISH").arg(&self.channel).arg(format!("{} {note}", self.name)).to_owned()
    }
}

/// Returns whether nothing works on this connection, or on this server, until something changes there.
fn is_of_no_use(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::NoPerm
            | ServerErrorKind::ExecAbort,
        )
        | ErrorKind::AuthenticationFailed => true,
        // Older versions wrap an error inside a script in a message of their own.
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let said = error.to_string();
            let states =
                ["OOM", "READONLY", "LOADING", "BUSY", "MISCONF", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM"];
            states.iter().any(|state| said.contains(state))
        }
        ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

fn unavailable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("what the servers share cannot be reached just now; try again", why)
}

/// Returns the keys that count the attempts of a login. What stands in braces decides on which node of a cluster they are, and a script
/// needs all of them on one.
fn login_keys(login: &Login) -> [String; 3] {
    let account = format!("{{{}}}", login.account);
    [
        format!("{PREFIX}tries:{account}:{}", login.pair),
        format!("{PREFIX}tries:{account}"),
        format!("{PREFIX}known:{account}:{}", login.pair),
    ]
}

#[async_trait]
impl ClusterStore for Redis {
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

    async fn take_back(&self, login: &Login) -> Result<()> {
        let [pair, account, known] = login_keys(login);
        let mut script = TAKE_BACK.key(pair);
        script.key(account).key(known);
        self.ask(async |mut redis| script.invoke_async::<()>(&mut redis).await).await
    }

    async fn logged_in(&self, login: &Login, penalties: &Penalties) -> Result<()> {
        let [pair, account, known] = login_keys(login);
        let mut script = LOGGED_IN.key(pair);
        script.key(account).key(known).arg(penalties.known.as_secs().max(1));
        self.ask(async |mut redis| script.invoke_async::<()>(&mut redis).await).await
    }

    fn requests(&self) -> Waited {
        self.0.requests.so_far()
    }

    async fn mark(&self, key: &str, time: Duration) -> Result<()> {
        let mut command = redis::cmd("SET");
        command
            .arg(format!("{PREFIX}mark:{key}"))
            .arg("1")
            .arg("PX")
            .arg(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.ask(async |mut redis| command.query_async::<()>(&mut redis).await).await
    }

    async fn is_marked(&self, key: &str) -> Result<bool> {
        let mut command = redis::cmd("EXISTS");
        command.arg(format!("{PREFIX}mark:{key}"));
        self.ask(async |mut redis| command.query_async::<bool>(&mut redis).await).await
    }

    async fn wake(&self) -> Result<()> {
        self.pass("").await
    }

    async fn pass(&self, note: &str) -> Result<()> {
        let message = self.0.message(note);
        self.ask(async |mut redis| message.query_async::<()>(&mut redis).await).await
    }

    async fn listen(&self, heard: &(dyn for<'n> Fn(Heard<'n>) + Send + Sync)) -> Result<()> {
        let mut link = self.0.link.subscribe();
        let connecting = async {
            let mut subscription = self.0.server.hear().await?;
            subscription.subscribe(&self.0.channel).await?;
            Ok::<_, RedisError>(subscription)
        };
        let mut subscription = timeout(CONNECT, connecting).await.map_err(unavailable)?.map_err(unavailable)?;
        // There may have been events before.
        heard(Heard::Look);
        let mut messages = subscription.on_message();
        loop {
            let next = tokio::select! {
                next = timeout(QUIET, messages.next()) => next,
                // When requests get no response, this subscription gets none either.
                _ = link.wait_for(|link| matches!(link, Link::Down)) => return Ok(()),
            };
            let Ok(next) = next else { return Ok(()) };
            let message = next.ok_or_else(|| unavailable("the subscription ended"))?;
            let text = std::str::from_utf8(message.get_payload_bytes()).unwrap_or_default();
            match text.split_once(' ').unwrap_or((text, "")) {
                (name, _) if name == self.0.name => {}
                (_, "") => heard(Heard::Look),
                (_, note) => heard(Heard::Note(note)),
            }
        }
    }
}
