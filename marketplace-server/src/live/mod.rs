//! Live delivery over core's event log. The log is authoritative: a notification only triggers a read.
//!
//! | to read about | open |
//! |---|---|
//! | the event stream for staff | `sse.rs` |
//! | the frames of sockets, and their replies | `frames.rs` |
//! | the listeners and their queues | `hub.rs` |
//! | reading the log, once for all sockets | `dispatcher.rs` |
//! | one socket from its greeting to its end | `socket.rs` |

mod dispatcher;
mod frames;
mod hub;
mod socket;
mod sse;

pub(crate) use dispatcher::run;
pub(crate) use hub::Hub;
pub(crate) use socket::serve;
pub(crate) use sse::stream;
