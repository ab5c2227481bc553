//! Accounts of clients, workers and staff: what they are, and what staff do with them.

mod common;
mod contact;
pub mod model;
mod notes;
pub(crate) mod search;
pub(crate) mod store;
pub mod summary;
mod upgrade;

pub(crate) use notes::keep_note;
pub(crate) use upgrade::normalise_emails;

#[cfg(test)]
mod tests;
