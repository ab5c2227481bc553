//! Services: their states, and what may be in them. No SQL, no I/O.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::model::Checks,
    base::{
        error::{Error, Result},
        ids::{PhotoId, ServiceId, UserId},
        money::{Money, MoneyPatch},
        patch::Patch,
        text::{check_line, check_text},
        text_enum::text_enum,
        time::Timestamp,
    },
    messaging::model::RemovalReason,
    profiles::model::{Picture, check_list, check_place, rounded},
};

/// Tags of a service at most.
pub const MAX_TAGS: usize = 10;
/// Photos of a service at most.
pub const MAX_PHOTOS: usize = 10;
/// Characters of the text that stands for a photo.
const MAX_ALT: usize = 250;
/// Services of one worker at most, closed ones and drafts among them.
pub const MAX_SERVICES: i64 = 200;

text_enum! {
    /// Where a service stands.
    pub enum ServiceStatus {
        /// Only its worker sees it.
        Draft = "draft",
        /// Everybody finds it, as long as its worker is active and approved.
        Published = "published",
        /// Taken back; it can be published again.
        Closed = "closed",
        /// Gone for its worker too; threads about it remember its title.
        Deleted = "deleted",
    }
}

pub(crate) use super::category::KeptCategories;
pub use super::category::{
    Category, CategoryDetail, CategoryInfo, MAX_CATEGORIES, MergedCategory, Names, NewCategory, POSITIONS,
    UpdateCategory,
};

/// A service as its worker writes it. It begins as a draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// 3 to 100 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 100))]
    pub title: String,
    /// Up to 4,000 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 4_000))]
    pub description: String,
    /// Its kind.
    pub category: Category,
    /// Up to 10, of 1 to 30 characters each.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 10))]
    pub tags: Vec<String>,
    /// Where, in words; up to 100 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 100))]
    pub location: String,
    /// Degrees north, -90 to 90; together with `longitude`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = -90, maximum = 90))]
    pub latitude: Option<f64>,
    /// Degrees east, -180 to 180; together with `latitude`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = -180, maximum = 180))]
    pub longitude: Option<f64>,
    /// What it roughly costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
}

impl NewService {
    /// With every text trimmed; or each field that breaks a rule.
    pub fn checked(self) -> Result<Self> {
        let mut checks = Checks::default();
        let title = checks.take(check_line("/title", &self.title, 3, 100));
        let description = checks.take(check_text("/description", &self.description, 0, 4_000));
        let tags = checks.take(check_list("/tags", &self.tags, MAX_TAGS, 30));
        let location = checks.take(check_line("/location", &self.location, 0, 100));
        checks.take(check_place(("latitude", "longitude"), self.latitude, self.longitude));
        checks.take(self.price.as_ref().map_or(Ok(()), |price| price.check("/price")));
        checks.finish()?;
        Ok(Self {
            title: title.unwrap_or_default(),
            description: description.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            location: location.unwrap_or_default(),
            latitude: self.latitude.map(rounded),
            longitude: self.longitude.map(rounded),
            ..self
        })
    }
}

/// What of a service shall change; what is left out stays, `null` takes away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateService {
    /// 3 to 100 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 3, max_length = 100))]
    pub title: Patch<String>,
    /// Up to 4,000 characters.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 4_000))]
    pub description: Patch<String>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Category))]
    pub category: Patch<Category>,
    /// Up to 10, of 1 to 30 characters each.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 10))]
    pub tags: Patch<Vec<String>>,
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
    /// What it roughly costs.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<MoneyPatch>))]
    pub price: Patch<MoneyPatch>,
}

impl UpdateService {
    /// What the service says with the changes.
    pub(super) fn apply(self, to: NewService) -> Result<NewService> {
        let mut checks = Checks::default();
        let title = checks.take(self.title.required("/title")).flatten();
        let category = checks.take(self.category.required("/category")).flatten();
        let price = checks.take(self.price.merged(to.price, "/price")).flatten();
        checks.finish()?;
        NewService {
            title: title.unwrap_or(to.title),
            description: self.description.or_empty().unwrap_or(to.description),
            category: category.unwrap_or(to.category),
            tags: self.tags.or_empty().unwrap_or(to.tags),
            location: self.location.or_empty().unwrap_or(to.location),
            latitude: self.latitude.or(to.latitude),
            longitude: self.longitude.or(to.longitude),
            price,
        }
        .checked()
    }
}

/// A photo of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Photo {
    /// Its id; another photo has another one.
    pub id: PhotoId,
    /// What it shows, for people who do not see it; may be empty.
    pub alt: String,
    /// Pixels of the full photo.
    pub width: i64,
    /// Pixels of the full photo.
    pub height: i64,
}

text_enum! {
    /// In which size a photo is wanted.
    pub enum PhotoSize {
        /// 1,600 pixels a side at most.
        Full = "full",
        /// 640 pixels a side at most.
        Medium = "medium",
        /// 320 pixels a side at most.
        Thumb = "thumb",
    }
}

impl PhotoSize {
    /// Pixels a side at most.
    pub const fn side(self) -> u32 {
        match self {
            Self::Full => 1_600,
            Self::Medium => 640,
            Self::Thumb => 320,
        }
    }
}

/// The photos of a service, in order; those that are left out are deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PhotoOrder {
    /// Each of them once at most.
    #[cfg_attr(feature = "openapi", schema(max_items = 10))]
    pub photos: Vec<PhotoText>,
}

/// A photo, and what it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PhotoText {
    /// Which one.
    pub id: PhotoId,
    /// What it shows, up to 250 characters; left out, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 250))]
    pub alt: Option<String>,
}

/// Returns the text that stands for a photo, trimmed.
pub(super) fn check_alt(pointer: &str, alt: &str) -> Result<String> {
    Ok(check_line(pointer, alt, 0, MAX_ALT)?)
}

impl PhotoOrder {
    /// Returns the photos as they shall be.
    pub(super) fn apply(&self, photos: &[Photo]) -> Result<Vec<Photo>> {
        let mut ordered: Vec<Photo> = Vec::with_capacity(photos.len());
        for (at, wanted) in self.photos.iter().enumerate() {
            let is_twice = ordered.iter().any(|photo| photo.id == wanted.id);
            let found = photos.iter().find(|photo| photo.id == wanted.id && !is_twice);
            let mut photo = found.cloned().ok_or_else(|| {
                Error::invalid(format!("/photos/{at}/id"), "is none of the service's photos, or is there twice")
            })?;
            if let Some(alt) = &wanted.alt {
                photo.alt = check_alt(&format!("/photos/{at}/alt"), alt)?;
            }
            ordered.push(photo);
        }
        Ok(ordered)
    }
}

/// A service as its worker sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnService {
    /// Its id.
    pub id: ServiceId,
    /// Where it stands.
    pub status: ServiceStatus,
    /// Whether everybody finds it now: published, by a worker who is active and approved.
    pub public: bool,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Its kind.
    pub category: Category,
    /// Tags.
    pub tags: Vec<String>,
    /// Where, in words.
    pub location: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// What it roughly costs.
    pub price: Option<Money>,
    /// Its photos, in order.
    pub photos: Vec<Photo>,
    /// When it was last published.
    pub published_at: Option<Timestamp>,
    /// Why staff closed it; it can be published again when they have taken that back.
    pub closed_reason: Option<RemovalReason>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: i64,
}

/// Which services, as staff ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct ServiceFilter {
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<ServiceStatus>,
    /// Only of this worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<UserId>,
    /// Only with these words in the title, or of workers whom this finds, as in the list of users; the latter needs `users:read`, and more than
    /// 100 people are too many. In quotes, only titles are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
}

/// A service in the list of staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceSummary {
    /// Its id.
    pub id: ServiceId,
    /// Whose it is.
    pub worker_id: UserId,
    /// The worker's name, masked.
    pub worker_name: String,
    /// Where it stands.
    pub status: ServiceStatus,
    /// Whether searches find it: published, by a worker who is active and approved.
    pub public: bool,
    /// Why staff closed it.
    pub closed_reason: Option<RemovalReason>,
    /// Title.
    pub title: String,
    /// Its kind.
    pub category: Category,
    /// Where, in words.
    pub location: String,
    /// What it roughly costs.
    pub price: Option<Money>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: i64,
}

/// A service, whole, as staff see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceDetail {
    /// The row of the list.
    pub service: ServiceSummary,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Its photos, in order.
    pub photos: Vec<Photo>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// When it was last published.
    pub published_at: Option<Timestamp>,
}

/// Which of one's own services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct OwnServices {
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<ServiceStatus>,
}

text_enum! {
    /// In which order services are found.
    pub enum ServiceSort {
        /// Best match first, and of equal ones the newest. Services with every word of the query come first, and those that
        /// lack some follow. A word in the title counts more than in the tags, then category and place, then description and
        /// name; the word itself more than another form of it, its beginning, or a typo. Without a query, newest first.
        Relevance = "relevance",
        /// Newest publication first.
        Newest = "newest",
        /// Best average of stars first, then newest.
        Rating = "rating",
        /// Nearest first; needs `lat` and `lon`.
        Distance = "distance",
        /// Smallest amount first, in minor units, whatever the currency is, and of equal ones the newest; services without
        /// a price come last.
        Price = "price",
    }
}

/// Which services, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct SearchFilter {
    /// Words, up to 200 characters and 8 words, in title, description, tags, category, place or the worker's name. Other
    /// forms of a word and its beginning will do; from 4 letters on a typo is tolerated, from 8 on two. `"…"` finds words
    /// next to each other, `-word` excludes a word. Services that lack some of the words come last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(max_length = 200))]
    pub q: Option<String>,
    /// Only of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub category: Option<Category>,
    /// Only with these words, or words that begin so, in the location.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(max_length = 100))]
    pub location: Option<String>,
    /// Degrees north of a place; together with `lon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = -90, maximum = 90))]
    pub lat: Option<f64>,
    /// Degrees east of a place; together with `lat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = -180, maximum = 180))]
    pub lon: Option<f64>,
    /// Only within so many kilometres of that place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 0, maximum = 20_100))]
    pub radius_km: Option<f64>,
    /// Only by workers with so many stars on average, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 5))]
    pub min_rating: Option<f64>,
    /// Only by workers who take new work now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Only at this price or more, in minor units; together with `currency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 0))]
    pub min_price: Option<i64>,
    /// Only at this price or less, in minor units; together with `currency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 0))]
    pub max_price: Option<i64>,
    /// Only with a price in this currency (ISO 4217).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(pattern = "^[A-Z]{3}$"))]
    pub currency: Option<String>,
    /// In which order; by relevance unless asked otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub sort: Option<ServiceSort>,
    /// Whether to tell how many services are found: those with every word, or with most of them if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<bool>,
    /// Whether to tell how many of them there are by category, price and rating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facets: Option<bool>,
    /// Whether to add to each service a part of its text in which the words found are marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippets: Option<bool>,
}

/// A number of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Estimate {
    /// How many.
    pub value: i64,
    /// Whether they were counted; beyond 1,000 they are estimated.
    pub exact: bool,
}

/// How many of the services found are of each kind. Beyond 1,000 services, an estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Facets {
    /// By category, most first.
    pub categories: Vec<CategoryFacet>,
    /// By currency and price, cheapest first.
    pub prices: Vec<PriceFacet>,
    /// By the worker's average of stars, best first.
    pub ratings: Vec<RatingFacet>,
}

/// Services of a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CategoryFacet {
    /// Their category.
    pub category: Category,
    /// How many.
    pub count: i64,
}

/// Services in a band of prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PriceFacet {
    /// Their currency (ISO 4217).
    pub currency: String,
    /// The least price in the band, in minor units: as `min_price`.
    pub from: i64,
    /// The greatest price in the band, in minor units: as `max_price`.
    pub to: i64,
    /// How many.
    pub count: i64,
}

/// Services by workers with an average of stars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RatingFacet {
    /// Whole stars, 1 to 5; 0 without reviews.
    pub stars: i64,
    /// How many.
    pub count: i64,
}

/// A page of services that were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundServices {
    /// The services of the page, in order.
    pub items: Vec<ServiceCard>,
    /// Cursor of the next page; `None` on the last.
    pub next: Option<String>,
    /// How many services are found, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Estimate>,
    /// How many by category, price and rating, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facets: Option<Facets>,
}

/// A text of a service, divided where words of the query were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snippet {
    /// The title.
    pub title: Vec<SnippetPart>,
    /// Up to 200 characters of the description, around the first word found.
    pub text: Vec<SnippetPart>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SnippetPart {
    /// The text itself, not HTML.
    pub text: String,
    /// Whether it is a word that was found.
    pub found: bool,
}

/// What has been typed of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct SuggestFilter {
    /// The beginning of a query, up to 200 characters.
    #[cfg_attr(feature = "openapi", param(max_length = 200))]
    pub q: String,
    /// How many suggestions at most: 1 to 20, 8 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 20))]
    pub limit: Option<i64>,
}

/// Suggestions, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Suggestions {
    /// What may be meant.
    pub items: Vec<Suggestion>,
}

/// What may be meant by what has been typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Suggestion {
    /// The completed query, or the name of a category.
    pub text: String,
    /// The category, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

/// The worker of a service, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceWorker {
    /// Their account.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// Their picture.
    pub picture: Option<Picture>,
    /// Whether they take new work now.
    pub available: bool,
    /// The average of their stars, 1 to 5; none without reviews.
    pub rating: Option<f64>,
    /// How many reviews that is the average of.
    pub reviews: i64,
}

/// A service as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicService {
    /// Its id.
    pub id: ServiceId,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Its kind.
    pub category: Category,
    /// Tags.
    pub tags: Vec<String>,
    /// Where, in words.
    pub location: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// What it roughly costs.
    pub price: Option<Money>,
    /// Its photos, in order.
    pub photos: Vec<Photo>,
    /// When it was published.
    pub published_at: Timestamp,
    /// Who offers it.
    pub worker: ServiceWorker,
    /// Counts changes.
    pub version: i64,
}

/// A service in a list: without its description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceCard {
    /// Its id.
    pub id: ServiceId,
    /// Title.
    pub title: String,
    /// Its kind.
    pub category: Category,
    /// Tags.
    pub tags: Vec<String>,
    /// Where, in words.
    pub location: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Metres from the place that was asked for, when one was.
    pub distance: Option<i64>,
    /// What it roughly costs.
    pub price: Option<Money>,
    /// The first of its photos.
    pub photo: Option<Photo>,
    /// When it was published.
    pub published_at: Timestamp,
    /// Who offers it.
    pub worker: ServiceWorker,
    /// Part of its text with the words found, when a search asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_checked_field_by_field() {
        let new = |text: &str| serde_json::from_str::<NewService>(text).unwrap().checked();
        let fine = new(r#"{"title": "  Piano lessons ", "category": "music", "tags": ["a", "a "]}"#).unwrap();
        assert_eq!((fine.title.as_str(), fine.tags.len()), ("Piano lessons", 1));
        for (text, pointer) in [
            (r#"{"title": "ab", "category": "music"}"#, "/title"),
            (r#"{"title": "   ", "category": "music"}"#, "/title"),
            (r#"{"title": "Piano\nlessons", "category": "music"}"#, "/title"),
            (r#"{"title": "\u3164\u3164\u3164", "category": "music"}"#, "/title"),
            (r#"{"title": "abc", "category": "music", "tags": ["a\rb"]}"#, "/tags/0"),
            (r#"{"title": "abc", "category": "music", "location": "a\u202eb"}"#, "/location"),
            (r#"{"title": "abc", "category": "music", "description": "a\rb"}"#, "/description"),
            (r#"{"title": "abc", "category": "music", "latitude": 1}"#, "/longitude"),
            (r#"{"title": "abc", "category": "music", "tags": [""]}"#, "/tags/0"),
            (r#"{"title": "abc", "category": "music", "price": {"amount": 1, "currency": "x"}}"#, "/price/currency"),
        ] {
            assert_eq!(new(text).unwrap_err().fields()[0].pointer, pointer, "{text}");
        }
        let long = serde_json::json!({ "title": "abc", "category": "music", "description": "é".repeat(4_001) });
        assert_eq!(new(&long.to_string()).unwrap_err().fields()[0].pointer, "/description");
        assert!(serde_json::from_str::<NewService>(r#"{"title": "abc", "category": "Space flight"}"#).is_err());
    }
}
