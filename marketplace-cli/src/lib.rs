//! The command line and the console for staff.
//!
//! | to read about | open |
//! |---|---|
//! | which commands there are | [`commands`] |
//! | how rows are printed | [`output`] |
//! | exit codes, and error lines | [`failure`], [`mod@report`] |
//! | flags, profiles, and the connection that they choose | [`connect`], [`profile`] |
//! | the same operations over HTTP | [`remote`] |
//! | confirmation, batches, dry runs | [`change`] |
//! | the console | [`tui`] |

#![forbid(unsafe_code)]

pub mod args;
pub mod change;
pub mod commands;
pub mod connect;
pub mod context;
pub mod failure;
pub mod files;
pub mod find;
pub mod output;
pub mod people;
pub mod profile;
pub mod remote;
pub mod report;
pub mod tui;

use std::{ffi::OsString, io::IsTerminal, process::ExitCode, task::Poll, time::Duration};

use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use args::{ColorChoice, Format};
use commands::Cli;
use context::Context;
use failure::Failure;
use report::{ErrorStyle, report};

/// How long work that cannot be interrupted (waiting for a lock that another process holds) may continue after the
/// command.
const LINGER: Duration = Duration::from_millis(100);

/// Runs the program, and returns its exit code. Errors are printed here, once.
pub fn main() -> ExitCode {
    if let Some(code) = commands::completions::answer(Cli::command) {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    // The help of the program itself has the options of every command; that of a command does not.
    let program = if words.len() > 2 { commands::program() } else { Cli::command() };
    let parsed = program.try_get_matches_from(&words).and_then(|found| Cli::from_arg_matches(&found));
    let mut cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(misused(&error, &words)),
    };
    let style = ErrorStyle {
        json: cli.globals.output == Some(Format::Json),
        color: cli.globals.color.enabled(std::io::stderr().is_terminal()),
        quiet: cli.globals.quiet,
    };
    log(cli.globals.verbose, style.color);
    if matches!(&cli.noun, commands::Noun::Tui(args) if args.is_plain()) {
        cli.globals.output.get_or_insert(Format::Table);
    }

    // Outlives the runtime, even when the command panics: what it keeps is dropped last.
    let context = match Context::new(cli.globals) {
        Ok(context) => context,
        Err(failure) => return ExitCode::from(report(&failure, style)),
    };
    let mut builder = if cli.noun.is_heavy() {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        // A command makes one or two calls: threads would only cost time to start.
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(report(&error.into(), style)),
    };
    let outcome = runtime.block_on(async {
        // A file that grows beyond a limit of the system is an error like a full disk, and no signal that ends the program.
        let _too_large = outgrown();
        // Signals are heard from the beginning, also while a command that does not wait for anything works.
        let mut aborted = std::pin::pin!(context.interrupt.aborted());
        let outcome = match futures::poll!(&mut aborted) {
            Poll::Ready(failure) => Err(failure),
            Poll::Pending => tokio::select! {
                biased;
                outcome = commands::run(cli.noun, &context) => outcome,
                failure = aborted => Err(failure),
            },
        };
        context.close().await;
        outcome
    });
    runtime.shutdown_timeout(LINGER);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(report(&failure, style)),
    }
}

/// Takes the signal of a file that grows too large, as long as the returned value lives: the write then fails.
#[cfg(unix)]
fn outgrown() -> Option<tokio::signal::unix::Signal> {
    let kind = tokio::signal::unix::SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    tokio::signal::unix::signal(kind).ok()
}

/// Prints help and version to stdout with exit code 0; everything else is a usage error, in the form of our own errors.
fn misused(error: &clap::Error, words: &[OsString]) -> u8 {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader may stop early.
        let _closed = error.print();
        return 0;
    }
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let json = words.iter().any(|word| matches!(word.as_ref(), "-ojson" | "-o=json" | "--format=json"))
        || words
            .windows(2)
            .any(|pair| matches!(pair, [flag, value] if (flag == "-o" || flag == "--format") && value == "json"));
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) && !json {
        let _closed = error.print();
        return 2;
    }
    let text = error.to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let hint = Some(tip.map_or_else(|| "`--help` on the same command says what is allowed".to_owned(), str::to_owned));
    let color = ColorChoice::Auto.enabled(std::io::stderr().is_terminal());
    report(&Failure::Usage { message, hint }, ErrorStyle { json, color, quiet: false })
}

/// Enables logs on stderr, when asked for.
fn log(verbose: u8, color: bool) {
    let (ours, others) = match verbose {
        0 => return,
        1 => (tracing::Level::INFO, tracing::Level::WARN),
        _ => (tracing::Level::DEBUG, tracing::Level::INFO),
    };
    // PostgreSQL's notices, such as "already exists, skipping" after CREATE … IF NOT EXISTS.
    let notices = ("sqlx::postgres::notice", tracing::Level::WARN);
    let filter = Targets::new().with_default(others).with_target("marketplace", ours).with_target(notices.0, notices.1);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(color);
    tracing_subscriber::registry().with(lines).with(filter).init();
}
