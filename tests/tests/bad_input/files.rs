//! Files that are not what they say, and forms that are none.

use image::ImageFormat;
use marketplace_tests::{Engine, Server, pictures, stories};

use crate::refused;

stories![truncated_and_odd_multipart, files_that_are_not_what_they_say, path_tricks_in_file_names,];

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
