//! Values that must not be revealed by accident.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

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
                if url.password().is_some() {
                    let _ = url.set_password(Some("…"));
                }
                url.set_query(None);
                f.write_str(url.as_str())
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
