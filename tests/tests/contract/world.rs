//! One marketplace, and the ways into it.

use futures::future::BoxFuture;
use marketplace_core::staff::{Connection, Guard, Request};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt;
use marketplace_cli::remote::{Credentials, Remote};
use marketplace_core::{
    accounts::model::Status,
    base::permission::Role,
    error::Result,
    export::Export,
    ids::{AttemptId, UserId},
    kyc::{self, Submission, model::DocumentType},
    testing::TestApp,
};
use marketplace_tests::pictures;
use serde_json::json;
use tokio::net::TcpListener;

use crate::script::Script;

/// How the script's caller gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Direct,
    Remote,
}

/// The name of the latest call.
#[derive(Default)]
pub struct Calls(pub Mutex<Option<&'static str>>);

impl Guard for Calls {
    fn admit<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, marketplace_core::error::Result<()>> {
        *self.0.lock().unwrap() = Some(request.name);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// One marketplace, and the ways into it.
pub struct World {
    pub test: TestApp,
    way: Way,
    pub url: String,
    /// The calls that were made.
    pub calls: Arc<Calls>,
    server: tokio::task::JoinHandle<()>,
}

impl World {
    pub async fn open(test: TestApp, way: Way) -> Self {
        let router = marketplace_server::router(test.app().clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { test, way, url, calls: Arc::default(), server }
    }

    /// The API as a new member of staff, and their id.
    pub async fn staff(&self, role: Role) -> (Connection, UserId) {
        let id = self.user(role).await;
        (self.signed_in(id).await, id)
    }

    /// Somebody new. A second passes: ids of one moment have no order.
    pub async fn user(&self, role: Role) -> UserId {
        let id = self.test.user(role, Status::Active).await;
        self.test.advance(Duration::from_secs(1));
        id
    }

    pub async fn signed_in(&self, id: UserId) -> Connection {
        let (actor, token) = self.test.log_in(id).await;
        let connection = match self.way {
            Way::Direct => Connection::direct(self.test.app().clone(), actor),
            Way::Remote => Connection::remote(Remote::new(&self.url, Credentials::token(token)).unwrap()),
        };
        connection.guarded(Arc::clone(&self.calls) as Arc<dyn Guard>)
    }

    /// A worker with an attempt in the queue.
    pub async fn attempt(&self) -> (UserId, AttemptId) {
        let worker = self.user(Role::Worker).await;
        let (actor, _) = self.test.log_in(worker).await;
        let (document, selfie) = (pictures::png(1), pictures::jpeg(2));
        let submission = Submission { document_type: DocumentType::Passport, document, selfie };
        let own = kyc::submit(&self.test.app().by(&actor), submission).await.unwrap();
        self.test.advance(Duration::from_secs(1));
        (worker, own.attempts[0].id)
    }

    /// What files an export has, read to its end, or why there is none.
    pub async fn exported(&self, script: &mut Script, step: &str, answer: Result<Export>) {
        match answer {
            Err(error) => script.heard(step, &Err::<(), _>(error)),
            Ok(export) => {
                let bytes = export.body.try_collect::<Vec<_>>().await.unwrap().concat();
                let archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
                let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
                script.note(step, json!({ "ok": [export.file_name, names] }));
            }
        }
    }

    pub async fn close(self) {
        self.server.abort();
        self.test.close().await;
    }
}
