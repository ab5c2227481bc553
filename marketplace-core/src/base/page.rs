//! Keyset pages: a page costs the same at any depth, because a cursor names the last row, not a count of rows.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{
    error::{Error, Result},
    time::Timestamp,
};

/// Rows on a page unless asked otherwise.
pub const DEFAULT_LIMIT: u16 = 50;
/// Rows on a page at most.
pub const MAX_LIMIT: u16 = 200;

/// Which page: how many rows, after which cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct PageRequest {
    /// Rows wanted, 1 to 200.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200, default = 50))]
    pub limit: u16,
    /// The `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, after: None }
    }
}

impl PageRequest {
    /// Creates a request for the first page of `limit` rows.
    pub fn first(limit: u16) -> Self {
        Self { limit, after: None }
    }

    /// Returns the limit, checked, in the type that the databases accept.
    ///
    /// # Errors
    /// `invalid` outside 1 to [`MAX_LIMIT`].
    pub fn checked_limit(&self) -> Result<i64> {
        if (1..=MAX_LIMIT).contains(&self.limit) {
            Ok(i64::from(self.limit))
        } else {
            Err(Error::invalid("/limit", format!("must be from 1 to {MAX_LIMIT}")))
        }
    }

    /// Returns the decoded cursor of a list, if one was given; that of another list is refused.
    ///
    /// # Errors
    /// `invalid` for a text that is no cursor of this list.
    pub fn cursor_in<C: Cursor>(&self, list: &str) -> Result<Option<C>> {
        self.decoded(|plain| C::parse(plain.strip_prefix(list)?.strip_prefix('/')?))
    }

    /// Returns the decoded cursor, if one was given.
    ///
    /// # Errors
    /// `invalid` for a text that is no cursor of this kind.
    pub fn cursor<C: Cursor>(&self) -> Result<Option<C>> {
        self.decoded(C::parse)
    }

    fn decoded<C>(&self, parse: impl Fn(&str) -> Option<C>) -> Result<Option<C>> {
        let Some(text) = &self.after else { return Ok(None) };
        let plain = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let cursor = plain.and_then(|plain| parse(&plain));
        cursor.map(Some).ok_or_else(|| Error::invalid("/after", "is not a cursor that this list gave out"))
    }
}

/// One page, and the cursor of the next if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass as `after` to get the next page; null on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Creates a page from up to `limit + 1` rows; one row more than `limit` shows that there is a next page.
    pub fn from_rows<C: Cursor>(rows: Vec<T>, limit: i64, position: impl Fn(&T) -> C) -> Self {
        Self::cut(rows, limit, |row| encode(&position(row)))
    }

    /// Creates a page of a list like [`Page::from_rows`], whose cursor no other list takes; see [`PageRequest::cursor_in`].
    pub fn of_list<C: Cursor>(list: &str, rows: Vec<T>, limit: i64, position: impl Fn(&T) -> C) -> Self {
        Self::cut(rows, limit, |row| cursor_of(list, &position(row)))
    }

    fn cut(mut rows: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next }
    }

    /// Returns the same page with each row mapped.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// A position in an ordered list.
pub trait Cursor: Sized {
    /// Returns the cursor as text (base64url), without secrets, as clients see it.
    fn text(&self) -> String;
    /// Parses what [`Cursor::text`] returned.
    fn parse(text: &str) -> Option<Self>;
}

/// Returns a position in a list as its cursor.
pub fn cursor_of(list: &str, position: &impl Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}/{}", position.text()))
}

fn encode(cursor: &impl Cursor) -> String {
    URL_SAFE_NO_PAD.encode(cursor.text())
}

/// A position by time, ties broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeCursor {
    /// Time of the last row.
    pub at: Timestamp,
    /// Id of the last row.
    pub id: Uuid,
}

impl Cursor for TimeCursor {
    fn text(&self) -> String {
        format!("t:{}:{}", self.at.micros(), self.id.simple())
    }
    fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.strip_prefix("t:")?.split_once(':')?;
        Some(Self { at: Timestamp::from_micros(at.parse().ok()?), id: id.parse().ok()? })
    }
}

/// A position by sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqCursor(pub i64);

impl Cursor for SeqCursor {
    fn text(&self) -> String {
        format!("s:{}", self.0)
    }
    fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("s:")?.parse().ok().map(Self)
    }
}

/// A position by text, ties broken by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextCursor {
    /// Key of the last row.
    pub key: String,
    /// Id of the last row.
    pub id: Uuid,
}

impl Cursor for TextCursor {
    fn text(&self) -> String {
        format!("k:{}:{}", self.id.simple(), self.key)
    }
    fn parse(text: &str) -> Option<Self> {
        let (id, key) = text.strip_prefix("k:")?.split_once(':')?;
        Some(Self { key: key.into(), id: id.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_has_no_next() {
        let page = Page::from_rows(vec![1, 2, 3], 3, |n| SeqCursor(*n));
        assert_eq!((page.items.len(), page.next), (3, None));
        let page = Page::from_rows(vec![1, 2, 3, 4], 3, |n| SeqCursor(*n));
        let again = PageRequest { limit: 3, after: page.next };
        assert_eq!(again.cursor::<SeqCursor>().unwrap(), Some(SeqCursor(3)));
    }

    #[test]
    fn foreign_cursors_are_refused() {
        for after in ["", "!", "AAAA", "czox", "dDoxOng"] {
            let page = PageRequest { limit: 1, after: Some(after.into()) };
            assert!(page.cursor::<TimeCursor>().is_err(), "{after}");
        }
    }

    #[test]
    fn a_cursor_is_of_one_list() {
        let page = Page::of_list("users", vec![1, 2], 1, |n| SeqCursor(*n));
        let again = PageRequest { limit: 1, after: page.next };
        assert_eq!(again.cursor_in::<SeqCursor>("users").unwrap(), Some(SeqCursor(1)));
        assert_eq!(again.after, Some(cursor_of("users", &SeqCursor(1))));
        for other in ["user", "jobs", ""] {
            assert!(again.cursor_in::<SeqCursor>(other).is_err(), "{other}");
        }
        assert!(again.cursor::<SeqCursor>().is_err());
        assert_eq!(Page::of_list("users", vec![1], 1, |n| SeqCursor(*n)).next, None);
    }

    #[test]
    fn limits_are_checked() {
        assert!(PageRequest::first(0).checked_limit().is_err());
        assert!(PageRequest::first(201).checked_limit().is_err());
        assert_eq!(PageRequest::first(200).checked_limit().unwrap(), 200);
    }
}
