//! What happens in each hour, as counters that are kept in the transactions that cause them: sign-ups, what comes into the
//! queues and goes out of them, how long people wait and staff work.
//!
//! To count something else: a row in [`SeriesKind`], and a call of `count` or `measure` where it happens.

use std::{collections::BTreeMap, time::Duration};

use futures::FutureExt;
use uuid::Uuid;

use crate::{
    app::App,
    base::{error::Result, principal::Principal, text_enum::text_enum, time::Timestamp},
    platform::db::{Conn, bulk},
};

text_enum! {
    /// What is counted.
    pub enum SeriesKind {
        /// Accounts that were made.
        SignUps = "signups",
        /// Identity checks that were submitted.
        KycSubmitted = "kyc_submitted",
        /// Identities that were approved. Whoever decided is on record, as with all decisions.
        KycApproved = "kyc_approved",
        /// Checks of which another attempt was asked for.
        KycRetry = "kyc_retry",
        /// Identities that were refused for good.
        KycRejected = "kyc_rejected",
        /// Approvals that were taken back.
        KycRevoked = "kyc_revoked",
        /// Decisions that were undone; these are not among the decisions.
        KycUndone = "kyc_undone",
        /// How long those waited whose check was decided.
        KycWaited = "kyc_waited",
        /// How long reviewers took from the claim to the decision.
        KycWorked = "kyc_worked",
        /// Messages that were sent. They are counted when the hour is over.
        Messages = "messages",
        /// Jobs that were offered.
        JobsBegun = "jobs_begun",
        /// Jobs that were finalized.
        JobsFinalized = "jobs_finalized",
        /// Jobs that were cancelled or rejected.
        JobsCancelled = "jobs_cancelled",
        /// Cases of reports that were opened.
        ReportsOpened = "reports_opened",
        /// Cases that staff acted on.
        ReportsResolved = "reports_resolved",
        /// Cases that staff did not act on.
        ReportsDismissed = "reports_dismissed",
        /// Decisions about reports that were undone; these are not among the decisions.
        ReportsUndone = "reports_undone",
        /// Appeals that were made.
        ReportsAppealed = "reports_appealed",
        /// Appeals after which the decision stayed.
        ReportsUpheld = "reports_upheld",
        /// Appeals after which it was taken back.
        ReportsReversed = "reports_reversed",
        /// How long cases waited that were decided, from the first report, and appeals.
        ReportsWaited = "reports_waited",
    }
}

impl SeriesKind {
    /// Returns whether it is a span of time rather than a number.
    pub fn is_time(self) -> bool {
        matches!(self, Self::KycWaited | Self::KycWorked | Self::ReportsWaited)
    }
}

/// Ends of the buckets of times, in seconds. The database holds numbers of buckets, so these never change; the migration
/// that made the table has them too.
const ENDS: [i64; 34] = [
    5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1_200, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800,
    14_400, 21_600, 28_800, 43_200, 57_600, 86_400, 129_600, 172_800, 259_200, 345_600, 604_800, 1_209_600, 2_592_000,
];
/// Rows among which what happens in the same hour is spread.
const SHARDS: u128 = 8;
/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// Returns the hours from the epoch to a time.
pub(crate) fn hour_of(at: Timestamp) -> i64 {
    at.unix_seconds().div_euclid(HOUR)
}

/// Returns when an hour begins.
pub(crate) fn start_of(hour: i64) -> Timestamp {
    Timestamp::from_unix_seconds(hour.saturating_mul(HOUR))
}

/// What happened, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened<'a> {
    pub at: Timestamp,
    /// The staff who did it, where that counts.
    pub who: Option<&'a Principal>,
    /// To what; decides which of the shards is used.
    pub to: Uuid,
    /// 1, or -1 when it is taken back.
    pub by: i64,
}

impl Happened<'_> {
    /// Returns something that happened to `to` now.
    pub fn now(at: Timestamp, to: Uuid) -> Self {
        Self { at, who: None, to, by: 1 }
    }
}

/// Counts something. Of several in one transaction, call in the order of [`SeriesKind`], so that no two transactions wait for each
/// other.
pub(crate) async fn count(conn: &mut Conn<'_>, kind: SeriesKind, happened: Happened<'_>) -> Result<()> {
    add(conn, kind, 0, happened).await
}

/// Counts a span of time.
pub(crate) async fn measure(
    conn: &mut Conn<'_>,
    kind: SeriesKind,
    took: Duration,
    happened: Happened<'_>,
) -> Result<()> {
    let seconds = i64::try_from(took.as_secs()).unwrap_or(i64::MAX);
    let bucket = ENDS.partition_point(|end| *end <= seconds);
    add(conn, kind, i64::try_from(bucket).unwrap_or_default(), happened).await
}

async fn add(conn: &mut Conn<'_>, kind: SeriesKind, bucket: i64, happened: Happened<'_>) -> Result<()> {
    let who = happened.who.map_or("", |who| who.0.as_str());
    let shard = i64::try_from(happened.to.as_u128() % SHARDS).unwrap_or_default();
    q!(conn => exec,
        "INSERT INTO series (kind, hour, who, bucket, shard, n) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (kind, hour, who, bucket, shard) DO UPDATE SET n = series.n + excluded.n",
        kind, hour_of(happened.at), who, bucket, shard, happened.by)?;
    Ok(())
}

/// Stores the count of a whole hour, once.
pub(crate) async fn store_hour(conn: &mut Conn<'_>, kind: SeriesKind, hour: i64, n: i64) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO series (kind, hour, who, bucket, shard, n) VALUES ($1, $2, '', 0, 0, $3) \
         ON CONFLICT (kind, hour, who, bucket, shard) DO NOTHING",
        kind, hour, n)?;
    Ok(())
}

/// Returns the last hour that was counted.
pub(crate) async fn last_hour(conn: &mut Conn<'_>, kind: SeriesKind) -> Result<Option<i64>> {
    Ok(q!(conn => optval Option<i64>, "SELECT max(hour) FROM series WHERE kind = $1", kind)?.flatten())
}

/// Deletes what was counted before an hour.
pub(crate) async fn prune(conn: &mut Conn<'_>, before: i64) -> Result<()> {
    for kind in SeriesKind::ALL {
        q!(conn => exec, "DELETE FROM series WHERE kind = $1 AND hour < $2", *kind, before)?;
    }
    Ok(())
}

/// Counts anew what the database holds, as the migration did: for made-up people and what they do, which come into it past the
/// operations.
///
/// # Errors
/// When the database fails.
pub async fn recount(app: &App) -> Result<()> {
    const SQLITE: [&str; 2] = [
        include_str!("../../../migrations/sqlite/0035_series.sql"),
        include_str!("../../../migrations/sqlite/0047_series_of_reports.sql"),
    ];
    const POSTGRES: [&str; 2] = [
        include_str!("../../../migrations/postgres/0035_series.sql"),
        include_str!("../../../migrations/postgres/0047_series_of_reports.sql"),
    ];
    let db = app.db.patient();
    db.write(|conn| {
        async move {
            let texts = if matches!(conn, Conn::Sqlite(_)) { SQLITE } else { POSTGRES };
            bulk::execute(conn, "DELETE FROM series".into()).await?;
            // The first one makes the table.
            for statement in texts.into_iter().flat_map(|text| text.trim_end().split(";\n")).skip(1) {
                bulk::execute(conn, statement.to_owned()).await?;
            }
            Ok(())
        }
        .boxed()
    })
    .await
}

/// Which hours are read, and how they are put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub from: i64,
    /// The first hour that is no longer part of it.
    pub until: i64,
    /// Hours that are one slot.
    pub hours: i64,
    /// Whether those who did it are told apart.
    pub by_who: bool,
}

/// What was counted in a slot.
#[derive(Debug, Clone, PartialEq, Eq, sqlx_macros::FromRow)]
pub(crate) struct Counted {
    /// Hours since the epoch, divided by the hours of a slot.
    pub slot: i64,
    pub who: String,
    pub bucket: i64,
    pub n: i64,
}

/// Reads one kind. The primary key serves it: what other kinds and other times have is not read.
pub(crate) async fn read(conn: &mut Conn<'_>, kind: SeriesKind, span: Span) -> Result<Vec<Counted>> {
    let Span { from, until, hours, by_who } = span;
    Ok(if by_who {
        q!(conn => all Counted,
            "SELECT hour / $4 AS slot, who, bucket, CAST(sum(n) AS BIGINT) AS n FROM series \
             WHERE kind = $1 AND hour >= $2 AND hour < $3 GROUP BY 1, 2, 3",
            kind, from, until, hours)?
    } else {
        q!(conn => all Counted,
            "SELECT hour / $4 AS slot, '' AS who, bucket, CAST(sum(n) AS BIGINT) AS n FROM series \
             WHERE kind = $1 AND hour >= $2 AND hour < $3 GROUP BY 1, 3",
            kind, from, until, hours)?
    })
}

/// Times in their buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Times(BTreeMap<i64, i64>);

impl Times {
    /// Adds what was counted in a bucket.
    pub fn add(&mut self, bucket: i64, n: i64) {
        *self.0.entry(bucket).or_default() += n;
    }

    /// Returns the time that so many of a hundred did not exceed, in seconds; none without any. Within a bucket times are taken to be
    /// spread evenly: the result is off by less than its bucket is wide, which is at most its lower end.
    pub fn quantile(&self, percent: i64) -> Option<i64> {
        let total: i64 = self.0.values().filter(|n| **n > 0).sum();
        let wanted = total.saturating_mul(percent);
        let mut before = 0;
        for (bucket, n) in self.0.iter().filter(|(_, n)| **n > 0) {
            let after = before + n.saturating_mul(100);
            if after >= wanted {
                let at = usize::try_from(*bucket).unwrap_or_default();
                let low = at.checked_sub(1).and_then(|at| ENDS.get(at)).copied().unwrap_or(0);
                let high = ENDS.get(at).copied().unwrap_or(low);
                return Some(low + (high - low).saturating_mul(wanted - before) / (after - before).max(1));
            }
            before = after;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_off_by_less_than_a_bucket() {
        assert_eq!(Times::default().quantile(50), None);
        let mut times = Times::default();
        let taken: Vec<i64> = (1..=1_000).map(|n| n * 37 % 5_000).collect();
        for seconds in &taken {
            times.add(i64::try_from(ENDS.partition_point(|end| end <= seconds)).unwrap(), 1);
        }
        let mut sorted = taken;
        sorted.sort_unstable();
        for (percent, exact) in [(50, sorted[499]), (90, sorted[899])] {
            let found = times.quantile(percent).unwrap();
            assert!((found - exact).abs() * 10 <= exact * 2, "{percent}: {found}, exactly {exact}");
        }
        // What was taken back does not count.
        let mut times = Times::default();
        times.add(3, 1);
        times.add(9, 1);
        times.add(9, -1);
        assert_eq!(times.quantile(90).map(|seconds| seconds <= 20), Some(true));
    }
}
