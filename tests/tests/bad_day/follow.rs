//! A database that is backed up continuously while people use it, while servers and followers are killed, and while the place
//! for it is full or away; and what is restored from that.

use std::{
    fs::{self, File},
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
        let output = server.scratch().join(format!("follower-{}.jsonl", marketplace_tests::database::random_id()));
        // With its log, which says when it compares everything.
        let arguments = [&["db", "backup", "-v", "--follow", place], options].concat();
        let mut command = Cli::direct(server).command(&arguments);
        let log = File::create(&output).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self { process: command.spawn().unwrap(), output }
    }

    /// Starts one, and waits for its first base.
    async fn start(server: &Server, place: &str, options: &[&str]) -> Self {
        let follower = Self::spawn(server, place, options);
        within(Duration::from_secs(30), "a base", async || follower.has("base")).await;
        follower
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
