//! Users.

use marketplace_core::staff::{
    self, CreateUser, ExportUser, ListQuery, ListUserNotes, ListUsers, NewUserInput, NoteInput, RevealUser, ShowUser,
    WriteUserNote,
};
use std::time::Duration;

use marketplace_core::{
    accounts::{
        model::{NewUser, UserAction},
        summary::UserFilter,
    },
    base::{
        change::{Change, IdentityProof, RestrictionReason},
        permission::Role,
    },
    page::PageRequest,
};

use crate::{because, dry, note, script::Script, world::World};

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
    script.heard("users_reveal", &lea.call::<RevealUser>(id, (), ()).await);
    world.exported(script, "users_export", lea.call::<ExportUser>(id, (), ()).await).await;
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
    world.exported(script, "users_export deleted", lea.call::<ExportUser>(worker, (), ()).await).await;
    script.heard("users_reveal deleted", &lea.call::<RevealUser>(worker, (), ()).await);
}
