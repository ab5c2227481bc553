//! Rows of core's types.

mod jobs;
mod mail;
mod reports;
mod reviews;
mod services;
mod threads;
mod tokens;
mod webhooks;

use marketplace_core::{
    accounts::{model::Note, summary::UserSummary},
    audit::AuditRow,
    base::{change::Changed, count::Count},
    kyc::model::{KycCase, KycSummary},
    records::series::SeriesKind,
    staff::{Identity, SeriesRow, Stats},
    users::model::{PersonalData, UserDetail},
};

use super::{Card, Column, Kind, Order, Row, Timeline, Tone, View, cards};

fn names(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|&field| field.to_owned()).collect()
}

fn within(outer: &str, fields: Vec<String>) -> impl Iterator<Item = String> {
    fields.into_iter().map(move |field| format!("{outer}.{field}"))
}

impl Row for KycSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("NAME", "name", Kind::Text),
        Column::new("DOCUMENT", "document_type", Kind::Text),
        Column::optional("ATTEMPT", "number", Kind::Number),
        Column::new("SUBMITTED", "submitted_at", Kind::Time),
        Column::optional("CLAIMED BY", "claim.label", Kind::Text),
        Column::optional("CLAIM ENDS", "claim.expires_at", Kind::Time),
        Column::optional("ASSIGNED TO", "assignee.name", Kind::Text),
        Column::optional("SNOOZED UNTIL", "snoozed_until", Kind::Time),
        Column::optional("ESCALATED", "escalated_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "submitted_at", list: None, order: Order::Mixed })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "user_id",
            "name",
            "number",
            "document_type",
            "status",
            "submitted_at",
            "decided_at",
            "claim.holder",
            "claim.label",
            "claim.mine",
            "claim.fence",
            "claim.expires_at",
            "snoozed_until",
            "assignee.id",
            "assignee.name",
            "escalated_at",
            "version",
        ])
    }
}

fn decision_fields() -> Vec<String> {
    names(&["status", "reasons", "comment", "note", "by", "at", "undo_until"])
}

impl Row for KycCase {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "attempt.id", Kind::Id),
        Column::new("STATUS", "attempt.status", Kind::State),
        Column::new("NAME", "attempt.name", Kind::Text),
        Column::new("DOCUMENT", "attempt.document_type", Kind::Text),
        Column::new("FENCE", "attempt.claim.fence", Kind::Number),
    ];
    const HAS_PEOPLE: bool = true;
    fn id() -> String {
        "attempt.id".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("attempt", KycSummary::fields()).collect();
        fields.extend(names(&["files", "files_deleted_at"]));
        fields.extend(within("decision", decision_fields()));
        fields.extend(names(&["history", "others"]));
        fields.extend(within("user", UserSummary::fields()));
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        Some(cards::kyc_case(self, view))
    }
}

impl Row for UserSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("ROLE", "role", Kind::Text),
        Column::new("STATUS", "status", Kind::State),
        Column::new("NAME", "name", Kind::Text),
        Column::optional("EMAIL", "email", Kind::Text),
        Column::optional("KYC", "kyc_status", Kind::State),
        Column::optional("SIGNED UP", "created_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("users"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "role",
            "status",
            "name",
            "email",
            "email_verified",
            "phone",
            "kyc_status",
            "created_at",
            "version",
        ])
    }
}

impl Row for UserDetail {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "user.id", Kind::Id),
        Column::new("ROLE", "user.role", Kind::Text),
        Column::new("STATUS", "user.status", Kind::State),
        Column::new("NAME", "user.name", Kind::Text),
    ];
    const HAS_PEOPLE: bool = true;
    fn id() -> String {
        "user.id".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("user", UserSummary::fields()).collect();
        fields.extend(within("restriction", names(&["reason", "by", "at", "until"])));
        fields.extend(names(&["sessions", "last_seen_at", "kyc", "notes"]));
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        Some(cards::user(self, view))
    }
}

impl Row for PersonalData {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("NAME", "name", Kind::Text),
        Column::new("EMAIL", "email", Kind::Text),
        Column::new("PHONE", "phone", Kind::Text),
    ];
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&["id", "name", "email", "phone"])
    }
}

impl Row for Note {
    const COLUMNS: &'static [Column] = &[
        Column::new("WRITTEN", "created_at", Kind::Time),
        Column::new("BY", "author", Kind::Who),
        Column::new("NOTE", "body", Kind::Text),
    ];
    const HAS_PEOPLE: bool = true;
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("notes"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&["id", "author", "body", "created_at"])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let card = Card::default().pair("note", self.id).pair("by", view.who(&self.author));
        Some(card.pair("written", view.time(self.created_at)).pair("text", &self.body))
    }
}

impl Row for AuditRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("SEQ", "seq", Kind::Number),
        Column::new("WHEN", "at", Kind::Time),
        Column::new("ACTION", "action", Kind::State),
        Column::new("TARGET", "target", Kind::Id),
        Column::optional("REASON", "reason", Kind::Text),
        Column::optional("BY", "actor", Kind::Who),
    ];
    const HAS_PEOPLE: bool = true;
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "at", list: None, order: Order::NewestFirst })
    }
    fn id() -> String {
        "seq".into()
    }
    fn fields() -> Vec<String> {
        names(&["seq", "at", "actor", "action", "target_kind", "target", "reason", "metadata", "tag"])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let card = Card::default()
            .pair("seq", self.seq)
            .pair("when", view.time(self.at))
            .pair("by", view.who(&self.actor))
            .pair("action", &self.action)
            .pair("target", format!("{} {}", self.target_kind, self.target))
            .maybe("reason", self.reason.as_ref());
        Some(card.pair("metadata", &self.metadata).pair("tag", &self.tag))
    }
}

impl Row for Identity {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME", "name", Kind::Text),
        Column::new("ROLE", "role", Kind::Text),
        Column::new("AS", "principal", Kind::Id),
        Column::new("MAY", "permissions", Kind::Text),
    ];
    fn id() -> String {
        "principal".into()
    }
    fn fields() -> Vec<String> {
        names(&["principal", "name", "role", "permissions", "token_id", "expires_at"])
    }
    fn card(&self, view: &View) -> Option<Card> {
        let may = self.permissions.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ");
        Some(
            Card::default()
                .pair("name", &self.name)
                .pair("role", self.role)
                .pair("as", &self.principal)
                .pair("may", if may.is_empty() { "nothing".to_owned() } else { may })
                .maybe("ends", self.expires_at.map(|at| view.time(at))),
        )
    }
}

impl Row for SeriesRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("FROM", "at", Kind::Time),
        Column::new("REVIEWER", "name", Kind::Text),
        Column::optional("SIGN-UPS", "counts.signups", Kind::Number),
        Column::optional("SUBMITTED", "counts.kyc_submitted", Kind::Number),
        Column::new("APPROVED", "counts.kyc_approved", Kind::Number),
        Column::new("RETRY", "counts.kyc_retry", Kind::Number),
        Column::new("REJECTED", "counts.kyc_rejected", Kind::Number),
        Column::optional("UNDONE", "counts.kyc_undone", Kind::Number),
        Column::optional("WAITED (S)", "waited.median_seconds", Kind::Number),
        Column::optional("P90", "waited.p90_seconds", Kind::Number),
        Column::optional("WORKED (S)", "worked.median_seconds", Kind::Number),
        Column::optional("REPORTS", "counts.reports_opened", Kind::Number),
        Column::optional("RESOLVED", "counts.reports_resolved", Kind::Number),
        Column::optional("DISMISSED", "counts.reports_dismissed", Kind::Number),
        Column::optional("REPORTS WAITED (S)", "reports_waited.median_seconds", Kind::Number),
        Column::optional("MESSAGES", "counts.messages", Kind::Number),
        Column::optional("JOBS", "counts.jobs_begun", Kind::Number),
    ];
    fn id() -> String {
        "at".into()
    }
    fn fields() -> Vec<String> {
        let mut fields = names(&["at", "reviewer", "name", "mine"]);
        let counters = SeriesKind::ALL.iter().filter(|kind| !kind.is_time());
        fields.extend(within("counts", counters.map(ToString::to_string).collect()));
        for took in ["waited", "worked", "reports_waited"] {
            fields.extend(within(took, names(&["median_seconds", "p90_seconds"])));
        }
        fields
    }
}

impl Row for Stats {
    const COLUMNS: &'static [Column] = &[
        Column::new("PENDING", "kyc_pending.value", Kind::Number),
        Column::new("IN REVIEW", "kyc_in_review.value", Kind::Number),
        Column::new("OLDEST", "kyc_oldest_at", Kind::Time),
        Column::new("FLAGGED", "reviews_flagged.value", Kind::Number),
        Column::new("REPORTS", "reports_open.value", Kind::Number),
    ];
    fn id() -> String {
        "audit_seq".into()
    }
    fn fields() -> Vec<String> {
        let mut fields = names(&["at"]);
        for count in [
            "kyc_pending",
            "kyc_in_review",
            "kyc_decided_24h",
            "signups_24h",
            "services_visible",
            "messages_1h",
            "reviews_flagged",
            "reports_open",
            "reports_in_review",
            "reports_decided_24h",
            "mails_waiting",
        ] {
            fields.extend(within(count, names(&["value", "capped"])));
        }
        fields.extend(names(&["kyc_oldest_at", "reports_oldest_at", "users", "jobs", "audit_seq"]));
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        let card = Card::default()
            .pair("waiting for review", self.kyc_pending)
            .pair("of these claimed", self.kyc_in_review)
            .maybe("oldest submitted", self.kyc_oldest_at.map(|at| view.time(at)))
            .pair("decided in 24 h", self.kyc_decided_24h)
            .pair("sign-ups in 24 h", self.signups_24h)
            .pair("visible services", self.services_visible)
            .pair("messages in 1 h", self.messages_1h)
            .pair("flagged reviews", self.reviews_flagged)
            .pair("open reports", self.reports_open)
            .pair("reports claimed", self.reports_in_review)
            .maybe("oldest report", self.reports_oldest_at.map(|at| view.time(at)))
            .pair("reports decided in 24 h", self.reports_decided_24h)
            .pair("mails waiting", self.mails_waiting)
            .pair("audit rows", self.audit_seq);
        let line = |count: Count, status: &str| format!("{:>7} {status}", count.to_string());
        let users = self.users.iter().map(|of| line(of.count, of.status.as_str()));
        let jobs = self.jobs.iter().map(|of| line(of.count, of.status.as_str()));
        Some(card.section("users", users.collect::<Vec<_>>()).section("jobs", jobs.collect::<Vec<_>>()))
    }
}

impl<T: Row> Row for Changed<T> {
    const COLUMNS: &'static [Column] = &[Column::new("CHANGED", "changed", Kind::Text)];
    const HAS_PEOPLE: bool = T::HAS_PEOPLE;
    fn id() -> String {
        format!("item.{}", T::id())
    }
    fn fields() -> Vec<String> {
        std::iter::once("changed".into()).chain(within("item", T::fields())).collect()
    }
    fn card(&self, view: &View) -> Option<Card> {
        let word = if self.changed { "changed" } else { "unchanged: it was so already" };
        let tone = if self.changed { Tone::Good } else { Tone::Faint };
        self.item.card(view).map(|card| card.first("result", word, tone))
    }
}

#[cfg(test)]
pub(crate) mod tests;
