//! Verification of ID tokens: OpenID Connect Core 1.0 §3.1.3.7, and RFC 8725. Pure.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;

use crate::base::time::Timestamp;

/// Accepted signature algorithms: asymmetric ones only, so neither `none` nor an HMAC with a public key as its secret
/// is accepted.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
/// Maximum length of a token that is examined, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// Tolerated difference of the provider's clock, in seconds.
const LEEWAY: i64 = 60;
/// Maximum age of a token, which is made for the login in progress, in seconds.
const AGE: i64 = 600;
/// Maximum length of a subject (Core §2: 255 ASCII characters).
const SUBJECT: usize = 255;

/// Values that a token must contain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

/// Claims that are read from a valid token.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub sub: String,
    aud: Audience,
    azp: Option<String>,
    nonce: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    #[serde(flatten)]
    pub person: Person,
}

/// What a provider says about a person, in the ID token or at the userinfo endpoint (Core §5.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Person {
    pub email: Option<String>,
    #[serde(deserialize_with = "is_true")]
    pub email_verified: bool,
    pub name: Option<String>,
}

/// Reads `true`, which some providers put in quotes. Any other value is read as `false`.
fn is_true<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value == true || value == "true")
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Returns whether this client is the only audience. A token for other clients as well could be presented by them,
    /// and no other client is trusted.
    fn is_only(&self, client_id: &str) -> bool {
        match self {
            Self::One(one) => one == client_id,
            Self::Many(all) => matches!(all.as_slice(), [one] if one == client_id),
        }
    }
}

/// Why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is no JWT")]
    Malformed,
    #[error("its algorithm is not allowed")]
    Algorithm,
    #[error("no key of the provider fits it")]
    Key,
    #[error("its signature does not hold")]
    Signature,
    #[error("its claims cannot be read")]
    Claims,
    #[error("it is another issuer's")]
    Issuer,
    #[error("it is not for this client alone")]
    Audience,
    #[error("it belongs to another login")]
    Nonce,
    #[error("it is not of this time")]
    Time,
    #[error("its subject is not usable")]
    Subject,
}

/// Verifies a token that one of `keys` must have signed for this login. Returns its claims.
pub(super) fn verify(token: &str, keys: &[Jwk], expected: Expected<'_>) -> Result<Claims, Refusal> {
    if token.len() > MAX_LENGTH {
        return Err(Refusal::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refusal::Algorithm);
    }
    // RFC 7515 §4.1.11: critical extensions must be understood, and none are supported.
    if header.crit.is_some() {
        return Err(Refusal::Malformed);
    }
    let key = key(keys, header.kid.as_deref(), header.alg).ok_or(Refusal::Key)?;
    let mut validation = Validation::new(header.alg);
    // The claims are checked below: with the injected clock, and each as a single text where the standard requires
    // that.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation);
    let claims = decoded.map_err(|_| Refusal::Signature)?.claims;
    let claims: Claims = serde_json::from_value(claims).map_err(|_| Refusal::Claims)?;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), Refusal> {
    let Expected { issuer, client_id, nonce, now } = expected;
    if claims.iss != issuer {
        return Err(Refusal::Issuer);
    }
    if !claims.aud.is_only(client_id) || claims.azp.as_ref().is_some_and(|party| party != client_id) {
        return Err(Refusal::Audience);
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err(Refusal::Nonce);
    }
    let now = now.unix_seconds();
    let ended = claims.exp <= now.saturating_sub(LEEWAY);
    let early = claims.iat.max(claims.nbf.unwrap_or(i64::MIN)) > now.saturating_add(LEEWAY);
    let old = claims.iat < now.saturating_sub(AGE + LEEWAY);
    if ended || early || old {
        return Err(Refusal::Time);
    }
    if !is_subject(&claims.sub) {
        return Err(Refusal::Subject);
    }
    Ok(())
}

fn is_subject(sub: &str) -> bool {
    (1..=SUBJECT).contains(&sub.len()) && sub.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Returns the key to use: the one that the token names, otherwise the only one for the algorithm.
fn key(keys: &[Jwk], kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let mut fitting = keys.iter().filter(|key| fits(key, algorithm));
    let found = if let Some(kid) = kid {
        fitting.find(|key| key.common.key_id.as_deref() == Some(kid))?
    } else {
        let only = fitting.next()?;
        if fitting.next().is_some() {
            return None;
        }
        only
    };
    DecodingKey::from_jwk(found).ok()
}

fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let named = key.common.key_algorithm;
    kind && key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature)
        && named.is_none_or(|named| named == KeyAlgorithm::from(algorithm))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use ring::hmac;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        base::{random::OsRandom, time::Clock},
        platform::keys::Keys,
    };

    struct Signer {
        key: EncodingKey,
        jwk: Jwk,
    }

    /// This program's own keys are Ed25519 as well. (All three algorithms are tested end to end, by the stories'
    /// provider.)
    fn signer(kid: &str) -> Signer {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), &OsRandom).unwrap();
        let public = serde_json::to_value(&keys.public()[0]).unwrap();
        let mut jwk: Jwk = serde_json::from_value(public).unwrap();
        // Providers may omit these.
        jwk.common.public_key_use = None;
        jwk.common.key_algorithm = None;
        jwk.common.key_id = Some(kid.into());
        Signer { key: keys.signer().unwrap().encoding.clone(), jwk }
    }

    impl Signer {
        fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = kid.map(str::to_owned);
            jsonwebtoken::encode(&header, claims, &self.key).unwrap()
        }
    }

    fn now() -> Timestamp {
        crate::testing::FixedClock::new().now()
    }

    fn expected() -> Expected<'static> {
        Expected { issuer: "https://id.example", client_id: "market", nonce: "n", now: now() }
    }

    fn good() -> Value {
        let now = now().unix_seconds();
        json!({ "iss": "https://id.example", "sub": "ada", "aud": "market", "nonce": "n", "iat": now, "exp": now + 300 })
    }

    #[test]
    fn claims_are_checked_one_by_one() {
        let signer = signer("k");
        let keys = [signer.jwk.clone()];
        let now = now().unix_seconds();
        let judged = |key: &str, value: Value| {
            let mut claims = good();
            claims[key] = value;
            verify(&signer.sign(Some("k"), &claims), &keys, expected()).map(|claims| claims.sub)
        };
        assert_eq!(judged("name", json!("Ada")), Ok("ada".into()));
        for (key, value, refusal) in [
            ("iss", json!("https://id.example/"), Refusal::Issuer),
            ("iss", json!(["https://id.example"]), Refusal::Claims),
            ("aud", json!("other"), Refusal::Audience),
            ("aud", json!([]), Refusal::Audience),
            ("aud", json!(["market", "other"]), Refusal::Audience),
            ("azp", json!("other"), Refusal::Audience),
            ("nonce", json!("m"), Refusal::Nonce),
            ("nonce", Value::Null, Refusal::Nonce),
            ("exp", json!(now - 61), Refusal::Time),
            ("exp", json!("never"), Refusal::Claims),
            ("iat", json!(now + 61), Refusal::Time),
            ("iat", json!(now - 661), Refusal::Time),
            ("nbf", json!(now + 61), Refusal::Time),
            ("sub", json!(""), Refusal::Subject),
            ("sub", json!("a\nb"), Refusal::Subject),
            ("sub", json!("a".repeat(256)), Refusal::Subject),
        ] {
            assert_eq!(judged(key, value.clone()), Err(refusal), "{key}: {value}");
        }
        for (key, value) in [
            ("aud", json!(["market"])),
            ("azp", json!("market")),
            ("exp", json!(now - 59)),
            ("iat", json!(now + 59)),
            ("nbf", json!(now)),
        ] {
            assert!(judged(key, value.clone()).is_ok(), "{key}: {value}");
        }
        for missing in ["iss", "sub", "aud", "exp", "iat"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(missing);
            let refused = verify(&signer.sign(Some("k"), &claims), &keys, expected());
            assert_eq!(refused.map(|claims| claims.sub), Err(Refusal::Claims), "{missing}");
        }
    }

    #[test]
    fn a_key_is_chosen_by_its_name_or_because_it_is_the_only_one() {
        let (one, two) = (signer("one"), signer("two"));
        let both = [one.jwk.clone(), two.jwk.clone()];
        let judge = |token: &str, keys: &[Jwk]| verify(token, keys, expected()).map(|claims| claims.sub);
        assert!(judge(&one.sign(Some("one"), &good()), &both).is_ok());
        assert!(judge(&one.sign(None, &good()), &both[..1]).is_ok());
        assert_eq!(judge(&one.sign(None, &good()), &both), Err(Refusal::Key));
        assert_eq!(judge(&one.sign(Some("two"), &good()), &both), Err(Refusal::Signature));
        assert_eq!(judge(&one.sign(Some("three"), &good()), &both), Err(Refusal::Key));
        assert_eq!(judge(&one.sign(Some("one"), &good()), &[]), Err(Refusal::Key));
        let mut for_encryption = one.jwk.clone();
        for_encryption.common.public_key_use = Some(PublicKeyUse::Encryption);
        assert_eq!(judge(&one.sign(Some("one"), &good()), &[for_encryption]), Err(Refusal::Key));
        let mut for_others = one.jwk.clone();
        for_others.common.key_algorithm = Some(KeyAlgorithm::ES256);
        assert_eq!(judge(&one.sign(Some("one"), &good()), &[for_others]), Err(Refusal::Key));
    }

    #[test]
    fn the_algorithm_is_one_of_ours() {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let provider = signer("k");
        let AlgorithmParameters::OctetKeyPair(public) = &provider.jwk.algorithm else { panic!("an Ed25519 key") };
        // HS256 with the public key as its secret, which the key set even offers.
        let shared = json!({ "kty": "oct", "kid": "k", "k": public.x });
        let keys = [serde_json::from_value(shared).unwrap(), provider.jwk.clone()];
        let text = ["{\"alg\":\"HS256\",\"kid\":\"k\"}".to_owned(), good().to_string()]
            .map(|part| URL_SAFE_NO_PAD.encode(part));
        let password = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(&public.x).unwrap());
        let text = text.join(".");
        let forged = format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&password, text.as_bytes())));
        let judge = |token: &str| verify(token, &keys, expected()).map(|claims| claims.sub);
        assert_eq!(judge(&forged), Err(Refusal::Algorithm));
        let signed = provider.sign(Some("k"), &good());
        let rest = signed.split_once('.').unwrap().1.to_owned();
        for alg in ["none", "None", "NONE", ""] {
            let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"{alg}\",\"kid\":\"k\"}}"));
            for body in [rest.clone(), format!("{}.", rest.split_once('.').unwrap().0)] {
                assert_eq!(judge(&format!("{header}.{body}")), Err(Refusal::Algorithm), "{alg}");
            }
        }
        let critical = URL_SAFE_NO_PAD.encode("{\"alg\":\"EdDSA\",\"kid\":\"k\",\"crit\":[\"x\"],\"x\":1}");
        assert_eq!(judge(&format!("{critical}.{rest}")), Err(Refusal::Malformed));
        assert_eq!(judge(&"x".repeat(20_000)), Err(Refusal::Malformed));
        assert!(judge(&signed).is_ok());
    }
}
