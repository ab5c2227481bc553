//! People, across features: staff's view of one and what staff do with them, one's own account, erasure.

mod actions;
mod erase;
mod everybody;
mod me;
pub mod model;
mod ops;

pub use actions::act;
#[cfg(test)]
pub(crate) use actions::{Step, step};
pub(crate) use erase::{erase, sweep};
pub use everybody::end_all_sessions;
pub use me::{Me, UpdateMe, delete_me, me, update_me};
pub use ops::{create, list, note, notes, reveal, show};
