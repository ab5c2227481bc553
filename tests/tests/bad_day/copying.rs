//! Files that move from one store to another, between folders and buckets, while people upload and are erased, and while
//! one of both fails.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use marketplace_tests::{Engine, Server, bucket::Bucket, cli::Cli, people::PASSWORD, pictures, server::ROOMY};
use reqwest::Method;
use serde_json::json;

use crate::within;

/// Keys of stored files, and what they hold.
type Files = BTreeMap<String, Vec<u8>>;

/// A name as the marketplace makes them.
fn key(folder: &str, n: u32) -> String {
    let name = format!("{:08x}{:024x}", n.wrapping_mul(2_654_435_761), n);
    format!("{folder}/{}/{name}", &name[..2])
}

fn fill(root: &Path, count: u32) -> Files {
    let mut files = Files::new();
    for n in 0..count {
        let folder = ["attachments", "kyc", "photos", "pictures"][n as usize % 4];
        let bytes: Vec<u8> = format!("sealed {n} ").into_bytes().repeat(n as usize % 50 + 1);
        put(root, &key(folder, n), &bytes);
        files.insert(key(folder, n), bytes);
    }
    files
}

fn put(root: &Path, key: &str, bytes: &[u8]) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

fn files(root: &Path) -> Files {
    let mut found = Vec::new();
    walk(root, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
    // What a copy that runs meanwhile renames or removes is not there any more.
    found.iter().filter_map(|path| Some((name(path), fs::read(path).ok()?))).collect()
}

fn stored(bucket: &Bucket) -> Files {
    let strip = |key: String| key.strip_prefix("files/").unwrap().to_owned();
    bucket.objects().into_iter().map(|(key, bytes)| (strip(key), bytes.to_vec())).collect()
}

struct Places {
    folder: tempfile::TempDir,
    cli: Cli,
    bucket: Bucket,
    _server: Server,
}

impl Places {
    /// No server runs; only its folder is used.
    async fn new() -> Self {
        let mut server = Server::prepare(Engine::Sqlite, ROOMY).await;
        let bucket = Bucket::start().await;
        server.extra_environment = bucket.variables();
        Self { folder: tempfile::tempdir().unwrap(), cli: Cli::direct(&server), bucket, _server: server }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn copy(&self, from: &str, to: &str, options: &[&str]) -> serde_json::Value {
        self.cli.json(&[&["files", "copy", from, to], options].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_copied_there_and_back_and_only_what_is_missing() {
    let places = Places::new().await;
    let (here, back) = (places.at("her e%20#ü"), places.at("back"));
    let all = fill(&here, 600);
    let (from, to) = (here.to_str().unwrap(), "s3://bucket/files");
    // What is no stored file, or is not whole yet, is left alone.
    put(&here, "kyc/notes of ü.txt", b"no file");
    put(&here, "kyc/00/%00 odd\nname", b"no file");
    put(&here, &format!("{}#1", key("kyc", 1)), b"half");
    std::os::unix::fs::symlink("/etc/passwd", here.join(key("photos", 9_999))).ok();
    fs::create_dir_all(here.join(key("photos", 9_998)).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", here.join(key("photos", 9_998))).unwrap();

    let dry = places.copy(from, to, &["--dry-run"]).await;
    assert_eq!((&dry["copied"], &dry["dry_run"], places.bucket.len()), (&json!(600), &json!(true), 0), "{dry}");
    places.bucket.fail_every(7);
    let done = places.copy(from, to, &[]).await;
    assert_eq!((&done["copied"], &done["failed"]), (&json!(600), &json!(0)), "{done}");
    assert!(done["ignored"].as_u64().unwrap() >= 3, "{done}");
    assert!(stored(&places.bucket) == all);

    // Something is missing, something is cut off, something is another.
    let odd = |n: u32| format!("files/{}", key(["attachments", "kyc", "photos", "pictures"][n as usize % 4], n));
    places.bucket.set(&odd(3), None);
    places.bucket.set(&odd(4), Some("cut".into()));
    let other = vec![b'x'; all[odd(5).strip_prefix("files/").unwrap()].len()];
    places.bucket.set(&odd(5), Some(other.into()));
    let again = places.copy(from, to, &[]).await;
    assert_eq!((&again["copied"], &again["unchanged"]), (&json!(2), &json!(598)), "{again}");
    let again = places.copy(from, to, &["--checksum"]).await;
    assert_eq!((&again["copied"], &again["unchanged"]), (&json!(1), &json!(599)), "{again}");
    assert!(stored(&places.bucket) == all);

    // Back, by a URL, by two at once.
    let url = format!("file://{}", back.display());
    let (one, other) = tokio::join!(places.copy(to, &url, &[]), places.copy(to, &url, &[]));
    assert_eq!((&one["failed"], &other["failed"]), (&json!(0), &json!(0)), "{one} {other}");
    assert!(files(&back) == all);

    // What only the destination has stays, until it is said.
    put(&back, &key("kyc", 70_000), b"erased since");
    put(&back, "kyc/mine.txt", b"not a file of a marketplace");
    let kept = places.cli.run(&["files", "copy", to, &url, "-o", "json"]).await;
    assert_eq!(kept.ok().json()["extra"], 1);
    assert!(kept.stderr.contains("--delete"), "{}", kept.stderr);
    let unasked = places.cli.run(&["files", "copy", to, &url, "--delete"]).await;
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    assert_eq!(places.copy(to, &url, &["--delete", "--dry-run"]).await["deleted"], 1);
    assert!(back.join(key("kyc", 70_000)).exists());
    assert_eq!(places.copy(to, &url, &["--delete", "--yes"]).await["deleted"], 1);
    assert!(!back.join(key("kyc", 70_000)).exists() && back.join("kyc/mine.txt").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_right_is_refused() {
    let places = Places::new().await;
    let here = places.at("here");
    fill(&here, 3);
    fs::create_dir_all(places.at("empty/kyc")).unwrap();
    fs::create_dir_all(places.at("nothing")).unwrap();
    std::os::unix::fs::symlink(&here, places.at("link")).unwrap();
    let at = |name: &str| places.at(name).display().to_string();
    for (from, to, code) in [
        (at("here"), at("here"), 2),
        (at("here"), at("link"), 2),
        (at("here"), at("here/kyc/copy"), 2),
        (at("here/../here"), at("link/../here"), 2),
        (at(""), at("here"), 2),
        (at("here"), at("new/../here/x"), 2),
        (at("nothing"), at("new"), 3),
        (at("none"), at("new"), 3),
        ("s3://bucket/files".into(), "s3://bucket/files/more".into(), 2),
        ("s3://bucket/files/".into(), "s3://bucket/files".into(), 2),
        ("ftp://bucket".into(), at("new"), 2),
    ] {
        let refused = places.cli.run(&["files", "copy", &from, &to]).await;
        assert_eq!(refused.code, code, "{from} {to}: {}{}", refused.stdout, refused.stderr);
    }
    assert!(!places.at("new").exists());
    // An empty source, such as a disk that is not mounted, empties nothing.
    let refused = places.cli.run(&["files", "copy", &at("empty"), &at("here"), "--delete", "--yes"]).await;
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert_eq!(files(&here).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_killed_goes_on() {
    let places = Places::new().await;
    let (here, there) = (places.at("here"), places.at("there"));
    let all = fill(&here, 3_000);
    let command = ["files", "copy", here.to_str().unwrap(), there.to_str().unwrap()];
    let mut killed = places.cli.command(&command);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    within(Duration::from_secs(30), "some are there", async || files(&there).len() > 100).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = files(&there).len() as u64;
    assert!(before < 3_000, "it was quicker");
    // Erased between both.
    let erased = all.keys().next().unwrap();
    fs::remove_file(here.join(erased)).unwrap();
    let done = places.copy(command[2], command[3], &["--delete", "--yes"]).await;
    let copied = done["copied"].as_u64().unwrap();
    assert!(copied <= 3_000 - before + 10, "{before} were there: {done}");
    let mut found = files(&there);
    found.retain(|name, _| !name.contains('#'));
    assert!(found == files(&here));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_a_copy_that_goes_on_later() {
    let places = Places::new().await;
    let (here, there) = (places.at("here"), places.at("there"));
    let all = fill(&here, 1_500);
    fs::create_dir_all(&there).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&there).output();
    if !mount.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: this user cannot mount a disk");
        return;
    }
    let (from, to) = (here.to_str().unwrap(), there.to_str().unwrap());
    let full = places.cli.run(&["files", "copy", from, to]).await;
    let resized = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&there).status().unwrap();
    let then = places.cli.run(&["files", "copy", from, to, "-o", "json"]).await;
    let found = files(&there);
    let _ = Command::new("umount").arg("-l").arg(&there).status();
    assert_eq!(full.code, 7, "{}{}", full.stdout, full.stderr);
    assert!(full.stderr.contains("running it again continues"), "{}", full.stderr);
    assert!(resized.success() && then.code == 0, "{}", then.stderr);
    assert!(found == all);
}

/// Between a server's folder and a bucket, while people come and are erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_loses_no_upload_and_brings_nobody_back() {
    let bucket = Bucket::start().await;
    let mut server = Server::start(Engine::Sqlite).await;
    let (jon, kim) = tokio::join!(server.as_client(), server.as_client());
    for (n, person) in [(1, &jon), (2, &kim)] {
        let sent = person.request(Method::PUT, "/v1/me/picture").header("content-type", "image/jpeg");
        assert!(sent.body(pictures::jpeg(n)).send().await.unwrap().status().is_success());
    }
    server.extra_environment = bucket.variables();
    let cli = Cli::direct(&server);
    let from = server.data().join("files").display().to_string();
    let (from, to) = (from.as_str(), "s3://bucket/files");
    cli.run(&["files", "copy", from, to]).await.ok();
    assert_eq!(bucket.len(), 4);
    kim.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    let here = server.data().join("files");
    within(Duration::from_secs(60), "what was erased goes", async || files(&here).len() == 2).await;
    server.stop().await;
    let done = cli.json(&["files", "copy", from, to, "--delete", "--yes"]).await;
    assert_eq!((&done["deleted"], &done["unchanged"], bucket.len()), (&json!(2), &json!(2), 2), "{done}");
    fs::rename(&here, server.scratch().join("old")).unwrap();
    server.set("FILES_URL", to);
    server.run().await;
    let jon = server.still(&jon);
    let profile = jon.get("/v1/me/client-profile").await.ok();
    let picture = format!("/v1/pictures/{}", profile["picture"]["id"].as_str().unwrap());
    assert!(jon.get(&picture).await.status.is_success());
    // A backup of a server whose files are in a bucket, and back into another.
    let backup = server.scratch().join("monday").display().to_string();
    let cli = Cli::direct(&server);
    cli.run(&["backup", &backup]).await.ok();
    server.stop().await;
    for (name, _) in bucket.objects() {
        bucket.set(&name, None);
    }
    cli.run(&["restore", &backup, "--yes"]).await.ok();
    assert_eq!(bucket.len(), 2);
    server.run().await;
    assert!(server.still(&jon).get(&picture).await.status.is_success());
}
