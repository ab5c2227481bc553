//! What operations need from outside: database, clock, randomness, files, keys, limits, configuration.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, broadcast};

use crate::{
    accounts, audit,
    auth::{breached::Breached, password::Hasher, token::TokenCache},
    config::Config,
    db::{Db, Engine, OpenOptions},
    error::{Error, Result},
    events, export,
    health::{Component, Health},
    ids::UserId,
    keys::{self, Keys},
    kyc::files::{self, FileStore, Spool},
    limiter::{Limiter, Turns},
    mail,
    maintenance::Timers,
    messaging, profiles,
    random::{OsRandom, Random},
    shared::Shared,
    time::{Clock, SystemClock, Timestamp},
    tls,
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
    /// Uploads in memory at once, by account.
    pub(crate) uploads: Turns<Option<UserId>>,
    /// Exports under way.
    pub(crate) exports: export::Running,
    /// How far files from before they were sealed have been: attachments, and pictures.
    sealing: Arc<Mutex<(files::Round, files::Round)>>,
    wake: broadcast::Sender<()>,
    /// Mails under way.
    pub(crate) mailer: Arc<mail::Mailer>,
    /// How due work goes.
    pub(crate) timers: Arc<Timers>,
}

/// Uploads that may wait for memory, for each that has some.
const UPLOADS_WAITING: usize = 32;

impl App {
    /// Opens everything, making what is missing. Brings SQLite up to date by itself; refuses a PostgreSQL whose schema is behind.
    pub async fn open(config: Config) -> Result<Self> {
        let options = OpenOptions { connections: config.database_connections, ..OpenOptions::default() };
        Self::open_with(config, options, Arc::new(SystemClock), Arc::new(OsRandom)).await
    }

    /// Like [`App::open`], for a program that one person uses on a marketplace that is there: few connections, little memory,
    /// no Redis. What it ends has ended, since the database says so.
    ///
    /// # Errors
    /// `unavailable` when there is no such database, besides those of [`App::open`].
    pub async fn open_for_one(config: Config) -> Result<Self> {
        Self::open_alone(config, OpenOptions::for_one()).await
    }

    /// Like [`App::open_for_one`], making what is missing.
    pub async fn create_for_one(config: Config) -> Result<Self> {
        Self::open_alone(config, OpenOptions { create: true, ..OpenOptions::for_one() }).await
    }

    async fn open_alone(mut config: Config, options: OpenOptions) -> Result<Self> {
        config.redis_url = None;
        Self::open_with(config, options, Arc::new(SystemClock), Arc::new(OsRandom)).await
    }

    /// Like [`App::open`], with another clock, randomness and way of opening the database.
    pub async fn open_with(
        config: Config,
        options: OpenOptions,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        tls::install_provider();
        let config = config.checked()?;
        let url = config.database_url();
        if options.create
            && let Some(folder) =
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
        let keys = keys::open(&db, &config.keys_dir(), random.as_ref(), clock.now()).await?;
        audit::begin(&db, &keys, clock.now(), audit::Adopt::Unknown).await?;
        let shared = Shared::open(&config, random.as_ref(), db.health())?;
        let (health, mailer) = (db.health().clone(), mail::Mailer::open(&config)?);
        let app = Self {
            db,
            clock,
            hasher: Hasher::new(config.argon2, random.clone())?,
            breached: Breached::new(config.breached_passwords.as_deref())?,
            tokens: TokenCache::default(),
            limiter: Arc::new(Limiter::new(&config.limits, shared.clone())),
            shared,
            #[cfg(feature = "oidc")]
            oidc: Arc::new(crate::auth::oidc::Providers::new(&config)),
            // Nobody takes the last: one account has half of them.
            uploads: Turns::new(
                config.limits.uploads,
                config.limits.uploads.div_ceil(2),
                config.limits.uploads * UPLOADS_WAITING,
            ),
            exports: export::Running::default(),
            files: FileStore::open(&config.files_url())?
                .scanned_by(config.clamd.as_deref())
                .reporting_to(health.clone()),
            random,
            keys,
            config: Arc::new(config),
            health,
            sealing: Arc::default(),
            wake: broadcast::channel(16).0,
            mailer: Arc::new(mailer),
            timers: Arc::default(),
        };
        events::settle(&app).await?;
        Ok(app)
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

    /// Whether requests can be served: the database answers within two seconds. Returns what fails and is not needed for
    /// that.
    ///
    /// # Errors
    /// `unavailable` when requests cannot be served.
    pub async fn ready(&self) -> Result<Vec<Component>> {
        let answers = async {
            self.db.try_writes().await;
            self.db.ping().await
        };
        tokio::time::timeout(Duration::from_secs(2), answers)
            .await
            .map_err(|elapsed| Error::unavailable("the database does not answer", elapsed))??;
        if !self.health.works(Component::DatabaseWrites) {
            return Err(Error::unavailable("the database takes no writes just now", "the log says why"));
        }
        let failing = self.health.states().into_iter().filter(|state| state.failing.is_some());
        Ok(failing.map(|state| state.component).collect())
    }

    /// Seals files that lie in the clear from before they were, a few at a time. Returns how many.
    pub(crate) async fn seal_stored(&self) -> Result<u64> {
        // One after the other; whoever finds it under way has nothing to do.
        let Ok(mut rounds) = self.sealing.try_lock() else { return Ok(0) };
        let (attachments, pictures) = &mut *rounds;
        let mut done = 0;
        if attachments.is_due(self.now()) {
            done += messaging::seal_stored(self, attachments).await?;
        }
        if pictures.is_due(self.now()) {
            done += profiles::seal_stored(self, pictures).await?;
        }
        Ok(done)
    }

    /// Creates a place outside memory for an upload on its way in.
    pub fn spool(&self) -> Spool {
        Spool::new(self.config.data_dir.join("incoming"), self.random.as_ref(), self.health.clone())
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
