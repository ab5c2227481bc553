//! Tests of what lists show and keep: columns, order, filters, marks, names; and of drawing at every size.

use std::time::Duration;

use marketplace_core::{
    error::{Error, ErrorCode},
    staff::FreezeUser,
};

use super::{
    super::{Options, screens},
    Console, changes, options,
    system::System,
};

/// Returns the rows of the first column of text, as far as a name goes.
fn rows_with(console: &Console, text: &str) -> Vec<String> {
    console.screen().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_new_filter_replaces_the_old_one() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 /").await;
    console.write("status:banned").await;
    console.press("enter /").await;
    console.write("role:client").await;
    console.press("enter").await;
    console.shows("Users · role:client");
    // Unless it is edited.
    console.press("/ ctrl-e").await;
    console.write(" ada").await;
    console.press("enter").await;
    console.shows("Users · role:client ada");
    // Leaving the bar keeps what was.
    console.press("/").await;
    console.write("x").await;
    console.press("esc").await;
    console.shows("Users · role:client ada");
}

/// A list says the filter that it has, not one that it could not have.
#[tokio::test]
async fn a_filter_that_is_none_is_not_in_the_title() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 /").await;
    console.write("colour:red").await;
    console.press("enter").await;
    console.shows("`colour:` is unknown: filter by ");
    console.hides("Users · colour:red");
    console.press("esc").await;
    console.hides("colour");
    console.press(":").await;
    console.write("users colour:red").await;
    console.press("enter").await;
    console.hides("Users · colour:red");
}

#[tokio::test]
async fn filters_are_remembered_and_saved_under_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let remembering = || Options { memory: Some(folder.path().join("console.json")), ..options() };
    let system = System::new(12, 0).await;
    let mut console = Console::start_with(&system, remembering(), (120, 40)).await;
    console.press("3 /").await;
    console.write("status:banned =gone").await;
    console.shows("Enter saves it as @gone");
    console.press("enter").await;
    console.shows("Users · status:banned ");
    console.press("/").await;
    console.write("role:worker").await;
    console.press("enter").await;
    // The next session has both.
    let mut console = Console::start_with(&system, remembering(), (120, 40)).await;
    console.press("3 /").await;
    console.write("@gone").await;
    console.press("enter").await;
    console.shows("✖ banned");
    console.hides("● active");
    console.press("esc / up").await;
    console.shows("/status:banned");
    console.press("up enter").await;
    console.shows("Users · role:worker");
    console.press("/").await;
    console.write("@none").await;
    console.press("enter").await;
    console.shows("saved are @gone");
}

#[tokio::test]
async fn lists_are_sorted_by_any_column_and_back() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 >").await;
    console.shows("name▲");
    let first = rows_with(&console, "•••").first().cloned().unwrap();
    assert!(first.contains("Ada O•••"), "{first}");
    console.press("<").await;
    console.shows("name▼");
    let first = rows_with(&console, "•••").first().cloned().unwrap();
    assert!(first.contains("青木"), "{first}");
    for _ in screens::infos().iter().take(6) {
        console.press(">").await;
    }
    console.shows("joined▼");
}

#[tokio::test]
async fn columns_are_chosen_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let remembering = || Options { memory: Some(folder.path().join("console.json")), ..options() };
    let system = System::new(12, 0).await;
    let mut console = Console::start_with(&system, remembering(), (120, 40)).await;
    console.press("3").await;
    console.shows("role");
    console.press("| c enter").await;
    console.hides("  role  ");
    let mut console = Console::start_with(&system, remembering(), (120, 40)).await;
    console.press("3").await;
    console.hides("  role  ");
    console.press("| c enter").await;
    console.shows("  role  ");
}

#[tokio::test]
async fn what_failed_in_a_bulk_action_stays_marked() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 space space f s").await;
    system.fail::<FreezeUser>(Error::new(ErrorCode::Conflict, "somebody else was there first"));
    console.press("enter").await;
    console.shows("done 1 · unchanged 0 · failed 1");
    console.later(Duration::from_secs(30)).await;
    console.shows("◆ 1 marked");
    let marked = rows_with(&console, "│ ◆");
    assert!(marked[0].contains("Ada O•••"), "{marked:?}");
}

#[tokio::test]
async fn what_is_impossible_is_said_before_anything_is_filled_in() {
    let system = System::new(12, 3).await;
    let mut console = Console::start(&system).await;
    console.press("3 B").await;
    console.shows("unban: not banned");
    console.press("enter").await;
    console.press("esc esc 5 O").await;
    assert_eq!(changes(&system), Vec::<String>::new());
}

#[tokio::test]
async fn colleagues_are_shown_by_name() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("7").await;
    // Somebody who is no staff any more is asked for by id.
    console.later(Duration::from_secs(1)).await;
    console.later(Duration::from_secs(1)).await;
    console.shows("Amir K•••");
    console.shows("sam@desk");
}

#[tokio::test]
async fn exact_times_keep_the_names_and_say_the_zone() {
    let system = System::new(12, 6).await;
    for size in [(120, 36), (80, 24), (60, 16)] {
        for (screen, name) in
            [("2", "Tunde B•••"), ("3", "Tunde B•••"), ("4", "Sora A"), ("5", "Sora A"), ("6", "Sora A")]
        {
            let mut console = Console::start_with(&system, options(), size).await;
            console.press(screen).await;
            console.press("i").await;
            console.shows(name);
            if size.0 >= 80 {
                console.shows("(UTC)");
            }
        }
    }
}

#[tokio::test]
async fn no_size_breaks_anything() {
    let system = System::new(12, 6).await;
    let mut console = Console::start(&system).await;
    let keys =
        ["1", "2 enter", "x", "esc esc 3 enter", "f", "esc ?", "esc :", "esc 5", "enter", "esc 6 /", "esc 7 enter"];
    for keys in keys {
        // As large as is needed for the keys to count.
        console.terminal.backend_mut().resize(80, 24);
        console.press(keys).await;
        for (width, height) in
            [(0, 0), (0, 24), (80, 0), (1, 1), (2, 3), (59, 15), (60, 16), (61, 17), (79, 23), (300, 16), (60, 90)]
        {
            console.terminal.backend_mut().resize(width, height);
            console.draw();
        }
    }
}

/// A window says what it is and how it is closed, also where there is little room.
#[tokio::test]
async fn windows_say_what_they_are_and_how_they_are_closed() {
    let system = System::new(12, 4).await;
    let mut console = Console::start_with(&system, options(), (60, 16)).await;
    for (keys, title) in [("?", "┌ Help "), ("!", "┌ As command "), ("7 enter", "┌ ")] {
        console.press(keys).await;
        let screen = console.screen();
        let line = screen.lines().find(|line| line.contains("Esc closes") && line.contains(title));
        assert!(line.is_some_and(|line| line.contains(" ┐")), "{title}:\n{screen}");
        console.press("esc").await;
    }
    // A form.
    console.press("3 e").await;
    console.press("f").await;
    console.shows("Esc cancels");
}

#[tokio::test]
async fn an_ascii_console_draws_nothing_else() {
    let system = System::new(6, 4).await;
    let plain = Options { ascii: true, no_color: true, images: Some("off".into()), ..options() };
    let mut console = Console::start_with(&system, plain, (120, 36)).await;
    for keys in ["1", "2", "3", "f", "esc 4 enter", "5", "6", "7", "?"] {
        console.press(keys).await;
        let odd: String = console.screen().chars().filter(|c| !c.is_ascii()).collect();
        assert_eq!(odd, "", "after {keys}:\n{}", console.screen());
    }
}
