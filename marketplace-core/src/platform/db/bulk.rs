//! Inserts many rows at once into any table, by the fastest way that each engine has inside a transaction: long multi-row
//! statements on SQLite, `COPY` on PostgreSQL.

use std::fmt::Write;

use sqlx::postgres::Postgres;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query};
use uuid::Uuid;

use super::{Conn, DbError};
use crate::base::{
    error::{Error, Result},
    time::Timestamp,
};

/// Maximum number of binds in one SQLite statement (`SQLITE_MAX_VARIABLE_NUMBER` is 32,766). More binds are not faster.
const BINDS: usize = 8_000;
/// Number of pages of SQLite's journal after which it is copied into the database: 8,000 pages are 32 MB. Each copy costs
/// two syncs, and a page that was written many times is copied only once; SQLite's default of 1,000 pages cost a third of
/// the rate of sent messages.
pub(crate) const CHECKPOINT: u32 = 8_000;
/// Page cache of SQLite's writer, in KiB; negative by SQLite's convention.
pub(crate) const WRITER_CACHE: &str = "-16384";
/// Number of bytes sent to PostgreSQL at a time.
const PIECE: usize = 256 * 1024;

/// A value of a column of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// An id.
    Id(Uuid),
    /// A text.
    Text(String),
    /// A text known at compile time, which is not copied for each row.
    Word(&'static str),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
    /// A byte string.
    Bytes(Vec<u8>),
}

impl Value {
    /// Returns the value that `some` makes, or NULL for `None`.
    pub fn or_null<T>(value: Option<T>, some: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, some)
    }
    /// Creates a text value.
    pub fn text(value: impl Into<String>) -> Self {
        Self::Text(value.into())
    }
}

/// Quotes a name for use in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(columns: &[&str]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

/// Appends rows, each with a value for every column. Calls `progress` with the number of rows sent since the last call. No
/// business rule is checked: the rows must be what the operations would have written.
///
/// # Errors
/// Returns `internal` when a row has more or fewer values than there are columns, and otherwise the database's error.
pub async fn insert(
    conn: &mut Conn<'_>,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<()> {
    if rows.iter().any(|row| row.len() != columns.len()) {
        return Err(Error::internal(format!("a row for {table} has not {} values", columns.len())));
    }
    match conn {
        Conn::Sqlite(conn) => sqlite(conn, table, columns, rows, progress).await,
        Conn::Pg(conn) => {
            let mut copy = conn
                .raw()
                .copy_in_raw(&format!("COPY {} ({}) FROM STDIN", quoted(table), list(columns)))
                .await
                .map_err(DbError::from)?;
            let mut buffer = String::with_capacity(PIECE + 4_096);
            let mut waiting = 0;
            for row in rows {
                copy_line(&mut buffer, row);
                waiting += 1;
                if buffer.len() >= PIECE {
                    copy.send(buffer.as_bytes()).await.map_err(DbError::from)?;
                    buffer.clear();
                    progress(waiting);
                    waiting = 0;
                }
            }
            copy.send(buffer.as_bytes()).await.map_err(DbError::from)?;
            copy.finish().await.map_err(DbError::from)?;
            progress(waiting);
            Ok(())
        }
    }
}

async fn sqlite(
    conn: &mut SqliteConnection,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<()> {
    let group = format!("({})", vec!["?"; columns.len()].join(", "));
    let head = format!("INSERT INTO {} ({}) VALUES ", quoted(table), list(columns));
    for rows in rows.chunks((BINDS / columns.len().max(1)).max(1)) {
        let text = format!("{head}{}", vec![&*group; rows.len()].join(", "));
        let mut query: Query<'_, Sqlite, _> = sqlx::query(AssertSqlSafe(text));
        for value in rows.iter().flatten() {
            query = bind(query, value);
        }
        query.execute(&mut *conn).await.map_err(DbError::from)?;
        progress(rows.len() as u64);
    }
    Ok(())
}

/// Binds a value of any type.
pub(crate) fn bind<'q>(
    query: Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>,
    value: &Value,
) -> Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Id(id) => query.bind(id),
        Value::Text(text) => query.bind(text),
        Value::Word(text) => query.bind(*text),
        Value::Int(number) => query.bind(number),
        Value::Float(number) => query.bind(number),
        Value::Bool(yes) => query.bind(yes),
        Value::Time(at) => query.bind(at),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}

/// Appends one line of COPY's text format (PostgreSQL manual, "COPY", File Formats).
fn copy_line(line: &mut String, row: &[Value]) {
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            line.push('\t');
        }
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Null => write!(line, "\\N"),
            Value::Id(id) => write!(line, "{id}"),
            Value::Int(number) => write!(line, "{number}"),
            Value::Float(number) => write!(line, "{number}"),
            Value::Bool(yes) => write!(line, "{}", if *yes { 't' } else { 'f' }),
            Value::Time(at) => write!(line, "{at}"),
            Value::Bytes(bytes) => write!(line, "\\\\x{}", hex::encode(bytes)),
            Value::Text(text) => {
                escaped(line, text);
                Ok(())
            }
            Value::Word(text) => {
                escaped(line, text);
                Ok(())
            }
        };
    }
    line.push('\n');
}

fn escaped(line: &mut String, text: &str) {
    // Copies whole runs at a time, as hardly any text contains characters to escape.
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\n', '\r', '\t']) {
        let (plain, from) = rest.split_at(at);
        line.push_str(plain);
        let mut chars = from.chars();
        match chars.next() {
            Some('\n') => line.push_str("\\n"),
            Some('\r') => line.push_str("\\r"),
            Some('\t') => line.push_str("\\t"),
            Some(_) => line.push_str("\\\\"),
            None => {}
        }
        rest = chars.as_str();
    }
    line.push_str(rest);
}

/// Pages of SQLite's journal after which it is copied into the database while much is written: 256 MB.
const LONG_JOURNAL: u32 = 64_000;

/// Sets whether SQLite's writer keeps more of the database in memory and in its journal, so that pages of indexes that are filled
/// out of order are written into the database once and not with every transaction.
///
/// # Errors
/// Returns the database's error.
pub async fn make_room(conn: &mut Conn<'_>, room: bool) -> Result<()> {
    if let Conn::Sqlite(conn) = conn {
        let (cache, journal) = if room { ("-262144", LONG_JOURNAL) } else { (WRITER_CACHE, CHECKPOINT) };
        let set = format!("PRAGMA cache_size = {cache}; PRAGMA wal_autocheckpoint = {journal}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut **conn).await.map_err(DbError::from)?;
    }
    Ok(())
}

/// Runs a statement that was built from names in the schema. Returns the number of rows it changed.
///
/// # Errors
/// Returns the database's error.
pub async fn execute(conn: &mut Conn<'_>, statement: String) -> Result<u64> {
    let done = match conn {
        Conn::Sqlite(conn) => {
            sqlx::query::<Sqlite>(AssertSqlSafe(statement)).execute(&mut **conn).await.map(|done| done.rows_affected())
        }
        Conn::Pg(conn) => sqlx::query::<Postgres>(AssertSqlSafe(statement))
            .execute(&mut **conn)
            .await
            .map(|done| done.rows_affected()),
    };
    Ok(done.map_err(DbError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_escapes_what_it_must() {
        let mut line = String::new();
        copy_line(
            &mut line,
            &[
                Value::text("a\tb\\N\nc\r"),
                Value::Null,
                Value::Bool(true),
                Value::Bytes(vec![0, 255]),
                Value::Time(Timestamp::from_micros(1)),
                Value::Int(-3),
            ],
        );
        assert_eq!(line, "a\\tb\\\\N\\nc\\r\t\\N\tt\t\\\\x00ff\t1970-01-01T00:00:00.000001Z\t-3\n");
    }
}
