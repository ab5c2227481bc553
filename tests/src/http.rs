//! Requests as somebody, and answers that can be asked about.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::description;

/// Sends requests to one server, as one user or anonymously.
#[derive(Debug, Clone)]
pub struct Http {
    base: String,
    client: reqwest::Client,
    /// The access token; `None` for anonymous requests.
    pub token: Option<String>,
}

/// Returns the builder of a client for servers on this machine. It trusts no certificates: reading those of the system takes
/// longer than most requests.
pub fn client() -> reqwest::ClientBuilder {
    marketplace_core::tls::install_provider();
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

impl Http {
    /// Creates an anonymous client.
    pub fn new(base: &str) -> Self {
        let client = client().timeout(Duration::from_mins(1)).build().unwrap();
        Self { base: base.to_owned(), client, token: None }
    }

    /// Creates an anonymous client with a local address of this machine.
    pub fn from(base: &str, address: std::net::IpAddr) -> Self {
        let client = client().timeout(Duration::from_mins(1)).local_address(address);
        Self { base: base.to_owned(), client: client.build().unwrap(), token: None }
    }

    /// Returns a client with the same connections and a token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// Returns the server's address, such as `http://127.0.0.1:40001`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns a request to a path such as `/v1/me`, to be completed before [`Answer::of`] sends it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }
    /// Sends POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }
    /// Sends PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }
    /// Sends PUT with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(&body)).await
    }
    /// Sends DELETE with a JSON body.
    pub async fn delete(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::DELETE, path).json(&body)).await
    }
    /// Sends POST with a raw body.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(Method::POST, path).header("content-type", content_type).body(body)).await
    }
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// The request, for messages.
    pub asked: String,
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: bytes::Bytes,
}

impl Answer {
    /// Sends a request.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the server answers")
    }

    /// Sends a request whose response the server may not live to send. One that comes is as the server describes it.
    pub async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let (client, request) = request.build_split();
        let request = request?;
        let asked = format!("{} {}", request.method(), request.url());
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
        if let Some(fault) = description::fault(&method, &path, status, content_type, &body) {
            panic!("{asked}: {fault}: {}", String::from_utf8_lossy(&body));
        }
        Ok(Self { asked, status, headers, body })
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON; null when empty.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// Returns the JSON body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} → {} {}", self.asked, self.status, self.text());
        self.json()
    }

    /// Returns the body of a success, as a type.
    #[track_caller]
    pub fn ok_as<T: DeserializeOwned>(&self) -> T {
        let value = self.ok();
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// Returns the problem of a refusal, after checking its form: problem+json with a title, a code and a request id.
    #[track_caller]
    pub fn problem(&self) -> Value {
        let said = format!("{} → {} {}", self.asked, self.status, self.text());
        assert!(self.status.is_client_error() || self.status.is_server_error(), "{said}");
        let media_type = self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
        assert!(media_type.starts_with("application/problem+json"), "{media_type}: {said}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{said}");
        for member in ["type", "title", "code", "detail", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {said}");
        }
        problem
    }

    /// Asserts a refusal with this status and code, and returns its problem.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let said = format!("{} → {} {}", self.asked, self.status, self.text());
        assert_eq!(self.status.as_u16(), status, "{said}");
        let problem = self.problem();
        assert_eq!(problem["code"], code, "{said}");
        problem
    }
}
