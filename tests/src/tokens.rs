//! Access tokens that the server made, and tokens that it did not make.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header};
use marketplace_core::{
    keys::Keys,
    platform::access_token::Claims,
    random::OsRandom,
    time::{Clock, SystemClock},
};
use ring::hmac;
use serde::Serialize;
use serde_json::{Value, json};

use crate::server::Server;

/// Returns a token's claims, unchecked.
pub fn claims(token: &str) -> Claims {
    jsonwebtoken::dangerous::insecure_decode::<Claims>(token).expect("a token of ours").claims
}

/// Returns a token with any signature, or none.
pub fn signed(algorithm: &str, kid: &str, claims: &impl Serialize, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let header = json!({ "typ": "JWT", "alg": algorithm, "kid": kid }).to_string();
    let claims = serde_json::to_vec(claims).unwrap();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// Returns the HMAC of a text.
pub fn hs256(password: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, password), text).as_ref().to_vec()
}

/// Returns a token with other claims, signed with the server's own key.
pub fn resigned(server: &Server, claims: &Claims) -> String {
    let keys = Keys::open(&server.data().join("keys"), &OsRandom).unwrap();
    let key = keys.signer().unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, claims, &key.encoding).unwrap()
}

/// Returns the same token, expired an hour ago, signed with the server's own key.
pub fn expired(server: &Server, token: &str) -> String {
    let mut claims = claims(token);
    claims.exp = SystemClock.now().unix_seconds() - 3_600;
    claims.iat = claims.exp - 600;
    resigned(server, &claims)
}

/// Returns tokens with the same claims as `token` that must be rejected, by name.
pub fn forgeries(token: &str) -> Vec<(&'static str, String)> {
    let claims = claims(token);
    let mut parts = token.split('.');
    let (header, body, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let kid = jsonwebtoken::decode_header(token).unwrap().kid;
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let none = |alg: &str| {
        format!(
            "{}.{body}.",
            encode(&format!("{{\"alg\":\"{alg}\",\"typ\":\"JWT\",\"kid\":{}}}", Value::from(kid.clone())))
        )
    };
    let hmac = {
        let kid = kid.as_deref().unwrap();
        signed("HS256", kid, &claims, |text| hs256(kid.as_bytes(), text))
    };
    let stranger = {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path(), &OsRandom).unwrap();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid.clone_from(&kid);
        jsonwebtoken::encode(&header, &claims, &keys.signer().unwrap().encoding).unwrap()
    };
    let longer = {
        let mut claims = serde_json::to_value(&claims).unwrap();
        claims["exp"] = Value::from(9_999_999_999_i64);
        claims["role"] = Value::from("admin");
        format!("{header}.{}.{signature}", encode(&claims.to_string()))
    };
    let mut flipped = signature.to_owned();
    let first = if flipped.starts_with('A') { "B" } else { "A" };
    flipped.replace_range(0..1, first);
    vec![
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("alg NONE with the signature", format!("{}{signature}", none("NONE"))),
        ("HMAC with the public key's name", hmac),
        ("another server's key", stranger),
        ("other claims under the same signature", longer),
        ("a flipped signature", format!("{header}.{body}.{flipped}")),
        ("no signature", format!("{header}.{body}.")),
        ("two parts", format!("{header}.{body}")),
        ("one part", header.to_owned()),
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("not base64", "a b.c d.e f".into()),
        ("four parts", format!("{token}.{signature}")),
        ("very long", format!("{token}{}", "A".repeat(6_000))),
    ]
}
