//! Backing a database up into one file, and putting it back.
//!
//! SQLite by itself, while it is in use: the backup is one consistent snapshot. PostgreSQL through its own `pg_dump` and
//! `pg_restore`, which must be installed. Keys and files are not in the database and not in the backup: keep copies of
//! `keys_dir` and of the file store beside it, or documents cannot be opened after a restore.

mod postgres;

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{DbError, schema};
use crate::{
    config::Config,
    error::{Error, Result},
};

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Number of the newest migration in the backup; an older one than the program's is brought up to date when it is
    /// opened (SQLite) or by `marketplace db migrate` (PostgreSQL).
    pub schema: i64,
    /// Where the database is that was there before; none when there was none, or on PostgreSQL.
    pub kept: Option<PathBuf>,
}

/// Writes a backup of the configured database to `to`, readable by its owner only. Durable when it answers; a file that
/// was not finished never has that name.
///
/// # Errors
/// `conflict` when `to` exists; `not_found` when there is no database; `unavailable` when it or the folder cannot be used.
pub async fn backup(config: &Config, to: &Path) -> Result<BackedUp> {
    if to.try_exists().map_err(|error| unusable(to, error))? {
        return Err(Error::conflict(
            format!("{} exists already; backups are never overwritten", to.display()),
            serde_json::json!({ "path": to }),
        ));
    }
    let draft = Draft::beside(to)?;
    let url = config.database_url();
    match url.expose().strip_prefix("sqlite://") {
        Some(path) => {
            require_file(url.expose())?;
            vacuum_into(Path::new(path), &draft.0).await?;
        }
        None => postgres::dump(url.expose(), &draft.0).await?,
    }
    let bytes = draft.publish(to)?;
    Ok(BackedUp { path: to.to_owned(), bytes })
}

/// Puts a backup in the place of the configured database.
///
/// The backup is checked first: whole, and of a schema that this program knows. SQLite: the database that is there is kept
/// under another name beside it. It is refused when another program has that database open, unless `force`: what such a
/// program still writes then goes to the database that was put aside. PostgreSQL: refused when the database has tables or
/// other sessions, unless `force`, which drops and replaces the tables in one transaction.
///
/// # Errors
/// `not_found` without a backup; `invalid` when it is none, or damaged; `conflict` when the target is in use;
/// `unavailable` when the backup is of a newer program, or something cannot be used.
pub async fn restore(config: &Config, from: &Path, force: bool) -> Result<Restored> {
    if !from.try_exists().map_err(|error| unusable(from, error))? {
        return Err(Error::not_found(format_args!("backup {}", from.display())));
    }
    let url = config.database_url();
    match url.expose().strip_prefix("sqlite://") {
        Some(path) => restore_sqlite(from, Path::new(path), force).await,
        None => postgres::restore(url.expose(), from, force).await,
    }
}

async fn restore_sqlite(from: &Path, target: &Path, force: bool) -> Result<Restored> {
    let schema = check_backup(from).await?;
    if let Some(folder) = target.parent() {
        crate::app::make_private_folder(folder)?;
    }
    let draft = Draft::beside(target)?;
    // The copy is what is checked again: the backup's disk may be failing.
    fs::copy(from, &draft.0).map_err(|error| unusable(target, error))?;
    check_backup(&draft.0).await?;
    draft.sync()?;
    let kept = if target.try_exists().map_err(|error| unusable(target, error))? {
        let alone = settle(target).await?;
        if !alone && !force {
            return Err(Error::conflict(
                format!("{} is in use by another program; stop the server first, or force it", target.display()),
                serde_json::json!({ "path": target }),
            ));
        }
        Some(put_aside(target).map_err(|error| unusable(target, error))?)
    } else {
        None
    };
    draft.replace(target)?;
    Ok(Restored { schema, kept })
}

/// The file of `sqlite://…` must be there: opening would make an empty one.
pub(super) fn require_file(url: &str) -> Result<()> {
    let path = Path::new(url.strip_prefix("sqlite://").unwrap_or(url));
    if path.try_exists().map_err(|error| unusable(path, error))? {
        Ok(())
    } else {
        Err(Error::not_found(format_args!("database {}", path.display())))
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

async fn vacuum_into(path: &Path, to: &Path) -> Result<()> {
    let text = to.to_str().ok_or_else(|| Error::invalid("/to", "must be a path in UTF-8"))?;
    let mut conn = SqliteConnection::connect_with(&options(path)).await.map_err(DbError::from)?;
    // Into the empty file that is there already, which only its owner can read.
    let copied = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut conn).await.map_err(DbError::from);
    // Nothing of it is needed any more.
    let _ = conn.close().await;
    match copied {
        Ok(_) => Ok(()),
        Err(DbError::Storage(advice, error)) => {
            Err(Error::unavailable(format!("the database cannot be copied to {}: {advice}", to.display()), error))
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers the backup's schema, if it is a whole database of ours.
async fn check_backup(path: &Path) -> Result<i64> {
    let broken = |what: &str| Error::invalid("/from", format!("{} is {what}", path.display()));
    let none_of_ours = || broken("not a backup of a marketplace's SQLite database");
    let mut conn = SqliteConnection::connect_with(&options(path).read_only(true).immutable(true))
        .await
        .map_err(|_| none_of_ours())?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_all(&mut conn)
        .await
        .map_err(|_| broken("damaged, or no SQLite database"))?;
    if found != ["ok"] {
        return Err(broken("damaged"));
    }
    let applied: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(&mut conn)
        .await
        .map_err(|_| none_of_ours())?;
    conn.close().await.map_err(DbError::from)?;
    schema::check_known(applied.ok_or_else(none_of_ours)?)
}

/// Whether nobody else has the database open; if so, all of it is in its one file afterwards.
///
/// Every connection of a database in WAL mode holds a shared lock on its file. Leaving that mode needs all of them.
async fn settle(path: &Path) -> Result<bool> {
    let options = options(path).busy_timeout(Duration::from_millis(500));
    let Ok(mut conn) = SqliteConnection::connect_with(&options).await else {
        // Damaged beyond opening: a reason to restore, not a program that uses it.
        return Ok(true);
    };
    let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = DELETE").fetch_one(&mut conn).await;
    let alone = match mode {
        Ok(mode) => mode.eq_ignore_ascii_case("delete"),
        Err(error) => !matches!(DbError::from(error), DbError::Busy(_)),
    };
    let _ = conn.close().await;
    Ok(alone)
}

/// Keeps the old database, with its log, beside its place; a name that is free.
fn put_aside(target: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    let kept = loop {
        let name = with_suffix(target, &format!(".before-restore-{number}"));
        if !name.try_exists()? {
            break name;
        }
        number += 1;
    };
    // The log first: SQLite would take it for the new database's.
    for end in ["-wal", "-shm"] {
        match fs::rename(with_suffix(target, end), with_suffix(&kept, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // A second name, not another: the first stays until the new database takes its place.
    fs::hard_link(target, &kept)?;
    Ok(kept)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn unusable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used: {error}", path.display()), error)
}

/// A file that is being written, gone again unless it was finished.
#[derive(Debug)]
struct Draft(PathBuf);

impl Draft {
    /// An empty file that only its owner can read, in the folder of `path`.
    fn beside(path: &Path) -> Result<Self> {
        let draft = with_suffix(path, &format!(".{}.tmp", std::process::id()));
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .map_err(|error| unusable(path, error))?;
        Ok(Self(draft))
    }

    fn sync(&self) -> Result<u64> {
        let file = File::open(&self.0).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
        file.map(|metadata| metadata.len()).map_err(|error| unusable(&self.0, error))
    }

    /// Under its final name, which must be free.
    fn publish(self, path: &Path) -> Result<u64> {
        let bytes = self.sync()?;
        fs::hard_link(&self.0, path).and_then(|()| sync_folder(path)).map_err(|error| unusable(path, error))?;
        Ok(bytes)
    }

    /// In the place of what has its final name.
    fn replace(self, path: &Path) -> Result<()> {
        fs::rename(&self.0, path).and_then(|()| sync_folder(path)).map_err(|error| unusable(path, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
