//! The dialog before a change: reasons with one-letter keys, a comment, a note, a word to type.
//! A single key changes something only if the change can be undone.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Modifier,
    text::{Line, Span},
    widgets::{Clear, Widget},
};
use ratatui_textarea::{TextArea, WrapMode};
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    super::{
        confirmation, text,
        theme::{Style, Theme},
    },
    centred, rows,
};

/// One choice.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its letter.
    pub key: char,
    /// As shown.
    pub label: String,
    /// The beginning of the comment when it is chosen.
    pub template: &'static str,
}

impl Choice {
    /// Creates a choice from a code, such as a reason's, with its letter.
    pub fn of(key: char, code: &str) -> Self {
        Self { key, label: text::words(code), template: "" }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Choices,
    Comment,
    Note,
    Word,
}

/// The result of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The form stays open.
    Open,
    /// Cancelled.
    Cancelled,
    /// Confirmed.
    Filled(Filled),
}

/// A confirmed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Indices of the choices that were made.
    pub picked: Vec<usize>,
    /// The comment for the subject; `None` when it is left as the templates say.
    pub comment: Option<String>,
    /// The note that only staff see.
    pub note: Option<String>,
}

/// A form in a box.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Form {
    title: String,
    lines: Vec<String>,
    danger: bool,
    choices: Vec<Choice>,
    many: bool,
    at_once: bool,
    picked: Vec<bool>,
    cursor: usize,
    comment: Option<TextArea<'static>>,
    reader: &'static str,
    comment_needed: bool,
    edited: bool,
    note: Option<Input>,
    note_needed: bool,
    word: Option<(String, Input)>,
    focus: Field,
    error: Option<String>,
}

impl Form {
    /// Creates a question to which Enter means yes.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
            danger: false,
            choices: Vec::new(),
            many: false,
            at_once: false,
            picked: Vec::new(),
            cursor: 0,
            comment: None,
            reader: "the worker reads",
            comment_needed: false,
            edited: false,
            note: None,
            note_needed: false,
            word: None,
            focus: Field::Choices,
            error: None,
        }
    }
    /// Adds a line of explanation.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }
    /// Marks the action as irreversible.
    #[must_use]
    pub fn danger(mut self) -> Self {
        self.danger = true;
        self
    }
    /// Adds choices, of which one must be made, or with `many` several.
    #[must_use]
    pub fn choices(mut self, choices: Vec<Choice>, many: bool) -> Self {
        self.picked = vec![false; choices.len()];
        self.choices = choices;
        self.many = many;
        self
    }
    /// Confirms with a single letter, for actions that change nothing.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }
    /// Adds a mandatory text for `reader`, with the focus.
    #[must_use]
    pub fn with_words(mut self, reader: &'static str) -> Self {
        self.comment = Some(area(String::new()));
        self.reader = reader;
        self.comment_needed = true;
        self.focus = Field::Comment;
        self
    }
    /// Selects choices beforehand.
    #[must_use]
    pub fn with_picked(mut self, picked: &[usize]) -> Self {
        for at in picked {
            if let Some(flag) = self.picked.get_mut(*at) {
                *flag = true;
            }
        }
        self.fill_comment();
        self
    }
    /// Adds a comment that begins as the choices' templates.
    #[must_use]
    pub fn with_comment(mut self) -> Self {
        self.comment = Some(area(String::new()));
        self.fill_comment();
        self
    }
    /// Adds a note for staff.
    #[must_use]
    pub fn with_note(mut self, note: Option<&str>) -> Self {
        self.note = Some(note.unwrap_or_default().to_owned().into());
        self
    }
    /// Adds a note that must not be empty, with the focus.
    #[must_use]
    pub fn with_needed_note(mut self) -> Self {
        self.note = Some(Input::default());
        self.note_needed = true;
        self.focus = Field::Note;
        self
    }
    /// Adds what must be typed before this act on so many rows, if anything.
    #[must_use]
    pub fn confirmed_by(mut self, act: &'static str, rows: usize) -> Self {
        if let Some(word) = confirmation::typed(act, rows) {
            self.word = Some((word, Input::default()));
            if self.fields() == [Field::Word] {
                self.focus = Field::Word;
            }
        }
        self
    }

    /// Returns whether a character is text now, rather than a choice.
    pub fn typing(&self) -> bool {
        self.focus != Field::Choices
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        if !self.choices.is_empty() {
            fields.push(Field::Choices);
        }
        if self.comment.is_some() {
            fields.push(Field::Comment);
        }
        if self.note.is_some() {
            fields.push(Field::Note);
        }
        if self.word.is_some() {
            fields.push(Field::Word);
        }
        fields
    }

    fn fill_comment(&mut self) {
        if self.edited || self.comment.is_none() {
            return;
        }
        let text: Vec<_> = self
            .choices
            .iter()
            .zip(&self.picked)
            .filter(|(_, picked)| **picked)
            .map(|(choice, _)| choice.template)
            .collect();
        self.comment = Some(area(text.join(" ")));
    }

    fn pick(&mut self, at: usize) {
        if self.many {
            if let Some(flag) = self.picked.get_mut(at) {
                *flag = !*flag;
            }
        } else {
            for (index, flag) in self.picked.iter_mut().enumerate() {
                *flag = index == at;
            }
        }
        self.cursor = at;
        self.error = None;
        self.fill_comment();
    }

    fn step(&mut self, by: isize) {
        let fields = self.fields();
        let count = isize::try_from(fields.len()).unwrap_or(1).max(1);
        let at = fields.iter().position(|field| *field == self.focus).unwrap_or(0);
        let next = (isize::try_from(at).unwrap_or(0) + by).rem_euclid(count);
        if let Some(field) = fields.get(usize::try_from(next).unwrap_or(0)) {
            self.focus = *field;
        }
    }

    /// Inserts pasted text at the cursor, without control characters.
    pub fn paste(&mut self, pasted: &str) {
        let pasted = text::clean(pasted);
        match self.focus {
            Field::Comment => {
                if let Some(comment) = &mut self.comment {
                    self.edited |= comment.insert_str(pasted);
                }
            }
            Field::Note => insert(self.note.as_mut(), &pasted),
            Field::Word => insert(self.word.as_mut().map(|(_, input)| input), &pasted),
            Field::Choices => {}
        }
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Esc => return Outcome::Cancelled,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Outcome::Cancelled,
            KeyCode::Enter if plain => return self.submit(),
            KeyCode::Tab => {
                self.step(1);
                return Outcome::Open;
            }
            KeyCode::BackTab => {
                self.step(-1);
                return Outcome::Open;
            }
            _ => {}
        }
        match self.focus {
            Field::Choices => return self.choice_key(key, plain),
            Field::Comment => {
                if let Some(comment) = &mut self.comment {
                    self.edited |= comment.input(key);
                }
            }
            Field::Note => {
                if let Some(note) = &mut self.note {
                    note.handle_event(&Event::Key(key));
                }
            }
            Field::Word => {
                if let Some((_, input)) = &mut self.word {
                    input.handle_event(&Event::Key(key));
                }
            }
        }
        self.error = None;
        Outcome::Open
    }

    fn choice_key(&mut self, key: KeyEvent, plain: bool) -> Outcome {
        let last = self.choices.len().saturating_sub(1);
        match key.code {
            KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Char(' ') => self.pick(self.cursor),
            KeyCode::Char(letter) if plain => {
                if let Some(at) = self.choices.iter().position(|choice| choice.key == letter) {
                    self.pick(at);
                    if self.at_once {
                        return self.submit();
                    }
                } else if self.fields().is_empty() {
                    return match letter {
                        'y' => self.submit(),
                        'n' | 'q' => Outcome::Cancelled,
                        _ => Outcome::Open,
                    };
                }
            }
            _ => {}
        }
        Outcome::Open
    }

    fn submit(&mut self) -> Outcome {
        if self.at_once && !self.picked.contains(&true) {
            self.pick(self.cursor);
        }
        let picked: Vec<usize> = self.picked.iter().enumerate().filter(|(_, flag)| **flag).map(|(at, _)| at).collect();
        if !self.choices.is_empty() && picked.is_empty() {
            self.focus = Field::Choices;
            self.error = Some("choose a reason by its letter first".into());
            return Outcome::Open;
        }
        let filled = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let note = self.note.as_ref().and_then(|note| filled(note.value().to_owned()));
        if self.note_needed && note.is_none() {
            self.error = Some("write something first".into());
            return Outcome::Open;
        }
        if let Some((word, input)) = &self.word
            && input.value().trim() != *word
        {
            self.error = Some(format!("type `{word}` to confirm"));
            self.focus = Field::Word;
            return Outcome::Open;
        }
        let comment = if self.edited {
            self.comment.as_ref().and_then(|comment| filled(comment.lines().join("\n")))
        } else {
            None
        };
        if self.comment_needed && comment.is_none() {
            self.focus = Field::Comment;
            self.error = Some("write something first".into());
            return Outcome::Open;
        }
        Outcome::Filled(Filled { picked, comment, note })
    }

    /// Draws the form in the middle; returns the position of the cursor.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: Theme) -> Option<Position> {
        let width = area.width.saturating_sub(4).min(78);
        let columns = usize::from(width.saturating_sub(4));
        let mut head: Vec<Line<'_>> = Vec::new();
        for line in &self.lines {
            head.extend(text::wrap(line, columns).into_iter().map(Line::raw));
        }
        let comment_rows = if self.comment.is_some() { 4 } else { 0 };
        let one = |there: bool| u16::from(there);
        let body = head.len()
            + self.choices.len()
            + usize::from(
                comment_rows + one(self.comment.is_some()) + one(self.note.is_some()) + one(self.word.is_some()),
            )
            + 2;
        let area = centred(area, width, u16::try_from(body + 2).unwrap_or(u16::MAX));
        Clear.render(area, buf);
        let verb = if self.at_once {
            "a letter chooses · Esc cancels"
        } else if self.fields().is_empty() {
            "y or Enter confirms · Esc cancels"
        } else {
            "Enter confirms · Esc cancels"
        };
        let title = if self.danger { format!("! {}", self.title) } else { self.title.clone() };
        let inner = rows::pane(area, buf, theme, &title, "", true);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let mut row = 0;
        let mut put = |line: &Line<'_>| {
            rows::put(buf, inner, row, line);
            row += 1;
        };
        head.iter().for_each(&mut put);
        for (at, choice) in self.choices.iter().enumerate() {
            let on = self.picked.get(at).copied().unwrap_or(false);
            let mark = match (self.many, on) {
                (true, true) => "[x]",
                (true, false) => "[ ]",
                (false, true) => "(•)",
                (false, false) => "( )",
            };
            let cursor = if at == self.cursor && self.focus == Field::Choices { "▸ " } else { "  " };
            let style = if on { Style::Title } else { Style::Plain };
            put(&Line::from(vec![
                Span::raw(cursor),
                Span::styled(choice.key.to_string(), theme.style(Style::Accent).add_modifier(Modifier::BOLD)),
                Span::raw(format!("  {mark} ")),
                Span::styled(text::clean(&choice.label).into_owned(), theme.style(style)),
            ]));
        }
        let mut cursor = None;
        let label = |name: &str, focused: bool| {
            Span::styled(name.to_owned(), theme.style(if focused { Style::Accent } else { Style::Faint }))
        };
        if let Some(comment) = &self.comment {
            let focused = self.focus == Field::Comment;
            let hint = if focused { "  (Alt-Enter: new line)" } else { "  (Tab to edit)" };
            rows::put(buf, inner, row, &Line::from(vec![label(self.reader, focused), label(hint, false)]));
            row += 1;
            let room = Rect { y: inner.y + row, height: comment_rows.min(inner.height.saturating_sub(row)), ..inner };
            comment.render(room, buf);
            if focused {
                let at = comment.screen_cursor();
                cursor = Some((u16::try_from(at.col).unwrap_or(0), row + u16::try_from(at.row).unwrap_or(0)));
            }
            row += comment_rows;
        }
        let mut input = |name: &str, input: &Input, focused: bool| {
            let room = columns.saturating_sub(text::width(name) + 2);
            let scroll = input.visual_scroll(room);
            let shown: String = input.value().chars().skip(scroll).collect();
            rows::put(
                buf,
                inner,
                row,
                &Line::from(vec![label(name, focused), Span::raw("  "), Span::raw(text::cut(&shown, room + 1))]),
            );
            if focused {
                let x = text::width(name) + 2 + input.visual_cursor().saturating_sub(scroll);
                cursor = Some((u16::try_from(x).unwrap_or(0), row));
            }
            row += 1;
        };
        if let Some(note) = &self.note {
            input("note (staff only)", note, self.focus == Field::Note);
        }
        if let Some((word, typed)) = &self.word {
            input(&format!("type `{word}`"), typed, self.focus == Field::Word);
        }
        let foot = match &self.error {
            Some(error) => Line::styled(format!("✖ {error}"), theme.style(Style::Bad)),
            None => Line::styled(verb, theme.style(Style::Faint)),
        };
        rows::put(buf, inner, inner.height.saturating_sub(1), &foot);
        cursor.map(|(x, y)| Position::new(inner.x + x.min(inner.width.saturating_sub(1)), inner.y + y))
    }
}

fn area(text: String) -> TextArea<'static> {
    let mut area = TextArea::new(vec![text]);
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_cursor_line_style(ratatui::style::Style::new());
    area.set_cursor_style(ratatui::style::Style::new());
    area.move_cursor(ratatui_textarea::CursorMove::End);
    area
}

fn insert(input: Option<&mut Input>, text: &str) {
    if let Some(input) = input {
        for c in text.chars() {
            input.handle(tui_input::InputRequest::InsertChar(c));
        }
    }
}

#[cfg(test)]
mod tests;
