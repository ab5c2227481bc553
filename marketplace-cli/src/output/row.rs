//! How a type describes itself to the printer: its columns, its fields, its card.

use serde::Serialize;

use super::card::{Card, View};

/// The kind of value in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; cut when the terminal is too narrow.
    Text,
    /// Text that is wrapped when the terminal is too narrow.
    Wrapped,
    /// Never cut, because it is for copying.
    Id,
    /// A time.
    Time,
    /// Right-aligned.
    Number,
    /// A word with a tone.
    State,
    /// An amount with its currency, right-aligned.
    Money,
    /// Who did something: by name, where it is known.
    Who,
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
    /// Whether a narrow terminal omits it.
    pub optional: bool,
}

impl Column {
    /// Creates a column that is always shown.
    pub const fn new(head: &'static str, path: &'static str, kind: Kind) -> Self {
        Self { head, path, kind, optional: false }
    }
    /// Creates a column that a narrow terminal omits.
    pub const fn optional(head: &'static str, path: &'static str, kind: Kind) -> Self {
        Self { head, path, kind, optional: true }
    }
}

/// How the lists of a type are ordered by time.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    /// Dotted path of the time.
    pub path: &'static str,
    /// The list whose cursors are positions in time, newest first; none when there is no such cursor.
    pub list: Option<&'static str>,
    /// In which order rows come.
    pub order: Order,
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By falling time.
    NewestFirst,
    /// By rising time.
    OldestFirst,
    /// It depends on the filter.
    Mixed,
}

/// A type that can be printed.
pub trait Row: Serialize + Sync {
    /// The columns of its table.
    const COLUMNS: &'static [Column];
    /// Whether it says who did something, by ids in the place of which people read names.
    const HAS_PEOPLE: bool = false;
    /// Dotted path of its id.
    fn id() -> String;
    /// Every dotted path that it can have: what `--fields` accepts, and the columns of CSV.
    fn fields() -> Vec<String>;
    /// Returns the time of a row, for `--since` and `--until`; none when it has none.
    fn timeline() -> Option<Timeline> {
        None
    }
    /// Returns everything about one item, for people.
    fn card(&self, _view: &View) -> Option<Card> {
        None
    }
}
