use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::{StreamExt, future::join_all, stream};

use super::*;
use crate::{
    kyc::model::CLAIM,
    staff::{self, SeriesBy, SeriesQuery, ShowSeries},
};

/// Many reviewers work on one queue while people go on reporting, and some of them die in the middle of a call: the task is
/// aborted at a random point, as when a process is killed. No case is decided twice, no report is lost, and none is stuck past
/// its claim's expiry. `MARKETPLACE_TEST_CASES` says how many cases; from 1,000 on, a hundred reviewers race.
#[tokio::test(flavor = "multi_thread")]
async fn no_case_is_decided_twice_and_none_is_lost() {
    let cases = std::env::var("MARKETPLACE_TEST_CASES").map_or(25, |count| count.parse().unwrap());
    let crowd = if cases < 1_000 { 10 } else { 100 };
    for test in testing::apps().await {
        let mut subjects = Vec::new();
        for _ in 0..cases {
            subjects.push(test.user(Role::Client, Status::Active).await);
        }
        // Four of them report each; nobody reports more than an hour allows.
        let mut filing = Vec::new();
        for some in subjects.chunks(25) {
            for _ in 0..4 {
                let by = test.actor(Role::Client).await;
                filing.extend(some.iter().map(|id| (by.clone(), *id)));
            }
        }
        // Those about one person come into one case, all at once.
        filing.sort_by_key(|(_, id)| *id);
        let filing = filing.iter().map(|(by, id)| file(&test, by, ReportTarget::User, id.0));
        let filed: Vec<_> = stream::iter(filing).buffer_unordered(16).collect().await;
        assert!(filed.iter().all(|answer| answer.as_ref().is_ok_and(|(_, is_new)| *is_new)), "{filed:?}");
        let mut reviewers = Vec::new();
        for _ in 0..crowd {
            reviewers.push(test.actor(Role::Support).await);
        }
        let decided: Arc<Mutex<HashMap<CaseId, usize>>> = Arc::default();
        for round in 0..20_u64 {
            let open =
                reports::list(&test.app().by(&operator()), &ReportFilter::default(), &PageRequest::first(1)).await;
            if open.unwrap().items.is_empty() {
                break;
            }
            let tasks = reviewers.iter().enumerate().map(|(n, reviewer)| {
                let (app, by, decided) = (test.app().clone(), reviewer.clone(), Arc::clone(&decided));
                let work = tokio::spawn(async move {
                    while let Ok(Some(next)) = reports::next(&app.by(&by)).await {
                        let fence = next.case.claim.map(|claim| claim.fence);
                        let decision =
                            if n % 2 == 0 { dismiss(fence) } else { resolve(&[ReportAction::Freeze], fence) };
                        let answer = reports::decide(&app.by(&by), next.case.id, &decision).await;
                        if answer.is_ok_and(|answer| answer.changed) {
                            *decided.lock().unwrap().entry(next.case.id).or_default() += 1;
                        }
                    }
                });
                let pause = Duration::from_millis((n as u64 * 7 + round * 13) % 40);
                async move {
                    // On a loaded machine nobody who is killed so soon decides anything, and they may be first each time.
                    if n % 3 == 0 && round < 10 {
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
        for subject in subjects {
            let filter = ReportFilter { subject_id: Some(subject), ..ReportFilter::default() };
            let about =
                reports::list(&test.app().by(&operator()), &filter, &PageRequest::first(10)).await.unwrap().items;
            assert_eq!(about.iter().map(|case| case.reports).collect::<Vec<_>>(), [4]);
            let decisions =
                actions(&test, about[0].id).await.iter().filter(|action| *action != "reports.claim").count();
            assert_eq!(decisions, 1, "{:?}", about[0]);
            assert!(decided.lock().unwrap().get(&about[0].id).copied().unwrap_or(0) <= 1);
            assert!(!about[0].status.is_waiting() && about[0].claim.is_none());
        }
        // The counters say the same.
        let query = SeriesQuery { by: Some(SeriesBy::Day), ..SeriesQuery::default() };
        let op = test.app().by(&operator());
        let series = staff::run::<ShowSeries>(&op, (), query, ()).await.unwrap();
        let sum = |kinds: &[&str]| -> i64 {
            series.rows.iter().flat_map(|row| kinds.iter().map(|kind| row.counts[*kind])).sum()
        };
        let counted = ["reports_opened", "reports_undone"].map(|kind| sum(&[kind]));
        assert_eq!(counted, [i64::from(cases), 0]);
        assert_eq!(sum(&["reports_resolved", "reports_dismissed"]), counted[0]);
        assert!(audit::verify(&test.app().by(&operator()), 1, 10_000, None).await.unwrap().broken.is_none());
        test.close().await;
    }
}

/// Whoever was faster is named by their name; of an appeal, who decided about it.
#[tokio::test]
async fn an_error_names_a_colleague() {
    for test in testing::apps().await {
        let app = test.app();
        let trade = test.marketplace().await;
        let named = |who: &Actor| {
            let id = who.user_id().unwrap().to_string();
            format!("{} (…{})", who.label(), &id[id.len() - 8..])
        };
        let [lea, sam, kim] =
            [test.actor(Role::Support).await, test.actor(Role::Support).await, test.actor(Role::Admin).await];
        file(&test, &trade.client, ReportTarget::Thread, trade.thread.0).await.unwrap();
        let id = waiting(&test).await;
        reports::claim(&app.by(&lea), id).await.unwrap();
        let said = reports::claim(&app.by(&sam), id).await.unwrap_err().to_string();
        assert!(said.starts_with(&format!("{} is looking at it", named(&lea))), "{said}");
        reports::decide(&app.by(&lea), id, &resolve(&[ReportAction::CloseThread], None)).await.unwrap();
        for said in [
            reports::claim(&app.by(&sam), id).await.unwrap_err(),
            reports::decide(&app.by(&sam), id, &dismiss(None)).await.unwrap_err(),
        ] {
            assert_eq!(said.to_string(), format!("it is resolved already, decided by {}", named(&lea)));
        }
        test.advance(crate::kyc::model::UNDO);
        reports::appeal(&app.by(&trade.worker), id, &NewAppeal { text: "It was not me.".into() }).await.unwrap();
        let verdict = AppealVerdict { fence: None, reverse: false, comment: None };
        reports::decide_appeal(&app.by(&kim), id, &verdict).await.unwrap();
        let said = reports::claim(&app.by(&sam), id).await.unwrap_err().to_string();
        assert_eq!(said, format!("it is upheld already, decided by {}", named(&kim)));
        test.close().await;
    }
}
