//! Events as the two sides receive them. An event only names its subject; the content is read from the tables, so that a
//! removed message is delivered as a tombstone, however late.

use serde::{Deserialize, Serialize};

use super::model::{CloseReason, Message, ThreadStatus};
use crate::{
    base::{
        ids::{JobId, ServiceId, ThreadId, UserId},
        time::Timestamp,
    },
    jobs::model::JobStatus,
    notifications::model::Notification,
    records::events::EventCursor,
};

/// An event, as those whom it concerns are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvent {
    /// Its place in the log.
    pub cursor: EventCursor,
    /// When.
    pub at: Timestamp,
    /// Whom it concerns.
    pub users: [Option<UserId>; 2],
    /// What they are told.
    pub what: Delivery,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Delivery {
    /// A message is new, or was removed.
    Message {
        /// As it is now.
        message: Message,
    },
    /// Somebody has read on.
    Read {
        /// The thread.
        thread_id: ThreadId,
        /// Who.
        user_id: UserId,
        /// How far.
        seq: i64,
    },
    /// A job is new, or has moved.
    Job {
        /// As it is now.
        job: JobBrief,
    },
    /// A thread is new, or its status changed.
    Thread {
        /// As it is now.
        thread: ThreadBrief,
    },
    /// The person was notified of something.
    Notification {
        /// As it is now.
        notification: Notification,
        /// How many are unread now; it stops at 1,000.
        unread: i64,
    },
}

impl Delivery {
    /// As one of the two is told: a sender's name for a message is the sender's own.
    #[must_use]
    pub fn told_to(mut self, user: UserId) -> Self {
        if let Self::Message { message } = &mut self
            && message.sender_id != Some(user)
        {
            message.client_msg_id = None;
        }
        self
    }
}

/// A job, in brief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobBrief {
    /// The job.
    pub id: JobId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Where it stands.
    pub status: JobStatus,
    /// The newest offer.
    pub revision: i64,
    /// Counts changes.
    pub version: i64,
}

/// A thread, in brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadBrief {
    /// The thread.
    pub id: ThreadId,
    /// What it is about.
    pub service_id: ServiceId,
    /// Who asks.
    pub client_id: UserId,
    /// Who is asked.
    pub worker_id: UserId,
    /// Whether it takes messages.
    pub status: ThreadStatus,
    /// Why not.
    pub closed_reason: Option<CloseReason>,
    /// The newest message's number.
    pub last_seq: i64,
    /// Counts changes of status.
    pub version: i64,
}
