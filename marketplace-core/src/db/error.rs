//! What databases answer when something is wrong, in one form for both.

use crate::error::{Error, ErrorCode};

/// A failed statement.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A unique constraint, by the name that PostgreSQL gives it (`users_email_norm_key`).
    #[error("unique constraint {0}")]
    Unique(String),
    /// A foreign key; SQLite never says which one.
    #[error("foreign key")]
    ForeignKey,
    /// Too much at once, or a lost deadlock.
    #[error("database busy")]
    Busy(#[source] sqlx::Error),
    /// The database cannot be reached.
    #[error("database unreachable")]
    Unreachable(#[source] sqlx::Error),
    /// Anything else is a fault of ours.
    #[error("statement failed")]
    Other(#[source] sqlx::Error),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::WorkerCrashed => Self::Unreachable(error),
                error => Self::Other(error),
            };
        };
        match database.kind() {
            ErrorKind::UniqueViolation => Self::Unique(unique_name(database)),
            ErrorKind::ForeignKeyViolation => Self::ForeignKey,
            _ => match database.code().as_deref() {
                // SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT; serialization_failure, deadlock_detected
                Some("5" | "517" | "40001" | "40P01") => Self::Busy(error),
                // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
                Some("57P01" | "57P02" | "57P03" | "53300") => Self::Unreachable(error),
                // NUL in a text: PostgreSQL refuses it, and the rules of the features should have before.
                _ => Self::Other(error),
            },
        }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unique(name) => Self::conflict("it exists already", serde_json::json!({ "constraint": name })),
            DbError::Busy(source) => {
                Self::unavailable("the database has too much to do; try again", DbError::Busy(source))
            }
            DbError::Unreachable(source) => Self::unavailable("the database cannot be reached", source),
            other => Self::internal(other),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

/// Whether running the unit again may succeed: it lost a deadlock or a serialisation race.
pub(super) fn lost_a_race(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<DbError>());
    error.code() == ErrorCode::Unavailable && matches!(source, Some(DbError::Busy(_)))
}

/// A database that cannot be opened, with what to do. `place` has no credentials in it.
pub(super) fn opening(place: &str, error: sqlx::Error) -> Error {
    Error::unavailable(format!("the database at {place} cannot be opened"), error)
}

/// PostgreSQL: the constraint's name. SQLite: `UNIQUE constraint failed: users.email_norm`, rebuilt as the name that
/// PostgreSQL would have chosen.
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
