//! One backup of database, files and keys, in one folder, and its restore.
//!
//! The database is read first, in one snapshot, and then the files that the snapshot names are copied as they lie: what is
//! uploaded meanwhile is not in the snapshot, and not needed. A file that was deleted between the two was erased; then the
//! database is read again, so that a backup never names a file that it does not have, and never brings back who was erased
//! while it was made. The keys come last: a snapshot may name a key that is newer than the backup, never one that is gone.
//!
//! The folder has another name until it is whole, and its manifest is written last.

mod manifest;
mod restore;
mod swap;

pub use self::{
    manifest::{Manifest, Part},
    restore::{RestoredWhole, restore, verify},
};

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use self::manifest::{FILES, KEYS, LIST, MANIFEST, line, name_of, unreadable};
use crate::{
    actor::Actor,
    base::{
        error::{Error, Result},
        time::{Clock, SystemClock},
    },
    operations::{
        backup::{self, named},
        file_copy::{
            FileProgress,
            compare::KeySpool,
            require_apart,
            transfer::{Carried, PARALLEL, carry},
        },
    },
    platform::{
        config::Config,
        db::Engine,
        draft_folder::DraftFolder,
        files::{Depot, Entry, Location, ObjectKey},
        new_file::require_free,
        sqlite_url::SqliteUrl,
    },
};

/// How often the database is read again because files were deleted while they were copied.
const ROUNDS: u32 = 6;
/// Number of missing files that are named in a message.
const NAMED: usize = 3;

/// Result of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUpWhole {
    /// The folder.
    pub path: PathBuf,
    /// Number of the newest migration of the database.
    pub schema: i64,
    /// Size of the backup of the database in bytes.
    pub database_bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Size of all files in bytes.
    pub file_bytes: u64,
    /// Number of files with keys.
    pub keys: u64,
    /// Files that the database names, and that the store has lost.
    pub missing: Vec<String>,
    /// Whether the backup is recorded in the audit log; see [`backup::BackedUp`].
    pub recorded: bool,
}

/// Writes a backup of the configured database, its files and its keys into the new folder `to`, readable by its owner only.
///
/// # Errors
/// `conflict` when `to` exists, another backup is being written there, or files are missing that the database names, unless
/// `allow_missing` is set; `invalid` when `to` is in the files or the keys; `not_found` when there is no database;
/// `unavailable` when something cannot be read or written. Then nothing is left.
pub async fn back_up(
    config: &Config,
    to: &Path,
    allow_missing: bool,
    actor: &Actor,
    progress: &(dyn Fn(FileProgress) + Send + Sync),
) -> Result<BackedUpWhole> {
    let to: PathBuf = to.components().collect();
    require_free(&to)?;
    backup::require_database(config)?;
    let engine = engine_of(config)?;
    let (files, keys) = (Location::parse("/files_url", &config.files_url())?, config.keys_dir());
    let absolute = std::path::absolute(&to).map_err(|error| unreadable(&to, error))?;
    for place in [&files, &Location::Folder(std::path::absolute(&keys).map_err(|error| unreadable(&keys, error))?)] {
        require_apart("/to", place, &Location::Folder(absolute.clone()))?;
    }
    let mut partial = to.clone().into_os_string();
    partial.push(".partial");
    let draft = DraftFolder::create(Path::new(&partial))?;
    let at = draft.path();
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let recorded = backup::record_backup(config, &name, actor).await?;

    let database = database_file(engine);
    let source = Depot::find(&files)?;
    let inside = std::path::absolute(at).map_err(|error| unreadable(at, error))?.join(FILES);
    let target = Depot::create(&Location::Folder(inside))?;
    let mut before: Option<Vec<ObjectKey>> = None;
    let mut round = 1;
    let (made_at, schema, stored) = loop {
        let made_at = SystemClock.now();
        empty(&at.join(database))?;
        backup::write(config, &at.join(database)).await?;
        let schema = named::check(config, engine, &at.join(database)).await?;
        let named = named::files(config, engine, &at.join(database)).await?;
        let stored = store(source.as_ref(), &target, named, &at.join(LIST), progress).await?;
        // Those that were missing from the snapshot before as well were not erased between.
        let is_old = |key: &ObjectKey| before.as_ref().is_some_and(|before| before.binary_search(key).is_ok());
        if stored.missing.iter().all(is_old) || round == ROUNDS {
            break (made_at, schema, stored);
        }
        before = Some(stored.missing);
        round += 1;
    };
    if !stored.missing.is_empty() && !allow_missing {
        let first: Vec<String> = stored.missing.iter().take(NAMED).map(ToString::to_string).collect();
        let text = format!(
            "{files} lacks files that the database names ({}), such as {}; find them, or allow them to be missing (--allow-missing)",
            stored.missing.len(),
            first.join(", ")
        );
        return Err(Error::conflict(text, serde_json::json!({ "missing": stored.missing.len() })));
    }
    let keys = copy_keys(&keys, &at.join(KEYS))?;
    named::require_keys(config, engine, &at.join(database), &at.join(KEYS)).await?;
    let manifest = Manifest {
        format: Manifest::format(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at,
        engine: name_of(engine).to_owned(),
        schema,
        database: Part::of(at, database)?,
        keys: keys.iter().map(|key| Part::of(at, &format!("{KEYS}/{key}"))).collect::<Result<_>>()?,
        list: Part::of(at, LIST)?,
        files: stored.files,
        file_bytes: stored.bytes,
        missing: stored.missing.iter().map(ToString::to_string).collect(),
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(Error::internal)?;
    write_private(&at.join(MANIFEST), &text)?;
    draft.finish(&to)?;
    Ok(BackedUpWhole {
        path: to,
        schema,
        database_bytes: manifest.database.bytes,
        files: manifest.files,
        file_bytes: manifest.file_bytes,
        keys: manifest.keys.len() as u64,
        missing: manifest.missing,
        recorded,
    })
}

fn engine_of(config: &Config) -> Result<Engine> {
    let is_sqlite = SqliteUrl::parse(config.database_url().expose())?.is_some();
    Ok(if is_sqlite { Engine::Sqlite } else { Engine::Postgres })
}

/// Returns the name of the backup of the database in a backup of everything.
fn database_file(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "database.sqlite",
        Engine::Postgres => "database.dump",
    }
}

/// Creates an empty file that only its owner can read, in place of another one.
fn empty(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(path, error)),
        _ => {}
    }
    create(path).map(drop)
}

fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| unreadable(path, error))
}

/// Writes a new file that only its owner can read. Durable when it returns.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| unreadable(path, error))
}

/// What was stored of the files that a database names.
struct Stored {
    files: u64,
    bytes: u64,
    missing: Vec<ObjectKey>,
}

/// Copies the files that are named, lists them in `list`, and removes others that were copied for an earlier snapshot.
async fn store(
    source: Option<&Depot>,
    target: &Depot,
    named: KeySpool,
    list: &Path,
    progress: &(dyn Fn(FileProgress) + Send + Sync),
) -> Result<Stored> {
    let total = named.len();
    empty(list)?;
    let opened = OpenOptions::new().append(true).open(list).map_err(|error| unreadable(list, error))?;
    let mut lines = BufWriter::new(opened);
    let mut stored = Stored { files: 0, bytes: 0, missing: Vec::new() };
    let work = stream::iter(named.read()?).map(async |key| {
        let key = key?;
        let Some(source) = source else { return Ok((key, None)) };
        // Copied for an earlier snapshot; the source is asked again, as it may have been erased since.
        let there = target.digest(key).await.map_err(|trouble| trouble.error)?;
        if let Some(digest) = there
            && !source.lacks(key).await.map_err(|trouble| trouble.error)?
        {
            return Ok((key, Some(digest)));
        }
        match carry(source, target, key, None).await.map_err(|trouble| trouble.error)? {
            Carried::Whole(digest) => Ok((key, Some(digest))),
            Carried::Gone => Ok::<_, Error>((key, None)),
        }
    });
    let mut work = std::pin::pin!(work.buffered(PARALLEL));
    let mut listed = KeySpool::new()?;
    while let Some((key, digest)) = work.try_next().await? {
        match digest {
            Some(digest) => {
                listed.push(key)?;
                lines.write_all(line(key, &digest.sha256).as_bytes()).map_err(|error| unreadable(list, error))?;
                stored.files += 1;
                stored.bytes += digest.size;
            }
            None => stored.missing.push(key),
        }
        progress(FileProgress { done: stored.files + stored.missing.len() as u64, total });
    }
    lines.flush().map_err(|error| unreadable(list, error))?;
    // Both are in the order of their keys.
    let mut listed = listed.read()?.peekable();
    let mut there = target.list();
    while let Some(entry) = there.try_next().await? {
        let Entry::File(key, _) = entry else { continue };
        match listed.next_if(|next| next.as_ref().is_ok_and(|next| *next == key)) {
            Some(next) => drop(next?),
            None => target.delete(key).await.map_err(|trouble| trouble.error)?,
        }
    }
    Ok(stored)
}

/// Returns whether a file in `keys_dir` is a key, or belongs to them.
fn is_key(name: &str) -> bool {
    name == "master.key"
        || name == "audit.begun"
        || name
            .strip_prefix("jwt-")
            .and_then(|rest| rest.strip_suffix(".key"))
            .is_some_and(|number| !number.contains('/'))
}

/// Returns the names of the keys in a folder, in order; none without a folder. Links are followed, as some systems keep
/// secrets behind them.
fn keys_in(folder: &Path) -> Result<Vec<String>> {
    let failed = |error: io::Error| unreadable(folder, error);
    let mut names = Vec::new();
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(failed)?;
                if let Some(name) = entry.file_name().to_str().filter(|name| is_key(name))
                    && entry.path().is_file()
                {
                    names.push(name.to_owned());
                }
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Copies the keys of a folder into a new one (0700) in which only their owner can read them (0600). Returns their names.
fn copy_keys(from: &Path, to: &Path) -> Result<Vec<String>> {
    fs::DirBuilder::new().mode(0o700).create(to).map_err(|error| unreadable(to, error))?;
    let names = keys_in(from)?;
    for name in &names {
        let path = from.join(name);
        let bytes = fs::read(&path).map_err(|error| unreadable(&path, error))?;
        write_private(&to.join(name), &bytes)?;
    }
    Ok(names)
}
