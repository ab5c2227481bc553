//! Draws panes and their rows.

use marketplace_core::time::Timestamp;
use ratatui::{
    buffer::{Buffer, Cell, CellWidth},
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, BorderType, Widget},
};

use super::super::{
    text::{self, Times},
    theme::{Style, Theme},
};

/// Draws a frame with a title on the left and one on the right; returns the area inside.
pub fn pane(area: Rect, buf: &mut Buffer, theme: Theme, left: &str, right: &str, focused: bool) -> Rect {
    let style = if focused { Style::Accent } else { Style::Faint };
    let room = usize::from(area.width.saturating_sub(4));
    let left = text::cut(left, room);
    let right = text::cut(right, room.saturating_sub(text::width(&left) + 3));
    let block = Block::bordered()
        .border_type(if focused && theme.mono() { BorderType::Thick } else { BorderType::Plain })
        .border_style(theme.style(style));
    let inner = block.inner(area);
    block.render(area, buf);
    // Titles of a block are measured as a whole, which some scripts are not drawn as.
    let mut title = |text: &str, x: u16, style: Style| {
        if !text.is_empty() && area.height > 0 {
            buf.set_stringn(
                x,
                area.y,
                format!(" {text} "),
                (area.right().saturating_sub(x + 1)).into(),
                theme.style(style),
            );
        }
    };
    title(&left, area.x + 1, Style::Title);
    let columns = u16::try_from(text::width(&right)).unwrap_or(u16::MAX);
    title(&right, area.right().saturating_sub(columns.saturating_add(3)).max(area.x + 1), Style::Plain);
    inner
}

/// Writes a line at a row of an area, if it has that row; with `…` at the end where something is missing.
pub fn put(buf: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row >= area.height || area.width == 0 {
        return;
    }
    let y = area.y + row;
    let (end, _) = buf.set_line(area.x, y, line, area.width);
    if text::line_width(line) > usize::from(area.width) {
        // A wide character that does not fit leaves a cell before the end.
        let last = area.right() - 1;
        let style = buf.cell((end.min(last).saturating_sub(1).max(area.x), y)).map(Cell::style).unwrap_or_default();
        let at = if end > last && covered(buf, area.x, last, y) { last - 1 } else { last };
        buf.set_string(at, y, if at < last { "… " } else { "…" }, style);
    }
}

/// Returns whether a cell is the second half of a wide character.
fn covered(buf: &Buffer, from: u16, x: u16, y: u16) -> bool {
    x > from && buf.cell((x - 1, y)).is_some_and(|cell| cell.symbol().cell_width() > 1)
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

/// Returns a time for a list, whose heading names the zone.
pub fn time(theme: Theme, at: Timestamp, now: Timestamp, times: Times) -> Span<'static> {
    let text = if times.exact { times.stamp(at) } else { text::age(now.since(at)) };
    Span::styled(text, theme.style(Style::Faint))
}

/// Returns a glyph with its word for a list.
pub fn short_state(theme: Theme, (glyph, word, style): (&'static str, &'static str, Style)) -> Span<'static> {
    Span::styled(format!("{glyph} {word}"), theme.style(style))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_ends_with_a_mark() {
        for (text, shown) in
            [("whole", "whole"), ("ada@mail.example.org", "ada@m…"), ("青木青木", "青木… "), ("a青木青木", "a青木…")]
        {
            let area = Rect::new(0, 0, 6, 1);
            let mut buf = Buffer::empty(area);
            put(&mut buf, area, 0, &Line::from(vec![Span::raw(text)]));
            let row: String = buf.content().iter().map(Cell::symbol).collect();
            assert_eq!(row.replace("青 ", "青").replace("木 ", "木").trim_end(), shown.trim_end(), "{text}");
        }
    }
}
