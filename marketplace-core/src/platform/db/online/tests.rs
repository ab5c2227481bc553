//! Steps are cut where they may be, run in any number of tries, end in the same schema, and stop nobody.

use std::fmt::Write;

use uuid::Uuid;

use super::*;
use crate::{
    base::{
        ids::uuid_v7,
        random::{OsRandom, Random},
        time::Timestamp,
    },
    platform::db::{Db, Inner},
    testing::{
        self, TestDb,
        statements::{lines, migrate_while, run},
    },
};

/// The migrations of the first release.
const FIRST_RELEASE: i64 = 14;

#[test]
fn statements_end_where_they_end() {
    let sql = "-- a; b\nCREATE TABLE a (b TEXT DEFAULT ';''x');\n\n-- c\nDO $$ BEGIN\n  x; y;\nEND $$;\nSELECT \";\" -- d;\n;\n-- e";
    assert_eq!(
        statements(sql),
        ["CREATE TABLE a (b TEXT DEFAULT ';''x')", "DO $$ BEGIN\n  x; y;\nEND $$", "SELECT \";\" -- d;"]
    );
    assert_eq!(statements("SELECT 1"), ["SELECT 1"]);
    assert_eq!(statements("-- nothing to do\n"), [""; 0]);
    assert_eq!(statements("'never closed"), ["'never closed"]);
}

#[test]
fn indexes_of_tables_in_use_are_steps_without_a_lock() {
    let text = |text: &str| Step::Text(text.to_owned());
    let index = |name: &str, text: &str| Step::Index(name.to_owned(), text.to_owned());
    let sql = "DROP INDEX a;\nDROP INDEX gone;\nALTER TABLE t ADD COLUMN x BIGINT;\nCREATE INDEX a ON t (x)\n  WHERE x > 1;\n\
               CREATE UNIQUE INDEX b ON t (x);\nCREATE TABLE n (\n  y BIGINT\n);\nCREATE INDEX c ON n (y);";
    assert_eq!(
        steps(sql),
        [
            text("ALTER TABLE t ADD COLUMN x BIGINT"),
            index("a_next", "CREATE INDEX CONCURRENTLY a_next ON t (x) WHERE x > 1"),
            index("b", "CREATE UNIQUE INDEX CONCURRENTLY b ON t (x)"),
            text("CREATE TABLE n (\n  y BIGINT\n)"),
            text("CREATE INDEX c ON n (y)"),
            text("DROP INDEX a; ALTER INDEX a_next RENAME TO a"),
            text("DROP INDEX gone"),
        ]
    );
    let whole = format!("{IN_ONE_PIECE}: because\nSELECT 1; SELECT 2;");
    assert_eq!(steps(&whole), [text(&whole)]);
}

/// All tables with their columns, defaults, constraints and valid indexes, and all functions.
const SCHEMA: &str = "\
    SELECT c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') \
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
    UNION ALL SELECT i.indisvalid || ' ' || pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace \
    UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
    UNION ALL SELECT proname || ' ' || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1";

/// Databases of PostgreSQL as the first release left them.
async fn of_the_first_release() -> Vec<TestDb> {
    let mut all = testing::databases_at(FIRST_RELEASE).await;
    all.retain(|test| matches!(test.db().0, Inner::Postgres { .. }));
    all
}

#[tokio::test]
async fn whoever_is_stopped_between_steps_goes_on_and_ends_in_the_same_schema() {
    let mut fresh = testing::databases().await;
    fresh.retain(|test| matches!(test.db().0, Inner::Postgres { .. }));
    for (test, fresh) in of_the_first_release().await.into_iter().zip(fresh) {
        let (db, mut tries) = (test.db(), 0);
        let state = loop {
            let mut bytes = [0; 1];
            OsRandom.fill(&mut bytes);
            // Dropped, its connections are closed: as when the program is killed.
            let limit = Duration::from_millis(10 + u64::from(bytes[0]) + 20 * tries);
            tries += 1;
            if let Ok(state) = tokio::time::timeout(limit, db.migrate()).await {
                break state.unwrap();
            }
        };
        assert!(state.is_current() && tries > 1, "{tries} tries: {state:?}");
        let (found, expected) = (lines(db, SCHEMA).await, lines(fresh.db(), SCHEMA).await);
        let differs = found.iter().filter(|line| !expected.contains(line)).collect::<Vec<_>>();
        let lacks = expected.iter().filter(|line| !found.contains(line)).collect::<Vec<_>>();
        assert!(differs.is_empty() && lacks.is_empty(), "{differs:#?} instead of {lacks:#?}");
        test.close().await;
        fresh.close().await;
    }
}

#[tokio::test]
async fn an_index_that_was_left_unfinished_is_built_anew() {
    for test in of_the_first_release().await {
        let Inner::Postgres { pool, .. } = &test.db().0 else { continue };
        run(test.db(), "CREATE TABLE things (n BIGINT NOT NULL); INSERT INTO things VALUES (1), (1)".into())
            .await
            .unwrap();
        let mut conn = pool.connect_apart().await.unwrap();
        let index = "CREATE UNIQUE INDEX CONCURRENTLY things_n ON things (n)";
        assert!(build(conn.raw(), "things_n", index).await.is_err());
        let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'things_n'::regclass";
        assert_eq!(lines(test.db(), valid).await, ["false"]);
        run(test.db(), "DELETE FROM things".into()).await.unwrap();
        for _ in 0..2 {
            build(conn.raw(), "things_n", index).await.unwrap();
            assert_eq!(lines(test.db(), valid).await, ["true"]);
        }
        test.close().await;
    }
}

fn id() -> Uuid {
    uuid_v7(Timestamp::EPOCH, &OsRandom)
}

/// What a server of the first release did with these tables: a sign-up, a message, what is looked at all the time.
async fn serve(db: &Db, number: usize) {
    let (user, message) = (id(), id());
    let mut text = format!(
        "INSERT INTO users (id, role, status, email, email_norm, email_verified, name, kyc_status, kyc_prior, version, created_at, updated_at) \
           VALUES ('{user}', 'client', 'active', 'n{number}@example.org', 'n{number}@example.org', true, 'Ada', 'none', 'none', 1, now(), now()); \
         INSERT INTO user_terms VALUES ('ada{number}', '{user}'); \
         INSERT INTO sessions (id, user_id, user_agent, ip, created_at, last_used_at, expires_at, generation, access_jti, access_used) \
           VALUES ('{user}', '{user}', 'x', 'x', now(), now(), now() + interval '1 day', 0, '{user}', true); \
         UPDATE users SET name = 'Eve', version = version + 1 WHERE id = lpad(to_hex({number}), 32, '0')::uuid; \
         INSERT INTO events (at, kind, target, user_id) VALUES (now(), 'user.changed', '{user}', '{user}'); "
    );
    let _ = write!(
        text,
        "UPDATE threads SET last_seq = last_seq + 1, last_at = now() WHERE id = lpad(to_hex(1 + {number}), 32, '0')::uuid; \
         INSERT INTO messages (thread_id, seq, id, kind, sender_id, content, client_msg_id, created_at) \
           SELECT id, last_seq, '{message}', 'text', client_id, 'Hello', 'm{number}', now() FROM threads WHERE id = lpad(to_hex(1 + {number}), 32, '0')::uuid; \
         UPDATE services SET title = 'Piano', version = version + 1 WHERE id = lpad(to_hex(1 + {number}), 32, '0')::uuid; \
         SELECT * FROM users WHERE id = '{user}'; SELECT * FROM services WHERE id = lpad(to_hex(5), 32, '0')::uuid; \
         SELECT * FROM messages WHERE thread_id = lpad(to_hex(7), 32, '0')::uuid ORDER BY seq DESC LIMIT 20"
    );
    run(db, text).await.unwrap();
}

/// Fills the tables that grow, as the first release left them.
const FILLED: &str = "
    INSERT INTO users (id, role, status, email, email_norm, email_verified, name, kyc_status, kyc_prior, version, created_at, updated_at)
      SELECT lpad(to_hex(n), 32, '0')::uuid, 'worker', 'active', n || '@example.org', n || '@example.org', true, 'Ada', 'none', 'none', 1, now(), now() FROM generate_series(1, ROWS) n;
    INSERT INTO user_terms SELECT t || n % 1000, lpad(to_hex(n), 32, '0')::uuid FROM generate_series(1, ROWS) n, unnest(ARRAY['ada', 'ada@']) t;
    INSERT INTO services (id, worker_id, status, title, description, category, location, tags, visible, number, search_text, rating, version, created_at, updated_at)
      SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'published', 'Piano', 'Lessons', 'music', 'Berlin', '[]', true, n, '=piano =lessons', 0, 1, now(), now() FROM generate_series(1, ROWS) n;
    INSERT INTO threads (id, service_id, client_id, worker_id, status, last_seq, last_at, client_read, worker_read, client_unread, worker_unread, version, created_at)
      SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n + 1), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'open', 2, now(), 0, 0, 0, 0, 1, now() FROM generate_series(1, ROWS) n;
    INSERT INTO messages (thread_id, seq, id, kind, sender_id, content, created_at)
      SELECT lpad(to_hex(1 + n / 2), 32, '0')::uuid, 1 + n % 2, gen_random_uuid(), 'text', lpad(to_hex(1 + n / 2), 32, '0')::uuid, 'Hello', now() FROM generate_series(0, 2 * ROWS - 1) n;
    INSERT INTO events (at, kind, target, user_id) SELECT now(), 'message', n::text, lpad(to_hex(n), 32, '0')::uuid FROM generate_series(1, ROWS) n;
    INSERT INTO audit_log SELECT n, now(), 'a', 'b', 'c', 'd', NULL, '{}', n::text FROM generate_series(1, ROWS) n;
    INSERT INTO jobs (id, thread_id, service_id, client_id, worker_id, status, revision, offered_by, price_amount, price_currency, change_requests, entries, version, created_at, updated_at)
      SELECT i, i, i, i, i, 'cancelled', 1, 'client', 1, 'EUR', 0, 1, 1, now(), now() FROM generate_series(1, ROWS) n, LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid AS i) i;
    INSERT INTO job_history SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 'begin', NULL, 'negotiating', 'client', 'x', 1, NULL, NULL, 1, now() FROM generate_series(1, ROWS) n;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filled_database_of_the_first_release_is_migrated_while_its_servers_write() {
    for test in of_the_first_release().await {
        let db = test.db();
        let filled = FILLED.replace("ROWS", "20000");
        for statement in statements(&filled) {
            run(db, format!("SET LOCAL session_replication_role = replica; {statement}")).await.unwrap();
        }
        let served = migrate_while(db, async |number| serve(db, number).await).await;
        let counted = lines(db, "SELECT concat_ws(' ', (SELECT count(*) FROM users), (SELECT count(*) FROM messages), (SELECT count(*) FROM events))").await;
        assert_eq!(counted, [format!("{} {} {}", 20_000 + served, 40_000 + served, 20_000 + served)]);
        assert_eq!(lines(db, "SELECT relname::text FROM pg_class WHERE relname = '_migration_steps'").await, [""; 0]);
        test.close().await;
    }
}
