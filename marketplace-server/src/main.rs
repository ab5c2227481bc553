//! `marketplace-server`: configuration, logs, signals; the rest is the library.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use marketplace_core::{
    app::App,
    config::Config,
    db::{Db, OpenOptions},
    error::{Error, ErrorCode, Result},
};
use marketplace_server::{Options, args::Args, logging, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Gives memory back: the blocks in which passwords are hashed stay with the system's allocator, 19 MiB for each thread that
/// ever hashed one. And it is faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { error, hint }) => {
            let inside = error.internal_text().map(|inside| format!(" ({inside})")).unwrap_or_default();
            // Nobody is left to tell when this fails.
            let _ = writeln!(std::io::stderr().lock(), "error: {error}{inside}\nhint: {hint}");
            ExitCode::from(match error.code() {
                ErrorCode::Invalid => 2,
                ErrorCode::Busy => 6,
                ErrorCode::Unavailable => 7,
                _ => 1,
            })
        }
    }
}

/// Why the server did not start, and what to do.
struct Failure {
    error: Error,
    hint: String,
}

fn hint(text: impl Into<String>) -> impl FnOnce(Error) -> Failure {
    move |error| Failure { error, hint: text.into() }
}

async fn run() -> Result<(), Failure> {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version are no failures.
        Err(answer) if !answer.use_stderr() => answer.exit(),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(hint("`marketplace-server --help` lists the flags")(Error::new(ErrorCode::Invalid, line)));
        }
    };
    let config = args
        .config(std::env::vars())
        .map_err(hint("`marketplace-server --help` lists what can be set; defaults work"))?;
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (subscriber, _guard) = logging::subscriber(&config.log, &config.log_dir(), std::io::stderr, ansi)
        .map_err(hint("set log.dir to a folder that can be written, and log.level to a level"))?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(Error::internal)
        .map_err(hint("this is a fault of the program"))?;
    logging::log_panics();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let listener = bind(&config).await?;
    let app = open(config, args.migrate).await?;
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone()).map_err(hint("the system gives no signals; this is a fault of the machine"))?;
    announce(&app, &listener).map_err(hint("see `listen`"))?;
    let options = Options::from(&*app.config);
    let outcome = serve(app.clone(), listener, options, shutdown).await;
    app.close().await;
    tracing::info!("stopped");
    outcome.map_err(hint("correct the setting that is named; `marketplace-server --help` lists all"))
}

async fn bind(config: &Config) -> Result<TcpListener, Failure> {
    let listen = config.listen;
    TcpListener::bind(listen).await.map_err(|error| {
        let (what, hint) = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ("another program listens there", "stop it, or choose another address with --listen 127.0.0.1:8081")
            }
            std::io::ErrorKind::PermissionDenied => {
                ("the system does not allow it", "ports below 1024 need a privilege; choose a higher one with --listen")
            }
            _ => ("the address cannot be used", "choose one of this machine's addresses with --listen"),
        };
        Failure {
            error: Error::unavailable(format!("cannot listen on {listen}: {what}"), error),
            hint: hint.to_owned(),
        }
    })
}

async fn open(config: Config, migrate: bool) -> Result<App, Failure> {
    if migrate {
        let url = config.database_url();
        let options = OpenOptions { connections: 1, ..OpenOptions::default() };
        let hint = || hint("see whether the database runs, and database_url names it");
        let db = Db::open(url.expose(), options).await.map_err(hint())?;
        let state = db.migrate().await.map_err(hint())?;
        db.close().await;
        tracing::info!(applied = state.applied, "the schema is up to date");
    }
    App::open(config).await.map_err(|error| {
        let hint = match error.code() {
            ErrorCode::Unavailable => {
                "see whether the database runs; a schema that is behind is updated with --migrate"
            }
            ErrorCode::Invalid => "correct the setting that is named",
            ErrorCode::Busy => "start again when the other program has ended",
            _ => "see whether data_dir can be written",
        };
        Failure { error, hint: hint.to_owned() }
    })
}

/// Says where the server can be reached, on stdout, for people and scripts.
fn announce(app: &App, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr().map_err(Error::internal)?;
    let scheme = if app.config.tls.cert.is_some() { "https" } else { "http" };
    tracing::info!(%address, "listening");
    let mut stdout = std::io::stdout().lock();
    // A closed stdout is no reason not to serve.
    let _ = writeln!(stdout, "listening on {scheme}://{address}").and_then(|()| stdout.flush());
    Ok(())
}

/// The first SIGTERM or SIGINT stops gracefully; a second one at once.
#[cfg(unix)]
fn stop_on_signals(shutdown: CancellationToken) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping; what is in flight is finished");
        shutdown.cancel();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(130);
    });
    Ok(())
}

/// Ctrl-C stops gracefully.
#[cfg(not(unix))]
fn stop_on_signals(shutdown: CancellationToken) -> Result<()> {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
    Ok(())
}
