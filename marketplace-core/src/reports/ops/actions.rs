//! What a decision does, through the operations that staff have for it: each checks its permission and its rules, and is on
//! record by itself.

use std::collections::BTreeSet;

use crate::{
    accounts::{
        self,
        model::{Status, UserAction},
    },
    auth,
    base::{
        error::Result,
        ids::{MessageId, ReviewId, ServiceId},
    },
    jobs, messaging,
    messaging::model::ThreadAction,
    operation::Operation,
    platform::db::Conn,
    records::mail,
    reports::{
        model::{ActionTaken, ReportAction, ReportReason, ReportedContent, Verdict},
        row::Case,
        store,
    },
    reviews::{self, model::ReviewAction},
    services, users,
};

/// Locks what the actions of a case may change, in the order in which everything else locks it: threads, then the account.
pub(super) async fn lock(conn: &mut Conn<'_>, case: &Case, actions: &[ReportAction]) -> Result<()> {
    if actions.contains(&ReportAction::Ban) {
        jobs::lock_live_threads_of(conn, case.subject_id).await?;
    }
    if let Some(thread) = case.thread_id
        && actions.iter().any(|action| matches!(action, ReportAction::RemoveMessage | ReportAction::CloseThread))
    {
        messaging::lock_thread(conn, thread).await?;
    }
    accounts::store::lock(conn, case.subject_id).await?;
    Ok(())
}

/// Returns the messages of the subject that the reports of a case are about: that of the case, and those that joined it.
async fn reported_messages(conn: &mut Conn<'_>, case: &Case) -> Result<Vec<MessageId>> {
    let mut ids = vec![MessageId(case.target_id)];
    let Some(thread) = case.thread_id else { return Ok(ids) };
    let mut seqs = BTreeSet::new();
    for content in store::contents(conn, case.id).await? {
        // What does not parse is not ours.
        let content: ReportedContent = serde_json::from_str(&content).unwrap_or_default();
        let theirs = content.messages.into_iter().filter(|message| message.sender_id == Some(case.subject_id));
        seqs.extend(theirs.map(|message| message.seq));
    }
    for seq in seqs {
        if let Some(id) = messaging::message_at(conn, thread, seq).await?
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Takes the actions, for the first of the reasons. What already is so is not changed, nor taken back later.
pub(super) async fn take(
    op: &Operation,
    conn: &mut Conn<'_>,
    case: &Case,
    verdict: &Verdict,
    reason: ReportReason,
    note: Option<&str>,
) -> Result<Vec<ActionTaken>> {
    let actions = verdict.actions();
    let mut taken = Vec::with_capacity(actions.len());
    for action in actions.iter().copied() {
        let note = note.map(str::to_owned);
        let (mut was_published, mut messages, mut photo) = (false, Vec::new(), None);
        let changed = match action {
            ReportAction::RemoveMessage => {
                for id in reported_messages(conn, case).await? {
                    if messaging::staff_remove_in(op, conn, id, reason.removal(), note.clone()).await?.changed {
                        messages.push(id);
                    }
                }
                !messages.is_empty()
            }
            ReportAction::RemoveReview => {
                let action = ReviewAction::Remove { reason: reason.removal() };
                reviews::staff_act_in(op, conn, ReviewId(case.target_id), &action, note).await?.changed
            }
            ReportAction::RemovePhoto => {
                photo = verdict.photo();
                match photo {
                    Some(photo) => services::take_photo(op, conn, ServiceId(case.target_id), photo).await?,
                    None => false,
                }
            }
            ReportAction::CloseService => {
                let blocked = services::block(op, conn, ServiceId(case.target_id), reason.removal()).await?;
                was_published = blocked == Some(true);
                blocked.is_some()
            }
            ReportAction::CloseThread => match case.thread_id {
                Some(thread) => {
                    let action = ThreadAction::Close { reason: reason.closing() };
                    messaging::staff_act_in(op, conn, thread, action, note).await?.changed
                }
                None => false,
            },
            // The mail about the decision is the warning.
            ReportAction::Warn => true,
            ReportAction::Freeze => users::act_in(op, conn, case.subject_id, &UserAction::Freeze, note).await?,
            ReportAction::Ban => users::act_in(op, conn, case.subject_id, &UserAction::Ban, note).await?,
        };
        taken.push(ActionTaken { action, changed, was_published, messages, photo });
    }
    Ok(taken)
}

/// Takes back what a decision changed, the last first, unless somebody has changed it again since. Returns what could be taken
/// back: a message, a review and a photo show again, a thread takes messages, a service is public, an account is free. What a ban
/// ended (sessions, jobs under way) stays ended.
pub(super) async fn take_back(op: &Operation, conn: &mut Conn<'_>, case: &Case) -> Result<Vec<ReportAction>> {
    let mut restored = Vec::new();
    for ActionTaken { action, was_published, messages, photo, .. } in
        case.actions().into_iter().rev().filter(|taken| taken.changed)
    {
        let status = accounts::store::get(conn, case.subject_id).await?.map(|account| account.status);
        let is_restored = match action {
            ReportAction::RemoveMessage => {
                // Decisions of earlier releases removed the one that the case is about, and do not name it.
                let messages = if messages.is_empty() { vec![MessageId(case.target_id)] } else { messages };
                let mut any = false;
                for id in messages {
                    any |= messaging::staff_restore_in(op, conn, id).await?;
                }
                any
            }
            ReportAction::RemoveReview => {
                reviews::staff_act_in(op, conn, ReviewId(case.target_id), &ReviewAction::Restore, None).await?.changed
            }
            ReportAction::RemovePhoto => match photo {
                Some(photo) => services::put_photo_back(op, conn, ServiceId(case.target_id), photo).await?,
                None => false,
            },
            ReportAction::CloseService => services::unblock(op, conn, ServiceId(case.target_id), was_published).await?,
            ReportAction::CloseThread => match case.thread_id {
                Some(thread) => messaging::staff_act_in(op, conn, thread, ThreadAction::Reopen, None).await?.changed,
                None => false,
            },
            ReportAction::Warn => true,
            ReportAction::Freeze if status == Some(Status::Frozen) => {
                users::act_in(op, conn, case.subject_id, &UserAction::Unfreeze, None).await?
            }
            ReportAction::Ban if status == Some(Status::Banned) => {
                mail::cancel(conn, &auth::OneTime::OwnData.mail_subject(case.subject_id)).await?;
                users::act_in(op, conn, case.subject_id, &UserAction::Unban, None).await?
            }
            ReportAction::Freeze | ReportAction::Ban => false,
        };
        if is_restored {
            restored.push(action);
        }
    }
    Ok(restored)
}
