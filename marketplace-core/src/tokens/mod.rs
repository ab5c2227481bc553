//! Tokens for scripts: each belongs to a member of staff, is good for some of what its owner may do, ends at a set time,
//! and is shown once. Only its hash is kept.
//!
//! A token is checked anew for every call, together with its owner's account: it dies with a revocation, at its end, and
//! when its owner is no longer active. A ban, another role, another password, and the end of all sessions revoke it for good,
//! and with it what its owner created for others, whose secrets they have seen.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, operation::Operation};
//! use marketplace_core::{base::permission::Permission, tokens::{self, model::NewToken}};
//!
//! # async fn example(op: &Operation) -> Result<()> {
//! let scopes = vec![Permission::KycRead];
//! let new = NewToken { name: "nightly report".into(), scopes, expires_in: 86_400, owner_id: None };
//! let created = tokens::create(op, &new).await?.item;
//! # Ok(())
//! # }
//! ```

pub mod model;
mod ops;
mod store;

pub(crate) use ops::{all_of, authenticate, erase, principals_of, prune, revoke_all, revoke_everybodys};
pub use ops::{create, list, revoke};
pub(crate) use store::count_alive;

#[cfg(test)]
mod tests;
