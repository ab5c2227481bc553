//! Rotating the keys that sign access tokens.

use std::sync::Arc;

use futures::FutureExt;

use crate::{
    actor::Actor,
    base::{
        error::Result,
        permission::Permission,
        time::{Clock, SystemClock, Timestamp},
    },
    operation::Operation,
    operations::key_check,
    platform::{
        config::Config,
        db::{Db, OpenOptions},
        keys::{Keys, Rotation},
    },
    records::{
        audit::{self, AuditAction, Entry},
        target::TargetKind,
    },
};

/// Creates a new key that signs access tokens from now on. Running servers that share the folder of keys notice by
/// themselves, and what the keys before it signed stays valid until its end: nobody is logged out.
///
/// A token that was signed three rotations ago is not valid any more; its session is, and refreshes.
pub async fn rotate_keys(op: &Operation) -> Result<Rotation> {
    op.actor().require(Permission::KeysWrite)?;
    op.db.require_writable()?;
    let rotation = op.keys.rotate()?;
    let metadata = serde_json::json!({ "removed": rotation.removed });
    record(&op.db, &op.keys, op.now(), op.actor(), &rotation.signs, metadata).await?;
    Ok(rotation)
}

/// Creates a new key that signs in place of those that are lost, in a marketplace that does not open for want of them. Nobody
/// is logged out for good: what they signed is not valid any more, sessions are, and refresh.
///
/// # Errors
/// `unavailable` when the master key is missing or another: nothing replaces that.
pub async fn replace_lost_keys(config: &Config, actor: &Actor) -> Result<Rotation> {
    actor.require(Permission::KeysWrite)?;
    let db = Db::open(config.database_url().expose(), OpenOptions::for_one()).await?;
    let replaced = async {
        db.require_current().await?;
        db.require_writable()?;
        let (keys, rotation) = key_check::replace_signing(&db, &config.keys_dir()).await?;
        let metadata = serde_json::json!({ "removed": rotation.removed, "lost": true });
        record(&db, &keys, SystemClock.now(), actor, &rotation.signs, metadata).await?;
        Ok(rotation)
    };
    let replaced = replaced.await;
    db.close().await;
    replaced
}

/// Registers the keys as they are now with the database, and puts the rotation on record.
async fn record(
    db: &Db,
    keys: &Arc<Keys>,
    now: Timestamp,
    actor: &Actor,
    signs: &str,
    metadata: serde_json::Value,
) -> Result<()> {
    let (keys, actor) = (Arc::clone(keys), actor.clone());
    let entry = Entry {
        action: AuditAction::AuthRotateKeys,
        target_kind: TargetKind::Key,
        target: signs.to_owned(),
        reason: None,
        metadata,
    };
    db.write(move |c| {
        async move {
            let present = key_check::fingerprints(&keys);
            key_check::register(c, &present, now).await?;
            key_check::forget_others(c, &present).await?;
            audit::append_sealed(&keys, c, now, &actor, vec![entry]).await
        }
        .boxed()
    })
    .await
}

#[cfg(test)]
mod tests {
    use crate::{
        accounts::model::{Password, Status},
        auth,
        base::{error::ErrorCode, permission::Role},
        testing,
    };

    #[tokio::test]
    async fn nobody_is_logged_out_by_a_new_key() {
        for test in testing::apps().await {
            let app = test.app();
            let user = test.user(Role::Client, Status::Active).await;
            let email = crate::users::reveal(&app.by(&testing::OPERATOR), user, None).await.unwrap().email;
            let password = Password::new(testing::PASSWORD);
            let before = auth::login(app, &testing::client(), &email, &password).await.unwrap();
            let rotation = crate::operations::signing_keys::rotate_keys(&app.by(&testing::OPERATOR)).await.unwrap();
            assert_eq!(app.keys.signer().unwrap().kid, rotation.signs);
            auth::authenticate(app, &before.access_token).await.unwrap();
            let after = auth::refresh(app, &testing::client(), &before.refresh_token).await.unwrap();
            auth::authenticate(app, &after.access_token).await.unwrap();
            let client = auth::authenticate(app, &after.access_token).await.unwrap();
            assert_eq!(
                crate::operations::signing_keys::rotate_keys(&app.by(&client)).await.unwrap_err().code(),
                ErrorCode::Forbidden
            );
            test.close().await;
        }
    }
}
