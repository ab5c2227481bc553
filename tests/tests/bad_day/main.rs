//! What goes on when something does not, and side doors that stay shut: each told on each engine.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod audit;
mod keys;
