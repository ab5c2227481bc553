//! Sockets byte by byte, as clients that are buggy, slow or hostile speak; the cases follow Autobahn's.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{PATIENCE, Server, server},
    socket::Talk,
};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;

/// A frame from the server.
#[derive(Debug, PartialEq)]
struct Frame {
    opcode: u8,
    payload: Vec<u8>,
}

/// A socket without a library.
struct Wire(TcpStream);

impl Wire {
    async fn open(server: &Server, token: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = shake(&format!("authorization: Bearer {token}\r\n"));
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = head_of(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // RFC 6455 §1.3 has this pair.
        assert!(answer.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
        Self(stream)
    }

    async fn raw(&mut self, bytes: &[u8]) {
        // The server may have closed meanwhile: what it said is what counts.
        let _ = self.0.write_all(bytes).await;
    }

    /// Sends a masked frame; `first` has FIN, the reserved bits and the opcode.
    async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.raw(&masked(first, payload)).await;
    }

    /// The next frame; none when the server ended the connection. A broken connection fails.
    async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 2];
            match self.0.read_exact(&mut head).await {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
                Err(error) => panic!("the connection broke: {error}"),
            }
            assert_eq!(head[0] & 0xF0, FIN, "the server neither fragments nor uses reserved bits");
            assert_eq!(head[1] & 0x80, 0, "the server masks nothing");
            let length = match head[1] {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            Some(Frame { opcode: head[0] & 0x0F, payload })
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the server says something")
    }

    /// The next frame, which is JSON.
    async fn json(&mut self) -> Value {
        let frame = self.next().await.expect("a frame");
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).unwrap()
    }

    /// The code with which the server ends the socket, and the end of the connection after it.
    async fn end(&mut self) -> Option<u16> {
        let code = loop {
            let frame = self.next().await.expect("a close frame before the end");
            if frame.opcode == CLOSE {
                break match frame.payload.as_slice() {
                    [] => None,
                    [high, low, reason @ ..] => {
                        assert!(std::str::from_utf8(reason).is_ok());
                        Some(u16::from_be_bytes([*high, *low]))
                    }
                    other => panic!("{other:?}"),
                };
            }
        };
        assert_eq!(self.next().await, None, "nothing follows a close frame");
        code
    }

    /// Everything goes on: a ping is answered.
    async fn lives(&mut self) {
        self.frame(FIN | PING, b"still there?").await;
        let frame = self.next().await;
        assert_eq!(frame, Some(Frame { opcode: PONG, payload: b"still there?".to_vec() }));
    }
}

fn shake(more: &str) -> String {
    format!(
        "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer").unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        middle @ ..=65_535 => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn closing(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

#[tokio::test]
async fn a_clients_close_is_answered_with_its_code() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let allowed = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for code in allowed {
        for reason in [&b""[..], "déjà vu".as_bytes(), &[b'x'; 123]] {
            let mut wire = Wire::open(&server, &talk.client_token).await;
            wire.frame(FIN | CLOSE, &closing(code, reason)).await;
            assert_eq!(wire.end().await, Some(code));
        }
    }
    let mut wire = Wire::open(&server, &talk.client_token).await;
    wire.frame(FIN | CLOSE, b"").await;
    assert_eq!(wire.end().await, None);
    // What follows a close frame is not read.
    for after in
        [masked(FIN | TEXT, b"{\"type\":\"ping\"}"), masked(FIN | PING, b"x"), masked(FIN | CLOSE, b""), vec![0xFF; 99]]
    {
        let mut wire = Wire::open(&server, &talk.client_token).await;
        wire.raw(&[masked(FIN | CLOSE, &closing(1000, b"")), after].concat()).await;
        assert_eq!(wire.end().await, Some(1000));
    }
    // In the middle of a message, too.
    let mut wire = Wire::open(&server, &talk.client_token).await;
    wire.frame(TEXT, b"{\"type\":").await;
    wire.frame(FIN | CLOSE, &closing(1000, b"enough")).await;
    assert_eq!(wire.end().await, Some(1000));
    server.stop().await;
}

/// Each of these ends with its code, which arrives although the client has sent more than the server reads.
#[tokio::test]
async fn faults_of_the_protocol_end_with_their_codes() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let mut cases: Vec<(String, Vec<u8>, u16)> = Vec::new();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push((format!("close {code}"), masked(FIN | CLOSE, &closing(code, b"")), 1002));
    }
    let unmasked = [&[FIN | TEXT, 2][..], b"{}"].concat();
    let from_pieces = |pieces: &[(u8, &[u8])]| -> Vec<u8> {
        pieces.iter().flat_map(|(first, payload)| masked(*first, payload)).collect()
    };
    let long_control = |opcode: u8| masked(FIN | opcode, &[b'x'; 126]);
    let others: Vec<(&str, Vec<u8>, u16)> = vec![
        ("a close with one byte", masked(FIN | CLOSE, b"x"), 1002),
        ("a close with 126 bytes", masked(FIN | CLOSE, &closing(1000, &[b'x'; 124])), 1002),
        ("a close reason that is no text", masked(FIN | CLOSE, &closing(1000, &[0xCE, 0xBA, 0xE1, 0xFF])), 1007),
        ("a close in pieces", masked(CLOSE, &closing(1000, b"")), 1002),
        ("a ping with 126 bytes", long_control(PING), 1002),
        ("a pong with 126 bytes", long_control(PONG), 1002),
        ("a ping in pieces", from_pieces(&[(PING, b"a"), (FIN | CONTINUATION, b"b")]), 1002),
        ("a pong in pieces", masked(PONG, b"a"), 1002),
        ("no mask", unmasked, 1002),
        ("reserved bit 1", masked(FIN | 0x40 | TEXT, b"{}"), 1002),
        ("reserved bit 2", masked(FIN | 0x20 | TEXT, b"{}"), 1002),
        ("reserved bit 3", masked(FIN | 0x10 | PING, b""), 1002),
        ("reserved bits", masked(FIN | 0x70 | CLOSE, b""), 1002),
        ("a continuation of nothing", masked(FIN | CONTINUATION, b"x"), 1002),
        ("a beginning of a continuation of nothing", masked(CONTINUATION, b"x"), 1002),
        ("a message within a message", from_pieces(&[(TEXT, b"a"), (FIN | TEXT, b"b")]), 1002),
        ("text that is none", masked(FIN | TEXT, &[0xCE, 0xBA, 0xED, 0xA0, 0x80]), 1007),
        ("text that ends early", masked(FIN | TEXT, &[0xCE]), 1007),
        ("a long way to write a slash", masked(FIN | TEXT, &[0xC0, 0xAF]), 1007),
        ("text beyond Unicode", masked(FIN | TEXT, &[0xF4, 0x90, 0x80, 0x80]), 1007),
        ("pieces that are no text", from_pieces(&[(TEXT, "κ".as_bytes()), (FIN | CONTINUATION, &[0xFF])]), 1007),
        ("pieces that end early", from_pieces(&[(TEXT, &[0xCE]), (FIN | CONTINUATION, b"")]), 1007),
        // It fails at once, not only at the end of the message.
        ("a first piece that is no text", masked(TEXT, &[0xED, 0xA0, 0x80]), 1007),
        ("a second piece that is no text", from_pieces(&[(TEXT, &[0xF4]), (CONTINUATION, &[0x90])]), 1007),
        ("bytes", masked(FIN | BINARY, &[1, 2, 3]), 1003),
        ("no bytes", masked(FIN | BINARY, b""), 1003),
        ("bytes in pieces", from_pieces(&[(BINARY, b"a"), (FIN | CONTINUATION, b"b")]), 1003),
        ("too large", masked(FIN | TEXT, &[b'x'; 65_537]), 1009),
        ("too large in all", from_pieces(&[(TEXT, &[b'x'; 40_000]), (CONTINUATION, &[b'x'; 40_000])]), 1009),
        ("a large announcement", [&[FIN | TEXT, 0xFF][..], &[0x7F; 8], &[0; 99]].concat(), 1009),
        ("an impossible length", [&[FIN | TEXT, 0xFF][..], &[0xFF; 8], &[0; 99]].concat(), 1009),
    ];
    cases.extend(others.into_iter().map(|(name, bytes, code)| (name.to_owned(), bytes, code)));
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        cases.push((format!("opcode {opcode}"), masked(FIN | opcode, b"x"), 1002));
    }
    for (name, bytes, code) in cases {
        let mut wire = Wire::open(&server, &talk.client_token).await;
        wire.raw(&bytes).await;
        // Unread bytes at the moment of closing would reset the connection, and the code would be lost.
        wire.raw(&masked(FIN | TEXT, &vec![b'y'; 20_000])).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(wire.end().await, Some(code), "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn whatever_the_protocol_allows_goes_on() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let mut wire = Wire::open(&server, &talk.client_token).await;
    for payload in [&b""[..], b"Hello", &[0, 0xFF, 0xFE, 0xFD], &[0xFE; 125]] {
        wire.frame(FIN | PING, payload).await;
        assert_eq!(wire.next().await, Some(Frame { opcode: PONG, payload: payload.to_vec() }));
    }
    // Nobody asked for it.
    wire.frame(FIN | PONG, b"unasked").await;
    for n in 0..10 {
        wire.frame(FIN | PING, &[n]).await;
    }
    for n in 0..10 {
        assert_eq!(wire.next().await, Some(Frame { opcode: PONG, payload: vec![n] }));
    }
    // Byte by byte.
    for byte in masked(FIN | PING, b"chopped") {
        wire.raw(&[byte]).await;
    }
    assert_eq!(wire.next().await, Some(Frame { opcode: PONG, payload: b"chopped".to_vec() }));
    // Text that is none of our frames comes to nothing, in every size and shape.
    let most = "x".repeat(65_536);
    for text in ["", "Hello-µ@ßöäüàá-UTF-8!!", "\u{10FFFF}\u{FFFE}\u{0}", &most[..126], &most[..65_535], &most] {
        wire.frame(FIN | TEXT, text.as_bytes()).await;
        assert_eq!(wire.json().await["code"], "invalid");
        for size in [1, 997] {
            let pieces: Vec<_> = text.as_bytes().chunks(size.max(text.len() / 60)).collect();
            let last = pieces.len().saturating_sub(1);
            for (n, piece) in pieces.iter().enumerate() {
                let opcode = if n == 0 { TEXT } else { CONTINUATION };
                wire.frame(if n == last { FIN | opcode } else { opcode }, piece).await;
            }
            if !pieces.is_empty() {
                assert_eq!(wire.json().await["code"], "invalid");
            }
        }
    }
    // Between the pieces of a message, control frames are answered; pieces may be empty.
    wire.frame(TEXT, b"").await;
    for piece in ["{\"type\":", "", "\"hel"] {
        wire.frame(CONTINUATION, piece.as_bytes()).await;
        wire.lives().await;
    }
    wire.frame(FIN | CONTINUATION, b"lo\"}").await;
    assert_eq!(wire.json().await["type"], "ready");
    wire.lives().await;
    wire.frame(FIN | CLOSE, &closing(1000, b"")).await;
    assert_eq!(wire.end().await, Some(1000));
    server.stop().await;
}

/// Frames wait for a client that reads nothing, and then it closes: the answer comes behind them.
#[tokio::test]
async fn a_slow_readers_close_is_answered_too() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let mut wire = Wire::open(&server, &talk.client_token).await;
    wire.frame(FIN | TEXT, b"{\"type\":\"hello\"}").await;
    assert_eq!(wire.json().await["type"], "ready");
    for n in 0..90 {
        let request = server.post(&format!("/v1/threads/{}/messages", talk.thread)).bearer_auth(&talk.worker_token);
        let message = json!({"client_msg_id": n.to_string(), "content": "ü".repeat(4_000)});
        assert_eq!(request.json(&message).send().await.unwrap().status(), 201);
    }
    wire.frame(FIN | CLOSE, &closing(1000, b"")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(wire.end().await, Some(1000));
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_handshake_is_told_what_one_is() {
    let server = server().await;
    let talk = Talk::new(&server.test).await;
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let version = "sec-websocket-version: 13\r\n";
    for (headers, status) in [
        (String::new(), 426),
        (format!("{version}{key}"), 426),
        (format!("connection: keep-alive\r\nupgrade: websocket\r\n{version}{key}"), 426),
        (format!("connection: upgrade\r\nupgrade: h2c\r\n{version}{key}"), 426),
        (format!("{upgrade}{key}"), 426),
        (format!("{upgrade}{key}sec-websocket-version: 8\r\n"), 426),
        (format!("{upgrade}{key}sec-websocket-version: 14\r\n"), 426),
        (format!("{upgrade}{version}"), 400),
        (format!("{upgrade}{version}sec-websocket-key: c2hvcnQ=\r\n"), 400),
        (format!("{upgrade}{version}sec-websocket-key: !!!!!!!!!!!!!!!!!!!!!!==\r\n"), 400),
        (format!("{upgrade}{version}{key}{key}"), 400),
    ] {
        // Whoever asks, and whether or not they are logged in.
        for bearer in [String::new(), format!("authorization: Bearer {}\r\n", talk.client_token)] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let head = format!("GET /v1/ws HTTP/1.1\r\nhost: localhost\r\n{headers}{bearer}\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let answer = head_of(&mut stream).await.to_lowercase();
            assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{headers}{answer}");
            assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
            if status == 426 {
                assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
                assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
                assert!(answer.contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
            }
        }
    }
    server.stop().await;
}
