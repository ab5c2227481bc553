//! The result of a restore.

use std::path::PathBuf;

use serde::Serialize;

/// Result of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Number of the newest migration in the backup; a backup with an older schema than the program's was brought up
    /// to date.
    pub schema: i64,
    /// Path of the database that was replaced; `None` when there was none, or on PostgreSQL.
    pub kept: Option<PathBuf>,
}
