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
//! | what staff can do, either way in | [`admin`] |
//! | the two databases | [`db`] |
//!
//! To add a feature: a folder with `model.rs` (types and rules, pure), `store.rs` (all its SQL) and `ops.rs` (one function
//! a use case: authorise, load, decide, store, audit and event in one transaction); a migration of the same number for
//! each engine; then a route, a command, a screen.

#![cfg_attr(not(any(test, feature = "testing")), forbid(unsafe_code))]

// First: its macros are used by all that follow.
#[macro_use]
pub mod db;

pub mod accounts;
pub mod actor;
pub mod admin;
pub mod app;
pub mod audit;
pub mod auth;
pub mod config;
pub mod doctor;
pub mod error;
pub mod events;
pub mod export;
pub mod health;
pub mod idempotency;
pub mod ids;
pub mod jobs;
pub mod keys;
pub mod kyc;
pub mod limiter;
pub mod mail;
pub mod maintenance;
pub mod messaging;
pub mod money;
pub mod noted;
pub mod page;
pub mod profiles;
pub mod random;
pub mod reviews;
pub mod seed;
pub mod services;
pub(crate) mod shared;
pub(crate) mod slots;
#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "helpers of tests: a failure here is a failed test"
)]
pub mod testing;
pub mod text;
pub mod time;
pub mod tls;
pub mod tokens;
