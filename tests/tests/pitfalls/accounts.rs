//! Accounts: who may be one, who may not, and what is told about them.

use std::time::Duration;

use futures::future::join_all;
use marketplace_tests::{
    Answer, Engine, Server,
    people::{PASSWORD, address},
    server, stories,
};
use reqwest::Method;
use serde_json::{Value, json};

stories![
    signup_makes_no_staff,
    a_banned_or_deleted_user_does_not_log_in,
    lifting_a_restriction_revives_no_deleted_account,
    a_mixed_case_address_logs_in,
    answers_do_not_tell_which_addresses_exist,
    duplicate_numbers_and_concurrent_signups_are_no_fault,
    answers_do_not_tell_whose_a_number_is,
    unicode_and_punycode_are_one_address,
    the_last_admin_stays_and_nobody_acts_on_themselves,
];

async fn signup_makes_no_staff(engine: Engine) {
    let app = Server::start(engine).await;
    let before = app.fingerprint().await;
    for role in ["admin", "support", "auditor", "system", "operator", "Admin", ""] {
        let body = json!({ "role": role, "email": address("eve"), "password": PASSWORD, "name": "Eve" });
        let answer = app.as_nobody().post("/v1/auth/signup", body).await;
        assert!(answer.status.is_client_error(), "{role}: {}", answer.text());
        answer.problem();
    }
    for (key, value) in
        [("is_admin", json!(true)), ("permissions", json!(["users:admin"])), ("kyc_status", json!("approved"))]
    {
        let mut body = json!({ "role": "client", "email": address("eve"), "password": PASSWORD, "name": "Eve" });
        body[key] = value;
        assert!(app.as_nobody().post("/v1/auth/signup", body).await.status.is_client_error(), "{key}");
    }
    assert_eq!(app.fingerprint().await, before);
    let eve = app.as_client().await;
    for body in [json!({ "role": "admin" }), json!({ "name": "Eve", "role": "admin" })] {
        assert!(eve.patch("/v1/me", body).await.status.is_client_error());
    }
    eve.post(&format!("/v1/admin/users/{}/role", eve.id), json!({ "role": "admin" })).await.refused(403, "forbidden");
}

async fn a_banned_or_deleted_user_does_not_log_in(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    for (method, path, reason) in [(Method::POST, "/ban", "fraud"), (Method::DELETE, "", "user_request")] {
        let jon = app.as_client().await;
        let other_session = app.person(&jon.email).await;
        let act = lea.request(method, &format!("/v1/admin/users/{}{path}", jon.id));
        Answer::of(act.json(&json!({ "reason": reason }))).await.ok();
        // Who knows the password is told that the account is closed; nobody else learns even that.
        let told = app.log_in(&jon.email).await;
        assert!(told.status.is_client_error() && told.json()["access_token"].is_null(), "{}", told.text());
        let guess = json!({ "email": jon.email, "password": "not the password" });
        app.as_nobody().post("/v1/auth/login", guess).await.refused(401, "unauthenticated");
        for session in [&jon, &other_session] {
            session.get("/v1/me").await.refused(401, "unauthenticated");
            let body = json!({ "refresh_token": session.refresh_token });
            app.as_nobody().post("/v1/auth/refresh", body).await.refused(401, "unauthenticated");
        }
        // Nor through a new password.
        let mails = app.mails(&jon.email).len();
        app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": jon.email })).await.ok();
        tokio::time::sleep(Duration::from_secs(2)).await;
        for mail in app.mails(&jon.email).iter().skip(mails).filter(|mail| mail.subject.contains("password")) {
            let body = json!({ "token": mail.token(), "password": PASSWORD });
            assert!(app.as_nobody().post("/v1/auth/password/reset", body).await.status.is_client_error());
        }
        assert!(app.log_in(&jon.email).await.status.is_client_error());
    }
}

async fn lifting_a_restriction_revives_no_deleted_account(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let jon = app.as_client().await;
    let user = format!("/v1/admin/users/{}", jon.id);
    lea.post(&format!("{user}/freeze"), json!({ "reason": "other" })).await.ok();
    lea.delete(&user, json!({ "reason": "user_request" })).await.ok();
    for verb in ["unfreeze", "unban", "freeze", "ban", "role", "revoke-sessions"] {
        let body = match verb {
            "role" => json!({ "role": "client" }),
            _ => json!({ "reason": "other" }),
        };
        lea.post(&format!("{user}/{verb}"), body).await;
        assert_eq!(lea.get(&user).await.ok()["user"]["status"], "deleted", "after {verb}");
    }
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    app.log_in(&jon.email).await.refused(401, "unauthenticated");
    // A ban outlives an unfreeze, and a freeze an unban.
    let bea = app.as_client().await;
    let user = format!("/v1/admin/users/{}", bea.id);
    lea.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.ok();
    lea.post(&format!("{user}/unfreeze"), json!({})).await;
    assert_eq!(lea.get(&user).await.ok()["user"]["status"], "banned");
    // Lifting a ban from somebody who never confirmed the address confirms nothing.
    let email = app.sign_up("client", "Cleo").await;
    let cleo = app.person(&email).await;
    let user = format!("/v1/admin/users/{}", cleo.id);
    lea.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.ok();
    let lifted = lea.post(&format!("{user}/unban"), json!({})).await.ok();
    assert_eq!(lifted["item"]["user"]["status"], "unverified");
}

async fn a_mixed_case_address_logs_in(engine: Engine) {
    let app = Server::start(engine).await;
    let email = address("Mixed.Case");
    let sign_up = |email: String| {
        let http = app.as_nobody();
        async move {
            let body = json!({ "role": "client", "email": email, "password": PASSWORD, "name": "M" });
            http.post("/v1/auth/signup", body).await.ok();
        }
    };
    sign_up(email.clone()).await;
    for spelling in [email.clone(), email.to_lowercase(), email.to_uppercase(), format!("  {email} ")] {
        app.log_in(&spelling).await.ok();
    }
    // And another spelling is the same account: no second one comes to be.
    let count = "SELECT CAST(count(*) AS BIGINT) FROM users";
    let db = app.db().await;
    assert_eq!(server::number(&db, count).await, 1);
    sign_up(email.to_uppercase()).await;
    assert_eq!(server::number(&db, count).await, 1);
}

async fn answers_do_not_tell_which_addresses_exist(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let stranger = address("nobody");
    let same = |here: &Answer, there: &Answer| {
        assert_eq!(here.status, there.status, "{}", here.asked);
        let plain = |answer: &Answer| {
            let mut body = answer.json();
            if let Some(body) = body.as_object_mut() {
                body.remove("request_id");
            }
            body
        };
        assert_eq!(plain(here), plain(there), "{}", here.asked);
    };
    let http = app.as_nobody();
    for path in ["/v1/auth/password/forgot", "/v1/auth/verify-email/resend"] {
        same(
            &http.post(path, json!({ "email": jon.email })).await,
            &http.post(path, json!({ "email": stranger })).await,
        );
    }
    let log_in = |email: &str| json!({ "email": email, "password": "not the password at all" });
    same(&http.post("/v1/auth/login", log_in(&jon.email)).await, &http.post("/v1/auth/login", log_in(&stranger)).await);
    let sign_up =
        |email: &str| json!({ "role": "worker", "email": email, "password": "another password", "name": "Eve" });
    same(
        &http.post("/v1/auth/signup", sign_up(&jon.email)).await,
        &http.post("/v1/auth/signup", sign_up(&stranger)).await,
    );
    // Whoever owns the address is told, and the account is as it was.
    app.mail(&jon.email, 3).await;
    assert!(app.mails(&jon.email).iter().any(|mail| mail.text.contains("already have an account")));
    app.log_in(&jon.email).await.ok();
    assert_eq!(jon.get("/v1/me").await.ok()["role"], "client");
}

async fn duplicate_numbers_and_concurrent_signups_are_no_fault(engine: Engine) {
    let app = Server::start(engine).await;
    let email = address("many");
    let users = "SELECT CAST(count(*) AS BIGINT) FROM users";
    let db = app.db().await;
    // One address, twenty times at once: one account, and everybody is answered alike.
    let answers = join_all((0..20).map(|_| {
        let (http, body) =
            (app.as_nobody(), json!({ "role": "client", "email": email, "password": PASSWORD, "name": "M" }));
        async move { http.post("/v1/auth/signup", body).await }
    }))
    .await;
    for answer in &answers {
        assert!(answer.status.is_success() || answer.refused(503, "busy").is_object(), "{}", answer.text());
    }
    assert_eq!(server::number(&db, users).await, 1);
    // One number, ten addresses at once: everybody is answered alike, and the first who confirms the address has it.
    let emails: Vec<String> = (0..10).map(|n| address(&format!("p{n}"))).collect();
    join_all(emails.iter().map(|email| {
        let body = json!({ "role": "client", "email": email, "password": PASSWORD, "name": "P", "phone": "+44 (0)20 7183 8750" });
        let http = app.as_nobody();
        async move {
            let answer = http.post("/v1/auth/signup", body).await;
            assert!(answer.status.is_success() || answer.refused(503, "busy").is_object(), "{}", answer.text());
        }
    }))
    .await;
    let with_number = "SELECT CAST(count(*) AS BIGINT) FROM users WHERE phone = '+442071838750'";
    assert_eq!(server::number(&db, with_number).await, 0);
    for email in &emails[..3] {
        let token = app.mail(email, 1).await.token();
        app.as_nobody().post("/v1/auth/verify-email", json!({ "token": token })).await.ok();
        assert_eq!(server::number(&db, with_number).await, 1);
    }
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    jon.patch("/v1/me", json!({ "phone": "+33142685300" })).await.ok();
    bea.patch("/v1/me", json!({ "phone": "+33 1 42 68 53 00" })).await.refused(409, "conflict");
    assert_eq!(bea.get("/v1/me").await.ok()["phone"], Value::Null);
}

/// Nor does the account that comes of it, which needs no mailbox to look at.
async fn answers_do_not_tell_whose_a_number_is(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    jon.patch("/v1/me", json!({ "phone": "+442071838750" })).await.ok();
    let mut seen = Vec::new();
    for number in ["+442071838750", "+442071838751"] {
        let email = address("eve");
        let body = json!({ "role": "worker", "email": email, "password": PASSWORD, "name": "Eve", "phone": number });
        let answer = app.as_nobody().post("/v1/auth/signup", body.clone()).await;
        let again = app.as_nobody().post("/v1/auth/signup", body).await;
        let eve = app.person(&email).await;
        seen.push((
            answer.status,
            answer.text(),
            again.status,
            again.text(),
            eve.get("/v1/me").await.ok()["phone"].clone(),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(jon.get("/v1/me").await.ok()["phone"], "+442071838750");
}

async fn unicode_and_punycode_are_one_address(engine: Engine) {
    let app = Server::start(engine).await;
    let sign_up = |email: &str| json!({ "role": "client", "email": email, "password": PASSWORD, "name": "Jon" });
    for spelling in ["Jon@München.example", "jon@xn--mnchen-3ya.example"] {
        app.as_nobody().post("/v1/auth/signup", sign_up(spelling)).await.ok();
    }
    assert_eq!(server::number(&app.db().await, "SELECT CAST(count(*) AS BIGINT) FROM users").await, 1);
    for spelling in ["jon@münchen.example", "JON@XN--MNCHEN-3YA.EXAMPLE", "jon@mu\u{308}nchen.example"] {
        app.log_in(spelling).await.ok();
    }
    // Mail goes to the form that every server understands.
    let form = "jon@xn--mnchen-3ya.example";
    app.mail(form, 2).await;
    assert!(app.mails(form).iter().any(|mail| mail.text.contains("already have an account")));
    for bad in
        ["jon@münchen..example", "jon..lee@example.org", ".jon@example.org", "jon@-example.org", "jon@example-.org"]
    {
        app.as_nobody().post("/v1/auth/signup", sign_up(bad)).await.refused(422, "invalid");
    }
}

async fn the_last_admin_stays_and_nobody_acts_on_themselves(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, mia) = (app.as_staff("admin").await, app.as_staff("admin").await);
    let user = |person: &str, verb: &str| format!("/v1/admin/users/{person}{verb}");
    for (verb, body) in [
        ("/freeze", json!({ "reason": "other" })),
        ("/ban", json!({ "reason": "other" })),
        ("/role", json!({ "role": "auditor" })),
    ] {
        lea.post(&user(&lea.id, verb), body).await.refused(403, "forbidden");
    }
    lea.delete(&user(&lea.id, ""), json!({ "reason": "other" })).await.refused(403, "forbidden");
    // Both at once against each other: one of them is left.
    let (one, other) = (user(&lea.id, "/role"), user(&mia.id, "/role"));
    let (first, second) =
        tokio::join!(lea.post(&other, json!({ "role": "auditor" })), mia.post(&one, json!({ "role": "auditor" })),);
    let won = [&first, &second].iter().filter(|answer| answer.status.is_success()).count();
    assert!(won <= 1, "{} {}", first.text(), second.text());
    let db = app.db().await;
    let admins = "SELECT CAST(count(*) AS BIGINT) FROM users WHERE role = 'admin' AND status = 'active'";
    assert!(server::number(&db, admins).await >= 1);
    let cli = marketplace_tests::cli::Cli::direct(&app);
    for id in [&lea.id, &mia.id] {
        cli.run(&["users", "ban", id, "--reason", "other", "--yes"]).await;
    }
    assert_eq!(server::number(&db, admins).await, 1, "the last one stays, whoever asks");
}
