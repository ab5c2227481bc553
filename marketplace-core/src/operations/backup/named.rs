//! What a backup of a database says without being restored: which files it names, and with which keys it was written.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{check_file, options, postgres};
use crate::{
    base::error::{Error, Result},
    operations::{
        file_copy::compare::KeySpool,
        key_check::{self, Fingerprint},
    },
    platform::{
        config::Config,
        db::{DbError, Engine},
        files::ObjectKey,
    },
};

/// Every column that names a stored file. (`file_deletions` names those that nobody needs any more.)
pub(super) const COLUMNS: [(&str, &str); 8] = [
    ("attachments", "object_key"),
    ("attachments", "thumb_key"),
    ("kyc_files", "object_key"),
    ("pictures", "full_key"),
    ("pictures", "thumb_key"),
    ("service_photos", "full_key"),
    ("service_photos", "medium_key"),
    ("service_photos", "thumb_key"),
];

/// Checks a backup of the database: it is complete, and of a schema that this program knows. Returns the schema.
pub(in crate::operations) async fn check(config: &Config, engine: Engine, at: &Path) -> Result<i64> {
    match engine {
        Engine::Sqlite => check_file(at).await,
        Engine::Postgres => postgres::archived_schema(config.database_url().expose(), at).await,
    }
}

/// Refuses keys in `dir` that are not those with which the database in a backup was written.
pub(in crate::operations) async fn require_keys(config: &Config, engine: Engine, at: &Path, dir: &Path) -> Result<()> {
    let known = match engine {
        Engine::Sqlite => {
            let mut conn = open(at).await?;
            let known = sqlx::query_as::<_, Fingerprint>("SELECT file, key_id, mac FROM key_check ORDER BY file");
            // A schema from before fingerprints has no such table.
            let known = known.fetch_all(&mut conn).await.unwrap_or_default();
            conn.close().await.map_err(DbError::from)?;
            known
        }
        Engine::Postgres => postgres::archived_keys(config.database_url().expose(), at).await?,
    };
    key_check::require_known(&known, dir)
}

/// Returns the files that the database in a backup names, in the order of their keys.
pub(in crate::operations) async fn files(config: &Config, engine: Engine, at: &Path) -> Result<KeySpool> {
    match engine {
        Engine::Sqlite => sqlite_files(at).await,
        Engine::Postgres => {
            let mut command = postgres::tool("pg_restore", config.database_url().expose())?;
            let mut tables: Vec<&str> = COLUMNS.iter().map(|(table, _)| *table).collect();
            tables.dedup();
            command
                .args(["--data-only", "--file=-"])
                .args(tables.iter().map(|table| format!("--table={table}")))
                .arg(at);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            tokio::task::spawn_blocking(move || archived_files(command)).await.map_err(Error::internal)?
        }
    }
}

async fn open(at: &Path) -> Result<SqliteConnection> {
    let options = options(at).read_only(true).immutable(true);
    Ok(SqliteConnection::connect_with(&options).await.map_err(DbError::from)?)
}

async fn sqlite_files(at: &Path) -> Result<KeySpool> {
    let mut conn = open(at).await?;
    let mut parts = Vec::new();
    for (table, column) in COLUMNS {
        // An older schema may lack one.
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM pragma_table_info(?) WHERE name = ?")
            .bind(table)
            .bind(column)
            .fetch_one(&mut conn)
            .await
            .map_err(DbError::from)?;
        if there > 0 {
            parts.push(format!("SELECT {column} AS key FROM {table} WHERE {column} IS NOT NULL"));
        }
    }
    let mut spool = KeySpool::new()?;
    if !parts.is_empty() {
        let text = format!("{} ORDER BY key", parts.join(" UNION "));
        let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(text)).fetch(&mut conn);
        while let Some(key) = rows.try_next().await.map_err(DbError::from)? {
            spool.push(parsed(&key)?)?;
        }
    }
    conn.close().await.map_err(DbError::from)?;
    Ok(spool)
}

/// Reads the rows of the tables as `pg_restore` writes them, in no particular order: 17 bytes of memory for each file.
fn archived_files(mut command: std::process::Command) -> Result<KeySpool> {
    let failed = |error: std::io::Error| Error::unavailable(format!("pg_restore cannot be run: {error}"), error);
    let mut child = command.spawn().map_err(failed)?;
    let mut keys = Vec::new();
    // Positions of the columns in the rows that follow; none between tables.
    let mut places: Vec<usize> = Vec::new();
    for line in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
        let line = line.map_err(failed)?;
        if let Some(head) = line.strip_prefix("COPY ") {
            places = columns(head);
        } else if line == "\\." {
            places.clear();
        } else {
            let fields = places.iter().filter_map(|at| line.split('\t').nth(*at)).filter(|key| *key != "\\N");
            for key in fields {
                keys.push(parsed(key)?);
            }
        }
    }
    if !child.wait().map_err(failed)?.success() {
        return Err(Error::unavailable("pg_restore cannot read the archive that was written", "it failed"));
    }
    keys.sort_unstable();
    keys.dedup();
    let mut spool = KeySpool::new()?;
    for key in keys {
        spool.push(key)?;
    }
    Ok(spool)
}

/// Returns the positions of the columns that name files, from the rest of a line `COPY schema.table (a, b) FROM stdin;`.
fn columns(head: &str) -> Vec<usize> {
    let Some((table, columns)) = head.split_once(" (").and_then(|(table, rest)| Some((table, rest.split_once(')')?.0)))
    else {
        return Vec::new();
    };
    let table = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
    let is_named = |column: &str| COLUMNS.contains(&(table, column.trim_matches('"')));
    columns.split(", ").enumerate().filter(|(_, column)| is_named(column)).map(|(at, _)| at).collect()
}

fn parsed(key: &str) -> Result<ObjectKey> {
    ObjectKey::parse(key)
        .ok_or_else(|| Error::internal(format!("the database names a file `{key}`, which is no name of one")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column that is forgotten here is a file that is in no backup.
    #[tokio::test]
    async fn every_column_that_names_a_file_is_known() {
        let mut conn = open(crate::testing::sqlite_template().await.as_ref()).await.unwrap();
        let found: Vec<(String, String)> = sqlx::query_as(
            "SELECT m.name, p.name FROM sqlite_schema m JOIN pragma_table_info(m.name) p \
             WHERE m.type = 'table' AND (p.name LIKE '%object_key' OR p.name LIKE '%full_key' OR p.name LIKE '%thumb_key' \
             OR p.name LIKE '%medium_key' OR p.name LIKE '%file_key') ORDER BY m.name, p.name",
        )
        .fetch_all(&mut conn)
        .await
        .unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(table, column)| (&**table, &**column)).collect();
        let mut known = COLUMNS.to_vec();
        known.push(("file_deletions", "object_key"));
        known.sort_unstable();
        assert_eq!(found, known);
    }

    #[test]
    fn columns_are_found_by_their_names() {
        assert_eq!(columns("public.attachments (id, object_key, user_id, thumb_key) FROM stdin;"), [1, 3]);
        assert_eq!(columns("\"odd.place\".kyc_files (object_key, kind) FROM stdin;"), [0]);
        assert!(columns("public.file_deletions (object_key) FROM stdin;").is_empty());
    }
}
