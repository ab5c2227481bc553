//! The only way a message is created.

use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{MessageId, NotificationId, ThreadId, UserId},
        time::Timestamp,
    },
    messaging::{
        model::{Attachment, JobNotice, MessageKind},
        store::{self, Data, NewRow},
    },
    notifications::model::NotificationKind,
    platform::db::Conn,
};

/// A message to be written in a thread.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    kind: MessageKind,
    sender: Option<UserId>,
    /// For whom it is nothing new: who wrote it, or did what it is about.
    cause: Option<UserId>,
    content: String,
    client_msg_id: Option<String>,
    fingerprint: Option<Vec<u8>>,
    data: Data,
    /// Whether the rules for people's own messages apply: membership, an open thread, blocks, the account's status.
    guarded: bool,
}

impl Draft {
    fn new(kind: MessageKind, content: String) -> Self {
        Self {
            kind,
            sender: None,
            cause: None,
            content,
            client_msg_id: None,
            fingerprint: None,
            data: Data::default(),
            guarded: false,
        }
    }

    /// Creates a notice about what `cause` did to a job: a text for people and the same for programs. Accepted in a closed
    /// thread too.
    pub fn job(content: impl Into<String>, job: JobNotice, cause: Option<UserId>) -> Self {
        let mut draft = Self { cause, ..Self::new(MessageKind::Job, content.into()) };
        draft.data.job = Some(job);
        draft
    }

    /// Creates a notice of the staff's. Accepted in a closed thread too.
    pub fn notice(content: impl Into<String>) -> Self {
        Self::new(MessageKind::Notice, content.into())
    }

    fn text(sender: UserId, content: impl Into<String>) -> Self {
        Self { sender: Some(sender), cause: Some(sender), ..Self::new(MessageKind::Text, content.into()) }
    }

    /// Creates a message of one of the two, under every rule, as [`super::send`] writes it.
    pub(super) fn guarded(
        sender: UserId,
        content: String,
        client_msg_id: String,
        fingerprint: Vec<u8>,
        files: Vec<Attachment>,
    ) -> Self {
        Self {
            client_msg_id: Some(client_msg_id),
            fingerprint: Some(fingerprint),
            data: Data { job: None, attachments: files },
            guarded: true,
            ..Self::text(sender, content)
        }
    }
}

/// The message that a draft became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The message.
    pub id: MessageId,
    /// Its number in the thread.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
}

/// Locks a thread for the rest of the transaction. Code that appends calls it before any other write or lock of the unit:
/// then events, messages and commits of a thread have one order on PostgreSQL as well, where a transaction gets its number
/// with its first write. On SQLite there is one writer, and nothing to do.
pub(crate) async fn lock_thread(conn: &mut Conn<'_>, thread: ThreadId) -> Result<()> {
    if matches!(conn, Conn::Pg(_)) {
        store::take(conn, thread).await?;
    }
    Ok(())
}

/// Writes a message: gives it the thread's next number, counts it as unread for those who did not cause it, and appends
/// the event.
///
/// # Errors
/// `not_found` when there is no such thread.
pub(crate) async fn append(app: &App, conn: &mut Conn<'_>, thread: ThreadId, draft: Draft) -> Result<Appended> {
    try_append(app, conn, thread, draft).await?.ok_or_else(|| Error::not_found("thread"))
}

/// Like [`append`]; none when a rule forbids it, or when it was sent before.
pub(super) async fn try_append(
    app: &App,
    conn: &mut Conn<'_>,
    thread: ThreadId,
    draft: Draft,
) -> Result<Option<Appended>> {
    let at = app.now();
    let id = MessageId::new(at, app.random.as_ref());
    let row = NewRow {
        thread,
        id,
        kind: draft.kind,
        sender: draft.sender,
        cause: draft.cause,
        content: &draft.content,
        client_msg_id: draft.client_msg_id.as_deref(),
        fingerprint: draft.fingerprint.as_deref(),
        data: draft.data.text()?,
        at,
        guarded: draft.guarded,
        notification: draft.sender.map(|_| NotificationId::new(at, app.random.as_ref())),
        mail_at: at + NotificationKind::Message.mail_waits(),
    };
    Ok(store::append(conn, &row).await?.map(|seq| Appended { id, seq, at }))
}
