//! People, across features: staff's view of one and what staff do with them, one's own account, erasure.
//!
//! # Rules
//!
//! - Staff see contact data masked. Revealing it is audited, once for each person.
//! - A restriction (freeze, ban, deletion) names a reason, and commits together with the end of what it forbids.
//! - A freeze can name its end, at which it lifts itself.
//! - What staff put right follows the rules of the owner's own edit: a new address takes effect when it is confirmed.
//! - Nobody acts on their own account, gives away a permission that they do not have, or takes the powers of the last active
//!   admin. Support staff act on clients and workers only.
//! - Erasure removes personal fields and files, and is refused while jobs are live.
//!
//! ```no_run
//! # use marketplace_core::{error::Result, ids::UserId, operation::Operation};
//! use marketplace_core::{accounts::model::UserAction, base::change::{Change, RestrictionReason}, users};
//!
//! # async fn example(op: &Operation, user: UserId) -> Result<()> {
//! let op = op.with(Change { reason: Some(RestrictionReason::Fraud), ..Change::default() });
//! users::act(&op, user, &UserAction::Freeze).await?;
//! # Ok(())
//! # }
//! ```

mod actions;
mod erase;
mod everybody;
mod me;
pub mod model;
mod ops;
mod repair;
mod rights;
mod tell;
mod unfreeze;

pub use actions::act;
pub(crate) use actions::act_in;
#[cfg(test)]
pub(crate) use actions::{Step, step};
pub(crate) use erase::{erase, sweep};
pub use everybody::end_all_sessions;
pub use me::{Me, UpdateMe, delete_me, me, update_me};
pub use ops::{create, list, note, notes, reveal, show};
pub use repair::{edit, end_session, resend_verification, send_password_reset, sessions, warn};
pub(crate) use unfreeze::lift_due;

#[cfg(test)]
mod tests;
