//! What is at the path of a SQLite database, and how it can be opened.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use super::connections::{self, LOCK_PATIENCE};
use crate::{
    base::error::{Error, Result},
    platform::sqlite_url::{Mode, SqliteUrl, file_name},
};

/// Number of rows that the thread of a connection reads ahead, before it waits for whoever wants them: each wait is two changes of
/// threads, which cost more than many rows.
const ROWS: usize = 512;

/// How a file can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To read and write.
    Write,
    /// To read, beside programs that write.
    Read,
    /// To read a copy that nobody can write, in a folder in which SQLite can keep nothing.
    Copy,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing, or an empty file.
    Nothing,
    /// A database without any table.
    Empty,
    /// The database of a marketplace.
    Ours,
    /// The database of another program.
    Foreign,
}

/// Checks that a file could be at a path, or is: a pipe would be waited for, and a device is no database.
///
/// # Errors
/// `unavailable` for what is no file, and for a folder that may not be entered.
pub(super) fn require_place(path: &Path) -> Result<()> {
    let shown = path.display();
    let kind = match fs::metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let folder = closed_folder(path);
            return Err(Error::unavailable(
                format!(
                    "{shown} cannot be reached: {} may not be entered by this user; name another file, or ask whoever owns that folder",
                    folder.display()
                ),
                error,
            ));
        }
        Err(_) => return Ok(()),
    };
    let what = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        return Ok(());
    };
    Err(Error::unavailable(format!("{shown} is {what}, and no database; name another file"), "only files are opened"))
}

/// Returns the first folder on the way to a path that may not be entered.
fn closed_folder(path: &Path) -> &Path {
    let is_denied =
        |path: &Path| fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    // What is in a folder that may not be entered is denied; the folder itself is not.
    path.ancestors().skip(1).find(|folder| !is_denied(folder)).unwrap_or(path)
}

/// Returns how the file at a URL can be opened. Changes nothing.
pub(super) fn access(at: &SqliteUrl) -> Access {
    // SQLite keeps the log beside the file itself, when a link leads to it.
    let real = fs::canonicalize(&at.path).unwrap_or_else(|_| at.path.clone());
    let path = real.as_path();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Whoever takes all permissions to write away means it, even where root may write all the same.
    let is_kept = |path: &Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o222 == 0);
    let is_denied = |outcome: Option<io::Error>| {
        outcome.is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
        })
    };
    let is_folder_kept = is_kept(folder) || is_denied(tempfile::tempfile_in(folder).err());
    let is_file_kept = is_kept(path) || is_denied(fs::OpenOptions::new().write(true).open(path).err());
    if at.mode != Mode::ReadOnly && !is_folder_kept && !is_file_kept {
        return Access::Write;
    }
    let has_log = fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if is_folder_kept && !has_log { Access::Copy } else { Access::Read }
}

/// Returns what is at `path`. Changes nothing in it.
pub(super) async fn contents(path: &Path, access: Access) -> Result<Contents, sqlx::Error> {
    if !fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return Ok(Contents::Nothing);
    }
    let mut connection = connections::connect(&options(path, access)).await?;
    let found = sqlx::query_as::<_, (i64, i64)>(
        "SELECT count(*), count(*) FILTER (WHERE name = '_sqlx_migrations') FROM sqlite_schema WHERE type = 'table'",
    );
    let found = found.fetch_one(&mut connection).await;
    connections::close(connection).await;
    Ok(match found? {
        (0, _) => Contents::Empty,
        (_, 0) => Contents::Foreign,
        _ => Contents::Ours,
    })
}

/// Returns how a connection is opened, as far as it depends on the access.
pub(super) fn options(path: &Path, access: Access) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file_name(path))
        .create_if_missing(false)
        .read_only(access != Access::Write)
        .immutable(access == Access::Copy)
        .busy_timeout(LOCK_PATIENCE)
        .row_buffer_size(ROWS)
        .disable_statement_logging()
}

/// Returns the error for a path at which there is no marketplace, and none is to be created.
pub(super) fn missing(path: &Path, contents: Contents) -> Error {
    let shown = path.display();
    let what = match contents {
        Contents::Foreign => {
            return Error::unavailable(
                format!("{shown} is the database of another program: name another file"),
                "it has tables, and none of a marketplace's",
            );
        }
        Contents::Empty | Contents::Ours => format!("{shown} is a database without a marketplace in it"),
        Contents::Nothing if path.exists() => format!("{shown} is empty, and no database"),
        Contents::Nothing => format!("there is no database at {shown}"),
    };
    Error::unavailable(
        format!("{what}; name another, or make it with `marketplace db migrate`"),
        "only `db migrate`, `db seed`, `db restore`, `demo` and the server create databases",
    )
}

/// Returns the error for a change of a database that was opened to be read.
pub(super) fn kept() -> Error {
    Error::unavailable(
        "the database is open to be read only: it says mode=ro, or its file or folder cannot be written",
        "nothing is changed in it",
    )
}

/// Creates the file if it is missing, accessible only to its owner; SQLite gives its journal the same permissions. A
/// failure is reported by SQLite when it opens the file.
pub(super) fn make_private_file(path: &Path) {
    let _ = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
