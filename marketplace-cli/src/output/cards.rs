//! The card views of the two items that staff view most: an identity check, and a user.

use std::fmt::Write as _;

use marketplace_core::{
    accounts::model::Note,
    kyc::model::{AttemptBrief, DecisionMade, FileInfo, KycCase, TriageAct, TriageEntry},
    users::model::UserDetail,
};

use super::{Card, Tone, View};

/// Returns the card of a case, for reviewers.
pub(super) fn kyc_case(case: &KycCase, view: &View) -> Card {
    let attempt = &case.attempt;
    let mut card = Card::default()
        .pair("attempt", attempt.id)
        .toned("status", attempt.status, Tone::of(attempt.status.as_str()))
        .pair("document", format!("{}, attempt {}", attempt.document_type, attempt.number))
        .pair("submitted", view.time(attempt.submitted_at));
    if let Some(claim) = &attempt.claim {
        let whose = if claim.mine { "you" } else { &claim.label };
        let ends = view.time(claim.expires_at);
        card = card.pair("claimed by", format!("{whose}, ends {ends}")).pair("fence", claim.fence);
    }
    card = card
        .maybe("assigned to", attempt.assignee.as_ref().map(|assignee| &assignee.name))
        .maybe("snoozed until", attempt.snoozed_until.map(|until| view.time(until)))
        .maybe("escalated", attempt.escalated_at.map(|at| view.time(at)))
        .pair("user", format!("{} {}", case.user.id, case.user.name))
        .pair("email", &case.user.email)
        .maybe("phone", case.user.phone.as_ref())
        .toned("account", case.user.status, Tone::of(case.user.status.as_str()))
        .pair("signed up", view.time(case.user.created_at));
    if let Some(made) = &case.decision {
        card = card
            .pair("decision", decision(made, view))
            .maybe("told the worker", made.comment.as_ref())
            .maybe("note", made.note.as_ref());
        if view.now < made.undo_until {
            card = card.pair("undo", format!("marketplace kyc undo {}", attempt.id));
        }
    }
    if let Some(at) = case.files_deleted_at {
        card = card.pair("files", format!("files deleted by retention, {}", view.time(at)));
    }
    card.section("files", case.files.iter().map(file).collect::<Vec<_>>())
        .section("history", case.history.iter().map(|entry| triage(entry, view)).collect::<Vec<_>>())
        .section("other attempts", case.others.iter().map(|other| brief(other, view)).collect::<Vec<_>>())
}

fn triage(entry: &TriageEntry, view: &View) -> String {
    let act = match (entry.act, entry.until) {
        (TriageAct::Snoozed, None) => "taken up again",
        (act, _) => act.as_str(),
    };
    let mut line = format!("{}, {}: {}", view.time(entry.at), view.who(&entry.by), act);
    if let Some(until) = entry.until {
        let _ = write!(line, " until {}", view.time(until));
    }
    if entry.act == TriageAct::Assigned {
        let _ = write!(line, " to {}", entry.assignee.as_ref().map_or("everybody", |assignee| &assignee.name));
    }
    if let Some(note) = &entry.note {
        let _ = write!(line, ": {note}");
    }
    line
}

fn file(file: &FileInfo) -> String {
    let pixels = match (file.width, file.height) {
        (Some(width), Some(height)) => format!(", {width}×{height}"),
        _ => String::new(),
    };
    format!("{:8}  {}{pixels}, {} KiB", file.kind.as_str(), file.media_type, (file.size + 1_023) / 1_024)
}

/// Returns the card of a user, for support.
pub(super) fn user(detail: &UserDetail, view: &View) -> Card {
    let user = &detail.user;
    let verified = if user.email_verified { "verified" } else { "not verified" };
    let mut card = Card::default().pair("user", user.id).pair("role", user.role).toned(
        "status",
        user.status,
        Tone::of(user.status.as_str()),
    );
    if let Some(restriction) = &detail.restriction {
        let at = view.time(restriction.at);
        card = card
            .pair("restricted", format!("{} by {}, {at}", restriction.reason, view.who(&restriction.by)))
            .maybe("until", restriction.until.map(|until| view.time(until)));
    }
    card.pair("name", &user.name)
        .pair("email", format!("{} ({verified})", user.email))
        .maybe("phone", user.phone.as_ref())
        .toned("identity", user.kyc_status, Tone::of(user.kyc_status.as_str()))
        .pair("signed up", view.time(user.created_at))
        .maybe("last seen", detail.last_seen_at.map(|at| view.time(at)))
        .pair("sessions", detail.sessions)
        .pair("version", user.version)
        .section("identity checks", detail.kyc.iter().map(|attempt| brief(attempt, view)).collect::<Vec<_>>())
        .section("notes", detail.notes.iter().map(|item| note(item, view)).collect::<Vec<_>>())
}

fn note(note: &Note, view: &View) -> String {
    format!("{}, {}: {}", view.time(note.created_at), view.who(&note.author), note.body)
}

/// Returns one line about an earlier attempt.
fn brief(attempt: &AttemptBrief, view: &View) -> String {
    let stands = match &attempt.decision {
        Some(made) => decision(made, view),
        None => attempt.status.to_string(),
    };
    format!(
        "{}  attempt {}, {}, submitted {}: {stands}",
        attempt.id,
        attempt.number,
        attempt.document_type,
        view.time(attempt.submitted_at)
    )
}

/// Returns one line about a decision.
fn decision(made: &DecisionMade, view: &View) -> String {
    let reasons = made.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", ");
    let because = if reasons.is_empty() { String::new() } else { format!(" ({reasons})") };
    format!("{}{because} by {}, {}", made.status, view.who(&made.by), view.time(made.at))
}
