//! A WebSocket client for tests, and two people who talk.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use marketplace_core::{
    accounts::model::Status,
    actor::Actor,
    base::permission::Role,
    messaging::{self, model::OpenThread},
    services::{self, model::NewService},
    testing::TestApp,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use crate::harness::{PATIENCE, Server};

/// A client and a worker, logged in, with a thread between them.
pub struct Talk {
    pub client: Actor,
    pub client_token: String,
    pub worker: Actor,
    pub worker_token: String,
    pub thread: String,
}

impl Talk {
    pub async fn new(test: &TestApp) -> Self {
        let client = test.user(Role::Client, Status::Active).await;
        let (client, client_token) = test.log_in(client).await;
        let worker = test.user(Role::Worker, Status::Active).await;
        test.approve(worker).await;
        let (worker, worker_token) = test.log_in(worker).await;
        let new: NewService = serde_json::from_value(json!({"title": "Garden", "category": "gardening"})).unwrap();
        let made = services::create(&test.app().by(&worker), new).await.unwrap();
        services::publish(&test.app().by(&worker), made.id).await.unwrap();
        let new = OpenThread { service_id: made.id, content: None, client_msg_id: None };
        let thread = messaging::open(&test.app().by(&client), new).await.unwrap().id.to_string();
        Self { client, client_token, worker, worker_token, thread }
    }
}

/// What a socket hears.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(Value),
    /// The code of a close frame; none when the connection broke.
    End(Option<u16>),
}

pub struct Socket {
    wire: WebSocketStream<TcpStream>,
    /// The newest cursor that was told.
    pub cursor: String,
}

impl Socket {
    /// Opens one with these headers. A refusal is its status.
    pub async fn open(server: &Server, query: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut request = format!("ws://{}/v1/ws{query}", server.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tokio::time::timeout(PATIENCE, client_async(request, stream)).await.expect("a handshake is answered") {
            Ok((wire, _)) => Ok(Self { wire, cursor: String::new() }),
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens one without a greeting.
    pub async fn silent(server: &Server, token: &str) -> Self {
        Self::open(server, "", &[("authorization", &format!("Bearer {token}"))]).await.unwrap()
    }

    /// Opens one and says hello; `ready` or `resync_required` has come.
    pub async fn hello(server: &Server, token: &str, cursor: Option<&str>) -> (Self, Value) {
        let mut socket = Self::silent(server, token).await;
        socket.say(&json!({"type": "hello", "cursor": cursor})).await;
        let first = socket.frame().await;
        (socket, first)
    }

    pub async fn say(&mut self, frame: &Value) {
        self.send(Message::text(frame.to_string())).await;
    }
    pub async fn send(&mut self, message: Message) {
        // The server may have closed meanwhile: what it said is what counts.
        let _ = self.wire.send(message).await;
    }

    pub async fn hear(&mut self) -> Heard {
        loop {
            match tokio::time::timeout(PATIENCE, self.wire.next()).await.expect("something is heard") {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if let Some(cursor) = frame["cursor"].as_str() {
                        cursor.clone_into(&mut self.cursor);
                    }
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Close(frame))) => return Heard::End(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::End(None),
            }
        }
    }
    /// The next frame.
    pub async fn frame(&mut self) -> Value {
        match self.hear().await {
            Heard::Frame(frame) => frame,
            end @ Heard::End(_) => panic!("{end:?}"),
        }
    }
    /// The next frame of a type; others are passed over.
    pub async fn next(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }
    /// Nothing has come but the answer to a ping.
    pub async fn is_quiet(&mut self) {
        self.say(&json!({"type": "ping"})).await;
        assert_eq!(self.frame().await["type"], "pong");
    }
    /// It is open and answers; what it told of before is passed over.
    pub async fn is_alive(&mut self) {
        self.say(&json!({"type": "ping"})).await;
        self.next("pong").await;
    }
    /// The end; frames before it are passed over.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            if let Heard::End(code) = self.hear().await {
                return code;
            }
        }
    }
    /// Hears nothing and answers nothing for a while.
    pub async fn sleeps(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
