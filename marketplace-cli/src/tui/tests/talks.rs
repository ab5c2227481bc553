//! Reading conversations.

use std::time::Duration;

use marketplace_core::staff::ReadThread;
use marketplace_core::{
    base::permission::Role,
    error::Error,
    jobs::{
        self,
        model::{CounterOffer, Offer},
    },
    messaging::{
        self,
        model::{RemovalReason, ThreadStatus},
    },
    money::Money,
    text::is_unsafe,
};

use super::{
    Console, changes, options,
    system::{System, World, job_id, message_id},
};

#[tokio::test]
async fn content_is_read_for_a_reason_only() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5").await;
    console.hides("are you free on Friday");
    console.press("enter").await;
    console.shows("Read “Fix a leaking tap”");
    console.press("esc").await;
    assert_eq!(system.calls(), Vec::<String>::new());
    console.press("enter d").await;
    assert_eq!(system.calls(), ["view 0 for dispute"]);
    console.shows("Hi, are you free on Friday?");
    console.shows("read for: dispute (audited)");
    console.shows("Ada O••• (worker) ↔ Sora A••• (client) · “Fix a leaking tap”");
    console.shows("▼ following");
    // The reason holds for as long as it is recorded once.
    console.press("esc enter").await;
    console.shows("are you free on Friday");
    console.press("esc").await;
    console.later(Duration::from_secs(601)).await;
    console.press("enter").await;
    console.shows("Read “Fix a leaking tap”");
}

#[tokio::test]
async fn contact_details_are_masked_until_asked_for() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter f").await;
    console.shows("Pay me outside the app: +44••• or a•••   ⚑ contact detail");
    console.hides("7183");
    console.press("R").await;
    console.shows("+44 20 7183 8750 or ada@mail.example.org");
    console.shows("masked again in 30s");
    console.later(Duration::from_secs(30)).await;
    console.hides("7183");
    console.press("R R").await;
    console.hides("7183");
}

#[tokio::test]
async fn new_messages_show_by_themselves_in_their_order() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter c").await;
    system.hold::<ReadThread>();
    system.say(0, "first new").await;
    console.later(Duration::from_millis(310)).await;
    // While that answer is on its way more is written: it is asked for afterwards, from the last number on.
    system.say(0, "second new").await;
    system.say(0, "third new").await;
    console.later(Duration::from_millis(310)).await;
    system.let_go::<ReadThread>();
    console.settle().await;
    console.later(Duration::from_millis(310)).await;
    let screen = console.screen();
    let place = |text: &str| screen.find(text).unwrap_or_else(|| panic!("{text} is missing:\n{screen}"));
    assert!(place("first new") < place("second new") && place("second new") < place("third new"));
    assert_eq!(screen.matches("second new").count(), 1);
    console.shows("▼ following");
    let calls = system.calls();
    assert!(calls.iter().skip(1).all(|call| call.starts_with("view 0 for complaint after")), "{calls:?}");
}

#[tokio::test]
async fn what_happens_elsewhere_asks_for_nothing() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter c").await;
    system.calls();
    system.say(5, "somewhere else").await;
    console.later(Duration::from_millis(310)).await;
    console.later(Duration::from_millis(310)).await;
    assert_eq!(system.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn further_up_it_stays_where_it_is() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 j enter c").await;
    console.shows("line 130");
    console.press("ctrl-u ctrl-u ctrl-u").await;
    console.shows("paused: G follows");
    let body = |console: &Console| console.screen().lines().skip(4).take(30).map(str::to_owned).collect::<Vec<_>>();
    let before = body(&console);
    system.say(1, "much later").await;
    console.later(Duration::from_millis(310)).await;
    console.later(Duration::from_millis(310)).await;
    assert_eq!(body(&console), before);
    console.shows("paused: 1 new below");
    console.press("G").await;
    console.shows("much later");
    console.shows("▼ following");
}

#[tokio::test]
async fn scrolling_back_loads_older_messages_and_keeps_the_place() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 j enter c").await;
    let calls = system.calls();
    assert_eq!(calls[0], "view 1 for complaint");
    for _ in 0..140 {
        let mut seen = Vec::new();
        for line in console.screen().lines() {
            if let Some((_, number)) = line.split_once("line ") {
                let number: String = number.chars().take_while(char::is_ascii_digit).collect();
                seen.push(number.parse::<i64>().unwrap());
            }
        }
        assert!(seen.is_sorted_by(|a, b| a + 1 == *b), "{seen:?}");
        console.press("k").await;
    }
    console.shows("line 1 ");
    assert_eq!(system.calls(), ["view 1 for complaint before 81", "view 1 for complaint before 31"]);
}

#[tokio::test]
async fn stale_answers_are_dropped() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    system.hold::<ReadThread>();
    console.press("5 j enter c").await;
    console.later(Duration::from_millis(100)).await;
    console.shows("░░░");
    console.press("esc k enter d").await;
    system.let_one_go::<ReadThread>();
    console.settle().await;
    console.hides("line 130");
    system.let_go::<ReadThread>();
    console.settle().await;
    console.shows("are you free on Friday");
    console.hides("line 130");
}

#[tokio::test]
async fn a_message_is_removed_with_a_reason() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 d").await;
    console.shows("open the thread and choose a message first");
    console.press("enter f k d").await;
    console.shows("Remove message 4");
    console.press("enter").await;
    console.shows("choose a reason");
    console.press("c").await;
    console.confirm("remove").await;
    assert_eq!(changes(&system), ["remove message 3 contact_details"]);
    console.shows("✖ removed from their view: contact details");
    console.shows("the message is removed");
    // What became of a job is no message of anybody's.
    console.press("k d").await;
    console.shows("cannot be removed");
}

#[tokio::test]
async fn marked_messages_are_removed_together() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter f k k k space space").await;
    console.shows("◆ 2 messages marked");
    console.press("space d s").await;
    console.shows("Remove 2 messages");
    console.confirm("remove").await;
    console.shows("done 2 · unchanged 0 · failed 0");
    assert_eq!(changes(&system), ["remove message 1 spam", "remove message 3 spam"]);
    console.shows("removed from their view: spam");
    console.hides("messages marked");
}

#[tokio::test]
async fn a_removal_by_a_colleague_shows() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter f").await;
    messaging::staff_remove(&system.lea(), message_id(0), RemovalReason::Abuse).await.unwrap();
    for _ in 0..3 {
        console.later(Duration::from_millis(310)).await;
    }
    console.shows("removed from their view: abuse");
    system.calls();
    for _ in 0..3 {
        console.later(Duration::from_millis(310)).await;
    }
    assert_eq!(system.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_notice_is_posted() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter f N").await;
    console.shows("the two read");
    console.press("enter").await;
    console.shows("write something first");
    console.write("Please keep payments here.").await;
    console.press("enter").await;
    assert_eq!(changes(&system), ["notice 0 \"Please keep payments here.\""]);
    console.shows("✎ staff");
    console.shows("Please keep payments here.");
    console.shows("the notice is posted");
}

#[tokio::test]
async fn a_thread_is_closed_and_reopened() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter f C f enter").await;
    assert_eq!(changes(&system), ["close 0 fraud"]);
    console.shows("⊘ closed: fraud");
    console.shows("O reopen");
    console.press("O enter").await;
    assert_eq!(changes(&system), ["reopen 0"]);
    assert_eq!(system.thread(0).await.status, ThreadStatus::Open);
    console.shows("● open");
}

#[tokio::test]
async fn marked_threads_are_closed_together() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 * C s").await;
    console.shows("Close 8 threads");
    console.press("enter").await;
    console.shows("done 6 · unchanged 2 · failed 0");
    console.press("!").await;
    console.shows("marketplace threads close 01920000-");
    console.shows("--reason spam --dry-run");
    console.hides("--limit 0");
}

#[tokio::test]
async fn messages_that_do_not_come_are_asked_for_again() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5").await;
    system.fail::<ReadThread>(Error::internal("broken"));
    console.press("enter c").await;
    console.shows("messages:");
    console.later(Duration::from_secs(2)).await;
    console.shows("are you free on Friday");
}

#[tokio::test]
async fn a_message_longer_than_the_screen_is_read_line_by_line() {
    let system = System::new(12, 0).await;
    let words: Vec<String> = (1..=500).map(|at| format!("word{at}")).collect();
    system.say(0, &words.join(" ")).await;
    let mut console = Console::start_with(&system, options(), (80, 24)).await;
    console.press("5 enter c").await;
    console.shows("word1 ");
    // It is folded at first.
    console.shows("more lines: Enter shows them");
    console.press("enter").await;
    console.hides("more lines");
    console.hides("word500");
    for _ in 0..40 {
        console.press("j").await;
    }
    console.shows("word500");
    for _ in 0..40 {
        console.press("k").await;
    }
    console.shows("are you free on Friday");
}

#[tokio::test]
async fn nothing_that_people_write_steers_the_terminal() {
    let evil = "\u{1b}[2J\u{7}Ev\u{202e}il\u{9b}31m\u{200b}\r\n\u{1b}]52;c;eA==\u{7}";
    let system = System::of(World { text: Some(evil), ..World::default() }).await;
    let mut console = Console::start(&system).await;
    for keys in [
        "4", "enter", "x", "esc", "J", "esc", "5", "l", "enter", "c", "R", "d", "esc", "J", "esc", "6", "enter", "d",
        "esc",
    ] {
        console.press(keys).await;
        for cell in console.terminal.backend().buffer().content() {
            assert!(!cell.symbol().chars().any(is_unsafe), "{:?} after {keys}", cell.symbol());
        }
    }
}

#[tokio::test]
async fn a_thread_that_somebody_is_concerned_by_is_looked_at() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter c").await;
    let price = Money::new(6_000, "EUR");
    let offer = Offer { price, schedule: "told by the job".into(), scope: "All of it".into() };
    let counter = CounterOffer { revision: 2, offer };
    jobs::offer(&system.user(0, Role::Worker), job_id(0), counter).await.unwrap();
    console.later(Duration::from_millis(310)).await;
    console.later(Duration::from_millis(310)).await;
    console.shows("offer 3");
}
