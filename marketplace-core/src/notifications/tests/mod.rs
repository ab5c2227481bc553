//! What people are told, when, and how often; on both engines.

use std::time::Duration;

use super::{
    model::{NotificationFilter, NotificationKind, NotificationsRead, Unsubscribe, UpdateNotificationSettings},
    *,
};
use crate::{
    accounts::model::UserAction,
    actor::Actor,
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        language::Language,
        page::{Cursor, PageRequest},
        permission::Role,
    },
    jobs::{
        self,
        model::{CounterOffer, JobStatus, Offer},
    },
    live,
    messaging::{self, Delivery},
    money::Money,
    platform::{
        config::{Config, Links},
        mailer::Texts,
    },
    records::mail::Template,
    testing::{self, TestApp},
    users,
};

const DAY: Duration = Duration::from_hours(24);

async fn kinds(test: &TestApp, of: &Actor) -> Vec<NotificationKind> {
    let (op, filter) = (test.app().by(of), NotificationFilter { unread: true });
    let page = list(&op, filter, &PageRequest::default()).await.unwrap();
    let count = unread(&op).await.unwrap().unread;
    assert_eq!(count, i64::try_from(page.items.len()).unwrap());
    let mut kinds: Vec<_> = page.items.into_iter().map(|item| item.kind).collect();
    kinds.sort();
    kinds
}

async fn read_all(test: &TestApp, of: &Actor) {
    let op = test.app().by(of);
    let newest = list(&op, NotificationFilter::default(), &PageRequest::first(1)).await.unwrap();
    let read = NotificationsRead { until: Some(newest.items[0].id), ..NotificationsRead::default() };
    assert_eq!(mark_read(&op, read).await.unwrap().unread, 0);
}

/// The mails of a template that wait for somebody, once everything that is due is done: by two servers at once.
async fn mailed(test: &TestApp, to: &Actor, template: Template) -> usize {
    let (one, two) = tokio::join!(run_due(test.app()), run_due(test.app()));
    one.unwrap();
    two.unwrap();
    let failed = test.app().timers().into_iter().find(|state| state.failures > 0);
    assert!(failed.is_none(), "{failed:?}");
    let email = users::reveal(&test.app().by(&testing::operator()), to.user_id().unwrap(), None).await.unwrap().email;
    test.mails().await.iter().filter(|mail| mail.to == email && mail.template == template).count()
}

#[tokio::test]
async fn unread_messages_make_one_notification_and_one_mail_a_thread() {
    for test in testing::apps().await {
        let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let thread = test.thread(&client, test.service(&worker, "Piano").await).await;
        test.say(&client, thread, "1", "Hello").await;
        test.say(&client, thread, "2", "Are you there?").await;
        test.say(&client, thread, "2", "Are you there?").await;
        assert_eq!(kinds(&test, &worker).await, [NotificationKind::Message]);
        assert!(kinds(&test, &client).await.is_empty());
        test.advance(Duration::from_mins(9));
        assert_eq!(mailed(&test, &worker, Template::Message).await, 0, "they may be reading");
        test.advance(Duration::from_mins(1));
        assert_eq!(mailed(&test, &worker, Template::Message).await, 1);
        test.say(&client, thread, "3", "Hello?").await;
        test.advance(DAY);
        assert_eq!(mailed(&test, &worker, Template::Message).await, 1, "one until it is read");

        let (worker, _) = test.log_in(worker.user_id().unwrap()).await;
        messaging::read(&test.app().by(&worker), thread, 2).await.unwrap();
        assert_eq!(kinds(&test, &worker).await, [NotificationKind::Message], "there is one more");
        messaging::read(&test.app().by(&worker), thread, 3).await.unwrap();
        assert!(kinds(&test, &worker).await.is_empty());
        // What is read within ten minutes is not mailed.
        let (client, _) = test.log_in(client.user_id().unwrap()).await;
        test.say(&client, thread, "4", "Good.").await;
        messaging::read(&test.app().by(&worker), thread, 4).await.unwrap();
        test.advance(Duration::from_mins(11));
        assert_eq!(mailed(&test, &worker, Template::Message).await, 1);
        test.close().await;
    }
}

#[tokio::test]
async fn a_job_tells_each_side_what_the_other_did_and_what_time_will_bring() {
    use NotificationKind::{
        ChangesRequested, CounterOffer as Countered, JobCompleted, JobFinalized, NegotiationLapses, Offer as Offered,
        OfferAccepted, ReviewDue, ReviewPublished, ReviewReply, WorkFinalizes,
    };
    for test in testing::apps().await {
        let app = test.app();
        let (mut client, mut worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let thread = test.thread(&client, test.service(&worker, "Piano").await).await;
        let job = test.job(&client, &worker, thread, JobStatus::Negotiating).await;
        assert_eq!(kinds(&test, &worker).await, [Offered]);
        test.advance(DAY * 4);
        again(&test, &mut client, &mut worker).await;
        let price = Money::new(6_000, "EUR");
        let offer = Offer { price, schedule: "Friday".into(), scope: "Two hours".into() };
        jobs::offer(&app.by(&worker), job, CounterOffer { offer, revision: 1 }).await.unwrap();
        test.advance(DAY * 2);
        again(&test, &mut client, &mut worker).await;
        assert_eq!(kinds(&test, &client).await, [Countered], "the reminder of the first offer is gone");
        test.advance(DAY * 3);
        again(&test, &mut client, &mut worker).await;
        assert_eq!(kinds(&test, &client).await, [Countered, NegotiationLapses]);
        assert_eq!(kinds(&test, &worker).await, [Offered, NegotiationLapses]);
        assert_eq!(mailed(&test, &client, Template::NegotiationLapses).await, 1);
        read_all(&test, &client).await;
        read_all(&test, &worker).await;

        jobs::accept(&app.by(&client), job, 2).await.unwrap();
        jobs::complete(&app.by(&worker), job).await.unwrap();
        assert_eq!(kinds(&test, &worker).await, [OfferAccepted]);
        let changes = jobs::model::ChangeRequest { comment: "Once more, slowly".into() };
        jobs::request_changes(&app.by(&client), job, changes).await.unwrap();
        assert_eq!(kinds(&test, &worker).await, [OfferAccepted, ChangesRequested]);
        test.advance(DAY * 12);
        again(&test, &mut client, &mut worker).await;
        assert_eq!(kinds(&test, &client).await, [JobCompleted], "there is nothing to be finalized any more");
        jobs::complete(&app.by(&worker), job).await.unwrap();
        test.advance(DAY * 11);
        again(&test, &mut client, &mut worker).await;
        assert_eq!(kinds(&test, &client).await, [JobCompleted, JobCompleted, WorkFinalizes]);
        read_all(&test, &client).await;
        read_all(&test, &worker).await;
        jobs::finalize(&app.by(&client), job).await.unwrap();
        assert_eq!(kinds(&test, &client).await, [ReviewDue]);
        assert_eq!(kinds(&test, &worker).await, [JobFinalized, ReviewDue]);

        // Who has written is not asked again; who has not, is, a day later.
        let of_client = test.review(&client, job, 4, "Good").await;
        test.advance(DAY);
        assert_eq!(mailed(&test, &client, Template::ReviewDue).await, 0);
        assert_eq!(mailed(&test, &worker, Template::ReviewDue).await, 1);
        assert!(kinds(&test, &client).await.is_empty());
        again(&test, &mut client, &mut worker).await;
        read_all(&test, &worker).await;
        test.review(&worker, job, 5, "Pays at once").await;
        assert_eq!(kinds(&test, &client).await, [ReviewPublished]);
        assert_eq!(kinds(&test, &worker).await, [ReviewPublished]);
        let reply = crate::reviews::model::NewReply { text: "Thanks".into() };
        crate::reviews::reply(&app.by(&worker), of_client, reply).await.unwrap();
        assert_eq!(kinds(&test, &client).await, [ReviewPublished, ReviewReply]);
        test.close().await;
    }
}

/// Sessions do not outlive weeks.
async fn again(test: &TestApp, client: &mut Actor, worker: &mut Actor) {
    for actor in [client, worker] {
        *actor = test.log_in(actor.user_id().unwrap()).await.0;
    }
}

#[tokio::test]
async fn a_person_chooses_the_language_and_the_mails() {
    for test in testing::apps().await {
        let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let op = test.app().by(&worker);
        let first = settings(&op).await.unwrap();
        assert_eq!((first.language, first.version), (Language::En, 0));
        assert!(first.mail[&NotificationKind::Offer] && !first.mail.contains_key(&NotificationKind::PasswordChanged));
        let patch = |text: &str| serde_json::from_str::<UpdateNotificationSettings>(text).unwrap();
        assert_eq!(update_settings(&op, patch("{}")).await.unwrap(), first);
        for wrong in [r#"{"language":null}"#, r#"{"mail":null}"#, r#"{"mail":{"password_changed":false}}"#] {
            assert_eq!(update_settings(&op, patch(wrong)).await.unwrap_err().code(), ErrorCode::Invalid, "{wrong}");
        }
        let german = update_settings(&op, patch(r#"{"language":"de","mail":{"offer":false}}"#)).await.unwrap();
        assert_eq!((german.language, german.mail[&NotificationKind::Offer], german.version), (Language::De, false, 1));
        let stale = update_settings(&op.at_version(Some(0)), patch(r#"{"language":"fr"}"#)).await.unwrap_err();
        assert_eq!(stale.code(), ErrorCode::PreconditionFailed);

        let thread = test.thread(&client, test.service(&worker, "Piano").await).await;
        test.job(&client, &worker, thread, JobStatus::Completed).await;
        let op = test.app().by(&worker);
        let shown = list(&op, NotificationFilter::default(), &PageRequest::default()).await.unwrap().items;
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].title, "Sie haben ein neues Angebot");
        assert_eq!(shown[0].link, format!("{}/jobs/{}", test.app().config.issuer(), shown[0].target));
        assert_eq!(mailed(&test, &worker, Template::Offer).await, 0, "switched off");
        assert_eq!(mailed(&test, &client, Template::JobCompleted).await, 1);

        // Without a login, by what only the mail has.
        let token = ops::unsubscribe_token(test.app(), client.user_id().unwrap(), NotificationKind::JobCompleted);
        for forged in ["", "x", "a.b.c", &token[1..], &token.replace("job_completed", "message")] {
            let wrong = unsubscribe(test.app(), &Unsubscribe { token: forged.to_owned() }).await.unwrap_err();
            assert_eq!(wrong.code(), ErrorCode::Invalid, "{forged}");
        }
        for _ in 0..2 {
            unsubscribe(test.app(), &Unsubscribe { token: token.clone() }).await.unwrap();
            let kept = settings(&test.app().by(&client)).await.unwrap();
            assert_eq!((kept.mail[&NotificationKind::JobCompleted], kept.version), (false, 1));
            assert!(kept.mail[&NotificationKind::Message]);
        }

        // Nobody marks what is not theirs, nor what is to come.
        let theirs = NotificationsRead { ids: vec![shown[0].id], ..NotificationsRead::default() };
        mark_read(&test.app().by(&client), theirs.clone()).await.unwrap();
        assert_eq!(unread(&op).await.unwrap().unread, 1);
        assert_eq!(mark_read(&op, theirs).await.unwrap().unread, 0);
        let nothing = mark_read(&op, NotificationsRead::default()).await.unwrap_err();
        assert_eq!(nothing.code(), ErrorCode::Invalid);
        let all = NotificationsRead { until: Some(NotificationId(uuid::Uuid::max())), ..NotificationsRead::default() };
        mark_read(&test.app().by(&client), all).await.unwrap();
        test.advance(DAY * 11);
        let (client, _) = test.log_in(client.user_id().unwrap()).await;
        assert_eq!(kinds(&test, &client).await, [NotificationKind::WorkFinalizes]);
        test.close().await;
    }
}

#[tokio::test]
async fn what_is_over_or_gone_is_told_nobody() {
    for test in testing::apps().await {
        let app = test.app();
        let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let thread = test.thread(&client, test.service(&worker, "Piano").await).await;
        test.say(&client, thread, "1", "Hello").await;
        test.job(&client, &worker, thread, JobStatus::Rejected).await;
        let change = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        let operator = app.by(&testing::operator()).with(change);
        users::act(&operator, worker.user_id().unwrap(), &UserAction::Ban).await.unwrap();
        test.advance(DAY);
        assert_eq!(mailed(&test, &worker, Template::Message).await, 0, "a banned person gets none");
        users::act(&operator, client.user_id().unwrap(), &UserAction::Delete).await.unwrap();
        let mut reader = app.db.read().await.unwrap();
        let left = q!(&mut reader.conn() => val i64,
            "SELECT CAST(count(*) AS BIGINT) FROM notifications WHERE user_id = $1", client.user_id().unwrap());
        assert_eq!(left.unwrap(), 0);
        drop(reader);
        test.advance(DAY * 100);
        prune(app).await.unwrap();
        let mut reader = app.db.read().await.unwrap();
        let left = q!(&mut reader.conn() => val i64, "SELECT CAST(count(*) AS BIGINT) FROM notifications");
        assert_eq!(left.unwrap(), 0);
        drop(reader);
        test.close().await;
    }
}

/// The notifications among a person's events after a cursor, with the number of unread ones, and the new cursor.
async fn heard(test: &TestApp, of: &Actor, after: &str) -> (Vec<(NotificationKind, i64)>, String) {
    let page = live::own_since(test.app(), of.user_id().unwrap(), Some(after), 100).await.unwrap();
    assert!(!page.more && !page.resync_required);
    let told = page.items.into_iter().filter_map(|event| match event.what {
        Delivery::Notification { notification, unread } => {
            assert!(event.users.contains(&of.user_id()) && notification.link.contains(&notification.target));
            Some((notification.kind, unread))
        }
        _ => None,
    });
    (told.collect(), page.cursor.text())
}

#[tokio::test]
async fn each_notification_is_an_event_of_its_recipient_once_and_at_its_time() {
    use NotificationKind::{CounterOffer as Countered, KycApproved, Message, NegotiationLapses, Offer as Offered};
    for test in testing::apps().await {
        let app = test.app();
        let (client, worker) = (test.actor(Role::Client).await, test.approved_worker().await);
        let begin = live::own_since(app, worker.user_id().unwrap(), None, 1).await.unwrap().cursor.text();
        let thread = test.thread(&client, test.service(&worker, "Piano").await).await;
        test.say(&client, thread, "1", "Hello").await;
        test.say(&client, thread, "1", "Hello").await;
        test.say(&client, thread, "2", "Are you there?").await;
        let (told, cursor) = heard(&test, &worker, &begin).await;
        assert_eq!(told, [(Message, 1)], "one for a thread until it is read");
        assert!(heard(&test, &client, &begin).await.0.is_empty(), "it is nothing to who wrote");
        messaging::read(&app.by(&worker), thread, 2).await.unwrap();
        test.say(&client, thread, "3", "Hello?").await;
        let job = test.job(&client, &worker, thread, JobStatus::Negotiating).await;
        let (told, cursor) = heard(&test, &worker, &cursor).await;
        assert_eq!(told, [(Message, 2), (Offered, 2)], "as it is now");
        assert!(heard(&test, &worker, &cursor).await.0.is_empty(), "each once");

        // A reminder is announced when its time has come, by one of two servers.
        test.advance(DAY * 5);
        let (one, two) = tokio::join!(run_due(app), run_due(app));
        one.unwrap();
        two.unwrap();
        run_due(app).await.unwrap();
        let (told, worker_cursor) = heard(&test, &worker, &cursor).await;
        assert_eq!(told, [(NegotiationLapses, 3)]);
        let (told, client_cursor) = heard(&test, &client, &cursor).await;
        assert_eq!(told, [(NegotiationLapses, 1)]);
        let (again, _) = test.log_in(worker.user_id().unwrap()).await;
        let price = Money::new(6_000, "EUR");
        let offer = Offer { price, schedule: "Friday".into(), scope: "Two hours".into() };
        jobs::offer(&app.by(&again), job, CounterOffer { offer, revision: 1 }).await.unwrap();
        assert_eq!(heard(&test, &client, &client_cursor).await.0, [(Countered, 2)]);
        assert!(heard(&test, &worker, &worker_cursor).await.0.is_empty());

        // In the person's language; and what is deleted meanwhile is left out.
        let german = r#"{"language":"de"}"#;
        update_settings(&app.by(&again), serde_json::from_str(german).unwrap()).await.unwrap();
        let page = live::own_since(app, worker.user_id().unwrap(), Some(&cursor), 100).await.unwrap();
        let titles = page.items.iter().filter_map(|event| match &event.what {
            Delivery::Notification { notification, .. } => Some(notification.title.as_str()),
            _ => None,
        });
        assert!(titles.collect::<String>().contains("Verhandlung"), "{page:?}");
        test.advance(DAY * 100);
        prune(app).await.unwrap();
        assert!(heard(&test, &worker, &cursor).await.0.is_empty());

        // A decision that may be undone is announced afterwards.
        let ada = test.user(Role::Worker, crate::accounts::model::Status::Active).await;
        let begin = live::own_since(app, ada, None, 1).await.unwrap().cursor.text();
        let (ada, _) = test.log_in(ada).await;
        let (user, at) = (ada.user_id().unwrap(), app.now() + Duration::from_secs(10));
        let op = app.by(&testing::operator());
        op.write(unit!(|op, conn| { tell(&op, conn, user, KycApproved, "7", at).await })).await.unwrap();
        run_due(app).await.unwrap();
        assert!(heard(&test, &ada, &begin).await.0.is_empty());
        test.advance(Duration::from_secs(10));
        run_due(app).await.unwrap();
        let page = live::own_since(app, user, Some(&begin), 100).await.unwrap();
        assert_eq!(page.items.len(), 1, "{page:?}");
        test.close().await;
    }
}

#[test]
fn every_kind_has_words_in_every_language_and_a_page() {
    let texts = Texts::load(None).unwrap();
    let links = Links { job: Some("market://job/{id}?from=mail".into()), ..Links::default() };
    let config = Config { links, ..Config::default() };
    for kind in NotificationKind::ALL {
        for language in Language::ALL {
            assert!(!texts.get(*language, kind.as_str()).unwrap().subject.is_empty(), "{kind} {language}");
        }
        let link = link(&config, *kind, "7");
        assert!(link.starts_with("http://127.0.0.1:8080/") || link == "market://job/7?from=mail", "{link}");
    }
    for language in Language::ALL {
        for template in Template::ALL {
            let (text, english) =
                (texts.get(*language, template.as_str()).unwrap(), texts.get(Language::En, template.as_str()).unwrap());
            assert_eq!(text.link.is_empty(), english.link.is_empty(), "{template} {language}");
        }
    }
}

#[test]
fn an_operators_texts_are_checked_at_the_start() {
    crate::records::mail::check_texts(&Texts::load(None).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("de.toml");
    std::fs::write(&file, "[offer]\nsubject = \"Moin\"\n").unwrap();
    let texts = Texts::load(Some(folder.path())).unwrap();
    let offer = texts.get(Language::De, "offer").unwrap();
    assert!(offer.subject == "Moin" && offer.text.starts_with("Ein Kunde"));
    crate::records::mail::check_texts(&texts).unwrap();
    for (wrong, why) in [
        ("[ofer]\nsubject = 'x'", "no mail `ofer`"),
        ("[offer]\nsubjekt = 'x'", "subjekt"),
        ("[offer]\nsubject = \"a\\nb\"", "one line"),
        ("[kyc_approved]\nlink = 'See'", "no link"),
        ("[offer", "line 1"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let error = Texts::load(Some(folder.path())).unwrap_err();
        assert!(error.fields()[0].detail.contains(why) && error.fields()[0].detail.contains("de.toml"), "{error:?}");
    }
    std::fs::write(&file, "[offer]\ntext = '{{ count'").unwrap();
    let error = crate::records::mail::check_texts(&Texts::load(Some(folder.path())).unwrap()).unwrap_err();
    assert!(error.fields()[0].detail.contains("de.toml, offer"), "{error:?}");
    std::fs::write(folder.path().join("it.toml"), "").unwrap();
    assert!(Texts::load(Some(folder.path())).is_err());
}
