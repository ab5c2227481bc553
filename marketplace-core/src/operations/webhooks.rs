//! The staff's use cases about webhooks.

use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::{
    accounts::model::Checks,
    base::{
        change::Changed,
        error::{Error, ErrorCode, Result},
        ids::{DeliveryId, WebhookId, first_uuid_v7},
        page::{Page, PageRequest, TimeCursor},
        permission::Permission,
        principal::Principal,
        time::Timestamp,
    },
    operation::Operation,
    platform::{db::Conn, webhooks::address},
    records::{
        audit::{self, AuditAction, AuditRow, Entry},
        target::TargetKind,
        webhooks::{
            self,
            model::{
                DeliveryFilter, DeliveryState, DisabledBecause, LONGEST_OVERLAP, MAX_AGAIN, MAX_WEBHOOKS, NewWebhook,
                Redelivered, Redelivery, Secret, UpdateWebhook, Webhook, WebhookDelivery, WebhookKind,
                WebhookWithSecret, check_description, check_kinds,
            },
            store,
        },
    },
};

/// Returns webhooks, newest first.
///
/// # Errors
/// `forbidden` without the permission; `invalid` for a limit or cursor that is not valid.
pub async fn list(op: &Operation, page: &PageRequest) -> Result<Page<Webhook>> {
    op.actor().require(Permission::WebhooksRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("webhooks")?.map_or(Uuid::max(), |cursor| cursor.id);
    let mut reader = op.db.read().await?;
    let rows = store::page(&mut reader.conn(), WebhookId(before), limit + 1, op.now()).await?;
    Ok(Page::of_list("webhooks", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}

/// Returns one webhook.
///
/// # Errors
/// `not_found` when there is no such webhook; `forbidden` without the permission.
pub async fn show(op: &Operation, id: WebhookId) -> Result<Webhook> {
    op.actor().require(Permission::WebhooksRead)?;
    let mut reader = op.db.read().await?;
    found(op, &mut reader.conn(), id).await
}

/// Returns what a webhook was and is to be told, newest first.
///
/// # Errors
/// Those of [`list`] and [`show`].
pub async fn deliveries(
    op: &Operation,
    id: WebhookId,
    filter: &DeliveryFilter,
    page: &PageRequest,
) -> Result<Page<WebhookDelivery>> {
    op.actor().require(Permission::WebhooksRead)?;
    let limit = page.checked_limit()?;
    let before = page.cursor_in::<TimeCursor>("deliveries")?.map_or(Uuid::max(), |cursor| cursor.id);
    let mut reader = op.db.read().await?;
    let mut conn = reader.conn();
    found(op, &mut conn, id).await?;
    let rows = store::delivery_page(&mut conn, id, filter.state, DeliveryId(before), limit + 1).await?;
    Ok(Page::of_list("deliveries", rows, limit, |row| TimeCursor { at: row.created_at, id: row.id.0 }))
}

/// Creates a webhook. Its secret is returned only here.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `conflict` beyond 50 webhooks; `forbidden` without the permission.
pub async fn create(op: &Operation, new: &NewWebhook) -> Result<Changed<WebhookWithSecret>> {
    op.actor().require(Permission::WebhooksWrite)?;
    let mut checks = Checks::default();
    let url = checks.take(address::checked(&new.url, &op.config.webhooks));
    let description = checks.take(check_description(&new.description));
    let kinds = checks.take(check_kinds(&new.kinds));
    checks.finish()?;
    let (Some(url), Some(description), Some(kinds)) = (url, description, kinds) else {
        return Err(Error::internal("checks passed without values"));
    };
    let secret = Secret::new(op.random.as_ref());
    let shown = secret.text();

    let webhook = op.write(unit!(|op, conn| {
        if store::count(conn).await? >= MAX_WEBHOOKS {
            return Err(Error::conflict(
                format!("there are {MAX_WEBHOOKS} webhooks already; delete some first"),
                serde_json::json!({ "most": MAX_WEBHOOKS }),
            ));
        }
        let (id, by) = (WebhookId::new(op.now(), op.random.as_ref()), op.actor().principal());
        let sealed = seal(&op, id, &secret)?;
        let row =
            store::NewRow { id, url: url.as_str(), description: &description, kinds: &kinds, sealed, created_by: &by };
        store::create(conn, row, op.now()).await?;
        let metadata = serde_json::json!({ "kinds": kinds, "host": url.host_str() });
        record(&op, conn, AuditAction::WebhooksCreate, id, metadata).await?;
        found(&op, conn, id).await
    }));
    let webhook = webhook.await?;
    Ok(Changed { changed: true, item: WebhookWithSecret { webhook, secret: (!op.change().dry_run).then_some(shown) } })
}

/// Changes a webhook. One that is switched on is as if it had never failed: what waits is tried soon. An update that changes
/// nothing makes no new version.
///
/// # Errors
/// `invalid` with each field that breaks a rule; `not_found` when there is no such webhook; `forbidden` without the
/// permission; `precondition_failed` at another version.
pub async fn update(op: &Operation, id: WebhookId, update: UpdateWebhook) -> Result<Changed<Webhook>> {
    op.actor().require(Permission::WebhooksWrite)?;
    let mut checks = Checks::default();
    let url = checks.take(update.url.required("/url")).flatten();
    let url = checks.take(url.map(|url| address::checked(&url, &op.config.webhooks)).transpose()).flatten();
    let description =
        checks.take(update.description.or_empty().map(|text| check_description(&text)).transpose()).flatten();
    let kinds = checks.take(update.kinds.required("/kinds")).flatten();
    let kinds = checks.take(kinds.map(|kinds| check_kinds(&kinds)).transpose()).flatten();
    let enabled = checks.take(update.enabled.required("/enabled")).flatten();
    checks.finish()?;

    op.write(unit!(|op, conn| {
        let before = locked(&op, conn, id).await?.1;
        op.check_version(before.version)?;
        let mut after = before.clone();
        let mut fields = Vec::new();
        if let Some(url) = url.filter(|url| url.as_str() != before.url) {
            after.url = url.into();
            fields.push("url");
        }
        if let Some(description) = description.filter(|text| *text != before.description) {
            after.description = description;
            fields.push("description");
        }
        if let Some(kinds) = kinds.filter(|kinds| *kinds != before.kinds) {
            after.kinds = kinds;
            fields.push("kinds");
        }
        match enabled {
            Some(true) if !before.enabled => {
                (after.disabled_at, after.disabled_because, after.failing_since) = (None, None, None);
                store::begin_anew(conn, id, op.now()).await?;
                fields.push("enabled");
            }
            Some(false) if before.enabled => {
                (after.disabled_at, after.disabled_because) = (Some(op.now()), Some(DisabledBecause::Staff));
                fields.push("disabled");
            }
            _ => {}
        }
        if fields.is_empty() {
            return Ok(Changed { changed: false, item: before });
        }
        store::update(conn, &after, op.now()).await?;
        let metadata = serde_json::json!({ "fields": fields, "kinds": after.kinds });
        record(&op, conn, AuditAction::WebhooksUpdate, id, metadata).await?;
        Ok(Changed { changed: true, item: found(&op, conn, id).await? })
    }))
    .await
}

/// Deletes a webhook with its secrets, and what waits for it. Returns it as it was; one that was deleted before is unchanged, and
/// has no description and only the host of its address.
///
/// # Errors
/// `not_found` when there is and was no such webhook; `forbidden` without the permission; `precondition_failed` at another version.
pub async fn delete(op: &Operation, id: WebhookId) -> Result<Changed<Webhook>> {
    op.actor().require(Permission::WebhooksWrite)?;

    let deleted = op.write(unit!(|op, conn| {
        let (_, item) = locked(&op, conn, id).await?;
        op.check_version(item.version)?;
        store::delete(conn, id).await?;
        let Webhook { kinds, waiting, version, created_by, created_at, .. } = &item;
        let origin = Url::parse(&item.url).map_err(Error::internal)?.origin().ascii_serialization();
        let metadata = serde_json::json!({
            "waiting": waiting, "origin": origin, "kinds": kinds, "created_by": created_by, "created_at": created_at,
            "version": version,
        });
        record(&op, conn, AuditAction::WebhooksDelete, id, metadata).await?;
        Ok(Changed { changed: true, item })
    }));
    let missing = match deleted.await {
        Err(error) if error.code() == ErrorCode::NotFound => error,
        deleted => return deleted,
    };
    let row = audit::earlier(op, AuditAction::WebhooksDelete, id, |_| true).await?;
    let item = row.and_then(|row| recorded(id, row)).ok_or(missing)?;
    Ok(Changed { changed: false, item })
}

/// What was recorded of a webhook when it was deleted.
#[derive(Deserialize)]
struct Recorded {
    origin: String,
    kinds: Vec<WebhookKind>,
    created_by: Principal,
    created_at: Timestamp,
    version: i64,
}

/// Returns a webhook from what was recorded when it was deleted. Nothing waits for it any more.
fn recorded(id: WebhookId, row: AuditRow) -> Option<Webhook> {
    let Recorded { origin, kinds, created_by, created_at, version } = serde_json::from_value(row.metadata).ok()?;
    Some(Webhook {
        id,
        url: origin,
        description: String::new(),
        kinds,
        enabled: false,
        disabled_because: Some(DisabledBecause::Staff),
        disabled_at: Some(row.at),
        failing_since: None,
        old_secret_until: None,
        waiting: 0,
        failed: 0,
        oldest_waiting_at: None,
        version,
        created_by,
        created_at,
        updated_at: row.at,
    })
}

/// Rotates the secret of a webhook; the new one is returned only here. For `overlap` seconds the one before signs too, so that the
/// receiver can change over; one before that does not any more.
///
/// # Errors
/// `invalid` for an overlap of more than 7 days; otherwise those of [`delete`].
pub async fn rotate(op: &Operation, id: WebhookId, overlap: u64) -> Result<Changed<WebhookWithSecret>> {
    op.actor().require(Permission::WebhooksWrite)?;
    if overlap > LONGEST_OVERLAP {
        return Err(Error::invalid("/overlap", format!("must be at most {LONGEST_OVERLAP} seconds (7 days)")));
    }
    let secret = Secret::new(op.random.as_ref());
    let shown = secret.text();

    let webhook = op.write(unit!(|op, conn| {
        let (old, webhook) = locked(&op, conn, id).await?;
        op.check_version(webhook.version)?;
        let until = op.now() + std::time::Duration::from_secs(overlap);
        store::rotate(conn, id, (seal(&op, id, &secret)?, old), until, op.now()).await?;
        record(&op, conn, AuditAction::WebhooksRotate, id, serde_json::json!({ "overlap": overlap })).await?;
        found(&op, conn, id).await
    }));
    let webhook = webhook.await?;
    Ok(Changed { changed: true, item: WebhookWithSecret { webhook, secret: (!op.change().dry_run).then_some(shown) } })
}

/// Queues a test delivery to a webhook. Returns it as it waits; a moment later its state shows the result.
///
/// # Errors
/// `conflict` for one that is switched off; `not_found` when there is no such webhook; `forbidden` without the permission.
pub async fn test(op: &Operation, id: WebhookId) -> Result<Changed<WebhookDelivery>> {
    op.actor().require(Permission::WebhooksWrite)?;

    op.write(unit!(|op, conn| {
        let (_, webhook) = locked(&op, conn, id).await?;
        require_enabled(&webhook)?;
        let (delivery, kind) = (webhooks::new_id(&op), WebhookKind::Test);
        let body = webhooks::body(&op, kind, &serde_json::json!({ "webhook_id": id }));
        let new = store::New { id: delivery, kind, subject: delivery.to_string(), body, not_before: op.now() };
        store::insert_for(conn, id, &new, op.now()).await?;
        record(&op, conn, AuditAction::WebhooksTest, id, serde_json::json!({ "delivery": delivery })).await?;
        let item = store::find_delivery(conn, id, delivery).await?.ok_or_else(|| Error::not_found("delivery"))?;
        Ok(Changed { changed: true, item })
    }))
    .await
}

/// Queues one delivery to a webhook again, or all that failed since a time, the oldest first and at most 1,000. What waits
/// anyway stays as it is.
///
/// # Errors
/// `not_found` when there is no such webhook or delivery; `forbidden` without the permission.
pub async fn redeliver(op: &Operation, id: WebhookId, what: Redelivery) -> Result<Changed<Redelivered>> {
    op.actor().require(Permission::WebhooksWrite)?;

    op.write(unit!(|op, conn| {
        locked(&op, conn, id).await?;
        let mut again = match what {
            Redelivery::One(delivery) => {
                let found =
                    store::find_delivery(conn, id, delivery).await?.ok_or_else(|| Error::not_found("delivery"))?;
                if found.state == DeliveryState::Waiting { Vec::new() } else { vec![(delivery, found.subject)] }
            }
            Redelivery::FailedSince(since) => {
                let since = since.max(Timestamp::EPOCH);
                store::failed_since(conn, id, DeliveryId(first_uuid_v7(since))).await?
            }
        };
        let most = usize::try_from(MAX_AGAIN).unwrap_or(usize::MAX);
        let more = again.len() > most;
        again.truncate(most);
        for (delivery, subject) in &again {
            store::send_again(conn, id, (*delivery, subject), op.now()).await?;
        }
        let deliveries = i64::try_from(again.len()).unwrap_or(MAX_AGAIN);
        if deliveries > 0 {
            let delivery = if let Redelivery::One(id) = what { Some(id) } else { None };
            let metadata = serde_json::json!({ "deliveries": deliveries, "delivery": delivery });
            record(&op, conn, AuditAction::WebhooksRedeliver, id, metadata).await?;
        }
        Ok(Changed { changed: deliveries > 0, item: Redelivered { webhook_id: id, deliveries, more } })
    }))
    .await
}

fn require_enabled(webhook: &Webhook) -> Result<()> {
    if webhook.enabled {
        return Ok(());
    }
    let current = serde_json::json!({ "enabled": false, "disabled_because": webhook.disabled_because });
    Err(Error::conflict("the webhook is switched off; switch it on first", current))
}

fn seal(op: &Operation, id: WebhookId, secret: &Secret) -> Result<Vec<u8>> {
    op.keys.seal(&webhooks::context(id), secret.bytes(), op.random.as_ref())
}

async fn found(op: &Operation, conn: &mut Conn<'_>, id: WebhookId) -> Result<Webhook> {
    store::find(conn, id, op.now()).await?.ok_or_else(|| Error::not_found("webhook"))
}

/// Locks a webhook. Returns its sealed secret, and what it is.
async fn locked(op: &Operation, conn: &mut Conn<'_>, id: WebhookId) -> Result<(Vec<u8>, Webhook)> {
    let sealed = store::lock(conn, id).await?.ok_or_else(|| Error::not_found("webhook"))?;
    Ok((sealed, found(op, conn, id).await?))
}

async fn record(
    op: &Operation,
    conn: &mut Conn<'_>,
    action: AuditAction,
    id: WebhookId,
    metadata: serde_json::Value,
) -> Result<()> {
    let entry = Entry { action, target_kind: TargetKind::Webhook, target: id.to_string(), reason: None, metadata };
    audit::append(op, conn, entry).await
}
