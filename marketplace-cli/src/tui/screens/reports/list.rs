//! The rows of the queue: what they are filtered and sorted by, and how one is shown in full.

use futures::future::BoxFuture;
use marketplace_core::{
    error::Result,
    ids::CaseId,
    page::{Page, PageRequest},
    reports::model::{ReportCase, ReportFilter, ReportStatus, ReportSummary, ReportTarget},
    staff::{Connection, ListQuery, ListReports, ShowReport},
};
use uuid::Uuid;

use super::{
    super::super::{
        browser::{
            Detailed,
            filter::{Typed, flag},
            listing::{Key, Listed},
            paged::Row,
        },
        widgets::columns::Column,
    },
    lines,
};

/// The columns of the list.
pub const COLUMNS: [Column; 7] = [
    Column::time("waits", 4),
    Column::new("status", 0),
    Column::new("about", 0),
    Column::text("of", 10, 1),
    Column::new("reports", 3),
    Column::text("reasons", 8, 1),
    Column::text("with", 6, 0),
];

impl Row for ReportSummary {
    type Id = CaseId;
    fn id(&self) -> CaseId {
        self.id
    }
}

impl Typed for ReportFilter {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("status", ReportStatus::NAMES),
        ("target_kind", ReportTarget::NAMES),
        ("subject_id", &[]),
        ("assigned_to", &[]),
        ("claimed_by", &[]),
        ("snoozed", &["yes", "no"]),
        ("escalated", &["yes", "no"]),
    ];
    const COLLEAGUES: &'static [(&'static str, &'static str)] = &[("assigned_to", ""), ("claimed_by", "")];
    const FREE_TEXT: bool = false;
    fn set(&mut self, word: &str, value: &str) -> std::result::Result<(), String> {
        match word {
            "status" => self.status = Some(value.parse()?),
            "target_kind" => self.target_kind = Some(value.parse()?),
            "assigned_to" => self.assigned_to = Some(value.parse().map_err(|_| String::new())?),
            "claimed_by" => self.claimed_by = Some(value.parse().map_err(|_| String::new())?),
            "snoozed" | "escalated" if !matches!(value, "yes" | "no") => return Err(String::new()),
            "snoozed" => self.snoozed = value == "yes",
            "escalated" => self.escalated = value == "yes",
            _ => self.subject_id = Some(value.parse().map_err(|_| String::new())?),
        }
        Ok(())
    }
    fn flags(&self) -> String {
        let mut flags = String::new();
        flag(&mut flags, "status", self.status);
        flag(&mut flags, "target-kind", self.target_kind);
        flag(&mut flags, "subject-id", self.subject_id);
        flag(&mut flags, "assigned-to", self.assigned_to);
        flag(&mut flags, "claimed-by", self.claimed_by);
        for (is_asked, name) in [(self.snoozed, " --snoozed"), (self.escalated, " --escalated")] {
            flags.push_str(if is_asked { name } else { "" });
        }
        flags
    }
}

impl Listed for ReportSummary {
    type Filter = ReportFilter;
    const WHAT: &'static str = "reports";
    const DEFAULT: &'static str = "";
    fn list(api: Connection, filter: ReportFilter, page: PageRequest) -> BoxFuture<'static, Result<Page<Self>>> {
        Box::pin(async move { api.call::<ListReports>((), ListQuery::new(&filter, &page), ()).await })
    }
    fn id_text(&self) -> String {
        self.id.to_string()
    }
    fn columns() -> &'static [Column] {
        &COLUMNS
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "waits" => Key::time(self.queued_at.or(self.closed_at).unwrap_or(self.opened_at)),
            "status" => Key::text(self.status.as_str()),
            "about" => Key::text(self.target_kind.as_str()),
            "of" => Key::text(&self.subject_name),
            "reports" => Key::Number(self.reports),
            "reasons" => Key::text(lines::reasons(self)),
            _ => Key::text(lines::with(self)),
        }
    }
}

impl Detailed for ReportSummary {
    type Detail = ReportCase;
    const ONE: &'static str = "report";
    const MANY: &'static str = "reports";
    fn by_id(id: Uuid) -> CaseId {
        CaseId(id)
    }
    fn show(api: Connection, id: CaseId) -> BoxFuture<'static, Result<ReportCase>> {
        Box::pin(async move { api.call::<ShowReport>(id, (), ()).await })
    }
    fn row(detail: &ReportCase) -> &Self {
        &detail.case
    }
    fn name(&self) -> String {
        format!("{} of {}", self.target_kind, self.subject_name)
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn around(&self) -> String {
        format!("subject_id:{}", self.subject_id)
    }
}
