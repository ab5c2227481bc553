//! Whole stories through the real binaries, each told once on each engine.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod answers;
mod backups;
mod copies;
mod erasure;
mod identity;
mod marketplace;
mod page;
mod patches;
mod reports;
mod secrets;
mod servers;
mod sockets;
mod traces;
