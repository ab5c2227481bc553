mod takeover;

use std::{net::IpAddr, time::Duration};

use super::*;
use crate::{
    accounts::{
        self,
        model::{Password, SignUp, UserAction},
    },
    actor::Actor,
    auth::{self, ClientInfo, Tokens},
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        language::Language,
        page::PageRequest,
        patch::Patch,
        permission::{Role, TraderRole},
    },
    platform::config,
    testing::{self, OPERATOR, PASSWORD, TestApp, client},
    users,
};

fn form(email: &str) -> SignUp {
    SignUp {
        role: TraderRole::Worker,
        email: email.into(),
        password: Password::new(PASSWORD),
        name: "Ada Obi".into(),
        phone: None,
        language: None,
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

/// The token of a mail that takes the place of one that waits.
async fn newer(test: &TestApp, template: Template, than: &str) -> String {
    for _ in 0..400 {
        let token = test.token(template).await;
        if token != than {
            return token;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no newer mail of {template}");
}

#[tokio::test]
async fn from_signup_to_logout() {
    for test in testing::apps().await {
        let app = test.app();
        signup(app, &client(), form("Ada@Example.org")).await.unwrap();
        let tokens = password_login(&test, "ADA@example.ORG ", PASSWORD).await.unwrap();
        let actor = authenticate(app, &tokens.access_token).await.unwrap();
        let me = users::me(&app.by(&actor)).unwrap();
        assert_eq!((me.email.as_str(), me.status), ("Ada@Example.org", Status::Unverified));
        // Unverified: may only verify, ask again, or go.
        let update = users::UpdateMe { name: Patch::Set("Eve".into()), phone: Patch::Keep };
        assert_eq!(users::update_me(&app.by(&actor), update).await.unwrap_err().code(), ErrorCode::Forbidden);

        let token = test.token(Template::VerifyEmail).await;
        verify_email(app, &client(), &token).await.unwrap();
        assert_eq!(verify_email(app, &client(), &token).await.unwrap_err().code(), ErrorCode::Invalid);
        let actor = authenticate(app, &tokens.access_token).await.unwrap();
        assert_eq!(users::me(&app.by(&actor)).unwrap().status, Status::Active);

        logout(&app.by(&actor)).await.unwrap();
        assert_eq!(authenticate(app, &tokens.access_token).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        assert!(refresh(app, &client(), &tokens.refresh_token).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn signup_answers_alike_and_checks_every_field() {
    for test in testing::apps().await {
        let app = test.app();
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
            language: None,
            password: Password::new("short"),
            role: TraderRole::Client,
        };
        assert_eq!(signup(app, &client(), bad).await.unwrap_err().fields().len(), 4);
        test.close().await;
    }
}

#[tokio::test]
async fn concurrent_signups_make_one_account() {
    for test in testing::apps().await {
        let me = client();
        let all = (0..8).map(|_| signup(test.app(), &me, form("one@example.org")));
        for answer in futures::future::join_all(all).await {
            answer.unwrap();
        }
        test.close().await;
    }
}

/// Not by the answer to signing up, nor by what the new account shows of itself, which needs no mailbox.
#[tokio::test]
async fn signing_up_does_not_tell_whose_number_it_is() {
    const NUMBER: &str = "+442071838750";
    for test in testing::apps().await {
        let app = test.app();
        let me = client();
        let with_number = |email: &str| SignUp { phone: Some("+44 (0)20 7183-8750".into()), ..form(email) };
        let all = (0..8).map(|n| signup(app, &me, with_number(&format!("p{n}@example.org"))));
        for answer in futures::future::join_all(all).await {
            answer.unwrap();
        }
        let phone = async |email: &str| {
            let tokens = password_login(&test, email, PASSWORD).await.unwrap();
            users::me(&app.by(&authenticate(app, &tokens.access_token).await.unwrap())).unwrap().phone
        };
        // Nobody has it who did not confirm the address; who does first has it.
        assert_eq!(phone("p0@example.org").await, None);
        let links: Vec<String> = test
            .mails()
            .await
            .into_iter()
            .filter(|mail| mail.template == Template::VerifyEmail)
            .filter_map(|mail| mail.token)
            .collect();
        assert_eq!(links.len(), 8);
        for answer in futures::future::join_all(links.iter().map(|link| verify_email(app, &me, link))).await {
            if let Err(error) = answer {
                assert_eq!(error.code(), ErrorCode::Busy, "{error:?}");
            }
        }
        for link in &links {
            // Who was too late may try again.
            let _ = verify_email(app, &me, link).await;
        }
        let mut holders = 0;
        for n in 0..8 {
            let email = format!("p{n}@example.org");
            match phone(&email).await.as_deref() {
                Some(NUMBER) => holders += 1,
                other => assert_eq!(other, None),
            }
        }
        assert_eq!(holders, 1);
        // A number that is somebody's answers like one that is nobody's, and the account is there.
        for number in [NUMBER, "+33142685300"] {
            test.advance(Duration::from_secs(1));
            let email = format!("late{}@example.org", &number[1..]);
            signup(app, &me, SignUp { phone: Some(number.into()), ..form(&email) }).await.unwrap();
            assert_eq!(phone(&email).await, None);
        }
        let late = test.token(Template::VerifyEmail).await;
        verify_email(app, &me, &late).await.unwrap();
        assert_eq!(phone("late33142685300@example.org").await.as_deref(), Some("+33142685300"));
        // Staff find whoever has it by it.
        let filter = crate::accounts::summary::UserFilter { q: Some("+33142685300".into()), ..Default::default() };
        let found = users::list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items;
        assert_eq!(found.len(), 1);
        test.close().await;
    }
}

/// Once logged in, somebody learns it, and can ask a few times only.
#[tokio::test]
async fn numbers_are_not_asked_for_one_after_another() {
    for test in testing::apps_with(|config| config.limits.failed_logins = 3).await {
        let app = test.app();
        let actor = test.actor(Role::Client).await;
        let ask = async |n: u32| {
            let update = users::UpdateMe { name: Patch::Keep, phone: Patch::Set(format!("+4420718387{n:02}")) };
            users::update_me(&app.by(&actor), update).await
        };
        for n in 0..3 {
            ask(n).await.unwrap();
        }
        assert_eq!(ask(3).await.unwrap_err().code(), ErrorCode::RateLimited);
        // What is theirs already is no question, and neither is another name.
        let (actor, _) = test.log_in(actor.user_id().unwrap()).await;
        let update = users::UpdateMe { name: Patch::Set("Eve".into()), phone: Patch::Set("+442071838702".into()) };
        users::update_me(&app.by(&actor), update).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn unicode_and_punycode_are_one_address() {
    for test in testing::apps().await {
        let app = test.app();
        signup(app, &client(), form("Jon@MÜNCHEN.example")).await.unwrap();
        signup(app, &client(), form("jon@xn--mnchen-3ya.example")).await.unwrap();
        let templates: Vec<Template> = test.mails().await.into_iter().map(|mail| mail.template).collect();
        assert_eq!(templates.len(), 2);
        assert!(templates.contains(&Template::VerifyEmail) && templates.contains(&Template::AccountExists));
        for spelling in ["jon@münchen.example", "JON@xn--mnchen-3ya.EXAMPLE", "jon@mu\u{308}nchen.example"] {
            password_login(&test, spelling, PASSWORD).await.unwrap();
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_password_is_the_same_however_it_is_composed() {
    for test in testing::apps().await {
        let app = test.app();
        let (composed, decomposed) = ("für Ångström im März", "fu\u{308}r A\u{30A}ngstro\u{308}m im\u{A0}Ma\u{308}rz");
        let new = SignUp { password: Password::new(decomposed), ..form("ada@example.org") };
        signup(app, &client(), new).await.unwrap();
        for typed in [composed, decomposed] {
            password_login(&test, "ada@example.org", typed).await.unwrap();
        }
        // A hash of the release before, over what was sent: good, and made anew.
        let mut reader = app.db.read().await.unwrap();
        let (account, _) = accounts::store::by_email(&mut reader.conn(), "ada@example.org").await.unwrap().unwrap();
        drop(reader);
        let hash = as_sent(app, decomposed);
        app.db
            .write(move |c| {
                futures::FutureExt::boxed(async move {
                    accounts::store::set_password(c, account.id, &hash, account.created_at).await
                })
            })
            .await
            .unwrap();
        assert!(password_login(&test, "ada@example.org", composed).await.is_err());
        password_login(&test, "ada@example.org", decomposed).await.unwrap();
        password_login(&test, "ada@example.org", composed).await.unwrap();
        test.close().await;
    }
}

/// As the release before hashed.
fn as_sent(app: &App, password: &str) -> String {
    use argon2::password_hash::PasswordHasher;
    let config::Argon2 { memory_kib, iterations, parallelism } = app.config.argon2;
    let params = argon2::Params::new(memory_kib, iterations, parallelism, None).unwrap();
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash: argon2::password_hash::phc::PasswordHash =
        argon.hash_password_with_salt(password.as_bytes(), &[7; 16]).unwrap();
    hash.to_string()
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
async fn an_old_refresh_token_ends_the_session_but_two_tabs_and_a_lost_answer_do_not() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&app.by(&OPERATOR), user, None).await.unwrap().email;
        let first = password_login(&test, &email, PASSWORD).await.unwrap();
        let again = async |tokens: &Tokens| refresh(app, &client(), &tokens.refresh_token).await;
        let second = again(&first).await.unwrap();
        assert_ne!(second.refresh_token, first.refresh_token);
        // Whatever is used meanwhile: the new access token, and the new refresh token as well.
        authenticate(app, &second.access_token).await.unwrap();
        test.advance(Duration::from_secs(5));
        let third = again(&second).await.unwrap();
        test.advance(Duration::from_secs(9));
        for _ in 0..20 {
            let tab = again(&first).await.unwrap();
            assert_eq!(tab.refresh_token, second.refresh_token, "the same successor");
            authenticate(app, &tab.access_token).await.unwrap();
        }
        assert_eq!(again(&second).await.unwrap().refresh_token, third.refresh_token);
        let last = again(&third).await.unwrap();
        // 15 seconds after its first use, however often it was used since, it is stolen goods.
        test.advance(Duration::from_secs(1));
        assert_eq!(again(&first).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        assert!(authenticate(app, &last.access_token).await.is_err());
        for tokens in [&second, &third, &last] {
            assert_eq!(again(tokens).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn of_concurrent_refreshes_all_go_on_with_one_session_and_no_row_is_added() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&app.by(&OPERATOR), user, None).await.unwrap().email;
        let tokens = password_login(&test, &email, PASSWORD).await.unwrap();
        let me = client();
        let mut newest = tokens.refresh_token;
        for _ in 0..3 {
            let all = (0..12).map(|_| refresh(app, &me, &newest));
            let all: Vec<Tokens> = futures::future::try_join_all(all).await.unwrap();
            newest.clone_from(&all[0].refresh_token);
            assert!(all.iter().all(|tokens| tokens.refresh_token == newest));
        }
        let mut reader = app.db.read().await.unwrap();
        let (sessions, rows) = q!(&mut reader.conn() => one (i64, i64),
            "SELECT (SELECT CAST(count(*) AS BIGINT) FROM sessions), (SELECT CAST(count(*) AS BIGINT) FROM refresh_tokens)")
        .unwrap();
        assert_eq!((sessions, rows), (1, 0));
        drop(reader);
        test.close().await;
    }
}

/// Whoever reads the database can make no token of what is there, and whoever made one up ends nobody's session.
#[tokio::test]
async fn made_up_refresh_tokens_are_unknown_and_end_nothing() {
    for test in testing::apps().await {
        let app = test.app();
        let (actor, _) = test.log_in(test.user(Role::Client, Status::Active).await).await;
        let session = actor.require_session().unwrap().session;
        let mut reader = app.db.read().await.unwrap();
        let secret =
            q!(&mut reader.conn() => val Vec<u8>, "SELECT refresh_secret FROM sessions WHERE id = $1", session)
                .unwrap();
        drop(reader);
        let elsewhere = tempfile::tempdir().unwrap();
        let other = crate::platform::keys::Keys::open(elsewhere.path(), app.random.as_ref()).unwrap();
        for made_up in [
            super::super::refresh::token(&other, session, 1, &secret),
            super::super::refresh::token(&other, session, 0, &secret),
            super::super::refresh::token(&app.keys, session, 1, b"another"),
            String::new(),
            "x".repeat(100_000),
        ] {
            let refused = refresh(app, &client(), &made_up).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Unauthenticated);
        }
        assert_eq!(sessions(&app.by(&actor), &PageRequest::default()).await.unwrap().items.len(), 1);
        test.close().await;
    }
}

/// Each of them had a row.
#[tokio::test]
async fn refresh_tokens_of_the_release_before_go_on() {
    for test in testing::apps().await {
        let app = test.app();
        let (actor, _) = test.log_in(test.user(Role::Client, Status::Active).await).await;
        let session = actor.require_session().unwrap().session;
        let before = ["first", "second", "third"].map(|name| (name, token::hash(name)));
        app.db
            .write(move |c| {
                futures::FutureExt::boxed(async move {
                    q!(c => exec, "UPDATE sessions SET refresh_secret = NULL, generation = 3 WHERE id = $1", session)?;
                    for (generation, (_, hash)) in (1_i64..).zip(before) {
                        q!(c => exec, "INSERT INTO refresh_tokens (hash, session_id, generation) VALUES ($1, $2, $3)", hash, session, generation)?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
        let next = refresh(app, &client(), "third").await.unwrap();
        assert_eq!(refresh(app, &client(), "third").await.unwrap().refresh_token, next.refresh_token);
        let after = refresh(app, &client(), &next.refresh_token).await.unwrap();
        authenticate(app, &after.access_token).await.unwrap();
        // And an old one of them is old.
        assert!(refresh(app, &client(), "second").await.is_err());
        assert!(authenticate(app, &after.access_token).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn a_reset_works_once_and_ends_every_session() {
    for test in testing::apps().await {
        let app = test.app();
        let user = test.user(Role::Client, Status::Active).await;
        let (_, access) = test.log_in(user).await;
        let email = users::reveal(&app.by(&OPERATOR), user, None).await.unwrap().email;
        forgot_password(app, &client(), &email).await.unwrap();
        forgot_password(app, &client(), "nobody@example.org").await.unwrap();
        wait_for(&test, Template::ResetPassword, 1).await;
        let older = test.token(Template::ResetPassword).await;
        test.advance(Duration::from_secs(1));
        forgot_password(app, &client(), &email).await.unwrap();
        let token = newer(&test, Template::ResetPassword, &older).await;
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
        verify_email(app, &client(), &newer(&test, Template::VerifyEmail, &token).await).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn another_address_takes_effect_when_confirmed() {
    for test in testing::apps().await {
        let app = test.app();
        let (actor, _) = test.log_in(test.user(Role::Client, Status::Active).await).await;
        let taken = test.user(Role::Client, Status::Active).await;
        let taken = users::reveal(&app.by(&OPERATOR), taken, None).await.unwrap().email;
        let password = Password::new(PASSWORD);
        assert_eq!(
            change_email(&app.by(&actor), &Password::new("wrong one"), "new@example.org").await.unwrap_err().code(),
            ErrorCode::Invalid
        );
        change_email(&app.by(&actor), &password, &taken).await.unwrap();
        change_email(&app.by(&actor), &password, "new@example.org").await.unwrap();
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
            let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
            let tokens = password_login(&test, &email, PASSWORD).await.unwrap();
            let change = Change { reason: Some(RestrictionReason::Fraud), ..Change::default() };
            let action = match status {
                Status::Frozen => UserAction::Freeze,
                Status::Banned => UserAction::Ban,
                Status::Deleted => UserAction::Delete,
                Status::Active | Status::Unverified => continue,
            };
            users::act(&app.by(&OPERATOR).with(change.clone()), id, &action).await.unwrap();
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
        assert_eq!(users::show(&app.by(&OPERATOR), id).await.unwrap().user.status, Status::Deleted);
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
        assert_eq!(revoke_session(&app.by(&eve), signed_in.session).await.unwrap_err().code(), ErrorCode::NotFound);
        let own = sessions(&app.by(&ada), &PageRequest::default()).await.unwrap().items;
        assert_eq!((own.len(), own[0].current), (1, true));
        revoke_session(&app.by(&ada), signed_in.session).await.unwrap();
        assert!(sessions(&app.by(&ada), &PageRequest::default()).await.unwrap().items.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn an_attacker_is_locked_out_and_the_victim_is_not() {
    for test in testing::apps_with(|config| config.limits.failed_logins = 3).await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
        let attacker = ClientInfo { ip: IpAddr::from([203, 0, 113, 9]), user_agent: "x".into(), language: None };
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
        let email = users::reveal(&test.app().by(&OPERATOR), id, None).await.unwrap().email;
        let mut stronger = test.app().clone();
        let settings = crate::platform::config::Argon2 { memory_kib: 128, iterations: 1, parallelism: 1 };
        stronger.hasher = crate::platform::passwords::Hasher::new(settings, stronger.random.clone()).unwrap();
        login(&stronger, &client(), &email, &Password::new(PASSWORD)).await.unwrap();
        let mut reader = test.app().db.read().await.unwrap();
        let hash = accounts::store::hash_of(&mut reader.conn(), id).await.unwrap().unwrap();
        assert!(hash.contains("m=128"), "{hash}");
        drop(reader);
        test.close().await;
    }
}

#[tokio::test]
async fn changing_a_password_takes_the_old_one_and_ends_every_other_session() {
    for test in testing::apps().await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
        let (mine, theirs) = (
            password_login(&test, &email, PASSWORD).await.unwrap(),
            password_login(&test, &email, PASSWORD).await.unwrap(),
        );
        let me = authenticate(app, &mine.access_token).await.unwrap();
        let new = Password::new("another of my own");
        let refused = change_password(&app.by(&me), &Password::new("not the old one"), &new).await.unwrap_err();
        assert_eq!(refused.fields()[0].pointer, "/current_password");
        authenticate(app, &theirs.access_token).await.unwrap();
        password_login(&test, &email, PASSWORD).await.unwrap();
        change_password(&app.by(&me), &Password::new(PASSWORD), &new).await.unwrap();
        authenticate(app, &mine.access_token).await.unwrap();
        refresh(app, &client(), &mine.refresh_token).await.unwrap();
        assert_eq!(authenticate(app, &theirs.access_token).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        assert!(refresh(app, &client(), &theirs.refresh_token).await.is_err());
        assert!(password_login(&test, &email, PASSWORD).await.is_err());
        password_login(&test, &email, "another of my own").await.unwrap();
        assert!(test.mails().await.iter().any(|mail| mail.template == Template::PasswordChanged && mail.to == email));
        test.close().await;
    }
}

#[tokio::test]
async fn no_password_ends_by_its_age() {
    for test in testing::apps().await {
        let id = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&test.app().by(&OPERATOR), id, None).await.unwrap().email;
        test.advance(Duration::from_secs(20 * 365 * 86_400));
        password_login(&test, &email, PASSWORD).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_one_that_is_used_goes_on() {
    let few = |config: &mut config::Config| {
        (config.retention.session_days, config.retention.session_max_days) = (3, 300);
    };
    for test in testing::apps_with(few).await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
        let mut used = password_login(&test, &email, PASSWORD).await.unwrap();
        let left = password_login(&test, &email, PASSWORD).await.unwrap();
        let second = Duration::from_secs(1);
        for day in 0..3 {
            test.advance(if day == 2 { Duration::from_secs(86_399) } else { Duration::from_secs(86_400) });
            used = refresh(app, &client(), &used.refresh_token).await.unwrap();
        }
        let all = async || {
            let actor = authenticate(app, &used.access_token).await.unwrap();
            sessions(&app.by(&actor), &PageRequest::default()).await.unwrap().items.len()
        };
        assert_eq!(all().await, 2, "both live, a second before");
        test.advance(second);
        assert_eq!(all().await, 1);
        for token in [&left.refresh_token, "made up"] {
            assert_eq!(refresh(app, &client(), token).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        }
        refresh(app, &client(), &used.refresh_token).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn a_session_ends_some_day_however_much_it_is_used() {
    let few = |config: &mut crate::platform::config::Config| {
        (config.retention.session_days, config.retention.session_max_days) = (3, 7);
    };
    let days = |count: u64| Duration::from_secs(count * 86_400);
    for test in testing::apps_with(few).await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        let email = users::reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
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
        assert!(sessions(&app.by(&actor), &PageRequest::default()).await.is_ok_and(|page| page.items.is_empty()));
        password_login(&test, &email, PASSWORD).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn passwords_known_from_breaches_cannot_be_chosen() {
    // What somebody wants, as the list has it.
    let wanted = "a password of another place";
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, wanted.as_bytes());
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
        refused(change_password(&app.by(&actor), &own, &Password::new(wanted)).await);
        test.close().await;
    }
}

#[tokio::test]
async fn log_ins_while_the_database_is_away_lock_nobody_out() {
    let test = testing::app().await;
    test.app().db.close().await;
    for _ in 0..20 {
        let error = password_login(&test, "ada@example.org", PASSWORD).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable);
    }
    test.app().limiter.try_login(client().ip, "ada@example.org").await.unwrap();
}

#[tokio::test]
async fn a_new_account_has_the_language_that_is_given_or_preferred() {
    for test in testing::apps().await {
        let app = test.app();
        let german = ClientInfo { language: Some(Language::De), ..client() };
        signup(app, &german, form("ada@example.org")).await.unwrap();
        signup(app, &german, SignUp { language: Some(Language::Fr), ..form("bea@example.org") }).await.unwrap();
        signup(app, &client(), form("cleo@example.org")).await.unwrap();
        // Who has an account keeps their language.
        let spanish = ClientInfo { language: Some(Language::Es), ..client() };
        signup(app, &spanish, form("ada@example.org")).await.unwrap();
        let mut reader = app.db.read().await.unwrap();
        let found = q!(&mut reader.conn() => all (String, Option<Language>),
            "SELECT u.email_norm, s.language FROM users u LEFT JOIN notification_settings s ON s.user_id = u.id \
             WHERE u.email_norm IS NOT NULL ORDER BY u.email_norm");
        drop(reader);
        let of = |name: &str, language| (format!("{name}@example.org"), language);
        let expected = [of("ada", Some(Language::De)), of("bea", Some(Language::Fr)), of("cleo", None)];
        assert_eq!(found.unwrap(), expected);
        test.close().await;
    }
}
