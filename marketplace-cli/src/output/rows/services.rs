//! Rows of services and of rules.

use marketplace_core::{
    rules::model::{Rule, RuleTrial},
    services::model::{CategoryDetail, MergedCategory, Photo, ServiceDetail, ServiceSummary},
};

use super::{names, within};
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for ServiceSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("TITLE", "title", Kind::Text),
        Column::new("WORKER", "worker_name", Kind::Text),
        Column::optional("CATEGORY", "category", Kind::Text),
        Column::optional("PRICE", "price", Kind::Money),
        Column::optional("CLOSED FOR", "closed_reason", Kind::Text),
        Column::optional("WRITTEN", "created_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("services"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "worker_id",
            "worker_name",
            "status",
            "public",
            "closed_reason",
            "title",
            "category",
            "location",
            "price.amount",
            "price.currency",
            "created_at",
            "updated_at",
            "version",
        ])
    }
}

impl Row for ServiceDetail {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "service.id", Kind::Id),
        Column::new("STATUS", "service.status", Kind::State),
        Column::new("TITLE", "service.title", Kind::Text),
        Column::new("WORKER", "service.worker_name", Kind::Text),
    ];
    fn id() -> String {
        "service.id".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("service", ServiceSummary::fields()).collect();
        fields.extend(names(&["description", "tags", "photos", "latitude", "longitude", "published_at"]));
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        let service = &self.service;
        let place = self.latitude.zip(self.longitude).map(|(latitude, longitude)| format!("{latitude}, {longitude}"));
        Some(
            Card::default()
                .pair("service", service.id)
                .toned("status", service.status, Tone::of(service.status.as_str()))
                .pair("found by everybody", if service.public { "yes" } else { "no" })
                .maybe("closed for", service.closed_reason)
                .pair("worker", format!("{} {}", service.worker_id, service.worker_name))
                .pair("title", &service.title)
                .pair("text", &self.description)
                .pair("category", service.category)
                .maybe("tags", Some(self.tags.join(", ")).filter(|tags| !tags.is_empty()))
                .pair("where", &service.location)
                .maybe("place", place)
                .maybe("price", service.price.as_ref())
                .maybe("published", self.published_at.map(|at| view.time(at)))
                .pair("written", view.time(service.created_at))
                .pair("changed", view.time(service.updated_at))
                .pair("version", service.version)
                .section("photos", self.photos.iter().map(photo).collect::<Vec<_>>()),
        )
    }
}

/// Returns a line about a photo.
pub fn photo(photo: &Photo) -> String {
    format!("{}  {} × {}  {}", photo.id, photo.width, photo.height, photo.alt)
}

impl Row for CategoryDetail {
    const COLUMNS: &'static [Column] = &[
        Column::new("KEY", "key", Kind::Id),
        Column::new("NAME", "names.en", Kind::Text),
        Column::optional("PART OF", "parent", Kind::Text),
        Column::new("POSITION", "position", Kind::Number),
        Column::new("ACTIVE", "active", Kind::Text),
        Column::optional("MERGED INTO", "merged_into", Kind::Text),
    ];
    fn id() -> String {
        "key".into()
    }
    fn fields() -> Vec<String> {
        names(&["key", "names", "names.en", "parent", "position", "active", "merged_into", "moving", "version"])
    }
}

impl Row for MergedCategory {
    const COLUMNS: &'static [Column] = &[
        Column::new("KEY", "category.key", Kind::Id),
        Column::new("INTO", "category.merged_into", Kind::Text),
        Column::new("SERVICES", "services.value", Kind::Number),
        Column::new("MOVING", "category.moving", Kind::Text),
    ];
    fn id() -> String {
        "category.key".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("category", CategoryDetail::fields()).collect();
        fields.extend(names(&["services.value", "services.capped"]));
        fields
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let Self { category, services } = self;
        let card = Card::default().pair("category", category.key);
        let card = card.maybe("merged into", category.merged_into.as_ref()).pair("services", services);
        Some(if category.moving { card.pair("moving", "yes: the rest within moments") } else { card })
    }
}

impl Row for Rule {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("KIND", "kind", Kind::Text),
        Column::new("VALUE", "value", Kind::Text),
        Column::new("DOES", "action", Kind::Text),
        Column::new("HOLDS", "enabled", Kind::Text),
        Column::optional("WHERE", "places", Kind::Text),
        Column::optional("REPORTS", "reports", Kind::Number),
        Column::optional("NOTE", "note", Kind::Text),
        Column::optional("BY", "created_by", Kind::Who),
        Column::optional("MADE", "created_at", Kind::Time),
    ];
    const HAS_PEOPLE: bool = true;
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("rules"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "kind",
            "value",
            "action",
            "places",
            "reason",
            "enabled",
            "note",
            "created_by",
            "created_at",
            "reports",
            "version",
        ])
    }
}

impl Row for RuleTrial {
    const COLUMNS: &'static [Column] = &[
        Column::new("SINCE", "since", Kind::Time),
        Column::new("CHECKED", "checked", Kind::Number),
        Column::new("CAUGHT", "caught", Kind::Number),
    ];
    fn id() -> String {
        "caught".into()
    }
    fn fields() -> Vec<String> {
        names(&["since", "checked", "caught", "examples", "next"])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let examples =
            self.examples.iter().map(|one| format!("{} {}  {}", one.target_kind, one.target_id, one.excerpt));
        Some(
            Card::default()
                .pair("since", view.time(self.since))
                .pair("looked at", self.checked)
                .pair("caught", self.caught)
                .section("some of them", examples),
        )
    }
}
