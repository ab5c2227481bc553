//! A hidden review changes nothing that anybody but its author and staff can observe.

use super::*;

/// Everything that somebody can read, as it crosses the wire, refusals included.
async fn all_answers(test: &TestApp, pair: &Pair, job: JobId, review: ReviewId, viewer: &Actor) -> Vec<String> {
    fn line<T: serde::Serialize>(answer: Result<T>) -> String {
        match answer {
            Ok(value) => serde_json::to_string(&value).unwrap(),
            Err(error) => {
                let current = error.current().map(ToString::to_string);
                format!("{} {} {:?} {current:?}", error.code(), error.detail(), error.fields())
            }
        }
    }
    let (app, page) = (test.app(), PageRequest::default());
    let worker = pair.worker_id();
    vec![
        line(jobs::get(&app.by(viewer), job).await),
        line(jobs::history(&app.by(viewer), job, &page).await),
        line(jobs::own(&app.by(viewer), &jobs::model::OwnJobFilter::default(), &page).await),
        line(reviews::of_job(&app.by(viewer), job).await),
        line(reviews::own(&app.by(viewer), &OwnReviewFilter::default(), &page).await),
        line(reviews::own(&app.by(viewer), &received(), &page).await),
        line(reviews::get(&app.by(viewer), review).await),
        line(reviews::reply(&app.by(viewer), review, reply_with("hello")).await),
        line(reviews::flag(&app.by(viewer), review, complaint()).await),
        line(reviews::edit(&app.by(viewer).at_version(Some(1)), review, UpdateReview::default()).await),
        line(reviews::of_worker(app, worker, &page).await),
        line(reviews::rating(app, worker).await),
        line(jobs::finalize(&app.by(viewer), job).await),
        line(
            jobs::cancel(
                &app.by(viewer).at_version(Some(4)),
                job,
                jobs::ops::tests::because(jobs::model::JobReason::Other),
            )
            .await,
        ),
        line(events_of(test, viewer.user_id().unwrap()).await),
        line(stored_about(test, pair, job).await),
    ]
}

/// The events that concern somebody: what their sockets get.
async fn events_of(test: &TestApp, user: UserId) -> Result<Vec<(String, String)>> {
    let mut reader = test.app().db.read().await?;
    Ok(q!(&mut reader.conn() => all (String, String),
        "SELECT kind, target FROM events WHERE user_id = $1 OR peer_id = $1 ORDER BY seq", user)?)
}

/// Rows from which other features answer: the thread, the service's rating, unread counts.
async fn stored_about(test: &TestApp, pair: &Pair, job: JobId) -> Result<Vec<(i64, i64, i64, i64)>> {
    let mut reader = test.app().db.read().await?;
    Ok(q!(&mut reader.conn() => all (i64, i64, i64, i64),
        "SELECT t.last_seq, t.worker_unread, t.version, s.rating FROM threads t JOIN services s ON s.id = t.service_id \
         JOIN jobs j ON j.thread_id = t.id WHERE t.id = $1 AND j.id = $2",
        pair.thread, job)?)
}

#[tokio::test]
async fn a_hidden_review_changes_no_answer_to_anybody_else() {
    for test in testing::apps().await {
        let app = test.app();
        for author in [Side::Client, Side::Worker] {
            let (pair, job) = finished(&test).await;
            let stranger = test.actor(Role::Client).await;
            let other = if author == Side::Client { &pair.worker } else { &pair.client };
            // An id that no review has, and then the id that one has: the answers are the same but for the id itself.
            let none = ReviewId(uuid::Uuid::nil());
            let mut before = Vec::new();
            for viewer in [other, &stranger] {
                before.push(all_answers(&test, &pair, job, none, viewer).await);
            }
            let written = reviews::create(&app.by(pair.actor(author)), job, stars(1)).await.unwrap();
            let worse = UpdateReview { rating: Patch::Set(2), text: Patch::Set("on second thought".into()) };
            let compare = async |step: &str| {
                for (viewer, before) in [other, &stranger].into_iter().zip(&before) {
                    assert_eq!(&all_answers(&test, &pair, job, written.id, viewer).await, before, "{author} {step}");
                }
            };
            compare("written").await;
            reviews::edit(&app.by(pair.actor(author)), written.id, worse).await.unwrap();
            compare("changed").await;
            let remove = ReviewAction::Remove { reason: RemovalReason::Abuse };
            reviews::staff_act(&app.by(&operator()), written.id, &remove).await.unwrap();
            compare("removed by staff").await;
            reviews::staff_act(&app.by(&operator()), written.id, &ReviewAction::Restore).await.unwrap();
            compare("restored").await;
            // Until the window closes.
            test.advance(WINDOW);
            assert_eq!(reviews::of_job(&app.by(other), job).await.unwrap().items.len(), 1);
        }
        test.close().await;
    }
}

/// Reviews of the second to write are as hidden from the first: nothing tells whether the other side was faster.
#[tokio::test]
async fn whoever_writes_second_learns_it_only_by_writing() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, job) = finished(&test).await;
        let alone = reviews::create(&app.by(&pair.client), job, stars(5)).await.unwrap();
        assert_eq!(alone.status, ReviewStatus::Hidden);
        let invalid = async |actor| reviews::create(&app.by(actor), job, stars(9)).await;
        refused(invalid(&pair.worker).await, ErrorCode::Invalid);
        assert_eq!(reviews::of_job(&app.by(&pair.worker), job).await.unwrap().items, []);
        reviews::create(&app.by(&pair.worker), job, stars(3)).await.unwrap();
        assert_eq!(reviews::of_job(&app.by(&pair.worker), job).await.unwrap().items.len(), 2);
        let mut reader = app.db.read().await.unwrap();
        let told = q!(&mut reader.conn() => val i64,
            "SELECT CAST(count(*) AS BIGINT) FROM events WHERE kind = 'review'")
        .unwrap();
        drop(reader);
        // Written, then both of them shown.
        assert_eq!(told, 3);
        test.close().await;
    }
}
