//! What one transaction of the market writes.

use std::collections::BTreeSet;

use marketplace_core::base::{ids::UserId, time::Timestamp};

use crate::{history::PastAction, tables::Table};

/// The rows of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub tables: Vec<Table>,
    /// Words by which services are found.
    pub words: BTreeSet<String>,
    /// Blocks: who, whom and when.
    pub blocks: Vec<(UserId, UserId, Timestamp)>,
    /// Past actions of staff.
    pub past_actions: Vec<PastAction>,
}
