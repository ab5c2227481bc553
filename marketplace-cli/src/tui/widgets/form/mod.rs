//! The dialog before a change: reasons with one-letter keys, a comment, a note, a word to type.
//! A single key changes something only if the change can be undone.

mod drafts;
mod replies;

use std::cell::{Cell, RefCell};

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
        confirmation, privacy,
        replies::{Reply, unfilled},
        text,
        theme::{Style, Theme},
    },
    centred, rows,
};

pub use self::drafts::{Draft, Drafts};

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
    /// One of the inputs.
    Input(usize),
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
    /// What was written into the inputs, in their order.
    pub inputs: Vec<String>,
}

/// A line of text with a label.
struct Labelled {
    label: &'static str,
    needed: bool,
    input: Input,
}

impl Labelled {
    /// Returns the label without what explains it.
    fn name(&self) -> &'static str {
        self.label.split(" (").next().unwrap_or(self.label)
    }
}

/// Says what is wrong with what was filled in.
type Check = Box<dyn Fn(&Filled) -> Result<(), String>>;

/// What a form begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Blank {
    picked: Vec<bool>,
    note: String,
    inputs: Vec<String>,
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
    /// Whether Enter picks the choice under the cursor: the first one only once somebody moved there.
    pointed: bool,
    picked: Vec<bool>,
    cursor: usize,
    comment: Option<TextArea<'static>>,
    reader: &'static str,
    comment_needed: bool,
    edited: bool,
    inputs: Vec<Labelled>,
    note: Option<Input>,
    note_needed: bool,
    word: Option<(String, Input)>,
    focus: Field,
    error: Option<String>,
    /// Where what was typed is kept when the form is left, and under which name.
    draft: Option<(Drafts, String)>,
    about: Option<String>,
    /// What was filled in before the draft was.
    blank: Option<Blank>,
    /// Choices that are about something of which there are several, each with its letter and what it is about.
    bound: Vec<(char, String)>,
    /// What is wrong with what was filled in, if anything is.
    check: Option<Check>,
    /// Own texts that can be inserted, and what their placeholders stand for.
    replies: Vec<Reply>,
    facts: Vec<(&'static str, String)>,
    /// The text under the cursor, while one is chosen.
    choosing: Option<usize>,
    /// Whether a text with placeholders was inserted: none may be left then.
    inserted: bool,
    /// Where the choices and fields were drawn last.
    places: RefCell<Vec<(Rect, Place)>>,
    /// The first choice that was drawn.
    offset: Cell<usize>,
}

/// What is at a place of a form.
#[derive(Debug, Clone, Copy)]
enum Place {
    Choice(usize),
    Field(Field),
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
            pointed: false,
            picked: Vec::new(),
            cursor: 0,
            comment: None,
            reader: "the worker reads",
            comment_needed: false,
            edited: false,
            inputs: Vec::new(),
            note: None,
            note_needed: false,
            word: None,
            focus: Field::Choices,
            error: None,
            draft: None,
            about: None,
            blank: None,
            bound: Vec::new(),
            check: None,
            replies: Vec::new(),
            facts: Vec::new(),
            choosing: None,
            inserted: false,
            places: RefCell::default(),
            offset: Cell::new(0),
        }
    }
    /// Names what the form is about, so that what was typed comes back when the same is asked about the same again.
    #[must_use]
    pub fn about(mut self, ids: impl IntoIterator<Item = impl std::fmt::Debug>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(|id| format!("{id:?}")).collect();
        self.about = Some(ids.join(" "));
        self
    }
    /// Says what the choice of a letter is about, where there are several of its kind: it is chosen again only about the same.
    #[must_use]
    pub fn bound(mut self, letter: char, to: impl std::fmt::Debug) -> Self {
        self.bound.push((letter, format!("{to:?}")));
        self
    }
    /// Says what is wrong with what was filled in, before it is confirmed.
    #[must_use]
    pub fn checked_by(mut self, check: impl Fn(&Filled) -> Result<(), String> + 'static) -> Self {
        self.check = Some(Box::new(check));
        self
    }
    /// Returns whether texts are written into it that nothing keeps when it is left.
    pub fn loses_texts(&self) -> bool {
        self.about.is_none() && (self.comment.is_some() || self.note.is_some() || !self.inputs.is_empty())
    }

    /// Fills in what was typed before the same form was left, and keeps what is typed from now on. What was not touched then is as
    /// the form begins now.
    pub fn keep_in(&mut self, drafts: &Drafts) {
        let Some(about) = &self.about else { return };
        let name = drafts::name(&self.title, about);
        self.blank = Some(self.as_it_is());
        if let Some(draft) = drafts.get(&name) {
            let picked = draft.picked.unwrap_or_default();
            let again: Vec<bool> = self.choices.iter().map(|choice| picked.contains(&self.meaning(choice))).collect();
            if again.contains(&true) {
                self.picked = again;
            }
            match draft.comment {
                Some(words) if self.comment.is_some() => {
                    self.comment = Some(area(&words));
                    self.edited = true;
                }
                _ => self.fill_comment(),
            }
            if let (Some(note), Some(text)) = (&mut self.note, draft.note) {
                *note = text.into();
            }
            for (labelled, text) in self.inputs.iter_mut().zip(draft.inputs) {
                if let Some(text) = text {
                    labelled.input = text.into();
                }
            }
        }
        self.draft = Some((drafts.clone(), name));
    }

    /// Returns what a choice stands for, whichever place it has.
    fn meaning(&self, choice: &Choice) -> String {
        let about = self.bound.iter().find(|(letter, _)| *letter == choice.key).map(|(_, about)| about);
        format!("{} {}", choice.key, about.unwrap_or(&choice.label))
    }

    /// Removes what was filled in from a draft.
    fn forget_draft(&mut self) {
        let Some(blank) = self.blank.clone() else { return };
        self.picked = blank.picked;
        self.edited = false;
        if self.comment.is_some() {
            self.comment = Some(area(""));
        }
        self.fill_comment();
        if let Some(note) = &mut self.note {
            *note = blank.note.into();
        }
        for (labelled, text) in self.inputs.iter_mut().zip(blank.inputs) {
            labelled.input = text.into();
        }
    }

    fn as_it_is(&self) -> Blank {
        let note = self.note.as_ref().map_or("", |note| note.value()).to_owned();
        let inputs = self.inputs.iter().map(|labelled| labelled.input.value().to_owned()).collect();
        Blank { picked: self.picked.clone(), note, inputs }
    }

    fn filled_in(&self) -> Draft {
        let (now, blank) = (self.as_it_is(), self.blank.as_ref());
        let comment = self.comment.as_ref().filter(|_| self.edited).map(|comment| comment.lines().join("\n"));
        let is_picked = self.choices.iter().zip(&self.picked).filter(|(_, picked)| **picked);
        let picked = is_picked.map(|(choice, _)| self.meaning(choice)).collect();
        let picked = Some(picked).filter(|_| blank.is_none_or(|blank| blank.picked != now.picked));
        let note = Some(now.note).filter(|note| blank.is_none_or(|blank| blank.note != *note));
        let before = |at: usize| blank.and_then(|blank| blank.inputs.get(at));
        let inputs = now.inputs.into_iter().enumerate();
        let inputs = inputs.map(|(at, text)| Some(text).filter(|text| before(at) != Some(text))).collect();
        Draft { picked, comment, note, inputs }
    }

    /// Returns whether what is typed is kept when it is left.
    pub fn keeps(&self) -> bool {
        self.draft.is_some()
    }

    /// Leaves the form, and keeps what was typed.
    pub fn leave(&self) -> Outcome {
        if let Some((drafts, name)) = &self.draft {
            drafts.put(name, self.filled_in());
        }
        Outcome::Cancelled
    }

    /// Handles a click at a position.
    pub fn click(&mut self, at: Position) -> Outcome {
        let place = self.places.borrow().iter().find(|(area, _)| area.contains(at)).map(|(_, place)| *place);
        match place {
            Some(Place::Choice(choice)) => {
                self.focus = Field::Choices;
                self.pick(choice);
                if self.at_once {
                    return self.submit();
                }
            }
            Some(Place::Field(field)) => self.focus = field,
            None => {}
        }
        Outcome::Open
    }

    /// Moves among the choices, for the wheel.
    pub fn scroll(&mut self, lines: isize) {
        self.pointed = true;
        self.cursor = self.cursor.saturating_add_signed(lines).min(self.choices.len().saturating_sub(1));
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
    /// Lets Enter pick the first choice, where nothing is recorded.
    #[must_use]
    pub fn first_by_default(mut self) -> Self {
        self.pointed = true;
        self
    }
    /// Adds a mandatory text for `reader`, with the focus.
    #[must_use]
    pub fn with_words(mut self, reader: &'static str) -> Self {
        self.comment = Some(area(""));
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
        self.comment = Some(area(""));
        self.fill_comment();
        self
    }
    /// Adds a line of text with a label, which may be left empty or not.
    #[must_use]
    pub fn with_input(mut self, label: &'static str, needed: bool) -> Self {
        self.inputs.push(Labelled { label, needed, input: Input::default() });
        if self.choices.is_empty() && self.inputs.len() == 1 {
            self.focus = Field::Input(0);
        }
        self
    }
    /// Fills in the latest line of text.
    #[must_use]
    pub fn filled_with(mut self, text: String) -> Self {
        if let Some(labelled) = self.inputs.last_mut() {
            labelled.input = text.into();
        }
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
        self.focus != Field::Choices && self.choosing.is_none()
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        if !self.choices.is_empty() {
            fields.push(Field::Choices);
        }
        if self.comment.is_some() {
            fields.push(Field::Comment);
        }
        fields.extend((0..self.inputs.len()).map(Field::Input));
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
        self.comment = Some(area(&text.join(" ")));
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

    /// Returns whether an arrow leads to another field: beyond the last choice, and from a single line, but never around.
    fn leaves(&self, by: isize) -> bool {
        let inside = match self.focus {
            Field::Comment => true,
            Field::Choices if by > 0 => self.cursor + 1 < self.choices.len(),
            Field::Choices => self.cursor > 0,
            Field::Input(_) | Field::Note | Field::Word => false,
        };
        let fields = self.fields();
        let last = if by > 0 { fields.last() } else { fields.first() };
        !inside && last != Some(&self.focus)
    }

    /// Inserts pasted text at the cursor, without control characters; with its lines where there can be several.
    pub fn paste(&mut self, pasted: &str) {
        let line = text::pasted_line(pasted);
        self.error = None;
        match self.focus {
            Field::Comment => {
                if let Some(comment) = &mut self.comment {
                    self.edited |= comment.insert_str(text::pasted(pasted));
                }
            }
            Field::Input(at) => insert(self.inputs.get_mut(at).map(|labelled| &mut labelled.input), &line),
            Field::Note => insert(self.note.as_mut(), &line),
            Field::Word => insert(self.word.as_mut().map(|(_, input)| input), &line),
            Field::Choices => {}
        }
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        if self.choosing.is_some() {
            self.reply_key(key);
            return Outcome::Open;
        }
        match key.code {
            KeyCode::Esc => return self.leave(),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return self.leave(),
            KeyCode::Enter if plain => return self.submit(),
            KeyCode::Tab => {
                self.step(1);
                return Outcome::Open;
            }
            KeyCode::BackTab => {
                self.step(-1);
                return Outcome::Open;
            }
            KeyCode::Down if plain && self.leaves(1) => {
                self.step(1);
                return Outcome::Open;
            }
            KeyCode::Up if plain && self.leaves(-1) => {
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
            Field::Input(at) => {
                if let Some(labelled) = self.inputs.get_mut(at) {
                    labelled.input.handle_event(&Event::Key(key));
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
        self.pointed |= matches!(key.code, KeyCode::Down | KeyCode::Up);
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
        if self.at_once && self.pointed && !self.picked.contains(&true) {
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
        let inputs: Vec<String> = self.inputs.iter().map(|labelled| labelled.input.value().trim().to_owned()).collect();
        let empty = self.inputs.iter().zip(&inputs).position(|(labelled, text)| labelled.needed && text.is_empty());
        if let Some(at) = empty {
            self.focus = Field::Input(at);
            self.error = self.inputs.get(at).map(|labelled| format!("{}: write something first", labelled.name()));
            return Outcome::Open;
        }
        if self.note_needed && note.is_none() {
            self.focus = Field::Note;
            self.error = Some("note: write something first".into());
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
        if self.inserted
            && let Some(left) = [&comment, &note].into_iter().flatten().find_map(|text| unfilled(text))
        {
            self.error = Some(format!("write what {left} stands for first"));
            return Outcome::Open;
        }
        let filled = Filled { picked, comment, note, inputs };
        if let Some(Err(why)) = self.check.as_ref().map(|check| check(&filled)) {
            self.error = Some(why);
            return Outcome::Open;
        }
        if let Some((drafts, name)) = &self.draft {
            drafts.send(name, self.filled_in());
        }
        Outcome::Filled(filled)
    }

    /// Draws the form in the middle; returns the position of the cursor.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: Theme) -> Option<Position> {
        let margin = if area.width < 70 { 0 } else { 4 };
        let width = area.width.saturating_sub(margin).min(78);
        let columns = usize::from(width.saturating_sub(4));
        let plan = self.plan(columns, usize::from(area.height.saturating_sub(2)));
        let area = centred(area, width, u16::try_from(plan.rows() + 2).unwrap_or(u16::MAX));
        Clear.render(area, buf);
        let title = if self.danger { format!("! {}", self.title) } else { self.title.clone() };
        let inner = rows::pane(area, buf, theme, &title, "", true);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        self.places.borrow_mut().clear();
        let mut row = 0;
        for line in &plan.head {
            rows::put(buf, inner, row, &Line::raw(line.as_str()));
            row += 1;
        }
        row = self.draw_choices(inner, row, &plan, buf, theme);
        let mut cursor = None;
        let label = |name: &str, focused: bool| {
            Span::styled(name.to_owned(), theme.style(if focused { Style::Accent } else { Style::Faint }))
        };
        if let Some(comment) = &self.comment {
            let focused = self.focus == Field::Comment;
            let hint = if focused { "  (Alt-Enter: new line)" } else { "  (Tab to edit)" };
            rows::put(buf, inner, row, &Line::from(vec![label(self.reader, focused), label(hint, false)]));
            let top = row;
            row += 1;
            let high = u16::try_from(plan.comment).unwrap_or(1).min(inner.height.saturating_sub(row));
            let room = Rect { y: inner.y + row, height: high, ..inner };
            comment.render(room, buf);
            privacy::mark(room, buf);
            if focused {
                let at = comment.screen_cursor();
                cursor = Some((u16::try_from(at.col).unwrap_or(0), row + u16::try_from(at.row).unwrap_or(0)));
            }
            row += high;
            self.place(Rect { y: inner.y + top, height: high + 1, ..inner }, Place::Field(Field::Comment));
        }
        let mut input = |name: &str, input: &Input, field: Field| {
            let focused = self.focus == field;
            let room = columns.saturating_sub(text::width(name) + 2);
            let (shown, at) = super::input::window(input, room, focused);
            rows::put(
                buf,
                inner,
                row,
                &Line::from(vec![
                    label(name, focused),
                    Span::raw("  "),
                    Span::styled(shown, privacy::private(theme.style(Style::Plain))),
                ]),
            );
            if focused {
                let x = text::width(name) + 2 + at;
                cursor = Some((u16::try_from(x).unwrap_or(0), row));
            }
            self.place(Rect { y: inner.y + row, height: 1, ..inner }, Place::Field(field));
            row += 1;
        };
        for (at, labelled) in self.inputs.iter().enumerate() {
            input(labelled.label, &labelled.input, Field::Input(at));
        }
        if let Some(note) = &self.note {
            input("note (staff only)", note, Field::Note);
        }
        if let Some((word, typed)) = &self.word {
            input(&format!("type `{word}`"), typed, Field::Word);
        }
        let foot = match &self.error {
            Some(error) => Line::styled(format!("✖ {error}"), theme.style(Style::Bad)),
            None if self.at_once => Line::styled("a letter chooses · Esc cancels", theme.style(Style::Faint)),
            None if self.fields().is_empty() => {
                Line::styled("y or Enter confirms · Esc cancels", theme.style(Style::Faint))
            }
            None if self.focus == Field::Choices && self.fields().len() > 1 => {
                Line::styled("Tab: to the next field · Enter confirms · Esc cancels", theme.style(Style::Faint))
            }
            None => Line::styled("Enter confirms · Esc cancels", theme.style(Style::Faint)),
        };
        rows::put(buf, inner, inner.height.saturating_sub(1), &foot);
        if let Some(at) = self.choosing {
            self.draw_replies(area, buf, theme, at);
            return None;
        }
        cursor.map(|(x, y)| {
            Position::new(
                inner.x + x.min(inner.width.saturating_sub(1)),
                inner.y + y.min(inner.height.saturating_sub(1)),
            )
        })
    }

    fn place(&self, area: Rect, place: Place) {
        self.places.borrow_mut().push((area, place));
    }

    /// Decides how the form fits into so many columns and rows: what is said first becomes shorter, then the choices stand
    /// side by side, then they are scrolled. Nothing that is filled in is ever left out.
    fn plan(&self, columns: usize, room: usize) -> Plan {
        let head: Vec<String> = self.lines.iter().flat_map(|line| text::wrap(line, columns)).collect();
        let one = |there: bool| usize::from(there);
        let fixed =
            one(self.comment.is_some()) + self.inputs.len() + one(self.note.is_some()) + one(self.word.is_some()) + 1;
        let written = if self.comment.is_some() { [4, 2, 1].as_slice() } else { &[0] };
        let full = Plan { head, across: 1, choices: self.choices.len(), comment: 0, fixed, spare: 1 };
        let least = 8 + self.choices.iter().map(|choice| text::width(&choice.label).min(20)).max().unwrap_or(0);
        let mut plan = full;
        for across in 1..=(columns / least.max(1)).clamp(1, 3) {
            for comment in written {
                plan.across = across;
                plan.choices = self.choices.len().div_ceil(across);
                plan.comment = *comment;
                for spare in [1, 0] {
                    plan.spare = spare;
                    if plan.rows() <= room {
                        return plan;
                    }
                }
            }
        }
        plan.head.retain(|line| !line.is_empty());
        let whole = plan.head.len();
        while plan.rows() > room && plan.head.len() > 1 {
            plan.head.pop();
        }
        if plan.head.len() < whole
            && let Some(last) = plan.head.last_mut()
        {
            *last = text::ended(last, columns);
        }
        while plan.rows() > room && plan.choices > 1 {
            plan.choices -= 1;
        }
        while plan.rows() > room && !plan.head.is_empty() {
            plan.head.pop();
        }
        plan
    }

    /// Draws the choices from a row on; returns the row after them.
    fn draw_choices(&self, inner: Rect, from: u16, plan: &Plan, buf: &mut Buffer, theme: Theme) -> u16 {
        // In columns of several, one letter after the other from top to bottom.
        let high = self.choices.len().div_ceil(plan.across.max(1));
        let shown = plan.choices.min(high);
        let at_row = if high == 0 { 0 } else { self.cursor % high };
        let mut offset = self.offset.get().min(high.saturating_sub(shown));
        if at_row < offset {
            offset = at_row;
        } else if shown > 0 && at_row >= offset + shown {
            offset = at_row + 1 - shown;
        }
        self.offset.set(offset);
        let wide = inner.width / u16::try_from(plan.across.max(1)).unwrap_or(1);
        for (at, choice) in self.choices.iter().enumerate() {
            let (column, line) = (at / high.max(1), at % high.max(1));
            if !(offset..offset + shown).contains(&line) {
                continue;
            }
            let on = self.picked.get(at).copied().unwrap_or(false);
            let mark = match (self.many, on) {
                (true, true) => "[x]",
                (true, false) => "[ ]",
                (false, true) => "(•)",
                (false, false) => "( )",
            };
            let cursor = if at == self.cursor && self.focus == Field::Choices { "▸ " } else { "  " };
            let style = if on { Style::Title } else { Style::Plain };
            let x = inner.x + wide * u16::try_from(column).unwrap_or(0);
            let y = inner.y + from + u16::try_from(line - offset).unwrap_or(0);
            let place = Rect { x, y, width: wide, height: 1 }.intersection(inner);
            rows::put(
                buf,
                place,
                0,
                &Line::from(vec![
                    Span::raw(cursor),
                    Span::styled(choice.key.to_string(), theme.style(Style::Accent).add_modifier(Modifier::BOLD)),
                    Span::raw(if plan.across > 1 { format!(" {mark} ") } else { format!("  {mark} ") }),
                    Span::styled(text::clean(&choice.label).into_owned(), theme.style(style)),
                ]),
            );
            self.place(place, Place::Choice(at));
        }
        if shown < high {
            let more = format!(" {} of {high} ↕ ", offset + shown);
            let x = inner.right().saturating_sub(u16::try_from(text::width(&more)).unwrap_or(0));
            let y = inner.y + from + u16::try_from(shown).unwrap_or(1).saturating_sub(1);
            rows::put(
                buf,
                Rect { x, y, width: inner.right() - x, height: 1 },
                0,
                &Line::styled(more, theme.style(Style::Faint)),
            );
        }
        from + u16::try_from(shown).unwrap_or(0)
    }
}

/// How a form is laid out.
#[derive(Debug)]
struct Plan {
    /// What is said first.
    head: Vec<String>,
    /// Choices beside each other.
    across: usize,
    /// Rows of choices.
    choices: usize,
    /// Rows of the comment.
    comment: usize,
    /// Rows of labels, inputs and the last line.
    fixed: usize,
    /// Blank rows.
    spare: usize,
}

impl Plan {
    fn rows(&self) -> usize {
        self.head.len() + self.choices + self.comment + self.fixed + self.spare
    }
}

fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
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
