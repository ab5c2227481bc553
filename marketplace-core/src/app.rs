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
        cluster::Cluster,
        config::Config,
        db::Db,
        files::{self, FileStore, Spool},
        health::{Component, Health},
        keys::Keys,
        limiter::{Key, Limiter, Turns, network},
        passwords::{Hasher, breached::Breached},
    },
    timers::Timers,
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
    pub(crate) shared: Cluster,
    /// Providers of social login.
    #[cfg(feature = "oidc")]
    pub(crate) oidc: Arc<crate::platform::openid::Providers>,
    /// Uploads in memory at once, by account.
    pub(crate) uploads: Turns<Option<UserId>>,
    /// Exports under way.
    pub(crate) exports: Turns<UserId>,
    /// How far files from before they were sealed have been: attachments, and pictures.
    pub(crate) sealing: Arc<Mutex<(files::Round, files::Round)>>,
    pub(crate) wake: broadcast::Sender<()>,
    /// Mails under way.
    pub(crate) mailer: Arc<crate::platform::mailer::Mailer>,
    /// How due work goes.
    pub(crate) timers: Arc<Timers>,
}

impl App {
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
    pub fn wake(&self) {
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
        let failing = self.health.states().into_iter().filter_map(|state| Some((state.component, state.failing?)));
        let failing: Vec<(Component, String)> = failing.collect();
        if let Some((_, why)) = failing.iter().find(|(component, _)| *component == Component::DatabaseWrites) {
            return Err(Error::unavailable("the database takes no writes just now", why.clone()));
        }
        Ok(failing.into_iter().map(|(component, _)| component).collect())
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

impl App {
    /// One more call of a class, by an account, wherever it calls from; staff may do ten times as much. `rate_limited` when
    /// it is one too many.
    ///
    /// What is left is noted for whoever waits in [`recording()`](crate::base::call_context::recording).
    pub async fn admit(&self, class: Class, actor: &Actor) -> Result<()> {
        match actor.user_id() {
            Some(user) => self.limiter.pass(class, Key::Account(user), actor.role().is_staff()).await,
            None => Ok(()),
        }
    }

    /// One more call of a class, by nobody in particular, from an address. Like [`App::admit`] otherwise.
    pub async fn admit_address(&self, class: Class, ip: IpAddr) -> Result<()> {
        self.limiter.pass(class, Key::Address(network(ip)), false).await
    }
}
