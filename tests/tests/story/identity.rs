//! The whole slice, told once on each engine: people sign up and submit documents, staff clear the queue over the API and
//! from the command line, and the audit log holds all of it.

use std::time::Duration;

use marketplace_tests::{Answer, Engine, Server, cli::Cli, people::PASSWORD, pictures, server, stories};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

stories![
    from_signup_to_approval,
    the_command_line_clears_the_queue_either_way_in,
    a_decision_waits_ten_seconds_and_can_be_taken_back,
    users_are_managed_and_told,
    an_edited_audit_log_is_found_out,
    a_server_that_is_asked_to_stop_finishes_what_it_began,
    an_address_changes_only_once_the_new_one_is_confirmed,
    sessions_are_listed_and_ended_one_by_one,
    mails_come_in_the_language_that_a_browser_prefers,
];

/// Past the time in which a decision can be undone, and then until `done`.
async fn after_undo(mut done: impl AsyncFnMut() -> bool) {
    tokio::time::sleep(Duration::from_secs(10)).await;
    for _ in 0..200 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not take effect within 30 s");
}

async fn from_signup_to_approval(engine: Engine) {
    let app = Server::start(engine).await;

    // Nothing works before the address is confirmed but what leads there.
    let email = app.sign_up("worker", "Ada Obi").await;
    let unverified = app.person(&email).await;
    assert_eq!(unverified.get("/v1/me").await.ok()["status"], "unverified");
    unverified.submit(pictures::jpeg(1), pictures::jpeg(2)).await.refused(403, "forbidden");
    let token = app.mail(&email, 1).await.token();
    app.as_nobody().post("/v1/auth/verify-email", json!({ "token": token })).await.ok();
    let ada = app.person(&email).await;
    assert_eq!(ada.get("/v1/me").await.ok()["status"], "active");
    assert_eq!(ada.get("/v1/me/kyc").await.ok()["status"], "none");

    // A document by its content, whatever it is called.
    let (document, selfie) = (pictures::png(3), pictures::jpeg(4));
    let own = ada.submit_as("national_id", "scan.txt", document.clone(), selfie.clone()).await.ok();
    assert_eq!((own["status"].as_str(), own["may_submit"].as_bool()), (Some("pending"), Some(false)));
    let attempt = own["attempts"][0]["id"].as_str().unwrap().to_owned();

    // Staff see it masked, claim it, and look at the files as they were sent.
    let sam = app.as_staff("support").await;
    let queue = sam.get("/v1/admin/kyc").await.ok();
    assert_eq!(queue["items"].as_array().unwrap().len(), 1);
    let row = &queue["items"][0];
    assert_eq!((row["id"].as_str(), row["name"].as_str()), (Some(attempt.as_str()), Some("Ada O•••")));
    let next = sam.post("/v1/admin/kyc/next", json!({})).await.ok();
    let fence = next["attempt"]["claim"]["fence"].as_i64().unwrap();
    assert_eq!(next["attempt"]["claim"]["mine"], true);
    assert!(!next.to_string().contains(&email), "a case shows masked data only");
    for (kind, media_type, bytes) in [("document", "image/png", &document), ("selfie", "image/jpeg", &selfie)] {
        let file = sam.get(&format!("/v1/admin/kyc/{attempt}/files/{kind}")).await;
        assert!(file.status.is_success(), "{}", file.text());
        assert_eq!(file.headers["content-type"], media_type);
        assert_eq!(file.headers["cache-control"], "no-store");
        assert_eq!(file.headers["x-content-type-options"], "nosniff");
        assert_eq!(&file.body, bytes);
    }
    assert!(stored_files_are_unreadable(&app, &document), "files are encrypted at rest");

    let case = sam.decide(&attempt, "approve", json!({ "fence": fence, "note": "clear" })).await.ok();
    assert_eq!(case["item"]["attempt"]["status"], "approved");

    // The worker hears of it when it can no longer be undone.
    assert_eq!(ada.get("/v1/me/kyc").await.ok()["status"], "pending");
    assert_eq!(app.mails(&email).len(), 1);
    after_undo(async || ada.get("/v1/me/kyc").await.ok()["status"] == "approved").await;
    let told = app.mail(&email, 2).await;
    assert!(told.subject.contains("confirmed"), "{told:?}");
    assert!(!told.text.contains("clear"), "the internal note is nobody's but staff's");

    // All of it is on record, by whom and about what, and the chain holds.
    let audit = sam.get("/v1/admin/audit?limit=200").await.ok();
    let rows = audit["items"].as_array().unwrap().clone();
    let by_sam = format!("user:{}", sam.id);
    let done = |actor: &str| -> Vec<String> {
        rows.iter()
            .filter(|row| row["actor"] == actor && row["target"] == attempt.as_str())
            .map(|row| row["action"].as_str().unwrap().to_owned())
            .collect()
    };
    let done = done(&by_sam);
    for action in ["approve", "claim", "view"] {
        assert!(
            done.iter().any(|name| name.starts_with("kyc.") && name.contains(action)),
            "{action} is not in {done:?}"
        );
    }
    assert!(rows.iter().any(|row| row["actor"].as_str().unwrap().starts_with("local:")), "the operator made Sam");
    for personal in [email.as_str(), "Ada Obi", "clear"] {
        assert!(!audit.to_string().contains(personal), "the audit log holds ids, never `{personal}`");
    }
    assert_eq!(sam.get("/v1/admin/audit/verify?from=1&limit=1000").await.ok()["broken"], Value::Null);
}

fn stored_files_are_unreadable(app: &Server, document: &[u8]) -> bool {
    let mut folders = vec![app.data().join("files")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            seen += 1;
            let bytes = std::fs::read(entry.path()).unwrap();
            if bytes.windows(32).any(|part| part == &document[..32]) || bytes.starts_with(&[0xFF, 0xD8]) {
                return false;
            }
        }
    }
    seen == 2
}

async fn the_command_line_clears_the_queue_either_way_in(engine: Engine) {
    let app = Server::start(engine).await;
    let sam = app.as_staff("support").await;
    let token = sam.http.token.clone().unwrap();
    for (way, cli) in [("direct", Cli::direct(&app)), ("api", Cli::remote(&app, &token))] {
        let (ada, bea) = (app.as_worker().await, app.as_worker().await);
        let (first, second) = (ada.submit_good(1).await, bea.submit_good(3).await);

        let list = cli.json(&["kyc", "list"]).await;
        let ids: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [first.as_str(), second.as_str()], "{way}: oldest first");

        // Off a terminal nothing is decided without --yes, and --dry-run changes nothing.
        let unasked = cli.run(&["kyc", "approve", &first]).await;
        assert_eq!((unasked.code, unasked.stdout.as_str()), (2, ""), "{way}: {}", unasked.stderr);
        assert!(unasked.stderr.starts_with("error: ") && unasked.stderr.contains("hint: "), "{}", unasked.stderr);
        let before = app.fingerprint().await;
        cli.run(&["kyc", "approve", &first, "--dry-run"]).await.ok();
        assert_eq!(app.fingerprint().await, before, "{way}: a dry run changes nothing");

        // A batch from stdin, then the same again: what is done is said to be done, not done twice.
        let input = format!("{first}\n");
        let batch = ["kyc", "approve", "--stdin", "--yes", "-o", "jsonl"];
        assert_eq!(cli.run_with_input(&batch, &input).await.ok().stdout.lines().count(), 1);
        let again = cli.run_with_input(&batch, &input).await;
        again.ok();
        assert!(again.stdout.contains("unchanged"), "{way}: {}", again.stdout);
        cli.run(&["kyc", "reject", &second, "--reason", "suspected_forgery", "--yes"]).await.ok();
        assert_eq!(cli.run(&["kyc", "list", "-o", "jsonl"]).await.ok().stdout, "", "{way}: the queue is empty");

        // Exit codes say what happened.
        let unknown = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";
        for (code, arguments) in [
            (2, vec!["kyc", "reject", second.as_str(), "--yes"]),
            (2, vec!["kyc", "frobnicate"]),
            (3, vec!["kyc", "show", unknown]),
            (5, vec!["kyc", "approve", second.as_str(), "--yes"]),
        ] {
            let ended = cli.run(&arguments).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{way} {arguments:?}: {}", ended.stderr);
        }
        cli.run(&["audit", "verify"]).await.ok();
        after_undo(async || bea.get("/v1/me/kyc").await.ok()["status"] == "rejected").await;
        let told = &bea.get("/v1/me/kyc").await.ok()["attempts"][0];
        assert_eq!(told["reasons"], json!(["suspected_forgery"]));
        bea.submit(pictures::jpeg(9), pictures::jpeg(9)).await.refused(409, "conflict");
    }
    let stranger = Cli::remote(&app, "not.a.token").run(&["kyc", "list"]).await;
    assert_eq!((stranger.code, stranger.stdout.as_str()), (4, ""), "{}", stranger.stderr);
    let mut app = app;
    app.kill();
    let nobody = Cli::remote(&app, &token).run(&["kyc", "list"]).await;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (7, ""), "{}", nobody.stderr);
}

async fn a_decision_waits_ten_seconds_and_can_be_taken_back(engine: Engine) {
    let app = Server::start(engine).await;
    let (sam, lea) = (app.as_staff("support").await, app.as_staff("admin").await);
    let ada = app.as_worker().await;
    let attempt = ada.submit_good(1).await;

    let undo = format!("/v1/admin/kyc/{attempt}/undo");
    let fence = sam.claim(&attempt).await;
    let reject = json!({ "fence": fence, "reasons": ["underage"] });
    sam.decide(&attempt, "reject", reject.clone()).await.ok();
    lea.post(&undo, json!({})).await.problem();
    let back = sam.post(&undo, json!({})).await.ok();
    assert!(["pending", "in_review"].contains(&back["item"]["attempt"]["status"].as_str().unwrap()), "{back}");

    // The undone decision never reaches the worker; the second one does, and is then for good.
    let fence = sam.claim(&attempt).await;
    sam.decide(&attempt, "retry", json!({ "fence": fence, "reasons": ["document_unreadable"] })).await.ok();
    after_undo(async || ada.get("/v1/me/kyc").await.ok()["status"] == "retry").await;
    sam.post(&undo, json!({})).await.refused(409, "conflict");
    let told = app.mail(&ada.email, 2).await;
    assert!(told.text.contains("good light"), "the reason's text is in the mail: {told:?}");
    assert_eq!(app.mails(&ada.email).len(), 2, "one to confirm the address, one about the decision that stood");

    // A second attempt is its own, and the first stays on record.
    let second = ada.submit_good(5).await;
    assert_ne!(second, attempt);
    let case = sam.get(&format!("/v1/admin/kyc/{second}")).await.ok();
    assert_eq!(
        (case["attempt"]["number"].as_i64(), case["others"][0]["id"].as_str()),
        (Some(2), Some(attempt.as_str()))
    );
}

async fn users_are_managed_and_told(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, sam) = (app.as_staff("admin").await, app.as_staff("support").await);
    let jon = app.as_client().await;
    let user = format!("/v1/admin/users/{}", jon.id);

    let found = sam.get(&format!("/v1/admin/users?q={}", jon.email)).await.ok();
    assert_eq!(found["items"][0]["id"], jon.id.as_str());
    assert!(!found.to_string().contains(&jon.email), "lists are masked");
    assert_eq!(sam.post(&format!("{user}/reveal"), json!({})).await.ok()["email"], jon.email.as_str());

    // Freezing needs a reason, leaves the log-in, and is lifted again.
    sam.post(&format!("{user}/freeze"), json!({})).await.refused(422, "invalid");
    let frozen = sam.post(&format!("{user}/freeze"), json!({ "reason": "security", "note": "odd log-ins" })).await.ok();
    assert_eq!((frozen["changed"].as_bool(), frozen["item"]["user"]["status"].as_str()), (Some(true), Some("frozen")));
    let again = sam.post(&format!("{user}/freeze"), json!({ "reason": "security" })).await.ok();
    assert_eq!(again["changed"], false, "what is done is not done twice");
    assert_eq!(jon.get("/v1/me").await.ok()["status"], "frozen");
    sam.post(&format!("{user}/unfreeze"), json!({})).await.ok();
    assert_eq!(jon.get("/v1/me").await.ok()["status"], "active");

    // Support may not ban; an admin may, and the ban ends every session at once.
    sam.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.refused(403, "forbidden");
    lea.post(&format!("{user}/ban"), json!({ "reason": "fraud" })).await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    lea.post(&format!("{user}/unban"), json!({})).await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    let jon = app.person(&jon.email).await;

    // Versions: who looked at something older is told.
    let shown = sam.get(&user).await;
    let etag = shown.headers["etag"].to_str().unwrap().to_owned();
    sam.post(&format!("{user}/notes"), json!({ "body": "called, all is well" })).await.ok();
    lea.post(&format!("{user}/role"), json!({ "role": "worker" })).await.ok();
    let stale = lea.request(reqwest::Method::POST, &format!("{user}/freeze")).header("if-match", &etag);
    marketplace_tests::Answer::of(stale.json(&json!({ "reason": "spam" }))).await.refused(412, "precondition_failed");

    // Erasure: nothing personal is left anywhere that staff can look, and the address is free again.
    lea.delete(&user, json!({ "reason": "user_request" })).await.ok();
    let gone = sam.get(&user).await.ok();
    assert_eq!(
        (gone["user"]["status"].as_str(), gone["user"]["name"].as_str()),
        (Some("deleted"), Some("Deleted user"))
    );
    sam.get("/v1/admin/audit?limit=200").await.ok();
    jon.get("/v1/me").await.refused(401, "unauthenticated");
    let body = json!({ "role": "client", "email": jon.email, "password": PASSWORD, "name": "New" });
    app.as_nobody().post("/v1/auth/signup", body).await.ok();
    app.log_in(&jon.email).await.ok();
}

async fn an_edited_audit_log_is_found_out(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let cli = Cli::direct(&app);
    for name in ["a", "b", "c"] {
        let note = format!("/v1/admin/users/{}/notes", app.as_client().await.id);
        lea.post(&note, json!({ "body": name })).await.ok();
    }
    cli.run(&["audit", "verify"]).await.ok();
    let db = app.db().await;
    let changed = server::execute(&db, "UPDATE audit_log SET actor = 'user:somebody-else' WHERE seq = 2").await;
    assert_eq!(changed, 1);
    let found = lea.get("/v1/admin/audit/verify?from=1&limit=1000").await.ok();
    assert_eq!(found["broken"]["seq"], 2, "{found}");
    assert_ne!(cli.run(&["audit", "verify"]).await.code, 0);

    // A cut-off tail shows too.
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let note = format!("/v1/admin/users/{}/notes", app.as_client().await.id);
    lea.post(&note, json!({ "body": "the last row" })).await.ok();
    let db = app.db().await;
    server::execute(&db, "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)").await;
    let found = lea.get("/v1/admin/audit/verify?from=1&limit=1000").await.ok();
    assert!(found["broken"].is_object(), "{found}");
}

async fn a_server_that_is_asked_to_stop_finishes_what_it_began(engine: Engine) {
    let mut app = Server::start(engine).await;
    let ada = app.as_worker().await;
    let body = json!({ "email": ada.email, "password": PASSWORD }).to_string();
    let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /v1/auth/login HTTP/1.1\r\nhost: story\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server says that it waits for the body: the request is under way.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(go_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    server::signal(app.pid().unwrap(), "TERM");
    // Once it takes no more connections, it is stopping.
    while TcpStream::connect(app.url.trim_start_matches("http://")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access_token"), "{answer}");
    assert_eq!(app.ended().await, Some(0), "{}", app.output());
    app.run().await;
    let http = app.as_nobody().with_token(ada.http.token.clone().unwrap());
    http.get("/v1/me").await.ok();
}

async fn an_address_changes_only_once_the_new_one_is_confirmed(engine: Engine) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    let new = marketplace_tests::people::address("new");
    let wrong = json!({ "password": "not the password", "email": new });
    assert!(jon.post("/v1/auth/email/change", wrong).await.status.is_client_error());
    let ask = json!({ "password": PASSWORD, "email": new });
    jon.post("/v1/auth/email/change", ask).await.ok();
    let token = app.mail(&new, 1).await.token();
    app.mail(&jon.email, 2).await;
    assert_eq!(jon.get("/v1/me").await.ok()["email"], jon.email.as_str());
    app.as_nobody().post("/v1/auth/email/confirm", json!({ "token": token })).await.ok();
    app.as_nobody().post("/v1/auth/email/confirm", json!({ "token": token })).await.problem();
    assert_eq!(app.person(&new).await.get("/v1/me").await.ok()["email"], new.as_str());
    app.log_in(&jon.email).await.refused(401, "unauthenticated");
}

async fn sessions_are_listed_and_ended_one_by_one(engine: Engine) {
    let app = Server::start(engine).await;
    let here = app.as_client().await;
    let there = app.person(&here.email).await;
    let sessions = here.get("/v1/auth/sessions").await.ok();
    assert!(sessions["items"].as_array().unwrap().len() >= 2, "{sessions}");
    let sid = marketplace_tests::tokens::claims(there.http.token.as_deref().unwrap()).sid;
    here.delete(&format!("/v1/auth/sessions/{sid}"), json!({})).await.ok();
    there.get("/v1/me").await.refused(401, "unauthenticated");
    here.get("/v1/me").await.ok();
    here.post("/v1/auth/logout-all", json!({})).await.ok();
    here.get("/v1/me").await.refused(401, "unauthenticated");
}

async fn mails_come_in_the_language_that_a_browser_prefers(engine: Engine) {
    let app = Server::start(engine).await;
    for (languages, given, language) in [
        (Some("da, de-AT;q=0.7, es;q=0.9"), None, "es"),
        (Some("de"), Some("fr"), "fr"),
        (Some("da, *;q=0.1"), None, "en"),
        (None, None, "en"),
    ] {
        let email = marketplace_tests::people::address("reads");
        let mut body = json!({ "role": "client", "email": email, "password": PASSWORD, "name": "Jon Lee" });
        if let Some(given) = given {
            body["language"] = json!(given);
        }
        let nobody = app.as_nobody();
        let mut request = nobody.request(Method::POST, "/v1/auth/signup");
        if let Some(languages) = languages {
            request = request.header("accept-language", languages);
        }
        Answer::of(request.json(&body)).await.ok();
        let mail = app.mail(&email, 1).await;
        let is_in = format!("lang=\"{language}\"");
        assert!(mail.text.contains(&is_in), "{languages:?} {given:?}: {}", mail.text);
    }
}
