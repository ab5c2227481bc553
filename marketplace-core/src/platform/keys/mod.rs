//! The keys that the marketplace stores on disk: the master key, which encrypts (files' keys, waiting mails) and tags the
//! audit log, and the keys that sign access tokens. All are created with a new database, readable by their owner only, and
//! are never created again. [`crate::operations::key_check`] checks whether those on disk are the ones that a database was
//! written with.

use std::{
    fmt, fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use ring::hmac;
use sha2::{Digest, Sha256};

mod files;
pub(crate) mod jwt;
pub(crate) mod signing;

use signing::Ring;

use self::files::{damaged, read_or_make};
use crate::base::{
    error::{Error, Result},
    random::{self, Random},
    time::Timestamp,
};
pub use signing::{Jwk, Rotation, SigningKey};

pub(crate) const MASTER: &str = "master.key";
/// File that exists in the folder once its keys have tagged an audit log.
const LOG_BEGUN: &str = "audit.begun";
const LOG_BEGUN_TEXT: &str = "An audit log is tagged under the keys of this folder. While this file is here, a log without tags is \
                              not taken for one from before; `marketplace db restore` takes it.\n";
/// Size of an XChaCha20 nonce in bytes: long enough to be chosen at random.
const NONCE: usize = 24;

/// The keys of one marketplace.
pub struct Keys {
    master: [u8; 32],
    pub(crate) signing: Ring,
    pub(crate) dir: PathBuf,
}

impl Keys {
    /// Reads the keys of a folder, and creates the folder and the keys when they are missing. Use this only for a database
    /// that was not written with any keys, which `keys::open` checks.
    pub fn open(dir: &Path, random: &dyn Random) -> Result<Self> {
        let failed = |what: &str, error: std::io::Error| {
            Error::unavailable(format!("{what} in {} cannot be read or made: {error}", dir.display()), error)
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| failed("the keys", error))?;
        let text = read_or_make(&dir.join(MASTER), || STANDARD.encode(random::bytes::<32>(random)))
            .map_err(|error| failed("the master key", error))?;
        Ok(Self { master: parse_master(dir, &text)?, signing: Ring::open(dir)?, dir: dir.to_owned() })
    }

    /// Reads the keys of a folder. Creates nothing: a missing master key is an error that names its file.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(MASTER);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(&path),
            _ => Error::unavailable(format!("the master key {} cannot be read: {error}", path.display()), error),
        })?;
        Ok(Self { master: parse_master(dir, &text)?, signing: Ring::read(dir)?, dir: dir.to_owned() })
    }

    /// Returns an identifier of the master key that reveals nothing about it.
    pub fn id(&self) -> String {
        hex::encode(hmac::sign(&self.mac_key(b"marketplace/key id/1"), b"").as_ref().get(..8).unwrap_or_default())
    }

    /// Fails when another folder has a different master key. A folder without one is accepted, as the keys can still be put
    /// there.
    pub(crate) fn require_same(&self, dir: &Path) -> Result<()> {
        if !dir.join(MASTER).exists() {
            return Ok(());
        }
        let other = Self::read(dir)?;
        if other.master == self.master { Ok(()) } else { Err(foreign(&dir.join(MASTER), &self.id(), &other.id())) }
    }

    /// Returns whether an audit log was tagged with these keys before, in any database.
    pub(crate) fn has_begun_log(&self) -> bool {
        self.dir.join(LOG_BEGUN).exists()
    }

    /// Records, outside every database, that these keys tag an audit log. If the folder is not writable, it logs a warning
    /// instead: anyone who controls the database could then pass a log off as one that predates the keys.
    pub(crate) fn remember_log(&self) {
        let path = self.dir.join(LOG_BEGUN);
        if let Err(error) = read_or_make(&path, || LOG_BEGUN_TEXT.to_owned()) {
            tracing::warn!(path = %path.display(), %error, "that the audit log is tagged cannot be remembered beside the keys");
        }
    }

    /// Returns the key that encrypts the keys of files.
    pub fn master(&self) -> &[u8; 32] {
        &self.master
    }

    /// Returns the key that signs new tokens: the newest one.
    pub fn signer(&self) -> Result<Arc<SigningKey>> {
        self.signing.signer()
    }

    /// Returns the key that a token names. An unknown one is looked up on disk, at most once a second, as another program
    /// may have created it.
    pub fn verifier(&self, kid: &str, now: Timestamp) -> Option<Arc<SigningKey>> {
        self.signing.verifier(kid, now)
    }

    /// Loads keys that another program created.
    pub fn refresh(&self) -> Result<()> {
        self.signing.refresh()
    }

    /// Creates a new key that signs from now on. The previous keys still verify, so all sessions stay valid.
    pub(crate) fn rotate(&self) -> Result<Rotation> {
        self.signing.rotate(None)
    }

    /// Returns the public keys, for verifying our tokens.
    pub fn public(&self) -> Vec<Jwk> {
        self.signing.public()
    }

    /// Returns a key for hashes of one purpose, derived from the master key (HMAC as in NIST SP 800-108 §4).
    pub(crate) fn mac_key(&self, purpose: &[u8]) -> hmac::Key {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.master), purpose);
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }

    /// Encrypts a short text; the same `context` is required to decrypt it.
    pub fn seal(&self, context: &[u8], plain: &[u8], random: &dyn Random) -> Result<Vec<u8>> {
        self.seal_with(context, plain, random::bytes::<NONCE>(random))
    }

    fn seal_with(&self, context: &[u8], plain: &[u8], nonce: [u8; NONCE]) -> Result<Vec<u8>> {
        let mut sealed = nonce.to_vec();
        let cipher = XChaCha20Poly1305::new(&Key::from(self.master));
        sealed.extend(
            cipher
                .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: context })
                .map_err(|_| Error::internal("sealing failed"))?,
        );
        Ok(sealed)
    }

    /// Encrypts like [`Keys::seal`], but deterministically: for cursors, which may be compared. The nonce is derived from
    /// key and text (a synthetic IV, as in RFC 5297), so it reveals only whether two texts are equal.
    pub fn seal_same(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let digest = Sha256::new().chain_update(self.master).chain_update(context).chain_update(plain).finalize();
        self.seal_with(context, plain, digest.first_chunk().copied().unwrap_or([0; NONCE]))
    }

    /// Decrypts the result of [`Keys::seal`] or [`Keys::seal_same`].
    pub fn open_sealed(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let wrong = || Error::internal("a sealed text was made with another key, or altered");
        let (nonce, text) = sealed.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        XChaCha20Poly1305::new(&Key::from(self.master))
            .decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: context })
            .map_err(|_| wrong())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} to sign)", self.signing.len())
    }
}

fn parse_master(dir: &Path, text: &str) -> Result<[u8; 32]> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| damaged(&dir.join(MASTER)))
}

pub(crate) fn missing(path: &Path) -> Error {
    Error::unavailable(
        format!(
            "the key {} is missing, and this database was written with it; restore it from a backup, or name the folder that \
             has it: keys_dir, or MARKETPLACE_KEYS_DIR",
            path.display()
        ),
        "a key that was used is missing",
    )
}

/// Returns the error for a key that is not the one that a database was written with.
pub(crate) fn foreign(path: &Path, wanted: &str, found: &str) -> Error {
    let detail = format!(
        "{} is another key ({found}) than this database was written with ({wanted}); restore the right one from a backup",
        path.display()
    );
    Error::unavailable(detail, "a foreign key")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::random::OsRandom;

    #[test]
    fn keys_are_made_once_and_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let first = Keys::open(&path, &OsRandom).unwrap();
        let again = Keys::open(&path, &OsRandom).unwrap();
        assert_eq!(first.master(), again.master());
        assert_eq!(first.signer().unwrap().kid, again.signer().unwrap().kid);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for entry in fs::read_dir(&path).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        fs::write(path.join(MASTER), "junk").unwrap();
        assert!(Keys::open(&path, &OsRandom).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn sealed_texts_open_only_in_their_context() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), &OsRandom).unwrap();
        let sealed = keys.seal(b"mail", b"secret", &OsRandom).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(keys.open_sealed(b"mail", &sealed).unwrap(), b"secret");
        assert_eq!(keys.seal_same(b"x", b"secret").unwrap(), keys.seal_same(b"x", b"secret").unwrap());
        assert_eq!(keys.open_sealed(b"x", &keys.seal_same(b"x", b"secret").unwrap()).unwrap(), b"secret");
        assert!(keys.open_sealed(b"file", &sealed).is_err());
        assert!(keys.open_sealed(b"mail", &sealed[..10]).is_err());
    }
}
