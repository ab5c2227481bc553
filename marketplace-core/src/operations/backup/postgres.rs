//! PostgreSQL's own tools, found on the PATH. The password is passed in the environment, because arguments are visible
//! to everybody.

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use sqlx::{Connection, PgConnection};
use url::Url;

use crate::{
    base::error::{Error, Result},
    operations::key_check::{self as check, Fingerprint},
    platform::{
        config::Config,
        db::{DbError, bulk::quoted, connect_plain, schema, single_urls},
    },
};

/// Writes an archive in `pg_dump`'s custom format.
pub(super) async fn dump(url: &str, to: &Path) -> Result<()> {
    let mut command = tool("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(to);
    // Meanwhile no range of a table is begun or dropped: the tool reads the rows of its snapshot from tables as they are named now.
    let mut conn = connect_plain(url).await?;
    let mut held = conn.begin().await.map_err(DbError::from)?;
    let lock = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; \
                SELECT pg_advisory_xact_lock_shared(hashtext('marketplace.partitions'))";
    sqlx::raw_sql(lock).execute(&mut *held).await.map_err(DbError::from)?;
    run("pg_dump", command).await?;
    // If the connection broke, so did the lock.
    held.rollback().await.map_err(DbError::from)?;
    Ok(())
}

/// Checks an archive, its keys, and that nothing is in its way unless `force` is set. Returns its schema, and the
/// connection with which [`restore`] goes on.
pub(super) async fn prepare(config: &Config, from: &Path, force: bool) -> Result<(i64, PgConnection)> {
    let url = config.database_url();
    let url = url.expose();
    let schema = archived_schema(url, from).await?;
    check::require_known(&archived_keys(url, from).await?, &config.keys_dir())?;
    let mut conn = connect_plain(url).await?;
    if !force {
        let tables = tables(&mut conn).await?.len();
        require_free(&mut conn, tables).await?;
    }
    Ok((schema, conn))
}

async fn tables(conn: &mut PgConnection) -> Result<Vec<String>> {
    let there = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables \
         WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'",
    );
    Ok(there.fetch_all(conn).await.map_err(DbError::from)?)
}

/// Refuses a database that has tables, or that somebody else uses.
async fn require_free(conn: &mut PgConnection, tables: usize) -> Result<()> {
    let sessions: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_type = 'client backend'",
    )
    .fetch_one(conn)
    .await
    .map_err(DbError::from)?;
    if tables == 0 && sessions == 0 {
        return Ok(());
    }
    Err(Error::conflict(
        format!(
            "the target database has {tables} tables and {sessions} other sessions; restore into a new one, or force it"
        ),
        serde_json::json!({ "tables": tables, "sessions": sessions }),
    ))
}

/// Restores an archive that was checked, in one transaction. Returns the last row of the audit log of the database that was
/// replaced.
pub(super) async fn restore(mut conn: PgConnection, url: &str, from: &Path, schema: i64) -> Result<Option<String>> {
    let there = tables(&mut conn).await?;
    let head = sqlx::query_as::<_, (i64, String)>("SELECT seq, hash FROM audit_head WHERE id = 1");
    let replaced = head.fetch_optional(&mut conn).await.ok().flatten().map(|(seq, tag)| format!("{seq}:{tag}"));
    let mut command = tool("pg_restore", url)?;
    command.args(["--no-owner", "--no-privileges", "--clean", "--if-exists", "--file=-"]).arg(from);
    // The tool replaces what is in the archive, but for ranges of tables, which go with those. What a newer schema added would be in the
    // way: references now, and tables for the migrations that follow.
    let archived = archived_tables(url, from).await?;
    let ours: Vec<&String> = there.iter().filter(|table| schema::creates(table)).collect();
    let mut before = vec!["BEGIN".to_owned(), "SET LOCAL client_min_messages = warning".to_owned()];
    for (table, name) in references_of(&mut conn, &ours).await? {
        before.push(format!("ALTER TABLE {} DROP CONSTRAINT {}", quoted(&table), quoted(&name)));
    }
    let divided = divided(&mut conn, &ours).await?;
    before.extend(divided.iter().map(|table| format!("DROP TABLE {}", quoted(table))));
    let mut after = vec!["RESET search_path".to_owned(), "SET LOCAL client_min_messages = warning".to_owned()];
    let sequences = schema::sequences_after(schema);
    after.extend(sequences.map(|sequence| format!("DROP SEQUENCE IF EXISTS {} CASCADE", quoted(sequence))));
    let newer = ours.iter().filter(|table| !archived.contains(table));
    after.extend(newer.map(|table| format!("DROP TABLE IF EXISTS {} CASCADE", quoted(table))));
    after.push("COMMIT".to_owned());
    conn.close().await.map_err(DbError::from)?;
    let mut psql = tool("psql", url)?;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]);
    let script = |statements: Vec<String>| statements.join(";\n") + ";\n";
    let (before, after) = (script(before), script(after));
    let replaced_by = move || feed(command, psql, &before, &after);
    tokio::task::spawn_blocking(replaced_by).await.map_err(Error::internal)??;
    Ok(replaced)
}

/// Runs what `from` writes by `to`, between two texts; the second one only when `from` succeeded. Without it, nothing is committed.
fn feed(mut from: Command, mut to: Command, before: &str, after: &str) -> Result<()> {
    let (read, run) = (name_of(&from), name_of(&to));
    let to = to.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut to = to.map_err(|error| not_started(&run, error))?;
    let from = from.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut from = from.map_err(|error| not_started(&read, error))?;
    let fed = match (to.stdin.take(), from.stdout.take()) {
        (Some(mut input), Some(mut output)) => input
            .write_all(before.as_bytes())
            .and_then(|()| io::copy(&mut output, &mut input))
            // Both are closed when it failed, by which both programs end.
            .map(|_| input),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    };
    let read = from.wait_with_output().map_err(Error::internal).map(|output| (read, output))?;
    let fed = match fed {
        Ok(mut input) if read.1.status.success() => input.write_all(after.as_bytes()),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    let run = to.wait_with_output().map_err(Error::internal).map(|output| (run, output))?;
    // Of two that failed, the one that ran the statements knows why, unless it only lost its input.
    for (name, output) in [run, read] {
        if !output.status.success() {
            return Err(failed(&name, &output));
        }
    }
    fed.map_err(Error::internal)
}

/// Returns those of the tables that are divided into ranges.
async fn divided(conn: &mut PgConnection, tables: &[&String]) -> Result<Vec<String>> {
    let names: Vec<&str> = tables.iter().map(|table| table.as_str()).collect();
    let found = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'p' AND relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY($1)",
    );
    Ok(found.bind(names).fetch_all(conn).await.map_err(DbError::from)?)
}

/// Returns the foreign keys of tables: table and name.
async fn references_of(conn: &mut PgConnection, tables: &[&String]) -> Result<Vec<(String, String)>> {
    let names: Vec<&str> = tables.iter().map(|table| table.as_str()).collect();
    let found = sqlx::query_as(
        "SELECT t.relname::text, c.conname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
         WHERE c.contype = 'f' AND t.relnamespace = quote_ident(current_schema())::regnamespace AND t.relname = ANY($1)",
    );
    Ok(found.bind(names).fetch_all(conn).await.map_err(DbError::from)?)
}

/// Returns the newest migration in an archive, read without a server.
pub(super) async fn archived_schema(url: &str, from: &Path) -> Result<i64> {
    let none_of_ours = || {
        Error::invalid("/from", format!("{} is not a backup of a marketplace's PostgreSQL database", from.display()))
    };
    let rows = archived_rows(url, from, "_sqlx_migrations").await.map_err(|error| {
        // The tool exists, and cannot read this file.
        let refused = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Failed>()).is_some();
        if refused { none_of_ours() } else { error }
    })?;
    let done = rows.iter().filter_map(|row| Some((row.first()?.parse().ok()?, row.get(1)?.as_str())));
    schema::check_known(done)?.ok_or_else(none_of_ours)
}

/// Returns the tables of an archive.
async fn archived_tables(url: &str, from: &Path) -> Result<Vec<String>> {
    let mut command = tool("pg_restore", url)?;
    command.arg("--list").arg(from);
    // Number, catalogue, object, `TABLE`, schema, name, owner; the data of a table is `TABLE DATA`.
    let table = |line: &str| {
        let mut words = line.split(' ').skip(3);
        let found = words.next() == Some("TABLE") && words.next() != Some("DATA");
        words.next().filter(|_| found).map(str::to_owned)
    };
    Ok(run("pg_restore", command).await?.lines().filter_map(table).collect())
}

/// Returns the fingerprints of the keys with which an archive was written; none in an archive from before
/// fingerprints.
pub(super) async fn archived_keys(url: &str, from: &Path) -> Result<Vec<Fingerprint>> {
    let rows = archived_rows(url, from, "key_check").await?;
    Ok(rows.iter().filter_map(|row| fingerprint(row)).collect())
}

fn fingerprint(row: &[String]) -> Option<Fingerprint> {
    let [file, key_id, mac, ..] = row else { return None };
    let mac = hex::decode(mac.trim_start_matches('\\').trim_start_matches('x')).ok()?;
    Some(Fingerprint { file: file.clone(), key_id: key_id.clone(), mac })
}

/// Returns the rows of one table of an archive, as COPY writes them, read without a server. Returns `None` when there
/// is no such table.
async fn archived_rows(url: &str, from: &Path, table: &str) -> Result<Vec<Vec<String>>> {
    let mut command = tool("pg_restore", url)?;
    command.args(["--data-only", &format!("--table={table}"), "--file=-"]).arg(from);
    let text = run("pg_restore", command).await?;
    let rows = text.lines().skip_while(|line| !line.starts_with("COPY ")).skip(1).take_while(|line| *line != "\\.");
    Ok(rows.map(|row| row.split('\t').map(str::to_owned).collect()).collect())
}

fn wrong_url() -> Error {
    Error::invalid("/database_url", "must be postgres://user:password@host/database")
}

fn first(url: &str) -> Result<Url> {
    single_urls(url)?.0.into_iter().next().ok_or_else(wrong_url)
}

fn decoded(text: &str) -> String {
    // Percent-encoding, as in any part of a URL; a form decoder does the same except for `+`.
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

/// Returns a command that gets the connection data of the database at `url` through its environment.
pub(super) fn tool(name: &str, url: &str) -> Result<Command> {
    let urls = single_urls(url)?.0;
    let url = first(url)?;
    let mut command = Command::new(name);
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.env(name, value);
        }
    };
    let all = |part: fn(&Url) -> String| Some(urls.iter().map(part).collect::<Vec<_>>().join(","));
    // The tool tries them in turn, as this program does.
    set("PGHOST", all(|url| url.host_str().map(decoded).unwrap_or_default()));
    if urls.len() > 1 || url.port().is_some() {
        set("PGPORT", all(|url| url.port().unwrap_or(5432).to_string()));
    }
    set("PGTARGETSESSIONATTRS", (urls.len() > 1).then(|| "read-write".to_owned()));
    set("PGUSER", Some(decoded(url.username())));
    set("PGPASSWORD", url.password().map(decoded));
    set("PGDATABASE", Some(decoded(url.path().trim_start_matches('/'))));
    for (key, value) in url.query_pairs() {
        match &*key {
            "sslmode" | "ssl-mode" => set("PGSSLMODE", Some(value.into_owned())),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => set("PGSSLROOTCERT", Some(value.into_owned())),
            "sslcert" | "ssl-cert" => set("PGSSLCERT", Some(value.into_owned())),
            "sslkey" | "ssl-key" => set("PGSSLKEY", Some(value.into_owned())),
            "host" => set("PGHOST", Some(value.into_owned())),
            _ => {}
        }
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// The tool ran and reported a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn not_started(name: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        let text =
            format!("{name} is not installed; install PostgreSQL's client programs, at least as new as the server");
        Error::unavailable(text, error)
    } else {
        Error::unavailable(format!("{name} cannot be started: {error}"), error)
    }
}

fn failed(name: &str, output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let line = said.lines().next().unwrap_or("it said nothing").to_owned();
    Error::unavailable(format!("{name} failed: {line}"), Failed(said))
}

/// Runs a command. Returns its output, if it succeeded.
async fn run(name: &str, mut command: Command) -> Result<String> {
    let output = tokio::task::spawn_blocking(move || command.output()).await.map_err(Error::internal)?;
    let output = output.map_err(|error| not_started(name, error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(name, &output))
    }
}
