//! Finds out whether what is written is confirmed.
//!
//! A COMMIT can wait for ever, past every limit of the server's: for a standby that must have it and is away, or for a disk.
//! Then each unit would hold its caller for seconds and leave a connection behind on which nothing comes. So after one COMMIT
//! without an answer a task tries with one of its own; while that is not answered either, nobody else writes.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep, timeout};

use super::{Limits, PgConn, silent};
use crate::{
    base::error::{Error, Result},
    platform::{
        db::error::cannot_write,
        health::{Component, Health},
    },
};

/// For the COMMIT that is tried; then writes are refused.
const PROBED: Duration = Duration::from_secs(1);
/// Between two looks whether the server still works on it, and between two tries.
const PAUSE: Duration = Duration::from_millis(250);
/// Looks that may fail before it is tried anew.
const LOOKS: u32 = 4;

/// See the [module](self); cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::platform::db) struct Prober(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// A task tries.
    is_trying: AtomicBool,
    /// No COMMIT is answered.
    is_silent: AtomicBool,
    /// When a write failed last because the server could not.
    refused: Mutex<Option<Instant>>,
}

impl Prober {
    /// Whether no COMMIT is answered.
    pub(super) fn is_silent(&self) -> bool {
        self.0.is_silent.load(Ordering::Relaxed)
    }

    /// When a write failed last because the server could not.
    pub(super) fn refused(&self) -> &Mutex<Option<Instant>> {
        &self.0.refused
    }

    /// Refuses what would not be confirmed.
    pub(super) fn admit(&self) -> Result<()> {
        if self.is_silent() {
            return Err(Error::unavailable(
                "the database does not confirm what is written; try again later",
                "COMMIT is not answered",
            ));
        }
        Ok(())
    }

    /// Tries until it is answered, in a task of its own; once at a time.
    pub(super) fn start(&self, is_worked_on: IsWorkedOn, options: &PgConnectOptions, health: &Health) {
        if !self.0.is_trying.swap(true, Ordering::Relaxed) {
            let trying =
                Trying { prober: self.clone(), is_worked_on, options: options.clone(), health: health.clone() };
            tokio::spawn(trying.run());
        }
    }
}

/// Whether the server still works on a COMMIT, by the process that it runs in; asked over another connection.
pub(super) type IsWorkedOn = Box<dyn Fn(i32) -> BoxFuture<'static, bool> + Send + Sync>;

struct Trying {
    prober: Prober,
    is_worked_on: IsWorkedOn,
    options: PgConnectOptions,
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
            // That it cannot be reached is told by those who read.
            if let Ok(mut conn) = PgConn::connect(&self.options, Some(Limits::USUAL)).await
                && let Some(outcome) = self.attempt(&mut conn).await
            {
                let error = outcome.map_err(Error::from).err();
                match error.as_ref().map(|error| (error, cannot_write(error))) {
                    None => return self.health.succeeded(Component::DatabaseWrites),
                    // It says why: whoever writes hears it as well.
                    Some((_, Some(why))) => return self.health.failed(Component::DatabaseWrites, why),
                    Some((error, None)) => tracing::debug!(%error, "a write that was tried failed"),
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// What came of one unit; none when its COMMIT got no answer and the server does not work on it any more.
    async fn attempt(&self, conn: &mut PgConn) -> Option<std::result::Result<(), sqlx::Error>> {
        let begun = async {
            conn.begin().await?;
            // Another server's may wait with this row locked, or somebody's unit: then the second one alone has to do.
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
        // A try that is given up leaves a connection behind: this one is waited for, as long as it is worked on.
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
