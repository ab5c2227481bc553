//! Photos of services. Only their pixels are kept, in three sizes that are made at the upload.

use futures::{Stream, stream};
use image::{DynamicImage, metadata::Orientation};
use serde::{Deserialize, Serialize};

use super::{
    model::{MAX_PHOTOS, OwnService, Photo, PhotoOrder, PhotoSize, ServiceDetail, ServiceStatus, check_alt},
    ops::{changed, lock_for_staff, lock_own, lock_worker, reload, require_lister, require_worker, staff_changed},
    photo_store::{self, StoredPhoto, Viewed},
    staff::{detail, lock_any, tell},
    store::{self, Service},
};
use crate::{
    accounts::model::Account,
    actor::Actor,
    app::App,
    base::{
        change::Changed,
        error::{Error, ErrorCode, Result},
        ids::{PhotoId, ServiceId, UserId},
        permission::Permission,
    },
    kyc::model::FileContent,
    messaging::model::RemovalReason,
    operation::Operation,
    platform::{
        db::Conn,
        files::{Owner, upright, write_jpeg},
    },
    records::{
        audit::{self, AuditAction},
        mail::Template,
    },
};

/// What all sizes are written as.
const MEDIA_TYPE: &str = "image/jpeg";
const QUALITY: u8 = 85;

/// A photo as it is kept.
struct Rendered {
    files: Vec<(&'static str, Vec<u8>)>,
    width: u32,
    height: u32,
}

/// Checks an upload like a photo of an identity check, turns it upright, and writes it anew in each size. Slow and hungry for
/// memory: see [`crate::platform::files::FileStore::decoding`].
fn render(bytes: &[u8]) -> Result<Rendered> {
    let mut picture = upright("photo", bytes, PhotoSize::Full.side())?;
    let (width, height) = (picture.width(), picture.height());
    let mut files = Vec::with_capacity(PhotoSize::ALL.len());
    for size in PhotoSize::ALL {
        if picture.width().max(picture.height()) > size.side() {
            picture = DynamicImage::thumbnail(&picture, size.side(), size.side());
        }
        files.push((size.as_str(), write_jpeg(&picture, Orientation::NoTransforms, QUALITY)?));
    }
    Ok(Rendered { files, width, height })
}

/// Stores a photo at a place of a service: in place of the one that is there, or, at the place after the last, as one more. The
/// first place is 1. `alt` is the text that stands for it.
///
/// # Errors
/// Those of [`crate::platform::files::inspect()`], with the pointer `/photo`; `not_found` for other people's services, and for a
/// place further behind; `conflict` beyond 10 photos; `forbidden` unless the caller is an active worker; `precondition_failed`
/// at another version.
pub async fn put_photo(op: &Operation, id: ServiceId, place: usize, alt: &str, bytes: Vec<u8>) -> Result<OwnService> {
    let worker = require_lister(op.actor())?;
    let alt = check_alt("/alt", alt)?;
    // Checked first, so that nothing is decoded for nothing; and again when it is stored.
    let mut reader = op.db.read().await?;
    let service = super::ops::owned(store::find(&mut reader.conn(), id).await?, worker)?;
    drop(reader);
    op.check_version(service.version)?;
    slot(&service.photos()?, place)?;
    let Rendered { files, width, height } = op.files.decoding(bytes, |bytes| render(&bytes)).await?;
    let photo = Photo {
        id: PhotoId::new(op.now(), op.random.as_ref()),
        alt,
        width: i64::from(width),
        height: i64::from(height),
    };
    let sealed = op.files.put_sealed(&op.keys, &op.random, Owner::Photo(photo.id), files).await?;
    let stored_at = sealed.clone();
    let stored = op
        .write(unit!(|op, conn| {
            let account = lock_worker(conn, worker, true).await?;
            let service = lock_own(&op, conn, worker, id).await?;
            let mut photos = service.photos()?;
            let at = slot(&photos, place)?;
            photo_store::insert(conn, photo.id, worker, id, &stored_at, op.now()).await?;
            match photos.get_mut(at) {
                Some(before) => {
                    let before = std::mem::replace(before, photo.clone());
                    photo_store::drop_some(conn, &[before.id], op.now()).await?;
                }
                None => photos.push(photo.clone()),
            }
            set(&op, conn, &account, &service, &photos).await
        }))
        .await;
    if let Err(error) = &stored {
        // After a lost connection the commit may have gone through: then the sweep of objects without a row decides.
        if !matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) {
            op.files.discard(sealed.object_keys);
        }
    }
    stored
}

/// Returns the index of a place that a photo can be put at.
fn slot(photos: &[Photo], place: usize) -> Result<usize> {
    if place > MAX_PHOTOS {
        let detail = format!("a service has {MAX_PHOTOS} photos at most; delete or replace one");
        return Err(Error::conflict(detail, serde_json::json!({ "most": MAX_PHOTOS })));
    }
    place.checked_sub(1).filter(|at| *at <= photos.len()).ok_or_else(|| Error::not_found("photo"))
}

async fn set(
    op: &Operation,
    conn: &mut Conn<'_>,
    worker: &Account,
    service: &Service,
    photos: &[Photo],
) -> Result<OwnService> {
    store::set_photos(conn, service.id, photos, op.now()).await?;
    changed(op, conn, service.id, worker.id, service.status).await?;
    reload(conn, worker, service.id, op.now()).await
}

/// Sets the order of a service's photos, with the texts that stand for them, and deletes those that are left out. What changes
/// nothing makes no new version.
///
/// # Errors
/// `invalid` for what is none of its photos; otherwise those of [`put_photo`].
pub async fn order_photos(op: &Operation, id: ServiceId, order: PhotoOrder) -> Result<OwnService> {
    let worker = require_lister(op.actor())?;

    op.write(unit!(|op, conn| {
        let account = lock_worker(conn, worker, true).await?;
        let service = lock_own(&op, conn, worker, id).await?;
        let before = service.photos()?;
        let photos = order.apply(&before)?;
        if photos == before {
            return reload(conn, &account, id, op.now()).await;
        }
        let is_left_out = |photo: &&Photo| !photos.iter().any(|kept| kept.id == photo.id);
        let gone: Vec<PhotoId> = before.iter().filter(is_left_out).map(|photo| photo.id).collect();
        photo_store::drop_some(conn, &gone, op.now()).await?;
        set(&op, conn, &account, &service, &photos).await
    }))
    .await
}

/// Deletes the photo at a place of a service; those behind it move up.
///
/// # Errors
/// `not_found` when there is none, and for other people's services; `precondition_failed` at another version.
pub async fn delete_photo(op: &Operation, id: ServiceId, place: usize) -> Result<()> {
    let worker = require_worker(op.actor())?.id;

    op.write(unit!(|op, conn| {
        let account = lock_worker(conn, worker, false).await?;
        let service = lock_own(&op, conn, worker, id).await?;
        let mut photos = service.photos()?;
        let at = place.checked_sub(1).filter(|at| *at < photos.len()).ok_or_else(|| Error::not_found("photo"))?;
        let gone = photos.remove(at);
        photo_store::drop_some(conn, &[gone.id], op.now()).await?;
        set(&op, conn, &account, &service, &photos).await.map(drop)
    }))
    .await
}

/// Returns a photo of a service that everybody sees; its worker sees those of all their services.
///
/// # Errors
/// `not_found` when the viewer may not see it.
pub async fn photo(app: &App, viewer: Option<&Actor>, id: PhotoId, size: PhotoSize) -> Result<FileContent> {
    let is_shown = |found: &Viewed| {
        let is_own = viewer.and_then(Actor::user_id) == Some(found.stored.worker_id) && found.is_of_service();
        found.is_public() || is_own
    };
    viewed(app, id, size, is_shown).await
}

/// Returns a photo as staff see it: of a service in any state, and one that is only kept because it was reported.
///
/// # Errors
/// `not_found` when there is none; `forbidden` without the permission.
pub async fn staff_photo(op: &Operation, id: PhotoId, size: PhotoSize) -> Result<FileContent> {
    op.actor().require(Permission::ServicesRead)?;
    viewed(op, id, size, |_| true).await
}

async fn viewed(
    app: &App,
    id: PhotoId,
    size: PhotoSize,
    is_shown: impl FnOnce(&Viewed) -> bool,
) -> Result<FileContent> {
    let none = || Error::not_found("photo");
    let mut reader = app.db.read().await?;
    let found = photo_store::find(&mut reader.conn(), app.now(), id).await?;
    drop(reader);
    let found = found.filter(is_shown).ok_or_else(none)?;
    match opened(app, &found.stored, size).await {
        Ok(content) => Ok(content),
        Err(error) => {
            // It may have been deleted between the two.
            let now = photo_store::find(&mut app.db.read().await?.conn(), app.now(), id).await?;
            Err(if now.is_none() { none() } else { error })
        }
    }
}

async fn opened(app: &App, photo: &StoredPhoto, size: PhotoSize) -> Result<FileContent> {
    let owner = Owner::Photo(photo.id);
    let key = photo.key(size);
    let bytes = app.files.get_opened(&app.keys, owner, size.as_str(), key, Some(&photo.wrapped_key)).await?;
    Ok(FileContent { media_type: MEDIA_TYPE.to_owned(), bytes: bytes.into() })
}

/// Removes a photo from a service for staff; its worker is told why. One that was reported stays for staff. What staff removed
/// before is unchanged.
///
/// # Errors
/// `not_found` when there is no such service, or when it has and had no such photo; `forbidden` without the permission, and about one's
/// own; `precondition_failed` at another version.
pub async fn staff_remove_photo(
    op: &Operation,
    id: ServiceId,
    photo: PhotoId,
    reason: RemovalReason,
) -> Result<Changed<ServiceDetail>> {
    op.actor().require(Permission::ServicesWrite)?;
    let note = op.note()?;
    let removed = op.write(unit!(|op, conn| {
        let (account, service) = lock_any(&op, conn, id).await?;
        let mut photos = service.photos()?;
        let before = photos.len();
        photos.retain(|one| one.id != photo);
        if photos.len() == before || service.status == ServiceStatus::Deleted {
            return Err(Error::not_found("photo"));
        }
        photo_store::drop_some(conn, &[photo], op.now()).await?;
        store::set_photos(conn, id, &photos, op.now()).await?;
        changed(&op, conn, id, account.id, service.status).await?;
        let metadata = serde_json::json!({ "worker": account.id, "photo": photo });
        let what = (AuditAction::ServicesRemovePhoto, Template::PhotoRemoved, Some(reason));
        tell(&op, conn, (&account, &service), what, metadata, note).await?;
        Ok(Changed { changed: true, item: detail(conn, id).await? })
    }));
    let missing = match removed.await {
        Err(error) if error.code() == ErrorCode::NotFound => error,
        removed => return removed,
    };
    let is_it = |metadata: &serde_json::Value| metadata.get("photo") == Some(&serde_json::json!(photo));
    if audit::earlier(op, AuditAction::ServicesRemovePhoto, id, is_it).await?.is_none() {
        return Err(missing);
    }
    Ok(Changed { changed: false, item: detail(&mut op.db.read().await?.conn(), id).await? })
}

/// What is needed to put a photo back.
#[derive(Serialize, Deserialize)]
struct Removed {
    photo: Photo,
    place: usize,
}

/// Removes a photo from a service for staff, inside a transaction, so that it can be put back. Returns whether it was there: one
/// that its worker deleted meanwhile is not.
///
/// # Errors
/// `invalid` for what is and was no photo of its worker's; `forbidden` for one's own, and without `reports:write`.
pub(crate) async fn take_photo(op: &Operation, conn: &mut Conn<'_>, id: ServiceId, photo: PhotoId) -> Result<bool> {
    let Some(service) = lock_for_staff(op, conn, id).await? else { return Ok(false) };
    let is_theirs = |found: Viewed| found.stored.worker_id == service.worker_id;
    if !photo_store::find(conn, op.now(), photo).await?.is_some_and(is_theirs) {
        return Err(Error::invalid("/photo", "is no photo of this service"));
    }
    let mut photos = service.photos()?;
    let Some(place) = photos.iter().position(|one| one.id == photo) else { return Ok(false) };
    let removed = Removed { photo: photos.remove(place), place };
    photo_store::take(conn, photo, &serde_json::to_string(&removed).map_err(Error::internal)?).await?;
    store::set_photos(conn, id, &photos, op.now()).await?;
    staff_changed(op, conn, &service, (AuditAction::ServicesRemovePhoto, service.status), Some(photo)).await?;
    Ok(true)
}

/// Takes back what [`take_photo`] did, inside a transaction: the photo is where it was, as far as its worker changed nothing
/// since. Returns whether there was room for it.
///
/// # Errors
/// `forbidden` for one's own, and without `reports:write`.
pub(crate) async fn put_photo_back(op: &Operation, conn: &mut Conn<'_>, id: ServiceId, photo: PhotoId) -> Result<bool> {
    let Some(service) = lock_for_staff(op, conn, id).await? else { return Ok(false) };
    let Some(removed) = photo_store::removed(conn, photo, service.worker_id).await? else { return Ok(false) };
    let mut photos = service.photos()?;
    if photos.len() >= MAX_PHOTOS {
        return Ok(false);
    }
    let Removed { photo: whole, place } = serde_json::from_str(&removed).map_err(Error::internal)?;
    photos.insert(place.min(photos.len()), whole);
    photo_store::put_back(conn, photo, id).await?;
    store::set_photos(conn, id, &photos, op.now()).await?;
    staff_changed(op, conn, &service, (AuditAction::ServicesRestorePhoto, service.status), Some(photo)).await?;
    Ok(true)
}

/// Returns the photos of a worker, each with its id and its content, for their export.
pub(crate) fn own_photos(app: &App, worker: UserId) -> impl Stream<Item = Result<(PhotoId, FileContent)>> + '_ {
    stream::try_unfold(PhotoId(uuid::Uuid::nil()), move |after| async move {
        let mut reader = app.db.read().await?;
        let next = photo_store::of_worker(&mut reader.conn(), worker, after, 1).await?;
        drop(reader);
        let Some(photo) = next.into_iter().next() else { return Ok(None) };
        let content = opened(app, &photo, PhotoSize::Full).await?;
        Ok(Some(((photo.id, content), photo.id)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn each_size_is_made_of_the_one_before_and_none_is_enlarged() {
        let sizes = |bytes: &[u8]| -> Vec<(u32, u32)> {
            let rendered = render(bytes).unwrap();
            let files = rendered.files.iter().map(|(_, bytes)| image::load_from_memory(bytes).unwrap());
            files.map(|picture| (picture.width(), picture.height())).collect()
        };
        assert_eq!(sizes(&picture(2_000, 1_000)), [(1_600, 800), (640, 320), (320, 160)]);
        assert_eq!(sizes(&picture(240, 250)), [(240, 250); 3]);
        assert_eq!(render(b"<svg/>").err().unwrap().fields()[0].pointer, "/photo");
    }
}
