//! Checks whether commits are confirmed.
//!
//! A COMMIT can wait forever, past every limit of the server: for a required standby that is away, or for a disk. Each unit
//! would then hold its caller for seconds and leave a connection behind on which no response arrives. So after one COMMIT
//! without a response, a task tries a COMMIT of its own; while that is not answered either, no other unit writes.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::{Limits, PgConn, Target, silent};
use crate::{
    base::error::{Error, Result},
    platform::{
        db::error::cannot_write,
        health::{Component, Health},
    },
};

/// Time limit of the trial COMMIT; after it, writes are refused.
const PROBED: Duration = Duration::from_secs(1);
/// Interval between checks whether the server is still working on the COMMIT, and between two trials.
const PAUSE: Duration = Duration::from_millis(250);
/// Number of failed checks after which a new trial starts.
const LOOKS: u32 = 4;

/// The prober; see the [module](self). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::platform::db) struct Prober(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether a task is trying.
    is_trying: AtomicBool,
    /// Whether COMMITs go unanswered.
    is_silent: AtomicBool,
    /// When a write last failed because of the server.
    refused: Mutex<Option<Instant>>,
}

impl Prober {
    /// Returns whether COMMITs go unanswered.
    pub(super) fn is_silent(&self) -> bool {
        self.0.is_silent.load(Ordering::Relaxed)
    }

    /// Returns when a write last failed because of the server.
    pub(super) fn refused(&self) -> &Mutex<Option<Instant>> {
        &self.0.refused
    }

    /// Refuses a unit while commits are not confirmed.
    pub(super) fn admit(&self) -> Result<()> {
        if self.is_silent() {
            return Err(Error::unavailable(
                "the database does not confirm what is written; try again later",
                "COMMIT is not answered",
            ));
        }
        Ok(())
    }

    /// Starts a task that tries until a COMMIT is answered, unless one is already running.
    pub(super) fn start(&self, is_worked_on: IsWorkedOn, target: &Target, health: &Health) {
        if !self.0.is_trying.swap(true, Ordering::Relaxed) {
            let trying = Trying { prober: self.clone(), is_worked_on, target: target.clone(), health: health.clone() };
            tokio::spawn(trying.run());
        }
    }
}

/// Checks over another connection whether the server is still working on a COMMIT, given the id of its process.
pub(super) type IsWorkedOn = Box<dyn Fn(i32) -> BoxFuture<'static, bool> + Send + Sync>;

struct Trying {
    prober: Prober,
    is_worked_on: IsWorkedOn,
    target: Target,
    health: Health,
}

impl Drop for Trying {
    fn drop(&mut self) {
        self.prober.0.is_silent.store(false, Ordering::Relaxed);
        self.prober.0.is_trying.store(false, Ordering::Relaxed);
    }
}

impl Trying {
    async fn run(self) {
        loop {
            // A server that cannot be reached is reported by the readers.
            if let Ok(mut conn) = self.target.connect(Some(Limits::USUAL)).await
                && let Some(outcome) = self.attempt(&mut conn).await
            {
                let error = outcome.map_err(Error::from).err();
                match error.as_ref().map(|error| (error, cannot_write(error))) {
                    None => return self.health.succeeded(Component::DatabaseWrites),
                    // The server gives the reason, which writers also receive.
                    Some((_, Some(why))) => return self.health.failed(Component::DatabaseWrites, why),
                    Some((error, None)) => tracing::debug!(%error, "a write that was tried failed"),
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Returns the outcome of one trial unit, or `None` when its COMMIT got no response and the server no longer works on
    /// it.
    async fn attempt(&self, conn: &mut PgConn) -> Option<std::result::Result<(), sqlx::Error>> {
        let begun = async {
            conn.begin().await?;
            // Another server's trial, or some unit, may be waiting with this row locked: then the second statement alone
            // has to do.
            sqlx::query(
                "UPDATE event_marks SET place = place WHERE id = (SELECT id FROM event_marks WHERE id = 1 FOR UPDATE SKIP LOCKED)",
            )
            .execute(&mut *conn)
            .await?;
            sqlx::query_scalar::<_, i32>(
                "SELECT pg_backend_pid() FROM pg_logical_emit_message(TRUE, 'marketplace', 'is it confirmed?')",
            )
            .fetch_one(&mut *conn)
            .await
        };
        let pid = match begun.await {
            Ok(pid) => pid,
            Err(error) => return Some(Err(error)),
        };
        let mut committed = pin!(sqlx::raw_sql("COMMIT").execute(conn.raw()));
        if let Ok(answer) = timeout(PROBED, &mut committed).await {
            return Some(answer.map(drop));
        }
        self.prober.0.is_silent.store(true, Ordering::Relaxed);
        self.health.failed(Component::DatabaseWrites, silent(PROBED));
        // An abandoned trial leaves a connection behind, so this one is waited for as long as the server works on it.
        let mut looks = 0;
        while looks < LOOKS {
            if let Ok(answer) = timeout(PAUSE, &mut committed).await {
                return Some(answer.map(drop));
            }
            looks = if (self.is_worked_on)(pid).await { 0 } else { looks + 1 };
        }
        None
    }
}
