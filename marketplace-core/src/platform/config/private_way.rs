//! Checks which URLs cannot be eavesdropped on.

use url::Url;

/// Returns whether traffic to a URL cannot be read on the way: `https`, or `http` that does not leave the machine.
pub fn is_private_way(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Returns whether a URL's host is this machine: a loopback address, or the name `localhost`.
///
/// RFC 6761 §6.3 reserves all names below `localhost`, but that binds resolvers, not us: many of them know only the one
/// name and send `shop.localhost` to the network's DNS server, which may return any address. A host that counts as loopback
/// here may carry passwords without TLS, so such a name does not count.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
