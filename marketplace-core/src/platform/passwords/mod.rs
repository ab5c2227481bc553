//! Password hashing: argon2id, on dedicated threads that leave one core to other work and have a lower priority than all others.
//! Further work is queued up to a limit, per address, and then fails with `busy`: mass logins cannot starve other requests,
//! and logins from other addresses do not wait for them.

pub(crate) mod breached;
mod threads;

use std::{fmt, net::IpAddr, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use tokio::sync::oneshot;
use tracing::Instrument;

use self::threads::Threads;
use crate::{
    accounts::model::Password,
    base::{
        call_context::caller_address,
        error::{Error, Result},
        random::{self, Random},
    },
    platform::{
        config,
        limiter::{Turns, network},
        spans::part,
    },
};

/// Maximum number of hashes that wait for a core.
const QUEUE: usize = 512;

/// How a password matches a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The password does not match.
    No,
    /// It matches in the normalized form in which passwords are compared.
    Prepared,
    /// It matches as it was sent: the hash predates normalization and should be replaced.
    AsSent,
}

/// Hashes passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher {
    argon: Arc<Argon2<'static>>,
    prefix: Arc<str>,
    /// A hash of no password, with the same cost: verified when an address is unknown.
    dummy: Arc<str>,
    threads: Threads,
    /// Turns by address; calls without an address share one key.
    turns: Turns<Option<IpAddr>>,
    random: Arc<dyn Random>,
}

impl Hasher {
    pub(crate) fn new(settings: config::Argon2, random: Arc<dyn Random>) -> Result<Self> {
        let config::Argon2 { memory_kib, iterations, parallelism } = settings;
        let params = Params::new(memory_kib, iterations, parallelism, None)
            .map_err(|error| Error::invalid("/argon2", error.to_string()))?;
        let prefix = format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}$");
        let salt = STANDARD_NO_PAD.encode(random::bytes::<16>(random.as_ref()));
        let output = STANDARD_NO_PAD.encode(random::bytes::<32>(random.as_ref()));
        Ok(Self {
            argon: Arc::new(Argon2::new(Algorithm::Argon2id, Version::V0x13, params)),
            dummy: format!("{prefix}{salt}${output}").into(),
            prefix: prefix.into(),
            threads: Threads::default(),
            // One more than there are threads, so that no thread waits for the next call.
            turns: Turns::new(threads::count() + 1, threads::count() + 1, QUEUE),
            random,
        })
    }

    /// Notes that the program has other work: a core is left to it for a second.
    pub(crate) fn note_other_work(&self) {
        self.threads.note_other_work();
    }

    /// Runs `work` when a thread is free and it is this caller's turn.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = self.turns.take(caller_address().map(network), "too many logins at once; try again").await?;
        let (done, answer) = oneshot::channel();
        self.threads.run(move || {
            // A caller that has gone away in the meantime needs no hash.
            if !done.is_closed() {
                // The caller may also go away during the work.
                let _ = done.send(work());
            }
            drop(turn);
        })?;
        answer.instrument(part!("password.hash")).await.map_err(Error::internal)
    }

    /// Returns the hash of a password in the PHC string format.
    pub(crate) async fn hash(&self, password: Password) -> Result<String> {
        let argon = self.argon.clone();
        let salt = random::bytes::<16>(self.random.as_ref());
        let hash = self
            .run(move || {
                let hash: Result<PasswordHash, _> =
                    argon.hash_password_with_salt(password.prepared().as_bytes(), &salt);
                hash.map(|hash| hash.to_string())
            })
            .await?;
        hash.map_err(Error::internal)
    }

    /// Checks whether the password matches the hash. Without a hash, returns [`Fit::No`] after the same time.
    pub(crate) async fn verify(&self, password: Password, hash: Option<String>) -> Result<Fit> {
        let argon = self.argon.clone();
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.to_string());
        let fit = self
            .run(move || {
                let Ok(hash) = PasswordHash::new(&hash) else { return Fit::No };
                let is = |text: &str| argon.verify_password(text.as_bytes(), &hash).is_ok();
                let prepared = password.prepared();
                if is(&prepared) {
                    Fit::Prepared
                } else if prepared != password.expose() && is(password.expose()) {
                    Fit::AsSent
                } else {
                    Fit::No
                }
            })
            .await?;
        Ok(if known { fit } else { Fit::No })
    }

    /// Returns whether the hash was created with other settings than the current ones.
    pub(crate) fn is_outdated(&self, hash: &str) -> bool {
        !hash.starts_with(&*self.prefix)
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::base::random::OsRandom;

    fn hasher(memory_kib: u32) -> Hasher {
        let settings = config::Argon2 { memory_kib, iterations: 1, parallelism: 1 };
        Hasher::new(settings, Arc::new(OsRandom)).unwrap()
    }

    #[tokio::test]
    async fn the_whole_password_counts() {
        let hasher = hasher(64);
        let long = "é".repeat(128);
        let hash = hasher.hash(Password::new(&*long)).await.unwrap();
        assert_eq!(hasher.verify(Password::new(&*long), Some(hash.clone())).await.unwrap(), Fit::Prepared);
        // Not truncated at 72 bytes, as bcrypt does.
        assert_eq!(hasher.verify(Password::new("é".repeat(127)), Some(hash.clone())).await.unwrap(), Fit::No);
        assert_eq!(hasher.verify(Password::new(&*long), None).await.unwrap(), Fit::No);
        assert!(!hasher.is_outdated(&hash));
        assert!(super::tests::hasher(128).is_outdated(&hash));
    }

    #[tokio::test]
    async fn however_it_is_composed_it_is_the_same_password() {
        let hasher = hasher(64);
        let spellings = [
            "für Ångström im\u{A0}März",
            "fu\u{308}r A\u{30A}ngstro\u{308}m im\u{2003}Ma\u{308}rz",
            "für Ångström im März",
        ];
        for set in spellings {
            let hash = hasher.hash(Password::new(set)).await.unwrap();
            for typed in spellings {
                assert_eq!(hasher.verify(Password::new(typed), Some(hash.clone())).await.unwrap(), Fit::Prepared);
            }
            // Compatibility forms and case are distinguished: ignoring them would weaken passwords.
            for other in ["für Ångström im MÄRZ", "ｆür Ångström im März", "für Ångström  im März"] {
                assert_eq!(hasher.verify(Password::new(other), Some(hash.clone())).await.unwrap(), Fit::No, "{other}");
            }
        }
        // An old hash, of the password as it was sent.
        let (argon, sent) = (hasher.argon.clone(), spellings[1]);
        let old: PasswordHash = argon.hash_password_with_salt(sent.as_bytes(), &[7; 16]).unwrap();
        let old = Some(old.to_string());
        assert_eq!(hasher.verify(Password::new(sent), old.clone()).await.unwrap(), Fit::AsSent);
        assert_eq!(hasher.verify(Password::new(spellings[0]), old).await.unwrap(), Fit::No);
        assert_eq!(hasher.verify(Password::new(sent), None).await.unwrap(), Fit::No);
    }

    #[tokio::test]
    async fn the_dummy_is_a_hash_that_costs_as_much() {
        let hasher = hasher(64);
        assert!(PasswordHash::new(&hasher.dummy).is_ok());
        assert!(!hasher.is_outdated(&hasher.dummy));
    }

    #[tokio::test]
    async fn a_crowd_beyond_the_bound_hears_busy() {
        let hasher = hasher(64);
        let verify = || hasher.verify(Password::new("x"), None);
        let done = futures::future::join_all((0..QUEUE).map(|_| verify())).await;
        let busy = |error: &Error| error.code() == crate::base::error::ErrorCode::Busy;
        assert!(done.iter().any(|done| done.as_ref().is_err_and(busy)));
        assert_eq!(verify().await.unwrap(), Fit::No);
    }

    #[tokio::test]
    async fn a_login_does_not_wait_for_a_crowd_elsewhere() {
        use futures::StreamExt;
        let hasher = hasher(8 * 1024);
        let from = |last: u8| {
            let verify = hasher.verify(Password::new("x"), None);
            crate::base::call_context::recording(Some(IpAddr::from([10, 0, 0, last])), verify)
                .map(move |(done, _)| (last, done))
        };
        let all: futures::stream::FuturesUnordered<_> = (0..60).map(|_| from(1)).collect();
        all.push(from(2));
        let place = all.map(|(last, _)| last).collect::<Vec<_>>().await.iter().position(|last| *last == 2).unwrap();
        assert!(place < 30, "the other one is the {place}th of 61");
    }
}
