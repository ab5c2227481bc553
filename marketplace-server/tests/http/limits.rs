//! Connections that want too much, too long, or nothing.

use std::time::Duration;

use marketplace_core::actor::Role;
use marketplace_server::Options;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{PATIENCE, Server, expect, problem, server, server_with};

const SHORT: Duration = Duration::from_millis(200);

async fn impatient() -> Server {
    let options = Options {
        header_timeout: SHORT,
        idle_timeout: SHORT,
        body_pause: SHORT,
        json_timeout: SHORT,
        ..Options::default()
    };
    server_with(|_| (), options).await
}

/// Everything until the server closes; fails when it does not.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is a close too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server closes");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn silence_before_the_first_byte_is_cut_off() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, "");
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let server = impatient().await;
    for start in ["G", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ", "PRI * HTTP/2.0\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{start:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_kept_connection_that_idles_is_cut_off() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    server.stop().await;
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_cut_off() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The preface and empty settings; then nothing.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    until_closed(&mut stream).await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_400() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains(r#""code":"invalid""#), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off() {
    // Each piece comes in time, and the whole does not.
    let options = Options { json_timeout: SHORT, body_pause: SHORT * 5, idle_timeout: PATIENCE, ..Options::default() };
    let server = server_with(|_| (), options).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let trickle = async {
        // Until the other side has had enough.
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let answer = async {
        let mut start = [0; 12];
        tokio::time::timeout(PATIENCE, read.read_exact(&mut start)).await.expect("an answer").unwrap();
        start
    };
    let start = tokio::select! { start = answer => start, () = trickle => panic!("closed without an answer") };
    assert_eq!(&start, b"HTTP/1.1 400");
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    const ASKED: usize = 400;
    let server = impatient().await;
    let size = server.get("/openapi.json").send().await.unwrap().bytes().await.unwrap().len();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(ASKED);
    stream.write_all(ask.as_bytes()).await.unwrap();
    tokio::time::sleep(SHORT * 15).await;
    // What stood in the buffers comes, and not the rest.
    let taken = until_closed(&mut stream).await.len();
    assert!(taken < ASKED * size, "{taken} of {}", ASKED * size);
    expect(server.get("/healthz"), 200).await;
    server.stop().await;
}

#[tokio::test]
async fn large_bodies_are_413_and_the_client_sees_it() {
    let server = server().await;
    let token = server.token(Role::Client).await;
    let body = format!(r#"{{"email":"{}","password":"x"}}"#, "a".repeat(20 * 1024 * 1024));
    let login = || server.post("/v1/auth/login").header("content-type", "application/json");
    problem(login().body(body.clone()), 413, "too_large").await;
    // Without a length in the head.
    let chunks =
        body.as_bytes().chunks(64 * 1024).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let stream = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    problem(login().body(stream), 413, "too_large").await;
    // And what is refused before its body is looked at.
    problem(server.post("/v1/me/kyc").body(body.clone()), 401, "unauthenticated").await;
    problem(server.post("/v1/me/kyc").bearer_auth(&token).body(body), 403, "forbidden").await;
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "a".repeat(200 * 1024));
    // The server may close before all of it is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = until_closed(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    expect(server.get("/healthz"), 200).await;
    server.stop().await;
}

#[tokio::test]
async fn too_many_at_once_are_told_busy_and_health_still_answers() {
    let options = Options { requests: 1, ..Options::default() };
    let server = server_with(|_| (), options).await;
    // One request that hangs in its body holds the only place.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while server.get("/v1/me").send().await.unwrap().status() != 503 {
        assert!(tokio::time::Instant::now() < deadline, "the place is never taken");
    }
    problem(server.get("/v1/me"), 503, "busy").await;
    expect(server.get("/healthz"), 200).await;
    stream.write_all(b"}").await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 422");
    problem(server.get("/v1/me"), 401, "unauthenticated").await;
    server.stop().await;
}

#[tokio::test]
async fn http2_is_spoken() {
    let server = server().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let response = client.get(format!("http://{}/healthz", server.address)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
    server.stop().await;
}
