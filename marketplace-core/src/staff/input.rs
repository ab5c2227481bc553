//! Bodies of operations that change something.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::operation::{Body, Described};
use crate::base::change::Change;

/// Has types be bodies, with the fields that say how the change is to be made.
macro_rules! bodies {
    ($($body:ty: $($field:ident)*;)*) => {$(
        impl $crate::staff::operation::Body for $body {
            fn change(&self) -> $crate::base::change::Change {
                $crate::base::change::Change { $($field: self.$field.clone(),)* ..Default::default() }
            }
            fn set_version(&mut self, if_version: Option<i64>) {
                self.if_version = if_version;
            }
        }
    )*};
}

impl Body for Change {
    fn change(&self) -> Change {
        self.clone()
    }
    fn set_version(&mut self, if_version: Option<i64>) {
        self.if_version = if_version;
    }
}

/// A change that needs no reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PlainInput {
    /// What only staff see, at most 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// A change that needs a reason of its own kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReasonedInput<R> {
    /// Why, as a code.
    pub reason: R,
    /// What only staff see, at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes nothing: the answer is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the subject is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

bodies! {
    PlainInput: note dry_run if_version;
}

impl<R> Body for ReasonedInput<R>
where
    R: Serialize + DeserializeOwned + Described + Send + Sync + 'static,
    Self: Described,
{
    fn change(&self) -> Change {
        Change { note: self.note.clone(), dry_run: self.dry_run, if_version: self.if_version, ..Change::default() }
    }
    fn set_version(&mut self, if_version: Option<i64>) {
        self.if_version = if_version;
    }
}

impl From<Change> for PlainInput {
    fn from(change: Change) -> Self {
        Self { note: change.note, dry_run: change.dry_run, if_version: change.if_version }
    }
}

impl<R> ReasonedInput<R> {
    /// Returns a change with its reason; one of the general reasons has no place in it.
    pub fn new(reason: R, change: Change) -> Self {
        Self { reason, note: change.note, dry_run: change.dry_run, if_version: change.if_version }
    }
}
