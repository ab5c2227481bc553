#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, made here"
)]

use std::collections::BTreeSet;

use futures::FutureExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    accounts::model::Status,
    base::{error::ErrorCode, money::Money, patch::Patch, permission::Role},
    platform::db::tally,
    services::{
        index_sync::learn,
        index_text::{plain, search_text},
        model::ServiceSort,
        place::Place,
        query::{Query, Tier, Vocabulary},
        search_sql::Wanted,
        store,
    },
    users,
};

/// Enough for every way in which a page can be filled.
const MANY: usize = 700;
const WORDS: [&str; 24] = [
    "piano",
    "pianos",
    "painter",
    "paint",
    "lessons",
    "lesson",
    "guitar",
    "plumber",
    "plumbing",
    "garden",
    "gardening",
    "été",
    "Straße",
    "24h",
    "home",
    "house",
    "mouse",
    "computer",
    "computers",
    "commuter",
    "repair",
    "repairs",
    "and",
    "rare",
];

/// A service as it was made, and what a search knows of it besides.
struct Known {
    service: NewService,
    worker: usize,
    number: i64,
}

struct World {
    names: Vec<String>,
    ratings: Vec<i64>,
    away: Vec<bool>,
    services: Vec<Known>,
}

/// The same for the same seed.
fn world(seed: u64) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let word = |rng: &mut StdRng| {
        // A few are in nearly everything, the last in hardly anything.
        let at = (rng.random_range(0.0_f64..1.0).powi(2) * 23.0) as usize;
        if rng.random_range(0..MANY) == 0 { WORDS[23] } else { WORDS[at] }
    };
    let names = (0..12).map(|n| format!("{} Number{n}", word(&mut rng))).collect();
    let services = (1..).take(MANY).map(|number| {
        let text = |most: usize, rng: &mut StdRng| {
            (0..rng.random_range(0..most)).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
        };
        let placed = rng.random_range(0..4) > 0;
        let near = rng.random_range(0..3) > 0;
        let spread = if near { 0.3 } else { 40.0 };
        let mut degrees = |around: f64| crate::profiles::model::rounded(around + rng.random_range(-spread..spread));
        let (latitude, longitude) = (degrees(45.76), degrees(4.84));
        let service = NewService {
            title: format!("{} n{number}", text(4, &mut rng)).trim().to_owned(),
            description: text(12, &mut rng),
            category: Category::FIRST[rng.random_range(0..4)],
            tags: vec![text(3, &mut rng)],
            location: ["Lyon", "Paris 9e", "Saint-Étienne"][rng.random_range(0..3)].into(),
            latitude: placed.then_some(latitude),
            longitude: placed.then_some(longitude),
            price: (rng.random_range(0..3) > 0)
                .then(|| Money::new(rng.random_range(0..20_000), ["EUR", "CHF"][rng.random_range(0..2)])),
        };
        Known { service, worker: rng.random_range(0..12), number }
    });
    let services = services.collect();
    let ratings = (0..12).map(|_| rng.random_range(0..6) * 900).collect();
    World { names, ratings, away: (0..12).map(|_| rng.random_range(0..3) == 0).collect(), services }
}

async fn fill(test: &TestApp, world: &World) {
    let app = test.app();
    let mut workers = Vec::new();
    for name in &world.names {
        let user = test.user(Role::Worker, Status::Active).await;
        test.approve(user).await;
        let (actor, _) = test.log_in(user).await;
        let update = users::UpdateMe { name: Patch::Set(name.clone()), ..users::UpdateMe::default() };
        users::update_me(&app.by(&actor), update).await.unwrap();
        if world.away[workers.len()] {
            let update =
                crate::profiles::model::UpdateWorkerProfile { available: Patch::Set(false), ..Default::default() };
            crate::profiles::update_worker(&app.by(&actor), update).await.unwrap();
        }
        workers.push(user);
    }
    let rows: Vec<(ServiceId, UserId, NewService, String)> = world
        .services
        .iter()
        .map(|known| {
            let indexed = search_text(&known.service, &world.names[known.worker]);
            let id = ServiceId::new(app.now(), app.random.as_ref());
            (id, workers[known.worker], known.service.clone(), indexed)
        })
        .collect();
    let (now, ratings) = (app.now(), world.ratings.clone());
    let write = app.db.write(move |conn| {
        async move {
            for (id, worker, service, text) in &rows {
                store::insert(conn, *id, *worker, service, text, now).await?;
                learn(conn, plain(text)).await?;
                store::publish(conn, *id, now).await?;
            }
            for (worker, rating) in workers.iter().zip(ratings) {
                rating_changed(conn, *worker, rating).await?;
            }
            if let crate::platform::db::Conn::Pg(pg) = conn {
                sqlx::query("ANALYZE").execute(&mut **pg).await.unwrap();
            }
            Ok(())
        }
        .boxed()
    });
    write.await.unwrap();
}

impl World {
    /// The indexed text of each service.
    fn texts(&self) -> Vec<String> {
        let text = |known: &Known| search_text(&known.service, &self.names[known.worker]);
        self.services.iter().map(text).collect()
    }

    /// The query, with what all known words tell about it.
    fn query(filter: &SearchFilter, texts: &[String]) -> Query {
        let mut query = filter.checked().unwrap();
        let words: BTreeSet<&str> = texts.iter().flat_map(|text| plain(text)).collect();
        let beginning = |start: &str| -> Vec<String> {
            words.iter().filter(|word| word.starts_with(start)).map(|word| (*word).to_owned()).collect()
        };
        let vocabulary = Vocabulary {
            completions: query.beginnings().iter().map(|start| start.map_or(Vec::new(), beginning)).collect(),
            neighbours: words.iter().filter(|word| word.chars().count() >= 3).map(|word| (*word).to_owned()).collect(),
            synonyms: query
                .synonyms()
                .iter()
                .filter(|word| words.contains(*word))
                .map(|word| (*word).to_owned())
                .collect(),
        };
        query.learn(&vocabulary);
        query
    }

    /// One by one, without an index; in order.
    fn expected(&self, filter: &SearchFilter) -> Vec<&str> {
        let texts = self.texts();
        let query = Self::query(filter, &texts);
        let from = filter.lat.zip(filter.lon).map(|(latitude, longitude)| Place { latitude, longitude });
        let mut hits: Vec<(i64, i64, usize)> = Vec::new();
        for (at, known) in self.services.iter().enumerate() {
            let service = &known.service;
            let metres = from.and_then(|from| Some(from.metres_to(service.latitude?, service.longitude?)));
            let amount = service.price.as_ref().filter(|price| Some(&price.currency) == filter.currency.as_ref());
            let amount = amount.map(|price| price.amount);
            let rating = self.ratings[known.worker];
            let by_distance = filter.sort == Some(ServiceSort::Distance);
            let fits = query.others.fits(&texts[at])
                && filter.category.is_none_or(|category| category == service.category)
                && filter.min_rating.is_none_or(|stars| rating as f64 >= stars * 1_000.0)
                && (filter.available != Some(true) || !self.away[known.worker])
                && (filter.currency.is_none() || amount.is_some())
                && filter.min_price.is_none_or(|least| amount >= Some(least))
                && filter.max_price.is_none_or(|most| amount.is_some_and(|amount| amount <= most))
                && filter
                    .radius_km
                    .is_none_or(|radius| metres.is_some_and(|metres| metres <= (radius * 1_000.0).round() as i64))
                && (!by_distance || metres.is_some());
            let key = match query.sort {
                ServiceSort::Newest | ServiceSort::Relevance => 0,
                ServiceSort::Rating => -rating,
                ServiceSort::Distance => metres.unwrap_or(0),
                ServiceSort::Price => service.price.as_ref().map_or(i64::MAX, |price| price.amount),
            };
            if fits {
                hits.push((key, -known.number, at));
            }
        }
        if query.sort == ServiceSort::Relevance {
            let tiers: Vec<Tier> = std::iter::once(query.full_tiers()).chain(query.partial_tiers()).flatten().collect();
            let tier = |at: usize| {
                let tokens: Vec<&str> = texts[at].split(' ').collect();
                tiers.iter().find(|tier| tier.matches(&tokens)).map(|tier| tier.id)
            };
            hits = hits.into_iter().filter_map(|(_, number, at)| Some((tier(at)?, number, at))).collect();
        } else {
            let chosen = |wanted: &Wanted| -> Vec<_> {
                hits.iter().filter(|(_, _, at)| wanted.fits(&texts[*at])).copied().collect()
            };
            hits = query.choices().iter().map(chosen).find(|found| !found.is_empty()).unwrap_or_default();
        }
        hits.sort_unstable();
        hits.into_iter().map(|(_, _, at)| self.services[at].service.title.as_str()).collect()
    }
}

/// A word as people type it: whole, its beginning, or with a typo.
fn typed(rng: &mut StdRng) -> String {
    let mut word: Vec<char> = WORDS[rng.random_range(0..24)].chars().collect();
    match rng.random_range(0..5) {
        0 | 1 => {}
        2 => word.truncate(rng.random_range(1..=word.len())),
        3 => {
            word.remove(rng.random_range(0..word.len()));
        }
        _ => word.insert(rng.random_range(0..=word.len()), 'x'),
    }
    word.into_iter().collect()
}

fn asked(rng: &mut StdRng) -> SearchFilter {
    let mut some = |one_in: u32| rng.random_range(0..one_in) == 0;
    let (q, category, place, radius, rating, price) = (!some(4), some(5), some(2), some(3), some(5), some(5));
    let (location, available) = (some(6), some(5));
    let place = place || radius;
    let sort = match rng.random_range(0..6) {
        0 => Some(ServiceSort::Newest),
        5 => Some(ServiceSort::Price),
        1 => Some(ServiceSort::Rating),
        2 if place => Some(ServiceSort::Distance),
        3 => Some(ServiceSort::Relevance),
        _ => None,
    };
    SearchFilter {
        q: q.then(|| {
            let words: Vec<String> = (0..rng.random_range(1..4)).map(|_| typed(rng)).collect();
            let excluded = if rng.random_range(0..5) == 0 { " -lesson" } else { "" };
            format!("{}{excluded}", words.join(" "))
        }),
        category: category.then(|| Category::FIRST[rng.random_range(0..5)]),
        location: location.then(|| ["ly", "saint etienne", "paris 9", "nowhere"][rng.random_range(0..4)].into()),
        lat: place.then(|| [45.76, 45.9, 89.9, -10.0][rng.random_range(0..4)]),
        lon: place.then(|| [4.84, 5.0, 179.9][rng.random_range(0..3)]),
        radius_km: radius.then(|| [0.0, 5.0, 40.0, 3_000.0, 20_000.0][rng.random_range(0..5)]),
        min_rating: rating.then(|| [1.0, 3.6, 5.0][rng.random_range(0..3)]),
        available: available.then_some(true),
        min_price: price.then(|| rng.random_range(0..9_000)),
        max_price: (price && rng.random_range(0..2) == 0).then(|| rng.random_range(9_000..20_000)),
        currency: price.then(|| "EUR".into()),
        sort,
        ..SearchFilter::default()
    }
}

#[tokio::test]
async fn both_engines_find_exactly_what_the_definition_says_in_its_order() {
    let world = world(7);
    for test in testing::apps().await {
        fill(&test, &world).await;
        let mut rng = StdRng::seed_from_u64(11);
        let mut lengths = Vec::new();
        for _ in 0..40 {
            let filter = asked(&mut rng);
            let limit = [29, 120, 200][rng.random_range(0..3)];
            let cards = all(&test, &filter, limit).await;
            let titles: Vec<&str> = cards.iter().map(|card| card.title.as_str()).collect();
            assert_eq!(titles, world.expected(&filter), "{:?}: {filter:?}", test.app().db.engine());
            lengths.push(titles.len());
        }
        let mut reader = test.app().db.read().await.unwrap();
        assert_eq!(tally::prepared_again(&mut reader.conn()).await, Vec::<String>::new());
        drop(reader);
        // The questions were neither all hopeless nor all the same.
        assert!(lengths.iter().filter(|length| **length == 0).count() < 28);
        assert!(
            lengths.iter().any(|length| *length > MANY / 2) && lengths.iter().any(|length| (1..30).contains(length))
        );
        test.close().await;
    }
}

#[tokio::test]
async fn pages_of_every_order_give_each_row_once_at_any_size() {
    let world = world(8);
    for test in testing::apps().await {
        fill(&test, &world).await;
        for sort in ServiceSort::ALL {
            let base = SearchFilter { lat: Some(45.7), lon: Some(4.8), sort: Some(*sort), ..SearchFilter::default() };
            for filter in [
                base.clone(),
                SearchFilter { q: Some("lesson".into()), ..base.clone() },
                SearchFilter { q: Some("rare".into()), ..base },
            ] {
                let expected = world.expected(&filter);
                for limit in [17, 199] {
                    let cards = all(&test, &filter, limit).await;
                    let titles: Vec<&str> = cards.iter().map(|card| card.title.as_str()).collect();
                    assert_eq!(titles, expected, "{filter:?} by {limit}");
                }
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn many_at_one_place_come_by_distance_one_after_the_other() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let (owner, app) = (id(&worker), test.app());
        let now = app.now();
        let rows: Vec<ServiceId> = (0..4_100).map(|_| ServiceId::new(now, app.random.as_ref())).collect();
        let write = app.db.write(move |conn| {
            async move {
                for (at, id) in rows.iter().enumerate() {
                    let service =
                        NewService { latitude: Some(1.0), longitude: Some(2.0), ..new(&format!("Same n{at}")) };
                    store::insert(conn, *id, owner, &service, &search_text(&service, "Ada"), now).await?;
                    store::publish(conn, *id, now).await?;
                }
                Ok(())
            }
            .boxed()
        });
        write.await.unwrap();
        let filter = SearchFilter {
            lat: Some(1.001),
            lon: Some(2.0),
            sort: Some(ServiceSort::Distance),
            ..SearchFilter::default()
        };
        let mut page = PageRequest::first(200);
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let found = search(app, &filter, &page).await.unwrap();
            assert!(found.items.iter().all(|card| card.distance == Some(111)));
            numbers.extend(found.items.into_iter().map(|card| card.title));
            page.after = found.next;
        }
        // The newest first.
        assert_eq!(numbers, (3_500..4_100).rev().map(|at| format!("Same n{at}")).collect::<Vec<_>>());
        test.close().await;
    }
}

/// Steps that SQLite has taken on the connection that reads; 0 on PostgreSQL.
async fn steps(test: &TestApp) -> i64 {
    let mut reader = test.app().db.read().await.unwrap();
    let tallies = tally::tallies(&mut reader.conn()).await;
    // Looking up a token costs about as much in each segment of the full-text index, whatever it contains.
    tallies.iter().filter(|tally| !tally.sql.contains("services_fts_idx")).map(|tally| tally.steps).sum()
}

/// Once each search tested 400 rows before it asked the full-text index, up to 20,000 for what few have, and as many as there
/// were numbers where many had been taken back.
#[tokio::test]
async fn a_search_looks_at_about_what_it_shows() {
    const MANY: i64 = 3_000;
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let (owner, app) = (id(&worker), test.app());
        let now = app.now();
        let rows: Vec<ServiceId> = (0..MANY).map(|_| ServiceId::new(now, app.random.as_ref())).collect();
        let made = rows.clone();
        let write = app.db.write(move |conn| {
            async move {
                for (at, id) in (0..).zip(&made) {
                    let (old, rare) = (at < MANY / 2, at == 700);
                    let title = format!("Gardening {} n{at}", if rare { "orchidarium" } else { "x" });
                    let category = if old { Category::FIRST[1] } else { Category::FIRST[0] };
                    let service = NewService { category, ..new(&title) };
                    let text = search_text(&service, "Ada");
                    store::insert(conn, *id, owner, &service, &text, now).await?;
                    learn(conn, plain(&text)).await?;
                    store::publish(conn, *id, now).await?;
                }
                Ok(())
            }
            .boxed()
        });
        write.await.unwrap();
        let cost = async |filter: SearchFilter, expected: usize| {
            let before = steps(&test).await;
            let page = search(app, &filter, &PageRequest::first(20)).await.unwrap();
            assert_eq!(page.items.len(), expected, "{filter:?}");
            (steps(&test).await - before, format!("{filter:?}"))
        };
        let of = |category| SearchFilter { category: Some(category), ..SearchFilter::default() };
        cost(q("gardening"), 20).await;
        let mut costs = vec![
            cost(q("gardening"), 20).await,
            cost(q("orchidarium"), 1).await,
            cost(q("gard orchi"), 20).await,
            cost(q("zzzzzz"), 0).await,
            cost(SearchFilter::default(), 20).await,
            cost(of(Category::FIRST[1]), 20).await,
        ];
        let hidden = rows.get(1_500..).unwrap().to_vec();
        let write = app.db.write(move |conn| {
            async move {
                for id in hidden {
                    store::hide(conn, id, crate::services::model::ServiceStatus::Draft, now).await?;
                }
                Ok(())
            }
            .boxed()
        });
        write.await.unwrap();
        costs.push(cost(q("gardening"), 20).await);
        costs.push(cost(SearchFilter::default(), 20).await);
        costs.push(cost(of(Category::FIRST[1]), 20).await);
        assert!(costs.iter().all(|(steps, _)| *steps < 8_000), "{costs:#?}");
        test.close().await;
    }
}

#[tokio::test]
async fn far_from_everything_the_nearest_is_found_as_soon() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        for (title, latitude, longitude) in [("Near Fiji", -17.7, 178.1), ("Across the line", -16.9, -179.9)] {
            published(
                &test,
                &worker,
                NewService { latitude: Some(latitude), longitude: Some(longitude), ..new(title) },
            )
            .await;
        }
        for (lat, lon, first) in
            [(10.0, -140.0, "Across the line"), (-17.0, 177.0, "Near Fiji"), (90.0, 0.0, "Across the line")]
        {
            let filter = SearchFilter {
                lat: Some(lat),
                lon: Some(lon),
                sort: Some(ServiceSort::Distance),
                ..SearchFilter::default()
            };
            let page = search(test.app(), &filter, &PageRequest::first(1)).await.unwrap();
            assert_eq!(page.items[0].title, first);
            let next = PageRequest { limit: 5, after: page.next };
            assert_eq!(search(test.app(), &filter, &next).await.unwrap().items.len(), 1);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn the_migration_knows_the_same_tiles() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let places =
            [(52.52, 13.405), (-90.0, -180.0), (90.0, 180.0), (0.0, 0.0), (-33.868_8, 151.209_3), (1e-6, -1e-6)];
        for (latitude, longitude) in places {
            let place = NewService { latitude: Some(latitude), longitude: Some(longitude), ..new("Somewhere") };
            published(&test, &worker, place).await;
        }
        let texts = (
            include_str!("../../../../migrations/sqlite/0014_tiles.sql"),
            include_str!("../../../../migrations/postgres/0014_tiles.sql"),
        );
        let write = test.app().db.write(move |conn| {
            async move {
                let update = |text: &'static str| text.split(';').find(|text| text.contains("UPDATE")).unwrap();
                let changed = match conn {
                    crate::platform::db::Conn::Sqlite(conn) => {
                        sqlx::query(update(texts.0)).execute(&mut **conn).await.unwrap().rows_affected()
                    }
                    crate::platform::db::Conn::Pg(conn) => {
                        sqlx::query(update(texts.1)).execute(&mut **conn).await.unwrap().rows_affected()
                    }
                };
                assert_eq!(changed, 6);
                Ok(q!(conn => all (f64, f64, i64), "SELECT latitude, longitude, tile FROM services")?)
            }
            .boxed()
        });
        let rows = write.await.unwrap();
        assert_eq!(rows.len(), places.len());
        for (latitude, longitude, tile) in rows {
            assert_eq!(tile, super::super::tile_of(latitude, longitude), "{latitude} {longitude}");
        }
        test.close().await;
    }
}

#[tokio::test]
async fn odd_cursors_are_refused_or_harmless() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        published(&test, &worker, NewService { latitude: Some(1.0), longitude: Some(2.0), ..new("Piano lessons") })
            .await;
        for sort in ServiceSort::ALL {
            let filter = SearchFilter { lat: Some(0.0), lon: Some(0.0), sort: Some(*sort), ..q("piano") };
            for (key, number) in [(i64::MIN, i64::MIN), (i64::MAX, i64::MAX), (-1, -1), (0, i64::MAX), (99, 0)] {
                let after = Some(URL_SAFE_NO_PAD.encode(format!("{sort}:{key}:{number}")));
                let page = search(test.app(), &filter, &PageRequest { limit: 5, after }).await.unwrap();
                assert!(page.items.len() <= 1, "{sort} {key} {number}");
            }
            let other = if *sort == ServiceSort::Newest { "rating" } else { "newest" };
            for after in [format!("{other}:0:1"), "newest:x:1".into(), "t:1:2".into(), "\0".into()] {
                let after = Some(URL_SAFE_NO_PAD.encode(after));
                let error = search(test.app(), &filter, &PageRequest { limit: 5, after }).await.unwrap_err();
                assert_eq!(error.code(), ErrorCode::Invalid);
            }
        }
        test.close().await;
    }
}

/// What means something to a database is only text here.
#[tokio::test]
async fn queries_are_words_and_nothing_else() {
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        published(&test, &worker, new("Piano OR lessons")).await;
        for text in [
            "\"piano",
            "pia*",
            "piano & lessons",
            "'piano'",
            "+piano",
            "=piano",
            "NEAR(piano)",
            "(",
            "piano:*",
            "100%",
            "_",
            "\\",
            "lessons NOT piano",
        ] {
            let titles = found(&test, &q(text)).await;
            let expected = !matches!(text, "(" | "100%" | "_" | "\\");
            assert_eq!(!titles.is_empty(), expected, "{text}");
        }
        test.close().await;
    }
}
