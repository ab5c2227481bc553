//! Values that must not be revealed by accident.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Position, Url};

/// A text that may contain a credential. Never printed in full.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }
    /// Returns the text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Shows a URL without its password; hides anything else.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Url::parse(self.expose()) {
            Ok(url) if url.cannot_be_a_base() => f.write_str("…"),
            Ok(mut url) => {
                url.set_query(None);
                if url.password().is_none() {
                    return f.write_str(url.as_str());
                }
                // Not as a password of the URL, which would be encoded as `%E2%80%A6`.
                write!(f, "{}:…@{}", &url[..Position::AfterUsername], &url[Position::BeforeHost..])
            }
            // `sqlite://relative/path` has no host that a URL parser accepts, and no password.
            Err(_) if self.expose().starts_with("sqlite://") => f.write_str(self.expose()),
            Err(_) => f.write_str("…"),
        }
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_url_is_readable_and_without_its_password() {
        for (url, shown) in [
            (
                "postgres://postgres:s3cret@db.example.org:5432/market?password=x",
                "postgres://postgres:…@db.example.org:5432/market",
            ),
            ("redis://:s3cret@127.0.0.1:6379/0", "redis://:…@127.0.0.1:6379/0"),
            ("smtp://m%40x:s3cret@mail.example.org", "smtp://m%40x:…@mail.example.org"),
            ("https://me:s3cret@[::1]:8443/a?token=x#part", "https://me:…@[::1]:8443/a#part"),
            ("postgres://postgres@db/market?sslmode=require", "postgres://postgres@db/market"),
            ("sqlite://data/marketplace.db", "sqlite://data/marketplace.db"),
            ("host=db password=s3cret", "…"),
        ] {
            let secret = Secret::from(url);
            assert_eq!(secret.to_string(), shown);
            assert_eq!(format!("{secret:?}"), format!("Secret({shown})"));
        }
    }
}
