//! A list of any length that keeps only a window of rows: pages are loaded by cursor when the selection nears an end of the
//! window, and pages at the other end are dropped.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    hash::Hash,
};

use marketplace_core::{
    error::Result,
    page::{Page, PageRequest},
    time::Timestamp,
};
use ratatui::layout::{Position, Rect};

use super::super::{keymap::Action, message::LoadId, widgets::columns::Sorted};

/// Rows on a page.
pub const PAGE: u16 = 100;
/// Pages that are kept: as many rows as a user scrolls past in a moment, in well under a megabyte.
const WINDOW: usize = 8;
/// The next page is loaded when this many rows are left.
const AHEAD: usize = 40;

/// A row with an identity.
pub trait Row: Clone {
    /// The type of its id.
    type Id: Copy + Eq + Hash + Debug + Send + Sync + 'static;
    /// Returns its id.
    fn id(&self) -> Self::Id;
}

#[derive(Debug)]
struct Chunk<T> {
    after: Option<String>,
    next: Option<String>,
    rows: Vec<T>,
}

/// The page that a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The first, replacing all.
    Reset,
    /// The one after the window.
    Next,
    /// The one before the window.
    Previous,
    /// The one under the selection again, because something changed.
    Refresh(usize),
}

/// The loaded window of a list.
#[derive(Debug)]
pub struct Paged<T: Row> {
    chunks: VecDeque<Chunk<T>>,
    dropped: Vec<(Option<String>, usize)>,
    selected: usize,
    offset: usize,
    area: Rect,
    /// In the order in which they were made.
    marks: HashMap<T::Id, (usize, T)>,
    marked_so_far: usize,
    range: Option<usize>,
    pending: Option<(LoadId, Want, Timestamp)>,
    wanted: Option<Want>,
    loaded: bool,
    /// The columns that each column needed so far, so that they stay where they are while one scrolls; and whether times
    /// were exact then.
    pub needed: (bool, Vec<usize>),
    /// The names of columns that are not shown.
    pub hidden: Vec<&'static str>,
    /// What the rows are sorted by, if not as the system has them.
    pub sorted: Option<Sorted>,
}

impl<T: Row> Default for Paged<T> {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            dropped: Vec::new(),
            selected: 0,
            offset: 0,
            area: Rect::ZERO,
            marks: HashMap::new(),
            marked_so_far: 0,
            range: None,
            pending: None,
            wanted: Some(Want::Reset),
            loaded: false,
            needed: (false, Vec::new()),
            hidden: Vec::new(),
            sorted: None,
        }
    }
}

impl<T: Row> Paged<T> {
    /// Returns the rows of the window.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| &chunk.rows)
    }
    /// Returns how many rows the window holds.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows.len()).sum()
    }
    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Returns whether a page was ever loaded.
    pub fn loaded(&self) -> bool {
        self.loaded
    }
    /// Returns whether the list continues after the window.
    pub fn more(&self) -> bool {
        self.chunks.back().is_some_and(|chunk| chunk.next.is_some())
    }
    /// Returns the row under the cursor.
    pub fn selected(&self) -> Option<&T> {
        self.rows().nth(self.selected)
    }
    /// Returns its index in the window.
    pub fn selected_index(&self) -> usize {
        self.selected
    }
    /// Returns its position in the whole list, from 1.
    pub fn position(&self) -> usize {
        self.dropped.iter().map(|(_, rows)| rows).sum::<usize>() + self.selected + 1
    }
    /// Moves the cursor to a row, if the window has it.
    pub fn select(&mut self, id: T::Id) -> bool {
        let found = self.rows().position(|row| row.id() == id);
        if let Some(at) = found {
            self.go(at);
        }
        found.is_some()
    }
    /// Returns the time since when the user has been waiting for a page.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.pending.and_then(|(_, want, since)| (want == Want::Reset && !self.loaded).then_some(since))
    }

    /// Discards everything, and requests the first page.
    pub fn reset(&mut self) {
        let (area, sorted, hidden) = (self.area, self.sorted, std::mem::take(&mut self.hidden));
        *self = Self { area, hidden, sorted, ..Self::default() };
    }
    /// Requests the first page, and keeps what is shown until it arrives.
    pub fn restart(&mut self) {
        self.wanted = Some(Want::Reset);
        self.marks.clear();
        self.range = None;
    }
    /// Requests the page under the cursor again.
    pub fn refresh(&mut self) {
        if self.wanted.is_none() {
            self.wanted = Some(if self.loaded { Want::Refresh(self.chunk_of(self.selected)) } else { Want::Reset });
        }
    }

    /// Resumes after having been stashed: results of earlier requests no longer arrive.
    pub fn resume(&mut self) {
        self.pending = None;
        self.refresh();
    }

    /// Returns the page to load now, if any. A requested new list does not wait for the result of an old request.
    pub fn take_want(&mut self) -> Option<(Want, PageRequest)> {
        if self.wanted == Some(Want::Reset) {
            self.wanted = None;
            return Some((Want::Reset, PageRequest::first(PAGE)));
        }
        if self.pending.is_some() || !self.loaded {
            return None;
        }
        if let Some(Want::Refresh(at)) = self.wanted.take() {
            let after = self.chunks.get(at)?.after.clone();
            return Some((Want::Refresh(at), PageRequest { limit: PAGE, after }));
        }
        if self.selected + AHEAD.max(self.height()) >= self.len()
            && let Some(after) = self.chunks.back().and_then(|chunk| chunk.next.clone())
        {
            return Some((Want::Next, PageRequest { limit: PAGE, after: Some(after) }));
        }
        if self.offset < AHEAD
            && let Some((after, _)) = self.dropped.last()
        {
            return Some((Want::Previous, PageRequest { limit: PAGE, after: after.clone() }));
        }
        None
    }

    /// Records the load that was started for [`Self::take_want`].
    pub fn started(&mut self, id: LoadId, want: Want, now: Timestamp) {
        self.pending = Some((id, want, now));
    }

    /// Returns whether the result with this number is expected.
    pub fn awaits(&self, id: LoadId) -> bool {
        self.pending.is_some_and(|(pending, ..)| pending == id)
    }

    /// Handles a result. Returns `None` when it is stale; then nothing changes.
    pub fn answered(&mut self, id: LoadId, answer: Result<Page<T>>) -> Option<Result<()>> {
        let (pending, want, _) = self.pending?;
        if pending != id {
            return None;
        }
        self.pending = None;
        let page = match answer {
            Ok(page) => page,
            Err(error) => return Some(Err(error)),
        };
        let selected = self.selected().map(Row::id);
        match want {
            Want::Reset => {
                self.chunks.clear();
                self.dropped.clear();
                self.chunks.push_back(Chunk { after: None, next: page.next, rows: page.items });
                self.loaded = true;
                self.needed.1.clear();
                self.offset = 0;
                self.selected = 0;
            }
            Want::Next => {
                let after = self.chunks.back().and_then(|chunk| chunk.next.clone());
                self.chunks.push_back(Chunk { after, next: page.next, rows: page.items });
                if self.chunks.len() > WINDOW
                    && let Some(first) = self.chunks.pop_front()
                {
                    let rows = first.rows.len();
                    self.dropped.push((first.after, rows));
                    self.selected = self.selected.saturating_sub(rows);
                    self.offset = self.offset.saturating_sub(rows);
                    self.range = self.range.map(|from| from.saturating_sub(rows));
                }
            }
            Want::Previous => {
                if let Some((after, _)) = self.dropped.pop() {
                    let rows = page.items.len();
                    self.chunks.push_front(Chunk { after, next: page.next, rows: page.items });
                    if self.chunks.len() > WINDOW {
                        self.chunks.pop_back();
                    }
                    self.selected += rows;
                    self.offset += rows;
                    self.range = self.range.map(|from| from + rows);
                }
            }
            // Rows may have disappeared from this page, so that it now overlaps the next one: later pages are loaded
            // again.
            Want::Refresh(at) => {
                self.chunks.truncate(at + 1);
                if let Some(chunk) = self.chunks.get_mut(at) {
                    chunk.rows = page.items;
                    chunk.next = page.next;
                }
            }
        }
        match selected.and_then(|id| self.rows().position(|row| row.id() == id)) {
            Some(at) => self.selected = at,
            None => self.selected = self.selected.min(self.len().saturating_sub(1)),
        }
        let marked: Vec<_> = self.rows().filter(|row| self.marks.contains_key(&row.id())).cloned().collect();
        for row in marked {
            if let Some((_, kept)) = self.marks.get_mut(&row.id()) {
                *kept = row;
            }
        }
        self.scroll();
        Some(Ok(()))
    }

    /// Replaces a row by its newer state.
    pub fn replace(&mut self, row: &T) {
        for kept in self.chunks.iter_mut().flat_map(|chunk| &mut chunk.rows).filter(|kept| kept.id() == row.id()) {
            *kept = row.clone();
        }
        if let Some((_, marked)) = self.marks.get_mut(&row.id()) {
            *marked = row.clone();
        }
    }

    /// Removes a row that no longer belongs to the list.
    pub fn remove(&mut self, id: T::Id) {
        let before = self.rows().position(|row| row.id() == id);
        for chunk in &mut self.chunks {
            chunk.rows.retain(|row| row.id() != id);
        }
        self.marks.remove(&id);
        if before.is_some_and(|at| at < self.selected) {
            self.selected -= 1;
        }
        self.go(self.selected);
    }

    /// Moves the cursor, if the action is a movement.
    pub fn moved(&mut self, action: Action) -> bool {
        let half = (self.height() / 2).max(1);
        let at = match action {
            Action::DOWN => self.selected + 1,
            Action::UP => self.selected.saturating_sub(1),
            Action::PAGE_DOWN => self.selected + half,
            Action::PAGE_UP => self.selected.saturating_sub(half),
            Action::TOP => {
                // The first row may be pages away; starting again needs one page.
                if self.dropped.is_empty() {
                    0
                } else {
                    self.restart();
                    0
                }
            }
            Action::BOTTOM => usize::MAX,
            _ => return false,
        };
        self.go(at);
        true
    }

    /// Moves the cursor to the next row; returns false at the end.
    pub fn advance(&mut self) -> bool {
        let before = self.selected;
        self.go(self.selected + 1);
        self.selected != before
    }

    fn go(&mut self, at: usize) {
        self.selected = at.min(self.len().saturating_sub(1));
        if let Some(from) = self.range {
            let (low, high) = (from.min(self.selected), from.max(self.selected));
            let rows: Vec<_> = self.rows().skip(low).take(high - low + 1).cloned().collect();
            self.mark_rows(rows);
        }
        self.scroll();
    }

    /// Marks the row, or removes its mark, and moves to the next.
    pub fn mark(&mut self) {
        if let Some(row) = self.selected().cloned() {
            if self.marks.remove(&row.id()).is_none() {
                self.mark_rows(vec![row]);
            }
            self.advance();
        }
    }
    /// Marks a row, or takes its mark off; the cursor stays. Returns whether it is marked then; `None` when the list has not loaded it.
    pub fn mark_shown(&mut self, id: T::Id) -> Option<bool> {
        if self.marks.remove(&id).is_some() {
            return Some(false);
        }
        let row = self.rows().find(|row| row.id() == id).cloned()?;
        self.mark_rows(vec![row]);
        Some(true)
    }
    /// Begins or ends marking while moving. Returns true when it began.
    pub fn mark_range(&mut self) -> bool {
        self.range = if self.range.is_some() { None } else { Some(self.selected) };
        self.go(self.selected);
        self.range.is_some()
    }
    /// Marks these rows.
    pub fn mark_rows(&mut self, rows: Vec<T>) {
        for row in rows {
            self.marked_so_far += 1;
            self.marks.entry(row.id()).or_insert((self.marked_so_far, row));
        }
    }
    /// Removes all marks. Returns true when there were any.
    pub fn clear_marks(&mut self) -> bool {
        let any = !self.marks.is_empty() || self.range.is_some();
        self.marks.clear();
        self.range = None;
        any
    }
    /// Removes all marks but those of these rows.
    pub fn keep_marks(&mut self, ids: &[T::Id]) {
        self.marks.retain(|id, _| ids.contains(id));
        self.range = None;
    }
    /// Returns whether a row is marked.
    pub fn is_marked(&self, id: T::Id) -> bool {
        self.marks.contains_key(&id)
    }
    /// Returns how many rows are marked.
    pub fn marked_count(&self) -> usize {
        self.marks.len()
    }
    /// Returns the marked rows, in the order in which they were marked.
    pub fn marked(&self) -> Vec<&T> {
        let mut marked: Vec<_> = self.marks.values().collect();
        marked.sort_unstable_by_key(|(order, _)| *order);
        marked.into_iter().map(|(_, row)| row).collect()
    }

    /// Records the area in which the rows are drawn, and returns which ones: the first, and how many.
    pub fn place(&mut self, area: Rect) -> (usize, usize) {
        self.area = area;
        self.scroll();
        (self.offset, self.height())
    }
    fn height(&self) -> usize {
        usize::from(self.area.height)
    }
    fn scroll(&mut self) {
        let height = self.height().max(1);
        self.selected = self.selected.min(self.len().saturating_sub(1));
        if self.selected < self.offset {
            self.offset = self.selected;
        } else if self.selected >= self.offset + height {
            self.offset = self.selected + 1 - height;
        }
        self.offset = self.offset.min(self.len().saturating_sub(height));
    }
    fn chunk_of(&self, index: usize) -> usize {
        let mut end = 0;
        self.chunks
            .iter()
            .position(|chunk| {
                end += chunk.rows.len();
                index < end
            })
            .unwrap_or(self.chunks.len().saturating_sub(1))
    }

    /// Handles a click: returns `None` outside, otherwise whether the row was selected already.
    pub fn click(&mut self, at: Position) -> Option<bool> {
        if !self.area.contains(at) {
            return None;
        }
        let index = self.offset + usize::from(at.y - self.area.y);
        if index >= self.len() {
            return None;
        }
        let again = index == self.selected;
        self.go(index);
        Some(again)
    }
}

#[cfg(test)]
mod tests;
