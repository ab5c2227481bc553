//! Tokens for scripts and second factors.

use marketplace_tests::{Engine, Person, Server, people::PASSWORD, stories};
use serde_json::{Value, json};

stories![
    a_token_does_what_its_scopes_say_and_nothing_else,
    a_banned_owners_token_is_dead,
    a_token_reaches_nobodys_own_account,
    no_token_makes_itself_a_greater_one,
];

async fn token(admin: &Person, owner: &str, scopes: &[&str]) -> Value {
    let body = json!({ "name": "Script", "scopes": scopes, "expires_in": 3_600, "owner_id": owner });
    admin.post("/v1/admin/tokens", body).await.ok()["item"].clone()
}

/// The scope is asked for in core: over HTTP there is no way around it, whatever the route and whatever the owner may.
async fn a_token_does_what_its_scopes_say_and_nothing_else(engine: Engine) {
    let app = Server::start(engine).await;
    let (admin, jon) = (app.as_staff("admin").await, app.as_client().await);
    let of = |scope: &str| match scope {
        "kyc:read" => vec!["/v1/admin/kyc"],
        "users:read" => vec!["/v1/admin/users"],
        "jobs:read" => vec!["/v1/admin/jobs"],
        "threads:read" => vec!["/v1/admin/threads"],
        "reviews:read" => vec!["/v1/admin/reviews"],
        "audit:read" => vec!["/v1/admin/audit", "/v1/admin/audit/verify"],
        "stats:read" => vec!["/v1/admin/stats", "/v1/admin/events"],
        "tokens:read" => vec!["/v1/admin/tokens"],
        _ => panic!("{scope}"),
    };
    let scopes = [
        "kyc:read",
        "users:read",
        "jobs:read",
        "threads:read",
        "reviews:read",
        "audit:read",
        "stats:read",
        "tokens:read",
    ];
    for scope in scopes {
        let made = token(&admin, &admin.id, &[scope]).await;
        let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
        for other in scopes {
            for path in of(other) {
                let answer = script.get(path).await;
                assert_eq!(answer.status.as_u16(), if other == scope { 200 } else { 403 }, "{scope}: {path}");
            }
        }
        for (path, body) in [
            (format!("/v1/admin/users/{}/ban", jon.id), json!({ "reason": "fraud" })),
            (format!("/v1/admin/users/{}/reveal", jon.id), json!({})),
            (format!("/v1/admin/users/{}/reset-totp", jon.id), json!({})),
            ("/v1/admin/kyc/next".to_owned(), json!({})),
            ("/v1/admin/users".to_owned(), json!({ "role": "admin", "email": "me@example.org", "name": "Me" })),
        ] {
            script.post(&path, body).await.refused(403, "forbidden");
        }
    }
    jon.get("/v1/me").await.ok();
}

async fn a_banned_owners_token_is_dead(engine: Engine) {
    let app = Server::start(engine).await;
    let (admin, sam) = (app.as_staff("admin").await, app.as_staff("support").await);
    let made = token(&admin, &sam.id, &["kyc:read"]).await;
    let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
    script.get("/v1/admin/kyc").await.ok();
    let path = |what: &str| format!("/v1/admin/users/{}/{what}", sam.id);
    admin.post(&path("freeze"), json!({ "reason": "other" })).await.ok();
    script.get("/v1/admin/kyc").await.refused(401, "unauthenticated");
    admin.post(&path("unfreeze"), json!({})).await.ok();
    script.get("/v1/admin/kyc").await.ok();
    admin.post(&path("ban"), json!({ "reason": "fraud" })).await.ok();
    script.get("/v1/admin/kyc").await.refused(401, "unauthenticated");
    // Lifting the ban revives no old token.
    admin.post(&path("unban"), json!({})).await.ok();
    script.get("/v1/admin/kyc").await.refused(401, "unauthenticated");
    // Nor does a role that comes back.
    let made = token(&admin, &sam.id, &["kyc:read"]).await;
    let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
    script.get("/v1/admin/kyc").await.ok();
    admin.post(&path("role"), json!({ "role": "client" })).await.ok();
    admin.post(&path("role"), json!({ "role": "support" })).await.ok();
    script.get("/v1/admin/kyc").await.refused(401, "unauthenticated");
}

async fn a_token_reaches_nobodys_own_account(engine: Engine) {
    let app = Server::start(engine).await;
    let admin = app.as_staff("admin").await;
    let made = token(&admin, &admin.id, &["users:admin", "users:write", "tokens:write"]).await;
    let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
    for path in ["/v1/me", "/v1/auth/sessions"] {
        script.get(path).await.refused(403, "forbidden");
    }
    let password = json!({ "password": PASSWORD });
    for (path, body) in [
        ("/v1/auth/logout", json!({})),
        ("/v1/auth/logout-all", json!({})),
        ("/v1/auth/password/change", json!({ "current_password": PASSWORD, "password": "another long phrase" })),
        ("/v1/auth/email/change", json!({ "password": PASSWORD, "email": "elsewhere@example.org" })),
        ("/v1/auth/totp", password.clone()),
        ("/v1/auth/totp/confirm", json!({ "code": "000000" })),
        ("/v1/ws/ticket", json!({})),
    ] {
        script.post(path, body).await.refused(403, "forbidden");
    }
    script.delete("/v1/auth/totp", password).await.refused(403, "forbidden");
    let refresh = json!({ "refresh_token": made["secret"] });
    app.as_nobody().post("/v1/auth/refresh", refresh).await.refused(401, "unauthenticated");
    // And no owner's account is the token's to decide about.
    let own = format!("/v1/admin/users/{}/role", admin.id);
    script.post(&own, json!({ "role": "client" })).await.refused(403, "forbidden");
    admin.get("/v1/me").await.ok();
}

async fn no_token_makes_itself_a_greater_one(engine: Engine) {
    let app = Server::start(engine).await;
    let admin = app.as_staff("admin").await;
    let made = token(&admin, &admin.id, &["tokens:write", "kyc:read"]).await;
    let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
    let wish = |scope: &str, seconds: u64| json!({ "name": "More", "scopes": [scope], "expires_in": seconds });
    script.post("/v1/admin/tokens", wish("users:admin", 60)).await.refused(403, "forbidden");
    script.post("/v1/admin/tokens", wish("kyc:read", 7_200)).await.refused(422, "invalid");
    script.post("/v1/admin/tokens", wish("kyc:read", 60)).await.ok();
    let plain = token(&admin, &admin.id, &["kyc:read", "tokens:read"]).await;
    let script = app.as_nobody().with_token(plain["secret"].as_str().unwrap());
    script.post("/v1/admin/tokens", wish("kyc:read", 60)).await.refused(403, "forbidden");
}
