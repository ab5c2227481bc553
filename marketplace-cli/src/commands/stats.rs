//! `marketplace stats`.

use clap::Args;
use marketplace_core::{
    staff::{SeriesBy, SeriesQuery, SeriesRow, ShowSeries, ShowStats, Stats},
    time::Timestamp,
};

use crate::{
    args::{moment, one_of},
    context::Context,
    failure::Outcome,
};

/// Which numbers.
#[derive(Debug, Args)]
pub struct Numbers {
    /// What happened in each hour or day since this time, rather than the numbers of now: 7d, 12h, 2026-03-02
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// A row for each hour or day, or for each reviewer over the whole time
    #[arg(long, value_name = "WHAT", value_parser = one_of::<SeriesBy>(SeriesBy::NAMES))]
    by: Option<SeriesBy>,
}

/// Prints the dashboard's numbers, or what happened over time.
pub async fn run(numbers: Numbers, context: &Context) -> Outcome {
    let Numbers { since, until, by } = numbers;
    if since.is_none() && until.is_none() && by.is_none() {
        context.out.check::<Stats>()?;
        let stats = context.connect().await?.call::<ShowStats>((), (), ()).await?;
        return context.out.item(&stats);
    }
    context.out.check::<SeriesRow>()?;
    let series = context.connect().await?.call::<ShowSeries>((), SeriesQuery { since, until, by }, ()).await?;
    let mut list = context.out.list::<SeriesRow>();
    list.page(&series.rows)?;
    list.finish()
}
