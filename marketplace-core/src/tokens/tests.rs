use std::time::Duration;

use super::{
    model::{LONGEST, NewToken, PREFIX, SHORTEST, TokenFilter, TokenStatus},
    *,
};
use crate::{
    accounts::model::{NewUser, Status, UserAction},
    actor::Actor,
    auth,
    base::{
        change::{Change, RestrictionReason},
        error::{ErrorCode, Result},
        ids::UserId,
        page::PageRequest,
        permission::{Permission, Role, permissions},
        principal::Principal,
    },
    export, kyc,
    records::audit::{self, AuditFilter},
    staff::Identity,
    testing::{self, OPERATOR, TestApp},
    users,
};

fn wish(owner: UserId, scopes: &[Permission]) -> NewToken {
    NewToken { name: "Night job".into(), scopes: scopes.to_vec(), expires_in: 86_400, owner_id: Some(owner) }
}

async fn made(test: &TestApp, owner: UserId, scopes: &[Permission]) -> model::CreatedToken {
    create(&test.app().by(&OPERATOR), &wish(owner, scopes)).await.unwrap().item
}

async fn actor(test: &TestApp, created: &model::CreatedToken) -> Result<Actor> {
    auth::authenticate(test.app(), created.secret.as_deref().unwrap()).await
}

fn code<T: std::fmt::Debug>(answer: Result<T>) -> ErrorCode {
    answer.unwrap_err().code()
}

async fn act(test: &TestApp, id: UserId, action: UserAction) -> bool {
    let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
    users::act(&test.app().by(&OPERATOR).with(change.clone()), id, &action).await.unwrap().changed
}

#[tokio::test]
async fn a_token_speaks_for_its_owner_within_its_scopes() {
    for test in testing::apps().await {
        let app = test.app();
        let owner = test.user(Role::Support, Status::Active).await;
        let created = made(&test, owner, &[Permission::KycRead, Permission::StatsRead, Permission::KycRead]).await;
        let secret = created.secret.clone().unwrap();
        assert!(secret.starts_with(PREFIX) && secret.len() == PREFIX.len() + 43, "256 bits");
        assert_eq!(created.token.scopes, [Permission::KycRead, Permission::StatsRead]);
        assert!(!format!("{created:?}").contains(&secret));
        let token = actor(&test, &created).await.unwrap();
        assert_eq!((token.principal(), token.user_id()), (Principal::token(created.token.id), Some(owner)));
        let identity = Identity::of(&token);
        assert_eq!(identity.permissions, created.token.scopes);
        assert_eq!((identity.token_id, identity.expires_at), (Some(created.token.id), Some(created.token.expires_at)));
        let page = PageRequest::default();
        kyc::list(&app.by(&token), &crate::kyc::model::KycFilter::default(), &page).await.unwrap();
        // What its owner may and it may not; and what is a person's own.
        assert_eq!(code(kyc::next(&app.by(&token)).await), ErrorCode::Forbidden);
        assert_eq!(
            code(users::list(&app.by(&token), &crate::accounts::summary::UserFilter::default(), &page).await),
            ErrorCode::Forbidden
        );
        assert_eq!(code(users::me(&app.by(&token))), ErrorCode::Forbidden);
        assert_eq!(code(auth::sessions(&app.by(&token), &page).await), ErrorCode::Forbidden);
        assert_eq!(code(auth::logout(&app.by(&token)).await), ErrorCode::Forbidden);
        assert_eq!(code(auth::logout_all(&app.by(&token)).await), ErrorCode::Forbidden);
        let password = crate::accounts::model::Password::new(testing::PASSWORD);
        assert_eq!(code(auth::change_password(&app.by(&token), &password, &password).await), ErrorCode::Forbidden);
        assert_eq!(code(auth::change_email(&app.by(&token), &password, "x@example.org").await), ErrorCode::Forbidden);
        assert_eq!(code(auth::begin_totp(&app.by(&token), &password).await), ErrorCode::Forbidden);
        assert_eq!(code(auth::confirm_totp(&app.by(&token), "000000").await), ErrorCode::Forbidden);
        assert_eq!(
            code(auth::disable_totp(&app.by(&token), &testing::client(), &password, None).await),
            ErrorCode::Forbidden
        );
        for unknown in ["mkt_", "mkt_x", &secret[..secret.len() - 1], &secret.to_uppercase()] {
            assert_eq!(code(auth::authenticate(app, unknown).await), ErrorCode::Unauthenticated, "{unknown}");
        }
        test.close().await;
    }
}

/// Every scope, for every role that staff can have.
#[tokio::test]
async fn a_token_may_what_both_its_scopes_and_its_owner_may() {
    for test in testing::apps().await {
        for role in [Role::Support, Role::Admin, Role::Auditor] {
            let owner = test.user(role, Status::Active).await;
            for scope in Permission::ALL {
                let answer = create(&test.app().by(&OPERATOR), &wish(owner, &[*scope])).await;
                let expected = scope.is_scope() && permissions(role).contains(scope);
                assert_eq!(answer.is_ok(), expected, "{role} {scope}: {answer:?}");
                let Ok(created) = answer else {
                    assert_eq!(answer.unwrap_err().fields()[0].pointer, "/scopes");
                    continue;
                };
                let token = actor(&test, &created.item).await.unwrap();
                let may: Vec<_> = Permission::ALL.iter().filter(|permission| token.may(**permission)).collect();
                assert_eq!(may, [scope]);
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_token_dies_with_whatever_ends_it() {
    for test in testing::apps().await {
        let app = test.app();
        // So that the last admin is never among the owners.
        test.user(Role::Admin, Status::Active).await;
        let dead =
            async |created: &model::CreatedToken| code(actor(&test, created).await) == ErrorCode::Unauthenticated;

        let owner = test.user(Role::Support, Status::Active).await;
        let (one, other) =
            (made(&test, owner, &[Permission::KycRead]).await, made(&test, owner, &[Permission::KycRead]).await);
        assert!(revoke(&app.by(&OPERATOR), one.token.id).await.unwrap().changed);
        assert!(dead(&one).await && actor(&test, &other).await.is_ok(), "its own revocation, and no other's");

        test.advance(Duration::from_secs(86_399));
        actor(&test, &other).await.unwrap();
        test.advance(Duration::from_secs(1));
        assert!(dead(&other).await, "its end");

        let frozen = made(&test, owner, &[Permission::KycRead]).await;
        act(&test, owner, UserAction::Freeze).await;
        assert!(dead(&frozen).await, "a freeze");
        act(&test, owner, UserAction::Unfreeze).await;
        actor(&test, &frozen).await.unwrap();

        assert!(act(&test, owner, UserAction::RevokeSessions).await, "there was a token to end");
        assert!(dead(&frozen).await, "the end of all sessions");

        let demoted = made(&test, owner, &[Permission::KycRead]).await;
        act(&test, owner, UserAction::SetRole { role: Role::Auditor }).await;
        act(&test, owner, UserAction::SetRole { role: Role::Support }).await;
        assert!(dead(&demoted).await, "another role, for good");

        let banned = made(&test, owner, &[Permission::KycRead]).await;
        act(&test, owner, UserAction::Ban).await;
        assert!(dead(&banned).await, "a ban");
        act(&test, owner, UserAction::Unban).await;
        assert!(dead(&banned).await, "a ban, for good");

        let erased = made(&test, owner, &[Permission::KycRead]).await;
        let filter = TokenFilter { owner_id: Some(owner) };
        assert_eq!(list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items.len(), 6);
        act(&test, owner, UserAction::Delete).await;
        assert!(dead(&erased).await, "an erasure");
        assert!(list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn tokens_are_an_admins_and_no_token_makes_more_of_itself() {
    for test in testing::apps().await {
        let app = test.app();
        let admin = test.actor(Role::Admin).await;
        let change = Change::default();
        let own = NewToken { owner_id: None, ..wish(admin.user_id().unwrap(), &[Permission::KycRead]) };
        let created = create(&app.by(&admin).with(change.clone()), &own).await.unwrap().item;
        assert_eq!(Some(created.token.owner_id), admin.user_id(), "one's own, unless another is named");
        assert_eq!(
            create(&app.by(&OPERATOR).with(change.clone()), &own).await.unwrap_err().fields()[0].pointer,
            "/owner_id"
        );
        for role in [Role::Support, Role::Auditor, Role::Client] {
            let other = test.actor(role).await;
            assert_eq!(code(create(&app.by(&other).with(change.clone()), &own).await), ErrorCode::Forbidden);
            assert_eq!(
                code(revoke(&app.by(&other).with(change.clone()), created.token.id).await),
                ErrorCode::Forbidden
            );
            let listed = list(&app.by(&other), &TokenFilter::default(), &PageRequest::default()).await;
            assert_eq!(listed.is_ok(), role != Role::Client);
        }
        assert_eq!(
            code(create(&app.by(&actor(&test, &created).await.unwrap()).with(change.clone()), &own).await),
            ErrorCode::Forbidden
        );
        let id = admin.user_id().unwrap();
        let maker = made(&test, id, &[Permission::TokensWrite, Permission::KycRead]).await;
        let maker = actor(&test, &maker).await.unwrap();
        create(&app.by(&maker).with(change.clone()), &own).await.unwrap();
        let more = NewToken { scopes: vec![Permission::UsersAdmin], ..own.clone() };
        assert_eq!(code(create(&app.by(&maker).with(change.clone()), &more).await), ErrorCode::Forbidden);
        let longer = NewToken { expires_in: 86_401, ..own.clone() };
        assert_eq!(
            create(&app.by(&maker).with(change.clone()), &longer).await.unwrap_err().fields()[0].pointer,
            "/expires_in"
        );
        // Whoever cannot log in as staff owns none.
        for (role, status) in [
            (Role::Client, Status::Active),
            (Role::Worker, Status::Active),
            (Role::Support, Status::Frozen),
            (Role::Support, Status::Banned),
            (Role::Support, Status::Unverified),
        ] {
            let owner = test.user(role, status).await;
            let refused =
                create(&app.by(&admin).with(change.clone()), &wish(owner, &[Permission::KycRead])).await.unwrap_err();
            assert_eq!(refused.fields()[0].pointer, "/owner_id", "{role} {status}");
        }
        test.close().await;
    }
}

/// Of all that an admin may, but for one thing: the one who has it gives only what they may do themselves, whichever way.
#[tokio::test]
async fn nobody_gives_away_through_a_token_what_it_may_not_do() {
    for test in testing::apps().await {
        let app = test.app();
        let owner = test.user(Role::Admin, Status::Active).await;
        let all: Vec<Permission> = permissions(Role::Admin).iter().copied().filter(|scope| scope.is_scope()).collect();
        let whole = actor(&test, &made(&test, owner, &all).await).await.unwrap();
        let admins_only = actor(&test, &made(&test, owner, &[Permission::UsersAdmin]).await).await.unwrap();
        let client = test.user(Role::Client, Status::Active).await;
        export::of_user(&app.by(&whole), client, None).await.unwrap();
        assert_eq!(code(export::of_user(&app.by(&admins_only), client, None).await), ErrorCode::Forbidden);
        let mut given = 0;
        for role in Role::ALL {
            for missing in &all {
                let scopes: Vec<Permission> = all.iter().copied().filter(|scope| scope != missing).collect();
                let token = actor(&test, &made(&test, owner, &scopes).await).await.unwrap();
                let may_give = !permissions(*role).contains(missing);
                let preview = Change { dry_run: true, reason: Some(RestrictionReason::Other), ..Change::default() };
                let new = NewUser { role: *role, email: "new@example.org".into(), name: "New".into(), phone: None };
                let answer = users::create(&app.by(&token).with(preview.clone()), &new).await;
                assert_eq!(
                    answer.is_ok(),
                    may_give && *missing != Permission::UsersAdmin,
                    "{role} {missing}: {answer:?}"
                );
                let action = UserAction::SetRole { role: *role };
                let answer = users::act(&app.by(&token).with(preview.clone()), client, &action).await;
                assert_eq!(
                    answer.is_ok(),
                    may_give && *missing != Permission::UsersAdmin,
                    "{role} {missing}: {answer:?}"
                );
                given += usize::from(answer.is_ok());
            }
        }
        assert!(given > 30, "clients and workers can be made by whoever manages users: {given}");
        // Nor does anybody get back what they do not have, and restricting stays possible.
        for role in [Role::Support, Role::Admin] {
            let banned = test.user(role, Status::Banned).await;
            let proof = Some(crate::base::change::IdentityProof::Colleague);
            let change = Change { reason: Some(RestrictionReason::Other), proof, ..Change::default() };
            for action in [UserAction::Unban, UserAction::ResetTotp] {
                assert_eq!(
                    code(users::act(&app.by(&admins_only).with(change.clone()), banned, &action).await),
                    ErrorCode::Forbidden
                );
            }
            users::act(&app.by(&whole).with(change.clone()), banned, &UserAction::Unban).await.unwrap();
            users::act(&app.by(&admins_only).with(change.clone()), banned, &UserAction::Ban).await.unwrap();
        }
        test.close().await;
    }
}

#[tokio::test]
async fn staff_who_must_have_a_second_factor_have_no_tokens_without() {
    for test in testing::apps().await {
        let app = test.app();
        let owner = test.user(Role::Admin, Status::Active).await;
        let created = made(&test, owner, &[Permission::UsersRead]).await;
        actor(&test, &created).await.unwrap();
        let mut strict = app.clone();
        strict.config =
            std::sync::Arc::new(crate::platform::config::Config { require_staff_totp: true, ..(*app.config).clone() });
        let secret = created.secret.clone().unwrap();
        let refused = auth::authenticate(&strict, &secret).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Forbidden);
        assert_eq!(refused.second_factor_hint(), Some(crate::base::error::SecondFactor::Enrol));
        let wish = wish(owner, &[Permission::UsersRead]);
        assert_eq!(create(&strict.by(&OPERATOR), &wish).await.unwrap_err().fields()[0].pointer, "/owner_id");
        let (me, _) = test.log_in(owner).await;
        let password = crate::accounts::model::Password::new(testing::PASSWORD);
        let begun = auth::begin_totp(&strict.by(&me), &password).await.unwrap();
        assert!(auth::authenticate(&strict, &secret).await.is_err(), "begun is not enrolled");
        auth::confirm_totp(&strict.by(&me), &testing::totp_code(&begun.secret, app.now())).await.unwrap();
        auth::authenticate(&strict, &secret).await.unwrap();
        create(&strict.by(&OPERATOR), &wish).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn what_is_wanted_is_checked() {
    let test = testing::app().await;
    let owner = test.user(Role::Admin, Status::Active).await;
    let good = wish(owner, &[Permission::KycRead]);
    for (pointer, bad) in [
        ("/name", NewToken { name: " ".into(), ..good.clone() }),
        ("/name", NewToken { name: "x".repeat(101), ..good.clone() }),
        ("/scopes", NewToken { scopes: Vec::new(), ..good.clone() }),
        ("/scopes", NewToken { scopes: vec![Permission::KycRead, Permission::OwnAccount], ..good.clone() }),
        ("/expires_in", NewToken { expires_in: SHORTEST - 1, ..good.clone() }),
        ("/expires_in", NewToken { expires_in: LONGEST + 1, ..good.clone() }),
        ("/expires_in", NewToken { expires_in: u64::MAX, ..good.clone() }),
    ] {
        let refused = create(&test.app().by(&OPERATOR), &bad).await.unwrap_err();
        assert_eq!((refused.code(), refused.fields()[0].pointer.as_str()), (ErrorCode::Invalid, pointer));
    }
    for expires_in in [SHORTEST, LONGEST] {
        let good = NewToken { expires_in, ..good.clone() };
        create(&test.app().by(&OPERATOR), &good).await.unwrap();
    }
    let nobody = UserId::new(test.app().now(), &crate::base::random::OsRandom);
    let nobody = create(&test.app().by(&OPERATOR), &wish(nobody, &[Permission::KycRead])).await;
    assert_eq!(code(nobody), ErrorCode::NotFound);
    test.close().await;
}

#[tokio::test]
async fn what_was_done_is_on_record_and_previews_do_nothing() {
    for test in testing::apps().await {
        let app = test.app();
        let owner = test.user(Role::Admin, Status::Active).await;
        let dry = Change { dry_run: true, ..Change::default() };
        let preview =
            create(&app.by(&OPERATOR).with(dry.clone()), &wish(owner, &[Permission::UsersWrite])).await.unwrap().item;
        assert_eq!(preview.secret, None);
        assert!(
            list(&app.by(&OPERATOR), &TokenFilter::default(), &PageRequest::default()).await.unwrap().items.is_empty()
        );

        let created = made(&test, owner, &[Permission::UsersWrite]).await;
        let id = created.token.id;
        assert_eq!(created.token.last_used_at, None);
        let token = actor(&test, &created).await.unwrap();
        let subject = test.user(Role::Client, Status::Active).await;
        users::note(&app.by(&token), subject, "by night").await.unwrap();
        // Nobody acts on their own account, and no token on its owner's.
        let oneself = users::act(&app.by(&token), owner, &UserAction::RevokeSessions).await;
        assert_eq!(code(oneself), ErrorCode::Forbidden);
        let used = async || {
            list(&app.by(&OPERATOR), &TokenFilter::default(), &PageRequest::default()).await.unwrap().items[0]
                .last_used_at
        };
        let first = used().await.unwrap();
        test.advance(Duration::from_secs(599));
        actor(&test, &created).await.unwrap();
        assert_eq!(used().await, Some(first), "coarsely");
        test.advance(Duration::from_secs(1));
        actor(&test, &created).await.unwrap();
        assert!(used().await.unwrap() > first);

        assert!(revoke(&app.by(&OPERATOR).with(dry.clone()), id).await.unwrap().changed);
        actor(&test, &created).await.unwrap();
        let noted = Change { note: Some("leaked".into()), ..Change::default() };
        let revoked = revoke(&app.by(&OPERATOR).with(noted.clone()), id).await.unwrap();
        assert_eq!((revoked.changed, revoked.item.status), (true, TokenStatus::Revoked));
        assert_eq!(revoked.item.revoked_by, Some(OPERATOR.principal()));
        assert!(!revoke(&app.by(&OPERATOR).with(noted.clone()), id).await.unwrap().changed);
        assert_eq!(users::show(&app.by(&OPERATOR), owner).await.unwrap().notes[0].body, "leaked");

        let about = AuditFilter { target: Some(id.to_string()), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&OPERATOR), &about, &PageRequest::default()).await.unwrap().items;
        assert_eq!(
            rows.iter().map(|row| row.action.to_string()).collect::<Vec<_>>(),
            ["tokens.revoke", "tokens.create"]
        );
        let secret = created.secret.unwrap();
        for row in &rows {
            assert!(
                !row.metadata.to_string().contains("Night job") && !row.metadata.to_string().contains("leaked"),
                "{}",
                row.metadata
            );
            assert!(!row.metadata.to_string().contains(&secret));
        }
        let by_token = AuditFilter { actor: Some(Principal::token(id)), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&OPERATOR), &by_token, &PageRequest::default()).await.unwrap().items;
        assert_eq!(rows.iter().map(|row| row.action.to_string()).collect::<Vec<_>>(), ["users.note"]);
        test.close().await;
    }
}

#[tokio::test]
async fn the_secret_is_nowhere_and_old_tokens_are_forgotten() {
    for test in testing::apps().await {
        let app = test.app();
        let owner = test.user(Role::Admin, Status::Active).await;
        let created = made(&test, owner, &[Permission::KycRead]).await;
        let secret = created.secret.unwrap();
        let mut reader = app.db.read().await.unwrap();
        let kept = q!(&mut reader.conn() => val Vec<u8>, "SELECT hash FROM api_tokens").unwrap();
        drop(reader);
        assert_eq!(kept, crate::platform::access_token::hash(&secret));
        test.advance(Duration::from_secs(90 * 86_400));
        assert_eq!(prune(app).await.unwrap(), 0);
        test.advance(Duration::from_secs(86_401));
        assert_eq!(prune(app).await.unwrap(), 1);
        test.close().await;
    }
}
