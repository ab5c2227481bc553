//! A database that is backed up continuously while people use it, while servers and followers are killed, and while the place
//! for it is full or away; and what is restored from that.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use marketplace_core::time::{Clock, SystemClock, Timestamp};
use marketplace_tests::{
    Engine, Market, Server, bucket::Bucket, cli::Cli, fault::SmallDisk, people::PASSWORD, server::ROOMY,
};
use serde_json::{Value, json};

use crate::{ledger::Writers, number, within};

/// What a second's changes need at most to be stored, and what a loaded machine adds.
const STORED: Duration = Duration::from_millis(3_500);

/// `marketplace db backup --follow`, as a process.
struct Follower {
    process: Child,
    output: PathBuf,
}

impl Follower {
    fn spawn(server: &Server, place: &str, options: &[&str]) -> Self {
        Self::spawn_as(&Cli::direct(server), server, place, options)
    }

    fn spawn_as(cli: &Cli, server: &Server, place: &str, options: &[&str]) -> Self {
        let output = server.scratch().join(format!("follower-{}.jsonl", marketplace_tests::database::random_id()));
        // With its log, which says when it compares everything.
        let arguments = [&["db", "backup", "-v", "--follow", place], options].concat();
        let mut command = cli.command(&arguments);
        let log = File::create(&output).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self { process: command.spawn().unwrap(), output }
    }

    /// Starts one, and waits for its first base.
    async fn start(server: &Server, place: &str, options: &[&str]) -> Self {
        let follower = Self::spawn(server, place, options);
        follower.based().await
    }

    async fn based(self) -> Self {
        within(Duration::from_secs(30), "a base", async || self.has("base")).await;
        self
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    fn states(&self) -> Vec<String> {
        let lines: Vec<Value> = self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns how often it compared everything: once for each base, and when it missed something.
    fn comparisons(&self) -> usize {
        self.text().matches("the whole database is compared").count()
    }

    fn has(&self, state: &str) -> bool {
        self.states().iter().any(|found| found == state)
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for its end. Returns its exit code and what it wrote.
    async fn ended(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), self.text());
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not end: {}", self.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn stop(self) -> String {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(asked.unwrap().success());
        let (code, text) = self.ended().await;
        assert_eq!(code, Some(0), "{text}");
        text
    }
}

async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Returns the second that has just ended, once it has been stored.
async fn second() -> String {
    let now = SystemClock.now();
    let second = Timestamp::from_unix_seconds(now.unix_seconds() + 1);
    pause(second.since(now) + STORED).await;
    second.to_string()
}

/// Restores the database of a server that does not run, and starts it.
async fn restore(market: &mut Market, place: &str, options: &[&str]) -> Value {
    let cli = Cli::direct(&market.app);
    let restored = cli.json(&[&["db", "restore", place, "--yes"], options].concat()).await;
    market.app.run().await;
    for person in [&mut market.ada, &mut market.jon, &mut market.sam] {
        *person = market.app.still(person);
    }
    cli.run(&["audit", "verify"]).await.ok();
    restored
}

async fn texts(market: &Market) -> Vec<String> {
    let messages = market.ada.messages(&market.thread).await;
    messages.iter().filter_map(|message| Some(message["content"].as_str()?.to_owned())).collect()
}

/// With a market whose commands reach a bucket, if it has one.
async fn market(bucket: Option<&Bucket>) -> (Market, String) {
    let mut app = Server::prepare(Engine::Sqlite, ROOMY).await;
    let place = match bucket {
        Some(bucket) => {
            app.extra_environment = bucket.variables();
            "s3://bucket/market".to_owned()
        }
        None => app.scratch().join("followed").display().to_string(),
    };
    app.run().await;
    (Market::on(app).await, place)
}

async fn any_second_comes_back(bucket: Option<Bucket>) {
    let (mut market, place) = market(bucket.as_ref()).await;
    let follower = Follower::start(&market.app, &place, &[]).await;
    let writers = Writers::start(&market, 8);
    pause(Duration::from_secs(4)).await;
    let record = writers.stop().await;
    let between = second().await;
    market.jon.message(&market.thread, "later", "later").await.ok();
    let last = second().await;
    // Killed while it works, and everything else is, too.
    let writers = Writers::start(&market, 8);
    pause(Duration::from_millis(1_300)).await;
    follower.kill();
    market.app.kill();
    let _ = writers.stop().await;

    let restored = restore(&mut market, &place, &[]).await;
    record.check(&market.ada).await;
    assert!(texts(&market).await.contains(&"later".to_owned()), "{restored}");
    let rows = Cli::direct(&market.app).json(&["audit", "list", "--limit", "9", "--action", "db.restore"]).await;
    assert!(rows[0]["metadata"]["file"].as_str().is_some_and(|file| file.contains(" at 20")), "{rows}");
    for (at, is_later) in [(&between, false), (&last, true), (&between, false)] {
        market.app.kill();
        let restored = restore(&mut market, &place, &["--at", at]).await;
        assert!(restored["at"].as_str().unwrap() <= at.as_str() && restored["unknown"].is_null(), "{restored}");
        record.check(&market.ada).await;
        assert_eq!(texts(&market).await.contains(&"later".to_owned()), is_later, "{at}: {restored}");
    }
    // What was restored is another database, of which nothing is known yet; the bases of before stay.
    let follower = Follower::start(&market.app, &place, &[]).await;
    market.jon.message(&market.thread, "new", "new").await.ok();
    second().await;
    let ended = follower.stop().await;
    assert!(ended.contains("\"state\":\"ended\""), "{ended}");
    let listed = Cli::direct(&market.app).json(&["db", "restore", &place, "--list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    market.app.kill();
    restore(&mut market, &place, &[]).await;
    assert!(texts(&market).await.contains(&"new".to_owned()));
    market.app.kill();
    restore(&mut market, &place, &["--at", &between]).await;
    assert!(!texts(&market).await.contains(&"new".to_owned()));
    record.check(&market.ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_second_comes_back_from_a_folder() {
    any_second_comes_back(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_second_comes_back_from_a_bucket() {
    any_second_comes_back(Some(Bucket::start().await)).await;
}

/// While it is followed, and while people write, the log is emptied as soon as without a follower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_waits_for_no_follower() {
    let (mut market, place) = market(None).await;
    let follower = Follower::start(&market.app, &place, &[]).await;
    let log = market.app.data().join("marketplace.db-wal");
    let has = |text: &str| fs::read(&log).unwrap().windows(text.len()).any(|part| part == text.as_bytes());
    let writers = Writers::start(&market, 4);
    let mut gone = Vec::new();
    for number in 0..4 {
        let eve = market.app.as_client().await;
        let name = format!("Evangeline the {number}th");
        eve.patch("/v1/me", json!({ "name": name })).await.ok();
        assert!(has(&name));
        let before = second().await;
        eve.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
        let begun = Instant::now();
        within(Duration::from_secs(5), "the log is emptied", async || !has(&name)).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        within(Duration::from_secs(5), "it is done with", async || {
            self::number(&market.app, "SELECT count(*) FROM erasures").await == 0
        })
        .await;
        gone.push((eve, before));
    }
    let record = writers.stop().await;
    second().await;
    // Nothing is written: all was read when the log is emptied.
    let before = follower.comparisons();
    let eve = market.app.as_client().await;
    eve.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    within(Duration::from_secs(5), "the log is emptied", async || {
        self::number(&market.app, "SELECT count(*) FROM erasures").await == 0
    })
    .await;
    second().await;
    eprintln!("compared {before} times under load, {} after", follower.comparisons());
    follower.stop().await;
    market.app.kill();
    restore(&mut market, &place, &[]).await;
    record.check(&market.ada).await;
    for (eve, _) in &gone {
        market.app.log_in(&eve.email).await.refused(401, "unauthenticated");
    }
    // Until the base is removed, they are in it.
    let (eve, before) = &gone[2];
    market.app.kill();
    restore(&mut market, &place, &["--at", before]).await;
    market.app.log_in(&eve.email).await.ok();
}

/// The segments in a folder, in order.
fn segments(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for base in fs::read_dir(place).unwrap().flatten().filter(|base| base.path().is_dir()) {
        found.extend(fs::read_dir(base.path()).unwrap().map(|segment| segment.unwrap().path()));
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_is_named_and_refused() {
    let (mut market, place) = market(None).await;
    let early = (SystemClock.now() - Duration::from_secs(60)).to_string();
    let follower = Follower::start(&market.app, &place, &[]).await;
    for number in 0..4 {
        market.jon.message(&market.thread, &format!("m{number}"), "hello").await.ok();
        pause(Duration::from_millis(1_200)).await;
    }
    second().await;
    let quiet = segments(Path::new(&place)).len();
    market.jon.message(&market.thread, "last", "last").await.ok();
    second().await;
    follower.stop().await;
    let cli = Cli::direct(&market.app);
    let in_use = cli.run(&["db", "restore", &place, "--yes"]).await;
    assert_eq!(in_use.code, 5, "{}", in_use.stderr);
    market.app.stop().await;
    let all = segments(Path::new(&place));
    assert!(all.len() >= 6, "{all:?}");
    let database = market.app.data().join("marketplace.db");
    let before = fs::read(&database).unwrap();
    let refused = async |options: &[&str], named: &str| {
        let refused = cli.run(&[&["db", "restore", &place, "--yes"], options].concat()).await;
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(named), "{named}: {}", refused.stderr);
        assert!(fs::read(&database).unwrap() == before, "nothing was touched");
        refused.stderr
    };
    for at in [0, 1, all.len() - 2, all.len() - 1] {
        let path = &all[at];
        let name = path.file_name().unwrap().to_str().unwrap();
        let whole = fs::read(path).unwrap();
        for byte in [whole.len() / 2, whole.len() - 3] {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            fs::write(path, damaged).unwrap();
            let said = refused(&[], &format!("{name} is damaged")).await;
            // The base has two parts.
            assert_eq!(said.contains("can be restored (--at "), at > 1, "{said}");
        }
        fs::write(path, &whole[..whole.len() - 40]).unwrap();
        refused(&[], &format!("{name} is damaged")).await;
        if at > 0 && at < all.len() - 1 {
            fs::remove_file(path).unwrap();
            refused(&[], &format!("{name} is missing")).await;
            // Another one in its place.
            fs::copy(&all[at - 1], path).unwrap();
            refused(&[], &format!("{name} is damaged")).await;
        }
        fs::write(path, &whole).unwrap();
    }
    let said = refused(&["--at", &early], "before the first base").await;
    let listed = cli.json(&["db", "restore", &place, "--list"]).await;
    for end in ["from", "to"] {
        assert!(said.contains(listed[0][end].as_str().unwrap()), "{said}: {listed}");
    }
    // What is before the damage can be restored all the same.
    fs::write(&all[quiet], "damaged").unwrap();
    let said = refused(&[], "is damaged").await;
    let at = said.split_once("(--at ").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
    restore(&mut market, &place, &["--at", at]).await;
    let texts = texts(&market).await;
    assert!(texts.contains(&"hello".to_owned()) && !texts.contains(&"last".to_owned()), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_waited_for() {
    let (mut market, _) = market(None).await;
    let Some(disk) = SmallDisk::mount(&market.app.scratch().join("small"), 24 * 1024 * 1024) else { return };
    let place = disk.path().join("followed").display().to_string();
    let follower = Follower::start(&market.app, &place, &[]).await;
    disk.fill();
    let writers = Writers::start(&market, 4);
    within(Duration::from_secs(20), "it says so", async || follower.has("waiting")).await;
    pause(Duration::from_secs(3)).await;
    // The log is emptied meanwhile: nothing can be read from it any more.
    let eve = market.app.as_client().await;
    eve.delete("/v1/me", json!({ "password": PASSWORD })).await.ok();
    pause(Duration::from_secs(3)).await;
    let record = writers.stop().await;
    disk.empty();
    within(Duration::from_secs(20), "it goes on", async || follower.has("well")).await;
    second().await;
    assert_eq!(follower.states(), ["base", "waiting", "well"], "{}", follower.text());
    assert!(follower.text().contains("No space"), "{}", follower.text());
    let left = segments(Path::new(&place)).iter().filter(|path| path.extension().unwrap() != "seg").count();
    assert_eq!(left, 0);
    follower.kill();
    market.app.kill();
    restore(&mut market, &place, &[]).await;
    record.check(&market.ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_is_waited_for() {
    let bucket = Bucket::start().await;
    let (mut market, place) = market(Some(&bucket)).await;
    let follower = Follower::start(&market.app, &place, &[]).await;
    // Some requests fail, which nobody hears of.
    bucket.fail_every(3);
    let writers = Writers::start(&market, 4);
    pause(Duration::from_secs(4)).await;
    bucket.fail_every(1);
    within(Duration::from_secs(60), "it says so", async || follower.has("waiting")).await;
    let record = writers.stop().await;
    bucket.fail_every(0);
    within(Duration::from_secs(60), "it goes on", async || follower.has("well")).await;
    second().await;
    bucket.hang();
    market.jon.message(&market.thread, "unheard", "unheard").await.ok();
    pause(Duration::from_secs(2)).await;
    // It ends all the same.
    follower.stop().await;
    bucket.go_on();
    market.app.kill();
    restore(&mut market, &place, &[]).await;
    record.check(&market.ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_do_not_follow_into_one_place() {
    let bucket = Bucket::start().await;
    let (market, place) = market(Some(&bucket)).await;
    let folder = market.app.scratch().join("folder").display().to_string();
    let first = Follower::start(&market.app, &folder, &[]).await;
    let (code, text) = Follower::spawn(&market.app, &folder, &[]).ended().await;
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("another program follows into"), "{text}");
    first.stop().await;
    Follower::start(&market.app, &folder, &[]).await.stop().await;

    // Nobody can lock a bucket: the one that was there learns of the new one, and ends.
    let first = Follower::start(&market.app, &place, &[]).await;
    let second_one = Follower::start(&market.app, &place, &[]).await;
    market.jon.message(&market.thread, "both", "both").await.ok();
    let (code, text) = first.ended().await;
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("another program follows into"), "{text}");
    second().await;
    assert_eq!(second_one.states(), ["base"]);
    second_one.stop().await;
    let listed = Cli::direct(&market.app).json(&["db", "restore", &place, "--list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bases_are_made_anew_and_old_ones_removed() {
    let (mut market, place) = market(None).await;
    let follower = Follower::start(&market.app, &place, &["--base-every", "2s", "--keep", "4s"]).await;
    let mut counts = Vec::new();
    for number in 0..10 {
        market.jon.message(&market.thread, &format!("m{number}"), &format!("hello {number}")).await.ok();
        pause(Duration::from_millis(1_100)).await;
        counts.push(fs::read_dir(&place).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count());
    }
    let bases = follower.states().len();
    assert!(bases >= 4 && counts.iter().all(|count| *count <= 5), "{bases} {counts:?}");
    // Stopped and started, and then replaced: what follows is a base again.
    market.app.stop().await;
    market.app.run().await;
    market.jon = market.app.still(&market.jon);
    market.jon.message(&market.thread, "again", "again").await.ok();
    let at = second().await;
    market.app.stop().await;
    let text = follower.stop().await;
    assert!(!text.contains("waiting"), "{text}");
    let follower = Follower::start(&market.app, &place, &[]).await;
    restore(&mut market, &place, &["--at", &at]).await;
    within(Duration::from_secs(20), "another base", async || follower.states().len() >= 2).await;
    market.jon.message(&market.thread, "replaced", "replaced").await.ok();
    second().await;
    follower.stop().await;
    market.app.kill();
    restore(&mut market, &place, &[]).await;
    let texts = texts(&market).await;
    assert!(
        ["hello 0", "hello 9", "again", "replaced"].iter().all(|text| texts.contains(&(*text).to_owned())),
        "{texts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_followed_is_refused() {
    let server = Server::start(Engine::Sqlite).await;
    let cli = Cli::direct(&server);
    let place = server.scratch().join("place").display().to_string();
    let refused = async |cli: &Cli, place: &str, code: i32, says: &str| {
        let refused = cli.run(&["db", "backup", "--follow", place]).await;
        assert_eq!(refused.code, code, "{place}: {}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
    };
    refused(&cli.with_database("postgres://market@127.0.0.1:9/market"), &place, 2, "pgBackRest").await;
    refused(&cli.with_database(&format!("{}?mode=ro", server.database.url)), &place, 2, "mode=ro").await;
    refused(&cli.with_database(server.scratch().join("none.db").to_str().unwrap()), &place, 3, "none.db").await;
    let inside = server.data().join("files/x").display().to_string();
    refused(&cli, &inside, 2, "same place").await;
    refused(&cli, server.data().to_str().unwrap(), 2, "same place").await;
    refused(&cli, server.scratch().to_str().unwrap(), 2, "same place").await;
    fs::create_dir(&place).unwrap();
    fs::write(format!("{place}/notes.txt"), "mine").unwrap();
    refused(&cli, &place, 5, "notes.txt").await;
    refused(&cli, "ftp://bucket", 2, "must be a folder").await;
    assert!(!Path::new(&inside).exists());
    for arguments in [
        &["db", "backup"] as &[&str],
        &["db", "backup", "file", "--follow", "place"],
        &["db", "backup", "file", "--keep", "3d"],
        &["db", "restore", "no-such-file", "--at", "1h", "--yes"],
        &["db", "restore", "no-such-file", "--list"],
    ] {
        assert_eq!(cli.run(arguments).await.code, 2, "{arguments:?}");
    }
    assert_eq!(cli.run(&["db", "restore", &place, "--list"]).await.code, 3);
    assert_eq!(cli.run(&["db", "restore", &place, "--yes"]).await.code, 3);
}

/// SQLite keeps the log beside the file to which a link leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_behind_a_link_is_followed() {
    let (mut market, place) = market(None).await;
    let link = market.app.scratch().join("link.db");
    symlink(market.app.data().join("marketplace.db"), &link).unwrap();
    let cli = Cli::direct(&market.app).with_database(&format!("sqlite://{}", link.display()));
    let follower = Follower::spawn_as(&cli, &market.app, &place, &[]).based().await;
    market.jon.message(&market.thread, "linked", "behind a link").await.ok();
    second().await;
    follower.kill();
    market.app.kill();
    restore(&mut market, &place, &[]).await;
    let texts = texts(&market).await;
    assert!(texts.contains(&"behind a link".to_owned()), "{texts:?}");
}

async fn a_time_without_a_follower_is_named(bucket: Option<Bucket>) {
    let (mut market, place) = market(bucket.as_ref()).await;
    let mut cases = Vec::new();
    for (number, is_killed) in [false, true].into_iter().enumerate() {
        let follower = Follower::start(&market.app, &place, &[]).await;
        market.jon.message(&market.thread, &format!("k{number}"), &format!("known {number}")).await.ok();
        let known = second().await;
        if is_killed {
            follower.kill();
        } else {
            follower.stop().await;
        }
        pause(Duration::from_millis(1_500)).await;
        market.jon.message(&market.thread, &format!("u{number}"), &format!("unknown {number}")).await.ok();
        cases.push((number, known, second().await));
    }
    Follower::start(&market.app, &place, &[]).await.stop().await;
    pause(Duration::from_secs(2)).await;
    let now = second().await;
    for (number, known, unknown) in cases {
        market.app.kill();
        let restored = restore(&mut market, &place, &["--at", &unknown]).await;
        let [since, until] = [0, 1].map(|end| restored["unknown"][end].as_str().unwrap_or_default().to_owned());
        assert!(since <= unknown && unknown < until && until < now, "{number}, {unknown}: {restored}");
        let texts = texts(&market).await;
        assert!(texts.contains(&format!("known {number}")) && !texts.contains(&format!("unknown {number}")));
        // It was there, and said until when.
        if number == 0 {
            assert!(since > known, "{known}: {restored}");
            market.app.kill();
            let restored = restore(&mut market, &place, &["--at", &known]).await;
            assert!(restored["unknown"].is_null(), "{known}: {restored}");
        }
    }
    // Nothing was stored since.
    market.app.kill();
    let restored = restore(&mut market, &place, &["--at", &now]).await;
    assert_eq!(restored["unknown"][1], json!(now), "{restored}");
    market.app.kill();
    let restored = restore(&mut market, &place, &[]).await;
    assert!(restored["unknown"].is_null(), "{restored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_without_a_follower_is_named_in_a_folder() {
    a_time_without_a_follower_is_named(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_without_a_follower_is_named_in_a_bucket() {
    a_time_without_a_follower_is_named(Some(Bucket::start().await)).await;
}

/// A base with a time to come, as a clock that was ahead leaves it, is not the newest for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_of_tomorrow_is_not_followed_on() {
    let (mut market, place) = market(None).await;
    Follower::start(&market.app, &place, &[]).await.stop().await;
    let base = segments(Path::new(&place))[0].parent().unwrap().to_owned();
    let tomorrow = (SystemClock.now() + Duration::from_hours(24)).to_string().replace(['-', ':'], "");
    fs::rename(&base, base.with_file_name(tomorrow)).unwrap();
    let follower = Follower::start(&market.app, &place, &[]).await;
    assert!(follower.text().contains("the clock was set back"), "{}", follower.text());
    market.jon.message(&market.thread, "first", "first").await.ok();
    let at = second().await;
    market.jon.message(&market.thread, "then", "then").await.ok();
    second().await;
    follower.stop().await;
    for (options, is_later) in [(&["--at", &at] as &[&str], false), (&[], true)] {
        market.app.kill();
        restore(&mut market, &place, options).await;
        let texts = texts(&market).await;
        assert!(texts.contains(&"first".to_owned()) && texts.contains(&"then".to_owned()) == is_later, "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_whole_is_listed_beside_what_is_damaged() {
    let (mut market, place) = market(None).await;
    for number in 0..3 {
        let follower = Follower::start(&market.app, &place, &[]).await;
        for part in 0..3 {
            let text = format!("message {number} {part}");
            market.jon.message(&market.thread, &format!("m{number}{part}"), &text).await.ok();
            second().await;
        }
        follower.stop().await;
    }
    market.app.stop().await;
    let cli = Cli::direct(&market.app);
    let list = async || {
        let arguments = ["db", "restore", &place, "--list"];
        tokio::time::timeout(Duration::from_secs(20), cli.json(&arguments)).await.unwrap()
    };
    let whole = list().await;
    assert!(whole.as_array().unwrap().iter().all(|row| row["damage"].is_null()), "{whole}");
    let all = segments(Path::new(&place));
    let of = |number: usize| -> Vec<PathBuf> {
        let base = whole[number]["base"].as_str().unwrap();
        all.iter().filter(|path| path.parent().unwrap().ends_with(base)).cloned().collect()
    };
    // The last part of a base, and a change in the middle of another one. Both bases have two parts.
    fs::remove_file(&of(0)[1]).unwrap();
    fs::remove_file(&of(1)[3]).unwrap();
    let listed = list().await;
    assert_eq!(listed.as_array().unwrap().len(), 3, "{listed}");
    let damage = |number: usize| listed[number]["damage"].as_str().unwrap_or_default();
    assert!(listed[0]["from"].is_null() && damage(0).contains("000000001.seg is missing"), "{listed}");
    assert!(listed[1]["from"] == whole[1]["from"] && damage(1).contains("000000003.seg is missing"), "{listed}");
    assert!(listed[1]["to"].as_str() < whole[1]["to"].as_str(), "{listed}");
    assert_eq!(listed[2], whole[2]);
    // A pipe is not waited for.
    for (number, index) in [(1, 1), (2, of(2).len() - 1)] {
        let path = &of(number)[index];
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }
    let listed = list().await;
    assert!(listed[1]["damage"].as_str().is_some_and(|damage| damage.contains("is damaged")), "{listed}");
    let arguments = ["db", "restore", &place, "--yes"];
    let refused = tokio::time::timeout(Duration::from_secs(20), cli.run(&arguments)).await.unwrap();
    assert!(refused.code == 2 && refused.stderr.contains("is damaged"), "{}", refused.stderr);
    let to = listed[2]["to"].as_str().unwrap();
    restore(&mut market, &place, &["--at", to]).await;
    assert!(texts(&market).await.contains(&"message 2 2".to_owned()));
    for missing in ["no-such.dump", "/no/such/place/", "file:///no/such/place"] {
        let refused = cli.run(&["db", "restore", missing, "--yes"]).await;
        assert!(refused.code == 3 && refused.stderr.contains("`marketplace db backup` wrote"), "{}", refused.stderr);
    }
}

/// What a restore laid ready is a copy of everybody's data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restore_leaves_that_was_killed_is_removed() {
    let (mut market, _) = market(None).await;
    let cli = Cli::direct(&market.app);
    cli.run(&["db", "backup", "whole.db"]).await.ok();
    market.app.stop().await;
    let database = market.app.data().join("marketplace.db");
    let beside = |end: &str| PathBuf::from(format!("{}{end}", database.display()));
    let left = || -> Vec<String> {
        let names = fs::read_dir(market.app.data()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.contains(".tmp")).collect()
    };
    // No process has such a number.
    let gone = [".4194999-0.tmp", ".4194999-0.tmp-wal", ".4194999-0.tmp-shm", ".4194998-12.tmp"];
    let others = [".4194999-x.tmp", ".mine.tmp", ".4194997-0.tmp", &format!(".{}-0.tmp", std::process::id())];
    for end in gone.iter().chain(&others) {
        fs::write(beside(end), "private").unwrap();
    }
    let held = File::open(beside(others[2])).unwrap();
    held.try_lock().unwrap();
    cli.run(&["db", "restore", "whole.db", "--yes"]).await.ok();
    let found = left();
    assert_eq!(found.len(), others.len(), "{found:?}");
    assert!(others.iter().all(|end| beside(end).exists()), "{found:?}");
    for end in others {
        fs::remove_file(beside(end)).unwrap();
    }
    // Told to end at any moment, it leaves nothing, and says so.
    let mut told = 0;
    for round in 0..24_u64 {
        let mut process = cli.command(&["db", "restore", "whole.db", "--yes"]).spawn().unwrap();
        let begun = Instant::now();
        while left().is_empty() && begun.elapsed() < Duration::from_secs(5) && process.try_wait().unwrap().is_none() {
            pause(Duration::from_millis(1)).await;
        }
        pause(Duration::from_millis(round * 12)).await;
        assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
        let ended = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        match ended.status.code() {
            Some(0) => {}
            Some(143) if said.contains("terminated") => told += 1,
            _ => panic!("{:?}: {said}", ended.status),
        }
        assert!(left().is_empty(), "{:?}", left());
    }
    assert!(told > 0);
    cli.run(&["db", "restore", "whole.db", "--yes"]).await.ok();
    market.app.run().await;
}
