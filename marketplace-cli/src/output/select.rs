//! Selects parts of a row by dotted path: for `--fields`, tables and CSV.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{row::Row, safe};
use crate::failure::{Failure, Outcome};

/// The requested part of a row: all of it, or some fields in an order.
#[derive(Debug, Clone, Default)]
pub struct Selection(pub Vec<String>);

impl Selection {
    /// Refuses a field that rows of this type never have.
    pub fn check<T: Row>(&self) -> Outcome {
        let known = T::fields();
        for field in &self.0 {
            let inner = format!("{field}.");
            if !known.iter().any(|name| name == field || name.starts_with(&inner)) {
                return Err(Failure::usage(
                    format!("there is no field `{}` here", safe::line(field)),
                    format!("the fields are: {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// Returns the selected part of a row, nested as it was, in the requested order.
    pub fn pick(&self, row: &Value) -> Picked {
        let mut picked = Picked::Branch(Vec::new());
        for field in &self.0 {
            picked.insert(field, at(row, field));
        }
        picked
    }
}

/// Returns the value at a dotted path; null where there is none.
pub fn at<'v>(row: &'v Value, path: &str) -> &'v Value {
    path.split('.').try_fold(row, |value, part| value.get(part)).unwrap_or(&Value::Null)
}

/// Formats a value for one cell.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number()) => {
            items.iter().map(plain).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// Selected fields, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Picked {
    /// A value.
    Leaf(Value),
    /// An object with the requested keys.
    Branch(Vec<(String, Picked)>),
}

impl Picked {
    fn insert(&mut self, path: &str, value: &Value) {
        let Self::Branch(entries) = self else { return };
        let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
        let place = entries.iter().position(|(key, _)| key == head);
        match (rest, place.and_then(|place| entries.get_mut(place))) {
            (None, Some((_, old))) => *old = Self::Leaf(value.clone()),
            (None, None) => entries.push((head.into(), Self::Leaf(value.clone()))),
            (Some(rest), Some((_, old))) => old.insert(rest, value),
            (Some(rest), None) => {
                let mut branch = Self::Branch(Vec::new());
                branch.insert(rest, value);
                entries.push((head.into(), branch));
            }
        }
    }
}

impl Serialize for Picked {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(to),
            Self::Branch(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_nesting() {
        let row = serde_json::json!({"id": 1, "claim": {"fence": 7, "label": "sam"}, "name": "Ada"});
        let selection =
            Selection(["name", "claim.label", "id", "claim.fence", "nothing.here"].map(String::from).to_vec());
        assert_eq!(
            serde_json::to_string(&selection.pick(&row)).unwrap(),
            r#"{"name":"Ada","claim":{"label":"sam","fence":7},"id":1,"nothing":{"here":null}}"#
        );
    }

    #[test]
    fn cells() {
        for (value, cell) in [
            (serde_json::json!(null), ""),
            (serde_json::json!(["a", "b"]), "a,b"),
            (serde_json::json!([{"a": 1}]), r#"[{"a":1}]"#),
            (serde_json::json!(true), "true"),
        ] {
            assert_eq!(plain(&value), cell);
        }
    }
}
