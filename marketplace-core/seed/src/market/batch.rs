//! What one transaction of the market writes.

use std::collections::BTreeSet;

use marketplace_core::{
    base::{ids::UserId, time::Timestamp},
    platform::db::bulk::Value,
    services::content_terms,
};

use crate::{history::PastAction, tables::Table};

/// The rows of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub tables: Vec<Table>,
    /// Words by which services are found.
    pub words: BTreeSet<String>,
    /// Blocks: who, whom and when.
    pub blocks: Vec<(UserId, UserId, Timestamp)>,
    /// Past actions of staff.
    pub past_actions: Vec<PastAction>,
}

impl Batch {
    /// Adds the words by which staff find the titles and texts in it.
    pub fn with_terms(mut self) -> Self {
        let mut rows = Vec::new();
        for table in &self.tables {
            let (kind, texts) = match table.name {
                "services" => ("service", &["title"][..]),
                "reviews" => ("review", &["content", "reply"][..]),
                _ => continue,
            };
            let place = |name: &str| table.columns.iter().position(|column| *column == name).unwrap_or(usize::MAX);
            for row in &table.rows {
                let text = |name: &&str| match row.get(place(name)) {
                    Some(Value::Text(text)) => Some(text.as_str()),
                    Some(Value::Word(word)) => Some(*word),
                    _ => None,
                };
                let (Some(Value::Id(id)), Some(Value::Time(at))) = (row.get(place("id")), row.get(place("created_at")))
                else {
                    continue;
                };
                let said = texts.iter().filter_map(text).collect::<Vec<_>>().join("\n");
                let terms = content_terms(&said).into_iter();
                rows.extend(
                    terms.map(|term| vec![Value::Word(kind), Value::Text(term), Value::Time(*at), Value::Id(*id)]),
                );
            }
        }
        self.tables.push(Table::new("content_terms", &["kind", "term", "created_at", "id"], rows));
        self
    }
}
