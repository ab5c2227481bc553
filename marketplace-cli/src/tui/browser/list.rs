//! Draws a list as rows.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    super::{
        ctx::{Ctx, PATIENCE},
        text::{self, Times},
        theme::Style,
        widgets::{
            columns::{self, Column},
            rows::{put, skeleton},
        },
    },
    paged::{Paged, Row},
};

/// Draws a list under the headings of its columns: each row by `cells`, one for each column; the selected one with the
/// cursor, marked ones with a mark; a skeleton when loading the first page takes longer than a moment; `empty` when there are
/// no rows.
#[expect(clippy::too_many_arguments, reason = "what a list is drawn from has nothing in common")]
pub fn draw<T: Row>(
    area: Rect,
    buf: &mut Buffer,
    ctx: &Ctx,
    rows: &mut Paged<T>,
    focused: bool,
    empty: &str,
    columns: &[Column],
    cells: impl Fn(&T) -> Vec<Span<'static>>,
) {
    let theme = ctx.theme;
    // The last rows matter more than what is above them.
    let headed = area.height > 3 && !rows.is_empty();
    let body = if headed { Rect { y: area.y + 1, height: area.height - 1, ..area } } else { area };
    let (offset, height) = rows.place(body);
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
    let drawn: Vec<Vec<Span<'static>>> = rows.rows().skip(offset).take(height).map(cells).collect();
    let widths = fit(rows, columns, &drawn, ctx.times, usize::from(area.width.saturating_sub(LEAD)));
    if headed {
        let heads = columns.iter().map(|column| Span::raw(column.heading(ctx.times, rows.sorted))).collect();
        let mut line = vec![Span::raw(" ".repeat(usize::from(LEAD)))];
        line.extend(aligned(columns, &widths, heads));
        let line = Line::from(line).style(theme.style(Style::Heading));
        put(buf, area, 0, &line);
    }
    let selected = rows.selected_index();
    for ((at, row), cells) in rows.rows().enumerate().skip(offset).take(height).zip(drawn) {
        let y = u16::try_from(at - offset).unwrap_or(u16::MAX);
        let cursor = if at == selected { "▸" } else { " " };
        let mark = if rows.is_marked(row.id()) { "◆" } else { " " };
        let mut spans = vec![Span::raw(cursor), Span::styled(mark, theme.style(Style::Accent)), Span::raw(" ")];
        spans.extend(aligned(columns, &widths, cells));
        put(buf, body, y, &Line::from(spans));
        if at == selected {
            let style = if focused { theme.style(Style::Selected) } else { theme.style(Style::Title) };
            highlight(buf, Rect { y: body.y + y, height: 1, ..body }, style, focused);
        }
    }
}

/// Columns of the cursor and the mark before a row.
const LEAD: u16 = 3;

/// Returns the widths of the columns, from what they show and have shown.
fn fit<T: Row>(
    rows: &mut Paged<T>,
    columns: &[Column],
    drawn: &[Vec<Span<'static>>],
    times: Times,
    room: usize,
) -> Vec<usize> {
    if rows.needed.0 != times.exact || rows.needed.1.len() != columns.len() {
        rows.needed = (times.exact, vec![0; columns.len()]);
    }
    for cells in drawn {
        for (needed, cell) in rows.needed.1.iter_mut().zip(cells) {
            *needed = (*needed).max(text::width(&cell.content));
        }
    }
    let sorted = rows.sorted;
    let need = |(column, needed): (&Column, &usize)| match *needed {
        // An empty column has no heading either.
        0 => 0,
        _ if rows.hidden.contains(&column.name) => 0,
        needed => needed.max(text::width(&column.heading(times, sorted))),
    };
    let natural: Vec<usize> = columns.iter().zip(&rows.needed.1).map(need).collect();
    // Whoever asks for exact times wants to see them.
    let asked = |column: &Column| {
        let mut column = *column;
        if times.exact && column.time && column.rank < columns::SPARE {
            column.rank = column.rank.min(1);
        }
        column
    };
    let ranked: Vec<Column> = columns.iter().map(asked).collect();
    columns::widths(&ranked, &natural, room)
}

/// Returns cells in the widths of their columns.
fn aligned(columns: &[Column], widths: &[usize], cells: Vec<Span<'static>>) -> Vec<Span<'static>> {
    let mut out = Vec::with_capacity(cells.len() * 2);
    for ((cell, column), width) in cells.into_iter().zip(columns).zip(widths.iter().copied()) {
        if width == 0 {
            continue;
        }
        if !out.is_empty() {
            out.push(Span::raw(" ".repeat(columns::GAP)));
        }
        let content = if column.right { text::right(&cell.content, width) } else { text::left(&cell.content, width) };
        out.push(Span::styled(content, cell.style));
    }
    out
}

fn highlight(buf: &mut Buffer, row: Rect, style: ratatui::style::Style, whole: bool) {
    // The cursor's colours take precedence over those of the cells: contrast matters more there, and the words remain.
    if whole {
        buf.set_style(row, style);
    } else {
        buf.set_style(Rect { width: row.width.min(1), ..row }, style);
    }
}
