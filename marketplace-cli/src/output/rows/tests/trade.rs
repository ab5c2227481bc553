//! Jobs, threads, messages, reviews.

use marketplace_core::{
    jobs::model::{HistoryRow, JobAction, JobDetail, JobReason, JobStatus, JobSummary, OfferView, Side},
    messaging::model::{Attachment, CloseReason, MessageKind, RemovalReason, StaffMessage, ThreadInfo, ThreadStatus},
    money::Money,
    reviews::model::{Flag, FlagReason, ReviewDetail, ReviewStatus, ReviewSummary},
};

use super::{ATTEMPT, USER, at, knows_its_fields, list, principal, view};
use crate::output::{Format, Output, rows::Changed};

fn job() -> JobSummary {
    JobSummary {
        id: ATTEMPT.parse().unwrap(),
        thread_id: ATTEMPT.parse().unwrap(),
        service_id: ATTEMPT.parse().unwrap(),
        title: "Wiring, sockets and lamps".into(),
        client_id: USER.parse().unwrap(),
        client_name: "Ben K•••".into(),
        worker_id: USER.parse().unwrap(),
        worker_name: "Ada O•••".into(),
        status: JobStatus::Completed,
        price: Money::new(12_050, "EUR"),
        revision: 2,
        created_at: at(60 * 24 * 3),
        updated_at: at(90),
        due_at: Some(at(0) + std::time::Duration::from_secs(13 * 86_400)),
        version: 4,
    }
}

fn history() -> Vec<HistoryRow> {
    let row = |entry, action, from, to, side| HistoryRow {
        entry,
        action,
        from,
        to,
        side,
        actor: principal(),
        revision: 2,
        reason: None,
        comment: None,
        version: entry,
        at: at(90),
    };
    vec![
        row(1, JobAction::Create, None, JobStatus::Negotiating, Side::Client),
        HistoryRow {
            reason: Some(JobReason::Dispute),
            comment: Some("they cannot agree\x1b[2J".into()),
            ..row(2, JobAction::Cancel, Some(JobStatus::Negotiating), JobStatus::Cancelled, Side::Staff)
        },
    ]
}

fn job_detail() -> JobDetail {
    let offer = |revision, by| OfferView {
        revision,
        by,
        price: Money::new(12_050, "EUR"),
        schedule: "Monday at nine".into(),
        scope: "three sockets".into(),
        at: at(120),
    };
    JobDetail {
        job: job(),
        change_requests: 1,
        offers: vec![offer(2, Side::Worker), offer(1, Side::Client)],
        history: history(),
        actions: vec![JobAction::Cancel, JobAction::Finalize],
    }
}

fn thread() -> ThreadInfo {
    ThreadInfo {
        id: ATTEMPT.parse().unwrap(),
        service_id: ATTEMPT.parse().unwrap(),
        title: "Wiring, sockets and lamps".into(),
        client_id: USER.parse().unwrap(),
        client_name: "Ben K•••".into(),
        worker_id: USER.parse().unwrap(),
        worker_name: "Ada O•••".into(),
        status: ThreadStatus::Closed,
        closed_reason: Some(CloseReason::Abuse),
        note: Some("third complaint".into()),
        last_seq: 41,
        last_at: at(7),
        created_at: at(60 * 24),
        version: 3,
    }
}

fn message() -> StaffMessage {
    StaffMessage {
        id: ATTEMPT.parse().unwrap(),
        thread_id: ATTEMPT.parse().unwrap(),
        seq: 40,
        kind: MessageKind::Text,
        sender_id: Some(USER.parse().unwrap()),
        sender_name: Some("Ben Kurt".into()),
        content: "Call me: 0171 0000000.\nOr write to ben@example.org \x1b[2J".into(),
        attachments: vec![Attachment {
            id: ATTEMPT.parse().unwrap(),
            media_type: "image/png".into(),
            name: Some("card.png".into()),
            size: 81_000,
            width: Some(900),
            height: Some(600),
        }],
        removed: Some(RemovalReason::ContactDetails),
        at: at(8),
    }
}

fn notice() -> StaffMessage {
    StaffMessage {
        seq: 41,
        kind: MessageKind::Notice,
        sender_id: None,
        sender_name: None,
        content: "Please keep contact details out of here.".into(),
        attachments: Vec::new(),
        removed: None,
        at: at(7),
        ..message()
    }
}

fn review() -> ReviewSummary {
    ReviewSummary {
        id: ATTEMPT.parse().unwrap(),
        job_id: ATTEMPT.parse().unwrap(),
        side: Side::Client,
        author_id: USER.parse().unwrap(),
        author_name: "Ben K•••".into(),
        subject_id: USER.parse().unwrap(),
        subject_name: "Ada O•••".into(),
        rating: 1,
        content: "=HYPERLINK(\"x\") never came".into(),
        status: ReviewStatus::Published,
        flags: 1,
        removed: None,
        created_at: at(60 * 30),
        published_at: Some(at(60 * 28)),
        version: 2,
    }
}

fn review_detail() -> ReviewDetail {
    ReviewDetail {
        review: review(),
        note: Some("asked both".into()),
        reply: Some("I was there.".into()),
        flags: vec![
            Flag {
                user_id: USER.parse().unwrap(),
                reason: FlagReason::False,
                comment: Some("not true".into()),
                at: at(50),
                dismissed_at: None,
            },
            Flag {
                user_id: USER.parse().unwrap(),
                reason: FlagReason::Spam,
                comment: None,
                at: at(70),
                dismissed_at: Some(at(60)),
            },
        ],
        counterpart: Some(ReviewSummary { side: Side::Worker, rating: 4, content: "Friendly.".into(), ..review() }),
    }
}

#[test]
fn every_type_knows_its_fields() {
    knows_its_fields(&job());
    knows_its_fields(&job_detail());
    knows_its_fields(&history().remove(1));
    knows_its_fields(&thread());
    knows_its_fields(&message());
    knows_its_fields(&review());
    knows_its_fields(&review_detail());
    knows_its_fields(&Changed { changed: true, item: message() });
}

#[test]
fn lists() {
    for (name, format, width) in [
        ("table_wide", Format::Table, Some(170)),
        ("table_narrow", Format::Table, Some(80)),
        ("csv", Format::Csv, None),
        ("jsonl", Format::Jsonl, None),
    ] {
        let terminal = width.is_some();
        let text = [
            list(format, &[], terminal, width, &[&[job()]]),
            list(format, &[], terminal, width, &[&history()]),
            list(format, &[], terminal, width, &[&[thread()]]),
            list(format, &[], terminal, width, &[&[message()], &[notice()]]),
            list(format, &[], terminal, width, &[&[review()]]),
        ]
        .join("\n");
        assert!(!text.contains('\x1b'), "{name}");
        if name == "table_narrow" {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        insta::assert_snapshot!(format!("trade_{name}"), text);
    }
}

#[test]
fn prices_are_amounts_for_people_and_numbers_for_programs() {
    let pages: [&[JobSummary]; 1] = [&[job()]];
    assert_eq!(list(Format::Table, &["price"], false, None, &pages), "     PRICE\n120.50 EUR\n");
    assert_eq!(list(Format::Csv, &["price.amount"], false, None, &pages), "price.amount\n12050\n");
    assert_eq!(
        list(Format::Jsonl, &["price"], false, None, &pages),
        "{\"price\":{\"amount\":12050,\"currency\":\"EUR\"}}\n"
    );
}

#[test]
fn one_thing_for_people() {
    for (name, terminal) in [("terminal", true), ("pipe", false)] {
        let out = Output::memory(Format::Table, &[], view(terminal));
        out.item(&job_detail()).unwrap();
        out.item(&thread()).unwrap();
        out.item(&Changed { changed: true, item: message() }).unwrap();
        out.item(&review_detail()).unwrap();
        assert!(!out.written().contains('\x1b'));
        insta::assert_snapshot!(format!("trade_cards_{name}"), out.written());
    }
}
