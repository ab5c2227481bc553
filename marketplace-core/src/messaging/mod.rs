//! Threads and messages: a client and a worker talk about a service.
//!
//! | to read about | open |
//! |---|---|
//! | what threads and messages are | [`model`] |
//! | the only way a message is created | `append.rs` |
//! | the use cases of the two sides | `ops/` |
//! | the staff's use cases | `staff.rs` |
//! | due work and erasure | `due.rs` |
//!
//! # Rules
//!
//! - A thread has one client and one worker; the client opens it from a published service, once for each service.
//! - Messages of a thread have numbers without gaps, which are their only order.
//! - Sending is idempotent: the same `client_msg_id` with the same body returns the first message again, with another body it is
//!   a `conflict`.
//! - A closed thread refuses messages. Between two people one of whom blocks the other, messages pass only while a job is live.
//! - Staff read a thread after giving a reason, which is audited.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, ids::ThreadId, operation::Operation};
//! use marketplace_core::messaging::{self, model::NewMessage};
//!
//! # async fn example(op: &Operation, thread: ThreadId) -> Result<()> {
//! let new = NewMessage { client_msg_id: "hello-1".into(), content: "Hello".into(), attachments: vec![] };
//! let message = messaging::send(op, thread, new).await?;
//! messaging::read(op, thread, message.seq).await?;
//! # Ok(())
//! # }
//! ```

mod append;
mod deliver;
mod due;
mod hours;
pub mod model;
mod ops;
mod seen;
mod staff;
mod store;

pub(crate) use append::{Draft, append, lock_thread};
pub use deliver::{Delivery, JobBrief, ThreadBrief, UserEvent};
pub(crate) use due::{close_for_job, erase, prune, run_due};
pub(crate) use hours::{count_hours, uncounted};
pub use ops::{
    AddressQuery, AttachmentFile, AttachmentSize, SignedAddress, addressed_attachment, attach, attachment,
    attachment_address, fingerprint, get, list, messages, open, read, send, typing,
};
pub(crate) use ops::{file_content, seal_stored};
pub(crate) use seen::{message_at, seen_message, seen_thread};
pub(crate) use staff::{record_reading, staff_act_in, staff_remove_in, staff_restore_in};
pub use staff::{staff_act, staff_attachment, staff_list, staff_messages, staff_notice, staff_remove, staff_show};
pub(crate) use store::{
    count_since, delivered, files_sent, have_thread, messages_of, rendered, summary_of, threads_of,
};
