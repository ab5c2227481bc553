//! Every rule of the marketplace. Knows nothing of HTTP servers or terminals: those extract, call one operation from
//! here, and present the answer.
//!
//! | to read about | open |
//! |---|---|
//! | who may do what | [`actor`] |
//! | accounts, users, statuses | [`accounts`] |
//! | passwords, tokens, sessions | [`auth`] |
//! | tokens for scripts | [`tokens`] |
//! | identity checks | [`kyc`] |
//! | profiles, pictures, favourites, blocks | [`profiles`] |
//! | services and their search | [`services`] |
//! | jobs, from the first offer to the last word | [`jobs`] |
//! | threads and messages | [`messaging`] |
//! | reviews and ratings | [`reviews`] |
//! | all that is stored of one person, to take away | [`export`] |
//! | who did what | [`audit`] |
//! | what names and texts may be | [`text`] |
//! | how often somebody may | [`limiter`] |
//! | whether what it depends on works | [`health`], [`doctor`] |
//! | what time brings, each kind by itself | [`maintenance`] |
//! | what a call found out besides its answer | [`mod@noted`] |
//! | what staff can do, either way in | [`staff`] |
//! | the two databases | [`db`] |
//!
//! To add a feature: a folder with `model.rs` (types and rules, pure), `store.rs` (all its SQL) and `ops.rs` (one function
//! a use case: authorise, load, decide, store, audit and event in one transaction); a migration of the same number for
//! each engine; then a route, a command, a screen.

#![cfg_attr(not(any(test, feature = "testing")), forbid(unsafe_code))]

pub mod base;
// Its macros are used by all that follow.
#[macro_use]
pub mod platform;

pub mod actor;
pub mod app;
// Its macro is used by all that follow.
#[macro_use]
pub mod operation;
pub(crate) mod scheduled;
pub mod timers;

pub mod records;

pub mod accounts;
pub mod auth;
pub mod jobs;
pub mod kyc;
pub mod messaging;
pub mod profiles;
pub mod reviews;
pub mod services;
pub mod tokens;

pub mod export;
pub mod live;
pub mod maintenance;
pub mod oidc;
pub mod operations;
pub mod users;

pub mod staff;

#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "helpers of tests: a failure here is a failed test"
)]
pub mod testing;

pub use base::{call_context, error, ids, money, page, random, text, time};
pub use operations::{copy, doctor};
pub use platform::{config, db, health, keys, limiter, tls};
pub use records::{audit, events, idempotency, mail};
