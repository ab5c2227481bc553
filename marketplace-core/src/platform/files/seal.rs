//! Encryption at rest: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), with a 256-bit key for each [`Owner`] of files, itself
//! encrypted with the master key. Deleting a wrapped key makes its files permanently unreadable, in every backup that
//! contains only the files.
//!
//! A sealed text is `ciphertext ‖ tag (16 bytes) ‖ nonce (24 bytes)`. The associated data names the owner and which of its
//! files it is, so that a file that was swapped with another in the store or the database cannot be decrypted.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use secrecy::{ExposeSecret, SecretBox};

use crate::base::{
    error::{Error, Result},
    ids::{AttachmentId, AttemptId, PhotoId, PictureId},
    random::{self, Random},
};

const NONCE: usize = 24;
const TAG: usize = 16;
/// Folder of files of identity checks.
pub(super) const PREFIX: &str = "kyc";
/// Folder of profile pictures.
pub(super) const PICTURES: &str = "pictures";
/// Folder of files sent in threads.
pub(super) const ATTACHMENTS: &str = "attachments";
/// Folder of photos of services.
pub(super) const PHOTOS: &str = "photos";

/// Number of bytes by which a sealed text is longer than the plain one.
pub const OVERHEAD: usize = NONCE + TAG;

/// The owner of files; each has its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// An identity check: its document and its selfie.
    Attempt(AttemptId),
    /// A file sent in a thread.
    Attachment(AttachmentId),
    /// A profile's picture, in both sizes.
    Picture(PictureId),
    /// A photo of a service, in its three sizes.
    Photo(PhotoId),
}

impl Owner {
    /// Returns the owner's kind, as named in contexts.
    fn kind(self) -> &'static str {
        match self {
            Self::Attempt(_) => "kyc",
            Self::Attachment(_) => "attachment",
            Self::Picture(_) => "picture",
            Self::Photo(_) => "photo",
        }
    }

    /// Returns the folder of the owner's files.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Attempt(_) => super::PREFIX,
            Self::Attachment(_) => super::ATTACHMENTS,
            Self::Picture(_) => super::PICTURES,
            Self::Photo(_) => super::PHOTOS,
        }
    }

    fn id(self) -> uuid::Uuid {
        match self {
            Self::Attempt(id) => id.0,
            Self::Attachment(id) => id.0,
            Self::Picture(id) => id.0,
            Self::Photo(id) => id.0,
        }
    }

    /// Returns the context for which one of the owner's files is sealed.
    fn file_context(self, file: impl fmt::Display) -> String {
        format!("marketplace/{}/file/1/{}/{file}", self.kind(), self.id())
    }

    /// Returns the context for which the owner's key is sealed.
    fn key_context(self) -> String {
        format!("marketplace/{}/key/1/{}", self.kind(), self.id())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Attempt(_) => "attempt",
            Self::Attachment(_) => "attachment",
            Self::Picture(_) => "picture",
            Self::Photo(_) => "photo",
        };
        write!(f, "{kind} {}", self.id())
    }
}

impl From<AttemptId> for Owner {
    fn from(id: AttemptId) -> Self {
        Self::Attempt(id)
    }
}

/// The key of one owner's files. Never printed, and erased from memory when dropped.
#[derive(Debug)]
pub struct FileKey(SecretBox<[u8; 32]>);

impl FileKey {
    /// Creates a random key.
    pub fn new(random: &dyn Random) -> Self {
        Self(SecretBox::init_with_mut(|key: &mut [u8; 32]| random.fill(key)))
    }
}

/// Encrypts one of an owner's files in place.
pub fn seal(
    key: &FileKey,
    owner: impl Into<Owner>,
    file: impl fmt::Display,
    random: &dyn Random,
    plain: Vec<u8>,
) -> Result<Vec<u8>> {
    encrypt(key.0.expose_secret(), owner.into().file_context(file).as_bytes(), random, plain)
}

/// Decrypts a file in place. Returns `internal` for a file that was altered or belongs elsewhere; the log names the owner
/// and the file, never content.
pub fn open(key: &FileKey, owner: impl Into<Owner>, file: impl fmt::Display, sealed: Vec<u8>) -> Result<Vec<u8>> {
    let owner = owner.into();
    decrypt(key.0.expose_secret(), owner.file_context(&file).as_bytes(), sealed)
        .ok_or_else(|| Error::internal(format!("the stored file `{file}` of {owner} does not open")))
}

/// Encrypts an owner's key with the master key.
pub fn wrap_key(master: &[u8; 32], owner: impl Into<Owner>, random: &dyn Random, key: &FileKey) -> Result<Vec<u8>> {
    encrypt(master, owner.into().key_context().as_bytes(), random, key.0.expose_secret().to_vec())
}

/// Decrypts an owner's key. Returns `internal` when it was altered, belongs to another owner, or was encrypted with another
/// master key.
pub fn unwrap_key(master: &[u8; 32], owner: impl Into<Owner>, wrapped: &[u8]) -> Result<FileKey> {
    let owner = owner.into();
    decrypt(master, owner.key_context().as_bytes(), wrapped.to_vec())
        .and_then(|key| <[u8; 32]>::try_from(key).ok())
        .map(|key| FileKey(SecretBox::new(Box::new(key))))
        .ok_or_else(|| Error::internal(format!("the key of {owner} does not open")))
}

fn encrypt(key: &[u8; 32], context: &[u8], random: &dyn Random, mut text: Vec<u8>) -> Result<Vec<u8>> {
    // 192-bit nonces can be random: a collision is practically impossible (the reason for XChaCha).
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
    use crate::{
        base::{ids::uuid_v7, random::OsRandom, time::Timestamp},
        kyc::model::FileKind,
    };

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
        assert!(open(&key, Owner::Attachment(AttachmentId(one.0)), FileKind::Document, sealed.clone()).is_err());
        assert!(open(&FileKey::new(&OsRandom), one, FileKind::Document, sealed.clone()).is_err());
        let error = open(&key, other, FileKind::Document, sealed).unwrap_err();
        let log = error.internal_text().unwrap();
        assert!(log.contains("document") && log.contains(&other.to_string()), "{log}");
        assert!(!error.to_string().contains("document"));
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
