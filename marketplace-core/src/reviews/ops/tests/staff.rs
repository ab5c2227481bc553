use futures::FutureExt;

use super::*;
use crate::records::audit::{self, AuditFilter};

async fn both_in(test: &TestApp) -> (Pair, ReviewId) {
    let (pair, job) = finished(test).await;
    let mine = reviews::create(&test.app().by(&pair.client), job, stars(1)).await.unwrap().id;
    reviews::create(&test.app().by(&pair.worker), job, stars(5)).await.unwrap();
    (pair, mine)
}

#[tokio::test]
async fn a_removed_review_leaves_a_tombstone_and_comes_back_whole() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, id) = both_in(&test).await;
        let (worker, support) = (pair.worker_id(), test.actor(Role::Support).await);
        reviews::flag(&app.by(&pair.worker), id, complaint()).await.unwrap();
        let flagged = ReviewFilter { flagged: true, ..ReviewFilter::default() };
        let queue =
            async || reviews::staff_list(&app.by(&support), &flagged, &PageRequest::default()).await.unwrap().items;
        assert_eq!(queue().await.iter().map(|review| review.id).collect::<Vec<_>>(), [id]);
        let act = async |action: ReviewAction, change: Change| {
            reviews::staff_act(&app.by(&support).with(change.clone()), id, &action).await
        };
        let remove = || ReviewAction::Remove { reason: RemovalReason::Abuse };
        let noted = Change { note: Some("see the call".into()), ..Change::default() };
        let dry = Change { dry_run: true, ..noted.clone() };
        assert!(act(remove(), dry).await.unwrap().changed);
        assert_eq!(reviews::rating(app, worker).await.unwrap().count, 1);
        refused(act(remove(), Change { if_version: Some(9), ..noted.clone() }).await, ErrorCode::PreconditionFailed);

        let done = act(remove(), noted.clone()).await.unwrap();
        assert_eq!((done.changed, done.item.review.status, done.item.review.flags), (true, ReviewStatus::Removed, 0));
        assert_eq!(done.item.note.as_deref(), Some("see the call"));
        assert!(!act(remove(), noted).await.unwrap().changed);
        assert_eq!(queue().await, []);
        assert_eq!(public(&test, worker).await, []);
        assert_eq!(reviews::rating(app, worker).await.unwrap(), Rating::default());
        let tombstone = reviews::get(&app.by(&pair.worker), id).await.unwrap();
        assert_eq!((tombstone.rating, &tombstone.text), (None, &None));
        assert_eq!(tombstone.removed, Some(RemovalReason::Abuse));
        assert_eq!(reviews::get(&app.by(&pair.client), id).await.unwrap().rating, Some(1));
        refused(reviews::reply(&app.by(&pair.worker), id, reply_with("?")).await, ErrorCode::Conflict);
        let stranger = test.actor(Role::Client).await;
        refused(reviews::get(&app.by(&stranger), id).await, ErrorCode::NotFound);

        let restored = act(ReviewAction::Restore, Change::default()).await.unwrap();
        assert_eq!((restored.item.review.status, restored.item.review.removed), (ReviewStatus::Published, None));
        assert!(restored.item.flags[0].dismissed_at.is_some());
        assert_eq!(public(&test, worker).await[0].text, "1 stars");
        assert_eq!(reviews::rating(app, worker).await.unwrap(), recomputed(&test, worker).await);
        // Flagged anew by somebody else, and dismissed.
        reviews::flag(&app.by(&stranger), id, complaint()).await.unwrap();
        assert_eq!(queue().await.len(), 1);
        assert!(act(ReviewAction::Dismiss, Change::default()).await.unwrap().changed);
        assert!(!act(ReviewAction::Dismiss, Change::default()).await.unwrap().changed);
        assert_eq!((queue().await.len(), public(&test, worker).await.len()), (0, 1));

        let filter = AuditFilter { target: Some(id.to_string()), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&operator()), &filter, &PageRequest::first(9)).await.unwrap().items;
        let names: Vec<String> = rows.iter().map(|row| row.action.to_string()).collect();
        assert_eq!(names, ["reviews.dismiss", "reviews.restore", "reviews.remove"]);
        assert_eq!(rows[2].reason.as_deref(), Some("abuse"));
        assert!(!rows[2].metadata.to_string().contains("call"));
        let auditor = test.actor(Role::Auditor).await;
        let nothing = Change::default();
        refused(reviews::staff_act(&app.by(&auditor).with(nothing.clone()), id, &remove()).await, ErrorCode::Forbidden);
        refused(reviews::staff_show(&app.by(&pair.client), id).await, ErrorCode::Forbidden);
        test.close().await;
    }
}

/// What was removed while it was hidden comes back as what it would have become meanwhile.
#[tokio::test]
async fn a_review_that_was_removed_while_hidden() {
    for test in testing::apps().await {
        let app = test.app();
        let remove = ReviewAction::Remove { reason: RemovalReason::Spam };
        let act = async |id: ReviewId, action: &ReviewAction| {
            reviews::staff_act(&app.by(&operator()), id, action).await.unwrap().item.review.status
        };
        for (wait, answer, status) in [
            (Duration::ZERO, false, ReviewStatus::Hidden),
            (Duration::ZERO, true, ReviewStatus::Published),
            (WINDOW, false, ReviewStatus::Published),
        ] {
            let (pair, job) = finished(&test).await;
            let id = reviews::create(&app.by(&pair.client), job, stars(2)).await.unwrap().id;
            assert_eq!(act(id, &remove).await, ReviewStatus::Removed);
            if answer {
                // Both are in: the worker's shows, and nothing is said about the other.
                let theirs = reviews::create(&app.by(&pair.worker), job, stars(4)).await.unwrap();
                assert_eq!(theirs.status, ReviewStatus::Published);
                assert_eq!(reviews::of_job(&app.by(&pair.worker), job).await.unwrap().items, [theirs]);
            }
            test.advance(wait);
            reviews::run_due(app).await.unwrap();
            assert_eq!(reviews::rating(app, pair.worker_id()).await.unwrap().count, 0);
            assert_eq!(act(id, &ReviewAction::Restore).await, status);
            let count = i64::from(status == ReviewStatus::Published);
            assert_eq!(reviews::rating(app, pair.worker_id()).await.unwrap().count, count);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn staff_lists_are_paged_by_every_filter() {
    for test in testing::apps().await {
        let app = test.app();
        let mut pairs = Vec::new();
        for _ in 0..4 {
            let (pair, id) = both_in(&test).await;
            reviews::flag(&app.by(&pair.worker), id, complaint()).await.unwrap();
            test.advance(Duration::from_millis(3));
            pairs.push((pair, id));
        }
        let walk = async |filter: ReviewFilter| {
            let mut page = PageRequest::first(1);
            let mut all = Vec::new();
            loop {
                let got = reviews::staff_list(&app.by(&operator()), &filter, &page).await.unwrap();
                all.extend(got.items.into_iter().map(|review| review.id));
                page.after = got.next;
                if page.after.is_none() {
                    return all;
                }
            }
        };
        let flagged: Vec<ReviewId> = pairs.iter().map(|(_, id)| *id).collect();
        assert_eq!(walk(ReviewFilter { flagged: true, ..ReviewFilter::default() }).await, flagged);
        let all = walk(ReviewFilter::default()).await;
        assert_eq!(all.len(), 8);
        let published = ReviewFilter { status: Some(ReviewStatus::Published), ..ReviewFilter::default() };
        assert_eq!(walk(published).await, all);
        let (pair, id) = &pairs[2];
        let about = ReviewFilter { subject_id: Some(pair.worker_id()), ..ReviewFilter::default() };
        assert_eq!(walk(about.clone()).await, [*id]);
        let by = ReviewFilter { author_id: Some(pair.client_id()), subject_id: Some(pair.worker_id()), ..about };
        assert_eq!(walk(by.clone()).await, [*id]);
        assert_eq!(walk(ReviewFilter { flagged: true, ..by.clone() }).await, [*id]);
        assert_eq!(walk(ReviewFilter { status: Some(ReviewStatus::Hidden), ..by }).await, []);
        test.close().await;
    }
}

/// Reviews by their words, jobs and services by titles: for whoever may, what is there now, page by page.
#[tokio::test]
async fn staff_find_what_was_written() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, job) = finished(&test).await;
        let text = |text: &str| NewReview { rating: 2, text: text.into() };
        let mine =
            reviews::create(&app.by(&pair.client), job, text("He wanted payments by telegram")).await.unwrap().id;
        reviews::create(&app.by(&pair.worker), job, text("Was late twice")).await.unwrap();
        reviews::reply(&app.by(&pair.worker), mine, reply_with("That was a joke about pigeons")).await.unwrap();
        let support = test.actor(Role::Support).await;
        let found = async |q: &str, filter: ReviewFilter, limit: u16| {
            let filter = ReviewFilter { q: Some(q.into()), ..filter };
            reviews::staff_list(&app.by(&support), &filter, &PageRequest::first(limit)).await
        };
        let ids = async |q: &str| -> Vec<ReviewId> {
            found(q, ReviewFilter::default(), 9).await.unwrap().items.iter().map(|review| review.id).collect()
        };
        for (q, is_found) in [
            ("telegram", true),
            ("\"telegram\"", true),
            ("payment Telegram", true),
            ("pigeon", true),
            ("payment late", false),
            ("whatsapp", false),
        ] {
            assert_eq!(ids(q).await, if is_found { vec![mine] } else { Vec::new() }, "{q}");
        }
        let removed = ReviewFilter { status: Some(ReviewStatus::Removed), ..ReviewFilter::default() };
        assert_eq!(found("telegram", removed, 9).await.unwrap().items, []);
        refused(found("\"and the\"", ReviewFilter::default(), 9).await, ErrorCode::Invalid);
        // In the queue of flags, too.
        reviews::flag(&app.by(&pair.worker), mine, complaint()).await.unwrap();
        let flagged = || ReviewFilter { flagged: true, ..ReviewFilter::default() };
        assert_eq!(found("telegram", flagged(), 9).await.unwrap().items.len(), 1);
        assert_eq!(found("\"late\"", flagged(), 9).await.unwrap().items.len(), 0);

        // Jobs and services, by the title.
        let jobs_of = async |q: &str| {
            let filter = crate::jobs::model::JobFilter { q: Some(q.into()), ..Default::default() };
            let page = jobs::staff_list(&app.by(&support), &filter, &PageRequest::default()).await.unwrap();
            page.items.iter().map(|found| found.id).collect::<Vec<_>>()
        };
        let services_of = async |q: &str| {
            let filter = crate::services::model::ServiceFilter { q: Some(q.into()), ..Default::default() };
            let page = crate::services::staff_list(&app.by(&support), &filter, &PageRequest::default()).await.unwrap();
            page.items.iter().map(|found| found.title.clone()).collect::<Vec<_>>()
        };
        let title = jobs::staff_show(&app.by(&support), job).await.unwrap().job.title;
        let words = format!("\"{title}\"");
        assert_eq!(jobs_of(&words).await, [job]);
        assert_eq!(services_of(&words).await, [title]);
        assert_eq!((jobs_of("\"zeppelin\"").await, services_of("\"zeppelin\"").await), (Vec::new(), Vec::new()));

        // What was there before the index is indexed; what is gone is not found.
        app.db
            .write(|c| {
                async move {
                    q!(c => exec, "DELETE FROM content_terms")?;
                    q!(c => exec, "INSERT INTO unindexed_contents (kind, id) SELECT 'review', id FROM reviews")?;
                    Ok(())
                }
                .boxed()
            })
            .await
            .unwrap();
        assert_eq!(ids("telegram").await, []);
        assert_eq!((reviews::reindex(app).await.unwrap(), reviews::reindex(app).await.unwrap()), (2, 0));
        assert_eq!(ids("telegram").await, [mine]);
        let worker = pair.worker_id();
        app.db.write(move |c| async move { store::erase(c, worker, Timestamp::EPOCH).await }.boxed()).await.unwrap();
        assert_eq!((ids("pigeon").await, ids("telegram").await), (Vec::new(), vec![mine]));
    }
}
