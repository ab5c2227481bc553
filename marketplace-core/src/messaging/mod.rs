//! Threads and messages: a client and a worker talk about a service.
//!
//! | to read about | open |
//! |---|---|
//! | what threads and messages are | [`model`] |
//! | the only way a message comes to be | `append.rs` |
//! | what the two do | `ops/` |
//! | what staff do | `staff.rs` |
//! | what time and erasure bring | `due.rs` |

mod append;
mod deliver;
mod due;
pub mod model;
mod ops;
mod staff;
mod store;

pub(crate) use append::{Draft, append, lock_thread};
pub use deliver::{Delivery, JobBrief, ThreadBrief, UserEvent};
pub(crate) use due::{close_for_job, erase, prune, run_due};
pub use ops::{attach, attachment, fingerprint, get, list, messages, open, read, send, typing};
pub(crate) use ops::{file_content, seal_stored};
pub use staff::{staff_act, staff_list, staff_messages, staff_notice, staff_remove, staff_show};
pub(crate) use store::{count_since, delivered, files_sent, messages_of, rendered, summary_of, threads_of};
