use std::sync::Mutex;

use super::*;
use crate::{
    accounts::model::Status,
    app::App,
    base::{error::ErrorCode, page::PageRequest, permission::Role},
    platform::config::Secret,
    records::audit::AuditFilter,
    seed::{self, Images, Plan},
    testing::{self, databases},
};

fn at(url: impl Into<String>) -> Config {
    Config { database_url: Some(Secret::new(url)), ..Config::default() }
}

#[tokio::test]
async fn only_from_sqlite_to_postgres_and_only_what_is_there() {
    let code = async |from: &str, to: &str| {
        copy(&at(from), &at(to), &testing::OPERATOR, false, &|_| ()).await.unwrap_err().code()
    };
    assert_eq!(code("postgres://h/a", "postgres://h/b").await, ErrorCode::Invalid);
    assert_eq!(code("sqlite:///nowhere/a.db", "sqlite:///nowhere/b.db").await, ErrorCode::Invalid);
    assert_eq!(code("sqlite:///nowhere/a.db", "postgres://h/b").await, ErrorCode::NotFound);
}

/// Over a connection of the program that has the source open.
async fn over(source: &App, target: &Db, progress: &(dyn Fn(Progress<'_>) + Send + Sync)) -> Result<Copied> {
    let mut reader = source.db.read().await?;
    let Conn::Sqlite(connection) = &mut reader.conn() else { panic!("the source is SQLite") };
    between(connection, &source.keys, target, progress).await
}

#[test]
fn parents_come_first() {
    let table = |name: &str| Table { name: name.into(), columns: vec![], key: vec![] };
    let refers = |child: &str, parent: &str| (child.to_owned(), parent.to_owned());
    let names = |tables: Vec<Table>| tables.into_iter().map(|table| table.name).collect::<Vec<_>>();
    let ordered = in_order(vec![table("c"), table("b"), table("a")], &[refers("c", "b"), refers("b", "a")]).unwrap();
    assert_eq!(names(ordered), ["a", "b", "c"]);
    assert!(in_order(vec![table("a"), table("b")], &[refers("a", "b"), refers("b", "a")]).is_err());
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
                q!(conn => exec, "INSERT INTO idempotency_keys (principal, key, fingerprint, status, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
                    "a\tb\\N\nc\r", "\\.", vec![0_u8, 255, 92], Some(200_i64), Option::<Vec<u8>>::None, Timestamp::MAX)?;
                let Conn::Sqlite(sqlite) = conn else { panic!("the source is SQLite") };
                sqlx::query("UPDATE sqlite_sequence SET seq = 2999999999999999 WHERE name = 'events'").execute(&mut **sqlite).await.unwrap();
                Ok(())
            })
        })
        .await
        .unwrap();
    let targets = databases().await;
    let target = targets.iter().map(testing::TestDb::db).find(|db| db.engine() == Engine::Postgres).unwrap();
    let last = Mutex::new((0, 0));
    let copied = over(app, target, &|p| *last.lock().unwrap() = (p.done, p.total)).await.unwrap();
    let (done, total) = *last.lock().unwrap();
    assert!(done == total && total > 10_000, "{done} of {total}");
    assert!(copied.audit_verified > 100);

    let (mut from, mut to) = (app.db.read().await.unwrap(), target.read().await.unwrap());
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
        let here = sqlite_number(from, text.into()).await.unwrap();
        assert_eq!(here, pg_number(to, text.into()).await.unwrap(), "{text}");
        assert!(here > 0, "{text}");
    }
    let strange = async |conn: &mut Conn<'_>| {
        q!(conn => one (String, String, Vec<u8>, Timestamp), "SELECT principal, key, fingerprint, created_at FROM idempotency_keys").unwrap()
    };
    assert_eq!(strange(&mut from.conn()).await, strange(&mut to.conn()).await);
    let newest = async |conn: &mut Conn<'_>| {
        q!(conn => one (crate::base::ids::UserId, Timestamp, String), "SELECT id, created_at, name FROM users ORDER BY created_at DESC LIMIT 1").unwrap()
    };
    assert_eq!(newest(&mut from.conn()).await, newest(&mut to.conn()).await);
    drop((from, to));
    let next = target
        .write(|conn| {
            Box::pin(async move {
                Ok(q!(conn => val i64, "INSERT INTO events (at, kind, target) VALUES ($1, 'x', 'y') RETURNING seq", Timestamp::EPOCH)?)
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
                q!(conn => exec, "UPDATE audit_log SET actor = 'nobody' WHERE seq = 3")?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let targets = databases().await;
    let target = targets.iter().map(testing::TestDb::db).find(|db| db.engine() == Engine::Postgres).unwrap();
    let refused = over(source.app(), target, &|_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("row 3"), "{refused}");
    let mut reader = target.read().await.unwrap();
    assert_eq!(q!(&mut reader.conn() => val i64, "SELECT count(*) FROM users").unwrap(), 0);
    drop(reader);
    for test in targets {
        test.close().await;
    }
    source.close().await;
}

#[tokio::test]
async fn a_copy_needs_the_keys_of_its_source_and_is_on_record() {
    let Ok(_) = std::env::var(testing::POSTGRES) else { return };
    let source = testing::app().await;
    source.user(Role::Client, Status::Active).await;
    let from = &source.app().config;
    for same in [false, true] {
        let keys_dir = same.then(|| from.keys_dir());
        for test in testing::apps_with(|config| config.keys_dir.clone_from(&keys_dir)).await {
            let target = test.app();
            if target.db.engine() == Engine::Postgres && same {
                let copied = copy(from, &target.config, &testing::OPERATOR, true, &|_| ()).await.unwrap();
                for app in [source.app(), target] {
                    let whole = audit::verify(app, &testing::OPERATOR, 1, 1_000, None).await.unwrap();
                    assert_eq!((whole.checked, whole.broken), (copied.audit_verified, None));
                    let page = PageRequest::first(1);
                    let rows = audit::list(app, &testing::OPERATOR, &AuditFilter::default(), &page).await.unwrap();
                    assert_eq!(
                        (&*rows.items[0].action, &rows.items[0].actor),
                        ("db.copy", &testing::OPERATOR.principal())
                    );
                }
                assert!(App::open((*target.config).clone()).await.is_ok());
            } else if target.db.engine() == Engine::Postgres {
                // Of its own configuration; and of a database that was begun with them.
                let forced = Config { keys_dir: Some(from.keys_dir()), ..(*target.config).clone() };
                for to in [&*target.config, &forced] {
                    let refused = copy(from, to, &testing::OPERATOR, true, &|_| ()).await.unwrap_err();
                    assert_eq!(refused.code(), ErrorCode::Unavailable);
                    assert!(refused.detail().contains("master.key"), "{refused}");
                }
            }
            test.close().await;
        }
    }
    source.close().await;
}
