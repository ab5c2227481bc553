//! SQL queries for services; the queries of searches are in `matches.rs`.

use serde::Deserialize;

use super::{
    content_terms::{self, Kind, Words, has_word},
    model::{
        Category, NewService, OwnService, Photo, PublicService, ServiceCard, ServiceDetail, ServiceFilter,
        ServiceStatus, ServiceSummary, ServiceWorker,
    },
    summary::FacetRow,
    tiles::tile_of,
};
use crate::{
    accounts::{
        model::{Account, Status, mask_name},
        store::account_columns,
    },
    base::{
        error::{Error, Result},
        ids::{PictureId, ServiceId, UserId},
        money::Money,
        page::TimeCursor,
        permission::Role,
        time::Timestamp,
    },
    jobs::model::job_is_live,
    kyc::status::KycStatus,
    messaging::model::RemovalReason,
    platform::db::{Conn, PointRead, json},
    profiles::{model::Picture, worker_is_public},
    reviews::model::Rating,
};

/// A service as it is stored.
#[derive(Debug, Clone, sqlx_macros::FromRow)]
pub(super) struct Service {
    pub id: ServiceId,
    pub worker_id: UserId,
    pub status: ServiceStatus,
    title: String,
    description: String,
    category: Category,
    location: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    price_amount: Option<i64>,
    price_currency: Option<String>,
    tags: String,
    photos: String,
    pub search_text: String,
    pub published_at: Option<Timestamp>,
    pub closed_reason: Option<RemovalReason>,
    pub version: i64,
    pub created_at: Timestamp,
    updated_at: Timestamp,
}

impl Service {
    /// Returns the content that the worker wrote.
    pub fn content(&self) -> Result<NewService> {
        let price = self.price_amount.zip(self.price_currency.clone());
        Ok(NewService {
            title: self.title.clone(),
            description: self.description.clone(),
            category: self.category,
            tags: serde_json::from_str(&self.tags).map_err(Error::internal)?,
            location: self.location.clone(),
            latitude: self.latitude,
            longitude: self.longitude,
            price: price.map(|(amount, currency)| Money { amount, currency }),
        })
    }

    /// Returns its photos, in order.
    pub fn photos(&self) -> Result<Vec<Photo>> {
        serde_json::from_str(&self.photos).map_err(Error::internal)
    }

    /// Returns the service as its worker sees it.
    pub fn own(self, worker: &Account, now: Timestamp) -> Result<OwnService> {
        let (content, photos) = (self.content()?, self.photos()?);
        Ok(OwnService {
            photos,
            id: self.id,
            status: self.status,
            public: self.status == ServiceStatus::Published && is_public(worker, now),
            title: content.title,
            description: content.description,
            category: content.category,
            tags: content.tags,
            location: content.location,
            latitude: content.latitude,
            longitude: content.longitude,
            price: content.price,
            published_at: self.published_at,
            closed_reason: self.closed_reason,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        })
    }
}

/// A service with what staff see of its worker.
#[derive(Debug, Clone, sqlx_macros::FromRow)]
pub(super) struct StaffService {
    #[sqlx(flatten)]
    pub service: Service,
    visible: bool,
    worker_name: String,
}

impl StaffService {
    /// Returns the row of the list.
    pub fn summary(&self) -> Result<ServiceSummary> {
        let (row, content) = (&self.service, self.service.content()?);
        Ok(ServiceSummary {
            id: row.id,
            worker_id: row.worker_id,
            worker_name: mask_name(&self.worker_name),
            status: row.status,
            public: self.visible,
            closed_reason: row.closed_reason,
            title: content.title,
            category: content.category,
            location: content.location,
            price: content.price,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }

    /// Returns the whole.
    pub fn detail(self) -> Result<ServiceDetail> {
        let content = self.service.content()?;
        Ok(ServiceDetail {
            service: self.summary()?,
            photos: self.service.photos()?,
            description: content.description,
            tags: content.tags,
            latitude: content.latitude,
            longitude: content.longitude,
            published_at: self.service.published_at,
        })
    }
}

/// Returns whether a worker, and what they publish, is public.
fn is_public(worker: &Account, now: Timestamp) -> bool {
    worker.role == Role::Worker && worker.status == Status::Active && worker.visible_kyc(now) == KycStatus::Approved
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, worker_id, status, title, description, category, location, latitude, longitude, price_amount, \
             price_currency, tags, photos, search_text, published_at, closed_reason, version, created_at, updated_at FROM services WHERE ",
            $rest
        )
    };
}

macro_rules! select_for_staff {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.worker_id, s.status, s.title, s.description, s.category, s.location, s.latitude, s.longitude, s.price_amount, \
             s.price_currency, s.tags, s.photos, s.search_text, s.published_at, s.closed_reason, s.version, s.created_at, s.updated_at, s.visible, \
             u.name AS worker_name FROM services s JOIN users u ON u.id = s.worker_id WHERE ",
            $rest
        )
    };
}

/// Returns one service as staff see it, in any state.
pub(super) async fn staff_find(conn: &mut Conn<'_>, id: ServiceId) -> Result<Option<StaffService>> {
    Ok(q!(conn => opt StaffService, select_for_staff!("s.id = $1"), id)?)
}

/// Returns a page of services as staff see them, newest first. Each way to filter has its own text, so that its own index is
/// used.
pub(super) async fn staff_page(
    conn: &mut Conn<'_>,
    filter: &ServiceFilter,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<StaffService>> {
    let id = ServiceId(before.id);
    Ok(match (filter.worker_id, filter.status) {
        (Some(worker), status) => q!(conn => all StaffService,
            select_for_staff!("s.worker_id = $1 AND (s.created_at, s.id) < ($2, $3) AND (s.status = $4 OR $4 IS NULL) \
                 ORDER BY s.created_at DESC, s.id DESC LIMIT ($5 + 0)"),
            worker, before.at, id, status, limit)?,
        (None, Some(status)) => q!(conn => all StaffService,
            select_for_staff!("s.status = $1 AND (s.created_at, s.id) < ($2, $3) ORDER BY s.created_at DESC, s.id DESC LIMIT ($4 + 0)"),
            status, before.at, id, limit)?,
        (None, None) => q!(conn => all StaffService,
            select_for_staff!("(s.created_at, s.id) < ($1, $2) ORDER BY s.created_at DESC, s.id DESC LIMIT ($3 + 0)"),
            before.at, id, limit)?,
    })
}

/// Returns a page of the services whose titles have these words, newest first.
pub(super) async fn staff_page_by_words(
    conn: &mut Conn<'_>,
    words: &Words,
    filter: &ServiceFilter,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<StaffService>> {
    let lookup = words.lookup(conn, Kind::Service).await?;
    let mut found: Vec<ServiceId> = Vec::new();
    for form in &lookup.first {
        macro_rules! by_form {
            ($engine:ident, $join:literal) => {
                concat!(
                    "SELECT s.id FROM content_terms t ", $join, " services s ON s.id = t.id WHERE t.kind = 'service' AND t.term = $1 \
                     AND (t.created_at, t.id) < ($2, $3) AND ", has_word!($engine "4"), " AND ", has_word!($engine "5"), " AND ",
                    has_word!($engine "6"), " AND (s.worker_id = $7 OR $7 IS NULL) AND (s.status = $8 OR $8 IS NULL) \
                     ORDER BY t.created_at DESC, t.id DESC LIMIT ($9 + 0)"
                )
            };
        }
        let [second, third, fourth] = &lookup.others;
        found.extend(q!(conn => vals ServiceId, [sqlite: by_form!(sqlite, "CROSS JOIN"), pg: by_form!(pg, "JOIN")],
            form, before.at, before.id, second, third, fourth, filter.worker_id, filter.status, limit)?);
    }
    found.sort_unstable();
    found.dedup();
    let mut rows = Vec::with_capacity(found.len());
    for id in found {
        rows.extend(staff_find(conn, id).await?);
    }
    Ok(rows)
}

/// Closes a service, which its worker cannot publish again from then on; without a reason, lets the worker do so.
pub(super) async fn close_for(
    conn: &mut Conn<'_>,
    id: ServiceId,
    reason: Option<RemovalReason>,
    now: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE services SET status = 'closed', visible = FALSE, closed_reason = $2, version = version + 1, updated_at = $3 WHERE id = $1",
        id, reason, now)?;
    Ok(())
}

/// Returns one service, in any state.
pub(super) async fn find(conn: &mut Conn<'_>, id: ServiceId) -> Result<Option<Service>> {
    Ok(q!(conn => opt Service, select!("id = $1"), id)?)
}

/// Returns a service like [`find`], and locks it until the end of the transaction.
pub(super) async fn lock(conn: &mut Conn<'_>, id: ServiceId) -> Result<Option<Service>> {
    Ok(q!(conn => opt Service, [sqlite: select!("id = $1"), pg: select!("id = $1 FOR UPDATE")], id)?)
}

/// Returns a worker's services, newest first, without deleted ones.
pub(super) async fn own_page(
    conn: &mut Conn<'_>,
    worker: UserId,
    status: Option<ServiceStatus>,
    before: TimeCursor,
    limit: i64,
) -> Result<Vec<Service>> {
    Ok(q!(conn => all Service,
        select!("worker_id = $1 AND (created_at, id) < ($2, $3) AND status <> 'deleted' AND (status = $4 OR $4 IS NULL) \
                 ORDER BY created_at DESC, id DESC LIMIT ($5 + 0)"),
        worker, before.at, before.id, status, limit)?)
}

/// Returns all services of a worker, for changes that affect all of them. There are no more than the limit for a
/// worker, plus deleted ones.
pub(super) async fn all_of(conn: &mut Conn<'_>, worker: UserId) -> Result<Vec<Service>> {
    Ok(q!(conn => all Service, select!("worker_id = $1 ORDER BY created_at, id"), worker)?)
}

/// Returns a worker's services, as the worker sees them.
pub(crate) async fn told(conn: &mut Conn<'_>, worker: &Account, now: Timestamp) -> Result<Vec<OwnService>> {
    let all = all_of(conn, worker.id).await?.into_iter();
    all.filter(|service| service.status != ServiceStatus::Deleted).map(|service| service.own(worker, now)).collect()
}

pub(super) async fn count_of(conn: &mut Conn<'_>, worker: UserId, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM services WHERE worker_id = $1 AND status <> 'deleted' LIMIT ($2 + 0)) AS capped",
        worker, limit)?)
}

/// Returns the tile in which searches by distance find a service.
fn tile(service: &NewService) -> Option<i64> {
    service.latitude.zip(service.longitude).map(|(latitude, longitude)| tile_of(latitude, longitude))
}

/// Stores a new draft.
pub(super) async fn insert(
    conn: &mut Conn<'_>,
    id: ServiceId,
    worker: UserId,
    new: &NewService,
    search_text: &str,
    now: Timestamp,
) -> Result<()> {
    let tags = serde_json::to_string(&new.tags).map_err(Error::internal)?;
    let (amount, currency) = new.price.as_ref().map(|price| (price.amount, &price.currency)).unzip();
    let rating = rating_of(conn, worker).await?;
    q!(conn => exec,
        "INSERT INTO services (id, worker_id, status, title, description, category, location, latitude, longitude, price_amount, \
         price_currency, tags, visible, number, search_text, rating, published_at, version, created_at, updated_at, tile) \
         VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, $10, $11, FALSE, NULL, $12, $13, NULL, 1, $14, $14, $15)",
        id, worker, &new.title, &new.description, new.category, &new.location, new.latitude, new.longitude, amount, currency,
        tags, search_text, rating, now, tile(new))?;
    content_terms::replace(conn, Kind::Service, (now, id.0), "", &new.title).await
}

/// Stores new content of a service.
pub(super) async fn set_content(
    conn: &mut Conn<'_>,
    id: ServiceId,
    new: &NewService,
    search_text: &str,
    now: Timestamp,
) -> Result<()> {
    let tags = serde_json::to_string(&new.tags).map_err(Error::internal)?;
    let (amount, currency) = new.price.as_ref().map(|price| (price.amount, &price.currency)).unzip();
    q!(conn => exec,
        "UPDATE services SET title = $2, description = $3, category = $4, location = $5, latitude = $6, longitude = $7, \
         price_amount = $8, price_currency = $9, tags = $10, search_text = $11, version = version + 1, updated_at = $12, tile = $13 WHERE id = $1",
        id, &new.title, &new.description, new.category, &new.location, new.latitude, new.longitude, amount, currency, tags,
        search_text, now, tile(new))?;
    Ok(())
}

/// Returns some services of a category, in any state.
pub(super) async fn of_category(conn: &mut Conn<'_>, category: Category, limit: i64) -> Result<Vec<ServiceId>> {
    Ok(q!(conn => vals ServiceId,
        "SELECT id FROM services WHERE category = $1 ORDER BY id LIMIT ($2 + 0)", category, limit)?)
}

/// Returns how many services are of a category, in any state, up to a limit.
pub(super) async fn count_of_category(conn: &mut Conn<'_>, category: Category, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64,
        "SELECT count(*) FROM (SELECT 1 FROM services WHERE category = $1 LIMIT ($2 + 0)) AS capped", category, limit)?)
}

/// Stores another category of a service, with the text by which it is found.
pub(super) async fn set_category(
    conn: &mut Conn<'_>,
    id: ServiceId,
    category: Category,
    search_text: &str,
    now: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE services SET category = $2, search_text = $3, version = version + 1, updated_at = $4 WHERE id = $1",
        id, category, search_text, now)?;
    Ok(())
}

/// Makes a service public, with the next publication number.
pub(super) async fn publish(conn: &mut Conn<'_>, id: ServiceId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE services SET status = 'published', visible = TRUE, published_at = $2, version = version + 1, updated_at = $2, \
         number = (SELECT coalesce(max(number), 0) + 1 FROM services) WHERE id = $1",
        id, now)?;
    Ok(())
}

/// Stores another state, in which a service is not public.
pub(super) async fn hide(conn: &mut Conn<'_>, id: ServiceId, status: ServiceStatus, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE services SET status = $2, visible = FALSE, version = version + 1, updated_at = $3 WHERE id = $1",
        id, status, now)?;
    Ok(())
}

/// Returns whether a person has a thread about a service.
pub(super) async fn is_talked_of(conn: &mut Conn<'_>, id: ServiceId, user: UserId) -> Result<bool> {
    Ok(q!(conn => val bool,
        "SELECT EXISTS (SELECT 1 FROM threads WHERE service_id = $1 AND (client_id = $2 OR worker_id = $2))", id, user)?)
}

/// Deletes the content of a service except its title, which the threads about it show. `title` is what they show.
pub(super) async fn blank(conn: &mut Conn<'_>, id: ServiceId, title: &str, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE services SET status = 'deleted', visible = FALSE, title = $2, description = '', location = '', latitude = NULL, \
         longitude = NULL, price_amount = NULL, price_currency = NULL, tags = '[]', photos = '[]', search_text = '', version = version + 1, \
         updated_at = $3 WHERE id = $1",
        id, title, now)?;
    Ok(())
}

/// Stores the photos of a service, in order.
pub(super) async fn set_photos(conn: &mut Conn<'_>, id: ServiceId, photos: &[Photo], now: Timestamp) -> Result<()> {
    let photos = serde_json::to_string(photos).map_err(Error::internal)?;
    q!(conn => exec, "UPDATE services SET photos = $2, version = version + 1, updated_at = $3 WHERE id = $1", id, photos, now)?;
    Ok(())
}

pub(super) async fn remove(conn: &mut Conn<'_>, id: ServiceId) -> Result<()> {
    q!(conn => exec, "DELETE FROM services WHERE id = $1", id)?;
    Ok(())
}

/// Returns whether a thread is about a service, and whether a job about it is live.
pub(super) async fn ties(conn: &mut Conn<'_>, id: ServiceId) -> Result<(bool, bool)> {
    Ok(q!(conn => one (bool, bool),
        concat!("SELECT EXISTS (SELECT 1 FROM threads WHERE service_id = $1), \
            EXISTS (SELECT 1 FROM jobs WHERE service_id = $1 AND ", job_is_live!("status"), ")"), id)?)
}

/// Returns whether searches should consider a worker's published services. They also do so while a decision that can
/// still be undone may start or end the approval, because each row is checked again when it is shown.
pub(super) async fn may_show(conn: &mut Conn<'_>, worker: UserId, now: Timestamp) -> Result<bool> {
    Ok(q!(conn => optval bool,
        "SELECT role = 'worker' AND status = 'active' AND \
         (kyc_status = 'approved' OR (kyc_prior = 'approved' AND coalesce(kyc_effective_at > $2, FALSE))) FROM users WHERE id = $1",
        worker, now)?
    .unwrap_or(false))
}

/// Returns the indexed texts of a worker's published services that are hidden.
pub(super) async fn hidden_texts(conn: &mut Conn<'_>, worker: UserId) -> Result<Vec<String>> {
    Ok(q!(conn => vals String,
        "SELECT search_text FROM services WHERE worker_id = $1 AND (status || '') = 'published' AND NOT visible", worker)?)
}

pub(super) async fn set_visible(conn: &mut Conn<'_>, worker: UserId, visible: bool) -> Result<()> {
    q!(conn => exec,
        "UPDATE services SET visible = $2 WHERE worker_id = $1 AND (status || '') = 'published' AND visible <> $2", worker, visible)?;
    Ok(())
}

pub(super) async fn set_search_text(conn: &mut Conn<'_>, id: ServiceId, text: &str) -> Result<()> {
    q!(conn => exec, "UPDATE services SET search_text = $2 WHERE id = $1", id, text)?;
    Ok(())
}

pub(super) async fn set_rating(conn: &mut Conn<'_>, worker: UserId, thousandths: i64) -> Result<()> {
    q!(conn => exec, "UPDATE services SET rating = $2 WHERE worker_id = $1 AND rating <> $2", worker, thousandths)?;
    Ok(())
}

/// Returns a worker's average rating in thousandths of a star, 0 without reviews.
async fn rating_of(conn: &mut Conn<'_>, worker: UserId) -> Result<i64> {
    let stars = q!(conn => opt (i64, i64, i64, i64, i64),
        "SELECT stars_1, stars_2, stars_3, stars_4, stars_5 FROM worker_ratings WHERE user_id = $1", worker)?;
    Ok(stars.and_then(|(one, two, three, four, five)| Rating::thousandths([one, two, three, four, five])).unwrap_or(0))
}

/// Serialises publications, and changes of the words for which typos are tolerated, until the end of the transaction.
/// SQLite has only one writer anyway.
pub(super) async fn take_turn(conn: &mut Conn<'_>) -> Result<()> {
    if let Conn::Pg(_) = conn {
        // The number identifies this lock; no other lock uses it.
        q!(conn => exec, [sqlite: "SELECT 1", pg: "SELECT pg_advisory_xact_lock(7305804385)"])?;
    }
    Ok(())
}

/// Returns those of some words (a JSON array) that are not stored yet.
pub(super) async fn unknown_words(conn: &mut Conn<'_>, words: &str) -> Result<Vec<String>> {
    Ok(q!(conn => vals String, [
        sqlite: "SELECT value FROM json_each($1) AS k WHERE NOT EXISTS (SELECT 1 FROM search_words w WHERE w.word = k.value)",
        pg: "SELECT k.value FROM json_array_elements_text($1::json) AS k (value) \
             WHERE NOT EXISTS (SELECT 1 FROM search_words w WHERE w.word = k.value COLLATE \"C\")",
    ], words)?)
}

/// Stores words (a JSON array), and their parts with letters left out (an array of pairs).
pub(super) async fn add_words(conn: &mut Conn<'_>, words: &str, parts: &str) -> Result<()> {
    q!(conn => exec, [
        sqlite: "INSERT INTO search_words (word) SELECT value FROM json_each($1) WHERE TRUE ON CONFLICT (word) DO NOTHING",
        pg: "INSERT INTO search_words (word) SELECT value FROM json_array_elements_text($1::json) ON CONFLICT (word) DO NOTHING",
    ], words)?;
    q!(conn => exec, [
        sqlite: "INSERT INTO search_parts (part, word) SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') \
                 FROM json_each($1) WHERE TRUE ON CONFLICT (part, word) DO NOTHING",
        pg: "INSERT INTO search_parts (part, word) SELECT value ->> 0, value ->> 1 FROM json_array_elements($1::json) \
             ON CONFLICT (part, word) DO NOTHING",
    ], parts)?;
    Ok(())
}

/// Deletes those of some words (a JSON array) that no service has any more.
pub(super) async fn drop_words(conn: &mut Conn<'_>, words: &str) -> Result<()> {
    q!(conn => exec, [
        sqlite: "DELETE FROM search_words WHERE word IN (SELECT value FROM json_each($1)) \
                 AND NOT EXISTS (SELECT 1 FROM services_fts \
                 WHERE services_fts MATCH '\"' || search_words.word || '\" OR \"#' || search_words.word || '\"')",
        pg: "DELETE FROM search_words w WHERE word IN (SELECT value COLLATE \"C\" FROM json_array_elements_text($1::json)) \
             AND NOT EXISTS (SELECT 1 FROM services s WHERE s.visible \
             AND array_to_tsvector(string_to_array(s.search_text, ' ')) @@ ('''' || w.word || ''' | ''#' || w.word || '''')::tsquery)",
    ], words)?;
    Ok(())
}

/// The texts of a service.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    pub number: i64,
    pub id: ServiceId,
    pub title: String,
    pub description: String,
    pub tags: Vec<String>,
    location: String,
}

impl Texts {
    /// Returns each text.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        [&self.title, &self.description, &self.location].into_iter().chain(&self.tags)
    }
}

#[derive(sqlx_macros::FromRow)]
struct TextsRow {
    number: i64,
    id: ServiceId,
    title: String,
    description: String,
    tags: String,
    location: String,
}

/// Returns the texts of the services with the given numbers, in no order.
pub(super) async fn texts(conn: &mut Conn<'_>, numbers: &[i64]) -> Result<Vec<Texts>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = q!(conn => all TextsRow, [
        sqlite: "SELECT s.number, s.id, s.title, s.description, s.tags, s.location \
                 FROM json_each($1) AS k CROSS JOIN services s ON s.number = k.value",
        pg: "SELECT s.number, s.id, s.title, s.description, s.tags, s.location \
             FROM json_array_elements_text($1::json) AS k (value) JOIN services s ON s.number = k.value::bigint",
    ], json::keys(numbers))?;
    let texts = rows.into_iter().map(|row| {
        Ok(Texts {
            number: row.number,
            id: row.id,
            title: row.title,
            description: row.description,
            tags: serde_json::from_str(&row.tags).map_err(Error::internal)?,
            location: row.location,
        })
    });
    texts.collect()
}

/// Returns what the facets of the services with the given numbers are counted by.
pub(super) async fn facet_rows(conn: &mut Conn<'_>, numbers: &[i64]) -> Result<Vec<FacetRow>> {
    Ok(q!(conn => all (Category, Option<String>, Option<i64>, i64), [
        sqlite: "SELECT s.category, s.price_currency, s.price_amount, s.rating \
                 FROM json_each($1) AS k CROSS JOIN services s ON s.number = k.value",
        pg: "SELECT s.category, s.price_currency, s.price_amount, s.rating \
             FROM json_array_elements_text($1::json) AS k (value) JOIN services s ON s.number = k.value::bigint",
    ], json::keys(numbers))?)
}

/// Returns the number of the last publication.
pub(super) async fn newest_number(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(q!(conn => val i64, "SELECT coalesce(max(number), 0) FROM services")?)
}

/// Returns services whose indexed text was written by an earlier release.
pub(super) async fn unindexed(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<ServiceId>> {
    Ok(
        q!(conn => vals ServiceId, "SELECT service_id FROM unindexed_services ORDER BY service_id LIMIT ($1 + 0)", limit)?,
    )
}

/// Notes that the indexed text of a service is current.
pub(super) async fn is_indexed(conn: &mut Conn<'_>, id: ServiceId) -> Result<()> {
    q!(conn => exec, "DELETE FROM unindexed_services WHERE service_id = $1", id)?;
    Ok(())
}

/// Merges a bounded part of SQLite's full-text index, so that words of deleted services are removed from it: until
/// then they are only marked as deleted. With `begin`, starts a merge of the whole index. Returns `false` once nothing
/// is left to merge.
pub(super) async fn merge_index(conn: &mut Conn<'_>, begin: bool) -> Result<bool> {
    if matches!(conn, Conn::Pg(_)) {
        return Ok(false);
    }
    // Number of pages to merge; a negative number starts a merge of everything (FTS5, 6.8). Nothing was merged when
    // fewer than two rows changed.
    let pages = if begin { -500 } else { 500 };
    let before = q!(conn => val i64, [sqlite: "SELECT total_changes()", pg: "SELECT 0::bigint"])?;
    q!(conn => exec, [
        sqlite: "INSERT INTO services_fts (services_fts, rank) VALUES ('merge', $1)",
        pg: "SELECT $1::bigint",
    ], pages)?;
    let after = q!(conn => val i64, [sqlite: "SELECT total_changes()", pg: "SELECT 0::bigint"])?;
    Ok(after - before >= 2)
}

/// Counts services that searches find, up to `limit`.
pub(crate) async fn count_visible(conn: &mut Conn<'_>, limit: i64) -> Result<i64> {
    Ok(q!(conn => val i64, [
        sqlite: "SELECT count(*) FROM (SELECT 1 FROM services WHERE visible = 1 LIMIT ($1 + 0)) AS capped",
        pg: "SELECT count(*) FROM (SELECT 1 FROM services WHERE visible LIMIT ($1 + 0)) AS capped",
    ], limit)?)
}

/// A service with its worker, as the databases put it into one text, in this order: a row of many columns costs more
/// to read.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shown {
    /// Publication number; `None` for a draft.
    number: Option<i64>,
    id: ServiceId,
    title: String,
    description: String,
    category: Category,
    tags: String,
    photos: String,
    location: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    amount: Option<i64>,
    currency: Option<String>,
    #[serde(deserialize_with = "json::opt_micros")]
    published_at: Option<Timestamp>,
    version: i64,
    status: ServiceStatus,
    picture: Option<PictureId>,
    width: Option<i64>,
    height: Option<i64>,
    #[serde(deserialize_with = "json::flag")]
    available: bool,
    #[serde(deserialize_with = "json::opt_micros")]
    away_until: Option<Timestamp>,
    stars: [Option<i64>; 5],
    account: Account,
}

impl Shown {
    /// Returns whether the service is public now.
    fn is_public(&self, now: Timestamp) -> bool {
        self.status == ServiceStatus::Published && is_public(&self.account, now)
    }

    fn worker(&self, now: Timestamp) -> ServiceWorker {
        let rating = Rating::of(self.stars.map(Option::unwrap_or_default));
        let picture = self.picture.zip(self.width.zip(self.height));
        ServiceWorker {
            id: self.account.id,
            name: self.account.name.clone(),
            picture: picture.map(|(id, (width, height))| Picture { id, width, height }),
            available: self.available && self.away_until.is_none_or(|until| until <= now),
            rating: rating.average,
            reviews: rating.count,
        }
    }

    fn price(&self) -> Option<Money> {
        self.amount.zip(self.currency.clone()).map(|(amount, currency)| Money { amount, currency })
    }

    fn tags(&self) -> Result<Vec<String>> {
        serde_json::from_str(&self.tags).map_err(Error::internal)
    }

    fn photos(&self) -> Result<Vec<Photo>> {
        // Most have none.
        if self.photos == "[]" { Ok(Vec::new()) } else { serde_json::from_str(&self.photos).map_err(Error::internal) }
    }

    fn card(self, now: Timestamp) -> Result<ServiceCard> {
        Ok(ServiceCard {
            id: self.id,
            photo: self.photos()?.into_iter().next(),
            tags: self.tags()?,
            price: self.price(),
            worker: self.worker(now),
            title: self.title,
            category: self.category,
            location: self.location,
            latitude: self.latitude,
            longitude: self.longitude,
            distance: None,
            published_at: self.published_at.unwrap_or(Timestamp::EPOCH),
            snippet: None,
        })
    }

    /// Returns the service as the public sees it; `None` when it is not public.
    pub(super) fn public(self, now: Timestamp) -> Result<Option<PublicService>> {
        if self.is_public(now) { self.service(now).map(Some) } else { Ok(None) }
    }

    fn service(self, now: Timestamp) -> Result<PublicService> {
        Ok(PublicService {
            id: self.id,
            photos: self.photos()?,
            tags: self.tags()?,
            price: self.price(),
            worker: self.worker(now),
            title: self.title,
            description: self.description,
            category: self.category,
            location: self.location,
            latitude: self.latitude,
            longitude: self.longitude,
            published_at: self.published_at.unwrap_or(Timestamp::EPOCH),
            version: self.version,
        })
    }
}

macro_rules! shown {
    (sqlite $description:literal) => {
        concat!(
            "json_array(s.number, lower(hex(s.id)), s.title, ", $description, ", s.category, s.tags, s.photos, s.location, s.latitude, \
             s.longitude, s.price_amount, s.price_currency, s.published_at, s.version, s.status, nullif(lower(hex(p.id)), ''), \
             p.width, p.height, coalesce(w.available, 1), w.away_until, \
             json_array(r.stars_1, r.stars_2, r.stars_3, r.stars_4, r.stars_5), ",
            account_columns!(sqlite), ")"
        )
    };
    (pg $description:literal) => {
        concat!(
            "json_build_array(s.number, s.id, s.title, ", $description, ", s.category, s.tags, s.photos, s.location, s.latitude, \
             s.longitude, s.price_amount, s.price_currency, (extract(epoch from s.published_at) * 1000000)::bigint, s.version, \
             s.status, p.id, p.width, p.height, coalesce(w.available, TRUE), (extract(epoch from w.away_until) * 1000000)::bigint, \
             json_build_array(r.stars_1, r.stars_2, r.stars_3, r.stars_4, r.stars_5), ",
            account_columns!(pg), ")"
        )
    };
}

macro_rules! with_worker {
    (sqlite) => {
        " CROSS JOIN users u ON u.id = s.worker_id LEFT JOIN worker_profiles w ON w.user_id = s.worker_id \
         LEFT JOIN pictures p ON p.id = w.picture_id LEFT JOIN worker_ratings r ON r.user_id = s.worker_id"
    };
    (pg) => {
        " JOIN users u ON u.id = s.worker_id LEFT JOIN worker_profiles w ON w.user_id = s.worker_id \
         LEFT JOIN pictures p ON p.id = w.picture_id LEFT JOIN worker_ratings r ON r.user_id = s.worker_id"
    };
}

/// Reads services with their workers. This is the most frequent read, so reads of concurrent calls are batched.
pub(super) struct Services;

impl PointRead for Services {
    type Key = ServiceId;
    type Row = Shown;
    async fn load(conn: &mut Conn<'_>, ids: &[ServiceId]) -> Result<Vec<(ServiceId, Shown)>> {
        let rows = q!(conn => json Vec<Shown>, [
            sqlite: concat!("SELECT json_group_array(", shown!(sqlite "s.description"),
                ") FROM json_each($1) k CROSS JOIN services s ON s.id = unhex(k.value, '-')", with_worker!(sqlite)),
            pg: concat!("SELECT json_agg(", shown!(pg "s.description"),
                ") FROM json_array_elements_text($1::json) k(value) JOIN services s ON s.id = k.value::uuid", with_worker!(pg)),
        ], json::keys(ids))?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// Returns the services with the given numbers, in that order, without those that are not public any more.
pub(super) async fn cards(conn: &mut Conn<'_>, now: Timestamp, numbers: &[i64]) -> Result<Vec<ServiceCard>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let shown = q!(conn => json Vec<Shown>, [
        sqlite: concat!("SELECT json_group_array(", shown!(sqlite "''"),
            ") FROM json_each($1) AS k CROSS JOIN services s ON s.number = k.value", with_worker!(sqlite)),
        pg: concat!("SELECT json_agg(", shown!(pg "''"),
            ") FROM json_array_elements_text($1::json) AS k (value) JOIN services s ON s.number = k.value::bigint", with_worker!(pg)),
    ], json::keys(numbers))?;
    let mut by_number = std::collections::HashMap::with_capacity(shown.len());
    for one in shown.into_iter().filter(|one| one.is_public(now)) {
        if let Some(number) = one.number {
            by_number.insert(number, one.card(now)?);
        }
    }
    Ok(numbers.iter().filter_map(|number| by_number.remove(number)).collect())
}

/// Returns the numbers of a worker's public services, newest first. (SQLite must not look them up by their status: nearly all
/// services have the same.)
pub(super) async fn of_worker(
    conn: &mut Conn<'_>,
    now: Timestamp,
    worker: UserId,
    before: i64,
    limit: i64,
) -> Result<Vec<i64>> {
    Ok(q!(conn => vals i64, concat!(
        "SELECT s.number FROM services s JOIN users u ON u.id = s.worker_id WHERE s.worker_id = $1 AND (s.status || '') = 'published' \
         AND s.number < $2 AND ", worker_is_public!("$3"), " ORDER BY s.number DESC LIMIT ($4 + 0)"),
        worker, before, now, limit)?)
}
