//! Users.

use marketplace_core::staff::{
    self, Connection, CreateCategory, CreateRule, CreateUser, DeleteRule, EditCategory, EditRule, EditRuleInput,
    EditUser, EditUserInput, EndUserSession, ExportUser, ListCategories, ListQuery, ListRules, ListUserNotes,
    ListUserSessions, ListUsers, MergeCategory, MergeCategoryInput, NewCategoryInput, NewRuleInput, NewUserInput,
    NoteInput, ResendUserVerification, RevealUser, SendPasswordReset, ShowUser, TestRule, TestRuleInput,
    UpdateCategoryInput, WarnUser, WarningInput, WhyQuery, WriteUserNote,
};
use std::time::Duration;

use marketplace_core::{
    accounts::{
        model::{NewUser, UserAction},
        summary::UserFilter,
    },
    base::{
        change::{Change, IdentityProof, RestrictionReason},
        patch::Patch,
        permission::Role,
    },
    messaging::model::AccessReason,
    page::PageRequest,
    rules::model::{NewRule, RuleEdit, RuleFilter, RuleKind},
    services::model::{NewCategory, UpdateCategory},
    users::model::{self, SessionFilter},
};

use crate::{because, dry, note, script::Script, world::World};

/// What staff put right.
#[expect(clippy::too_many_lines, reason = "a story")]
async fn repair(world: &World, script: &mut Script, lea: &Connection) {
    let ada = world.user(Role::Client).await;
    let request = || because(RestrictionReason::UserRequest);
    let edit = |name: &str, email: &str, phone: &str| {
        let patch = |text: &str| if text.is_empty() { Patch::Keep } else { Patch::Set(text.to_owned()) };
        model::EditUser { name: patch(name), email: patch(email), phone: patch(phone) }
    };
    for (name, edit, change) in [
        ("nothing", edit("", "", ""), request()),
        ("without reason", edit("Ada", "", ""), Change::default()),
        ("bad", edit(" ", "nowhere", "12"), request()),
        ("dry", edit("Ada Obi", "", ""), Change { dry_run: true, ..request() }),
        (
            "all",
            edit("Ada Obi", "ada.obi@example.net", "+442071838751"),
            Change { note: Some("a typo".into()), ..request() },
        ),
        ("a taken number", edit("", "", "+442071838750"), request()),
        ("a taken address", edit("", "sam@example.org", ""), request()),
    ] {
        let input = EditUserInput::new(edit, change);
        script.heard(format!("users_edit {name}"), &lea.call::<EditUser>(ada, (), input).await);
    }
    world.test.advance(Duration::from_secs(1));
    let warning = |comment: &str, change| WarningInput::new(Some(comment.into()), change);
    let warned = lea.call::<WarnUser>(ada, (), warning("No adverts — ünï", because(RestrictionReason::Spam))).await;
    script.heard("users_warn", &warned);
    script.heard("users_warn bad", &lea.call::<WarnUser>(ada, (), warning("x", Change::default())).await);
    let sent = lea.call::<ResendUserVerification>(ada, (), note("asked by phone").into()).await;
    script.heard("users_resend confirmed", &sent);
    script.heard("users_reset", &lea.call::<SendPasswordReset>(ada, (), Change::default().into()).await);
    world.signed_in(ada).await;
    world.test.advance(Duration::from_secs(1));
    let (hidden, shown) = (SessionFilter::default(), SessionFilter { reveal: true });
    let all = PageRequest::default();
    let sessions = lea.call::<ListUserSessions>(ada, ListQuery::new(&hidden, &all), ()).await;
    script.heard("users_sessions", &sessions);
    script.heard("users_sessions shown", &lea.call::<ListUserSessions>(ada, ListQuery::new(&shown, &all), ()).await);
    let session = sessions.unwrap().items[0].id;
    script.heard("users_session_end dry", &lea.call::<EndUserSession>((ada, session), (), dry().into()).await);
    script.heard("users_session_end", &lea.call::<EndUserSession>((ada, session), (), note("theirs").into()).await);
    let again = lea.call::<EndUserSession>((ada, session), (), Change::default().into()).await;
    script.heard("users_session_end again", &again);
    let why = WhyQuery { reason: Some(AccessReason::Dispute) };
    script.heard("users_reveal for a reason", &lea.call::<RevealUser>(ada, why, ()).await);
    let until = world.test.app().now() + Duration::from_hours(1);
    let timed = Change { until: Some(until), ..because(RestrictionReason::Spam) };
    script
        .heard("users_act freeze for a while", &staff::act_on_user(lea, ada, &UserAction::Freeze, timed.clone()).await);
    script.heard("users_act ban for a while", &staff::act_on_user(lea, ada, &UserAction::Ban, timed).await);

    let create = async |key: &str, change: Change| {
        let names = [("en".to_owned(), "Drones".to_owned())].into();
        let new = NewCategory { key: key.parse().unwrap(), names, parent: None, position: None };
        lea.call::<CreateCategory>((), (), NewCategoryInput::new(new, &change)).await
    };
    script.heard("categories_create dry", &create("drones", dry()).await);
    script.heard("categories_create", &create("drones", Change::default()).await);
    script.heard("categories_create again", &create("drones", Change::default()).await);
    script.heard("categories_create of another's key", &create("music", Change::default()).await);
    for (name, update) in [
        ("hide", UpdateCategory { active: Some(false), ..UpdateCategory::default() }),
        ("again", UpdateCategory { active: Some(false), ..UpdateCategory::default() }),
        (
            "rename",
            UpdateCategory { names: [("de".into(), Some("Drohnen".into()))].into(), ..UpdateCategory::default() },
        ),
        ("without English", UpdateCategory { names: [("en".into(), None)].into(), ..UpdateCategory::default() }),
    ] {
        let input = UpdateCategoryInput::new(update, &Change::default());
        let key = "drones".parse().unwrap();
        script.heard(format!("categories_update {name}"), &lea.call::<EditCategory>(key, (), input).await);
    }
    for (name, key, into, change) in [
        ("into itself", "drones", "drones", Change::default()),
        ("dry", "drones", "photography", dry()),
        ("drones", "drones", "photography", Change::default()),
        ("again", "drones", "photography", Change::default()),
        ("elsewhere", "drones", "pets", Change::default()),
    ] {
        let input = MergeCategoryInput::new(into.parse().unwrap(), &change);
        let merged = lea.call::<MergeCategory>(key.parse().unwrap(), (), input).await;
        script.heard(format!("categories_merge {name}"), &merged);
    }
    script.heard("categories_list", &lea.call::<ListCategories>((), (), ()).await);
    let rule = |value: &str| NewRule::new(RuleKind::BlockedDomain, value);
    let create = async |value: &str, change: Change| {
        lea.call::<CreateRule>((), (), NewRuleInput::new(rule(value), &change)).await
    };
    script.heard("rules_create dry", &create("throwaway.example", dry()).await);
    let made = create("THROWAWAY.example", Change::default()).await;
    script.heard("rules_create", &made);
    let id = made.unwrap().item.id;
    script.heard("rules_create again", &create("throwaway.example", Change::default()).await);
    script.heard("rules_create bad", &create("no domain", Change::default()).await);
    let rules = lea.call::<ListRules>((), ListQuery::new(&RuleFilter::default(), &all), ()).await;
    script.heard("rules_list", &rules);
    let edit = RuleEdit { note: Patch::Set("disposable".into()), ..RuleEdit::default() };
    let edit = EditRuleInput::new(edit, &Change::default());
    script.heard("rules_edit", &lea.call::<EditRule>(id, (), edit).await);
    let trial = TestRuleInput {
        kind: RuleKind::ContactDetails,
        value: "any".into(),
        places: None,
        examples: Some(20),
        after: None,
        if_version: None,
    };
    script.heard("rules_test", &lea.call::<TestRule>((), (), trial).await);
    script.heard("rules_delete", &lea.call::<DeleteRule>(id, (), Change::default().into()).await);
    script.heard("rules_delete again", &lea.call::<DeleteRule>(id, (), Change::default().into()).await);
}

pub async fn users(world: &World, script: &mut Script) {
    let (lea, own) = world.staff(Role::Admin).await;
    let new = |email: &str, name: &str| NewUser {
        role: Role::Support,
        email: email.into(),
        name: name.into(),
        phone: Some("+442071838750".into()),
    };
    script.heard(
        "users_create dry",
        &lea.call::<CreateUser>((), (), NewUserInput::new(new("sam@example.org", "Sam Ito"), dry())).await,
    );
    let made = lea
        .call::<CreateUser>((), (), NewUserInput::new(new("sam@example.org", "Sam Ito"), note("a new colleague")))
        .await;
    script.heard("users_create", &made);
    let id = made.unwrap().item.user.id;
    world.test.advance(Duration::from_secs(1));
    script.heard(
        "users_create again",
        &lea.call::<CreateUser>((), (), NewUserInput::new(new("SAM@example.org", "Sam"), Change::default())).await,
    );
    script.heard(
        "users_create bad",
        &lea.call::<CreateUser>((), (), NewUserInput::new(new("no address", " "), Change::default())).await,
    );
    script.heard("users_show", &lea.call::<ShowUser>(id, (), ()).await);
    script.heard("users_reveal", &lea.call::<RevealUser>(id, WhyQuery::default(), ()).await);
    world.exported(script, "users_export", lea.call::<ExportUser>(id, WhyQuery::default(), ()).await).await;
    let revealed = UserFilter { q: Some("sam".into()), reveal: true, ..UserFilter::default() };
    script.heard(
        "users_list revealed",
        &lea.call::<ListUsers>((), ListQuery::new(&revealed, &PageRequest::default()), ()).await,
    );
    script.heard("users_note dry", &lea.call::<WriteUserNote>(id, (), NoteInput::new("hello", &dry())).await);
    script.heard(
        "users_note",
        &lea.call::<WriteUserNote>(id, (), NoteInput::new("hello\nthere — ünï 🐴", &Change::default())).await,
    );
    script.heard("users_note empty", &lea.call::<WriteUserNote>(id, (), NoteInput::new(" ", &Change::default())).await);
    script.heard(
        "users_note bell",
        &lea.call::<WriteUserNote>(id, (), NoteInput::new("a\u{7}b", &Change::default())).await,
    );
    script.heard("users_notes", &lea.call::<ListUserNotes>(id, PageRequest::first(1), ()).await);
    script.heard("users_notes bad", &lea.call::<ListUserNotes>(id, PageRequest::first(0), ()).await);

    repair(world, script, &lea).await;

    let worker = world.user(Role::Worker).await;
    let fraud = || because(RestrictionReason::Fraud);
    for (name, action, change) in [
        ("freeze without reason", UserAction::Freeze, Change::default()),
        ("freeze dry", UserAction::Freeze, Change { dry_run: true, ..fraud() }),
        ("freeze at another version", UserAction::Freeze, Change { if_version: Some(99), ..fraud() }),
        ("freeze", UserAction::Freeze, Change { note: Some("odd".into()), ..fraud() }),
        ("freeze again", UserAction::Freeze, fraud()),
        ("unfreeze", UserAction::Unfreeze, Change::default()),
        ("unfreeze again", UserAction::Unfreeze, Change::default()),
        ("role", UserAction::SetRole { role: Role::Client }, Change::default()),
        ("role again", UserAction::SetRole { role: Role::Client }, Change::default()),
        ("revoke sessions", UserAction::RevokeSessions, Change::default()),
        ("reset totp without proof", UserAction::ResetTotp, Change::default()),
        ("reset totp", UserAction::ResetTotp, Change { proof: Some(IdentityProof::VideoCall), ..Change::default() }),
        ("ban", UserAction::Ban, fraud()),
        ("unfreeze a banned one", UserAction::Unfreeze, Change::default()),
        ("unban", UserAction::Unban, Change::default()),
        ("delete without reason", UserAction::Delete, Change::default()),
        ("delete", UserAction::Delete, because(RestrictionReason::UserRequest)),
        ("delete again", UserAction::Delete, because(RestrictionReason::UserRequest)),
        ("freeze a deleted one", UserAction::Freeze, fraud()),
    ] {
        script.heard(format!("users_act {name}"), &staff::act_on_user(&lea, worker, &action, change.clone()).await);
    }
    script.heard("users_act oneself", &staff::act_on_user(&lea, own, &UserAction::Freeze, fraud()).await);
    script.heard("users_show deleted", &lea.call::<ShowUser>(worker, (), ()).await);
    world.exported(script, "users_export deleted", lea.call::<ExportUser>(worker, WhyQuery::default(), ()).await).await;
    script.heard("users_reveal deleted", &lea.call::<RevealUser>(worker, WhyQuery::default(), ()).await);
}
