//! Drawing of panes and of rows in columns.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, BorderType, Widget},
};

use super::super::{
    ctx::{Ctx, PATIENCE},
    paged::{Paged, Row},
    text,
    theme::{Ink, Theme},
};

/// A frame with a title on the left and one on the right; answers the room inside.
pub fn pane(area: Rect, buf: &mut Buffer, theme: Theme, left: &str, right: &str, focused: bool) -> Rect {
    let ink = if focused { Ink::Accent } else { Ink::Faint };
    let room = usize::from(area.width.saturating_sub(4));
    let left = text::cut(left, room);
    let right = text::cut(right, room.saturating_sub(text::width(&left) + 3));
    let mut block = Block::bordered()
        .border_type(if focused && theme.mono() { BorderType::Thick } else { BorderType::Plain })
        .border_style(theme.ink(ink))
        .title_top(Span::styled(format!(" {left} "), theme.ink(Ink::Title)));
    if !right.is_empty() {
        block = block.title_top(Line::from(Span::styled(format!(" {right} "), theme.ink(Ink::Plain))).right_aligned());
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

/// Draws a list: each row by `cells`, the selected one with the cursor, marked ones with a mark; a skeleton while the
/// first page is on its way for longer than a moment; `empty` when there is nothing.
pub fn list<T: Row>(
    area: Rect,
    buf: &mut Buffer,
    ctx: &Ctx,
    rows: &mut Paged<T>,
    focused: bool,
    empty: &str,
    cells: impl Fn(&T, usize) -> Vec<Span<'static>>,
) {
    let theme = ctx.theme;
    let (offset, height) = rows.place(area);
    if rows.is_empty() {
        if rows.loaded() {
            for (at, line) in text::wrap(empty, usize::from(area.width.saturating_sub(4))).iter().enumerate() {
                put(
                    buf,
                    area,
                    u16::try_from(at + 1).unwrap_or(u16::MAX),
                    &Line::styled(format!("  {line}"), theme.ink(Ink::Faint)),
                );
            }
        } else if rows.waiting_since().is_some_and(|since| ctx.now().since(since) >= PATIENCE) {
            skeleton(area, buf, theme);
        }
        return;
    }
    let selected = rows.selected_index();
    let width = usize::from(area.width.saturating_sub(4));
    for (at, row) in rows.rows().enumerate().skip(offset).take(height) {
        let y = u16::try_from(at - offset).unwrap_or(u16::MAX);
        let cursor = if at == selected { "▸" } else { " " };
        let mark = if rows.is_marked(row.id()) { "◆" } else { " " };
        let mut spans = vec![Span::raw(cursor), Span::styled(mark, theme.ink(Ink::Accent)), Span::raw(" ")];
        spans.extend(cells(row, width));
        put(buf, area, y, &Line::from(spans));
        if at == selected {
            let style = if focused { theme.ink(Ink::Selected) } else { theme.ink(Ink::Title) };
            highlight(buf, Rect { y: area.y + y, height: 1, ..area }, style, focused);
        }
    }
}

fn highlight(buf: &mut Buffer, row: Rect, style: Style, whole: bool) {
    // The cursor's colours win over those of the cells: contrast matters more there, and the words stay.
    if whole {
        buf.set_style(row, style);
    } else {
        buf.set_style(Rect { width: row.width.min(1), ..row }, style);
    }
}

/// Grey bars in place of what is still loading.
pub fn skeleton(area: Rect, buf: &mut Buffer, theme: Theme) {
    const LENGTHS: [u16; 5] = [34, 27, 31, 22, 29];
    for (row, length) in (0..area.height.min(8)).zip(LENGTHS.iter().cycle()) {
        let bar = "░".repeat(usize::from((*length).min(area.width.saturating_sub(4))));
        put(buf, area, row, &Line::styled(format!("   {bar}"), theme.ink(Ink::Skeleton)));
    }
}

/// Stars of five.
pub fn stars(rating: i64) -> String {
    (1..=5).map(|star| if star <= rating { '★' } else { '☆' }).collect()
}

/// A glyph with its word.
pub fn state(theme: Theme, (glyph, word, ink): (&'static str, &'static str, Ink), columns: usize) -> Span<'static> {
    Span::styled(text::left(&format!("{glyph} {word}"), columns), theme.ink(ink))
}

/// A label and its value.
pub fn field(theme: Theme, label: &str, value: impl Into<String>) -> Line<'static> {
    Line::from(vec![
        Span::styled(text::left(label, 11), theme.ink(Ink::Faint)),
        Span::raw(text::clean(&value.into()).into_owned()),
    ])
}
