//! Stopping finishes what is in flight, and nothing else.

use std::time::Duration;

use marketplace_server::Options;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{PATIENCE, expect, server, server_with},
    socket::{Socket, Talk},
};

const HEAD: &str =
    "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let server = server().await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(HEAD.as_bytes()).await.unwrap();
    busy.write_all(b"{").await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");

    let mut silent = TcpStream::connect(server.address).await.unwrap();

    server.shutdown.cancel();
    // Connections without a request close, and no new one is taken.
    let mut nothing = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut nothing)).await.expect("the silent one closes");
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, idle.read_to_end(&mut rest)).await.expect("the idle connection closes").unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the server still takes connections");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    busy.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, busy.read_to_string(&mut answer)).await.expect("it answers and closes").unwrap();
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off() {
    let options = Options { shutdown_grace: Duration::from_millis(200), ..Options::default() };
    let server = server_with(|_| (), options).await;
    let mut stuck = TcpStream::connect(server.address).await.unwrap();
    stuck.write_all(HEAD.as_bytes()).await.unwrap();
    stuck.write_all(b"{").await.unwrap();
    server.stop().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stuck.read_to_end(&mut answer)).await.expect("it is cut off");
    assert!(answer.is_empty());
}

#[tokio::test]
async fn readiness_goes_first_and_all_is_served_until_the_listener_closes() {
    let options = Options { drain: Duration::from_secs(4), ..Options::default() };
    let server = server_with(|_| (), options).await;
    let talk = Talk::new(&server.test).await;
    let (mut socket, _) = Socket::hello(&server, &talk.client_token, None).await;
    let two = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let over_two = || two.get(format!("http://{}/v1/categories", server.address)).send();
    assert_eq!(over_two().await.unwrap().status(), 200);
    let mut kept = TcpStream::connect(server.address).await.unwrap();

    server.shutdown.cancel();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while server.get("/readyz").send().await.unwrap().status() != 503 {
        assert!(tokio::time::Instant::now() < deadline, "it stays ready");
    }
    expect(server.operator("/readyz"), 503).await;
    expect(server.operator("/healthz"), 200).await;
    // New connections and old ones, sockets too, are served, until an answer says that it is the last on its connection.
    let mut answered = 0;
    loop {
        assert!(TcpStream::connect(server.address).await.is_ok());
        assert_eq!(over_two().await.unwrap().status(), 200);
        socket.is_alive().await;
        kept.write_all(b"GET /v1/categories HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let head = head(&mut kept).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        answered += 1;
        if head.contains("connection: close") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered > 1, "the first answer was the last");
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, kept.read_to_end(&mut rest)).await.expect("and it was").unwrap();
    // There is still a listener for whoever comes back, over either version.
    expect(server.get("/v1/categories"), 200).await;
    assert_eq!(over_two().await.unwrap().status(), 200);
    assert_eq!(socket.end().await, Some(1001));
    assert!(TcpStream::connect(server.address).await.is_err());
    server.stopped().await;
}

/// The head of an answer; its body is read too.
async fn head(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") {
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut byte)).await.expect("an answer").unwrap();
        text.push(char::from(byte[0]));
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    text
}

#[tokio::test]
async fn whoever_is_in_a_hurry_waits_for_no_balancer() {
    let options = Options { drain: Duration::from_hours(1), ..Options::default() };
    let server = server_with(|_| (), options).await;
    server.shutdown.cancel();
    expect(server.get("/readyz"), 503).await;
    expect(server.get("/v1/categories"), 200).await;
    server.stop.hurry();
    server.stopped().await;
}
