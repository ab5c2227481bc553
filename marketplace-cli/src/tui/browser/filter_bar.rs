//! The `/` filter of a list while it is typed.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use marketplace_core::{ids::UserId, time::Timestamp};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    super::{ctx::Ctx, memory::Memory, text, widgets::input},
    filter::{self, Typed},
};

/// The delay between the last key and sending the filter.
const DEBOUNCE: Duration = Duration::from_millis(60);

/// The filter of a list: the typed text, and the filter in effect.
#[derive(Debug, Default)]
pub struct FilterBar<F> {
    /// The filter in effect.
    pub filter: F,
    /// The text that it was typed as.
    held: String,
    input: Input,
    typing: bool,
    /// Whether the text is still the one before: what is typed then replaces it.
    fresh: bool,
    before: String,
    due: Option<Timestamp>,
    hint: String,
    /// The colleagues who can be named, and who is at work here.
    colleagues: Vec<(String, UserId)>,
    me: Option<UserId>,
    /// The filters that were used and saved, and the list that they belong to.
    memory: Memory,
    list: &'static str,
    /// How far back in the used ones.
    back: usize,
}

impl<F: Typed> FilterBar<F> {
    /// Creates the bar of a list, with a filter that is in effect from the start.
    pub fn starting(list: &'static str, typed: &str) -> Self {
        let Ok(filter) = filter::parse(typed) else { return Self { list, ..Self::default() } };
        Self { filter, held: typed.to_owned(), input: typed.to_owned().into(), list, ..Self::default() }
    }
    /// Begins typing: a new filter replaces the one in effect, unless that is edited.
    pub fn open(&mut self, ctx: &Ctx) {
        self.learn(ctx);
        self.typing = true;
        self.fresh = !self.input.value().is_empty();
        self.back = 0;
        self.before = self.input.value().to_owned();
        self.suggest();
    }
    /// Returns whether keys are handled here.
    pub fn typing(&self) -> bool {
        self.typing
    }
    /// Returns the filter in effect as it was typed.
    pub fn text(&self) -> &str {
        &self.held
    }
    /// Sets the whole filter at once. Returns false, with the reason in `ctx`, when it cannot be parsed.
    pub fn set(&mut self, typed: &str, ctx: &mut Ctx) -> bool {
        self.learn(ctx);
        let typed = self.saved(typed);
        match typed.and_then(|typed| Ok((filter::parse(&self.with_ids(&typed)?)?, typed))) {
            Ok((filter, typed)) => {
                self.filter = filter;
                self.held.clone_from(&typed);
                self.input = typed.into();
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

    fn learn(&mut self, ctx: &Ctx) {
        self.memory = ctx.memory.clone();
        if !F::COLLEAGUES.is_empty() {
            self.colleagues = ctx.colleagues.people();
            self.me = ctx.identity.as_ref().and_then(|identity| identity.principal.user_id());
        }
    }

    /// Returns what is meant by a text: a saved filter for its `@name`, and ids for names of colleagues.
    fn meaning(&self, typed: &str) -> Result<String, String> {
        self.saved(typed).and_then(|typed| self.with_ids(&typed))
    }

    fn with_ids(&self, typed: &str) -> Result<String, String> {
        filter::with_ids::<F>(typed, |name| self.colleague(name))
    }

    /// Returns the colleague of a name: of one of its words, or of all of them with `_` between them.
    fn colleague(&self, name: &str) -> Result<UserId, String> {
        if name == "me" {
            return self.me.ok_or_else(|| "me: only people who are logged in have an account".to_owned());
        }
        let wanted = name.replace('_', " ").to_lowercase();
        let is_called = |known: &str| {
            let known = known.to_lowercase();
            known.starts_with(&wanted) || known.split_whitespace().any(|word| word.starts_with(&wanted))
        };
        let found: Vec<_> = self.colleagues.iter().filter(|(known, _)| is_called(known)).collect();
        match found.as_slice() {
            [] => Err(format!("no colleague is called `{name}`")),
            [(_, id)] => Ok(*id),
            several => {
                let names = several.iter().map(|(known, _)| known.replace(' ', "_")).collect::<Vec<_>>();
                Err(format!("`{name}` could be {}", names.join(", ")))
            }
        }
    }

    /// Returns a saved filter for its `@name`, and otherwise the text.
    fn saved(&self, typed: &str) -> Result<String, String> {
        let Some(name) = typed.trim().strip_prefix('@') else { return Ok(typed.to_owned()) };
        self.memory.saved(self.list, name).ok_or_else(|| match self.memory.names(self.list) {
            names if names.is_empty() => "nothing is saved here yet: end a filter with =name".to_owned(),
            names => format!("saved are {}", names.iter().map(|name| format!("@{name}")).collect::<Vec<_>>().join(" ")),
        })
    }

    fn completions(&self) -> Vec<String> {
        let typed = self.input.value();
        if let Some(begun) = typed.strip_prefix('@') {
            let names = self.memory.names(self.list).into_iter();
            return names
                .filter(|name| name.starts_with(begun) && name != begun)
                .map(|name| format!("@{name}"))
                .collect();
        }
        let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let (head, last) = typed.split_at(start);
        let Some((word, _, begun)) = filter::named_colleague::<F>(last) else {
            return filter::complete::<F>(typed);
        };
        let begun = begun.to_lowercase();
        let names = self.colleagues.iter().map(|(name, _)| name.replace(' ', "_"));
        let fits = |name: &String| name.to_lowercase().starts_with(&begun) && name.to_lowercase() != begun;
        names.filter(fits).map(|name| format!("{head}{word}:{name}")).collect()
    }

    fn suggest(&mut self) {
        let typed = self.input.value();
        let more = self.completions();
        self.hint = match self.meaning(typed).and_then(|typed| filter::parse::<F>(&typed)) {
            _ if self.fresh => "type another, or → to edit, ↑ for earlier ones".into(),
            _ if !more.is_empty() => {
                format!("Tab: {}", more.iter().map(|whole| last(whole)).collect::<Vec<_>>().join("  "))
            }
            _ if let Some((filter, name)) = saving(typed) => match filter {
                "" => format!("Enter forgets @{name}"),
                _ => format!("Enter saves it as @{name}"),
            },
            Err(why) => why,
            Ok(_) if typed.is_empty() => {
                let words: Vec<_> = F::WORDS.iter().map(|(word, _)| format!("{word}:")).collect();
                let free = if F::FREE_TEXT { " or any text" } else { "" };
                let saved = if self.memory.names(self.list).is_empty() { "" } else { " @saved" };
                format!("{}{free}{saved}", words.join(" "))
            }
            Ok(_) => String::new(),
        };
    }

    /// Handles a key while typing; returns true when the filter changed at once.
    pub fn key(&mut self, key: KeyEvent, ctx: &mut Ctx) -> bool {
        let fresh = std::mem::take(&mut self.fresh);
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
            KeyCode::Enter => return self.enter(),
            KeyCode::Up | KeyCode::Down => {
                let used = self.memory.used(self.list);
                let used: Vec<_> = used.into_iter().filter(|used| *used != self.before).collect();
                let up = key.code == KeyCode::Up;
                self.back = if up { (self.back + 1).min(used.len()) } else { self.back.saturating_sub(1) };
                let shown = self.back.checked_sub(1).and_then(|at| used.get(at));
                self.input = shown.unwrap_or(&self.before).clone().into();
                self.due = Some(ctx.now() + DEBOUNCE);
                self.suggest();
            }
            KeyCode::Tab => {
                if let Some(first) = self.completions().first() {
                    self.input = first.clone().into();
                    self.due = Some(ctx.now() + DEBOUNCE);
                }
                self.suggest();
            }
            code => {
                let replaces = matches!(code, KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Delete);
                if fresh && replaces && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
                    self.input = Input::default();
                }
                self.input.handle_event(&Event::Key(key));
                self.due = Some(ctx.now() + DEBOUNCE);
                self.suggest();
            }
        }
        false
    }

    fn enter(&mut self) -> bool {
        let typed = self.input.value().to_owned();
        let typed = match saving(&typed) {
            Some((filter, _)) if self.with_ids(filter).and_then(|filter| filter::parse::<F>(&filter)).is_err() => typed,
            Some((filter, name)) => {
                self.memory.save_filter(self.list, name, filter);
                filter.to_owned()
            }
            None => typed,
        };
        let typed = self.saved(&typed);
        match typed.and_then(|typed| filter::parse::<F>(&self.with_ids(&typed)?).map(|_| typed)) {
            Ok(typed) => {
                self.typing = false;
                self.memory.use_filter(self.list, &typed);
                self.take(&typed)
            }
            Err(why) => {
                self.due = None;
                self.hint = why;
                false
            }
        }
    }

    /// Handles pasted text.
    pub fn paste(&mut self, pasted: &str, now: Timestamp) {
        if std::mem::take(&mut self.fresh) {
            self.input = Input::default();
        }
        for c in text::pasted_line(pasted).chars() {
            self.input.handle(tui_input::InputRequest::InsertChar(c));
        }
        self.due = Some(now + DEBOUNCE);
        self.suggest();
    }

    fn take(&mut self, typed: &str) -> bool {
        self.due = None;
        self.input = typed.to_owned().into();
        let Ok(filter) = self.with_ids(typed).and_then(|typed| filter::parse(&typed)) else { return false };
        let changed = self.filter != filter;
        self.filter = filter;
        typed.clone_into(&mut self.held);
        changed
    }

    /// Returns true when the typed filter takes effect now.
    pub fn tick(&mut self, now: Timestamp) -> bool {
        if self.due.is_some_and(|due| now >= due) {
            self.due = None;
            let typed = self.input.value();
            let typed = saving(typed).map_or(typed, |(filter, _)| filter);
            if let Ok(filter) = self.meaning(typed).and_then(|typed| filter::parse(&typed)) {
                let changed = self.filter != filter;
                self.filter = filter;
                self.held = typed.to_owned();
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

/// Returns a filter and the name that it is to be saved under: `status:banned =bans`.
fn saving(typed: &str) -> Option<(&str, &str)> {
    let (filter, name) = match typed.rsplit_once(' ') {
        Some((filter, last)) => (filter, last.strip_prefix('=')?),
        None => ("", typed.strip_prefix('=')?),
    };
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    plain.then_some((filter.trim(), name))
}

fn last(typed: &str) -> &str {
    typed.rsplit(char::is_whitespace).next().unwrap_or(typed)
}
