//! The input line at the bottom.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};
use tui_input::Input;

use super::super::{
    privacy::private,
    text,
    theme::{Style, Theme},
};

/// Draws the input: a sign, the typed text, a hint. Returns the position of the cursor.
pub fn draw(bar: Rect, buf: &mut Buffer, theme: Theme, sign: &str, input: &Input, hint: &str) -> Position {
    let blank = " ".repeat(usize::from(bar.width));
    buf.set_string(bar.x, bar.y, blank, theme.style(Style::Plain));
    let shown = Line::from(vec![
        Span::styled(format!(" {sign}"), theme.style(Style::Accent)),
        Span::styled(text::clean(input.value()).into_owned(), private(theme.style(Style::Plain))),
        Span::styled(format!("   {hint}"), theme.style(Style::Faint)),
    ]);
    buf.set_line(bar.x, bar.y, &shown, bar.width);
    let x = u16::try_from(input.visual_cursor() + 2).unwrap_or(0);
    Position::new((bar.x + x).min(bar.right().saturating_sub(1)), bar.y)
}
