//! The checks of `marketplace doctor` that concern this machine, the mail server and the API.

use marketplace_core::staff::{Connection, WhoAmI};
use std::{io::IsTerminal, path::Path, time::Duration};

use marketplace_core::{
    config::Config,
    doctor::{Finding, open_to_others},
    error::ErrorCode,
    time::{Clock, SystemClock},
};

use crate::{
    context::Context,
    failure::Failure,
    output::size,
    profile::{SettingsFile, folder},
    remote::Remote,
};

/// Free bytes below which writes will soon fail.
const LOW_DISK: u64 = 1024 * 1024 * 1024;
/// Seconds by which clocks may differ: tokens live for 600, undo for 10.
const SKEW: i64 = 5;

/// Converts a failure into a finding, with its cause.
pub(super) fn failure(name: &'static str, failure: &Failure) -> Finding {
    match failure {
        Failure::Core(error) => Finding::error(name, error),
        other => Finding::failed(name, other.to_string()),
    }
}

/// Checks the user's own settings file.
pub(super) fn settings() -> Finding {
    const NAME: &str = "profiles";
    let path = match folder() {
        Ok(folder) => folder.join("config.toml"),
        Err(error) => return failure(NAME, &error),
    };
    match SettingsFile::at(&path) {
        Err(error) => failure(NAME, &error),
        Ok(_) if !path.exists() => Finding::ok(NAME, "none yet"),
        Ok(file) => match open_to_others(&path) {
            Some(mode) if file.settings.profiles.values().any(|profile| profile.database_url.is_some()) => {
                Finding::warning(NAME, format!("{} can be read by others ({mode:o}): chmod 600 it", path.display()))
            }
            _ => Finding::ok(NAME, format!("{} in {}", file.settings.profiles.len(), path.display())),
        },
    }
}

/// Checks the data folder, and the free space.
pub(super) fn folders(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let data = config.data_dir.as_path();
    if data.exists() {
        found.push(match tempfile::tempfile_in(data) {
            Ok(_) => Finding::ok("data folder", format!("{} can be written", data.display())),
            Err(error) => Finding::failed("data folder", format!("{} cannot be written: {error}", data.display())),
        });
    } else {
        found.push(Finding::ok("data folder", format!("{} is made on first use", data.display())));
    }
    let existing = data.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    if let Some(free) = free_space(if existing.as_os_str().is_empty() { Path::new(".") } else { existing }) {
        let text = format!("{} free", size(free));
        found.push(if free < LOW_DISK { Finding::warning("disk", text) } else { Finding::ok("disk", text) });
    }
    found
}

#[cfg(unix)]
fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
#[cfg(not(unix))]
fn free_space(_path: &Path) -> Option<u64> {
    None
}

/// Checks the delivery of mail.
pub(super) async fn mail(config: &Config) -> Finding {
    const NAME: &str = "mail";
    let Some(smtp) = &config.smtp_url else {
        return Finding::ok(NAME, format!("mails are written to {} (no smtp_url)", config.mail_dir().display()));
    };
    let place = smtp.expose().parse::<url::Url>().ok().and_then(|url| {
        let port = url.port().unwrap_or(if url.scheme() == "smtps" { 465 } else { 587 });
        Some((url.host_str()?.to_owned(), port))
    });
    let Some((host, port)) = place else { return Finding::failed(NAME, "smtp_url is not smtp://HOST or smtps://HOST") };
    let connecting = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(Duration::from_secs(3), connecting).await {
        Ok(Ok(_)) => Finding::ok(NAME, format!("{host}:{port} answers")),
        Ok(Err(error)) => Finding::failed(NAME, format!("{host}:{port} does not answer: {error}")),
        Err(_) => Finding::failed(NAME, format!("{host}:{port} does not answer within 3 s")),
    }
}

/// Checks whether the server responds, the clocks agree, and our credentials are valid.
pub(super) async fn server(remote: &Remote) -> Vec<Finding> {
    let skew = match remote.clock_skew(SystemClock.now()).await {
        Ok(skew) => skew,
        Err(error) => return vec![failure("server", &error.into())],
    };
    let mut found = vec![Finding::ok("server", format!("{} answers", remote.base()))];
    found.extend(skew.map(|seconds| {
        if seconds.abs() > SKEW {
            Finding::warning("clock", format!("the server's clock differs by {seconds} s from this machine's"))
        } else {
            Finding::ok("clock", "the server's clock and this machine's agree")
        }
    }));
    found.push(match remote.readiness().await {
        Ok(degraded) if degraded.is_empty() => Finding::ok("readiness", "it serves requests"),
        Ok(degraded) => Finding::warning("readiness", format!("it serves requests, without {}", degraded.join(", "))),
        Err(error) => Finding::error("readiness", &error),
    });
    found.push(match Connection::remote(remote.clone()).call::<WhoAmI>((), (), ()).await {
        Ok(identity) => Finding::ok("log-in", format!("{} ({})", identity.name, identity.role)),
        Err(error) if error.code() == ErrorCode::Unauthenticated => {
            Finding::warning("log-in", format!("{error}: marketplace auth login"))
        }
        Err(error) => failure("log-in", &Failure::Core(error)),
    });
    found
}

/// Checks the capabilities of the terminal.
pub(super) fn terminal(context: &Context) -> Vec<Finding> {
    const NAME: &str = "terminal";
    if !std::io::stdout().is_terminal() {
        return vec![Finding::ok(NAME, "stdout is no terminal")];
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut found = Vec::new();
    found.push(match crossterm::terminal::size() {
        Ok((columns, rows)) if columns >= 80 && rows >= 24 => Finding::ok(NAME, format!("{columns}×{rows}")),
        Ok((columns, rows)) => Finding::warning(NAME, format!("{columns}×{rows}; the console wants 80×24")),
        Err(error) => Finding::warning(NAME, format!("its size is unknown: {error}")),
    });
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable).into_iter().find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_lowercase();
    found.push(if locale.contains("utf-8") || locale.contains("utf8") {
        Finding::ok("locale", locale)
    } else {
        Finding::warning("locale", "is not UTF-8, so names may not show right: set LANG=C.UTF-8")
    });
    let color = if !context.out.view.color {
        "off"
    } else if matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit") {
        "16 million"
    } else if variable("TERM").contains("256color") {
        "256: pictures in half blocks lose some"
    } else {
        "16: pictures in half blocks lose much"
    };
    found.push(Finding::ok("colours", color));
    found
}
