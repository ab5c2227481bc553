//! The guard between the console and the system: refuses every changing call while the console is read-only or
//! disconnected, so that no code path can bypass it.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

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
    /// Whether the console is being left: what was begun still goes through.
    closed: AtomicBool,
    /// Why the session ended, as the system says.
    over: Mutex<Option<String>>,
    /// Whether something was forbidden: the role may have changed.
    doubt: AtomicBool,
}

impl Gate {
    /// Creates a gate that is open unless read-only; the connection counts as available until it fails.
    pub fn new(read_only: bool) -> Self {
        Self {
            read_only,
            away: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            over: Mutex::default(),
            doubt: AtomicBool::new(false),
        }
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
    /// Begins nothing new from now on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
    /// Returns why the session ended, once.
    pub fn take_over(&self) -> Option<String> {
        self.over.lock().ok()?.take()
    }
    /// Returns whether something was forbidden since the last time.
    pub fn take_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::Relaxed)
    }

    /// Returns `Ok` when changes may be begun now.
    pub fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorCode::Unavailable, "the console is being left"));
        }
        self.admits()
    }

    fn admits(&self) -> Result<()> {
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
        let admitted = if request.effect == Effect::Change { self.admits() } else { Ok(()) };
        Box::pin(std::future::ready(admitted))
    }

    fn ended(&self, error: Option<&Error>) {
        match error.map(Error::code) {
            Some(ErrorCode::Unauthenticated) => {
                if let (Ok(mut over), Some(error)) = (self.over.lock(), error) {
                    *over = Some(error.detail().to_owned());
                }
            }
            Some(ErrorCode::Forbidden) => self.doubt.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}
