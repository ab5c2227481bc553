//! All SQL of jobs.

use super::model::JobStatus;
use crate::{
    admin::{Count, JobCount},
    db::Conn,
    error::Result,
};

/// How many jobs have each state; each count stops at its bound.
pub(crate) async fn counts(conn: &mut Conn<'_>) -> Result<Vec<JobCount>> {
    let mut counts = Vec::with_capacity(JobStatus::ALL.len());
    for status in JobStatus::ALL {
        let rows = q!(conn => val i64,
            "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM jobs WHERE status = $1 LIMIT $2) AS capped",
            status, Count::CAP + 1)?;
        counts.push(JobCount { status: *status, count: Count::bounded(rows) });
    }
    Ok(counts)
}
