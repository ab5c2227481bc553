//! Threads and messages: what they are, who reads and writes. No SQL, no I/O.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        error::FieldError,
        ids::{AttachmentId, JobId, MessageId, ServiceId, ThreadId, UserId},
        permission::TraderRole,
        text::check_text,
        text_enum::text_enum,
        time::Timestamp,
    },
    jobs::model::{JobAction, JobReason, JobStatus, Side},
};

/// Characters of a message at most.
pub const MAX_CONTENT: usize = 4_000;
/// Files of a message at most.
pub const MAX_ATTACHMENTS: usize = 10;
/// Characters of a message that a list of threads shows.
pub const PREVIEW: usize = 140;

/// Checks what somebody writes: 1 to 4,000 characters, as [`check_text`] has it. With files it may be empty.
pub fn check_content(content: &str, has_files: bool) -> Result<String, FieldError> {
    check_text("/content", content, usize::from(!has_files), MAX_CONTENT)
}

/// Checks a sender's own name for a message: 1 to 100 characters without control characters.
pub fn check_client_msg_id(id: &str) -> Result<(), FieldError> {
    if (1..=100).contains(&id.chars().take(101).count()) && !id.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = "must have 1 to 100 characters, and no control characters".into();
    Err(FieldError { pointer: "/client_msg_id".into(), detail })
}

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
    /// As its sender's machine had it, with an ending that fits the type; none when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes.
    pub size: i64,
    /// Pixels; none for a PDF.
    pub width: Option<i64>,
    /// Pixels; none for a PDF.
    pub height: Option<i64>,
}

/// What a notice about a job says, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobNotice {
    /// The job.
    pub id: JobId,
    /// What was done.
    pub action: JobAction,
    /// The state before; none when it began.
    pub from: Option<JobStatus>,
    /// The state that it led to.
    pub to: JobStatus,
    /// By whom.
    pub side: Side,
    /// The newest offer then.
    pub revision: i64,
    /// Why it was rejected or cancelled.
    pub reason: Option<JobReason>,
}

/// A message as the two see it. A removed one keeps its place and its number, and says nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// The message.
    pub id: MessageId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its number in the thread, without gaps from 1: the only order there is.
    pub seq: i64,
    /// What kind.
    pub kind: MessageKind,
    /// Who wrote it; none for notices.
    pub sender_id: Option<UserId>,
    /// Their name; "Deleted user" once erased.
    pub sender_name: Option<String>,
    /// What it says; empty when it was removed, or when it is files only.
    pub content: String,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// What a notice about a job says, for programs.
    pub job: Option<JobNotice>,
    /// Whether staff took it away.
    pub removed: bool,
    /// The sender's own name for it; only the sender sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<String>,
    /// When it was written.
    pub at: Timestamp,
}

/// The beginning of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preview {
    /// What kind.
    pub kind: MessageKind,
    /// Who wrote it; none for notices.
    pub sender_id: Option<UserId>,
    /// Its first 140 characters.
    pub text: String,
    /// How many files it has.
    pub attachments: i64,
    /// Whether staff took it away.
    pub removed: bool,
}

/// The other one of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counterpart {
    /// Their account.
    pub id: UserId,
    /// Their name; "Deleted user" once erased.
    pub name: String,
    /// The address of their picture, 256 pixels a side at most, if they have one that everybody sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A thread as one of the two sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadSummary {
    /// The thread.
    pub id: ThreadId,
    /// What it is about.
    pub service_id: ServiceId,
    /// The service's title.
    pub title: String,
    /// Which of the two looks.
    pub party: TraderRole,
    /// The other one.
    pub counterpart: Counterpart,
    /// Whether it takes messages.
    pub status: ThreadStatus,
    /// Why not.
    pub closed_reason: Option<CloseReason>,
    /// Messages so far: the newest one's number.
    pub last_seq: i64,
    /// When the newest was written, or the thread was opened.
    pub last_at: Timestamp,
    /// The newest message, if there is one.
    pub last: Option<Preview>,
    /// Others' messages after one's own pointer, and notices of what one did not do oneself.
    pub unread: i64,
    /// How far one has read.
    pub read_seq: i64,
    /// How far the other one has read.
    pub counterpart_read_seq: i64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Counts changes of status.
    pub version: i64,
}

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadState {
    /// The thread.
    pub thread_id: ThreadId,
    /// The pointer, which only advances.
    pub read_seq: i64,
    /// Others' messages after it, and notices of what one did not do oneself.
    pub unread: i64,
}

/// Somebody is typing: a note for the other participant, wherever that person is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who is typing.
    pub from: UserId,
    /// Who is notified.
    pub to: UserId,
}

impl Typing {
    /// Returns it as a note between servers.
    pub(crate) fn note(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns what a note says; `None` for one of another kind.
    pub fn of(note: &str) -> Option<Self> {
        serde_json::from_str(note).ok()
    }
}

/// Begins a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenThread {
    /// What it is about: a published service.
    pub service_id: ServiceId,
    /// The first message, if there shall be one: 1 to 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The sender's own name for that message, 1 to 100 characters; without one, the same content is sent once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<String>,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// The sender's own name for it, 1 to 100 characters: sending the same again is harmless.
    pub client_msg_id: String,
    /// 1 to 4,000 characters; may be left out when there are files.
    #[serde(default)]
    pub content: String,
    /// Files that the sender has uploaded to this thread, 10 at most; each belongs to one message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentId>,
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
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct ThreadFilter {
    /// Only of people whom this finds, on either side, as in the list of users: beginnings of words of the name, a whole address, number or id.
    /// Needs `users:read`; more than 100 people are too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
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
