//! What a look at a part of a marketplace found.

use std::path::Path;

use serde::Serialize;

use crate::base::{
    error::{Error, Result},
    text_enum::text_enum,
};

text_enum! {
    /// What a look found.
    pub enum Verdict {
        /// In order.
        Ok = "ok",
        /// Works, and somebody should look at it.
        Warning = "warning",
        /// Does not work.
        Failed = "failed",
    }
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub status: Verdict,
    /// What was seen, and what to do.
    pub detail: String,
}

impl Finding {
    /// In order.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Verdict::Ok, detail: detail.into() }
    }
    /// Works, and somebody should look at it.
    pub fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Verdict::Warning, detail: detail.into() }
    }
    /// Does not work.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Verdict::Failed, detail: detail.into() }
    }
    /// An error, with its cause: whoever asks a doctor wants to know.
    pub fn error(name: &'static str, error: &Error) -> Self {
        let cause = error.internal_text().map(|cause| format!(" ({cause})"));
        Self::failed(name, format!("{error}{}", cause.unwrap_or_default()))
    }
    /// Of an outcome: in order with that detail, or its error.
    pub fn of(name: &'static str, outcome: Result<String>) -> Self {
        outcome.map_or_else(|error| Self::error(name, &error), |detail| Self::ok(name, detail))
    }
}

/// Permissions of a file that others than its owner have something of.
pub fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
