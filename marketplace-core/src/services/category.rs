//! Categories of services: their keys, and what admins set about each. No SQL, no I/O.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    accounts::model::Checks,
    base::{
        count::Count,
        error::{Error, FieldError, Result},
        ids::Named,
        patch::Patch,
        text::check_line,
        time::Timestamp,
    },
};

/// Bytes of a key at most.
const LONGEST: usize = 24;
/// Categories at most: people have to find theirs in a list.
pub const MAX_CATEGORIES: usize = 500;
/// Languages of a category's names at most.
const MAX_LANGUAGES: usize = 40;
/// Characters of a name at most.
const MAX_NAME: usize = 60;
/// Places in lists.
pub const POSITIONS: RangeInclusive<i64> = 0..=1_000_000;
/// The language of which there is always a name.
const ENGLISH: &str = "en";

/// What kind of service it is: the key of a category, 2 to 24 lower-case letters, digits and `_`. Keys never change their meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category([u8; LONGEST]);

macro_rules! first_categories {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)+) => {
        #[expect(non_upper_case_globals, reason = "they are values of a list that grows, and read like the variants of an enum")]
        impl Category {
            $($(#[$doc])* pub const $name: Self = Self::of($key);)+
            /// Those that there are from the start; admins may have added others.
            pub const FIRST: &[Self] = &[$(Self::$name),+];
        }
    };
}

first_categories! {
    /// Cleaning.
    Cleaning = "cleaning";
    /// Repairs and small jobs around the house.
    Handyman = "handyman";
    /// Plumbing and heating.
    Plumbing = "plumbing";
    /// Electrical work.
    Electrical = "electrical";
    /// Painting and decorating.
    Painting = "painting";
    /// Carpentry and furniture.
    Carpentry = "carpentry";
    /// Gardens and outdoors.
    Gardening = "gardening";
    /// Moving and transport.
    Moving = "moving";
    /// Cars and bicycles.
    Vehicles = "vehicles";
    /// Computers and phones.
    Computing = "computing";
    /// Lessons and tutoring.
    Lessons = "lessons";
    /// Music and performance.
    Music = "music";
    /// Languages and translation.
    Languages = "languages";
    /// Photography and video.
    Photography = "photography";
    /// Design and writing.
    Design = "design";
    /// Childcare.
    Childcare = "childcare";
    /// Care of the elderly and the ill.
    Care = "care";
    /// Pets.
    Pets = "pets";
    /// Beauty and wellbeing.
    Beauty = "beauty";
    /// Sport and fitness.
    Fitness = "fitness";
    /// Cooking and events.
    Events = "events";
    /// Tailoring and crafts.
    Crafts = "crafts";
    /// Accounts, law and offices.
    Office = "office";
    /// Anything else.
    Other = "other";
}

impl Category {
    #[expect(clippy::indexing_slicing, reason = "the loop ends where one of the two does")]
    const fn of(key: &str) -> Self {
        let (from, mut to, mut at) = (key.as_bytes(), [0; LONGEST], 0);
        while at < from.len() && at < LONGEST {
            to[at] = from[at];
            at += 1;
        }
        Self(to)
    }

    /// Returns the key.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(LONGEST);
        self.0.get(..end).and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Category {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_key = (2..=LONGEST).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let wrong = || {
            format!("`{text}` is no key of a category: 2 to {LONGEST} lower-case letters, digits and _, a letter first")
        };
        is_key.then(|| Self::of(text)).ok_or_else(wrong)
    }
}

impl Named for Category {
    const NAME: &'static str = "category";
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<DB: sqlx::Database> sqlx::Type<DB> for Category
where
    str: sqlx::Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <str as sqlx::Type<DB>>::type_info()
    }
    fn compatible(info: &DB::TypeInfo) -> bool {
        <str as sqlx::Type<DB>>::compatible(info)
    }
}

impl<'q, DB: sqlx::Database> sqlx::Encode<'q, DB> for Category
where
    String: sqlx::Encode<'q, DB>,
{
    fn encode_by_ref(
        &self,
        buffer: &mut <DB as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        <String as sqlx::Encode<'q, DB>>::encode(self.as_str().to_owned(), buffer)
    }
}

impl<'r, DB: sqlx::Database> sqlx::Decode<'r, DB> for Category
where
    &'r str: sqlx::Decode<'r, DB>,
{
    fn decode(value: <DB as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(<&'r str as sqlx::Decode<'r, DB>>::decode(value)?.parse::<Self>()?)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Category {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("The key of a category: see `GET /v1/categories`. Keys never change their meaning."))
            .pattern(Some("^[a-z][a-z0-9_]{1,23}$"))
            .examples(["music"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Category {
    fn name() -> std::borrow::Cow<'static, str> {
        "Category".into()
    }
}

/// Names of a category by language (`en`, `de`, `pt-br`); English is always there.
pub type Names = BTreeMap<String, String>;

/// The categories that services can be of, those that were merged, and when they were read; `None` when nobody did.
pub(crate) type KeptCategories = Option<(Timestamp, Arc<Known>)>;

/// The categories as searches and lists need them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Those that services can be of, in order.
    pub active: Arc<[CategoryInfo]>,
    /// Those that were merged.
    pub merged: Merged,
    /// Those whose names admins wrote.
    pub named: Vec<CategoryDetail>,
}

/// A category that services can be of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CategoryInfo {
    /// What filters and services carry.
    pub code: Category,
    /// For people, in the language that is asked for (`Accept-Language`), English without one that there is.
    pub name: String,
    /// For people, by language.
    pub names: BTreeMap<String, String>,
    /// The one that it is part of.
    pub parent: Option<Category>,
}

impl CategoryInfo {
    /// Returns the category with its name in the first of some languages, in lower case, that there is: `de-at` finds `de`.
    #[must_use]
    pub fn named_in(&self, languages: &[String]) -> Self {
        let mut found = self.clone();
        let ends = |language: &String| {
            let ends: Vec<usize> = language.match_indices('-').map(|(at, _)| at).chain([language.len()]).collect();
            ends.into_iter().rev().find_map(|end| self.names.get(language.get(..end)?).cloned())
        };
        if let Some(name) = languages.iter().find_map(ends) {
            found.name = name;
        }
        found
    }
}

/// A category as admins manage it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CategoryDetail {
    /// Its key, which never changes.
    pub key: Category,
    /// Its names by language.
    pub names: BTreeMap<String, String>,
    /// The one that it is part of.
    pub parent: Option<Category>,
    /// Its place in lists: smaller ones come first.
    pub position: i64,
    /// Whether new services can be of it. Those that are stay, and are found.
    pub active: bool,
    /// The one that it was merged into: its key stands for that one from then on.
    #[serde(default)]
    pub merged_into: Option<Category>,
    /// Whether services are still on their way there.
    #[serde(default)]
    pub moving: bool,
    /// Counts changes.
    pub version: i64,
}

/// A category that was merged into another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MergedCategory {
    /// The category, as it is now.
    pub category: CategoryDetail,
    /// Its services, in any state, which are of the other one from now on, or will be within moments.
    pub services: Count,
}

/// Which categories were merged into which.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Merged(pub Vec<Merge>);

/// A category that was merged into another one, which was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merge {
    pub from: Category,
    pub into: Category,
    /// Whether services are still on their way.
    pub moving: bool,
}

impl Merged {
    /// Returns the category that a key stands for.
    pub fn resolve(&self, key: Category) -> Category {
        self.0.iter().find(|merge| merge.from == key).map_or(key, |merge| merge.into)
    }

    /// Returns the keys that services of a category have: its own, and those from which they are still on their way.
    pub fn keys_of(&self, key: Category) -> Vec<Category> {
        let key = self.resolve(key);
        let moving = self.0.iter().filter(|merge| merge.into == key && merge.moving).map(|merge| merge.from);
        std::iter::once(key).chain(moving).collect()
    }
}

impl CategoryDetail {
    /// Returns its name in English.
    pub fn name(&self) -> &str {
        self.names.get(ENGLISH).map_or(self.key.as_str(), String::as_str)
    }
}

/// A category to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCategory {
    /// Its key.
    pub key: Category,
    /// Its names by language, English among them, up to 60 characters each.
    pub names: BTreeMap<String, String>,
    /// The one that it is part of, which is part of none.
    pub parent: Option<Category>,
    /// Its place in lists, one of [`POSITIONS`]; the last without one.
    pub position: Option<i64>,
}

/// What of a category shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateCategory {
    /// Names to be set, or with `None` taken away, by language.
    pub names: BTreeMap<String, Option<String>>,
    /// The one that it is part of.
    pub parent: Patch<Category>,
    /// Its place in lists, one of [`POSITIONS`].
    pub position: Option<i64>,
    /// Whether new services can be of it.
    pub active: Option<bool>,
}

/// Returns names with each trimmed.
pub(super) fn check_names(names: &Names) -> Result<Names> {
    let mut checks = Checks::default();
    let mut checked = Names::new();
    for (language, name) in names {
        let parts = language
            .split('-')
            .all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase()));
        if !parts {
            return Err(Error::invalid(format!("/names/{language}"), "is no language, such as en, de or pt-br"));
        }
        checked.extend(
            checks
                .take(check_line(&format!("/names/{language}"), name, 1, MAX_NAME))
                .map(|name| (language.clone(), name)),
        );
    }
    checks.finish()?;
    if !checked.contains_key(ENGLISH) || checked.len() > MAX_LANGUAGES {
        return Err(Error::invalid(
            "/names",
            format!("needs one in English (en), and has {MAX_LANGUAGES} languages at most"),
        ));
    }
    Ok(checked)
}

/// Returns what was checked, unless a new place in lists is out of range: that is one more field that breaks a rule.
pub(super) fn with_position<T>(checked: Result<T>, position: Option<i64>) -> Result<T> {
    if position.is_none_or(|position| POSITIONS.contains(&position)) {
        return checked;
    }
    let mut fields = checked.err().map_or_else(Vec::new, |error| error.fields().to_vec());
    let detail = format!("must be from {} to {}", POSITIONS.start(), POSITIONS.end());
    fields.push(FieldError::new("/position", detail));
    Err(Error::invalid_fields(fields))
}

impl UpdateCategory {
    /// Returns the category with the changes.
    pub(super) fn apply(&self, before: &CategoryDetail) -> Result<CategoryDetail> {
        let mut names = before.names.clone();
        for (language, name) in &self.names {
            match name {
                Some(name) => names.insert(language.clone(), name.clone()),
                None => names.remove(language),
            };
        }
        Ok(CategoryDetail {
            names: with_position(check_names(&names), self.position)?,
            parent: self.parent.or(before.parent),
            position: self.position.unwrap_or(before.position),
            active: self.active.unwrap_or(before.active),
            ..before.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_are_checked() {
        for key in ["music", "a1", "pet_care", "a23456789012345678901234"] {
            assert_eq!(key.parse::<Category>().unwrap().as_str(), key);
        }
        for key in ["", "a", "Music", "1a", "pet-care", "müsik", "a234567890123456789012345", "a\0"] {
            assert!(key.parse::<Category>().is_err(), "{key}");
        }
        let names =
            |all: &[(&str, &str)]| all.iter().map(|(l, n)| ((*l).to_owned(), (*n).to_owned())).collect::<Names>();
        assert_eq!(check_names(&names(&[("en", " Drones "), ("pt-br", "Drones")])).unwrap()["en"], "Drones");
        for (wrong, pointer) in [
            (names(&[("de", "Drohnen")]), "/names"),
            (names(&[("en", "")]), "/names/en"),
            (names(&[("en", "a"), ("E", "b")]), "/names/E"),
        ] {
            assert_eq!(check_names(&wrong).unwrap_err().fields()[0].pointer, pointer);
        }
    }

    #[test]
    fn a_place_in_lists_has_a_range() {
        for at in [None, Some(0), Some(1_000_000)] {
            assert!(with_position(Ok(()), at).is_ok(), "{at:?}");
        }
        for at in [i64::MIN, -1, 1_000_001, i64::MAX] {
            let error = with_position(Ok(()), Some(at)).unwrap_err();
            assert_eq!(error.to_string(), "position must be from 0 to 1000000");
            let both = with_position(check_names(&Names::new()), Some(at)).unwrap_err();
            assert_eq!(both.fields().iter().map(|field| &*field.pointer).collect::<Vec<_>>(), ["/names", "/position"]);
        }
    }
}
