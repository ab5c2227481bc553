//! Rows of webhooks and of what they are told.

use marketplace_core::webhooks::model::{Redelivered, Webhook, WebhookDelivery, WebhookWithSecret};

use super::{names, within};
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for Webhook {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("ON", "enabled", Kind::Text),
        Column::new("URL", "url", Kind::Text),
        Column::new("TOLD OF", "kinds", Kind::Text),
        Column::new("WAITING", "waiting", Kind::Number),
        Column::new("FAILED", "failed", Kind::Number),
        Column::optional("OFF BECAUSE", "disabled_because", Kind::Text),
        Column::optional("FAILING SINCE", "failing_since", Kind::Time),
        Column::optional("MADE", "created_at", Kind::Time),
    ];
    const HAS_PEOPLE: bool = true;
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("webhooks"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "url",
            "description",
            "kinds",
            "enabled",
            "disabled_because",
            "disabled_at",
            "failing_since",
            "old_secret_until",
            "waiting",
            "failed",
            "oldest_waiting_at",
            "version",
            "created_by",
            "created_at",
            "updated_at",
        ])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let kinds = self.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let description = Some(&self.description).filter(|text| !text.is_empty());
        Some(
            Card::default()
                .pair("webhook", self.id)
                .pair("url", &self.url)
                .maybe("for", description)
                .pair("told of", kinds)
                .pair("on", if self.enabled { "yes" } else { "no" })
                .maybe("off because", self.disabled_because)
                .maybe("off since", self.disabled_at.map(|at| view.time(at)))
                .maybe("failing since", self.failing_since.map(|at| view.time(at)))
                .pair("waiting", self.waiting)
                .maybe("oldest", self.oldest_waiting_at.map(|at| view.time(at)))
                .pair("failed", self.failed)
                .maybe("old secret signs until", self.old_secret_until.map(|at| view.time(at)))
                .pair("version", self.version)
                .pair("made", format!("{} by {}", view.time(self.created_at), view.who(&self.created_by))),
        )
    }
}

impl Row for WebhookWithSecret {
    const COLUMNS: &'static [Column] =
        &[Column::new("ID", "webhook.id", Kind::Id), Column::new("SECRET", "secret", Kind::Text)];
    const HAS_PEOPLE: bool = true;
    fn id() -> String {
        "webhook.id".into()
    }
    fn fields() -> Vec<String> {
        std::iter::once("secret".to_owned()).chain(within("webhook", Webhook::fields())).collect()
    }
    fn card(&self, view: &View) -> Option<Card> {
        self.webhook.card(view).map(|card| card.maybe("secret", self.secret.as_ref()))
    }
}

impl Row for WebhookDelivery {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATE", "state", Kind::State),
        Column::new("KIND", "kind", Kind::Text),
        Column::new("ABOUT", "subject", Kind::Text),
        Column::new("TRIES", "attempts", Kind::Number),
        Column::new("WHY", "failure", Kind::Text),
        Column::optional("ANSWER", "http_status", Kind::Number),
        Column::optional("NEXT TRY", "next_try_at", Kind::Time),
        Column::optional("HAPPENED", "created_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("deliveries"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "webhook_id",
            "kind",
            "subject",
            "state",
            "body",
            "attempts",
            "next_try_at",
            "last_try_at",
            "http_status",
            "failure",
            "finished_at",
            "created_at",
        ])
    }
    fn card(&self, view: &View) -> Option<Card> {
        Some(
            Card::default()
                .pair("delivery", self.id)
                .toned("state", self.state, Tone::of(self.state.as_str()))
                .pair("kind", self.kind)
                .pair("about", &self.subject)
                .pair("tries", self.attempts)
                .maybe("answer", self.http_status)
                .maybe("why", self.failure.as_ref())
                .maybe("next try", self.next_try_at.map(|at| view.time(at)))
                .maybe("finished", self.finished_at.map(|at| view.time(at)))
                .pair("happened", view.time(self.created_at)),
        )
    }
}

impl Row for Redelivered {
    const COLUMNS: &'static [Column] = &[
        Column::new("WEBHOOK", "webhook_id", Kind::Id),
        Column::new("SENT AGAIN", "deliveries", Kind::Number),
        Column::new("MORE", "more", Kind::Text),
    ];
    fn id() -> String {
        "webhook_id".into()
    }
    fn fields() -> Vec<String> {
        names(&["webhook_id", "deliveries", "more"])
    }
}
