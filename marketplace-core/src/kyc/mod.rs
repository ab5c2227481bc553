//! Identity checks (KYC, know your customer): a worker submits a document and a selfie, staff claim the case from a queue
//! and decide it.
//!
//! | to read about | open |
//! |---|---|
//! | states, reasons, claims, decisions | [`model`] |
//! | which files are accepted, how they are encrypted and kept | [`crate::platform::files`] |
//! | what may be done with an attempt, and when | `attempt.rs` |
//! | the use cases | [`ops`] |
//!
//! # Rules
//!
//! - A submission is a numbered attempt with a document and a selfie. An active worker may submit one when none is under way, the
//!   last decision was not final, and no approval is in effect.
//! - A reviewer claims an attempt for ten minutes. A decision carries the claim's fencing number; an old number is a `conflict`.
//! - A reviewer can put a case behind the others for themselves, set it aside until a time, give it to a colleague, or escalate it to
//!   admins. Each case is in one lane of the queue ([`model::Triage`]), and the next case comes from the lanes of whoever asks.
//! - Nobody decides about their own account. A decision takes effect after ten seconds, in which its maker can undo it.
//! - Files are encrypted with a key for each attempt, and each view by staff is audited before the first byte is read.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, operation::Operation};
//! use marketplace_core::kyc::{self, model::Decision};
//!
//! # async fn example(op: &Operation) -> Result<()> {
//! if let Some(case) = kyc::next(op).await? {
//!     let fence = case.attempt.claim.map(|claim| claim.fence);
//!     kyc::decide(op, case.attempt.id, &Decision::approve(fence)).await?;
//! }
//! # Ok(())
//! # }
//! ```

mod attempt;
pub mod model;
pub mod ops;
pub mod status;
mod store;

pub use ops::{
    Retained, Submission, claim, decide, file, list, next, own, release, retained, show, submit, submit_permit, triage,
    undo,
};
pub(crate) use ops::{
    briefs, delete_due_objects, drop_due_files, end_claims, end_rights, erase, expire_due, open_newest_file, submitted,
    submitted_file, sweep_objects,
};
pub(crate) use store::{counts, holders};
