//! Every command's help has an example, and every example is a command line that parses.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure is the test's")]

use clap::{Command, CommandFactory, Parser};
use marketplace_cli::commands::Cli;

fn walk(command: &Command, path: &str, visit: &mut impl FnMut(&Command, &str)) {
    visit(command, path);
    for inner in command.get_subcommands() {
        walk(inner, &format!("{path} {}", inner.get_name()), visit);
    }
}

/// Words of a simple shell line: blanks, single quotes; what follows a pipe or a redirection is the shell's.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            '|' | '<' | '>' if !quoted => break,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_has_an_example_that_parses() {
    let (mut commands, mut examples) = (0, 0);
    walk(&Cli::command(), "marketplace", &mut |command, path| {
        commands += 1;
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "`{path} --help` has no example");
        let lines: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(lines.iter().any(|line| line.starts_with(path)), "no example of `{path}` shows it");
        for line in lines.iter().filter(|line| line.starts_with("marketplace ")) {
            examples += 1;
            if let Err(error) = Cli::try_parse_from(words(line)) {
                panic!("the example `{line}` does not parse: {error}");
            }
        }
    });
    assert!(commands > 40 && examples >= commands, "{commands} commands, {examples} examples");
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_noun_and_verb_of_the_contract_is_there() {
    let mut there = Vec::new();
    walk(&Cli::command(), "marketplace", &mut |_, path| there.push(path.to_owned()));
    for (noun, verbs) in [
        ("kyc", "list show next claim release approve retry reject revoke undo open"),
        ("users", "list show create freeze unfreeze ban unban delete role note revoke-sessions reset-totp"),
        ("jobs", "list show history cancel finalize"),
        ("threads", "list show messages watch close reopen notice remove-message"),
        ("reviews", "list show dismiss remove restore"),
        ("reports", "list show next claim release resolve dismiss undo skip snooze assign escalate uphold reverse"),
        ("audit", "list show verify tail"),
        ("tokens", "create list revoke"),
        ("db", "migrate status backup restore seed copy"),
        ("files", "copy"),
        ("auth", "login logout whoami sessions revoke-session revoke-all totp"),
        ("profile", "add use list remove"),
    ] {
        for verb in verbs.split(' ') {
            let path = format!("marketplace {noun} {verb}");
            assert!(there.contains(&path), "{path}");
        }
    }
    for noun in ["stats", "backup", "restore", "api", "demo", "tui", "doctor", "completions", "man"] {
        assert!(there.contains(&format!("marketplace {noun}")), "{noun}");
    }
}
