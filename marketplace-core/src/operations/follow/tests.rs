//! Databases that SQLite writes, followed look by look: each time, what was put together is what SQLite reads.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    FollowEvent, FollowOptions, FollowState, Follower, Told,
    pages::Pages,
    restore::{choose, list},
    source::{Compared, Cut, Known, Seen, Source},
    store::Store,
};
use crate::{
    base::time::{Clock, SystemClock, Timestamp},
    platform::files::Location,
};

/// All rows of a database.
type Rows = Vec<(String, i64, Vec<u8>)>;

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    // A small cache: a large transaction is written to the log before it is over.
    let options = options.pragma("journal_mode", "wal").pragma("cache_size", "20").pragma("synchronous", "off");
    options.pragma("wal_autocheckpoint", "400").pragma("secure_delete", "on").connect().await.unwrap()
}

async fn run(conn: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap();
}

async fn rows(conn: &mut SqliteConnection) -> Rows {
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let text = AssertSqlSafe(format!("SELECT '{table}', id, body FROM {table} ORDER BY id"));
        all.extend(sqlx::query_as::<_, (String, i64, Vec<u8>)>(text).fetch_all(&mut *conn).await.unwrap());
    }
    all
}

/// A follower without a store: what it read is put together in a file.
struct Copy {
    folder: tempfile::TempDir,
    source: Source,
    known: Known,
    file: File,
    /// How often the log alone did not do.
    compared: u32,
}

impl Copy {
    fn new(folder: tempfile::TempDir) -> Self {
        let path = folder.path().join("db");
        Self::of(&path, folder)
    }

    fn of(path: &Path, folder: tempfile::TempDir) -> Self {
        let source = Source::open(path).unwrap();
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(folder.path().join("copy"));
        Self { folder, source, known: Known::default(), file: file.unwrap(), compared: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn put(&self, mut pages: Pages, size: Option<u32>) {
        let mut bytes = vec![0; self.source.page_size() as usize];
        for (page, slot) in pages.iter().collect::<Vec<_>>() {
            pages.read(slot, &mut bytes).unwrap();
            self.file.write_all_at(&bytes, u64::from(page - 1) * bytes.len() as u64).unwrap();
        }
        if let Some(size) = size {
            self.file.set_len(u64::from(size) * bytes.len() as u64).unwrap();
        }
    }

    /// Looks, as a follower does. Returns the number of pages that changed.
    fn look(&mut self) -> usize {
        let cut = match self.source.look(&mut self.known).unwrap() {
            Seen::Changes(None) => return 0,
            Seen::Changes(Some(cut)) => cut,
            Seen::Lost => {
                self.compared += 1;
                match self.source.compare(&mut self.known, &AtomicBool::new(false)).unwrap() {
                    Compared::Changes(cut) => cut,
                    other => panic!("{other:?}"),
                }
            }
            Seen::Replaced => panic!("it was replaced"),
        };
        let Cut { pages, size } = cut;
        let changed = pages.len();
        self.put(pages, Some(size));
        changed
    }

    /// Returns the rows of what was put together, which is whole.
    async fn rows(&self) -> Rows {
        let path = self.folder.path().join("copied");
        fs::copy(self.folder.path().join("copy"), &path).unwrap();
        let mut conn =
            SqliteConnectOptions::new().filename(&path).immutable(true).read_only(true).connect().await.unwrap();
        let checked: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut conn).await.unwrap();
        assert_eq!(checked, ["ok"]);
        let rows = rows(&mut conn).await;
        conn.close().await.unwrap();
        rows
    }
}

fn body(random: &mut StdRng) -> String {
    let length = if random.random_ratio(1, 8) { random.random_range(1..30_000) } else { random.random_range(1..300) };
    format!("randomblob({length})")
}

/// Does something to a database. Returns what, for messages.
async fn act(conn: &mut Option<SqliteConnection>, path: &Path, random: &mut StdRng) -> String {
    let what = random.random_range(0..100);
    if conn.is_none() {
        *conn = Some(open(path).await);
    }
    let Some(open) = conn.as_mut() else { unreachable!() };
    let sql = match what {
        0..40 => {
            let count = random.random_range(1..20);
            let some = (0..count).map(|_| format!("INSERT INTO a (body) VALUES ({});", body(random)));
            format!("BEGIN; {} COMMIT", some.collect::<String>())
        }
        40..55 => format!("UPDATE a SET body = {} WHERE id % {} = 0", body(random), random.random_range(2..40)),
        55..65 => format!("DELETE FROM a WHERE id % {} = 1", random.random_range(2..9)),
        // So large that it is written to the log before its end, and then it does not end.
        65..72 => "BEGIN; UPDATE a SET body = randomblob(3000); ROLLBACK".to_owned(),
        72..76 => {
            "BEGIN; UPDATE a SET body = randomblob(2000); UPDATE a SET body = randomblob(1500); COMMIT".to_owned()
        }
        76..84 => "PRAGMA wal_checkpoint(PASSIVE)".to_owned(),
        84..88 => "PRAGMA wal_checkpoint(RESTART)".to_owned(),
        88..92 => "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
        92..95 => "DELETE FROM a WHERE id % 5 > 0; VACUUM".to_owned(),
        95..98 => format!(
            "CREATE TABLE IF NOT EXISTS b{what} (id INTEGER PRIMARY KEY, body BLOB NOT NULL); \
             INSERT INTO b{what} (body) VALUES (randomblob(5000))"
        ),
        _ => {
            if let Some(closed) = conn.take() {
                closed.close().await.unwrap();
            }
            return "close".to_owned();
        }
    };
    run(open, &sql).await;
    sql
}

/// Whatever is done between two looks, however many things, in whatever order.
#[tokio::test]
async fn each_look_has_what_was_committed() {
    let (mut looks, mut compared) = (0, 0);
    for seed in 0..24 {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut conn = Some(open(&path).await);
        run(conn.as_mut().unwrap(), "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
        let mut copy = Copy::new(folder);
        let mut done = Vec::new();
        for _ in 0..25 {
            let acts = if random.random_ratio(1, 4) { random.random_range(2..12) } else { 1 };
            for _ in 0..acts {
                done.push(act(&mut conn, &path, &mut random).await);
            }
            copy.look();
            looks += 1;
            let mut reader = open(&path).await;
            let expected = rows(&mut reader).await;
            // With nobody else there, closing it would copy the log into the file and remove it, of which the next look finds out.
            if conn.is_none() {
                conn = Some(reader);
            } else {
                reader.close().await.unwrap();
            }
            assert!(copy.rows().await == expected, "seed {seed}: {done:#?}");
            assert_eq!(copy.look(), 0, "seed {seed}: {done:#?}");
        }
        compared += copy.compared;
    }
    assert!(compared * 2 < looks, "{compared} of {looks} looks had to compare");
}

/// The log is begun anew, and what is left of it from before is read.
#[tokio::test]
async fn a_log_that_was_begun_anew_once_is_read_without_a_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut conn = open(&path).await;
    run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
    let mut copy = Copy::new(folder);
    copy.look();
    assert_eq!(copy.compared, 1, "the first look");
    for round in 0..20 {
        for _ in 0..30 {
            run(&mut conn, "INSERT INTO a (body) VALUES (randomblob(9000))").await;
        }
        copy.look();
        // These are only in what is left.
        run(&mut conn, "INSERT INTO a (body) VALUES (randomblob(9000))").await;
        run(&mut conn, "PRAGMA wal_checkpoint(PASSIVE)").await;
        for _ in 0..round % 3 {
            run(&mut conn, "UPDATE a SET body = randomblob(20) WHERE id = 1").await;
        }
        copy.look();
        assert!(copy.rows().await == rows(&mut conn).await, "round {round}");
    }
    assert_eq!(copy.compared, 1);
}

/// The log is emptied, as after an erasure: its index tells whether anything was in it that was not read.
#[tokio::test]
async fn an_emptied_log_is_no_loss_if_all_of_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (mut conn, mut other) = (open(&path).await, open(&path).await);
    run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
    let mut copy = Copy::new(folder);
    copy.look();
    for _ in 0..70 {
        run(&mut conn, "INSERT INTO a (body) VALUES (randomblob(900))").await;
    }
    for round in 0..30 {
        for _ in 0..round % 4 {
            run(&mut conn, "INSERT INTO a (body) VALUES (randomblob(900))").await;
        }
        copy.look();
        let emptied = if round % 3 == 0 { &mut conn } else { &mut other };
        run(emptied, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        if round % 5 == 0 {
            run(&mut other, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
        if round % 2 == 0 {
            copy.look();
        }
        for _ in 0..round % 3 {
            run(&mut other, "UPDATE a SET body = randomblob(9000) WHERE id = 5").await;
        }
        copy.look();
        assert!(copy.rows().await == rows(&mut conn).await, "round {round}");
        assert_eq!(copy.compared, 1, "round {round}");
    }
    // What is in a log that is gone is found all the same.
    for round in 2..5 {
        run(&mut conn, "UPDATE a SET body = randomblob(9000) WHERE id = 6").await;
        run(&mut conn, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        if round == 3 {
            run(&mut other, "UPDATE a SET body = randomblob(90) WHERE id = 6").await;
        }
        copy.look();
        assert!(copy.rows().await == rows(&mut conn).await, "round {round}");
        assert_eq!(copy.compared, round, "round {round}");
    }
}

/// Everything is compared while others write, checkpoint, and empty the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_is_whole_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut conn = open(&path).await;
    run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
    run(
        &mut conn,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) \
        INSERT INTO a (body) SELECT randomblob(3000) FROM n",
    )
    .await;
    let is_over = std::sync::Arc::new(AtomicBool::new(false));
    let over = std::sync::Arc::clone(&is_over);
    let writer = tokio::spawn(async move {
        let (mut conn, mut random, mut turns) = (open(&path).await, StdRng::seed_from_u64(5), 0_u32);
        while !over.load(Ordering::Relaxed) {
            // Two rows that are always the same.
            let body = format!(
                "INSERT INTO a (id, body) VALUES (900001, x'{turns:08x}'), (1000001, x'{turns:08x}') \
                ON CONFLICT (id) DO UPDATE SET body = excluded.body;"
            );
            let other = random.random_range(1..5_000);
            run(
                &mut conn,
                &format!("BEGIN; {body} UPDATE a SET body = randomblob(3000) WHERE id % 97 = {other} % 97 AND id < 900000; COMMIT"),
            )
            .await;
            turns += 1;
            if turns.is_multiple_of(50) {
                let emptied =
                    sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut conn).await;
                assert_eq!(emptied.unwrap(), 0, "nobody is in the way");
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        turns
    });
    let mut copy = Copy::new(folder);
    let mut seen = Vec::new();
    for round in 0..30 {
        if round % 10 == 0 {
            // A base: the file as it is, and then a comparison.
            copy.known = Known::default();
            let mut first = 1;
            loop {
                let pages = copy.source.raw(first, 64, &mut copy.known).unwrap();
                if pages.len() == 0 {
                    break;
                }
                copy.put(pages, None);
                first += 64;
            }
            let Compared::Changes(cut) = copy.source.compare(&mut copy.known, &AtomicBool::new(false)).unwrap() else {
                panic!("it was replaced")
            };
            copy.put(cut.pages, Some(cut.size));
        }
        copy.look();
        let rows = copy.rows().await;
        let twins: Vec<_> = rows.iter().filter(|row| row.1 > 900_000).map(|row| row.2.clone()).collect();
        assert!(twins.len() == 2 && twins[0] == twins[1], "{twins:?}");
        seen.push(twins[0].clone());
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let turns = writer.await.unwrap();
    assert!(seen.is_sorted() && seen.first() < seen.last() && turns > 60, "{turns}: {seen:?}");
    copy.look();
    assert!(copy.rows().await == rows(&mut conn).await);
}

/// Files of a database, as they are at one moment.
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    fn of(path: &Path) -> Self {
        Self { database: fs::read(path).unwrap(), log: fs::read(path.with_extension("db-wal")).unwrap() }
    }

    /// Writes them over those at a path, whose ends stay when they are longer.
    fn write_over(&self, path: &Path) {
        for (path, bytes) in [(path.to_owned(), &self.database), (path.with_extension("db-wal"), &self.log)] {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
            file.write_all_at(bytes, 0).unwrap();
        }
    }

    /// Goes on from there with SQL, in a folder of its own.
    async fn after(&self, sql: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        self.write_over(&path);
        let mut conn = open(&path).await;
        for sql in sql {
            run(&mut conn, sql).await;
        }
        Self::of(&path)
    }

    /// Returns what SQLite finds there.
    async fn rows(&self) -> Rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        self.write_over(&path);
        rows(&mut open(&path).await).await
    }
}

/// A commit that failed after it was written is in the log until something is written over it; it never happened.
#[tokio::test]
async fn a_commit_that_failed_is_not_taken_for_one() {
    let begin = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let mut conn = open(&path).await;
        run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
        for _ in 0..20 {
            run(&mut conn, "INSERT INTO a (body) VALUES (randomblob(7000))").await;
        }
        Files::of(&path)
    };
    let failed = begin.after(&["UPDATE a SET body = randomblob(7001)"]).await;
    let small = "UPDATE a SET body = randomblob(10) WHERE id = 3";
    let written_over = begin.after(&[small]).await;
    // The log is begun anew, and what failed stays in it.
    let begun_anew = begin.after(&["PRAGMA wal_checkpoint(PASSIVE)", small]).await;
    assert!(begun_anew.log.len() == begin.log.len() && failed.log.len() > begin.log.len());
    for (case, then) in [("written over", &written_over), ("begun anew", &begun_anew)] {
        for is_seen in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("db");
            // Named as SQLite names them, which the helper does for `x.db`.
            let put = |files: &Files| {
                let linked = folder.path().join("x.db");
                files.write_over(&linked);
                if !path.exists() {
                    fs::hard_link(&linked, &path).unwrap();
                    fs::hard_link(linked.with_extension("db-wal"), folder.path().join("db-wal")).unwrap();
                }
            };
            put(&begin);
            let mut copy = Copy::of(&path, tempfile::tempdir().unwrap());
            copy.look();
            assert!(copy.rows().await == begin.rows().await);
            put(&failed);
            if is_seen {
                copy.look();
            }
            put(then);
            copy.look();
            assert!(copy.rows().await == then.rows().await, "{case}, seen: {is_seen}");
            // What was written over and not seen is not known to have been there.
            let expected = if is_seen || case == "begun anew" { 2 } else { 1 };
            assert_eq!(copy.compared, expected, "{case}, seen: {is_seen}");
        }
    }
}

#[tokio::test]
async fn another_file_in_its_place_is_another_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut conn = open(&path).await;
    run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
    let mut copy = Copy::new(folder);
    copy.look();
    conn.close().await.unwrap();
    copy.look();
    fs::copy(copy.path(), copy.folder.path().join("new")).unwrap();
    fs::rename(copy.folder.path().join("new"), copy.path()).unwrap();
    assert!(matches!(copy.source.look(&mut copy.known).unwrap(), Seen::Replaced));
    fs::remove_file(copy.path()).unwrap();
    assert_eq!(copy.source.look(&mut copy.known).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert!(Source::open(&copy.path()).is_err());
    fs::write(copy.path(), "text").unwrap();
    assert!(Source::open(&copy.path()).is_err());
}

/// SQLite keeps the log beside the file to which a link leads.
#[tokio::test]
async fn a_link_to_a_database_is_followed_as_the_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("far")).unwrap();
    std::os::unix::fs::symlink("far/db", folder.path().join("link")).unwrap();
    let mut conn = open(&folder.path().join("far/db")).await;
    run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB NOT NULL)").await;
    let mut copy = Copy::of(&folder.path().join("link"), folder);
    copy.look();
    let compared = copy.compared;
    for _ in 0..3 {
        run(&mut conn, "INSERT INTO a (body) VALUES (randomblob(500))").await;
        assert!(copy.source.is_stirred());
        assert!(copy.look() > 0);
        assert!(copy.rows().await == rows(&mut conn).await);
    }
    assert_eq!(copy.compared, compared);
    // It leads elsewhere now.
    let root = copy.folder.path().to_owned();
    fs::copy(root.join("far/db"), root.join("far/other")).unwrap();
    std::os::unix::fs::symlink("far/other", root.join("new")).unwrap();
    fs::rename(root.join("new"), root.join("link")).unwrap();
    assert!(matches!(copy.source.look(&mut copy.known).unwrap(), Seen::Replaced));
}

/// The system's clock, and so many seconds more.
#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

async fn follow_with(clock: &Ahead, place: &Path, path: &Path, script: impl AsyncFnOnce(&Mutex<Vec<FollowEvent>>)) {
    let (events, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let tell = |told: Told<'_>| {
        if let Told::Event(event) = told {
            events.lock().unwrap().push(event.clone());
        }
    };
    let is_over = || stop.load(Ordering::SeqCst);
    let store = Store::create(&Location::Folder(place.to_owned())).unwrap();
    let mut follower = Follower::new(store, path.to_owned(), FollowOptions::default(), clock, &is_over, &tell);
    let scripted = async {
        script(&events).await;
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(follower.run(), scripted);
}

async fn bases(events: &Mutex<Vec<FollowEvent>>, count: usize) -> FollowEvent {
    let begun = Instant::now();
    loop {
        let bases = events.lock().unwrap().iter().filter(|event| event.state == FollowState::Base).count();
        if bases == count {
            return events.lock().unwrap().last().unwrap().clone();
        }
        assert!(bases < count && begun.elapsed() < Duration::from_secs(20), "{:?}", events.lock().unwrap());
        pause(50).await;
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Builds the database as it was at a time. Returns the rows of its table.
async fn restored(place: &Path, at: Option<Timestamp>) -> Vec<String> {
    let store = Store::open(&Location::Folder(place.to_owned())).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    choose(&store, at).await.unwrap().build(&store, at, file.path(), &|_| ()).await.unwrap();
    let mut conn =
        SqliteConnectOptions::new().filename(file.path()).immutable(true).read_only(true).connect().await.unwrap();
    let found = sqlx::query_scalar("SELECT body FROM a ORDER BY id").fetch_all(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    found
}

/// While it runs, and when it is started again.
#[tokio::test]
async fn a_clock_that_was_ahead_costs_no_second_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (place, path) = (folder.path().join("followed"), folder.path().join("db"));
    let mut conn = open(&path).await;
    run(&mut conn, "CREATE TABLE a (id INTEGER PRIMARY KEY, body TEXT NOT NULL)").await;
    let clock = Ahead::default();
    let mut times = Vec::new();
    let second = async |conn: &mut SqliteConnection, text: &str| {
        run(conn, &format!("INSERT INTO a (body) VALUES ('{text}')")).await;
        pause(2_000).await;
        SystemClock.now()
    };
    follow_with(&clock, &place, &path, async |events| {
        bases(events, 1).await;
        times.push(second(&mut conn, "one").await);
        clock.0.store(80_000, Ordering::SeqCst);
        second(&mut conn, "two").await;
        clock.0.store(0, Ordering::SeqCst);
        let said = bases(events, 2).await;
        assert!(said.detail.is_some_and(|detail| detail.contains("the clock was set back")));
        assert!(said.restorable.unwrap() <= SystemClock.now());
        times.push(second(&mut conn, "three").await);
        times.push(second(&mut conn, "four").await);
        // Not again, nor for a moment.
        clock.0.store(2, Ordering::SeqCst);
        second(&mut conn, "five").await;
        clock.0.store(0, Ordering::SeqCst);
        second(&mut conn, "six").await;
        pause(2_000).await;
        bases(events, 2).await;
    })
    .await;
    // A base that is begun while it is ahead.
    clock.0.store(80_000, Ordering::SeqCst);
    follow_with(&clock, &place, &path, async |events| {
        bases(events, 1).await;
        second(&mut conn, "seven").await;
        clock.0.store(0, Ordering::SeqCst);
        let said = bases(events, 2).await;
        assert!(said.base.is_some_and(|base| base.ends_with("Z-1")));
        times.push(second(&mut conn, "eight").await);
    })
    .await;
    follow_with(&clock, &place, &path, async |events| {
        let said = bases(events, 1).await;
        assert!(said.base.is_some_and(|base| base.ends_with("Z-1")) && said.detail.is_none());
        times.push(second(&mut conn, "nine").await);
        second(&mut conn, "ten").await;
    })
    .await;
    let all = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    for (at, count) in times.iter().zip([1, 3, 4, 8, 9]) {
        assert_eq!(restored(&place, Some(*at)).await, all[..count], "{at}");
    }
    assert_eq!(restored(&place, None).await, all);
    let listed = list(place.to_str().unwrap()).await.unwrap();
    assert_eq!(listed.len(), 5, "{listed:?}");
}
