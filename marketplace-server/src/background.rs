//! Scheduled work: mails, erasures, expiries. Core defines the kinds; this runs each kind in its own task, so that none
//! waits for another.

use std::time::{Duration, Instant};

use marketplace_core::{maintenance, timers::Timer};
use tokio::task::JoinSet;

use crate::ctx::Ctx;

/// The interval at which samples are moved into the histograms' buckets.
const UPKEEP: Duration = Duration::from_secs(1);

/// Runs scheduled work until the server stops. Survives database outages and panics.
pub(crate) async fn run(ctx: Ctx) {
    let mut tasks = JoinSet::new();
    for timer in Timer::ALL {
        tasks.spawn(repeat(ctx.clone(), *timer));
    }
    tasks.spawn(upkeep(ctx.clone()));
    while let Some(ended) = tasks.join_next().await {
        if let Err(failure) = ended {
            tracing::error!(%failure, "due work ended badly");
        }
    }
    tokio::join!(ctx.app.finish_mails(), ctx.app.finish_webhooks());
}

/// Runs one kind of work repeatedly. Core records how each run went.
async fn repeat(ctx: Ctx, timer: Timer) {
    let mut ticks = tokio::time::interval(timer.every());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while ctx.ending.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        let mut begin = Instant::now();
        // Work that is done in bounded parts continues until it is finished; between the parts, it pauses for as long
        // as the part took.
        while maintenance::run(&ctx.app, timer).await.is_ok_and(|done| done > 0) {
            let took = begin.elapsed().clamp(Duration::from_millis(10), Duration::from_secs(1));
            if ctx.ending.stopping.run_until_cancelled(tokio::time::sleep(took)).await.is_none() {
                return;
            }
            begin = Instant::now();
        }
    }
}

async fn upkeep(ctx: Ctx) {
    let mut ticks = tokio::time::interval(UPKEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while ctx.ending.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        ctx.metrics.upkeep();
    }
}
