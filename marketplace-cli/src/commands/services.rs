//! `marketplace services`.

use std::path::PathBuf;

use clap::Subcommand;
use marketplace_core::{
    base::change::Changed,
    ids::{PhotoId, ServiceId, UserId},
    messaging::model::RemovalReason,
    services::model::{PhotoSize, ServiceDetail, ServiceFilter, ServiceStatus, ServiceSummary},
    staff::{
        CloseService, Connection, ListQuery, ListServices, PhotoQuery, ReasonedInput, RemovePhoto, ReopenService,
        ShowService, ViewPhoto,
    },
};

use super::open;

use crate::{
    args::{BatchArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    files::require_place,
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
    /// Show a photo of a service in an external viewer, or save it; `show` has the ids, and reports those of what was reported
    #[command(after_help = "Examples:\n  \
        marketplace services photo 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d\n  \
        marketplace services photo 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --size thumb --output small.jpg")]
    Photo {
        /// The photo
        #[arg(value_parser = crate::args::id::<PhotoId>)]
        id: PhotoId,
        /// Which rendering
        #[arg(long, default_value = "full", value_parser = one_of::<PhotoSize>(PhotoSize::NAMES))]
        size: PhotoSize,
        /// The viewer; the file's path is its last argument
        #[arg(long, value_name = "COMMAND")]
        viewer: Option<String>,
        /// Save to this new file instead of viewing; - for stdout
        #[arg(long = "output", value_name = "FILE", conflicts_with = "viewer")]
        save_to: Option<PathBuf>,
    },
    /// Remove photos from a service; its worker is told why
    #[command(after_help = "Lines of --stdin may override: reason, note, if_version.\n\n\
        Example:\n  \
        marketplace services remove-photo 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --service-id 019a8f3e-0000-7b2a-9d55-0c4f6a1b2c3d \
        --reason fraud --yes")]
    RemovePhoto {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// The service that they are of
        #[arg(long, alias = "service", value_name = "ID", value_parser = reference::<ServiceId>)]
        service_id: Ref<ServiceId>,
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
        Verb::Photo { id, size, viewer, save_to } => {
            if let Some(path) = &save_to {
                require_place(path)?;
            }
            let file = context.connect().await?.call::<ViewPhoto>(id, PhotoQuery { size: Some(size) }, ()).await?;
            match save_to {
                Some(path) => open::save(context, &file, &path),
                None => open::view(context, &file, "photo", viewer.as_deref()).await,
            }
        }
        Verb::RemovePhoto { batch, service_id, reason, how } => {
            let reason = context.reason(reason, RemovalReason::NAMES, &how.change).await?;
            if !batch.stdin {
                Line::default().reason(reason)?;
            }
            let api = context.connect_to_change::<ServiceDetail>(&batch, &how.change).await?;
            let service = service_id.find(&api).await?;
            let apply = async |id: PhotoId, line: Line<RemovalReason>| -> Outcome<Changed<ServiceDetail>> {
                let input = ReasonedInput::new(line.reason(reason)?, line.change(&how));
                Ok(api.call::<RemovePhoto>((service, id), (), input).await?)
            };
            let whose = describe(&api, service).await?;
            let describe = async |id: PhotoId| Ok(format!("the photo {id} of {whose}"));
            context.change("Remove", &batch, &how.change, Care::Ask, describe, apply).await
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
