//! Members of merge patches (RFC 7396): left out, `null`, or a value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::error::FieldError;

/// A member of a merge patch. A field of this type has `#[serde(default, skip_serializing_if = "Patch::is_kept")]`, and is
/// described as its value: nullable where it can be cleared, and not where [`Patch::required`] reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Left out: what there is stays.
    #[default]
    Keep,
    /// `null`: what there is goes.
    Clear,
    /// What shall be there instead.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns whether the member is left out.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Returns the value that replaces one that cannot be cleared, if it is to be replaced.
    ///
    /// # Errors
    /// The field at `pointer` when it is `null`.
    pub fn required(self, pointer: &str) -> Result<Option<T>, FieldError> {
        match self {
            Self::Keep => Ok(None),
            Self::Clear => Err(FieldError::new(pointer, "cannot be cleared: it must have a value")),
            Self::Set(value) => Ok(Some(value)),
        }
    }

    /// Returns the value that replaces one whose empty value means that there is none, if it is to be replaced.
    pub fn or_empty(self) -> Option<T>
    where
        T: Default,
    {
        match self {
            Self::Keep => None,
            Self::Clear => Some(T::default()),
            Self::Set(value) => Some(value),
        }
    }

    /// Returns what becomes of a value that may be missing.
    pub fn or(self, kept: Option<T>) -> Option<T> {
        match self {
            Self::Keep => kept,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => value.serialize(serializer),
            Self::Keep | Self::Clear => serializer.serialize_none(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Update {
        #[serde(default, skip_serializing_if = "Patch::is_kept")]
        text: Patch<String>,
    }

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        for (json, text) in
            [("{}", Patch::Keep), (r#"{"text":null}"#, Patch::Clear), (r#"{"text":"a"}"#, Patch::Set("a".to_owned()))]
        {
            let update = Update { text };
            assert_eq!(serde_json::from_str::<Update>(json).unwrap(), update);
            assert_eq!(serde_json::to_string(&update).unwrap(), json);
        }
    }

    #[test]
    fn what_becomes_of_a_value() {
        let kept = || Some("old".to_owned());
        let set = || Patch::Set("new".to_owned());
        assert_eq!((Patch::Keep.or(kept()), Patch::Clear.or(kept())), (kept(), None));
        assert_eq!(set().or(kept()).as_deref(), Some("new"));
        assert_eq!((Patch::<String>::Keep.or_empty(), Patch::Clear.or_empty()), (None, Some(String::new())));
        assert_eq!(set().required("/text").unwrap().as_deref(), Some("new"));
        assert_eq!(Patch::<String>::Clear.required("/text").unwrap_err().pointer, "/text");
    }
}
