//! Limits and timeouts of the server, including those that the configuration does not offer.

use std::time::Duration;

use marketplace_core::config::Config;

/// Body of a JSON request at most, in bytes.
pub const JSON_LIMIT: usize = 64 * 1024;
/// Body of a multipart request at most, in bytes: two files and what surrounds them.
pub const MULTIPART_LIMIT: usize = 21 * 1024 * 1024;

/// Limits and timeouts. Tests shorten them; [`Options::from`] a configuration is what a server runs with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections at once; for more, those that wait for their clients are closed, the longest idle first.
    pub connections: usize,
    /// Connections of one address (IPv6: of one /64) at once, likewise. Those of trusted proxies are not counted so.
    pub connections_per_address: usize,
    /// Handlers at once, half of them for one address; more requests are answered `busy`. Eight times as many may be under way
    /// in all: while their bodies come, or their answers are taken.
    pub requests: usize,
    /// Uploads at once whose bodies are still coming, half of them for one address.
    pub incoming: usize,
    /// Searches at once; the others take turns by address.
    pub searches: usize,
    /// Event streams at once; more are answered `busy`.
    pub streams: usize,
    /// Sockets at once; more are answered `busy`.
    pub sockets: usize,
    /// For the head of an HTTP/1 request, and for a TLS handshake.
    pub header_timeout: Duration,
    /// For a connection without a request, and for a peer that does not take what there is for it.
    pub idle_timeout: Duration,
    /// Over this time a body comes at `body_rate` at least, on average.
    pub body_window: Duration,
    /// Bytes a second that a client sends of a body, or takes of an answer, at least.
    pub body_rate: u32,
    /// Between the signal to stop and the end of the listener: as long as a balancer takes to notice.
    pub drain: Duration,
    /// For what is in flight when the server stops.
    pub shutdown_grace: Duration,
    /// Between two looks whether an event stream's caller is still signed in, and for events that nobody announced.
    pub event_poll: Duration,
    /// Between two signs of life on an event stream.
    pub heartbeat: Duration,
    /// Between two pings of a socket; one that is silent for twice as long is gone, and so is one that was not greeted.
    pub socket_heartbeat: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 2_000,
            requests: 2_048,
            incoming: 128,
            searches: 4,
            streams: 256,
            sockets: 10_000,
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_mins(1),
            body_window: Duration::from_secs(10),
            body_rate: 2_048,
            drain: Duration::ZERO,
            shutdown_grace: Duration::from_secs(30),
            event_poll: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            socket_heartbeat: Duration::from_secs(30),
        }
    }
}

impl From<&Config> for Options {
    fn from(config: &Config) -> Self {
        Self {
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
            requests: config.limits.requests,
            incoming: config.limits.uploads * 32,
            // The other half is there for all that is read quickly.
            searches: usize::try_from(config.database_connections / 2).unwrap_or(usize::MAX).max(1),
            sockets: config.limits.connections,
            drain: Duration::from_secs(config.drain_seconds),
            ..Self::default()
        }
    }
}
