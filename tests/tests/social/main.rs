//! Logging in through providers: as it should go, against a provider that lies, and against a real one.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod accounts;
mod flow;
mod hostile;
mod real;
