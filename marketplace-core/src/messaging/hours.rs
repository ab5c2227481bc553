//! Counts messages by the hour: when an hour is over, so that those who send wait for no counter.

use super::store;
use crate::{
    app::App,
    base::error::Result,
    operation::Operation,
    platform::db::Conn,
    records::series::{self, SeriesKind},
};

/// Hours that are counted in one run, or while they are read, at most.
const ROUND: i64 = 48;
/// An hour is over for good once no message of it can still be on its way to the database, in seconds after its end.
const SETTLED: i64 = 300;
/// Hours for which series are kept.
const KEPT: i64 = 400 * 24;

/// Counts the hours that are over, and forgets what was counted too long ago. Running it on two servers changes nothing more.
/// Returns how many hours were counted.
pub(crate) async fn count_hours(app: &App) -> Result<u64> {
    let now = app.now();
    let open = (now.unix_seconds() - SETTLED).div_euclid(3_600);
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let first = series::last_hour(&mut conn, SeriesKind::Messages).await?.map_or(open - ROUND, |last| last + 1);
    let mut counted = Vec::new();
    for hour in first..open.min(first + ROUND) {
        let n = store::count_between(&mut conn, series::start_of(hour), series::start_of(hour + 1)).await?;
        counted.push((hour, n));
    }
    drop(reader);
    if counted.is_empty() {
        return Ok(0);
    }
    let done = counted.iter().filter(|(_, messages)| *messages > 0).count() as u64;
    Operation::system(app)
        .write(unit!(|op, conn| {
            for (hour, n) in counted {
                series::store_hour(conn, SeriesKind::Messages, hour, n).await?;
            }
            series::prune(conn, series::hour_of(op.now()) - KEPT).await
        }))
        .await?;
    Ok(done)
}

/// Returns the messages of those of these hours that are not counted yet, the last ones of them if no server has counted for long.
pub(crate) async fn uncounted(conn: &mut Conn<'_>, from: i64, until: i64) -> Result<Vec<(i64, i64)>> {
    let first = series::last_hour(conn, SeriesKind::Messages).await?.map_or(until - ROUND, |last| last + 1);
    let mut counted = Vec::new();
    for hour in first.max(from).max(until - ROUND)..until {
        counted.push((hour, store::count_between(conn, series::start_of(hour), series::start_of(hour + 1)).await?));
    }
    Ok(counted)
}
