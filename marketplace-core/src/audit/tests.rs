use futures::FutureExt;

use super::*;
use crate::testing;

async fn record(app: &App, n: usize) {
    let actor = testing::operator();
    let now = app.now();
    app.db
        .write(move |c| {
            async move {
                append(
                    c,
                    now,
                    &actor,
                    Entry {
                        action: "test.record",
                        target_kind: "user",
                        target: n.to_string(),
                        reason: n.is_multiple_of(2).then(|| "other".into()),
                        metadata: serde_json::json!({ "n": n }),
                    },
                )
                .await
            }
            .boxed()
        })
        .await
        .unwrap();
}

async fn whole(app: &App) -> AuditVerification {
    verify(app, &testing::operator(), 1, VERIFY_LIMIT).await.unwrap()
}

#[tokio::test]
async fn the_chain_has_no_gaps_and_shows_what_was_edited_or_removed() {
    for test in testing::apps().await {
        let app = test.app();
        futures::future::join_all((0..30).map(|n| record(app, n))).await;
        assert_eq!(whole(app).await, AuditVerification { checked: 30, next: None, broken: None });
        // In steps, as a walk over a long log goes.
        let step = verify(app, &testing::operator(), 1, 12).await.unwrap();
        assert_eq!((step.checked, step.next), (12, Some(13)));
        assert_eq!(verify(app, &testing::operator(), 13, 100).await.unwrap().checked, 18);

        let edit = |text: &'static str| {
            app.db.write(move |c| {
                async move {
                    crate::on!(c, |x, _DB| sqlx::query(text).execute(x).await.map(|_| ())).map_err(Error::from)
                }
                .boxed()
            })
        };
        edit("UPDATE audit_log SET metadata = metadata || ' ' WHERE seq = 7").await.unwrap();
        assert_eq!(whole(app).await.broken.unwrap().seq, 7);
        edit("UPDATE audit_log SET metadata = rtrim(metadata) WHERE seq = 7").await.unwrap();
        assert!(whole(app).await.broken.is_none());
        edit("DELETE FROM audit_log WHERE seq = 30").await.unwrap();
        assert_eq!(whole(app).await.broken.unwrap().seq, 30);
        edit("DELETE FROM audit_log WHERE seq = 12").await.unwrap();
        assert_eq!(whole(app).await.broken.unwrap().seq, 12);
        test.close().await;
    }
}

#[tokio::test]
async fn pages_and_filters() {
    for test in testing::apps().await {
        let app = test.app();
        for n in 0..5 {
            record(app, n).await;
        }
        let operator = testing::operator();
        let first = list(app, &operator, &AuditFilter::default(), &PageRequest::first(3)).await.unwrap();
        let seqs: Vec<i64> = first.items.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, [5, 4, 3]);
        let rest =
            list(app, &operator, &AuditFilter::default(), &PageRequest { limit: 3, after: first.next }).await.unwrap();
        assert_eq!((rest.items.len(), rest.next), (2, None));
        for (filter, count) in [
            (AuditFilter { target: Some("2".into()), ..AuditFilter::default() }, 1),
            (AuditFilter { actor: Some(operator.principal()), ..AuditFilter::default() }, 5),
            (
                AuditFilter {
                    action: Some("test.record".into()),
                    target: Some("3".into()),
                    actor: Some(operator.principal()),
                },
                1,
            ),
            (AuditFilter { action: Some("nothing".into()), ..AuditFilter::default() }, 0),
        ] {
            assert_eq!(
                list(app, &operator, &filter, &PageRequest::default()).await.unwrap().items.len(),
                count,
                "{filter:?}"
            );
        }
        test.close().await;
    }
}
