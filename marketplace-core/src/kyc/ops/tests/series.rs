use super::*;
use crate::staff::{self, Series, SeriesBy, SeriesQuery, ShowSeries};

const HOUR: Duration = Duration::from_secs(3_600);

async fn series(test: &TestApp, by: SeriesBy) -> Series {
    let query = SeriesQuery { by: Some(by), ..SeriesQuery::default() };
    staff::run::<ShowSeries>(&test.app().by(&operator()), (), query, ()).await.unwrap()
}

#[tokio::test]
async fn what_happens_is_counted_by_hour_day_and_reviewer() {
    for test in testing::apps().await {
        let app = test.app();
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(waiting(&test).await.1);
        }
        test.advance(HOUR);
        kyc::claim(&app.by(&ada), ids[0]).await.unwrap();
        test.advance(Duration::from_secs(40));
        assert!(decide(&test, &ada, ids[0], DecisionKind::Approve).await.unwrap());
        assert!(decide(&test, &ben, ids[1], DecisionKind::Reject).await.unwrap());
        assert!(decide(&test, &ben, ids[2], DecisionKind::Reject).await.unwrap());
        kyc::undo(&app.by(&ben), ids[2]).await.unwrap();
        test.app().run_due().await.unwrap();

        for by in [SeriesBy::Hour, SeriesBy::Day] {
            let all = series(&test, by).await;
            assert_eq!(all.rows.len(), if by == SeriesBy::Hour { 24 } else { 30 });
            let sum = |kind: &str| all.rows.iter().map(|row| row.counts[kind]).sum::<i64>();
            let counted =
                ["signups", "kyc_submitted", "kyc_approved", "kyc_rejected", "kyc_undone", "messages"].map(sum);
            assert_eq!(counted, [5, 3, 1, 1, 1, 0], "{by}");
            let last = all.rows.iter().rev().find(|row| row.counts["kyc_approved"] == 1).unwrap();
            let median = last.waited.median_seconds.unwrap();
            assert!((3_600..=5_400).contains(&median), "{by}: {median}");
            let worked = last.worked.p90_seconds.unwrap();
            assert!((30..=45).contains(&worked), "{by}: {worked}");
        }
        let all = series(&test, SeriesBy::Reviewer).await;
        let of = |actor: &Actor| all.rows.iter().find(|row| row.reviewer == Some(actor.principal())).unwrap();
        assert_eq!(all.rows.len(), 2);
        assert_eq!((of(&ada).counts["kyc_approved"], of(&ada).name.as_deref()), (1, Some(ada.label().as_str())));
        assert_eq!((of(&ben).counts["kyc_rejected"], of(&ben).counts["kyc_undone"]), (1, 1));
        assert!(of(&ada).worked.median_seconds.is_some() && of(&ben).worked.median_seconds.is_none());
        test.close().await;
    }
}
