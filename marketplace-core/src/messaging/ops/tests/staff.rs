//! What staff do, and what is recorded of it.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::*;
use crate::{
    base::{change::Change, error::ErrorCode, page::PageRequest},
    messaging::model::{
        AccessReason, CloseReason, MessageKind, MessagesQuery, RemovalReason, ThreadAction, ThreadFilter, ThreadStatus,
    },
    platform::db::{Conn, tally},
    records::audit::{self, AuditFilter},
    testing,
};

async fn recorded(test: &TestApp, action: &str) -> usize {
    let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
    audit::list(&test.app().by(&testing::operator()), &filter, &PageRequest::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn reading_content_is_recorded_once_per_reason_and_ten_minutes() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let sent = messaging::send(&app.by(&pair.client), thread, text("1", "secret")).await.unwrap();
        let (support, auditor) = (test.actor(Role::Support).await, test.actor(Role::Auditor).await);
        let read = async |actor: &Actor, reason| {
            messaging::staff_messages(&app.by(actor), thread, reason, &MessagesQuery::default()).await
        };
        for _ in 0..3 {
            let page = read(&support, AccessReason::Complaint).await.unwrap();
            assert_eq!((page.items[0].id, page.items[0].content.as_str()), (sent.id, "secret"));
        }
        assert_eq!(recorded(&test, "threads.read").await, 1);
        read(&support, AccessReason::Fraud).await.unwrap();
        read(&auditor, AccessReason::Complaint).await.unwrap();
        assert_eq!(recorded(&test, "threads.read").await, 3);
        test.advance(Duration::from_mins(10));
        app.run_due().await.unwrap();
        read(&support, AccessReason::Complaint).await.unwrap();
        assert_eq!(recorded(&test, "threads.read").await, 4);
        for nobody in [&pair.client, &pair.worker] {
            assert_eq!(read(nobody, AccessReason::Quality).await.unwrap_err().code(), ErrorCode::Forbidden);
        }
        let query = MessagesQuery::default();
        let unknown = async {
            messaging::staff_messages(&app.by(&support), ThreadId(uuid::Uuid::nil()), AccessReason::Quality, &query)
                .await
        };
        assert_eq!(unknown.await.unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(recorded(&test, "threads.read").await, 4);
        test.close().await;
    }
}

#[tokio::test]
async fn a_removed_message_is_a_tombstone_for_the_two() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let sent = messaging::send(&app.by(&pair.client), thread, text("1", "call me at home")).await.unwrap();
        let support = test.actor(Role::Support).await;
        let remove = async |actor: &Actor, change: &Change| {
            messaging::staff_remove(&app.by(actor).with(change.clone()), sent.id, RemovalReason::ContactDetails).await
        };
        let auditor = test.actor(Role::Auditor).await;
        assert_eq!(remove(&auditor, &Change::default()).await.unwrap_err().code(), ErrorCode::Forbidden);
        let dry = Change { dry_run: true, ..Change::default() };
        assert!(remove(&support, &dry).await.unwrap().changed);
        let page = messaging::messages(&app.by(&pair.worker), thread, &MessagesQuery::default()).await.unwrap();
        assert!(!page.items[0].removed);
        let done = remove(&support, &Change::default()).await.unwrap();
        assert_eq!((done.changed, done.item.content.as_str()), (true, "call me at home"));
        assert!(!remove(&support, &Change::default()).await.unwrap().changed);
        assert_eq!(recorded(&test, "messages.remove").await, 1);
        for viewer in [&pair.client, &pair.worker] {
            let page = messaging::messages(&app.by(viewer), thread, &MessagesQuery::default()).await.unwrap();
            let message = &page.items[0];
            assert_eq!((message.seq, message.removed, message.content.as_str()), (1, true, ""));
            let last = messaging::get(&app.by(viewer), thread).await.unwrap().last.unwrap();
            assert_eq!((last.removed, last.text.as_str()), (true, ""));
        }
        let query = MessagesQuery::default();
        let reading =
            async { messaging::staff_messages(&app.by(&support), thread, AccessReason::Quality, &query).await };
        let kept = reading.await.unwrap().items.remove(0);
        assert_eq!((kept.content.as_str(), kept.removed), ("call me at home", Some(RemovalReason::ContactDetails)));
        test.close().await;
    }
}

#[tokio::test]
async fn staff_close_reopen_and_post() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let support = test.actor(Role::Support).await;
        let act = async |action: ThreadAction, change: Change| {
            messaging::staff_act(&app.by(&support).with(change.clone()), thread, &action).await
        };
        let close = || ThreadAction::Close { reason: CloseReason::Abuse };
        let stale = Change { if_version: Some(7), ..Change::default() };
        assert_eq!(act(close(), stale).await.unwrap_err().code(), ErrorCode::PreconditionFailed);
        let dry = Change { dry_run: true, ..Change::default() };
        assert_eq!(act(close(), dry).await.unwrap().item.status, ThreadStatus::Closed);
        assert!(!act(ThreadAction::Reopen, Change::default()).await.unwrap().changed);
        let noted = Change { note: Some("they insult each other".into()), if_version: Some(1), ..Change::default() };
        let done = act(close(), noted).await.unwrap();
        assert_eq!((done.changed, done.item.version), (true, 2));
        assert_eq!(done.item.note.as_deref(), Some("they insult each other"));
        assert!(!act(close(), Change::default()).await.unwrap().changed);
        // The audit log has codes, never words.
        let filter = AuditFilter { target: Some(thread.to_string()), ..AuditFilter::default() };
        let rows =
            audit::list(&app.by(&test.actor(Role::Auditor).await), &filter, &PageRequest::default()).await.unwrap();
        assert_eq!(rows.items.len(), 1);
        assert!(!rows.items[0].metadata.to_string().contains("insult"));
        // A notice is taken in a closed thread too, and counts as unread for both.
        let posted = messaging::staff_notice(&app.by(&support), thread, "Be kind").await.unwrap();
        assert_eq!((posted.item.kind, posted.item.seq, posted.item.sender_id), (MessageKind::Notice, 1, None));
        for viewer in [&pair.client, &pair.worker] {
            assert_eq!(messaging::get(&app.by(viewer), thread).await.unwrap().unread, 1);
        }
        let empty = messaging::staff_notice(&app.by(&support), thread, " ").await.unwrap_err();
        assert_eq!(empty.code(), ErrorCode::Invalid);
        assert!(act(ThreadAction::Reopen, Change::default()).await.unwrap().changed);
        test.close().await;
    }
}

#[tokio::test]
async fn staff_find_threads_by_status_person_and_service() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let other = Pair::new(&test).await;
        let (first, second) = (pair.open(&test).await.id, other.open(&test).await.id);
        let close = ThreadAction::Close { reason: CloseReason::Other };
        messaging::staff_act(&app.by(&testing::operator()), second, &close).await.unwrap();
        let find = async |filter: ThreadFilter| {
            let page =
                messaging::staff_list(&app.by(&testing::operator()), &filter, &PageRequest::default()).await.unwrap();
            page.items.iter().map(|thread| thread.id).collect::<Vec<_>>()
        };
        assert_eq!(find(ThreadFilter::default()).await.len(), 2);
        let status = |status| ThreadFilter { status: Some(status), ..ThreadFilter::default() };
        assert_eq!(find(status(ThreadStatus::Open)).await, [first]);
        assert_eq!(find(status(ThreadStatus::Closed)).await, [second]);
        for user in [&pair.client, &pair.worker] {
            let filter = ThreadFilter { user_id: user.user_id(), ..ThreadFilter::default() };
            assert_eq!(find(filter.clone()).await, [first]);
            assert!(find(ThreadFilter { status: Some(ThreadStatus::Closed), ..filter }).await.is_empty());
        }
        let filter = ThreadFilter { service_id: Some(other.service), ..ThreadFilter::default() };
        assert_eq!(find(filter).await, [second]);
        let mut reader = app.db.read().await.unwrap();
        let mut conn = reader.conn();
        assert_eq!(tally::prepared_again(&mut conn).await, Vec::<String>::new());
        for tally in tally::tallies(&mut conn).await.iter().filter(|one| one.sql.contains("w.name AS worker_name")) {
            let sql = format!("EXPLAIN QUERY PLAN {}", tally.sql);
            let Conn::Sqlite(sqlite) = &mut conn else { unreachable!() };
            let plan = sqlx::query_as::<_, (i64, i64, i64, String)>(AssertSqlSafe(sql)).fetch_all(&mut **sqlite).await;
            let scans = plan.unwrap().into_iter().map(|line| line.3).filter(|line| line.contains("SCAN threads"));
            assert_eq!(scans.collect::<Vec<_>>(), Vec::<String>::new(), "{}", tally.sql);
        }
        drop(reader);
        let shown = messaging::staff_show(&app.by(&testing::operator()), first).await.unwrap();
        assert!(shown.client_name.contains('•') && shown.worker_name.contains('•'), "{shown:?}");
        test.close().await;
    }
}

#[tokio::test]
async fn the_note_of_a_notice_stays_with_the_thread_for_staff_only() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let change = Change { note: Some("both were warned".into()), ..Change::default() };
        messaging::staff_notice(&app.by(&testing::operator()).with(change.clone()), thread, "Be kind.").await.unwrap();
        let shown = messaging::staff_show(&app.by(&testing::operator()), thread).await.unwrap();
        assert_eq!(shown.note.as_deref(), Some("both were warned"));
        let seen = messaging::messages(&app.by(&pair.client), thread, &MessagesQuery::default()).await.unwrap();
        assert!(!serde_json::to_string(&seen.items).unwrap().contains("warned"));
        let long = Change { note: Some("x".repeat(4_001)), ..Change::default() };
        let refused = messaging::staff_notice(&app.by(&testing::operator()).with(long.clone()), thread, "Be kind.")
            .await
            .unwrap_err();
        assert_eq!(refused.fields()[0].pointer, "/note");
        test.close().await;
    }
}
