//! Counts that stop at a bound.

use serde::{Deserialize, Serialize};

/// A count that stops counting: `capped` means "at least this many".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Count {
    /// Rows, up to 10,000.
    pub value: i64,
    /// Whether there are more.
    pub capped: bool,
}

impl Count {
    /// Where counting stops: an index scan of so many rows takes about a millisecond.
    pub const CAP: i64 = 10_000;
    /// Creates a count from one that was limited to `CAP + 1` rows.
    pub fn bounded(rows: i64) -> Self {
        Self { value: rows.min(Self::CAP), capped: rows > Self::CAP }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.capped { write!(f, "{}+", self.value) } else { write!(f, "{}", self.value) }
    }
}
