//! Reports.

use std::time::Duration;

use marketplace_core::{
    base::permission::Role,
    messaging::{self, model::MessagesQuery},
    reports::{
        self,
        model::{NewReport, ReportFilter, ReportReason, ReportStatus, ReportTarget},
    },
    staff::ResolveReport,
};

use super::{
    super::Options,
    Console, options,
    system::{System, thread_id, user_id},
};

async fn scam(system: &System) -> messaging::model::Message {
    let client = system.user(4, Role::Client);
    let page = messaging::messages(&client, thread_id(0), &MessagesQuery::default()).await.unwrap();
    page.items.into_iter().find(|message| message.seq == 4).unwrap()
}

async fn statuses(system: &System) -> Vec<ReportStatus> {
    let filter = ReportFilter { subject_id: Some(user_id(0)), ..ReportFilter::default() };
    let page = marketplace_core::page::PageRequest::first(10);
    let mut all = reports::list(&system.lea(), &filter, &page).await.unwrap().items;
    all.sort_by_key(|case| case.opened_at);
    all.into_iter().map(|case| case.status).collect()
}

/// Files two reports, of a message and of its sender.
async fn two_reports(system: &System) {
    let message = scam(system).await;
    for (target_kind, target_id) in [(ReportTarget::Message, message.id.0), (ReportTarget::User, user_id(0).0)] {
        let new = NewReport { target_kind, target_id, reason: ReportReason::Scam, text: "wants money first".into() };
        reports::file(&system.user(4, Role::Client), new).await.unwrap();
        system.advance(Duration::from_secs(1));
    }
}

/// Opening claims; a decision takes three keys, four with two actions, and the next case is there at once; `u` takes it back with
/// what it did.
#[tokio::test]
async fn reports_are_decided_in_four_keys_and_undone() {
    let system = System::new(12, 0).await;
    two_reports(&system).await;
    let mut console = Console::start(&system).await;
    console.press("8").await;
    console.hides("wants money first");
    console.press("enter").await;
    console.shows("claimed by");
    console.shows("wants money first");
    console.shows("Pay me outside");
    assert_eq!(statuses(&system).await, [ReportStatus::InReview, ReportStatus::Open]);
    // A reason alone does nothing; the one that was reported is chosen.
    console.press("a").await;
    console.shows("[x] scam");
    console.press("enter").await;
    console.shows("choose what is done too");
    // The form stays as it is.
    console.press("c M enter").await;
    console.shows("choose a reason too");
    console.press("c W enter").await;
    assert!(scam(&system).await.removed);
    assert_eq!(statuses(&system).await, [ReportStatus::Resolved, ReportStatus::InReview]);
    console.shows("u undo 10s");
    console.press("u").await;
    assert!(!scam(&system).await.removed);
    assert_eq!(statuses(&system).await, [ReportStatus::InReview, ReportStatus::Open]);
    console.press("x n enter").await;
    console.press("s").await;
    console.press("S d enter").await;
    assert_eq!(statuses(&system).await, [ReportStatus::Dismissed, ReportStatus::Snoozed]);
    console.press("!").await;
    console.shows("marketplace reports");
}

/// What was begun earlier comes first, but not the case whose decision is on its way.
#[tokio::test]
async fn the_next_case_is_not_the_one_that_is_being_decided() {
    let system = System::new(12, 0).await;
    two_reports(&system).await;
    let options = Options { alone: true, ..options() };
    let mut console = Console::start_with(&system, options, (120, 40)).await;
    console.press("8 enter").await;
    console.shows("┌ message of Ada O•••");
    system.hold::<ResolveReport>();
    console.press("a W enter").await;
    console.shows("┌ user of Ada O•••");
    console.shows("u undo");
    system.let_go::<ResolveReport>();
    console.settle().await;
    console.shows("┌ user of Ada O•••");
    console.shows("u undo");
    console.hides("✖");
    assert_eq!(statuses(&system).await, [ReportStatus::Resolved, ReportStatus::InReview]);
}
