//! Social login, and sessions in cookies.

use marketplace_tests::{
    Answer, Engine, Server,
    people::{PASSWORD, address},
    provider::{Browser, Provider, person_of, server_with},
    server::{self, ROOMY},
    stories,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

stories![
    social_login_adopts_no_preregistered_account_with_its_old_password,
    social_login_makes_no_staff,
    cookie_sessions_have_csrf_protection,
    cookies_are_off_unless_turned_on,
];

async fn social_login_adopts_no_preregistered_account_with_its_old_password(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    // Mallory signs up with Kim's address, logs in, and waits.
    let email = address("kim");
    let body =
        json!({ "role": "worker", "email": email, "password": PASSWORD, "name": "Mallory", "phone": "+442071838750" });
    app.as_nobody().post("/v1/auth/signup", body).await.ok();
    let trap = app.mail(&email, 1).await.token();
    let mallory = app.person(&email).await;
    provider.knows(person_of(&email, true));
    let tokens = Browser::new(&app).log_in("house", "role=client").await.ok();
    let kim = app.as_nobody().with_token(tokens["access_token"].as_str().unwrap());
    let me = kim.get("/v1/me").await.ok();
    // Nothing of what Mallory set is Kim's.
    assert_eq!((&me["name"], &me["phone"], &me["role"]), (&json!("Kim Park"), &Value::Null, &json!("client")));
    assert_ne!(me["id"], mallory.id.as_str());
    app.log_in(&email).await.refused(401, "unauthenticated");
    mallory.get("/v1/me").await.refused(401, "unauthenticated");
    let refresh = json!({ "refresh_token": mallory.refresh_token });
    app.as_nobody().post("/v1/auth/refresh", refresh).await.refused(401, "unauthenticated");
    app.as_nobody().post("/v1/auth/verify-email", json!({ "token": trap })).await.refused(422, "invalid");
    // And the other way round: Mallory signs up after Kim, and gets nowhere.
    let body = json!({ "role": "client", "email": email, "password": PASSWORD, "name": "Mallory" });
    app.as_nobody().post("/v1/auth/signup", body).await.ok();
    app.log_in(&email).await.refused(401, "unauthenticated");
    kim.get("/v1/me").await.ok();
}

async fn social_login_makes_no_staff(engine: Engine) {
    let provider = Provider::start().await;
    let app = server_with(engine, &provider, &[]).await;
    let before = app.fingerprint().await;
    for role in ["admin", "support", "auditor"] {
        Browser::new(&app).ask("house", &format!("role={role}")).await.refused(400, "invalid");
    }
    assert_eq!(app.fingerprint().await, before);
    // Nor when the provider says so.
    let email = provider.knows_somebody(true);
    let mut person = person_of(&email, true);
    person["role"] = json!("admin");
    person["roles"] = json!(["admin"]);
    provider.knows(person);
    Browser::new(&app).log_in("house", "").await.ok();
    let db = app.db().await;
    let staff = "SELECT CAST(count(*) AS BIGINT) FROM users WHERE role NOT IN ('client', 'worker')";
    assert_eq!(server::number(&db, staff).await, 0);
    db.close().await;
}

/// A page with its session in cookies.
struct Page<'a> {
    app: &'a Server,
    cookies: String,
    csrf: String,
}

const OURS: &str = "https://app.example";

impl<'a> Page<'a> {
    /// From an answer that sets cookies.
    fn of(app: &'a Server, answer: &Answer) -> Self {
        let csrf = answer.ok()["csrf_token"].as_str().unwrap().to_owned();
        assert!(answer.json()["access_token"].is_null() && answer.json()["refresh_token"].is_null());
        let set = |line: &reqwest::header::HeaderValue| line.to_str().unwrap().split(';').next().unwrap().to_owned();
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(set).collect();
        Self { app, cookies: cookies.join("; "), csrf }
    }

    async fn log_in(app: &'a Server, email: &str) -> Self {
        let login = app.as_nobody().request(Method::POST, "/v1/auth/login").header("x-session-mode", "cookie");
        let login = login.header("origin", OURS).json(&json!({ "email": email, "password": PASSWORD }));
        Self::of(app, &Answer::of(login).await)
    }

    /// With the cookies and nothing else, as any page in that browser would send it.
    fn any(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.as_nobody().request(method, path).header("cookie", &self.cookies)
    }

    /// As our page sends it.
    fn ours(&self, method: Method, path: &str) -> RequestBuilder {
        self.any(method, path).header("origin", OURS).header("x-csrf-token", &self.csrf)
    }
}

async fn cookie_sessions_have_csrf_protection(engine: Engine) {
    let mut settings = ROOMY.to_vec();
    settings.extend([("COOKIES", "true"), ("CORS_ORIGINS", OURS)]);
    let app = Server::start_with(engine, &settings).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    let page = Page::log_in(&app, &jon.email).await;
    assert_eq!(Answer::of(page.any(Method::GET, "/v1/me")).await.ok()["id"], jon.id.as_str());
    // A change needs the header of this session and a page of ours: none, another session's, and a stranger's page do not.
    let rename = |request: RequestBuilder| Answer::of(request.json(&json!({ "name": "Renamed" })));
    let patch = || page.any(Method::PATCH, "/v1/me");
    let other = Page::log_in(&app, &bea.email).await;
    for (what, request) in [
        ("nothing", patch()),
        ("no token", patch().header("origin", OURS)),
        ("an empty token", patch().header("origin", OURS).header("x-csrf-token", "")),
        ("another session's token", patch().header("origin", OURS).header("x-csrf-token", &other.csrf)),
        ("a stranger's page", patch().header("origin", "https://evil.example").header("x-csrf-token", &page.csrf)),
        ("no page", patch().header("x-csrf-token", &page.csrf)),
        ("a page in a frame", patch().header("origin", "null").header("x-csrf-token", &page.csrf)),
        ("a neighbour", patch().header("sec-fetch-site", "same-site").header("x-csrf-token", &page.csrf)),
    ] {
        let answer = rename(request).await;
        assert_eq!(answer.status.as_u16(), 403, "{what}: {}", answer.text());
        answer.refused(403, "forbidden");
    }
    for (method, path) in [
        (Method::POST, "/v1/auth/logout"),
        (Method::POST, "/v1/auth/logout-all"),
        (Method::DELETE, "/v1/me"),
        (Method::POST, "/v1/threads"),
        (Method::PUT, "/v1/me/picture"),
        (Method::POST, "/v1/ws/ticket"),
    ] {
        // As a form on a stranger's page would do it.
        let form = page.any(method, path).header("origin", "https://evil.example");
        let form = form.header("content-type", "application/x-www-form-urlencoded").body("a=b");
        Answer::of(form).await.refused(403, "forbidden");
    }
    assert_ne!(Answer::of(page.any(Method::GET, "/v1/me")).await.ok()["name"], "Renamed");
    assert_eq!(rename(page.ours(Method::PATCH, "/v1/me")).await.ok()["name"], "Renamed");
    // A bearer's token is nothing that a browser sends by itself.
    assert_eq!(jon.patch("/v1/me", json!({ "name": "Jon" })).await.ok()["name"], "Jon");
    // And it decides alone: a wrong one is not made good by a cookie.
    let both = page.ours(Method::GET, "/v1/me").header("authorization", "Bearer nonsense");
    Answer::of(both).await.refused(401, "unauthenticated");
    // Nobody is logged in as somebody else by a stranger's page.
    let forced = app.as_nobody().request(Method::POST, "/v1/auth/login").header("x-session-mode", "cookie");
    let forced =
        forced.header("origin", "https://evil.example").json(&json!({ "email": bea.email, "password": PASSWORD }));
    Answer::of(forced).await.refused(403, "forbidden");
    // Refreshing is a change as well.
    let refresh = || page.any(Method::POST, "/v1/auth/refresh").header("x-session-mode", "cookie");
    Answer::of(refresh().header("origin", OURS)).await.refused(403, "forbidden");
    let stranger = refresh().header("origin", "https://evil.example").header("x-csrf-token", &page.csrf);
    Answer::of(stranger).await.refused(403, "forbidden");
    let next = Answer::of(refresh().header("origin", OURS).header("x-csrf-token", &page.csrf)).await;
    let page = Page::of(&app, &next);
    Answer::of(page.any(Method::GET, "/v1/me")).await.ok();
    // Only listed origins may read answers with cookies.
    for (origin, allowed) in [(OURS, true), ("https://evil.example", false)] {
        let answer = Answer::of(page.any(Method::GET, "/v1/me").header("origin", origin)).await;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("access-control-allow-origin"), allowed.then_some(OURS));
    }
    let ended = Answer::of(page.ours(Method::POST, "/v1/auth/logout")).await;
    ended.ok();
    let gone: Vec<_> = ended.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(gone.len() == 2 && gone.iter().all(|line| line.contains("=; ") && line.ends_with("Max-Age=0")), "{gone:?}");
    Answer::of(page.any(Method::GET, "/v1/me")).await.refused(401, "unauthenticated");
}

async fn cookies_are_off_unless_turned_on(engine: Engine) {
    let mut settings = ROOMY.to_vec();
    settings.push(("CORS_ORIGINS", OURS));
    let app = Server::start_with(engine, &settings).await;
    let jon = app.as_client().await;
    let login = app.as_nobody().request(Method::POST, "/v1/auth/login").header("x-session-mode", "cookie");
    let login = login.header("origin", OURS).json(&json!({ "email": jon.email, "password": PASSWORD }));
    let answer = Answer::of(login).await;
    answer.refused(400, "invalid");
    assert!(!answer.headers.contains_key("set-cookie"));
    let token = jon.http.token.clone().unwrap();
    for name in ["marketplace", "__Host-marketplace"] {
        let call = app.as_nobody().request(Method::GET, "/v1/me").header("cookie", format!("{name}={token}"));
        Answer::of(call).await.refused(401, "unauthenticated");
    }
    let plain = app.as_nobody().request(Method::GET, "/v1/me").header("origin", OURS);
    assert!(!Answer::of(plain).await.headers.contains_key("access-control-allow-credentials"));
}
