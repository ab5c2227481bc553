//! Rows of jobs.

use marketplace_core::jobs::model::{HistoryRow, JobDetail, JobSummary, OfferView, Side};

use super::{names, within};
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for JobSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("TITLE", "title", Kind::Text),
        Column::new("PRICE", "price", Kind::Money),
        Column::optional("CLIENT", "client_name", Kind::Text),
        Column::optional("WORKER", "worker_name", Kind::Text),
        Column::optional("CHANGED", "updated_at", Kind::Time),
        Column::optional("DUE", "due_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("jobs"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "thread_id",
            "service_id",
            "title",
            "client_id",
            "client_name",
            "worker_id",
            "worker_name",
            "status",
            "price.amount",
            "price.currency",
            "revision",
            "created_at",
            "updated_at",
            "due_at",
            "version",
        ])
    }
}

impl Row for HistoryRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("ENTRY", "entry", Kind::Number),
        Column::new("WHEN", "at", Kind::Time),
        Column::new("ACTION", "action", Kind::State),
        Column::new("FROM", "from", Kind::State),
        Column::new("TO", "to", Kind::State),
        Column::new("SIDE", "side", Kind::Text),
        Column::new("REASON", "reason", Kind::Text),
        Column::optional("COMMENT", "comment", Kind::Text),
        Column::optional("BY", "actor", Kind::Who),
    ];
    const HAS_PEOPLE: bool = true;
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "at", list: None, order: Order::OldestFirst })
    }
    fn id() -> String {
        "entry".into()
    }
    fn fields() -> Vec<String> {
        names(&["entry", "action", "from", "to", "side", "actor", "revision", "reason", "comment", "version", "at"])
    }
}

impl Row for JobDetail {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "job.id", Kind::Id),
        Column::new("STATUS", "job.status", Kind::State),
        Column::new("TITLE", "job.title", Kind::Text),
        Column::new("PRICE", "job.price", Kind::Money),
    ];
    const HAS_PEOPLE: bool = true;
    fn id() -> String {
        "job.id".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("job", JobSummary::fields()).collect();
        fields.extend(names(&["change_requests", "offers", "history", "actions"]));
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        let job = &self.job;
        let mut card = Card::default()
            .pair("job", job.id)
            .toned("status", job.status, Tone::of(job.status.as_str()))
            .pair("about", &job.title)
            .pair("service", job.service_id)
            .pair("thread", job.thread_id)
            .pair("client", format!("{} {}", job.client_id, job.client_name))
            .pair("worker", format!("{} {}", job.worker_id, job.worker_name))
            .pair("price", format!("{} (offer {})", job.price, job.revision))
            .pair("began", view.time(job.created_at))
            .pair("changed", view.time(job.updated_at))
            .maybe("due", job.due_at.map(|at| view.time(at)));
        if self.change_requests > 0 {
            card = card.pair("changes asked", self.change_requests);
        }
        let can = self.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ");
        card = card.pair("version", job.version).maybe("you can", (!can.is_empty()).then_some(can));
        Some(
            card.section("offers", self.offers.iter().map(|made| offer(made, view)).collect::<Vec<_>>())
                .section("history", self.history.iter().map(|row| entry(row, &self.job, view)).collect::<Vec<_>>()),
        )
    }
}

fn offer(offer: &OfferView, view: &View) -> String {
    let at = view.time(offer.at);
    format!("{}  {} by the {}, {at}: {}; {}", offer.revision, offer.price, offer.by, offer.schedule, offer.scope)
}

fn entry(row: &HistoryRow, job: &JobSummary, view: &View) -> String {
    let from = row.from.map_or_else(String::new, |from| format!("{from} → "));
    let reason = row.reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let comment = row.comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
    let at = view.time(row.at);
    let who = match row.side {
        Side::Client => job.client_name.clone(),
        Side::Worker => job.worker_name.clone(),
        _ => view.who(&row.actor),
    };
    format!("{}  {from}{}  {} by {} {who}, {at}{reason}{comment}", row.entry, row.to, row.action, row.side)
}
