//! Mail servers that refuse, are silent or break off; mails that cannot be laid out; and strangers' inboxes.

use std::time::Duration;

use futures::{StreamExt, stream};
use marketplace_core::testing::smtp::{Fault, MailServer, Step};
use marketplace_tests::{
    Engine, Person, Server,
    cli::Cli,
    mail,
    people::{PASSWORD, address},
    server::ROOMY,
    stories,
};
use reqwest::Method;
use serde_json::json;

use crate::{execute, metric, number, others_are_served, soon, within};

stories!(
    names_that_broke_mails_are_refused_and_stored_ones_harm_nobody,
    a_mail_server_that_is_silent_stops_nothing_else,
    what_a_mail_server_refuses_is_seen_and_tried_again,
    a_strangers_inbox_is_not_filled,
);

/// Somebody who signed up, and confirmed the address through a mail server.
async fn verified(server: &Server, mails: &MailServer, role: &str, name: &str) -> Person {
    let email = server.sign_up(role, name).await;
    let sent = mails.mail_to(&email, 1).await;
    let token = mail::parse(sent.text.as_bytes()).unwrap().1.token();
    server.as_nobody().post("/v1/auth/verify-email", json!({ "token": token })).await.ok();
    server.person(&email).await
}

async fn start(engine: Engine, mails: &MailServer) -> Server {
    let url = mails.url();
    let settings: Vec<(&str, &str)> = ROOMY.iter().copied().chain([("SMTP_URL", url.as_str())]).collect();
    Server::start_with(engine, &settings).await
}

const BAD_NAMES: [&str; 12] = [
    "Ada\rObi",
    "\rAda",
    "Ada\r",
    "Ada\nObi",
    "Ada\r\nBcc: everybody@example.org",
    "Ada\u{0}",
    "\u{1b}[2JAda",
    "Ada\u{85}Obi",
    "Ada\u{2028}Obi",
    "\u{202e}adA",
    "\u{3164}",
    "\u{200b}\u{2800}",
];

async fn names_that_broke_mails_are_refused_and_stored_ones_harm_nobody(engine: Engine) {
    let server = Server::start(engine).await;
    let jon = server.as_client().await;
    // A morning's sign-ups by somebody who knows.
    let tries = stream::iter(0..600).map(|n| {
        let (http, name) = (server.as_nobody(), BAD_NAMES[n % BAD_NAMES.len()]);
        async move {
            let body = json!({ "role": "client", "email": address("bad"), "password": PASSWORD, "name": name });
            let refused = http.post("/v1/auth/signup", body).await.refused(422, "invalid");
            // NUL is refused wherever it stands.
            assert!(name.contains('\0') || refused["errors"][0]["pointer"] == "/name", "{name:?}: {refused}");
        }
    });
    tries.buffer_unordered(16).collect::<Vec<()>>().await;
    let sam = server.as_staff("admin").await;
    for name in BAD_NAMES {
        jon.patch("/v1/me", json!({ "name": name })).await.refused(422, "invalid");
        let new = json!({ "role": "support", "email": address("bad"), "name": name });
        sam.post("/v1/admin/users", new).await.refused(422, "invalid");
    }
    assert_eq!(number(&server, "SELECT CAST(count(*) AS BIGINT) FROM users").await, 2);

    // What was stored before: names of people, and mails of which nothing can be made, more than go in a round.
    let carriage_return = match engine {
        Engine::Sqlite => "UPDATE users SET name = 'Jon' || char(13) || 'Lee'",
        Engine::Postgres => "UPDATE users SET name = 'Jon' || chr(13) || 'Lee'",
    };
    execute(&server, carriage_return).await;
    let junk = match engine {
        Engine::Sqlite => {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 620) \
             INSERT INTO mail_outbox (id, subject, sealed, not_before, attempts, created_at) \
             SELECT randomblob(16), 'x', randomblob(200), 0, 0, unixepoch() * 1000000 FROM n"
        }
        Engine::Postgres => {
            "INSERT INTO mail_outbox (id, subject, sealed, not_before, attempts, created_at) \
             SELECT gen_random_uuid(), 'x', convert_to('x' || i, 'UTF8'), to_timestamp(0), 0, now() FROM generate_series(1, 620) i"
        }
    };
    execute(&server, junk).await;
    server.as_nobody().post("/v1/auth/password/forgot", json!({ "email": jon.email })).await.ok();
    let reset = server.mail(&jon.email, 2).await;
    assert!(reset.text.contains("Hello Jon Lee,"), "{}", reset.text);
    server.as_worker().await;
    others_are_served(&server, &jon).await;
    soon("each failed alone", async || metric(&server, "mail_failed").await == Some(620.0)).await;
    assert_eq!(metric(&server, "mail_waiting").await, Some(0.0));
    assert_eq!(metric(&server, r#"component_up{component="mail"}"#).await, Some(1.0));
}

async fn a_mail_server_that_is_silent_stops_nothing_else(engine: Engine) {
    let mails = MailServer::start().await;
    let server = start(engine, &mails).await;
    let jon = verified(&server, &mails, "client", "Jon Lee").await;
    let kim = verified(&server, &mails, "client", "Kim Park").await;
    let ada = verified(&server, &mails, "worker", "Ada Obi").await;
    mails.fail(Step::Greeting, Fault::Silent);
    let mut waiting = Vec::new();
    for n in 0..20 {
        waiting.push(server.sign_up("client", &format!("waits {n}")).await);
    }
    // Other due work goes on: an erasure, an approval that ends.
    kim.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    soon("the erasure is swept", async || number(&server, "SELECT CAST(count(*) AS BIGINT) FROM erasures").await == 0)
        .await;
    let expired = match engine {
        Engine::Sqlite => "UPDATE users SET kyc_status = 'approved', kyc_expires_at = 1 WHERE role = 'worker'",
        Engine::Postgres => {
            "UPDATE users SET kyc_status = 'approved', kyc_expires_at = to_timestamp(1) WHERE role = 'worker'"
        }
    };
    execute(&server, expired).await;
    soon("the approval ends", async || {
        number(&server, "SELECT CAST(count(*) AS BIGINT) FROM users WHERE kyc_status = 'expired'").await == 1
    })
    .await;
    others_are_served(&server, &jon).await;
    within(Duration::from_secs(45), "it is in the metrics", async || {
        metric(&server, r#"component_up{component="mail"}"#).await == Some(0.0)
    })
    .await;
    assert!(metric(&server, "mail_waiting").await.unwrap() >= 20.0);
    assert!(metric(&server, r#"timer_failures_total{kind="mail"}"#).await.unwrap() >= 1.0);
    for kind in ["erasures", "kyc_expiry", "jobs", "events"] {
        let counter = format!(r#"timer_failures_total{{kind="{kind}"}}"#);
        assert_eq!(metric(&server, &counter).await, Some(0.0), "{kind}");
    }
    others_are_served(&server, &ada).await;

    // It is mended: who signs up now hears at once, and the others in their turn.
    mails.recover();
    let late = server.sign_up("client", "late").await;
    mails.mail_to(&late, 1).await;
    for email in &waiting {
        mails.mail_to(email, 1).await;
    }
    assert_eq!(metric(&server, r#"component_up{component="mail"}"#).await, Some(1.0));
    let log = server.output();
    assert_eq!(log.matches("the component fails").count(), 1, "one line: {log}");
    let mut accepted: Vec<_> = mails.accepted().into_iter().map(|mail| mail.to).collect();
    let all = accepted.len();
    accepted.sort();
    accepted.dedup();
    // Kim and Ada got another one each.
    assert!(accepted.len() + 2 >= all, "nobody got a mail twice: {all} mails");
}

async fn what_a_mail_server_refuses_is_seen_and_tried_again(engine: Engine) {
    let mails = MailServer::start().await;
    let server = start(engine, &mails).await;
    mails.fail_for("no.such", Fault::Reply("550 5.1.1 no such mailbox"));
    let refused = server.sign_up("client", "no such").await;
    let jon = verified(&server, &mails, "client", "Jon Lee").await;
    let direct = Cli::direct(&server);
    let list = async || direct.json(&["mail", "list", "--status", "failed"]).await;
    soon("it is seen", async || list().await.as_array().is_some_and(|rows| rows.len() == 1)).await;
    let row = list().await[0].clone();
    assert!(row["failure"].as_str().unwrap().contains("550"), "{row}");
    assert!(!row.to_string().contains(&refused), "{row}");
    let id = row["id"].as_str().unwrap().to_owned();

    mails.recover();
    let retried = direct.json(&["mail", "retry", &id, "--yes"]).await;
    assert!(retried.to_string().contains("changed"), "{retried}");
    mails.mail_to(&refused, 1).await;
    let sam = {
        let email = address("sam");
        direct.json(&["users", "create", "--role", "support", "--email", &email, "--name", "Sam", "--yes"]).await;
        let sent = mails.mail_to(&email, 1).await;
        let token = mail::parse(sent.text.as_bytes()).unwrap().1.token();
        let body = json!({ "token": token, "password": PASSWORD });
        server.as_nobody().post("/v1/auth/password/reset", body).await.ok();
        server.person(&email).await
    };
    sam.post(&format!("/v1/admin/mail/{id}/retry"), json!({})).await.refused(404, "not_found");
    soon("the list is empty", async || sam.get("/v1/admin/mail").await.ok()["items"] == json!([])).await;
    others_are_served(&server, &jon).await;
}

async fn a_strangers_inbox_is_not_filled(engine: Engine) {
    // All is roomy but the limit of mails, which is as it comes.
    let settings: Vec<(&str, &str)> =
        ROOMY.iter().copied().filter(|(key, _)| *key != "LIMITS__MAILS_PER_ACCOUNT_HOUR").collect();
    let server = Server::start_with(engine, &settings).await;
    let name = "BUY AT evil.example";
    let mallory = server.verified("client", name).await;
    let other = server.verified("client", name).await;
    let stranger = "stranger@example.net";
    let change = |person: &Person, to: &str| {
        let http = person.http.clone();
        let body = json!({ "email": to, "password": PASSWORD });
        async move { http.post("/v1/auth/email/change", body).await }
    };
    // Two accounts, sign-ups, and mails sent again: whatever it is, five in an hour.
    for n in 0..4 {
        change(&mallory, stranger).await.ok();
        change(&other, stranger).await.ok();
        let body = json!({ "role": "client", "email": stranger, "password": PASSWORD, "name": name });
        server.as_nobody().post("/v1/auth/signup", body).await.ok();
        for path in ["/v1/auth/verify-email/resend", "/v1/auth/password/forgot"] {
            server.as_nobody().post(path, json!({ "email": stranger })).await.ok();
        }
        if n == 0 {
            soon("the first is there", async || !server.mails(stranger).is_empty()).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mails = server.mails(stranger);
    // Of those that wait, newer links take the place of older ones.
    assert!((1..=5).contains(&mails.len()), "{:?}", mails.iter().map(|mail| &mail.subject).collect::<Vec<_>>());
    for mail in &mails {
        assert!(!mail.text.contains("evil.example"), "{}", mail.text);
    }
    // Those who are told of it are not flooded either: then no more is asked for.
    change(&mallory, "another@example.net").await.ok();
    let refused = change(&mallory, "third@example.net").await;
    refused.refused(429, "rate_limited");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(server.mails(&mallory.email).len() <= 1 + 5);
    // Confirmed addresses are greeted by name.
    server.as_nobody().request(Method::GET, "/healthz").send().await.unwrap();
    assert!(server.mails(&mallory.email).iter().any(|mail| mail.text.contains(name)));
    assert!(!server.mails(&mallory.email)[0].text.contains(name), "the first was sent before");
}
