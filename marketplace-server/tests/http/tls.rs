//! TLS, when it is configured.

use std::path::PathBuf;

use marketplace_core::config::Tls;
use marketplace_server::Options;
use tempfile::TempDir;

use crate::harness::server_with;

/// A folder with a certificate for localhost, its key, and the key of another.
struct Pems(TempDir);

impl Pems {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        for (name, text) in [
            ("cert.pem", signed.cert.pem()),
            ("key.pem", signed.signing_key.serialize_pem()),
            ("other.pem", other.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let pems = Pems::new();
    let tls = Tls { cert: Some(pems.file("cert.pem")), key: Some(pems.file("key.pem")) };
    let server = server_with(|config| config.tls = tls.clone(), Options::default()).await;
    let root = reqwest::Certificate::from_pem(&std::fs::read(pems.file("cert.pem")).unwrap()).unwrap();
    let url = format!("https://localhost:{}/healthz", server.address.port());
    let two = reqwest::Client::builder().tls_certs_only([root.clone()]).build().unwrap();
    let response = two.get(&url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    let one = reqwest::Client::builder().tls_certs_only([root]).http1_only().build().unwrap();
    assert_eq!(one.get(&url).send().await.unwrap().version(), reqwest::Version::HTTP_11);
    // Plain HTTP on that port is no request.
    assert!(server.get("/healthz").send().await.is_err());

    // The renewed certificate is used once it is read again, and one that is no good is not.
    let trusting = |pem: Vec<u8>| {
        let root = reqwest::Certificate::from_pem(&pem).unwrap();
        reqwest::Client::builder().tls_certs_only([root]).build().unwrap()
    };
    let renewed = Pems::new();
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(renewed.file(name), pems.file(name)).unwrap();
    }
    let cert = std::fs::read(renewed.file("cert.pem")).unwrap();
    assert!(trusting(cert.clone()).get(&url).send().await.is_err());
    server.stop.reload();
    let mut tries = 0;
    while trusting(cert.clone()).get(&url).send().await.is_err() {
        tries += 1;
        assert!(tries < 200, "the certificate stays");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    std::fs::write(pems.file("cert.pem"), "nothing").unwrap();
    server.stop.reload();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(trusting(cert).get(&url).send().await.unwrap().status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn handshakes_that_do_not_end_make_room() {
    use tokio::{io::AsyncWriteExt, net::TcpStream};
    let pems = Pems::new();
    let tls = Tls { cert: Some(pems.file("cert.pem")), key: Some(pems.file("key.pem")) };
    let options = Options { connections_per_address: 20, ..Options::default() };
    let server = server_with(|config| config.tls = tls.clone(), options).await;
    let root = reqwest::Certificate::from_pem(&std::fs::read(pems.file("cert.pem")).unwrap()).unwrap();
    let mut open = Vec::new();
    for n in 0..60 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Nothing, or the beginning of a greeting (RFC 8446 §5.1).
        if n % 2 == 0 {
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC]).await.unwrap();
        }
        open.push(stream);
        if n % 20 == 19 {
            let client = reqwest::Client::builder().tls_certs_only([root.clone()]).build().unwrap();
            let url = format!("https://localhost:{}/v1/categories", server.address.port());
            assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
        }
    }
    drop(open);
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_by_name() {
    let pems = Pems::new();
    for (cert, key, named) in [
        ("missing.pem", "key.pem", "tls.cert"),
        ("key.pem", "key.pem", "tls.cert"),
        ("cert.pem", "missing.pem", "tls.key"),
        ("cert.pem", "other.pem", "tls.key"),
    ] {
        let tls = Tls { cert: Some(pems.file(cert)), key: Some(pems.file(key)) };
        let test = marketplace_core::testing::live_apps_with(|config| config.tls = tls.clone()).await.remove(0);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = tokio_util::sync::CancellationToken::new();
        let error =
            marketplace_server::serve(test.app().clone(), listener, Options::default(), shutdown).await.unwrap_err();
        assert!(error.to_string().contains(named), "{cert} {key}: {error}");
        test.close().await;
    }
}
