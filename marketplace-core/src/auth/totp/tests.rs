use std::time::Duration;

use super::{code::STEP, *};
use crate::{
    accounts::model::{Password, Status, UserAction},
    actor::Actor,
    auth,
    base::{
        change::{Change, RestrictionReason},
        error::{ErrorCode, SecondFactor},
        ids::UserId,
        page::PageRequest,
        permission::{Permission, Role},
        text_enum::Name,
    },
    records::{
        audit::{self, AuditAction, AuditFilter},
        mail::Template,
    },
    staff::Identity,
    testing::{self, OPERATOR, TestApp, totp_code},
    users,
};

fn password() -> Password {
    Password::new(testing::PASSWORD)
}

/// Somebody with a second factor.
struct Enrolled {
    id: UserId,
    email: String,
    actor: Actor,
    secret: String,
    recovery: Vec<String>,
}

async fn enrol(test: &TestApp, role: Role) -> Enrolled {
    let app = test.app();
    let id = test.user(role, Status::Active).await;
    let (actor, _) = test.log_in(id).await;
    let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
    let begun = begin_totp(&app.by(&actor), &password()).await.unwrap();
    let codes = confirm_totp(&app.by(&actor), &totp_code(&begun.secret, app.now())).await.unwrap();
    // The code that confirmed is used up.
    test.advance(Duration::from_secs(60));
    Enrolled { id, email, actor, secret: begun.secret, recovery: codes.recovery_codes }
}

impl Enrolled {
    async fn log_in(&self, test: &TestApp, proof: Option<Proof>) -> crate::base::error::Result<auth::Tokens> {
        auth::login_with(test.app(), &testing::client(), &self.email, &password(), proof.as_ref()).await
    }
    fn code(&self, test: &TestApp) -> Proof {
        Proof::Code(totp_code(&self.secret, test.app().now()))
    }
}

fn refused<T: fmt::Debug>(answer: crate::base::error::Result<T>) -> (ErrorCode, Option<SecondFactor>) {
    let error = answer.unwrap_err();
    (error.code(), error.second_factor_hint())
}

const REQUIRED: (ErrorCode, Option<SecondFactor>) = (ErrorCode::Unauthenticated, Some(SecondFactor::Required));
const WRONG: (ErrorCode, Option<SecondFactor>) = (ErrorCode::Unauthenticated, Some(SecondFactor::Wrong));

#[tokio::test]
async fn a_second_factor_counts_once_it_was_confirmed() {
    for test in testing::apps().await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let (actor, elsewhere) = (test.log_in(id).await.0, test.log_in(id).await.1);
        let wrong = begin_totp(&app.by(&actor), &Password::new("not the password")).await.unwrap_err();
        assert_eq!(wrong.fields()[0].pointer, "/password");
        assert_eq!(refused(confirm_totp(&app.by(&actor), "000000").await).0, ErrorCode::Conflict);
        let first = begin_totp(&app.by(&actor), &password()).await.unwrap();
        let second = begin_totp(&app.by(&actor), &password()).await.unwrap();
        assert_ne!(first.secret, second.secret);
        assert!(second.otpauth_url.starts_with("otpauth://totp/Marketplace:client0-"), "{}", second.otpauth_url);
        assert!(second.otpauth_url.contains(&format!("secret={}&issuer=Marketplace", second.secret)));
        assert!(!format!("{second:?}").contains(&second.secret));
        test.log_in(id).await;
        let old = confirm_totp(&app.by(&actor), &totp_code(&first.secret, app.now())).await.unwrap_err();
        assert_eq!(old.fields()[0].pointer, "/code", "the first secret was replaced");
        let codes = confirm_totp(&app.by(&actor), &totp_code(&second.secret, app.now())).await.unwrap();
        assert_eq!(codes.recovery_codes.len(), 10);
        assert!(!format!("{codes:?}").contains(&codes.recovery_codes[0]));
        auth::authenticate(app, &elsewhere).await.unwrap_err();
        assert!(test.mails().await.iter().any(|mail| mail.template == Template::SecondFactorOn));
        assert_eq!(refused(begin_totp(&app.by(&actor), &password()).await).0, ErrorCode::Conflict, "it is on");
        test.close().await;
    }
}

#[tokio::test]
async fn the_second_factor_is_told_of_only_after_the_right_password() {
    for test in testing::apps().await {
        let lea = enrol(&test, Role::Support).await;
        let app = test.app();
        let wrong = Password::new("not the password");
        for proof in [None, Some(lea.code(&test)), Some(Proof::Recovery(lea.recovery[0].clone()))] {
            let answer = auth::login_with(app, &testing::client(), &lea.email, &wrong, proof.as_ref()).await;
            assert_eq!(refused(answer), (ErrorCode::Unauthenticated, None));
        }
        assert_eq!(refused(lea.log_in(&test, None).await), REQUIRED);
        for bad in ["000000", "", "12345", "abcdef"] {
            // One in 300,000 runs guesses right.
            assert_eq!(refused(lea.log_in(&test, Some(Proof::Code(bad.into()))).await), WRONG, "{bad}");
        }
        assert_eq!(refused(lea.log_in(&test, Some(Proof::Recovery("aaaa-bbbb".into()))).await), WRONG);
        lea.log_in(&test, Some(lea.code(&test))).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn a_code_is_taken_once_and_so_is_a_recovery_code() {
    for test in testing::apps().await {
        let lea = enrol(&test, Role::Support).await;
        let code = lea.code(&test);
        lea.log_in(&test, Some(code.clone())).await.unwrap();
        assert_eq!(refused(lea.log_in(&test, Some(code)).await), WRONG, "a code that was used");
        let early = Proof::Code(totp_code(&lea.secret, test.app().now() - Duration::from_secs(30)));
        assert_eq!(refused(lea.log_in(&test, Some(early)).await), WRONG, "one from before a code that was used");
        test.advance(Duration::from_secs(STEP.unsigned_abs()));
        // Of two at once, one is in time.
        let code = lea.code(&test);
        let (one, other) = tokio::join!(lea.log_in(&test, Some(code.clone())), lea.log_in(&test, Some(code)));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        let recovery = Proof::Recovery(lea.recovery[3].to_uppercase());
        let (one, other) = tokio::join!(lea.log_in(&test, Some(recovery.clone())), lea.log_in(&test, Some(recovery)));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        lea.log_in(&test, Some(Proof::Recovery(lea.recovery[4].clone()))).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn codes_are_tried_a_few_times_only() {
    for test in testing::apps_with(|config| config.limits.failed_logins = 3).await {
        let lea = enrol(&test, Role::Support).await;
        for _ in 0..3 {
            assert_eq!(refused(lea.log_in(&test, Some(Proof::Code("000000".into()))).await), WRONG);
        }
        let right = lea.log_in(&test, Some(lea.code(&test))).await;
        assert_eq!(refused(right).0, ErrorCode::RateLimited, "also the right one, from where the wrong ones came");
        let elsewhere =
            auth::ClientInfo { ip: std::net::IpAddr::from([10, 0, 0, 9]), user_agent: String::new(), language: None };
        let proof = lea.code(&test);
        auth::login_with(test.app(), &elsewhere, &lea.email, &password(), Some(&proof)).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn a_password_reset_leaves_the_second_factor() {
    for test in testing::apps().await {
        let lea = enrol(&test, Role::Support).await;
        let app = test.app();
        auth::forgot_password(app, &testing::client(), &lea.email).await.unwrap();
        let mut token = None;
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mails = test.mails().await;
            token = mails.into_iter().find(|mail| mail.template == Template::ResetPassword).and_then(|mail| mail.token);
            if token.is_some() {
                break;
            }
        }
        auth::reset_password(app, &testing::client(), &token.unwrap(), &password()).await.unwrap();
        assert_eq!(refused(lea.log_in(&test, None).await), REQUIRED);
        lea.log_in(&test, Some(lea.code(&test))).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn removing_it_needs_password_and_code() {
    for test in testing::apps().await {
        let lea = enrol(&test, Role::Support).await;
        let (app, client) = (test.app(), testing::client());
        let code = lea.code(&test);
        let wrong = Password::new("not the password");
        let field = async |password: &Password, proof: Option<&Proof>| {
            disable_totp(&app.by(&lea.actor), &client, password, proof).await.unwrap_err().fields()[0].pointer.clone()
        };
        assert_eq!(field(&wrong, Some(&code)).await, "/password");
        assert_eq!(field(&password(), None).await, "/totp");
        assert_eq!(field(&password(), Some(&Proof::Code("000000".into()))).await, "/totp");
        disable_totp(&app.by(&lea.actor), &client, &password(), Some(&code)).await.unwrap();
        lea.log_in(&test, None).await.unwrap();
        assert!(test.mails().await.iter().any(|mail| mail.template == Template::SecondFactorOff));
        let again = disable_totp(&app.by(&lea.actor), &client, &password(), Some(&code)).await;
        assert_eq!(refused(again).0, ErrorCode::Conflict);
        test.close().await;
    }
}

#[tokio::test]
async fn nobody_does_without_one_where_everybody_must_have_it() {
    for test in testing::apps_with(|config| config.require_totp = true).await {
        let app = test.app();
        for role in [Role::Client, Role::Worker, Role::Support] {
            let (actor, access) = test.log_in(test.user(role, Status::Active).await).await;
            assert_eq!(refused(users::me(&app.by(&actor))), (ErrorCode::Forbidden, Some(SecondFactor::Enrol)));
            if role != Role::Support {
                assert_eq!(refused(auth::issue_ticket(&app.by(&actor)).await).0, ErrorCode::Forbidden);
            }
            let begun = begin_totp(&app.by(&actor), &password()).await.unwrap();
            confirm_totp(&app.by(&actor), &totp_code(&begun.secret, app.now())).await.unwrap();
            let actor = auth::authenticate(app, &access).await.unwrap();
            users::me(&app.by(&actor)).unwrap();
            test.advance(Duration::from_secs(60));
        }
        // Who has not confirmed the address may go no further than that anyway.
        let (unverified, _) = test.log_in(test.user(Role::Client, Status::Unverified).await).await;
        users::me(&app.by(&unverified)).unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn without_tolerance_a_code_ends_with_its_thirty_seconds() {
    for test in testing::apps_with(|config| config.totp_tolerance = 0).await {
        let lea = enrol(&test, Role::Support).await;
        let step = Duration::from_secs(STEP.unsigned_abs());
        let before = lea.code(&test);
        test.advance(step);
        let after = Proof::Code(totp_code(&lea.secret, test.app().now() + step));
        assert_eq!(refused(lea.log_in(&test, Some(before)).await), WRONG);
        assert_eq!(refused(lea.log_in(&test, Some(after)).await), WRONG);
        lea.log_in(&test, Some(lea.code(&test))).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn an_admin_removes_it_for_whoever_lost_it_and_erasure_leaves_nothing() {
    for test in testing::apps().await {
        let (lea, jon) = (enrol(&test, Role::Support).await, enrol(&test, Role::Client).await);
        let app = test.app();
        let change = Change { reason: Some(RestrictionReason::UserRequest), ..Change::default() };
        let support = test.actor(Role::Support).await;
        let refused_one = users::act(&app.by(&support).with(change.clone()), jon.id, &UserAction::ResetTotp).await;
        assert_eq!(refused(refused_one).0, ErrorCode::Forbidden);
        // Not without a word on how it was made sure who asks, which stands in the audit log.
        let without =
            users::act(&app.by(&OPERATOR).with(change.clone()), lea.id, &UserAction::ResetTotp).await.unwrap_err();
        assert_eq!(without.fields()[0].pointer, "/proof");
        assert_eq!(refused(lea.log_in(&test, None).await), REQUIRED);
        let proven = Change { proof: Some(crate::base::change::IdentityProof::VideoCall), ..change.clone() };
        let reset = async || {
            users::act(&app.by(&OPERATOR).with(proven.clone()), lea.id, &UserAction::ResetTotp).await.unwrap().changed
        };
        assert!(reset().await);
        assert!(!reset().await, "it is gone");
        let filter = AuditFilter { action: Some(Name::Known(AuditAction::UsersResetTotp)), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items;
        assert!(rows.len() == 1 && rows[0].metadata.to_string().contains("video_call"), "{rows:?}");
        lea.log_in(&test, None).await.unwrap();
        users::act(&app.by(&OPERATOR).with(change.clone()), jon.id, &UserAction::Delete).await.unwrap();
        let mut reader = app.db.read().await.unwrap();
        for left in [
            q!(&mut reader.conn() => val i64, "SELECT CAST(count(*) AS BIGINT) FROM totp"),
            q!(&mut reader.conn() => val i64, "SELECT CAST(count(*) AS BIGINT) FROM recovery_codes"),
        ] {
            assert_eq!(left.unwrap(), 0);
        }
        drop(reader);
        test.close().await;
    }
}

#[tokio::test]
async fn the_secret_is_encrypted_for_its_account() {
    for test in testing::apps().await {
        let (lea, sam) = (enrol(&test, Role::Support).await, enrol(&test, Role::Support).await);
        let app = test.app();
        // Somebody who can write to the database gives Lea the secret of Sam: it does not open.
        let (one, other) = (lea.id, sam.id);
        let swap = app.db.write(move |c| {
            Box::pin(async move {
                q!(c => exec, "UPDATE totp SET sealed = (SELECT sealed FROM totp WHERE user_id = $2) WHERE user_id = $1", one, other)?;
                Ok(())
            })
        });
        swap.await.unwrap();
        assert_eq!(refused(lea.log_in(&test, Some(sam.code(&test))).await).0, ErrorCode::Internal);
        test.close().await;
    }
}

#[tokio::test]
async fn staff_without_one_may_only_enrol_where_it_is_required() {
    for test in testing::apps_with(|config| config.require_staff_totp = true).await {
        let app = test.app();
        let client = test.actor(Role::Client).await;
        users::me(&app.by(&client)).unwrap();
        let id = test.user(Role::Admin, Status::Active).await;
        let (admin, token) = test.log_in(id).await;
        let told = (ErrorCode::Forbidden, Some(SecondFactor::Enrol));
        for permission in [Permission::OwnAccount, Permission::UsersRead, Permission::StatsRead] {
            assert_eq!(refused(admin.require(permission)), told);
            assert!(!admin.may(permission));
        }
        assert_eq!(refused(users::me(&app.by(&admin))), told);
        assert_eq!(
            refused(auth::change_password(&app.by(&admin), &password(), &Password::new("another long one")).await),
            told
        );
        assert_eq!(refused(auth::sessions(&app.by(&admin), &crate::base::page::PageRequest::default()).await), told);
        assert_eq!(refused(auth::logout_all(&app.by(&admin)).await), told);
        assert!(Identity::of(&admin).permissions.is_empty());
        let begun = begin_totp(&app.by(&admin), &password()).await.unwrap();
        confirm_totp(&app.by(&admin), &totp_code(&begun.secret, app.now())).await.unwrap();
        let admin = auth::authenticate(app, &token).await.unwrap();
        admin.require(Permission::UsersAdmin).unwrap();
        // And out again, without one.
        test.advance(Duration::from_secs(60));
        let proof = Proof::Code(totp_code(&begun.secret, app.now()));
        disable_totp(&app.by(&admin), &testing::client(), &password(), Some(&proof)).await.unwrap();
        let admin = auth::authenticate(app, &token).await.unwrap();
        assert_eq!(refused(admin.require(Permission::UsersAdmin)), told);
        auth::logout(&app.by(&admin)).await.unwrap();
        test.close().await;
    }
}
