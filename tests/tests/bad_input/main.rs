//! Bad input gets a clear problem, changes nothing, and is never a fault of the server's.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

mod access;
mod bodies;
mod files;
mod ids;
mod market;
mod paths;
mod strangers;

use marketplace_tests::Answer;

/// A refusal that is the caller's fault, and says so in the agreed shape.
#[track_caller]
fn refused(answer: &Answer) {
    assert!(answer.status.is_client_error(), "{} → {} {}", answer.asked, answer.status, answer.text());
    answer.problem();
}
