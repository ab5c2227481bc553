//! What outlives a session, for when the same person goes on.

use marketplace_core::base::principal::Principal;

use super::super::widgets::form::Draft;

/// What is left of a session that ended.
#[derive(Debug, Default)]
pub(super) struct Parted {
    /// Whose it was, if that was known.
    pub who: Option<Principal>,
    /// What was not done, or is not known to be.
    pub undone: Vec<String>,
    /// What was typed, by its form.
    pub drafts: Vec<(String, Draft)>,
}
