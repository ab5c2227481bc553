//! The context of a running command: its options, the printer, the connection, and the interrupt signal.

use std::{
    path::PathBuf,
    sync::{
        PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use marketplace_core::{
    app::App,
    error::Result,
    page::{MAX_LIMIT, Page, PageRequest},
};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Format, Globals, Range},
    failure::{Failure, Outcome},
    output::{Output, Row, Transform},
};

/// The state of a running command.
#[derive(Debug)]
pub struct Context {
    /// Options of every command.
    pub globals: Globals,
    /// The printer.
    pub out: Output,
    /// The notification of Ctrl-C.
    pub interrupt: Interrupt,
    opened: Mutex<Vec<App>>,
    folders: std::sync::Mutex<Vec<TempDir>>,
}

impl Context {
    /// Creates the context of this process.
    ///
    /// # Errors
    /// A usage error for a filter or a template that cannot be read.
    pub fn new(globals: Globals) -> Outcome<Self> {
        let transform = match (&globals.jq, &globals.template) {
            (Some(filter), _) => Some(Transform::jq(filter)?),
            (None, Some(template)) => Some(Transform::template(template)?),
            (None, None) => None,
        };
        let out =
            Output::stdout(globals.output, globals.fields.clone(), !globals.no_header, globals.quiet, globals.color)
                .through(transform);
        Ok(Self {
            globals,
            out,
            interrupt: Interrupt::default(),
            opened: Mutex::default(),
            folders: std::sync::Mutex::default(),
        })
    }

    /// Registers an open marketplace to be closed at the end.
    pub async fn keep(&self, app: &App) {
        self.opened.lock().await.push(app.clone());
    }

    /// Keeps a temporary folder until the program ends in any way: it is removed last, when nothing is written any
    /// more.
    pub fn keep_folder(&self, folder: TempDir) -> PathBuf {
        let path = folder.path().to_owned();
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
        path
    }

    /// Closes everything that was opened.
    pub async fn close(&self) {
        for app in self.opened.lock().await.drain(..) {
            app.close().await;
        }
    }

    /// Prints a list page by page, in constant memory, up to the limit.
    pub async fn stream<T: Row>(&self, range: &Range, fetch: impl AsyncFn(PageRequest) -> Result<Page<T>>) -> Outcome {
        let mut list = self.out.list::<T>();
        let mut left = if range.limit == 0 { u64::MAX } else { range.limit };
        let mut after = range.after.clone();
        loop {
            let limit = u16::try_from(left).unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
            let page = match fetch(PageRequest { limit, after }).await {
                Ok(page) => page,
                Err(error) => {
                    if list.rows() > 0 {
                        list.finish()?;
                    }
                    return Err(error.into());
                }
            };
            list.page(&page.items)?;
            left = left.saturating_sub(page.items.len() as u64);
            match page.next {
                Some(next) if left > 0 => after = Some(next),
                next => {
                    let rows = list.rows();
                    list.finish()?;
                    if let Some(next) = next {
                        self.out.note(&format!("there is more: go on with --after {next}, or take all with --limit 0"));
                    } else if rows == 0 && self.out.format == Format::Table {
                        self.out.note("nothing found");
                    }
                    return Ok(());
                }
            }
        }
    }
}

/// The notification of Ctrl-C and SIGTERM. The first signal stops a command at once, unless it asked to finish its
/// current step.
#[derive(Debug, Default)]
pub struct Interrupt {
    token: CancellationToken,
    graceful: AtomicBool,
}

impl Interrupt {
    /// From now on, the first Ctrl-C only sets [`Interrupt::requested`]; the second stops at once.
    pub fn finish_steps(&self) {
        self.graceful.store(true, Ordering::Relaxed);
    }
    /// Returns whether the command should stop after its current step.
    pub fn requested(&self) -> bool {
        self.token.is_cancelled()
    }
    /// Waits until the command should stop.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Waits for the signal that ends the command at once, and returns what to report.
    pub async fn aborted(&self) -> Failure {
        loop {
            let failure = signal().await;
            if self.token.is_cancelled() || !self.graceful.load(Ordering::Relaxed) {
                return failure;
            }
            self.token.cancel();
        }
    }
}

#[cfg(unix)]
async fn signal() -> Failure {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut hang_up)) = kinds else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Failure::Interrupted("interrupted".into()),
        _ = terminate.recv() => Failure::Terminated,
        _ = hang_up.recv() => Failure::Terminated,
    }
}

#[cfg(not(unix))]
async fn signal() -> Failure {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Failure::Interrupted("interrupted".into()),
        Err(_) => std::future::pending().await,
    }
}
