//! Clients that do what no good one does, and somebody else who wants to be served meanwhile.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use marketplace_tests::{Http, Server, people::PASSWORD};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

/// Says nothing about time: long enough for a busy machine, and much less than what a fault would cost.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Raises this process's limit of open files, and that of servers that it starts, to what the system allows. Says so, and returns
/// `false`, where that is less than `needed`.
pub fn may_open(needed: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let enough = maximum.is_none_or(|maximum| maximum >= needed);
    if !enough {
        eprintln!("skipped: this needs {needed} open files, and the system allows {maximum:?}");
    }
    enough
}

/// Where a server listens.
pub fn address(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

/// A connection from an address of this machine.
pub async fn connect(server: &Server, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if last != 1 {
        socket.bind((IpAddr::from([127, 0, 0, last]), 0).into()).unwrap();
    }
    timeout(PATIENCE, socket.connect(address(server))).await.unwrap().unwrap()
}

/// A connection on which so much was said.
pub async fn say(server: &Server, last: u8, text: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = connect(server, last).await;
    // The server may have closed it already.
    let _ = stream.write_all(text.as_ref()).await;
    stream
}

/// What comes until the server closes; fails when it does not.
pub async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is a close too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// The head of a POST.
pub fn post(path: &str, token: Option<&str>, kind: &str, length: usize) -> String {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{token}content-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
}

/// Somebody else, with an account of their own.
pub struct Bystander {
    email: String,
}

impl Bystander {
    pub async fn new(server: &Server) -> Self {
        Self { email: server.as_client().await.email }
    }

    /// Fails unless they look at services and log in meanwhile, from the attacker's address and from another one.
    pub async fn is_served(&self, server: &Server) {
        for last in [1, 99] {
            let http = Http::from(&server.url, IpAddr::from([127, 0, 0, last]));
            let began = Instant::now();
            for (what, answer) in [
                ("services", timeout(PATIENCE, http.get("/v1/services")).await),
                (
                    "a log-in",
                    timeout(PATIENCE, http.post("/v1/auth/login", json!({"email": self.email, "password": PASSWORD})))
                        .await,
                ),
            ] {
                let answer = answer.unwrap_or_else(|_| panic!("{what} from 127.0.0.{last} are not answered"));
                assert_eq!(answer.status, 200, "{what} from 127.0.0.{last}: {answer:?}");
            }
            // A second on a machine that does nothing else.
            assert!(began.elapsed() < PATIENCE / 2, "127.0.0.{last} waited for {:?}", began.elapsed());
        }
    }
}

/// HTTP/2 (RFC 9113), frame by frame.
pub mod two {
    /// How a client begins: with these settings.
    pub fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
        let mut text = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        text.extend(frame(4, 0, 0, &payload));
        text
    }

    pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// Headers of a request (RFC 7541: indexed method and scheme, literal path and authority).
    pub fn headers(method: &str, path: &str) -> Vec<u8> {
        let mut block = vec![if method == "POST" { 0x83 } else { 0x82 }, 0x86];
        for (name, value) in [(0x04, path), (0x01, "x")] {
            block.extend([name, u8::try_from(value.len()).unwrap()]);
            block.extend(value.as_bytes());
        }
        block
    }

    /// A request without a body.
    pub fn get(stream: u32, path: &str) -> Vec<u8> {
        frame(1, 0x5, stream, &headers("GET", path))
    }

    /// A request with one byte of its body.
    pub fn begun(stream: u32, path: &str) -> Vec<u8> {
        [frame(1, 0x4, stream, &headers("POST", path)), frame(0, 0, stream, b"{")].concat()
    }
}
