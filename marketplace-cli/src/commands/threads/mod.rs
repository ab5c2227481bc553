//! `marketplace threads`.

mod follow;

use clap::Subcommand;
use marketplace_core::staff::{
    self, Connection, ListQuery, ListThreads, NoticeInput, PostNotice, ReasonedInput, RemoveMessage, ShowThread,
};
use marketplace_core::{
    base::change::Changed,
    ids::{MessageId, ServiceId, ThreadId, UserId},
    messaging::model::{
        AccessReason, CloseReason, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo, ThreadStatus,
    },
};
use serde::Deserialize;

use crate::{
    args::{self, BatchArgs, Range, VersionedArgs, one_of},
    change::{Care, Line},
    context::Context,
    failure::{Failure, Outcome},
    find::{Ref, optional, reference},
};

/// What can be done with threads.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Threads, newest activity first, without what is written in them
    #[command(after_help = "Examples:\n  \
        marketplace threads list --status closed\n  \
        marketplace threads list --user-id 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --limit 0 -o id")]
    List {
        /// Only of people whom this finds, as `users list --q` does: words of the name, an address, a number, an id
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        /// Only in this state
        #[arg(long, value_parser = one_of::<ThreadStatus>(ThreadStatus::NAMES))]
        status: Option<ThreadStatus>,
        /// Only of this client or worker
        #[arg(long, alias = "user", value_name = "ID", value_parser = reference::<UserId>)]
        user_id: Option<Ref<UserId>>,
        /// Only about this service
        #[arg(long, alias = "service", value_name = "ID", value_parser = args::id::<ServiceId>)]
        service_id: Option<ServiceId>,
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// One thread, without what is written in it
    #[command(after_help = "Example:\n  marketplace threads show 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d")]
    Show {
        /// The thread
        #[arg(value_parser = reference::<ThreadId>)]
        id: Ref<ThreadId>,
    },
    /// What is written in a thread, the newest messages, oldest of them first; audited
    #[command(after_help = "Examples:\n  \
        marketplace threads messages 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason complaint\n  \
        marketplace threads messages 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason dispute --limit 0 -o json")]
    Messages {
        /// The thread
        #[arg(value_parser = reference::<ThreadId>)]
        id: Ref<ThreadId>,
        /// Why you read it, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<AccessReason>(AccessReason::NAMES))]
        reason: AccessReason,
        /// Which ones.
        #[command(flatten)]
        span: follow::Span,
    },
    /// The newest messages of a thread, and then each new one as it comes, until Ctrl-C; audited
    #[command(after_help = "To go on where an earlier watch ended: --after-seq with the last number it showed.\n\n\
        Examples:\n  \
        marketplace threads watch 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason safety\n  \
        marketplace threads watch 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason fraud --after-seq 41 -o jsonl")]
    Watch {
        /// The thread
        #[arg(value_parser = reference::<ThreadId>)]
        id: Ref<ThreadId>,
        /// Why you read it, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<AccessReason>(AccessReason::NAMES))]
        reason: AccessReason,
        /// Where to begin.
        #[command(flatten)]
        start: follow::Start,
    },
    /// Close threads: they accept no more messages
    #[command(after_help = "Lines of --stdin may override: reason, note, if_version.\n\n\
        Example:\n  marketplace threads close 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason abuse --yes")]
    Close {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// Why, as a code
        #[arg(long, value_name = "CODE", value_parser = one_of::<CloseReason>(CloseReason::NAMES))]
        reason: Option<CloseReason>,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Reopen threads
    #[command(after_help = "Lines of --stdin may override: note, if_version.\n\n\
        Example:\n  marketplace threads reopen 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes")]
    Reopen {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Post a notice that the two of a thread see
    #[command(after_help = "Lines of --stdin may override: content, note, if_version.\n\
        A batch can be run again: what was posted already is `unchanged`. --occasion posts it once more.\n\n\
        Examples:\n  \
        marketplace threads notice 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --content 'Please keep payments here.' --yes\n  \
        marketplace threads notice --stdin --content 'We are closed on Friday.' --occasion friday-2 --yes < ids.txt")]
    Notice {
        /// Which ones.
        #[command(flatten)]
        batch: BatchArgs,
        /// What they read, 1 to 4,000 characters
        #[arg(long, value_name = "TEXT")]
        content: Option<String>,
        /// Within a day, a batch posts the same text to a thread once for each occasion
        #[arg(long, value_name = "NAME", default_value = "")]
        occasion: String,
        /// How the change is made.
        #[command(flatten)]
        how: VersionedArgs,
    },
    /// Take messages from the view of the two; staff still see them
    #[command(after_help = "The ids are those of messages: marketplace threads messages … -o id\n\
        Lines of --stdin may override: reason, note, if_version.\n\n\
        Example:\n  \
        marketplace threads remove-message 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason contact_details --yes")]
    RemoveMessage {
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
}

/// The values that a line of a batch of notices may give for its item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoticeLine {
    content: Option<String>,
    note: Option<String>,
    if_version: Option<i64>,
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let out = &context.out;
    match verb {
        Verb::List { q, status, user_id, service_id, range } => {
            out.check::<ThreadInfo>()?;
            let api = context.connect().await?;
            let user_id = optional(&api, user_id.as_ref()).await?;
            let filter = ThreadFilter { q, status, user_id, service_id };
            context
                .stream(&range, async |page| api.call::<ListThreads>((), ListQuery::new(&filter, &page), ()).await)
                .await
        }
        Verb::Show { id } => {
            out.check::<ThreadInfo>()?;
            let api = context.connect().await?;
            let id = id.find(&api).await?;
            out.item(&api.call::<ShowThread>(id, (), ()).await?)
        }
        Verb::Messages { id, reason, span } => follow::messages(context, &id, reason, &span).await,
        Verb::Watch { id, reason, start } => follow::watch(context, &id, reason, &start).await,
        Verb::Close { batch, reason, how } => {
            let reason = context.reason(reason, CloseReason::NAMES, &how.change).await?;
            if !batch.stdin {
                Line::default().reason(reason)?;
            }
            let api = context.connect_to_change::<ThreadInfo>(&batch, &how.change).await?;
            let apply = async |id: ThreadId, line: Line<CloseReason>| -> Outcome<Changed<ThreadInfo>> {
                let action = ThreadAction::Close { reason: line.reason(reason)? };
                Ok(staff::act_on_thread(&api, id, &action, line.change(&how)).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Close", &batch, &how.change, Care::Ask, describe, apply).await
        }
        Verb::Reopen { batch, how } => {
            let api = context.connect_to_change::<ThreadInfo>(&batch, &how.change).await?;
            let apply = async |id: ThreadId, line: Line| -> Outcome<Changed<ThreadInfo>> {
                Ok(staff::act_on_thread(&api, id, &ThreadAction::Reopen, line.change(&how)).await?)
            };
            let describe = async |id| describe(&api, id).await;
            context.change("Reopen", &batch, &how.change, Care::Ask, describe, apply).await
        }
        Verb::Notice { batch, content, occasion, how } => {
            notice(context, &batch, content.as_deref(), &occasion, &how).await
        }
        Verb::RemoveMessage { batch, reason, how } => {
            let reason = context.reason(reason, RemovalReason::NAMES, &how.change).await?;
            if !batch.stdin {
                Line::default().reason(reason)?;
            }
            let api = context.connect_to_change::<StaffMessage>(&batch, &how.change).await?;
            let apply = async |id: MessageId, line: Line<RemovalReason>| -> Outcome<Changed<StaffMessage>> {
                Ok(api
                    .call::<RemoveMessage>(id, (), ReasonedInput::new(line.reason(reason)?, line.change(&how)))
                    .await?)
            };
            // Reading the message in order to describe it would need a reason of its own.
            let describe = async |id: MessageId| Ok(format!("the message {id}"));
            context.change("Remove", &batch, &how.change, Care::Ask, describe, apply).await
        }
    }
}

async fn notice(
    context: &Context,
    batch: &BatchArgs,
    text: Option<&str>,
    occasion: &str,
    how: &VersionedArgs,
) -> Outcome {
    let missing = || Failure::usage("the text of the notice is missing", "add --content TEXT");
    if text.is_none() && !batch.stdin {
        return Err(missing());
    }
    let is_batch = batch.stdin || batch.ids.len() > 1;
    let api = context.connect_to_change::<StaffMessage>(batch, &how.change).await?;
    let apply = async |id: ThreadId, line: NoticeLine| -> Outcome<Changed<StaffMessage>> {
        // The text as it is posted: blanks around it make no other notice.
        let text = line.content.as_deref().or(text).ok_or_else(missing)?.trim();
        let notice = NoticeInput::new(text, how.with(line.note.as_ref(), line.if_version));
        if !is_batch {
            return Ok(api.call::<PostNotice>(id, (), notice).await?);
        }
        // Nothing of a thread says that a notice was posted already, so the batch keeps it in mind.
        let (posted, is_repeated) = api.call_once::<PostNotice>(occasion, id, (), notice).await?;
        Ok(Changed { changed: posted.changed && !is_repeated, ..posted })
    };
    let describe = async |id| describe(&api, id).await;
    context.change("Post the notice in", batch, &how.change, Care::Ask, describe, apply).await
}

async fn describe(api: &Connection, id: ThreadId) -> Outcome<String> {
    let ThreadInfo { title, client_name, worker_name, status, last_seq, .. } =
        api.call::<ShowThread>(id, (), ()).await?;
    Ok(format!("“{title}”, {client_name} and {worker_name} ({status}, {last_seq} messages)"))
}
