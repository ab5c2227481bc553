//! What a profile holds and what of it the public sees. No SQL, no I/O.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::Checks,
    base::{
        error::{FieldError, Result},
        ids::{PictureId, UserId},
        money::{Money, MoneyPatch},
        patch::Patch,
        text::{check_line, check_text},
        text_enum::text_enum,
        time::Timestamp,
    },
    reviews::model::Rating,
};

/// Entries of a list of skills or languages at most.
const MAX_ENTRIES: usize = 30;

/// A profile picture, at `/v1/pictures/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Picture {
    /// Its id; another picture has another one.
    pub id: PictureId,
    /// Pixels of the full picture, at most 1,024.
    pub width: i64,
    /// Pixels of the full picture, at most 1,024.
    pub height: i64,
}

/// Returns the address of a picture, small.
pub(crate) fn small_picture(id: PictureId) -> String {
    format!("/v1/pictures/{id}?size=thumb")
}

text_enum! {
    /// Which rendering of a picture.
    pub enum PictureSize {
        /// As large as it is kept: 1,024 pixels a side at most.
        Full = "full",
        /// A square of 256 pixels at most.
        Thumb = "thumb",
    }
}

/// A client's profile, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClientProfile {
    /// In their own words.
    pub about: String,
    /// Where they are, in words.
    pub location: String,
    /// Their picture.
    pub picture: Option<Picture>,
    /// Counts changes; 0 while nothing was ever changed.
    pub version: i64,
}

/// What of it shall change; what is left out stays, `null` takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateClientProfile {
    /// Up to 2,000 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 2_000))]
    pub about: Patch<String>,
    /// Up to 100 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 100))]
    pub location: Patch<String>,
}

/// A worker's profile, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkerProfile {
    /// One line.
    pub headline: String,
    /// In their own words.
    pub about: String,
    /// Where they are, in words.
    pub location: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// What an hour costs.
    pub hourly_rate: Option<Money>,
    /// What they can do.
    pub skills: Vec<String>,
    /// What they speak.
    pub languages: Vec<String>,
    /// Whether they take new work.
    pub available: bool,
    /// Until when they are away, whatever `available` says.
    pub away_until: Option<Timestamp>,
    /// Their picture.
    pub picture: Option<Picture>,
    /// Counts changes; 0 while nothing was ever changed.
    pub version: i64,
}

impl Default for WorkerProfile {
    fn default() -> Self {
        Self {
            headline: String::new(),
            about: String::new(),
            location: String::new(),
            latitude: None,
            longitude: None,
            hourly_rate: None,
            skills: Vec::new(),
            languages: Vec::new(),
            available: true,
            away_until: None,
            picture: None,
            version: 0,
        }
    }
}

/// What of it shall change; what is left out stays, `null` takes away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateWorkerProfile {
    /// Up to 120 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 120))]
    pub headline: Patch<String>,
    /// Up to 4,000 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 4_000))]
    pub about: Patch<String>,
    /// Up to 100 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 100))]
    pub location: Patch<String>,
    /// Degrees north, -90 to 90; together with `longitude`.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = -90, maximum = 90))]
    pub latitude: Patch<f64>,
    /// Degrees east, -180 to 180; together with `latitude`.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = -180, maximum = 180))]
    pub longitude: Patch<f64>,
    /// What an hour costs.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<MoneyPatch>))]
    pub hourly_rate: Patch<MoneyPatch>,
    /// Up to 30, of 1 to 50 characters each.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub skills: Patch<Vec<String>>,
    /// Up to 30, of 1 to 50 characters each.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub languages: Patch<Vec<String>>,
    /// Whether they take new work.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = bool))]
    pub available: Patch<bool>,
    /// Until when they are away.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub away_until: Patch<Timestamp>,
}

impl UpdateClientProfile {
    /// The profile with the changes.
    pub(super) fn apply(self, to: &mut ClientProfile) -> Result<()> {
        let mut checks = Checks::default();
        put(&mut to.about, checks.take(text("/about", self.about, 2_000)).flatten());
        put(&mut to.location, checks.take(line("/location", self.location, 100)).flatten());
        checks.finish()
    }
}

impl UpdateWorkerProfile {
    /// The profile with the changes.
    pub(super) fn apply(self, to: &mut WorkerProfile) -> Result<()> {
        let mut checks = Checks::default();
        put(&mut to.headline, checks.take(line("/headline", self.headline, 120)).flatten());
        put(&mut to.about, checks.take(text("/about", self.about, 4_000)).flatten());
        put(&mut to.location, checks.take(line("/location", self.location, 100)).flatten());
        to.latitude = self.latitude.or(to.latitude).map(rounded);
        to.longitude = self.longitude.or(to.longitude).map(rounded);
        checks.take(check_place(("latitude", "longitude"), to.latitude, to.longitude));
        to.hourly_rate = checks.take(self.hourly_rate.merged(to.hourly_rate.take(), "/hourly_rate")).flatten();
        for (pointer, given, kept) in
            [("/skills", self.skills, &mut to.skills), ("/languages", self.languages, &mut to.languages)]
        {
            if let Some(list) =
                given.or_empty().and_then(|list| checks.take(check_list(pointer, &list, MAX_ENTRIES, 50)))
            {
                *kept = list;
            }
        }
        to.available = checks.take(self.available.required("/available")).flatten().unwrap_or(to.available);
        to.away_until = self.away_until.or(to.away_until);
        checks.finish()
    }
}

fn put(to: &mut String, given: Option<String>) {
    if let Some(text) = given {
        *to = text;
    }
}

fn text(pointer: &str, given: Patch<String>, max: usize) -> Result<Option<String>, FieldError> {
    given.or_empty().map(|text| check_text(pointer, &text, 0, max)).transpose()
}

/// Text without line breaks.
fn line(pointer: &str, given: Patch<String>, max: usize) -> Result<Option<String>, FieldError> {
    given.or_empty().map(|text| check_line(pointer, &text, 0, max)).transpose()
}

/// Checks a list of short texts: `most` at most, each of 1 to `max` characters; doubles go.
pub(crate) fn check_list(pointer: &str, list: &[String], most: usize, max: usize) -> Result<Vec<String>, FieldError> {
    if list.len() > most {
        return Err(FieldError::new(pointer, format!("must have at most {most} entries")));
    }
    let mut kept: Vec<String> = Vec::with_capacity(list.len());
    for (at, entry) in list.iter().enumerate() {
        let entry = check_line(&format!("{pointer}/{at}"), entry, 1, max)?;
        if !kept.contains(&entry) {
            kept.push(entry);
        }
    }
    Ok(kept)
}

/// Checks a place on Earth, whose two fields have these names: both or neither, degrees in range.
pub(crate) fn check_place(
    (lat, lon): (&str, &str),
    latitude: Option<f64>,
    longitude: Option<f64>,
) -> Result<Option<(f64, f64)>, FieldError> {
    let wrong = |field: &str, detail: String| Err(FieldError::new(format!("/{field}"), detail));
    match (latitude, longitude) {
        (None, None) => Ok(None),
        (Some(latitude), _) if !(-90.0..=90.0).contains(&latitude) => {
            wrong(lat, "must be from -90 to 90 degrees".into())
        }
        (_, Some(longitude)) if !(-180.0..=180.0).contains(&longitude) => {
            wrong(lon, "must be from -180 to 180 degrees".into())
        }
        (Some(latitude), Some(longitude)) => Ok(Some((latitude, longitude))),
        (Some(_), None) => wrong(lon, format!("is needed together with {lat}")),
        (None, Some(_)) => wrong(lat, format!("is needed together with {lon}")),
    }
}

/// A coordinate as it is kept: to a millionth of a degree, which is a tenth of a metre, and the same in every engine's text.
pub(crate) fn rounded(degrees: f64) -> f64 {
    // Without a negative zero.
    (degrees * 1e6).round() / 1e6 + 0.0
}

/// A worker, as everybody sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicWorker {
    /// Their account.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// One line.
    pub headline: String,
    /// In their own words.
    pub about: String,
    /// Where they are, in words.
    pub location: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// What an hour costs.
    pub hourly_rate: Option<Money>,
    /// What they can do.
    pub skills: Vec<String>,
    /// What they speak.
    pub languages: Vec<String>,
    /// Whether they take new work now.
    pub available: bool,
    /// Until when they are away, if they are.
    pub away_until: Option<Timestamp>,
    /// Their picture.
    pub picture: Option<Picture>,
    /// What clients think of them.
    pub rating: Rating,
    /// When they signed up.
    pub member_since: Timestamp,
}

/// A client, as everybody sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicClient {
    /// Their account.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// In their own words.
    pub about: String,
    /// Where they are, in words.
    pub location: String,
    /// Their picture.
    pub picture: Option<Picture>,
    /// When they signed up.
    pub member_since: Timestamp,
}

/// Somebody whom one has blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Blocked {
    /// Their account.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// The address of their picture, 256 pixels a side at most, if they have one that everybody sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(text: &str) -> Result<WorkerProfile> {
        let mut profile = WorkerProfile { latitude: Some(1.0), longitude: Some(2.0), ..WorkerProfile::default() };
        serde_json::from_str::<UpdateWorkerProfile>(text).unwrap().apply(&mut profile).map(|()| profile)
    }

    #[test]
    fn null_takes_away_and_absence_leaves() {
        assert_eq!(update("{}").unwrap().latitude, Some(1.0));
        assert_eq!(update(r#"{"latitude": null, "longitude": null}"#).unwrap().latitude, None);
        assert!(update(r#"{"hourly_rate": {"amount": 5, "currency": "EUR"}}"#).unwrap().hourly_rate.is_some());
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        for (text, pointer) in [
            (r#"{"latitude": null}"#, "/latitude"),
            (r#"{"available": null}"#, "/available"),
            (r#"{"longitude": 181}"#, "/longitude"),
            (r#"{"latitude": -90.5}"#, "/latitude"),
            (r#"{"headline": "a\u0007b"}"#, "/headline"),
            (r#"{"skills": ["fine", " "]}"#, "/skills/1"),
            (r#"{"hourly_rate": {"amount": -5, "currency": "EUR"}}"#, "/hourly_rate/amount"),
        ] {
            assert_eq!(update(text).unwrap_err().fields()[0].pointer, pointer, "{text}");
        }
        let skills = serde_json::json!({ "skills": vec!["x"; 31] }).to_string();
        assert!(update(&skills).is_err());
        assert_eq!(update(r#"{"skills": ["x", " x"]}"#).unwrap().skills, ["x"]);
    }
}
