//! Accounts of clients, workers and staff: what they are, and what staff do with them.
//!
//! # Rules
//!
//! - A role is `client`, `worker`, or one of staff's: `support`, `admin`, `auditor`. No signup and no social login creates staff.
//! - A status is `unverified`, `active`, `frozen`, `banned` or `deleted`. Frozen accounts finish what is under way and begin
//!   nothing new; banned and deleted ones cannot log in.
//! - Addresses are compared without regard to case, with the domain in its ASCII form; phone numbers are E.164 and unique.
//! - A password has 8 to 128 characters of any kind, and is neither common nor the address.
//!
//! ```
//! use marketplace_core::accounts::model::{Password, Status};
//!
//! assert!(Status::Frozen.may_log_in() && !Status::Banned.may_log_in());
//! assert!(Password::new("short").check("ada@example.org", "market.example").is_err());
//! ```

mod colleague;
mod common;
mod contact;
mod matching;
pub mod model;
mod notes;
pub(crate) mod search;
pub(crate) mod store;
pub mod summary;
mod upgrade;

pub(crate) use colleague::colleague;
pub(crate) use matching::matching;
pub(crate) use notes::keep_note;
pub(crate) use upgrade::normalise_emails;

#[cfg(test)]
mod tests;
