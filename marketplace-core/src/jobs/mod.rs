//! Jobs: a client and a worker agree on price, schedule and scope, the worker does it, the client is content.
//!
//! | to read about | open |
//! |---|---|
//! | who may do what, in which state | [`transitions`] |
//! | states, actions, reasons, what crosses the wire | [`model`] |
//! | a stored job | `row.rs` |
//! | the use cases | [`ops`] |
//! | what a job does to its thread | `thread.rs` |

pub mod model;
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
