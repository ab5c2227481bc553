use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::future::join_all;

use super::*;
use crate::kyc::{
    model::{CLAIM, DocumentType},
    store::{NewAttempt, insert},
};

/// Attempts of as many workers, without files: what races does not need them.
async fn queue(test: &TestApp, cases: usize) -> Vec<AttemptId> {
    let mut ids = Vec::new();
    let mut users = Vec::new();
    for _ in 0..cases.min(5) {
        users.push(test.user(Role::Worker, Status::Active).await);
    }
    for n in 0..cases {
        let app = test.app();
        let new = NewAttempt {
            id: AttemptId::new(app.now(), app.random.as_ref()),
            user_id: users[n % users.len()],
            document_type: DocumentType::Passport,
            submitted_at: app.now(),
            wrapped_key: Vec::new(),
            files: Vec::new(),
        };
        ids.push(new.id);
        app.db.write(move |conn| Box::pin(async move { insert(conn, &new).await.map(drop) })).await.unwrap();
    }
    ids
}

/// Many reviewers work on one queue, and some of them die in the middle of a call: the task is aborted at a random point,
/// as when a process is killed. No case is decided twice, and none is stuck past its claim's expiry.
#[tokio::test(flavor = "multi_thread")]
async fn no_case_is_decided_twice_and_none_gets_stuck() {
    const CASES: usize = 60;
    const REVIEWERS: usize = 12;
    for test in testing::apps().await {
        let ids = queue(&test, CASES).await;
        let mut reviewers = Vec::new();
        for _ in 0..REVIEWERS {
            reviewers.push(test.actor(Role::Support).await);
        }
        let decided: Arc<Mutex<HashMap<AttemptId, usize>>> = Arc::default();
        for round in 0..20_u64 {
            let open =
                kyc::list(&test.app().by(&operator()), &KycFilter::default(), &PageRequest::first(1)).await.unwrap();
            if open.items.is_empty() {
                break;
            }
            let tasks = reviewers.iter().enumerate().map(|(n, reviewer)| {
                let (app, by, decided) = (test.app().clone(), reviewer.clone(), Arc::clone(&decided));
                let work = tokio::spawn(async move {
                    // Half take what comes, half insist on one of the first cases: they meet.
                    while let Ok(Some(case)) = kyc::next(&app.by(&by)).await {
                        let fence = case.attempt.claim.unwrap().fence;
                        let kind = [DecisionKind::Approve, DecisionKind::Retry, DecisionKind::Reject][n % 3];
                        let answer = kyc::decide(&app.by(&by), case.attempt.id, &decision(kind, Some(fence))).await;
                        if answer.is_ok_and(|answer| answer.changed) {
                            *decided.lock().unwrap().entry(case.attempt.id).or_default() += 1;
                        }
                    }
                });
                let pause = Duration::from_millis((n as u64 * 7 + round * 13) % 40);
                async move {
                    // On a loaded machine nobody who is killed so soon decides anything, and they may be first each time.
                    if n % 2 == 0 && round < 10 {
                        tokio::time::sleep(pause).await;
                        work.abort();
                    }
                    match work.await {
                        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                        _ => {}
                    }
                }
            });
            join_all(tasks).await;
            test.advance(CLAIM);
        }
        for id in ids {
            let actions = actions(&test, id).await;
            let decisions = actions.iter().filter(|action| *action != "kyc.claim").count();
            assert_eq!(decisions, 1, "{actions:?}");
            assert!(decided.lock().unwrap().get(&id).copied().unwrap_or(0) <= 1);
            let case = kyc::show(&test.app().by(&operator()), id).await.unwrap();
            assert!(case.decision.is_some() && case.attempt.claim.is_none());
        }
        assert!(audit::verify(&test.app().by(&operator()), 1, 10_000, None).await.unwrap().broken.is_none());
        test.close().await;
    }
}

/// Of racing decisions on one case, exactly one stands; each other hears which.
#[tokio::test(flavor = "multi_thread")]
async fn of_racing_decisions_one_stands() {
    for test in testing::apps().await {
        let mut reviewers = Vec::new();
        for _ in 0..8 {
            reviewers.push(test.actor(Role::Support).await);
        }
        for id in queue(&test, 5).await {
            let answers = join_all(reviewers.iter().enumerate().map(|(n, by)| {
                let kind = if n % 2 == 0 { DecisionKind::Approve } else { DecisionKind::Reject };
                decide(&test, by, id, kind)
            }))
            .await;
            let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, 7));
            let standing = kyc::show(&test.app().by(&operator()), id).await.unwrap().decision.unwrap();
            for answer in lost {
                assert_eq!(current::<DecisionMade, _>(answer).by, standing.by);
            }
        }
        test.close().await;
    }
}
