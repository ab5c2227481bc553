//! PostgreSQL: wires that fall silent, programs that freeze with locks in their hands, restarts, standbys.

use std::time::{Duration, Instant};

use futures::future::join_all;
use marketplace_tests::{
    Answer, Cluster, Engine, Http, Market, Server, Socket, Wire,
    cluster::connect,
    server::{ROOMY, execute},
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::bystanders::{SOON, changes_of, component_is, others_are_served, timed, works_again};

/// A statement in the story's database, past the program.
async fn plain(app: &Server) -> PgConnection {
    connect(&app.database.url).await
}

fn without_wire(app: &mut Server, wire: &Wire, real: &str) {
    assert!(app.database.url.contains(&wire.address.to_string()));
    real.clone_into(&mut app.database.url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_die_without_a_word_are_replaced() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let (app, wire) = Server::start_over_a_wire(ROOMY).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    // Twice: while they are at rest, and while all of them are in the middle of something.
    for busy in [false, true] {
        // As many connections as there can be.
        join_all((0..40).map(|_| jon.get("/v1/me"))).await;
        let made = wire.connections();
        let work = tokio::spawn({
            let jon = jon.clone();
            async move {
                let mut taken = Vec::new();
                let begun = Instant::now();
                while busy && begun.elapsed() < Duration::from_secs(8) {
                    taken.extend(join_all((0..8).map(|_| timed(jon.get("/v1/me")))).await);
                }
                taken
            }
        });
        tokio::time::sleep(Duration::from_millis(if busy { 300 } else { 1_200 })).await;
        wire.silence_old();
        for _ in 0..8 {
            others_are_served(&app, &bea.email).await;
        }
        let changed = timed(bea.patch("/v1/me", json!({ "name": "Bea Bold" }))).await;
        changed.0.ok();
        assert!(changed.1 < SOON);
        assert!(wire.connections() > made, "others were made");
        // Whoever was in the middle is told after the time that a statement may take, in words that are true.
        for (answer, took) in work.await.unwrap() {
            if !answer.status.is_success() {
                answer.refused(503, "unavailable");
                assert!(answer.headers.contains_key("retry-after"));
            }
            assert!(took < Duration::from_secs(9), "{took:?}");
        }
    }
    app.as_nobody().get("/readyz").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_is_told_at_once_and_found_again_at_once() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let (app, wire) = Server::start_over_a_wire(ROOMY).await;
    let jon = app.as_client().await;
    wire.silence();
    // The first find it out; nobody after them waits.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(8) {
        jon.get("/v1/me").await.refused(503, "unavailable");
        app.as_nobody().get("/healthz").await.ok();
    }
    let (answers, took) = {
        let begun = Instant::now();
        let answers = join_all((0..20).map(|_| jon.get("/v1/me"))).await;
        (answers, begun.elapsed())
    };
    for answer in answers {
        answer.refused(503, "unavailable");
    }
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(app.as_nobody().get("/readyz").await.status.as_u16(), 503);
    component_is(&app, "database", false).await;
    wire.speak();
    works_again("a read", async || jon.get("/v1/me").await).await;
    works_again("a write", async || jon.patch("/v1/me", json!({ "name": "Jon Again" })).await).await;
    app.as_nobody().get("/readyz").await.ok();
    component_is(&app, "database", true).await;
    assert_eq!(changes_of(&app, "database"), 2, "one line when it fails, and one when it works again");
}

/// A server that is stopped in the middle of a unit keeps what it has locked; here the end of the audit log, which all staff
/// need, and a thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_the_others_three_seconds_at_most() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let market = Market::open(Engine::Postgres).await;
    let app = &market.app;
    let other = app.beside().await;
    let mut hers = Socket::connect(&market.ada, None).await;
    // The other server waits for the end of the audit log in the middle of a unit that has written already; when it gets it,
    // it is stopped.
    let mut holder = plain(app).await;
    holder.execute("BEGIN; SELECT * FROM audit_head FOR UPDATE").await.unwrap();
    let note = format!("/v1/admin/users/{}/notes", market.jon.id);
    let frozen = tokio::spawn({
        let (sam, note) = (other.as_seen(&market.sam), note.clone());
        async move { sam.post(&note, json!({ "body": "from the frozen one" })).await }
    });
    let mut watcher = plain(app).await;
    until(
        &mut watcher,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )
    .await;
    other.freeze();
    holder.execute("COMMIT").await.unwrap();
    until(
        &mut watcher,
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()",
    )
    .await;
    // Those who have nothing to do with it notice nothing: people's work and live delivery.
    others_are_served(app, &market.jon.email).await;
    let (sent, took) = timed(market.jon.message(&market.thread, "m1", "while somebody is frozen")).await;
    sent.ok();
    assert!(took < SOON, "{took:?}");
    let begun = Instant::now();
    hers.wait_for("message", |frame: &Value| frame["message"]["content"] == "while somebody is frozen").await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    // Staff wait for the lock until the database takes it away.
    let (noted, took) = timed(market.sam.post(&note, json!({ "body": "from the other one" }))).await;
    noted.ok();
    assert!(took < Duration::from_secs(4), "{took:?}");
    // And the frozen one does what it was asked, when it can.
    other.thaw();
    frozen.await.unwrap().ok();
    let seen = market.sam.get(&format!("/v1/admin/users/{}", market.jon.id)).await.ok().to_string();
    assert!(seen.contains("from the frozen one") && seen.contains("from the other one"), "{seen}");
}

async fn until(watcher: &mut PgConnection, count: &'static str) {
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *watcher).await.unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{count}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_transactions_of_others_do_not_stop_live_delivery() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let market = Market::open(Engine::Postgres).await;
    let mut hers = Socket::connect(&market.ada, None).await;
    // In another database of the cluster, and in this one.
    let elsewhere = std::env::var("MARKETPLACE_TEST_POSTGRES_URL").unwrap();
    let mut idle = Vec::new();
    for url in [&elsewhere, &market.app.database.url] {
        let mut connection = connect(url).await;
        connection.execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
        idle.push(connection);
    }
    for n in 0..5 {
        let text = format!("number {n}");
        let begun = Instant::now();
        market.jon.message(&market.thread, &text, &text).await.ok();
        hers.wait_for("message", |frame: &Value| frame["message"]["content"] == *text).await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    // Staff see it as well.
    let begin = market.sam.get("/v1/admin/events").await.ok();
    market.jon.message(&market.thread, "last", "last").await.ok();
    let after = format!("/v1/admin/events?after={}", begin["cursor"].as_str().unwrap());
    let page = market.sam.get(&after).await.ok();
    assert!(!page["items"].as_array().unwrap().is_empty(), "{page}");
    let lag = market.app.metrics().await;
    assert!(lag.contains("event_lag_seconds"), "{lag}");
}

/// A lock that somebody holds for long, such as a migration that got stuck: whoever needs it is told, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_does_not_come_is_told_as_such() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let app = Server::start(Engine::Postgres).await;
    let (jon, bea) = (app.as_client().await, app.as_client().await);
    let mut holder = plain(&app).await;
    holder.execute("BEGIN").await.unwrap();
    sqlx::query("SELECT * FROM users WHERE id = $1::text::uuid FOR UPDATE")
        .bind(&jon.id)
        .execute(&mut holder)
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let jon = jon.clone();
        // More than there are connections.
        async move { join_all((0..12).map(|_| timed(jon.patch("/v1/me", json!({ "name": "Jon New" }))))).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    for _ in 0..3 {
        others_are_served(&app, &bea.email).await;
    }
    for (answer, took) in waiting.await.unwrap() {
        assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
        assert!(answer.headers.contains_key("retry-after"));
        assert!(took < Duration::from_secs(12), "{took:?}");
    }
    holder.close().await.unwrap();
    works_again("the same", async || jon.patch("/v1/me", json!({ "name": "Jon New" })).await).await;
}

/// Whatever the server says about itself is no fault of the request's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_says_about_itself_is_503_and_never_500() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let app = Server::start(Engine::Postgres).await;
    let jon = app.as_client().await;
    let mut plain = plain(&app).await;
    for code in [
        "25006", "25P03", "40001", "40P01", "53000", "53100", "53200", "53300", "53400", "55P03", "57000", "57014",
        "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030", "08000", "08003", "08006", "08P01", "42501",
        "42P01", "3F000",
    ] {
        let trigger = format!(
            "CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}'; END $$; \
             CREATE OR REPLACE TRIGGER fails BEFORE UPDATE ON users FOR EACH ROW WHEN (NEW.name = 'Fails') EXECUTE FUNCTION fails()"
        );
        plain.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))).await.unwrap();
        let answer = jon.patch("/v1/me", json!({ "name": "Fails" })).await;
        assert_eq!(answer.status.as_u16(), 503, "{code}: {}", answer.text());
        answer.problem();
        assert!(answer.headers.contains_key("retry-after"), "{code}");
        assert!(!answer.text().contains("on purpose"), "{code}");
        jon.patch("/v1/me", json!({ "name": "Jon Works" })).await.ok();
    }
}

/// Keeps writing, and tells what was answered.
async fn writes_until(jon: &Http, end: Instant) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    let mut n = 0;
    while Instant::now() < end {
        n += 1;
        let ask = jon.request(Method::PATCH, "/v1/me").json(&json!({ "name": format!("Jon {n}") }));
        let answer = Answer::of(ask).await;
        answers.push((answer.status.as_u16(), answer.text()));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_restarted_or_read_only_is_503_meanwhile_and_writes_soon_after() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let app = Server::start_on(&cluster, ROOMY).await;
    let jon = app.as_client().await;
    let writing = |seconds| {
        let jon = jon.http.clone();
        tokio::spawn(async move { writes_until(&jon, Instant::now() + Duration::from_secs(seconds)).await })
    };
    let only_503 = |answers: Vec<(u16, String)>| {
        assert!(answers.iter().any(|(status, _)| *status == 503), "the fault was there");
        for (status, text) in answers {
            assert!([200, 503].contains(&status), "{status} {text}");
        }
    };
    let writer = writing(4);
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.stop();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    cluster.come_back().await;
    works_again("a write after the restart", async || jon.patch("/v1/me", json!({ "name": "Jon Back" })).await).await;
    only_503(writer.await.unwrap());
    // A primary that was told to take no writes, as one that was demoted.
    let writer = writing(3);
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.run(&["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"]).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    // It can be read; and is not ready, in words for operators.
    app.as_nobody().get("/v1/services").await.ok();
    component_is(&app, "database_writes", false).await;
    app.as_nobody().get("/readyz").await.refused(503, "unavailable");
    cluster.run(&["ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"]).await;
    works_again("a write on the primary", async || jon.patch("/v1/me", json!({ "name": "Jon Again" })).await).await;
    works_again("readiness", async || app.as_nobody().get("/readyz").await).await;
    only_503(writer.await.unwrap());
    assert!(changes_of(&app, "database_writes") <= 4, "a line for each change of state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_named_as_one_and_taken_once_it_is_the_primary() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut app = Server::start_on(&cluster, ROOMY).await;
    let jon = app.as_client().await;
    let standby = cluster.standby().await;
    // What a balancer does: the address stays, and behind it is another server.
    let real = app.database.url.clone();
    let on = |cluster: &Cluster| {
        let (_, name) = real.rsplit_once('/').unwrap();
        format!("{}/{name}", cluster.url().rsplit_once('/').unwrap().0)
    };
    app.kill();
    app.database.url = on(&standby);
    let said = app.refuses_to_start().await;
    assert!(said.1.contains("standby"), "{said:?}");
    assert_eq!(said.0, Some(7), "{said:?}");
    // A server that runs when the primary goes and the standby takes over.
    app.database.url = real.clone();
    let (host, _) = real.split_once('@').unwrap().1.split_once('/').unwrap();
    let mut wire = Wire::to_either(host, on(&standby).split_once('@').unwrap().1.split_once('/').unwrap().0).await;
    let (before, after) = real.split_once('@').unwrap();
    app.database.url = format!("{before}@{}/{}", wire.address, after.split_once('/').unwrap().1);
    app.run().await;
    let jon = app.still(&jon);
    jon.get("/v1/me").await.ok();
    // It leads to the standby before that was promoted: nothing works, and nothing is a fault of ours.
    wire.turn().await;
    for _ in 0..10 {
        jon.get("/v1/me").await.refused(503, "unavailable");
    }
    cluster.stop();
    standby.promote();
    works_again("a write on the new primary", async || jon.patch("/v1/me", json!({ "name": "Jon There" })).await).await;
    others_are_served(&app, &jon.email).await;
    without_wire(&mut app, &wire, &real);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_programs_are_marked_and_limited() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let app = Server::start(Engine::Postgres).await;
    // Valid requests would be refused as conflicts.
    let serializable = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$";
    plain(&app).await.execute(serializable).await.unwrap();
    let db = app.db().await;
    let mut reader = db.read().await.unwrap();
    for (name, value) in [
        ("statement_timeout", "5s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "2s"),
        ("default_transaction_isolation", "read committed"),
    ] {
        let set: String = marketplace_core::on!(&mut reader.conn(), |x, DB| {
            sqlx::query_scalar::<DB, String>("SELECT current_setting($1)").bind(name).fetch_one(x).await
        })
        .unwrap();
        assert_eq!(set, value, "{name}");
    }
    drop(reader);
    assert_eq!(execute(&db, "UPDATE users SET version = version WHERE FALSE").await, 0);
    db.close().await;
}

/// Everything that one thread is sent, and a lock that does not come, holds up those who send it there and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_one_row_leaves_connections_for_others() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let market = Market::open(Engine::Postgres).await;
    let app = &market.app;
    let bea = app.as_client().await;
    let mut holder = plain(app).await;
    holder.execute("BEGIN; SELECT * FROM threads FOR UPDATE").await.unwrap();
    let crowd = tokio::spawn({
        let (jon, ada, thread) = (market.jon.clone(), market.ada.clone(), market.thread.clone());
        async move {
            let sent = (0..40).flat_map(|n| [(n, &jon), (n, &ada)]).map(|(n, who)| {
                let thread = thread.clone();
                async move { who.message(&thread, &format!("crowd {n}"), "x").await }
            });
            join_all(sent).await
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        others_are_served(app, &bea.email).await;
        let (ready, took) = timed(app.as_nobody().get("/readyz")).await;
        ready.ok();
        assert!(took < SOON, "readiness: {took:?}");
    }
    holder.execute("COMMIT").await.unwrap();
    for answer in crowd.await.unwrap() {
        assert!([200, 201, 429, 503].contains(&answer.status.as_u16()), "{}", answer.text());
    }
    component_is(app, "database_writes", true).await;
    let told = app.output().lines().filter(|line| line.contains("somebody holds a lock")).count();
    assert_eq!(told, 1, "once, where it changes");
    works_again("a message", async || market.jon.message(&market.thread, "after", "after").await).await;
}

/// A synchronous standby that is away: COMMIT waits for it without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_are_not_confirmed_are_refused_at_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let app = Server::start_on(&cluster, ROOMY).await;
    let people = join_all((0..6).map(|_| app.as_client())).await;
    cluster.run(&["ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"]).await;
    let write = |n: usize| people[n % people.len()].patch("/v1/me", json!({ "name": format!("Name {n}") }));
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The first find it out.
    join_all((0..12).map(write)).await;
    component_is(&app, "database_writes", false).await;
    let mut watcher = connect(&cluster.url()).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let before: i64 = sqlx::query_scalar(waiting).fetch_one(&mut watcher).await.unwrap();
    let begun = Instant::now();
    let mut n = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        n += 1;
        let (answer, took) = timed(write(n)).await;
        answer.refused(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        assert!(took < Duration::from_millis(500), "{took:?}");
        people[0].get("/v1/me").await.ok();
        app.as_nobody().get("/readyz").await.refused(503, "unavailable");
    }
    let after: i64 = sqlx::query_scalar(waiting).fetch_one(&mut watcher).await.unwrap();
    assert_eq!(after, before, "no more are left behind");
    cluster
        .run(&[
            "SET synchronous_commit = local",
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SELECT pg_reload_conf()",
        ])
        .await;
    works_again("a write", async || write(0).await).await;
    works_again("readiness", async || app.as_nobody().get("/readyz").await).await;
    assert_eq!(changes_of(&app, "database_writes"), 2, "one line when it fails, and one when it works again");
}
