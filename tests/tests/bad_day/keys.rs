//! Keys that are lost, or another marketplace's; and what lies encrypted.

use std::{fs, path::Path, process::Command};

use marketplace_core::testing::pictures;
use marketplace_tests::{Answer, Engine, Market, Server, cli::Cli, server::ROOMY, stories};
use reqwest::Method;
use serde_json::json;

stories![
    nothing_opens_without_its_keys_and_none_are_made_anew,
    a_lost_signing_key_is_replaced_on_purpose_and_logs_nobody_out,
    a_backup_comes_back_only_beside_its_keys,
    what_people_send_each_other_lies_encrypted_and_does_not_tell_where_it_was_taken,
];

/// What opens the database, each of which must name the file.
const COMMANDS: [&[&str]; 7] = [
    &["users", "list"],
    &["audit", "verify"],
    &["stats"],
    &["db", "migrate"],
    &["db", "seed", "--users", "60", "--yes"],
    &["db", "backup", "never.bak"],
    &["auth", "rotate-keys", "--yes"],
];

async fn nothing_opens_without_its_keys_and_none_are_made_anew(engine: Engine) {
    let mut app = Server::start(engine).await;
    let ada = app.as_worker().await;
    ada.submit_good(3).await;
    app.stop().await;
    let (keys, aside) = (app.data().join("keys"), app.scratch().join("aside"));
    fs::rename(&keys, &aside).unwrap();
    let cli = Cli::direct(&app);
    let refused = async |app: &mut Server, what: &str| {
        let (code, said) = app.is_refused().await;
        assert_eq!(code, Some(7), "{said}");
        assert!(said.contains("master.key"), "{what}: {said}");
        for command in COMMANDS {
            let ended = cli.run(command).await;
            assert_eq!(ended.code, 7, "{what}: {command:?}: {}{}", ended.stdout, ended.stderr);
            assert!(ended.stderr.contains("master.key"), "{what}: {command:?}: {}", ended.stderr);
        }
    };
    refused(&mut app, "no folder").await;
    assert!(!keys.exists(), "keys were made anew");
    fs::create_dir(&keys).unwrap();
    refused(&mut app, "an empty folder").await;
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 0, "keys were made anew");
    // Another marketplace's.
    let mut other = Server::start(Engine::Sqlite).await;
    other.stop().await;
    fs::remove_dir(&keys).unwrap();
    copy_folder(&other.data().join("keys"), &keys);
    refused(&mut app, "another's keys").await;
    // The right ones back, and all is as it was.
    fs::remove_dir_all(&keys).unwrap();
    fs::rename(&aside, &keys).unwrap();
    app.run().await;
    let sam = app.as_staff("support").await;
    let attempt = &sam.get("/v1/admin/kyc").await.ok()["items"][0]["id"];
    let file = sam.get(&format!("/v1/admin/kyc/{}/files/document", attempt.as_str().unwrap())).await;
    assert!(file.status.is_success(), "{}", file.text());
    cli.run(&["audit", "verify"]).await.ok();
    assert!(!app.scratch().join("never.bak").exists());
}

async fn a_lost_signing_key_is_replaced_on_purpose_and_logs_nobody_out(engine: Engine) {
    let mut app = Server::start(engine).await;
    let jon = app.as_client().await;
    app.stop().await;
    let keys = app.data().join("keys");
    fs::remove_file(keys.join("jwt-0001.key")).unwrap();
    let (code, said) = app.is_refused().await;
    assert_eq!(code, Some(7));
    assert!(said.contains("jwt-0001.key"), "{said}");
    let cli = Cli::direct(&app);
    let ended = cli.run(&["users", "list"]).await;
    assert!(ended.code == 7 && ended.stderr.contains("jwt-0001.key"), "{}", ended.stderr);
    assert!(!keys.join("jwt-0001.key").exists());
    cli.run(&["auth", "rotate-keys", "--lost", "--yes"]).await.ok();
    app.run().await;
    // What the lost key signed has ended; the session has not.
    app.still(&jon).get("/v1/me").await.refused(401, "unauthenticated");
    let refreshed = app.as_nobody().post("/v1/auth/refresh", json!({ "refresh_token": jon.refresh_token })).await.ok();
    let token = refreshed["access_token"].as_str().unwrap();
    app.as_nobody().with_token(token).get("/v1/me").await.ok();
    let rows = cli.json(&["audit", "list", "--action", "auth.rotate_keys"]).await;
    assert_eq!(rows[0]["metadata"]["lost"], true, "{rows}");
    assert!(rows[0]["actor"].as_str().unwrap().starts_with("local:"), "{rows}");
}

async fn a_backup_comes_back_only_beside_its_keys(engine: Engine) {
    if engine == Engine::Postgres && Command::new("pg_dump").arg("--version").output().is_err() {
        eprintln!("skipped: pg_dump is not installed");
        return;
    }
    let mut app = Server::start(engine).await;
    app.as_client().await;
    let backup = app.scratch().join("monday.bak").display().to_string();
    let made = Cli::direct(&app).json(&["db", "backup", &backup]).await;
    assert_eq!(made["recorded"], true);
    let head = Cli::direct(&app).json(&["audit", "verify"]).await["head"].as_str().unwrap().to_owned();
    app.stop().await;

    // Another marketplace, with keys of its own.
    let mut other = Server::start(engine).await;
    other.as_client().await;
    other.stop().await;
    let cli = Cli::direct(&other);
    let before = cli.json(&["audit", "verify"]).await["head"].clone();
    let refused = cli.run(&["db", "restore", &backup, "--force", "--yes"]).await;
    assert_eq!(refused.code, 7, "{}", refused.stderr);
    assert!(refused.stderr.contains("master.key"), "{}", refused.stderr);
    assert_eq!(cli.json(&["audit", "verify"]).await["head"], before, "nothing was touched");
    other.run().await;
    other.stop().await;

    // With the backup's keys it comes back, and says so, and what was there before.
    let keys = other.data().join("keys");
    fs::remove_dir_all(&keys).unwrap();
    copy_folder(&app.data().join("keys"), &keys);
    cli.run(&["db", "restore", &backup, "--force", "--yes"]).await.ok();
    let rows = cli.json(&["audit", "list", "--limit", "2"]).await;
    assert_eq!((rows[0]["action"].as_str(), rows[1]["action"].as_str()), (Some("db.restore"), Some("db.backup")));
    assert_eq!(rows[0]["metadata"], json!({ "file": "monday.bak", "replaced": before }));
    for row in rows.as_array().unwrap() {
        assert!(row["actor"].as_str().unwrap().starts_with("local:"), "{row}");
        assert_eq!(row["target_kind"], "database");
    }
    // The log goes on from that of the backup.
    cli.run(&["audit", "verify", "--expect", &head]).await.ok();
    other.run().await;
}

async fn what_people_send_each_other_lies_encrypted_and_does_not_tell_where_it_was_taken(engine: Engine) {
    const PLACE: &[u8] = b"48.8566N 2.3522E";
    let Market { app, ada, jon, thread, .. } = Market::open_with(engine, ROOMY).await;
    for plain in [pictures::jpeg(), pictures::png(), pictures::webp()] {
        // Held sideways, as phones are.
        let file = jon.attach_bytes(&thread, pictures::with_everything(&plain, PLACE, 6)).await.ok();
        assert_eq!((file["width"].as_i64(), file["height"].as_i64()), (Some(200), Some(300)));
        let body = json!({ "client_msg_id": file["id"], "content": "", "attachments": [file["id"]] });
        jon.post(&format!("/v1/threads/{thread}/messages"), body).await.ok();
        let path = format!("/v1/threads/{thread}/attachments/{}", file["id"].as_str().unwrap());
        let seen = ada.get(&path).await;
        assert_eq!(seen.headers["content-type"], file["media_type"].as_str().unwrap());
        assert_eq!(seen.body.len(), usize::try_from(file["size"].as_u64().unwrap()).unwrap());
        assert!(!has(&seen.body, PLACE) && !has(&seen.body, b"Exif") && !has(&seen.body, b"eXIf"));
    }
    jon.attach_bytes(&thread, pictures::pdf()).await.ok();
    let put = ada
        .request(Method::PUT, "/v1/me/picture")
        .header("content-type", "image/jpeg")
        .body(pictures::with_everything(&pictures::jpeg(), PLACE, 6));
    Answer::of(put).await.ok();

    let mut stored = 0;
    each_file(&app.data(), &mut |path, bytes| {
        stored += usize::from(path.starts_with(app.data().join("files")));
        assert!(!has(bytes, PLACE), "{} has it", path.display());
        if path.starts_with(app.data().join("files")) {
            for sign in [&b"\xFF\xD8\xFF"[..], b"\x89PNG", b"RIFF", b"%PDF", b"<?xml"] {
                assert!(!bytes.starts_with(sign), "{} lies in the clear", path.display());
            }
        }
    });
    // Identity check, four attachments, a picture in two sizes.
    assert!(stored >= 8, "{stored}");
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn each_file(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            each_file(&path, look);
        } else if let Ok(bytes) = fs::read(&path) {
            look(&path, &bytes);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
