//! The printer of every command: tables for people; json, jsonl, yaml, csv and ids for programs.
//!
//! To print a new type: implement [`Row`] in `output/rows.rs`, and add a sample to the test there that compares
//! [`Row::fields`] with the actual serialization.

pub mod card;
mod cards;
mod people;
mod row;
pub mod rows;
pub mod safe;
mod select;
mod table;
pub mod time;
mod tone;
mod transform;

use std::{
    io::{IsTerminal, Write},
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use marketplace_core::time::{Clock, SystemClock};
use rustix::event::{PollFd, PollFlags};
use serde::Serialize;
use serde_json::Value;
use serde_saphyr::DoubleQuoted;

pub use card::{Card, View};
pub use people::People;
pub use row::{Column, Kind, Order, Row, Timeline};
pub use select::{Selection, at, plain};
pub use tone::Tone;
pub use transform::{Transform, heed};

use crate::{
    args::{ColorChoice, Format},
    failure::{Failure, Outcome},
};

#[derive(Debug, Clone)]
enum Sink {
    Stdout,
    Memory(Arc<Mutex<Vec<u8>>>),
}

/// The destination and form of a command's output.
#[derive(Debug, Clone)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The requested fields; empty means the format's own choice.
    pub selection: Selection,
    /// Whether tables and CSV have a header.
    pub header: bool,
    /// Whether notes and progress are suppressed.
    pub quiet: bool,
    /// Columns of the terminal; `None` without a terminal.
    pub width: Option<u16>,
    /// Time, terminal and colour.
    pub view: View,
    /// What rows go through instead of a format: `--jq` or `--template`.
    transform: Option<Arc<Transform>>,
    sink: Sink,
}

impl Output {
    /// Creates the output on this process's stdout.
    pub fn stdout(format: Option<Format>, fields: Vec<String>, header: bool, quiet: bool, color: ColorChoice) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let width = if terminal { crossterm::terminal::size().ok().map(|(columns, _)| columns) } else { None };
        Self {
            format: format.unwrap_or(if terminal { Format::Table } else { Format::Jsonl }),
            selection: Selection(fields),
            header,
            quiet,
            width,
            view: View { now: SystemClock.now(), terminal, color: color.enabled(terminal), people: People::default() },
            transform: None,
            sink: Sink::Stdout,
        }
    }

    /// Creates an output in memory, with a view of the caller's choice.
    pub fn memory(format: Format, fields: &[&str], view: View) -> Self {
        Self {
            format,
            selection: Selection(fields.iter().map(|&field| field.to_owned()).collect()),
            header: true,
            quiet: false,
            width: None,
            view,
            transform: None,
            sink: Sink::Memory(Arc::default()),
        }
    }

    /// Returns what was written into memory so far.
    pub fn written(&self) -> String {
        match &self.sink {
            Sink::Stdout => String::new(),
            Sink::Memory(bytes) => {
                String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
            }
        }
    }

    /// Returns the output with the current time, unless the caller has set a time.
    fn at_present(&self) -> Self {
        let mut output = self.clone();
        if matches!(self.sink, Sink::Stdout) {
            output.view.now = SystemClock.now();
        }
        output
    }

    fn layout(&self) -> table::Layout<'_> {
        table::Layout { selection: &self.selection, header: self.header, width: self.width, view: &self.view }
    }

    /// Refuses fields that this type never has; call it before any work is done, also so that names can be had for the
    /// people in it.
    pub fn check<T: Row>(&self) -> Outcome {
        if T::HAS_PEOPLE && self.format == Format::Table && self.selection.0.is_empty() && !self.transforms() {
            self.view.people.want();
        }
        self.selection.check::<T>()
    }

    /// Returns whether a field that is shown once is certain to be in what is printed.
    pub fn shows(&self, field: &str) -> bool {
        let is_chosen = |chosen: &String| {
            field == chosen || field.strip_prefix(chosen.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        self.format != Format::Id
            && self.transform.is_none()
            && (self.selection.0.is_empty() || self.selection.0.iter().any(is_chosen))
    }

    /// Returns whether a text of `example` is in what `--jq` or `--template` makes of it.
    pub fn keeps(&self, example: &Value, text: &str) -> bool {
        let Some(transform) = self.transform.as_ref().filter(|_| self.format != Format::Id) else { return false };
        let picked =
            if self.selection.0.is_empty() { Ok(example.clone()) } else { value(&self.selection.pick(example)) };
        picked.and_then(|picked| transform.apply(&picked)).is_ok_and(|made| made.contains(text))
    }

    /// Returns whether stdout is a pipe or socket whose reader has gone away.
    pub fn is_abandoned(&self) -> bool {
        let stream = std::io::stdout();
        let mut stdout = [PollFd::new(&stream, PollFlags::empty())];
        let now = rustix::event::Timespec::default();
        let looked = matches!(self.sink, Sink::Stdout) && rustix::event::poll(&mut stdout, Some(&now)).is_ok();
        looked && stdout.iter().any(|stdout| stdout.revents().contains(PollFlags::ERR))
    }

    /// Writes all bytes to the data stream, and flushes.
    pub fn write(&self, bytes: &[u8]) -> Outcome {
        match &self.sink {
            Sink::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()?;
            }
            Sink::Memory(memory) => memory.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes),
        }
        Ok(())
    }

    /// Writes a line for people on stderr, unless `--quiet` was given.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Writes a line on stderr.
    pub fn warn(&self, text: &str) {
        // There is nowhere to report a closed stderr.
        let _closed = writeln!(std::io::stderr(), "{}", safe::line(text));
    }

    /// Returns whether progress bars are shown.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Starts a list.
    pub fn list<T: Row>(&self) -> List<'_, T> {
        List { output: self, rows: 0, started: false, widths: Vec::new(), kept: Vec::new(), row: PhantomData }
    }

    /// Returns the same output, whose rows go through `transform` instead of a format.
    #[must_use]
    pub fn through(mut self, transform: Option<Transform>) -> Self {
        self.transform = transform.map(Arc::new);
        self
    }

    /// Returns whether rows go through `--jq` or `--template`.
    pub fn transforms(&self) -> bool {
        self.transform.is_some()
    }

    /// Prints a value of any shape.
    pub fn value(&self, value: &Value) -> Outcome {
        let failed = |error: serde_json::Error| Failure::Other(error.into());
        let text = match (&self.transform, self.format) {
            (Some(transform), _) => transform.apply(value)?,
            (None, Format::Yaml) => yaml(value)?,
            (None, Format::Json | Format::Table) => {
                format!("{}\n", safe::json(serde_json::to_string_pretty(value).map_err(failed)?))
            }
            (None, _) => format!("{}\n", safe::json(serde_json::to_string(value).map_err(failed)?)),
        };
        self.write(text.as_bytes())
    }

    /// Prints one item.
    pub fn item<T: Row>(&self, item: &T) -> Outcome {
        if let Some(transform) = &self.transform {
            return self.write(transform.apply(&self.picked(item)?)?.as_bytes());
        }
        let text = match self.format {
            Format::Json => format!("{}\n", self.json(item, true)?),
            Format::Yaml => {
                if self.selection.0.is_empty() {
                    yaml(item)?
                } else {
                    yaml(&self.selection.pick(&value(item)?))?
                }
            }
            Format::Table => {
                let card = if self.selection.0.is_empty() { item.card(&self.view) } else { None };
                let card = match card {
                    Some(card) => card,
                    None => table::card::<T>(&self.layout(), &value(item)?),
                };
                card.render(&self.view)
            }
            Format::Jsonl | Format::Csv | Format::Id => return self.list().page(std::slice::from_ref(item)),
        };
        self.write(text.as_bytes())
    }

    /// Returns the chosen fields of an item as a value.
    fn picked<T: Row>(&self, item: &T) -> Outcome<Value> {
        let all = value(item)?;
        if self.selection.0.is_empty() { Ok(all) } else { value(&self.selection.pick(&all)) }
    }

    fn json<T: Row>(&self, item: &T, pretty: bool) -> Outcome<String> {
        let to_text = |item: &dyn erased::Json| if pretty { item.pretty() } else { item.compact() };
        let text =
            if self.selection.0.is_empty() { to_text(item) } else { to_text(&self.selection.pick(&value(item)?)) };
        text.map(safe::json).map_err(|error| Failure::Other(error.into()))
    }
}

/// One JSON function for typed rows and picked fields alike.
mod erased {
    pub trait Json {
        fn pretty(&self) -> serde_json::Result<String>;
        fn compact(&self) -> serde_json::Result<String>;
    }
    impl<T: serde::Serialize> Json for T {
        fn pretty(&self) -> serde_json::Result<String> {
            serde_json::to_string_pretty(self)
        }
        fn compact(&self) -> serde_json::Result<String> {
            serde_json::to_string(self)
        }
    }
}

fn value(item: &impl Serialize) -> Outcome<Value> {
    serde_json::to_value(item).map_err(|error| Failure::Other(error.into()))
}

fn yaml(item: &impl Serialize) -> Outcome<String> {
    let mut text = serde_saphyr::to_string(item).map_err(|error| Failure::Other(error.into()))?;
    if safe::needs_escape(&text) {
        // The serialiser escapes only control characters, and only double-quoted strings can have escapes.
        text = serde_saphyr::to_string(&Quoted(&value(item)?)).map_err(|error| Failure::Other(error.into()))?;
        text = safe::yaml(text);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// A value whose strings are double-quoted where they need escapes.
struct Quoted<'a>(&'a Value);

impl Serialize for Quoted<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if safe::needs_escape(text) => DoubleQuoted(text).serialize(to),
            Value::Array(items) => to.collect_seq(items.iter().map(Quoted)),
            Value::Object(fields) => to.collect_map(fields.iter().map(|(name, value)| (name, Quoted(value)))),
            other => other.serialize(to),
        }
    }
}

/// A list that is being written, page by page, in constant memory.
#[derive(Debug)]
pub struct List<'o, T> {
    output: &'o Output,
    rows: u64,
    started: bool,
    widths: Vec<u16>,
    /// The rows so far, where `--jq` is to have them all at once.
    kept: Vec<Value>,
    row: PhantomData<fn(&T)>,
}

impl<T: Row> List<'_, T> {
    /// Writes one page. If a row of a page fails, nothing of the page is written.
    pub fn page(&mut self, items: &[T]) -> Outcome {
        let first = self.rows == 0;
        if let Some(transform) = &self.output.transform {
            let rows = items.iter().map(|item| self.output.picked(item)).collect::<Outcome<Vec<_>>>()?;
            self.rows += items.len() as u64;
            if self.output.format == Format::Json {
                self.kept.extend(rows);
                return Ok(());
            }
            let text = rows.iter().map(|row| transform.apply(row)).collect::<Outcome<String>>()?;
            return self.output.write(text.as_bytes());
        }
        // A list may be followed for hours: its relative times refer to the current time.
        let present = self.output.at_present();
        let mut text = String::new();
        let mut left_out = Vec::new();
        match self.output.format {
            Format::Table => {
                let values = items.iter().map(value).collect::<Outcome<Vec<_>>>()?;
                (text, left_out) = table::page::<T>(&present.layout(), &values, first, &mut self.widths);
            }
            Format::Json => {
                for (index, item) in items.iter().enumerate() {
                    text.push_str(if first && index == 0 { "[\n  " } else { ",\n  " });
                    text.push_str(&self.output.json(item, true)?.replace('\n', "\n  "));
                }
            }
            Format::Jsonl => {
                for item in items {
                    text.push_str(&self.output.json(item, false)?);
                    text.push('\n');
                }
            }
            Format::Yaml if items.is_empty() => {}
            Format::Yaml => {
                text = if self.output.selection.0.is_empty() {
                    yaml(&items)?
                } else {
                    let picked = items
                        .iter()
                        .map(|item| Ok(self.output.selection.pick(&value(item)?)))
                        .collect::<Outcome<Vec<_>>>()?;
                    yaml(&picked)?
                };
            }
            Format::Csv => {
                let header = self.output.header && !self.started;
                let values = items.iter().map(value).collect::<Outcome<Vec<_>>>()?;
                text = table::csv::<T>(&self.output.selection, &values, header)?;
            }
            Format::Id => {
                let id = T::id();
                for item in items {
                    text.push_str(&safe::line(&plain(at(&value(item)?, &id))));
                    text.push('\n');
                }
            }
        }
        self.output.write(text.as_bytes())?;
        self.rows += items.len() as u64;
        self.started = true;
        if first && !left_out.is_empty() {
            let left_out = left_out.join(",");
            self.output.note(&format!("no room here for {left_out}; --fields shows them, and a wider terminal does"));
        }
        Ok(())
    }

    /// Returns how many rows were written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Closes open brackets. Call it after a failure too, once any page was written.
    pub fn finish(self) -> Outcome {
        if let Some(transform) = &self.output.transform {
            return match self.output.format {
                Format::Json => self.output.write(transform.apply(&Value::Array(self.kept))?.as_bytes()),
                _ => Ok(()),
            };
        }
        let text = match (self.output.format, self.rows) {
            (Format::Json | Format::Yaml, 0) if self.started => "[]\n",
            (Format::Json, 1..) => "\n]\n",
            _ => "",
        };
        self.output.write(text.as_bytes())
    }
}

/// Formats a number of bytes for people.
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (bytes >> (shift - 10)) * 10 / 1024;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}
