//! What a job does to its thread.

use super::{
    model::{HistoryRow, JobAction, Side},
    row::Job,
};
use crate::{
    app::App,
    db::Conn,
    error::Result,
    ids::{MessageId, ThreadId},
};

/// Holds a thread until the end of the transaction; before every other write.
pub(super) async fn hold(conn: &mut Conn<'_>, thread: ThreadId) -> Result<()> {
    if let Conn::Pg(_) = conn {
        q!(conn => exec, [
            sqlite: "SELECT $1",
            pg: "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))",
        ], thread)?;
    }
    Ok(())
}

/// Tells the two of a transition, in their thread.
pub(super) async fn tell(app: &App, conn: &mut Conn<'_>, job: &Job, row: &HistoryRow) -> Result<()> {
    let now = app.now();
    let data = serde_json::json!({ "job": {
        "id": job.id, "action": row.action, "from": row.from, "to": row.to, "side": row.side,
        "revision": row.revision, "reason": row.reason,
    } });
    let seq = q!(conn => val i64,
        "UPDATE threads SET last_seq = last_seq + 1, last_at = $2, client_unread = client_unread + $3, \
         worker_unread = worker_unread + $4 WHERE id = $1 RETURNING last_seq",
        job.thread_id, now, i64::from(row.side != Side::Client), i64::from(row.side != Side::Worker))?;
    q!(conn => exec,
        "INSERT INTO messages (thread_id, seq, id, kind, content, data, created_at) VALUES ($1, $2, $3, 'job', $4, $5, $6)",
        job.thread_id, seq, MessageId::new(now, app.random.as_ref()), text(job, row), data.to_string(), now)?;
    Ok(())
}

/// Closes the thread of a rejected job.
pub(super) async fn close(conn: &mut Conn<'_>, thread: ThreadId) -> Result<()> {
    q!(conn => exec,
        "UPDATE threads SET status = 'closed', closed_reason = 'job_rejected', note = NULL, version = version + 1 \
         WHERE id = $1 AND status = 'open'",
        thread)?;
    Ok(())
}

/// The notice in words, for whoever does not know the codes.
fn text(job: &Job, row: &HistoryRow) -> String {
    let who = match row.side {
        Side::Client => "The client",
        Side::Worker => "The worker",
        Side::Staff => "The marketplace's staff",
        Side::System => "The marketplace",
    };
    let price = &job.offer().price;
    let because = row.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    match row.action {
        JobAction::Create => format!("{who} began a job with the offer {}: {price}.", row.revision),
        JobAction::Offer => format!("{who} made the offer {}: {price}.", row.revision),
        JobAction::Accept => format!("{who} accepted the offer {}: {price}.", row.revision),
        JobAction::Reject => format!("{who} rejected the job{because}."),
        JobAction::Cancel => format!("{who} cancelled the job{because}."),
        JobAction::Complete => format!("{who} completed the work."),
        JobAction::RequestChanges => format!("{who} asked for changes."),
        JobAction::Finalize => format!("{who} finalized the job."),
    }
}
