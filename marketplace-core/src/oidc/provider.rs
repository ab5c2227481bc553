//! Communication with a provider: its discovery document, its keys, and what it returns for a code.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{
    id_token::{self, Claims, Expected, Person, Refusal},
    model::{challenge, derived},
};
use crate::{
    app::App,
    base::error::{Error, Result},
    platform::{
        config::Oidc,
        openid::{
            Document, Granted, KeySet, Known,
            http::{Ask, away},
        },
    },
};

/// How long a provider's document and keys are cached.
const FRESH: Duration = Duration::from_secs(3_600);
/// Minimum pause between two requests for the keys. A token may be signed with a key that is newer than the cached
/// ones, so the keys are requested again.
const KEYS_AGAIN: Duration = Duration::from_secs(10);
/// How long a login waits for another one that makes the same request to a provider.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requested scopes: the identity, the address, the name.
const SCOPE: &str = "openid email profile";

/// A provider, for one login.
pub(super) struct Provider<'a> {
    app: &'a App,
    name: &'a str,
    config: &'a Oidc,
}

/// A person's identity at their provider.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub issuer: String,
    pub subject: String,
    pub person: Person,
}

impl<'a> Provider<'a> {
    /// Returns the provider with the name that is used in routes.
    pub fn named(app: &'a App, name: &str) -> Result<Self> {
        let found = app.config.oidc.get_key_value(name);
        let (name, config) = found.ok_or_else(|| Error::not_found("provider"))?;
        Ok(Self { app, name, config })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Returns the address to which the provider redirects browsers. Each provider has its own address, so that the
    /// response of one is not mistaken for another's (RFC 9700 §4.4.2).
    fn callback(&self) -> Result<String> {
        let mut url = self.app.config.public_url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::internal("public_url is no base"))?
            .pop_if_empty()
            .extend(["v1", "auth", "oidc", self.name, "callback"]);
        url.set_query(None);
        Ok(url.into())
    }

    /// Returns the address of the provider's login page, for one login.
    pub async fn login_page(&self, state: &str, browser: &str) -> Result<Url> {
        let document = self.known(Duration::MAX).await?.document;
        let page = Url::parse(&document.authorization_endpoint).ok().filter(crate::platform::config::is_private_way);
        let mut page = page.ok_or_else(|| away("its authorization endpoint is no address".into()))?;
        page.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.callback()?)
            .append_pair("scope", SCOPE)
            .append_pair("state", state)
            .append_pair("nonce", &derived("nonce", browser))
            .append_pair("code_challenge", &challenge(&derived("verifier", browser)))
            .append_pair("code_challenge_method", "S256");
        Ok(page)
    }

    /// Checks that a response comes from this provider, as far as it names its issuer (RFC 9207 §2.4).
    pub async fn check_sender(&self, iss: Option<&str>) -> Result<()> {
        let fits = match iss {
            Some(iss) => iss == self.config.issuer,
            None => !self.known(Duration::MAX).await?.document.authorization_response_iss_parameter_supported,
        };
        if fits { Ok(()) } else { Err(Error::unauthenticated("the answer is another provider's; log in again")) }
    }

    /// Returns a person's identity, for the code with which their browser came back.
    pub async fn identity(&self, code: &str, browser: &str) -> Result<Identity> {
        let known = self.known(Duration::MAX).await?;
        let granted = self.exchange(&known.document, code, &derived("verifier", browser)).await?;
        let token = granted.id_token.ok_or_else(|| away("its token endpoint gave no ID token".into()))?;
        let nonce = derived("nonce", browser);
        let expected =
            |now| Expected { issuer: &self.config.issuer, client_id: &self.config.client_id, nonce: &nonce, now };
        let mut judged = id_token::verify(&token, &known.keys, expected(self.app.now()));
        if matches!(judged, Err(Refusal::Key)) {
            let keys = self.known(KEYS_AGAIN).await?.keys;
            judged = id_token::verify(&token, &keys, expected(self.app.now()));
        }
        let Claims { sub, mut person, .. } = judged.map_err(|refusal| {
            tracing::warn!(provider = self.name, %refusal, "an ID token is not believed");
            Error::unauthenticated("the provider's answer does not hold; log in again")
        })?;
        // Some providers return the address only from the userinfo endpoint (Core §5.4).
        if person.email.is_none()
            && let (Some(endpoint), Some(token)) = (&known.document.userinfo_endpoint, granted.access_token)
        {
            person = self.person(endpoint, token, &sub).await?;
        }
        Ok(Identity { issuer: self.config.issuer.clone(), subject: sub, person })
    }

    /// Returns what the userinfo endpoint says about the person whom the ID token identified (Core §5.3.2).
    async fn person(&self, endpoint: &str, token: String, subject: &str) -> Result<Person> {
        #[derive(Deserialize)]
        struct Said {
            sub: String,
            #[serde(flatten)]
            person: Person,
        }
        let reply = self.app.oidc.http.ask(endpoint, Ask::GetAs(token)).await?;
        let said: Said = reply.json("its userinfo endpoint")?;
        if said.sub != subject {
            tracing::warn!(provider = self.name, "the userinfo endpoint speaks of somebody else");
            return Err(Error::unauthenticated("the provider's answer does not hold; log in again"));
        }
        Ok(said.person)
    }

    /// Exchanges a code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
    async fn exchange(&self, document: &Document, code: &str, verifier: &str) -> Result<Granted> {
        let ask = self.token_request(document, code, verifier)?;
        let reply = self.app.oidc.http.ask(&document.token_endpoint, ask).await?;
        if reply.status == 400 {
            return Err(Error::unauthenticated("the provider does not take the code; log in again"));
        }
        reply.json("its token endpoint")
    }

    fn token_request(&self, document: &Document, code: &str, verifier: &str) -> Result<Ask> {
        let secret = self.config.client_secret.as_ref();
        let secret = secret.ok_or_else(|| Error::internal("a provider without a secret"))?.expose();
        let id = self.config.client_id.as_str();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.callback()?)
            .append_pair("code_verifier", verifier);
        let methods = document.token_endpoint_auth_methods_supported.as_deref();
        let takes = |method: &str| methods.is_some_and(|methods| methods.iter().any(|known| known == method));
        // Basic is the default (Core §9).
        let authorization = if methods.is_none() || takes("client_secret_basic") {
            Some(basic(id, secret))
        } else if takes("client_secret_post") {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
            None
        } else {
            return Err(away("its token endpoint takes no client secret".into()));
        };
        Ok(Ask::Form(form.finish(), authorization))
    }

    /// Returns the provider's document and keys, from the cache if possible, with keys no older than `keys_age`.
    ///
    /// Of several concurrent logins one makes the request, and the others wait for its result.
    async fn known(&self, keys_age: Duration) -> Result<Known> {
        let place = self.app.oidc.known.get(self.name).ok_or_else(|| Error::not_found("provider"))?;
        // A provider that hangs must not queue up everyone who waits for it.
        let place = tokio::time::timeout(PATIENCE, place.lock()).await;
        let mut place = place.map_err(|_| Error::busy("the provider is slow; try again shortly"))?;
        let now = self.app.now();
        let mut known = match &*place {
            Some(known) if now.since(known.read_at) < FRESH => known.clone(),
            _ => {
                let document = Arc::new(self.document().await?);
                let keys = self.keys(&document).await?;
                Known { document, keys, read_at: now, keys_at: now }
            }
        };
        if now.since(known.keys_at) >= keys_age {
            known.keys = self.keys(&known.document).await?;
            known.keys_at = now;
        }
        *place = Some(known.clone());
        Ok(known)
    }

    async fn document(&self) -> Result<Document> {
        let url = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let document: Document = self.app.oidc.http.ask(&url, Ask::Get).await?.json("its discovery document")?;
        // Discovery §4.3: a document of another issuer says nothing about this one.
        if document.issuer != self.config.issuer {
            return Err(away(format!("its discovery document is that of `{}`", document.issuer)));
        }
        Ok(document)
    }

    /// Returns the provider's keys, without those of unsupported types.
    async fn keys(&self, document: &Document) -> Result<Arc<[Jwk]>> {
        let set: KeySet = self.app.oidc.http.ask(&document.jwks_uri, Ask::Get).await?.json("its keys")?;
        Ok(set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
    }
}

/// RFC 6749 §2.3.1: both parts are form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_secrets_are_encoded_before_they_are_joined() {
        let plain = STANDARD.decode(basic("a:b", "c d%/+").trim_start_matches("Basic ")).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), "a%3Ab:c+d%25%2F%2B");
    }
}
