//! What scripts rely on: batches that can be run again, marked dry runs, rows that feed the next command, answers of strangers.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{NOBODY, Place, code, err, json, out};

fn fed(place: &Place, line: &str, input: &str) -> Output {
    place.command().args(line.split_whitespace()).write_stdin(input).output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    out(output).lines().map(json).collect()
}

fn seeded() -> Place {
    let place = Place::empty();
    let made = place.run("db seed --users 1000 --threads 6 --services 60 --pictures none");
    assert_eq!(code(&made), 0, "{}", err(&made));
    place
}

/// A server of another program: answers everything with this.
fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn a_page_of_another_program_is_no_answer() {
    let place = Place::with_users(0);
    for answer in [
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope",
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
    ] {
        let url = stranger(answer);
        for line in [
            format!("users show {NOBODY}"),
            "kyc list".into(),
            "auth whoami".into(),
            format!("users freeze {NOBODY} --reason spam --yes"),
            format!("users export {NOBODY} --out x.zip"),
            format!("kyc open {NOBODY} --output x.jpg"),
        ] {
            let mut command = place.command();
            let output =
                command.env("MARKETPLACE_TOKEN", "t").args(format!("{line} --api {url}").split_whitespace()).output();
            let output = output.unwrap();
            assert_eq!(code(&output), 7, "{line} with {answer}: {}", err(&output));
            assert!(!place.path("x.zip").exists() && !place.path("x.jpg").exists());
        }
    }
}

#[test]
fn a_server_that_is_down_ends_a_batch_at_once() {
    let place = Place::with_users(0);
    let begun = Instant::now();
    let mut command = place.command();
    command.env("MARKETPLACE_TOKEN", "t").args(["users", "freeze", "--stdin", "--yes", "--reason", "spam"]);
    let ended = command
        .args(["--continue-on-error", "--api", "http://127.0.0.1:1"])
        .write_stdin(format!("{NOBODY}\n").repeat(50))
        .output()
        .unwrap();
    assert_eq!(code(&ended), 7, "{}", err(&ended));
    assert_eq!(rows(&ended).len(), 1);
    assert!(err(&ended).contains("stopped after 0 changed, 0 unchanged, 1 failed"), "{}", err(&ended));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn fields_of_a_call_are_no_fields_of_output() {
    let place = Place::with_users(0);
    for line in ["api POST /v1/x -f a=b", "api GET /v1/x -F a=1 -H X-A:b", "api POST x --raw-field a=b -i"] {
        let refused = place.run(line);
        assert_eq!(code(&refused), 2, "{line}: {}", err(&refused));
        assert!(err(&refused).contains("through a server"), "{line}: {}", err(&refused));
    }
    assert_eq!(code(&place.run("api GET /v1/x -o csv")), 2);
}

#[test]
fn ids_on_stdout_are_of_what_was_done() {
    let place = Place::with_users(2);
    let input = format!("{}\n{NOBODY}\n{}\n", place.users[0], place.users[1]);
    let line = "users freeze --stdin --yes --reason spam --continue-on-error -o id";
    let done = fed(&place, line, &input);
    assert_eq!(code(&done), 8);
    assert_eq!(out(&done).lines().collect::<Vec<_>>(), place.users);
    assert!(err(&done).contains(&format!("failed: line 2: {NOBODY} no such user")), "{}", err(&done));
}

#[test]
fn what_is_shown_once_is_not_lost() {
    let place = seeded();
    let admin = out(&place.run("users list --role admin --status active --limit 1 -o id"));
    let line = format!("tokens create --name Night --scope kyc:read --expires 1d --yes --owner {}", admin.trim());
    for odd in ["-o id", "-o csv --fields item.token.id", "--jq .item.token.id"] {
        let refused = place.run(&format!("{line} {odd}"));
        assert_eq!((code(&refused), out(&refused).as_str()), (2, ""), "{odd}: {}", err(&refused));
        assert!(err(&refused).contains("secret would be lost"), "{odd}: {}", err(&refused));
    }
    assert_eq!(out(&place.run("tokens list")), "");
    let dry = place.run(&format!("{line} --dry-run -o id"));
    assert_eq!((code(&dry), out(&dry).as_str()), (0, ""), "{}", err(&dry));
    let made = place.run(&format!("{line} --fields item.secret"));
    assert!(out(&made).contains("mkt_"), "{}{}", out(&made), err(&made));
}

#[test]
fn dry_runs_are_marked_and_foresee_what_adds_up() {
    let place = seeded();
    let one = place.run(&format!(
        "users ban {} --reason fraud --dry-run",
        out(&place.run("users list --role client --limit 1 -o id")).trim()
    ));
    assert_eq!(json(&out(&one))["dry_run"], true);
    let made = place.run("users create --role support --email dry@example.org --name Dry --dry-run -o id");
    assert_eq!((code(&made), out(&made).as_str()), (0, ""), "{}", err(&made));
    for user in out(&place.run("users list --role client --status active --limit 2 -o id")).lines() {
        assert_eq!(code(&place.run(&format!("users role {user} --role admin --yes"))), 0);
    }
    let admins = out(&place.run("users list --role admin --status active --limit 0 -o id"));
    let count = admins.lines().count();
    assert!(count > 1);
    let line = "users freeze --stdin --yes --reason spam --continue-on-error";
    let dry = fed(&place, &format!("{line} --dry-run"), &admins);
    let results: Vec<_> = rows(&dry).iter().map(|row| row["result"].clone()).collect();
    let mut wanted = vec![Value::from("would_change"); count - 1];
    wanted.push("failed".into());
    assert_eq!((code(&dry), results), (8, wanted), "{}", err(&dry));
    assert!(rows(&dry).iter().all(|row| row["dry_run"] == true));
    let real = fed(&place, line, &admins);
    assert_eq!(rows(&real).iter().filter(|row| row["result"] == "failed").count(), 1, "as foreseen");
    let twice = fed(&place, "users note --help", "");
    assert_eq!(code(&twice), 0);
}

#[test]
fn a_batch_of_notices_can_be_run_again() {
    let place = seeded();
    let threads = out(&place.run("threads list --limit 3 -o id"));
    assert_eq!(threads.lines().count(), 3);
    let results = |extra: &str| -> Vec<Value> {
        let sent = fed(&place, &format!("threads notice --stdin --content hello --yes {extra}"), &threads);
        assert_eq!(code(&sent), 0, "{}", err(&sent));
        rows(&sent).iter().map(|row| row["result"].clone()).collect()
    };
    assert_eq!(results(""), ["changed"; 3]);
    assert_eq!(results(""), ["unchanged"; 3]);
    assert_eq!(results("--occasion again"), ["changed"; 3]);
    let first = threads.lines().next().unwrap();
    let read = out(&place.run(&format!("threads messages {first} --reason dispute --limit 0 --jq .content")));
    assert_eq!(read.lines().filter(|line| *line == "hello").count(), 2, "{read}");
}

#[test]
fn rows_of_a_list_feed_the_next_command() {
    let place = Place::with_users(3);
    let listed = out(&place.run("users list"));
    let frozen = fed(&place, "users freeze --stdin --yes --reason spam", &listed);
    assert_eq!(code(&frozen), 0, "{}", err(&frozen));
    assert_eq!(rows(&frozen).iter().filter(|row| row["result"] == "changed").count(), 3);
    let thawed = fed(&place, "users unfreeze --stdin --yes", &out(&frozen));
    assert_eq!((code(&thawed), rows(&thawed).len()), (0, 3), "{}", err(&thawed));
    // What somebody is, is not what they are to become.
    let roles = fed(&place, "users role --stdin --yes --role client", &listed);
    assert!(rows(&roles).iter().all(|row| row["result"] == "changed"), "{}", out(&roles));

    let input = format!("# for today\n{} # the first\n\nnonsense\n", place.users[0]);
    let mixed = fed(&place, "users freeze --stdin --yes --reason spam --continue-on-error", &input);
    let mixed = rows(&mixed);
    assert_eq!((mixed.len(), mixed[0]["result"].as_str(), mixed[1]["line"].as_u64()), (2, Some("changed"), Some(4)));
}

#[test]
fn what_is_misspelt_is_not_taken_for_nothing() {
    let place = Place::with_users(3);
    for (line, exit) in [
        ("audit list --action users.bann", 2),
        ("audit list --actor user:sam", 2),
        ("audit list --actor sam", 2),
        ("audit list --actor local:nobody@nowhere", 3),
        ("audit list --target 019a8f3e", 3),
    ] {
        let refused = place.run(line);
        assert_eq!((code(&refused), out(&refused).as_str()), (exit, ""), "{line}: {}", err(&refused));
    }
    for empty in [&["users", "list", "--q", ""][..], &["users", "list", "--q", " "], &["audit", "list", "--target", ""]]
    {
        let refused = place.command().args(empty).output().unwrap();
        assert_eq!((code(&refused), out(&refused).as_str()), (2, ""), "{empty:?}: {}", err(&refused));
    }
    assert_eq!(code(&place.run("audit list --actor system --action users.ban")), 0);
    assert_eq!(code(&place.run(&format!("audit list --target {NOBODY}"))), 0);
    let more = err(&place.run("users list --limit 1"));
    let cursor = more.split("--after ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert_eq!(code(&place.run(&format!("users list --after {cursor}"))), 0);
    for other in ["jobs list", "threads list", "reviews list", "kyc list", "tokens list", "mail list", "audit list"] {
        let refused = place.run(&format!("{other} --after {cursor}"));
        assert_eq!(code(&refused), 2, "{other}: {}", err(&refused));
    }
}

#[test]
fn rows_go_through_filters_and_templates() {
    let place = Place::with_users(2);
    let run = |words: &[&str]| place.command().args(words).output().unwrap();
    let names = run(&["users", "list", "--jq", "select(.name | endswith(\"1•••\")) | {id, name}"]);
    assert_eq!(json(&out(&names))["id"], place.users[1].as_str(), "{}", err(&names));
    assert_eq!(out(&run(&["users", "list", "-o", "json", "--jq", "length"])), "2\n");
    let shown = run(&["users", "show", &place.users[0], "--template", "{{ user.role }} {{ user.id }}"]);
    assert_eq!(out(&shown), format!("worker {}\n", place.users[0]));
    assert_eq!(code(&run(&["users", "list", "--jq", ".["])), 2);
    assert_eq!(code(&run(&["users", "list", "--template", "{{"])), 2);
}

#[test]
fn help_tells_of_the_options_of_every_command_once() {
    let place = Place::empty();
    assert!(out(&place.run("--help")).contains("--profile"));
    for line in ["kyc approve -h", "kyc approve --help", "kyc -h", "help kyc approve"] {
        let help = place.run(line);
        assert_eq!(code(&help), 0, "{line}");
        assert!(
            !out(&help).contains("--profile") && out(&help).contains("marketplace --help"),
            "{line}: {}",
            out(&help)
        );
    }
    let spoken = place.run("kyc list -v --db nowhere.db");
    assert!(err(&spoken).contains("nowhere.db, keys in"), "{}", err(&spoken));
}
