//! What a seeded market says must be what the rules would have made of it: recomputed, on both engines.

use std::collections::{BTreeMap, BTreeSet};

use marketplace_core::{
    base::{
        ids::{JobId, ServiceId},
        page::PageRequest,
    },
    jobs::{self, model::JobStatus, transitions::fold},
    notifications::model::NotificationKind,
    operations::webhooks,
    platform::db::Conn,
    reports::{
        self,
        model::{ReportFilter, ReportStatus, ReportTarget},
    },
    reviews::model::ReviewStatus,
    services,
    testing::{TestApp, apps, operator},
    webhooks::model::{DeliveryFilter, DeliveryState, DisabledBecause, WebhookDelivery},
};

use super::*;
use crate::{
    fill::run,
    plan::{Images, Plan, Summary, demo_plan},
};

/// Returns a small plan and a demonstration.
fn plans() -> [Plan; 2] {
    let volume = Volume { services: Some(400), threads: Some(600), messages: Some(9_000) };
    let small = Plan { users: 900, seed: 5, attempts: Some(300), images: Images::None, market: volume, demo: false };
    [small, Plan { images: Images::None, ..demo_plan() }]
}

/// Fails when a query for inconsistencies returns any.
async fn none(conn: &mut Conn<'_>, what: &str, text: &'static str) {
    let found = match conn {
        Conn::Sqlite(conn) => sqlx::query_scalar::<_, i64>(text).fetch_one(&mut **conn).await,
        Conn::Pg(conn) => sqlx::query_scalar::<_, i64>(text).fetch_one(&mut **conn).await,
    };
    assert_eq!(found.unwrap(), 0, "{what}");
}

async fn seeded(test: &TestApp, plan: &Plan) -> Summary {
    run(test.app(), plan, &|progress| assert!(progress.done <= progress.total)).await.unwrap()
}

#[tokio::test]
async fn threads_count_what_they_hold() {
    for test in apps().await {
        let summary = seeded(&test, &plans()[0]).await;
        assert!((8_000..10_500).contains(&summary.messages), "{summary:?}");
        assert!((590..=600).contains(&summary.threads) && summary.services == 400, "{summary:?}");
        let mut reader = test.app().db.read().await.unwrap();
        let mut conn = reader.conn();
        let conn = &mut conn;
        none(
            conn,
            "gapless from 1, and the newest",
            "SELECT count(*) FROM threads t JOIN (SELECT thread_id, count(*) AS n, min(seq) AS low, \
            max(seq) AS high, max(created_at) AS at FROM messages GROUP BY thread_id) m ON m.thread_id = t.id \
            WHERE m.n <> m.high OR m.low <> 1 OR t.last_seq <> m.high OR t.last_at <> m.at",
        )
        .await;
        none(conn, "no thread without a message", "SELECT count(*) FROM threads WHERE last_seq = 0").await;
        none(
            conn,
            "in the order of time",
            "SELECT count(*) FROM messages a JOIN messages b ON b.thread_id = a.thread_id AND b.seq = a.seq + 1 \
            WHERE b.created_at < a.created_at",
        )
        .await;
        none(conn, "what is unread", "SELECT count(*) FROM threads t WHERE \
            t.client_unread <> (SELECT count(*) FROM messages m WHERE m.thread_id = t.id AND m.seq > t.client_read AND (m.sender_id IS NULL OR m.sender_id <> t.client_id) AND COALESCE(m.data, '') NOT LIKE '%\"side\":\"client\"%') OR \
            t.worker_unread <> (SELECT count(*) FROM messages m WHERE m.thread_id = t.id AND m.seq > t.worker_read AND (m.sender_id IS NULL OR m.sender_id <> t.worker_id) AND COALESCE(m.data, '') NOT LIKE '%\"side\":\"worker\"%')").await;
        none(conn, "only the two write", "SELECT count(*) FROM messages m JOIN threads t ON t.id = m.thread_id WHERE \
            (m.kind = 'text') <> (m.sender_id IS NOT NULL) OR (m.sender_id <> t.client_id AND m.sender_id <> t.worker_id)").await;
        none(
            conn,
            "nothing is left to fill in",
            "SELECT count(*) FROM messages WHERE content LIKE '%{%' OR content = ''",
        )
        .await;
        none(conn, "the service's worker, and a client", "SELECT count(*) FROM threads t JOIN services s ON s.id = t.service_id \
            JOIN users c ON c.id = t.client_id WHERE s.worker_id <> t.worker_id OR c.role <> 'client' OR s.status = 'draft' OR t.created_at < s.published_at").await;
        none(
            conn,
            "closed for a reason",
            "SELECT count(*) FROM threads WHERE (status = 'closed') <> (closed_reason IS NOT NULL)",
        )
        .await;
        none(
            conn,
            "rejection closes",
            "SELECT count(*) FROM jobs j JOIN threads t ON t.id = j.thread_id WHERE j.status = 'rejected' AND \
            (t.closed_reason <> 'job_rejected' OR t.last_at > j.updated_at)",
        )
        .await;
        none(
            conn,
            "nothing from the future",
            "SELECT count(*) FROM messages m WHERE m.created_at > (SELECT max(at) FROM audit_log)",
        )
        .await;
        none(
            conn,
            "nothing on the event log",
            "SELECT count(*) FROM events WHERE kind IN ('message', 'job', 'thread', 'review')",
        )
        .await;
        drop(reader);
        test.close().await;
    }
}

#[tokio::test]
async fn jobs_are_what_their_histories_fold_to() {
    for test in apps().await {
        for plan in plans() {
            seeded(&test, &plan).await;
        }
        let mut reader = test.app().db.read().await.unwrap();
        let mut conn = reader.conn();
        let conn = &mut conn;
        let statuses: BTreeSet<JobStatus> =
            q!(conn => vals JobStatus, "SELECT DISTINCT status FROM jobs").unwrap().into_iter().collect();
        assert_eq!(statuses.len(), JobStatus::ALL.len(), "{statuses:?}");
        none(conn, "the newest entry", "SELECT count(*) FROM jobs j LEFT JOIN job_history h ON h.job_id = j.id AND h.entry = j.entries \
            WHERE h.job_id IS NULL OR h.to_status <> j.status OR h.version <> j.version OR h.revision <> j.revision OR h.at <> j.updated_at").await;
        none(
            conn,
            "each entry follows the one before",
            "SELECT count(*) FROM job_history a JOIN job_history b ON b.job_id = a.job_id AND b.entry = a.entry + 1 \
            WHERE b.from_status <> a.to_status OR b.at <= a.at",
        )
        .await;
        none(
            conn,
            "all entries are there",
            "SELECT count(*) FROM jobs j WHERE j.entries <> (SELECT count(*) FROM job_history h WHERE h.job_id = j.id)",
        )
        .await;
        none(
            conn,
            "the newest offer",
            "SELECT count(*) FROM jobs j LEFT JOIN job_offers o ON o.job_id = j.id AND o.revision = j.revision \
            WHERE o.job_id IS NULL OR o.price_amount <> j.price_amount OR o.offered_by <> j.offered_by \
            OR j.revision <> (SELECT count(*) FROM job_offers x WHERE x.job_id = j.id)",
        )
        .await;
        none(
            conn,
            "every step is in the thread",
            "SELECT count(*) FROM threads t WHERE \
            (SELECT count(*) FROM messages m WHERE m.thread_id = t.id AND m.kind = 'job') <> \
            (SELECT coalesce(sum(j.entries), 0) FROM jobs j WHERE j.thread_id = t.id)",
        )
        .await;
        none(
            conn,
            "timers are set, and none is overdue",
            "SELECT count(*) FROM jobs WHERE (due_at IS NOT NULL) <> (status IN ('negotiating', 'completed')) \
            OR due_at <= (SELECT max(created_at) FROM messages)",
        )
        .await;
        none(
            conn,
            "banned people's jobs are over",
            "SELECT count(*) FROM jobs j JOIN users u ON u.id = j.client_id OR u.id = j.worker_id \
            WHERE u.status = 'banned' AND j.status IN ('negotiating', 'accepted')",
        )
        .await;
        none(conn, "finalized at the end", "SELECT count(*) FROM jobs WHERE (status = 'finalized') <> (finalized_at IS NOT NULL) OR finalized_at <> updated_at").await;
        // With the same fold that the operations are tested with: each step must be in the table.
        let jobs = q!(conn => vals JobId, "SELECT id FROM jobs").unwrap();
        drop(reader);
        for id in jobs.into_iter().step_by(5) {
            let job = jobs::staff_show(&test.app().by(&operator()), id).await.unwrap();
            let folded = fold(&job.history).unwrap_or_else(|| panic!("{:?} is no history", job.history));
            assert_eq!(
                (folded.status, folded.revision, folded.version),
                (job.job.status, job.job.revision, job.job.version)
            );
            assert_eq!(
                (folded.due_at.is_some(), folded.change_requests),
                (job.job.due_at.is_some(), job.change_requests)
            );
        }
        test.close().await;
    }
}

#[tokio::test]
async fn ratings_are_what_reviews_say() {
    for test in apps().await {
        for plan in plans() {
            seeded(&test, &plan).await;
        }
        let mut reader = test.app().db.read().await.unwrap();
        let mut conn = reader.conn();
        let conn = &mut conn;
        let counted: Vec<(UserId, i64)> = q!(conn => all (UserId, i64),
            "SELECT subject_id, rating FROM reviews WHERE status = 'published' AND side = 'client'")
        .unwrap();
        assert!(counted.len() > 60, "{}", counted.len());
        let mut expected: BTreeMap<UserId, [i64; 5]> = BTreeMap::new();
        for (worker, stars) in counted {
            expected.entry(worker).or_default()[usize::try_from(stars - 1).unwrap()] += 1;
        }
        let kept: Vec<(UserId, i64, i64, i64, i64, i64)> = q!(conn => all (UserId, i64, i64, i64, i64, i64),
            "SELECT user_id, stars_1, stars_2, stars_3, stars_4, stars_5 FROM worker_ratings")
        .unwrap();
        let kept: BTreeMap<UserId, [i64; 5]> =
            kept.into_iter().map(|(id, a, b, c, d, e)| (id, [a, b, c, d, e])).collect();
        assert_eq!(kept, expected);
        let services: Vec<(UserId, i64)> =
            q!(conn => all (UserId, i64), "SELECT worker_id, rating FROM services").unwrap();
        for (worker, rating) in services {
            let stars = expected.get(&worker).copied().unwrap_or_default();
            assert_eq!(rating, marketplace_core::reviews::model::Rating::thousandths(stars).unwrap_or(0));
        }
        let statuses = q!(conn => vals ReviewStatus, "SELECT DISTINCT status FROM reviews").unwrap();
        assert_eq!(statuses.len(), ReviewStatus::ALL.len(), "{statuses:?}");
        none(
            conn,
            "one window for all",
            "SELECT count(*) FROM reviews r JOIN jobs j ON j.id = r.job_id WHERE j.status <> 'finalized' \
            OR r.created_at < j.finalized_at OR r.created_at > r.closes_at OR r.author_id = r.subject_id \
            OR r.author_id <> CASE r.side WHEN 'client' THEN j.client_id ELSE j.worker_id END",
        )
        .await;
        none(
            conn,
            "both are hidden or none",
            "SELECT count(*) FROM reviews a JOIN reviews b ON b.job_id = a.job_id AND b.side <> a.side \
            WHERE a.status = 'hidden' OR a.published_at <> b.published_at",
        )
        .await;
        none(
            conn,
            "shown at some time",
            "SELECT count(*) FROM reviews WHERE (status = 'hidden') <> (published_at IS NULL) \
            OR (reply IS NULL) <> (replied_at IS NULL) OR replied_at < published_at",
        )
        .await;
        none(conn, "open flags are counted", "SELECT count(*) FROM reviews r WHERE flags <> \
            (SELECT count(*) FROM review_flags f WHERE f.review_id = r.id AND f.dismissed_at IS NULL) OR (flags > 0) <> (flagged_at IS NOT NULL)").await;
        drop(reader);
        test.close().await;
    }
}

#[tokio::test]
async fn services_show_when_their_workers_may() {
    for test in apps().await {
        for plan in plans() {
            seeded(&test, &plan).await;
        }
        let mut reader = test.app().db.read().await.unwrap();
        let mut conn = reader.conn();
        let conn = &mut conn;
        none(
            conn,
            "visible by the rule",
            "SELECT count(*) FROM services s JOIN users u ON u.id = s.worker_id WHERE s.visible <> \
            (s.status = 'published' AND u.status = 'active' AND u.kyc_status = 'approved')",
        )
        .await;
        none(conn, "only workers who were approved published", "SELECT count(*) FROM services s JOIN users u ON u.id = s.worker_id \
            WHERE s.published_at IS NOT NULL AND (u.role <> 'worker' OR u.kyc_effective_at IS NULL OR s.published_at < u.kyc_effective_at)").await;
        none(conn, "counted by publication", "SELECT count(*) FROM services WHERE (status = 'draft') <> (number IS NULL) OR (number IS NULL) <> (published_at IS NULL)").await;
        none(conn, "newest first by number", "SELECT count(*) FROM (SELECT a.published_at AS at, lag(a.published_at) OVER (ORDER BY a.number) AS before \
            FROM services a JOIN users u ON u.id = a.worker_id WHERE a.number IS NOT NULL AND u.email LIKE '%.s5@%') x WHERE at < before").await;
        // Texts pass the rules for workers' texts, and their words are in the search index.
        let ids =
            q!(conn => vals ServiceId, "SELECT id FROM services WHERE visible AND published_at IS NOT NULL").unwrap();
        drop(reader);
        for id in ids.into_iter().step_by(9) {
            let shown = services::get(test.app(), id).await.unwrap();
            let content = services::model::NewService {
                title: shown.title,
                description: shown.description,
                category: shown.category,
                tags: shown.tags,
                location: shown.location,
                latitude: shown.latitude,
                longitude: shown.longitude,
                price: shown.price,
            };
            assert_eq!(content.clone().checked().unwrap(), content);
            let words = services::search_text(&content, &shown.worker.name);
            let mut reader = test.app().db.read().await.unwrap();
            let stored =
                q!(&mut reader.conn() => val String, "SELECT search_text FROM services WHERE id = $1", id).unwrap();
            assert_eq!(stored, words);
            for word in services::plain(&words).filter(|word| word.chars().count() > 4) {
                let known =
                    q!(&mut reader.conn() => optval String, "SELECT word FROM search_words WHERE word = $1", word);
                assert!(known.unwrap().is_some(), "{word}");
            }
        }
        test.close().await;
    }
}

#[test]
fn the_same_plan_is_the_same_market() {
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    let make = || {
        let plan = &plans()[1];
        let mut cast = Users::new(plan, now, std::time::Duration::from_hours(17_520));
        let mut people = Participants::default();
        people.add(&cast.chunk(0, plan.users).users, now);
        let wanted = Wanted { services: 60, threads: 100 };
        let plan = PlanIndex::of(people, &cast, wanted, (plan.seed, plan.demo), now);
        let market = Market { plan, cast: Arc::new(cast), now, base: 1, texts: 9.0 };
        let batches = [market.profiles(0..300), market.services(0..60), market.talks(0..100)];
        batches.map(|batch| format!("{:?}", batch.tables)).concat()
    };
    assert_eq!(make(), make());
}

/// Cases of every kind, some of them decided and appealed, that the rules could have made.
#[tokio::test]
async fn reports_are_of_every_kind_and_fit_their_states() {
    for test in apps().await {
        seeded(&test, &plans()[1]).await;
        let app = test.app();
        let op = app.by(&operator());
        for kind in ReportTarget::ALL {
            let filter = ReportFilter { target_kind: Some(*kind), ..ReportFilter::default() };
            let page = reports::list(&op, &filter, &PageRequest::first(5)).await.unwrap();
            assert!(!page.items.is_empty(), "{kind}");
            let shown = reports::show(&op, page.items[0].id).await.unwrap();
            assert!(shown.reports[0].content.is_some() && shown.reports[0].reporter_id != Some(shown.case.subject_id));
        }
        for status in [ReportStatus::Resolved, ReportStatus::Dismissed, ReportStatus::Appealed, ReportStatus::Upheld] {
            let filter = ReportFilter { status: Some(status), ..ReportFilter::default() };
            let page = reports::list(&op, &filter, &PageRequest::first(5)).await.unwrap();
            let first = page.items.first().unwrap_or_else(|| panic!("no case is {status}"));
            let shown = reports::show(&op, first.id).await.unwrap();
            assert!(shown.decision.is_some() && !shown.history.is_empty(), "{shown:?}");
        }
        let mut reader = app.db.read().await.unwrap();
        let mut conn = reader.conn();
        none(
            &mut conn,
            "waiting ones are in the queue, and others not",
            "SELECT count(*) FROM report_cases WHERE (queued_at IS NOT NULL) <> (status IN ('open', 'appealed')) \
             OR (closed_at IS NULL) <> (queued_at IS NOT NULL) OR (decided_at IS NULL) <> (status = 'open') \
             OR reports <> (SELECT count(*) FROM reports r WHERE r.case_id = report_cases.id)",
        )
        .await;
        drop(reader);
        test.close().await;
    }
}

#[tokio::test]
async fn people_were_notified_of_what_happened_to_them() {
    for test in apps().await {
        let mut kinds = BTreeSet::new();
        for plan in plans() {
            seeded(&test, &plan).await;
        }
        let mut reader = test.app().db.read().await.unwrap();
        let mut conn = reader.conn();
        let conn = &mut conn;
        kinds.extend(q!(conn => vals NotificationKind, "SELECT DISTINCT kind FROM notifications").unwrap());
        // An approval that ended or was taken back months ago was told of then, and that is forgotten.
        kinds.extend([NotificationKind::KycRevoked, NotificationKind::KycExpired]);
        let missing: Vec<_> = NotificationKind::ALL.iter().filter(|kind| !kinds.contains(kind)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        none(
            conn,
            "of people's own",
            "SELECT count(*) FROM notifications n JOIN users u ON u.id = n.user_id \
            WHERE u.status = 'deleted' OR u.role NOT IN ('client', 'worker') OR n.at < u.created_at",
        )
        .await;
        none(conn, "read after they came, and not before their time", "SELECT count(*) FROM notifications \
            WHERE read_at < at OR mail_at IS NOT NULL OR (announce_at IS NOT NULL) <> (at > (SELECT max(at) FROM audit_log))").await;
        for (what, table, kinds) in [
            (
                "jobs",
                "jobs",
                "'offer', 'counter_offer', 'offer_accepted', 'job_completed', 'review_due', 'work_finalizes'",
            ),
            ("reviews", "reviews", "'review_published', 'review_reply'"),
            ("attempts", "kyc_attempts", "'kyc_approved', 'kyc_retry', 'kyc_rejected'"),
            ("threads", "threads", "'message'"),
            ("cases", "report_cases", "'report_resolved', 'report_dismissed', 'report_decision', 'appeal_reversed'"),
        ] {
            let there = match conn {
                Conn::Sqlite(_) => "unhex(n.target, '-')",
                Conn::Pg(_) => "n.target::uuid",
            };
            let text = format!(
                "SELECT count(*) FROM notifications n WHERE n.kind IN ({kinds}) AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = {there})"
            );
            none(conn, what, Box::leak(text.into_boxed_str())).await;
        }
        let (most, all, people) = q!(conn => one (i64, i64, i64),
            "SELECT CAST(max(n) AS BIGINT), CAST(sum(n) AS BIGINT), count(*) FROM (SELECT count(*) AS n FROM notifications GROUP BY user_id) AS each").unwrap();
        assert!(most <= 150 && all / people < 12, "{most} at most, {all} for {people}");
        drop(reader);
        test.close().await;
    }
}

/// Webhooks with deliveries in each state, of which one failed; only in a demonstration the other is on.
#[tokio::test]
async fn webhooks_were_told_of_what_happened() {
    for plan in plans() {
        for test in apps().await {
            seeded(&test, &plan).await;
            let op = test.app().by(&operator());
            let page = PageRequest::first(200);
            let all = webhooks::list(&op, &page).await.unwrap().items;
            assert!(all.iter().all(|webhook| webhook.url.starts_with("https://hooks.example.org/")), "{all:?}");
            let (failing, works): (Vec<_>, Vec<_>) =
                all.iter().partition(|webhook| webhook.disabled_because == Some(DisabledBecause::Failing));
            assert_eq!((failing.len(), works.len(), works[0].enabled), (1, 1, plan.demo), "{all:?}");
            for webhook in &all {
                assert!(webhook.waiting > 0 && webhook.created_at < test.app().now(), "{webhook:?}");
                let told = webhooks::deliveries(&op, webhook.id, &DeliveryFilter::default(), &page).await.unwrap();
                for state in DeliveryState::ALL {
                    assert!(told.items.iter().any(|row| row.state == *state), "{state}: {told:?}");
                }
                let waits = |row: &WebhookDelivery| row.state == DeliveryState::Waiting;
                assert!(told.items.iter().all(|row| row.next_try_at.is_some() == waits(row)), "{told:?}");
            }
            let mut reader = test.app().db.read().await.unwrap();
            none(
                &mut reader.conn(),
                "what waits is in a queue, and nothing else",
                "SELECT count(*) FROM webhook_deliveries d WHERE (d.state = 'waiting') <> \
                 EXISTS (SELECT 1 FROM webhook_queues q WHERE q.webhook_id = d.webhook_id AND q.subject = d.subject)",
            )
            .await;
            drop(reader);
            test.close().await;
        }
    }
}
