//! The real console, in a pseudo-terminal.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use marketplace_core::staff::{Connection, ListAttempts, ListAudit, ListQuery, StretchQuery, VerifyAudit};
use std::{path::Path, process::Command};

use marketplace_core::{
    app::App,
    audit::AuditFilter,
    config::{Config, Secret},
    kyc::{model::KycFilter, status::KycStatus},
    page::PageRequest,
    testing,
};
use marketplace_seed as seed;
use marketplace_tests::{
    Engine, Server, binaries,
    server::{isolate, signal},
    terminal::Terminal,
};

/// A database with a queue to work on, in `folder`; pictures are drawn for a few faces only, which is enough to see.
async fn made_up(folder: &Path) -> (String, App) {
    let url = format!("sqlite://{}", folder.join("marketplace.db").display());
    let config = Config { data_dir: folder.to_owned(), database_url: Some(Secret::new(&url)), ..Config::default() };
    let app = App::open(config).await.unwrap();
    let plan = seed::Plan {
        users: 60,
        seed: 3,
        attempts: Some(20),
        images: seed::Images::Pool(4),
        demo: true,
        ..seed::Plan::default()
    };
    seed::run(&app, &plan, &|_| ()).await.unwrap();
    (url, app)
}

fn console(folder: &Path, url: &str, more: &[&str]) -> Command {
    let mut command = Command::new(binaries::cli());
    isolate(&mut command);
    command.args(["--db", url, "tui"]).args(more).current_dir(folder).env("HOME", folder);
    command.env("MARKETPLACE_DATA_DIR", folder).env("XDG_CONFIG_HOME", folder);
    command
}

async fn count(app: &App, status: KycStatus) -> usize {
    let api = Connection::direct(app.clone(), testing::operator());
    let filter = KycFilter { status: Some(status), ..KycFilter::default() };
    api.call::<ListAttempts>((), ListQuery::new(&filter, &PageRequest::first(200)), ()).await.unwrap().items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_day_in_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (url, app) = made_up(folder.path()).await;
    let mut terminal = Terminal::run(&console(folder.path(), &url, &[]), 120, 36, &[]);

    // Every screen, by its digit.
    terminal.wait_for("connected");
    for (key, title) in [
        ("3", "┌ Users"),
        ("4", "┌ Jobs"),
        ("5", "┌ Threads"),
        ("6", "┌ Reviews"),
        ("7", "Audit log"),
        ("1", "Dash"),
        ("2", "KYC queue"),
    ] {
        terminal.keys(key);
        terminal.wait_for(title);
    }
    // The oldest case opens and is claimed; three keys reject it.
    terminal.wait_for("○ pending");
    terminal.keys("\r");
    terminal.wait_for("yours");
    terminal.wait("a picture", |screen| screen.contains('▀') || screen.contains('▄'));
    let before = count(&app, KycStatus::Rejected).await;
    // A key decides nothing before both pictures were to be seen for a while.
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        if terminal.text().contains("suspected forgery") {
            break;
        }
        terminal.keys("x");
    }
    terminal.wait_for("suspected forgery");
    terminal.keys("f");
    terminal.keys("\r");
    rejected_become(&app, before + 1).await;
    terminal.wait_for("u undo");
    // And one key takes it back.
    terminal.keys("u");
    rejected_become(&app, before).await;
    // A smaller terminal shows the same, and help comes from the keys.
    terminal.resize(80, 24);
    terminal.wait("24 lines that fit", |screen| screen.contains("Marketplace") && screen.lines().count() <= 24);
    terminal.keys("?");
    terminal.wait_for("quit");
    terminal.keys("\x1b");
    // Leaving gives the claim back, and the terminal.
    terminal.keys("q");
    assert_eq!(terminal.ended(), 0);
    terminal.assert_restored();
    assert_eq!(count(&app, KycStatus::InReview).await, held_by_others(&app).await);
    let api = Connection::direct(app.clone(), testing::operator());
    let views = AuditFilter { action: Some("kyc.view".into()), ..AuditFilter::default() };
    assert!(
        !api.call::<ListAudit>((), ListQuery::new(&views, &PageRequest::first(1)), ()).await.unwrap().items.is_empty(),
        "each view is on record"
    );
    assert_eq!(api.call::<VerifyAudit>((), StretchQuery::new(1, 10_000, None), ()).await.unwrap().broken, None);
}

async fn rejected_become(app: &App, wanted: usize) {
    for _ in 0..300 {
        if count(app, KycStatus::Rejected).await == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(count(app, KycStatus::Rejected).await, wanted);
}

/// Claims that the made-up staff of the seed hold.
async fn held_by_others(app: &App) -> usize {
    let api = Connection::direct(app.clone(), testing::operator());
    let filter = KycFilter { status: Some(KycStatus::InReview), ..KycFilter::default() };
    let page = api.call::<ListAttempts>((), ListQuery::new(&filter, &PageRequest::first(200)), ()).await.unwrap();
    page.items.iter().filter(|row| row.claim.as_ref().is_some_and(|claim| claim.holder.0.starts_with("user:"))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_leave_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _app) = made_up(folder.path()).await;
    for name in ["TERM", "HUP", "INT"] {
        let mut terminal = Terminal::run(&console(folder.path(), &url, &[]), 100, 30, &[]);
        terminal.wait_for("connected");
        signal(terminal.pid(), name);
        terminal.ended();
        terminal.assert_restored();
    }
    let mut terminal = Terminal::run(&console(folder.path(), &url, &[]), 100, 30, &[]);
    terminal.wait_for("connected");
    terminal.keys("\x03");
    terminal.ended();
    terminal.assert_restored();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _app) = made_up(folder.path()).await;
    let mut terminal = Terminal::run(&console(folder.path(), &url, &[]), 80, 24, &[("NO_COLOR", "1")]);
    terminal.keys("2");
    terminal.wait("a status in words", |screen| screen.contains("pending") || screen.contains("yours"));
    terminal.keys("3");
    terminal.wait("a status in words", |screen| screen.contains("active") || screen.contains("banned"));
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    for colour in ["\x1b[31", "\x1b[32", "\x1b[38;", "\x1b[48;", ";38;", ";48;"] {
        assert!(!raw.contains(colour), "{colour:?} is a colour");
    }
    terminal.keys("q");
    assert_eq!(terminal.ended(), 0);
    terminal.assert_restored();
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_refuses_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let (url, app) = made_up(folder.path()).await;
    let before = (count(&app, KycStatus::Pending).await, count(&app, KycStatus::Approved).await);
    let mut terminal = Terminal::run(&console(folder.path(), &url, &["--read-only"]), 120, 36, &[]);
    terminal.keys("2");
    terminal.wait_for("read-only");
    terminal.wait_for("KYC queue");
    for keys in ["a", "x", "t", "n"] {
        terminal.keys(keys);
        terminal.keys("\r");
        terminal.keys("\x1b");
    }
    terminal.keys("q");
    assert_eq!(terminal.ended(), 0);
    assert_eq!((count(&app, KycStatus::Pending).await, count(&app, KycStatus::Approved).await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back() {
    let mut app = Server::start(Engine::Sqlite).await;
    let sam = app.as_staff("support").await;
    app.as_worker().await.submit_good(1).await;
    let mut command = Command::new(binaries::cli());
    isolate(&mut command);
    command.args(["--api", &app.url, "tui"]).current_dir(app.scratch());
    command.env("HOME", app.scratch()).env("XDG_CONFIG_HOME", app.scratch().join("config"));
    command.env("MARKETPLACE_TOKEN", sam.http.token.as_deref().unwrap());
    let mut terminal = Terminal::run(&command, 120, 36, &[]);
    terminal.keys("2");
    terminal.wait_for("Ada O•••");
    terminal.wait_for("● connected");
    app.kill();
    terminal.wait("that the server is away", |screen| !screen.contains("● connected") && screen.contains("Ada O•••"));
    terminal.keys("q");
    terminal.ended();
    terminal.assert_restored();
}

#[test]
fn a_demonstration_that_is_interrupted_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(binaries::cli());
    isolate(&mut command);
    command.arg("demo").current_dir(home.path()).env("HOME", home.path()).env("TMPDIR", home.path());
    let mut terminal = Terminal::run(&command, 120, 36, &[]);
    terminal.wait("that pictures are drawn", |screen| screen.contains("pictures") || screen.contains("connected"));
    terminal.keys("\x03");
    terminal.ended();
    terminal.assert_restored();
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
