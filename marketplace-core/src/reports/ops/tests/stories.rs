use super::*;
use crate::{
    accounts::model::UserAction,
    base::ids::PhotoId,
    kyc::model::UNDO,
    records::mail::Template,
    reports::model::APPEAL,
    rules::{
        self,
        model::{NewRule, RuleKind},
    },
    services::{
        self,
        model::{PhotoSize, ServiceStatus},
    },
    testing::pictures,
    users,
};

async fn status_of(test: &TestApp, id: UserId) -> Status {
    users::show(&test.app().by(&operator()), id).await.unwrap().user.status
}

async fn templates(test: &TestApp) -> Vec<Template> {
    test.mails()
        .await
        .into_iter()
        .map(|mail| mail.template)
        .filter(|name| name.as_str().contains("report") || name.as_str().contains("appeal"))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// A scam in a thread: filed, claimed, decided with two actions, told after the time to undo, appealed, and reversed by a
/// colleague.
#[tokio::test]
async fn a_report_is_decided_with_two_actions_and_reversed_on_appeal() {
    for test in testing::apps().await {
        let app = test.app();
        let trade = test.marketplace().await;
        let (client, worker) = (&trade.client, &trade.worker);
        let scammer = worker.user_id().unwrap();
        let message = last_message(&test, client, trade.thread).await;
        let (own, is_new) = file(&test, client, ReportTarget::Message, message.id.0).await.unwrap();
        assert!(is_new && own.status == ReportOutcome::Open);
        assert!(!file(&test, client, ReportTarget::Message, message.id.0).await.unwrap().1, "the same again");
        let other = report(ReportTarget::Message, message.id.0, ReportReason::Spam, "");
        refused(reports::file(&app.by(client), other).await, ErrorCode::Conflict);

        let support = test.actor(Role::Support).await;
        let next = reports::next(&app.by(&support)).await.unwrap().unwrap();
        let (id, fence) = (next.case.id, next.case.claim.unwrap().fence);
        let kept = next.reports[0].content.as_ref().unwrap();
        assert_eq!((kept.text.as_str(), next.case.subject_id), ("I do, at ten.", scammer));
        let ban = resolve(&[ReportAction::RemoveMessage, ReportAction::Ban], Some(fence));
        refused(reports::decide(&app.by(&support), id, &ban).await, ErrorCode::Forbidden);
        assert_eq!(last_message(&test, client, trade.thread).await.content, "I do, at ten.", "all or nothing");
        refused(
            reports::decide(&app.by(&support), id, &resolve(&[ReportAction::CloseService], Some(fence))).await,
            ErrorCode::Invalid,
        );
        let both = resolve(&[ReportAction::Freeze, ReportAction::RemoveMessage], Some(fence));
        let dry = app.by(&support).with(Change { dry_run: true, ..Change::default() });
        assert!(reports::decide(&dry, id, &both).await.unwrap().changed);
        let done = reports::decide(&app.by(&support).with(noted("seen before")), id, &both).await.unwrap();
        assert!(done.changed && done.item.case.status == ReportStatus::Resolved);
        assert!(!reports::decide(&app.by(&support), id, &both).await.unwrap().changed, "the same again");
        assert!(last_message(&test, client, trade.thread).await.removed);
        assert_eq!(status_of(&test, scammer).await, Status::Frozen);

        // Nobody is told before it can no longer be undone, and the subject never by whom.
        let mine = reports::own(&app.by(client), &PageRequest::first(10)).await.unwrap().items;
        assert_eq!((mine[0].status, mine[0].comment.as_deref()), (ReportOutcome::Open, None));
        assert!(reports::decisions(&app.by(worker)).await.unwrap().items.is_empty());
        assert!(
            test.mails()
                .await
                .iter()
                .all(|mail| !templates_of_reports(mail.template) || mail.not_before == app.now() + UNDO)
        );
        assert_eq!(templates(&test).await, [Template::ReportResolved, Template::ReportDecision]);
        refused(reports::appeal(&app.by(worker), id, &NewAppeal { text: "Why?".into() }).await, ErrorCode::NotFound);
        test.advance(UNDO);
        refused(reports::undo(&app.by(&support), id).await, ErrorCode::Conflict);
        let mine = reports::own(&app.by(client), &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(mine[0].status, ReportOutcome::Resolved);
        let about = reports::decisions(&app.by(worker)).await.unwrap().items;
        assert_eq!(about[0].actions, [ReportAction::RemoveMessage, ReportAction::Freeze]);
        let told = serde_json::to_string(&about).unwrap();
        assert!(!told.contains(&client.user_id().unwrap().to_string()) && !told.contains("wants money"), "{told}");

        // The appeal is for a colleague.
        let text = NewAppeal { text: "I only said when I have time.".into() };
        refused(reports::appeal(&app.by(client), id, &text).await, ErrorCode::NotFound);
        let appealed = reports::appeal(&app.by(worker), id, &text).await.unwrap();
        assert_eq!(appealed.status, ReportStatus::Appealed);
        assert_eq!(reports::appeal(&app.by(worker), id, &text).await.unwrap(), appealed, "the same again");
        let another = NewAppeal { text: "And again!".into() };
        refused(reports::appeal(&app.by(worker), id, &another).await, ErrorCode::Conflict);
        assert!(reports::next(&app.by(&support)).await.unwrap().is_none(), "not for who decided");
        refused(reports::claim(&app.by(&support), id).await, ErrorCode::Forbidden);
        let reverse = AppealVerdict { fence: None, reverse: true, comment: None };
        refused(reports::decide_appeal(&app.by(&support), id, &reverse).await, ErrorCode::Forbidden);
        let colleague = test.actor(Role::Support).await;
        assert_eq!(reports::next(&app.by(&colleague)).await.unwrap().unwrap().case.id, id);
        let reversed = reports::decide_appeal(&app.by(&colleague), id, &reverse).await.unwrap();
        assert!(reversed.changed && reversed.item.case.status == ReportStatus::Reversed);
        assert!(!reports::decide_appeal(&app.by(&colleague), id, &reverse).await.unwrap().changed);
        assert_eq!(last_message(&test, client, trade.thread).await.content, "I do, at ten.");
        assert_eq!(status_of(&test, scammer).await, Status::Active);
        let told = templates(&test).await;
        assert!(told.contains(&Template::AppealReversed) && told.contains(&Template::ReportReversed));
        let log = actions(&test, id).await;
        let expected = ["reports.claim", "reports.resolve", "reports.appeal", "reports.claim", "reports.reverse"]
            .map(str::to_owned);
        assert_eq!(log, expected);
        test.close().await;
    }
}

/// One photo of a reported service is removed, with what its worker is told; undoing and reversing put it back where it was.
#[tokio::test]
async fn a_photo_is_removed_and_put_back() {
    for test in testing::apps().await {
        let app = test.app();
        let trade = test.marketplace().await;
        let (client, worker) = (&trade.client, &trade.worker);
        let service = test.service(worker, "Drums").await;
        let put = async |place, alt: &str| {
            services::put_photo(&app.by(worker), service, place, alt, pictures::jpeg()).await.unwrap().photos
        };
        put(1, "first").await;
        let photos = put(2, "second").await;
        let (first, second) = (photos[0].id, photos[1].id);
        file(&test, client, ReportTarget::Service, service.0).await.unwrap();
        // One that came after the report can be removed too.
        let photos = put(3, "third").await;
        let shown = async || services::get(app, service).await.unwrap().photos;
        let case = waiting(&test).await;
        let support = test.actor(Role::Support).await;
        let decide = async |photo, actions: &[ReportAction]| {
            let mut decision = resolve(actions, None);
            if let Verdict::Resolve { photo: named, .. } = &mut decision.verdict {
                *named = photo;
            }
            reports::decide(&app.by(&support), case, &decision).await
        };
        let remove = [ReportAction::RemovePhoto];
        refused(decide(None, &remove).await, ErrorCode::Invalid);
        refused(decide(Some(first), &[ReportAction::Warn]).await, ErrorCode::Invalid);
        refused(decide(Some(PhotoId(Uuid::nil())), &remove).await, ErrorCode::Invalid);
        assert_eq!(shown().await, photos);

        for (photo, left) in [(first, vec![1, 2]), (photos[2].id, vec![0, 1])] {
            let done = decide(Some(photo), &remove).await.unwrap();
            assert!(done.changed && done.item.decision.unwrap().actions[0].photo == Some(photo));
            assert!(!decide(Some(photo), &remove).await.unwrap().changed, "the same again");
            refused(decide(Some(second), &remove).await, ErrorCode::Conflict);
            let kept: Vec<_> = left.iter().map(|at| photos[*at].clone()).collect();
            assert_eq!(shown().await, kept);
            refused(services::photo(app, None, photo, PhotoSize::Thumb).await, ErrorCode::NotFound);
            services::staff_photo(&app.by(&support), photo, PhotoSize::Thumb).await.unwrap();
            reports::undo(&app.by(&support), case).await.unwrap();
            assert_eq!(shown().await, photos, "where it was");
            services::photo(app, None, photo, PhotoSize::Thumb).await.unwrap();
        }
        decide(Some(second), &remove).await.unwrap();
        test.advance(UNDO);
        let told = reports::decisions(&app.by(worker)).await.unwrap().items;
        assert_eq!(told[0].actions, remove);
        let mails = test.mails().await;
        let mail = mails.iter().find(|mail| mail.template == Template::ReportDecision).unwrap();
        assert!(mail.comment.as_ref().unwrap().contains("A photo of your service was removed."), "{mail:?}");
        reports::appeal(&app.by(worker), case, &NewAppeal { text: "It is my own.".into() }).await.unwrap();
        let reverse = AppealVerdict { fence: None, reverse: true, comment: None };
        let colleague = test.actor(Role::Support).await;
        reports::decide_appeal(&app.by(&colleague), case, &reverse).await.unwrap();
        assert_eq!(shown().await, photos);
        let filter = AuditFilter { target: Some(service.to_string()), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&operator()), &filter, &PageRequest::first(10)).await.unwrap().items;
        let done: Vec<String> = rows.iter().map(|row| row.action.to_string()).take(2).collect();
        assert_eq!(done, ["services.restore_photo", "services.remove_photo"]);
        assert_eq!(rows[1].metadata["photo"], second.to_string());
        test.close().await;
    }
}

fn templates_of_reports(template: Template) -> bool {
    matches!(template, Template::ReportResolved | Template::ReportDecision | Template::ReportDismissed)
}

/// Within ten seconds its maker takes a decision back: what it did is undone, the mails are never sent, and what was reported
/// meanwhile joins the case. A ban ends what it ends; lifting it gives the account back.
#[tokio::test]
async fn a_decision_is_undone_with_what_it_did() {
    for test in testing::apps().await {
        let app = test.app();
        let trade = test.marketplace().await;
        let (client, worker) = (&trade.client, &trade.worker);
        let service = test.service(worker, "Drums").await;
        let subject = worker.user_id().unwrap();
        file(&test, client, ReportTarget::Service, service.0).await.unwrap();
        let (admin, other) = (test.actor(Role::Admin).await, test.actor(Role::Admin).await);
        let id = waiting(&test).await;
        let decision = resolve(&[ReportAction::CloseService, ReportAction::Ban], None);
        reports::decide(&app.by(&admin), id, &decision).await.unwrap();
        assert!(services::get(app, service).await.is_err());
        assert_eq!(status_of(&test, subject).await, Status::Banned);
        let ban = test.mails().await.into_iter().find(|mail| mail.template == Template::Banned).unwrap();
        assert_eq!(ban.not_before, app.now() + UNDO);
        // Reported by somebody else meanwhile: who still sees it as they have talked about it.
        let thread_of = test.actor(Role::Client).await;
        assert!(file(&test, &thread_of, ReportTarget::Service, service.0).await.is_err(), "nobody sees it now");
        file(&test, client, ReportTarget::User, subject.0).await.unwrap();
        refused(reports::undo(&app.by(&other), id).await, ErrorCode::Forbidden);
        assert!(reports::undo(&app.by(&admin), id).await.unwrap().changed);
        assert!(!reports::undo(&app.by(&admin), id).await.unwrap().changed);
        assert_eq!(services::get(app, service).await.unwrap().id, service);
        assert_eq!(status_of(&test, subject).await, Status::Active);
        assert!(templates(&test).await.is_empty());
        assert!(test.mails().await.iter().all(|mail| mail.template != Template::Banned));
        let shown = reports::show(&app.by(&admin), id).await.unwrap();
        assert!(shown.case.claim.is_some_and(|claim| claim.mine) && shown.decision.is_none());

        // What staff closed, its worker cannot publish; and an appeal comes too late after two weeks.
        let decision = resolve(&[ReportAction::CloseService], None);
        reports::decide(&app.by(&admin), id, &decision).await.unwrap();
        let (worker, _) = test.log_in(subject).await;
        refused(services::publish(&app.by(&worker), service).await, ErrorCode::Conflict);
        assert_eq!(services::own_one(&app.by(&worker), service).await.unwrap().status, ServiceStatus::Closed);
        test.advance(UNDO + APPEAL);
        let (worker, _) = test.log_in(subject).await;
        let late = NewAppeal { text: "Now?".into() };
        refused(reports::appeal(&app.by(&worker), id, &late).await, ErrorCode::Conflict);
        test.close().await;
    }
}

/// What came after a decision joins the case when the decision is undone.
#[tokio::test]
async fn an_undo_takes_in_what_came_meanwhile() {
    for test in testing::apps().await {
        let app = test.app();
        let subject = test.user(Role::Client, Status::Active).await;
        let (ada, bob) = (test.actor(Role::Client).await, test.actor(Role::Client).await);
        let support = test.actor(Role::Support).await;
        file(&test, &ada, ReportTarget::User, subject.0).await.unwrap();
        let id = waiting(&test).await;
        reports::decide(&app.by(&support), id, &dismiss(None)).await.unwrap();
        let hate = report(ReportTarget::User, subject.0, ReportReason::Hate, "");
        reports::file(&app.by(&bob), hate).await.unwrap();
        let undone = reports::undo(&app.by(&support), id).await.unwrap().item;
        assert_eq!((undone.case.reports, undone.reports.len()), (2, 2));
        assert_eq!(undone.case.reasons, [ReportReason::Scam, ReportReason::Hate]);
        assert_eq!(waiting(&test).await, id);

        // A ban is appealed against with the link of the mail about it.
        reports::release(&app.by(&support), id).await.unwrap();
        let (admin, colleague) = (test.actor(Role::Admin).await, test.actor(Role::Admin).await);
        reports::decide(&app.by(&admin), id, &resolve(&[ReportAction::Ban], None)).await.unwrap();
        let (token, text) = (test.token(Template::Banned).await, NewAppeal { text: "It was my brother.".into() });
        let appeal = async |token: &str, of| reports::appeal_by_link(app, &testing::client(), token, of, &text).await;
        refused(appeal(&token, None).await, ErrorCode::NotFound);
        test.advance(UNDO);
        refused(appeal("nonsense", None).await, ErrorCode::Invalid);
        refused(appeal(&token, Some(CaseId(Uuid::max()))).await, ErrorCode::NotFound);
        assert_eq!(appeal(&token, None).await.unwrap().status, ReportStatus::Appealed);
        assert!(appeal(&token, Some(id)).await.is_ok(), "the same again");
        let reverse = AppealVerdict { fence: None, reverse: true, comment: None };
        refused(reports::decide_appeal(&app.by(&admin), id, &reverse).await, ErrorCode::Forbidden);
        reports::decide_appeal(&app.by(&colleague), id, &reverse).await.unwrap();
        assert_eq!(status_of(&test, subject).await, Status::Active);
        refused(appeal(&token, None).await, ErrorCode::Invalid);
        test.close().await;
    }
}

/// Who may report what, and who may handle it when.
#[tokio::test]
async fn each_reports_what_they_see_and_nobody_decides_about_themselves() {
    for test in testing::apps().await {
        let app = test.app();
        let trade = test.marketplace().await;
        let (client, worker) = (&trade.client, &trade.worker);
        let stranger = test.actor(Role::Client).await;
        let message = last_message(&test, client, trade.thread).await;
        let hidden = (ReportTarget::Review, trade.hidden.0);
        let unverified = test.user(Role::Worker, Status::Unverified).await;
        for (by, (kind, id), code) in [
            (&stranger, (ReportTarget::Message, message.id.0), ErrorCode::NotFound),
            (&stranger, (ReportTarget::Thread, trade.thread.0), ErrorCode::NotFound),
            (&stranger, (ReportTarget::User, unverified.0), ErrorCode::NotFound),
            (&stranger, (ReportTarget::Service, Uuid::max()), ErrorCode::NotFound),
            (worker, hidden, ErrorCode::NotFound),
            (client, (ReportTarget::User, client.user_id().unwrap().0), ErrorCode::Forbidden),
            (client, (ReportTarget::Review, trade.flagged.0), ErrorCode::Forbidden),
            (worker, (ReportTarget::Message, message.id.0), ErrorCode::Forbidden),
            (&operator(), (ReportTarget::User, unverified.0), ErrorCode::Forbidden),
        ] {
            refused(file(&test, by, kind, id).await, code);
        }
        let no_text = report(ReportTarget::Thread, trade.thread.0, ReportReason::Other, " ");
        refused(reports::file(&app.by(client), no_text).await, ErrorCode::Invalid);
        // The two sides of a thread are a case each; one of a review that everybody sees is anybody's.
        file(&test, client, ReportTarget::Thread, trade.thread.0).await.unwrap();
        file(&test, worker, ReportTarget::Thread, trade.thread.0).await.unwrap();
        file(&test, &stranger, ReportTarget::Review, trade.flagged.0).await.unwrap();
        let all = reports::list(&app.by(&operator()), &ReportFilter::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!(all.items.len(), 3);

        // A member of staff has to do with none of their own.
        let (support, admin) = (test.actor(Role::Support).await, test.actor(Role::Admin).await);
        let subject = test.user(Role::Client, Status::Active).await;
        file(&test, &support, ReportTarget::User, subject.0).await.unwrap();
        let filter = ReportFilter { subject_id: Some(subject), ..ReportFilter::default() };
        let case = reports::list(&app.by(&support), &filter, &PageRequest::first(1)).await.unwrap().items.remove(0);
        refused(reports::claim(&app.by(&support), case.id).await, ErrorCode::Forbidden);
        refused(reports::decide(&app.by(&support), case.id, &dismiss(None)).await, ErrorCode::Forbidden);
        let to_reporter = reports::assign(&app.by(&admin), case.id, support.user_id()).await;
        refused(to_reporter, ErrorCode::Invalid);
        let auditor = test.actor(Role::Auditor).await;
        refused(reports::claim(&app.by(&auditor), case.id).await, ErrorCode::Forbidden);
        let seen = reports::list(&app.by(&auditor), &filter, &PageRequest::first(1)).await.unwrap();
        assert_eq!(seen.items.len(), 1);
        // Looking into a thread without a claim is on record.
        let thread = all.items.iter().find(|case| case.target_kind == ReportTarget::Thread).unwrap();
        let shown = reports::show(&app.by(&auditor), thread.id).await.unwrap();
        assert_eq!(shown.reports[0].content.as_ref().unwrap().messages.len(), 3);
        let target = Some(trade.thread.to_string());
        let filter = AuditFilter { target, ..AuditFilter::default() };
        let rows = audit::list(&app.by(&operator()), &filter, &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(rows[0].action, AuditAction::ThreadsRead);
        test.close().await;
    }
}

/// Skipping, putting off, assigning and escalating change who takes a case when; each is in its history.
#[tokio::test]
async fn cases_are_skipped_put_off_assigned_and_escalated() {
    for test in testing::apps().await {
        let app = test.app();
        let reporter = test.actor(Role::Client).await;
        let mut cases = Vec::new();
        for _ in 0..3 {
            let subject = test.user(Role::Client, Status::Active).await;
            file(&test, &reporter, ReportTarget::User, subject.0).await.unwrap();
            test.advance(Duration::from_secs(1));
            let filter = ReportFilter { subject_id: Some(subject), ..ReportFilter::default() };
            cases.push(reports::list(&app.by(&operator()), &filter, &PageRequest::first(1)).await.unwrap().items[0].id);
        }
        let (ada, bob) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let admin = test.actor(Role::Admin).await;
        let next = async |by: &Actor| {
            let found = reports::next(&app.by(by)).await.unwrap().map(|found| found.case.id);
            if let Some(id) = found {
                reports::release(&app.by(by), id).await.unwrap();
            }
            found.and_then(|id| cases.iter().position(|case| *case == id))
        };
        assert_eq!(next(&ada).await, Some(0));
        // Skipped by one, still the other's first.
        reports::claim(&app.by(&ada), cases[0]).await.unwrap();
        let skipped = reports::skip(&app.by(&ada).with(noted("I know them")), cases[0]).await.unwrap();
        assert!(skipped.changed && skipped.item.case.claim.is_none());
        assert_eq!((next(&ada).await, next(&bob).await), (Some(1), Some(0)));
        // Assigned: nobody else gets it, and its holder gets it first.
        refused(reports::assign(&app.by(&ada), cases[2], reporter.user_id()).await, ErrorCode::Invalid);
        assert!(reports::assign(&app.by(&ada), cases[2], bob.user_id()).await.unwrap().changed);
        assert_eq!((next(&ada).await, next(&bob).await), (Some(1), Some(2)));
        // Put off: for nobody until then.
        let until = app.now() + Duration::from_hours(2);
        refused(reports::snooze(&app.by(&ada), cases[1], Some(app.now())).await, ErrorCode::Invalid);
        assert!(reports::snooze(&app.by(&ada), cases[1], Some(until)).await.unwrap().changed);
        assert_eq!((next(&ada).await, next(&admin).await), (Some(0), Some(0)));
        let put_off = ReportFilter { status: Some(ReportStatus::Snoozed), ..ReportFilter::default() };
        let put_off = reports::list(&app.by(&ada), &put_off, &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(put_off.iter().map(|case| case.id).collect::<Vec<_>>(), [cases[1]]);
        // Taken up again: where it was before, once; and put off anew.
        assert!(reports::snooze(&app.by(&ada), cases[1], None).await.unwrap().changed);
        assert!(!reports::snooze(&app.by(&ada), cases[1], None).await.unwrap().changed);
        assert_eq!(next(&ada).await, Some(1));
        assert!(reports::snooze(&app.by(&ada), cases[1], Some(until)).await.unwrap().changed);
        // Escalated: for admins.
        refused(reports::escalate(&app.by(&bob), cases[0]).await, ErrorCode::Invalid);
        reports::claim(&app.by(&admin), cases[0]).await.unwrap();
        refused(
            reports::escalate(&app.by(&bob).with(noted("a colleague's friend")), cases[0]).await,
            ErrorCode::Conflict,
        );
        reports::release(&app.by(&admin), cases[0]).await.unwrap();
        assert!(reports::escalate(&app.by(&bob).with(noted("a colleague's friend")), cases[0]).await.unwrap().changed);
        refused(reports::claim(&app.by(&bob), cases[0]).await, ErrorCode::Forbidden);
        assert_eq!((next(&ada).await, next(&admin).await), (None, Some(0)));
        let asked = async |filter: ReportFilter| {
            let found = reports::list(&app.by(&ada), &filter, &PageRequest::first(1)).await;
            found.map(|page| page.items.iter().map(|case| case.id).collect::<Vec<_>>())
        };
        let (snoozed, escalated) = (
            ReportFilter { snoozed: true, ..ReportFilter::default() },
            ReportFilter { escalated: true, ..ReportFilter::default() },
        );
        assert_eq!(asked(snoozed.clone()).await.unwrap(), [cases[1]]);
        assert_eq!(asked(escalated.clone()).await.unwrap(), [cases[0]]);
        let subject = reports::show(&app.by(&admin), cases[0]).await.unwrap().case.subject_id;
        let about = ReportFilter { subject_id: Some(subject), ..escalated.clone() };
        assert_eq!(asked(about).await.unwrap(), [cases[0]]);
        refused(asked(ReportFilter { escalated: true, ..snoozed }).await, ErrorCode::Invalid);
        let decided = ReportFilter { status: Some(ReportStatus::Resolved), ..escalated };
        refused(asked(decided).await, ErrorCode::Invalid);
        test.advance(Duration::from_hours(2));
        let (ada, bob) = (test.log_in(ada.user_id().unwrap()).await.0, test.log_in(bob.user_id().unwrap()).await.0);
        assert_eq!((next(&ada).await, next(&bob).await), (Some(1), Some(2)));
        let shown = reports::show(&app.by(&bob), cases[0]).await.unwrap();
        let history: Vec<_> = shown.history.iter().map(|event| (event.kind.as_str(), event.note.as_deref())).collect();
        assert_eq!(history, [("skipped", Some("I know them")), ("escalated", Some("a colleague's friend"))]);
        test.close().await;
    }
}

/// Of an erased person nothing personal is left in reports: neither what they wrote and said, nor what others wrote of them.
#[tokio::test]
async fn an_erased_person_leaves_nothing_personal_in_reports() {
    const CANARY: &str = "canary-7c1e";
    for test in testing::apps().await {
        let app = test.app();
        let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let service = test.service(&worker, &format!("Songs {CANARY}")).await;
        let thread = test.thread(&client, service).await;
        test.say(&client, thread, "a", "Hello").await;
        test.say(&worker, thread, "a", &format!("Call {CANARY}")).await;
        let text = format!("they are {CANARY}");
        for (by, kind, id) in [
            (&client, ReportTarget::Thread, thread.0),
            (&client, ReportTarget::Service, service.0),
            (&client, ReportTarget::User, worker.user_id().unwrap().0),
            (&worker, ReportTarget::Thread, thread.0),
        ] {
            reports::file(&app.by(by), report(kind, id, ReportReason::Scam, &text)).await.unwrap();
            test.advance(Duration::from_secs(1));
        }
        let support = test.actor(Role::Support).await;
        let mut decision = resolve(&[ReportAction::Warn], None);
        decision.comment_to_reporter = Some(CANARY.into());
        decision.verdict = Verdict::Resolve {
            reasons: vec![ReportReason::Scam],
            actions: vec![ReportAction::Warn],
            comment_to_subject: Some(CANARY.into()),
            photo: None,
        };
        let first = reports::next(&app.by(&support)).await.unwrap().unwrap().case;
        reports::decide(&app.by(&support).with(noted(CANARY)), first.id, &decision).await.unwrap();
        test.advance(UNDO);
        reports::appeal(&app.by(&worker), first.id, &NewAppeal { text }).await.unwrap();
        let reason = Some(crate::base::change::RestrictionReason::UserRequest);
        let op = app.by(&operator()).with(Change { reason, ..Change::default() });
        users::act(&op, worker.user_id().unwrap(), &UserAction::Delete).await.unwrap();

        let mut reader = app.db.read().await.unwrap();
        let mut conn = reader.conn();
        let left = q!(&mut conn => vals String,
            "SELECT coalesce(text, '') || coalesce(content, '') FROM reports UNION ALL SELECT coalesce(note, '') FROM report_history \
             UNION ALL SELECT coalesce(comment_to_reporter, '') || coalesce(comment_to_subject, '') || coalesce(note, '') || \
             coalesce(appeal_text, '') || coalesce(appeal_comment, '') || coalesce(appeal_note, '') FROM report_cases").unwrap();
        drop(reader);
        let left = left.join("\n");
        // Their own report about the other one is theirs to take back; what the other one said is kept with it.
        assert!(!left.contains(CANARY) && left.contains("Hello"), "{left}");
        let open =
            reports::list(&app.by(&operator()), &ReportFilter::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!(open.items.iter().map(|case| case.subject_id).collect::<Vec<_>>(), [client.user_id().unwrap()]);
        let mine = reports::own(&app.by(&client), &PageRequest::first(10)).await.unwrap().items;
        assert!(mine.iter().all(|report| report.status != ReportOutcome::Open), "{mine:?}");
        test.close().await;
    }
}

#[tokio::test]
async fn all_messages_that_joined_a_case_are_removed_with_it() {
    for test in testing::apps().await {
        let app = test.app();
        let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let thread = test.thread(&client, test.service(&worker, "Piano").await).await;
        let rule = NewRule::new(RuleKind::ContactDetails, "phone");
        rules::create(&app.by(&operator()), &rule).await.unwrap();
        for (by, name, words) in [
            (&client, "1", "Hello, my number is 0171 555 1234"),
            (&client, "2", "Are you there?"),
            (&client, "3", "0171 555 1234, in case you missed it"),
            (&worker, "4", "Mine is 0172 555 9876"),
        ] {
            test.advance(Duration::from_millis(10));
            test.say(by, thread, name, words).await;
        }
        app.run_due().await.unwrap();
        let page = reports::list(&app.by(&operator()), &ReportFilter::default(), &PageRequest::first(10)).await;
        let cases = page.unwrap().items;
        assert_eq!(cases.len(), 2);
        let case = cases.iter().find(|case| Some(case.subject_id) == client.user_id()).unwrap().id;
        let removed = async || {
            let page = messaging::messages(&app.by(&worker), thread, &MessagesQuery::default()).await.unwrap();
            page.items.into_iter().filter(|message| message.removed).map(|message| message.seq).collect::<Vec<_>>()
        };
        let decision = resolve(&[ReportAction::RemoveMessage], None);
        let decided = reports::decide(&app.by(&operator()), case, &decision).await.unwrap();
        assert_eq!(removed().await, [1, 3], "what was reported of hers, and nothing else");
        let taken = &decided.item.decision.unwrap().actions[0];
        assert_eq!((taken.changed, taken.messages.len()), (true, 2));
        reports::undo(&app.by(&operator()), case).await.unwrap();
        assert!(removed().await.is_empty());
        // One of them is removed by itself before: it is not taken back with the others.
        let first = messaging::messages(&app.by(&worker), thread, &MessagesQuery::default()).await.unwrap().items[0].id;
        let reason = messaging::model::RemovalReason::Spam;
        messaging::staff_remove(&app.by(&operator()), first, reason).await.unwrap();
        reports::decide(&app.by(&operator()), case, &resolve(&[ReportAction::RemoveMessage], None)).await.unwrap();
        assert_eq!(removed().await, [1, 3]);
        reports::undo(&app.by(&operator()), case).await.unwrap();
        assert_eq!(removed().await, [1]);
        test.close().await;
    }
}
