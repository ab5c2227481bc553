//! What is due: mails, erasures, expiries. Core knows what; this knows only that a second has passed.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;

use crate::ctx::Ctx;

const EVERY: Duration = Duration::from_secs(1);
/// A failure that lasts is logged again after so many runs.
const REMIND: u32 = 60;

/// Runs until the server stops. Outlives outages of the database, and faults.
pub(crate) async fn run(ctx: Ctx) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failures = 0_u32;
    loop {
        tokio::select! {
            () = ctx.ending.stopping.cancelled() => return,
            _ = ticks.tick() => {}
        }
        ctx.metrics.upkeep();
        let (code, inside) = match AssertUnwindSafe(ctx.app.run_due()).catch_unwind().await {
            Ok(Ok(_)) => {
                if failures > 0 {
                    tracing::info!(failures, "due work runs again");
                }
                failures = 0;
                continue;
            }
            Ok(Err(error)) => (error.code().as_str(), error.internal_text()),
            Err(_) => ("internal", Some("it panicked".to_owned())),
        };
        if failures.is_multiple_of(REMIND) {
            tracing::error!(code, inside, failures, "due work failed; it is tried again every second");
        }
        failures = failures.saturating_add(1);
        ctx.metrics.timer_failures.increment(1);
    }
}
