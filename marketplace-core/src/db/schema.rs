//! Bringing a database up to date, and knowing whether it is.

use sqlx::migrate::{Migrate, Migrator};

use super::{Db, DbError, Inner};
use crate::error::{Error, Result};

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// Where a database's schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SchemaState {
    /// Number of the newest migration that was run; 0 for none.
    pub applied: i64,
    /// Number of the newest migration that this program has.
    pub newest: i64,
}

impl SchemaState {
    /// Whether every migration was run.
    pub fn is_current(self) -> bool {
        self.applied == self.newest
    }
}

impl Db {
    fn migrator(&self) -> &'static Migrator {
        match self.0 {
            Inner::Sqlite { .. } => &SQLITE,
            Inner::Postgres(_) => &POSTGRES,
        }
    }

    /// Runs the migrations that are missing, each in a transaction, one program at a time.
    pub async fn migrate(&self) -> Result<SchemaState> {
        let state = self.schema_state().await?;
        if state.applied > state.newest {
            return Err(newer(state));
        }
        if !state.is_current() {
            match &self.0 {
                Inner::Sqlite { write, .. } => SQLITE.run(write).await,
                Inner::Postgres(pool) => POSTGRES.run(pool).await,
            }
            .map_err(Error::internal)?;
        }
        self.schema_state().await
    }

    /// Runs the migrations up to a number: a database as a release before left it.
    #[cfg(any(test, feature = "testing"))]
    pub async fn migrate_to(&self, version: i64) -> Result<()> {
        match &self.0 {
            Inner::Sqlite { write, .. } => SQLITE.run_to(version, write).await,
            Inner::Postgres(pool) => POSTGRES.run_to(version, pool).await,
        }
        .map_err(Error::internal)
    }

    /// Refuses a database that this program does not fit.
    pub async fn require_current(&self) -> Result<()> {
        let state = self.schema_state().await?;
        if state.applied > state.newest {
            Err(newer(state))
        } else if state.is_current() {
            Ok(())
        } else {
            Err(Error::unavailable(
                format!(
                    "the database's schema is at {} and this program needs {}; run `marketplace db migrate`",
                    state.applied, state.newest
                ),
                "migrations are missing",
            ))
        }
    }

    /// Where the schema stands.
    pub async fn schema_state(&self) -> Result<SchemaState> {
        let newest = self.migrator().iter().map(|migration| migration.version).max().unwrap_or(0);
        let applied = match &self.0 {
            Inner::Sqlite { write, .. } => applied(&mut *write.acquire().await.map_err(DbError::from)?).await,
            Inner::Postgres(pool) => applied(&mut *pool.acquire().await.map_err(DbError::from)?).await,
        }?;
        Ok(SchemaState { applied, newest })
    }
}

/// A schema that this program can bring up to date; `unavailable` when it is of a newer one. Both engines have the same
/// numbers.
pub(super) fn check_known(applied: i64) -> Result<i64> {
    let newest = SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0);
    if applied > newest { Err(newer(SchemaState { applied, newest })) } else { Ok(applied) }
}

async fn applied<C: Migrate>(conn: &mut C) -> Result<i64> {
    let table = SQLITE.table_name.as_ref();
    conn.ensure_migrations_table(table).await.map_err(Error::internal)?;
    let done = conn.list_applied_migrations(table).await.map_err(Error::internal)?;
    Ok(done.iter().map(|migration| migration.version).max().unwrap_or(0))
}

fn newer(state: SchemaState) -> Error {
    Error::unavailable(
        format!(
            "the database's schema is at {} and this program knows only up to {}; use a newer program",
            state.applied, state.newest
        ),
        "the program is older than the database",
    )
}
