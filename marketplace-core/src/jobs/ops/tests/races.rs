//! Two at once.

use futures::future::{join, join_all};

use super::*;
use crate::users;

/// How often each race is run on each engine.
const ROUNDS: usize = 25;

/// Fails unless exactly one of two won, and the other heard what the job is now.
async fn one_wins(test: &TestApp, id: JobId, answers: [Result<JobView>; 2]) -> JobView {
    let [first, second] = answers;
    let (won, lost) = match (first, second) {
        (Ok(won), lost @ Err(_)) | (lost @ Err(_), Ok(won)) => (won, lost),
        both => panic!("{both:?}"),
    };
    let seen = current(lost);
    assert_eq!((seen.id, seen.status, seen.version), (id, won.status, won.version));
    let stored = jobs::get(&test.app().by(&operator_view(test, id).await), id).await.unwrap();
    assert_eq!((stored.status, stored.version), (won.status, won.version));
    check_fold(test, id).await;
    won
}

/// The worker of a job, to look at it.
async fn operator_view(test: &TestApp, id: JobId) -> Actor {
    let worker = jobs::staff_show(&test.app().by(&operator()), id).await.unwrap().job.worker_id;
    test.log_in(worker).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn of_accept_and_cancel_one_wins() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        for _ in 0..ROUNDS {
            let id = created(&test, &pair).await.id;
            let accept = async { jobs::accept(&app.by(&pair.worker), id, 1).await };
            let cancel = async { jobs::cancel(&app.by(&pair.client), id, because(JobReason::NotNeeded)).await };
            let (accepted, cancelled) = join(accept, cancel).await;
            if let (Ok(accepted), Ok(cancelled)) = (&accepted, &cancelled) {
                // One after the other, after all: the cancel was of an accepted job, and is what stands.
                assert_eq!((accepted.version, cancelled.version), (2, 3));
                let stands = jobs::get(&app.by(&pair.worker), id).await.unwrap();
                assert_eq!((stands.status, stands.version), (JobStatus::Cancelled, 3));
                check_fold(&test, id).await;
                continue;
            }
            let won = one_wins(&test, id, [accepted, cancelled]).await;
            if won.status == JobStatus::Accepted {
                jobs::cancel(&app.by(&pair.client), id, because(JobReason::NotNeeded)).await.unwrap();
            }
        }
        test.close().await;
    }
}

/// Both name the version that they saw: then there is no second order of events.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_one_version_one_wins() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        for _ in 0..ROUNDS {
            let id = created(&test, &pair).await.id;
            let accept = async { jobs::accept(&app.by(&pair.worker).at_version(Some(1)), id, 1).await };
            let cancel = async {
                jobs::cancel(&app.by(&pair.client).at_version(Some(1)), id, because(JobReason::NotNeeded)).await
            };
            let (accepted, cancelled) = join(accept, cancel).await;
            assert!(accepted.is_ok() != cancelled.is_ok(), "{accepted:?} {cancelled:?}");
            let stands = jobs::get(&app.by(&pair.worker), id).await.unwrap();
            let expected = if accepted.is_ok() { JobStatus::Accepted } else { JobStatus::Cancelled };
            assert_eq!((stands.status, stands.version), (expected, 2));
            check_fold(&test, id).await;
            if accepted.is_ok() {
                jobs::cancel(&app.by(&pair.client), id, because(JobReason::NotNeeded)).await.unwrap();
            }
        }
        test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_accept_and_reject_one_wins() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        for _ in 0..ROUNDS {
            let id = created(&test, &pair).await.id;
            let accept = async { jobs::accept(&app.by(&pair.worker), id, 1).await };
            let reject = async { jobs::reject(&app.by(&pair.worker), id, because(JobReason::Price)).await };
            let (accepted, rejected) = join(accept, reject).await;
            let won = one_wins(&test, id, [accepted, rejected]).await;
            let thread = pair.thread;
            if won.status == JobStatus::Accepted {
                jobs::cancel(&app.by(&pair.client), id, because(JobReason::NotNeeded)).await.unwrap();
            } else {
                sql(&test, move |c| {
                    Box::pin(async move {
                        q!(c => exec, "UPDATE threads SET status = 'open' WHERE id = $1", thread)?;
                        Ok(())
                    })
                })
                .await;
            }
        }
        test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_counter_offer_and_accept_one_wins() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        for _ in 0..ROUNDS {
            let id = created(&test, &pair).await.id;
            let accept = async { jobs::accept(&app.by(&pair.worker), id, 1).await };
            let offer = async { jobs::offer(&app.by(&pair.client), id, counter(1, 1)).await };
            let (accepted, offered) = join(accept, offer).await;
            let won = one_wins(&test, id, [accepted, offered]).await;
            // Whoever accepted agreed to what they saw.
            if won.status == JobStatus::Accepted {
                assert_eq!(won.offers[0].price.amount, 5_000);
            }
            jobs::cancel(&app.by(&pair.client), id, because(JobReason::NotNeeded)).await.unwrap();
        }
        test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_creates_one_wins() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        for _ in 0..ROUNDS {
            let new = || NewJob { thread_id: pair.thread, offer: terms(5_000) };
            let answers = join_all((0..4).map(|_| async { jobs::create(&app.by(&pair.client), new()).await })).await;
            let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, 3));
            let won = won.into_iter().next().unwrap().unwrap();
            for answer in lost {
                assert_eq!(current(answer), won);
            }
            check_fold(&test, won.id).await;
            jobs::cancel(&app.by(&pair.client), won.id, because(JobReason::NotNeeded)).await.unwrap();
        }
        test.close().await;
    }
}

/// A ban and what the two do at the same moment: afterwards nothing of the banned person's is negotiated or worked on.
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_leaves_no_job_under_way() {
    for test in testing::apps().await {
        let app = test.app();
        for round in 0..12 {
            let pair = pair(&test).await;
            let banned = pair.actor(if round % 2 == 0 { Side::Client } else { Side::Worker }).user_id().unwrap();
            let restriction = restrict();
            let admin = operator();
            let ban = async { users::act(&app.by(&admin).with(restriction.clone()), banned, &UserAction::Ban).await };
            if round % 3 == 0 {
                let create = async {
                    jobs::create(&app.by(&pair.client), NewJob { thread_id: pair.thread, offer: terms(1) }).await
                };
                let (ban, _) = Box::pin(join(ban, create)).await;
                ban.unwrap();
            } else {
                let job = created(&test, &pair).await;
                let (ban, _) =
                    Box::pin(join(ban, async { jobs::accept(&app.by(&pair.worker), job.id, 1).await })).await;
                ban.unwrap();
            }
            let filter = JobFilter { thread_id: Some(pair.thread), ..JobFilter::default() };
            for job in jobs::staff_list(&app.by(&admin), &filter, &PageRequest::default()).await.unwrap().items {
                assert_eq!(job.status, JobStatus::Cancelled);
                check_fold(&test, job.id).await;
            }
        }
        test.close().await;
    }
}
