//! Losing and regaining the connection.

use std::time::Duration;

use marketplace_core::{ids::UserId, text::is_unsafe};

use super::{
    super::fake::{Fake, user_id},
    Console, changes, options,
};

#[tokio::test]
async fn the_first_frame_needs_no_answer() {
    let fake = Fake::new(6, 4);
    let mut console = Console::cold(&fake, options(), (80, 24));
    console.draw();
    console.shows("Marketplace · test (db)");
    console.shows("connecting");
}

#[tokio::test]
async fn away_is_said_within_a_second_and_it_comes_back_by_itself() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2").await;
    console.shows("● connected");
    fake.state().down = true;
    // The next beat is at most 300 ms away.
    console.later(Duration::from_millis(300)).await;
    console.shows("✖ away");
    console.shows("the database does not answer");
    // What it has stays, and nothing is changed.
    console.shows("Ada O•••");
    fake.calls();
    console.press("space a").await;
    console.shows("not connected: nothing was changed");
    console.press("enter").await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    fake.state().down = false;
    for _ in 0..30 {
        console.later(Duration::from_millis(500)).await;
    }
    console.shows("● connected");
    console.press("esc enter").await;
    assert_eq!(changes(&fake)[0], "claim 1");
}

#[tokio::test]
async fn silence_counts_as_away() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    fake.hold("events");
    console.later(Duration::from_millis(300)).await;
    console.shows("● connected");
    console.later(Duration::from_millis(500)).await;
    console.shows("✖ away");
    console.shows("no answer");
    fake.let_go("events");
    console.settle().await;
    console.shows("● connected");
}

#[tokio::test]
async fn a_call_that_finds_nobody_counts_at_once() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("3").await;
    fake.state().down = true;
    console.press("enter").await;
    console.shows("✖ away");
}

#[tokio::test]
async fn the_tries_come_slower_and_slower() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    fake.state().down = true;
    fake.hold("kyc_file");
    let mut beats = 0;
    for _ in 0..600 {
        fake.clock.advance(Duration::from_millis(50));
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
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2").await;
    console.hides("◐ Lea");
    fake.claimed_by_lea(1);
    fake.happened("kyc.claimed", &super::super::fake::attempt_id(1));
    console.later(Duration::from_millis(300)).await;
    console.later(Duration::from_millis(300)).await;
    console.shows("◐ Lea");
}

#[tokio::test]
async fn the_audit_log_follows() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("7").await;
    console.shows("▼ following");
    let mut row = fake.state().audit[0].clone();
    row.seq = 4_711;
    row.action = "users.delete".into();
    fake.state().audit.push(row.clone());
    console.later(Duration::from_secs(2)).await;
    console.shows("4,711");
    // Further down, it stays where it is.
    console.press("j j").await;
    console.shows("paused");
    row.seq = 4_712;
    fake.state().audit.push(row);
    console.later(Duration::from_secs(2)).await;
    console.hides("4,712");
    console.press("L L").await;
    console.shows("4,712");
}

#[tokio::test]
async fn nothing_is_drawn_when_nothing_changed() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    assert!(!console.app.ctx.dirty);
    fake.clock.advance(Duration::from_millis(310));
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
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    fake.hold("users_list");
    console.press("3").await;
    console.hides("░░░");
    console.later(Duration::from_millis(100)).await;
    console.shows("░░░");
    // Keys are answered meanwhile.
    console.press("2").await;
    console.shows("Ada O•••");
    fake.let_go("users_list");
    console.press("3").await;
    console.hides("░░░");
}

#[tokio::test]
async fn nothing_in_the_data_steers_the_terminal() {
    let fake = Fake::new(6, 4);
    let evil = "\u{1b}[2J\u{7}Ev\u{202e}il\u{9b}31m\u{200b}\r\n\u{1b}]52;c;eA==\u{7}";
    {
        let mut state = fake.state();
        for user in &mut state.users {
            user.user.name = evil.into();
            user.user.email = evil.into();
            user.restriction = Some(marketplace_core::accounts::summary::Restriction {
                reason: marketplace_core::base::change::RestrictionReason::Spam,
                by: marketplace_core::base::principal::Principal(evil.into()),
                at: marketplace_core::time::Timestamp::EPOCH,
            });
        }
        for case in &mut state.cases {
            case.attempt.name = evil.into();
            case.user.name = evil.into();
        }
        for row in &mut state.audit {
            row.actor = marketplace_core::base::principal::Principal(evil.into());
            row.action = evil.into();
            row.metadata = evil.into();
        }
    }
    let mut console = Console::start(&fake).await;
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
    let fake = Fake::new(6, 4);
    let console = Console::start_with(&fake, options(), (50, 12)).await;
    console.shows("terminal too small: 50×12, needs 60×16");
}

#[tokio::test]
async fn jumps_between_a_user_their_checks_and_their_audit_rows() {
    let fake = Fake::new(9, 4);
    let mut console = Console::start(&fake).await;
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
