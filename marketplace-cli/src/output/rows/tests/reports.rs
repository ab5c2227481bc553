//! Reports.

use marketplace_core::{
    reports::model::{
        ActionTaken, FiledReport, ReportAction, ReportAppeal, ReportBrief, ReportCase, ReportDecision, ReportEvent,
        ReportEventKind, ReportReason, ReportStatus, ReportSummary, ReportTarget, ReportedContent, ReportedMessage,
    },
    time::Timestamp,
};

use super::{ATTEMPT, USER, at, attempt, knows_its_fields, principal, user, view};
use crate::output::Row;

fn summary() -> ReportSummary {
    ReportSummary {
        id: ATTEMPT.parse().unwrap(),
        status: ReportStatus::InReview,
        target_kind: ReportTarget::Message,
        target_id: USER.parse().unwrap(),
        thread_id: Some(USER.parse().unwrap()),
        subject_id: USER.parse().unwrap(),
        subject_name: "Ada O•••".into(),
        reasons: vec![ReportReason::Scam],
        reports: 2,
        opened_at: at(180),
        queued_at: Some(at(180)),
        closed_at: None,
        claim: attempt().claim,
        assignee: Some(principal()),
        assignee_name: Some("sam".into()),
        escalated: true,
        appealed: true,
        version: 3,
    }
}

fn case() -> ReportCase {
    let said = |seq, content: &str| ReportedMessage {
        seq,
        sender_id: Some(USER.parse().unwrap()),
        content: content.into(),
        at: at(200),
    };
    ReportCase {
        case: summary(),
        reports: vec![FiledReport {
            id: ATTEMPT.parse().unwrap(),
            reporter_id: Some(USER.parse().unwrap()),
            reporter_name: Some("Ben K•••".into()),
            reason: ReportReason::Scam,
            text: Some("wants money \u{1b}[2J first".into()),
            content: Some(ReportedContent {
                title: None,
                text: "Pay me outside".into(),
                rating: Some(1),
                messages: vec![said(1, "Hello"), said(2, "Pay me outside")],
                photos: Vec::new(),
            }),
            created_at: at(180),
        }],
        subject: user(),
        others: vec![ReportBrief {
            id: ATTEMPT.parse().unwrap(),
            target_kind: ReportTarget::Review,
            status: ReportStatus::Dismissed,
            reasons: vec![ReportReason::Spam],
            actions: Vec::new(),
            opened_at: at(10_000),
        }],
        decision: Some(ReportDecision {
            status: ReportStatus::Resolved,
            reasons: vec!["scam".into()],
            actions: vec![ActionTaken {
                action: ReportAction::RemoveMessage,
                changed: true,
                was_published: false,
                messages: Vec::new(),
                photo: None,
            }],
            comment_to_reporter: Some("Thank you".into()),
            comment_to_subject: Some("Not here".into()),
            note: Some("seen before".into()),
            by: principal(),
            at: at(2),
            undo_until: at(1),
        }),
        appeal: Some(ReportAppeal {
            text: Some("It was a joke".into()),
            at: at(1),
            decided_at: Some(at(0)),
            comment: Some("It stays".into()),
            by: Some(principal()),
            note: Some("no doubt".into()),
        }),
        history: vec![ReportEvent {
            at: at(100),
            actor: principal(),
            kind: ReportEventKind::Snoozed,
            note: Some("asked them".into()),
            until: Some(Timestamp::EPOCH),
        }],
    }
}

#[test]
fn reports_know_their_fields_and_show_what_was_said() {
    knows_its_fields(&summary());
    knows_its_fields(&case());
    let card = case().card(&view(true)).unwrap().render(&view(true));
    for part in
        ["claimed by", "you", "“1 stars. Pay me outside”", "seen before", "It was a joke", "snoozed until", "dismissed"]
    {
        assert!(card.contains(part), "{part}: {card}");
    }
    assert!(!card.contains('\u{1b}'), "{card}");
}
