//! The dashboard's numbers.

use std::time::Duration;

use super::model::Stats;
use crate::{
    accounts,
    base::{count::Count, error::Result, permission::Permission},
    jobs, kyc, messaging,
    operation::Operation,
    records::{audit, mail},
    reports, reviews, services,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// The dashboard's numbers; each count stops at its bound, so they cost the same on any number of rows.
pub async fn stats(op: &Operation) -> Result<Stats> {
    op.require(Permission::StatsRead)?;
    let now = op.now();
    let yesterday = now - Duration::from_secs(86_400);
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let queue = kyc::counts(&mut conn, now).await?;
    let reported = reports::counts(&mut conn, now).await?;
    let (users, signups_24h) = accounts::store::counts(&mut conn, yesterday).await?;
    Ok(Stats {
        at: now,
        kyc_pending: Count::bounded(queue.pending),
        kyc_in_review: Count::bounded(queue.in_review),
        kyc_oldest_at: queue.oldest_at,
        kyc_decided_24h: Count::bounded(queue.decided_24h),
        users,
        signups_24h,
        services_visible: Count::bounded(services::count_visible(&mut conn, Count::CAP + 1).await?),
        jobs: jobs::counts(&mut conn).await?,
        messages_1h: Count::bounded(messaging::count_since(&mut conn, now - HOUR, Count::CAP + 1).await?),
        reviews_flagged: Count::bounded(reviews::count_flagged(&mut conn, Count::CAP + 1).await?),
        reports_open: Count::bounded(reported.open),
        reports_in_review: Count::bounded(reported.in_review),
        reports_oldest_at: reported.oldest_at,
        reports_decided_24h: Count::bounded(reported.decided_24h),
        mails_waiting: Count::bounded(mail::waiting(&mut conn, Count::CAP + 1).await?),
        audit_seq: audit::head_seq(&mut conn).await?,
    })
}
