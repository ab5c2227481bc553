//! The guard between the console and the system: refuses every changing call while the console is read-only or
//! disconnected, so that no code path can bypass it.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use marketplace_core::{
    error::{Error, ErrorCode, Result},
    staff::{Effect, Guard, Request},
};

/// Decides whether changes are admitted.
#[derive(Debug)]
pub struct Gate {
    read_only: bool,
    away: AtomicBool,
}

impl Gate {
    /// Creates a gate that is open unless read-only; the connection counts as available until it fails.
    pub fn new(read_only: bool) -> Self {
        Self { read_only, away: AtomicBool::new(false) }
    }
    /// Returns whether this console is read-only.
    pub fn read_only(&self) -> bool {
        self.read_only
    }
    /// Returns whether the system is unreachable.
    pub fn away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
    /// Sets whether the system is unreachable.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }
    /// Returns `Ok` when changes are admitted now.
    pub fn check(&self) -> Result<()> {
        if self.read_only {
            Err(Error::forbidden("this console is read-only: nothing was changed; start it without --read-only"))
        } else if self.away() {
            Err(Error::new(ErrorCode::Unavailable, "not connected: nothing was changed; it reconnects by itself"))
        } else {
            Ok(())
        }
    }
}

impl Guard for Gate {
    fn admit<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<()>> {
        // Viewing files and revealing personal data are reads, and audited as such.
        let admitted = if request.effect == Effect::Change { self.check() } else { Ok(()) };
        Box::pin(std::future::ready(admitted))
    }
}
