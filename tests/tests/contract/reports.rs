//! Reports.

use std::time::Duration;

use marketplace_core::{
    audit::AuditFilter,
    base::{change::Change, permission::Role},
    ids::CaseId,
    messaging::{self, model::MessagesQuery},
    page::PageRequest,
    reports::{
        self,
        model::{
            AppealVerdict, Deciding, DismissReason, NewAppeal, NewReport, ReportAction, ReportFilter, ReportReason,
            ReportStatus, ReportTarget, Verdict,
        },
    },
    staff::{
        self, AssignReport, AssignReportInput, ClaimNextReport, ClaimReport, EscalateReport, ListAudit, ListQuery,
        ListReports, ReleaseReport, ShowReport, ShowStats, SkipReport, SnoozeReport, SnoozeReportInput, UndoReport,
    },
    testing::Trade,
};

use crate::{dry, note, script::Script, world::World};

pub fn resolve(actions: &[ReportAction]) -> Deciding {
    let reasons = vec![ReportReason::Scam];
    let verdict = Verdict::Resolve { reasons, actions: actions.to_vec(), comment_to_subject: None, photo: None };
    Deciding { fence: None, verdict, comment_to_reporter: None }
}

pub fn dismiss() -> Deciding {
    let verdict = Verdict::Dismiss { reasons: vec![DismissReason::Dispute] };
    Deciding { fence: None, verdict, comment_to_reporter: Some("talk — ünï".into()) }
}

#[expect(clippy::too_many_lines, reason = "a story")]
pub async fn reports(world: &World, trade: &Trade, script: &mut Script) {
    let ((sam, _), (lea, lea_id), (ann, _)) =
        (world.staff(Role::Support).await, world.staff(Role::Support).await, world.staff(Role::Admin).await);
    let app = world.test.app();
    let page = messaging::messages(&app.by(&trade.client), trade.thread, &MessagesQuery::default()).await.unwrap();
    let message = page.items.iter().find(|message| message.sender_id == trade.worker.user_id()).unwrap().id;
    for (kind, id) in [
        (ReportTarget::Message, message.0),
        (ReportTarget::Review, trade.published.0),
        (ReportTarget::Thread, trade.thread.0),
    ] {
        let new =
            NewReport { target_kind: kind, target_id: id, reason: ReportReason::Scam, text: "look — ünï".into() };
        reports::file(&app.by(&trade.client), new).await.unwrap();
        world.test.advance(Duration::from_secs(1));
    }
    let all = |filter: ReportFilter, limit| ListQuery::new(&filter, &PageRequest::first(limit));
    let first = sam.call::<ListReports>((), all(ReportFilter::default(), 1), ()).await;
    script.heard("reports_list first", &first);
    let next = PageRequest { limit: 200, after: first.unwrap().next };
    script.heard(
        "reports_list next",
        &sam.call::<ListReports>((), ListQuery::new(&ReportFilter::default(), &next), ()).await,
    );
    script.heard("reports_list too many", &sam.call::<ListReports>((), all(ReportFilter::default(), 201), ()).await);
    let listed = sam.call::<ListReports>((), all(ReportFilter::default(), 10), ()).await.unwrap().items;
    let ids: Vec<CaseId> = listed.iter().map(|case| case.id).collect();
    let [of_message, of_review, of_thread] = *ids.as_slice() else { panic!("{listed:?}") };
    script.heard("reports_show unclaimed", &sam.call::<ShowReport>(of_message, (), ()).await);
    script.heard("reports_next dry", &sam.call::<ClaimNextReport>((), (), dry()).await);
    script.heard("reports_next", &sam.call::<ClaimNextReport>((), (), Change::default()).await);
    script.heard("reports_claim held", &lea.call::<ClaimReport>(of_message, (), Change::default()).await);
    script.heard("reports_claim again", &sam.call::<ClaimReport>(of_message, (), Change::default()).await);
    script.heard("reports_release", &sam.call::<ReleaseReport>(of_message, (), Change::default()).await);
    script.heard("reports_skip", &sam.call::<SkipReport>(of_message, (), note("not mine").into()).await);
    let until = app.now() + Duration::from_secs(3_600);
    let snooze = |until: Option<_>| SnoozeReportInput::new(until, Change::default());
    script.heard("reports_snooze past", &sam.call::<SnoozeReport>(of_thread, (), snooze(Some(app.now()))).await);
    script.heard("reports_snooze", &sam.call::<SnoozeReport>(of_thread, (), snooze(Some(until))).await);
    script.heard("reports_snooze now", &sam.call::<SnoozeReport>(of_thread, (), snooze(None)).await);
    script.heard("reports_snooze now again", &sam.call::<SnoozeReport>(of_thread, (), snooze(None)).await);
    script.heard("reports_snooze anew", &sam.call::<SnoozeReport>(of_thread, (), snooze(Some(until))).await);
    let to = |id| AssignReportInput::new(id, Change::default());
    script
        .heard("reports_assign nobody's", &sam.call::<AssignReport>(of_message, (), to(trade.client.user_id())).await);
    script.heard("reports_assign", &sam.call::<AssignReport>(of_message, (), to(Some(lea_id))).await);
    script.heard("reports_next assigned", &lea.call::<ClaimNextReport>((), (), Change::default()).await);
    script.heard("reports_assign back", &lea.call::<AssignReport>(of_message, (), to(None)).await);
    script.heard(
        "reports_escalate without note",
        &sam.call::<EscalateReport>(of_review, (), Change::default().into()).await,
    );
    script.heard("reports_escalate", &sam.call::<EscalateReport>(of_review, (), note("a friend").into()).await);
    script.heard("reports_claim escalated", &sam.call::<ClaimReport>(of_review, (), Change::default()).await);

    let both = resolve(&[ReportAction::RemoveMessage, ReportAction::Freeze]);
    for (name, by, id, decision, change) in [
        ("wrong action", &sam, of_message, resolve(&[ReportAction::RemoveReview]), Change::default()),
        ("no action", &sam, of_message, resolve(&[]), Change::default()),
        ("a photo of none", &sam, of_message, resolve(&[ReportAction::RemovePhoto]), Change::default()),
        ("ban by support", &sam, of_message, resolve(&[ReportAction::Ban]), Change::default()),
        ("dry", &sam, of_message, both.clone(), dry()),
        ("at another version", &sam, of_message, both.clone(), Change { if_version: Some(99), ..Change::default() }),
        ("two actions", &sam, of_message, both.clone(), note("seen before")),
        ("two actions once more", &sam, of_message, both.clone(), Change::default()),
        ("decided", &lea, of_message, dismiss(), Change::default()),
        ("dismiss escalated", &ann, of_review, dismiss(), Change::default()),
    ] {
        script.heard(format!("reports_decide {name}"), &staff::decide_reports(by, id, decision, change).await);
    }
    script.heard("reports_undo another's", &lea.call::<UndoReport>(of_message, (), Change::default()).await);
    script.heard("reports_undo", &sam.call::<UndoReport>(of_message, (), Change::default()).await);
    script.heard("reports_undo twice", &sam.call::<UndoReport>(of_message, (), Change::default()).await);
    script.heard("reports_decide anew", &staff::decide_reports(&sam, of_message, both, Change::default()).await);
    world.test.advance(Duration::from_secs(11));
    script.heard("reports_undo too late", &sam.call::<UndoReport>(of_message, (), Change::default()).await);

    let worker = world.test.log_in(trade.worker.user_id().unwrap()).await.0;
    let appeal = NewAppeal { text: "It was a joke — ünï".into() };
    script.heard("appeal", &reports::appeal(&app.by(&worker), of_message, &appeal).await);
    let verdict = |reverse| AppealVerdict { fence: None, reverse, comment: None };
    for (name, by, id, reverse, change) in [
        ("by who decided", &sam, of_message, true, Change::default()),
        ("of none", &lea, of_review, false, Change::default()),
        ("dry", &lea, of_message, true, dry()),
        ("reverse", &lea, of_message, true, note("right")),
        ("reverse once more", &lea, of_message, true, Change::default()),
        ("uphold afterwards", &lea, of_message, false, Change::default()),
    ] {
        script.heard(format!("reports_appeal {name}"), &staff::decide_appeal(by, id, verdict(reverse), change).await);
    }
    // Another appeal, which changes nothing.
    world.test.advance(Duration::from_secs(3_600));
    let (sam, lea) = (world.staff(Role::Support).await.0, world.staff(Role::Support).await.0);
    let warn = resolve(&[ReportAction::Warn]);
    script.heard("reports_decide warn", &staff::decide_reports(&sam, of_thread, warn, Change::default()).await);
    world.test.advance(Duration::from_secs(11));
    let worker = world.test.log_in(trade.worker.user_id().unwrap()).await.0;
    script.heard("appeal of a warning", &reports::appeal(&app.by(&worker), of_thread, &appeal).await);
    script.heard(
        "reports_appeal uphold",
        &staff::decide_appeal(&lea, of_thread, verdict(false), Change::default()).await,
    );
    for status in ReportStatus::ALL {
        let filter = ReportFilter { status: Some(*status), ..ReportFilter::default() };
        script.heard(format!("reports_list {status}"), &lea.call::<ListReports>((), all(filter, 10), ()).await);
    }
    for (name, snoozed, escalated) in [("snoozed", true, false), ("escalated", false, true), ("both", true, true)] {
        let filter = ReportFilter { snoozed, escalated, ..ReportFilter::default() };
        script.heard(format!("reports_list filter {name}"), &lea.call::<ListReports>((), all(filter, 10), ()).await);
    }
    let about = ReportFilter { subject_id: trade.worker.user_id(), ..ReportFilter::default() };
    script.heard("reports_list about", &lea.call::<ListReports>((), all(about, 10), ()).await);
    script.heard("reports_show", &lea.call::<ShowReport>(of_message, (), ()).await);
    let log = AuditFilter { target: Some(of_message.to_string()), ..AuditFilter::default() };
    script.heard(
        "audit_list of reports",
        &lea.call::<ListAudit>((), ListQuery::new(&log, &PageRequest::default()), ()).await,
    );
    script.heard("stats with reports", &lea.call::<ShowStats>((), (), ()).await);
}
