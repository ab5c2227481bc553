//! Every staff operation, over the database and over HTTP, on both engines: equal answers and equal errors.
//!
//! One script is played twice, in two marketplaces that are alike: once over the database, once with the
//! command line's client against a server. Ids and hashes are named in the order in which they are first seen; the clock stands still. An operation
//! that the script does not call fails it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod checks;
mod jobs;
mod mail;
mod promises;
mod reads;
mod refusals;
mod reports;
mod reviews;
mod script;
mod threads;
mod tokens;
mod users;
mod watch;
mod webhooks;
mod world;

use std::sync::Arc;

use marketplace_core::{
    base::{
        change::{Change, RestrictionReason},
        permission::Role,
    },
    staff::{self, EndAllSessions, StaffOperation, Visitor},
    testing,
};
use script::Script;
use world::{Way, World};

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_in_answer_alike() {
    let (directs, remotes) = (testing::apps().await, testing::apps().await);
    assert_eq!(directs.len(), remotes.len());
    let mut first: Option<Script> = None;
    for (direct, remote) in directs.into_iter().zip(remotes) {
        let engine = direct.app().db.engine();
        let (direct, remote) = (World::open(direct, Way::Direct).await, World::open(remote, Way::Remote).await);
        let (here, there) = (play(&direct).await, play(&remote).await);
        for (here, there) in here.steps.iter().zip(&there.steps) {
            assert_eq!(here, there, "{engine:?}");
        }
        assert_eq!(here.steps.len(), there.steps.len());
        every_operation_is_called(&here);
        promises::hold(&here);
        // And so do both engines.
        let first = first.get_or_insert(there);
        for (one, other) in first.steps.iter().zip(&here.steps) {
            assert_eq!(one, other, "left: the first engine, right: {engine:?}");
        }
        direct.close().await;
        remote.close().await;
    }
}

/// Every operation that core declares: one that is new and not in the script fails.
fn every_operation_is_called(script: &Script) {
    #[derive(Default)]
    struct Names(Vec<&'static str>);
    impl Visitor for Names {
        fn visit<O: StaffOperation>(&mut self) {
            self.0.push(O::NAME);
        }
    }
    let mut names = Names::default();
    staff::visit(&mut names);
    assert!(names.0.len() >= 20, "{:?}", names.0);
    let outcome = |name: &&str| script.outcomes.get(name).copied().unwrap_or_default();
    let without = |wanted: fn((bool, bool)) -> bool| -> Vec<&&str> {
        names.0.iter().filter(|name| !wanted(outcome(name))).collect()
    };
    assert_eq!(without(|(succeeds, _)| succeeds), Vec::<&&str>::new(), "never succeed in the script");
    assert_eq!(without(|(_, fails)| fails), Vec::<&&str>::new(), "never fail in the script");
}

async fn play(world: &World) -> Script {
    let mut script = Script::new(Arc::clone(&world.calls));
    reads::reads(world, &mut script).await;
    users::users(world, &mut script).await;
    checks::checks(world, &mut script).await;
    let trade = world.test.marketplace().await;
    jobs::jobs(world, &trade, &mut script).await;
    threads::threads(world, &trade, &mut script).await;
    reviews::reviews(world, &trade, &mut script).await;
    reports::reports(world, &trade, &mut script).await;
    tokens::tokens(world, &mut script).await;
    mail::mail(world, &mut script).await;
    webhooks::webhooks(world, &mut script).await;
    refusals::refusals(world, &mut script).await;
    // Last: nobody who was there before is logged in any more.
    let (ann, _) = world.staff(Role::Admin).await;
    script.heard("sessions_end_all without reason", &ann.call::<EndAllSessions>((), (), Change::default()).await);
    let because = because(RestrictionReason::Security);
    let preview = Change { dry_run: true, ..because.clone() };
    script.heard("sessions_end_all dry", &ann.call::<EndAllSessions>((), (), preview.clone()).await);
    script.heard("sessions_end_all", &ann.call::<EndAllSessions>((), (), because.clone()).await);
    script
}

fn note(text: &str) -> Change {
    Change { note: Some(text.into()), ..Change::default() }
}

fn because(reason: RestrictionReason) -> Change {
    Change { reason: Some(reason), ..Change::default() }
}

fn dry() -> Change {
    Change { dry_run: true, ..Change::default() }
}
