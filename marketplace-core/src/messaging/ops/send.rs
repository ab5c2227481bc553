//! Sending a message.

use sha2::{Digest, Sha256};

use crate::{
    accounts::model::{Checks, Status},
    app::App,
    base::{
        error::{Error, FieldError, Result},
        ids::{AttachmentId, ThreadId, UserId},
        permission::Permission,
    },
    messaging::{
        append::{Appended, Draft, lock_thread, try_append},
        model::{
            Attachment, MAX_ATTACHMENTS, Message, MessageKind, NewMessage, ThreadStatus, check_client_msg_id,
            check_content,
        },
        store::{self, Sent},
    },
    operation::Operation,
    platform::db::Conn,
    reports::model::{ReportTarget, ReportedContent, ReportedMessage},
    rules::{self, About, Caught, model::RulePlace},
};

/// Sends a message, which is durable when this returns. Sending the same again returns the first one.
///
/// # Errors
/// `not_found` when the thread is not the caller's; `conflict` when the thread is closed, when the caller's name for
/// the message was used for another one, or when a file is no loose one of the caller's in this thread; `forbidden` when the
/// account is frozen or one of the two has blocked the other, unless they have a live job here; `invalid` for what a rule of
/// the staff refuses.
pub async fn send(op: &Operation, thread: ThreadId, new: NewMessage) -> Result<Message> {
    let me = op.actor().require_own(Permission::Trade)?;
    let new = checked(new)?;
    let caught = caught(op, &new).await?;
    let (user, unit_new) = (me.account.id, new.clone());
    let outcome = op.write(unit!(|op, conn| { send_in(&op, conn, user, thread, unit_new, caught).await })).await?;
    match outcome {
        Outcome::New(appended, attachments) => Ok(Message {
            id: appended.id,
            thread_id: thread,
            seq: appended.seq,
            kind: MessageKind::Text,
            sender_id: Some(user),
            sender_name: Some(me.account.name.clone()),
            content: new.content,
            attachments,
            job: None,
            removed: false,
            client_msg_id: Some(new.client_msg_id),
            at: appended.at,
        }),
        Outcome::Before(sent) => as_sent(op, user, &sent).await,
    }
}

/// Checks a message against the rules, and returns it.
pub(super) fn checked(mut new: NewMessage) -> Result<NewMessage> {
    let mut checks = Checks::default();
    checks.take(check_client_msg_id(&new.client_msg_id));
    let content = checks.take(check_content(&new.content, !new.attachments.is_empty()));
    let wrong = |detail: String| Err::<(), _>(FieldError { pointer: "/attachments".into(), detail });
    if new.attachments.len() > MAX_ATTACHMENTS {
        checks.take(wrong(format!("must be at most {MAX_ATTACHMENTS}")));
    } else if (1..new.attachments.len())
        .any(|n| new.attachments.iter().skip(n).any(|id| new.attachments.get(n - 1) == Some(id)))
    {
        checks.take(wrong("must not name a file twice".into()));
    }
    checks.finish()?;
    new.content = content.unwrap_or_default();
    Ok(new)
}

/// Returns what rules catch of a message.
pub(super) async fn caught(app: &App, new: &NewMessage) -> Result<Caught> {
    let rules = rules::current(app).await?;
    Ok(Caught::of(&rules, RulePlace::Messages, &[("/content", &new.content)]))
}

/// The outcome of sending.
#[derive(Clone)]
pub(super) enum Outcome {
    /// The message, with its files.
    New(Appended, Vec<Attachment>),
    /// It was sent before.
    Before(Sent),
}

/// Sends a [`checked`] message as a part of a unit.
pub(super) async fn send_in(
    app: &App,
    conn: &mut Conn<'_>,
    user: UserId,
    thread: ThreadId,
    new: NewMessage,
    caught: Caught,
) -> Result<Outcome> {
    let print = fingerprint(thread, &new.content, &new.attachments);
    lock_thread(conn, thread).await?;
    let caught = caught.unless_agreed(conn, thread).await?;
    if let Err(refusal) = caught.allow() {
        // What was sent before the rule was made stays sent, and a stranger learns nothing of the thread.
        if let Some(sent) = store::sent(conn, user, &new.client_msg_id).await? {
            return same(sent, &print).map(Outcome::Before);
        }
        store::membership(conn, thread, user).await?.ok_or_else(|| Error::not_found("thread"))?;
        return Err(refusal);
    }
    let reported = (!caught.is_empty()).then(|| new.content.clone());
    let mut files = Vec::with_capacity(new.attachments.len());
    if !new.attachments.is_empty() {
        // Sent before, its files are no longer loose.
        if let Some(sent) = store::sent(conn, user, &new.client_msg_id).await? {
            return same(sent, &print).map(Outcome::Before);
        }
        // A stranger learns nothing of the thread from what is said of the files.
        store::membership(conn, thread, user).await?.ok_or_else(|| Error::not_found("thread"))?;
        for id in &new.attachments {
            files.push(loose_file(conn, user, thread, *id).await?);
        }
    }
    let draft = Draft::guarded(user, new.content, new.client_msg_id.clone(), print.clone(), files.clone());
    let Some(appended) = try_append(app, conn, thread, draft).await? else {
        return match store::sent(conn, user, &new.client_msg_id).await? {
            Some(sent) => same(sent, &print).map(Outcome::Before),
            None => Err(refusal(conn, user, thread).await?),
        };
    };
    if let Some(text) = reported {
        let about = About { kind: ReportTarget::Message, id: appended.id.0, thread: Some(thread), subject: user };
        let message =
            ReportedMessage { seq: appended.seq, sender_id: Some(user), content: text.clone(), at: appended.at };
        let content = ReportedContent { text, messages: vec![message], ..ReportedContent::default() };
        caught.store(app, conn, about, &content).await?;
    }
    for id in &new.attachments {
        if !store::claim(conn, *id, thread, user, appended.seq).await? {
            return Err(not_loose(*id));
        }
    }
    Ok(Outcome::New(appended, files))
}

async fn loose_file(conn: &mut Conn<'_>, user: UserId, thread: ThreadId, id: AttachmentId) -> Result<Attachment> {
    let file = store::file(conn, id).await?;
    let file = file.filter(|file| file.user_id == user && file.thread_id == thread && file.message_seq.is_none());
    file.map(|file| file.attachment(id)).ok_or_else(|| not_loose(id))
}

fn not_loose(id: AttachmentId) -> Error {
    let field = FieldError {
        pointer: "/attachments".into(),
        detail: format!("{id} is no file of yours in this thread that waits for a message; upload it again"),
    };
    Error::conflict("a file is not there", ()).with_fields(vec![field])
}

/// Checks that a message that was sent before under this name has the same body.
fn same(sent: Sent, print: &[u8]) -> Result<Sent> {
    if sent.fingerprint.as_deref() == Some(print) {
        return Ok(sent);
    }
    let current = serde_json::json!({ "thread_id": sent.thread_id, "seq": sent.seq });
    Err(Error::conflict("this client_msg_id was used for another message; use a new one", current))
}

/// Returns why the thread does not accept a message of this user's.
async fn refusal(conn: &mut Conn<'_>, user: UserId, thread: ThreadId) -> Result<Error> {
    let Some(membership) = store::membership(conn, thread, user).await? else { return Ok(Error::not_found("thread")) };
    Ok(if membership.status == ThreadStatus::Closed {
        Error::conflict("the thread is closed", serde_json::json!({ "status": membership.status }))
    } else if !matches!(membership.account, Status::Active | Status::Frozen) {
        Error::forbidden(format!("a {} account sends no messages", membership.account))
    } else if membership.account == Status::Frozen {
        Error::forbidden("this account is frozen: it can write only where a job is under way")
    } else {
        Error::forbidden("one of you has blocked the other: you can write only while a job between you is under way")
    })
}

/// Returns a message's content as bytes, with each part's length before it so that no two messages give the same bytes.
pub fn fingerprint(thread: ThreadId, content: &str, attachments: &[AttachmentId]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(thread.0.as_bytes());
    hash.update((content.len() as u64).to_be_bytes());
    hash.update(content.as_bytes());
    for id in attachments {
        hash.update(id.0.as_bytes());
    }
    hash.finalize().to_vec()
}

async fn as_sent(app: &App, user: UserId, sent: &Sent) -> Result<Message> {
    let mut reader = app.db.read().await?;
    let after = Some(sent.seq - 1);
    let window = store::messages(&mut reader.conn(), sent.thread_id, Some(user), after, None, 1).await?;
    let mut window = window.ok_or_else(|| Error::not_found("thread"))?;
    let row = window.rows.pop().ok_or_else(|| Error::internal("a message without its row"))?;
    Ok(window.message(row, user))
}
