//! A file store as whoever copies it sees it: its files in the order of their keys, each whole and encrypted as it lies.
//!
//! A [`Depot`] knows nothing of what is in the files. It lists, reads, writes and deletes only what the marketplace stores
//! ([`ObjectKey`]); everything else in a folder or bucket is reported and left as it is. Links below the store's own folders
//! are not followed.

use std::{
    fmt, fs, io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::{Component, Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use sha2::{Digest as _, Sha256};

use super::{ATTACHMENTS, MAX_FILE, OVERHEAD, PHOTOS, PICTURES, PREFIX, bucket, folder_of, local};
use crate::{
    base::error::{Error, Result},
    platform::tls,
};

/// The folders of a store, in the order of their names.
pub(crate) const SHELVES: [&str; 4] = [ATTACHMENTS, PREFIX, PHOTOS, PICTURES];
/// Number of bytes of a random name.
const NAME: usize = 16;
/// Maximum size in bytes of a stored file.
const LARGEST: u64 = MAX_FILE + OVERHEAD as u64;
/// Time limit of one request to a bucket: nobody waits for a page meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of tries of one request, and the pause before the second; it doubles with each.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// The key of a stored file: its folder and its random name, in the order of their texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey([u8; NAME + 1]);

impl ObjectKey {
    /// Size in bytes of [`ObjectKey::bytes`].
    pub(crate) const SIZE: usize = NAME + 1;

    /// Parses a key as [`super::new_key`] creates it: `kyc/0f/0f…` with 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (shelf, rest) = text.split_once('/')?;
        let (group, name) = rest.split_once('/')?;
        let shelf = SHELVES.iter().position(|known| *known == shelf)?;
        let mut key = [0; Self::SIZE];
        let (first, bytes) = key.split_first_mut()?;
        *first = u8::try_from(shelf).ok()?;
        hex::decode_to_slice(name, bytes).ok()?;
        // One file has one name: capital letters would be another one.
        (name.get(..2) == Some(group) && !name.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(Self(key))
    }

    /// Returns the key in a compact form that sorts as the key does.
    pub(crate) fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// Returns the key of [`ObjectKey::bytes`].
    pub(crate) fn of(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, name) = self.0.split_first().map_or((0, &[][..]), |(at, name)| (*at, name));
        let (folder, name) = (SHELVES.get(usize::from(at)).unwrap_or(&""), hex::encode(name));
        write!(f, "{folder}/{}/{name}", name.get(..2).unwrap_or_default())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A stored file, with its size in bytes.
    File(ObjectKey, u64),
    /// A file in a folder that was being written when it was last modified, so long ago.
    Draft(PathBuf, Duration),
    /// Something that the marketplace did not store: its name.
    Other(String),
}

/// Size and SHA-256 of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest {
    /// In bytes.
    pub size: u64,
    /// Of the bytes as they lie.
    pub sha256: [u8; 32],
}

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
    }
}

/// Why a file could not be read or written.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// What happened, with the name of the file.
    pub error: Error,
    /// Whether it would happen to every other file as well: a disk that is full or read-only, a refused log-in.
    pub is_general: bool,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { error, is_general: false }
    }
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// In a folder: its absolute path.
    Folder(PathBuf),
    /// In a bucket: its URL.
    Bucket(String),
}

impl Location {
    /// Parses `file://<folder>`, `s3://<bucket>/<prefix>` or the path of a folder.
    ///
    /// # Errors
    /// `invalid`, at `pointer`, for anything else.
    pub fn parse(pointer: &'static str, text: &str) -> Result<Self> {
        let wrong = |detail: &str| Error::invalid(pointer, detail);
        match text.split_once("://") {
            Some(("file", folder)) => {
                let path = folder_of(folder)?.ok_or_else(|| wrong("must name a folder, such as file:///srv/files"))?;
                Ok(Self::Folder(path))
            }
            Some(("s3", rest)) if rest.split('/').next().is_some_and(|bucket| bucket.contains('@')) => {
                Err(wrong("must not have credentials; they belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
            }
            Some(("s3", rest)) if rest.split('/').next().is_some_and(|bucket| !bucket.is_empty()) => {
                Ok(Self::Bucket(text.trim_end_matches('/').to_owned()))
            }
            None if !text.is_empty() => {
                let path = std::path::absolute(text).map_err(|_| wrong("must be a folder"))?;
                Ok(Self::Folder(path))
            }
            _ => Err(wrong("must be a folder, file://<folder> or s3://<bucket>/<prefix>")),
        }
    }

    /// Returns whether two places are the same, or one is in the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => {
                let same =
                    |one: fs::Metadata, other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
                // Also through a mount that shows a folder at a second place.
                let is_same = fs::metadata(one).ok().zip(fs::metadata(other).ok()).is_some_and(|(a, b)| same(a, b));
                let (one, other) = (real(one), real(other));
                is_same || one.starts_with(&other) || other.starts_with(&one)
            }
            (Self::Bucket(one), Self::Bucket(other)) => {
                let (one, other) = (format!("{one}/"), format!("{other}/"));
                one.starts_with(&other) || other.starts_with(&one)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(url) => f.write_str(url),
        }
    }
}

/// Returns a path without links, as far as it exists.
fn real(path: &FilePath) -> PathBuf {
    for there in path.ancestors() {
        if let Ok(mut found) = there.canonicalize() {
            for part in path.strip_prefix(there).into_iter().flat_map(FilePath::components) {
                // What does not exist is no link.
                match part {
                    Component::ParentDir => {
                        found.pop();
                    }
                    part => found.push(part),
                }
            }
            return found;
        }
    }
    path.to_owned()
}

/// A store to copy from or to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Depot {
    store: Arc<dyn ObjectStore>,
    base: Path,
    location: Location,
    /// Device and number of the folder that was opened.
    identity: Option<(u64, u64)>,
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Depot({})", self.location)
    }
}

impl Depot {
    /// Opens a store that exists, to read from it.
    ///
    /// # Errors
    /// `not_found` for a folder that is not there, or has none of a store's folders: a disk that is not mounted has not
    /// lost its files.
    pub fn open(location: &Location) -> Result<Self> {
        if let Location::Folder(path) = location
            && !SHELVES.iter().any(|shelf| path.join(shelf).is_dir())
        {
            if let Err(error) = fs::read_dir(path)
                && error.kind() == io::ErrorKind::PermissionDenied
            {
                return Err(Error::unavailable(format!("{} cannot be read: {error}", path.display()), error));
            }
            let what = format!("file store {}: no such folder, or not one of a marketplace's files", path.display());
            return Err(Error::not_found(what));
        }
        Self::open_any(location, false)
    }

    /// Opens a store, and creates its folders when they are missing.
    ///
    /// # Errors
    /// `unavailable` when that is not possible.
    pub fn create(location: &Location) -> Result<Self> {
        Self::open_any(location, true)
    }

    /// Opens a store if it is there; a folder that is missing is `None`.
    pub fn find(location: &Location) -> Result<Option<Self>> {
        match location {
            Location::Folder(path) if !path.is_dir() => Ok(None),
            location => Self::open_any(location, false).map(Some),
        }
    }

    fn open_any(location: &Location, is_made: bool) -> Result<Self> {
        let (store, base): (Arc<dyn ObjectStore>, Path) = match location {
            Location::Folder(path) => {
                let (store, base) = local(path, is_made)?;
                (Arc::new(store), base)
            }
            Location::Bucket(url) => {
                // No marketplace need be open here.
                tls::install_provider();
                bucket(url, PATIENCE)?
            }
        };
        let mut depot = Self { store, base, location: location.clone(), identity: None };
        depot.identity = depot.identity_now();
        Ok(depot)
    }

    /// Returns where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    fn identity_now(&self) -> Option<(u64, u64)> {
        match &self.location {
            Location::Folder(path) => fs::metadata(path).ok().map(|found| (found.dev(), found.ino())),
            Location::Bucket(_) => None,
        }
    }

    /// Lists what is there, stored files in the order of their keys. Memory holds one page of a bucket, or one of the 256
    /// groups of a folder.
    pub fn list(&self) -> BoxStream<'static, Result<Entry>> {
        match &self.location {
            Location::Folder(path) => list_folder(path.clone()),
            Location::Bucket(_) => self.list_bucket(),
        }
    }

    fn list_bucket(&self) -> BoxStream<'static, Result<Entry>> {
        let (store, base, location) = (Arc::clone(&self.store), self.base.clone(), self.location.clone());
        let shelves = SHELVES.into_iter().map(move |shelf| {
            let (base, location) = (base.clone(), location.clone());
            let prefix: Path = base.parts().chain(Path::from(shelf).parts()).collect();
            store.list(Some(&prefix)).map(move |object| {
                let object = object.map_err(|error| unlisted(&location, error))?;
                let parts = object
                    .location
                    .prefix_match(&base)
                    .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
                let name = parts.unwrap_or_else(|| object.location.to_string());
                Ok(match ObjectKey::parse(&name) {
                    Some(key) => Entry::File(key, object.size),
                    None => Entry::Other(name),
                })
            })
        });
        stream::iter(shelves).flatten().boxed()
    }

    /// Returns the bytes of a file; `None` when it does not exist.
    pub async fn read(&self, key: ObjectKey) -> Result<Option<Bytes>, Trouble> {
        self.require_file(key)?;
        let path = self.path(key);
        let read = self.tried("read", key, async || {
            let found = self.store.get(&path).await?;
            let size = found.meta.size;
            if size > LARGEST { Ok(Err(size)) } else { found.bytes().await.map(Ok) }
        });
        match read.await? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(size)) => {
                let text = format!("{key} has {size} bytes, more than any file of a marketplace");
                Err(Error::unavailable(text, "an oversized object").into())
            }
        }
    }

    /// Returns the size and the hash of a file, read in parts; `None` when it does not exist.
    pub async fn digest(&self, key: ObjectKey) -> Result<Option<Digest>, Trouble> {
        self.require_file(key)?;
        let path = self.path(key);
        self.tried("read", key, async || {
            let mut bytes = self.store.get(&path).await?.into_stream();
            let (mut hash, mut size) = (Sha256::new(), 0);
            while let Some(part) = bytes.try_next().await? {
                hash.update(&part);
                size += part.len() as u64;
            }
            Ok(Digest { size, sha256: hash.finalize().into() })
        })
        .await
    }

    /// Refuses what is no file: opening a pipe waits for ever, and a device has no end.
    fn require_file(&self, key: ObjectKey) -> Result<(), Trouble> {
        let Location::Folder(folder) = &self.location else { return Ok(()) };
        if fs::metadata(folder.join(key.to_string())).is_ok_and(|found| !found.is_file()) {
            let text = format!("{key} in {} is no file", self.location);
            return Err(Error::unavailable(text, "not a regular file").into());
        }
        Ok(())
    }

    /// Writes a file, which has its name only once it is complete. Durable when it returns.
    pub async fn write(&self, key: ObjectKey, bytes: Bytes) -> Result<(), Trouble> {
        if let Location::Folder(folder) = &self.location {
            // Nothing is written through a link to somewhere else.
            let group = folder.join(key.to_string());
            let is_link = |path: &FilePath| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
            if let Some(group) = group.parent().filter(|group| is_link(group)) {
                let text = format!("{} is a link, and nothing is written through it", group.display());
                return Err(Error::conflict(text, serde_json::json!({ "path": group })).into());
            }
        }
        let path = self.path(key);
        let written = self.tried("written", key, async || self.store.put(&path, bytes.clone().into()).await.map(drop));
        match written.await? {
            Some(()) => Ok(()),
            None => {
                Err(Error::unavailable(format!("{key} cannot be written: {} is gone", self.location), "404").into())
            }
        }
    }

    /// Returns whether the store exists and does not have a file: whatever is not mounted any more lacks none.
    pub async fn lacks(&self, key: ObjectKey) -> Result<bool, Trouble> {
        let path = self.path(key);
        if self.tried("read", key, async || self.store.head(&path).await).await?.is_some() {
            return Ok(false);
        }
        if self.identity != self.identity_now() {
            let text = format!("{} is not the folder that was opened: is it mounted?", self.location);
            return Err(Trouble { error: Error::unavailable(text, "another folder"), is_general: true });
        }
        Ok(true)
    }

    /// Deletes a file. One that is already gone is not an error.
    pub async fn delete(&self, key: ObjectKey) -> Result<(), Trouble> {
        let path = self.path(key);
        self.tried("deleted", key, async || self.store.delete(&path).await).await.map(drop)
    }

    /// Runs a request, and again after a pause while that may help. `None` when there is no such file.
    async fn tried<T>(
        &self,
        what: &str,
        key: ObjectKey,
        mut request: impl AsyncFnMut() -> object_store::Result<T>,
    ) -> Result<Option<T>, Trouble> {
        let mut pause = PAUSE;
        for last in (0..TRIES).rev().map(|left| left == 0) {
            let error = match request().await {
                Ok(done) => return Ok(Some(done)),
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => error,
            };
            let kind = nature(&error);
            if last || kind.is_break() {
                let text = format!("{key} in {} cannot be {what}: {}", self.location, cause(&error));
                let is_general = kind == ControlFlow::Break(true);
                return Err(Trouble { error: Error::unavailable(text, error), is_general });
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Error::internal("a request was not tried at all").into())
    }

    fn path(&self, key: ObjectKey) -> Path {
        let key = Path::from(key.to_string());
        self.base.parts().chain(key.parts()).collect()
    }
}

fn unlisted(location: &Location, error: object_store::Error) -> Error {
    Error::unavailable(format!("{location} cannot be listed: {}", cause(&error)), error)
}

/// Returns whether trying again may help; if not, whether the reason stands in the way of every other file too.
fn nature(error: &object_store::Error) -> ControlFlow<bool> {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    use object_store::Error as E;
    match error {
        E::Unauthenticated { .. } => return ControlFlow::Break(true),
        E::PermissionDenied { .. } | E::NotImplemented { .. } | E::InvalidPath { .. } => {
            return ControlFlow::Break(false);
        }
        _ => {}
    }
    let mut source = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = source {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(StorageFull | QuotaExceeded | ReadOnlyFilesystem) => return ControlFlow::Break(true),
            Some(PermissionDenied) => return ControlFlow::Break(false),
            _ => source = error.source(),
        }
    }
    ControlFlow::Continue(())
}

/// Returns the first cause of an error, in one line.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    let text = last.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Lists a folder: its shelves in order, in each the groups in order, in each the files in order.
fn list_folder(root: PathBuf) -> BoxStream<'static, Result<Entry>> {
    let groups = stream::iter(SHELVES).then(move |shelf| {
        let root = root.clone();
        blocking(move || groups_of(&root, shelf))
    });
    let groups = groups.map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten();
    let files = groups.and_then(|group| {
        blocking(move || match group {
            Group::Folder { shelf, name, path } => files_of(shelf, &name, &path),
            Group::Other(name) => Ok(vec![Entry::Other(name)]),
        })
    });
    files.map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten().boxed()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::internal)?
        .map_err(|error| Error::unavailable(format!("the folder of files cannot be listed: {error}"), error))
}

/// One of the folders in a shelf.
enum Group {
    Folder { shelf: &'static str, name: String, path: PathBuf },
    Other(String),
}

fn groups_of(root: &FilePath, shelf: &'static str) -> io::Result<Vec<Group>> {
    let mut found = Vec::new();
    for entry in entries(&root.join(shelf))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_group =
            |name: &&str| name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        found.push(match name.to_str().filter(is_group) {
            Some(name) if entry.file_type()?.is_dir() => {
                (Some(name.to_owned()), Group::Folder { shelf, name: name.to_owned(), path: entry.path() })
            }
            _ => (None, Group::Other(format!("{shelf}/{}", name.to_string_lossy()))),
        });
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found.into_iter().map(|(_, group)| group).collect())
}

fn files_of(shelf: &str, group: &str, path: &FilePath) -> io::Result<Vec<Entry>> {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in entries(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let full = format!("{shelf}/{group}/{}", name.to_string_lossy());
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Deleted just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // The name under which the store writes: the final one, `#` and a number.
        let stem = full.split_once('#').filter(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        match ObjectKey::parse(&full) {
            Some(key) if metadata.is_file() => files.push((key, metadata.len())),
            None if metadata.is_file() && stem.is_some_and(|(stem, _)| ObjectKey::parse(stem).is_some()) => {
                let age = metadata.modified()?.elapsed().unwrap_or_default();
                others.push(Entry::Draft(entry.path(), age));
            }
            _ => others.push(Entry::Other(full)),
        }
    }
    files.sort_unstable();
    let files = files.into_iter().map(|(key, size)| Entry::File(key, size));
    Ok(files.chain(others).collect())
}

/// Returns what is in a folder; nothing when it does not exist.
fn entries(path: &FilePath) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(path) {
        Ok(found) => Ok(Some(found).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}
