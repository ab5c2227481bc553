//! Database errors, in one form for both engines.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::sqlite::SqliteError;

use crate::base::error::Error;

/// Number of disk failures so far in this process. It cannot be determined which connection met one, so none that was lent
/// at that time is trusted.
static STORAGE_FAILURES: AtomicU64 = AtomicU64::new(0);

/// Maximum number of missing items that are logged.
const UNFIT: usize = 100;

/// Returns the number of disk failures so far.
pub(super) fn storage_failures() -> u64 {
    STORAGE_FAILURES.load(Ordering::Relaxed)
}

/// A failed statement.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A unique constraint was violated. Holds the name that PostgreSQL gives it (`users_email_norm_key`).
    #[error("unique constraint {0}")]
    Unique(String),
    /// A foreign key was violated; SQLite never reports which one.
    #[error("foreign key")]
    ForeignKey,
    /// Too many concurrent requests, or a lost deadlock.
    #[error("database busy")]
    Busy(#[source] sqlx::Error),
    /// The database cannot be reached.
    #[error("database unreachable")]
    Unreachable(#[source] sqlx::Error),
    /// SQLite's files cannot be used. Holds what is wrong with them and what to do.
    #[error("database unusable")]
    Storage(&'static str, #[source] sqlx::Error),
    /// The database accepts no writes: it is a standby, or a primary set to read-only.
    #[error("database read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// The database's machine is out of disk space, memory or connections, or cannot use its files.
    #[error("database exhausted")]
    Exhausted(#[source] sqlx::Error),
    /// The database does not have what this program needs: a privilege of its role, a table or a schema is missing.
    #[error("database unfit")]
    Unfit(#[source] sqlx::Error),
    /// Any other error, which is a bug in this program.
    #[error("statement failed")]
    Other(#[source] sqlx::Error),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        let Some(database) = error.as_database_error() else {
            if matches!(error, sqlx::Error::WorkerCrashed) {
                STORAGE_FAILURES.fetch_add(1, Ordering::Relaxed);
            }
            return match error {
                sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => Self::Unreachable(error),
                error => Self::Other(error),
            };
        };
        if let Some(known) =
            database.try_downcast_ref::<SqliteError>().and_then(|_| sqlite_code(database)).and_then(sqlite)
        {
            return match known {
                Sqlite::Lock => Self::Busy(error),
                Sqlite::Storage(advice) => {
                    STORAGE_FAILURES.fetch_add(1, Ordering::Relaxed);
                    Self::Storage(advice, error)
                }
            };
        }
        match database.kind() {
            ErrorKind::UniqueViolation => Self::Unique(unique_name(database)),
            ErrorKind::ForeignKeyViolation => Self::ForeignKey,
            // NUL in a text: PostgreSQL refuses it, and the validation of the features should have done so before.
            _ => database.code().as_deref().and_then(postgres_kind).unwrap_or(Self::Other)(error),
        }
    }
}

/// Classifies a code of PostgreSQL (its manual's appendix A) that is not the statement's fault. SQLite's codes are shorter.
fn postgres_kind(code: &str) -> Option<fn(sqlx::Error) -> DbError> {
    Some(match code {
        // serialization_failure, deadlock_detected; lock_not_available, object_in_use; query_canceled: by
        // `statement_timeout`; idle_in_transaction_session_timeout, transaction_timeout
        "40001" | "40P01" | "55P03" | "55006" | "57014" | "25P03" | "25P04" => DbError::Busy,
        // read_only_sql_transaction
        "25006" => DbError::ReadOnly,
        // insufficient_privilege, invalid_schema_name, undefined_table
        "42501" | "3F000" | "42P01" => DbError::Unfit,
        // A role or a database that was dropped or renamed.
        "28000" | "28P01" | "3D000" => DbError::Unreachable,
        _ if code.len() != 5 => return None,
        _ => match code.get(..2) {
            // connection_exception; operator_intervention: shutdown, crash, start, database dropped
            Some("08" | "57") => DbError::Unreachable,
            // insufficient_resources; system_error
            Some("53" | "58") => DbError::Exhausted,
            _ => return None,
        },
    })
}

/// The meaning of a SQLite error that is not the statement's own fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sqlite {
    /// Another connection holds a lock.
    Lock,
    /// The files cannot be used. Holds advice.
    Storage(&'static str),
}

/// Classifies a result code, whose lowest byte is the primary code (<https://www.sqlite.org/rescode.html>).
fn sqlite(code: i32) -> Option<Sqlite> {
    Some(match code & 0xff {
        // BUSY, LOCKED
        5 | 6 => Sqlite::Lock,
        // IOERR_NOMEM, NOMEM
        _ if code == 3_082 || code == 7 => Sqlite::Storage("there is no memory left"),
        // PERM, READONLY
        3 | 8 => Sqlite::Storage(
            "it cannot be written; see who may write its file and its folder, and how its disk is mounted",
        ),
        // ABORT, INTERRUPT: statements that were running when something else failed
        4 | 9 => Sqlite::Storage("it was interrupted; try again"),
        10 => Sqlite::Storage("the disk fails; the system's log says more"),
        11 => Sqlite::Storage("its file is damaged; stop, keep a copy of it, and restore a backup"),
        13 => Sqlite::Storage("the disk is full; make room, and it goes on by itself"),
        14 => {
            Sqlite::Storage("its files cannot be opened; see who may enter its folder, and how many files may be open")
        }
        15 => Sqlite::Storage("its locks do not work; it must be on a disk of this machine"),
        22 => Sqlite::Storage("its file is too large for this disk"),
        26 => Sqlite::Storage("its file is no database"),
        _ => return None,
    })
}

fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse().ok()
}

impl DbError {
    /// Returns whether another connection holds a lock of SQLite.
    pub(super) fn is_lock(error: &sqlx::Error) -> bool {
        error.as_database_error().and_then(sqlite_code).and_then(sqlite) == Some(Sqlite::Lock)
    }

    /// Returns an error for failing SQLite files, if that is what the operation met.
    pub(super) fn storage(error: &Error) -> Option<Self> {
        match std::error::Error::source(error)?.downcast_ref()? {
            Self::Storage(advice, cause) => Some(Self::Storage(advice, sqlx::Error::Protocol(cause.to_string()))),
            _ => None,
        }
    }

    /// Returns what is wrong and what to do, as shown to the caller.
    pub(super) fn advice(&self) -> &'static str {
        if let Self::Storage(advice, _) = self { advice } else { "the log says why" }
    }

    /// Returns the error with all its causes, for the log.
    pub(super) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            let cause = error.to_string();
            // Some errors say what their cause says.
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            next = error.source();
        }
        text
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unique(name) => Self::conflict("it exists already", serde_json::json!({ "constraint": name })),
            DbError::Busy(source) => {
                let text = if DbError::is_lock(&source) {
                    "another program holds the database's lock: a command, a backup or a migration that writes; try again"
                } else {
                    "the database has too much to do; try again"
                };
                Self::busy(text).caused_by(DbError::Busy(source))
            }
            DbError::Unreachable(sqlx::Error::PoolClosed) => {
                Self::unavailable("the database is closed", sqlx::Error::PoolClosed)
            }
            DbError::Unreachable(source) => Self::unavailable("the database cannot be reached", source),
            DbError::Storage(advice, _) => Self::unavailable(format!("the database cannot be used: {advice}"), error),
            DbError::ReadOnly(source) => Self::unavailable(
                "the database takes no writes just now: it is a standby, or was told so; database_url must name the primary",
                source,
            ),
            DbError::Exhausted(source) => {
                Self::unavailable("the database is out of disk, memory or connections; try again later", source)
            }
            DbError::Unfit(source) => unfit(source),
            other => Self::internal(other),
        }
    }
}

/// Returns the error for a database that lacks something, with what is missing and what to do. Each is logged only once, as
/// every request that needs it meets it.
fn unfit(source: sqlx::Error) -> Error {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let what = source.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < UNFIT && told.insert(what.clone()) {
        tracing::error!(
            what,
            "the database is not as this program needs it; `marketplace doctor` lists what is missing"
        );
    }
    drop(told);
    Error::unavailable(
        "the database is not as this program needs it: a right of its role or a table is missing, see `marketplace doctor`",
        source,
    )
}

/// Returns whether another session held a PostgreSQL lock for longer than a unit waits.
pub(super) fn lock_did_not_come(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<DbError>());
    let Some(DbError::Busy(sqlx::Error::Database(database))) = source else { return false };
    database.code().as_deref() == Some("55P03")
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

/// Returns the failure if the database could not write for reasons of its own, other than overload.
pub(super) fn cannot_write(error: &Error) -> Option<&sqlx::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<sqlx::Error>() {
            let code = cause.as_database_error().and_then(sqlx::error::DatabaseError::code);
            let kind = code.as_deref().and_then(postgres_kind)?(sqlx::Error::PoolClosed);
            return matches!(kind, DbError::ReadOnly(_) | DbError::Exhausted(_)).then_some(cause);
        }
        source = cause.source();
    }
    None
}

/// Returns whether retrying the unit may succeed at once: it lost a deadlock or a serialization race, or this program was
/// stopped for so long in the middle of it that the server rolled it back.
pub(super) fn lost_a_race(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<DbError>());
    let Some(DbError::Busy(sqlx::Error::Database(database))) = source else { return false };
    matches!(database.code().as_deref(), Some("40001" | "40P01" | "25P03"))
}

/// Returns whether the database reported that it cannot be reached. False after a wait that timed out, so that the caller
/// does not wait again.
pub(super) fn is_away(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<sqlx::Error>() {
            return match cause {
                sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::TimedOut,
                sqlx::Error::Database(database) => database
                    .code()
                    .as_deref()
                    .and_then(postgres_kind)
                    .is_some_and(|kind| matches!(kind(sqlx::Error::PoolClosed), DbError::Unreachable(_))),
                _ => false,
            };
        }
        source = cause.source();
    }
    false
}

/// Returns the error for a database that cannot be opened, with what to do. `place` contains no credentials.
pub(super) fn opening(place: &str, error: impl Into<DbError>) -> Error {
    match error.into() {
        error @ DbError::Busy(_) => error.into(),
        DbError::Storage(advice, error) => {
            Error::unavailable(format!("the database at {place} cannot be opened: {advice}"), error)
        }
        DbError::ReadOnly(source) => Error::unavailable(
            format!(
                "the database at {place} is a standby, which can only be read; name the primary in database_url, or promote it"
            ),
            source,
        ),
        error => Error::unavailable(format!("the database at {place} cannot be opened"), error),
    }
}

/// Returns the name of a unique constraint. On SQLite, the message `UNIQUE constraint failed: users.email_norm` is
/// converted to the name that PostgreSQL would have chosen.
fn unique_name(error: &dyn sqlx::error::DatabaseError) -> String {
    if let Some(name) = error.constraint() {
        return name.to_owned();
    }
    let columns = error.message().rsplit("failed: ").next().unwrap_or("");
    let pairs: Vec<(&str, &str)> = columns.split(", ").filter_map(|column| column.split_once('.')).collect();
    let table = pairs.first().map_or("", |pair| pair.0);
    let names: Vec<&str> = pairs.iter().map(|pair| pair.1).collect();
    format!("{table}_{}_key", names.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_fails_outside_is_no_fault_of_ours() {
        // The families of result codes about locks, disks and memory, with their extensions.
        for (primary, extensions) in
            [(5, 4), (6, 3), (7, 1), (8, 7), (10, 34), (11, 4), (13, 1), (14, 7), (15, 1), (26, 1)]
        {
            for extension in 0..extensions {
                let known = sqlite(primary | (extension << 8));
                assert!(known.is_some(), "{primary} {extension}");
                assert_eq!(known == Some(Sqlite::Lock), primary < 7, "{primary} {extension}");
            }
        }
        // ERROR, INTERNAL, SCHEMA, MISMATCH, MISUSE, RANGE: wrong statements; constraints.
        for ours in [1, 2, 17, 20, 21, 25, 19, 787, 1555, 2067] {
            assert_eq!(sqlite(ours), None, "{ours}");
        }
    }
}
