//! How good searches are: 90 queries over 300 services in many languages, with what people would want to see (`tests/search`).
//!
//! Each query names services that are best and services that are good, as beginnings of their ids up to a `*`, or their ends.
//! The measure is nDCG@10 (K. Järvelin, J. Kekäläinen 2002) with the grades 3 and 1.

use futures::FutureExt;

use super::*;
use crate::services::{index_sync::learn, store};

const SERVICES: &str = include_str!("../../../../tests/search/services.json");
const QUERIES: &str = include_str!("../../../../tests/search/queries.json");
/// The least average over all queries.
const LEAST: f64 = 0.90;

/// Id without the town, category, title, tags, description, towns.
type Row = (String, Category, String, String, String, Vec<String>);

/// The services with their ids, in an order that has nothing to do with the file's.
fn market() -> Vec<(String, NewService)> {
    let rows: Vec<Row> = serde_json::from_str(SERVICES).unwrap();
    let mut all = Vec::new();
    for (id, category, title, tags, description, towns) in rows {
        for town in towns {
            let service = NewService {
                category,
                description: description.clone(),
                tags: tags.split(", ").map(str::to_owned).collect(),
                location: town.clone(),
                ..new(&title)
            };
            all.push((format!("{id}-{town}"), service));
        }
    }
    let count = all.len();
    (0..count).map(|at| all[at * 101 % count].clone()).collect()
}

/// Returns whether an id is meant by a pattern with one `*` at most for each part.
fn is_meant(pattern: &str, id: &str) -> bool {
    let mut rest = id;
    let mut parts = pattern.split('*').peekable();
    let Some(first) = parts.next() else { return false };
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    while let Some(part) = parts.next() {
        match parts.peek() {
            None => return rest.ends_with(part),
            Some(_) => match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            },
        }
    }
    rest.is_empty()
}

fn gain(grades: impl Iterator<Item = u32>) -> f64 {
    let discounted = |(at, grade): (u32, u32)| f64::from(2_u32.pow(grade) - 1) / f64::from(at + 2).log2();
    (0..).zip(grades.take(10)).map(discounted).sum()
}

#[tokio::test]
async fn the_best_services_come_first() {
    let market = market();
    assert!(market.len() >= 300, "{}", market.len());
    let queries: Vec<(String, Vec<String>, Vec<String>)> = serde_json::from_str(QUERIES).unwrap();
    for test in testing::apps().await {
        let worker = test.approved_worker().await;
        let (owner, app) = (id(&worker), test.app());
        let (now, services) = (app.now(), market.clone());
        let rows: Vec<ServiceId> = services.iter().map(|_| ServiceId::new(now, app.random.as_ref())).collect();
        let ids: std::collections::HashMap<ServiceId, String> =
            rows.iter().copied().zip(services.iter().map(|(id, _)| id.clone())).collect();
        let write = app.db.write(move |conn| {
            async move {
                for (id, (_, service)) in rows.iter().zip(&services) {
                    let text = search_text(service, "Ada");
                    store::insert(conn, *id, owner, service, &text, now).await?;
                    learn(conn, plain(&text)).await?;
                    store::publish(conn, *id, now).await?;
                }
                Ok(())
            }
            .boxed()
        });
        write.await.unwrap();
        let mut scores: Vec<(f64, String)> = Vec::new();
        for (query, best, good) in &queries {
            let grade = |id: &str| {
                let is_in = |patterns: &[String]| patterns.iter().any(|pattern| is_meant(pattern, id));
                if is_in(best) { 3 } else { u32::from(is_in(good)) }
            };
            let page = search(app, &q(query), &PageRequest::first(10)).await.unwrap();
            let found: Vec<&str> = page.items.iter().map(|card| ids[&card.id].as_str()).collect();
            let mut ideal: Vec<u32> = market.iter().map(|(id, _)| grade(id)).collect();
            ideal.sort_unstable_by(|a, b| b.cmp(a));
            let score = gain(found.iter().map(|id| grade(id))) / gain(ideal.into_iter());
            scores.push((score, format!("{score:.2} {query}: {}", found.join(" "))));
        }
        let average =
            scores.iter().map(|(score, _)| score).sum::<f64>() / f64::from(u32::try_from(scores.len()).unwrap());
        scores.sort_by(|a, b| a.0.total_cmp(&b.0));
        let worst: Vec<&str> = scores.iter().take(30).map(|(_, line)| line.as_str()).collect();
        let engine = app.db.engine();
        println!("{engine:?}: nDCG@10 {average:.3}\n{}", worst.join("\n"));
        assert!(average >= LEAST, "{engine:?}: {average}");
        test.close().await;
    }
}
