//! Threads, and what is written in them.

use serde::{Deserialize, Serialize};

use super::{
    connection::Connection,
    input::{PlainInput, ReasonedInput},
    operation::ListQuery,
};
use crate::{
    base::{
        change::{Change, Changed},
        error::Result,
        ids::{AttachmentId, MessageId, ThreadId},
        page::Page,
    },
    kyc::model::FileContent,
    messaging::{
        self,
        model::{
            AccessReason, CloseReason, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction,
            ThreadFilter, ThreadInfo,
        },
    },
};

/// Which messages, and why they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ReadingQuery {
    /// Why staff read what two people wrote to each other; goes to the audit log.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub reason: AccessReason,
    /// Those after this one, oldest first.
    pub after_seq: Option<i64>,
    /// Those before this one, the newest of them; without either, the newest of all.
    pub before_seq: Option<i64>,
    /// Rows wanted.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200, default = 50))]
    pub limit: Option<u16>,
}

whole_query!(ReadingQuery);

impl ReadingQuery {
    /// Returns which messages, and why.
    pub fn new(reason: AccessReason, query: MessagesQuery) -> Self {
        let MessagesQuery { after_seq, before_seq, limit } = query;
        Self { reason, after_seq, before_seq, limit }
    }

    fn messages(self) -> MessagesQuery {
        MessagesQuery { after_seq: self.after_seq, before_seq: self.before_seq, limit: self.limit }
    }
}

/// Why a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct FileReason {
    /// Why staff look at what two people sent each other; goes to the audit log.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub reason: AccessReason,
}

whole_query!(FileReason);

/// A notice for the two of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NoticeInput {
    /// What they read, 1 to 4,000 characters.
    pub content: String,
    /// What only staff see, at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl NoticeInput {
    /// Returns a notice as a body.
    pub fn new(content: impl Into<String>, change: Change) -> Self {
        let Change { note, dry_run, if_version, .. } = change;
        Self { content: content.into(), note, dry_run, if_version }
    }
}

bodies! {
    NoticeInput: note dry_run if_version;
}

operations! { "admin threads":
    /// Threads, newest activity first, without their content. Names are masked.
    ListThreads = GET "/v1/admin/threads" needs ThreadsRead,
    (op, (): (), list: ListQuery<ThreadFilter>, (): ()) -> Page<ThreadInfo> as "A page"
    with { const ID: &'static str = "ListAllThreads"; } {
        messaging::staff_list(op, &list.filter, &list.page).await
    }

    /// One thread, without its content.
    ShowThread = GET "/v1/admin/threads/{id}" needs ThreadsRead,
    (op, id: ThreadId, (): (), (): ()) -> ThreadInfo as "The thread"
    with { const VERSION: Option<fn(&ThreadInfo) -> i64> = Some(|thread| thread.version); } {
        messaging::staff_show(op, id).await
    }

    /// A thread's content, removed messages too. Needs a reason, and is audited.
    ReadThread = GET "/v1/admin/threads/{id}/messages" needs ThreadsRead,
    (op, id: ThreadId, reading: ReadingQuery, (): ()) -> MessagePage<StaffMessage> as "Messages, lowest number first" {
        messaging::staff_messages(op, id, reading.reason, &reading.messages()).await
    }

    /// A file of a thread, of a removed message too. Needs a reason, and each view is audited.
    ViewThreadFile = GET "/v1/admin/threads/{id}/attachments/{attachment_id}" needs ThreadsRead,
    (op, (id, attachment): (ThreadId, AttachmentId), why: FileReason, (): ()) -> FileContent as "The file" {
        messaging::staff_attachment(op, id, attachment, why.reason).await
    }

    /// Close a thread: it takes no more messages.
    CloseThread = POST "/v1/admin/threads/{id}/close" needs ThreadsWrite,
    (op, id: ThreadId, (): (), input: ReasonedInput<CloseReason>) -> Changed<ThreadInfo> as "The thread, as it is now" {
        messaging::staff_act(op, id, &ThreadAction::Close { reason: input.reason }).await
    }

    /// Reopen a thread.
    ReopenThread = POST "/v1/admin/threads/{id}/reopen" needs ThreadsWrite,
    (op, id: ThreadId, (): (), _: PlainInput) -> Changed<ThreadInfo> as "The thread, as it is now" {
        messaging::staff_act(op, id, &ThreadAction::Reopen).await
    }

    /// Post a notice that the two see; in a closed thread too.
    PostNotice = POST "/v1/admin/threads/{id}/notice" needs ThreadsWrite,
    (op, id: ThreadId, (): (), input: NoticeInput) -> Changed<StaffMessage> as "Posted"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been posted (`dry_run`)"); } {
        messaging::staff_notice(op, id, &input.content).await
    }

    /// Take a message from the two's view; staff still see it.
    RemoveMessage = POST "/v1/admin/messages/{id}/remove" needs ThreadsWrite,
    (op, id: MessageId, (): (), input: ReasonedInput<RemovalReason>) -> Changed<StaffMessage> as "The message, as it is now" {
        messaging::staff_remove(op, id, input.reason).await
    }
}

/// Does something to a thread that is known only now.
///
/// # Errors
/// Those of the operation.
pub async fn act_on_thread(
    connection: &Connection,
    id: ThreadId,
    action: &ThreadAction,
    change: Change,
) -> Result<Changed<ThreadInfo>> {
    match action {
        ThreadAction::Close { reason } => {
            connection.call::<CloseThread>(id, (), ReasonedInput::new(*reason, change)).await
        }
        ThreadAction::Reopen => connection.call::<ReopenThread>(id, (), change.into()).await,
    }
}
