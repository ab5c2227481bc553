//! Migrates a database, and checks whether its schema is current.
//!
//! Migrations called `NNNN_expand_…` only add what programs before them need not know: those run on with it, so that servers are
//! replaced one by one after it, and can go back. Others are for a release in which no such program is in use any more.
//!
//! The check changes nothing, so it works for a role that may only read and change rows, and on a standby. Only one program
//! at a time runs migrations: on SQLite under the write lock, all in one transaction; on PostgreSQL under a dedicated lock, step by
//! step ([`super::online`]).

use std::time::Duration;

use sqlx::{Connection, migrate::Migrator};

pub use super::applied::SchemaState;
use super::{
    Conn, Db, DbError, Inner,
    applied::{EXPANDS, check, misfit, run_missing},
    connections::{self, Connections},
    online,
};
use crate::base::error::{Error, Result};

static SQLITE: Migrator = sqlx_macros::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx_macros::migrate!("../migrations/postgres");

/// Returns what tells the migrations of this program from others.
#[cfg(feature = "testing")]
pub fn fingerprint() -> String {
    let mut digest = sha2::Sha256::default();
    for migration in SQLITE.iter().chain(POSTGRES.iter()) {
        sha2::Digest::update(&mut digest, &migration.checksum);
    }
    let digest = sha2::Digest::finalize(digest);
    hex::encode(digest.iter().take(8).copied().collect::<Vec<u8>>())
}

/// How long a program waits for another one that is migrating.
const PATIENCE: Duration = Duration::from_mins(1);
/// A migration that was run.
#[derive(Debug, sqlx_macros::FromRow)]
struct Applied {
    version: i64,
    description: String,
    success: bool,
    checksum: Vec<u8>,
}

impl Db {
    fn migrator(&self) -> &'static Migrator {
        match self.0 {
            Inner::Sqlite { .. } => &SQLITE,
            Inner::Postgres { .. } => &POSTGRES,
        }
    }

    /// Runs the missing migrations, one program at a time.
    ///
    /// # Errors
    /// Returns `unavailable` when the database does not fit this program (see [`Db::schema_state`]) or its role may not
    /// change the schema, and `busy` when another program holds the lock for a minute.
    pub async fn migrate(&self) -> Result<SchemaState> {
        let state = self.schema_state().await?;
        if !state.is_current() {
            if state.applied > state.newest {
                return Err(newer(state));
            }
            if self.is_kept() {
                return self.require_current().await.map(|()| state);
            }
            match &self.0 {
                Inner::Sqlite { write, .. } => migrate_sqlite(write).await?,
                Inner::Postgres { pool, .. } => online::migrate(pool, &POSTGRES).await?,
            }
        }
        self.schema_state().await
    }

    /// Checks that this program runs on the schema.
    ///
    /// # Errors
    /// Returns `unavailable` when the database does not fit this program.
    pub async fn require_current(&self) -> Result<()> {
        let state = self.schema_state().await?;
        if state.is_current() {
            Ok(())
        } else if state.applied > state.newest {
            Err(newer(state))
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

    /// Checks that all tables of the migrations exist and that the role may read and change their rows.
    ///
    /// # Errors
    /// Returns `unavailable`, naming what is missing.
    pub async fn require_rights(&self) -> Result<()> {
        let tables = serde_json::to_string(&tables().collect::<Vec<_>>()).map_err(Error::internal)?;
        let mut reader = self.read().await?;
        let mut conn = reader.conn();
        let missing = q!(&mut conn => vals String, [
            sqlite: "SELECT value FROM json_each($1) WHERE value NOT IN (SELECT name FROM sqlite_schema WHERE type = 'table')",
            pg: "SELECT value FROM json_array_elements_text($1::json) k(value) WHERE to_regclass(value) IS NULL",
        ], &tables)?;
        if !missing.is_empty() {
            return Err(Error::unavailable(
                format!("the database has lost tables ({}); restore a backup", missing.join(", ")),
                "tables are missing",
            ));
        }
        if matches!(conn, Conn::Sqlite(_)) {
            return Ok(());
        }
        let sequences = serde_json::to_string(&sequences_after(0).collect::<Vec<_>>()).map_err(Error::internal)?;
        // The operator may deny the program changes to the audit log.
        let denied = q!(&mut conn => vals String, [
            sqlite: "SELECT value FROM json_each($1) WHERE value = $2",
            pg: "SELECT r || ' on ' || t.value FROM json_array_elements_text($1::json) t(value) \
                 CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r \
                 WHERE NOT has_table_privilege(t.value, r) AND NOT (t.value = 'audit_log' AND r IN ('UPDATE', 'DELETE')) \
                 UNION ALL SELECT 'USAGE on ' || s.value FROM json_array_elements_text($2::json) s(value) \
                 WHERE to_regclass(s.value) IS NULL OR NOT has_sequence_privilege(s.value, 'USAGE') \
                 UNION ALL SELECT 'EXECUTE on ' || f FROM unnest(ARRAY['extend_partitions(text,text,text)', 'drop_event_partitions(bigint)']) f \
                 WHERE NOT COALESCE(has_function_privilege(to_regprocedure(f)::oid, 'EXECUTE'), false)",
        ], &tables, &sequences)?;
        if !denied.is_empty() {
            return Err(Error::unavailable(
                format!("the database's role lacks rights: {}; GRANT them to it", denied.join(", ")),
                "rights are missing",
            ));
        }
        Ok(())
    }

    /// Returns the state of the schema. Changes nothing.
    ///
    /// # Errors
    /// Returns `unavailable` for a database that this program must not be run on: one that is not in UTF-8, or that has
    /// other migrations than this program's.
    pub async fn schema_state(&self) -> Result<SchemaState> {
        let mut reader = self.read().await?;
        let mut conn = reader.conn();
        let encoding = q!(&mut conn => val String, [
            sqlite: "SELECT encoding FROM pragma_encoding",
            pg: "SELECT current_setting('server_encoding')",
        ])?;
        if !matches!(encoding.as_str(), "UTF-8" | "UTF8") {
            return Err(Error::unavailable(
                format!(
                    "the database is encoded in {encoding}, and must be in UTF-8; create it anew with that encoding"
                ),
                "a wrong encoding",
            ));
        }
        let is_begun = q!(&mut conn => val bool, [
            sqlite: "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'",
            pg: "SELECT to_regclass('_sqlx_migrations') IS NOT NULL",
        ])?;
        if !is_begun && let Conn::Pg(_) = &conn {
            let schema = q!(&mut conn => val Option<String>, [
                sqlite: "SELECT CAST(NULL AS TEXT)",
                pg: "SELECT current_schema()::text",
            ])?;
            if schema.is_none() {
                return Err(Error::unavailable(
                    "the role may use no schema of the database; GRANT USAGE ON SCHEMA public to it",
                    "current_schema is null",
                ));
            }
        }
        let done = if is_begun {
            q!(&mut conn => all Applied, "SELECT version, description, success, checksum FROM _sqlx_migrations ORDER BY version")?
        } else {
            Vec::new()
        };
        if let Some(broken) = done.iter().find(|row| !row.success) {
            return Err(misfit(broken.version, "failed half-way; restore a backup"));
        }
        check(self.migrator(), done.iter().map(|row| (row.version, row.checksum.as_slice(), row.description.as_str())))
    }
}

async fn migrate_sqlite(write: &Connections) -> Result<()> {
    let mut connection = write.open_another(PATIENCE).await.map_err(DbError::from)?;
    let outcome = async {
        // A table that is made anew is dropped in between, which must delete nothing that refers to it. Within a transaction this
        // cannot be set.
        sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut connection).await.map_err(DbError::from)?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(DbError::from)?;
        run_missing(&mut *tx, &SQLITE).await?;
        let strays = sqlx::query_scalar::<_, String>("SELECT DISTINCT \"table\" FROM pragma_foreign_key_check");
        let strays = strays.fetch_all(&mut *tx).await.map_err(DbError::from)?;
        if !strays.is_empty() {
            let text = format!("rows of {} refer to rows that do not exist; restore a backup", strays.join(", "));
            return Err(Error::unavailable(text, "the foreign keys do not hold"));
        }
        Ok(tx.commit().await.map_err(DbError::from)?)
    };
    let outcome = outcome.await;
    connections::close(connection).await;
    outcome
}

/// Checks that this program can use a schema, by the numbers and descriptions of the migrations that were run: it migrates it, or all
/// that it does not know only add something. Returns the newest number, and `unavailable` when the schema is from a newer program.
/// Both engines use the same numbers.
pub(crate) fn check_known<'a>(done: impl IntoIterator<Item = (i64, &'a str)>) -> Result<Option<i64>> {
    let newest = SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0);
    let (mut applied, mut is_known) = (None, true);
    for (version, description) in done {
        applied = applied.max(Some(version));
        is_known &= version <= newest || description.starts_with(EXPANDS);
    }
    if is_known {
        return Ok(applied);
    }
    Err(newer(SchemaState { applied: applied.unwrap_or(0), newest, missing: 0, is_expanded: false }))
}

/// Returns the sequences that PostgreSQL's migrations after `version` create implicitly.
pub(crate) fn sequences_after(version: i64) -> impl Iterator<Item = &'static str> {
    let later = POSTGRES.iter().filter(move |migration| migration.version > version);
    let lines = later.flat_map(|migration| migration.sql.as_str().lines());
    lines.filter_map(|line| line.strip_prefix("CREATE SEQUENCE ")?.strip_suffix(';'))
}

/// Returns the tables that the migrations create.
fn tables() -> impl Iterator<Item = &'static str> {
    let lines = POSTGRES.iter().flat_map(|migration| migration.sql.as_str().lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("))
}

/// Returns whether a migration for PostgreSQL creates a table of that name.
pub(crate) fn creates(table: &str) -> bool {
    let statement = format!("CREATE TABLE {table} (");
    POSTGRES.iter().any(|migration| migration.sql.as_str().contains(&statement))
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

#[cfg(any(test, feature = "testing"))]
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
impl Db {
    /// Migrates an empty database to the state in which an earlier release left it.
    pub(crate) async fn migrate_to(&self, version: i64) {
        let before = self.migrator().iter().filter(|migration| migration.version <= version).cloned().collect();
        let migrator = Migrator::with_migrations(before);
        match &self.0 {
            Inner::Sqlite { write, .. } => {
                let mut connection = write.open_another(PATIENCE).await.unwrap();
                migrator.run_direct(None, &mut connection, false).await.unwrap();
                connections::close(connection).await;
            }
            Inner::Postgres { pool, .. } => {
                migrator.run_direct(None, pool.connect_apart().await.unwrap().raw(), false).await.unwrap();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_was_run_must_be_what_this_program_has() {
        let all: Vec<(i64, Vec<u8>)> = SQLITE.iter().map(|one| (one.version, one.checksum.to_vec())).collect();
        let check_as = |done: &[(i64, Vec<u8>)], description| {
            check(&SQLITE, done.iter().map(|(version, sum)| (*version, &**sum, description)))
        };
        let check = |done: &[(i64, Vec<u8>)]| check_as(done, "tell more");
        let newest = all.last().unwrap().0;
        assert!(check(&all).unwrap().is_current());
        assert_eq!(check(&[]).unwrap(), SchemaState { applied: 0, newest, missing: all.len(), is_expanded: false });
        // One in the middle is missing, which the newest number alone does not show.
        let mut gap = all.clone();
        gap.remove(2);
        let state = check(&gap).unwrap();
        assert!(state.applied == newest && state.missing == 1 && !state.is_current());
        let mut newer = all.clone();
        newer.push((newest + 1, vec![1]));
        let state = check(&newer).unwrap();
        assert!(state.applied == newest + 1 && !state.is_current());
        assert!(check_as(&newer, "expand jobs").unwrap().is_current());
        newer.remove(2);
        assert!(!check_as(&newer, "expand jobs").unwrap().is_current());
        for (at, row, said) in [(2, (3, vec![1]), "migration 3 (kyc)"), (0, (-1, vec![1]), "migration -1 was run")] {
            let mut other = all.clone();
            other[at] = row;
            assert!(check(&other).unwrap_err().to_string().contains(said));
        }
    }

    /// Returns this program's migrations for PostgreSQL with a later one, as the next release may have it.
    fn with_a_later_one(description: &'static str, sql: &'static str) -> Migrator {
        let version = POSTGRES.iter().map(|migration| migration.version).max().unwrap() + 1;
        let kind = sqlx::migrate::MigrationType::Simple;
        let later =
            sqlx::migrate::Migration::new(version, description.into(), kind, sqlx::SqlStr::from_static(sql), false);
        Migrator::with_migrations(POSTGRES.iter().cloned().chain([later]).collect())
    }

    #[tokio::test]
    async fn a_migration_lets_others_pass_and_this_program_runs_on_with_it() {
        for test in crate::testing::databases().await {
            let Inner::Postgres { pool, .. } = &test.db().0 else { continue };
            // Somebody reads for a while, and the migration needs the table for itself.
            let mut reader = pool.connect_apart().await.unwrap();
            let mut reading = reader.raw().begin().await.unwrap();
            sqlx::query("SELECT count(*) FROM users").execute(&mut *reading).await.unwrap();
            let sql = "ALTER TABLE users ADD COLUMN later BIGINT; CREATE TABLE later (id BIGINT PRIMARY KEY)";
            let migrator = with_a_later_one("expand users", sql);
            let migrating = online::migrate(pool, &migrator);
            let others = async {
                let mut longest = Duration::ZERO;
                for _ in 0..30 {
                    let begun = Instant::now();
                    let mut conn = test.db().read().await.unwrap();
                    q!(&mut conn.conn() => val i64, "SELECT count(*) FROM users").unwrap();
                    longest = longest.max(begun.elapsed());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                reading.rollback().await.unwrap();
                longest
            };
            let (migrated, longest) = tokio::join!(migrating, others);
            migrated.unwrap();
            assert!(longest < Duration::from_secs(2), "{longest:?}");
            // One release ahead: this program goes on, starts, and changes nothing about it.
            let state = test.db().migrate().await.unwrap();
            assert!(state.is_current() && state.applied == state.newest + 1, "{state:?}");
            test.db().require_current().await.unwrap();
            test.db().require_rights().await.unwrap();
            test.close().await;
        }
    }

    #[tokio::test]
    async fn a_schema_that_lost_something_is_for_newer_programs_alone() {
        for test in crate::testing::databases().await {
            let Inner::Postgres { pool, .. } = &test.db().0 else { continue };
            let migrator = with_a_later_one("drop names", "ALTER TABLE users DROP COLUMN name");
            online::migrate(pool, &migrator).await.unwrap();
            for refused in [test.db().migrate().await.map(drop), test.db().require_current().await] {
                assert!(refused.unwrap_err().to_string().contains("use a newer program"));
            }
            test.close().await;
        }
    }

    /// The last migration from before there were rules for them.
    const BEFORE_RULES: i64 = 53;
    /// Migrations that do more than add something, while servers of the release before write: see `records/partitions/tests.rs`.
    const TRIED_UNDER_LOAD: &[i64] = &[54, 55, 56];

    /// Returns what a migration does that servers of the release before cannot live with while it runs or afterwards.
    fn objections(sql: &str) -> Vec<String> {
        let text: String =
            sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
        let statements = text.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase());
        let statements: Vec<String> = statements.filter(|one| !one.is_empty()).collect();
        let is_new = |table: &str| {
            let made = format!("CREATE TABLE {table} (");
            statements.iter().any(|one| one.starts_with(&made))
        };
        let fits = |one: &String| {
            let words: Vec<&str> = one.split(' ').collect();
            match words.as_slice() {
                // PostgreSQL builds indexes while others write. A unique one may refuse what older programs write. What a constraint
                // demanded, older programs keep to.
                ["CREATE", "TABLE" | "INDEX", ..] | ["ALTER", "TABLE", _, "DROP", "CONSTRAINT", ..] => true,
                ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] | ["INSERT", "INTO", table, ..] => is_new(table),
                // Without rewriting rows, and so that those are right which older programs write.
                ["ALTER", "TABLE", _, "ADD", "COLUMN", rest @ ..] => {
                    !rest.contains(&"REFERENCES") && (!rest.contains(&"NOT") || rest.contains(&"DEFAULT"))
                }
                _ => false,
            }
        };
        statements.iter().filter(|one| !fits(one)).cloned().collect()
    }

    #[test]
    fn servers_of_the_release_before_live_with_migrations_that_expand() {
        for migration in SQLITE.iter().chain(POSTGRES.iter()).filter(|one| one.version > BEFORE_RULES) {
            let name = format!("{} {}", migration.version, migration.description);
            assert!(
                migration.description.starts_with(EXPANDS),
                "{name}: say in docs/CONTRIBUTING.md's words what it does"
            );
            if !TRIED_UNDER_LOAD.contains(&migration.version) {
                assert_eq!(objections(migration.sql.as_str()), Vec::<String>::new(), "{name}");
            }
        }
        for good in [
            "CREATE TABLE a (b BIGINT); CREATE INDEX c ON a (b); INSERT INTO a VALUES (1)",
            "ALTER TABLE users ADD COLUMN a BIGINT; CREATE INDEX c ON users (a)",
            "ALTER TABLE users ADD COLUMN a BIGINT NOT NULL DEFAULT 0; -- DROP TABLE users",
        ] {
            assert_eq!(objections(good), Vec::<String>::new(), "{good}");
        }
        for bad in [
            "CREATE UNIQUE INDEX c ON users (name)",
            "ALTER TABLE users ADD COLUMN a BIGINT NOT NULL",
            "ALTER TABLE users DROP COLUMN name",
            "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
            "UPDATE users SET name = ''",
            "CREATE TABLE a (b BIGINT); INSERT INTO users SELECT * FROM a",
            "DROP TABLE users",
        ] {
            assert_eq!(objections(bad).len(), 1, "{bad}");
        }
    }

    /// A user with everything that refers to them, of a database as it was before its tables of wide rows were made anew.
    const FILLED: &str = "
        INSERT INTO users (id, role, status, email, email_norm, email_verified, name, kyc_status, kyc_prior, version, created_at, updated_at) VALUES
            (x'01', 'worker', 'active', 'a@example.org', 'a@example.org', 1, 'Ada', 'approved', 'none', 1, 1, 1),
            (x'02', 'client', 'active', 'j@example.org', 'j@example.org', 1, 'Jon', 'none', 'none', 1, 1, 1);
        INSERT INTO user_terms VALUES ('ada', x'01');
        INSERT INTO worker_profiles VALUES (x'01', 'h', 'a', 'l', NULL, NULL, NULL, NULL, '[]', '[]', 1, NULL, NULL, 1, 1);
        INSERT INTO kyc_attempts (id, user_id, number, document_type, status, submitted_at, fence, version) VALUES (x'03', x'01', 1, 'passport', 'pending', 1, 0, 1);
        INSERT INTO services (id, worker_id, status, title, description, category, location, tags, visible, number, search_text, rating, version,
            created_at, updated_at) VALUES (x'04', x'01', 'published', 'Piano', 'Lessons', 'music', 'Berlin', '[]', 1, 7, '=piano', 0, 1, 1, 1);
        INSERT INTO unindexed_services VALUES (x'04');
        INSERT INTO threads (id, service_id, client_id, worker_id, status, last_seq, last_at, client_read, worker_read, client_unread, worker_unread,
            version, created_at) VALUES (x'05', x'04', x'02', x'01', 'open', 0, 1, 0, 0, 0, 0, 1, 1);
        INSERT INTO jobs (id, thread_id, service_id, client_id, worker_id, status, revision, offered_by, price_amount, price_currency, change_requests,
            entries, version, created_at, updated_at) VALUES (x'06', x'05', x'04', x'02', x'01', 'accepted', 1, 'client', 1, 'EUR', 0, 1, 1, 1, 1);
        INSERT INTO job_offers VALUES (x'06', 1, 'client', 1, 'EUR', 's', 's', 1);
        INSERT INTO reviews (id, job_id, side, author_id, subject_id, rating, content, status, closes_at, flags, version, created_at, updated_at)
            VALUES (x'07', x'06', 'client', x'02', x'01', 5, 'c', 'hidden', 9, 0, 1, 1, 1);";

    /// Runs statements without regard to foreign keys.
    async fn run(test: &crate::testing::TestDb, statements: &'static str) {
        let Inner::Sqlite { write, .. } = &test.db().0 else { return };
        let mut connection = write.open_another(PATIENCE).await.unwrap();
        sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connections::close(connection).await;
    }

    #[tokio::test]
    async fn tables_made_anew_lose_nothing_that_refers_to_them() {
        for test in crate::testing::databases_at(28).await {
            run(&test, FILLED).await;
            assert!(test.db().migrate().await.unwrap().is_current());
            if let Inner::Sqlite { .. } = &test.db().0 {
                let mut reader = test.db().read().await.unwrap();
                let count = q!(&mut reader.conn() => val i64, [
                    sqlite: "SELECT (SELECT count(*) FROM users) * 10000000 + (SELECT count(*) FROM services) * 1000000 \
                    + (SELECT count(*) FROM user_terms) * 100000 + (SELECT count(*) FROM unindexed_services) * 10000 \
                    + (SELECT count(*) FROM threads) * 1000 + (SELECT count(*) FROM job_offers) * 100 + (SELECT count(*) FROM reviews) * 10 \
                    + (SELECT count(*) FROM services s JOIN services_fts f ON f.rowid = s.number WHERE services_fts MATCH '\"=piano\"')",
                    pg: "SELECT 0::bigint",
                ]).unwrap();
                drop(reader);
                assert_eq!(count, 21_111_111);
                // The index of words still follows the services, and what refers to a user still goes with them.
                run(&test, "UPDATE services SET visible = 0").await;
                let mut reader = test.db().read().await.unwrap();
                let found = q!(&mut reader.conn() => val i64, [
                    sqlite: "SELECT count(*) FROM services_fts WHERE services_fts MATCH '\"=piano\"'", pg: "SELECT 0::bigint",
                ]);
                assert_eq!(found.unwrap(), 0);
            }
            test.close().await;
        }
    }

    #[tokio::test]
    async fn what_refers_to_nothing_is_told_before_it_is_kept() {
        for test in crate::testing::databases_at(28).await {
            run(&test, FILLED).await;
            run(&test, "DELETE FROM jobs").await;
            if let Inner::Sqlite { .. } = &test.db().0 {
                let refused = test.db().migrate().await.unwrap_err().to_string();
                assert!(refused.contains("job_offers") && refused.contains("reviews"), "{refused}");
                assert_eq!(test.db().schema_state().await.unwrap().applied, 28);
            }
            test.close().await;
        }
    }
}
