//! What databases answer when something is wrong, in one form for both.

use crate::error::Error;

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
    /// The database takes no writes: a standby, or a primary that was told so.
    #[error("database read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// The database's machine is out of disk, memory or connections, or cannot use its files.
    #[error("database exhausted")]
    Exhausted(#[source] sqlx::Error),
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
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => Self::Unreachable(error),
                error => Self::Other(error),
            };
        };
        match database.kind() {
            ErrorKind::UniqueViolation => Self::Unique(unique_name(database)),
            ErrorKind::ForeignKeyViolation => Self::ForeignKey,
            _ => match database.code().as_deref() {
                // SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT
                Some("5" | "517") => Self::Busy(error),
                // NUL in a text: PostgreSQL refuses it, and the rules of the features should have before.
                code => code.and_then(postgres_kind).unwrap_or(Self::Other)(error),
            },
        }
    }
}

/// What a code of PostgreSQL's (its manual's appendix A) is, when it is no fault of the statement's. SQLite's codes are
/// shorter.
fn postgres_kind(code: &str) -> Option<fn(sqlx::Error) -> DbError> {
    Some(match code {
        // serialization_failure, deadlock_detected; lock_not_available, object_in_use; query_canceled: by `statement_timeout`;
        // idle_in_transaction_session_timeout, transaction_timeout
        "40001" | "40P01" | "55P03" | "55006" | "57014" | "25P03" | "25P04" => DbError::Busy,
        // read_only_sql_transaction
        "25006" => DbError::ReadOnly,
        // A role or a database that is gone or was renamed.
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

impl DbError {
    /// What happened, for the log and for operators.
    pub(super) fn reason(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
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
            DbError::ReadOnly(source) => Self::unavailable(
                "the database takes no writes just now: it is a standby, or was told so; database_url must name the primary",
                source,
            ),
            DbError::Exhausted(source) => {
                Self::unavailable("the database is out of disk, memory or connections; try again later", source)
            }
            other => Self::internal(other),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

/// What the database could not do for its own reasons, when it was not asked for too much.
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

/// Whether running the unit again may succeed at once: it lost a deadlock or a serialisation race, or this program was
/// stopped for so long in the middle of it that the server took it back.
pub(super) fn lost_a_race(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<DbError>());
    let Some(DbError::Busy(sqlx::Error::Database(database))) = source else { return false };
    matches!(database.code().as_deref(), Some("40001" | "40P01" | "25P03"))
}

/// A database that cannot be opened, with what to do. `place` has no credentials in it.
pub(super) fn opening(place: &str, error: impl Into<DbError>) -> Error {
    match error.into() {
        DbError::ReadOnly(source) => Error::unavailable(
            format!(
                "the database at {place} is a standby, which can only be read; name the primary in database_url, or promote it"
            ),
            source,
        ),
        error => Error::unavailable(format!("the database at {place} cannot be opened"), error),
    }
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
