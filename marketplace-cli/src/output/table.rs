//! Columns: tables for people, CSV for spreadsheets.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row as TableRow, Table, Width, presets::NOTHING,
};
use marketplace_core::{money::Money, time::Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{
    card::{Card, View},
    row::{Column, Kind, Row},
    safe,
    select::{Selection, at, plain},
    time::relative,
    tone::Tone,
};
use crate::failure::{Failure, Outcome};

/// The parameters that a table is laid out for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'o> {
    /// The requested fields; empty means the type's own columns.
    pub(super) selection: &'o Selection,
    /// Whether there is a header.
    pub(super) header: bool,
    /// Columns of the terminal; `None` without a terminal.
    pub(super) width: Option<u16>,
    /// Time, terminal and colour.
    pub(super) view: &'o View,
}

struct Shown {
    head: String,
    path: String,
    kind: Kind,
    optional: bool,
}

fn shown<T: Row>(layout: &Layout<'_>) -> Vec<Shown> {
    let known = |path: &str| T::COLUMNS.iter().find(|column| column.path == path);
    if layout.selection.0.is_empty() {
        T::COLUMNS
            .iter()
            .map(|&Column { head, path, kind, optional }| Shown {
                head: head.into(),
                path: path.into(),
                kind,
                optional,
            })
            .collect()
    } else {
        let heading = |path: &str| path.to_uppercase().replace(['_', '.'], " ");
        layout
            .selection
            .0
            .iter()
            .map(|path| Shown {
                head: heading(path),
                kind: known(path).map_or_else(|| guess(path), |column| column.kind),
                path: path.clone(),
                optional: false,
            })
            .collect()
    }
}

/// Guesses the kind of a field that is not a column of the type's own table.
fn guess(path: &str) -> Kind {
    match path.rsplit('.').next().unwrap_or(path) {
        "id" => Kind::Id,
        last if last.ends_with("_id") => Kind::Id,
        "price" => Kind::Money,
        "status" | "kyc_status" => Kind::State,
        last if last.ends_with("_at") || last == "at" => Kind::Time,
        _ => Kind::Text,
    }
}

fn text(layout: &Layout<'_>, kind: Kind, value: &Value) -> String {
    let text = readable(kind, value);
    if kind == Kind::Who && layout.selection.0.is_empty() {
        return safe::line(&layout.view.people.name(&text)).into_owned();
    }
    match text.parse::<Timestamp>() {
        Ok(at) if kind == Kind::Time && layout.view.terminal => relative(layout.view.now, at),
        _ => safe::line(&text).into_owned(),
    }
}

/// Formats a value for people.
fn readable(kind: Kind, value: &Value) -> String {
    match kind {
        Kind::Money => Money::deserialize(value).map_or_else(|_| plain(value), |money| money.to_string()),
        _ => plain(value),
    }
}

/// Renders one page of a table. `widths` carries the widths of the earlier pages, so that columns keep their positions.
/// Also returns the headings of the columns for which there is no room.
pub(super) fn page<T: Row>(
    layout: &Layout<'_>,
    rows: &[Value],
    first: bool,
    widths: &mut Vec<u16>,
) -> (String, Vec<String>) {
    let mut columns = shown::<T>(layout);
    if rows.is_empty() {
        return (String::new(), Vec::new());
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| text(layout, column.kind, at(row, &column.path))).collect())
        .collect();

    let measured = measure(&columns, &cells, layout.header);
    if widths.len() != columns.len() {
        widths.resize(columns.len(), 0);
    }
    for (width, now) in widths.iter_mut().zip(&measured) {
        *width = (*width).max(*now);
    }

    let mut hidden = vec![false; columns.len()];
    if let Some(available) = layout.width {
        let total = |hidden: &[bool]| -> usize {
            widths.iter().zip(hidden).filter(|(_, hidden)| !**hidden).map(|(width, _)| usize::from(*width) + 2).sum()
        };
        for index in (0..columns.len()).rev() {
            let optional = columns.get(index).is_some_and(|column| column.optional);
            if optional && total(&hidden) > usize::from(available) + 2 {
                hidden.iter_mut().skip(index).take(1).for_each(|hide| *hide = true);
            }
        }
    }

    let left_out =
        columns.iter().zip(&hidden).filter(|(_, hidden)| **hidden).map(|(column, _)| column.path.clone()).collect();
    let mut table = Table::new();
    table.load_style(NOTHING).set_truncation_indicator("…");
    if layout.view.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    match layout.width {
        // The blanks after the last column are trimmed at the end.
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.saturating_add(2)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if first && layout.header {
        table.set_header(columns.iter().map(|column| tone(Cell::new(&column.head), Tone::Strong)).collect::<Vec<_>>());
    }
    for row in cells {
        let cells = row.into_iter().zip(&columns).map(|(text, column)| {
            let mood = if column.kind == Kind::State { Tone::of(&text) } else { Tone::Plain };
            tone(Cell::new(text), mood)
        });
        let mut row = TableRow::from(cells.collect::<Vec<_>>());
        if columns.iter().all(|column| column.kind != Kind::Wrapped) {
            row.max_height(1);
        }
        table.add_row(row);
    }
    let settled = if first { None } else { settled(&columns, widths, &hidden, layout.width) };
    for (index, column) in columns.drain(..).enumerate() {
        let Some(laid) = table.column_mut(index) else { continue };
        laid.set_padding((0, 2));
        if matches!(column.kind, Kind::Number | Kind::Money) {
            laid.set_cell_alignment(CellAlignment::Right);
        }
        let width = widths.get(index).copied().unwrap_or(0).saturating_add(2);
        laid.set_constraint(if hidden.get(index).copied().unwrap_or(false) {
            ColumnConstraint::Hidden
        } else if let Some(width) = settled.filter(|(flexible, _)| *flexible == index).map(|(_, width)| width) {
            ColumnConstraint::Absolute(Width::Fixed(width + 2))
        } else if settled.is_none() && matches!(column.kind, Kind::Text | Kind::Wrapped) && layout.width.is_some() {
            ColumnConstraint::UpperBoundary(Width::Fixed(width))
        } else {
            ColumnConstraint::Absolute(Width::Fixed(width))
        });
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    (text, left_out)
}

/// Returns the widths of a later page, which keeps the columns of the earlier ones: only the widest text shrinks, to
/// what the others leave of the terminal. `None` when that is too little to read; then every text shrinks, as on the
/// first page.
fn settled(columns: &[Shown], widths: &[u16], hidden: &[bool], available: Option<u16>) -> Option<(usize, u16)> {
    const READABLE: u16 = 12;
    let shown = || columns.iter().zip(widths).zip(hidden).enumerate().filter(|(_, (_, hidden))| !**hidden);
    let texts = shown().filter(|(_, ((column, _), _))| matches!(column.kind, Kind::Text | Kind::Wrapped));
    let (flexible, width) = texts.map(|(index, ((_, width), _))| (index, *width)).max_by_key(|(_, width)| *width)?;
    let others: u16 = shown().filter(|(index, _)| *index != flexible).map(|(_, ((_, width), _))| width + 2).sum();
    let left = available?.saturating_sub(others);
    (left >= READABLE.min(width)).then_some((flexible, width.min(left)))
}

fn measure(columns: &[Shown], cells: &[Vec<String>], header: bool) -> Vec<u16> {
    let mut table = Table::new();
    if header {
        table.set_header(columns.iter().map(|column| column.head.clone()).collect::<Vec<_>>());
    }
    for row in cells {
        table.add_row(row.clone());
    }
    table.column_max_content_widths()
}

fn tone(cell: Cell, tone: Tone) -> Cell {
    use comfy_table::{Attribute, Color};
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Warn => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
    }
}

/// Returns labels and values of an item that has no card of its own, or whose fields were chosen.
pub(super) fn card<T: Row>(layout: &Layout<'_>, row: &Value) -> Card {
    let chosen = !layout.selection.0.is_empty();
    shown::<T>(layout).into_iter().fold(Card::default(), |card, column| {
        let value = at(row, &column.path);
        let label = if chosen { column.path.clone() } else { column.head.to_lowercase() };
        let text = match plain(value).parse::<Timestamp>() {
            Ok(at) if column.kind == Kind::Time => layout.view.time(at),
            _ => readable(column.kind, value),
        };
        let mood = if column.kind == Kind::State { Tone::of(&text) } else { Tone::Plain };
        card.toned(&label, text, mood)
    })
}

/// Formats rows as CSV: the chosen fields, or every field that the type has.
pub(super) fn csv<T: Row>(selection: &Selection, rows: &[Value], header: bool) -> Outcome<String> {
    let paths = if selection.0.is_empty() { T::fields() } else { selection.0.clone() };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Failure::Other(error.into());
    if header {
        writer.write_record(&paths).map_err(failed)?;
    }
    for row in rows {
        writer.write_record(paths.iter().map(|path| safe::csv(&plain(at(row, path))))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Failure::Other(anyhow::anyhow!("{error}")))?;
    String::from_utf8(bytes).map_err(|error| Failure::Other(error.into()))
}
