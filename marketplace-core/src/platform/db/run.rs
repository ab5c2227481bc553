//! The functions that `q!` runs: one set for each engine, independent of the row type, so that each text costs the compiler
//! only its binds and its mapping, not its own path through sqlx.

use sqlx::{Arguments, Encode, FromRow, Row, Type, error::BoxDynError};

/// The binds so far, or the first encoding error.
pub type Bound<A> = Result<A, BoxDynError>;

/// Adds a bind.
pub fn bind<'q, A: Arguments, T: Encode<'q, A::Database> + Type<A::Database>>(bound: Bound<A>, value: T) -> Bound<A> {
    let mut arguments = bound?;
    arguments.add(value)?;
    Ok(arguments)
}

/// Converts a row to its type.
pub fn row<R: Row, T: for<'r> FromRow<'r, R>>(row: &R) -> Result<T, sqlx::Error> {
    T::from_row(row)
}

/// Returns the only column of a row.
pub fn value<R: Row, T>(row: &R) -> Result<T, sqlx::Error>
where
    (T,): for<'r> FromRow<'r, R>,
{
    <(T,)>::from_row(row).map(|columns| columns.0)
}

// Loops, not chains of adapters: each is compiled for every type of row on both engines, and a chain is many times the
// code.

/// Converts the row, if there is one, to its type.
pub fn maybe_row<R: Row, T: for<'r> FromRow<'r, R>>(found: Option<&R>) -> Result<Option<T>, sqlx::Error> {
    match found {
        Some(found) => Ok(Some(row(found)?)),
        None => Ok(None),
    }
}

/// Returns the only column of the row, if there is one.
pub fn maybe_value<R: Row, T>(found: Option<&R>) -> Result<Option<T>, sqlx::Error>
where
    (T,): for<'r> FromRow<'r, R>,
{
    match found {
        Some(found) => Ok(Some(value(found)?)),
        None => Ok(None),
    }
}

/// Converts rows to their type.
pub fn rows<R: Row, T: for<'r> FromRow<'r, R>>(found: &[R]) -> Result<Vec<T>, sqlx::Error> {
    let mut rows = Vec::with_capacity(found.len());
    for found in found {
        rows.push(row(found)?);
    }
    Ok(rows)
}

/// Returns the only column of each row.
pub fn values<R: Row, T>(found: &[R]) -> Result<Vec<T>, sqlx::Error>
where
    (T,): for<'r> FromRow<'r, R>,
{
    let mut values = Vec::with_capacity(found.len());
    for found in found {
        values.push(value(found)?);
    }
    Ok(values)
}

macro_rules! engine {
    ($(#[$doc:meta])* $name:ident, $connection:ty, $arguments:ty, $row:ty) => {
        $(#[$doc])*
        pub mod $name {
            use super::Bound;

            /// Returns an empty list of binds.
            pub fn none() -> Bound<$arguments> {
                Ok(<$arguments>::default())
            }
            /// Runs a statement. Returns the number of changed rows.
            pub async fn exec(conn: &mut $connection, sql: &'static str, bound: Bound<$arguments>) -> Result<u64, sqlx::Error> {
                let bound = bound.map_err(sqlx::Error::Encode)?;
                sqlx::query_with(sql, bound).execute(conn).await.map(|done| done.rows_affected())
            }
            /// Returns the first row, if there is one.
            pub async fn opt(conn: &mut $connection, sql: &'static str, bound: Bound<$arguments>) -> Result<Option<$row>, sqlx::Error> {
                let bound = bound.map_err(sqlx::Error::Encode)?;
                sqlx::query_with(sql, bound).fetch_optional(conn).await
            }
            /// Returns the first row, which must exist.
            pub async fn one(conn: &mut $connection, sql: &'static str, bound: Bound<$arguments>) -> Result<$row, sqlx::Error> {
                opt(conn, sql, bound).await?.ok_or(sqlx::Error::RowNotFound)
            }
            /// Returns every row.
            pub async fn all(conn: &mut $connection, sql: &'static str, bound: Bound<$arguments>) -> Result<Vec<$row>, sqlx::Error> {
                let bound = bound.map_err(sqlx::Error::Encode)?;
                sqlx::query_with(sql, bound).fetch_all(conn).await
            }
        }
    };
}

engine!(
    /// The functions for SQLite.
    sqlite,
    sqlx::SqliteConnection,
    sqlx::sqlite::SqliteArguments,
    sqlx::sqlite::SqliteRow
);
engine!(
    /// The functions for PostgreSQL.
    pg,
    crate::platform::db::PgConn,
    sqlx::postgres::PgArguments,
    sqlx::postgres::PgRow
);
