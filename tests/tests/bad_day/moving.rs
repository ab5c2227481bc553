//! What becomes of those who follow the log of events when the database is restored, copied, or another one takes over: they
//! load anew, and from then on miss nothing and hear nothing twice.

use std::time::{Duration, Instant};

use marketplace_tests::{
    Cluster, Engine, Market, Person, Server, Socket, Wire,
    cli::Cli,
    database::Database,
    server::{ROOMY, number},
    socket::{End, Opening},
};
use serde_json::Value;
use sqlx::Executor;

/// Two who talk, of whom one listens; and staff who read the log.
struct Follower {
    market: Market,
    /// What the listener was told last, and staff.
    cursors: (String, String),
}

async fn tell(market: &Market, text: &str) {
    market.jon.message(&market.thread, text, text).await.ok();
}

fn says(text: &str) -> impl Fn(&Value) -> bool {
    let text = text.to_owned();
    move |frame| frame["message"]["content"] == *text
}

async fn staff_cursor(sam: &Person) -> String {
    sam.get("/v1/admin/events").await.ok()["cursor"].as_str().unwrap().to_owned()
}

impl Follower {
    /// Follows until `last` was heard.
    async fn after(market: Market, last: &str) -> Self {
        let mut ear = Socket::connect(&market.ada, None).await;
        tell(&market, last).await;
        ear.wait_for(last, says(last)).await;
        let cursors = (ear.cursor.clone(), staff_cursor(&market.sam).await);
        Self { market, cursors }
    }

    /// The same people on the server as it is since it was started again.
    fn come_back(&mut self) {
        let market = &mut self.market;
        for person in [&mut market.sam, &mut market.ada, &mut market.jon] {
            *person = market.app.still(person);
        }
    }

    /// Cursors from before are too old; whoever begins anew hears each message once.
    async fn begins_anew(&self) {
        let market = &self.market;
        let (own, staff) = &self.cursors;
        let mut ear = Socket::connect(&market.ada, None).await;
        let answer = again(&market.ada, own).await;
        assert_eq!(answer["type"], "resync_required", "{answer}");
        let cursor = answer["cursor"].as_str().unwrap().to_owned();
        let refused = market.sam.get(&format!("/v1/admin/events?after={staff}")).await.refused(409, "conflict");
        let from = refused["current"]["cursor"].as_str().unwrap().to_owned();
        for text in ["new one", "new two"] {
            tell(market, text).await;
            ear.wait_for(text, says(text)).await;
        }
        ear.is_quiet().await;
        // Who was away meanwhile hears the same, once, in order, and nothing of before.
        let mut late = Socket::connect(&market.ada, Some(&cursor)).await;
        for text in ["new one", "new two"] {
            let frame = late.frame("message").await;
            assert!(says(text)(&frame), "{frame}");
        }
        late.is_quiet().await;
        let page = market.sam.get(&format!("/v1/admin/events?after={from}")).await.ok();
        let messages = page["items"].as_array().unwrap().iter().filter(|event| event["kind"] == "message").count();
        assert_eq!(messages, 2, "{page}");
    }
}

/// What answers a hello with a cursor.
async fn again(person: &Person, cursor: &str) -> Value {
    let opening = Opening { token: person.http.token.clone(), ..Opening::default() };
    let begun = Instant::now();
    loop {
        if let Ok(mut socket) = Socket::open(person.base(), &opening).await {
            return socket.hello(Some(cursor)).await.unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no socket opens");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_file_begins_the_log_anew_however_it_was_restored() {
    for by_hand in [false, true] {
        let market = Market::open(Engine::Sqlite).await;
        tell(&market, "before").await;
        let backup = market.app.scratch().join("backup.db");
        let cli = Cli::direct(&market.app);
        cli.run(&["db", "backup", backup.to_str().unwrap()]).await.ok();
        // What is in no backup was told to people.
        let mut follower = Follower::after(market, "lost").await;
        let app = &mut follower.market.app;
        app.stop().await;
        if by_hand {
            // Over the old file, which stays the same file.
            let file = app.data().join("marketplace.db");
            std::fs::write(&file, std::fs::read(&backup).unwrap()).unwrap();
            for end in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{end}", file.display()));
            }
        } else {
            cli.run(&["db", "restore", backup.to_str().unwrap(), "--yes"]).await.ok();
        }
        app.run().await;
        follower.come_back();
        follower.begins_anew().await;
        // Starting again begins nothing anew.
        let cursor = staff_cursor(&follower.market.sam).await;
        let app = &mut follower.market.app;
        app.stop().await;
        app.run().await;
        follower.come_back();
        follower.market.sam.get(&format!("/v1/admin/events?after={cursor}")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_into_another_cluster_begins_the_log_anew() {
    let (Some(one), Some(other)) = (Cluster::start().await, Cluster::start().await) else { return };
    // Numbers of transactions of the first are far ahead of the second's, as those of an old system are.
    let mut busy = one.connect().await;
    for _ in 0..500 {
        busy.execute("SELECT pg_current_xact_id()").await.unwrap();
    }
    let market = Market::on(Server::start_on(&one, ROOMY).await).await;
    tell(&market, "before").await;
    let backup = market.app.scratch().join("backup.dump");
    Cli::direct(&market.app).run(&["db", "backup", backup.to_str().unwrap()]).await.ok();
    let mut follower = Follower::after(market, "lost").await;
    let app = &mut follower.market.app;
    app.stop().await;
    let elsewhere = Database::on(&other.url()).await;
    let first = std::mem::replace(&mut app.database, elsewhere);
    Cli::direct(app).run(&["db", "restore", backup.to_str().unwrap(), "--yes"]).await.ok();
    app.run().await;
    follower.come_back();
    follower.begins_anew().await;
    drop(first);
}

/// By force, over the database that a server has open: its sockets have to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_under_a_running_server_sends_its_sockets_away() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let market = Market::open(Engine::Postgres).await;
    tell(&market, "before").await;
    let backup = market.app.scratch().join("backup.dump");
    let cli = Cli::direct(&market.app);
    cli.run(&["db", "backup", backup.to_str().unwrap()]).await.ok();
    let follower = Follower::after(market, "lost").await;
    let mut ear = Socket::connect(&follower.market.ada, None).await;
    cli.run(&["db", "restore", backup.to_str().unwrap(), "--yes", "--force"]).await.ok();
    let (end, took) = ear.end().await;
    assert_eq!(end, End::Closed(1013));
    assert!(took < Duration::from_secs(5), "{took:?}");
    follower.begins_anew().await;
}

/// A standby that did not hear of the last messages takes over: what was told of them is history that never was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_begins_the_log_anew() {
    let Some(mut primary) = Cluster::start().await else { return };
    let mut app = Server::start_on(&primary, ROOMY).await;
    let standby = primary.standby().await;
    let host = |url: &str| url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let real = app.database.url.clone();
    let mut wire = Wire::to_either(&host(&real), &host(&standby.url())).await;
    app.database.url = real.replace(&host(&real), &wire.address.to_string());
    app.run().await;
    let market = Market::on(app).await;
    tell(&market, "before").await;
    // The standby has all of that, and nothing of what follows.
    let mut there = standby.connect().await;
    let begun = Instant::now();
    let mut copy = marketplace_tests::cluster::connect(&real.replace(&host(&real), &host(&standby.url()))).await;
    while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM messages").fetch_one(&mut copy).await.unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the standby follows");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    there.execute("SELECT pg_wal_replay_pause()").await.unwrap();
    there.execute("ALTER SYSTEM SET primary_conninfo = ''").await.unwrap();
    there.execute("SELECT pg_reload_conf()").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let follower = Follower::after(market, "lost").await;
    let mut ear = Socket::connect(&follower.market.ada, None).await;
    primary.stop();
    there.execute("SELECT pg_wal_replay_resume()").await.unwrap();
    drop((there, copy));
    standby.promote();
    wire.turn().await;
    let (end, took) = ear.end().await;
    assert_eq!(end, End::Closed(1013));
    assert!(took < Duration::from_secs(10), "{took:?}");
    follower.begins_anew().await;
    let mut follower = follower;
    follower.market.app.database.url = real;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_in_use_is_not_copied_unless_told_so() {
    if !Engine::Postgres.is_here() {
        return;
    }
    let market = Market::open(Engine::Sqlite).await;
    tell(&market, "before").await;
    let elsewhere = std::env::temp_dir();
    let target = Database::new(Engine::Postgres, &elsewhere).await;
    let rehearsal = Database::new(Engine::Postgres, &elsewhere).await;
    let cli = Cli::direct(&market.app);
    for url in [&target.url, &rehearsal.url] {
        cli.with_database(url).run(&["db", "migrate"]).await.ok();
    }
    let refused = cli.run(&["db", "copy", "--to", &target.url]).await;
    assert_eq!(refused.code, 5, "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("stop the server"), "{}", refused.stderr);
    let copied = cli.run(&["db", "copy", "--to", &rehearsal.url, "--while-running", "-o", "json"]).await;
    copied.ok();
    assert!(copied.stderr.contains("the source was in use"), "{}", copied.stderr);
    let copied = copied.json();
    assert!(copied["last_audit"].as_i64().unwrap() > 0 && copied["last_event"].as_i64().unwrap() > 0, "{copied}");
    // The server may have done some work of its own, such as telling somebody about the message.
    assert!(copied["written_since"].as_i64().is_some_and(|written| written <= 2), "{copied}");
    // The way to lose nothing.
    let mut follower = Follower::after(market, "lost").await;
    let app = &mut follower.market.app;
    app.stop().await;
    let copied = cli.json(&["db", "copy", "--to", &target.url]).await;
    assert_eq!(copied["written_since"], Value::Null, "{copied}");
    let file = std::mem::replace(&mut app.database, target);
    app.run().await;
    let db = app.db().await;
    assert_eq!(number(&db, "SELECT CAST(count(*) AS BIGINT) FROM messages").await, 2);
    db.close().await;
    follower.come_back();
    follower.begins_anew().await;
    drop((file, rehearsal));
}
