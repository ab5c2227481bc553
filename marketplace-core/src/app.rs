//! What operations need from outside: database, clock, randomness, files, keys, limits, configuration.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Semaphore, broadcast};

use crate::{
    accounts,
    auth::{breached::Breached, password::Hasher, token::TokenCache},
    config::Config,
    db::{Db, Engine, OpenOptions},
    error::{Error, Result},
    events, export,
    health::Health,
    idempotency, jobs,
    keys::Keys,
    kyc::{self, files::FileStore},
    limiter::Limiter,
    mail, messaging,
    random::{OsRandom, Random},
    reviews,
    shared::Shared,
    time::{Clock, SystemClock, Timestamp},
};

/// An open marketplace; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// All that can be set.
    pub config: Arc<Config>,
    /// Stored files.
    pub files: FileStore,
    /// Keys on disk.
    pub keys: Arc<Keys>,
    /// How each of what it depends on is.
    pub health: Health,
    pub(crate) hasher: Hasher,
    pub(crate) breached: Breached,
    pub(crate) tokens: TokenCache,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) shared: Shared,
    /// Providers of social login.
    #[cfg(feature = "oidc")]
    pub(crate) oidc: Arc<crate::auth::oidc::Providers>,
    /// Permits for submissions in memory at once.
    pub(crate) uploads: Arc<Semaphore>,
    /// Permits for submissions that wait for one of those.
    pub(crate) upload_queue: Arc<Semaphore>,
    /// Exports under way.
    pub(crate) exports: export::Running,
    wake: broadcast::Sender<()>,
    /// When what is past its time was last forgotten, in microseconds.
    pruned_at: Arc<AtomicI64>,
}

/// Submissions that may wait for memory, for each that has some.
const UPLOADS_WAITING: usize = 16;

/// How often what is past its time is forgotten, in microseconds.
const PRUNE_EVERY: i64 = 60_000_000;

impl App {
    /// Opens everything. Brings SQLite up to date by itself; refuses a PostgreSQL whose schema is behind.
    pub async fn open(config: Config) -> Result<Self> {
        let options = OpenOptions { connections: config.database_connections, ..OpenOptions::default() };
        Self::open_with(config, options, Arc::new(SystemClock), Arc::new(OsRandom)).await
    }

    /// Like [`App::open`], for a program that one person uses: few connections, little memory, no Redis. What it ends has
    /// ended, since the database says so.
    pub async fn open_for_one(mut config: Config) -> Result<Self> {
        config.redis_url = None;
        Self::open_with(config, OpenOptions::for_one(), Arc::new(SystemClock), Arc::new(OsRandom)).await
    }

    /// Like [`App::open`], with another clock, randomness and way of opening the database.
    pub async fn open_with(
        config: Config,
        options: OpenOptions,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let config = config.checked()?;
        let url = config.database_url();
        if let Some(folder) =
            url.expose().strip_prefix("sqlite://").and_then(|path| std::path::Path::new(path).parent())
        {
            make_private_folder(folder)?;
        }
        let db = Db::open(url.expose(), options).await?;
        match db.engine() {
            Engine::Sqlite => drop(db.migrate().await?),
            Engine::Postgres => db.require_current().await?,
        }
        if let Err(error) = accounts::normalise_emails(&db).await {
            // The next program goes on. Meanwhile nobody is kept out but who has such an address.
            tracing::warn!(?error, "addresses with domains beyond ASCII could not all be brought into their new form");
        }
        let keys = Keys::open(&config.keys_dir(), random.as_ref())?;
        let shared = Shared::open(&config, random.as_ref())?;
        Ok(Self {
            health: db.health().clone(),
            db,
            clock,
            hasher: Hasher::new(config.argon2, random.clone())?,
            breached: Breached::new(config.breached_passwords.as_deref())?,
            tokens: TokenCache::default(),
            limiter: Arc::new(Limiter::new(&config.limits, shared.clone())),
            shared,
            #[cfg(feature = "oidc")]
            oidc: Arc::new(crate::auth::oidc::Providers::new(&config)),
            uploads: Arc::new(Semaphore::new(config.limits.uploads)),
            upload_queue: Arc::new(Semaphore::new(config.limits.uploads * UPLOADS_WAITING)),
            exports: export::Running::default(),
            files: FileStore::open(&config.files_url())?.scanned_by(config.clamd.as_deref()),
            random,
            keys: Arc::new(keys),
            config: Arc::new(config),
            wake: broadcast::channel(16).0,
            pruned_at: Arc::default(),
        })
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The name under which this place is reached.
    pub(crate) fn site(&self) -> &str {
        self.config.public_url.host_str().unwrap_or_default()
    }

    /// Hears of it when the event log may have grown. A lost notification loses nothing: read the log.
    pub fn subscribe(&self) -> broadcast::Receiver<()> {
        self.wake.subscribe()
    }

    /// Tells whoever follows the event log to look. Called after the commit of what appended to it.
    pub(crate) fn wake(&self) {
        // Nobody listening is fine.
        let _ = self.wake.send(());
        self.shared.wake();
    }

    /// Hears from other servers that the log may have grown, and tells them, for ever: a server runs it beside its work.
    /// Without others it does nothing.
    pub async fn hear_others(&self) {
        // Only here: what came from others does not go back to them.
        self.shared.carry(|| drop(self.wake.send(()))).await;
    }

    /// Does what is due: sends mails, ends approvals, negotiations and windows, notices new signing keys, deletes erased
    /// files, forgets what is past its time. A server calls it every second; doing it twice, or on two servers, does
    /// nothing more. Answers how many things were done.
    pub async fn run_due(&self) -> Result<u64> {
        self.keys.refresh()?;
        let mut done = mail::send_due(self).await?;
        done += kyc::run_due(self).await?;
        done += accounts::sweep(self).await?;
        done += jobs::run_due(self).await?;
        done += messaging::run_due(self).await?;
        done += reviews::run_due(self).await?;
        let now = self.now().micros();
        if now - self.pruned_at.load(Ordering::Relaxed) >= PRUNE_EVERY {
            self.pruned_at.store(now, Ordering::Relaxed);
            done += self.prune().await?;
        }
        Ok(done)
    }

    async fn prune(&self) -> Result<u64> {
        Ok(events::prune(self).await?
            + idempotency::prune(self).await?
            + messaging::prune(self).await?
            + crate::auth::prune(self).await?
            + crate::tokens::prune(self).await?)
    }

    /// Whether the database answers, and Redis where there is one, within two seconds.
    pub async fn ready(&self) -> Result<()> {
        let both = async { tokio::try_join!(self.db.ping(), self.shared.ready()) };
        match tokio::time::timeout(Duration::from_secs(2), both).await {
            Ok(answers) => answers.map(|_| ()),
            Err(elapsed) => Err(Error::unavailable("the database does not answer", elapsed)),
        }
    }

    /// Closes the database, after the writes under way.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// Makes a folder that only its owner can enter, with its parents; leaves one that is there as it is.
pub fn make_private_folder(path: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::unavailable(format!("the folder {} cannot be made: {error}", path.display()), error))
}
