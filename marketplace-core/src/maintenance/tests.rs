//! One kind, and one item, that fails, and all that goes on.

use futures::FutureExt;
use std::time::Duration;

use super::*;
use crate::{
    accounts::model::{Status, UserAction},
    base::{
        change::{Change, RestrictionReason},
        error::{Error, ErrorCode},
        ids::UserId,
        permission::Role,
    },
    kyc::status::KycStatus,
    platform::health::Component,
    scheduled::{contained, each, resting},
    testing::{self, OPERATOR, TestApp},
    timers::{TimerState, pause, recorded},
    users,
};

fn state(app: &App, timer: Timer) -> TimerState {
    app.timers().into_iter().find(|state| state.timer == timer).unwrap()
}

/// An approval whose time is over.
async fn expired_worker(test: &TestApp) -> UserId {
    let id = test.user(Role::Worker, Status::Active).await;
    test.approve(id).await;
    let now = test.app().now();
    let over = test.app().db.write(move |conn| {
        async move {
            q!(conn => exec, "UPDATE users SET kyc_expires_at = $2 WHERE id = $1", id, now)?;
            Ok(())
        }
        .boxed()
    });
    over.await.unwrap();
    id
}

async fn count(app: &App, sql: &'static str) -> i64 {
    let mut reader = app.db.read().await.unwrap();
    on!(&mut reader.conn(), |conn, DB| sqlx::query_scalar::<DB, i64>(sql).fetch_one(conn).await).unwrap()
}

async fn execute(app: &App, sql: &'static str) {
    let unit = app.db.write(move |conn| {
        async move {
            on!(conn, |conn, DB| sqlx::query::<DB>(sql).execute(conn).await.map(drop))?;
            Ok(())
        }
        .boxed()
    });
    unit.await.unwrap();
}

#[tokio::test]
async fn a_kind_that_fails_stops_no_other_and_is_told_once() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = expired_worker(&test).await;
        // Whatever touches jobs fails from now on; it comes before the others in the list.
        execute(app, "ALTER TABLE jobs RENAME TO jobs_gone").await;
        let failed = app.run_due().await.unwrap_err();
        // PostgreSQL says what kind of fault it is, and somebody may mend that one while the program runs.
        let code = match app.db.engine() {
            crate::platform::db::Engine::Sqlite => ErrorCode::Internal,
            crate::platform::db::Engine::Postgres => ErrorCode::Unavailable,
        };
        assert_eq!(failed.code(), code);
        assert_eq!(state(app, Timer::Jobs).failures, 1);
        assert!(state(app, Timer::Jobs).failing.is_some() && state(app, Timer::Jobs).last_success.is_none());
        for timer in Timer::ALL.iter().filter(|timer| **timer != Timer::Jobs) {
            let state = state(app, *timer);
            assert_eq!((state.failures, state.last_success), (0, Some(app.now())), "{timer}");
        }
        assert!(test.mails().await.is_empty(), "all were sent");
        let status = users::show(&app.by(&OPERATOR), worker).await.unwrap().user.kyc_status;
        assert_eq!(status, KycStatus::Expired);
        execute(app, "ALTER TABLE jobs_gone RENAME TO jobs").await;
        app.run_due().await.unwrap();
        assert!(state(app, Timer::Jobs).failing.is_none() && state(app, Timer::Jobs).last_success.is_some());
        test.close().await;
    }
}

#[tokio::test]
async fn an_item_that_fails_stops_no_other_and_is_tried_again_after_a_while() {
    for test in testing::apps().await {
        let app = test.app();
        let bad = expired_worker(&test).await;
        // A trap: nothing is written about this one.
        let trap = match app.db.engine() {
            crate::platform::db::Engine::Sqlite => {
                "CREATE TRIGGER trap BEFORE INSERT ON audit_log WHEN new.target = (SELECT name FROM traps) \
                 BEGIN SELECT RAISE(ABORT, 'trap'); END"
            }
            crate::platform::db::Engine::Postgres => {
                "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF new.target = (SELECT name FROM traps) THEN RAISE EXCEPTION 'trap'; END IF; RETURN new; END $$"
            }
        };
        execute(app, "CREATE TABLE traps (name TEXT)").await;
        let name = bad.to_string();
        app.db
            .write(move |conn| {
                async move {
                    on!(conn, |conn, DB| sqlx::query::<DB>("INSERT INTO traps VALUES ($1)")
                        .bind(&name)
                        .execute(conn)
                        .await
                        .map(drop))?;
                    Ok(())
                }
                .boxed()
            })
            .await
            .unwrap();
        execute(app, trap).await;
        if app.db.engine() == crate::platform::db::Engine::Postgres {
            execute(app, "CREATE TRIGGER trap BEFORE INSERT ON audit_unsealed FOR EACH ROW EXECUTE FUNCTION trap()")
                .await;
        }
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(expired_worker(&test).await);
        }
        let status = async |id| users::show(&app.by(&OPERATOR), id).await.unwrap().user.kyc_status;
        run(app, Timer::KycExpiry).await.unwrap();
        for other in others {
            assert_eq!(status(other).await, KycStatus::Expired);
        }
        let told = state(app, Timer::KycExpiry);
        assert_eq!((told.failures, told.failing, told.last_failure), (1, None, Some(app.now())));
        assert_eq!(resting(app, Timer::KycExpiry), 1);
        // It rests, and then fails again, for longer.
        run(app, Timer::KycExpiry).await.unwrap();
        assert_eq!(state(app, Timer::KycExpiry).failures, 1);
        test.advance(Duration::from_mins(1));
        run(app, Timer::KycExpiry).await.unwrap();
        test.advance(Duration::from_mins(1));
        run(app, Timer::KycExpiry).await.unwrap();
        assert_eq!(state(app, Timer::KycExpiry).failures, 2);
        execute(app, "DROP TABLE traps").await;
        execute(app, "CREATE TABLE traps (name TEXT)").await;
        test.advance(Duration::from_mins(1));
        run(app, Timer::KycExpiry).await.unwrap();
        assert_eq!((status(bad).await, resting(app, Timer::KycExpiry)), (KycStatus::Expired, 0));
        test.close().await;
    }
}

#[tokio::test]
async fn items_are_contained() {
    let test = testing::apps().await.swap_remove(0);
    let app = test.app();
    let work = async |item: i32| match item {
        1 => panic!("as planned"),
        2 => Err(Error::internal("broken")),
        _ => Ok(1),
    };
    assert_eq!(each(app, Timer::Jobs, (0..6).collect(), work).await.unwrap(), 4);
    assert_eq!((state(app, Timer::Jobs).failures, resting(app, Timer::Jobs)), (2, 2));
    assert_eq!(each(app, Timer::Jobs, (0..6).collect(), work).await.unwrap(), 4);
    assert_eq!(state(app, Timer::Jobs).failures, 2, "the bad ones rest");
    // What is away is no item's fault: all are tried again at once.
    let away = async |_: i32| Err(Error::unavailable("away", "away"));
    for _ in 0..2 {
        assert_eq!(each(app, Timer::Reviews, (0..6).collect(), away).await.unwrap_err().code(), ErrorCode::Unavailable);
    }
    assert_eq!(resting(app, Timer::Reviews), 0);
    test.close().await;
}

#[tokio::test]
async fn work_that_hangs_or_panics_is_cut_off() {
    let late = contained(Duration::from_millis(10), std::future::pending::<Result<()>>()).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::Unavailable);
    let panicked = contained(Duration::from_secs(5), async { panic!("as planned") as Result<()> }).await.unwrap_err();
    assert_eq!(panicked.code(), ErrorCode::Internal);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let of = |attempts| pause(attempts, Duration::from_mins(1), Duration::from_hours(4)).as_secs() / 60;
    assert_eq!([0, 1, 2, 3, 8, 9, 10, 1_000, i64::MAX].map(of), [1, 1, 2, 4, 128, 240, 240, 240, 240]);
}

#[tokio::test]
async fn a_file_that_cannot_be_deleted_stops_no_other() {
    for test in testing::apps().await {
        let app = test.app();
        let mut keys = Vec::new();
        for n in 0..4 {
            keys.push(app.files.put(app.random.as_ref(), vec![n]).await.unwrap());
        }
        // Where a file should be is a folder, with something in it; and one key is no key.
        let stuck = app.config.data_dir.join("files").join(&keys[0]);
        std::fs::remove_file(&stuck).unwrap();
        std::fs::create_dir_all(stuck.join("x")).unwrap();
        keys.push("../escape".to_owned());
        let now = app.now();
        let put = app.db.write(move |conn| {
            async move {
                for key in keys {
                    q!(conn => exec, "INSERT INTO file_deletions (object_key, created_at) VALUES ($1, $2)", key, now)?;
                }
                Ok(())
            }
            .boxed()
        });
        put.await.unwrap();
        let left = async || count(app, "SELECT CAST(count(*) AS BIGINT) FROM file_deletions").await;
        assert_eq!(run(app, Timer::FileDeletions).await.unwrap(), 3);
        assert_eq!((left().await, state(app, Timer::FileDeletions).failures), (2, 1));
        assert!(app.health.works(Component::Files), "the store works");
        assert_eq!(run(app, Timer::FileDeletions).await.unwrap(), 0);
        assert_eq!(state(app, Timer::FileDeletions).failures, 1, "they rest");
        test.advance(Duration::from_secs(2));
        run(app, Timer::FileDeletions).await.unwrap_err();
        std::fs::remove_dir_all(&stuck).unwrap();
        test.advance(Duration::from_secs(2));
        assert_eq!(run(app, Timer::FileDeletions).await.unwrap(), 0);
        test.advance(Duration::from_secs(2));
        assert_eq!(run(app, Timer::FileDeletions).await.unwrap(), 1);
        assert_eq!(left().await, 1);
        test.close().await;
    }
}

#[tokio::test]
async fn an_erasure_that_cannot_be_swept_stops_no_other() {
    for test in testing::apps().await {
        let app = test.app();
        let (bad, good) =
            (test.user(Role::Client, Status::Active).await, test.user(Role::Client, Status::Active).await);
        app.run_due().await.unwrap();
        // Where a mail about somebody should be is a folder.
        let stuck = app.config.mail_dir().join(format!("x.{bad}.eml"));
        std::fs::create_dir(&stuck).unwrap();
        let change = Change { reason: Some(RestrictionReason::UserRequest), ..Change::default() };
        for id in [bad, good] {
            users::act(&app.by(&OPERATOR).with(change.clone()), id, &UserAction::Delete).await.unwrap();
        }
        let left = async || count(app, "SELECT CAST(count(*) AS BIGINT) FROM erasures").await;
        app.run_due().await.unwrap();
        assert_eq!((left().await, state(app, Timer::Erasures).failing), (1, None));
        assert!(state(app, Timer::Erasures).failures > 0);
        std::fs::remove_dir(&stuck).unwrap();
        test.advance(Duration::from_mins(1));
        app.run_due().await.unwrap();
        assert_eq!(left().await, 0);
        test.close().await;
    }
}

#[tokio::test]
async fn files_that_are_away_hold_up_files_and_nothing_else() {
    for test in testing::apps().await {
        let app = test.app();
        let key = app.files.put(app.random.as_ref(), b"x".to_vec()).await.unwrap();
        let files = app.config.data_dir.join("files");
        let away = app.config.data_dir.join("away");
        // A mount that is gone leaves an empty folder.
        std::fs::rename(&files, &away).unwrap();
        std::fs::create_dir(&files).unwrap();
        for failed in [
            app.files.put(app.random.as_ref(), b"y".to_vec()).await.map(drop),
            app.files.get(&key).await.map(drop),
            app.files.delete(&key).await,
        ] {
            assert_eq!(failed.unwrap_err().code(), ErrorCode::Unavailable);
        }
        assert!(!app.health.works(Component::Files));
        assert_eq!(std::fs::read_dir(&files).unwrap().count(), 0, "nothing is written below a mount");
        std::fs::remove_dir(&files).unwrap();
        std::fs::rename(&away, &files).unwrap();
        assert_eq!(app.files.get(&key).await.unwrap(), b"x");
        assert!(app.health.works(Component::Files));
        test.close().await;
    }
}

#[tokio::test]
async fn how_each_kind_went_is_written_down_for_who_looks_from_beside() {
    for test in testing::apps().await {
        let app = test.app();
        assert_eq!(recorded(&app.db).await.unwrap(), []);
        app.timers.item_failed(Timer::Jobs, &"a job", &Error::internal("broken"), app.now());
        app.run_due().await.unwrap();
        test.advance(Duration::from_mins(1));
        app.run_due().await.unwrap();
        let rows = recorded(&app.db).await.unwrap();
        assert!(rows.len() >= Timer::ALL.len() - 1, "{rows:?}");
        let jobs = rows.iter().find(|row| row.timer == "jobs").unwrap();
        assert_eq!(jobs.last_success_at, app.now());
        assert_eq!(jobs.last_failure_at, app.now() - Duration::from_mins(1));
        assert_eq!(jobs.failure.as_deref(), Some("a job: broken"));
        assert!(!jobs.is_late(app.now()) && jobs.is_late(app.now() + Duration::from_mins(6)));
        test.close().await;
    }
}
