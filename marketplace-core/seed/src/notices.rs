//! What seeded people were notified of, in the last weeks: consistent with their jobs, messages, reviews, identity checks and
//! reports. Nothing of it is mailed, nor on the event log.

use std::time::Duration;

use marketplace_core::{
    accounts::model::Status,
    base::{ids::UserId, permission::Role, time::Timestamp},
    kyc::{model::UNDO, status::KycStatus},
    notifications::model::NotificationKind,
    platform::db::bulk::Value,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::{Builder, Uuid};

use crate::users::{Attempt, Chunk, User};

pub(crate) const NOTIFICATIONS: &[&str] = &["user_id", "id", "kind", "target", "at", "announce_at", "read_at"];
pub(crate) const IDENTITIES: &[&str] = &["id", "user_id", "issuer", "subject", "created_at", "last_used_at"];

/// How far back they go: what is older was read and forgotten long ago.
const KEPT: Duration = Duration::from_hours(45 * 24);
/// The same for identity checks, which people have few of.
const CHECKS_KEPT: Duration = Duration::from_hours(88 * 24);
/// One account of so many had something to do with its security.
const SECURITY: u64 = 60;

/// Writes rows of `notifications`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notices {
    pub now: Timestamp,
}

impl Notices {
    /// Returns a notification, unless it is too old to be kept. What is to come is announced at its time. `done` is when its
    /// recipient did what it asks for; others are read after a while, the newest often not yet.
    pub fn row(
        self,
        (user, kind, target): (UserId, NotificationKind, Uuid),
        at: Timestamp,
        done: Option<Timestamp>,
        rng: &mut StdRng,
    ) -> Option<Vec<Value>> {
        if at < self.now - KEPT {
            return None;
        }
        let comes = at > self.now;
        let age = self.now.since(at).as_secs() / 86_400;
        let is_seen = rng.random_range(0..100) < if age < 3 { 45 } else { 85 };
        let seen = (at + Duration::from_secs(rng.random_range(30..40 * 3_600))).min(self.now);
        let read = done.filter(|done| *done <= self.now).or(Some(seen).filter(|_| is_seen)).filter(|_| !comes);
        Some(self.with((user, kind, target), at, read.map(|read| read.max(at)), rng))
    }

    /// Returns a notification that was read at a time, or was not.
    pub fn with(
        self,
        (user, kind, target): (UserId, NotificationKind, Uuid),
        at: Timestamp,
        read: Option<Timestamp>,
        rng: &mut StdRng,
    ) -> Vec<Value> {
        let bytes: [u8; 10] = rng.random();
        vec![
            Value::Id(user.0),
            Value::Id(Builder::from_unix_timestamp_millis(at.unix_millis(), &bytes).into_uuid()),
            Value::Word(kind.as_str()),
            Value::Text(target.to_string()),
            Value::Time(at),
            Value::or_null(Some(at).filter(|at| *at > self.now), Value::Time),
            Value::or_null(read, Value::Time),
        ]
    }

    /// Returns whether something is new enough to be told of.
    pub fn keeps(self, at: Timestamp) -> bool {
        at >= self.now - KEPT
    }

    /// Returns what the accounts of a chunk were notified of: identity checks, and what was done about their security.
    ///
    /// Returns the logins at a provider that were added, too.
    pub fn of_chunk(self, chunk: &Chunk, seed: u64) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
        let first = chunk.users.first().map_or(0, |user| user.index);
        let mut rng = StdRng::seed_from_u64(seed ^ first.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x6E6F_7469);
        let (mut rows, mut identities) = (Vec::new(), Vec::new());
        for attempt in &chunk.attempts {
            // Accounts are in the order of their ids.
            let found = chunk.users.binary_search_by(|user| user.id.cmp(&attempt.user)).ok();
            if let Some(user) = found.and_then(|at| chunk.users.get(at)).filter(|user| user.status != Status::Deleted) {
                self.identity_check(user, attempt, &mut rows, &mut rng);
            }
        }
        for user in &chunk.users {
            let is_trader = matches!(user.role, Role::Client | Role::Worker);
            if is_trader && user.status == Status::Active && user.index % SECURITY == SECURITY / 2 {
                identities.extend(self.security(user, &mut rows, &mut rng));
            }
        }
        (rows, identities)
    }

    fn identity_check(self, user: &User, attempt: &Attempt, rows: &mut Vec<Vec<Value>>, rng: &mut StdRng) {
        use NotificationKind::{KycApproved, KycExpired, KycRejected, KycRetry, KycRevoked};
        let Some(decided) = &attempt.decided else { return };
        let (kind, at) = match attempt.status {
            KycStatus::Approved => (KycApproved, decided.at + UNDO),
            KycStatus::Retry => (KycRetry, decided.at + UNDO),
            KycStatus::Rejected => (KycRejected, decided.at + UNDO),
            KycStatus::Revoked => (KycRevoked, decided.at + UNDO),
            KycStatus::Expired => (KycExpired, decided.at + UNDO),
            KycStatus::None | KycStatus::Pending | KycStatus::InReview => return,
        };
        if at < self.now - CHECKS_KEPT {
            return;
        }
        // Whoever was refused, or asked for another attempt, looks soon.
        let done = matches!(kind, KycRetry | KycRejected).then(|| at + Duration::from_mins(rng.random_range(3..300)));
        let seen = done.or_else(|| rng.random_bool(0.9).then(|| at + Duration::from_mins(rng.random_range(3..3_000))));
        let read = seen.filter(|seen| *seen <= self.now);
        rows.push(self.with((user.id, kind, attempt.id.0), at, read, rng));
    }

    /// Adds a change that leaves no trace in the account of today: a password is another one, a factor was tried and taken away,
    /// an address was asked for and not confirmed; or a login at a provider, which is returned.
    fn security(self, user: &User, rows: &mut Vec<Vec<Value>>, rng: &mut StdRng) -> Option<Vec<Value>> {
        use NotificationKind::{EmailChanging, IdentityLinked, PasswordChanged, SecondFactorOff, SecondFactorOn};
        let since = user.created_at.max(self.now - KEPT);
        let at = since + self.now.since(since).mul_f64(rng.random_range(0.05..0.95));
        let off = at + self.now.since(at).mul_f64(0.4);
        let told = match user.index / SECURITY % 4 {
            0 => vec![(PasswordChanged, at)],
            1 => vec![(EmailChanging, at)],
            2 => vec![(SecondFactorOn, at), (SecondFactorOff, off)],
            _ => vec![(IdentityLinked, at)],
        };
        let is_linked = told.iter().any(|(kind, _)| *kind == IdentityLinked);
        rows.extend(told.into_iter().filter_map(|(kind, at)| self.row((user.id, kind, user.id.0), at, None, rng)));
        is_linked.then(|| {
            let bytes: [u8; 10] = rng.random();
            vec![
                Value::Id(Builder::from_unix_timestamp_millis(at.unix_millis(), &bytes).into_uuid()),
                Value::Id(user.id.0),
                Value::Word("https://accounts.google.com"),
                Value::Text(user.id.0.simple().to_string()),
                Value::Time(at),
                Value::Time(at),
            ]
        })
    }
}
