use std::path::PathBuf;

use futures::FutureExt;
use sqlx::AssertSqlSafe;

use super::*;
use crate::{
    accounts::model::Status,
    app::App,
    base::{permission::Role, principal::Principal, random::OsRandom, text_enum::Name},
    operations::{backup, key_check::KeyState},
    platform::config::{Config, Secret},
    records::{audit::AuditAction, target::TargetKind},
    testing::{self, TestApp},
};

async fn record(app: &App, n: usize) {
    let entry = Entry {
        action: AuditAction::UsersNote,
        target_kind: TargetKind::User,
        target: n.to_string(),
        reason: n.is_multiple_of(2).then(|| "other".into()),
        metadata: serde_json::json!({ "n": n }),
    };
    app.by(&testing::operator()).write(unit!(|op, c| { append(&op, c, entry).await })).await.unwrap();
}

async fn whole(app: &App) -> AuditVerification {
    verify(&app.by(&testing::operator()), 1, VERIFY_LIMIT, None).await.unwrap()
}

async fn expecting(app: &App, head: &AuditHead) -> AuditVerification {
    verify(&app.by(&testing::operator()), 1, VERIFY_LIMIT, Some(head)).await.unwrap()
}

/// What whoever has the database can do.
async fn sql(app: &App, text: impl Into<String>) {
    let text = text.into();
    app.db
        .write(move |c| {
            async move {
                crate::on!(c, |x, _DB| sqlx::raw_sql(AssertSqlSafe(text)).execute(x).await.map(|_| ()))
                    .map_err(Error::from)
            }
            .boxed()
        })
        .await
        .unwrap();
}

/// Links all rows by plain SHA-256, which needs no key, and has the head say so.
async fn rebuild(app: &App) {
    let rows = store::from(&mut app.db.read().await.unwrap().conn(), 1, i64::MAX, 10_000).await.unwrap();
    let mut previous = GENESIS.to_owned();
    for (seq, row) in (1..).zip(rows) {
        let (old, row) = (row.seq, StoredRow { seq, ..row });
        let tag = plain_link(&previous, &row);
        sql(app, format!("UPDATE audit_log SET seq = {seq}, hash = '{tag}' WHERE seq = {old}")).await;
        sql(app, format!("UPDATE audit_head SET seq = {seq}, hash = '{tag}'")).await;
        previous = tag;
    }
}

/// The same marketplace, opened once more: as after a restart.
async fn reopened(test: &TestApp) -> App {
    App::open((*test.app().config).clone()).await.unwrap()
}

fn marker(app: &App) -> PathBuf {
    app.config.keys_dir().join("audit.begun")
}

#[tokio::test]
async fn the_chain_has_no_gaps_and_shows_what_was_edited_or_removed() {
    for test in testing::apps().await {
        let app = test.app();
        futures::future::join_all((0..30).map(|n| record(app, n))).await;
        let found = whole(app).await;
        assert_eq!((found.checked, found.next, &found.broken), (30, None, &None));
        let head = found.head.unwrap();
        assert_eq!((head.seq, head.to_string().parse::<AuditHead>().unwrap()), (30, head.clone()));
        // In steps, as a walk over a long log goes; what it ends with is known at the end.
        let step = verify(&app.by(&testing::operator()), 1, 12, None).await.unwrap();
        assert_eq!((step.checked, step.next, step.head), (12, Some(13), None));
        let rest = verify(&app.by(&testing::operator()), 13, 100, None).await.unwrap();
        assert_eq!((rest.checked, rest.head), (18, Some(head)));

        sql(app, "UPDATE audit_log SET metadata = metadata || ' ' WHERE seq = 7").await;
        assert_eq!(whole(app).await.broken.unwrap().seq, 7);
        sql(app, "UPDATE audit_log SET metadata = rtrim(metadata) WHERE seq = 7").await;
        assert!(whole(app).await.broken.is_none());
        // Two rows change places.
        for swap in [("9", "-9"), ("10", "9"), ("-9", "10")] {
            sql(app, format!("UPDATE audit_log SET seq = {} WHERE seq = {}", swap.1, swap.0)).await;
        }
        assert_eq!(whole(app).await.broken.unwrap().seq, 9);
        for swap in [("9", "-9"), ("10", "9"), ("-9", "10")] {
            sql(app, format!("UPDATE audit_log SET seq = {} WHERE seq = {}", swap.1, swap.0)).await;
        }
        assert!(whole(app).await.broken.is_none());
        sql(app, "DELETE FROM audit_log WHERE seq = 30").await;
        assert_eq!(whole(app).await.broken.unwrap().seq, 30);
        sql(app, "DELETE FROM audit_log WHERE seq = 12").await;
        assert_eq!(whole(app).await.broken.unwrap().seq, 12);
        test.close().await;
    }
}

#[tokio::test]
async fn rows_outside_the_log_are_found() {
    for test in testing::apps().await {
        let app = test.app();
        for n in 0..3 {
            record(app, n).await;
        }
        for seq in [0, -1, i64::MIN, 4, i64::MAX] {
            let copy = "actor, action, target_kind, target, reason, metadata, hash FROM audit_log WHERE seq = 3";
            sql(app, format!("INSERT INTO audit_log SELECT {seq}, at, {copy}")).await;
            let broken = whole(app).await.broken.unwrap_or_else(|| panic!("row {seq} is not found"));
            assert!(broken.detail.contains("outside the log"), "{broken:?}");
            sql(app, format!("DELETE FROM audit_log WHERE seq = {seq}")).await;
        }
        assert!(whole(app).await.broken.is_none());
        assert!(verify(&app.by(&testing::operator()), 0, 10, None).await.is_err());
        test.close().await;
    }
}

#[tokio::test]
async fn a_missing_head_is_named_and_stops_only_what_must_be_recorded() {
    for test in testing::apps().await {
        let app = test.app();
        for n in 0..3 {
            record(app, n).await;
        }
        let user = test.user(Role::Client, Status::Active).await;
        let before = whole(app).await.checked;
        sql(app, "DELETE FROM audit_head").await;
        let broken = whole(app).await.broken.unwrap();
        assert_eq!(broken.seq, before);
        assert!(broken.detail.contains("audit_head"), "{broken:?}");
        // What looks at the log goes on, and what must stand on it is refused with the reason.
        let operator = testing::operator();
        assert!(
            !list(&app.by(&operator), &AuditFilter::default(), &PageRequest::first(3)).await.unwrap().items.is_empty()
        );
        crate::staff::run::<crate::staff::ShowStats>(&app.by(&operator), (), (), ()).await.unwrap();
        let refused = crate::users::reveal(&app.by(&operator), user).await.unwrap_err();
        assert!(refused.detail().contains("audit_head"), "{refused}");
        let again = reopened(&test).await;
        assert!(whole(&again).await.broken.is_some());
        again.close().await;
        test.close().await;
    }
}

#[tokio::test]
async fn a_head_of_before_tells_a_log_that_was_cut_off_with_its_head() {
    for test in testing::apps().await {
        let app = test.app();
        for n in 0..5 {
            record(app, n).await;
        }
        let kept = whole(app).await.head.unwrap();
        record(app, 5).await;
        assert!(expecting(app, &kept).await.broken.is_none());
        let none = AuditHead { seq: 0, tag: GENESIS.into() };
        assert!(expecting(app, &none).await.broken.is_none());

        // The last three rows never were. By itself the log is whole: it was so once.
        sql(app, "DELETE FROM audit_log WHERE seq > 3").await;
        sql(app, "UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit_log WHERE seq = 3)").await;
        let cut = whole(app).await;
        assert_eq!((cut.head.unwrap().seq, cut.broken), (3, None));
        assert_eq!(expecting(app, &kept).await.broken.unwrap().seq, 4);
        // Continued past it.
        for n in 10..14 {
            record(app, n).await;
        }
        assert!(whole(app).await.broken.is_none());
        let broken = expecting(app, &kept).await.broken.unwrap();
        assert_eq!(broken.seq, 5);
        assert!(broken.detail.contains("expected"), "{broken:?}");
        // The walk comes to it in whatever steps.
        let step = verify(&app.by(&testing::operator()), 1, 2, Some(&kept)).await.unwrap();
        assert_eq!((step.next, step.broken), (Some(3), None));
        let step = verify(&app.by(&testing::operator()), 3, 3, Some(&kept)).await.unwrap();
        assert_eq!(step.broken.unwrap().seq, 5);
        // All of it gone.
        sql(app, "DELETE FROM audit_log").await;
        sql(app, format!("UPDATE audit_head SET seq = 0, hash = '{GENESIS}'")).await;
        assert!(whole(app).await.broken.is_none());
        assert_eq!(expecting(app, &kept).await.broken.unwrap().seq, 1);
        test.close().await;
    }
    for wrong in ["", "5", "5:", "x:00", "-1:0", &format!("5:{}", "g".repeat(64)), &format!("5:{}", "0".repeat(63))] {
        assert!(wrong.parse::<AuditHead>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn nobody_with_the_database_alone_rebuilds_the_chain() {
    for test in testing::apps().await {
        let app = test.app();
        for n in 0..6 {
            record(app, n).await;
        }
        // Row 3 never was, and every link is made anew as it was made before there was a key.
        sql(app, "DELETE FROM audit_log WHERE seq = 3").await;
        rebuild(app).await;
        assert_eq!(whole(app).await.broken.unwrap().seq, 1);
        // Nor as a log of which the tags begin later: of that the key knows nothing.
        sql(app, "UPDATE audit_keys SET first_seq = 6").await;
        assert!(whole(app).await.broken.is_some());
        sql(app, "UPDATE audit_keys SET previous = (SELECT hash FROM audit_log WHERE seq = 5)").await;
        assert!(whole(app).await.broken.unwrap().detail.contains("altered"));
        // Nor as one from before there was a key at all: neither now nor after a restart, whatever else is forgotten.
        sql(app, "DELETE FROM audit_keys").await;
        assert!(whole(app).await.broken.unwrap().detail.contains("audit_keys"));
        sql(app, "DELETE FROM key_check").await;
        let again = reopened(&test).await;
        assert!(whole(&again).await.broken.unwrap().detail.contains("audit_keys"));
        again.close().await;
        test.close().await;
    }
}

#[tokio::test]
async fn a_row_of_another_marketplace_does_not_fit() {
    let others = testing::apps().await;
    for (test, other) in testing::apps().await.into_iter().zip(others) {
        for n in 0..4 {
            record(test.app(), n).await;
            record(other.app(), n).await;
        }
        let mut reader = other.app().db.read().await.unwrap();
        let rows = store::from(&mut reader.conn(), 1, 4, 4).await.unwrap();
        let foreign = store::beginnings(&mut reader.conn()).await.unwrap();
        drop(reader);
        let app = test.app();
        for row in &rows {
            sql(app, format!("UPDATE audit_log SET hash = '{}' WHERE seq = {}", row.tag, row.seq)).await;
        }
        sql(app, format!("UPDATE audit_head SET hash = '{}'", rows[3].tag)).await;
        assert_eq!(whole(app).await.broken.unwrap().seq, 1);
        // With the record of where it begins: that is under a key that is not ours.
        let key = &foreign[0].key_id;
        let mac = hex::encode(&foreign[0].mac);
        sql(app, format!("UPDATE audit_keys SET key_id = '{key}'")).await;
        let bytes = match app.db.engine() {
            crate::platform::db::Engine::Sqlite => format!("X'{mac}'"),
            crate::platform::db::Engine::Postgres => format!("'\\x{mac}'"),
        };
        sql(app, format!("UPDATE audit_keys SET mac = {bytes}")).await;
        assert!(whole(app).await.broken.unwrap().detail.contains("not ours"));
        test.close().await;
        other.close().await;
    }
}

#[tokio::test]
async fn a_log_from_before_there_was_a_key_goes_on_and_is_fixed() {
    for test in testing::apps().await {
        let app = test.app();
        for n in 0..4 {
            record(app, n).await;
        }
        // As the release before left it.
        rebuild(app).await;
        sql(app, "DELETE FROM audit_keys").await;
        sql(app, "DELETE FROM key_check").await;
        std::fs::remove_file(marker(app)).unwrap();

        let again = reopened(&test).await;
        assert!(marker(app).exists());
        let taken = whole(&again).await;
        assert_eq!((taken.checked, &taken.broken), (4, &None));
        for n in 4..8 {
            record(&again, n).await;
        }
        let taken = whole(&again).await;
        assert_eq!((taken.checked, &taken.broken), (8, &None));

        // What the key vouches for once cannot be made anew: neither with the rows after it nor without them.
        sql(&again, "UPDATE audit_log SET actor = 'nobody' WHERE seq = 2").await;
        assert_eq!(whole(&again).await.broken.unwrap().seq, 2);
        sql(&again, "DELETE FROM audit_log WHERE seq > 4").await;
        rebuild(&again).await;
        assert_eq!(whole(&again).await.broken.unwrap().seq, 5);
        sql(&again, "DELETE FROM audit_log WHERE seq > 3").await;
        rebuild(&again).await;
        assert_eq!(whole(&again).await.broken.unwrap().seq, 4);
        again.close().await;
        test.close().await;
    }
}

/// The last migration before there were keys.
const BEFORE_KEYS: i64 = 14;

/// A database as the release before left it, with a log of four rows and a mail that waits.
async fn from_before(db: &Db, keys: &Keys) {
    let now = Timestamp::from_micros(1_000_000);
    let id = crate::base::ids::MailId::new(now, &OsRandom);
    let sealed = keys.seal(id.0.as_bytes(), b"{}", &OsRandom).unwrap();
    let unit = db.write(move |conn| {
        let sealed = sealed.clone();
        async move {
            q!(conn => exec,
                "INSERT INTO mail_outbox (id, subject, sealed, not_before, attempts, created_at) VALUES ($1, 'x', $2, $3, 0, $3)",
                id, sealed, Timestamp::MAX)?;
            let mut previous = GENESIS.to_owned();
            for seq in 1..5 {
                let mut row = StoredRow {
                    seq,
                    at: now,
                    actor: Principal("local:ada@desk".into()),
                    action: "users.note".into(),
                    target_kind: "user".into(),
                    target: "x".into(),
                    reason: None,
                    metadata: r#"{"note": "y"}"#.into(),
                    tag: String::new(),
                };
                row.tag = plain_link(&previous, &row);
                previous.clone_from(&row.tag);
                store::take_head(conn, 1).await?;
                store::insert(conn, &[row]).await?;
            }
            Ok(())
        }
        .boxed()
    });
    unit.await.unwrap();
}

#[tokio::test]
async fn a_database_of_the_release_before_comes_over_and_so_does_its_backup() {
    for test in testing::databases_at(BEFORE_KEYS).await {
        let folder = tempfile::tempdir().unwrap();
        let config =
            Config { data_dir: folder.path().into(), database_url: Some(Secret::new(test.url())), ..Config::default() };
        let keys = Keys::open(&config.keys_dir(), &OsRandom).unwrap();
        from_before(test.db(), &keys).await;
        // Before the update somebody makes a backup, of which the old log cannot tell.
        let (file, operator) = (folder.path().join("before.bak"), testing::operator());
        let backed_up = backup::backup(&config, &file, &operator).await;
        if let Ok(made) = &backed_up {
            assert!(!made.recorded);
        }
        test.db().migrate().await.unwrap();
        let app = App::open(config.clone()).await.unwrap();
        assert_eq!((whole(&app).await.checked, whole(&app).await.broken), (4, None));
        for n in 0..3 {
            record(&app, n).await;
        }
        let found = whole(&app).await;
        assert_eq!((found.checked, &found.broken), (7, &None));
        assert_eq!(
            crate::operations::key_check::check(&app.db, &config.keys_dir()).await.unwrap(),
            KeyState::Fit { master: keys.id(), signs: keys.signer().unwrap().kid.clone() }
        );
        app.close().await;
        test.db().close().await;

        // And comes back to it: the operator says that it is the right one.
        if backed_up.is_ok() {
            let restored = backup::restore(&config, &file, true, &operator).await.unwrap();
            assert_eq!(restored.schema, BEFORE_KEYS);
            let app = App::open(config).await.unwrap();
            let found = whole(&app).await;
            assert_eq!((found.checked, &found.broken), (5, &None));
            let newest = list(&app.by(&operator), &AuditFilter::default(), &PageRequest::first(1)).await.unwrap();
            assert_eq!(newest.items[0].action.to_string(), "db.restore");
            assert!(newest.items[0].metadata["replaced"].as_str().unwrap().starts_with("7:"), "{newest:?}");
            app.close().await;
        }
        test.close().await;
    }
}

#[tokio::test]
async fn revealed_lists_are_on_record_person_by_person() {
    for test in testing::apps().await {
        let app = test.app();
        let mut people = Vec::new();
        for _ in 0..4 {
            people.push(test.user(Role::Client, Status::Active).await);
        }
        let operator = testing::operator();
        let filter =
            crate::accounts::summary::UserFilter { reveal: true, role: Some(Role::Client), ..Default::default() };
        let page = crate::users::list(&app.by(&operator), &filter, &PageRequest::first(3)).await.unwrap();
        assert_eq!(page.items.len(), 3);
        let revealed = AuditFilter { action: Some(Name::Known(AuditAction::UsersReveal)), ..AuditFilter::default() };
        let rows = list(&app.by(&operator), &revealed, &PageRequest::default()).await.unwrap().items;
        for id in people {
            let shown = usize::from(page.items.iter().any(|user| user.id == id));
            assert_eq!(rows.iter().filter(|row| row.target == id.to_string()).count(), shown);
        }
        assert!(
            rows.iter()
                .all(|row| row.target_kind == TargetKind::User && row.metadata == serde_json::json!({ "list": true }))
        );
        // Nobody shown, nothing on record.
        let nobody = crate::accounts::summary::UserFilter { q: Some("nobody-of-that-name".into()), ..filter };
        crate::users::list(&app.by(&operator), &nobody, &PageRequest::first(3)).await.unwrap();
        let again = list(&app.by(&operator), &revealed, &PageRequest::default()).await.unwrap().items;
        assert_eq!(again.len(), rows.len());
        assert!(whole(app).await.broken.is_none());
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
        let first = list(&app.by(&operator), &AuditFilter::default(), &PageRequest::first(3)).await.unwrap();
        let seqs: Vec<i64> = first.items.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, [5, 4, 3]);
        assert_eq!(first.items[0].metadata["n"], 4);
        let rest = list(&app.by(&operator), &AuditFilter::default(), &PageRequest { limit: 3, after: first.next })
            .await
            .unwrap();
        assert_eq!((rest.items.len(), rest.next), (2, None));
        for (filter, count) in [
            (AuditFilter { target: Some("2".into()), ..AuditFilter::default() }, 1),
            (AuditFilter { actor: Some(operator.principal()), ..AuditFilter::default() }, 5),
            (
                AuditFilter {
                    action: Some("users.note".into()),
                    target: Some("3".into()),
                    actor: Some(operator.principal()),
                },
                1,
            ),
            (AuditFilter { action: Some("nothing".into()), ..AuditFilter::default() }, 0),
            (AuditFilter { actor: Some(Principal("nobody".into())), ..AuditFilter::default() }, 0),
        ] {
            assert_eq!(
                list(&app.by(&operator), &filter, &PageRequest::default()).await.unwrap().items.len(),
                count,
                "{filter:?}"
            );
        }
        // What is no object any more is shown all the same, and found.
        sql(app, "UPDATE audit_log SET metadata = 'x' WHERE seq = 5").await;
        let shown = list(&app.by(&operator), &AuditFilter::default(), &PageRequest::first(1)).await.unwrap();
        assert_eq!(shown.items[0].metadata, serde_json::json!({ "unreadable": "x" }));
        assert_eq!(whole(app).await.broken.unwrap().seq, 5);
        test.close().await;
    }
}
