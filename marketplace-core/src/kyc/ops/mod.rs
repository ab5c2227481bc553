//! The use cases of identity checks, one function each.

mod check;
mod decide;
mod due;
mod retention;
mod review;
mod submit;
mod triage;

pub use decide::{decide, undo};
pub use retention::{Retained, retained};
pub use review::{claim, file, list, next, release, show};
pub use submit::{Submission, own, submit, submit_permit};

pub use triage::triage;

pub(crate) use check::open_newest_file;
pub(crate) use due::{delete_due_objects, erase, expire_due, sweep_objects};
pub(crate) use retention::drop_due_files;
pub(crate) use submit::{submitted, submitted_file};
pub(crate) use triage::{end_claims, end_rights};

use super::{
    attempt::{Attempt, UserKyc},
    model::{AttemptBrief, KycCase},
    store,
};
use crate::{
    accounts::{
        self,
        model::{Account, Status},
        summary::UserSummary,
    },
    base::{
        error::{Error, Result},
        ids::{AttemptId, UserId},
        time::Timestamp,
    },
    kyc::{model::FileKind, status::KycStatus},
    notifications::{self, model::NotificationKind},
    operation::Operation,
    platform::{db::Conn, files::Expected},
    records::{
        audit::{self, AuditAction},
        events::{self, EventKind},
        mail::{self, Mail, Template},
        target::TargetKind,
        webhooks::{self, model::WebhookKind},
    },
    services,
};

/// The number of a user's attempts on one page.
const SHOWN: i64 = 20;
/// The rows of a case's history that are shown.
const HISTORY: i64 = 50;

/// Returns a user's attempts in brief, newest first.
pub(crate) async fn briefs(conn: &mut Conn<'_>, now: Timestamp, user: UserId) -> Result<Vec<AttemptBrief>> {
    Ok(store::of_user(conn, user, SHOWN).await?.iter().map(|attempt| attempt.brief(now)).collect())
}

/// Returns one account.
async fn account(conn: &mut Conn<'_>, id: UserId) -> Result<Account> {
    accounts::store::get(conn, id).await?.ok_or_else(|| Error::not_found(format_args!("user {id}")))
}

/// Returns one account, locked until the end of the transaction. Always locked before an attempt.
async fn lock_account(conn: &mut Conn<'_>, id: UserId) -> Result<Account> {
    accounts::store::lock(conn, id).await?.ok_or_else(|| Error::not_found(format_args!("user {id}")))
}

/// Returns one attempt, locked until the end of the transaction, with the name of who decided it, as far as the caller may know it.
async fn lock_attempt(op: &Operation, conn: &mut Conn<'_>, id: AttemptId) -> Result<Attempt> {
    let mut attempt = store::lock(conn, id).await?;
    attempt.decider = accounts::colleague(op, conn, attempt.decided_by.as_ref()).await?;
    Ok(attempt)
}

/// Stores the state of an account's identity check, and updates the search index.
async fn set_standing(conn: &mut Conn<'_>, user: UserId, kyc: UserKyc, now: Timestamp) -> Result<()> {
    store::set_user(conn, user, kyc, now).await?;
    services::worker_changed(conn, now, user).await
}

/// Returns everything that is needed to decide.
async fn case(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt) -> Result<KycCase> {
    let others = store::of_user(conn, attempt.user_id, SHOWN + 1).await?;
    Ok(KycCase {
        attempt: attempt.summary(op.now(), &op.actor().principal()),
        files: store::files(conn, attempt.id).await?,
        files_deleted_at: attempt.files_deleted_at,
        decision: attempt.decision(),
        history: store::history(conn, attempt.id, HISTORY).await?,
        others: others
            .iter()
            .filter(|other| other.id != attempt.id)
            .take(usize::try_from(SHOWN).unwrap_or_default())
            .map(|other| other.brief(op.now()))
            .collect(),
        user: UserSummary::masked(account(conn, attempt.user_id).await?),
    })
}

/// Appends the audit row and the event of a change, in its transaction.
async fn record(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, what: Record) -> Result<()> {
    events::append(op, conn, what.event, &attempt.id.to_string(), Some(attempt.user_id)).await?;
    let entry = audit::Entry {
        action: what.action,
        target_kind: TargetKind::Attempt,
        target: attempt.id.to_string(),
        reason: what.reason,
        metadata: serde_json::json!({ "user": attempt.user_id, "number": attempt.number, "fence": what.fence }),
    };
    audit::append(op, conn, entry).await?;
    Ok(())
}

/// Emits the decision about an attempt to webhooks, due at a time: until then it may be undone.
async fn tell(op: &Operation, conn: &mut Conn<'_>, attempt: &Attempt, status: KycStatus, at: Timestamp) -> Result<()> {
    let data = serde_json::json!({
        "attempt_id": attempt.id, "user_id": attempt.user_id, "number": attempt.number, "status": status,
    });
    webhooks::emit(op, conn, WebhookKind::KycDecided, attempt.id, data, at).await
}

/// The names of a change in the audit log and the event log.
struct Record {
    action: AuditAction,
    event: EventKind,
    reason: Option<String>,
    fence: i64,
}

/// Tells the worker, by a notification and a mail, at `not_before`.
async fn notify(op: &Operation, conn: &mut Conn<'_>, account: &Account, about: Notice) -> Result<()> {
    if matches!(account.status, Status::Banned | Status::Deleted) {
        return Ok(());
    }
    if let Ok(kind) = about.template.as_str().parse::<NotificationKind>() {
        notifications::tell(op, conn, account.id, kind, about.attempt, about.not_before).await?;
    }
    let mail = Mail { comment: about.comment, ..Mail::to_owner(account, about.template) };
    mail::enqueue(op, conn, &mail_subject(about.attempt), about.not_before, &mail).await
}

/// A mail to a worker about an attempt.
struct Notice {
    attempt: AttemptId,
    template: Template,
    comment: Option<String>,
    not_before: Timestamp,
}

/// Returns the name under which the outbox groups the mails about an attempt.
fn mail_subject(id: AttemptId) -> String {
    format!("attempt:{id}")
}

#[cfg(test)]
mod tests;

impl From<FileKind> for Expected {
    fn from(kind: FileKind) -> Self {
        Self { field: kind.as_str(), pdf: kind == FileKind::Document }
    }
}
