//! The real console on a real terminal: keys held, keys at once, a window that is closed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is the test's")]

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A console that `script` gives a terminal.
struct Desk {
    folder: TempDir,
    script: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<String>>,
}

fn run(folder: &TempDir, line: &str) -> String {
    let output = assert_cmd::Command::cargo_bin("marketplace")
        .unwrap()
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("USER", "test")
        .args(line.split_whitespace())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

impl Desk {
    /// The console on a new database with its first case open; `None` where there is no `script`.
    fn sit_down() -> Option<Self> {
        if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: there is no program `script` here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        run(&folder, "db seed --users 60 --attempts 30 --yes --db data/marketplace.db");
        let binary = assert_cmd::cargo::cargo_bin("marketplace");
        let line = format!(
            "trap '' HUP; stty rows 36 cols 120; {} tui --db data/marketplace.db; echo $? > exit",
            binary.display()
        );
        let mut script = Command::new("script")
            .args(["-qfec", &line, "/dev/null"])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("TERM", "xterm-256color")
            .env("MARKETPLACE_IMAGES", "halfblocks")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (keys, mut shown) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let screen = Arc::<Mutex<String>>::default();
        let written = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = shown.read(&mut bytes) {
                written.lock().unwrap().push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap()));
            }
        });
        let mut desk = Self { folder, script, keys, screen };
        desk.wait_for("oldest");
        desk.press("2");
        std::thread::sleep(Duration::from_millis(500));
        desk.press("\r");
        desk.wait_for("yours");
        desk.wait_for("▀");
        // A look at it.
        std::thread::sleep(Duration::from_secs(2));
        Some(desk)
    }

    fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.screen.lock().unwrap().contains(text) {
            let screen = self.screen.lock().unwrap().clone();
            assert!(start.elapsed() < Duration::from_secs(30), "`{text}` never came: {screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// The exit code of the console.
    fn exit(&self) -> String {
        let (start, path) = (Instant::now(), self.folder.path().join("exit"));
        loop {
            match std::fs::read_to_string(&path) {
                Ok(code) if code.ends_with('\n') => return code.trim().to_owned(),
                _ if start.elapsed() > Duration::from_secs(20) => panic!("the console did not end"),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn count(&self, status: &str) -> usize {
        run(&self.folder, &format!("kyc list --status {status} --limit 0 -o id --db data/marketplace.db"))
            .lines()
            .count()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ended = self.script.kill();
        let _ended = self.script.wait();
    }
}

#[test]
fn a_held_key_decides_once_and_leaving_at_once_loses_nothing() {
    let Some(mut desk) = Desk::sit_down() else { return };
    let before = desk.count("approved");
    desk.press("a");
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..50 {
        desk.press("a");
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(desk.count("approved"), before + 1);
    // The next one, and out before any answer.
    std::thread::sleep(Duration::from_secs(1));
    desk.press("aq");
    assert_eq!(desk.exit(), "0");
    assert_eq!((desk.count("approved"), desk.count("in_review")), (before + 2, 0));
}

#[test]
fn a_closed_window_gives_the_claims_back() {
    let Some(mut desk) = Desk::sit_down() else { return };
    assert_eq!(desk.count("in_review"), 2);
    desk.script.kill().unwrap();
    desk.script.wait().unwrap();
    let code = desk.exit();
    assert_ne!(code, "101", "it panicked");
    assert_eq!(desk.count("in_review"), 0);
}

/// The whole loop of identity checks, an account, a list, and what is asked, without a terminal.
#[test]
fn a_shift_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    run(&folder, "db seed --users 60 --attempts 30 --yes --db data/marketplace.db");
    let lines = [
        "next",
        // Before anybody can have read it.
        "approve at once",
        "approve looks fine",
        "undo",
        "next",
        "reject",
        "document_expired",
        "no",
        "retry document_unreadable",
        "yes",
        "undo",
        "snooze",
        "4h",
        "users role:worker",
        "1",
        "note called them",
        "delete user_request",
        "yes",
        "freeze spam",
        "yes",
        "users role:client",
        "mark 1-3 2",
        "note all of them",
        "mail list",
        "services",
        "reports",
        "reviews",
        "help",
        "quit",
    ];
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("marketplace"));
    command.current_dir(folder.path()).env_clear().env("HOME", folder.path()).env("USER", "test");
    command.args(["tui", "--plain", "--db", "data/marketplace.db"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut said = String::new();
    for line in lines {
        // A line is written when it is asked for.
        let mut bytes = [0; 4_096];
        while !said.ends_with("> ") && !said.ends_with(": ") {
            let read = output.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "{said}");
            said.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        if ["approve looks", "reject", "retry", "snooze"].iter().any(|act| line.starts_with(act)) {
            std::thread::sleep(Duration::from_millis(410));
        }
        said.push('\n');
        writeln!(input, "{line}").unwrap();
    }
    output.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    let wrong = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}{wrong}");
    assert!(!said.contains('\u{1b}'), "no cursor is moved: {said}");
    for told in [
        "identity checks waiting: ",
        "claimed by  you",
        "approve: done; undo takes it back",
        "Why? document_expired, ",
        "Reject for good ",
        "retry: done; undo takes it back",
        "1. role worker, status ",
        "text     called them",
        "text     all of them",
        "delete confirms it: ",
        " frozen\n",
        "dismiss: ",
        "reports waiting: ",
        "Until when? ",
        "3 marked",
    ] {
        assert!(said.contains(told), "`{told}` was not said: {said}\n{wrong}");
    }
    assert_eq!(wrong.matches("not confirmed; nothing was changed").count(), 2, "{wrong}");
    assert_eq!(wrong.matches("came before what is open could be read").count(), 1, "{wrong}");
    let count = |status: &str| {
        run(&folder, &format!("kyc list --status {status} --limit 0 -o id --db data/marketplace.db")).lines().count()
    };
    assert_eq!(count("in_review"), 0, "claims are given back");
}
