//! How a type describes itself to the printer: its columns, its fields, its card.

use serde::Serialize;

use super::card::{Card, View};

/// What kind of value a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; cut when the terminal is too narrow.
    Text,
    /// Text that goes on below when the terminal is too narrow.
    Wrapped,
    /// Never cut: it is for copying.
    Id,
    /// A time.
    Time,
    /// Right-aligned.
    Number,
    /// A word with a tone.
    State,
    /// An amount with its currency, right-aligned.
    Money,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Heading.
    pub head: &'static str,
    /// Dotted path of the value.
    pub path: &'static str,
    /// How it is shown.
    pub kind: Kind,
    /// Whether a narrow terminal does without it.
    pub optional: bool,
}

impl Column {
    /// A column that is always there.
    pub const fn new(head: &'static str, path: &'static str, kind: Kind) -> Self {
        Self { head, path, kind, optional: false }
    }
    /// A column that a narrow terminal does without.
    pub const fn optional(head: &'static str, path: &'static str, kind: Kind) -> Self {
        Self { head, path, kind, optional: true }
    }
}

/// Something that can be printed.
pub trait Row: Serialize + Sync {
    /// The columns of its table.
    const COLUMNS: &'static [Column];
    /// Dotted path of its id.
    fn id() -> String;
    /// Every dotted path that it can have: what `--fields` takes, and the columns of CSV.
    fn fields() -> Vec<String>;
    /// Everything about one, for people.
    fn card(&self, _view: &View) -> Option<Card> {
        None
    }
}
