//! What every handler shares.

use std::{net::SocketAddr, ops::Deref, sync::Arc};

use marketplace_core::app::App;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{live::Hub, metrics::Metrics, options::Options, refusals::Refusals};

/// Handlers' shared state; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ctx(Arc<Shared>);

/// See [`Ctx`].
#[derive(Debug)]
pub(crate) struct Shared {
    /// The operations' world.
    pub app: App,
    /// Limits and timeouts.
    pub options: Options,
    /// Counters.
    pub metrics: Metrics,
    /// What goes into the log of it.
    pub refusals: Refusals,
    /// Handlers that may run at once.
    pub requests: Arc<Semaphore>,
    /// Event streams that may be open at once.
    pub streams: Arc<Semaphore>,
    /// Sockets that are open.
    pub hub: Arc<Hub>,
    /// Cancelled when the server begins to stop.
    pub shutdown: CancellationToken,
}

impl Ctx {
    /// Of one server.
    pub fn new(app: App, options: Options, metrics: Metrics, shutdown: CancellationToken) -> Self {
        let requests = Arc::new(Semaphore::new(options.requests.min(Semaphore::MAX_PERMITS)));
        let streams = Arc::new(Semaphore::new(options.streams.min(Semaphore::MAX_PERMITS)));
        let hub = Hub::new(options.sockets);
        Self(Arc::new(Shared {
            app,
            options,
            metrics,
            refusals: Refusals::default(),
            requests,
            streams,
            hub,
            shutdown,
        }))
    }
}

impl Deref for Ctx {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The other end of the connection, as the socket has it. The accept loop puts it on every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);
