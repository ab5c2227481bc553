//! Requests to endpoints: only to addresses that are allowed, no redirects, bounded time, bounded size.
//!
//! A name is resolved once for a connection, and what is connected to is one of the addresses that passed the check: a name
//! that leads elsewhere the next time leads nowhere new. No proxy of the environment is used, as it would resolve for itself.

use std::{
    error::Error as StdError,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use reqwest::{
    StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::address::{checked, is_allowed};
use crate::platform::{
    config::{Network, Webhooks},
    spans,
};

/// How long one request may take, from the look-up of the name to the end of the answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long the connection may take of it.
const CONNECT: Duration = Duration::from_secs(5);
/// How much of an answer is read, so that the connection can be used again; the rest is not wanted.
const MAX_ANSWER: usize = 16 * 1024;
/// The longest time for which an endpoint can ask to be left alone.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Finds the addresses of a name.
pub(crate) trait Lookup: Send + Sync + std::fmt::Debug {
    /// Returns the addresses of a name, as they are now.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Debug)]
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move {
            if is_reserved(&name) {
                return Err(io::Error::new(io::ErrorKind::NotFound, "it is reserved for examples"));
            }
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
        }
        .boxed()
    }
}

/// Returns whether a name is reserved for examples (RFC 2606), as those of a demonstration are: it is not even looked up.
fn is_reserved(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ["example", "invalid", "example.com", "example.net", "example.org"]
        .iter()
        .any(|reserved| name.strip_suffix(reserved).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Finds the addresses of a name, and returns those that are allowed.
#[derive(Debug)]
struct Guard {
    lookup: Arc<dyn Lookup>,
    networks: Vec<Network>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, networks) = (self.lookup.lookup(name.as_str().to_owned()), self.networks.clone());
        async move {
            let found = found.await.map_err(|error| format!("the name is not found: {error}"))?;
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|ip| is_allowed(*ip, &networks)).map(|ip| (ip, 0).into()).collect();
            if allowed.is_empty() {
                return Err("the name leads to no public address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        }
        .boxed()
    }
}

/// What an endpoint said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took it.
    Taken(u16),
    /// It did not, or could not be asked.
    Failed(Failure),
}

/// Why an endpoint did not take something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The status of its answer, if it gave one.
    pub status: Option<u16>,
    /// In words of our own: what an endpoint answers is not kept.
    pub reason: String,
    /// How long it asked to be left alone.
    pub wait: Option<Duration>,
}

/// Sends to endpoints. The client is created when first needed: reading the system's certificates takes a while.
#[derive(Debug)]
pub(crate) struct Client {
    client: OnceLock<reqwest::Client>,
    lookup: Arc<dyn Lookup>,
    settings: Webhooks,
    /// Connections to one host that are kept for the next request.
    kept: usize,
}

impl Client {
    /// Creates a client that finds addresses with `lookup`, and keeps so many connections to a host.
    pub fn new(settings: &Webhooks, lookup: Arc<dyn Lookup>, kept: usize) -> Self {
        Self { client: OnceLock::new(), lookup, settings: settings.clone(), kept }
    }

    fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let guard = Guard { lookup: Arc::clone(&self.lookup), networks: self.settings.allow_networks.clone() };
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(guard))
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(self.kept)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("marketplace-webhooks")
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends one request.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: String, now: OffsetDateTime) -> Outcome {
        let failed = |reason: String| Outcome::Failed(Failure { status: None, reason, wait: None });
        // Again, as the settings may be others than when it was made.
        let url = match checked(url, &self.settings) {
            Ok(url) => url,
            Err(rule) => return failed(format!("the address {}", rule.detail)),
        };
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return failed(reason(&error)),
        };
        let request = client.post(url).headers(headers).header(CONTENT_TYPE, "application/json").body(body);
        let request = match spans::traceparent() {
            Some(parent) => request.header("traceparent", parent),
            None => request,
        };
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return failed(reason(&error)),
        };
        let (status, wait) = (answer.status(), retry_after(answer.headers(), now));
        let mut read = 0;
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > MAX_ANSWER {
                break;
            }
        }
        if status.is_success() {
            return Outcome::Taken(status.as_u16());
        }
        let reason = match status {
            StatusCode::GONE => "it answered 410: it wants no more".to_owned(),
            status if status.is_redirection() => format!("it answered {}; redirects are not followed", status.as_u16()),
            status => format!("it answered {}", status.as_u16()),
        };
        Outcome::Failed(Failure { status: Some(status.as_u16()), reason, wait })
    }
}

/// Returns why a request failed, without its address, which may have a secret in it.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {} s", PATIENCE.as_secs());
    }
    // The client's own errors name the address; what is below them does not.
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(StdError::source) {
        cause = Some(inner);
    }
    let what = if error.is_connect() { "it cannot be reached" } else { "the request failed" };
    cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}

/// Returns how long an endpoint asks to be left alone: seconds, or until a time (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (OffsetDateTime::parse(text, &Rfc2822).ok()? - now).try_into().ok()?,
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn names_for_examples_are_not_looked_up() {
        for name in ["hooks.example.org", "example.com", "Hooks.Example.NET.", "a.example", "x.invalid"] {
            let error = SystemLookup.lookup(name.to_owned()).await.unwrap_err();
            assert_eq!(error.to_string(), "it is reserved for examples", "{name}");
        }
        for name in ["localhost", "myexample.org", "example.org.evil.test", "examples"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    /// A resolver that says something else each time.
    #[derive(Debug)]
    struct Changing(Vec<Vec<IpAddr>>, AtomicUsize);

    impl Lookup for Changing {
        fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let at = self.1.fetch_add(1, Ordering::SeqCst);
            let found = self.0[at.min(self.0.len() - 1)].clone();
            async move { Ok(found) }.boxed()
        }
    }

    /// A server on loopback that answers every connection with one text.
    async fn server(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (port, asked)
    }

    async fn post(client: &Client, url: &str) -> Outcome {
        client.post(url, HeaderMap::new(), "{}".to_owned(), OffsetDateTime::UNIX_EPOCH).await
    }

    #[tokio::test]
    async fn what_was_checked_is_what_is_connected_to() {
        crate::platform::tls::install_provider();
        let (port, asked) = server("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        let url = format!("http://hook.example:{port}/");
        let named: IpAddr = [127, 0, 0, 1].into();
        let other: IpAddr = [127, 0, 0, 2].into();
        let settings = |network: &str| Webhooks { allow_http: true, allow_networks: vec![network.parse().unwrap()] };
        // The name leads to the named address first, and elsewhere from then on.
        let lookup = Arc::new(Changing(vec![vec![named], vec![other]], AtomicUsize::new(0)));
        let client = Client::new(&settings("127.0.0.1"), lookup.clone(), 1);
        assert_eq!(post(&client, &url).await, Outcome::Taken(204));
        assert_eq!(lookup.1.load(Ordering::SeqCst), 1, "resolved once");
        let Outcome::Failed(failure) = post(&client, &url).await else { panic!("it was sent") };
        assert!(
            failure.reason.contains("no public address") && !failure.reason.contains("hook.example"),
            "{failure:?}"
        );
        // Of several, only those that are allowed.
        let lookup = Arc::new(Changing(vec![vec![other, named]], AtomicUsize::new(0)));
        assert_eq!(post(&Client::new(&settings("127.0.0.1"), lookup, 1), &url).await, Outcome::Taken(204));
        // A number is no name, and is checked all the same.
        let client = Client::new(&settings("127.0.0.2"), Arc::new(SystemLookup), 1);
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
            assert!(matches!(post(&client, &format!("http://{host}:{port}/")).await, Outcome::Failed(_)), "{host}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn only_a_success_counts() {
        crate::platform::tls::install_provider();
        let settings = Webhooks { allow_http: true, allow_networks: vec!["127.0.0.0/8".parse().unwrap()] };
        let client = Client::new(&settings, Arc::new(SystemLookup), 1);
        let (target, followed) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let to_target: &str =
            format!("HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:{target}/\r\ncontent-length: 0\r\n\r\n").leak();
        let seconds = |wait| Some(Duration::from_secs(wait));
        for (answer, status, wait) in [
            (to_target, Some(307), None),
            ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", Some(410), None),
            ("HTTP/1.1 503 Busy\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n", Some(503), seconds(120)),
            (
                "HTTP/1.1 503 Busy\r\nretry-after: Thu, 01 Jan 1970 00:01:00 GMT\r\ncontent-length: 0\r\n\r\n",
                Some(503),
                seconds(60),
            ),
            ("HTTP/1.1 429 Slow\r\nretry-after: 99999999\r\ncontent-length: 0\r\n\r\n", Some(429), Some(LONGEST_WAIT)),
            ("HTTP/1.1 500 X\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", Some(500), None),
            ("nonsense\r\n\r\n", None, None),
        ] {
            let (port, _) = server(answer).await;
            let Outcome::Failed(failure) = post(&client, &format!("http://127.0.0.1:{port}/")).await else {
                panic!("{answer}")
            };
            assert_eq!((failure.status, failure.wait), (status, wait), "{answer}");
        }
        assert_eq!(followed.load(Ordering::SeqCst), 0, "no redirect was followed");
        let Outcome::Failed(failure) = post(&client, "http://127.0.0.1:1/secret").await else {
            panic!("nobody is there")
        };
        assert!(failure.status.is_none() && !failure.reason.contains("secret"), "{failure:?}");
    }
}
