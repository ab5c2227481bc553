//! Rows of mails that were not sent yet.

use marketplace_core::mail::model::MailSummary;

use super::names;
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for MailSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("TEXT", "template", Kind::Text),
        Column::new("TO", "to", Kind::Text),
        Column::new("TRIES", "attempts", Kind::Number),
        Column::new("WHY", "failure", Kind::Text),
        Column::optional("NEXT TRY", "next_try_at", Kind::Time),
        Column::optional("MADE", "created_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: None, order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "status",
            "template",
            "to",
            "user_id",
            "attempts",
            "failure",
            "next_try_at",
            "failed_at",
            "created_at",
        ])
    }
    fn card(&self, view: &View) -> Option<Card> {
        Some(
            Card::default()
                .pair("mail", self.id)
                .toned("status", self.status, Tone::of(self.status.as_str()))
                .maybe("text", self.template)
                .maybe("to", self.to.as_ref())
                .maybe("about", self.user_id)
                .pair("tries", self.attempts)
                .maybe("why", self.failure.as_ref())
                .maybe("next try", self.next_try_at.map(|at| view.time(at)))
                .maybe("given up", self.failed_at.map(|at| view.time(at)))
                .pair("made", view.time(self.created_at)),
        )
    }
}
