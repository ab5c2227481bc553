//! Reading a page as one row of JSON. Reading row by row through sqlx costs 1–2 µs a row, and a hop for some of them.
//!
//! The text selects one row with one column: a JSON array of rows, each an array in the order of the struct's fields.
//! Arrays are shorter to write and to read than objects, which work as well:
//!
//! ```ignore
//! #[derive(serde::Deserialize)]
//! struct Row {
//!     id: MessageId,
//!     seq: i64,
//!     #[serde(deserialize_with = "json::micros")]
//!     created_at: Timestamp,
//!     #[serde(deserialize_with = "json::flag")]
//!     removed: bool,
//! }
//! let rows = q!(conn => json Vec<Row>, [
//!     sqlite: "SELECT json_group_array(json_array(lower(hex(id)), seq, created_at, removed)) \
//!              FROM (SELECT * FROM messages WHERE thread_id = $1 AND seq > $2 ORDER BY seq LIMIT ($3 + 0))",
//!     pg: "SELECT json_agg(json_build_array(id, seq, (extract(epoch FROM created_at) * 1000000)::bigint, removed) ORDER BY seq) \
//!          FROM (SELECT * FROM messages WHERE thread_id = $1 AND seq > $2 ORDER BY seq LIMIT ($3 + 0)) m",
//! ], thread, after, limit)?;
//! ```
//!
//! - Without rows, `json_agg` returns NULL, which is read as the type's default. Do not cast to text on PostgreSQL.
//! - An id is `lower(hex(id))` on SQLite and `id` on PostgreSQL. A list of ids to look for is [`keys`], read by
//!   `json_each($1)` with `unhex(value, '-')` on SQLite, and by `json_array_elements_text($1::json)` with `value::uuid` on
//!   PostgreSQL.
//! - A time is its integer on SQLite and `(extract(epoch FROM t) * 1000000)::bigint` on PostgreSQL: [`micros`],
//!   [`opt_micros`].
//! - SQLite has no booleans: [`flag`].
//! - On SQLite `json_group_array` processes its rows in the order of the subquery; on PostgreSQL, write ORDER BY inside the
//!   aggregate.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected, Visitor},
};

use crate::base::time::Timestamp;

/// Returns a list of ids or other keys as a JSON array, for use as a bind.
pub fn keys(keys: &[impl Serialize]) -> String {
    // Ids, numbers and texts always have a JSON form.
    serde_json::to_string(keys).unwrap_or_else(|_| "[]".to_owned())
}

/// Deserializes a time from microseconds since the epoch.
pub fn micros<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(from).map(Timestamp::from_micros)
}

/// Deserializes a time that may be NULL.
pub fn opt_micros<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    Option::<i64>::deserialize(from).map(|micros| micros.map(Timestamp::from_micros))
}

/// Deserializes a boolean, which is 0 or 1 on SQLite.
pub fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct Flag;
    impl Visitor<'_> for Flag {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a boolean, 0 or 1")
        }
        fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
            match value {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(E::invalid_value(Unexpected::Unsigned(other), &self)),
            }
        }
    }
    from.deserialize_any(Flag)
}
