//! The client of a server: it carries the calls of core's staff operations, and rebuilds core's errors.

mod credentials;
mod http;
mod session;

use std::time::Duration;

use futures::future::BoxFuture;
use marketplace_core::{
    config::is_loopback,
    error::{Error, Result},
    staff::{self, Content, ContentKind, Request, Transport},
};
use reqwest::{
    Method, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use url::Url;

pub use credentials::{Credentials, TokenFile, Tokens};
pub use http::RawAnswer;
use http::{Answer, Call, Http};

/// The media types of files of identity checks.
const FILES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "application/pdf"];
/// The header that carries the key of a call that is made once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The time limit for establishing a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The time limit for a response.
const ANSWER: Duration = Duration::from_secs(30);

/// Any request, for `marketplace api`.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// How.
    pub method: Method,
    /// Where, from the server's root.
    pub path: String,
    /// The parameters of the query.
    pub query: Vec<(String, String)>,
    /// Headers, in place of the usual ones.
    pub headers: HeaderMap,
    /// The body: JSON, unless the headers say otherwise.
    pub body: Option<bytes::Bytes>,
}

/// A server, and our credentials.
#[derive(Clone)]
pub struct Remote {
    http: Http,
    credentials: Credentials,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("base", &self.http.base.as_str()).finish_non_exhaustive()
    }
}

impl Remote {
    /// Creates a client of the server at `base_url` (`https://market.example.org`, without `/v1`). Nothing is sent yet.
    pub fn new(base_url: &str, credentials: Credentials) -> Result<Self> {
        let base = check_base(base_url)?;
        marketplace_core::tls::install_provider();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A token must never follow a redirect to another address.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("marketplace-cli/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| Error::unavailable("cannot set up connections", error))?;
        Ok(Self { http: Http { client, base }, credentials })
    }

    /// Returns the server's address.
    pub fn base(&self) -> &Url {
        &self.http.base
    }

    /// Sends any request, for `marketplace api`, and returns the response as it came, of any status.
    pub async fn raw(&self, request: RawRequest) -> Result<RawAnswer> {
        let RawRequest { method, path, query, headers, body } = request;
        let mut call = Call::new(method, &path).query(&query).headers(headers);
        if let Some(body) = body {
            call = call.bytes(body);
        }
        RawAnswer::read(self.respond(&call).await?).await
    }

    /// Returns the seconds by which the server's clock is ahead of `now`, from the `Date` of its response to a health
    /// check.
    pub async fn clock_skew(&self, now: marketplace_core::time::Timestamp) -> Result<Option<i64>> {
        let answer = self.send(Call::new(Method::GET, "/healthz").anonymous()).await?;
        Ok(answer.date().map(|at| at - now.unix_seconds()))
    }

    /// Checks that the server is ready; returns the components that are degraded.
    pub async fn readiness(&self) -> Result<Vec<String>> {
        let body: Value = self.send(Call::new(Method::GET, "/readyz").anonymous()).await?.json().await?;
        let degraded = body.get("degraded").and_then(Value::as_array).into_iter().flatten();
        Ok(degraded.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect())
    }

    async fn send(&self, call: Call) -> Result<Answer> {
        http::read(self.respond(&call).await?).await
    }

    /// Sends a request, and returns its response, of any status. An expired access token is renewed once, silently.
    async fn respond(&self, call: &Call) -> Result<Response> {
        if call.anonymous {
            return self.http.send(call, None).await;
        }
        let token = self.credentials.access().await?;
        let response = self.http.send(call, Some(&token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.credentials.renewable() {
            return Ok(response);
        }
        let renewed = self.credentials.renew(&token, |refresh_token| self.refresh(refresh_token)).await?;
        self.http.send(call, Some(&renewed)).await
    }

    async fn refresh(&self, refresh_token: String) -> Result<Tokens> {
        let body = json!({ "refresh_token": refresh_token });
        let call = Call::new(Method::POST, "/v1/auth/refresh").body(body).anonymous();
        http::read(self.http.send(&call, None).await?).await?.json().await
    }
}

/// Checks a base address: `http://` or `https://`, a host, no path, no credentials.
pub(crate) fn check_base(text: &str) -> Result<Url> {
    let bad = |detail: &str| Error::invalid("/api", detail);
    let mut url: Url = text
        .parse()
        .map_err(|_| bad("must be an address such as https://market.example.org or http://127.0.0.1:8080"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(bad("must begin with https:// or http:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not carry credentials; log in with: marketplace auth login"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must have no query and no fragment"));
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Returns a request as a call.
fn call_of(request: Request) -> (Call, ContentKind) {
    let Request { method, path, query, body, if_version, kind, .. } = request;
    let method = match method {
        staff::Method::GET => Method::GET,
        staff::Method::POST => Method::POST,
        staff::Method::PATCH => Method::PATCH,
        staff::Method::DELETE => Method::DELETE,
    };
    let mut call = Call::new(method, &path).query(&query).if_version(if_version);
    if let Some(body) = body {
        call = call.body(body);
    }
    if kind == ContentKind::Archive {
        call = call.long();
    }
    (call, kind)
}

async fn content(answer: Answer, kind: ContentKind) -> Result<Content> {
    Ok(match kind {
        ContentKind::Json => Content::Json(answer.content().await?.bytes),
        ContentKind::File => Content::File(answer.content_of(&FILES).await?),
        ContentKind::Archive => Content::Archive(answer.export()?),
    })
}

impl Transport for Remote {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Content>> {
        let (call, kind) = call_of(request);
        Box::pin(async move { content(self.send(call).await?, kind).await })
    }

    fn send_once(&self, request: Request, key: String) -> BoxFuture<'_, Result<(Content, bool)>> {
        let (call, kind) = call_of(request);
        Box::pin(async move {
            let key = HeaderValue::try_from(key).map_err(Error::internal)?;
            let answer = self.send(call.headers(HeaderMap::from_iter([(IDEMPOTENCY_KEY, key)]))).await?;
            let is_repeated = answer.is_repeated();
            Ok((content(answer, kind).await?, is_repeated))
        })
    }
}

#[cfg(test)]
mod tests;
