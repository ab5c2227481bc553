//! Bad input gets a clear problem, changes nothing, and is never a fault of the server's.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

use image::ImageFormat;
use marketplace_tests::{Answer, Engine, Person, Server, people::PASSWORD, pictures, stories, tokens};
use reqwest::Method;
use serde_json::{Value, json};

stories![
    wrong_types_and_broken_json,
    huge_bodies,
    truncated_and_odd_multipart,
    files_that_are_not_what_they_say,
    path_tricks_in_file_names,
    unknown_ids_and_ids_that_are_none,
    stale_fences_and_versions,
    other_peoples_things,
    tokens_that_are_not_ours,
    nul_bytes_and_control_characters,
    limits_and_cursors_out_of_range,
    methods_and_paths_that_are_not_there,
];

const UNKNOWN: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";

/// A refusal that is the caller's fault, and says so in the agreed shape.
#[track_caller]
fn refused(answer: &Answer) {
    assert!(answer.status.is_client_error(), "{} → {} {}", answer.asked, answer.status, answer.text());
    answer.problem();
}

async fn wrong_types_and_broken_json(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let before = app.fingerprint().await;
    let user = format!("/v1/admin/users/{}", ada.id);
    let sign_up = |key: &str, value: Value| {
        let mut body = json!({ "role": "client", "email": "x@example.org", "password": PASSWORD, "name": "X" });
        body[key] = value;
        body
    };
    for body in [
        sign_up("role", json!("emperor")),
        sign_up("role", json!(1)),
        sign_up("email", json!(["x@example.org"])),
        sign_up("email", json!("x@")),
        sign_up("email", json!("x@example.org\r\nBcc: everybody@example.org")),
        sign_up("email", json!("x".repeat(300) + "@example.org")),
        sign_up("password", json!(12_345_678)),
        sign_up("password", json!("short")),
        sign_up("password", json!("password1")),
        sign_up("password", json!("x".repeat(129))),
        sign_up("name", json!("")),
        sign_up("name", json!("  ")),
        sign_up("name", json!("x".repeat(101))),
        sign_up("phone", json!("12")),
        sign_up("phone", json!(442_071_838_750_i64)),
        sign_up("status", json!("active")),
        sign_up("email_verified", json!(true)),
        json!([]),
        json!("x"),
        json!(null),
        json!({}),
    ] {
        refused(&app.as_nobody().post("/v1/auth/signup", body).await);
    }
    let json_type = "application/json";
    for broken in ["", "{", "{\"email\":}", "{\"email\":\"a\",}", "nonsense", "\u{0}", "{\"email\":\"\\ud800\"}"] {
        refused(&app.as_nobody().post_raw("/v1/auth/login", json_type, broken).await);
    }
    refused(&app.as_nobody().post_raw("/v1/auth/login", json_type, vec![0xFF, 0xFE, 0x00]).await);
    refused(&app.as_nobody().post_raw("/v1/auth/login", "text/plain", "{}").await);
    refused(&app.as_nobody().post_raw("/v1/auth/login", json_type, "[".repeat(50_000)).await);
    for (path, body) in [
        (format!("{user}/freeze"), json!({ "reason": "because" })),
        (format!("{user}/freeze"), json!({ "reason": 7 })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "note": 7 })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "note": "x".repeat(4_001) })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "dry_run": "yes" })),
        (format!("{user}/freeze"), json!({ "reason": "spam", "nonsense": 1 })),
        (format!("{user}/role"), json!({ "role": "emperor" })),
        (format!("{user}/role"), json!({})),
        (format!("{user}/notes"), json!({ "body": "" })),
        (format!("{user}/notes"), json!({ "body": "   " })),
        (format!("{user}/notes"), json!({ "body": "x".repeat(4_001) })),
        (format!("{user}/notes"), json!({})),
        ("/v1/admin/users".to_owned(), json!({ "role": "worker", "email": "no", "name": "N" })),
        (format!("/v1/admin/kyc/{attempt}/approve"), json!({ "fence": "one" })),
        (format!("/v1/admin/kyc/{attempt}/approve"), json!({ "reasons": ["other"] })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": [] })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": ["because"] })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": ["other"], "comment": "x".repeat(1_001) })),
        (format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": "other" })),
    ] {
        refused(&lea.post(&path, body).await);
    }
    refused(&ada.patch("/v1/me", json!({ "role": "admin" })).await);
    refused(&ada.patch("/v1/me", json!({ "status": "active", "kyc_status": "approved" })).await);
    assert_eq!(app.fingerprint().await, before);
    assert_eq!(ada.get("/v1/me").await.ok()["role"], "worker");
}

async fn huge_bodies(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let before = app.fingerprint().await;
    let mebi = 1024 * 1024;
    let note = format!("/v1/admin/users/{}/notes", ada.id);
    // Refused from its length, before it is read, or while it is read: a connection may be closed on the sender.
    for (path, size) in [(note.as_str(), 20 * mebi), ("/v1/auth/login", 3 * mebi)] {
        let body = format!("{{\"body\":\"{}\"}}", "x".repeat(size));
        let sent = lea.request(Method::POST, path).header("content-type", "application/json").body(body);
        if let Ok(answer) = Answer::try_of(sent).await {
            answer.refused(413, "too_large");
        }
    }
    let mut big = pictures::jpeg(1);
    big.resize(10 * mebi + 1, 0);
    ada.submit(big, pictures::jpeg(2)).await.refused(413, "too_large");
    if let Ok(answer) = {
        let form = reqwest::multipart::Form::new()
            .text("document_type", "passport")
            .part("document", reqwest::multipart::Part::bytes(vec![0; 40 * mebi]).file_name("d.jpg"));
        Answer::try_of(ada.request(Method::POST, "/v1/me/kyc").multipart(form)).await
    } {
        answer.refused(413, "too_large");
    }
    assert_eq!(app.fingerprint().await, before);
    ada.submit_good(1).await;
}

/// A multipart body by hand: parts of (name, file name, bytes).
fn multipart(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        body.extend(format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

const FORM: &str = "multipart/form-data; boundary=XX";

async fn truncated_and_odd_multipart(engine: Engine) {
    let app = Server::start(engine).await;
    let ada = app.as_worker().await;
    let before = app.fingerprint().await;
    let (document, selfie) = (pictures::jpeg(1), pictures::jpeg(2));
    let kind: (&str, Option<&str>, &[u8]) = ("document_type", None, b"passport");
    let whole = multipart(&[kind, ("document", Some("d"), &document), ("selfie", Some("s"), &selfie)]);
    for cut in [0, 1, 40, 200, whole.len() / 3, whole.len() / 2, whole.len() - 10] {
        refused(&ada.post_raw("/v1/me/kyc", FORM, whole[..cut].to_vec()).await);
    }
    for body in [
        multipart(&[]),
        multipart(&[kind]),
        multipart(&[kind, ("document", Some("d"), &document)]),
        multipart(&[kind, ("selfie", Some("s"), &selfie)]),
        multipart(&[("document", Some("d"), &document), ("selfie", Some("s"), &selfie)]),
        multipart(&[kind, ("document", Some("d"), b""), ("selfie", Some("s"), &selfie)]),
        multipart(&[kind, kind, ("document", Some("d"), &document), ("selfie", Some("s"), &selfie)]),
        multipart(&[
            kind,
            ("document", Some("d"), &document),
            ("document", Some("d"), &document),
            ("selfie", Some("s"), &selfie),
        ]),
        multipart(&[kind, ("document", Some("d"), &document), ("selfie", Some("s"), &selfie), ("extra", None, b"x")]),
        multipart(&[
            ("document_type", None, b"library_card"),
            ("document", Some("d"), &document),
            ("selfie", Some("s"), &selfie),
        ]),
        multipart(&[
            ("document_type", None, &vec![0xFF; 100_000]),
            ("document", Some("d"), &document),
            ("selfie", Some("s"), &selfie),
        ]),
    ] {
        refused(&ada.post_raw("/v1/me/kyc", FORM, body).await);
    }
    refused(&ada.post_raw("/v1/me/kyc", "multipart/form-data", whole.clone()).await);
    refused(&ada.post_raw("/v1/me/kyc", "multipart/form-data; boundary=YY", whole.clone()).await);
    refused(&ada.post_raw("/v1/me/kyc", "application/json", "{}").await);
    assert_eq!(app.fingerprint().await, before);
    ada.post_raw("/v1/me/kyc", FORM, whole).await.ok();
}

/// A PNG that says it is `side` pixels wide and high, all of one colour: a few kilobytes that would fill gigabytes.
fn bomb(side: u32) -> Vec<u8> {
    // Its rows are zeros, which compress a thousand times; the sizes in the header are then set to what they claim.
    let mut bytes = pictures::picture(ImageFormat::Png, 300, 0);
    let header = side.to_be_bytes();
    bytes[16..20].copy_from_slice(&header);
    bytes[20..24].copy_from_slice(&header);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// CRC-32 as PNG has it (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

async fn files_that_are_not_what_they_say(engine: Engine) {
    let app = Server::start(engine).await;
    let ada = app.as_worker().await;
    let before = app.fingerprint().await;
    let good = || pictures::jpeg(1);
    let mut junk_png = pictures::png(1)[..64].to_vec();
    junk_png.resize(50_000, 0xAB);
    let mut cut_jpeg = pictures::jpeg(1);
    cut_jpeg.truncate(cut_jpeg.len() / 3);
    let pdf = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n".to_vec();
    for (what, document) in [
        ("a PNG header with junk", junk_png.clone()),
        ("a cut JPEG", cut_jpeg.clone()),
        ("a bomb", bomb(60_000)),
        ("a larger bomb", bomb(i32::MAX as u32)),
        ("no pixels", bomb(0)),
        ("text", b"I am a passport, honestly".to_vec()),
        ("HTML", b"<html><script>alert(1)</script></html>".to_vec()),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec()),
        ("a program", b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00".to_vec()),
        ("a GIF", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".to_vec()),
        ("a ZIP", b"PK\x03\x04\x14\x00\x00\x00".to_vec()),
        ("too small a picture", pictures::picture(ImageFormat::Png, 199, 1)),
    ] {
        for (slot, answer) in [
            ("document", ada.submit(document.clone(), good()).await),
            ("selfie", ada.submit(good(), document.clone()).await),
        ] {
            let problem = answer.problem();
            let fine = ["invalid", "unsupported_media", "too_large"].contains(&problem["code"].as_str().unwrap());
            assert!(fine && answer.status.is_client_error(), "{what} as {slot}: {} {problem}", answer.status);
        }
    }
    refused(&ada.submit(good(), pdf).await);
    assert_eq!(app.fingerprint().await, before);
    assert_eq!(files_on_disk(&app), 0, "nothing of what was refused is kept");
    // The smallest that is taken, in each format.
    for (format, _) in [(ImageFormat::Png, 0), (ImageFormat::Jpeg, 1), (ImageFormat::WebP, 2)] {
        let worker = app.as_worker().await;
        worker.submit(pictures::picture(format, 200, 1), good()).await.ok();
    }
}

fn files_on_disk(app: &Server) -> usize {
    let mut folders = vec![app.data().join("files")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { count += 1 }
        }
    }
    count
}

async fn path_tricks_in_file_names(engine: Engine) {
    let app = Server::start(engine).await;
    let sam = app.as_staff("support").await;
    for name in [
        "../../../../etc/passwd",
        "/etc/cron.d/x",
        "..\\..\\x",
        "a\u{0}b.jpg",
        "x".repeat(5_000).as_str(),
        "C:\\x",
        "%2e%2e%2fx",
    ] {
        let ada = app.as_worker().await;
        let body = multipart(&[
            ("document_type", None, b"passport"),
            ("document", Some(&name.replace('"', "")), &pictures::jpeg(1)),
            ("selfie", Some("s"), &pictures::jpeg(2)),
        ]);
        let answer = ada.post_raw("/v1/me/kyc", FORM, body).await;
        if !answer.status.is_success() {
            refused(&answer);
            continue;
        }
        let attempt = answer.json()["attempts"][0]["id"].as_str().unwrap().to_owned();
        let file = sam.get(&format!("/v1/admin/kyc/{attempt}/files/document")).await;
        assert_eq!(file.headers["content-disposition"], "inline; filename=\"document.jpg\"");
    }
    // Everything that was written is below the data folder, under names of the server's own.
    for entry in std::fs::read_dir(app.scratch()).unwrap().flatten() {
        let name = entry.file_name();
        assert!(["data", "server.log", "config"].contains(&name.to_str().unwrap()), "{}", name.display());
    }
    let attempt = app.as_worker().await.submit_good(1).await;
    for kind in ["../selfie", "..%2f..%2fkeys", "passport", "document%00", "document/..", "%2e%2e"] {
        refused(&sam.get(&format!("/v1/admin/kyc/{attempt}/files/{kind}")).await);
    }
}

async fn unknown_ids_and_ids_that_are_none(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let before = app.fingerprint().await;
    let calls = |id: &str| {
        let mut calls = vec![
            (Method::GET, format!("/v1/admin/kyc/{id}"), Value::Null),
            (Method::GET, format!("/v1/admin/kyc/{id}/files/document"), Value::Null),
            (Method::GET, format!("/v1/admin/users/{id}"), Value::Null),
            (Method::GET, format!("/v1/admin/users/{id}/notes"), Value::Null),
            (Method::DELETE, format!("/v1/admin/users/{id}"), json!({ "reason": "fraud" })),
            (Method::DELETE, format!("/v1/auth/sessions/{id}"), json!({})),
        ];
        for verb in ["claim", "release", "undo", "approve"] {
            calls.push((Method::POST, format!("/v1/admin/kyc/{id}/{verb}"), json!({})));
        }
        for verb in ["retry", "reject", "revoke"] {
            calls.push((Method::POST, format!("/v1/admin/kyc/{id}/{verb}"), json!({ "reasons": ["other"] })));
        }
        for verb in ["freeze", "unfreeze", "ban", "unban", "revoke-sessions"] {
            calls.push((Method::POST, format!("/v1/admin/users/{id}/{verb}"), json!({ "reason": "fraud" })));
        }
        calls.push((Method::POST, format!("/v1/admin/users/{id}/reveal"), json!({})));
        calls.push((Method::POST, format!("/v1/admin/users/{id}/role"), json!({ "role": "worker" })));
        calls.push((Method::POST, format!("/v1/admin/users/{id}/notes"), json!({ "body": "hello" })));
        calls
    };
    for (method, path, body) in calls(UNKNOWN) {
        Answer::of(lea.request(method, &path).json(&body)).await.refused(404, "not_found");
    }
    for id in [
        "1",
        "null",
        "undefined",
        "'%20OR%201=1--",
        "019a8f3e",
        "%00",
        "%ff%fe",
        "..",
        "00000000-0000-0000-0000-00000000000g",
    ] {
        for (method, path, body) in calls(id) {
            refused(&Answer::of(lea.request(method, &path).json(&body)).await);
        }
    }
    assert_eq!(app.fingerprint().await, before);
}

async fn stale_fences_and_versions(engine: Engine) {
    let app = Server::start(engine).await;
    let (sam, lea) = (app.as_staff("support").await, app.as_staff("support").await);
    let ada = app.as_worker().await;
    let attempt = ada.submit_good(1).await;
    let old = sam.claim(&attempt).await;
    sam.post(&format!("/v1/admin/kyc/{attempt}/release"), json!({})).await.ok();
    let newer = lea.claim(&attempt).await;
    assert!(newer > old);
    let before = app.fingerprint().await;
    for fence in [old, newer, 0, -1, i64::MAX, newer + 1] {
        let problem = sam.decide(&attempt, "approve", json!({ "fence": fence })).await.refused(409, "conflict");
        assert!(problem["current"].is_object(), "the holder is named: {problem}");
    }
    lea.decide(&attempt, "approve", json!({ "fence": old })).await.refused(409, "conflict");
    sam.decide(&attempt, "approve", json!({})).await.refused(409, "conflict");
    sam.post(&format!("/v1/admin/kyc/{attempt}/claim"), json!({})).await.refused(409, "conflict");
    for version in ["\"0\"", "\"999\""] {
        let approve =
            lea.request(Method::POST, &format!("/v1/admin/kyc/{attempt}/approve")).header("if-match", version);
        Answer::of(approve.json(&json!({ "fence": newer }))).await.refused(412, "precondition_failed");
    }
    for version in ["nonsense", "\"x\"", "W/"] {
        let approve =
            lea.request(Method::POST, &format!("/v1/admin/kyc/{attempt}/approve")).header("if-match", version);
        refused(&Answer::of(approve.json(&json!({ "fence": newer }))).await);
    }
    assert_eq!(app.fingerprint().await, before);
    lea.decide(&attempt, "approve", json!({ "fence": newer })).await.ok();
    let problem =
        sam.decide(&attempt, "reject", json!({ "fence": old, "reasons": ["other"] })).await.refused(409, "conflict");
    assert!(problem["current"].is_object(), "the decision is named: {problem}");
}

async fn other_peoples_things(engine: Engine) {
    let app = Server::start(engine).await;
    let (ada, eve) = (app.as_worker().await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let sid = tokens::claims(ada.http.token.as_deref().unwrap()).sid;
    let before = app.fingerprint().await;
    // What one may not know of is not there.
    eve.delete(&format!("/v1/auth/sessions/{sid}"), json!({})).await.refused(404, "not_found");
    for path in ["/v1/admin/kyc", "/v1/admin/users", "/v1/admin/audit", "/v1/admin/stats", "/v1/admin/events"] {
        eve.get(path).await.refused(403, "forbidden");
        app.as_nobody().get(path).await.refused(401, "unauthenticated");
    }
    for path in [
        format!("/v1/admin/kyc/{attempt}"),
        format!("/v1/admin/kyc/{attempt}/files/selfie"),
        format!("/v1/admin/users/{}", ada.id),
    ] {
        eve.get(&path).await.refused(403, "forbidden");
        ada.get(&path).await.refused(403, "forbidden");
    }
    eve.decide(&attempt, "approve", json!({})).await.refused(403, "forbidden");
    ada.decide(&attempt, "approve", json!({})).await.refused(403, "forbidden");
    assert_eq!(app.fingerprint().await, before);
    assert!(eve.get("/v1/me/kyc").await.ok()["attempts"].as_array().unwrap().is_empty());
    // A member of staff who was a worker once does not decide about their own papers.
    let lea = app.as_staff("admin").await;
    lea.post(&format!("/v1/admin/users/{}/role", ada.id), json!({ "role": "admin" })).await.ok();
    let ada = app.person(&ada.email).await;
    let before = app.fingerprint().await;
    ada.decide(&attempt, "approve", json!({})).await.refused(403, "forbidden");
    for verb in ["freeze", "ban"] {
        let path = format!("/v1/admin/users/{}/{verb}", ada.id);
        ada.post(&path, json!({ "reason": "other" })).await.refused(403, "forbidden");
    }
    ada.post(&format!("/v1/admin/users/{}/role", ada.id), json!({ "role": "auditor" })).await.refused(403, "forbidden");
    assert_eq!(app.fingerprint().await, before);
}

/// No call gets past these tokens, on any kind of route.
async fn gets_nowhere(app: &Server, what: &str, token: &str) {
    let http = app.as_nobody().with_token(token);
    for path in ["/v1/me", "/v1/me/kyc", "/v1/auth/sessions", "/v1/admin/kyc", "/v1/admin/audit"] {
        let answer = http.get(path).await;
        assert_eq!(answer.status.as_u16(), 401, "{what}: {} → {}", answer.asked, answer.text());
        answer.refused(401, "unauthenticated");
        assert!(answer.headers.contains_key("www-authenticate"), "{what}");
    }
    http.post("/v1/auth/logout", json!({})).await.refused(401, "unauthenticated");
    http.post("/v1/auth/logout-all", json!({})).await.refused(401, "unauthenticated");
}

async fn tokens_that_are_not_ours(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let before = app.fingerprint().await;
    for person in [&lea, &ada] {
        let token = person.http.token.as_deref().unwrap();
        for (what, forged) in tokens::forgeries(token) {
            gets_nowhere(&app, what, &forged).await;
        }
        gets_nowhere(&app, "expired", &tokens::expired(&app, token)).await;
        // Our signature under a role that the account does not have gives no more than the account.
        let mut claims = tokens::claims(token);
        claims.sid = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap();
        gets_nowhere(&app, "a session that never was", &tokens::resigned(&app, &claims)).await;
        // A refresh token is no access token, and the other way round.
        gets_nowhere(&app, "a refresh token", &person.refresh_token).await;
        let body = json!({ "refresh_token": token });
        app.as_nobody().post("/v1/auth/refresh", body).await.refused(401, "unauthenticated");
    }
    for scheme in ["Basic YTpi", "Bearer", "bearer  ", "Token x", ""] {
        let ask = app.as_nobody().request(Method::GET, "/v1/me").header("authorization", scheme);
        Answer::of(ask).await.refused(401, "unauthenticated");
    }
    assert_eq!(app.fingerprint().await, before, "nobody was logged out by a stranger");
    lea.get("/v1/me").await.ok();
    // Banned people's tokens, from the moment of the ban.
    lea.post(&format!("/v1/admin/users/{}/ban", ada.id), json!({ "reason": "fraud" })).await.ok();
    gets_nowhere(&app, "banned", ada.http.token.as_deref().unwrap()).await;
    let refresh = json!({ "refresh_token": ada.refresh_token });
    app.as_nobody().post("/v1/auth/refresh", refresh).await.refused(401, "unauthenticated");
}

async fn nul_bytes_and_control_characters(engine: Engine) {
    let app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    let attempt = ada.submit_good(1).await;
    let before = app.fingerprint().await;
    let nul = "a\u{0}b";
    let user = format!("/v1/admin/users/{}", ada.id);
    for (person, path, body) in [
        (
            &ada,
            "/v1/auth/signup".to_owned(),
            json!({ "role": "client", "email": "a\u{0}@example.org", "password": PASSWORD, "name": "A" }),
        ),
        (
            &ada,
            "/v1/auth/signup".to_owned(),
            json!({ "role": "client", "email": "nul@example.org", "password": PASSWORD, "name": nul }),
        ),
        (&lea, format!("{user}/notes"), json!({ "body": nul })),
        (&lea, format!("{user}/freeze"), json!({ "reason": "spam", "note": nul })),
        (&lea, format!("/v1/admin/kyc/{attempt}/reject"), json!({ "reasons": ["other"], "comment": nul })),
        (&lea, format!("/v1/admin/kyc/{attempt}/approve"), json!({ "note": nul })),
        (&lea, "/v1/admin/users".to_owned(), json!({ "role": "worker", "email": "n@example.org", "name": nul })),
    ] {
        refused(&person.post(&path, body).await);
    }
    refused(&ada.patch("/v1/me", json!({ "name": nul })).await);
    refused(&app.as_nobody().post("/v1/auth/verify-email", json!({ "token": nul })).await);
    refused(&app.as_nobody().post("/v1/auth/password/reset", json!({ "token": nul, "password": PASSWORD })).await);
    refused(&app.as_nobody().post("/v1/auth/refresh", json!({ "refresh_token": nul })).await);
    // Searching for it finds nothing, or is refused; logging in with it fails like any other wrong address.
    for path in [
        "/v1/admin/users?q=a%00b",
        "/v1/admin/audit?action=a%00b",
        "/v1/admin/audit?target=%00",
        "/v1/admin/audit?actor=%00",
    ] {
        let answer = lea.get(path).await;
        if answer.status.is_success() {
            assert!(answer.json()["items"].as_array().unwrap().is_empty(), "{}", answer.text());
        } else {
            refused(&answer);
        }
    }
    refused(&app.log_in("a\u{0}b@example.org").await);
    let forgot = app.as_nobody().post("/v1/auth/password/forgot", json!({ "email": "a\u{0}b@example.org" })).await;
    assert!(!forgot.status.is_server_error(), "{}", forgot.text());
    assert_eq!(app.fingerprint().await, before);
}

async fn limits_and_cursors_out_of_range(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    for list in ["/v1/admin/kyc", "/v1/admin/users", "/v1/admin/audit", "/v1/auth/sessions"] {
        for query in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=65536",
            "limit=99999999999999999999",
            "limit=ten",
            "limit=",
            "after=x",
            "after=AAAA",
            "after=%00",
            "limit=1&limit=2",
            "after=dDo5OTk5OTk5OTk5OTk5OTk5OTk5OTk6MDA",
            "nonsense=1",
        ] {
            refused(&lea.get(&format!("{list}?{query}")).await);
        }
        refused(&lea.get(&format!("{list}?after={}", "A".repeat(5_000))).await);
    }
    for query in ["status=sleeping", "document_type=library_card", "user_id=me", "limit=1&status="] {
        refused(&lea.get(&format!("/v1/admin/kyc?{query}")).await);
    }
    for query in ["role=emperor", "status=asleep", "reveal=maybe"] {
        refused(&lea.get(&format!("/v1/admin/users?{query}")).await);
    }
    for query in ["from=-1", "from=x", "limit=-5", "from=99999999999999999999"] {
        refused(&lea.get(&format!("/v1/admin/audit/verify?{query}")).await);
    }
    let far = lea.get("/v1/admin/audit/verify?from=9223372036854775807&limit=9223372036854775807").await;
    assert!(!far.status.is_server_error(), "{}", far.text());
    // Cursors of one list are not another's.
    app.as_staff("support").await;
    let next = lea.get("/v1/admin/audit?limit=1").await.ok()["next"].as_str().unwrap().to_owned();
    refused(&lea.get(&format!("/v1/admin/users?after={next}")).await);
    let q = "x%20".repeat(2_000);
    let long = lea.get(&format!("/v1/admin/users?q={q}")).await;
    assert!(!long.status.is_server_error(), "{}", long.text());
    for q in ["%25", "_", "'", "\"", "\\", "a*", "(", "%F0%9F%90%B4", "%20"] {
        let answer = lea.get(&format!("/v1/admin/users?q={q}")).await;
        assert!(!answer.status.is_server_error(), "{}", answer.text());
    }
}

async fn methods_and_paths_that_are_not_there(engine: Engine) {
    let app = Server::start(engine).await;
    let ada: Person = app.as_worker().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/me",
        "/v1/me/",
        "/v1/nothing",
        "/v1/admin",
        "/v1/../etc/passwd",
        "//v1/me",
        "/v1/me%2fkyc",
    ] {
        ada.get(path).await.refused(404, "not_found");
    }
    for (method, path) in [
        (Method::DELETE, "/v1/auth/login"),
        (Method::GET, "/v1/auth/login"),
        (Method::PUT, "/v1/me"),
        (Method::PATCH, "/v1/me/kyc"),
    ] {
        let answer = Answer::of(ada.request(method, path)).await;
        assert_eq!(answer.status.as_u16(), 405, "{}", answer.asked);
        answer.problem();
        assert!(answer.headers.contains_key("allow"), "{}", answer.asked);
    }
    let weird = Answer::of(ada.request(Method::from_bytes(b"FROB").unwrap(), "/v1/me")).await;
    refused(&weird);
    let head = Answer::of(ada.request(Method::HEAD, "/v1/me")).await;
    assert!(head.status.is_success() && head.body.is_empty());
}
