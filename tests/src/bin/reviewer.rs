//! Some reviewers in one process, for the race in `tests/race/reviewers.rs`: each takes the next case and decides it, until the queue
//! is empty. Prints a line for each decision that was acknowledged. Meant to be killed at any moment.

use marketplace_core::staff::{self, ClaimNextAttempt, Connection, ListAttempts, ListQuery};
use std::{io::Write, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use clap::Parser;
use marketplace_core::{
    actor::{Actor, Operator},
    app::App,
    base::change::Change,
    config::Config,
    db::OpenOptions,
    error::ErrorCode,
    kyc::model::{Decision, DecisionKind, KycFilter, KycReason},
    page::PageRequest,
    random::OsRandom,
};
use marketplace_tests::clock::FastClock;

/// Some reviewers in one process. Configured by the environment, as every program.
#[derive(Debug, Parser)]
struct Arguments {
    /// Number of the first reviewer.
    #[arg(long)]
    first: u32,
    /// How many.
    #[arg(long)]
    reviewers: u32,
    /// Microseconds since the epoch from which time runs fast.
    #[arg(long)]
    epoch: i64,
    /// How fast.
    #[arg(long)]
    speed: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let config = Config::load(None, std::env::vars())?;
    let clock = Arc::new(FastClock::new(arguments.epoch, arguments.speed));
    let options = OpenOptions { connections: config.connections(), ..OpenOptions::default() };
    let app = App::open_with(config, options, clock, Arc::new(OsRandom)).await?;
    let reviewers = (arguments.first..arguments.first + arguments.reviewers).map(|number| {
        let operator = Operator { os_user: format!("reviewer{number}"), host: "race".into() };
        tokio::spawn(review(Connection::direct(app.clone(), Actor::Operator(operator)), number))
    });
    for reviewer in reviewers.collect::<Vec<_>>() {
        reviewer.await??;
    }
    Ok(())
}

async fn review(api: Connection, number: u32) -> Result<()> {
    let mut count = number;
    loop {
        count += 1;
        let case = match api.call::<ClaimNextAttempt>((), (), Change::default()).await {
            Ok(case) => case,
            Err(error) if error.code().retryable() => continue,
            Err(error) => bail!("{error:?}"),
        };
        let Some(case) = case else {
            match api.call::<ListAttempts>((), ListQuery::new(&KycFilter::default(), &PageRequest::first(1)), ()).await
            {
                Ok(open) if open.items.is_empty() => return Ok(()),
                Err(error) if !error.code().retryable() => bail!("{error:?}"),
                // Waiting cases are claimed, perhaps by a process that was killed: they return when the claim expires.
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            continue;
        };
        // The time to look at a case; long enough that many processes are killed during it.
        tokio::time::sleep(Duration::from_millis(u64::from(count % 17))).await;
        let fence = case.attempt.claim.as_ref().map(|claim| claim.fence);
        let decision = if count.is_multiple_of(2) {
            Decision::approve(fence)
        } else {
            Decision { kind: DecisionKind::Reject, fence, reasons: vec![KycReason::Other], comment: None }
        };
        match staff::decide(&api, case.attempt.id, decision.clone(), Change::default()).await {
            Ok(done) if done.changed => {
                let mut stdout = std::io::stdout().lock();
                writeln!(stdout, "{} local:reviewer{number}@race {}", case.attempt.id, decision.kind)?;
                stdout.flush()?;
            }
            // Too slow: another reviewer has claimed or decided it.
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::Conflict || error.code().retryable() => {}
            Err(error) => bail!("{error:?}"),
        }
    }
}
