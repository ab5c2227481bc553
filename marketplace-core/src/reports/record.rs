//! What is recorded of a change of a case, in its transaction; and the end of claims that nobody can go on with.

use super::{row::Case, store};
use crate::{
    base::{error::Result, principal::Principal},
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction},
        events::{self, EventKind},
        target::TargetKind,
    },
};

/// The names of a change in the audit log and the event log.
pub(super) struct Record {
    pub action: AuditAction,
    pub event: EventKind,
    pub reason: Option<String>,
    pub metadata: serde_json::Value,
}

/// Appends the audit row and the event of a change, in its transaction.
pub(super) async fn record(op: &Operation, conn: &mut Conn<'_>, case: &Case, what: Record) -> Result<()> {
    tell(op, conn, case, what.event).await?;
    let mut metadata = serde_json::json!({ "subject": case.subject_id, (case.target_kind.as_str()): case.target_id });
    if let (Some(all), serde_json::Value::Object(more)) = (metadata.as_object_mut(), what.metadata) {
        all.extend(more);
    }
    let entry = audit::Entry {
        action: what.action,
        target_kind: TargetKind::Report,
        target: case.id.to_string(),
        reason: what.reason,
        metadata,
    };
    audit::append(op, conn, entry).await
}

/// Appends the event that a case changed.
pub(super) async fn tell(op: &Operation, conn: &mut Conn<'_>, case: &Case, event: EventKind) -> Result<()> {
    events::append(op, conn, event, &case.id.to_string(), None).await
}

/// Ends what these hold, who can no longer go on with it: each case is back in the queue at once.
pub(crate) async fn end_claims(op: &Operation, conn: &mut Conn<'_>, holders: &[Principal]) -> Result<()> {
    for holder in holders {
        for id in store::held_by(conn, holder, op.now()).await? {
            let case = store::lock(conn, id).await?;
            store::clear_claim(conn, id).await?;
            let metadata = serde_json::json!({ "fence": case.fence });
            let (action, event) = (AuditAction::ReportsRelease, EventKind::ReportReleased);
            record(op, conn, &case, Record { action, event, reason: None, metadata }).await?;
        }
    }
    Ok(())
}
