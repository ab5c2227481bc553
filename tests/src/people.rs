//! Clients, workers and staff, who get in the way that everybody does.

use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::{
    cli::Cli,
    database::random_id,
    http::{Answer, Http},
    pictures,
    server::Server,
};

/// The password of all users in the stories.
pub const PASSWORD: &str = "a long pass phrase for stories";

/// A user who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Requests as this user.
    pub http: Http,
    /// Their id.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their refresh token.
    pub refresh_token: String,
}

impl std::ops::Deref for Person {
    type Target = Http;
    fn deref(&self) -> &Http {
        &self.http
    }
}

/// Returns an address that no one else has.
pub fn address(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_whitespace() { '.' } else { c }).collect();
    format!("{name}.{}@example.org", random_id().simple())
}

impl Server {
    /// Signs up, and nothing more. Returns the address.
    pub async fn sign_up(&self, role: &str, name: &str) -> String {
        let email = address(name);
        let body = json!({ "role": role, "email": email, "password": PASSWORD, "name": name });
        self.as_nobody().post("/v1/auth/signup", body).await.ok();
        email
    }

    /// Logs in with the stories' password.
    pub async fn log_in(&self, email: &str) -> Answer {
        self.as_nobody().post("/v1/auth/login", json!({ "email": email, "password": PASSWORD })).await
    }

    /// Logs in the user with an address.
    pub async fn person(&self, email: &str) -> Person {
        let tokens = self.log_in(email).await.ok();
        let text = |key: &str| tokens[key].as_str().unwrap_or_default().to_owned();
        let http = self.as_nobody().with_token(text("access_token"));
        let me = http.get("/v1/me").await.ok();
        let id = me["id"].as_str().expect("an id").to_owned();
        Person { http, id, email: email.to_owned(), refresh_token: text("refresh_token") }
    }

    /// Returns a user with the same token, at the server's new address after a restart.
    pub fn still(&self, person: &Person) -> Person {
        let token = person.http.token.as_deref().expect("somebody who is logged in");
        Person { http: self.as_nobody().with_token(token), ..person.clone() }
    }

    /// Returns a user who signed up, confirmed the address and logged in.
    pub async fn verified(&self, role: &str, name: &str) -> Person {
        let email = self.sign_up(role, name).await;
        let token = self.mail(&email, 1).await.token();
        self.as_nobody().post("/v1/auth/verify-email", json!({ "token": token })).await.ok();
        self.person(&email).await
    }

    /// Returns a worker.
    pub async fn as_worker(&self) -> Person {
        self.verified("worker", "Ada Obi").await
    }

    /// Returns a client.
    pub async fn as_client(&self) -> Person {
        self.verified("client", "Jon Lee").await
    }

    /// Returns a member of staff, created from the command line on the database, who chose a password through the mail.
    pub async fn as_staff(&self, role: &str) -> Person {
        let email = address(role);
        let name = format!("Sam {role}");
        Cli::direct(self).json(&["users", "create", "--role", role, "--email", &email, "--name", &name, "--yes"]).await;
        let token = self.mail(&email, 1).await.token();
        let body = json!({ "token": token, "password": PASSWORD });
        self.as_nobody().post("/v1/auth/password/reset", body).await.ok();
        self.person(&email).await
    }
}

impl Person {
    /// Submits a document and a selfie.
    pub async fn submit(&self, document: Vec<u8>, selfie: Vec<u8>) -> Answer {
        self.submit_as("passport", "document.jpg", document, selfie).await
    }

    /// Submits files under a given name.
    pub async fn submit_as(&self, kind: &str, file_name: &str, document: Vec<u8>, selfie: Vec<u8>) -> Answer {
        let form = multipart::Form::new()
            .text("document_type", kind.to_owned())
            .part("document", multipart::Part::bytes(document).file_name(file_name.to_owned()))
            .part("selfie", multipart::Part::bytes(selfie).file_name("selfie.jpg"));
        Answer::of(self.request(Method::POST, "/v1/me/kyc").multipart(form)).await
    }

    /// Submits two valid pictures; returns the attempt's id.
    pub async fn submit_good(&self, seed: u32) -> String {
        let own = self.submit(pictures::jpeg(seed), pictures::jpeg(seed + 1)).await.ok();
        own["attempts"][0]["id"].as_str().expect("an attempt").to_owned()
    }

    /// Claims an attempt, and returns the fencing number.
    pub async fn claim(&self, attempt: &str) -> i64 {
        let case = self.post(&format!("/v1/admin/kyc/{attempt}/claim"), json!({})).await.ok();
        case["item"]["attempt"]["claim"]["fence"].as_i64().expect("a fence")
    }

    /// Decides an attempt: `approve`, `retry`, `reject`, `revoke`.
    pub async fn decide(&self, attempt: &str, decision: &str, body: Value) -> Answer {
        self.post(&format!("/v1/admin/kyc/{attempt}/{decision}"), body).await
    }
}
