//! Live delivery over core's event log. The log is authoritative: a notification only triggers a read.
//!
//! | to read about | open |
//! |---|---|
//! | the event stream for staff | `sse.rs` |
//! | the frames of sockets, and their replies | `frames.rs` |
//! | their description, for programs | `asyncapi.rs` |
//! | the opening handshake | `handshake.rs` |
//! | the listeners and their queues | `hub.rs` |
//! | reading the log, once for all sockets | `dispatcher.rs` |
//! | one socket from its greeting to its end | `socket.rs` |

mod asyncapi;
mod dispatcher;
mod frames;
mod handshake;
mod hub;
mod socket;
mod sse;

pub use asyncapi::description;
pub(crate) use dispatcher::run;
pub(crate) use handshake::Handshake;
pub(crate) use hub::Hub;
pub(crate) use socket::serve;
pub(crate) use sse::stream;
