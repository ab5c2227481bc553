use std::{iter, time::Duration};

use futures::TryStreamExt;

use super::*;
use crate::{
    base::{
        error::{ErrorCode, Result},
        ids::PhotoId,
        permission::Role,
        time::{Clock, SystemClock, Timestamp},
    },
    messaging::model::RemovalReason,
    records::mail::Template,
    reports::{
        self,
        model::{NewReport, ReportReason, ReportTarget},
    },
    services::model::{MAX_PHOTOS, PhotoOrder, PhotoSize, PhotoText},
    testing::pictures,
};

async fn refused<T: std::fmt::Debug>(answer: impl Future<Output = Result<T>>, code: ErrorCode) {
    assert_eq!(answer.await.unwrap_err().code(), code);
}

async fn files(test: &TestApp) -> usize {
    while crate::kyc::delete_due_objects(test.app()).await.unwrap() > 0 {}
    test.app().files.list_before(Timestamp::MAX).unwrap().try_collect::<Vec<String>>().await.unwrap().len()
}

#[tokio::test]
async fn photos_are_put_in_order_shown_and_deleted() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, stranger) = (test.approved_worker().await, test.approved_worker().await);
        let draft = create(&app.by(&worker), new("Piano lessons")).await.unwrap();
        let put = async |who: &Actor, place, alt: &str| {
            put_photo(&app.by(who), draft.id, place, alt, pictures::with_everything(&pictures::jpeg(), b"GPS", 6)).await
        };
        refused(put(&stranger, 1, ""), ErrorCode::NotFound).await;
        refused(put(&worker, 2, ""), ErrorCode::NotFound).await;
        refused(put(&worker, 0, ""), ErrorCode::NotFound).await;
        refused(put(&worker, 1, "a\nb"), ErrorCode::Invalid).await;
        let made = put(&worker, 1, " The piano ").await.unwrap();
        let first = made.photos[0].clone();
        assert_eq!((first.alt.as_str(), first.width, first.height, made.version), ("The piano", 200, 300, 2));
        let see = async |viewer: Option<&Actor>, id, size| photo(app, viewer, id, size).await.map(|file| file.bytes);
        let shown = see(Some(&worker), first.id, PhotoSize::Full).await.unwrap();
        assert!(shown.starts_with(&[0xFF, 0xD8]) && !shown.windows(3).any(|window| window == b"GPS"));
        for viewer in [None, Some(&stranger)] {
            refused(see(viewer, first.id, PhotoSize::Thumb), ErrorCode::NotFound).await;
        }
        publish(&app.by(&worker), draft.id).await.unwrap();
        see(None, first.id, PhotoSize::Thumb).await.unwrap();
        let second = put(&worker, 2, "").await.unwrap().photos[1].clone();
        let cards = all(&test, &SearchFilter::default(), 10).await;
        assert_eq!(cards[0].photo.as_ref(), Some(&first));

        let order = |ids: &[(PhotoId, Option<&str>)]| PhotoOrder {
            photos: ids.iter().map(|(id, alt)| PhotoText { id: *id, alt: alt.map(str::to_owned) }).collect(),
        };
        let swapped = order(&[(second.id, Some("The room")), (first.id, None)]);
        let ordered = order_photos(&app.by(&worker), draft.id, swapped.clone()).await.unwrap();
        assert_eq!(
            ordered.photos.iter().map(|photo| photo.alt.as_str()).collect::<Vec<_>>(),
            ["The room", "The piano"]
        );
        let again = order_photos(&app.by(&worker), draft.id, swapped).await.unwrap();
        assert_eq!(again.version, ordered.version, "what changes nothing makes no new version");
        let twice = order(&[(first.id, None), (first.id, None)]);
        refused(order_photos(&app.by(&worker), draft.id, twice), ErrorCode::Invalid).await;
        assert_eq!(get(app, draft.id).await.unwrap().photos, ordered.photos);
        assert_eq!(files(&test).await, 6);

        // One in place of another, one less, and none.
        put(&worker, 1, "").await.unwrap();
        refused(see(None, second.id, PhotoSize::Full), ErrorCode::NotFound).await;
        assert_eq!(files(&test).await, 6);
        delete_photo(&app.by(&worker), draft.id, 1).await.unwrap();
        refused(async { delete_photo(&app.by(&worker), draft.id, 2).await }, ErrorCode::NotFound).await;
        assert_eq!(
            own_one(&app.by(&worker), draft.id).await.unwrap().photos,
            iter::once(first.clone()).collect::<Vec<_>>()
        );
        close(&app.by(&worker), draft.id).await.unwrap();
        refused(see(None, first.id, PhotoSize::Full), ErrorCode::NotFound).await;
        refused(put(&worker, MAX_PHOTOS + 1, ""), ErrorCode::Conflict).await;
        delete(&app.by(&worker), draft.id).await.unwrap();
        assert_eq!(files(&test).await, 0);
        test.close().await;
    }
}

#[tokio::test]
async fn what_was_reported_stays_for_staff_until_the_worker_is_erased() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.approved_worker().await;
        let service = published(&test, &worker, new("Piano")).await.id;
        for place in [1, 2] {
            put_photo(&app.by(&worker), service, place, "", pictures::jpeg()).await.unwrap();
        }
        let photos = get(app, service).await.unwrap().photos;
        let client = test.actor(Role::Client).await;
        let report = NewReport {
            target_kind: ReportTarget::Service,
            target_id: service.0,
            reason: ReportReason::Scam,
            text: String::new(),
        };
        reports::file(&app.by(&client), report).await.unwrap();
        delete_photo(&app.by(&worker), service, 1).await.unwrap();
        let staff = test.actor(Role::Support).await;
        let because = Change { note: Some("stolen".into()), ..Change::default() };
        let remove = async |who: &Actor, photo| {
            staff_remove_photo(&app.by(who).with(because.clone()), service, photo, RemovalReason::Fraud).await
        };
        refused(remove(&client, photos[1].id), ErrorCode::Forbidden).await;
        refused(remove(&staff, photos[0].id), ErrorCode::NotFound).await;
        assert!(remove(&staff, photos[1].id).await.unwrap().item.photos.is_empty());
        let again = remove(&staff, photos[1].id).await.unwrap();
        assert!(!again.changed && again.item.photos.is_empty(), "staff removed it");
        refused(remove(&client, photos[1].id), ErrorCode::Forbidden).await;
        refused(remove(&staff, PhotoId(uuid::Uuid::from_u128(7))), ErrorCode::NotFound).await;
        assert_eq!(test.mails().await.iter().filter(|mail| mail.template == Template::PhotoRemoved).count(), 1);
        let mut page = reports::list(&app.by(&staff), &reports::model::ReportFilter::default(), &PageRequest::first(1))
            .await
            .unwrap();
        let case = reports::show(&app.by(&staff), page.items.remove(0).id).await.unwrap();
        assert_eq!(case.reports[0].content.as_ref().unwrap().photos, photos);
        for one in &photos {
            staff_photo(&app.by(&staff), one.id, PhotoSize::Thumb).await.unwrap();
            refused(photo(app, Some(&worker), one.id, PhotoSize::Full), ErrorCode::NotFound).await;
            refused(staff_photo(&app.by(&client), one.id, PhotoSize::Thumb), ErrorCode::Forbidden).await;
        }
        // The sweep of files that no row knows leaves them; the objects' times are the machine's.
        app.run_due().await.unwrap();
        test.advance(SystemClock.now().since(app.now()) + Duration::from_hours(7));
        app.run_due().await.unwrap();
        assert_eq!(files(&test).await, 6);
        act(&test, id(&worker), UserAction::Delete).await;
        assert_eq!(files(&test).await, 0);
        refused(staff_photo(&app.by(&staff), photos[0].id, PhotoSize::Full), ErrorCode::NotFound).await;
        test.close().await;
    }
}
