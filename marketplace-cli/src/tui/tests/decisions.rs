//! Working through the queue.

use std::{collections::BTreeMap, time::Duration};

use marketplace_core::staff::{ApproveAttempt, ClaimAttempt, ViewAttemptFile};
use marketplace_core::{
    error::{Error, ErrorCode},
    kyc::{
        model::{DecisionKind, KycReason},
        status::KycStatus,
    },
};

use super::{
    Console, changes, options,
    system::{System, World},
};

#[tokio::test]
async fn opening_claims_and_fetches_the_next_one_with_its_pictures() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    let mut calls = system.calls();
    calls.sort();
    assert_eq!(
        calls,
        ["claim 0", "next", "view document of 0", "view document of 1", "view selfie of 0", "view selfie of 1"]
    );
    console.shows("Ada O••• · attempt 2 · passport");
    console.shows("yours, 10:00 left");
    console.shows("you, next");
    console.shows("▀");
}

#[tokio::test]
async fn reject_in_three_keys() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.press("x f enter").await;
    assert_eq!(changes(&system), ["reject 0 [suspected_forgery]", "next"]);
    let case = system.attempt(0).await;
    assert_eq!(case.attempt.status, KycStatus::Rejected);
    assert_eq!(case.decision.unwrap().comment.unwrap(), KycReason::SuspectedForgery.template(DecisionKind::Reject));
    // The next case is there, and the footer offers the way back.
    console.shows("Tunde B••• · attempt 1");
    console.shows("rejected Ada O••• · u undo 10s");
}

#[tokio::test]
async fn several_reasons_an_edited_comment_and_a_note() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.press("t u e tab").await;
    console.write(" Thanks!").await;
    console.press("tab").await;
    console.write("blurred").await;
    console.press("enter").await;
    let kind = DecisionKind::Retry;
    let comment = format!(
        "{} {} Thanks!",
        KycReason::DocumentExpired.template(kind),
        KycReason::DocumentUnreadable.template(kind)
    );
    assert_eq!(
        changes(&system).first().unwrap(),
        &format!("retry 0 [document_expired document_unreadable] {comment:?} \"blurred\"")
    );
}

#[tokio::test]
async fn the_next_case_is_there_before_the_decision_is_answered() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.hold::<ApproveAttempt>();
    console.press("a").await;
    console.shows("Tunde B••• · attempt 1");
    console.shows("approving Ada O•••…");
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    console.shows("approved Ada O••• · u undo 10s");
}

#[tokio::test]
async fn undo_takes_it_back_and_shows_the_case_again() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter a").await;
    console.later(Duration::from_secs(3)).await;
    console.shows("u undo 7s");
    system.calls();
    console.press("u").await;
    assert_eq!(changes(&system)[0], "undo 0");
    assert!(system.attempt(0).await.attempt.status.is_open());
    console.shows("Ada O••• · attempt 2");
    console.hides("undo 7s");
}

#[tokio::test]
async fn an_older_decision_comes_back_with_its_pictures() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter a a").await;
    console.press("u").await;
    console.shows("Tunde B••• · attempt 1");
    system.calls();
    console.press("u").await;
    console.shows("Ada O••• · attempt 2");
    assert!(system.calls().contains(&"view document of 0".to_owned()));
    console.shows("▀");
}

#[tokio::test]
async fn undo_before_the_answer_is_undone_after_it() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.hold::<ApproveAttempt>();
    console.press("a u").await;
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    assert!(system.attempt(0).await.attempt.status.is_open());
    console.shows("Ada O••• · attempt 2");
}

#[tokio::test]
async fn each_undo_before_the_answers_takes_one_decision_back() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.hold::<ApproveAttempt>();
    console.press("a a u u").await;
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    for number in 0..2 {
        assert!(system.attempt(number).await.attempt.status.is_open(), "{number}");
    }
}

#[tokio::test]
async fn after_ten_seconds_there_is_nothing_to_undo() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter a").await;
    console.later(Duration::from_secs(11)).await;
    console.hides("undo 0s");
    system.calls();
    console.press("u").await;
    assert_eq!(changes(&system), Vec::<String>::new());
    console.shows("nothing to undo");
}

#[tokio::test]
async fn a_conflict_names_who_holds_the_case() {
    let system = System::new(6, 4).await;
    system.claimed_by_lea(0).await;
    let mut console = Console::start(&system).await;
    console.press("2").await;
    console.shows("◐ Lea");
    console.press("enter").await;
    console.shows("Lea has it, 10:00 left");
    system.calls();
    console.press("a").await;
    assert_eq!(changes(&system), Vec::<String>::new());
    console.shows("Lea has this case for 10:00 more");
    // Before anything is filled in, also from the list.
    console.press("esc esc").await;
    for key in ["S", "@", "T"] {
        console.press("y").await;
        console.press(key).await;
        console.shows("Lea has this case for");
        console.hides("Enter confirms");
    }
}

#[tokio::test]
async fn a_decision_that_somebody_else_made_first_is_said() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.fail::<ApproveAttempt>(Error::conflict("it is approved already, decided by Lea", "approved"));
    console.press("a").await;
    console.shows("approving Ada O••• failed: it is approved already, decided by Lea");
    console.press("E").await;
    console.shows("code     conflict");
}

#[tokio::test]
async fn a_decision_that_did_not_get_through_is_on_the_screen_again() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.fail::<ApproveAttempt>(Error::internal("broken"));
    console.press("a").await;
    console.shows("Ada O••• · attempt 2");
    assert!(system.attempt(0).await.attempt.status.is_open());
}

#[tokio::test]
async fn claims_are_renewed_while_somebody_works_and_end_when_nobody_does() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.later(Duration::from_secs(120)).await;
    assert_eq!(changes(&system), Vec::<String>::new());
    console.press("z").await;
    assert_eq!(changes(&system), ["claim 0", "claim 1"]);
    console.later(Duration::from_secs(601)).await;
    console.shows("claim ended: Enter claims again");
    console.press("a").await;
    assert_eq!(changes(&system), Vec::<String>::new());
    console.press("enter").await;
    assert_eq!(changes(&system)[0], "claim 0");
}

#[tokio::test]
async fn leaving_gives_back_what_was_claimed() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    assert_eq!(console.app.farewells().len(), 2);
    system.calls();
    console.press("esc").await;
    assert_eq!(changes(&system), ["release 0", "release 1"]);
    assert!(console.app.farewells().is_empty());
    for number in 0..4 {
        assert!(system.attempt(number).await.attempt.claim.is_none());
    }
}

#[tokio::test]
async fn the_next_one_without_a_decision_gives_this_one_back() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.press("n").await;
    assert!(changes(&system).contains(&"skip 0".to_owned()));
    console.shows("Tunde B••• · attempt 1");
}

#[tokio::test]
async fn the_queue_comes_to_its_end() {
    let system = System::new(6, 2).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter a a").await;
    for number in 0..2 {
        assert_eq!(system.attempt(number).await.attempt.status, KycStatus::Approved);
    }
    console.shows("Nothing waits.");
    console.shows("nothing else waits");
}

#[tokio::test]
async fn a_filtered_queue_goes_on_within_the_filter() {
    let system = System::new(12, 12).await;
    let mut console = Console::start(&system).await;
    console.press("2 /").await;
    console.write("document_type:national_id").await;
    console.press("enter enter").await;
    system.calls();
    console.press("a").await;
    // 1, 5 and 9 are of that kind.
    assert_eq!(changes(&system), ["approve 1", "claim 9"]);
    console.shows("Jon L••• · attempt 1 · national id");
}

#[tokio::test]
async fn stale_answers_are_dropped_and_their_claims_given_back() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    system.hold::<ClaimAttempt>();
    console.press("2").await;
    console.key("enter");
    console.settle().await;
    console.press("esc j").await;
    console.key("enter");
    console.settle().await;
    system.let_one_go::<ClaimAttempt>();
    console.settle().await;
    console.hides("Ada O••• · attempt 2");
    system.let_go::<ClaimAttempt>();
    console.settle().await;
    console.shows("Tunde B••• · attempt 1");
    assert!(changes(&system).contains(&"release 0".to_owned()));
}

#[tokio::test]
async fn repeating_decides_the_next_case_alike() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter t u enter").await;
    system.calls();
    console.press(".").await;
    assert_eq!(changes(&system)[0], "retry 1 [document_unreadable]");
}

#[tokio::test]
async fn an_approval_is_revoked_with_a_reason() {
    let system = System::new(6, 4).await;
    system.approved_by_lea(2).await;
    let mut console = Console::start(&system).await;
    console.press("2 /").await;
    console.write("status:approved").await;
    console.press("enter enter").await;
    system.calls();
    console.press("v f enter").await;
    assert_eq!(changes(&system), ["revoke 2 [suspected_forgery]"]);
}

#[tokio::test]
async fn marked_cases_are_decided_after_one_question() {
    let system = System::new(6, 4).await;
    system.claimed_by_lea(2).await;
    let mut console = Console::start(&system).await;
    console.press("2 space space space a").await;
    console.shows("Approve 3 cases");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.press("enter").await;
    assert_eq!(system.calls().len(), 3);
    console.shows("done 2 · unchanged 0 · failed 1");
    console.press("e").await;
    console.shows("Lea is looking at it");
}

#[tokio::test]
async fn all_that_match_are_marked() {
    let system = System::new(12, 9).await;
    let mut console = Console::start(&system).await;
    console.press("2 *").await;
    console.shows("9 marked");
    console.press("*").await;
    console.hides("◆ 9 marked");
}

#[tokio::test]
async fn a_bulk_action_can_be_stopped() {
    let system = System::new(12, 9).await;
    let mut console = Console::start(&system).await;
    console.press("2 * a").await;
    system.hold::<ApproveAttempt>();
    console.press("enter").await;
    console.shows("0 of 9");
    console.press("esc").await;
    system.let_go::<ApproveAttempt>();
    console.settle().await;
    console.shows("done 1 · unchanged 0 · failed 0 · not tried 8");
}

#[tokio::test]
async fn read_only_changes_nothing_but_looks() {
    let system = System::new(6, 4).await;
    let mut console = Console::start_with(&system, super::Options { read_only: true, ..options() }, (120, 40)).await;
    console.shows("read-only");
    console.press("2 enter").await;
    let mut calls = system.calls();
    calls.sort();
    assert_eq!(calls, ["view document of 0", "view selfie of 0"]);
    console.press("a x f enter t n u v . space a").await;
    console.press("esc esc 3 f b D m c S").await;
    assert_eq!(changes(&system), Vec::<String>::new());
    console.shows("this console is read-only");
}

#[tokio::test]
async fn an_auditor_may_look_only() {
    let system = System::audited(6, 4).await;
    let mut console = Console::start(&system).await;
    console.shows("may only look");
    console.press("2 enter").await;
    console.shows("Ada O••• · attempt 2");
    console.hides("approve");
    console.press("a").await;
    console.shows("needs the permission kyc:write, which auditor has not");
    assert_eq!(changes(&system), Vec::<String>::new());
}

#[tokio::test]
async fn personal_data_is_shown_for_half_a_minute() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    console.hides("Ada Obi");
    system.calls();
    console.press("R").await;
    console.shows("ada@mail.example.org");
    assert_eq!(changes(&system), ["reveal 0"]);
    console.later(Duration::from_secs(29)).await;
    console.shows("masked again in 1s");
    console.later(Duration::from_secs(1)).await;
    console.hides("ada@mail.example.org");
}

#[tokio::test]
async fn keys_are_rebound() {
    let system = System::new(6, 4).await;
    let keys = BTreeMap::from([("approve".to_owned(), "P".to_owned())]);
    let mut console = Console::start_with(&system, super::Options { keys, ..options() }, (120, 40)).await;
    console.press("2 enter").await;
    system.calls();
    console.press("a").await;
    assert_eq!(changes(&system), Vec::<String>::new());
    console.shows("P approve");
    console.press("P").await;
    assert_eq!(changes(&system)[0], "approve 0");
}

#[tokio::test]
async fn a_pdf_is_a_card() {
    let world = World { users: 6, cases: 4, document: "application/pdf", ..World::default() };
    let system = System::of(world).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    console.shows("PDF ·");
    console.shows("o opens it outside");
}

#[tokio::test]
async fn a_file_that_does_not_come_is_said_and_the_case_goes_on() {
    let system = System::new(6, 4).await;
    system.fail::<ViewAttemptFile>(Error::new(ErrorCode::NotFound, "the file is gone"));
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    console.shows("the file is gone");
    console.press("a").await;
    assert!(changes(&system).contains(&"approve 0".to_owned()));
}

#[tokio::test]
async fn pictures_turn_and_come_closer() {
    let system = System::new(6, 4).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    let both = console.screen();
    console.press("z").await;
    let large = console.screen();
    assert_ne!(both, large);
    console.press("r +").await;
    console.shows("document ↻90° 2×");
    console.press("esc").await;
    console.shows("selfie");
}

#[tokio::test]
async fn cases_are_set_aside_assigned_and_escalated() {
    let system = System::new(8, 5).await;
    let mut console = Console::start(&system).await;
    console.press("2 enter").await;
    system.calls();
    console.press("S f enter").await;
    console.shows("Tunde B••• · attempt 1");
    assert!(changes(&system).contains(&"snooze 0".to_owned()));
    assert!(system.attempt(0).await.attempt.snoozed_until.is_some());
    console.press("T").await;
    console.write("the same face twice").await;
    console.press("enter").await;
    assert!(system.attempt(1).await.attempt.escalated_at.is_some());
    console.shows("Marta F••• · attempt 1");
    console.press("@").await;
    console.shows("nobody: back to everybody");
    console.press("0 enter").await;
    assert!(changes(&system).contains(&"assign 2".to_owned()));
    // What was done with it is beside the case.
    console.press("esc /").await;
    console.write("escalated:yes").await;
    console.press("enter enter").await;
    console.shows("history    escalated");
    console.shows("the same face twice");
}
