//! Rows of threads and messages.

use marketplace_core::messaging::model::{Attachment, StaffMessage, ThreadInfo};

use super::names;
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View, size};

impl Row for ThreadInfo {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("TITLE", "title", Kind::Text),
        Column::new("MESSAGES", "last_seq", Kind::Number),
        Column::optional("CLIENT", "client_name", Kind::Text),
        Column::optional("WORKER", "worker_name", Kind::Text),
        Column::optional("LAST", "last_at", Kind::Time),
        Column::optional("CLOSED FOR", "closed_reason", Kind::Text),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "last_at", list: Some("threads"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "service_id",
            "title",
            "client_id",
            "client_name",
            "worker_id",
            "worker_name",
            "status",
            "closed_reason",
            "note",
            "last_seq",
            "last_at",
            "created_at",
            "version",
        ])
    }
    fn card(&self, view: &View) -> Option<Card> {
        Some(
            Card::default()
                .pair("thread", self.id)
                .toned("status", self.status, Tone::of(self.status.as_str()))
                .maybe("closed for", self.closed_reason)
                .maybe("note", self.note.as_ref())
                .pair("about", &self.title)
                .pair("service", self.service_id)
                .pair("client", format!("{} {}", self.client_id, self.client_name))
                .pair("worker", format!("{} {}", self.worker_id, self.worker_name))
                .pair("messages", self.last_seq)
                .pair("last", view.time(self.last_at))
                .pair("opened", view.time(self.created_at))
                .pair("version", self.version),
        )
    }
}

impl Row for StaffMessage {
    const COLUMNS: &'static [Column] = &[
        Column::new("SEQ", "seq", Kind::Number),
        Column::new("WHEN", "at", Kind::Time),
        Column::new("KIND", "kind", Kind::State),
        Column::new("FROM", "sender_name", Kind::Text),
        Column::new("TEXT", "content", Kind::Wrapped),
        Column::optional("REMOVED", "removed", Kind::Text),
        Column::optional("ID", "id", Kind::Id),
    ];
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "thread_id",
            "seq",
            "kind",
            "sender_id",
            "sender_name",
            "content",
            "attachments",
            "removed",
            "at",
        ])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let from = self.sender_id.map(|id| match &self.sender_name {
            Some(name) => format!("{id} {name}"),
            None => id.to_string(),
        });
        Some(
            Card::default()
                .pair("message", self.id)
                .pair("thread", format!("{}, number {}", self.thread_id, self.seq))
                .pair("kind", self.kind)
                .maybe("from", from)
                .pair("written", view.time(self.at))
                .maybe("removed for", self.removed)
                .pair("text", &self.content)
                .section("files", self.attachments.iter().map(file).collect::<Vec<_>>()),
        )
    }
}

fn file(file: &Attachment) -> String {
    let pixels = match (file.width, file.height) {
        (Some(width), Some(height)) => format!(", {width}×{height}"),
        _ => String::new(),
    };
    format!("{}  {}{pixels}, {}", file.id, file.media_type, size(u64::try_from(file.size).unwrap_or(0)))
}
