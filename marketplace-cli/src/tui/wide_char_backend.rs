//! A terminal backend for scripts whose width terminals disagree about.
//!
//! Devanagari, emoji and others occupy a number of columns that depends on the terminal. After such a cell the cursor is
//! moved to the position of the next one, so that a disagreement stays within one name and never shifts the rest of the
//! row.

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};

/// A backend that positions the cursor explicitly after cells of several code points, whose width terminals disagree on.
#[derive(Debug)]
pub struct WideCharBackend<W: Write>(pub CrosstermBackend<W>);

impl<W: Write> Backend for WideCharBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<_> = content.collect();
        // Each call begins by moving the cursor.
        for run in cells.split_inclusive(|(_, _, cell)| cell.symbol().chars().nth(1).is_some()) {
            self.0.draw(run.iter().copied())?;
        }
        Ok(())
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
        self.0.clear()
    }
    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.0.clear_region(clear_type)
    }
    fn size(&self) -> io::Result<Size> {
        self.0.size()
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

    #[test]
    fn the_cursor_is_placed_anew_after_a_cell_of_several_characters() {
        let mut bytes = Vec::new();
        let area = Rect::new(0, 0, 20, 1);
        let backend = WideCharBackend(CrosstermBackend::new(&mut bytes));
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let mut terminal = Terminal::with_options(backend, options).unwrap();
        terminal.draw(|frame| frame.render_widget(Line::raw("e\u{301}x plain"), area)).unwrap();
        drop(terminal);
        let text = String::from_utf8(bytes).unwrap();
        let after = text.split_once("e\u{301}").unwrap().1;
        let (moved, rest) = (after.find("\u{1b}[1;2H").unwrap(), after.find('x').unwrap());
        assert!(moved < rest, "{text:?}");
    }
}
