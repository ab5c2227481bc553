//! Which addresses webhooks may lead to: public ones, and those of networks that settings name. Otherwise whoever manages
//! webhooks could have this program call what only it can reach: the machine itself, its neighbours, the metadata of a cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::{
    base::error::FieldError,
    platform::config::{Network, Webhooks},
};

/// Longest address of a webhook, in bytes.
const LONGEST: usize = 2_000;

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// What is not public (IANA's registry of special addresses), and one public address at which a cloud has its metadata.
const NOT_PUBLIC_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// All that is public, and what is not of it: protocols, documentation, and tunnels, which lead to any IPv4 address.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 3);
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];
/// Translates IPv4 addresses in networks that have none (RFC 6052).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

/// Returns whether an address is public.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) if NAT64.contains(&ip) => {
            let [.., a, b, c, d] = ip.octets();
            is_public(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        IpAddr::V6(ip) => PUBLIC_V6.contains(&ip) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&ip)),
    }
}

/// Returns whether webhooks may lead to an address.
pub(crate) fn is_allowed(ip: IpAddr, networks: &[Network]) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(ip)) || is_public(ip)
}

/// Returns the address in a URL, where that is none for a resolver to find.
pub(crate) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
    }
}

/// Returns the URL of a webhook, if one may lead there. What a name leads to is checked whenever something is sent.
pub(crate) fn checked(text: &str, settings: &Webhooks) -> Result<Url, FieldError> {
    let wrong = |rule: &str| FieldError::new("/url", rule);
    let url = Url::parse(text.trim()).map_err(|_| wrong("must be a URL, such as https://example.org/hooks"))?;
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http => {}
        _ => return Err(wrong("must be https")),
    }
    if url.as_str().len() > LONGEST {
        return Err(wrong("must have at most 2000 bytes"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong("must have no user, no password and no fragment"));
    }
    let here = || url.domain().is_some_and(|name| name == "localhost" || name.ends_with(".localhost"));
    let ip = literal(&url).or_else(|| here().then_some(Ipv4Addr::LOCALHOST.into()));
    if ip.is_some_and(|ip| !is_allowed(ip, &settings.allow_networks)) {
        return Err(wrong("must lead to a public address, or to a network that webhooks.allow_networks names"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_and_named_networks_are_allowed() {
        let named = ["10.20.0.0/16", "fd00:1::/32", "127.0.0.9"].map(|text| text.parse().unwrap());
        for good in [
            "1.1.1.1",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(is_allowed(good.parse().unwrap(), &[]), "{good}");
        }
        for good in ["10.20.3.4", "::ffff:10.20.3.4", "fd00:1::5", "127.0.0.9"] {
            assert!(is_allowed(good.parse().unwrap(), &named), "{good}");
            assert!(!is_allowed(good.parse().unwrap(), &[]), "{good}");
        }
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.21.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_allowed(bad.parse().unwrap(), &named), "{bad}");
        }
    }

    #[test]
    fn a_url_shows_where_it_leads() {
        let named = Webhooks { allow_http: true, allow_networks: vec!["127.0.0.0/8".parse().unwrap()] };
        for good in ["https://example.org/hooks?key=1", " https://1.1.1.1:8443/ ", "https://[2606:4700::1111]/"] {
            assert!(checked(good, &Webhooks::default()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "http://example.org/",
            "ftp://example.org/",
            "https://",
            "https://me:x@example.org/",
            "https://me@example.org/",
            "https://example.org/#a",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://me.LOCALHOST/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
        ] {
            assert!(checked(bad, &Webhooks::default()).is_err(), "{bad}");
        }
        assert!(checked(&format!("https://example.org/{}", "a".repeat(LONGEST)), &named).is_err());
        assert!(checked("http://127.0.0.1:9/", &named).is_ok());
        assert!(checked("http://[::ffff:127.0.0.1]:9/", &named).is_ok());
    }
}
