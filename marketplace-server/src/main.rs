//! The binary `marketplace-server`: configuration, logs, signals; the rest is in the library.

use std::{
    cell::Cell,
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser as _;
use marketplace_core::{
    app::App,
    config::Config,
    db::{Db, OpenOptions},
    error::{Error, ErrorCode, Result},
};
use marketplace_server::{Listeners, Options, Stop, args::Args, logging, serve};
use tokio::net::TcpListener;

/// Gives memory back: the blocks in which passwords are hashed stay with the system's allocator, 19 MiB for each thread that
/// ever hashed one. And it is faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Between two times that a thread gives memory back which it does not need.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// Larger than anything that the allocator keeps for later.
const TIDY: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_park(tidy).build();
    match runtime {
        Ok(runtime) => runtime.block_on(start()),
        Err(error) => {
            let _ =
                writeln!(std::io::stderr().lock(), "error: no threads: {error}\nhint: see the limits of the system");
            ExitCode::FAILURE
        }
    }
}

/// Has the allocator look for memory that the system can have back. It does so when something large is freed, and never on a
/// thread that has nothing to do: what a flood of connections took would stay with us until the next flood.
fn tidy() {
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = Instant::now();
    if LAST.get().is_none_or(|last| now.duration_since(last) >= TIDY_EVERY) {
        LAST.set(Some(now));
        // Never touched, so no memory is behind it.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(TIDY)));
    }
}

async fn start() -> ExitCode {
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
    let public = bind("listen", config.listen).await?;
    let metrics = match config.metrics_listen {
        Some(address) => Some(bind("metrics_listen", address).await?),
        None => None,
    };
    let listeners = Listeners { public, metrics };
    let mut options = Options::from(&config);
    options.connections = options.connections.min(connections());
    let app = open(config, args.migrate).await?;
    let stop = Stop::default();
    stop_on_signals(stop.clone(), !options.drain.is_zero())
        .map_err(hint("the system gives no signals; this is a fault of the machine"))?;
    announce(&app, &listeners).map_err(hint("see `listen`"))?;
    let outcome = serve(app.clone(), listeners, options, stop).await;
    app.close().await;
    tracing::info!("stopped");
    outcome.map_err(hint("correct the setting that is named; `marketplace-server --help` lists all"))
}

async fn bind(key: &str, listen: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        let (what, hint) = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ("another program listens there", "stop it, or choose another address, such as 127.0.0.1:8081, with")
            }
            std::io::ErrorKind::PermissionDenied => {
                ("the system does not allow it", "ports below 1024 need a privilege; choose a higher one with")
            }
            _ => ("the address cannot be used", "choose one of this machine's addresses with"),
        };
        Failure {
            error: Error::unavailable(format!("cannot listen on {listen}: {what}"), error),
            hint: format!("{hint} {key}"),
        }
    })
}

/// Files and connections that the program needs besides those of its clients: databases, stored files, logs.
#[cfg(unix)]
const OTHER_FILES: u64 = 512;

/// Raises the limit of open files as far as the system lets us, and returns how many connections fit under it: there must be
/// no client for whose sake a file of ours cannot be opened.
#[cfg(unix)]
fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    // None is no limit.
    let Some(files) = getrlimit(Resource::Nofile).current else { return usize::MAX };
    let fit = files.saturating_sub(OTHER_FILES).max(files / 2);
    tracing::debug!(files, connections = fit, "the system's limit of open files");
    usize::try_from(fit).unwrap_or(usize::MAX)
}

/// There is no such limit.
#[cfg(not(unix))]
fn connections() -> usize {
    usize::MAX
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
                "see whether the database runs and keys_dir has its keys; a schema that is behind is updated with --migrate"
            }
            ErrorCode::Invalid => "correct the setting that is named",
            ErrorCode::Busy => "start again when the other program has ended",
            _ => "see whether data_dir can be written",
        };
        Failure { error, hint: hint.to_owned() }
    })
}

/// Says where the server can be reached, on stdout, for people and scripts.
fn announce(app: &App, listeners: &Listeners) -> Result<()> {
    let address = listeners.public.local_addr().map_err(Error::internal)?;
    let scheme = if app.config.tls.cert.is_some() { "https" } else { "http" };
    tracing::info!(%address, "listening");
    let mut stdout = std::io::stdout().lock();
    // A closed stdout is no reason not to serve.
    let _ = writeln!(stdout, "listening on {scheme}://{address}").and_then(|()| stdout.flush());
    if let Some(metrics) = &listeners.metrics {
        let address = metrics.local_addr().map_err(Error::internal)?;
        tracing::info!(%address, "listening for whoever wants the counters");
        let _ = writeln!(stdout, "metrics on http://{address}/metrics").and_then(|()| stdout.flush());
    }
    Ok(())
}

/// The first SIGTERM or SIGINT stops gracefully. A second one does not wait for balancers to notice; the next one ends the
/// program at once.
#[cfg(unix)]
fn stop_on_signals(stop: Stop, drains: bool) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        next().await;
        stop.begin();
        if drains {
            next().await;
            stop.hurry();
        }
        next().await;
        std::process::exit(130);
    });
    Ok(())
}

/// Ctrl-C stops gracefully.
#[cfg(not(unix))]
fn stop_on_signals(stop: Stop, _drains: bool) -> Result<()> {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.begin();
        }
    });
    Ok(())
}
