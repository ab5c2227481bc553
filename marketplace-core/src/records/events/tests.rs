//! The order of the log: what a follower read is never overtaken.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use futures::future::join_all;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use super::*;
use crate::{
    base::random::{OsRandom, Random},
    live::{is_current, own_since, tail},
    platform::db::{Conn, Engine},
    testing::{self, TestApp},
};

/// Writers at once; on PostgreSQL as many as there are connections for.
const WRITERS: usize = 5;
const UNITS: usize = 40;
/// Chains in which one event follows another for sure: each writer of one waits for the one before, as in a thread.
const CHAINS: u32 = 3;

fn dice(sides: u32) -> u32 {
    let mut bytes = [0; 4];
    OsRandom.fill(&mut bytes);
    u32::from_le_bytes(bytes) % sides
}

async fn wait_a_little() {
    if dice(3) > 0 {
        tokio::time::sleep(Duration::from_millis(u64::from(dice(25)))).await;
    }
}

/// Holds a chain until the end of the unit.
async fn hold(conn: &mut Conn<'_>, chain: u32) {
    if let Conn::Pg(conn) = conn {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(i64::from(chain)).execute(&mut **conn).await.unwrap();
    }
}

async fn say(conn: &mut Conn<'_>, text: &'static str) {
    crate::on!(conn, |x, _DB| sqlx::query(text).execute(x).await.map(drop)).unwrap();
}

/// A unit with one to four events, some of which are taken back; or all of them. Returns what stays.
async fn unit(app: &App, numbers: Arc<Vec<AtomicI64>>) -> Vec<String> {
    let op = Operation::system(app);
    let written = op.write(unit!(|op, conn| {
        let (chain, mut kept) = (dice(CHAINS), Vec::new());
        hold(conn, chain).await;
        for _ in 0..=dice(3) {
            let number = numbers[chain as usize].fetch_add(1, Ordering::SeqCst);
            let target = format!("{chain}:{number}");
            let lost = dice(4) == 0;
            if lost {
                say(conn, "SAVEPOINT inner_one").await;
            }
            append(&op, conn, EventKind::Profile, &target, None).await?;
            wait_a_little().await;
            if lost {
                say(conn, "ROLLBACK TO inner_one").await;
            } else {
                kept.push(target);
            }
        }
        if dice(5) == 0 { Err(Error::not_found("nothing of it stays")) } else { Ok(kept) }
    }));
    written.await.unwrap_or_default()
}

/// Follows until `done` and nothing more comes.
async fn follow(app: &App, done: Arc<AtomicBool>) -> Vec<Raw> {
    let mut cursor = EventCursor { tx: 0, seq: 0 };
    let mut seen = Vec::new();
    loop {
        let last_look = done.load(Ordering::SeqCst);
        let found = tail(app, cursor, i64::from(1 + dice(7))).await.unwrap();
        if found.is_empty() && last_look {
            return seen;
        }
        cursor = found.last().map_or(cursor, |event| event.cursor);
        seen.extend(found.into_iter().filter(|event| event.kind == EventKind::Profile));
        wait_a_little().await;
    }
}

/// Transactions that have written something and do nothing more: in this database, and in another one of the cluster.
async fn idle_transactions(test: &TestApp) -> Vec<PgConnection> {
    if test.app().db.engine() == Engine::Sqlite {
        return Vec::new();
    }
    let own = test.app().config.database_url().expose().to_owned();
    let mut all = Vec::new();
    for url in [own, std::env::var(testing::POSTGRES).unwrap()] {
        let mut conn = PgConnection::connect(&url).await.unwrap();
        conn.execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
        all.push(conn);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_skips_nothing_and_nothing_overtakes_whatever_else_goes_on() {
    for test in testing::apps().await {
        let app = test.app();
        let idle = idle_transactions(&test).await;
        let done = Arc::new(AtomicBool::new(false));
        let followers: Vec<_> = (0..3)
            .map(|_| {
                let (app, done) = (app.clone(), done.clone());
                tokio::spawn(async move { follow(&app, done).await })
            })
            .collect();
        let numbers: Arc<Vec<AtomicI64>> = Arc::new((0..CHAINS).map(|_| AtomicI64::new(0)).collect());
        let writers = join_all((0..WRITERS).map(|_| async {
            let mut kept = Vec::new();
            for _ in 0..UNITS {
                kept.extend(unit(app, numbers.clone()).await);
            }
            kept
        }));
        let kept: HashSet<String> = writers.await.into_iter().flatten().collect();
        done.store(true, Ordering::SeqCst);
        for follower in followers {
            let seen = tokio::time::timeout(Duration::from_secs(60), follower).await.unwrap().unwrap();
            assert!(seen.is_sorted_by_key(|event| event.cursor));
            for chain in 0..CHAINS {
                let numbers = seen.iter().filter_map(|event| event.target.strip_prefix(&format!("{chain}:")));
                assert!(numbers.map(|number| number.parse::<i64>().unwrap()).is_sorted(), "chain {chain}");
            }
            assert_eq!(seen.len(), kept.len(), "each once");
            assert_eq!(seen.into_iter().map(|event| event.target).collect::<HashSet<_>>(), kept);
        }
        drop(idle);
        test.close().await;
    }
}

#[tokio::test]
async fn in_another_database_the_log_begins_anew_once() {
    for test in testing::apps().await {
        let app = test.app();
        let actor = testing::operator();
        let record = async |target: &'static str| {
            let op = Operation::system(app);
            op.write(unit!(|op, conn| { append(&op, conn, EventKind::Profile, target, None).await })).await.unwrap();
        };
        let page = async |after: &str| since(&app.by(&actor), Some(after), 100).await;
        record("before").await;
        let before = since(&app.by(&actor), None, 1).await.unwrap().cursor;
        record("after").await;
        assert_eq!(page(&before).await.unwrap().items.len(), 1);
        let last = page(&before).await.unwrap().cursor;
        assert!(page(&last).await.unwrap().items.is_empty());
        assert!(is_current(app, EventCursor::parse(&last).unwrap()).await.unwrap());
        // What a copy finds: a log that was written elsewhere, of which some was not even published.
        record("late").await;
        let moved = app
            .db
            .write(|conn| async move { Ok(q!(conn => exec, "UPDATE event_marks SET place = 'elsewhere'")?) }.boxed());
        assert_eq!(moved.await.unwrap(), 1);
        join_all((0..4).map(|_| settle(app))).await.into_iter().for_each(|settled| settled.unwrap());
        for old in [&before, &last] {
            assert_eq!(page(old).await.unwrap_err().code(), crate::base::error::ErrorCode::Conflict, "{old}");
            assert!(!is_current(app, EventCursor::parse(old).unwrap()).await.unwrap());
            let own = own_since(app, crate::base::ids::UserId(uuid::Uuid::nil()), Some(old), 10).await.unwrap();
            assert!(own.resync_required);
        }
        // Nothing of before comes again, and what comes is found.
        let begin = since(&app.by(&actor), None, 1).await.unwrap().cursor;
        assert!(page(&begin).await.unwrap().items.is_empty());
        record("new").await;
        let found = page(&begin).await.unwrap().items;
        assert_eq!(found.iter().map(|event| &*event.target).collect::<Vec<_>>(), ["new"]);
        // Nobody begins it anew a second time.
        let newest = found[0].cursor.clone();
        settle(app).await.unwrap();
        assert!(page(&newest).await.unwrap().items.is_empty());
        test.close().await;
    }
}
