//! Logs: to the terminal, and as JSON lines to daily files in the log folder unless `log.files` is off. They contain no secrets and no personal data:
//! no query strings, no bodies, no addresses. Log records of libraries below `info` can contain such data and are dropped.

use marketplace_core::{
    config::{Log, LogFormat},
    error::{Error, Result},
    platform::folders::make_private_folder,
};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt};

/// Days for which log files are kept.
const KEPT: usize = 14;

/// Libraries that handle whole requests, mails or rows, and log them when asked for details.
const QUIET: [&str; 9] =
    ["hyper", "hyper_util", "h2", "rustls", "tokio_rustls", "sqlx", "lettre", "reqwest", "object_store"];

/// Where lines of the log go, or spans.
pub type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// Creates a subscriber of the log, and of `spans` if they are collected, and the guard that writes what is buffered for files when it is dropped.
pub fn subscriber<W>(
    log: &Log,
    dir: &std::path::Path,
    terminal: W,
    ansi: bool,
    spans: Option<Sink>,
) -> Result<(impl tracing::Subscriber + Send + Sync + use<W>, Option<WorkerGuard>)>
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let (file, guard) = log.files.then(|| daily_file(dir)).transpose()?.unzip();
    let terminal: Sink = match log.format {
        LogFormat::Pretty => {
            Box::new(tracing_subscriber::fmt::layer().with_writer(terminal).with_ansi(ansi).with_target(false))
        }
        LogFormat::Json => Box::new(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(terminal)),
    };
    let file =
        file.map(|file| tracing_subscriber::fmt::layer().json().flatten_event(true).with_ansi(false).with_writer(file));
    let lines: Sink = Box::new(terminal.and_then(file).with_filter(filter(&log.level, log.access)?));
    let subscriber = Registry::default().with(spans.into_iter().chain([lines]).collect::<Vec<_>>());
    Ok((subscriber, guard))
}

/// Opens the file of today; later days have their own, and the oldest are removed.
fn daily_file(dir: &std::path::Path) -> Result<(NonBlocking, WorkerGuard)> {
    make_private_folder(dir).map_err(|error| Error::invalid("/log/dir", error.detail().to_owned()))?;
    let file = tracing_appender::rolling::Builder::new()
        .rotation(tracing_appender::rolling::Rotation::DAILY)
        .filename_prefix("server")
        .filename_suffix("jsonl")
        .max_log_files(KEPT)
        .build(dir)
        .map_err(|error| Error::invalid("/log/dir", format!("{} cannot be written: {error}", dir.display())))?;
    Ok(tracing_appender::non_blocking(file))
}

/// Parses a level or a filter. A level alone applies to this program; libraries then log from `warn` on. The access log has no
/// level: it is wanted or not.
fn filter(level: &str, access: bool) -> Result<EnvFilter> {
    let bad = |error: &dyn std::fmt::Display| {
        let rule = format!(
            "`{level}` is no filter ({error}); it must be error, warn, info, debug, trace, or like info,marketplace_core=debug"
        );
        Error::invalid("/log/level", rule)
    };
    let mut text = match level {
        "off" | "error" | "warn" | "info" | "debug" | "trace" => {
            format!("warn,marketplace_server={level},marketplace_core={level}")
        }
        // A filter would read a bare word as the name of a module; here it is a misspelt level.
        word if !word.contains('=') => return Err(bad(&"no such level")),
        other => other.to_owned(),
    };
    for library in QUIET {
        text.push(',');
        text.push_str(library);
        text.push_str("=info");
    }
    text.push_str(if access { ",access=info" } else { ",access=off" });
    text.push_str(",spans=off");
    // PostgreSQL's notices, such as "already exists, skipping" after CREATE … IF NOT EXISTS.
    text.push_str(",sqlx::postgres::notice=warn");
    EnvFilter::builder().parse(&text).map_err(|error| bad(&error))
}

/// Logs panics too; of their text only what is a literal in the source, because the rest may be data.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(its text may hold data)");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, text, "a task panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for good in ["error", "info", "trace", "info,marketplace_core=debug", "debug"] {
            assert!(filter(good, false).is_ok(), "{good}");
        }
        for bad in ["", "loud", "info,marketplace_core=loud"] {
            let error = filter(bad, true).unwrap_err().to_string();
            assert!(error.contains("log.level"), "{error}");
        }
    }

    #[test]
    fn libraries_stay_quiet_even_at_trace() {
        assert!(filter("trace", true).unwrap().to_string().contains("h2=info"));
        assert!(filter("trace,h2=trace", false).unwrap().to_string().contains("h2=info"));
    }
}
