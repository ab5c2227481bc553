//! Stories of services, on both engines.

mod categories;
mod judged;
mod lifecycle;
mod photos;
mod queries;
mod searches;

use super::{
    model::{Category, NewService, OwnService, SearchFilter, ServiceCard, ServiceStatus, UpdateService},
    *,
};
use crate::{
    accounts::model::UserAction,
    actor::Actor,
    base::{
        change::{Change, RestrictionReason},
        ids::{ServiceId, UserId},
        page::PageRequest,
    },
    testing::{self, OPERATOR, TestApp},
    users,
};

fn id(actor: &Actor) -> UserId {
    actor.user_id().unwrap()
}

async fn act(test: &TestApp, id: UserId, action: UserAction) {
    let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
    users::act(&test.app().by(&OPERATOR).with(change.clone()), id, &action).await.unwrap();
}

fn new(title: &str) -> NewService {
    NewService {
        title: title.into(),
        description: String::new(),
        category: Category::Music,
        tags: Vec::new(),
        location: "Lyon".into(),
        latitude: None,
        longitude: None,
        price: None,
    }
}

/// A published service.
async fn published(test: &TestApp, worker: &Actor, service: NewService) -> OwnService {
    let made = create(&test.app().by(worker), service).await.unwrap();
    publish(&test.app().by(worker), made.id).await.unwrap()
}

async fn found(test: &TestApp, filter: &SearchFilter) -> Vec<String> {
    all(test, filter, 200).await.into_iter().map(|card| card.title).collect()
}

/// Every page.
async fn all(test: &TestApp, filter: &SearchFilter, limit: u16) -> Vec<ServiceCard> {
    let mut page = PageRequest::first(limit);
    let mut cards = Vec::new();
    loop {
        let found = search(test.app(), filter, &page).await.unwrap();
        assert!(found.next.is_none() || found.items.len() == usize::from(limit), "a short page with a next one");
        cards.extend(found.items);
        assert!(cards.len() < 100_000, "pages without an end: {filter:?}");
        let Some(next) = found.next else { return cards };
        page.after = Some(next);
    }
}

fn q(text: &str) -> SearchFilter {
    SearchFilter { q: Some(text.into()), ..SearchFilter::default() }
}
