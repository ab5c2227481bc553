//! What a backup consists of: `manifest.json`, and the list of its files, in the form that `sha256sum --check` reads.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    base::{
        error::{Error, Result},
        time::Timestamp,
    },
    platform::{db::Engine, files::ObjectKey},
};

/// Name of the manifest, which is written last.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the list of files.
pub(super) const LIST: &str = "files.sha256";
/// Folder of the files.
pub(super) const FILES: &str = "files";
/// Folder of the keys.
pub(super) const KEYS: &str = "keys";
/// Version of the form of a backup.
const FORMAT: u32 = 1;
/// Maximum size of a manifest in bytes: it names keys, and files that were missing.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Describes a backup of database, files and keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the form of this backup.
    pub format: u32,
    /// Version of the program that made it.
    pub program: String,
    /// When the database was read.
    pub made_at: Timestamp,
    /// `sqlite` or `postgres`.
    pub engine: String,
    /// Number of the newest migration of the database.
    pub schema: i64,
    /// The backup of the database.
    pub database: Part,
    /// The keys.
    pub keys: Vec<Part>,
    /// The list of files, each with its hash.
    pub list: Part,
    /// Number of files.
    pub files: u64,
    /// Size of all files in bytes.
    pub file_bytes: u64,
    /// Files that the database names, and that the store had lost.
    pub missing: Vec<String>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its path in the backup.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

pub(super) fn name_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    }
}

pub(super) fn damaged(what: impl std::fmt::Display) -> Error {
    Error::invalid("/from", format!("is not a whole backup: {what}"))
}

impl Manifest {
    pub(super) fn format() -> u32 {
        FORMAT
    }

    /// Reads the manifest of the backup in `folder`.
    ///
    /// # Errors
    /// `not_found` without a folder; `invalid` when it is not a whole backup; `unavailable` when it is of a newer program.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        // Opening anything else might wait for ever.
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(damaged(format_args!("{} is no file", path.display())));
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_dir() => {
                return Err(Error::not_found(format_args!("backup {}", folder.display())));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                let text = format!("{} has no {MANIFEST}; a single file is restored by `db restore`", folder.display());
                return Err(damaged(text));
            }
            Err(error) => return Err(unreadable(&path, error)),
        };
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(|error| unreadable(&path, error))?;
        let format =
            serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|json| json.get("format")?.as_u64());
        if format.is_some_and(|format| format > u64::from(FORMAT)) {
            let text = format!("{} was made by a newer program, and this one does not know its form", folder.display());
            return Err(Error::unavailable(text, "a newer form"));
        }
        if format == Some(0) {
            return Err(damaged(format_args!("{} names no form that there ever was", path.display())));
        }
        serde_json::from_str(&text).map_err(|_| damaged(format_args!("{} is damaged", path.display())))
    }

    /// Returns the engine.
    ///
    /// # Errors
    /// `invalid` when it is none of this program's.
    pub(super) fn engine(&self) -> Result<Engine> {
        [Engine::Sqlite, Engine::Postgres]
            .into_iter()
            .find(|engine| name_of(*engine) == self.engine)
            .ok_or_else(|| damaged(format_args!("its engine `{}` is not known", self.engine)))
    }
}

impl Part {
    /// Describes a file in `folder`, which is made durable.
    pub(super) fn of(folder: &Path, file: &str) -> Result<Self> {
        let path = folder.join(file);
        let found = File::open(&path).and_then(|mut file| {
            file.sync_all()?;
            hash(&mut file)
        });
        let (bytes, sha256) = found.map_err(|error| unreadable(&path, error))?;
        Ok(Self { file: file.to_owned(), bytes, sha256 })
    }

    /// Checks that the file in `folder` is the one that is described.
    ///
    /// # Errors
    /// `invalid` when it is missing, a link, or another one.
    pub(super) fn verify(&self, folder: &Path) -> Result<()> {
        let path = folder.join(&self.file);
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            return Err(damaged(format_args!("{} is missing", path.display())));
        }
        let found = File::open(&path).and_then(|mut file| hash(&mut file)).map_err(|error| unreadable(&path, error))?;
        if found == (self.bytes, self.sha256.clone()) {
            Ok(())
        } else {
            Err(damaged(format_args!("{} is damaged", path.display())))
        }
    }
}

fn hash(file: &mut File) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut part = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut part)?;
        let Some(part) = part.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += part.len() as u64;
    }
    Ok((bytes, hex::encode(hash.finalize())))
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("{} cannot be read or written: {error}", path.display()), error)
}

/// Returns the line of a file in the list.
pub(super) fn line(key: ObjectKey, sha256: &[u8; 32]) -> String {
    format!("{}  {FILES}/{key}\n", hex::encode(sha256))
}

/// Reads the list of files of a backup, which must be in the order of their keys.
pub(super) fn listed(folder: &Path) -> Result<impl Iterator<Item = Result<(ObjectKey, [u8; 32])>> + Send + use<>> {
    let path = folder.join(LIST);
    let file = File::open(&path).map_err(|error| unreadable(&path, error))?;
    let mut last = None;
    Ok(BufReader::new(file).lines().map(move |line| {
        let line = line.map_err(|error| unreadable(&path, error))?;
        let parsed = line.split_once("  ").and_then(|(hash, name)| {
            let mut sha256 = [0; 32];
            hex::decode_to_slice(hash, &mut sha256).ok()?;
            let key = ObjectKey::parse(name.strip_prefix(FILES)?.strip_prefix('/')?)?;
            Some((key, sha256))
        });
        match parsed.filter(|(key, _)| last.replace(*key).is_none_or(|last| last < *key)) {
            Some(parsed) => Ok(parsed),
            None => Err(damaged(format_args!("{} is damaged", path.display()))),
        }
    }))
}
