//! The opening handshake of a WebSocket (RFC 6455 §4.2), and the wire behind it.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
        header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use marketplace_core::error::{Error, ErrorCode};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use super::frames::FRAME_LIMIT;
use crate::problem::Problem;

/// Bytes that are read at once; small, because sockets are many and mostly quiet.
const READ_BUFFER: usize = 2 * 1024;
/// Upper limit of the bytes that wait to be written; each frame is written before the next one is taken from the queue.
const WRITE_BUFFER: usize = 512 * 1024;
/// The only version that there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");
const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");
const SWITCH: HeaderValue = HeaderValue::from_static("upgrade");

/// The frames of one socket.
pub(super) type Wire = WebSocketStream<TokioIo<Upgraded>>;

/// A request for a WebSocket that can be granted.
#[derive(Debug)]
pub(crate) struct Handshake {
    accept: HeaderValue,
    upgrade: OnUpgrade,
}

/// The reason why a request is no handshake.
#[derive(Debug)]
pub(crate) enum NoHandshake {
    /// It asks for something else, or for another version.
    Needed,
    /// It asks for a WebSocket, and its key is missing or wrong.
    Malformed,
}

impl Handshake {
    /// Reads the handshake of a request.
    pub fn of(parts: &mut Parts) -> Result<Self, NoHandshake> {
        let headers = &parts.headers;
        let asks = parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && lists(headers, &CONNECTION, "upgrade")
            && lists(headers, &UPGRADE, "websocket")
            && headers.get(SEC_WEBSOCKET_VERSION) == Some(&VERSION);
        // The connection cannot be taken over from behind a test's router.
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let Some(upgrade) = upgrade.filter(|_| asks) else { return Err(NoHandshake::Needed) };
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else { return Err(NoHandshake::Malformed) };
        if !is_key(key.as_bytes()) {
            return Err(NoHandshake::Malformed);
        }
        let accept = derive_accept_key(key.as_bytes()).try_into().map_err(|_| NoHandshake::Malformed)?;
        Ok(Self { accept, upgrade })
    }

    /// Returns the answer, and the wire that there is once it has been sent.
    pub fn grant(self) -> (Response, impl Future<Output = hyper::Result<Wire>>) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, SWITCH);
        headers.insert(UPGRADE, PROTOCOL);
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        let wire = async {
            let stream = TokioIo::new(self.upgrade.await?);
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .write_buffer_size(0)
                .max_write_buffer_size(WRITE_BUFFER)
                .max_message_size(Some(FRAME_LIMIT))
                .max_frame_size(Some(FRAME_LIMIT));
            Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
        };
        (response, wire)
    }
}

impl IntoResponse for NoHandshake {
    fn into_response(self) -> Response {
        let problem = |status, text: &'static str| {
            Problem::with_status(status, Error::new(ErrorCode::Invalid, text)).into_response()
        };
        match self {
            Self::Malformed => problem(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64, once"),
            Self::Needed => {
                let mut response =
                    problem(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket, version 13, over HTTP/1.1");
                let headers = response.headers_mut();
                headers.insert(CONNECTION, SWITCH);
                headers.insert(UPGRADE, PROTOCOL);
                headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
                response
            }
        }
    }
}

/// Returns whether a header, a list, has an element.
fn lists(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|listed| listed.trim().eq_ignore_ascii_case(element))
}

/// Returns whether this is the base64 of 16 bytes. The last character before the padding may have any bits to spare, as
/// some clients send random characters.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|text| text.len() == 22 && text.iter().all(is_base64))
}
