//! A PostgreSQL connection on which no caller waits forever.
//!
//! A network connection can die silently (a switch, a firewall that drops its state, a host that freezes), and then no
//! error ever arrives. Therefore each statement has a time limit on both ends: the server ends what takes too long
//! ([`Limits`]), and the client gives up the connection when there is still no response a second later. sqlx cannot set
//! keepalives on its sockets; the server is asked to set them on its own sockets when a connection is opened.

mod pool;
mod prober;
mod replica;
mod target;

use std::{borrow::Cow, io, pin::pin, time::Duration};

use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgQueryResult, PgRow, PgSeverity, PgStatement,
    PgTypeInfo, Postgres,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Execute, Executor, Row, SqlStr, error::BoxDynError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

pub use pool::PgLease;
pub(super) use pool::Pool;
pub(super) use prober::Prober;
pub(super) use replica::Replica;
pub use replica::ReplicaOptions;
pub(super) use target::Target;
pub(crate) use target::{connect_plain, single_urls};

use super::DbError;
use crate::platform::limiter::{Key, Turn};

/// Time limit for connecting, including encryption and password.
const CONNECT: Duration = Duration::from_secs(2);
/// How much later than the server the client gives a statement up, so that the server's error arrives first.
const LATER: Duration = Duration::from_secs(1);
/// Time without a response after which a connection no longer counts against the pool's size.
const OVERDUE: Duration = Duration::from_millis(500);

/// Time limits that the server enforces. Settings of the operator in `database_url` (`?options=-c lock_timeout=9s`) take
/// precedence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Limit for one statement.
    statement: Duration,
    /// Limit for waiting for a lock. It is longer than `idle`, so that those waiting for the locks of a frozen program
    /// still get them.
    lock: Duration,
    /// Limit for the response to COMMIT, which the server's own limits do not end: a required standby may be away.
    commit: Duration,
}

/// Begins a transaction.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// Limit between two statements of a unit. A program that was stopped in the middle of a unit keeps its locks no longer
/// than this.
const IDLE: Duration = Duration::from_secs(2);

impl Limits {
    /// Limits for interactive requests.
    pub const USUAL: Self =
        Self { statement: Duration::from_secs(5), lock: Duration::from_secs(3), commit: Duration::from_secs(2) };
    /// Limits for work on much data at once, such as removing a person from everything they wrote.
    pub const LONG: Self =
        Self { statement: Duration::from_secs(600), lock: Duration::from_secs(10), commit: Duration::from_secs(20) };

    /// Returns the statement that begins a transaction, with the limits for it alone where a pooler is in between.
    fn begin(self, is_pooled: bool) -> Cow<'static, str> {
        if !is_pooled {
            return Cow::Borrowed(BEGIN);
        }
        let [statement, lock, idle] = [self.statement, self.lock, IDLE].map(|limit| limit.as_millis());
        Cow::Owned(format!(
            "{BEGIN}; SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}; \
             SET LOCAL idle_in_transaction_session_timeout = {idle}"
        ))
    }

    /// Adds the limits to the startup options of a connection. (A pooler would refuse them.)
    fn set(self, options: PgConnectOptions) -> PgConnectOptions {
        let given = options.get_options().unwrap_or("").to_owned();
        let millis = |limit: Duration| limit.as_millis().to_string();
        let ours = [
            ("statement_timeout", millis(self.statement)),
            ("lock_timeout", millis(self.lock)),
            ("idle_in_transaction_session_timeout", millis(IDLE)),
            // Units are written for this isolation level, whatever is set for a database or a role.
            ("default_transaction_isolation", "read committed".to_owned()),
            // When a machine is gone together with its kernel, its sessions end within some 10 s.
            ("tcp_keepalives_idle", "5".to_owned()),
            ("tcp_keepalives_interval", "2".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "10000".to_owned()),
        ];
        options.options(ours.into_iter().filter(|(name, _)| !given.contains(name)))
    }
}

/// A connection to PostgreSQL.
#[derive(Debug)]
pub struct PgConn {
    raw: PgConnection,
    watch: Watch,
    in_transaction: bool,
    /// COMMIT was sent, and no response has arrived.
    is_committing: bool,
    commit: Duration,
    born: Instant,
    /// The statement that begins a transaction.
    begin: Cow<'static, str>,
    pooling: Pooling,
}

/// What is between this program and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    /// Nothing that matters.
    None,
    /// A pooler that gives each transaction another connection.
    Transaction,
    /// The same, in a transaction that is there only to read on one connection.
    Reading,
}

/// What is known about the state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every statement was answered.
    Answered,
    /// A statement was sent, and its caller may not have waited for the response.
    Asked,
    /// The connection is unusable.
    Broken,
}

/// Watches the responses to statements.
#[derive(Debug)]
struct Watch {
    deadline: Duration,
    state: State,
    /// The connection's place in a pool.
    place: Option<OwnedSemaphorePermit>,
    /// Places for overdue connections.
    aside: Option<std::sync::Arc<Semaphore>>,
    /// For a unit: its turn among the writers.
    turn: Option<Turn<Option<Key>>>,
}

impl PgConn {
    /// Connects to a server that accepts writes, or to any when there is nothing to write.
    async fn connect_to(
        options: &PgConnectOptions,
        is_pooled: bool,
        only_reads: bool,
        limits: Option<Limits>,
    ) -> Result<Self, DbError> {
        let options = match limits {
            Some(limits) if !is_pooled => limits.set(options.clone()),
            _ => options.clone(),
        };
        let deadline = limits.map_or(Limits::LONG.statement * 10, |limits| limits.statement + LATER);
        let connecting = async {
            let raw = options.connect().await?;
            let watch = Watch { deadline, state: State::Answered, place: None, aside: None, turn: None };
            let commit = limits.map_or(deadline, |limits| limits.commit);
            let mut conn = Self {
                raw,
                watch,
                in_transaction: false,
                is_committing: false,
                commit,
                born: Instant::now(),
                begin: limits.map_or(Cow::Borrowed(BEGIN), |limits| limits.begin(is_pooled)),
                pooling: if is_pooled { Pooling::Transaction } else { Pooling::None },
            };
            // As text, in one round: behind a pooler a second round may reach another connection.
            let row = sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(&mut conn).await?;
            let standby: bool = row.try_get(0)?;
            Ok((conn, standby))
        };
        match timeout(CONNECT, connecting).await {
            Ok(Ok((_, true))) if !only_reads => {
                Err(DbError::ReadOnly(sqlx::Error::Protocol("pg_is_in_recovery".into())))
            }
            Ok(Ok((conn, _))) => Ok(conn),
            // A refused login, a missing database, too many connections: in every case the database cannot be reached.
            Ok(Err(error)) => Err(DbError::Unreachable(error)),
            Err(_) => Err(DbError::Unreachable(silent(CONNECT))),
        }
    }

    /// Returns whether a pooler is in between.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooling != Pooling::None
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        let begin = AssertSqlSafe(self.begin.clone().into_owned());
        sqlx::raw_sql(begin).execute(self).await.map(drop)
    }

    /// Commits. When this fails without an error from the database, it is unknown whether the transaction was committed.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.is_committing = true;
        let limit = self.commit;
        let answer = timeout(limit, self.say("COMMIT")).await.unwrap_or_else(|_| Err(silent(limit)));
        // Any response means that it is over. Without a response, it may still be committed later.
        self.is_committing = self.watch.state == State::Asked;
        answer?;
        self.in_transaction = false;
        Ok(())
    }

    /// Commits what a reader changed, which without a pooler is committed already. Does nothing inside a unit.
    pub(crate) async fn keep_what_was_read(&mut self) -> Result<(), sqlx::Error> {
        if self.pooling == Pooling::Reading {
            self.commit().await?;
            self.begin().await?;
        }
        Ok(())
    }

    /// Returns whether the connection is unusable.
    pub(super) fn is_broken(&self) -> bool {
        self.watch.state == State::Broken
    }

    /// Returns whether COMMIT has not been answered yet.
    pub(super) fn is_committing(&self) -> bool {
        self.is_committing
    }

    /// Rolls back. An unusable connection needs no rollback: the server does it.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        if self.watch.state != State::Broken {
            self.say("ROLLBACK").await?;
            self.in_transaction = false;
        }
        Ok(())
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(statement).execute(self).await.map(drop)
    }

    /// Returns the underlying connection, for anything that is not a statement. Its state afterwards is unknown, and is
    /// checked before the connection is lent again.
    pub(crate) fn raw(&mut self) -> &mut PgConnection {
        self.watch.state = State::Asked;
        &mut self.raw
    }

    /// Returns whether the connection responds in time, with nothing left of what was done on it.
    async fn settles(&mut self, within: Duration) -> bool {
        let settling = async {
            if self.is_committing {
                // This may take longer than a statement's limit. The response to COMMIT arrives before this one.
                self.raw.ping().await?;
                (self.is_committing, self.in_transaction, self.watch.state) = (false, false, State::Answered);
                Ok(())
            } else if self.in_transaction {
                self.rollback().await
            } else {
                self.watch.over(self.raw.ping()).await
            }
        };
        matches!(timeout(within, settling).await, Ok(Ok(()))) && self.is_clean()
    }

    fn is_clean(&self) -> bool {
        self.watch.state == State::Answered && !self.in_transaction
    }
}

impl Watch {
    /// Waits for a response, within the limit.
    async fn over<T>(&mut self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        self.state = State::Asked;
        let mut answer = pin!(answer);
        let outcome = if let Ok(outcome) = timeout(OVERDUE, &mut answer).await {
            outcome
        } else {
            self.step_aside();
            let left = self.deadline.saturating_sub(OVERDUE);
            timeout(left, answer).await.unwrap_or_else(|_| Err(silent(self.deadline)))
        };
        self.state = match &outcome {
            Err(error) if is_fatal(error) => State::Broken,
            _ => State::Answered,
        };
        outcome
    }

    /// Makes room for another connection, once for each place of the pool.
    fn step_aside(&mut self) {
        if let Some(aside) = self.aside.take()
            && let Ok(place) = aside.try_acquire_owned()
        {
            self.place = Some(place);
            if let Some(turn) = &mut self.turn {
                turn.step_aside();
            }
        }
    }
}

fn silent(limit: Duration) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs())))
}

/// Returns whether a connection is unusable after this error: it is lost, or it leads to the wrong server.
fn is_fatal(error: &sqlx::Error) -> bool {
    let Some(database) = error.as_database_error() else {
        // Values that cannot be encoded or decoded are not the connection's fault.
        return !matches!(
            error,
            sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::TypeNotFound { .. }
                | sqlx::Error::RowNotFound
        );
    };
    let Some(postgres) = database.try_downcast_ref::<PgDatabaseError>() else { return false };
    matches!(postgres.severity(), PgSeverity::Fatal | PgSeverity::Panic) || matches!(postgres.code(), "25006")
}

/// A statement as it is sent: behind a pooler without a name, as another client may have given the same name to another one on
/// the connection that it reaches.
struct Sent<E> {
    query: E,
    keeps: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Sent<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.keeps && self.query.persistent()
    }
}

type Piece = Result<Either<PgQueryResult, PgRow>, sqlx::Error>;

/// Every statement passes through here, however it was written.
impl<'c> Executor<'c> for &'c mut PgConn {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Piece>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let PgConn { raw, watch, pooling, .. } = self;
        let pieces = raw.fetch_many(Sent { query, keeps: *pooling == Pooling::None });
        let next = async |(mut pieces, watch): (BoxStream<'e, Piece>, &'e mut Watch)| {
            let piece = watch.over(async { pieces.next().await.transpose() }).await.transpose()?;
            // More follows until the end was seen.
            if piece.is_ok() {
                watch.state = State::Asked;
            }
            Some((piece, (pieces, watch)))
        };
        stream::unfold((pieces, watch), next).boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let PgConn { raw, watch, pooling, .. } = self;
        let query = Sent { query, keeps: *pooling == Pooling::None };
        Box::pin(watch.over(raw.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let PgConn { raw, watch, .. } = self;
        Box::pin(watch.over(raw.prepare_with(sql, parameters)))
    }
}
