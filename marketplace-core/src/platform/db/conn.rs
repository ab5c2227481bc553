//! Connections of either engine.

use sqlx::SqliteConnection;

use super::{
    connections::Lent,
    postgres::{PgConn, PgLease},
};

/// A borrowed connection, inside or outside a transaction, of either engine.
#[derive(Debug)]
pub enum Conn<'c> {
    /// Embedded.
    Sqlite(&'c mut SqliteConnection),
    /// A server.
    Pg(&'c mut PgConn),
}

/// A connection lent by the pool for reading.
#[derive(Debug)]
pub enum Reader {
    /// Embedded.
    Sqlite(Lent),
    /// A server.
    Pg(PgLease),
}

impl Reader {
    /// What stores borrow.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Pg(conn) => Conn::Pg(conn),
        }
    }
}
