//! Accounts of clients, workers and staff: what they are, and what staff do with them.

mod act;
mod common;
mod erase;
pub mod model;
mod ops;
mod own;
pub(crate) mod store;

pub use act::act;
pub(crate) use erase::{erase, sweep};
pub(crate) use ops::{checked_note, keep_note};
pub use ops::{create, list, note, notes, reveal, show};
pub use own::{Me, UpdateMe, delete_me, me, update_me};

#[cfg(test)]
mod tests;
