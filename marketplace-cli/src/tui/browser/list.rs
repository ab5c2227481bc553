//! Draws a list as rows.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    super::{
        ctx::{Ctx, PATIENCE},
        text,
        theme::Style,
        widgets::rows::{put, skeleton},
    },
    paged::{Paged, Row},
};

/// Draws a list: each row by `cells`, the selected one with the cursor, marked ones with a mark; a skeleton when
/// loading the first page takes longer than a moment; `empty` when there are no rows.
pub fn draw<T: Row>(
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
                    &Line::styled(format!("  {line}"), theme.style(Style::Faint)),
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
        let mut spans = vec![Span::raw(cursor), Span::styled(mark, theme.style(Style::Accent)), Span::raw(" ")];
        spans.extend(cells(row, width));
        put(buf, area, y, &Line::from(spans));
        if at == selected {
            let style = if focused { theme.style(Style::Selected) } else { theme.style(Style::Title) };
            highlight(buf, Rect { y: area.y + y, height: 1, ..area }, style, focused);
        }
    }
}

fn highlight(buf: &mut Buffer, row: Rect, style: ratatui::style::Style, whole: bool) {
    // The cursor's colours take precedence over those of the cells: contrast matters more there, and the words remain.
    if whole {
        buf.set_style(row, style);
    } else {
        buf.set_style(Rect { width: row.width.min(1), ..row }, style);
    }
}
