//! The frames of a socket, and the part of the protocol that needs no network: what a client's frame requests, and when a
//! client has gone. `docs/websocket.md` documents it for authors of clients.

use std::time::Duration;

use marketplace_core::{
    error::{Error, ErrorCode, FieldError},
    ids::{AttachmentId, MessageId, ThreadId, UserId},
    messaging::{Delivery, model::NewMessage},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Upper limit of the bytes of a client's frame.
pub(crate) const FRAME_LIMIT: usize = 64 * 1024;
/// Number of invalid or excessive frames after which a client is disconnected.
const NONSENSE_LIMIT: u32 = 100;
/// Minimum interval between two typing notices; earlier ones are dropped.
const TYPING_EVERY: Duration = Duration::from_secs(1);

/// The reason why the server closes a socket (RFC 6455 §7.4; 4000 and above are ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// The server stops; the client may reconnect.
    GoingAway,
    /// The client violates WebSocket itself.
    Protocol,
    /// Binary frames are not accepted.
    Binary,
    /// A text frame or a reason is not UTF-8.
    NotText,
    /// The client violates the protocol of this socket.
    Policy,
    /// A frame was too large.
    TooBig,
    /// The client was too slow, or the database is away; the client may reconnect with its last cursor.
    TryAgain,
    /// The login has ended.
    LoggedOut,
}

impl Close {
    /// Returns the code for the wire, with a text for people.
    pub fn frame(self) -> (u16, &'static str) {
        match self {
            Self::GoingAway => (1001, "the server stops; come back"),
            Self::Protocol => (1002, "this is not WebSocket (RFC 6455)"),
            Self::Binary => (1003, "frames are text"),
            Self::NotText => (1007, "text is UTF-8"),
            Self::Policy => (1008, "this is not the protocol"),
            Self::TooBig => (1009, "a frame is at most 65536 bytes"),
            Self::TryAgain => (1013, "come back and resume by cursor"),
            Self::LoggedOut => (4401, "the login has ended"),
        }
    }

    /// Returns whether nothing that the client sends afterwards can be understood.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Protocol | Self::NotText | Self::TooBig)
    }
}

/// A frame from the client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientFrame {
    /// Once, first. Missed events follow, and then new ones.
    Hello {
        /// The last cursor that was received; without one, events from now on.
        cursor: Option<String>,
    },
    /// Sends a message. The same again is harmless.
    Send {
        /// The thread.
        thread_id: ThreadId,
        /// The sender's own name for it, 1 to 100 characters.
        client_msg_id: String,
        /// 1 to 4,000 characters; may be left out when there are files.
        #[serde(default)]
        content: String,
        /// Files that the sender has uploaded to this thread, 10 at most.
        #[serde(default)]
        attachments: Vec<AttachmentId>,
    },
    /// Moves the read pointer, which only advances.
    Read {
        /// The thread.
        thread_id: ThreadId,
        /// How far.
        seq: i64,
    },
    /// Passed on to the other one at most once a second, and not stored.
    Typing {
        /// The thread.
        thread_id: ThreadId,
    },
    /// Asks whether the server is there.
    Ping,
}

/// A frame from the server, other than an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerFrame<'a> {
    /// Events are delivered from here on; missed ones come first.
    Ready { cursor: &'a str },
    /// Events may be missing: the client must reload what it shows.
    ResyncRequired { cursor: &'a str },
    /// A message is stored.
    Ack { thread_id: ThreadId, client_msg_id: &'a str, seq: i64, message_id: MessageId },
    /// The other participant of a thread is typing.
    Typing { thread_id: ThreadId, user_id: UserId },
    /// The reply to a ping; `cursor` is the last event that this socket was sent.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a str>,
    },
    /// A frame could not be processed.
    Error {
        code: ErrorCode,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        thread_id: Option<ThreadId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_msg_id: Option<&'a str>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        errors: &'a [FieldError],
        #[serde(skip_serializing_if = "Option::is_none")]
        current: Option<&'a serde_json::Value>,
    },
}

impl ServerFrame<'_> {
    /// Returns the frame as text for the wire.
    pub fn text(&self) -> String {
        // Enums of texts, numbers and ids always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Returns an error frame as the reply to a frame about a thread or a message.
pub(crate) fn error(error: &Error, thread: Option<ThreadId>, client_msg_id: Option<&str>) -> String {
    let frame = ServerFrame::Error {
        code: error.code(),
        detail: error.detail(),
        thread_id: thread,
        client_msg_id,
        errors: error.fields(),
        current: error.current(),
    };
    frame.text()
}

/// Returns an event with its cursor, as text for the wire.
pub(crate) fn event(what: &Delivery, cursor: &str) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        #[serde(flatten)]
        what: &'a Delivery,
        cursor: &'a str,
    }
    serde_json::to_string(&Told { what, cursor }).unwrap_or_default()
}

/// The reaction to a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// Send the events that were missed since the cursor, and new ones from now on.
    Follow(Option<String>),
    /// Send a message.
    Send(ThreadId, NewMessage),
    /// Move the read pointer.
    Read(ThreadId, i64),
    /// Notify the other participant.
    Typing(ThreadId),
    /// Reply to a ping.
    Pong,
    /// Send this text.
    Say(String),
    /// Do nothing.
    Nothing,
    /// Close the socket.
    Close(Close),
}

/// The reaction to an interval without a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Check whether the client is still there.
    Ping,
    /// The client is gone.
    Gone,
    /// The client never sent `hello`.
    Close(Close),
}

/// The server's side of one socket's protocol. Times are counted from its opening.
#[derive(Debug, Default)]
pub(crate) struct Protocol {
    greeted: bool,
    nonsense: u32,
    typed: Option<Duration>,
    /// Whether anything arrived since the last ping.
    alive: bool,
    pinged: bool,
}

impl Protocol {
    /// Records a sign of life, including those at the level of WebSocket.
    pub fn heard(&mut self) {
        self.alive = true;
    }

    /// Records a rejected frame; returns whether that was one too many.
    pub fn refused(&mut self) -> bool {
        self.nonsense += 1;
        self.nonsense > NONSENSE_LIMIT
    }

    /// Handles a text frame.
    pub fn text(&mut self, text: &str, now: Duration) -> Todo {
        self.heard();
        let frame = match serde_json::from_str::<ClientFrame>(text) {
            Ok(frame) => frame,
            Err(wrong) => {
                if self.refused() {
                    return Todo::Close(Close::Policy);
                }
                let wrong = format!("the frame is not understood: {wrong}");
                return Todo::Say(error(&Error::new(ErrorCode::Invalid, wrong), None, None));
            }
        };
        let refuse = |detail: &'static str, thread, name: Option<&str>| {
            Todo::Say(error(&Error::new(ErrorCode::Invalid, detail), thread, name))
        };
        match frame {
            ClientFrame::Hello { .. } if self.greeted => refuse("this socket was greeted before", None, None),
            ClientFrame::Hello { cursor } => {
                self.greeted = true;
                Todo::Follow(cursor)
            }
            ClientFrame::Ping => Todo::Pong,
            ClientFrame::Send { thread_id, client_msg_id, .. } if !self.greeted => {
                refuse("say hello first", Some(thread_id), Some(&client_msg_id))
            }
            ClientFrame::Read { thread_id, .. } | ClientFrame::Typing { thread_id } if !self.greeted => {
                refuse("say hello first", Some(thread_id), None)
            }
            ClientFrame::Send { thread_id, client_msg_id, content, attachments } => {
                Todo::Send(thread_id, NewMessage { client_msg_id, content, attachments })
            }
            ClientFrame::Read { thread_id, seq } => Todo::Read(thread_id, seq),
            ClientFrame::Typing { thread_id } => {
                if self.typed.is_some_and(|typed| now.saturating_sub(typed) < TYPING_EVERY) {
                    return Todo::Nothing;
                }
                self.typed = Some(now);
                Todo::Typing(thread_id)
            }
        }
    }

    /// Handles the end of a heartbeat interval.
    pub fn beat(&mut self) -> Beat {
        if !self.greeted {
            return Beat::Close(Close::Policy);
        }
        if self.pinged && !self.alive {
            return Beat::Gone;
        }
        self.pinged = true;
        self.alive = false;
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const THREAD: &str = "01890000-0000-7000-8000-000000000000";

    fn greeted() -> Protocol {
        let mut protocol = Protocol::default();
        assert_eq!(protocol.text(r#"{"type":"hello","cursor":null}"#, Duration::ZERO), Todo::Follow(None));
        protocol
    }

    fn said(todo: Todo) -> Value {
        let Todo::Say(text) = todo else { panic!("{todo:?}") };
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn frames_are_understood() {
        let mut protocol = greeted();
        let thread: ThreadId = THREAD.parse().unwrap();
        let mut text = |frame: Value| protocol.text(&frame.to_string(), Duration::from_secs(9));
        assert_eq!(text(json!({"type": "ping"})), Todo::Pong);
        assert_eq!(text(json!({"type": "read", "thread_id": THREAD, "seq": 7})), Todo::Read(thread, 7));
        assert_eq!(text(json!({"type": "typing", "thread_id": THREAD})), Todo::Typing(thread));
        let message = NewMessage { client_msg_id: "a".into(), content: "b".into(), attachments: Vec::new() };
        let frame = json!({"type": "send", "thread_id": THREAD, "client_msg_id": "a", "content": "b"});
        assert_eq!(text(frame), Todo::Send(thread, message));
    }

    #[test]
    fn a_cursor_is_taken_with_the_first_hello_only() {
        let mut protocol = Protocol::default();
        let hello = r#"{"type":"hello","cursor":"0.7"}"#;
        assert_eq!(protocol.text(hello, Duration::ZERO), Todo::Follow(Some("0.7".into())));
        assert_eq!(said(protocol.text(hello, Duration::ZERO))["code"], "invalid");
    }

    #[test]
    fn nothing_is_done_before_the_greeting() {
        let mut protocol = Protocol::default();
        for frame in [
            json!({"type": "send", "thread_id": THREAD, "client_msg_id": "a", "content": "b"}),
            json!({"type": "read", "thread_id": THREAD, "seq": 1}),
            json!({"type": "typing", "thread_id": THREAD}),
        ] {
            let answer = said(protocol.text(&frame.to_string(), Duration::ZERO));
            assert_eq!((&answer["type"], &answer["thread_id"]), (&json!("error"), &json!(THREAD)));
            assert_eq!(answer["client_msg_id"], frame["client_msg_id"]);
        }
        assert_eq!(protocol.text(r#"{"type":"ping"}"#, Duration::ZERO), Todo::Pong);
    }

    #[test]
    fn nonsense_is_answered_and_after_a_while_ends_it() {
        let mut protocol = greeted();
        for text in ["", "{", "[]", "null", "5", r#"{"type":"sing"}"#, r#"{"type":"read","thread_id":"x","seq":1}"#] {
            assert_eq!(said(protocol.text(text, Duration::ZERO))["code"], "invalid", "{text}");
        }
        let mut last = Todo::Nothing;
        for _ in 0..NONSENSE_LIMIT {
            last = protocol.text("{", Duration::ZERO);
        }
        assert_eq!(last, Todo::Close(Close::Policy));
    }

    #[test]
    fn typing_is_told_once_a_second() {
        let mut protocol = greeted();
        let frame = json!({"type": "typing", "thread_id": THREAD}).to_string();
        let mut at = |millis| protocol.text(&frame, Duration::from_millis(millis)) != Todo::Nothing;
        assert_eq!([at(0), at(10), at(999), at(1_000), at(1_500), at(2_001)], [true, false, false, true, false, true]);
    }

    #[test]
    fn a_silent_client_is_pinged_and_then_gone() {
        let mut protocol = Protocol::default();
        assert_eq!(protocol.beat(), Beat::Close(Close::Policy));
        let mut protocol = greeted();
        assert_eq!(protocol.beat(), Beat::Ping);
        protocol.heard();
        assert_eq!(protocol.beat(), Beat::Ping);
        assert_eq!(protocol.beat(), Beat::Gone);
    }

    #[test]
    fn an_event_carries_its_type_and_its_cursor() {
        let thread_id: ThreadId = THREAD.parse().unwrap();
        let user_id: UserId = THREAD.parse().unwrap();
        let told: Value = serde_json::from_str(&event(&Delivery::Read { thread_id, user_id, seq: 3 }, "0.9")).unwrap();
        assert_eq!(told, json!({"type": "read", "thread_id": THREAD, "user_id": THREAD, "seq": 3, "cursor": "0.9"}));
    }
}
