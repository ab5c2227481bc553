//! A connection to PostgreSQL on which nobody waits for ever.
//!
//! A wire can die without a word (a switch, a firewall that forgets, a host that freezes), and then no error comes, ever. So
//! each statement has a limit of time on both ends: the server ends what takes too long ([`Limits`]), and whoever hears
//! nothing a second later gives the connection up. sqlx has no keepalives to set on its sockets; what the server's sockets
//! can do is asked of it when a connection is opened.

mod pool;
mod prober;

use std::{io, pin::pin, time::Duration};

use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgDatabaseError, PgQueryResult, PgRow, PgSeverity, PgStatement, PgTypeInfo,
    Postgres,
};
use sqlx::{ConnectOptions, Connection, Either, Execute, Executor, SqlStr};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

pub use pool::PgLease;
pub(super) use pool::Pool;
pub(super) use prober::Prober;

use super::DbError;
use crate::platform::limiter::{Key, Turn};

/// For a connection to be made, encryption and password included.
const CONNECT: Duration = Duration::from_secs(2);
/// How much later than the server we give a statement up: its word comes first.
const LATER: Duration = Duration::from_secs(1);
/// Who hears nothing for so long does not keep others from a connection.
const OVERDUE: Duration = Duration::from_millis(500);

/// How long the server lets things take. What an operator sets in `database_url` (`?options=-c lock_timeout=9s`) goes before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// One statement.
    statement: Duration,
    /// Waiting for a lock: longer than `idle`, so that those who wait for a frozen program's locks still get them.
    lock: Duration,
    /// The answer to COMMIT, which the server's own limits do not end: a standby that must have it may be away.
    commit: Duration,
}

/// Between two statements of a unit. A program that was stopped in the middle of one keeps its locks no longer than this.
const IDLE: Duration = Duration::from_secs(2);

impl Limits {
    /// For what people wait for.
    pub const USUAL: Self =
        Self { statement: Duration::from_secs(5), lock: Duration::from_secs(3), commit: Duration::from_secs(2) };
    /// For work on much at once, such as taking somebody out of all that they wrote.
    pub const LONG: Self =
        Self { statement: Duration::from_secs(600), lock: Duration::from_secs(10), commit: Duration::from_secs(20) };

    /// As the server takes them when a connection begins. A pooler in between may have to be told to let them pass, or to
    /// drop them (`PgBouncer`: `ignore_startup_parameters = options`) and to set them itself.
    fn set(self, options: PgConnectOptions) -> PgConnectOptions {
        let given = options.get_options().unwrap_or("").to_owned();
        let millis = |limit: Duration| limit.as_millis().to_string();
        let ours = [
            ("statement_timeout", millis(self.statement)),
            ("lock_timeout", millis(self.lock)),
            ("idle_in_transaction_session_timeout", millis(IDLE)),
            // Units are written for this one, whatever is set for a database or a role.
            ("default_transaction_isolation", "read committed".to_owned()),
            // A machine that is gone, with its kernel: its sessions end within some 10 s.
            ("tcp_keepalives_idle", "5".to_owned()),
            ("tcp_keepalives_interval", "2".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "10000".to_owned()),
        ];
        options.options(ours.into_iter().filter(|(name, _)| !given.contains(name)))
    }
}

/// A connection.
#[derive(Debug)]
pub struct PgConn {
    raw: PgConnection,
    watch: Watch,
    in_transaction: bool,
    /// COMMIT was sent, and no answer was heard.
    is_committing: bool,
    commit: Duration,
    born: Instant,
}

/// What is known about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every statement was answered.
    Answered,
    /// One was sent, and it may be that nobody waited for the answer.
    Asked,
    /// It is of no use any more.
    Broken,
}

/// Watches over the answers to statements.
#[derive(Debug)]
struct Watch {
    deadline: Duration,
    state: State,
    /// Its place among the connections of a pool.
    place: Option<OwnedSemaphorePermit>,
    /// Places for those that are overdue.
    aside: Option<std::sync::Arc<Semaphore>>,
    /// Of a unit: its turn among those who write.
    turn: Option<Turn<Option<Key>>>,
}

impl PgConn {
    /// Connects, to a server that takes writes.
    async fn connect(options: &PgConnectOptions, limits: Option<Limits>) -> Result<Self, DbError> {
        let options = limits.map_or_else(|| options.clone(), |limits| limits.set(options.clone()));
        let deadline = limits.map_or(Limits::LONG.statement * 10, |limits| limits.statement + LATER);
        let connecting = async {
            let raw = options.connect().await?;
            let watch = Watch { deadline, state: State::Answered, place: None, aside: None, turn: None };
            let commit = limits.map_or(deadline, |limits| limits.commit);
            let mut conn =
                Self { raw, watch, in_transaction: false, is_committing: false, commit, born: Instant::now() };
            let standby = sqlx::query_scalar("SELECT pg_is_in_recovery()").persistent(false).fetch_one(&mut conn).await;
            Ok((conn, standby?))
        };
        match timeout(CONNECT, connecting).await {
            Ok(Ok((_, true))) => Err(DbError::ReadOnly(sqlx::Error::Protocol("pg_is_in_recovery".into()))),
            Ok(Ok((conn, false))) => Ok(conn),
            // A refused login, no such database, too many connections: whatever it is, it cannot be reached.
            Ok(Err(error)) => Err(DbError::Unreachable(error)),
            Err(_) => Err(DbError::Unreachable(silent(CONNECT))),
        }
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        self.say("BEGIN ISOLATION LEVEL READ COMMITTED").await
    }

    /// Commits. When this fails without an error of the database, nobody knows whether it was committed.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.is_committing = true;
        let limit = self.commit;
        let answer = timeout(limit, self.say("COMMIT")).await.unwrap_or_else(|_| Err(silent(limit)));
        // Whatever was answered: it is over. What is not answered may be, later.
        self.is_committing = self.watch.state == State::Asked;
        answer?;
        self.in_transaction = false;
        Ok(())
    }

    /// Whether it is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        self.watch.state == State::Broken
    }

    /// Whether COMMIT has no answer yet.
    pub(super) fn is_committing(&self) -> bool {
        self.is_committing
    }

    /// Takes everything back. A connection that is of no use needs nothing: the server does it.
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

    /// The connection itself, for what is no statement; how it is afterwards is not known, and is looked at before it is
    /// lent again.
    pub(crate) fn raw(&mut self) -> &mut PgConnection {
        self.watch.state = State::Asked;
        &mut self.raw
    }

    /// Whether it answers in time, with nothing left of what was done on it.
    async fn settles(&mut self, within: Duration) -> bool {
        let settling = async {
            if self.is_committing {
                // For longer than a statement may take; its answer comes before this one's.
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
    /// Waits for an answer, within the limit.
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

/// Whether a connection is of no use after this: it is gone, or it leads to a server that is not the one to ask.
fn is_fatal(error: &sqlx::Error) -> bool {
    let Some(database) = error.as_database_error() else {
        // Values that cannot be written or read are no fault of the connection's.
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

type Piece = Result<Either<PgQueryResult, PgRow>, sqlx::Error>;

/// Every statement goes through here, whichever way it was written.
impl<'c> Executor<'c> for &'c mut PgConn {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Piece>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let PgConn { raw, watch, .. } = self;
        let pieces = raw.fetch_many(query);
        let next = async |(mut pieces, watch): (BoxStream<'e, Piece>, &'e mut Watch)| {
            let piece = watch.over(async { pieces.next().await.transpose() }).await.transpose()?;
            // Until the end was seen, there is more to come.
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
        let PgConn { raw, watch, .. } = self;
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
