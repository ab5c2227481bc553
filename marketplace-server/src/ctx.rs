//! State that all handlers share.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::Arc,
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

/// Bytes of answers that wait for their clients, in all; a quarter of them for one address.
const ANSWERS: usize = 128 * 1024 * 1024;
/// Bytes of JSON bodies that are still coming, likewise.
const BODIES: usize = 64 * 1024 * 1024;
/// Uploads of one account that are coming at once.
const INCOMING_PER_ACCOUNT: usize = 4;
/// Event streams of one account.
const STREAMS_PER_ACCOUNT: usize = 8;
/// Exports that are taken at once, and those that one address takes.
const EXPORTS: (usize, usize) = (8, 4);
/// Searches that wait for their turn.
const SEARCHES_WAITING: usize = 1_024;

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
    /// Which calls count against the limit of their address.
    pub by_address: ByAddress,
    /// Counters.
    pub metrics: Metrics,
    /// What goes into the log of it.
    pub denials: DenialLog,
    /// Open connections.
    pub crowd: Crowd,
    /// What there is place for.
    pub places: AllPlaces,
    /// Sockets that are open.
    pub hub: Arc<Hub>,
    /// How far the end of the server has come.
    pub ending: Ending,
}

/// All that there is only so much of, and that nobody takes the last of.
#[derive(Debug)]
pub(crate) struct AllPlaces {
    /// Requests that are under way: coming, worked on, or being answered.
    pub under_way: Places<Network>,
    /// Requests that are worked on.
    pub handlers: Places<Network>,
    /// Likewise, of one account.
    pub accounts: Places<UserId>,
    /// Bytes of bodies that are coming.
    pub bodies: Places<Network>,
    /// Bytes of answers that wait to be taken.
    pub answers: Places<Network>,
    /// Uploads that are coming, by address.
    pub incoming: Places<Network>,
    /// Likewise, by account.
    pub incoming_of: Places<UserId>,
    /// Event streams.
    pub streams: Places<UserId>,
    /// Exports that are being taken.
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

/// The end of a server, step by step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    /// It is to stop: whoever asks whether it is ready hears that it is not.
    pub begun: CancellationToken,
    /// Its listener closes soon: connections end with the answer that they get next.
    pub closing: CancellationToken,
    /// Its listener is closed: only what is in flight is finished.
    pub stopping: CancellationToken,
    /// Nobody listens any more to what happens.
    pub over: CancellationToken,
}

impl Ctx {
    /// Of one server.
    pub fn new(app: App, options: Options, by_address: ByAddress, metrics: Metrics, ending: Ending) -> Self {
        Self(Arc::new(Shared {
            app,
            crowd: Crowd::new(options.connections, options.connections_per_address),
            places: AllPlaces::new(&options),
            hub: Hub::new(options.sockets),
            by_address,
            metrics,
            denials: DenialLog::default(),
            options,
            ending,
        }))
    }

    /// Whether what this peer says of its clients is believed.
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

/// The other end of the connection, as the socket has it. The accept loop puts it on every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);
