//! The ranges into which PostgreSQL's tables that grow with everything that happens are divided: `events` by day, `audit_log` by
//! number, `job_history` by the month in which the job was offered. New ranges are begun before they are needed.
//!
//! The last range of a table has no end, so every row finds a place even when this did not run for long. The migration that
//! divides the tables has the reasons.

use futures::FutureExt;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    app::App,
    base::{error::Result, ids::first_uuid_v7, time::Timestamp},
    platform::db::Engine,
};

/// Microseconds of a day, which one range of events has.
const DAY: i64 = 86_400_000_000;
/// Numbers that one range of the audit log has.
const NUMBERS: i64 = 10_000_000;
/// How many numbers of the audit log are ready beyond the newest one.
const NUMBERS_AHEAD: i64 = 1_000_000;
/// How long before it begins a month is ready.
const MONTH_AHEAD: Duration = Duration::days(7);
/// Maximum number of ranges that one run begins.
const AT_ONCE: usize = 8;

/// Where the last range of a table is to end: the bound as the database takes it, and what the range is called by.
#[derive(Debug, PartialEq, Eq)]
struct End {
    bound: String,
    label: String,
}

/// Returns where the last range of `events` is to end, which begins at `low` microseconds, when `newest` is the newest batch; `None`
/// while all of tomorrow is ready.
fn day_after(low: i64, newest: i64, now: Timestamp) -> Option<End> {
    let today = now.micros().div_euclid(DAY) * DAY;
    // The clock may have been ahead when something was published.
    let bound = low.max(newest.div_euclid(DAY) * DAY).max(today).saturating_add(DAY);
    let label = Timestamp::from_micros(bound).date().replace('-', "_");
    (low < today + 2 * DAY).then(|| End { bound: bound.to_string(), label })
}

/// Returns where the last range of `audit_log` is to end, which begins at `low`, when `newest` is the newest row.
fn numbers_after(low: i64, newest: i64) -> Option<End> {
    let bound = low.max(newest).div_euclid(NUMBERS).saturating_add(1).saturating_mul(NUMBERS).to_string();
    (low < newest.saturating_add(NUMBERS_AHEAD)).then(|| End { label: bound.clone(), bound })
}

/// Returns where the last range of `job_history` is to end, which begins at `low`.
fn month_after(low: Uuid, now: Timestamp) -> Option<End> {
    let begins = i128::try_from(low.as_u128() >> 80).unwrap_or(i128::MAX).saturating_mul(1_000_000);
    let begins = OffsetDateTime::from_unix_timestamp_nanos(begins).ok()?;
    let now = now.to_offset();
    let day = begins.max(now).date().replace_day(1).ok()? + Duration::days(31);
    let first = day.replace_day(1).ok()?;
    let bound = Timestamp::from_unix_seconds(first.midnight().assume_utc().unix_timestamp());
    let label = format!("{}_{:02}", first.year(), u8::from(first.month()));
    (begins < now + MONTH_AHEAD).then(|| End { bound: first_uuid_v7(bound).to_string(), label })
}

/// Begins the ranges that will be needed soon. Returns how many. Does nothing on SQLite.
pub(crate) async fn extend(app: &App) -> Result<u64> {
    if app.db.engine() == Engine::Sqlite {
        return Ok(0);
    }
    // The database's clock, which all servers share: one whose clock is ahead would end a range in years.
    let mut reader = app.db.read().await?;
    let now = q!(&mut reader.conn() => val Timestamp, [
        sqlite: "SELECT 0",
        pg: "SELECT clock_timestamp()",
    ])?;
    drop(reader);
    extend_at(app, now).await
}

/// Begins the ranges that will be needed soon after `now`. Returns how many.
async fn extend_at(app: &App, now: Timestamp) -> Result<u64> {
    let mut begun = 0;
    for _ in 0..AT_ONCE {
        let before = begun;
        for (table, end) in due(app, now).await? {
            let extended = app.db.write(move |conn| {
                async move {
                    Ok(q!(conn => val bool, [
                        sqlite: "SELECT $1 = $2 AND $2 = $3",
                        pg: "SELECT extend_partitions($1, $2, $3)",
                    ], table, end.bound, end.label)?)
                }
                .boxed()
            });
            begun += u64::from(extended.await?);
        }
        if begun == before {
            break;
        }
    }
    Ok(begun)
}

/// Returns the tables whose last range is to end somewhere, and where.
async fn due(app: &App, now: Timestamp) -> Result<Vec<(&'static str, End)>> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let entry = q!(&mut conn => optval i64, "SELECT seq FROM audit_head WHERE id = 1")?.unwrap_or(0);
    let batch = q!(&mut conn => optval i64, "SELECT tx FROM events WHERE tx >= 0 ORDER BY tx DESC, seq DESC LIMIT 1")?;
    let begins = q!(&mut conn => all (String, String), [
        sqlite: "SELECT name, name FROM sqlite_schema WHERE 1 = 0",
        pg: "SELECT c.relname::text, substring(pg_get_expr(c.relpartbound, c.oid) FROM '''(.*)''') FROM pg_class c WHERE c.relispartition \
             AND c.oid IN (to_regclass('events_last'), to_regclass('audit_log_last'), to_regclass('job_history_last'))",
    ])?;
    let end = |(last, low): (String, String)| match &*last {
        "events_last" => Some(("events", day_after(low.parse().ok()?, batch.unwrap_or(0), now)?)),
        "audit_log_last" => Some(("audit_log", numbers_after(low.parse().ok()?, entry)?)),
        _ => Some(("job_history", month_after(low.parse().ok()?, now)?)),
    };
    Ok(begins.into_iter().filter_map(end).collect())
}

#[cfg(test)]
mod tests;
