//! A collector of traces, which takes OTLP over HTTP, and an endpoint for webhooks.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// How long a span may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// A span as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// The trace that it belongs to, in hexadecimal digits, like the other ids.
    pub trace: String,
    /// Its id.
    pub id: String,
    /// The span that it is a part of; empty at the root of a trace.
    pub parent: String,
    /// Its attributes, as text.
    pub attributes: Vec<(String, String)>,
}

impl Span {
    /// Returns an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
struct Taken {
    spans: Mutex<Vec<Span>>,
    bodies: Mutex<Vec<u8>>,
    /// Values of `traceparent` of what was sent elsewhere than to the collector.
    parents: Mutex<Vec<String>>,
    is_away: AtomicBool,
}

/// A collector that keeps what it takes; dropping this ends it.
#[derive(Debug)]
pub struct Collector {
    /// Its address, such as `http://127.0.0.1:40001`.
    pub url: String,
    taken: Arc<Taken>,
    task: JoinHandle<()>,
}

fn locked<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(taken): State<Arc<Taken>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    if uri.path() != "/v1/traces" {
        let parent = headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        locked(&taken.parents).push(parent.unwrap_or_default());
        return StatusCode::NO_CONTENT;
    }
    if taken.is_away.load(Ordering::Relaxed) {
        return StatusCode::FORBIDDEN;
    }
    locked(&taken.bodies).extend_from_slice(&body);
    let batch = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = batch.resource_spans.into_iter().flat_map(|of_resource| of_resource.scope_spans);
    for span in spans.flat_map(|of_scope| of_scope.spans) {
        let attributes = span.attributes.into_iter().filter_map(|pair| {
            let value = match pair.value?.value? {
                any_value::Value::StringValue(text) => text,
                any_value::Value::IntValue(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            Some((pair.key, value))
        });
        locked(&taken.spans).push(Span {
            attributes: attributes.collect(),
            name: span.name,
            trace: hex::encode(span.trace_id),
            id: hex::encode(span.span_id),
            parent: hex::encode(span.parent_span_id),
        });
    }
    StatusCode::OK
}

impl Collector {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::<Taken>::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&taken));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, taken, task }
    }

    /// Refuses everything from now on, or no longer.
    pub fn refuse(&self, is_away: bool) {
        self.taken.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Returns all spans that have arrived.
    pub fn spans(&self) -> Vec<Span> {
        locked(&self.taken.spans).clone()
    }

    /// Returns all bytes that have arrived.
    pub fn bytes(&self) -> Vec<u8> {
        locked(&self.taken.bodies).clone()
    }

    /// Returns the `traceparent` of each request that was sent elsewhere than to the collector; empty without one.
    pub fn parents(&self) -> Vec<String> {
        locked(&self.taken.parents).clone()
    }

    /// Waits until a span has arrived.
    pub async fn span(&self, is_it: impl Fn(&Span) -> bool) -> Span {
        let begun = std::time::Instant::now();
        loop {
            if let Some(span) = self.spans().into_iter().find(&is_it) {
                return span;
            }
            assert!(begun.elapsed() < PATIENCE, "no such span among {:#?}", self.spans());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}
