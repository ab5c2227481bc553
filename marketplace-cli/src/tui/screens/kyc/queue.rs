//! The rows of the queue: how they are loaded and filtered.

use marketplace_core::staff::{Connection, ListAttempts, ListQuery};

use futures::future::BoxFuture;
use marketplace_core::{
    error::Result,
    ids::AttemptId,
    kyc::{
        model::{DocumentType, KycFilter, KycSummary},
        status::KycStatus,
    },
    page::{Page, PageRequest},
};

use super::super::super::{
    browser::{
        filter::{Typed, flag},
        listing::{Key, Listed},
        paged::Row,
    },
    widgets::columns::Column,
};

impl Row for KycSummary {
    type Id = AttemptId;
    fn id(&self) -> AttemptId {
        self.id
    }
}

impl Listed for KycSummary {
    type Filter = KycFilter;
    const WHAT: &'static str = "KYC queue";
    fn list(api: Connection, filter: KycFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListAttempts>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &super::draw::COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "sent" => Key::time(self.submitted_at),
            "document" => Key::text(self.document_type.as_str()),
            "try" => Key::Number(self.number),
            "state" => Key::text(self.status.as_str()),
            _ => Key::text(&self.name),
        }
    }
}

impl Typed for KycFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("status", KycStatus::NAMES),
        ("document_type", DocumentType::NAMES),
        ("user_id", &[]),
        ("assigned_to", &[]),
        ("claimed_by", &[]),
        ("snoozed", &["yes", "no"]),
        ("escalated", &["yes", "no"]),
        ("all", &["yes", "no"]),
    ];
    const COLLEAGUES: &'static [(&'static str, &'static str)] = &[("assigned_to", ""), ("claimed_by", "")];
    const FREE_TEXT: bool = true;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            "document_type" => self.document_type = Some(value.parse()?),
            "assigned_to" => self.assigned_to = Some(value.parse().map_err(|_| String::new())?),
            "claimed_by" => self.claimed_by = Some(value.parse().map_err(|_| String::new())?),
            "snoozed" | "escalated" | "all" if !matches!(value, "yes" | "no") => return Err(String::new()),
            "snoozed" => self.snoozed = value == "yes",
            "escalated" => self.escalated = value == "yes",
            "all" => self.all = value == "yes",
            _ => self.user_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn text(&mut self, text: String) {
        self.q = Some(text);
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "document-type", self.document_type);
        flag(&mut flags, "user-id", self.user_id);
        flag(&mut flags, "assigned-to", self.assigned_to);
        flag(&mut flags, "claimed-by", self.claimed_by);
        flag(&mut flags, "q", self.q.as_ref());
        for (is_asked, name) in [(self.snoozed, " --snoozed"), (self.escalated, " --escalated"), (self.all, " --all")] {
            if is_asked {
                flags.push_str(name);
            }
        }
        flags
    }
}
