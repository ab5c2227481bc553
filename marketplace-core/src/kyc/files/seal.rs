//! Encryption at rest: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), a 256-bit key for each attempt, itself encrypted by
//! the master key. Dropping an attempt's wrapped key makes its files unreadable for good, in every backup that has only them.
//!
//! A sealed text is `ciphertext ‖ tag (16 bytes) ‖ nonce (24 bytes)`. The associated data names the attempt and the kind of
//! file, so that a file that was swapped with another in the store or the database does not open.

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use secrecy::{ExposeSecret, SecretBox};

use crate::{
    error::{Error, Result},
    ids::AttemptId,
    kyc::model::FileKind,
    random::{self, Random},
};

const NONCE: usize = 24;
const TAG: usize = 16;
/// By how many bytes a sealed text is longer than the plain one.
pub const OVERHEAD: usize = NONCE + TAG;

/// The key of one attempt's files. Never printed, erased from memory when dropped.
#[derive(Debug)]
pub struct FileKey(SecretBox<[u8; 32]>);

impl FileKey {
    /// A new key.
    pub fn new(random: &dyn Random) -> Self {
        Self(SecretBox::init_with_mut(|key: &mut [u8; 32]| random.fill(key)))
    }
}

/// Encrypts a file in its own memory.
pub fn seal(key: &FileKey, attempt: AttemptId, kind: FileKind, random: &dyn Random, plain: Vec<u8>) -> Result<Vec<u8>> {
    encrypt(key.0.expose_secret(), file_context(attempt, kind).as_bytes(), random, plain)
}

/// Decrypts a file in its own memory. A file that was altered, or belongs elsewhere, is `internal`; the log names the
/// attempt and the kind, never content.
pub fn open(key: &FileKey, attempt: AttemptId, kind: FileKind, sealed: Vec<u8>) -> Result<Vec<u8>> {
    decrypt(key.0.expose_secret(), file_context(attempt, kind).as_bytes(), sealed)
        .ok_or_else(|| Error::internal(format!("kyc_files: the {kind} of attempt {attempt} does not open")))
}

/// Encrypts an attempt's key with the master key.
pub fn wrap_key(master: &[u8; 32], attempt: AttemptId, random: &dyn Random, key: &FileKey) -> Result<Vec<u8>> {
    encrypt(master, key_context(attempt).as_bytes(), random, key.0.expose_secret().to_vec())
}

/// Decrypts an attempt's key. `internal` when it was altered, belongs to another attempt, or the master key is another.
pub fn unwrap_key(master: &[u8; 32], attempt: AttemptId, wrapped: &[u8]) -> Result<FileKey> {
    decrypt(master, key_context(attempt).as_bytes(), wrapped.to_vec())
        .and_then(|key| <[u8; 32]>::try_from(key).ok())
        .map(|key| FileKey(SecretBox::new(Box::new(key))))
        .ok_or_else(|| Error::internal(format!("kyc_attempts: the key of attempt {attempt} does not open")))
}

fn file_context(attempt: AttemptId, kind: FileKind) -> String {
    format!("marketplace/kyc/file/1/{attempt}/{kind}")
}

fn key_context(attempt: AttemptId) -> String {
    format!("marketplace/kyc/key/1/{attempt}")
}

fn encrypt(key: &[u8; 32], context: &[u8], random: &dyn Random, mut text: Vec<u8>) -> Result<Vec<u8>> {
    // 192-bit nonces can be random: a collision is out of reach (the reason for XChaCha).
    let nonce: [u8; NONCE] = random::bytes(random);
    text.reserve_exact(OVERHEAD);
    XChaCha20Poly1305::new(key.into())
        .encrypt_in_place(&XNonce::from(nonce), context, &mut text)
        .map_err(|_| Error::internal("a text is too long to be encrypted"))?;
    text.extend_from_slice(&nonce);
    Ok(text)
}

fn decrypt(key: &[u8; 32], context: &[u8], mut text: Vec<u8>) -> Option<Vec<u8>> {
    let nonce: [u8; NONCE] = *text.last_chunk()?;
    text.truncate(text.len() - NONCE);
    XChaCha20Poly1305::new(key.into()).decrypt_in_place(&XNonce::from(nonce), context, &mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ids::uuid_v7, random::OsRandom, time::Timestamp};

    fn attempt() -> AttemptId {
        AttemptId(uuid_v7(Timestamp::EPOCH, &OsRandom))
    }

    #[test]
    fn encrypts_in_the_same_memory() {
        let (key, attempt) = (FileKey::new(&OsRandom), attempt());
        let mut plain = Vec::with_capacity(1_000 + OVERHEAD);
        plain.resize(1_000, 7);
        let at = plain.as_ptr();
        let sealed = seal(&key, attempt, FileKind::Selfie, &OsRandom, plain).unwrap();
        assert_eq!((sealed.as_ptr(), sealed.len()), (at, 1_000 + OVERHEAD));
        let opened = open(&key, attempt, FileKind::Selfie, sealed).unwrap();
        assert_eq!((opened.as_ptr(), opened), (at, vec![7; 1_000]));
    }

    #[test]
    fn files_cannot_be_swapped() {
        let (key, one, other) = (FileKey::new(&OsRandom), attempt(), attempt());
        let sealed = seal(&key, one, FileKind::Document, &OsRandom, b"passport".to_vec()).unwrap();
        assert!(open(&key, one, FileKind::Document, sealed.clone()).is_ok());
        assert!(open(&key, one, FileKind::Selfie, sealed.clone()).is_err());
        assert!(open(&key, other, FileKind::Document, sealed.clone()).is_err());
        assert!(open(&FileKey::new(&OsRandom), one, FileKind::Document, sealed.clone()).is_err());
        let error = open(&key, other, FileKind::Document, sealed).unwrap_err();
        let log = error.internal_text().unwrap();
        assert!(log.contains("kyc_files") && log.contains(&other.to_string()), "{log}");
        assert!(!error.to_string().contains("kyc_files"));
    }

    #[test]
    fn keys_are_wrapped_for_one_attempt_and_one_master_key() {
        let (master, attempt) = ([1; 32], attempt());
        let key = FileKey::new(&OsRandom);
        let wrapped = wrap_key(&master, attempt, &OsRandom, &key).unwrap();
        let again = unwrap_key(&master, attempt, &wrapped).unwrap();
        assert_eq!(again.0.expose_secret(), key.0.expose_secret());
        assert!(unwrap_key(&[2; 32], attempt, &wrapped).is_err());
        assert!(unwrap_key(&master, super::tests::attempt(), &wrapped).is_err());
        assert!(unwrap_key(&master, attempt, &[]).is_err());
        assert!(!format!("{key:?}").contains("[0-9]"));
        assert_eq!(format!("{key:?}"), "FileKey(SecretBox<[u8; 32]>([REDACTED]))");
    }

    proptest! {
        #[test]
        fn nothing_altered_opens(plain in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let (key, attempt) = (FileKey::new(&OsRandom), attempt());
            let sealed = seal(&key, attempt, FileKind::Document, &OsRandom, plain.clone()).unwrap();
            prop_assert_eq!(open(&key, attempt, FileKind::Document, sealed.clone()).unwrap(), plain);
            let mut altered = sealed.clone();
            altered[at.index(sealed.len())] ^= 1_u8 << bit;
            prop_assert!(open(&key, attempt, FileKind::Document, altered).is_err());
            let cut = sealed[..at.index(sealed.len())].to_vec();
            prop_assert!(open(&key, attempt, FileKind::Document, cut).is_err());
        }
    }
}
