//! Profile pictures.

use super::{
    model::{Picture, PictureSize},
    ops::{changed, lock_own},
    picture::{MEDIA_TYPE, Rendered, render},
    store::{self, NewPicture, OwnPicture, StoredFiles},
};
use crate::{
    accounts::model::Status,
    actor::Actor,
    app::App,
    base::{
        error::{Error, ErrorCode, Result},
        ids::{PictureId, UserId},
        permission::{Permission, Role},
    },
    kyc::model::FileContent,
    operation::Operation,
    platform::{
        db::Conn,
        files::{Owner, Round},
    },
};

/// Sets the caller's picture, which replaces the previous one. Only the pixels of the upload are kept.
///
/// # Errors
/// Those of [`crate::platform::files::inspect()`], with the pointer `/picture`.
pub async fn set_picture(op: &Operation, bytes: Vec<u8>) -> Result<Picture> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;
    let Rendered { full, thumb, width, height } = op.files.decoding(bytes, |bytes| render(&bytes)).await?;
    let id = PictureId::new(op.now(), op.random.as_ref());
    let picture = Picture { id, width: i64::from(width), height: i64::from(height) };
    let both = vec![(PictureSize::Full.as_str(), full), (PictureSize::Thumb.as_str(), thumb)];
    let sealed = op.files.put_sealed(&op.keys, &op.random, Owner::Picture(id), both).await?;
    let stored_at = sealed.clone();
    let stored = op
        .write(unit!(|op, conn| {
            let role = lock_own(conn, user).await?.role;
            let new = NewPicture { picture, user, sealed: &stored_at, media_type: MEDIA_TYPE };
            store::insert_picture(conn, &new, op.now()).await?;
            store::drop_pictures(conn, user, Some(picture.id), op.now()).await?;
            put(&op, conn, user, role, Some(picture)).await
        }))
        .await;
    if let Err(error) = stored {
        // After a lost connection the commit may have gone through: then the sweep of objects without a row decides.
        if !matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) {
            op.files.discard(sealed.object_keys);
        }
        return Err(error);
    }
    Ok(picture)
}

/// Removes the caller's picture. Without one it changes nothing.
///
/// # Errors
/// `forbidden` for a caller without an account of their own.
pub async fn remove_picture(op: &Operation) -> Result<()> {
    let user = op.actor().require_own(Permission::Trade)?.account.id;

    op.write(unit!(|op, conn| {
        let role = lock_own(conn, user).await?.role;
        if store::drop_pictures(conn, user, None, op.now()).await? > 0 {
            put(&op, conn, user, role, None).await?;
        }
        Ok(())
    }))
    .await
}

/// Puts a picture, or none, into the profile of the caller's role.
async fn put(op: &Operation, conn: &mut Conn<'_>, user: UserId, role: Role, picture: Option<Picture>) -> Result<()> {
    if role == Role::Worker {
        let mut profile = store::worker(conn, user).await?;
        profile.picture = picture;
        store::put_worker(conn, user, &profile, op.now()).await?;
    } else {
        let mut profile = store::client(conn, user).await?;
        profile.picture = picture;
        store::put_client(conn, user, &profile, op.now()).await?;
    }
    changed(op, conn, user).await
}

/// Returns a picture of a person whom the public sees; its owner always sees it.
///
/// # Errors
/// `not_found` when the viewer may not see it.
pub async fn picture(app: &App, viewer: Option<&Actor>, id: PictureId, size: PictureSize) -> Result<FileContent> {
    let mut reader = app.db.read().await?;
    let found = store::stored_picture(&mut reader.conn(), app.now(), id).await?;
    drop(reader);
    let found = found.ok_or_else(|| Error::not_found("picture"))?;
    let public = match found.role {
        Role::Client => found.status == Status::Active,
        Role::Worker => found.status == Status::Active && found.approved,
        Role::Support | Role::Admin | Role::Auditor => false,
    };
    if !public && viewer.and_then(Actor::user_id) != Some(found.user_id) {
        return Err(Error::not_found("picture"));
    }
    let bytes = match opened(app, id, size, &found.stored).await {
        Ok(bytes) => bytes,
        Err(error) => {
            // It may have been replaced between the two, or sealed.
            let now = store::stored_picture(&mut app.db.read().await?.conn(), app.now(), id).await?;
            match now {
                None => return Err(Error::not_found("picture")),
                Some(now) if now.stored.full_key == found.stored.full_key => return Err(error),
                Some(now) => opened(app, id, size, &now.stored).await?,
            }
        }
    };
    Ok(FileContent { media_type: found.media_type, bytes: bytes.into() })
}

/// Returns one of the files of a picture, decrypted.
async fn opened(app: &App, id: PictureId, size: PictureSize, stored: &StoredFiles) -> Result<Vec<u8>> {
    let key = match size {
        PictureSize::Full => &stored.full_key,
        PictureSize::Thumb => &stored.thumb_key,
    };
    app.files.get_opened(&app.keys, Owner::Picture(id), size.as_str(), key, stored.wrapped_key.as_deref()).await
}

/// Returns the full picture, for its owner's export.
pub(crate) async fn own_picture(app: &App, picture: &OwnPicture) -> Result<FileContent> {
    let bytes = opened(app, picture.id, PictureSize::Full, &picture.stored).await?;
    Ok(FileContent { media_type: picture.media_type.clone(), bytes: bytes.into() })
}

/// Pictures that one call seals at most.
const BATCH: i64 = 32;

/// Seals older pictures that are not sealed yet, the next few of a round.
pub(crate) async fn seal_stored(app: &App, round: &mut Round) -> Result<u64> {
    let mut reader = app.db.read().await?;
    let clear = store::clear_pictures(&mut reader.conn(), round.after, BATCH).await?;
    drop(reader);
    round.over = clear.is_empty();
    let mut done = 0;
    for picture in clear {
        let id = picture.id;
        done += round.step(id.0, seal_one(app, picture).await)?;
    }
    Ok(done)
}

async fn seal_one(app: &App, picture: OwnPicture) -> Result<bool> {
    let mut both = Vec::with_capacity(2);
    for size in [PictureSize::Full, PictureSize::Thumb] {
        both.push((size.as_str(), opened(app, picture.id, size, &picture.stored).await?));
    }
    let sealed = app.files.put_sealed(&app.keys, &app.random, Owner::Picture(picture.id), both).await?;
    let new = sealed.clone();
    let replaced = Operation::system(app)
        .write(unit!(|op, conn| { store::seal_picture(conn, picture.id, &picture.stored, &new, op.now()).await }))
        .await?;
    if !replaced {
        app.files.discard(sealed.object_keys);
    }
    Ok(replaced)
}
