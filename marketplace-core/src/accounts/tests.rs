use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::{
    model::{Account, NewUser, Status, UserAction},
    *,
};
use crate::{
    accounts::summary::UserFilter,
    actor::Actor,
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        ids::UserId,
        page::PageRequest,
        patch::Patch,
        permission::{Permission, Role, permissions},
        random::OsRandom,
        text_enum::Name,
        time::Timestamp,
    },
    kyc::status::KycStatus,
    records::audit::{self, AuditAction, AuditFilter},
    testing::{self, OPERATOR, TestApp},
    users::{Step, UpdateMe, act, create, delete_me, list, me, note, notes, reveal, show, step, update_me},
};

fn because(reason: RestrictionReason) -> Change {
    Change { reason: Some(reason), ..Change::default() }
}

fn account(status: Status, email_verified: bool) -> Account {
    Account {
        id: UserId::new(Timestamp::EPOCH, &OsRandom),
        role: Role::Client,
        status,
        email: "a@b.co".into(),
        email_verified,
        name: "Ada".into(),
        phone: None,
        kyc_status: KycStatus::None,
        kyc_prior: KycStatus::None,
        kyc_effective_at: None,
        kyc_expires_at: None,
        version: 1,
        created_at: Timestamp::EPOCH,
    }
}

fn actions() -> Vec<UserAction> {
    let mut all = vec![
        UserAction::Freeze,
        UserAction::Unfreeze,
        UserAction::Ban,
        UserAction::Unban,
        UserAction::Delete,
        UserAction::RevokeSessions,
        UserAction::ResetTotp,
    ];
    all.extend(Role::ALL.iter().map(|role| UserAction::SetRole { role: *role }));
    all
}

proptest! {
    /// Whatever staff do in whatever order: deleted stays deleted, and only unban lifts a ban.
    #[test]
    fn a_deleted_account_never_comes_back(start in 0..4_usize, verified: bool, picks in proptest::collection::vec(0..12_usize, 1..20)) {
        let all = actions();
        let mut account = account(Status::ALL[start], verified);
        for pick in picks {
            let action = &all[pick];
            let before = account.status;
            match step(&account, action, Some(RestrictionReason::Other)) {
                Ok(Step::Status(status, _)) => account.status = status,
                Ok(Step::Erase) => account.status = Status::Deleted,
                Ok(Step::Role(role)) => account.role = role,
                Ok(Step::Unchanged | Step::EndSessions | Step::ResetTotp) | Err(_) => {}
            }
            if before == Status::Deleted {
                prop_assert_eq!(account.status, Status::Deleted);
            }
            if before == Status::Banned && account.status != Status::Banned {
                prop_assert!(matches!(action, UserAction::Unban | UserAction::Delete));
            }
            if account.status == Status::Active && before != Status::Active {
                prop_assert!(account.email_verified);
            }
        }
    }
}

/// Every row of the permission table, for every operation on users and the audit log.
#[tokio::test]
async fn each_role_may_do_what_the_table_says() {
    let test = testing::app().await;
    let app = test.app();
    for role in Role::ALL {
        let actor = test.actor(*role).await;
        let subject = test.user(Role::Client, Status::Active).await;
        let expect = |permission: Permission, answer: Option<ErrorCode>, what: &str| {
            let forbidden = answer == Some(ErrorCode::Forbidden);
            assert_eq!(!forbidden, permissions(*role).contains(&permission), "{role} {what}: {answer:?}");
        };
        let code = |error: crate::base::error::Error| error.code();
        let page = PageRequest::default();
        expect(
            Permission::UsersRead,
            list(&app.by(&actor), &UserFilter::default(), &page).await.err().map(code),
            "list",
        );
        expect(Permission::UsersRead, show(&app.by(&actor), subject).await.err().map(code), "show");
        expect(Permission::UsersRead, notes(&app.by(&actor), subject, &page).await.err().map(code), "notes");
        expect(Permission::UsersReveal, reveal(&app.by(&actor), subject, None).await.err().map(code), "reveal");
        let revealed = UserFilter { reveal: true, ..UserFilter::default() };
        expect(Permission::UsersReveal, list(&app.by(&actor), &revealed, &page).await.err().map(code), "list --reveal");
        expect(Permission::UsersWrite, note(&app.by(&actor), subject, "hello").await.err().map(code), "note");
        let new =
            NewUser { role: Role::Admin, email: format!("by-{role}@example.org"), name: "New".into(), phone: None };
        expect(Permission::UsersAdmin, create(&app.by(&actor), &new).await.err().map(code), "create");
        expect(
            Permission::AuditRead,
            audit::list(&app.by(&actor), &AuditFilter::default(), &page).await.err().map(code),
            "audit",
        );
        expect(Permission::AuditRead, audit::verify(&app.by(&actor), 1, 10, None).await.err().map(code), "verify");
        expect(
            Permission::StatsRead,
            crate::records::events::since(&app.by(&actor), None, 10).await.err().map(code),
            "events",
        );
        for action in actions() {
            let subject = test.user(Role::Client, Status::Active).await;
            let proof = Some(crate::base::change::IdentityProof::InPerson);
            let change = Change { proof, ..because(RestrictionReason::Other) };
            let answer = act(&app.by(&actor).with(change.clone()), subject, &action).await;
            expect(action.permission(), answer.err().map(code), action.name());
        }
    }
    test.close().await;
}

#[tokio::test]
async fn a_fresh_marketplace_has_no_accounts() {
    for test in testing::apps().await {
        let all = list(&test.app().by(&OPERATOR), &UserFilter::default(), &PageRequest::default()).await.unwrap();
        assert!(all.items.is_empty());
        for email in ["admin", "admin@example.org", "root@localhost", ""] {
            let password = model::Password::new("admin");
            assert!(crate::auth::login(test.app(), &testing::client(), email, &password).await.is_err());
        }
        test.close().await;
    }
}

#[tokio::test]
async fn restrictions_need_a_reason_and_repeat_harmlessly() {
    for test in testing::apps().await {
        let app = test.app();
        let id = test.user(Role::Client, Status::Active).await;
        for action in [UserAction::Freeze, UserAction::Ban, UserAction::Delete] {
            let refused = act(&app.by(&OPERATOR), id, &action).await.unwrap_err();
            assert_eq!(refused.fields()[0].pointer, "/reason");
        }
        let preview = Change { dry_run: true, ..because(RestrictionReason::Spam) };
        assert_eq!(
            act(&app.by(&OPERATOR).with(preview.clone()), id, &UserAction::Ban).await.unwrap().item.user.status,
            Status::Banned
        );
        assert_eq!(show(&app.by(&OPERATOR), id).await.unwrap().user.status, Status::Active);

        let noted = Change { note: Some("saw it twice".into()), ..because(RestrictionReason::Spam) };
        let done = act(&app.by(&OPERATOR).with(noted.clone()), id, &UserAction::Freeze).await.unwrap();
        assert!(done.changed);
        assert_eq!(done.item.restriction.unwrap().reason, RestrictionReason::Spam);
        assert_eq!(done.item.notes[0].body, "saw it twice");
        assert!(!act(&app.by(&OPERATOR).with(noted.clone()), id, &UserAction::Freeze).await.unwrap().changed);
        let stale = Change { if_version: Some(1), ..Change::default() };
        assert_eq!(
            act(&app.by(&OPERATOR).with(stale.clone()), id, &UserAction::Unfreeze).await.unwrap_err().code(),
            ErrorCode::PreconditionFailed
        );
        let lifted = act(&app.by(&OPERATOR), id, &UserAction::Unfreeze).await.unwrap();
        assert_eq!((lifted.item.user.status, lifted.item.restriction), (Status::Active, None));
        test.close().await;
    }
}

#[tokio::test]
async fn nobody_acts_on_themselves_support_not_on_staff_and_the_last_admin_stays() {
    for test in testing::apps().await {
        let app = test.app();
        let (support, admin) = (test.actor(Role::Support).await, test.actor(Role::Admin).await);
        let admin_id = admin.user_id().unwrap();
        let own = act(&app.by(&admin).with(because(RestrictionReason::Other)), admin_id, &UserAction::Freeze).await;
        assert_eq!(own.unwrap_err().code(), ErrorCode::Forbidden);
        let up = act(&app.by(&support).with(because(RestrictionReason::Other)), admin_id, &UserAction::Freeze).await;
        assert_eq!(up.unwrap_err().code(), ErrorCode::Forbidden);
        for action in
            [UserAction::Freeze, UserAction::Ban, UserAction::Delete, UserAction::SetRole { role: Role::Client }]
        {
            let last = act(&app.by(&OPERATOR).with(because(RestrictionReason::Other)), admin_id, &action).await;
            assert_eq!(last.unwrap_err().code(), ErrorCode::Conflict, "{action:?}");
        }
        // Two admins who remove each other at once: one of them stays.
        let other = test.actor(Role::Admin).await;
        let freeze = because(RestrictionReason::Other);
        let (a, b) = tokio::join!(
            async { act(&app.by(&admin).with(freeze.clone()), other.user_id().unwrap(), &UserAction::Freeze).await },
            async { act(&app.by(&other).with(freeze.clone()), admin_id, &UserAction::Freeze).await },
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        test.close().await;
    }
}

#[tokio::test]
async fn a_frozen_or_demoted_colleague_has_lost_their_powers() {
    let test = testing::app().await;
    let app = test.app();
    let id = test.user(Role::Support, Status::Active).await;
    let (_, token) = test.log_in(id).await;
    act(&app.by(&OPERATOR).with(because(RestrictionReason::Security)), id, &UserAction::Freeze).await.unwrap();
    let frozen = crate::auth::authenticate(app, &token).await.unwrap();
    assert_eq!(
        list(&app.by(&frozen), &UserFilter::default(), &PageRequest::default()).await.unwrap_err().code(),
        ErrorCode::Forbidden
    );
    me(&app.by(&frozen)).unwrap();
    act(&app.by(&OPERATOR), id, &UserAction::Unfreeze).await.unwrap();
    act(&app.by(&OPERATOR), id, &UserAction::SetRole { role: Role::Client }).await.unwrap();
    assert_eq!(crate::auth::authenticate(app, &token).await.unwrap_err().code(), ErrorCode::Unauthenticated);
    let (demoted, _) = test.log_in(id).await;
    assert!(!demoted.may(Permission::UsersRead));
    test.close().await;
}

/// Whoever was in the account when it had no powers is not in it when it has.
#[tokio::test]
async fn another_role_ends_sessions_and_what_was_prepared() {
    for test in testing::apps().await {
        let app = test.app();
        for (was, becomes) in
            [(Role::Client, Role::Admin), (Role::Worker, Role::Support), (Role::Support, Role::Auditor)]
        {
            let id = test.user(was, Status::Active).await;
            let email = reveal(&app.by(&OPERATOR), id, None).await.unwrap().email;
            let password = crate::accounts::model::Password::new(testing::PASSWORD);
            let tokens = crate::auth::login(app, &testing::client(), &email, &password).await.unwrap();
            let actor = crate::auth::authenticate(app, &tokens.access_token).await.unwrap();
            crate::auth::change_email(&app.by(&actor), &password, "prepared@example.net").await.unwrap();
            let link = test.token(crate::records::mail::Template::ConfirmNewEmail).await;
            let again = act(&app.by(&OPERATOR), id, &UserAction::SetRole { role: was }).await.unwrap();
            assert!(!again.changed);
            crate::auth::authenticate(app, &tokens.access_token).await.unwrap();
            act(&app.by(&OPERATOR), id, &UserAction::SetRole { role: becomes }).await.unwrap();
            let gone = crate::auth::authenticate(app, &tokens.access_token).await.unwrap_err();
            assert_eq!(gone.code(), ErrorCode::Unauthenticated);
            assert!(crate::auth::refresh(app, &testing::client(), &tokens.refresh_token).await.is_err());
            assert!(crate::auth::confirm_email(app, &testing::client(), &link).await.is_err());
            let mut reader = app.db.read().await.unwrap();
            let told = q!(&mut reader.conn() => val i64,
                "SELECT CAST(count(*) AS BIGINT) FROM events WHERE kind = 'session.revoked' AND user_id = $1", id);
            assert_eq!(told.unwrap(), 1, "sockets close");
        }
        test.close().await;
    }
}

async fn found(test: &TestApp, q: &str) -> Vec<UserId> {
    let filter = UserFilter { q: Some(q.into()), ..UserFilter::default() };
    let mut all = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let answer = list(&test.app().by(&OPERATOR), &filter, &page).await.unwrap();
        all.extend(answer.items.into_iter().map(|user| user.id));
        let Some(next) = answer.next else { return all };
        page.after = Some(next);
    }
}

#[tokio::test]
async fn users_are_found_by_beginnings_of_words_once_each() {
    for test in testing::apps().await {
        let mut ids = Vec::new();
        for (name, email) in [
            ("Núria O'Brien", "nuria@example.org"),
            ("Nur Nuri", "nur@example.org"),
            ("Ada Nurse", "obi@example.org"),
            ("Zoë Ångström", "zoe@example.net"),
            ("Émile Zola", "emile@example.net"),
        ] {
            let new = NewUser { role: Role::Worker, email: email.into(), name: name.into(), phone: None };
            ids.push(create(&test.app().by(&OPERATOR), &new).await.unwrap().item.user.id);
        }
        let mut three = found(&test, "NUR").await;
        three.sort();
        let mut expected = ids[..3].to_vec();
        expected.sort();
        assert_eq!(three, expected);
        assert_eq!(found(&test, "angstrom zoe").await, [ids[3]]);
        assert_eq!(found(&test, "emi zol").await, [ids[4]]);
        assert_eq!(found(&test, "Obi@Example.ORG").await, [ids[2]]);
        assert_eq!(found(&test, "obi@exa nurse").await, [ids[2]]);
        assert_eq!(found(&test, "nur obi@").await, [ids[2]]);
        assert!(found(&test, "zoe obi@").await.is_empty());
        assert_eq!(found(&test, &ids[1].to_string()).await, [ids[1]]);
        assert!(found(&test, "nobody").await.is_empty() && found(&test, "%").await.is_empty());
        let narrow = UserFilter { q: Some("nur".into()), status: Some(Status::Banned), ..UserFilter::default() };
        assert!(list(&test.app().by(&OPERATOR), &narrow, &PageRequest::default()).await.unwrap().items.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn users_are_found_by_numbers_as_written_and_by_domains() {
    for test in testing::apps().await {
        let mut ids = Vec::new();
        for (name, email, phone) in [
            ("Ian St. John", "ian@mail.example.org", Some("+442071838750")),
            ("Zoe Zola", "zoe@example.net", Some("+33142685300")),
            ("Ada Obi", "ada@elsewhere.example", None),
        ] {
            let phone = phone.map(str::to_owned);
            let new = NewUser { role: Role::Worker, email: email.into(), name: name.into(), phone };
            ids.push(create(&test.app().by(&OPERATOR), &new).await.unwrap().item.user.id);
        }
        for typed in ["020 7183 8750", "(020) 7183 8750", "7183 8750", "8750", "207183-8750"] {
            assert_eq!(found(&test, typed).await, [ids[0]], "{typed}");
        }
        for typed in ["01 42 68 53 00", "5300"] {
            assert_eq!(found(&test, typed).await, [ids[1]], "{typed}");
        }
        assert!(found(&test, "0207 183 8751").await.is_empty());
        for typed in ["St. John", "st john", "Ian St. John", "john"] {
            assert_eq!(found(&test, typed).await, [ids[0]], "{typed}");
        }
        assert_eq!(found(&test, "@example").await, [ids[1]]);
        assert_eq!(found(&test, "@mail.EXAMPLE.org").await, [ids[0]]);
        assert_eq!(found(&test, "ada @else").await, [ids[2]]);
        assert!(found(&test, "zoe @else").await.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn a_cursor_tells_nothing_of_the_term_at_which_its_page_ends() {
    let test = testing::app().await;
    for email in ["canary@example.org", "canary@example.net"] {
        let new = NewUser { role: Role::Client, email: email.into(), name: "Ada".into(), phone: None };
        create(&test.app().by(&OPERATOR), &new).await.unwrap();
    }
    let filter = UserFilter { q: Some("canary@".into()), ..UserFilter::default() };
    let next = list(&test.app().by(&OPERATOR), &filter, &PageRequest::first(1)).await.unwrap().next.unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&next).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("example"));
    let page = PageRequest { limit: 1, after: Some(next) };
    assert_eq!(list(&test.app().by(&OPERATOR), &filter, &page).await.unwrap().items.len(), 1);
    let page = PageRequest { limit: 1, after: Some(URL_SAFE_NO_PAD.encode("k:0:canary")) };
    assert_eq!(list(&test.app().by(&OPERATOR), &filter, &page).await.unwrap_err().code(), ErrorCode::Invalid);
    test.close().await;
}

#[tokio::test]
async fn lists_are_masked_and_revealing_is_on_record() {
    for test in testing::apps().await {
        let app = test.app();
        let new = NewUser {
            role: Role::Worker,
            email: "ada@example.org".into(),
            name: "Ada Obi".into(),
            phone: Some("+442071838750".into()),
        };
        let id = create(&app.by(&OPERATOR), &new).await.unwrap().item.user.id;
        let masked = list(&app.by(&OPERATOR), &UserFilter::default(), &PageRequest::default()).await.unwrap().items;
        assert_eq!((masked[0].name.as_str(), masked[0].email.as_str()), ("Ada O•••", "a••@•••.org"));
        assert_eq!(show(&app.by(&OPERATOR), id).await.unwrap().user.phone.as_deref(), Some("+44•••50"));
        let filter = UserFilter { reveal: true, ..UserFilter::default() };
        let full = list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items;
        assert_eq!(full[0].email, "ada@example.org");
        assert_eq!(reveal(&app.by(&OPERATOR), id, None).await.unwrap().name, "Ada Obi");
        let filter = AuditFilter { action: Some(Name::Known(AuditAction::UsersReveal)), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items;
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.target == id.to_string()));
        test.close().await;
    }
}

/// Nothing that a token without `users:reveal` can ask of a list tells more of an address or a number than whether it is the one
/// that was asked for.
#[tokio::test]
async fn a_masked_address_is_not_spelled_out_by_searching() {
    for test in testing::apps().await {
        let app = test.app();
        let new = NewUser {
            role: Role::Worker,
            email: "canary.bird@example.org".into(),
            name: "Zed Obi".into(),
            phone: Some("+442071838750".into()),
        };
        let id = create(&app.by(&OPERATOR), &new).await.unwrap().item.user.id;
        // As a release before left them, or one that still runs beside writes them.
        app.db
            .write(move |c| {
                futures::FutureExt::boxed(async move {
                    q!(c => exec, "INSERT INTO user_terms (term, user_id) VALUES ('canary.bird@example.org', $1)", id)?;
                    Ok(())
                })
            })
            .await
            .unwrap();
        let owner = test.user(Role::Admin, Status::Active).await;
        let token = |scopes: &[Permission]| crate::tokens::model::NewToken {
            name: "Lists".into(),
            scopes: scopes.to_vec(),
            expires_in: 3_600,
            owner_id: Some(owner),
        };
        let as_token = async |scopes: &[Permission]| {
            let made = crate::tokens::create(&app.by(&OPERATOR), &token(scopes)).await.unwrap();
            crate::auth::authenticate(app, &made.item.secret.unwrap()).await.unwrap()
        };
        let reads = as_token(&[Permission::UsersRead]).await;
        let reveals = as_token(&[Permission::UsersRead, Permission::UsersReveal]).await;
        let search = async |by: &Actor, q: &str| {
            let filter = UserFilter { q: Some(q.into()), ..UserFilter::default() };
            list(&app.by(by), &filter, &PageRequest::default()).await.unwrap().items.len()
        };
        let on_record = async || {
            let filter = AuditFilter { action: Some(Name::Known(AuditAction::UsersSearch)), ..AuditFilter::default() };
            audit::list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items
        };
        let beginnings = ["c", "can", "canary", "canary.", "canary.b", "canary.bird", "canary.bird@", "canary.bird@e"];
        let numbers = ["+", "+4", "+44", "+4420718387", "442071838750", "2071838750"];
        for q in beginnings.iter().chain(&numbers) {
            assert_eq!(search(&reads, q).await, 0, "{q}");
            assert_eq!(search(&reads, &format!("zed {q}")).await, 0, "{q}");
            assert_eq!(search(&reads, &format!("{q} zed obi")).await, 0, "{q}");
        }
        for q in ["%", "_", "canary%", "canary.bird@%", "canary.bird@example.or_", "\u{10FFFF}@", "@example.org"] {
            assert_eq!(search(&reads, q).await, 0, "{q}");
        }
        let guesses = on_record().await.len();
        for q in [
            "ze",
            "Zed Obi",
            "Canary.Bird@EXAMPLE.org",
            "+44 (0)20 7183 8750",
            "obi canary.bird@example.org",
            "+442071838750 zed",
        ] {
            assert_eq!(search(&reads, q).await, 1, "{q}");
        }
        assert_eq!(on_record().await.len(), guesses + 4, "whole values are on record, names are not");
        // Whoever may reveal finds by beginnings, over either way in, and each search is on record.
        for (by, who) in [(&reveals, reveals.principal()), (&*OPERATOR, OPERATOR.principal())] {
            for q in ["canary.bird@", "canary.bird@exa", "+4420", "zed +44"] {
                let before = on_record().await.len();
                assert_eq!(search(by, q).await, 1, "{q}");
                let rows = on_record().await;
                assert_eq!((rows.len(), &rows[0].actor), (before + 1, &who), "{q}");
                assert!(
                    rows[0].metadata.to_string().contains(&id.to_string())
                        && !rows[0].metadata.to_string().contains("canary"),
                    "{}",
                    rows[0].metadata
                );
            }
            let before = on_record().await.len();
            assert_eq!(search(by, "zed").await, 1);
            assert_eq!(search(by, "canary").await, 0, "an address is looked for with its @");
            assert_eq!(on_record().await.len(), before);
        }
        // Nobody guesses one: an hour has not enough tries.
        let mut refused = None;
        for n in 0..400 {
            let filter = UserFilter { q: Some(format!("+44207183{n:04}")), ..UserFilter::default() };
            if let Err(error) = list(&app.by(&reads), &filter, &PageRequest::default()).await {
                refused = Some((n, error.code()));
                break;
            }
        }
        assert!(refused.is_some_and(|(n, code)| n < 300 && code == ErrorCode::RateLimited), "{refused:?}");
        // Revealing takes both.
        let reveal_only = as_token(&[Permission::UsersReveal]).await;
        let all = UserFilter { reveal: true, ..UserFilter::default() };
        for by in [&reads, &reveal_only] {
            assert_eq!(
                list(&app.by(by), &all, &PageRequest::default()).await.unwrap_err().code(),
                ErrorCode::Forbidden
            );
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_name_without_letters_is_a_name() {
    for test in testing::apps().await {
        let new = NewUser { role: Role::Client, email: "a@example.org".into(), name: "\u{1F426}".into(), phone: None };
        create(&test.app().by(&OPERATOR), &new).await.unwrap();
        assert_eq!(found(&test, "a@example.org").await.len(), 1);
        test.close().await;
    }
}

#[tokio::test]
async fn addresses_of_the_release_before_are_brought_into_their_new_form() {
    for test in testing::apps().await {
        let app = test.app();
        // Their stored form was the lower case of what was typed.
        let rows: [(&str, &str, bool); 5] = [
            ("Jon@MÜNCHEN.example", "jon@münchen.example", true),
            // Two of one address: the confirmed one has it; of two confirmed ones, the one that has it already.
            ("ada@köln.example", "ada@köln.example", true),
            ("ada@xn--kln-sna.example", "ada@xn--kln-sna.example", false),
            ("bea@bücher.example", "bea@bücher.example", true),
            ("bea@xn--bcher-kva.example", "bea@xn--bcher-kva.example", true),
        ];
        let mut ids = Vec::new();
        for (n, (email, before, verified)) in rows.into_iter().enumerate() {
            let status = if verified { Status::Active } else { Status::Unverified };
            let id = test.user(Role::Client, status).await;
            ids.push(id);
            let (email, before, n) = (email.to_owned(), before.to_owned(), n);
            app.db
                .write(move |c| {
                    futures::FutureExt::boxed(async move {
                        q!(c => exec, "UPDATE users SET email = $2, email_norm = $3 WHERE id = $1", id, &email, &before)?;
                        if !before.is_ascii() || n == 2 {
                            q!(c => exec, "INSERT INTO unnormalised_emails (user_id) VALUES ($1)", id)?;
                        }
                        Ok(())
                    })
                })
                .await
                .unwrap();
        }
        let password = crate::accounts::model::Password::new(testing::PASSWORD);
        let logs_in = async |email: &str| {
            let tokens = crate::auth::login(app, &testing::client(), email, &password).await.unwrap();
            crate::auth::authenticate(app, &tokens.access_token).await.unwrap().user_id()
        };
        for _ in 0..2 {
            normalise_emails(&app.db).await.unwrap();
            for (email, id) in [
                ("jon@münchen.example", ids[0]),
                ("jon@xn--mnchen-3ya.example", ids[0]),
                ("ada@KÖLN.example", ids[1]),
                ("ada@xn--kln-sna.example", ids[1]),
                ("bea@bücher.example", ids[4]),
            ] {
                assert_eq!(logs_in(email).await, Some(id), "{email}");
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn erasure_leaves_nothing_personal_and_the_audit_log_whole() {
    for test in testing::apps().await {
        let app = test.app();
        let new = NewUser {
            role: Role::Worker,
            email: "canary@example.org".into(),
            name: "Canary Bird".into(),
            phone: Some("+442071838751".into()),
        };
        let noted = Change { note: Some("canary sings".into()), ..Change::default() };
        let id = create(&app.by(&OPERATOR).with(noted.clone()), &new).await.unwrap().item.user.id;
        act(&app.by(&OPERATOR).with(because(RestrictionReason::UserRequest)), id, &UserAction::Delete).await.unwrap();
        let gone = show(&app.by(&OPERATOR), id).await.unwrap();
        assert_eq!((gone.user.name.as_str(), gone.user.status, gone.notes.len()), ("Deleted user", Status::Deleted, 0));
        assert!(found(&test, "canary").await.is_empty());
        assert!(test.mails().await.is_empty());
        let lifted = act(&app.by(&OPERATOR), id, &UserAction::Unban).await.unwrap_err();
        assert_eq!(lifted.code(), ErrorCode::Conflict);
        let rows =
            audit::list(&app.by(&OPERATOR), &AuditFilter::default(), &PageRequest::default()).await.unwrap().items;
        assert!(rows.iter().all(|row| !format!("{row:?}").to_lowercase().contains("canary")));
        assert!(audit::verify(&app.by(&OPERATOR), 1, 100, None).await.unwrap().broken.is_none());
        // The address and the number are free again.
        create(&app.by(&OPERATOR), &new).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn own_accounts_change_with_versions() {
    for test in testing::apps().await {
        let app = test.app();
        let actor = test.actor(Role::Client).await;
        let was = me(&app.by(&actor)).unwrap();
        let update = UpdateMe { name: Patch::Set(" Eve  Adams ".into()), phone: Patch::Set("+44 20 7183 8752".into()) };
        let now = update_me(&app.by(&actor).at_version(Some(was.version)), update.clone()).await.unwrap();
        assert_eq!((now.name.as_str(), now.phone.as_deref()), ("Eve  Adams", Some("+442071838752")));
        assert_eq!(
            update_me(&app.by(&actor).at_version(Some(was.version)), update).await.unwrap_err().code(),
            ErrorCode::PreconditionFailed
        );
        let other = test.actor(Role::Client).await;
        let same = UpdateMe { name: Patch::Keep, phone: Patch::Set("+442071838752".into()) };
        assert_eq!(update_me(&app.by(&other), same).await.unwrap_err().code(), ErrorCode::Conflict);
        assert_eq!(
            update_me(&app.by(&actor), UpdateMe::default()).await.unwrap(),
            now,
            "an empty update changes nothing"
        );
        let cleared = update_me(&app.by(&actor), UpdateMe { name: Patch::Keep, phone: Patch::Clear }).await.unwrap();
        assert_eq!((cleared.phone.as_deref(), cleared.version), (None, now.version + 1));
        let nameless = UpdateMe { name: Patch::Clear, phone: Patch::Keep };
        assert_eq!(update_me(&app.by(&actor), nameless).await.unwrap_err().fields()[0].pointer, "/name");
        assert!(delete_me(&app.by(&actor), &crate::accounts::model::Password::new("wrong one")).await.is_err());
        delete_me(&app.by(&actor), &crate::accounts::model::Password::new(testing::PASSWORD)).await.unwrap();
        let staff: Actor = test.actor(Role::Admin).await;
        let refused = delete_me(&app.by(&staff), &crate::accounts::model::Password::new(testing::PASSWORD)).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::Forbidden);
        test.close().await;
    }
}
