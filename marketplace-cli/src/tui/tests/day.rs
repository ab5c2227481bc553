//! A day's work: what to do next, where it was left, what is told, own texts and macros.

use std::{collections::BTreeMap, time::Duration};

use marketplace_core::{
    base::{
        change::Change,
        permission::{Permission, Role},
    },
    kyc::{model::FileKind, status::KycStatus},
    presence::Viewed,
    staff::{
        Connection, FileOf, FreezeUser, RejectAttempt, RoleInput, SetUserRole, ShowAttempt, View, ViewAttemptFile,
        ViewInput,
    },
};

use crate::profile::MacroText;

use super::{
    super::{Options, Reply, app::Effect},
    Console, changes, options,
    system::{System, attempt_id, operator, user_id},
};

#[tokio::test]
async fn the_first_screen_says_what_to_do_next_and_enter_begins_it() {
    let system = System::new(12, 4).await;
    let targets = BTreeMap::from([("kyc".to_owned(), "30m".to_owned())]);
    let mut console = Console::start_with(&system, Options { targets, ..options() }, (120, 36)).await;
    console.shows("▸  identity checks         4     3h    30m  ! late");
    console.shows("flagged reviews         3     1h    24h  in time");
    console.press("enter").await;
    console.shows("Ada O••• · attempt 2 · passport");
    console.shows("yours, 10:00 left");
    assert!(changes(&system).contains(&"next".to_owned()));
    // What was begun comes first, and Enter goes back to it.
    console.press("1").await;
    console.later(Duration::from_secs(11)).await;
    console.shows("▸  begun by you");
    console.shows("◐ finish first");
    console.press("enter").await;
    console.shows("Ada O••• · attempt 2 · passport");
    // The next in the order of urgency.
    console.press("1 j j enter").await;
    console.shows("Reviews · flagged:yes");
}

/// The own time and that of the others stand in the narrowest place that charts have.
#[tokio::test]
async fn the_own_median_is_beside_that_of_the_others_at_120_columns() {
    let system = System::new(12, 4).await;
    system.approved_by_lea(1).await;
    for size in [(120, 36), (200, 50)] {
        let mut console = Console::start_with(&system, options(), size).await;
        console.later(Duration::from_secs(61)).await;
        console.shows("You, 24 h");
        console.shows("median –");
        // What was decided at once, without a claim, took no time that is known.
        console.shows("theirs –");
        console.shows("undone 0");
    }
}

#[tokio::test]
async fn a_console_that_may_only_look_begins_with_the_queue() {
    let system = System::audited(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("enter").await;
    console.shows("KYC queue");
    assert!(changes(&system).is_empty());
}

#[tokio::test]
async fn a_console_begins_where_it_was_left_without_what_names_a_person() {
    let system = System::new(12, 4).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.json");
    let with = |resumes| Options { memory: Some(path.clone()), resumes, ..options() };
    let mut console = Console::start_with(&system, with(true), (120, 40)).await;
    console.press("3 /").await;
    console.write("role:client sora").await;
    console.press("enter").await;
    console.shows("Sora A•••");
    console.app.leave();
    let console = Console::start_with(&system, with(true), (120, 40)).await;
    console.shows("Users · role:client ─");
    let left = std::fs::read_to_string(&path).unwrap();
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert_eq!(left["left"]["db test"], serde_json::json!({"screen": "users", "filter": "role:client"}));
    let console = Console::start_with(&system, with(false), (120, 40)).await;
    console.shows("What waits");
}

#[tokio::test]
async fn what_becomes_urgent_is_told_once_and_the_title_counts() {
    let system = System::new(12, 4).await;
    let mut console = Console::start_with(&system, Options { title: true, ..options() }, (120, 40)).await;
    let told = |console: &mut Console| -> Vec<Effect> {
        let effects = std::mem::take(&mut console.app.effects);
        effects.into_iter().filter(|effect| matches!(effect, Effect::Alert(_) | Effect::Title(_))).collect()
    };
    console.later(Duration::from_secs(2)).await;
    assert_eq!(told(&mut console), [Effect::Title("7 waiting · test".into())]);
    // The oldest becomes older than it may.
    console.press("2 enter").await;
    console.later(Duration::from_secs(3_600)).await;
    console.later(Duration::from_secs(11)).await;
    let all = told(&mut console);
    assert!(all.contains(&Effect::Alert("identity checks: the oldest waits too long".into())), "{all:?}");
    assert!(all.contains(&Effect::Title("! 7 waiting · test".into())), "{all:?}");
    console.later(Duration::from_secs(11)).await;
    assert_eq!(told(&mut console), []);
    // Nobody touches the case that was claimed.
    console.press("esc n").await;
    console.later(Duration::from_secs(61)).await;
    for _ in 0..10 {
        console.later(Duration::from_secs(53)).await;
    }
    let ends = "your claim on the open case ends within a minute";
    assert_eq!(told(&mut console), [Effect::Alert(ends.into())]);
    console.shows(ends);
}

#[tokio::test]
async fn own_texts_are_inserted_and_nothing_unfilled_is_sent() {
    let system = System::new(6, 4).await;
    let reply = |name: &str, text: &str| Reply { name: name.into(), text: text.into() };
    let replies = vec![reply("old · en", "Your {document} is too old."), reply("plain", "Hello {name}.")];
    let mut console = Console::start_with(&system, Options { replies, ..options() }, (120, 40)).await;
    console.press("2 enter x e ctrl-t").await;
    console.shows("Own texts");
    console.shows("a  old · en");
    console.press("a").await;
    console.shows("Your passport is too old.");
    console.press("ctrl-t b enter").await;
    console.shows("write what {name} stands for first");
    for _ in 0.."{name}.".len() {
        console.key("backspace");
    }
    console.write("there.").await;
    console.press("enter").await;
    let said = changes(&system);
    assert!(said.iter().any(|call| call.ends_with("Your passport is too old. Hello there.\"")), "{said:?}");
}

#[tokio::test]
async fn a_macro_does_its_acts_with_each_question_and_stops_with_no() {
    let system = System::new(12, 4).await;
    let acts = ["reject:document_expired", "users.note:Rejected, {date}"].map(str::to_owned).to_vec();
    let macros = BTreeMap::from([("old".to_owned(), MacroText { key: Some("ctrl-o".into()), acts })]);
    let mut console = Console::start_with(&system, Options { macros, ..options() }, (120, 40)).await;
    console.press("2 enter").await;
    system.calls();
    console.press("ctrl-o").await;
    console.shows("[x] document expired");
    console.press("enter").await;
    console.shows("Note on Ada O•••");
    console.shows("Rejected, 2");
    console.press("enter").await;
    assert_eq!(system.attempt(0).await.attempt.status, KycStatus::Rejected);
    let said = changes(&system);
    assert!(said[0].starts_with("reject 0 [document_expired]"), "{said:?}");
    assert!(said.iter().any(|call| call.starts_with("notes 0 \"Rejected, 2")), "{said:?}");
    // Back at the queue, where the next case is open.
    console.shows("Tunde B••• · attempt 1");
    // Without the first there is no second.
    console.press("ctrl-o esc").await;
    console.shows("1 of its acts not done");
    console.press("esc").await;
    assert!(system.attempt(1).await.attempt.status.is_open());
    // What fails stops it as well.
    console.press("2 enter").await;
    system.fail::<RejectAttempt>(marketplace_core::error::Error::conflict("decided", serde_json::json!({})));
    console.press("ctrl-o enter").await;
    console.hides("Note on");
    assert_eq!(system.attempt(1).await.attempt.id, attempt_id(1));
}

/// Once the summary of a bulk act that ran was dropped.
#[tokio::test]
async fn whoever_may_do_less_is_told_what_was_not_done() {
    let system = System::audited(12, 0).await;
    let mut console = Console::start(&system).await;
    console.app.ctx.identity.as_mut().unwrap().permissions.push(Permission::UsersWrite);
    system.hold::<FreezeUser>();
    console.press("3 space space f s enter").await;
    console.press("ctrl-r").await;
    console.shows("your role is auditor now; not done, or not known to be done: Freeze 2 users: done 0");
    console.press("E").await;
    console.shows("Freeze 2 users: done 0");
}

#[tokio::test]
async fn what_a_shift_needs_besides_is_in_the_console() {
    let system = System::new(12, 2).await;
    let support = RoleInput::new(Role::Support, Change::default());
    system.direct().call::<SetUserRole>(user_id(0), (), support).await.unwrap();
    let mut console = Console::start(&system).await;
    // A colleague, whose mail then waits.
    console.press("3 n s tab").await;
    console.write("Lea Ortiz").await;
    console.press("tab").await;
    console.write("lea@mail.example.org").await;
    console.press("tab tab").await;
    console.write("role").await;
    console.press("enter").await;
    console.shows("Lea Ortiz: created; the password is set by mail");
    console.shows("Lea Ortiz");
    console.press("9").await;
    console.shows("Mails that were not sent yet");
    console.shows("○ waiting");
    console.press("r enter").await;
    console.shows("to l••@•••.org: is ");
    // The second factor of somebody, by how it was made sure who asks.
    console.press("3 g T v").await;
    console.confirm("reset").await;
    console.shows("Lea Ortiz: unchanged: was so already");
    // A token, whose secret is shown once.
    console.press("0").await;
    console.shows("There are no tokens.");
    console.press("n b tab").await;
    console.write("night job").await;
    console.press("tab").await;
    console.write("90d").await;
    console.press("tab").await;
    console.write(&user_id(0).to_string()).await;
    console.press("enter").await;
    console.shows("Keep the secret now");
    console.shows("mkt_");
    console.press("enter").await;
    console.hides("mkt_");
    console.shows("night job  ● active");
    console.press("x").await;
    console.confirm("revoke").await;
    console.shows("night job: ended");
    // The whole log is looked through.
    console.press("7 c").await;
    console.shows("whole: no row was changed or removed");
    // Everything of a person, into a file that was not there.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("them.zip");
    console.press("esc 3 X").await;
    for _ in 0..60 {
        console.key("backspace");
    }
    console.write(path.to_str().unwrap()).await;
    console.press("enter").await;
    console.shows("them.zip (");
    assert!(std::fs::read(&path).unwrap().starts_with(b"PK"));
}

#[tokio::test]
async fn who_else_looks_at_a_case_or_a_person_is_shown() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    let lea = Connection::direct(system.app().clone(), operator("Lea"));
    lea.call::<ViewAttemptFile>(FileOf(attempt_id(0), FileKind::Document), (), ()).await.unwrap();
    console.later(Duration::from_secs(11)).await;
    console.shows("◐ Lea@desk saw the documents, 11s");
    console.press("U").await;
    console.shows("◐ Lea@desk saw the documents, 1");
    // Own looks are nobody else's, and what is over is not shown.
    console.later(Duration::from_secs(301)).await;
    console.hides("Lea@desk saw");
    // Looking alone shows too, for as long as it goes on.
    let person = lea.call::<ShowAttempt>(attempt_id(0), (), ()).await.unwrap().attempt.user_id;
    lea.call::<View>((), (), ViewInput::new(Viewed::User(person))).await.unwrap();
    console.later(Duration::from_secs(6)).await;
    console.shows("◐ Lea@desk has this open too, for 6s");
    console.later(Duration::from_secs(16)).await;
    console.hides("Lea@desk has this open");
}
