//! Requests to a provider: no redirects, bounded time, bounded size, and only over encrypted connections.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use tracing::Instrument;
use url::Url;

use crate::{
    base::error::{Error, Result},
    platform::spans::{self, part},
};

/// Maximum size of a response, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Time without another line about failing providers, however many logins fail.
const QUIET: Duration = Duration::from_mins(1);

/// The content of a request besides its URL.
pub(crate) enum Ask {
    /// No content.
    Get,
    /// An access token.
    GetAs(String),
    /// A form, and the `Authorization` header if there is one.
    Form(String, Option<String>),
}

/// A response.
pub(crate) struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    /// Returns the body of a successful response.
    pub fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T> {
        if self.status != 200 {
            return Err(away(format!("{what} answered {}", self.status)));
        }
        serde_json::from_slice(&self.body).map_err(|error| away(format!("{what}: {error}")))
    }
}

/// Returns the error for a provider that does not work correctly. The details are only for the log, and are written here,
/// as no health state says which provider fails, or whether all requests to it do.
pub(crate) fn away(inside: String) -> Error {
    static LAST: Mutex<Option<(Instant, u64)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *last {
        Some((at, left_out)) if at.elapsed() < QUIET => *left_out += 1,
        before => {
            let left_out = before.replace((Instant::now(), 0)).map_or(0, |(_, count)| count);
            tracing::warn!(inside, left_out, "a provider of social login fails");
        }
    }
    drop(last);
    Error::unavailable("the provider cannot be reached, or does not answer as it should; try again", inside)
}

/// Checks a URL by the rules for configured ones, as the provider's document could name others.
fn allowed(url: &str) -> Result<Url> {
    let url = Url::parse(url).ok().filter(crate::platform::config::is_private_way);
    url.ok_or_else(|| away("an address of the provider's is neither https nor on loopback".into()))
}

/// A client for all providers, created when first needed.
#[derive(Default)]
pub(crate) struct Http {
    client: std::sync::OnceLock<reqwest::Client>,
}

impl Http {
    fn client(&self) -> Result<&reqwest::Client> {
        use std::time::Duration;
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .user_agent("marketplace")
            .build()
            .map_err(Error::internal)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends one request. Any status except a redirect counts as a response.
    pub async fn ask(&self, url: &str, ask: Ask) -> Result<Reply> {
        use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
        // An error of the client may contain the whole URL; ours contain no secret.
        let failed = |error: reqwest::Error| away(error.to_string());
        let (url, client) = (allowed(url)?, self.client()?);
        let request = match ask {
            Ask::Get => client.get(url),
            Ask::GetAs(token) => client.get(url).bearer_auth(token),
            Ask::Form(form, authorization) => {
                let request = client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
                match authorization {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            }
        };
        let span = part!("oidc.request", otel.kind = "client");
        let sent = async {
            let request = match spans::traceparent() {
                Some(parent) => request.header("traceparent", parent),
                None => request,
            };
            request.header(ACCEPT, "application/json").send().await
        };
        let mut response = sent.instrument(span).await.map_err(failed)?;
        let status = response.status();
        if status.is_redirection() || status.is_server_error() {
            return Err(away(format!("a status {status}")));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(away(format!("an answer of more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: status.as_u16(), body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_the_open_are_refused() {
        for good in ["https://id.example/token", "http://127.0.0.1:1/x", "http://[::1]:1/x", "http://localhost/x"] {
            assert!(allowed(good).is_ok(), "{good}");
        }
        for bad in ["http://id.example/", "http://127.0.0.1.id.example/", "file:///etc/passwd", "ftp://127.0.0.1/", ""]
        {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_success_is_read() {
        let reply = |status: u16, body: &str| Reply { status, body: body.into() };
        assert_eq!(reply(200, "{\"a\":1}").json::<serde_json::Value>("x").unwrap()["a"], 1);
        assert!(reply(404, "{}").json::<serde_json::Value>("x").is_err());
        assert!(reply(200, "<html>").json::<serde_json::Value>("x").is_err());
    }
}
