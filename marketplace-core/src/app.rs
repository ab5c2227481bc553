//! What operations need from outside: database, clock, randomness, files, keys, limits, configuration.

use std::net::IpAddr;
use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, broadcast};

use crate::{
    actor::Actor,
    base::{
        error::{Error, Result},
        ids::UserId,
        random::Random,
        rate::Class,
        time::{Clock, Timestamp},
    },
    platform::{
        access_token::TokenCache,
        cluster::{Cluster, Heard},
        config::Config,
        db::Db,
        files::{self, FileStore, Spool},
        health::{Component, Health},
        keys::Keys,
        limiter::{Key, Limiter, Turns, network},
        passwords::{Hasher, breached::Breached},
        rounds::Rounds,
    },
    rules::matcher::RuleCache,
    services::model::KeptCategories,
    timers::Timers,
};

/// An open marketplace; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// The source of the time.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
    /// The configuration.
    pub config: Arc<Config>,
    /// The file store.
    pub files: FileStore,
    /// The keys on disk.
    pub keys: Arc<Keys>,
    /// The health of each dependency.
    pub health: Health,
    pub(crate) hasher: Hasher,
    pub(crate) breached: Breached,
    pub(crate) tokens: TokenCache,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) shared: Cluster,
    /// Providers of social login.
    #[cfg(feature = "oidc")]
    pub(crate) oidc: Arc<crate::platform::openid::Providers>,
    /// Turns of uploads in memory, by account.
    pub(crate) uploads: Turns<Option<UserId>>,
    /// Turns of running exports.
    pub(crate) exports: Turns<UserId>,
    /// How far the sealing of older, unsealed files has come: attachments, and pictures.
    pub(crate) sealing: Arc<Mutex<(files::Round, files::Round)>>,
    /// Rounds in which rows of the audit log are sealed, by their entries.
    pub(crate) audit_rounds: Arc<Rounds>,
    pub(crate) wake: broadcast::Sender<()>,
    /// Notes for those who are connected now, here or on other servers.
    pub(crate) notes: broadcast::Sender<Arc<str>>,
    /// Mails that are being sent.
    pub(crate) mailer: Arc<crate::platform::mailer::Mailer>,
    /// What is being sent to the operator's own systems.
    pub(crate) webhooks: Arc<crate::platform::webhooks::Webhooks>,
    /// The state of due work.
    pub(crate) timers: Arc<Timers>,
    /// The rules that texts are held against.
    pub(crate) rules: Arc<RuleCache>,
    /// The categories that services can be of, and when they were read.
    pub(crate) categories: Arc<std::sync::Mutex<KeptCategories>>,
}

impl App {
    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the host name of the public site.
    pub(crate) fn site(&self) -> &str {
        self.config.public_url.host_str().unwrap_or_default()
    }

    /// Returns a receiver that is notified when the event log may have grown. A lost notification loses nothing: read the
    /// log.
    pub fn subscribe(&self) -> broadcast::Receiver<()> {
        self.wake.subscribe()
    }

    /// Returns the requests to Redis since the program started; `None` where none is configured.
    pub fn redis_requests(&self) -> Option<crate::load::Waited> {
        self.shared.requests()
    }

    /// Notifies those who follow the event log that it may have grown. Called after the commit of what appended to it.
    pub fn wake(&self) {
        // Nobody listening is fine.
        let _ = self.wake.send(());
        self.shared.wake();
    }

    /// Returns a receiver of notes for those who are connected now. They are stored nowhere, and may be lost.
    pub fn notes(&self) -> broadcast::Receiver<Arc<str>> {
        self.notes.subscribe()
    }

    /// Sends a note to those who are connected now, here and on other servers.
    pub(crate) async fn pass(&self, note: String) {
        self.shared.pass(&note).await;
        let _ = self.notes.send(note.into());
    }

    /// Exchanges notes, and notifications that the log may have grown, with other servers, for ever: a server runs it beside its
    /// work. Without other servers it does nothing.
    pub async fn hear_others(&self) {
        // Only here: what came from others does not go back to them.
        self.shared
            .carry(|heard| match heard {
                Heard::Look => drop(self.wake.send(())),
                Heard::Note(note) => drop(self.notes.send(note.into())),
            })
            .await;
    }

    /// Checks that requests can be served: the database responds within two seconds. Returns the failing components that
    /// are not needed for that.
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
        let failing = self.health.states().into_iter().filter_map(|state| Some((state.component, state.failing?)));
        let failing: Vec<(Component, String)> = failing.collect();
        if let Some((_, why)) = failing.iter().find(|(component, _)| *component == Component::DatabaseWrites) {
            return Err(Error::unavailable("the database takes no writes just now", why.clone()));
        }
        Ok(failing.into_iter().map(|(component, _)| component).collect())
    }

    /// Creates a place on disk for an incoming upload.
    pub fn spool(&self) -> Spool {
        Spool::new(self.config.data_dir.join("incoming"), self.random.as_ref(), self.health.clone())
    }

    /// Closes the database, after the running writes.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

impl App {
    /// Counts one more call of a class by an account, from any address; staff may make ten times as many. What is left is
    /// recorded for [`recording()`](crate::base::call_context::recording).
    ///
    /// # Errors
    /// `rate_limited` when it is one too many.
    pub async fn admit(&self, class: Class, actor: &Actor) -> Result<()> {
        match actor.user_id() {
            Some(user) => self.limiter.pass(class, Key::Account(user), actor.role().is_staff()).await,
            None => Ok(()),
        }
    }

    /// Notes that something other than a password is being worked on: hashing leaves it a core for the next second.
    pub fn note_work(&self) {
        self.hasher.note_other_work();
    }

    /// Counts one more anonymous call of a class from an address. Otherwise like [`App::admit`].
    ///
    /// # Errors
    /// `rate_limited` when it is one too many.
    pub async fn admit_address(&self, class: Class, ip: IpAddr) -> Result<()> {
        self.limiter.pass(class, Key::Address(network(ip)), false).await
    }
}
