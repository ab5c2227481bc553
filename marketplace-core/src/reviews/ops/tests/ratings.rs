//! Whatever people, staff and time do in whatever order: a worker's rating is that of the reviews that show.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// On which of the jobs, by which side, how many stars.
    Write(usize, Side, i64),
    Edit(usize, i64),
    Remove(usize),
    Restore(usize),
    Flag(usize),
    Dismiss(usize),
    Days(u64),
    Timer,
}

const JOBS: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Worker)];
    let step = prop_oneof![
        6 => (0..JOBS, side(), 1..=5_i64).prop_map(|(job, side, stars)| Step::Write(job, side, stars)),
        2 => (0..JOBS, 1..=5_i64).prop_map(|(job, stars)| Step::Edit(job, stars)),
        2 => (0..JOBS).prop_map(Step::Remove),
        2 => (0..JOBS).prop_map(Step::Restore),
        1 => (0..JOBS).prop_map(Step::Flag),
        1 => (0..JOBS).prop_map(Step::Dismiss),
        2 => (1..9_u64).prop_map(Step::Days),
        1 => Just(Step::Timer),
    ];
    proptest::collection::vec(step, 1..30)
}

async fn walk(test: &TestApp, steps: Vec<Step>) {
    let app = test.app();
    let first = pair(test).await;
    let worker = first.worker_id();
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        let client = test.actor(Role::Client).await;
        let (service, thread) = jobs::ops::tests::thread_of(test, &client, &first.worker).await;
        let pair = Pair { client, worker: first.worker.clone(), service, thread };
        let job = job_in(test, &pair, JobStatus::Finalized).await.id;
        jobs.push((pair, job));
    }
    let mut written: [Option<ReviewId>; JOBS] = [None; JOBS];
    let nothing = Change::default();
    for step in steps {
        let staff = async |at: usize, action: ReviewAction| {
            if let Some(id) = written[at] {
                reviews::staff_act(&app.by(&operator()).with(nothing.clone()), id, &action).await.unwrap();
            }
        };
        match step {
            Step::Write(at, side, rating) => {
                let (pair, job) = &jobs[at];
                let made = reviews::create(&app.by(pair.actor(side)), *job, stars(rating)).await;
                if let (Ok(made), Side::Client) = (made, side) {
                    written[at] = Some(made.id);
                }
            }
            Step::Edit(at, rating) => {
                if let Some(id) = written[at] {
                    let update = UpdateReview { rating: Patch::Set(rating), text: Patch::Keep };
                    let _ = reviews::edit(&app.by(&jobs[at].0.client), id, update).await;
                }
            }
            Step::Remove(at) => staff(at, ReviewAction::Remove { reason: RemovalReason::Other }).await,
            Step::Restore(at) => staff(at, ReviewAction::Restore).await,
            Step::Dismiss(at) => staff(at, ReviewAction::Dismiss).await,
            Step::Flag(at) => {
                if let Some(id) = written[at] {
                    let _ = reviews::flag(&app.by(&first.worker), id, complaint()).await;
                }
            }
            Step::Days(days) => test.advance(Duration::from_secs(days * 86_400)),
            Step::Timer => drop(reviews::run_due(app).await.unwrap()),
        }
        let kept = reviews::rating(app, worker).await.unwrap();
        assert_eq!(kept, recomputed(test, worker).await, "after {step:?}");
        let shown = public(test, worker).await;
        assert_eq!(i64::try_from(shown.len()).unwrap(), kept.count);
    }
    let mut reader = app.db.read().await.unwrap();
    let kept = reviews::rating_of(&mut reader.conn(), worker).await.unwrap();
    let hints = q!(&mut reader.conn() => vals i64, "SELECT DISTINCT rating FROM services WHERE worker_id = $1", worker)
        .unwrap();
    assert_eq!(hints, [Rating::thousandths(kept.distribution).unwrap_or(0)]);
}

#[test]
fn a_rating_always_equals_its_recomputation() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tests = runtime.block_on(testing::apps());
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
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
