//! Spans for OpenTelemetry: collected in memory, and sent to a collector by OTLP over HTTP, a batch at a time.
//!
//! The collector may be away: what does not fit into memory meanwhile is dropped, and requests never wait for it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use marketplace_core::{
    config,
    error::{Error, Result},
    platform::spans::{PART, ROOT, set_outgoing},
};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Metadata, Span, subscriber::Interest};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    Layer,
    layer::{self, Filter},
    registry::LookupSpan,
};

use crate::logging::Sink;

/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what is left may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Sends spans until it is finished.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Creates the layer that collects spans, and what sends them; `None` when no collector is configured.
    ///
    /// # Errors
    /// `invalid` when the collector's address cannot be used.
    pub fn start(settings: &config::Traces) -> Result<Option<(Sink, Self)>> {
        let Some(url) = &settings.url else { return Ok(None) };
        let refused = |error: &dyn fmt::Display| Error::invalid("/traces/url", format!("cannot be used: {error}"));
        marketplace_core::tls::install_provider();
        let mut http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("marketplace");
        if config::is_loopback(url) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(Error::internal)?;
        let runtime = tokio::runtime::Handle::current();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client { http, runtime, is_away: Arc::default() })
            .with_protocol(Protocol::HttpBinary)
            // As other programs read the address of a collector (OTLP Exporter, "Endpoint URLs for OTLP/HTTP").
            .with_endpoint(format!("{}/v1/traces", url.as_str().trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| refused(&error))?;
        // Also what OTEL_RESOURCE_ATTRIBUTES says.
        let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "marketplace-server".to_owned());
        let resource = Resource::builder().with_service_name(name);
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample))))
            .with_resource(resource.with_attribute(version()).build())
            .with_batch_exporter(exporter)
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("marketplace"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(OurSpans);
        set_outgoing(|| parent_of(&Span::current()));
        Ok(Some((Box::new(layer), Self(provider))))
    }

    /// Sends what is left, for a short time.
    pub async fn finish(self) {
        // It waits for a thread that waits for the network.
        let finished = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FAREWELL));
        if !finished.await.is_ok_and(|finished| finished.is_ok()) {
            tracing::warn!("the last spans were not sent");
        }
    }
}

fn version() -> opentelemetry::KeyValue {
    opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))
}

/// Sets the parent of `span`: the span of a caller, of which the ids of its trace and of itself are given.
pub(crate) fn continue_trace(span: &Span, (trace, parent): (&str, &str), is_sampled: bool) {
    if let (Ok(trace), Ok(parent)) = (TraceId::from_hex(trace), SpanId::from_hex(parent)) {
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let parent = SpanContext::new(trace, parent, flags, true, TraceState::default());
        // It cannot have begun yet.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Returns the id of the trace of a span that is recorded.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    recorded(span).map(|context| context.trace_id().to_string())
}

fn parent_of(span: &Span) -> Option<String> {
    let context = recorded(span)?;
    Some(format!("00-{}-{}-01", context.trace_id(), context.span_id()))
}

fn recorded(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then_some(context)
}

/// Lets our own spans through: those that begin a trace, and those inside one. No line of a log is a part of a trace.
struct OurSpans;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Filter<S> for OurSpans {
    fn enabled(&self, metadata: &Metadata<'_>, context: &layer::Context<'_, S>) -> bool {
        metadata.is_span()
            && (metadata.target() == ROOT || (metadata.target() == PART && context.lookup_current().is_some()))
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.target() {
            ROOT if metadata.is_span() => Interest::always(),
            PART if metadata.is_span() => Interest::sometimes(),
            _ => Interest::never(),
        }
    }
}

/// Sends batches on the threads of the server: who calls it is a thread of its own, without a runtime.
#[derive(Clone, Debug)]
struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
    is_away: Arc<AtomicBool>,
}

impl Client {
    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let answer = self.http.execute(request.try_into()?).await?;
        let status = answer.status();
        // Nothing in it is needed, and it may have no end.
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Ok(response)
    }

    /// Logs that the collector is away, or there again: once, not for each batch.
    fn note(&self, failure: Option<String>) {
        match failure {
            Some(reason) if !self.is_away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(reason, "spans cannot be sent; what does not fit into memory is dropped");
            }
            None if self.is_away.swap(false, Ordering::Relaxed) => tracing::info!("spans are sent again"),
            _ => {}
        }
    }
}

/// Returns why a batch was not taken, if it was not.
fn failure(sent: &Result<Response<Bytes>, reqwest::Error>) -> Option<String> {
    match sent {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(format!("the collector answered {}", answer.status())),
        Err(error) => {
            // What is at the bottom says more than that a request failed.
            let mut cause: &dyn std::error::Error = error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            Some(cause.to_string())
        }
    }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let sent = self.runtime.spawn(self.clone().send(request)).await?;
            self.note(failure(&sent));
            Ok(sent?)
        })
    }
}
