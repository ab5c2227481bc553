//! Rules that staff write about what is not let in, or looked at.
//!
//! | to read about | open |
//! |---|---|
//! | what a rule is | [`model`] |
//! | what counts as contact details | `contact.rs` |
//! | how texts are held against all rules at once | `matcher.rs` |
//! | managing rules, and the checks of texts and sign-ups | `ops.rs` |
//! | what a rule would have caught | `trial.rs` |
//!
//! # Rules
//!
//! - A rule reports or refuses. A refusal names the field and what is in it, never which rule it was.
//! - What is reported is let in. The hit is stored in the same transaction; within a second it is a report by the system, and
//!   joins what waits about the same thing.
//! - A blocked domain and a network are about sign-up and first log-in through a provider; a domain also about a change of
//!   address, and with its subdomains. Who is in already stays. A refusal is the same whether or not the address has an
//!   account.
//! - Contact details in messages and offers are free once a job was agreed in the thread.
//! - Of a change, what was written before is not caught again.
//! - A change is known to all servers within a second.
//! - Neither the log nor the audit log has the text that was caught.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, operation::Operation};
//! use marketplace_core::rules::{self, model::{NewRule, RuleKind}};
//!
//! # async fn example(op: &Operation) -> Result<()> {
//! rules::create(op, &NewRule::new(RuleKind::ContactDetails, "phone")).await?;
//! # Ok(())
//! # }
//! ```

mod contact;
pub(crate) mod matcher;
pub mod model;
mod ops;
mod store;
mod trial;

pub(crate) use ops::{About, Caught, caught_at_sign_up, caught_domains, current, refuse_domain};
pub use ops::{create, delete, edit, list};
pub(crate) use store::{Hit, erase, hits, take_hit};
pub use trial::test;

#[cfg(test)]
mod tests;
