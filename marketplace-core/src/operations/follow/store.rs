//! Where segments lie: a folder or a bucket, in one subfolder for each base.
//!
//! ```text
//! 20261128T100000.000000Z/000000000.seg    the parts of the base, and then what changed, in one row of numbers
//! 20261128T100000.000000Z/000000001.seg
//! ```
//!
//! When the clock of a follower was set back, names would sort wrongly: those of its next bases end in `-1`, and after another time in `-2`.
//! A base that is being removed loses its first segment first: what is left is no base any more. Segments are created and
//! never replaced, so that of two who write to one place, one learns of the other.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};

use super::segment::HEAD;
use crate::{
    base::{
        error::{Error, ErrorCode, Result},
        time::Timestamp,
    },
    platform::{
        files::{Location, bucket},
        folders::make_private_folder,
        new_file::NewFile,
        tls,
    },
};

/// Time limit of one request to a bucket.
const PATIENCE: Duration = Duration::from_secs(20);
/// The file that is locked in a folder by whoever follows into it.
const LOCK: &str = ".lock";
/// What ends the name of a folder whose base is being removed.
const REMOVED: &str = ".removed";
const SUFFIX: &str = ".seg";
/// What ends the name of a file that is being written.
const DRAFT: &str = ".tmp";

/// When a base was begun. The order is that in which bases were begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Begun {
    /// How often the clock was set back before.
    pub turned: u32,
    /// By the clock.
    pub at: Timestamp,
}

/// Returns the name of a base.
pub(super) fn base_name(begun: Begun) -> String {
    let at = begun.at.to_string().replace(['-', ':'], "");
    match begun.turned {
        0 => at,
        turned => format!("{at}-{turned}"),
    }
}

/// Returns when a base was begun; `None` when the name is not one of a base.
pub(super) fn begun(name: &str) -> Option<Begun> {
    // 20261128T100000.000000Z, 20261128T100000.000000Z-1
    let (time, turned) = name.split_once('-').unwrap_or((name, "0"));
    let begun = Begun { turned: turned.parse().ok()?, at: time_of(time)? };
    (base_name(begun) == name).then_some(begun)
}

fn time_of(name: &str) -> Option<Timestamp> {
    let (date, time) = name.split_once('T')?;
    let piece = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        piece(date, 0, 4)?,
        piece(date, 4, 6)?,
        piece(date, 6, 8)?,
        piece(time, 0, 2)?,
        piece(time, 2, 4)?,
        time.get(4..)?
    );
    text.parse().ok()
}

fn segment_name(number: u64) -> String {
    format!("{number:09}{SUFFIX}")
}

fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// A place with bases and their segments.
pub(super) enum Store {
    Folder(Folder),
    Bucket(Bucket),
}

/// A folder.
pub(super) struct Folder {
    path: PathBuf,
    identity: (u64, u64),
    /// Locked by whoever writes.
    _lock: Option<File>,
}

/// A bucket.
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    base: Path,
    url: String,
}

impl Store {
    /// Opens a place to follow into, and creates its folder when it is missing.
    ///
    /// # Errors
    /// `conflict` when another program follows into the folder, or it has something else in it; `unavailable` when it cannot
    /// be used.
    pub fn create(location: &Location) -> Result<Self> {
        let Location::Folder(path) = location else { return Self::open(location) };
        make_private_folder(path)?;
        let mut options = OpenOptions::new();
        for entry in fs::read_dir(path).map_err(|error| unusable(path, error))? {
            let entry = entry.map_err(|error| unusable(path, error))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = name == LOCK || begun(name.strip_suffix(REMOVED).unwrap_or(&name)).is_some();
            if !is_ours && name != "lost+found" {
                let text = format!(
                    "{} has other things in it, such as {name}; name a new folder, or an empty one",
                    path.display()
                );
                return Err(Error::conflict(text, serde_json::json!({ "exists": name })));
            }
        }
        if fs::metadata(path.join(LOCK)).is_ok_and(|found| !found.is_file()) {
            return Err(unusable(&path.join(LOCK), io::Error::other("it is no file")));
        }
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(|error| unusable(path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(&path.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(unusable(path, error)),
        }
        let folder = Folder::at(path, Some(lock))?;
        folder.clean()?;
        Ok(Self::Folder(folder))
    }

    /// Opens a place to read from.
    ///
    /// # Errors
    /// `not_found` without the folder; `unavailable` when it cannot be used.
    pub fn open(location: &Location) -> Result<Self> {
        match location {
            Location::Folder(path) if path.is_dir() => Ok(Self::Folder(Folder::at(path, None)?)),
            Location::Folder(path) => Err(Error::not_found(format_args!("folder {}", path.display()))
                .with_current(Some(serde_json::json!({ "backup": path.display().to_string() })))),
            Location::Bucket(url) => {
                // No marketplace need be open here.
                tls::install_provider();
                let (store, base) = bucket(url, PATIENCE)?;
                Ok(Self::Bucket(Bucket { store, base, url: url.clone() }))
            }
        }
    }

    /// Returns whether two may write at once, and so the one before has to be told that another one goes on.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// Returns the names of all bases, whole or not, oldest first.
    pub async fn bases(&self) -> Result<Vec<String>> {
        let mut names = match self {
            Self::Folder(folder) => names(&folder.path)?,
            Self::Bucket(bucket) => {
                let prefix = Some(&bucket.base).filter(|base| !base.as_ref().is_empty());
                let found = bucket.store.list_with_delimiter(prefix).await.map_err(|error| bucket.failed(&error))?;
                found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect()
            }
        };
        names.retain(|name| begun(name).is_some());
        names.sort_by_key(|name| begun(name));
        Ok(names)
    }

    /// Returns the numbers of the segments of a base, in order.
    pub async fn numbers(&self, base: &str) -> Result<Vec<u64>> {
        let names = match self {
            Self::Folder(folder) => names(&folder.path.join(base))?,
            Self::Bucket(bucket) => {
                let found = bucket.store.list(Some(&bucket.path(base, None))).map_ok(|object| object.location);
                let found: Vec<Path> = found.try_collect().await.map_err(|error| bucket.failed(&error))?;
                found.iter().filter_map(|path| path.filename().map(str::to_owned)).collect()
            }
        };
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Returns a segment; `None` when it is not there.
    pub async fn read(&self, base: &str, number: u64) -> Result<Option<Bytes>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.path.join(base).join(segment_name(number));
                let read = move || found(read_file(&path, u64::MAX)).map_err(|error| unusable(&path, error));
                tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
            }
            Self::Bucket(bucket) => {
                let path = bucket.path(base, Some(number));
                let read = async { bucket.store.get(&path).await?.bytes().await };
                bucket.found(read.await)
            }
        }
    }

    /// Returns what a segment begins with; `None` when it is not there.
    pub async fn head(&self, base: &str, number: u64) -> Result<Option<Bytes>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.path.join(base).join(segment_name(number));
                found(read_file(&path, HEAD as u64)).map_err(|error| unusable(&path, error))
            }
            Self::Bucket(bucket) => {
                let path = bucket.path(base, Some(number));
                bucket.found(bucket.store.get_range(&path, 0..HEAD as u64).await)
            }
        }
    }

    /// Writes a new segment, durably.
    ///
    /// # Errors
    /// `conflict` when another segment is there; one that is there and the same was written before. `unavailable` when it
    /// cannot be written.
    pub async fn write(&self, base: &str, number: u64, segment: Bytes) -> Result<()> {
        let is_new = match self {
            Self::Folder(folder) => {
                folder.require_same()?;
                let path = folder.path.join(base).join(segment_name(number));
                let segment = segment.clone();
                let write = move || write_file(&path, &segment);
                tokio::task::spawn_blocking(write).await.map_err(Error::internal)??
            }
            Self::Bucket(bucket) => {
                let path = bucket.path(base, Some(number));
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match bucket.store.put_opts(&path, segment.clone().into(), options).await {
                    Ok(_) => true,
                    Err(object_store::Error::AlreadyExists { .. }) => false,
                    Err(error) => return Err(bucket.failed(&error)),
                }
            }
        };
        // The answer to an earlier try may have been lost.
        if is_new || self.read(base, number).await? == Some(segment) { Ok(()) } else { Err(taken(&self.name())) }
    }

    /// Removes a base, or what is left of one.
    pub async fn remove(&self, base: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                folder.require_same()?;
                let path = folder.path.join(base);
                let removed = folder.path.join(format!("{base}{REMOVED}"));
                let (root, gone) = (folder.path.clone(), removed.clone());
                let remove = move || {
                    fs::rename(&path, &removed)?;
                    File::open(root)?.sync_all()?;
                    fs::remove_dir_all(&removed)
                };
                let done = tokio::task::spawn_blocking(remove).await.map_err(Error::internal)?;
                found(done).map(drop).map_err(|error| unusable(&gone, error))
            }
            Self::Bucket(bucket) => {
                let first = bucket.path(base, Some(0));
                match bucket.store.delete(&first).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(bucket.failed(&error)),
                }
                let all = bucket.store.list(Some(&bucket.path(base, None))).map_ok(|object| object.location);
                let gone = bucket.store.delete_stream(Box::pin(all)).try_for_each(async |_| Ok(()));
                gone.await.map_err(|error| bucket.failed(&error))
            }
        }
    }

    /// Returns where it is, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.path.display().to_string(),
            Self::Bucket(bucket) => bucket.url.clone(),
        }
    }
}

impl Folder {
    fn at(path: &FilePath, lock: Option<File>) -> Result<Self> {
        let found = fs::metadata(path).map_err(|error| unusable(path, error))?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()), _lock: lock })
    }

    /// Refuses another folder than the one that was opened: a disk that is not mounted any more leaves an empty one behind.
    fn require_same(&self) -> Result<()> {
        let found = fs::metadata(&self.path).map_err(|error| unusable(&self.path, error))?;
        if (found.dev(), found.ino()) == self.identity {
            return Ok(());
        }
        let text = format!("{} is not the folder that was opened: is it mounted?", self.path.display());
        Err(at(&self.path.display(), Error::unavailable(text, "another folder")))
    }

    /// Removes what a program left that was killed.
    fn clean(&self) -> Result<()> {
        for name in names(&self.path)? {
            let path = self.path.join(&name);
            if name.ends_with(REMOVED) {
                fs::remove_dir_all(&path).map_err(|error| unusable(&path, error))?;
            } else if begun(&name).is_some() {
                let drafts = names(&path)?.into_iter().filter(|name| name.ends_with(DRAFT));
                for draft in drafts {
                    let draft = path.join(draft);
                    fs::remove_file(&draft).map_err(|error| unusable(&draft, error))?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the names of what is in a folder; none without the folder.
fn names(path: &FilePath) -> Result<Vec<String>> {
    let read = || {
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        entries.collect::<io::Result<Vec<_>>>()
    };
    Ok(found(read()).map_err(|error| unusable(path, error))?.unwrap_or_default())
}

/// Reads the beginning of a file. Whatever else has its name has nothing in it: a pipe would be waited for.
fn read_file(path: &FilePath, most: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    if fs::metadata(path)?.is_file() {
        io::Read::read_to_end(&mut io::Read::take(File::open(path)?, most), &mut bytes)?;
    }
    Ok(bytes.into())
}

/// Writes a file that has its name only once it is whole. Returns `false` when there is one already.
fn write_file(path: &FilePath, bytes: &[u8]) -> Result<bool> {
    if let Some(folder) = path.parent() {
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {
                let root = folder.parent().unwrap_or(folder);
                File::open(root).and_then(|root| root.sync_all()).map_err(|error| unusable(root, error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unusable(folder, error)),
        }
    }
    match NewFile::write_whole(path, bytes) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

impl Bucket {
    fn path(&self, base: &str, number: Option<u64>) -> Path {
        let inside = Path::from(match number {
            Some(number) => format!("{base}/{}", segment_name(number)),
            None => base.to_owned(),
        });
        self.base.parts().chain(inside.parts()).collect()
    }

    fn found<T>(&self, read: object_store::Result<T>) -> Result<Option<T>> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &object_store::Error) -> Error {
        let mut last: &dyn std::error::Error = error;
        while let Some(next) = last.source() {
            last = next;
        }
        let text = last.to_string();
        let first = text.lines().next().unwrap_or_default().to_owned();
        at(&self.url, Error::unavailable(format!("{} cannot be used: {first}", self.url), error.to_string()))
    }
}

/// The error for a place into which another program follows.
fn taken(place: &str) -> Error {
    let text = format!("another program follows into {place}; end one of both, or name another place");
    Error::conflict(text, serde_json::json!({ "place": place }))
}

fn found<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unusable(path: &FilePath, error: io::Error) -> Error {
    at(&path.display(), Error::unavailable(format!("{} cannot be used: {error}", path.display()), error))
}

/// Returns an error that says that it is about a place for backups.
fn at(place: &dyn std::fmt::Display, error: Error) -> Error {
    error.with_current(Some(serde_json::json!({ "place": place.to_string() })))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn names_are_those_of_times_and_numbers() {
        let at: Timestamp = "2026-11-28T10:00:00.25Z".parse().unwrap();
        for (turned, name) in [(0, "20261128T100000.250000Z"), (12, "20261128T100000.250000Z-12")] {
            let is = Begun { turned, at };
            assert_eq!((base_name(is).as_str(), begun(name)), (name, Some(is)));
        }
        for odd in [
            "",
            "20261128T100000Z",
            "20261328T100000.250000Z",
            "2026112T8100000.250000Z",
            "20261128T100000.250000Z-0",
            "20261128T100000.250000Z-01",
            "20261128T100000.250000Z-",
            "öö",
            "T",
            "é0261128T10",
        ] {
            assert_eq!(begun(odd), None, "{odd}");
        }
        assert_eq!((segment_name(7), number_of("000000007.seg")), ("000000007.seg".to_owned(), Some(7)));
        assert_eq!((number_of("7.seg"), number_of("000000007.seg.1-0.tmp")), (None, None));
    }

    #[tokio::test]
    async fn a_folder_is_one_followers_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let place = Location::Folder(folder.path().join("new"));
        let store = Store::create(&place).unwrap();
        assert_eq!(Store::create(&place).err().unwrap().code(), ErrorCode::Conflict);
        let base = base_name(Begun { turned: 0, at: Timestamp::EPOCH });
        store.write(&base, 0, "one".into()).await.unwrap();
        store.write(&base, 0, "one".into()).await.unwrap();
        assert_eq!(store.write(&base, 0, "other".into()).await.unwrap_err().code(), ErrorCode::Conflict);
        store.write(&base, 12, "two".into()).await.unwrap();
        assert_eq!(
            (store.bases().await.unwrap(), store.numbers(&base).await.unwrap()),
            (vec![base.clone()], vec![0, 12])
        );
        assert_eq!(store.read(&base, 12).await.unwrap().unwrap(), "two");
        assert_eq!(store.read(&base, 13).await.unwrap(), None);
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        let segment = format!("new/{base}/000000012.seg");
        assert_eq!((mode("new"), mode(&format!("new/{base}")), mode(&segment)), (0o700, 0o700, 0o600));
        // What programs left that were killed.
        drop(store);
        fs::write(folder.path().join(format!("{segment}.1-0.tmp")), "half").unwrap();
        fs::create_dir_all(folder.path().join("new/20200101T000000.000000Z.removed/x")).unwrap();
        let store = Store::create(&place).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 2);
        assert_eq!(fs::read_dir(folder.path().join(format!("new/{base}"))).unwrap().count(), 2);
        store.remove(&base).await.unwrap();
        assert!(store.bases().await.unwrap().is_empty() && store.numbers(&base).await.unwrap().is_empty());
        // Another folder in its place.
        fs::rename(folder.path().join("new"), folder.path().join("away")).unwrap();
        fs::create_dir(folder.path().join("new")).unwrap();
        assert_eq!(store.write(&base, 0, "one".into()).await.unwrap_err().code(), ErrorCode::Unavailable);
        drop(store);
        fs::write(folder.path().join("new/mine"), "mine").unwrap();
        assert_eq!(Store::create(&place).err().unwrap().code(), ErrorCode::Conflict);
    }
}
