//! The middleware around every handler: request id, limits of requests in progress, arrival of the body, panics, problem
//! bodies, security headers, metrics. One layer instead of a stack, because each layer of a stack costs an allocation per
//! request.

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::{Body, HttpBody as _},
    extract::{MatchedPath, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
        header::{
            CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY,
            STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
        },
        uri::Authority,
    },
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http_body_util::BodyExt as _;
use marketplace_core::{
    base::rate::Class,
    call_context::recording,
    error::{Error, ErrorCode},
    limiter::Full,
    random,
};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::{
    body,
    connection::Exchange,
    ctx::{Ctx, Peer},
    extract, limit_headers, limits,
    network::Network,
    problem::{PendingProblem, Problem},
    representation::{self, Wish},
    slot, trace,
};

/// Responses up to this many bytes are not counted while they wait for their clients: there is one for each request in
/// progress.
const SMALL_ANSWER: usize = 4 * 1024;

/// The header that identifies a request in responses, problems and the log.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const API_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Wraps each route.
#[derive(Clone, Debug)]
pub(crate) struct MiddlewareLayer {
    ctx: Ctx,
    ids: RequestIds,
}

impl MiddlewareLayer {
    /// Creates the layer of one server.
    pub fn new(ctx: Ctx) -> Self {
        Self { ids: RequestIds::new(u64::from_le_bytes(random::bytes(&*ctx.app.random))), ctx }
    }
}

impl<S> Layer<S> for MiddlewareLayer {
    type Service = Middleware<S>;
    fn layer(&self, inner: S) -> Middleware<S> {
        Middleware { inner, layer: self.clone() }
    }
}

/// See [`MiddlewareLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Middleware<S> {
    inner: S,
    layer: MiddlewareLayer,
}

impl<S> Service<Request> for Middleware<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let began = Instant::now();
        let id = request_id(request.headers(), &self.layer.ids);
        let ctx = self.layer.ctx.clone();
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let uri = request.uri().clone();
        let path = uri.path();
        let is_page = path.starts_with("/docs") || path.starts_with("/auth/");
        let incoming = Incoming {
            address: extract::address_of(request.extensions(), request.headers(), &ctx),
            is_direct: request.extensions().get::<Peer>().is_none_or(|peer| !ctx.trusts(peer.0.ip())),
            is_api: path.starts_with("/v1/"),
            exchange: request.extensions().get::<Arc<Exchange>>().cloned(),
            class: route.as_ref().and_then(|route| ctx.by_address.class(&method, route.as_str())),
            is_upload: limits::by_account(&method, route.as_ref().map_or("", MatchedPath::as_str)) == Class::Upload,
        };
        let class = incoming.class;
        let caller = trace::caller(request.headers());
        let span = trace::span(caller, !incoming.is_direct, &method, route.as_ref().map(MatchedPath::as_str), &ctx);
        let trace_id = trace::id_of(&span).or_else(|| caller.map(|caller| caller.trace.to_owned()));
        // What logs in waits for passwords anyway.
        if incoming.is_api && !path.starts_with("/v1/auth/") {
            ctx.app.note_work();
        }
        let wish = Wish::of(&method, request.headers(), path);
        let head = check_head(&request);
        let (request, unread) = body::recoverable(request);
        let inner = self.inner.clone();
        let recorded = span.clone();
        let answered = async move {
            let work = incoming.answer(&ctx, inner, request, head);
            let (mut response, context) = recording(Some(incoming.address), work).await;
            if response.status() == StatusCode::CREATED {
                name_place(&mut response, uri.path()).await;
            }
            if response.status().is_success() {
                wish.fulfil(&mut response, &ctx).await;
            }
            let status = response.status();
            if status.is_client_error() || status.is_server_error() {
                if status == StatusCode::REQUEST_TIMEOUT {
                    ctx.metrics.bodies_cut.happened();
                }
                // The rest of a body that was too slow is not waited for.
                if let Some(unread) = unread.filter(|_| status != StatusCode::REQUEST_TIMEOUT) {
                    unread.discard(ctx.options.body_window).await;
                }
                let ids = (&id, trace_id.as_deref());
                write_problem(&mut response, ids, &method, route.as_ref());
                wish.fulfil(&mut response, &ctx).await;
            }
            if status != StatusCode::SWITCHING_PROTOCOLS {
                representation::set_cache_control(&mut response, &method, uri.path(), class);
            }
            let took = began.elapsed();
            let route = route.as_ref().map(MatchedPath::as_str);
            ctx.metrics.record(route, &method, status, took);
            let (name, route) = (id.to_str().unwrap_or_default(), route.unwrap_or("unmatched"));
            trace::ended(&recorded, name, status);
            ctx.denials.log(status, name, &method, route, context.user);
            if ctx.app.config.log.access {
                tracing::info!(
                    target: "access",
                    request_id = name,
                    trace_id,
                    %method,
                    route,
                    status = status.as_u16(),
                    bytes = response.body().size_hint().exact(),
                    millis = took.as_secs_f64() * 1e3,
                    "answered"
                );
            }
            tracing::debug!(
                request_id = name,
                trace_id,
                %method,
                route,
                status = status.as_u16(),
                user = context.user.map(tracing::field::display),
                micros = took.as_micros(),
                "answered"
            );
            let headers = response.headers_mut();
            if let Some(allowance) = context.allowance {
                limit_headers::tell(headers, allowance);
            }
            secure(headers, is_page, ctx.app.config.tls.cert.is_some());
            headers.insert(X_REQUEST_ID.clone(), id);
            Ok(response)
        };
        Box::pin(answered.instrument(span))
    }
}

/// A request before its handler runs, and the data for its response afterwards.
struct Incoming {
    address: IpAddr,
    /// Whether the connection is the client's own.
    is_direct: bool,
    is_api: bool,
    exchange: Option<Arc<Exchange>>,
    class: Option<Class>,
    is_upload: bool,
}

impl Incoming {
    async fn answer<S>(&self, ctx: &Ctx, inner: S, request: Request, head: Result<(), Problem>) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let answered = async {
            head?;
            self.find_place(ctx)?;
            if let Some(class) = self.class {
                ctx.app.admit_address(class, self.address).await?;
            }
            let response = self.handled(ctx, inner, request).await?;
            self.remember(ctx, &response)?;
            Ok(response)
        };
        answered.await.unwrap_or_else(|problem: Problem| problem.into_response())
    }

    /// Takes a place among all requests in progress. When there is none, closes the connection that waits most for its
    /// client.
    fn find_place(&self, ctx: &Ctx) -> Result<(), Full> {
        let Some(exchange) = &self.exchange else { return Ok(()) };
        let client = Network::of(self.address);
        let places = &ctx.places.under_way;
        let place = match places.take(client, 1) {
            Ok(place) => place,
            // Health is reported regardless of the load.
            Err(Full::All) if !self.is_api => places.force(client, 1),
            Err(Full::Share) if self.is_direct && ctx.crowd.close_heaviest(Some(client), exchange.activity()) => {
                places.force(client, 1)
            }
            Err(Full::All) if ctx.crowd.close_heaviest(None, exchange.activity()) => places.force(client, 1),
            Err(full) => {
                ctx.metrics.shed.happened();
                return Err(full);
            }
        };
        exchange.placed(place);
        Ok(())
    }

    /// Runs the handler once the body has arrived and there is a place. An upload's body is received by its handler.
    async fn handled<S>(&self, ctx: &Ctx, mut inner: S, request: Request) -> Result<Response, Problem>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let client = Network::of(self.address);
        let (request, _memory) = if self.is_upload || request.body().is_end_stream() {
            (request, None)
        } else {
            body::arrived(request, client, ctx).await?
        };
        let handler = async {
            let outcome = AssertUnwindSafe(inner.call(request)).catch_unwind().await;
            let failed = |_| Problem::from(Error::internal("a handler panicked")).into_response();
            outcome.map_or_else(failed, |Ok(response)| response)
        };
        // Health and metrics respond regardless of the load.
        if !self.is_api {
            return Ok(handler.await);
        }
        let _turn = match self.class {
            Some(Class::Search) => {
                Some(ctx.places.searches.take(client, "too many searches at once; try again shortly").await?)
            }
            _ => None,
        };
        Ok(slot::within(ctx, client, self.exchange.clone(), handler).await.map_err(Error::from)?)
    }

    /// Takes a share of memory for a large response. When there is none, closes the connection whose client reads
    /// least.
    fn remember(&self, ctx: &Ctx, response: &Response) -> Result<(), Full> {
        let size = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
        let Some(exchange) = self.exchange.as_ref().filter(|_| self.is_api && size > SMALL_ANSWER) else {
            return Ok(());
        };
        let client = Network::of(self.address);
        let places = &ctx.places.answers;
        let place = match places.take(client, size) {
            Ok(place) => place,
            Err(Full::Share) if self.is_direct && ctx.crowd.close_fullest(Some(client), exchange.activity()) => {
                places.force(client, size)
            }
            Err(Full::All) if ctx.crowd.close_fullest(None, exchange.activity()) => places.force(client, size),
            Err(full) => {
                ctx.metrics.shed.happened();
                return Err(full);
            }
        };
        exchange.remembered(place);
        Ok(())
    }
}

/// Checks what no handler looks at: whom the request is for (RFC 9112 §3.2), and that its body can be read as it is.
fn check_head(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    // HTTP/2 has it in the URI, and HTTP/1.0 knows no such header.
    let is_named = match first {
        Some(host) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.is_some_and(|host| !host.as_str().contains('@') && has_valid_port(host.as_str()))
        }
        None => request.uri().authority().is_some() && request.version() == Version::HTTP_2,
    };
    if second.is_some() || !(is_named || first.is_none() && request.version() == Version::HTTP_10) {
        return Err(Problem::malformed(Error::new(ErrorCode::Invalid, "there must be one Host header, with a host")));
    }
    let mut codings = request.headers().get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let text = "bodies are taken as they are, without Content-Encoding";
        return Err(Error::new(ErrorCode::UnsupportedMedia, text).into());
    }
    Ok(())
}

/// Returns whether what follows the last colon outside brackets, if there is one, has the form of a port.
fn has_valid_port(host: &str) -> bool {
    let after_address = host.rsplit(']').next().unwrap_or_default();
    after_address.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Says where the thing is that was created.
async fn name_place(response: &mut Response, path: &str) {
    if response.headers().contains_key(LOCATION) || response.body().size_hint().exact().is_none() {
        return;
    }
    let Ok(body) = std::mem::take(response.body_mut()).collect().await else { return };
    let body = body.to_bytes();
    if let Some(place) = representation::location(path, &body) {
        response.headers_mut().insert(LOCATION, place);
    }
    *response.body_mut() = Body::from(body);
}

fn write_problem(
    response: &mut Response,
    (id, trace_id): (&HeaderValue, Option<&str>),
    method: &axum::http::Method,
    route: Option<&MatchedPath>,
) {
    let unwritten = match response.extensions_mut().remove::<PendingProblem>() {
        Some(unwritten) => unwritten,
        None if response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json") => return,
        // An error response that a library created.
        None => match Problem::bare(response.status()).into_response().extensions_mut().remove::<PendingProblem>() {
            Some(unwritten) => unwritten,
            None => return,
        },
    };
    if let Some(inside) = &unwritten.inside {
        macro_rules! log_at {
            ($level:ident) => {
                tracing::$level!(
                    request_id = id.to_str().unwrap_or_default(),
                    trace_id,
                    %method,
                    route = route.map_or("unmatched", MatchedPath::as_str),
                    status = response.status().as_u16(),
                    inside = &**inside,
                    "request failed"
                )
            };
        }
        // An unavailable component is logged once, when it fails: a thousand requests that fail because of it add no
        // information.
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            log_at!(debug);
        } else {
            log_at!(error);
        }
    }
    unwritten.write(response, id);
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let (name, value) = representation::taken_codings();
        response.headers_mut().insert(name, value);
    }
}

fn secure(headers: &mut HeaderMap, is_page: bool, is_tls: bool) {
    headers.reserve(8);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, if is_page { PAGE_POLICY } else { API_POLICY });
    if is_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// Returns the client's request id when it is fit for a log line, otherwise a new one.
fn request_id(headers: &HeaderMap, ids: &RequestIds) -> HeaderValue {
    match headers.get(&X_REQUEST_ID) {
        Some(id) if is_sane(id.as_bytes()) => id.clone(),
        _ => ids.next(),
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Generates request ids: 64 bits that look random, never twice in one process. They are not secret.
#[derive(Clone, Debug)]
struct RequestIds(std::sync::Arc<AtomicU64>);

impl RequestIds {
    fn new(seed: u64) -> Self {
        Self(std::sync::Arc::new(AtomicU64::new(seed)))
    }

    fn next(&self) -> HeaderValue {
        // SplitMix64 (Steele, Lea, Flood 2014): a permutation of the counter.
        let mut bits = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let mut text = [b'0'; 16];
        for (place, byte) in text.iter_mut().enumerate() {
            let nibble = (bits >> (60 - 4 * place)) & 0xF;
            *byte = char::from_digit(u32::try_from(nibble).unwrap_or(0), 16).map_or(b'0', |digit| digit as u8);
        }
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_new_and_sane() {
        let ids = RequestIds::new(7);
        let made: HashSet<_> = (0..1_000).map(|_| ids.next().to_str().unwrap().to_owned()).collect();
        assert_eq!(made.len(), 1_000);
        assert!(made.iter().all(|id| id.len() == 16 && is_sane(id.as_bytes())));
    }

    #[test]
    fn only_sane_ids_are_taken_over() {
        for (given, taken) in
            [("abc-DEF_1", true), ("", false), ("a b", false), ("\"x\"", false), (&"a".repeat(65), false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID.clone(), HeaderValue::from_str(given).unwrap());
            let id = request_id(&headers, &RequestIds::new(1));
            assert_eq!(id == given, taken, "{given}");
        }
    }
}
