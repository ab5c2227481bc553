//! What is exported and erased of a person.

use super::{NEWEST, file::shown, mail_subject, tell};
use crate::{
    base::{error::Result, ids::UserId, page::TimeCursor, principal::Principal, time::Timestamp},
    operation::Operation,
    platform::db::Conn,
    records::{events::EventKind, mail},
    reports::{
        model::{DismissReason, OwnDecision, OwnReport, ReportStatus, ReportedContent},
        row::stored,
        store::{self, AppealDecided, Decided},
    },
};

/// Returns a page of a person's reports, newest first, and where the next one begins.
pub(crate) async fn filed_by(
    conn: &mut Conn<'_>,
    now: Timestamp,
    user: UserId,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<(Vec<OwnReport>, Option<TimeCursor>)> {
    let rows = store::own(conn, user, before.unwrap_or(NEWEST), limit).await?;
    let next = rows.last().map(|row| TimeCursor { at: row.created_at, id: row.id.0 });
    Ok((rows.into_iter().map(|row| shown(row, now)).collect(), next))
}

/// Returns a page of what was decided about a person, newest first, and where the next one begins.
pub(crate) async fn decisions_about(
    conn: &mut Conn<'_>,
    now: Timestamp,
    user: UserId,
    before: Option<TimeCursor>,
    limit: i64,
) -> Result<(Vec<OwnDecision>, Option<TimeCursor>)> {
    let rows = store::about(conn, user, before.unwrap_or(NEWEST), limit).await?;
    let next = rows.last().map(|case| TimeCursor { at: case.opened_at, id: case.id.0 });
    Ok((rows.iter().filter_map(|case| case.own(now)).collect(), next))
}

/// Takes everything personal of a user out of reports, inside the transaction that erases them: what they wrote and said, what
/// others and staff wrote about them, and waiting mails. What waits about them is dismissed, as nothing is left to decide.
pub(crate) async fn erase(op: &Operation, conn: &mut Conn<'_>, user: UserId) -> Result<()> {
    let now = op.now();
    for id in store::cases_of(conn, user).await? {
        let case = store::lock(conn, id).await?;
        mail::cancel(conn, &mail_subject(&case, user)).await?;
    }
    for id in store::open_about(conn, user).await? {
        let case = store::lock(conn, id).await?;
        if case.status == ReportStatus::Appealed {
            let by = &Principal::system();
            let (status, fence) = (ReportStatus::Upheld, case.fence);
            let decided = AppealDecided { status, fence, by, at: now, comment: None, note: None };
            store::set_appeal_decision(conn, &case, &decided).await?;
            tell(op, conn, &case, EventKind::ReportDecided).await?;
            continue;
        }
        let decided = Decided {
            by: Some(Principal::system()),
            at: Some(now),
            effective_at: Some(now),
            reasons: Some(stored(&[DismissReason::AlreadyHandled])?),
            ..Decided::default()
        };
        store::set_decision(conn, &case, ReportStatus::Dismissed, case.fence, decided).await?;
        tell(op, conn, &case, EventKind::ReportDecided).await?;
    }
    for (id, content) in store::thread_contents(conn, user).await? {
        // What does not parse is not ours, and is gone rather than kept.
        let mut content: ReportedContent = serde_json::from_str(&content).unwrap_or_default();
        content.messages.retain(|message| message.sender_id != Some(user));
        store::set_content(conn, id, &stored(&content)?).await?;
    }
    store::clear_labels(conn, &Principal::user(user)).await?;
    store::erase(conn, user).await
}
