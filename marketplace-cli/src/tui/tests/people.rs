//! Managing users.

use std::time::Duration;

use marketplace_core::staff::ListUsers;
use marketplace_core::{
    accounts::model::{Status, UserAction},
    base::permission::Role,
};

use super::{
    super::app::{Effect, Recording},
    Console, changes,
    system::System,
};

#[tokio::test]
async fn a_freeze_takes_a_reason() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 f").await;
    console.shows("Freeze Ada O•••");
    console.press("enter").await;
    console.shows("choose a reason");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.press("s tab").await;
    console.write("three reports").await;
    console.press("enter").await;
    assert_eq!(changes(&system), ["freeze 0 spam \"three reports\""]);
    console.shows("Ada O•••: frozen");
    console.shows("❄ frozen");
}

#[tokio::test]
async fn a_deletion_takes_a_reason_and_the_word() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    // Somebody without a live job.
    console.press("3 j j j j j D r enter").await;
    console.shows("type `delete` to confirm");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.write("delete").await;
    console.press("enter").await;
    assert_eq!(changes(&system), ["delete 5 user_request"]);
    assert_eq!(system.user_status(5).await, Status::Deleted);
}

#[tokio::test]
async fn escape_never_changes_anything() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    for open in ["f s", "F", "b f", "B", "D o", "m a", "c x", "S"] {
        console.press("3").await;
        console.press(open).await;
        console.press("esc").await;
    }
    assert_eq!(changes(&system), Vec::<String>::new());
}

#[tokio::test]
async fn lifting_and_ending_sessions_are_confirmed() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 j j F").await;
    console.shows("Unfreeze Marta F•••");
    console.press("y").await;
    console.press("S").await;
    console.confirm("end").await;
    assert_eq!(changes(&system), ["unfreeze 2", "revoke-sessions 2"]);
}

#[tokio::test]
async fn roles_and_notes() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 m s").await;
    console.confirm("role").await;
    console.press("c").await;
    console.write("called back").await;
    console.press("enter enter").await;
    assert_eq!(changes(&system), ["role 0 support", "notes 0 \"called back\""]);
    console.shows("called back");
}

#[tokio::test]
async fn a_row_that_changed_meanwhile_is_not_changed_blindly() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 f s").await;
    marketplace_core::users::act(&system.lea(), super::system::user_id(0), &UserAction::SetRole { role: Role::Client })
        .await
        .unwrap();
    console.press("enter").await;
    console.shows("it was changed meanwhile");
    assert_eq!(system.user_status(0).await, Status::Active);
}

#[tokio::test]
async fn repeating_goes_to_the_next_row_and_asks() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 b f enter").await;
    system.calls();
    console.press(".").await;
    console.shows("Ban Tunde B•••");
    console.shows("(•) fraud");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.press("enter").await;
    assert_eq!(changes(&system), ["ban 1 fraud"]);
}

#[tokio::test]
async fn filtering_as_typed() {
    let system = System::new(40, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 /").await;
    console.write("status:banned").await;
    console.hides("Ada O•••");
    console.shows("Sora A•••");
    console.write(" zo").await;
    console.shows("Zoë M•••");
    console.hides("Sora A•••");
    console.press("esc").await;
    console.shows("Ada O•••");
    console.press("/").await;
    console.write("role:adm").await;
    console.shows("Tab: role:admin");
    console.press("tab enter").await;
    console.shows("Nobody matches.");
    console.press("esc").await;
    console.shows("Ada O•••");
}

#[tokio::test]
async fn only_the_latest_filter_counts() {
    let system = System::new(40, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 /").await;
    system.hold::<ListUsers>();
    console.write("lena").await;
    for _ in 0..4 {
        console.key("backspace");
    }
    console.write("tunde").await;
    system.let_one_go::<ListUsers>();
    console.settle().await;
    // The answer for `lena` came, and changed nothing.
    console.shows("1 of 40");
    system.let_go::<ListUsers>();
    console.settle().await;
    console.later(Duration::from_millis(200)).await;
    console.shows("1 of 4");
    console.shows("Tunde B•••");
    console.hides("Ada O•••");
}

#[tokio::test]
async fn long_lists_load_as_they_are_scrolled() {
    let system = System::new(1_500, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3").await;
    for _ in 0..20 {
        console.press("G").await;
    }
    console.shows("1,500 of 1,500");
    console.press("g").await;
    console.shows("1 of 100+");
}

#[tokio::test]
async fn marked_users_are_frozen_together() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 V j j j V f s").await;
    console.shows("Freeze 4 users");
    console.press("enter").await;
    assert_eq!(changes(&system).len(), 4);
    console.shows("done 3 · unchanged 1 · failed 0");
}

#[tokio::test]
async fn ids_and_rows_are_copied() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 y").await;
    let id = super::system::user_id(0).to_string();
    // The screen changed before.
    assert_eq!(console.app.effects, [Effect::Redraw, Effect::Copy(id.clone())]);
    console.app.effects.clear();
    console.press("Y").await;
    let [Effect::Copy(json)] = console.app.effects.as_slice() else { panic!() };
    assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["id"], id);
}

#[tokio::test]
async fn commands_and_their_equivalents() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press(":").await;
    console.write("users").await;
    console.press("enter").await;
    console.shows("Tunde B•••");
    console.press(":").await;
    console.write("filter status:frozen").await;
    console.press("enter").await;
    console.hides("Ada O•••");
    console.press("!").await;
    console.shows("marketplace users list --status frozen");
}

#[tokio::test]
async fn the_mouse_selects_opens_and_switches() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    // The third tab, then the third row.
    let tabs = console.screen().lines().nth(1).unwrap().to_owned();
    let column = tabs.chars().position(|c| c == '3').unwrap();
    console.click(u16::try_from(column).unwrap() - 1, 1).await;
    console.shows("of 12");
    console.click(10, 6).await;
    console.shows("3 of 12");
    console.click(10, 6).await;
    console.later(Duration::from_millis(200)).await;
    console.shows("because");
}

#[tokio::test]
async fn details_follow_the_cursor_where_there_is_room() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 j j").await;
    console.later(Duration::from_millis(200)).await;
    console.shows("because    spam");
    assert_eq!(changes(&system), Vec::<String>::new());
}

/// What a recording of the console would hold.
#[tokio::test]
async fn what_is_revealed_is_never_recorded() {
    let system = System::new(12, 2).await;
    let mut console = Console::start(&system).await;
    let staff = UserAction::SetRole { role: Role::Support };
    marketplace_core::users::act(&system.lea(), super::system::user_id(1), &staff).await.unwrap();
    console.app.recording = Recording::On(None);
    let mut recorded = String::new();
    for keys in ["3 R", "2 enter", "R", "3 / q u i l l", "enter !", "esc 0 n b tab", "tab 9 d tab", "enter"] {
        console.press(keys).await;
        match keys {
            "esc 0 n b tab" => console.write("night job").await,
            "tab 9 d tab" => console.write(&super::system::user_id(1).to_string()).await,
            _ => {}
        }
        if keys == "3 R" {
            console.shows("ada@mail.example.org");
        }
        if let Recording::On(Some(frame)) = &console.app.recording {
            recorded.extend(frame.content.iter().map(ratatui::buffer::Cell::symbol));
            recorded.push('\n');
        }
    }
    assert!(recorded.contains("Users") && recorded.contains("masked again in"), "{recorded}");
    console.shows("mkt_");
    for secret in ["example.org", "Ada Obi", "quill", "night job", "mkt_"] {
        assert!(!recorded.contains(secret), "{secret}: {recorded}");
    }
    assert!(!recorded.contains('▀') && !recorded.contains('▄'), "{recorded}");
}
