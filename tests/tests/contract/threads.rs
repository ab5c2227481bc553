//! Threads and messages.

use marketplace_core::staff::{
    self, CloseService, FileReason, ListAudit, ListQuery, ListServices, ListThreads, NoticeInput, PhotoQuery,
    PostNotice, ReadThread, ReadingQuery, ReasonedInput, RemoveMessage, RemovePhoto, ReopenService, ShowService,
    ShowThread, ViewPhoto, ViewThreadFile,
};
use std::time::Duration;

use marketplace_core::{
    audit::AuditFilter,
    base::{change::Change, permission::Role},
    jobs::model::JobStatus,
    messaging::{
        self,
        model::{
            AccessReason, CloseReason, MessagesQuery, NewMessage, RemovalReason, ThreadAction, ThreadFilter,
            ThreadStatus,
        },
    },
    page::PageRequest,
    services::{
        self as offered,
        model::{PhotoSize, ServiceFilter, ServiceStatus},
    },
    testing::Trade,
};

use marketplace_tests::pictures;

use crate::{dry, note, script::Script, world::World};

pub async fn threads(world: &World, trade: &Trade, script: &mut Script) {
    let (sam, _) = world.staff(Role::Support).await;
    let all = ThreadFilter::default();
    let first = sam.call::<ListThreads>((), ListQuery::new(&all, &PageRequest::first(3)), ()).await;
    script.heard("threads_list first", &first);
    let next = PageRequest { limit: 3, after: first.unwrap().next };
    script.heard("threads_list next", &sam.call::<ListThreads>((), ListQuery::new(&all, &next), ()).await);
    let bad = PageRequest { limit: 3, after: Some("nonsense".into()) };
    script.heard("threads_list bad cursor", &sam.call::<ListThreads>((), ListQuery::new(&all, &bad), ()).await);
    script.heard(
        "threads_list too many",
        &sam.call::<ListThreads>((), ListQuery::new(&all, &PageRequest::first(201)), ()).await,
    );
    let q = ThreadFilter { q: trade.worker.user_id().map(|id| id.to_string()), ..ThreadFilter::default() };
    let found = sam.call::<ListThreads>((), ListQuery::new(&q, &PageRequest::default()), ()).await;
    assert!(found.as_ref().is_ok_and(|page| !page.items.is_empty()), "{found:?}");
    script.heard("threads_list of whom q finds", &found);
    let id = trade.thread;
    let shown = sam.call::<ShowThread>(id, (), ()).await;
    script.heard("threads_show", &shown);
    script.heard(
        "threads_show of a rejected job",
        &sam.call::<ShowThread>(trade.job(JobStatus::Rejected).1, (), ()).await,
    );
    for (name, filter) in [
        ("closed", ThreadFilter { status: Some(ThreadStatus::Closed), ..ThreadFilter::default() }),
        ("of a client", ThreadFilter { user_id: trade.client.user_id(), ..ThreadFilter::default() }),
        (
            "open ones of a worker",
            ThreadFilter {
                user_id: trade.worker.user_id(),
                status: Some(ThreadStatus::Open),
                ..ThreadFilter::default()
            },
        ),
        ("about a service", ThreadFilter { service_id: Some(shown.unwrap().service_id), ..ThreadFilter::default() }),
    ] {
        script.heard(
            format!("threads_list {name}"),
            &sam.call::<ListThreads>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
    }
    reading(world, trade, script).await;
    file(world, trade, script).await;
    services(world, trade, script).await;
    acting(world, trade, script).await;
}

/// A file of a message, which staff look at for a reason.
async fn file(world: &World, trade: &Trade, script: &mut Script) {
    let (sam, _) = world.staff(Role::Support).await;
    let (op, thread) = (world.test.app().by(&trade.client), trade.thread);
    let file = messaging::attach(&op, thread, pictures::png(1), Some("crack.png")).await.unwrap();
    let message = NewMessage { client_msg_id: "file".into(), content: "Look".into(), attachments: vec![file.id] };
    messaging::send(&op, thread, message).await.unwrap();
    let why = FileReason { reason: AccessReason::Dispute };
    let seen = sam.call::<ViewThreadFile>((thread, file.id), why, ()).await;
    script.heard("threads_file", &seen.map(|file| (file.media_type, file.bytes.len())));
    let elsewhere = (trade.job(JobStatus::Rejected).1, file.id);
    let seen = sam.call::<ViewThreadFile>(elsewhere, why, ()).await;
    script.heard("threads_file of another thread", &seen.map(|file| file.bytes.len()));
}

async fn services(world: &World, trade: &Trade, script: &mut Script) {
    let (sam, _) = world.staff(Role::Support).await;
    let id = sam.call::<ShowThread>(trade.thread, (), ()).await.unwrap().service_id;
    let of_worker = ServiceFilter { worker_id: trade.worker.user_id(), ..ServiceFilter::default() };
    let drafts = ServiceFilter { status: Some(ServiceStatus::Draft), ..ServiceFilter::default() };
    for (name, filter, page) in [
        ("first", ServiceFilter::default(), PageRequest::first(1)),
        ("of a worker", of_worker, PageRequest::default()),
        ("drafts", drafts, PageRequest::default()),
        ("too many", ServiceFilter::default(), PageRequest::first(201)),
    ] {
        let rows = sam.call::<ListServices>((), ListQuery::new(&filter, &page), ()).await;
        script.heard(format!("services_list {name}"), &rows);
    }
    let op = world.test.app().by(&trade.worker);
    let photo = offered::put_photo(&op, id, 1, "The piano", pictures::jpeg(3)).await.unwrap().photos.remove(0).id;
    script.heard("services_show", &sam.call::<ShowService>(id, (), ()).await);
    for size in [None, Some(PhotoSize::Thumb)] {
        let seen = sam.call::<ViewPhoto>(photo, PhotoQuery { size }, ()).await;
        script.heard("services_photo", &seen.map(|file| (file.media_type, file.bytes.len())));
    }
    for (name, change) in [("dry", dry()), ("for good", note("not theirs")), ("again", Change::default())] {
        let input = ReasonedInput::new(RemovalReason::Fraud, change);
        script.heard(format!("services_remove_photo {name}"), &sam.call::<RemovePhoto>((id, photo), (), input).await);
    }
    for (name, change) in [
        ("dry", dry()),
        ("at another version", Change { if_version: Some(99), ..Change::default() }),
        ("for good", note("a scam — ünï")),
        ("again", Change::default()),
    ] {
        let input = ReasonedInput::new(RemovalReason::Fraud, change);
        script.heard(format!("services_close {name}"), &sam.call::<CloseService>(id, (), input).await);
    }
    script.heard("services_reopen", &sam.call::<ReopenService>(id, (), note("it was none").into()).await);
    script.heard("services_reopen again", &sam.call::<ReopenService>(id, (), Change::default().into()).await);
}

async fn reading(world: &World, trade: &Trade, script: &mut Script) {
    let ((sam, _), (lea, _)) = (world.staff(Role::Support).await, world.staff(Role::Auditor).await);
    let query = |after_seq, before_seq, limit| MessagesQuery { after_seq, before_seq, limit };
    for (name, query) in [
        ("newest", query(None, None, None)),
        ("newest two", query(None, None, Some(2))),
        ("from the beginning", query(Some(0), None, Some(2))),
        ("the rest", query(Some(2), None, Some(200))),
        ("after the end", query(Some(1_000), None, None)),
        ("before", query(None, Some(3), Some(1))),
        ("before the first", query(None, Some(1), None)),
        ("both", query(Some(1), Some(3), None)),
        ("none", query(None, None, Some(0))),
        ("too many", query(None, None, Some(201))),
        ("below nothing", query(Some(-5), None, None)),
        ("before nothing", query(None, Some(i64::MIN), None)),
    ] {
        let heard = sam.call::<ReadThread>(trade.thread, ReadingQuery::new(AccessReason::Complaint, query), ()).await;
        script.heard(format!("threads_messages {name}"), &heard);
    }
    let (_, of_job) = trade.job(JobStatus::Finalized);
    let read =
        lea.call::<ReadThread>(of_job, ReadingQuery::new(AccessReason::Quality, MessagesQuery::default()), ()).await;
    script.heard("threads_messages of a job", &read);
    // Each reason is written down once in ten minutes.
    let again = async |reason| {
        sam.call::<ReadThread>(trade.thread, ReadingQuery::new(reason, MessagesQuery::default()), ()).await.unwrap();
    };
    again(AccessReason::Complaint).await;
    again(AccessReason::Fraud).await;
    world.test.advance(Duration::from_mins(11));
    let (sam, _) = world.staff(Role::Support).await;
    sam.call::<ReadThread>(trade.thread, ReadingQuery::new(AccessReason::Complaint, MessagesQuery::default()), ())
        .await
        .unwrap();
    let filter = AuditFilter { action: Some("threads.read".into()), ..AuditFilter::default() };
    script.heard("audit_list threads.read", &lea_audit(world, &filter).await);
}

/// The log as an admin reads it, who signs in anew: time has passed.
async fn lea_audit(
    world: &World,
    filter: &AuditFilter,
) -> marketplace_core::error::Result<marketplace_core::page::Page<marketplace_core::audit::AuditRow>> {
    world.staff(Role::Admin).await.0.call::<ListAudit>((), ListQuery::new(filter, &PageRequest::default()), ()).await
}

async fn acting(world: &World, trade: &Trade, script: &mut Script) {
    let ((sam, _), id) = (world.staff(Role::Support).await, trade.thread);
    let close = |reason| ThreadAction::Close { reason };
    let at = |version| Change { if_version: Some(version), ..Change::default() };
    for (name, action, change) in [
        ("reopen what is open", ThreadAction::Reopen, Change::default()),
        ("close dry", close(CloseReason::Abuse), dry()),
        ("close at another version", close(CloseReason::Abuse), at(99)),
        ("close with a long note", close(CloseReason::Abuse), note(&"x".repeat(4_001))),
        ("close", close(CloseReason::Abuse), note("third complaint — ünï")),
        ("close again", close(CloseReason::Abuse), Change::default()),
        ("reopen dry", ThreadAction::Reopen, dry()),
        ("reopen", ThreadAction::Reopen, Change::default()),
        ("close for another reason", close(CloseReason::Safety), Change::default()),
    ] {
        script.heard(format!("threads_act {name}"), &staff::act_on_thread(&sam, id, &action, change.clone()).await);
        script.heard(format!("threads_show after {name}"), &sam.call::<ShowThread>(id, (), ()).await);
    }
    for (name, content, change) in [
        ("dry", "Please keep payments here.", dry()),
        ("empty", " \n ", Change::default()),
        ("too long", &*"x".repeat(4_001), Change::default()),
        ("in a closed thread", "Please keep payments here — ünï 🐴\nThank you.", note("warned")),
    ] {
        script.heard(
            format!("threads_notice {name}"),
            &sam.call::<PostNotice>(id, (), NoticeInput::new(content, change.clone())).await,
        );
    }
    let before =
        sam.call::<ReadThread>(id, ReadingQuery::new(AccessReason::Dispute, MessagesQuery::default()), ()).await;
    script.heard("threads_messages with the notice", &before);
    let messages = before.unwrap().items;
    let (first, notice) = (messages.first().unwrap().id, messages.last().unwrap().id);
    for (name, message, reason, change) in [
        ("dry", first, RemovalReason::ContactDetails, dry()),
        ("with a long note", first, RemovalReason::ContactDetails, note(&"x".repeat(4_001))),
        ("ok", first, RemovalReason::ContactDetails, note("a telephone number")),
        ("again", first, RemovalReason::ContactDetails, Change::default()),
        ("for another reason", first, RemovalReason::Spam, Change::default()),
        ("a notice", notice, RemovalReason::Other, Change::default()),
    ] {
        script.heard(
            format!("message_remove {name}"),
            &sam.call::<RemoveMessage>(message, (), ReasonedInput::new(reason, change.clone())).await,
        );
    }
    let after =
        sam.call::<ReadThread>(id, ReadingQuery::new(AccessReason::Dispute, MessagesQuery::default()), ()).await;
    script.heard("threads_messages with what was removed", &after);
    for action in ["threads.close", "threads.reopen", "threads.notice", "messages.remove"] {
        let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
        script.heard(
            format!("audit_list {action}"),
            &sam.call::<ListAudit>((), ListQuery::new(&filter, &PageRequest::default()), ()).await,
        );
    }
}
