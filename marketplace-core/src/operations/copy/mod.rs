//! Migration of a marketplace: copies everything from a SQLite database into an empty PostgreSQL one, by the schema
//! that the databases themselves describe, so that a new table requires no change here.
//!
//! Nobody else may have the source open meanwhile, so that no writes to it are missed; on request it is read while in
//! use, in one snapshot, and later writes are not copied. The target is written in one transaction: after a failure it
//! is as empty as before. Keys and files are not in the database: the new configuration must name the same `keys_dir`
//! and `files_url`, or copies of them.

use std::{path::Path, time::Duration};

use serde::Serialize;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteLockingMode, SqliteRow},
};

use super::backup;
use crate::{
    actor::Actor,
    base::{
        error::{Error, Result},
        time::Timestamp,
    },
    operations::{
        key_check,
        operator::{open_keys, record},
    },
    platform::{
        config::Config,
        db::{
            Conn, Db, DbError, Engine, OpenOptions, PgConn,
            bulk::{self, Value, quoted},
        },
        keys::Keys,
        sqlite_url::{SqliteUrl, file_name},
    },
    records::audit::{self, Adopt, AuditAction},
};

/// Number of rows that are held in memory at a time.
const BATCH: usize = 2_000;
/// sqlx's own table, which is not copied: each database has run its own migrations.
const MIGRATIONS: &str = "_sqlx_migrations";
/// Table that has a row since the migrations, which the source's row replaces.
const HEAD: &str = "audit_head";
/// Table that has a row since a program opened the target, which the source's row replaces.
const MARKS: &str = "event_marks";
/// Table that has rows since the migrations, which the source's rows replace unless somebody changed them.
const CATEGORIES: &str = "categories";
/// Tables into which a server writes when it opens a new database; the source's rows replace these. See
/// [`begun_with`].
const BEGUN: [&str; 2] = ["key_check", "audit_keys"];

/// Progress of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The table that is being copied.
    pub table: &'a str,
    /// Rows copied so far, of all tables.
    pub done: u64,
    /// Rows of all tables.
    pub total: u64,
}

/// Result of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Each table with its number of rows.
    pub tables: Vec<(String, u64)>,
    /// Rows of the audit log whose chain was verified in the target.
    pub audit_verified: i64,
    /// Number of the newest row of the audit log that was copied.
    pub last_audit: i64,
    /// Number of the newest event that was copied.
    pub last_event: i64,
    /// How many audit rows and events were written to a source in use since then, as far as could be seen at the end;
    /// other writes are not counted. `None` when nobody else had the source open: then nothing was written.
    pub written_since: Option<i64>,
}

/// Copies all rows of `from` (SQLite) to `to` (PostgreSQL, migrated and empty). A source that another program has open
/// is refused, unless `while_running` is set: then writes after the start of the copy are not copied.
///
/// # Errors
/// `invalid` for other engines; `conflict` when the source is in use, or the target has rows; `unavailable` when a
/// database cannot be reached, its schema is not this program's, or the keys of either configuration are not the
/// source's; `internal` when the copied rows differ from the source's.
pub async fn copy(
    from: &Config,
    to: &Config,
    actor: &Actor,
    while_running: bool,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Copied> {
    let (keys_dir, new_keys_dir) = (from.keys_dir(), to.keys_dir());
    let (from, to) = (from.database_url(), to.database_url());
    let Some(at) = SqliteUrl::parse(from.expose())? else {
        return Err(Error::invalid("/from", "must be a SQLite database, sqlite://PATH"));
    };
    if to.expose().starts_with("sqlite://") {
        return Err(Error::invalid("/to", "must be a PostgreSQL database, postgres://user:password@host/database"));
    }
    backup::require_file(&at.path)?;
    let path = at.path.as_path();
    // Another program that has it open is detected before anything is written.
    let _ = open_alone(path, while_running).await?.close().await;
    let options = OpenOptions { connections: 2, create: false, ..OpenOptions::default() };
    let source = Db::open(from.expose(), options).await?;
    let target = Db::open(to.expose(), options).await;
    let prepared = async {
        source.require_current().await?;
        let target = target?;
        target.require_current().await?;
        let keys = open_keys(&source, &keys_dir, Adopt::Unknown).await?;
        keys.require_same(&new_keys_dir)?;
        // Recorded before the first row is read, so that both databases contain the record.
        record(&source, &keys, actor, AuditAction::DbCopy, serde_json::json!({ "to": "postgres" })).await?;
        Ok::<_, Error>((keys, target))
    };
    let prepared = prepared.await;
    source.close().await;
    let (keys, target) = prepared?;
    let mut source = open_alone(path, while_running).await?;
    let copied = between(&mut source, &keys, &target, progress).await;
    target.close().await;
    let copied = match copied {
        Ok(copied) if while_running => {
            let (audit, event) = newest(&mut source).await?;
            Ok(Copied { written_since: Some(audit - copied.last_audit + event - copied.last_event), ..copied })
        }
        copied => copied,
    };
    // The source was only read, so an error does not matter.
    let _ = source.close().await;
    copied
}

/// Opens the source exclusively, unless it may be shared: in WAL mode every connection of any program holds a lock on
/// the file for as long as it is open, and a request for an exclusive lock is refused. While this connection holds
/// that lock, no other program can open the database.
async fn open_alone(path: &Path, while_running: bool) -> Result<SqliteConnection> {
    let mode = if while_running { SqliteLockingMode::Normal } else { SqliteLockingMode::Exclusive };
    let options = SqliteConnectOptions::new()
        .filename(file_name(path))
        .create_if_missing(false)
        .locking_mode(mode)
        .busy_timeout(Duration::from_millis(500))
        .disable_statement_logging();
    let opened = async {
        let mut source = options.connect().await?;
        // The first read takes the lock.
        sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut source).await?;
        Ok(source)
    };
    opened.await.map_err(|error: sqlx::Error| match DbError::from(error) {
        DbError::Busy(_) => Error::conflict(
            format!(
                "{} is open in another program: stop the server first, or copy it as it is now with --while-running and lose what is written meanwhile", path.display()
            ),
            serde_json::json!({ "path": path }),
        ),
        error => error.into(),
    })
}

/// Returns the numbers of the newest rows of the audit log and of the event log.
async fn newest(source: &mut SqliteConnection) -> Result<(i64, i64)> {
    let audit = sqlite_number(source, format!("SELECT coalesce(max(seq), 0) FROM {HEAD}")).await?;
    let event = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'";
    Ok((audit, sqlite_number(source, event.to_owned()).await?))
}

/// Copies between open databases.
pub(crate) async fn between(
    source: &mut SqliteConnection,
    keys: &Keys,
    target: &Db,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Copied> {
    target.require_current().await?;
    let mut snapshot = source.begin().await.map_err(DbError::from)?;
    let (last_audit, last_event) = newest(&mut snapshot).await?;
    let Some(mut tx) = target.connect_apart().await? else {
        return Err(Error::invalid("/to", format!("cannot copy from {:?} to {:?}", Engine::Sqlite, target.engine())));
    };
    tx.begin().await.map_err(DbError::from)?;
    let tables = tables(&mut snapshot, &mut tx).await?;
    lock_empty(&mut tx, &tables).await?;
    begun_with(&mut tx, keys).await?;
    let mut counts = Vec::with_capacity(tables.len());
    for table in &tables {
        counts.push(sqlite_number(&mut snapshot, format!("SELECT count(*) FROM {}", quoted(&table.name))).await?);
    }
    let total = counts.iter().sum::<i64>().unsigned_abs();
    let mut done = 0;
    let mut copied = Copied { tables: Vec::new(), audit_verified: 0, last_audit, last_event, written_since: None };
    for (table, expected) in tables.iter().zip(counts) {
        let before = done;
        let count = |rows| progress(Progress { table: &table.name, done: before + rows, total });
        let rows = table.copy(&mut snapshot, &mut tx, &count).await?;
        done += rows;
        let arrived = pg_number(&mut tx, format!("SELECT count(*) FROM {}", quoted(&table.name))).await?;
        if arrived != expected || rows != expected.unsigned_abs() {
            return Err(Error::internal(format!(
                "{}: {expected} rows were there, {rows} were read and {arrived} arrived",
                table.name
            )));
        }
        copied.tables.push((table.name.clone(), rows));
    }
    copied.audit_verified = verify_audit(keys, &mut Conn::Pg(&mut tx)).await?;
    tx.commit().await.map_err(DbError::from)?;
    bulk::execute(&mut Conn::Pg(&mut tx), "ANALYZE".into()).await?;
    Ok(copied)
}

/// A table that both databases have.
#[derive(Debug)]
struct Table {
    name: String,
    columns: Vec<Column>,
    /// Positions of the primary key in `columns`, in the key's order.
    key: Vec<usize>,
}

/// A column, with the type that it has in the target.
#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
    identity: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Time,
    Bool,
    Bytes,
    Text,
    Int,
    Float,
}

impl Kind {
    fn of(data_type: &str) -> Result<Self> {
        Ok(match data_type {
            "uuid" => Self::Id,
            "timestamp with time zone" => Self::Time,
            "boolean" => Self::Bool,
            "bytea" => Self::Bytes,
            "text" | "character varying" | "json" | "jsonb" => Self::Text,
            "bigint" | "integer" | "smallint" => Self::Int,
            "double precision" | "real" => Self::Float,
            other => return Err(Error::internal(format!("there is no way to copy a column of type {other}"))),
        })
    }

    fn read(self, row: &SqliteRow, at: usize) -> Result<Value> {
        let value = match self {
            Self::Id => row.try_get(at).map(|value| Value::or_null(value, Value::Id)),
            Self::Time => row.try_get(at).map(|value: Option<Timestamp>| Value::or_null(value, Value::Time)),
            Self::Bool => {
                row.try_get(at).map(|value: Option<i64>| Value::or_null(value, |value| Value::Bool(value != 0)))
            }
            Self::Bytes => row.try_get(at).map(|value| Value::or_null(value, Value::Bytes)),
            Self::Text => row.try_get(at).map(|value| Value::or_null(value, Value::Text)),
            Self::Int => row.try_get(at).map(|value| Value::or_null(value, Value::Int)),
            Self::Float => row.try_get(at).map(|value| Value::or_null(value, Value::Float)),
        };
        Ok(value.map_err(DbError::from)?)
    }
}

impl Table {
    /// Copies the table in batches along the primary key.
    async fn copy(
        &self,
        from: &mut SqliteConnection,
        to: &mut PgConn,
        count: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64> {
        if [HEAD, MARKS, CATEGORIES].contains(&&*self.name) || BEGUN.contains(&&*self.name) {
            bulk::execute(&mut Conn::Pg(to), format!("DELETE FROM {}", quoted(&self.name))).await?;
        }
        let names: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        let mut done = 0;
        let mut after: Option<Vec<Value>> = None;
        loop {
            let rows = self.batch(from, after.as_deref()).await?;
            let Some(last) = rows.last() else { break };
            after = Some(self.key.iter().filter_map(|at| last.get(*at)).cloned().collect());
            let already = done;
            done += rows.len() as u64;
            bulk::insert(&mut Conn::Pg(to), &self.name, &names, &rows, &|_| ()).await?;
            count(done);
            if done - already < BATCH as u64 {
                break;
            }
        }
        self.go_on_counting(from, to).await?;
        Ok(done)
    }

    async fn batch(&self, from: &mut SqliteConnection, after: Option<&[Value]>) -> Result<Vec<Vec<Value>>> {
        let list = |columns: &mut dyn Iterator<Item = &Column>| {
            columns.map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
        };
        let key = list(&mut self.key.iter().filter_map(|at| self.columns.get(*at)));
        let marks = vec!["?"; self.key.len()].join(", ");
        let place = if after.is_some() { format!("WHERE ({key}) > ({marks})") } else { String::new() };
        let all = list(&mut self.columns.iter());
        let text = format!("SELECT {all} FROM {} {place} ORDER BY {key} LIMIT {BATCH}", quoted(&self.name));
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(text));
        for value in after.unwrap_or_default() {
            query = bulk::bind(query, value);
        }
        let rows = query.fetch_all(from).await.map_err(DbError::from)?;
        rows.iter()
            .map(|row| self.columns.iter().enumerate().map(|(at, column)| column.kind.read(row, at)).collect())
            .collect()
    }

    /// Sets the target's next number to the one that the source, which remembers the numbers of deleted rows, would
    /// have assigned.
    async fn go_on_counting(&self, from: &mut SqliteConnection, to: &mut PgConn) -> Result<()> {
        for column in self.columns.iter().filter(|column| column.identity) {
            let last = format!("SELECT coalesce(max({}), 0) FROM {}", quoted(&column.name), quoted(&self.name));
            let last = sqlite_number(from, last).await?;
            let remembered = sqlx::query_scalar::<_, i64>("SELECT seq FROM sqlite_sequence WHERE name = ?")
                .bind(&self.name)
                .fetch_optional(&mut *from)
                .await
                .map_err(DbError::from)?;
            let last = last.max(remembered.unwrap_or(0));
            if last > 0 {
                sqlx::query("SELECT setval(pg_get_serial_sequence($1, $2), $3)")
                    .bind(quoted(&self.name))
                    .bind(&column.name)
                    .bind(last)
                    .execute(&mut *to)
                    .await
                    .map_err(DbError::from)?;
            }
        }
        Ok(())
    }
}

/// Returns the tables of both databases, referenced tables first. They must be the same, except for SQLite's full-text
/// index: the target fills its own.
async fn tables(source: &mut SqliteConnection, target: &mut PgConn) -> Result<Vec<Table>> {
    let described: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text, c.is_identity = 'YES' \
         FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
         WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name <> $1 \
         AND NOT (SELECT relispartition FROM pg_class WHERE oid = format('%I.%I', c.table_schema, c.table_name)::regclass) \
         ORDER BY c.table_name, c.ordinal_position",
    )
    .bind(MIGRATIONS)
    .fetch_all(target)
    .await
    .map_err(DbError::from)?;
    let mut tables: Vec<Table> = Vec::new();
    for (table, name, data_type, identity) in described {
        let column = Column { name, kind: Kind::of(&data_type)?, identity };
        match tables.last_mut().filter(|last| last.name == table) {
            Some(last) => last.columns.push(column),
            None => tables.push(Table { name: table, columns: vec![column], key: Vec::new() }),
        }
    }
    // Full-text indexes are virtual tables over shadow tables: the target has another kind of index.
    let known: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> ?",
    )
    .bind(MIGRATIONS)
    .fetch_all(&mut *source)
    .await
    .map_err(DbError::from)?;
    if let Some(missing) = known.iter().find(|name| !tables.iter().any(|table| table.name == **name)) {
        return Err(Error::internal(format!("the target has no table {missing}")));
    }
    for table in &mut tables {
        describe(source, table).await?;
    }
    let mut references: Vec<(String, String)> = Vec::new();
    for table in &tables {
        let parents: Vec<String> = sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_list(?)")
            .bind(&table.name)
            .fetch_all(&mut *source)
            .await
            .map_err(DbError::from)?;
        references.extend(parents.into_iter().filter(|parent| *parent != table.name).map(|p| (table.name.clone(), p)));
    }
    in_order(tables, &references)
}

/// Reads the source's primary key, and checks that the columns are the same in both databases.
async fn describe(source: &mut SqliteConnection, table: &mut Table) -> Result<()> {
    let columns: Vec<(String, i64)> = sqlx::query_as("SELECT name, pk FROM pragma_table_info(?) ORDER BY pk, cid")
        .bind(&table.name)
        .fetch_all(source)
        .await
        .map_err(DbError::from)?;
    let different = columns.len() != table.columns.len()
        || columns.iter().any(|(name, _)| !table.columns.iter().any(|column| column.name == *name));
    if different {
        return Err(Error::internal(format!("the columns of {} differ between the databases", table.name)));
    }
    let key = columns.iter().filter(|(_, place)| *place > 0);
    table.key = key.filter_map(|(name, _)| table.columns.iter().position(|column| column.name == *name)).collect();
    if table.key.is_empty() {
        return Err(Error::internal(format!("{} has no primary key", table.name)));
    }
    Ok(())
}

/// Orders tables so that parents come before children.
fn in_order(mut tables: Vec<Table>, references: &[(String, String)]) -> Result<Vec<Table>> {
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let ready = tables.iter().position(|table| {
            let mut parents = references.iter().filter(|(child, _)| *child == table.name).map(|(_, parent)| parent);
            parents.all(|parent| ordered.iter().any(|done| done.name == *parent))
        });
        let Some(ready) = ready else {
            return Err(Error::internal("tables refer to each other in a circle"));
        };
        ordered.push(tables.remove(ready));
    }
    Ok(ordered)
}

/// Locks the target's tables against other writers, and checks that they contain no rows that would be overwritten.
async fn lock_empty(target: &mut PgConn, tables: &[Table]) -> Result<()> {
    let names = tables.iter().map(|table| quoted(&table.name)).collect::<Vec<_>>().join(", ");
    bulk::execute(&mut Conn::Pg(target), format!("LOCK TABLE {names} IN EXCLUSIVE MODE")).await?;
    for table in tables.iter().filter(|table| !BEGUN.contains(&&*table.name)) {
        let condition = match &*table.name {
            HEAD => "WHERE seq > 0",
            MARKS => "WHERE FALSE",
            CATEGORIES => "WHERE version > 1 OR named",
            _ => "",
        };
        let text = format!("SELECT count(*) FROM (SELECT 1 FROM {} {condition} LIMIT 1) AS found", quoted(&table.name));
        if pg_number(target, text).await? > 0 {
            return Err(Error::conflict(
                format!("the target is not empty: its table {} has rows; copy into a new database", table.name),
                serde_json::json!({ "table": table.name }),
            ));
        }
    }
    Ok(())
}

/// Checks that a server that opened the target before did so with the same keys.
async fn begun_with(target: &mut PgConn, keys: &Keys) -> Result<()> {
    let known = key_check::known(&mut Conn::Pg(target)).await?;
    key_check::require_master_fit(&known, keys)
}

async fn verify_audit(keys: &Keys, conn: &mut Conn<'_>) -> Result<i64> {
    let (mut from, mut checked) = (1, 0);
    loop {
        let part = audit::verify_on(keys, conn, from, audit::VERIFY_LIMIT, None).await?;
        checked += part.checked;
        if let Some(broken) = part.broken {
            return Err(Error::conflict(
                format!("the audit log does not verify: row {} {}; nothing was copied", broken.seq, broken.detail),
                broken,
            ));
        }
        match part.next {
            Some(next) => from = next,
            None => return Ok(checked),
        }
    }
}

async fn sqlite_number(conn: &mut SqliteConnection, text: String) -> Result<i64> {
    Ok(sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(conn).await.map_err(DbError::from)?)
}

async fn pg_number(conn: &mut PgConn, text: String) -> Result<i64> {
    Ok(sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(conn).await.map_err(DbError::from)?)
}

#[cfg(test)]
mod tests;
