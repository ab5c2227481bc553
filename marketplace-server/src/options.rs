//! Limits and timeouts of the server, including those that the configuration does not offer.

use std::time::Duration;

use marketplace_core::config::Config;

/// Upper limit of a JSON request's body, in bytes.
pub const JSON_LIMIT: usize = 64 * 1024;
/// Upper limit of a multipart request's body, in bytes: two files and what surrounds them.
pub const MULTIPART_LIMIT: usize = 21 * 1024 * 1024;

/// Limits and timeouts. Tests shorten them; [`Options::from`] a configuration is what a server runs with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Concurrent connections; beyond that, connections that wait for their clients are closed, the longest idle first.
    pub connections: usize,
    /// Concurrent connections of one address (IPv6: of one /64); beyond that, connections are closed in the same way.
    /// Those of trusted proxies are not counted by address.
    pub connections_per_address: usize,
    /// Concurrent handlers, half of them for one address; more requests get `busy`. Eight times as many may be in
    /// progress in all: while their bodies arrive, or their responses are read.
    pub requests: usize,
    /// Concurrent uploads whose bodies are still arriving, half of them for one address.
    pub incoming: usize,
    /// Concurrent searches; the others take turns by address.
    pub searches: usize,
    /// Concurrent event streams; more get `busy`.
    pub streams: usize,
    /// Concurrent sockets; more get `busy`.
    pub sockets: usize,
    /// Time for the head of an HTTP/1 request, and for a TLS handshake.
    pub header_timeout: Duration,
    /// Time for a connection without a request, and for a peer that does not read what is ready for it.
    pub idle_timeout: Duration,
    /// The period over which a body must arrive at `body_rate` at least, on average.
    pub body_window: Duration,
    /// Minimum rate, in bytes per second, at which a client sends a body or reads a response.
    pub body_rate: u32,
    /// Time between the signal to stop and the closing of the listener: as long as a load balancer needs to notice.
    pub drain: Duration,
    /// Time for what is in flight when the server stops.
    pub shutdown_grace: Duration,
    /// The interval at which an event stream checks that its caller is still signed in, and looks for events without a
    /// notification.
    pub event_poll: Duration,
    /// The interval between two signs of life on an event stream.
    pub heartbeat: Duration,
    /// The interval between two pings of a socket; a client that is silent for twice as long is considered gone, and so
    /// is one that never sent `hello`.
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
            // The other half is reserved for quick reads.
            searches: usize::try_from(config.connections() / 2).unwrap_or(usize::MAX).max(1),
            sockets: config.limits.connections,
            drain: Duration::from_secs(config.drain_seconds),
            ..Self::default()
        }
    }
}
