//! A server on a port of its own, and clients that know who they are.

use std::{net::SocketAddr, time::Duration};

use marketplace_core::{
    accounts::model::Status,
    base::permission::Role,
    config::Config,
    ids::UserId,
    testing::{self, TestApp},
};
use marketplace_server::{Listeners, Options, Stop};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Says nothing about time: long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub test: TestApp,
    pub address: SocketAddr,
    /// Where the counters are.
    pub metrics: SocketAddr,
    pub shutdown: CancellationToken,
    /// The same, and a way to hurry.
    pub stop: Stop,
    task: JoinHandle<marketplace_core::error::Result<()>>,
    http: reqwest::Client,
}

/// A server on SQLite, with the machine's clock.
pub async fn server() -> Server {
    server_with(|_| (), Options::default()).await
}

/// On SQLite, set up otherwise.
pub async fn server_with(change: impl Fn(&mut Config), options: Options) -> Server {
    let mut apps = testing::live_apps_with(change).await;
    while apps.len() > 1 {
        apps.pop().unwrap().close().await;
    }
    start(apps.pop().unwrap(), options).await
}

/// One on each engine.
pub async fn servers() -> Vec<Server> {
    let mut servers = Vec::new();
    for test in testing::live_apps_with(|_| ()).await {
        servers.push(start(test, Options::default()).await);
    }
    servers
}

async fn start(test: TestApp, options: Options) -> Server {
    // What the server says of faults shows with a failing test. The test of the logs installs its own before.
    let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_test_writer().try_init();
    let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (public, metrics) = (bind().await, bind().await);
    let (address, metrics_address) = (public.local_addr().unwrap(), metrics.local_addr().unwrap());
    let listeners = Listeners { public, metrics: Some(metrics) };
    let shutdown = CancellationToken::new();
    let stop = Stop::from(shutdown.clone());
    // Reading the certificates of the system takes longer than most requests.
    let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let task = tokio::spawn(marketplace_server::serve(test.app().clone(), listeners, options, stop.clone()));
    Server { test, address, metrics: metrics_address, shutdown, stop, task, http }
}

impl Server {
    /// A request by nobody.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }
    /// A request to the listener for whoever runs the server.
    pub fn operator(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("http://{}{path}", self.metrics))
    }
    /// Somebody new, logged in.
    pub async fn user(&self, role: Role, status: Status) -> (UserId, String) {
        let id = self.test.user(role, status).await;
        (id, self.test.log_in(id).await.1)
    }
    /// Somebody new and active: only the access token.
    pub async fn token(&self, role: Role) -> String {
        self.user(role, Status::Active).await.1
    }
    /// Stops it, and fails when it did not stop well.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server stops").unwrap().unwrap();
        self.test.close().await;
    }
    /// Waits until it has stopped by itself.
    pub async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server stops").unwrap().unwrap();
        self.test.close().await;
    }
}

/// Sends, and fails unless the answer is a problem of this kind. Returns its body.
pub async fn problem(request: RequestBuilder, status: u16, code: &str) -> Value {
    let response = request.send().await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{response:?}");
    let id = header("x-request-id");
    assert_eq!(response.status(), status, "{response:?}");
    if status == 401 {
        assert_eq!(header("www-authenticate").as_deref(), Some("Bearer"));
    }
    if matches!(status, 429 | 503) {
        assert!(header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    }
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], "about:blank");
    assert_eq!(body["request_id"].as_str(), id.as_deref());
    assert!(!body["detail"].as_str().unwrap().is_empty());
    body
}

/// Sends, and fails unless the answer has this status. Returns its body, null when there is none.
pub async fn expect(request: RequestBuilder, status: u16) -> Value {
    let response = request.send().await.unwrap();
    let got = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(got, StatusCode::from_u16(status).unwrap(), "{text}");
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}
