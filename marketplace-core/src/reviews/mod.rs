//! Reviews: what the two sides of a job say about each other afterwards.
//!
//! | to read about | open |
//! |---|---|
//! | what reviews are, when they show, ratings | [`model`] |
//! | a stored review, and what follows from it | `row.rs` |
//! | the use cases | [`ops`] |

pub mod model;
pub mod ops;
mod row;
mod store;

pub use ops::{
    create, edit, flag, get, of_job, of_worker, own, rating, rating_of, reply, run_due, staff_act, staff_list,
    staff_show,
};
pub(crate) use ops::{erase, told};
pub(crate) use store::{complaints, count_flagged};
