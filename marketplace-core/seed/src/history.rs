//! What staff did in the past of a demonstration, on the audit log and the event log.

use marketplace_core::audit::AuditAction;
use marketplace_core::events::EventKind;
use marketplace_core::operation::Operation;
use marketplace_core::records::target::TargetKind;
use std::{sync::Arc, time::Duration};

use marketplace_core::{
    accounts::model::{Account, Status},
    actor::{Actor, SignedIn},
    base::{
        error::Result,
        ids::{SessionId, UserId},
        time::Timestamp,
    },
    kyc::{model::FileKind, status::KycStatus},
    platform::db::Conn,
    records::{
        audit::{self, Entry},
        events,
    },
};
use serde_json::json;

use crate::users::{Attempt, User};

/// A past action. `by` is an index into the staff; `None` is the user or the program.
#[derive(Debug, Clone)]
pub(crate) struct PastAction {
    at: Timestamp,
    by: Option<usize>,
    entry: Option<Entry>,
    event: Option<(EventKind, String, UserId)>,
}

impl PastAction {
    /// Creates an action of a member of staff in the marketplace.
    pub fn of_staff(at: Timestamp, by: usize, entry: Entry) -> Self {
        Self { at, by: Some(by), entry: Some(entry), event: None }
    }
}

/// Returns all actions on a user and their attempts.
pub(crate) fn past_actions(user: &User, attempts: &[Attempt], now: Timestamp) -> Vec<PastAction> {
    let mut past_actions = Vec::new();
    let id = user.id.to_string();
    let about = |action, reason: Option<&str>, metadata| Entry {
        action,
        target_kind: TargetKind::User,
        target: id.clone(),
        reason: reason.map(str::to_owned),
        metadata,
    };
    if user.role.is_staff() {
        let metadata = json!({ "role": user.role });
        let entry = Some(about(AuditAction::UsersCreate, None, metadata));
        past_actions.push(PastAction {
            at: user.created_at,
            by: None,
            entry,
            event: Some((EventKind::UserCreated, id.clone(), user.id)),
        });
    }
    if let Some(restriction) = &user.restriction {
        let action = match user.status {
            Status::Frozen => AuditAction::UsersFreeze,
            Status::Banned => AuditAction::UsersBan,
            _ => AuditAction::UsersDelete,
        };
        let note = user.notes.first().map(|note| note.id);
        let entry = about(action, Some(restriction.reason.as_str()), json!({ "from": "active", "note": note }));
        let event = Some((EventKind::UserChanged, id.clone(), user.id));
        past_actions.push(PastAction { at: restriction.at, by: Some(restriction.by), entry: Some(entry), event });
    }
    for note in user.notes.iter().filter(|_| user.restriction.is_none()) {
        let entry = Some(about(AuditAction::UsersNote, None, json!({ "note": note.id })));
        past_actions.push(PastAction { at: note.at, by: Some(note.by), entry, event: None });
    }
    for attempt in attempts.iter().filter(|attempt| attempt.user == user.id) {
        of_attempt(attempt, now, &mut past_actions);
    }
    past_actions
}

fn of_attempt(attempt: &Attempt, now: Timestamp, past_actions: &mut Vec<PastAction>) {
    let id = attempt.id.to_string();
    let event = |kind| Some((kind, id.clone(), attempt.user));
    let entry = |action, reason, metadata| {
        Some(Entry { action, target_kind: TargetKind::Attempt, target: id.clone(), reason, metadata })
    };
    let facts = json!({ "user": attempt.user, "number": attempt.number, "fence": 1 });
    if attempt.later && attempt.status.is_open() {
        // It has not been added yet.
        return;
    }
    past_actions.push(PastAction {
        at: attempt.submitted_at,
        by: None,
        entry: None,
        event: event(EventKind::KycSubmitted),
    });
    let (by, at) = match (&attempt.decided, attempt.claimed_by) {
        (Some(decided), _) => (decided.by, decided.at - Duration::from_secs(95)),
        (None, Some(holder)) => (holder, now - Duration::from_secs(1)),
        (None, None) => return,
    };
    let claimed = entry(AuditAction::KycClaim, None, facts.clone());
    past_actions.push(PastAction { at, by: Some(by), entry: claimed, event: event(EventKind::KycClaimed) });
    for (seconds, kind) in (4..).zip(FileKind::ALL) {
        let viewed = entry(AuditAction::KycView, None, json!({ "user": attempt.user, "file": kind }));
        let at = (at + Duration::from_secs(seconds)).min(now);
        past_actions.push(PastAction { at, by: Some(by), entry: viewed, event: None });
    }
    if let Some(decided) = &attempt.decided {
        let action = match attempt.status {
            KycStatus::Retry => AuditAction::KycRetry,
            KycStatus::Rejected => AuditAction::KycReject,
            KycStatus::Revoked => AuditAction::KycRevoke,
            _ => AuditAction::KycApprove,
        };
        let codes: Vec<&str> = decided.reasons.iter().map(|reason| reason.as_str()).collect();
        let reason = (!codes.is_empty()).then(|| codes.join(","));
        past_actions.push(PastAction {
            at: decided.at,
            by: Some(by),
            entry: entry(action, reason, facts),
            event: event(EventKind::KycDecided),
        });
    }
}

/// Writes past actions in chronological order. Events are kept as long as [`events`] keeps them.
pub(crate) async fn write(
    op: &Operation,
    conn: &mut Conn<'_>,
    actors: &[Actor],
    mut past_actions: Vec<PastAction>,
    events_since: Timestamp,
) -> Result<()> {
    past_actions.sort_by_key(|action| action.at);
    for action in past_actions {
        let actor = action.by.and_then(|by| actors.get(by)).unwrap_or(&Actor::System);
        let op = Operation::at(op, actor.clone(), action.at);
        if let Some(entry) = action.entry {
            audit::append(&op, conn, entry).await?;
        }
        if let Some((kind, target, user)) = action.event.filter(|_| action.at >= events_since) {
            events::append(&op, conn, kind, &target, Some(user)).await?;
        }
    }
    Ok(())
}

/// Returns a member of staff as the actor of an operation.
pub(crate) fn actor(user: &User) -> Actor {
    Actor::User(Arc::new(SignedIn {
        account: Account {
            id: user.id,
            role: user.role,
            status: user.status,
            email: user.email.clone(),
            email_verified: user.email_verified,
            name: user.person.name.clone(),
            phone: user.person.phone.clone(),
            kyc_status: user.kyc.status,
            kyc_prior: user.kyc.prior,
            kyc_effective_at: user.kyc.effective_at,
            kyc_expires_at: user.kyc.expires_at,
            version: 1,
            created_at: user.created_at,
        },
        session: SessionId(uuid::Uuid::nil()),
        expires_at: Timestamp::MAX,
        must_enrol: false,
    }))
}
