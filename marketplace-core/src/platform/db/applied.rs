//! Which migrations were run on a database, and running those that were not.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::base::error::{Error, Result};

/// What descriptions of migrations begin with that only add something.
pub(super) const EXPANDS: &str = "expand ";

/// The state of a database's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SchemaState {
    /// Number of the newest migration that was run; 0 for none.
    pub applied: i64,
    /// Number of the newest migration that this program has.
    pub newest: i64,
    /// How many of this program's migrations have not been run.
    pub missing: usize,
    /// Whether migrations of a newer program were run, all of which only add something.
    #[serde(skip)]
    pub is_expanded: bool,
}

impl SchemaState {
    /// Returns whether this program runs on the schema: every migration was run, and of those that it does not know only some that
    /// add something.
    pub fn is_current(self) -> bool {
        (self.applied == self.newest || self.is_expanded) && self.missing == 0
    }
}

/// Computes the schema state from the migrations that were run. Fails for migrations that are not this program's.
pub(super) fn check<'a>(
    migrator: &Migrator,
    done: impl Iterator<Item = (i64, &'a [u8], &'a str)>,
) -> Result<SchemaState> {
    let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    let mut state = SchemaState { applied: 0, newest, missing: migrator.iter().count(), is_expanded: true };
    for (version, checksum, description) in done {
        state.applied = state.applied.max(version);
        state.is_expanded &= version <= newest || description.starts_with(EXPANDS);
        match migrator.iter().find(|migration| migration.version == version) {
            Some(migration) if *migration.checksum == *checksum => state.missing -= 1,
            Some(migration) => {
                let what = format!("({}) is not the one that was run on this database", migration.description);
                return Err(misfit(version, &format!("{what}: it was edited since; use the program that ran it")));
            }
            // It is from a newer program, which is reported elsewhere.
            None if version > state.newest => {}
            None => return Err(misfit(version, "was run on this database, and this program has none of that number")),
        }
    }
    state.is_expanded &= state.applied > newest;
    Ok(state)
}

pub(super) fn misfit(version: i64, what: &str) -> Error {
    Error::unavailable(format!("migration {version} {what}"), "the database and the program do not fit")
}

/// Runs the missing migrations under a lock that excludes other programs.
pub(super) async fn run_missing<C: Migrate>(conn: &mut C, migrator: &Migrator) -> Result<()> {
    let table = migrator.table_name.as_ref();
    conn.ensure_migrations_table(table).await.map_err(failed)?;
    let done = conn.list_applied_migrations(table).await.map_err(failed)?;
    // Another program may have run them first.
    check(migrator, done.iter().map(|row| (row.version, &*row.checksum, "")))?;
    for migration in migrator.iter().filter(|migration| !done.iter().any(|row| row.version == migration.version)) {
        conn.apply(table, migration).await.map_err(failed)?;
    }
    Ok(())
}

pub(super) fn failed(error: MigrateError) -> Error {
    let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = error else {
        return Error::internal(error);
    };
    // insufficient_privilege
    if cause.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "42501") {
        return Error::unavailable("the role may not change the schema; migrate as the owner of the database", cause);
    }
    cause.into()
}
