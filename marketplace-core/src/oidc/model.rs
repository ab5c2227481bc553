//! The input and the outcome of a login through a provider. Pure.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    auth::Tokens,
    base::{
        error::{FieldError, Result},
        ids::IdentityId,
        permission::TraderRole,
        time::Timestamp,
    },
    platform::config::Config,
};

/// How long a person may take at the provider.
pub const LOGIN: Duration = Duration::from_secs(600);
/// How long a page may take to exchange its code.
pub const CODE: Duration = Duration::from_secs(120);
/// Characters of an S256 code challenge: 32 bytes in base64url (RFC 7636 §4.2).
const CHALLENGE: usize = 43;
/// Longest `redirect`, in bytes.
const REDIRECT: usize = 2_000;

/// A provider that people can log in through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProviderView {
    /// As it stands in the routes.
    pub name: String,
}

/// How a login begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct BeginLogin {
    /// What the account shall be, if this login makes one: `client` (the default) or `worker`. An account that is there keeps
    /// its role.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub role: Option<TraderRole>,
    /// For browser apps: where to go afterwards, with `code` (see `POST /v1/auth/oidc/exchange`) or `error` in the query. Its
    /// origin must be one of `cors_origins`, or that of `public_url`.
    pub redirect: Option<String>,
    /// With `redirect`: base64url of the SHA-256 of a secret that the page keeps (RFC 7636, S256). Whoever exchanges the code
    /// shows that secret.
    pub code_challenge: Option<String>,
}

/// A login as it is remembered while the person is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub role: TraderRole,
    pub back: Option<Back>,
}

/// Where a page waits, and the hash of what it will show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Back {
    pub redirect: Url,
    pub challenge: String,
}

impl BeginLogin {
    /// Redirects lead to our own pages only.
    pub(super) fn checked(&self, config: &Config) -> Result<Asked> {
        let back = match (&self.redirect, &self.code_challenge) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(FieldError::new("/code_challenge", "is required with redirect")),
            (None, Some(_)) => Err(FieldError::new("/code_challenge", "is for logins with a redirect")),
            (Some(redirect), Some(challenge)) => match (own_page(config, redirect), is_challenge(challenge)) {
                (None, _) => {
                    Err(FieldError::new("/redirect", "must be a page of public_url or of one of cors_origins"))
                }
                (_, false) => Err(FieldError::new("/code_challenge", "must be 43 characters of base64url (S256)")),
                (Some(redirect), true) => Ok(Some(Back { redirect, challenge: challenge.clone() })),
            },
        }?;
        Ok(Asked { role: self.role.unwrap_or(TraderRole::Client), back })
    }
}

fn own_page(config: &Config, redirect: &str) -> Option<Url> {
    let url = Url::parse(redirect).ok().filter(|_| redirect.len() <= REDIRECT)?;
    let ours = config.is_own_origin(&url.origin().ascii_serialization());
    let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    // An answer of ours must not be mixed up with what stands there already.
    let free = !url.query_pairs().any(|(key, _)| key == "code" || key == "error");
    (ours && plain && free).then_some(url)
}

fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Where a browser goes to log in, and what it keeps meanwhile.
#[derive(Clone)]
pub struct Begun {
    /// The provider's page.
    pub location: Url,
    /// Goes into a cookie that only this browser has.
    pub browser: String,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun(…)")
    }
}

/// With what a browser comes back. Providers add parameters of their own, which are not looked at.
#[derive(Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default)]
pub struct Callback {
    /// As we sent it.
    pub state: Option<String>,
    /// What the provider gives tokens for.
    pub code: Option<String>,
    /// Who the provider says it is (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("iss", &self.iss).field("error", &self.error).finish_non_exhaustive()
    }
}

/// What a login through a provider comes to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// For apps that asked themselves: a session.
    Tokens(Tokens),
    /// For pages: where the browser goes now.
    Redirect(Url),
}

/// One way into one's account through a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentityView {
    /// Its id.
    pub id: IdentityId,
    /// The provider's name, while it is configured.
    pub provider: Option<String>,
    /// Who vouches.
    pub issuer: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody last logged in through it.
    pub last_used_at: Timestamp,
}

/// What follows from the browser's secret, for one purpose: neither tells anything of the secret or of the other. So nothing
/// has to be stored but hashes (nonce: OpenID Connect Core §15.5.2; verifier: RFC 7636 §4.1, 256 bits).
pub(super) fn derived(purpose: &str, secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(purpose).chain_update([0]).chain_update(secret).finalize())
}

/// The S256 challenge of a verifier.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(role: Option<TraderRole>, redirect: Option<&str>, challenge: Option<&str>) -> Result<Asked> {
        let config = Config {
            public_url: "https://market.example/shop".parse().unwrap(),
            cors_origins: vec!["https://app.example".into(), "http://localhost:5173".into()],
            ..Config::default()
        };
        let begin =
            BeginLogin { role, redirect: redirect.map(str::to_owned), code_challenge: challenge.map(str::to_owned) };
        begin.checked(&config)
    }

    #[test]
    fn a_first_login_makes_a_client_unless_asked_otherwise() {
        assert_eq!(checked(None, None, None).unwrap().role, TraderRole::Client);
        assert_eq!(checked(Some(TraderRole::Worker), None, None).unwrap().role, TraderRole::Worker);
    }

    #[test]
    fn redirects_lead_to_our_own_pages() {
        let proof = challenge("secret");
        let to = |redirect: &str| checked(None, Some(redirect), Some(&proof));
        for good in [
            "https://market.example/",
            "https://market.example/done?x=1",
            "https://app.example/",
            "http://localhost:5173/a",
        ] {
            assert!(to(good).unwrap().back.is_some(), "{good}");
        }
        for bad in [
            "https://evil.example/",
            "http://market.example/",
            "https://market.example:8443/",
            "https://market.example.evil.example/",
            "https://market.example@evil.example/",
            "https://me:pw@market.example/",
            "https://market.example/#x",
            "https://market.example/?code=1",
            "//evil.example/",
            "/done",
            "javascript:alert(1)",
            "data:text/html,x",
            "",
        ] {
            assert!(to(bad).is_err(), "{bad}");
        }
        assert!(to(&format!("https://market.example/{}", "a".repeat(2_000))).is_err());
    }

    #[test]
    fn a_page_proves_that_it_asked() {
        let page = Some("https://app.example/");
        assert!(checked(None, page, None).is_err());
        assert!(checked(None, None, Some(&challenge("x"))).is_err());
        for bad in ["", "plain", &"a".repeat(44), &"=".repeat(43)] {
            assert!(checked(None, page, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_derived_is_fit_for_its_use() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        let (nonce, verifier) = (derived("nonce", "s"), derived("verifier", "s"));
        assert!(is_challenge(&nonce) && is_challenge(&verifier));
        assert_ne!(nonce, verifier);
        assert_ne!(nonce, derived("nonce", "t"));
    }
}
