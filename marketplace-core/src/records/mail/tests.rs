//! Tests of mails that cannot be sent, for every possible reason.

use std::time::Duration;

use futures::FutureExt;

use super::{
    model::{MailFilter, MailStatus, MailSummary},
    *,
};
use crate::{
    app::App,
    base::{change::Change, error::ErrorCode, ids::MailId, page::PageRequest, permission::Role, text_enum::Name},
    operations::mail::{list, retry},
    platform::{
        config::{Config, Secret},
        health::Component,
        mailer::Mailer,
    },
    records::audit::{self, AuditAction, AuditFilter},
    testing::{
        self, OPERATOR, TestApp,
        smtp::{Fault, MailServer, Step},
    },
};

async fn apps(server: &MailServer) -> Vec<TestApp> {
    let url = server.url();
    testing::apps_with(move |config| config.smtp_url = Some(Secret::new(&*url))).await
}

/// Puts a mail into the outbox, as an operation does.
async fn put(app: &App, mail: Mail) {
    let unit = app.clone();
    let put = app.db.write(move |conn| async move { enqueue(&unit, conn, "test", unit.now(), &mail).await }.boxed());
    put.await.unwrap();
}

async fn put_to(app: &App, address: &str) {
    put(app, Mail::to_stranger(address, Template::KycApproved)).await;
}

async fn listed(app: &App, status: MailStatus) -> Vec<MailSummary> {
    let filter = MailFilter { status: Some(status) };
    list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items
}

#[tokio::test]
async fn a_mail_that_cannot_be_laid_out_fails_alone_and_is_kept() {
    let server = MailServer::start().await;
    for test in apps(&server).await {
        let app = test.app();
        let before = server.accepted().len();
        put(app, Mail { name: Some("Ada\rObi".into()), ..Mail::to_stranger("named@b.co", Template::KycApproved) })
            .await;
        put_to(app, "not an address\r\nBcc: x@y.z").await;
        put_to(app, "fine@b.co").await;
        let now = app.now();
        let junk = app.db.write(move |conn| {
            async move {
                for (n, sealed) in [vec![], b"junk".to_vec(), vec![7; 500]].into_iter().enumerate() {
                    let id = MailId(uuid::Uuid::from_u64_pair(1, n as u64));
                    q!(conn => exec, "INSERT INTO mail_outbox (id, subject, sealed, not_before, attempts, created_at) \
                        VALUES ($1, 'test', $2, $3, 0, $3)", id, sealed, now)?;
                }
                Ok(())
            }
            .boxed()
        });
        junk.await.unwrap();
        assert_eq!(app.run_due().await.unwrap(), 2);
        let mut to: Vec<String> = server.accepted().drain(before..).map(|mail| mail.to).collect();
        to.sort();
        assert_eq!(to, ["fine@b.co", "named@b.co"]);
        let failed = listed(app, MailStatus::Failed).await;
        assert_eq!(failed.len(), 4);
        for mail in &failed {
            assert_eq!((mail.attempts, mail.next_try_at), (1, None), "{mail:?}");
            assert!(mail.failure.as_deref().unwrap().contains("cannot be laid out"), "{mail:?}");
        }
        assert!(listed(app, MailStatus::Waiting).await.is_empty());
        let counted = app.timers().into_iter().find(|state| state.timer == crate::timers::Timer::Mail).unwrap();
        assert_eq!((counted.failures, counted.failing), (4, None));
        // They are not tried again, and are deleted after a while.
        test.advance(Duration::from_hours(15 * 24));
        app.run_due().await.unwrap();
        assert!(listed(app, MailStatus::Failed).await.is_empty());
        assert_eq!(server.accepted().len(), before + 2);
        test.close().await;
    }
}

#[tokio::test]
async fn what_each_answer_means_for_a_mail() {
    let server = MailServer::start().await;
    let cases = [
        // The reply is about the mail: it is final when the failure is permanent.
        (Step::Recipient, "550 5.1.1 <no.one@b.co>: no such mailbox", true),
        (Step::Recipient, "450 4.2.0 <no.one@b.co>: greylisted", false),
        (Step::Sender, "552 too big", true),
        (Step::Sender, "451 later", false),
        (Step::Data, "554 no", true),
        (Step::Content, "550 spam", true),
        (Step::Content, "452 full", false),
        // The reply is about this program or the server: the fault will be corrected.
        (Step::Greeting, "554 no service", false),
        (Step::Greeting, "421 too many connections", false),
        (Step::Hello, "502 what", false),
        (Step::Sender, "530 5.7.0 authentication required", false),
        (Step::Recipient, "421 closing", false),
        (Step::Recipient, "nonsense", false),
        (Step::Greeting, "\u{FFFD}\u{0}", false),
    ];
    for test in apps(&server).await {
        let app = test.app();
        for (step, reply, is_final) in cases {
            server.fail(step, Fault::Reply(reply));
            put_to(app, "no.one@b.co").await;
            assert_eq!(app.run_due().await.unwrap(), 0, "{step:?} {reply}");
            server.recover();
            let (failed, waiting) = (listed(app, MailStatus::Failed).await, listed(app, MailStatus::Waiting).await);
            assert_eq!(
                (failed.len(), waiting.len()),
                (usize::from(is_final), usize::from(!is_final)),
                "{step:?} {reply}"
            );
            let mail = failed.into_iter().chain(waiting).next().unwrap();
            assert_eq!((mail.attempts, mail.to.as_deref()), (1, Some("n••@•••.co")));
            let reason = mail.failure.unwrap();
            assert!(!reason.contains("b.co") && !reason.is_empty(), "{reason}");
            assert_eq!(
                app.health.works(Component::Mail),
                (400..600).contains(&reply[..3].parse().unwrap_or(0))
                    && step != Step::Greeting
                    && step != Step::Hello
                    && !reply.starts_with("53")
                    && !reply.starts_with("421")
            );
            test.advance(Duration::from_mins(2));
            // A waiting mail is sent now; a failed one is not, until staff request it.
            assert_eq!(app.run_due().await.unwrap(), u64::from(!is_final), "{step:?} {reply}");
            if is_final {
                assert!(retry(&app.by(&OPERATOR), mail.id).await.unwrap().changed);
                assert_eq!(app.run_due().await.unwrap(), 1, "{step:?} {reply}");
            }
            assert!(app.health.works(Component::Mail));
        }
        test.close().await;
    }
}

#[tokio::test]
async fn a_mail_under_way_is_not_tried_a_second_time() {
    let server = MailServer::start().await;
    server.fail(Step::Recipient, Fault::Reply("450 not now"));
    for test in apps(&server).await {
        let app = test.app();
        put_to(app, "slow@b.co").await;
        app.run_due().await.unwrap();
        let mail = listed(app, MailStatus::Waiting).await.pop().unwrap();
        assert_eq!(mail.attempts, 1);
        let again = async || retry(&app.by(&OPERATOR), mail.id).await;
        assert_eq!(again().await.unwrap_err().code(), ErrorCode::Conflict);
        // By then the try has ended, whatever the server does.
        test.advance(Duration::from_secs(41));
        assert!(again().await.unwrap().changed);
        test.close().await;
    }
}

#[tokio::test]
async fn a_mail_is_tried_for_three_days_after_pauses_that_grow() {
    let server = MailServer::start().await;
    server.fail(Step::Recipient, Fault::Reply("450 not now"));
    for test in apps(&server).await {
        let app = test.app();
        put_to(app, "slow@b.co").await;
        let begin = app.now();
        let (mut pauses, mut last) = (Vec::new(), begin);
        for minute in 0.. {
            app.run_due().await.unwrap();
            let Some(mail) = listed(app, MailStatus::Waiting).await.pop() else { break };
            let next = mail.next_try_at.unwrap();
            if next != last {
                pauses.push(next.since(app.now()).as_secs() / 60);
                last = next;
            }
            assert!(minute < 80 * 60);
            // Never early.
            test.advance((next - Duration::from_secs(1)).since(app.now()));
            let attempts = mail.attempts;
            app.run_due().await.unwrap();
            assert_eq!(listed(app, MailStatus::Waiting).await[0].attempts, attempts);
            test.advance(Duration::from_secs(1));
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
        let given_up = listed(app, MailStatus::Failed).await.pop().unwrap();
        let days = given_up.failed_at.unwrap().since(begin).as_secs_f64() / 86_400.0;
        assert!((3.0..3.2).contains(&days), "{days}");
        test.close().await;
    }
}

#[tokio::test]
async fn a_try_counts_before_it_begins() {
    let server = MailServer::start().await;
    for test in apps(&server).await {
        let app = test.app();
        put_to(app, "a@b.co").await;
        // The state that a program leaves when it dies while sending.
        let taken = queue::take(app, false).await.unwrap().unwrap();
        assert_eq!(taken.attempts, 1);
        assert!(queue::take(app, true).await.unwrap().is_none());
        assert_eq!(app.run_due().await.unwrap(), 0);
        let waiting = listed(app, MailStatus::Waiting).await.pop().unwrap();
        assert_eq!((waiting.attempts, waiting.next_try_at), (1, Some(app.now() + Duration::from_mins(1))));
        test.advance(Duration::from_mins(1));
        assert_eq!(app.run_due().await.unwrap(), 1);
        test.close().await;
    }
}

#[tokio::test]
async fn a_mail_that_was_accepted_is_not_sent_twice_whatever_follows() {
    let server = MailServer::start().await;
    for test in apps(&server).await {
        let app = test.app();
        for fault in [Fault::Close, Fault::Silent, Fault::Trickle, Fault::Reply("500 what")] {
            let before = server.accepted().len();
            server.fail(Step::Farewell, fault);
            put_to(app, "a@b.co").await;
            assert_eq!(app.run_due().await.unwrap(), 1);
            test.advance(Duration::from_hours(5));
            assert_eq!(app.run_due().await.unwrap(), 0);
            assert_eq!(server.accepted().len(), before + 1);
        }
        test.close().await;
    }
}

#[tokio::test]
async fn the_same_mail_has_the_same_name_at_each_try() {
    let server = MailServer::start().await;
    for test in apps(&server).await {
        let app = test.app();
        let before = server.accepted().len();
        server.fail(Step::Content, Fault::Close);
        put_to(app, "a@b.co").await;
        app.run_due().await.unwrap();
        let id = listed(app, MailStatus::Waiting).await[0].id;
        server.recover();
        test.advance(Duration::from_mins(1));
        assert_eq!(app.run_due().await.unwrap(), 1);
        let mail = server.accepted().swap_remove(before);
        assert_eq!(mail.header("Message-ID"), Some(&*format!("<{id}@marketplace.example>")));
        assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
        assert!(mail.header("Date").is_some());
        assert_eq!(mail.header("To"), Some("a@b.co"));
        test.close().await;
    }
}

#[tokio::test]
async fn staff_see_mails_and_have_them_tried_again() {
    let server = MailServer::start().await;
    server.fail(Step::Recipient, Fault::Reply("550 no"));
    for test in apps(&server).await {
        let app = test.app();
        let (support, auditor, worker) =
            (test.actor(Role::Support).await, test.actor(Role::Auditor).await, test.actor(Role::Worker).await);
        app.run_due().await.unwrap();
        let failed = listed(app, MailStatus::Failed).await;
        let id = failed[0].id;
        assert!(failed[0].user_id.is_some() && failed[0].template == Some(Template::Invitation));
        let page = PageRequest { limit: 2, after: None };
        let first = list(&app.by(&auditor), &MailFilter::default(), &page).await.unwrap();
        let rest = PageRequest { limit: 2, after: first.next };
        assert_eq!(list(&app.by(&auditor), &MailFilter::default(), &rest).await.unwrap().items.len(), 1);
        assert_eq!(
            list(&app.by(&worker), &MailFilter::default(), &page).await.unwrap_err().code(),
            ErrorCode::Forbidden
        );
        let change = Change { note: Some("They mended it.".into()), ..Change::default() };
        assert_eq!(retry(&app.by(&auditor).with(change.clone()), id).await.unwrap_err().code(), ErrorCode::Forbidden);
        let preview = Change { dry_run: true, ..change.clone() };
        assert!(retry(&app.by(&support).with(preview.clone()), id).await.unwrap().changed);
        assert_eq!(listed(app, MailStatus::Failed).await.len(), 3);
        let done = retry(&app.by(&support).with(change.clone()), id).await.unwrap();
        assert_eq!((done.changed, done.item.status, done.item.attempts), (true, MailStatus::Waiting, 0));
        assert!(!retry(&app.by(&support).with(change.clone()), id).await.unwrap().changed);
        let gone = MailId(uuid::Uuid::from_u64_pair(9, 9));
        assert_eq!(retry(&app.by(&support).with(change.clone()), gone).await.unwrap_err().code(), ErrorCode::NotFound);
        let filter = AuditFilter { action: Some(Name::Known(AuditAction::MailRetry)), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&OPERATOR), &filter, &PageRequest::default()).await.unwrap().items;
        assert_eq!((rows.len(), rows[0].target.as_str()), (1, id.to_string().as_str()));
        let told = backlog(&app.db).await.unwrap();
        assert_eq!((told.waiting, told.retried, told.failed), (1, 0, 2));
        test.close().await;
    }
}

#[tokio::test]
async fn a_mail_that_waits_for_a_decision_to_become_final_is_not_hurried() {
    let server = MailServer::start().await;
    for test in apps(&server).await {
        let app = test.app();
        let (unit, later) = (app.clone(), app.now() + Duration::from_secs(10));
        let put = app.db.write(move |conn| {
            let mail = Mail::to_stranger("a@b.co", Template::KycApproved);
            async move { enqueue(&unit, conn, "test", later, &mail).await }.boxed()
        });
        put.await.unwrap();
        let waiting = listed(app, MailStatus::Waiting).await.pop().unwrap();
        assert!(!retry(&app.by(&OPERATOR), waiting.id).await.unwrap().changed);
        assert_eq!(app.run_due().await.unwrap(), 0);
        test.close().await;
    }
}

#[tokio::test]
async fn settings_that_nothing_can_be_sent_by_are_refused_at_once() {
    for (url, from, named) in [
        (Some("http://mail.example"), "a@b.co", "/smtp_url"),
        (Some("smtp://mail.example?tls=perhaps"), "a@b.co", "/smtp_url"),
        (Some("smtps:mail"), "a@b.co", "/smtp_url"),
        (None, "Marketplace", "/mail_from"),
        (None, "a@b.co\r\nBcc: c@d.eu", "/mail_from"),
    ] {
        let config = Config { smtp_url: url.map(Secret::new), mail_from: from.to_owned(), ..Config::default() };
        let refused = Mailer::open(&config).unwrap_err();
        assert_eq!(refused.fields()[0].pointer, named, "{url:?} {from}");
    }
    for url in
        ["smtps://me:p%40ss@mail.example", "smtp://[::1]:2525", "smtp://mail.example:587/me.example?tls=required"]
    {
        Mailer::open(&Config { smtp_url: Some(Secret::new(url)), ..Config::default() }).unwrap();
    }
}

/// Takes 20 s: the timeout for a silent server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_at_any_step_costs_a_bounded_time() {
    let mut all = tokio::task::JoinSet::new();
    for step in [Step::Greeting, Step::Hello, Step::Sender, Step::Recipient, Step::Data, Step::Content] {
        for fault in [Fault::Silent, Fault::Trickle] {
            all.spawn(async move {
                let server = MailServer::start().await;
                let test = apps(&server).await.swap_remove(0);
                let app = test.app();
                server.fail(step, fault.clone());
                put_to(app, "a@b.co").await;
                let begin = std::time::Instant::now();
                app.run_due().await.unwrap();
                let took = begin.elapsed();
                assert!(
                    (Duration::from_secs(5)..Duration::from_secs(30)).contains(&took),
                    "{step:?} {fault:?}: {took:?}"
                );
                let sent = server.accepted().len();
                if sent == 0 {
                    let mail = listed(app, MailStatus::Waiting).await.pop().unwrap();
                    assert!(mail.failure.unwrap().contains("no answer within 20 s"));
                }
                test.close().await;
            });
        }
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

/// The slow ones take 20 s each; nobody waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_recipients_at_whom_the_server_hangs_do_not_stop_the_others() {
    let server = MailServer::start().await;
    server.fail_for("stuck", Fault::Silent);
    let test = apps(&server).await.swap_remove(0);
    let app = test.app();
    for n in 0..40 {
        put_to(app, &format!("stuck.{n}@b.co")).await;
        test.advance(Duration::from_millis(1));
    }
    put_to(app, "fine@b.co").await;
    let sending = tokio::spawn({
        let app = app.clone();
        async move { app.run_due().await }
    });
    tokio::time::timeout(Duration::from_secs(30), server.mail_to("fine@b.co", 1)).await.unwrap();
    app.mailer.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    sending.await.unwrap().unwrap();
    test.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_holds_mails_back_and_nothing_else() {
    for test in testing::apps().await {
        let app = test.app();
        let dir = app.config.mail_dir();
        std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
        std::fs::write(&dir, "not a folder").unwrap();
        put_to(app, "a@b.co").await;
        assert_eq!(app.run_due().await.unwrap(), 0);
        assert!(!app.health.works(Component::Mail));
        std::fs::remove_file(&dir).unwrap();
        test.advance(Duration::from_mins(1));
        assert_eq!(app.run_due().await.unwrap(), 1);
        assert!(app.health.works(Component::Mail));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        test.close().await;
    }
}
