//! Stories of what staff put right for users, on both engines.

use std::time::Duration;

use super::{model::*, *};
use crate::{
    accounts::model::{Password, SignUp, Status, UserAction},
    auth,
    base::{
        change::{Change, RestrictionReason},
        error::{ErrorCode, Result},
        ids::{RuleId, SessionId},
        page::PageRequest,
        patch::Patch,
        permission::{Role, TraderRole},
    },
    maintenance,
    messaging::model::AccessReason,
    records::{
        audit::{self, AuditAction, AuditFilter},
        mail::Template,
    },
    rules::{
        self,
        model::{NewRule, Rule, RuleFilter, RuleKind},
    },
    testing::{self, OPERATOR, PASSWORD, TestApp, client},
    timers::Timer,
};

fn because(reason: RestrictionReason) -> Change {
    Change { reason: Some(reason), ..Change::default() }
}

fn set(text: &str) -> Patch<String> {
    Patch::Set(text.into())
}

fn refused<T: std::fmt::Debug>(answer: Result<T>, code: ErrorCode) {
    assert_eq!(answer.unwrap_err().code(), code);
}

/// The mails of a template that wait for somebody.
async fn mails(test: &TestApp, to: &str, template: Template) -> usize {
    test.mails().await.iter().filter(|mail| mail.to == to && mail.template == template).count()
}

async fn reasons(test: &TestApp, action: AuditAction) -> Vec<Option<String>> {
    let filter = AuditFilter { action: Some(action.as_str().into()), ..AuditFilter::default() };
    let rows = audit::list(&test.app().by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap();
    rows.items.into_iter().map(|row| row.reason).collect()
}

#[tokio::test]
async fn staff_put_name_number_and_address_right() {
    for test in testing::apps().await {
        let app = test.app();
        let (support, admin) = (test.actor(Role::Support).await, test.actor(Role::Admin).await);
        let ada = test.user(Role::Worker, Status::Unverified).await;
        let old = reveal(&app.by(&OPERATOR), ada, Some(AccessReason::Quality)).await.unwrap().email;
        assert_eq!(reasons(&test, AuditAction::UsersReveal).await[0].as_deref(), Some("quality"));
        let by = |actor| app.by(actor).with(because(RestrictionReason::UserRequest));

        let name = EditUser { name: set("Ada Obi"), phone: set("+44 20 7183 8750"), ..EditUser::default() };
        refused(edit(&app.by(&support), ada, name.clone()).await, ErrorCode::Invalid);
        let dry = Change { dry_run: true, ..because(RestrictionReason::Other) };
        assert!(edit(&app.by(&support).with(dry), ada, name.clone()).await.unwrap().changed);
        assert_eq!(mails(&test, &old, Template::AccountEdited).await, 0);
        assert!(edit(&by(&support), ada, name.clone()).await.unwrap().changed);
        assert!(!edit(&by(&support), ada, name.clone()).await.unwrap().changed);
        let known = reveal(&app.by(&OPERATOR), ada, None).await.unwrap();
        assert_eq!((known.name.as_str(), known.phone.as_deref()), ("Ada Obi", Some("+442071838750")));
        assert_eq!(mails(&test, &old, Template::AccountEdited).await, 1);
        let bad = EditUser { name: Patch::Clear, email: set("nowhere"), phone: set("12") };
        assert_eq!(edit(&by(&admin), ada, bad).await.unwrap_err().fields().len(), 3);

        // The rules of the owner's own edit: nobody else's number, and a new address is confirmed first.
        let other = test.user(Role::Client, Status::Active).await;
        let same_number = EditUser { phone: set("+442071838750"), ..EditUser::default() };
        refused(edit(&by(&support), other, same_number).await, ErrorCode::Conflict);
        let address = |email: &str| EditUser { email: set(email), ..EditUser::default() };
        refused(edit(&by(&support), ada, address("ada@example.net")).await, ErrorCode::Forbidden);
        let theirs = reveal(&app.by(&OPERATOR), other, None).await.unwrap().email;
        refused(edit(&by(&admin), ada, address(&theirs)).await, ErrorCode::Conflict);
        assert!(!edit(&by(&admin), ada, address(&old.to_uppercase())).await.unwrap().changed);
        assert!(edit(&by(&admin), ada, address("ada@example.net")).await.unwrap().changed);
        assert_eq!(mails(&test, &old, Template::EmailChanging).await, 1);
        assert_eq!(reveal(&app.by(&OPERATOR), ada, None).await.unwrap().email, old);
        let token = test.token(Template::ConfirmNewEmail).await;
        auth::confirm_email(app, &client(), &token).await.unwrap();
        let shown = show(&app.by(&OPERATOR), ada).await.unwrap();
        assert_eq!((shown.user.status, shown.user.email_verified), (Status::Active, true));
        assert_eq!(reveal(&app.by(&OPERATOR), ada, None).await.unwrap().email, "ada@example.net");

        // Nobody does it to themselves, support staff not to staff, and to nobody who is gone.
        let admin_id = admin.user_id().unwrap();
        refused(edit(&by(&admin), admin_id, name.clone()).await, ErrorCode::Forbidden);
        refused(edit(&by(&support), admin_id, name.clone()).await, ErrorCode::Forbidden);
        act(&by(&OPERATOR), ada, &UserAction::Delete).await.unwrap();
        refused(edit(&by(&support), ada, name).await, ErrorCode::Conflict);
        test.close().await;
    }
}

#[tokio::test]
async fn staff_send_links_again_warn_and_end_sessions() {
    for test in testing::apps().await {
        let app = test.app();
        let support = test.actor(Role::Support).await;
        let ada = test.user(Role::Client, Status::Unverified).await;
        let email = reveal(&app.by(&OPERATOR), ada, None).await.unwrap().email;
        let by = app.by(&support);
        assert!(resend_verification(&by, ada).await.unwrap().changed);
        auth::verify_email(app, &client(), &test.token(Template::VerifyEmail).await).await.unwrap();
        assert!(!resend_verification(&by, ada).await.unwrap().changed);
        assert!(send_password_reset(&by, ada).await.unwrap().changed);
        assert_eq!(mails(&test, &email, Template::ResetPassword).await, 1);

        refused(warn(&by, ada, Some("No adverts.")).await, ErrorCode::Invalid);
        let spam = Change { note: Some("third time".into()), ..because(RestrictionReason::Spam) };
        let warned = warn(&by.with(spam.clone()), ada, Some("No adverts.")).await.unwrap();
        let notes: Vec<&str> = warned.item.notes.iter().map(|note| note.body.as_str()).collect();
        assert!(notes.contains(&"Warned for spam: No adverts.") && notes.contains(&"third time"), "{notes:?}");
        let said = test.mails().await.into_iter().find(|mail| mail.template == Template::Warning);
        assert_eq!(said.and_then(|mail| mail.comment).as_deref(), Some("spam: No adverts."));
        assert_eq!(reasons(&test, AuditAction::UsersWarn).await, [Some("spam".to_owned())]);

        let (one, two) = (test.log_in(ada).await.0, test.log_in(ada).await.0);
        let page = PageRequest::default();
        let hidden = sessions(&by, ada, &SessionFilter::default(), &page).await.unwrap().items;
        assert_eq!(hidden.len(), 2);
        assert!(hidden.iter().all(|session| session.ip.contains('•') && !session.current), "{hidden:?}");
        let shown = sessions(&by, ada, &SessionFilter { reveal: true }, &page).await.unwrap().items;
        assert!(shown.iter().all(|session| session.ip == client().ip.to_string()));
        let first = one.require_session().unwrap().session;
        end_session(&by, ada, first).await.unwrap();
        assert!(!end_session(&by, ada, first).await.unwrap().changed, "it has ended");
        refused(end_session(&by, test.user(Role::Client, Status::Active).await, first).await, ErrorCode::NotFound);
        let left: Vec<SessionId> = sessions(&by, ada, &SessionFilter::default(), &page)
            .await
            .unwrap()
            .items
            .iter()
            .map(|one| one.id)
            .collect();
        assert_eq!(left, [two.require_session().unwrap().session]);

        // Of no use to somebody who may not log in.
        act(&app.by(&OPERATOR).with(because(RestrictionReason::Fraud)), ada, &UserAction::Ban).await.unwrap();
        refused(send_password_reset(&by, ada).await, ErrorCode::Conflict);
        refused(warn(&by.with(spam), ada, None).await, ErrorCode::Conflict);
        test.close().await;
    }
}

#[tokio::test]
async fn a_freeze_ends_when_it_said() {
    for test in testing::apps().await {
        let app = test.app();
        let ada = test.user(Role::Client, Status::Active).await;
        let now = app.now();
        let until = |hours| Change {
            until: Some(now + Duration::from_hours(hours)),
            ..because(RestrictionReason::PaymentDispute)
        };
        let op = |change: Change| app.by(&OPERATOR).with(change);
        let past = Change { until: Some(now), ..because(RestrictionReason::Other) };
        refused(act(&op(past), ada, &UserAction::Freeze).await, ErrorCode::Invalid);
        refused(act(&op(until(1)), ada, &UserAction::Ban).await, ErrorCode::Invalid);
        assert!(act(&op(until(1)), ada, &UserAction::Freeze).await.unwrap().changed);
        assert!(!act(&op(until(1)), ada, &UserAction::Freeze).await.unwrap().changed);
        let longer = act(&op(until(2)), ada, &UserAction::Freeze).await.unwrap();
        assert_eq!(longer.item.restriction.unwrap().until, Some(now + Duration::from_hours(2)));
        let status = async || show(&app.by(&OPERATOR), ada).await.unwrap().user.status;
        test.advance(Duration::from_hours(1));
        assert_eq!((maintenance::run(app, Timer::Freezes).await.unwrap(), status().await), (0, Status::Frozen));
        test.advance(Duration::from_hours(1));
        assert_eq!((maintenance::run(app, Timer::Freezes).await.unwrap(), status().await), (1, Status::Active));
        assert_eq!(maintenance::run(app, Timer::Freezes).await.unwrap(), 0);
        let rows = audit::list(&app.by(&OPERATOR), &AuditFilter::default(), &PageRequest::first(1)).await.unwrap();
        assert_eq!(
            (rows.items[0].actor.0.as_str(), rows.items[0].action == AuditAction::UsersUnfreeze),
            ("system", true)
        );
        // What took its place does not end with it.
        act(&op(until(5)), ada, &UserAction::Freeze).await.unwrap();
        act(&op(because(RestrictionReason::Fraud)), ada, &UserAction::Ban).await.unwrap();
        test.advance(Duration::from_hours(9));
        assert_eq!((maintenance::run(app, Timer::Freezes).await.unwrap(), status().await), (0, Status::Banned));
        test.close().await;
    }
}

#[tokio::test]
async fn a_blocked_domain_lets_nobody_new_in() {
    for test in testing::apps().await {
        let app = test.app();
        let sign_up = |email: &str| SignUp {
            role: TraderRole::Client,
            email: email.into(),
            password: Password::new(PASSWORD),
            name: "Eve".into(),
            phone: None,
            language: None,
        };
        auth::signup(app, &client(), sign_up("eve@throwaway.example")).await.unwrap();
        let (admin, support) = (test.actor(Role::Admin).await, test.actor(Role::Support).await);
        let rule = NewRule::new(RuleKind::BlockedDomain, "Throwaway.Example");
        refused(rules::create(&app.by(&support), &rule).await, ErrorCode::Forbidden);
        let made = rules::create(&app.by(&admin), &rule).await.unwrap();
        let again = rules::create(&app.by(&OPERATOR), &rule).await.unwrap();
        assert_eq!((made.changed, again.changed, &again.item), (true, false, &made.item));
        // With an account or without one, the domain itself or a part of it: the same answer.
        let mut said = Vec::new();
        for email in
            ["eve@throwaway.example", "EVE@THROWAWAY.EXAMPLE", "new@throwaway.example", "new@a.b.throwaway.example"]
        {
            said.push(auth::signup(app, &client(), sign_up(email)).await.unwrap_err().to_string());
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
        auth::signup(app, &client(), sign_up("eve@not-throwaway.example")).await.unwrap();
        let ada = test.actor(Role::Client).await;
        let password = Password::new(PASSWORD);
        refused(auth::change_email(&app.by(&ada), &password, "ada@throwaway.example").await, ErrorCode::Invalid);
        let edited = EditUser { email: set("ada@throwaway.example"), ..EditUser::default() };
        let op = app.by(&admin).with(because(RestrictionReason::UserRequest));
        refused(edit(&op, ada.user_id().unwrap(), edited).await, ErrorCode::Invalid);
        let all = rules::list(&app.by(&support), &RuleFilter::default(), &PageRequest::default()).await.unwrap();
        assert_eq!(all.items, std::slice::from_ref(&made.item));
        assert!(rules::delete(&app.by(&admin), made.item.id).await.unwrap().changed);
        let again = rules::delete(&app.by(&admin), made.item.id).await.unwrap();
        assert!(!again.changed, "it is taken away");
        assert_eq!(again.item, Rule { note: None, reports: 0, ..made.item.clone() });
        refused(rules::delete(&app.by(&support), made.item.id).await, ErrorCode::Forbidden);
        refused(rules::delete(&app.by(&admin), RuleId(uuid::Uuid::from_u128(7))).await, ErrorCode::NotFound);
        auth::signup(app, &client(), sign_up("new@throwaway.example")).await.unwrap();
        test.close().await;
    }
}
