//! The cast as rows of the tables.

use marketplace_core::{
    accounts::model::{Status, normalise_email, search_terms},
    base::time::Timestamp,
    kyc::{
        model::{DecisionKind, KycReason, UNDO},
        status::KycStatus,
    },
    platform::db::bulk::Value,
};

use crate::{
    files::Stored,
    notices::Notices,
    users::{Attempt, Chunk, User, Users},
};

pub(crate) const USERS: &[&str] = &[
    "id",
    "role",
    "status",
    "email",
    "email_norm",
    "email_verified",
    "name",
    "phone",
    "password_hash",
    "kyc_status",
    "kyc_prior",
    "kyc_effective_at",
    "kyc_expires_at",
    "restriction_reason",
    "restriction_by",
    "restriction_at",
    "version",
    "created_at",
    "updated_at",
];
pub(crate) const TERMS: &[&str] = &["term", "user_id"];
pub(crate) const NOTES: &[&str] = &["id", "user_id", "author", "body", "created_at"];
pub(crate) const ATTEMPTS: &[&str] = &[
    "id",
    "user_id",
    "number",
    "document_type",
    "status",
    "submitted_at",
    "wrapped_key",
    "claim_holder",
    "claim_label",
    "claim_expires_at",
    "fence",
    "decided_by",
    "decided_at",
    "effective_at",
    "reasons",
    "comment",
    "note",
    "undo",
    "version",
];
pub(crate) const FILES: &[&str] = &["attempt_id", "kind", "object_key", "media_type", "size", "width", "height"];

/// Rows, by table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub users: Vec<Vec<Value>>,
    pub terms: Vec<Vec<Value>>,
    pub notes: Vec<Vec<Value>>,
    pub notifications: Vec<Vec<Value>>,
    pub identities: Vec<Vec<Value>>,
}

impl Rows {
    /// Creates all rows of a chunk except its attempts, which wait for their files.
    pub fn of(cast: &Users, chunk: &Chunk, hash: &str, now: Timestamp) -> Self {
        let (notifications, identities) = Notices { now }.of_chunk(chunk, cast.plan().0);
        let mut rows = Self { notifications, identities, ..Self::default() };
        let mut terms = Vec::with_capacity(chunk.users.len() * 5);
        for user in &chunk.users {
            rows.users.push(self::user(cast, user, hash));
            if user.status != Status::Deleted {
                let found_by = search_terms(&user.person.name, user.person.phone.as_deref());
                terms.extend(found_by.into_iter().map(|term| (term, user.id)));
            }
            rows.notes.extend(user.notes.iter().map(|note| {
                vec![
                    Value::Id(note.id.0),
                    Value::Id(user.id.0),
                    Value::Text(cast.staff(note.by).0),
                    Value::text(note.body),
                    Value::Time(note.at),
                ]
            }));
        }
        // In the order of the primary key, so that neighbours are on the same page of the table.
        terms.sort_unstable();
        rows.terms = terms.into_iter().map(|(term, user)| vec![Value::Text(term), Value::Id(user.0)]).collect();
        rows
    }
}

fn user(cast: &Users, user: &User, hash: &str) -> Vec<Value> {
    let deleted = user.status == Status::Deleted;
    let restriction = user.restriction.as_ref().filter(|_| !deleted);
    let kyc = user.kyc_before.unwrap_or(user.kyc);
    let known = |value: &str| if deleted { Value::Null } else { Value::text(value) };
    vec![
        Value::Id(user.id.0),
        Value::Word(user.role.as_str()),
        Value::Word(user.status.as_str()),
        Value::text(if deleted { "" } else { &*user.email }),
        known(&normalise_email(&user.email)),
        Value::Bool(user.email_verified && !deleted),
        Value::text(if deleted { "Deleted user" } else { &*user.person.name }),
        user.person.phone.as_deref().map_or(Value::Null, known),
        if cast.has_password(user) { known(hash) } else { Value::Null },
        Value::Word(kyc.status.as_str()),
        Value::Word(kyc.prior.as_str()),
        Value::or_null(kyc.effective_at, Value::Time),
        Value::or_null(kyc.expires_at, Value::Time),
        Value::or_null(restriction, |restriction| Value::text(restriction.reason.as_str())),
        Value::or_null(restriction, |restriction| Value::Text(cast.staff(restriction.by).0)),
        Value::or_null(restriction, |restriction| Value::Time(restriction.at)),
        Value::Int(1),
        Value::Time(user.created_at),
        Value::Time(user.created_at),
    ]
}

/// Creates an attempt's row; `now` is when claims are made.
pub(crate) fn attempt(cast: &Users, attempt: &Attempt, stored: Option<&Stored>, now: Timestamp) -> Vec<Value> {
    let decided = attempt.decided.as_ref();
    let reasons = |reasons: &[KycReason]| serde_json::to_string(reasons).unwrap_or_else(|_| "[]".into());
    let kind = if attempt.status == KycStatus::Retry { DecisionKind::Retry } else { DecisionKind::Reject };
    let texts =
        |reasons: &[KycReason]| reasons.iter().map(|reason| reason.template(kind)).collect::<Vec<_>>().join(" ");
    let comment = decided.map(|decided| texts(&decided.reasons));
    let claims = decided.is_some() || attempt.claimed_by.is_some();
    vec![
        Value::Id(attempt.id.0),
        Value::Id(attempt.user.0),
        Value::Int(attempt.number),
        Value::Word(attempt.document_type.as_str()),
        Value::Word(attempt.status.as_str()),
        Value::Time(attempt.submitted_at),
        Value::or_null(stored, |stored| Value::Bytes(stored.wrapped_key.clone())),
        Value::or_null(attempt.claimed_by, |staff| Value::Text(cast.staff(staff).0)),
        Value::or_null(attempt.claimed_by, |staff| Value::Text(cast.label(staff))),
        Value::or_null(attempt.claim_expires_at(now), Value::Time),
        Value::Int(i64::from(claims)),
        Value::or_null(decided, |decided| Value::Text(cast.staff(decided.by).0)),
        Value::or_null(decided, |decided| Value::Time(decided.at)),
        Value::or_null(decided, |decided| Value::Time(decided.at + UNDO)),
        Value::or_null(decided, |decided| Value::Text(reasons(&decided.reasons))),
        Value::or_null(comment.filter(|comment| !comment.is_empty()), Value::Text),
        Value::or_null(decided.and_then(|decided| decided.note), Value::text),
        Value::Null,
        Value::Int(1 + i64::from(claims) + i64::from(decided.is_some())),
    ]
}
