//! Webhooks. Secrets differ between two worlds, and are compared by their form.

use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
        permission::Role,
    },
    error::Result,
    ids::{DeliveryId, WebhookId},
    page::PageRequest,
    staff::{
        CreateWebhook, DeleteWebhook, EditWebhook, ListDeliveries, ListQuery, ListWebhooks, NewWebhookInput,
        RedeliverInput, RedeliverWebhook, RotateWebhook, RotateWebhookInput, ShowWebhook, TestWebhook,
        UpdateWebhookInput,
    },
    webhooks::model::{DeliveryFilter, NewWebhook, UpdateWebhook, WebhookKind, WebhookWithSecret},
};
use serde_json::json;

use crate::{dry, script::Script, world::World};

const UNKNOWN: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3f";

fn note(script: &mut Script, step: &str, made: &Result<Changed<WebhookWithSecret>>) {
    match made {
        Ok(made) => {
            let secret = made.item.secret.as_ref().map(|secret| (secret[..6].to_owned(), secret.len()));
            script.note(step, json!({ "ok": [made.changed, made.item.webhook, secret] }));
        }
        Err(_) => script.heard(step, made),
    }
}

pub async fn webhooks(world: &World, script: &mut Script) {
    let ((lea, _), (sam, _)) = (world.staff(Role::Admin).await, world.staff(Role::Support).await);
    let new = |url: &str| NewWebhook {
        url: url.into(),
        description: "Payouts — ünï".into(),
        kinds: vec![WebhookKind::KycDecided, WebhookKind::JobChanged, WebhookKind::JobChanged],
    };
    let mut made = None;
    for (step, url, change) in [
        ("webhooks_create dry", "https://hooks.invalid/a", dry()),
        ("webhooks_create", "https://hooks.invalid/a", Change::default()),
        ("webhooks_create at home", "https://127.0.0.1/", Change::default()),
    ] {
        let answer = lea.call::<CreateWebhook>((), (), NewWebhookInput::new(new(url), &change)).await;
        note(script, step, &answer);
        made = answer.ok().filter(|answer| answer.item.secret.is_some()).map(|answer| answer.item.webhook.id).or(made);
    }
    let (id, unknown): (WebhookId, WebhookId) = (made.unwrap(), UNKNOWN.parse().unwrap());
    let page = PageRequest::default();
    script.heard("webhooks_list", &lea.call::<ListWebhooks>((), page.clone(), ()).await);
    script.heard("webhooks_list by support", &sam.call::<ListWebhooks>((), page.clone(), ()).await);
    for (who, id) in [("known", id), ("unknown", unknown)] {
        script.heard(format!("webhooks_show {who}"), &lea.call::<ShowWebhook>(id, (), ()).await);
        let update = UpdateWebhook { description: Patch::Clear, ..UpdateWebhook::default() };
        let update = UpdateWebhookInput::new(update, &Change::default());
        script.heard(format!("webhooks_update {who}"), &lea.call::<EditWebhook>(id, (), update).await);
        let rotated = lea.call::<RotateWebhook>(id, (), RotateWebhookInput::default()).await;
        note(script, &format!("webhooks_rotate {who}"), &rotated);
        let list = ListQuery::new(&DeliveryFilter::default(), &page);
        script.heard(format!("webhooks_deliveries {who}"), &lea.call::<ListDeliveries>(id, list, ()).await);
        script.heard(format!("webhooks_test {who}"), &lea.call::<TestWebhook>(id, (), dry().into()).await);
        let since = RedeliverInput { since: Some(world.test.app().now()), ..RedeliverInput::default() };
        script.heard(format!("webhooks_redeliver {who}"), &lea.call::<RedeliverWebhook>(id, (), since).await);
    }
    let delivery: DeliveryId = UNKNOWN.parse().unwrap();
    let one = RedeliverInput { delivery_id: Some(delivery), ..RedeliverInput::default() };
    script.heard("webhooks_redeliver one", &lea.call::<RedeliverWebhook>(id, (), one).await);
    script.heard("webhooks_redeliver none", &lea.call::<RedeliverWebhook>(id, (), RedeliverInput::default()).await);
    let off = UpdateWebhook { enabled: Patch::Set(false), ..UpdateWebhook::default() };
    let off = UpdateWebhookInput::new(off, &Change::default());
    script.heard("webhooks_update off", &lea.call::<EditWebhook>(id, (), off).await);
    script.heard("webhooks_test off", &lea.call::<TestWebhook>(id, (), Change::default().into()).await);
    script.heard("webhooks_delete dry", &lea.call::<DeleteWebhook>(id, (), dry().into()).await);
    script.heard("webhooks_delete", &lea.call::<DeleteWebhook>(id, (), Change::default().into()).await);
    script.heard("webhooks_delete again", &lea.call::<DeleteWebhook>(id, (), Change::default().into()).await);
    let none: WebhookId = UNKNOWN.parse().unwrap();
    script.heard("webhooks_delete none", &lea.call::<DeleteWebhook>(none, (), Change::default().into()).await);
}
