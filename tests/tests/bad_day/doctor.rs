//! The doctor names what is wrong, and makes nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{collections::BTreeMap, path::Path};

use marketplace_tests::{Engine, Market, Server, cli::Cli, database::Database, server, stories};
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};

stories![
    a_marketplace_in_order_is_looked_at_all_over,
    one_in_which_nothing_happened_yet_is_in_order,
    keys_that_are_missing_or_foreign_are_named
];

/// What the doctor says: each check's verdict and words, and the exit code.
async fn look(command: &Cli) -> (BTreeMap<String, (String, String)>, i32) {
    let ended = command.run(&["doctor"]).await;
    let rows = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let mut found = BTreeMap::new();
    for row in rows {
        let seen = (text(&row, "status"), text(&row, "detail"));
        // The worst of a name counts.
        if found.get(&text(&row, "name")).is_none_or(|(status, _)| status == "ok") {
            found.insert(text(&row, "name"), seen);
        }
    }
    (found, ended.code)
}

/// Every file below a folder, with its size.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
        }
    }
    all.sort();
    all
}

/// No server has run, and no file was stored.
async fn one_in_which_nothing_happened_yet_is_in_order(engine: Engine) {
    let server = Server::prepare(engine, &[]).await;
    let command = Cli::direct(&server);
    assert_eq!(command.run(&["db", "migrate"]).await.code, 0);
    let colleague = ["users", "create", "--role", "support", "--email", "lea@example.org", "--name", "Lea", "--yes"];
    assert_eq!(command.run(&colleague).await.code, 0);
    let (found, code) = look(&command).await;
    assert_eq!((code, found["file store"].0.as_str()), (0, "ok"), "{found:#?}");
}

async fn a_marketplace_in_order_is_looked_at_all_over(engine: Engine) {
    let mut market = Market::open(engine).await;
    let command = Cli::direct(&market.app);
    let before = files(&market.app.data().join("files"));
    let (found, code) = look(&command).await;
    assert_eq!(code, 0, "{found:#?}");
    let mut names =
        vec!["database", "schema", "keys", "file store", "stored file", "audit log", "due work", "retention"];
    names.extend((engine == Engine::Sqlite).then_some("integrity"));
    for name in names {
        assert_eq!(found[name].0, "ok", "{name}: {found:#?}");
    }
    assert!(found["stored file"].1.contains("opens with its key"), "{found:#?}");
    assert_eq!(files(&market.app.data().join("files")), before, "what it put is gone again");

    let db = market.app.db().await;
    server::execute(&db, "UPDATE audit_log SET action = 'nothing' WHERE seq = 2").await;
    db.close().await;
    let (found, code) = look(&command).await;
    assert_eq!((code, found["audit log"].0.as_str()), (1, "failed"), "{found:#?}");
    assert!(found["audit log"].1.contains("row 2"), "{found:#?}");

    if engine == Engine::Sqlite {
        market.app.stop().await;
        let path = market.app.data().join("marketplace.db");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4_096 * 4_096;
        bytes[middle..middle + 8_192].fill(0x5A);
        std::fs::write(&path, bytes).unwrap();
        let (found, code) = look(&command).await;
        assert_eq!((code, found["integrity"].0.as_str()), (1, "failed"), "{found:#?}");
    }
}

async fn keys_that_are_missing_or_foreign_are_named(engine: Engine) {
    let mut market = Market::open(engine).await;
    market.app.stop().await;
    let keys = market.app.data().join("keys");
    let command = Cli::direct(&market.app);
    let master = std::fs::read(keys.join("master.key")).unwrap();

    std::fs::write(keys.join("master.key"), STANDARD.encode([7; 32])).unwrap();
    let (found, code) = look(&command).await;
    assert_eq!((code, found["keys"].0.as_str()), (1, "failed"), "{found:#?}");
    assert!(found["keys"].1.contains("another key"), "{found:#?}");

    std::fs::remove_file(keys.join("master.key")).unwrap();
    let (found, code) = look(&command).await;
    assert_eq!((code, found["keys"].0.as_str()), (1, "failed"), "{found:#?}");
    assert!(found["keys"].1.contains("missing"), "{found:#?}");
    assert!(!keys.join("master.key").exists(), "the doctor makes no keys");

    // Others can read it now, which keeps nothing else from being looked at.
    std::fs::write(keys.join("master.key"), master).unwrap();
    let (found, _) = look(&command).await;
    assert!(found["keys"].1.contains("chmod 600"), "{found:#?}");
    assert_eq!(found["stored file"].0, "ok", "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_path_makes_nothing_and_harms_nothing() {
    let server = Server::prepare(Engine::Sqlite, &[]).await;
    let folder = server.scratch().join("elsewhere");
    let before = files(server.scratch());
    let mut server = server;
    server.database.url = format!("sqlite://{}", folder.join("mistyped.db").display());
    let command = Cli::direct(&server);
    let others: [&[&str]; 6] = [
        &["users", "list"],
        &["db", "status"],
        &["db", "migrate", "--dry-run"],
        &["kyc", "next", "--yes"],
        &["audit", "verify"],
        &["stats"],
    ];
    for arguments in others {
        let ended = command.run(arguments).await;
        assert_eq!(ended.code, 7, "{}: {}", ended.command, ended.stderr);
        assert!(ended.stderr.contains("there is no database at"), "{}: {}", ended.command, ended.stderr);
    }
    let (found, code) = look(&command).await;
    assert_eq!((code, found["database"].0.as_str()), (1, "failed"), "{found:#?}");
    assert_eq!(files(server.scratch()), before);
    assert!(!folder.exists());

    // Another program's files.
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("letter.txt"), "Dear Sir or Madam, ".repeat(500)).unwrap();
    let theirs = folder.join("theirs.db");
    let mut other = SqliteConnectOptions::new().filename(&theirs).create_if_missing(true).connect().await.unwrap();
    other.execute("CREATE TABLE bookmarks (url TEXT)").await.unwrap();
    other.close().await.unwrap();
    for name in ["letter.txt", "theirs.db"] {
        let path = folder.join(name);
        let content = std::fs::read(&path).unwrap();
        server.database.url = format!("sqlite://{}", path.display());
        let command = Cli::direct(&server);
        for arguments in [&["users", "list"][..], &["db", "migrate"], &["db", "seed", "--users", "1", "--yes"]] {
            let ended = command.run(arguments).await;
            assert_eq!(ended.code, 7, "{name}: {}: {}", ended.command, ended.stderr);
        }
        let (found, code) = look(&command).await;
        assert_eq!((code, found["database"].0.as_str()), (1, "failed"), "{found:#?}");
        assert!(server.refusal().await.contains("database"));
        assert_eq!(std::fs::read(&path).unwrap(), content, "{name} was changed");
    }
    assert!(!folder.join("keys").exists());
}

/// A database of PostgreSQL that keeps bytes as they come: names in it could be anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_in_utf_8_is_refused() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let mut server = Server::prepare(Engine::Postgres, &[]).await;
    let options: sqlx::postgres::PgConnectOptions = server.database.url.parse().unwrap();
    let name = format!("{}_ascii", options.get_database().unwrap());
    let mut owner = options.connect().await.unwrap();
    let text = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER 'libc'"
    );
    owner.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    let good: &Database = &server.database;
    server.database.url = good.url.replace(options.get_database().unwrap(), &name);
    let command = Cli::direct(&server);
    for arguments in [&["db", "migrate"][..], &["db", "status"], &["users", "list"]] {
        let ended = command.run(arguments).await;
        assert_eq!(ended.code, 7, "{}: {}", ended.command, ended.stderr);
        assert!(ended.stderr.contains("SQL_ASCII"), "{}: {}", ended.command, ended.stderr);
    }
    assert!(server.refusal().await.contains("SQL_ASCII"));
    let (found, code) = look(&command).await;
    assert_eq!((code, found["schema"].0.as_str()), (1, "failed"), "{found:#?}");
    owner.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_in_utf_8_is_refused() {
    let server = Server::prepare(Engine::Sqlite, &[]).await;
    let path = server.data().join("marketplace.db");
    let mut other = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
    other.execute("PRAGMA encoding = 'UTF-16'; CREATE TABLE x (y); DROP TABLE x").await.unwrap();
    other.close().await.unwrap();
    let ended = Cli::direct(&server).run(&["db", "migrate"]).await;
    assert_eq!(ended.code, 7, "{}", ended.stderr);
    assert!(ended.stderr.contains("UTF-16"), "{}", ended.stderr);
    assert!(server.refusal().await.contains("UTF-16"));
}
