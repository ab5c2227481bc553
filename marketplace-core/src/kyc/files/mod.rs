//! The files of identity checks: what is taken ([`inspect()`]), how it is encrypted ([`seal()`]), where it lies ([`FileStore`]).
//!
//! An upload lies outside memory until all of it has come ([`Spool`]). Then a file is held in memory once: the upload's own
//! bytes are inspected, encrypted in place and handed to the store. How many are held at once is bounded by [`super::submit_permit`], and how many are decoded by the store.

mod inspect;
mod scan;
mod seal;
mod spool;

pub use inspect::{FileFacts, MAX_DECODED, MAX_SIDE, Wanted, inspect};
pub use seal::{FileKey, OVERHEAD, open, seal, unwrap_key, wrap_key};
pub use spool::Spool;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};
use tokio::sync::Semaphore;
use url::Url;

use super::model::MAX_FILE;
use crate::{
    error::{Error, Result},
    random::{self, Random},
    time::Timestamp,
};

/// Below these every object lies: files of identity checks, pictures, files sent in threads.
const FOLDERS: [&str; 3] = [PREFIX, "pictures", "attachments"];
/// Files of identity checks.
const PREFIX: &str = "kyc";
/// Files that are decoded at the same time.
const DECODERS: usize = 2;
/// What a file may take at most while it is decoded, in MiB.
const DECODED_MIB: u32 = 158;
const _: () = assert!(MAX_DECODED >> 20 < DECODED_MIB as u64);
/// What all of them may take together: a large one is decoded alone.
const ALL_DECODED_MIB: u32 = 192;
/// How often objects without a row are looked for: they come from programs that died in the middle of a submission.
const SWEEP_EVERY: Duration = Duration::from_hours(6);

/// Where encrypted files lie: a local folder, or a bucket when the build has the feature `s3`. Cheap to clone.
#[derive(Clone)]
pub struct FileStore {
    store: Arc<dyn ObjectStore>,
    /// What comes before `kyc/` in a bucket; empty for a folder.
    base: Path,
    decoders: Arc<Semaphore>,
    /// MiB for what is decoded.
    memory: Arc<Semaphore>,
    scanner: scan::Scanner,
    swept: Arc<Mutex<Option<Timestamp>>>,
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileStore({})", self.store)
    }
}

impl FileStore {
    /// Opens `file://<folder>` (relative to the working directory, or absolute; created with mode 0700) or
    /// `s3://<bucket>/<prefix>` (credentials and region from the usual `AWS_…` variables).
    ///
    /// Errors: `invalid` for another URL, or `s3://` in a build without it; `unavailable` when the folder cannot be made.
    pub fn open(files_url: &str) -> Result<Self> {
        let (store, base): (Arc<dyn ObjectStore>, Path) = match files_url.split_once("://") {
            Some(("file", folder)) => (Arc::new(local(folder)?), Path::default()),
            Some(("s3", _)) => bucket(files_url)?,
            _ => return Err(wrong("must be file://<folder> or s3://<bucket>/<prefix>")),
        };
        let decoders = Arc::new(Semaphore::new(DECODERS));
        let memory = Arc::new(Semaphore::new(ALL_DECODED_MIB as usize));
        Ok(Self { store, base, decoders, memory, scanner: scan::Scanner::default(), swept: Arc::default() })
    }

    /// From now on what comes in is shown to the virus scanner at that address.
    pub(crate) fn scanned_by(self, clamd: Option<&str>) -> Self {
        Self { scanner: scan::Scanner::at(clamd), ..self }
    }

    /// Inspects a file on a blocking thread, a few at a time, cuts off what was appended to it, and asks the virus scanner
    /// where there is one. Errors: see [`inspect()`]; `unavailable` while the scanner does not answer.
    pub async fn inspected(
        &self,
        wanted: impl Into<Wanted> + Send + 'static,
        mut bytes: Vec<u8>,
    ) -> Result<(FileFacts, Vec<u8>)> {
        let wanted = wanted.into();
        let inspected = self.decoding_within(decoded_mib(&bytes), move || {
            let facts = inspect(wanted, &bytes)?;
            bytes.truncate(facts.length);
            Ok((facts, bytes))
        });
        let (facts, bytes) = inspected.await?;
        self.scanner.check(wanted, &bytes).await?;
        Ok((facts, bytes))
    }

    /// Runs what decodes a picture on a blocking thread, a few at a time, as each may take [`MAX_DECODED`] bytes.
    pub(crate) async fn decoding<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.decoding_within(DECODED_MIB, work).await
    }

    /// Like [`FileStore::decoding`], for what takes no more than so many MiB.
    async fn decoding_within<T: Send + 'static>(
        &self,
        mib: u32,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let memory = Arc::clone(&self.memory).acquire_many_owned(mib).await.map_err(Error::internal)?;
        let turn = Arc::clone(&self.decoders).acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            // Not before the work is done, even when nobody waits for it any more.
            drop((memory, turn));
            done
        })
        .await
        .map_err(Error::internal)?
    }

    /// Stores bytes under a new random key, and answers the key. Durable when it answers.
    pub async fn put(&self, random: &dyn Random, bytes: Vec<u8>) -> Result<String> {
        self.put_in(PREFIX, random, bytes).await
    }

    /// Like [`FileStore::put`], for a picture that anybody may see.
    pub(crate) async fn put_picture(&self, random: &dyn Random, bytes: Vec<u8>) -> Result<String> {
        self.put_in("pictures", random, bytes).await
    }

    /// Like [`FileStore::put`], for a file sent in a thread.
    pub(crate) async fn put_attachment(&self, random: &dyn Random, bytes: Vec<u8>) -> Result<String> {
        self.put_in("attachments", random, bytes).await
    }

    async fn put_in(&self, kind: &str, random: &dyn Random, bytes: Vec<u8>) -> Result<String> {
        let key = new_key(kind, random);
        self.put_as(&key, bytes).await?;
        Ok(key)
    }

    /// Stores bytes under a key of [`new_key`]. Durable when it answers.
    pub async fn put_as(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        self.store.put(&self.path(key)?, Bytes::from(bytes).into()).await.map_err(unreachable_store)?;
        Ok(())
    }

    /// The bytes under a key. A missing or oversized object is a fault of ours: rows name only what was put.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>> {
        let found = match self.store.get(&self.path(key)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::internal(format!("object {key} is missing")));
            }
            Err(error) => return Err(unreachable_store(error)),
        };
        if found.meta.size > MAX_FILE + OVERHEAD as u64 {
            return Err(Error::internal(format!("object {key} has {} bytes", found.meta.size)));
        }
        found.bytes().await.map(Vec::from).map_err(unreachable_store)
    }

    /// Deletes an object; one that is already gone is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unreachable_store(error)),
        }
    }

    /// Keys of objects that were last written before `before`, by the store's own clock, in no particular order.
    pub fn list_before(&self, before: Timestamp) -> Result<BoxStream<'static, Result<String>>> {
        let mut listed = Vec::with_capacity(FOLDERS.len());
        for folder in FOLDERS {
            let base = self.base.clone();
            let objects = self.store.list(Some(&self.path(folder)?)).map_err(unreachable_store);
            listed.push(objects.try_filter_map(move |object| {
                let old = object.last_modified.timestamp_micros() < before.micros();
                let key = object.location.prefix_match(&base).filter(|_| old);
                future::ready(Ok(
                    key.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
                ))
            }));
        }
        Ok(stream::iter(listed).flatten().boxed())
    }

    /// Whether objects without a row should be looked for again: every six hours, and first so long after the start.
    pub fn sweep_is_due(&self, now: Timestamp) -> bool {
        let mut last = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_some_and(|last| now.since(last) >= SWEEP_EVERY);
        if due || last.is_none() {
            *last = Some(now);
        }
        due
    }

    fn path(&self, key: &str) -> Result<Path> {
        let key = Path::parse(key).map_err(|error| Error::internal(format!("bad object key: {error}")))?;
        Ok(self.base.parts().chain(key.parts()).collect())
    }
}

/// A new random key below `prefix`. What lies below the prefix of identity checks and has no row there is swept; elsewhere,
/// rows are written before objects.
pub fn new_key(prefix: &str, random: &dyn Random) -> String {
    let name = hex::encode(random::bytes::<16>(random));
    let folder = name.get(..2).unwrap_or_default();
    format!("{prefix}/{folder}/{name}")
}

fn wrong(detail: &str) -> Error {
    Error::invalid("/files_url", detail)
}

fn unreachable_store(error: object_store::Error) -> Error {
    Error::unavailable("the file store does not answer; try again shortly", error)
}

/// What a picture takes in memory while it is decoded, by what its head says; the least for what is no picture.
fn decoded_mib(bytes: &[u8]) -> u32 {
    /// Four channels of 16 bits.
    const PIXEL: u64 = 8;
    let reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().ok();
    let (width, height) = reader.and_then(|reader| reader.into_dimensions().ok()).unwrap_or_default();
    let mib = (u64::from(width) * u64::from(height) * PIXEL) >> 20;
    u32::try_from(mib).unwrap_or(u32::MAX).clamp(1, DECODED_MIB)
}

/// The folder of a `file://` URL, percent-decoded, made if need be.
fn local(folder: &str) -> Result<LocalFileSystem> {
    let here = std::env::current_dir().map_err(|error| Error::unavailable("the working directory is gone", error))?;
    let path: PathBuf = Url::from_directory_path(here)
        .ok()
        .and_then(|here| here.join(folder).ok())
        .filter(|url| !folder.is_empty() && url.scheme() == "file" && url.query().is_none() && url.fragment().is_none())
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| wrong("must name a folder, such as file://data/files or file:///srv/files"))?;
    let cannot = |error: std::io::Error| {
        Error::unavailable(format!("the folder {} for files cannot be made or read", path.display()), error)
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for folder in FOLDERS {
        builder.create(path.join(folder)).map_err(cannot)?;
    }
    LocalFileSystem::new_with_prefix(&path)
        .map(|store| store.with_fsync(true))
        .map_err(|error| cannot(std::io::Error::other(error)))
}

#[cfg(feature = "s3")]
fn bucket(url: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let parsed = Url::parse(url).map_err(|_| wrong("must be s3://<bucket>/<prefix>"))?;
    let store = object_store::aws::AmazonS3Builder::from_env()
        .with_url(url)
        .build()
        .map_err(|error| Error::unavailable("the bucket of files_url cannot be used", error))?;
    let base = Path::from_url_path(parsed.path()).map_err(|_| wrong("has a prefix that is no object path"))?;
    Ok((Arc::new(store), base))
}

#[cfg(not(feature = "s3"))]
fn bucket(_: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
    Err(wrong("names an s3:// bucket, but this build has no S3; use the server, or build with the feature `s3`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::OsRandom,
        time::{Clock, SystemClock},
    };

    fn store() -> (tempfile::TempDir, FileStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(&format!("file://{}/new files", folder.path().display())).unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn puts_gets_lists_and_deletes() {
        let (_folder, store) = store();
        let key = store.put(&OsRandom, b"sealed".to_vec()).await.unwrap();
        let other = store.put(&OsRandom, b"sealed".to_vec()).await.unwrap();
        assert_ne!(key, other);
        assert_eq!((key.len(), key.get(..4)), (39, Some("kyc/")));
        assert_eq!(store.get(&key).await.unwrap(), b"sealed");
        let now = SystemClock.now();
        let before = async |at| store.list_before(at).unwrap().try_collect::<Vec<String>>().await.unwrap();
        let mut keys = before(now + Duration::from_mins(1)).await;
        keys.sort();
        let mut expected = vec![key.clone(), other];
        expected.sort();
        assert_eq!(keys, expected);
        assert!(before(now - Duration::from_hours(1)).await.is_empty());
        store.delete(&key).await.unwrap();
        store.delete(&key).await.unwrap();
        assert!(store.get(&key).await.unwrap_err().internal_text().unwrap().contains("missing"));
    }

    #[tokio::test]
    async fn no_key_leaves_the_folder() {
        let (folder, store) = store();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        for key in ["../secret", "kyc/../../secret", "/../secret", "kyc/../secret"] {
            assert!(store.get(key).await.is_err(), "{key}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_gets_into_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, _store) = store();
        for made in ["new files", "new files/kyc"] {
            let mode = std::fs::metadata(folder.path().join(made)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
    }

    #[test]
    fn says_what_a_files_url_is() {
        for url in ["", "data/files", "ftp://x", "file://", "file://a?b", "file://a#b"] {
            let error = FileStore::open(url).unwrap_err();
            assert_eq!(error.fields().first().map(|field| field.pointer.as_str()), Some("/files_url"), "{url}");
        }
        #[cfg(not(feature = "s3"))]
        assert!(FileStore::open("s3://bucket/prefix").unwrap_err().detail().contains("this build has no S3"));
    }
}
