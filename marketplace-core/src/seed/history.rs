//! What staff did in the past of a demonstration, on the audit log and the event log.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::cast::{Attempt, User};
use crate::{
    accounts::model::{Account, Status},
    actor::{Actor, SignedIn},
    base::{
        error::Result,
        ids::{SessionId, UserId},
        time::Timestamp,
    },
    kyc::{model::FileKind, status::KycStatus},
    platform::{db::Conn, keys::Keys},
    records::{
        audit::{self, Entry},
        events,
    },
};

/// Something that happened. `by` counts the staff; none is the user or the program.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    at: Timestamp,
    by: Option<usize>,
    entry: Option<Entry>,
    event: Option<(&'static str, String, UserId)>,
}

impl Deed {
    /// What a member of staff did on the market.
    pub fn of_staff(at: Timestamp, by: usize, entry: Entry) -> Self {
        Self { at, by: Some(by), entry: Some(entry), event: None }
    }
}

/// All that happened to a user and their attempts.
pub(super) fn deeds(user: &User, attempts: &[Attempt], now: Timestamp) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let id = user.id.to_string();
    let about = |action, reason: Option<&str>, metadata| Entry {
        action,
        target_kind: "user",
        target: id.clone(),
        reason: reason.map(str::to_owned),
        metadata,
    };
    if user.role.is_staff() {
        let metadata = json!({ "role": user.role });
        let entry = Some(about("users.create", None, metadata));
        deeds.push(Deed { at: user.created_at, by: None, entry, event: Some(("user.created", id.clone(), user.id)) });
    }
    if let Some(restriction) = &user.restriction {
        let action = match user.status {
            Status::Frozen => "users.freeze",
            Status::Banned => "users.ban",
            _ => "users.delete",
        };
        let note = user.notes.first().map(|note| note.id);
        let entry = about(action, Some(restriction.reason.as_str()), json!({ "from": "active", "note": note }));
        let event = Some(("user.changed", id.clone(), user.id));
        deeds.push(Deed { at: restriction.at, by: Some(restriction.by), entry: Some(entry), event });
    }
    for note in user.notes.iter().filter(|_| user.restriction.is_none()) {
        let entry = Some(about("users.note", None, json!({ "note": note.id })));
        deeds.push(Deed { at: note.at, by: Some(note.by), entry, event: None });
    }
    for attempt in attempts.iter().filter(|attempt| attempt.user == user.id) {
        of_attempt(attempt, now, &mut deeds);
    }
    deeds
}

fn of_attempt(attempt: &Attempt, now: Timestamp, deeds: &mut Vec<Deed>) {
    let id = attempt.id.to_string();
    let event = |kind| Some((kind, id.clone(), attempt.user));
    let entry =
        |action, reason, metadata| Some(Entry { action, target_kind: "attempt", target: id.clone(), reason, metadata });
    let facts = json!({ "user": attempt.user, "number": attempt.number, "fence": 1 });
    if attempt.later && attempt.status.is_open() {
        // It has not come in yet.
        return;
    }
    deeds.push(Deed { at: attempt.submitted_at, by: None, entry: None, event: event("kyc.submitted") });
    let (by, at) = match (&attempt.decided, attempt.claimed_by) {
        (Some(decided), _) => (decided.by, decided.at - Duration::from_secs(95)),
        (None, Some(holder)) => (holder, now - Duration::from_secs(1)),
        (None, None) => return,
    };
    let claimed = entry("kyc.claim", None, facts.clone());
    deeds.push(Deed { at, by: Some(by), entry: claimed, event: event("kyc.claimed") });
    for (seconds, kind) in (4..).zip(FileKind::ALL) {
        let viewed = entry("kyc.view", None, json!({ "user": attempt.user, "file": kind }));
        let at = (at + Duration::from_secs(seconds)).min(now);
        deeds.push(Deed { at, by: Some(by), entry: viewed, event: None });
    }
    if let Some(decided) = &attempt.decided {
        let action = match attempt.status {
            KycStatus::Retry => "kyc.retry",
            KycStatus::Rejected => "kyc.reject",
            KycStatus::Revoked => "kyc.revoke",
            _ => "kyc.approve",
        };
        let codes: Vec<&str> = decided.reasons.iter().map(|reason| reason.as_str()).collect();
        let reason = (!codes.is_empty()).then(|| codes.join(","));
        deeds.push(Deed {
            at: decided.at,
            by: Some(by),
            entry: entry(action, reason, facts),
            event: event("kyc.decided"),
        });
    }
}

/// Writes deeds in the order in which they happened. Events are kept as long as [`events`] keeps them.
pub(super) async fn write(
    keys: &Keys,
    conn: &mut Conn<'_>,
    actors: &[Actor],
    mut deeds: Vec<Deed>,
    events_since: Timestamp,
) -> Result<()> {
    deeds.sort_by_key(|deed| deed.at);
    for deed in deeds {
        if let Some(entry) = deed.entry {
            let actor = deed.by.and_then(|by| actors.get(by)).unwrap_or(&Actor::System);
            audit::append(keys, conn, deed.at, actor, entry).await?;
        }
        if let Some((kind, target, user)) = deed.event.filter(|_| deed.at >= events_since) {
            events::append(conn, deed.at, kind, &target, Some(user)).await?;
        }
    }
    Ok(())
}

/// A member of staff, as the operations would see them.
pub(super) fn actor(user: &User) -> Actor {
    Actor::User(Arc::new(SignedIn {
        account: Account {
            id: user.id,
            role: user.role,
            status: user.status,
            email: user.email.clone(),
            email_verified: user.email_verified,
            name: user.person.name.clone(),
            phone: user.person.phone.clone(),
            kyc_status: user.kyc,
            kyc_prior: user.kyc_prior,
            kyc_effective_at: user.kyc_effective_at,
            kyc_expires_at: user.kyc_expires_at,
            version: 1,
            created_at: user.created_at,
        },
        session: SessionId(uuid::Uuid::nil()),
        expires_at: Timestamp::MAX,
        must_enrol: false,
    }))
}
