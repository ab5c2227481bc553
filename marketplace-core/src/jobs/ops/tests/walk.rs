//! Random walks: whatever the two, staff and time do in whatever order, the history folds to the state.

use proptest::{prelude::*, test_runner::Config};

use super::*;

/// One thing that somebody tries.
#[derive(Debug, Clone, Copy)]
enum Step {
    Offer(Side, i64),
    Accept(Side, i64),
    Reject(Side),
    Cancel(Side),
    Complete(Side),
    Changes(Side),
    Finalize(Side),
    Staff(bool),
    Days(u64),
    Create,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Worker)];
    let step = prop_oneof![
        3 => (side(), 0..4_i64).prop_map(|(side, behind)| Step::Offer(side, behind / 3)),
        4 => (side(), 0..4_i64).prop_map(|(side, behind)| Step::Accept(side, behind / 3)),
        1 => side().prop_map(Step::Reject),
        1 => side().prop_map(Step::Cancel),
        4 => side().prop_map(Step::Complete),
        3 => side().prop_map(Step::Changes),
        1 => side().prop_map(Step::Finalize),
        1 => any::<bool>().prop_map(Step::Staff),
        2 => (1..9_u64).prop_map(Step::Days),
        3 => Just(Step::Create),
    ];
    proptest::collection::vec(step, 1..25)
}

async fn walk(test: &TestApp, steps: Vec<Step>) {
    let (app, pair) = (test.app(), pair(test).await);
    let mut job = created(test, &pair).await;
    let mut all = vec![job.id];
    for step in steps {
        let id = job.id;
        let before = jobs::get(&app.by(&pair.client), id).await.unwrap();
        let answer = match step {
            Step::Offer(side, behind) => {
                jobs::offer(&app.by(pair.actor(side)), id, counter(before.revision - behind, 7)).await
            }
            Step::Accept(side, behind) => jobs::accept(&app.by(pair.actor(side)), id, before.revision - behind).await,
            Step::Reject(side) => jobs::reject(&app.by(pair.actor(side)), id, because(JobReason::Price)).await,
            Step::Cancel(side) => jobs::cancel(&app.by(pair.actor(side)), id, because(JobReason::Price)).await,
            Step::Complete(side) => jobs::complete(&app.by(pair.actor(side)), id).await,
            Step::Changes(side) => jobs::request_changes(&app.by(pair.actor(side)), id, more()).await,
            Step::Finalize(side) => jobs::finalize(&app.by(pair.actor(side)), id).await,
            Step::Staff(cancel) => {
                let reason = JobReason::Dispute;
                let action = if cancel { StaffJobAction::Cancel { reason } } else { StaffJobAction::Finalize };
                let _ = jobs::staff_act(&app.by(&operator()), id, &action).await;
                continue;
            }
            Step::Days(days) => {
                test.advance(Duration::from_secs(days * 86_400));
                jobs::run_due(app).await.unwrap();
                continue;
            }
            Step::Create => {
                let new = NewJob { thread_id: pair.thread, offer: terms(3) };
                let made = jobs::create(&app.by(&pair.client), new).await;
                if let Ok(made) = &made {
                    all.push(made.id);
                    job = made.clone();
                }
                made
            }
        };
        match answer {
            // What was possible was listed before, for whoever did it.
            Ok(after) if after.id == id => assert_eq!(after.version, before.version + 1),
            Ok(_) => assert!(!before.status.is_live()),
            Err(error) => {
                assert!(matches!(error.code(), ErrorCode::Conflict | ErrorCode::Forbidden), "{error:?}");
                let after = jobs::get(&app.by(&pair.client), id).await.unwrap();
                assert_eq!(before, after, "a refusal changes nothing");
            }
        }
    }
    for id in all {
        check_fold(test, id).await;
    }
}

#[test]
fn the_history_folds_to_the_state() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tests = runtime.block_on(testing::apps());
    let mut runner =
        proptest::test_runner::TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            for test in &tests {
                runtime.block_on(walk(test, steps.clone()));
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        for test in tests {
            test.close().await;
        }
    });
}
