//! Rows of reports.

use marketplace_core::reports::model::{FiledReport, ReportCase, ReportEventKind, ReportSummary};

use super::{names, services::photo, within};
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for ReportSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("ABOUT", "target_kind", Kind::Text),
        Column::new("OF", "subject_name", Kind::Text),
        Column::new("REPORTS", "reports", Kind::Number),
        Column::new("REASONS", "reasons", Kind::Text),
        Column::optional("SINCE", "queued_at", Kind::Time),
        Column::optional("CLAIMED BY", "claim.label", Kind::Text),
        Column::optional("FOR", "assignee_name", Kind::Text),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "opened_at", list: None, order: Order::Mixed })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "status",
            "target_kind",
            "target_id",
            "thread_id",
            "subject_id",
            "subject_name",
            "reasons",
            "reports",
            "opened_at",
            "queued_at",
            "closed_at",
            "claim.holder",
            "claim.label",
            "claim.mine",
            "claim.fence",
            "claim.expires_at",
            "assignee",
            "assignee_name",
            "escalated",
            "appealed",
            "version",
        ])
    }
}

impl Row for ReportCase {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "case.id", Kind::Id),
        Column::new("STATUS", "case.status", Kind::State),
        Column::new("ABOUT", "case.target_kind", Kind::Text),
        Column::new("OF", "case.subject_name", Kind::Text),
        Column::new("FENCE", "case.claim.fence", Kind::Number),
    ];
    const HAS_PEOPLE: bool = true;
    fn id() -> String {
        "case.id".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("case", ReportSummary::fields()).collect();
        fields.push("reports".into());
        fields.extend(within("subject", marketplace_core::accounts::summary::UserSummary::fields()));
        fields.push("others".into());
        let decision = names(&[
            "status",
            "reasons",
            "actions",
            "comment_to_reporter",
            "comment_to_subject",
            "note",
            "by",
            "at",
            "undo_until",
        ]);
        fields.extend(within("decision", decision));
        fields.extend(within("appeal", names(&["text", "at", "decided_at", "comment", "by", "note"])));
        fields.push("history".into());
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        let case = &self.case;
        let mut card = Card::default()
            .pair("case", case.id)
            .toned("status", case.status, Tone::of(case.status.as_str()))
            .pair("about", format!("{} {}", case.target_kind, case.target_id))
            .maybe("thread", case.thread_id)
            .pair("first reported", view.time(case.opened_at));
        if let Some(claim) = &case.claim {
            let whose = if claim.mine { "you" } else { &claim.label };
            let ends = view.time(claim.expires_at);
            card = card.pair("claimed by", format!("{whose}, ends {ends}")).pair("fence", claim.fence);
        }
        if case.escalated {
            card = card.toned("escalated", "an admin decides", Tone::Warn);
        }
        card = card
            .maybe("assigned to", case.assignee_name.as_ref())
            .pair("of", format!("{} {}", self.subject.id, self.subject.name))
            .pair("email", &self.subject.email)
            .toned("account", self.subject.status, Tone::of(self.subject.status.as_str()));
        if let Some(made) = &self.decision {
            let actions = made.actions.iter().map(|taken| taken.action.as_str()).collect::<Vec<_>>().join(", ");
            card = card
                .pair(
                    "decision",
                    format!(
                        "{} ({}) by {}, {}",
                        made.status,
                        made.reasons.join(", "),
                        view.who(&made.by),
                        view.time(made.at)
                    ),
                )
                .maybe("done", (!actions.is_empty()).then_some(actions))
                .maybe("told the reporters", made.comment_to_reporter.as_ref())
                .maybe("told the subject", made.comment_to_subject.as_ref())
                .maybe("note", made.note.as_ref());
            if view.now < made.undo_until {
                card = card.pair("undo", format!("marketplace reports undo {}", case.id));
            }
        }
        if let Some(filed) = &self.appeal {
            card = card
                .pair("appeal", view.time(filed.at))
                .maybe("says", filed.text.as_ref())
                .maybe("told", filed.comment.as_ref())
                .maybe("by", filed.by.as_ref().map(|by| view.who(by)))
                .maybe("note of it", filed.note.as_ref());
        }
        let others = self.others.iter().map(|other| {
            let reasons = other.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", ");
            format!("{}  {}, {reasons}, {}: {}", other.id, other.target_kind, view.time(other.opened_at), other.status)
        });
        let history = self.history.iter().map(|event| {
            let note = event.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
            let until = event.until.map_or_else(String::new, |until| format!(" until {}", view.time(until)));
            let kind = match (event.kind, event.until) {
                (ReportEventKind::Snoozed, None) => "taken up again",
                (kind, _) => kind.as_str(),
            };
            format!("{} {kind}{until} by {}{note}", view.time(event.at), view.who(&event.actor))
        });
        Some(
            card.pair("version", case.version)
                .section("reports", self.reports.iter().flat_map(|report| filed(report, view)).collect::<Vec<_>>())
                .section("other cases about them", others.collect::<Vec<_>>())
                .section("history", history.collect::<Vec<_>>()),
        )
    }
}

fn filed(report: &FiledReport, view: &View) -> Vec<String> {
    let who = report.reporter_name.as_deref().unwrap_or("system");
    let id = report.reporter_id.map_or_else(String::new, |id| format!("{id} "));
    let text = report.text.as_ref().filter(|text| !text.is_empty());
    let text = text.map_or_else(String::new, |text| format!(": {text}"));
    let mut lines = vec![format!("{} by {id}{who}, {}{text}", report.reason, view.time(report.created_at))];
    if let Some(content) = &report.content {
        let stars = content.rating.map_or_else(String::new, |rating| format!("{rating} stars. "));
        let title = content.title.as_ref().map_or_else(String::new, |title| format!("{title}. "));
        let said = format!("{stars}{title}{}", content.text);
        lines.extend((!said.trim().is_empty()).then(|| format!("    “{}”", said.trim())));
        lines.extend(content.photos.iter().map(|one| format!("    photo {}", photo(one))));
        if content.messages.len() > 1 {
            let line = |message: &marketplace_core::reports::model::ReportedMessage| {
                let sender = message.sender_id.map_or_else(|| "notice".to_owned(), |id| id.to_string());
                format!("    {} {sender}: {}", message.seq, message.content)
            };
            lines.extend(content.messages.iter().map(line));
        }
    }
    lines
}
