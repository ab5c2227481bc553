//! Threads and messages: what they are, who reads and writes. No SQL, no I/O.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AttachmentId, MessageId, ServiceId, ThreadId, UserId},
    text_enum,
    time::Timestamp,
};

text_enum! {
    /// Whether a thread takes messages.
    pub enum ThreadStatus {
        /// It does.
        Open = "open",
        /// It does not.
        Closed = "closed",
    }
}

text_enum! {
    /// Why a thread was closed.
    pub enum CloseReason {
        /// The worker rejected the job.
        JobRejected = "job_rejected",
        /// The two asked for it.
        Requested = "requested",
        /// Abusive content.
        Abuse = "abuse",
        /// Fraud, or payments outside.
        Fraud = "fraud",
        /// Unwanted advertising.
        Spam = "spam",
        /// Somebody's safety.
        Safety = "safety",
        /// Something else.
        Other = "other",
    }
}

text_enum! {
    /// Why staff read what two people wrote to each other.
    pub enum AccessReason {
        /// One of them complained.
        Complaint = "complaint",
        /// They disagree about a job.
        Dispute = "dispute",
        /// Somebody's safety.
        Safety = "safety",
        /// A suspicion of fraud.
        Fraud = "fraud",
        /// An authority asks.
        LegalRequest = "legal_request",
        /// The work of colleagues is checked.
        Quality = "quality",
    }
}

text_enum! {
    /// Why staff removed a message or a review.
    pub enum RemovalReason {
        /// Insults, threats, hate.
        Abuse = "abuse",
        /// Contact or payment details, to get around the marketplace.
        ContactDetails = "contact_details",
        /// Somebody's personal data.
        PersonalData = "personal_data",
        /// Unwanted advertising.
        Spam = "spam",
        /// Fraud.
        Fraud = "fraud",
        /// Not about the work.
        OffTopic = "off_topic",
        /// A court or authority asks.
        LegalRequest = "legal_request",
        /// Something else.
        Other = "other",
    }
}

text_enum! {
    /// What kind of message.
    pub enum MessageKind {
        /// Written by one of the two.
        Text = "text",
        /// What became of a job.
        Job = "job",
        /// Posted by staff.
        Notice = "notice",
    }
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// The file.
    pub id: AttachmentId,
    /// `image/jpeg`, `image/png`, `image/webp` or `application/pdf`, by content.
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    /// Pixels; none for a PDF.
    pub width: Option<i64>,
    /// Pixels; none for a PDF.
    pub height: Option<i64>,
}

/// A thread as staff see it, without its content. Names are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadInfo {
    /// The thread.
    pub id: ThreadId,
    /// What it is about.
    pub service_id: ServiceId,
    /// The service's title.
    pub title: String,
    /// Who asks.
    pub client_id: UserId,
    /// Their name, masked.
    pub client_name: String,
    /// Who is asked.
    pub worker_id: UserId,
    /// Their name, masked.
    pub worker_name: String,
    /// Whether it takes messages.
    pub status: ThreadStatus,
    /// Why not.
    pub closed_reason: Option<CloseReason>,
    /// What staff wrote when they last closed or reopened it.
    pub note: Option<String>,
    /// Messages so far: the newest one's number.
    pub last_seq: i64,
    /// When the newest was written.
    pub last_at: Timestamp,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Counts changes of status.
    pub version: i64,
}

/// A message as staff see it, who gave a reason for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StaffMessage {
    /// The message.
    pub id: MessageId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its number in the thread: the only order there is.
    pub seq: i64,
    /// What kind.
    pub kind: MessageKind,
    /// Who wrote it; none for notices.
    pub sender_id: Option<UserId>,
    /// Their name; "Deleted user" once erased.
    pub sender_name: Option<String>,
    /// What it says, also when it was removed from the two's view.
    pub content: String,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Why it was removed, if it was.
    pub removed: Option<RemovalReason>,
    /// When it was written.
    pub at: Timestamp,
}

/// Which messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(default, deny_unknown_fields)]
pub struct MessagesQuery {
    /// Those after this one, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<i64>,
    /// Those before this one, the newest of them; without either, the newest of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<i64>,
    /// Rows wanted, 1 to 200; 50 without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u16>,
}

/// Messages in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessagePage<M> {
    /// Lowest number first.
    pub items: Vec<M>,
    /// Whether there are older ones than these.
    pub more_before: bool,
    /// Whether there are newer ones than these.
    pub more_after: bool,
}

/// Which threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(default, deny_unknown_fields)]
pub struct ThreadFilter {
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<ThreadStatus>,
    /// Only of this client or worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Only about this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<ServiceId>,
}

/// What staff do to a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThreadAction {
    /// It takes no more messages.
    Close {
        /// Why.
        reason: CloseReason,
    },
    /// It takes messages again.
    Reopen,
}
