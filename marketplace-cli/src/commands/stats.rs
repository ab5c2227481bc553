//! `marketplace stats`.

use crate::{context::Context, failure::Outcome};
use marketplace_core::staff::{ShowStats, Stats};

/// Prints the dashboard's numbers.
pub async fn run(context: &Context) -> Outcome {
    context.out.check::<Stats>()?;
    let stats = context.connect().await?.call::<ShowStats>((), (), ()).await?;
    context.out.item(&stats)
}
