//! Scheduled work: mails, erasures, expiries. Core defines the kinds; this runs each kind in its own task, so that none
//! waits for another.

use std::time::{Duration, Instant};

use marketplace_core::{maintenance, timers::Timer};
use tokio::task::JoinSet;

use crate::ctx::Ctx;

/// How often samples are moved into the histograms' buckets.
const UPKEEP: Duration = Duration::from_secs(1);

/// Runs until the server stops. Outlives outages of the database, and faults.
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
    ctx.app.finish_mails().await;
}

/// Runs one kind again and again. How it goes, core records.
async fn repeat(ctx: Ctx, timer: Timer) {
    let mut ticks = tokio::time::interval(timer.every());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while ctx.ending.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        let mut begin = Instant::now();
        // What is done in bounded parts goes on until it is done; in between, others get as much time as it took.
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
