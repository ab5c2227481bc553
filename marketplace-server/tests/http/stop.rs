//! Stopping finishes what is in flight, and nothing else.

use std::time::Duration;

use marketplace_server::Options;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{PATIENCE, server, server_with};

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
