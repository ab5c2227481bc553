//! Every staff operation, over the database and over HTTP, on both engines: equal answers and equal errors.
//!
//! One script is played twice, in two marketplaces that are alike: once with `Direct`, once with the command line's `Remote`
//! against a server. Ids and hashes are named in the order in which they are first seen; the clock stands still. A method
//! that the script does not call fails the last test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

mod checks;
mod jobs;
mod mail;
mod promises;
mod reads;
mod refusals;
mod reviews;
mod script;
mod threads;
mod tokens;
mod users;
mod watch;
mod world;

use marketplace_core::staff::EndAllSessions;
use marketplace_core::{
    base::{
        change::{Change, RestrictionReason},
        permission::Role,
    },
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
        every_method_is_called(&here);
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

/// The trait's methods, by its text: one that is new and not in the script fails.
fn every_method_is_called(script: &Script) {
    let text =
        std::fs::read_to_string(marketplace_tests::binaries::workspace().join("marketplace-core/src/admin/mod.rs"))
            .unwrap();
    let methods: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("async fn "))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
        .collect();
    assert!(methods.len() >= 20, "{methods:?}");
    for method in methods {
        let called = |ok: bool| {
            script
                .steps
                .iter()
                .any(|(step, answer)| step.split(' ').next() == Some(method) && answer.get("ok").is_some() == ok)
        };
        assert!(called(true), "{method} never succeeds in the script");
        assert!(called(false), "{method} never fails in the script");
    }
}

async fn play(world: &World) -> Script {
    let mut script = Script::default();
    reads::reads(world, &mut script).await;
    users::users(world, &mut script).await;
    checks::checks(world, &mut script).await;
    let trade = world.test.marketplace().await;
    jobs::jobs(world, &trade, &mut script).await;
    threads::threads(world, &trade, &mut script).await;
    reviews::reviews(world, &trade, &mut script).await;
    tokens::tokens(world, &mut script).await;
    mail::mail(world, &mut script).await;
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
