//! An overlay with text: help, an error's detail, a row in full, failures.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{
    super::{
        keymap::{Action, Keymap, Rows},
        macros::Macros,
        privacy, text,
        theme::{Style, Theme},
    },
    centred, rows,
};

/// The list that the help uses as an example of filtering.
const EXAMPLE: &str = "jobs";

/// A line of a popup.
#[derive(Debug, Clone)]
pub enum PopLine {
    /// Text, wrapped as needed.
    Text(String),
    /// A heading.
    Head(String),
    /// A key, or a label, and what belongs to it.
    Pair(String, String),
}

/// A box with text.
#[derive(Debug, Clone)]
pub struct Popup {
    title: String,
    lines: Vec<PopLine>,
    offset: usize,
    /// The number of rows drawn last time, and the total.
    seen: (usize, usize),
    /// Where it was drawn last.
    area: Rect,
    /// Whether it stays out of recordings.
    is_private: bool,
    /// Whether only Esc and Enter close it: what it says is not shown again.
    is_held: bool,
}

impl Popup {
    /// Creates a popup from lines.
    pub fn new(title: impl Into<String>, lines: Vec<PopLine>) -> Self {
        Self {
            title: title.into(),
            lines,
            offset: 0,
            seen: (0, 0),
            area: Rect::ZERO,
            is_private: false,
            is_held: false,
        }
    }
    /// Leaves what it says out of recordings: a secret, or what was typed.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.is_private = true;
        self
    }
    /// Creates a popup with a secret that is shown this once.
    pub fn secret(title: impl Into<String>, secret: String) -> Self {
        let lines = ["Keep the secret now: it is shown this once.".into(), String::new(), secret];
        Self { is_held: true, ..Self::text(title, lines.into()).private() }
    }
    /// Returns whether nothing may take its place.
    pub fn is_held(&self) -> bool {
        self.is_held
    }
    /// Creates a popup from lines of plain text.
    pub fn text(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self::new(title, lines.into_iter().map(PopLine::Text).collect())
    }

    /// Creates the help of a screen, from the keymap.
    pub fn help(keymap: &Keymap, home: Action, title: &str, macros: &Macros) -> Self {
        let pairs = |everywhere: bool| {
            let rows = keymap.of(home).filter(move |row| row.everywhere == everywhere);
            rows.map(|row| PopLine::Pair(row.keys, row.action.help.to_owned()))
        };
        let mut lines = vec![PopLine::Head(format!("On {title}"))];
        lines.extend(pairs(false));
        lines.push(PopLine::Text(String::new()));
        lines.push(PopLine::Head("Everywhere".into()));
        lines.extend(pairs(true));
        for (at, known) in macros.iter().enumerate() {
            if at == 0 {
                lines.extend([PopLine::Text(String::new()), PopLine::Head("Macros".into())]);
            }
            let key = known.key.map_or_else(|| format!(":macro {}", known.name), |key| key.to_string());
            lines.push(PopLine::Pair(key, format!("{}: {}", known.name, known.text)));
        }
        lines.push(PopLine::Text(String::new()));
        lines.push(PopLine::Head("Commands with words".into()));
        let lists = keymap.screens().filter(|screen| screen.rows != Rows::None).map(|screen| screen.home.name);
        let others = lists.filter(|name| *name != EXAMPLE).collect::<Vec<_>>().join(", ");
        lines.push(PopLine::Pair(format!(":{EXAMPLE} <filter>"), format!("any list, filtered: {others}")));
        for (word, help) in keymap.screens().filter_map(|screen| screen.by_id) {
            lines.push(PopLine::Pair(format!(":{word} <id>"), help.to_owned()));
        }
        lines.push(PopLine::Text(String::new()));
        lines.push(PopLine::Text(
            "Mouse: click a row to select, again to open; click a tab; the wheel scrolls. Keys are rebound in the config \
             under [keys], by the names that `:` lists."
                .into(),
        ));
        Self::new("Help", lines)
    }

    /// Handles a key; returns false when it closes the box.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let half = (self.seen.0 / 2).max(1);
        let last = self.seen.1.saturating_sub(self.seen.0);
        self.offset = match key.code {
            KeyCode::Char('j') | KeyCode::Down => self.offset + 1,
            KeyCode::Char('k') | KeyCode::Up => self.offset.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char('d' | ' ') => self.offset + half,
            KeyCode::PageUp | KeyCode::Char('u') => self.offset.saturating_sub(half),
            KeyCode::Char('g') | KeyCode::Home => 0,
            KeyCode::Char('G') | KeyCode::End => last,
            KeyCode::Esc | KeyCode::Enter => return false,
            _ if self.is_held => self.offset,
            _ => return false,
        }
        .min(last);
        true
    }

    /// Returns whether a position is on it.
    pub fn contains(&self, at: Position) -> bool {
        self.area.contains(at)
    }

    /// Scrolls by lines.
    pub fn scroll(&mut self, lines: isize) {
        self.offset = self.offset.saturating_add_signed(lines).min(self.seen.1.saturating_sub(self.seen.0));
    }

    /// Draws the box in the middle.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer, theme: Theme) {
        let width = area.width.saturating_sub(4).min(96);
        let columns = usize::from(width.saturating_sub(4));
        let pairs = self
            .lines
            .iter()
            .filter_map(|line| if let PopLine::Pair(key, _) = line { Some(text::width(key)) } else { None });
        let label = pairs.max().unwrap_or(0).min(22) + 2;
        let mut lines: Vec<Line<'_>> = Vec::new();
        for line in &self.lines {
            match line {
                PopLine::Text(text) => lines.extend(text::wrap(text, columns).into_iter().map(Line::raw)),
                PopLine::Head(text) => lines.push(Line::styled(text::cut(text, columns), theme.style(Style::Title))),
                PopLine::Pair(key, value) => {
                    let mut key = Span::styled(text::left(key, label), theme.style(Style::Accent));
                    for part in text::wrap(value, columns.saturating_sub(label)) {
                        lines.push(Line::from(vec![key, Span::raw(part)]));
                        key = Span::raw(" ".repeat(label));
                    }
                }
            }
        }
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(2));
        let area = centred(area, width, height);
        Clear.render(area, buf);
        self.area = area;
        let room = usize::from(area.height.saturating_sub(2));
        self.seen = (room, lines.len());
        self.offset = self.offset.min(lines.len().saturating_sub(room));
        let more = if lines.len() > room {
            format!("{}–{} of {} · j k scroll · Esc closes", self.offset + 1, self.offset + room, lines.len())
        } else {
            "Esc closes".to_owned()
        };
        // How it is closed matters more than the end of a long title.
        let title = text::cut(&self.title, usize::from(area.width).saturating_sub(text::width(&more) + 7));
        let inner = rows::pane(area, buf, theme, &title, &more, true);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        for (row, line) in (0..inner.height).zip(lines.iter().skip(self.offset)) {
            rows::put(buf, inner, row, line);
        }
        if self.is_private {
            privacy::mark(area, buf);
        }
    }
}
