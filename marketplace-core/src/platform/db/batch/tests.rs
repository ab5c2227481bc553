use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    base::{error::ErrorCode, time::Timestamp},
    platform::db::json,
    testing,
};

static STATEMENTS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
static GATES: [Semaphore; 4] = [const { Semaphore::const_new(0) }; 4];

/// Reads keys; those named so make it wait at its gate after the statement, fail, or panic. One kind for each test.
struct Probe<const TEST: usize>;

impl<const TEST: usize> PointRead for Probe<TEST> {
    type Key = String;
    type Row = String;
    async fn load(conn: &mut Conn<'_>, keys: &[String]) -> Result<Vec<(String, String)>> {
        let found = q!(conn => vals String, [
            sqlite: "SELECT d.object_key FROM json_each($1) k CROSS JOIN file_deletions d ON d.object_key = k.value",
            pg: "SELECT d.object_key FROM json_array_elements_text($1::json) k(value) JOIN file_deletions d ON d.object_key = k.value",
        ], json::keys(keys))?;
        STATEMENTS[TEST].fetch_add(1, Ordering::SeqCst);
        let has = |name: &str| keys.iter().any(|key| key == name);
        if has("wait") {
            GATES[TEST].acquire().await.unwrap().forget();
        }
        assert!(!has("panic"), "on purpose");
        if has("fail") {
            return Err(Error::unavailable("on purpose", "inside"));
        }
        Ok(found.into_iter().map(|key| (key.clone(), key)).collect())
    }
}

async fn insert(db: &Db, key: &'static str) {
    let unit = db.write(move |c| {
        async move {
            q!(c => exec, "INSERT INTO file_deletions (object_key, created_at) VALUES ($1, $2)", key, Timestamp::EPOCH)?;
            Ok(())
        }
        .boxed()
    });
    unit.await.unwrap();
}

/// Starts a read in a task of its own. The read has begun when this returns.
async fn asked<const TEST: usize>(db: &Db, key: &str) -> tokio::task::JoinHandle<Result<Option<String>>> {
    let (db, key) = (db.clone(), key.to_owned());
    let task = tokio::spawn(async move { db.point::<Probe<TEST>>(key).await });
    tokio::task::yield_now().await;
    task
}

/// Starts a read that has run its statement and waits at the gate.
async fn at_gate<const TEST: usize>(db: &Db) -> tokio::task::JoinHandle<Result<Option<String>>> {
    let before = STATEMENTS[TEST].load(Ordering::SeqCst);
    let task = asked::<TEST>(db, "wait").await;
    while STATEMENTS[TEST].load(Ordering::SeqCst) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    task
}

#[tokio::test]
async fn those_who_wait_share_a_statement() {
    for test in testing::databases().await {
        insert(test.db(), "a").await;
        insert(test.db(), "b").await;
        let first = at_gate::<0>(test.db()).await;
        let before = STATEMENTS[0].load(Ordering::SeqCst);
        let names = ["a", "b", "none", "a"].into_iter().cycle().take(400);
        let others = join_all(names.clone().map(|name| asked::<0>(test.db(), name))).await;
        GATES[0].add_permits(1);
        assert_eq!(first.await.unwrap().unwrap(), None);
        for (name, answer) in names.zip(join_all(others).await) {
            let row = answer.unwrap().unwrap();
            assert_eq!(row.as_deref(), Some(name).filter(|name| *name != "none"));
        }
        // More than one statement takes at most, and none for each.
        let statements = STATEMENTS[0].load(Ordering::SeqCst) - before;
        assert!((2..=4).contains(&statements), "{statements} statements");
        test.close().await;
    }
}

#[tokio::test]
async fn a_read_that_starts_after_a_commit_sees_it() {
    for test in testing::databases().await {
        let early = at_gate::<1>(test.db()).await;
        insert(test.db(), "wait").await;
        // The very key that a statement under way has found missing.
        let late = asked::<1>(test.db(), "wait").await;
        GATES[1].add_permits(2);
        assert_eq!(early.await.unwrap().unwrap(), None);
        assert_eq!(late.await.unwrap().unwrap().as_deref(), Some("wait"));
        test.close().await;
    }
}

#[tokio::test]
async fn failures_reach_all_of_their_statement_and_no_other() {
    for test in testing::databases().await {
        for (bad, code) in [("fail", ErrorCode::Unavailable), ("panic", ErrorCode::Internal)] {
            let first = at_gate::<2>(test.db()).await;
            let both = [asked::<2>(test.db(), bad).await, asked::<2>(test.db(), "other").await];
            GATES[2].add_permits(1);
            assert_eq!(first.await.unwrap().unwrap(), None);
            for answer in join_all(both).await {
                let error = answer.unwrap().unwrap_err();
                assert_eq!(error.code(), code);
                assert!(error.internal_text().is_some(), "the log has what happened inside");
            }
            assert_eq!(test.db().point::<Probe<2>>("other".into()).await.unwrap(), None);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn who_goes_away_takes_nothing_from_the_others() {
    for test in testing::databases().await {
        insert(test.db(), "a").await;
        let first = at_gate::<3>(test.db()).await;
        let leaves = asked::<3>(test.db(), "a").await;
        let stays = asked::<3>(test.db(), "a").await;
        first.abort();
        leaves.abort();
        assert!(first.await.is_err() && leaves.await.is_err());
        GATES[3].add_permits(1);
        assert_eq!(stays.await.unwrap().unwrap().as_deref(), Some("a"));
        test.close().await;
    }
}
