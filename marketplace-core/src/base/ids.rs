//! Typed identifiers: a user's id can never be passed where an attempt's is meant.
//!
//! All are UUIDv7 (RFC 9562 §5.7), so they sort by time of creation; 16-byte BLOB on SQLite, UUID on PostgreSQL.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{random::Random, time::Timestamp};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx_macros::Type)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id that sorts by `now`.
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                Self(uuid_v7(now, random))
            }
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
    UserId,
    /// One submission of identity documents.
    AttemptId,
    /// One login, from its first token to its revocation.
    SessionId,
    /// One mail waiting to be sent.
    MailId,
    /// A staff note on a user.
    NoteId,
    /// Something that a worker offers.
    ServiceId,
    /// A conversation of one client and one worker about a service.
    ThreadId,
    /// A message in a thread.
    MessageId,
    /// A file sent in a thread.
    AttachmentId,
    /// A piece of work that a client and a worker agree on.
    JobId,
    /// What one side of a job says about the other.
    ReviewId,
    /// A profile picture.
    PictureId,
    /// A token for scripts.
    TokenId,
    /// A login through a provider that belongs to an account.
    IdentityId,
}

/// UUIDv7 from the injected clock and randomness.
pub fn uuid_v7(now: Timestamp, random: &dyn Random) -> Uuid {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &bytes).into_uuid()
}
