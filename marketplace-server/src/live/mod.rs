//! What is told as it happens, over core's event log. The log is the truth: a notification only says "look".
//!
//! | to read about | open |
//! |---|---|
//! | the stream of events for staff | `sse.rs` |
//! | the frames of sockets, and what answers what | `frames.rs` |
//! | who listens, and how much waits for them | `hub.rs` |
//! | reading the log, once for all sockets | `tail.rs` |
//! | one socket from its greeting to its end | `socket.rs` |

mod frames;
mod hub;
mod socket;
mod sse;
mod tail;

pub(crate) use hub::Hub;
pub(crate) use socket::serve;
pub(crate) use sse::stream;
pub(crate) use tail::run;
