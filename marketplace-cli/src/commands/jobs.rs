//! `marketplace jobs`.

use std::path::PathBuf;

use clap::Subcommand;
use marketplace_core::staff::{self, Connection, ListJobHistory, ListJobs, ListQuery, ShowJob};
use marketplace_core::{
    base::change::Changed,
    ids::{JobId, ThreadId, UserId},
    jobs::model::{HistoryRow, JobDetail, JobFilter, JobReason, JobStatus, JobSummary, StaffJobAction},
    messaging::model::AccessReason,
};

use super::bundle;
use crate::{
    args::{BatchArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::Outcome,
    find::{Ref, optional, reference},
};

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Jobs, newest first
    #[command(after_help = "Examples:\n  \
        marketplace jobs list --status completed --since 7d\n  \
        marketplace jobs list --sort price.amount:desc --limit 10\n  \
        marketplace jobs list --user-id 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --limit 0 -o csv")]
    List {
        /// Only of people whom this finds, as `users list --q` does: words of the name, an address, a number, an id; or with these
        /// words in the service's title, or the end of a job's id; '"in quotes"', only titles are searched
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        /// Only in this state
        #[arg(long, value_parser = one_of::<JobStatus>(JobStatus::NAMES))]
        status: Option<JobStatus>,
        /// Only of this client or worker
        #[arg(long, alias = "user", value_name = "ID", value_parser = reference::<UserId>)]
        user_id: Option<Ref<UserId>>,
        /// Only of this thread
        #[arg(long, alias = "thread", value_name = "ID", value_parser = reference::<ThreadId>)]
        thread_id: Option<Ref<ThreadId>>,
        /// Go on, and print each job that is new or changes, until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One job, with its offers and its history
    #[command(after_help = "Example:\n  marketplace jobs show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The job
        #[arg(value_parser = reference::<JobId>)]
        id: Ref<JobId>,
    },
    /// What became of a job, step by step, oldest first
    #[command(after_help = "Example:\n  marketplace jobs history 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --limit 0")]
    History {
        /// The job
        #[arg(value_parser = reference::<JobId>)]
        id: Ref<JobId>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// All that is known of a job, as a ZIP archive for a dispute; audited
    #[command(
        after_help = "The archive holds job.json (with the offers), history.jsonl, thread.json, messages.jsonl, and the files of the\n\
        messages under files/, by number of the message and id. It is a new file that only you can read.\n\n\
        Example:\n  marketplace jobs bundle 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason dispute --out case-4711.zip"
    )]
    Bundle {
        /// The job
        #[arg(value_parser = reference::<JobId>)]
        id: Ref<JobId>,
        /// Why you read what the two wrote, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<AccessReason>(AccessReason::NAMES))]
        reason: AccessReason,
        /// Where the archive goes; `-` for stdout
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Call jobs off
    #[command(after_help = "A job that the worker has completed needs an admin.\n\
        Lines of --stdin may override: reason, note, if_version.\n\n\
        Examples:\n  \
        marketplace jobs cancel 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason dispute --note 'case 4711'\n  \
        marketplace jobs cancel --stdin --yes --reason fraud --continue-on-error < ids.txt")]
    Cancel {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<JobReason>(JobReason::NAMES))]
        reason: Option<JobReason>,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// End well jobs that the worker has completed
    #[command(after_help = "Lines of --stdin may override: note, if_version.\n\n\
        Example:\n  marketplace jobs finalize 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Finalize {
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
    let out = &context.out;
    match verb {
        Verb::List { q, status, user_id, thread_id, watch, range } => {
            out.check::<JobSummary>()?;
            let api = context.connect().await?;
            let user_id = optional(&api, user_id.as_ref()).await?;
            let thread_id = optional(&api, thread_id.as_ref()).await?;
            let filter = JobFilter { q, status, user_id, thread_id };
            let fetch = async |page| api.call::<ListJobs>((), ListQuery::new(&filter, &page), ()).await;
            if watch { context.watch(&range, fetch).await } else { context.stream(&range, fetch).await }
        }
        Verb::Show { id } => {
            out.check::<JobDetail>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            out.item(&api.call::<ShowJob>(id, (), ()).await?)
        }
        Verb::History { id, range } => {
            out.check::<HistoryRow>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            context.stream(&range, async |page| api.call::<ListJobHistory>(id, page.clone(), ()).await).await
        }
        Verb::Bundle { id, reason, out } => Box::pin(bundle::run(context, &id, reason, &out)).await,
        Verb::Cancel { batch, reason, how } => {
            let reason = context.reason(reason, JobReason::NAMES, &how.change).await?;
            if !batch.stdin {
                Line::default().reason(reason)?;
            }
            let api = context.connect_to_change::<JobDetail>(&batch, &how.change).await?;
            let apply = async |id: JobId, line: Line<JobReason>| -> Outcome<Changed<JobDetail>> {
                let action = StaffJobAction::Cancel { reason: line.reason(reason)? };
                Ok(staff::act_on_job(&api, id, &action, line.change(&how)).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Cancel", &batch, &how.change, Care::Ask, describe, apply).await
        }
        Verb::Finalize { batch, how } => {
            let api = context.connect_to_change::<JobDetail>(&batch, &how.change).await?;
            let apply = async |id: JobId, line: Line| -> Outcome<Changed<JobDetail>> {
                Ok(staff::act_on_job(&api, id, &StaffJobAction::Finalize, line.change(&how)).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Finalize", &batch, &how.change, Care::Ask, describe, apply).await
        }
    }
}

async fn describe(api: &Connection, id: JobId) -> Outcome<String> {
    let job = api.call::<ShowJob>(id, (), ()).await?.job;
    let JobSummary { title, client_name, worker_name, status, price, .. } = job;
    Ok(format!("“{title}”, {client_name} and {worker_name} ({status}, {price})"))
}
