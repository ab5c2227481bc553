//! Connections of either engine.

use sqlx::SqliteConnection;
use tracing::Span;

use super::{
    connections::Lent,
    postgres::{PgConn, PgLease},
};

/// A borrowed connection of either engine, inside or outside a transaction.
#[derive(Debug)]
pub enum Conn<'c> {
    /// A connection to SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// A connection to PostgreSQL.
    Pg(&'c mut PgConn),
}

/// A connection borrowed from the pool for reading, with the span that lasts for as long.
#[derive(Debug)]
pub enum Reader {
    /// A connection to SQLite.
    Sqlite(Lent, Span),
    /// A connection to PostgreSQL.
    Pg(PgLease, Span),
}

impl Reader {
    /// Returns the connection in the form that stores accept.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn, _) => Conn::Sqlite(conn),
            Self::Pg(conn, _) => Conn::Pg(conn),
        }
    }
}
