//! Files of messages: uploaded first, then carried by one message.

use futures::FutureExt;

use crate::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, FieldError, Result},
    ids::{AttachmentId, ThreadId},
    kyc::{
        files::{FileFacts, new_key},
        model::{FileContent, FileKind},
    },
    messaging::{
        model::{Attachment, ThreadStatus},
        store,
    },
};

/// Below this the objects lie.
const PREFIX: &str = "messages";
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
    let (facts, bytes) = app.files.inspected(FileKind::Document, bytes).await.map_err(about_the_file)?;
    let file = attachment_of(app, &facts);
    let (key, at, row) = (new_key(PREFIX, app.random.as_ref()), app.now(), file.clone());
    let stored = key.clone();
    // The row first: an object without one would never be found again.
    app.db
        .write(move |conn| async move { store::insert_file(conn, &row, thread, user, &stored, at).await }.boxed())
        .await?;
    if let Err(error) = app.files.put_as(&key, bytes).await {
        let id = file.id;
        app.db.write(move |conn| async move { store::abandon(conn, id).await }.boxed()).await?;
        return Err(error);
    }
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

/// The same refusal, of "the file" instead of "the document".
fn about_the_file(error: Error) -> Error {
    let Some(field) = error.fields().first() else { return error };
    let field = FieldError { pointer: "/file".into(), detail: field.detail.clone() };
    Error::new(error.code(), format!("the file {}", field.detail)).with_fields(vec![field])
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
