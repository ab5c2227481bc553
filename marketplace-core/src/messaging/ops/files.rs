//! Files of messages: uploaded first, then attached to one message.

use std::iter;

use image::DynamicImage;
use unicode_normalization::UnicodeNormalization as _;

use crate::{
    app::App,
    base::{
        error::{Error, Result},
        ids::{AttachmentId, ThreadId, UserId},
        permission::Permission,
        text::clean_line,
        text_enum::text_enum,
    },
    kyc::model::FileContent,
    messaging::{
        model::{Attachment, ThreadStatus},
        store::{self, ClearFile, File, Stored},
    },
    operation::Operation,
    platform::files::{Cleaned, Expected, Owner, Round, Sealed, clean, decoder, inspect, write_jpeg},
};

/// Files of a person's that may wait for a message.
const LOOSE: i64 = 50;
/// The names of an attachment's files: as it was sent, and small.
const FILE: &str = "file";
const THUMB: &str = "thumb";
const WANTED: Expected = Expected { field: "file", pdf: true };
const MEDIA_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "application/pdf"];
/// Characters of a file's name at most, and its bytes: folders take 255.
const NAME: (usize, usize) = (120, 200);
/// Pixels a side of a thumbnail at most.
const THUMB_SIDE: u32 = 320;
const THUMB_QUALITY: u8 = 80;
/// Files that one call seals at most: each may have to be turned.
const BATCH: i64 = 8;

/// Stores a file for a message that is sent later: JPEG, PNG, WebP or PDF by content, 10 MiB at most, as for identity
/// checks. Pictures are turned upright and lose their metadata, such as where they were taken. A file that no message
/// carries is deleted after a day. `name` is what the sender's machine calls it.
///
/// # Errors
/// `not_found` when the thread is not the caller's; `conflict` when it is closed, or when too many files wait for a
/// message; for the file, with the pointer `/file`, see [`crate::platform::files::inspect()`].
pub async fn attach(op: &Operation, thread: ThreadId, bytes: Vec<u8>, name: Option<&str>) -> Result<Attachment> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    let membership = store::membership(&mut conn, thread, user).await?.ok_or_else(|| Error::not_found("thread"))?;
    if membership.status == ThreadStatus::Closed {
        return Err(Error::conflict("the thread is closed", serde_json::json!({ "status": membership.status })));
    }
    if store::loose_of_user(&mut conn, user).await? >= LOOSE {
        return Err(Error::conflict("too many files wait for a message; send some of them first", ()));
    }
    drop(reader);
    let (facts, bytes) = op.files.inspected(WANTED, bytes).await?;
    let cleaned = op.files.decoding(bytes, move |bytes| with_thumb(clean(&facts, bytes)?)).await?;
    let id = AttachmentId::new(op.now(), op.random.as_ref());
    let (mut file, stored) = put(op, id, cleaned).await?;
    file.name = name.and_then(|name| file_name(name, &file.media_type));
    let row = file.clone();
    // An object whose row is not written is swept.
    op.write(unit!(|op, conn| { store::insert_file(conn, &row, thread, user, &stored, op.now()).await })).await?;
    Ok(file)
}

/// Adds the small rendering of a picture.
fn with_thumb(file: Cleaned) -> Result<(Cleaned, Option<Vec<u8>>)> {
    let thumb = is_picture(file.media_type).then(|| small(&file.bytes)).transpose()?;
    Ok((file, thumb))
}

fn is_picture(media_type: &str) -> bool {
    media_type.starts_with("image/")
}

/// Seals a file and stores it, with its small rendering.
async fn put(app: &App, id: AttachmentId, (file, thumb): (Cleaned, Option<Vec<u8>>)) -> Result<(Attachment, Stored)> {
    let Cleaned { media_type, bytes, width, height } = file;
    let attachment = Attachment {
        id,
        media_type: media_type.to_owned(),
        name: None,
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        width: width.map(i64::from),
        height: height.map(i64::from),
    };
    let files = iter::once((FILE, bytes)).chain(thumb.map(|thumb| (THUMB, thumb))).collect();
    let Sealed { wrapped_key, object_keys } =
        app.files.put_sealed(&app.keys, &app.random, Owner::Attachment(id), files).await?;
    let mut keys = object_keys.into_iter();
    let object_key = keys.next().ok_or_else(|| Error::internal("a stored file has a key"))?;
    Ok((attachment, Stored { object_key, thumb_key: keys.next(), wrapped_key }))
}

/// Returns a name that can stand in a header and in a folder: the last part of a path, without what has a meaning there, and with
/// an ending that fits the type. `None` when nothing visible remains.
fn file_name(given: &str, media_type: &str) -> Option<String> {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    // Browsers write a quote in the name of a file of a form so (HTML, "Multipart form data").
    let last = last.replace("%22", "\"");
    let name: String = clean_line(&last, NAME.0)?.nfc().collect();
    let name = name.replace([':', '*', '?', '"', '<', '>', '|'], "_");
    let name = within(&name, NAME.1);
    let name = name.trim_matches(['.', ' ']);
    let endings = endings(media_type);
    let fits = name.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
    });
    match (name.is_empty(), endings.first()) {
        (true, _) => None,
        (false, Some(ending)) if !fits => Some(format!("{name}.{ending}")),
        _ => Some(name.to_owned()),
    }
}

/// Returns a name with at most so many bytes: its ending stays.
fn within(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let ending = name.rfind('.').and_then(|at| name.get(at..)).filter(|ending| ending.len() <= 10).unwrap_or_default();
    let stem = name.get(..name.floor_char_boundary(most - ending.len())).unwrap_or_default();
    format!("{stem}{ending}")
}

/// Returns the endings of the names of files of a type, the usual one first.
fn endings(media_type: &str) -> &'static [&'static str] {
    match media_type {
        "image/jpeg" => &["jpg", "jpeg"],
        "image/png" => &["png"],
        "image/webp" => &["webp"],
        "application/pdf" => &["pdf"],
        _ => &[],
    }
}

text_enum! {
    /// Which rendering of a file.
    pub enum AttachmentSize {
        /// As it was sent.
        Full = "full",
        /// A picture made small: 320 pixels a side at most, as JPEG.
        Thumb = "thumb",
    }
}

/// A file, and what to call it.
#[derive(Debug)]
pub struct AttachmentFile {
    /// Its name, with an ending.
    pub name: String,
    /// Its content.
    pub content: FileContent,
}

/// Returns a file of a thread of the caller's. One that waits for a message is visible to its uploader only; the files of a
/// removed message are hidden from the two.
///
/// # Errors
/// `not_found` when the thread is not the caller's, when the file is not visible to them, or when it is no picture and is to be
/// small.
pub async fn attachment(
    op: &Operation,
    thread: ThreadId,
    id: AttachmentId,
    size: AttachmentSize,
) -> Result<AttachmentFile> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    let file = visible(op, user, Some(thread), id).await?;
    shown(op, id, file, size).await
}

/// Returns a file that a user may see, in this thread or in any.
pub(super) async fn visible(app: &App, user: UserId, thread: Option<ThreadId>, id: AttachmentId) -> Result<File> {
    let none = || Error::not_found("attachment");
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let file = store::file(&mut conn, id).await?.ok_or_else(none)?;
    let is_member = store::membership(&mut conn, file.thread_id, user).await?.is_some();
    let shows = !file.removed && (file.message_seq.is_some() || file.user_id == user);
    if is_member && shows && thread.is_none_or(|thread| thread == file.thread_id) { Ok(file) } else { Err(none()) }
}

/// Returns a file in one of its sizes, for callers that have checked access.
pub(in crate::messaging) async fn shown(
    app: &App,
    id: AttachmentId,
    file: File,
    size: AttachmentSize,
) -> Result<AttachmentFile> {
    let ending = endings(&file.media_type).first().unwrap_or(&"bin");
    let name = file.name.clone().unwrap_or_else(|| format!("attachment.{ending}"));
    if size == AttachmentSize::Full {
        return Ok(AttachmentFile { name, content: content(app, id, file, size).await? });
    }
    if !is_picture(&file.media_type) {
        return Err(Error::not_found("thumbnail"));
    }
    let name = format!("{}-small.jpg", name.rsplit_once('.').map_or(&*name, |(stem, _)| stem));
    Ok(AttachmentFile { name, content: content(app, id, file, size).await? })
}

/// Returns a picture made small, as JPEG. It was checked when it was uploaded.
fn small(bytes: &[u8]) -> Result<Vec<u8>> {
    let (decoder, orientation) = decoder(bytes).map_err(Error::internal)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(Error::internal)?;
    if picture.width().max(picture.height()) > THUMB_SIDE {
        picture = picture.thumbnail(THUMB_SIDE, THUMB_SIDE);
    }
    write_jpeg(&picture, orientation, THUMB_QUALITY)
}

/// Returns a file's content, for callers that have checked access; none when it no longer exists.
pub(crate) async fn file_content(app: &App, id: AttachmentId) -> Result<Option<FileContent>> {
    let mut reader = app.db.read().await?;
    let file = store::file(&mut reader.conn(), id).await?;
    drop(reader);
    match file {
        Some(file) => content(app, id, file, AttachmentSize::Full).await.map(Some),
        None => Ok(None),
    }
}

async fn content(app: &App, id: AttachmentId, file: File, size: AttachmentSize) -> Result<FileContent> {
    let error = match opened(app, id, &file, size).await {
        Ok(content) => return Ok(content),
        Err(error) => error,
    };
    // It may have been sealed between the two, and lies elsewhere now.
    let mut reader = app.db.read().await?;
    let now = store::file(&mut reader.conn(), id).await?;
    drop(reader);
    match now {
        None => Err(Error::not_found("attachment")),
        Some(now) if now.object_key == file.object_key => Err(error),
        Some(now) => opened(app, id, &now, size).await,
    }
}

async fn opened(app: &App, id: AttachmentId, file: &File, size: AttachmentSize) -> Result<FileContent> {
    let is_small = size == AttachmentSize::Thumb;
    let (name, key) = match &file.thumb_key {
        Some(key) if is_small => (THUMB, key),
        _ => (FILE, &file.object_key),
    };
    let owner = Owner::Attachment(id);
    let mut bytes = app.files.get_opened(&app.keys, owner, name, key, file.wrapped_key.as_deref()).await?;
    if is_small && file.thumb_key.is_none() {
        // It was uploaded before small pictures were stored.
        bytes = app.files.decoding(bytes, |bytes| small(&bytes)).await?;
    }
    let media_type = if is_small { "image/jpeg".to_owned() } else { file.media_type.clone() };
    Ok(FileContent { media_type, bytes: bytes.into() })
}

/// Seals older files that are not sealed yet, the next few of a round; pictures lose their metadata. What cannot be cleaned
/// is sealed as it is.
pub(crate) async fn seal_stored(app: &App, round: &mut Round) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let clear = store::clear_files(&mut reader.conn(), round.after, BATCH).await?;
    drop(reader);
    round.over = clear.is_empty();
    let mut done = 0;
    for file in clear {
        let id = file.id;
        done += round.step(id.0, seal_one(app, file).await)?;
    }
    Ok(done)
}

async fn seal_one(app: &App, file: ClearFile) -> Result<bool> {
    let ClearFile { id, object_key, media_type, width, height } = file;
    let bytes = app.files.get(&object_key).await?;
    let cleaned = app.files.decoding(bytes, |bytes| {
        let facts = inspect(WANTED, &bytes)?;
        with_thumb(clean(&facts, bytes)?)
    });
    let cleaned = match cleaned.await {
        Ok(cleaned) => cleaned,
        Err(error) => {
            tracing::warn!(%id, ?error, "an attachment cannot be cleaned, and is sealed as it is");
            let media_type =
                MEDIA_TYPES.into_iter().find(|known| *known == media_type).unwrap_or("application/octet-stream");
            let bytes = app.files.get(&object_key).await?;
            let pixels = |side: Option<i64>| side.and_then(|side| u32::try_from(side).ok());
            (Cleaned { media_type, bytes, width: pixels(width), height: pixels(height) }, None)
        }
    };
    let (attachment, stored) = put(app, id, cleaned).await?;
    let new = stored.clone();
    let replaced = Operation::system(app)
        .write(unit!(|op, conn| { store::seal_file(conn, &object_key, &attachment, &new, op.now()).await }))
        .await?;
    if !replaced {
        app.files.discard(iter::once(stored.object_key).chain(stored.thumb_key));
    }
    Ok(replaced)
}
