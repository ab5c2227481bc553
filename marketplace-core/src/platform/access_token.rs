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

/// How long an access token lives.
pub const ACCESS: Duration = Duration::from_secs(600);
/// Longest token that is looked at; ours have about 330 bytes.
const MAX_LENGTH: usize = 2_048;
/// Verified tokens that are remembered.
const REMEMBERED: u64 = 100_000;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose.
    pub sub: UserId,
    /// Of which session.
    pub sid: SessionId,
    /// The role when it was made; the account's own role decides.
    pub role: Role,
    /// Names this token.
    pub jti: Uuid,
    /// Made at, in seconds since the epoch.
    pub iat: i64,
    /// Ends at, in seconds since the epoch.
    pub exp: i64,
}

/// Tokens whose signature was verified before: a signature does not change. Whether the session still lives is asked
/// every time. By their hash, so that no token lies in memory.
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

/// The claims of a token that we signed and that has not ended.
pub(crate) fn verify(keys: &Keys, cache: &TokenCache, token: &str, now: Timestamp) -> Result<Arc<Claims>> {
    let invalid = || Error::unauthenticated("the access token is not valid; log in again");
    if token.len() > MAX_LENGTH {
        return Err(invalid());
    }
    let hash = Sha256::digest(token.as_bytes()).into();
    let claims = if let Some(claims) = cache.0.get(&hash) {
        claims
    } else {
        let claims = Arc::new(check_signature(keys, token, now).ok_or_else(invalid)?);
        cache.0.insert(hash, claims.clone());
        claims
    };
    if claims.exp <= now.unix_seconds() {
        return Err(Error::unauthenticated("the access token has expired; refresh it"));
    }
    Ok(claims)
}

fn check_signature(keys: &Keys, token: &str, now: Timestamp) -> Option<Claims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let key = keys.verifier(header.kid.as_deref()?, now)?;
    // The algorithm is ours to name, never the token's: `none` and HMAC with the public key do not get past here.
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    // Time is checked by the caller, with the injected clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).ok().map(|data| data.claims)
}

/// An opaque token as its holder gets it. Never printed.
#[derive(Clone)]
pub(crate) struct Opaque(pub(crate) String);

impl Opaque {
    /// Characters of one: 32 bytes in base64url.
    pub(crate) const LENGTH: usize = 43;

    /// 256 bits, base64url.
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::bytes::<32>(random)))
    }
    /// What is stored.
    pub(crate) fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }
}

/// What is stored of an opaque token. A plain hash will do: nobody guesses 256 bits.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{random::OsRandom, time::Clock};

    fn setup() -> (tempfile::TempDir, Keys, Claims, Timestamp) {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), &OsRandom).unwrap();
        let now = crate::testing::FixedClock::new().now();
        let claims = Claims {
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
        assert_eq!(*verify(&keys, &cache, &token, now).unwrap(), claims);
        assert_eq!(*verify(&keys, &cache, &token, now).unwrap(), claims);
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
            assert!(verify(&keys, &cache, &bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_ends_although_it_is_remembered() {
        let (_dir, keys, claims, now) = setup();
        let cache = TokenCache::default();
        let token = sign(&keys, &claims).unwrap();
        verify(&keys, &cache, &token, now).unwrap();
        verify(&keys, &cache, &token, now + ACCESS - Duration::from_secs(1)).unwrap();
        assert!(verify(&keys, &cache, &token, now + ACCESS).unwrap_err().to_string().contains("expired"));
    }
}
