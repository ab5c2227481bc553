//! Disks that are full or broken for a while.

use std::time::Duration;

use marketplace_tests::{
    Engine, Market,
    cli::Cli,
    fault::{Faults, SmallDisk, errno},
    server::ROOMY,
};
use serde_json::json;
use sqlx::ConnectOptions;

use crate::ledger::{Writers, count, is_up, reads_go_on, recovers, soon};

/// A market over SQLite whose disk can be made to fail; none, with a word about it, where that cannot be done.
async fn market() -> Option<(Market, Faults)> {
    let faults = Faults::new()?;
    let app = marketplace_tests::Server::start_under(&faults, Engine::Sqlite, ROOMY).await;
    Some((Market::on(app).await, faults))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_fails_for_a_while_stops_only_writes_and_only_meanwhile() {
    let Some((mut market, faults)) = market().await else { return };
    let writers = Writers::start(&market, 8);
    let cases = [
        (errno::ENOSPC, "write"),
        (errno::EIO, "write"),
        (errno::EIO, "fsync"),
        (errno::ENOSPC, "fsync"),
        (errno::EDQUOT, "write,fsync,truncate"),
        (errno::EROFS, "write"),
        (errno::EFBIG, "write"),
        (errno::ESTALE, "write,fsync"),
        (errno::EACCES, "write"),
    ];
    for (error, calls) in cases {
        let case = format!("error {error} of {calls}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        faults.fail(error, calls, "marketplace.db-wal");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let refused = soon(&case, market.ada.message(&market.thread, "x", "x")).await;
        let problem = refused.refused(503, "unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains("closed") && detail.contains("nothing was changed"), "{case}: {detail}");
        assert!(refused.headers.contains_key("retry-after"), "{case}");
        market.app.as_nobody().get("/readyz").await.refused(503, "unavailable");
        market.app.as_nobody().get("/healthz").await.ok();
        is_up(&market, "database_writes", false).await;
        // Another is refused in the same words, and a log-in too, as it writes.
        soon(&case, market.app.log_in(&market.jon.email)).await.refused(503, "unavailable");
        reads_go_on(&market).await;
        faults.heal();
        recovers(&market).await;
    }
    let record = writers.stop().await;
    assert!(!record.ledger.refused.is_empty());
    for refusal in &record.ledger.refusals {
        assert_eq!(refusal["status"], 503, "{refusal}");
    }
    // One line when it fails and one when it works again, however many were refused.
    let lines = count(&market, "the component fails") + count(&market, "the component works again");
    assert!(lines <= 4 * cases.len(), "{lines} lines:\n{}", market.app.output());
    assert_eq!(count(&market, "request failed"), 0, "a line for each that was refused");
    market.app.kill();
    market.app.run().await;
    record.check(&market.app.still(&market.ada)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_error_costs_one_moment_whatever_file_it_hits() {
    let Some((mut market, faults)) = market().await else { return };
    let writers = Writers::start(&market, 8);
    for (error, calls, ending) in [
        (errno::EIO, "fsync", ".db"),
        (errno::ENOSPC, "write,truncate", ".db"),
        (errno::EIO, "read", ".db-wal"),
        (errno::EIO, "write,fsync,read", ".db-shm"),
        (errno::ENOMEM, "open", ".db-wal"),
        (errno::EACCES, "open", ".db"),
        (errno::EIO, "read,write,fsync,truncate,open", ".db"),
        (errno::EIO, "read,write,fsync,truncate,open", ".db-wal"),
    ] {
        tokio::time::sleep(Duration::from_millis(100)).await;
        faults.fail(error, calls, ending);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            for answer in [market.jon.get("/v1/services").await, market.jon.get("/v1/threads").await] {
                assert!(answer.status.is_success() || answer.status == 503, "{ending} {calls}: {}", answer.text());
            }
        }
        faults.heal();
        recovers(&market).await;
        reads_go_on(&market).await;
    }
    let record = writers.stop().await;
    market.app.kill();
    market.app.run().await;
    record.check(&market.app.still(&market.ada)).await;
}

/// The commit mark of what could not be made durable is in the file when the server dies: after a restart it would be found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_not_there_after_a_kill_either() {
    let Some((mut market, faults)) = market().await else { return };
    for round in 0..4 {
        let writers = Writers::start(&market, 4);
        tokio::time::sleep(Duration::from_millis(200)).await;
        faults.fail(errno::EIO, "fsync", ".db-wal");
        tokio::time::sleep(Duration::from_millis(100 + 150 * round)).await;
        market.app.kill();
        let record = writers.stop().await;
        faults.heal();
        market.app.run().await;
        for person in [&mut market.ada, &mut market.jon, &mut market.sam] {
            *person = market.app.still(person);
        }
        record.check(&market.ada).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let mut app = marketplace_tests::Server::prepare(Engine::Sqlite, ROOMY).await;
    // With room for the log of SQLite, which is copied into the database from 32 MB on.
    let Some(disk) = SmallDisk::mount(&app.data().join("small"), 64 * 1024 * 1024) else { return };
    app.database.url = format!("sqlite://{}", disk.path().join("marketplace.db").display());
    app.run().await;
    let mut market = Market::on(app).await;
    let writers = Writers::start(&market, 8);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        disk.fill();
        // What the log has room for is still taken.
        let mut tries = 0;
        loop {
            let answer =
                soon("a write", market.ada.message(&market.thread, &format!("f{tries}"), &"x".repeat(3_900))).await;
            tries += 1;
            if !answer.status.is_success() {
                let problem = answer.refused(503, "unavailable");
                assert!(problem["detail"].as_str().unwrap().contains("disk is full"), "{problem}");
                break;
            }
            disk.fill();
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        reads_go_on(&market).await;
        let command = Cli::direct(&market.app).run(&["users", "list", "--limit", "1"]).await;
        assert_eq!(command.code, 0, "{}", command.stderr);
        disk.empty();
        recovers(&market).await;
    }
    let record = writers.stop().await;
    assert!(!record.ledger.refused.is_empty());
    market.app.kill();
    market.app.run().await;
    record.check(&market.app.still(&market.ada)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_another_program_holds_is_busy() {
    let market = Market::open(Engine::Sqlite).await;
    let path = market.app.database.url.trim_start_matches("sqlite://").to_owned();
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let writes = (0..20).map(|number| {
        let (jon, thread) = (market.jon.clone(), market.thread.clone());
        tokio::spawn(async move { jon.message(&thread, &format!("busy{number}"), "hello").await })
    });
    let writes: Vec<_> = writes.collect();
    reads_go_on(&market).await;
    let command = Cli::direct(&market.app).run(&["users", "freeze", &market.jon.id, "--reason", "spam", "--yes"]).await;
    assert_eq!(command.code, 6, "{} {}", command.code, command.stderr);
    assert!(command.stderr.contains("lock") && !command.stderr.contains("closed"), "{}", command.stderr);
    for write in writes {
        let answer = write.await.unwrap();
        let problem = answer.refused(503, "busy");
        assert!(problem["detail"].as_str().unwrap().contains("lock"), "{problem}");
        assert!(answer.headers.contains_key("retry-after"));
    }
    // Once it is known, nobody waits for it any more.
    soon("a write", market.jon.message(&market.thread, "later", "hello")).await.refused(503, "busy");
    market.app.as_nobody().get("/readyz").await.refused(503, "unavailable");
    reads_go_on(&market).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    recovers(&market).await;
    assert!(!market.app.output().contains("is closed"), "{}", market.app.output());
}

/// Logs, mails and files have folders of their own: what happens there stops nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_folders_of_logs_mails_and_files_stop_nothing_else() {
    let mut settings = ROOMY.to_vec();
    settings.push(("LOG__LEVEL", "trace"));
    let mut app = marketplace_tests::Server::prepare(Engine::Sqlite, &settings).await;
    let Some(disk) = SmallDisk::mount(&app.data().join("small"), 8 * 1024 * 1024) else { return };
    let data = app.data();
    for name in ["logs", "mail", "files"] {
        std::fs::create_dir(disk.path().join(name)).unwrap();
        std::os::unix::fs::symlink(disk.path().join(name), data.join(name)).unwrap();
    }
    app.output_folder = Some(disk.path().to_owned());
    app.run().await;
    let market = Market::on(app).await;
    disk.fill();
    // A last log-in fills what the log's last page had left.
    for _ in 0..5 {
        market.app.log_in(&market.jon.email).await.ok();
    }
    for number in 0..30 {
        market.jon.message(&market.thread, &format!("full{number}"), "hello").await.ok();
    }
    // Something is written to the log for each of these.
    market.app.as_nobody().get("/v1/nothing").await.refused(404, "not_found");
    let email = soon("a sign-up", market.app.sign_up("client", "Eve Ny")).await;
    soon("a log-in", market.app.log_in(&email)).await.ok();
    let stored = count_files(&disk.path().join("files"));
    let upload = soon("an upload", market.jon.attach(&market.thread, 7)).await;
    let problem = upload.refused(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("store"), "{problem}");
    assert_eq!(count_files(&disk.path().join("files")), stored, "half a file is left behind");
    is_up(&market, "files", false).await;
    let backup = disk.path().join("backup.bak");
    let command = Cli::direct(&market.app).run(&["db", "backup", backup.to_str().unwrap()]).await;
    assert_eq!(command.code, 7, "{}", command.stderr);
    assert!(command.stderr.contains("disk is full") || command.stderr.contains("No space"), "{}", command.stderr);
    let left: Vec<_> = std::fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("backup")), "{left:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    market.app.as_nobody().get("/readyz").await.ok();
    reads_go_on(&market).await;
    market.jon.message(&market.thread, "still", "hello").await.ok();
    disk.empty();
    market.jon.attach(&market.thread, 8).await.ok();
    is_up(&market, "files", true).await;
    market.jon.patch("/v1/me", json!({ "name": "Jon Lee" })).await.ok();
    assert_eq!(market.app.as_nobody().get("/readyz").await.status, 200);
}

/// What cannot be printed is not worth a panic, least of all one of the writer's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_that_takes_nothing_stops_nothing() {
    let Some(faults) = Faults::new() else { return };
    let mut settings = ROOMY.to_vec();
    settings.push(("LOG__LEVEL", "trace"));
    let app = marketplace_tests::Server::start_under(&faults, Engine::Sqlite, &settings).await;
    let market = Market::on(app).await;
    for ending in ["server.log", ".jsonl", "log"] {
        faults.fail(errno::ENOSPC, "write", ending);
        for number in 0..20 {
            market.jon.message(&market.thread, &format!("{ending}{number}"), "hello").await.ok();
        }
        market.app.log_in(&market.jon.email).await.ok();
        market.app.as_nobody().get("/readyz").await.ok();
        reads_go_on(&market).await;
        faults.heal();
    }
    // And a disk that is full for both: what the writer has to say of it goes nowhere.
    faults.fail_all(&[
        (errno::ENOSPC, "write", "server.log"),
        (errno::ENOSPC, "write", ".jsonl"),
        (errno::ENOSPC, "write", ".db-wal"),
    ]);
    soon("a write", market.jon.message(&market.thread, "refused", "hello")).await.refused(503, "unavailable");
    reads_go_on(&market).await;
    faults.heal();
    recovers(&market).await;
}

fn count_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// Nothing fails: it only does not come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_stops_only_writes() {
    let Some((market, faults)) = market().await else { return };
    faults.fail(-8_000, "fsync", ".db-wal");
    let (jon, thread) = (market.jon.clone(), market.thread.clone());
    let write = tokio::spawn(async move { jon.message(&thread, "slow", "hello").await });
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        reads_go_on(&market).await;
    }
    market.app.as_nobody().get("/readyz").await.refused(503, "unavailable");
    faults.heal();
    write.await.unwrap().ok();
    recovers(&market).await;
}
