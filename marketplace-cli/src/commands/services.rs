//! `marketplace services`.

use clap::Subcommand;
use marketplace_core::{
    base::change::Changed,
    ids::{ServiceId, UserId},
    messaging::model::RemovalReason,
    services::model::{ServiceDetail, ServiceFilter, ServiceStatus, ServiceSummary},
    staff::{CloseService, Connection, ListQuery, ListServices, ReasonedInput, ReopenService, ShowService},
};

use crate::{
    args::{BatchArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::{Ref, optional, reference},
};

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Services in any state, newest first
    #[command(after_help = "Examples:\n  \
        marketplace services list --status published --since 1d\n  \
        marketplace services list --worker-id ada@example.org")]
    List {
        /// Only with these words in the title, or of workers whom this finds; '"in quotes"', only titles are searched
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        /// Only in this state
        #[arg(long, value_parser = one_of::<ServiceStatus>(ServiceStatus::NAMES))]
        status: Option<ServiceStatus>,
        /// Only of this worker
        #[arg(long, alias = "worker", value_name = "ID", value_parser = reference::<UserId>)]
        worker_id: Option<Ref<UserId>>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One service, whole
    #[command(after_help = "Example:\n  marketplace services show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The service
        #[arg(value_parser = reference::<ServiceId>)]
        id: Ref<ServiceId>,
    },
    /// Close services: nobody finds them, and their workers, who are told why, cannot publish them again
    #[command(after_help = "Lines of --stdin may override: reason, note, if_version.\n\n\
        Examples:\n  \
        marketplace services close 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason fraud --note 'case 4711'\n  \
        marketplace services list --worker-id ada@example.org -o id | marketplace services close --stdin --yes --reason spam")]
    Close {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<RemovalReason>(RemovalReason::NAMES))]
        reason: Option<RemovalReason>,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Take the closing of services back: their workers can publish them again
    #[command(after_help = "Lines of --stdin may override: note, if_version.\n\n\
        Example:\n  marketplace services reopen 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Reopen {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::List { q, status, worker_id, range } => {
            context.out.check::<ServiceSummary>()?;
            let api = context.connect().await?;
            let filter = ServiceFilter { status, worker_id: optional(&api, worker_id.as_ref()).await?, q };
            context
                .stream(&range, async |page| api.call::<ListServices>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Show { id } => {
            context.out.check::<ServiceDetail>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.out.item(&api.call::<ShowService>(id, (), ()).await?)
        }
        Verb::Close { batch, reason, how } => {
            let reason = context.reason(reason, RemovalReason::NAMES, &how.change).await?;
            if !batch.stdin {
                Line::default().reason(reason)?;
            }
            let api = context.connect_to_change::<ServiceDetail>(&batch, &how.change).await?;
            let apply = async |id: ServiceId, line: Line<RemovalReason>| -> Outcome<Changed<ServiceDetail>> {
                let input = ReasonedInput::new(line.reason(reason)?, line.change(&how));
                Ok(api.call::<CloseService>(id, (), input).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Close", &batch, &how.change, Care::Ask, describe, apply).await
        }
        Verb::Reopen { batch, how } => {
            let api = context.connect_to_change::<ServiceDetail>(&batch, &how.change).await?;
            let apply = async |id: ServiceId, line: Line| -> Outcome<Changed<ServiceDetail>> {
                Ok(api.call::<ReopenService>(id, (), line.change(&how).into()).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Take back the closing of", &batch, &how.change, Care::Ask, describe, apply).await
        }
    }
}

async fn describe(api: &Connection, id: ServiceId) -> Outcome<String> {
    let ServiceSummary { title, worker_name, status, .. } = api.call::<ShowService>(id, (), ()).await?.service;
    Ok(format!("“{title}” of {worker_name} ({status})"))
}
