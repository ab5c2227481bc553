//! Webhooks: where the operator's own systems are told of what happens.

use serde::{Deserialize, Serialize};

use super::{input::PlainInput, operation::ListQuery};
use crate::{
    base::{
        change::{Change, Changed},
        ids::{DeliveryId, WebhookId},
        page::{Page, PageRequest},
        patch::Patch,
        time::Timestamp,
    },
    operations,
    records::webhooks::model::{
        DeliveryFilter, NewWebhook, Redelivered, Redelivery, UpdateWebhook, Webhook, WebhookDelivery, WebhookKind,
        WebhookWithSecret,
    },
};

/// How long an old secret signs beside a new one unless told otherwise, in seconds.
const OVERLAP: u64 = 86_400;

/// A webhook that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewWebhookInput {
    /// Where it leads: `https`, to a public address.
    pub url: String,
    /// What it is for, at most 500 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it is told of; `webhook.test`, which every webhook gets, is not enough.
    pub kinds: Vec<WebhookKind>,
    /// Changes nothing: the answer is what would have been, without a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Not for new ones: there is nothing yet that has a version.
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl NewWebhookInput {
    /// Returns a webhook that is wanted as a body.
    pub fn new(new: NewWebhook, change: &Change) -> Self {
        let NewWebhook { url, description, kinds } = new;
        Self { url, description, kinds, dry_run: change.dry_run, if_version: change.if_version }
    }
}

/// A change of a webhook, as a merge patch. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UpdateWebhookInput {
    /// Where it leads.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub url: Patch<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub description: Patch<String>,
    /// What it is told of, from now on; `webhook.test`, which every webhook gets, is not enough.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<WebhookKind>))]
    pub kinds: Patch<Vec<WebhookKind>>,
    /// Whether anything is sent there. What happens while it is off waits.
    #[serde(skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = bool))]
    pub enabled: Patch<bool>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the webhook is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

impl UpdateWebhookInput {
    /// Returns a change as a body.
    pub fn new(update: UpdateWebhook, change: &Change) -> Self {
        let UpdateWebhook { url, description, kinds, enabled } = update;
        Self { url, description, kinds, enabled, dry_run: change.dry_run, if_version: change.if_version }
    }
}

/// How a secret is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RotateWebhookInput {
    /// For how many seconds the secret before signs too: 86,400 (a day) unless named, at most 604,800 (7 days).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 604_800))]
    pub overlap: Option<u64>,
    /// Changes nothing: the answer is what would have been, without a secret.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Refuses unless the webhook is at this version (`If-Match`).
    #[serde(skip)]
    pub if_version: Option<i64>,
}

/// What is to be sent again: one delivery, or all that failed since a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RedeliverInput {
    /// This one, delivered or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<DeliveryId>,
    /// All that failed, of what happened since then; the oldest 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Changes nothing: the answer is what would have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Not for deliveries, which have no version.
    #[serde(skip)]
    pub if_version: Option<i64>,
}

bodies! {
    NewWebhookInput: dry_run if_version;
    UpdateWebhookInput: dry_run if_version;
    RotateWebhookInput: dry_run if_version;
    RedeliverInput: dry_run if_version;
}

operations! { "admin webhooks":
    /// Webhooks, newest first; never their secrets.
    ListWebhooks = GET "/v1/admin/webhooks" needs WebhooksRead,
    (op, (): (), page: PageRequest, (): ()) -> Page<Webhook> as "A page" {
        operations::webhooks::list(op, &page).await
    }

    /// Make a webhook. Its secret is in this answer and never again.
    CreateWebhook = POST "/v1/admin/webhooks" needs WebhooksWrite,
    (op, (): (), (): (), input: NewWebhookInput) -> Changed<WebhookWithSecret> as "Made"
    with { const DRY_RUN: Option<&'static str> = Some("What would have been made (`dry_run`)");
        // It would be stored, and the secret with it.
        const KEEPS_RESPONSE: bool = false; } {
        let NewWebhookInput { url, description, kinds, .. } = input;
        operations::webhooks::create(op, &NewWebhook { url, description, kinds }).await
    }

    /// One webhook.
    ShowWebhook = GET "/v1/admin/webhooks/{id}" needs WebhooksRead,
    (op, id: WebhookId, (): (), (): ()) -> Webhook as "The webhook"
    with { const VERSION: Option<fn(&Webhook) -> i64> = Some(|webhook| webhook.version); } {
        operations::webhooks::show(op, id).await
    }

    /// Change a webhook, or switch it off or on. On again, it is as if it had never failed.
    EditWebhook = PATCH "/v1/admin/webhooks/{id}" needs WebhooksWrite,
    (op, id: WebhookId, (): (), input: UpdateWebhookInput) -> Changed<Webhook> as "The webhook, as it is now" {
        let UpdateWebhookInput { url, description, kinds, enabled, .. } = input;
        let update = UpdateWebhook { url, description, kinds, enabled };
        operations::webhooks::update(op, id, update).await
    }

    /// Delete a webhook, its secrets, and what waits for it.
    DeleteWebhook = DELETE "/v1/admin/webhooks/{id}" needs WebhooksWrite,
    (op, id: WebhookId, (): (), _: PlainInput) -> Changed<Webhook> as "The webhook, as it was; of one that was deleted before, what is still known" {
        operations::webhooks::delete(op, id).await
    }

    /// Give a webhook a new secret, which is in this answer and never again. For a while the one before signs too.
    RotateWebhook = POST "/v1/admin/webhooks/{id}/rotate" needs WebhooksWrite,
    (op, id: WebhookId, (): (), input: RotateWebhookInput) -> Changed<WebhookWithSecret> as "The webhook, with its new secret"
    with { const KEEPS_RESPONSE: bool = false; } {
        operations::webhooks::rotate(op, id, input.overlap.unwrap_or(OVERLAP)).await
    }

    /// Try a webhook out: it is sent `webhook.test`.
    TestWebhook = POST "/v1/admin/webhooks/{id}/test" needs WebhooksWrite,
    (op, id: WebhookId, (): (), _: PlainInput) -> Changed<WebhookDelivery> as "What is sent, as it waits" {
        operations::webhooks::test(op, id).await
    }

    /// What a webhook was and is to be told, newest first.
    ListDeliveries = GET "/v1/admin/webhooks/{id}/deliveries" needs WebhooksRead,
    (op, id: WebhookId, list: ListQuery<DeliveryFilter>, (): ()) -> Page<WebhookDelivery> as "A page" {
        operations::webhooks::deliveries(op, id, &list.filter, &list.page).await
    }

    /// Have one thing sent to a webhook again, or all that failed since a time.
    RedeliverWebhook = POST "/v1/admin/webhooks/{id}/redeliver" needs WebhooksWrite,
    (op, id: WebhookId, (): (), input: RedeliverInput) -> Changed<Redelivered> as "How much is sent again" {
        operations::webhooks::redeliver(op, id, Redelivery::of(input.delivery_id, input.since)?).await
    }
}
