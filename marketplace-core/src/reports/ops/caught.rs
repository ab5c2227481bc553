//! What rules caught, as reports by the system.

use super::{file, tell};
use crate::{
    accounts::model::Status,
    app::App,
    base::{error::Result, ids::ReportId},
    operation::Operation,
    platform::db::Conn,
    records::events::EventKind,
    reports::{
        model::{MAX_REPORTS, ReportTarget},
        row::{Case, stored},
        store::{self, NewRow, Target},
    },
    rules::{self, Hit},
    timers::Timer,
};

/// What is worked on in one run.
const BATCH: i64 = 200;
/// Reports by the system that a case takes: staff know by then.
const MOST: i64 = 20;

/// Files reports about what rules caught. Doing it twice, or on two servers, files no second one. Returns the number of reports.
///
/// # Errors
/// `unavailable` when the database cannot be used.
pub(crate) async fn file_caught(app: &App) -> Result<u64> {
    let limit = BATCH + crate::scheduled::resting(app, Timer::RuleReports);
    let mut reader = app.db.read().await?;
    let hits = rules::hits(&mut reader.conn(), limit).await?;
    drop(reader);
    crate::scheduled::each(app, Timer::RuleReports, hits, async |hit| file_one(app, hit).await.map(u64::from)).await
}

async fn file_one(app: &App, id: ReportId) -> Result<bool> {
    Operation::system(app)
        .write(unit!(|op, conn| {
            let Some(hit) = rules::take_hit(conn, id).await? else { return Ok(false) };
            file_hit(&op, conn, &hit).await?;
            Ok(true)
        }))
        .await
}

async fn file_hit(op: &Operation, conn: &mut Conn<'_>, hit: &Hit) -> Result<()> {
    if super::account(conn, hit.subject_id).await?.status == Status::Deleted {
        return Ok(());
    }
    if store::dismissed_before(conn, hit).await? {
        return Ok(());
    }
    let case = case_for(op, conn, hit).await?;
    let (before, is_known) = store::caught_before(conn, case.id, hit.rule_id, &hit.content).await?;
    if is_known || before >= MOST || case.reports >= MAX_REPORTS {
        return Ok(());
    }
    let mut reasons = case.reasons();
    if !reasons.contains(&hit.reason) {
        reasons.push(hit.reason);
    }
    let row = NewRow {
        id: hit.id,
        case: case.id,
        reporter: None,
        rule: Some(hit.rule_id),
        reason: hit.reason,
        text: &hit.text,
        content: Some(&hit.content),
        now: op.now(),
    };
    store::add(conn, &row, &stored(&reasons)?).await?;
    tell(op, conn, &case, EventKind::ReportFiled).await
}

/// Returns the case of what was caught, locked. What one side of a thread goes on writing is one case, of its first message.
async fn case_for(op: &Operation, conn: &mut Conn<'_>, hit: &Hit) -> Result<Case> {
    if let Some(thread) = hit.thread_id.filter(|_| hit.target_kind == ReportTarget::Message)
        && let Some(id) = store::caught_in(conn, thread, hit.subject_id).await?
    {
        let case = store::lock(conn, id).await?;
        // Not when it was decided while this one waited for it.
        if case.decided_at.is_none() {
            return Ok(case);
        }
    }
    let target = Target { kind: hit.target_kind, id: hit.target_id, thread: hit.thread_id, subject: hit.subject_id };
    file::open(op, conn, &target).await
}
