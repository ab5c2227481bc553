//! One way to call every operation, over the database or over HTTP.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::operation::{
    Answer, Body, Content, ContentKind, Effect, Method, PathParameters, Query, StaffOperation, run,
};
use crate::{
    actor::Actor,
    app::App,
    base::error::{Error, Result},
    operation::Operation,
    records::idempotency::{self, Begin},
};

/// A call, as it goes over HTTP.
#[derive(Debug, Clone)]
pub struct Request {
    /// The operation's name.
    pub name: &'static str,
    /// Whether it changes anything.
    pub effect: Effect,
    /// How it is called.
    pub method: Method,
    /// Where, without the query.
    pub path: String,
    /// The parameters of the query.
    pub query: Vec<(String, String)>,
    /// The body, if it has one.
    pub body: Option<Value>,
    /// `If-Match`.
    pub if_version: Option<i64>,
    /// What is expected.
    pub kind: ContentKind,
}

impl Request {
    fn of<O: StaffOperation>(path: &O::Path, query: &O::Query, body: &O::Body) -> Result<Self> {
        let mut segments = path.segments().into_iter();
        let fill =
            |part: &str| if part.starts_with('{') { segments.next().unwrap_or_default() } else { part.to_owned() };
        Ok(Self {
            name: O::NAME,
            effect: O::EFFECT,
            method: O::METHOD,
            path: O::PATH.split('/').map(fill).collect::<Vec<_>>().join("/"),
            query: query.pairs(),
            body: O::Body::IS_PRESENT.then(|| serde_json::to_value(body)).transpose().map_err(Error::internal)?,
            if_version: body.change().if_version,
            kind: O::Answer::KIND,
        })
    }

    /// Returns a hash of all that it asks for.
    fn fingerprint(&self) -> [u8; 32] {
        let Self { name, path, query, body, if_version, .. } = self;
        let asked = serde_json::json!([name, path, query, body, if_version]).to_string();
        Sha256::digest(asked).into()
    }
}

/// Carries calls to a server.
pub trait Transport: Send + Sync {
    /// Sends a call, and returns what came back.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Content>>;

    /// Sends a call that is made once for each key, however often it is sent. Also returns whether it was made before.
    ///
    /// # Errors
    /// `internal` where a transport cannot.
    fn send_once(&self, _: Request, _: String) -> BoxFuture<'_, Result<(Content, bool)>> {
        Box::pin(async { Err(Error::internal("this transport sends no keys")) })
    }
}

/// Looks at every call before it is made, and at how it ended.
pub trait Guard: Send + Sync {
    /// Lets it through, or does not.
    fn admit<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<()>>;
    /// Learns how a call ended.
    fn ended(&self, _error: Option<&Error>) {}
}

enum Way {
    Direct(Operation),
    Remote(Arc<dyn Transport>),
}

/// A way to call every operation: over the database itself, or over HTTP. Both return the same, with the same errors. Cheap to
/// clone.
#[derive(Clone)]
pub struct Connection {
    way: Arc<Way>,
    guards: Arc<[Arc<dyn Guard>]>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.way {
            Way::Direct(_) => "Connection(direct)",
            Way::Remote(_) => "Connection(remote)",
        })
    }
}

impl Connection {
    /// Returns a connection over the database, as `actor`.
    pub fn direct(app: App, actor: Actor) -> Self {
        Self { way: Arc::new(Way::Direct(Operation::owning(app, actor))), guards: Arc::new([]) }
    }

    /// Returns a connection over HTTP.
    pub fn remote(transport: impl Transport + 'static) -> Self {
        Self { way: Arc::new(Way::Remote(Arc::new(transport))), guards: Arc::new([]) }
    }

    /// Returns the same connection, on which `guard` looks at every call first.
    #[must_use]
    pub fn guarded(&self, guard: Arc<dyn Guard>) -> Self {
        let guards = std::iter::once(guard).chain(self.guards.iter().cloned()).collect();
        Self { way: Arc::clone(&self.way), guards }
    }

    /// Calls an operation.
    ///
    /// # Errors
    /// What the operation returns; `unavailable` when the server cannot be reached, or is not one of ours.
    pub async fn call<O: StaffOperation>(&self, path: O::Path, query: O::Query, body: O::Body) -> Result<O::Answer> {
        let answer = self.carry::<O>(path, query, body).await;
        for guard in &*self.guards {
            guard.ended(answer.as_ref().err());
        }
        answer
    }

    async fn carry<O: StaffOperation>(&self, path: O::Path, query: O::Query, body: O::Body) -> Result<O::Answer> {
        for guard in &*self.guards {
            guard.admit(&Request::of::<O>(&path, &query, &body)?).await?;
        }
        match &*self.way {
            Way::Direct(op) => run::<O>(&op.anew(), path, query, body).await,
            Way::Remote(transport) => decode::<O>(transport.send(Request::of::<O>(&path, &query, &body)?).await?),
        }
    }

    /// Calls an operation once for each batch: the same call of the same batch by the same caller is not made again within a
    /// day, and returns what the first one did. Also returns whether that was so. A call that fails may be made again.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; `conflict`, with a time to wait, while the first call may still run.
    pub async fn call_once<O: StaffOperation>(
        &self,
        batch: &str,
        path: O::Path,
        query: O::Query,
        body: O::Body,
    ) -> Result<(O::Answer, bool)> {
        if body.change().dry_run {
            return Ok((self.call::<O>(path, query, body).await?, false));
        }
        let answer = self.carry_once::<O>(batch, path, query, body).await;
        for guard in &*self.guards {
            guard.ended(answer.as_ref().err());
        }
        answer
    }

    async fn carry_once<O: StaffOperation>(
        &self,
        batch: &str,
        path: O::Path,
        query: O::Query,
        body: O::Body,
    ) -> Result<(O::Answer, bool)> {
        let request = Request::of::<O>(&path, &query, &body)?;
        for guard in &*self.guards {
            guard.admit(&request).await?;
        }
        let print = request.fingerprint();
        let key = hex::encode(Sha256::new().chain_update(batch).chain_update([0]).chain_update(print).finalize());
        let op = match &*self.way {
            Way::Remote(transport) => {
                let (content, is_repeated) = transport.send_once(request, key).await?;
                return Ok((decode::<O>(content)?, is_repeated));
            }
            Way::Direct(op) => op.anew(),
        };
        let since = match idempotency::begin(&op, op.actor(), &key, print).await? {
            Begin::Fresh { since } => since,
            Begin::Replay { body, .. } => return Ok((decode::<O>(Content::Json(body.into()))?, true)),
        };
        let made = async {
            let content = run::<O>(&op, path, query, body).await?.encode()?;
            if let Content::Json(bytes) = &content {
                idempotency::finish(&op, op.actor(), &key, &request.path, 200, bytes.to_vec()).await?;
            }
            decode::<O>(content)
        };
        match made.await {
            Ok(answer) => Ok((answer, false)),
            Err(error) => {
                idempotency::abandon(&op, op.actor(), &key, since).await;
                Err(error)
            }
        }
    }
}

fn decode<O: StaffOperation>(content: Content) -> Result<O::Answer> {
    let ours = "the server's response makes no sense: is this a marketplace server of this version?";
    let answer = O::Answer::decode(content).map_err(|error| Error::unavailable(ours, error))?;
    answer.ok_or_else(|| Error::unavailable(ours, "content of another kind"))
}
