//! SQL queries for webhooks, and for what they are told.

use super::model::{DeliveryState, DisabledBecause, LEASE, MAX_AGAIN, Webhook, WebhookDelivery, WebhookKind};
use crate::{
    base::{
        error::{Error, Result},
        ids::{DeliveryId, WebhookId},
        principal::Principal,
        time::Timestamp,
    },
    platform::{
        db::{Conn, Db, PRUNE_BATCH},
        webhooks::Backlog,
    },
};

/// Bound at which counts stop.
const CAP: i64 = 1_000;

/// Something to be told.
#[derive(Debug)]
pub(crate) struct New {
    pub id: DeliveryId,
    pub kind: WebhookKind,
    pub subject: String,
    pub body: String,
    pub not_before: Timestamp,
}

/// Records something for every endpoint that is told of its kind. Of a queue that is there already the row is locked: whoever
/// finishes the one before is waited for, or waits, and so sees this one.
pub(crate) async fn insert(conn: &mut Conn<'_>, new: &New, now: Timestamp) -> Result<()> {
    let told = q!(conn => exec,
        "INSERT INTO webhook_deliveries (webhook_id, id, kind, subject, body, state, not_before, attempts, created_at) \
         SELECT w.id, $1, $2, $3, $4, 'waiting', $5, 0, $6 FROM webhooks w WHERE w.kinds LIKE '%\"' || $2 || '\"%'",
        new.id, new.kind, &new.subject, &new.body, new.not_before, now)?;
    if told > 0 {
        q!(conn => exec,
            "INSERT INTO webhook_queues (webhook_id, subject, next_at) \
             SELECT w.id, $1, $2 FROM webhooks w WHERE w.kinds LIKE '%\"' || $3 || '\"%' ORDER BY w.id \
             ON CONFLICT (webhook_id, subject) DO UPDATE SET next_at = webhook_queues.next_at",
            &new.subject, new.not_before, new.kind)?;
    }
    Ok(())
}

/// Records something for one endpoint, whatever it is told of.
pub(crate) async fn insert_for(conn: &mut Conn<'_>, webhook: WebhookId, new: &New, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO webhook_deliveries (webhook_id, id, kind, subject, body, state, not_before, attempts, created_at) \
         VALUES ($1, $2, $3, $4, $5, 'waiting', $6, 0, $7)",
        webhook, new.id, new.kind, &new.subject, &new.body, new.not_before, now)?;
    wake(conn, webhook, &new.subject, new.not_before).await
}

/// Schedules the first delivery of a queue at a time, or soon after: what is being sent just now is not disturbed.
async fn wake(conn: &mut Conn<'_>, webhook: WebhookId, subject: &str, at: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO webhook_queues (webhook_id, subject, next_at) VALUES ($1, $2, $3) \
         ON CONFLICT (webhook_id, subject) DO UPDATE SET \
         next_at = CASE WHEN webhook_queues.next_at > $4 THEN $4 ELSE webhook_queues.next_at END",
        webhook, subject, at, at + LEASE)?;
    Ok(())
}

/// Schedules what waits for an endpoint after one lease at the latest, with the attempts of a new delivery.
pub(crate) async fn begin_anew(conn: &mut Conn<'_>, webhook: WebhookId, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE webhook_deliveries SET not_before = $2, attempts = 0, first_try_at = NULL \
         WHERE webhook_id = $1 AND state = ('waiting' || '') AND attempts > 0", webhook, now)?;
    q!(conn => exec, "UPDATE webhook_queues SET next_at = $2 WHERE webhook_id = $1 AND next_at > $2", webhook, now + LEASE)?;
    Ok(())
}

/// Removes the deliveries about `subject` that are not due yet. Its queues find out when they look.
pub(crate) async fn cancel(conn: &mut Conn<'_>, subject: &str, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "DELETE FROM webhook_deliveries WHERE subject = $1 AND state = 'waiting' AND attempts = 0 AND not_before > $2",
        subject, now)?;
    Ok(())
}

/// A stored endpoint.
#[derive(Debug, sqlx_macros::FromRow)]
struct Row {
    id: WebhookId,
    url: String,
    description: String,
    kinds: String,
    disabled_at: Option<Timestamp>,
    disabled_because: Option<DisabledBecause>,
    failing_since: Option<Timestamp>,
    old_until: Option<Timestamp>,
    version: i64,
    created_by: Principal,
    created_at: Timestamp,
    updated_at: Timestamp,
    waiting: i64,
    failed: i64,
    oldest_waiting_at: Option<Timestamp>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT w.id, w.url, w.description, w.kinds, w.disabled_at, w.disabled_because, w.failing_since, w.old_until, w.version, \
             w.created_by, w.created_at, w.updated_at, \
             (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.id \
               AND d.state = ('waiting' || '') LIMIT ($1 + 0)) AS n) AS waiting, \
             (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.id \
               AND d.state = ('failed' || '') LIMIT ($1 + 0)) AS n) AS failed, \
             (SELECT d.created_at FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = ('waiting' || '') \
               ORDER BY d.id LIMIT 1) AS oldest_waiting_at \
             FROM webhooks w ",
            $rest
        )
    };
}

/// Parses the kinds of an endpoint; one of a newer release is left out.
fn parse_kinds(text: &str) -> Result<Vec<WebhookKind>> {
    let names: Vec<String> = serde_json::from_str(text).map_err(Error::internal)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

impl Row {
    fn webhook(self, now: Timestamp) -> Result<Webhook> {
        Ok(Webhook {
            id: self.id,
            kinds: parse_kinds(&self.kinds)?,
            url: self.url,
            description: self.description,
            enabled: self.disabled_at.is_none(),
            disabled_because: self.disabled_because,
            disabled_at: self.disabled_at,
            failing_since: self.failing_since,
            old_secret_until: self.old_until.filter(|until| now < *until),
            waiting: self.waiting,
            failed: self.failed,
            oldest_waiting_at: self.oldest_waiting_at,
            version: self.version,
            created_by: self.created_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Returns endpoints before an id, newest first.
pub(crate) async fn page(conn: &mut Conn<'_>, before: WebhookId, limit: i64, now: Timestamp) -> Result<Vec<Webhook>> {
    let rows = q!(conn => all Row, select!("WHERE w.id < $2 ORDER BY w.id DESC LIMIT ($3 + 0)"), CAP, before, limit)?;
    rows.into_iter().map(|row| row.webhook(now)).collect()
}

/// Returns one endpoint.
pub(crate) async fn find(conn: &mut Conn<'_>, id: WebhookId, now: Timestamp) -> Result<Option<Webhook>> {
    q!(conn => opt Row, select!("WHERE w.id = $2"), CAP, id)?.map(|row| row.webhook(now)).transpose()
}

/// Locks one endpoint until the transaction ends. Returns its sealed secret; none when there is no such endpoint.
pub(crate) async fn lock(conn: &mut Conn<'_>, id: WebhookId) -> Result<Option<Vec<u8>>> {
    Ok(q!(conn => optval Vec<u8>, [
        sqlite: "SELECT sealed FROM webhooks WHERE id = $1",
        pg: "SELECT sealed FROM webhooks WHERE id = $1 FOR NO KEY UPDATE",
    ], id)?)
}

pub(crate) async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(q!(conn => val i64, "SELECT CAST(count(*) AS BIGINT) FROM webhooks")?)
}

/// An endpoint that is stored.
#[derive(Debug)]
pub(crate) struct NewRow<'a> {
    pub id: WebhookId,
    pub url: &'a str,
    pub description: &'a str,
    pub kinds: &'a [WebhookKind],
    pub sealed: Vec<u8>,
    pub created_by: &'a Principal,
}

fn json(kinds: &[WebhookKind]) -> Result<String> {
    serde_json::to_string(kinds).map_err(Error::internal)
}

pub(crate) async fn create(conn: &mut Conn<'_>, new: NewRow<'_>, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "INSERT INTO webhooks (id, url, description, kinds, sealed, version, created_by, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $7)",
        new.id, new.url, new.description, json(new.kinds)?, new.sealed, new.created_by, now)?;
    Ok(())
}

/// Stores what staff changed of an endpoint. One that is switched on is as if it had never failed.
pub(crate) async fn update(conn: &mut Conn<'_>, to: &Webhook, now: Timestamp) -> Result<()> {
    q!(conn => exec,
        "UPDATE webhooks SET url = $2, description = $3, kinds = $4, disabled_at = $5, disabled_because = $6, failing_since = $7, \
         version = version + 1, updated_at = $8 WHERE id = $1",
        to.id, &to.url, &to.description, json(&to.kinds)?, to.disabled_at, to.disabled_because, to.failing_since, now)?;
    Ok(())
}

/// Replaces the secret of an endpoint; the one before signs too until a time.
pub(crate) async fn rotate(
    conn: &mut Conn<'_>,
    id: WebhookId,
    (sealed, old): (Vec<u8>, Vec<u8>),
    old_until: Timestamp,
    now: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE webhooks SET sealed = $2, old_sealed = $3, old_until = $4, version = version + 1, updated_at = $5 WHERE id = $1",
        id, sealed, old, old_until, now)?;
    Ok(())
}

/// Deletes an endpoint with its secrets. What was sent there goes with the retention.
pub(crate) async fn delete(conn: &mut Conn<'_>, id: WebhookId) -> Result<()> {
    q!(conn => exec, "DELETE FROM webhooks WHERE id = $1", id)?;
    q!(conn => exec, "DELETE FROM webhook_queues WHERE webhook_id = $1", id)?;
    Ok(())
}

/// A stored delivery.
#[derive(Debug, sqlx_macros::FromRow)]
struct DeliveryRow {
    id: DeliveryId,
    webhook_id: WebhookId,
    kind: WebhookKind,
    subject: String,
    state: DeliveryState,
    body: String,
    attempts: i64,
    not_before: Timestamp,
    last_try_at: Option<Timestamp>,
    http_status: Option<i64>,
    failure: Option<String>,
    finished_at: Option<Timestamp>,
    created_at: Timestamp,
}

macro_rules! deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT id, webhook_id, kind, subject, state, body, attempts, not_before, last_try_at, http_status, failure, finished_at, \
             created_at FROM webhook_deliveries WHERE webhook_id = $1 AND ",
            $rest
        )
    };
}

impl DeliveryRow {
    fn delivery(self) -> Result<WebhookDelivery> {
        Ok(WebhookDelivery {
            id: self.id,
            webhook_id: self.webhook_id,
            kind: self.kind,
            subject: self.subject,
            state: self.state,
            body: serde_json::from_str(&self.body).map_err(Error::internal)?,
            attempts: self.attempts,
            next_try_at: (self.state == DeliveryState::Waiting).then_some(self.not_before),
            last_try_at: self.last_try_at,
            http_status: self.http_status,
            failure: self.failure,
            finished_at: self.finished_at,
            created_at: self.created_at,
        })
    }
}

/// Returns what an endpoint was told before an id, newest first.
pub(crate) async fn delivery_page(
    conn: &mut Conn<'_>,
    webhook: WebhookId,
    state: Option<DeliveryState>,
    before: DeliveryId,
    limit: i64,
) -> Result<Vec<WebhookDelivery>> {
    let rows = match state {
        Some(state) => q!(conn => all DeliveryRow,
            deliveries!("state = ($2 || '') AND id < $3 ORDER BY id DESC LIMIT ($4 + 0)"), webhook, state, before, limit)?,
        None => q!(conn => all DeliveryRow,
            deliveries!("id < $2 ORDER BY id DESC LIMIT ($3 + 0)"), webhook, before, limit)?,
    };
    rows.into_iter().map(DeliveryRow::delivery).collect()
}

/// Returns one thing that an endpoint was told.
pub(crate) async fn find_delivery(
    conn: &mut Conn<'_>,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Option<WebhookDelivery>> {
    q!(conn => opt DeliveryRow, deliveries!("id = $2"), webhook, id)?.map(DeliveryRow::delivery).transpose()
}

/// Returns the oldest things that failed at an endpoint, from an id on, and what each is about.
pub(crate) async fn failed_since(
    conn: &mut Conn<'_>,
    webhook: WebhookId,
    first: DeliveryId,
) -> Result<Vec<(DeliveryId, String)>> {
    Ok(q!(conn => all (DeliveryId, String),
        "SELECT id, subject FROM webhook_deliveries WHERE webhook_id = $1 AND state = ('failed' || '') AND id >= $2 \
         ORDER BY id LIMIT ($3 + 0)", webhook, first, MAX_AGAIN + 1)?)
}

/// Queues a delivery again that is not waiting, with the attempts of a new one.
pub(crate) async fn send_again(
    conn: &mut Conn<'_>,
    webhook: WebhookId,
    (id, subject): (DeliveryId, &str),
    now: Timestamp,
) -> Result<()> {
    q!(conn => exec,
        "UPDATE webhook_deliveries SET state = 'waiting', not_before = $3, attempts = 0, first_try_at = NULL, finished_at = NULL \
         WHERE webhook_id = $1 AND id = $2 AND state <> 'waiting'", webhook, id, now)?;
    wake(conn, webhook, subject, now).await
}

/// Deletes a batch of what is from before a time.
pub(crate) async fn prune(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM webhook_deliveries WHERE seq IN \
         (SELECT seq FROM webhook_deliveries WHERE created_at < $1 ORDER BY created_at LIMIT ($2 + 0))",
        before, PRUNE_BATCH)?)
}

/// Deletes queues whose deliveries are pruned, of endpoints at which nobody looks.
pub(crate) async fn prune_queues(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(q!(conn => exec,
        "DELETE FROM webhook_queues WHERE next_at < $1 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d \
         WHERE d.subject = webhook_queues.subject AND d.webhook_id = webhook_queues.webhook_id AND d.state = 'waiting')",
        before)?)
}

/// Counts what waits and what failed.
pub(crate) async fn backlog(db: &Db, now: Timestamp) -> Result<Backlog> {
    let mut reader = db.read().await?;
    let all = page(&mut reader.conn(), WebhookId(uuid::Uuid::max()), super::model::MAX_WEBHOOKS, now).await?;
    let on = || all.iter().filter(|webhook| webhook.enabled);
    Ok(Backlog {
        waiting: on().map(|webhook| webhook.waiting).sum(),
        failed: all.iter().map(|webhook| webhook.failed).sum(),
        oldest_at: on().filter_map(|webhook| webhook.oldest_waiting_at).min(),
        disabled: i64::try_from(
            all.iter()
                .filter(|webhook| !matches!(webhook.disabled_because, None | Some(DisabledBecause::Staff)))
                .count(),
        )
        .unwrap_or(i64::MAX),
    })
}
