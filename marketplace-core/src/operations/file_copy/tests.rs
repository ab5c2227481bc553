//! Copies between folders whose source changes meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;
use crate::base::error::ErrorCode;

fn key(n: u8) -> ObjectKey {
    ObjectKey::parse(&format!("kyc/{n:02x}/{n:02x}{}", "0".repeat(30))).unwrap()
}

fn put(root: &Path, n: u8, text: &str) -> PathBuf {
    let path = root.join(key(n).to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn has(root: &Path, n: u8) -> bool {
    root.join(key(n).to_string()).exists()
}

#[test]
fn keys_are_parsed_as_they_are_made_and_sort_as_their_texts() {
    let made = crate::platform::files::new_key("photos", &crate::base::random::OsRandom);
    let parsed = ObjectKey::parse(&made).unwrap();
    assert_eq!(parsed.to_string(), made);
    assert_eq!(ObjectKey::of(*parsed.bytes()), parsed);
    let hex = "0f".repeat(16);
    for odd in
        ["", "kyc", "kyc/0f", "kyc/0f/", "kyc/0e/HEX", "other/0f/HEX", "kyc/0f/HEX0", "kyc/0f/HEX#1", "/kyc/0f/HEX"]
    {
        assert_eq!(ObjectKey::parse(&odd.replace("HEX", &hex)), None, "{odd}");
    }
    assert_eq!(ObjectKey::parse(&format!("kyc/0F/{}", hex.to_uppercase())), None);
    let mut texts = ["attachments", "kyc", "photos", "pictures"].map(|folder| format!("{folder}/0f/{hex}"));
    texts.sort();
    let keys: Vec<ObjectKey> = texts.iter().map(|text| ObjectKey::parse(text).unwrap()).collect();
    assert!(keys.is_sorted());
}

#[tokio::test]
async fn what_is_erased_or_comes_while_files_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    for n in 10..200 {
        put(&from, n, "sealed");
    }
    // From a copy before: one is erased meanwhile, one was erased before.
    put(&to, 20, "sealed");
    put(&to, 250, "sealed");
    let change = |progress: FileProgress| {
        if progress.done == 50 {
            for n in [11, 20, 180] {
                fs::remove_file(from.join(key(n).to_string())).unwrap();
            }
            for n in [5, 199, 201] {
                put(&from, n, "sealed since");
            }
        }
    };
    let (from_text, to_text) = (from.to_str().unwrap(), to.to_str().unwrap());
    let done = copy(from_text, to_text, CopyOptions::default(), &change).await.unwrap();
    for n in [11, 20, 180] {
        assert!(!has(&to, n), "{n} was erased: {done:?}");
    }
    for n in [5, 201, 250] {
        assert!(has(&to, n), "{n}: {done:?}");
    }
    assert_eq!((done.failed, done.extra, done.deleted), (0, 1, 0), "{done:?}");
    let done = copy(from_text, to_text, CopyOptions { delete: true, ..CopyOptions::default() }, &|_| ()).await.unwrap();
    assert_eq!((done.deleted, done.gone, done.copied), (1, 0, 0), "{done:?}");
    assert!(!has(&to, 250));
}

#[tokio::test]
async fn a_source_that_is_taken_away_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    for n in 10..100 {
        put(&from, n, "sealed");
        put(&to, n, "sealed");
    }
    // A disk that is unmounted leaves an empty folder.
    let take_away = |progress: FileProgress| {
        if progress.done == 90 {
            fs::rename(&from, folder.path().join("away")).unwrap();
            fs::create_dir_all(from.join("kyc")).unwrap();
        }
    };
    let options = CopyOptions { delete: true, ..CopyOptions::default() };
    let error = copy(from.to_str().unwrap(), to.to_str().unwrap(), options, &take_away).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    assert!((10..100).all(|n| has(&to, n)));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    for n in 10..20 {
        put(&from, n, "sealed");
    }
    let large = fs::File::create(put(&from, 15, "")).unwrap();
    large.set_len(11 * 1024 * 1024).unwrap();
    // Nothing is written through a link.
    fs::create_dir_all(to.join("kyc")).unwrap();
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), to.join("kyc/0b")).unwrap();
    let done = copy(from.to_str().unwrap(), to.to_str().unwrap(), CopyOptions::default(), &|_| ()).await.unwrap();
    assert_eq!((done.copied, done.failed), (8, 2), "{done:?}");
    assert_eq!(fs::read_dir(folder.path().join("elsewhere")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_file_is_not_opened_and_no_url_has_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = put(folder.path(), 10, "");
    fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let depot = Depot::open(&Location::Folder(folder.path().into())).unwrap();
    let failed = depot.digest(key(10)).await.unwrap_err();
    assert!(failed.error.to_string().contains("is no file"), "{:?}", failed.error);
    assert!(depot.read(key(10)).await.is_err());
    let refused = Location::parse("/from", "s3://key:secret@bucket/files").unwrap_err();
    assert!(!refused.to_string().contains("secret"), "{refused}");
}
