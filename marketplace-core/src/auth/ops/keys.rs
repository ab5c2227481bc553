//! Rotating the keys that sign access tokens.

use futures::FutureExt;

use crate::{
    actor::{Actor, Permission},
    app::App,
    audit::{self, Entry},
    error::Result,
    keys::Rotation,
};

/// Makes a new key that signs access tokens from now on. Running servers that share the folder of keys notice by
/// themselves, and what the keys before it signed stays valid until its end: nobody is logged out.
///
/// A token that was signed three rotations ago is not valid any more; its session is, and refreshes.
pub async fn rotate_keys(app: &App, actor: &Actor) -> Result<Rotation> {
    actor.require(Permission::KeysWrite)?;
    let rotation = app.keys.rotate()?;
    let (now, actor, signs, removed) = (app.now(), actor.clone(), rotation.signs.clone(), rotation.removed.clone());
    app.db
        .write(move |c| {
            async move {
                let metadata = serde_json::json!({ "removed": removed });
                let entry =
                    Entry { action: "auth.rotate_keys", target_kind: "key", target: signs, reason: None, metadata };
                audit::append(c, now, &actor, entry).await
            }
            .boxed()
        })
        .await?;
    Ok(rotation)
}

#[cfg(test)]
mod tests {
    use crate::{
        accounts::{
            self,
            model::{Password, Status},
        },
        actor::Role,
        auth,
        error::ErrorCode,
        testing,
    };

    #[tokio::test]
    async fn nobody_is_logged_out_by_a_new_key() {
        for test in testing::apps().await {
            let app = test.app();
            let user = test.user(Role::Client, Status::Active).await;
            let email = accounts::reveal(app, &testing::OPERATOR, user).await.unwrap().email;
            let password = Password::new(testing::PASSWORD);
            let before = auth::login(app, &testing::client(), &email, &password).await.unwrap();
            let rotation = auth::rotate_keys(app, &testing::OPERATOR).await.unwrap();
            assert_eq!(app.keys.signer().unwrap().kid, rotation.signs);
            auth::authenticate(app, &before.access_token).await.unwrap();
            let after = auth::refresh(app, &testing::client(), &before.refresh_token).await.unwrap();
            auth::authenticate(app, &after.access_token).await.unwrap();
            let client = auth::authenticate(app, &after.access_token).await.unwrap();
            assert_eq!(auth::rotate_keys(app, &client).await.unwrap_err().code(), ErrorCode::Forbidden);
            test.close().await;
        }
    }
}
