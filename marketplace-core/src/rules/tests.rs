//! Stories of rules, on both engines.

use std::time::Duration;

use super::{
    model::{NewRule, RuleAction, RuleEdit, RuleFilter, RuleKind, RulePlace, TryRule},
    *,
};
use crate::{
    accounts::model::{Password, SignUp},
    actor::Actor,
    app::App,
    auth::{self, ClientInfo},
    base::{
        change::Changed,
        error::{ErrorCode, Result},
        ids::{ServiceId, ThreadId},
        page::PageRequest,
        patch::Patch,
        permission::{Role, TraderRole},
        text_enum::Name,
    },
    jobs::{
        self,
        model::{CounterOffer, EndJob, JobReason, JobStatus, NewJob, Offer},
    },
    messaging::{self, model::NewMessage},
    money::Money,
    platform::db::OpenOptions,
    profiles::{self, model::UpdateWorkerProfile},
    records::audit::{self, AuditAction, AuditFilter},
    reports::{
        self,
        model::{Deciding, DismissReason, ReportFilter, ReportReason, ReportTarget, Verdict},
    },
    services,
    testing::{self, TestApp, operator},
};

async fn make(test: &TestApp, new: NewRule) -> model::Rule {
    create(&test.app().by(&operator()), &new).await.unwrap().item
}

fn rule(kind: RuleKind, value: &str, action: RuleAction) -> NewRule {
    NewRule { action: Some(action), ..NewRule::new(kind, value) }
}

async fn say(test: &TestApp, by: &Actor, thread: ThreadId, id: &str, words: &str) -> Result<messaging::model::Message> {
    // Ids of one moment have no order.
    test.advance(Duration::from_millis(10));
    let new = NewMessage { client_msg_id: id.into(), content: words.into(), attachments: Vec::new() };
    messaging::send(&test.app().by(by), thread, new).await
}

async fn cases(test: &TestApp) -> Vec<reports::model::ReportCase> {
    test.app().run_due().await.unwrap();
    let op = test.app().by(&operator());
    let list = reports::list(&op, &ReportFilter::default(), &PageRequest::first(50)).await.unwrap().items;
    let mut cases = Vec::new();
    for case in list {
        cases.push(reports::show(&op, case.id).await.unwrap());
    }
    cases
}

/// A client and a worker who have begun to talk.
struct Talk {
    client: Actor,
    worker: Actor,
    service: ServiceId,
    thread: ThreadId,
}

async fn talk(test: &TestApp) -> Talk {
    let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
    let service = test.service(&worker, "Piano lessons").await;
    let thread = test.thread(&client, service).await;
    Talk { client, worker, service, thread }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T>, field: &str, says: &str) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid, "{error:?}");
    assert_eq!(error.fields()[0].pointer, field);
    assert!(error.fields()[0].detail.contains(says), "{error:?}");
}

/// Contact details in a thread: reported in one case, then refused, and free once a job is agreed.
#[tokio::test]
async fn contact_details_wait_for_a_job() {
    for test in testing::apps().await {
        let Talk { client, worker, thread, .. } = &talk(&test).await;
        let thread = *thread;
        say(&test, client, thread, "before", "call me on 0171 555 1234").await.unwrap();
        assert!(cases(&test).await.is_empty());

        let made = make(&test, NewRule::new(RuleKind::ContactDetails, "phone")).await;
        say(&test, client, thread, "m1", "hello, my number is 0171 555 1234").await.unwrap();
        say(&test, client, thread, "m1", "hello, my number is 0171 555 1234").await.unwrap();
        say(&test, client, thread, "m2", "I said 0171 five five five one two three four").await.unwrap();
        say(&test, worker, thread, "m3", "Friday 27.11.2026, 1500-2000 EUR").await.unwrap();
        let found = cases(&test).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let case = &found[0];
        assert_eq!(
            (case.case.target_kind, case.case.reasons.as_slice(), case.case.reports, case.case.thread_id),
            (ReportTarget::Message, &[ReportReason::OffPlatformPayment][..], 2, Some(thread))
        );
        assert_eq!(Some(case.case.subject_id), client.user_id());
        let report = &case.reports[1];
        assert_eq!((report.reporter_id, report.text.as_deref()), (None, Some("Rule: contact_details phone")));
        assert!(report.content.as_ref().unwrap().text.contains("five five"));
        // A person's report of the same message joins it.
        let new = reports::model::NewReport {
            target_kind: ReportTarget::Message,
            target_id: case.case.target_id,
            reason: ReportReason::Scam,
            text: String::new(),
        };
        reports::file(&test.app().by(worker), new).await.unwrap();
        assert_eq!(cases(&test).await[0].case.reports, 3);

        // Another program changes the rule; this one knows within a second.
        let options = OpenOptions { connections: 2, ..OpenOptions::default() };
        let app = test.app();
        let config = (*app.config).clone();
        let other = App::open_with(config, options, app.clock.clone(), app.random.clone()).await.unwrap();
        let edited = RuleEdit { action: Patch::Set(RuleAction::Refuse), ..RuleEdit::default() };
        let edited = edit(&other.by(&operator()), made.id, edited).await.unwrap();
        assert_eq!((edited.changed, edited.item.version, edited.item.action), (true, 2, RuleAction::Refuse));
        test.advance(Duration::from_secs(1));
        refused(say(&test, client, thread, "m4", "Ruf an: O17I 555 I234").await, "/content", "a telephone number");
        // What was sent stays sent, and a stranger learns nothing.
        say(&test, client, thread, "m1", "hello, my number is 0171 555 1234").await.unwrap();
        let stranger = test.actor(Role::Client).await;
        let answer = say(&test, &stranger, thread, "x", "0171 555 1234").await;
        assert_eq!(answer.unwrap_err().code(), ErrorCode::NotFound);

        test.job(client, worker, thread, JobStatus::Accepted).await;
        say(&test, client, thread, "m5", "0171 555 1234").await.unwrap();
        assert_eq!(cases(&test).await[0].case.reports, 3);

        // Nothing of what was said is in the audit log.
        let rows = audit::list(&test.app().by(&operator()), &AuditFilter::default(), &PageRequest::first(200)).await;
        let rows = serde_json::to_string(&rows.unwrap().items).unwrap();
        assert!(!rows.contains("555 1234") && rows.contains("rules.edit"), "{rows}");
        other.close().await;
        test.close().await;
    }
}

/// Words in every place, each either reported or refused; rules that rest catch nothing.
#[tokio::test]
async fn words_are_looked_for_wherever_people_write() {
    for test in testing::apps().await {
        let Talk { client, worker, thread, service } = talk(&test).await;
        let worker = test.app().by(&worker);
        let scam =
            make(&test, NewRule { reason: Some(ReportReason::Scam), ..NewRule::new(RuleKind::Words, "Gift card") })
                .await;
        let about =
            |text: &str| UpdateWorkerProfile { about: Patch::Set(text.into()), ..UpdateWorkerProfile::default() };
        profiles::update_worker(&worker, about("I take GIFT  CARDS")).await.unwrap();
        profiles::update_worker(&worker, about("I take a ＧＩＦＴ card")).await.unwrap();
        let update = services::model::UpdateService {
            description: Patch::Set("Pay by gift-card".into()),
            ..services::model::UpdateService::default()
        };
        services::update(&worker, service, update.clone()).await.unwrap();
        say(&test, &client, thread, "m1", "a gift card?").await.unwrap();
        let mut kinds: Vec<_> =
            cases(&test).await.iter().map(|case| (case.case.target_kind, case.case.reports)).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [(ReportTarget::User, 1), (ReportTarget::Service, 1), (ReportTarget::Message, 1)]);

        let op = test.app().by(&operator());
        let places = Patch::Set(vec![RulePlace::Services, RulePlace::Profiles]);
        let edited = RuleEdit { action: Patch::Set(RuleAction::Refuse), places, ..RuleEdit::default() };
        edit(&op, scam.id, edited).await.unwrap();
        refused(profiles::update_worker(&worker, about("gift card!")).await, "/about", "words");
        let update = services::model::UpdateService { title: Patch::Set("Gift card".into()), ..update };
        refused(services::update(&worker, service, update).await, "/title", "words");
        say(&test, &client, thread, "m2", "a gift card?").await.unwrap();
        edit(&op, scam.id, RuleEdit { enabled: Patch::Set(false), ..RuleEdit::default() }).await.unwrap();
        profiles::update_worker(&worker, about("gift card!")).await.unwrap();
        assert_eq!(cases(&test).await.len(), 3);

        // An edit of nothing is none; a rule is not made twice.
        assert!(!edit(&op, scam.id, RuleEdit::default()).await.unwrap().changed);
        let Changed { changed, item } = create(&op, &NewRule::new(RuleKind::Words, "GIFT card")).await.unwrap();
        assert_eq!((changed, item.id), (false, scam.id));
        test.close().await;
    }
}

/// Domains and networks at sign-up, refused or reported.
#[tokio::test]
async fn sign_ups_are_held_against_networks_and_domains() {
    for test in testing::apps().await {
        let from = |ip: &str| ClientInfo { ip: ip.parse().unwrap(), user_agent: "test".into(), language: None };
        let new = |name: &str, email: &str| SignUp {
            role: TraderRole::Client,
            email: email.into(),
            name: name.into(),
            phone: None,
            language: None,
            password: Password::new("correct horse battery"),
        };
        make(&test, NewRule::new(RuleKind::IpRange, "192.0.2.0/24")).await;
        make(&test, rule(RuleKind::IpRange, "2001:db8::/32", RuleAction::Report)).await;
        make(&test, NewRule::new(RuleKind::BlockedDomain, "throwaway.example")).await;
        make(&test, rule(RuleKind::BlockedDomain, "odd.example", RuleAction::Report)).await;
        make(&test, rule(RuleKind::Words, "admin", RuleAction::Refuse)).await;
        let app = test.app();
        let answer = auth::signup(app, &from("192.0.2.7"), new("Ada", "ada@example.org")).await;
        assert_eq!(answer.unwrap_err().code(), ErrorCode::Forbidden);
        refused(
            auth::signup(app, &from("198.51.100.1"), new("Ada", "a@x.throwaway.example")).await,
            "/email",
            "domain",
        );
        refused(auth::signup(app, &from("198.51.100.1"), new("The Admin", "a@example.org")).await, "/name", "words");
        auth::signup(app, &from("2001:db8::1"), new("Ada", "ada@odd.example")).await.unwrap();
        auth::signup(app, &from("2001:db8::1"), new("Ada", "ada@odd.example")).await.unwrap();
        auth::signup(app, &from("198.51.100.1"), new("Bob", "bob@example.org")).await.unwrap();
        let found = cases(&test).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].case.target_kind, found[0].case.reports), (ReportTarget::User, 2));
        assert_eq!(
            list(&app.by(&operator()), &RuleFilter::default(), &PageRequest::first(10)).await.unwrap().items.len(),
            5
        );
        test.close().await;
    }
}

/// Offers, and what is written with what is done about a job: reported or refused like messages, until a job was agreed.
#[tokio::test]
async fn contact_details_in_offers_wait_for_a_job() {
    for test in testing::apps().await {
        let Talk { client, worker, thread, .. } = talk(&test).await;
        let (his, hers) = (test.app().by(&client), test.app().by(&worker));
        let terms =
            |scope: &str| Offer { price: Money::new(5_000, "EUR"), schedule: "Monday".into(), scope: scope.into() };
        let counter = |revision, scope: &str| CounterOffer { revision, offer: terms(scope) };
        let made = make(&test, NewRule::new(RuleKind::ContactDetails, "email")).await;
        assert_eq!(made.places.len(), RulePlace::ALL.len());
        let new = NewJob { thread_id: thread, offer: terms("Two hours. Write to jon@example.org") };
        let job = jobs::create(&his, new).await.unwrap().id;
        test.advance(Duration::from_millis(10));
        jobs::offer(&hers, job, counter(1, "Gladly: ada@example.org")).await.unwrap();
        let found = cases(&test).await;
        assert_eq!(found.len(), 2, "one for each side: {found:?}");
        for case in &found {
            assert_eq!((case.case.target_kind, case.case.thread_id), (ReportTarget::Thread, Some(thread)));
            let content = case.reports[0].content.as_ref().unwrap();
            let is_his = Some(case.case.subject_id) == client.user_id();
            assert!(content.text.contains(if is_his { "jon@example.org" } else { "ada@example.org" }), "{content:?}");
        }
        // A dry run sees the same.
        let op = test.app().by(&operator());
        let offers =
            NewRule { places: Some(vec![RulePlace::Offers]), ..NewRule::new(RuleKind::ContactDetails, "email") };
        let part = super::test(&op, &TryRule { rule: offers.clone(), examples: 5, after: None }).await.unwrap();
        assert_eq!((part.checked, part.caught, part.examples.len()), (2, 2, 2), "{part:?}");
        assert_eq!(part.examples[0].thread_id, Some(thread));
        let part = super::test(&op, &TryRule { rule: offers.clone(), examples: 0, after: part.next }).await.unwrap();
        assert_eq!((part.checked, part.next), (0, None));

        let refuse = RuleEdit { action: Patch::Set(RuleAction::Refuse), ..RuleEdit::default() };
        edit(&op, made.id, refuse).await.unwrap();
        refused(jobs::offer(&his, job, counter(2, "jon@example.org")).await, "/offer/scope", "once a job is agreed");
        let why = EndJob { reason: JobReason::Price, comment: Some("Write to jon@example.org instead".into()) };
        refused(jobs::cancel(&his, job, why).await, "/comment", "an e-mail address");
        assert_eq!(jobs::get(&his, job).await.unwrap().status, JobStatus::Negotiating);
        jobs::accept(&his, job, 2).await.unwrap();
        let why = EndJob { reason: JobReason::Other, comment: Some("My address is jon@example.org".into()) };
        jobs::cancel(&his, job, why).await.unwrap();
        jobs::create(&his, NewJob { thread_id: thread, offer: terms("As before, jon@example.org") }).await.unwrap();
        assert_eq!(cases(&test).await.len(), 2, "they have agreed once");
        test.close().await;
    }
}

/// What a change leaves as it was is not caught again, nor what staff have dismissed.
#[tokio::test]
async fn what_stays_as_it_was_is_not_brought_up_again() {
    for test in testing::apps().await {
        let Talk { worker, service, .. } = talk(&test).await;
        let hers = test.app().by(&worker);
        let made = make(&test, NewRule::new(RuleKind::Words, "gift card")).await;
        let change = |title: Option<&str>, description: Option<&str>| services::model::UpdateService {
            title: title.map_or(Patch::Keep, |text| Patch::Set(text.into())),
            description: description.map_or(Patch::Keep, |text| Patch::Set(text.into())),
            ..services::model::UpdateService::default()
        };
        services::update(&hers, service, change(Some("Gift card design"), None)).await.unwrap();
        let found = cases(&test).await;
        assert_eq!(found.len(), 1);
        let verdict = Verdict::Dismiss { reasons: vec![DismissReason::NoViolation] };
        let dismiss = Deciding { fence: None, verdict, comment_to_reporter: None };
        reports::decide(&test.app().by(&operator()), found[0].case.id, &dismiss).await.unwrap();
        test.advance(Duration::from_secs(11));
        // Another field, the same words in public again: nothing new.
        services::update(&hers, service, change(None, Some("Printed on paper"))).await.unwrap();
        assert!(cases(&test).await.is_empty());
        services::update(&hers, service, change(Some("Piano"), None)).await.unwrap();
        services::update(&hers, service, change(Some("A gift card"), None)).await.unwrap();
        assert_eq!(cases(&test).await.len(), 1, "these are other words");
        let found = cases(&test).await;
        reports::decide(&test.app().by(&operator()), found[0].case.id, &dismiss).await.unwrap();
        test.advance(Duration::from_secs(11));
        services::close(&hers, service).await.unwrap();
        services::publish(&hers, service).await.unwrap();
        assert!(cases(&test).await.is_empty(), "word for word what was dismissed");
        // What was written before a rule refuses stays, whatever else is changed.
        let refuse = RuleEdit { action: Patch::Set(RuleAction::Refuse), ..RuleEdit::default() };
        edit(&test.app().by(&operator()), made.id, refuse).await.unwrap();
        services::update(&hers, service, change(None, Some("Printed on better paper"))).await.unwrap();
        refused(services::update(&hers, service, change(None, Some("A gift card!"))).await, "/description", "words");
        test.close().await;
    }
}

/// What a rule would have caught: the same as what it catches, without a change, and on record.
#[tokio::test]
async fn a_trial_says_what_would_have_been_caught() {
    for test in testing::apps().await {
        let Talk { client, worker, thread, .. } = talk(&test).await;
        for n in 0..5 {
            say(&test, &client, thread, &format!("a{n}"), &format!("write to ada{n}@example.org")).await.unwrap();
            say(&test, &worker, thread, &format!("b{n}"), "Friday is fine").await.unwrap();
        }
        test.job(&client, &worker, thread, JobStatus::Accepted).await;
        say(&test, &client, thread, "late", "ada@example.org").await.unwrap();
        let op = test.app().by(&operator());
        let trial = |kind, value: &str, examples| TryRule { rule: NewRule::new(kind, value), examples, after: None };
        let found = super::test(&op, &trial(RuleKind::ContactDetails, "any", 3)).await.unwrap();
        assert_eq!((found.caught, found.examples.len()), (5, 3));
        assert_eq!(found.examples[0].excerpt, "write to ada0@example.org");
        assert_eq!(found.examples[0].thread_id, Some(thread));
        // Words are looked for in all places, one after the other.
        let (mut after, mut caught, mut parts) = (None, 0, 0);
        loop {
            let part = super::test(&op, &TryRule { after, ..trial(RuleKind::Words, "friday", 1) }).await.unwrap();
            (after, caught, parts) = (part.next, caught + part.caught, parts + 1);
            if after.is_none() {
                break;
            }
        }
        // The last of them is empty: it says that no job is left.
        assert_eq!((caught, parts), (5, 6));
        let found = super::test(&op, &trial(RuleKind::BlockedDomain, "example.org", 20)).await.unwrap();
        assert_eq!((found.checked, found.caught), (2, 2));
        let found = super::test(&op, &trial(RuleKind::IpRange, "127.0.0.0/8", 1)).await.unwrap();
        assert_eq!((found.caught, found.examples[0].excerpt.as_str()), (2, "127.0.0.1"));
        let support = test.actor(Role::Support).await;
        let answer = super::test(&test.app().by(&support), &trial(RuleKind::Words, "friday", 0)).await;
        assert_eq!(answer.unwrap_err().code(), ErrorCode::Forbidden);
        let filter = AuditFilter { action: Some(Name::Known(AuditAction::RulesTest)), ..AuditFilter::default() };
        let rows = audit::list(&op, &filter, &PageRequest::first(50)).await.unwrap().items;
        assert!(rows.len() >= 3 && !serde_json::to_string(&rows).unwrap().contains("write to"), "{rows:?}");
        test.advance(Duration::from_hours(31 * 24));
        assert_eq!(
            super::test(&test.app().by(&operator()), &trial(RuleKind::ContactDetails, "any", 3)).await.unwrap().caught,
            0
        );
        test.close().await;
    }
}
