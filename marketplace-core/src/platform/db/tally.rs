//! SQLite's counters for each statement that a connection caches, for tests of what an operation costs.

use std::ffi::CStr;

use libsqlite3_sys as ffi;

use super::Conn;

/// A statement, and what it has cost since it was prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub sql: String,
    /// How many times it was run.
    pub runs: i64,
    /// How many times SQLite prepared it again, because a bound value could have changed the plan.
    pub again: i64,
    /// Steps of SQLite's virtual machine, which grow with the number of rows examined.
    pub steps: i64,
}

/// Returns the tally of every statement of a SQLite connection; empty on PostgreSQL.
#[expect(unsafe_code, reason = "SQLite's own counters have no other way; in tests only")]
pub(crate) async fn tallies(conn: &mut Conn<'_>) -> Vec<Tally> {
    let Conn::Sqlite(conn) = conn else { return Vec::new() };
    let mut handle = conn.lock_handle().await.unwrap();
    let db = handle.as_raw_handle().as_ptr();
    let mut found = Vec::new();
    // SAFETY: the lock is held to the end, so the connection lives and nobody adds, runs or removes a statement.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(db, std::ptr::null_mut());
        while !statement.is_null() {
            let count = |what| i64::from(ffi::sqlite3_stmt_status(statement, what, 0));
            let sql = ffi::sqlite3_sql(statement);
            // The full-text index reads its pages by statements without a text.
            if !sql.is_null() {
                found.push(Tally {
                    sql: CStr::from_ptr(sql).to_str().unwrap().to_owned(),
                    runs: count(ffi::SQLITE_STMTSTATUS_RUN),
                    again: count(ffi::SQLITE_STMTSTATUS_REPREPARE),
                    steps: count(ffi::SQLITE_STMTSTATUS_VM_STEP),
                });
            }
            statement = ffi::sqlite3_next_stmt(db, statement);
        }
    }
    found
}

/// Returns the statements of a connection that were prepared again when they ran: see the module `db`.
pub(crate) async fn prepared_again(conn: &mut Conn<'_>) -> Vec<String> {
    tallies(conn).await.into_iter().filter(|tally| tally.again > 0).map(|tally| tally.sql).collect()
}
