//! Stores incoming bytes outside memory until all of them have arrived: slow senders use a little disk space, and no memory
//! that others wait for.
//!
//! The bytes are in an unnamed file, encrypted with a key that exists in memory only. However the program ends, nothing of
//! them can be read afterwards.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use futures::{Stream, stream};

use crate::{
    base::{
        error::{Error, Result},
        random::{self, Random},
    },
    platform::health::{Component, Health},
};

/// Number of bytes that are encrypted and written at once. An upload that is not longer than this never leaves memory.
const CHUNK: usize = 64 * 1024;
/// Number of bytes by which an encrypted chunk is longer than the plain one.
const TAG: usize = 16;

/// The bytes of an upload; see the module.
pub struct Spool {
    folder: PathBuf,
    health: Health,
    cipher: XChaCha20Poly1305,
    file: Option<File>,
    /// Number of chunks in the file.
    chunks: u64,
    /// The bytes after the last chunk.
    rest: Vec<u8>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spool({} bytes)", self.len())
    }
}

impl Spool {
    /// Creates an empty spool, whose file is created in `folder` (itself created when needed, with mode 0700).
    pub fn new(folder: PathBuf, random: &dyn Random, health: Health) -> Self {
        let cipher = XChaCha20Poly1305::new(&random::bytes::<32>(random).into());
        Self { folder, health, cipher, file: None, chunks: 0, rest: Vec::new() }
    }

    /// Returns how many bytes have arrived.
    pub fn len(&self) -> u64 {
        self.chunks * CHUNK as u64 + self.rest.len() as u64
    }

    /// Returns whether no bytes have arrived.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Returns `unavailable` when the disk does not accept them.
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == CHUNK {
                self.write_chunk().await?;
            }
        }
        Ok(())
    }

    async fn write_chunk(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.rest);
        let (file, folder, cipher) = (self.file.take(), self.folder.clone(), self.cipher.clone());
        let nonce = nonce(self.chunks);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => create(&folder)?,
            };
            cipher.encrypt_in_place(&nonce, b"", &mut chunk).map_err(io::Error::other)?;
            file.write_all(&chunk)?;
            chunk.clear();
            Ok((file, chunk))
        });
        let (file, chunk) = self.checked(written.await.map_err(Error::internal)?)?;
        (self.file, self.rest) = (Some(file), chunk);
        self.chunks += 1;
        Ok(())
    }

    fn checked<T>(&self, outcome: io::Result<T>) -> Result<T> {
        match outcome {
            Ok(done) => {
                self.health.succeeded(Component::Files);
                Ok(done)
            }
            Err(error) => {
                self.health.failed(Component::Files, format!("uploads on their way in: {error}"));
                Err(Error::unavailable("files cannot be taken just now; try again later", error))
            }
        }
    }

    /// Returns all bytes at once, in memory.
    ///
    /// # Errors
    /// Returns `unavailable` when the disk does not return them.
    pub async fn into_bytes(self) -> Result<Vec<u8>> {
        let mut whole = Vec::with_capacity(usize::try_from(self.len()).unwrap_or_default());
        let mut pieces = std::pin::pin!(self.into_pieces());
        while let Some(piece) = stream::StreamExt::next(&mut pieces).await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole)
    }

    /// Returns the bytes as a stream of pieces, from the beginning.
    pub fn into_pieces(mut self) -> impl Stream<Item = Result<Bytes>> + Send {
        let rest = Bytes::from(std::mem::take(&mut self.rest));
        let reader = Reader { chunk: 0, spool: self };
        let written = stream::try_unfold(reader, async |mut reader| {
            let piece = reader.next().await?;
            Ok(piece.map(|piece| (piece, reader)))
        });
        let rest = stream::iter(Some(Ok(rest)).filter(|rest| rest.as_ref().is_ok_and(|rest| !rest.is_empty())));
        stream::StreamExt::chain(written, rest)
    }
}

struct Reader {
    spool: Spool,
    /// The number of the next chunk.
    chunk: u64,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.chunk == self.spool.chunks {
            return Ok(None);
        }
        let Some(mut file) = self.spool.file.take() else { return Ok(None) };
        let (is_first, cipher, nonce) = (self.chunk == 0, self.spool.cipher.clone(), nonce(self.chunk));
        let read = tokio::task::spawn_blocking(move || {
            if is_first {
                file.rewind()?;
            }
            let mut chunk = vec![0; CHUNK + TAG];
            file.read_exact(&mut chunk)?;
            cipher.decrypt_in_place(&nonce, b"", &mut chunk).map_err(io::Error::other)?;
            Ok((file, chunk))
        });
        let (file, chunk) = self.spool.checked(read.await.map_err(Error::internal)?)?;
        self.spool.file = Some(file);
        self.chunk += 1;
        Ok(Some(chunk.into()))
    }
}

/// Returns the nonce of a chunk: its number, as no other text is encrypted with the same key.
fn nonce(chunk: u64) -> XNonce {
    let mut nonce = [0; 24];
    for (to, from) in nonce.iter_mut().zip(chunk.to_le_bytes()) {
        *to = from;
    }
    nonce.into()
}

/// Creates a file that no other program can open, and that disappears when this program ends.
fn create(folder: &Path) -> io::Result<File> {
    if !folder.is_dir() {
        crate::platform::folders::make_private_folder(folder).map_err(io::Error::other)?;
    }
    tempfile::tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use futures::TryStreamExt;

    use super::*;
    use crate::base::random::OsRandom;

    fn spool(folder: &Path) -> Spool {
        Spool::new(folder.join("incoming"), &OsRandom, Health::default())
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_003] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut spool = spool(folder.path());
            for piece in bytes.chunks(7_001) {
                spool.push(piece).await.unwrap();
            }
            assert_eq!(spool.len(), length as u64);
            let back: Vec<Bytes> = spool.into_pieces().try_collect().await.unwrap();
            assert!(back.concat() == bytes, "{length}");
        }
    }

    #[tokio::test]
    async fn nothing_of_it_can_be_read_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = spool(folder.path());
        let secret = b"a passport".repeat(CHUNK);
        spool.push(&secret).await.unwrap();
        let file = spool.file.as_ref().unwrap();
        let facts = file.metadata().unwrap();
        assert_eq!(facts.nlink(), 0, "it has no name");
        assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        let mut written = vec![0; usize::try_from(facts.len()).unwrap()];
        file.read_exact_at(&mut written, 0).unwrap();
        assert!(!written.windows(10).any(|window| window == b"a passport"));
        // Altered bytes are not returned either.
        file.write_all_at(b"x", 100).unwrap();
        let back: Result<Vec<Bytes>> = spool.into_pieces().try_collect().await;
        assert_eq!(back.unwrap_err().code(), crate::base::error::ErrorCode::Unavailable);
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("incoming"), "in the way").unwrap();
        let mut spool = spool(folder.path());
        spool.push(b"short").await.unwrap();
        let error = spool.push(&vec![0; CHUNK]).await.unwrap_err();
        assert_eq!(error.code(), crate::base::error::ErrorCode::Unavailable);
        assert!(!spool.health.works(Component::Files));
    }
}
