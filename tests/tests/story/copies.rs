//! Copies of a marketplace in which there is something, from SQLite to PostgreSQL.

use std::sync::Mutex;

use marketplace_core::{
    app::App,
    base::{
        error::{ErrorCode, Result},
        ids::UserId,
        time::Timestamp,
    },
    config::{Config, Secret},
    copy::{Copied, Progress, copy},
    db::{Conn, Engine, PgConn},
    on, testing,
    testing::{TestDb, databases},
};
use marketplace_seed::{self as seed, Images, Plan};
use sqlx::SqliteConnection;

/// Copies a marketplace that is open into a database without rows, with the keys that it has.
async fn over(source: &App, target: &TestDb, progress: &(dyn Fn(Progress<'_>) + Send + Sync)) -> Result<Copied> {
    let to = Config {
        database_url: Some(Secret::new(target.url())),
        keys_dir: Some(source.config.keys_dir()),
        ..Config::default()
    };
    copy(&source.config, &to, &testing::OPERATOR, true, progress).await
}

async fn sqlite_number(conn: &mut SqliteConnection, text: &'static str) -> i64 {
    sqlx::query_scalar(text).fetch_one(conn).await.unwrap()
}

async fn pg_number(conn: &mut PgConn, text: &'static str) -> i64 {
    sqlx::query_scalar(text).fetch_one(conn).await.unwrap()
}

/// Every value of every table, as text, told by PostgreSQL or computed from SQLite.
#[tokio::test]
async fn everything_arrives_and_the_log_goes_on() {
    let Ok(_) = std::env::var(testing::POSTGRES) else { return };
    let source = testing::app().await;
    let plan = Plan { users: 2_500, seed: 3, attempts: Some(500), images: Images::None, demo: true, ..Plan::default() };
    seed::run(source.app(), &plan, &|_| ()).await.unwrap();
    let app = source.app();
    // What seeding leaves out: bytes, texts with everything that COPY escapes, numbers of rows that are gone.
    app.db
        .write(|conn| {
            Box::pin(async move {
                let Conn::Sqlite(sqlite) = conn else { panic!("the source is SQLite") };
                sqlx::query("INSERT INTO idempotency_keys (principal, key, fingerprint, status, body, created_at) VALUES (?, ?, ?, 200, NULL, ?)")
                    .bind("a\tb\\N\nc\r")
                    .bind("\\.")
                    .bind(vec![0_u8, 255, 92])
                    .bind(Timestamp::MAX)
                    .execute(&mut **sqlite)
                    .await
                    .unwrap();
                sqlx::query("UPDATE sqlite_sequence SET seq = 2999999999999999 WHERE name = 'events'").execute(&mut **sqlite).await.unwrap();
                Ok(())
            })
        })
        .await
        .unwrap();
    let targets = databases().await;
    let target = targets.iter().find(|test| test.db().engine() == Engine::Postgres).unwrap();
    let last = Mutex::new((0, 0));
    let copied = over(app, target, &|p| *last.lock().unwrap() = (p.done, p.total)).await.unwrap();
    let (done, total) = *last.lock().unwrap();
    assert!(done == total && total > 10_000, "{done} of {total}");
    assert!(copied.audit_verified > 100);

    let (mut from, mut to) = (app.db.read().await.unwrap(), target.db().read().await.unwrap());
    for text in [
        "SELECT count(*) FROM users WHERE email_verified",
        "SELECT count(*) FROM services WHERE visible AND latitude > 38.5 AND price_amount IS NOT NULL",
        "SELECT CAST(sum(length(search_text) + rating) AS BIGINT) FROM services",
        "SELECT count(*) FROM search_words",
        "SELECT count(*) FROM search_parts",
        "SELECT CAST(sum(length(content) + seq) AS BIGINT) FROM messages",
        "SELECT count(*) FROM messages WHERE fingerprint IS NOT NULL AND data IS NULL",
        "SELECT CAST(sum(client_unread + worker_unread) AS BIGINT) FROM threads",
        "SELECT count(*) FROM jobs WHERE due_at IS NOT NULL",
        "SELECT count(*) FROM job_history WHERE from_status IS NULL",
        "SELECT CAST(sum(rating) AS BIGINT) FROM reviews WHERE status = 'published'",
        "SELECT count(*) FROM review_flags",
        "SELECT CAST(sum(stars_5) AS BIGINT) FROM worker_ratings",
        "SELECT count(*) FROM favorites",
        "SELECT count(*) FROM worker_profiles WHERE available",
        "SELECT count(*) FROM user_terms",
        "SELECT CAST(sum(length(name)) AS BIGINT) FROM users",
        "SELECT count(*) FROM kyc_attempts WHERE status = 'pending' AND decided_at IS NULL",
        "SELECT count(*) FROM idempotency_keys WHERE status = 200 AND body IS NULL",
    ] {
        let (mut from, mut to) = (from.conn(), to.conn());
        let (Conn::Sqlite(from), Conn::Pg(to)) = (&mut from, &mut to) else { panic!("two engines") };
        let here = sqlite_number(from, text).await;
        assert_eq!(here, pg_number(to, text).await, "{text}");
        assert!(here > 0, "{text}");
    }
    let strange = async |conn: &mut Conn<'_>| {
        on!(conn, |conn, DB| {
            let text = "SELECT principal, key, fingerprint, created_at FROM idempotency_keys";
            sqlx::query_as::<DB, (String, String, Vec<u8>, Timestamp)>(text).fetch_one(conn).await.unwrap()
        })
    };
    assert_eq!(strange(&mut from.conn()).await, strange(&mut to.conn()).await);
    let newest = async |conn: &mut Conn<'_>| {
        on!(conn, |conn, DB| {
            let text = "SELECT id, created_at, name FROM users ORDER BY created_at DESC LIMIT 1";
            sqlx::query_as::<DB, (UserId, Timestamp, String)>(text).fetch_one(conn).await.unwrap()
        })
    };
    assert_eq!(newest(&mut from.conn()).await, newest(&mut to.conn()).await);
    drop((from, to));
    let next = target
        .db()
        .write(|conn| {
            Box::pin(async move {
                let Conn::Pg(conn) = conn else { panic!("the target is PostgreSQL") };
                Ok(pg_number(conn, "INSERT INTO events (at, kind, target) VALUES (now(), 'x', 'y') RETURNING seq")
                    .await)
            })
        })
        .await
        .unwrap();
    assert_eq!(next, 3_000_000_000_000_000);

    let again = over(app, target, &|_| ()).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::Conflict);
    for test in targets {
        test.close().await;
    }
    source.close().await;
}

#[tokio::test]
async fn a_log_that_was_tampered_with_is_not_copied() {
    let Ok(_) = std::env::var(testing::POSTGRES) else { return };
    let source = testing::app().await;
    let plan = Plan { users: 60, seed: 3, attempts: Some(5), images: Images::None, demo: true, ..Plan::default() };
    seed::run(source.app(), &plan, &|_| ()).await.unwrap();
    source
        .app()
        .db
        .write(|conn| {
            Box::pin(async move {
                let Conn::Sqlite(conn) = conn else { panic!("the source is SQLite") };
                sqlx::query("UPDATE audit_log SET actor = 'nobody' WHERE seq = 3").execute(&mut **conn).await.unwrap();
                Ok(())
            })
        })
        .await
        .unwrap();
    let targets = databases().await;
    let target = targets.iter().find(|test| test.db().engine() == Engine::Postgres).unwrap();
    let refused = over(source.app(), target, &|_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("row 3"), "{refused}");
    let mut reader = target.db().read().await.unwrap();
    let mut conn = reader.conn();
    let Conn::Pg(conn) = &mut conn else { panic!("the target is PostgreSQL") };
    assert_eq!(pg_number(conn, "SELECT count(*) FROM users").await, 0);
    drop(reader);
    for test in targets {
        test.close().await;
    }
    source.close().await;
}
