//! Stories of profiles, on both engines.

use futures::{FutureExt, StreamExt};

use super::{
    model::{PictureSize, UpdateClientProfile, UpdateWorkerProfile},
    picture::tests::photo,
    *,
};
use crate::{
    accounts::model::{Status, UserAction},
    actor::Actor,
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        ids::UserId,
        page::PageRequest,
        patch::Patch,
        permission::Role,
    },
    maintenance,
    testing::{self, OPERATOR, TestApp},
    timers::Timer,
    users,
};

async fn act(test: &TestApp, id: UserId, action: UserAction) {
    let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
    users::act(&test.app().by(&OPERATOR).with(change.clone()), id, &action).await.unwrap();
}

fn id(actor: &Actor) -> UserId {
    actor.user_id().unwrap()
}

#[tokio::test]
async fn a_fresh_person_has_a_public_page_without_any_row() {
    for test in testing::apps().await {
        let app = test.app();
        let client = test.actor(Role::Client).await;
        assert_eq!(public_client(app, id(&client)).await.unwrap().about, "");
        let worker = test.approved_worker().await;
        let page = public_worker(app, id(&worker)).await.unwrap();
        assert!(page.available && page.rating.count == 0 && page.picture.is_none());
        assert_eq!(super::worker(&app.by(&worker)).await.unwrap().version, 0);
        // Neither is the other, and who is not approved or not active has none.
        assert_eq!(public_client(app, id(&worker)).await.unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(public_worker(app, id(&client)).await.unwrap_err().code(), ErrorCode::NotFound);
        let unapproved = test.actor(Role::Worker).await;
        assert_eq!(public_worker(app, id(&unapproved)).await.unwrap_err().code(), ErrorCode::NotFound);
        for (action, back) in [(UserAction::Freeze, UserAction::Unfreeze), (UserAction::Ban, UserAction::Unban)] {
            act(&test, id(&worker), action).await;
            assert_eq!(public_worker(app, id(&worker)).await.unwrap_err().code(), ErrorCode::NotFound);
            act(&test, id(&worker), back).await;
            assert!(public_worker(app, id(&worker)).await.is_ok());
        }
        test.advance(std::time::Duration::from_hours(366 * 24));
        assert_eq!(public_worker(app, id(&worker)).await.unwrap_err().code(), ErrorCode::NotFound);
        test.close().await;
    }
}

#[tokio::test]
async fn changes_are_versioned_and_shown() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let update = |text: &str| serde_json::from_str::<UpdateWorkerProfile>(text).unwrap();
        let made = update(
            r#"{"headline": "Pianos", "latitude": 48.85, "longitude": 2.35, "skills": ["tuning"], "languages": ["fr"],
                "hourly_rate": {"amount": 5500, "currency": "EUR"}, "away_until": "2026-04-01T00:00:00Z"}"#,
        );
        let profile = update_worker(&app.by(&worker).at_version(Some(0)), made).await.unwrap();
        assert_eq!((profile.version, profile.headline.as_str()), (1, "Pianos"));
        let stale = update_worker(&app.by(&worker).at_version(Some(0)), update(r#"{"about": "x"}"#)).await.unwrap_err();
        assert_eq!(stale.code(), ErrorCode::PreconditionFailed);
        let again = update_worker(&app.by(&worker).at_version(Some(1)), update(r#"{"about": "x"}"#)).await.unwrap();
        assert_eq!((again.version, again.headline.as_str(), again.skills.len()), (2, "Pianos", 1));
        assert_eq!(super::worker(&app.by(&worker)).await.unwrap(), again);
        assert_eq!(
            update_worker(&app.by(&worker), update("{}")).await.unwrap(),
            again,
            "an empty update changes nothing"
        );
        let page = public_worker(app, id(&worker)).await.unwrap();
        assert!(!page.available && page.away_until.is_some());
        test.advance(std::time::Duration::from_hours(24 * 40));
        let page = public_worker(app, id(&worker)).await.unwrap();
        assert!(page.available && page.away_until.is_none());
        // A profile is its role's.
        let update = UpdateClientProfile { about: Patch::Set("x".into()), ..UpdateClientProfile::default() };
        assert_eq!(update_client(&app.by(&worker), update).await.unwrap_err().code(), ErrorCode::Forbidden);
        test.close().await;
    }
}

#[tokio::test]
async fn pictures_are_replaced_and_vanish_with_their_owner() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let first = set_picture(&app.by(&worker), photo()).await.unwrap();
        assert_eq!((first.width, first.height), (300, 400));
        let full = picture(app, None, first.id, PictureSize::Full).await.unwrap();
        assert_eq!(full.media_type, "image/jpeg");
        assert!(!full.bytes.windows(3).any(|window| window == b"GPS"));
        assert_eq!(public_worker(app, id(&worker)).await.unwrap().picture, Some(first));
        let second = set_picture(&app.by(&worker), photo()).await.unwrap();
        assert_ne!(first.id, second.id);
        let gone = async |id| picture(app, None, id, PictureSize::Thumb).await.unwrap_err().code();
        assert_eq!(gone(first.id).await, ErrorCode::NotFound);
        // Two files wait to be deleted, and two stay.
        assert_eq!(maintenance::run(app, Timer::FileDeletions).await.unwrap(), 2);
        assert!(picture(app, None, second.id, PictureSize::Thumb).await.is_ok());
        act(&test, id(&worker), UserAction::Freeze).await;
        assert_eq!(gone(second.id).await, ErrorCode::NotFound);
        let (same, _) = test.log_in(id(&worker)).await;
        assert!(picture(app, Some(&same), second.id, PictureSize::Full).await.is_ok());
        act(&test, id(&worker), UserAction::Unfreeze).await;
        assert!(picture(app, None, second.id, PictureSize::Full).await.is_ok());
        remove_picture(&app.by(&worker)).await.unwrap();
        remove_picture(&app.by(&worker)).await.unwrap();
        assert_eq!(gone(second.id).await, ErrorCode::NotFound);
        assert_eq!(public_worker(app, id(&worker)).await.unwrap().picture, None);
        let refused = set_picture(&app.by(&worker), b"GIF89a".to_vec()).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::UnsupportedMedia);
        test.close().await;
    }
}

#[tokio::test]
async fn pictures_lie_encrypted_and_those_from_before_come_to_it() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let own = set_picture(&app.by(&worker), photo()).await.unwrap();
        let seen = async |size| picture(app, None, own.id, size).await.unwrap().bytes;
        let keys = async || {
            let mut reader = app.db.read().await.unwrap();
            q!(&mut reader.conn() => one (String, String), "SELECT full_key, thumb_key FROM pictures").unwrap()
        };
        let in_clear = async |key: &str| infer::get(&app.files.get(key).await.unwrap()).is_some();
        let (full, thumb) = keys().await;
        assert!(!in_clear(&full).await && !in_clear(&thumb).await);

        // As the release before stored them.
        let plain = [seen(PictureSize::Full).await, seen(PictureSize::Thumb).await];
        let before = ["pictures/aa/full".to_owned(), "pictures/aa/thumb".to_owned()];
        for (key, bytes) in before.iter().zip(&plain) {
            app.files.put_as(key, bytes.to_vec()).await.unwrap();
        }
        let [full, thumb] = before.clone();
        let unit = app.db.write(move |conn| {
            Box::pin(async move {
                q!(conn => exec, "UPDATE pictures SET full_key = $1, thumb_key = $2, wrapped_key = NULL", full, thumb)?;
                Ok(())
            })
        });
        unit.await.unwrap();
        assert_eq!(seen(PictureSize::Thumb).await, plain[1]);
        app.run_due().await.unwrap();
        app.run_due().await.unwrap();
        let (full, thumb) = keys().await;
        assert!(!in_clear(&full).await && !in_clear(&thumb).await);
        assert_eq!([seen(PictureSize::Full).await, seen(PictureSize::Thumb).await], plain);
        for key in &before {
            assert!(app.files.get(key).await.is_err(), "what lay in the clear is gone");
        }
        test.close().await;
    }
}

#[tokio::test]
async fn favourites_and_blocks() {
    for test in testing::apps().await {
        let app = test.app();
        let client = test.actor(Role::Client).await;
        let mut workers = Vec::new();
        for _ in 0..3 {
            let worker = test.approved_worker().await;
            favorite(&app.by(&client), id(&worker), true).await.unwrap();
            favorite(&app.by(&client), id(&worker), true).await.unwrap();
            test.advance(std::time::Duration::from_secs(1));
            workers.push(id(&worker));
        }
        let mut seen = Vec::new();
        let mut request = PageRequest::first(1);
        loop {
            let page = favorites(&app.by(&client), &request).await.unwrap();
            seen.extend(page.items.into_iter().map(|worker| worker.id));
            let Some(next) = page.next else { break };
            request.after = Some(next);
        }
        assert_eq!(seen, workers.iter().rev().copied().collect::<Vec<_>>());
        act(&test, workers[0], UserAction::Ban).await;
        assert_eq!(favorites(&app.by(&client), &PageRequest::first(10)).await.unwrap().items.len(), 2);
        assert_eq!(favorite(&app.by(&client), workers[0], true).await.unwrap_err().code(), ErrorCode::NotFound);
        favorite(&app.by(&client), workers[1], false).await.unwrap();
        assert_eq!(favorites(&app.by(&client), &PageRequest::first(10)).await.unwrap().items.len(), 1);

        let blocked = async |a, b| blocked_between(&mut app.db.read().await.unwrap().conn(), a, b).await.unwrap();
        block(&app.by(&client), workers[2], true).await.unwrap();
        assert!(blocked(workers[2], id(&client)).await && blocked(id(&client), workers[2]).await);
        assert!(!blocked(workers[1], id(&client)).await);
        assert_eq!(blocks(&app.by(&client), &PageRequest::first(10)).await.unwrap().items[0].id, workers[2]);
        block(&app.by(&client), workers[2], false).await.unwrap();
        assert!(!blocked(workers[2], id(&client)).await);
        assert_eq!(block(&app.by(&client), id(&client), true).await.unwrap_err().code(), ErrorCode::Forbidden);
        let staff = test.user(Role::Support, Status::Active).await;
        assert_eq!(block(&app.by(&client), staff, true).await.unwrap_err().code(), ErrorCode::NotFound);
        test.close().await;
    }
}

#[tokio::test]
async fn erasure_takes_all_of_it() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, client) = (test.approved_worker().await, test.actor(Role::Client).await);
        set_picture(&app.by(&worker), photo()).await.unwrap();
        favorite(&app.by(&client), id(&worker), true).await.unwrap();
        block(&app.by(&client), id(&worker), true).await.unwrap();
        act(&test, id(&worker), UserAction::Delete).await;
        let left = app
            .db
            .write(|conn| {
                async move {
                    Ok(q!(conn => val i64,
                        "SELECT CAST((SELECT count(*) FROM worker_profiles) + (SELECT count(*) FROM pictures) + \
                         (SELECT count(*) FROM favorites) + (SELECT count(*) FROM blocks) AS BIGINT)")?)
                }
                .boxed()
            })
            .await
            .unwrap();
        assert_eq!(left, 0);
        // The operator's deletion sweeps at once: no picture is left, and nothing to do.
        let mut files = app.files.list_before(crate::base::time::Timestamp::MAX).unwrap();
        assert!(files.next().await.is_none());
        assert_eq!(maintenance::run(app, Timer::FileDeletions).await.unwrap(), 0);
        test.close().await;
    }
}
