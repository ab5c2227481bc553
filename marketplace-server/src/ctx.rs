//! State that all handlers share.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use marketplace_core::{
    app::App,
    ids::UserId,
    limiter::{Places, Turns},
};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Crowd, denial_log::DenialLog, limits::ByAddress, live::Hub, metrics::Metrics, network::Network,
    options::Options,
};

/// Bytes of responses that may wait for their clients, in all; a quarter of them for one address.
const ANSWERS: usize = 128 * 1024 * 1024;
/// Bytes of JSON bodies that may still be arriving, in all; a quarter of them for one address.
const BODIES: usize = 64 * 1024 * 1024;
/// Uploads of one account that may be arriving at once.
const INCOMING_PER_ACCOUNT: usize = 4;
/// Event streams of one account.
const STREAMS_PER_ACCOUNT: usize = 8;
/// Exports that may be downloaded at once: in all, and by one address.
const EXPORTS: (usize, usize) = (8, 4);
/// Searches that may wait for their turn.
const SEARCHES_WAITING: usize = 1_024;

/// The state that all handlers share; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ctx(Arc<Shared>);

/// See [`Ctx`].
#[derive(Debug)]
pub(crate) struct Shared {
    /// The adapters that the operations use.
    pub app: App,
    /// Limits and timeouts.
    pub options: Options,
    /// The requests that count against the limit of their address.
    pub by_address: ByAddress,
    /// Counters.
    pub metrics: Metrics,
    /// The log of refused requests.
    pub denials: DenialLog,
    /// Open connections.
    pub crowd: Crowd,
    /// The limits on concurrent use.
    pub places: AllPlaces,
    /// Large responses that may be compressed at once.
    pub compressions: Arc<tokio::sync::Semaphore>,
    /// Open sockets.
    pub hub: Arc<Hub>,
    /// How far the shutdown has progressed.
    pub ending: Ending,
}

/// All limits on concurrent use; no single address or account can take the last place.
#[derive(Debug)]
pub(crate) struct AllPlaces {
    /// Requests in progress: arriving, being handled, or being responded to.
    pub under_way: Places<Network>,
    /// Requests that are being handled.
    pub handlers: Places<Network>,
    /// Requests that are being handled, by account.
    pub accounts: Places<UserId>,
    /// Bytes of bodies that are arriving.
    pub bodies: Places<Network>,
    /// Bytes of responses that wait to be read.
    pub answers: Places<Network>,
    /// Uploads that are arriving, by address.
    pub incoming: Places<Network>,
    /// Uploads that are arriving, by account.
    pub incoming_of: Places<UserId>,
    /// Event streams.
    pub streams: Places<UserId>,
    /// Exports that are being downloaded.
    pub exports: Places<Network>,
    /// Searches, which take turns.
    pub searches: Turns<Network>,
}

impl AllPlaces {
    fn new(options: &Options) -> Self {
        let under_way = options.requests.saturating_mul(8);
        Self {
            under_way: Places::new(under_way, (under_way / 4).max(1)),
            handlers: Places::new(options.requests, (options.requests / 2).max(1)),
            accounts: Places::new(usize::MAX, (options.requests / 4).max(1)),
            bodies: Places::new(BODIES, BODIES / 4),
            answers: Places::new(ANSWERS, ANSWERS / 4),
            incoming: Places::new(options.incoming, (options.incoming / 2).max(1)),
            incoming_of: Places::new(usize::MAX, INCOMING_PER_ACCOUNT),
            streams: Places::new(options.streams, STREAMS_PER_ACCOUNT),
            exports: Places::new(EXPORTS.0, EXPORTS.1),
            searches: Turns::new(options.searches, options.searches, SEARCHES_WAITING),
        }
    }
}

/// The shutdown of a server, step by step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    /// Shutdown has begun: the readiness check reports that the server is not ready.
    pub begun: CancellationToken,
    /// The listener closes soon: connections end with their next response.
    pub closing: CancellationToken,
    /// The listener is closed: only what is in flight is finished.
    pub stopping: CancellationToken,
    /// Nothing listens to events any more.
    pub over: CancellationToken,
}

impl Ending {
    /// Waits for a client. Once the listener is closed, it waits no longer than `late`, and still takes what is there.
    pub async fn wait<T>(&self, client: impl Future<Output = T>, late: Duration) -> Option<T> {
        let mut client = std::pin::pin!(client);
        tokio::select! {
            biased;
            done = &mut client => Some(done),
            () = self.stopping.cancelled() => tokio::time::timeout(late, client).await.ok(),
        }
    }
}

impl Ctx {
    /// Creates the state of one server.
    pub fn new(app: App, options: Options, by_address: ByAddress, metrics: Metrics, ending: Ending) -> Self {
        Self(Arc::new(Shared {
            app,
            crowd: Crowd::new(options.connections, options.connections_per_address),
            places: AllPlaces::new(&options),
            hub: Hub::new(options.sockets),
            compressions: Arc::new(tokio::sync::Semaphore::new(
                std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            )),
            by_address,
            metrics,
            denials: DenialLog::default(),
            options,
            ending,
        }))
    }

    /// Returns whether statements of this peer about its clients are trusted.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.app.config.trusted_proxies.iter().any(|proxy| proxy.to_canonical() == peer)
    }
}

impl Deref for Ctx {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The remote address of the connection, as the socket reports it. The accept loop adds it to every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);
