//! What time and bans bring.

use super::*;
use crate::{base::error::Error, users};

const DAY: Duration = Duration::from_secs(86_400);
const MOMENT: Duration = Duration::from_micros(1);

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(MOMENT)
}

#[tokio::test]
async fn a_negotiation_ends_six_days_after_its_latest_offer() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let job = created(&test, &pair).await;
        test.advance(just_before(DAY * 6));
        assert_eq!(jobs::run_due(app).await.unwrap(), 0);
        // A new offer begins the time anew.
        jobs::offer(&app.by(&pair.worker), job.id, counter(1, 9)).await.unwrap();
        test.advance(just_before(DAY * 6));
        assert_eq!(jobs::run_due(app).await.unwrap(), 0);
        test.advance(MOMENT);
        assert_eq!(jobs::run_due(app).await.unwrap(), 1);
        assert_eq!(jobs::run_due(app).await.unwrap(), 0);
        let seen = jobs::get(&app.by(&pair.client), job.id).await.unwrap();
        assert_eq!((seen.status, seen.version, seen.due_at), (JobStatus::Cancelled, 3, None));
        let last = whole_history(&test, job.id).await.pop().unwrap();
        assert_eq!((last.side, last.reason, last.actor.0.as_str()), (Side::System, Some(JobReason::Expired), "system"));
        check_fold(&test, job.id).await;
        test.close().await;
    }
}

#[tokio::test]
async fn completed_work_is_finalized_after_fourteen_days() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let job = job_in(&test, &pair, JobStatus::Completed).await;
        test.advance(just_before(DAY * 14));
        jobs::request_changes(&app.by(&pair.client), job.id, more()).await.unwrap();
        test.advance(DAY * 30);
        assert_eq!(jobs::run_due(app).await.unwrap(), 0);
        jobs::complete(&app.by(&pair.worker), job.id).await.unwrap();
        test.advance(DAY * 14);
        assert_eq!(jobs::run_due(app).await.unwrap(), 1);
        let seen = jobs::get(&app.by(&pair.client), job.id).await.unwrap();
        assert_eq!((seen.status, seen.finalized_at), (JobStatus::Finalized, Some(app.now())));
        check_fold(&test, job.id).await;
        test.close().await;
    }
}

/// Whoever comes too late hears what time has brought, also when no timer ran.
#[tokio::test]
async fn nobody_acts_on_what_is_over() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), pair(&test).await);
        let late = created(&test, &pair).await;
        test.advance(DAY * 6);
        let seen = current(jobs::accept(&app.by(&pair.worker), late.id, 1).await);
        assert_eq!(seen.status, JobStatus::Cancelled);
        assert_eq!(jobs::run_due(app).await.unwrap(), 0);
        check_fold(&test, late.id).await;
        // Reading settles it too, and the thread is free for the next.
        let read = created(&test, &pair).await;
        test.advance(DAY * 6);
        assert_eq!(jobs::get(&app.by(&pair.worker), read.id).await.unwrap().status, JobStatus::Cancelled);
        let free = created(&test, &pair).await;
        test.advance(DAY * 6);
        let next = created(&test, &pair).await;
        assert_eq!(jobs::get(&app.by(&pair.client), free.id).await.unwrap().status, JobStatus::Cancelled);
        for id in [read.id, free.id, next.id] {
            check_fold(&test, id).await;
        }
        // Staff who come too late hear it as well.
        test.advance(DAY * 6);
        let cancel = StaffJobAction::Cancel { reason: JobReason::Other };
        assert!(!jobs::staff_act(&app.by(&operator()), next.id, &cancel).await.unwrap().changed);
        assert_eq!(whole_history(&test, next.id).await.pop().unwrap().reason, Some(JobReason::Expired));
        test.close().await;
    }
}

/// Several servers have timers: one of them wins, and the others find nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_timers_one_wins() {
    for test in testing::apps().await {
        let mut ids = Vec::new();
        for n in 0..6 {
            let pair = pair(&test).await;
            let status = if n % 2 == 0 { JobStatus::Negotiating } else { JobStatus::Completed };
            ids.push(job_in(&test, &pair, status).await.id);
        }
        test.advance(DAY * 14);
        let done = futures::future::join_all((0..4).map(|_| jobs::run_due(test.app()))).await;
        let done: Result<Vec<u64>, Error> = done.into_iter().collect();
        assert_eq!(done.unwrap().into_iter().sum::<u64>(), 6);
        for id in ids {
            check_fold(&test, id).await;
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_ban_cancels_what_is_under_way_and_leaves_what_is_done() {
    for test in testing::apps().await {
        let app = test.app();
        for side in [Side::Client, Side::Worker] {
            let mut live = Vec::new();
            let first = pair(&test).await;
            for status in [JobStatus::Negotiating, JobStatus::Accepted, JobStatus::Completed, JobStatus::Finalized] {
                let (service, thread) = thread_of(&test, &first.client, &first.worker).await;
                let pair = Pair { client: first.client.clone(), worker: first.worker.clone(), service, thread };
                live.push((status, job_in(&test, &pair, status).await.id));
            }
            let banned = first.actor(side).user_id().unwrap();
            let dry = Change { dry_run: true, ..restrict() };
            users::act(&app.by(&operator()).with(dry.clone()), banned, &UserAction::Ban).await.unwrap();
            for (status, id) in &live {
                assert_eq!(jobs::staff_show(&app.by(&operator()), *id).await.unwrap().job.status, *status);
            }
            users::act(&app.by(&operator()).with(restrict()), banned, &UserAction::Ban).await.unwrap();
            for (status, id) in &live {
                let seen = jobs::staff_show(&app.by(&operator()), *id).await.unwrap();
                check_fold(&test, *id).await;
                if matches!(status, JobStatus::Negotiating | JobStatus::Accepted) {
                    assert_eq!(seen.job.status, JobStatus::Cancelled);
                    let last = seen.history.last().unwrap();
                    assert_eq!((last.side, last.reason), (Side::System, Some(JobReason::Banned)));
                } else {
                    assert_eq!(seen.job.status, *status);
                }
            }
            let completed = live[2].1;
            // With a completed job the account is not deleted.
            let delete = users::act(&app.by(&operator()).with(restrict()), banned, &UserAction::Delete).await;
            refused(delete, ErrorCode::Conflict);
            if side == Side::Worker {
                // Nobody would do the changes.
                let asked = jobs::request_changes(&app.by(&first.client), completed, more()).await;
                assert_eq!(current(asked).actions, [JobAction::Finalize]);
                jobs::finalize(&app.by(&first.client), completed).await.unwrap();
            } else {
                test.advance(DAY * 14);
                jobs::run_due(app).await.unwrap();
            }
            let seen = jobs::staff_show(&app.by(&operator()), completed).await.unwrap();
            assert_eq!(seen.job.status, JobStatus::Finalized);
        }
        test.close().await;
    }
}
