//! Providers of social login, and what is cached for each.

pub(crate) mod http;

use std::{collections::BTreeMap, fmt, sync::Arc};

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use tokio::sync::Mutex;

use self::http::Http;
use crate::{base::time::Timestamp, platform::config::Config};

/// A provider's metadata (OpenID Connect Discovery 1.0 §3, RFC 8414, RFC 9207).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Document {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
pub(crate) struct KeySet {
    pub keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct Granted {
    pub id_token: Option<String>,
    pub access_token: Option<String>,
}

/// The cached data of a provider.
#[derive(Clone)]
pub(crate) struct Known {
    pub document: Arc<Document>,
    pub keys: Arc<[Jwk]>,
    pub read_at: Timestamp,
    pub keys_at: Timestamp,
}

/// The configured providers, with the cached data of each.
#[derive(Default)]
pub(crate) struct Providers {
    pub http: Http,
    pub known: BTreeMap<String, Mutex<Option<Known>>>,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

impl Providers {
    /// Creates the providers of a configuration. Sends no request yet: an unreachable provider must not keep a server from
    /// starting.
    pub fn new(config: &Config) -> Self {
        let known = config.oidc.keys().map(|name| (name.clone(), Mutex::new(None))).collect();
        Self { http: Http::default(), known }
    }
}
