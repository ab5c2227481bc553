//! Access tokens (JWT, EdDSA, 10 minutes) and opaque tokens (256 bits, stored as their SHA-256).

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    base::{
        error::{Error, Result},
        ids::{SessionId, UserId},
        permission::Role,
        random::{self, Random},
        time::Timestamp,
    },
    platform::keys::Keys,
};

/// Lifetime of an access token.
pub const ACCESS: Duration = Duration::from_secs(600);
/// Maximum length of a token that is examined; our own have about 330 bytes.
const MAX_LENGTH: usize = 2_048;
/// Maximum number of verified tokens that are cached.
const REMEMBERED: u64 = 100_000;

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: the marketplace, by its `public_url`.
    pub iss: String,
    /// Whom it is for: the API of the same marketplace.
    pub aud: String,
    /// The account.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// The role at the time of issue; the account's current role is decisive.
    pub role: Role,
    /// The id of this token.
    pub jti: Uuid,
    /// Time of issue, in seconds since the epoch.
    pub iat: i64,
    /// Time of expiry, in seconds since the epoch.
    pub exp: i64,
}

/// A cache of tokens whose signature was verified before, as a signature does not change. Whether the session is still
/// active is checked every time. Tokens are stored by their hash, so that none is in memory.
#[derive(Clone)]
pub(crate) struct TokenCache(moka::sync::Cache<[u8; 32], Arc<Claims>>);

impl Default for TokenCache {
    fn default() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(ACCESS).build())
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({})", self.0.entry_count())
    }
}

/// Signs claims.
pub(crate) fn sign(keys: &Keys, claims: &Claims) -> Result<String> {
    let key = keys.signer()?;
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, claims, &key.encoding).map_err(Error::internal)
}

/// Returns whom tokens of an issuer are for.
pub(crate) fn audience(issuer: &str) -> String {
    format!("{issuer}/v1")
}

/// Returns the claims of a token that was signed by our keys, in the name of `issuer` and for its API, and has not expired.
pub(crate) fn verify(
    keys: &Keys,
    cache: &TokenCache,
    issuer: &str,
    token: &str,
    now: Timestamp,
) -> Result<Arc<Claims>> {
    let invalid = || Error::unauthenticated("the access token is not valid; log in again");
    if token.len() > MAX_LENGTH {
        return Err(invalid());
    }
    let hash = Sha256::digest(token.as_bytes()).into();
    let claims = if let Some(claims) = cache.0.get(&hash) {
        claims
    } else {
        let claims = Arc::new(check_signature(keys, issuer, token, now).ok_or_else(invalid)?);
        cache.0.insert(hash, claims.clone());
        claims
    };
    if claims.exp <= now.unix_seconds() {
        return Err(Error::unauthenticated("the access token has expired; refresh it"));
    }
    Ok(claims)
}

fn check_signature(keys: &Keys, issuer: &str, token: &str, now: Timestamp) -> Option<Claims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let key = keys.verifier(header.kid.as_deref()?, now)?;
    // We choose the algorithm, never the token: `none` and HMAC with the public key are rejected here.
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience(issuer)]);
    // Time is checked by the caller, with the injected clock.
    validation.validate_exp = false;
    jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).ok().map(|data| data.claims)
}

/// An opaque token as given to its holder. Never printed.
#[derive(Clone)]
pub(crate) struct Opaque(pub(crate) String);

impl Opaque {
    /// Length of a token in characters: 32 bytes in base64url.
    pub(crate) const LENGTH: usize = 43;

    /// Creates a token of 256 random bits in base64url.
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::bytes::<32>(random)))
    }
    /// Returns the hash that is stored.
    pub(crate) fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }
}

/// Returns the hash of an opaque token that is stored. A plain hash suffices, as 256 bits cannot be guessed.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{random::OsRandom, time::Clock};

    const ISSUER: &str = "https://market.example.org";

    fn setup() -> (tempfile::TempDir, Keys, Claims, Timestamp) {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), &OsRandom).unwrap();
        let now = crate::testing::FixedClock::new().now();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: audience(ISSUER),
            sub: UserId::new(now, &OsRandom),
            sid: SessionId::new(now, &OsRandom),
            role: Role::Client,
            jti: crate::base::ids::uuid_v7(now, &OsRandom),
            iat: now.unix_seconds(),
            exp: (now + ACCESS).unix_seconds(),
        };
        (dir, keys, claims, now)
    }

    fn forge(header: &str, claims: &Claims, signature: &str) -> String {
        let part = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{signature}", part(header.as_bytes()), part(&serde_json::to_vec(claims).unwrap()))
    }

    #[test]
    fn only_our_signature_counts() {
        let (_dir, keys, claims, now) = setup();
        let cache = TokenCache::default();
        let token = sign(&keys, &claims).unwrap();
        assert_eq!(*verify(&keys, &cache, ISSUER, &token, now).unwrap(), claims);
        assert_eq!(*verify(&keys, &cache, ISSUER, &token, now).unwrap(), claims);
        let kid = &keys.signer().unwrap().kid;
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = Keys::open(tempfile::tempdir().unwrap().path(), &OsRandom).unwrap();
        let foreign = sign(&other, &claims).unwrap();
        for bad in [
            forge(&format!("{{\"alg\":\"none\",\"kid\":\"{kid}\"}}"), &claims, ""),
            forge(&format!("{{\"alg\":\"none\",\"kid\":\"{kid}\"}}"), &claims, signature),
            forge(&format!("{{\"alg\":\"HS256\",\"kid\":\"{kid}\"}}"), &claims, signature),
            forge("{\"alg\":\"EdDSA\"}", &claims, signature),
            forge(
                &format!("{{\"alg\":\"EdDSA\",\"kid\":\"{kid}\"}}"),
                &Claims { role: Role::Admin, ..claims.clone() },
                signature,
            ),
            format!("{signed}."),
            foreign,
            String::new(),
            "..".into(),
            "x".repeat(3_000),
        ] {
            assert!(verify(&keys, &cache, ISSUER, &bad, now).is_err(), "{bad}");
        }
    }

    /// Two marketplaces may share keys by mistake, or a token be made for something else.
    #[test]
    fn a_token_is_good_where_it_was_issued() {
        let (_dir, keys, claims, now) = setup();
        for (iss, aud) in [
            (ISSUER, "https://market.example.org"),
            (ISSUER, "https://other.example.org/v1"),
            (ISSUER, ""),
            ("https://other.example.org", "https://market.example.org/v1"),
            ("", "https://market.example.org/v1"),
        ] {
            let token = sign(&keys, &Claims { iss: iss.into(), aud: aud.into(), ..claims.clone() }).unwrap();
            assert!(verify(&keys, &TokenCache::default(), ISSUER, &token, now).is_err(), "{iss} {aud}");
        }
        let token = sign(&keys, &claims).unwrap();
        assert!(verify(&keys, &TokenCache::default(), "https://other.example.org", &token, now).is_err());
    }

    #[test]
    fn a_token_ends_although_it_is_remembered() {
        let (_dir, keys, claims, now) = setup();
        let cache = TokenCache::default();
        let token = sign(&keys, &claims).unwrap();
        verify(&keys, &cache, ISSUER, &token, now).unwrap();
        verify(&keys, &cache, ISSUER, &token, now + ACCESS - Duration::from_secs(1)).unwrap();
        assert!(verify(&keys, &cache, ISSUER, &token, now + ACCESS).unwrap_err().to_string().contains("expired"));
    }
}
