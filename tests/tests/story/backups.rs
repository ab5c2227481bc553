//! Backups of a marketplace in which there is something, on both engines.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use marketplace_core::{
    app::App,
    base::error::ErrorCode,
    config::{Config, Secret},
    db::{Conn, Engine},
    on,
    operations::{
        backup::{backup, restore},
        whole,
    },
    testing::{OPERATOR, apps},
};
use marketplace_seed::{self as seed, Images, Plan};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

fn config(folder: &TempDir) -> Config {
    let mut config = Config { data_dir: folder.path().into(), ..Config::default() };
    config.argon2.memory_kib = 64;
    config.argon2.iterations = 1;
    config
}

fn plan(seed: u64) -> Plan {
    Plan { users: 300, seed, attempts: Some(120), images: Images::None, ..Plan::default() }
}

/// What the full-text index finds, which is in the backup as the tables are.
async fn found(app: &App) -> (i64, i64) {
    let mut reader = app.db.read().await.unwrap();
    let mut conn = reader.conn();
    let Conn::Sqlite(conn) = &mut conn else { panic!("it is SQLite") };
    let count = async |conn: &mut SqliteConnection, text: &'static str| {
        sqlx::query_scalar::<_, i64>(text).fetch_one(conn).await.unwrap()
    };
    let visible = count(conn, "SELECT count(*) FROM services WHERE visible = 1").await;
    (visible, count(conn, "SELECT count(*) FROM services_fts WHERE services_fts MATCH '\"@\" *'").await)
}

async fn users(app: &App) -> i64 {
    let mut reader = app.db.read().await.unwrap();
    let users = "SELECT count(*) FROM users";
    on!(&mut reader.conn(), |conn, DB| sqlx::query_scalar::<DB, i64>(users).fetch_one(conn).await.unwrap())
}

#[tokio::test]
async fn a_backup_of_a_running_marketplace_comes_back() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = config(&folder);
    let file = elsewhere.path().join("monday.db");
    assert_eq!(backup(&config, &file, &OPERATOR).await.unwrap_err().code(), ErrorCode::NotFound);

    let app = App::open(config.clone()).await.unwrap();
    seed::run(&app, &plan(1), &|_| ()).await.unwrap();
    let before = found(&app).await;
    assert!(before.0 > 0 && before.0 == before.1, "{before:?}");
    let made = backup(&config, &file, &OPERATOR).await.unwrap();
    assert_eq!(made.bytes, fs::metadata(&file).unwrap().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(backup(&config, &file, &OPERATOR).await.unwrap_err().code(), ErrorCode::Conflict);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1, "no draft is left");

    // Later than the backup; and in use.
    seed::run(&app, &plan(2), &|_| ()).await.unwrap();
    assert_eq!(users(&app).await, 600);
    let refused = restore(&config, &file, false, &OPERATOR).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict, "{refused}");
    assert_eq!(users(&app).await, 600);
    app.close().await;

    let restored = restore(&config, &file, false, &OPERATOR).await.unwrap();
    let app = App::open(config.clone()).await.unwrap();
    assert_eq!((users(&app).await, found(&app).await), (300, before));
    assert_eq!(restored.schema, app.db.schema_state().await.unwrap().newest);
    app.close().await;
    // What was there is whole beside it.
    let kept = restored.kept.unwrap();
    let old = Config { database_url: Some(Secret::new(format!("sqlite://{}", kept.display()))), ..config };
    let app = App::open(old).await.unwrap();
    assert_eq!(users(&app).await, 600);
    app.close().await;
}

#[tokio::test]
async fn by_force_the_old_one_is_kept_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let file = folder.path().join("backup.db");
    let app = App::open(config.clone()).await.unwrap();
    backup(&config, &file, &OPERATOR).await.unwrap();
    seed::run(&app, &plan(1), &|_| ()).await.unwrap();
    let kept = restore(&config, &file, true, &OPERATOR).await.unwrap().kept.unwrap();
    assert!(fs::exists(format!("{}-wal", kept.display())).unwrap());
    app.close().await;
    let again = App::open(config).await.unwrap();
    assert_eq!(users(&again).await, 0);
    again.close().await;
}

#[tokio::test]
async fn what_is_no_backup_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let app = App::open(config.clone()).await.unwrap();
    seed::run(&app, &plan(1), &|_| ()).await.unwrap();
    let good = folder.path().join("good.db");
    backup(&config, &good, &OPERATOR).await.unwrap();
    app.close().await;

    let missing = restore(&config, &folder.path().join("missing"), false, &OPERATOR).await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
    let bytes = fs::read(&good).unwrap();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8_192].fill(0x5A);
    for (name, content) in
        [("empty", vec![]), ("text", b"hello".repeat(999)), ("cut", bytes[..9_000].to_vec()), ("damaged", damaged)]
    {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let refused = restore(&config, &path, true, &OPERATOR).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Invalid, "{name}: {refused}");
    }
    let newer = folder.path().join("newer.db");
    fs::copy(&good, &newer).unwrap();
    let mut conn = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&newer)).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = version + 1000").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    assert_eq!(restore(&config, &newer, true, &OPERATOR).await.unwrap_err().code(), ErrorCode::Unavailable);

    let app = App::open(config.clone()).await.unwrap();
    assert_eq!(users(&app).await, 300);
    app.close().await;

    // Nothing but a database of ours, or nothing, is replaced.
    let theirs = folder.path().join("theirs.db");
    let options = SqliteConnectOptions::new().filename(&theirs).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE recipes (name TEXT)").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let place = folder.path().join("places");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("text"), "hello").unwrap();
    symlink(&good, place.join("link")).unwrap();
    symlink("nowhere", place.join("dangling")).unwrap();
    fs::create_dir(place.join("folder")).unwrap();
    fs::copy(&theirs, place.join("theirs")).unwrap();
    for name in ["text", "link", "dangling", "folder", "theirs"] {
        let path = place.join(name);
        let url = Secret::new(format!("sqlite://{}", path.display()));
        let config = Config { database_url: Some(url), ..config.clone() };
        let before = fs::symlink_metadata(&path).unwrap();
        let refused = restore(&config, &good, true, &OPERATOR).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Conflict, "{name}: {refused}");
        let after = fs::symlink_metadata(&path).unwrap();
        assert_eq!((before.file_type(), before.len()), (after.file_type(), after.len()), "{name}");
    }
    assert_eq!(fs::read_dir(&place).unwrap().count(), 5, "nothing is left beside them");
}

#[tokio::test]
async fn postgres_by_its_own_tools() {
    for test in apps().await {
        let app = test.app();
        if app.db.engine() != Engine::Postgres || std::process::Command::new("pg_dump").output().is_err() {
            test.close().await;
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup.dump");
        seed::run(app, &plan(1), &|_| ()).await.unwrap();
        let made = backup(&app.config, &file, &OPERATOR).await.unwrap();
        assert!(made.bytes > 1_000);
        seed::run(app, &plan(2), &|_| ()).await.unwrap();
        assert_eq!(restore(&app.config, &file, false, &OPERATOR).await.unwrap_err().code(), ErrorCode::Conflict);
        let junk = folder.path().join("junk");
        fs::write(&junk, "hello").unwrap();
        assert_eq!(restore(&app.config, &junk, true, &OPERATOR).await.unwrap_err().code(), ErrorCode::Invalid);
        assert_eq!(users(app).await, 600);
        let restored = restore(&app.config, &file, true, &OPERATOR).await.unwrap();
        assert_eq!(restored.schema, app.db.schema_state().await.unwrap().newest);
        assert_eq!(users(app).await, 300);
        test.close().await;
    }
}

/// A program that runs on a schema can also restore what was backed up on it.
#[tokio::test]
async fn a_backup_of_a_schema_that_was_added_to_comes_back() {
    for (description, is_known) in [("expand jobs", true), ("change jobs", false)] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let app = App::open(config.clone()).await.unwrap();
        seed::run(&app, &plan(1), &|_| ()).await.unwrap();
        app.close().await;
        let database = folder.path().join("marketplace.db");
        let mut conn = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&database)).await.unwrap();
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                   SELECT max(version) + 1, ?, 1, x'00', 0 FROM _sqlx_migrations";
        sqlx::query(sql).bind(description).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        let (file, all) = (folder.path().join("one.db"), folder.path().join("all"));
        backup(&config, &file, &OPERATOR).await.unwrap();
        let whole = whole::back_up(&config, &all, false, &OPERATOR, &|_| ()).await;
        assert_eq!(whole.is_ok(), is_known, "{whole:?}");
        let restored = restore(&config, &file, false, &OPERATOR).await;
        if !is_known {
            assert_eq!(restored.unwrap_err().code(), ErrorCode::Unavailable);
            continue;
        }
        let state = async || {
            let app = App::open(config.clone()).await.unwrap();
            let state = app.db.schema_state().await.unwrap();
            let users = users(&app).await;
            app.close().await;
            (state.applied - state.newest, users)
        };
        assert_eq!(restored.unwrap().schema, whole.unwrap().schema);
        assert_eq!(state().await, (1, 300));
        whole::restore(&config, &all, false, &OPERATOR, &|_| ()).await.unwrap();
        assert_eq!(state().await, (1, 300));
    }
}
