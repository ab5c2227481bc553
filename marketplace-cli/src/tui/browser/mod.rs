//! A list beside the detail of one row, and changes to one row or to all marked rows.
//!
//! | to read about | open |
//! |---|---|
//! | rows that are loaded in pages | [`paged`] |
//! | a list that loads its pages, with marks | [`listing`], [`list`] |
//! | filters | [`filter`], [`filter_bar`] |

pub mod filter;
pub mod filter_bar;
pub mod list;
pub mod listing;
pub mod paged;

use marketplace_core::staff::Connection;
use std::{
    any::Any,
    fmt::{Debug, Display},
    time::Duration,
};

use crossterm::event::KeyEvent;
use futures::future::BoxFuture;
use marketplace_core::{
    base::change::Changed,
    error::{ErrorCode, Result},
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
};
use uuid::Uuid;

use self::listing::{Listed, Listing, Lists, copies};
use super::{
    bulk::Bulk,
    ctx::{Confirmed, Ctx, PATIENCE},
    jump::Subject,
    keymap::Action,
    message::{LoadId, Message},
    text,
    theme::Style,
    widgets::{columns::Column, rows},
};

/// Columns from which list and detail are shown side by side.
pub const WIDE: u16 = 100;
/// The most rows that a command names.
const SHOWN: usize = 50;
/// How long the cursor rests on a row before it is loaded in full.
const REST: Duration = Duration::from_millis(120);

/// A kind of row that can be shown in full.
pub trait Detailed: Listed {
    /// A row in full.
    type Detail: Debug + Send + 'static;
    /// The singular of its name.
    const ONE: &'static str;
    /// The plural of its name.
    const MANY: &'static str;
    /// Converts an id.
    fn by_id(id: Uuid) -> Self::Id;
    /// Loads one in full.
    fn show(api: Connection, id: Self::Id) -> BoxFuture<'static, Result<Self::Detail>>;
    /// Returns the row of the list.
    fn row(detail: &Self::Detail) -> &Self;
    /// Returns its heading.
    fn name(&self) -> String;
    /// Returns its version, which counts changes.
    fn version(&self) -> i64;
    /// Returns the filter of a list that contains it, for a jump by id.
    fn around(&self) -> String;
}

/// A row that was loaded or changed.
#[derive(Debug)]
enum Shown<D> {
    /// A loaded row.
    Detail(Result<D>),
    /// The result of a change.
    Changed(Result<Changed<D>>),
}

/// The target of a change, as shown when the change was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<I> {
    /// Its id.
    pub id: I,
    /// Its name, as shown.
    pub name: String,
    /// The version that was shown, so that a change of another version is refused; `None` when it is one of many.
    pub version: Option<i64>,
}

/// Returns `Freeze Ada`, or `Freeze 12 users`.
pub fn heading<I>(verb: &str, targets: &[Target<I>], many: &str) -> String {
    match targets {
        [one] => format!("{verb} {}", text::clean(&one.name)),
        all => format!("{verb} {} {many}", text::thousands(i64::try_from(all.len()).unwrap_or(i64::MAX))),
    }
}

/// A list beside one of its rows in full.
#[derive(Debug)]
pub struct Browser<T: Detailed> {
    /// The list.
    pub list: Listing<T>,
    /// The row in full.
    pub detail: Option<T::Detail>,
    /// Whether the detail has the focus; on a narrow terminal it then has the whole screen.
    pub in_detail: bool,
    /// Whether both panes are visible.
    pub wide: bool,
    load: Option<(LoadId, T::Id, Timestamp)>,
    due: Option<(T::Id, Timestamp)>,
    /// Whether a jump led to the detail, so that going back leaves it.
    arrived: bool,
    /// The row that the cursor moves to once it is loaded.
    seek: Option<T::Id>,
    scroll: usize,
    shown_rows: (usize, usize),
    changes: Vec<(LoadId, String, &'static str)>,
    /// What the latest change was about.
    pub acted: Vec<T::Id>,
}

impl<T: Detailed> Default for Browser<T> {
    fn default() -> Self {
        Self {
            list: Listing::default(),
            detail: None,
            in_detail: false,
            wide: false,
            load: None,
            due: None,
            arrived: false,
            seek: None,
            scroll: 0,
            shown_rows: (0, 0),
            changes: Vec::new(),
            acted: Vec::new(),
        }
    }
}

impl<T: Detailed> Browser<T> {
    fn go_to(&mut self, id: T::Id, ctx: &mut Ctx) {
        self.in_detail = true;
        self.arrived = true;
        self.seek = Some(id);
        self.load(id, ctx);
    }

    /// Loads one row in full.
    pub fn load(&mut self, id: T::Id, ctx: &mut Ctx) {
        self.due = None;
        self.load = Some((ctx.load(Shown::<T::Detail>::Detail, |api| T::show(api, id)), id, ctx.now()));
        if self.detail.as_ref().is_some_and(|detail| T::row(detail).id() != id) {
            self.detail = None;
            self.scroll = 0;
        }
    }

    /// Returns the row that keys apply to: the open one, or the one under the cursor.
    pub fn subject(&self) -> Option<&T> {
        match (&self.detail, self.in_detail) {
            (Some(detail), true) => Some(T::row(detail)),
            _ => self.list.rows.selected(),
        }
    }

    /// Returns the row in full that keys apply to; none while another one is shown.
    pub fn shown(&self) -> Option<&T::Detail> {
        let id = self.subject()?.id();
        self.detail.as_ref().filter(|detail| T::row(detail).id() == id)
    }

    /// Marks the open row, or takes its mark off: the list, which may not be seen, stays where it is.
    fn mark_open(&mut self, ctx: &mut Ctx) {
        let Some((id, name)) = self.shown().map(|detail| (T::row(detail).id(), T::row(detail).name())) else { return };
        match self.list.rows.mark_shown(id) {
            Some(true) => ctx.say_of(name, "marked"),
            Some(false) => ctx.say_of(name, "not marked any more"),
            None => ctx.refuse(format!("mark: the list does not show this {} (h leads there)", T::ONE)),
        }
    }

    /// Returns the marked rows; without marks, the one that keys apply to.
    pub fn targets(&self) -> Vec<Target<T::Id>> {
        if self.list.rows.marked_count() > 0 {
            let target = |row: &T| Target { id: row.id(), name: row.name(), version: None };
            return self.list.rows.marked().into_iter().map(target).collect();
        }
        let one = self.subject().map(|row| Target { id: row.id(), name: row.name(), version: Some(row.version()) });
        one.into_iter().collect()
    }

    /// Makes a change: at once for one, as a bulk action for many.
    pub fn change<F>(&mut self, targets: &[Target<T::Id>], verb: &str, done: &'static str, ctx: &mut Ctx, work: F)
    where
        F: Fn(Connection, T::Id, Option<i64>) -> BoxFuture<'static, Result<Changed<T::Detail>>>,
        F: Clone + Send + Sync + 'static,
    {
        self.acted = targets.iter().map(|target| target.id).collect();
        if let [one] = targets {
            let (id, version) = (one.id, one.version);
            let what = format!("{verb} {}", text::clean(&one.name));
            let load = ctx.act(what, Shown::<T::Detail>::Changed, |api| work(api, id, version));
            self.changes.push((load, one.name.clone(), done));
            return;
        }
        self.list.acting_on(targets.iter().map(|target| target.id));
        let items = targets.iter().map(|target| (target.name.clone(), target.id));
        ctx.bulk(Bulk::new(heading(verb, targets, T::MANY), items, move |api, id| work(api, id, None)));
    }

    /// Returns the command that would make the latest change to the marked rows, without marks to the rows that it was
    /// about, as a dry run: whoever means it takes `--dry-run` away. Never a filter: what matches changes.
    pub fn command(&self, verb: &str, rest: &str) -> Option<String>
    where
        T::Id: Display,
    {
        let marked: Vec<T::Id> = self.list.rows.marked().into_iter().map(T::id).collect();
        let ids = if marked.is_empty() { &self.acted } else { &marked };
        if ids.is_empty() {
            return None;
        }
        if ids.len() > SHOWN {
            return Some(format!("# {verb}: {} rows are too many to show; mark up to {SHOWN}", ids.len()));
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        Some(format!("{verb} {}{rest} --dry-run", ids.join(" ")))
    }

    /// Moves to the next row, in order to repeat an action there; shows a notice at the end.
    pub fn advance(&mut self, ctx: &mut Ctx) -> bool {
        self.in_detail = false;
        if !self.list.rows.advance() {
            ctx.say("that was the last row");
            return false;
        }
        self.moved(ctx);
        true
    }

    /// Handles a move of the cursor to another row.
    pub fn moved(&mut self, ctx: &Ctx) {
        self.due = self.list.rows.selected().map(|row| (row.id(), ctx.now() + REST));
    }

    /// Handles the actions that mean the same on every such screen. Returns false for any other, or when there is
    /// nothing to go back from.
    pub fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        if copies(self.subject(), action, ctx) {
            return true;
        }
        match action {
            Action::OPEN | Action::RIGHT => {
                if let Some(id) = self.list.rows.selected().map(T::id).filter(|_| !self.in_detail) {
                    self.in_detail = true;
                    if self.detail.as_ref().is_none_or(|detail| T::row(detail).id() != id) {
                        self.load(id, ctx);
                    }
                }
            }
            Action::LEFT => self.in_detail = false,
            Action::FOCUS if self.in_detail => self.in_detail = false,
            Action::FOCUS => return self.action(Action::RIGHT, ctx),
            Action::BACK => {
                if self.in_detail && !self.arrived {
                    self.in_detail = false;
                } else if self.arrived && self.list.at_base() && self.list.rows.marked_count() == 0 {
                    return false;
                } else {
                    return self.list.back(ctx);
                }
            }
            Action::FILTER | Action::SORT | Action::REVERSE | Action::COLUMNS => {
                self.in_detail = false;
                return self.list.action(action, ctx);
            }
            Action::MARK if self.in_detail => self.mark_open(ctx),
            Action::MARK | Action::MARK_RANGE | Action::MARK_ALL => {
                // Several are marked where they are seen.
                self.in_detail = false;
                self.list.action(action, ctx);
                self.moved(ctx);
            }
            _ if self.in_detail => return self.scrolled(action),
            _ => {
                let moved = self.list.action(action, ctx);
                if moved {
                    self.moved(ctx);
                }
                return moved;
            }
        }
        true
    }

    fn scrolled(&mut self, action: Action) -> bool {
        let last = self.shown_rows.1.saturating_sub(self.shown_rows.0);
        let half = (self.shown_rows.0 / 2).max(1);
        self.scroll = match action {
            Action::DOWN => self.scroll + 1,
            Action::UP => self.scroll.saturating_sub(1),
            Action::PAGE_DOWN => self.scroll + half,
            Action::PAGE_UP => self.scroll.saturating_sub(half),
            Action::TOP => 0,
            Action::BOTTOM => last,
            _ => return false,
        }
        .min(last);
        true
    }

    /// Handles a result that it waits for: rows, a row in full (which is passed to `look`), the result of a change.
    /// Returns any other message.
    pub fn message_with(&mut self, message: Message, ctx: &mut Ctx, look: impl FnOnce(&T::Detail)) -> Option<Message> {
        let message = match self.list.take(message, ctx) {
            Ok(page) => {
                if page {
                    if let Some(id) = self.seek
                        && self.list.rows.select(id)
                    {
                        self.seek = None;
                    }
                    self.moved(ctx);
                }
                return None;
            }
            Err(message) => message,
        };
        let id = message.id();
        let change = self.changes.iter().position(|(pending, ..)| *pending == id);
        if change.is_none() && self.load.is_none_or(|(pending, ..)| pending != id) {
            return Some(message);
        }
        match (message.open::<Shown<T::Detail>>(), change) {
            (Ok((_, Shown::Detail(answer))), _) => {
                if let Ok(detail) = &answer {
                    look(detail);
                }
                self.came(answer, ctx);
            }
            (Ok((_, Shown::Changed(answer))), Some(at)) => {
                if let Ok(changed) = &answer {
                    look(&changed.item);
                }
                let (_, name, done) = self.changes.remove(at);
                self.changed(&name, done, answer, ctx);
            }
            (Ok(_), None) => {}
            (Err(other), _) => return Some(other),
        }
        None
    }

    fn came(&mut self, answer: Result<T::Detail>, ctx: &mut Ctx) {
        let wanted = self.load.take().map(|(_, wanted, _)| wanted);
        match answer {
            Ok(detail) => {
                if self.detail.as_ref().is_some_and(|shown| Some(T::row(shown).id()) != wanted) {
                    self.detail = None;
                }
                if self.arrived && self.list.at_base() && self.list.bar.text() == T::DEFAULT {
                    // After a jump by id, the rows around it form the list.
                    self.list.start_at(&T::row(&detail).around(), ctx);
                }
                self.take(detail);
            }
            Err(error) => {
                ctx.fail_to_load(T::ONE, &error);
                self.in_detail &= self.detail.is_some();
            }
        }
    }

    fn changed(&mut self, name: &str, done: &str, answer: Result<Changed<T::Detail>>, ctx: &mut Ctx) {
        match answer {
            Ok(changed) => {
                let done = if changed.changed { done } else { "unchanged: was so already" };
                ctx.say_of(name, done);
                self.take(changed.item);
            }
            Err(error) => {
                ctx.fail(name, &error);
                if matches!(error.code(), ErrorCode::PreconditionFailed | ErrorCode::Conflict) {
                    self.reload(ctx);
                }
            }
        }
    }

    fn take(&mut self, detail: T::Detail) {
        self.list.rows.replace(T::row(&detail));
        let id = T::row(&detail).id();
        if self.detail.as_ref().is_none_or(|shown| T::row(shown).id() == id) {
            self.detail = Some(detail);
        }
    }

    /// Returns the areas of the list and of the detail, each if it is visible.
    pub fn panes(&mut self, area: Rect) -> (Option<Rect>, Option<Rect>) {
        self.wide = area.width >= WIDE;
        if self.wide {
            let [list, detail] =
                area.layout(&Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]));
            (Some(list), Some(detail))
        } else if self.in_detail {
            (None, Some(area))
        } else {
            (Some(area), None)
        }
    }

    /// Draws the list in its frame.
    pub fn draw_list(
        &mut self,
        area: Rect,
        buf: &mut Buffer,
        ctx: &Ctx,
        (title, empty): (&str, &str),
        columns: &[Column],
        cells: impl Fn(&T) -> Vec<Span<'static>>,
    ) {
        let focused = !self.in_detail;
        let inner = self.list.pane(area, buf, ctx.theme, (title, &self.list.place()), focused);
        list::draw(inner, buf, ctx, &mut self.list.rows, focused, empty, columns, cells);
    }

    /// Draws the detail in its frame, from lines that are created for its width.
    pub fn draw_detail(
        &mut self,
        area: Rect,
        buf: &mut Buffer,
        ctx: &Ctx,
        lines: impl Fn(&T::Detail, usize) -> Vec<Line<'static>>,
    ) {
        self.draw_detail_beside(area, buf, ctx, |inner| (None, inner), lines);
    }

    /// Draws the detail in its frame, with the lines in a part of it; `split` returns the other part, if there is one, and this
    /// one. Returns the other part.
    pub fn draw_detail_beside(
        &mut self,
        area: Rect,
        buf: &mut Buffer,
        ctx: &Ctx,
        split: impl FnOnce(Rect) -> (Option<Rect>, Rect),
        lines: impl Fn(&T::Detail, usize) -> Vec<Line<'static>>,
    ) -> Option<Rect> {
        let theme = ctx.theme;
        let Some(detail) = &self.detail else {
            let mut title = T::ONE.to_owned();
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let inner = rows::pane(area, buf, theme, &title, "", self.in_detail);
            if self.load.is_some_and(|(_, _, since)| ctx.now().since(since) >= PATIENCE) {
                rows::skeleton(inner, buf, theme);
            }
            return None;
        };
        let stale = !self.in_detail && self.list.rows.selected().is_some_and(|row| row.id() != T::row(detail).id());
        let right = if stale { "…" } else { "" };
        let inner = rows::pane(area, buf, theme, &T::row(detail).name(), right, self.in_detail);
        let (other, inner) = split(inner);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let lines = lines(detail, usize::from(inner.width));
        let room = usize::from(inner.height);
        self.shown_rows = (room, lines.len());
        self.scroll = self.scroll.min(lines.len().saturating_sub(room));
        for (row, line) in (0..inner.height).zip(lines.iter().skip(self.scroll)) {
            rows::put(buf, inner, row, line);
        }
        if room > 0 && lines.len() > self.scroll + room {
            let below = format!(" {} more below ", lines.len() - self.scroll - room);
            let x = area.right().saturating_sub(u16::try_from(text::width(&below) + 2).unwrap_or(0));
            buf.set_string(x, area.bottom().saturating_sub(1), below, theme.style(Style::Faint));
        }
        other
    }
}

impl<T: Detailed> Lists for Browser<T> {
    fn typing(&self) -> bool {
        self.list.typing()
    }
    fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) {
        self.list.key(key, ctx);
    }
    fn paste(&mut self, pasted: &str, ctx: &mut Ctx) {
        self.list.paste(pasted, ctx);
    }
    fn filter(&mut self, words: &str, ctx: &mut Ctx) {
        self.list.filter(words, ctx);
    }
    fn ready(&self) -> bool {
        self.load.is_none()
    }
    fn kept_filter(&self) -> String {
        self.list.kept_filter()
    }
    fn go(&mut self, subject: &Subject, ctx: &mut Ctx) {
        match subject {
            Subject::One(id) => self.go_to(T::by_id(*id), ctx),
            other => self.list.go(other, ctx),
        }
    }
    /// The target of an unfinished change is kept.
    fn stash(&mut self) -> Box<dyn Any> {
        let changes = std::mem::take(&mut self.changes);
        Box::new(std::mem::replace(self, Self { wide: self.wide, changes, ..Self::default() }))
    }
    fn restore(&mut self, stashed: Box<dyn Any>, ctx: &mut Ctx) {
        let Ok(mut stashed) = stashed.downcast::<Self>() else { return };
        stashed.changes = std::mem::take(&mut self.changes);
        stashed.wide = self.wide;
        *self = *stashed;
        self.load = None;
        self.list.resume();
        self.reload(ctx);
    }
    fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        self.message_with(message, ctx, |_| {})
    }
    fn reload(&mut self, ctx: &mut Ctx) {
        self.list.rows.refresh();
        if let Some(id) = self.detail.as_ref().map(|detail| T::row(detail).id()) {
            self.load(id, ctx);
        }
    }
    fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        if visible && self.list.due(now) {
            self.reload(ctx);
        }
        if visible && let Some((id, _)) = self.due.take_if(|(_, due)| now >= *due) {
            let known = self.detail.as_ref().is_some_and(|detail| T::row(detail).id() == id)
                || self.load.is_some_and(|(_, loading, _)| loading == id);
            if self.wide && !self.in_detail && !known {
                self.load(id, ctx);
            }
        }
        // After a jump by id, the list around it is loaded first.
        let around = self.arrived && self.detail.is_none() && self.load.is_some();
        self.list.tick(visible && !around, ctx);
    }
    fn bulk_ended(&mut self, bulk: &Bulk, ctx: &mut Ctx) {
        self.list.bulk_ended(bulk, ctx);
        self.reload(ctx);
    }
    fn confirmed(&mut self, confirmed: Confirmed, ctx: &mut Ctx) -> std::result::Result<(), Confirmed> {
        self.list.confirmed(confirmed, ctx)
    }
    fn click(&mut self, at: Position, ctx: &mut Ctx) -> bool {
        match self.list.rows.click(at) {
            Some(true) => return true,
            Some(false) => {
                self.in_detail = false;
                self.moved(ctx);
            }
            None => self.in_detail = self.wide && self.detail.is_some(),
        }
        false
    }
    fn marked(&self, what: &str) -> Option<(String, Style)> {
        self.list.marked(what)
    }
    fn draw_input(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.list.draw_input(bar, buf, ctx)
    }
}
