//! Files: which are accepted ([`inspect()`]), how pictures lose their metadata, how each is encrypted ([`seal()`]), and
//! where they are stored ([`FileStore`]).
//!
//! An upload is kept outside memory until it has arrived completely ([`Spool`]). Then the file is held in memory once: the
//! upload's own bytes are inspected, encrypted in place and passed to the store. [`crate::kyc::submit_permit`] bounds how
//! many are held at once, and the store how many are decoded.

mod clean;
mod depot;
mod inspect;
mod parts;
mod scan;
mod seal;
mod spool;

pub(crate) use clean::{Cleaned, clean, decoder, upright, write_jpeg};
pub use depot::ObjectKey;
pub(crate) use depot::{Depot, Digest, Entry, Location, SHELVES, Trouble};
pub use inspect::{Expected, FileFacts, MAX_DECODED, MAX_DECODING, MAX_FILE, MAX_SIDE, MIN_SIDE, inspect};
pub use seal::{FileKey, OVERHEAD, Owner, open, seal, unwrap_key, wrap_key};
pub use spool::Spool;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};
use tokio::sync::Semaphore;
use url::Url;

use self::seal::{ATTACHMENTS, PHOTOS, PICTURES, PREFIX};
use crate::{
    base::{
        error::{Error, ErrorCode, Result},
        random::{self, Random},
        time::Timestamp,
    },
    platform::{
        health::{self, Component, Health},
        keys::Keys,
        slots::{Hanging, Slots},
    },
};

/// Every object is stored below one of these folders.
const FOLDERS: [&str; 4] = [PREFIX, PICTURES, ATTACHMENTS, PHOTOS];
/// Maximum number of files decoded at the same time, however small.
const DECODERS: u64 = 4;
/// Interval of the sweep for objects without a row, which are left by programs that died in the middle of a submission.
const SWEEP_EVERY: Duration = Duration::from_hours(6);
/// Time limit of a call to the store, so that uploads and downloads get a response within 10 s.
const PATIENCE: Duration = Duration::from_secs(8);
/// Maximum number of concurrent writes; each holds a file in memory, even while the store hangs.
const WRITES: usize = 8;
/// Maximum number of concurrent reads.
const READS: usize = 32;
/// Maximum number of concurrent deletions.
const DELETIONS: usize = 8;

/// The store of encrypted files: a local folder, or a bucket when the build has the feature `s3`. Cheap to clone.
#[derive(Clone)]
pub struct FileStore {
    store: Arc<dyn ObjectStore>,
    /// The prefix before `kyc/` in a bucket; empty for a folder.
    base: Path,
    /// The folder, if the store is one.
    folder: Option<PathBuf>,
    /// Memory available for decoding, in MiB.
    decoding: Arc<Semaphore>,
    writes: Slots,
    reads: Slots,
    deletions: Slots,
    hanging: Hanging,
    health: Health,
    scanner: scan::Scanner,
    swept: Arc<Mutex<Option<Timestamp>>>,
}

/// Converts bytes to MiB, rounded up.
fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX)
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
    /// # Errors
    /// Returns `invalid` for another URL, or for `s3://` in a build without it, and `unavailable` when the folder cannot be
    /// created.
    pub fn open(files_url: &str) -> Result<Self> {
        Self::open_or_make(files_url, true)
    }

    /// Opens a store to read from it. Makes no folder: a missing one holds nothing.
    pub fn open_to_read(files_url: &str) -> Result<Self> {
        Self::open_or_make(files_url, false)
    }

    fn open_or_make(files_url: &str, is_made: bool) -> Result<Self> {
        let (store, base, folder): (Arc<dyn ObjectStore>, Path, Option<PathBuf>) = match files_url.split_once("://") {
            Some(("file", folder)) => {
                let folder = folder_of(folder)?
                    .ok_or_else(|| wrong("must name a folder, such as file://data/files or file:///srv/files"))?;
                let (store, base) = local(&folder, is_made)?;
                (Arc::new(store), base, Some(folder))
            }
            Some(("s3", _)) => {
                let (store, base) = bucket(files_url, PATIENCE)?;
                (store, base, None)
            }
            _ => return Err(wrong("must be file://<folder> or s3://<bucket>/<prefix>")),
        };
        let slots = |count| Slots::new(count, PATIENCE, AWAY);
        Ok(Self {
            store,
            base,
            folder,
            decoding: Arc::new(Semaphore::new(usize::try_from(mebibytes(MAX_DECODING)).unwrap_or(usize::MAX))),
            writes: slots(WRITES),
            reads: slots(READS),
            deletions: slots(DELETIONS),
            hanging: Hanging::default(),
            health: Health::default(),
            scanner: scan::Scanner::default(),
            swept: Arc::default(),
        })
    }

    /// Sets where the health of the store is recorded.
    pub(crate) fn reporting_to(self, health: Health) -> Self {
        Self { health, ..self }
    }

    /// Sets the address of the virus scanner that checks incoming files.
    pub(crate) fn scanned_by(self, clamd: Option<&str>) -> Self {
        Self { scanner: scan::Scanner::at(clamd), ..self }
    }

    /// Inspects a file on a blocking thread, a few at a time, cuts off what was appended to it, and has it checked by the
    /// virus scanner, if there is one.
    ///
    /// # Errors
    /// Returns the errors of [`inspect()`], and `unavailable` while the scanner does not respond.
    pub async fn inspected(
        &self,
        wanted: impl Into<Expected> + Send + 'static,
        bytes: Vec<u8>,
    ) -> Result<(FileFacts, Vec<u8>)> {
        let wanted = wanted.into();
        let inspected = self.decoding(bytes, move |mut bytes| {
            let facts = inspect(wanted, &bytes)?;
            bytes.truncate(facts.length);
            Ok((facts, bytes))
        });
        let (facts, bytes) = inspected.await?;
        let scanned = self.scanner.check(wanted, &bytes).await;
        match &scanned {
            Err(error) if error.code() == ErrorCode::Unavailable => {
                self.health.failed(Component::Scanner, error.internal_text().unwrap_or_default());
            }
            _ => self.health.succeeded(Component::Scanner),
        }
        scanned?;
        Ok((facts, bytes))
    }

    /// Runs work that decodes a picture on a blocking thread. [`MAX_DECODING`] bounds the total memory, so that a large
    /// picture is decoded alone.
    pub(crate) async fn decoding<T: Send + 'static>(
        &self,
        bytes: Vec<u8>,
        work: impl FnOnce(Vec<u8>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let measured = tokio::task::spawn_blocking(move || (inspect::memory_needed(&bytes), bytes));
        let (needed, bytes) = measured.await.map_err(Error::internal)?;
        let share = mebibytes(needed.clamp(MAX_DECODING / DECODERS, MAX_DECODING));
        let turn = Arc::clone(&self.decoding).acquire_many_owned(share).await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            let done = work(bytes);
            // Released only when the work is done, even if the caller no longer waits for it.
            drop(turn);
            done
        })
        .await
        .map_err(Error::internal)?
    }

    /// Stores a sealed file of an identity check under a new random key, and returns the key. Durable when it returns.
    pub async fn put(&self, random: &dyn Random, bytes: Vec<u8>) -> Result<String> {
        self.put_in(PREFIX, random, bytes).await
    }

    async fn put_in(&self, kind: &str, random: &dyn Random, bytes: Vec<u8>) -> Result<String> {
        let key = new_key(kind, random);
        self.put_as(&key, bytes).await?;
        Ok(key)
    }

    /// Seals the files of an owner, each with its name, with a new key, and stores them. Durable when it returns; if one of
    /// the files cannot be stored, none is kept.
    ///
    /// # Errors
    /// Returns `unavailable` when the store cannot accept them, and `internal` when they cannot be sealed.
    pub async fn put_sealed(
        &self,
        keys: &Keys,
        random: &Arc<dyn Random>,
        owner: Owner,
        files: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<Sealed> {
        let key = FileKey::new(random.as_ref());
        let wrapped_key = wrap_key(keys.master(), owner, random.as_ref(), &key)?;
        let drawn = Arc::clone(random);
        let sealed = tokio::task::spawn_blocking(move || {
            let seal = |(name, bytes)| seal(&key, owner, name, drawn.as_ref(), bytes);
            files.into_iter().map(seal).collect::<Result<Vec<_>>>()
        });
        let sealed = sealed.await.map_err(Error::internal)??;
        // Concurrently, so that the timeout of a store that hangs is spent only once.
        let puts = sealed.into_iter().map(|bytes| self.put_in(owner.folder(), random.as_ref(), bytes));
        let (mut object_keys, mut failure) = (Vec::new(), None);
        for outcome in future::join_all(puts).await {
            match outcome {
                Ok(key) => object_keys.push(key),
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            self.discard(object_keys);
            return Err(error);
        }
        Ok(Sealed { wrapped_key, object_keys })
    }

    /// Reads and decrypts a file of an owner. A file without a wrapped key predates encryption and is returned as stored.
    pub(crate) async fn get_opened(
        &self,
        keys: &Keys,
        owner: Owner,
        name: &'static str,
        object_key: &str,
        wrapped_key: Option<&[u8]>,
    ) -> Result<Vec<u8>> {
        let Some(wrapped_key) = wrapped_key else { return self.get(object_key).await };
        let key = unwrap_key(keys.master(), owner, wrapped_key)?;
        let sealed = self.get(object_key).await?;
        tokio::task::spawn_blocking(move || open(&key, owner, name, sealed)).await.map_err(Error::internal)?
    }

    /// Stores bytes under a key of [`new_key`]. Durable when it returns.
    pub async fn put_as(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        self.require_answers()?;
        let (this, path) = (self.clone(), self.path(key)?);
        let done = self.writes.run(async move {
            // A file written below a mount point while the mount is missing would be hidden once it is back.
            this.require_folder().await?;
            this.store.put(&path, Bytes::from(bytes).into()).await.map(drop).map_err(unreachable_store)
        });
        self.observed(done).await
    }

    /// Returns the bytes under a key. A missing or oversized object is a bug in this program, as rows name only stored
    /// objects.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>> {
        self.require_answers()?;
        let (this, path, name) = (self.clone(), self.path(key)?, key.to_owned());
        let done = self.reads.run(async move {
            let found = match this.store.get(&path).await {
                Ok(found) => found,
                Err(object_store::Error::NotFound { .. }) => {
                    this.require_folder().await?;
                    return Err(Error::internal(format!("object {name} is missing")));
                }
                Err(error) => return Err(unreachable_store(error)),
            };
            if found.meta.size > MAX_FILE + OVERHEAD as u64 {
                return Err(Error::internal(format!("object {name} has {} bytes", found.meta.size)));
            }
            found.bytes().await.map(Vec::from).map_err(unreachable_store)
        });
        self.observed(done).await
    }

    /// Deletes an object. An object that is already gone is not an error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let (this, path) = (self.clone(), self.path(key)?);
        let done = self.deletions.run(async move {
            match this.store.delete(&path).await {
                Ok(()) => Ok(()),
                Err(object_store::Error::NotFound { .. }) => this.require_folder().await,
                Err(error) => Err(unreachable_store(error)),
            }
        });
        done.await
    }

    /// Deletes objects that are not needed after all, in the background. The sweep finds those that cannot be deleted now.
    pub(crate) fn discard(&self, keys: impl IntoIterator<Item = String>) {
        for key in keys {
            let this = self.clone();
            tokio::spawn(async move {
                if let Err(error) = this.delete(&key).await {
                    health::log_failure(&error, "a file that nobody needs stays until the next sweep");
                }
            });
        }
    }

    /// Records the outcome of using the store. Deletions are not recorded: one file that cannot be deleted says nothing
    /// about the others, and their own timer counts them.
    async fn observed<T>(&self, using: impl Future<Output = Result<T>>) -> Result<T> {
        let recoveries = self.health.recoveries(Component::Files);
        let done = using.await;
        match &done {
            Err(error) if error.code() == ErrorCode::Unavailable => {
                let reason = error.internal_text().unwrap_or_default();
                self.health.failed_since(Component::Files, recoveries, reason);
                if Slots::was_late(error) && self.health.recoveries(Component::Files) == recoveries {
                    let this = self.clone();
                    self.hanging.watch(move || this.clone().answers());
                }
            }
            // A store that reports a missing or broken object works.
            _ => self.health.succeeded(Component::Files),
        }
        done
    }

    /// Returns `unavailable` at once while the store is known to hang, so that no caller waits for it, or for memory, in
    /// vain.
    fn require_answers(&self) -> Result<()> {
        if self.hanging.is_so() { Err(Error::unavailable(AWAY, "it hangs")) } else { Ok(()) }
    }

    /// Returns whether the store responds within a moment, even with an error.
    async fn answers(self) -> bool {
        let begin = Instant::now();
        let Ok(path) = self.path(PREFIX) else { return true };
        let answer = self.store.head(&path).await;
        matches!(answer, Ok(_) | Err(object_store::Error::NotFound { .. })) || begin.elapsed() < Duration::from_secs(2)
    }

    /// Returns whether it is in a folder that nobody has made yet.
    pub(crate) fn is_new(&self) -> bool {
        self.folder.as_ref().is_some_and(|folder| !folder.exists())
    }

    /// Returns `unavailable` when the folder is not the one that was opened: a missing mount leaves an empty folder.
    async fn require_folder(&self) -> Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let look = tokio::task::spawn_blocking(move || folder.join(PREFIX).is_dir());
        if look.await.map_err(Error::internal)? {
            Ok(())
        } else {
            Err(Error::unavailable(AWAY, "the folder is not the one that was opened: is it mounted?"))
        }
    }

    /// Lists the keys of objects last written before `before`, by the store's own clock, in no particular order.
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

    /// Returns whether the sweep for objects without a row is due: every six hours, the first time six hours after the
    /// start.
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

/// The stored files of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key of the files, encrypted with the master key.
    pub wrapped_key: Vec<u8>,
    /// The object key of each file, in the order in which the files were given.
    pub object_keys: Vec<String>,
}

/// Progress of a pass over the files that are still stored unencrypted from earlier releases. A file that cannot be read
/// does not stop the pass; it is retried in the next round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The last file that was examined.
    pub after: uuid::Uuid,
    /// Whether no files follow it.
    pub over: bool,
    /// When the next round begins.
    begins_at: Option<Timestamp>,
}

/// Pause between two rounds.
const ROUND_EVERY: Duration = Duration::from_mins(10);

impl Round {
    /// Returns whether there may be something to do.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        if self.over {
            *self = Self { begins_at: Some(now + ROUND_EVERY), ..Self::default() };
        }
        self.begins_at.is_none_or(|at| at <= now)
    }

    /// Continues with the next file, whatever the outcome of this one, unless the store or the database does not respond:
    /// then all would fail.
    pub fn step(&mut self, id: uuid::Uuid, outcome: Result<bool>) -> Result<u64> {
        let done = match outcome {
            Ok(done) => u64::from(done),
            Err(error) if error.code() == ErrorCode::Internal => {
                tracing::warn!(file = %id, ?error, "a file from before stays in the clear");
                0
            }
            Err(error) => return Err(error),
        };
        self.after = id;
        Ok(done)
    }
}

/// Creates a random key below `prefix`. Objects below the prefix of identity checks that have no row are swept; elsewhere,
/// rows are written before objects.
pub fn new_key(prefix: &str, random: &dyn Random) -> String {
    let name = hex::encode(random::bytes::<16>(random));
    let folder = name.get(..2).unwrap_or_default();
    format!("{prefix}/{folder}/{name}")
}

fn wrong(detail: &str) -> Error {
    Error::invalid("/files_url", detail)
}

/// The message for callers.
const AWAY: &str = "the file store does not answer; try again shortly";

fn unreachable_store(error: object_store::Error) -> Error {
    Error::unavailable(AWAY, error)
}

/// Returns the folder of a `file://` URL, percent-decoded; `None` when it names none.
fn folder_of(folder: &str) -> Result<Option<PathBuf>> {
    let here = std::env::current_dir().map_err(|error| Error::unavailable("the working directory is gone", error))?;
    let url = Url::from_directory_path(here).ok().and_then(|here| here.join(folder).ok()).filter(|url| {
        !folder.is_empty() && url.scheme() == "file" && url.query().is_none() && url.fragment().is_none()
    });
    Ok(url.and_then(|url| url.to_file_path().ok()))
}

/// Opens a folder, and creates it if that is asked for. Also returns what comes before the names of files: for a folder
/// that is missing, which may be made later, its path.
fn local(path: &std::path::Path, is_made: bool) -> Result<(LocalFileSystem, Path)> {
    let cannot = |error: std::io::Error| {
        Error::unavailable(format!("the folder {} for files cannot be made or read", path.display()), error)
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if is_made {
        for folder in FOLDERS {
            builder.create(path.join(folder)).map_err(cannot)?;
        }
    } else if !path.is_dir() {
        let base = Path::from_absolute_path(path).map_err(|error| cannot(std::io::Error::other(error)))?;
        return Ok((LocalFileSystem::new().with_fsync(true), base));
    }
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| cannot(std::io::Error::other(error)))?;
    Ok((store.with_fsync(true), Path::default()))
}

/// Opens a bucket, whose requests end after `patience` and a moment, with their repetitions.
#[cfg(feature = "s3")]
pub(crate) fn bucket(url: &str, patience: Duration) -> Result<(Arc<dyn ObjectStore>, Path)> {
    use object_store::{ClientConfigKey, aws::AmazonS3ConfigKey};
    let parsed = Url::parse(url).map_err(|_| wrong("must be s3://<bucket>/<prefix>"))?;
    // Their defaults are minutes; no caller waits longer than this, as our own time limit is shorter.
    let retry =
        object_store::RetryConfig { max_retries: 2, retry_timeout: patience, ..object_store::RetryConfig::default() };
    let patience = format!("{} seconds", patience.as_secs() + 2);
    let store = object_store::aws::AmazonS3Builder::from_env()
        .with_url(url)
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), "3 seconds")
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), patience)
        .with_retry(retry)
        .build()
        .map_err(|error| Error::unavailable("the bucket of files_url cannot be used", error))?;
    let base = Path::from_url_path(parsed.path()).map_err(|_| wrong("has a prefix that is no object path"))?;
    Ok((Arc::new(store), base))
}

#[cfg(not(feature = "s3"))]
pub(crate) fn bucket(_: &str, _: Duration) -> Result<(Arc<dyn ObjectStore>, Path)> {
    Err(wrong("names an s3:// bucket, but this build has no S3; use the server, or build with the feature `s3`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{
            random::OsRandom,
            time::{Clock, SystemClock},
        },
        testing::pictures,
    };

    fn store() -> (tempfile::TempDir, FileStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(&format!("file://{}/new files", folder.path().display())).unwrap();
        (folder, store)
    }

    /// Returns the part of a PNG that declares its size.
    fn declared(width: u32, height: u32) -> Vec<u8> {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let header = pictures::chunk(b"IHDR", &[&size[..], &[8, 2, 0, 0, 0]].concat());
        [&b"\x89PNG\r\n\x1a\n"[..], &header, &pictures::chunk(b"IDAT", b"")].concat()
    }

    #[tokio::test]
    async fn a_large_picture_is_decoded_alone_and_small_ones_side_by_side() {
        let (_folder, store) = store();
        let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let most = async |size: (u32, u32), together: usize| {
            let all = (0..together).map(|_| {
                let running = Arc::clone(&running);
                store.decoding(declared(size.0, size.1), move |_| {
                    let now = running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                    std::thread::sleep(Duration::from_millis(100));
                    running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    Ok(now)
                })
            });
            future::try_join_all(all).await.unwrap().into_iter().max().unwrap()
        };
        assert_eq!(most((8_000, 6_000), 3).await, 1);
        assert_eq!(most((4_000, 3_000), 4).await, 2);
        assert_eq!(most((640, 480), 8).await, 4);
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_is_empty_until_somebody_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/new files", folder.path().display());
        let reading = FileStore::open_to_read(&url).unwrap();
        assert!(reading.get("kyc/none").await.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a look makes no folder");
        let key = FileStore::open(&url).unwrap().put(&OsRandom, b"sealed".to_vec()).await.unwrap();
        assert_eq!(reading.get(&key).await.unwrap(), b"sealed");
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
