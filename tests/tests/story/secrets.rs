//! Tokens for scripts and second factors, as the people who need them use them.

use marketplace_core::{
    testing::totp_code,
    time::{Clock, SystemClock},
};
use marketplace_tests::{Engine, Person, Server, cli::Cli, people::PASSWORD, stories, terminal::Terminal};
use serde_json::{Value, json};

stories![
    a_script_works_with_its_token_until_it_is_revoked,
    a_person_enrols_and_logs_in_at_a_terminal,
    nothing_is_written_but_where_it_is_said,
];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

async fn a_script_works_with_its_token_until_it_is_revoked(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("admin").await;
    let desk = Cli::direct(&app);
    // At the database there is nobody whose token it could be.
    let nobodys = ["tokens", "create", "--name", "Nightly", "--scope", "kyc:read", "--expires", "90d", "--yes"];
    let refused = desk.run(&nobodys).await;
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let mut leas = nobodys.to_vec();
    leas.extend(["--scope", "users:read", "--owner", &lea.id]);
    let created = desk.json(&leas).await;
    let (secret, id) = (text(&created["item"]["secret"]), text(&created["item"]["token"]["id"]));

    let script = Cli::remote(&app, &secret);
    let me = script.json(&["auth", "whoami"]).await;
    assert_eq!((&me["token_id"], &me["permissions"]), (&json!(id), &json!(["kyc:read", "users:read"])));
    assert_eq!(me["expires_at"], created["item"]["token"]["expires_at"]);
    script.run(&["users", "list"]).await.ok();
    script.run(&["kyc", "list"]).await.ok();
    for forbidden in [
        vec!["users", "freeze", &lea.id, "--reason", "other", "--yes"],
        vec!["stats"],
        vec!["audit", "list"],
        vec!["tokens", "revoke", &id, "--yes"],
        vec!["auth", "sessions"],
    ] {
        let refused = script.run(&forbidden).await;
        assert_eq!(refused.code, 4, "{}: {}", refused.command, refused.stderr);
    }
    let listed = desk.run(&["tokens", "list", "-o", "jsonl"]).await;
    assert_eq!(listed.ok().stdout.lines().count(), 1);
    assert!(!listed.stdout.contains(&secret));

    desk.run(&["tokens", "revoke", &id, "--yes"]).await.ok();
    let dead = script.run(&["users", "list"]).await;
    assert_eq!((dead.code, dead.stdout.as_str()), (4, ""));
    assert!(dead.stderr.contains("revoked") && dead.stderr.contains("MARKETPLACE_TOKEN"), "{}", dead.stderr);
    let again = desk.json(&["tokens", "revoke", &id, "--yes"]).await;
    assert_eq!(again["changed"], false);
    assert!(!app.output().contains(&secret), "the server's log has no secret");
}

fn at_terminal(cli: &Cli, arguments: &[&str]) -> Terminal {
    Terminal::run(&cli.command(arguments), 120, 60, &[])
}

fn log_in(terminal: &mut Terminal, person: &Person) {
    terminal.wait_for("Email:");
    terminal.keys(&format!("{}\r", person.email));
    terminal.wait_for("Password:");
    terminal.keys(&format!("{PASSWORD}\r"));
}

async fn a_person_enrols_and_logs_in_at_a_terminal(engine: Engine) {
    let app = Server::start(engine).await;
    let lea = app.as_staff("support").await;
    let cli = Cli::logged_in(&app);
    let out = cli.run(&["users", "list"]).await;
    assert_eq!(out.code, 4);
    assert!(out.stderr.contains("marketplace auth login"), "{}", out.stderr);

    let mut terminal = at_terminal(&cli, &["auth", "login"]);
    log_in(&mut terminal, &lea);
    terminal.wait_for("logged in to");
    assert_eq!(terminal.ended(), 0);
    cli.run(&["users", "list"]).await.ok();

    let mut terminal = at_terminal(&cli, &["auth", "totp", "enrol"]);
    terminal.wait_for("Password:");
    terminal.keys(&format!("{PASSWORD}\r"));
    let screen = terminal.wait_for("The six digits");
    assert!(screen.contains('▀') && screen.contains('▄'), "a QR code is drawn:\n{screen}");
    let secret = screen.split("into it: ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().to_owned();
    terminal.keys(&format!("{}\r", totp_code(&secret, SystemClock.now())));
    let screen = terminal.wait_for("recovery codes");
    assert_eq!(terminal.ended(), 0, "{screen}");
    let screen = terminal.text();
    let recovery: Vec<&str> = screen.split_whitespace().filter(|word| word.matches('-').count() == 5).collect();
    assert_eq!(recovery.len(), 10, "{screen}");

    // Off a terminal, the code is a flag; a wrong one says which.
    let login = ["auth", "login", "--email", &lea.email, "--password-stdin"];
    let without = cli.run_with_input(&login, PASSWORD).await;
    assert_eq!(without.code, 4);
    assert!(without.stderr.contains("--totp"), "{}", without.stderr);
    let mut with = login.to_vec();
    with.extend(["--recovery-code", recovery[0]]);
    cli.run_with_input(&with, PASSWORD).await.ok();
    assert_eq!(cli.run_with_input(&with, PASSWORD).await.code, 4, "it was used");

    // Sessions, from where one is logged in.
    let sessions = cli.json(&["auth", "sessions"]).await;
    let current = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
    let ends = cli.json(&["auth", "whoami"]).await["expires_at"].clone();
    assert_eq!(ends, current["expires_at"]);
    cli.run(&["auth", "revoke-session", &text(&current["id"]), "--yes"]).await.ok();
    let ended = cli.run(&["users", "list"]).await;
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("hint: log in with: marketplace auth login"), "{}", ended.stderr);

    // The console asks before its screen opens.
    let mut terminal = at_terminal(&cli, &["tui"]);
    log_in(&mut terminal, &lea);
    terminal.wait_for("second factor, or a recovery code");
    terminal.keys("000000\r");
    terminal.wait_for("the code is wrong");
    terminal.keys(&format!("{}\r", recovery[1]));
    terminal.wait_for("connected");
    terminal.keys("q");
    assert_eq!(terminal.ended(), 0);
    terminal.assert_restored();

    let mut disable = vec!["auth", "totp", "disable", "--yes", "--password-stdin", "--recovery-code"];
    disable.push(recovery[2]);
    cli.run_with_input(&disable, PASSWORD).await.ok();
    cli.run_with_input(&login, PASSWORD).await.ok();
    assert!(app.mail(&lea.email, 4).await.subject.contains("removed"));
}

/// What a server writes: its database, files, keys and mails, and two logs, one in its folder and one to whoever started it.
async fn nothing_is_written_but_where_it_is_said(engine: Engine) {
    let mut app = Server::start(engine).await;
    let (lea, ada) = (app.as_staff("admin").await, app.as_worker().await);
    ada.submit_good(1).await;
    ada.get("/v1/admin/users").await.refused(403, "forbidden");
    lea.post(&format!("/v1/admin/users/{}/reveal", ada.id), json!({})).await.ok();
    app.as_nobody().post("/v1/auth/login", json!({ "email": ada.email, "password": "wrong one" })).await;
    let said = ["data/marketplace.db", "data/files/", "data/keys/", "data/logs/", "data/mail/", "server.log"];
    let root = app.scratch().canonicalize().unwrap();
    let (mut folders, mut logs) = (vec![root.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            assert!(said.iter().any(|place| name.starts_with(place)), "{name} is written, and nobody said so");
            logs += usize::from(name.starts_with("data/logs/"));
        }
    }
    assert!(logs > 0, "requests and faults are logged in their folder");
    // Nor has the process anything else open to write to, on this machine.
    for entry in std::fs::read_dir(format!("/proc/{}/fd", app.pid().unwrap())).into_iter().flatten().flatten() {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let elsewhere = target.is_absolute() && !target.starts_with(&root) && !target.starts_with("/dev/");
        assert!(!elsewhere, "it has {} open", target.display());
    }
    app.stop().await;
}
