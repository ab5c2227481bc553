//! Files of messages.

use std::time::Duration;

use super::*;
use crate::{
    base::error::ErrorCode,
    messaging::{
        AddressQuery, AttachmentSize,
        model::{Attachment, MessagesQuery, RemovalReason},
    },
    testing::{self, pictures},
};

/// A picture of 300 × 200 pixels.
fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(300, 200).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn upload(test: &TestApp, actor: &Actor, thread: ThreadId) -> Attachment {
    messaging::attach(&test.app().by(actor), thread, png(), None).await.unwrap()
}

#[tokio::test]
async fn files_belong_to_one_message_of_their_uploader_in_their_thread() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let file = upload(&test, &pair.client, thread).await;
        assert_eq!((file.media_type.as_str(), file.width, file.height), ("image/png", Some(300), Some(200)));
        // Until it is sent it is nobody else's.
        let see =
            async |actor: &Actor| messaging::attachment(&app.by(actor), thread, file.id, AttachmentSize::Full).await;
        assert_eq!(see(&pair.worker).await.unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(see(&pair.client).await.unwrap().content.bytes, png());
        let stolen = messaging::send(&app.by(&pair.worker), thread, with_files("1", vec![file.id])).await.unwrap_err();
        assert_eq!(stolen.code(), ErrorCode::Conflict);
        let sent = messaging::send(&app.by(&pair.client), thread, with_files("1", vec![file.id])).await.unwrap();
        assert_eq!((sent.content.as_str(), sent.attachments.as_slice()), ("", &[file.clone()][..]));
        // Again is the same message; in another message it is refused, and no number is lost.
        assert_eq!(messaging::send(&app.by(&pair.client), thread, with_files("1", vec![file.id])).await.unwrap(), sent);
        let twice = messaging::send(&app.by(&pair.client), thread, with_files("2", vec![file.id])).await.unwrap_err();
        assert_eq!(twice.code(), ErrorCode::Conflict);
        assert_eq!(messaging::send(&app.by(&pair.client), thread, text("3", "next")).await.unwrap().seq, 2);
        assert_eq!(see(&pair.worker).await.unwrap().content.media_type, "image/png");
        let stranger = test.actor(Role::Client).await;
        assert_eq!(see(&stranger).await.unwrap_err().code(), ErrorCode::NotFound);
        // In the page and in the preview.
        let page = messaging::messages(&app.by(&pair.worker), thread, &MessagesQuery::default()).await.unwrap();
        assert_eq!(page.items[0].attachments, std::slice::from_ref(&file));
        // Another thread does not know it.
        let other = Pair { service: service(&test, &pair.worker).await, ..pair };
        let elsewhere = other.open(&test).await.id;
        let found = messaging::attachment(&app.by(&other.client), elsewhere, file.id, AttachmentSize::Full).await;
        assert_eq!(found.unwrap_err().code(), ErrorCode::NotFound);
        // With its message it goes from the two's view.
        let operator = testing::operator();
        let change = crate::base::change::Change::default();
        messaging::staff_remove(&app.by(&operator).with(change.clone()), sent.id, RemovalReason::Spam).await.unwrap();
        let gone = messaging::attachment(&app.by(&other.client), thread, file.id, AttachmentSize::Full).await;
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
        let refused = messaging::attach(&app.by(&pair.client), thread, bytes, None).await.unwrap_err();
        assert_eq!((refused.code(), refused.fields()[0].pointer.as_str()), (code, "/file"));
        assert!(refused.detail().starts_with("the file"), "{refused}");
    }
    let stranger = test.actor(Role::Client).await;
    let refused = messaging::attach(&app.by(&stranger), thread, png(), None).await.unwrap_err();
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
        assert!(messaging::attachment(&app.by(&pair.client), thread, loose.id, AttachmentSize::Full).await.is_ok());
        test.advance(Duration::from_hours(2));
        // The row goes, then the object.
        app.run_due().await.unwrap();
        let gone =
            messaging::attachment(&app.by(&pair.client), thread, loose.id, AttachmentSize::Full).await.unwrap_err();
        assert_eq!(gone.code(), ErrorCode::NotFound);
        let own = upload(&test, &pair.client, thread).await;
        let thumbs = thumb_keys(&test).await;
        assert_eq!(thumbs.len(), 2);
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
            let gone =
                messaging::attachment(&app.by(&pair.worker), thread, file, AttachmentSize::Full).await.unwrap_err();
            assert_eq!(gone.code(), ErrorCode::NotFound);
        }
        let mut reader = app.db.read().await.unwrap();
        let left = q!(&mut reader.conn() => val i64,
            "SELECT (SELECT CAST(count(*) AS BIGINT) FROM attachments) + (SELECT CAST(count(*) AS BIGINT) FROM file_deletions)");
        assert_eq!(left.unwrap(), 0);
        drop(reader);
        for thumb in &thumbs {
            app.files.get(thumb).await.unwrap_err();
        }
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

async fn thumb_keys(test: &TestApp) -> Vec<String> {
    let mut reader = test.app().db.read().await.unwrap();
    q!(&mut reader.conn() => vals String, "SELECT thumb_key FROM attachments WHERE thumb_key IS NOT NULL ORDER BY id")
        .unwrap()
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
                "UPDATE attachments SET object_key = $2, thumb_key = NULL, wrapped_key = NULL, size = $3, width = 300, height = 200 WHERE id = $1",
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
            let file = messaging::attach(&app.by(&pair.client), thread, told, None).await.unwrap();
            assert_eq!((file.width, file.height), (Some(200), Some(300)), "it stands upright");
            sent.push(file);
        }
        let pdf = messaging::attach(&app.by(&pair.client), thread, pictures::pdf(), None).await.unwrap();
        let ids = sent.iter().map(|file| file.id).chain([pdf.id]).collect();
        messaging::send(&app.by(&pair.client), thread, with_files("1", ids)).await.unwrap();
        for file in sent.iter().chain([&pdf]) {
            let seen = messaging::attachment(&app.by(&pair.worker), thread, file.id, AttachmentSize::Full)
                .await
                .unwrap()
                .content;
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
        let see = async |id| messaging::attachment(&app.by(&pair.worker), thread, id, AttachmentSize::Full).await;
        assert_eq!(see(ids[2]).await.unwrap().content.bytes, photo);

        app.run_due().await.unwrap();
        app.run_due().await.unwrap();
        assert!(see(ids[0]).await.is_err());
        let page = messaging::messages(&app.by(&pair.worker), thread, &MessagesQuery::default()).await.unwrap();
        for id in &ids[1..] {
            let seen = see(*id).await.unwrap();
            assert!(!has(&seen.content.bytes, PLACE));
            // Its message says what it is now.
            let file = page.items[0].attachments.iter().find(|file| file.id == *id).unwrap();
            assert_eq!((file.width, file.height), (Some(200), Some(300)));
            assert_eq!(usize::try_from(file.size).unwrap(), seen.content.bytes.len());
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
        assert!(!has(&see(ids[0]).await.unwrap().content.bytes, PLACE));
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
        let refused =
            messaging::attachment(&app.by(&pair.client), thread, one.id, AttachmentSize::Full).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Internal);
        assert!(messaging::attachment(&app.by(&pair.client), thread, other.id, AttachmentSize::Full).await.is_ok());
        test.close().await;
    }
}

#[tokio::test]
async fn names_are_kept_as_far_as_they_are_names() {
    let test = testing::apps().await.remove(0);
    let (app, pair) = (test.app(), Pair::new(&test).await);
    let thread = pair.open(&test).await.id;
    for (given, kept) in [
        (Some("plan.png"), Some("plan.png")),
        (Some("PLAN.PNG"), Some("PLAN.PNG")),
        (Some("C:\\photos\\Ku\u{308}che \"neu\".exe"), Some("Küche _neu_.exe.png")),
        (Some("../../etc/passwd"), Some("passwd.png")),
        (Some("x\u{202E}gnp.exe\r\nset-cookie: a"), Some("x gnp.exe set-cookie_ a.png")),
        (Some("ab%22c.png"), Some("ab_c.png")),
        (Some("...."), None),
        (Some(""), None),
        (Some(".png"), Some("png.png")),
        (None, None),
    ] {
        let file = messaging::attach(&app.by(&pair.client), thread, png(), given).await.unwrap();
        assert_eq!(file.name.as_deref(), kept, "{given:?}");
        let shown = messaging::attachment(&app.by(&pair.client), thread, file.id, AttachmentSize::Full).await.unwrap();
        assert_eq!(shown.name, kept.unwrap_or("attachment.png"));
    }
    for (long, kept) in [("ü".repeat(500), 204), ("🔧".repeat(119) + ".png", 200), ("x".repeat(500), 124)] {
        let file = messaging::attach(&app.by(&pair.client), thread, png(), Some(&long)).await.unwrap();
        let name = file.name.unwrap();
        assert!(name.strip_suffix(".png").is_some_and(|stem| stem.len() + 4 == kept), "{} {name}", name.len());
    }
    test.close().await;
}

#[tokio::test]
async fn a_name_goes_with_its_message_and_pictures_are_made_small() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let mut large = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(2_000, 500).write_to(&mut large, image::ImageFormat::Png).unwrap();
        let (client, worker) = (app.by(&pair.client), app.by(&pair.worker));
        let file = messaging::attach(&client, thread, large.into_inner(), Some("wall.png")).await.unwrap();
        let sent = messaging::send(&client, thread, with_files("1", vec![file.id])).await.unwrap();
        assert_eq!(sent.attachments[0].name.as_deref(), Some("wall.png"));
        let query = MessagesQuery::default();
        let listed = messaging::messages(&worker, thread, &query).await.unwrap();
        assert_eq!(listed.items[0].attachments, sent.attachments);
        let small = messaging::attachment(&worker, thread, file.id, AttachmentSize::Thumb).await.unwrap();
        assert_eq!((small.name.as_str(), small.content.media_type.as_str()), ("wall-small.jpg", "image/jpeg"));
        let picture = image::load_from_memory(&small.content.bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (320, 80));
        // It was made at the upload; those of before are made when they are asked for.
        let (object, stored) = (&object_keys(&test).await[0], &thumb_keys(&test).await[0]);
        let opened = app.files.get(object).await.unwrap();
        app.files.delete(object).await.unwrap();
        let again = messaging::attachment(&worker, thread, file.id, AttachmentSize::Thumb).await.unwrap();
        assert_eq!(again.content.bytes, small.content.bytes);
        app.files.put_as(object, opened).await.unwrap();
        app.files.delete(stored).await.unwrap();
        let unit = app.db.write(move |conn| {
            Box::pin(async move {
                q!(conn => exec, "UPDATE attachments SET thumb_key = NULL")?;
                Ok(())
            })
        });
        unit.await.unwrap();
        let made = messaging::attachment(&worker, thread, file.id, AttachmentSize::Thumb).await.unwrap();
        assert_eq!(made.content.bytes, small.content.bytes);
        let pdf = messaging::attach(&client, thread, pictures::pdf(), None).await.unwrap();
        let none = messaging::attachment(&client, thread, pdf.id, AttachmentSize::Thumb).await.unwrap_err();
        assert_eq!(none.code(), ErrorCode::NotFound);
        test.close().await;
    }
}

/// The query of a signed address.
fn query_of(address: &str) -> AddressQuery {
    let pairs = address.split_once('?').unwrap().1.split('&').map(|pair| pair.split_once('=').unwrap());
    let pairs: std::collections::HashMap<_, _> = pairs.collect();
    AddressQuery {
        user: pairs["user"].parse().unwrap(),
        expires: pairs["expires"].parse().unwrap(),
        signature: pairs["signature"].to_owned(),
        size: None,
    }
}

#[tokio::test]
async fn a_signed_address_shows_one_file_as_one_person_for_a_while() {
    for test in testing::apps().await {
        let (app, pair) = (test.app(), Pair::new(&test).await);
        let thread = pair.open(&test).await.id;
        let file = upload(&test, &pair.client, thread).await;
        let worker = app.by(&pair.worker);
        // One cannot give away what one does not see.
        let early = messaging::attachment_address(&worker, thread, file.id).await.unwrap_err();
        assert_eq!(early.code(), ErrorCode::NotFound);
        let sent = messaging::send(&app.by(&pair.client), thread, with_files("1", vec![file.id])).await.unwrap();
        let signed = messaging::attachment_address(&worker, thread, file.id).await.unwrap();
        assert!(!format!("{signed:?}").contains("signature"));
        let query = query_of(&signed.address);
        assert!(!format!("{query:?}").contains(&query.signature));
        let see = async |id, query: &AddressQuery| messaging::addressed_attachment(app, id, query).await;
        assert_eq!(see(file.id, &query).await.unwrap().content.bytes, png());
        let other = upload(&test, &pair.client, thread).await;
        let flipped = if query.signature.starts_with('A') { "B" } else { "A" };
        let forged = [
            AddressQuery { user: pair.client.user_id().unwrap(), ..query.clone() },
            AddressQuery { expires: query.expires + 1, ..query.clone() },
            AddressQuery { signature: format!("{flipped}{}", &query.signature[1..]), ..query.clone() },
            AddressQuery { signature: String::new(), ..query.clone() },
        ];
        for forged in &forged {
            assert_eq!(see(file.id, forged).await.unwrap_err().code(), ErrorCode::NotFound, "{forged:?}");
        }
        assert_eq!(see(other.id, &query).await.unwrap_err().code(), ErrorCode::NotFound);
        // It ends with what the person may see, before its time.
        let operator = testing::operator();
        let op = app.by(&operator).with(crate::base::change::Change::default());
        messaging::staff_remove(&op, sent.id, RemovalReason::Abuse).await.unwrap();
        assert_eq!(see(file.id, &query).await.unwrap_err().code(), ErrorCode::NotFound);
        let client = app.by(&pair.client);
        messaging::send(&client, thread, with_files("2", vec![other.id])).await.unwrap();
        let again = query_of(&messaging::attachment_address(&client, thread, other.id).await.unwrap().address);
        assert!(see(other.id, &again).await.is_ok());
        test.advance(Duration::from_secs(301));
        assert_eq!(see(other.id, &again).await.unwrap_err().code(), ErrorCode::NotFound);
        test.close().await;
    }
}
