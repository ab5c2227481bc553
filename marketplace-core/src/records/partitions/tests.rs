//! Ranges are there in time, hold what belongs to them, go as a whole, and come while others write.

use std::time::Duration as Wait;

use super::*;
use crate::{
    base::{error::ErrorCode, ids::uuid_v7, random::OsRandom},
    platform::db::{Conn, Db},
    records::events,
    testing::{
        self, TestApp,
        statements::{self, lines, migrate_while},
    },
};

const HOUR: i64 = DAY / 24;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_day_is_ready_before_it_begins() {
    let now = at("2026-11-28T14:00:00Z");
    let today = at("2026-11-28T00:00:00Z").micros();
    let end = |bound: &str| {
        Some(End { bound: at(&format!("{bound}T00:00:00Z")).micros().to_string(), label: bound.replace('-', "_") })
    };
    assert_eq!(day_after(today + 2 * DAY, 0, now), None);
    assert_eq!(day_after(today + DAY, today, now), end("2026-11-30"));
    // Nobody looked after them for a month: what came meanwhile is one range, which ends today.
    assert_eq!(day_after(today - 30 * DAY, today, now), end("2026-11-29"));
    // Something was published when the clock was ahead.
    assert_eq!(day_after(today, today + 9 * DAY + 5, now), end("2026-12-08"));
    assert_eq!(day_after(i64::MAX, 0, now), None);
}

#[test]
fn numbers_are_ready_before_they_are_used() {
    let end = |bound: &str| Some(End { bound: bound.to_owned(), label: bound.to_owned() });
    assert_eq!(numbers_after(20_000_000, 18_999_999), None);
    assert_eq!(numbers_after(20_000_000, 19_000_001), end("30000000"));
    assert_eq!(numbers_after(20_000_000, 54_000_000), end("60000000"));
    assert_eq!(numbers_after(i64::MAX, i64::MAX), None);
}

#[test]
fn a_month_is_ready_a_week_before_it_begins() {
    let first = |day: &str| first_uuid_v7(at(&format!("{day}T00:00:00Z")));
    let end = |day: &str, label: &str| Some(End { bound: first(day).to_string(), label: label.to_owned() });
    assert_eq!(month_after(first("2027-01-01"), at("2026-12-24T23:00:00Z")), None);
    assert_eq!(month_after(first("2027-01-01"), at("2026-12-25T01:00:00Z")), end("2027-02-01", "2027_02"));
    assert_eq!(month_after(first("2027-12-01"), at("2027-11-29T01:00:00Z")), end("2028-01-01", "2028_01"));
    assert_eq!(month_after(first("2026-01-01"), at("2026-12-25T01:00:00Z")), end("2027-01-01", "2027_01"));
    assert_eq!(month_after(Uuid::max(), at("2026-12-25T01:00:00Z")), None);
}

/// Runs statements that succeed.
async fn run(db: &Db, text: String) {
    statements::run(db, text).await.unwrap();
}

async fn ranges(db: &Db, table: &str) -> Vec<String> {
    let text =
        format!("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass ORDER BY 1");
    lines(db, text).await
}

/// Apps on PostgreSQL alone.
async fn divided() -> Vec<TestApp> {
    let mut apps = testing::apps().await;
    apps.retain(|test| test.app().db.engine() == Engine::Postgres);
    apps
}

/// Puts an event on the log, as the batch of a time published it.
async fn publish_at(app: &App, seq: i64, micros: i64) {
    run(&app.db, format!("INSERT INTO events (seq, tx, at, kind, target) VALUES ({seq}, {micros}, to_timestamp({micros} / 1e6), 'profile', 'x{seq}')")).await;
}

/// Returns where the last range of events begins.
async fn last_day(db: &Db) -> i64 {
    let text =
        "SELECT substring(pg_get_expr(relpartbound, oid) FROM '''(.*)''') FROM pg_class WHERE relname = 'events_last'";
    lines(db, text).await[0].parse().unwrap()
}

fn label(micros: i64) -> String {
    format!("events_until_{}", Timestamp::from_micros(micros).date().replace('-', "_"))
}

#[tokio::test]
async fn days_come_in_time_and_go_as_a_whole() {
    for test in divided().await {
        let app = test.app();
        let db = &app.db;
        assert_eq!(extend(app).await.unwrap(), 0);
        assert_eq!(ranges(db, "events").await, ["events_first", "events_last"]);
        let begun = last_day(db).await;
        let at = |micros: i64| Timestamp::from_micros(begun + micros);
        // A row that came before its range did.
        publish_at(app, 9_000, begun + HOUR).await;
        assert_eq!(extend_at(app, at(-HOUR)).await.unwrap(), 1);
        assert_eq!(extend_at(app, at(-HOUR)).await.unwrap(), 0);
        assert_eq!(ranges(db, "events").await, ["events_first".into(), "events_last".into(), label(begun + DAY)]);
        publish_at(app, 9_001, begun + DAY + HOUR).await;
        let found = "SELECT tableoid::regclass::text FROM events WHERE seq >= 9000 ORDER BY seq";
        assert_eq!(lines(db, found).await, [label(begun + DAY), "events_last".into()]);
        // When the first of these days is forgotten, it goes as a whole; what was not published stays, and so does the rest.
        let actor = testing::operator();
        let page = async |after: String| events::since(&app.by(&actor), Some(&after), 10).await;
        let first = page(format!("{begun}.0")).await.unwrap().items;
        assert_eq!(first.len(), 2);
        let kept = Wait::from_hours(24 * u64::from(app.config.retention.event_days));
        test.advance(at(DAY + HOUR).since(app.now()) + kept);
        events::prune(app).await.unwrap();
        assert_eq!(page(format!("{begun}.0")).await.unwrap_err().code(), ErrorCode::Conflict);
        let rest = page(first[0].cursor.clone()).await.unwrap();
        assert_eq!(rest.items.len(), 1, "{rest:?}");
        assert_eq!(ranges(db, "events").await.len(), 2);
        // After a pause, and after a time in which the clock was ahead.
        publish_at(app, 9_002, begun + 50 * DAY).await;
        assert_eq!(extend_at(app, at(40 * DAY)).await.unwrap(), 2);
        assert_eq!(extend_at(app, at(40 * DAY)).await.unwrap(), 0);
        assert!(ranges(db, "events").await.contains(&label(begun + 51 * DAY)));
        assert_eq!(ranges(db, "job_history").await.len(), 3);
        let jobs = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'job_history_last'";
        let jobs = lines(db, jobs).await;
        assert!(jobs[0].ends_with("-7000-8000-000000000000') TO (MAXVALUE)"), "{jobs:?}");
        // What is old goes from a range that lasts for long, too.
        run(db, format!("SELECT extend_partitions('events', '{}', '9')", begun + 5_000 * DAY)).await;
        publish_at(app, 9_003, begun + 60 * DAY).await;
        test.advance(Wait::from_hours(70 * 24));
        assert!(events::prune(app).await.unwrap() >= 1);
        assert_eq!(lines(db, found).await, [""; 0]);
        test.close().await;
    }
}

#[tokio::test]
async fn the_audit_log_goes_on_in_the_next_range() {
    for test in divided().await {
        let app = test.app();
        let mut reader = app.db.read().await.unwrap();
        let Conn::Pg(backup) = &mut reader.conn() else { continue };
        run(&app.db, "UPDATE audit_head SET seq = 19500000".into()).await;
        // While a backup is made, ranges stay as they are.
        let held = "BEGIN; SELECT pg_advisory_xact_lock_shared(hashtext('marketplace.partitions'))";
        sqlx::raw_sql(held).execute(&mut **backup).await.unwrap();
        assert_eq!(extend(app).await.unwrap(), 0);
        sqlx::raw_sql("COMMIT").execute(&mut **backup).await.unwrap();
        assert_eq!(extend(app).await.unwrap(), 1);
        assert_eq!(extend(app).await.unwrap(), 0);
        assert_eq!(
            ranges(&app.db, "audit_log").await,
            ["audit_log_first", "audit_log_last", "audit_log_until_30000000"]
        );
        let unique = "SELECT count(*)::text FROM pg_index WHERE indisunique AND indrelid = 'audit_log_last'::regclass";
        assert_eq!(lines(&app.db, unique).await, ["2"]);
        test.close().await;
    }
}

#[tokio::test]
async fn ranges_are_for_those_who_may_write_the_table() {
    for test in divided().await {
        let db = &test.app().db;
        let name = uuid_v7(Timestamp::EPOCH, &OsRandom).simple().to_string();
        let (group, login, stranger) = (format!("group_{name}"), format!("login_{name}"), format!("other_{name}"));
        run(
            db,
            format!(
                "CREATE ROLE {group}; CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {group}; CREATE ROLE {stranger}; \
             GRANT SELECT, INSERT ON audit_log TO {group}; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {group}"
            ),
        )
        .await;
        let extend = |role: &str, set: &str| {
            format!(
                "SET LOCAL SESSION AUTHORIZATION {role}; {set}; SELECT extend_partitions('audit_log', '90000000', '1'); RESET SESSION AUTHORIZATION"
            )
        };
        let as_stranger = extend(&stranger, "SELECT 1");
        assert!(statements::run(db, as_stranger).await.is_err());
        assert_eq!(ranges(db, "audit_log").await.len(), 2);
        run(db, extend(&login, &format!("SET LOCAL ROLE {group}"))).await;
        assert_eq!(ranges(db, "audit_log").await.len(), 3);
        // A new range has the rights of the one before it, and not those of new tables.
        let rights = format!(
            "SELECT concat_ws(' ', t, has_table_privilege('{group}', t, 'DELETE')) FROM unnest(ARRAY['audit_log', 'audit_log_last']) t"
        );
        assert_eq!(lines(db, rights).await, ["audit_log f", "audit_log_last f"]);
        run(db, format!("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {group}; DROP OWNED BY {group}, {login}; DROP ROLE {group}, {login}, {stranger}")).await;
        test.close().await;
    }
}

/// What is read all the time touches one day alone.
#[tokio::test]
async fn readers_of_the_log_look_at_the_days_from_their_cursor_on() {
    for test in divided().await {
        let app = test.app();
        let begun = last_day(&app.db).await;
        for day in 0..5 {
            extend_at(app, Timestamp::from_micros(begun + day * DAY - HOUR)).await.unwrap();
            publish_at(app, 9_000 + day, begun + day * DAY + HOUR).await;
        }
        assert!(ranges(&app.db, "events").await.len() >= 5);
        let mut judged = 0;
        for (place, _, text) in crate::platform::db::ALL_SQL {
            let reads =
                text.contains("FROM events") && text.trim_start().starts_with("SELECT") && !place.contains("tests");
            if !reads || text.contains("tx DESC") {
                continue;
            }
            let cursor = begun + 2 * DAY + HOUR + 1;
            let arguments = match crate::platform::db::max_placeholder(text) {
                // user, cursor, limit, and since when notifications are of now
                5 => format!("NULL, {cursor}, 0, 1, NULL"),
                4 => format!("'[]', NULL, {cursor}, {cursor}"),
                3 => format!("{cursor}, 0, 1"),
                _ => continue,
            };
            // Each as its own plan, and as one that is kept.
            for mode in ["force_generic_plan", "force_custom_plan"] {
                let all = format!(
                    "SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = {mode}; PREPARE looked AS {text}; \
                     EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE looked({arguments})"
                );
                let plan = lines(&app.db, format!("BEGIN; {all}; DEALLOCATE looked; COMMIT")).await;
                let looked: Vec<&String> = plan
                    .iter()
                    .filter(|line| line.contains(" on events") && !line.contains("never executed"))
                    .collect();
                let is_early = |line: &str| {
                    line.contains("events_first")
                        || line.contains(&label(begun + DAY))
                        || line.contains(&label(begun + 2 * DAY))
                };
                let early = looked.iter().find(|line| is_early(line));
                assert!(early.is_none(), "{place}: {plan:#?}");
            }
            judged += 1;
        }
        assert!(judged >= 3, "{judged}");
        test.close().await;
    }
}

/// A program of the release before: what it wrote into these tables, and how it published.
async fn goes_on(db: &Db, number: i64) {
    let text = format!(
        "INSERT INTO events (at, kind, target) VALUES (now(), 'profile', '{number}'); \
         UPDATE events SET tx = (SELECT CASE WHEN pg_advisory_xact_lock(hashtext('marketplace.events')) IS NOT NULL THEN nextval('event_batches') END) \
         WHERE tx < 0 AND seq IN (SELECT seq FROM events WHERE tx < 0 ORDER BY seq LIMIT 1000); \
         INSERT INTO audit_log (seq, at, actor, action, target_kind, target, metadata, hash, entry) VALUES ({number}, now(), 'a', 'b', 'c', 'd', '{{}}', '{number}', '{number}'); \
         INSERT INTO job_history SELECT id, 1 + {number}, 'cancel', NULL, 'cancelled', 'client', 'x', 1, NULL, NULL, 1, now() FROM jobs ORDER BY id LIMIT 1"
    );
    run(db, text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filled_tables_are_divided_while_programs_of_the_release_before_write() {
    const ROWS: i64 = 60_000;
    for test in testing::databases_at(53).await {
        let db = test.db();
        if db.engine() == Engine::Sqlite {
            continue;
        }
        for rows in [
            "INSERT INTO events (at, tx, kind, target) SELECT now() - interval '1 hour', nextval('event_batches'), 'profile', n::text FROM generate_series(1, ROWS) n",
            "INSERT INTO events (at, kind, target) SELECT now(), 'profile', 'late' FROM generate_series(1, 50) n",
            "INSERT INTO audit_log SELECT n, now(), 'a', 'b', 'c', 'd', NULL, '{}', n::text, n::text FROM generate_series(1, ROWS) n",
            "INSERT INTO jobs SELECT lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'cancelled', 1, 'client', 1, 'EUR', 0, 1, NULL, NULL, 1, now(), now() FROM generate_series(1, ROWS) n",
            "INSERT INTO job_history SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 'begin', NULL, 'negotiating', 'client', 'x', 1, NULL, NULL, 1, now() FROM generate_series(1, ROWS) n",
        ] {
            let rows = rows.replace("ROWS", &ROWS.to_string());
            run(db, format!("SET LOCAL session_replication_role = replica; {rows}")).await;
        }
        let reader = format!("reader_{}", uuid_v7(Timestamp::EPOCH, &OsRandom).simple());
        run(db, format!(
            "CREATE ROLE {reader}; GRANT SELECT ON audit_log TO {reader}; GRANT SELECT (seq) ON events TO {reader}; \
             ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {reader}"
        )).await;
        let written =
            migrate_while(db, async |number| goes_on(db, ROWS + 1 + i64::try_from(number).unwrap()).await).await;
        let written = i64::try_from(written).unwrap();
        let counted = "SELECT concat_ws(' ', (SELECT count(*) FROM events), (SELECT count(*) FROM audit_log), (SELECT count(*) FROM job_history))";
        let rows = ROWS + written;
        assert_eq!(lines(db, counted).await, [format!("{} {rows} {rows}", rows + 50)]);
        let twice = "SELECT seq::text FROM events GROUP BY seq HAVING count(*) > 1";
        assert_eq!(lines(db, twice).await, Vec::<String>::new());
        // Who might read the table, or a column of it, may do so now, and no more.
        let allowed = format!(
            "SELECT concat_ws(' ', t, has_table_privilege('{reader}', t, 'SELECT'), has_table_privilege('{reader}', t, 'INSERT'), \
             has_column_privilege('{reader}', t, 'seq', 'SELECT')) FROM unnest(ARRAY['audit_log', 'audit_log_last', 'events', 'events_last']) t"
        );
        let expected = ["audit_log t f t", "audit_log_last t f t", "events f f t", "events_last f f t"];
        assert_eq!(lines(db, allowed).await, expected);
        run(db, format!("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {reader}; DROP OWNED BY {reader}; DROP ROLE {reader}")).await;
        test.close().await;
    }
}
