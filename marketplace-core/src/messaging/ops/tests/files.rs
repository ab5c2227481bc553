//! Files of messages.

use std::time::Duration;

use super::*;
use crate::{
    base::error::ErrorCode,
    messaging::model::{Attachment, MessagesQuery, RemovalReason},
    testing::{self, pictures},
};

/// A picture of 300 × 200 pixels.
fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(300, 200).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn upload(test: &TestApp, actor: &Actor, thread: ThreadId) -> Attachment {
    messaging::attach(&test.app().by(actor), thread, png()).await.unwrap()
}

#[tokio::test]
async fn files_belong_to_one_message_of_their_uploader_in_their_thread() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let file = upload(&test, &pair.client, thread).await;
        assert_eq!((file.media_type.as_str(), file.width, file.height), ("image/png", Some(300), Some(200)));
        // Until it is sent it is nobody else's.
        let see = async |actor: &Actor| messaging::attachment(&app.by(actor), thread, file.id).await;
        assert_eq!(see(&pair.worker).await.unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(see(&pair.client).await.unwrap().bytes, png());
        let stolen = messaging::send(&app.by(&pair.worker), thread, with_files("1", vec![file.id])).await.unwrap_err();
        assert_eq!(stolen.code(), ErrorCode::Conflict);
        let sent = messaging::send(&app.by(&pair.client), thread, with_files("1", vec![file.id])).await.unwrap();
        assert_eq!((sent.content.as_str(), sent.attachments.as_slice()), ("", &[file.clone()][..]));
        // Again is the same message; in another message it is refused, and no number is lost.
        assert_eq!(messaging::send(&app.by(&pair.client), thread, with_files("1", vec![file.id])).await.unwrap(), sent);
        let twice = messaging::send(&app.by(&pair.client), thread, with_files("2", vec![file.id])).await.unwrap_err();
        assert_eq!(twice.code(), ErrorCode::Conflict);
        assert_eq!(messaging::send(&app.by(&pair.client), thread, text("3", "next")).await.unwrap().seq, 2);
        assert_eq!(see(&pair.worker).await.unwrap().media_type, "image/png");
        let stranger = test.actor(Role::Client).await;
        assert_eq!(see(&stranger).await.unwrap_err().code(), ErrorCode::NotFound);
        // In the page and in the preview.
        let page = messaging::messages(&app.by(&pair.worker), thread, &MessagesQuery::default()).await.unwrap();
        assert_eq!(page.items[0].attachments, std::slice::from_ref(&file));
        // Another thread does not know it.
        let other = Pair { service: service(&test, &pair.worker).await, ..pair };
        let elsewhere = other.open(&test).await.id;
        let found = messaging::attachment(&app.by(&other.client), elsewhere, file.id).await;
        assert_eq!(found.unwrap_err().code(), ErrorCode::NotFound);
        // With its message it goes from the two's view.
        let operator = testing::operator();
        let change = crate::base::change::Change::default();
        messaging::staff_remove(&app.by(&operator).with(change.clone()), sent.id, RemovalReason::Spam).await.unwrap();
        let gone = messaging::attachment(&app.by(&other.client), thread, file.id).await;
        assert_eq!(gone.unwrap_err().code(), ErrorCode::NotFound);
        test.close().await;
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused_with_its_field() {
    let test = testing::app().await;
    let (app, pair) = (test.app(), Pair::new(&test).await);
    let thread = pair.open(&test).await.id;
    for (bytes, code) in [
        (Vec::new(), ErrorCode::Invalid),
        (b"plain text".to_vec(), ErrorCode::UnsupportedMedia),
        (vec![0; 11 * 1024 * 1024], ErrorCode::TooLarge),
    ] {
        let refused = messaging::attach(&app.by(&pair.client), thread, bytes).await.unwrap_err();
        assert_eq!((refused.code(), refused.fields()[0].pointer.as_str()), (code, "/file"));
        assert!(refused.detail().starts_with("the file"), "{refused}");
    }
    let stranger = test.actor(Role::Client).await;
    let refused = messaging::attach(&app.by(&stranger), thread, png()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NotFound);
    test.close().await;
}

#[tokio::test]
async fn files_that_no_message_carries_go_after_a_day_and_with_their_uploader() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let (kept, loose) = (upload(&test, &pair.client, thread).await, upload(&test, &pair.client, thread).await);
        messaging::send(&app.by(&pair.client), thread, with_files("1", vec![kept.id])).await.unwrap();
        test.advance(Duration::from_hours(23));
        app.run_due().await.unwrap();
        assert!(messaging::attachment(&app.by(&pair.client), thread, loose.id).await.is_ok());
        test.advance(Duration::from_hours(2));
        // The row goes, then the object.
        app.run_due().await.unwrap();
        let gone = messaging::attachment(&app.by(&pair.client), thread, loose.id).await.unwrap_err();
        assert_eq!(gone.code(), ErrorCode::NotFound);
        let own = upload(&test, &pair.client, thread).await;
        let change = crate::base::change::Change {
            reason: Some(crate::base::change::RestrictionReason::Other),
            ..crate::base::change::Change::default()
        };
        let delete = crate::accounts::model::UserAction::Delete;
        let client = pair.client.user_id().unwrap();
        crate::users::act(&app.by(&testing::operator()).with(change.clone()), client, &delete).await.unwrap();
        app.run_due().await.unwrap();
        app.run_due().await.unwrap();
        // What they sent goes with them; that they sent it stays, by nobody who can be named.
        for file in [kept.id, own.id] {
            let gone = messaging::attachment(&app.by(&pair.worker), thread, file).await.unwrap_err();
            assert_eq!(gone.code(), ErrorCode::NotFound);
        }
        let mut reader = app.db.read().await.unwrap();
        let left = q!(&mut reader.conn() => val i64,
            "SELECT (SELECT CAST(count(*) AS BIGINT) FROM attachments) + (SELECT CAST(count(*) AS BIGINT) FROM file_deletions)");
        assert_eq!(left.unwrap(), 0);
        drop(reader);
        let page = messaging::messages(&app.by(&pair.worker), thread, &MessagesQuery::default()).await.unwrap();
        assert_eq!(page.items[0].sender_name.as_deref(), Some("Deleted user"));
        assert!(page.items[0].removed && page.items[0].content.is_empty() && page.items[0].attachments.is_empty());
        assert_eq!(messaging::get(&app.by(&pair.worker), thread).await.unwrap().counterpart.name, "Deleted user");
        test.close().await;
    }
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

async fn object_keys(test: &TestApp) -> Vec<String> {
    let mut reader = test.app().db.read().await.unwrap();
    q!(&mut reader.conn() => vals String, "SELECT object_key FROM attachments ORDER BY id").unwrap()
}

/// As the release before stored a file: in the clear, with all that is told about it.
async fn stored_before(test: &TestApp, id: AttachmentId, bytes: &[u8]) -> String {
    let app = test.app();
    let key = crate::platform::files::new_key("attachments", app.random.as_ref());
    app.files.put_as(&key, bytes.to_vec()).await.unwrap();
    let (row, size) = (key.clone(), i64::try_from(bytes.len()).unwrap());
    let unit = app.db.write(move |conn| {
        Box::pin(async move {
            q!(conn => exec,
                "UPDATE attachments SET object_key = $2, wrapped_key = NULL, size = $3, width = 300, height = 200 WHERE id = $1",
                id, row, size)?;
            Ok(())
        })
    });
    unit.await.unwrap();
    key
}

#[tokio::test]
async fn files_lie_encrypted_and_do_not_tell_where_they_were_taken() {
    const PLACE: &[u8] = b"48.8566N 2.3522E";
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let mut sent = Vec::new();
        for plain in [pictures::jpeg(), pictures::png(), pictures::webp()] {
            let told = pictures::with_everything(&plain, PLACE, 6);
            let file = messaging::attach(&app.by(&pair.client), thread, told).await.unwrap();
            assert_eq!((file.width, file.height), (Some(200), Some(300)), "it stands upright");
            sent.push(file);
        }
        let pdf = messaging::attach(&app.by(&pair.client), thread, pictures::pdf()).await.unwrap();
        let ids = sent.iter().map(|file| file.id).chain([pdf.id]).collect();
        messaging::send(&app.by(&pair.client), thread, with_files("1", ids)).await.unwrap();
        for file in sent.iter().chain([&pdf]) {
            let seen = messaging::attachment(&app.by(&pair.worker), thread, file.id).await.unwrap();
            assert_eq!((&seen.media_type, seen.bytes.len()), (&file.media_type, usize::try_from(file.size).unwrap()));
            assert!(!has(&seen.bytes, PLACE) && !has(&seen.bytes, b"Exif"));
        }
        for key in object_keys(&test).await {
            let lies = app.files.get(&key).await.unwrap();
            assert!(
                infer::get(&lies).is_none() && !has(&lies, b"%PDF") && !has(&lies, b"IHDR"),
                "{key} lies in the clear"
            );
        }
        test.close().await;
    }
}

#[tokio::test]
async fn files_from_before_are_sealed_and_read_meanwhile() {
    const PLACE: &[u8] = b"48.8566N 2.3522E";
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(upload(&test, &pair.client, thread).await.id);
        }
        ids.sort_unstable();
        messaging::send(&app.by(&pair.client), thread, with_files("1", ids.clone())).await.unwrap();
        let photo = pictures::with_everything(&pictures::jpeg(), PLACE, 6);
        let mut before = Vec::new();
        for id in &ids {
            before.push(stored_before(&test, *id, &photo).await);
        }
        // One is lost; the others do not wait for it.
        app.files.delete(&before[0]).await.unwrap();
        let see = async |id| messaging::attachment(&app.by(&pair.worker), thread, id).await;
        assert_eq!(see(ids[2]).await.unwrap().bytes, photo);

        app.run_due().await.unwrap();
        app.run_due().await.unwrap();
        assert!(see(ids[0]).await.is_err());
        let page = messaging::messages(&app.by(&pair.worker), thread, &MessagesQuery::default()).await.unwrap();
        for id in &ids[1..] {
            let seen = see(*id).await.unwrap();
            assert!(!has(&seen.bytes, PLACE));
            // Its message says what it is now.
            let file = page.items[0].attachments.iter().find(|file| file.id == *id).unwrap();
            assert_eq!((file.width, file.height), (Some(200), Some(300)));
            assert_eq!(usize::try_from(file.size).unwrap(), seen.bytes.len());
        }
        let now = object_keys(&test).await;
        for key in &before[1..] {
            assert!(app.files.get(key).await.is_err(), "what lay in the clear is gone");
            assert!(!now.contains(key));
        }
        for key in &now[1..] {
            assert!(infer::get(&app.files.get(key).await.unwrap()).is_none());
        }
        // The lost one comes back from a backup, and is sealed in a later round.
        app.files.put_as(&before[0], photo.clone()).await.unwrap();
        app.run_due().await.unwrap();
        test.advance(Duration::from_hours(1));
        app.run_due().await.unwrap();
        app.run_due().await.unwrap();
        assert!(!object_keys(&test).await.contains(&before[0]));
        assert!(!has(&see(ids[0]).await.unwrap().bytes, PLACE));
        test.close().await;
    }
}

#[tokio::test]
async fn a_sealed_file_opens_nowhere_else() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let (one, other) = (upload(&test, &pair.client, thread).await, upload(&test, &pair.client, thread).await);
        // Whoever has the database exchanges them, with their keys.
        let unit = app.db.write(move |conn| {
            Box::pin(async move {
                q!(conn => exec,
                    "UPDATE attachments SET object_key = (SELECT o.object_key FROM attachments o WHERE o.id = $2), \
                     wrapped_key = (SELECT o.wrapped_key FROM attachments o WHERE o.id = $2) WHERE id = $1", one.id, other.id)?;
                Ok(())
            })
        });
        unit.await.unwrap();
        let refused = messaging::attachment(&app.by(&pair.client), thread, one.id).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Internal);
        assert!(messaging::attachment(&app.by(&pair.client), thread, other.id).await.is_ok());
        test.close().await;
    }
}
