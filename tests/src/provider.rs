//! A provider of social login on loopback, that does as it should or lies in one way at a time; and
//! browsers that visit it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use marketplace_core::time::{Clock, SystemClock};
use reqwest::{Method, header};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use crate::{
    Answer, Server,
    database::random_id,
    server::ROOMY,
    tokens::{hs256, signed},
};

/// The client id of the marketplace at the provider.
pub const CLIENT: &str = "market";
/// The client secret, with characters that must be encoded for transport.
const SECRET: &str = "s3cret:%/+ é";

/// How ID tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// With a key of the provider's, using a permitted algorithm.
    #[default]
    EdDsa,
    /// With a key of the provider's, using a permitted algorithm.
    Es256,
    /// With a key of the provider's, using a permitted algorithm.
    Rs256,
    /// Unsigned.
    None,
    /// HMAC, with the public RSA key as the secret.
    Hs256,
    /// With a foreign key, under the id of the provider's key.
    Foreign,
    /// With a key of the provider's, using an algorithm that is not permitted.
    Rs512,
}

/// False statements of the provider.
#[derive(Clone, Debug, Default)]
pub struct Lie {
    /// The signature.
    pub signature: Signature,
    /// Claims that replace those of the ID token; null removes one.
    pub claims: Map<String, Value>,
    /// Parameters that replace those of the callback; null removes one.
    pub back: Map<String, Value>,
    /// The issuer in its discovery document.
    pub issuer: Option<String>,
    /// Omits the address from the ID token, so that the userinfo endpoint is queried; the value is the subject in its
    /// response.
    pub userinfo: Option<String>,
}

struct Keys {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
    rsa: RsaKeyPair,
    foreign: Ed25519KeyPair,
}

/// A login whose code has not been redeemed yet.
#[derive(Clone)]
struct Asked {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

struct Shared {
    issuer: String,
    keys: Keys,
    lie: Mutex<Lie>,
    person: Mutex<Value>,
    codes: Mutex<HashMap<String, Asked>>,
    names_itself: bool,
}

/// A running provider; dropping this ends it.
pub struct Provider {
    /// Its issuer, such as `http://127.0.0.1:40001`.
    pub issuer: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn keys() -> Keys {
    let random = SystemRandom::new();
    let ed = || Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
    let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let ec = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    Keys {
        ed: ed(),
        ec: EcdsaKeyPair::from_pkcs8(kind, ec.as_ref(), &random).unwrap(),
        // ring cannot generate RSA keys: this is the example of RFC 7515 §A.2, which is public.
        rsa: RsaKeyPair::from_der(include_bytes!("rfc7515_a2.der")).unwrap(),
        foreign: ed(),
    }
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the modulus and the exponent, as in a key set.
fn public(key: &RsaKeyPair) -> [String; 2] {
    let RsaPublicKeyComponents::<Vec<u8>> { n, e } = key.public().into();
    [n, e].map(base64)
}

impl Provider {
    /// Starts a provider that identifies itself in the callback (RFC 9207).
    pub async fn start() -> Self {
        Self::start_as(true).await
    }

    /// Starts a provider that identifies itself in the callback, or an older one that does not.
    pub async fn start_as(names_itself: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            keys: keys(),
            lie: Mutex::default(),
            person: Mutex::new(json!({})),
            codes: Mutex::default(),
            names_itself,
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(public_keys))
            .route("/login", get(login))
            .route("/token", post(token))
            .route("/person", get(person))
            .with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, shared, task }
    }

    /// Returns the settings of a server that knows this provider by a name, with limits for one address as for a
    /// hundred people.
    pub fn settings(&self, name: &str) -> Vec<(String, String)> {
        let name = name.to_uppercase();
        let own = [("ISSUER", self.issuer.as_str()), ("CLIENT_ID", CLIENT), ("CLIENT_SECRET", SECRET)];
        let own = own.map(|(key, value)| (format!("OIDC__{name}__{key}"), value.to_owned()));
        ROOMY.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).chain(own).collect()
    }

    /// Sets the person who visits its page from now on.
    pub fn knows(&self, person: Value) {
        *self.shared.person.lock().unwrap() = person;
    }

    /// Sets a new person, and whether the provider vouches for their address. Returns the address.
    pub fn knows_somebody(&self, verified: bool) -> String {
        let email = crate::people::address("kim");
        self.knows(person_of(&email, verified));
        email
    }

    /// Sets its false statements from now on.
    pub fn lies(&self, lie: Lie) {
        *self.shared.lie.lock().unwrap() = lie;
    }
}

/// Returns a provider's statements about a person with an address.
pub fn person_of(email: &str, verified: bool) -> Value {
    json!({ "sub": random_id().to_string(), "email": email, "email_verified": verified, "name": "Kim Park" })
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let at = |path: &str| format!("{}/{path}", shared.issuer);
    let named = shared.lie.lock().unwrap().issuer.clone().unwrap_or_else(|| shared.issuer.clone());
    Json(json!({
        "issuer": named,
        "authorization_endpoint": at("login"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("person"),
        "jwks_uri": at("keys"),
        "authorization_response_iss_parameter_supported": shared.names_itself,
    }))
}

async fn public_keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let keys = &shared.keys;
    // Includes a key of an unknown type.
    let unknown = json!({ "kty": "AKP", "kid": "later", "pub": "AAAA" });
    // After a byte that means "uncompressed" (SEC 1 §2.3.3).
    let (x, y) = keys.ec.public_key().as_ref()[1..].split_at(32);
    let [n, e] = public(&keys.rsa);
    Json(json!({ "keys": [
        unknown,
        { "kid": "ed", "alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": base64(keys.ed.public_key()) },
        { "kid": "ec", "alg": "ES256", "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) },
        { "kid": "rsa", "alg": "RS256", "kty": "RSA", "n": n, "e": e },
    ] }))
}

/// Serves its page: the visitor is logged in, and redirected back at once.
async fn login(State(shared): State<Arc<Shared>>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let given = |key: &str| asked.get(key).cloned().unwrap_or_default();
    let fine = given("response_type") == "code"
        && given("client_id") == CLIENT
        && given("code_challenge_method") == "S256"
        && given("code_challenge").len() == 43
        && given("nonce").len() >= 43
        && given("state").len() >= 43
        && given("scope").split(' ').any(|scope| scope == "openid");
    if !fine {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    let code = random_id().to_string();
    let (nonce, challenge, redirect_uri) = (given("nonce"), given("code_challenge"), given("redirect_uri"));
    let mut back = Url::parse(&redirect_uri).unwrap();
    shared.codes.lock().unwrap().insert(code.clone(), Asked { nonce, challenge, redirect_uri });
    let mut answer = json!({ "code": code, "state": given("state"), "session_state": "whatever" });
    if shared.names_itself {
        answer["iss"] = json!(shared.issuer);
    }
    let lie = shared.lie.lock().unwrap().clone();
    replace(answer.as_object_mut().unwrap(), &lie.back);
    for (key, value) in answer.as_object().unwrap() {
        back.query_pairs_mut().append_pair(key, value.as_str().unwrap());
    }
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

fn replace(values: &mut Map<String, Value>, other: &Map<String, Value>) {
    for (key, value) in other {
        if value.is_null() {
            values.remove(key);
        } else {
            values.insert(key.clone(), value.clone());
        }
    }
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let refused = |why: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response();
    let form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let basic = basic.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok()).unwrap_or_default();
    let mut parts = basic.split(':').map(|part| {
        let pair = format!("x={part}");
        form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect::<String>()
    });
    if (parts.next().as_deref(), parts.next().as_deref()) != (Some(CLIENT), Some(SECRET)) {
        return refused("invalid_client");
    }
    // A code is valid once (RFC 6749 §4.1.2).
    let asked = form.get("code").and_then(|code| shared.codes.lock().unwrap().remove(code));
    let Some(asked) = asked else { return refused("invalid_grant") };
    let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
    let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
    if base64(digest) != asked.challenge || form.get("redirect_uri") != Some(&asked.redirect_uri) {
        return refused("invalid_grant");
    }
    let lie = shared.lie.lock().unwrap().clone();
    let now = SystemClock.now().unix_seconds();
    let mut claims = json!({ "iss": shared.issuer, "aud": CLIENT, "nonce": asked.nonce, "iat": now, "exp": now + 300 });
    let person = shared.person.lock().unwrap().clone();
    let claims = claims.as_object_mut().unwrap();
    claims.extend(person.as_object().unwrap().clone());
    if lie.userinfo.is_some() {
        for key in ["email", "email_verified", "name"] {
            claims.remove(key);
        }
    }
    replace(claims, &lie.claims);
    let id_token = sign(&shared.keys, lie.signature, claims);
    Json(json!({ "token_type": "Bearer", "access_token": "let me ask again", "id_token": id_token })).into_response()
}

fn sign(keys: &Keys, signature: Signature, claims: &Map<String, Value>) -> String {
    let ed = |key: &Ed25519KeyPair, text: &[u8]| key.sign(text).as_ref().to_vec();
    let rsa = |encoding: &'static dyn RsaEncoding, text: &[u8]| {
        let mut signature = vec![0; keys.rsa.public().modulus_len()];
        keys.rsa.sign(encoding, &SystemRandom::new(), text, &mut signature).unwrap();
        signature
    };
    match signature {
        Signature::EdDsa => signed("EdDSA", "ed", claims, |text| ed(&keys.ed, text)),
        Signature::Es256 => {
            signed("ES256", "ec", claims, |text| keys.ec.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec())
        }
        Signature::Rs256 => signed("RS256", "rsa", claims, |text| rsa(&RSA_PKCS1_SHA256, text)),
        Signature::Rs512 => signed("RS512", "rsa", claims, |text| rsa(&RSA_PKCS1_SHA512, text)),
        Signature::Foreign => signed("EdDSA", "ed", claims, |text| ed(&keys.foreign, text)),
        Signature::Hs256 => signed("HS256", "rsa", claims, |text| hs256(public(&keys.rsa)[0].as_bytes(), text)),
        Signature::None => signed("none", "ed", claims, |_| Vec::new()),
    }
}

async fn person(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|token| token != "Bearer let me ask again") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut person = shared.person.lock().unwrap().clone();
    if let Some(subject) = shared.lie.lock().unwrap().userinfo.clone().filter(|subject| !subject.is_empty()) {
        person["sub"] = json!(subject);
    }
    Json(person).into_response()
}

/// A browser: follows redirects one step at a time, and keeps the one relevant cookie.
pub struct Browser<'a> {
    app: &'a Server,
    client: reqwest::Client,
    /// Name and value.
    pub cookie: Option<String>,
    /// Languages that its owner reads, as `Accept-Language`.
    pub languages: Option<&'static str>,
}

impl<'a> Browser<'a> {
    /// Creates a browser without cookies.
    pub fn new(app: &'a Server) -> Self {
        let client = crate::http::client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { app, client, cookie: None, languages: None }
    }

    /// Begins a login at the server. Returns its response.
    pub async fn ask(&mut self, provider: &str, query: &str) -> Answer {
        let url = format!("{}/v1/auth/oidc/{provider}/login?{query}", self.app.url);
        let answer = Answer::of(self.client.get(url)).await;
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        answer
    }

    /// Begins a login, and logs in at the provider. Returns the callback URL on the server.
    pub async fn visit(&mut self, provider: &str, query: &str) -> Url {
        let page = location(&self.ask(provider, query).await);
        self.follow(&location(&Answer::of(self.client.get(page)).await))
    }

    /// Returns the same path on the server under test, whose `public_url` names another port.
    pub fn follow(&self, url: &Url) -> Url {
        let mut own = Url::parse(&self.app.url).unwrap();
        own.set_path(url.path());
        own.set_query(url.query());
        own
    }

    /// Returns to the server.
    pub async fn come_back(&self, url: &Url) -> Answer {
        let mut request = self.client.request(Method::GET, url.clone());
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(languages) = self.languages {
            request = request.header(header::ACCEPT_LANGUAGE, languages);
        }
        Answer::of(request).await
    }

    /// Runs the whole login.
    pub async fn log_in(&mut self, provider: &str, query: &str) -> Answer {
        let back = self.visit(provider, query).await;
        self.come_back(&back).await
    }
}

/// Returns the redirect target of a response.
#[track_caller]
pub fn location(answer: &Answer) -> Url {
    assert_eq!(answer.status, StatusCode::FOUND, "{} → {}", answer.asked, answer.text());
    Url::parse(answer.headers[header::LOCATION].to_str().unwrap()).unwrap()
}

/// Returns a parameter of a URL.
pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Starts a server that knows a provider by the name `house`, with other settings.
pub async fn server_with(engine: crate::Engine, provider: &Provider, more: &[(&str, &str)]) -> Server {
    let mut settings = provider.settings("house");
    settings.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Server::start_with(engine, &settings).await
}
