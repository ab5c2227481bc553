//! The binary `marketplace-server`: configuration, logs, signals; the rest is in the library.

use std::{
    cell::Cell,
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{CommandFactory as _, Parser as _};
use marketplace_core::{
    app::App,
    config::{self, Config},
    db::{Db, OpenOptions},
    error::{Error, ErrorCode, Result},
};
#[cfg(feature = "otlp")]
use marketplace_server::otlp::Traces;
use marketplace_server::{Listeners, Options, Stop, args::Args, logging, serve, service_manager};
use tokio::net::TcpListener;

/// Returns memory to the system: with the system's allocator, the blocks in which passwords are hashed would be kept,
/// 19 MiB for each thread that ever hashed one. It is also faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The interval at which a thread returns memory that it does not need.
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

/// Makes the allocator return unused memory to the system. It does so when something large is freed, and never on an
/// idle thread: without this, the memory used by a flood of connections would be kept until the next flood.
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
            // There is no other place to report a failure of this.
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

/// The reason why the server did not start, and what to do.
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
        // Help and version are not failures.
        Err(answer) if !answer.use_stderr() => answer.exit(),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(hint("`marketplace-server --help` lists the flags")(Error::new(ErrorCode::Invalid, line)));
        }
    };
    if args.man {
        return print_man().map_err(hint("stdout cannot be written"));
    }
    let config = config::environment()
        .and_then(|environment| args.config(environment))
        .map_err(hint("`marketplace-server --help` lists what can be set; defaults work"))?;
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (spans, traces) = start_traces(&config).map_err(hint("correct the setting that is named"))?;
    let (subscriber, _guard) = logging::subscriber(&config.log, &config.log_dir(), std::io::stderr, ansi, spans)
        .map_err(hint("set log.dir to a folder that can be written, and log.level to a level"))?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(Error::internal)
        .map_err(hint("this is a fault of the program"))?;
    logging::log_panics();
    let public = match passed_listener()? {
        Some(listener) => listener,
        None => bind("listen", config.listen).await?,
    };
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
    service_manager::ready();
    tokio::spawn(service_manager::keep_alive());
    let outcome = serve(app.clone(), listeners, options, stop).await;
    app.close().await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    tracing::info!("stopped");
    outcome.map_err(hint("correct the setting that is named; `marketplace-server --help` lists all"))
}

#[cfg(feature = "otlp")]
fn start_traces(config: &Config) -> Result<(Option<logging::Sink>, Option<Traces>)> {
    Ok(Traces::start(&config.traces)?.unzip())
}

/// What sends spans: nothing does in this build.
#[cfg(not(feature = "otlp"))]
enum Traces {}

#[cfg(not(feature = "otlp"))]
impl Traces {
    async fn finish(self) {}
}

#[cfg(not(feature = "otlp"))]
fn start_traces(config: &Config) -> Result<(Option<logging::Sink>, Option<Traces>)> {
    match config.traces.url {
        Some(_) => Err(Error::invalid("/traces/url", "needs a server that is built with the feature `otlp`")),
        None => Ok((None, None)),
    }
}

/// Prints the manual page of this program.
fn print_man() -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).section("8").render(&mut page).map_err(Error::internal)?;
    std::io::stdout().lock().write_all(&page).map_err(Error::internal)
}

/// Returns the listener that the service manager opened beforehand, if it did (systemd's `.socket` units). It stays open
/// there while this program restarts, so that clients who connect meanwhile only wait.
#[cfg(unix)]
fn passed_listener() -> Result<Option<TcpListener>, Failure> {
    let listener = listenfd::ListenFd::from_env().take_tcp_listener(0).and_then(|listener| {
        let Some(listener) = listener else { return Ok(None) };
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Some)
    });
    listener.map_err(|error| Failure {
        error: Error::unavailable("the socket that was passed on cannot be used", error),
        hint: "it must be a stream socket of TCP: ListenStream= in the unit of the socket".to_owned(),
    })
}

/// Sockets are not passed on here.
#[cfg(not(unix))]
fn passed_listener() -> Result<Option<TcpListener>, Failure> {
    Ok(None)
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

/// Raises the limit of open files as far as the system permits, and returns how many connections fit under it: no
/// client may keep the server from opening a file of its own.
#[cfg(unix)]
fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    // `None` means no limit.
    let Some(files) = getrlimit(Resource::Nofile).current else { return usize::MAX };
    let fit = files.saturating_sub(OTHER_FILES).max(files / 2);
    tracing::debug!(files, connections = fit, "the system's limit of open files");
    usize::try_from(fit).unwrap_or(usize::MAX)
}

/// There is no such limit on this platform.
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

/// Prints the server's addresses on stdout, for people and scripts.
fn announce(app: &App, listeners: &Listeners) -> Result<()> {
    let address = listeners.public.local_addr().map_err(Error::internal)?;
    let scheme = if app.config.tls.cert.is_some() { "https" } else { "http" };
    tracing::info!(%address, "listening");
    let mut stdout = std::io::stdout().lock();
    // A closed stdout does not keep the server from running.
    let _ = writeln!(stdout, "listening on {scheme}://{address}").and_then(|()| stdout.flush());
    if let Some(metrics) = &listeners.metrics {
        let address = metrics.local_addr().map_err(Error::internal)?;
        tracing::info!(%address, "listening for whoever wants the counters");
        let _ = writeln!(stdout, "metrics on http://{address}/metrics").and_then(|()| stdout.flush());
    }
    Ok(())
}

/// Installs signal handlers: the first SIGTERM or SIGINT begins a graceful shutdown; a second one skips the wait for
/// load balancers to notice; the next one ends the program at once. SIGHUP has the certificate read again.
#[cfg(unix)]
fn stop_on_signals(stop: Stop, drains: bool) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Error::internal)?;
    let reloaded = stop.clone();
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            reloaded.reload();
        }
    });
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

/// Installs a handler: Ctrl-C begins a graceful shutdown.
#[cfg(not(unix))]
fn stop_on_signals(stop: Stop, _drains: bool) -> Result<()> {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.begin();
        }
    });
    Ok(())
}
