//! What the engines do to answer: whatever a list shows is found through an index.

use marketplace_core::db::{ALL_SQL, Db, OpenOptions, max_placeholder};
use marketplace_tests::{Engine, database::Database, stories};
use sqlx::{AssertSqlSafe, Connection, Row};

stories![lists_read_what_they_show_and_no_more];

/// The features whose tables grow with the marketplace.
const FEATURES: &[&str] = &[
    "messaging/",
    "jobs/",
    "reviews/",
    "services/",
    "profiles/",
    "reports/",
    "notifications/",
    "rules/",
    "records/series.rs",
    "records/webhooks/",
    "events/",
    "auth/store.rs",
    "accounts/store.rs",
    "idempotency.rs",
];

/// Names of what is bounded by itself: counts that stop at their cap, the two halves of a merged page, lists of keys, work that
/// waits and is taken from its beginning.
const BOUNDED: &[&str] = &[
    "capped",
    "page",
    "hires",
    "works",
    "(subquery",
    "erasures",
    "unnormalised_emails",
    "unindexed_services",
    "rule_hits",
];
/// The table of webhooks, which has at most 50 rows and is read as a whole; and counts of what is theirs, which stop at their cap.
const SMALL: &[&str] = &["webhooks w", "webhooks", "w", "n"];
/// Texts that merge two bounded halves under the alias of a table.
const MERGED: &[&str] = &["messaging/store/pages.rs", "messaging/store/deliver.rs"];

async fn lists_read_what_they_show_and_no_more(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::new(engine, folder.path()).await;
    let db = Db::open(&database.url, OpenOptions::default()).await.unwrap();
    db.migrate().await.unwrap();
    db.close().await;
    let mut plans = Vec::new();
    for &(place, sqlite, postgres) in ALL_SQL.iter().filter(|text| FEATURES.iter().any(|name| text.0.contains(name))) {
        let (text, plan) = match engine {
            Engine::Sqlite => (sqlite, sqlite_plan(&database.url, sqlite).await),
            Engine::Postgres => (postgres, postgres_plan(&database.url, postgres).await),
        };
        plans.push((place, text, plan));
    }
    let wrong: Vec<String> = plans
        .iter()
        .filter(|(place, _, plan)| {
            let merged = engine == Engine::Sqlite && MERGED.iter().any(|part| place.contains(part));
            !merged && plan.iter().any(|line| reads_all(line))
        })
        .map(|(place, text, plan)| format!("{place}\n{text}\n{}", plan.join("\n")))
        .collect();
    let by_state: Vec<_> =
        plans.iter().filter(|(_, text, plan)| plan.iter().any(|line| looks_up_a_state(line, text))).collect();
    assert!(by_state.is_empty(), "a state that most rows have, and not whose they are: {by_state:#?}");
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), plans.len(), wrong.join("\n\n"));
    assert!(plans.len() > 60, "only {} texts were collected", plans.len());
}

/// Whether SQLite, which knows nothing of the rows, looks all of one state up although the text names whose they are.
fn looks_up_a_state(line: &str, text: &str) -> bool {
    let is_alone = ["status", "kind", "role", "kyc_status"].iter().any(|name| line.ends_with(&format!(" ({name}=?)")));
    is_alone && line.contains("INDEX") && text.contains("_id = $")
}

fn reads_all(line: &str) -> bool {
    let scanned = line.trim().strip_prefix("SCAN ");
    let bounded = |what: &str| {
        what.contains("USING") || what.contains("VIRTUAL TABLE") || BOUNDED.iter().any(|name| what.starts_with(name))
    };
    let read = line.split_once("Seq Scan on ").map(|(_, what)| what.split("  (").next().unwrap_or(what));
    let is_small = |what: &str| SMALL.contains(&what);
    read.is_some_and(|what| !is_small(what))
        || scanned.is_some_and(|what| what != "CONSTANT ROW" && !bounded(what) && !is_small(what))
}

async fn sqlite_plan(url: &str, text: &str) -> Vec<String> {
    let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).fetch_all(&mut connection).await;
    rows.unwrap().iter().map(|row| row.get("detail")).collect()
}

/// With parameters that it does not know yet, as a plan that is kept has them.
async fn postgres_plan(url: &str, text: &str) -> Vec<String> {
    let mut connection = sqlx::postgres::PgConnection::connect(url).await.unwrap();
    for set in ["plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_sort = off"] {
        sqlx::query(AssertSqlSafe(format!("SET {set}"))).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE planned AS {text}"))).execute(&mut connection).await.unwrap();
    let nulls = vec!["NULL"; max_placeholder(text)].join(", ");
    let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE planned{arguments}"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut connection).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}
