//! Harm that must not happen: held keys, keys on what cannot be seen, single keys on what cannot be undone.

use std::time::Duration;

use marketplace_core::{
    kyc::status::KycStatus,
    staff::{ApproveAttempt, ViewAttemptFile},
};
use ratatui::{Terminal, backend::TestBackend};

use super::{
    Console, changes, options,
    system::{System, World},
};

async fn approved(system: &System, cases: usize) -> usize {
    let mut approved = 0;
    for number in 0..cases {
        approved += usize::from(system.attempt(number).await.attempt.status == KycStatus::Approved);
    }
    approved
}

impl Console {
    fn resize(&mut self, width: u16, height: u16) {
        self.terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        self.app.event(crossterm::event::Event::Resize(width, height));
    }
}

#[tokio::test]
async fn a_key_held_for_two_seconds_decides_one_case() {
    for (pause, every) in [(30, 30), (250, 33), (500, 30), (660, 40)] {
        let system = System::new(30, 30).await;
        let mut console = Console::start(&system).await;
        console.press("2 enter").await;
        console.hold("a", pause, every, 2_000).await;
        assert_eq!(approved(&system, 30).await, 1, "{pause} {every}");
    }
}

#[tokio::test]
async fn held_repeat_and_undo_act_once() {
    let system = System::new(30, 30).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter a a a").await;
    assert_eq!(approved(&system, 30).await, 3);
    console.hold("u", 500, 30, 2_000).await;
    assert_eq!(approved(&system, 30).await, 2);
    console.hold(".", 500, 30, 2_000).await;
    assert_eq!(approved(&system, 30).await, 3);
    system.calls();
    console.hold("n", 500, 30, 2_000).await;
    assert_eq!(changes(&system).iter().filter(|call| call.starts_with("skip")).count(), 1);
}

#[tokio::test]
async fn a_bulk_decision_is_made_once() {
    let system = System::new(30, 30).await;
    let mut console = Console::start(&system).await;
    console.press("2 space space a").await;
    console.shows("Approve 2 cases");
    // The same press that asked does not answer, and what answered does nothing more.
    console.hold("enter", 500, 30, 2_000).await;
    assert_eq!(approved(&system, 30).await, 2);
    assert_eq!(changes(&system), ["approve 0", "approve 1"]);
}

#[tokio::test]
async fn a_held_key_does_not_answer_the_question_that_it_asked() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("3").await;
    console.hold("f", 500, 30, 2_000).await;
    console.shows("Freeze Ada O•••");
    console.hides("(•)");
    // The question why a conversation is read is opened with Enter.
    console.press("esc 5").await;
    system.calls();
    console.hold("enter", 500, 30, 2_000).await;
    assert_eq!(system.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn presses_apart_decide_one_case_each() {
    let system = System::new(30, 30).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter a").await;
    for _ in 0..3 {
        console.pass(Duration::from_millis(500));
        console.settle().await;
        console.key("a");
        for _ in 0..4 {
            console.pass(Duration::from_millis(50));
            console.settle().await;
        }
    }
    assert_eq!(approved(&system, 30).await, 4);
}

#[tokio::test]
async fn a_case_is_decided_only_after_a_look() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    console.pass(Duration::from_millis(390));
    console.key("a");
    console.settle().await;
    console.shows("only just now");
    for keys in ["x", "t", "."] {
        console.key(keys);
        console.settle().await;
    }
    console.hides("the worker reads");
    assert_eq!(approved(&system, 4).await, 0);
    console.pass(Duration::from_millis(20));
    console.key("x");
    console.settle().await;
    console.shows("the worker reads");
}

#[tokio::test]
async fn a_case_without_its_pictures_is_not_decided() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    system.hold::<ViewAttemptFile>();
    console.press("2 enter a").await;
    console.shows("pictures are not all on the screen");
    system.let_go::<ViewAttemptFile>();
    console.settle().await;
    console.key("a");
    console.settle().await;
    assert_eq!(approved(&system, 4).await, 0);
    // It was pressed twice in quick succession, so it could be held.
    console.press("a").await;
    console.later(Duration::from_millis(200)).await;
    assert_eq!(approved(&system, 4).await, 1);
}

#[tokio::test]
async fn a_case_behind_the_queue_is_not_decided() {
    let system = System::new(6, 4).await;
    let mut console = Console::start_with(&system, options(), (80, 24)).await;
    console.press("2 enter tab a").await;
    console.shows("this case is not on the screen");
    assert_eq!(approved(&system, 4).await, 0);
    console.press("tab a").await;
    assert_eq!(approved(&system, 4).await, 1);
}

#[tokio::test]
async fn in_a_window_that_is_too_small_no_key_decides() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.resize(40, 12);
    // Before the next frame, too.
    console.key("a");
    console.press("a x f enter t u enter . n u R o space * y : enter").await;
    assert_eq!(system.calls(), Vec::<String>::new());
    console.press("3 D b f enter m a enter").await;
    assert_eq!(system.calls(), Vec::<String>::new());
    console.shows("q leaves");
    console.press("q").await;
    assert!(console.app.quit);
}

#[tokio::test]
async fn a_window_that_is_too_small_is_left_at_once_also_during_a_bulk_act() {
    for key in ["q", "ctrl-c"] {
        let system = System::new(6, 4).await;
        let mut console = Console::start(&system).await;
        console.press("2 * a").await;
        system.hold::<ApproveAttempt>();
        console.press("enter").await;
        console.resize(40, 12);
        console.press(key).await;
        assert!(console.app.quit, "{key}");
    }
}

#[tokio::test]
async fn a_bulk_act_is_stopped_in_a_window_that_is_too_small() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 * a").await;
    system.hold::<ApproveAttempt>();
    console.press("enter").await;
    console.resize(40, 12);
    console.press("esc").await;
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    assert!(!console.app.busy());
    assert!(approved(&system, 4).await < 4);
}

#[tokio::test]
async fn time_in_the_background_is_no_look() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    console.pass(Duration::from_secs(60));
    console.app.interrupted();
    console.draw();
    console.key("a");
    console.settle().await;
    console.shows("only just now");
    assert_eq!(approved(&system, 4).await, 0);
    console.press("x").await;
    console.shows("the worker reads");
}

#[tokio::test]
async fn an_empty_command_line_does_nothing() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.press(": enter").await;
    console.press(": down enter esc").await;
    assert_eq!(system.calls(), Vec::<String>::new());
    // Half a word decides nothing, a whole one does.
    console.press(":").await;
    console.write("appr").await;
    console.press("enter").await;
    assert_eq!(system.calls(), Vec::<String>::new());
    console.press("enter").await;
    assert_eq!(changes(&system).first().unwrap(), "approve 0");
}

#[tokio::test]
async fn power_and_erasure_take_a_typed_word() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 m a enter").await;
    console.shows("type `role`");
    console.press("enter esc S enter esc").await;
    assert_eq!(changes(&system), Vec::<String>::new());
}

#[tokio::test]
async fn more_than_twenty_rows_take_their_number() {
    let system = System::new(30, 30).await;
    let mut console = Console::start(&system).await;
    console.press("2 * a enter").await;
    console.shows("type `30`");
    console.write("3").await;
    console.press("enter").await;
    assert_eq!(approved(&system, 30).await, 0);
    console.write("0").await;
    console.press("enter").await;
    assert_eq!(approved(&system, 30).await, 30);
    console.press("3 * D o").await;
    console.write("delete").await;
    console.press("enter").await;
    console.shows("type `delete 30`");
}

#[tokio::test]
async fn a_batch_is_taken_back_with_one_key() {
    let system = System::new(12, 9).await;
    let mut console = Console::start(&system).await;
    console.press("2 space space space a enter").await;
    assert_eq!(approved(&system, 9).await, 3);
    console.shows("approved 3 cases · u takes all of them back, 10s");
    console.press("u").await;
    assert_eq!(approved(&system, 9).await, 0);
    console.shows("Take back 3 decisions: done 3");
    for number in 0..9 {
        assert!(system.attempt(number).await.attempt.claim.is_none());
    }
}

#[tokio::test]
async fn no_second_bulk_act_replaces_the_first() {
    let system = System::new(12, 9).await;
    let mut console = Console::start(&system).await;
    system.hold::<ApproveAttempt>();
    console.press("2 space space a enter").await;
    console.press("space a").await;
    console.shows("a bulk action is under way");
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    assert_eq!(approved(&system, 9).await, 2);
}

#[tokio::test]
async fn skipping_brings_every_case_once_before_any_comes_again() {
    let system = System::new(8, 5).await;
    let mut console = Console::start(&system).await;
    console.press("2 n").await;
    let mut order = Vec::new();
    for _ in 0..10 {
        let screen = console.screen();
        let open = (0..5).find(|number| {
            let name = super::system::world::NAMES[*number].chars().take(3).collect::<String>();
            screen.lines().any(|line| line.contains("· attempt") && line.contains(&format!("┌ {name}")))
                || screen.lines().any(|line| line.contains("· attempt") && line.contains(&format!(" {name}")))
        });
        order.push(open.unwrap());
        console.press("n").await;
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn claims_that_were_left_behind_come_first() {
    let system = System::new(8, 5).await;
    let sam = marketplace_core::operation::Operation::new(system.app(), super::system::operator("sam"));
    for number in [3, 4] {
        marketplace_core::kyc::claim(&sam, super::system::attempt_id(number)).await.unwrap();
    }
    let mut console = Console::start_with(&system, super::Options { alone: true, ..options() }, (120, 40)).await;
    console.press("2 n").await;
    assert_eq!(changes(&system), ["claim 3", "claim 4"]);
    console.shows("yours, 10:00 left");
    console.press("n").await;
    assert_eq!(changes(&system), ["skip 3", "next"]);
}

#[tokio::test]
async fn what_a_colleague_decides_is_on_the_screen_within_a_second() {
    let system = System::new(6, 4).await;
    system.claimed_by_lea(0).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    console.shows("Lea has it");
    let decision = marketplace_core::kyc::model::Decision::approve(None);
    marketplace_core::kyc::decide(&system.lea(), super::system::attempt_id(0), &decision).await.unwrap();
    console.later(Duration::from_millis(350)).await;
    console.shows("✔ approved");
    console.shows("decided meanwhile by");
}

#[tokio::test]
async fn a_users_data_is_shown_as_it_is_audited() {
    for size in [(120, 40), (80, 24)] {
        let system = System::of(World { users: 6, cases: 4, ..World::default() }).await;
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("3 R").await;
        assert_eq!(changes(&system), ["reveal 0"]);
        console.shows("ada@mail.example.org");
        console.shows("masked again in");
        console.later(Duration::from_secs(30)).await;
        console.hides("ada@mail.example.org");
    }
}

#[tokio::test]
async fn the_command_of_a_bulk_act_names_its_rows_and_is_a_dry_run() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 j space space f s enter !").await;
    for number in [1, 2] {
        console.shows(&super::system::user_id(number).to_string());
    }
    console.shows("marketplace users freeze");
    console.shows("--reason spam --dry-run");
    console.hides("--yes");
    console.hides("--stdin");
    // Marks of now count for more, and erasing is not handed out.
    console.press("esc g space !").await;
    console.shows(&format!("marketplace users freeze {}", super::system::user_id(0)));
    console.press("esc esc g j j j j j D o").await;
    console.confirm("delete").await;
    console.press("!").await;
    console.hides("users delete");
}
