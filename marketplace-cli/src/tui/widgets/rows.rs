//! Draws panes and their rows.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, BorderType, Widget},
};

use super::super::{
    text,
    theme::{Style, Theme},
};

/// Draws a frame with a title on the left and one on the right; returns the area inside.
pub fn pane(area: Rect, buf: &mut Buffer, theme: Theme, left: &str, right: &str, focused: bool) -> Rect {
    let style = if focused { Style::Accent } else { Style::Faint };
    let room = usize::from(area.width.saturating_sub(4));
    let left = text::cut(left, room);
    let right = text::cut(right, room.saturating_sub(text::width(&left) + 3));
    let mut block = Block::bordered()
        .border_type(if focused && theme.mono() { BorderType::Thick } else { BorderType::Plain })
        .border_style(theme.style(style))
        .title_top(Span::styled(format!(" {left} "), theme.style(Style::Title)));
    if !right.is_empty() {
        block =
            block.title_top(Line::from(Span::styled(format!(" {right} "), theme.style(Style::Plain))).right_aligned());
    }
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

/// Writes a line at a row of an area, if it has that row.
pub fn put(buf: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height {
        buf.set_line(area.x, area.y + row, line, area.width);
    }
}

/// Draws grey bars in place of what is still loading.
pub fn skeleton(area: Rect, buf: &mut Buffer, theme: Theme) {
    const LENGTHS: [u16; 5] = [34, 27, 31, 22, 29];
    for (row, length) in (0..area.height.min(8)).zip(LENGTHS.iter().cycle()) {
        let bar = "░".repeat(usize::from((*length).min(area.width.saturating_sub(4))));
        put(buf, area, row, &Line::styled(format!("   {bar}"), theme.style(Style::Skeleton)));
    }
}

/// Formats a count with thousands separators, and a plus when there are more.
pub fn count(count: marketplace_core::base::count::Count) -> String {
    format!("{}{}", text::thousands(count.value), if count.capped { "+" } else { "" })
}

/// Formats a rating as stars, out of five.
pub fn stars(rating: i64) -> String {
    (1..=5).map(|star| if star <= rating { '★' } else { '☆' }).collect()
}

/// Returns two names in so many columns.
pub fn between(from: &str, to: &str, columns: usize) -> String {
    let each = columns.saturating_sub(4) / 2;
    format!("{} → {}", text::cut(from, each), text::cut(to, each))
}

/// Returns a glyph with its word.
pub fn state(theme: Theme, (glyph, word, style): (&'static str, &'static str, Style), columns: usize) -> Span<'static> {
    Span::styled(text::left(&format!("{glyph} {word}"), columns), theme.style(style))
}

/// Returns a label and its value.
pub fn field(theme: Theme, label: &str, value: impl Into<String>) -> Line<'static> {
    Line::from(vec![
        Span::styled(text::left(label, 11), theme.style(Style::Faint)),
        Span::raw(text::clean(&value.into()).into_owned()),
    ])
}
