//! Tests of what the two do.

mod files;
mod following;
mod reading;
mod sending;
mod staff;

use futures::FutureExt;

use crate::{
    actor::Actor,
    base::{
        ids::{AttachmentId, ServiceId, ThreadId, UserId},
        permission::Role,
    },
    messaging::{
        self,
        model::{NewMessage, OpenThread, ThreadSummary},
    },
    profiles,
    services::{self, model::NewService},
    testing::TestApp,
};

/// A client, a worker whose identity is approved, and a published service of theirs.
pub(super) struct Pair {
    pub client: Actor,
    pub worker: Actor,
    pub service: ServiceId,
}

impl Pair {
    pub async fn new(test: &TestApp) -> Self {
        let client = test.actor(Role::Client).await;
        let worker = test.approved_worker().await;
        let service = service(test, &worker).await;
        Self { client, worker, service }
    }

    pub async fn open(&self, test: &TestApp) -> ThreadSummary {
        let new = OpenThread { service_id: self.service, content: None, client_msg_id: None };
        messaging::open(&test.app().by(&self.client), new).await.unwrap()
    }
}

/// A published service of an approved worker.
pub(super) async fn service(test: &TestApp, worker: &Actor) -> ServiceId {
    let new: NewService = serde_json::from_str(r#"{"title": "Garden", "category": "gardening"}"#).unwrap();
    let made = services::create(&test.app().by(worker), new).await.unwrap();
    services::publish(&test.app().by(worker), made.id).await.unwrap().id
}

/// Somebody blocks somebody, or not any more.
pub(super) async fn block(test: &TestApp, user: &Actor, other: UserId, blocks: bool) {
    let who = again(test, user).await;
    profiles::block(&test.app().by(&who), other, blocks).await.unwrap();
}

/// A live job between the two of a thread.
pub(super) async fn live_job(test: &TestApp, pair: &Pair, thread: ThreadId) {
    let (app, now) = (test.app(), test.app().now());
    let job = crate::base::ids::JobId::new(now, app.random.as_ref());
    let (service, client, worker) = (pair.service, pair.client.user_id().unwrap(), pair.worker.user_id().unwrap());
    app.db
        .write(move |c| {
            async move {
                q!(c => exec,
                    "INSERT INTO jobs (id, thread_id, service_id, client_id, worker_id, status, revision, offered_by, price_amount, price_currency, \
                     change_requests, entries, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'accepted', 1, 'client', 1, 'EUR', 0, 1, 1, $6, $6)",
                    job, thread, service, client, worker, now)?;
                Ok(())
            }
            .boxed()
        })
        .await
        .unwrap();
}

pub(super) fn text(id: &str, content: &str) -> NewMessage {
    NewMessage { client_msg_id: id.into(), content: content.into(), attachments: Vec::new() }
}

pub(super) fn with_files(id: &str, attachments: Vec<AttachmentId>) -> NewMessage {
    NewMessage { client_msg_id: id.into(), content: String::new(), attachments }
}

/// The actor of a user whose status has changed.
pub(super) async fn again(test: &TestApp, actor: &Actor) -> Actor {
    test.log_in(actor.user_id().unwrap()).await.0
}
