//! The use cases of reports, one function each.

mod actions;
mod by_link;
mod caught;
mod decide;
mod erase;
mod file;
mod queue;

pub use by_link::appeal_by_link;
pub(crate) use caught::file_caught;
pub use decide::{decide, decide_appeal, undo};
pub(crate) use erase::{decisions_about, erase, filed_by};
pub use file::{appeal, decisions, file, own};
pub(crate) use queue::note_oldest;
pub use queue::{assign, claim, escalate, list, next, release, show, skip, snooze};

use super::{
    model::{FiledReport, ReportAction, ReportCase, ReportStatus, ReportTarget},
    record::{Record, record, tell},
    row::{Case, shown_name},
    store::{self, ReportRow},
};
use crate::{
    accounts::{
        self,
        model::{Account, Status},
        summary::UserSummary,
    },
    base::{
        error::{Error, Result},
        ids::{CaseId, UserId},
        page::TimeCursor,
        permission::Permission,
        time::Timestamp,
    },
    notifications::{self, model::NotificationKind},
    operation::Operation,
    platform::db::Conn,
    records::{
        mail::{self, Mail, Template},
        webhooks::{self, model::WebhookKind},
    },
};

/// Reports, and events, that are shown with a case.
const SHOWN: i64 = 50;
/// Other cases about the same person that are shown with a case.
const OTHERS: i64 = 20;
/// Before everything, in lists whose newest come first.
const NEWEST: TimeCursor = TimeCursor { at: Timestamp::MAX, id: uuid::Uuid::max() };

/// Returns everything that is needed to decide.
async fn view(op: &Operation, conn: &mut Conn<'_>, id: CaseId) -> Result<ReportCase> {
    let case = store::get(conn, id).await?;
    let now = op.now();
    let reads_threads = op.actor().may(Permission::ThreadsRead);
    let is_private = matches!(case.target_kind, ReportTarget::Message | ReportTarget::Thread);
    let reports = store::reports(conn, id, SHOWN).await?;
    let mut history = store::history(conn, id, SHOWN).await?;
    history.reverse();
    let mut others = store::about(conn, case.subject_id, NEWEST, OTHERS + 1).await?;
    others.retain(|other| other.id != id);
    others.truncate(usize::try_from(OTHERS).unwrap_or_default());
    Ok(ReportCase {
        case: case.summary(now, &op.actor().principal()),
        reports: reports.into_iter().map(|row| filed(row, reads_threads || !is_private)).collect(),
        subject: UserSummary::masked(account(conn, case.subject_id).await?),
        others: others.iter().map(|other| other.brief(now)).collect(),
        decision: case.decision(),
        appeal: case.appeal(),
        history,
    })
}

fn filed(row: ReportRow, shows_content: bool) -> FiledReport {
    let content = row.content.filter(|_| shows_content);
    FiledReport {
        id: row.id,
        reporter_id: row.reporter_id,
        reporter_name: row.name.zip(row.status).map(|(name, status)| shown_name(&name, status)),
        reason: row.reason,
        text: row.text,
        content: content.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        created_at: row.created_at,
    }
}

async fn account(conn: &mut Conn<'_>, id: UserId) -> Result<Account> {
    accounts::store::get(conn, id).await?.ok_or_else(|| Error::not_found(format_args!("user {id}")))
}

/// Returns one case, locked until the end of the transaction, with the name of who decided it, as far as the caller may know it.
async fn lock_case(op: &Operation, conn: &mut Conn<'_>, id: CaseId) -> Result<Case> {
    let mut case = store::lock(conn, id).await?;
    case.decider = accounts::colleague(op, conn, case.decided_last()).await?;
    Ok(case)
}

/// Checks that the caller may handle a case: they are neither whom it is about nor one of those who reported, not who decided
/// what is appealed against, and an admin once it was escalated.
async fn require_handler(op: &Operation, conn: &mut Conn<'_>, case: &Case) -> Result<()> {
    let actor = op.actor();
    actor.require_other(case.subject_id)?;
    if let Some(me) = actor.user_id()
        && store::has_reported(conn, case.id, me).await?
    {
        return Err(Error::forbidden("nobody decides about what they reported; ask a colleague"));
    }
    if case.appealed_at.is_some() && case.status.is_waiting() {
        let is_same_account = actor.user_id().is_some_and(|me| case.decided_user == Some(me));
        if is_same_account || case.decided_by.as_ref() == Some(&actor.principal()) {
            return Err(Error::forbidden("an appeal is decided by somebody else than the decision; ask a colleague"));
        }
    }
    if case.escalated_at.is_some() && case.status.is_waiting() && !actor.may(Permission::UsersAdmin) {
        return Err(Error::forbidden("this case was escalated: an admin decides"));
    }
    Ok(())
}

/// Emits the decision about a case to webhooks, due at a time: until then it may be undone.
async fn tell_webhooks(
    op: &Operation,
    conn: &mut Conn<'_>,
    case: &Case,
    (status, actions): (ReportStatus, Vec<ReportAction>),
    at: Timestamp,
) -> Result<()> {
    let data = serde_json::json!({
        "case_id": case.id, "target_kind": case.target_kind, "target_id": case.target_id, "subject_id": case.subject_id,
        "status": status, "actions": actions,
    });
    webhooks::emit(op, conn, WebhookKind::ReportDecided, case.id, data, at).await
}

/// Tells a person of a case, by a notification and a mail, at `not_before`.
async fn notify(op: &Operation, conn: &mut Conn<'_>, to: UserId, about: Notice<'_>) -> Result<()> {
    let account = account(conn, to).await?;
    // Who was banned by the decision is told of it too.
    if account.status == Status::Deleted || !account.email_verified {
        return Ok(());
    }
    if let Ok(kind) = about.template.as_str().parse::<NotificationKind>() {
        notifications::tell(op, conn, to, kind, about.case.id, about.not_before).await?;
    }
    let mail = Mail { comment: about.comment, ..Mail::to_owner(&account, about.template) };
    mail::enqueue(op, conn, &mail_subject(about.case, to), about.not_before, &mail).await
}

/// A mail about a case.
struct Notice<'a> {
    case: &'a Case,
    template: Template,
    comment: Option<String>,
    not_before: Timestamp,
}

/// Returns the name under which the outbox groups the mails about a case to a person.
fn mail_subject(case: &Case, to: UserId) -> String {
    format!("case:{}:{to}", case.id)
}

#[cfg(test)]
mod tests;
