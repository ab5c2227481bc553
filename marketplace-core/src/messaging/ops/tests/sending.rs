//! Sending: numbers, idempotency, who may.

use std::time::Duration;

#[tokio::test]
async fn a_conversation() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await;
        assert_eq!((thread.party, thread.status, thread.last_seq), (TraderRole::Client, ThreadStatus::Open, 0));
        assert_eq!((thread.last, thread.title.as_str()), (None, "Garden"));
        // Opening it again is the same thread.
        assert_eq!(pair.open(&test).await.id, thread.id);
        let first = messaging::send(&app.by(&pair.client), thread.id, text("1", "  Hello\r\nyou \n")).await.unwrap();
        assert_eq!((first.seq, first.content.as_str(), first.kind), (1, "Hello\nyou", MessageKind::Text));
        let second =
            messaging::send(&app.by(&pair.worker), thread.id, text("1", "Hello 'self' \u{1F600} \"q\"")).await.unwrap();
        assert_eq!(second.seq, 2);
        let page = messaging::messages(&app.by(&pair.client), thread.id, &MessagesQuery::default()).await.unwrap();
        // The name that the sender gave it is nobody else's.
        let seen = Message { client_msg_id: None, ..second.clone() };
        assert_eq!((page.items, page.more_before, page.more_after), (vec![first.clone(), seen], false, false));
        let own = messaging::get(&app.by(&pair.worker), thread.id).await.unwrap();
        assert_eq!((own.party, own.unread, own.last_seq), (TraderRole::Worker, 1, 2));
        let last = own.last.unwrap();
        assert_eq!((last.text.as_str(), last.sender_id), (second.content.as_str(), pair.worker.user_id()));
        let listed = messaging::list(&app.by(&pair.client), &PageRequest::default()).await.unwrap();
        assert_eq!((listed.items.len(), listed.items[0].unread, listed.next), (1, 1, None));
        let state = messaging::read(&app.by(&pair.client), thread.id, 2).await.unwrap();
        assert_eq!((state.read_seq, state.unread), (2, 0));
        // It only advances, and not beyond what there is.
        assert_eq!(messaging::read(&app.by(&pair.client), thread.id, 1).await.unwrap().read_seq, 2);
        for beyond in [3, -1] {
            let refused = messaging::read(&app.by(&pair.client), thread.id, beyond).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Invalid);
        }
        test.close().await;
    }
}

use super::*;
use crate::{
    accounts::model::UserAction,
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        page::PageRequest,
        permission::TraderRole,
    },
    messaging::model::{CloseReason, Message, MessageKind, MessagesQuery, ThreadAction, ThreadStatus},
    platform::db::{Engine, tally},
    testing, users,
};

/// What SQLite's writer has run so far, but for the savepoints of its units.
async fn runs(test: &testing::TestApp) -> i64 {
    let tallies = test.app().db.write(|conn| async move { Ok(tally::tallies(conn).await) }.boxed()).await.unwrap();
    let units = ["BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT"];
    let own = tallies.iter().filter(|one| !units.iter().any(|word| one.sql.trim_start().starts_with(word)));
    own.map(|tally| tally.runs).sum()
}

#[tokio::test]
async fn a_message_is_few_statements() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let before = runs(&test).await;
        let op = app.by(&pair.client);
        let sends = (0..20).map(|n| messaging::send(&op, thread, text(&n.to_string(), "Hello")));
        futures::future::try_join_all(sends).await.unwrap();
        let ran = runs(&test).await - before;
        let most = if app.db.engine() == Engine::Sqlite { 20..=80 } else { 0..=0 };
        assert!(most.contains(&ran), "{ran} statements for 20 messages");
        test.close().await;
    }
}

#[tokio::test]
async fn sending_again_is_the_first_message_and_something_else_a_conflict() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let first = messaging::send(&app.by(&pair.client), thread, text("a", "Hello")).await.unwrap();
        assert_eq!(messaging::send(&app.by(&pair.client), thread, text("a", " Hello ")).await.unwrap(), first);
        let refused = messaging::send(&app.by(&pair.client), thread, text("a", "Hallo")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Conflict);
        assert_eq!(refused.current().unwrap()["seq"], 1);
        // Names are each sender's own.
        assert_eq!(messaging::send(&app.by(&pair.worker), thread, text("a", "Hallo")).await.unwrap().seq, 2);
        // All at once, one comes to be.
        let sends =
            (0..20).map(|_| async { messaging::send(&app.by(&pair.client), thread, text("b", "at once")).await });
        for sent in futures::future::join_all(sends).await {
            assert_eq!(sent.unwrap().seq, 3);
        }
        assert_eq!(messaging::get(&app.by(&pair.client), thread).await.unwrap().last_seq, 3);
        assert_eq!(messaging::get(&app.by(&pair.worker), thread).await.unwrap().unread, 2);
        test.close().await;
    }
}

#[tokio::test]
async fn numbers_have_no_gaps_however_many_send() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let sends = (0..100).map(|n| {
            let sender = if n % 2 == 0 { &pair.client } else { &pair.worker };
            // Some are refused in between.
            let content = if n % 5 == 4 { String::new() } else { format!("message {n}") };
            let op = app.by(sender);
            async move { messaging::send(&op, thread, NewMessage { content, ..text(&n.to_string(), "") }).await }
        });
        let mut numbers: Vec<i64> =
            futures::future::join_all(sends).await.into_iter().flatten().map(|sent| sent.seq).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
        let query = MessagesQuery { after_seq: Some(0), limit: Some(200), ..MessagesQuery::default() };
        let page = messaging::messages(&app.by(&pair.worker), thread, &query).await.unwrap();
        assert_eq!(page.items.iter().map(|message| message.seq).collect::<Vec<_>>(), numbers);
        test.close().await;
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        for bad in [
            text("1", ""),
            text("1", " \n\t "),
            text("1", "a\0b"),
            text("1", &"x".repeat(4_001)),
            text("", "a"),
            text(&"x".repeat(101), "a"),
            with_files("1", (0..11).map(|_| AttachmentId(uuid::Uuid::nil())).collect()),
            with_files("1", vec![AttachmentId(uuid::Uuid::nil()); 2]),
        ] {
            let refused = messaging::send(&app.by(&pair.client), thread, bad).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Invalid);
        }
        let longest = "\u{1F600}".repeat(4_000);
        assert_eq!(messaging::send(&app.by(&pair.client), thread, text("1", &longest)).await.unwrap().content, longest);
        test.close().await;
    }
}

#[tokio::test]
async fn strangers_know_of_nothing() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let stranger = test.actor(Role::Worker).await;
        let code = |error: crate::base::error::Error| error.code();
        assert_eq!(code(messaging::get(&app.by(&stranger), thread).await.unwrap_err()), ErrorCode::NotFound);
        let messages = messaging::messages(&app.by(&stranger), thread, &MessagesQuery::default()).await;
        assert_eq!(code(messages.unwrap_err()), ErrorCode::NotFound);
        let sent = messaging::send(&app.by(&stranger), thread, text("1", "Hello")).await;
        assert_eq!(code(sent.unwrap_err()), ErrorCode::NotFound);
        assert_eq!(code(messaging::read(&app.by(&stranger), thread, 0).await.unwrap_err()), ErrorCode::NotFound);
        assert!(messaging::list(&app.by(&stranger), &PageRequest::default()).await.unwrap().items.is_empty());
        let staff = test.actor(Role::Support).await;
        assert_eq!(code(messaging::get(&app.by(&staff), thread).await.unwrap_err()), ErrorCode::Forbidden);
        test.close().await;
    }
}

#[tokio::test]
async fn who_may_open_and_about_what() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let open = |service_id| OpenThread { service_id, content: Some("Hello".into()), client_msg_id: None };
        let worker = messaging::open(&app.by(&pair.worker), open(pair.service)).await.unwrap_err();
        assert_eq!(worker.code(), ErrorCode::Forbidden);
        let unknown = messaging::open(&app.by(&pair.client), open(ServiceId(uuid::Uuid::nil()))).await.unwrap_err();
        assert_eq!(unknown.code(), ErrorCode::NotFound);
        let (client, worker) = (pair.client.user_id().unwrap(), pair.worker.user_id().unwrap());
        for (one, other) in [(&pair.client, worker), (&pair.worker, client)] {
            block(&test, one, other, true).await;
            let blocked = messaging::open(&app.by(&pair.client), open(pair.service)).await.unwrap_err();
            assert_eq!(blocked.code(), ErrorCode::Forbidden);
            block(&test, one, other, false).await;
        }
        // At once, and again: one thread with one first message.
        let opened = (0..8).map(|_| async { messaging::open(&app.by(&pair.client), open(pair.service)).await });
        let opened: Vec<_> = futures::future::join_all(opened).await.into_iter().map(Result::unwrap).collect();
        assert!(opened.iter().all(|thread| thread.id == opened[0].id && thread.last_seq == 1));
        // A thread whose first message is refused is not made either.
        let elsewhere = Pair::new(&test).await.service;
        let named = |service_id| OpenThread { client_msg_id: Some("1".into()), ..open(service_id) };
        messaging::open(&app.by(&pair.client), named(pair.service)).await.unwrap();
        let taken = messaging::open(&app.by(&pair.client), named(elsewhere)).await.unwrap_err();
        assert_eq!(taken.code(), ErrorCode::Conflict);
        assert_eq!(messaging::list(&app.by(&pair.client), &PageRequest::default()).await.unwrap().items.len(), 1);
        // The same words to two people are two messages.
        assert_eq!(messaging::open(&app.by(&pair.client), open(elsewhere)).await.unwrap().last_seq, 1);
        // While a decision on the worker can still be undone, what the public sees can be asked about.
        let other = test.actor(Role::Client).await;
        for (effective_in, seen) in [(0, false), (60, true)] {
            let at = app.now() + Duration::from_secs(effective_in);
            let decided = app.db.write(move |c| {
                Box::pin(async move {
                    Ok(q!(c => exec, "UPDATE users SET kyc_status = 'rejected', kyc_prior = 'approved', kyc_effective_at = $2 \
                        WHERE id = $1", worker, at)?)
                })
            });
            decided.await.unwrap();
            assert_eq!(messaging::open(&app.by(&other), open(pair.service)).await.is_ok(), seen);
        }
        test.approve(worker).await;
        // Frozen, nobody opens; and a service nobody sees opens no new thread, but keeps the old one.
        let other = test.actor(Role::Client).await;
        let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        users::act(&app.by(&testing::operator()).with(change.clone()), worker, &UserAction::Freeze).await.unwrap();
        let hidden = messaging::open(&app.by(&other), open(pair.service)).await.unwrap_err();
        assert_eq!(hidden.code(), ErrorCode::NotFound);
        assert_eq!(pair.open(&test).await.id, opened[0].id);
        users::act(&app.by(&testing::operator()).with(change.clone()), client, &UserAction::Freeze).await.unwrap();
        let frozen = again(&test, &pair.client).await;
        let refused = messaging::open(&app.by(&frozen), open(pair.service)).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Forbidden);
        test.close().await;
    }
}

#[tokio::test]
async fn frozen_or_blocked_people_write_only_where_a_job_is_live() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let (client, worker) = (pair.client.user_id().unwrap(), pair.worker.user_id().unwrap());
        block(&test, &pair.worker, client, true).await;
        for sender in [&pair.client, &pair.worker] {
            let refused = messaging::send(&app.by(sender), thread, text("1", "Hello")).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Forbidden);
        }
        block(&test, &pair.worker, client, false).await;
        let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        users::act(&app.by(&testing::operator()).with(change.clone()), client, &UserAction::Freeze).await.unwrap();
        // The account counts as it is now, not as it was when the caller was looked up.
        for sender in [pair.client.clone(), again(&test, &pair.client).await] {
            let refused = messaging::send(&app.by(&sender), thread, text("1", "Hello")).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Forbidden);
        }
        assert_eq!(messaging::send(&app.by(&pair.worker), thread, text("1", "Hello")).await.unwrap().seq, 1);
        block(&test, &pair.client, worker, true).await;
        live_job(&test, &pair, thread).await;
        assert_eq!(messaging::send(&app.by(&pair.client), thread, text("1", "Hello")).await.unwrap().seq, 2);
        assert_eq!(messaging::send(&app.by(&pair.worker), thread, text("2", "Hello")).await.unwrap().seq, 3);
        users::act(&app.by(&testing::operator()).with(change.clone()), client, &UserAction::Ban).await.unwrap();
        let banned = messaging::send(&app.by(&pair.client), thread, text("2", "Hello")).await.unwrap_err();
        assert_eq!(banned.code(), ErrorCode::Forbidden);
        test.close().await;
    }
}

#[tokio::test]
async fn a_closed_thread_takes_no_messages_but_is_read() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        messaging::send(&app.by(&pair.client), thread, text("1", "Hello")).await.unwrap();
        let close = ThreadAction::Close { reason: CloseReason::Spam };
        messaging::staff_act(&app.by(&testing::operator()), thread, &close).await.unwrap();
        let refused = messaging::send(&app.by(&pair.worker), thread, text("1", "Hello")).await.unwrap_err();
        assert_eq!((refused.code(), &refused.current().unwrap()["status"]), (ErrorCode::Conflict, &"closed".into()));
        // What was sent before the end is still known.
        assert_eq!(messaging::send(&app.by(&pair.client), thread, text("1", "Hello")).await.unwrap().seq, 1);
        assert_eq!(messaging::read(&app.by(&pair.worker), thread, 1).await.unwrap().unread, 0);
        let closed = pair.open(&test).await;
        assert_eq!((closed.status, closed.closed_reason), (ThreadStatus::Closed, Some(CloseReason::Spam)));
        messaging::staff_act(&app.by(&testing::operator()), thread, &ThreadAction::Reopen).await.unwrap();
        assert_eq!(messaging::send(&app.by(&pair.worker), thread, text("1", "Hello")).await.unwrap().seq, 2);
        test.close().await;
    }
}
