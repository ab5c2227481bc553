//! What all list screens share: a list that loads its pages, filters as the user types, and has marks.

use marketplace_core::staff::Connection;
use std::{any::Any, fmt::Debug, time::Duration};

use crossterm::event::KeyEvent;
use futures::future::BoxFuture;
use marketplace_core::{
    error::Result as Answered,
    page::{MAX_LIMIT, Page, PageRequest},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};
use serde::Serialize;

use super::{
    super::{
        ctx::{Ctx, Request},
        jump::Subject,
        keymap::Action,
        message::{LoadId, Message},
        text,
        theme::Style,
    },
    filter::Typed,
    filter_bar::FilterBar,
    paged::{Paged, Row},
};

/// The delay after an event, so that a burst causes one look.
const SOON: Duration = Duration::from_millis(300);
/// The delay after an event of a frequent kind.
const LATER: Duration = Duration::from_secs(2);
/// The most rows that "all that match" may mean.
const MOST: usize = 10_000;

/// A kind of row, and how to load it.
pub trait Listed: Row + Debug + Serialize + Send + Sync + 'static {
    /// The filter of these rows.
    type Filter: Typed + Debug + Send + Sync + 'static;
    /// The name of the rows in error messages.
    const WHAT: &'static str;
    /// The filter in effect until another is typed.
    const DEFAULT: &'static str = "";
    /// Loads a page of them.
    fn list(api: Connection, filter: Self::Filter, page: PageRequest) -> BoxFuture<'static, Answered<Page<Self>>>;
    /// Returns the text that is copied as the row's id.
    fn id_text(&self) -> String;
}

/// Rows that were loaded.
#[derive(Debug)]
enum Answer<T> {
    /// A page.
    Page(Answered<Page<T>>),
    /// All that match, for marking them, and whether there are more than may be marked.
    All(Answered<(Vec<T>, bool)>),
}

/// Rows, the filter that selected them, and marks.
#[derive(Debug)]
pub struct Listing<T: Listed> {
    /// The rows.
    pub rows: Paged<T>,
    /// The filter.
    pub bar: FilterBar<T::Filter>,
    base: String,
    matching: Option<LoadId>,
    refresh_due: Option<Timestamp>,
}

impl<T: Listed> Default for Listing<T> {
    fn default() -> Self {
        Self {
            rows: Paged::default(),
            bar: FilterBar::starting(T::DEFAULT),
            base: T::DEFAULT.to_owned(),
            matching: None,
            refresh_due: None,
        }
    }
}

impl<T: Listed> Listing<T> {
    /// Handles the actions that mean the same on every list: filter, marks, movements. Returns false for any other.
    pub fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::FILTER => self.bar.open(),
            Action::MARK => self.rows.mark(),
            Action::MARK_RANGE => {
                if self.rows.mark_range() {
                    ctx.say("marking: move, then V again");
                }
            }
            Action::MARK_ALL => {
                if !self.rows.clear_marks() {
                    let filter = self.bar.filter.clone();
                    self.matching = Some(ctx.load(Answer::<T>::All, |api| matching::<T>(api, filter)));
                    ctx.say("looking for all that match…");
                }
            }
            _ => return self.rows.moved(action),
        }
        true
    }

    /// Goes one step back towards the list's initial state: without marks, then without a filter of the user's. Returns
    /// false when there is nothing to undo.
    pub fn back(&mut self, ctx: &mut Ctx) -> bool {
        if self.rows.clear_marks() {
            return true;
        }
        if self.bar.text() == self.base {
            return false;
        }
        let base = self.base.clone();
        self.set(&base, ctx);
        true
    }

    /// Returns whether the filter is the initial one.
    pub fn at_base(&self) -> bool {
        self.bar.text() == self.base
    }

    /// Sets another filter.
    pub fn set(&mut self, words: &str, ctx: &mut Ctx) -> bool {
        let set = self.bar.set(words, ctx);
        if set {
            self.rows.reset();
        }
        set
    }

    /// Sets another filter as the initial one, for a jump.
    pub fn start_at(&mut self, words: &str, ctx: &mut Ctx) {
        if self.set(words, ctx) {
            words.clone_into(&mut self.base);
        }
    }

    /// Handles a result that it waits for. Returns true when it was a page.
    ///
    /// # Errors
    /// Returns any other message.
    pub fn take(&mut self, message: Message, ctx: &mut Ctx) -> Result<bool, Message> {
        if !self.rows.awaits(message.id()) && self.matching != Some(message.id()) {
            return Err(message);
        }
        let (id, answer) = message.open::<Answer<T>>()?;
        match answer {
            Answer::Page(answer) => match self.rows.answered(id, answer) {
                Some(Ok(())) => return Ok(true),
                Some(Err(error)) => ctx.fail(T::WHAT, &error),
                None => {}
            },
            Answer::All(answer) => {
                self.matching = None;
                match answer {
                    Ok((_, true)) => ctx.refuse(format!(
                        "more than {MOST} match: narrow the filter, or use the command line (! shows how)"
                    )),
                    Ok((rows, false)) => {
                        ctx.say(format!("{} marked", rows.len()));
                        self.rows.mark_rows(rows);
                    }
                    Err(error) => ctx.fail("mark all", &error),
                }
            }
        }
        Ok(false)
    }

    /// Schedules a look in a moment, because something changed.
    pub fn soon(&mut self, ctx: &Ctx) {
        self.refresh_due.get_or_insert(ctx.now() + SOON);
    }
    /// Schedules a look a little later, because of a frequent event.
    pub fn later(&mut self, ctx: &Ctx) {
        self.refresh_due.get_or_insert(ctx.now() + LATER);
    }
    /// Returns true once, when the scheduled time has come.
    pub fn due(&mut self, now: Timestamp) -> bool {
        self.refresh_due.take_if(|due| now >= *due).is_some()
    }

    /// Resumes after having been stashed: results of earlier requests no longer arrive.
    pub fn resume(&mut self) {
        self.matching = None;
        self.rows.resume();
    }

    /// Returns a heading with the filter.
    pub fn title(&self, name: &str) -> String {
        if self.bar.text().is_empty() { name.to_owned() } else { format!("{name} · {}", self.bar.text()) }
    }

    /// Returns the cursor's position: `3 of 100+`.
    pub fn place(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let more = if self.rows.more() { "+" } else { "" };
        let last = self.rows.position() - self.rows.selected_index() + self.rows.len() - 1;
        let number = |at: usize| text::thousands(i64::try_from(at).unwrap_or(i64::MAX));
        format!("{} of {}{more}", number(self.rows.position()), number(last))
    }
}

/// Copies the id of a row, or the row. Returns false for any other action.
pub fn copies<T: Listed>(row: Option<&T>, action: Action, ctx: &mut Ctx) -> bool {
    let request = match (action, row) {
        (Action::COPY_ID, Some(row)) => Request::Copy(row.id_text(), "the id is copied".into()),
        (Action::COPY_ROW, Some(row)) => match serde_json::to_string(row) {
            Ok(json) => Request::Copy(json, "the row is copied as JSON".into()),
            Err(_) => return true,
        },
        (Action::COPY_ID | Action::COPY_ROW, None) => return true,
        _ => return false,
    };
    ctx.requests.push(request);
    true
}

/// Loads all that match, up to a limit; also returns whether there are more.
async fn matching<T: Listed>(api: Connection, filter: T::Filter) -> Answered<(Vec<T>, bool)> {
    let mut rows = Vec::new();
    let mut request = PageRequest::first(MAX_LIMIT);
    loop {
        let page = T::list(api.clone(), filter.clone(), request.clone()).await?;
        rows.extend(page.items);
        match page.next {
            Some(next) if rows.len() < MOST => request.after = Some(next),
            Some(_) => return Ok((rows, true)),
            None => return Ok((rows, false)),
        }
    }
}

/// A list of any kind with its detail: what is the same on every screen that has one.
pub trait Lists {
    /// Returns whether keys are text now.
    fn typing(&self) -> bool;
    /// Handles a key as text.
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx);
    /// Handles pasted text.
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx);
    /// Applies a filter from the command bar.
    fn filter(&mut self, words: &str, ctx: &mut Ctx);
    /// Goes to a subject in it, if possible.
    fn go(&mut self, subject: &Subject, ctx: &mut Ctx);
    /// Stashes what it shows, and starts afresh.
    fn stash(&mut self) -> Box<dyn Any>;
    /// Restores what was stashed.
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx);
    /// Handles a result that it waits for, and returns any other message.
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message>;
    /// Reloads what is shown.
    fn reload(&mut self, ctx: &mut Ctx);
    /// Handles the passing of time, and loads what is missing while it is visible.
    fn tick(&mut self, visible: bool, ctx: &mut Ctx);
    /// Handles the end of a bulk action.
    fn bulk_ended(&mut self, ctx: &mut Ctx);
    /// Handles a click. Returns true when it opens the row.
    fn click(&mut self, at: Position, ctx: &mut Ctx) -> bool;
    /// Returns the number of marked rows and what is then applied to all of them, as text for the status line.
    fn marked(&self, what: &str) -> Option<(String, Style)>;
    /// Draws the typed text; returns the position of the text cursor.
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position>;
}

impl<T: Listed> Lists for Listing<T> {
    fn typing(&self) -> bool {
        self.bar.typing()
    }
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) {
        if self.bar.key(key, ctx) {
            self.rows.restart();
        }
    }
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx) {
        self.bar.paste(pasted, ctx.now());
    }
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        self.set(words, ctx);
    }
    fn go(&mut self, subject: &Subject, ctx: &mut Ctx) {
        if let Subject::List(words) = subject {
            self.start_at(words, ctx);
        }
    }
    fn stash(&mut self) -> Box<dyn Any> {
        Box::new(std::mem::take(self))
    }
    fn restore(&mut self, stashed: Box<dyn Any>, _ctx: &mut Ctx) {
        if let Ok(list) = stashed.downcast() {
            *self = *list;
            self.resume();
        }
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        self.take(message, ctx).err()
    }
    fn reload(&mut self, _ctx: &mut Ctx) {
        self.rows.refresh();
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.bar.tick(now) {
            self.rows.restart();
        }
        if !visible {
            return;
        }
        while let Some((want, request)) = self.rows.take_want() {
            let filter = self.bar.filter.clone();
            let id = ctx.load(Answer::<T>::Page, |api| T::list(api, filter, request));
            self.rows.started(id, want, now);
        }
    }
    fn bulk_ended(&mut self, _ctx: &mut Ctx) {
        self.rows.clear_marks();
        self.rows.refresh();
    }
    fn click(&mut self, at: Position, _ctx: &mut Ctx) -> bool {
        self.rows.click(at) == Some(true)
    }
    fn marked(&self, what: &str) -> Option<(String, Style)> {
        let marked = self.rows.marked_count();
        (marked > 0).then(|| (format!("◆ {marked} marked: {what} is for all of them · Esc clears"), Style::Accent))
    }
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.bar.draw(bar, buf, ctx)
    }
}
