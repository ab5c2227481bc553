//! Stories of webhooks, with a real endpoint on loopback.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{
    model::{
        DeliveryFilter, DeliveryState, DisabledBecause, LEASE, MAX_WEBHOOKS, NewWebhook, Redelivery, UpdateWebhook,
        Webhook, WebhookDelivery, WebhookKind, pause_after,
    },
    queue, *,
};
use crate::{
    accounts::model::{Status, UserAction},
    base::{
        change::{Change, RestrictionReason},
        error::ErrorCode,
        page::PageRequest,
        patch::Patch,
        permission::Role,
        random::OsRandom,
    },
    jobs::model::JobStatus,
    kyc::{
        self,
        model::{Decision, DocumentType},
    },
    maintenance,
    operations::webhooks as ops,
    platform::{
        config::Config,
        db::{Engine, OpenOptions},
    },
    records::audit::{self, AuditAction, AuditFilter},
    testing::{self, OPERATOR, TestApp, pictures},
    timers::Timer,
    users,
};

/// What an endpoint does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Answers with a status, and with a header.
    Status(u16, &'static str),
    /// Takes it, and closes the connection without a word.
    Silence,
    /// Says nothing until the test ends.
    Hang,
}

const OK: Answer = Answer::Status(204, "");
const ERROR: Answer = Answer::Status(500, "");

/// A request, as it came.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
    answer: Answer,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether a secret has signed it, by the receivers' own library.
    fn is_signed_by(&self, secret: &str) -> bool {
        let at = self.headers["webhook-timestamp"].parse().unwrap();
        let theirs = standardwebhooks::Webhook::new(secret).unwrap();
        let expected = theirs.sign(&self.headers["webhook-id"], at, self.body.as_bytes()).unwrap();
        self.headers["webhook-signature"].split(' ').any(|one| one == expected)
    }
}

type Decide = Box<dyn Fn(&str) -> Answer + Send + Sync>;

/// Endpoints on loopback, told apart by their paths.
struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Vec<Request>>,
    decide: Mutex<Decide>,
    released: Notify,
}

impl Receiver {
    async fn start(decide: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared { seen: Mutex::default(), decide: Mutex::new(Box::new(decide)), released: Notify::new() };
        let shared = Arc::new(shared);
        let of_tasks = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&of_tasks);
                let mut stream = BufStream::new(stream);
                tokio::spawn(async move { while serve(&mut stream, &shared).await.is_some() {} });
            }
        });
        Self { port, shared }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn answers(&self, decide: impl Fn(&str) -> Answer + Send + Sync + 'static) {
        *self.shared.decide.lock().unwrap() = Box::new(decide);
    }

    /// What came since the last call.
    fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }
}

/// Answers one request; none when the connection is over.
async fn serve(stream: &mut BufStream<TcpStream>, shared: &Shared) -> Option<()> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let path = line.split_whitespace().nth(1)?.trim_start_matches('/').to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).unwrap();
    let answer = (shared.decide.lock().unwrap())(&path);
    shared.seen.lock().unwrap().push(Request { path, headers, body, answer });
    match answer {
        Answer::Status(status, header) => {
            let text = format!("HTTP/1.1 {status} X\r\n{header}content-length: 2\r\n\r\nok");
            stream.write_all(text.as_bytes()).await.ok()?;
            stream.flush().await.ok()
        }
        Answer::Silence => None,
        Answer::Hang => {
            shared.released.notified().await;
            None
        }
    }
}

async fn apps() -> Vec<TestApp> {
    testing::apps_with(loopback).await
}

fn loopback(config: &mut Config) {
    config.webhooks.allow_http = true;
    config.webhooks.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

/// A webhook of these kinds, and its secret.
async fn hook(app: &App, url: String, kinds: &[WebhookKind]) -> (WebhookId, String) {
    let new = NewWebhook { url, description: "for tests".into(), kinds: kinds.to_vec() };
    let made = ops::create(&app.by(&OPERATOR), &new).await.unwrap().item;
    (made.webhook.id, made.secret.unwrap())
}

async fn show(app: &App, id: WebhookId) -> Webhook {
    ops::show(&app.by(&OPERATOR), id).await.unwrap()
}

/// What a webhook was told, oldest first.
async fn told(app: &App, id: WebhookId, state: Option<DeliveryState>) -> Vec<WebhookDelivery> {
    let filter = DeliveryFilter { state };
    let page = ops::deliveries(&app.by(&OPERATOR), id, &filter, &PageRequest::first(200)).await.unwrap();
    page.items.into_iter().rev().collect()
}

/// Something that happened to a subject.
async fn happen(app: &App, subject: &str, n: u64) {
    let subject = subject.to_owned();
    let op = Operation::system(app);
    op.write(unit!(|op, conn| {
        emit(&op, conn, WebhookKind::JobChanged, &subject, json!({ "subject": subject, "n": n }), op.now()).await
    }))
    .await
    .unwrap();
}

/// Sends what is due, once.
async fn round(app: &App) {
    maintenance::run(app, Timer::Webhooks).await.unwrap();
    app.webhooks.idle().await;
}

/// Another server of the same marketplace.
async fn second(app: &App) -> App {
    let options = OpenOptions { connections: 4, ..OpenOptions::default() };
    App::open_with(Config::clone(&app.config), options, app.clock.clone(), app.random.clone()).await.unwrap()
}

/// 300 events of 20 subjects, or as many as `MARKETPLACE_TEST_CASES` says, to an endpoint that fails at random, by two servers
/// where there can be two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_in_order_however_often_the_endpoint_fails() {
    const SUBJECTS: u64 = 20;
    let events = std::env::var("MARKETPLACE_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300_u64);
    let receiver = Receiver::start(|_| {
        let [chance] = crate::base::random::bytes::<1>(&OsRandom);
        match chance {
            0..30 => ERROR,
            30..40 => Answer::Status(503, "retry-after: 30\r\n"),
            40..60 => Answer::Silence,
            _ => OK,
        }
    })
    .await;
    for test in apps().await {
        let app = test.app();
        let other = if app.db.engine() == Engine::Postgres { Some(second(app).await) } else { None };
        let (id, secret) = hook(app, receiver.url("random"), &[WebhookKind::JobChanged]).await;
        let (mut done, mut rounds, mut requests) = (0, 0, Vec::new());
        while done < events || show(app, id).await.waiting > 0 {
            // They go on happening while others are sent.
            let some = (events - done).min(events.div_ceil(3));
            let happening = async {
                let of = |subject| async move {
                    for n in (done..done + some).filter(|n| n % SUBJECTS == subject) {
                        happen(app, &format!("subject {subject}"), n).await;
                    }
                };
                join_all((0..SUBJECTS).map(of)).await;
            };
            let of_other = async {
                if let Some(other) = &other {
                    round(other).await;
                }
            };
            tokio::join!(happening, round(app), of_other);
            requests.extend(receiver.take());
            (done, rounds) = (done + some, rounds + 1);
            assert!(rounds < 100 + events, "it does not end");
            test.advance(Duration::from_hours(1));
        }
        let (mut last, mut taken) = (HashMap::new(), HashSet::new());
        let mut by_id = HashMap::new();
        for request in &requests {
            assert!(request.is_signed_by(&secret), "{request:?}");
            let event = request.json();
            assert_eq!(event["type"], "job.changed");
            let (subject, n) = (event["data"]["subject"].clone(), event["data"]["n"].as_u64().unwrap());
            let before = last.insert(subject.to_string(), n).unwrap_or(0);
            assert!(n >= before, "{subject}: {n} after {before}");
            assert_eq!(by_id.entry(request.headers["webhook-id"].clone()).or_insert(n), &n, "an id is one event's");
            if request.answer == OK {
                taken.insert(n);
            }
        }
        assert_eq!((taken.len() as u64, by_id.len() as u64), (events, events), "each was taken");
        let again = requests.len() as u64 - events;
        eprintln!("{events} events, {} requests, {rounds} rounds", requests.len());
        assert!(again > events / 10, "some failed");
        let left = q!(&mut app.db.read().await.unwrap().conn() => val i64, "SELECT CAST(count(*) AS BIGINT) FROM webhook_queues");
        assert_eq!(left.unwrap(), 0, "nothing is left behind");
        if let Some(other) = other {
            other.close().await;
        }
        test.close().await;
    }
}

#[tokio::test]
async fn nobody_sends_what_another_server_sends_and_a_dead_one_is_replaced() {
    for test in apps().await {
        let receiver = Receiver::start(|path| if path == "frozen" { Answer::Hang } else { OK }).await;
        let app = test.app();
        let other = second(app).await;
        let (id, _) = hook(app, receiver.url("fine"), &[WebhookKind::JobChanged]).await;
        for (subject, n) in [("a", 1), ("a", 2), ("b", 3)] {
            happen(app, subject, n).await;
            test.advance(Duration::from_secs(1));
        }
        // A server takes the first, and dies.
        let taken = queue::take(app, id).await.unwrap().unwrap();
        assert_eq!(taken.attempts, 1);
        round(&other).await;
        let numbers =
            |requests: Vec<Request>| requests.iter().map(|one| one.json()["data"]["n"].clone()).collect::<Vec<_>>();
        assert_eq!(numbers(receiver.take()), [3], "what is about something else goes on");
        test.advance(LEASE);
        round(&other).await;
        assert_eq!(numbers(receiver.take()), [1, 2]);
        // It was only asleep: what it says does not count any more.
        let ended = queue::Ended {
            state: DeliveryState::Waiting,
            not_before: app.now(),
            http_status: None,
            failure: None,
            is_gone: false,
        };
        queue::finish(app, taken, ended).await.unwrap();
        assert!(told(app, id, Some(DeliveryState::Waiting)).await.is_empty());
        // A frozen endpoint delays neither another one nor a stop of the program for long.
        let (frozen, _) = hook(app, receiver.url("frozen"), &[WebhookKind::JobChanged]).await;
        for n in 0..20 {
            happen(app, &format!("c{n}"), n).await;
        }
        maintenance::run(app, Timer::Webhooks).await.unwrap();
        while show(app, id).await.waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seen = receiver.take();
        assert_eq!(seen.iter().filter(|one| one.path == "fine").count(), 20);
        assert!(seen.iter().filter(|one| one.path == "frozen").count() <= 4, "a few at a time");
        app.webhooks.stopping.store(true, Ordering::Relaxed);
        receiver.shared.released.notify_waiters();
        app.finish_webhooks().await;
        assert_eq!(show(app, frozen).await.waiting, 20);
        // Later it waits alone, and whoever manages webhooks sees it.
        test.advance(Duration::from_secs(10));
        receiver.answers(|_| OK);
        maintenance::run(&other, Timer::Webhooks).await.unwrap();
        assert!(other.webhook_counts().waiting >= 16 && other.webhook_counts().oldest_at.is_some());
        other.webhooks.idle().await;
        other.close().await;
        test.close().await;
    }
}

#[tokio::test]
async fn what_fails_is_given_up_and_an_endpoint_that_fails_for_days_is_switched_off() {
    for test in apps().await {
        let receiver = Receiver::start(|_| ERROR).await;
        let app = test.app();
        // Each at its own time.
        let op = || app.by(&OPERATOR);
        let (id, first_secret) = hook(app, receiver.url("x"), &[WebhookKind::JobChanged]).await;
        happen(app, "a", 1).await;
        test.advance(Duration::from_secs(1));
        happen(app, "a", 2).await;
        let mut hours = 0;
        while show(app, id).await.enabled {
            round(app).await;
            test.advance(Duration::from_hours(2));
            hours += 2;
            assert!(hours < 200, "it is never switched off");
        }
        assert!((5 * 24..6 * 24).contains(&hours), "{hours}");
        let off = show(app, id).await;
        assert_eq!((off.disabled_because, off.waiting, off.failed), (Some(DisabledBecause::Failing), 1, 1));
        let failed = told(app, id, Some(DeliveryState::Failed)).await;
        assert_eq!((failed[0].body["data"]["n"].clone(), failed[0].http_status), (json!(1), Some(500)));
        assert!(failed[0].attempts > 10);
        let filter = AuditFilter { target: Some(id.to_string()), ..AuditFilter::default() };
        let rows = audit::list(&op(), &filter, &PageRequest::default()).await.unwrap().items;
        assert!(rows[0].action == AuditAction::WebhooksDisable && rows[0].reason.as_deref() == Some("failing"));
        // What happens meanwhile waits, and comes in order once it is on again; what was given up, when it is asked for.
        receiver.take();
        happen(app, "a", 3).await;
        round(app).await;
        assert!(receiver.take().is_empty());
        assert_eq!(ops::test(&op(), id).await.unwrap_err().code(), ErrorCode::Conflict);
        receiver.answers(|_| OK);
        let on = UpdateWebhook { enabled: Patch::Set(true), ..UpdateWebhook::default() };
        let on = ops::update(&op(), id, on).await.unwrap().item;
        assert!(on.enabled && on.failing_since.is_none() && on.version > off.version);
        let since = Redelivery::FailedSince(app.now() - Duration::from_hours(24 * 30));
        let dry = op().with(Change { dry_run: true, ..Change::default() });
        assert_eq!(ops::redeliver(&dry, id, since).await.unwrap().item.deliveries, 1);
        let again = ops::redeliver(&op(), id, since).await.unwrap();
        assert!(again.changed && again.item.deliveries == 1 && !again.item.more);
        assert!(!ops::redeliver(&op(), id, since).await.unwrap().changed);
        test.advance(LEASE);
        round(app).await;
        let numbers =
            |requests: &[Request]| requests.iter().map(|one| one.json()["data"]["n"].clone()).collect::<Vec<_>>();
        assert_eq!(numbers(&receiver.take()), [1, 2, 3]);
        let one = told(app, id, None).await[1].id;
        assert!(ops::redeliver(&op(), id, Redelivery::One(one)).await.unwrap().changed);
        assert_eq!(
            ops::redeliver(&op(), id, Redelivery::One(new_id(&op()))).await.unwrap_err().code(),
            ErrorCode::NotFound
        );
        round(app).await;
        let seen = receiver.take();
        assert_eq!((numbers(&seen), seen[0].headers["webhook-id"].clone()), (vec![json!(2)], one.to_string()));
        // A new secret, and for a while the old one too.
        let new_secret = ops::rotate(&op(), id, 3_600).await.unwrap().item.secret.unwrap();
        for is_in_time in [true, false] {
            happen(app, "b", 4).await;
            round(app).await;
            let seen = receiver.take();
            assert!(seen[0].is_signed_by(&new_secret));
            assert_eq!(seen[0].is_signed_by(&first_secret), is_in_time);
            test.advance(Duration::from_secs(3_600));
        }
        assert_eq!(ops::rotate(&op(), id, 8 * 86_400).await.unwrap_err().code(), ErrorCode::Invalid);
        // It says when to come back, or that it wants no more.
        receiver.answers(|_| Answer::Status(429, "retry-after: 7200\r\n"));
        happen(app, "c", 5).await;
        round(app).await;
        let waiting = told(app, id, Some(DeliveryState::Waiting)).await;
        assert_eq!(waiting[0].next_try_at, Some(app.now() + Duration::from_secs(7_200)));
        receiver.answers(|_| Answer::Status(410, ""));
        happen(app, "d", 6).await;
        round(app).await;
        let gone = show(app, id).await;
        assert_eq!((gone.disabled_because, gone.waiting), (Some(DisabledBecause::Gone), 2));
        assert_eq!(app.webhook_counts().failed, 0);
        assert!(pause_after(1, &OsRandom) < Duration::from_secs(7));
        test.advance(Duration::from_hours(24 * 31));
        maintenance::run(app, Timer::OldDeliveries).await.unwrap();
        assert!(told(app, id, None).await.is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn only_admins_manage_webhooks_and_secrets_are_shown_once() {
    for test in testing::apps().await {
        let app = test.app();
        let (admin, auditor, support) =
            (test.actor(Role::Admin).await, test.actor(Role::Auditor).await, test.actor(Role::Support).await);
        let new = |url: &str| NewWebhook {
            url: url.into(),
            description: String::new(),
            kinds: vec![WebhookKind::JobChanged],
        };
        for other in [&auditor, &support] {
            let refused = ops::create(&app.by(other), &new("https://example.org/")).await;
            assert_eq!(refused.unwrap_err().code(), ErrorCode::Forbidden);
        }
        for bad in ["http://example.org/", "https://127.0.0.1/", "https://u:p@example.org/", "x"] {
            let error = ops::create(&app.by(&admin), &new(bad)).await.unwrap_err();
            assert_eq!(error.fields()[0].pointer, "/url", "{bad}");
        }
        let none = NewWebhook { kinds: vec![WebhookKind::Test], ..new("https://example.org/") };
        assert_eq!(ops::create(&app.by(&admin), &none).await.unwrap_err().fields()[0].pointer, "/kinds");
        let dry = app.by(&admin).with(Change { dry_run: true, ..Change::default() });
        assert!(ops::create(&dry, &new("https://example.org/")).await.unwrap().item.secret.is_none());
        let op = app.by(&admin);
        op.write(unit!(|op, conn| {
            for _ in 1..MAX_WEBHOOKS {
                let by = op.actor().principal();
                let id = WebhookId::new(Timestamp::EPOCH, op.random.as_ref());
                let kinds = &[WebhookKind::UserChanged];
                let row = store::NewRow {
                    id,
                    url: "https://example.org/",
                    description: "",
                    kinds,
                    sealed: vec![],
                    created_by: &by,
                };
                store::create(conn, row, op.now()).await?;
            }
            Ok(())
        }))
        .await
        .unwrap();
        let made = ops::create(&op, &new("https://example.org/last")).await.unwrap().item;
        assert_eq!(ops::create(&op, &new("https://example.org/")).await.unwrap_err().code(), ErrorCode::Conflict);
        let (made, secret) = (made.webhook, made.secret.unwrap());
        assert!(secret.starts_with("whsec_"));
        let listed = ops::list(&app.by(&auditor), &PageRequest::first(1)).await.unwrap();
        assert_eq!((listed.items[0].id, listed.next.is_some()), (made.id, true));
        assert_eq!(
            ops::list(&app.by(&support), &PageRequest::first(1)).await.unwrap_err().code(),
            ErrorCode::Forbidden
        );
        // Nothing that is stored has the secret in the clear.
        let (url, sealed) = q!(&mut app.db.read().await.unwrap().conn() => one (String, Vec<u8>),
            "SELECT url, sealed FROM webhooks WHERE id = $1", made.id)
        .unwrap();
        assert_eq!(url, "https://example.org/last");
        let open = app.keys.open_sealed(&context(made.id), &sealed).unwrap();
        assert!(!sealed.windows(open.len()).any(|part| part == open));
        let edit = UpdateWebhook { description: Patch::Set("new".into()), ..UpdateWebhook::default() };
        assert!(ops::update(&op.at_version(Some(7)), made.id, edit.clone()).await.is_err());
        assert!(ops::update(&op, made.id, edit.clone()).await.unwrap().changed);
        assert!(!ops::update(&op, made.id, edit).await.unwrap().changed);
        assert!(ops::delete(&op, made.id).await.unwrap().changed);
        let again = ops::delete(&op, made.id).await.unwrap();
        assert!(!again.changed, "it is deleted");
        assert_eq!((again.item.url.as_str(), &again.item.kinds), ("https://example.org", &made.kinds));
        let none = ops::delete(&op, WebhookId(uuid::Uuid::from_u128(7))).await.unwrap_err();
        assert_eq!(none.code(), ErrorCode::NotFound);
        assert_eq!(ops::show(&op, made.id).await.unwrap_err().code(), ErrorCode::NotFound);
        let filter = AuditFilter { target: Some(made.id.to_string()), ..AuditFilter::default() };
        let rows = audit::list(&op, &filter, &PageRequest::default()).await.unwrap().items;
        let actions: Vec<String> = rows.iter().rev().map(|row| row.action.to_string()).collect();
        assert_eq!(actions, ["webhooks.create", "webhooks.update", "webhooks.delete"]);
        test.close().await;
    }
}

/// A marketplace's whole life, of which webhooks are told ids and states: nothing of anybody's words, before an erasure or after.
#[tokio::test]
async fn webhooks_are_told_of_everything_and_of_nobodys_words() {
    for test in apps().await {
        let app = test.app();
        let op = app.by(&OPERATOR);
        let count = async || {
            q!(&mut app.db.read().await.unwrap().conn() => val i64,
                "SELECT CAST(count(*) AS BIGINT) FROM webhook_deliveries")
            .unwrap()
        };
        let worker = test.approved_worker().await;
        test.service(&worker, "Nobody is told of").await;
        assert_eq!(count().await, 0, "nobody asked for it");
        let every: Vec<WebhookKind> = WebhookKind::ALL.to_vec();
        let (id, _) = hook(app, "http://127.0.0.1:9/".into(), &every).await;
        let (reviews_only, _) = hook(app, "http://127.0.0.1:9/".into(), &[WebhookKind::ReviewChanged]).await;
        let trade = test.marketplace().await;
        let before = count().await;
        test.say(&trade.client, trade.thread, "third", "CANARY in a message").await;
        assert_eq!(count().await, before, "messages are not told, and cost nothing");
        let (job, _) = trade.job(JobStatus::Finalized);
        let states = async |subject: String| {
            let rows = q!(&mut app.db.read().await.unwrap().conn() => all (String, String),
                "SELECT kind, body FROM webhook_deliveries WHERE webhook_id = $1 AND subject = $2 ORDER BY seq", id, subject)
            .unwrap();
            let state = |(kind, body): (String, String)| {
                let body: Value = serde_json::from_str(&body).unwrap();
                assert_eq!((body["type"].as_str(), body["timestamp"].is_string()), (Some(kind.as_str()), true));
                format!("{kind} {}", body["data"]["status"].as_str().unwrap())
            };
            rows.into_iter().map(state).collect::<Vec<_>>()
        };
        let expected =
            ["negotiating", "accepted", "completed", "finalized"].map(|state| format!("job.changed {state}"));
        assert_eq!(states(job.to_string()).await, expected);
        assert_eq!(
            states(trade.flagged.to_string()).await,
            ["review.changed hidden", "review.changed published", "review.changed published"],
        );
        assert!(!told(app, reviews_only, None).await.is_empty());
        // A decision is told when it cannot be undone any more.
        let applicant = test.actor(Role::Worker).await;
        let file = pictures::png();
        let submission =
            kyc::Submission { document_type: DocumentType::Passport, document: file.clone(), selfie: file };
        let attempt = kyc::submit(&app.by(&applicant), submission).await.unwrap().attempts[0].id;
        let admin = test.actor(Role::Admin).await;
        kyc::decide(&app.by(&admin), attempt, &Decision::approve(None)).await.unwrap();
        kyc::undo(&app.by(&admin), attempt).await.unwrap();
        assert!(states(attempt.to_string()).await.is_empty());
        kyc::decide(&app.by(&admin), attempt, &Decision::approve(None)).await.unwrap();
        assert_eq!(states(attempt.to_string()).await, ["kyc.decided approved"]);
        let waits = told(app, id, None).await.into_iter().find(|one| one.subject == attempt.to_string()).unwrap();
        assert!(waits.next_try_at.unwrap() > app.now());
        let leaver = test.user(Role::Client, Status::Active).await;
        let reason = Change { reason: Some(RestrictionReason::Other), ..Change::default() };
        let acting = op.with(Change { note: Some("CANARY in a note".into()), ..reason });
        for action in [UserAction::Freeze, UserAction::Unfreeze, UserAction::Ban, UserAction::Unban, UserAction::Delete]
        {
            users::act(&acting, leaver, &action).await.unwrap();
        }
        let expected = ["frozen", "active", "banned", "active", "deleted"].map(|state| format!("user.changed {state}"));
        assert_eq!(states(leaver.to_string()).await, expected);
        let all =
            q!(&mut app.db.read().await.unwrap().conn() => vals String, "SELECT body FROM webhook_deliveries").unwrap();
        for body in &all {
            assert!(body.len() < 2_000);
            for words in
                ["CANARY", "example.org", "Number", "Piano", "Lessons", "late", "scales", "Pays", "snow", "5000"]
            {
                assert!(!body.contains(words), "{body}");
            }
        }
        test.close().await;
    }
}
