//! A user's own log: nothing lost, doubled or out of order, however many write meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::{
    base::page::Cursor,
    live::OwnPage,
    messaging::{
        Delivery,
        model::{CloseReason, RemovalReason, ThreadAction, ThreadStatus},
    },
    testing,
};

async fn look(test: &TestApp, actor: &Actor, after: Option<&str>) -> OwnPage {
    crate::live::own_since(test.app(), actor.user_id().unwrap(), after, 200).await.unwrap()
}

/// Reads on until there is nothing more; PostgreSQL shows what was just committed a little later when others write. What people are
/// notified of is left out: `notifications::tests` is about it.
async fn all(test: &TestApp, actor: &Actor, after: &str, wanted: usize) -> Vec<Delivery> {
    let (mut cursor, mut found) = (after.to_owned(), Vec::new());
    for _ in 0..500 {
        let page = look(test, actor, Some(&cursor)).await;
        assert!(!page.resync_required);
        cursor = page.cursor.text();
        let told = page.items.into_iter().map(|event| event.what);
        found.extend(told.filter(|what| !matches!(what, Delivery::Notification { .. })));
        if found.len() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    found
}

#[tokio::test]
async fn each_of_the_two_is_told_what_happens_and_nobody_else() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let stranger = test.actor(Role::Client).await;
        let start = look(&test, &pair.client, None).await.cursor.text();
        let thread = pair.open(&test).await.id;
        let sent = messaging::send(&app.by(&pair.client), thread, text("mine", "Hello")).await.unwrap();
        messaging::read(&app.by(&pair.worker), thread, 1).await.unwrap();
        let close = ThreadAction::Close { reason: CloseReason::Requested };
        messaging::staff_act(&app.by(&testing::operator()), thread, &close).await.unwrap();
        for viewer in [&pair.client, &pair.worker] {
            let told = all(&test, viewer, &start, 4).await;
            assert_eq!(told.len(), 4);
            // As they are now: the thread is closed in the first one too.
            for place in [0, 3] {
                let Delivery::Thread { thread: brief } = &told[place] else { panic!("{told:?}") };
                assert_eq!((brief.id, brief.status, brief.version), (thread, ThreadStatus::Closed, 2));
            }
            let Delivery::Message { message } = &told[1] else { panic!("{told:?}") };
            let name = (viewer.user_id() == pair.client.user_id()).then(|| "mine".to_owned());
            assert_eq!((message.seq, &message.content, &message.client_msg_id), (1, &sent.content, &name));
            let worker = pair.worker.user_id().unwrap();
            assert_eq!(told[2], Delivery::Read { thread_id: thread, user_id: worker, seq: 1 });
        }
        assert!(look(&test, &stranger, Some(&start)).await.items.is_empty());
        // Removed, it is a tombstone in both places.
        messaging::staff_remove(&app.by(&testing::operator()), sent.id, RemovalReason::Abuse).await.unwrap();
        let told = all(&test, &pair.worker, &start, 5).await;
        for place in [1, 4] {
            let Delivery::Message { message } = &told[place] else { panic!("{told:?}") };
            assert_eq!((message.removed, message.content.as_str()), (true, ""));
        }
        test.close().await;
    }
}

#[tokio::test]
async fn who_reads_while_many_write_misses_nothing_and_sees_nothing_twice() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let mut threads = vec![pair.open(&test).await.id];
        let other = Pair {
            service: service(&test, &pair.worker).await,
            client: pair.client.clone(),
            worker: pair.worker.clone(),
        };
        threads.push(other.open(&test).await.id);
        let start = look(&test, &pair.client, None).await.cursor.text();
        let done = Arc::new(AtomicBool::new(false));
        let writes = async {
            for round in 0..10 {
                let sends = (0..12).map(|n| {
                    let sender = if n % 2 == 0 { &pair.client } else { &pair.worker };
                    let (op, thread) = (app.by(sender), threads[n % 3 % 2]);
                    async move { messaging::send(&op, thread, text(&format!("{round}-{n}"), "x")).await }
                });
                for sent in futures::future::join_all(sends).await {
                    sent.unwrap();
                }
            }
            done.store(true, Ordering::SeqCst);
        };
        let reads = async {
            let (mut cursor, mut told) = (start.clone(), Vec::new());
            loop {
                let last = done.load(Ordering::SeqCst) && told.len() >= 120;
                let page = crate::live::own_since(app, pair.client.user_id().unwrap(), Some(&cursor), 7).await.unwrap();
                assert!(!page.resync_required);
                cursor = page.cursor.text();
                // PostgreSQL may show what was committed just before the start a little later.
                told.extend(page.items.into_iter().filter(|event| matches!(event.what, Delivery::Message { .. })));
                if last && !page.more {
                    return told;
                }
                tokio::task::yield_now().await;
            }
        };
        let ((), told) = tokio::time::timeout(Duration::from_secs(60), futures::future::join(writes, reads))
            .await
            .expect("everything is told");
        assert_eq!(told.len(), 120, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
        for thread in threads {
            let numbers: Vec<i64> = told
                .iter()
                .filter_map(|event| match &event.what {
                    Delivery::Message { message } if message.thread_id == thread => Some(message.seq),
                    _ => None,
                })
                .collect();
            assert_eq!(numbers, (1..=i64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_cursor_that_is_too_old_or_unknown_is_told_so() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let start = look(&test, &pair.client, None).await.cursor.text();
        let thread = pair.open(&test).await.id;
        messaging::send(&app.by(&pair.client), thread, text("1", "Hello")).await.unwrap();
        assert_eq!(all(&test, &pair.client, &start, 2).await.len(), 2);
        for unknown in ["", "nonsense", "1", "999999999999999999.1"] {
            let page = look(&test, &pair.client, Some(unknown)).await;
            assert!(page.resync_required && page.items.is_empty(), "{unknown}");
        }
        // Seven days are kept.
        test.advance(Duration::from_hours(24 * 6));
        app.run_due().await.unwrap();
        assert!(!look(&test, &pair.client, Some(&start)).await.resync_required);
        // Where the log ends, as sockets hear with each `pong`: the other one was notified after what concerns the client.
        let newest = look(&test, &pair.client, None).await.cursor.text();
        test.advance(Duration::from_hours(24 + 1));
        app.run_due().await.unwrap();
        assert!(look(&test, &pair.client, Some(&start)).await.resync_required);
        // Whoever had seen everything has missed nothing, although all of it is forgotten.
        let page = look(&test, &pair.client, Some(&newest)).await;
        assert!(!page.resync_required && page.items.is_empty());
        messaging::send(&app.by(&pair.worker), thread, text("1", "Hello")).await.unwrap();
        assert_eq!(all(&test, &pair.client, &newest, 1).await.len(), 1);
        test.close().await;
    }
}
