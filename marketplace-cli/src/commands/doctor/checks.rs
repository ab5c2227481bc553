//! What the doctor looks at.

use std::{io::IsTerminal, path::Path, time::Duration};

use marketplace_core::{
    admin::AdminApi,
    config::Config,
    db::{Db, OpenOptions},
    error::{Error, ErrorCode},
    kyc::{self, Retained},
    time::{Clock, SystemClock},
};

use super::{Check, due_work};
use crate::{
    context::Context,
    failure::Failure,
    output::size,
    profile::{SettingsFile, folder},
    remote::Remote,
};

/// Free bytes below which something will soon go wrong.
const LOW_DISK: u64 = 1024 * 1024 * 1024;
/// Seconds by which clocks may differ: tokens live for 600, undo for 10.
const SKEW: i64 = 5;

/// The user's own file.
pub(super) fn settings() -> Check {
    const NAME: &str = "profiles";
    let path = match folder() {
        Ok(folder) => folder.join("config.toml"),
        Err(error) => return Check::error(NAME, &error),
    };
    match SettingsFile::at(&path) {
        Err(error) => Check::error(NAME, &error),
        Ok(_) if !path.exists() => Check::ok(NAME, "none yet"),
        Ok(file) => match too_open(&path) {
            Some(mode) if file.settings.profiles.values().any(|profile| profile.database_url.is_some()) => {
                Check::warning(NAME, format!("{} can be read by others ({mode:o}): chmod 600 it", path.display()))
            }
            _ => Check::ok(NAME, format!("{} in {}", file.settings.profiles.len(), path.display())),
        },
    }
}

/// Permissions of a file that others than its owner have something of.
#[cfg(unix)]
fn too_open(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
#[cfg(not(unix))]
fn too_open(_path: &Path) -> Option<u32> {
    None
}

/// Whether the database answers, and fits this program. A missing SQLite file is not made.
pub(super) async fn database(config: &Config) -> Vec<Check> {
    const NAME: &str = "database";
    let url = config.database_url();
    if let Some(path) = url.expose().strip_prefix("sqlite://")
        && !Path::new(path).exists()
    {
        return vec![Check::warning(NAME, format!("{url} is not there yet; the first command makes it"))];
    }
    let opened = async {
        let db = Db::open(url.expose(), OpenOptions { connections: 1, ..OpenOptions::default() }).await?;
        db.ping().await?;
        let state = db.schema_state().await;
        let now = SystemClock.now();
        let kept = match &state {
            Ok(state) if state.is_current() => {
                let mut kept = vec![retention(kyc::retained(&db, &config.retention, now).await)];
                kept.extend(due_work::checks(&db, now).await);
                kept
            }
            _ => Vec::new(),
        };
        db.close().await;
        Ok::<_, Error>((state?, kept))
    };
    match opened.await {
        Err(error) => vec![Check::error(NAME, &error.into())],
        Ok((state, kept)) if state.is_current() => {
            let mut found = vec![
                Check::ok(NAME, format!("{url} answers")),
                Check::ok("schema", format!("{}, up to date", state.applied)),
            ];
            found.extend(kept);
            found
        }
        Ok((state, _)) if state.applied > state.newest => vec![
            Check::ok(NAME, format!("{url} answers")),
            Check::failed("schema", format!("{}, newer than this program ({})", state.applied, state.newest)),
        ],
        Ok((state, _)) => vec![
            Check::ok(NAME, format!("{url} answers")),
            Check::failed("schema", format!("{} of {}: run `marketplace db migrate`", state.applied, state.newest)),
        ],
    }
}

/// How long files of identity checks are kept, and how much of what is over waits.
fn retention(kept: Result<Retained, Error>) -> Check {
    const NAME: &str = "retention";
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => return Check::error(NAME, &error.into()),
    };
    let days = kept.days.iter().map(|(outcome, days)| match days {
        Some(days) => format!("{outcome} {days} d"),
        None => format!("{outcome} as long as the account"),
    });
    let days = days.collect::<Vec<_>>().join(", ");
    let text = format!("files of identity checks: {days}; {} overdue, {} to delete", kept.overdue, kept.waiting);
    if kept.overdue + kept.waiting > 0 {
        Check::warning(NAME, format!("{text}; a server that runs does it within seconds"))
    } else {
        Check::ok(NAME, text)
    }
}

/// Folders, keys, space.
pub(super) fn folders(config: &Config) -> Vec<Check> {
    let mut found = Vec::new();
    let data = config.data_dir.as_path();
    if data.exists() {
        found.push(match tempfile::tempfile_in(data) {
            Ok(_) => Check::ok("data folder", format!("{} can be written", data.display())),
            Err(error) => Check::failed("data folder", format!("{} cannot be written: {error}", data.display())),
        });
    } else {
        found.push(Check::ok("data folder", format!("{} is made on first use", data.display())));
    }
    let keys = config.keys_dir();
    found.push(match std::fs::read_dir(&keys) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::ok("keys", format!("{} is made on first use", keys.display()))
        }
        Err(error) => Check::failed("keys", format!("{} cannot be read: {error}", keys.display())),
        Ok(entries) => {
            let mut open = entries.flatten().map(|entry| entry.path()).chain([keys.clone()]);
            match open.find_map(|path| Some((too_open(&path)?, path))) {
                Some((mode, path)) => {
                    let right = if path.is_dir() { "700" } else { "600" };
                    Check::failed("keys", format!("{} is open to others ({mode:o}): chmod {right} it", path.display()))
                }
                None => Check::ok("keys", format!("{} is its owner's only", keys.display())),
            }
        }
    });
    let existing = data.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    if let Some(free) = free_space(if existing.as_os_str().is_empty() { Path::new(".") } else { existing }) {
        let text = format!("{} free", size(free));
        found.push(if free < LOW_DISK { Check::warning("disk", text) } else { Check::ok("disk", text) });
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

/// Where mails go.
pub(super) async fn mail(config: &Config) -> Check {
    const NAME: &str = "mail";
    let Some(smtp) = &config.smtp_url else {
        return Check::ok(NAME, format!("mails are written to {} (no smtp_url)", config.mail_dir().display()));
    };
    let place = smtp.expose().parse::<url::Url>().ok().and_then(|url| {
        let port = url.port().unwrap_or(if url.scheme() == "smtps" { 465 } else { 587 });
        Some((url.host_str()?.to_owned(), port))
    });
    let Some((host, port)) = place else { return Check::failed(NAME, "smtp_url is not smtp://HOST or smtps://HOST") };
    let connecting = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(Duration::from_secs(3), connecting).await {
        Ok(Ok(_)) => Check::ok(NAME, format!("{host}:{port} answers")),
        Ok(Err(error)) => Check::failed(NAME, format!("{host}:{port} does not answer: {error}")),
        Err(_) => Check::failed(NAME, format!("{host}:{port} does not answer within 3 s")),
    }
}

/// Whether the server answers, our clocks agree, and we are somebody to it.
pub(super) async fn server(remote: &Remote) -> Vec<Check> {
    let skew = match remote.clock_skew(SystemClock.now()).await {
        Ok(skew) => skew,
        Err(error) => return vec![Check::error("server", &error.into())],
    };
    let mut found = vec![Check::ok("server", format!("{} answers", remote.base()))];
    found.extend(skew.map(|seconds| {
        if seconds.abs() > SKEW {
            Check::warning("clock", format!("the server's clock differs by {seconds} s from this machine's"))
        } else {
            Check::ok("clock", "the server's clock and this machine's agree")
        }
    }));
    found.push(match remote.whoami().await {
        Ok(identity) => Check::ok("log-in", format!("{} ({})", identity.name, identity.role)),
        Err(error) if error.code() == ErrorCode::Unauthenticated => {
            Check::warning("log-in", format!("{error}: marketplace auth login"))
        }
        Err(error) => Check::error("log-in", &Failure::Core(error)),
    });
    found
}

/// What the terminal can do.
pub(super) fn terminal(context: &Context) -> Vec<Check> {
    const NAME: &str = "terminal";
    if !std::io::stdout().is_terminal() {
        return vec![Check::ok(NAME, "stdout is no terminal")];
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut found = Vec::new();
    found.push(match crossterm::terminal::size() {
        Ok((columns, rows)) if columns >= 80 && rows >= 24 => Check::ok(NAME, format!("{columns}×{rows}")),
        Ok((columns, rows)) => Check::warning(NAME, format!("{columns}×{rows}; the console wants 80×24")),
        Err(error) => Check::warning(NAME, format!("its size is unknown: {error}")),
    });
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable).into_iter().find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_lowercase();
    found.push(if locale.contains("utf-8") || locale.contains("utf8") {
        Check::ok("locale", locale)
    } else {
        Check::warning("locale", "is not UTF-8, so names may not show right: set LANG=C.UTF-8")
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
    found.push(Check::ok("colours", color));
    found
}
