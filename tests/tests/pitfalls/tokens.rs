//! Tokens for scripts and second factors.

use marketplace_tests::{
    Engine, Person, Server,
    cli::Cli,
    people::{PASSWORD, address},
    server, stories,
};
use serde_json::{Value, json};

stories![
    a_token_does_what_its_scopes_say_and_nothing_else,
    a_banned_owners_token_is_dead,
    a_token_reaches_nobodys_own_account,
    no_token_makes_itself_a_greater_one,
    no_token_gives_away_what_it_may_not_do,
    searching_is_no_way_around_masking,
    a_required_second_factor_binds_tokens_too,
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
        "webhooks:read" => vec!["/v1/admin/webhooks"],
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
        "webhooks:read",
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

async fn no_token_gives_away_what_it_may_not_do(engine: Engine) {
    let app = Server::start(engine).await;
    let (admin, jon) = (app.as_staff("admin").await, app.as_client().await);
    let mia = app.as_staff("admin").await;
    let made = token(&admin, &admin.id, &["users:admin"]).await;
    let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
    let new = |role: &str| json!({ "role": role, "email": address(role), "name": "New" });
    for role in ["admin", "support", "auditor"] {
        script.post("/v1/admin/users", new(role)).await.refused(403, "forbidden");
        let path = format!("/v1/admin/users/{}/role", jon.id);
        script.post(&path, json!({ "role": role })).await.refused(403, "forbidden");
    }
    script.post("/v1/admin/users", new("client")).await.ok();
    script.get(&format!("/v1/admin/users/{}/export", jon.id)).await.refused(403, "forbidden");
    let of_mia = |verb: &str| format!("/v1/admin/users/{}/{verb}", mia.id);
    let proof = json!({ "proof": "colleague" });
    script.post(&of_mia("reset-totp"), proof).await.refused(403, "forbidden");
    script.post(&of_mia("ban"), json!({ "reason": "security" })).await.ok();
    script.post(&of_mia("unban"), json!({})).await.refused(403, "forbidden");
    admin.post(&of_mia("unban"), json!({})).await.ok();
    // Who is promoted logs in anew.
    admin.post(&format!("/v1/admin/users/{}/role", jon.id), json!({ "role": "admin" })).await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    app.person(&jon.email).await.get("/v1/admin/users").await.ok();
}

/// Over HTTP and over the database, one letter more at a time.
async fn searching_is_no_way_around_masking(engine: Engine) {
    let app = Server::start(engine).await;
    let (admin, jon) = (app.as_staff("admin").await, app.as_client().await);
    jon.patch("/v1/me", json!({ "phone": "+442071838750" })).await.ok();
    let made = token(&admin, &admin.id, &["users:read"]).await;
    let script = app.as_nobody().with_token(made["secret"].as_str().unwrap());
    let encoded = |q: &str| q.replace('+', "%2B").replace('@', "%40");
    let found = async |q: &str| {
        script.get(&format!("/v1/admin/users?q={}", encoded(q))).await.ok()["items"].as_array().unwrap().len()
    };
    let on_record = "SELECT CAST(count(*) AS BIGINT) FROM audit_log WHERE action = 'users.search'";
    let db = app.db().await;
    let before = server::number(&db, on_record).await;
    let name = "jon.lee.";
    assert!(jon.email.to_lowercase().starts_with(name), "{}", jon.email);
    for length in 1..jon.email.len() {
        let beginning = &jon.email[..length];
        // What a name begins with, it finds; of the rest nothing.
        let of_the_name = name.starts_with(&beginning.to_lowercase());
        assert_eq!(found(beginning).await > 0, of_the_name, "{beginning}");
    }
    for length in 1.."+442071838750".len() {
        assert_eq!(found(&"+442071838750"[..length]).await, 0);
    }
    assert_eq!((found(&jon.email).await, found("+442071838750").await), (1, 1), "whole values are found");
    // Each of them is on record: whole ones can be guessed.
    let before = {
        let after = server::number(&db, on_record).await;
        assert!(after >= before + 12, "{before} {after}");
        after
    };
    // Whoever may reveal may look so, and is seen to.
    let (start, _) = jon.email.split_once('@').unwrap();
    let q = format!("{start}@exa");
    let here = admin.get(&format!("/v1/admin/users?q={}", encoded(&q))).await.ok();
    assert_eq!(here["items"].as_array().unwrap().len(), 1);
    assert_eq!(server::number(&db, on_record).await, before + 1);
    let there = Cli::direct(&app).run(&["users", "list", "--q", &q, "-o", "jsonl"]).await;
    assert_eq!(there.ok().stdout.lines().count(), 1);
    assert_eq!(server::number(&db, on_record).await, before + 2);
}

async fn a_required_second_factor_binds_tokens_too(engine: Engine) {
    let mut app = Server::start(engine).await;
    let admin = app.as_staff("admin").await;
    let made = token(&admin, &admin.id, &["kyc:read"]).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    app.as_nobody().with_token(&secret).get("/v1/admin/kyc").await.ok();
    app.stop().await;
    app.set("REQUIRE_STAFF_TOTP", "true");
    app.run().await;
    app.as_nobody().with_token(&secret).get("/v1/admin/kyc").await.refused(403, "forbidden");
}
