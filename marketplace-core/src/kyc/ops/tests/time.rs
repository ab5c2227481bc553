use super::*;
use crate::{
    actor::Actor,
    base::{random::OsRandom, text_enum::Name, time::Clock},
    maintenance,
    records::{audit::AuditAction, mail::Template},
    timers::Timer,
};

async fn own(test: &TestApp, worker: &Actor) -> (KycStatus, KycStatus) {
    let own = kyc::own(&test.app().by(worker)).await.unwrap();
    (own.status, own.attempts[0].status)
}

#[tokio::test]
async fn a_decision_takes_effect_when_it_can_no_longer_be_undone() {
    for test in testing::apps().await {
        let app = test.app();
        let (worker, id) = waiting(&test).await;
        let reject =
            Decision { comment: Some("That is a library card.".into()), ..decision(DecisionKind::Reject, None) };
        let change = Change { note: Some("Looks like the case of last week.".into()), ..Change::default() };
        let made = kyc::decide(&app.by(&operator()).with(change.clone()), id, &reject).await.unwrap();
        assert!(made.changed);
        assert_eq!(made.item.attempt.status, KycStatus::Rejected);
        assert_eq!(made.item.decision.unwrap().note.as_deref(), Some("Looks like the case of last week."));

        assert_eq!(own(&test, &worker).await, (KycStatus::Pending, KycStatus::Pending));
        let text = serde_json::to_string(&kyc::own(&app.by(&worker)).await.unwrap()).unwrap();
        assert!(!text.contains("library") && !text.contains("document_unreadable"), "{text}");
        let mail = test.mails().await.into_iter().find(|mail| mail.template == Template::KycRejected).unwrap();
        assert_eq!((mail.comment.as_deref(), mail.not_before), (Some("That is a library card."), app.now() + UNDO));

        test.advance(UNDO);
        assert_eq!(own(&test, &worker).await, (KycStatus::Rejected, KycStatus::Rejected));
        let text = serde_json::to_string(&kyc::own(&app.by(&worker)).await.unwrap()).unwrap();
        assert!(text.contains("library") && text.contains("document_unreadable"));
        assert!(!text.contains("last week") && !text.contains("local:"), "no notes, no reviewers: {text}");
        test.close().await;
    }
}

#[tokio::test]
async fn its_maker_undoes_a_decision_and_nobody_is_told() {
    for test in testing::apps().await {
        let app = test.app();
        let (ada, ben) = (test.actor(Role::Support).await, test.actor(Role::Support).await);
        let (worker, id) = waiting(&test).await;
        let claimed = kyc::claim(&app.by(&ada), id).await.unwrap().item.attempt.claim.unwrap();
        kyc::decide(&app.by(&ada), id, &decision(DecisionKind::Approve, Some(claimed.fence))).await.unwrap();

        refused(kyc::undo(&app.by(&ben), id).await, ErrorCode::Forbidden);
        test.advance(UNDO.saturating_sub(Duration::from_micros(1)));
        assert!(kyc::undo(&app.by(&ada).with(dry()), id).await.unwrap().changed);
        assert_eq!(kyc::show(&app.by(&ada), id).await.unwrap().attempt.status, KycStatus::Approved, "a dry run");
        let undone = kyc::undo(&app.by(&ada), id).await.unwrap();
        let claim = undone.item.attempt.claim.unwrap();
        assert!(undone.changed && claim.mine && claim.fence > claimed.fence);
        assert!(undone.item.decision.is_none());
        assert!(!kyc::undo(&app.by(&ada), id).await.unwrap().changed);
        assert!(test.mails().await.iter().all(|mail| mail.template != Template::KycApproved));
        assert_eq!(own(&test, &worker).await.0, KycStatus::Pending);
        let old = decision(DecisionKind::Retry, Some(claimed.fence));
        refused(kyc::decide(&app.by(&ada), id, &old).await, ErrorCode::Conflict);

        decide(&test, &ada, id, DecisionKind::Retry).await.unwrap();
        test.advance(UNDO);
        let made: DecisionMade = current(kyc::undo(&app.by(&ada), id).await);
        assert_eq!(made.status, KycStatus::Retry);
        assert_eq!(actions(&test, id).await, ["kyc.claim", "kyc.approve", "kyc.undo", "kyc.retry"]);
        assert!(audit::verify(&app.by(&operator()), 1, 1_000, None).await.unwrap().broken.is_none());
        test.close().await;
    }
}

#[tokio::test]
async fn a_revocation_takes_the_approval_back_and_can_be_undone() {
    for test in testing::apps().await {
        let app = test.app();
        let ada = test.actor(Role::Support).await;
        let (worker, id) = approved(&test, &operator()).await;
        let before = kyc::show(&app.by(&ada), id).await.unwrap();
        assert!(decide(&test, &ada, id, DecisionKind::Revoke).await.unwrap());
        assert_eq!(own(&test, &worker).await, (KycStatus::Approved, KycStatus::Approved));
        kyc::undo(&app.by(&ada), id).await.unwrap();
        let after = kyc::show(&app.by(&ada), id).await.unwrap();
        assert_eq!((after.decision, after.attempt.status), (before.decision, KycStatus::Approved));
        assert_eq!(after.user.kyc_status, KycStatus::Approved);

        assert!(decide(&test, &ada, id, DecisionKind::Revoke).await.unwrap());
        test.advance(UNDO);
        assert_eq!(own(&test, &worker).await, (KycStatus::Revoked, KycStatus::Revoked));
        assert_eq!(test.mails().await.iter().filter(|mail| mail.template == Template::KycRevoked).count(), 1);
        assert!(!decide(&test, &ada, id, DecisionKind::Revoke).await.unwrap(), "again, by the same person");
        let made: DecisionMade = current(decide(&test, &operator(), id, DecisionKind::Revoke).await);
        assert_eq!(made.by, ada.principal());
        // The next attempt is a new one; the old approval cannot be touched any more.
        kyc::submit(&app.by(&worker), submission()).await.unwrap();
        refused(decide(&test, &operator(), id, DecisionKind::Revoke).await, ErrorCode::Conflict);
        test.close().await;
    }
}

#[tokio::test]
async fn an_approval_ends_with_its_time() {
    for test in testing::apps_with(|config| config.retention.kyc_approval_days = 30).await {
        let app = test.app();
        let (worker, id) = approved(&test, &operator()).await;
        let (hasty, hasty_id) = approved(&test, &operator()).await;
        app.run_due().await.unwrap();
        assert_eq!(own(&test, &worker).await, (KycStatus::Approved, KycStatus::Approved));
        test.advance(Duration::from_hours(30 * 24));
        // By the clock, before any timer has run.
        assert_eq!(own(&test, &worker).await, (KycStatus::Expired, KycStatus::Expired));
        refused(decide(&test, &operator(), id, DecisionKind::Revoke).await, ErrorCode::Conflict);
        let own_hasty = kyc::submit(&app.by(&hasty), submission()).await.unwrap();
        assert_eq!(
            own_hasty.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(),
            [KycStatus::Pending, KycStatus::Expired]
        );
        assert_eq!(actions(&test, hasty_id).await, ["kyc.approve", "kyc.expire"]);

        assert!(maintenance::run(app, Timer::KycExpiry).await.unwrap() > 0);
        assert_eq!(maintenance::run(app, Timer::KycExpiry).await.unwrap(), 0, "a timer that fires twice does nothing");
        let case = kyc::show(&app.by(&operator()), id).await.unwrap();
        assert_eq!((case.attempt.status, case.user.kyc_status), (KycStatus::Expired, KycStatus::Expired));
        assert_eq!(actions(&test, id).await, ["kyc.approve", "kyc.expire"]);
        assert_eq!(test.mails().await.iter().filter(|mail| mail.template == Template::KycExpired).count(), 1);
        assert!(kyc::submit(&app.by(&worker), submission()).await.is_ok());
        test.close().await;
    }
}

#[tokio::test]
async fn files_of_unfinished_submissions_are_swept() {
    for test in testing::apps_with(|_| ()).await {
        let app = test.app();
        let (_, id) = waiting(&test).await;
        let orphan = app.files.put(&OsRandom, b"nobody's".to_vec()).await.unwrap();
        app.run_due().await.unwrap();
        // The objects' times are the machine's; the clock of the test goes past them.
        let ahead = crate::base::time::SystemClock.now().since(app.now());
        test.advance(ahead + Duration::from_hours(7));
        app.run_due().await.unwrap();
        assert!(app.files.get(&orphan).await.is_err());
        assert!(kyc::file(&app.by(&operator()), id, FileKind::Document).await.is_ok());
        test.close().await;
    }
}

#[tokio::test]
async fn files_are_kept_as_long_as_their_outcome_says_and_then_go() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let settings = |config: &mut crate::platform::config::Config| {
        config.retention.kyc_files_retry_days = 10;
        config.retention.kyc_files_rejected_days = 0;
        config.retention.kyc_files_revoked_days = 20;
        config.retention.kyc_files_expired_days = 5;
        config.retention.kyc_approval_days = 30;
    };
    for test in testing::apps_with(settings).await {
        let (app, staff) = (test.app(), test.actor(Role::Support).await);
        let (worker, again) = waiting(&test).await;
        decide(&test, &staff, again, DecisionKind::Retry).await.unwrap();
        let (_, rejected) = waiting(&test).await;
        decide(&test, &staff, rejected, DecisionKind::Reject).await.unwrap();
        let (_, kept) = approved(&test, &staff).await;
        let (_, revoked) = approved(&test, &staff).await;
        decide(&test, &staff, revoked, DecisionKind::Revoke).await.unwrap();
        let overdue = async || kyc::retained(&app.db, &app.config.retention, app.now()).await.unwrap().overdue;
        let readable = async |id| kyc::file(&app.by(&staff), id, FileKind::Document).await.is_ok();
        test.advance(days(9));
        app.run_due().await.unwrap();
        assert!(readable(again).await && overdue().await == 0);

        test.advance(days(1));
        assert_eq!(overdue().await, 1);
        let fence = kyc::show(&app.by(&staff), again).await.unwrap().attempt.version;
        app.run_due().await.unwrap();
        assert_eq!((overdue().await, app.run_due().await.unwrap()), (0, 0));
        let gone = kyc::file(&app.by(&staff), again, FileKind::Selfie).await.unwrap_err();
        assert!(gone.code() == ErrorCode::NotFound && gone.detail().contains("files deleted by retention"), "{gone}");
        let shown = kyc::show(&app.by(&staff), again).await.unwrap();
        assert!(shown.files.is_empty() && shown.files_deleted_at == Some(app.now()));
        assert_eq!(shown.attempt.version, fence + 1);
        assert_eq!(actions(&test, again).await.last().map(String::as_str), Some("kyc.files_deleted"));
        let filter = AuditFilter { action: Some(Name::Known(AuditAction::KycFilesDeleted)), ..AuditFilter::default() };
        let rows = audit::list(&app.by(&operator()), &filter, &PageRequest::default()).await.unwrap().items;
        assert_eq!((rows.len(), rows[0].actor.0.as_str(), rows[0].reason.as_deref()), (1, "system", Some("retry")));
        // What became of it stays for its subject, who may send new ones.
        assert_eq!(kyc::own(&app.by(&worker)).await.unwrap().attempts[0].reasons, [KycReason::DocumentUnreadable]);
        let mut objects = 0;
        for folder in std::fs::read_dir(app.config.data_dir.join("files/kyc")).unwrap() {
            objects += std::fs::read_dir(folder.unwrap().path()).unwrap().count();
        }
        assert_eq!(objects, 6, "three attempts have theirs");

        test.advance(days(10));
        app.run_due().await.unwrap();
        assert!(!readable(revoked).await && readable(kept).await && readable(rejected).await);
        // An approval has its own time first.
        test.advance(days(12));
        app.run_due().await.unwrap();
        assert!(readable(kept).await, "it has expired");
        test.advance(days(4));
        app.run_due().await.unwrap();
        assert!(!readable(kept).await && readable(rejected).await, "0 is as long as the account");
        test.close().await;
    }
}
