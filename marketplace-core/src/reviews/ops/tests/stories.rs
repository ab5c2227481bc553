use super::*;

#[tokio::test]
async fn two_reviews_show_when_both_are_in() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, job) = finished(&test).await;
        let worker = pair.worker_id();
        assert_eq!(reviews::rating(app, worker).await.unwrap(), Rating::default());
        let mine = reviews::create(&app.by(&pair.client), job, stars(2)).await.unwrap();
        assert_eq!((mine.status, mine.side, mine.version), (ReviewStatus::Hidden, Side::Client, 1));
        assert_eq!(mine.editable_until, Some(app.now() + WINDOW));
        let better = UpdateReview { rating: Patch::Set(4), text: Patch::Keep };
        let stale = reviews::edit(&app.by(&pair.client).at_version(Some(7)), mine.id, better.clone()).await;
        refused(stale, ErrorCode::PreconditionFailed);
        let mine = reviews::edit(&app.by(&pair.client).at_version(Some(1)), mine.id, better.clone()).await.unwrap();
        assert_eq!((mine.rating, mine.text.as_deref(), mine.version), (Some(4), Some("2 stars"), 2));
        let again = refused(reviews::create(&app.by(&pair.client), job, stars(1)).await, ErrorCode::Conflict);
        assert_eq!(serde_json::from_value::<ReviewView>(again).unwrap(), mine);

        let theirs = reviews::create(&app.by(&pair.worker), job, stars(5)).await.unwrap();
        assert_eq!((theirs.status, theirs.published_at), (ReviewStatus::Published, Some(app.now())));
        let both = reviews::of_job(&app.by(&pair.client), job).await.unwrap().items;
        assert_eq!(both, reviews::of_job(&app.by(&pair.worker), job).await.unwrap().items);
        assert_eq!(both.iter().map(|review| review.rating).collect::<Vec<_>>(), [Some(4), Some(5)]);
        // Fixed from now on.
        let late = reviews::edit(&app.by(&pair.client), mine.id, better).await;
        let current: ReviewView = serde_json::from_value(refused(late, ErrorCode::Conflict)).unwrap();
        assert_eq!((current.version, current.editable_until), (3, None));

        let shown = public(&test, worker).await;
        assert_eq!((shown.len(), shown[0].rating, shown[0].text.as_str()), (1, 4, "2 stars"));
        assert_eq!(shown[0].author.as_ref().unwrap().id, pair.client_id());
        let rating = reviews::rating(app, worker).await.unwrap();
        assert_eq!((rating.count, rating.average, rating.distribution), (1, Some(4.0), [0, 0, 0, 1, 0]));
        let mut reader = app.db.read().await.unwrap();
        let hint =
            q!(&mut reader.conn() => val i64, "SELECT rating FROM services WHERE worker_id = $1", worker).unwrap();
        drop(reader);
        assert_eq!(hint, 4_000);
        test.close().await;
    }
}

#[tokio::test]
async fn the_window_holds_to_the_microsecond_without_a_timer() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, job) = finished(&test).await;
        let worker = pair.worker_id();
        let mine = reviews::create(&app.by(&pair.client), job, stars(3)).await.unwrap();
        let moment = Duration::from_micros(1);
        test.advance(WINDOW.saturating_sub(moment));
        assert_eq!(public(&test, worker).await, []);
        assert_eq!(reviews::run_due(app).await.unwrap(), 0);
        refused(reviews::get(&app.by(&pair.worker), mine.id).await, ErrorCode::NotFound);
        test.advance(moment);
        // Read in each way before anything ran.
        let seen = reviews::get(&app.by(&pair.worker), mine.id).await.unwrap();
        assert_eq!((seen.status, seen.published_at, seen.version), (ReviewStatus::Published, Some(app.now()), 2));
        let late = reviews::edit(&app.by(&pair.client), mine.id, UpdateReview::default()).await;
        refused(late, ErrorCode::Conflict);
        refused(reviews::create(&app.by(&pair.worker), job, stars(1)).await, ErrorCode::Conflict);
        let hidden = ReviewFilter { status: Some(ReviewStatus::Hidden), ..ReviewFilter::default() };
        let staff = reviews::staff_list(&app.by(&operator()), &hidden, &PageRequest::default()).await.unwrap();
        assert_eq!(staff.items, []);
        assert_eq!(reviews::rating(app, worker).await.unwrap().count, 1);
        assert_eq!(public(&test, worker).await[0].published_at, app.now());
        // What was read stays as it was read.
        assert_eq!(reviews::run_due(app).await.unwrap(), 0);
        assert_eq!(reviews::get(&app.by(&pair.worker), mine.id).await.unwrap(), seen);
        let own = reviews::own(&app.by(&pair.worker), &received(), &PageRequest::default()).await.unwrap();
        assert_eq!(own.items, [seen]);
        test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_timers_each_review_is_counted_once() {
    for test in testing::apps().await {
        let app = test.app();
        let mut all = Vec::new();
        for rating in 1..=5 {
            let (pair, job) = finished(&test).await;
            reviews::create(&app.by(&pair.client), job, stars(rating)).await.unwrap();
            all.push(pair);
        }
        test.advance(WINDOW);
        let done = futures::future::join_all((0..4).map(|_| reviews::run_due(app))).await;
        assert_eq!(done.into_iter().map(Result::unwrap).sum::<u64>(), 5);
        for pair in all {
            let rating = reviews::rating(app, pair.worker_id()).await.unwrap();
            assert_eq!((rating.count, rating), (1, recomputed(&test, pair.worker_id()).await));
        }
        test.close().await;
    }
}

#[tokio::test]
async fn only_the_two_of_a_finalized_job_review_it() {
    for test in testing::apps().await {
        let app = test.app();
        let stranger = test.actor(Role::Client).await;
        for status in JobStatus::ALL {
            let pair = pair(&test).await;
            let job = job_in(&test, &pair, *status).await.id;
            refused(reviews::create(&app.by(&stranger), job, stars(1)).await, ErrorCode::NotFound);
            refused(reviews::of_job(&app.by(&stranger), job).await, ErrorCode::NotFound);
            for actor in [&pair.client, &pair.worker] {
                let answer = reviews::create(&app.by(actor), job, stars(1)).await;
                if *status == JobStatus::Finalized {
                    answer.unwrap();
                } else {
                    let current = refused(answer, ErrorCode::Conflict);
                    assert_eq!(current["status"], status.as_str());
                }
            }
        }
        let (pair, job) = finished(&test).await;
        for bad in [0, 6, -1, i64::MAX] {
            refused(reviews::create(&app.by(&pair.client), job, stars(bad)).await, ErrorCode::Invalid);
        }
        let long = NewReview { rating: 1, text: "x".repeat(2_001) };
        refused(reviews::create(&app.by(&pair.client), job, long).await, ErrorCode::Invalid);
        test.advance(WINDOW);
        refused(reviews::create(&app.by(&pair.client), job, stars(1)).await, ErrorCode::Conflict);
        test.close().await;
    }
}

/// What nobody finalized, time did: reviews can be written from then on, though no timer ran.
#[tokio::test]
async fn a_job_that_time_finalized_is_reviewed() {
    for test in testing::apps().await {
        let pair = pair(&test).await;
        let job = job_in(&test, &pair, JobStatus::Completed).await.id;
        test.advance(jobs::transitions::CONTENT_AFTER);
        reviews::create(&test.app().by(&pair.client), job, stars(5)).await.unwrap();
        test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_posts_at_once_one_review_stays_and_both_sides_show() {
    for test in testing::apps().await {
        let app = test.app();
        for _ in 0..6 {
            let (pair, job) = finished(&test).await;
            let posts = (0..8).map(|n| {
                let actor = if n % 2 == 0 { &pair.client } else { &pair.worker };
                let op = app.by(actor);
                async move { reviews::create(&op, job, stars(n % 5 + 1)).await }
            });
            let answers = futures::future::join_all(posts).await;
            let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            assert_eq!((made.len(), refused.len()), (2, 6));
            assert!(refused.into_iter().all(|answer| answer.unwrap_err().code() == ErrorCode::Conflict));
            let both = reviews::of_job(&app.by(&pair.client), job).await.unwrap().items;
            assert_eq!(both.len(), 2);
            assert!(both.iter().all(|review| review.status == ReviewStatus::Published));
            let rating = reviews::rating(app, pair.worker_id()).await.unwrap();
            assert_eq!((rating.count, rating), (1, recomputed(&test, pair.worker_id()).await));
        }
        test.close().await;
    }
}

#[tokio::test]
async fn one_reply_by_whom_it_is_about_and_one_flag_each() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, job) = finished(&test).await;
        let reader = test.actor(Role::Client).await;
        let mine = reviews::create(&app.by(&pair.client), job, stars(1)).await.unwrap();
        // Hidden: nobody but its author knows of it.
        for actor in [&pair.worker, &reader] {
            refused(reviews::reply(&app.by(actor), mine.id, reply_with("no")).await, ErrorCode::NotFound);
            refused(reviews::flag(&app.by(actor), mine.id, complaint()).await, ErrorCode::NotFound);
            refused(reviews::edit(&app.by(actor), mine.id, UpdateReview::default()).await, ErrorCode::NotFound);
        }
        let theirs = reviews::create(&app.by(&pair.worker), job, stars(5)).await.unwrap();
        refused(reviews::reply(&app.by(&pair.client), mine.id, reply_with("x")).await, ErrorCode::Forbidden);
        refused(reviews::edit(&app.by(&pair.worker), mine.id, UpdateReview::default()).await, ErrorCode::Forbidden);
        refused(reviews::reply(&app.by(&pair.worker), mine.id, reply_with(" ")).await, ErrorCode::Invalid);
        let answered =
            reviews::reply(&app.by(&pair.worker).at_version(Some(2)), mine.id, reply_with("I was ill")).await.unwrap();
        assert_eq!((answered.reply.as_deref(), answered.version), (Some("I was ill"), 3));
        refused(reviews::reply(&app.by(&pair.worker), mine.id, reply_with("again")).await, ErrorCode::Conflict);
        assert_eq!(public(&test, pair.worker_id()).await[0].reply.as_deref(), Some("I was ill"));

        refused(reviews::flag(&app.by(&pair.client), mine.id, complaint()).await, ErrorCode::Forbidden);
        let before = reviews::get(&app.by(&reader), mine.id).await.unwrap();
        reviews::flag(&app.by(&pair.worker), mine.id, complaint()).await.unwrap();
        reviews::flag(&app.by(&reader), mine.id, complaint()).await.unwrap();
        refused(reviews::flag(&app.by(&reader), mine.id, complaint()).await, ErrorCode::Conflict);
        // A flag alone hides nothing, and shows to staff only.
        assert_eq!(reviews::get(&app.by(&reader), mine.id).await.unwrap(), before);
        let shown = reviews::staff_show(&app.by(&operator()), mine.id).await.unwrap();
        assert_eq!((shown.review.flags, shown.flags.len()), (2, 2));
        assert_eq!(shown.counterpart.unwrap().id, theirs.id);
        // Reviews of a client whom nobody can see are for the two alone.
        reviews::get(&app.by(&reader), theirs.id).await.unwrap();
        let freeze =
            crate::users::act(&app.by(&operator()).with(restrict()), pair.client_id(), &UserAction::Freeze).await;
        freeze.unwrap();
        refused(reviews::get(&app.by(&reader), theirs.id).await, ErrorCode::NotFound);
        refused(reviews::flag(&app.by(&reader), theirs.id, complaint()).await, ErrorCode::NotFound);
        assert_eq!(public(&test, pair.worker_id()).await[0].author, None);
        reviews::get(&app.by(&pair.worker), theirs.id).await.unwrap();
        test.close().await;
    }
}

#[tokio::test]
async fn only_workers_whom_everybody_sees_have_public_reviews() {
    for test in testing::apps().await {
        let app = test.app();
        let (pair, job) = finished(&test).await;
        reviews::create(&app.by(&pair.client), job, stars(4)).await.unwrap();
        reviews::create(&app.by(&pair.worker), job, stars(4)).await.unwrap();
        let worker = pair.worker_id();
        for nobody in [pair.client_id(), UserId(uuid::Uuid::nil())] {
            refused(reviews::rating(app, nobody).await, ErrorCode::NotFound);
        }
        for (stop, go) in [(UserAction::Freeze, UserAction::Unfreeze), (UserAction::Ban, UserAction::Unban)] {
            crate::users::act(&app.by(&operator()).with(restrict()), worker, &stop).await.unwrap();
            refused(reviews::rating(app, worker).await, ErrorCode::NotFound);
            refused(reviews::of_worker(app, worker, &PageRequest::default()).await, ErrorCode::NotFound);
            crate::users::act(&app.by(&operator()), worker, &go).await.unwrap();
            assert_eq!(public(&test, worker).await.len(), 1);
        }
        test.advance(Duration::from_secs(86_400 * 4_000));
        refused(reviews::rating(app, worker).await, ErrorCode::NotFound);
        test.close().await;
    }
}

#[tokio::test]
async fn what_shows_outlives_its_author_and_what_is_hidden_does_not() {
    for test in testing::apps().await {
        let app = test.app();
        let (one, shown) = finished(&test).await;
        let second = jobs::ops::tests::thread_of(&test, &one.client, &one.worker).await;
        let again =
            Pair { client: one.client.clone(), worker: one.worker.clone(), service: second.0, thread: second.1 };
        let hidden = job_in(&test, &again, JobStatus::Finalized).await.id;
        let published = reviews::create(&app.by(&one.client), shown, stars(4)).await.unwrap();
        let theirs = reviews::create(&app.by(&one.worker), shown, stars(2)).await.unwrap();
        reviews::reply(&app.by(&one.client), theirs.id, reply_with("I, Ada, disagree")).await.unwrap();
        reviews::flag(&app.by(&one.client), theirs.id, complaint()).await.unwrap();
        let unseen = reviews::create(&app.by(&one.client), hidden, stars(1)).await.unwrap();
        crate::users::delete_me(&app.by(&one.client), &Password::new(testing::PASSWORD)).await.unwrap();

        let public = public(&test, one.worker_id()).await;
        assert_eq!(public.len(), 1);
        assert_eq!(public[0].author.as_ref().unwrap().name, "Deleted user");
        assert_eq!((public[0].id, public[0].text.as_str()), (published.id, "4 stars"));
        refused(reviews::staff_show(&app.by(&operator()), unseen.id).await, ErrorCode::NotFound);
        test.advance(WINDOW);
        assert_eq!(reviews::rating(app, one.worker_id()).await.unwrap().count, 1);
        assert_eq!(reviews::rating(app, one.worker_id()).await.unwrap(), recomputed(&test, one.worker_id()).await);
        let kept = reviews::get(&app.by(&one.worker), theirs.id).await.unwrap();
        assert_eq!((kept.text.as_deref(), &kept.reply), (Some("2 stars"), &None));
        let flags = reviews::staff_show(&app.by(&operator()), theirs.id).await.unwrap().flags;
        assert_eq!((flags.len(), &flags[0].comment), (1, &None));
        test.close().await;
    }
}
