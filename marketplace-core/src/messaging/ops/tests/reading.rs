//! Pages, pointers, counts.

use proptest::{collection::vec, prelude::*, strategy::ValueTree};

use super::*;
use crate::{
    base::page::PageRequest,
    messaging::{
        Draft, append, lock_thread,
        model::{Message, MessagePage, MessagesQuery},
    },
    testing,
};

fn query(after_seq: Option<i64>, before_seq: Option<i64>, limit: u16) -> MessagesQuery {
    MessagesQuery { after_seq, before_seq, limit: Some(limit) }
}

fn shape(page: &MessagePage<Message>) -> (Vec<i64>, bool, bool) {
    (page.items.iter().map(|message| message.seq).collect(), page.more_before, page.more_after)
}

#[tokio::test]
async fn pages_of_messages() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let page = async |query| shape(&messaging::messages(&app.by(&pair.worker), thread, &query).await.unwrap());
        assert_eq!(page(query(None, None, 5)).await, (vec![], false, false));
        assert_eq!(page(query(Some(3), None, 5)).await, (vec![], false, false));
        for n in 1..=7 {
            messaging::send(&app.by(&pair.client), thread, text(&n.to_string(), "x")).await.unwrap();
        }
        for (after, before, limit, expected) in [
            (None, None, 3, (vec![5, 6, 7], true, false)),
            (None, None, 50, (vec![1, 2, 3, 4, 5, 6, 7], false, false)),
            (Some(0), None, 2, (vec![1, 2], false, true)),
            (Some(2), None, 2, (vec![3, 4], true, true)),
            (Some(5), None, 2, (vec![6, 7], true, false)),
            (Some(7), None, 2, (vec![], true, false)),
            (Some(i64::MAX), None, 2, (vec![], true, false)),
            (Some(-5), None, 2, (vec![1, 2], false, true)),
            (None, Some(4), 2, (vec![2, 3], true, true)),
            (None, Some(3), 5, (vec![1, 2], false, true)),
            (None, Some(1), 5, (vec![], false, true)),
            (None, Some(i64::MIN), 5, (vec![], false, true)),
            (None, Some(8), 2, (vec![6, 7], true, false)),
            (None, Some(i64::MAX), 2, (vec![6, 7], true, false)),
        ] {
            assert_eq!(page(query(after, before, limit)).await, expected, "{after:?} {before:?} {limit}");
        }
        for bad in [query(Some(1), Some(2), 5), query(None, None, 0), query(None, None, 201)] {
            let refused = messaging::messages(&app.by(&pair.client), thread, &bad).await.unwrap_err();
            assert_eq!(refused.code(), crate::base::error::ErrorCode::Invalid);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn threads_come_by_newest_activity_each_once() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let mut threads = Vec::new();
        for _ in 0..5 {
            let service = service(&test, &pair.worker).await;
            let new = OpenThread { service_id: service, content: None, client_msg_id: None };
            threads.push(messaging::open(&app.by(&pair.client), new).await.unwrap().id);
            test.advance(std::time::Duration::from_secs(1));
        }
        let worker = pair.worker.clone();
        messaging::send(&app.by(&worker), threads[1], text("1", "newest")).await.unwrap();
        let expected = [threads[1], threads[4], threads[3], threads[2], threads[0]];
        for viewer in [&pair.client, &worker] {
            let mut page = PageRequest::first(2);
            let mut seen = Vec::new();
            loop {
                let found = messaging::list(&app.by(viewer), &page).await.unwrap();
                seen.extend(found.items.iter().map(|thread| thread.id));
                let Some(next) = found.next else { break };
                page.after = Some(next);
            }
            assert_eq!(seen, expected);
        }
        test.close().await;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Client,
    Worker,
    Notice,
    ClientReads(i64),
    WorkerReads(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Client),
        3 => Just(Step::Worker),
        1 => Just(Step::Notice),
        2 => (0..12_i64).prop_map(Step::ClientReads),
        2 => (0..12_i64).prop_map(Step::WorkerReads),
    ]
}

/// Others' messages after a pointer, counted anew.
async fn recount(test: &TestApp, thread: ThreadId, viewer: &Actor, read: i64) -> i64 {
    let all = messaging::messages(&test.app().by(viewer), thread, &query(Some(0), None, 200)).await.unwrap();
    let others = all.items.iter().filter(|message| message.seq > read && message.sender_id != viewer.user_id());
    i64::try_from(others.count()).unwrap()
}

async fn take(test: &TestApp, pair: &Pair, thread: ThreadId, n: usize, step: &Step) {
    let app = test.app();
    match step {
        Step::Client => drop(messaging::send(&app.by(&pair.client), thread, text(&n.to_string(), "x")).await.unwrap()),
        Step::Worker => drop(messaging::send(&app.by(&pair.worker), thread, text(&n.to_string(), "x")).await.unwrap()),
        Step::Notice => {
            let unit = app.clone();
            let write = app.db.write(move |c| {
                async move {
                    lock_thread(c, thread).await?;
                    append(&unit, c, thread, Draft::notice("a notice")).await
                }
                .boxed()
            });
            write.await.unwrap();
        }
        // Beyond the newest it is refused, and nothing moves.
        Step::ClientReads(seq) => drop(messaging::read(&app.by(&pair.client), thread, *seq).await),
        Step::WorkerReads(seq) => drop(messaging::read(&app.by(&pair.worker), thread, *seq).await),
    }
}

#[tokio::test]
async fn counts_of_unread_equal_a_recount() {
    for test in testing::apps().await {
        let pair = Pair::new(&test).await;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for _ in 0..12 {
            let steps = vec(step(), 1..25).new_tree(&mut runner).unwrap().current();
            let service = service(&test, &pair.worker).await;
            let new = OpenThread { service_id: service, content: None, client_msg_id: None };
            let thread = messaging::open(&test.app().by(&pair.client), new).await.unwrap().id;
            for (n, step) in steps.iter().enumerate() {
                let name = usize::try_from(thread.0.as_u64_pair().1 % 1_000_000_007).unwrap() * 100 + n;
                take(&test, &pair, thread, name, step).await;
                for viewer in [&pair.client, &pair.worker] {
                    let seen = messaging::get(&test.app().by(viewer), thread).await.unwrap();
                    assert!(seen.read_seq <= seen.last_seq);
                    assert_eq!(seen.unread, recount(&test, thread, viewer, seen.read_seq).await, "{steps:?} at {n}");
                }
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn counts_of_unread_hold_when_all_happens_at_once() {
    for test in testing::apps().await {
        let pair = Pair::new(&test).await;
        let thread = pair.open(&test).await.id;
        take(&test, &pair, thread, 999, &Step::Client).await;
        let steps: Vec<Step> = (0..60)
            .map(|n| match n % 4 {
                0 => Step::Client,
                1 => Step::WorkerReads(1 + n / 8),
                2 => Step::Worker,
                _ => Step::ClientReads(1 + n / 8),
            })
            .collect();
        let all = steps.iter().enumerate().map(|(n, step)| take(&test, &pair, thread, n, step));
        futures::future::join_all(all).await;
        for viewer in [&pair.client, &pair.worker] {
            let seen = messaging::get(&test.app().by(viewer), thread).await.unwrap();
            assert_eq!(seen.unread, recount(&test, thread, viewer, seen.read_seq).await);
        }
        test.close().await;
    }
}
