use std::path::PathBuf;

use futures::FutureExt;
use sqlx::AssertSqlSafe;

use super::*;
use crate::{
    accounts::model::Status,
    app::App,
    base::{error::ErrorCode, permission::Role, principal::Principal, random::OsRandom, text_enum::Name},
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
            let copied = "at, actor, action, target_kind, target, reason, metadata, hash";
            let copy =
                format!("INSERT INTO audit_log (seq, {copied}) SELECT {seq}, {copied} FROM audit_log WHERE seq = 3");
            sql(app, copy).await;
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
        let refused = crate::users::reveal(&app.by(&operator), user, None).await.unwrap_err();
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
                    entry: None,
                };
                row.tag = plain_link(&previous, &row);
                previous.clone_from(&row.tag);
                store::take_head(conn, 1).await?;
                q!(conn => exec,
                    "INSERT INTO audit_log (seq, at, actor, action, target_kind, target, metadata, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    row.seq, row.at, &row.actor, &row.action, &row.target_kind, &row.target, &row.metadata, &row.tag)?;
                q!(conn => exec, "UPDATE audit_head SET hash = $1 WHERE id = 1", &row.tag)?;
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
            (AuditFilter { action: Some("users.ban".into()), ..AuditFilter::default() }, 0),
            (AuditFilter { actor: Some(Principal::system()), ..AuditFilter::default() }, 0),
        ] {
            assert_eq!(
                list(&app.by(&operator), &filter, &PageRequest::default()).await.unwrap().items.len(),
                count,
                "{filter:?}"
            );
        }
        // What no row can fit is misspelt.
        for (filter, code) in [
            (AuditFilter { action: Some("nothing".into()), ..AuditFilter::default() }, ErrorCode::Invalid),
            (AuditFilter { actor: Some(Principal("nobody".into())), ..AuditFilter::default() }, ErrorCode::Invalid),
            (AuditFilter { actor: Some(Principal("local:a@b".into())), ..AuditFilter::default() }, ErrorCode::NotFound),
            (AuditFilter { target: Some("x".into()), ..AuditFilter::default() }, ErrorCode::NotFound),
            (AuditFilter { target: Some(" ".into()), ..AuditFilter::default() }, ErrorCode::Invalid),
        ] {
            let refused = list(&app.by(&operator), &filter, &PageRequest::default()).await.unwrap_err();
            assert_eq!(refused.code(), code, "{filter:?}");
        }
        // What is no object any more is shown all the same, and found.
        sql(app, "UPDATE audit_log SET metadata = 'x' WHERE seq = 5").await;
        let shown = list(&app.by(&operator), &AuditFilter::default(), &PageRequest::first(1)).await.unwrap();
        assert_eq!(shown.items[0].metadata, serde_json::json!({ "unreadable": "x" }));
        assert_eq!(whole(app).await.broken.unwrap().seq, 5);
        test.close().await;
    }
}

/// Writes a row whose program is stopped right after the commit.
async fn record_and_stop(app: &App, n: usize) {
    let op = app.by(&testing::operator());
    let entry = Entry {
        action: AuditAction::UsersNote,
        target_kind: TargetKind::User,
        target: n.to_string(),
        reason: None,
        metadata: serde_json::json!({ "n": n }),
    };
    let unit = app.db.write(move |c| {
        let (op, entry) = (op.clone(), entry.clone());
        async move { append(&op, c, entry).await }.boxed()
    });
    unit.await.unwrap();
}

async fn number(app: &App, text: &'static str) -> i64 {
    let mut reader = app.db.read().await.unwrap();
    let mut conn = reader.conn();
    let found = crate::on!(&mut conn, |x, _DB| sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(x).await);
    found.unwrap()
}

async fn on_postgres() -> Option<TestApp> {
    testing::apps().await.into_iter().find(|test| test.app().db.engine() == crate::db::Engine::Postgres)
}

const UNSEALED: &str = "SELECT count(*) FROM audit_unsealed";

#[tokio::test]
async fn whoever_waits_for_the_end_of_the_log_keeps_no_connection() {
    let Some(test) = on_postgres().await else { return };
    let app = test.app();
    record(app, 0).await;
    // A server that is stopped in the middle of a seal.
    let mut holder = app.db.connect_apart().await.unwrap().unwrap();
    holder.begin().await.unwrap();
    store::take_head(&mut Conn::Pg(&mut holder), 0).await.unwrap();
    let all = futures::future::join_all((1..=200).map(|n| record(app, n)));
    let look = async {
        let mut tries = 0..1_000;
        while number(app, UNSEALED).await < 200 {
            assert!(tries.next().is_some(), "who waits at the end of the log has all connections");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        holder.rollback().await.unwrap();
    };
    futures::join!(all, look);
    // Those who had waited too long have been answered; what they did is durable.
    sealing::catch_up(app).await;
    futures::future::join_all((201..=400).map(|n| record(app, n))).await;
    let found = whole(app).await;
    assert_eq!((found.checked, found.broken), (401, None));
    assert_eq!(number(app, UNSEALED).await, 0);
    assert_eq!(number(app, "SELECT count(DISTINCT target) FROM audit_log").await, 401, "each is there once");
    test.close().await;
}

#[tokio::test]
async fn what_a_stopped_program_left_is_sealed_and_what_is_not_ours_is_not() {
    let Some(test) = on_postgres().await else { return };
    let app = test.app();
    record(app, 0).await;
    record_and_stop(app, 1).await;
    seal_left(app).await.unwrap();
    assert_eq!(number(app, UNSEALED).await, 1, "it may be on its way");
    sql(app, "CREATE TABLE kept AS SELECT * FROM audit_unsealed").await;
    let back = "UPDATE audit_unsealed SET written_at = written_at - interval '2 minutes'";
    sql(app, back).await;
    let mut reader = app.db.read().await.unwrap();
    let late = sealing::late(&mut reader.conn()).await.unwrap();
    assert!(late.is_some_and(|detail| detail.contains("waited")));
    // That it waits is no fault of the log, for whoever does not seal first.
    assert_eq!(verify_on(&app.keys, &mut reader.conn(), 1, 100, None).await.unwrap().broken, None);
    for never in ["-infinity", "infinity"] {
        sql(app, format!("UPDATE audit_unsealed SET written_at = '{never}'")).await;
        assert!(sealing::late(&mut reader.conn()).await.unwrap().is_some(), "{never}");
    }
    drop(reader);
    let found = whole(app).await;
    assert_eq!((found.checked, found.broken, number(app, UNSEALED).await), (2, None, 0));

    // It cannot be put there a second time.
    let columns = "entry, at, actor, action, target_kind, target, reason, metadata, hash";
    sql(app, format!("INSERT INTO audit_unsealed ({columns}) SELECT {columns} FROM kept")).await;
    record(app, 2).await;
    let found = whole(app).await;
    assert_eq!((found.checked, found.broken, number(app, UNSEALED).await), (3, None, 0));
    sql(app, "UPDATE audit_log SET entry = NULL WHERE seq = 2").await;
    assert_eq!(whole(app).await.broken.unwrap().seq, 2, "the tag covers the entry");
    sql(app, "UPDATE audit_log SET entry = (SELECT entry FROM kept) WHERE seq = 2").await;

    // Nor can another be made of it; it stops nobody.
    for change in ["target = '7'", "entry = 'another'", "at = at + interval '1 second'", "hash = repeat('0', 64)"] {
        sql(app, format!("INSERT INTO audit_unsealed ({columns}) SELECT {columns} FROM kept")).await;
        sql(app, format!("UPDATE audit_unsealed SET {change}, written_at = written_at - interval '5 seconds'")).await;
        let before = number(app, "SELECT seq FROM audit_head").await;
        record(app, 3).await;
        let found = whole(app).await.broken.unwrap();
        assert!(found.seq == before + 2 && found.detail.contains("audit_unsealed"), "{change}: {found:?}");
        assert_eq!(number(app, UNSEALED).await, 1);
        sql(app, "DELETE FROM audit_unsealed").await;
        assert!(whole(app).await.broken.is_none());
    }
    test.close().await;
}

#[tokio::test]
async fn a_row_that_is_gone_before_its_seal_is_put_on_the_log_all_the_same() {
    let Some(test) = on_postgres().await else { return };
    let app = test.app();
    sql(app, "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'").await;
    sql(app, "CREATE TRIGGER gone BEFORE INSERT ON audit_unsealed FOR EACH ROW EXECUTE FUNCTION gone()").await;
    for n in 0..3 {
        record(app, n).await;
    }
    let found = whole(app).await;
    assert_eq!((found.checked, found.broken), (3, None));
    test.close().await;
}
