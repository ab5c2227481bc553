//! The `/` filter of a list while it is typed.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use marketplace_core::time::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    super::{ctx::Ctx, text, widgets::input},
    filter::{self, Typed},
};

/// The delay between the last key and sending the filter.
const DEBOUNCE: Duration = Duration::from_millis(60);

/// The filter of a list: the typed text, and the filter in effect.
#[derive(Debug, Default)]
pub struct FilterBar<F> {
    /// The filter in effect.
    pub filter: F,
    input: Input,
    typing: bool,
    before: String,
    due: Option<Timestamp>,
    hint: String,
}

impl<F: Typed> FilterBar<F> {
    /// Creates a bar with a filter that is in effect from the start.
    pub fn starting(typed: &str) -> Self {
        let (filter, input) = (filter::parse(typed).unwrap_or_default(), typed.to_owned().into());
        Self { filter, input, typing: false, before: String::new(), due: None, hint: String::new() }
    }
    /// Begins typing.
    pub fn open(&mut self) {
        self.typing = true;
        self.before = self.input.value().to_owned();
        self.suggest();
    }
    /// Returns whether keys are handled here.
    pub fn typing(&self) -> bool {
        self.typing
    }
    /// Returns the typed text.
    pub fn text(&self) -> &str {
        self.input.value()
    }
    /// Sets the whole filter at once. Returns false, with the reason in `ctx`, when it cannot be parsed.
    pub fn set(&mut self, typed: &str, ctx: &mut Ctx) -> bool {
        match filter::parse(typed) {
            Ok(filter) => {
                self.filter = filter;
                self.input = typed.to_owned().into();
                self.typing = false;
                self.due = None;
                true
            }
            Err(why) => {
                ctx.refuse(why);
                false
            }
        }
    }

    fn suggest(&mut self) {
        let more = filter::complete::<F>(self.input.value());
        self.hint = match filter::parse::<F>(self.input.value()) {
            _ if !more.is_empty() => {
                format!("Tab: {}", more.iter().map(|whole| last(whole)).collect::<Vec<_>>().join("  "))
            }
            Err(why) => why,
            Ok(_) if self.input.value().is_empty() => {
                let words: Vec<_> = F::WORDS.iter().map(|(word, _)| format!("{word}:")).collect();
                let free = if F::FREE_TEXT { " or any text" } else { "" };
                format!("{}{free}", words.join(" "))
            }
            Ok(_) => String::new(),
        };
    }

    /// Handles a key while typing; returns true when the filter changed at once.
    pub fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) -> bool {
        match key.code {
            KeyCode::Esc => {
                self.typing = false;
                let before = std::mem::take(&mut self.before);
                return self.take(&before);
            }
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.typing = false;
                let before = std::mem::take(&mut self.before);
                return self.take(&before);
            }
            KeyCode::Enter => {
                let typed = self.input.value().to_owned();
                match filter::parse::<F>(&typed) {
                    Ok(_) => {
                        self.typing = false;
                        return self.take(&typed);
                    }
                    Err(why) => self.hint = why,
                }
            }
            KeyCode::Tab => {
                let more = filter::complete::<F>(self.input.value());
                if let Some(first) = more.first() {
                    self.input = first.clone().into();
                    self.due = Some(ctx.now() + DEBOUNCE);
                }
                self.suggest();
            }
            _ => {
                self.input.handle_event(&Event::Key(key));
                self.due = Some(ctx.now() + DEBOUNCE);
                self.suggest();
            }
        }
        false
    }

    /// Handles pasted text.
    pub fn paste(&mut self, pasted: &str, now: Timestamp) {
        for c in text::pasted_line(pasted).chars() {
            self.input.handle(tui_input::InputRequest::InsertChar(c));
        }
        self.due = Some(now + DEBOUNCE);
        self.suggest();
    }

    fn take(&mut self, typed: &str) -> bool {
        self.due = None;
        self.input = typed.to_owned().into();
        let Ok(filter) = filter::parse(typed) else { return false };
        let changed = self.filter != filter;
        self.filter = filter;
        changed
    }

    /// Returns true when the typed filter takes effect now.
    pub fn tick(&mut self, now: Timestamp) -> bool {
        if self.due.is_some_and(|due| now >= due) {
            self.due = None;
            if let Ok(filter) = filter::parse(self.input.value()) {
                let changed = self.filter != filter;
                self.filter = filter;
                return changed;
            }
        }
        false
    }

    /// Draws the bar while typing; returns the position of the cursor.
    pub fn draw(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.typing.then(|| input::draw(bar, buf, ctx.theme, "/", &self.input, &self.hint))
    }
}

fn last(typed: &str) -> &str {
    typed.rsplit(char::is_whitespace).next().unwrap_or(typed)
}
