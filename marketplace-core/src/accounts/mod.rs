//! Accounts of clients, workers and staff: what they are, and what staff do with them.

mod act;
mod common;
mod contact;
mod erase;
pub mod model;
mod ops;
mod own;
mod search;
pub(crate) mod store;
mod upgrade;

pub use act::act;
pub(crate) use erase::{erase, sweep};
pub(crate) use ops::keep_note;
pub use ops::{create, list, note, notes, reveal, show};
pub use own::{Me, UpdateMe, delete_me, me, update_me};
pub(crate) use upgrade::normalise_emails;

#[cfg(test)]
mod tests;
