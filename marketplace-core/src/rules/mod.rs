//! Rules that staff write about what is not let in.
//!
//! # Rules
//!
//! - A blocked domain refuses sign-up, first log-in through a provider and change of address, with its subdomains. Who has an
//!   address there already keeps it.
//! - The refusal is the same whether or not the address has an account.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, operation::Operation};
//! use marketplace_core::rules::{self, model::{NewRule, RuleKind}};
//!
//! # async fn example(op: &Operation) -> Result<()> {
//! rules::create(op, &NewRule { kind: RuleKind::BlockedDomain, value: "throwaway.example".into() }).await?;
//! # Ok(())
//! # }
//! ```

pub mod model;
mod ops;
mod store;

pub(crate) use ops::refuse_blocked;
#[cfg(feature = "oidc")]
pub(crate) use ops::refuse_blocked_in;
pub use ops::{create, delete, list};
