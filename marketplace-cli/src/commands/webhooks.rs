//! `marketplace webhooks`.

use clap::Subcommand;
use marketplace_core::{
    base::{
        change::{Change, Changed},
        patch::Patch,
    },
    ids::{DeliveryId, WebhookId},
    staff::{
        CreateWebhook, DeleteWebhook, EditWebhook, ListDeliveries, ListQuery, ListWebhooks, NewWebhookInput,
        RedeliverInput, RedeliverWebhook, RotateWebhook, RotateWebhookInput, ShowWebhook, TestWebhook,
        UpdateWebhookInput,
    },
    time::Timestamp,
    webhooks::model::{
        DeliveryFilter, DeliveryState, NewWebhook, Redelivered, UpdateWebhook, Webhook, WebhookDelivery, WebhookKind,
        WebhookWithSecret,
    },
};

use super::tokens::require_shown;
use crate::{
    args::{self, BatchArgs, ChangeArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::{Ref, reference},
};

/// How a change of one webhook is made.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// Refuse unless it is at this version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Asked {
    fn args(&self) -> ChangeArgs {
        ChangeArgs { note: None, dry_run: self.dry_run, yes: self.yes }
    }

    fn change(&self) -> Change {
        Change { dry_run: self.dry_run, if_version: self.if_version, ..Change::default() }
    }
}

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Webhooks, newest first; never their secrets
    #[command(after_help = "Example:\n  marketplace webhooks list --limit 0")]
    List {
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One webhook: whether it works, and what waits for it
    #[command(after_help = "Example:\n  marketplace webhooks show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The webhook
        #[arg(value_parser = reference::<WebhookId>)]
        id: Ref<WebhookId>,
    },
    /// Have a system told of what happens; the secret that it verifies with is printed this once
    #[command(after_help = "Examples:\n  \
        marketplace webhooks create https://example.org/hooks --kind job.changed,review.changed --yes\n  \
        marketplace webhooks create https://example.org/hooks --kind kyc.decided --description 'Payouts' --yes -o json --fields item.secret")]
    Create {
        /// Where it leads: https, to a public address
        url: String,
        /// What it is told of; several, or with commas between
        #[arg(long = "kind", value_name = "KIND", required = true, value_delimiter = ',',
            value_parser = one_of::<WebhookKind>(WebhookKind::ASKED_FOR))]
        kinds: Vec<WebhookKind>,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Change a webhook, or switch it off or on; what happens while it is off waits
    #[command(after_help = "Examples:\n  \
        marketplace webhooks update 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --enable --yes\n  \
        marketplace webhooks update 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --url https://example.org/new --kind job.changed --yes")]
    Update {
        /// The webhook
        #[arg(value_parser = reference::<WebhookId>)]
        id: Ref<WebhookId>,
        /// Where it leads
        #[arg(long)]
        url: Option<String>,
        /// What it is told of, from now on; several, or with commas between
        #[arg(long = "kind", value_name = "KIND", value_delimiter = ',',
            value_parser = one_of::<WebhookKind>(WebhookKind::ASKED_FOR))]
        kinds: Vec<WebhookKind>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Send there again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Send nothing there
        #[arg(long)]
        disable: bool,
        /// How the change is made.
        #[command(flatten)]
        asked: Asked,
    },
    /// Delete webhooks, with their secrets and what waits for them
    #[command(after_help = "Example:\n  marketplace webhooks delete 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Delete {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Give a webhook a new secret, which is printed this once; for a while the old one signs too
    #[command(
        after_help = "Example:\n  marketplace webhooks rotate 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --overlap 2d --yes"
    )]
    Rotate {
        /// The webhook
        #[arg(value_parser = reference::<WebhookId>)]
        id: Ref<WebhookId>,
        /// For how long the old secret signs too: 2d, 12h or 30m; at most 7d
        #[arg(long, value_name = "TIME", value_parser = args::span)]
        overlap: Option<u64>,
        /// How the change is made.
        #[command(flatten)]
        asked: Asked,
    },
    /// Try a webhook out: it is sent `webhook.test`
    #[command(after_help = "How it went is in the list of deliveries, a moment later.\n\n\
        Example:\n  marketplace webhooks test 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Test {
        /// The webhook
        #[arg(value_parser = reference::<WebhookId>)]
        id: Ref<WebhookId>,
        /// How the change is made.
        #[command(flatten)]
        asked: Asked,
    },
    /// What a webhook was and is to be told, newest first
    #[command(
        after_help = "Example:\n  marketplace webhooks deliveries 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --state failed"
    )]
    Deliveries {
        /// The webhook
        #[arg(value_parser = reference::<WebhookId>)]
        id: Ref<WebhookId>,
        /// Only those
        #[arg(long, value_parser = one_of::<DeliveryState>(DeliveryState::NAMES))]
        state: Option<DeliveryState>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// Send something to a webhook again: one delivery, or all that failed since a time
    #[command(after_help = "Of what failed, the oldest 1,000 at a time; the answer says whether there are more.\n\n\
        Examples:\n  \
        marketplace webhooks redeliver 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --since 7d --yes\n  \
        marketplace webhooks redeliver 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --delivery 019a8f3f-1c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Redeliver {
        /// The webhook
        #[arg(value_parser = reference::<WebhookId>)]
        id: Ref<WebhookId>,
        /// All that failed, of what happened since then: 7d, 12h, a date or a time
        #[arg(long, value_name = "TIME", value_parser = args::moment, required_unless_present = "delivery", conflicts_with = "delivery")]
        since: Option<Timestamp>,
        /// This one
        #[arg(long, value_name = "ID", value_parser = args::id::<DeliveryId>)]
        delivery: Option<DeliveryId>,
        /// How the change is made.
        #[command(flatten)]
        asked: Asked,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::List { range } => {
            context.out.check::<Webhook>()?;
            let api = context.connect().await?;
            context.stream(&range, async |page| api.call::<ListWebhooks>((), page, ()).await).await
        }
        Verb::Show { id } => {
            context.out.check::<Webhook>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.out.item(&api.call::<ShowWebhook>(id, (), ()).await?)
        }
        Verb::Create { url, kinds, description, dry_run, yes } => {
            create(context, NewWebhook { url, description, kinds }, &ChangeArgs { note: None, dry_run, yes }).await
        }
        Verb::Update { id, url, kinds, description, enable, disable, asked } => {
            let set = |given: bool| if given { Patch::Set(enable) } else { Patch::Keep };
            let update = UpdateWebhook {
                url: url.map_or(Patch::Keep, Patch::Set),
                description: description.map_or(Patch::Keep, Patch::Set),
                kinds: if kinds.is_empty() { Patch::Keep } else { Patch::Set(kinds) },
                enabled: set(enable || disable),
            };
            context.check_change::<Changed<Webhook>>(&asked.args())?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.confirm(&format!("Change the webhook {id}?"), &asked.args(), Care::Ask).await?;
            let input = UpdateWebhookInput::new(update, &asked.change());
            context.print_change(&api.call::<EditWebhook>(id, (), input).await?, &asked.args())
        }
        Verb::Delete { batch, change } => {
            let api = context.connect_to_change::<Webhook>(&batch, &change).await?;
            let how = VersionedArgs { if_version: None, change: change.clone() };
            let describe = async |id: WebhookId| -> Outcome<String> { Ok(format!("the webhook {id}")) };
            let apply = async |id: WebhookId, line: Line| -> Outcome<Changed<Webhook>> {
                Ok(api.call::<DeleteWebhook>(id, (), line.change(&how).into()).await?)
            };
            context.change("Delete", &batch, &change, Care::Ask, describe, apply).await
        }
        Verb::Rotate { id, overlap, asked } => rotate(context, &id, overlap, &asked).await,
        Verb::Test { id, asked } => {
            context.check_change::<Changed<WebhookDelivery>>(&asked.args())?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.confirm(&format!("Send a test to the webhook {id}?"), &asked.args(), Care::Ask).await?;
            context.print_change(&api.call::<TestWebhook>(id, (), asked.change().into()).await?, &asked.args())
        }
        Verb::Deliveries { id, state, range } => {
            context.out.check::<WebhookDelivery>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            let filter = DeliveryFilter { state };
            context
                .stream(&range, async |page| api.call::<ListDeliveries>(id, ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Redeliver { id, since, delivery, asked } => {
            context.check_change::<Changed<Redelivered>>(&asked.args())?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.confirm(&format!("Send to the webhook {id} again?"), &asked.args(), Care::Ask).await?;
            let input = RedeliverInput { delivery_id: delivery, since, dry_run: asked.dry_run, if_version: None };
            context.print_change(&api.call::<RedeliverWebhook>(id, (), input).await?, &asked.args())
        }
    }
}

async fn create(context: &Context, new: NewWebhook, change: &ChangeArgs) -> Outcome {
    context.check_change::<Changed<WebhookWithSecret>>(change)?;
    require_secret_shown(context, change)?;
    context.confirm(&format!("Make a webhook to {}?", new.url), change, Care::Ask).await?;
    let api = context.connect().await?;
    let asked = Change { dry_run: change.dry_run, ..Change::default() };
    let created = api.call::<CreateWebhook>((), (), NewWebhookInput::new(new, &asked)).await?;
    if let Err(failure) = context.print_change(&created, change) {
        if change.dry_run {
            return Err(failure);
        }
        let id = created.item.webhook.id;
        return Err(match api.call::<DeleteWebhook>(id, (), Change::default().into()).await {
            Ok(_) => anyhow::anyhow!("the secret cannot be printed, so the webhook {id} was deleted again"),
            Err(error) => anyhow::anyhow!(
                "the secret cannot be printed, and the webhook {id} is there, as it cannot be deleted: {error}"
            ),
        }
        .into());
    }
    note_secret(context, change);
    Ok(())
}

async fn rotate(context: &Context, id: &Ref<WebhookId>, overlap: Option<u64>, asked: &Asked) -> Outcome {
    let change = asked.args();
    context.check_change::<Changed<WebhookWithSecret>>(&change)?;
    require_secret_shown(context, &change)?;
    let api = context.connect().await?;
    let id = id.find(&api).await?;
    context.confirm(&format!("Give the webhook {id} a new secret?"), &change, Care::Ask).await?;
    let input = RotateWebhookInput { overlap, dry_run: asked.dry_run, if_version: asked.if_version };
    let rotated = api.call::<RotateWebhook>(id, (), input).await?;
    context.print_change(&rotated, &change)?;
    note_secret(context, &change);
    Ok(())
}

fn note_secret(context: &Context, change: &ChangeArgs) {
    if !change.dry_run {
        context.out.note("keep the secret now: it is shown this once");
    }
}

/// What stands for the secret in the example of what is printed.
const EXAMPLE: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";

fn require_secret_shown(context: &Context, change: &ChangeArgs) -> Outcome {
    let id = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";
    let time = "2026-03-02T10:00:00.000000Z";
    let example = serde_json::json!({ "changed": true, "item": { "secret": EXAMPLE, "webhook": {
        "id": id, "url": "https://example.org/hooks", "description": "", "kinds": ["job.changed"], "enabled": true,
        "disabled_because": null, "disabled_at": null, "failing_since": null, "old_secret_until": null, "waiting": 0, "failed": 0,
        "oldest_waiting_at": null, "version": 1, "created_by": format!("user:{id}"), "created_at": time, "updated_at": time,
    } } });
    require_shown(context, change, &example, EXAMPLE, "item.webhook.id")
}
