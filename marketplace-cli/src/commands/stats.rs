//! `marketplace stats`.

use marketplace_core::admin::Stats;

use crate::{context::Context, failure::Outcome};

/// Prints the dashboard's numbers.
pub async fn run(context: &Context) -> Outcome {
    context.out.check::<Stats>()?;
    let stats = context.connect().await?.stats().await?;
    context.out.item(&stats)
}
