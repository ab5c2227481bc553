//! What all list screens share: a list that loads its pages, filters as the user types, and has marks.

use marketplace_core::staff::Connection;
use std::{any::Any, fmt::Debug, marker::PhantomData, time::Duration};

use crossterm::event::KeyEvent;
use futures::future::BoxFuture;
use marketplace_core::{
    base::change::Changed,
    error::{Error, ErrorCode, Result as Answered},
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
        bulk::Bulk,
        ctx::{Confirmed, Ctx, Request},
        jump::Subject,
        keymap::Action,
        message::{LoadId, Message},
        privacy, text,
        theme::{Style, Theme},
        widgets::{
            columns::{Column, Sorted},
            form::{Choice, Form},
            rows,
        },
    },
    filter::{Typed, impersonal},
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
    /// Returns the columns of the list.
    fn columns() -> &'static [Column];
    /// Returns what rows are sorted by in a column.
    fn key(&self, column: &str) -> Key;
}

/// What a row is sorted by in a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A number, or a time.
    Number(i64),
    /// A text, without regard to its case.
    Text(String),
}

impl Key {
    /// Returns the key of a text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().to_lowercase())
    }
    /// Returns the key of a time.
    pub fn time(at: Timestamp) -> Self {
        Self::Number(at.micros())
    }
}

/// The intent of the form in which columns are chosen.
struct ChooseColumns<T>(PhantomData<T>);

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
    /// Whether it was looked up which columns are not shown.
    remembered: bool,
    /// The rows that a bulk action was started for, in its order.
    acting: Vec<T::Id>,
}

impl<T: Listed> Default for Listing<T> {
    fn default() -> Self {
        Self {
            rows: Paged::default(),
            bar: FilterBar::starting(T::WHAT, T::DEFAULT),
            base: T::DEFAULT.to_owned(),
            matching: None,
            refresh_due: None,
            remembered: false,
            acting: Vec::new(),
        }
    }
}

impl<T: Listed> Listing<T> {
    /// Handles the actions that mean the same on every list: filter, marks, movements. Returns false for any other.
    pub fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        match action {
            Action::FILTER => self.bar.open(ctx),
            Action::SORT => self.sort_by_next(ctx),
            Action::REVERSE => match &mut self.rows.sorted {
                Some(sorted) => {
                    sorted.falling = !sorted.falling;
                    self.rows.restart();
                }
                None => ctx.say(format!("{} sorts by a column first", ctx.keymap.key(Action::SORT))),
            },
            Action::COLUMNS => self.choose_columns(ctx),
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

    /// Sorts by the next column that is shown, and after the last one as the system does.
    fn sort_by_next(&mut self, ctx: &mut Ctx) {
        let shown: Vec<_> = T::columns().iter().filter(|column| !self.rows.hidden.contains(&column.name)).collect();
        let at = self.rows.sorted.and_then(|sorted| shown.iter().position(|column| column.name == sorted.column));
        let next = shown.get(at.map_or(0, |at| at + 1));
        self.rows.sorted = next.map(|column| Sorted { column: column.name, falling: column.right });
        self.rows.restart();
        match next {
            Some(column) => ctx.say(format!("sorted by {}", column.name)),
            None => ctx.say("in the system's order again"),
        }
    }

    fn choose_columns(&self, ctx: &mut Ctx) {
        let columns = T::columns();
        let choices =
            ('a'..='z').zip(columns).map(|(key, column)| Choice { key, label: column.name.to_owned(), template: "" });
        let shown = |(at, column): (usize, &Column)| (!self.rows.hidden.contains(&column.name)).then_some(at);
        let picked: Vec<usize> = columns.iter().enumerate().filter_map(shown).collect();
        let form = Form::new(format!("Columns of {}", T::WHAT))
            .line("Shown where there is room for them.")
            .line("")
            .choices(choices.collect(), true)
            .with_picked(&picked);
        ctx.ask(form, ChooseColumns::<T>(PhantomData));
    }

    /// Returns the ids of the marked rows, or else of the one under the cursor, each with a name.
    pub fn targets(&self, name: impl Fn(&T) -> String) -> Vec<(T::Id, String)> {
        let mut rows = self.rows.marked();
        if rows.is_empty() {
            rows.extend(self.rows.selected());
        }
        rows.into_iter().map(|row| (row.id(), name(row))).collect()
    }

    /// Makes a change: of one at once, whose load and name are returned, and of several as a bulk action with this heading.
    pub fn change<D, M, W>(
        &mut self,
        (doing, heading): (&str, String),
        targets: Vec<(T::Id, String)>,
        ctx: &mut Ctx,
        wrap: impl FnOnce(Answered<Changed<D>>) -> M + Send + 'static,
        work: W,
    ) -> Option<(LoadId, String)>
    where
        D: Send + 'static,
        M: Any + Send,
        W: Fn(Connection, T::Id) -> BoxFuture<'static, Answered<Changed<D>>> + Clone + Send + Sync + 'static,
    {
        if let [(id, name)] = targets.as_slice() {
            let load = ctx.act(format!("{doing} {}", text::clean(name)), wrap, |api| work(api, *id));
            return Some((load, name.clone()));
        }
        self.acting_on(targets.iter().map(|(id, _)| *id));
        ctx.bulk(Bulk::new(heading, targets.into_iter().map(|(id, name)| (name, id)), work));
        None
    }

    /// Remembers the rows that a bulk action is about to change, in its order.
    pub fn acting_on(&mut self, ids: impl IntoIterator<Item = T::Id>) {
        self.acting = ids.into_iter().collect();
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
                Some(Err(error)) => {
                    ctx.fail_to_load(T::WHAT, &error);
                    if error.code() == ErrorCode::Invalid && self.rows.sorted.take().is_some() {
                        self.rows.restart();
                    }
                }
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
    /// Looks again and again while somebody sees them: no event tells of these rows.
    pub fn watch(&mut self, visible: bool, ctx: &Ctx) {
        if visible && self.rows.loaded() {
            self.later(ctx);
        }
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

    /// Draws the frame of the list, with the filter behind its name; returns the area inside. A filter that may name somebody
    /// is not recorded.
    pub fn pane(&self, area: Rect, buf: &mut Buffer, theme: Theme, (name, right): (&str, &str), focused: bool) -> Rect {
        let filter = self.bar.text();
        let title = if filter.is_empty() { name.to_owned() } else { format!("{name} · {filter}") };
        let inner = rows::pane(area, buf, theme, &title, right, focused);
        if impersonal::<T::Filter>(filter) != filter {
            // Behind the corner, a blank and the name.
            let before = u16::try_from(text::width(name) + 2).unwrap_or(u16::MAX).min(area.width);
            let shown = u16::try_from(text::width(filter) + 3).unwrap_or(u16::MAX).min(area.width - before);
            privacy::mark(Rect { x: area.x + before, y: area.y, width: shown, height: 1 }.intersection(area), buf);
        }
        inner
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

/// Loads all that match, up to a limit, in the order of a column.
async fn sorted<T: Listed>(api: Connection, filter: T::Filter, by: Sorted) -> Answered<Page<T>> {
    let (mut rows, more) = matching::<T>(api, filter).await?;
    if more {
        let why = format!("more than {MOST} match: narrow the filter to sort by {}", by.column);
        return Err(Error::new(ErrorCode::Invalid, why));
    }
    rows.sort_by_cached_key(|row| row.key(by.column));
    if by.falling {
        rows.reverse();
    }
    Ok(Page { items: rows, next: None })
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
    /// Returns whether what it was told to go to is there.
    fn ready(&self) -> bool {
        true
    }
    /// Returns the filter as far as it may be kept for the next time.
    fn kept_filter(&self) -> String;
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
    /// Handles the end of a bulk action: what failed keeps its mark.
    fn bulk_ended(&mut self, bulk: &Bulk, ctx: &mut Ctx);
    /// Handles a confirmed form of its own.
    ///
    /// # Errors
    /// Returns any other form.
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> Result<(), Confirmed>;
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
    fn kept_filter(&self) -> String {
        impersonal::<T::Filter>(self.bar.text())
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
        if !self.remembered {
            self.remembered = true;
            let hidden = ctx.memory.hidden(T::WHAT);
            let known = T::columns().iter().map(|column| column.name);
            self.rows.hidden = known.filter(|name| hidden.iter().any(|hidden| hidden == name)).collect();
        }
        if !visible {
            return;
        }
        if self.due(now) {
            self.rows.refresh();
        }
        while let Some((want, request)) = self.rows.take_want() {
            let filter = self.bar.filter.clone();
            let by = self.rows.sorted;
            let id = ctx.load(Answer::<T>::Page, |api| async move {
                match by {
                    Some(by) => sorted(api, filter, by).await,
                    None => T::list(api, filter, request).await,
                }
            });
            self.rows.started(id, want, now);
        }
    }
    fn bulk_ended(&mut self, bulk: &Bulk, _ctx: &mut Ctx) {
        let acting = std::mem::take(&mut self.acting);
        if acting.is_empty() {
            // Another list's.
            self.rows.refresh();
            return;
        }
        let failed: Vec<T::Id> = bulk.unfinished().filter_map(|at| acting.get(at)).copied().collect();
        self.rows.keep_marks(&failed);
        self.rows.refresh();
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> Result<(), Confirmed> {
        let (ChooseColumns::<T>(_), filled) = confirmed.open()?;
        let columns = T::columns().iter().enumerate();
        self.rows.hidden =
            columns.filter(|(at, _)| !filled.picked.contains(at)).map(|(_, column)| column.name).collect();
        ctx.memory.hide(T::WHAT, &self.rows.hidden);
        if self.rows.sorted.is_some_and(|sorted| self.rows.hidden.contains(&sorted.column)) {
            self.rows.sorted = None;
            self.rows.restart();
        }
        Ok(())
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
