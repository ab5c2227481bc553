//! One way to call every operation, over the database or over HTTP.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use serde_json::Value;

use super::operation::{
    Answer, Body, Content, ContentKind, Effect, Method, PathParameters, Query, StaffOperation, run,
};
use crate::{
    actor::Actor,
    app::App,
    base::error::{Error, Result},
    operation::Operation,
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
}

/// Carries calls to a server.
pub trait Transport: Send + Sync {
    /// Sends a call, and returns what came back.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Content>>;
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
            Way::Remote(transport) => {
                let content = transport.send(Request::of::<O>(&path, &query, &body)?).await?;
                let ours = "the server's response makes no sense: is this a marketplace server of this version?";
                let answer = O::Answer::decode(content).map_err(|error| Error::unavailable(ours, error))?;
                answer.ok_or_else(|| Error::unavailable(ours, "content of another kind"))
            }
        }
    }
}
