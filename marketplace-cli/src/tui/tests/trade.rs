//! Jobs and reviews.

use std::time::Duration;

use marketplace_core::staff::{CancelJob, RemoveReview};
use marketplace_core::{
    base::permission::Role,
    error::Error,
    jobs::{
        self,
        model::{CounterOffer, JobStatus, Offer},
    },
    money::Money,
    reviews::model::ReviewStatus,
};

use super::{
    super::app::Effect,
    Console, changes, options,
    system::{System, job_id, review_id},
};

/// The worker of the first job makes so many more offers; its client is banned.
async fn offers(system: &System, count: i64) {
    for revision in 2..2 + count {
        let by = system.user(0, Role::Worker);
        let price = Money::new(5_000 + revision * 100, "EUR");
        let offer = Offer { price, schedule: "Friday".into(), scope: "The tap".into() };
        jobs::offer(&by, job_id(0), CounterOffer { revision, offer }).await.unwrap();
    }
}

#[tokio::test]
async fn a_job_is_cancelled_with_a_reason_and_a_note() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 x").await;
    console.shows("Cancel “Fix a leaking tap”");
    console.press("enter").await;
    console.shows("choose a reason");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.press("d tab").await;
    console.write("both asked").await;
    console.confirm("cancel").await;
    assert_eq!(changes(&system), ["cancel 0 dispute \"both asked\""]);
    assert_eq!(system.job(0).await.job.status, JobStatus::Cancelled);
    console.shows("cancelled");
    console.shows("⊘ cancelled");
    // The history has it, with who did it.
    console.press("enter").await;
    console.shows("dispute · “both asked” · sam@desk");
}

#[tokio::test]
async fn a_completed_job_is_finalized() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 j j f").await;
    console.shows("Finalize “Move a piano”");
    console.confirm("finalize").await;
    assert_eq!(changes(&system), ["finalize 2"]);
    console.shows("✔ finalized");
}

#[tokio::test]
async fn a_service_is_closed_from_its_worker_and_reopened() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 J s").await;
    console.shows("Services · worker_id:");
    console.shows("Fix a leaking tap");
    console.press("O").await;
    console.shows("reopen: staff did not close it");
    console.press("x").await;
    console.shows("Close “Fix a leaking tap”");
    console.press("f enter").await;
    assert_eq!(changes(&system), ["close 0 fraud"]);
    console.shows("⊘ closed");
    console.press("x").await;
    console.shows("close: staff closed it already");
    console.press("O enter").await;
    assert_eq!(changes(&system), ["reopen 0"]);
    console.press("enter").await;
    console.shows("found      by nobody");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_the_reason() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    // Before anything is filled in.
    console.press("4 f").await;
    console.shows("finalize: only a completed job can be; it is negotiating");
    console.press("enter").await;
    assert_eq!(changes(&system), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_changed_meanwhile_is_not_changed_blindly() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 x d").await;
    offers(&system, 1).await;
    console.confirm("cancel").await;
    console.shows("it was changed meanwhile");
    assert_eq!(system.job(0).await.job.status, JobStatus::Negotiating);
}

#[tokio::test]
async fn marked_jobs_are_cancelled_after_one_question() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 * x f").await;
    console.shows("Cancel 12 jobs");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.confirm("cancel").await;
    assert_eq!(changes(&system).len(), 12);
    // Six can be cancelled, two were, the others are over.
    console.shows("done 6 · unchanged 2 · failed 4");
    console.press("e").await;
    console.shows("cancel is not possible as the job stands");
    console.press("esc !").await;
    console.shows("marketplace jobs cancel 01920000-");
    console.shows("--reason fraud --dry-run");
    console.hides("--limit 0");
}

#[tokio::test]
async fn a_bulk_of_jobs_can_be_stopped() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 * x f").await;
    system.hold::<CancelJob>();
    console.confirm("cancel").await;
    console.shows("0 of 12");
    console.press("esc").await;
    system.let_go::<CancelJob>();
    console.settle().await;
    console.shows("done 1 · unchanged 0 · failed 0 · not tried 11");
}

#[tokio::test]
async fn repeating_asks_on_the_next_row() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 x q").await;
    console.confirm("cancel").await;
    system.calls();
    console.press(".").await;
    console.shows("Cancel “Paint the hall”");
    console.shows("(•) quality");
    assert_eq!(changes(&system), Vec::<String>::new());
    console.confirm("cancel").await;
    assert_eq!(changes(&system), ["cancel 1 quality"]);
    console.press("6 . 5 .").await;
    console.shows("nothing to repeat yet");
}

#[tokio::test]
async fn jobs_are_filtered_as_typed_and_by_command() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 /").await;
    console.write("status:accepted").await;
    console.hides("○ negotiating");
    console.shows("◐ accepted");
    console.press("esc :").await;
    console.write("jobs status:completed").await;
    console.press("enter").await;
    console.shows("Jobs · status:completed");
    console.shows("◕ completed");
    console.hides("○ negotiating");
    // A command is a way, and so there is a way back.
    console.press("esc").await;
    console.shows("○ negotiating");
}

#[tokio::test]
async fn a_history_is_folded_into_its_states() {
    let system = System::new(12, 0).await;
    offers(&system, 4).await;
    let mut console = Console::start(&system).await;
    console.press("4 enter").await;
    console.shows("offer 1");
    console.shows("worker  offers 2 to 6");
    console.hides("offer 4");
}

#[tokio::test]
async fn flagged_reviews_come_first_and_their_flags_are_dismissed() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("6").await;
    console.shows("Reviews · flagged:yes");
    console.shows("1 of 3");
    console.press("a").await;
    console.shows("Dismiss flags of");
    console.press("enter").await;
    assert_eq!(changes(&system), ["dismiss 0"]);
    console.shows("flags dismissed");
    console.later(Duration::from_millis(400)).await;
    console.later(Duration::from_millis(400)).await;
    console.shows("1 of 2");
}

#[tokio::test]
async fn a_review_is_removed_with_a_reason_and_restored() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("6 d enter").await;
    console.shows("choose a reason");
    console.press("a tab").await;
    console.write("third time").await;
    console.press("enter").await;
    assert_eq!(changes(&system), ["remove 0 abuse \"third time\""]);
    assert_eq!(system.review(0).await.review.status, ReviewStatus::Removed);
    console.press("D enter").await;
    assert_eq!(changes(&system), ["restore 0"]);
    assert_eq!(system.review(0).await.review.status, ReviewStatus::Published);
}

#[tokio::test]
async fn the_other_sides_review_stands_beside_it() {
    let system = System::new(12, 0).await;
    let mut console = Console::start_with(&system, options(), (200, 50)).await;
    console.press("6 enter").await;
    let screen = console.screen();
    let beside = |line: &str| line.contains("This review") && line.contains("The other side's");
    assert!(screen.lines().any(beside), "{screen}");
    console.shows("nobody was at home");
    console.shows("⚑ false");
    console.shows("“I was on time”");
    console.shows("I was stuck in traffic");
}

#[tokio::test]
async fn marked_reviews_are_removed_together() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("6 space space d s").await;
    console.shows("Remove 2 reviews");
    system.fail::<RemoveReview>(Error::conflict("Lea did already", "removed"));
    console.press("enter").await;
    console.shows("done 1 · unchanged 0 · failed 1");
    console.press("e").await;
    console.shows("Lea did already");
}

#[tokio::test]
async fn ids_and_rows_of_jobs_and_reviews_are_copied() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("4 y 6 y Y").await;
    console.app.effects.retain(|effect| *effect != Effect::Redraw);
    let [Effect::Copy(job), Effect::Copy(review), Effect::Copy(json)] = console.app.effects.as_slice() else {
        panic!()
    };
    assert_eq!((job, review), (&job_id(0).to_string(), &review_id(0).to_string()));
    assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["rating"], 1);
}

#[tokio::test]
async fn escape_changes_no_job_thread_or_review() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    for (screen, open) in [("4", "x d"), ("4", "f"), ("5", "C a"), ("5", "O"), ("5", "N h i"), ("6", "a"), ("6", "d s")]
    {
        console.press(screen).await;
        console.press(open).await;
        console.press("esc").await;
    }
    assert_eq!(system.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_changed_read_only_or_by_an_auditor() {
    for read_only in [true, false] {
        let system = if read_only { System::new(12, 0).await } else { System::audited(12, 0).await };
        let mut console = Console::start_with(&system, super::Options { read_only, ..options() }, (120, 40)).await;
        console
            .press("4 x d enter esc f enter esc 5 C a enter esc O N h enter esc enter d d c enter esc N h enter")
            .await;
        console.press("esc esc 6 a enter esc d a enter esc D enter esc space d a enter").await;
        assert_eq!(changes(&system), Vec::<String>::new());
        console.press("esc esc 4 x").await;
        console.shows(if read_only { "this console is read-only" } else { "which auditor has not" });
    }
}
