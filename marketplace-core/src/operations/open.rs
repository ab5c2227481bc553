//! Opening a marketplace.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::{
    accounts,
    app::App,
    base::{
        error::Result,
        random::{OsRandom, Random},
        time::{Clock, SystemClock},
    },
    operations::key_check,
    platform::{
        access_token::TokenCache,
        cluster::Cluster,
        config::Config,
        db::{Db, Engine, OpenOptions},
        files::FileStore,
        limiter::{Limiter, Turns},
        mailer::Mailer,
        passwords::{Hasher, breached::Breached},
        tls,
    },
    records::{audit, events},
};

/// Uploads that may wait for memory, for each that has some.
const UPLOADS_WAITING: usize = 32;

/// Exports under way at once in one program: each has a file of 10 MiB in memory at most.
const EXPORTS: usize = 8;

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
        let db = Db::open(url.expose(), options).await?;
        match db.engine() {
            Engine::Sqlite => drop(db.migrate().await?),
            Engine::Postgres => db.require_current().await?,
        }
        db.require_rights().await?;
        if let Err(error) = accounts::normalise_emails(&db).await {
            // The next program goes on. Meanwhile nobody is kept out but who has such an address.
            tracing::warn!(?error, "addresses with domains beyond ASCII could not all be brought into their new form");
        }
        let keys = key_check::open(&db, &config.keys_dir(), random.as_ref(), clock.now()).await?;
        audit::begin(&db, &keys, clock.now(), audit::Adopt::Unknown).await?;
        let shared = Cluster::open(&config, random.as_ref(), db.health())?;
        let (health, mailer) = (db.health().clone(), Mailer::open(&config)?);
        let app = Self {
            db,
            clock,
            hasher: Hasher::new(config.argon2, random.clone())?,
            breached: Breached::new(config.breached_passwords.as_deref())?,
            tokens: TokenCache::default(),
            limiter: Arc::new(Limiter::new(&config.limits, shared.clone())),
            shared,
            #[cfg(feature = "oidc")]
            oidc: Arc::new(crate::platform::openid::Providers::new(&config)),
            // Nobody takes the last: one account has half of them.
            uploads: Turns::new(
                config.limits.uploads,
                config.limits.uploads.div_ceil(2),
                config.limits.uploads * UPLOADS_WAITING,
            ),
            exports: Turns::new(EXPORTS, 1, 0),
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
}
