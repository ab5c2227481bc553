//! The golden table: every route, and who may use it. A route that is not listed fails, and so does a row without a route.

use std::collections::{BTreeMap, BTreeSet};

use marketplace_core::{
    accounts::model::{Status, UserAction},
    base::{
        change::{Change, RestrictionReason},
        permission::{Permission, Role, permissions},
    },
    staff::{self, StaffOperation, Visitor},
    testing,
};
use serde_json::{Value, json};

use crate::harness::{Server, servers};

/// Anybody.
const ALL: &str = "public";
/// `c`lient, `w`orker, `s`upport, `a`dmin, a`u`ditor.
const SIGNED_IN: &str = "c w s a u";

/// An id that nothing has.
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// Method, path, who, and a body that is well-formed, so that a refusal is about the caller.
#[expect(clippy::too_many_lines, reason = "a row for each route")]
fn table() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let none = Value::Null;
    let token = json!({"token": "nonsense"});
    let email = json!({"email": "nobody@example.org"});
    let decision = json!({"reasons": ["other"]});
    let offer = json!({"price": {"amount": 100, "currency": "EUR"}, "schedule": "Friday", "scope": "A tap"});
    // A code that users, jobs, threads, messages and reviews alike have.
    let reason = json!({"reason": "other"});
    vec![
        ("GET", "/healthz", ALL, none.clone()),
        ("GET", "/readyz", ALL, none.clone()),
        ("GET", "/.well-known/jwks.json", ALL, none.clone()),
        ("GET", "/openapi.json", ALL, none.clone()),
        ("GET", "/docs", ALL, none.clone()),
        ("GET", "/docs/", ALL, none.clone()),
        ("GET", "/docs/{*rest}", ALL, none.clone()),
        ("GET", "/auth/verify-email", ALL, none.clone()),
        ("GET", "/auth/email/confirm", ALL, none.clone()),
        ("GET", "/auth/own-data/delete", ALL, none.clone()),
        ("GET", "/auth/password/forgot", ALL, none.clone()),
        ("GET", "/auth/password/reset", ALL, none.clone()),
        ("GET", "/auth/page.js", ALL, none.clone()),
        ("GET", "/auth/page.css", ALL, none.clone()),
        ("GET", "/unsubscribe", ALL, none.clone()),
        (
            "POST",
            "/v1/auth/signup",
            ALL,
            json!({"role": "client", "email": "new@example.org", "password": "quite a long one", "name": "New"}),
        ),
        ("POST", "/v1/auth/verify-email", ALL, token.clone()),
        ("POST", "/v1/auth/verify-email/resend", ALL, email.clone()),
        ("POST", "/v1/auth/login", ALL, json!({"email": "nobody@example.org", "password": "whatever it is"})),
        ("POST", "/v1/auth/refresh", ALL, json!({"refresh_token": "nonsense"})),
        ("POST", "/v1/auth/password/forgot", ALL, email),
        ("POST", "/v1/auth/password/reset", ALL, json!({"token": "nonsense", "password": "quite a long one"})),
        ("POST", "/v1/auth/email/confirm", ALL, token.clone()),
        ("POST", "/v1/auth/own-data/delete", ALL, token.clone()),
        ("POST", "/v1/auth/own-data/export", ALL, token),
        ("POST", "/v1/auth/own-data/appeal", ALL, json!({"token": "nonsense", "text": "It was not so"})),
        ("POST", "/v1/auth/totp", SIGNED_IN, json!({"password": "not the right one"})),
        ("POST", "/v1/auth/totp/confirm", SIGNED_IN, json!({"code": "000000"})),
        ("DELETE", "/v1/auth/totp", SIGNED_IN, json!({"password": "not the right one", "totp": "000000"})),
        ("POST", "/v1/auth/logout", SIGNED_IN, none.clone()),
        ("POST", "/v1/auth/logout-all", SIGNED_IN, none.clone()),
        (
            "POST",
            "/v1/auth/password/change",
            SIGNED_IN,
            json!({"current_password": testing::PASSWORD, "password": "another long one"}),
        ),
        (
            "POST",
            "/v1/auth/email/change",
            SIGNED_IN,
            json!({"password": testing::PASSWORD, "email": "elsewhere@example.org"}),
        ),
        ("GET", "/v1/auth/oidc", ALL, none.clone()),
        ("GET", "/v1/auth/oidc/{provider}/login", ALL, none.clone()),
        ("GET", "/v1/auth/oidc/{provider}/callback", ALL, none.clone()),
        ("POST", "/v1/auth/oidc/exchange", ALL, json!({"code": "x", "code_verifier": "y"})),
        ("GET", "/v1/me/identities", SIGNED_IN, none.clone()),
        ("DELETE", "/v1/me/identities/{id}", SIGNED_IN, none.clone()),
        ("GET", "/v1/auth/sessions", SIGNED_IN, none.clone()),
        ("DELETE", "/v1/auth/sessions/{id}", SIGNED_IN, none.clone()),
        ("GET", "/v1/me", SIGNED_IN, none.clone()),
        ("PATCH", "/v1/me", SIGNED_IN, json!({})),
        ("DELETE", "/v1/me", "c w", json!({"password": "not the right one"})),
        ("GET", "/v1/me/export", SIGNED_IN, none.clone()),
        ("GET", "/v1/me/kyc", "w", none.clone()),
        ("POST", "/v1/me/kyc", "w", none.clone()),
        ("GET", "/v1/me/jobs", "c w", none.clone()),
        ("GET", "/v1/me/reviews", "c w", none.clone()),
        ("POST", "/v1/jobs", "c w", json!({"thread_id": NOBODY, "offer": offer})),
        ("GET", "/v1/jobs/{id}", "c w", none.clone()),
        ("GET", "/v1/jobs/{id}/history", "c w", none.clone()),
        ("POST", "/v1/jobs/{id}/offers", "c w", json!({"revision": 1, "offer": offer})),
        ("POST", "/v1/jobs/{id}/accept", "c w", json!({"revision": 1})),
        ("POST", "/v1/jobs/{id}/reject", "c w", json!({"reason": "price"})),
        ("POST", "/v1/jobs/{id}/cancel", "c w", json!({"reason": "price"})),
        ("POST", "/v1/jobs/{id}/complete", "c w", none.clone()),
        ("POST", "/v1/jobs/{id}/request-changes", "c w", json!({"comment": "more"})),
        ("POST", "/v1/jobs/{id}/finalize", "c w", none.clone()),
        ("GET", "/v1/jobs/{id}/reviews", "c w", none.clone()),
        ("POST", "/v1/jobs/{id}/reviews", "c w", json!({"rating": 5})),
        ("GET", "/v1/reviews/{id}", "c w", none.clone()),
        ("PATCH", "/v1/reviews/{id}", "c w", json!({})),
        ("POST", "/v1/reviews/{id}/reply", "c w", json!({"text": "Thank you"})),
        ("POST", "/v1/reviews/{id}/flag", "c w", json!({"reason": "spam"})),
        ("POST", "/v1/reports", SIGNED_IN, json!({"target_kind": "user", "target_id": NOBODY, "reason": "spam"})),
        ("GET", "/v1/me/reports", SIGNED_IN, none.clone()),
        ("GET", "/v1/me/decisions", SIGNED_IN, none.clone()),
        ("POST", "/v1/reports/{id}/appeal", SIGNED_IN, json!({"text": "It was not so"})),
        ("GET", "/v1/workers/{id}/reviews", ALL, none.clone()),
        ("GET", "/v1/workers/{id}/rating", ALL, none.clone()),
        ("GET", "/v1/threads", "c w", none.clone()),
        ("POST", "/v1/threads", "c", json!({"service_id": NOBODY})),
        ("GET", "/v1/threads/{id}", "c w", none.clone()),
        ("GET", "/v1/threads/{id}/messages", "c w", none.clone()),
        ("POST", "/v1/threads/{id}/messages", "c w", json!({"client_msg_id": "1", "content": "Hello"})),
        ("POST", "/v1/threads/{id}/read", "c w", json!({"seq": 1})),
        ("POST", "/v1/threads/{id}/attachments", "c w", none.clone()),
        ("GET", "/v1/threads/{id}/attachments/{attachment_id}", "c w", none.clone()),
        ("POST", "/v1/threads/{id}/attachments/{attachment_id}/address", "c w", none.clone()),
        ("GET", "/v1/attachments/{id}", ALL, none.clone()),
        ("POST", "/v1/ws/ticket", "c w", none.clone()),
        ("GET", "/v1/ws", "c w", none.clone()),
        ("GET", "/v1/me/notifications", "c w", none.clone()),
        ("GET", "/v1/me/notifications/unread", "c w", none.clone()),
        ("POST", "/v1/me/notifications/read", "c w", json!({"ids": [NOBODY]})),
        ("GET", "/v1/me/notification-settings", "c w", none.clone()),
        ("PATCH", "/v1/me/notification-settings", "c w", json!({})),
        ("POST", "/v1/unsubscribe", ALL, json!({"token": "nonsense"})),
        ("GET", "/v1/me/client-profile", "c", none.clone()),
        ("PATCH", "/v1/me/client-profile", "c", json!({})),
        ("GET", "/v1/me/worker-profile", "w", none.clone()),
        ("PATCH", "/v1/me/worker-profile", "w", json!({})),
        ("PUT", "/v1/me/picture", "c w", none.clone()),
        ("DELETE", "/v1/me/picture", "c w", none.clone()),
        ("GET", "/v1/me/favorites", "c w", none.clone()),
        ("PUT", "/v1/me/favorites/{id}", "c w", none.clone()),
        ("DELETE", "/v1/me/favorites/{id}", "c w", none.clone()),
        ("GET", "/v1/me/blocks", "c w", none.clone()),
        ("PUT", "/v1/me/blocks/{id}", "c w", none.clone()),
        ("DELETE", "/v1/me/blocks/{id}", "c w", none.clone()),
        ("GET", "/v1/me/services", "w", none.clone()),
        ("GET", "/v1/me/services/{id}", "w", none.clone()),
        ("GET", "/v1/workers/{id}", ALL, none.clone()),
        ("GET", "/v1/workers/{id}/services", ALL, none.clone()),
        ("GET", "/v1/clients/{id}", ALL, none.clone()),
        ("GET", "/v1/pictures/{id}", ALL, none.clone()),
        ("GET", "/v1/categories", ALL, none.clone()),
        ("GET", "/v1/services", ALL, none.clone()),
        ("GET", "/v1/services/suggest", ALL, none.clone()),
        ("GET", "/v1/services/{id}", ALL, none.clone()),
        ("POST", "/v1/services", "w", json!({"title": "Piano lessons", "category": "music"})),
        ("PATCH", "/v1/services/{id}", "w", json!({})),
        ("DELETE", "/v1/services/{id}", "w", none.clone()),
        ("POST", "/v1/services/{id}/publish", "w", none.clone()),
        ("POST", "/v1/services/{id}/close", "w", none.clone()),
        ("PUT", "/v1/services/{id}/photos", "w", json!({"photos": []})),
        ("PUT", "/v1/services/{id}/photos/{n}", "w", none.clone()),
        ("DELETE", "/v1/services/{id}/photos/{n}", "w", none.clone()),
        ("GET", "/v1/photos/{id}", ALL, none.clone()),
        ("GET", "/v1/admin/whoami", SIGNED_IN, none.clone()),
        ("GET", "/v1/admin/stats", "s a u", none.clone()),
        (
            "POST",
            "/v1/admin/viewers",
            "s a u",
            json!({"viewed": {"kind": "user", "id": "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d"}}),
        ),
        ("GET", "/v1/admin/events", "s a u", none.clone()),
        ("GET", "/v1/admin/stats/series", "s a u", none.clone()),
        ("GET", "/v1/admin/kyc", "s a u", none.clone()),
        ("POST", "/v1/admin/kyc/next", "s a", none.clone()),
        ("GET", "/v1/admin/kyc/{id}", "s a u", none.clone()),
        ("GET", "/v1/admin/kyc/{id}/files/{kind}", "s a u", none.clone()),
        ("POST", "/v1/admin/kyc/{id}/claim", "s a", none.clone()),
        ("POST", "/v1/admin/kyc/{id}/release", "s a", none.clone()),
        ("POST", "/v1/admin/kyc/{id}/skip", "s a", none.clone()),
        ("POST", "/v1/admin/kyc/{id}/snooze", "s a", json!({})),
        ("POST", "/v1/admin/kyc/{id}/assign", "s a", json!({})),
        ("POST", "/v1/admin/kyc/{id}/escalate", "s a", json!({"note": "n"})),
        ("POST", "/v1/admin/kyc/{id}/approve", "s a", json!({})),
        ("POST", "/v1/admin/kyc/{id}/retry", "s a", decision.clone()),
        ("POST", "/v1/admin/kyc/{id}/reject", "s a", decision.clone()),
        ("POST", "/v1/admin/kyc/{id}/revoke", "s a", decision),
        ("POST", "/v1/admin/kyc/{id}/undo", "s a", none.clone()),
        ("GET", "/v1/admin/users", "s a u", none.clone()),
        ("POST", "/v1/admin/users", "a", json!({"role": "auditor", "email": "made@example.org", "name": "Made"})),
        ("GET", "/v1/admin/users/{id}", "s a u", none.clone()),
        ("POST", "/v1/admin/users/{id}/reveal", "s a u", none.clone()),
        ("GET", "/v1/admin/users/{id}/export", "a", none.clone()),
        ("POST", "/v1/admin/users/{id}/freeze", "s a", reason.clone()),
        ("POST", "/v1/admin/users/{id}/unfreeze", "s a", none.clone()),
        ("POST", "/v1/admin/users/{id}/ban", "a", reason.clone()),
        ("POST", "/v1/admin/users/{id}/unban", "a", none.clone()),
        ("DELETE", "/v1/admin/users/{id}", "a", reason.clone()),
        ("POST", "/v1/admin/users/{id}/revoke-sessions", "s a", none.clone()),
        ("POST", "/v1/admin/users/{id}/reset-totp", "a", json!({"proof": "in_person"})),
        // What it does ends every other row's tokens.
        ("POST", "/v1/admin/sessions/revoke-all", "a", json!({"reason": "security", "dry_run": true})),
        ("POST", "/v1/admin/users/{id}/role", "a", json!({"role": "client"})),
        ("GET", "/v1/admin/users/{id}/notes", "s a u", none.clone()),
        ("POST", "/v1/admin/users/{id}/notes", "s a", json!({"body": "a note"})),
        ("GET", "/v1/admin/jobs", "s a u", none.clone()),
        ("GET", "/v1/admin/jobs/{id}", "s a u", none.clone()),
        ("GET", "/v1/admin/jobs/{id}/history", "s a u", none.clone()),
        ("POST", "/v1/admin/jobs/{id}/cancel", "s a", reason.clone()),
        ("POST", "/v1/admin/jobs/{id}/finalize", "s a", none.clone()),
        ("GET", "/v1/admin/threads", "s a u", none.clone()),
        ("GET", "/v1/admin/threads/{id}", "s a u", none.clone()),
        ("GET", "/v1/admin/threads/{id}/messages?reason=quality", "s a u", none.clone()),
        ("POST", "/v1/admin/threads/{id}/close", "s a", reason.clone()),
        ("POST", "/v1/admin/threads/{id}/reopen", "s a", none.clone()),
        ("POST", "/v1/admin/threads/{id}/notice", "s a", json!({"content": "a notice"})),
        ("POST", "/v1/admin/messages/{id}/remove", "s a", reason.clone()),
        ("GET", "/v1/admin/reviews", "s a u", none.clone()),
        ("GET", "/v1/admin/reviews/{id}", "s a u", none.clone()),
        ("POST", "/v1/admin/reviews/{id}/dismiss", "s a", none.clone()),
        ("POST", "/v1/admin/reviews/{id}/remove", "s a", reason),
        ("POST", "/v1/admin/reviews/{id}/restore", "s a", none.clone()),
        ("GET", "/v1/admin/reports", "s a u", none.clone()),
        ("POST", "/v1/admin/reports/next", "s a", none.clone()),
        ("GET", "/v1/admin/reports/{id}", "s a u", none.clone()),
        ("POST", "/v1/admin/reports/{id}/claim", "s a", none.clone()),
        ("POST", "/v1/admin/reports/{id}/release", "s a", none.clone()),
        ("POST", "/v1/admin/reports/{id}/resolve", "s a", json!({"reasons": ["spam"], "actions": ["warn"]})),
        ("POST", "/v1/admin/reports/{id}/dismiss", "s a", json!({"reasons": ["other"]})),
        ("POST", "/v1/admin/reports/{id}/undo", "s a", none.clone()),
        ("POST", "/v1/admin/reports/{id}/skip", "s a", none.clone()),
        ("POST", "/v1/admin/reports/{id}/snooze", "s a", json!({"until": "2026-03-03T10:00:00Z", "note": "later"})),
        ("POST", "/v1/admin/reports/{id}/assign", "s a", json!({})),
        ("POST", "/v1/admin/reports/{id}/escalate", "s a", json!({"note": "please"})),
        ("POST", "/v1/admin/reports/{id}/uphold", "s a", json!({})),
        ("POST", "/v1/admin/reports/{id}/reverse", "s a", json!({})),
        ("GET", "/v1/admin/services", "s a u", none.clone()),
        ("GET", "/v1/admin/services/{id}", "s a u", none.clone()),
        ("POST", "/v1/admin/services/{id}/close", "s a", json!({"reason": "spam"})),
        ("POST", "/v1/admin/services/{id}/reopen", "s a", none.clone()),
        ("GET", "/v1/admin/photos/{id}", "s a u", none.clone()),
        ("POST", "/v1/admin/services/{id}/photos/{photo_id}/remove", "s a", json!({"reason": "spam"})),
        ("GET", "/v1/admin/categories", "s a u", none.clone()),
        ("POST", "/v1/admin/categories", "a", json!({"key": "drones", "names": {"en": "Drones"}, "dry_run": true})),
        ("POST", "/v1/admin/categories/{key}/merge", "a", json!({"into": "pets", "dry_run": true})),
        ("PATCH", "/v1/admin/categories/{key}", "a", json!({"position": 20, "dry_run": true})),
        ("GET", "/v1/admin/rules", "s a u", none.clone()),
        (
            "POST",
            "/v1/admin/rules",
            "a",
            json!({"kind": "blocked_domain", "value": "blocked.example", "dry_run": true}),
        ),
        ("POST", "/v1/admin/rules/test", "a", json!({"kind": "words", "value": "scam"})),
        ("PATCH", "/v1/admin/rules/{id}", "a", json!({"note": "disposable"})),
        ("DELETE", "/v1/admin/rules/{id}", "a", none.clone()),
        ("GET", "/v1/admin/mail/{id}", "s a u", none.clone()),
        ("GET", "/v1/admin/threads/{id}/attachments/{attachment_id}?reason=quality", "s a u", none.clone()),
        ("PATCH", "/v1/admin/users/{id}", "s a", json!({"reason": "other", "name": "Ada"})),
        ("POST", "/v1/admin/users/{id}/warn", "s a", json!({"reason": "other", "comment": "Do not"})),
        ("POST", "/v1/admin/users/{id}/resend-verification", "s a", none.clone()),
        ("POST", "/v1/admin/users/{id}/send-password-reset", "s a", none.clone()),
        ("GET", "/v1/admin/users/{id}/sessions", "s a u", none.clone()),
        ("DELETE", "/v1/admin/users/{id}/sessions/{session_id}", "s a", none.clone()),
        ("GET", "/v1/admin/tokens", "s a u", none.clone()),
        (
            "POST",
            "/v1/admin/tokens",
            "a",
            json!({"name": "Night job", "scopes": ["kyc:read"], "expires_in": 3_600, "dry_run": true}),
        ),
        ("DELETE", "/v1/admin/tokens/{id}", "a", none.clone()),
        ("GET", "/v1/admin/mail", "s a u", none.clone()),
        ("POST", "/v1/admin/mail/{id}/retry", "s a", none.clone()),
        ("GET", "/v1/admin/webhooks", "a u", none.clone()),
        (
            "POST",
            "/v1/admin/webhooks",
            "a",
            json!({"url": "https://example.org/", "kinds": ["job.changed"], "dry_run": true}),
        ),
        ("GET", "/v1/admin/webhooks/{id}", "a u", none.clone()),
        ("PATCH", "/v1/admin/webhooks/{id}", "a", json!({})),
        ("DELETE", "/v1/admin/webhooks/{id}", "a", none.clone()),
        ("POST", "/v1/admin/webhooks/{id}/rotate", "a", none.clone()),
        ("POST", "/v1/admin/webhooks/{id}/test", "a", none.clone()),
        ("GET", "/v1/admin/webhooks/{id}/deliveries", "a u", none.clone()),
        ("POST", "/v1/admin/webhooks/{id}/redeliver", "a", json!({"since": "2026-03-03T10:00:00Z"})),
        ("GET", "/v1/admin/audit", "s a u", none.clone()),
        ("GET", "/v1/admin/audit/verify", "s a u", none),
    ]
}

/// Without the query that a call needs.
fn plain(path: &str) -> &str {
    path.split('?').next().unwrap()
}

/// Every route that the router really has, method by method, read from its own debug output: a route added by any way shows.
fn routes(server: &Server) -> BTreeSet<(String, String)> {
    let router = format!("{:?}", marketplace_server::router(server.test.app().clone()).unwrap());
    let paths = router.split_once("paths: {").expect("axum's debug output lists paths").1;
    let paths: Vec<(&str, &str)> = paths
        .split_once('}')
        .map(|_| paths)
        .unwrap()
        .split("RouteId(")
        .skip(1)
        .map_while(|entry| {
            let (id, rest) = entry.split_once("): \"")?;
            Some((id, rest.split_once('"')?.0))
        })
        .collect();
    let mut found = BTreeSet::new();
    for (id, path) in paths {
        let at =
            router.find(&format!("RouteId({id}): MethodRouter(")).or_else(|| router.find(&format!("RouteId({id}): ")));
        let text = &router[at.expect("each path has its handlers")..];
        let end = text.find("allow_header").unwrap_or(text.len());
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some((_, after)) = text[..end].split_once(&format!(" {method}: ")) else { continue };
            if !after.starts_with("None") {
                found.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_route_is_in_the_table_and_in_the_description() {
    let server = crate::harness::server().await;
    let routes = routes(&server);
    assert!(routes.len() > 40, "the router's debug output is read wrongly: {routes:?}");
    let listed: BTreeSet<_> =
        table().into_iter().map(|(method, path, _, _)| (method.to_owned(), plain(path).to_owned())).collect();
    assert_eq!(routes, listed, "left: the router, right: the table");
    // Pages for people are no part of the API.
    let is_page = |path: &str| {
        path == "/openapi.json" || path.starts_with("/docs") || path.starts_with("/auth/") || path == "/unsubscribe"
    };
    let mut described: BTreeSet<_> = routes.iter().filter(|(_, path)| is_page(path)).cloned().collect();
    let description = serde_json::to_value(marketplace_server::description()).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    assert_eq!(routes, described, "left: the router, right: the description");
    for (method, path, who, _) in table() {
        if let Some(operation) = description["paths"].get(plain(path)).and_then(|item| item.get(method.to_lowercase()))
        {
            let ways = operation["security"].as_array().unwrap();
            assert_eq!(ways.is_empty() || ways.contains(&json!({})), who == ALL, "{method} {path}");
        }
    }
    server.stop().await;
}

/// Rows of the table that staff operations declare otherwise.
struct Declared(BTreeMap<(String, String), Option<Permission>>);

impl Visitor for Declared {
    fn visit<O: StaffOperation>(&mut self) {
        self.0.insert((format!("{:?}", O::METHOD), O::PATH.to_owned()), O::PERMISSION);
    }
}

#[test]
fn staff_operations_ask_for_the_permission_that_they_declare() {
    let mut declared = Declared(BTreeMap::new());
    staff::visit(&mut declared);
    for (method, path, who, _) in table() {
        let Some(permission) = declared.0.remove(&(method.to_owned(), plain(path).to_owned())) else {
            assert!(!path.starts_with("/v1/admin/"), "{method} {path} is not declared");
            continue;
        };
        // The rows hold for every role, see below: so this is what is asked for.
        let roles =
            [("c", Role::Client), ("w", Role::Worker), ("s", Role::Support), ("a", Role::Admin), ("u", Role::Auditor)];
        let may = |role| permission.is_none_or(|permission| permissions(role).contains(&permission));
        let letters: Vec<&str> = roles.into_iter().filter(|(_, role)| may(*role)).map(|(letter, _)| letter).collect();
        assert_eq!(letters.join(" "), who, "{method} {path}");
    }
    assert!(declared.0.is_empty(), "not in the table: {:?}", declared.0);
}

async fn call(server: &Server, method: &str, path: &str, body: &Value, token: Option<&str>) -> u16 {
    let path = path
        .replace("{id}", NOBODY)
        .replace("{attachment_id}", NOBODY)
        .replace("{session_id}", NOBODY)
        .replace("{photo_id}", NOBODY)
        .replace("{n}", "1")
        .replace("{key}", "cleaning")
        .replace("{kind}", "document")
        .replace("{*rest}", "swagger-ui.css");
    let mut request = server.request(method.parse().unwrap(), &path);
    if path == "/v1/ws" {
        // What is no handshake is refused before anybody asks who sent it.
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_row_holds_for_every_role() {
    const ROLES: [(&str, Role); 5] =
        [("c", Role::Client), ("w", Role::Worker), ("s", Role::Support), ("a", Role::Admin), ("u", Role::Auditor)];
    for server in servers().await {
        let (banned, banned_token) = server.user(Role::Admin, Status::Active).await;
        // So that somebody is left who may ban an admin.
        server.user(Role::Admin, Status::Active).await;
        let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        marketplace_core::users::act(
            &server.test.app().by(&testing::operator()).with(change.clone()),
            banned,
            &UserAction::Ban,
        )
        .await
        .unwrap();
        let mut tokens = Vec::new();
        for (letter, role) in ROLES {
            tokens.push((letter, role, server.token(role).await));
        }
        for (method, path, who, body) in table() {
            let is_public = who == ALL;
            let anonymous = call(&server, method, path, &body, None).await;
            // Logging in and refreshing answer 401 by themselves: the credential is in the body.
            let by_body = matches!(path, "/v1/auth/login" | "/v1/auth/refresh");
            assert_eq!(anonymous == 401, !is_public || by_body, "anonymous: {method} {path}: {anonymous}");
            let banned = call(&server, method, path, &body, Some(&banned_token)).await;
            assert_eq!(banned == 401, !is_public || by_body, "banned: {method} {path}: {banned}");
            for (letter, role, kept) in &tokens {
                // These end sessions or accounts: each gets a fresh one.
                let consumes = path.starts_with("/v1/auth/") || (path == "/v1/me" && method == "DELETE");
                let token = if consumes && !is_public { server.token(*role).await } else { kept.clone() };
                let status = call(&server, method, path, &body, Some(&token)).await;
                let allowed = is_public || who.split(' ').any(|allowed| allowed == *letter);
                assert_eq!(status == 403, !allowed, "{role}: {method} {path}: {status}");
                assert!(status != 401 || by_body, "{role}: {method} {path}: {status}");
                assert!(status < 500, "{role}: {method} {path}: {status}");
            }
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_frozen_or_demoted_staff_member_loses_the_powers_at_once() {
    for server in servers().await {
        let operator = testing::operator();
        let (id, token) = server.user(Role::Support, Status::Active).await;
        assert_eq!(call(&server, "GET", "/v1/admin/kyc", &Value::Null, Some(&token)).await, 200);
        let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        let app = server.test.app();
        marketplace_core::users::act(&app.by(&operator).with(change.clone()), id, &UserAction::Freeze).await.unwrap();
        assert_eq!(call(&server, "GET", "/v1/admin/kyc", &Value::Null, Some(&token)).await, 403);
        assert_eq!(call(&server, "GET", "/v1/me", &Value::Null, Some(&token)).await, 200);
        server.stop().await;
    }
}
