use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use futures::future::join_all;

use super::*;
use crate::{
    accounts::{model::Status, summary::UserSummary},
    platform::files,
    users,
};

/// Names of the objects that are stored.
async fn objects(test: &TestApp) -> Vec<String> {
    use futures::TryStreamExt;
    test.app().files.list_before(Timestamp::MAX).unwrap().try_collect().await.unwrap()
}

#[tokio::test]
async fn a_submission_waits_in_the_queue_and_its_files_come_back() {
    for test in testing::apps().await {
        let app = test.app();
        let worker = test.actor(Role::Worker).await;
        let before = kyc::own(&app.by(&worker)).await.unwrap();
        assert_eq!((before.status, before.may_submit, before.attempts.len()), (KycStatus::None, true, 0));

        let jpeg = {
            let mut bytes = Cursor::new(Vec::new());
            image::RgbImage::new(300, 240).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
            bytes.into_inner()
        };
        let mut polyglot = jpeg.clone();
        polyglot.extend(b"PK\x03\x04 an archive behind the picture");
        let handed_in =
            Submission { document_type: DocumentType::NationalId, document: polyglot, selfie: PHOTO.clone() };
        let own = kyc::submit(&app.by(&worker), handed_in).await.unwrap();
        assert_eq!((own.status, own.may_submit, own.attempts[0].number), (KycStatus::Pending, false, 1));

        let id = own.attempts[0].id;
        let case = kyc::show(&app.by(&operator()), id).await.unwrap();
        assert_eq!(case.attempt.status, KycStatus::Pending);
        assert_eq!(case.attempt.document_type, DocumentType::NationalId);
        assert!(case.attempt.name.contains('•') && case.user.email.contains('•'));
        let shown: Vec<_> = case.files.iter().map(|file| (file.kind, file.media_type.as_str(), file.width)).collect();
        assert_eq!(shown, [(FileKind::Document, "image/jpeg", Some(300)), (FileKind::Selfie, "image/png", Some(220))]);
        let document = kyc::file(&app.by(&operator()), id, FileKind::Document).await.unwrap();
        assert_eq!((document.media_type.as_str(), &document.bytes[..]), ("image/jpeg", &jpeg[..]));
        let selfie = kyc::file(&app.by(&operator()), id, FileKind::Selfie).await.unwrap();
        assert_eq!(selfie.bytes[..], PHOTO[..]);
        assert_eq!(actions(&test, id).await, ["kyc.view", "kyc.view"]);

        // What lies in the store is not what was handed in.
        for key in objects(&test).await {
            let stored = app.files.get(&key).await.unwrap();
            assert!(!stored.windows(16).any(|part| part == &jpeg[..16] || part == &PHOTO[..16]));
        }
        test.close().await;
    }
}

#[tokio::test]
async fn who_may_submit_and_when() {
    for test in testing::apps().await {
        let app = test.app();
        for role in [Role::Client, Role::Support, Role::Admin, Role::Auditor] {
            let actor = test.actor(role).await;
            refused(kyc::submit(&app.by(&actor), submission()).await, ErrorCode::Forbidden);
            refused(kyc::own(&app.by(&actor)).await, ErrorCode::Forbidden);
        }
        refused(kyc::submit(&app.by(&operator()), submission()).await, ErrorCode::Forbidden);
        let frozen = test.user(Role::Worker, Status::Frozen).await;
        let frozen = test.log_in(frozen).await.0;
        refused(kyc::submit(&app.by(&frozen), submission()).await, ErrorCode::Forbidden);
        assert!(!kyc::own(&app.by(&frozen)).await.unwrap().may_submit);
        assert!(objects(&test).await.is_empty());

        let (worker, first) = waiting(&test).await;
        let state = refused(kyc::submit(&app.by(&worker), submission()).await, ErrorCode::Conflict);
        assert_eq!(state["status"], "pending");
        assert_eq!(objects(&test).await.len(), 2, "a refused submission leaves no files");

        decide(&test, &operator(), first, DecisionKind::Retry).await.unwrap();
        // Not before the decision can no longer be undone.
        let state = refused(kyc::submit(&app.by(&worker), submission()).await, ErrorCode::Conflict);
        assert_eq!(state["status"], "pending");
        test.advance(UNDO);
        let own = kyc::submit(&app.by(&worker), submission()).await.unwrap();
        let numbers: Vec<_> = own.attempts.iter().map(|attempt| (attempt.number, attempt.status)).collect();
        assert_eq!(numbers, [(2, KycStatus::Pending), (1, KycStatus::Retry)]);

        decide(&test, &operator(), own.attempts[0].id, DecisionKind::Reject).await.unwrap();
        test.advance(UNDO);
        let state = refused(kyc::submit(&app.by(&worker), submission()).await, ErrorCode::Conflict);
        assert_eq!(state["status"], "rejected");
        assert_eq!(kyc::show(&app.by(&operator()), first).await.unwrap().others.len(), 1);
        test.close().await;
    }
}

#[tokio::test]
async fn bad_files_change_nothing() {
    for test in testing::apps().await {
        let worker = test.actor(Role::Worker).await;
        let cases: [(Vec<u8>, Vec<u8>, ErrorCode, &str); 4] = [
            (b"%PDF-1.7 junk".to_vec(), PHOTO.clone(), ErrorCode::Invalid, "/document"),
            (PHOTO.clone(), PHOTO[..PHOTO.len() / 2].to_vec(), ErrorCode::Invalid, "/selfie"),
            (PHOTO.clone(), b"GIF89a".to_vec(), ErrorCode::UnsupportedMedia, "/selfie"),
            (vec![0; 10 * 1024 * 1024 + 1], PHOTO.clone(), ErrorCode::TooLarge, "/document"),
        ];
        for (document, selfie, code, pointer) in cases {
            let handed_in = Submission { document_type: DocumentType::Passport, document, selfie };
            let error = kyc::submit(&test.app().by(&worker), handed_in).await.unwrap_err();
            assert_eq!((error.code(), error.fields()[0].pointer.as_str()), (code, pointer));
        }
        assert_eq!(kyc::own(&test.app().by(&worker)).await.unwrap().attempts.len(), 0);
        assert!(objects(&test).await.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn of_two_submissions_at_once_one_wins() {
    for test in testing::apps().await {
        let worker = test.actor(Role::Worker).await;
        let won = AtomicUsize::new(0);
        join_all((0..4).map(|_| async {
            match kyc::submit(&test.app().by(&worker), submission()).await {
                Ok(_) => drop(won.fetch_add(1, Ordering::SeqCst)),
                Err(error) => assert_eq!(error.code(), ErrorCode::Conflict, "{error:?}"),
            }
        }))
        .await;
        assert_eq!(won.into_inner(), 1);
        assert_eq!(kyc::own(&test.app().by(&worker)).await.unwrap().attempts.len(), 1);
        // What the others had put goes while their callers go on.
        for _ in 0..100 {
            if objects(&test).await.len() == 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(objects(&test).await.len(), 2);
        test.close().await;
    }
}

#[tokio::test]
async fn files_that_were_swapped_do_not_open() {
    for test in testing::apps().await {
        let app = test.app();
        let (_, one) = waiting(&test).await;
        let (_, two) = waiting(&test).await;
        let mut reader = app.db.read().await.unwrap();
        let stored =
            async |conn: &mut Conn<'_>, id| store::stored_file(conn, id, FileKind::Document).await.unwrap().unwrap();
        let (a, b) = (stored(&mut reader.conn(), one).await, stored(&mut reader.conn(), two).await);
        drop(reader);
        // In the database.
        for (id, key) in [(one, b.object_key.clone()), (two, a.object_key.clone())] {
            app.db
                .write(move |conn| {
                    Box::pin(async move {
                        q!(conn => exec, "UPDATE kyc_files SET object_key = $2 WHERE attempt_id = $1 AND kind = 'document'", id, key)?;
                        Ok(())
                    })
                })
                .await
                .unwrap();
            let error = kyc::file(&app.by(&operator()), id, FileKind::Document).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Internal);
            assert!(error.internal_text().unwrap().contains(&id.to_string()));
        }
        // With its key, too: that one is bound to its attempt as well.
        let key = b.wrapped_key.unwrap();
        assert!(files::unwrap_key(app.keys.master(), two, &key).is_ok());
        assert!(files::unwrap_key(app.keys.master(), one, &key).is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn submissions_wait_their_turn_and_a_crowd_hears_busy() {
    let all = testing::apps_with(|config| config.limits.uploads = 1).await;
    for test in all {
        let app = test.app();
        let (crowd, other) = (test.actor(Role::Worker).await, test.actor(Role::Worker).await);
        let held = kyc::submit_permit(&app.by(&crowd)).await.unwrap();
        let mut waiting = Vec::new();
        loop {
            let mut one = Box::pin(async { kyc::submit_permit(&app.by(&crowd)).await });
            match futures::poll!(&mut one) {
                Poll::Pending => waiting.push(one),
                Poll::Ready(full) => break drop(refused(full, ErrorCode::Busy)),
            }
        }
        let mut others = Box::pin(async { kyc::submit_permit(&app.by(&other)).await });
        assert!(futures::poll!(&mut others).is_pending());
        drop(held);
        let first = waiting.remove(0).await.unwrap();
        assert!(futures::poll!(&mut waiting[0]).is_pending());
        // Accounts take turns.
        drop(first);
        others.await.unwrap();
        drop(waiting);
        test.close().await;
    }
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_that_can_be_read() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, decided) = waiting(&test).await;
        let user = worker.user_id().unwrap();
        let retry = Decision { comment: Some("Ada, please".into()), ..decision(DecisionKind::Retry, None) };
        let change = Change { note: Some("lives in Rome".into()), ..Change::default() };
        kyc::decide(&app.by(&operator()).with(change.clone()), decided, &retry).await.unwrap();
        test.advance(UNDO);
        let open = kyc::submit(&app.by(&worker), submission()).await.unwrap().attempts[0].id;
        assert_eq!(objects(&test).await.len(), 4);

        let change = Change { reason: Some(crate::base::change::RestrictionReason::UserRequest), ..Change::default() };
        users::act(&app.by(&operator()).with(change.clone()), user, &accounts::model::UserAction::Delete)
            .await
            .unwrap();
        // What nobody decided is gone; a decision stays, without what was written about the person.
        refused(kyc::show(&app.by(&operator()), open).await, ErrorCode::NotFound);
        let case = kyc::show(&app.by(&operator()), decided).await.unwrap();
        let made = case.decision.unwrap();
        assert_eq!((made.status, made.comment, made.note), (KycStatus::Retry, None, None));
        let UserSummary { name, kyc_status, .. } = case.user;
        assert_eq!((name.as_str(), kyc_status), ("Deleted user", KycStatus::None));
        refused(kyc::file(&app.by(&operator()), decided, FileKind::Selfie).await, ErrorCode::NotFound);
        assert!(kyc::next(&app.by(&operator())).await.unwrap().is_none());

        // Without a server the operator's own program has swept.
        assert!(objects(&test).await.is_empty());
        test.close().await;
    }
}
