//! Units of work.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, future::BoxFuture};

use super::Conn;
use crate::base::error::{Error, Result};

/// A unit of work that keeps its answer aside; it can be run again.
pub(super) type Work = Box<dyn for<'a> FnMut(&'a mut Conn<'_>) -> BoxFuture<'a, Result<()>> + Send>;

/// What follows a commit, whether or not somebody still waits for it.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send + Sync>;

/// Runs a unit; a panic in it is its failure.
pub(super) async fn attempt(work: &mut Work, conn: &mut Conn<'_>) -> Result<()> {
    // What a unit of work may leave half done is rolled back.
    let outcome = AssertUnwindSafe(async { work(conn).await }).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(Error::internal("a unit of work panicked")))
}
