//! Migrates a PostgreSQL database that is in use, while servers of the release before read and write.
//!
//! A migration that runs as a whole holds every lock to its end, so whoever needs the first table that it changed waits for
//! all that follows: the reading of a large table, the building of an index. Here each of its statements is a step of its own, a step that
//! does not get its lock lets others pass and tries again, indexes of tables that exist are built without a lock, and
//! indexes are dropped at the end, when those exist that take their place. The steps that were done are recorded, so that a
//! run that was stopped goes on. A migration that begins with [`IN_ONE_PIECE`] is a single step.

use std::time::{Duration, Instant};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr,
    migrate::{Migrate, MigrateError, Migration, Migrator},
};

use super::{
    DbError,
    applied::{check, failed, run_missing},
    postgres::Pool,
};
use crate::base::error::{Error, ErrorCode, Result};

/// What a migration begins with whose statements are of no use one by one, and quick.
pub(super) const IN_ONE_PIECE: &str = "-- in one piece";

/// How long a step waits for a lock on a table before it lets others pass: all who need that table wait behind it.
const QUEUE: Duration = Duration::from_millis(300);
/// Every how manieth try waits longer than PostgreSQL needs to notice that an autovacuum is in the way, which it ends then.
const LONGER: u32 = 3;
/// For how long it tries.
const TRIES: Duration = Duration::from_mins(10);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What is done at once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// In a transaction.
    Text(String),
    /// An index of a table that may be in use: its name, and the statement.
    Index(String, String),
}

/// Returns the steps of a migration.
fn steps(sql: &str) -> Vec<Step> {
    if sql.starts_with(IN_ONE_PIECE) {
        return vec![Step::Text(sql.to_owned())];
    }
    let statements = statements(sql);
    let words: Vec<Vec<&str>> = statements.iter().map(|text| text.split_whitespace().collect()).collect();
    let is_new = |table: &str| words.iter().any(|words| words.starts_with(&["CREATE", "TABLE", table]));
    let mut dropped: Vec<&str> = Vec::new();
    for words in &words {
        if let ["DROP", "INDEX", name] = words.as_slice() {
            dropped.push(name);
        }
    }
    let (mut steps, mut replaced) = (Vec::new(), Vec::new());
    for (text, words) in statements.iter().zip(&words) {
        let (unique, rest) = match words.as_slice() {
            ["CREATE", "INDEX", rest @ ..] => ("", rest),
            ["CREATE", "UNIQUE", "INDEX", rest @ ..] => ("UNIQUE ", rest),
            ["DROP", "INDEX", _] => continue,
            _ => {
                steps.push(Step::Text((*text).to_owned()));
                continue;
            }
        };
        match rest {
            [name, "ON", table, what @ ..] if !is_new(table) => {
                let new = if dropped.contains(name) { format!("{name}_next") } else { (*name).to_owned() };
                if new != *name {
                    replaced.push(*name);
                }
                let text = format!("CREATE {unique}INDEX CONCURRENTLY {new} ON {table} {}", what.join(" "));
                steps.push(Step::Index(new, text));
            }
            _ => steps.push(Step::Text((*text).to_owned())),
        }
    }
    // As late as possible: until then somebody needs them.
    for name in dropped {
        let rename = if replaced.contains(&name) {
            format!("; ALTER INDEX {name}_next RENAME TO {name}")
        } else {
            String::new()
        };
        steps.push(Step::Text(format!("DROP INDEX {name}{rename}")));
    }
    steps
}

/// Splits a text into its statements, without what is only comments.
fn statements(sql: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut begun, mut at, mut has_words) = (0, 0, false);
    let rest = |at: usize| sql.get(at..).unwrap_or_default();
    while let Some(next) = rest(at).chars().next() {
        let skipped = match next {
            '-' if rest(at).starts_with("--") => rest(at).find('\n').map_or(rest(at).len(), |end| end + 1),
            // A doubled quote ends one text and begins another.
            '\'' | '"' => rest(at + 1).find(next).map_or(rest(at).len(), |end| end + 2),
            '$' if rest(at).starts_with("$$") => rest(at + 2).find("$$").map_or(rest(at).len(), |end| end + 4),
            _ => next.len_utf8(),
        };
        if next == ';' {
            found.extend(sql.get(begun..at).filter(|_| has_words).map(without_comments));
            (begun, has_words) = (at + 1, false);
        } else {
            has_words |= !next.is_whitespace() && !rest(at).starts_with("--");
        }
        at += skipped;
    }
    found.extend(sql.get(begun..).filter(|_| has_words).map(without_comments));
    found
}

/// Returns a statement without the comments before it.
fn without_comments(text: &str) -> &str {
    let mut text = text.trim();
    while text.starts_with("--") {
        text = text.split_once('\n').map_or("", |(_, rest)| rest.trim_start());
    }
    text
}

/// Runs the missing migrations. Others that migrate wait meanwhile.
pub(super) async fn migrate(pool: &Pool, migrator: &Migrator) -> Result<()> {
    let mut first = pool.connect_apart().await?;
    // The lock of a transaction works behind a pooler, too, and this one sees nothing, so that nothing waits for its end.
    let mut alone = first.raw().begin().await.map_err(DbError::from)?;
    let setup = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
                 SELECT pg_advisory_xact_lock(hashtext('marketplace migrations'))";
    sqlx::raw_sql(setup).execute(&mut *alone).await.map_err(DbError::from)?;
    let mut second = pool.connect_apart().await?;
    let is_pooled = second.is_pooled();
    let conn = second.raw();
    let table = migrator.table_name.as_ref();
    conn.ensure_migrations_table(table).await.map_err(failed)?;
    let done = conn.list_applied_migrations(table).await.map_err(failed)?;
    check(migrator, done.iter().map(|row| (row.version, &*row.checksum, "")))?;
    if done.is_empty() {
        // Nobody uses it yet.
        let mut tx = conn.begin().await.map_err(DbError::from)?;
        run_missing(&mut *tx, migrator).await?;
        tx.commit().await.map_err(DbError::from)?;
    }
    let missing = migrator.iter().filter(|one| !done.is_empty() && !done.iter().any(|row| row.version == one.version));
    for migration in missing {
        in_steps(conn, table, migration, is_pooled).await?;
    }
    alone.rollback().await.map_err(DbError::from)?;
    Ok(())
}

/// The steps of a migration that were done already, if it was stopped; dropped with its last one.
const PROGRESS: &str = "_migration_steps";

async fn in_steps(conn: &mut PgConnection, table: &str, migration: &Migration, is_pooled: bool) -> Result<()> {
    let begun = format!(
        "CREATE TABLE IF NOT EXISTS {PROGRESS} (version BIGINT NOT NULL, step BIGINT NOT NULL, PRIMARY KEY (version, step))"
    );
    let done = format!("SELECT count(*) FROM {PROGRESS} WHERE version = {}", migration.version);
    let steps = steps(migration.sql.as_str());
    let mut done = if steps.len() > 1 {
        sqlx::raw_sql(AssertSqlSafe(begun)).execute(&mut *conn).await.map_err(refused)?;
        let row = sqlx::query_scalar::<_, i64>(AssertSqlSafe(done)).persistent(false).fetch_one(&mut *conn).await;
        usize::try_from(row.map_err(DbError::from)?).unwrap_or(0)
    } else {
        0
    };
    for step in steps.iter().skip(done) {
        done += 1;
        let text = match step {
            Step::Text(text) => text.clone(),
            Step::Index(name, text) if !is_pooled && is_plain(conn, text).await? => {
                build(conn, name, text).await?;
                String::new()
            }
            Step::Index(_, text) => text.replacen(" CONCURRENTLY", "", 1),
        };
        let mut whole = migration.clone();
        if done == steps.len() {
            let forgotten = if done > 1 { format!("DROP TABLE {PROGRESS};") } else { String::new() };
            whole.sql = AssertSqlSafe(format!("{forgotten} {text}")).into_sql_str();
            patiently(conn, table, &Done::Whole(whole)).await?;
        } else {
            let step = format!("INSERT INTO {PROGRESS} VALUES ({}, {done}); {text}", migration.version);
            patiently(conn, table, &Done::Part(step)).await?;
        }
    }
    Ok(())
}

/// What is done in one transaction.
enum Done {
    /// A step that others follow.
    Part(String),
    /// The last step of a migration, which is recorded as run.
    Whole(Migration),
}

/// Does something in a transaction, and again when another one is in its way.
async fn patiently(conn: &mut PgConnection, table: &str, what: &Done) -> Result<()> {
    let begun = Instant::now();
    for tried in 1_u32.. {
        let mut tx = conn.begin().await.map_err(DbError::from)?;
        let wait = if tried % LONGER == 0 {
            "extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000"
        } else {
            "0"
        };
        let limits = format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SELECT set_config('lock_timeout', ({wait} + {})::int::text, true)",
            QUEUE.as_millis()
        );
        sqlx::raw_sql(AssertSqlSafe(limits)).execute(&mut *tx).await.map_err(DbError::from)?;
        let outcome = match what {
            Done::Part(text) => {
                sqlx::raw_sql(AssertSqlSafe(&**text)).execute(&mut *tx).await.map(drop).map_err(refused)
            }
            Done::Whole(migration) => tx.apply(table, migration).await.map(drop).map_err(failed),
        };
        match outcome {
            Ok(()) => return tx.commit().await.map_err(|error| DbError::from(error).into()),
            Err(error) if error.code() == ErrorCode::Busy && begun.elapsed() < TRIES => {
                tx.rollback().await.map_err(DbError::from)?;
                in_use(tried).await;
            }
            Err(error) => return Err(given_up(error)),
        }
    }
    Ok(())
}

/// Waits for the next try, and says so at the first one.
async fn in_use(tried: u32) {
    if tried == 1 {
        tracing::warn!("a table that is to be changed is in use; this is tried again for ten minutes");
    }
    tokio::time::sleep(PAUSE).await;
}

fn given_up(error: Error) -> Error {
    if error.code() != ErrorCode::Busy {
        return error;
    }
    let text = "a table that is to be changed was in use for ten minutes: see pg_stat_activity for who holds it, and migrate again; what was done stays";
    Error::unavailable(text, error)
}

/// Returns whether an index is one of a table that is not divided: only of such can it be built without a lock.
async fn is_plain(conn: &mut PgConnection, index: &str) -> Result<bool> {
    let table = index.split_whitespace().skip_while(|word| *word != "ON").nth(1).unwrap_or_default();
    let kind = sqlx::query_scalar::<_, String>("SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)");
    let kind = kind.bind(table).fetch_optional(conn).await.map_err(DbError::from)?;
    Ok(kind.is_some_and(|kind| kind == "r"))
}

/// Builds an index while others write. One that an interrupted run left unfinished is built anew.
async fn build(conn: &mut PgConnection, name: &str, text: &str) -> Result<()> {
    let begun = Instant::now();
    sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
        .execute(&mut *conn)
        .await
        .map_err(DbError::from)?;
    for tried in 1_u32.. {
        let state = sqlx::query_scalar::<_, bool>("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)");
        match state.bind(name).fetch_optional(&mut *conn).await.map_err(DbError::from)? {
            Some(true) => return Ok(()),
            Some(false) => {
                let text = format!("DROP INDEX CONCURRENTLY {name}");
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await.map_err(refused)?;
            }
            None => {}
        }
        match sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await.map_err(refused) {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == ErrorCode::Busy && begun.elapsed() < TRIES => {
                in_use(tried).await;
            }
            Err(error) => return Err(given_up(error)),
        }
    }
    Ok(())
}

fn refused(error: sqlx::Error) -> Error {
    failed(MigrateError::Execute(error))
}

#[cfg(test)]
mod tests;
