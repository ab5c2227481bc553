//! A marketplace in which people have met: a worker who was checked and offers something, a client who asked about it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    database::Engine,
    http::Answer,
    people::Person,
    pictures,
    server::{self, ROOMY, Server},
};

/// A server with a user of each kind.
#[derive(Debug)]
pub struct Market {
    /// The server.
    pub app: Server,
    /// An admin.
    pub sam: Person,
    /// A worker with an approved identity and one published service.
    pub ada: Person,
    /// A client.
    pub jon: Person,
    /// Ada's service.
    pub service: String,
    /// The thread of Jon and Ada about it.
    pub thread: String,
}

impl Market {
    /// Creates a market on a new server.
    pub async fn open(engine: Engine) -> Self {
        Self::open_with(engine, ROOMY).await
    }

    /// Creates a market on a new server with settings.
    pub async fn open_with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        Self::on(Server::start_with(engine, settings).await).await
    }

    /// Creates a market on a running server.
    pub async fn on(app: Server) -> Self {
        let (sam, ada, jon) = tokio::join!(app.as_staff("admin"), app.as_worker(), app.as_client());
        app.approve(&sam, &ada).await;
        let service = ada.publish("Piano lessons").await;
        let thread = jon.open_thread(&service).await;
        Self { app, sam, ada, jon, service, thread }
    }

    /// Creates another client, with a thread about the same service.
    pub async fn another_client(&self) -> (Person, String) {
        let client = self.app.as_client().await;
        let thread = client.open_thread(&self.service).await;
        (client, thread)
    }

    /// Creates a job of Jon's in the given status: `negotiating`, `accepted`, `completed`, `finalized`, `rejected` or
    /// `cancelled`. Returns its id.
    pub async fn job(&self, status: &str) -> String {
        let job = id(&self.jon.begin_job(&self.thread).await.ok());
        let (ada, jon) = (&self.ada, &self.jon);
        if status == "rejected" {
            ada.act(&job, "reject", json!({ "reason": "unavailable" })).await.ok();
        } else if status != "negotiating" {
            ada.act(&job, "accept", json!({ "revision": 1 })).await.ok();
        }
        match status {
            "cancelled" => drop(jon.act(&job, "cancel", json!({ "reason": "not_needed" })).await.ok()),
            "completed" | "finalized" => drop(ada.act(&job, "complete", json!({})).await.ok()),
            _ => {}
        }
        if status == "finalized" {
            jon.act(&job, "finalize", json!({})).await.ok();
        }
        assert_eq!(jon.get(&format!("/v1/jobs/{job}")).await.ok()["status"], status);
        job
    }
}

impl Server {
    /// Submits as a worker, and approves as staff; the approval is in effect on return.
    pub async fn approve(&self, staff: &Person, worker: &Person) {
        let attempt = worker.submit_good(1).await;
        staff.decide(&attempt, "approve", json!({})).await.ok();
        self.past_undo().await;
        for _ in 0..300 {
            if self.as_nobody().get(&format!("/v1/workers/{}", worker.id)).await.status.is_success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the approval does not take effect within 30 s");
    }

    /// Ends the ten seconds in which a decision can be undone. One story really waits; the others need not.
    pub async fn past_undo(&self) {
        let db = self.db().await;
        let texts = match self.database.engine() {
            Engine::Sqlite => [
                "UPDATE kyc_attempts SET effective_at = effective_at - 10000000 WHERE effective_at IS NOT NULL",
                "UPDATE users SET kyc_effective_at = kyc_effective_at - 10000000 WHERE kyc_effective_at IS NOT NULL",
                "UPDATE report_cases SET effective_at = effective_at - 10000000 WHERE effective_at IS NOT NULL",
            ],
            Engine::Postgres => [
                "UPDATE kyc_attempts SET effective_at = effective_at - interval '10 s' WHERE effective_at IS NOT NULL",
                "UPDATE users SET kyc_effective_at = kyc_effective_at - interval '10 s' \
                 WHERE kyc_effective_at IS NOT NULL",
                "UPDATE report_cases SET effective_at = effective_at - interval '10 s' WHERE effective_at IS NOT NULL",
            ],
        };
        for text in texts {
            server::execute(&db, text).await;
        }
        db.close().await;
    }
}

/// Returns the id in a response.
#[track_caller]
pub fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_else(|| panic!("no id: {answer}")).to_owned()
}

/// Returns an offer for a price in cents.
pub fn offer(amount: i64) -> Value {
    json!({ "price": { "amount": amount, "currency": "EUR" }, "schedule": "Mondays at five", "scope": "Ten lessons" })
}

/// Returns a service to be created.
pub fn service(title: &str) -> Value {
    json!({
        "title": title, "description": "For beginners and those who come back to it.", "category": "music",
        "tags": ["piano", "beginners"], "location": "Lisbon", "latitude": 38.72, "longitude": -9.14,
        "price": { "amount": 4_000, "currency": "EUR" },
    })
}

impl Person {
    /// Creates a draft of a service.
    pub async fn draft(&self, title: &str) -> String {
        id(&self.post("/v1/services", service(title)).await.ok())
    }

    /// Creates and publishes a service.
    pub async fn publish(&self, title: &str) -> String {
        let service = self.draft(title).await;
        self.post(&format!("/v1/services/{service}/publish"), json!({})).await.ok();
        service
    }

    /// Opens a thread about a service, without a message.
    pub async fn open_thread(&self, service: &str) -> String {
        id(&self.post("/v1/threads", json!({ "service_id": service })).await.ok())
    }

    /// Sends a message.
    pub async fn message(&self, thread: &str, client_msg_id: &str, content: &str) -> Answer {
        let body = json!({ "client_msg_id": client_msg_id, "content": content });
        self.post(&format!("/v1/threads/{thread}/messages"), body).await
    }

    /// Returns all messages of a thread, oldest first, read page by page.
    pub async fn messages(&self, thread: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message["seq"].as_i64().unwrap());
            let path = format!("/v1/threads/{thread}/messages?after_seq={after}&limit=200");
            let page = self.get(&path).await.ok();
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            if page["more_after"] != true {
                return all;
            }
        }
    }

    /// Begins a job with a first offer.
    pub async fn begin_job(&self, thread: &str) -> Answer {
        self.post("/v1/jobs", json!({ "thread_id": thread, "offer": offer(40_000) })).await
    }

    /// Performs an action on a job: `accept`, `reject`, `cancel`, `complete`, `request-changes`, `finalize`, `offers`,
    /// `reviews`.
    pub async fn act(&self, job: &str, verb: &str, body: Value) -> Answer {
        self.post(&format!("/v1/jobs/{job}/{verb}"), body).await
    }

    /// Returns a job's complete history, oldest first, because no job of a story has 200 rows.
    pub async fn history(&self, job: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/jobs/{job}/history?limit=200")).await.ok();
        assert!(page["next"].is_null(), "a long history: {page}");
        page["items"].as_array().unwrap().clone()
    }

    /// Uploads a picture to a thread.
    pub async fn attach(&self, thread: &str, seed: u32) -> Answer {
        self.attach_bytes(thread, pictures::png(seed)).await
    }

    /// Uploads bytes to a thread.
    pub async fn attach_bytes(&self, thread: &str, bytes: Vec<u8>) -> Answer {
        let part = reqwest::multipart::Part::bytes(bytes).file_name("a file");
        let form = reqwest::multipart::Form::new().part("file", part);
        Answer::of(self.request(Method::POST, &format!("/v1/threads/{thread}/attachments")).multipart(form)).await
    }
}

/// Asserts that a history is a chain from nothing to `status`, without gaps, and returns its number of steps.
pub fn folds_to(history: &[Value], status: &str) -> usize {
    let mut at = Value::Null;
    for (row, number) in history.iter().zip(1..) {
        assert_eq!(row["entry"], number, "{history:#?}");
        assert_eq!(row["from"], at, "{history:#?}");
        at = row["to"].clone();
    }
    assert_eq!(at, status, "{history:#?}");
    history.len()
}

/// Asserts that messages are numbered from 1 without gaps, in order.
pub fn gapless(messages: &[Value]) {
    for (message, number) in messages.iter().zip(1..) {
        assert_eq!(message["seq"], number, "{message}");
    }
}
