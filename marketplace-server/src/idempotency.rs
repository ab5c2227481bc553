//! `Idempotency-Key`: a POST that is sent twice is executed once, and the second response repeats the first.
//!
//! A key belongs to its caller. It is bound to the request (method, path, `If-Match`, body), so that using it for
//! another request is invalid. A failure for a transient reason, and invalid input, release the key.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, IF_MATCH},
    },
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use marketplace_core::{
    actor::Actor,
    call_context,
    error::{Error, ErrorCode, Result},
    idempotency::{self, Begin},
    operation::Operation,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    ctx::Ctx,
    extract::{Asked, IfMatch, json, read_json},
    problem::{Answer, Document, PendingProblem, Problem},
    slot,
};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Upper limit of a key's characters.
const KEY_LIMIT: usize = 255;

/// A key, and a hash of the request that it stands for.
#[derive(Debug)]
pub(crate) struct Key {
    text: String,
    path: String,
    fingerprint: Sha256,
}

impl Key {
    /// Reads the key from the head of a request; `None` when there is no such header.
    pub fn of(method: &str, path: &str, headers: &HeaderMap) -> Answer<Option<Self>> {
        let Some(value) = headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
        let text = value.to_str().ok().filter(|text| (1..=KEY_LIMIT).contains(&text.len())).ok_or_else(|| {
            let text = format!("Idempotency-Key must have 1 to {KEY_LIMIT} visible ASCII characters");
            Problem::malformed(Error::new(ErrorCode::Invalid, text))
        })?;
        let mut key = Self { text: text.to_owned(), path: path.to_owned(), fingerprint: Sha256::new() };
        let versions: Vec<&[u8]> = headers.get_all(IF_MATCH).iter().map(HeaderValue::as_bytes).collect();
        for part in [method.as_bytes(), path.as_bytes(), &versions.join(&b',')] {
            key.add(part);
        }
        Ok(Some(key))
    }

    /// Returns the key, bound to the body too.
    pub fn with(mut self, body: &[u8]) -> Self {
        self.add(body);
        self
    }

    /// Binds the key to another part of the request.
    pub fn add(&mut self, part: &[u8]) {
        self.fingerprint.update((part.len() as u64).to_le_bytes());
        self.fingerprint.update(part);
    }
}

/// Runs `work` under `key`, at most once; without a key, just runs it.
///
/// With a key, the work runs to its end even when the client disconnects, so that a response is always stored for the
/// key.
pub(crate) async fn once<A, W>(ctx: &Ctx, actor: &Actor, key: Option<Key>, work: W) -> Answer<Response>
where
    A: Serialize + Send,
    W: Future<Output = Result<(StatusCode, A)>> + Send + 'static,
{
    let work = async move {
        let (status, value) = work.await?;
        Ok((status, written(status, &value)?))
    };
    once_bytes(ctx, actor, key, work.boxed()).await
}

/// Like [`once`], for work whose result is JSON already. It is boxed so that a task is compiled once, not for each route.
pub(crate) async fn once_bytes(
    ctx: &Ctx,
    actor: &Actor,
    key: Option<Key>,
    work: BoxFuture<'static, Result<(StatusCode, Bytes)>>,
) -> Answer<Response> {
    let Some(Key { text, path, fingerprint }) = key else {
        let (status, body) = work.await?;
        return Ok(response(status, body));
    };
    let (app, actor) = (ctx.app.clone(), actor.clone());
    // The slot stays taken: a client that disconnects must not make room for more requests that way.
    let slot = slot::current();
    let work = async move {
        let _slot = slot;
        let since = match idempotency::begin(&app, &actor, &text, fingerprint.finalize().into()).await? {
            Begin::Fresh { since } => since,
            Begin::Replay { status, body } => return Ok(replay(status, body)),
        };
        match work.await.map_err(Problem::from) {
            Ok((status, body)) => {
                idempotency::finish(&app, &actor, &text, &path, status.as_u16(), body.to_vec()).await?;
                Ok(response(status, body))
            }
            Err(problem) if passing(&problem) => {
                idempotency::abandon(&app, &actor, &text, since).await;
                Err(problem)
            }
            Err(problem) => {
                let body = serde_json::to_vec(&problem.document()).map_err(Error::internal)?;
                idempotency::finish(&app, &actor, &text, &path, problem.status().as_u16(), body).await?;
                Err(problem)
            }
        }
    };
    let task = tokio::spawn(call_context::part_of(call_context::current(), work));
    task.await.unwrap_or_else(|failure| Err(Error::internal(failure).into()))
}

/// Returns whether the key is free again: the same request may later have another outcome although nothing in it changes, or
/// its input has to be corrected.
fn passing(problem: &Problem) -> bool {
    let code = problem.error().code();
    let is_kept = matches!(
        code,
        ErrorCode::NotFound
            | ErrorCode::Conflict
            | ErrorCode::PreconditionFailed
            | ErrorCode::TooLarge
            | ErrorCode::UnsupportedMedia
    );
    !is_kept
}

fn written(status: StatusCode, value: &impl Serialize) -> Result<Bytes> {
    if status == StatusCode::NO_CONTENT {
        return Ok(Bytes::new());
    }
    Ok(serde_json::to_vec(value).map_err(Error::internal)?.into())
}

fn response(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

fn replay(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let document = if status.is_success() { None } else { serde_json::from_slice::<Document>(&body).ok() };
    let mut response = match document {
        Some(document) => PendingProblem::from(document).into_response(),
        None => response(status, body.into()),
    };
    response.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    response
}

/// A request for a change: the actor, the expected version, the input, and the idempotency key.
#[derive(Debug)]
pub(crate) struct IdempotentRequest<T> {
    /// The operation context: the actor and the expected version.
    pub op: Operation,
    /// The body.
    pub input: T,
    key: Option<Key>,
    ctx: Ctx,
}

impl<T: DeserializeOwned> FromRequest<Ctx> for IdempotentRequest<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, ctx: &Ctx) -> Result<Self, Problem> {
        use axum::extract::FromRequestParts as _;
        let (mut parts, body) = request.into_parts();
        let Asked(op) = Asked::from_request_parts(&mut parts, ctx).await?;
        let op = IfMatch::of(&parts.headers)?.at(&op);
        let key = Key::of(parts.method.as_str(), parts.uri.path(), &parts.headers)?;
        let bytes = read_json(&parts.headers, body).await?;
        let key = key.map(|key| key.with(&bytes));
        Ok(Self { op, input: json(&bytes)?, key, ctx: ctx.clone() })
    }
}

impl<T> IdempotentRequest<T> {
    /// Calls the operation, once for each key.
    pub async fn run<A, F, W>(self, operation: F) -> Answer<Response>
    where
        A: Serialize + Send,
        F: FnOnce(Operation, T) -> W,
        W: Future<Output = Result<(StatusCode, A)>> + Send + 'static,
    {
        // Boxed: operations of jobs are large, and every layer above would carry their size.
        let work = Box::pin(operation(self.op.clone(), self.input));
        once(&self.ctx, self.op.actor(), self.key, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY.clone(), HeaderValue::from_static("k"));
        let mut key = Key::of(method, path, &headers).unwrap().unwrap();
        key.add(body);
        key.fingerprint.finalize().into()
    }

    #[test]
    fn a_key_is_bound_to_what_is_asked() {
        let first = fingerprint("POST", "/v1/a", b"{}");
        assert_eq!(first, fingerprint("POST", "/v1/a", b"{}"));
        assert_ne!(first, fingerprint("POST", "/v1/a", b"{} "));
        assert_ne!(first, fingerprint("POST", "/v1/b", b"{}"));
        // The boundaries of the parts are significant.
        assert_ne!(fingerprint("POST", "/v1/a", b"b"), fingerprint("POST", "/v1/ab", b""));
    }

    #[test]
    fn keys_that_cannot_be_kept_are_refused() {
        let mut headers = HeaderMap::new();
        assert!(Key::of("POST", "/", &headers).unwrap().is_none());
        for bad in ["", &"k".repeat(KEY_LIMIT + 1), "\u{fc}"] {
            headers.insert(IDEMPOTENCY_KEY.clone(), HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(Key::of("POST", "/", &headers).unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}
