//! Tests of what the two do. Services are rows of their own here: how they come to be is another feature's.

mod files;
mod following;
mod reading;
mod sending;
mod staff;

use futures::FutureExt;

use crate::{
    actor::{Actor, Role},
    ids::{AttachmentId, ServiceId, ThreadId, UserId},
    messaging::{
        self,
        model::{NewMessage, OpenThread, ThreadSummary},
    },
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
        let worker = test.actor(Role::Worker).await;
        let service = service(test, worker.user_id().unwrap()).await;
        Self { client, worker, service }
    }

    pub async fn open(&self, test: &TestApp) -> ThreadSummary {
        let new = OpenThread { service_id: self.service, content: None, client_msg_id: None };
        messaging::open(test.app(), &self.client, new).await.unwrap()
    }
}

/// A published service of a worker, who is approved from now on.
pub(super) async fn service(test: &TestApp, worker: UserId) -> ServiceId {
    let (app, now) = (test.app(), test.app().now());
    let id = ServiceId::new(now, app.random.as_ref());
    app.db
        .write(move |c| {
            async move {
                q!(c => exec, "UPDATE users SET kyc_status = 'approved', kyc_effective_at = $2, kyc_expires_at = NULL WHERE id = $1", worker, now)?;
                q!(c => exec,
                    "INSERT INTO services (id, worker_id, status, title, description, category, location, tags, visible, search_text, rating, \
                     published_at, version, created_at, updated_at) VALUES ($1, $2, 'published', 'Garden', '', 'garden', '', '[]', $3, '', 0, $4, 1, $4, $4)",
                    id, worker, true, now)?;
                Ok(())
            }
            .boxed()
        })
        .await
        .unwrap();
    id
}

/// Somebody blocks somebody, or not any more.
pub(super) async fn block(test: &TestApp, user: UserId, other: UserId, blocks: bool) {
    let now = test.app().now();
    test.app()
        .db
        .write(move |c| {
            async move {
                if blocks {
                    q!(c => exec, "INSERT INTO blocks (user_id, blocked_id, created_at) VALUES ($1, $2, $3)", user, other, now)?;
                } else {
                    q!(c => exec, "DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2", user, other)?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
        .unwrap();
}

/// A live job between the two of a thread.
pub(super) async fn live_job(test: &TestApp, pair: &Pair, thread: ThreadId) {
    let (app, now) = (test.app(), test.app().now());
    let job = crate::ids::JobId::new(now, app.random.as_ref());
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
