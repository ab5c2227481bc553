//! Units of work.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, future::BoxFuture};

use super::Conn;
use crate::base::error::{Error, Result};

/// A unit of work that stores its result itself; it can be run again.
pub(super) type Work = Box<dyn for<'a> FnMut(&'a mut Conn<'_>) -> BoxFuture<'a, Result<()>> + Send>;

/// Runs after a commit, whether or not the caller is still waiting for it.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send + Sync>;

/// Runs a unit; a panic in it counts as a failure.
pub(super) async fn attempt(work: &mut Work, conn: &mut Conn<'_>) -> Result<()> {
    // Anything that the unit leaves half done is rolled back.
    let outcome = AssertUnwindSafe(async { work(conn).await }).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(Error::internal("a unit of work panicked")))
}
