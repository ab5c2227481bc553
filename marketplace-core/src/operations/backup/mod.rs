//! Backing up a database into one file, and restoring it.
//!
//! SQLite is backed up by the program itself, while the database is in use: the backup is one consistent snapshot.
//! PostgreSQL is backed up through its own `pg_dump` and `pg_restore`, which must be installed. Keys and files are not
//! in the database and not in the backup: keep copies of `keys_dir` and of the file store with it, otherwise the
//! database cannot be opened after a restore. Backups and restores are both recorded in the audit log.

pub(super) mod named;
mod postgres;
mod restored;

pub use restored::Restored;

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    actor::Actor,
    base::error::{Error, Result},
    operations::operator::{name_of, open_keys, record},
    platform::{
        config::{Config, Secret},
        db::{Db, DbError, schema, sqlite_options},
        new_file::NewFile,
        sqlite_url::{Mode, SqliteUrl, file_name},
    },
    records::audit::{Adopt, AuditAction},
};

/// Result of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Path of the backup.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// Whether the backup is recorded in the audit log, which is possible only if the database has this program's
    /// schema and can be written.
    pub recorded: bool,
}

/// Writes a backup of the configured database to `to`, readable by its owner only. The backup is durable when the call
/// returns; an unfinished file never has the name `to`. The audit row is committed before the first byte is read, and
/// is in the backup.
///
/// # Errors
/// `conflict` when `to` exists; `not_found` when there is no database; `unavailable` when it, its keys or the folder
/// cannot be used.
pub async fn backup(config: &Config, to: &Path, actor: &Actor) -> Result<BackedUp> {
    let new = NewFile::create(to)?;
    require_database(config)?;
    let recorded = record_backup(config, &name_of(to), actor).await?;
    write(config, new.draft()).await?;
    let bytes = new.finish()?;
    Ok(BackedUp { path: to.to_owned(), bytes, recorded })
}

/// Checks that there is a database, as far as that can be seen without opening it.
pub(super) fn require_database(config: &Config) -> Result<()> {
    match SqliteUrl::parse(config.database_url().expose())? {
        Some(at) => require_file(&at.path),
        None => Ok(()),
    }
}

/// Writes one consistent snapshot of the configured database into an empty file that exists.
pub(super) async fn write(config: &Config, to: &Path) -> Result<()> {
    let url = config.database_url();
    match &SqliteUrl::parse(url.expose())? {
        Some(at) => vacuum_into(at, to).await,
        None => postgres::dump(url.expose(), to).await,
    }
}

/// Records the backup `name` in the audit log. A database with another schema than the program's can be backed up, for
/// example before an update, but not written to; then this returns `false`.
pub(super) async fn record_backup(config: &Config, name: &str, actor: &Actor) -> Result<bool> {
    let db = Db::open(config.database_url().expose(), crate::platform::db::OpenOptions::for_one()).await?;
    let recorded = async {
        if db.is_kept() || !db.schema_state().await?.is_current() {
            return Ok(false);
        }
        let keys = open_keys(&db, &config.keys_dir(), Adopt::Unknown).await?;
        record(&db, &keys, actor, AuditAction::DbBackup, serde_json::json!({ "file": name })).await?;
        Ok(true)
    };
    let recorded = recorded.await;
    db.close().await;
    recorded
}

/// Replaces the configured database with a backup.
///
/// The backup is checked first: it must be complete, and of a schema that this program knows. SQLite: the existing
/// database is kept under another name beside it. The restore is refused when another program has that database open,
/// unless `force` is set: what such a program still writes then goes to the database that was put aside. PostgreSQL:
/// the restore is refused when the database has tables or other sessions, unless `force` is set, which drops and
/// replaces the tables in one transaction. The restored database is brought up to date, and its audit log records the
/// restore and the last row of the audit log of the database that it replaced.
///
/// # Errors
/// `not_found` without a backup; `invalid` when the file is not a backup, or is damaged; `conflict` when the target is in use,
/// or a database of another program; `unavailable` when the backup is of a newer program, was written with other keys than those in `keys_dir`,
/// or something cannot be used.
pub async fn restore(config: &Config, from: &Path, force: bool, actor: &Actor) -> Result<Restored> {
    let mut prepared = prepare(config, from, &name_of(from), force, actor).await?;
    prepared.replace().await?;
    prepared.finish(config).await
}

/// A restore of which everything was checked, and nothing was changed that anybody uses.
pub(super) struct Prepared {
    from: PathBuf,
    /// What the audit log calls the backup.
    name: String,
    schema: i64,
    force: bool,
    actor: Actor,
    to: Target,
}

enum Target {
    /// The restored database, beside its place. It is up to date, and its audit log records the restore.
    Sqlite { draft: Option<Draft>, target: PathBuf, kept: Option<PathBuf> },
    /// Also the last row of the audit log of the database that was replaced, once it was.
    Postgres { url: Secret, conn: Option<PgConnection>, replaced: Option<String> },
}

/// Checks a backup, the keys in `keys_dir` and the place for it; `name` is what the audit log calls the backup.
///
/// # Errors
/// Those of [`restore`].
pub(super) async fn prepare(config: &Config, from: &Path, name: &str, force: bool, actor: &Actor) -> Result<Prepared> {
    if !from.try_exists().map_err(|error| unusable(from, error))? {
        let current = serde_json::json!({ "backup": from.display().to_string() });
        return Err(Error::not_found(format_args!("backup {}", from.display())).with_current(Some(current)));
    }
    let url = config.database_url();
    let (schema, to) = match SqliteUrl::parse(url.expose())? {
        Some(at) if at.mode == Mode::ReadOnly => {
            return Err(Error::invalid("/database_url", "says mode=ro; leave that away to restore there"));
        }
        Some(at) => {
            let (schema, draft) = prepare_sqlite(config, from, name, &at.path, actor).await?;
            if !force {
                require_alone(&at.path).await?;
            }
            (schema, Target::Sqlite { draft: Some(draft), target: at.path, kept: None })
        }
        None => {
            let (schema, conn) = postgres::prepare(config, from, force).await?;
            (schema, Target::Postgres { url, conn: Some(conn), replaced: None })
        }
    };
    Ok(Prepared { from: from.to_owned(), name: name.to_owned(), schema, force, actor: actor.clone(), to })
}

impl Prepared {
    /// Puts the backup in the place of the database.
    ///
    /// # Errors
    /// Those of [`restore`]; then the database is as before.
    pub async fn replace(&mut self) -> Result<()> {
        match &mut self.to {
            Target::Sqlite { draft, target, kept } => {
                let Some(draft) = draft.take() else { return Ok(()) };
                if target.try_exists().map_err(|error| unusable(target, error))? {
                    if self.force {
                        settle(target).await?;
                    } else {
                        require_alone(target).await?;
                    }
                    *kept = Some(put_aside(target).map_err(|error| unusable(target, error))?);
                }
                draft.replace(target)
            }
            Target::Postgres { url, conn, replaced } => {
                let Some(conn) = conn.take() else { return Ok(()) };
                *replaced = postgres::restore(conn, url.expose(), &self.from, self.schema).await?;
                Ok(())
            }
        }
    }

    /// Brings the restored database up to date, and records the restore, as far as that is not done yet.
    pub async fn finish(self, config: &Config) -> Result<Restored> {
        let kept = match self.to {
            Target::Sqlite { kept, .. } => kept,
            Target::Postgres { url, replaced, .. } => {
                take_over(config, url.expose(), &self.name, replaced, &self.actor).await?;
                None
            }
        };
        Ok(Restored { schema: self.schema, kept })
    }
}

/// Refuses a database that another program has open.
async fn require_alone(target: &Path) -> Result<()> {
    if !target.try_exists().map_err(|error| unusable(target, error))? || settle(target).await? {
        return Ok(());
    }
    Err(Error::conflict(
        format!("{} is in use by another program; stop the server first, or force it", target.display()),
        serde_json::json!({ "path": target }),
    ))
}

/// Opens a restored database as the marketplace does, which brings it up to date and rejects other keys; and records
/// the restore. If its audit log is from before tags, the operator vouches that it is the right one.
async fn take_over(config: &Config, url: &str, name: &str, replaced: Option<String>, actor: &Actor) -> Result<()> {
    let db = Db::open(url, crate::platform::db::OpenOptions::for_one()).await?;
    let taken = async {
        db.migrate().await?;
        let keys = open_keys(&db, &config.keys_dir(), Adopt::Always).await?;
        let metadata = serde_json::json!({ "file": name, "replaced": replaced });
        record(&db, &keys, actor, AuditAction::DbRestore, metadata).await
    };
    let taken = taken.await;
    db.close().await;
    taken
}

/// Creates the restored database beside its place. Also returns the schema of the backup.
async fn prepare_sqlite(
    config: &Config,
    from: &Path,
    name: &str,
    target: &Path,
    actor: &Actor,
) -> Result<(i64, Draft)> {
    let schema = check_file(from).await?;
    if let Some(folder) = target.parent() {
        crate::platform::folders::make_private_folder(folder)?;
    }
    require_database_or_nothing(target)?;
    if is_anothers(target).await {
        let text =
            format!("{} is a database of another program, and is left as it is; name another place", target.display());
        return Err(Error::conflict(text, serde_json::json!({ "path": target })));
    }
    let draft = Draft::beside(target)?;
    // The copy is checked again: the backup's disk may be failing.
    fs::copy(from, draft.path()).map_err(|error| unusable(target, error))?;
    check_file(draft.path()).await?;
    let replaced = last_row(target).await;
    take_over(config, &SqliteUrl::of(draft.path()), name, replaced, actor).await?;
    if with_suffix(draft.path(), "-wal").exists() {
        return Err(Error::internal("the restored database was closed and left a write-ahead log"));
    }
    draft.sync()?;
    Ok((schema, draft))
}

/// Refuses whatever else is at the place of a database: links, devices, pipes and files of other kinds stay as they are.
fn require_database_or_nothing(path: &Path) -> Result<()> {
    let refused = |what: &str| {
        let text = format!("{} is {what}, and is left as it is; name another place", path.display());
        Error::conflict(text, serde_json::json!({ "path": path }))
    };
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, error)),
    };
    if kind.is_symlink() {
        return Err(refused("a link"));
    }
    if !kind.is_file() {
        return Err(refused("no file"));
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(|error| unusable(path, error))?;
    file.take(16).read_to_end(&mut head).map_err(|error| unusable(path, error))?;
    // An empty file is an empty database.
    if head.is_empty() || head == *b"SQLite format 3\0" { Ok(()) } else { Err(refused("no database")) }
}

/// Returns whether there is a database at `path` that can be read, and holds something else than a marketplace.
async fn is_anothers(path: &Path) -> bool {
    let Ok(mut conn) = SqliteConnection::connect_with(&options(path).read_only(true)).await else { return false };
    let tables: Result<Vec<String>, _> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut conn).await;
    let _ = conn.close().await;
    tables.is_ok_and(|tables| !tables.is_empty() && !tables.iter().any(|table| table == "_sqlx_migrations"))
}

/// Returns the last row of the audit log of the database at `path`, if it can be read.
async fn last_row(path: &Path) -> Option<String> {
    let mut conn = SqliteConnection::connect_with(&options(path)).await.ok()?;
    let head: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM audit_head WHERE id = 1").fetch_optional(&mut conn).await.ok()?;
    let _ = conn.close().await;
    head.map(|(seq, tag)| format!("{seq}:{tag}"))
}

/// Checks that the file of a database exists.
pub(super) fn require_file(path: &Path) -> Result<()> {
    if path.try_exists().map_err(|error| unusable(path, error))? {
        Ok(())
    } else {
        Err(Error::not_found(format_args!("database {}", path.display())))
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file_name(path))
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

async fn vacuum_into(from: &SqliteUrl, to: &Path) -> Result<()> {
    let text = to.to_str().ok_or_else(|| Error::invalid("/to", "must be a path in UTF-8"))?;
    let mut conn = SqliteConnection::connect_with(&sqlite_options(from)).await.map_err(DbError::from)?;
    // Written into the empty file that already exists, which only its owner can read.
    let copied = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut conn).await.map_err(DbError::from);
    // Nothing of this connection is needed any more.
    let _ = conn.close().await;
    if let Err(error) = copied {
        // What SQLite keeps beside a file that it writes.
        for beside in ["-journal", "-wal"] {
            let _ = std::fs::remove_file(format!("{text}{beside}"));
        }
        return Err(match error {
            DbError::Storage(advice, error) => {
                // Nothing goes on by itself here.
                let advice = advice.split(';').next().unwrap_or(advice);
                let text = format!(
                    "the database cannot be copied to {}: {advice}; see that there is room for it, and run it again",
                    to.display()
                );
                Error::unavailable(text, error)
            }
            error => error.into(),
        });
    }
    forget_place(to).await
}

/// Marks a copy as another database than the one that it was made of, for whoever opens it under whatever name: see `Db::place`.
pub(super) async fn forget_place(copy: &Path) -> Result<()> {
    let mut copy = SqliteConnection::connect_with(&options(copy)).await.map_err(DbError::from)?;
    // An older schema has no such column, and the migration that adds it sets the same value.
    let _ = sqlx::query("UPDATE event_marks SET place = ''").execute(&mut copy).await;
    copy.close().await.map_err(DbError::from)?;
    Ok(())
}

/// Returns the backup's schema version, if the file is a complete database of a marketplace.
pub(super) async fn check_file(path: &Path) -> Result<i64> {
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
    let done: Vec<(i64, String)> = sqlx::query_as("SELECT version, description FROM _sqlx_migrations WHERE success")
        .fetch_all(&mut conn)
        .await
        .map_err(|_| none_of_ours())?;
    conn.close().await.map_err(DbError::from)?;
    let done = done.iter().map(|(version, description)| (*version, description.as_str()));
    schema::check_known(done)?.ok_or_else(none_of_ours)
}

/// Checks that this program can use the schema of an archive of PostgreSQL, which is read without a server.
pub(super) async fn check_archive(path: &Path) -> Result<i64> {
    postgres::archived_schema("postgres://localhost/unused", path).await
}

/// Returns whether nobody else has the database open; if so, all of it is in its one file afterwards.
///
/// Every connection to a database in WAL mode holds a shared lock on its file. Leaving that mode requires an exclusive
/// lock.
async fn settle(path: &Path) -> Result<bool> {
    let options = options(path).busy_timeout(Duration::from_millis(500));
    let Ok(mut conn) = SqliteConnection::connect_with(&options).await else {
        // Too damaged to be opened: that is a reason to restore, not a program that uses it.
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

/// Keeps the old database, with its log, beside its original path, under a name that is free.
fn put_aside(target: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    let kept = loop {
        let name = with_suffix(target, &format!(".before-restore-{number}"));
        let is_free =
            |path: &Path| fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if ["", "-wal", "-shm"].iter().all(|end| is_free(&with_suffix(&name, end))) {
            break name;
        }
        number += 1;
    };
    // The log comes first: SQLite would apply it to the new database.
    for end in ["-wal", "-shm"] {
        match fs::rename(with_suffix(target, end), with_suffix(&kept, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // This adds a second name and keeps the first until the new database replaces it.
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

/// A file that is being written, and is deleted on drop unless it was finished. What a program left that was killed is deleted by the
/// next one that writes beside the same path.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    /// Locked for as long as it is needed.
    _lock: File,
}

impl Draft {
    /// Returns where the file is meanwhile.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates an empty file that only its owner can read, in the folder of `path`.
    pub fn beside(path: &Path) -> Result<Self> {
        remove_left(path);
        let mut number = 0_u32;
        loop {
            let draft = with_suffix(path, &format!(".{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft) {
                Ok(lock) => match lock.try_lock() {
                    // Another program may have taken it for one that was left.
                    Err(TryLockError::WouldBlock) => number += 1,
                    Ok(()) if !draft.exists() => number += 1,
                    // Without locks on the file system, it stays when this program is killed.
                    Ok(()) | Err(TryLockError::Error(_)) => return Ok(Self { path: draft, _lock: lock }),
                },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(unusable(path, error)),
            }
        }
    }

    fn sync(&self) -> Result<u64> {
        let file = File::open(&self.path).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
        file.map(|metadata| metadata.len()).map_err(|error| unusable(&self.path, error))
    }

    /// Gives the file its final name, replacing the file that has it.
    fn replace(self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).and_then(|()| sync_folder(path)).map_err(|error| unusable(path, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // The file no longer exists under this name if it was renamed.
        for end in BESIDE {
            let _ = fs::remove_file(with_suffix(&self.path, end));
        }
    }
}

/// What the names of a database's files end in, the file itself last.
const BESIDE: [&str; 4] = ["-journal", "-wal", "-shm", ""];

/// Deletes drafts beside `path` of programs that are gone: they are copies of everybody's data. What cannot be deleted stays.
fn remove_left(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(name), Ok(entries)) = (path.file_name(), fs::read_dir(folder)) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let writer = found.to_str().zip(name.to_str()).and_then(|(found, name)| {
            let inside = found.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".tmp")?;
            let (writer, number) = inside.split_once('-')?;
            number.parse::<u32>().ok()?;
            writer.parse::<u32>().ok()
        });
        // A link or a pipe is nobody's draft, and is not opened.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Some(writer) = writer.filter(|_| is_file) else { continue };
        // Programs of releases before do not lock theirs. In a container, all may have the same number.
        if writer != std::process::id() && Path::new(&format!("/proc/{writer}")).exists() {
            continue;
        }
        let draft = folder.join(&found);
        if File::open(&draft).is_ok_and(|file| file.try_lock().is_ok()) {
            tracing::warn!(path = %draft.display(), "what a restore left that was killed is deleted");
            for end in BESIDE {
                let _ = fs::remove_file(with_suffix(&draft, end));
            }
        }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
