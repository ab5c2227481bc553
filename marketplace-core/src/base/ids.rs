//! Typed identifiers: a user's id can never be passed where an attempt's id is expected.
//!
//! All are UUIDv7 (RFC 9562 §5.7), so they sort by creation time. They are stored as 16-byte BLOB on SQLite and UUID on
//! PostgreSQL.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{random::Random, time::Timestamp};

/// An id that can occur in a path. The name of its kind is used in the "not found" error when it cannot be parsed.
pub trait Named: FromStr + fmt::Display {
    /// The name of the kind: `user`, `attempt`, and so on.
    const NAME: &'static str;
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident = $what:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx_macros::Type)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Creates an id that sorts by `now`.
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                Self(uuid_v7(now, random))
            }
        }

        impl Named for $name {
            const NAME: &'static str = $what;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

id! {
    /// An account, of a client, a worker or a member of staff.
    UserId = "user",
    /// One submission of identity documents.
    AttemptId = "attempt",
    /// One login, from its first token to its revocation.
    SessionId = "session",
    /// One mail waiting to be sent.
    MailId = "mail",
    /// A staff note on a user.
    NoteId = "note",
    /// Something that a worker offers.
    ServiceId = "service",
    /// A conversation of one client and one worker about a service.
    ThreadId = "thread",
    /// A message in a thread.
    MessageId = "message",
    /// A file sent in a thread.
    AttachmentId = "attachment",
    /// A piece of work that a client and a worker agree on.
    JobId = "job",
    /// What one side of a job says about the other.
    ReviewId = "review",
    /// A profile picture.
    PictureId = "picture",
    /// A photo of a service.
    PhotoId = "photo",
    /// A token for scripts.
    TokenId = "token",
    /// Something that somebody reported.
    ReportId = "report",
    /// Everything that was reported about one thing.
    CaseId = "case",
    /// Something that staff do not let in.
    RuleId = "rule",
    /// A login through a provider that belongs to an account.
    IdentityId = "identity",
    /// Something that concerns a person and that they are told.
    NotificationId = "notification",
    /// Where one of the operator's own systems is told of what happens.
    WebhookId = "webhook",
    /// Something that one of the operator's own systems is told.
    DeliveryId = "delivery",
}

/// Returns the id that sorts before every UUIDv7 of a time, and after every one of a millisecond before.
pub fn first_uuid_v7(at: Timestamp) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &[0; 10]).into_uuid()
}

/// Creates a UUIDv7 from the injected clock and randomness.
pub fn uuid_v7(now: Timestamp, random: &dyn Random) -> Uuid {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &bytes).into_uuid()
}
