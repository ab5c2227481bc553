//! Identity checks (KYC, know your customer): a worker submits a document and a selfie, staff claim the case from a queue
//! and decide it.
//!
//! | to read about | open |
//! |---|---|
//! | states, reasons, claims, decisions | [`model`] |
//! | what files are taken, how they are encrypted and kept | [`crate::platform::files`] |
//! | what may be done with an attempt, and when | `attempt.rs` |
//! | the use cases | [`ops`] |

mod attempt;
pub mod model;
pub mod ops;
pub mod status;
mod store;

pub use ops::{
    Retained, Submission, claim, decide, file, list, next, own, release, retained, show, submit, submit_permit, undo,
};
pub(crate) use ops::{
    briefs, delete_due_objects, drop_due_files, erase, expire_due, open_newest_file, submitted, submitted_file,
    sweep_objects,
};
pub(crate) use store::counts;
