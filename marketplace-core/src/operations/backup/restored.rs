//! What was restored.

use std::path::PathBuf;

use serde::Serialize;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Number of the newest migration in the backup; from an older one than the program's it was brought up to date.
    pub schema: i64,
    /// Where the database is that was there before; none when there was none, or on PostgreSQL.
    pub kept: Option<PathBuf>,
}
