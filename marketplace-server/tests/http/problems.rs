//! What goes wrong is told in one form, on every path.

use marketplace_core::{accounts::model::Status, base::permission::Role, config::Config};
use reqwest::Method;
use serde_json::json;

use crate::harness::{expect, problem, server, server_with, servers};

#[tokio::test]
async fn unknown_paths_and_methods() {
    let server = server().await;
    problem(server.get("/nowhere"), 404, "not_found").await;
    problem(server.get("/v1/nowhere"), 404, "not_found").await;
    problem(server.get("/docs/nowhere.js"), 404, "not_found").await;
    let wrong = server.request(Method::PUT, "/v1/me").send().await.unwrap();
    assert_eq!(wrong.headers()["allow"].to_str().unwrap(), "GET,HEAD,PATCH,DELETE");
    problem(server.request(Method::PUT, "/v1/me"), 405, "invalid").await;
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_do_not_fit_name_the_field() {
    let server = server().await;
    let login =
        |body: &str| server.post("/v1/auth/login").header("content-type", "application/json").body(body.to_owned());
    problem(login("{"), 400, "invalid").await;
    let body = problem(login(r#"{"email": 5, "password": "x"}"#), 422, "invalid").await;
    assert_eq!(body["errors"][0]["pointer"], "/email");
    let body = problem(login(r#"{"email": "a@b.co"}"#), 422, "invalid").await;
    assert_eq!(body["errors"][0]["pointer"], "/password");
    let body = problem(login(r#"{"email": "a@b.co", "password": "x", "admin": true}"#), 422, "invalid").await;
    assert_eq!(body["errors"][0]["pointer"], "/admin");
    problem(login(r#"{"email": "a\u0000@b.co", "password": "x"}"#), 422, "invalid").await;
    problem(server.post("/v1/auth/login").body("email=a"), 415, "unsupported_media").await;
    // A role that signing up does not give.
    let staff = json!({"role": "admin", "email": "a@example.org", "password": "quite a long one", "name": "A"});
    let body = problem(server.post("/v1/auth/signup").json(&staff), 422, "invalid").await;
    assert_eq!(body["errors"][0]["pointer"], "/role");
    server.stop().await;
}

#[tokio::test]
async fn queries_and_ids_that_do_not_fit() {
    for server in servers().await {
        let token = server.token(Role::Admin).await;
        let get = |path: &str| server.get(path).bearer_auth(&token);
        for (query, pointer) in [
            ("limit=0", "/limit"),
            ("limit=201", "/limit"),
            ("limit=99999999999999999999999", "/limit"),
            ("limit=-1", "/limit"),
            ("status=done", "/status"),
            ("role=king", "/role"),
            ("offset=5", "/offset"),
            ("q=a%00b", "/q"),
        ] {
            let body = problem(get(&format!("/v1/admin/users?{query}")), 400, "invalid").await;
            assert_eq!(body["errors"][0]["pointer"], pointer, "{query}");
        }
        problem(get("/v1/admin/users?after=nonsense"), 422, "invalid").await;
        problem(get("/v1/admin/audit/verify?from=1e99"), 400, "invalid").await;
        for id in ["5", "not-a-uuid", "%00", "%ff", "..%2f..%2fetc", "01890000-0000-7000-8000-000000000000"] {
            problem(get(&format!("/v1/admin/users/{id}")), 404, "not_found").await;
        }
        problem(get("/v1/admin/kyc/01890000-0000-7000-8000-000000000000/files/passwd"), 404, "not_found").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn tokens_that_are_none() {
    let server = server().await;
    let (_, good) = server.user(Role::Admin, Status::Active).await;
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none","typ":"JWT"}
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    let last = if parts[2].starts_with('A') { "B" } else { "A" };
    let forged = format!("{}.{}.{last}{}", parts[0], parts[1], &parts[2][1..]);
    let long = "a".repeat(100_000);
    for bad in ["", "x", "a.b.c", "null", &none, &unsigned, &forged, &good[1..], &long[..20_000]] {
        problem(server.get("/v1/me").bearer_auth(bad), 401, "unauthenticated").await;
    }
    problem(server.get("/v1/me"), 401, "unauthenticated").await;
    problem(server.get("/v1/me").basic_auth("a", Some("b")), 401, "unauthenticated").await;
    // A token in the query is no token.
    problem(server.get(&format!("/v1/me?access_token={good}")), 401, "unauthenticated").await;
    expect(server.get("/v1/me").bearer_auth(&good), 200).await;
    server.stop().await;
}

#[tokio::test]
async fn versions() {
    for server in servers().await {
        let token = server.token(Role::Client).await;
        let me = server.get("/v1/me").bearer_auth(&token).send().await.unwrap();
        let tag = me.headers()["etag"].to_str().unwrap().to_owned();
        let rename = |tag: &str| {
            server
                .request(Method::PATCH, "/v1/me")
                .bearer_auth(&token)
                .header("if-match", tag)
                .json(&json!({"name": "Other Name"}))
        };
        problem(rename("\"999\""), 412, "precondition_failed").await;
        problem(rename("nonsense"), 400, "invalid").await;
        let changed = expect(rename(&tag), 200).await;
        assert_eq!(changed["name"], "Other Name");
        problem(rename(&tag), 412, "precondition_failed").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn request_ids_and_headers_are_on_every_answer() {
    let server = server().await;
    for path in ["/healthz", "/v1/me", "/nowhere", "/docs/", "/openapi.json"] {
        let response = server.get(path).header("x-request-id", "mine-1").send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-request-id"], "mine-1", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"), "{path}");
        assert!(headers.get("strict-transport-security").is_none(), "{path}");
        assert_eq!(headers.get("cache-control").is_some_and(|value| value == "no-store"), path.starts_with("/v1/"));
        let response = server.get(path).header("x-request-id", "bad id\"").send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"].len(), 16, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn browsers_of_listed_origins_only() {
    let app = "https://app.example.org";
    let any = ["capacitor://localhost", "https://*.example.net"];
    let listed = |config: &mut Config| config.cors_origins = [app].iter().chain(&any).map(|&own| own.into()).collect();
    let server = server_with(listed, marketplace_server::Options::default()).await;
    let ask = |origin: &'static str| {
        server
            .request(Method::OPTIONS, "/v1/me")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,if-match")
    };
    let answer = ask(app).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], app);
    assert!(answer.headers().get("access-control-allow-credentials").is_none());
    assert!(answer.headers().get("x-request-id").is_some());
    for own in ["capacitor://localhost", "https://a.example.net", "https://a.b.example.net"] {
        assert_eq!(ask(own).send().await.unwrap().headers()["access-control-allow-origin"], own);
    }
    for foreign in ["https://evil.example.org", "https://example.net", "http://a.example.net", "ionic://localhost"] {
        let answer = ask(foreign).send().await.unwrap();
        assert!(answer.headers().get("access-control-allow-origin").is_none(), "{foreign}");
    }
    let answer = server.get("/v1/me").header("origin", app).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], app);
    // Refusals, too: a page has to see why.
    let encoded = server.post("/v1/auth/login").header("content-encoding", "gzip").body("x");
    let odd_host = server.get("/v1/me").header("host", "a:abc");
    for (refused, status) in [(encoded, 415), (odd_host, 400), (server.get("/v1/nowhere"), 404)] {
        let answer = refused.header("origin", app).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["access-control-allow-origin"], app, "{status}");
        assert_eq!(answer.headers().get_all("access-control-allow-origin").iter().count(), 1);
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("retry-after"), "{exposed}");
    }
    let foreign = server.get("/v1/me").header("origin", "https://evil.example.org").header("host", "a:abc");
    assert!(foreign.send().await.unwrap().headers().get("access-control-allow-origin").is_none());
    server.stop().await;
}

#[tokio::test]
async fn health_and_numbers() {
    let server = server().await;
    assert_eq!(expect(server.get("/healthz"), 200).await["status"], "ok");
    assert_eq!(expect(server.get("/readyz"), 200).await["status"], "ok");
    server.get("/v1/me").send().await.unwrap();
    server.get("/v1/users/guess-1").send().await.unwrap();
    // On a listener of their own only, which has health as well and nothing else.
    problem(server.get("/metrics"), 404, "not_found").await;
    assert_eq!(expect(server.operator("/healthz"), 200).await["status"], "ok");
    assert_eq!(expect(server.operator("/readyz"), 200).await["status"], "ok");
    problem(server.operator("/v1/me"), 404, "not_found").await;
    let text = server.operator("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r#"http_requests_total{route="/v1/me",method="GET",status="401"} 1"#), "{text}");
    assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
    assert!(text.contains("http_connections"), "{text}");
    assert!(!text.contains("guess"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_503_and_readiness_says_so() {
    let server = server().await;
    let token = server.token(Role::Admin).await;
    server.test.app().db.close().await;
    expect(server.get("/healthz"), 200).await;
    problem(server.get("/readyz"), 503, "unavailable").await;
    problem(server.get("/v1/admin/users").bearer_auth(&token), 503, "unavailable").await;
    server.stop().await;
}
