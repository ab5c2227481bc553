//! Many at once on the same thing: one of them has it, and everybody knows who.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod jobs;
mod reviewers;
