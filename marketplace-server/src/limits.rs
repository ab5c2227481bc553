//! Which rate limit a request counts against.
//!
//! Public requests count by address, before the handler; requests that need a login count by account, where the caller is
//! extracted. Logins and similar requests are counted by core.

use std::collections::HashMap;

use axum::http::Method;
use marketplace_core::base::rate::Class;
use utoipa::openapi::OpenApi;

use crate::openapi;

/// The limits by address, which apply to what anybody may read, as the routes declare it.
#[derive(Debug)]
pub(crate) struct ByAddress(HashMap<Box<str>, Class>);

impl ByAddress {
    /// Creates the limits of the routes in a complete description. Logins through providers are counted by core, like
    /// all other logins.
    pub fn new(description: &OpenApi) -> Self {
        let counted = |path: &&str| path.starts_with("/v1/") && !path.starts_with("/v1/auth/oidc/");
        let class = |path| match path {
            "/v1/services" | "/v1/services/suggest" => Class::Search,
            _ => Class::Public,
        };
        Self(openapi::public_to_read(description).filter(counted).map(|path| (path.into(), class(path))).collect())
    }

    /// Returns the limit of one request; `None` where it is counted elsewhere.
    pub fn class(&self, method: &Method, route: &str) -> Option<Class> {
        reads(method).then(|| self.0.get(route).copied()).flatten()
    }
}

/// Returns the per-account limit of a route that requires an account.
pub(crate) fn by_account(method: &Method, route: &str) -> Class {
    if reads(method) {
        return Class::Read;
    }
    match route {
        "/v1/me/kyc" | "/v1/me/picture" | "/v1/threads/{id}/attachments" | "/v1/services/{id}/photos/{n}"
            if *method != Method::DELETE =>
        {
            Class::Upload
        }
        _ => Class::Write,
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_to_read_is_counted_by_address_and_nothing_else_is() {
        let limits = ByAddress::new(&crate::description());
        for (path, class) in [
            ("/v1/services", Some(Class::Search)),
            ("/v1/services/suggest", Some(Class::Search)),
            ("/v1/services/{id}", Some(Class::Public)),
            ("/v1/workers/{id}/reviews", Some(Class::Public)),
            ("/v1/pictures/{id}", Some(Class::Public)),
            ("/v1/auth/oidc", Some(Class::Public)),
            ("/v1/auth/oidc/{provider}/login", None),
            ("/v1/me", None),
            ("/healthz", None),
            ("unknown", None),
        ] {
            assert_eq!(limits.class(&Method::GET, path), class, "{path}");
            assert_eq!(limits.class(&Method::HEAD, path), class, "{path}");
            assert_eq!(limits.class(&Method::POST, path), None, "{path}");
        }
    }

    #[test]
    fn what_takes_files_is_an_upload() {
        let document = serde_json::to_value(crate::description()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (name, method) in [("post", Method::POST), ("put", Method::PUT), ("patch", Method::PATCH)] {
                let Some(body) = item.get(name).and_then(|operation| operation.pointer("/requestBody/content")) else {
                    continue;
                };
                let is_json = body.get("application/json").is_some();
                assert_eq!(by_account(&method, path) == Class::Write, is_json, "{name} {path}");
            }
        }
        assert_eq!(by_account(&Method::DELETE, "/v1/me/picture"), Class::Write);
    }
}
