//! The origins of browser apps: `cors_origins`.

use url::{Host, Url};

/// Schemes of apps that carry a browser of their own (Capacitor, Ionic); their pages have one host.
const APPS: [&str; 2] = ["capacitor", "ionic"];

/// Returns whether an entry can stand in the list: an origin as browsers state it, such as `https://app.example.org`; an
/// app's, such as `capacitor://localhost`; or `https://*.example.org`, which stands for every name below that one.
pub fn is_valid(entry: &str) -> bool {
    let Some((scheme, address)) = entry.split_once("://") else { return false };
    if APPS.contains(&scheme) {
        return !address.is_empty()
            && address.bytes().all(|byte| byte.is_ascii_lowercase() || b"0123456789.-".contains(&byte));
    }
    let exact = match address.strip_prefix("*.") {
        Some(parent) => format!("{scheme}://{parent}"),
        None => entry.to_owned(),
    };
    if exact.contains('*') {
        return false;
    }
    let Some(url) = Url::parse(&exact).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return false;
    };
    // What is below a name without a dot belongs to many, and addresses have no names below them.
    let can_be_parent = matches!(url.host(), Some(Host::Domain(name)) if name.trim_end_matches('.').contains('.'));
    url.origin().ascii_serialization() == exact && (exact == entry || can_be_parent)
}

/// Returns whether a valid entry stands for an origin (RFC 6454, as text).
pub fn covers(entry: &str, origin: &str) -> bool {
    let Some((scheme, parent)) = entry.split_once("://*") else { return entry == origin };
    let below = || origin.strip_prefix(scheme)?.strip_prefix("://")?.strip_suffix(parent);
    // Labels alone, so that neither a port nor anything else comes before the parent.
    let is_labels = |labels: &str| {
        labels.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
    };
    below().is_some_and(is_labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_stand_in_the_list() {
        for good in [
            "https://app.example.org",
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "https://*.example.org",
            "https://*.example.org:8443",
            "capacitor://localhost",
            "ionic://localhost",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org/x",
            "https://*",
            "https://*.com",
            "https://*.",
            "https://*.*.example.org",
            "https://app.*.org",
            "https://*example.org",
            "*.example.org",
            "https://*.127.0.0.1",
            "https://*.example.org/",
            "HTTPS://app.example.org",
            "https://App.example.org",
            "capacitor://",
            "capacitor://*",
            "capacitor://localhost/",
            "file://x",
            "data:,x",
            "https://a@example.org",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn names_below_a_parent_are_covered_at_any_depth() {
        let any = "https://*.example.org";
        for ours in ["https://a.example.org", "https://a.b.example.org", "https://xn--mnchen-3ya.example.org"] {
            assert!(covers(any, ours), "{ours}");
        }
        for foreign in [
            "https://example.org",
            "http://a.example.org",
            "https://a.example.org:8443",
            "https://aexample.org",
            "https://a.example.org.evil.org",
            "https://evil.org/.example.org",
            "https://evil.org:1.example.org",
            "https://.example.org",
            "https://a..example.org",
            "https://evil.org#.example.org",
            "https://x@a.example.org",
            "null",
            "",
        ] {
            assert!(!covers(any, foreign), "{foreign}");
        }
        assert!(covers("https://*.example.org:8443", "https://a.example.org:8443"));
        assert!(covers("capacitor://localhost", "capacitor://localhost"));
        assert!(!covers("capacitor://localhost", "capacitor://localhost.evil.org"));
    }
}
