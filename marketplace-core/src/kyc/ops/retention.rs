//! How long files are kept once a decision was made: for each outcome as long as the configuration says.

use std::{collections::HashMap, time::Duration};

use super::{Record, lock_account, record};
use crate::{
    app::App,
    base::{error::Result, ids::AttemptId, time::Timestamp},
    kyc::{status::KycStatus, store},
    operation::Operation,
    platform::{
        config::Retention,
        db::{Conn, Db},
    },
    records::{audit::AuditAction, events::EventKind},
    timers::Timer,
};

/// Attempts that one call works on at most, for each outcome.
const BATCH: i64 = 100;

impl Retention {
    /// For each outcome, how many days its files are kept, counted from the decision; none is as long as the account.
    fn kyc_files(&self) -> [(KycStatus, Option<u32>); 5] {
        let days = |days: u32| (days > 0).then_some(days);
        [
            (KycStatus::Approved, days(self.kyc_files_approved_days)),
            (KycStatus::Retry, days(self.kyc_files_retry_days)),
            (KycStatus::Rejected, days(self.kyc_files_rejected_days)),
            (KycStatus::Revoked, days(self.kyc_files_revoked_days)),
            // Decided is the approval, which had its own time first.
            (
                KycStatus::Expired,
                days(self.kyc_files_expired_days).map(|days| days.saturating_add(self.kyc_approval_days)),
            ),
        ]
    }

    /// Up to when an outcome's decision must have been made for its files to go now.
    fn kyc_files_due(&self, now: Timestamp) -> impl Iterator<Item = (KycStatus, Timestamp)> {
        let due = self.kyc_files().into_iter();
        due.filter_map(move |(outcome, days)| Some((outcome, now - Duration::from_secs(u64::from(days?) * 86_400))))
    }
}

/// How files of identity checks are kept, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// For each outcome, the days that its files are kept from the decision on; none is as long as the account.
    pub days: Vec<(KycStatus, Option<u32>)>,
    /// Attempts whose files' time is over and that are still there, up to 1,000.
    pub overdue: i64,
    /// Objects that no row knows any more and that are still there, up to 1,000.
    pub waiting: i64,
}

/// What is kept how long, and how much waits to be deleted. A server that runs does that within seconds.
pub async fn retained(db: &Db, retention: &Retention, now: Timestamp) -> Result<Retained> {
    const CAP: i64 = 1_000;
    let mut reader = db.read().await?;
    let mut conn = reader.conn();
    let mut overdue = 0;
    for (outcome, before) in retention.kyc_files_due(now) {
        overdue += i64::try_from(store::files_past(&mut conn, outcome, before, CAP).await?.len()).unwrap_or(CAP);
    }
    let waiting = store::count_deletions(&mut conn, CAP).await?;
    Ok(Retained { days: retention.kyc_files().to_vec(), overdue: overdue.min(CAP), waiting })
}

/// Has the files go whose time is over. Doing it twice, or on two servers, does nothing more. Returns of how many attempts.
pub(crate) async fn drop_due_files(app: &App) -> Result<u64> {
    let limit = BATCH + crate::scheduled::resting(app, Timer::KycFiles);
    let mut reader = app.db.read().await?;
    let (mut all, mut due) = (Vec::new(), HashMap::new());
    for (outcome, before) in app.config.retention.kyc_files_due(app.now()) {
        for id in store::files_past(&mut reader.conn(), outcome, before, limit).await? {
            all.push(id);
            due.insert(id, (outcome, before));
        }
    }
    drop(reader);
    let one = async |id: AttemptId| match due.get(&id) {
        Some((outcome, before)) => delete_one(app, id, *outcome, *before).await,
        None => Ok(0),
    };
    crate::scheduled::each(app, Timer::KycFiles, all, one).await
}

async fn delete_one(app: &App, id: AttemptId, outcome: KycStatus, before: Timestamp) -> Result<u64> {
    Operation::system(app).write(unit!(|op, conn| { delete_in(&op, conn, id, outcome, before).await })).await
}

async fn delete_in(
    op: &Operation,
    conn: &mut Conn<'_>,
    id: AttemptId,
    outcome: KycStatus,
    before: Timestamp,
) -> Result<u64> {
    let subject = store::subject(conn, id).await?;
    lock_account(conn, subject).await?;
    let attempt = store::lock(conn, id).await?;
    // A decision may have been made anew since.
    let still = attempt.status == outcome && attempt.decided_at.is_some_and(|at| at <= before);
    if !still || !store::drop_files(conn, id, op.now()).await? {
        return Ok(0);
    }
    let fence = attempt.fence;
    let reason = Some(outcome.to_string());
    let what = Record { action: AuditAction::KycFilesDeleted, event: EventKind::KycFilesDeleted, reason, fence };
    record(op, conn, &attempt, what).await?;
    Ok(1)
}
