//! The server over real connections. One binary, because linking one takes longer than running all of these.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is tests; Clippy knows it only of the functions marked so"
)]

mod access;
mod description;
mod harness;
mod idempotency;
mod kyc;
mod limits;
mod live;
mod market;
mod monitoring;
mod problems;
mod representation;
mod secrets;
mod socket;
mod sockets;
mod stop;
mod threads;
mod tls;
mod wire;
