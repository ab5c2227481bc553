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

/// Runs the program with its stdout in a file.
fn to_file(place: &Place, line: &str, file: &str) -> Output {
    let file = std::fs::File::options().write(true).open(file).unwrap();
    let mut command = std::process::Command::new(place.command().get_program());
    command.current_dir(place.folder.path()).env_clear().env("HOME", place.folder.path()).env("USER", "test");
    command.args(line.split_whitespace()).stdin(std::process::Stdio::null()).stdout(file).output().unwrap()
}

fn full(place: &Place, line: &str) -> Output {
    to_file(place, line, "/dev/full")
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
fn a_batch_that_is_refused_again_and_again_ends() {
    let place = Place::with_users(0);
    let url = stranger(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\nretry-after: 0\r\ncontent-length: 64\r\n\
         connection: close\r\n\r\n{\"code\":\"rate_limited\",\"detail\":\"too many requests, wait a bit\"}",
    );
    let mut command = place.command();
    command.env("MARKETPLACE_TOKEN", "t").args(["users", "freeze", "--stdin", "--yes", "--reason", "spam"]);
    let input = format!("{NOBODY}\n").repeat(50);
    let ended = command.args(["--continue-on-error", "--api", &url]).write_stdin(input).output().unwrap();
    assert_eq!(code(&ended), 6, "{}", err(&ended));
    assert_eq!(rows(&ended).len(), 3, "{}", out(&ended));
    assert!(err(&ended).contains("stopped after 0 changed, 0 unchanged, 3 failed"), "{}", err(&ended));
}

#[test]
fn what_nobody_reads_any_more_ends() {
    let place = Place::with_users(3);
    let spawn = |line: &str| {
        let mut command = std::process::Command::new(place.command().get_program());
        command.current_dir(place.folder.path()).env_clear().env("HOME", place.folder.path()).env("USER", "test");
        let piped = std::process::Stdio::piped;
        command.args(line.split_whitespace()).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap()
    };
    // A list that is watched, quietly.
    let mut watching = spawn("kyc list --watch");
    drop(watching.stdout.take());
    let watched = watching.wait_with_output().unwrap();
    assert_eq!((code(&watched), err(&watched)), (0, String::new()));
    // A batch, with what was done.
    let mut freezing = spawn("users freeze --stdin --yes --reason spam");
    drop(freezing.stdout.take());
    writeln!(freezing.stdin.take().unwrap(), "{}", place.users.join("\n")).unwrap();
    let frozen = freezing.wait_with_output().unwrap();
    assert_eq!(code(&frozen), 1, "{}", err(&frozen));
    assert!(err(&frozen).contains("nobody reads the results; stopped after 1 changed"), "{}", err(&frozen));
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
    let made = place.run(&format!("{line} --jq .item.secret"));
    assert!(out(&made).starts_with("mkt_") && out(&made).lines().count() == 1, "{}{}", out(&made), err(&made));
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

#[test]
fn lists_are_cut_by_time_and_sorted() {
    let place = seeded();
    let times = |line: &str| -> Vec<String> {
        let listed = place.run(&format!("{line} --jq .created_at"));
        assert_eq!(code(&listed), 0, "{line}: {}", err(&listed));
        out(&listed).lines().map(str::to_owned).collect()
    };
    for list in ["users list --limit 0", "jobs list --limit 0", "users list --q a --limit 0"] {
        let all = times(list);
        assert!(all.len() > 3, "{list}");
        let mut sorted = all.clone();
        sorted.sort();
        let (since, until) = (&sorted[sorted.len() / 4], &sorted[sorted.len() * 3 / 4]);
        let within = times(&format!("{list} --since {since} --until {until}"));
        let wanted: Vec<_> = all.iter().filter(|time| *time >= since && *time < until).cloned().collect();
        assert_eq!(within, wanted, "{list}");
        assert_eq!(times(&format!("{list} --sort created_at")), sorted, "{list}");
        sorted.reverse();
        assert_eq!(times(&format!("{list} --sort created_at:desc")), sorted, "{list}");
        assert_eq!(times(&format!("{list} --sort created_at:desc").replace("--limit 0", "--limit 2")), sorted[..2]);
        assert!(times(&format!("{list} --until 2001-01-01")).is_empty());
    }
    assert!(!out(&place.run("audit list --since 1h")).is_empty());
    assert!(
        out(&place.run("audit list --until 1h")).lines().count()
            < out(&place.run("audit list --limit 0")).lines().count()
    );
    for (line, exit) in [
        ("users list --since yesterday", 2),
        ("users list --since 1d --until 2d", 2),
        ("users list --sort nope", 2),
        ("kyc list --since 7d", 0),
        ("kyc list --mine", 0),
        ("audit list --mine", 0),
        ("tokens list --mine", 2),
    ] {
        assert_eq!(code(&place.run(line)), exit, "{line}: {}", err(&place.run(line)));
    }
}

#[test]
fn an_address_or_the_end_of_an_id_stands_for_it() {
    let place = seeded();
    let user = json(&out(&place.run("users list --role client --status active --limit 1 --reveal")));
    let (id, email) = (user["id"].as_str().unwrap(), user["email"].as_str().unwrap());
    let end = &id[id.len() - 8..];
    for named in [id, end, email, &id[id.len() - 12..]] {
        let shown = place.run(&format!("users show {named}"));
        assert_eq!(json(&out(&shown))["user"]["id"], id, "{named}: {}", err(&shown));
        let jobs = place.run(&format!("jobs list --user-id {named}"));
        assert_eq!(code(&jobs), 0, "{named}: {}", err(&jobs));
    }
    // Not by its beginning, which an operator's search would find.
    assert_eq!(code(&place.run(&format!("users show {}", &email[..email.len() - 1]))), 3);
    assert_eq!(code(&place.run("users show ffffffffffff")), 3);
    let frozen = fed(&place, "users freeze --stdin --yes --reason spam", &format!("{email}\n{end}\n"));
    let results: Vec<_> = rows(&frozen).iter().map(|row| row["result"].clone()).collect();
    assert_eq!(results, ["changed", "unchanged"], "{}", err(&frozen));
    let thread = out(&place.run("threads list --limit 1 -o id"));
    let thread = thread.trim();
    let shown = place.run(&format!("threads show {} -o id", &thread[thread.len() - 10..]));
    assert_eq!(out(&shown).trim(), thread, "{}", err(&shown));
    for status in ["pending", "approved"] {
        let attempt = out(&place.run(&format!("kyc list --status {status} --limit 1 -o id")));
        let attempt = attempt.trim();
        let shown = place.run(&format!("kyc show {}", &attempt[attempt.len() - 10..]));
        assert_eq!(code(&shown), 0, "{status}: {}", err(&shown));
    }
}

#[test]
fn an_empty_queue_ends_as_one_chooses() {
    let place = Place::with_users(0);
    assert_eq!(code(&place.run("kyc next --yes")), 0);
    let chosen = place.run("kyc next --yes --empty 9 -o json");
    assert_eq!((code(&chosen), out(&chosen).as_str()), (9, "null\n"), "{}", err(&chosen));
    assert_eq!(err(&chosen), "the queue is empty\n");
}

#[test]
fn accounts_come_from_stdin_once_each() {
    let place = Place::with_users(0);
    let people = "{\"role\":\"support\",\"email\":\"lea@example.org\",\"name\":\"Lea Ortiz\"}\n# the next\n\
                  {\"role\":\"worker\",\"email\":\"kim@example.org\",\"name\":\"Kim\",\"phone\":\"+442071838750\"}\n";
    let line = "users create --stdin --yes";
    let dry = fed(&place, &format!("{line} --dry-run"), people);
    assert_eq!(rows(&dry)[0], serde_json::json!({"id": "lea@example.org", "result": "would_change", "dry_run": true}));
    assert_eq!(out(&place.run("users list")), "");
    let made = fed(&place, line, people);
    assert_eq!((code(&made), rows(&made).len()), (0, 2), "{}", err(&made));
    let again = fed(&place, line, people);
    assert_eq!(code(&again), 0, "{}", err(&again));
    assert!(rows(&again).iter().all(|row| row["result"] == "unchanged"), "{}", out(&again));
    assert_eq!(rows(&made)[0]["id"], rows(&again)[0]["id"]);
    assert_eq!(out(&place.run("users list")).lines().count(), 2);
    let odd = fed(
        &place,
        &format!("{line} --continue-on-error"),
        "{\"role\":\"boss\",\"email\":\"x@example.org\",\"name\":\"X\"}\nx\n",
    );
    assert_eq!((code(&odd), rows(&odd)[1]["line"].as_u64()), (8, Some(2)), "{}", out(&odd));
    assert_eq!(code(&place.run("users create --role support --yes")), 2);
    // As it is written in its country.
    let found = place.command().args(["users", "list", "--q", "020 7183 8750", "--jq", ".id"]).output().unwrap();
    assert_eq!(out(&found).trim(), rows(&made)[1]["id"].as_str().unwrap(), "{}", err(&found));
}

#[test]
fn a_job_is_bundled_for_a_dispute() {
    let place = seeded();
    let job = out(&place.run("jobs list --limit 1 -o id"));
    let line = format!("jobs bundle {} --reason dispute --out", job.trim());
    let made = place.run(&format!("{line} case.zip"));
    assert_eq!(code(&made), 0, "{}", err(&made));
    let bytes = std::fs::read(place.path("case.zip")).unwrap();
    assert!(bytes.starts_with(b"PK"));
    for name in ["job.json", "history.jsonl", "thread.json", "messages.jsonl"] {
        assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
    assert_eq!(code(&place.run(&format!("{line} case.zip"))), 5);
    assert_eq!(out(&place.run("audit list --action threads.read")).lines().count(), 1);
}

#[test]
fn what_counts_and_what_is_printed_is_told() {
    let place = Place::with_users(1);
    std::fs::write(
        place.path("marketplace.toml"),
        "# mine\ndata_dir = 'data'\nredis_url = 'redis://me:hunter2@cache'\n",
    )
    .unwrap();
    let mut command = place.command();
    let told = command.env("MARKETPLACE_LOG__LEVEL", "warn").args(["config", "view"]).output().unwrap();
    assert_eq!(code(&told), 0, "{}", err(&told));
    let told: Vec<Value> = rows(&told);
    let source = |key: &str| told.iter().find(|row| row["key"] == key).unwrap()["source"].as_str().unwrap().to_owned();
    assert_eq!((source("log.level").as_str(), source("keys_dir").as_str()), ("MARKETPLACE_LOG__LEVEL", "default"));
    assert_eq!(
        (source("data_dir").as_str(), source("redis_url").as_str()),
        ("marketplace.toml:2", "marketplace.toml:3")
    );
    assert!(!format!("{told:?}").contains("hunter2"));
    std::fs::write(place.path("marketplace.toml"), "[limits]\nrequests = 0\n").unwrap();
    let wrong = place.run("users list");
    assert!(code(&wrong) == 2 && err(&wrong).contains("marketplace.toml, line 2"), "{}", err(&wrong));
    std::fs::remove_file(place.path("marketplace.toml")).unwrap();

    let schema = json(&out(&place.run("schema users")));
    let row = json(&out(&place.run("users list")));
    for key in row.as_object().unwrap().keys() {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    assert_eq!(schema["properties"]["created_at"]["format"], "date-time");
    for noun in ["kyc", "users", "jobs", "threads", "reviews", "audit", "tokens", "mail", "stats"] {
        for what in ["list", "show", "batch"] {
            assert_eq!(code(&place.run(&format!("schema {noun} --of {what}"))), 0, "{noun} {what}");
        }
    }
}

#[test]
fn what_ends_the_program_is_no_filter() {
    let place = Place::with_users(2);
    for ends in ["halt", "halt_error"] {
        let refused =
            place.run(&format!("users freeze {} {} --reason spam --yes --jq {ends}", place.users[0], place.users[1]));
        assert_eq!((code(&refused), out(&refused).as_str()), (2, ""), "{}", err(&refused));
    }
    assert_eq!(out(&place.run("users list --status frozen")), "");
}

#[test]
fn changes_whose_results_cannot_be_printed_are_said() {
    let place = Place::with_users(4);
    let users = &place.users;
    let many = format!("{} {}", users[0], users[1]);
    let unfit = place.run(&format!("users freeze {many} --reason spam --yes --jq .id.x"));
    assert_eq!(code(&unfit), 8, "{}", err(&unfit));
    assert!(err(&unfit).contains(&format!("error: {} is changed, but", users[1])), "{}", err(&unfit));
    assert!(err(&unfit).contains("2 changed, 0 unchanged, 0 failed; 2 of the results not printed"), "{}", err(&unfit));
    let one = place.run(&format!("users unfreeze {} --yes --jq .changed.x", users[0]));
    assert_eq!(code(&one), 1, "{}", err(&one));
    assert!(err(&one).contains("the change is done"), "{}", err(&one));
    let stopped = full(&place, &format!("users unfreeze {} {} {} --yes", users[1], users[2], users[3]));
    assert_eq!(code(&stopped), 1, "{}", err(&stopped));
    assert!(err(&stopped).contains("1 changed, 0 unchanged, 0 failed, 2 not tried"), "{}", err(&stopped));
    let one = full(&place, &format!("users freeze {} --reason spam --yes", users[0]));
    assert_eq!(code(&one), 1);
    assert!(err(&one).contains("the change is done"), "{}", err(&one));
}

#[test]
fn a_token_whose_secret_is_lost_is_revoked() {
    let place = seeded();
    let admin = out(&place.run("users list --role admin --status active --limit 1 -o id"));
    let line = format!("tokens create --name Night --scope kyc:read --expires 1d --yes --owner {}", admin.trim());
    let nowhere = to_file(&place, &line, "/dev/null");
    assert_eq!(code(&nowhere), 2, "{}", err(&nowhere));
    assert_eq!(out(&place.run("tokens list")), "", "none was made");
    let lost = full(&place, &line);
    assert_eq!(code(&lost), 1, "{}", err(&lost));
    assert!(err(&lost).contains("revoked again"), "{}", err(&lost));
    let tokens = rows(&place.run("tokens list"));
    assert!(tokens.iter().all(|token| !token["revoked_at"].is_null()), "{tokens:?}");
}

#[test]
fn a_dry_run_prints_no_ids() {
    let place = Place::with_users(2);
    for users in [place.users[0].clone(), place.users.join(" ")] {
        let dry = place.run(&format!("users freeze {users} --reason spam --dry-run -o id"));
        assert_eq!((code(&dry), out(&dry).as_str()), (0, ""), "{}", err(&dry));
    }
}

#[test]
fn an_endless_filter_can_be_interrupted() {
    let place = Place::with_users(1);
    let command = place.command();
    for (signal, wanted) in [("INT", 130), ("TERM", 143)] {
        let mut plain = std::process::Command::new("timeout");
        plain.current_dir(command.get_current_dir().unwrap_or(place.folder.path()));
        plain.args(["--preserve-status", "-s", signal, "2"]).arg(command.get_program());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => plain.env(name, value),
                None => plain.env_remove(name),
            };
        }
        let ended = plain.args(["users", "list", "--jq", "def f: f; f"]).output().unwrap();
        assert_eq!(ended.status.code(), Some(wanted), "{}", err(&ended));
    }
}

#[test]
fn the_role_of_a_row_is_not_the_one_to_give() {
    let place = Place::with_users(2);
    let listed = out(&place.run("users list --limit 0 --fields id,role"));
    let made = fed(&place, "users role --stdin --role client --yes", &listed);
    assert_eq!(code(&made), 0, "{}", err(&made));
    assert_eq!(out(&place.run("users list --role client -o id")).lines().count(), 2);
    let own = format!("{{\"id\":\"{}\",\"role\":\"support\"}}", place.users[0]);
    assert_eq!(code(&fed(&place, "users role --stdin --yes", &own)), 0);
    assert_eq!(out(&place.run("users list --role support -o id")).trim(), place.users[0]);
}

#[test]
fn the_log_is_searched_by_the_end_of_an_id() {
    let place = Place::with_users(2);
    let user = &place.users[0];
    assert_eq!(code(&place.run(&format!("users freeze {user} --reason spam --yes"))), 0);
    let whole = out(&place.run(&format!("audit list --target {user}")));
    let short = place.run(&format!("audit list --target {}", &user[user.len() - 10..]));
    assert_eq!((code(&short), out(&short)), (0, whole), "{}", err(&short));
    assert!(out(&short).contains("users.freeze"));
    assert_eq!(code(&place.run("audit list --target ffffffffffff")), 3);
}

#[test]
fn a_search_for_nothing_is_refused() {
    let place = Place::with_users(2);
    for nothing in ["+", "@", "-."] {
        let refused = place.run(&format!("users list --q={nothing}"));
        assert_eq!((code(&refused), out(&refused).as_str()), (2, ""), "{nothing}: {}", err(&refused));
    }
    let line = "users create --role worker --email n@example.org --name Nia --phone +442071838750 --yes";
    assert_eq!(code(&place.run(line)), 0);
    for beginning in ["+44 2", "+44 20", "+44 20 71"] {
        let found = place.command().args(["users", "list", "-o", "id", "--reveal", "--q", beginning]).output().unwrap();
        assert_eq!(out(&found).lines().count(), 1, "{beginning}: {}", err(&found));
    }
}

#[test]
fn a_look_at_a_database_makes_no_folder() {
    let place = Place::with_users(1);
    let files = place.path("data/files");
    std::fs::remove_dir_all(&files).unwrap();
    for line in ["users list", "audit verify", "users list --db data/marketplace.db"] {
        assert_eq!(code(&place.run(line)), 0, "{line}");
        assert!(!files.exists(), "{line}");
    }
}

#[test]
fn blanks_around_a_notice_make_no_other() {
    let place = seeded();
    let thread = out(&place.run("threads list --limit 1 -o id"));
    for (content, result) in [("Closed.", "changed"), ("Closed. ", "unchanged")] {
        let line = format!("{{\"id\":\"{}\",\"content\":\"{content}\"}}", thread.trim());
        assert_eq!(rows(&fed(&place, "threads notice --stdin --yes", &line))[0]["result"], result);
    }
}

#[test]
fn staff_put_right_what_went_wrong() {
    let place = Place::with_users(2);
    let (ada, bob) = (place.users[0].clone(), place.users[1].clone());
    let done = |line: String| {
        let output = place.run(&line);
        assert_eq!(code(&output), 0, "{line}: {}", err(&output));
        out(&output)
    };
    let edited = done(format!("users edit {ada} --name Ada --reason user_request --yes -o json"));
    assert_eq!(json(&edited)["item"]["user"]["name"], "A•••");
    assert!(
        done(format!("users edit {ada} --name Ada --reason user_request --yes -o json")).contains("\"changed\": false")
    );
    assert_eq!(code(&place.run(&format!("users edit {ada} --email nowhere --reason other --yes"))), 2);
    assert_eq!(code(&place.run(&format!("users edit {ada} --name Bob --yes"))), 2, "without a reason");
    done(format!("users freeze {ada} --until 1d --reason spam --yes"));
    assert!(json(&done(format!("users show {ada} -o json")))["restriction"]["until"].is_string());
    assert_eq!(code(&place.run(&format!("users freeze {bob} --until 2020-01-01 --reason spam --yes"))), 2);
    let warned =
        fed(&place, "users warn --stdin --reason spam --comment Enough. --yes", &format!("{ada}\n{bob}\n{ada}\n"));
    let results: Vec<Value> = rows(&warned).into_iter().map(|row| row["result"].clone()).collect();
    assert_eq!(results, ["changed", "changed", "unchanged"], "{}", err(&warned));
    done(format!("users send-password-reset {bob} --yes"));
    done(format!("users reveal {bob} --reason quality"));
    let log = done("audit list --action users.reveal --jq .reason".into());
    assert_eq!(log, "quality\n");
    assert_eq!(done(format!("users sessions {bob}")), "");
    assert_eq!(code(&place.run(&format!("users sessions {bob} --end {NOBODY} --yes"))), 3);
    done("rules create blocked_domain Throwaway.example --yes".into());
    assert_eq!(done("rules list --jq .value".into()), "throwaway.example\n");
    done("rules add words GIFT-card --as scam --place services --yes".into());
    let words = done("rules list --kind words -o id".into());
    done(format!("rules edit {} --note x --yes", words.trim()));
    assert_eq!(done("rules list --kind words --jq .note".into()), "x\n");
    assert!(done("rules test words gift --jq .caught".into()).trim().parse::<u32>().is_ok());
    let refused = place.run(&format!("users edit {bob} --email bob@mail.throwaway.example --reason other --yes"));
    assert_eq!(code(&refused), 2, "{}", err(&refused));
    assert_eq!(done("services list".into()), "");
    // Of a whole id that is nobody's, no list is empty.
    for filter in
        ["jobs list --user-id", "services list --worker-id", "threads list --user-id", "jobs list --thread-id"]
    {
        assert_eq!(code(&place.run(&format!("{filter} {NOBODY}"))), 3, "{filter}");
    }
    let refused = place.run("replay nothing.cast");
    assert_eq!((code(&refused), err(&refused).contains("terminal")), (2, true));
}

#[test]
fn a_shell_is_offered_what_there_is() {
    let place = Place::with_users(2);
    assert_eq!(code(&place.run("profile add prod --db data/marketplace.db")), 0);
    let offered = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = place.command();
        command.env("MARKETPLACE_COMPLETE", "zsh").env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        out(&command.arg("--").args(words).output().unwrap())
    };
    for user in &place.users {
        assert!(offered("marketplace users show ").contains(&**user));
    }
    assert!(offered("marketplace --profile p").contains("prod"));
    assert!(offered("marketplace users list --fields id,kyc").contains("id,kyc_status"));
    assert!(offered("marketplace tokens create --scope s").contains("stats"));
    assert!(!offered("marketplace tokens create --scope o").contains("own_account"));
}

#[test]
fn a_line_may_say_whatever_one_call_may() {
    let place = Place::empty();
    assert_eq!(code(&place.run("db seed --users 60 --attempts 12 --pictures none")), 0);
    let users = out(&place.run("users list --role worker --status active --limit 2 -o id"));
    let users: Vec<&str> = users.lines().collect();
    let input = format!("{{\"id\":\"{}\",\"until\":\"7d\"}}\n{}\n", users[0], users[1]);
    let frozen = fed(&place, "users freeze --stdin --yes --reason spam", &input);
    assert_eq!(code(&frozen), 0, "{}{}", out(&frozen), err(&frozen));
    let until = |id: &str| json(&out(&place.run(&format!("users show {id} -o json"))))["restriction"]["until"].clone();
    assert!(until(users[0]).is_string() && until(users[1]).is_null(), "{} {}", until(users[0]), until(users[1]));
    let bad = fed(
        &place,
        "users freeze --stdin --yes --reason spam",
        &format!("{{\"id\":\"{}\",\"until\":\"soon\"}}\n", users[0]),
    );
    assert_eq!((code(&bad), out(&bad).contains("not a time")), (8, true), "{}", out(&bad));

    let support = out(&place.run("users list --role support --status active --limit 1 -o id"));
    let lea = support.trim();
    let cases = out(&place.run("kyc list --limit 3 -o id"));
    let cases: Vec<&str> = cases.lines().collect();
    let input = format!(
        "{{\"id\":\"{}\",\"until\":\"4h\"}}\n{{\"id\":\"{}\",\"until\":\"2d\",\"note\":\"x\"}}\n",
        cases[0], cases[1]
    );
    let put_off = fed(&place, "kyc snooze --stdin --yes", &input);
    assert_eq!(code(&put_off), 0, "{}{}", out(&put_off), err(&put_off));
    assert_eq!(out(&place.run("kyc list --snoozed -o id")).lines().count(), 2);
    let missing = fed(&place, "kyc snooze --stdin --yes", &format!("{}\n", cases[2]));
    assert!(code(&missing) == 8 && out(&missing).contains("time is missing"), "{}", out(&missing));
    let woken =
        fed(&place, "kyc snooze --stdin --until 3d --yes", &format!("{{\"id\":\"{}\",\"until\":\"now\"}}\n", cases[0]));
    assert_eq!((code(&woken), out(&place.run("kyc list --snoozed -o id")).lines().count()), (0, 1), "{}", err(&woken));
    let input = format!("{{\"id\":\"{}\",\"to\":\"{lea}\"}}\n", cases[2]);
    let given = fed(&place, "kyc assign --stdin --yes", &input);
    assert_eq!(code(&given), 0, "{}{}", out(&given), err(&given));
    assert_eq!(out(&place.run(&format!("kyc list --assigned-to {lea} -o id"))).trim(), cases[2]);
    let nobody = fed(&place, "kyc assign --stdin --yes", &format!("{}\n", cases[2]));
    assert!(code(&nobody) == 8 && out(&nobody).contains("to whom"), "{}", out(&nobody));
    let claimed =
        fed(&place, "kyc claim --stdin --yes", &format!("{{\"id\":\"{}\",\"reason\":\"other\"}}\n", cases[0]));
    assert_eq!(code(&claimed), 0, "{}{}", out(&claimed), err(&claimed));
}

#[test]
fn every_state_is_a_filter_and_a_misspelt_one_is_refused() {
    let place = Place::with_users(1);
    for (line, states) in [
        ("kyc list", &["none", "pending", "in_review", "approved", "retry", "rejected", "revoked", "expired"][..]),
        ("users list", &["unverified", "active", "frozen", "banned", "deleted"]),
        ("reports list", &["open", "in_review", "snoozed", "resolved", "dismissed", "appealed", "upheld", "reversed"]),
        ("services list", &["draft", "published", "closed"]),
        ("threads list", &["open", "closed"]),
        ("mail list", &["waiting", "failed"]),
    ] {
        for state in states {
            let listed = place.run(&format!("{line} --status {state}"));
            assert_eq!(code(&listed), 0, "{line} --status {state}: {}", err(&listed));
        }
        let refused = place.run(&format!("{line} --status pendign"));
        let text = err(&refused);
        assert_eq!(code(&refused), 2, "{line}: {text}");
        assert!(states.iter().all(|state| text.contains(state)), "{line}: {text}");
    }
    for line in ["reports list --snoozed", "reports list --escalated", "kyc list --snoozed", "kyc list --escalated"] {
        assert_eq!(code(&place.run(line)), 0, "{line}");
    }
    for line in ["reports list --snoozed --escalated", "kyc list --snoozed --escalated"] {
        assert_eq!(code(&place.run(line)), 2, "{line}");
    }
    let woken = place.run(&format!("reports snooze {NOBODY} --until now --yes"));
    assert_eq!(code(&woken), 3, "{}", err(&woken));
}

/// What a shell is told when a word is completed.
fn offered(place: &Place, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = place.command();
    command.env("MARKETPLACE_COMPLETE", "fish").args(["--", "marketplace"]).args(words);
    out(&command.output().unwrap()).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn shells_are_offered_ids_numbers_and_names() {
    let place = Place::with_users(2);
    assert!(offered(&place, "users show ").contains(&place.users[0]));
    assert!(offered(&place, "audit show ").contains(&"1".to_owned()));
    assert!(
        offered(&place, "categories update ").contains(&"music".to_owned()),
        "{:?}",
        offered(&place, "categories update ")
    );
    assert!(offered(&place, "kyc list --assigned-to ").contains(&"me".to_owned()));
    let rule = out(&place.run("rules create blocked_domain throwaway.example --yes -o id"));
    assert!(offered(&place, "rules edit ").contains(&rule.trim().to_owned()));
}

#[test]
fn shells_are_offered_deliveries_of_the_webhook_that_is_named() {
    let place = Place::empty();
    assert_eq!(code(&place.run("db seed --users 900 --attempts 300 --threads 300 --pictures none")), 0);
    let mut all = 0;
    for webhook in out(&place.run("webhooks list -o id")).lines() {
        let deliveries = out(&place.run(&format!("webhooks deliveries {webhook} --limit 0 -o id")));
        let found = offered(&place, &format!("webhooks redeliver {webhook} --delivery "));
        assert_eq!(found, deliveries.lines().collect::<Vec<_>>());
        all += found.len();
    }
    assert!(all > 0, "the seed brings some");
}

#[test]
fn people_are_named_for_people_and_by_ids_for_programs() {
    let place = Place::empty();
    assert_eq!(code(&place.run("db seed --users 60 --attempts 1 --pictures none")), 0);
    let support = json(out(&place.run("users list --role support --status active --limit 1")).lines().next().unwrap());
    let (lea, name) = (support["id"].as_str().unwrap(), support["name"].as_str().unwrap());
    let create = format!("tokens create --name night --scope kyc:read --expires 1d --owner {lea} --yes");
    let card = out(&place.run(&format!("{create} -o table")));
    assert!(card.contains(&format!("{name} ({lea})")), "{card}");
    let row = json(out(&place.run("tokens list")).lines().next().unwrap());
    assert_eq!(row["owner_id"], lea);
}

#[test]
fn kinds_of_webhooks_that_are_offered_are_accepted() {
    let place = Place::with_users(0);
    let make = |kind: &str| place.run(&format!("webhooks create https://hooks.example.org/a --kind {kind} --dry-run"));
    let refused = make("webhook.test");
    assert_eq!(code(&refused), 2);
    let offered = err(&refused).split_once("possible values: ").unwrap().1.split_once(']').unwrap().0.to_owned();
    assert!(!offered.contains("webhook.test"), "{offered}");
    for kind in offered.split(", ") {
        assert_eq!(code(&make(kind)), 0, "{kind}");
    }
}
