//! Which addresses nobody on the way can read along with.

use url::Url;

/// Whether nobody on the way can read along: `https`, or `http` that does not leave the machine.
pub fn is_private_way(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether a URL's host is this machine: a loopback address, or the name `localhost`.
///
/// RFC 6761 §6.3 reserves all names below `localhost`, but that binds resolvers, not us: many of them know only the one
/// name and send `shop.localhost` to the network's DNS server, which may answer with any address. What is called loopback
/// here may carry passwords without TLS, so such a name is not.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
