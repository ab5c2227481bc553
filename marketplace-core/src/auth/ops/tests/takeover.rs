//! Somebody had the password, or a session, for a while. What they prepared must not outlive the owner's answer to it.

use super::*;
use crate::{
    base::permission::Permission,
    tokens::{self, model::NewToken},
    users,
};

const OWNERS: &str = "the owner has another one";

/// An account that somebody else has been in, and what they left behind.
struct TakenOver {
    id: crate::base::ids::UserId,
    email: String,
    /// Theirs.
    intruder: Actor,
    /// To confirm another address.
    link: String,
}

async fn taken_over(test: &TestApp, role: Role) -> TakenOver {
    let app = test.app();
    let id = test.user(role, Status::Active).await;
    let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
    let (intruder, _) = test.log_in(id).await;
    change_email(&app.by(&intruder), &Password::new(PASSWORD), "intruder@example.net").await.unwrap();
    TakenOver { id, email, intruder, link: test.token(Template::ConfirmNewEmail).await }
}

/// How the owner answers.
async fn answered(test: &TestApp, taken: &TakenOver, how: &str) {
    let app = test.app();
    let change = Change { reason: Some(RestrictionReason::Security), ..Change::default() };
    match how {
        "reset" => {
            forgot_password(app, &client(), &taken.email).await.unwrap();
            wait_for(test, Template::ResetPassword, 1).await;
            let link = test.token(Template::ResetPassword).await;
            reset_password(app, &client(), &link, &Password::new(OWNERS)).await.unwrap();
        }
        "change" => {
            let (owner, _) = test.log_in(taken.id).await;
            change_password(&app.by(&owner), &Password::new(PASSWORD), &Password::new(OWNERS)).await.unwrap();
        }
        "ban" => {
            users::act(&app.by(&OPERATOR).with(change.clone()), taken.id, &UserAction::Ban).await.unwrap();
        }
        "delete" => {
            users::act(&app.by(&OPERATOR).with(change.clone()), taken.id, &UserAction::Delete).await.unwrap();
        }
        _ => unreachable!("{how}"),
    }
}

async fn count(test: &TestApp, sql: &'static str) -> i64 {
    // As a text, so that one function will do for every table.
    let mut reader = test.app().db.read().await.unwrap();
    on!(&mut reader.conn(), |x, Engine| sqlx::query_scalar::<Engine, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(x).await)
        .unwrap()
}

#[tokio::test]
async fn a_link_to_change_the_address_dies_with_the_password() {
    for test in testing::apps().await {
        for how in ["reset", "change", "ban", "delete"] {
            let taken = taken_over(&test, Role::Client).await;
            answered(&test, &taken, how).await;
            let late = confirm_email(test.app(), &client(), &taken.link).await.unwrap_err();
            assert_eq!(late.code(), ErrorCode::Invalid, "{how}");
            assert!(
                !test.mails().await.iter().any(|mail| mail.template == Template::ConfirmNewEmail),
                "{how}: taken back"
            );
            if how != "delete" {
                let told = test.mails().await;
                assert!(
                    told.iter().any(|mail| mail.template == Template::EmailChanging),
                    "{how}: what tells of it stays"
                );
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_link_to_the_old_address_dies_with_the_change() {
    for test in testing::apps().await {
        let app = test.app();
        let taken = taken_over(&test, Role::Client).await;
        forgot_password(app, &client(), &taken.email).await.unwrap();
        wait_for(&test, Template::ResetPassword, 1).await;
        let to_the_old = test.token(Template::ResetPassword).await;
        confirm_email(app, &client(), &taken.link).await.unwrap();
        let late = reset_password(app, &client(), &to_the_old, &Password::new(OWNERS)).await.unwrap_err();
        assert_eq!(late.code(), ErrorCode::Invalid);
        assert!(!test.mails().await.iter().any(|mail| mail.template == Template::ResetPassword), "taken back");
        // Nor does one that was written in spite of that, by a request that was under way.
        let (old, norm) = (token::Opaque::new(app.random.as_ref()), normalise_email(&taken.email));
        let (hash, id, end) = (old.hash(), taken.id, app.now() + hours(1));
        let kind = OneTime::ResetPassword.as_str();
        app.db
            .write(move |c| {
                futures::FutureExt::boxed(async move { store::put_one_time(c, hash, id, kind, Some(&norm), end).await })
            })
            .await
            .unwrap();
        assert!(reset_password(app, &client(), &old.0, &Password::new(OWNERS)).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn an_invitation_dies_with_the_first_password() {
    for test in testing::apps().await {
        let app = test.app();
        let new = accounts::model::NewUser {
            role: Role::Support,
            email: "sam@example.org".into(),
            name: "Sam".into(),
            phone: None,
        };
        users::create(&app.by(&OPERATOR), &new).await.unwrap();
        let invitation = test.token(Template::Invitation).await;
        forgot_password(app, &client(), "sam@example.org").await.unwrap();
        wait_for(&test, Template::ResetPassword, 1).await;
        assert!(!test.mails().await.iter().any(|mail| mail.template == Template::Invitation), "the newest only");
        assert!(reset_password(app, &client(), &invitation, &Password::new(OWNERS)).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn what_an_intruder_prepared_besides_dies_with_the_password() {
    for test in testing::apps().await {
        let app = test.app();
        for how in ["reset", "change", "ban"] {
            // So that the one who is taken over is never the last.
            let colleague = test.user(Role::Admin, Status::Active).await;
            let taken = taken_over(&test, Role::Admin).await;
            auth::begin_totp(&app.by(&taken.intruder), &Password::new(PASSWORD)).await.unwrap();
            let (id, end) = (taken.id, app.now() + hours(1));
            let code = token::Opaque::new(app.random.as_ref()).hash();
            app.db
                .write(move |c| {
                    futures::FutureExt::boxed(async move {
                        q!(c => exec, "INSERT INTO oidc_codes (hash, user_id, challenge, expires_at) VALUES ($1, $2, '', $3)", code, id, end)
                    .map_err(Error::from)
                    })
                })
                .await
                .unwrap();
            let wish = |owner, scopes: &[Permission]| NewToken {
                name: "Kept".into(),
                scopes: scopes.to_vec(),
                expires_in: 3_600,
                owner_id: Some(owner),
            };
            // One's own, a colleague's, and one that a token created.
            let secret =
                async |by: &Actor, new: &NewToken| tokens::create(&app.by(by), new).await.unwrap().item.secret.unwrap();
            let own = secret(&taken.intruder, &wish(id, &[Permission::TokensWrite, Permission::UsersRead])).await;
            let of_colleague = secret(&taken.intruder, &wish(colleague, &[Permission::UsersRead])).await;
            let by_token = authenticate(app, &own).await.unwrap();
            let of_token = secret(&by_token, &wish(colleague, &[Permission::UsersRead])).await;
            let others = secret(&OPERATOR, &wish(colleague, &[Permission::UsersRead])).await;

            answered(&test, &taken, how).await;
            for kept in [&own, &of_colleague, &of_token] {
                let dead = authenticate(app, kept).await.unwrap_err();
                assert_eq!(dead.code(), ErrorCode::Unauthenticated, "{how}");
            }
            authenticate(app, &others).await.unwrap();
            assert_eq!(count(&test, "SELECT CAST(count(*) AS BIGINT) FROM oidc_codes").await, 0, "{how}");
            assert_eq!(count(&test, "SELECT CAST(count(*) AS BIGINT) FROM totp").await, 0, "{how}");
        }
        test.close().await;
    }
}

/// Whatever comes first: a link, a secret or a token that the old password brought never outlives the new one.
#[tokio::test]
async fn what_is_under_way_when_the_password_is_reset_leaves_nothing() {
    for test in testing::apps().await {
        let app = test.app();
        for _ in 0..8 {
            let id = test.user(Role::Admin, Status::Active).await;
            let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
            let (intruder, _) = test.log_in(id).await;
            forgot_password(app, &client(), &email).await.unwrap();
            wait_for(&test, Template::ResetPassword, 1).await;
            let link = test.token(Template::ResetPassword).await;
            let (old, owners, me) = (Password::new(PASSWORD), Password::new(OWNERS), client());
            let new = NewToken {
                name: "Kept".into(),
                scopes: vec![Permission::UsersRead],
                expires_in: 3_600,
                owner_id: None,
            };
            let (reset, _, _, _) = tokio::join!(
                reset_password(app, &me, &link, &owners),
                async { change_email(&app.by(&intruder), &old, "intruder@example.net").await },
                async { auth::begin_totp(&app.by(&intruder), &old).await },
                async { tokens::create(&app.by(&intruder), &new).await.map(drop) },
            );
            reset.unwrap();
            assert_eq!(
                count(&test, "SELECT CAST(count(*) AS BIGINT) FROM one_time_tokens WHERE kind = 'change_email'").await,
                0
            );
            assert_eq!(count(&test, "SELECT CAST(count(*) AS BIGINT) FROM totp").await, 0);
            assert_eq!(
                count(&test, "SELECT CAST(count(*) AS BIGINT) FROM api_tokens WHERE revoked_at IS NULL").await,
                0
            );
        }
        test.close().await;
    }
}
