use std::{net::IpAddr, time::Duration};

use super::*;
use crate::{
    accounts::{
        self,
        model::{Password, RestrictionReason, SignUp, UserAction},
    },
    actor::{Actor, Role},
    admin::Change,
    auth::{ClientInfo, Tokens},
    error::ErrorCode,
    page::PageRequest,
    testing::{self, OPERATOR, PASSWORD, TestApp, client},
};

fn form(email: &str) -> SignUp {
    SignUp {
        role: Role::Worker,
        email: email.into(),
        password: Password::new(PASSWORD),
        name: "Ada Obi".into(),
        phone: None,
    }
}

async fn password_login(test: &TestApp, email: &str, password: &str) -> Result<Tokens> {
    login(test.app(), &client(), email, &Password::new(password)).await
}

async fn wait_for(test: &TestApp, template: Template, count: usize) {
    for _ in 0..400 {
        if test.mails().await.iter().filter(|mail| mail.template == template).count() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no {count} mails of {template}");
}

#[tokio::test]
async fn from_signup_to_logout() {
    for test in testing::apps().await {
        let app = test.app();
        signup(app, &client(), form("Ada@Example.org")).await.unwrap();
        let tokens = password_login(&test, "ADA@example.ORG ", PASSWORD).await.unwrap();
        let actor = authenticate(app, &tokens.access_token).await.unwrap();
        let me = accounts::me(app, &actor).unwrap();
        assert_eq!((me.email.as_str(), me.status), ("Ada@Example.org", Status::Unverified));
        // Unverified: may only verify, ask again, or go.
        let update = accounts::UpdateMe { name: Some("Eve".into()), phone: None };
        assert_eq!(accounts::update_me(app, &actor, update, None).await.unwrap_err().code(), ErrorCode::Forbidden);

        let token = test.token(Template::VerifyEmail).await;
        verify_email(app, &client(), &token).await.unwrap();
        assert_eq!(verify_email(app, &client(), &token).await.unwrap_err().code(), ErrorCode::Invalid);
        let actor = authenticate(app, &tokens.access_token).await.unwrap();
        assert_eq!(accounts::me(app, &actor).unwrap().status, Status::Active);

        logout(app, &actor).await.unwrap();
        assert_eq!(authenticate(app, &tokens.access_token).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        assert!(refresh(app, &client(), &tokens.refresh_token).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn signup_never_makes_staff_and_answers_alike() {
    for test in testing::apps().await {
        let app = test.app();
        for role in [Role::Admin, Role::Support, Role::Auditor] {
            let refused = signup(app, &client(), SignUp { role, ..form("staff@example.org") }).await.unwrap_err();
            assert_eq!(refused.fields()[0].pointer, "/role");
        }
        signup(app, &client(), form("ada@example.org")).await.unwrap();
        test.advance(Duration::from_secs(1));
        signup(app, &client(), form("ADA@example.org")).await.unwrap();
        let templates: Vec<Template> = test.mails().await.into_iter().map(|mail| mail.template).collect();
        assert_eq!(templates, [Template::VerifyEmail, Template::AccountExists]);
        // Every field is checked at once.
        let bad = SignUp {
            email: "x".into(),
            name: String::new(),
            phone: Some("1".into()),
            password: Password::new("short"),
            role: Role::Client,
        };
        assert_eq!(signup(app, &client(), bad).await.unwrap_err().fields().len(), 4);
        test.close().await;
    }
}

#[tokio::test]
async fn concurrent_signups_make_one_account_and_phone_numbers_are_unique() {
    for test in testing::apps().await {
        let app = test.app();
        let me = client();
        let all = (0..8).map(|_| signup(app, &me, form("one@example.org")));
        for answer in futures::future::join_all(all).await {
            answer.unwrap();
        }
        let all = (0..8).map(|n| {
            signup(app, &me, SignUp { phone: Some("+442071838750".into()), ..form(&format!("p{n}@example.org")) })
        });
        let answers = futures::future::join_all(all).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert!(
            answers.iter().filter_map(|answer| answer.as_ref().err()).all(|error| error.code() == ErrorCode::Conflict),
            "{answers:?}"
        );
        // The taken number answers the same whether or not the address has an account.
        for email in ["one@example.org", "nobody@example.org"] {
            let refused =
                signup(app, &me, SignUp { phone: Some("+442071838750".into()), ..form(email) }).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Conflict);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_addresses_answer_alike() {
    for test in testing::apps().await {
        signup(test.app(), &client(), form("ada@example.org")).await.unwrap();
        let wrong = password_login(&test, "ada@example.org", "not the password").await.unwrap_err();
        let unknown = password_login(&test, "eve@example.org", PASSWORD).await.unwrap_err();
        let odd = password_login(&test, "e\0ve@example.org", PASSWORD).await.unwrap_err();
        for error in [&unknown, &odd] {
            assert_eq!((wrong.code(), wrong.detail()), (error.code(), error.detail()));
        }
        test.close().await;
    }
}

#[tokio::test]
async fn an_old_refresh_token_ends_the_session_but_a_lost_answer_does_not() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Client, Status::Active).await;
        let email = accounts::reveal(app, &OPERATOR, user).await.unwrap().email;
        let first = password_login(&test, &email, PASSWORD).await.unwrap();
        authenticate(app, &first.access_token).await.unwrap();
        // The answer to this refresh is lost: its access token is never used, so the same token answers again.
        let _lost = refresh(app, &client(), &first.refresh_token).await.unwrap();
        let second = refresh(app, &client(), &first.refresh_token).await.unwrap();
        authenticate(app, &second.access_token).await.unwrap();
        let third = refresh(app, &client(), &second.refresh_token).await.unwrap();
        authenticate(app, &third.access_token).await.unwrap();
        // Now the new access token has arrived: the old refresh token is stolen goods.
        assert_eq!(
            refresh(app, &client(), &second.refresh_token).await.unwrap_err().code(),
            ErrorCode::Unauthenticated
        );
        assert!(authenticate(app, &third.access_token).await.is_err());
        assert!(refresh(app, &client(), &third.refresh_token).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn of_concurrent_refreshes_no_two_sessions_come() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Client, Status::Active).await;
        let email = accounts::reveal(app, &OPERATOR, user).await.unwrap().email;
        let tokens = password_login(&test, &email, PASSWORD).await.unwrap();
        authenticate(app, &tokens.access_token).await.unwrap();
        let me = client();
        let all = (0..6).map(|_| refresh(app, &me, &tokens.refresh_token));
        let good: Vec<Tokens> = futures::future::join_all(all).await.into_iter().flatten().collect();
        assert!(!good.is_empty() && good.len() <= 2, "{}", good.len());
        test.close().await;
    }
}

#[tokio::test]
async fn a_reset_works_once_and_ends_every_session() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Client, Status::Active).await;
        let (_, access) = test.log_in(user).await;
        let email = accounts::reveal(app, &OPERATOR, user).await.unwrap().email;
        forgot_password(app, &client(), &email).await.unwrap();
        forgot_password(app, &client(), "nobody@example.org").await.unwrap();
        wait_for(&test, Template::ResetPassword, 1).await;
        let older = test.token(Template::ResetPassword).await;
        test.advance(Duration::from_secs(1));
        forgot_password(app, &client(), &email).await.unwrap();
        wait_for(&test, Template::ResetPassword, 2).await;
        let token = test.token(Template::ResetPassword).await;
        let new = Password::new("another good one");
        // Only the newest counts, and a password that breaks a rule does not use it up.
        assert!(reset_password(app, &client(), &older, &new).await.is_err());
        assert!(reset_password(app, &client(), &token, &Password::new(&*email)).await.is_err());
        reset_password(app, &client(), &token, &new).await.unwrap();
        assert!(reset_password(app, &client(), &token, &new).await.is_err());
        assert!(authenticate(app, &access).await.is_err());
        assert!(password_login(&test, &email, PASSWORD).await.is_err());
        password_login(&test, &email, "another good one").await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn one_time_tokens_end_with_their_time() {
    for test in testing::apps().await {
        let app = test.app();
        signup(app, &client(), form("ada@example.org")).await.unwrap();
        let token = test.token(Template::VerifyEmail).await;
        test.advance(hours(24));
        assert!(verify_email(app, &client(), &token).await.is_err());
        resend_verification(app, &client(), "ada@example.org").await.unwrap();
        wait_for(&test, Template::VerifyEmail, 2).await;
        verify_email(app, &client(), &test.token(Template::VerifyEmail).await).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn another_address_takes_effect_when_confirmed() {
    for test in testing::apps().await {
        let app = test.app();
        let (actor, _) = test.log_in(test.user(Role::Client, Status::Active).await).await;
        let taken = test.user(Role::Client, Status::Active).await;
        let taken = accounts::reveal(app, &OPERATOR, taken).await.unwrap().email;
        let password = Password::new(PASSWORD);
        assert_eq!(
            change_email(app, &actor, &Password::new("wrong one"), "new@example.org").await.unwrap_err().code(),
            ErrorCode::Invalid
        );
        change_email(app, &actor, &password, &taken).await.unwrap();
        change_email(app, &actor, &password, "new@example.org").await.unwrap();
        let mails = test.mails().await;
        let to = |template| mails.iter().rev().find(|mail| mail.template == template).map(|mail| mail.to.clone());
        assert_eq!(to(Template::ConfirmNewEmail).unwrap(), "new@example.org");
        assert_eq!(to(Template::AccountExists).unwrap(), taken);
        let old = to(Template::EmailChanging).unwrap();
        password_login(&test, &old, PASSWORD).await.unwrap();
        confirm_email(app, &client(), &test.token(Template::ConfirmNewEmail).await).await.unwrap();
        assert!(password_login(&test, &old, PASSWORD).await.is_err());
        password_login(&test, "new@example.org", PASSWORD).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn statuses_forbid_what_they_say() {
    for test in testing::apps().await {
        let app = test.app();
        for status in Status::ALL {
            let id = test.user(Role::Worker, Status::Active).await;
            let email = accounts::reveal(app, &OPERATOR, id).await.unwrap().email;
            let tokens = password_login(&test, &email, PASSWORD).await.unwrap();
            let change = Change { reason: Some(RestrictionReason::Fraud), ..Change::default() };
            let action = match status {
                Status::Frozen => UserAction::Freeze,
                Status::Banned => UserAction::Ban,
                Status::Deleted => UserAction::Delete,
                Status::Active | Status::Unverified => continue,
            };
            accounts::act(app, &OPERATOR, id, &action, &change).await.unwrap();
            let expected = match status {
                Status::Banned => Some(ErrorCode::Forbidden),
                Status::Deleted => Some(ErrorCode::Unauthenticated),
                _ => None,
            };
            assert_eq!(
                password_login(&test, &email, PASSWORD).await.err().map(|error| error.code()),
                expected,
                "{status}"
            );
            // Tokens from before the restriction, too.
            assert_eq!(authenticate(app, &tokens.access_token).await.is_ok(), expected.is_none(), "{status}");
            assert_eq!(refresh(app, &client(), &tokens.refresh_token).await.is_ok(), expected.is_none(), "{status}");
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_banned_person_can_delete_their_data_through_the_link_only() {
    for test in testing::apps().await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Banned).await;
        delete_own_data(app, &client(), &test.token(Template::Banned).await).await.unwrap();
        assert_eq!(accounts::show(app, &OPERATOR, id).await.unwrap().user.status, Status::Deleted);
        assert!(delete_own_data(app, &client(), "nonsense").await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn nobody_ends_the_sessions_of_others() {
    for test in testing::apps().await {
        let app = test.app();
        let (ada, _) = test.log_in(test.user(Role::Client, Status::Active).await).await;
        let (eve, _) = test.log_in(test.user(Role::Client, Status::Active).await).await;
        let Actor::User(signed_in) = &ada else { unreachable!("a user logged in") };
        assert_eq!(revoke_session(app, &eve, signed_in.session).await.unwrap_err().code(), ErrorCode::NotFound);
        let own = sessions(app, &ada, &PageRequest::default()).await.unwrap().items;
        assert_eq!((own.len(), own[0].current), (1, true));
        revoke_session(app, &ada, signed_in.session).await.unwrap();
        assert!(sessions(app, &ada, &PageRequest::default()).await.unwrap().items.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn an_attacker_is_locked_out_and_the_victim_is_not() {
    for test in testing::apps_with(|config| config.limits.failed_logins = 3).await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let email = accounts::reveal(app, &OPERATOR, id).await.unwrap().email;
        let attacker = ClientInfo { ip: IpAddr::from([203, 0, 113, 9]), user_agent: "x".into() };
        for _ in 0..3 {
            assert_eq!(
                login(app, &attacker, &email, &Password::new("wrong one")).await.unwrap_err().code(),
                ErrorCode::Unauthenticated
            );
        }
        let refused = login(app, &attacker, &email, &Password::new(PASSWORD)).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        assert!(refused.retry_after_hint().unwrap() > Duration::from_secs(60));
        password_login(&test, &email, PASSWORD).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn hashes_follow_the_settings() {
    for test in testing::apps().await {
        let id = test.user(Role::Client, Status::Active).await;
        let email = accounts::reveal(test.app(), &OPERATOR, id).await.unwrap().email;
        let mut stronger = test.app().clone();
        let settings = crate::config::Argon2 { memory_kib: 128, iterations: 1, parallelism: 1 };
        stronger.hasher = crate::auth::password::Hasher::new(settings, stronger.random.clone()).unwrap();
        login(&stronger, &client(), &email, &Password::new(PASSWORD)).await.unwrap();
        let mut reader = test.app().db.read().await.unwrap();
        let hash = accounts::store::hash_of(&mut reader.conn(), id).await.unwrap().unwrap();
        assert!(hash.contains("m=128"), "{hash}");
        drop(reader);
        test.close().await;
    }
}

#[tokio::test]
async fn a_session_ends_some_day_however_much_it_is_used() {
    let few = |config: &mut crate::config::Config| {
        (config.retention.session_days, config.retention.session_max_days) = (3, 7);
    };
    let days = |count: u64| Duration::from_secs(count * 86_400);
    for test in testing::apps_with(few).await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let email = accounts::reveal(app, &OPERATOR, id).await.unwrap().email;
        let mut tokens = password_login(&test, &email, PASSWORD).await.unwrap();
        let left_alone = password_login(&test, &email, PASSWORD).await.unwrap();
        for _ in 0..3 {
            test.advance(days(2));
            tokens = refresh(app, &client(), &tokens.refresh_token).await.unwrap();
            authenticate(app, &tokens.access_token).await.unwrap();
        }
        // Six days have gone by: of three more days without use, one is left.
        test.advance(Duration::from_secs(86_340));
        let last = refresh(app, &client(), &tokens.refresh_token).await.unwrap();
        let actor = authenticate(app, &last.access_token).await.unwrap();
        test.advance(Duration::from_secs(61));
        for access in [&last.access_token, &left_alone.access_token] {
            assert_eq!(authenticate(app, access).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        }
        for token in [&last.refresh_token, &left_alone.refresh_token] {
            assert_eq!(refresh(app, &client(), token).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        }
        assert!(sessions(app, &actor, &PageRequest::default()).await.is_ok_and(|page| page.items.is_empty()));
        password_login(&test, &email, PASSWORD).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn passwords_known_from_breaches_cannot_be_chosen() {
    // What somebody wants, as the list has it.
    let wanted = "a password of another place";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, wanted.as_bytes());
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = format!("{}:7\r\n", hex::encode_upper(digest));
    std::fs::write(file.path(), format!("{:040}:1\r\n{line}{}:2\r\n", 0, "F".repeat(40))).unwrap();
    for test in testing::apps_with(|config| config.breached_passwords = Some(file.path().into())).await {
        let app = test.app();
        let refused = |answer: Result<()>| {
            let error = answer.unwrap_err();
            assert_eq!((error.code(), error.fields()[0].pointer.as_str()), (ErrorCode::Invalid, "/password"));
        };
        refused(signup(app, &client(), SignUp { password: Password::new(wanted), ..form("ada@example.org") }).await);
        signup(app, &client(), form("ada@example.org")).await.unwrap();
        forgot_password(app, &client(), "ada@example.org").await.unwrap();
        wait_for(&test, Template::ResetPassword, 1).await;
        let token = test.token(Template::ResetPassword).await;
        refused(reset_password(app, &client(), &token, &Password::new(wanted)).await);
        reset_password(app, &client(), &token, &Password::new("another of my own")).await.unwrap();
        let tokens = password_login(&test, "ada@example.org", "another of my own").await.unwrap();
        let actor = authenticate(app, &tokens.access_token).await.unwrap();
        let own = Password::new("another of my own");
        refused(change_password(app, &actor, &own, &Password::new(wanted)).await);
        test.close().await;
    }
}
