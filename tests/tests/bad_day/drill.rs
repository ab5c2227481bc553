//! The drill: everything is backed up while people use it, everything is destroyed, and it comes back elsewhere.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use marketplace_core::{ids::WebhookId, on};
use marketplace_tests::{
    Engine, Market, Person, Server, cli::Cli, market, people::PASSWORD, pictures, server::ROOMY, stories,
};
use reqwest::Method;
use serde_json::{Value, json};

stories![
    everything_comes_back_elsewhere_while_people_write,
    a_backup_that_is_not_whole_touches_nothing,
    what_was_there_is_kept,
    a_backup_that_is_cut_off_leaves_nothing_that_looks_whole,
];

/// Whether PostgreSQL's tools are there, where they are needed.
fn has_tools(engine: Engine) -> bool {
    let is_there = engine == Engine::Sqlite || Command::new("pg_dump").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: pg_dump is not installed");
    }
    is_there
}

async fn put_picture(person: &Person, seed: u32) {
    let sent = person.request(Method::PUT, "/v1/me/picture").header("content-type", "image/jpeg");
    let sent = sent.body(pictures::jpeg(seed)).send().await.unwrap();
    assert!(sent.status().is_success(), "{}", sent.status());
}

async fn picture_of(person: &Person) -> String {
    let profile = person.get("/v1/me/client-profile").await.ok();
    format!("/v1/pictures/{}", profile["picture"]["id"].as_str().unwrap())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Writes for as long as it is not told to stop: messages, attachments, and pictures, each of which deletes the one before.
async fn write_on(market: &Market, is_over: &AtomicBool) -> u32 {
    let mut n = 0;
    while !is_over.load(Ordering::Relaxed) {
        n += 1;
        market.jon.message(&market.thread, &format!("m{n}"), "While it is backed up").await.ok();
        put_picture(&market.jon, n).await;
        market.ada.attach(&market.thread, n).await.ok();
        // Nobody has several pictures a second, each of which is gone before a loaded machine has copied it.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    n
}

async fn everything_comes_back_elsewhere_while_people_write(engine: Engine) {
    if !has_tools(engine) {
        return;
    }
    let market = Market::open_with(engine, ROOMY).await;
    let Market { app, sam, ada, service, .. } = &market;
    let place = tempfile::tempdir().unwrap();
    let (eve, mia) = tokio::join!(app.as_client(), app.as_worker());
    let attempt = mia.submit_good(11).await;
    put_picture(&eve, 21).await;
    let photo = ada.request(Method::PUT, &format!("/v1/services/{service}/photos/1?alt=The%20piano"));
    let photo = photo.header("content-type", "image/jpeg").body(pictures::jpeg(31)).send().await.unwrap();
    assert!(photo.status().is_success(), "{}", photo.text().await.unwrap());
    let photo = market::id(&ada.get(&format!("/v1/services/{service}")).await.ok()["photos"][0]);
    let token = json!({ "name": "Night job", "scopes": ["kyc:read"], "expires_in": 86_400 });
    let made = sam.post("/v1/admin/tokens", token).await;
    let token = made.ok()["item"]["secret"].as_str().map(str::to_owned);
    let cli = Cli::direct(app);
    let hook = ["webhooks", "create", "https://hooks.example.org/a", "--kind", "job.changed", "--yes"];
    let hook = cli.json(&hook).await["item"].clone();
    let eves_picture = picture_of(&eve).await;
    eve.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();

    // While people write.
    let backup = place.path().join("monday");
    let is_over = AtomicBool::new(false);
    let saving = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let made = cli.json(&["backup", backup.to_str().unwrap()]).await;
        is_over.store(true, Ordering::Relaxed);
        made
    };
    let (written, made) = tokio::join!(write_on(&market, &is_over), saving);
    assert!(written > 0 && made["recorded"] == true && made["missing"] == json!([]), "{written}: {made}");
    assert!(made["files"].as_u64().unwrap() >= 9, "{made}");
    assert_eq!((mode(&backup), mode(&backup.join("keys"))), (0o700, 0o700));
    for secret in ["keys/master.key", "keys/jwt-0001.key", "manifest.json", "files.sha256"] {
        assert_eq!(mode(&backup.join(secret)), 0o600, "{secret}");
    }
    let check = Command::new("sha256sum").args(["--check", "--quiet", "files.sha256"]).current_dir(&backup).output();
    assert!(check.is_ok_and(|check| check.status.success()), "others can check it");

    // Everything is gone.
    let Market { app, sam, jon, thread, .. } = market;
    drop(app);

    let mut other = Server::prepare(engine, ROOMY).await;
    let cli = Cli::direct(&other);
    let restored = cli.json(&["restore", backup.to_str().unwrap(), "--yes"]).await;
    assert_eq!((&restored["files"], &restored["keys_replaced"]), (&made["files"], &json!(true)), "{restored}");
    other.run().await;
    // Log-ins, and sessions of before.
    other.log_in(&jon.email).await.ok();
    let (jon, sam, mia) = (other.still(&jon), other.still(&sam), other.still(&mia));
    jon.get("/v1/me").await.ok();
    let refreshed = json!({ "refresh_token": jon.refresh_token });
    other.as_nobody().post("/v1/auth/refresh", refreshed).await.ok();
    // Everything that the database names opens.
    for path in [picture_of(&jon).await, format!("/v1/photos/{photo}")] {
        let opened = jon.get(&path).await;
        assert!(opened.status.is_success(), "{path}: {}", opened.text());
    }
    let document = sam.get(&format!("/v1/admin/kyc/{attempt}/files/document")).await;
    assert!(document.status.is_success(), "{}", document.text());
    mia.get("/v1/me/kyc").await.ok();
    assert!(!jon.messages(&thread).await.is_empty());
    // A backup is refused while a file is missing.
    cli.run(&["backup", place.path().join("tuesday").to_str().unwrap()]).await.ok();
    // Who was erased stays erased.
    other.log_in(&eve.email).await.refused(401, "unauthenticated");
    other.as_nobody().get(&eves_picture).await.refused(404, "not_found");
    // Tokens, and secrets that only the master key opens.
    if let Some(token) = token {
        other.as_nobody().with_token(token).get("/v1/admin/kyc").await.ok();
    }
    let app = other.open_app().await.unwrap();
    let id: WebhookId = hook["webhook"]["id"].as_str().or(hook["id"].as_str()).unwrap().parse().unwrap();
    let sealed: Vec<u8> = {
        let mut reader = app.db.read().await.unwrap();
        on!(&mut reader.conn(), |conn, Db| {
            sqlx::query_scalar::<Db, Vec<u8>>("SELECT sealed FROM webhooks").fetch_one(conn).await.unwrap()
        })
    };
    let opened = app.keys.open_sealed(&[b"webhook:".as_slice(), id.0.as_bytes()].concat(), &sealed).unwrap();
    assert!(!opened.is_empty());
    app.close().await;
    cli.run(&["audit", "verify"]).await.ok();
    let rows = cli.json(&["audit", "list", "--limit", "2", "--action", "db.restore"]).await;
    assert_eq!(rows[0]["metadata"]["file"], "monday", "{rows}");
    put_picture(&jon, 77).await;
}

async fn small(engine: Engine) -> (Server, Person, String, Cli) {
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    put_picture(&jon, 1).await;
    let backup = app.scratch().join("monday").display().to_string();
    let cli = Cli::direct(&app);
    cli.run(&["backup", &backup]).await.ok();
    (app, jon, backup, cli)
}

async fn a_backup_that_is_not_whole_touches_nothing(engine: Engine) {
    if !has_tools(engine) {
        return;
    }
    let (_app, _, backup, cli) = small(engine).await;
    let backup = Path::new(&backup);
    cli.run(&["restore", backup.to_str().unwrap(), "--dry-run"]).await.ok();
    let again = cli.run(&["backup", backup.to_str().unwrap()]).await;
    assert_eq!(again.code, 5, "{}", again.stderr);
    let inside = cli.run(&["backup", "data/files/monday"]).await;
    assert_eq!(inside.code, 2, "{}", inside.stderr);
    let manifest: Value = serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    let file = fs::read_to_string(backup.join("files.sha256")).unwrap();
    let file = file.lines().next().unwrap().split_once("  ").unwrap().1.to_owned();
    let database = manifest["database"]["file"].as_str().unwrap();
    let damaged = [file.as_str(), "files.sha256", "keys/master.key", database, "manifest.json"];

    let mut other = Server::prepare(engine, ROOMY).await;
    let there = Cli::direct(&other);
    for name in damaged {
        let path = backup.join(name);
        let whole = fs::read(&path).unwrap();
        for broken in [Some([&whole[..whole.len() / 2], b"x", &whole[whole.len() / 2 + 1..]].concat()), None] {
            match &broken {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            if name == "manifest.json" && broken.is_some() {
                fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            }
            let refused = there.run(&["restore", backup.to_str().unwrap(), "--yes"]).await;
            assert_eq!(refused.code, 2, "{name}: {}", refused.stderr);
            assert!(!other.data().join("keys").exists() && !other.data().join("files").exists(), "{name}");
        }
        fs::write(&path, &whole).unwrap();
    }
    // What no hash says.
    let path = backup.join("manifest.json");
    let whole = fs::read(&path).unwrap();
    let mut odd = vec![("format", json!(0), 2), ("format", json!(99), 7), ("schema", json!(9999), 7)];
    if engine == Engine::Sqlite {
        odd.push(("schema", json!(1), 2));
        let junk = b"SQLite format 3\0 and nothing else";
        let kept = backup.join("kept");
        fs::rename(backup.join(database), &kept).unwrap();
        fs::write(backup.join(database), junk).unwrap();
        let mut other = manifest.clone();
        other["database"]["bytes"] = json!(junk.len());
        other["database"]["sha256"] = json!(hex::encode(ring::digest::digest(&ring::digest::SHA256, junk)));
        fs::write(&path, other.to_string()).unwrap();
        let refused = there.run(&["restore", backup.to_str().unwrap(), "--dry-run"]).await;
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        fs::rename(&kept, backup.join(database)).unwrap();
    }
    for (key, value, code) in odd {
        let mut other = manifest.clone();
        other[key] = value;
        fs::write(&path, other.to_string()).unwrap();
        let refused = there.run(&["restore", backup.to_str().unwrap(), "--dry-run"]).await;
        assert_eq!(refused.code, code, "{key}: {}", refused.stderr);
    }
    fs::write(&path, &whole).unwrap();
    let unasked = there.run(&["restore", backup.to_str().unwrap()]).await;
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    there.run(&["restore", backup.to_str().unwrap(), "--yes"]).await.ok();
    other.run().await;
}

async fn what_was_there_is_kept(engine: Engine) {
    if !has_tools(engine) {
        return;
    }
    let (_app, jon, backup, _) = small(engine).await;
    let mut other = Server::start(engine).await;
    let kim = other.as_client().await;
    put_picture(&kim, 2).await;
    let keys = other.data().join("keys/master.key");
    let before = fs::read(&keys).unwrap();
    let cli = Cli::direct(&other);
    // While a server uses it.
    let refused = cli.run(&["restore", &backup, "--yes"]).await;
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert_eq!(fs::read(&keys).unwrap(), before);
    other.log_in(&kim.email).await.ok();
    assert!(kim.get(&picture_of(&kim).await).await.status.is_success());
    for folder in ["keys", "files"] {
        let left = fs::read_dir(other.data().join(folder)).unwrap().flatten();
        let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().contains("restore")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    if engine == Engine::Sqlite {
        // A restore that is tried out under another name, with the files and keys of this one.
        let rehearsal = other.scratch().join("rehearsal.db").display().to_string();
        let refused = cli.run(&["restore", &backup, "--yes", "--db", &rehearsal]).await;
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        assert_eq!(fs::read(&keys).unwrap(), before);
    }
    other.stop().await;
    let forced: &[&str] = if engine == Engine::Postgres { &["--force"] } else { &[] };
    let restored = cli.json(&[&["restore", &backup, "--yes"], forced].concat()).await;
    let kept = restored["kept"].as_array().unwrap();
    assert_eq!(kept.len(), if engine == Engine::Postgres { 2 } else { 3 }, "{restored}");
    assert_eq!(fs::read(other.data().join("keys/before-restore-1/master.key")).unwrap(), before);
    other.run().await;
    other.log_in(&jon.email).await.ok();
    other.log_in(&kim.email).await.refused(401, "unauthenticated");
    // Once more, over itself: the keys are there already.
    other.stop().await;
    let restored = cli.json(&[&["restore", &backup, "--yes"], forced].concat()).await;
    assert_eq!(restored["keys_replaced"], false, "{restored}");
    other.run().await;
    other.log_in(&jon.email).await.ok();
}

async fn a_backup_that_is_cut_off_leaves_nothing_that_looks_whole(engine: Engine) {
    if !has_tools(engine) {
        return;
    }
    let app = Server::start(engine).await;
    let jon = app.as_client().await;
    for n in 0..20 {
        put_picture(&jon, n).await;
    }
    let cli = Cli::direct(&app);
    let backup = app.scratch().join("cut");
    for wait in [30, 120, 250] {
        let mut killed = cli.command(&["backup", backup.to_str().unwrap()]);
        let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let _ = killed.kill();
        let _ = killed.wait();
        if backup.exists() {
            // It was quicker.
            cli.run(&["restore", backup.to_str().unwrap(), "--dry-run"]).await.ok();
            fs::remove_dir_all(&backup).unwrap();
        }
    }
    // A file that the store has lost is no reason to go without a backup, and is not passed over in silence.
    // Pictures that were replaced may be there still, and nothing names them.
    let whole = app.scratch().join("whole");
    cli.run(&["backup", whole.to_str().unwrap()]).await.ok();
    let stored = fs::read_to_string(whole.join("files.sha256")).unwrap();
    let lost = stored.lines().next().and_then(|line| line.split_once("  ")).unwrap().1;
    fs::remove_file(app.data().join(lost)).unwrap();
    let refused = cli.run(&["backup", backup.to_str().unwrap()]).await;
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(!backup.exists() && !app.scratch().join("cut.partial").exists(), "{}", refused.stderr);
    let made = cli.json(&["backup", backup.to_str().unwrap(), "--allow-missing"]).await;
    assert_eq!(made["missing"].as_array().unwrap().len(), 1, "{made}");
    cli.run(&["restore", backup.to_str().unwrap(), "--dry-run"]).await.ok();
}
