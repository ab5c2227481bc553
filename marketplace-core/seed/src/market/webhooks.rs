//! Webhooks: where an operator's own systems might be, and what they were told. They lead to a name that is reserved for examples,
//! at which this program never sends anything.

use std::{collections::BTreeSet, time::Duration};

use marketplace_core::{
    app::App,
    base::{error::Result, ids::WebhookId, page::PageRequest, time::Timestamp},
    operation::Operation,
    operations::webhooks,
    platform::db::bulk::Value,
    q, unit,
    webhooks::model::{DisabledBecause, NewWebhook, WebhookKind},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::json;
use uuid::Uuid;

use super::plan_index::{Purpose, rng, uuid};
use crate::tables::{self, Table};

/// What of each kind is looked at, the newest.
const EACH: i64 = 400;
/// What a webhook was told of, about so much.
const TOLD: usize = 40;
/// What is older was deleted, whatever the retention.
const KEPT: Duration = Duration::from_hours(25 * 24);
/// How long something is tried.
const TRIED: Duration = Duration::from_hours(72);

const DELIVERIES: &[&str] = &[
    "webhook_id",
    "id",
    "kind",
    "subject",
    "body",
    "state",
    "not_before",
    "attempts",
    "first_try_at",
    "last_try_at",
    "http_status",
    "failure",
    "finished_at",
    "created_at",
];
const QUEUES: &[&str] = &["webhook_id", "subject", "next_at"];

/// Something that happened.
struct Happened {
    kind: WebhookKind,
    subject: Uuid,
    data: serde_json::Value,
    at: Timestamp,
}

/// How telling something went.
struct Told {
    state: &'static str,
    attempts: i64,
    /// When it was tried first and last.
    tried: Option<(Timestamp, Timestamp)>,
    /// The status of the last answer, if there was one.
    status: Option<i64>,
    failure: Option<&'static str>,
    /// When it may be tried next, or was for the last time.
    not_before: Timestamp,
}

/// Adds two webhooks, unless there are some: one that works, but for a thing or two, and one that was switched off as it failed.
/// Outside of a demonstration the first is off too, so that a server that runs on the database has nowhere to send to.
pub(crate) async fn add(op: &Operation, seed: u64, demo: bool) -> Result<()> {
    if !webhooks::list(op, &PageRequest::first(1)).await?.items.is_empty() {
        return Ok(());
    }
    let (now, mut rng) = (op.now(), rng(seed, Purpose::Webhooks, 0));
    let happened = happened(op).await?;
    let kinds = vec![WebhookKind::JobChanged, WebhookKind::KycDecided];
    let new = |name: &str, description: &str| NewWebhook {
        url: format!("https://hooks.example.org/{name}"),
        description: description.to_owned(),
        kinds: kinds.clone(),
    };
    let works = webhooks::create(op, &new("payouts", "Payouts")).await?.item.webhook.id;
    let failed = webhooks::create(op, &new("warehouse", "The old data warehouse")).await?.item.webhook.id;
    let (mut deliveries, mut queues) = (Vec::new(), Vec::new());
    let off_at = now - Duration::from_hours(40);
    let failing_since = off_at - Duration::from_hours(5 * 24);
    let mut bad = Bad::default();
    for event in &happened {
        let told = well(event.at, &mut bad, now, &mut rng);
        add_to(works, event, &told, &mut deliveries, &mut queues, &mut rng);
        add_to(failed, event, &badly(event.at, failing_since, off_at), &mut deliveries, &mut queues, &mut rng);
    }
    // What comes first was told first.
    deliveries.reverse();
    let tables =
        vec![Table::new("webhook_deliveries", DELIVERIES, deliveries), Table::new("webhook_queues", QUEUES, queues)];
    tables::write(op, tables, BTreeSet::new(), &|_| ()).await?;
    let made_at = now - KEPT - Duration::from_hours(9 * 24);
    let works_off = (!demo).then_some((now, DisabledBecause::Staff));
    op.write(unit!(|_op, conn| {
        for (id, off, failing) in [
            (works, works_off, None),
            (failed, Some((off_at, DisabledBecause::Failing)), Some(failing_since)),
        ] {
            let (disabled_at, because) = off.unzip();
            q!(conn => exec,
                "UPDATE webhooks SET created_at = $2, updated_at = $3, disabled_at = $4, disabled_because = $5, failing_since = $6 \
                 WHERE id = $1",
                id, made_at, disabled_at.unwrap_or(made_at), disabled_at, because, failing)?;
        }
        Ok(())
    }))
    .await
}

type Job = (Uuid, Uuid, Uuid, Uuid, String, i64, i64, Timestamp);
type Attempt = (Uuid, Uuid, i64, String, Option<Timestamp>);

/// Returns what happened lately, the newest first, of each thing only the last.
async fn happened(app: &App) -> Result<Vec<Happened>> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let jobs = q!(&mut conn => all Job,
        "SELECT id, thread_id, client_id, worker_id, status, revision, version, updated_at FROM jobs \
         ORDER BY created_at DESC, id DESC LIMIT ($1 + 0)", EACH)?;
    let attempts = q!(&mut conn => all Attempt,
        "SELECT id, user_id, number, status, effective_at FROM kyc_attempts WHERE decided_at IS NOT NULL \
         ORDER BY decided_at DESC LIMIT ($1 + 0)", EACH)?;
    drop(reader);
    let job = |(id, thread, client, worker, status, revision, version, at): Job| {
        let (action, by) = match status.as_str() {
            "negotiating" => ("offer", "client"),
            "accepted" => ("accept", "worker"),
            "rejected" => ("reject", "worker"),
            "completed" => ("complete", "worker"),
            "finalized" => ("finalize", "client"),
            _ => ("cancel", "client"),
        };
        let data = json!({
            "job_id": id, "status": status, "action": action, "by": by, "revision": revision,
            "version": version, "thread_id": thread, "client_id": client, "worker_id": worker,
        });
        Happened { kind: WebhookKind::JobChanged, subject: id, data, at }
    };
    let decided = |(id, user, number, status, at): Attempt| {
        let data = json!({ "attempt_id": id, "user_id": user, "number": number, "status": status });
        at.map(|at| Happened { kind: WebhookKind::KycDecided, subject: id, data, at })
    };
    let mut all: Vec<Happened> = jobs.into_iter().map(job).chain(attempts.into_iter().filter_map(decided)).collect();
    let now = app.now();
    all.retain(|event| event.at <= now - Duration::from_secs(60) && event.at > now - KEPT);
    all.sort_by_key(|event| std::cmp::Reverse((event.at, event.subject)));
    // Spread over the time.
    let step = all.len().div_ceil(TOLD).max(1);
    Ok(all.into_iter().step_by(step).collect())
}

/// How many things did not go well so far at an endpoint that works.
#[derive(Default)]
struct Bad {
    waiting: u32,
    failed: u32,
}

/// Returns how it went at an endpoint that works: the newest two things wait, as it is being restarted, and two of long ago were
/// given up.
fn well(at: Timestamp, bad: &mut Bad, now: Timestamp, rng: &mut StdRng) -> Told {
    if bad.waiting < 2 {
        bad.waiting += 1;
        let last = now - Duration::from_secs(rng.random_range(60..600));
        let next = now + Duration::from_secs(rng.random_range(3_600..10_000));
        let tried = Some((at.max(last - Duration::from_secs(1_200)), last));
        let failure = Some("it answered 503");
        return Told { state: "waiting", attempts: 7, tried, status: Some(503), failure, not_before: next };
    }
    if bad.failed < 2 && at < now - TRIED - Duration::from_hours(5) {
        bad.failed += 1;
        let last = at + TRIED + Duration::from_hours(1);
        let (tried, failure) = (Some((at, last)), Some("it answered 422"));
        return Told { state: "failed", attempts: 30, tried, status: Some(422), failure, not_before: last };
    }
    let first = at + Duration::from_millis(rng.random_range(80..900));
    let attempts = if rng.random_bool(0.1) { 2 } else { 1 };
    let last = if attempts > 1 { first + Duration::from_secs(5) } else { first };
    Told {
        state: "delivered",
        attempts,
        tried: Some((first, last)),
        status: Some(204),
        failure: None,
        not_before: last,
    }
}

/// Returns how it went at an endpoint that stopped working at one time, and was switched off at another.
fn badly(at: Timestamp, failing_since: Timestamp, off_at: Timestamp) -> Told {
    let first = at + Duration::from_millis(300);
    let given_up = at + TRIED + Duration::from_hours(1);
    let failure = Some("it cannot be reached: the connection was refused");
    if at < failing_since {
        let tried = Some((first, first));
        Told { state: "delivered", attempts: 1, tried, status: Some(200), failure: None, not_before: first }
    } else if given_up < off_at {
        let tried = Some((first, given_up));
        Told { state: "failed", attempts: 30, tried, status: None, failure, not_before: given_up }
    } else if at < off_at {
        let tried = Some((first, off_at));
        Told { state: "waiting", attempts: 12, tried, status: None, failure, not_before: off_at }
    } else {
        Told { state: "waiting", attempts: 0, tried: None, status: None, failure: None, not_before: at }
    }
}

fn add_to(
    webhook: WebhookId,
    event: &Happened,
    told: &Told,
    deliveries: &mut Vec<Vec<Value>>,
    queues: &mut Vec<Vec<Value>>,
    rng: &mut StdRng,
) {
    let subject = event.subject.to_string();
    let is_waiting = told.state == "waiting";
    if is_waiting {
        queues.push(vec![Value::Id(webhook.0), Value::Text(subject.clone()), Value::Time(told.not_before)]);
    }
    let body = json!({ "type": event.kind, "timestamp": event.at, "data": event.data });
    deliveries.push(vec![
        Value::Id(webhook.0),
        Value::Id(uuid(event.at, rng)),
        Value::Word(event.kind.as_str()),
        Value::Text(subject),
        Value::Text(body.to_string()),
        Value::Word(told.state),
        Value::Time(told.not_before),
        Value::Int(told.attempts),
        Value::or_null(told.tried, |(first, _)| Value::Time(first)),
        Value::or_null(told.tried, |(_, last)| Value::Time(last)),
        Value::or_null(told.status, Value::Int),
        Value::or_null(told.failure, Value::Word),
        Value::or_null(told.tried.filter(|_| !is_waiting), |(_, last)| Value::Time(last)),
        Value::Time(event.at),
    ]);
}
