//! Lines that are typed at the bottom: the `:` command bar with its list, and the `/` filter.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use marketplace_core::time::Timestamp;
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
        ctx::Ctx,
        filter::{self, Typed},
        jump::{BY_ID, Place},
        keymap::{Action, TABLE, TABS},
        text,
        theme::Ink,
    },
    rows,
};

/// After the last key, before a filter is sent.
const DEBOUNCE: Duration = Duration::from_millis(60);

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Typing {
    /// Goes on.
    Open,
    /// Left without a command.
    Closed,
    /// Run this.
    Run(Action),
    /// Filter so.
    Filter(String),
    /// Go there.
    Go(Place),
    /// What was typed leads nowhere, because of this.
    Refused(String),
}

/// The command bar.
#[derive(Debug, Default)]
pub struct Palette {
    input: Input,
    cursor: usize,
}

impl Palette {
    /// Takes a key. `screen` is where the commands are run.
    pub fn key(&mut self, key: KeyEvent, screen: u8) -> Typing {
        let matches = self.matches(screen);
        match key.code {
            KeyCode::Esc => return Typing::Closed,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Typing::Closed,
            KeyCode::Backspace if self.input.value().is_empty() => return Typing::Closed,
            KeyCode::Down => self.cursor = (self.cursor + 1).min(matches.len().saturating_sub(1)),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Tab => {
                if let Some(action) = matches.get(self.cursor) {
                    self.input = action.spec().name.into();
                }
            }
            KeyCode::Enter => {
                if let Some((word, rest)) = self.input.value().trim().split_once(' ')
                    && let Some(typing) = with_words(word, rest.trim())
                {
                    return typing;
                }
                return matches.get(self.cursor).map_or(Typing::Closed, |action| Typing::Run(*action));
            }
            _ => {
                self.input.handle_event(&Event::Key(key));
                self.cursor = 0;
            }
        }
        Typing::Open
    }

    /// Pasted text.
    pub fn paste(&mut self, pasted: &str) {
        for c in text::clean(pasted).chars() {
            self.input.handle(tui_input::InputRequest::InsertChar(c));
        }
    }

    fn matches(&self, screen: u8) -> Vec<Action> {
        let here: Vec<_> =
            TABLE.iter().filter(|spec| spec.on & screen != 0).map(|spec| (spec.name, spec.action)).collect();
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

    /// Draws the bar on `bar` and the list above it; answers where the cursor is.
    pub fn draw(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx, screen: u8) -> Position {
        let theme = ctx.theme;
        let matches = self.matches(screen);
        let height = u16::try_from(matches.len()).unwrap_or(u16::MAX).min(10) + 2;
        let list =
            Rect { x: bar.x, y: bar.y.saturating_sub(height), width: bar.width.min(76), height: height.min(bar.y) };
        Clear.render(list, buf);
        let inner = rows::pane(list, buf, theme, "Commands", "", true);
        let typed = self.input.value().trim_start();
        let word = typed.split(' ').next().unwrap_or("");
        let hint = match BY_ID.iter().find(|(known, _)| !word.is_empty() && known.starts_with(word)) {
            Some((_, help)) => (*help).to_owned(),
            None if TABS.iter().any(|(action, _)| *action != Action::Dash && action.spec().name == word) => {
                format!("{word} <filter>: the list, filtered")
            }
            None => String::new(),
        };
        let skip = self.cursor.saturating_sub(usize::from(inner.height).saturating_sub(1));
        for (row, (at, action)) in (0..inner.height).zip(matches.iter().enumerate().skip(skip)) {
            let spec = action.spec();
            let line = Line::from(vec![
                Span::raw(if at == self.cursor { "▸ " } else { "  " }),
                Span::styled(text::left(spec.name, 16), theme.ink(Ink::Title)),
                Span::styled(text::left(&ctx.keymap.key(*action), 6), theme.ink(Ink::Accent)),
                Span::raw(spec.help),
            ]);
            rows::put(buf, inner, row, &line);
        }
        line(bar, buf, ctx, ":", &self.input, &hint)
    }
}

/// A command that takes words: `filter status:banned`, `jobs status:accepted`, `thread 0192…`.
fn with_words(word: &str, rest: &str) -> Option<Typing> {
    if word == "filter" {
        return Some(Typing::Filter(rest.to_owned()));
    }
    if BY_ID.iter().any(|(known, _)| *known == word) {
        let place = Place::by_id(word, rest);
        return Some(place.map_or_else(|| Typing::Refused(format!("`{rest}` is no id")), Typing::Go));
    }
    let list = |action: &Action| *action != Action::Dash && action.spec().name == word;
    let home = TABS.iter().map(|(action, _)| *action).find(list)?;
    Some(Typing::Go(Place::List(home, rest.to_owned())))
}

fn line(bar: Rect, buf: &mut Buffer, ctx: &Ctx, sign: &str, input: &Input, hint: &str) -> Position {
    let blank = " ".repeat(usize::from(bar.width));
    buf.set_string(bar.x, bar.y, blank, ctx.theme.ink(Ink::Plain));
    let shown = Line::from(vec![
        Span::styled(format!(" {sign}"), ctx.theme.ink(Ink::Accent)),
        Span::raw(text::clean(input.value()).into_owned()),
        Span::styled(format!("   {hint}"), ctx.theme.ink(Ink::Faint)),
    ]);
    buf.set_line(bar.x, bar.y, &shown, bar.width);
    let x = u16::try_from(input.visual_cursor() + 2).unwrap_or(0);
    Position::new((bar.x + x).min(bar.right().saturating_sub(1)), bar.y)
}

/// The filter of a list: what is typed, and what holds.
#[derive(Debug, Default)]
pub struct FilterBar<F> {
    /// What holds.
    pub filter: F,
    input: Input,
    typing: bool,
    before: String,
    due: Option<Timestamp>,
    hint: String,
}

impl<F: Typed> FilterBar<F> {
    /// With a filter that holds from the start.
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
    /// Whether keys go here.
    pub fn typing(&self) -> bool {
        self.typing
    }
    /// What was typed.
    pub fn text(&self) -> &str {
        self.input.value()
    }
    /// Sets it all at once. False, with the reason in `ctx`, when it cannot be read.
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

    /// Takes a key while typing; true when the filter changed at once.
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

    /// Pasted text.
    pub fn paste(&mut self, pasted: &str, now: Timestamp) {
        for c in text::clean(pasted).chars() {
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

    /// True when what was typed begins to hold now.
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

    /// Draws it while typing; answers where the cursor is.
    pub fn draw(&self, bar: Rect, buf: &mut Buffer, ctx: &Ctx) -> Option<Position> {
        self.typing.then(|| line(bar, buf, ctx, "/", &self.input, &self.hint))
    }
}

fn last(typed: &str) -> &str {
    typed.rsplit(char::is_whitespace).next().unwrap_or(typed)
}
