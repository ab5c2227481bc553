//! Jobs: a client and a worker agree on price, schedule and scope, the worker does the work, and the client accepts it.
//!
//! | to read about | open |
//! |---|---|
//! | who may do what, in which state | [`transitions`] |
//! | states, actions, reasons, what crosses the wire | [`model`] |
//! | a stored job | `row.rs` |
//! | the use cases | [`ops`] |
//! | what a job does to its thread | `thread.rs` |
//!
//! # Rules
//!
//! - A job begins with a client's offer in a thread that has no other live job: `negotiating`, then `accepted`, `completed` and
//!   `finalized`, or `rejected` or `cancelled` on the way. The last three are terminal.
//! - An offer is accepted by the side that did not make it, and names its revision.
//! - Of transitions that race, one wins; the others get `conflict` with the current state.
//! - A negotiation without a new offer is cancelled after 6 days, and completed work is finalized after 14.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, ids::ThreadId, operation::Operation};
//! use marketplace_core::{jobs::{self, model::{NewJob, Offer}}, money::Money};
//!
//! # async fn example(client: &Operation, worker: &Operation, thread_id: ThreadId) -> Result<()> {
//! let price = Money::new(12_000, "EUR");
//! let offer = Offer { price, schedule: "Saturday at nine".into(), scope: "Paint the kitchen".into() };
//! let job = jobs::create(client, NewJob { thread_id, offer }).await?;
//! jobs::accept(worker, job.id, 1).await?;
//! # Ok(())
//! # }
//! ```

pub mod model;
mod notify;
pub mod ops;
mod row;
mod store;
mod thread;
pub mod transitions;

pub use ops::{
    accept, cancel, complete, create, finalize, get, history, offer, own, reject, request_changes, run_due, staff_act,
    staff_history, staff_list, staff_show, view_for,
};
pub(crate) use ops::{any_live, cancel_live_of, erase, lock_live_threads_of, told};
pub(crate) use store::counts;
pub use store::live_in_thread;
pub use thread::notice;
