//! Where PostgreSQL is: one host, or several of which one accepts writes; and what is in between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use sqlx::{ConnectOptions, Row, postgres::PgConnectOptions};
use url::Url;

use super::{Limits, PgConn};
use crate::{
    base::error::{Error, Result},
    platform::db::DbError,
};

/// How long a host is waited for before the next one is asked as well.
const HEAD_START: Duration = Duration::from_millis(300);

/// The limit that shows whether settings of connections arrive.
const IDLE_KEY: &str = "idle_in_transaction_session_timeout";
/// Returns another number for each connection to PostgreSQL.
const PID: &str = "SELECT pg_backend_pid()";
/// What to do about a pooler.
const POOLER: &str = "a pooler is in between that gives each transaction another connection: set it to transaction, or use \
                      PgBouncer 1.21 or later with max_prepared_statements and ignore_startup_parameters (docs/deployment.md)";

/// Returns whether a statement that was prepared is not there, or is there already, from another client.
fn is_about_prepared(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("26000" | "42P05" | "08P01"))
}

/// The hosts of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::platform::db) struct Target(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hosts: Vec<PgConnectOptions>,
    /// The host that was connected to last.
    current: AtomicUsize,
    /// Whether nothing is written there, so that a standby will do.
    only_reads: bool,
    /// Whether a pooler gives each transaction another connection.
    is_pooled: bool,
}

/// Reads `postgres://user:password@host1:5432,host2/database?target_session_attrs=read-write&pooler=transaction`. Returns the
/// options of each host, and whether there is a pooler.
///
/// # Errors
/// `invalid`.
fn parse(url: &str, only_reads: bool) -> Result<(Vec<PgConnectOptions>, bool)> {
    let bad = || Error::invalid("/database_url", "must be postgres://user:password@host/database");
    let (urls, is_pooled) = urls_of_hosts(url, only_reads)?;
    let hosts = urls.iter().map(|url| url.as_str().parse().map_err(|_| bad())).collect::<Result<_>>()?;
    Ok((hosts, is_pooled))
}

/// Returns a URL for each host of a database that is written to, with what only this program understands left out.
pub(crate) fn single_urls(url: &str) -> Result<(Vec<Url>, bool)> {
    urls_of_hosts(url, false)
}

fn urls_of_hosts(url: &str, only_reads: bool) -> Result<(Vec<Url>, bool)> {
    let bad = |rule: &str| Error::invalid("/database_url", rule.to_owned());
    let form = "must be postgres://user:password@host/database";
    let (scheme, rest) = url.split_once("://").ok_or_else(|| bad(form))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let mut is_pooled = false;
    let mut urls = Vec::new();
    for host in hosts.split(',') {
        let mut url: Url = format!("{scheme}://{login}{host}{rest}").parse().map_err(|_| bad(form))?;
        let (mut kept, mut any) = (url.clone(), false);
        kept.set_query(None);
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                // Where there is something to write, a host that does not accept writes is never used.
                ("target_session_attrs", "any" | "read-write" | "primary") => {}
                ("target_session_attrs", "read-only" | "standby" | "prefer-standby") if only_reads => {}
                ("target_session_attrs", _) if only_reads => return Err(bad("target_session_attrs must be any")),
                ("target_session_attrs", _) => return Err(bad("target_session_attrs must be read-write")),
                ("pooler", "transaction") => is_pooled = true,
                ("pooler", _) => return Err(bad("pooler must be transaction")),
                _ => {
                    kept.query_pairs_mut().append_pair(&key, &value);
                    any = true;
                }
            }
        }
        // Nothing is written anew that need not be.
        if any || url.query().is_some() {
            url = kept;
        }
        urls.push(url);
    }
    Ok((urls, is_pooled))
}

impl Target {
    /// Reads a URL. `prepare` completes the options of each host. `only_reads` says that a standby will do.
    pub fn new(url: &str, only_reads: bool, prepare: impl Fn(PgConnectOptions) -> PgConnectOptions) -> Result<Self> {
        let (hosts, is_pooled) = parse(url, only_reads)?;
        let prepare = |options| {
            let options = prepare(options);
            // Poolers refuse to start with settings that they do not know.
            if is_pooled { options.statement_cache_capacity(0).extra_float_digits(None) } else { options }
        };
        let hosts = hosts.into_iter().map(prepare).collect();
        Ok(Self(Arc::new(Inner { hosts, current: AtomicUsize::new(0), only_reads, is_pooled })))
    }

    /// Returns whether a pooler gives each transaction another connection: nothing lasts longer than a transaction then.
    pub fn is_pooled(&self) -> bool {
        self.0.is_pooled
    }

    /// Returns where it is, for messages.
    pub fn place(&self) -> String {
        let hosts: Vec<_> =
            self.0.hosts.iter().map(|host| format!("{}:{}", host.get_host(), host.get_port())).collect();
        let database = self.0.hosts.first().and_then(PgConnectOptions::get_database).unwrap_or("");
        format!("{}/{database}", hosts.join(","))
    }

    /// Returns the error for a pooler that refuses the settings of a connection, which is what `PgBouncer` does by default.
    pub fn refused_by_pooler(&self, error: &DbError) -> Option<Error> {
        let is_refused = !self.is_pooled() && error.in_full().contains("unsupported startup parameter");
        is_refused.then(|| Error::invalid("/database_pooler", format!("is not set, and {POOLER}")))
    }

    /// Checks that what is in between, if anything, keeps what is prepared on a connection. A pooler shows in that it drops the
    /// settings of a connection; whether it keeps what is prepared shows when it has to use another one.
    ///
    /// # Errors
    /// `invalid` when it does not. Whatever else fails here is found out by those who use the database.
    pub async fn require_fit(&self) -> Result<()> {
        if self.is_pooled()
            || self.0.hosts.iter().any(|host| host.get_options().is_some_and(|set| set.contains(IDLE_KEY)))
        {
            return Ok(());
        }
        let Ok(mut one) = self.connect(Some(Limits::USUAL)).await else { return Ok(()) };
        let set = sqlx::raw_sql("SELECT current_setting('idle_in_transaction_session_timeout') <> '0'");
        match set.fetch_one(&mut one).await.and_then(|row| row.try_get::<bool, _>(0)) {
            Ok(false) => {}
            Ok(true) | Err(_) => return Ok(()),
        }
        tracing::warn!(
            "a pooler drops the time limits of connections: set them for the role, or set database_pooler (docs/deployment.md)"
        );
        let prepared = sqlx::query_scalar::<_, i32>(PID).fetch_one(&mut one).await;
        let broken = match prepared {
            Err(error) => is_about_prepared(&error),
            Ok(first) => {
                let Ok(mut other) = self.connect(Some(Limits::USUAL)).await else { return Ok(()) };
                if other.begin().await.is_err() {
                    return Ok(());
                }
                let pid = sqlx::raw_sql(PID).fetch_one(&mut other).await.and_then(|row| row.try_get::<i32, _>(0));
                // The connection on which it was prepared is taken now.
                let is_taken = pid.is_ok_and(|pid| pid == first);
                let again = sqlx::query_scalar::<_, i32>(PID).fetch_one(&mut one);
                let again = tokio::time::timeout(Duration::from_secs(1), again).await;
                // The connection is dropped either way.
                let _ = other.rollback().await;
                is_taken && matches!(again, Ok(Err(error)) if is_about_prepared(&error))
            }
        };
        if broken { Err(Error::invalid("/database_pooler", format!("is not set, and {POOLER}"))) } else { Ok(()) }
    }

    /// Connects to the host that accepts writes, or to any where nothing is written: that of the last time first, and the others when it refuses or hesitates.
    pub(super) async fn connect(&self, limits: Option<Limits>) -> std::result::Result<PgConn, DbError> {
        let hosts = &self.0.hosts;
        let first = self.0.current.load(Ordering::Relaxed);
        let mut order = (0..hosts.len()).map(|n| (first + n) % hosts.len().max(1));
        let mut tries = FuturesUnordered::new();
        let mut refused = None;
        let attempt = async |index: usize| match hosts.get(index) {
            Some(host) => (index, PgConn::connect_to(host, self.is_pooled(), self.0.only_reads, limits).await),
            None => (index, Err(DbError::Unreachable(sqlx::Error::PoolClosed))),
        };
        loop {
            let next = order.next();
            let is_last = next.is_none();
            if let Some(index) = next {
                tries.push(attempt(index));
            }
            loop {
                let head_start = if is_last { Duration::MAX } else { HEAD_START };
                match tokio::time::timeout(head_start, tries.next()).await {
                    Ok(Some((index, Ok(conn)))) => {
                        if self.0.current.swap(index, Ordering::Relaxed) != index {
                            let host = hosts.get(index).map(PgConnectOptions::get_host);
                            let only_reads = self.0.only_reads;
                            tracing::info!(host, only_reads, "another host of the database is used");
                        }
                        return Ok(conn);
                    }
                    Ok(Some((_, Err(error)))) => {
                        // What cannot be reached says more than a standby that waits.
                        if !matches!((&refused, &error), (Some(DbError::Unreachable(_)), DbError::ReadOnly(_))) {
                            refused = Some(error);
                        }
                        if !is_last {
                            break;
                        }
                    }
                    Ok(None) => {
                        return Err(refused.unwrap_or(DbError::Unreachable(sqlx::Error::PoolClosed)));
                    }
                    Err(_) => break,
                }
            }
        }
    }
}

/// Connects to the host that accepts writes, without any limit or pool: for tools.
pub(crate) async fn connect_plain(url: &str) -> Result<sqlx::PgConnection> {
    let (hosts, _) = parse(url, false)?;
    let mut failed = None;
    for host in hosts {
        let tried = async {
            let mut conn = host.disable_statement_logging().connect().await?;
            let standby = sqlx::query_scalar("SELECT pg_is_in_recovery()").persistent(false).fetch_one(&mut conn);
            Ok::<_, sqlx::Error>((standby.await?, conn))
        };
        match tried.await {
            Ok((false, conn)) => return Ok(conn),
            Ok((true, _)) => failed = failed.or(Some(sqlx::Error::Protocol("pg_is_in_recovery".into()))),
            Err(error) => failed = Some(error),
        }
    }
    Err(DbError::from(failed.unwrap_or(sqlx::Error::PoolClosed)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_several_hosts() {
        let (urls, is_pooled) = single_urls(
            "postgres://me:p%40ss@a:5433,b,[::1]:7/d?sslmode=disable&target_session_attrs=read-write&pooler=transaction",
        )
        .unwrap();
        let urls: Vec<_> = urls.iter().map(Url::as_str).collect();
        assert_eq!(
            urls,
            [
                "postgres://me:p%40ss@a:5433/d?sslmode=disable",
                "postgres://me:p%40ss@b/d?sslmode=disable",
                "postgres://me:p%40ss@[::1]:7/d?sslmode=disable"
            ]
        );
        assert!(is_pooled);
        for one in ["postgres://h/d", "postgres:///d?host=/run/postgresql", "postgres://u@h:1/d?options=-c%20a%3D1"] {
            let (hosts, is_pooled) = parse(one, false).unwrap();
            assert!(hosts.len() == 1 && !is_pooled, "{one}");
        }
        for bad in
            ["postgres", "postgres://a:b:c/d", "postgres://a,b:x/d", "postgres://h/d?target_session_attrs=standby"]
        {
            assert!(parse(bad, false).is_err(), "{bad}");
        }
        let standby = "postgres://h/d?target_session_attrs=prefer-standby";
        assert!(parse(standby, true).is_ok() && parse(standby, false).is_err());
    }
}
