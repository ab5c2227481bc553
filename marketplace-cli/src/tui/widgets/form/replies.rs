//! Own texts in a form: choosing and inserting one.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{
    super::{
        super::{
            replies::{Reply, fill},
            text,
            theme::{Style, Theme},
        },
        centred, rows,
    },
    Field, Form, area, insert,
};

impl Form {
    /// Offers own texts, with what their placeholders stand for besides what the form knows.
    pub fn offer(&mut self, replies: &[Reply], facts: Vec<(&'static str, String)>) {
        self.replies = replies.to_vec();
        self.facts.extend(facts);
    }

    /// Adds what a placeholder stands for.
    #[must_use]
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Asks which text is to be inserted; the only one is inserted at once.
    pub fn choose_reply(&mut self) {
        if !matches!(self.focus, Field::Comment | Field::Note) {
            match (&self.comment, &self.note) {
                (Some(_), _) => self.focus = Field::Comment,
                (None, Some(_)) => self.focus = Field::Note,
                (None, None) => {
                    self.error = Some("there is no text to be written here".into());
                    return;
                }
            }
        }
        match self.replies.len() {
            0 => self.error = Some("you have no own texts yet: they are under [replies] in the settings".into()),
            1 => self.insert_reply(0),
            _ => self.choosing = Some(0),
        }
    }

    pub(super) fn reply_key(&mut self, key: KeyEvent) {
        let Some(at) = self.choosing else { return };
        let last = self.replies.len().saturating_sub(1);
        match key.code {
            KeyCode::Down => self.choosing = Some((at + 1).min(last)),
            KeyCode::Up => self.choosing = Some(at.saturating_sub(1)),
            KeyCode::Enter => self.insert_reply(at),
            KeyCode::Esc => self.choosing = None,
            KeyCode::Char(letter) => {
                if let Some(at) = ('a'..='z').position(|known| known == letter).filter(|at| *at <= last) {
                    self.insert_reply(at);
                }
            }
            _ => {}
        }
    }

    fn insert_reply(&mut self, at: usize) {
        self.choosing = None;
        let Some(reply) = self.replies.get(at) else { return };
        let said = text::pasted(&fill(&reply.text, &self.facts));
        self.inserted = true;
        self.error = None;
        match self.focus {
            Field::Note => insert(self.note.as_mut(), &text::pasted_line(&said)),
            _ => {
                if let Some(comment) = &mut self.comment {
                    let before = comment.lines().join("\n");
                    let gap = if before.is_empty() || before.ends_with(char::is_whitespace) { "" } else { " " };
                    comment.insert_str(format!("{gap}{}", said.trim()));
                    self.edited = true;
                }
            }
        }
    }

    /// Fills in what a macro says: codes of choices, and after a colon the text; only the text where nothing is chosen.
    pub fn prefill(&mut self, with: &str) {
        // What was dropped in the same form is not what the macro says.
        self.forget_draft();
        if with.is_empty() {
            return;
        }
        let mut said = with;
        if !self.choices.is_empty() {
            let (codes, rest) = with.split_once(':').unwrap_or((with, ""));
            said = rest.trim();
            for code in codes.split(',').map(str::trim) {
                let words = text::words(code);
                let meant = |label: &str| label.split("  ").next() == Some(words.as_str());
                match self.choices.iter().position(|choice| meant(&choice.label)) {
                    Some(at) if self.picked.get(at) == Some(&true) => {}
                    Some(at) => self.pick(at),
                    None => self.error = Some(format!("`{code}` is no choice here")),
                }
            }
        }
        if said.is_empty() {
            return;
        }
        let said = fill(said, &self.facts);
        self.inserted = true;
        if self.comment.is_some() {
            self.comment = Some(area(&said));
            self.edited = true;
        } else if self.note.is_some() {
            self.note = Some(said.into());
        }
    }

    pub(super) fn draw_replies(&self, form: Rect, buf: &mut Buffer, theme: Theme, at: usize) {
        let high = u16::try_from(self.replies.len() + 2).unwrap_or(u16::MAX).min(form.height);
        let place = centred(form, form.width.saturating_sub(4), high);
        Clear.render(place, buf);
        let inner = rows::pane(place, buf, theme, "Own texts", "a letter inserts · Esc", true);
        let skip = at.saturating_sub(usize::from(inner.height).saturating_sub(1));
        let names = self.replies.iter().map(|reply| text::width(&reply.name)).max().unwrap_or(0).min(24);
        for (row, (index, reply)) in (0..inner.height).zip(self.replies.iter().enumerate().skip(skip)) {
            let letter = ('a'..='z').nth(index).unwrap_or(' ');
            let line = Line::from(vec![
                Span::raw(if index == at { "▸ " } else { "  " }),
                Span::styled(letter.to_string(), theme.style(Style::Accent)),
                Span::raw(format!("  {}  ", text::left(&reply.name, names))),
                Span::styled(text::clean(&text::pasted_line(&reply.text)).into_owned(), theme.style(Style::Faint)),
            ]);
            rows::put(buf, inner, row, &line);
        }
    }
}
