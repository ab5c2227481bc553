//! Losing and regaining the connection.

use std::time::Duration;

use marketplace_core::staff::{ListEvents, ListUsers, ViewAttemptFile};
use marketplace_core::{ids::UserId, text::is_unsafe};

use super::{
    Console, changes, options,
    system::{System, World, user_id},
};

#[tokio::test]
async fn the_first_frame_needs_no_answer() {
    let system = System::new(6, 4).await;
    let mut console = Console::cold(&system, options(), (80, 24));
    console.draw();
    console.shows("Marketplace · test (db)");
    console.shows("connecting");
}

#[tokio::test]
async fn away_is_said_within_a_second_and_it_comes_back_by_itself() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2").await;
    console.shows("● connected");
    system.set_down(true);
    // The next beat is at most 300 ms away.
    console.later(Duration::from_millis(300)).await;
    console.shows("✖ away");
    console.shows("the database does not answer");
    // What it has stays, and nothing is changed.
    console.shows("Ada O•••");
    system.calls();
    console.press("space a").await;
    console.shows("not connected: nothing was changed");
    console.press("enter").await;
    assert_eq!(changes(&system), Vec::<String>::new());
    system.set_down(false);
    for _ in 0..30 {
        console.later(Duration::from_millis(500)).await;
    }
    console.shows("● connected");
    console.press("esc enter").await;
    assert_eq!(changes(&system)[0], "claim 1");
}

#[tokio::test]
async fn silence_counts_as_away() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    system.hold::<ListEvents>();
    console.later(Duration::from_millis(300)).await;
    console.shows("● connected");
    console.later(Duration::from_millis(600)).await;
    console.shows("◐ slow 0.6s");
    console.later(Duration::from_millis(1_400)).await;
    console.shows("✖ away");
    console.shows("no answer");
    system.let_go::<ListEvents>();
    console.settle().await;
    console.hides("away");
    for _ in 0..3 {
        console.later(Duration::from_millis(300)).await;
    }
    console.shows("● connected");
}

#[tokio::test]
async fn a_call_that_finds_nobody_counts_at_once() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("3").await;
    system.set_down(true);
    console.press("enter").await;
    console.shows("✖ away");
}

#[tokio::test]
async fn the_tries_come_slower_and_slower() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    system.set_down(true);
    system.hold::<ViewAttemptFile>();
    let mut beats = 0;
    for _ in 0..600 {
        system.advance(Duration::from_millis(50));
        let before = console.app.ctx.in_flight();
        console.app.tick();
        beats += usize::from(console.app.ctx.in_flight() > before);
        console.settle().await;
    }
    // Thirty seconds: a few tries at first, then one every five seconds.
    assert!((5..=14).contains(&beats), "{beats}");
}

#[tokio::test]
async fn what_others_did_shows_by_itself() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2").await;
    console.hides("◐ Lea");
    system.claimed_by_lea(1).await;
    console.later(Duration::from_millis(300)).await;
    console.later(Duration::from_millis(300)).await;
    console.shows("◐ Lea");
}

#[tokio::test]
async fn the_audit_log_follows() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("7").await;
    console.shows("▼ following");
    system.approved_by_lea(1).await;
    console.later(Duration::from_secs(2)).await;
    console.shows("kyc.approve");
    console.shows("   41 ");
    // Further down, it stays where it is.
    console.press("j j").await;
    console.shows("paused");
    system.approved_by_lea(0).await;
    console.later(Duration::from_secs(2)).await;
    console.hides("   42 ");
    console.press("L L").await;
    console.shows("   42 ");
}

#[tokio::test]
async fn nothing_is_drawn_when_nothing_changed() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    assert!(!console.app.ctx.dirty);
    system.advance(Duration::from_millis(310));
    console.app.tick();
    while console.app.ctx.in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while let Ok(message) = console.receiver.try_recv() {
        console.app.message(message);
    }
    assert!(!console.app.ctx.dirty, "a quiet beat");
    console.key("j");
    assert!(console.app.ctx.dirty);
}

#[tokio::test]
async fn a_list_that_does_not_come_shows_a_skeleton_after_a_moment() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    system.hold::<ListUsers>();
    console.press("3").await;
    console.hides("░░░");
    console.later(Duration::from_millis(100)).await;
    console.shows("░░░");
    // Keys are answered meanwhile.
    console.press("2").await;
    console.shows("Ada O•••");
    system.let_go::<ListUsers>();
    console.press("3").await;
    console.hides("░░░");
}

#[tokio::test]
async fn nothing_in_the_data_steers_the_terminal() {
    let evil = "\u{1b}[2J\u{7}Ev\u{202e}il\u{9b}31m\u{200b}\r\n\u{1b}]52;c;eA==\u{7}";
    let system = System::of(World { users: 6, cases: 4, text: Some(evil), ..World::default() }).await;
    let mut console = Console::start(&system).await;
    for keys in
        ["1", "enter", "esc", "2", "enter", "x", "esc", "a", "3", "enter", "f", "esc", "c", "esc", "7", "enter", "esc"]
    {
        console.press(keys).await;
        for cell in console.terminal.backend().buffer().content() {
            assert!(!cell.symbol().chars().any(is_unsafe), "{:?} after {keys}", cell.symbol());
        }
    }
}

#[tokio::test]
async fn a_small_terminal_says_so() {
    let system = System::new(6, 4).await;
    let console = Console::start_with(&system, options(), (50, 12)).await;
    console.shows("terminal too small: 50×12, needs 60×16");
}

#[tokio::test]
async fn jumps_between_a_user_their_checks_and_their_audit_rows() {
    let system = System::new(9, 4).await;
    let mut console = Console::start(&system).await;
    console.press("3 j K").await;
    console.shows("KYC queue · user_id:0192");
    console.shows("Tunde B•••");
    console.press("U").await;
    console.shows("Users");
    let id: UserId = user_id(1);
    console.shows(&id.to_string());
    console.press("A").await;
    console.shows(&format!("Audit log · target:{id}"));
    console.press("U").await;
    console.shows(&id.to_string());
}

#[tokio::test]
async fn a_slow_link_is_slow_and_works() {
    let system = System::new(6, 4).await;
    system.hold::<ListEvents>();
    let mut console = Console::start(&system).await;
    // Every answer takes a second and a half, from the first on.
    for _ in 0..4 {
        console.later(Duration::from_millis(1_500)).await;
        console.hides("away");
        if system.waiting() > 0 {
            system.let_one_go::<ListEvents>();
        }
        console.settle().await;
        console.shows("◐ slow 1.5s");
        console.later(Duration::from_millis(300)).await;
    }
    console.press("2 enter").await;
    system.calls();
    console.press("a").await;
    assert_eq!(changes(&system).first().unwrap(), "approve 0");
    // Silence is still noticed.
    console.later(Duration::from_secs(6)).await;
    console.shows("✖ away");
}
