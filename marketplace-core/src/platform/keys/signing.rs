//! The keys that sign access tokens: numbered files, of which the newest signs and all verify. A running program detects a
//! new file by itself, so rotating the keys ends no session and needs no restart.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{
    files::{damaged, read_or_make},
    jwt,
};
use crate::base::{
    error::{Error, Result},
    time::Timestamp,
};

/// Minimum interval, in microseconds, between two scans of the folder for an unknown key, as anyone can invent key names.
const LOOK_EVERY: i64 = 1_000_000;
/// Number of retired keys that still verify. An access token lives for minutes, so one would suffice; more cost nothing.
const RETIRED: usize = 2;

/// A key that signs access tokens (EdDSA over Ed25519, RFC 8037).
pub struct SigningKey {
    /// The id of the key in a token's header.
    pub kid: String,
    /// The signing half.
    pub encoding: EncodingKey,
    /// The verifying half.
    pub decoding: DecodingKey,
    /// The public half, 32 bytes.
    public: Vec<u8>,
    file: String,
}

/// The public half of a signing key, as others verify with it (RFC 7517, RFC 8037 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jwk {
    /// `OKP`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub kty: &'static str,
    /// `Ed25519`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub crv: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub usage: &'static str,
    /// `EdDSA`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub alg: &'static str,
    /// Names the key in a token's header.
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

/// The result of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The id of the key that signs from now on.
    pub signs: String,
    /// The ids of the keys that verify earlier tokens.
    pub verify: Vec<String>,
    /// The ids of the removed keys; tokens signed by them are no longer valid.
    pub removed: Vec<String>,
}

/// The keys of a folder, as of the last scan.
pub(crate) struct Ring {
    dir: PathBuf,
    /// Sorted from oldest to newest: the last one signs.
    keys: watch::Sender<Arc<[Arc<SigningKey>]>>,
    looked_at: AtomicI64,
}

impl Ring {
    /// The file of the first key.
    pub const FIRST: &str = "jwt-0001.key";

    /// Reads the keys of a folder, and creates the first one when there is none.
    pub fn open(dir: &Path) -> Result<Self> {
        if names(dir)?.is_empty() {
            make(dir, 1)?;
        }
        Self::read(dir)
    }

    /// Reads the keys of a folder, which may be empty.
    pub fn read(dir: &Path) -> Result<Self> {
        jwt::install();
        let keys = read(dir, &[])?;
        Ok(Self { dir: dir.to_owned(), keys: watch::Sender::new(keys), looked_at: AtomicI64::new(0) })
    }

    /// Returns the file and the id of each key, oldest first.
    pub fn files(&self) -> Vec<(String, String)> {
        self.keys.borrow().iter().map(|key| (key.file.clone(), key.kid.clone())).collect()
    }

    pub fn signer(&self) -> Result<Arc<SigningKey>> {
        self.keys.borrow().last().cloned().ok_or_else(|| Error::internal("there is no signing key"))
    }

    pub fn verifier(&self, kid: &str, now: Timestamp) -> Option<Arc<SigningKey>> {
        self.find(kid).or_else(|| {
            let (now, before) = (now.micros(), self.looked_at.load(Ordering::Relaxed));
            let mine = (now - before).abs() >= LOOK_EVERY
                && self.looked_at.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if mine && let Err(error) = self.refresh() {
                tracing::warn!(%error, "the folder of signing keys cannot be read");
            }
            self.find(kid)
        })
    }

    fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.keys.borrow().iter().find(|key| key.kid == kid).cloned()
    }

    /// Scans the folder again.
    pub fn refresh(&self) -> Result<()> {
        let known = self.keys.borrow().clone();
        if names(&self.dir)?.iter().eq(known.iter().map(|key| &key.file)) {
            return Ok(());
        }
        let keys = read(&self.dir, &known)?;
        if !keys.is_empty() {
            self.keys.send_replace(keys);
        }
        Ok(())
    }

    /// Creates a key that signs from now on, and removes keys older than the retired ones. Its number is above that of
    /// every file in the folder and of `above`, a file that existed before.
    pub fn rotate(&self, above: Option<&str>) -> Result<Rotation> {
        self.refresh()?;
        let newest = self.keys.borrow().last().map(|key| key.file.clone());
        let number = newest.as_deref().into_iter().chain(above).map(number).max().unwrap_or(0);
        make(&self.dir, number.saturating_add(1))?;
        self.refresh()?;
        let keys = self.keys.borrow().clone();
        let (old, kept) = keys.split_at(keys.len().saturating_sub(RETIRED + 1));
        for key in old {
            fs::remove_file(self.dir.join(&key.file)).map_err(|error| failed(&self.dir, error))?;
        }
        self.refresh()?;
        let kid = |key: &Arc<SigningKey>| key.kid.clone();
        let (signs, verify) = kept.split_last().ok_or_else(|| Error::internal("there is no signing key"))?;
        Ok(Rotation {
            signs: kid(signs),
            verify: verify.iter().map(kid).collect(),
            removed: old.iter().map(kid).collect(),
        })
    }

    pub fn public(&self) -> Vec<Jwk> {
        self.keys.borrow().iter().map(|key| key.public()).collect()
    }

    pub fn len(&self) -> usize {
        self.keys.borrow().len()
    }
}

impl SigningKey {
    fn parse(file: &str, text: &str) -> Option<Self> {
        let der = STANDARD.decode(text.trim()).ok()?;
        // Older files are PKCS#8 version 1, which has no public key to compare with.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?;
        let public = pair.public_key().as_ref();
        Some(Self {
            kid: hex::encode(Sha256::digest(public).get(..8)?),
            encoding: EncodingKey::from_ed_der(&der),
            decoding: DecodingKey::from_ed_der(public),
            public: public.to_vec(),
            file: file.to_owned(),
        })
    }

    fn public(&self) -> Jwk {
        let x = URL_SAFE_NO_PAD.encode(&self.public);
        Jwk { kty: "OKP", crv: "Ed25519", usage: "sig", alg: "EdDSA", kid: self.kid.clone(), x }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

fn failed(dir: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("the signing keys in {} cannot be read or made: {error}", dir.display()), error)
}

fn number(file: &str) -> u32 {
    file.trim_start_matches("jwt-").trim_end_matches(".key").parse().unwrap_or(0)
}

/// Returns the names of the key files, oldest first, as names are numbered.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map_err(|error| failed(dir, error))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("jwt-") && Path::new(name).extension().is_some_and(|end| end == "key"))
        .collect();
    names.sort();
    Ok(names)
}

fn make(dir: &Path, number: u32) -> Result<()> {
    let failure = |_| Error::internal("no signing key could be made");
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failure)?;
    let path = dir.join(format!("jwt-{number:04}.key"));
    read_or_make(&path, || STANDARD.encode(der.as_ref())).map(drop).map_err(|error| failed(dir, error))
}

/// Reads all keys of the folder; known ones are not read again.
fn read(dir: &Path, known: &[Arc<SigningKey>]) -> Result<Arc<[Arc<SigningKey>]>> {
    names(dir)?
        .into_iter()
        .map(|name| {
            if let Some(key) = known.iter().find(|key| key.file == name) {
                return Ok(key.clone());
            }
            let path = dir.join(&name);
            let text = fs::read_to_string(&path).map_err(|error| {
                Error::unavailable(format!("the signing key {} cannot be read: {error}", path.display()), error)
            })?;
            SigningKey::parse(&name, &text).map(Arc::new).ok_or_else(|| damaged(&path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_run_notice_a_new_key_and_keep_the_old_ones_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Ring::open(dir.path()).unwrap(), Ring::open(dir.path()).unwrap());
        let first = one.signer().unwrap().kid.clone();
        let rotation = other.rotate(None).unwrap();
        assert_eq!((rotation.verify, rotation.removed), (vec![first.clone()], vec![]));
        let second = rotation.signs;
        assert_eq!(other.signer().unwrap().kid, second);
        // A token of the new key arrives, and the key is found at once without any notification.
        let now = Timestamp::from_micros(10 * LOOK_EVERY);
        assert_eq!(one.verifier(&second, now).unwrap().kid, second);
        assert_eq!(one.verifier(&first, now).unwrap().kid, first);
        assert_eq!(one.signer().unwrap().kid, second);
        // Invented names do not cause repeated scans.
        other.rotate(None).unwrap();
        assert!(one.verifier("made up", now).is_none());
        assert_eq!(one.len(), 2);
        assert_eq!(other.rotate(None).unwrap().removed, std::slice::from_ref(&first));
        one.refresh().unwrap();
        assert!(one.verifier(&first, now).is_none());
        assert_eq!(one.public().iter().map(|key| key.kid.clone()).collect::<Vec<_>>().first(), Some(&second));
    }
}
