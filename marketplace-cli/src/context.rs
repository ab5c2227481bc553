//! The context of a running command: its options, the printer, the connection, and the interrupt signal.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use marketplace_core::{
    app::App,
    error::{Error, Result},
    page::{MAX_LIMIT, Page, PageRequest, TimeCursor, cursor_of},
    staff::Connection,
    time::Timestamp,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    args::{Format, Globals, Range},
    failure::{Failure, Outcome},
    output::{Order, Output, Row, Selection, Timeline, Transform, at, heed, plain},
};

/// How the next question is answered, where lines are typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Assent {
    /// By yes or no.
    #[default]
    Asked,
    /// By this word.
    Word(String),
    /// It is answered already.
    Given,
}

/// Lines that are read before they are needed.
const EARLY: usize = 1_024;

/// What a person types, line by line, where that is how a console works.
#[derive(Debug)]
pub struct Lines {
    typed: Mutex<mpsc::Receiver<(Instant, String)>>,
    /// When the latest line came.
    came: std::sync::Mutex<Instant>,
    assent: std::sync::Mutex<Assent>,
    /// Whether the result of a change is told by whoever asked for it.
    pub is_brief: AtomicBool,
    /// What every command works on.
    pub api: Connection,
}

impl Lines {
    /// Reads lines from stdin, on a thread of its own.
    pub fn stdin(api: Connection) -> Self {
        // What comes early is read early, so that it is known when it came.
        let (sender, typed) = mpsc::channel(EARLY);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if sender.blocking_send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self {
            typed: Mutex::new(typed),
            came: std::sync::Mutex::new(Instant::now()),
            assent: std::sync::Mutex::default(),
            is_brief: AtomicBool::new(false),
            api,
        }
    }

    /// Returns when the latest line came that was taken.
    pub fn came(&self) -> Instant {
        *self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how the next question is answered, once.
    pub fn take_assent(&self) -> Assent {
        std::mem::take(&mut *self.assent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The state of a running command.
#[derive(Debug)]
pub struct Context {
    /// Options of every command.
    pub globals: Globals,
    /// The printer.
    pub out: Output,
    /// The notification of Ctrl-C.
    pub interrupt: Interrupt,
    /// The connection that was made last.
    pub connection: OnceLock<Connection>,
    /// What is typed, in a console that works line by line.
    pub lines: OnceLock<Lines>,
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
        if transform.is_some() {
            heed(signal)?;
        }
        let out =
            Output::stdout(globals.output, globals.fields.clone(), !globals.no_header, globals.quiet, globals.color)
                .through(transform);
        Ok(Self {
            globals,
            out,
            interrupt: Interrupt::default(),
            connection: OnceLock::new(),
            lines: OnceLock::new(),
            opened: Mutex::default(),
            folders: std::sync::Mutex::default(),
        })
    }

    /// Asks for a line; there is none at the end of what is typed.
    ///
    /// # Errors
    /// When the question cannot be written.
    pub async fn line(&self, question: &str) -> Outcome<Option<String>> {
        let Some(lines) = self.lines.get() else { return Ok(None) };
        self.out.write(question.as_bytes())?;
        let Some((came, line)) = lines.typed.lock().await.recv().await else { return Ok(None) };
        *lines.came.lock().unwrap_or_else(PoisonError::into_inner) = came;
        Ok(Some(line))
    }

    /// Settles how the next question is answered, where lines are typed.
    pub fn answer_with(&self, assent: Assent) {
        if let Some(lines) = self.lines.get() {
            *lines.assent.lock().unwrap_or_else(PoisonError::into_inner) = assent;
        }
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

    /// Prints a list page by page, in constant memory, up to the limit; unless it is to be sorted, which takes all of it.
    pub async fn stream<T: Row>(&self, range: &Range, fetch: impl AsyncFn(PageRequest) -> Result<Page<T>>) -> Outcome {
        let mut list = self.out.list::<T>();
        let sorting = range.sort.as_deref().map(Sorting::of::<T>).transpose()?;
        if let Some(sorting) = sorting {
            let mut rows = collect(range, &fetch, u64::MAX).await?.0;
            sorting.sort(&mut rows)?;
            rows.truncate(usize::try_from(limit(range)).unwrap_or(usize::MAX));
            list.page(&rows)?;
            list.finish()?;
            self.nothing(rows.len() as u64);
            return Ok(());
        }
        let mut reading = Reading::new::<T>(range)?;
        let mut left = limit(range);
        loop {
            let page = match reading.next(&fetch, left).await {
                Ok(page) => page,
                Err(failure) => {
                    if list.rows() > 0 {
                        list.finish()?;
                    }
                    return Err(failure);
                }
            };
            list.page(&page)?;
            left = left.saturating_sub(page.len() as u64);
            if left > 0 && !reading.is_over {
                continue;
            }
            let rows = list.rows();
            list.finish()?;
            match reading.after.filter(|_| !reading.is_over) {
                Some(next) => {
                    self.out.note(&format!("there is more: go on with --after {next}, or take all with --limit 0"));
                }
                None => self.nothing(rows),
            }
            return Ok(());
        }
    }

    /// Prints a list, and then each row that is new in it or changes, until Ctrl-C.
    pub async fn watch<T: Row>(&self, range: &Range, fetch: impl AsyncFn(PageRequest) -> Result<Page<T>>) -> Outcome {
        let mut list = self.out.list::<T>();
        let mut known: HashMap<String, Value> = HashMap::new();
        let id = T::id();
        self.interrupt.finish_steps();
        let mut is_away = false;
        loop {
            match collect(range, &fetch, limit(range)).await {
                Ok((rows, _)) => {
                    is_away = false;
                    let (mut fresh, mut now) = (Vec::new(), HashMap::new());
                    for row in rows {
                        let value = serde_json::to_value(&row).map_err(|error| Failure::Other(error.into()))?;
                        let key = plain(at(&value, &id));
                        if known.get(&key) != Some(&value) {
                            fresh.push(row);
                        }
                        now.insert(key, value);
                    }
                    known = now;
                    if !fresh.is_empty() {
                        list.page(&fresh)?;
                    }
                }
                Err(Failure::Core(error)) if error.code().retryable() && !known.is_empty() => {
                    if !is_away {
                        self.out.note(&format!("{error}; trying again"));
                    }
                    is_away = true;
                }
                Err(failure) => return Err(failure),
            }
            tokio::select! {
                () = self.interrupt.wait() => break,
                () = tokio::time::sleep(WATCH) => {}
                () = self.abandoned() => return Err(Failure::BrokenPipe),
            }
        }
        list.finish()?;
        Err(Failure::Interrupted("stopped".into()))
    }

    /// Waits until nobody reads stdout any more, which a program that has nothing to write does not notice.
    async fn abandoned(&self) {
        while !self.out.is_abandoned() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn nothing(&self, rows: u64) {
        if rows == 0 && self.out.format == Format::Table {
            self.out.note("nothing found");
        }
    }
}

/// The interval at which it is looked whether anybody still reads.
const LOOK: Duration = Duration::from_millis(100);
/// The interval at which a watched list is read again.
const WATCH: Duration = Duration::from_secs(2);

fn limit(range: &Range) -> u64 {
    if range.limit == 0 { u64::MAX } else { range.limit }
}

/// Returns the rows of a list up to a limit, and whether there are more.
async fn collect<T: Row>(
    range: &Range,
    fetch: &impl AsyncFn(PageRequest) -> Result<Page<T>>,
    limit: u64,
) -> Outcome<(Vec<T>, bool)> {
    let mut reading = Reading::new::<T>(range)?;
    let mut rows = Vec::new();
    while !reading.is_over && (rows.len() as u64) < limit {
        rows.extend(reading.next(fetch, limit - rows.len() as u64).await?);
    }
    Ok((rows, !reading.is_over))
}

/// Refuses a page that leads to itself: its list would have no end.
pub fn require_progress<T>(asked: Option<&str>, page: &Page<T>) -> Result<()> {
    if page.next.is_some() && page.next.as_deref() == asked {
        return Err(Error::unavailable("the server's list leads back to where it was", "a cursor that repeats"));
    }
    Ok(())
}

/// Reads a list from where its range begins to where it ends.
struct Reading {
    after: Option<String>,
    is_over: bool,
    timeline: Option<Timeline>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Reading {
    fn new<T: Row>(range: &Range) -> Outcome<Self> {
        let timeline = T::timeline();
        if timeline.is_none() && (range.since.is_some() || range.until.is_some()) {
            return Err(Failure::usage("these rows have no time of their own", "leave --since and --until away"));
        }
        if let (Some(since), Some(until)) = (range.since, range.until)
            && since >= until
        {
            return Err(Failure::usage("--since is not before --until, so nothing can be between", "exchange them"));
        }
        let timeline = timeline.map(|timeline| {
            if range.is_reordered { Timeline { list: None, order: Order::Mixed, ..timeline } } else { timeline }
        });
        let mut after = range.after.clone();
        if let (None, Some(until), Some(list)) = (&after, range.until, timeline.and_then(|timeline| timeline.list)) {
            // What is newer is not even read.
            after = Some(cursor_of(list, &TimeCursor { at: until, id: Uuid::nil() }));
        }
        Ok(Self { after, is_over: false, timeline, since: range.since, until: range.until })
    }

    /// Returns the next rows, `left` at most; sometimes none before the end.
    async fn next<T: Row>(
        &mut self,
        fetch: &impl AsyncFn(PageRequest) -> Result<Page<T>>,
        left: u64,
    ) -> Outcome<Vec<T>> {
        let limit = u16::try_from(left).unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
        let asked = self.after.take();
        let page = fetch(PageRequest { limit, after: asked.clone() }).await?;
        require_progress(asked.as_deref(), &page)?;
        self.is_over = page.next.is_none();
        self.after = page.next;
        let Some(timeline) = self.timeline.filter(|_| self.since.is_some() || self.until.is_some()) else {
            return Ok(page.items);
        };
        let mut rows = Vec::with_capacity(page.items.len());
        for row in page.items {
            let value = serde_json::to_value(&row).map_err(|error| Failure::Other(error.into()))?;
            let Ok(time) = plain(at(&value, timeline.path)).parse::<Timestamp>() else { continue };
            let (is_early, is_late) =
                (self.since.is_some_and(|since| time < since), self.until.is_some_and(|until| time >= until));
            match timeline.order {
                // All that follow are outside as well.
                Order::NewestFirst if is_early => {
                    self.is_over = true;
                    break;
                }
                Order::OldestFirst if is_late => {
                    self.is_over = true;
                    break;
                }
                _ if is_early || is_late => {}
                _ => rows.push(row),
            }
        }
        Ok(rows)
    }
}

/// A field to sort by.
struct Sorting {
    field: String,
    is_falling: bool,
}

impl Sorting {
    fn of<T: Row>(text: &str) -> Outcome<Self> {
        let (field, is_falling) = match text.rsplit_once(':') {
            Some((field, "desc")) => (field, true),
            Some((field, "asc")) => (field, false),
            _ => (text, false),
        };
        Selection(vec![field.to_owned()]).check::<T>()?;
        Ok(Self { field: field.to_owned(), is_falling })
    }

    /// Sorts rows; those without the field come last.
    fn sort<T: Row>(&self, rows: &mut Vec<T>) -> Outcome {
        let mut keyed = Vec::with_capacity(rows.len());
        for row in rows.drain(..) {
            let value = serde_json::to_value(&row).map_err(|error| Failure::Other(error.into()))?;
            keyed.push((at(&value, &self.field).clone(), row));
        }
        keyed.sort_by(|(one, _), (other, _)| match (one.is_null(), other.is_null()) {
            (false, false) => {
                let order = match (one.as_f64(), other.as_f64()) {
                    (Some(one), Some(other)) => one.total_cmp(&other),
                    _ => plain(one).to_lowercase().cmp(&plain(other).to_lowercase()),
                };
                if self.is_falling { order.reverse() } else { order }
            }
            (is_missing, is_other_missing) => is_missing.cmp(&is_other_missing),
        });
        rows.extend(keyed.into_iter().map(|(_, row)| row));
        Ok(())
    }
}

/// The notification of Ctrl-C and SIGTERM. The first signal stops a command at once, unless it asked to finish its
/// current step.
#[derive(Debug, Default)]
pub struct Interrupt {
    token: CancellationToken,
    graceful: AtomicBool,
    ignored: AtomicBool,
}

impl Interrupt {
    /// From now on, the command itself handles every signal.
    pub fn ignore(&self) {
        self.ignored.store(true, Ordering::Relaxed);
    }
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
            if self.ignored.load(Ordering::Relaxed) {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_leads_to_itself_ends_a_list() {
        let page = |next: Option<&str>| Page::<u8> { items: Vec::new(), next: next.map(str::to_owned) };
        for (asked, next) in [(None, None), (None, Some("a")), (Some("a"), Some("b")), (Some("a"), None)] {
            assert!(require_progress(asked, &page(next)).is_ok(), "{asked:?} {next:?}");
        }
        let error = require_progress(Some("a"), &page(Some("a"))).unwrap_err();
        assert_eq!(Failure::from(error).exit_code(), 7);
    }
}
