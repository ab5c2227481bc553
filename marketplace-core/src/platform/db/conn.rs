//! Connections of either engine.

use sqlx::SqliteConnection;

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

/// A connection borrowed from the pool for reading.
#[derive(Debug)]
pub enum Reader {
    /// A connection to SQLite.
    Sqlite(Lent),
    /// A connection to PostgreSQL.
    Pg(PgLease),
}

impl Reader {
    /// Returns the connection in the form that stores accept.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Pg(conn) => Conn::Pg(conn),
        }
    }
}
