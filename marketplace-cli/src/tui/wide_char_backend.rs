//! A terminal backend for scripts whose width terminals disagree about.
//!
//! Devanagari, emoji families and others occupy a number of columns that depends on the terminal. After such a cell the
//! cursor is moved to the position of the next one, so that a disagreement stays within one name and never shifts the rest
//! of the row. What the terminal may have drawn beyond the cell, or left there of the cell before, is drawn over.

use std::{
    cell::Cell as Known,
    io::{self, Write},
};

use crossterm::{
    queue,
    terminal::{DisableLineWrap, EnableLineWrap},
};
use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::{Cell, CellWidth},
    layout::{Position, Size},
};

/// Columns and rows of a terminal that does not know its size, as other programs assume.
const UNKNOWN: Size = Size { width: 80, height: 24 };

/// A backend that positions the cursor explicitly around cells of several code points, whose width terminals disagree on.
#[derive(Debug)]
pub struct WideCharBackend<W: Write>(pub CrosstermBackend<W>, Shown, Known<bool>);

/// The cells that the terminal shows, by row; `None` where nothing was drawn since it was cleared.
type Shown = Vec<Vec<Option<Cell>>>;

impl<W: Write> WideCharBackend<W> {
    /// Creates one that writes with another.
    pub fn new(inner: CrosstermBackend<W>) -> Self {
        Self(inner, Vec::new(), Known::new(false))
    }

    fn remember(&mut self, x: u16, y: u16, cell: &Cell) -> Option<Cell> {
        let (x, y) = (usize::from(x), usize::from(y));
        if self.1.len() <= y {
            self.1.resize(y + 1, Vec::new());
        }
        let row = self.1.get_mut(y)?;
        if row.len() <= x {
            row.resize(x + 1, None);
        }
        let before = row.get_mut(x)?.replace(cell.clone());
        // What a wide character covers is blank in a frame: when that goes away, the next frame need not say so.
        for hidden in 1..usize::from(cell.symbol().cell_width()) {
            if row.len() <= x + hidden {
                row.push(None);
            }
            if let Some(covered) = row.get_mut(x + hidden) {
                *covered = Some(Cell::EMPTY);
            }
        }
        before
    }

    /// Draws the changed cells of a row, and those that a cell of unknown width may have disturbed.
    fn draw_row(&mut self, y: u16, changed: &[Changed<'_>]) -> io::Result<()> {
        let plain = |changed: &Changed<'_>| !disputed(changed.cell) && !changed.before.as_ref().is_some_and(disputed);
        if changed.iter().all(plain) {
            return self.0.draw(changed.iter().map(|changed| (changed.x, y, changed.cell)));
        }
        // What was never drawn since the terminal was cleared is blank.
        let width = self.1.iter().map(Vec::len).max().unwrap_or(0);
        let mut row = self.1.get(usize::from(y)).cloned().unwrap_or_default();
        row.resize(width, None);
        let row: Vec<Cell> = row.into_iter().map(Option::unwrap_or_default).collect();
        // Frames divide what belongs to different people, and stand in front of pictures.
        let end_of = |x: u16, columns: u16| {
            let within = row.iter().skip(x.into()).take(columns.into());
            let frame = within.into_iter().position(is_frame);
            frame.and_then(|at| u16::try_from(at + 1).ok()).map_or(x + columns, |columns| x + columns)
        };
        let mut due = vec![false; row.len()];
        for Changed { x, cell, before } in changed {
            let disputed = before.iter().chain([*cell]).filter(|cell| disputed(cell));
            let end = disputed.map(|cell| end_of(*x, reach(cell))).max().unwrap_or(x + 1);
            due.iter_mut().take(end.into()).skip((*x).into()).for_each(|due| *due = true);
        }
        // What a name needs too much must not begin the next row.
        queue!(self.0, DisableLineWrap)?;
        let (mut hidden, mut disturbed) = (0, 0);
        for (x, cell) in (0_u16..).zip(&row) {
            if x < hidden {
                continue;
            }
            hidden = x + cell.symbol().cell_width().max(1);
            if !(due.get(usize::from(x)).copied().unwrap_or(false) || x < disturbed) {
                continue;
            }
            if is_picture(cell) && !changed.iter().any(|changed| changed.x == x) {
                continue;
            }
            if disputed(cell) {
                // What is drawn again may disturb others in turn.
                disturbed = disturbed.max(end_of(x, reach(cell)));
                // Nothing that was there before remains if the terminal needs fewer columns than this cell has, or draws
                // the next one in the same.
                let mut blanks = row.clone();
                for cell in &mut blanks {
                    cell.set_symbol(" ");
                }
                let behind = usize::from(x)..usize::from(disturbed.max(hidden));
                let behind = (x..).zip(blanks.iter().take(behind.end).skip(behind.start));
                self.0.draw(behind.map(|(x, blank)| (x, y, blank)))?;
            }
            // Each call begins by moving the cursor.
            self.0.draw(std::iter::once((x, y, cell)))?;
        }
        queue!(self.0, EnableLineWrap)
    }
}

/// Returns the size of a terminal that reports this one. Serial lines and new pseudo-terminals know none; but where one
/// was known, none means that nothing can be seen.
fn size_of(reported: Option<Size>, known: &Known<bool>) -> Size {
    match reported {
        Some(size) if size.width > 0 && size.height > 0 => {
            known.set(true);
            size
        }
        Some(size) if known.get() => Size { width: size.width.max(1), height: size.height.max(1) },
        _ => UNKNOWN,
    }
}

/// A cell that is to be drawn, and the one that was there.
struct Changed<'a> {
    x: u16,
    cell: &'a Cell,
    before: Option<Cell>,
}

/// Returns whether a cell contains a picture, for which the whole protocol is in one cell.
fn is_picture(cell: &Cell) -> bool {
    cell.symbol().contains('\u{1b}')
}

/// Returns whether a cell belongs to a frame.
fn is_frame(cell: &Cell) -> bool {
    matches!(cell.symbol(), "│" | "┃" | "|")
}

/// Returns whether terminals disagree about the width of a cell.
fn disputed(cell: &Cell) -> bool {
    cell.symbol().chars().nth(1).is_some() && !is_picture(cell)
}

/// Returns the most columns that a terminal may use for a cell: one that joins nothing draws each character by itself.
fn reach(cell: &Cell) -> u16 {
    let columns: u16 = cell.symbol().chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    columns.min(MOST)
}

/// The most columns that are drawn again behind a cell; nothing that people write is wider.
const MOST: u16 = 16;

impl<W: Write> Backend for WideCharBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut row: Vec<Changed<'_>> = Vec::new();
        let mut at = 0;
        for (x, y, cell) in content {
            if y != at && !row.is_empty() {
                self.draw_row(at, &row)?;
                row.clear();
            }
            at = y;
            row.push(Changed { x, cell, before: self.remember(x, y, cell) });
        }
        if row.is_empty() { Ok(()) } else { self.draw_row(at, &row) }
    }
    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }
    fn show_cursor(&mut self) -> io::Result<()> {
        // The terminal may be gone. Ratatui reports a failure here on stderr, which is gone as well then, and panics.
        drop(self.0.show_cursor());
        Ok(())
    }
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // The reply to a query would arrive among the keys. The position is only needed to put the cursor back after
        // clearing, and every frame places or hides it anyway.
        Ok(Position::ORIGIN)
    }
    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }
    fn clear(&mut self) -> io::Result<()> {
        self.1.clear();
        self.0.clear()
    }
    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.1.clear();
        self.0.clear_region(clear_type)
    }
    fn size(&self) -> io::Result<Size> {
        Ok(size_of(self.0.size().ok(), &self.2))
    }
    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.0.window_size()
    }
    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, TerminalOptions, Viewport, layout::Rect, text::Line};

    use super::*;

    /// A writer whose text is read meanwhile.
    #[derive(Clone, Default)]
    struct Text(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what is written for each of these lines, drawn one after the other.
    fn written(lines: &[&str]) -> Vec<String> {
        let area = Rect::new(0, 0, 20, 1);
        let text = Text::default();
        let backend = WideCharBackend::new(CrosstermBackend::new(text.clone()));
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let mut terminal = Terminal::with_options(backend, options).unwrap();
        let mut frames = Vec::new();
        for line in lines {
            terminal.draw(|frame| frame.render_widget(Line::raw(*line), area)).unwrap();
            frames.push(String::from_utf8(std::mem::take(&mut *text.0.lock().unwrap())).unwrap());
        }
        frames
    }

    #[test]
    fn the_cursor_is_placed_anew_after_a_cell_of_several_characters() {
        let text = &written(&["e\u{301}x plain"])[0];
        let after = text.split_once("e\u{301}").unwrap().1;
        let (moved, rest) = (after.find("\u{1b}[1;2H").unwrap(), after.find('x').unwrap());
        assert!(moved < rest, "{text:?}");
    }

    /// A terminal that joins nothing: every character that is not a mark has its own cell, wide ones two.
    fn naive(frames: &[String]) -> String {
        let mut cells = vec![String::from(" "); 24];
        for frame in frames {
            let mut at = 0;
            let mut chars = frame.chars().peekable();
            while let Some(c) = chars.next() {
                if c == '\u{1b}' {
                    chars.next();
                    let sequence: String = std::iter::from_fn(|| chars.next_if(|c| !c.is_ascii_alphabetic())).collect();
                    if chars.next() == Some('H') {
                        at = sequence.rsplit(';').next().unwrap().parse::<usize>().unwrap() - 1;
                    }
                    continue;
                }
                match c.to_string().cell_width() {
                    // As tmux does: what follows a joiner belongs to the cell before, wherever the cursor was moved.
                    0 => cells[at - 1].push(c),
                    _ if at > 0 && cells[at - 1].ends_with('\u{200d}') => cells[at - 1].push(c),
                    width => {
                        cells[at] = c.into();
                        (1..usize::from(width)).for_each(|after| cells[at + after].clear());
                        at += usize::from(width);
                    }
                }
            }
        }
        cells.concat().trim_end().to_owned()
    }

    #[test]
    fn nothing_remains_of_names_that_a_terminal_draws_wider() {
        for name in [
            "क\u{94d}\u{937}",
            "ति\u{200d}ज",
            "👩\u{200d}👩\u{200d}👧",
            "Vie\u{302}\u{323}t",
            "தி",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            let before = format!("{name} was here");
            assert_eq!(naive(&written(&[&before, "-"])), "-", "{name}");
            assert_eq!(naive(&written(&[&before, "a plain name"])), "a plain name", "{name}");
            // Only the name changes: what stands behind it is whole.
            let line = |name: &str| format!("{} rest", super::super::text::left(name, 6));
            let shown = naive(&written(&[&line("abc"), &line(name)]));
            assert!(shown.ends_with(" rest"), "{name}: {shown:?}");
            let shown = naive(&written(&[&line("abc"), &line(name), &line("xyz")]));
            assert_eq!(shown, "xyz    rest", "{name}");
        }
    }

    #[test]
    fn a_size_that_is_lost_is_too_small() {
        let known = Known::new(false);
        assert_eq!(size_of(Some(Size::new(0, 24)), &known), UNKNOWN);
        assert_eq!(size_of(Some(Size::new(120, 40)), &known), Size::new(120, 40));
        for (reported, size) in [((0, 0), (1, 1)), ((0, 24), (1, 24)), ((80, 0), (80, 1))] {
            assert_eq!(size_of(Some(reported.into()), &known), Size::from(size));
        }
    }

    #[test]
    fn a_terminal_without_a_size_has_the_usual_one() {
        let backend = WideCharBackend::new(CrosstermBackend::new(Vec::new()));
        let size = backend.size().unwrap();
        assert!(size.width > 0 && size.height > 0);
    }
}
