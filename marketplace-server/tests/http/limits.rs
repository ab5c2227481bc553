//! Connections that want too much, too long, or nothing.

use std::time::Duration;

use marketplace_core::base::permission::Role;
use marketplace_server::Options;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use tokio_util::sync::CancellationToken;

use crate::harness::{PATIENCE, Server, expect, problem, server, server_with};

const SHORT: Duration = Duration::from_millis(200);

async fn impatient() -> Server {
    let options = Options { header_timeout: SHORT, idle_timeout: SHORT, body_window: SHORT, ..Options::default() };
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

/// The head of a log-in whose body has so many bytes.
fn login(length: usize) -> String {
    format!(
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{}{{", login(100)).as_bytes()).await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains(r#""code":"invalid""#), "{answer}");
    server.stop().await;
}

/// Sends `piece` every 20 ms until there is an answer, and returns its status.
async fn trickled(server: &Server, head: &str, piece: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let trickle = async {
        // Until the other side has had enough, or all of it.
        while write.write_all(piece).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut start = [0; 12];
        tokio::time::timeout(PATIENCE, read.read_exact(&mut start)).await.expect("an answer").unwrap();
        String::from_utf8_lossy(&start).into_owned()
    };
    tokio::select! { start = answer => start, () = trickle => unreachable!() }
}

#[tokio::test]
async fn a_body_comes_at_a_certain_rate_however_long_it_takes() {
    // 10 windows, each of which gets some 40 times what it needs, on a machine that does nothing else.
    let options = Options { body_window: SHORT, body_rate: 1_000, idle_timeout: PATIENCE, ..Options::default() };
    let server = server_with(|_| (), options).await;
    assert_eq!(trickled(&server, &login(60_000), b"{").await, "HTTP/1.1 408");
    let token = server.token(Role::Worker).await;
    for (path, kind) in
        [("/v1/me/kyc", "multipart/form-data; boundary=x"), ("/v1/me/picture", "application/octet-stream")]
    {
        let method = if path == "/v1/me/kyc" { "POST" } else { "PUT" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\n\
             content-length: 80000\r\n\r\n"
        );
        assert_eq!(trickled(&server, &head, b"{").await, "HTTP/1.1 408", "{path}");
        // Slow and steady, for ten times as long as may pass without anything: all of it is looked at.
        let status = trickled(&server, &head, &[b'{'; 800]).await;
        assert!(["HTTP/1.1 400", "HTTP/1.1 415"].contains(&&*status), "{path}: {status}");
    }
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
    let options = Options { requests: 2, ..Options::default() };
    let server = server_with(|_| (), options).await;
    // An account has one place as well.
    let tokens = [server.token(Role::Client).await, server.token(Role::Client).await];
    // While somebody else holds the writer, requests that want to write have a place each.
    let (release, held) = {
        let token = CancellationToken::new();
        (token.clone(), token)
    };
    let db = server.test.app().db.clone();
    let writer = tokio::spawn(async move {
        db.write(move |_| {
            let held = held.clone();
            Box::pin(async move {
                held.cancelled().await;
                Ok(())
            })
        })
        .await
    });
    let clients: Vec<_> = (1..=3).map(from).collect();
    let of = |client: &reqwest::Client, path: &str| client.get(format!("http://{}{path}", server.address));
    let mut stuck = Vec::new();
    for (client, others) in [(0, (429, "rate_limited")), (1, (503, "busy"))] {
        let ticket =
            clients[client].post(format!("http://{}/v1/ws/ticket", server.address)).bearer_auth(&tokens[client]);
        stuck.push(tokio::spawn(async move {
            loop {
                // The looks below may have the place at first.
                let status = ticket.try_clone().unwrap().send().await.unwrap().status().as_u16();
                if !matches!(status, 429 | 503) {
                    return status;
                }
            }
        }));
        let same = || of(&clients[client], "/v1/me");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut refused = 0;
        while refused < 20 {
            refused = if same().send().await.unwrap().status() == 401 { 0 } else { refused + 1 };
            assert!(tokio::time::Instant::now() < deadline, "the place is never taken");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // An address has one place of the two, and nobody takes the last for long.
        problem(same(), 429, "rate_limited").await;
        let (status, code) = others;
        problem(of(&clients[if client == 0 { 0 } else { 2 }], "/v1/me"), status, code).await;
        expect(of(&clients[client], "/healthz"), 200).await;
    }
    release.cancel();
    writer.await.unwrap().unwrap();
    for one in stuck {
        assert_eq!(one.await.unwrap(), 200);
    }
    problem(server.get("/v1/me"), 401, "unauthenticated").await;
    server.stop().await;
}

/// A client with another address of this machine.
fn from(last: u8) -> reqwest::Client {
    reqwest::Client::builder().local_address(std::net::IpAddr::from([127, 0, 0, last])).build().unwrap()
}

#[tokio::test]
async fn bodies_that_do_not_come_take_no_place_among_the_handlers() {
    let options = Options { requests: 4, body_window: PATIENCE, ..Options::default() };
    let server = server_with(|_| (), options).await;
    let token = server.token(Role::Worker).await;
    let mut slow = Vec::new();
    for head in [
        login(100),
        format!(
            "POST /v1/me/kyc HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=x\r\ncontent-length: 100\r\n\r\n"
        ),
    ] {
        for _ in 0..3 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(format!("{head}{{").as_bytes()).await.unwrap();
            slow.push(stream);
        }
    }
    for _ in 0..20 {
        problem(server.get("/v1/me"), 401, "unauthenticated").await;
    }
    // They are waited for, and answered when their bodies come.
    let mut first = slow.remove(0);
    first.write_all(&[b'}'; 99]).await.unwrap();
    let mut start = [0; 12];
    first.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 422");
    drop(slow);
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
