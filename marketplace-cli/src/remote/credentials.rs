//! Who we are to a server. Refresh tokens work once, so whoever renews a session must be the only one at it, across
//! threads and processes: a lock file beside the tokens, and a look at the file again once the lock is held.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use marketplace_core::error::{Error, ErrorCode, Result};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// The tokens of a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Sent with every request; short-lived.
    pub access_token: String,
    /// Obtains the next pair; works once.
    pub refresh_token: String,
}
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// Our credentials at a server.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

enum Inner {
    /// None: sufficient only for logging in.
    Anonymous,
    /// An access token from outside, which is not renewed.
    Token(SecretString),
    /// A session kept in memory.
    Memory(Mutex<Option<Tokens>>),
    /// A session kept in a file. The mutex excludes other tasks of this process, the file's lock excludes other
    /// processes.
    File { file: TokenFile, cached: Mutex<Option<Tokens>> },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match *self.0 {
            Inner::Anonymous => "Credentials::Anonymous",
            Inner::Token(_) => "Credentials::Token(…)",
            Inner::Memory(_) => "Credentials::Memory(…)",
            Inner::File { .. } => "Credentials::File(…)",
        })
    }
}

fn log_in() -> Error {
    Error::unauthenticated("you are not logged in to this server")
}

impl Credentials {
    /// Creates credentials without an identity.
    pub fn anonymous() -> Self {
        Self(Arc::new(Inner::Anonymous))
    }
    /// Creates credentials from an access token that is not renewed.
    pub fn token(access_token: impl Into<String>) -> Self {
        Self(Arc::new(Inner::Token(SecretString::from(access_token.into()))))
    }
    /// Creates a session that lives as long as this value; `None` before a log-in.
    pub fn memory(tokens: Option<Tokens>) -> Self {
        Self(Arc::new(Inner::Memory(Mutex::new(tokens))))
    }
    /// Creates a session that is kept in a file.
    pub fn file(file: TokenFile) -> Self {
        Self(Arc::new(Inner::File { file, cached: Mutex::new(None) }))
    }

    pub(super) fn renewable(&self) -> bool {
        matches!(*self.0, Inner::Memory(_) | Inner::File { .. })
    }

    pub(super) async fn access(&self) -> Result<String> {
        match &*self.0 {
            Inner::Anonymous => Err(log_in()),
            Inner::Token(token) => Ok(token.expose_secret().to_owned()),
            Inner::Memory(tokens) => {
                tokens.lock().await.as_ref().map(|tokens| tokens.access_token.clone()).ok_or_else(log_in)
            }
            Inner::File { file, cached } => {
                let mut cached = cached.lock().await;
                if cached.is_none() {
                    *cached = file.read()?;
                }
                cached.as_ref().map(|tokens| tokens.access_token.clone()).ok_or_else(log_in)
            }
        }
    }

    /// Returns the next access token after `stale` expired: from the file if another process was first, otherwise from
    /// `ask`.
    pub(super) async fn renew<F>(&self, stale: &str, ask: impl FnOnce(String) -> F + Send) -> Result<String>
    where
        F: Future<Output = Result<Tokens>> + Send,
    {
        match &*self.0 {
            Inner::Anonymous | Inner::Token(_) => Err(log_in()),
            Inner::Memory(tokens) => {
                let mut tokens = tokens.lock().await;
                let current = tokens.clone().ok_or_else(log_in)?;
                if current.access_token != stale {
                    return Ok(current.access_token);
                }
                let answer = ask(current.refresh_token).await;
                if matches!(&answer, Err(error) if error.code() == ErrorCode::Unauthenticated) {
                    *tokens = None;
                }
                let next = answer?;
                *tokens = Some(next.clone());
                Ok(next.access_token)
            }
            Inner::File { file, cached } => {
                let mut cached = cached.lock().await;
                let _held = file.lock().await?;
                let current = file.read()?.ok_or_else(log_in)?;
                if current.access_token != stale {
                    let access = current.access_token.clone();
                    *cached = Some(current);
                    return Ok(access);
                }
                let answer = ask(current.refresh_token).await;
                if matches!(&answer, Err(error) if error.code() == ErrorCode::Unauthenticated) {
                    file.remove()?;
                    *cached = None;
                }
                let next = answer?;
                file.write(&next)?;
                *cached = Some(next.clone());
                Ok(next.access_token)
            }
        }
    }

    pub(super) async fn replace(&self, tokens: &Tokens) -> Result<()> {
        match &*self.0 {
            Inner::Anonymous | Inner::Token(_) => {}
            Inner::Memory(kept) => *kept.lock().await = Some(tokens.clone()),
            Inner::File { file, cached } => {
                let mut cached = cached.lock().await;
                let _held = file.lock().await?;
                file.write(tokens)?;
                *cached = Some(tokens.clone());
            }
        }
        Ok(())
    }

    pub(super) async fn forget(&self) -> Result<()> {
        match &*self.0 {
            Inner::Anonymous | Inner::Token(_) => {}
            Inner::Memory(kept) => *kept.lock().await = None,
            Inner::File { file, cached } => {
                let mut cached = cached.lock().await;
                let _held = file.lock().await?;
                file.remove()?;
                *cached = None;
            }
        }
        Ok(())
    }
}

/// A file with the tokens of one session, readable by its owner only.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// Creates a handle for a path; neither the file nor its folder need exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Returns whether there is a session.
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    fn failed(&self, doing: &str, error: std::io::Error) -> Error {
        Error::unavailable(format!("cannot {doing} the credentials in {}", self.0.display()), error)
    }

    fn read(&self) -> Result<Option<Tokens>> {
        match std::fs::read(&self.0) {
            // An unreadable file counts as missing: logging in again creates a new one.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn write(&self, tokens: &Tokens) -> Result<()> {
        let bytes = serde_json::to_vec(tokens).map_err(Error::internal)?;
        crate::files::write_private(&self.0, &bytes).map_err(|error| self.failed("keep", error))
    }

    fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed("remove", error)),
            _ => Ok(()),
        }
    }

    /// Waits for the lock, which is released when the returned value is dropped, or with the process.
    async fn lock(&self) -> Result<File> {
        let path = self.0.with_extension("lock");
        let taken = tokio::task::spawn_blocking(move || {
            if let Some(folder) = path.parent() {
                crate::files::private_folder(folder)?;
            }
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            file.flush()?;
            Ok(file)
        });
        taken.await.map_err(Error::internal)?.map_err(|error| self.failed("lock", error))
    }
}
