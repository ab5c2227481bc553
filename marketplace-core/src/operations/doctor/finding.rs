//! The result of checking one part of a marketplace.

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

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub name: &'static str,
    /// The verdict.
    pub status: Verdict,
    /// What was found, and what to do.
    pub detail: String,
}

impl Finding {
    /// Returns a finding that all is in order.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Verdict::Ok, detail: detail.into() }
    }
    /// Returns a finding of a part that works but needs attention.
    pub fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Verdict::Warning, detail: detail.into() }
    }
    /// Returns a finding of a part that does not work.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Verdict::Failed, detail: detail.into() }
    }
    /// Returns a finding of an error, with its cause, which an operator who runs the checks needs.
    pub fn error(name: &'static str, error: &Error) -> Self {
        let cause = error.internal_text().map(|cause| format!(" ({cause})"));
        Self::failed(name, format!("{error}{}", cause.unwrap_or_default()))
    }
    /// Returns the finding of an outcome: in order with that detail, or its error.
    pub fn of(name: &'static str, outcome: Result<String>) -> Self {
        outcome.map_or_else(|error| Self::error(name, &error), |detail| Self::ok(name, detail))
    }
}

/// Returns the permissions of a file if users other than its owner have any.
pub fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
