//! Opening a marketplace.

use std::{sync::Arc, time::Duration};

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
        db::{Db, Engine, OpenOptions, ReplicaOptions},
        files::FileStore,
        limiter::{Limiter, Turns},
        mailer::Mailer,
        passwords::{Hasher, breached::Breached},
        tls,
        webhooks::Webhooks,
    },
    records::{audit, events},
};

/// Number of uploads that may wait for memory, for each upload that has some.
const UPLOADS_WAITING: usize = 32;

/// Number of concurrent exports in one program: each holds a file of at most 10 MiB in memory.
const EXPORTS: usize = 8;

impl App {
    /// Opens everything, and creates what is missing. Migrates SQLite by itself; rejects a PostgreSQL database whose
    /// schema is outdated, and a SQLite database that cannot be written.
    pub async fn open(config: Config) -> Result<Self> {
        let slow = config.log.slow_statement();
        let options = OpenOptions { connections: config.connections(), slow, ..OpenOptions::default() };
        Self::open_with(config, options, Arc::new(SystemClock), Arc::new(OsRandom)).await
    }

    /// Opens an existing marketplace like [`App::open`], for a program that one person uses: few connections, little
    /// memory, no Redis. Neither creates nor migrates anything; a SQLite database that cannot be written, or whose URL says
    /// `mode=ro`, is opened to be read. Sessions and tokens that it ends are ended everywhere, because the database says so.
    ///
    /// # Errors
    /// `unavailable` when there is no such database, besides those of [`App::open`].
    pub async fn open_for_one(config: Config) -> Result<Self> {
        Self::open_alone(config, OpenOptions::for_one()).await
    }

    /// Opens a marketplace like [`App::open_for_one`], and creates what is missing.
    pub async fn create_for_one(config: Config) -> Result<Self> {
        Self::open_alone(config, OpenOptions { create: true, ..OpenOptions::for_one() }).await
    }

    async fn open_alone(mut config: Config, options: OpenOptions) -> Result<Self> {
        (config.redis_url, config.database_read_url) = (None, None);
        Self::open_with(config, options, Arc::new(SystemClock), Arc::new(OsRandom)).await
    }

    /// Opens a marketplace like [`App::open`], with a given clock, source of randomness and way of opening the
    /// database.
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
            // Whoever creates what is missing brings it up to date too; whoever only looks at a database does not.
            Engine::Sqlite if options.create => drop(db.migrate().await?),
            _ => db.require_current().await?,
        }
        db.require_rights().await?;
        if !db.is_kept()
            && let Err(error) = accounts::normalise_emails(&db).await
        {
            // The next start continues. Until then only people with such an address are locked out.
            tracing::warn!(?error, "addresses with domains beyond ASCII could not all be brought into their new form");
        }
        let keys = key_check::open(&db, &config.keys_dir(), random.as_ref(), clock.now()).await?;
        if !db.is_kept() {
            audit::begin(&db, &keys, clock.now(), audit::Adopt::Unknown).await?;
        }
        // Whoever only looks makes no folder, where no server ever kept a file.
        let files = if db.is_kept() || !options.create {
            FileStore::open_to_read(&config.files_url())?
        } else {
            FileStore::open(&config.files_url())?
        };
        let shared = Cluster::open(&config, random.as_ref(), db.health())?;
        let max_lag = Duration::from_secs(config.database_read_max_lag_seconds.into());
        let replica = config.database_read_url().map(|url| ReplicaOptions { url, max_lag });
        let db = match replica {
            Some(replica) => db.with_replica(&replica, options, &shared)?,
            None => db,
        };
        let (health, mailer) = (db.health().clone(), Mailer::open(&config)?);
        #[cfg(feature = "smtp")]
        if config.mail_texts.is_some() {
            crate::records::mail::check_texts(&mailer.texts)?;
        }
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
            // Nobody can use all of them: one account gets at most half.
            uploads: Turns::new(
                config.limits.uploads,
                config.limits.uploads.div_ceil(2),
                config.limits.uploads * UPLOADS_WAITING,
            ),
            exports: Turns::new(EXPORTS, 1, 0),
            webhooks: Arc::new(Webhooks::open(&config)),
            files: files.scanned_by(config.clamd.as_deref()).reporting_to(health.clone()),
            random,
            keys,
            config: Arc::new(config),
            health,
            sealing: Arc::default(),
            audit_rounds: Arc::default(),
            wake: broadcast::channel(16).0,
            notes: broadcast::channel(256).0,
            mailer: Arc::new(mailer),
            timers: Arc::default(),
            rules: Arc::default(),
            categories: Arc::default(),
        };
        if !app.db.is_kept() {
            events::settle(&app).await?;
        }
        Ok(app)
    }
}
