//! The input line at the bottom.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};
use tui_input::Input;

use super::{
    super::{
        privacy::private,
        text,
        theme::{Style, Theme},
    },
    rows,
};

/// Columns of what is typed that are always shown, before a hint.
const LEAST: usize = 24;

/// Returns what is shown of a line of text in so many columns, with `…` where something is missing, and the column of the cursor:
/// of a text that is being typed the part around the cursor, and of any other its beginning.
pub fn window(input: &Input, columns: usize, focused: bool) -> (String, usize) {
    let value = text::clean(input.value());
    let cursor = input.visual_cursor();
    // The cursor stands behind the last character.
    if !focused || cursor < columns {
        return (text::cut(&value, columns), cursor);
    }
    let mut skipped = 0;
    let mut rest = value.as_ref();
    while cursor - skipped + 2 > columns.max(2)
        && let Some(first) = rest.chars().next()
    {
        let (_, after) = rest.split_at(first.len_utf8());
        skipped += text::width(rest) - text::width(after);
        rest = after;
    }
    (text::cut(&format!("…{rest}"), columns), cursor - skipped + 1)
}

/// Draws the input: a sign, the typed text, a hint. Returns the position of the cursor.
pub fn draw(bar: Rect, buf: &mut Buffer, theme: Theme, sign: &str, input: &Input, hint: &str) -> Position {
    let blank = " ".repeat(usize::from(bar.width));
    buf.set_string(bar.x, bar.y, blank, theme.style(Style::Plain));
    let room = usize::from(bar.width).saturating_sub(2);
    // A hint needs room too, but what is typed more.
    let room = room.saturating_sub(if hint.is_empty() { 0 } else { text::width(hint) + 3 }).max(LEAST.min(room));
    let (value, at) = window(input, room, true);
    let shown = Line::from(vec![
        Span::styled(format!(" {sign}"), theme.style(Style::Accent)),
        Span::styled(value, private(theme.style(Style::Plain))),
        Span::styled(format!("   {hint}"), theme.style(Style::Faint)),
    ]);
    rows::put(buf, bar, 0, &shown);
    let x = u16::try_from(at + 2).unwrap_or(0);
    Position::new((bar.x + x).min(bar.right().saturating_sub(1)), bar.y)
}
