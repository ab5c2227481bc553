//! The WebSocket of one person: frames as JSON, in the order in which they come.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::http::Http;

/// Upper limit of every wait in a story, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The parameters of opening a socket.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// A one-use ticket in the address, as browsers send it.
    pub ticket: Option<String>,
    /// An access token in the header.
    pub token: Option<String>,
    /// The page that opens it, as its origin.
    pub origin: Option<String>,
    /// The size of its receive buffer in bytes; the system's default without.
    pub receive_buffer: Option<u32>,
}

/// The end of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a close frame of this code.
    Closed(u16),
    /// Without one.
    Broken(String),
}

/// The result of [`Socket::heard`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A frame.
    Frame(Value),
    /// The end.
    End(End),
    /// Nothing within the time.
    Nothing,
}

/// One socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Frames that arrived before the reply to a hello.
    early: VecDeque<Value>,
    /// The newest cursor that it received.
    pub cursor: String,
}

impl Socket {
    /// Opens a socket, without a greeting. A refusal is returned as its status.
    pub async fn open(server: &str, opening: &Opening) -> Result<Self, u16> {
        let address: SocketAddr = server.trim_start_matches("http://").parse().expect("an address");
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = opening.receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        // A server that was just killed refuses: the caller tries again, as after any refusal.
        let Ok(stream) = socket.connect(address).await else { return Err(0) };
        stream.set_nodelay(true).unwrap();
        let ticket = opening.ticket.as_ref().map_or(String::new(), |ticket| format!("?ticket={ticket}"));
        let mut request = format!("ws://{address}/v1/ws{ticket}").into_client_request().unwrap();
        let mut header = |name: &'static str, value: String| {
            request.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
        };
        if let Some(token) = &opening.token {
            header("authorization", format!("Bearer {token}"));
        }
        if let Some(origin) = &opening.origin {
            header("origin", origin.clone());
        }
        match timeout(PATIENCE, client_async(request, stream)).await.expect("the server answers a handshake") {
            Ok((stream, _)) => Ok(Self { stream, early: VecDeque::new(), cursor: String::new() }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    /// Opens a socket with an access token and sends hello, with `cursor` or from now on.
    ///
    /// A server that has just started does not follow the log yet, and reports that: then it is tried again.
    pub async fn connect(http: &Http, cursor: Option<&str>) -> Self {
        for _ in 0..300 {
            match Self::try_connect(http, cursor).await {
                Ok(socket) => return socket,
                Err(503) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(status) => panic!("the socket is refused: {status}"),
            }
        }
        panic!("no socket opens within 30 s");
    }

    /// Opens a socket with an access token and sends hello, unless the server refuses or is gone.
    pub async fn try_connect(http: &Http, cursor: Option<&str>) -> Result<Self, u16> {
        let opening = Opening { token: http.token.clone(), ..Opening::default() };
        let mut socket = Self::open(http.base(), &opening).await?;
        socket.hello(cursor).await.map_err(|_| 0_u16)?;
        Ok(socket)
    }

    /// Sends hello and returns the reply: `ready` or `resync_required`.
    pub async fn hello(&mut self, cursor: Option<&str>) -> Result<Value, End> {
        self.say(json!({ "type": "hello", "cursor": cursor })).await;
        let mut early = VecDeque::new();
        loop {
            match self.heard(PATIENCE).await {
                Heard::Frame(frame) if frame["type"] == "ready" || frame["type"] == "resync_required" => {
                    self.early = early;
                    return Ok(frame);
                }
                Heard::Frame(frame) => early.push_back(frame),
                Heard::End(end) => return Err(end),
                Heard::Nothing => panic!("hello is not answered within {PATIENCE:?}"),
            }
        }
    }

    /// Sends a frame; returns false when the socket is gone.
    pub async fn say(&mut self, frame: Value) -> bool {
        self.say_raw(Message::text(frame.to_string())).await
    }

    /// Sends anything.
    pub async fn say_raw(&mut self, message: Message) -> bool {
        self.stream.send(message).await.is_ok()
    }

    /// Sends a message, without waiting for its ack.
    pub async fn send(&mut self, thread: &str, client_msg_id: &str, content: &str) -> bool {
        let frame = json!({ "type": "send", "thread_id": thread, "client_msg_id": client_msg_id, "content": content });
        self.say(frame).await
    }

    /// Returns the next frame, the end, or nothing within `time`.
    pub async fn heard(&mut self, time: Duration) -> Heard {
        if let Some(frame) = self.early.pop_front() {
            return Heard::Frame(frame);
        }
        let until = Instant::now() + time;
        loop {
            let Ok(next) = timeout_at(until, self.stream.next()).await else { return Heard::Nothing };
            match next {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("every frame is JSON");
                    if let Some(cursor) = frame["cursor"].as_str() {
                        cursor.clone_into(&mut self.cursor);
                    }
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    return Heard::End(End::Closed(code));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Heard::End(End::Broken(error.to_string())),
                None => return Heard::End(End::Broken("it ended".into())),
            }
        }
    }

    /// Returns the next frame for which `wanted` is true; earlier frames are skipped.
    pub async fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        loop {
            match self.heard(until.saturating_duration_since(Instant::now())).await {
                Heard::Frame(frame) if wanted(&frame) => return frame,
                Heard::Frame(frame) => passed.push(frame),
                other => panic!("no {what}: {other:?}, after {passed:?}"),
            }
        }
    }

    /// Returns the next frame of a type.
    pub async fn frame(&mut self, kind: &str) -> Value {
        self.wait_for(kind, |frame| frame["type"] == kind).await
    }

    /// Sends a message and returns its ack.
    pub async fn send_and_wait(&mut self, thread: &str, client_msg_id: &str, content: &str) -> Value {
        assert!(self.send(thread, client_msg_id, content).await, "the socket is gone");
        self.wait_for("ack", |frame| frame["type"] == "ack" && frame["client_msg_id"] == client_msg_id).await
    }

    /// Waits for the end only; earlier frames are skipped. Returns how it ended and after what time.
    pub async fn end(&mut self) -> (End, Duration) {
        let begun = Instant::now();
        loop {
            match self.heard(PATIENCE).await {
                Heard::End(end) => return (end, begun.elapsed()),
                Heard::Frame(_) => {}
                Heard::Nothing => panic!("the socket is still open after {:?}", begun.elapsed()),
            }
        }
    }

    /// Asserts that nothing but `pong` precedes the reply to a ping: what was sent earlier did not concern this socket.
    pub async fn is_quiet(&mut self) {
        assert!(self.say(json!({ "type": "ping" })).await, "the socket is gone");
        match self.heard(PATIENCE).await {
            Heard::Frame(frame) => assert_eq!(frame["type"], "pong", "{frame}"),
            other => panic!("{other:?}"),
        }
    }
}
