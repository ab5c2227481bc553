//! Files of messages: uploaded first, then carried by one message.

use futures::FutureExt;

use crate::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    ids::{AttachmentId, ThreadId},
    kyc::{
        files::{FileFacts, Wanted},
        model::FileContent,
    },
    messaging::{
        model::{Attachment, ThreadStatus},
        store,
    },
};

/// Files of a person's that may wait for a message.
const LOOSE: i64 = 50;

/// Takes a file for a message that is sent later: JPEG, PNG, WebP or PDF by content, 10 MiB at most, as for identity
/// checks. One that no message carries is deleted after a day.
///
/// Errors: `not_found` when the thread is not the caller's; `conflict` when it is closed, or when too many files wait for a
/// message; for the file, with the pointer `/file`, see [`crate::kyc::files::inspect()`].
pub async fn attach(app: &App, actor: &Actor, thread: ThreadId, bytes: Vec<u8>) -> Result<Attachment> {
    let user = actor.require_own(Permission::Trade)?.account.id;
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let stand = store::stand(&mut conn, thread, user).await?.ok_or_else(|| Error::not_found("thread"))?;
    if stand.status == ThreadStatus::Closed {
        return Err(Error::conflict("the thread is closed", serde_json::json!({ "status": stand.status })));
    }
    if store::loose_of_user(&mut conn, user).await? >= LOOSE {
        return Err(Error::conflict("too many files wait for a message; send some of them first", ()));
    }
    drop(reader);
    let (facts, bytes) = app.files.inspected(Wanted { field: "file", pdf: true }, bytes).await?;
    let file = attachment_of(app, &facts);
    let key = app.files.put_attachment(app.random.as_ref(), bytes).await?;
    let (at, row) = (app.now(), file.clone());
    // An object whose row is not written is swept.
    app.db
        .write(move |conn| async move { store::insert_file(conn, &row, thread, user, &key, at).await }.boxed())
        .await?;
    Ok(file)
}

fn attachment_of(app: &App, facts: &FileFacts) -> Attachment {
    Attachment {
        id: AttachmentId::new(app.now(), app.random.as_ref()),
        media_type: facts.media_type.to_owned(),
        size: i64::try_from(facts.length).unwrap_or(i64::MAX),
        width: facts.width.map(i64::from),
        height: facts.height.map(i64::from),
    }
}

/// A file of a thread of the caller's; one that waits for a message is for its uploader only, and with a removed message its
/// files are gone for the two.
pub async fn attachment(app: &App, actor: &Actor, thread: ThreadId, id: AttachmentId) -> Result<FileContent> {
    let user = actor.require_own(Permission::Trade)?.account.id;
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let theirs = store::stand(&mut conn, thread, user).await?.is_some();
    let file = store::file(&mut conn, id).await?.filter(|file| {
        theirs && file.thread_id == thread && !file.removed && (file.message_seq.is_some() || file.user_id == user)
    });
    drop(reader);
    let file = file.ok_or_else(|| Error::not_found("attachment"))?;
    let bytes = app.files.get(&file.object_key).await?.into();
    Ok(FileContent { media_type: file.media_type, bytes })
}
