//! Starting: several programs at once, with few rights, on what does not fit.

use std::path::Path;

use marketplace_tests::{Engine, Market, Server, cli::Cli, database::Database, server, stories};
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, Executor};

stories![programs_that_start_at_once_on_nothing_all_start, an_edited_migration_is_refused_by_name];

async fn programs_that_start_at_once_on_nothing_all_start(engine: Engine) {
    for _ in 0..6 {
        let server = Server::prepare(engine, server::ROOMY).await;
        let command = Cli::direct(&server);
        let seed = ["db", "seed", "--users", "20", "--attempts", "2", "--pictures", "none", "--yes"];
        let (first, second, migrated, again, seeded) = tokio::join!(
            server.beside(),
            server.beside(),
            command.run(&["db", "migrate"]),
            command.run(&["db", "migrate"]),
            async {
                // PostgreSQL is brought up to date only by those that are told to.
                if engine == Engine::Sqlite { Some(command.run(&seed).await) } else { None }
            },
        );
        for ended in [Some(migrated), Some(again), seeded].into_iter().flatten() {
            assert_eq!(ended.code, 0, "{}: {}", ended.command, ended.stderr);
        }
        // Each started at its first try.
        assert!(!server.output().contains("error:"), "{}", server.output());
        for url in [&first.url, &second.url] {
            marketplace_tests::Http::new(url).get("/v1/services").await.ok();
        }
        let keys = |name: &str| std::fs::read(server.data().join("keys").join(name)).unwrap();
        assert!(!keys("master.key").is_empty() && !keys("jwt-0001.key").is_empty());
        let names: Vec<_> =
            std::fs::read_dir(server.data().join("keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| Path::new(name).extension().is_none_or(|end| end != "tmp")), "{names:?}");
    }
}

async fn an_edited_migration_is_refused_by_name(engine: Engine) {
    let server = Server::start(engine).await;
    let db = server.db().await;
    server::execute(&db, "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations WHERE version = 1) WHERE version = 3").await;
    db.close().await;
    let mut server = server;
    server.kill();
    let command = Cli::direct(&server);
    for arguments in [&["db", "migrate"][..], &["db", "status"], &["users", "list"]] {
        let ended = command.run(arguments).await;
        assert_eq!(ended.code, 7, "{}: {}", ended.command, ended.stderr);
        assert!(ended.stderr.contains("migration 3 (kyc)"), "{}: {}", ended.command, ended.stderr);
    }
    let refused = server.refusal().await;
    assert!(refused.contains("migration 3 (kyc)"), "{refused}");
    let seen = command.run(&["doctor"]).await;
    assert_eq!(seen.code, 1, "{}", seen.stdout);
    assert!(failed(&seen.stdout, "schema").contains("migration 3 (kyc)"), "{}", seen.stdout);
}

/// What the doctor says of a check that failed.
fn failed(output: &str, name: &str) -> String {
    let rows = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = rows.into_iter().find(|row| row["name"] == name && row["status"] == "failed");
    found.map_or_else(String::new, |row| row["detail"].as_str().unwrap_or_default().to_owned())
}

/// A database of PostgreSQL with a role of its own that may read and change rows, and nothing else.
async fn dml_only(database: &Database) -> String {
    let name = format!("runner_{}", marketplace_tests::database::random_id().simple());
    let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let mut owner = options.connect().await.unwrap();
    for text in [
        format!("CREATE ROLE {name} LOGIN PASSWORD 'runner'"),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
        format!("GRANT USAGE ON SCHEMA public TO {name}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}"),
        format!("GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {name}"),
    ] {
        owner.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    }
    owner.close().await.unwrap();
    name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_changes_only_rows_can_run_a_server() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let mut server = Server::start(Engine::Postgres).await;
    server.kill();
    let role = dml_only(&server.database).await;
    let owner = server.database.url.clone();
    let (_, place) = owner.split_once('@').unwrap();
    // Nothing listens on the first of the hosts.
    let hosts = format!("127.0.0.1:1,{place}?target_session_attrs=read-write");
    server.database.url = format!("postgres://{role}:runner@{hosts}");
    server.arguments.clear();
    // What is missing is named where it starts and by the doctor, and not found out later.
    let run_as_owner = async |text: String| {
        let options: sqlx::postgres::PgConnectOptions = owner.parse().unwrap();
        options.connect().await.unwrap().execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    };
    for (right, what) in [
        ("USAGE", "SEQUENCE event_batches"),
        ("INSERT", "TABLE messages"),
        ("SELECT", "TABLE _sqlx_migrations"),
        ("USAGE", "SCHEMA public"),
    ] {
        let from = if what.starts_with("SCHEMA") { format!("{role}, PUBLIC") } else { role.clone() };
        run_as_owner(format!("REVOKE {right} ON {what} FROM {from}")).await;
        let (code, said) = server.refuses_to_start().await;
        let name = what.split_once(' ').unwrap().1;
        assert!(code == Some(7) && said.contains(name), "{what}: {code:?} {said}");
        let doctor = Cli::direct(&server).run(&["doctor", "-o", "jsonl"]).await;
        assert!(doctor.stdout.contains(name), "{what}: {}", doctor.stdout);
        run_as_owner(format!("GRANT {right} ON {what} TO {from}")).await;
    }
    server.run().await;
    // People meet, agree, work and review.
    let market = Market::on(server).await;
    market.job("finalized").await;
    let mut server = market.app;
    let status = Cli::direct(&server).run(&["db", "status"]).await;
    assert_eq!(status.code, 0, "{}", status.stderr);
    server.kill();
    server.database.url = owner;
    let options: sqlx::postgres::PgConnectOptions = server.database.url.parse().unwrap();
    let mut owner = options.connect().await.unwrap();
    for text in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        owner.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    }
}
