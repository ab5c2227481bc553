//! The end of the console and of the session: nothing is lost unsaid, and nothing stays on the screen.

use std::time::Duration;

use marketplace_core::{
    error::Error,
    staff::{ApproveAttempt, ClaimNextAttempt, ListEvents, ListUsers, RevealUser, WhoAmI},
};

use super::{super::app::Effect, Console, System, changes};

impl Console {
    /// Leaves as the loop does, and gives the claims back.
    async fn left(&mut self) -> Vec<String> {
        self.app.leave();
        self.settle().await;
        for farewell in self.app.farewells() {
            farewell(self.system.connection()).await;
        }
        self.app.undone()
    }
}

#[tokio::test]
async fn leaving_waits_for_a_decision_and_gives_every_claim_back() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.hold::<ApproveAttempt>();
    system.hold::<ClaimNextAttempt>();
    console.pass(Duration::from_secs(1));
    console.key("a");
    console.key("q");
    assert!(console.app.quit);
    console.app.leave();
    console.settle().await;
    assert!(console.app.busy());
    console.shows("leaving, waiting for: approving Ada O•••");
    assert_eq!(console.app.undone(), ["approving Ada O•••: no answer, so it may not have been done"]);
    system.let_go::<ApproveAttempt>();
    system.let_go::<ClaimNextAttempt>();
    console.settle().await;
    assert!(!console.app.busy());
    assert_eq!(console.left().await, Vec::<String>::new());
    for number in 0..4 {
        assert!(system.attempt(number).await.attempt.claim.is_none(), "{number}");
    }
}

#[tokio::test]
async fn a_decision_that_fails_while_leaving_is_said_afterwards() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.set_down(true);
    console.pass(Duration::from_secs(1));
    console.key("a");
    console.key("q");
    let undone = console.left().await;
    assert!(undone[0].contains("approving Ada O••• failed: the database does not answer"), "{undone:?}");
}

#[tokio::test]
async fn what_a_bulk_act_did_not_try_is_said() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 * a").await;
    system.hold::<ApproveAttempt>();
    console.press("enter q enter").await;
    assert!(console.app.quit);
    console.app.leave();
    assert!(console.app.busy());
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    assert_eq!(console.app.undone(), ["Approve · 4 cases: done 1 · unchanged 0 · failed 0 · not tried 3"]);
}

#[tokio::test]
async fn who_stops_a_bulk_act_and_leaves_at_once_is_told_what_it_left() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 * a").await;
    system.hold::<ApproveAttempt>();
    console.press("enter esc").await;
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    console.press("q").await;
    assert!(console.app.quit);
    console.app.leave();
    assert_eq!(console.app.undone(), ["Approve · 4 cases: done 1 · unchanged 0 · failed 0 · not tried 3"]);
}

#[tokio::test]
async fn the_end_of_the_session_clears_the_screen_at_once() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter R").await;
    console.shows("ada@mail.example.org");
    system.fail::<ListEvents>(Error::unauthenticated("this session was ended"));
    console.later(Duration::from_millis(300)).await;
    console.shows("this session was ended");
    console.shows("Enter logs in again · q leaves");
    for gone in ["ada@mail.example.org", "Ada", "▀", "KYC", "sam"] {
        console.hides(gone);
    }
    assert!(console.app.effects.contains(&Effect::Forget));
    // Nothing comes back by itself, and no key decides.
    system.calls();
    console.press("a x f 2 esc").await;
    console.later(Duration::from_secs(20)).await;
    console.hides("Ada");
    assert_eq!(system.calls(), Vec::<String>::new());
    console.app.effects.clear();
    console.press("enter").await;
    assert_eq!(console.app.effects, [Effect::LogIn]);
    console.resume();
    console.settle().await;
    console.shows("● connected");
    console.press("2").await;
    console.shows("Ada O•••");
}

#[tokio::test]
async fn any_refused_call_ends_it() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    system.fail::<ListUsers>(Error::unauthenticated("the token expired"));
    console.press("3").await;
    console.shows("the token expired");
    console.shows("Enter logs in again");
    // A decision that was on its way is named.
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.fail::<ApproveAttempt>(Error::unauthenticated("you were banned"));
    console.press("a").await;
    console.shows("you were banned");
    console.shows("approving Ada O•••");
}

#[tokio::test]
async fn a_forbidden_call_asks_who_this_still_is() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("3").await;
    system.fail::<RevealUser>(Error::forbidden("not for you"));
    console.press("R").await;
    console.shows("not for you");
    console.shows("Ada O•••");
    console.pass(Duration::from_secs(10));
    system.fail::<RevealUser>(Error::forbidden("not for you"));
    system.fail::<WhoAmI>(Error::forbidden("this is for staff"));
    console.press("R").await;
    console.shows("this is for staff");
    console.hides("Ada");
    assert_eq!(changes(&system).len(), 2);
}

#[tokio::test]
async fn what_was_not_done_is_said_unless_the_same_person_goes_on() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.fail::<ApproveAttempt>(Error::unauthenticated("you were banned"));
    console.press("a").await;
    assert_eq!(console.app.undone(), ["approving Ada O•••"]);
    console.resume();
    console.settle().await;
    assert_eq!(console.app.undone(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_typed_outlives_the_connection_and_the_session() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("3 c").await;
    console.write("called back").await;
    system.set_down(true);
    console.later(Duration::from_millis(300)).await;
    console.press("enter").await;
    console.shows("not connected: nothing was changed");
    console.shows("called back");
    system.set_down(false);
    for _ in 0..30 {
        console.later(Duration::from_millis(500)).await;
    }
    system.fail::<ListEvents>(Error::unauthenticated("this session was ended"));
    console.later(Duration::from_millis(300)).await;
    console.hides("called back");
    console.resume();
    console.settle().await;
    console.press("3 c").await;
    console.shows("called back");
}
