//! Reports: what people tell staff about each other, what staff decide, and appeals against it.
//!
//! | to read about | open |
//! |---|---|
//! | what can be reported and why, decisions, texts | [`model`] |
//! | what is possible with a case, and when | `row.rs` |
//! | filing, appeals, what each side is told | `ops/file.rs`, `ops/by_link.rs` |
//! | reports by the system | `ops/caught.rs` |
//! | the queue: claims, skipping, putting off, assigning, escalating | `ops/queue.rs` |
//! | decisions, undo, appeals | `ops/decide.rs` |
//! | what a decision does, and takes back | `ops/actions.rs` |
//!
//! # Rules
//!
//! - People report what they can see and is not their own; once while it is open. What they saw is kept with the report.
//! - All reports about one thing of one person are one case. A case is claimed, fenced and undone like an identity check.
//! - A decision and what it does are one transaction, under the permissions that each action needs. The mails wait until the
//!   decision can no longer be undone. An undo takes back the actions as an appeal would: what a ban ended stays ended.
//! - Nobody decides about themselves or about what they reported. Of an appeal somebody else decides than before.
//! - The subject is never told who reported.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, operation::Operation};
//! use marketplace_core::reports::{self, model::{Deciding, DismissReason, Verdict}};
//!
//! # async fn example(op: &Operation) -> Result<()> {
//! if let Some(next) = reports::next(op).await? {
//!     let fence = next.case.claim.map(|claim| claim.fence);
//!     let verdict = Verdict::Dismiss { reasons: vec![DismissReason::NoViolation] };
//!     reports::decide(op, next.case.id, &Deciding { fence, verdict, comment_to_reporter: None }).await?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod model;
mod ops;
mod record;
mod row;
mod store;

pub use ops::{
    appeal, appeal_by_link, assign, claim, decide, decide_appeal, decisions, escalate, file, list, next, own, release,
    show, skip, snooze, undo,
};
pub(crate) use ops::{decisions_about, erase, file_caught, filed_by, note_oldest};
pub(crate) use record::end_claims;
pub(crate) use store::{counts, holders};
