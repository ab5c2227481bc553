//! PostgreSQL's own tools, found on the PATH. The password goes through the environment: arguments can be seen by everybody.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use sqlx::{ConnectOptions, Connection};
use sqlx_postgres::{PgConnectOptions, PgConnection};
use url::Url;

use super::Restored;
use crate::{
    db::{DbError, schema},
    error::{Error, Result},
};

/// Writes an archive in `pg_dump`'s custom format.
pub(super) async fn dump(url: &str, to: &Path) -> Result<()> {
    let mut command = tool("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(to);
    run("pg_dump", command).await.map(drop)
}

/// Reads an archive back in one transaction.
pub(super) async fn restore(url: &str, from: &Path, force: bool) -> Result<Restored> {
    let schema = archived_schema(url, from).await?;
    let options: PgConnectOptions = url.parse().map_err(|_| wrong_url())?;
    let mut conn = PgConnection::connect_with(&options.disable_statement_logging()).await.map_err(DbError::from)?;
    let count = |text: &'static str| sqlx::query_scalar::<_, i64>(text);
    let tables = count("SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()")
        .fetch_one(&mut conn)
        .await
        .map_err(DbError::from)?;
    let sessions = count(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_type = 'client backend'",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(DbError::from)?;
    conn.close().await.map_err(DbError::from)?;
    if !force && (tables > 0 || sessions > 0) {
        return Err(Error::conflict(
            format!(
                "the target database has {tables} tables and {sessions} other sessions; restore into a new one, or force it"
            ),
            serde_json::json!({ "tables": tables, "sessions": sessions }),
        ));
    }
    let mut command = tool("pg_restore", url)?;
    let database: String = database(url)?;
    command.args([
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--clean",
        "--if-exists",
    ]);
    command.arg("--dbname").arg(database).arg(from);
    run("pg_restore", command).await?;
    Ok(Restored { schema, kept: None })
}

/// The newest migration in an archive, read without a server.
async fn archived_schema(url: &str, from: &Path) -> Result<i64> {
    let none_of_ours = || {
        Error::invalid("/from", format!("{} is not a backup of a marketplace's PostgreSQL database", from.display()))
    };
    let mut command = tool("pg_restore", url)?;
    command.args(["--data-only", "--table=_sqlx_migrations", "--file=-"]).arg(from);
    let text = run("pg_restore", command).await.map_err(|error| {
        // The tool is there, and cannot read this.
        let refused = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Failed>()).is_some();
        if refused { none_of_ours() } else { error }
    })?;
    let rows = text.lines().skip_while(|line| !line.starts_with("COPY ")).skip(1).take_while(|line| *line != "\\.");
    let newest = rows.filter_map(|row| row.split('\t').next()?.parse().ok()).max();
    schema::check_known(newest.ok_or_else(none_of_ours)?)
}

fn wrong_url() -> Error {
    Error::invalid("/database_url", "must be postgres://user:password@host/database")
}

fn database(url: &str) -> Result<String> {
    let url: Url = url.parse().map_err(|_| wrong_url())?;
    Ok(decoded(url.path().trim_start_matches('/')))
}

fn decoded(text: &str) -> String {
    // Percent-encoding, as in any part of a URL; a form decoder would do the same but for `+`.
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

/// A command that reaches the database of `url` through its environment.
fn tool(name: &str, url: &str) -> Result<Command> {
    let url: Url = url.parse().map_err(|_| wrong_url())?;
    let mut command = Command::new(name);
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.env(name, value);
        }
    };
    set("PGHOST", url.host_str().map(decoded));
    set("PGPORT", url.port().map(|port| port.to_string()));
    set("PGUSER", Some(decoded(url.username())));
    set("PGPASSWORD", url.password().map(decoded));
    set("PGDATABASE", Some(decoded(url.path().trim_start_matches('/'))));
    for (key, value) in url.query_pairs() {
        match &*key {
            "sslmode" | "ssl-mode" => set("PGSSLMODE", Some(value.into_owned())),
            "sslrootcert" | "ssl-root-cert" => set("PGSSLROOTCERT", Some(value.into_owned())),
            "host" => set("PGHOST", Some(value.into_owned())),
            _ => {}
        }
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// The tool ran and was not content.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

/// What it printed, when it ended well.
async fn run(name: &str, mut command: Command) -> Result<String> {
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.map_err(Error::internal)?.map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                let text = format!(
                    "{name} is not installed; install PostgreSQL's client programs, at least as new as the server"
                );
                Error::unavailable(text, error)
            } else {
                Error::unavailable(format!("{name} cannot be started: {error}"), error)
            }
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let line = said.lines().next().unwrap_or("it said nothing").to_owned();
    Err(Error::unavailable(format!("{name} failed: {line}"), Failed(said)))
}
