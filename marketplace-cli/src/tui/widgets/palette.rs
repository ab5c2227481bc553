//! The `:` command bar with its list.

use std::cell::Cell;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use nucleo_matcher::{
    Config, Matcher,
    pattern::{CaseMatching, Normalization, Pattern},
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Clear, Widget},
};
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    super::{
        jump::{Destination, Subject},
        keymap::{Action, Keymap, Rows},
        text,
        theme::{Style, Theme},
    },
    input, rows,
};

/// The result of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Typing {
    /// The bar stays open.
    Open,
    /// Closed without a command.
    Closed,
    /// Run this.
    Run(Action),
    /// Apply this filter.
    Filter(String),
    /// Go there.
    Go(Destination),
    /// Run this macro.
    Macro(String),
    /// The typed text cannot be run, for this reason.
    Refused(String),
}

/// The command bar.
#[derive(Debug, Default)]
pub struct Palette {
    input: Input,
    cursor: usize,
    /// Where the list was drawn last, and its first and last command.
    seen: Cell<(Rect, usize, usize)>,
}

impl Palette {
    /// Handles a key. `home` is the screen where the commands are run.
    pub fn key(&mut self, key: KeyEvent, keymap: &Keymap, home: Action) -> Typing {
        let matches = self.matches(keymap, home);
        match key.code {
            KeyCode::Esc => return Typing::Closed,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Typing::Closed,
            KeyCode::Backspace if self.input.value().is_empty() => return Typing::Closed,
            KeyCode::Down => self.cursor = (self.cursor + 1).min(matches.len().saturating_sub(1)),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Tab => {
                if let Some(action) = matches.get(self.cursor) {
                    self.input = action.name.into();
                }
            }
            KeyCode::Enter => {
                if let Some((word, rest)) = self.input.value().trim().split_once(' ')
                    && let Some(typing) = with_words(keymap, word, rest.trim())
                {
                    return typing;
                }
                let Some(action) = matches.get(self.cursor) else { return Typing::Closed };
                let typed = self.input.value().trim();
                if typed.is_empty() && self.cursor == 0 {
                    return Typing::Closed;
                }
                if typed != action.name && (typed.is_empty() || action.decides()) {
                    // What was not written in full is written first, so that nothing is done by half a word.
                    self.input = action.name.into();
                    self.cursor = 0;
                    return Typing::Open;
                }
                return Typing::Run(*action);
            }
            _ => {
                self.input.handle_event(&Event::Key(key));
                self.cursor = 0;
            }
        }
        Typing::Open
    }

    /// Handles a click; returns true when it runs the command that was chosen already.
    pub fn click(&mut self, at: Position) -> bool {
        let (area, first, count) = self.seen.get();
        let row = first + usize::from(at.y.saturating_sub(area.y));
        if !area.contains(at) || row >= count {
            return false;
        }
        let again = row == self.cursor;
        self.cursor = row;
        again
    }

    /// Moves among the commands.
    pub fn scroll(&mut self, lines: isize) {
        let last = self.seen.get().2.saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(lines).min(last);
    }

    /// Handles pasted text.
    pub fn paste(&mut self, pasted: &str) {
        for c in text::pasted_line(pasted).chars() {
            self.input.handle(tui_input::InputRequest::InsertChar(c));
        }
    }

    fn matches(&self, keymap: &Keymap, home: Action) -> Vec<Action> {
        let here: Vec<_> = keymap.of(home).map(|row| (row.action.name, row.action)).collect();
        let typed = self.input.value().trim();
        if let Some((_, exact)) = here.iter().find(|(name, _)| *name == typed) {
            return vec![*exact];
        }
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
        pattern
            .match_list(here.iter().map(|(name, _)| *name), &mut matcher)
            .into_iter()
            .filter_map(|(name, _)| here.iter().find(|(known, _)| *known == name).map(|(_, action)| *action))
            .collect()
    }

    /// Draws the bar on `bar` and the list above it; returns the position of the cursor.
    pub fn draw(&self, bar: Rect, buf: &mut Buffer, theme: Theme, keymap: &Keymap, home: Action) -> Position {
        let matches = self.matches(keymap, home);
        let height = u16::try_from(matches.len()).unwrap_or(u16::MAX).min(10) + 2;
        let list =
            Rect { x: bar.x, y: bar.y.saturating_sub(height), width: bar.width.min(76), height: height.min(bar.y) };
        Clear.render(list, buf);
        let inner = rows::pane(list, buf, theme, "Commands", "", true);
        let typed = self.input.value().trim_start();
        let word = typed.split(' ').next().unwrap_or("");
        let by_id = keymap.screens().filter_map(|screen| screen.by_id);
        let hint = match by_id.into_iter().find(|(known, _)| !word.is_empty() && known.starts_with(word)) {
            Some((word, help)) => format!("{word} <id>: {help}"),
            None if list_of(keymap, word).is_some() => format!("{word} <filter>: the list, filtered"),
            None => String::new(),
        };
        let skip = self.cursor.saturating_sub(usize::from(inner.height).saturating_sub(1));
        self.seen.set((inner, skip, matches.len()));
        for (row, (at, action)) in (0..inner.height).zip(matches.iter().enumerate().skip(skip)) {
            let line = Line::from(vec![
                Span::raw(if at == self.cursor { "▸ " } else { "  " }),
                Span::styled(text::left(action.name, 16), theme.style(Style::Title)),
                Span::styled(text::left(&keymap.key(*action), 6), theme.style(Style::Accent)),
                Span::raw(action.help),
            ]);
            rows::put(buf, inner, row, &line);
        }
        input::draw(bar, buf, theme, ":", &self.input, &hint)
    }
}

/// Returns the list that a word of the command bar filters, as its home.
fn list_of(keymap: &Keymap, word: &str) -> Option<Action> {
    let mut lists = keymap.screens().filter(|screen| screen.rows != Rows::None).map(|screen| screen.home);
    lists.find(|home| home.name == word)
}

/// Parses a command with arguments: `filter status:banned`, `jobs status:accepted`, `thread 0192…`.
fn with_words(keymap: &Keymap, word: &str, rest: &str) -> Option<Typing> {
    if word == "filter" {
        return Some(Typing::Filter(rest.to_owned()));
    }
    if word == "macro" {
        return Some(Typing::Macro(rest.to_owned()));
    }
    if let Some(screen) = keymap.screens().find(|screen| screen.by_id.is_some_and(|(known, _)| known == word)) {
        return Some(match rest.parse() {
            Ok(id) => Typing::Go(Destination { home: screen.home, subject: Subject::One(id) }),
            Err(_) => Typing::Refused(format!("`{rest}` is no id")),
        });
    }
    let home = list_of(keymap, word)?;
    Some(Typing::Go(Destination { home, subject: Subject::List(rest.to_owned()) }))
}
