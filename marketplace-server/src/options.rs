//! Limits and timeouts of the server, apart from what the configuration file offers.

use std::time::Duration;

use marketplace_core::config::Config;

/// Body of a JSON request at most, in bytes.
pub const JSON_LIMIT: usize = 64 * 1024;
/// Body of a multipart request at most, in bytes: two files and what surrounds them.
pub const MULTIPART_LIMIT: usize = 21 * 1024 * 1024;

/// Limits and timeouts. Tests shorten them; [`Options::from`] a configuration is what a server runs with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections at once; more wait in the system's queue.
    pub connections: usize,
    /// Handlers at once; more requests are answered `busy`.
    pub requests: usize,
    /// Event streams at once; more are answered `busy`.
    pub streams: usize,
    /// Sockets at once; more are answered `busy`.
    pub sockets: usize,
    /// For the head of an HTTP/1 request, and for a TLS handshake.
    pub header_timeout: Duration,
    /// For a connection without a request, and for a peer that takes no bytes.
    pub idle_timeout: Duration,
    /// For the next piece of a request's body.
    pub body_pause: Duration,
    /// For the whole of a JSON body.
    pub json_timeout: Duration,
    /// For the whole of a multipart body.
    pub multipart_timeout: Duration,
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
            requests: 2_048,
            streams: 256,
            sockets: 10_000,
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_mins(1),
            body_pause: Duration::from_secs(15),
            json_timeout: Duration::from_secs(30),
            multipart_timeout: Duration::from_mins(3),
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
            requests: config.limits.requests,
            sockets: config.limits.connections,
            ..Self::default()
        }
    }
}
