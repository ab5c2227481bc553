//! SQL queries for sending: the first of a queue is taken, and then its result is stored.

use futures::FutureExt;

use super::{
    context,
    model::{DeliveryState, DisabledBecause, LEASE, OFF_AFTER, Secret},
    store,
};
use crate::{
    app::App,
    base::{
        error::Result,
        ids::{DeliveryId, WebhookId},
        time::Timestamp,
    },
    operation::Operation,
    platform::{db::Conn, webhooks::TOGETHER},
    records::{
        audit::{self, AuditAction, Entry},
        target::TargetKind,
    },
};

/// Queues without anything to send that one take clears away.
const CLEARED: usize = 20;

/// Returns the endpoints for which something is due, and how many queues of each, as far as it can use places for them.
pub(super) async fn due(conn: &mut Conn<'_>, now: Timestamp) -> Result<Vec<(WebhookId, i64)>> {
    let most = i64::try_from(TOGETHER).unwrap_or(1);
    let all = q!(conn => all (WebhookId, i64),
        "SELECT w.id, (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM webhook_queues q \
           WHERE q.webhook_id = w.id AND q.next_at <= $1 LIMIT ($2 + 0)) AS n) AS due \
         FROM webhooks w WHERE w.disabled_at IS NULL", now, most)?;
    Ok(all.into_iter().filter(|(_, due)| *due > 0).collect())
}

/// Something to be sent, and where.
#[derive(Debug)]
pub(super) struct Taken {
    pub webhook: WebhookId,
    pub url: String,
    /// The secrets that sign, the newest first.
    pub secrets: Vec<Secret>,
    is_failing: bool,
    subject: String,
    seq: i64,
    pub id: DeliveryId,
    pub body: String,
    /// How often it was tried, with this time.
    pub attempts: i64,
    /// When it was tried first.
    pub first_try_at: Timestamp,
}

#[derive(sqlx_macros::FromRow)]
struct Endpoint {
    url: String,
    sealed: Vec<u8>,
    old_sealed: Option<Vec<u8>>,
    old_until: Option<Timestamp>,
    failing_since: Option<Timestamp>,
}

#[derive(sqlx_macros::FromRow)]
struct Head {
    seq: i64,
    id: DeliveryId,
    body: String,
    not_before: Timestamp,
    attempts: i64,
    first_try_at: Option<Timestamp>,
}

/// Leases the first delivery of a queue that is due at an endpoint. The attempt counts from now on, whatever its result, and nobody else takes
/// anything of that queue for [`LEASE`].
pub(super) async fn take(app: &App, webhook: WebhookId) -> Result<Option<Taken>> {
    let (now, keys) = (app.now(), app.keys.clone());
    app.db
        .write(move |conn| {
            async move {
                let endpoint = q!(conn => opt Endpoint,
                    "SELECT url, sealed, old_sealed, old_until, failing_since FROM webhooks WHERE id = $1 AND disabled_at IS NULL",
                    webhook)?;
                let Some(endpoint) = endpoint else { return Ok(None) };
                let Some((subject, head)) = first_due(conn, webhook, now).await? else { return Ok(None) };
                let old = endpoint.old_sealed.filter(|_| endpoint.old_until.is_some_and(|until| now < until));
                let open = |sealed: Vec<u8>| keys.open_sealed(&context(webhook), &sealed).map(Secret::from_bytes);
                let secrets = std::iter::once(endpoint.sealed).chain(old).map(open).collect::<Result<_>>()?;
                q!(conn => exec,
                    "UPDATE webhook_deliveries SET attempts = attempts + 1, first_try_at = coalesce(first_try_at, $2), \
                     last_try_at = $2 WHERE seq = $1", head.seq, now)?;
                set_next(conn, webhook, &subject, now + LEASE).await?;
                Ok(Some(Taken {
                    webhook,
                    url: endpoint.url,
                    secrets,
                    is_failing: endpoint.failing_since.is_some(),
                    subject,
                    seq: head.seq,
                    id: head.id,
                    body: head.body,
                    attempts: head.attempts + 1,
                    first_try_at: head.first_try_at.unwrap_or(now),
                }))
            }
            .boxed()
        })
        .await
}

/// Returns the first of a queue that is due, and locks the queue. Queues that are looked at too early are moved on, and those of
/// which nothing waits any more are deleted.
async fn first_due(conn: &mut Conn<'_>, webhook: WebhookId, now: Timestamp) -> Result<Option<(String, Head)>> {
    for _ in 0..CLEARED {
        let subject = q!(conn => optval String, [
            sqlite: "SELECT subject FROM webhook_queues WHERE webhook_id = $1 AND next_at <= $2 ORDER BY next_at LIMIT 1",
            pg: "SELECT subject FROM webhook_queues WHERE webhook_id = $1 AND next_at <= $2 ORDER BY next_at LIMIT 1 \
                 FOR UPDATE SKIP LOCKED",
        ], webhook, now)?;
        let Some(subject) = subject else { return Ok(None) };
        match head(conn, webhook, &subject).await? {
            Some(head) if head.not_before <= now => return Ok(Some((subject, head))),
            next => go_on(conn, webhook, &subject, next).await?,
        }
    }
    Ok(None)
}

async fn head(conn: &mut Conn<'_>, webhook: WebhookId, subject: &str) -> Result<Option<Head>> {
    Ok(q!(conn => opt Head,
        "SELECT seq, id, body, not_before, attempts, first_try_at FROM webhook_deliveries \
         WHERE subject = $2 AND webhook_id = $1 AND state = 'waiting' ORDER BY seq LIMIT 1", webhook, subject)?)
}

async fn set_next(conn: &mut Conn<'_>, webhook: WebhookId, subject: &str, at: Timestamp) -> Result<()> {
    q!(conn => exec, "UPDATE webhook_queues SET next_at = $3 WHERE webhook_id = $1 AND subject = $2", webhook, subject, at)?;
    Ok(())
}

/// Schedules the next delivery of a locked queue.
async fn go_on(conn: &mut Conn<'_>, webhook: WebhookId, subject: &str, next: Option<Head>) -> Result<()> {
    if let Some(head) = next {
        return set_next(conn, webhook, subject, head.not_before).await;
    }
    q!(conn => exec, "DELETE FROM webhook_queues WHERE webhook_id = $1 AND subject = $2", webhook, subject)?;
    Ok(())
}

/// How a try ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// What becomes of it.
    pub state: DeliveryState,
    /// When it is tried again.
    pub not_before: Timestamp,
    pub http_status: Option<u16>,
    pub failure: Option<String>,
    /// Whether the endpoint wants no more.
    pub is_gone: bool,
}

/// Stores how a try ended. When another program has taken the same meanwhile, as this one was too slow, its try counts.
pub(super) async fn finish(app: &App, taken: Taken, ended: Ended) -> Result<()> {
    let taken = std::sync::Arc::new(taken);
    Operation::system(app)
        .write(unit!(|op, conn| {
            let (now, webhook) = (op.now(), taken.webhook);
            if ended.failure.is_some() || taken.is_failing {
                // First, as staff do.
                store::lock(conn, webhook).await?;
            }
            if let Conn::Pg(_) = conn {
                // Before the row: whoever records something for this queue is waited for, so that it is seen.
                q!(conn => optval String, [
                    sqlite: "SELECT subject FROM webhook_queues WHERE webhook_id = $1 AND subject = $2",
                    pg: "SELECT subject FROM webhook_queues WHERE webhook_id = $1 AND subject = $2 FOR UPDATE",
                ], webhook, &taken.subject)?;
            }
            let finished = (ended.state != DeliveryState::Waiting).then_some(now);
            let is_mine = q!(conn => exec,
                "UPDATE webhook_deliveries SET state = $3, not_before = $4, http_status = $5, failure = $6, finished_at = $7 \
                 WHERE seq = $1 AND attempts = $2 AND state = 'waiting'",
                taken.seq, taken.attempts, ended.state, ended.not_before, ended.http_status.map(i64::from), ended.failure.clone(),
                finished)?;
            if is_mine == 1 {
                let next = head(conn, webhook, &taken.subject).await?;
                go_on(conn, webhook, &taken.subject, next).await?;
            }
            if ended.failure.is_some() {
                failed(&op, conn, &taken, &ended).await?;
            } else if taken.is_failing {
                q!(conn => exec, "UPDATE webhooks SET failing_since = NULL WHERE id = $1", webhook)?;
            }
            Ok(())
        }))
        .await
}

/// Records that an endpoint failed, and disables it when it has failed for long enough, or wants no more.
async fn failed(op: &Operation, conn: &mut Conn<'_>, taken: &Taken, ended: &Ended) -> Result<()> {
    let (now, id) = (op.now(), taken.webhook);
    if !taken.is_failing {
        q!(conn => exec, "UPDATE webhooks SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL", id, now)?;
    }
    let (because, since) =
        if ended.is_gone { (DisabledBecause::Gone, now) } else { (DisabledBecause::Failing, now - OFF_AFTER) };
    if !taken.is_failing && !ended.is_gone {
        return Ok(());
    }
    let is_off = q!(conn => exec,
        "UPDATE webhooks SET disabled_at = $2, disabled_because = $3, version = version + 1, updated_at = $2 \
         WHERE id = $1 AND disabled_at IS NULL AND failing_since <= $4", id, now, because, since)?;
    if is_off == 0 {
        return Ok(());
    }
    tracing::warn!(webhook = %id, because = %because, reason = ended.failure, "a webhook does not work and is switched off; what happens waits for it");
    let entry = Entry {
        action: AuditAction::WebhooksDisable,
        target_kind: TargetKind::Webhook,
        target: id.to_string(),
        reason: Some(because.to_string()),
        metadata: serde_json::json!({ "http_status": ended.http_status }),
    };
    audit::append(op, conn, entry).await
}
