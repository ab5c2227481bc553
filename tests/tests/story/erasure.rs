//! Erasure leaves no trace: words that nobody else ever writes are planted in every field that somebody can fill, or that
//! others fill about them; after the erasure they are in no table, file, log or mail.
//!
//! What stays by decision is not planted: the terms of an offer that both agreed to, and a review that everybody sees.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use marketplace_core::on;
use marketplace_tests::{
    Engine, Server,
    database::random_id,
    http::{Answer, Http},
    market::{id, offer, service},
    people::{PASSWORD, Person},
    pictures, server, stories,
};
use reqwest::Method;
use serde_json::{Value, json};

stories![nothing_is_left_of_somebody_who_is_erased,];

/// Bytes of a word that are looked for; what indexes have in common with their neighbours is cut off before.
const KEY: usize = 12;

/// Words, and where they were planted.
#[derive(Default)]
struct Canaries(Vec<(String, String)>);

impl Canaries {
    /// A word of 16 letters that is nowhere else. No two begin alike: indexes leave out common beginnings.
    fn plant(&mut self, place: &str) -> String {
        let letters = |byte: u8| [b'a' + byte / 16, b'a' + byte % 16];
        let bytes: Vec<u8> = random_id().into_bytes().into_iter().rev().take(8).flat_map(letters).collect();
        let word = String::from_utf8(bytes).unwrap();
        self.0.push((place.to_owned(), word.clone()));
        word
    }

    /// Asserts that none is in `bytes`, whole or but for its beginning, as it is, in hexadecimal digits or in UTF-16.
    fn absent(&self, bytes: &[u8], place: &str) {
        let mut sought: HashMap<[u8; KEY], (&str, Vec<u8>)> = HashMap::new();
        for (planted, word) in &self.0 {
            let part = word.get(word.len() - KEY..).unwrap_or(word);
            let hex = hex::encode(part);
            let utf16: Vec<u8> = part.bytes().flat_map(|byte| [byte, 0]).collect();
            for needle in [part.as_bytes().to_vec(), hex.into_bytes(), utf16] {
                sought.insert(*needle.first_chunk().unwrap(), (planted.as_str(), needle));
            }
        }
        let text = bytes.to_ascii_lowercase();
        for (at, window) in text.windows(KEY).enumerate() {
            let Some((planted, needle)) = sought.get(window) else { continue };
            if text.get(at..).is_some_and(|rest| rest.starts_with(needle)) {
                let around = text.get(at.saturating_sub(80)..(at + 80).min(text.len())).unwrap_or_default();
                panic!("{planted} is still in {place}, byte {at}: {}", String::from_utf8_lossy(around));
            }
        }
    }

    /// How many are in `bytes`.
    fn present(&self, bytes: &[u8]) -> usize {
        let words: HashSet<&[u8]> = self.0.iter().map(|(_, word)| word.as_bytes()).collect();
        let text = bytes.to_ascii_lowercase();
        text.windows(KEY + 4).filter(|window| words.contains(window)).collect::<HashSet<_>>().len()
    }
}

/// A picture with a comment inside, which what is stored as it came keeps.
fn jpeg_that_says(seed: u32, word: &str) -> Vec<u8> {
    let plain = pictures::jpeg(seed);
    let length = u16::try_from(word.len() + 2).unwrap().to_be_bytes();
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xFE, length[0], length[1]];
    bytes.extend_from_slice(word.as_bytes());
    bytes.extend_from_slice(plain.get(2..).unwrap());
    bytes
}

async fn keyed(person: &Http, path: &str, body: Value) -> Value {
    let request = person.request(Method::POST, path).header("idempotency-key", random_id().to_string()).json(&body);
    Answer::of(request).await.ok()
}

/// Signs up, confirms, changes everything once, logs in with a telling program: all of it planted.
async fn planted_person(app: &Server, canaries: &mut Canaries, role: &str) -> Person {
    let nobody = app.as_nobody();
    let mut word = |place: &str| canaries.plant(&format!("the {role}'s {place}"));
    let email = format!("{}@example.org", word("first address"));
    let body = json!({
        "role": role, "email": email, "password": PASSWORD, "name": format!("Ada {}", word("first name")),
    });
    nobody.post("/v1/auth/signup", body.clone()).await.ok();
    let token = app.mail(&email, 1).await.token();
    nobody.post("/v1/auth/verify-email", json!({ "token": token })).await.ok();
    nobody.post("/v1/auth/signup", body).await.ok();
    let wrong = json!({ "email": email, "password": format!("{} and more", word("wrong password")) });
    nobody.post("/v1/auth/login", wrong).await.refused(401, "unauthenticated");
    nobody.post("/v1/auth/password/forgot", json!({ "email": email })).await.ok();

    let login = nobody.request(Method::POST, "/v1/auth/login").header("user-agent", word("program"));
    let tokens = Answer::of(login.json(&json!({ "email": email, "password": PASSWORD }))).await.ok();
    let http = nobody.with_token(tokens["access_token"].as_str().unwrap());
    http.patch("/v1/me", json!({ "name": format!("Eve {}", word("name")) })).await.ok();
    let next = format!("{}@example.net", word("address"));
    http.post("/v1/auth/email/change", json!({ "password": PASSWORD, "email": next })).await.ok();
    let token = app.mail(&next, 1).await.token();
    nobody.post("/v1/auth/email/confirm", json!({ "token": token })).await.ok();

    let profile = if role == "worker" {
        json!({
            "headline": word("headline"), "about": word("about"), "location": word("location"),
            "skills": [word("skill")], "languages": [word("language")],
        })
    } else {
        json!({ "about": word("about"), "location": word("location") })
    };
    http.patch(&format!("/v1/me/{role}-profile"), profile).await.ok();
    let picture = http.request(Method::PUT, "/v1/me/picture").header("content-type", "image/jpeg");
    Answer::of(picture.body(jpeg_that_says(9, &word("picture")))).await.ok();
    // Found nowhere, and not written down either.
    nobody.get(&format!("/v1/services?q={}", word("search"))).await.ok();
    nobody.get(&format!("/v1/nowhere/{}", word("wrong way"))).await.refused(404, "not_found");
    app.person(&next).await
}

async fn planted_check(app: &Server, canaries: &mut Canaries, sam: &Person, ada: &Person) {
    let mut word = |place: &str| canaries.plant(&format!("the identity check's {place}"));
    let submission = |document: Vec<u8>, selfie: Vec<u8>, name: String| async move {
        let own = ada.submit_as("passport", &name, document, selfie).await.ok();
        own["attempts"][0]["id"].as_str().unwrap().to_owned()
    };
    let first = submission(
        jpeg_that_says(1, &word("document")),
        jpeg_that_says(2, &word("selfie")),
        format!("{}.jpg", word("file name")),
    )
    .await;
    let again = json!({ "reasons": ["other"], "comment": word("comment"), "note": word("note") });
    sam.decide(&first, "retry", again).await.ok();
    app.past_undo().await;
    let second = submission(pictures::jpeg(3), pictures::jpeg(4), "b.jpg".into()).await;
    sam.decide(&second, "approve", json!({ "note": word("second note") })).await.ok();
    app.past_undo().await;
}

/// What the two and the staff write in threads, jobs and reviews.
async fn planted_work(canaries: &mut Canaries, sam: &Person, ada: &Person, jon: &Person) {
    // Whatever a rule catches is kept with a report by the system, or waits to become one.
    sam.post("/v1/admin/rules", json!({ "kind": "words", "value": "tuning fork" })).await.ok();
    let mut word = |place: &str| canaries.plant(place);
    for (person, role) in [(ada, "worker"), (jon, "client")] {
        let about = format!("A tuning fork, {}", word("a profile that a rule caught"));
        person.patch(&format!("/v1/me/{role}-profile"), json!({ "about": about })).await.ok();
        person.patch(&format!("/v1/me/{role}-profile"), json!({ "about": "Nothing" })).await.ok();
    }
    let mut text = service("Piano lessons");
    for field in ["title", "description", "location"] {
        text[field] = json!(format!("{} {field}", word(&format!("a service's {field}"))));
    }
    text["tags"] = json!([word("a service's tag")]);
    let mut services = Vec::new();
    for _ in 0..2 {
        let made = keyed(ada, "/v1/services", text.clone()).await;
        let made = made["id"].as_str().unwrap().to_owned();
        ada.post(&format!("/v1/services/{made}/publish"), json!({})).await.ok();
        let other = json!({ "title": format!("{} again", word("a service's second title")) });
        ada.patch(&format!("/v1/services/{made}"), other).await.ok();
        services.push(made);
    }
    let thread = jon.open_thread(&services[0]).await;
    for person in [ada, jon] {
        for _ in 0..3 {
            let body = json!({ "client_msg_id": word("a message's name"), "content": word("a message") });
            keyed(person, &format!("/v1/threads/{thread}/messages"), body).await;
        }
        for sent in [true, false] {
            let file = id(&person.attach_bytes(&thread, jpeg_that_says(5, &word("a file"))).await.ok());
            let body = json!({ "client_msg_id": word("a file's message"), "content": "", "attachments": [file] });
            if sent {
                person.post(&format!("/v1/threads/{thread}/messages"), body).await.ok();
            }
        }
        let said = person.message(&thread, "removed", &word("a removed message")).await.ok();
        let removal = json!({ "reason": "abuse", "note": word("a removal's note") });
        sam.post(&format!("/v1/admin/messages/{}/remove", id(&said)), removal).await.ok();
    }
    let staff = format!("/v1/admin/threads/{thread}");
    sam.post(&format!("{staff}/notice"), json!({ "content": "Be kind.", "note": word("a notice's note") })).await.ok();
    sam.post(&format!("{staff}/close"), json!({ "reason": "other", "note": word("a closing's note") })).await.ok();
    sam.post(&format!("{staff}/reopen"), json!({ "note": word("a reopening's note") })).await.ok();

    // A job that comes to nothing, and one that is done.
    let mut proposal = offer(10_000);
    proposal["scope"] = json!(format!("A tuning fork, {}", word("an offer's scope")));
    proposal["schedule"] = json!(word("an offer's schedule"));
    let begun = id(&jon.post("/v1/jobs", json!({ "thread_id": thread, "offer": proposal.clone() })).await.ok());
    proposal["scope"] = json!(format!("A tuning fork, {}", word("a counter-offer's scope")));
    ada.act(&begun, "offers", json!({ "revision": 1, "offer": proposal })).await.ok();
    jon.act(&begun, "cancel", json!({ "reason": "price", "comment": word("a cancellation's comment") })).await.ok();
    let job = id(&jon.begin_job(&thread).await.ok());
    ada.act(&job, "accept", json!({ "revision": 1 })).await.ok();
    ada.act(&job, "complete", json!({})).await.ok();
    jon.act(&job, "request-changes", json!({ "comment": word("a wish for changes") })).await.ok();
    ada.act(&job, "complete", json!({})).await.ok();
    jon.act(&job, "finalize", json!({})).await.ok();
    let mine = id(&jon.act(&job, "reviews", json!({ "rating": 2, "text": "Late, twice." })).await.ok());
    ada.act(&job, "reviews", json!({ "rating": 5, "text": "Pays at once." })).await.ok();
    ada.post(&format!("/v1/reviews/{mine}/reply"), json!({ "text": word("a reply") })).await.ok();
    let flag = json!({ "reason": "spam", "comment": word("a complaint") });
    ada.post(&format!("/v1/reviews/{mine}/flag"), flag).await.ok();
    sam.post(&format!("/v1/admin/reviews/{mine}/dismiss"), json!({ "note": word("a review's note") })).await.ok();

    // A review that the other side has not answered, and that nobody has seen.
    let quiet = jon.open_thread(&services[1]).await;
    let job = id(&jon.begin_job(&quiet).await.ok());
    ada.act(&job, "accept", json!({ "revision": 1 })).await.ok();
    ada.act(&job, "complete", json!({})).await.ok();
    jon.act(&job, "finalize", json!({})).await.ok();
    jon.act(&job, "reviews", json!({ "rating": 1, "text": word("a hidden review") })).await.ok();
}

/// Photos, also one that is kept as it was reported, and what is reported, decided and appealed.
async fn planted_reports(app: &Server, canaries: &mut Canaries, sam: &Person, ada: &Person, jon: &Person) {
    let mut word = |place: &str| canaries.plant(place);
    let service = id(&ada.get("/v1/me/services").await.ok()["items"][0]);
    let put = async |bytes: Vec<u8>, alt: String| {
        let request = ada.request(Method::PUT, &format!("/v1/services/{service}/photos/1?alt={alt}"));
        Answer::of(request.header("content-type", "image/jpeg").body(bytes)).await.ok();
    };
    put(jpeg_that_says(6, &word("a photo")), word("a photo's text")).await;
    for (by, of, kind, target) in [(jon, ada, "service", &service), (ada, jon, "user", &jon.id)] {
        let report = json!({ "target_kind": kind, "target_id": target, "reason": "scam", "text": word("a report") });
        keyed(by, "/v1/reports", report).await;
        let next = sam.post("/v1/admin/reports/next", json!({})).await.ok();
        let case = id(&next["case"]);
        let decision = json!({
            "reasons": ["scam"], "actions": ["warn"], "note": word("a decision's note"),
            "comment_to_reporter": word("a word to the reporter"), "comment_to_subject": word("a word to the subject"),
        });
        keyed(sam, &format!("/v1/admin/reports/{case}/resolve"), decision).await;
        app.past_undo().await;
        keyed(of, &format!("/v1/reports/{case}/appeal"), json!({ "text": word("an appeal") })).await;
    }
    put(jpeg_that_says(7, &word("another photo")), word("another photo's text")).await;
}

async fn planted_notes(canaries: &mut Canaries, sam: &Person, about: &Person) {
    let user = format!("/v1/admin/users/{}", about.id);
    keyed(sam, &format!("{user}/notes"), json!({ "body": canaries.plant("a note of the staff's") })).await;
    let freeze = json!({ "reason": "other", "note": canaries.plant("a freeze's note") });
    keyed(sam, &format!("{user}/freeze"), freeze).await;
    let unfreeze = json!({ "note": canaries.plant("an unfreeze's note") });
    sam.post(&format!("{user}/unfreeze"), unfreeze).await.ok();
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// Every row of every table, as PostgreSQL writes it.
async fn dump(app: &Server) -> Vec<u8> {
    let db = app.db().await;
    let mut reader = db.read().await.unwrap();
    let mut conn = reader.conn();
    let tables: Vec<String> = on!(&mut conn, |x, DB| sqlx::query_scalar::<DB, String>(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    )
    .fetch_all(x)
    .await)
    .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
        let rows: Vec<String> =
            on!(&mut conn, |x, DB| sqlx::query_scalar::<DB, String>(sql).fetch_all(x).await).unwrap();
        all.extend(rows.iter().flat_map(|row| format!("{table}: {row}\n").into_bytes()));
    }
    drop(reader);
    db.close().await;
    all
}

/// All that is stored, piece by piece.
async fn stored(app: &Server) -> Vec<(String, Vec<u8>)> {
    let mut paths = vec![app.scratch().join("server.log")];
    files(&app.data(), &mut paths);
    let mut all: Vec<(String, Vec<u8>)> =
        paths.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).unwrap_or_default())).collect();
    if app.database.engine() == Engine::Postgres {
        all.push(("the tables".into(), dump(app).await));
    }
    all
}

async fn swept(app: &Server) {
    let db = app.db().await;
    for _ in 0..300 {
        let left = "SELECT (SELECT CAST(count(*) AS BIGINT) FROM erasures) + (SELECT CAST(count(*) AS BIGINT) FROM file_deletions)";
        if server::number(&db, left).await == 0 {
            db.close().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("erased data is not swept within 30 s");
}

async fn nothing_is_left_of_somebody_who_is_erased(engine: Engine) {
    let mut settings = server::ROOMY.to_vec();
    settings.push(("LOG__LEVEL", "debug"));
    // A webhook at which nobody answers: what it is to be told waits.
    settings.extend([("WEBHOOKS__ALLOW_HTTP", "true"), ("WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8")]);
    let mut app = Server::start_with(engine, &settings).await;
    let mut canaries = Canaries::default();
    let sam = app.as_staff("admin").await;
    let kinds = ["job.changed", "service.changed", "review.changed", "kyc.decided", "user.changed", "report.decided"];
    sam.post("/v1/admin/webhooks", json!({ "url": "http://127.0.0.1:9/hooks", "kinds": kinds })).await.ok();
    let ada = planted_person(&app, &mut canaries, "worker").await;
    let jon = planted_person(&app, &mut canaries, "client").await;
    planted_check(&app, &mut canaries, &sam, &ada).await;
    ada.patch("/v1/me", json!({ "phone": "+442071838750" })).await.ok();
    jon.put(&format!("/v1/me/favorites/{}", ada.id), json!({})).await.ok();
    planted_work(&mut canaries, &sam, &ada, &jon).await;
    planted_reports(&app, &mut canaries, &sam, &ada, &jon).await;
    for person in [&ada, &jon] {
        planted_notes(&mut canaries, &sam, person).await;
    }
    let before: usize = stored(&app).await.iter().map(|(_, bytes)| canaries.present(bytes)).sum();
    assert!(before > canaries.0.len() / 2, "the search finds what is there: {before} of {}", canaries.0.len());

    // What the other side still has, once one of the two is gone: that something was said, and the course of the job.
    let thread = jon.get("/v1/threads").await.ok()["items"][1]["id"].as_str().unwrap().to_owned();
    let erase = json!({ "reason": "user_request", "note": canaries.plant("an erasure's note") });
    sam.delete(&format!("/v1/admin/users/{}", ada.id), erase).await.ok();
    let messages = jon.messages(&thread).await;
    marketplace_tests::market::gapless(&messages);
    let hers: Vec<&Value> = messages.iter().filter(|message| message["sender_id"] == ada.id).collect();
    assert!(hers.len() > 3 && hers.iter().all(|message| message["removed"] == true), "{hers:#?}");
    assert!(hers.iter().all(|message| message["sender_name"] == "Deleted user"));
    assert!(jon.get("/v1/me/jobs").await.ok()["items"].as_array().unwrap().len() == 3);
    jon.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    swept(&app).await;
    let db = app.db().await;
    for (left, what) in [
        (
            "SELECT CAST(count(*) AS BIGINT) FROM notifications n JOIN users u ON u.id = n.user_id WHERE u.status = 'deleted'",
            "notifications",
        ),
        ("SELECT CAST(count(*) AS BIGINT) FROM rule_hits", "what rules caught"),
        (
            "SELECT CAST(count(*) AS BIGINT) FROM mail_outbox WHERE subject LIKE 'user:%' OR subject LIKE 'case:%'",
            "mails",
        ),
    ] {
        assert_eq!(server::number(&db, left).await, 0, "{what}");
    }
    let waiting = "SELECT CAST(count(*) AS BIGINT) FROM webhook_deliveries WHERE state = 'waiting'";
    assert!(server::number(&db, waiting).await > 10, "webhooks wait to be told");
    db.close().await;
    for (place, bytes) in stored(&app).await {
        canaries.absent(&bytes, &place);
        // Their number and address, too.
        assert!(!bytes.windows(12).any(|window| window == b"442071838750"), "the number is still in {place}");
    }
    // Nor after a restart.
    app.stop().await;
    app.run().await;
    for (place, bytes) in stored(&app).await {
        canaries.absent(&bytes, &place);
    }
    app.as_nobody().get("/readyz").await.ok();
}
