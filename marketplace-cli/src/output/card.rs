//! The card view of one item: labels and values, sections, lists.

use std::fmt::{Display, Write};

use marketplace_core::{base::principal::Principal, time::Timestamp};

use super::{people::People, safe, time::relative, tone::Tone};

/// The environment in which values are shown.
#[derive(Debug, Clone)]
pub struct View {
    /// The current time, for relative times.
    pub now: Timestamp,
    /// Whether the output is a terminal.
    pub terminal: bool,
    /// Whether colour may be used.
    pub color: bool,
    /// Names in place of ids.
    pub people: People,
}

impl View {
    /// Names whoever did something.
    pub fn who(&self, principal: &Principal) -> String {
        self.people.name(&principal.0).into_owned()
    }

    /// Formats a time: exact and relative on a terminal, RFC 3339 elsewhere.
    pub fn time(&self, at: Timestamp) -> String {
        let exact = at.to_string();
        if !self.terminal {
            return exact;
        }
        let near = relative(self.now, at);
        // Seconds are precise enough for people.
        let exact = match exact.split_once('.') {
            Some((seconds, _)) => format!("{seconds}Z"),
            None => exact,
        };
        if exact.starts_with(&near) { exact } else { format!("{near} ({exact})") }
    }
}

/// Lines about one item.
#[derive(Debug, Default)]
pub struct Card(Vec<Line>);

#[derive(Debug)]
enum Line {
    Pair { label: String, text: String, tone: Tone },
    Section(String),
    Item(String),
}

impl Card {
    /// Adds a label and its value.
    #[must_use]
    pub fn pair(self, label: &str, text: impl Display) -> Self {
        self.toned(label, text, Tone::Plain)
    }
    /// Adds a label and its value with a tone.
    #[must_use]
    pub fn toned(mut self, label: &str, text: impl Display, tone: Tone) -> Self {
        self.0.push(Line::Pair { label: label.into(), text: text.to_string(), tone });
        self
    }
    /// Adds a pair above all others.
    #[must_use]
    pub fn first(mut self, label: &str, text: impl Display, tone: Tone) -> Self {
        self.0.insert(0, Line::Pair { label: label.into(), text: text.to_string(), tone });
        self
    }
    /// Adds a label and its value, when there is one.
    #[must_use]
    pub fn maybe(self, label: &str, text: Option<impl Display>) -> Self {
        match text {
            Some(text) => self.pair(label, text),
            None => self,
        }
    }
    /// Adds a heading and its items; nothing when there are none.
    #[must_use]
    pub fn section(mut self, title: &str, items: impl IntoIterator<Item = String>) -> Self {
        let mut items = items.into_iter().map(Line::Item).peekable();
        if items.peek().is_some() {
            self.0.push(Line::Section(title.into()));
            self.0.extend(items);
        }
        self
    }

    /// Renders the card as text.
    pub fn render(&self, view: &View) -> String {
        let widest = self.0.iter().filter_map(|line| match line {
            Line::Pair { label, .. } => Some(label.chars().count()),
            Line::Section(_) | Line::Item(_) => None,
        });
        let width = widest.max().unwrap_or(0);
        let mut out = String::new();
        for line in &self.0 {
            match line {
                Line::Pair { label, text, tone } => {
                    let label = Tone::Faint.paint(&format!("{label:width$}"), view.color);
                    for (index, part) in safe::lines(text).enumerate() {
                        let start = if index == 0 { label.clone() } else { " ".repeat(width) };
                        put(&mut out, format_args!("{start}  {}\n", tone.paint(&part, view.color)));
                    }
                    if text.is_empty() {
                        put(&mut out, format_args!("{label}\n"));
                    }
                }
                Line::Section(title) => put(&mut out, format_args!("\n{}\n", Tone::Strong.paint(title, view.color))),
                Line::Item(text) => {
                    for (index, part) in safe::lines(text).enumerate() {
                        put(&mut out, format_args!("{}{part}\n", if index == 0 { "  " } else { "      " }));
                    }
                }
            }
        }
        out
    }
}

/// Appends formatted text; writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(text);
}
