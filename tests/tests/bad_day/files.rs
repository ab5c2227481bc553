//! A bucket that hangs, a disk that is full or read-only, a file that never opens.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use marketplace_tests::{Engine, Person, Server, bucket::Bucket, people::PASSWORD, pictures, server::ROOMY, stories};
use reqwest::Method;
use serde_json::json;

use crate::{metric, number, others_are_served, soon, within};

stories!(
    a_bucket_that_hangs_stops_files_and_nothing_else,
    a_disk_for_files_that_is_full_or_read_only_stops_files_and_nothing_else,
    a_file_that_never_opens_stops_no_other,
);

/// Whoever sends or fetches a file is answered within 10 s, and what a loaded machine adds.
const ANSWERED: Duration = Duration::from_secs(13);

/// Gives somebody a picture; returns where it is.
async fn set_picture(person: &Person, seed: u32) -> reqwest::StatusCode {
    let sent = person.request(Method::PUT, "/v1/me/picture").header("content-type", "image/jpeg");
    sent.body(pictures::jpeg(seed)).send().await.unwrap().status()
}

async fn picture_of(person: &Person) -> String {
    let profile = person.get("/v1/me/client-profile").await.ok();
    format!("/v1/pictures/{}", profile["picture"]["id"].as_str().unwrap())
}

async fn deletions(server: &Server) -> i64 {
    number(server, "SELECT CAST(count(*) AS BIGINT) FROM file_deletions").await
}

async fn a_bucket_that_hangs_stops_files_and_nothing_else(engine: Engine) {
    let bucket = Bucket::start().await;
    let settings: Vec<(&str, &str)> = ROOMY.iter().copied().chain([("FILES_URL", "s3://bucket/files")]).collect();
    let mut server = Server::prepare(engine, &settings).await;
    server.extra_environment = bucket.variables();
    server.run().await;
    let (jon, kim, ada) = tokio::join!(server.as_client(), server.as_client(), server.as_worker());
    assert!(set_picture(&jon, 1).await.is_success() && set_picture(&kim, 2).await.is_success());
    let picture = picture_of(&jon).await;
    assert!(jon.get(&picture).await.status.is_success());
    assert_eq!(bucket.len(), 4);

    bucket.hang();
    let begin = Instant::now();
    // Many more than there are places for.
    let uploads = stream::iter(0..20).map(|n| {
        let ada = ada.clone();
        async move {
            let answer = ada.submit(pictures::jpeg(n), pictures::jpeg(n + 50)).await;
            // One account has half of the places; for more of its uploads at once nobody waits.
            assert!([429, 503].contains(&answer.status.as_u16()), "{}", answer.text());
            begin.elapsed()
        }
    });
    let uploads = uploads.buffer_unordered(20).collect::<Vec<Duration>>();
    let download = async {
        jon.get(&picture).await.refused(503, "unavailable");
        begin.elapsed()
    };
    let meanwhile = async {
        kim.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
        soon("the erasure is swept", async || {
            number(&server, "SELECT CAST(count(*) AS BIGINT) FROM erasures").await == 0
        })
        .await;
        for _ in 0..5 {
            others_are_served(&server, &jon).await;
        }
        // A mail goes out.
        server.as_client().await;
    };
    let (uploads, download, ()) = tokio::join!(uploads, download, meanwhile);
    for took in uploads.into_iter().chain([download]) {
        assert!(took < ANSWERED, "{took:?}");
    }
    assert_eq!(metric(&server, r#"component_up{component="files"}"#).await, Some(0.0));
    assert_eq!(deletions(&server).await, 2);
    others_are_served(&server, &ada).await;

    bucket.go_on();
    soon("files are there again", async || jon.get(&picture).await.status.is_success()).await;
    ada.submit_good(7).await;
    assert_eq!(metric(&server, r#"component_up{component="files"}"#).await, Some(1.0));
    within(Duration::from_secs(90), "what was erased goes", async || deletions(&server).await == 0).await;
    // Jon's picture, and Ada's papers. What was put for nothing while the bucket hung, the sweep finds.
    assert!(bucket.len() >= 4);
    let log = server.output();
    assert_eq!(log.matches("the component fails").count(), 1, "one line: {log}");
}

/// A small disk of its own, mounted until this is dropped. None where that is not allowed.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(done.success(), "remount,{how}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn a_disk_for_files_that_is_full_or_read_only_stops_files_and_nothing_else(engine: Engine) {
    let mut server = Server::prepare(engine, ROOMY).await;
    let files = server.data().join("files");
    let Some(disk) = Disk::mount(&files) else {
        eprintln!("skipped: this user cannot mount a disk");
        return;
    };
    server.run().await;
    let (jon, kim) = tokio::join!(server.as_client(), server.as_client());
    assert!(set_picture(&jon, 1).await.is_success() && set_picture(&kim, 2).await.is_success());
    let picture = picture_of(&jon).await;

    let filler = files.join("filler");
    let full = std::fs::write(&filler, vec![7; 2 * 1024 * 1024]);
    assert!(full.is_err());
    assert_eq!(set_picture(&kim, 3).await.as_u16(), 503);
    assert!(jon.get(&picture).await.status.is_success());
    assert_eq!(metric(&server, r#"component_up{component="files"}"#).await, Some(1.0), "reading works");
    others_are_served(&server, &jon).await;
    std::fs::remove_file(&filler).unwrap();
    assert!(set_picture(&kim, 3).await.is_success(), "at once, when there is room again");

    disk.remount("ro");
    assert_eq!(set_picture(&jon, 4).await.as_u16(), 503);
    kim.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    soon("the erasure is swept", async || number(&server, "SELECT CAST(count(*) AS BIGINT) FROM erasures").await == 0)
        .await;
    assert!(jon.get(&picture).await.status.is_success());
    others_are_served(&server, &jon).await;
    server.as_client().await;
    disk.remount("rw");
    assert!(set_picture(&jon, 4).await.is_success());
    within(Duration::from_secs(60), "what was erased goes", async || deletions(&server).await == 0).await;
}

async fn a_file_that_never_opens_stops_no_other(engine: Engine) {
    let server = Server::start(engine).await;
    let (jon, kim) = tokio::join!(server.as_client(), server.as_client());
    assert!(set_picture(&jon, 1).await.is_success());
    let stored = find(&server.data().join("files/pictures"));
    assert_eq!(stored.len(), 2);
    assert!(set_picture(&kim, 2).await.is_success());
    let (hangs, opens) = (picture_of(&jon).await, picture_of(&kim).await);
    for path in stored {
        std::fs::remove_file(&path).unwrap();
        // Opening it waits for somebody who writes, for ever: what a file server that is gone does.
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    let begin = Instant::now();
    jon.get(&hangs).await.refused(503, "unavailable");
    assert!(begin.elapsed() < ANSWERED, "{:?}", begin.elapsed());
    others_are_served(&server, &jon).await;
    soon("others' files are there", async || kim.get(&opens).await.status.is_success()).await;
    assert!(set_picture(&kim, 3).await.is_success());
}

/// Every file below a folder.
fn find(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(find(&path)) } else { found.push(path) }
    }
    found
}
