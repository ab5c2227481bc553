//! What is on the screen and never in a recording: what was revealed, pictures of documents, what people wrote to each other,
//! and what is being typed.
//!
//! Whatever draws such a thing marks its cells, which follow the text through wrapping and cutting. The mark is a style that
//! nothing else uses, and is taken off before the terminal gets the frame.

use ratatui::{
    buffer::{Buffer, Cell},
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::{contact_masking, text};

const MARK: Modifier = Modifier::RAPID_BLINK;
/// What stands in a recording for a marked character.
const DOT: &str = "•";

/// Returns a style whose text is not recorded.
pub fn private(style: Style) -> Style {
    style.add_modifier(MARK)
}

/// Marks all of an area.
pub fn mark(area: Rect, buf: &mut Buffer) {
    buf.set_style(area, private(Style::new()));
}

/// Returns what somebody wrote in lines that are not recorded: whole, as an address or a number may be divided between them.
pub fn written(text: &str, indent: usize, columns: usize, style: Style) -> Vec<Line<'static>> {
    let wrapped = text::wrap(text, columns.saturating_sub(indent));
    let line = |line: String| Line::from(vec![Span::raw(" ".repeat(indent)), Span::styled(line, private(style))]);
    wrapped.into_iter().map(line).collect()
}

/// Returns what everybody may read in lines; with an address or a number in it, none of them is recorded.
pub fn published(text: &str, columns: usize) -> Vec<Line<'static>> {
    if contact_masking::places(text).is_empty() {
        text::wrap(text, columns).into_iter().map(Line::raw).collect()
    } else {
        written(text, 0, columns, Style::new())
    }
}

/// Returns a message with what it quotes marked: that is what was typed.
pub fn quoting(text: &str, style: Style) -> Vec<Span<'static>> {
    let part = |(at, part): (usize, &str)| {
        let style = if at % 2 == 1 { private(style) } else { style };
        Span::styled(part.to_owned(), style)
    };
    let quoted = text.matches('`').count() > 1;
    let split = |text: &str| text.split_inclusive('`').enumerate().map(part).collect();
    if quoted { split(text) } else { vec![Span::styled(text.to_owned(), style)] }
}

/// Takes the marks off.
pub fn strip(buf: &mut Buffer) {
    buf.content.iter_mut().for_each(|cell| cell.modifier.remove(MARK));
}

/// Returns the frame as it may be recorded: what is marked as dots, and so are addresses, links and numbers wherever they
/// stand.
pub fn recordable(buf: &Buffer) -> Buffer {
    let mut frame = buf.clone();
    let width = usize::from(frame.area.width).max(1);
    for row in frame.content.chunks_mut(width) {
        for cell in row.iter_mut().filter(|cell| cell.modifier.contains(MARK)) {
            dot(cell);
        }
        // A picture that the terminal draws by itself is one long sequence in a cell.
        for cell in row.iter_mut().filter(|cell| cell.symbol().chars().any(char::is_control)) {
            cell.set_symbol(" ");
        }
        let text: String = row.iter().map(Cell::symbol).collect();
        let contacts = contact_masking::places(&text);
        let mut at = 0;
        for cell in row.iter_mut() {
            let end = at + cell.symbol().len();
            if contacts.iter().any(|place| place.start < end && at < place.end) {
                dot(cell);
            }
            at = end;
        }
    }
    strip(&mut frame);
    frame
}

fn dot(cell: &mut Cell) {
    if !cell.symbol().trim().is_empty() {
        cell.set_symbol(DOT);
    }
    cell.modifier.remove(MARK);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_and_what_leads_to_people_is_not_recorded() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 40, 3));
        buf.set_string(0, 0, "name  ", Style::new());
        buf.set_string(6, 0, "Ada 上海", private(Style::new()));
        buf.set_string(0, 1, "write to ada@example.org or +44 20 7183 8750", Style::new());
        let parts = quoting("`jon@leaked.example` is no id", Style::new());
        assert_eq!(
            parts.iter().map(|part| part.content.as_ref()).collect::<Vec<_>>(),
            ["`", "jon@leaked.example`", " is no id"]
        );
        assert_eq!(parts.get(1).map(|part| part.style), Some(private(Style::new())));
        assert_eq!(contact_masking::places("`jon@leaked.example`"), vec![std::ops::Range { start: 1, end: 19 }]);
        buf.set_string(0, 2, "\u{2584}\u{2584}\u{2584}", Style::new());
        mark(Rect::new(0, 2, 3, 1), &mut buf);
        if let Some(cell) = buf.cell_mut((10, 2)) {
            cell.set_symbol("\u{1b}_Gpicture\u{1b}\\");
        }
        let frame = recordable(&buf);
        let row = |y: u16| (0..40).filter_map(|x| frame.cell((x, y)).map(Cell::symbol)).collect::<String>();
        assert_eq!(row(0).trim_end(), "name  ••• • •");
        assert!(row(1).starts_with("write to ••••••••••••••• or "), "{}", row(1));
        assert!(!row(1).contains("7183"));
        assert_eq!(row(2).trim_end(), "•••");
        strip(&mut buf);
        assert_eq!(buf.cell((6, 0)).map(|cell| (cell.symbol(), cell.modifier)), Some(("A", Modifier::empty())));
    }
}
