//! Bulk actions: one action on many rows, one after the other, with progress. They can be stopped, and end with a summary.

use marketplace_core::staff::Connection;
use std::fmt::Write as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use marketplace_core::{
    base::change::Changed,
    error::{Error, Result},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Clear, Widget},
};

use super::{
    message::{LoadId, Message, Outlet},
    text,
    theme::{Style, Theme},
    widgets::{
        centred,
        popup::{PopLine, Popup},
        rows,
    },
    write_guard::Gate,
};

/// Attempts at an item while its error is retryable.
const TRIES: u32 = 5;

/// A message from a running bulk action.
enum Step {
    /// An item by its position and its label, and whether it changed.
    Item(usize, String, Result<bool>),
    /// The end of the action.
    End,
}

/// The work on one item; returns true when it changed something.
type Work = Box<dyn Fn(Connection) -> BoxFuture<'static, Result<bool>> + Send + Sync>;

/// A bulk action, before and after its start.
pub struct Bulk {
    title: String,
    work: Vec<(String, Work)>,
    id: Option<LoadId>,
    stop: Arc<AtomicBool>,
    total: usize,
    done: Vec<usize>,
    unchanged: usize,
    failed: Vec<(String, Error)>,
    /// The positions of the items that are in the state that was wanted.
    settled: Vec<usize>,
    ended: bool,
}

impl Bulk {
    /// Creates the same change for each of these items, with their labels.
    pub fn new<I, D: 'static, W>(
        title: impl Into<String>,
        items: impl IntoIterator<Item = (String, I)>,
        change: W,
    ) -> Self
    where
        I: Clone + Send + Sync + 'static,
        W: Fn(Connection, I) -> BoxFuture<'static, Result<Changed<D>>> + Clone + Send + Sync + 'static,
    {
        let work = items.into_iter().map(|(label, item)| {
            let change = change.clone();
            let work: Work = Box::new(move |api| {
                let changed = change(api, item.clone());
                Box::pin(async move { Ok(changed.await?.changed) })
            });
            (label, work)
        });
        let work: Vec<_> = work.collect();
        Self {
            title: title.into(),
            total: work.len(),
            work,
            id: None,
            stop: Arc::new(AtomicBool::new(false)),
            done: Vec::new(),
            unchanged: 0,
            failed: Vec::new(),
            settled: Vec::new(),
            ended: false,
        }
    }

    /// Starts it; its steps are sent to `outlet`.
    pub fn start(&mut self, outlet: Outlet, api: Connection, gate: Arc<Gate>) {
        self.id = Some(outlet.id());
        let work = std::mem::take(&mut self.work);
        let stop = Arc::clone(&self.stop);
        tokio::spawn(async move {
            for (at, (label, item)) in work.into_iter().enumerate() {
                let mut tries = 0;
                let result = loop {
                    // While the system is unreachable, every single item would fail.
                    while gate.away() && !stop.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    if stop.load(Ordering::Relaxed) {
                        break None;
                    }
                    let result = item(api.clone()).await;
                    tries += 1;
                    match &result {
                        Err(error) if error.code().retryable() && tries < TRIES => {
                            let wait = error.retry_after_hint().unwrap_or(Duration::from_millis(200) * tries);
                            tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
                        }
                        _ => break Some(result),
                    }
                };
                match result {
                    Some(result) => outlet.send(Step::Item(at, label, result)),
                    None => break,
                }
            }
            outlet.send(Step::End);
        });
    }

    /// Handles a message that is meant for it, and returns any other.
    pub fn message(&mut self, message: Message) -> Option<Message> {
        if Some(message.id()) != self.id {
            return Some(message);
        }
        let message = message.open();
        if let Ok((_, Step::Item(at, _, Ok(_)))) = &message {
            self.settled.push(*at);
        }
        match message {
            Ok((_, Step::Item(at, _, Ok(true)))) => self.done.push(at),
            Ok((_, Step::Item(.., Ok(false)))) => self.unchanged += 1,
            Ok((_, Step::Item(_, label, Err(error)))) => self.failed.push((label, error)),
            Ok((_, Step::End)) => self.ended = true,
            Err(other) => return Some(other),
        }
        None
    }

    /// Returns whether it is still running.
    pub fn running(&self) -> bool {
        !self.ended
    }
    /// Stops it after the current item.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Returns how many items were not tried, or not yet.
    pub fn left(&self) -> usize {
        self.total.saturating_sub(self.done.len() + self.unchanged + self.failed.len())
    }
    /// Returns the positions of the items that it changed.
    pub fn changed(&self) -> &[usize] {
        &self.done
    }

    /// Returns the positions of the items that failed or were not tried.
    pub fn unfinished(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.total).filter(|at| !self.settled.contains(at))
    }

    /// Returns a summary in one line.
    pub fn summary(&self) -> String {
        let left = self.left();
        let mut line = format!(
            "{}: done {} · unchanged {} · failed {}",
            self.title,
            self.done.len(),
            self.unchanged,
            self.failed.len()
        );
        if left > 0 && self.ended {
            let _ = write!(line, " · not tried {left}");
        }
        if !self.failed.is_empty() {
            line.push_str(" · e lists the failures");
        }
        line
    }
    /// Returns whether any item failed.
    pub fn any_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Returns the failures with their reasons.
    pub fn failures(&self) -> Popup {
        let mut lines = vec![PopLine::Text(self.summary()), PopLine::Text(String::new())];
        lines.extend(self.failed.iter().map(|(label, error)| PopLine::Pair(label.clone(), error.to_string())));
        if self.failed.is_empty() {
            lines.push(PopLine::Text("nothing failed".into()));
        }
        Popup::new("Failures", lines)
    }

    /// Draws its progress.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: Theme) {
        let area = centred(area, 64, 6);
        Clear.render(area, buf);
        let inner = rows::pane(area, buf, theme, &self.title, "Esc stops", true);
        let tried = self.total - self.left();
        let columns = usize::from(inner.width.saturating_sub(2));
        let full = columns * tried / self.total.max(1);
        rows::put(buf, inner, 1, &Line::raw(format!(" {}{}", "█".repeat(full), "░".repeat(columns - full))));
        let counts = format!(
            " {tried} of {} · done {} · unchanged {} · failed {}",
            text::thousands(i64::try_from(self.total).unwrap_or(i64::MAX)),
            self.done.len(),
            self.unchanged,
            self.failed.len()
        );
        rows::put(buf, inner, 2, &Line::styled(counts, theme.style(Style::Plain)));
    }
}
