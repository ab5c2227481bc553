//! The real binary over a throwaway SQLite database: output in a pipe, exit codes, batches.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is the test's")]

mod places;
mod scripts;
mod support;

use std::path::Path;

use serde_json::Value;
use support::{NOBODY, Place, code, err, json, out};

#[test]
fn lists_in_a_pipe_are_a_line_an_object_and_page_on() {
    let place = Place::with_users(5);
    let all = place.run("users list");
    assert_eq!((code(&all), out(&all).lines().count()), (0, 5));
    assert_eq!(json(out(&all).lines().next().unwrap())["name"], "Worker 4•••");
    let some = place.run("users list --limit 2 -o id");
    assert_eq!(out(&some).lines().collect::<Vec<_>>(), [place.users[4].as_str(), &place.users[3]]);
    let more = err(&some);
    let cursor = more.split("--after ").nth(1).unwrap().split(',').next().unwrap();
    let rest = place.run(&format!("users list --limit 0 -o id --after {cursor}"));
    assert_eq!(out(&rest).lines().collect::<Vec<_>>(), [place.users[2].as_str(), &place.users[1], &place.users[0]]);
    let array = place.run("users list -o json --fields id,email");
    assert_eq!(json(&out(&array)).as_array().unwrap().len(), 5);
    assert_eq!(json(&out(&array))[0].as_object().unwrap().len(), 2);
    assert_eq!(out(&place.run("users list --status banned -o json")), "[]\n");
}

#[test]
fn every_kind_of_failure_has_its_exit_code_and_lines() {
    let place = Place::with_users(1);
    let user = &place.users[0];
    for (line, exit, error, hint) in [
        ("users list --fields nope".to_owned(), 2, "there is no field `nope`", "email_verified"),
        ("users list --after nonsense".into(), 2, "after", "--help"),
        ("users list --status gone".into(), 2, "invalid value 'gone'", "--help"),
        (format!("users show {NOBODY}"), 3, "no such user", "list"),
        (format!("users ban {user} --reason fraud"), 2, "no terminal", "--yes"),
        (format!("users ban {user} --yes"), 2, "reason", "--help"),
        (format!("users unban {user} --yes --if-version 99"), 5, "version", "show"),
        (format!("jobs show {NOBODY}"), 3, "no such job", "list"),
        (format!("jobs cancel {NOBODY} --yes"), 2, "reason is missing", "--reason"),
        (format!("jobs finalize {NOBODY}"), 2, "no terminal", "--yes"),
        (format!("jobs cancel {NOBODY} --reason 0815 --yes"), 2, "invalid value '0815'", "--help"),
        (format!("threads messages {NOBODY}"), 2, "--reason", "--help"),
        (format!("threads messages {NOBODY} --reason dispute"), 3, "no such thread", "list"),
        (format!("threads watch {NOBODY} --reason dispute"), 3, "no such thread", "list"),
        (format!("threads notice {NOBODY} --yes"), 2, "text of the notice is missing", "--content"),
        (format!("threads remove-message {NOBODY} --reason spam --yes"), 3, "no such message", "list"),
        (format!("reviews remove {NOBODY} --yes"), 2, "reason is missing", "--reason"),
        (format!("reviews restore {NOBODY} --yes --fields item.nope"), 2, "no field `item.nope`", "item.review.id"),
        ("users list --api http://127.0.0.1:1".into(), 4, "not logged in", "marketplace auth login"),
        ("auth whoami --profile nope".into(), 2, "no profile `nope`", "profile add"),
        ("api GET /v1/admin/stats".into(), 2, "through a server", "--api"),
        ("kyc list --db /dev/null/x.db".into(), 7, "/dev/null", "doctor"),
        ("users list --db a.db --api http://127.0.0.1:1".into(), 2, "cannot be used with", ""),
    ] {
        let output = place.run(&line);
        assert_eq!(code(&output), exit, "{line}: {}", err(&output));
        assert_eq!(out(&output), "", "{line}");
        let text = err(&output);
        assert!(text.starts_with("error: ") && text.contains(error) && text.contains(hint), "{line}: {text}");
        assert!(text.lines().all(|line| line.starts_with("error: ") || line.starts_with("hint: ")), "{line}: {text}");
    }
    let output =
        place.command().args(["users", "list", "--api", "http://127.0.0.1:1"]).env("MARKETPLACE_TOKEN", "t").output();
    assert_eq!(code(&output.unwrap()), 7);
}

#[test]
fn with_json_the_error_is_an_object() {
    let place = Place::with_users(0);
    for (line, exit, name) in [
        (format!("users show {NOBODY} -o json"), 3, "not_found"),
        ("users show not-an-id -o json".into(), 2, "usage"),
        ("kyc approve --stdin -o json".into(), 2, "usage"),
    ] {
        let output = place.run(&line);
        let error = json(&err(&output));
        assert_eq!((code(&output), error["code"].as_str()), (exit, Some(name)), "{error}");
        assert_eq!(error["retryable"], false);
        assert!(error["message"].is_string() && error.get("hint").is_some() && error.get("request_id").is_some());
    }
}

#[test]
fn a_change_a_repetition_and_a_dry_run() {
    let place = Place::with_users(1);
    let user = &place.users[0];
    let dry = place.run(&format!("users ban {user} --reason fraud --dry-run"));
    assert_eq!((code(&dry), &json(&out(&dry))["item"]["user"]["status"]), (0, &Value::from("banned")));
    let now = place.run(&format!("users show {user} -o json"));
    assert_eq!(json(&out(&now))["user"]["status"], "unverified");
    let first = place.run(&format!("users ban {user} --reason fraud --note seen --yes"));
    assert_eq!((code(&first), &json(&out(&first))["changed"]), (0, &Value::from(true)), "{}", err(&first));
    let again = place.run(&format!("users ban {user} --reason fraud --yes"));
    assert_eq!((code(&again), &json(&out(&again))["changed"]), (0, &Value::from(false)));
    let audit = place.run("audit list --action users.ban --fields actor,target,reason");
    assert_eq!(out(&audit).lines().count(), 1);
    assert!(json(&out(&audit))["actor"].as_str().unwrap().starts_with("local:"));
}

#[test]
fn batches_say_what_became_of_each_item_and_resume() {
    let place = Place::with_users(3);
    let line = |extra: &str| format!("users freeze --stdin --yes --reason spam {extra}");
    let run = |extra: &str, input: &str| {
        place.command().args(line(extra).split_whitespace()).write_stdin(input).output().unwrap()
    };
    let input = format!(
        "{}\n{NOBODY}\n\n{{\"id\":\"{}\",\"reason\":\"fraud\",\"note\":\"own\"}}\nnonsense\n",
        place.users[0], place.users[1]
    );
    let stopped = run("", &input);
    assert_eq!(code(&stopped), 8);
    let rows: Vec<Value> = out(&stopped).lines().map(json).collect();
    assert_eq!((rows[0]["result"].as_str(), rows[1]["error"]["code"].as_str()), (Some("changed"), Some("not_found")));
    assert_eq!(rows.len(), 2);
    assert!(err(&stopped).contains("--continue-on-error"));

    let resumed = run("--continue-on-error", &input);
    assert_eq!(code(&resumed), 8);
    let results: Vec<String> =
        out(&resumed).lines().map(|row| json(row)["result"].as_str().unwrap().to_owned()).collect();
    assert_eq!(results, ["unchanged", "failed", "changed", "failed"]);
    assert!(err(&resumed).contains("1 changed, 1 unchanged, 2 failed"));

    let done = run("-o csv", &format!("{}\n{}\n", place.users[0], place.users[1]));
    assert_eq!(code(&done), 0);
    assert_eq!(out(&done).lines().next(), Some("id,result,error.code,error.message,dry_run,line"));
    let reason = place.run(&format!("users show {} -o json --fields restriction.reason", place.users[1]));
    assert_eq!(json(&out(&reason))["restriction"]["reason"], "fraud");
}

#[test]
fn every_list_is_valid_when_there_is_nothing() {
    let place = Place::with_users(0);
    for line in ["jobs list", "threads list --status open", "reviews list --flagged"] {
        for (format, empty) in [("json", "[]\n"), ("yaml", "[]\n"), ("jsonl", ""), ("id", "")] {
            let listed = place.run(&format!("{line} --limit 0 -o {format}"));
            assert_eq!((code(&listed), out(&listed).as_str()), (0, empty), "{line}: {}", err(&listed));
        }
        assert!(out(&place.run(&format!("{line} -o csv"))).starts_with("id,"), "{line}");
    }
    let stats = json(&out(&place.run("stats -o json")));
    assert_eq!((&stats["reviews_flagged"]["value"], stats["jobs"].as_array().unwrap().len()), (&Value::from(0), 6));
}

#[test]
fn batches_of_every_noun_go_on_after_failures() {
    let place = Place::with_users(0);
    for line in [
        "jobs cancel --reason fraud",
        "jobs finalize",
        "threads close --reason abuse",
        "threads reopen",
        "threads notice --content hello",
        "threads remove-message --reason spam",
        "reviews dismiss",
        "reviews remove --reason abuse",
        "reviews restore",
    ] {
        let words = format!("{line} --stdin --yes --continue-on-error");
        let input = format!(
            "{NOBODY}\n{{\"id\":\"{NOBODY}\",\"note\":\"odd\",\"if_version\":1}}\n{{\"id\":\"{NOBODY}\",\"x\":1}}\n"
        );
        let ended = place.command().args(words.split_whitespace()).write_stdin(input).output().unwrap();
        let codes: Vec<Value> = out(&ended).lines().map(|row| json(row)["error"]["code"].clone()).collect();
        assert_eq!(
            (code(&ended), codes),
            (8, vec!["not_found".into(), "not_found".into(), "invalid".into()]),
            "{line}"
        );
    }
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let place = Place::with_users(3);
    let program = assert_cmd::cargo::cargo_bin("marketplace");
    let mut child = std::process::Command::new(program)
        .args(["users", "list", "--limit", "0"])
        .current_dir(place.folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output)), (0, String::new()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_batch_after_its_item_with_130() {
    use std::io::{BufRead, BufReader, Write};
    let place = Place::with_users(2);
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("marketplace"))
        .args(["users", "freeze", "--stdin", "--yes", "--reason", "spam"])
        .current_dir(place.folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", place.users[0]).unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(json(&first)["result"], "changed");
    // Stdin stays open: the batch waits for its next item, and hears the signal all the same.
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130);
    assert!(err(&output).contains("stopped after 1 changed"), "{}", err(&output));
    drop(stdin);
}

#[test]
fn profiles_choose_the_way_in() {
    let place = Place::with_users(1);
    let database = place.path("data/marketplace.db");
    let add = place.run(&format!("profile add here --db {}", database.display()));
    assert_eq!(code(&add), 0, "{}", err(&add));
    assert_eq!(code(&place.run("profile add there --api http://127.0.0.1:1 --production")), 0);
    let rows: Vec<Value> = out(&place.run("profile list")).lines().map(json).collect();
    assert_eq!((rows[0]["current"].as_bool(), rows[1]["production"].as_bool()), (Some(true), Some(true)));
    let elsewhere = tempfile::tempdir().unwrap();
    let from = |words: &[&str]| place.command().current_dir(elsewhere.path()).args(words).output().unwrap();
    assert_eq!(out(&from(&["users", "list", "-o", "id"])).trim(), place.users[0]);
    assert_eq!(code(&from(&["users", "list", "--profile", "there"])), 4);
    assert_eq!(code(&place.run("profile use there")), 0);
    assert_eq!(code(&from(&["users", "list"])), 4);
    assert_eq!(code(&place.run("profile remove there")), 0);
    assert_eq!(code(&place.run("profile use there")), 2);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "commands left something behind");
}

#[test]
fn the_doctor_names_what_is_wrong() {
    let place = Place::with_users(0);
    let well = place.run("doctor -o json");
    assert_eq!(code(&well), 0, "{}{}", out(&well), err(&well));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = std::fs::read_dir(place.path("data/keys")).unwrap().next().unwrap().unwrap().path();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let ill = place.run("doctor");
        assert_eq!(code(&ill), 1);
        let row = out(&ill).lines().map(json).find(|row| row["status"] == "failed").unwrap();
        assert!(row["detail"].as_str().unwrap().contains("chmod 600"), "{row}");
    }
    std::fs::write(place.path("marketplace.toml"), "databse_url = 'x'\n").unwrap();
    let ill = place.run("doctor");
    assert!(out(&ill).contains("databse_url"), "{}", out(&ill));
}

#[test]
fn the_database_is_told_about_and_brought_up_to_date() {
    let place = Place::with_users(0);
    let status = json(&out(&place.run("db status")));
    assert_eq!((status["engine"].as_str(), status["current"].as_bool()), (Some("sqlite"), Some(true)));
    assert_eq!(code(&place.run("db migrate")), 0);
    assert_eq!(code(&place.run("db status --api http://127.0.0.1:1")), 2);
}

#[test]
fn seeding_adds_only_by_consent_and_a_backup_brings_back_what_was() {
    let place = Place::with_users(0);
    let seeded = place.run("db seed --users 60 --attempts 12 --pictures none");
    assert_eq!(code(&seeded), 0, "{}", err(&seeded));
    assert_eq!((json(&out(&seeded))["users"].as_u64(), json(&out(&seeded))["attempts"].as_u64()), (Some(60), Some(12)));
    let again = place.run("db seed --users 60 --seed 2 --pictures none");
    assert_eq!((code(&again), out(&again).as_str()), (2, ""));
    assert!(err(&again).contains("--yes"));

    let saved = place.run("db backup before.bak");
    assert_eq!(code(&saved), 0, "{}", err(&saved));
    assert_eq!(code(&place.run("db backup before.bak")), 5);
    assert_eq!(code(&place.run("db seed --users 60 --seed 2 --attempts 1 --pictures none --yes")), 0);
    let count = || out(&place.run("users list --limit 0 -o id")).lines().count();
    assert_eq!(count(), 120);
    assert_eq!(code(&place.run("db restore before.bak")), 2);
    let restored = place.run("db restore before.bak --yes");
    assert_eq!(code(&restored), 0, "{}", err(&restored));
    assert_eq!(count(), 60);
    assert_eq!(code(&place.run("audit verify")), 0);
}

#[test]
fn a_flag_goes_before_the_environment() {
    let place = Place::with_users(1);
    let run = |words: &[&str]| {
        let mut command = place.command();
        command.env("MARKETPLACE_API", "http://127.0.0.1:1").args(words).output().unwrap()
    };
    assert_eq!(code(&run(&["users", "list"])), 4);
    let direct = run(&["users", "list", "-o", "id", "--db", "data/marketplace.db"]);
    assert_eq!(out(&direct).trim(), place.users[0], "{}", err(&direct));
}

#[test]
fn the_console_and_the_demonstration_want_a_terminal() {
    let place = Place::with_users(0);
    for line in ["tui", "demo"] {
        let refused = place.run(line);
        assert_eq!((code(&refused), out(&refused).as_str()), (2, ""), "{line}");
        assert!(err(&refused).contains("terminal"));
    }
}

#[test]
fn pages_and_completions_are_written() {
    let place = Place::with_users(0);
    assert_eq!(code(&place.run("man pages")), 2, "no folder is made");
    std::fs::create_dir(place.path("pages")).unwrap();
    assert_eq!(code(&place.run("man pages")), 0);
    assert_eq!(code(&place.run("man pages")), 5, "no page is replaced");
    let page = std::fs::read_to_string(place.path("pages/marketplace-kyc-approve.1")).unwrap();
    for section in ["ENVIRONMENT", "FILES", "EXIT STATUS"] {
        assert!(page.contains(section), "{section}");
    }
    for page in [
        "marketplace.1",
        "marketplace-kyc.1",
        "marketplace-kyc-approve.1",
        "marketplace-users-revoke-sessions.1",
        "marketplace-threads-remove-message.1",
    ] {
        assert!(Path::new(&place.path("pages")).join(page).exists(), "{page}");
    }
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = out(&place.run(&format!("completions {shell}")));
        assert!(script.contains("MARKETPLACE_COMPLETE"), "{shell}");
    }
}
