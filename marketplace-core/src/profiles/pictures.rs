//! Profile pictures.

use futures::FutureExt;

use super::{
    model::{Picture, PictureSize},
    ops::{changed, lock_own},
    picture::{MEDIA_TYPE, Rendered, render},
    store::{self, NewPicture},
};
use crate::{
    accounts::model::Status,
    actor::{Actor, Permission, Role},
    app::App,
    db::Conn,
    error::{Error, ErrorCode, Result},
    ids::{PictureId, UserId},
    kyc::model::FileContent,
    time::Timestamp,
};

/// Gives the caller a picture in place of the one before. Of the upload only the pixels stay.
///
/// Errors: those of [`crate::kyc::files::inspect()`], with the pointer `/picture`.
pub async fn set_picture(app: &App, actor: &Actor, bytes: Vec<u8>) -> Result<Picture> {
    let user = actor.require_own(Permission::Trade)?.account.id;
    let Rendered { full, thumb, width, height } = app.files.decoding(move || render(&bytes)).await?;
    let id = PictureId::new(app.now(), app.random.as_ref());
    let picture = Picture { id, width: i64::from(width), height: i64::from(height) };
    let keys = app.files.put_pictures(app.random.as_ref(), [full, thumb]).await?;
    let ([full_key, thumb_key], now) = (keys.clone(), app.now());
    let stored = app
        .db
        .write(move |conn| {
            async move {
                let role = lock_own(conn, user).await?.role;
                let new =
                    NewPicture { picture, user, full_key: &full_key, thumb_key: &thumb_key, media_type: MEDIA_TYPE };
                store::insert_picture(conn, &new, now).await?;
                store::drop_pictures(conn, user, Some(picture.id), now).await?;
                put(conn, user, role, Some(picture), now).await
            }
            .boxed()
        })
        .await;
    if let Err(error) = stored {
        // After a lost connection the commit may have gone through: then the sweep of objects without a row decides.
        if !matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) {
            app.files.discard(keys);
        }
        return Err(error);
    }
    app.wake();
    Ok(picture)
}

/// Takes the caller's picture away. Without one it changes nothing.
pub async fn remove_picture(app: &App, actor: &Actor) -> Result<()> {
    let user = actor.require_own(Permission::Trade)?.account.id;
    let now = app.now();
    let removed = app
        .db
        .write(move |conn| {
            async move {
                let role = lock_own(conn, user).await?.role;
                let removed = store::drop_pictures(conn, user, None, now).await? > 0;
                if removed {
                    put(conn, user, role, None, now).await?;
                }
                Ok(removed)
            }
            .boxed()
        })
        .await?;
    if removed {
        app.wake();
    }
    Ok(())
}

/// Puts a picture, or none, into the profile of the caller's role.
async fn put(conn: &mut Conn<'_>, user: UserId, role: Role, picture: Option<Picture>, now: Timestamp) -> Result<()> {
    if role == Role::Worker {
        let mut profile = store::worker(conn, user).await?;
        profile.picture = picture;
        store::put_worker(conn, user, &profile, now).await?;
    } else {
        let mut profile = store::client(conn, user).await?;
        profile.picture = picture;
        store::put_client(conn, user, &profile, now).await?;
    }
    changed(conn, now, user).await
}

/// A picture of somebody whom the public sees; its owner sees it before that.
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
    let key = match size {
        PictureSize::Full => found.full_key,
        PictureSize::Thumb => found.thumb_key,
    };
    let bytes = match app.files.get(&key).await {
        Ok(bytes) => bytes,
        Err(error) => {
            // It may have been replaced between the two.
            let still = store::stored_picture(&mut app.db.read().await?.conn(), app.now(), id).await?;
            return Err(if still.is_some() { error } else { Error::not_found("picture") });
        }
    };
    Ok(FileContent { media_type: found.media_type, bytes: bytes.into() })
}
