//! What one transaction of the market writes.

use std::collections::BTreeSet;

use marketplace_core::base::{ids::UserId, time::Timestamp};

use crate::{history::PastAction, tables::Table};

/// What one transaction writes.
#[derive(Default)]
pub(super) struct Batch {
    pub tables: Vec<Table>,
    /// Words by which services are found.
    pub words: BTreeSet<String>,
    /// Who blocked whom.
    pub blocks: Vec<(UserId, UserId, Timestamp)>,
    /// What staff did.
    pub past_actions: Vec<PastAction>,
}
