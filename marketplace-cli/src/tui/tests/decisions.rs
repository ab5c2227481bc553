//! Working through the queue.

use std::{collections::BTreeMap, time::Duration};

use marketplace_core::{
    base::permission::Role,
    error::{Error, ErrorCode},
    kyc::{model::KycReason, status::KycStatus},
};

use super::{super::fake::Fake, Console, changes, options};

#[tokio::test]
async fn opening_claims_and_fetches_the_next_one_with_its_pictures() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    let mut calls = fake.calls();
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
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.calls();
    console.press("x f enter").await;
    assert_eq!(changes(&fake), ["reject 0 [suspected_forgery]", "next"]);
    let case = fake.state().cases[0].clone();
    assert_eq!(case.attempt.status, KycStatus::Rejected);
    assert_eq!(case.decision.unwrap().comment.unwrap(), KycReason::SuspectedForgery.template());
    // The next case is there, and the footer offers the way back.
    console.shows("Tunde B••• · attempt 1");
    console.shows("rejected Ada O••• · u undo 10s");
}

#[tokio::test]
async fn several_reasons_an_edited_comment_and_a_note() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.calls();
    console.press("t u e tab").await;
    console.write(" Thanks!").await;
    console.press("tab").await;
    console.write("blurred").await;
    console.press("enter").await;
    let comment =
        format!("{} {} Thanks!", KycReason::DocumentExpired.template(), KycReason::DocumentUnreadable.template());
    assert_eq!(
        changes(&fake).first().unwrap(),
        &format!("retry 0 [document_expired document_unreadable] {comment:?} \"blurred\"")
    );
}

#[tokio::test]
async fn the_next_case_is_there_before_the_decision_is_answered() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.hold("kyc_decide");
    console.press("a").await;
    console.shows("Tunde B••• · attempt 1");
    console.shows("approving Ada O•••…");
    fake.let_go("kyc_decide");
    console.settle().await;
    console.shows("approved Ada O••• · u undo 10s");
}

#[tokio::test]
async fn undo_takes_it_back_and_shows_the_case_again() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter a").await;
    console.later(Duration::from_secs(3)).await;
    console.shows("u undo 7s");
    fake.calls();
    console.press("u").await;
    assert_eq!(changes(&fake)[0], "undo 0");
    assert!(fake.state().cases[0].attempt.status.is_open());
    console.shows("Ada O••• · attempt 2");
    console.hides("undo 7s");
}

#[tokio::test]
async fn an_older_decision_comes_back_with_its_pictures() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter a a").await;
    console.press("u").await;
    console.shows("Tunde B••• · attempt 1");
    fake.calls();
    console.press("u").await;
    console.shows("Ada O••• · attempt 2");
    assert!(fake.calls().contains(&"view document of 0".to_owned()));
    console.shows("▀");
}

#[tokio::test]
async fn undo_before_the_answer_is_undone_after_it() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.hold("kyc_decide");
    console.press("a u").await;
    fake.let_go("kyc_decide");
    console.settle().await;
    assert!(fake.state().cases[0].attempt.status.is_open());
    console.shows("Ada O••• · attempt 2");
}

#[tokio::test]
async fn after_ten_seconds_there_is_nothing_to_undo() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter a").await;
    console.later(Duration::from_secs(11)).await;
    console.hides("undo 0s");
    fake.calls();
    console.press("u").await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.shows("nothing to undo");
}

#[tokio::test]
async fn a_conflict_names_who_holds_the_case() {
    let fake = Fake::new(6, 4);
    fake.claimed_by_lea(0);
    let mut console = Console::start(&fake).await;
    console.press("2").await;
    console.shows("◐ Lea");
    console.press("enter").await;
    console.shows("Lea has it, 10:00 left");
    fake.calls();
    console.press("a").await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.shows("Lea has this case for 10:00 more");
}

#[tokio::test]
async fn a_decision_that_somebody_else_made_first_is_said() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.fail("kyc_decide", Error::conflict("it is approved already, decided by Lea", "approved"));
    console.press("a").await;
    console.shows("approving Ada O••• failed: it is approved already, decided by Lea");
    console.press("E").await;
    console.shows("code     conflict");
}

#[tokio::test]
async fn a_decision_that_did_not_get_through_is_on_the_screen_again() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.fail("kyc_decide", Error::internal("broken"));
    console.press("a").await;
    console.shows("Ada O••• · attempt 2");
    assert!(fake.state().cases[0].attempt.status.is_open());
}

#[tokio::test]
async fn claims_are_renewed_while_somebody_works_and_end_when_nobody_does() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.calls();
    console.later(Duration::from_secs(120)).await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.press("z").await;
    assert_eq!(changes(&fake), ["claim 0", "claim 1"]);
    console.later(Duration::from_secs(601)).await;
    console.shows("claim ended: Enter claims again");
    console.press("a").await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.press("enter").await;
    assert_eq!(changes(&fake)[0], "claim 0");
}

#[tokio::test]
async fn leaving_gives_back_what_was_claimed() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    assert_eq!(console.app.farewells().len(), 2);
    fake.calls();
    console.press("esc").await;
    assert_eq!(changes(&fake), ["release 0", "release 1"]);
    assert!(console.app.farewells().is_empty());
    assert!(fake.state().cases.iter().all(|case| case.attempt.claim.is_none()));
}

#[tokio::test]
async fn the_next_one_without_a_decision_gives_this_one_back() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    fake.calls();
    console.press("n").await;
    assert!(changes(&fake).contains(&"release 0".to_owned()));
    console.shows("Tunde B••• · attempt 1");
}

#[tokio::test]
async fn the_queue_comes_to_its_end() {
    let fake = Fake::new(6, 2);
    let mut console = Console::start(&fake).await;
    console.press("2 enter a a").await;
    assert!(fake.state().cases.iter().all(|case| case.attempt.status == KycStatus::Approved));
    console.shows("Nothing waits.");
    console.shows("nothing else waits");
}

#[tokio::test]
async fn a_filtered_queue_goes_on_within_the_filter() {
    let fake = Fake::new(12, 12);
    let mut console = Console::start(&fake).await;
    console.press("2 /").await;
    console.write("document_type:national_id").await;
    console.press("enter enter").await;
    fake.calls();
    console.press("a").await;
    // 1, 5 and 9 are of that kind.
    assert_eq!(changes(&fake), ["approve 1 []", "claim 9"]);
    console.shows("Jon L••• · attempt 1 · national id");
}

#[tokio::test]
async fn stale_answers_are_dropped_and_their_claims_given_back() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    fake.hold("kyc_claim");
    console.press("2").await;
    console.key("enter");
    console.settle().await;
    console.press("esc j").await;
    console.key("enter");
    console.settle().await;
    fake.let_one_go("kyc_claim");
    console.settle().await;
    console.hides("Ada O••• · attempt 2");
    fake.let_go("kyc_claim");
    console.settle().await;
    console.shows("Tunde B••• · attempt 1");
    assert!(changes(&fake).contains(&"release 0".to_owned()));
}

#[tokio::test]
async fn repeating_decides_the_next_case_alike() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter t u enter").await;
    fake.calls();
    console.press(".").await;
    assert_eq!(changes(&fake)[0], "retry 1 [document_unreadable]");
}

#[tokio::test]
async fn an_approval_is_revoked_with_a_reason() {
    let fake = Fake::new(6, 4);
    fake.state().cases[2].attempt.status = KycStatus::Approved;
    let mut console = Console::start(&fake).await;
    console.press("2 /").await;
    console.write("status:approved").await;
    console.press("enter enter").await;
    fake.calls();
    console.press("v f enter").await;
    assert_eq!(changes(&fake), ["revoke 2 [suspected_forgery]"]);
}

#[tokio::test]
async fn marked_cases_are_decided_after_one_question() {
    let fake = Fake::new(6, 4);
    fake.claimed_by_lea(2);
    let mut console = Console::start(&fake).await;
    console.press("2 space space space a").await;
    console.shows("Approve 3 cases");
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.press("enter").await;
    assert_eq!(fake.calls().len(), 3);
    console.shows("done 2 · unchanged 0 · failed 1");
    console.press("e").await;
    console.shows("Lea is looking at it");
}

#[tokio::test]
async fn all_that_match_are_marked() {
    let fake = Fake::new(12, 9);
    let mut console = Console::start(&fake).await;
    console.press("2 *").await;
    console.shows("9 marked");
    console.press("*").await;
    console.hides("◆ 9 marked");
}

#[tokio::test]
async fn a_bulk_action_can_be_stopped() {
    let fake = Fake::new(12, 9);
    let mut console = Console::start(&fake).await;
    console.press("2 * a").await;
    fake.hold("kyc_decide");
    console.press("enter").await;
    console.shows("0 of 9");
    console.press("esc").await;
    fake.let_go("kyc_decide");
    console.settle().await;
    console.shows("done 1 · unchanged 0 · failed 0 · not tried 8");
}

#[tokio::test]
async fn read_only_changes_nothing_but_looks() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start_with(&fake, super::Options { read_only: true, ..options() }, (120, 40)).await;
    console.shows("read-only");
    console.press("2 enter").await;
    let mut calls = fake.calls();
    calls.sort();
    assert_eq!(calls, ["view document of 0", "view selfie of 0"]);
    console.press("a x f enter t n u v . space a").await;
    console.press("esc esc 3 f b D m c S").await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.shows("this console is read-only");
}

#[tokio::test]
async fn an_auditor_may_look_only() {
    let fake = Fake::new(6, 4);
    fake.state().role = Role::Auditor;
    let mut console = Console::start(&fake).await;
    console.shows("may only look");
    console.press("2 enter").await;
    console.shows("Ada O••• · attempt 2");
    console.hides("approve");
    console.press("a").await;
    console.shows("needs the permission kyc:write, which auditor has not");
    assert_eq!(changes(&fake), Vec::<String>::new());
}

#[tokio::test]
async fn personal_data_is_shown_for_half_a_minute() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    console.hides("Ada Obi");
    fake.calls();
    console.press("R").await;
    console.shows("ada@mail.example.org");
    assert_eq!(changes(&fake), ["reveal 0"]);
    console.later(Duration::from_secs(29)).await;
    console.shows("masked again in 1s");
    console.later(Duration::from_secs(1)).await;
    console.hides("ada@mail.example.org");
}

#[tokio::test]
async fn keys_are_rebound() {
    let fake = Fake::new(6, 4);
    let keys = BTreeMap::from([("approve".to_owned(), "P".to_owned())]);
    let mut console = Console::start_with(&fake, super::Options { keys, ..options() }, (120, 40)).await;
    console.press("2 enter").await;
    fake.calls();
    console.press("a").await;
    assert_eq!(changes(&fake), Vec::<String>::new());
    console.shows("P approve");
    console.press("P").await;
    assert_eq!(changes(&fake)[0], "approve 0 []");
}

#[tokio::test]
async fn a_pdf_is_a_card() {
    let fake = Fake::new(6, 4);
    fake.state().document = "application/pdf";
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    console.shows("PDF ·");
    console.shows("o opens it outside");
}

#[tokio::test]
async fn a_file_that_does_not_come_is_said_and_the_case_goes_on() {
    let fake = Fake::new(6, 4);
    fake.fail("kyc_file", Error::new(ErrorCode::NotFound, "the file is gone"));
    let mut console = Console::start(&fake).await;
    console.press("2 enter").await;
    console.shows("the file is gone");
    console.press("a").await;
    assert!(changes(&fake).contains(&"approve 0 []".to_owned()));
}

#[tokio::test]
async fn pictures_turn_and_come_closer() {
    let fake = Fake::new(6, 4);
    let mut console = Console::start(&fake).await;
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
