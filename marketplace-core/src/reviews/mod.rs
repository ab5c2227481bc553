//! Reviews: what the two sides of a job say about each other afterwards.
//!
//! | to read about | open |
//! |---|---|
//! | what reviews are, when they show, ratings | [`model`] |
//! | a stored review, and what follows from it | `row.rs` |
//! | the use cases | [`ops`] |
//!
//! # Rules
//!
//! - Each side of a finalized job can write one review within 14 days: 1 to 5, with a text of up to 2,000 characters.
//! - A review stays hidden until both are there or the window closes. It can be edited while it is hidden; afterwards its
//!   subject can write one public reply.
//! - A flag alone hides nothing. Staff dismiss flags, remove a review, or restore it.
//! - A worker's rating counts the published reviews that are not removed.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, ids::JobId, operation::Operation};
//! use marketplace_core::reviews::{self, model::NewReview};
//!
//! # async fn example(op: &Operation, job: JobId) -> Result<()> {
//! let review = reviews::create(op, job, NewReview { rating: 5, text: "Careful and on time".into() }).await?;
//! # Ok(())
//! # }
//! ```

pub mod model;
pub mod ops;
mod row;
mod store;

pub use ops::{
    create, edit, flag, get, of_job, of_worker, own, rating, rating_of, reply, run_due, staff_act, staff_list,
    staff_show,
};
pub(crate) use ops::{erase, reindex, seen, staff_act_in, told};
pub(crate) use store::{complaints, count_flagged};
