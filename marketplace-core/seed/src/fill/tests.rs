use std::{collections::BTreeSet, sync::Mutex};

use marketplace_core::{
    accounts::{model::Status, summary::UserFilter},
    auth,
    base::{error::ErrorCode, page::PageRequest, permission::Role},
    kyc::{
        self,
        model::{FileKind, KycFilter},
        status::KycStatus,
    },
    records::audit::AuditFilter,
    reports::{
        self,
        model::{ReportFilter, ReportTarget},
    },
    services::{self, model::PhotoSize},
    testing::{apps, client, operator},
    users,
};

use super::*;
use crate::plan::{Images, demo_plan};

fn demo_without_pictures() -> Plan {
    Plan { images: Images::None, ..demo_plan() }
}

#[tokio::test]
async fn a_demonstration_has_something_of_everything_and_a_past_that_verifies() {
    for test in apps().await {
        let app = test.app();
        let seen = Mutex::new(BTreeSet::new());
        let plan = demo_without_pictures();
        let summary = run(app, &plan, &|progress| {
            seen.lock().unwrap().insert(progress.stage);
            assert!(progress.done <= progress.total);
        })
        .await
        .unwrap();
        assert_eq!((summary.users, summary.attempts, summary.files), (600, 240, 0));
        assert!((50..=62).contains(&summary.open), "{summary:?}");
        assert!(summary.services > 60 && summary.threads > 300 && summary.messages > 3_000, "{summary:?}");
        assert!(summary.jobs > 150 && summary.reviews > 100, "{summary:?}");
        assert_eq!(
            *seen.lock().unwrap(),
            Stage::ALL.iter().copied().filter(|stage| *stage != Stage::Pictures).collect()
        );

        let all = users::list(&app.by(&operator()), &UserFilter::default(), &PageRequest::first(200)).await.unwrap();
        let statuses: BTreeSet<Status> = all.items.iter().map(|user| user.status).collect();
        assert_eq!(statuses.len(), Status::ALL.len(), "{statuses:?}");
        for status in
            [KycStatus::Approved, KycStatus::Retry, KycStatus::Rejected, KycStatus::Revoked, KycStatus::Expired]
        {
            let filter = KycFilter { status: Some(status), ..KycFilter::default() };
            let found = kyc::list(&app.by(&operator()), &filter, &PageRequest::first(1)).await.unwrap();
            assert_eq!(found.items.len(), 1, "{status}");
            let case = kyc::show(&app.by(&operator()), found.items[0].id).await.unwrap();
            let decision = case.decision.unwrap();
            assert_eq!(decision.reasons.is_empty(), matches!(status, KycStatus::Approved | KycStatus::Expired));
            assert!(decision.at > case.attempt.submitted_at && decision.at <= app.now());
        }
        let queue = kyc::list(&app.by(&operator()), &KycFilter::default(), &PageRequest::first(200)).await.unwrap();
        assert_eq!(queue.items.len() as u64, summary.open);
        assert!(queue.items.iter().any(|row| row.claim.is_some()), "colleagues hold some");
        assert!(queue.items.iter().any(|row| row.number > 1), "some came before");

        let checked = audit::verify(&app.by(&operator()), 1, audit::VERIFY_LIMIT, None).await.unwrap();
        assert!(checked.broken.is_none() && checked.checked > 150, "{checked:?}");
        for action in [
            "jobs.cancel",
            "threads.close",
            "threads.read",
            "reviews.remove",
            "users.ban",
            "users.freeze",
            "kyc.reject",
            "kyc.view",
            "db.seed",
        ] {
            let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
            let rows = audit::list(&app.by(&operator()), &filter, &PageRequest::first(1)).await.unwrap();
            assert_eq!(rows.items.len(), 1, "{action}");
        }
        let roles: BTreeSet<Role> = summary.logins.iter().map(|login| login.role).collect();
        assert_eq!(roles.len(), Role::ALL.len());
        for login in &summary.logins {
            let password = Password::new(&*login.password);
            auth::login(app, &client(), &login.email, &password).await.unwrap();
        }
        test.close().await;
    }
}

#[tokio::test]
async fn every_case_that_waits_shows_its_pictures() {
    for (images, demo) in [(Images::Pool(4), false), (Images::Own, true)] {
        let test = marketplace_core::testing::app().await;
        let app = test.app();
        let plan = Plan { users: 60, seed: 4, attempts: Some(4), images, demo, ..Plan::default() };
        let summary = run(app, &plan, &|_| ()).await.unwrap();
        assert!(summary.open > 0 && summary.files >= 2 * summary.open, "{summary:?}");
        let queue = kyc::list(&app.by(&operator()), &KycFilter::default(), &PageRequest::first(200)).await.unwrap();
        for row in queue.items {
            let case = kyc::show(&app.by(&operator()), row.id).await.unwrap();
            assert_eq!(case.files.len(), 2);
            for (kind, info) in FileKind::ALL.iter().zip(&case.files) {
                let file = kyc::file(&app.by(&operator()), row.id, *kind).await.unwrap();
                assert_eq!(i64::try_from(file.bytes.len()).unwrap(), info.size);
                assert!(marketplace_core::platform::files::inspect(*kind, &file.bytes).is_ok());
            }
        }
        test.close().await;
    }
}

#[tokio::test]
async fn another_seed_adds_and_the_same_is_refused() {
    for test in apps().await {
        let app = test.app();
        let plan =
            |seed| Plan { users: 200, seed, attempts: None, images: Images::None, demo: false, ..Plan::default() };
        let first = run(app, &plan(1), &|_| ()).await.unwrap();
        assert_eq!((first.users, first.attempts), (200, 40));
        assert!(first.logins.iter().all(|login| !login.role.is_staff()), "no open door: {:?}", first.logins);
        let again = run(app, &plan(1), &|_| ()).await.unwrap_err();
        assert_eq!(again.code(), ErrorCode::Conflict);
        run(app, &plan(2), &|_| ()).await.unwrap();
        let mut reader = app.db.read().await.unwrap();
        let count = q!(&mut reader.conn() => val i64, "SELECT count(*) FROM users").unwrap();
        assert_eq!(count, 400);
        // The account's status is that of its newest attempt, and numbers have no gaps.
        let wrong = q!(&mut reader.conn() => val i64,
            "SELECT count(*) FROM kyc_attempts a JOIN users u ON u.id = a.user_id WHERE u.kyc_status <> a.status AND a.number = \
             (SELECT max(b.number) FROM kyc_attempts b WHERE b.user_id = a.user_id)")
        .unwrap();
        assert_eq!(wrong, 0);
        drop(reader);
        // Found by a word of the name.
        let person = people::person(2, 150);
        let filter = UserFilter { q: Some(person.email.clone()), ..UserFilter::default() };
        let found = users::list(&app.by(&operator()), &filter, &PageRequest::first(5)).await.unwrap();
        assert_eq!(found.items.len(), 1);
        test.close().await;
    }
}

#[test]
fn the_same_plan_is_the_same_cast() {
    let make = || {
        let mut cast =
            Users::new(&demo_plan(), Timestamp::from_unix_seconds(1_800_000_000), Duration::from_hours(17_520));
        let (first, second) = (cast.chunk(0, 150), cast.chunk(150, 600));
        format!("{first:?}{second:?}")
    };
    assert_eq!(make(), make());
}

#[test]
fn accounts_are_made_one_after_the_other_and_nothing_happens_before_or_later() {
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    for users in [3, 60, 5_000] {
        let plan = Plan { users, seed: 9, attempts: Some(users), images: Images::None, demo: false, ..Plan::default() };
        let mut cast = Users::new(&plan, now, Duration::from_hours(17_520));
        let chunk = cast.chunk(0, users);
        assert!(chunk.users.windows(2).all(|pair| pair[0].created_at < pair[1].created_at && pair[0].id < pair[1].id));
        for attempt in &chunk.attempts {
            let user = chunk.users.iter().find(|user| user.id == attempt.user).unwrap();
            assert!(attempt.submitted_at > user.created_at && attempt.submitted_at < now);
            let decided = attempt.decided.as_ref().map_or(attempt.submitted_at, |decided| decided.at);
            assert!(decided >= attempt.submitted_at && decided < now);
        }
        assert_eq!(chunk.users.len() as u64, users);
    }
}

#[tokio::test]
async fn a_demonstration_is_usable_before_all_is_drawn_and_no_case_waits_without_its_pictures() {
    for test in apps().await {
        let app = test.app();
        let plan = Plan { attempts: Some(60), images: Images::Own, ..demo_plan() };
        let (summary, rest) = begin(app, &plan, &|_| ()).await.unwrap();
        let queue = async || {
            let page = PageRequest::first(200);
            let rows = kyc::list(&app.by(&operator()), &KycFilter::default(), &page).await.unwrap().items;
            for row in &rows {
                assert_eq!(kyc::show(&app.by(&operator()), row.id).await.unwrap().files.len(), 2);
            }
            let mut reader = app.db.read().await.unwrap();
            let wrong = q!(&mut reader.conn() => val i64,
                "SELECT count(*) FROM users u WHERE (u.kyc_status = 'pending') <> \
                 EXISTS (SELECT 1 FROM kyc_attempts a WHERE a.user_id = u.id AND a.status = 'pending')")
            .unwrap();
            assert_eq!(wrong, 0, "an account waits as long as its attempt does");
            rows.len() as u64
        };
        let files = async || {
            let mut reader = app.db.read().await.unwrap();
            q!(&mut reader.conn() => val i64, "SELECT count(*) FROM kyc_files").unwrap().unsigned_abs()
        };
        assert_eq!((queue().await, files().await), (0, 0), "nobody waits for a picture");
        let come = Mutex::new(0);
        let total = rest.len();
        rest.run(app, 2, &|progress| *come.lock().unwrap() = progress.done).await.unwrap();
        assert_eq!(*come.lock().unwrap(), total);
        assert_eq!((queue().await, files().await), (summary.open, summary.files));
        let services = ReportFilter { target_kind: Some(ReportTarget::Service), ..ReportFilter::default() };
        let mut shown = 0;
        for case in reports::list(&app.by(&operator()), &services, &PageRequest::first(50)).await.unwrap().items {
            let case = reports::show(&app.by(&operator()), case.id).await.unwrap();
            let content = case.reports[0].content.clone().unwrap();
            for photo in &content.photos {
                let file = services::staff_photo(&app.by(&operator()), photo.id, PhotoSize::Thumb).await.unwrap();
                assert!(!file.bytes.is_empty());
                shown += 1;
            }
        }
        assert!(shown > 0, "reported services have photos");
        let mut reader = app.db.read().await.unwrap();
        let claimed = q!(&mut reader.conn() => val i64,
            "SELECT count(*) FROM kyc_attempts WHERE status = 'pending' AND claim_holder IS NOT NULL")
        .unwrap();
        assert!(claimed > 0, "colleagues hold some");
        drop(reader);
        let checked = audit::verify(&app.by(&operator()), 1, audit::VERIFY_LIMIT, None).await.unwrap();
        assert!(checked.broken.is_none(), "{checked:?}");
        test.close().await;
    }
}
