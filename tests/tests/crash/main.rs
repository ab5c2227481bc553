//! The server killed at any moment: what it acknowledged is there when it is back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod mail;
mod staff;
mod talk;
