//! Restoring a backup of everything: all of it is verified and laid ready, and only then put in its place.

use std::{
    fs,
    path::{Path, PathBuf},
};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::{
    copy_keys, database_file, engine_of, is_key, keys_in,
    manifest::{FILES, KEYS, LIST, Manifest, damaged, listed, unreadable},
    swap::Swap,
};
use crate::{
    actor::Actor,
    base::error::{Error, Result},
    operations::{
        backup,
        file_copy::{
            FileProgress, require_apart,
            transfer::{Carried, PARALLEL, carry},
        },
    },
    platform::{
        config::Config,
        db::{Engine, schema::check_known},
        draft_folder::DraftFolder,
        files::{Depot, Location, SHELVES},
        folders::make_private_folder,
        sqlite_url::SqliteUrl,
    },
};

/// Name of the folder, in the folders of files and keys, in which what is restored is laid ready.
const STAGE: &str = "restore.partial";

/// Result of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredWhole {
    /// Number of the newest migration in the backup; see [`backup::Restored`].
    pub schema: i64,
    /// Number of files that were restored.
    pub files: u64,
    /// Whether the keys were restored; they stay when they are those of the backup already.
    pub keys_replaced: bool,
    /// Where the database, the files and the keys that were there are now, as far as there were any.
    pub kept: Vec<PathBuf>,
}

/// Verifies a backup: everything that its manifest and its list name is there, with its SHA-256, and nothing else; SQLite's database
/// is whole.
///
/// # Errors
/// `not_found` without a backup; `invalid`, naming the file, when it is not whole; `unavailable` when it cannot be read, or is of a
/// newer program.
pub async fn verify(from: &Path, progress: &(dyn Fn(FileProgress) + Send + Sync)) -> Result<Manifest> {
    let (manifest, folder) = (Manifest::read(from)?, from.to_owned());
    let engine = manifest.engine()?;
    if manifest.database.file != database_file(engine) || manifest.list.file != LIST {
        return Err(damaged("its manifest names other files than a backup has"));
    }
    for key in &manifest.keys {
        if !key.file.strip_prefix(KEYS).and_then(|name| name.strip_prefix('/')).is_some_and(is_key) {
            return Err(damaged(format_args!("its manifest names `{}`, which is no key", key.file)));
        }
    }
    let parts = manifest.clone();
    let verified = tokio::task::spawn_blocking(move || {
        [&parts.list, &parts.database].into_iter().chain(&parts.keys).try_for_each(|part| part.verify(&folder))
    });
    verified.await.map_err(Error::internal)??;
    let there = keys_in(&from.join(KEYS))?;
    let mut named: Vec<_> = manifest
        .keys
        .iter()
        .filter_map(|key| Some(key.file.strip_prefix(KEYS)?.strip_prefix('/')?.to_owned()))
        .collect();
    named.sort();
    if there != named {
        return Err(damaged("its keys are not those that its manifest names"));
    }
    verify_files(from, &manifest, progress).await?;
    // Its hash only says that it is as it was written, and the manifest not which migrations were run that this program does not know.
    let (database, newer) = (from.join(&manifest.database.file), check_known([(manifest.schema, "")]).err());
    let schema = match (engine, &newer) {
        (Engine::Sqlite, _) => backup::check_file(&database).await?,
        (Engine::Postgres, Some(_)) => backup::check_archive(&database).await?,
        (Engine::Postgres, None) => manifest.schema,
    };
    if schema != manifest.schema {
        return Err(newer.unwrap_or_else(|| damaged("its manifest names another schema than its database has")));
    }
    Ok(manifest)
}

async fn verify_files(from: &Path, manifest: &Manifest, progress: &(dyn Fn(FileProgress) + Send + Sync)) -> Result<()> {
    let folder = std::path::absolute(from).map_err(|error| unreadable(from, error))?.join(FILES);
    let depot = Depot::open(&Location::Folder(folder))?;
    let work = stream::iter(listed(from)?).map(async |file| {
        let (key, sha256) = file?;
        match depot.digest(key).await.map_err(|trouble| trouble.error)? {
            Some(found) if found.sha256 == sha256 => Ok(found.size),
            Some(_) => Err(damaged(format_args!("{FILES}/{key} is damaged"))),
            None => Err(damaged(format_args!("{FILES}/{key} is missing"))),
        }
    });
    let (mut files, mut bytes) = (0, 0);
    let mut work = std::pin::pin!(work.buffered(PARALLEL));
    while let Some(size) = work.try_next().await? {
        files += 1;
        bytes += size;
        progress(FileProgress { done: files, total: manifest.files });
    }
    let there = crate::operations::file_copy::count(&depot).await?;
    if (files, bytes, there) == (manifest.files, manifest.file_bytes, files) {
        Ok(())
    } else {
        Err(damaged(format_args!("{} files are named, {files} are in the list, and {there} are there", manifest.files)))
    }
}

/// Puts a backup in the place of the configured database, files and keys.
///
/// The whole backup is verified first, and laid ready beside its places; nothing that is there is changed until then.
/// What was there is kept: the database as [`backup::restore`] does, files and keys in subfolders `before-restore-N` of
/// their folders. In a bucket, files are added, and none is deleted. `force` is that of [`backup::restore`].
///
/// # Errors
/// Those of [`verify`] and [`backup::restore`], and `invalid` when the backup is of the other engine, or in the place of
/// files or keys. Then everything is as before, except that a bucket may have new files.
pub async fn restore(
    config: &Config,
    from: &Path,
    force: bool,
    actor: &Actor,
    progress: &(dyn Fn(FileProgress) + Send + Sync),
) -> Result<RestoredWhole> {
    let manifest = verify(from, progress).await?;
    let engine = engine_of(config)?;
    if manifest.engine()? != engine {
        let text = format!(
            "is of {}, and the database is another one; restore there, and use `db copy` to move it",
            manifest.engine
        );
        return Err(Error::invalid("/from", text));
    }
    let here = std::path::absolute(from).map_err(|error| unreadable(from, error))?;
    let (files, keys_dir) = (Location::parse("/files_url", &config.files_url())?, config.keys_dir());
    for place in
        [&files, &Location::Folder(std::path::absolute(&keys_dir).map_err(|error| unreadable(&keys_dir, error))?)]
    {
        require_apart("/from", &Location::Folder(here.clone()), place)?;
    }

    if !force && is_elsewhere(config, from, &files, &keys_dir)? {
        let text = format!(
            "{files} and {} hold files and keys already, and there is no database at {}: whose are they? Set data_dir, files_url and \
             keys_dir for the place to restore to, or replace them (--force)",
            keys_dir.display(),
            config.database_url()
        );
        return Err(Error::conflict(text, serde_json::json!({ "keys_dir": keys_dir.display().to_string() })));
    }
    let keys = Keys::stage(from, &keys_dir)?;
    let staged = Files::stage(&here, files, progress).await?;
    let with_keys = Config { keys_dir: Some(keys.folder()), ..config.clone() };
    let database = from.join(&manifest.database.file);
    let name = here.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut prepared = backup::prepare(&with_keys, &database, &name, force, actor).await?;

    let mut swap = Swap::default();
    keys.put(&mut swap)?;
    staged.put(&mut swap)?;
    prepared.replace().await?;
    let mut kept = swap.keep();
    let restored = prepared.finish(config).await?;
    kept.extend(restored.kept);
    Ok(RestoredWhole {
        schema: restored.schema,
        files: manifest.files,
        keys_replaced: matches!(keys, Keys::Staged { .. }),
        kept,
    })
}

/// Returns whether files or other keys than the backup's are in their places while there is no database: they belong to another
/// one then, as when a restore is tried out with a database of another name.
fn is_elsewhere(config: &Config, from: &Path, files: &Location, keys_dir: &Path) -> Result<bool> {
    let Some(database) = SqliteUrl::parse(config.database_url().expose())? else { return Ok(false) };
    if database.path.exists() {
        return Ok(false);
    }
    let has_files = match files {
        Location::Folder(root) => {
            SHELVES.iter().any(|shelf| fs::read_dir(root.join(shelf)).is_ok_and(|mut found| found.next().is_some()))
        }
        Location::Bucket(_) => false,
    };
    Ok(has_files || (!keys_in(keys_dir)?.is_empty() && !has_keys_of(from, keys_dir)?))
}

/// Returns whether the keys in a folder are those of the backup.
fn has_keys_of(from: &Path, dir: &Path) -> Result<bool> {
    let read = |path: PathBuf| fs::read(&path).map_err(|error| unreadable(&path, error));
    let (backed_up, there) = (keys_in(&from.join(KEYS))?, keys_in(dir)?);
    let mut is_there = !backed_up.is_empty();
    for name in &backed_up {
        // The mark of a begun log says nothing about the keys.
        let is_same = there.contains(name) && read(dir.join(name))? == read(from.join(KEYS).join(name))?;
        is_there &= is_same || name == "audit.begun";
    }
    Ok(is_there)
}

/// The keys of a backup.
enum Keys {
    /// They are there already.
    There(PathBuf),
    /// They are laid ready in the folder for keys.
    Staged { dir: PathBuf, stage: DraftFolder },
}

impl Keys {
    fn stage(from: &Path, dir: &Path) -> Result<Self> {
        if has_keys_of(from, dir)? {
            return Ok(Self::There(dir.to_owned()));
        }
        make_private_folder(dir)?;
        let stage = DraftFolder::create(&dir.join(STAGE))?;
        copy_keys(&from.join(KEYS), &stage.path().join(KEYS))?;
        Ok(Self::Staged { dir: dir.to_owned(), stage })
    }

    fn folder(&self) -> PathBuf {
        match self {
            Self::There(dir) => dir.clone(),
            Self::Staged { stage, .. } => stage.path().join(KEYS),
        }
    }

    fn put(&self, swap: &mut Swap) -> Result<()> {
        let Self::Staged { dir, .. } = self else { return Ok(()) };
        // Preparing the database may have added the mark of a begun log.
        swap.exchange(&self.folder(), dir, &keys_in(&self.folder())?, &keys_in(dir)?)
    }
}

/// The files of a backup.
enum Files {
    /// They were added to a bucket.
    Added,
    /// They are laid ready in the folder for files.
    Staged { root: PathBuf, stage: DraftFolder },
}

impl Files {
    async fn stage(from: &Path, to: Location, progress: &(dyn Fn(FileProgress) + Send + Sync)) -> Result<Self> {
        let (files, target) = match &to {
            Location::Bucket(_) => (Self::Added, Depot::create(&to)?),
            Location::Folder(root) => {
                make_private_folder(root)?;
                let stage = DraftFolder::create(&root.join(STAGE))?;
                let target = Depot::create(&Location::Folder(stage.path().join(FILES)))?;
                (Self::Staged { root: root.clone(), stage }, target)
            }
        };
        let source = Depot::open(&Location::Folder(from.join(FILES)))?;
        let work = stream::iter(listed(from)?).map(async |file| {
            let (key, sha256) = file?;
            // A bucket may have it.
            if target.digest(key).await.map_err(|trouble| trouble.error)?.is_some_and(|found| found.sha256 == sha256) {
                return Ok(());
            }
            match carry(&source, &target, key, Some(sha256)).await.map_err(|trouble| trouble.error)? {
                Carried::Whole(_) => Ok(()),
                Carried::Gone => Err(damaged(format_args!("{FILES}/{key} is missing"))),
            }
        });
        let total = stream::iter(listed(from)?).try_fold(0, async |sum, _| Ok(sum + 1)).await?;
        let mut done = 0;
        let mut work = std::pin::pin!(work.buffer_unordered(PARALLEL));
        while work.try_next().await?.is_some() {
            done += 1;
            progress(FileProgress { done, total });
        }
        Ok(files)
    }

    fn put(&self, swap: &mut Swap) -> Result<()> {
        let Self::Staged { root, stage } = self else { return Ok(()) };
        let shelves = SHELVES.map(str::to_owned);
        swap.exchange(&stage.path().join(FILES), root, &shelves, &shelves)
    }
}
