//! Profiles and services as rows of the tables.

use std::{collections::BTreeSet, time::Duration};

use marketplace_core::{
    base::{
        ids::{ServiceId, UserId},
        money::Money,
        time::Timestamp,
    },
    platform::db::bulk::Value,
    services::{
        self,
        model::{NewService, ServiceStatus},
    },
};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

use super::{
    participants::{Ends, Worker},
    plan_index::{Kind, PlanIndex, Purpose, Service, rng, uuid},
    service_text::{self, PLACES, Place, Trade},
    trades_home as home, trades_other as other,
    words::Words,
};
use marketplace_people::people::{mix, person};

pub(super) const TRADES: &[&Trade] = &[
    &home::PLUMBING,
    &home::CLEANING,
    &home::ELECTRICAL,
    &home::PAINTING,
    &home::HANDYMAN,
    &other::MOVING,
    &other::TUTORING,
    &other::PHOTOGRAPHY,
    &other::GARDENING,
    &other::IT_HELP,
    &other::PETS,
    &other::BEAUTY,
];

pub(super) const SERVICES: &[&str] = &[
    "id",
    "worker_id",
    "status",
    "title",
    "description",
    "category",
    "location",
    "latitude",
    "longitude",
    "price_amount",
    "price_currency",
    "tags",
    "visible",
    "number",
    "search_text",
    "rating",
    "published_at",
    "version",
    "created_at",
    "updated_at",
    "tile",
];
pub(super) const WORKER_PROFILES: &[&str] = &[
    "user_id",
    "headline",
    "about",
    "location",
    "latitude",
    "longitude",
    "rate_amount",
    "rate_currency",
    "skills",
    "languages",
    "available",
    "away_until",
    "version",
    "updated_at",
];
pub(super) const CLIENT_PROFILES: &[&str] = &["user_id", "about", "location", "version", "updated_at"];
pub(super) const RATINGS: &[&str] = &["user_id", "stars_1", "stars_2", "stars_3", "stars_4", "stars_5"];
pub(super) const FAVORITES: &[&str] = &["user_id", "worker_id", "created_at"];

/// Endings of titles, so that they differ.
const ENDINGS: &[&str] = &[
    "",
    "",
    "",
    "",
    ", {place}",
    ", {place} and around",
    ", also on Saturdays",
    ", evenings too",
    ", fixed price",
    ", free first visit",
    ", for small companies too",
    ", same week",
    ", family business",
    ", with references",
];
const ABOUT: &[&str] = &[
    "I live and work in {place} and have done this for more than ten years. Ask me anything; I answer the same evening.",
    "Small business from {place}, two people and a dog. We do what we promise, and say so when we cannot.",
    "Learned it properly, still love it. References from {place} on request.",
    "New here but not new to the work. I would rather do one job well than three in a hurry.",
];
const ABOUT_CLIENTS: &[&str] = &[
    "Old flat, two children, never enough time.",
    "We have just moved here and everything needs doing.",
    "I run a small office and look for reliable people.",
    "Retired, with a garden that keeps growing.",
];
const LANGUAGES: &[&[&str]] = &[
    &["English"],
    &["Deutsch", "English"],
    &["Français", "English"],
    &["Polski", "English"],
    &["Português", "Español"],
];

/// Returns a worker's location: their town, and a point in it.
pub(super) fn whereabouts(seed: u64, index: u64) -> (&'static Place, f64, f64) {
    static NOWHERE: Place = Place { name: "Berlin", latitude: 52.52, longitude: 13.405, currency: "EUR" };
    let mut rng = rng(seed, Purpose::Profile, index);
    // More people live in the first towns.
    let many = if rng.random_bool(0.5) { PLACES.len() / 4 } else { PLACES.len() };
    let place = PLACES.get(rng.random_range(0..many)).unwrap_or(&NOWHERE);
    let point =
        |middle: f64, rng: &mut StdRng| ((middle + rng.random_range(-0.09..0.09)) * 10_000.0).round() / 10_000.0;
    (place, point(place.latitude, &mut rng), point(place.longitude, &mut rng))
}

/// Returns a worker's trade: one for all of their services.
pub(super) fn trade(seed: u64, index: u64) -> &'static Trade {
    let number = mix(mix(seed, 77), index) % TRADES.len() as u64;
    usize::try_from(number).ok().and_then(|number| TRADES.get(number)).copied().unwrap_or(&home::HANDYMAN)
}

/// Returns the id of service `number`, and its index among the trade's wares.
pub(super) fn identity(plan: &PlanIndex, number: u64, service: &Service) -> (ServiceId, usize) {
    let mut rng = rng(plan.seed, Purpose::Service, number);
    let id = ServiceId(uuid(created(service, &mut rng), &mut rng));
    let wares = trade(plan.seed, plan.worker(service).index).wares.len();
    (id, rng.random_range(0..wares.max(1)))
}

/// Returns the time of creation, a few minutes before publication.
fn created(service: &Service, rng: &mut StdRng) -> Timestamp {
    if service.kind == Kind::Draft { service.at } else { service.at - Duration::from_secs(rng.random_range(40..290)) }
}

/// Returns a worker's text about a ware of their trade.
fn content(
    trade: &Trade,
    ware: usize,
    (place, latitude, longitude): (&'static Place, f64, f64),
    rng: &mut StdRng,
) -> NewService {
    let words = Words { place: place.name, ..Words::default() };
    let (title, description, tags, price) = match trade.wares.get(ware) {
        Some(ware) => (ware.title, ware.description, ware.tags, ware.price),
        None => ("", "", &[][..], (0, 0)),
    };
    let ending = ENDINGS.choose(rng).copied().unwrap_or_default();
    let hint = rng.random_range(price.0..=price.1) * service_text::factor(place.currency) * 100;
    NewService {
        title: format!("{title}{}", words.fill(ending)),
        description: words.fill(description),
        category: trade.category,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        location: place.name.to_owned(),
        latitude: Some(latitude),
        longitude: Some(longitude),
        price: rng.random_ratio(9, 10).then(|| Money::new(hint, place.currency)),
    }
}

/// Returns a row of `services`. `base` is the first free publication number; `learned` receives the words that find it.
pub(super) fn service(
    plan: &PlanIndex,
    number: u64,
    service: &Service,
    (worker_id, base): (UserId, i64),
    learned: &mut BTreeSet<String>,
) -> Vec<Value> {
    let worker = plan.worker(service);
    let (id, ware) = identity(plan, number, service);
    let mut rng = rng(plan.seed, Purpose::Service, number);
    let created_at = created(service, &mut rng);
    let trade = trade(plan.seed, worker.index);
    let (place, latitude, longitude) = whereabouts(plan.seed, worker.index);
    let content = content(trade, ware, (place, latitude, longitude), &mut rng);
    let status = match service.kind {
        Kind::Draft => ServiceStatus::Draft,
        Kind::Published => ServiceStatus::Published,
        Kind::Closed(_) => ServiceStatus::Closed,
    };
    let published = service.kind != Kind::Draft;
    let visible = service.kind == Kind::Published && worker.approved && worker.ends == Ends::Never;
    let updated_at = match service.kind {
        Kind::Closed(at) => at,
        Kind::Draft | Kind::Published => service.at,
    };
    let name = person(plan.seed, worker.index).name;
    let search_text = services::search_text(&content, &name);
    if service.kind == Kind::Published {
        for word in services::plain(&search_text) {
            if !learned.contains(word) {
                learned.insert(word.to_owned());
            }
        }
    }
    let tags = serde_json::to_string(&content.tags).unwrap_or_default();
    let price = content.price.map(|price| price.amount);
    vec![
        Value::Id(id.0),
        Value::Id(worker_id.0),
        Value::Word(status.as_str()),
        Value::Text(content.title),
        Value::Text(content.description),
        Value::Word(trade.category.as_str()),
        Value::Word(place.name),
        Value::Float(latitude),
        Value::Float(longitude),
        Value::or_null(price, Value::Int),
        Value::or_null(price, |_| Value::Word(place.currency)),
        Value::Text(tags),
        Value::Bool(visible),
        if published { Value::Int(base.saturating_add_unsigned(number)) } else { Value::Null },
        Value::Text(search_text),
        Value::Int(plan.rating(service.worker)),
        if published { Value::Time(service.at) } else { Value::Null },
        Value::Int(1 + i64::from(published) + i64::from(status == ServiceStatus::Closed)),
        Value::Time(created_at),
        Value::Time(updated_at),
        Value::Int(services::tile_of(latitude, longitude)),
    ]
}

/// Returns a row of `worker_profiles`, and of `worker_ratings` if there is a review.
pub(super) fn worker(
    plan: &PlanIndex,
    slot: u32,
    worker: &Worker,
    id: UserId,
    now: Timestamp,
) -> (Vec<Value>, Option<Vec<Value>>) {
    let trade = trade(plan.seed, worker.index);
    let (place, latitude, longitude) = whereabouts(plan.seed, worker.index);
    let mut rng = rng(plan.seed, Purpose::Profile, worker.index ^ (1 << 40));
    let words = Words { place: place.name, ..Words::default() };
    let rate = rng.random_range(18..70) * service_text::factor(place.currency) * 100;
    let away = rng.random_ratio(1, 12).then(|| now + Duration::from_secs(rng.random_range(86_400..20 * 86_400)));
    let skills: Vec<&str> = trade.skills.iter().copied().filter(|_| rng.random_bool(0.8)).collect();
    let languages = LANGUAGES.choose(&mut rng).copied().unwrap_or_default();
    let profile = vec![
        Value::Id(id.0),
        Value::Word(trade.headlines.choose(&mut rng).copied().unwrap_or_default()),
        Value::Text(words.fill(ABOUT.choose(&mut rng).copied().unwrap_or_default())),
        Value::Word(place.name),
        Value::Float(latitude),
        Value::Float(longitude),
        Value::Int(rate),
        Value::Word(place.currency),
        Value::Text(serde_json::to_string(&skills).unwrap_or_default()),
        Value::Text(serde_json::to_string(languages).unwrap_or_default()),
        Value::Bool(rng.random_ratio(7, 8)),
        Value::or_null(away, Value::Time),
        Value::Int(1),
        Value::Time(worker.from),
    ];
    let stars = plan.stars.get(slot as usize).copied().unwrap_or_default();
    let rated = stars.iter().any(|count| *count > 0).then(|| {
        std::iter::once(Value::Id(id.0)).chain(stars.iter().map(|count| Value::Int(i64::from(*count)))).collect()
    });
    (profile, rated)
}

/// Returns a row of `client_profiles`, for those who wrote one, and their favourites, newest last.
pub(super) fn client(
    plan: &PlanIndex,
    (index, id): (u64, UserId),
    created_at: Timestamp,
    now: Timestamp,
    id_of: &dyn Fn(u64) -> UserId,
) -> (Option<Vec<Value>>, Vec<Vec<Value>>) {
    let mut rng = rng(plan.seed, Purpose::Favorites, index);
    let profile = rng.random_ratio(1, 3).then(|| {
        let place = PLACES.choose(&mut rng).map_or("", |place| place.name);
        let about = ABOUT_CLIENTS.choose(&mut rng).copied().unwrap_or_default();
        vec![Value::Id(id.0), Value::Word(about), Value::Word(place), Value::Int(1), Value::Time(created_at)]
    });
    let mut favorites: Vec<(Timestamp, u64)> = Vec::new();
    if rng.random_ratio(1, 4) && !plan.people.workers.is_empty() {
        for _ in 0..rng.random_range(1..4) {
            let worker = plan.people.workers.get(rng.random_range(0..plan.people.workers.len()));
            let Some(worker) = worker.filter(|worker| worker.approved && worker.ends == Ends::Never) else { continue };
            let since = worker.from.max(created_at);
            let at = since + now.since(since).mul_f64(rng.random_range(0.05..0.95));
            if !favorites.iter().any(|(_, known)| *known == worker.index) {
                favorites.push((at, worker.index));
            }
        }
    }
    let rows = favorites.into_iter().map(|(at, worker)| {
        let worker: Uuid = id_of(worker).0;
        vec![Value::Id(id.0), Value::Id(worker), Value::Time(at)]
    });
    (profile, rows.collect())
}
