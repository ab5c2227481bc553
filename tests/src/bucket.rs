//! A bucket as S3 has them, as far as files are put, read, deleted and listed; and one that can hang.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A fake object store in memory; dropping this ends it.
#[derive(Debug)]
pub struct Bucket {
    port: u16,
    is_well: watch::Sender<bool>,
    objects: Objects,
    faults: Arc<Faults>,
    task: JoinHandle<()>,
}

type Objects = Arc<Mutex<BTreeMap<String, bytes::Bytes>>>;

/// Number of objects in one page of a list.
const PAGE: usize = 100;

/// Which requests fail.
#[derive(Debug, Default)]
struct Faults {
    requests: AtomicU64,
    /// Every how many requests one fails; 0 for none.
    every: AtomicU64,
}

impl Faults {
    fn is_next(&self) -> bool {
        let every = self.every.load(Ordering::Relaxed);
        (self.requests.fetch_add(1, Ordering::Relaxed) + 1).checked_rem(every) == Some(0)
    }
}

impl Bucket {
    /// Starts an empty one on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_well, well) = watch::channel(true);
        let objects = Objects::default();
        let faults = Arc::<Faults>::default();
        let router = Router::new().fallback(serve).with_state((well, Arc::clone(&objects), Arc::clone(&faults)));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, is_well, objects, faults, task }
    }

    /// Accepts connections and requests from now on, without responding.
    pub fn hang(&self) {
        self.is_well.send_replace(false);
    }

    /// Resumes responding, also to requests that arrived meanwhile.
    pub fn go_on(&self) {
        self.is_well.send_replace(true);
    }

    /// Fails one of every so many requests from now on; none with 0.
    pub fn fail_every(&self, requests: u64) {
        self.faults.every.store(requests, Ordering::Relaxed);
    }

    /// Returns the names of all objects, in order, with their bytes.
    pub fn objects(&self) -> Vec<(String, bytes::Bytes)> {
        let objects = lock(&self.objects);
        objects.iter().map(|(key, bytes)| (key.trim_start_matches("/bucket/").to_owned(), bytes.clone())).collect()
    }

    /// Puts an object, or removes it.
    pub fn set(&self, key: &str, bytes: Option<bytes::Bytes>) {
        let (key, mut objects) = (format!("/bucket/{key}"), lock(&self.objects));
        match bytes {
            Some(bytes) => drop(objects.insert(key, bytes)),
            None => drop(objects.remove(&key)),
        }
    }

    /// Returns how many objects there are.
    pub fn len(&self) -> usize {
        lock(&self.objects).len()
    }

    /// Returns whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the environment that a program needs to use it, with `files_url` being `s3://bucket/files`.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "test"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(objects: &Objects) -> std::sync::MutexGuard<'_, BTreeMap<String, bytes::Bytes>> {
    objects.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns one page of the objects below a prefix, as `ListObjectsV2` has them.
fn page(objects: &Objects, query: &str) -> String {
    let parameters: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let prefix = parameters.get("prefix").map_or("", String::as_str);
    let after = parameters.get("continuation-token").map_or("", String::as_str);
    let objects = lock(objects);
    let below = objects.iter().filter_map(|(key, bytes)| Some((key.strip_prefix("/bucket/")?, bytes.len())));
    let mut found = below.filter(|(key, _)| key.starts_with(prefix) && *key > after);
    let mut items = String::new();
    let mut last = "";
    if parameters.contains_key("delimiter") {
        // One level; all of it at once.
        let mut folders: Vec<&str> = found
            .filter_map(|(key, _)| Some(key.split_at(prefix.len() + key.get(prefix.len()..)?.find('/')? + 1).0))
            .collect();
        folders.dedup();
        let folders = folders.iter().map(|name| format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"));
        return listed("<IsTruncated>false</IsTruncated>", &folders.collect::<String>());
    }
    for (key, size) in found.by_ref().take(PAGE) {
        last = key;
        items.extend([
            "<Contents><Key>",
            key,
            "</Key><LastModified>2027-01-15T08:00:00.000Z</LastModified><ETag>x</ETag><Size>",
            &size.to_string(),
            "</Size></Contents>",
        ]);
    }
    let next = match found.next() {
        Some(_) => format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    listed(&next, &items)
}

fn listed(next: &str, items: &str) -> String {
    format!("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{next}{items}</ListBucketResult>")
}

type Served = (watch::Receiver<bool>, Objects, Arc<Faults>);

async fn serve(State((mut well, objects, faults)): State<Served>, request: Request) -> Response {
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let _ = well.wait_for(|well| *well).await;
    if faults.is_next() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let found = || Response::builder().header("etag", "\"x\"").header("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT");
    let key = uri.path().to_owned();
    let answer = match method {
        Method::PUT => {
            let mut objects = lock(&objects);
            if headers.contains_key("if-none-match") && objects.contains_key(&key) {
                Response::builder().status(StatusCode::PRECONDITION_FAILED).body(Body::empty())
            } else {
                objects.insert(key, body);
                found().body(Body::empty())
            }
        }
        // Deletion of several at once, named in XML.
        Method::POST => {
            let text = String::from_utf8_lossy(&body).into_owned();
            let mut gone = String::new();
            for part in text.split("<Key>").skip(1) {
                let key = part.split("</Key>").next().unwrap_or_default();
                lock(&objects).remove(&format!("/bucket/{key}"));
                gone.extend(["<Deleted><Key>", key, "</Key></Deleted>"]);
            }
            let result =
                format!("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{gone}</DeleteResult>");
            Response::builder().body(result.into())
        }
        Method::DELETE => {
            lock(&objects).remove(&key);
            Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty())
        }
        _ if uri.query().is_some_and(|query| query.contains("list-type")) => {
            Response::builder().body(page(&objects, uri.query().unwrap_or_default()).into())
        }
        _ => match lock(&objects).get(&key).cloned() {
            Some(bytes) => {
                let range = headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes=0-"));
                if let Some(end) = range.and_then(|end| end.parse::<usize>().ok()).filter(|_| !bytes.is_empty()) {
                    let part = bytes.slice(..bytes.len().min(end + 1));
                    let range = format!("bytes 0-{}/{}", part.len() - 1, bytes.len());
                    let found = found().status(StatusCode::PARTIAL_CONTENT).header("content-range", range);
                    return found.header("content-length", part.len()).body(part.into()).unwrap_or_default();
                }
                let found = found().header("content-length", bytes.len());
                found.body(if method == Method::HEAD { Body::empty() } else { bytes.into() })
            }
            None => Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()),
        },
    };
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
